package desk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// under opens another desk on the store of a world, with other terms; nil: none.
func (w *world) under(terms *sla.Terms) *world {
	p := plain()
	promising(p)
	p.Agreement = nil
	if terms != nil {
		p.Agreement = agreed(w.t, *terms)
	}
	other := newWorldOn(w.t, w.store, func(c *desk.Config) { c.Policy = p })
	other.now = w.now
	return other
}

func (w *world) recompute() int {
	w.t.Helper()
	changed, err := w.desk.Recompute(ctx, nil)
	require.NoError(w.t, err)
	return changed
}

func faults(t *testing.T, w *world) []desk.Fault {
	t.Helper()
	v, err := w.desk.Verify(ctx, nil)
	require.NoError(t, err)
	return v.Faults
}

// New terms change nothing until somebody says so; then they say so too.
func TestRecompute(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newPromisingWorld(t, store)
		inc, report := w.incident(), w.friday()
		closed, students := w.friday(), w.friday()
		w.do(workflow.Link{Ticket: report, Parent: inc}, workflow.Move{Ticket: closed, To: "resolved"},
			workflow.Edit{Ticket: students, Constituency: pointer("students")})
		before := w.ticket(closed)
		changed := terms()
		changed.Levels[0].Clocks[0].Within = sla.Business(120)
		w = w.under(&changed)
		w.due(week(time.Monday, "09:30:00"), report, inc)
		require.True(t, w.explain(report).Stale)
		require.Equal(t, []desk.Fault{{Ticket: report, What: "its clocks are [response of standard at 2026-03-09T09:30:00Z], " +
			"the agreement says [response of standard at 2026-03-09T10:30:00Z]: recompute after a change of the agreement"}}, faults(t, w))

		var pages []string
		n, err := w.desk.Recompute(ctx, func(done, total int) { pages = append(pages, fmt.Sprint(done, " of ", total)) })
		require.NoError(t, err)
		require.Equal(t, 2, n, "the report and its incident")
		require.Equal(t, []string{"3 of 3"}, pages)
		w.verify()
		w.due(week(time.Monday, "10:30:00"), report, inc)
		for _, id := range []incident.ID{report, inc} {
			_, record := w.last(id, "due")
			require.Equal(t, "recompute", record.Command)
			require.Equal(t, incident.System, record.By)
			require.NotZero(t, record.Cause)
		}
		_, record := w.last(report, "due")
		require.Equal(t, incident.Cause{Rule: "due-by-clock", Ticket: report, Version: record.Version - 1}, record.Cause)
		require.Equal(t, before, w.ticket(closed))
		seen := w.snapshot()
		require.Zero(t, w.recompute())
		require.Equal(t, seen, w.snapshot(), "a second run writes nothing")

		// No agreement any more.
		w = w.under(nil)
		require.Empty(t, faults(t, w))
		require.Equal(t, "there is no service agreement", w.explain(report).Why)
		require.Equal(t, 2, w.recompute())
		received := day(time.Friday, "17:30:00")
		w.due(&received, report, inc)
		require.Empty(t, w.ticket(report).Clocks)
		require.Zero(t, w.recompute())
		changed = terms()
		w = w.under(&changed)
		require.Equal(t, 2, w.recompute())
		w.due(week(time.Monday, "09:30:00"), report, inc)
	})
}

