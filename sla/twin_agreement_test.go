package sla_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata" // so that the tests run on machines without a zone database

	"github.com/airtight-csirt/airtight/sla"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// zoneNames: ordinary ones, and those with changes of half an hour or two hours,
// at midnight or one minute past it, negative summer time, offsets of 45 minutes,
// a date that was left out, and a month of fasting without summer time.
var zoneNames = []string{
	"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Los_Angeles", "Australia/Sydney",
	"Asia/Tokyo", "Asia/Kathmandu", "Europe/Moscow", "Europe/Dublin", "Australia/Lord_Howe", "Pacific/Chatham",
	"Antarctica/Troll", "America/St_Johns", "America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Asia/Gaza",
	"Asia/Tehran", "Africa/Casablanca", "Africa/Cairo", "Pacific/Apia", "Europe/Lisbon", "America/Santiago",
}

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	require.NoError(t, err)
	return loc
}

// random makes the same calendar twice: as data for the package and as a twin.
type random struct{ *rand.Rand }

func (r random) one(n int) bool { return r.IntN(n) == 0 }

func clock(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

// hours gives up to three stretches that do not overlap; the last may be a night
// shift.
func (r random) hours(night bool) (texts []string, pairs [][2]int) {
	if r.one(12) {
		return []string{"00:00-24:00"}, [][2]int{{0, 1440}}
	}
	step := []int{1, 5, 15, 30, 60}[r.IntN(5)]
	at := r.IntN(6*60/step) * step
	for range 1 + r.IntN(3) {
		from := at + r.IntN(5*60/step+1)*step
		to := from + (1+r.IntN(6*60/step))*step
		if to > 1440 {
			break
		}
		texts, pairs = append(texts, clock(from)+"-"+clock(to)), append(pairs, [2]int{from, to})
		at = to
	}
	if night && at < 1380 {
		from := max(at, 1380-r.IntN(6)*60)
		to := 1 + r.IntN(9*60)
		if from > to {
			texts, pairs = append(texts, clock(from)+"-"+clock(to)), append(pairs, [2]int{from, to})
		}
	}
	return texts, pairs
}

// date is a date near t, with or without its year.
func (r random) date(t time.Time) string {
	t = t.AddDate(0, 0, r.IntN(10)-4)
	if r.one(3) {
		return t.Format("01-02")
	}
	return t.Format("2006-01-02")
}

func (r random) calendar(zone *time.Location, near time.Time) (h sla.Hours, w twin, night bool) {
	h = sla.Hours{Name: "random", Location: zone, Week: map[string][]string{}}
	w = twin{zone: zone, holidays: map[string]bool{}, days: map[string]other{}}
	shifts := r.one(2)
	for day, name := range []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} {
		if !r.one(4) {
			h.Week[name], w.week[day] = r.hours(shifts)
		}
	}
	for range r.IntN(4) {
		date := r.date(near)
		h.Holidays = append(h.Holidays, sla.Holiday{Date: date})
		w.holidays[date] = true
	}
	for range r.IntN(4) {
		date := r.date(near)
		if _, ok := w.days[date]; ok {
			continue
		}
		var day sla.Day
		var o other
		day.Date = date
		if !r.one(3) {
			day.Hours, o.hours = r.hours(shifts)
		}
		if r.one(3) {
			day.Extra, o.extra = r.hours(shifts)
		}
		if len(day.Hours)+len(day.Extra) > 0 {
			h.Days = append(h.Days, day)
			w.days[date] = o
		}
	}
	for _, day := range w.week {
		for _, p := range day {
			night = night || p[1] < p[0]
		}
	}
	return h, w, night
}

// near returns a whole minute between 1995 and 2045, for half of the calls close
// to a change of clocks.
func (r random) near(zone *time.Location) time.Time {
	t := time.Date(1995, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.IntN(50*365*24*60)) * time.Minute)
	if _, end := t.In(zone).ZoneBounds(); !end.IsZero() && end.Year() < 2045 && !r.one(4) {
		t = end.Add(-time.Duration(r.IntN(2*24*60)) * time.Minute)
	}
	return t.UTC().Truncate(time.Minute)
}

