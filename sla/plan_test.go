package sla_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/airtight-csirt/airtight/sla"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// office is an agreement with one level, "test", in the hours of an office in
// Berlin.
func office(t testing.TB, level sla.Level, change ...func(*sla.Terms)) *sla.Agreement {
	t.Helper()
	level.Name, level.Calendar = "test", "office"
	terms := sla.Terms{
		Calendars: []sla.Hours{{Name: "office", Zone: "Europe/Berlin", Week: sla.Weekdays("09:00-17:00")}},
		Levels:    []sla.Level{level},
	}
	for _, c := range change {
		c(&terms)
	}
	return agreement(t, terms)
}

func clocks(c ...sla.Clock) sla.Level { return sla.Level{Clocks: c} }

func TestIntervals(t *testing.T) {
	both := sla.Business(60)
	both.RealMinutes = 24 * 60
	all := both
	all.Months = 1
	for _, tc := range []struct {
		name     string
		within   sla.Interval
		from, to string
	}{
		{"business minutes", sla.Business(60), "2026-03-06T15:30:00Z", "2026-03-09T08:30:00Z"},
		{"zero business minutes", sla.Business(0), "2026-03-06T16:30:00Z", "2026-03-09T08:00:00Z"},
		{"real minutes", sla.Real(60), "2026-03-06T15:30:00Z", "2026-03-06T16:30:00Z"},
		{"at once", sla.Interval{}, "2026-03-06T16:30:00Z", "2026-03-06T16:30:00Z"},
		{"business first, real after", both, "2026-03-06T15:30:00Z", "2026-03-10T08:30:00Z"},
		{"months before both", all, "2026-02-06T15:30:00Z", "2026-03-10T08:30:00Z"},
		{"a month", sla.Months(1), "2026-04-15T10:00:00Z", "2026-05-15T10:00:00Z"},
		{"a month over spring: same time on the wall", sla.Months(1), "2026-03-15T10:00:00Z", "2026-04-15T09:00:00Z"},
		{"a month from the 31st", sla.Months(1), "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z"},
		{"a month from the 31st, leap year", sla.Months(1), "2028-01-31T10:00:00Z", "2028-02-29T10:00:00Z"},
		{"two months from the 31st", sla.Months(2), "2026-01-31T10:00:00Z", "2026-03-31T09:00:00Z"},
		{"the 31st by the wall, the 30th in UTC", sla.Months(1), "2026-01-30T23:30:00Z", "2026-02-27T23:30:00Z"},
		{"over the year", sla.Months(13), "2026-12-31T10:00:00Z", "2028-01-31T10:00:00Z"},
		{"a month to a time that is jumped over", sla.Months(1), "2026-02-28T01:30:00Z", "2026-03-28T01:30:00Z"},
		{"a month into the gap", sla.Months(1), "2026-03-01T01:30:00Z", "2026-04-01T00:30:00Z"},
		{"into the gap itself", sla.Months(1), "2027-02-28T01:30:00Z", "2027-03-28T01:00:00Z"},
		{"a time that comes twice: the first", sla.Months(1), "2026-09-25T00:30:00Z", "2026-10-25T00:30:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := office(t, clocks(sla.Clock{Name: sla.Resolve, Within: tc.within}))
			assert.Equal(t, at(t, tc.to), due(t, a, "test", sla.Facts{Created: at(t, tc.from)}))
		})
	}
}

func TestOutOfHours(t *testing.T) {
	extra := sla.Business(30)
	extra.RealMinutes = 15
	duty := sla.Clock{Name: "duty", Within: sla.Business(60), From: []sla.Moment{sla.Created}, Fixed: true}
	level := clocks(sla.Clock{Name: sla.Resolve, Within: sla.Business(60)}, duty)
	level.OutOfHours = extra
	a := office(t, level)

	in, err := a.Plan("test", sla.Facts{Created: at(t, "2026-03-02T08:00:00Z")})
	require.NoError(t, err)
	assert.Equal(t, at(t, "2026-03-02T09:00:00Z"), in.Deadlines[0].Due)
	out, err := a.Plan("test", sla.Facts{Created: at(t, "2026-03-01T08:00:00Z")})
	require.NoError(t, err)
	assert.Equal(t, at(t, "2026-03-02T09:45:00Z"), out.Deadlines[0].Due)
	assert.Equal(t, extra, out.Deadlines[0].OutOfHours)
	assert.Equal(t, at(t, "2026-03-02T09:00:00Z"), out.Deadlines[1].Due, "fixed")
}

