package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// based is a command that may say on which version of its ticket it is based: it
// sets something that somebody has looked at before. What only adds (a comment, a
// link to one more incident, one more requestor) loses nobody's work, and what is
// refused anyway when somebody was faster (take, release, deliver, merge) needs no
// version.
type based interface {
	Command
	// base is that version; 0: the command does not say.
	base() uint64
	// parts names what of the ticket the command sets, as far as it is not so already.
	parts(p *Policy, t incident.Ticket, env Env) []string
}

// Parts of a ticket, called as in its JSON; fields are "fields." and their name.
const (
	partStatus   = "status"
	partOwner    = "owner"
	partParents  = "parents"
	partDue      = "due"
	partMessages = "messages"
	partFields   = "fields."
)

func (c Edit) base() uint64    { return c.Based }
func (c Move) base() uint64    { return c.Based }
func (c Reopen) base() uint64  { return c.Based }
func (c Resolve) base() uint64 { return c.Based }
func (c Abandon) base() uint64 { return c.Based }
func (c Reject) base() uint64  { return c.Based }
func (c Assign) base() uint64  { return c.Based }
func (c Steal) base() uint64   { return c.Based }
func (c Link) base() uint64    { return c.Based }
func (c Reply) base() uint64   { return c.Based }

func (Move) parts(*Policy, incident.Ticket, Env) []string   { return []string{partStatus} }
func (Reopen) parts(*Policy, incident.Ticket, Env) []string { return []string{partStatus} }
func (Assign) parts(*Policy, incident.Ticket, Env) []string { return []string{partOwner} }
func (Steal) parts(*Policy, incident.Ticket, Env) []string  { return []string{partOwner} }
func (Reply) parts(*Policy, incident.Ticket, Env) []string  { return []string{partMessages} }

// parts: a ticket that may have one incident only leaves its old one.
func (Link) parts(p *Policy, t incident.Ticket, _ Env) []string {
	if p.Lifecycles[t.Kind].ManyParents {
		return nil
	}
	return []string{partParents}
}

// parts: the mails about an incident are messages of its children, whose versions
// nobody has named.
func (c Resolve) parts(p *Policy, t incident.Ticket, env Env) []string {
	parts := []string{partStatus}
	if c.Resolution != "" {
		parts = append(parts, Edit{Fields: map[string][]string{FieldResolution: {c.Resolution}}}.parts(p, t, env)...)
	}
	if c.Reply != "" && t.Kind != incident.KindIncident {
		parts = append(parts, partMessages)
	}
	return parts
}

func (c Abandon) parts(p *Policy, t incident.Ticket, env Env) []string {
	return Resolve(c).parts(p, t, env)
}

func (c Reject) parts(_ *Policy, t incident.Ticket, env Env) []string {
	parts := []string{partStatus}
	if t.Owner != env.By {
		parts = append(parts, partOwner)
	}
	if c.Text != "" {
		parts = append(parts, partMessages)
	}
	return parts
}

func (c Edit) parts(p *Policy, t incident.Ticket, _ Env) []string {
	edited, _, err := c.edited(p, t)
	if err != nil {
		return nil // which decide says
	}
	parts := slices.DeleteFunc(touched(edited), func(part string) bool { // single people come and go beside others
		return part == "requestors" && c.Requestors == nil || part == "cc" && c.Cc == nil
	})
	if c.dueSet(t) != nil {
		parts = append(parts, partDue)
	}
	return parts
}

// touched returns the parts that an event may change. Observables are left out:
// they are added and removed one by one. So is mail of machines, since nobody has
// written.
func touched(ev incident.Event) (parts []string) {
	add := func(is bool, part string) {
		if is {
			parts = append(parts, part)
		}
	}
	switch e := ev.(type) {
	case incident.Moved:
		parts = []string{partStatus, "started"}
	case incident.Owned:
		add(true, partOwner)
	case incident.Linked, incident.Unlinked:
		add(true, partParents)
	case incident.DueSet:
		add(true, partDue)
	case incident.Message:
		add(!e.Machine, partMessages)
	case incident.Edited:
		c := e.Content
		add(c.Subject != nil, "subject")
		add(e.Priority != nil, "priority")
		add(e.Constituency != nil, "constituency")
		add(e.State != nil, "state")
		add(e.Started != nil || slices.Contains(e.Clear, "started"), "started")
		add(e.Wake != nil || slices.Contains(e.Clear, "wake"), "wake")
		add(c.Requestors != nil, "requestors")
		add(c.Cc != nil, "cc")
		add(c.Contacts != nil, "contacts")
		add(c.ExternalIDs != nil, "externalIDs")
		for _, fields := range []map[string][]string{e.Fields, c.Fields} {
			for _, name := range slices.Sorted(maps.Keys(fields)) {
				add(true, partFields+name)
			}
		}
	case incident.Joined:
		parts = []string{partParents, partMessages, "requestors", "cc", "contacts", "externalIDs"}
	case incident.Unmerged:
		add(true, partMessages)
	}
	return parts
}

