package sla

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// MaxMinutes bounds the minutes of an [Interval]: a hundred years.
const MaxMinutes = 100 * 366 * 24 * 60

const maxMonths = 100 * 12

// Interval is how long something may take: calendar months first, business
// minutes after them, real minutes last (RT: "BusinessMinutes", "RealMinutes").
// Zero business minutes, unlike none, move to the first open instant. The empty
// Interval is no time at all: at once.
//
// A month ends at the same time on the same day of the next month, on its last
// day if it is shorter: 31 January and one month is 28 or 29 February.
type Interval struct {
	Months          int  `json:"months,omitempty"`
	BusinessMinutes *int `json:"businessMinutes,omitempty"` // nil: hours do not matter
	RealMinutes     int  `json:"realMinutes,omitempty"`
}

// Business is an interval of business minutes.
func Business(minutes int) Interval { return Interval{BusinessMinutes: &minutes} }

// Real is an interval of real minutes.
func Real(minutes int) Interval { return Interval{RealMinutes: minutes} }

// Months is an interval of calendar months.
func Months(n int) Interval { return Interval{Months: n} }

// IsZero reports whether the interval is the empty one.
func (i Interval) IsZero() bool {
	return i.Months == 0 && i.BusinessMinutes == nil && i.RealMinutes == 0
}

// String returns the interval in words, "60 business minutes and 30 minutes".
func (i Interval) String() string {
	var parts []string
	add := func(n int, unit string) {
		if n != 1 {
			unit += "s"
		}
		parts = append(parts, fmt.Sprintf("%d %s", n, unit))
	}
	if i.Months != 0 {
		add(i.Months, "month")
	}
	if i.BusinessMinutes != nil {
		add(*i.BusinessMinutes, "business minute")
	}
	if i.RealMinutes != 0 {
		add(i.RealMinutes, "minute")
	}
	if parts == nil {
		return "no time"
	}
	return strings.Join(parts, " and ")
}

func (i Interval) check() (errs []error) {
	inside := func(what string, n, most int) {
		if n < 0 || n > most {
			errs = append(errs, fmt.Errorf("%d %s (allowed: 0 to %d)", n, what, most))
		}
	}
	inside("months", i.Months, maxMonths)
	inside("real minutes", i.RealMinutes, MaxMinutes)
	if i.BusinessMinutes != nil {
		inside("business minutes", *i.BusinessMinutes, MaxMinutes)
	}
	return errs
}

func (i Interval) equal(j Interval) bool { return i.String() == j.String() }

func (i Interval) clone() Interval {
	if i.BusinessMinutes != nil {
		i.BusinessMinutes = new(*i.BusinessMinutes)
	}
	return i
}

// plus adds each sort of time by itself.
func (i Interval) plus(extra Interval) Interval {
	sum := i.clone()
	sum.Months = min(i.Months+extra.Months, maxMonths)
	sum.RealMinutes = min(i.RealMinutes+extra.RealMinutes, MaxMinutes)
	if extra.BusinessMinutes != nil {
		business := *extra.BusinessMinutes
		if i.BusinessMinutes != nil {
			business += *i.BusinessMinutes
		}
		sum.BusinessMinutes = new(min(business, MaxMinutes))
	}
	return sum
}

// from returns when the interval that starts at t is over, leaving the pauses
// out, and false if it has not run out when a pause without end begins.
func (i Interval) from(t time.Time, c *Calendar, pauses []pause) (end time.Time, ok bool, err error) {
	if i.Months > 0 {
		t = c.addMonths(t, i.Months)
	}
	if i.BusinessMinutes != nil {
		t, ok, err = run(t, minutes(*i.BusinessMinutes), pauses, c.Add, c.Between)
		if err != nil || !ok {
			return t, ok, err
		}
	}
	if ok = true; i.RealMinutes > 0 {
		t, ok, err = run(t, minutes(i.RealMinutes), pauses, addReal, betweenReal)
	}
	if err == nil && !within(t) {
		err = fmt.Errorf("sla: %v ends after the year 9999: %w", i, ErrNoHours)
	}
	return t, ok, err
}

// before returns the instant from which the interval runs until t. It knows
// neither months nor pauses.
func (i Interval) before(t time.Time, c *Calendar) (time.Time, error) {
	t = t.Add(-minutes(i.RealMinutes))
	if i.BusinessMinutes == nil || *i.BusinessMinutes == 0 {
		return t, nil
	}
	return c.Add(t, -minutes(*i.BusinessMinutes))
}

func minutes(n int) time.Duration { return time.Duration(n) * time.Minute }

func addReal(t time.Time, d time.Duration) (time.Time, error) { return t.Add(d), nil }

func betweenReal(a, b time.Time) time.Duration { return b.Sub(a) }

// run lets a clock tick from t until need is used up. In a pause it stands still.
func run(t time.Time, need time.Duration, pauses []pause,
	add func(time.Time, time.Duration) (time.Time, error), between func(a, b time.Time) time.Duration,
) (end time.Time, ok bool, err error) {
	for _, p := range pauses {
		if !p.to.IsZero() && !p.to.After(t) {
			continue
		}
		if p.from.After(t) {
			end, err := add(t, need)
			if err != nil || !end.After(p.from) {
				return end, err == nil, err
			}
			need -= between(t, p.from)
		}
		if p.to.IsZero() {
			return t, false, nil
		}
		t = p.to
	}
	end, err = add(t, need)
	return end, err == nil, err
}

// pause is a stretch of time that does not count; to is zero while it lasts.
type pause struct{ from, to time.Time }

// pauses returns when the status was one of those given, sorted and joined.
func pauses(spans []Span, statuses []string) []pause {
	var all []pause
	for _, s := range spans {
		if slices.Contains(statuses, s.Status) && (s.To.IsZero() || s.To.After(s.From)) {
			all = append(all, pause{s.From, s.To})
		}
	}
	slices.SortStableFunc(all, func(a, b pause) int { return a.from.Compare(b.from) })
	joined := all[:0]
	for _, p := range all {
		last := len(joined) - 1
		switch {
		case last < 0 || !joined[last].to.IsZero() && p.from.After(joined[last].to):
			joined = append(joined, p)
		case joined[last].to.IsZero():
		case p.to.IsZero() || p.to.After(joined[last].to):
			joined[last].to = p.to
		}
	}
	return joined
}

// clip leaves out what lies after end.
func clip(pauses []pause, end time.Time) []pause {
	var clipped []pause
	for _, p := range pauses {
		if !p.from.Before(end) {
			break
		}
		if p.to.IsZero() || p.to.After(end) {
			p.to = end
		}
		clipped = append(clipped, p)
	}
	return clipped
}

// pausedBetween is the part of [a, b) that lies in pauses, as measured.
func pausedBetween(a, b time.Time, pauses []pause, measure func(a, b time.Time) time.Duration) (total time.Duration) {
	for _, p := range pauses {
		from, to := p.from, p.to
		if from.Before(a) {
			from = a
		}
		if to.IsZero() || to.After(b) {
			to = b
		}
		if from.Before(to) {
			total += measure(from, to)
		}
	}
	return total
}
