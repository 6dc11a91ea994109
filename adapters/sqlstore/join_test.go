package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// program is an embedder with a table of its own beside the store's.
type program struct {
	driver string
	dsn    string
	db     *sql.DB
	store  *sqlstore.Store
}

// onBoth runs a test with a program on each database.
func onBoth(t *testing.T, test func(t *testing.T, p *program)) {
	for name, dialect := range map[string]sqlstore.Dialect{"SQLite": sqlstore.SQLite, "PostgreSQL": sqlstore.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			p := &program{driver: "sqlite"}
			if dialect == sqlstore.PostgreSQL {
				p.driver, p.dsn = postgrestest.Driver, postgrestest.New(t)
			} else {
				p.dsn = sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "desk.db"))
			}
			var err error
			p.db, err = sql.Open(p.driver, p.dsn)
			require.NoError(t, err)
			t.Cleanup(func() { p.db.Close() })
			_, err = p.db.Exec("CREATE TABLE ports (address TEXT PRIMARY KEY)")
			require.NoError(t, err)
			p.store, err = sqlstore.New(context.Background(), p.db, sqlstore.Config{Dialect: dialect, Shared: true})
			require.NoError(t, err)
			t.Cleanup(func() { p.store.Close() })
			fill(t, p.store, 3)
			test(t, p)
		})
	}
}

// begin begins a transaction, writes a row of the program's own, and joins.
func (p *program) begin(t testing.TB) (*sql.Tx, storage.Tx) {
	t.Helper()
	own, err := p.db.BeginTx(context.Background(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { own.Rollback() })
	_, err = own.Exec("INSERT INTO ports (address) VALUES ('192.0.2.7')")
	require.NoError(t, err)
	tx, err := p.store.Join(context.Background(), own)
	require.NoError(t, err)
	return own, tx
}

// has tells how many rows of its own and tickets the program has.
func (p *program) has(t testing.TB) (ports, tickets int) {
	t.Helper()
	require.NoError(t, p.db.QueryRow("SELECT count(*) FROM ports").Scan(&ports))
	require.NoError(t, p.store.View(context.Background(), func(ctx context.Context, r storage.Reader) (err error) {
		tickets, err = r.Count(ctx, storage.Query{})
		return err
	}))
	return ports, tickets
}

// openOne opens ticket 4, with a claim, a body and a mail.
func openOne(t testing.TB, tx storage.Tx) {
	t.Helper()
	ctx := context.Background()
	id, err := tx.NextID(ctx)
	require.NoError(t, err)
	require.Equal(t, incident.ID(4), id)
	require.NoError(t, tx.Append(ctx, sealed(t, incident.Ticket{}, id, start, report(4))))
	_, err = tx.Claim(ctx, storage.Key{Space: "message-id", Value: "4@example.org"}, id)
	require.NoError(t, err)
	digest, err := tx.PutBlob(ctx, []byte("body"))
	require.NoError(t, err)
	require.NoError(t, tx.PutOutgoing(ctx, storage.Outgoing{Ticket: id, Version: 1, Status: storage.Queued, Blob: digest}))
}

func TestJoinCommitsBothOrNeither(t *testing.T) {
	onBoth(t, func(t *testing.T, p *program) {
		own, tx := p.begin(t)
		openOne(t, tx)
		found, err := tx.Find(context.Background(), storage.Query{Mail: "r4@example.org"})
		require.NoError(t, err)
		require.Len(t, found, 1, "it sees its own writes")
		require.NoError(t, own.Rollback())
		ports, tickets := p.has(t)
		assert.Equal(t, []int{0, 3}, []int{ports, tickets})

		own, tx = p.begin(t)
		openOne(t, tx)
		require.NoError(t, own.Commit())
		ports, tickets = p.has(t)
		assert.Equal(t, []int{1, 4}, []int{ports, tickets})
		require.NoError(t, p.store.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
			last, err := r.History(ctx, storage.HistoryQuery{After: 3})
			require.NoError(t, err)
			require.Len(t, last, 1)
			assert.Equal(t, uint64(4), last[0].Seq)
			return nil
		}))
		require.NoError(t, appendTo(p.store, t, 4, incident.Commented{}), "the store goes on")
	})
}

