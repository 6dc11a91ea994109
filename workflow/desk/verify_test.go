package desk_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// crooked is a store whose readers lie.
type crooked struct {
	storage.Store
	lie func(storage.Reader) storage.Reader
}

func (c crooked) View(ctx context.Context, fn func(context.Context, storage.Reader) error) error {
	return c.Store.View(ctx, func(ctx context.Context, r storage.Reader) error { return fn(ctx, c.lie(r)) })
}

func (c crooked) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	return c.Store.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return fn(ctx, crookedTx{tx, c.lie(tx)}) })
}

type crookedTx struct {
	storage.Tx
	reader storage.Reader
}

func (c crookedTx) OpenBlob(ctx context.Context, d incident.Digest) (io.ReadCloser, error) {
	return c.reader.OpenBlob(ctx, d)
}

// lostBlob has lost one blob.
type lostBlob struct {
	storage.Reader
	lost incident.Digest
}

func (l lostBlob) OpenBlob(ctx context.Context, d incident.Digest) (io.ReadCloser, error) {
	if d == l.lost {
		return nil, fmt.Errorf("blob: %w", storage.ErrNotFound)
	}
	return l.Reader.OpenBlob(ctx, d)
}

// otherBlob gives other bytes for every blob.
type otherBlob struct{ storage.Reader }

func (otherBlob) OpenBlob(context.Context, incident.Digest) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader([]byte("other"))), nil
}

// noClaims has forgotten who holds which Message-ID.
type noClaims struct{ storage.Reader }

func (noClaims) Claimed(context.Context, storage.Key) (incident.ID, bool, error) {
	return 0, false, nil
}

// otherTicket changes tickets on their way.
type otherTicket struct {
	storage.Reader
	change func(*incident.Ticket)
}

func (o otherTicket) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	t, err := o.Reader.Ticket(ctx, id)
	o.change(&t)
	return t, err
}

func (o otherTicket) Find(ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
	found, err := o.Reader.Find(ctx, q)
	for i := range found {
		o.change(&found[i])
	}
	return found, err
}

// missingTicket has lost a ticket.
type missingTicket struct {
	storage.Reader
	id incident.ID
}

func (m missingTicket) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	if id == m.id {
		return incident.Ticket{}, storage.ErrNotFound
	}
	return m.Reader.Ticket(ctx, id)
}

// otherHistory changes records on their way.
type otherHistory struct {
	storage.Reader
	change func([]incident.Record) []incident.Record
}

func (o otherHistory) History(ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
	found, err := o.Reader.History(ctx, q)
	return o.change(found), err
}

// resealed makes the chain of each ticket right again after a change.
func resealed(change func(*incident.Record)) func([]incident.Record) []incident.Record {
	return func(history []incident.Record) []incident.Record {
		heads := map[incident.ID]incident.Ticket{}
		for i := range history {
			change(&history[i])
			incident.Seal(heads[history[i].Ticket], &history[i])
			heads[history[i].Ticket] = incident.Ticket{Version: history[i].Version, Hash: history[i].Hash}
		}
		return history
	}
}

func TestVerifyFindsEachFault(t *testing.T) {
	w := newWorld(t)
	inc := w.incident()
	inv := w.child(incident.KindInvestigation, inc)
	w.receive("bob@example.org", tagged(inv), "Message-ID: <1@example.org>\r\n")
	w.do(workflow.Comment{Ticket: inc, Text: "A note."})
	message, _ := w.last(inv, "message")
	raw := message.(incident.Message).Blobs[0]
	on := func(id incident.ID, change func(*incident.Ticket)) func(storage.Reader) storage.Reader {
		return func(r storage.Reader) storage.Reader {
			return otherTicket{r, func(t *incident.Ticket) {
				if t.ID == id {
					change(t)
				}
			}}
		}
	}
	records := func(change func([]incident.Record) []incident.Record) func(storage.Reader) storage.Reader {
		return func(r storage.Reader) storage.Reader { return otherHistory{r, change} }
	}
	each := func(change func(*incident.Record)) func([]incident.Record) []incident.Record {
		return func(history []incident.Record) []incident.Record {
			for i := range history {
				change(&history[i])
			}
			return history
		}
	}
	for name, c := range map[string]struct {
		lie   func(storage.Reader) storage.Reader
		fault string
	}{
		"stored ticket":      {on(inc, func(t *incident.Ticket) { t.Subject = "Nothing" }), "the stored ticket is not the fold of its history"},
		"phase":              {on(inv, func(t *incident.Ticket) { t.Phase = incident.Inactive }), `phase "inactive" does not fit status "open" of investigation`},
		"status":             {on(inv, func(t *incident.Ticket) { t.Status = "lost" }), `phase "active" does not fit status "lost"`},
		"due date":           {on(inc, func(t *incident.Ticket) { t.Due = nil }), "its due date is unset, the earliest of its open children is 2026"},
		"due date too much":  {on(inv, func(t *incident.Ticket) { t.Due = nil }), "the earliest of its open children is unset"},
		"parent is gone":     {func(r storage.Reader) storage.Reader { return missingTicket{r, inc} }, "its parent 1 does not exist or is no incident"},
		"parent is a report": {on(inc, func(t *incident.Ticket) { t.Kind = incident.KindReport }), "its parent 1 does not exist or is no incident"},
		"cause is gone":      {func(r storage.Reader) storage.Reader { return missingTicket{r, inv} }, "as its cause, which does not exist"},
		"cause is too new":   {on(inv, func(t *incident.Ticket) { t.Version = 1 }), "names record 3 of ticket 2 as its cause, which does not exist"},
		"blob is lost":       {func(r storage.Reader) storage.Reader { return lostBlob{r, raw} }, "of record 2 is missing"},
		"blob is other":      {func(r storage.Reader) storage.Reader { return otherBlob{r} }, "of record 2 has other contents"},
		"claim is gone":      {func(r storage.Reader) storage.Reader { return noClaims{r} }, "nobody holds the Message-ID of record 2"},
		"author of a record": {records(each(func(r *incident.Record) { r.By = "handler:mallory" })), "was changed: its Hash does not fit"},
		"content":            {records(each(func(r *incident.Record) { r.Content = nil })), "its content was changed and no redaction announces it"},
		"resealed history":   {records(resealed(func(r *incident.Record) { r.By = "handler:mallory" })), "the stored ticket is not the fold of its history"},
		"malformed record":   {records(each(func(r *incident.Record) { r.Data = []byte("x") })), "malformed record: data of event"},
		"tail is gone": {records(func(history []incident.Record) []incident.Record {
			return slices.DeleteFunc(history, func(r incident.Record) bool { return r.Ticket == inc && r.Type == "commented" })
		}), "the stored ticket is not the fold"},
		"record is gone": {records(func(history []incident.Record) []incident.Record {
			return slices.DeleteFunc(history, func(r incident.Record) bool { return r.Ticket == inv && r.Version == 2 })
		}), "version 2 must follow version 1"},
		"hole in the feed":     {records(each(func(r *incident.Record) { r.Seq += r.Seq / 4 })), "in the feed, where 4 was expected"},
		"history out of sight": {func(r storage.Reader) storage.Reader { return shortFeed{r} }, "the feed has 0 records, the histories of all tickets have"},
	} {
		d, err := desk.New(crooked{w.store, c.lie}, desk.Config{})
		require.NoError(t, err)
		v, err := d.Verify(ctx, nil)
		require.NoError(t, err, name)
		require.NotEmpty(t, v.Faults, name)
		require.Contains(t, fmt.Sprint(v.Faults), c.fault, name)
	}
	failing := errFaulty
	d, err := desk.New(crooked{w.store, func(r storage.Reader) storage.Reader { return faulty{r} }}, desk.Config{})
	require.NoError(t, err)
	_, err = d.Verify(ctx, nil)
	require.ErrorIs(t, err, failing, "a store that fails is no fault of the data")
}

