package workflow

import (
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
)

// Rules returns the built-in rules in their order.
func Rules() []Rule {
	return []Rule{
		{
			Name: "open-linked-report",
			Doc:  "A report in its initial phase opens when it gets an incident (RTIR: SetActiveStatus on link).",
			On:   []string{"opened", "linked"},
			Then: openLinkedReport,
		},
		{
			Name:  "append-delivered",
			Doc:   "The messages of a held report that is appended go to the ticket that takes them.",
			On:    []string{"delivered"},
			Needs: func(_ *Policy, c Change) []Ask { return []Ask{{FactMessages, c.After.ID}} },
			Then:  appendDelivered,
		},
		{
			Name: "close-children",
			Doc:  "Closing an incident closes its children that are not inactive, unless another active incident holds them (JANET 3.16).",
			On:   []string{"moved"},
			Needs: func(_ *Policy, c Change) []Ask {
				if !closes(c) {
					return nil
				}
				return []Ask{{FactOpenChildren, c.After.ID}}
			},
			Then: closeChildren,
		},
		{
			Name: "reopen-on-reply",
			Doc:  "A reply from outside opens a closed child again (JANET 3.16).",
			On:   []string{"message"},
			Then: reopenOnReply,
		},
		{
			Name: "reopen-parents",
			Doc:  "A child that becomes active opens its closed incidents again (JANET 3.16).",
			On:   []string{"moved"},
			Needs: func(_ *Policy, c Change) []Ask {
				if !c.After.Open() {
					return nil
				}
				return []Ask{{FactParents, c.After.ID}}
			},
			Then: reopenParents,
		},
		{
			Name: "due-on-reply",
			Doc:  "A reply from outside makes a child due at the time of the oldest message that nobody has answered (JANET 3.15).",
			On:   []string{"message"},
			Then: dueOnReply,
		},
		{
			Name: "answered",
			Doc:  "Our reply takes away the due date that a message from outside had set (JANET 3.12).",
			On:   []string{"message"},
			Then: answered,
		},
	}
}

// Derivations returns the built-in derivations.
func Derivations() []Derivation {
	return []Derivation{
		{
			Name:       "due-by-clock",
			Doc:        "A ticket with a service level is due when the first of its clocks is (JANET 3.4, 3.10; RT: Due by SLA).",
			DirtyNeeds: dueByClockNeeds,
			Dirty:      dueByClockDirty,
			Needs:      dueByClockAsks,
			Then:       dueByClock,
		},
		{
			Name:  "incident-due",
			Doc:   "An incident is due when the first of its children is that has a due date and is not inactive (JANET 3.15).",
			Dirty: incidentDueDirty,
			Needs: func(_ *Policy, t incident.Ticket) []Ask { return []Ask{{FactEarliestDue, t.ID}} },
			Then:  incidentDue,
		},
	}
}

func openLinkedReport(p *Policy, c Change, _ Facts) Verdict {
	t := c.After
	if t.Kind != incident.KindReport || t.Phase != incident.Initial || len(t.Parents) == 0 {
		return Verdict{}
	}
	to, ok := p.Lifecycles[t.Kind].FirstActive(t.Status)
	if !ok {
		return Verdict{Why: "its lifecycle has no active status to go to"}
	}
	return Verdict{Commands: []Command{Move{Ticket: t.ID, To: to}}, Why: "it is linked to an incident"}
}

func appendDelivered(_ *Policy, c Change, f Facts) Verdict {
	delivered := c.Event.(incident.Delivered)
	if delivered.Outcome != incident.Appended {
		return Verdict{}
	}
	var commands []Command
	for _, m := range f.Messages(c.After.ID) {
		received := m.At
		if m.Message.When != nil {
			received = *m.Message.When
		}
		commands = append(commands, Append{
			Ticket: delivered.To,
			From:   c.After.ID,
			Mail: Mail{
				Side: m.Message.Side, Machine: m.Message.Machine, When: &received, Thread: "delivered",
				Flags: m.Message.Flags, Entity: m.Message.Content, Blobs: m.Message.Blobs,
			},
		})
	}
	if len(commands) == 0 {
		return Verdict{Why: "it has no messages"}
	}
	return Verdict{Commands: commands, Why: "the held report was delivered to this ticket"}
}

// closes reports whether a change closes an incident.
func closes(c Change) bool {
	return c.After.Kind == incident.KindIncident && c.Before.Open() && !c.After.Open()
}

