package workflow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
	"github.com/airtight-csirt/airtight/workflow"
)

// agreedTerms promise an answer within four hours, and nothing to students.
func agreedTerms() sla.Terms {
	return sla.Terms{
		Levels: []sla.Level{
			{Name: "plain", Clocks: []sla.Clock{{Name: sla.Response, Within: sla.Real(240), Warn: sla.Real(60)}}},
			{Name: "careful", Clocks: []sla.Clock{
				{Name: sla.Response, Within: sla.Real(120), IgnoreOn: []string{"open"}},
				{Name: "look", Within: sla.Real(60), From: []sla.Moment{sla.Started, sla.Reopened, "aware"}, Until: []sla.Moment{sla.Resolved}},
			}},
		},
		Moments: []sla.Moment{"aware", sla.Reopened},
		Choose:  []sla.Choice{{Constituency: "students", Level: sla.None}},
		Default: "plain",
	}
}

func promising(t *testing.T) *workflow.Policy {
	p := workflow.Default()
	a, err := sla.NewAgreement(agreedTerms())
	require.NoError(t, err)
	p.Agreement = a
	require.NoError(t, p.Validate())
	return p
}

func waiting(hours int) change {
	return func(t *incident.Ticket) { t.OldestUnanswered = at(hours) }
}

func level(name string) change {
	return func(t *incident.Ticket) { t.Fields = map[string][]string{workflow.DefaultLevelField: {name}} }
}

// clock is the response clock of the level plain.
func clock(from int) incident.Clock {
	return incident.Clock{Name: sla.Response, Level: "plain", From: *at(from), Due: *at(from + 4), Warn: at(from + 3)}
}

func clocked(list ...incident.Clock) change {
	return func(t *incident.Ticket) { t.Clocks, t.Due, t.DueByClock = list, workflow.EarliestDue(list), true }
}

func alarmed(list ...incident.Alarm) change {
	return func(t *incident.Ticket) { t.Alarms = list }
}

func breachOf(c incident.Clock) incident.Alarm {
	return incident.Alarm{Clock: c.Name, From: c.From, Due: c.Due, Breach: true}
}

func TestDueByClock(t *testing.T) {
	p, d := promising(t), workflow.Derivations()[0]
	set := func(from int, clocks ...incident.Clock) incident.DueSet {
		return incident.DueSet{Due: at(from + 4), Clock: sla.Response, Basis: &incident.Basis{
			Level: "plain", Why: "no choice fits: the default", Start: "unanswered", From: at(from), Calendar: "24x7", Zone: "UTC",
			Agreed: "240 minutes", Within: "240 minutes", Clocks: clocks,
		}}
	}
	students := func(t *incident.Ticket) { t.Constituency = "students" }
	idle := incident.DueSet{Basis: &incident.Basis{Level: "plain", Why: "no choice fits: the default"}}
	none := &incident.Basis{Why: "choice 1 fits: constituency students"}
	breached := incident.Breached{Clock: sla.Response, Level: "plain", From: *at(-6), Due: *at(-2)}
	by := func(e ...incident.Event) []incident.Event { return e }
	for _, c := range []struct {
		name string
		t    incident.Ticket
		want []incident.Event
	}{
		{"waiting", report(waiting(-1)), by(set(-1, clock(-1)))},
		{"as it is", report(waiting(-1), clocked(clock(-1))), nil},
		{"investigation", report(kind(incident.KindInvestigation), waiting(-1)), by(set(-1, clock(-1)))},
		{"block", report(kind(incident.KindBlock), waiting(-1)), nil},
		{"incident", report(kind(incident.KindIncident), waiting(-1)), nil},
		{"nobody waits", report(), nil},
		{"answered", report(clocked(clock(-1))), by(idle)},
		{"answered late, unseen by a sweep", report(clocked(clock(-6))), by(breached, idle)},
		{"answered late, and recorded", report(clocked(clock(-6)), alarmed(breachOf(clock(-6)))), by(idle)},
		{"late, and not answered: the sweep's", report(waiting(-6), clocked(clock(-6))), nil},
		{"closed in time", report(resolved, waiting(-1)), nil},
		{"closed late", report(resolved, waiting(-6), clocked(clock(-6))), by(breached)},
		{"closed late, and recorded", report(resolved, clocked(clock(-6)), alarmed(breachOf(clock(-6)))), nil},
		{"by hand", report(waiting(-1), clocked(clock(-1)), func(t *incident.Ticket) { t.Due, t.DueByClock = at(9), false }), nil},
		{"by hand, and a clock moves", report(waiting(-2), clocked(clock(-1)), func(t *incident.Ticket) { t.Due, t.DueByClock = at(9), false }), by(set(-2, clock(-2)))},
		{"left over from before it was closed", report(due(at(1)), func(t *incident.Ticket) { t.DueByClock = true }), by(idle)},
		{"by the rule, before there was a level", report(level("careful"), open, waiting(-1), due(at(-1))), by(incident.DueSet{Basis: &incident.Basis{Level: "careful", Why: "it was set"}})},
		{"nothing promised", report(students, waiting(-1)), nil},
		{"nothing promised any more", report(students, waiting(-1), clocked(clock(-1))), by(incident.DueSet{Due: at(-1), Clock: workflow.ClockUnanswered, Basis: none})},
		{"nothing promised any more, a date by hand", report(students, clocked(clock(-1)), func(t *incident.Ticket) { t.Due, t.DueByClock = at(9), false }),
			by(incident.DueSet{Due: at(9), Basis: none})},
		{"a level that does not exist", report(level("gold"), waiting(-1)), by(set(-1, clock(-1)))},
	} {
		var facts workflow.Facts
		for _, a := range d.Asks(p, c.t) {
			require.Equal(t, workflow.FactStatuses, a.Fact)
			facts.KnowStatuses(a, []workflow.StatusRecord{{At: *at(-9), Status: c.t.Status, Phase: c.t.Phase}})
		}
		require.Equal(t, c.want, d.Then(p, c.t, facts, env, d.Params), c.name)
	}
}

