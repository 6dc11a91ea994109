package storage_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// unsealed is a record that a draft seals at the end.
func unsealed(t testing.TB, id incident.ID, hour int, ev incident.Event) incident.Record {
	t.Helper()
	r := incident.Record{Ticket: id, At: at(hour), By: "handler:alice", Command: "test"}
	require.NoError(t, r.Encode(ev))
	return r
}

func sealed(t testing.TB, on incident.Ticket, id incident.ID, hour int, ev incident.Event) incident.Record {
	t.Helper()
	r := unsealed(t, id, hour, ev)
	incident.Seal(on, &r)
	return r
}

var report = incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial}

// withOne returns a store with one ticket.
func withOne(t testing.TB) (*memory.Store, incident.Ticket) {
	t.Helper()
	store := memory.New()
	r := sealed(t, incident.Ticket{}, 1, 1, report)
	update(t, store, func(ctx context.Context, tx storage.Tx) error { return tx.Append(ctx, r) })
	return store, incident.Apply(incident.Ticket{}, r)
}

func update(t testing.TB, store storage.Store, fn func(context.Context, storage.Tx) error) {
	t.Helper()
	require.NoError(t, store.Update(context.Background(), fn))
}

func view(t testing.TB, store storage.Store, fn func(context.Context, storage.Reader) error) {
	t.Helper()
	require.NoError(t, store.View(context.Background(), fn))
}

func TestDraftSealsAtTheEnd(t *testing.T) {
	store, one := withOne(t)
	var changes storage.Changes
	update(t, store, func(ctx context.Context, tx storage.Tx) error {
		draft := storage.NewDraft(tx)
		require.NoError(t, draft.Append(ctx, sealed(t, one, 1, 2, incident.Owned{To: "handler:alice"})))
		require.NoError(t, draft.Append(ctx,
			unsealed(t, 1, 3, incident.Moved{From: "new", To: "open", Phase: incident.Active}),
			unsealed(t, 2, 3, report),
			unsealed(t, 1, 4, incident.Linked{Parent: 9})))
		now, err := draft.Ticket(ctx, 1)
		require.NoError(t, err)
		assert.EqualValues(t, 4, now.Version)
		assert.Equal(t, incident.Status("open"), now.Status)

		require.NoError(t, draft.Revise(1, 3, func(r *incident.Record) error {
			return r.Encode(incident.Moved{From: "new", To: "open", Phase: incident.Active}, incident.NearMiss{Rule: "reopen", Why: "was not closed"})
		}))
		changes, err = draft.Flush(ctx, tx)
		return err
	})
	require.Len(t, changes.Records, 4)
	require.Len(t, changes.Tickets, 2)
	view(t, store, func(ctx context.Context, r storage.Reader) error {
		for _, want := range changes.Tickets {
			history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{want.ID}})
			require.NoError(t, err)
			verified, err := incident.Verify(history)
			require.NoError(t, err)
			assert.Equal(t, want, verified, "what Changes gave is what was stored")
			now, err := r.Ticket(ctx, want.ID)
			require.NoError(t, err)
			assert.Equal(t, want, now)
		}
		history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{1}})
		assert.Equal(t, []incident.NearMiss{{Rule: "reopen", Why: "was not closed"}}, history[2].NearMisses())
		return err
	})
}

