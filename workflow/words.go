package workflow

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Words tells in one line what an event says, for a person to read: times in a
// zone, tickets as #7. It holds names, addresses and subjects as they were written:
// whoever prints it takes care of what a terminal or page must not be given.
func Words(ev incident.Event, zone *time.Location) string { return words{zone}.event(ev) }

type words struct{ zone *time.Location }

func (w words) when(t time.Time) string { return t.In(w.zone).Format("2006-01-02 15:04 MST") }

func actor(a incident.Actor) string {
	if a == incident.Nobody {
		return "nobody"
	}
	return string(a)
}

func people(list []incident.Party) string {
	all := make([]string, len(list))
	for i, p := range list {
		all[i] = p.String()
	}
	return strings.Join(all, ", ")
}

func tickets(ids []incident.ID) string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = "#" + id.String()
	}
	return strings.Join(all, ", ")
}

// Stretch tells a stretch of time in whole minutes, or seconds below one.
func Stretch(d time.Duration) string {
	if d = d.Round(time.Second); d >= time.Minute {
		d = d.Round(time.Minute)
	}
	text := d.String()
	if d >= time.Minute {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (w words) event(event incident.Event) string {
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
		return commented(e)
	case incident.DueSet:
		return w.due(e)
	case incident.Warned:
		return fmt.Sprintf("WARNING: %s of level %s is due %s", e.Clock, e.Level, w.when(e.Due))
	case incident.Breached:
		return fmt.Sprintf("BREACH: %s of level %s was due %s", e.Clock, e.Level, w.when(e.Due))
	case incident.Overdue:
		return "OVERDUE: its due date was " + w.when(e.Due)
	case incident.Notified:
		return notified(e)
	case incident.Reacted:
		return reacted(e)
	case incident.Undelivered:
		return undelivered(e)
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
	case incident.Joined:
		return fmt.Sprintf("took over #%s", e.From)
	case incident.Unmerged:
		if e.Into != 0 {
			return fmt.Sprintf("no longer merged into #%s", e.Into)
		}
		return fmt.Sprintf("gave back #%s", e.From)
	case incident.Attended:
		return w.attended(e)
	case incident.Settled:
		numbers := make([]string, len(e.Mails))
		for i, m := range e.Mails {
			numbers[i] = fmt.Sprintf("%d.%d", m.Version, m.Number)
		}
		return fmt.Sprintf("outgoing mail %s: %s", e.As, strings.Join(numbers, ", "))
	case incident.Observed:
		return w.observed(e)
	case incident.Imported:
		return imported(e)
	case incident.Adopted:
		return fmt.Sprintf("%s %s adopted as version %d", e.Document, e.Name, e.Version)
	case incident.Bounced:
		return bounced(e)
	case incident.AddressMarked:
		return fmt.Sprintf("address %s is defective: %s", e.Content.Address, bounceReason(e.Reason))
	case incident.AddressCleared:
		return fmt.Sprintf("address %s is cleared", e.Content.Address)
	case incident.ReceivedAgain:
		return "received again: same " + e.Same
	case incident.Examined:
		return examined(e)
	case incident.Skipped:
		if e.Rule == "" {
			return fmt.Sprintf("%s was not possible: %s", e.Command, e.Why)
		}
		return fmt.Sprintf("%s of rule %s was not possible: %s", e.Command, e.Rule, e.Why)
	case incident.Redacted:
		return fmt.Sprintf("content of record %d erased: %s", e.Version, e.Why)
	case incident.Custom:
		return "custom event " + e.Name
	}
	return "event " + event.Type()
}

func (w words) opened(e incident.Opened) string {
	line := fmt.Sprintf("%s opened as %s", e.Kind, e.Status)
	if e.Via != "" {
		line += " by " + e.Via
	}
	if e.Owner != incident.Nobody {
		line += ", owner " + actor(e.Owner)
	}
	if len(e.Parents) > 0 {
		line += ", linked to incident " + tickets(e.Parents)
	}
	if e.From != 0 {
		line += ", made from #" + e.From.String()
	}
	if len(e.Content.Requestors) > 0 {
		line += ", requestor " + people(e.Content.Requestors)
	}
	return line + fmt.Sprintf(": %q", e.Content.Subject)
}

func (w words) attended(e incident.Attended) string {
	switch {
	case e.By == incident.Nobody:
		return "nobody works on it any more"
	case e.Until == nil:
		return actor(e.By) + " works on it no more"
	}
	return fmt.Sprintf("%s works on it until %s", actor(e.By), w.when(*e.Until))
}

func (w words) observed(e incident.Observed) string {
	line := fmt.Sprintf("%d observations of %s, %d in all", e.Added, e.Feed, e.Count)
	if e.First != nil && e.Last != nil {
		line += fmt.Sprintf(", from %s to %s", w.when(*e.First), w.when(*e.Last))
	}
	if e.Beyond {
		line += "; limit exceeded: what is more is left in the raw input"
	}
	return line
}

func imported(e incident.Imported) string {
	line := fmt.Sprintf("import %s, part %d, %s: %d observations, %d kept on reports, %d of them new", e.Import, e.Part, e.Format, e.Observations, e.Kept, e.Opened)
	if rest := e.Unkept(); rest != "" {
		line += ", " + rest
	}
	if e.Again {
		line += "; the same bytes were imported before"
	}
	return line
}

func commented(e incident.Commented) string {
	call := e.Content.Call
	if call == nil {
		return "comment"
	}
	line := "call to"
	if call.Direction == incident.CallIn {
		line = "call from"
	}
	line += " " + cmp.Or(call.Person, "somebody")
	if call.Number != "" {
		line += ", " + call.Number
	}
	if call.Left != "" {
		line += fmt.Sprintf(", left: %q", call.Left)
	}
	return line
}

func notified(e incident.Notified) string {
	line := fmt.Sprintf("%s told: %s", actor(e.To), e.About)
	if len(e.Blobs) == 0 {
		line += " (no mailbox is known)"
	}
	return line
}

func reacted(e incident.Reacted) string {
	line := fmt.Sprintf("reaction %s to record %d", e.Reaction, e.Version)
	switch e.Outcome {
	case incident.ReactionDone:
		line += " is done"
	case incident.ReactionFailed:
		line += " FAILED and will be tried again"
	case incident.ReactionGivenUp:
		line += " FAILED and is given up"
	}
	if e.Attempt > 1 {
		line += fmt.Sprintf(", attempt %d", e.Attempt)
	}
	if e.Why != "" {
		line += ": " + e.Why
	}
	return line
}

func undelivered(e incident.Undelivered) string {
	line := fmt.Sprintf("mail of record %d to %s", e.Version, cmp.Or(e.Content.To, "somebody"))
	switch e.Outcome {
	case incident.MailFailed:
		line += fmt.Sprintf(" has FAILED, attempt %d", e.Attempt)
	case incident.MailUncertain:
		line += " is UNCERTAIN: nobody can say whether it was taken"
	case incident.MailRepeated:
		line += " is uncertain and will be sent again"
	case incident.MailTaken:
		return line + " was taken after all"
	}
	if e.Content.Why != "" {
		line += ": " + e.Content.Why
	}
	return line
}

func (w words) due(e incident.DueSet) string {
	line := "due date unset"
	if e.Due != nil {
		line = "due " + w.when(*e.Due)
	}
	if e.Child != 0 {
		line += fmt.Sprintf(", as #%s", e.Child)
	}
	if e.Clock != "" {
		line += ", " + e.Clock
	}
	if e.Pinned {
		line += ", pinned"
	}
	if e.Basis != nil {
		line += w.basis(*e.Basis)
	}
	return line
}

// basis tells how a due date follows from an agreement.
func (w words) basis(b incident.Basis) string {
	if b.Level == "" {
		return fmt.Sprintf(": nothing is promised: %s", b.Why)
	}
	if b.From == nil {
		return fmt.Sprintf(": no clock of level %s runs", b.Level)
	}
	line := fmt.Sprintf(": %s from %s (%s) through calendar %q (%s), level %s: %s", b.Within, b.Start, w.when(*b.From), b.Calendar, b.Zone, b.Level, b.Why)
	if b.Priority != 0 {
		line += fmt.Sprintf("; priority %d changed %s", b.Priority, b.Agreed)
	}
	if b.OutOfHours != "" {
		line += fmt.Sprintf("; %s added out of hours", b.OutOfHours)
	}
	if b.PausedSeconds != 0 {
		line += fmt.Sprintf("; %s of pause left out", Stretch(time.Duration(b.PausedSeconds)*time.Second))
	}
	return line
}

func (w words) edited(e incident.Edited) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	c := e.Content
	if c.Subject != nil {
		add("subject %q", *c.Subject)
	}
	if e.Priority != nil {
		add("priority %d", *e.Priority)
	}
	if e.Constituency != nil {
		add("constituency %q", *e.Constituency)
	}
	if e.State != nil {
		add("state %q", string(*e.State))
	}
	if e.Started != nil {
		add("started %s", w.when(*e.Started))
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
		add("other numbers %s", strings.Join(*c.ExternalIDs, ", "))
	}
	for _, fields := range []map[string][]string{e.Fields, c.Fields} {
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			add("%s=%s", name, strings.Join(fields[name], ", "))
		}
	}
	for _, o := range c.Observables {
		add("with %s", o.Value)
	}
	for _, o := range c.RemovedObservables {
		add("without %s", o.Value)
	}
	return strings.Join(parts, ", ")
}
