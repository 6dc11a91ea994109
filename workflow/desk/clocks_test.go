package desk_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// terms are those of a desk with office hours, a better level for the
// constituency "hospital", and nothing promised to "students".
func terms() sla.Terms {
	return sla.Terms{
		Calendars: []sla.Hours{{Name: "office", Zone: "UTC", Week: sla.Weekdays("09:00-18:00")}, {Name: "always", Zone: "UTC", Week: sla.EveryDay("00:00-24:00")}},
		Levels: []sla.Level{
			{Name: "standard", Calendar: "office", Clocks: []sla.Clock{
				{Name: sla.Response, Within: sla.Business(60), Warn: sla.Business(30), PauseOn: []string{"stalled"}},
			}},
			{Name: "hospital", Calendar: "always", Clocks: []sla.Clock{
				{Name: sla.Response, Within: sla.Real(30), Warn: sla.Real(10), IgnoreOn: []string{"stalled"}},
				{Name: sla.KeepInLoop, Within: sla.Real(24 * 60), Warn: sla.Real(60)},
				{Name: sla.Resolve, Within: sla.Real(3 * 24 * 60), Warn: sla.Real(120)},
			}},
			{Name: "duty", Calendar: "always", Clocks: []sla.Clock{
				{Name: "early warning", Within: sla.Real(24 * 60), From: []sla.Moment{"aware"}, Fixed: true},
				{Name: "second look", Within: sla.Business(120), From: []sla.Moment{sla.Created, sla.Reopened}, Until: []sla.Moment{sla.Inside}},
			}},
		},
		Moments: []sla.Moment{"aware", sla.Reopened},
		Choose:  []sla.Choice{{Constituency: "hospital", Level: "hospital"}, {Constituency: "students", Level: sla.None}},
		Default: "standard",
	}
}

func agreed(t require.TestingT, terms sla.Terms) *sla.Agreement {
	a, err := sla.NewAgreement(terms)
	require.NoError(t, err)
	return a
}

// promising gives a policy the terms, and a status in which clocks stand still.
func promising(p *workflow.Policy) {
	for _, kind := range []incident.Kind{incident.KindReport, incident.KindInvestigation} {
		l := p.Lifecycles[kind]
		for i, s := range l.Statuses {
			if s.Phase != incident.Inactive {
				l.Statuses[i].MoveTo = append(s.MoveTo, "stalled")
			}
		}
		l.Statuses = append(l.Statuses, workflow.StatusDef{Name: "stalled", Phase: incident.Active, MoveTo: []incident.Status{"open", "resolved"}})
		p.Lifecycles[kind] = l
	}
	a, err := sla.NewAgreement(terms())
	if err != nil {
		panic(err)
	}
	p.Agreement = a
}

