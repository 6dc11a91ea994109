package sla_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/airtight-csirt/airtight/sla"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func at(t testing.TB, text string) time.Time {
	t.Helper()
	got, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return got
}

func calendar(t testing.TB, h sla.Hours) *sla.Calendar {
	t.Helper()
	if h.Name == "" {
		h.Name = "test"
	}
	c, err := sla.NewCalendar(h)
	require.NoError(t, err)
	return c
}

func week(day string, hours ...string) map[string][]string { return map[string][]string{day: hours} }

// Business time between two instants, and back: Add of it ends at the second one,
// where that is not after closing.
func TestBetweenOverClockChanges(t *testing.T) {
	for _, tc := range []struct {
		name, zone string
		week       map[string][]string
		from, to   string
		want       time.Duration
	}{
		{"spring forward in hours", "Europe/Berlin", week("sun", "01:30-03:30"), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", time.Hour},
		{"fall back in hours", "Europe/Berlin", week("sun", "01:30-03:30"), "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 3 * time.Hour},
		{"hours in the gap", "Europe/Berlin", week("sun", "02:15-02:45"), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 0},
		{"hours that come twice", "Europe/Berlin", week("sun", "02:15-02:45"), "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", time.Hour},
		{"night shift into spring", "Europe/Berlin", week("sat", "22:00-06:00"), "2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z", 7 * time.Hour},
		{"night shift into autumn", "Europe/Berlin", week("sat", "22:00-06:00"), "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z", 9 * time.Hour},
		{"24x7 over spring", "Europe/Berlin", sla.EveryDay("00:00-24:00"), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23 * time.Hour},
		{"half an hour only", "Australia/Lord_Howe", week("sun", "01:30-03:00"), "2026-10-03T12:00:00Z", "2026-10-04T12:00:00Z", time.Hour},
		{"no midnight", "America/Sao_Paulo", week("sun", "00:00-02:00"), "2018-11-03T12:00:00Z", "2018-11-04T12:00:00Z", time.Hour},
		{"a date left out", "Pacific/Apia", week("fri", "00:00-24:00"), "2011-12-29T00:00:00Z", "2012-01-05T00:00:00Z", 0},
		{"back into Saturday after a minute", "America/St_Johns", week("sun", "00:00-24:00"), "2006-10-28T12:00:00Z", "2006-10-30T12:00:00Z", 24*time.Hour + time.Minute},
		{"Saturday twice", "America/St_Johns", week("sat", "00:00-24:00"), "2006-10-27T12:00:00Z", "2006-10-30T12:00:00Z", 24*time.Hour + 59*time.Minute},
		{"last day of a leap year beyond the listed changes", "Europe/Berlin", week("mon", "09:00-17:00"), "2040-12-30T00:00:00Z", "2041-01-02T00:00:00Z", 8 * time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := calendar(t, sla.Hours{Zone: tc.zone, Week: tc.week})
			from, to := at(t, tc.from), at(t, tc.to)
			assert.Equal(t, tc.want, c.Between(from, to))
			assert.Equal(t, -tc.want, c.Between(to, from))
			if tc.want > 0 {
				end, err := c.Add(from, tc.want)
				require.NoError(t, err)
				assert.Zero(t, c.Between(end, to))
				start, err := c.Add(to, -tc.want)
				require.NoError(t, err)
				assert.Zero(t, c.Between(from, start))
			}
		})
	}
}

func TestAdd(t *testing.T) {
	office := sla.Weekdays("09:00-12:00", "13:00-17:00")
	christmas := []sla.Holiday{{Date: "12-25"}, {Date: "12-26"}, {Date: "2026-12-24"}, {Date: "2026-12-24"}}
	for _, tc := range []struct {
		name  string
		hours sla.Hours
		from  string
		add   time.Duration
		want  string
	}{
		{"zero when open", sla.Hours{Week: office}, "2026-03-02T10:00:00Z", 0, "2026-03-02T10:00:00Z"},
		{"zero when closed", sla.Hours{Week: office}, "2026-03-02T12:00:00Z", 0, "2026-03-02T13:00:00Z"},
		{"to closing time", sla.Hours{Week: office}, "2026-03-02T09:00:00Z", 7 * time.Hour, "2026-03-02T17:00:00Z"},
		{"a nanosecond more", sla.Hours{Week: office}, "2026-03-02T09:00:00Z", 7*time.Hour + 1, "2026-03-03T09:00:00.000000001Z"},
		{"over lunch", sla.Hours{Week: office}, "2026-03-02T11:59:59.5Z", time.Second, "2026-03-02T13:00:00.5Z"},
		{"back over lunch", sla.Hours{Week: office}, "2026-03-02T13:00:00.5Z", -time.Second, "2026-03-02T11:59:59.5Z"},
		{"back to the opening", sla.Hours{Week: office}, "2026-03-02T10:00:00Z", -time.Hour, "2026-03-02T09:00:00Z"},
		{"back within a second", sla.Hours{Week: office}, "2026-03-02T10:00:00.7Z", -300 * time.Millisecond, "2026-03-02T10:00:00.4Z"},
		{"over the weekend", sla.Hours{Week: office}, "2026-03-06T16:00:00Z", 2 * time.Hour, "2026-03-09T10:00:00Z"},
		{"over Christmas", sla.Hours{Week: office, Holidays: christmas}, "2026-12-23T16:00:00Z", 2 * time.Hour, "2026-12-28T10:00:00Z"},
		{"over Christmas a year later", sla.Hours{Week: office, Holidays: christmas}, "2027-12-24T16:00:00Z", 2 * time.Hour, "2027-12-27T10:00:00Z"},
		{
			"open on a holiday", sla.Hours{Week: office, Holidays: christmas, Days: []sla.Day{{Date: "2026-12-26", Hours: []string{"10:00-11:00"}}}},
			"2026-12-23T16:30:00Z", time.Hour, "2026-12-26T10:30:00Z",
		},
		{
			"extra hours", sla.Hours{Week: office, Days: []sla.Day{{Date: "2026-03-02", Extra: []string{"12:30-13:00", "20:00-02:00"}}}},
			"2026-03-02T12:00:00Z", 10 * time.Hour, "2026-03-03T01:30:00Z",
		},
		{
			"a dated day wins over a yearly one", sla.Hours{
				Week: office,
				Days: []sla.Day{{Date: "03-02", Hours: []string{"06:00-07:00"}}, {Date: "2026-03-02", Hours: []string{"18:00-19:00"}}},
			},
			"2026-03-02T00:00:00Z", 0, "2026-03-02T18:00:00Z",
		},
		{
			"a yearly day in another year", sla.Hours{
				Week: office,
				Days: []sla.Day{{Date: "03-02", Hours: []string{"06:00-07:00"}}, {Date: "2026-03-02", Hours: []string{"18:00-19:00"}}},
			},
			"2027-03-02T00:00:00Z", 0, "2027-03-02T06:00:00Z",
		},
		{
			"29 February only", sla.Hours{Days: []sla.Day{{Date: "02-29", Hours: []string{"09:00-10:00"}}}},
			"2097-01-01T00:00:00Z", time.Hour, "2104-02-29T10:00:00Z",
		},
		{
			"the shift of New Year's Eve", sla.Hours{Days: []sla.Day{{Date: "12-31", Hours: []string{"22:00-06:00"}}}},
			"2026-01-01T00:00:00Z", 7 * time.Hour, "2026-12-31T23:00:00Z",
		},
		{"a holiday does not end the shift before it", sla.Hours{
			Week: sla.EveryDay("22:00-06:00"), Holidays: []sla.Holiday{{Date: "12-25"}},
		}, "2026-12-24T23:00:00Z", 8 * time.Hour, "2026-12-26T23:00:00Z"},
		{"unless the evening says so", sla.Hours{
			Week: sla.EveryDay("22:00-06:00"), Holidays: []sla.Holiday{{Date: "12-25"}}, Days: []sla.Day{{Date: "12-24", Hours: []string{"22:00-24:00"}}},
		}, "2026-12-24T23:00:00Z", 2 * time.Hour, "2026-12-26T23:00:00Z"},
		{"shifts that overlap count once", sla.Hours{Week: map[string][]string{"mon": {"22:00-07:00"}, "tue": {"06:00-14:00"}}}, "2026-03-02T22:00:00Z", 16 * time.Hour, "2026-03-03T14:00:00Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.hours.Zone = "UTC"
			got, err := calendar(t, tc.hours).Add(at(t, tc.from), tc.add)
			require.NoError(t, err)
			assert.Equal(t, at(t, tc.want), got)
		})
	}
}