// The history of statuses is asked for only by who looks at it, the incidents
// only where there are some.
func TestPromiseAsks(t *testing.T) {
	p := promising(t)
	statuses, parents := workflow.Ask{Fact: workflow.FactStatuses, Ticket: 7}, workflow.Ask{Fact: workflow.FactParents, Ticket: 7}
	for _, c := range []struct {
		name string
		t    incident.Ticket
		want []workflow.Ask
	}{
		{"alone", report(), nil},
		{"linked", report(under(3)), []workflow.Ask{parents}},
		{"a clock that is ignored at times", report(level("careful"), under(3)), []workflow.Ask{parents, statuses}},
		{"nothing promised", report(under(3), func(t *incident.Ticket) { t.Constituency = "students" }), nil},
		{"block", report(kind(incident.KindBlock), under(3)), nil},
	} {
		require.Equal(t, c.want, p.PromiseAsks(c.t), c.name)
	}
	terms := agreedTerms()
	terms.Levels[1].Clocks[0].IgnoreOn = nil
	p.Agreement, _ = sla.NewAgreement(terms)
	require.Empty(t, p.PromiseAsks(report(level("careful"))), "it was never closed, so never opened again")
	require.Equal(t, []workflow.Ask{statuses}, p.PromiseAsks(report(level("careful"), func(t *incident.Ticket) { t.Resolved = at(-1) })))
}

func TestPromise(t *testing.T) {
	p := promising(t)
	started := func(t *incident.Ticket) { t.Started, t.Resolved = at(-8), at(-7) }
	aware := func(text string) change {
		return func(t *incident.Ticket) {
			t.Fields = map[string][]string{workflow.DefaultLevelField: {"careful"}, "aware": {text}}
		}
	}
	look := func(changes ...change) (sla.Deadline, error) {
		ticket := report(append([]change{open, started}, changes...)...)
		var facts workflow.Facts
		facts.KnowStatuses(workflow.Ask{Fact: workflow.FactStatuses, Ticket: 7}, []workflow.StatusRecord{
			{*at(-9), "new", incident.Initial}, {*at(-8), "open", incident.Active}, {*at(-7), "resolved", incident.Inactive}, {*at(-5), "open", incident.Active},
		})
		facts.Know(workflow.Ask{Fact: workflow.FactParents, Ticket: 7}, three, incident.Ticket{ID: 4, Priority: 100})
		promise, err := p.Promise(ticket, facts)
		require.Len(t, promise.Plan.Deadlines, 1)
		return promise.Plan.Deadlines[0], err
	}
	d, err := look(aware(""))
	require.NoError(t, err)
	require.Equal(t, []any{sla.Reopened, *at(-5), *at(-4)}, []any{d.Start, d.From, d.Due})
	d, err = look(aware(at(-2).Format(time.RFC3339)), under(3, 4))
	require.NoError(t, err)
	require.Equal(t, []any{sla.Moment("aware"), *at(-2), at(-2).Add(30 * time.Minute), 100}, []any{d.Start, d.From, d.Due, d.Priority})
	_, err = look(aware("soon"))
	require.ErrorContains(t, err, `field "aware" of ticket 7 is no time: allowed is one time like 2026-03-02T09:00:00Z`)

	require.PanicsWithError(t, "workflow: the fact parents of ticket 7 is used without having been asked for", func() { _, _ = p.Promise(report(under(3)), workflow.Facts{}) })
	promise, err := workflow.Default().Promise(report(), workflow.Facts{})
	require.NoError(t, err)
	require.Equal(t, sla.Chosen{Level: sla.None, Why: "there is no service agreement"}, promise.Chosen)
}

