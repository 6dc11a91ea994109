package incident_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// clocked is a due date by clocks, the first of which wins.
func clocked(clocks ...incident.Clock) incident.DueSet {
	return incident.DueSet{Due: &clocks[0].Due, Clock: clocks[0].Name, Basis: &incident.Basis{Level: "gold", Why: "it was set", Clocks: clocks}}
}

func response(from, due, warn int) incident.Clock {
	return incident.Clock{Name: "response", Level: "gold", From: at(from), Due: at(due), Warn: ptr(at(warn))}
}

func warned(c incident.Clock) incident.Warned {
	return incident.Warned{Clock: c.Name, Level: c.Level, From: c.From, Due: c.Due}
}

func breached(c incident.Clock) incident.Breached { return incident.Breached(warned(c)) }

// The next alarm is the first thing that a sweep has to do.
func TestNextAlarm(t *testing.T) {
	first, moved, other := response(0, 9, 8), response(0, 12, 11), response(5, 14, 13)
	resolve := incident.Clock{Name: "resolve", Level: "gold", From: at(0), Due: at(20)}
	after := func(hour int) *time.Time { return ptr(at(hour).Add(time.Microsecond)) }
	closed := incident.Moved{To: "resolved", Phase: incident.Inactive}
	for _, test := range []struct {
		name   string
		events []incident.Event
		want   *time.Time
	}{
		{"nothing", nil, nil},
		{"a reminder", []incident.Event{incident.Edited{Wake: ptr(at(7))}}, ptr(at(7))},
		{"a due date by hand", []incident.Event{incident.DueSet{Due: ptr(at(3))}}, ptr(at(3))},
		{"that has passed", []incident.Event{incident.DueSet{Due: ptr(at(3))}, incident.Overdue{Due: at(3)}}, nil},
		{"another one", []incident.Event{incident.DueSet{Due: ptr(at(3))}, incident.Overdue{Due: at(3)}, incident.DueSet{Due: ptr(at(4))}}, ptr(at(4))},
		{"of what is closed", []incident.Event{incident.DueSet{Due: ptr(at(3))}, closed}, nil},
		{"the warning", []incident.Event{clocked(first, resolve)}, ptr(at(8))},
		{"a reminder before it", []incident.Event{clocked(first, resolve), incident.Edited{Wake: ptr(at(7))}}, ptr(at(7))},
		{"the breach", []incident.Event{clocked(first, resolve), warned(first)}, after(9)},
		{"the other clock", []incident.Event{clocked(first, resolve), warned(first), breached(first)}, after(20)},
		{"both recorded", []incident.Event{clocked(first), warned(first), breached(first)}, nil},
		{"the deadline moved", []incident.Event{clocked(first), warned(first), clocked(moved)}, ptr(at(11))},
		{"and back", []incident.Event{clocked(first), warned(first), clocked(moved), clocked(first)}, after(9)},
		{"and back, after a pause", []incident.Event{clocked(first), warned(first), clocked(resolve), clocked(first, resolve)}, after(9)},
		{"another run", []incident.Event{clocked(first), warned(first), breached(first), clocked(other)}, ptr(at(13))},
		{"a date by hand stops no clock", []incident.Event{clocked(first), incident.DueSet{}}, ptr(at(8))},
		{"no clock any more", []incident.Event{clocked(first), incident.DueSet{Basis: &incident.Basis{Level: "none"}}}, nil},
		{"closed in time", []incident.Event{clocked(resolve), closed}, nil},
		{"closed late", []incident.Event{clocked(incident.Clock{Name: "resolve", From: at(0), Due: at(0)}), closed}, after(0)},
	} {
		t.Run(test.name, func(t *testing.T) {
			events := append([]incident.Event{opened("scan"), incident.Moved{To: "open", Phase: incident.Active}}, test.events...)
			ticket := incident.Fold(chain(t, events...))
			assert.Equal(t, test.want, ticket.NextAlarm())
		})
	}
}

// What is remembered does not grow with the runs of a clock, and a run that comes back
// is known.
func TestAlarmsOfEarlierRunsAreForgotten(t *testing.T) {
	var events []incident.Event
	var want []incident.Alarm
	events = append(events, opened("scan"))
	for i := range 20 {
		c := response(i, i+2, i+1)
		events = append(events, clocked(c), warned(c), breached(c), breached(c))
		if i > 10 { // 16 of earlier runs
			want = append(want, incident.Alarm{Clock: "response", From: c.From, Due: c.Due}, incident.Alarm{Clock: "response", From: c.From, Due: c.Due, Breach: true})
		}
	}
	ticket := incident.Fold(chain(t, events...))
	require.Equal(t, want, ticket.Alarms)
	assert.True(t, ticket.Alarmed(response(19, 21, 0), true))
	assert.True(t, ticket.Alarmed(response(11, 13, 0), true))
	assert.False(t, ticket.Alarmed(response(10, 12, 0), true))
	again := incident.Fold(chain(t, append(events, clocked(response(11, 13, 12)))...))
	assert.True(t, again.Alarmed(again.Clocks[0], true), "the run that comes back was breached already")
}

// Times of clocks are kept as all times are.
func TestClocksKeepMoments(t *testing.T) {
	odd := time.Date(2026, 3, 1, 10, 0, 0, 123_456_789, time.FixedZone("CET", 3600))
	c := incident.Clock{Name: "response", From: odd, Due: odd, Warn: &odd}
	ticket := incident.Fold(chain(t, opened("scan"), clocked(c), breached(c)))
	want := incident.Moment(odd)
	require.Equal(t, []incident.Clock{{Name: "response", From: want, Due: want, Warn: &want}}, ticket.Clocks)
	require.Equal(t, []incident.Alarm{{Clock: "response", From: want, Due: want, Breach: true}}, ticket.Alarms)
	require.True(t, ticket.Alarmed(ticket.Clocks[0], true))
}

// The JSON of a due date without a basis is what it always was.
func TestDueWithoutBasis(t *testing.T) {
	var r incident.Record
	require.NoError(t, r.Encode(incident.DueSet{Due: ptr(at(9)), Child: 8, Clock: "response"}))
	require.Equal(t, `{"due":"2026-03-01T09:00:00.123456Z","child":8,"clock":"response"}`, string(r.Data))
	require.NoError(t, r.Encode(incident.DueSet{Due: ptr(at(9)), Clock: "response", Basis: &incident.Basis{Level: "gold", Why: "it was set", Start: "created", From: ptr(at(8)),
		Calendar: "office", Zone: "UTC", Agreed: "60 minutes", Within: "60 minutes", Clocks: []incident.Clock{{Name: "response", Level: "gold", From: at(8), Due: at(9)}}}}))
	require.Equal(t, `{"due":"2026-03-01T09:00:00.123456Z","clock":"response","basis":{"level":"gold","why":"it was set","start":"created","from":"2026-03-01T08:00:00.123456Z",`+
		`"calendar":"office","zone":"UTC","agreed":"60 minutes","within":"60 minutes","clocks":[{"name":"response","level":"gold","from":"2026-03-01T08:00:00.123456Z","due":"2026-03-01T09:00:00.123456Z"}]}}`, string(r.Data))
	require.NoError(t, r.Encode(incident.Warned{Clock: "response", Level: "gold", From: at(8), Due: at(9)}))
	require.Equal(t, `{"clock":"response","level":"gold","from":"2026-03-01T08:00:00.123456Z","due":"2026-03-01T09:00:00.123456Z"}`, string(r.Data))
}
