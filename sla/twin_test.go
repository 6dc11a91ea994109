package sla_test

import "time"

// twin is a calendar that walks minute by minute. It shares no code with the
// package, and imports nothing but time, so that a mistake would have to be made
// twice.
type twin struct {
	zone     *time.Location
	week     [7][][2]int      // minutes of the day; an end before the start lies on the next day
	holidays map[string]bool  // "2006-01-02" or "01-02"
	days     map[string]other // likewise
}

type other struct{ hours, extra [][2]int }

func (w twin) hoursOf(date time.Time) [][2]int {
	day, yearly := date.Format("2006-01-02"), date.Format("01-02")
	hours := w.week[date.Weekday()]
	if w.holidays[day] || w.holidays[yearly] {
		hours = nil
	}
	for _, key := range []string{yearly, day} {
		if o, ok := w.days[key]; ok {
			if len(o.hours) > 0 {
				hours = o.hours
			}
			hours = append(append([][2]int{}, hours...), o.extra...)
		}
	}
	return hours
}

// walker remembers the hours of the date that it is on, for speed only.
type walker struct {
	twin
	day              [3]int
	today, yesterday [][2]int
}

func (w *walker) open(t time.Time) bool {
	local := t.In(w.zone)
	year, month, day := local.Date()
	if key := [3]int{year, int(month), day}; key != w.day {
		w.day = key
		date := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
		w.today, w.yesterday = w.hoursOf(date), w.hoursOf(date.AddDate(0, 0, -1))
	}
	hour, minute, _ := local.Clock()
	now := hour*60 + minute
	for _, h := range w.today {
		if h[0] <= now && (now < h[1] || h[1] < h[0]) {
			return true
		}
	}
	for _, h := range w.yesterday {
		if h[1] < h[0] && now < h[1] {
			return true
		}
	}
	return false
}

// openMinutes returns the start of every open minute from a to b; both are whole
// minutes, as are all offsets of zones that the tests use.
func (w twin) openMinutes(a, b time.Time) (open []time.Time) {
	walk := &walker{twin: w}
	for t := a; t.Before(b); t = t.Add(time.Minute) {
		if walk.open(t) {
			open = append(open, t)
		}
	}
	return open
}