// The derivation is driven by what clocks follow from, not by remembered moments.
func TestWhatMovesClocks(t *testing.T) {
	p, d := promising(t), workflow.Derivations()[0]
	base := report(under(3))
	for _, c := range []struct {
		name  string
		after incident.Ticket
		want  bool
	}{
		{"status", report(under(3), open), true},
		{"constituency", report(under(3), func(t *incident.Ticket) { t.Constituency = "students" }), true},
		{"priority", report(under(3), func(t *incident.Ticket) { t.Priority = 9 }), true},
		{"linked", report(under(3, 4)), true},
		{"unlinked", report(), true},
		{"level", report(under(3), level("careful")), true},
		{"moment", report(under(3), func(t *incident.Ticket) { t.Fields = map[string][]string{"aware": {"x"}} }), true},
		{"started", report(under(3), func(t *incident.Ticket) { t.Started = at(0) }), true},
		{"a message from outside", report(under(3), waiting(0)), true},
		{"a message from inside", report(under(3), func(t *incident.Ticket) { t.LastInside = at(0) }), true},
		{"chasing", report(under(3), func(t *incident.Ticket) { t.LastOutside, t.Messages = at(0), 5 }), false},
		{"another field", report(under(3), func(t *incident.Ticket) { t.Fields = map[string][]string{"x": {"y"}} }), false},
		{"a due date", report(under(3), due(at(1))), false},
		{"an owner", report(under(3), owned("handler:bob")), false},
		{"a block", report(under(3), kind(incident.KindBlock), open), false},
	} {
		before := base
		before.Kind = c.after.Kind
		ch := changed(before, c.after, incident.Custom{}, nil)
		require.Empty(t, d.DirtyAsks(p, ch), c.name)
		var want []incident.ID
		if c.want {
			want = []incident.ID{7}
		}
		require.Equal(t, want, d.Dirty(p, ch, workflow.Facts{}), c.name)
		require.Empty(t, d.Dirty(workflow.Default(), ch, workflow.Facts{}), "nothing is promised")
	}
	require.Equal(t, []incident.ID{7}, d.Dirty(p, changed(incident.Ticket{}, report(), incident.Opened{}, nil), workflow.Facts{}), "new")

	// An incident's priority is that of its children.
	inc := report(kind(incident.KindIncident))
	raised := changed(inc, report(kind(incident.KindIncident), func(t *incident.Ticket) { t.Priority = 90 }), incident.Edited{}, nil)
	ask := workflow.Ask{Fact: workflow.FactOpenChildren, Ticket: 7}
	require.Equal(t, []workflow.Ask{ask}, d.DirtyAsks(p, raised))
	require.Empty(t, d.DirtyAsks(workflow.Default(), raised))
	require.Empty(t, d.DirtyAsks(p, changed(incident.Ticket{}, raised.After, incident.Opened{}, nil)), "it has no children yet")
	require.Empty(t, d.DirtyAsks(p, changed(inc, inc, incident.Commented{}, nil)))
	var facts workflow.Facts
	facts.Know(ask, incident.Ticket{ID: 8}, incident.Ticket{ID: 9})
	require.Equal(t, []incident.ID{8, 9}, d.Dirty(p, raised, facts))
}

