package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
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
func (w teller) event(event incident.Event) string { return printable(workflow.Words(event, w.zone)) }

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