func TestPriority(t *testing.T) {
	table := sla.Priority{Steps: []sla.PriorityStep{{From: 80, Percent: 25}, {From: 60, Percent: 50}, {From: 1, Percent: 200}}}
	for _, tc := range []struct {
		rule     sla.Priority
		minutes  int
		priority int
		want     int
	}{
		{sla.Priority{}, 120, 50, 120},
		{sla.Priority{}, 120, 100, 60},
		{sla.Priority{}, 120, 75, 80},
		{sla.Priority{}, 60, 70, 42}, // 42.86
		{sla.Priority{}, 120, 25, 240},
		{sla.Priority{}, 120, 1, 6000},
		{sla.Priority{}, 120, 0, 120},
		{sla.Priority{}, 120, -7, 120},
		{sla.Priority{}, 120, 1 << 62, 1},
		{sla.Priority{}, 0, 100, 0},
		{sla.Priority{}, sla.MaxMinutes, 1, sla.MaxMinutes},
		{table, 120, 100, 30},
		{table, 120, 79, 60},
		{table, 120, 10, 240},
		{table, 120, 0, 120},
		{sla.Priority{Steps: table.Steps[:1]}, 120, 79, 120},
	} {
		got := tc.rule.Apply(sla.Business(tc.minutes), tc.priority)
		assert.Equal(t, sla.Business(tc.want), got, "%+v", tc)
		assert.Equal(t, sla.Real(tc.want), tc.rule.Apply(sla.Real(tc.minutes), tc.priority), "%+v", tc)
	}
	assert.Equal(t, sla.Months(1), sla.Priority{}.Apply(sla.Months(1), 100))

	fixed := sla.Clock{Name: "duty", Within: sla.Real(60), From: []sla.Moment{sla.Created}, Fixed: true}
	plan, err := oneLevel(t, resolve(60), fixed).Plan("test", sla.Facts{Created: created, Priority: 100})
	require.NoError(t, err)
	assert.Equal(t, created.Add(30*time.Minute), plan.Deadlines[0].Due)
	assert.Equal(t, 100, plan.Deadlines[0].Priority)
	assert.Equal(t, created.Add(time.Hour), plan.Deadlines[1].Due)
	assert.Zero(t, plan.Deadlines[1].Priority)
}

// Pauses are left out of business time only where they lie in business hours.
func TestPauseInBusinessTime(t *testing.T) {
	clock := sla.Clock{Name: sla.Resolve, Within: sla.Business(8 * 60), PauseOn: []string{"stalled", "waiting"}}
	a := office(t, clocks(clock))
	monday := at(t, "2026-03-02T08:00:00Z") // 09:00 in Berlin
	h := func(n int) time.Time { return monday.Add(time.Duration(n) * time.Hour) }
	for _, tc := range []struct {
		name  string
		spans []sla.Span
		want  time.Time // zero: no deadline
	}{
		{"none", nil, h(8)},
		{"another status", []sla.Span{{"open", h(1), h(3)}}, h(8)},
		{"overnight", []sla.Span{{"stalled", h(6), h(25)}}, h(27)},
		{"outside hours only", []sla.Span{{"stalled", h(-5), h(-1)}, {"stalled", h(9), h(20)}}, h(8)},
		{"two that overlap, out of order", []sla.Span{{"waiting", h(3), h(5)}, {"stalled", h(2), h(4)}}, h(27)},
		{"one within the other", []sla.Span{{"waiting", h(2), h(5)}, {"stalled", h(3), h(4)}}, h(27)},
		{"from before the start", []sla.Span{{"stalled", h(-30), h(2)}}, h(26)},
		{"from the deadline on", []sla.Span{{"stalled", h(8), nothing}}, h(8)},
		{"still", []sla.Span{{"stalled", h(7), nothing}}, nothing},
		{"still, with another after it", []sla.Span{{"stalled", h(7), nothing}, {"waiting", h(9), h(10)}}, nothing},
		{"backwards: not counted", []sla.Span{{"stalled", h(4), h(2)}}, h(8)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, due(t, a, "test", sla.Facts{Created: monday, Statuses: tc.spans}))
		})
	}
}

