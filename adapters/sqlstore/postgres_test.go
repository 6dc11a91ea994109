package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// with returns a data source name with one more parameter.
func with(t testing.TB, dsn, name, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func connect(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(postgrestest.Driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func onServer(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	db := connect(t, dsn)
	defer db.Close()
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
}

// openError is New on a server, for its error.
func openError(t testing.TB, dsn string) error {
	t.Helper()
	s, err := sqlstore.New(context.Background(), connect(t, dsn), sqlstore.Config{Dialect: sqlstore.PostgreSQL})
	if err == nil {
		s.Close()
	}
	return err
}

func TestNewWantsSettingsOfPostgreSQL(t *testing.T) {
	dsn := postgrestest.New(t)
	for _, test := range []struct{ name, value, says string }{
		{"synchronous_commit", "off", `synchronous_commit is "off" and must be on or remote_apply, else a crash could take back mail that was acknowledged`},
		{"synchronous_commit", "local", `synchronous_commit is "local" and must be`},
		{"synchronous_commit", "remote_write", `synchronous_commit is "remote_write" and must be`},
		{"client_encoding", "LATIN1", `client_encoding is "LATIN1" and must be UTF8, else text would come back altered`},
		{"default_transaction_read_only", "on", `default_transaction_read_only is "on" and must be off`},
		{"session_replication_role", "replica", `session_replication_role is "replica" and must be origin, else records could be altered`},
		{"search_path", "nowhere", "no schema of the search path exists"},
	} {
		err := openError(t, with(t, dsn, test.name, test.value))
		assert.ErrorIs(t, err, sqlstore.ErrSettings, test.name)
		assert.ErrorContains(t, err, test.says)
	}
	assert.NoError(t, openError(t, with(t, dsn, "synchronous_commit", "remote_apply")))

	t.Run("of the first connection are not enough", func(t *testing.T) {
		db := connect(t, dsn)
		s, err := sqlstore.New(context.Background(), db, sqlstore.Config{Dialect: sqlstore.PostgreSQL})
		require.NoError(t, err)
		defer s.Close()
		onServer(t, dsn, "ALTER DATABASE "+database(t, dsn)+" SET synchronous_commit = off")
		assert.ErrorIs(t, s.View(context.Background(), nil), sqlstore.ErrSettings)
	})
}

func database(t testing.TB, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	require.NoError(t, err)
	return strings.TrimPrefix(u.Path, "/")
}

func TestNewWantsAServerThatKeeps(t *testing.T) {
	for _, setting := range []string{"fsync", "full_page_writes"} {
		server := postgrestest.StartServer(t, postgrestest.Config{Settings: []string{setting + "=off"}})
		err := openError(t, server.DSN())
		assert.ErrorIs(t, err, sqlstore.ErrSettings)
		assert.ErrorContains(t, err, setting+` is "off" and must be on, else a power loss could damage the database`)
	}
}

func TestNewRefusesForeignSchemas(t *testing.T) {
	dsn := postgrestest.New(t)
	onServer(t, dsn, "CREATE TABLE bookmarks (url TEXT)", "CREATE SCHEMA desk")
	err := openError(t, dsn)
	assert.ErrorIs(t, err, sqlstore.ErrForeign)
	assert.ErrorContains(t, err, "it holds tables of another program (bookmarks): give a new schema or database")
	assert.NoError(t, openError(t, with(t, dsn, "search_path", "desk")), "beside it")

	shared := openWith(t, postgrestest.Driver, dsn, sqlstore.Config{Dialect: sqlstore.PostgreSQL, Shared: true})
	fill(t, shared, 2)
	other := openPostgres(t, with(t, dsn, "search_path", "desk"))
	assert.Empty(t, content300(t, other), "two schemas are two stores")
	require.NoError(t, shared.Update(context.Background(), func(context.Context, storage.Tx) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return other.Update(ctx, func(context.Context, storage.Tx) error { return nil }) // and do not wait for each other
	}))

	onServer(t, dsn, "INSERT INTO airtight_migrations VALUES (9999, '9999_future.sql', 'x', 'later')")
	assert.ErrorIs(t, openError(t, dsn), sqlstore.ErrNewer)
}

func TestRecordsAreFinalOnPostgreSQL(t *testing.T) {
	dsn := postgrestest.New(t)
	fill(t, openPostgres(t, dsn), 3)
	for _, test := range []struct{ sql, says string }{
		{"UPDATE records SET actor = 'handler:mallory' WHERE seq = 3", "records are never changed"},
		{"UPDATE records SET actor = 'handler:mallory' WHERE FALSE", "records are never changed"},
		{"DELETE FROM records", "records are never deleted"},
		{"TRUNCATE records CASCADE", "records are never deleted"},
		{"INSERT INTO records SELECT * FROM records ON CONFLICT (seq) DO UPDATE SET actor = 'handler:mallory'", "records are never changed"},
		{"SET session_replication_role = replica; DELETE FROM records", "records are never deleted"},
	} {
		_, err := connect(t, dsn).Exec(test.sql)
		assert.ErrorContains(t, err, test.says, test.sql)
	}
}

// The grants are those of the package comment.
func TestADeskThatMayNotAlter(t *testing.T) {
	comment, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	grants := regexp.MustCompile(`GRANT [^;]* TO desk;`).FindAllString(string(comment), -1)
	require.Len(t, grants, 7)
	dsn := postgrestest.New(t)
	role := database(t, dsn) + "_desk"
	onServer(t, dsn, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() { onServer(t, dsn, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	as := with(t, dsn, "user", role)

	err = openError(t, as)
	assert.ErrorContains(t, err, "let the owner of the schema run New")
	fill(t, openPostgres(t, dsn), 3)
	for _, grant := range grants {
		onServer(t, dsn, strings.Replace(grant, "TO desk", "TO "+role, 1))
	}

	s := openPostgres(t, as)
	ctx := context.Background()
	require.NoError(t, s.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		openOne(t, tx)
		rows, err := tx.Outgoing(ctx, storage.OutgoingQuery{})
		require.NoError(t, err)
		require.NoError(t, tx.PutBookmark(ctx, storage.Bookmark{Name: "mirror"}))
		require.NoError(t, tx.PutBookmark(ctx, storage.Bookmark{Name: "mirror", Revision: 1}))
		require.NoError(t, tx.RemoveBookmark(ctx, storage.Bookmark{Name: "mirror", Revision: 2}))
		return tx.PutOutgoing(ctx, rows[0])
	}))
	require.NoError(t, appendTo(s, t, 4, incident.Edited{
		Fields:  map[string][]string{"outcome": {"a"}},
		Content: incident.EditedContent{RemovedObservables: report(4).Content.Observables, Cc: &[]incident.Party{{Address: "cc@example.org"}}},
	}))
	require.NoError(t, appendTo(s, t, 4, incident.Edited{Fields: map[string][]string{"outcome": {"b"}}}))
	require.NoError(t, appendTo(s, t, 4, incident.Linked{Parent: 1}))
	require.NoError(t, appendTo(s, t, 4, incident.Unlinked{Parent: 1}))
	assert.Len(t, content300(t, s), 4)

	for _, table := range []string{"records", "record_contents", "claims", "blobs"} {
		for _, text := range []string{"DELETE FROM %s", "TRUNCATE %s CASCADE", "ALTER TABLE %s DISABLE TRIGGER ALL", "DROP TABLE %s"} {
			text = fmt.Sprintf(text, table)
			_, err := connect(t, as).Exec(text)
			assert.ErrorContains(t, err, "42501", text)
		}
	}
	for _, text := range []string{"UPDATE records SET actor = ''", "UPDATE record_contents SET content = NULL", "UPDATE claims SET ticket = 1", "UPDATE blobs SET content = ''"} {
		_, err := connect(t, as).Exec(text)
		assert.ErrorContains(t, err, "42501", text)
	}
}

// Long texts do not fit into indexes; they are kept and found all the same.
func TestLongTextsOnPostgreSQL(t *testing.T) {
	s := openPostgres(t, postgrestest.New(t))
	long := strings.Repeat("\u00fc", 4000)
	ctx := context.Background()
	require.NoError(t, s.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		for id, subject := range []string{"b", long + "b", "a", long + "a", "\u00fc"} {
			opened := report(id)
			opened.Content.Subject = subject
			opened.Content.Observables = append(opened.Content.Observables, incident.Observable{Kind: incident.Host, Value: subject + ".example.org"})
			if err := tx.Append(ctx, sealed(t, incident.Ticket{}, incident.ID(id+1), start, opened)); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, s.View(ctx, func(ctx context.Context, r storage.Reader) error {
		for _, q := range []storage.Query{
			{Order: []storage.Order{{Column: storage.BySubject}}},
			{Order: []storage.Order{{Column: storage.BySubject}}, Limit: 4},
			{Order: []storage.Order{{Column: storage.BySubject, Descending: true}}, Limit: 3},
			{Order: []storage.Order{{Column: storage.ByKind}}, Kinds: []incident.Kind{incident.KindReport}},
			{Under: "example.org"}, {Under: long + "a.example.org"},
		} {
			all, err := r.Find(ctx, storage.Query{})
			require.NoError(t, err)
			for {
				want := q.Select(all)
				found, err := r.Find(ctx, q)
				require.NoError(t, err)
				require.Equal(t, want, found)
				if q.Limit == 0 || len(found) < q.Limit {
					break
				}
				q.After = storage.CursorAt(found[len(found)-1])
			}
			n, err := r.Count(ctx, q)
			require.NoError(t, err)
			q.After, q.Limit = nil, 0
			assert.Len(t, q.Select(all), n)
		}
		return nil
	}))
}

func TestTextThatPostgreSQLCannotKeep(t *testing.T) {
	s := openPostgres(t, postgrestest.New(t))
	for _, text := range []string{"a\x00b", "a\xffb"} {
		err := s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
			_, err := tx.Claim(ctx, storage.Key{Space: text}, 1)
			return err
		})
		assert.ErrorIs(t, err, sqlstore.ErrText)
		assert.ErrorContains(t, err, "clean it first (incident.Clean)")
	}
	fill(t, s, 1)
}

// Processes that start at the same time, on a database that none of them has made yet.
func TestNewAtTheSameTimeOnPostgreSQL(t *testing.T) {
	dsn := postgrestest.New(t)
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() { assert.NoError(t, openError(t, dsn)) })
	}
	done.Wait()
}