func TestZeroCalendarIsAlwaysOpenInUTC(t *testing.T) {
	now := at(t, "2026-03-01T23:30:00.25Z")
	for name, c := range map[string]*sla.Calendar{"zero": {}, "nil": nil} {
		t.Run(name, func(t *testing.T) {
			assert.True(t, c.Open(now))
			assert.Equal(t, "24x7", c.Name())
			assert.Equal(t, time.UTC, c.Zone())
			assert.Equal(t, 36*time.Hour, c.Between(now, now.Add(36*time.Hour)))
			for _, d := range []time.Duration{0, 1, -1, time.Hour, -time.Hour, 24 * 3650 * time.Hour} {
				got, err := c.Add(now, d)
				require.NoError(t, err)
				assert.Equal(t, now.Add(d), got)
			}
		})
	}
}

func TestCalendarWithoutEnoughHours(t *testing.T) {
	once := calendar(t, sla.Hours{Zone: "Europe/Berlin", Days: []sla.Day{{Date: "2026-03-02", Hours: []string{"09:00-10:00"}}}})
	yearly := calendar(t, sla.Hours{Zone: "Europe/Berlin", Days: []sla.Day{{Date: "03-02", Hours: []string{"09:00-10:00"}}}})
	shut := calendar(t, sla.Hours{Zone: "UTC", Week: week("fri", "09:00-10:00"), Holidays: everyDate()})
	far := calendar(t, sla.Hours{Zone: "UTC", Days: []sla.Day{{Date: "1500-01-01", Extra: []string{"09:00-10:00"}}, {Date: "2500-01-01", Extra: []string{"09:00-10:00"}}}})
	now := at(t, "2026-03-01T00:00:00Z")
	start := time.Now()
	for name, f := range map[string]func() (time.Time, error){
		"two hours of one":          func() (time.Time, error) { return once.Add(now, 2*time.Hour) },
		"an hour before the first":  func() (time.Time, error) { return once.Add(now, -time.Hour) },
		"after the last":            func() (time.Time, error) { return once.Next(now.AddDate(1, 0, 0)) },
		"more than 400 hours":       func() (time.Time, error) { return yearly.Add(now, 401*time.Hour) },
		"closed every day":          func() (time.Time, error) { return shut.Next(now) },
		"closed every day, back":    func() (time.Time, error) { return shut.Add(now, -1) },
		"beyond the horizon":        func() (time.Time, error) { return far.Next(now) },
		"a second beyond it":        func() (time.Time, error) { return far.Add(now, time.Second) },
		"beyond the horizon, back":  func() (time.Time, error) { return far.Add(now, -time.Second) },
		"before year 1":             func() (time.Time, error) { return yearly.Add(time.Time{}.Add(-1), time.Hour) },
		"after year 9999":           func() (time.Time, error) { return yearly.Next(time.Unix(math.MaxInt64, 0)) },
		"over the end of time":      func() (time.Time, error) { return yearly.Add(at(t, "9999-12-31T00:00:00Z"), time.Hour) },
		"over the start of time":    func() (time.Time, error) { return yearly.Add(at(t, "0001-01-02T00:00:00Z"), -time.Hour) },
		"the longest duration":      func() (time.Time, error) { return yearly.Add(now, math.MaxInt64) },
		"the longest duration back": func() (time.Time, error) { return yearly.Add(now, math.MinInt64) },
	} {
		_, err := f()
		assert.ErrorIs(t, err, sla.ErrNoHours, name)
	}
	assert.Zero(t, shut.Between(now, now.AddDate(100, 0, 0)))
	assert.False(t, shut.Open(at(t, "2026-03-06T09:30:00Z")))
	assert.Less(t, time.Since(start), time.Second)

	got, err := yearly.Add(now, 399*time.Hour)
	require.NoError(t, err)
	assert.Equal(t, at(t, "2424-03-02T09:00:00Z"), got) // 10:00 in Berlin
}

