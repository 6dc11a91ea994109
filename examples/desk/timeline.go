package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/airtight-csirt/airtight/incident"
)

// printable makes text of other people safe to print: what could steer a
// terminal, or turn the direction of a line, becomes U+FFFD.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// printableText is printable for text of several lines.
func printableText(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = printable(strings.ReplaceAll(strings.TrimSuffix(line, "\r"), "\t", "    "))
	}
	return strings.Join(lines, "\n")
}

// teller puts events into words. Times are told in its zone.
type teller struct{ zone *time.Location }

func (w teller) when(t time.Time) string { return t.In(w.zone).Format("2006-01-02 15:04 MST") }

// date tells a date that may be unset.
func (w teller) date(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return w.when(*t)
}

// place names a record: ticket and version.
func place(id incident.ID, version uint64) string { return fmt.Sprintf("#%s.%d", id, version) }

func actor(a incident.Actor) string {
	if a == incident.Nobody {
		return "nobody"
	}
	return printable(string(a))
}

func people(list []incident.Party) string {
	var all []string
	for _, p := range list {
		all = append(all, p.String())
	}
	return printable(strings.Join(all, ", "))
}

func tickets(ids []incident.ID) string {
	var all []string
	for _, id := range ids {
		all = append(all, "#"+id.String())
	}
	return strings.Join(all, ", ")
}

// cause tells which rule made a record, and because of what.
func cause(c incident.Cause) string {
	if c.Rule == "" {
		return ""
	}
	return fmt.Sprintf(" (because %s, %s)", c.Rule, place(c.Ticket, c.Version))
}

// record tells one record, without its time and actor.
func (w teller) record(r incident.Record) string {
	event, err := incident.Decode(r)
	if err != nil {
		return printable(err.Error())
	}
	return w.event(event) + cause(r.Cause)
}

// event tells what happened, in a line.
func (w teller) event(event incident.Event) string {
	switch e := event.(type) {
	case incident.Opened:
		return w.opened(e)
	case incident.Moved:
		return fmt.Sprintf("status %s -> %s", e.From, e.To)
	case incident.Owned:
		return fmt.Sprintf("owner %s -> %s", actor(e.From), actor(e.To))
	case incident.Linked:
		return fmt.Sprintf("linked to incident #%s", e.Parent)
	case incident.Unlinked:
		return fmt.Sprintf("unlinked from incident #%s", e.Parent)
	case incident.Edited:
		return "edited: " + w.edited(e)
	case incident.Message:
		return message(e)
	case incident.Commented:
		return "comment"
	case incident.DueSet:
		return w.due(e)
	case incident.Warned:
		return fmt.Sprintf("WARNING: %s of level %s is due %s", printable(e.Clock), printable(e.Level), w.when(e.Due))
	case incident.Breached:
		return fmt.Sprintf("BREACH: %s of level %s was due %s", printable(e.Clock), printable(e.Level), w.when(e.Due))
	case incident.Held:
		if len(e.Candidates) == 0 {
			return "held: " + e.Reason
		}
		return fmt.Sprintf("held: %s, may belong to %s", e.Reason, tickets(e.Candidates))
	case incident.Delivered:
		if e.To == 0 {
			return "no longer held: " + string(e.Outcome)
		}
		return fmt.Sprintf("no longer held: %s to #%s", e.Outcome, e.To)
	case incident.Merged:
		if e.Into != 0 {
			return fmt.Sprintf("merged into #%s", e.Into)
		}
		return fmt.Sprintf("took over #%s", e.From)
	case incident.ReceivedAgain:
		return "received again: same " + e.Same
	case incident.Skipped:
		return fmt.Sprintf("%s of rule %s was not possible: %s", e.Command, e.Rule, printable(e.Why))
	case incident.Redacted:
		return fmt.Sprintf("content of record %d erased: %s", e.Version, printable(e.Why))
	case incident.Custom:
		return printable("custom event " + e.Name)
	}
	return printable("event " + event.Type())
}

func (w teller) opened(e incident.Opened) string {
	line := fmt.Sprintf("%s opened as %s", e.Kind, e.Status)
	if e.Via != "" {
		line += " by " + printable(e.Via)
	}
	if e.Owner != incident.Nobody {
		line += ", owner " + actor(e.Owner)
	}
	if len(e.Parents) > 0 {
		line += ", linked to incident " + tickets(e.Parents)
	}
	if len(e.Content.Requestors) > 0 {
		line += ", requestor " + people(e.Content.Requestors)
	}
	return line + fmt.Sprintf(": %q", printable(e.Content.Subject))
}

