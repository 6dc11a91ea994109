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

func TestHoursListEveryMistake(t *testing.T) {
	_, err := sla.NewCalendar(sla.Hours{
		Zone:     "Mars/Olympus",
		Week:     map[string][]string{"7": {"09:00-17:00"}, "mon": {"9-17", "9:00-17:00", "24:00-02:00", "09:00-09:00"}, "tue": {"09:00-12:00", "11:00-13:00", "25:00-26:00"}},
		Holidays: []sla.Holiday{{Date: "2026-02-29"}, {Date: "13-01"}, {Date: ""}, {Date: "0000-01-01"}},
		Days: []sla.Day{
			{Date: "someday", Hours: []string{"09:00-10:00"}}, {Date: "2026-03-02"},
			{Date: "12-24", Hours: []string{"x"}}, {Date: "12-24", Extra: []string{"09:00-10:00"}},
		},
	})
	require.Error(t, err)
	for _, want := range []string{
		`no name`, `zone "Mars/Olympus"`, `"Europe/Berlin"`,
		`"7" is no day (allowed: sun, mon, tue, wed, thu, fri, sat)`,
		`hours "9-17" (allowed: "HH:MM-HH:MM", 00:00 to 24:00)`, `hours "9:00-17:00"`, `"24:00-02:00"`, `"09:00-09:00" begin where they end (the whole day is "00:00-24:00")`,
		`"11:00-13:00" overlaps "09:00-12:00"`, `"25:00-26:00"`,
		`holidays[0]: date "2026-02-29" (allowed: 2026-12-25, or 12-25 for every year)`, `holidays[1]`, `holidays[2]`, `holidays[3]`,
		`days[0]: date "someday"`, `days[1] (2026-03-02): neither hours nor extra`, `days[2] (12-24): hours: hours "x"`, `days[3] (12-24): same date as days[2]`,
	} {
		assert.ErrorContains(t, err, want)
	}
}

func TestHoursRefused(t *testing.T) {
	office := sla.Weekdays("09:00-17:00")
	for want, h := range map[string]sla.Hours{
		"no name":      {},
		"no zone":      {Name: "x", Week: office},
		`zone "Local"`: {Name: "x", Zone: "Local", Week: office},
		"never open":   {Name: "x", Zone: "UTC", Week: map[string][]string{"mon": {}}},
	} {
		_, err := sla.NewCalendar(h)
		assert.ErrorContains(t, err, want)
	}
	_, err := sla.NewCalendar(sla.Hours{Name: "x", Location: time.Local, Week: office})
	assert.ErrorContains(t, err, `zone "Local"`)
}

func TestHoursOverlapWithOwnNightShift(t *testing.T) {
	_, err := sla.NewCalendar(sla.Hours{Name: "x", Zone: "UTC", Week: week("mon", "20:00-04:00", "22:00-23:00")})
	assert.ErrorContains(t, err, `"22:00-23:00" overlaps "20:00-04:00"`)
}

func TestHoursFromJSON(t *testing.T) {
	const text = `{"name": "office", "zone": "Europe/Berlin", "week": {"mon": ["09:00-17:00"]},
		"holidays": [{"date": "12-25", "name": "Christmas Day"}],
		"days": [{"date": "2026-12-24", "hours": ["09:00-12:00"], "extra": ["13:00-14:00"]}]}`
	var h sla.Hours
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&h))
	c, err := sla.NewCalendar(h)
	require.NoError(t, err)
	assert.Equal(t, 4*time.Hour, c.Between(at(t, "2026-12-24T00:00:00Z"), at(t, "2026-12-26T00:00:00Z")))
}
