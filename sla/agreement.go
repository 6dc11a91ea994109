package sla

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// None is the level of tickets that nobody has promised anything about. No level
// may have this name.
const None = "none"

// Terms is the data from which [NewAgreement] builds an [Agreement]; it can stand
// in a configuration file.
type Terms struct {
	Calendars []Hours  `json:"calendars,omitempty"`
	Levels    []Level  `json:"levels"`
	Moments   []Moment `json:"moments,omitempty"` // besides the built-in ones
	Choose    []Choice `json:"choose,omitempty"`  // which level; the first that fits wins
	Default   string   `json:"default,omitempty"` // where none fits; empty is None
	Priority  Priority `json:"priority,omitzero"`
}

// Agreement is a set of service levels with their calendars, and how a level is
// chosen. Make one with [NewAgreement]; the zero Agreement has no levels, so that
// nothing is ever due. It never changes and is safe for concurrent use.
type Agreement struct {
	calendars map[string]*Calendar
	levels    []Level // with defaults
	moments   []Moment
	choose    []Choice
	fallback  string
	priority  Priority
}

// NewAgreement checks the terms and builds the agreement. It keeps nothing that
// the caller may change. The error lists every mistake, each with what is allowed.
func NewAgreement(t Terms) (*Agreement, error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("sla: "+format, args...)) }
	a := &Agreement{calendars: map[string]*Calendar{}, fallback: t.Default}

	var calendars []string
	for _, h := range t.Calendars {
		if slices.Contains(calendars, h.Name) {
			wrong("calendar %q: a second one of this name", h.Name)
		}
		calendars = append(calendars, h.Name)
		c, err := NewCalendar(h)
		if err != nil {
			errs = append(errs, err)
		}
		a.calendars[h.Name] = c
	}
	moments := slices.Concat(builtinMoments, t.Moments)
	for i, m := range t.Moments {
		if m == "" || slices.Contains(moments[:len(builtinMoments)+i], m) {
			wrong("moments[%d]: %q is empty, built in or twice", i, m)
		}
	}
	a.moments = slices.Clone(t.Moments)
	for i, l := range t.Levels {
		if l.Name == "" || l.Name == None {
			wrong("levels[%d]: name %q (allowed: any but the empty one and %q)", i, l.Name, None)
		}
		if slices.Contains(a.Levels(), l.Name) {
			wrong("level %q: a second one of this name", l.Name)
		}
		l = l.clone()
		for j := range l.Clocks {
			l.Clocks[j] = l.Clocks[j].withDefaults()
		}
		for _, err := range l.check(calendars, moments) {
			wrong("level %q: %w", l.Name, err)
		}
		a.levels = append(a.levels, l)
	}
	if a.fallback == "" {
		a.fallback = None
	}
	if !a.has(a.fallback) {
		wrong("default: level %q (allowed: %s)", a.fallback, a.allowed())
	}
	for i, c := range t.Choose {
		for _, err := range a.checkChoice(c) {
			wrong("choose[%d]: %w", i, err)
		}
		a.choose = append(a.choose, c)
	}
	a.priority = t.Priority.clone()
	for _, err := range a.priority.check() {
		wrong("priority: %w", err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return a, nil
}

// Levels returns the names of the levels in the order of the terms.
func (a *Agreement) Levels() []string {
	names := make([]string, len(a.levels))
	for i, l := range a.levels {
		names[i] = l.Name
	}
	return names
}

// Moments returns the moments that the terms declare, beside the built-in ones.
func (a *Agreement) Moments() []Moment { return slices.Clone(a.moments) }

// Level returns a level as it is used, defaults filled in. It is the caller's to
// change.
func (a *Agreement) Level(name string) (Level, bool) {
	l, ok := a.level(name)
	return l.clone(), ok
}

// Calendar returns a calendar by name, and false if there is none of this name.
func (a *Agreement) Calendar(name string) (*Calendar, bool) {
	c, ok := a.calendars[name]
	return c, ok
}

func (a *Agreement) level(name string) (Level, bool) {
	i := slices.IndexFunc(a.levels, func(l Level) bool { return l.Name == name })
	if i < 0 {
		return Level{}, false
	}
	return a.levels[i], true
}

func (a *Agreement) has(name string) bool {
	_, ok := a.level(name)
	return ok || name == None
}

func (a *Agreement) allowed() string { return list(append(a.Levels(), None)) }

// Choice gives a level to the tickets that it fits. An empty condition fits all.
type Choice struct {
	Constituency string `json:"constituency,omitempty"`
	Kind         string `json:"kind,omitempty"`
	Hours        string `json:"hours,omitempty"` // InHours or OutOfHours, by the calendar of the level
	Level        string `json:"level"`           // or None
}

// Values of [Choice.Hours].
const (
	InHours    = "in"
	OutOfHours = "out"
)

// Subject is what the choice of a level looks at.
type Subject struct {
	Level        string // as somebody has set it; empty: nobody has
	Constituency string
	Kind         string
	At           time.Time // when the ticket came in
}

// Chosen is a level and why it was chosen, in words.
type Chosen struct {
	Level string `json:"level"` // None if nothing is promised
	Why   string `json:"why"`
}

// Choose picks the level: the one that was set, else the first [Choice] that fits,
// else the default (JANET 3.4; RT: ServiceAgreements). The error says that the
// level that was set does not exist, and which do; then Chosen is what would hold
// if none had been set.
func (a *Agreement) Choose(s Subject) (Chosen, error) {
	if s.Level != "" && a.has(s.Level) {
		return Chosen{s.Level, "it was set"}, nil
	}
	var err error
	if s.Level != "" {
		err = fmt.Errorf("sla: level %q does not exist (allowed: %s)", s.Level, a.allowed())
	}
	for i, c := range a.choose {
		if why, ok := a.fits(c, s); ok {
			return Chosen{c.Level, fmt.Sprintf("choice %d fits: %s", i+1, why)}, err
		}
	}
	if a.fallback == "" || a.fallback == None {
		return Chosen{None, "no choice fits and there is no default"}, err
	}
	return Chosen{a.fallback, "no choice fits: the default"}, err
}

func (a *Agreement) fits(c Choice, s Subject) (why string, ok bool) {
	why = "any ticket"
	and := func(text string) {
		if why == "any ticket" {
			why = text
		} else {
			why += ", " + text
		}
	}
	if c.Constituency != "" {
		if c.Constituency != s.Constituency {
			return "", false
		}
		and("constituency " + c.Constituency)
	}
	if c.Kind != "" {
		if c.Kind != s.Kind {
			return "", false
		}
		and("kind " + c.Kind)
	}
	if c.Hours != "" {
		l, _ := a.level(c.Level)
		calendar := a.calendars[l.Calendar]
		if calendar.Open(s.At) != (c.Hours == InHours) {
			return "", false
		}
		word := "within"
		if c.Hours == OutOfHours {
			word = "outside"
		}
		and(fmt.Sprintf("%s is %s the hours of calendar %q (%v)", text(s.At), word, calendar.Name(), calendar.Zone()))
	}
	return why, true
}

func (a *Agreement) checkChoice(c Choice) (errs []error) {
	if !a.has(c.Level) {
		errs = append(errs, fmt.Errorf("level %q (allowed: %s)", c.Level, a.allowed()))
	}
	switch c.Hours {
	case "":
	case InHours, OutOfHours:
		if l, _ := a.level(c.Level); l.Calendar == "" {
			errs = append(errs, fmt.Errorf("hours %q, but level %q has no calendar: give it one", c.Hours, c.Level))
		}
	default:
		errs = append(errs, fmt.Errorf("hours %q (allowed: %q, %q or none)", c.Hours, InHours, OutOfHours))
	}
	return errs
}