func TestCalendarAgreesWithMinuteWalk(t *testing.T) {
	const cases, seed = 10_000, 4
	t.Logf("seed %d", seed)
	r := random{rand.New(rand.NewPCG(seed, seed))}
	var zones []*time.Location
	for _, name := range zoneNames {
		zones = append(zones, zone(t, name))
	}
	changes, nights, either, minutes := 0, 0, 0, 0
	for i := range cases {
		z := zones[r.IntN(len(zones))]
		from := r.near(z)
		hours, walk, night := r.calendar(z, from)
		c, err := sla.NewCalendar(hours)
		require.NoError(t, err)
		days := 3
		if r.one(100) {
			days = 40
		}
		to := from.Add(time.Duration(1+r.IntN(days*24*60)) * time.Minute)
		_, offsetFrom := from.In(z).Zone()
		_, offsetTo := to.In(z).Zone()
		change := offsetFrom != offsetTo
		changes, nights, either = changes+count(change), nights+count(night), either+count(change || night)

		open := walk.openMinutes(from, to)
		minutes += int(to.Sub(from) / time.Minute)
		where := func() string {
			return fmt.Sprintf("case %d: %v from %v (%v) to %v\n%+v", i, z, from, from.In(z), to, hours)
		}
		if got, want := c.Between(from, to), time.Duration(len(open))*time.Minute; got != want {
			t.Fatalf("Between is %v, the walk %v\n%s", got, want, where())
		}
		isOpen := len(open) > 0 && open[0].Equal(from)
		if c.Open(from) != isOpen {
			t.Fatalf("Open is %v\n%s", c.Open(from), where())
		}
		if len(open) == 0 {
			if next, err := c.Next(from); err == nil && next.Before(to) {
				t.Fatalf("Next is %v, the walk finds nothing\n%s", next, where())
			}
			continue
		}
		if next, err := c.Next(from); err != nil || !next.Equal(open[0]) {
			t.Fatalf("Next is %v, %v, the walk %v\n%s", next, err, open[0], where())
		}
		n := 1 + r.IntN(len(open))
		d := time.Duration(n) * time.Minute
		if got, err := c.Add(from, d); err != nil || !got.Equal(open[n-1].Add(time.Minute)) {
			t.Fatalf("Add(%v) is %v, %v, the walk %v\n%s", d, got, err, open[n-1].Add(time.Minute), where())
		}
		if got, err := c.Add(to, -d); err != nil || !got.Equal(open[len(open)-n]) {
			t.Fatalf("Add(%v) is %v, %v, the walk %v\n%s", -d, got, err, open[len(open)-n], where())
		}
	}
	t.Logf("%d cases, %d minutes walked: %d across a change of clocks, %d with night shifts, %d with one of them",
		cases, minutes, changes, nights, either)
	assert.GreaterOrEqual(t, either, cases/3)
	assert.GreaterOrEqual(t, changes, cases/5)
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestCalendarProperties(t *testing.T) {
	const cases, seed = 10_000, 41
	t.Logf("seed %d", seed)
	r := random{rand.New(rand.NewPCG(seed, seed))}
	for i := range cases {
		z := zone(t, zoneNames[r.IntN(len(zoneNames))])
		from := r.near(z).Add(time.Duration(r.Int64N(int64(time.Minute)))) // to the nanosecond
		hours, _, _ := r.calendar(z, from)
		c, err := sla.NewCalendar(hours)
		if err != nil {
			continue
		}
		longest := []time.Duration{time.Second, time.Hour, 100 * time.Hour, 10_000 * time.Hour}[r.IntN(4)]
		a, b := time.Duration(1+r.Int64N(int64(longest))), time.Duration(1+r.Int64N(int64(longest)))
		afterA, err := c.Add(from, a)
		if errors.Is(err, sla.ErrNoHours) { // open on a few dates only
			continue
		}
		require.NoError(t, err)
		if got := c.Between(from, afterA); got != a {
			t.Fatalf("case %d: Between(t, Add(t, %v)) is %v\n%v %+v", i, a, got, from, hours)
		}
		if afterA.Before(from) {
			t.Fatalf("case %d: Add(%v) goes back", i, a)
		}
		if back, err := c.Add(from, -a); err == nil {
			if got := c.Between(from, back); got != -a {
				t.Fatalf("case %d: Between(t, Add(t, %v)) is %v\n%v %+v", i, -a, got, from, hours)
			}
			if forth, err := c.Add(back, a); err != nil || forth.After(from) || c.Between(forth, from) != 0 {
				t.Fatalf("case %d: there and back gives %v, %v\n%v %+v", i, forth, err, from, hours)
			}
		}
		if next, err := c.Next(from); err == nil {
			if !c.Open(next) || c.Between(from, next) != 0 {
				t.Fatalf("case %d: Next is %v\n%v %+v", i, next, from, hours)
			}
			if again, _ := c.Next(next); !again.Equal(next) {
				t.Fatalf("case %d: Next of Next", i)
			}
		}
		twice, err1 := c.Add(afterA, b)
		once, err2 := c.Add(from, a+b)
		if (err1 == nil) != (err2 == nil) || err1 == nil && !twice.Equal(once) {
			t.Fatalf("case %d: Add(Add(t, %v), %v) is %v, Add(t, %v) is %v\n%v %+v", i, a, b, twice, a+b, once, from, hours)
		}
		if err2 == nil && once.Before(afterA) {
			t.Fatalf("case %d: more time ends earlier", i)
		}
		later, err := c.Add(from.Add(b), a)
		if err == nil && later.Before(afterA) {
			t.Fatalf("case %d: a later start ends earlier", i)
		}
	}
}