func closeChildren(p *Policy, c Change, f Facts) Verdict {
	if !closes(c) {
		return Verdict{}
	}
	children := slices.Clone(f.OpenChildren(c.After.ID))
	order := incident.Kinds()
	slices.SortStableFunc(children, func(a, b incident.Ticket) int {
		return slices.Index(order, a.Kind) - slices.Index(order, b.Kind)
	})
	var commands []Command
	for _, child := range children {
		if to, ok := p.Cascade[c.After.Status][child.Kind]; ok {
			commands = append(commands, Close{Ticket: child.ID, Under: c.After.ID, To: to})
		}
	}
	if len(commands) == 0 {
		return Verdict{Why: "no child is open"}
	}
	return Verdict{Commands: commands, Why: "its incident was closed"}
}

// reply returns the message of a change when it is a reply from outside to an
// existing ticket by a person; otherwise the reason why it is none.
func reply(c Change) (incident.Message, string, bool) {
	m, ok := c.Event.(incident.Message)
	_, opening := c.Command.(Open)
	switch {
	case !ok || m.Sent || m.Side != incident.Outside || opening || c.After.Kind == incident.KindIncident:
		return m, "", false
	case m.Machine:
		return m, "a machine wrote the message", false
	}
	return m, "", true
}

func reopenOnReply(_ *Policy, c Change, _ Facts) Verdict {
	if _, why, ok := reply(c); !ok || c.After.Open() {
		if c.After.Open() {
			why = ""
		}
		return Verdict{Why: why}
	}
	return Verdict{Commands: []Command{Reopen{Ticket: c.After.ID}}, Why: "somebody outside replied"}
}

func reopenParents(_ *Policy, c Change, f Facts) Verdict {
	if !c.After.Open() {
		return Verdict{}
	}
	var commands []Command
	for _, parent := range f.Parents(c.After.ID) {
		if !parent.Open() {
			commands = append(commands, Reopen{Ticket: parent.ID})
		}
	}
	if len(commands) == 0 {
		return Verdict{}
	}
	return Verdict{Commands: commands, Why: "a child of it is active"}
}

func dueOnReply(p *Policy, c Change, _ Facts) Verdict {
	_, why, ok := reply(c)
	if !ok {
		return Verdict{Why: why}
	}
	if chosen, _ := p.Level(c.After); chosen.Level != sla.None {
		return Verdict{Why: "its due date follows from its service level"}
	}
	due := c.After.OldestUnanswered
	if due == nil {
		return Verdict{Why: "every message from outside is answered"}
	}
	return Verdict{Commands: []Command{SetDue{Ticket: c.After.ID, Due: due, Clock: ClockUnanswered}}, Why: "somebody outside waits for an answer"}
}

func answered(p *Policy, c Change, _ Facts) Verdict {
	m, ok := c.Event.(incident.Message)
	if !ok || !m.Answers || c.After.Kind == incident.KindIncident {
		return Verdict{}
	}
	switch {
	case c.Before.Due == nil:
		return Verdict{}
	case p.Agreement != nil && len(c.Before.Clocks) > 0:
		return Verdict{Why: "its due date follows from its service level"}
	case !sameTime(c.Before.Due, c.Before.OldestUnanswered):
		return Verdict{Why: "its due date was not set by a message from outside"}
	}
	return Verdict{Commands: []Command{SetDue{Ticket: c.After.ID, Clock: ClockAnswered}}, Why: "we answered"}
}

// incidentDueDirty compares all that the due date of an incident follows from,
// whatever the event was.
func incidentDueDirty(_ *Policy, c Change, _ Facts) []incident.ID {
	if c.After.Kind == incident.KindIncident {
		if sameTime(c.Before.Due, c.After.Due) {
			return nil
		}
		return []incident.ID{c.After.ID}
	}
	before, after := datedParents(c.Before), datedParents(c.After)
	if sameTime(c.Before.Due, c.After.Due) && slices.Equal(before, after) {
		return nil
	}
	ids := slices.Concat(before, after)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// datedParents returns the incidents whose due date a child bears on.
func datedParents(child incident.Ticket) []incident.ID {
	if !child.Open() || child.Due == nil {
		return nil
	}
	return child.Parents
}

func incidentDue(_ *Policy, t incident.Ticket, f Facts, _ Env) []incident.Event {
	if t.Kind != incident.KindIncident {
		return nil
	}
	child, ok := f.EarliestDue(t.ID)
	switch {
	case !ok && t.Due == nil, ok && sameTime(t.Due, child.Due):
		return nil
	case !ok:
		return []incident.Event{incident.DueSet{}}
	}
	return []incident.Event{incident.DueSet{Due: child.Due, Child: child.ID}}
}

func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}