// While a transaction has joined, nobody else writes, whatever process; and what
// it reads after Join is not changed by others.
func TestJoinTakesTheLock(t *testing.T) {
	onBoth(t, func(t *testing.T, p *program) {
		own, tx := p.begin(t)
		before, err := tx.Ticket(context.Background(), 2)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { done <- appendTo(p.store, t, 2, incident.Commented{}) }()
		select {
		case err := <-done:
			t.Fatalf("an update ran beside the joined transaction: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		require.NoError(t, tx.Append(context.Background(), sealed(t, before, 2, start, incident.Owned{To: "handler:bob"})))
		require.NoError(t, own.Commit())
		require.NoError(t, <-done)
		assert.Equal(t, uint64(3), content300(t, p.store)[1].Version, "both are there")
	})
}

// A write that fails takes all of the ticket back, even for a caller who commits.
func TestJoinLeavesNothingHalfDone(t *testing.T) {
	onBoth(t, func(t *testing.T, p *program) {
		ctx := context.Background()
		fail := map[string]func(tx storage.Tx) error{
			"a record that does not fit": func(tx storage.Tx) error {
				return tx.Append(ctx, sealed(t, incident.Ticket{}, 2, start, report(2)))
			},
			"a stale mail": func(tx storage.Tx) error {
				return tx.PutOutgoing(ctx, storage.Outgoing{Ticket: 4, Version: 1, Revision: 7})
			},
			"a moved bookmark": func(tx storage.Tx) error {
				return tx.PutBookmark(ctx, storage.Bookmark{Name: "mirror", Revision: 7})
			},
			"the database": func(tx storage.Tx) error {
				_, err := tx.Claim(ctx, storage.Key{Space: "no"}, 4)
				return err
			},
		}
		refuse := "CREATE TRIGGER no BEFORE INSERT ON claims WHEN NEW.space = 'no' BEGIN SELECT RAISE(ABORT, 'no'); END"
		if p.driver == postgrestest.Driver {
			refuse = "ALTER TABLE claims ADD CHECK (space <> 'no')"
		}
		_, err := p.db.Exec(refuse)
		require.NoError(t, err)
		for name, fail := range fail {
			own, tx := p.begin(t)
			openOne(t, tx)
			err := fail(tx)
			require.Error(t, err, name)
			assert.Equal(t, err, tx.Append(ctx), "the Tx has ended: %s", name)
			require.NoError(t, own.Commit(), name)
			ports, tickets := p.has(t)
			assert.Equal(t, []int{1, 3}, []int{ports, tickets}, name)
			_, err = p.db.Exec("DELETE FROM ports")
			require.NoError(t, err)
		}
		require.NoError(t, p.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
			_, held, err := r.Claimed(ctx, storage.Key{Space: "message-id", Value: "4@example.org"})
			assert.False(t, held)
			require.NoError(t, err)
			_, err = r.OpenBlob(ctx, incident.DigestOf([]byte("body")))
			assert.ErrorIs(t, err, storage.ErrNotFound)
			return nil
		}))
	})
}

func TestJoinRefuses(t *testing.T) {
	ctx := context.Background()
	onBoth(t, func(t *testing.T, p *program) {
		join := func(db *sql.DB, options *sql.TxOptions, first ...string) error {
			own, err := db.BeginTx(ctx, options)
			require.NoError(t, err)
			defer own.Rollback()
			for _, text := range first {
				_, err := own.Exec(text)
				require.NoError(t, err)
			}
			_, err = p.store.Join(ctx, own)
			return err
		}
		refused := func(err, want error, says string) {
			t.Helper()
			assert.ErrorIs(t, err, want)
			assert.ErrorContains(t, err, says)
		}
		_, err := p.store.Join(ctx, nil)
		assert.ErrorContains(t, err, "Join needs a *sql.Tx")
		require.NoError(t, p.store.View(ctx, func(ctx context.Context, _ storage.Reader) error {
			_, err := p.store.Join(ctx, new(sql.Tx))
			assert.ErrorContains(t, err, "fn may not call the store that runs it")
			return nil
		}))

		elsewhere := sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "other.db"))
		if p.driver == postgrestest.Driver {
			elsewhere = postgrestest.New(t)
		}
		other, err := sql.Open(p.driver, elsewhere)
		require.NoError(t, err)
		defer other.Close()
		refused(join(other, nil), sqlstore.ErrSettings, "begin it on the same database")

		if p.driver == "sqlite" {
			weak, err := sql.Open("sqlite", strings.Replace(p.dsn, "synchronous(FULL)", "synchronous(OFF)", 1))
			require.NoError(t, err)
			defer weak.Close()
			refused(join(weak, nil), sqlstore.ErrSettings, `PRAGMA synchronous is "0" and must be FULL`)

			late, err := sql.Open("sqlite", strings.Replace(p.dsn, "&_txlock=immediate", "", 1))
			require.NoError(t, err)
			defer late.Close()
			own, err := late.Begin()
			require.NoError(t, err)
			defer own.Rollback()
			var n int
			require.NoError(t, own.QueryRow("SELECT count(*) FROM ports").Scan(&n))
			require.NoError(t, appendTo(p.store, t, 2, incident.Commented{}))
			_, err = p.store.Join(ctx, own)
			refused(err, storage.ErrConflict, "database is locked")

			alone := openFile(t, ":memory:")
			_, err = alone.Join(ctx, new(sql.Tx))
			refused(err, sqlstore.ErrSettings, "use a file or a server, and allow more connections")
			return
		}
		for level, name := range map[sql.IsolationLevel]string{sql.LevelRepeatableRead: "REPEATABLE READ", sql.LevelSerializable: "SERIALIZABLE"} {
			refused(join(p.db, &sql.TxOptions{Isolation: level}), sqlstore.ErrSettings, "the transaction is "+name+" and must be READ COMMITTED")
		}
		refused(join(p.db, &sql.TxOptions{ReadOnly: true}), sqlstore.ErrSettings, "the transaction is READ ONLY")
		refused(join(p.db, nil, "SET LOCAL synchronous_commit = off"), sqlstore.ErrSettings, `synchronous_commit is "off" and must be on`)

		own, _ := p.begin(t)
		err = join(p.db, nil, "SET LOCAL lock_timeout = '20ms'")
		refused(err, storage.ErrConflict, "another transaction was faster, or holds the lock")
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		waiting, err := p.db.BeginTx(ctx, nil)
		require.NoError(t, err)
		defer waiting.Rollback()
		_, err = p.store.Join(short, waiting)
		assert.True(t, errors.Is(err, context.DeadlineExceeded), err)
		require.NoError(t, own.Rollback())
	})
}