// shortFeed shows histories and hides the feed.
type shortFeed struct{ storage.Reader }

func (s shortFeed) History(ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
	if len(q.Tickets) == 0 {
		return nil, nil
	}
	return s.Reader.History(ctx, q)
}

var errFaulty = fmt.Errorf("disk is gone")

// faulty cannot read a parent.
type faulty struct{ storage.Reader }

func (f faulty) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	if id != incident.Desk {
		return incident.Ticket{}, errFaulty
	}
	return f.Reader.Ticket(ctx, id)
}

func TestVerifyCounts(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		for range 600 { // more than a page
			_, err := w.alice.Do(ctx, workflow.Open{Kind: incident.KindReport})
			require.NoError(t, err)
		}
		w.do(workflow.Comment{Ticket: 600, Text: "x"})
		var seen [][2]int
		v, err := w.desk.Verify(ctx, func(done, total int) { seen = append(seen, [2]int{done, total}) })
		require.NoError(t, err)
		require.Equal(t, &desk.Verification{Tickets: 600, Records: 601, Blobs: 1}, v)
		require.Equal(t, [][2]int{{500, 600}, {600, 600}}, seen)
	})
}

func TestNew(t *testing.T) {
	_, err := desk.New(nil, desk.Config{})
	require.EqualError(t, err, "desk: New needs a store")
	p := plain()
	p.Rules[0].Name = ""
	_, err = desk.New(newWorld(t).store, desk.Config{Policy: p})
	require.ErrorContains(t, err, "desk: Config.Policy: workflow: policy has two rules")
	_, err = desk.New(newWorld(t).store, desk.Config{From: incident.Party{Address: "csirt"}})
	require.ErrorContains(t, err, "desk: Config.From")

	d, err := desk.New(newWorld(t).store, desk.Config{})
	require.NoError(t, err)
	alice := d.As("handler:alice")
	before := time.Now().Add(-time.Second)
	result, err := alice.Do(ctx, workflow.Open{Kind: incident.KindReport, Requestors: []incident.Party{{Address: "bob@example.org"}}})
	require.NoError(t, err)
	require.True(t, result.Tickets[0].Created.After(before), "the zero Config takes the real time")
	require.NotZero(t, result.Records[0].Salt, "and real randomness")
	_, err = alice.Do(ctx, workflow.Reply{Ticket: 1, Text: "x"})
	require.ErrorContains(t, err, "no mailbox to send from: set Config.From")
	_, err = alice.Do(ctx)
	require.ErrorIs(t, err, desk.ErrNoCommand)
	for _, c := range []workflow.Command{workflow.Append{Ticket: 1}, workflow.Close{Ticket: 1}, workflow.SetDue{Ticket: 1}, workflow.Wake{Ticket: 1},
		workflow.ReceiveAgain{Ticket: 1}, workflow.Open{Kind: incident.KindReport, Held: &incident.Held{}}} {
		_, err = alice.Do(ctx, c)
		require.ErrorContains(t, err, "only the desk itself gives this command")
	}
	for _, c := range []workflow.Command{&workflow.Append{Ticket: 1}, nil} {
		_, err = alice.Do(ctx, c)
		require.ErrorContains(t, err, "a value like workflow.Take{Ticket: 7}")
	}
	_, err = alice.Body(ctx, 1, 1)
	require.ErrorIs(t, err, desk.ErrNoBody)
	_, err = alice.Body(ctx, 1, 9)
	require.ErrorIs(t, err, desk.ErrNoBody)
	require.Equal(t, "janet", d.Policy().Name)
}