func TestWaitingForAnotherProcessOnPostgreSQL(t *testing.T) {
	dsn := postgrestest.New(t)
	other := openPostgres(t, dsn)
	s, hasty := openPostgres(t, dsn), openPostgres(t, with(t, dsn, "lock_timeout", "50"))
	fn := func(context.Context, storage.Tx) error { return nil }
	require.NoError(t, other.Update(context.Background(), func(context.Context, storage.Tx) error {
		for range 2 { // the first one opens the connection
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			assert.Equal(t, context.DeadlineExceeded, s.Update(ctx, fn))
		}
		assert.ErrorIs(t, hasty.Update(context.Background(), fn), storage.ErrConflict)
		db := connect(t, with(t, dsn, "lock_timeout", "50"))
		db.SetMaxOpenConns(1)
		_, err := sqlstore.New(context.Background(), db, sqlstore.Config{Dialect: sqlstore.PostgreSQL})
		assert.ErrorIs(t, err, storage.ErrConflict)
		_, err = db.Exec("SELECT 1")
		assert.NoError(t, err, "the connection went back as it came")
		assert.NoError(t, s.View(context.Background(), func(context.Context, storage.Reader) error { return nil }), "readers wait for nobody")
		return nil
	}))
	assert.NoError(t, s.Update(context.Background(), fn))
	assert.NoError(t, hasty.Update(context.Background(), fn))
}