func TestDraftRefuses(t *testing.T) {
	ctx := context.Background()
	store, one := withOne(t)
	view(t, store, func(_ context.Context, r storage.Reader) error {
		draft := storage.NewDraft(r)
		stale := sealed(t, incident.Ticket{}, 1, 2, report)
		require.ErrorIs(t, draft.Append(ctx, stale), storage.ErrConflict)

		broken := sealed(t, one, 1, 2, incident.Owned{To: "handler:bob"})
		broken.Data = []byte(`{"to":"handler:eve"}`)
		var chain *incident.ChainError
		require.ErrorAs(t, draft.Append(ctx, broken), &chain)
		require.NotErrorIs(t, draft.Append(ctx, broken), storage.ErrConflict)

		first := sealed(t, one, 1, 2, incident.Owned{To: "handler:bob"})
		require.NoError(t, draft.Append(ctx, first, unsealed(t, 1, 3, incident.Owned{To: "handler:carol"})))
		now, err := draft.Ticket(ctx, 1)
		require.NoError(t, err)
		require.ErrorContains(t, draft.Append(ctx, sealed(t, now, 1, 4, incident.Owned{})), "cannot follow one that is not sealed")

		nothing := func(*incident.Record) error { return nil }
		require.Error(t, draft.Revise(1, 2, nothing), "sealed")
		require.Error(t, draft.Revise(1, 1, nothing), "committed")
		require.Error(t, draft.Revise(2, 1, nothing), "not there")
		require.NoError(t, draft.Revise(1, 3, nothing))
		stop := errors.New("stop")
		require.Equal(t, stop, draft.Revise(1, 3, func(*incident.Record) error { return stop }))
		draft.Changes()
		require.Error(t, draft.Revise(1, 3, nothing), "sealed by now")
		return nil
	})
}

// newer is a Reader whose tickets a later program has folded.
type newer struct{ storage.Reader }

func (r newer) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	t, err := r.Reader.Ticket(ctx, id)
	t.Vocabulary = incident.Vocabulary + 1
	return t, err
}

func TestDraftLeavesNewerTicketsAlone(t *testing.T) {
	store, one := withOne(t)
	view(t, store, func(ctx context.Context, r storage.Reader) error {
		draft := storage.NewDraft(newer{r})
		require.ErrorIs(t, draft.Append(ctx, unsealed(t, 1, 2, incident.Owned{})), incident.ErrNewerVocabulary)
		require.ErrorIs(t, draft.Append(ctx, sealed(t, one, 1, 2, incident.Owned{})), incident.ErrNewerVocabulary)
		assert.Empty(t, draft.Changes().Records)
		return nil
	})
}

func TestDraftNextID(t *testing.T) {
	store, _ := withOne(t)
	ids := func(ctx context.Context, draft *storage.Draft) {
		first, err := draft.NextID(ctx)
		require.NoError(t, err)
		assert.EqualValues(t, 2, first)
		require.NoError(t, draft.Append(ctx, unsealed(t, 3, 1, report)))
		second, err := draft.NextID(ctx)
		require.NoError(t, err)
		assert.EqualValues(t, 4, second, "3 was appended")
	}
	view(t, store, func(ctx context.Context, r storage.Reader) error {
		draft := storage.NewDraft(r)
		ids(ctx, draft)
		require.NoError(t, draft.Append(ctx, unsealed(t, incident.MaxID, 1, report)))
		_, err := draft.NextID(ctx)
		assert.ErrorContains(t, err, "no ticket numbers are left")
		return nil
	})
	stop := errors.New("stop")
	require.Equal(t, stop, store.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		ids(ctx, storage.NewDraft(tx))
		return stop
	}))
}

func TestDraftHistory(t *testing.T) {
	store, _ := withOne(t)
	view(t, store, func(ctx context.Context, r storage.Reader) error {
		draft := storage.NewDraft(r)
		require.NoError(t, draft.Append(ctx, unsealed(t, 2, 2, report), unsealed(t, 1, 2, incident.Owned{To: "handler:bob"})))
		owned, second := incident.Owned{}.Type(), []uint64{2}
		for _, test := range []struct {
			q    storage.HistoryQuery
			want []incident.ID // tickets of the records
		}{
			{storage.HistoryQuery{}, []incident.ID{1, 2, 1}},
			{storage.HistoryQuery{After: 1}, []incident.ID{2, 1}},
			{storage.HistoryQuery{Limit: 2}, []incident.ID{1, 2}},
			{storage.HistoryQuery{Tickets: []incident.ID{1}}, []incident.ID{1, 1}},
			{storage.HistoryQuery{Tickets: []incident.ID{2}, After: 1, Limit: 1}, []incident.ID{2}},
			{storage.HistoryQuery{Descending: true, Limit: 1}, []incident.ID{1}},
			{storage.HistoryQuery{Descending: true, Limit: 2}, []incident.ID{1, 2}},
			{storage.HistoryQuery{Descending: true, Tickets: []incident.ID{1}}, []incident.ID{1, 1}},
			{storage.HistoryQuery{Types: []string{report.Type()}}, []incident.ID{1, 2}},
			{storage.HistoryQuery{Types: []string{report.Type()}, Descending: true}, []incident.ID{2, 1}},
			{storage.HistoryQuery{Types: []string{owned}, Versions: second}, []incident.ID{1}},
		} {
			records, err := draft.History(ctx, test.q)
			require.NoError(t, err)
			var got []incident.ID
			for _, r := range records {
				got = append(got, r.Ticket)
			}
			assert.Equal(t, test.want, got, "%+v", test.q)
		}
		return nil
	})
}

