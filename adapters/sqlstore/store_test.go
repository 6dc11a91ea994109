package sqlstore_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// content returns all that a store holds, as text.
func content(t testing.TB, s storage.Store) string {
	t.Helper()
	var all struct {
		Tickets  []incident.Ticket
		History  []incident.Record
		Outgoing []storage.Outgoing
		Holder   incident.ID
	}
	require.NoError(t, s.View(context.Background(), func(ctx context.Context, r storage.Reader) (err error) {
		all.Tickets, err = r.Find(ctx, storage.Query{})
		require.NoError(t, err)
		all.History, err = r.History(ctx, storage.HistoryQuery{})
		require.NoError(t, err)
		all.Outgoing, err = r.Outgoing(ctx, storage.OutgoingQuery{})
		require.NoError(t, err)
		all.Holder, _, err = r.Claimed(ctx, storage.Key{Space: "message-id", Value: "1@example.org"})
		require.NoError(t, err)
		_, err = r.OpenBlob(ctx, incident.DigestOf([]byte("body")))
		return err
	}))
	text, err := json.Marshal(all)
	require.NoError(t, err)
	return string(text)
}

func appendTo(s *sqlstore.Store, t testing.TB, id incident.ID, ev incident.Event) error {
	return s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		ticket, err := tx.Ticket(ctx, id)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		return tx.Append(ctx, sealed(t, ticket, id, start, ev))
	})
}

func TestRestartKeepsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a desk?.db")
	s := openFile(t, path)
	fill(t, s, 50)
	require.NoError(t, s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		digest, err := tx.PutBlob(ctx, []byte("body"))
		require.NoError(t, err)
		_, err = tx.Claim(ctx, storage.Key{Space: "message-id", Value: "1@example.org"}, 7)
		require.NoError(t, err)
		return tx.PutOutgoing(ctx, storage.Outgoing{Ticket: 7, Version: 1, Status: storage.Queued, To: "bob@example.org", Blob: digest, Queued: start, NextTry: start})
	}))
	before := content(t, s)
	require.NoError(t, s.Close())

	s = openFile(t, path)
	assert.Equal(t, before, content(t, s))
	assert.Contains(t, before, `"Holder":7`)
	require.NoError(t, s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		id, err := tx.NextID(ctx)
		assert.Equal(t, incident.ID(51), id)
		return err
	}))
	require.NoError(t, appendTo(s, t, 51, report(51)))
	require.NoError(t, s.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
		last, err := r.History(ctx, storage.HistoryQuery{After: 50})
		require.Len(t, last, 1)
		assert.Equal(t, uint64(51), last[0].Seq)
		return err
	}))
}

func TestRecordsCannotBeTamperedWith(t *testing.T) {
	path := made(t)
	db, err := sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	defer db.Close()
	for _, test := range []struct{ sql, says string }{
		{"UPDATE records SET actor = 'handler:mallory' WHERE seq = 3", "records are never changed"},
		{"UPDATE records SET seq = 1000 WHERE seq = 3", "records are never changed"},
		{"DELETE FROM records WHERE seq = 300", "records are never deleted"},
		{"DELETE FROM records", "records are never deleted"},
		{"INSERT OR REPLACE INTO records SELECT * FROM records WHERE seq = 3", "records are never replaced"},
		{"REPLACE INTO records SELECT 1000, ticket, version, at, 'x', command, cause_rule, cause_ticket, cause_version, policy, type, data, digest, prev, hash FROM records WHERE seq = 3", "records are never replaced"},
	} {
		_, err := db.Exec(test.sql)
		assert.ErrorContains(t, err, test.says, test.sql)
	}
	var n int
	require.NoError(t, db.QueryRow("SELECT count(*) FROM records WHERE actor = 'handler:alice'").Scan(&n))
	assert.Equal(t, 300, n)
}

func TestRecordsTableBacksTheVersion(t *testing.T) {
	path := made(t)
	// The stored ticket has lost its last version, say by another program.
	execute(t, path, "DELETE FROM ticket_names", "DELETE FROM ticket_observables", "DELETE FROM tickets")
	err := appendTo(openFile(t, path), t, 3, report(3))
	assert.ErrorIs(t, err, storage.ErrConflict)
	assert.ErrorContains(t, err, "records are never replaced")
}

