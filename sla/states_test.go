package sla_test

import (
	"testing"
	"time"

	"github.com/airtight-csirt/airtight/sla"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func agreement(t testing.TB, terms sla.Terms) *sla.Agreement {
	t.Helper()
	a, err := sla.NewAgreement(terms)
	require.NoError(t, err)
	return a
}

// oneLevel is an agreement with one level, "test", in real time.
func oneLevel(t testing.TB, clocks ...sla.Clock) *sla.Agreement {
	return agreement(t, sla.Terms{Levels: []sla.Level{{Name: "test", Clocks: clocks}}})
}

func response(minutes int) sla.Clock {
	return sla.Clock{Name: sla.Response, Within: sla.Real(minutes)}
}

func keepInLoop(minutes int) sla.Clock {
	return sla.Clock{Name: sla.KeepInLoop, Within: sla.Real(minutes)}
}

func resolve(minutes int) sla.Clock { return sla.Clock{Name: sla.Resolve, Within: sla.Real(minutes)} }

// due is the earliest deadline, zero if nothing is due.
func due(t testing.TB, a *sla.Agreement, level string, f sla.Facts) time.Time {
	t.Helper()
	plan, err := a.Plan(level, f)
	require.NoError(t, err)
	d, _ := plan.Earliest()
	return d.Due
}

var (
	created = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	nothing time.Time
)

func hours(n int) time.Time { return created.Add(time.Duration(n) * time.Hour) }

func TestLevelChange(t *testing.T) { testLevelChange(t) }

func testLevelChange(t *testing.T) {
	a := agreement(t, sla.Terms{Levels: []sla.Level{
		{Name: "2h", Clocks: []sla.Clock{resolve(120)}}, {Name: "4h", Clocks: []sla.Clock{resolve(240)}},
	}})
	f := sla.Facts{Created: created}
	assert.Equal(t, hours(2), due(t, a, "2h", f))
	assert.Equal(t, hours(4), due(t, a, "4h", f))
}

func TestOpenedByTeam(t *testing.T) { testOpenedByTeam(t) }

func testOpenedByTeam(t *testing.T) {
	assert.Equal(t, nothing, due(t, oneLevel(t, response(120)), "test", sla.Facts{Created: created, Inside: created}))
}

func TestResponse(t *testing.T) { testResponse(t) }

// The facts that a ticket folds: an answer clears Unanswered, a first message
// from outside after it sets it, more of them leave it.
func testResponse(t *testing.T) {
	a := oneLevel(t, response(120))
	f := sla.Facts{Created: created, Unanswered: created}
	assert.Equal(t, hours(2), due(t, a, "test", f))
	f.Inside, f.Unanswered = hours(1), nothing
	assert.Equal(t, nothing, due(t, a, "test", f))
	f.Inside = hours(2)
	assert.Equal(t, nothing, due(t, a, "test", f))
	f.Unanswered = hours(5)
	assert.Equal(t, hours(7), due(t, a, "test", f))
}

func TestKeepInLoop(t *testing.T) { testKeepInLoop(t) }

func testKeepInLoop(t *testing.T) {
	a := oneLevel(t, response(120), keepInLoop(240))
	f := sla.Facts{Created: created, Unanswered: created}
	assert.Equal(t, hours(2), due(t, a, "test", f))
	f.Inside, f.Unanswered = hours(1), nothing
	assert.Equal(t, hours(5), due(t, a, "test", f))
	f.Inside = hours(2)
	assert.Equal(t, hours(6), due(t, a, "test", f))
	f.Unanswered = hours(5) // its answer is due at 7; what we owed at 6 is no longer due
	assert.Equal(t, hours(7), due(t, a, "test", f))
	plan, err := a.Plan("test", f)
	require.NoError(t, err)
	require.Len(t, plan.Deadlines, 2)
	assert.Equal(t, hours(5), plan.Deadlines[1].Done)
}

func TestIgnoredStatus(t *testing.T) { testIgnoredStatus(t) }

func testIgnoredStatus(t *testing.T) {
	loop := keepInLoop(240)
	loop.IgnoreOn = []string{"stalled"}
	a := oneLevel(t, loop)
	f := sla.Facts{Created: created, Unanswered: created, Statuses: []sla.Span{{Status: "open", From: created}}}
	assert.Equal(t, nothing, due(t, a, "test", f))
	f.Inside, f.Unanswered = hours(1), nothing
	assert.Equal(t, hours(5), due(t, a, "test", f))
	f.Statuses = []sla.Span{{"open", created, hours(2)}, {"stalled", hours(2), nothing}}
	assert.Equal(t, nothing, due(t, a, "test", f))
	plan, err := a.Plan("test", f)
	require.NoError(t, err)
	assert.Equal(t, []sla.Idle{{sla.KeepInLoop, `is ignored in status "stalled"`}}, plan.Idle)
	f.Inside = hours(3)
	f.Statuses = []sla.Span{{"open", created, hours(2)}, {"stalled", hours(2), hours(3)}, {"open", hours(3), nothing}}
	assert.Equal(t, hours(7), due(t, a, "test", f))
}

func TestMissedResponseIsNotHidden(t *testing.T) { testMissedResponseIsNotHidden(t) }

func testMissedResponseIsNotHidden(t *testing.T) {
	loop := keepInLoop(240)
	loop.IgnoreOn = []string{"stalled"}
	a := oneLevel(t, response(120), loop)
	f := sla.Facts{Created: created, Unanswered: created, Statuses: []sla.Span{{"new", created, nothing}}}
	assert.Equal(t, hours(2), due(t, a, "test", f))
	f.Statuses = []sla.Span{{"stalled", hours(1), nothing}}
	assert.Equal(t, hours(2), due(t, a, "test", f))
	f.Inside, f.Unanswered, f.Statuses = hours(3), nothing, []sla.Span{{"open", hours(3), nothing}}
	assert.Equal(t, hours(7), due(t, a, "test", f))
	f.Statuses = []sla.Span{{"open", hours(3), hours(4)}, {"stalled", hours(4), nothing}}
	assert.Equal(t, nothing, due(t, a, "test", f))
}

func TestExcludedTime(t *testing.T) { testExcludedTime(t) }

func testExcludedTime(t *testing.T) {
	clock := response(120)
	clock.PauseOn = []string{"stalled"}
	a := oneLevel(t, clock)
	f := sla.Facts{Created: created, Unanswered: created}
	assert.Equal(t, hours(2), due(t, a, "test", f))
	f.Statuses = []sla.Span{{"open", created, hours(1)}, {"stalled", hours(1), nothing}}
	assert.Equal(t, nothing, due(t, a, "test", f))
	plan, err := a.Plan("test", f)
	require.NoError(t, err)
	assert.Equal(t, []sla.Idle{{sla.Response, `is paused in status "stalled"`}}, plan.Idle)
	f.Statuses = []sla.Span{{"open", created, hours(1)}, {"stalled", hours(1), hours(4)}, {"open", hours(4), nothing}}
	assert.Equal(t, hours(5), due(t, a, "test", f))
	plan, err = a.Plan("test", f)
	require.NoError(t, err)
	assert.Equal(t, 3*time.Hour, plan.Deadlines[0].Paused)
	assert.Equal(t, 2*time.Hour, a.Elapsed(plan.Deadlines[0], f, hours(5)))
}

func TestStartImmediately(t *testing.T) { testStartImmediately(t) }

func testStartImmediately(t *testing.T) {
	a := agreement(t, sla.Terms{
		Calendars: []sla.Hours{{Name: "office", Zone: "UTC", Week: sla.Weekdays("09:00-18:00")}},
		Levels: []sla.Level{
			{Name: "at once", Calendar: "office", Starts: &sla.Interval{}, Clocks: []sla.Clock{response(120)}},
			{Name: "in hours", Calendar: "office", Clocks: []sla.Clock{response(120)}},
		},
	})
	plan, err := a.Plan("at once", sla.Facts{Created: created})
	require.NoError(t, err)
	assert.Equal(t, created, plan.Starts)
	plan, err = a.Plan("in hours", sla.Facts{Created: created})
	require.NoError(t, err)
	assert.Equal(t, hours(1), plan.Starts)
}

func TestSundayIsNoSeven(t *testing.T) { testSundayIsNoSeven(t) }

func testSundayIsNoSeven(t *testing.T) {
	_, err := sla.NewCalendar(sla.Hours{Name: "x", Zone: "UTC", Week: week("7", "09:00-17:00")})
	assert.ErrorContains(t, err, `"7" is no day (allowed: sun, mon,`)
}