func TestDraftFlush(t *testing.T) {
	store, _ := withOne(t)
	row := storage.Outgoing{Ticket: 1, Version: 1, Status: storage.Queued, To: "bob@example.org", Queued: at(1), NextTry: at(1)}
	key := storage.Key{Space: "message-id", Value: "1@example.org"}
	update(t, store, func(ctx context.Context, tx storage.Tx) error { return tx.PutOutgoing(ctx, row) })

	var digest incident.Digest
	update(t, store, func(ctx context.Context, tx storage.Tx) error {
		draft := storage.NewDraft(tx)
		var err error
		digest, err = draft.PutBlob(ctx, []byte("body"))
		require.NoError(t, err)
		holder, err := draft.Claim(ctx, key, 1)
		require.NoError(t, err)
		assert.EqualValues(t, 1, holder)
		row.Revision, row.Status = 1, storage.Sending
		require.NoError(t, draft.PutOutgoing(ctx, row))
		require.ErrorIs(t, draft.PutOutgoing(ctx, row), storage.ErrConflict)
		row.Revision, row.Status = 2, storage.Sent
		require.NoError(t, draft.PutOutgoing(ctx, row))
		second := row
		second.Number, second.Revision = 1, 0
		require.NoError(t, draft.PutOutgoing(ctx, second))

		rows, err := tx.Outgoing(ctx, storage.OutgoingQuery{})
		require.NoError(t, err)
		require.Len(t, rows, 1, "nothing is written before Flush")
		_, err = draft.Flush(ctx, tx)
		return err
	})
	view(t, store, func(ctx context.Context, r storage.Reader) error {
		rows, err := r.Outgoing(ctx, storage.OutgoingQuery{})
		require.NoError(t, err)
		require.Len(t, rows, 2)
		assert.EqualValues(t, 3, rows[0].Revision)
		assert.Equal(t, storage.Sent, rows[0].Status)
		assert.EqualValues(t, 1, rows[1].Revision)
		holder, ok, err := r.Claimed(ctx, key)
		assert.True(t, ok)
		assert.EqualValues(t, 1, holder)
		require.NoError(t, err)
		body, err := r.OpenBlob(ctx, digest)
		require.NoError(t, err)
		content, err := io.ReadAll(body)
		assert.Equal(t, "body", string(content))
		return err
	})
}

// A claim that somebody else took between draft and flush is a lost race.
func TestDraftFlushLosesClaim(t *testing.T) {
	store, _ := withOne(t)
	key := storage.Key{Space: "message-id", Value: "1@example.org"}
	var draft *storage.Draft
	view(t, store, func(ctx context.Context, r storage.Reader) error {
		draft = storage.NewDraft(r)
		_, err := draft.Claim(ctx, key, 1)
		return err
	})
	update(t, store, func(ctx context.Context, tx storage.Tx) error {
		_, err := tx.Claim(ctx, key, 9)
		return err
	})
	err := store.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		_, err := draft.Flush(ctx, tx)
		return err
	})
	require.ErrorIs(t, err, storage.ErrConflict)
}

