package desk_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// What a transaction of the caller does is announced by the caller, once.
func TestDoTx(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		var commands, records int
		w := newWorldOn(t, store, func(c *desk.Config) {
			c.AfterCommand = append(c.AfterCommand, func(context.Context, desk.CommandCall) { commands++ })
			c.AfterEvent = append(c.AfterEvent, func(context.Context, incident.Record) { records++ })
		})
		report := w.child(incident.KindReport)
		commands, records = 0, 0

		var first, second *desk.Result
		require.NoError(t, store.Update(ctx, func(ctx context.Context, tx storage.Tx) (err error) {
			if first, err = w.alice.DoTx(ctx, tx, workflow.Take{Ticket: report}); err != nil {
				return err
			}
			before, err := tx.Ticket(ctx, report)
			require.NoError(t, err)
			_, err = w.desk.As("handler:bob").DoTx(ctx, tx,
				workflow.Comment{Ticket: report, Text: "goes with the refusal"}, workflow.Take{Ticket: report})
			require.ErrorContains(t, err, "already taken by handler:alice", "it sees what is not committed yet")
			after, err := tx.Ticket(ctx, report)
			require.NoError(t, err)
			require.Equal(t, before, after, "a refusal leaves nothing half done")
			second, err = w.alice.DoTx(ctx, tx, workflow.Open{Kind: incident.KindIncident, Subject: "Compromise", Fields: classified},
				workflow.Link{Ticket: report, Parent: incident.Nth(1)})
			return err
		}))
		require.Equal(t, incident.Actor("handler:alice"), w.ticket(report).Owner)
		require.Equal(t, second.Opened, w.ticket(report).Parents)
		require.Zero(t, commands+records, "not announced yet")

		w.desk.Announce(ctx, first)
		w.desk.Announce(ctx, second)
		require.Equal(t, 4, commands, "take, open, link, and the move of the rule")
		require.Equal(t, len(first.Records)+len(second.Records), records)
		w.desk.Announce(ctx, first)
		w.desk.Announce(ctx, w.do(workflow.Comment{Ticket: report, Text: "x"}))
		require.Equal(t, 5, commands, "once for each")
		w.verify()
	})
}

func TestDoTxThatIsRolledBack(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		report := w.child(incident.KindReport)
		before := w.snapshot()
		err := store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
			_, err := w.alice.DoTx(ctx, tx, workflow.Take{Ticket: report})
			require.NoError(t, err)
			return errNo
		})
		require.ErrorIs(t, err, errNo)
		require.Equal(t, before, w.snapshot())
		_, err = w.alice.DoTx(ctx, nil)
		require.ErrorIs(t, err, desk.ErrNoCommand)
		_, err = w.alice.DoTx(ctx, nil, workflow.Wake{Ticket: report})
		require.ErrorContains(t, err, "only the desk itself")
	})
}
