package workflow

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

func (c Merge) asks(p *Policy, t incident.Ticket) []Ask {
	asks := askTickets(c.Into)
	switch {
	case t.Kind == incident.KindIncident:
		asks = append(asks, Ask{Fact: FactChildren, Ticket: t.ID})
	case p.guardsLinks():
		asks = append(asks, Ask{Fact: FactParents, Ticket: t.ID})
	}
	return asks
}

func (c Merge) decide(p *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	into, ok := f.Ticket(c.Into)
	switch {
	case !ok:
		return nil, &NoTicketError{Ticket: c.Into}
	case into.ID == t.ID || into.ID == incident.Desk:
		return nil, &ArgumentError{c.Name(), "into", c.Into.String(), "the number of another ticket"}
	case into.MergedInto != 0:
		return nil, merged(c, "into", into)
	case t.Kind == incident.KindInvestigation && into.Kind == incident.KindReport:
		return nil, &ArgumentError{c.Name(), "into", c.Into.String(), "the other way round: a report is merged into an investigation"}
	case t.Kind != into.Kind && !(t.Kind == incident.KindReport && into.Kind == incident.KindInvestigation):
		return nil, &ArgumentError{c.Name(), "into", fmt.Sprintf("%s %s", into.Kind, into.ID), "the number of " + article(t.Kind)}
	case into.Held != nil:
		return nil, &RefusedError{c.Name(), t.ID, fmt.Sprintf("ticket %s is held: deliver it first", into.ID)}
	}
	if err := p.apart(c, t, into); err != nil {
		return nil, err
	}
	ended := append(settled(t, incident.Appended, into.ID), incident.Merged{Into: into.ID, Status: t.Status})
	if onMerge, _ := p.Lifecycles[t.Kind].Status(p.Lifecycles[t.Kind].OnMerge); t.Open() {
		ended = append(ended, incident.Moved{From: t.Status, To: onMerge.Name, Phase: onMerge.Phase})
	}
	joined := incident.Joined{
		From: t.ID, Unanswered: t.OldestUnanswered, LastOutside: t.LastOutside, LastInside: t.LastInside,
		Content: incident.JoinedContent{
			Requestors: without(t.Requestors, into.Requestors), Cc: without(t.Cc, into.Cc), Contacts: without(t.Contacts, into.Contacts),
			ExternalIDs: slices.DeleteFunc(slices.Clone(t.ExternalIDs), func(id string) bool { return slices.Contains(into.ExternalIDs, id) }),
			Observables: newObservables(t.Observables, into.Observables),
		},
	}
	var moved []Decision
	if t.Kind == incident.KindIncident {
		for _, child := range f.Children(t.ID) {
			if err := p.checkParent(c, child, into); err != nil && child.MergedInto == 0 {
				return nil, err
			}
			if err := p.apart(c, child, into); err != nil && child.Open() {
				return nil, err
			}
			if child.HasParent(into.ID) {
				joined.Shared = append(joined.Shared, child.ID)
			} else {
				joined.Children = append(joined.Children, child.ID)
				moved = append(moved, on(child.ID, incident.Linked{Parent: into.ID})...)
			}
			moved = append(moved, on(child.ID, incident.Unlinked{Parent: t.ID})...)
		}
	} else {
		joined.Parents = parentsAdded(p, t, into)
		if p.guardsLinks() {
			for _, parent := range f.Parents(t.ID) {
				if !slices.Contains(joined.Parents, parent.ID) {
					continue
				}
				if err := cmp.Or(p.checkParent(c, into, parent), p.apart(c, into, parent)); err != nil {
					return nil, err
				}
			}
		}
	}
	decisions := append(moved, events(ended...)...)
	return append(decisions, on(into.ID, joined)...), nil
}

// guardsLinks reports whether a link may be refused for what the two tickets are.
func (p *Policy) guardsLinks() bool {
	return p.Lifecycles[incident.KindIncident].RefuseClosed || p.StrictConstituency
}

// parentsAdded are the incidents of t that the other ticket gets: all that it does
// not have; one at most, if it has none, where its kind may have one only.
func parentsAdded(p *Policy, t, into incident.Ticket) []incident.ID {
	added := slices.DeleteFunc(slices.Clone(t.Parents), into.HasParent)
	if !p.Lifecycles[into.Kind].ManyParents {
		added = added[:min(len(added), max(0, 1-len(into.Parents)))]
	}
	if len(added) == 0 {
		return nil
	}
	return added
}

// without returns those of a list whose address is not in the other; nil for none.
func without(list, other []incident.Party) []incident.Party {
	var rest []incident.Party
	for _, p := range list {
		if !hasParty(other, p) {
			rest = append(rest, p)
		}
	}
	return rest
}

// newObservables returns those of a list that the other does not have.
func newObservables(list, other []incident.Observable) []incident.Observable {
	have := make(map[[2]string]bool, len(other))
	for _, o := range other {
		have[[2]string{string(o.Kind), o.Value}] = true
	}
	var rest []incident.Observable
	for _, o := range list {
		if !have[[2]string{string(o.Kind), o.Value}] {
			rest = append(rest, o)
		}
	}
	return rest
}