// A draft keeps nothing of what its caller may change, and gives nothing away.
func TestDraftSharesNothing(t *testing.T) {
	store, _ := withOne(t)
	view(t, store, func(ctx context.Context, r storage.Reader) error {
		draft := storage.NewDraft(r)
		opened := report
		opened.Fields = map[string][]string{"class": {"scan"}}
		given := unsealed(t, 2, 1, opened)
		want := string(given.Data)
		require.NoError(t, draft.Append(ctx, given))
		clear(given.Data)
		records, err := draft.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{2}})
		require.NoError(t, err)
		assert.Equal(t, want, string(records[0].Data))
		clear(records[0].Data)
		ticket, err := draft.Ticket(ctx, 2)
		require.NoError(t, err)
		ticket.Fields["class"][0] = "changed"
		ticket, err = draft.Ticket(ctx, 2)
		require.NoError(t, err)
		assert.Equal(t, []string{"scan"}, ticket.Fields["class"])
		assert.Equal(t, want, string(draft.Changes().Records[0].Data))
		return nil
	})
}

// Outgoing merges what the draft holds with what lies below, whatever Limit.
func TestDraftOutgoing(t *testing.T) {
	store := memory.New()
	row := func(ticket incident.ID, status storage.OutStatus) storage.Outgoing {
		return storage.Outgoing{Ticket: ticket, Version: 1, Status: status, Queued: at(1), NextTry: at(int(ticket))}
	}
	update(t, store, func(ctx context.Context, tx storage.Tx) error {
		for id := range incident.ID(10) {
			require.NoError(t, tx.PutOutgoing(ctx, row(id, storage.Queued)))
		}
		return nil
	})
	view(t, store, func(ctx context.Context, r storage.Reader) error {
		draft := storage.NewDraft(r)
		now := make([]storage.Outgoing, 0, 12)
		for id := range incident.ID(12) {
			o := row(id, storage.Queued)
			if id < 10 {
				o.Revision = 1
			}
			if id < 5 || id >= 10 { // sent meanwhile, or new
				o.Status = storage.Sent
				require.NoError(t, draft.PutOutgoing(ctx, o))
				o.Revision++
			}
			now = append(now, o)
		}
		for limit := range 13 {
			for _, q := range []storage.OutgoingQuery{
				{}, {Statuses: []storage.OutStatus{storage.Queued}}, {Statuses: []storage.OutStatus{storage.Sent}},
				{ReadyBy: at(7)}, {Tickets: []incident.ID{2, 7, 11}},
			} {
				q.Limit = limit
				got, err := draft.Outgoing(ctx, q)
				require.NoError(t, err)
				require.Equal(t, q.Select(now), got, "%+v", q)
			}
		}
		return nil
	})
}

// oneByOne counts the tickets that are asked for by themselves.
type oneByOne struct {
	storage.Reader
	asked *int
}

func (r oneByOne) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	*r.asked++
	return r.Reader.Ticket(ctx, id)
}

func TestDraftLooksUpTickets(t *testing.T) {
	ctx := context.Background()
	store, one := withOne(t)
	view(t, store, func(_ context.Context, r storage.Reader) error {
		asked := 0
		draft := storage.NewDraft(oneByOne{r, &asked})
		require.NoError(t, draft.Append(ctx, unsealed(t, 2, 2, report)))
		asked = 0
		require.NoError(t, draft.LookUpTickets(ctx, []incident.ID{1, 2, 3}))
		found, err := draft.Ticket(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, one, found)
		require.NoError(t, draft.Append(ctx, unsealed(t, 1, 3, incident.Owned{To: "handler:bob"}), unsealed(t, 2, 3, incident.Owned{To: "handler:bob"})))
		require.Zero(t, asked)
		require.NoError(t, draft.LookUpTickets(ctx, []incident.ID{1, 2}))
		for _, id := range []incident.ID{1, 2} {
			found, err = draft.Ticket(ctx, id)
			require.NoError(t, err)
			require.Equal(t, incident.Actor("handler:bob"), found.Owner, "what is drafted counts")
		}
		_, err = draft.Ticket(ctx, 3)
		require.ErrorIs(t, err, storage.ErrNotFound)
		require.Equal(t, 1, asked, "what is not there is asked for again")
		return nil
	})
}