// With a level in force the rules of tickets without one stand aside.
func TestRulesStandAside(t *testing.T) {
	const why = "its due date follows from its service level"
	p := promising(t)
	says := func(name string, c workflow.Change) workflow.Verdict {
		r := rule(t, name)
		return r.Then(p, c, parents(7).answer(r.Asks(p, c)), r.Params)
	}
	said := changed(report(), report(waiting(-3)), incident.Message{Side: incident.Outside}, workflow.Append{})
	require.Equal(t, workflow.Verdict{Why: why}, says("due-on-reply", said))
	said.After.Constituency = "students"
	require.Len(t, says("due-on-reply", said).Commands, 1)

	answer := incident.Message{Side: incident.Inside, Sent: true, Answers: true}
	done := changed(report(waiting(-3), clocked(clock(-3))), report(clocked(clock(-3))), answer, workflow.Reply{})
	require.Equal(t, workflow.Verdict{Why: why}, says("due-after-reply", done))
	done.After.Constituency = "students"
	require.Len(t, says("due-after-reply", done).Commands, 1)
}

func TestWakeRecordsAlarms(t *testing.T) {
	wake := workflow.Wake{Ticket: 7}
	warned := func(c incident.Clock) incident.Warned {
		return incident.Warned{Clock: c.Name, Level: c.Level, From: c.From, Due: c.Due}
	}
	breached := func(c incident.Clock) incident.Breached { return incident.Breached(warned(c)) }
	late, near, far := clock(-6), clock(-3), clock(-1)
	atNow := clock(-4)
	run(t, []decision{
		{"far", report(clocked(far)), wake, nil, nil, nil, ""},
		{"near", report(clocked(near)), wake, nil, list(warned(near)), nil, ""},
		{"due now", report(clocked(atNow)), wake, nil, list(warned(atNow)), nil, ""},
		{"late", report(clocked(late)), wake, nil, list(warned(late), breached(late)), nil, ""},
		{"late, warned", report(clocked(late), alarmed(incident.Alarm{Clock: late.Name, From: late.From, Due: late.Due})), wake, nil, list(breached(late)), nil, ""},
		{"late, recorded", report(clocked(late), alarmed(breachOf(late))), wake, nil, nil, nil, ""},
		{"an alarm of another run", report(clocked(late), alarmed(breachOf(near))), wake, nil, list(warned(late), breached(late)), nil, ""},
		{"closed late", report(resolved, clocked(late)), wake, nil, list(breached(late)), nil, ""},
		{"two clocks and a reminder", report(clocked(near, incident.Clock{Name: "look", Level: "plain", From: *at(-9), Due: *at(-8)}), func(t *incident.Ticket) { t.Wake = at(-1) }), wake, nil,
			list(incident.Edited{Clear: []string{"wake"}}, warned(near), incident.Breached{Clock: "look", Level: "plain", From: *at(-9), Due: *at(-8)}), nil, ""},
	})
}

func TestValidateAgreement(t *testing.T) {
	p := promising(t)
	p.AgreementKinds = []incident.Kind{incident.KindBlock, incident.KindIncident, "problem"}
	p.LevelField = "aware"
	err := p.Validate()
	for _, want := range []string{
		`has an agreement about "incident": allowed are report, investigation, block`,
		`has an agreement about "problem"`,
		`keeps the service level in the field "aware", which is a moment of the agreement`,
	} {
		require.ErrorContains(t, err, want)
	}
	p.AgreementKinds = []incident.Kind{incident.KindBlock}
	require.ErrorContains(t, p.Validate(), `stand still in status "open": allowed are pending activation, active, pending removal, removed`)
	p = promising(t)
	terms := agreedTerms()
	terms.Levels[1].Clocks[0].IgnoreOn = []string{"stalled"}
	p.Agreement, _ = sla.NewAgreement(terms)
	require.ErrorContains(t, p.Validate(), `lets clock "response" of level "careful" stand still in status "stalled": allowed are new, open, resolved, rejected`)

	p = promising(t)
	p.AgreementKinds, p.LevelField = []incident.Kind{incident.KindBlock}, "contract"
	chosen, err := p.Level(report(kind(incident.KindBlock), func(t *incident.Ticket) { t.Fields = map[string][]string{"contract": {"careful"}} }))
	require.NoError(t, err)
	require.Equal(t, "careful", chosen.Level)
	chosen, _ = p.Level(report())
	require.Equal(t, sla.None, chosen.Level)
}
