package sla

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Facts is what an agreement must know about a ticket. A zero time means that it
// has not happened.
type Facts struct {
	Created    time.Time
	Started    time.Time
	Unanswered time.Time // oldest message from outside without an answer
	Inside     time.Time // newest message from the team
	Resolved   time.Time // last closed; for a ticket that was opened again zero, or [Resolve] counts as stopped

	Moments  map[Moment]time.Time // what [Terms] declares; others are ignored
	Statuses []Span               // for clocks that ignore or pause; the status of now is the one without To
	Priority int                  // see [Priority.Apply]; 0: not given
}

// Span is a stretch of time in one status. To is zero while it lasts.
type Span struct {
	Status   string
	From, To time.Time
}

func (f Facts) at(m Moment) time.Time {
	switch m {
	case Created:
		return f.Created
	case Started:
		return f.Started
	case Unanswered:
		return f.Unanswered
	case FollowUp:
		if f.Inside.IsZero() {
			return time.Time{}
		}
		return f.Unanswered
	case Inside:
		return f.Inside
	case Resolved:
		return f.Resolved
	}
	return f.Moments[m]
}

func (f Facts) status() string {
	for _, s := range slices.Backward(f.Statuses) {
		if s.To.IsZero() {
			return s.Status
		}
	}
	return ""
}

// Plan is when what is due under one level. All times are in UTC.
type Plan struct {
	Level     string     `json:"level"`
	Starts    time.Time  `json:"starts,omitzero"` // when work may begin
	Deadlines []Deadline `json:"deadlines,omitempty"`
	Idle      []Idle     `json:"idle,omitempty"` // the other clocks
}

// Deadline says when something is due and why.
type Deadline struct {
	Level    string    `json:"level"`
	Clock    string    `json:"clock"`
	Start    Moment    `json:"start"`           // the moment that it is counted from
	From     time.Time `json:"from"`            // when that was
	Due      time.Time `json:"due"`             // too late is after it
	Warn     time.Time `json:"warn,omitzero"`   // zero: no warning was asked for
	Done     time.Time `json:"done,omitzero"`   // what stopped the clock; zero: it runs
	Calendar string    `json:"calendar"`        // through which it was counted
	Zone     string    `json:"zone"`            // of the calendar
	Agreed   Interval  `json:"agreed,omitzero"` // as the level says
	Within   Interval  `json:"within,omitzero"` // as it was counted

	Priority   int           `json:"priority,omitempty"`         // that changed the interval; 0: none did
	OutOfHours Interval      `json:"outOfHours,omitzero"`        // added, because From is outside business hours
	Paused     time.Duration `json:"pausedNanoseconds,omitzero"` // real time between From and Due that did not count
}

// Idle says why a clock has no deadline.
type Idle struct {
	Clock string `json:"clock"`
	Why   string `json:"why"`
}

// Earliest returns the first deadline of a clock that still runs; of equal ones
// the first in the order of the level.
func (p Plan) Earliest() (Deadline, bool) {
	var first Deadline
	found := false
	for _, d := range p.Deadlines {
		if d.Done.IsZero() && (!found || d.Due.Before(first.Due)) {
			first, found = d, true
		}
	}
	return first, found
}

// Met reports whether at is in time.
func (d Deadline) Met(at time.Time) bool { return !at.After(d.Due) }

// String returns the reasons as one sentence.
func (d Deadline) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is due %s: %v from %s (%s) through calendar %q (%s), level %q",
		d.Clock, text(d.Due), d.Within, d.Start.words(), text(d.From), d.Calendar, d.Zone, d.Level)
	if d.Priority != 0 {
		fmt.Fprintf(&b, "; priority %d changed %v", d.Priority, d.Agreed)
	}
	if !d.OutOfHours.IsZero() {
		fmt.Fprintf(&b, "; %v added because it began out of hours", d.OutOfHours)
	}
	if d.Paused != 0 {
		fmt.Fprintf(&b, "; %v of pause left out", d.Paused)
	}
	if !d.Done.IsZero() {
		fmt.Fprintf(&b, "; stopped %s", text(d.Done))
	}
	return b.String()
}

func (m Moment) words() string {
	switch m {
	case Created:
		return "creation"
	case Started:
		return "the start of work"
	case Unanswered:
		return "the oldest unanswered message"
	case FollowUp:
		return "the oldest unanswered message after ours"
	case Inside:
		return "our newest message"
	case Resolved:
		return "closing"
	}
	return string(m)
}

