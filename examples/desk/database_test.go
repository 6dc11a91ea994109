package main

import (
	"database/sql"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/workflow/desk"
)

// alter changes a database behind the program's back.
func (b *bench) alter(statements ...string) {
	b.t.Helper()
	db, err := sql.Open("sqlite", b.db)
	require.NoError(b.t, err)
	defer db.Close()
	for _, s := range statements {
		_, err := db.Exec(s)
		require.NoError(b.t, err)
	}
}

func TestNoDatabase(t *testing.T) {
	b := newBench(t)
	for _, args := range [][]string{{"list"}, {"show", "1"}, {"take", "1"}, {"verify"}, {"do", "--preview", `{"command":"take","ticket":1}`}} {
		require.Contains(t, b.refused(exitRefused, args...), "run desk serve or desk receive first, or name another one by --db")
		require.NoFileExists(t, b.db)
	}
	b.db = t.TempDir() + "/missing/desk.db"
	b.refused(exitRefused, "open", "report")
}

func TestCorruptDatabase(t *testing.T) {
	b := newBench(t)
	require.NoError(t, os.WriteFile(b.db, []byte("this is no database, whatever its name says, but a text that is long enough"), 0o600))
	require.Contains(t, b.refused(exitRefused, "list"), "damaged database")
	require.Contains(t, b.refused(exitRefused, "serve", "--smtp", "127.0.0.1:0"), "damaged database")
}

func TestNewerDatabase(t *testing.T) {
	b := newWork(t)
	b.alter("INSERT INTO airtight_migrations (version, name, checksum, applied) VALUES (9000, '9000_later.sql', '', '')")
	for _, args := range [][]string{{"list"}, {"take", "1"}, {"verify"}} {
		require.Contains(t, b.refused(exitRefused, args...), "update this program")
	}
}

func TestForeignDatabase(t *testing.T) {
	b := newBench(t)
	b.alter("CREATE TABLE songs (name TEXT)")
	require.Contains(t, b.refused(exitRefused, "list"), "tables of another program (songs)")
}

func TestVerify(t *testing.T) {
	b := newWork(t)
	require.Equal(t, "3 tickets, 7 records, 2 bodies, 0 faults\n", b.ok("verify"))
	var found desk.Verification
	b.decode(&found, "verify")
	require.Equal(t, 3, found.Tickets)

	b.alter("UPDATE tickets SET document = replace(document, 'Scans', 'Other')")
	out, errs, code := b.try(nil, "verify")
	require.Equal(t, exitRefused, code)
	require.Contains(t, out, "ticket 2: ")
	require.Contains(t, out, ", 2 faults\n")
	require.Contains(t, errs, "2 things do not hold")
}
