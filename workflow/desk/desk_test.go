package desk_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// tb is what a world needs of a test: so little that a run which is meant to
// fail can take its place.
type tb interface {
	require.TestingT
	Helper()
}

// world is a desk on a store with a clock that the test moves. After every step, with
// -short after every fifth, all that must hold is verified.
type world struct {
	t     tb
	store storage.Store
	desk  *desk.Desk
	alice *desk.Session
	now   time.Time
	size  int // tickets of a filled world
	steps int

	letters int // reports of mail systems so far
	handed  int // mails given to an unreliable host

	fridays int // reports that came on a Friday
}

func newWorld(t tb, change ...func(*desk.Config)) *world {
	return newWorldOn(t, memory.New(), change...)
}

func newWorldOn(t tb, store storage.Store, change ...func(*desk.Config)) *world {
	return newWorldUnder(t, store, plain(), change...)
}

func newWorldUnder(t tb, store storage.Store, policy *workflow.Policy, change ...func(*desk.Config)) *world {
	w := &world{t: t, store: store, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	config := desk.Config{
		Tag:  mail.Tag{Name: "A CSIRT"},
		From: incident.Party{Name: "A CSIRT", Address: "csirt@example.net"},
		Team: []desk.Member{{Address: "@example.net"}},

		Policy: policy,
		Now:    func() time.Time { return w.now },
		Rand:   rand.New(rand.NewSource(1)),
	}
	for _, c := range change {
		c(&config)
	}
	var err error
	w.desk, err = desk.New(w.store, config)
	require.NoError(t, err)
	w.alice = w.desk.As("handler:alice")
	return w
}

// sqlite returns an empty SQLite store in memory.
func sqlite(t testing.TB) storage.Store {
	t.Helper()
	return open(t, "sqlite", sqlstore.SQLiteDSN(":memory:"), sqlstore.SQLite)
}

// sqliteFile returns an empty SQLite store in a file.
func sqliteFile(t testing.TB) storage.Store {
	t.Helper()
	return open(t, "sqlite", sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "desk.db")), sqlstore.SQLite)
}

// postgres returns an empty store on a PostgreSQL server.
func postgres(t testing.TB) storage.Store {
	t.Helper()
	return open(t, "pgx", postgrestest.New(t), sqlstore.PostgreSQL)
}