// Plan runs all clocks of a level. Level [None] gives an empty plan.
//
// A deadline that cannot be counted, because a calendar has no hours or a time
// lies outside the years 1 to 9999, is an [ErrNoHours]; the plan holds the
// others. An unknown level is an error that names the known ones.
func (a *Agreement) Plan(level string, f Facts) (Plan, error) {
	plan := Plan{Level: level}
	if level == None {
		return plan, nil
	}
	l, ok := a.level(level)
	if !ok {
		return plan, fmt.Errorf("sla: level %q does not exist (allowed: %s)", level, a.allowed())
	}
	var errs []error
	var err error
	if plan.Starts, err = a.starts(l, f); err != nil {
		errs = append(errs, fmt.Errorf("starts: %w", err))
	}
	for _, clock := range l.Clocks {
		d, idle, err := a.deadline(l, clock, f)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("clock %q: %w", clock.Name, err))
			plan.Idle = append(plan.Idle, Idle{clock.Name, err.Error()})
		case idle != "":
			plan.Idle = append(plan.Idle, Idle{clock.Name, idle})
		default:
			plan.Deadlines = append(plan.Deadlines, d)
		}
	}
	return plan, errors.Join(errs...)
}

func (a *Agreement) starts(l Level, f Facts) (time.Time, error) {
	if f.Created.IsZero() {
		return time.Time{}, nil
	}
	calendar := a.calendars[l.Calendar]
	within := Business(0)
	if l.Starts != nil {
		within = *l.Starts
	}
	t, _, err := within.from(f.Created.UTC().Round(0), calendar, nil)
	if err != nil {
		return time.Time{}, err
	}
	return t, nil
}

// Run says from which moment a clock counts, when that was, and when it was
// stopped; a zero time says that this has not happened. Pauses do not matter. The
// clock must be one of [Agreement.Level], which fills in what it knows by itself.
func (c Clock) Run(f Facts) (start Moment, from, done time.Time) {
	for _, m := range c.From {
		if at := f.at(m); !at.IsZero() && (from.IsZero() || at.After(from)) {
			start, from = m, at.UTC().Round(0)
		}
	}
	if from.IsZero() {
		return start, from, done
	}
	for _, m := range c.Until {
		if at := f.at(m); !at.IsZero() && !at.Before(from) && (done.IsZero() || at.Before(done)) {
			done = at.UTC().Round(0)
		}
	}
	return start, from, done
}

// deadline returns a deadline or why there is none.
func (a *Agreement) deadline(l Level, clock Clock, f Facts) (d Deadline, idle string, err error) {
	calendar := a.calendarOf(l, clock)
	d = Deadline{
		Level: l.Name, Clock: clock.Name, Calendar: calendar.Name(), Zone: calendar.Zone().String(),
		Agreed: clock.Within.clone(), Within: clock.Within.clone(),
	}
	d.Start, d.From, d.Done = clock.Run(f)
	if d.From.IsZero() {
		return d, "has not started: it waits for " + list(clock.From), nil
	}
	if !within(d.From) {
		return d, "", fmt.Errorf("sla: %s at %s lies outside the years 1 to 9999: %w", d.Start, text(d.From), ErrNoHours)
	}
	if status := f.status(); d.Done.IsZero() && slices.Contains(clock.IgnoreOn, status) {
		return d, fmt.Sprintf("is ignored in status %q", status), nil
	}
	if !clock.Fixed {
		if changed := a.priority.Apply(clock.Within, f.Priority); !changed.equal(clock.Within) {
			d.Within, d.Priority = changed, f.Priority
		}
		if !l.OutOfHours.IsZero() && !calendar.Open(d.From) {
			d.OutOfHours = l.OutOfHours.clone()
			d.Within = d.Within.plus(l.OutOfHours)
		}
	}
	stops := pauses(f.Statuses, clock.PauseOn)
	if !d.Done.IsZero() {
		stops = clip(stops, d.Done)
	}
	due, ok, err := d.Within.from(d.From, calendar, stops)
	switch {
	case err != nil:
		return d, "", err
	case !ok:
		return d, fmt.Sprintf("is paused in status %q", f.status()), nil
	}
	d.Due = due
	d.Paused = pausedBetween(d.From, d.Due, stops, betweenReal)
	if !clock.Warn.IsZero() {
		warn, err := clock.Warn.before(d.Due, calendar)
		if err != nil || warn.Before(d.From) {
			warn = d.From
		}
		d.Warn = warn
	}
	return d, "", nil
}

// Elapsed returns the time on a clock between the start of a deadline and an
// instant, pauses left out: business time if the interval has business minutes,
// else real time. It is zero for a deadline that is not of this agreement.
func (a *Agreement) Elapsed(d Deadline, f Facts, at time.Time) time.Duration {
	l, _ := a.level(d.Level)
	i := slices.IndexFunc(l.Clocks, func(c Clock) bool { return c.Name == d.Clock })
	if i < 0 || at.Before(d.From) {
		return 0
	}
	measure := betweenReal
	if d.Within.BusinessMinutes != nil {
		measure = a.calendarOf(l, l.Clocks[i]).Between
	}
	return measure(d.From, at) - pausedBetween(d.From, at, pauses(f.Statuses, l.Clocks[i].PauseOn), measure)
}

func (a *Agreement) calendarOf(l Level, c Clock) *Calendar {
	if c.Calendar != "" {
		return a.calendars[c.Calendar]
	}
	return a.calendars[l.Calendar]
}