func message(e incident.Message) string {
	c := e.Content
	if e.Sent {
		line := "mail to " + people(c.To)
		if len(c.Cc) > 0 {
			line += ", copy to " + people(c.Cc)
		}
		return line + fmt.Sprintf(": %q", printable(c.Subject))
	}
	who := people([]incident.Party{c.From})
	if c.From.Address == "" {
		who = "unknown"
	}
	notes := append([]string{e.Thread}, e.Flags...)
	return fmt.Sprintf("message from %s [%s]: %q", who, strings.Join(notes, ", "), printable(c.Subject))
}

func (w teller) due(e incident.DueSet) string {
	line := "due date unset"
	if e.Due != nil {
		line = "due " + w.when(*e.Due)
	}
	if e.Child != 0 {
		line += fmt.Sprintf(", as #%s", e.Child)
	}
	if e.Clock != "" {
		line += ", " + printable(e.Clock)
	}
	if e.Basis != nil {
		line += w.basis(*e.Basis)
	}
	return line
}

// basis tells how a due date follows from an agreement.
func (w teller) basis(b incident.Basis) string {
	if b.Level == "" {
		return printable(fmt.Sprintf(": nothing is promised: %s", b.Why))
	}
	if b.From == nil {
		return printable(fmt.Sprintf(": no clock of level %s runs", b.Level))
	}
	line := fmt.Sprintf(": %s from %s (%s) through calendar %q (%s), level %s: %s", b.Within, b.Start, w.when(*b.From), b.Calendar, b.Zone, b.Level, b.Why)
	if b.Priority != 0 {
		line += fmt.Sprintf("; priority %d changed %s", b.Priority, b.Agreed)
	}
	if b.OutOfHours != "" {
		line += fmt.Sprintf("; %s added out of hours", b.OutOfHours)
	}
	if b.PausedSeconds != 0 {
		line += fmt.Sprintf("; %s of pause left out", minutes(time.Duration(b.PausedSeconds)*time.Second))
	}
	return printable(line)
}

func (w teller) edited(e incident.Edited) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	c := e.Content
	if c.Subject != nil {
		add("subject %q", printable(*c.Subject))
	}
	if e.Priority != nil {
		add("priority %d", *e.Priority)
	}
	if e.Constituency != nil {
		add("constituency %q", printable(*e.Constituency))
	}
	if e.State != nil {
		add("state %q", printable(string(*e.State)))
	}
	if e.Wake != nil {
		add("reminder %s", w.when(*e.Wake))
	}
	for _, name := range e.Clear {
		add("%s unset", name)
	}
	for _, list := range []struct {
		name string
		to   *[]incident.Party
	}{{"requestors", c.Requestors}, {"cc", c.Cc}, {"contacts", c.Contacts}} {
		if list.to != nil {
			add("%s %s", list.name, people(*list.to))
		}
	}
	if c.ExternalIDs != nil {
		add("other numbers %s", printable(strings.Join(*c.ExternalIDs, ", ")))
	}
	for _, fields := range []map[string][]string{e.Fields, c.Fields} {
		for _, name := range sortedKeys(fields) {
			add("%s=%s", printable(name), printable(strings.Join(fields[name], ", ")))
		}
	}
	for _, o := range c.Observables {
		add("with %s", printable(o.Value))
	}
	for _, o := range c.RemovedObservables {
		add("without %s", printable(o.Value))
	}
	return strings.Join(parts, ", ")
}

// timeline prints the history of one ticket, a record a line; below it the
// rules that it woke and that did not act.
func (w teller) timeline(out io.Writer, history []incident.Record) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range history {
		fmt.Fprintf(table, "  %s\t%s\t%s\t%s\n", place(r.Ticket, r.Version), w.when(r.At), actor(r.By), w.record(r))
		for _, miss := range r.NearMisses() {
			fmt.Fprintf(table, "  \t\t\tnot %s: %s\n", miss.Rule, printable(miss.Why))
		}
	}
	return table.Flush()
}
