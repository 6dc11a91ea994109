package sla

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Hours is the data from which [NewCalendar] builds a [Calendar]; it can stand
// in a configuration file. Hours of a day are written "09:00-17:00": wall clock
// time in the zone, the end not included, "24:00" for the end of the day. Where
// the end comes before the start ("22:00-06:00") it lies on the next day.
type Hours struct {
	// Name is how agreements and explanations call the calendar. Required.
	Name string `json:"name"`

	// Zone is a name of the IANA time zone database, such as "Europe/Berlin" or
	// "UTC". Required, unless Location is given, and never "Local": the answer
	// may not depend on the machine.
	Zone string `json:"zone"`

	// Location is used instead of Zone where it is set: for programs that bring
	// their own zone data. Without it the constructor reads the database of the
	// system; a program for systems that have none imports time/tzdata.
	Location *time.Location `json:"-"`

	// Week holds the hours of each day of the week: sun, mon, tue, wed, thu,
	// fri, sat. A day that is not named is closed. See [Weekdays] and [EveryDay].
	Week map[string][]string `json:"week,omitempty"`

	// Holidays are closed all day. A date may stand here more than once.
	Holidays []Holiday `json:"holidays,omitempty"`

	// Days are exceptions with hours of their own. They win over Holidays, so
	// that a desk can open on a day of a national table.
	Days []Day `json:"days,omitempty"`
}

// Holiday is a closed day: a shift that begins on it does not take place. A
// night shift belongs to the day on which it begins, so the morning of a holiday
// still ends the shift of the evening before; where it should not, give the
// evening before its own hours ("22:00-24:00") under Days.
type Holiday struct {
	Date string `json:"date"`           // "2026-12-25", or "12-25" for every year ("02-29": leap years only)
	Name string `json:"name,omitempty"` // for people; not interpreted
}

// Day is a date with hours of its own. A dated one is applied after one for
// every year, so that the dated one wins.
type Day struct {
	Date  string   `json:"date"`            // as in Holiday
	Hours []string `json:"hours,omitempty"` // instead of those of the week or of the holiday
	Extra []string `json:"extra,omitempty"` // besides those of the week, or besides Hours
	Name  string   `json:"name,omitempty"`
}

// Weekdays is a week with the same hours from Monday to Friday. The week that
// RTIR assumes where none is configured is Weekdays("09:00-18:00").
func Weekdays(hours ...string) map[string][]string {
	return sameHours(dayNames[time.Monday:time.Saturday], hours)
}

// EveryDay is a week with the same hours on all seven days. A desk that never
// closes has EveryDay("00:00-24:00").
func EveryDay(hours ...string) map[string][]string { return sameHours(dayNames[:], hours) }

func sameHours(days, hours []string) map[string][]string {
	week := map[string][]string{}
	for _, day := range days {
		week[day] = slices.Clone(hours)
	}
	return week
}

var dayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// span is a stretch of a day in seconds from local midnight. Before days are put
// together, a night shift ends after 24:00.
type span struct{ from, to int64 }

// ruling is [Hours] in numbers: what is said about each day, before night shifts
// are carried over midnight.
type ruling struct {
	week   [7][]span
	closed dates[bool]
	days   dates[ownHours]
}

type dates[V any] struct {
	yearly map[yearly]V
	dated  map[int64]V
}

type ownHours struct {
	replace      bool
	hours, extra []span
}

