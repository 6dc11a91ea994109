package sla

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"time"
)

// ErrNoHours says that a calendar is not open often enough: the time asked for
// is not to be had within the [Horizon], or lies outside the years 1 to 9999.
var ErrNoHours = errors.New("not enough open hours")

// Horizon is how far [Calendar.Add] and [Calendar.Next] look: 400 years, after
// which the Gregorian calendar repeats. It does not fit a time.Duration, so it
// is counted in days.
const Horizon = cycleDays

// Calendar says when a desk is open. Make one with [NewCalendar]. The zero
// Calendar and a nil pointer are always open and in UTC.
//
// The desk is open at an instant when the clock on the wall, in the zone of the
// calendar, shows a time within the hours of that date. Business time is real
// time that passes while the desk is open. On a night on which clocks spring
// forward from 02:00 to 03:00, hours of 01:30-03:30 last one hour; on one on which
// they fall back from 03:00 to 02:00, they last three. Hours of 02:15-02:45 are
// then left out in spring and come twice in autumn.
//
// Instants are exact to the nanosecond; results are in UTC. A Calendar knows the
// years 1 to 9999 and counts as closed outside them. It never changes and is safe
// for concurrent use.
//
// The cost of a call grows with the changes of clocks in the span (a year in
// Berlin has two), not with its hours, days or exceptions. No call allocates,
// except for an error.
type Calendar struct {
	name  string
	zone  *time.Location // nil: the zero Calendar
	hours *timetable
	kept  []piece // of the years in which most questions lie, for speed
}

// NewCalendar checks the data and builds a calendar. It keeps nothing that the
// caller may change. The error lists every mistake, each with what is allowed.
func NewCalendar(h Hours) (*Calendar, error) {
	r, zone, err := h.parse()
	if err != nil {
		return nil, err
	}
	return &Calendar{h.Name, zone, newTimetable(r), pieces(zone, keptFrom, keptTo)}, nil
}

func (c *Calendar) always() bool { return c == nil || c.zone == nil }

// Name returns the name of the calendar; for the zero Calendar "24x7".
func (c *Calendar) Name() string {
	if c.always() {
		return "24x7"
	}
	return c.name
}

// Zone returns the zone of the calendar; for the zero Calendar UTC.
func (c *Calendar) Zone() *time.Location {
	if c.always() {
		return time.UTC
	}
	return c.zone
}

// Open reports whether t is within hours. The first instant of a stretch is, its
// end is not.
func (c *Calendar) Open(t time.Time) bool {
	return within(t) && c.openAt(t.Unix())
}

// Next returns the first open instant at or after t. The error is [ErrNoHours].
func (c *Calendar) Next(t time.Time) (time.Time, error) {
	if c.Open(t) {
		return instant(t.Unix(), int64(t.Nanosecond())), nil
	}
	from := t.Unix()
	if within(t) {
		if u, ok := c.forward(from, 1, min(from+Horizon*daySeconds, lastSecond)); ok {
			return instant(u-1, 0), nil
		}
	}
	return time.Time{}, fmt.Errorf("sla: calendar %q (%v) does not open within 400 years of %s: %w: list open days under week or days",
		c.Name(), c.Zone(), text(t), ErrNoHours)
}

// Add returns the instant at which d of business time has passed since t: the
// earliest one, so that eight hours from the opening of a day of eight hours end
// when it closes. Zero gives the first open instant at or after t, as [Next]
// does. A negative d goes back, to the latest instant from which -d passes until
// t. Then Between(t, Add(t, d)) is d.
//
// The error is [ErrNoHours]: the calendar does not have that much time within
// the [Horizon].
func (c *Calendar) Add(t time.Time, d time.Duration) (time.Time, error) {
	if d == 0 {
		return c.Next(t)
	}
	if within(t) {
		if got, ok := c.add(t, d); ok {
			return got, nil
		}
	}
	return time.Time{}, fmt.Errorf("sla: calendar %q (%v) has less than %v within 400 years of %s: %w: ask for less or open longer",
		c.Name(), c.Zone(), d, text(t), ErrNoHours)
}

// add counts from the whole second at or before t. Hours begin and end on whole
// seconds, so a second is open or closed as one.
func (c *Calendar) add(t time.Time, d time.Duration) (time.Time, bool) {
	from := t.Unix()
	seconds, nanos := int64(d/time.Second), int64(d%time.Second)
	if c.openAt(from) {
		nanos += int64(t.Nanosecond())
	}
	carry, nanos := floorDiv(nanos, int64(time.Second))
	seconds += carry
	switch {
	case d < 0 && seconds < 0:
		u, ok := c.backward(from, -seconds, max(from-Horizon*daySeconds, firstSecond))
		return instant(u, nanos), ok
	case d < 0:
		return instant(from, nanos), true // within the same second
	}
	if nanos > 0 {
		seconds++
	} else {
		nanos = int64(time.Second)
	}
	u, ok := c.forward(from, seconds, min(from+Horizon*daySeconds, lastSecond))
	return instant(u-1, nanos), ok
}