// A program that hangs in the middle of an update loses its connection, and with
// it the lock.
func TestAnUpdateThatHangs(t *testing.T) {
	dsn := postgrestest.New(t)
	hanging := openPostgres(t, with(t, dsn, "idle_in_transaction_session_timeout", "100"))
	err := hanging.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		require.NoError(t, tx.Append(ctx, sealed(t, incident.Ticket{}, 1, start, report(1))))
		time.Sleep(300 * time.Millisecond)
		return nil
	})
	assert.ErrorIs(t, err, sqlstore.ErrUnavailable)
	assert.Empty(t, content300(t, hanging))
	fill(t, hanging, 1)
}

// The answer to a COMMIT is lost: nobody knows what became of it.
func TestUndecided(t *testing.T) {
	dsn := postgrestest.New(t)
	s := openPostgres(t, dsn)
	onServer(t, dsn, `CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$`,
		`CREATE CONSTRAINT TRIGGER cut AFTER INSERT ON claims DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cut()`)
	err := s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		_, err := tx.Claim(ctx, storage.Key{Space: "a"}, 1)
		return err
	})
	assert.ErrorIs(t, err, sqlstore.ErrUnavailable)
	assert.ErrorContains(t, err, "(during COMMIT: the changes may have been committed; look before they are made again)")
	fill(t, s, 1)
}