func everyDate() (days []sla.Holiday) {
	for d := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC); d.Year() == 2000; d = d.AddDate(0, 0, 1) {
		days = append(days, sla.Holiday{Date: d.Format("01-02")})
	}
	return days
}

func TestBetweenAtTheEndsOfTime(t *testing.T) {
	c := calendar(t, sla.Hours{Zone: "Europe/Berlin", Week: sla.EveryDay("00:00-24:00")})
	first, last := time.Unix(math.MinInt64, 0), time.Unix(math.MaxInt64/2, 0)
	assert.Equal(t, time.Duration(math.MaxInt64), c.Between(first, last))
	assert.Equal(t, -time.Duration(math.MaxInt64), c.Between(last, first))
	assert.False(t, c.Open(first))
	assert.Equal(t, time.Hour, c.Between(at(t, "9999-12-31T23:00:00Z"), last))
}

// Whole centuries, counted day by day: the arithmetic of leap years.
func TestCenturies(t *testing.T) {
	c := calendar(t, sla.Hours{
		Zone: "UTC", Week: sla.Weekdays("00:00-00:01"),
		Holidays: []sla.Holiday{{Date: "02-29"}, {Date: "12-31"}, {Date: "01-01"}},
		Days:     []sla.Day{{Date: "03-01", Extra: []string{"00:01-00:02"}}},
	})
	sum, start := 0, time.Date(1599, 12, 30, 0, 0, 0, 0, time.UTC)
	for d := start; d.Year() < 2405; d = d.AddDate(0, 0, 1) {
		if got := c.Between(start, d); got != time.Duration(sum)*time.Minute {
			t.Fatalf("to %v: %v, want %d minutes", d, got, sum)
		}
		weekend, date := d.Weekday()%6 == 0, d.Format("01-02")
		if !weekend && date != "02-29" && date != "12-31" && date != "01-01" {
			sum++
		}
		if date == "03-01" {
			sum++
		}
	}
}

func TestCalendarIsSafeForConcurrentUse(t *testing.T) {
	holidays := []sla.Holiday{{Date: "2026-03-03"}}
	hours := sla.Hours{Zone: "Europe/Berlin", Week: sla.Weekdays("09:00-17:00"), Holidays: holidays}
	c := calendar(t, hours)
	hours.Week["mon"][0], holidays[0].Date = "00:00-24:00", "2026-03-02" // ours to change
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got, err := c.Add(at(t, "2026-03-02T08:00:00Z"), 9*time.Hour)
			assert.NoError(t, err)
			assert.Equal(t, at(t, "2026-03-04T09:00:00Z"), got)
		})
	}
	wg.Wait()
}