// A ticket that cannot be written does not keep the others from new terms.
func TestRecomputeGoesOn(t *testing.T) {
	w := newPromisingWorld(t, memory.New())
	first, second := w.friday(), w.friday()
	changed := terms()
	changed.Levels[0].Clocks[0].Within = sla.Business(120)
	p := plain()
	promising(p)
	p.Agreement = agreed(t, changed)
	w = newWorldOn(t, w.store, func(c *desk.Config) {
		c.Policy = p
		c.BeforeEvent = append(c.BeforeEvent, func(_ context.Context, _ storage.Reader, call desk.EventCall) (incident.Event, error) {
			if call.Ticket.ID == first {
				return nil, fmt.Errorf("not this one, by %s", call.Command)
			}
			return call.Event, nil
		})
	})
	n, err := w.desk.Recompute(ctx, nil)
	require.ErrorContains(t, err, fmt.Sprintf("recompute ticket %s: derivation due-by-clock: desk: event due on ticket %s was vetoed: not this one, by recompute", first, first))
	require.Equal(t, 1, n)
	w.due(week(time.Monday, "10:30:00"), second)
	stopped, stop := context.WithCancel(ctx)
	stop()
	_, err = w.desk.Recompute(stopped, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestPromise(t *testing.T) {
	w := newPromisingWorld(t, memory.New())
	report := w.friday()
	w.to(*week(time.Monday, "09:10:00"))
	w.do(workflow.Move{Ticket: report, To: "open"})
	w.now = *week(time.Monday, "09:20:00")
	from, due := day(time.Friday, "17:30:00"), *week(time.Monday, "09:30:00")
	minutes := 60
	require.Equal(t, &desk.Promised{
		Ticket: report, At: w.now, Level: "standard", Why: "no choice fits: the default", Starts: &from, Due: &due,
		Clocks: []desk.ClockState{{
			Deadline: sla.Deadline{
				Level: "standard", Clock: sla.Response, Start: sla.Unanswered, From: from, Due: due, Warn: *week(time.Monday, "09:00:00"),
				Calendar: "office", Zone: "UTC", Agreed: sla.Interval{BusinessMinutes: &minutes}, Within: sla.Interval{BusinessMinutes: &minutes},
			},
			Runs: true, Elapsed: 50 * time.Minute,
			Sentence: `response is due 2026-03-09T09:30:00Z: 60 business minutes from the oldest unanswered message (2026-03-06T17:30:00Z) through calendar "office" (UTC), level "standard"`,
		}},
		Started: week(time.Monday, "09:10:00"), Running: 10 * time.Minute, Calendar: "office", Zone: "UTC",
	}, w.explain(report))

	w.do(workflow.Move{Ticket: report, To: "resolved"})
	w.now = w.now.AddDate(0, 0, 3)
	e := w.explain(report)
	require.Equal(t, []any{false, 51 * time.Minute, 11 * time.Minute, false}, []any{e.Clocks[0].Runs, e.Clocks[0].Elapsed, e.Running, e.Stale}, "a closed ticket does not run")

	inc := w.incident()
	w.do(workflow.Link{Ticket: report, Parent: inc}, workflow.Reopen{Ticket: report})
	e = w.explain(inc)
	require.Equal(t, []string{sla.None, "the agreement is not about tickets of kind incident", "ticket 1"}, []string{e.Level, e.Why, e.DueBy})
	_, err := w.alice.Promise(ctx, 99)
	var none *workflow.NoTicketError
	require.ErrorAs(t, err, &none)
	text, err := json.Marshal(e)
	require.NoError(t, err)
	require.Contains(t, string(text), `"runningNanoseconds":`)

	// What a ticket says that other terms do not know is told, not guessed.
	w.do(workflow.Edit{Ticket: report, Fields: map[string][]string{workflow.DefaultLevelField: {"duty"}, "aware": {"2026-03-02T10:00:00Z"}}})
	renamed := terms()
	renamed.Levels[2].Name, renamed.Moments = "duties", append(renamed.Moments, "Classification")
	w.do(workflow.Edit{Ticket: report, Fields: map[string][]string{"Classification": {"spam"}}})
	w = w.under(&renamed)
	require.Equal(t, []string{
		`sla: level "duty" does not exist (allowed: standard, hospital, duties, none)`,
		`workflow: field "Classification" of ticket 1 is no time: allowed is one time like 2026-03-02T09:00:00Z`,
	}, w.explain(report).Problems)
}

// Verify finds clocks, due dates and alarms that are not as they should be.
func TestVerifyClocks(t *testing.T) {
	w := newPromisingWorld(t, memory.New())
	report := w.friday()
	w.now = *week(time.Monday, "09:10:00")
	w.sweep()
	forge := func(events ...incident.Event) *world {
		store := memory.New()
		require.NoError(t, store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
			var list []incident.Event
			for _, r := range w.history(report) {
				e, err := incident.Decode(r)
				require.NoError(t, err)
				if m, ok := e.(incident.Message); ok {
					m.Blobs, m.Content.MessageID = nil, ""
					m.When = &r.At
					e = m
				}
				list = append(list, e)
			}
			return appendTo(ctx, tx, report, day(time.Friday, "17:30:00"), append(list, events...)...)
		}))
		forged := newPromisingWorld(t, store)
		forged.now = w.now
		return forged
	}
	require.Empty(t, faults(t, forge()))
	clock := w.ticket(report).Clocks[0]
	warned := incident.Warned{Clock: clock.Name, Level: clock.Level, From: clock.From, Due: clock.Due}
	late := clock.Due.Add(time.Hour)
	for _, test := range []struct {
		event incident.Event
		want  string
	}{
		{warned, `record 5 says once more that clock "response" was warned for`},
		{incident.DueSet{Basis: &incident.Basis{Level: "standard"}}, "its clocks are [], the agreement says [response of standard at"},
		{incident.DueSet{Due: &late, Basis: &incident.Basis{Level: "standard", Clocks: []incident.Clock{clock}}}, "its due date is 2026-03-09 10:30:00 +0000 UTC, the earliest of its clocks is 2026-03-09 09:30:00 +0000 UTC"},
	} {
		found := faults(t, forge(test.event))
		require.Len(t, found, 1)
		require.Contains(t, found[0].What, test.want)
	}
	require.Empty(t, faults(t, forge(incident.DueSet{Due: &late, Clock: workflow.ClockHand})), "a date by hand may differ")
	breached := incident.Breached(warned)
	require.Empty(t, faults(t, forge(breached)))
	require.Len(t, faults(t, forge(breached, breached)), 1)

	// Under a policy of another version tickets wait for Recompute.
	p := plain()
	promising(p)
	changed := terms()
	changed.Levels[0].Clocks[0].Within = sla.Business(120)
	p.Agreement, p.Version = agreed(t, changed), 2
	w = newWorldOn(t, w.store, func(c *desk.Config) { c.Policy = p })
	require.Empty(t, faults(t, w))
	require.Equal(t, 1, w.recompute())
	require.Empty(t, faults(t, w))
}

