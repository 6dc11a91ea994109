package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/mail"
)

// ran is what the program said.
type ran struct {
	code        int
	out, errors string
}

func program(t *testing.T, args ...string) ran {
	t.Helper()
	var out, errors bytes.Buffer
	code := run(t.Context(), args, &out, &errors)
	return ran{code, out.String(), errors.String()}
}

func decode[T any](t *testing.T, r ran) (v T) {
	t.Helper()
	require.Equal(t, 0, r.code, r.errors)
	require.NoError(t, json.Unmarshal([]byte(r.out), &v))
	return v
}

func TestBench(t *testing.T) {
	folder := t.TempDir()
	profile := filepath.Join(t.TempDir(), "cpu")
	r := decode[report](t, program(t,
		"--tickets", "60,20", "--steps", "30", "--seed", "7", "--dir", folder, "--cpuprofile", profile, "--json"))
	assert.EqualValues(t, 7, r.Seed)
	assert.Equal(t, []string{"postgres: no server was named by --postgres"}, r.LeftOut)
	checkResults(t, r.Results, 30, "memory", "sqlite")

	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left, "the databases are removed")
	info, err := os.Stat(profile)
	require.NoError(t, err)
	assert.NotZero(t, info.Size())
}

func TestBenchPostgres(t *testing.T) {
	r := decode[report](t, program(t, "--stores", "postgres", "--postgres", postgrestest.New(t), "--tickets", "20,60", "--steps", "10", "--json"))
	assert.Empty(t, r.LeftOut)
	checkResults(t, r.Results, 10, "postgres")
}

func checkResults(t *testing.T, results []result, steps int, stores ...string) {
	t.Helper()
	i := 0
	for _, store := range stores {
		for _, op := range operations() {
			for n, tickets := range []int{20, 60} {
				require.Less(t, i, len(results))
				line := results[i]
				i++
				assert.Equal(t, store, line.Store)
				assert.Equal(t, op.name, line.Operation)
				assert.Equal(t, tickets, line.Tickets)
				assert.Equal(t, steps/op.share, line.Steps)
				assert.Positive(t, line.Median)
				assert.GreaterOrEqual(t, line.P95, line.Median)
				assert.Positive(t, line.PerSecond)
				assert.Positive(t, line.Growth)
				if n == 0 {
					assert.EqualValues(t, 1, line.Growth)
				}
				if !op.bare || store == "memory" {
					assert.Nil(t, line.Bare)
					continue
				}
				require.NotNil(t, line.Bare)
				assert.Equal(t, line.Steps, line.Bare.Steps)
				assert.InDelta(t, line.PerSecond/line.Bare.PerSecond, line.Ratio, 1e-9)
				assert.Greater(t, line.BareRows, 10.0)
			}
		}
	}
	assert.Len(t, results, i)
}

func TestTable(t *testing.T) {
	r := program(t, "--stores", "sqlite,postgres", "--operations", "take,receive", "--tickets", "20", "--steps", "2")
	require.Equal(t, 0, r.code, r.errors)
	for _, want := range []string{"bare loop per s", "receive", "take", "rows for a mail", "left out: postgres"} {
		assert.Contains(t, r.out, want)
	}
	assert.NotContains(t, r.out, "link")
	assert.Contains(t, r.errors, "bench: sqlite: take")
}

// TestBareLoop compares, row by row, what the bare loop has written with what
// Receive has.
func TestBareLoop(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { testBareLoop(t, sqliteDatabase(t.TempDir(), 20)) })
	t.Run("postgres", func(t *testing.T) {
		db, err := postgresDatabase(postgrestest.New(t), 20)
		require.NoError(t, err)
		testBareLoop(t, db)
	})
}

func testBareLoop(t *testing.T, db *database) {
	ctx := t.Context()
	w, err := newWorld(ctx, db, 20, 1, progress{&bytes.Buffer{}})
	require.NoError(t, err)
	defer func() { require.NoError(t, w.close()) }()
	for _, op := range chosen([]string{"receive", "receive-100kB"}) {
		took, bare := make([][]time.Duration, 1), make([][]time.Duration, 1)
		require.NoError(t, op.turn(ctx, []*world{w}, 3, took, bare))
		assert.Len(t, took[0], 3)
		assert.Len(t, bare[0], 3)
	}
	assert.Equal(t, 6, w.bare.mails)
	rows := 6 // of meta, one for each mail
	for _, table := range append(bareTables(), bareTable{name: "ticket_parents", columns: "parent, ticket"}, bareTable{name: "ticket_fields", columns: "name, value, ticket"}) {
		want, have := rowsOf(t, w.bare.source, table), rowsOf(t, w.bare.target, table)
		assert.Equal(t, want, have, table.name)
		rows += len(have) - len(rowsUpTo(t, w.bare.target, table, 20))
	}
	assert.Equal(t, rows, w.bare.rows)
	indexes := "SELECT name FROM sqlite_master WHERE type = 'index' ORDER BY name"
	if db.kind == "postgres" {
		indexes = "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
	}
	want, have := query(t, w.bare.source, indexes), query(t, w.bare.target, indexes)
	assert.Greater(t, len(want), 15)
	assert.Equal(t, want, have)
	meta := "SELECT last_seq, last_ticket FROM meta"
	assert.Equal(t, query(t, w.bare.source, meta), query(t, w.bare.target, meta))
}

