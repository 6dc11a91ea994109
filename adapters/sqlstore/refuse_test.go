package sqlstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
)

// open is New on a DSN, for its error; the store, if there is one, is closed.
func open(t testing.TB, dsn string) error {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	require.NoError(t, err)
	defer db.Close()
	s, err := sqlstore.New(context.Background(), db, sqlstore.Config{})
	if err == nil {
		s.Close()
	}
	return err
}

// execute runs SQL on a file past the store.
func execute(t testing.TB, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	defer db.Close()
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(t, err, s)
	}
}

// made returns the path of a store with some reports in it.
func made(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "desk.db")
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	require.NoError(t, err)
	s, err := sqlstore.New(context.Background(), db, sqlstore.Config{})
	require.NoError(t, err)
	fill(t, s, 300)
	require.NoError(t, s.Close())
	require.NoError(t, db.Close()) // ends the -wal file too
	return path
}

func TestNewWantsSettings(t *testing.T) {
	for _, test := range []struct{ from, to, says string }{
		{"journal_mode(WAL)", "journal_mode(DELETE)", `PRAGMA journal_mode is "delete" and must be WAL, else readers would block the writer`},
		{"journal_mode(WAL)", "journal_mode(MEMORY)", `PRAGMA journal_mode is "memory" and must be WAL`},
		{"synchronous(FULL)", "synchronous(NORMAL)", `PRAGMA synchronous is "1" and must be FULL or EXTRA, else a power loss could take back mail`},
		{"synchronous(FULL)", "synchronous(OFF)", `PRAGMA synchronous is "0" and must be FULL`},
		{"busy_timeout(5000)", "busy_timeout(0)", `PRAGMA busy_timeout is "0" and must be a number of milliseconds, like 5000`},
		{"foreign_keys(1)", "foreign_keys(0)", `PRAGMA foreign_keys is "0" and must be ON`},
		{"journal_mode(WAL)", "encoding('UTF-16le')&_pragma=journal_mode(WAL)", `PRAGMA encoding is "UTF-16le" and must be UTF-8, else text would not compare bytewise`},
	} {
		t.Run(test.to, func(t *testing.T) {
			dsn := sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "desk.db"))
			require.Contains(t, dsn, test.from)
			err := open(t, strings.Replace(dsn, test.from, test.to, 1))
			assert.ErrorIs(t, err, sqlstore.ErrSettings)
			assert.ErrorContains(t, err, test.says)
			assert.ErrorContains(t, err, "set it in the data source name, for all connections")
		})
	}
	t.Run("EXTRA will do", func(t *testing.T) {
		dsn := sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "desk.db"))
		assert.NoError(t, open(t, strings.Replace(dsn, "FULL", "EXTRA", 1)))
	})
	t.Run("of the first connection are not enough", func(t *testing.T) {
		path := made(t)
		db, err := sql.Open("sqlite", strings.Replace(sqlstore.SQLiteDSN(path), "&_pragma=synchronous(FULL)", "&_pragma=synchronous(OFF)", 1))
		require.NoError(t, err)
		defer db.Close()
		_, err = db.Exec("PRAGMA synchronous = FULL")
		require.NoError(t, err)
		s, err := sqlstore.New(context.Background(), db, sqlstore.Config{})
		require.NoError(t, err, "its one idle connection is in order")
		defer s.Close()
		assert.ErrorIs(t, s.View(context.Background(), nil), sqlstore.ErrSettings)
	})
}

func TestNewRefusesForeignDatabases(t *testing.T) {
	const remedy = "give the path of a new file, or of the database that this desk has used before"
	for _, test := range []struct{ name, sql, says string }{
		{"tables", "CREATE TABLE bookmarks (url TEXT)", "it holds tables of another program (bookmarks)"},
		{"application id", "PRAGMA application_id = 252006673", "the file has the application id 0xf055111 of another program"},
		{"our names", "CREATE TABLE tickets (price REAL)", "it holds tables of another program (tickets)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "other.db")
			execute(t, path, test.sql)
			err := open(t, sqlstore.SQLiteDSN(path))
			assert.ErrorIs(t, err, sqlstore.ErrForeign)
			assert.ErrorContains(t, err, test.says)
			assert.ErrorContains(t, err, remedy)

			db, err := sql.Open("sqlite", "file:"+path)
			require.NoError(t, err)
			defer db.Close()
			var n int
			require.NoError(t, db.QueryRow("SELECT count(*) FROM sqlite_schema WHERE name IN ('records', 'airtight_migrations')").Scan(&n))
			assert.Zero(t, n, "something was written")
		})
	}
}

