package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

var update = flag.Bool("update", false, "write testdata/demo.golden anew")

func TestDemoGolden(t *testing.T) {
	program := deskBinary(t)
	got, err := exec.Command(program, "demo").Output()
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.WriteFile("testdata/demo.golden", got, 0o644))
	}
	golden, err := os.ReadFile("testdata/demo.golden")
	require.NoError(t, err)
	want := strings.ReplaceAll(string(golden), "\r\n", "\n") // as a checkout may have made of it
	require.Equal(t, want, string(got), "go test ./examples/desk -run Golden -update writes it anew")

	t.Run("postgres", func(t *testing.T) {
		got, err := exec.Command(program, "demo", "--db", postgrestest.New(t)).Output()
		require.NoError(t, err)
		require.Equal(t, want, string(got), "the database makes no difference")
	})
}

// TestSecondStory compares what a story of another seed prints with what another
// process finds in its database.
func TestSecondStory(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { secondStory(t, filepath.Join(t.TempDir(), "story.db")) })
	t.Run("postgres", func(t *testing.T) { secondStory(t, postgrestest.New(t)) })
}

func secondStory(t *testing.T, db string) {
	program := deskBinary(t)
	told, err := exec.Command(program, "demo", "--seed", "2", "--db", db).Output()
	require.NoError(t, err)
	first, err := os.ReadFile("testdata/demo.golden")
	require.NoError(t, err)
	require.NotEqual(t, string(first), string(told))

	chapters := strings.Split(string(told), "\n#")[1:]
	records := 0
	for i, chapter := range chapters {
		shown, err := exec.Command(program, "show", fmt.Sprint(i+1), "--json", "--db", db).Output()
		require.NoError(t, err)
		var doc shownDocument
		require.NoError(t, json.Unmarshal(shown, &doc))
		var history []incident.Record
		for _, e := range doc.History {
			history = append(history, e.Record)
		}
		folded, err := incident.Verify(history)
		require.NoError(t, err)
		require.Equal(t, doc.Ticket, folded, "the fold of the history is the ticket")

		ticket := doc.Ticket
		require.Equal(t, incident.Inactive, ticket.Phase)
		if ticket.Kind == incident.KindIncident {
			require.Nil(t, ticket.Due, "JANET 3.16: an incident without open children has none")
		}
		require.True(t, strings.HasPrefix(chapter, fmt.Sprintf("%s %s, %s, owner %s, due %s: %s\n",
			ticket.ID, ticket.Kind, ticket.Status, actor(ticket.Owner), teller{time.UTC}.date(ticket.Due), ticket.Subject)), chapter)
		require.Equal(t, len(doc.History), strings.Count(chapter, fmt.Sprintf("\n  #%s.", ticket.ID)), "a line per record")
		for _, e := range doc.History {
			require.Contains(t, chapter, e.What)
		}
		mails := slices.DeleteFunc(doc.Outgoing, func(o storage.Outgoing) bool { return o.Reaction != "" })
		require.Equal(t, len(mails), strings.Count(chapter, ": sent\n"), "every mail went out")
		records += len(doc.History)
	}
	require.GreaterOrEqual(t, len(chapters), 4)
	require.Contains(t, string(told), fmt.Sprintf("\n%d tickets, %d records, ", len(chapters), records))

	out, err := exec.Command(program, "demo", "--seed", "2", "--db", db).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "has tickets already")
}

// TestStories looks for what every story must show, whoever appears in it.
func TestStories(t *testing.T) {
	merged, attached, absent := 0, 0, 0
	for seed := range 8 {
		b := newBench(t)
		out := b.ok("demo", "--seed", fmt.Sprint(seed))
		again := newBench(t)
		require.Equal(t, out, again.ok("demo", "--seed", fmt.Sprint(seed)), "seed %d: the same every time", seed)
		for _, want := range []string{
			"report opened as new by mail", "owner nobody -> handler:", "(because open-linked-report, #1.4)",
			"(because incident-due, #3.4)", "[tag]", "(because due-on-reply, #3.", "(because due-after-reply, #3.",
			"[tag, auto]", "not due-on-reply: a machine wrote the message", "held: incident-number, may belong to #2",
			"(because close-children, #2.", "(because reopen-on-reply, #3.", "(because reopen-parents, #3.", ", 0 faults",
			", signed for carol@campus.example.com: ", "(because tell-contacts, #6.2)", "Its state blockrequest told Carol Campus <carol@campus.example.com> by signed mail:\n",
			"ip route 198.51.100.66 255.255.255.255 Null0", "reaction null-routes to record 6 is done",
		} {
			require.Contains(t, out, want, "seed %d", seed)
		}
		merged += strings.Count(out, "merged into #3")
		attached += strings.Count(out, "attached to #2")
		absent += strings.Count(out, "I am not in the office")
	}
	require.Positive(t, merged)
	require.Positive(t, attached)
	require.Zero(t, absent, "texts are not part of a time line")
}

func TestDemoJSON(t *testing.T) {
	b := newBench(t)
	var documents []shownDocument
	b.decode(&documents, "demo")
	require.Len(t, documents, 7)
	for i := range documents {
		var shown shownDocument
		b.decode(&shown, "show", fmt.Sprint(i+1))
		require.Equal(t, documents[i], shown)
	}
}