func open(t testing.TB, driver, source string, dialect sqlstore.Dialect) storage.Store {
	t.Helper()
	db, err := sql.Open(driver, source)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	s, err := sqlstore.New(context.Background(), db, sqlstore.Config{Dialect: dialect})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// onEveryStore runs a test on each store.
func onEveryStore(t *testing.T, test func(*testing.T, storage.Store)) {
	t.Run("memory", func(t *testing.T) { test(t, memory.New()) })
	onEverySQL(t, test)
}

func onEverySQL(t *testing.T, test func(*testing.T, storage.Store)) {
	t.Run("sqlite", func(t *testing.T) { test(t, sqlite(t)) })
	t.Run("postgres", func(t *testing.T) { test(t, postgres(t)) })
}

// plain is a policy with as few rules as a test of the engine wants, and without
// rights: statuses and cascade of RTIR, due dates of what waits for an answer.
func plain() *workflow.Policy {
	p := workflow.Default()
	p.Fields, p.Rights = nil, workflow.Rights{}
	p.Rules = slices.DeleteFunc(p.Rules, func(r workflow.Rule) bool {
		return !slices.Contains([]string{
			"open-linked-report", "append-delivered", "close-children", "reopen-on-reply", "reopen-parents", "due-on-reply", "due-after-reply",
		}, r.Name)
	})
	for i, r := range p.Rules {
		switch r.Name {
		case "close-children":
			p.Rules[i].Params = workflow.CloseChildren{ActiveBlock: workflow.BlockClose}
		case "due-after-reply":
			p.Rules[i].Params = workflow.DueAfterReply{}
		}
	}
	for i, derivation := range p.Derivations {
		if derivation.Name == "incident-due" {
			p.Derivations[i].Params = workflow.IncidentDue{}
		}
	}
	return p
}

var ctx = context.Background()

// classified is what an incident must have.
var classified = map[string][]string{"Classification": {"Scan"}}

// do runs commands for alice, a minute later, which must succeed.
func (w *world) do(commands ...workflow.Command) *desk.Result {
	w.t.Helper()
	w.now = w.now.Add(time.Minute)
	result, err := w.alice.Do(ctx, commands...)
	require.NoError(w.t, err)
	w.stepped()
	return result
}

// refused runs commands that must fail and leave nothing behind.
func (w *world) refused(commands ...workflow.Command) error {
	w.t.Helper()
	before := w.snapshot()
	_, err := w.alice.Do(ctx, commands...)
	require.Error(w.t, err)
	require.Equal(w.t, before, w.snapshot(), "a refused command leaves nothing behind")
	return err
}

// stepped verifies after a step; always in a run that is meant to fail.
func (w *world) stepped() {
	w.t.Helper()
	_, meant := w.t.(*expected)
	if w.steps++; meant || !testing.Short() || w.steps%5 == 0 {
		w.verify()
	}
}

func (w *world) verify() {
	w.t.Helper()
	v, err := w.desk.Verify(ctx, nil)
	require.NoError(w.t, err)
	require.Empty(w.t, v.Faults)
}

func (w *world) ticket(id incident.ID) incident.Ticket {
	w.t.Helper()
	t, err := w.alice.Ticket(ctx, id)
	require.NoError(w.t, err)
	return t
}

func (w *world) status(want incident.Status, ids ...incident.ID) {
	w.t.Helper()
	for _, id := range ids {
		require.Equal(w.t, want, w.ticket(id).Status, "status of ticket %s", id)
	}
}

func (w *world) due(want *time.Time, ids ...incident.ID) {
	w.t.Helper()
	for _, id := range ids {
		require.Equal(w.t, want, w.ticket(id).Due, "due date of ticket %s", id)
	}
}

func (w *world) history(id incident.ID) []incident.Record {
	w.t.Helper()
	history, err := w.alice.History(ctx, id)
	require.NoError(w.t, err)
	return history.Records
}

// last returns the last event of a type on a ticket, with its record.
func (w *world) last(id incident.ID, kind string) (incident.Event, incident.Record) {
	w.t.Helper()
	history := w.history(id)
	for i := len(history) - 1; i >= 0; i-- {
		if history[i].Type == kind {
			e, err := incident.Decode(history[i])
			require.NoError(w.t, err)
			return e, history[i]
		}
	}
	require.Fail(w.t, "no event", "ticket %s has no event %s", id, kind)
	return nil, incident.Record{}
}

func (w *world) types(id incident.ID) string {
	w.t.Helper()
	var types []string
	for _, r := range w.history(id) {
		types = append(types, r.Type)
	}
	return strings.Join(types, " ")
}

// snapshot is all that a store can be asked for, as text.
func (w *world) snapshot() string {
	w.t.Helper()
	var all struct {
		Tickets  []incident.Ticket
		Records  []incident.Record
		Outgoing []storage.Outgoing
	}
	require.NoError(w.t, w.store.View(ctx, func(ctx context.Context, r storage.Reader) (err error) {
		if all.Tickets, err = r.Find(ctx, storage.Query{}); err != nil {
			return err
		}
		if all.Records, err = r.History(ctx, storage.HistoryQuery{}); err != nil {
			return err
		}
		all.Outgoing, err = r.Outgoing(ctx, storage.OutgoingQuery{})
		return err
	}))
	text, err := json.MarshalIndent(all, "", " ")
	require.NoError(w.t, err)
	return string(text)
}

func (w *world) outgoing() (rows []storage.Outgoing) {
	w.t.Helper()
	require.NoError(w.t, w.store.View(ctx, func(ctx context.Context, r storage.Reader) (err error) {
		rows, err = r.Outgoing(ctx, storage.OutgoingQuery{})
		return err
	}))
	return rows
}

// incident opens an incident.
func (w *world) incident() incident.ID {
	w.t.Helper()
	return w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Compromise", Fields: classified}).Opened[0]
}

// child opens a ticket under incidents, with a requestor.
func (w *world) child(kind incident.Kind, parents ...incident.ID) incident.ID {
	w.t.Helper()
	return w.do(workflow.Open{
		Kind: kind, Subject: "Scan", Parents: parents, Requestors: []incident.Party{{Address: "bob@example.org"}},
	}).Opened[0]
}

// receive takes in a mail, a minute later.
func (w *world) receive(from, subject, more string) *desk.Receipt {
	w.t.Helper()
	return w.raw(from, fmt.Sprintf("From: %s\r\nTo: csirt@example.net\r\nSubject: %s\r\n%s\r\nScan from 192.0.2.7 at %s\r\n",
		from, subject, more, w.now.Format(time.TimeOnly)))
}

func (w *world) raw(from, raw string) *desk.Receipt {
	w.t.Helper()
	w.now = w.now.Add(time.Minute)
	receipt, err := w.desk.Receive(ctx, mail.Envelope{From: from, To: []string{"csirt@example.net"}}, []byte(raw))
	require.NoError(w.t, err)
	w.stepped()
	return receipt
}

// tagged is a subject with the tag of a ticket.
func tagged(id incident.ID) string { return fmt.Sprintf("Re: [A CSIRT #%s] Scan", id) }

// answer is a reply of the requestor by subject tag.
func (w *world) answer(id incident.ID) *desk.Receipt {
	w.t.Helper()
	return w.receive("bob@example.org", tagged(id), "")
}

func (w *world) at() *time.Time { t := w.now; return &t }

func hours(w *world, n int) *time.Time { t := w.now.Add(time.Duration(n) * time.Hour); return &t }
