package desk

import (
	"context"
	"errors"
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
	Siblings []incident.ID `json:"siblings,omitempty"` // other reports in the queue about an address of it, to be grouped with it
	Active   []incident.ID `json:"active,omitempty"`   // incidents about an address of it that are not inactive, the last changed first: to be attached to
	Recent   []incident.ID `json:"recent,omitempty"`   // incidents that have ended within [workflow.Queue.Recent]: a hint
}

// QueuePage is a part of the queue.
type QueuePage struct {
	Entries []Entry         `json:"entries"`
	Total   int             `json:"total"`
	Next    *storage.Cursor `json:"next,omitempty"`
	At      time.Time       `json:"at"`
}

// maxOffered bounds the tickets of each kind that an entry names.
const maxOffered = 20

// Queue lists [ListQueue] by number. after is the Next of the page before, nil for the
// first page.
func (s *Session) Queue(ctx context.Context, after *storage.Cursor) (QueuePage, error) {
	page, err := s.List(ctx, s.Query(ListQueue), after)
	queue := QueuePage{Total: page.Total, Next: page.Next, At: page.At, Entries: []Entry{}}
	if err != nil {
		return queue, err
	}
	return queue, s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		for _, row := range page.Rows {
			e := Entry{Row: row}
			if err := s.offers(ctx, r, &e, page.At); err != nil {
				return err
			}
			queue.Entries = append(queue.Entries, e)
		}
		return nil
	})
}

// offers finds the tickets about the addresses of a report.
func (s *Session) offers(ctx context.Context, r storage.Reader, e *Entry, now time.Time) error {
	add := func(list *[]incident.ID, q storage.Query, fits func(incident.Ticket) bool) error {
		q.Limit = maxOffered + 1 // the report itself may be one
		found, err := s.find(ctx, r, q)
		for _, t := range found {
			if t.ID != e.ID && t.MergedInto == 0 && !slices.Contains(*list, t.ID) && len(*list) < maxOffered && (fits == nil || fits(t)) {
				*list = append(*list, t.ID)
			}
		}
		return err
	}
	asked := 0
	for _, o := range e.Observables {
		network, ok := o.Network()
		if o.Kind != incident.Address || !ok {
			continue
		}
		if asked++; asked > maxOffered {
			break
		}
		waiting := s.Query(ListQueue)
		waiting.Touches = network
		newest := []storage.Order{{Column: storage.ByUpdated, Descending: true}}
		about := func(phases ...incident.Phase) storage.Query {
			return storage.Query{Kinds: []incident.Kind{incident.KindIncident}, Touches: network, Phases: phases, Order: newest}
		}
		since := now.Add(-s.desk.config.Policy.Queue.Recent())
		ended := about(incident.Inactive)
		ended.UpdatedSince = since
		err := errors.Join(
			add(&e.Siblings, waiting, nil),
			add(&e.Active, about(notInactive()...), nil),
			add(&e.Recent, ended, func(t incident.Ticket) bool { return t.Resolved != nil && !t.Resolved.Before(since) }),
		)
		if err != nil {
			return err
		}
	}
	return nil
}