// Between returns the business time from a to b, negative if b is before a. More
// than a time.Duration holds (292 years) gives the largest one.
func (c *Calendar) Between(a, b time.Time) time.Duration {
	if b.Before(a) {
		return -c.Between(b, a)
	}
	from, fromNanos := c.clamp(a)
	to, toNanos := c.clamp(b)
	var seconds int64
	for u := from; u < to; {
		p := c.piece(u)
		end := min(p.end, to)
		seconds += c.count(end+p.offset) - c.count(u+p.offset)
		u = end
	}
	if seconds >= math.MaxInt64/int64(time.Second) {
		return math.MaxInt64
	}
	return time.Duration(seconds*int64(time.Second) + toNanos - fromNanos)
}

// clamp brings t into the years that a calendar knows; the nanoseconds are those
// that t is into an open second.
func (c *Calendar) clamp(t time.Time) (second, nanos int64) {
	switch {
	case t.Before(instant(firstSecond, 0)):
		return firstSecond, 0
	case !within(t):
		return lastSecond, 0
	case c.openAt(t.Unix()):
		return t.Unix(), int64(t.Nanosecond())
	}
	return t.Unix(), 0
}

// forward returns the earliest second by which n open ones (at least one) have
// passed since from.
func (c *Calendar) forward(from, n, limit int64) (second int64, ok bool) {
	for u := from; u < limit; {
		p := c.piece(u)
		end := min(p.end, limit)
		before := c.count(u + p.offset)
		have := c.count(end+p.offset) - before
		if have >= n {
			if c.always() {
				return u + n, true
			}
			return c.hours.earliest(before+n, u+p.offset, end+p.offset) - p.offset, true
		}
		n -= have
		u = end
	}
	return 0, false
}

// backward returns the latest second from which n open ones (at least one) pass
// until from.
func (c *Calendar) backward(from, n, limit int64) (second int64, ok bool) {
	for u := from; u > limit; {
		p := c.piece(u - 1)
		start := max(p.start, limit)
		until := c.count(u + p.offset)
		have := until - c.count(start+p.offset)
		if have >= n {
			if c.always() {
				return u - n, true
			}
			return c.hours.latest(until-n, start+p.offset, u+p.offset) - p.offset, true
		}
		n -= have
		u = start
	}
	return 0, false
}

func (c *Calendar) count(civil int64) int64 {
	if c.always() {
		return civil
	}
	return c.hours.count(civil)
}

func (c *Calendar) piece(second int64) piece {
	if c.always() || second < keptFrom || second >= keptTo {
		return pieceAt(c.Zone(), second)
	}
	return c.kept[sort.Search(len(c.kept), func(i int) bool { return second < c.kept[i].end })]
}

func (c *Calendar) openAt(second int64) bool {
	if c.always() {
		return true
	}
	return c.hours.open(second + c.piece(second).offset)
}

// addMonths moves t by calendar months, at the same time by the clock on the
// wall of the calendar's zone. Where the month is too short it is its last day;
// where clocks jump over the time, the instant of the jump; where they show it
// twice, the first.
func (c *Calendar) addMonths(t time.Time, months int) time.Time {
	local := t.In(c.Zone())
	year, month, day := local.Date()
	last := time.Date(year, month+time.Month(months)+1, 0, 0, 0, 0, 0, time.UTC)
	year, month, day = last.Year(), last.Month(), min(day, last.Day())
	hour, minute, second := local.Clock()
	civil := time.Date(year, month, day, hour, minute, second, 0, time.UTC).Unix()
	// No zone is further from UTC than 26 hours.
	for u := civil - 26*60*60; ; {
		p := c.piece(u)
		switch {
		case civil < p.start+p.offset:
			return instant(p.start, 0)
		case civil < p.end+p.offset || p.end >= lastSecond:
			return instant(civil-p.offset, int64(local.Nanosecond()))
		}
		u = p.end
	}
}

const (
	firstSecond = -62_135_596_800 // 0001-01-01
	lastSecond  = 253_402_300_800 // 10000-01-01, the first that no longer counts
)

func within(t time.Time) bool {
	return !t.Before(instant(firstSecond, 0)) && t.Before(instant(lastSecond, 0))
}

func instant(second, nanos int64) time.Time { return time.Unix(second, nanos).UTC() }

func text(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
