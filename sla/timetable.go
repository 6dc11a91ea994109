package sla

import (
	"cmp"
	"maps"
	"slices"
)

// timetable says which seconds of civil time (a line without zones, seconds from
// 1970-01-01 00:00) are within hours, and counts them without walking: a week
// repeats; what holds every year makes a difference that depends on the kind of
// year only; what holds on one date is in a list. It is never changed.
type timetable struct {
	week       [7][]span
	weekBefore [8]int64 // open seconds of a week before each weekday, and of all of it

	yearly      [yearKinds]exceptions // by day of the year
	yearsBefore []int64               // seconds that yearly adds before each year of a cycle, and in all of it; nil: no yearly
	dated       exceptions            // by day number
}

// exception is a day on which other hours hold than without it.
type exception struct {
	day   int64
	spans []span
	gain  int64 // seconds that this exception and all before it add, negative where they close
}

type exceptions []exception // by day

// find returns where the day is or belongs. It is written out because all calls
// spend most of their time here.
func (e exceptions) find(day int64) (int, bool) {
	low, high := 0, len(e)
	for low < high {
		if middle := (low + high) / 2; e[middle].day < day {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(e) && e[low].day == day
}

func (e exceptions) before(day int64) int64 {
	if i, _ := e.find(day); i > 0 {
		return e[i-1].gain
	}
	return 0
}

func (e exceptions) with(day int64, spans, instead []span) exceptions {
	if slices.Equal(spans, instead) {
		return e
	}
	gain := length(spans) - length(instead)
	if len(e) > 0 {
		gain += e[len(e)-1].gain
	}
	return append(e, exception{day, spans, gain})
}

func newTimetable(r ruling) *timetable {
	t := &timetable{}
	for day := range r.week {
		t.week[day] = joinDays(r.week[(day+6)%7], r.week[day])
		t.weekBefore[day+1] = t.weekBefore[day] + length(t.week[day])
	}
	t.setYearly(r)
	t.setDated(r)
	return t
}

// setYearly looks at the days with a rule for every year and at the days after
// them, into which a night shift may reach.
func (t *timetable) setYearly(r ruling) {
	if len(r.closed.yearly)+len(r.days.yearly) == 0 {
		return
	}
	for kind := range t.yearly {
		leap := kind % 2
		first := dayNumber(2001-leap, 1, 1) // a year of the same length, to name its days
		days := map[int64]bool{}
		mark := func(y yearly) {
			if day := dayNumber(2001-leap, y.month, y.day); yearlyOf(day) == y {
				days[day-first] = true
				days[(day-first+1)%int64(365+leap)] = true
			}
		}
		for y := range r.closed.yearly {
			mark(y)
		}
		for y := range r.days.yearly {
			mark(y)
		}
		for _, day := range sortedKeys(days) {
			weekday := (int64(kind/2) + day) % 7
			today := r.everyYear(weekday, yearlyOf(first+day))
			// The day before 1 January is 31 December in every kind of year.
			yesterday := r.everyYear((weekday+6)%7, yearlyOf(first+day-1))
			t.yearly[kind] = t.yearly[kind].with(day, joinDays(yesterday, today), t.week[weekday])
		}
	}
	t.yearsBefore = make([]int64, 401)
	for y := range int64(400) {
		t.yearsBefore[y+1] = t.yearsBefore[y] + t.yearly[yearKind(y)].before(366)
	}
}

func (t *timetable) setDated(r ruling) {
	days := map[int64]bool{}
	for _, day := range slices.Concat(slices.Collect(maps.Keys(r.closed.dated)), slices.Collect(maps.Keys(r.days.dated))) {
		days[day], days[day+1] = true, true
	}
	var dated exceptions
	for _, day := range sortedKeys(days) {
		dated = dated.with(day, joinDays(r.onDate(day-1), r.onDate(day)), t.spans(day))
	}
	t.dated = dated
}

// everyYear and onDate return the hours that begin on a day, without and with
// what is said about single dates. The order of layers is the one that [Hours]
// documents: week, holidays, days for every year, dated days.
func (r ruling) everyYear(weekday int64, y yearly) []span {
	hours := r.week[weekday]
	if r.closed.yearly[y] {
		hours = nil
	}
	return r.days.yearly[y].over(hours)
}

func (r ruling) onDate(day int64) []span {
	y := yearlyOf(day)
	hours := r.week[weekday(day)]
	if r.closed.yearly[y] || r.closed.dated[day] {
		hours = nil
	}
	return r.days.dated[day].over(r.days.yearly[y].over(hours))
}

func (o ownHours) over(hours []span) []span {
	if o.replace {
		hours = o.hours
	}
	return slices.Concat(hours, o.extra)
}

// joinDays returns the stretches of a day: what begins on it, cut at midnight,
// and what is left of the night shifts of the day before. They are sorted and
// do not touch, so time on which two shifts work counts once.
func joinDays(yesterday, today []span) []span {
	var all []span
	for _, s := range yesterday {
		if s.to > daySeconds {
			all = append(all, span{0, s.to - daySeconds})
		}
	}
	for _, s := range today {
		all = append(all, span{s.from, min(s.to, daySeconds)})
	}
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	joined := all[:0]
	for _, s := range all {
		if last := len(joined) - 1; last >= 0 && s.from <= joined[last].to {
			joined[last].to = max(joined[last].to, s.to)
		} else {
			joined = append(joined, s)
		}
	}
	return joined
}

func length(spans []span) (seconds int64) {
	for _, s := range spans {
		seconds += s.to - s.from
	}
	return seconds
}

// spans returns the stretches of a day, sorted.
func (t *timetable) spans(day int64) []span {
	if i, ok := t.dated.find(day); ok {
		return t.dated[i].spans
	}
	if t.yearsBefore != nil {
		_, year, yearDay := splitDay(day)
		of := t.yearly[yearKind(year)]
		if i, ok := of.find(yearDay); ok {
			return of[i].spans
		}
	}
	return t.week[weekday(day)]
}

// before counts the open seconds before a day, from some fixed day: differences
// matter only.
func (t *timetable) before(day int64) int64 {
	weeks, weekday := floorDiv(day+4, 7)
	n := weeks*t.weekBefore[7] + t.weekBefore[weekday]
	if t.yearsBefore != nil {
		cycle, year, yearDay := splitDay(day)
		n += cycle*t.yearsBefore[400] + t.yearsBefore[year] + t.yearly[yearKind(year)].before(yearDay)
	}
	return n + t.dated.before(day)
}

// count is before, for a second of civil time.
func (t *timetable) count(second int64) int64 {
	day, rest := floorDiv(second, daySeconds)
	n := t.before(day)
	for _, s := range t.spans(day) {
		n += max(0, min(rest, s.to)-s.from)
	}
	return n
}

func (t *timetable) open(second int64) bool {
	day, rest := floorDiv(second, daySeconds)
	return slices.ContainsFunc(t.spans(day), func(s span) bool { return s.from <= rest && rest < s.to })
}

// earliest returns the first second of civil time, after from and at or before
// to, that has n open seconds before it. Such a second must exist.
func (t *timetable) earliest(n, from, to int64) int64 {
	day := firstDay(from, to, func(day int64) bool { return t.before(day+1) >= n })
	n -= t.before(day)
	for _, s := range t.spans(day) {
		if n <= s.to-s.from {
			return day*daySeconds + s.from + n
		}
		n -= s.to - s.from
	}
	return to // not reached
}

// latest returns the last second of civil time, at or after from and before to,
// that has n open seconds before it and is itself open. It must exist.
func (t *timetable) latest(n, from, to int64) int64 {
	day := firstDay(from, to, func(day int64) bool { return t.before(day+1) > n })
	n -= t.before(day)
	for _, s := range t.spans(day) {
		if n < s.to-s.from {
			return day*daySeconds + s.from + n
		}
		n -= s.to - s.from
	}
	return from // not reached
}

// firstDay returns the first day, from that of one second to that of another,
// for which ok says yes; ok stays true once it is. Without any it is the last.
func firstDay(from, to int64, ok func(day int64) bool) int64 {
	low, _ := floorDiv(from, daySeconds)
	high, _ := floorDiv(to, daySeconds)
	for low < high {
		if middle := low + (high-low)/2; ok(middle) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