func TestPauseInRealTimeAfterBusinessTime(t *testing.T) {
	within := sla.Business(0)
	within.RealMinutes = 120
	clock := sla.Clock{Name: sla.Resolve, Within: within, PauseOn: []string{"stalled"}}
	a := office(t, clocks(clock))
	sunday := at(t, "2026-03-01T10:00:00Z")
	spans := []sla.Span{{"stalled", at(t, "2026-03-01T20:00:00Z"), at(t, "2026-03-02T09:00:00Z")}, {"stalled", at(t, "2026-03-02T10:00:00Z"), at(t, "2026-03-02T10:30:00Z")}}
	// First open instant not paused: 09:00 UTC on Monday; then an hour, half an hour of pause, an hour.
	assert.Equal(t, at(t, "2026-03-02T11:30:00Z"), due(t, a, "test", sla.Facts{Created: sunday, Statuses: spans}))
}

func TestStoppedClock(t *testing.T) {
	clock := resolve(120)
	clock.PauseOn, clock.IgnoreOn = []string{"stalled"}, []string{"resolved"}
	a := oneLevel(t, clock)
	f := sla.Facts{
		Created: created, Resolved: hours(5),
		Statuses: []sla.Span{{"stalled", hours(1), hours(4)}, {"resolved", hours(5), nothing}, {"stalled", hours(6), nothing}},
	}
	plan, err := a.Plan("test", f)
	require.NoError(t, err)
	require.Len(t, plan.Deadlines, 1)
	d := plan.Deadlines[0]
	assert.Equal(t, hours(5), d.Due)
	assert.True(t, d.Met(d.Done))
	assert.False(t, d.Met(d.Done.Add(1)))
	_, ok := plan.Earliest()
	assert.False(t, ok, "nothing runs")
	assert.Equal(t, 2*time.Hour, a.Elapsed(d, f, d.Done))

	f.Statuses = []sla.Span{{"stalled", hours(1), hours(4)}, {"resolved", hours(5), nothing}}
	plan, err = a.Plan("test", f)
	require.NoError(t, err)
	assert.Len(t, plan.Deadlines, 1, "what was stopped is reported although its status is ignored")

	f.Statuses = []sla.Span{{"stalled", hours(1), nothing}} // and closed while it was paused
	plan, err = a.Plan("test", f)
	require.NoError(t, err)
	require.Len(t, plan.Deadlines, 1)
	assert.True(t, plan.Deadlines[0].Met(hours(5)))

	f.Resolved = created.Add(-time.Hour) // from an earlier life
	plan, err = a.Plan("test", f)
	require.NoError(t, err)
	assert.Equal(t, []sla.Idle{{sla.Resolve, `is paused in status "stalled"`}}, plan.Idle)
}

// Reporting duties: 24 h and 72 h from becoming aware, one month from the
// notification, each until it is done; and a review that comes again.
func TestDuties(t *testing.T) {
	const aware, warned, notified, reported, reviewed sla.Moment = "aware", "early warning sent", "notification sent", "final report sent", "reviewed"
	duty := func(name string, within sla.Interval, from, until sla.Moment) sla.Clock {
		return sla.Clock{Name: name, Within: within, From: []sla.Moment{from}, Until: []sla.Moment{until}, Fixed: true}
	}
	a := office(t, clocks(
		duty("early warning", sla.Real(24*60), aware, warned),
		duty("notification", sla.Real(72*60), aware, notified),
		duty("final report", sla.Months(1), notified, reported),
		sla.Clock{Name: "block review", Within: sla.Real(7 * 24 * 60), From: []sla.Moment{sla.Created, reviewed}, Warn: sla.Real(24 * 60)},
	), func(terms *sla.Terms) { terms.Moments = []sla.Moment{aware, warned, notified, reported, reviewed} })

	start := at(t, "2026-01-28T10:00:00Z")
	day := func(n int) time.Time { return start.AddDate(0, 0, n) }
	f := sla.Facts{Created: start, Priority: 100, Moments: map[sla.Moment]time.Time{aware: start}}
	plan, err := a.Plan("test", f)
	require.NoError(t, err)
	require.Len(t, plan.Deadlines, 3)
	assert.Equal(t, day(1), plan.Deadlines[0].Due)
	assert.Equal(t, day(3), plan.Deadlines[1].Due)
	assert.Equal(t, start.Add(84*time.Hour), plan.Deadlines[2].Due, "priority")
	assert.Equal(t, start.Add(60*time.Hour), plan.Deadlines[2].Warn)
	assert.Equal(t, []sla.Idle{{"final report", "has not started: it waits for notification sent"}}, plan.Idle)

	f.Priority = 0
	f.Moments[warned], f.Moments[notified], f.Moments[reviewed] = day(1), day(3), day(5)
	plan, err = a.Plan("test", f)
	require.NoError(t, err)
	require.Len(t, plan.Deadlines, 4)
	first, ok := plan.Earliest()
	require.True(t, ok)
	assert.Equal(t, "block review", first.Clock)
	assert.Equal(t, day(12), first.Due)
	assert.Equal(t, at(t, "2026-02-28T10:00:00Z"), plan.Deadlines[2].Due, "a month from 31 January")
}

