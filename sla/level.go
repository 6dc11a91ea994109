package sla

import (
	"fmt"
	"slices"
	"strings"
)

// Moment names an instant in the life of a ticket from which a clock starts or at
// which it stops. These are built in; [Terms] may declare more.
type Moment string

// Built-in moments.
const (
	Created    Moment = "created"
	Started    Moment = "started"    // left its initial phase
	Unanswered Moment = "unanswered" // the oldest message from outside that has no answer: chasing does not move it
	FollowUp   Moment = "follow-up"  // the same, known only when the team has written before
	Inside     Moment = "inside"     // the newest message from the team
	Resolved   Moment = "resolved"   // was last closed
)

var builtinMoments = []Moment{Created, Started, Unanswered, FollowUp, Inside, Resolved}

// Names of clocks that know by themselves where they start and stop.
const (
	Response   = "response"     // from Unanswered
	KeepInLoop = "keep-in-loop" // from Inside, until Unanswered
	Resolve    = "resolve"      // from Created, until Resolved
)

// Level is a level of service: in whose hours, and which clocks run side by side.
type Level struct {
	Name     string `json:"name"`
	Calendar string `json:"calendar,omitempty"` // of its clocks; required where business minutes are used

	// Starts says when work may begin, counted from Created. Nil is the first
	// open instant; the empty interval is at once (RT: StartImmediately). It is
	// no deadline.
	Starts *Interval `json:"starts,omitempty"`

	// OutOfHours is added to the interval of a clock that starts outside
	// business hours (RT: OutOfHours). Priority does not shorten it.
	OutOfHours Interval `json:"outOfHours,omitzero"`

	Clocks []Clock `json:"clocks"`
}

// Clock is one thing that is due.
type Clock struct {
	// Name is [Response], [KeepInLoop], [Resolve] or any other, such as
	// "next update", "block review", "early warning".
	Name string `json:"name"`

	// Within is how long it may take.
	Within Interval `json:"within"`

	// From are the moments at which the clock starts. The newest that is known
	// counts; while none is known the clock does not run. Required, except for
	// the clocks that know theirs.
	From []Moment `json:"from,omitempty"`

	// Until are the moments that stop the clock, if they come at or after its
	// start. Without any it runs on: then From must move, or the ticket close.
	Until []Moment `json:"until,omitempty"`

	// Calendar, if set, is used instead of that of the level.
	Calendar string `json:"calendar,omitempty"`

	// Fixed clocks are not shortened by priority and get no OutOfHours: for
	// duties that somebody else has set.
	Fixed bool `json:"fixed,omitempty"`

	// IgnoreOn are statuses during which there is no deadline, although time
	// goes on counting (RT: IgnoreOnStatuses).
	IgnoreOn []string `json:"ignoreOn,omitempty"`

	// PauseOn are statuses during which the clock stands still (RT:
	// IgnoreOnStatuses with ExcludeTimeOnIgnoredStatuses). A deadline that had
	// passed before the pause stays: what was missed is not hidden.
	PauseOn []string `json:"pauseOn,omitempty"`

	// Warn is how long before the deadline a warning is due. No months; the
	// warning never comes before the clock starts.
	Warn Interval `json:"warn,omitzero"`
}

// withDefaults fills in what the well-known clocks know.
func (c Clock) withDefaults() Clock {
	from, until := []Moment(nil), []Moment(nil)
	switch c.Name {
	case Response:
		from = []Moment{Unanswered}
	case KeepInLoop:
		from, until = []Moment{Inside}, []Moment{Unanswered}
	case Resolve:
		from, until = []Moment{Created}, []Moment{Resolved}
	}
	if len(c.From) == 0 {
		c.From = from
		if len(c.Until) == 0 {
			c.Until = until
		}
	}
	return c
}

func (c Clock) clone() Clock {
	c.Within, c.Warn = c.Within.clone(), c.Warn.clone()
	c.From, c.Until = slices.Clone(c.From), slices.Clone(c.Until)
	c.IgnoreOn, c.PauseOn = slices.Clone(c.IgnoreOn), slices.Clone(c.PauseOn)
	return c
}

func (l Level) clone() Level {
	if l.Starts != nil {
		l.Starts = new(l.Starts.clone())
	}
	l.OutOfHours = l.OutOfHours.clone()
	l.Clocks = slices.Clone(l.Clocks)
	for i := range l.Clocks {
		l.Clocks[i] = l.Clocks[i].clone()
	}
	return l
}

// check returns what is wrong with a level whose clocks have their defaults.
func (l Level) check(calendars []string, moments []Moment) []error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	known := func(where, calendar string) {
		if calendar != "" && !slices.Contains(calendars, calendar) {
			wrong("%scalendar %q (allowed: %s)", where, calendar, list(calendars))
		}
	}
	interval := func(where string, i Interval, calendar string, monthsToo bool) {
		for _, err := range i.check() {
			wrong("%s: %w", where, err)
		}
		if i.Months != 0 && !monthsToo {
			wrong("%s: months (allowed: business and real minutes)", where)
		}
		if i.BusinessMinutes != nil && calendar == "" {
			wrong("%s: business minutes without a calendar: name one (allowed: %s)", where, list(calendars))
		}
	}
	known("", l.Calendar)
	if l.Starts != nil {
		interval("starts", *l.Starts, l.Calendar, true)
	}
	interval("outOfHours", l.OutOfHours, l.Calendar, false)
	seen := map[string]bool{}
	for i, c := range l.Clocks {
		where := fmt.Sprintf("clocks[%d] (%s)", i, c.Name)
		if c.Name == "" {
			wrong("%s: no name", where)
		} else if seen[c.Name] {
			wrong("%s: a second clock of this name", where)
		}
		seen[c.Name] = true
		known(where+": ", c.Calendar)
		calendar := c.Calendar
		if calendar == "" {
			calendar = l.Calendar
		}
		interval(where+": within", c.Within, calendar, true)
		interval(where+": warn", c.Warn, calendar, false)
		if c.Within.Months > 0 && len(c.PauseOn) > 0 {
			wrong("%s: a clock in months cannot pause (allowed: ignoreOn)", where)
		}
		if len(c.From) == 0 {
			wrong("%s: no from: say at which moment it starts (allowed: %s)", where, list(moments))
		}
		for _, m := range slices.Concat(c.From, c.Until) {
			if !slices.Contains(moments, m) {
				wrong("%s: moment %q (allowed: %s, and what is declared under moments)", where, m, list(moments))
			}
		}
		for _, status := range c.IgnoreOn {
			if slices.Contains(c.PauseOn, status) {
				wrong("%s: status %q under both ignoreOn and pauseOn (allowed: one of them)", where, status)
			}
		}
	}
	return errs
}

func list[S ~string](names []S) string {
	if len(names) == 0 {
		return "none is defined"
	}
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = string(n)
	}
	return strings.Join(texts, ", ")
}
