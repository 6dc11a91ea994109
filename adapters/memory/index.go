package memory

import (
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// term is something that a query can ask for without looking at each ticket.
type term struct {
	field field
	text  string
	id    incident.ID
}

type field uint8

const (
	kind field = iota
	phase
	owner
	parent
	held
	due
	told // without a parent, and not by feeds alone; by phase
	fed  // without a parent, and by feeds alone; by phase
	key  // of an observable
)

// terms returns what a ticket is indexed under; nothing for the zero Ticket.
func terms(t incident.Ticket) []term {
	if t.Version == 0 {
		return nil
	}
	list := []term{
		{field: kind, text: string(t.Kind)},
		{field: phase, text: string(t.Phase)},
		{field: owner, text: string(t.Owner)},
	}
	for _, id := range t.Parents {
		list = append(list, term{field: parent, id: id})
	}
	switch {
	case len(t.Parents) > 0:
	case t.ByFeed():
		list = append(list, term{field: fed, text: string(t.Phase)})
	default:
		list = append(list, term{field: told, text: string(t.Phase)})
	}
	if t.Held != nil {
		list = append(list, term{field: held})
	}
	if t.Due != nil {
		list = append(list, term{field: due})
	}
	return list
}

// keyTerms returns what a ticket is indexed under for its observables: apart from the
// others, since they seldom change.
func keyTerms(t incident.Ticket) []term {
	var list []term
	for _, o := range t.Observables {
		list = append(list, term{field: key, text: o.Key()})
	}
	return list
}

// asked returns lists of terms; a ticket that q describes has one of each list.
func asked(q storage.Query) [][]term {
	lists := [][]term{anyOf(kind, q.Kinds), anyOf(phase, q.Phases), anyOf(owner, q.Owners), anyOf(key, q.Keys)}
	if q.Parent != 0 {
		lists = append(lists, []term{{field: parent, id: q.Parent}})
	}
	if q.Links == storage.Unlinked {
		list := anyOf(told, q.Phases)
		if q.Machines != storage.NotByFeed {
			list = append(list, anyOf(fed, q.Phases)...)
		}
		lists = append(lists, list)
	}
	if q.Held == storage.HeldOnly {
		lists = append(lists, []term{{field: held}})
	}
	if q.Due == storage.DueSet || !q.DueBefore.IsZero() {
		lists = append(lists, []term{{field: due}})
	}
	return slices.DeleteFunc(lists, func(list []term) bool { return len(list) == 0 })
}

func anyOf[S ~string](f field, values []S) []term {
	var list []term
	for _, v := range values {
		list = append(list, term{field: f, text: string(v)})
	}
	return list
}

// index holds the tickets that have a term.
type index map[term]map[incident.ID]struct{}

func (x index) move(id incident.ID, from, to []term) {
	if slices.Equal(from, to) {
		return
	}
	for _, term := range from {
		delete(x[term], id)
		if len(x[term]) == 0 {
			delete(x, term)
		}
	}
	for _, term := range to {
		if x[term] == nil {
			x[term] = map[incident.ID]struct{}{}
		}
		x[term][id] = struct{}{}
	}
}

// fewest returns, in ascending order, the tickets of that list which has the
// fewest; false when there is no list.
func (x index) fewest(lists [][]term) (ids []incident.ID, ok bool) {
	if len(lists) == 0 {
		return nil, false
	}
	size := func(list []term) (n int) {
		for _, term := range list {
			n += len(x[term])
		}
		return n
	}
	smallest := slices.MinFunc(lists, func(a, b []term) int { return size(a) - size(b) })
	for _, term := range smallest {
		for id := range x[term] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), true
}
