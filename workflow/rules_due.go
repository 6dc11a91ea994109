package workflow

import (
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
)

func dueOnReply(p *Policy, c Change, _ Facts, _ any) Verdict {
	_, why, ok := reply(c)
	left := false // what waited went away with a ticket that had been merged into this one
	switch e := c.Event.(type) {
	case incident.Joined:
		ok = e.Unanswered != nil && c.After.Kind != incident.KindIncident
	case incident.Unmerged:
		left = c.Before.Due != nil && sameTime(c.Before.Due, c.Before.OldestUnanswered) && !sameTime(c.Before.Due, c.After.OldestUnanswered)
		ok = left && c.After.Kind != incident.KindIncident
	}
	if !ok {
		return Verdict{Why: why}
	}
	if chosen, _ := p.Level(c.After); chosen.Level != sla.None {
		return Verdict{Why: "its due date follows from its service level"}
	}
	due := c.After.OldestUnanswered
	set := Verdict{Commands: []Command{SetDue{Ticket: c.After.ID, Due: due, Clock: ClockUnanswered}}, Why: "somebody outside waits for an answer"}
	switch {
	case left && due == nil: // what it was due by before, nobody knows any more
		return Verdict{Why: "the message that it is due for has left, and no other one waits: its date is for a person to set"}
	case left:
		set.Why = "the message that waited belongs to another ticket again"
	case due == nil:
		return Verdict{Why: "every message from outside is answered"}
	}
	return set
}

// DueAfterReply are the parameters of the rule due-after-reply. Days 0 unsets the
// due date that a message from outside had set, and sets none.
type DueAfterReply struct {
	Days   int      `json:"days"`   // calendar days from our reply
	Urgent []Urgent `json:"urgent"` // sooner, from some priority on; the highest one that is reached counts
}

// Urgent is a number of days for a priority and those above it. The priority that
// counts is the highest of the ticket's own and of its incidents'.
type Urgent struct {
	Priority int `json:"priority"`
	Days     int `json:"days"`
}

// Check implements what [Policy.Validate] asks.
func (d DueAfterReply) Check(*Policy) error {
	if d.Days < 0 || d.Days > 3650 {
		return fmt.Errorf("days %d: allowed is 0 to 3650", d.Days)
	}
	for _, u := range d.Urgent {
		if u.Days < 0 || u.Days > 3650 || u.Priority < 0 || u.Priority > 100 {
			return fmt.Errorf("%d days from priority %d on: allowed are 0 to 3650 days, priorities 0 to 100", u.Days, u.Priority)
		}
	}
	return nil
}

// days is how many days a ticket of a priority has.
func (d DueAfterReply) days(priority int) int {
	days, reached := d.Days, -1
	for _, u := range d.Urgent {
		if priority >= u.Priority && u.Priority > reached {
			days, reached = u.Days, u.Priority
		}
	}
	return days
}

// ours reports whether a change is a mail of ours to the correspondents of a child:
// a reply, or the one that it was opened with.
func ours(c Change) bool {
	m, ok := c.Event.(incident.Message)
	return ok && m.Answers && !m.Machine && c.After.Kind != incident.KindIncident
}

func dueAfterReplyNeeds(_ *Policy, c Change, params any) []Ask {
	if !ours(c) || len(params.(DueAfterReply).Urgent) == 0 {
		return nil
	}
	return []Ask{{Fact: FactParents, Ticket: c.After.ID}}
}

func dueAfterReply(p *Policy, c Change, f Facts, params any) Verdict {
	with := params.(DueAfterReply)
	if !ours(c) {
		return Verdict{}
	}
	if chosen, _ := p.Level(c.After); chosen.Level != sla.None {
		return Verdict{Why: "its due date follows from its service level"}
	}
	priority := c.After.Priority
	if len(with.Urgent) > 0 {
		for _, parent := range f.Parents(c.After.ID) {
			priority = max(priority, parent.Priority)
		}
	}
	days := with.days(priority)
	if days == 0 {
		switch {
		case c.Before.Due == nil:
			return Verdict{}
		case !sameTime(c.Before.Due, c.Before.OldestUnanswered):
			return Verdict{Why: "its due date was not set by a message from outside"}
		}
		return Verdict{Commands: []Command{SetDue{Ticket: c.After.ID, Clock: ClockAnswered}}, Why: "we answered"}
	}
	due := c.At.AddDate(0, 0, days)
	return Verdict{Commands: []Command{SetDue{Ticket: c.After.ID, Due: &due, Clock: ClockReply}}, Why: fmt.Sprintf("we wrote %d days before", days)}
}

func restartOnReply(_ *Policy, c Change, _ Facts, _ any) Verdict {
	if !ours(c) || opening(c) || c.After.Kind != incident.KindReport || c.After.Phase == incident.Initial {
		return Verdict{}
	}
	return Verdict{Commands: []Command{Restart{Ticket: c.After.ID}}, Why: "we replied"}
}

// IncidentDue are the parameters of the derivation incident-due.
type IncidentDue struct {
	Pin bool `json:"pin"` // a date that a person sets stays
}

// pinsDue reports whether a person may set the due date of an incident.
func (p *Policy) pinsDue() bool {
	return slices.ContainsFunc(p.Derivations, func(d Derivation) bool {
		params, ok := d.Params.(IncidentDue)
		return ok && params.Pin
	})
}

// incidentDueDirty compares all that the due date of an incident follows from,
// whatever the event was.
func incidentDueDirty(_ *Policy, c Change, _ Facts) []incident.ID {
	if c.After.Kind == incident.KindIncident {
		if sameTime(c.Before.Due, c.After.Due) && c.Before.Pinned == c.After.Pinned {
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

func incidentDue(_ *Policy, t incident.Ticket, f Facts, _ Env, params any) []incident.Event {
	if t.Kind != incident.KindIncident || t.Pinned && params.(IncidentDue).Pin {
		return nil
	}
	child, ok := f.EarliestDue(t.ID)
	switch {
	case !ok && t.Due == nil, ok && sameTime(t.Due, child.Due) && !t.Pinned:
		return nil
	case !ok:
		return []incident.Event{incident.DueSet{}}
	}
	return []incident.Event{incident.DueSet{Due: child.Due, Child: child.ID}}
}
