package desk

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Observations returns what machines have reported on a ticket: the observations that
// it keeps, those of its reports, if it is an incident, and of what was merged into
// these, by ticket and then by time. Errors: [*workflow.NoTicketError], those of the
// store.
func (s *Session) Observations(ctx context.Context, id incident.ID) (list []incident.Observation, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.ticket(ctx, r, id)
		if err == nil {
			list, err = reportedOn(ctx, r, s.scope, filling{ticket: t})
		}
		return err
	})
	return list, err
}

// Exchange returns what another team is told of a ticket as data (AIRT paper 3.1): its
// [Session.Observations], or where machines have reported none, one that is made of
// its addresses and the message that says the most of it. What names no reporter is
// reported by the desk, under the number of the ticket. No status, state or note is in
// it. Errors: as those of Observations.
func (s *Session) Exchange(ctx context.Context, id incident.ID) (list []incident.Observation, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.ticket(ctx, r, id)
		if err != nil {
			return err
		}
		f := filling{ticket: t}
		var made bool
		if list, made, err = s.desk.told(ctx, r, s.scope, f); err != nil || !made {
			return err
		}
		logs, err := s.desk.firstMessage(ctx, r, f, s.scope)
		for _, text := range logs {
			list[0].Logs = append(list[0].Logs, incident.Log{Data: []byte(text)})
		}
		list[0].Normalize()
		return err
	})
	return list, err
}

// reportedOn returns what machines have reported on a ticket; on its incidents, where it
// is opened under some and keeps nothing itself.
func reportedOn(ctx context.Context, r storage.Reader, scope *storage.Scope, f filling) (list []incident.Observation, err error) {
	tickets := []incident.Ticket{f.ticket}
	if f.ticket.Kind != incident.KindReport {
		tickets = append(tickets, f.incidents...)
	}
	for _, t := range slices.Clone(tickets) {
		if t.Kind != incident.KindIncident || t.ID == 0 {
			continue
		}
		reports, err := r.Find(ctx, storage.Query{Parent: t.ID, Kinds: []incident.Kind{incident.KindReport}, Scope: scope})
		if err != nil {
			return nil, err
		}
		tickets = append(tickets, reports...)
	}
	if tickets, err = withMerged(ctx, r, scope, tickets, 0); err != nil {
		return nil, err
	}
	for _, t := range tickets {
		records, err := observed(ctx, r, t)
		if err != nil {
			return nil, err
		}
		list = append(list, workflow.Kept(records)...)
	}
	return list, nil
}

// observed returns the records of what machines have reported on a ticket.
func observed(ctx context.Context, r storage.Reader, t incident.Ticket) ([]incident.Record, error) {
	if t.Observations == nil {
		return nil, nil
	}
	return r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{t.ID}, Types: []string{incident.Observed{}.Type()}})
}

// told is what other teams may be told of a ticket: what machines have reported, or one
// observation that is made of its systems. There is no state in it, no note, and
// nobody's mail.
func (d *Desk) told(ctx context.Context, r storage.Reader, scope *storage.Scope, f filling) (list []incident.Observation, made bool, err error) {
	if list, err = reportedOn(ctx, r, scope, f); err != nil {
		return nil, false, err
	}
	t := whole(f.ticket, f.incidents)
	if made = len(list) == 0; made {
		list = []incident.Observation{observationOf(t)}
	}
	number := ""
	if t.ID != 0 {
		number = d.numberOf(t.ID)
	}
	from := d.config.From
	for i := range list {
		o := &list[i]
		if o.Reporter == (incident.Reporter{}) {
			o.Reporter = incident.Reporter{Name: from.Name, Mail: from.Address}
		}
		switch {
		case o.ID != "" || number == "":
		case len(list) == 1:
			o.ID = number
		default:
			o.ID = fmt.Sprintf("%s.%d", number, i+1)
		}
		o.Normalize()
	}
	return list, made, nil
}

// observationOf makes an observation of what a ticket is about.
func observationOf(t incident.Ticket) incident.Observation {
	o := incident.Observation{Time: t.Created, Kind: typeOf(t)}
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
		if !slices.Contains(o.Endpoints, e) {
			o.Endpoints = append(o.Endpoints, e)
		}
	}
	return o
}

// encoded writes what others may be told of a ticket in a format of Config.Formats. The
// error says which there are, or why this one cannot hold it.
func (d *Desk) encoded(ctx context.Context, r storage.Reader, scope *storage.Scope, format string, f filling) (content []byte, lost []incident.Loss, err error) {
	var known []string
	for _, one := range d.config.Formats {
		switch {
		case one.Encode == nil:
			continue
		case one.Name != format:
			known = append(known, one.Name)
			continue
		}
		list, _, err := d.told(ctx, r, scope, f)
		if err != nil {
			return nil, nil, err
		}
		var b bytes.Buffer
		lost, err = one.Encode(&b, slices.Values(list))
		return b.Bytes(), lost, err
	}
	return nil, nil, &NoFormatError{format, known}
}