func TestBareLoopNamesATableThatIsNotWritten(t *testing.T) {
	w, err := newWorld(t.Context(), sqliteDatabase(t.TempDir(), 20), 20, 1, progress{&bytes.Buffer{}})
	require.NoError(t, err)
	defer w.close()
	_, err = w.bare.read(t.Context(), 10, 10) // an incident: no mail
	require.ErrorContains(t, err, "ticket 10 has no row in blobs")
}

func TestLetters(t *testing.T) {
	one, same, other := newLetters(1, "a"), newLetters(1, "a"), newLetters(2, "a")
	for range 200 {
		l := one.report()
		require.Equal(t, l, same.report())
		require.NotEqual(t, l, other.report())
		assert.True(t, len(l.raw) >= 4000 && len(l.raw) <= 8500, "%d bytes", len(l.raw))
		message, err := mail.Parse(l.raw, mail.Limits{})
		require.NoError(t, err)
		assert.Empty(t, message.Defects)
		assert.Equal(t, l.from, message.From[0].Address)
	}
	large := one.attached(100_000)
	assert.InDelta(t, 106_000, len(large.raw), 3000)
	message, err := mail.Parse(large.raw, mail.Limits{})
	require.NoError(t, err)
	assert.Empty(t, message.Defects)
	answer := one.answer(deskConfig().Tag, 34159, "bob@example.org")
	message, err = mail.Parse(answer.raw, mail.Limits{})
	require.NoError(t, err)
	assert.Len(t, deskConfig().Tag.Find(message.Subject), 1)
}

func TestSummarize(t *testing.T) {
	var took []time.Duration
	for i := range 100 {
		took = append(took, time.Duration(100-i)*time.Millisecond)
	}
	f := summarize(took)
	assert.Equal(t, 100, f.Steps)
	assert.InDelta(t, 0.051, f.Median, 1e-9)
	assert.InDelta(t, 0.096, f.P95, 1e-9)
	assert.InDelta(t, 100/5.05, f.PerSecond, 1e-9)
	assert.Equal(t, figures{}, summarize(nil))
	assert.Equal(t, []string{"7", "100", "1,000", "100,000", "1,234,567"},
		[]string{size(7), size(100), size(1000), size(100_000), size(1_234_567)})
}

func TestUsage(t *testing.T) {
	there := filepath.Join(t.TempDir(), "there.db")
	require.NoError(t, os.WriteFile(there, nil, 0o600))
	for _, c := range []struct {
		args string
		says string
	}{
		{"--tickets 5", "allowed are numbers from 10 to 10000000, separated by commas"},
		{"--tickets many", "allowed are numbers"},
		{"--stores oracle", "allowed are memory, sqlite, postgres"},
		{"--operations receive,sleep", `there is no "sleep": allowed are receive,`},
		{"--steps 0", "allowed are 1 to 1000000"},
		{"--postgres localhost", "allowed is one like postgres://user@localhost/postgres"},
		{"--nothing", "bench --help lists the flags"},
		{"fill", "allowed are flags, and soak as the first word"},
		{"soak --mails 99", "allowed are 100 to 100000000"},
		{"soak --connections 91", "allowed are 1 to 90"},
		{"soak --most 0", "allowed is more than 0"},
		{"soak --db " + there, "allowed is a file that is not"},
		{"soak now", "allowed are flags"},
		{"soak --nothing", "bench soak --help lists the flags"},
	} {
		r := program(t, strings.Fields(c.args)...)
		assert.Equal(t, exitUsage, r.code, c.args)
		assert.Contains(t, r.errors, c.says, c.args)
		assert.Empty(t, r.out, c.args)
	}
	r := program(t, "--dir", filepath.Join(there, "nowhere"))
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, "name one that exists and can be written to by --dir")
}

func TestHelp(t *testing.T) {
	r := program(t, "--help")
	assert.Equal(t, 0, r.code)
	assert.Empty(t, r.errors)
	for _, flag := range []string{"-tickets", "-stores", "-operations", "-steps", "-seed", "-dir", "-postgres", "-json", "-cpuprofile", "bench soak", "Exit codes"} {
		assert.Contains(t, r.out, flag)
	}
	r = program(t, "soak", "--help")
	assert.Equal(t, 0, r.code)
	for _, flag := range []string{"-mails", "-connections", "-seed", "-db", "-most", "-json"} {
		assert.Contains(t, r.out, flag)
	}
}

func TestInterrupted(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, args := range [][]string{{"--stores", "memory,sqlite"}, {"soak"}} {
		var out, errors bytes.Buffer
		assert.Equal(t, exitFailed, run(ctx, args, &out, &errors))
		assert.Contains(t, errors.String(), context.Canceled.Error())
	}
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left)
}