func TestNewRefusesOtherSchemas(t *testing.T) {
	for _, test := range []struct {
		name, sql string
		err       error
		says      []string
	}{
		{"newer", "INSERT INTO airtight_migrations VALUES (9999, '9999_future.sql', 'x', 'later')", sqlstore.ErrNewer,
			[]string{"its schema has version 9999 (9999_future.sql)", "update this program"}},
		{"altered", "UPDATE airtight_migrations SET checksum = 'x' WHERE version = 1", sqlstore.ErrAltered,
			[]string{"step 1 of its schema, 0001_ground.sql, is not the one", "open it with the program that made it"}},
		{"missing", "UPDATE airtight_migrations SET version = 0 WHERE version = 1", sqlstore.ErrAltered,
			[]string{"step 1 of its schema is missing", "restore the database from a backup"}},
		{"emptied", "DELETE FROM meta", sqlstore.ErrCorrupt, []string{"its table meta is empty", "restore it from a backup"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := made(t)
			execute(t, path, test.sql)
			db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
			require.NoError(t, err)
			defer db.Close()
			s, err := sqlstore.New(context.Background(), db, sqlstore.Config{})
			if err == nil {
				defer s.Close()
				err = s.View(context.Background(), nil)
			}
			assert.ErrorIs(t, err, test.err)
			for _, says := range test.says {
				assert.ErrorContains(t, err, says)
			}
		})
	}
}

func TestNewRefusesDamagedFiles(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(content []byte) []byte
	}{
		{"not a database", func([]byte) []byte { return bytes.Repeat([]byte("From: bob@example.org\n"), 400) }},
		{"damaged header", func(b []byte) []byte { copy(b, "SQLITE"); return b }},
		{"cut", func(b []byte) []byte { return b[:8192] }},
		{"zeros", func(b []byte) []byte { clear(b[100:8192]); return b }},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := made(t)
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, test.damage(content), 0o600))
			err = open(t, sqlstore.SQLiteDSN(path))
			assert.ErrorIs(t, err, sqlstore.ErrCorrupt)
			assert.ErrorContains(t, err, "check the path, then restore the file from a backup")
		})
	}
}

func TestNewRefusesWhatItCannotWrite(t *testing.T) {
	t.Run("read-only", func(t *testing.T) {
		err := open(t, sqlstore.SQLiteDSN(made(t))+"&mode=ro")
		assert.ErrorIs(t, err, sqlstore.ErrReadOnly)
		assert.ErrorContains(t, err, "make the file and its folder writable for this program, and open it without mode=ro")
	})
	t.Run("no folder", func(t *testing.T) {
		err := open(t, sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "missing", "desk.db")))
		assert.ErrorContains(t, err, "its folder has to exist")
	})
	t.Run("no database", func(t *testing.T) {
		_, err := sqlstore.New(context.Background(), nil, sqlstore.Config{})
		assert.ErrorContains(t, err, "New needs a *sql.DB")
	})
	t.Run("no dialect", func(t *testing.T) {
		_, err := sqlstore.New(context.Background(), new(sql.DB), sqlstore.Config{Dialect: 99})
		assert.ErrorContains(t, err, "unknown dialect 99: allowed are SQLite and PostgreSQL")
	})
}

func TestNewMarksARestoredDump(t *testing.T) {
	path := made(t)
	execute(t, path, "PRAGMA application_id = 0") // a dump in SQL does not hold it
	require.NoError(t, open(t, sqlstore.SQLiteDSN(path)))
	db, err := sql.Open("sqlite", "file:"+path)
	require.NoError(t, err)
	defer db.Close()
	var id int
	require.NoError(t, db.QueryRow("PRAGMA application_id").Scan(&id))
	assert.Equal(t, 0x41697274, id)
}

func TestNewTellsWhatItDid(t *testing.T) {
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "desk.db")))
	require.NoError(t, err)
	defer db.Close()
	var told bytes.Buffer
	for range 2 {
		s, err := sqlstore.New(context.Background(), db, sqlstore.Config{Log: slog.New(slog.NewTextHandler(&told, nil))})
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
	assert.Equal(t, 1, strings.Count(told.String(), "\n"))
	assert.Contains(t, told.String(), "schema brought up to date\" from=0 to=8")
}
