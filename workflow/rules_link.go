package workflow

import (
	"slices"

	"github.com/airtight-csirt/airtight/incident"
)

// linked returns the incidents that a change makes parents of its ticket.
func linked(c Change) []incident.ID {
	var ids []incident.ID
	for _, id := range c.After.Parents {
		if !c.Before.HasParent(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func linkNeeds(_ *Policy, c Change, _ any) []Ask { return askTickets(linked(c)...) }

// newParents returns the tickets for what linkNeeds asks.
func newParents(c Change, f Facts) []incident.Ticket {
	var parents []incident.Ticket
	for _, id := range linked(c) {
		if parent, ok := f.Ticket(id); ok {
			parents = append(parents, parent)
		}
	}
	return parents
}

func openLinkedReport(p *Policy, c Change, _ Facts, _ any) Verdict {
	t := c.After
	if t.Kind != incident.KindReport || t.Phase != incident.Initial || len(linked(c)) == 0 {
		return Verdict{}
	}
	to, ok := p.Lifecycles[t.Kind].FirstActive(t.Status)
	if !ok {
		return Verdict{Why: "its lifecycle has no active status to go to"}
	}
	return Verdict{Commands: []Command{Move{Ticket: t.ID, To: to}}, Why: "it is linked to an incident"}
}

func reopenLinkedIncidentNeeds(_ *Policy, c Change, _ any) []Ask {
	if loses(c) {
		return []Ask{{Fact: FactParents, Ticket: c.After.ID}}
	}
	return askTickets(linked(c)...)
}

// loses reports whether a change takes an incident from a child that is not inactive.
func loses(c Change) bool {
	return c.Event.Type() == (incident.Unlinked{}).Type() && c.After.Open()
}

func reopenLinkedIncident(_ *Policy, c Change, f Facts, _ any) Verdict {
	if !c.After.Open() {
		return Verdict{}
	}
	parents, why := newParents(c, f), "a child that is not inactive was linked to it"
	if loses(c) {
		parents, why = f.Parents(c.After.ID), "no other active incident holds a child that is not inactive"
		if slices.ContainsFunc(parents, incident.Ticket.Open) {
			return Verdict{}
		}
	}
	var commands []Command
	for _, parent := range parents {
		if !parent.Open() && parent.MergedInto == 0 {
			commands = append(commands, Reopen{Ticket: parent.ID})
		}
	}
	if len(commands) == 0 {
		return Verdict{}
	}
	return Verdict{Commands: commands, Why: why}
}

// CopyObservables are the parameters of the rule copy-observables.
type CopyObservables struct {
	Kinds []incident.Kind `json:"kinds"` // of the children
}

func copyObservables(_ *Policy, c Change, f Facts, params any) Verdict {
	if !slices.Contains(params.(CopyObservables).Kinds, c.After.Kind) {
		return Verdict{}
	}
	var commands []Command
	for _, parent := range newParents(c, f) {
		more := slices.DeleteFunc(slices.Clone(c.After.Observables), func(o incident.Observable) bool { return knows(parent, o) })
		if len(more) > 0 {
			commands = append(commands, Edit{Ticket: parent.ID, AddObservables: more})
		}
	}
	if len(commands) == 0 {
		return Verdict{}
	}
	return Verdict{Commands: commands, Why: "a report with these observables was linked to it"}
}
