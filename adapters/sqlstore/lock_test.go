package sqlstore

import (
	"context"
	"database/sql"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/storage/storagetest"
)

// bare is a store without what would catch a race besides the lock: numbers come
// from where nobody waits for them, and no constraint asks for one record to a
// version.
type bare struct{ *Store }

func (s bare) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, got storage.Tx) error { return fn(ctx, bareTx{got.(*tx)}) })
}

// View takes the numbers that were given out from the records: nobody keeps count.
func (s bare) View(ctx context.Context, fn func(context.Context, storage.Reader) error) error {
	return s.Store.View(ctx, func(ctx context.Context, got storage.Reader) error {
		r := got.(*reader)
		if _, err := r.c.first(ctx, "SELECT coalesce(max(seq), 0) FROM records", nil, &r.lastSeq); err != nil {
			return err
		}
		return fn(ctx, r)
	})
}

type bareTx struct{ *tx }

const bareSchema = `
	CREATE SEQUENCE seqs MINVALUE 0;
	CREATE RULE untouched AS ON UPDATE TO meta DO INSTEAD NOTHING;
	ALTER TABLE records DROP CONSTRAINT records_ticket_version_key`

func (t bareTx) NextID(ctx context.Context) (id incident.ID, err error) {
	_, err = t.c.first(ctx, "SELECT count(*) + 1 FROM tickets", nil, &id)
	return id, err
}

func (t bareTx) Append(ctx context.Context, records ...incident.Record) error {
	if _, err := t.c.first(ctx, "SELECT nextval('seqs')", nil, &t.seq); err != nil {
		return err
	}
	return t.tx.Append(ctx, records...)
}

// broken reports whether a check fails.
func broken(t *testing.T, check storagetest.Check, store storage.Store) bool {
	t.Helper()
	tb := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		check.Run(tb, func(testing.TB) storage.Store { return store })
	}()
	<-done
	return tb.failed
}

type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = true
	r.Logf(format, args...)
	runtime.Goexit()
}

// The lock alone keeps updates apart; without it, the checks see that they meet:
// that a date is lost, an update is lost, and a reader of the feed skips a record,
// whose number was drawn from the sequence before that of another one which was
// committed first.
func TestLockOfTheWriters(t *testing.T) {
	t.Parallel()
	for _, check := range storagetest.Checks() {
		if check.Name != "WriteSkew" && check.Name != "LostUpdate" && check.Name != "SeqIsCommitOrder" {
			continue
		}
		for _, locked := range []bool{true, false} {
			seen := false
			for tries := 0; !seen && (tries == 0 || !locked && tries < 10); tries++ { // they need not meet
				seen = broken(t, check, twoProcesses(t, locked))
			}
			assert.Equal(t, !locked, seen, "%s, locked: %v", check.Name, locked)
		}
	}
}

func twoProcesses(t *testing.T, locked bool) *alternating {
	t.Helper()
	db, err := sql.Open(postgrestest.Driver, postgrestest.New(t))
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	process := func() bare {
		d := postgresDialect()
		d.together = false // PostgreSQL allows no rules then
		if !locked {
			d.beginWrite = func(ctx context.Context, c *conn) error {
				return c.run(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
			}
		}
		s, err := open(context.Background(), db, d, Config{})
		require.NoError(t, err)
		t.Cleanup(func() { s.Close() })
		return bare{s}
	}
	both := &alternating{stores: [2]bare{process(), process()}}
	_, err = db.Exec(bareSchema)
	require.NoError(t, err)
	return both
}

// alternating is two processes on one database, by turns: one process alone has
// one connection to write with.
type alternating struct {
	stores [2]bare
	calls  atomic.Int64
}

func (a *alternating) next() bare { return a.stores[a.calls.Add(1)%2] }

func (a *alternating) View(ctx context.Context, fn func(context.Context, storage.Reader) error) error {
	return a.next().View(ctx, fn)
}

func (a *alternating) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	return a.next().Update(ctx, fn)
}
