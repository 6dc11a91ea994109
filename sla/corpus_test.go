package sla_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airtight-csirt/airtight/sla"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func corpus(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("AIRTIGHT_CORPUS")
	if dir == "" {
		t.Skip("AIRTIGHT_CORPUS is not set: the tables of other projects are not compared")
	}
	return filepath.Join(dir, "sla")
}

func readJSON(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, v))
}

// businessRow is a row of business-time.json: what another project's tests say.
type businessRow struct {
	ID       string `json:"id"`
	Op       string `json:"op"`
	Calendar struct {
		Zone     string                 `json:"tz"`
		Hours    map[string][][2]string `json:"hours"`
		DayHours map[string][][2]string `json:"day_hours"`
		Holidays []string               `json:"holidays"`
	} `json:"calendar"`
	Start, End  time.Time
	Date        string `json:"date"`
	Days        int    `json:"days"`
	Seconds     int    `json:"seconds"`
	WantSeconds int    `json:"want_seconds"`
	Want        any    `json:"want"`
	Differs     string `json:"differs"`
}

func (r businessRow) calendar(t *testing.T) *sla.Calendar {
	texts := func(pairs [][2]string) (hours []string) {
		for _, p := range pairs {
			hours = append(hours, p[0]+"-"+p[1])
		}
		return hours
	}
	h := sla.Hours{Zone: r.Calendar.Zone, Week: map[string][]string{}}
	for day, pairs := range r.Calendar.Hours {
		h.Week[day] = texts(pairs)
	}
	for date, pairs := range r.Calendar.DayHours {
		h.Days = append(h.Days, sla.Day{Date: date, Hours: texts(pairs)})
	}
	for _, date := range r.Calendar.Holidays {
		h.Holidays = append(h.Holidays, sla.Holiday{Date: date})
	}
	return calendar(t, h)
}

func TestCorpusBusinessTime(t *testing.T) {
	var table struct{ Rows []businessRow }
	readJSON(t, filepath.Join(corpus(t), "business-time.json"), &table)
	differ := 0
	for _, row := range table.Rows {
		t.Run(row.ID+"/"+row.Op, func(t *testing.T) {
			c := row.calendar(t)
			wantTime := func() time.Time { return at(t, row.Want.(string)).UTC() }
			switch row.Op {
			case "add":
				got, err := c.Add(row.Start, time.Duration(row.Seconds)*time.Second)
				require.NoError(t, err)
				assert.Equal(t, wantTime(), got)
			case "start":
				got, err := c.Next(row.Start)
				require.NoError(t, err)
				assert.Equal(t, wantTime(), got)
			case "in_hours":
				assert.Equal(t, row.Want, c.Open(row.Start))
			case "between":
				want := row.WantSeconds
				if row.ID == "Intrepidd/working_hours:110" {
					// Hours of 00:00-24:00 on the Sunday on which clocks fall back. The
					// other project takes wall clock times from each other: 24 h. But
					// the desk is staffed for 25 real hours, from 22:00 to 23:00 UTC the
					// next day, and a promise in hours is one in real time. So 25 h.
					require.NotEmpty(t, row.Differs)
					assert.Equal(t, 86_400, row.WantSeconds)
					want, differ = 90_000, differ+1
				} else {
					require.Empty(t, row.Differs)
				}
				assert.Equal(t, time.Duration(want)*time.Second, c.Between(row.Start, row.End))
			case "close": // the end of the current or next stretch
				assert.Equal(t, wantTime(), closing(t, c, row.Start))
			case "back": // the last instant at or before, up to which it was open
				want := wantTime()
				assert.Zero(t, c.Between(want, row.Start))
				assert.Equal(t, time.Second, c.Between(want.Add(-time.Second), row.Start))
			case "add_days":
				assert.Equal(t, row.Want, addDays(t, c, row.Date, row.Days))
			default:
				t.Fatalf("unknown operation %q", row.Op)
			}
		})
	}
	t.Logf("%d rows of business-time.json, %d where the other side is wrong", len(table.Rows), differ)
	assert.Len(t, table.Rows, 91)
	assert.Equal(t, 1, differ)
}