// day is a time in the week that begins on Monday, 2 March 2026.
func day(weekday time.Weekday, clock string) time.Time {
	t, err := time.Parse(time.TimeOnly, clock)
	if err != nil {
		panic(err)
	}
	days := (int(weekday) + 6) % 7
	return time.Date(2026, 3, 2+days, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

func week(weekday time.Weekday, clock string) *time.Time {
	t := day(weekday, clock).AddDate(0, 0, 7)
	return &t
}

// to moves the clock so that the next step is at t.
func (w *world) to(t time.Time) { w.now = t.Add(-time.Minute) }

// sweep sweeps now, and returns how many tickets it acted on.
func (w *world) sweep() int {
	w.t.Helper()
	done, err := w.desk.Sweep(ctx, 0)
	require.NoError(w.t, err)
	w.verify()
	return done
}

// count returns how many records of a type a ticket has.
func (w *world) count(id incident.ID, kind string) int {
	return strings.Count(" "+w.types(id)+" ", " "+kind+" ")
}

func (w *world) explain(id incident.ID) *desk.Promised {
	w.t.Helper()
	e, err := w.alice.Promise(ctx, id)
	require.NoError(w.t, err)
	return e
}

// friday is a report that came on Friday at 17:30.
func (w *world) friday() incident.ID {
	w.to(day(time.Friday, "17:30:00"))
	w.fridays++
	return w.receive("bob@example.org", "Scan", fmt.Sprintf("Message-ID: <%d@friday.example.org>\r\n", w.fridays)).Ticket
}

func clockScenarios() []scenario {
	return []scenario{
		{name: "chasing does not move the deadline", play: chased},
		{name: "a status pauses a clock", play: paused},
		{name: "a status hides a clock", play: ignored},
		{name: "the priority of an incident is that of its children", play: priorities},
		{name: "a warning and a breach are recorded once", play: alarmedOnce},
		{name: "a late sweep records both", play: alarmedLate},
		{name: "what was missed between two sweeps is recorded", play: missedUnseen},
		{name: "a moved deadline warns again", play: warnedAgain},
		{name: "several clocks run side by side", play: sideBySide},
		{name: "closing and opening again", play: closedAndOpened},
		{name: "a change of level, constituency or priority says so", play: levels},
		{name: "moments come from fields", play: moments},
		{name: "a date by hand and a reminder stay until a clock moves", play: byHand},
		{name: "an incident is due with the clocks of its children", play: incidentByClock},
		{name: "a held report that is delivered moves the clock back", play: deliveredEarlier},
	}
}

func chased(w *world) {
	report := w.friday()
	due := week(time.Monday, "09:30:00")
	w.due(due, report)
	set, record := w.last(report, "due")
	from := day(time.Friday, "17:30:00")
	require.Equal(w.t, incident.DueSet{Due: due, Clock: sla.Response, Basis: &incident.Basis{
		Level: "standard", Why: "no choice fits: the default", Start: "unanswered", From: &from, Calendar: "office", Zone: "UTC",
		Agreed: "60 business minutes", Within: "60 business minutes",
		Clocks: []incident.Clock{{Name: sla.Response, Level: "standard", From: from, Due: *due, Warn: week(time.Monday, "09:00:00")}},
	}}, set)
	require.Equal(w.t, incident.Cause{Rule: "due-by-clock", Ticket: report, Version: 2}, record.Cause, "the message")

	w.to(day(time.Saturday, "11:00:00"))
	w.answer(report) // chasing
	w.due(due, report)
	require.Equal(w.t, 1, w.count(report, "due"))
	_, record = w.last(report, "message")
	require.Equal(w.t, []incident.NearMiss{{Rule: "due-on-reply", Why: "its due date follows from its service level"}}, record.NearMisses())

	w.to(*week(time.Monday, "09:10:00"))
	w.do(workflow.Reply{Ticket: report, Text: "We are on it."})
	w.due(nil, report)
	set, record = w.last(report, "due")
	require.Equal(w.t, incident.DueSet{Basis: &incident.Basis{Level: "standard", Why: "no choice fits: the default"}}, set)
	_, message := w.last(report, "message")
	require.Equal(w.t, []incident.NearMiss{{Rule: "due-after-reply", Why: "its due date follows from its service level"}}, message.NearMisses())
	require.Equal(w.t, message.Version, record.Cause.Version)

	w.to(*week(time.Monday, "12:00:00"))
	w.answer(report)
	w.due(week(time.Monday, "13:00:00"), report)
	require.Equal(w.t, 1, w.count(report, "opened"))
	require.Zero(w.t, w.count(report, "breached"))
}

func paused(w *world) {
	report := w.friday()
	w.to(*week(time.Monday, "09:10:00"))
	w.do(workflow.Move{Ticket: report, To: "stalled"})
	w.due(nil, report)
	w.to(*week(time.Monday, "16:00:00"))
	require.Equal(w.t, []sla.Idle{{Clock: sla.Response, Why: `is paused in status "stalled"`}}, w.explain(report).Idle)
	require.Zero(w.t, w.sweep())
	w.do(workflow.Move{Ticket: report, To: "open"})
	w.due(week(time.Monday, "16:20:00"), report)
	set, _ := w.last(report, "due")
	require.EqualValues(w.t, (6*60+50)*60, set.(incident.DueSet).Basis.PausedSeconds)

	// A deadline that had passed stays, and is missed.
	w.now = *week(time.Monday, "16:30:00")
	w.do(workflow.Move{Ticket: report, To: "stalled"})
	w.due(week(time.Monday, "16:20:00"), report)
	require.Equal(w.t, 1, w.sweep())
	require.Equal(w.t, 1, w.count(report, "breached"))
}

func ignored(w *world) {
	report := w.child(incident.KindReport)
	w.do(workflow.Edit{Ticket: report, Constituency: pointer("hospital")})
	w.answer(report)
	received := w.now
	response := received.Add(30 * time.Minute)
	w.due(&response, report)
	w.do(workflow.Move{Ticket: report, To: "stalled"})
	resolve := w.ticket(report).Created.Add(3 * 24 * time.Hour)
	w.due(&resolve, report)
	w.to(received.Add(time.Hour))
	w.do(workflow.Move{Ticket: report, To: "open"})
	w.due(&response, report) // time went on
	require.Zero(w.t, w.count(report, "breached"))
	require.Equal(w.t, 1, w.sweep())
	require.Equal(w.t, 1, w.count(report, "breached"))
}

func priorities(w *world) {
	one, two := w.incident(), w.incident()
	report := w.friday()
	w.do(workflow.Link{Ticket: report, Parent: one})
	w.due(week(time.Monday, "09:30:00"), report, one) // 50 changes nothing
	w.do(workflow.Edit{Ticket: one, Priority: pointer(100)})
	half := day(time.Friday, "18:00:00")
	w.due(&half, report, one)
	set, record := w.last(report, "due")
	basis := set.(incident.DueSet).Basis
	require.Equal(w.t, []any{"60 business minutes", "30 business minutes", 100}, []any{basis.Agreed, basis.Within, basis.Priority})
	require.Equal(w.t, incident.Cause{Rule: "due-by-clock", Ticket: one, Version: w.ticket(one).Version - 1}, record.Cause, "the incident's edit")
	_, record = w.last(one, "due")
	require.Equal(w.t, incident.Cause{Rule: "incident-due", Ticket: report, Version: w.ticket(report).Version}, record.Cause, "the report's due date")

	w.do(workflow.Edit{Ticket: two, Priority: pointer(75)}, workflow.Link{Ticket: report, Parent: two})
	w.due(&half, report, one, two) // the highest counts
	w.do(workflow.Unlink{Ticket: report, Parent: one})
	forty := *week(time.Monday, "09:10:00")
	w.due(&forty, report, two)
	w.do(workflow.Edit{Ticket: report, Priority: pointer(80)}) // its own, when it is higher
	w.due(week(time.Monday, "09:07:00"), report, two)
	w.do(workflow.Edit{Ticket: report, Priority: pointer(0)})
	w.due(&forty, report, two)
}

func alarmedOnce(w *world) {
	report := w.friday()
	require.Zero(w.t, w.sweep())
	w.now = *week(time.Monday, "09:00:00")
	require.Equal(w.t, 1, w.sweep())
	require.Zero(w.t, w.sweep())
	warned, record := w.last(report, "warned")
	from, due := day(time.Friday, "17:30:00"), *week(time.Monday, "09:30:00")
	require.Equal(w.t, incident.Warned{Clock: sla.Response, Level: "standard", From: from, Due: due}, warned)
	require.Equal(w.t, incident.System, record.By)
	w.now = due
	require.Zero(w.t, w.sweep(), "an answer at this moment would be in time")
	w.now = due.Add(time.Microsecond)
	require.Equal(w.t, 1, w.sweep())
	require.Zero(w.t, w.sweep())
	breached, _ := w.last(report, "breached")
	require.Equal(w.t, incident.Breached{Clock: sla.Response, Level: "standard", From: from, Due: due}, breached)
	w.due(&due, report) // it is still to be answered
	w.do(workflow.Reply{Ticket: report, Text: "Sorry."})
	w.now = w.now.AddDate(0, 0, 7)
	require.Zero(w.t, w.sweep())
	require.Equal(w.t, []int{1, 1}, []int{w.count(report, "warned"), w.count(report, "breached")})
	require.Nil(w.t, w.ticket(report).NextAlarm())
}

func alarmedLate(w *world) {
	report := w.friday()
	w.now = *week(time.Wednesday, "09:00:00")
	require.Equal(w.t, 1, w.sweep())
	require.Equal(w.t, "opened message due warned breached", w.types(report))
	require.Zero(w.t, w.sweep())
}

func missedUnseen(w *world) {
	answered, closed, raised := w.friday(), w.friday(), w.friday()
	w.to(*week(time.Monday, "10:00:00"))
	w.do(workflow.Reply{Ticket: answered, Text: "Sorry."})
	_, record := w.last(answered, "breached")
	require.Equal(w.t, "due-by-clock", record.Cause.Rule)
	w.do(workflow.Move{Ticket: closed, To: "resolved"})
	require.Equal(w.t, 1, w.count(closed, "breached"))
	w.do(workflow.Edit{Ticket: raised, Constituency: pointer("students")})
	require.Equal(w.t, 1, w.count(raised, "breached"))
	require.Equal(w.t, 1, w.sweep(), "a date that is no clock's has passed")
	require.Equal(w.t, 1, w.count(raised, "overdue"))
	w.do(workflow.Reopen{Ticket: closed})
	require.Zero(w.t, w.sweep(), "it is the same deadline")

	inTime := w.child(incident.KindReport)
	w.answer(inTime)
	w.do(workflow.Move{Ticket: inTime, To: "resolved"})
	w.now = w.now.AddDate(0, 0, 1)
	require.Zero(w.t, w.sweep(), "a closed ticket warns nobody")
}

func warnedAgain(w *world) {
	inc := w.incident()
	report := w.friday()
	w.now = *week(time.Monday, "09:00:00")
	require.Equal(w.t, 1, w.sweep())
	w.do(workflow.Link{Ticket: report, Parent: inc}, workflow.Edit{Ticket: inc, Priority: pointer(40)}) // 75 minutes
	w.due(week(time.Monday, "09:45:00"), report)
	require.Zero(w.t, w.sweep())
	w.now = *week(time.Monday, "09:15:00")
	require.Equal(w.t, 1, w.sweep())
	require.Equal(w.t, 2, w.count(report, "warned"))
	w.do(workflow.Edit{Ticket: inc, Priority: pointer(50)}) // as it was
	require.Zero(w.t, w.sweep())
	require.Equal(w.t, 2, w.count(report, "warned"))
	require.Zero(w.t, w.count(report, "breached"))
}

func sideBySide(w *world) {
	report := w.do(workflow.Open{Kind: incident.KindReport, Subject: "Scan", Constituency: "hospital", Text: "Help",
		Requestors: []incident.Party{{Address: "bob@example.org"}}}).Opened[0]
	opened := w.now
	after := func(d time.Duration) *time.Time { t := opened.Add(d); return &t }
	w.due(after(30*time.Minute), report)
	require.Len(w.t, w.ticket(report).Clocks, 2)
	w.do(workflow.Reply{Ticket: report, Text: "Which computer?"})
	loop := w.now.Add(24 * time.Hour)
	w.due(&loop, report)
	w.answer(report) // they keep us in the loop, and wait
	response := w.now.Add(30 * time.Minute)
	w.due(&response, report)
	w.do(workflow.Reply{Ticket: report, Text: "Thank you."})
	w.now = opened.Add(3*24*time.Hour + time.Minute)
	require.Equal(w.t, 1, w.sweep())
	require.Equal(w.t, []int{2, 2}, []int{w.count(report, "warned"), w.count(report, "breached")}, "the update and the resolution")
	e := w.explain(report)
	require.Len(w.t, e.Clocks, 2)
	require.True(w.t, e.Clocks[1].Breached)
	require.Contains(w.t, e.Clocks[1].Sentence, "resolve is due")
	require.Equal(w.t, 3*24*time.Hour+time.Minute, e.Clocks[1].Elapsed)
}

func closedAndOpened(w *world) {
	report := w.do(workflow.Open{Kind: incident.KindReport, Subject: "Scan", Constituency: "hospital"}).Opened[0]
	due := w.now.Add(3 * 24 * time.Hour)
	w.due(&due, report)
	w.do(workflow.Move{Ticket: report, To: "resolved"})
	require.Empty(w.t, w.ticket(report).Clocks)
	w.due(&due, report) // kept, but it counts no more
	w.now = due.Add(time.Hour)
	require.Zero(w.t, w.sweep(), "it was closed in time")
	w.do(workflow.Reopen{Ticket: report})
	w.due(&due, report)
	require.Equal(w.t, 1, w.sweep())
	require.Equal(w.t, 1, w.count(report, "breached"))
	w.do(workflow.Move{Ticket: report, To: "resolved"})
	w.do(workflow.Reopen{Ticket: report})
	require.Zero(w.t, w.sweep())
	require.Equal(w.t, 1, w.count(report, "breached"))

	// A date of a clock that nobody waits for any more does not come back.
	waiting := w.child(incident.KindReport)
	w.answer(waiting)
	w.do(workflow.Move{Ticket: waiting, To: "resolved"})
	w.do(workflow.Reply{Ticket: waiting, Text: "It is done."})
	require.NotNil(w.t, w.ticket(waiting).Due)
	w.do(workflow.Reopen{Ticket: waiting})
	w.due(nil, waiting)

	// A level whose clock starts again when a ticket is opened again.
	again := w.do(workflow.Open{Kind: incident.KindReport, Subject: "Scan", Fields: map[string][]string{workflow.DefaultLevelField: {"duty"}}}).Opened[0]
	first := w.now.Add(2 * time.Hour)
	w.due(&first, again)
	w.do(workflow.Move{Ticket: again, To: "resolved"})
	w.do(workflow.Reopen{Ticket: again})
	second := w.now.Add(2 * time.Hour)
	w.due(&second, again)
	set, _ := w.last(again, "due")
	require.Equal(w.t, "reopened", set.(incident.DueSet).Basis.Start)
}

func levels(w *world) {
	report := w.friday()
	level := func(name ...string) workflow.Edit {
		return workflow.Edit{Ticket: report, Fields: map[string][]string{workflow.DefaultLevelField: name}}
	}
	check := func(due *time.Time, level, why string, c workflow.Command) {
		w.t.Helper()
		w.do(c)
		w.due(due, report)
		set, record := w.last(report, "due")
		require.Equal(w.t, []string{level, why}, []string{set.(incident.DueSet).Basis.Level, set.(incident.DueSet).Basis.Why})
		require.Equal(w.t, incident.Cause{Rule: "due-by-clock", Ticket: report, Version: record.Version - 1}, record.Cause)
		_, edit := w.last(report, "edited")
		require.Equal(w.t, edit.Version, record.Cause.Version)
	}
	received := day(time.Friday, "17:30:00")
	soon := received.Add(30 * time.Minute)
	check(&soon, "hospital", "it was set", level("hospital"))
	check(week(time.Monday, "09:30:00"), "standard", "no choice fits: the default", level())
	check(&soon, "hospital", "choice 1 fits: constituency hospital", workflow.Edit{Ticket: report, Constituency: pointer("hospital")})
	check(&received, "", "choice 2 fits: constituency students", workflow.Edit{Ticket: report, Constituency: pointer("students")})
	set, _ := w.last(report, "due")
	require.Equal(w.t, workflow.ClockUnanswered, set.(incident.DueSet).Clock, "whoever waits goes on waiting")
	require.Empty(w.t, w.ticket(report).Clocks)
	w.do(workflow.Reply{Ticket: report, Text: "Thank you."})
	w.due(nil, report)
	w.answer(report)
	w.due(w.at(), report) // the rules of old
	received = w.now
	check(nil, "duty", "it was set", level("duty")) // its clocks have not started or were stopped

	w.do(workflow.Edit{Ticket: report, Constituency: pointer("students")}, level("none"))
	w.due(&received, report) // they wait still
	require.False(w.t, w.ticket(report).DueByClock)

	for _, c := range []struct {
		fields map[string][]string
		want   string
	}{
		{map[string][]string{workflow.DefaultLevelField: {"platinum"}}, `service level "platinum" is not possible: allowed is one of standard, hospital, duty, none`},
		{map[string][]string{workflow.DefaultLevelField: {"standard", "duty"}}, `allowed is one of`},
		{map[string][]string{"aware": {"yesterday"}}, `aware "yesterday" is not possible: allowed is one time like 2026-03-02T09:00:00Z`},
		{map[string][]string{"reopened": {"2026-03-02T09:00:00Z"}}, `allowed is none: it is when the ticket was opened again`},
	} {
		require.ErrorContains(w.t, w.refused(workflow.Edit{Ticket: report, Fields: c.fields}), c.want)
		require.ErrorContains(w.t, w.refused(workflow.Open{Kind: incident.KindReport, Fields: c.fields}), c.want)
	}
}

func moments(w *world) {
	report := w.child(incident.KindReport)
	w.do(workflow.Edit{Ticket: report, Fields: map[string][]string{workflow.DefaultLevelField: {"duty"}, "aware": {"2026-03-02T10:00:00.1234567+02:00"}}})
	aware := time.Date(2026, 3, 2, 8, 0, 0, 123456000, time.UTC)
	require.Equal(w.t, []incident.Clock{
		{Name: "early warning", Level: "duty", From: aware, Due: aware.Add(24 * time.Hour)},
		{Name: "second look", Level: "duty", From: w.ticket(report).Created, Due: w.ticket(report).Created.Add(2 * time.Hour)},
	}, w.ticket(report).Clocks)
	w.do(workflow.Edit{Ticket: report, Fields: map[string][]string{"aware": nil}})
	require.Len(w.t, w.ticket(report).Clocks, 1)
}

func byHand(w *world) {
	report := w.friday()
	due, hand, reminder := week(time.Monday, "09:30:00"), week(time.Thursday, "12:00:00"), week(time.Monday, "08:00:00")
	w.do(workflow.Edit{Ticket: report, Due: hand})
	w.due(hand, report)
	require.Equal(w.t, "by hand", w.explain(report).DueBy)
	w.answer(report) // moves no clock
	w.due(hand, report)
	require.Equal(w.t, *due, w.ticket(report).Clocks[0].Due, "the clock goes on")
	w.do(workflow.Edit{Ticket: report, Wake: reminder})
	w.now = *reminder
	require.Equal(w.t, 1, w.sweep())
	w.due(reminder, report)
	require.Equal(w.t, "reminder", w.explain(report).DueBy)
	w.now = due.Add(time.Second)
	require.Equal(w.t, 1, w.sweep())
	require.Equal(w.t, 1, w.count(report, "breached"))
	w.do(workflow.Reply{Ticket: report, Text: "Thank you."})
	w.due(nil, report)
	require.Empty(w.t, w.explain(report).DueBy)
}

func incidentByClock(w *world) {
	inc := w.incident()
	report := w.friday()
	w.do(workflow.Link{Ticket: report, Parent: inc})
	w.due(week(time.Monday, "09:30:00"), report, inc)
	w.do(workflow.Move{Ticket: report, To: "resolved"})
	w.due(nil, inc)
	w.to(*week(time.Tuesday, "10:00:00"))
	w.answer(report) // opens both again; the first message was never answered
	w.status("open", report, inc)
	w.due(week(time.Monday, "09:30:00"), report, inc)
	w.do(workflow.Reply{Ticket: report, Text: "Sorry."})
	w.due(nil, report, inc)
	_, record := w.last(inc, "due")
	require.Equal(w.t, incident.Cause{Rule: "incident-due", Ticket: report, Version: w.ticket(report).Version}, record.Cause)

	// Opening it again makes its incident dirty, but what moves that is the due date.
	w.do(workflow.Move{Ticket: report, To: "resolved"}, workflow.Edit{Ticket: report, Constituency: pointer("hospital"), Due: hours(w, 1)})
	w.do(workflow.Reopen{Ticket: report})
	_, due := w.last(report, "due")
	require.Equal(w.t, "due-by-clock", due.Cause.Rule)
	_, record = w.last(inc, "due")
	require.Equal(w.t, due.Version, record.Cause.Version)
	w.due(w.ticket(report).Due, inc)
}

func deliveredEarlier(w *world) {
	inc := w.incident()
	inv := w.child(incident.KindInvestigation, inc)
	w.to(day(time.Tuesday, "09:30:00"))
	held := w.receive("bob@example.org", fmt.Sprintf("Re: [A CSIRT #%s] and [A CSIRT #%s]", inv, inc), "").Ticket
	first := day(time.Tuesday, "10:30:00")
	w.due(&first, held) // who holds it keeps somebody waiting
	w.to(day(time.Tuesday, "10:00:00"))
	w.answer(inv)
	later := day(time.Tuesday, "11:00:00")
	w.due(&later, inv, inc)
	w.do(workflow.Deliver{Ticket: held, To: inv})
	w.due(&first, inv, inc)
}