// A mail that is kept without the rules, because one failed, gets its clocks with
// the next thing that moves them, or by Recompute.
func TestKeptWithoutRules(t *testing.T) {
	failing := true
	w := newPromisingWorld(t, memory.New(), func(c *desk.Config) {
		c.BeforeEvent = append(c.BeforeEvent, func(_ context.Context, _ storage.Reader, call desk.EventCall) (incident.Event, error) {
			if failing && call.Event.Type() == "due" {
				return nil, fmt.Errorf("broken")
			}
			return call.Event, nil
		})
	})
	report := w.friday()
	require.NotNil(t, w.ticket(report).Held)
	w.due(nil, report)
	require.True(t, w.explain(report).Stale)
	failing = false
	require.Equal(t, 1, w.recompute())
	w.due(week(time.Monday, "09:30:00"), report)
}

// Several sweeps at once record nothing twice.
func TestSweepsAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newPromisingWorld(t, store)
		var reports []incident.ID
		for range 5 {
			reports = append(reports, w.friday())
		}
		w.now = *week(time.Monday, "12:00:00")
		errs := make(chan error)
		for range 4 {
			go func() {
				_, err := w.desk.Sweep(ctx, 0)
				errs <- err
			}()
		}
		for range 4 {
			require.NoError(t, <-errs)
		}
		w.verify()
		for _, id := range reports {
			require.Equal(t, "opened message due warned breached", w.types(id))
		}
	})
}
