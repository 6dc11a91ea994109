package desk

import (
	"context"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// PageSize is how many rows a page of a list has.
const PageSize = 50

// Row is one line of a list.
type Row struct {
	incident.Ticket
	Overdue bool                 `json:"overdue"`          // not inactive, and its due date has come
	AtWork  []incident.Attention `json:"atWork,omitempty"` // who works on it now

	// Defective are the addresses of its requestors and copies to which mail comes
	// back (JANET 3.13).
	Defective []string `json:"defective,omitempty"`

	// Chasing counts how often the correspondents of an investigation were waited for
	// in vain (JANET 3.15).
	Chasing workflow.Chasing `json:"chasing,omitzero"`

	// Observations sums up what machines have reported on the ticket and on all that
	// was merged into it, as far as the actor may see it: the one stands for all.
	// Ticket.Observations is about what it keeps itself.
	Observations *incident.Observations `json:"observations,omitempty"`
}

// Page is a part of a list.
type Page struct {
	Rows  []Row           `json:"rows"`
	Total int             `json:"total"`          // rows of the whole list
	Next  *storage.Cursor `json:"next,omitempty"` // where the next page starts; nil: this was the last
	At    time.Time       `json:"at"`             // when Overdue and AtWork were judged
}

// List is a list of work that the desk keeps.
type List string

// Lists.
const (
	ListNew     List = "new"     // reports that nobody has dealt with: in their initial phase and without an incident; held ones are among them, with Held set (JANET 3.5). Those that came by a feed alone are in ListQueue
	ListMine    List = "mine"    // the actor's own incidents that are not inactive (JANET 3.15)
	ListUnowned List = "unowned" // incidents without an owner that are not inactive
	ListDue     List = "due"     // all incidents that are not inactive (JANET 3.15, 3.16)
)

// Lists returns all lists.
func Lists() []List { return []List{ListNew, ListQueue, ListMine, ListUnowned, ListDue} }

// Query describes the tickets of a list, for whoever wants some of them: new reports
// by the oldest number, incidents by what is most due: those without a due date at the
// top, then the earliest, then the higher priority. What is no list is described as
// all tickets.
func (s *Session) Query(list List) storage.Query {
	q := storage.Query{Kinds: []incident.Kind{incident.KindIncident}, Phases: notInactive(), Order: storage.MostDue()}
	switch list {
	case ListNew, ListQueue:
		q = storage.Query{Kinds: []incident.Kind{incident.KindReport}, Phases: []incident.Phase{incident.Initial}, Links: storage.Unlinked, Machines: storage.NotByFeed}
		if list == ListQueue {
			q.Machines = storage.Observed
		}
		return q
	case ListMine:
		q.Owners = []incident.Actor{s.who.Actor}
	case ListUnowned:
		q.Owners = []incident.Actor{incident.Nobody}
	case ListDue:
	default:
		return storage.Query{}
	}
	return q
}

// NewUnlinked lists [ListNew]. after is the Next of the page before, nil for the first
// page.
func (s *Session) NewUnlinked(ctx context.Context, after *storage.Cursor) (Page, error) {
	return s.List(ctx, s.Query(ListNew), after)
}

// Mine lists [ListMine].
func (s *Session) Mine(ctx context.Context, after *storage.Cursor) (Page, error) {
	return s.List(ctx, s.Query(ListMine), after)
}

// Unowned lists [ListUnowned].
func (s *Session) Unowned(ctx context.Context, after *storage.Cursor) (Page, error) {
	return s.List(ctx, s.Query(ListUnowned), after)
}

// MostDue lists [ListDue].
func (s *Session) MostDue(ctx context.Context, after *storage.Cursor) (Page, error) {
	return s.List(ctx, s.Query(ListDue), after)
}

// Children lists the children of an incident, by number. Those whose status the
// policy hides (JANET 3.6: rejected reports) are left out, unless all is true, or
// one of the children has a status that only an earlier policy knew.
func (s *Session) Children(ctx context.Context, id incident.ID, all bool, after *storage.Cursor) (Page, error) {
	if _, err := s.Ticket(ctx, id); err != nil {
		return Page{}, err
	}
	q := storage.Query{Parent: id}
	if all {
		return s.List(ctx, q, after)
	}
	q.Scope = s.scope
	known := q
	for _, l := range s.desk.config.Policy.Lifecycles {
		for _, status := range l.Statuses {
			known.Statuses = append(known.Statuses, status.Name)
		}
	}
	var children, understood int
	err := s.view(ctx, func(ctx context.Context, r storage.Reader) (err error) {
		if children, err = r.Count(ctx, q); err == nil {
			understood, err = r.Count(ctx, known)
		}
		return err
	})
	if err != nil {
		return Page{}, err
	}
	if children == understood { // a list of what is shown leaves nothing else out
		q.Statuses = s.desk.config.Policy.Shown()
	}
	return s.List(ctx, q, after)
}

// List returns a page of whatever a query describes. The query's own After and
// Limit do not count.
func (s *Session) List(ctx context.Context, q storage.Query, after *storage.Cursor) (page Page, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		page, err = s.page(ctx, r, q, nil, after)
		return err
	})
	return page, err
}

