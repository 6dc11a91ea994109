package sla_test

import (
	"testing"
	"time"

	"github.com/airtight-csirt/airtight/sla"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The vectors of RT's tests of service level agreements.
func TestVectorsRT(t *testing.T) {
	rtDefault := sla.Weekdays("09:00-18:00")
	monTue := map[string][]string{"mon": {"09:00-17:00"}, "tue": {"09:00-17:00"}}
	for _, tc := range []struct {
		name          string
		zone          string
		week          map[string][]string
		resolve       int
		created       string
		starts, dueAt string
	}{
		{"Resolve 60, Sunday 09-17, created on a Monday", "UTC", week("sun", "09:00-17:00"), 60, "2007-01-01T00:00:00Z", "2007-01-07T09:00:00Z", "2007-01-07T10:00:00Z"},
		{"same, level with Monday 09-17", "UTC", week("mon", "09:00-17:00"), 60, "2007-01-01T00:00:00Z", "2007-01-01T09:00:00Z", "2007-01-01T10:00:00Z"},
		{"Mon and Tue 09-17, created Mon 13:15", "UTC", monTue, 60, "2007-01-01T13:15:00Z", "2007-01-01T13:15:00Z", "2007-01-01T14:15:00Z"},
		{"same, Mon 19:15", "UTC", monTue, 60, "2007-01-01T19:15:00Z", "2007-01-02T09:00:00Z", "2007-01-02T10:00:00Z"},
		{"same, Saturday", "UTC", monTue, 60, "2007-01-06T13:15:00Z", "2007-01-08T09:00:00Z", "2007-01-08T10:00:00Z"},
		{"default calendar, zone New York", "America/New_York", rtDefault, 120, "2007-01-01T22:00:00Z", "2007-01-01T22:00:00Z", "2007-01-02T15:00:00Z"},
		{"default calendar, zone Moscow", "Europe/Moscow", rtDefault, 120, "2007-01-01T22:00:00Z", "2007-01-02T06:00:00Z", "2007-01-02T08:00:00Z"},
		{"default calendar, four hours instead of two", "Europe/Moscow", rtDefault, 240, "2007-01-01T22:00:00Z", "2007-01-02T06:00:00Z", "2007-01-02T10:00:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := agreement(t, sla.Terms{
				Calendars: []sla.Hours{{Name: "hours", Zone: tc.zone, Week: tc.week}},
				Levels: []sla.Level{{
					Name: "test", Calendar: "hours",
					Clocks: []sla.Clock{{Name: sla.Resolve, Within: sla.Business(tc.resolve)}},
				}},
			})
			plan, err := a.Plan("test", sla.Facts{Created: at(t, tc.created)})
			require.NoError(t, err)
			assert.Equal(t, at(t, tc.starts), plan.Starts)
			d, ok := plan.Earliest()
			require.True(t, ok)
			assert.Equal(t, at(t, tc.dueAt), d.Due)
		})
	}
}

// The levels of RTIR 2.4, by name, in and out of hours.
func TestVectorsRTIR24(t *testing.T) {
	a := agreement(t, sla.RTIR24("UTC"))
	const monday, sunday = "2026-03-02T10:00:00Z", "2026-03-01T10:00:00Z"
	for _, tc := range []struct{ level, created, want string }{
		{"Full service", monday, "2026-03-02T11:00:00Z"},
		{"Full service: out of hours", sunday, "2026-03-02T11:00:00Z"},
		{"Full service: out of hours", "2026-03-02T18:00:00Z", "2026-03-03T11:00:00Z"},
		{"Reduced service", monday, "2026-03-02T12:00:00Z"},
		{"Now (in business hours)", monday, monday},
		{"Now (in business hours)", sunday, "2026-03-02T09:00:00Z"},
	} {
		assert.Equal(t, at(t, tc.want), due(t, a, tc.level, sla.Facts{Created: at(t, tc.created), Unanswered: at(t, tc.created)}), tc)
	}
	assert.Equal(t, []string{"Full service", "Full service: out of hours", "Reduced service", "Now (in business hours)"}, a.Levels())

	for _, tc := range []struct{ kind, level, created, want string }{
		{"report", "", monday, "Full service"},
		{"report", "", sunday, "Full service: out of hours"},
		{"report", "", "2026-03-02T18:00:00Z", "Full service: out of hours"},
		{"report", "Reduced service", sunday, "Reduced service"},
		{"investigation", "", monday, sla.None},
		{"incident", "", monday, sla.None},
	} {
		got, err := a.Choose(sla.Subject{Kind: tc.kind, Level: tc.level, At: at(t, tc.created)})
		require.NoError(t, err)
		assert.Equal(t, tc.want, got.Level, tc)
		assert.NotEmpty(t, got.Why)
	}

	// What follows an answer is due now; reopening starts the level again.
	answered := sla.Facts{Created: at(t, monday), Inside: at(t, "2026-03-02T10:30:00Z")}
	assert.Equal(t, nothing, due(t, a, "Full service", answered))
	answered.Unanswered = at(t, "2026-03-02T19:00:00Z")
	assert.Equal(t, at(t, "2026-03-03T09:00:00Z"), due(t, a, "Full service", answered))
	answered.Unanswered = nothing
	answered.Moments = map[sla.Moment]time.Time{sla.Reopened: at(t, "2026-03-04T10:00:00Z")}
	assert.Equal(t, at(t, "2026-03-04T11:00:00Z"), due(t, a, "Full service", answered))
}
