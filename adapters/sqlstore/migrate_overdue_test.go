package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// A database of the first schema has no alarm for a due date that no clock has
// set: the second step gives it one. It knows no reactions: a later step lets them into
// the outbox.
func TestDueDatesBecomeAlarms(t *testing.T) {
	ctx := context.Background()
	for _, p := range []struct {
		name, driver, dsn string
		dialect           sqlstore.Dialect
	}{
		{"sqlite", "sqlite", sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "desk.db")), sqlstore.SQLite},
		{"postgres", postgrestest.Driver, postgrestest.New(t), sqlstore.PostgreSQL},
	} {
		t.Run(p.name, func(t *testing.T) {
			s := openWith(t, p.driver, p.dsn, sqlstore.Config{Dialect: p.dialect})
			due, later := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), time.Date(2026, 3, 9, 9, 0, 0, 0, time.UTC)
			clock := &incident.Basis{Level: "gold", Why: "it was set", Clocks: []incident.Clock{{Name: "response", Level: "gold", From: due, Due: due}}}
			closed := incident.Moved{To: "resolved", Phase: incident.Inactive}
			histories := [][]incident.Event{
				{incident.DueSet{Due: &due}},
				{incident.DueSet{Due: &due}, incident.Edited{Wake: &later}},
				{incident.DueSet{Due: &later}, incident.Edited{Wake: &due}},
				{incident.DueSet{Due: &due, Basis: clock}},
				{incident.DueSet{Due: &due}, closed},
				{},
			}
			queued := storage.Outgoing{Ticket: 1, Version: 1, Status: storage.Queued, To: "bob@example.org", Queued: due, NextTry: due}
			require.NoError(t, s.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
				for i, events := range histories {
					ticket := incident.Ticket{ID: incident.ID(i + 1)}
					for _, ev := range append([]incident.Event{incident.Opened{Kind: incident.KindReport, Status: "open", Phase: incident.Active}}, events...) {
						r := incident.Record{Ticket: ticket.ID, At: due}
						require.NoError(t, r.Encode(ev))
						incident.Seal(ticket, &r)
						ticket = incident.Apply(ticket, r)
						if err := tx.Append(ctx, r); err != nil {
							return err
						}
					}
				}
				return tx.PutOutgoing(ctx, queued)
			}))
			require.NoError(t, s.Close())

			db, err := sql.Open(p.driver, p.dsn)
			require.NoError(t, err)
			defer db.Close()
			for _, statement := range []string{ // as the first schema was written to
				"UPDATE tickets SET wake = NULL WHERE id = 1",
				fmt.Sprintf("UPDATE tickets SET wake = %d WHERE id = 2", later.UnixMicro()),
				"DROP TABLE feed_bookmarks",
				"ALTER TABLE outgoing DROP COLUMN reaction",
				"DROP INDEX outgoing_charged",
				"DROP TABLE texts",
				"DROP TABLE IF EXISTS text_words",
				"ALTER TABLE outgoing DROP COLUMN charge",
				"DROP INDEX tickets_unlinked",
				"DROP INDEX tickets_queue",
				"ALTER TABLE tickets DROP COLUMN observed",
				"ALTER TABLE tickets DROP COLUMN fed",
				"CREATE INDEX tickets_unlinked ON tickets (kind, phase, linked, number)",
				"DELETE FROM airtight_migrations WHERE version >= 2",
			} {
				_, err := db.ExecContext(ctx, statement)
				require.NoError(t, err)
			}
			s = openWith(t, p.driver, p.dsn, sqlstore.Config{Dialect: p.dialect})
			require.NoError(t, s.View(ctx, func(ctx context.Context, r storage.Reader) error {
				all, err := r.Find(ctx, storage.Query{})
				require.NoError(t, err)
				require.Len(t, all, len(histories))
				rows, err := r.Outgoing(ctx, storage.OutgoingQuery{Only: storage.OnlyMail})
				require.NoError(t, err)
				queued.Revision = 1
				require.Equal(t, []storage.Outgoing{queued}, rows, "what was in the outbox is mail")
				for _, by := range []time.Time{due, due.Add(time.Microsecond), later} {
					q := storage.Query{WakeBy: by}
					found, err := r.Find(ctx, q)
					require.NoError(t, err)
					require.Equal(t, q.Select(all), found)
				}
				return nil
			}))
		})
	}
}