// closing halves the time in which the desk closes first.
func closing(t *testing.T, c *sla.Calendar, from time.Time) time.Time {
	open, err := c.Next(from)
	require.NoError(t, err)
	low, high := open, open.Add(8*24*time.Hour)
	for high.Sub(low) > time.Second {
		middle := low.Add(high.Sub(low) / 2).Truncate(time.Second)
		if c.Between(open, middle) == middle.Sub(open) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// addDays counts days with any business time, from the nearest such day in the
// direction of counting.
func addDays(t *testing.T, c *sla.Calendar, date string, n int) string {
	day, err := time.ParseInLocation(time.DateOnly, date, c.Zone())
	require.NoError(t, err)
	works := func() bool { return c.Between(day, day.AddDate(0, 0, 1)) > 0 }
	for step := n / max(n, -n, 1); n != 0; n -= step {
		for !works() {
			day = day.AddDate(0, 0, step)
		}
		for day = day.AddDate(0, 0, step); !works(); {
			day = day.AddDate(0, 0, step)
		}
	}
	return day.Format(time.DateOnly)
}

// Each row of states.json is a ticket whose deadline is followed through events.
func TestCorpusStates(t *testing.T) {
	var table struct {
		Rows []struct {
			ID string `json:"id"`
		}
	}
	readJSON(t, filepath.Join(corpus(t), "states.json"), &table)
	tests := map[string]func(*testing.T){
		"rt-state:1":  testLevelChange,
		"rt-state:2":  testOpenedByTeam,
		"rt-state:3":  testResponse,
		"rt-state:4":  testKeepInLoop,
		"rt-state:8":  testIgnoredStatus,
		"rt-state:9":  testMissedResponseIsNotHidden,
		"rt-state:11": testExcludedTime,
		"rt-state:13": testStartImmediately,
		"rt-state:14": testSundayIsNoSeven,
		"rtir-state:1": func(t *testing.T) {
			t.Skip("an incident follows the due date of its report: a scenario of workflow/desk plays this row")
		},
	}
	for _, row := range table.Rows {
		test, ok := tests[row.ID]
		if assert.True(t, ok, row.ID) {
			t.Run(row.ID, test)
		}
	}
	assert.Len(t, table.Rows, len(tests))
}

var countryZones = map[string]string{
	"AT": "Europe/Vienna", "BE": "Europe/Brussels", "CH": "Europe/Zurich", "DE": "Europe/Berlin", "DE-BY": "Europe/Berlin",
	"DK": "Europe/Copenhagen", "FR": "Europe/Paris", "GB": "Europe/London", "NL": "Europe/Amsterdam", "PL": "Europe/Warsaw", "US": "America/New_York",
}

// National tables as holidays of a desk that otherwise never closes: it is closed
// from the first to the last instant of each, and open all other time of the year.
func TestCorpusHolidays(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(corpus(t), "holidays", "*.json"))
	require.NoError(t, err)
	rows := 0
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		t.Run(name, func(t *testing.T) {
			var table []struct {
				Date, Name, Type string
				Start, End       time.Time
			}
			readJSON(t, path, &table)
			cut := strings.LastIndex(name, "-")
			zone := zone(t, countryZones[name[:cut]])
			h := sla.Hours{Location: zone, Week: sla.EveryDay("00:00-24:00")}
			var closed [][2]time.Time
			for _, row := range table {
				if row.Type != "public" && row.Type != "bank" {
					continue
				}
				rows++
				start := row.Start.In(zone)
				require.Equal(t, row.Date, start.Format(time.DateTime), row.Name)
				if hour := start.Format("15:04"); hour == "00:00" {
					h.Holidays = append(h.Holidays, sla.Holiday{Date: start.Format(time.DateOnly), Name: row.Name})
				} else {
					h.Days = append(h.Days, sla.Day{Date: start.Format(time.DateOnly), Hours: []string{"00:00-" + hour}, Name: row.Name})
				}
				closed = append(closed, [2]time.Time{row.Start, row.End})
			}
			// A day that begins closed and one on which it closes early must not be the same.
			h.Days = slices.DeleteFunc(h.Days, func(d sla.Day) bool {
				return slices.ContainsFunc(h.Holidays, func(o sla.Holiday) bool { return o.Date == d.Date })
			})
			c := calendar(t, h)
			year := closed[0][0].In(zone).Year()
			from := time.Date(year, 1, 1, 0, 0, 0, 0, zone)
			to := time.Date(year+1, 1, 1, 0, 0, 0, 0, zone)
			want, last := to.Sub(from), from
			slices.SortFunc(closed, func(a, b [2]time.Time) int { return a[0].Compare(b[0]) })
			for _, span := range closed {
				assert.Zero(t, c.Between(span[0], span[1]), span)
				if span[0].Before(last) {
					span[0] = last
				}
				if span[1].After(span[0]) {
					want, last = want-span[1].Sub(span[0]), span[1]
				}
				next, err := c.Next(span[0])
				require.NoError(t, err)
				assert.False(t, next.Before(span[1]), span)
			}
			assert.Equal(t, want, c.Between(from, to))
		})
	}
	t.Logf("%d tables, %d public and bank holidays", len(paths), rows)
	assert.Len(t, paths, 66)
}