func TestWarn(t *testing.T) {
	clock := sla.Clock{Name: sla.Resolve, Within: sla.Business(16 * 60), Warn: sla.Business(4 * 60)}
	monday := at(t, "2026-03-06T08:00:00Z")
	plan, err := office(t, clocks(clock)).Plan("test", sla.Facts{Created: monday})
	require.NoError(t, err)
	assert.Equal(t, at(t, "2026-03-09T12:00:00Z"), plan.Deadlines[0].Warn)
	clock.Warn = sla.Business(1000 * 60)
	plan, err = office(t, clocks(clock)).Plan("test", sla.Facts{Created: monday})
	require.NoError(t, err)
	assert.Equal(t, monday, plan.Deadlines[0].Warn, "never before the start")
}

func TestExplanation(t *testing.T) {
	clock := sla.Clock{Name: sla.Response, Within: sla.Business(120), PauseOn: []string{"stalled"}}
	level := clocks(clock)
	level.OutOfHours = sla.Real(15)
	f := sla.Facts{
		Created: at(t, "2026-03-01T10:00:00Z"), Unanswered: at(t, "2026-03-01T10:00:00Z"), Priority: 100,
		Statuses: []sla.Span{{"stalled", at(t, "2026-03-02T08:30:00Z"), at(t, "2026-03-02T09:00:00Z")}},
	}
	plan, err := office(t, level).Plan("test", f)
	require.NoError(t, err)
	assert.Equal(t, `response is due 2026-03-02T09:45:00Z: 60 business minutes and 15 minutes from the oldest unanswered message (2026-03-01T10:00:00Z)`+
		` through calendar "office" (Europe/Berlin), level "test"; priority 100 changed 120 business minutes;`+
		` 15 minutes added because it began out of hours; 30m0s of pause left out`, plan.Deadlines[0].String())

	data, err := json.Marshal(plan)
	require.NoError(t, err)
	var back sla.Plan
	require.NoError(t, json.Unmarshal(data, &back))
	assert.Equal(t, plan, back)
}

func TestPlanSaysWhatItCannotCount(t *testing.T) {
	a := office(t, clocks(sla.Clock{Name: sla.Resolve, Within: sla.Business(60)}, response(60)), func(terms *sla.Terms) {
		terms.Calendars[0].Week = nil
		terms.Calendars[0].Days = []sla.Day{{Date: "2026-03-02", Hours: []string{"09:00-09:30"}}}
	})
	plan, err := a.Plan("test", sla.Facts{Created: created, Unanswered: created})
	require.ErrorIs(t, err, sla.ErrNoHours)
	assert.ErrorContains(t, err, `clock "resolve": sla: calendar "office" (Europe/Berlin) has less than 1h0m0s`)
	first, ok := plan.Earliest()
	require.True(t, ok)
	assert.Equal(t, sla.Response, first.Clock)
	assert.Len(t, plan.Idle, 1)

	_, err = a.Plan("gold", sla.Facts{})
	assert.ErrorContains(t, err, `level "gold" does not exist (allowed: test, none)`)
	plan, err = a.Plan(sla.None, sla.Facts{Created: created})
	require.NoError(t, err)
	assert.Empty(t, plan.Deadlines)

	for _, odd := range []time.Time{time.Unix(1<<60, 0), time.Unix(-1<<60, 0), time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), at(t, "9999-12-31T23:59:59Z")} {
		plan, err = office(t, clocks(sla.Clock{Name: sla.Resolve, Within: sla.Months(1)})).Plan("test", sla.Facts{Created: odd})
		assert.ErrorIs(t, err, sla.ErrNoHours)
		assert.Empty(t, plan.Deadlines)
	}
}