// parse returns every mistake at once.
func (h Hours) parse() (ruling, *time.Location, error) {
	r := ruling{
		closed: dates[bool]{map[yearly]bool{}, map[int64]bool{}},
		days:   dates[ownHours]{map[yearly]ownHours{}, map[int64]ownHours{}},
	}
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("sla: calendar %q: "+format, append([]any{h.Name}, args...)...))
	}
	spans := func(where string, texts []string) []span {
		got, errs := parseSpans(texts)
		for _, err := range errs {
			wrong("%s: %w", where, err)
		}
		return got
	}
	if h.Name == "" {
		wrong("no name: give one, agreements refer to it")
	}
	zone, err := h.location()
	if err != nil {
		wrong("%w", err)
	}
	some := false // is there any time at which it is open?
	for _, name := range sortedKeys(h.Week) {
		day := slices.Index(dayNames[:], name)
		if day < 0 {
			wrong("week: %q is no day (allowed: %s)", name, strings.Join(dayNames[:], ", "))
			continue
		}
		r.week[day] = spans("week: "+name, h.Week[name])
		some = some || len(h.Week[name]) > 0
	}
	for i, holiday := range h.Holidays {
		if !r.closed.set(holiday.Date, true) {
			wrong("holidays[%d]: date %q (allowed: 2026-12-25, or 12-25 for every year)", i, holiday.Date)
		}
	}
	listed := map[string]int{}
	for i, day := range h.Days {
		where := fmt.Sprintf("days[%d] (%s)", i, day.Date)
		own := ownHours{
			replace: len(day.Hours) > 0,
			hours:   spans(where+": hours", day.Hours),
			extra:   spans(where+": extra", day.Extra),
		}
		if !own.replace && len(day.Extra) == 0 {
			wrong("%s: neither hours nor extra: give one, or list a closed day under holidays", where)
		}
		some = true
		if first, ok := listed[day.Date]; ok {
			wrong("%s: same date as days[%d]: put the hours together", where, first)
			continue
		}
		listed[day.Date] = i
		if !r.days.set(day.Date, own) {
			wrong("days[%d]: date %q (allowed: 2026-12-25, or 12-25 for every year)", i, day.Date)
		}
	}
	if !some {
		wrong(`never open: give hours under week or days, such as {"mon": ["09:00-17:00"]}`)
	}
	return r, zone, errors.Join(errs...)
}

func (h Hours) location() (*time.Location, error) {
	switch {
	case h.Location == time.Local || h.Zone == "Local":
		return nil, errors.New(`zone "Local" depends on the machine (allowed: a name such as "Europe/Berlin" or "UTC")`)
	case h.Location != nil:
		return h.Location, nil
	case h.Zone == "":
		return nil, errors.New(`no zone (allowed: a name such as "Europe/Berlin" or "UTC")`)
	}
	zone, err := time.LoadLocation(h.Zone)
	if err != nil {
		return nil, fmt.Errorf(`zone %q: %w (allowed: a name such as "Europe/Berlin" or "UTC")`, h.Zone, err)
	}
	return zone, nil
}

func (d dates[V]) set(text string, v V) bool {
	if t, err := time.Parse(time.DateOnly, text); err == nil && t.Year() >= 1 {
		d.dated[dayNumber(t.Date())] = v
		return true
	}
	t, err := time.Parse(time.DateOnly, "2000-"+text) // a leap year
	if err == nil {
		d.yearly[yearly{t.Month(), t.Day()}] = v
	}
	return err == nil
}

func parseSpans(texts []string) (spans []span, errs []error) {
	for _, text := range texts {
		s, err := parseSpan(text)
		if err != nil {
			errs = append(errs, err)
		}
		for j, other := range spans {
			if s.from < other.to && other.from < s.to {
				errs = append(errs, fmt.Errorf("%q overlaps %q", text, texts[j]))
			}
		}
		spans = append(spans, s) // empty where it is wrong
	}
	return spans, errs
}

func parseSpan(text string) (span, error) {
	from, to, ok := strings.Cut(text, "-")
	start, okFrom := parseClock(from)
	end, okTo := parseClock(to)
	switch {
	case !ok || !okFrom || !okTo || start == daySeconds:
		return span{}, fmt.Errorf(`hours %q (allowed: "HH:MM-HH:MM", 00:00 to 24:00)`, text)
	case start == end:
		return span{}, fmt.Errorf(`hours %q begin where they end (the whole day is "00:00-24:00")`, text)
	case end < start:
		end += daySeconds
	}
	return span{start, end}, nil
}

func parseClock(text string) (seconds int64, ok bool) {
	if text == "24:00" {
		return daySeconds, true
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, false
	}
	return int64(t.Hour()*60+t.Minute()) * 60, true
}