// partOf tells what a part of a ticket is.
func partOf(t incident.Ticket, part string) string {
	date := func(at *time.Time) string {
		if at == nil {
			return ""
		}
		return at.Format(time.RFC3339Nano)
	}
	switch part {
	case partStatus:
		return string(t.Status)
	case partOwner:
		return string(t.Owner)
	case partParents:
		return tickets(t.Parents)
	case partDue:
		return date(t.Due)
	case partMessages:
		return strconv.Itoa(t.Messages)
	case "subject":
		return t.Subject
	case "priority":
		return strconv.Itoa(t.Priority)
	case "constituency":
		return t.Constituency
	case "state":
		return string(t.State)
	case "started":
		return date(t.Started)
	case "wake":
		return date(t.Wake)
	case "requestors":
		return people(t.Requestors)
	case "cc":
		return people(t.Cc)
	case "contacts":
		return people(t.Contacts)
	case "externalIDs":
		return strings.Join(t.ExternalIDs, ", ")
	}
	return strings.Join(t.Fields[strings.TrimPrefix(part, partFields)], ", ")
}

// sinceAsks asks for what happened since the version that a command is based on.
func sinceAsks(t incident.Ticket, c Command) []Ask {
	b, ok := c.(based)
	if !ok || b.base() == 0 || b.base() >= t.Version {
		return nil
	}
	return []Ask{{Fact: FactSince, Ticket: t.ID, Version: b.base()}}
}

// AsksAlso returns what must be known beside what [Policy.Asks] said, now that this
// is known. It is the ticket as it was, and only where something has happened since
// that bears on what the command sets: so that commands, but for those which are
// refused, never cost more with a longer history.
func (p *Policy) AsksAlso(t incident.Ticket, c Command, f Facts, env Env) []Ask {
	for _, ask := range sinceAsks(t, c) {
		parts := c.(based).parts(p, t, env)
		for _, record := range f.Since(t.ID, ask.Version) {
			ev, err := incident.Decode(record)
			if err == nil && slices.ContainsFunc(touched(ev), func(part string) bool { return slices.Contains(parts, part) }) {
				return []Ask{{Fact: FactAsOf, Ticket: t.ID, Version: ask.Version}}
			}
		}
	}
	return nil
}

// checkBase refuses a command that is based on a version which t never had.
func checkBase(t incident.Ticket, c Command) error {
	if b, ok := c.(based); ok && b.base() > t.Version {
		return &ArgumentError{c.Name(), "based", strconv.FormatUint(b.base(), 10), fmt.Sprintf("a version that ticket %s has had: 1 to %d", t.ID, t.Version)}
	}
	return nil
}

// changedSince refuses a command that sets what was changed since the version that it
// is based on. What was changed and changed back counts as not changed, but for
// messages.
func (p *Policy) changedSince(t incident.Ticket, command Command, f Facts, env Env) error {
	if len(p.AsksAlso(t, command, f, env)) == 0 {
		return nil
	}
	c := command.(based)
	before, _ := f.AsOf(t.ID, c.base())
	parts, now := c.parts(p, t, env), before
	last := map[string]incident.Record{} // that changed each part
	for _, record := range slices.Backward(f.Since(t.ID, c.base())) {
		next := incident.Apply(now, record)
		ev, err := incident.Decode(record)
		for _, part := range parts {
			if err == nil && slices.Contains(touched(ev), part) && (part == partMessages || partOf(now, part) != partOf(next, part)) {
				last[part] = record
			}
		}
		now = next
	}
	refused := &ChangedError{Command: c.Name(), Ticket: t.ID, Based: c.base(), Version: now.Version}
	for _, part := range parts {
		record, changed := last[part]
		from, to := partOf(before, part), partOf(now, part)
		if changed && (part == partMessages || from != to) {
			refused.Changes = append(refused.Changes, PartChange{
				Part: part, From: from, To: to, By: record.By, At: record.At, Rule: record.Cause.Rule, Version: record.Version,
			})
		}
	}
	if len(refused.Changes) == 0 {
		return nil
	}
	return refused
}

// ChangedError says that a command is based on a version of its ticket since which
// somebody, or a rule, has changed what the command sets; the actor's own changes
// count, since two windows of one person lose work as two people do. What else was
// changed does not matter. It names people: no record may hold it.
type ChangedError struct {
	Command string
	Ticket  incident.ID
	Based   uint64 // the version that the command names
	Version uint64 // the newest version
	Changes []PartChange
}

// PartChange is what became of a part of a ticket between two versions. Part is
// called as in the ticket's JSON, a field with "fields." before its name; of
// "messages" From and To are how many there were. By, At, Rule and Version are of
// the newest record that changed it; no Rule: somebody did.
type PartChange struct {
	Part     string
	From, To string // as text; empty: not set
	By       incident.Actor
	At       time.Time
	Rule     string
	Version  uint64
}

// Error implements error.
func (e *ChangedError) Error() string {
	var changes []string
	for _, c := range e.Changes {
		by := actor(c.By)
		if c.Rule != "" {
			by += " by the rule " + c.Rule
		}
		changes = append(changes, fmt.Sprintf("%s %q -> %q (%s, %s)", c.Part, shorten([]byte(c.From)), shorten([]byte(c.To)), by, c.At.UTC().Format(time.RFC3339)))
	}
	return fmt.Sprintf("workflow: %s on ticket %s is refused: it is based on version %d, since which was changed what it sets: %s: look at version %d and give the command again, based on that one if it still holds",
		e.Command, e.Ticket, e.Based, strings.Join(changes, "; "), e.Version)
}
