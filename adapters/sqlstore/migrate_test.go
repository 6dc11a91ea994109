package sqlstore

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// memory returns a database that ends with the test.
func memory(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", SQLiteDSN(":memory:"))
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestMigrate(t *testing.T) {
	ctx := context.Background()
	db, err := sql.Open("sqlite", SQLiteDSN(filepath.Join(t.TempDir(), "desk.db")))
	require.NoError(t, err)
	defer db.Close()
	c, err := sqliteDialect().open(ctx, db)
	require.NoError(t, err)
	defer c.release()

	files := fstest.MapFS{"m/0001_one.sql": {Data: []byte("CREATE TABLE one (a INTEGER);\nINSERT INTO one VALUES (7);\n")}}
	run := func() (before, after int, err error) {
		steps, err := migrationsIn(files, "m")
		require.NoError(t, err)
		return migrate(ctx, c, steps, false)
	}
	check := func(before, after int, err error, wantBefore, wantAfter int) {
		t.Helper()
		require.NoError(t, err)
		assert.Equal(t, []int{wantBefore, wantAfter}, []int{before, after})
	}
	before, after, err := run()
	check(before, after, err, 0, 1)
	before, after, err = run()
	check(before, after, err, 1, 1)

	files["m/0001_one.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE one (a INTEGER);\r\nINSERT INTO one VALUES (7);\r\n")}
	before, after, err = run()
	check(before, after, err, 1, 1) // line ends do not count

	files["m/0002_two.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE two (a INTEGER);")}
	files["m/0003_three.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE three (a INTEGER); INSERT INTO nowhere VALUES (1);")}
	_, _, err = run()
	assert.ErrorContains(t, err, "migration 0003_three.sql")
	assert.ErrorContains(t, err, "nowhere")
	for _, table := range []string{"two", "three"} {
		_, err = c.ExecContext(ctx, "SELECT * FROM "+table)
		assert.ErrorContains(t, err, "no such table", "step left behind although a later one failed")
	}

	files["m/0003_three.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE three (a INTEGER);")}
	before, after, err = run()
	check(before, after, err, 1, 3)

	files["m/0002_two.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE two (a INTEGER, b INTEGER);")}
	_, _, err = run()
	assert.ErrorIs(t, err, ErrAltered)
	assert.ErrorContains(t, err, "step 2 of its schema, 0002_two.sql, is not the one")

	delete(files, "m/0003_three.sql")
	delete(files, "m/0002_two.sql")
	_, _, err = run()
	assert.ErrorIs(t, err, ErrNewer)
}

func TestMigrationsAreNumbered(t *testing.T) {
	for _, names := range [][]string{{"0002_a.sql"}, {"0001_a.sql", "0003_b.sql"}, {"0001_a.sql", "0001_b.sql"}, {"first.sql"}} {
		files := fstest.MapFS{}
		for _, name := range names {
			files["m/"+name] = &fstest.MapFile{}
		}
		_, err := migrationsIn(files, "m")
		assert.ErrorContains(t, err, "should begin with 000", names)
	}
}

// Processes that start at the same time, on a file that none of them has made yet.
func TestNewAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "desk.db")
	var done sync.WaitGroup
	for range 6 {
		done.Go(func() {
			db, err := sql.Open("sqlite", SQLiteDSN(path))
			if !assert.NoError(t, err) {
				return
			}
			defer db.Close()
			s, err := New(context.Background(), db, Config{})
			if assert.NoError(t, err) {
				s.Close()
			}
		})
	}
	done.Wait()
}

func TestNewWaitsForTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "desk.db")
	other, err := sql.Open("sqlite", "file:"+path+"?_txlock=exclusive")
	require.NoError(t, err)
	defer other.Close()
	lock, err := other.Begin()
	require.NoError(t, err)
	go func() {
		time.Sleep(100 * time.Millisecond)
		lock.Rollback()
	}()
	db, err := sql.Open("sqlite", strings.Replace(SQLiteDSN(path), "busy_timeout(5000)", "busy_timeout(1)", 1))
	require.NoError(t, err)
	defer db.Close()
	s, err := New(context.Background(), db, Config{})
	require.NoError(t, err)
	s.Close()
}
