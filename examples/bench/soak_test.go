package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
)

func TestSoak(t *testing.T) {
	file := filepath.Join(t.TempDir(), "soak.db")
	r := decode[soakReport](t, program(t, "soak", "--mails", "500", "--most", "10", "--db", file, "--json"))
	checkSoak(t, r, "sqlite", 500)
	assert.FileExists(t, file, "a file that was named stays")
	if runtime.GOOS == "linux" {
		assert.Positive(t, r.Quarters[3].Resident)
		assert.Positive(t, r.Quarters[3].Files)
	}
}

func TestSoakPostgres(t *testing.T) {
	r := decode[soakReport](t, program(t, "soak", "--mails", "200", "--most", "10", "--db", postgrestest.New(t), "--json"))
	checkSoak(t, r, "postgres", 200)
}

func checkSoak(t *testing.T, r soakReport, database string, mails int) {
	t.Helper()
	assert.Equal(t, database, r.Database)
	s := r.Sent
	assert.Equal(t, mails, s.Reports+s.Answers+s.Copies)
	for name, n := range map[string]int{"reports": s.Reports, "answers": s.Answers, "copies": s.Copies, "commands": s.Commands, "out": s.Out} {
		assert.Positive(t, n, name)
	}
	assert.Equal(t, mails/perCommand, s.Commands+s.Refused)
	require.Len(t, r.Quarters, 4)
	for _, q := range r.Quarters {
		assert.Positive(t, q.Seconds)
		assert.Positive(t, q.PerSecond)
		assert.Positive(t, q.Heap)
		assert.Positive(t, q.Goroutines)
	}
	assert.InDelta(t, r.Quarters[3].Heap/r.Quarters[1].Heap, r.Growth.Heap, 1e-9)
	assert.GreaterOrEqual(t, r.Tickets, s.Reports)
	assert.Greater(t, r.Records, mails)
	assert.GreaterOrEqual(t, r.Blobs, s.Reports+s.Answers)
}

// TestSoakLong is the soak with the ratio that is promised.
func TestSoakLong(t *testing.T) {
	if os.Getenv("AIRTIGHT_LONG") == "" {
		t.Skip("set AIRTIGHT_LONG=1 for a soak with 20,000 mails")
	}
	// Its second quarter ends with 10,000 mails, when pages of the database and
	// of the program itself are still read for the first time.
	r := program(t, "soak", "--mails", "20000", "--most", "1.5")
	t.Log(r.out)
	assert.Equal(t, 0, r.code, r.errors)
}

func TestSoakThatGrowsFails(t *testing.T) {
	r := program(t, "soak", "--mails", "100", "--most", "0.01")
	assert.Equal(t, exitFailed, r.code)
	assert.Contains(t, r.errors, "goroutines: the last quarter has")
	assert.Contains(t, r.errors, "allowed is 0.01")
	assert.Contains(t, r.out, "last to second", "the table comes all the same")
}

func TestSoakFindsWhatIsMissing(t *testing.T) {
	db := sqliteDatabase(t.TempDir(), 20)
	w, err := newWorld(t.Context(), db, 20, 1, progress{&nothing{}})
	require.NoError(t, err)
	defer w.close()
	require.NoError(t, sent{Reports: 18}.check(t.Context(), w.base))
	for _, wrong := range []sent{{Reports: 19}, {Reports: 17, Answers: 1}, {Reports: 18, Copies: 1}} {
		assert.ErrorContains(t, wrong.check(t.Context(), w.base), "stored are 18, 0 and 0", "%+v", wrong)
	}
}

// nothing takes what nobody reads.
type nothing struct{}

func (*nothing) Write(b []byte) (int, error) { return len(b), nil }

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		growth growth
		says   string
	}{
		{growth{1.1, 1.1, 1.1, 1.1}, ""},
		{growth{1.11, 1, 1, 1}, "heap"},
		{growth{1, 1.11, 1, 1}, "resident memory"},
		{growth{1, 1, 1.11, 1}, "open files"},
		{growth{1, 1, 1, 1.11}, "goroutines"},
	} {
		err := (&soakReport{Growth: c.growth, Most: 1.1}).judge()
		if c.says == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, c.says+": the last quarter has 1.11 times as much as the second, allowed is 1.10")
		}
	}
}

func TestWatch(t *testing.T) {
	w := newWatch(400, progress{&nothing{}})
	for n := w.every(); n <= 400; n += w.every() {
		w.look(n)
	}
	for i, seen := range w.seen {
		assert.Len(t, seen, looks, "quarter %d", i+1)
	}
	q := []quarter{{}, {Heap: 4, Files: 10, Goroutines: 3, Resident: 5}, {}, {Heap: 8, Files: 5, Goroutines: 3, Resident: 10}}
	assert.Equal(t, growth{Heap: 2, Files: 0.5, Goroutines: 1, Resident: 2}, growthOf(q))
	assert.EqualValues(t, 2, median([]quarter{{Heap: 9}, {Heap: 1}, {Heap: 2}}, func(q quarter) float64 { return q.Heap }))
}

// Rows of a table, as the bare loop reads them.

func rowsOf(t *testing.T, db *sql.DB, table bareTable) []string {
	t.Helper()
	return rowsUpTo(t, db, table, 1000)
}

func rowsUpTo(t *testing.T, db *sql.DB, table bareTable, last int64) (rows []string) {
	t.Helper()
	err := each(t.Context(), db, table.selection()+" ORDER BY 1, 2, 3", []any{1, last}, func(row []any) error {
		rows = append(rows, fmt.Sprintf("%x", row))
		return nil
	})
	require.NoError(t, err)
	return rows
}

func query(t *testing.T, db *sql.DB, text string) (rows []string) {
	t.Helper()
	err := each(t.Context(), db, text, nil, func(row []any) error {
		rows = append(rows, fmt.Sprint(row...))
		return nil
	})
	require.NoError(t, err)
	return rows
}