func TestZeroAgreement(t *testing.T) {
	var a sla.Agreement
	chosen, err := a.Choose(sla.Subject{Kind: "report"})
	require.NoError(t, err)
	assert.Equal(t, sla.None, chosen.Level)
	_, err = a.Choose(sla.Subject{Level: "gold"})
	assert.ErrorContains(t, err, "(allowed: none)")
	assert.Zero(t, a.Elapsed(sla.Deadline{}, sla.Facts{}, created))
}

func TestChoose(t *testing.T) {
	a := agreement(t, sla.Terms{
		Calendars: []sla.Hours{{Name: "office", Zone: "UTC", Week: sla.Weekdays("09:00-17:00")}},
		Levels:    []sla.Level{{Name: "gold", Calendar: "office"}, {Name: "night"}, {Name: "basic"}},
		Choose: []sla.Choice{
			{Kind: "incident", Level: sla.None},
			{Constituency: "GOVNET", Kind: "report", Hours: sla.InHours, Level: "gold"},
			{Constituency: "GOVNET", Level: "night"},
		},
		Default: "basic",
	})
	open, closed := at(t, "2026-03-02T09:00:00Z"), at(t, "2026-03-02T17:00:00Z")
	for _, tc := range []struct {
		subject sla.Subject
		want    sla.Chosen
	}{
		{sla.Subject{Level: "night", Kind: "incident"}, sla.Chosen{"night", "it was set"}},
		{sla.Subject{Level: sla.None, Constituency: "GOVNET"}, sla.Chosen{sla.None, "it was set"}},
		{sla.Subject{Kind: "incident", Constituency: "GOVNET"}, sla.Chosen{sla.None, "choice 1 fits: kind incident"}},
		{sla.Subject{Kind: "report", Constituency: "GOVNET", At: open}, sla.Chosen{"gold", `choice 2 fits: constituency GOVNET, kind report, 2026-03-02T09:00:00Z is within the hours of calendar "office" (UTC)`}},
		{sla.Subject{Kind: "report", Constituency: "GOVNET", At: closed}, sla.Chosen{"night", "choice 3 fits: constituency GOVNET"}},
		{sla.Subject{Kind: "report", Constituency: "EDUNET", At: open}, sla.Chosen{"basic", "no choice fits: the default"}},
	} {
		got, err := a.Choose(tc.subject)
		require.NoError(t, err)
		assert.Equal(t, tc.want, got)
	}
	got, err := a.Choose(sla.Subject{Level: "silver", Kind: "incident"})
	assert.ErrorContains(t, err, `level "silver" does not exist (allowed: gold, night, basic, none)`)
	assert.Equal(t, sla.None, got.Level)
}

func TestTermsListEveryMistake(t *testing.T) {
	_, err := sla.NewAgreement(sla.Terms{
		Calendars: []sla.Hours{{Name: "a", Zone: "UTC", Week: sla.EveryDay("00:00-24:00")}, {Name: "a"}},
		Levels: []sla.Level{
			{Name: "none"}, {Name: "x", Calendar: "b", Starts: new(sla.Real(-1))},
			{Name: "x", OutOfHours: sla.Months(1), Clocks: []sla.Clock{
				{Name: "resolve", Within: sla.Business(60), Warn: sla.Months(1)},
				{Name: "resolve", Calendar: "c"},
				{Within: sla.Real(sla.MaxMinutes + 1)},
				{Name: "odd", From: []sla.Moment{"craeted"}, Within: sla.Months(1), PauseOn: []string{"s"}, IgnoreOn: []string{"s"}},
			}},
		},
		Moments:  []sla.Moment{"created", "", "new", "new"},
		Choose:   []sla.Choice{{Level: "y"}, {Level: "x", Hours: "sometimes"}, {Level: "x", Hours: "in"}, {Level: "none", Hours: "out"}},
		Default:  "z",
		Priority: sla.Priority{Steps: []sla.PriorityStep{{From: 0, Percent: 50}, {From: 5, Percent: 0}, {From: 5, Percent: 1001}}},
	})
	require.Error(t, err)
	for _, want := range []string{
		`calendar "a": a second one`, `calendar "a": no zone`, `levels[0]: name "none"`, `level "x": calendar "b" (allowed: a, a)`,
		`starts: -1 real minutes (allowed: 0 to`, `level "x": a second one`, `outOfHours: months (allowed: business and real minutes)`,
		`clocks[0] (resolve): within: business minutes without a calendar`, `warn: months`, `clocks[1] (resolve): a second clock`, `clocks[1] (resolve): calendar "c"`,
		`clocks[2] (): no name`, `no from: say at which moment it starts (allowed: created, started,`, `real minutes (allowed: 0 to 52704000)`,
		`moment "craeted"`, `a clock in months cannot pause`, `under both ignoreOn and pauseOn`,
		`moments[0]`, `moments[1]`, `moments[3]`, `choose[0]: level "y" (allowed: none, x, x, none)`, `hours "sometimes" (allowed: "in", "out" or none)`,
		`choose[3]: hours "out", but level "none" has no calendar`,
		`default: level "z"`, `steps[0]: from 0`, `steps[1]: percent 0`, `steps[2]: from 5`, `steps[2]: percent 1001`,
	} {
		assert.ErrorContains(t, err, want)
	}
}

