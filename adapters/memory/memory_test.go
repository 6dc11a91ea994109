package memory_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/storage/storagetest"
)

func TestContract(t *testing.T) {
	storagetest.Run(t, func(testing.TB) storage.Store { return memory.New() })
}

// An update that waits for another one gives up when its context ends.
func TestUpdateWaitsNoLongerThanItsContext(t *testing.T) {
	store := memory.New()
	began, end := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- store.Update(context.Background(), func(context.Context, storage.Tx) error {
			close(began)
			<-end
			return nil
		})
	}()
	<-began
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	err := store.Update(ctx, func(context.Context, storage.Tx) error { return errors.New("ran beside another update") })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	close(end)
	require.NoError(t, <-first)
}

func filled(b *testing.B, tickets int) *memory.Store {
	b.Helper()
	store := memory.New()
	err := store.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		for i := range tickets {
			ev := incident.Opened{Kind: incident.KindInvestigation, Status: "resolved", Phase: incident.Inactive}
			switch {
			case i%20 == 0:
				ev.Kind = incident.KindIncident
			default:
				ev.Parents = []incident.ID{incident.ID(i - i%20 + 1)}
			}
			r := incident.Record{Ticket: incident.ID(i + 1), At: time.Unix(1_700_000_000, 0).UTC()}
			if err := r.Encode(ev); err != nil {
				return err
			}
			incident.Seal(incident.Ticket{}, &r)
			if err := tx.Append(ctx, r); err != nil {
				return err
			}
			if err := tx.PutOutgoing(ctx, storage.Outgoing{Ticket: r.Ticket, Version: 1, Status: storage.Sent}); err != nil {
				return err
			}
		}
		return nil
	})
	require.NoError(b, err)
	return store
}

// BenchmarkUpdate does what a command does to a store: it moves a ticket, looks
// at the children of its incident and at a claim, opens a ticket and queues a
// mail, which a courier then takes. It must cost the same at every size.
func BenchmarkUpdate(b *testing.B) {
	for _, tickets := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("tickets=%d", tickets), func(b *testing.B) {
			store := filled(b, tickets)
			n := 0
			for b.Loop() {
				n++
				id := incident.ID(n*37%tickets + 1)
				require.NoError(b, store.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
					return command(ctx, tx, id, n)
				}))
				require.NoError(b, store.Update(context.Background(), courier))
			}
		})
	}
}

func command(ctx context.Context, tx storage.Tx, id incident.ID, n int) error {
	t, err := tx.Ticket(ctx, id)
	if err != nil {
		return err
	}
	draft := storage.NewDraft(tx)
	moved := incident.Record{Ticket: id, At: t.Updated}
	if err := moved.Encode(incident.Moved{From: t.Status, To: "open", Phase: incident.Active}); err != nil {
		return err
	}
	if err := draft.Append(ctx, moved); err != nil {
		return err
	}
	for _, parent := range t.Parents {
		if _, err := draft.Find(ctx, storage.Query{Parent: parent, Due: storage.DueSet, Order: storage.MostDue(), Limit: 1}); err != nil {
			return err
		}
	}
	next, err := draft.NextID(ctx)
	if err != nil {
		return err
	}
	opened := incident.Record{Ticket: next, At: t.Updated}
	if err := opened.Encode(incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial}); err != nil {
		return err
	}
	if err := draft.Append(ctx, opened); err != nil {
		return err
	}
	if _, err := draft.Claim(ctx, storage.Key{Space: "n", Value: fmt.Sprint(n)}, next); err != nil {
		return err
	}
	if err := draft.PutOutgoing(ctx, storage.Outgoing{Ticket: next, Version: 1, Status: storage.Queued}); err != nil {
		return err
	}
	_, err = draft.Flush(ctx, tx)
	return err
}

func courier(ctx context.Context, tx storage.Tx) error {
	rows, err := tx.Outgoing(ctx, storage.OutgoingQuery{Statuses: []storage.OutStatus{storage.Queued}, ReadyBy: time.Now(), Limit: 10})
	if err != nil {
		return err
	}
	for _, o := range rows {
		o.Status = storage.Sent
		if err := tx.PutOutgoing(ctx, o); err != nil {
			return err
		}
	}
	return nil
}
