package storagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// hour is a moment, n hours after the one at which all checks begin. It has
// microseconds that do not fit into milliseconds.
func hour(n int) time.Time {
	return time.Date(2026, 3, 1, 8, 0, 0, 123_457_000, time.UTC).Add(time.Duration(n) * time.Hour)
}

// sealed makes an event the next record of t, or the first of ticket id when t
// is zero.
func sealed(t incident.Ticket, id incident.ID, at time.Time, ev incident.Event) incident.Record {
	r := incident.Record{Ticket: id, At: at, By: "handler:alice", Command: "check", Salt: incident.Salt{byte(t.Version), 7}}
	if at.Before(t.Updated) {
		r.At = t.Updated
	}
	if err := r.Encode(ev); err != nil {
		panic(err) // these events are ours
	}
	incident.Seal(t, &r)
	return r
}

// appendTo appends an event to t and makes *t what the store must make of it.
func appendTo(ctx context.Context, tx storage.Tx, t *incident.Ticket, at time.Time, ev incident.Event) error {
	r := sealed(*t, t.ID, at, ev)
	if err := tx.Append(ctx, r); err != nil {
		return err
	}
	*t = incident.Apply(*t, r)
	return nil
}

// open appends a new ticket and returns it as it must be.
func open(ctx context.Context, tx storage.Tx, opened incident.Opened) (incident.Ticket, error) {
	return openAt(ctx, tx, hour(0), opened)
}

func openAt(ctx context.Context, tx storage.Tx, at time.Time, opened incident.Opened) (incident.Ticket, error) {
	id, err := tx.NextID(ctx)
	if err != nil {
		return incident.Ticket{}, err
	}
	r := sealed(incident.Ticket{}, id, at, opened)
	return incident.Apply(incident.Ticket{}, r), tx.Append(ctx, r)
}

// report is what new tickets are when nothing else matters.
func report(subject string) incident.Opened {
	ev := incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial}
	ev.Content.Subject = subject
	return ev
}

// opened makes one ticket in an update of its own.
func (c *trial) opened(ev incident.Opened) incident.Ticket {
	c.Helper()
	var t incident.Ticket
	c.must(c.retry(func(ctx context.Context, tx storage.Tx) (err error) {
		t, err = open(ctx, tx, ev)
		return err
	}))
	return t
}

// changed appends one event in an update of its own.
func (c *trial) changed(t incident.Ticket, ev incident.Event) incident.Ticket {
	c.Helper()
	c.must(c.retry(func(ctx context.Context, tx storage.Tx) error {
		var err error
		if t, err = tx.Ticket(ctx, t.ID); err != nil {
			return err
		}
		return appendTo(ctx, tx, &t, t.Updated.Add(time.Second), ev)
	}))
	return t
}

// text is a value in one form, to be compared and shown: stores may give nil
// for an empty list and the other way round. Times show their zone.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	return string(b)
}

func ids(tickets []incident.Ticket) []incident.ID {
	list := make([]incident.ID, 0, len(tickets))
	for _, t := range tickets {
		list = append(list, t.ID)
	}
	return list
}

// blob reads a whole blob.
func blob(ctx context.Context, r storage.Reader, digest incident.Digest) ([]byte, error) {
	body, err := r.OpenBlob(ctx, digest)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(body)
	if closed := body.Close(); err == nil {
		err = closed
	}
	return bytes.Clone(content), err
}

// queued is an outgoing row that is not there yet.
func queued(ticket incident.ID, version uint64, number int) storage.Outgoing {
	return storage.Outgoing{
		Ticket: ticket, Version: version, Number: number, Status: storage.Queued,
		From: "csirt@example.org", To: "peer@example.net", Queued: hour(0), NextTry: hour(1),
	}
}

// ptr returns a pointer to a copy of v.
func ptr[T any](v T) *T { return &v }