func TestSideTablesAreWrittenAsADifference(t *testing.T) {
	path := made(t)
	execute(t, path, "CREATE TABLE written (what TEXT)",
		"CREATE TRIGGER a BEFORE INSERT ON ticket_observables BEGIN INSERT INTO written VALUES ('+o ' || NEW.key); END",
		"CREATE TRIGGER b AFTER DELETE ON ticket_observables BEGIN INSERT INTO written VALUES ('-o ' || OLD.key); END",
		"CREATE TRIGGER c BEFORE INSERT ON ticket_names BEGIN INSERT INTO written VALUES ('+n ' || NEW.key); END",
		"CREATE TRIGGER d AFTER DELETE ON ticket_names BEGIN INSERT INTO written VALUES ('-n ' || OLD.key); END",
		"CREATE TRIGGER e BEFORE INSERT ON ticket_fields BEGIN INSERT INTO written VALUES ('+f ' || NEW.name || '=' || NEW.value); END",
		"CREATE TRIGGER f AFTER DELETE ON ticket_fields BEGIN INSERT INTO written VALUES ('-f ' || OLD.name || '=' || OLD.value); END")
	s := openFile(t, path)
	old := report(6).Content.Observables[0]
	require.NoError(t, appendTo(s, t, 7, incident.Edited{
		Fields: map[string][]string{"outcome": {"a", "b"}},
		Content: incident.EditedContent{
			Observables:        []incident.Observable{{Kind: incident.Address, Value: "198.51.100.1"}, {Kind: incident.MailAddress, Value: "Eve@example.com"}},
			RemovedObservables: []incident.Observable{old},
		},
	}))
	require.NoError(t, appendTo(s, t, 7, incident.Edited{Fields: map[string][]string{"outcome": {"b", "c"}}}))
	for _, content := range []incident.EditedContent{
		{Cc: &[]incident.Party{{Address: "cc@example.org"}}}, {Contacts: &[]incident.Party{{Address: "contact@example.org"}}},
	} {
		require.NoError(t, appendTo(s, t, 7, incident.Edited{Content: content}))
	}

	db, err := sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	defer db.Close()
	var written string
	require.NoError(t, db.QueryRow("SELECT group_concat(what, ', ') FROM (SELECT what FROM written ORDER BY substr(what, 1, 2), what)").Scan(&written))
	assert.Equal(t, "+f outcome=a, +f outcome=b, +f outcome=c, "+
		"+n dcom.example., +n mcc@example.org, +n mcontact@example.org, +n meve@example.com, "+
		"+o a4c6336401/20, +o meve@example.com, -f outcome=a, -o "+old.Key(), written)
}

func TestAnUpdateFindsItsRecordsBehindAnySeq(t *testing.T) {
	s := openFile(t, ":memory:")
	fill(t, s, 3)
	require.NoError(t, s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		require.NoError(t, tx.Append(ctx, sealed(t, incident.Ticket{}, 4, start, report(4))))
		for after, want := range map[uint64]int{0: 4, 3: 1, 4: 1, 1 << 63: 1} {
			found, err := tx.History(ctx, storage.HistoryQuery{After: after})
			require.NoError(t, err)
			assert.Len(t, found, want, after)
		}
		return nil
	}))
}

func TestWaitingForAnotherProcess(t *testing.T) {
	path := made(t)
	other, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	require.NoError(t, err)
	defer other.Close()
	s := openDSN(t, strings.Replace(sqlstore.SQLiteDSN(path), "5000", "200", 1))
	patient := openDSN(t, strings.Replace(sqlstore.SQLiteDSN(path), "5000", "60000", 1))
	lock, err := other.Begin() // _txlock=immediate
	require.NoError(t, err)
	defer lock.Rollback()
	fn := func(context.Context, storage.Tx) error { return nil }

	began := time.Now()
	err = s.Update(context.Background(), fn)
	assert.ErrorIs(t, err, storage.ErrConflict)
	assert.ErrorContains(t, err, "for 200ms another program has held the lock")
	assert.GreaterOrEqual(t, time.Since(began), 200*time.Millisecond)
	assert.NoError(t, s.View(context.Background(), func(context.Context, storage.Reader) error { return nil }), "readers wait for nobody")

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	began = time.Now()
	assert.Equal(t, context.DeadlineExceeded, patient.Update(ctx, fn))
	assert.Less(t, time.Since(began), 20*time.Second, "the context does not end the wait")

	go func() {
		time.Sleep(50 * time.Millisecond)
		lock.Rollback()
	}()
	assert.NoError(t, patient.Update(context.Background(), fn), "the lock was given back in time")
}