// page returns a page of whatever a query describes; with words, of those tickets
// that have a text with all of them in it.
func (s *Session) page(ctx context.Context, r storage.Reader, q storage.Query, words []string, after *storage.Cursor) (Page, error) {
	page := Page{At: s.desk.now(), Rows: []Row{}}
	q, err := s.within(ctx, r, q)
	if err != nil {
		return page, err
	}
	find, count := r.Find, r.Count
	if len(words) > 0 {
		searcher, ok := r.(storage.TextSearcher)
		if !ok {
			return page, ErrNoTextSearch
		}
		find = func(ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
			return searcher.FindText(ctx, words, q)
		}
		count = func(ctx context.Context, q storage.Query) (int, error) { return searcher.CountText(ctx, words, q) }
	}
	q.After, q.Limit = after, PageSize+1
	found, err := find(ctx, q)
	if err != nil {
		return page, err
	}
	if len(found) > PageSize {
		found = found[:PageSize]
		page.Next = storage.CursorAt(found[PageSize-1])
	}
	if err := s.sight(r).tickets(ctx, found); err != nil {
		return page, err
	}
	for _, t := range found {
		row, err := rowOf(ctx, r, t, page.At)
		if err == nil && len(t.MergedFrom) > 0 {
			row.Observations, err = s.summed(ctx, r, t)
		}
		if err != nil {
			return page, err
		}
		page.Rows = append(page.Rows, row)
	}
	if page.Total = len(found); after != nil || page.Next != nil { // otherwise this is the whole list
		page.Total, err = count(ctx, q)
	}
	return page, err
}

// rowOf is the line of a list for a ticket.
func rowOf(ctx context.Context, r storage.Reader, t incident.Ticket, at time.Time) (Row, error) {
	bad, err := defective(ctx, r, slices.Concat(t.Requestors, t.Cc))
	if err != nil {
		return Row{}, err
	}
	row := Row{Ticket: t, Overdue: t.Overdue(at), AtWork: t.Attending(at), Defective: bad, Observations: t.Observations}
	if t.Kind == incident.KindInvestigation {
		row.Chasing, err = chasing(ctx, r, t)
	}
	return row, err
}

// mostMerged bounds the tickets merged into one that are looked at for a list or a
// decision: where there are more, a list says that there was more than it counts.
const mostMerged = 1000

// summed sums up what machines have reported on a ticket and on what was merged into it.
func (s *Session) summed(ctx context.Context, r storage.Reader, t incident.Ticket) (*incident.Observations, error) {
	all, err := withMerged(ctx, r, s.scope, []incident.Ticket{t}, mostMerged+1)
	var sum *incident.Observations
	for _, t := range cut(all, mostMerged) {
		o := t.Observations
		switch {
		case o == nil:
			continue
		case sum == nil:
			sum = &incident.Observations{Feed: o.Feed, First: o.First, Last: o.Last}
		}
		sum.Count += o.Count
		sum.Beyond = sum.Beyond || o.Beyond || len(all) > mostMerged
		if o.First != nil && (sum.First == nil || o.First.Before(*sum.First)) {
			sum.First = o.First
		}
		if o.Last != nil && (sum.Last == nil || o.Last.After(*sum.Last)) {
			sum.Last = o.Last
		}
	}
	return sum, err
}

// withMerged returns tickets, and behind them what was merged into them, directly or by
// way of others, each once; of many not less than most, if it is not 0.
func withMerged(ctx context.Context, r storage.Reader, scope *storage.Scope, tickets []incident.Ticket, most int) ([]incident.Ticket, error) {
	var all []incident.Ticket
	seen := map[incident.ID]bool{}
	add := func(list []incident.Ticket) {
		for _, t := range list {
			if !seen[t.ID] {
				all, seen[t.ID] = append(all, t), true
			}
		}
	}
	add(tickets)
	for i := 0; i < len(all); i++ { // it grows
		merged := slices.DeleteFunc(slices.Clone(all[i].MergedFrom), func(id incident.ID) bool { return seen[id] })
		for ids := range slices.Chunk(merged, recomputePage) {
			if most > 0 && len(all) >= most {
				return all, nil
			}
			found, err := r.Find(ctx, storage.Query{IDs: ids, Scope: scope})
			if err != nil {
				return nil, err
			}
			add(found)
		}
	}
	return all, nil
}
