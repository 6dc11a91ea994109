package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
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
		err := errors.Join(
			add(&e.Siblings, waiting, nil),
			add(&e.Active, about(notInactive()...), nil),
			add(&e.Recent, about(incident.Inactive), func(t incident.Ticket) bool { return t.Resolved != nil && !t.Resolved.Before(since) }),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// Observations returns what machines have reported on a ticket: the observations that
// it keeps, those of its reports, if it is an incident, and of what was merged into
// these, by ticket and then by time. Errors: [*workflow.NoTicketError], those of the
// store.
func (s *Session) Observations(ctx context.Context, id incident.ID) (list []incident.Observation, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.ticket(ctx, r, id)
		if err != nil {
			return err
		}
		tickets := []incident.Ticket{t}
		if t.Kind == incident.KindIncident {
			reports, err := s.find(ctx, r, storage.Query{Parent: id, Kinds: []incident.Kind{incident.KindReport}})
			if err != nil {
				return err
			}
			tickets = append(tickets, reports...)
		}
		for i := 0; i < len(tickets); i++ { // it grows
			if ids := tickets[i].MergedFrom; len(ids) > 0 {
				merged, err := s.find(ctx, r, storage.Query{IDs: ids})
				if err != nil {
					return err
				}
				tickets = append(tickets, merged...)
			}
			found, err := observationsOf(ctx, r, tickets[i])
			if err != nil {
				return err
			}
			list = append(list, found...)
		}
		return nil
	})
	return list, err
}

// observationsOf returns the observations that a ticket keeps.
func observationsOf(ctx context.Context, r storage.Reader, t incident.Ticket) ([]incident.Observation, error) {
	if t.Observations == nil {
		return nil, nil
	}
	records, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{t.ID}, Types: []string{incident.Observed{}.Type()}})
	return workflow.Kept(records), err
}

// Exchange returns what another team is told of a ticket as data (AIRT paper 3.1): its
// [Session.Observations], or where machines have reported none, one that is made of
// its addresses and the message that says the most of it. What names no reporter is
// reported by the desk, under the number of the ticket. No status, state or note is in
// it. Errors: as those of Observations.
func (s *Session) Exchange(ctx context.Context, id incident.ID) ([]incident.Observation, error) {
	list, err := s.Observations(ctx, id)
	if err != nil {
		return nil, err
	}
	var t incident.Ticket
	if len(list) == 0 {
		var logs []string
		err = s.view(ctx, func(ctx context.Context, r storage.Reader) (err error) {
			if t, err = s.ticket(ctx, r, id); err == nil {
				logs, err = s.desk.firstMessage(ctx, r, filling{ticket: t}, s.scope)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		list = []incident.Observation{observationOf(t, logs)}
	}
	from := s.desk.config.From
	us := incident.Reporter{Name: from.Name, Mail: from.Address}
	number := s.desk.numberOf(id)
	for i := range list {
		o := &list[i]
		if o.Reporter != (incident.Reporter{}) && o.ID != "" {
			continue
		}
		if o.Reporter == (incident.Reporter{}) {
			o.Reporter = us
		}
		switch {
		case o.ID != "":
		case len(list) == 1:
			o.ID = number
		default:
			o.ID = fmt.Sprintf("%s.%d", number, i+1)
		}
		o.Normalize()
	}
	return list, nil
}

// observationOf makes an observation of what a ticket is about.
func observationOf(t incident.Ticket, logs []string) incident.Observation {
	o := incident.Observation{Time: t.Created}
	for _, x := range t.Observables {
		e := incident.Endpoint{Role: x.Role}
		network, ok := x.Network()
		switch {
		case x.Kind == incident.Address && ok:
			e.Address = network.Addr()
		case x.Kind == incident.Prefix && ok:
			e.Network = network
		case x.Kind == incident.Host:
			e.Host = x.Value
		case x.Kind == incident.URL:
			e.URL = x.Value
		case x.Kind == incident.MailAddress:
			e.Mail = x.Value
		default:
			continue
		}
		o.Endpoints = append(o.Endpoints, e)
	}
	for _, text := range logs {
		o.Logs = append(o.Logs, incident.Log{Data: []byte(text)})
	}
	o.Normalize()
	return o
}