func TestAContextInterruptsASearch(t *testing.T) {
	s := openFile(t, made(t))
	ctx, cancel := context.WithCancel(context.Background())
	err := s.View(ctx, func(ctx context.Context, r storage.Reader) error {
		cancel()
		_, err := r.Find(ctx, storage.Query{})
		return err
	})
	assert.Equal(t, context.Canceled, err)
	assert.Equal(t, context.Canceled, s.View(ctx, nil))
	assert.Equal(t, context.Canceled, s.Update(ctx, nil))
	assert.NotEmpty(t, content300(t, s), "the connection is of use again")
}

func content300(t testing.TB, s storage.Store) (found []incident.Ticket) {
	t.Helper()
	require.NoError(t, s.View(context.Background(), func(ctx context.Context, r storage.Reader) (err error) {
		found, err = r.Find(ctx, storage.Query{})
		return err
	}))
	return found
}

func TestFnMayNotCallTheStore(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "desk.db"), ":memory:"} {
		s := openFile(t, path)
		update := func(ctx context.Context) error {
			return s.Update(ctx, func(context.Context, storage.Tx) error { return nil })
		}
		err := s.Update(context.Background(), func(ctx context.Context, _ storage.Tx) error { return update(ctx) })
		assert.ErrorContains(t, err, "fn may not call the store")
		err = s.View(context.Background(), func(ctx context.Context, _ storage.Reader) error { return update(ctx) })
		assert.ErrorContains(t, err, "fn may not call the store")
		other := openFile(t, filepath.Join(t.TempDir(), "other.db"))
		assert.NoError(t, other.View(context.Background(), func(ctx context.Context, _ storage.Reader) error { return update(ctx) }))
	}
}

func TestCloseEndsTheStore(t *testing.T) {
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(made(t)))
	require.NoError(t, err)
	defer db.Close()
	s, err := sqlstore.New(context.Background(), db, sqlstore.Config{})
	require.NoError(t, err)
	content300(t, s)
	assert.Equal(t, 2, db.Stats().InUse)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "a second time")
	assert.ErrorContains(t, s.View(context.Background(), nil), "the store is closed")
	assert.ErrorContains(t, s.Update(context.Background(), nil), "the store is closed")

	assert.Zero(t, db.Stats().InUse, "the connections are back")
	for range 2 {
		c, err := db.Conn(context.Background())
		require.NoError(t, err)
		defer c.Close()
		var patience int
		require.NoError(t, c.QueryRowContext(context.Background(), "PRAGMA busy_timeout").Scan(&patience))
		assert.Equal(t, 5000, patience, "as they came")
	}
}

func TestOneConnectionIsEnough(t *testing.T) {
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "desk.db")))
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	s, err := sqlstore.New(context.Background(), db, sqlstore.Config{})
	require.NoError(t, err)
	defer s.Close()
	fill(t, s, 10)
	assert.Len(t, content300(t, s), 10)
}

// Two stores on one file stand for two processes; the race detector watches.
func TestStoresShareAFile(t *testing.T) {
	path := made(t)
	var done sync.WaitGroup
	for range 2 {
		s := openFile(t, path)
		for range 2 {
			done.Go(func() {
				for range 25 {
					err := appendTo(s, t, 5, incident.Commented{})
					for errors.Is(err, storage.ErrConflict) {
						err = appendTo(s, t, 5, incident.Commented{})
					}
					assert.NoError(t, err)
				}
			})
			done.Go(func() {
				var last uint64
				for range 25 {
					assert.NoError(t, s.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
						before, err := r.Ticket(ctx, 5)
						if err != nil {
							return err
						}
						history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{5}})
						assert.Len(t, history, int(before.Version), "not a snapshot")
						assert.GreaterOrEqual(t, before.Version, last)
						last = before.Version
						return err
					}))
				}
			})
		}
	}
	done.Wait()
	s := openFile(t, path)
	require.NoError(t, s.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
		history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{5}})
		require.NoError(t, err)
		folded, err := incident.Verify(history)
		assert.Equal(t, uint64(101), folded.Version)
		stored, _ := r.Ticket(ctx, 5)
		assert.Equal(t, stored, folded)
		return err
	}))
}

func TestManyShapesOfQueries(t *testing.T) {
	s := openFile(t, made(t))
	ids := make([]incident.ID, 40_000)
	for i := range ids {
		ids[i] = incident.ID(i + 1)
	}
	require.NoError(t, s.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
		for n := range 300 {
			found, err := r.Find(ctx, storage.Query{Constituencies: make([]string, n+1), Limit: 1})
			require.NoError(t, err)
			assert.Empty(t, found)
		}
		n, err := r.Count(ctx, storage.Query{IDs: ids})
		assert.Equal(t, 300, n)
		return err
	}))
}
