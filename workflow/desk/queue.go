package desk

import (
	"context"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// ListQueue is the list of reports of machines that wait for a decision (AIRT paper
// 3.1, figure 3), by mail and out of feeds.
const ListQueue List = "queue"

// Entry is a report in the queue, with what its addresses are known for.
type Entry struct {
	Row

	// Offered are the incidents that mention an address of the report, or what overlaps
	// it, themselves or by a child, as [Session.Suggest] gives them: first those that are
	// ticked, which the report is to be added to; at the end those that have ended within
	// [workflow.Queue.Recent], as hints.
	Offered []Suggestion `json:"offered,omitempty"`

	// Siblings are other reports in the queue that mention an address of it, by number,
	// to be grouped with it.
	Siblings []incident.ID `json:"siblings,omitempty"`
}

// QueuePage is a part of the queue.
type QueuePage struct {
	Entries []Entry         `json:"entries"`
	Total   int             `json:"total"`
	Next    *storage.Cursor `json:"next,omitempty"`
	At      time.Time       `json:"at"`
}

// maxSiblings bounds the other reports that an entry names.
const maxSiblings = 20

// Queue lists [ListQueue] by number. after is the Next of the page before, nil for the
// first page.
//
// It asks the store once for each address on the page, however many entries have it, and
// a few times for all of them. Of an entry 20 addresses or networks count, and of what
// many tickets mention the newest hundred: a page costs the same beside many tickets.
func (s *Session) Queue(ctx context.Context, after *storage.Cursor) (queue QueuePage, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		page, err := s.page(ctx, r, s.Query(ListQueue), nil, after)
		if err != nil {
			return err
		}
		queue = QueuePage{Entries: []Entry{}, Total: page.Total, Next: page.Next, At: page.At}
		f := s.finder(r)
		var all []incident.Observable
		for _, row := range page.Rows {
			all = append(all, networked(row.Ticket)...)
		}
		if err := f.learn(ctx, all); err != nil {
			return err
		}
		for _, row := range page.Rows {
			g, ours := f.guess(row.Ticket), networked(row.Ticket)
			g.shared(ours)
			e := Entry{Row: row, Siblings: f.siblings(row.Ticket, ours)}
			if e.Offered, err = g.best(ctx); err != nil {
				return err
			}
			queue.Entries = append(queue.Entries, e)
		}
		return nil
	})
	return queue, err
}

// queued reports whether a ticket is in [ListQueue].
func queued(t incident.Ticket) bool { return t.Waiting() && t.Observations != nil }

// networked are the addresses and networks of a ticket, as many as count.
func networked(t incident.Ticket) []incident.Observable {
	list := telling(t)
	return slices.DeleteFunc(list, func(o incident.Observable) bool { return rank(o) > 0 })
}

// siblings are other reports that wait and mention one of some addresses of a report:
// those that [workflow.Group] takes.
func (f *finder) siblings(t incident.Ticket, ours []incident.Observable) (ids []incident.ID) {
	for _, o := range ours {
		if o.Kind != incident.Address {
			continue
		}
		for _, other := range f.mention[o.Key()] {
			if other.ID != t.ID && queued(other) && slices.ContainsFunc(other.Observables, o.Same) && !slices.Contains(ids, other.ID) {
				ids = append(ids, other.ID)
			}
		}
	}
	slices.Sort(ids)
	return cut(ids, maxSiblings)
}