func (c Unmerge) asks(_ *Policy, t incident.Ticket) []Ask {
	if t.MergedInto == 0 {
		return nil
	}
	return append(askTickets(t.MergedInto), Ask{Fact: FactMerges, Ticket: t.ID}, Ask{Fact: FactMerges, Ticket: t.MergedInto}, Ask{Fact: FactChildren, Ticket: t.MergedInto})
}

func (c Unmerge) decide(p *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	if t.MergedInto == 0 {
		return nil, nil
	}
	into, ok := f.Ticket(t.MergedInto)
	switch {
	case !ok:
		return nil, &NoTicketError{Ticket: t.MergedInto}
	case into.MergedInto != 0:
		return nil, &RefusedError{c.Name(), t.ID, fmt.Sprintf("ticket %s, into which it was merged, was merged into ticket %s: undo that first", into.ID, into.MergedInto)}
	}
	back := []incident.Event{incident.Unmerged{Into: into.ID}}
	if before, ok := p.Lifecycles[t.Kind].Status(statusBeforeMerge(f.Merges(t.ID))); ok && before.Name != t.Status {
		back = append(back, incident.Moved{From: t.Status, To: before.Name, Phase: before.Phase})
	}
	decisions := events(back...)
	joined, ok := lastJoined(f.Merges(into.ID), t.ID)
	decisions = append(decisions, on(into.ID, incident.Unmerged{From: t.ID, Unanswered: unanswered(into, t.ID, joined, f.Merges(into.ID))})...)
	if !ok { // its mail was appended: that stays
		return decisions, nil
	}
	if edited, changed := takenBack(into, joined); changed {
		decisions = append(decisions, on(into.ID, edited)...)
	}
	left := len(into.Parents)
	for _, parent := range joined.Parents {
		last := left == 1 && p.Lifecycles[into.Kind].ParentRequired
		if into.HasParent(parent) && !last {
			left--
			decisions = append(decisions, on(into.ID, incident.Unlinked{Parent: parent})...)
		}
	}
	for _, child := range f.Children(into.ID) {
		if err := p.apart(c, child, t); err != nil && child.Open() && slices.Contains(slices.Concat(joined.Children, joined.Shared), child.ID) {
			return nil, err
		}
		if slices.Contains(joined.Children, child.ID) {
			decisions = append(decisions, on(child.ID, incident.Linked{Parent: t.ID}, incident.Unlinked{Parent: into.ID})...)
		} else if slices.Contains(joined.Shared, child.ID) {
			decisions = append(decisions, on(child.ID, incident.Linked{Parent: t.ID})...)
		}
	}
	return decisions, nil
}

func statusBeforeMerge(merges []incident.Record) (before incident.Status) {
	for _, r := range merges {
		if m, ok := decoded(r).(incident.Merged); ok && m.Into != 0 {
			before = m.Status
		}
	}
	return before
}

// lastJoined returns what the last merge of a ticket into another one had added.
func lastJoined(merges []incident.Record, from incident.ID) (joined incident.Joined, ok bool) {
	for _, r := range merges {
		if j, is := decoded(r).(incident.Joined); is && j.From == from {
			joined, ok = j, true
		}
	}
	return joined, ok
}

// unanswered is the oldest message without an answer that stays on a ticket when
// another one leaves it: of its own, and of those that stay with it.
func unanswered(into incident.Ticket, leaves incident.ID, joined incident.Joined, history []incident.Record) *time.Time {
	if into.OldestUnanswered == nil || !sameTime(into.OldestUnanswered, moment(joined.Unanswered)) {
		return into.OldestUnanswered
	}
	stays := map[incident.ID]uint64{} // tickets, with the record of the merge that holds them
	for _, r := range history {
		if j, ok := decoded(r).(incident.Joined); ok && j.From != leaves && slices.Contains(into.MergedFrom, j.From) {
			stays[j.From] = r.Version
		}
	}
	var left incident.Ticket
	for _, r := range history {
		switch ev := decoded(r).(type) {
		case incident.Message:
			left = incident.Apply(left, r)
		case incident.Joined:
			if stays[ev.From] == r.Version {
				left = incident.Apply(left, r)
			}
		}
	}
	return left.OldestUnanswered
}

// decoded returns the event of a record; nil if it cannot be read.
func decoded(r incident.Record) incident.Event {
	ev, err := incident.Decode(r)
	if err != nil {
		return nil
	}
	return ev
}

// takenBack removes what a merge had added and is still there.
func takenBack(t incident.Ticket, joined incident.Joined) (e incident.Edited, changed bool) {
	c := joined.Content
	for _, list := range []struct {
		now, added []incident.Party
		to         **[]incident.Party
	}{
		{t.Requestors, c.Requestors, &e.Content.Requestors}, {t.Cc, c.Cc, &e.Content.Cc}, {t.Contacts, c.Contacts, &e.Content.Contacts},
	} {
		changed = replace(list.to, without(list.now, list.added), list.now) || changed
	}
	numbers := slices.DeleteFunc(slices.Clone(t.ExternalIDs), func(id string) bool { return slices.Contains(c.ExternalIDs, id) })
	changed = replace(&e.Content.ExternalIDs, numbers, t.ExternalIDs) || changed
	for _, o := range c.Observables {
		if slices.ContainsFunc(t.Observables, o.Same) {
			e.Content.RemovedObservables, changed = append(e.Content.RemovedObservables, o), true
		}
	}
	return e, changed
}