func TestAgreementKeepsNothingOfTheCaller(t *testing.T) {
	minutes := 60
	level := clocks(sla.Clock{Name: sla.Resolve, Within: sla.Interval{BusinessMinutes: &minutes}})
	a := office(t, level)
	minutes = 1
	level.Clocks[0].Name = "other"
	got, ok := a.Level("test")
	require.True(t, ok)
	assert.Equal(t, sla.Business(60), got.Clocks[0].Within)
	*got.Clocks[0].Within.BusinessMinutes = 2
	got.Clocks[0].From[0] = "x"
	again, _ := a.Level("test")
	assert.Equal(t, sla.Business(60), again.Clocks[0].Within)
	assert.Equal(t, []sla.Moment{sla.Created}, again.Clocks[0].From)
	_, ok = a.Level("gold")
	assert.False(t, ok)
	c, ok := a.Calendar("office")
	require.True(t, ok)
	assert.Equal(t, "Europe/Berlin", c.Zone().String())
}

func TestTermsFromJSON(t *testing.T) {
	const text = `{"calendars": [{"name": "office", "zone": "UTC", "week": {"mon": ["09:00-17:00"]}}],
		"levels": [{"name": "test", "calendar": "office", "outOfHours": {"realMinutes": 15}, "clocks": [
			{"name": "response", "within": {"businessMinutes": 0}, "warn": {"realMinutes": 5}},
			{"name": "next update", "from": ["inside", "created"], "within": {"realMinutes": 60}, "pauseOn": ["stalled"]}]}],
		"choose": [{"kind": "report", "level": "test"}], "default": "none", "priority": {"steps": [{"from": 80, "percent": 50}]}}`
	var terms sla.Terms
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&terms))
	f := sla.Facts{Created: at(t, "2026-03-01T08:00:00Z"), Unanswered: at(t, "2026-03-01T08:00:00Z")}
	assert.Equal(t, at(t, "2026-03-01T09:15:00Z"), due(t, agreement(t, terms), "test", f))
}

func TestSummarise(t *testing.T) {
	h := func(n int) time.Duration { return time.Duration(n) * time.Hour }
	samples := []sla.Sample{{h(5), false}, {h(1), true}, {h(3), true}, {h(2), true}, {h(4), true}}
	assert.Equal(t, sla.Figures{Met: 4, Missed: 1, Percentiles: []time.Duration{h(3), h(5), h(1)}}, sla.Summarise(samples, 50, 95, 20))
	assert.Equal(t, h(5), samples[0].Took, "left as it was")
	assert.Equal(t, sla.Figures{}, sla.Summarise(nil, 50))

	// The example of nearest rank that textbooks use: 15 20 35 40 50.
	list := []time.Duration{15, 20, 35, 40, 50}
	for p, want := range map[int]time.Duration{-1: 15, 0: 15, 5: 15, 30: 20, 40: 20, 41: 35, 50: 35, 80: 40, 81: 50, 100: 50, 101: 50} {
		assert.Equal(t, want, sla.Percentile(list, p), p)
	}
	assert.Zero(t, sla.Percentile(nil, 50))
}
