package sla

import "time"

// Days are numbered from 1970-01-01 (day 0, a Thursday) in the Gregorian
// calendar, which repeats after 400 years: 146,097 days, a whole number of
// weeks. So every year is one of fourteen kinds: the weekday on which it begins,
// leap or not.
const (
	daySeconds = 24 * 60 * 60
	cycleDays  = 146_097
	cycleFirst = 10_957 // 2000-01-01, a Saturday
	yearKinds  = 14
)

func floorDiv(a, b int64) (quotient, remainder int64) {
	q, r := a/b, a%b
	if r < 0 {
		q, r = q-1, r+b
	}
	return q, r
}

// weekday counts from Sunday, as package time does.
func weekday(day int64) int64 {
	_, r := floorDiv(day+int64(time.Thursday), 7)
	return r
}

// yearFirst is the number of days in a cycle before year y of it, 0 to 400.
// Year 0 of a cycle is a leap year.
func yearFirst(y int64) int64 {
	return 365*y + (y+3)/4 - (y+99)/100 + (y+399)/400
}

// yearKind returns the kind of year y of a cycle: twice the weekday of its first
// day, plus one if it is a leap year.
func yearKind(y int64) int64 {
	first, next := yearFirst(y), yearFirst(y+1)
	return (first+int64(time.Saturday))%7*2 + (next - first - 365)
}

// splitDay says where a day lies: in which cycle, year of the cycle and day of
// the year, all from 0.
func splitDay(day int64) (cycle, year, yearDay int64) {
	cycle, rest := floorDiv(day-cycleFirst, cycleDays)
	year = rest / 366 // never too large, and too small by one at most
	if rest >= yearFirst(year+1) {
		year++
	}
	return cycle, year, rest - yearFirst(year)
}

func dayNumber(year int, month time.Month, day int) int64 {
	n, _ := floorDiv(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix(), daySeconds)
	return n
}

// yearly is a date without a year, such as 12-25.
type yearly struct {
	month time.Month
	day   int
}

func yearlyOf(day int64) yearly {
	_, m, d := time.Unix(day*daySeconds, 0).UTC().Date()
	return yearly{m, d}
}
