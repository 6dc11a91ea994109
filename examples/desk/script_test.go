package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScript(t *testing.T) {
	b := newBench(t)
	folder := t.TempDir()
	source, err := os.ReadFile("../../workflow/testdata/scripts/basic.txt")
	require.NoError(t, err)
	good, bad := filepath.Join(folder, "good.txt"), filepath.Join(folder, "bad.txt")
	require.NoError(t, os.WriteFile(good, source, 0o600))
	require.NoError(t, os.WriteFile(bad, []byte(strings.Replace(string(source), "moved new -> open", "moved new -> shut", 1)), 0o600))
	require.Contains(t, b.ok("script", good), "rtir:001-basic-RTIR: as it says")
	out, errs, code := b.try(nil, "script", good, bad)
	require.Equal(t, exitRefused, code)
	require.Contains(t, out, "moved new -> shut")
	require.Contains(t, errs, "1 of 2 scripts came out otherwise")
	require.Equal(t, string(source), b.ok("script", "--trace", bad))
	b.ok("script", "--update", bad)
	updated, err := os.ReadFile(bad)
	require.NoError(t, err)
	require.Equal(t, string(source), string(updated))
	require.NoFileExists(t, b.db, "it is played in memory")
	require.Contains(t, b.refused(exitRefused, "script", filepath.Join(folder, "none.txt")), "no such file")
	require.NoError(t, os.WriteFile(bad, []byte("no script\n"), 0o600))
	require.Contains(t, b.refused(exitRefused, "script", bad), "1:1: ")

	// One that cannot be read does not keep the others from being played.
	out, errs, code = b.try(nil, "script", bad, good)
	require.Equal(t, exitRefused, code)
	require.Contains(t, out, "rtir:001-basic-RTIR: as it says")
	require.Contains(t, errs, "bad.txt: ")

	// One that imports, by a policy beside it.
	require.Contains(t, b.ok("script", "../../workflow/testdata/scripts/airt-3-1-import.txt"), "airt:3.1-import: as it says")

	// A policy beside the script.
	require.NoError(t, os.WriteFile(filepath.Join(folder, "ours.yaml"), []byte("name: ours\nbase: airt\n"), 0o600))
	require.NoError(t, os.WriteFile(bad, []byte("# ours:1\n# Ours\n\npolicy ours\n\nalice open incident subject=Scan -> inc\nexpect $inc fields.Type=other\n"), 0o600))
	b.ok("script", "--update", bad)
	require.Contains(t, b.ok("script", bad), "ours:1: as it says")
}

// A policy is adopted once, and then the desk works by it, and its records say so.
func TestAdopt(t *testing.T) {
	b := newBench(t)
	ours := filepath.Join(t.TempDir(), "ours.yaml")
	require.NoError(t, os.WriteFile(ours, []byte("name: ours\nbase: airt\n"), 0o600))
	require.Equal(t, "the desk works by version 1 of its policy, ours\n", b.ok("policy", "adopt", ours))
	require.Equal(t, "the desk works by version 1 of its policy, ours\n", b.ok("policy", "adopt", ours), "the same again")
	require.Equal(t, "name: ours\nbase: airt\n", b.ok("policy", "show"))
	require.Contains(t, b.ok("open", "incident", "--subject", "Scan"), "incident opened as open")
	require.Contains(t, b.ok("move", "1", "stalled"), "status open -> stalled")
	require.Contains(t, b.ok("show", "1", "--json"), `"policy":1`)
	require.Equal(t, "the desk works by version 2 of its policy, janet\n", b.ok("policy", "adopt", "janet"))
	db, err := sql.Open("sqlite", b.db)
	require.NoError(t, err)
	defer db.Close()
	var under int
	require.NoError(t, db.QueryRow("SELECT policy FROM records WHERE ticket = 0 AND version = 2").Scan(&under))
	require.Equal(t, 1, under, "the second was adopted under the first")
	require.Contains(t, b.refused(exitRefused, "open", "incident", "--subject", "Scan"), "must have Classification")
	require.Contains(t, b.ok("open", "incident", "--subject", "Scan", "--policy", "rtir"), "incident opened as open", "for this once")
	require.NoError(t, os.WriteFile(ours, []byte("name: ours\nbase: nothing\n"), 0o600))
	require.Contains(t, b.refused(exitRefused, "policy", "adopt", ours), "allowed are janet, rtir, airt")
	require.NoError(t, os.WriteFile(ours, []byte("name: ours\nbase: janet\nlifecycles:\n  report:\n    statuses:\n      triage: {phase: active, to: [open]}\n"), 0o600))
	require.Contains(t, b.refused(exitRefused, "policy", "adopt", ours), `cannot work; desk policy lint tells all of it: no report can become "triage"`)
	require.Contains(t, b.ok("verify"), "0 faults")
}
