package workflow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
)

// DefaultLevelField is the ticket field that sets a service level, where
// Policy.LevelField names no other.
const DefaultLevelField = "service level"

// Promise is what the agreement says about a ticket.
type Promise struct {
	sla.Chosen           // the level and why
	Facts      sla.Facts // about the ticket
	Plan       sla.Plan  // what follows from both
}

// Level says which service level a ticket has, and why: [sla.None] where there
// is no agreement, or none for its kind. The error says that the level which the
// ticket names does not exist; then Chosen is what holds in its place.
func (p *Policy) Level(t incident.Ticket) (sla.Chosen, error) {
	switch {
	case p.Agreement == nil:
		return sla.Chosen{Level: sla.None, Why: "there is no service agreement"}, nil
	case !p.promises(t.Kind):
		return sla.Chosen{Level: sla.None, Why: fmt.Sprintf("the agreement is not about tickets of kind %s", t.Kind)}, nil
	}
	return p.Agreement.Choose(sla.Subject{
		Level: value(t, p.levelField()), Constituency: t.Constituency, Kind: string(t.Kind), At: t.Created,
	})
}

// promises reports whether tickets of a kind have service levels.
func (p *Policy) promises(kind incident.Kind) bool {
	if p.AgreementKinds == nil {
		return kind == incident.KindReport || kind == incident.KindInvestigation
	}
	return slices.Contains(p.AgreementKinds, kind)
}

func (p *Policy) levelField() string {
	if p.LevelField == "" {
		return DefaultLevelField
	}
	return p.LevelField
}

// value is the first value of a field; empty: it has none.
func value(t incident.Ticket, field string) string { return firstOf(t.Fields[field]) }

// PromiseAsks returns what must be known to say what is promised about a ticket:
// its incidents, for their priority, and its statuses, if a clock of its level
// looks at them.
func (p *Policy) PromiseAsks(t incident.Ticket) []Ask {
	chosen, _ := p.Level(t)
	if chosen.Level == sla.None {
		return nil
	}
	var asks []Ask
	if len(t.Parents) > 0 {
		asks = append(asks, Ask{Fact: FactParents, Ticket: t.ID})
	}
	level, _ := p.Agreement.Level(chosen.Level)
	if slices.ContainsFunc(level.Clocks, func(c sla.Clock) bool { return looksAtStatuses(c, t) }) {
		asks = append(asks, Ask{Fact: FactStatuses, Ticket: t.ID})
	}
	return asks
}

// looksAtStatuses reports whether a clock depends on the statuses that a ticket
// has had. One that was never closed was never opened again.
func looksAtStatuses(c sla.Clock, t incident.Ticket) bool {
	return len(c.PauseOn)+len(c.IgnoreOn) > 0 ||
		t.Resolved != nil && (slices.Contains(c.From, sla.Reopened) || slices.Contains(c.Until, sla.Reopened))
}

// Promise says what the agreement says about a ticket; f answers what
// PromiseAsks returned. The priority that counts is the highest of its own and
// those of its incidents (JANET 3.10). The error joins all that could not be read or counted:
// a level that does not exist, a field that is no time, a clock without hours.
// The Promise is what holds all the same.
func (p *Policy) Promise(t incident.Ticket, f Facts) (Promise, error) {
	var promise Promise
	var wrong, failed error
	promise.Chosen, wrong = p.Level(t)
	if promise.Level == sla.None {
		return promise, wrong
	}
	asks := p.PromiseAsks(t)
	var statuses []StatusRecord
	if slices.Contains(asks, Ask{Fact: FactStatuses, Ticket: t.ID}) {
		statuses = f.Statuses(t.ID)
	}
	promise.Facts, failed = p.slaFacts(t, statuses)
	if slices.Contains(asks, Ask{Fact: FactParents, Ticket: t.ID}) {
		for _, parent := range f.Parents(t.ID) {
			promise.Facts.Priority = max(promise.Facts.Priority, parent.Priority)
		}
	}
	wrong = errors.Join(wrong, failed)
	promise.Plan, failed = p.Agreement.Plan(promise.Level, promise.Facts)
	return promise, errors.Join(wrong, failed)
}

// slaFacts translates what is known about a ticket, but for the priority of its
// incidents.
func (p *Policy) slaFacts(t incident.Ticket, statuses []StatusRecord) (sla.Facts, error) {
	facts := sla.Facts{Created: t.Created, Priority: t.Priority, Statuses: spans(statuses), Moments: map[sla.Moment]time.Time{}}
	facts.Started, facts.Unanswered, facts.Inside = timeOf(t.Started), timeOf(t.OldestUnanswered), timeOf(t.LastInside)
	if !t.Open() {
		facts.Resolved = timeOf(t.Resolved)
	}
	if at := reopened(statuses); !at.IsZero() {
		facts.Moments[sla.Reopened] = at
	}
	if p.Agreement == nil {
		return facts, nil
	}
	var errs []error
	for _, m := range p.Agreement.Moments() {
		text := value(t, string(m))
		if text == "" || m == sla.Reopened {
			continue
		}
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			errs = append(errs, fmt.Errorf("workflow: field %q of ticket %s is no time: allowed is %s", m, t.ID, momentForm))
			continue
		}
		facts.Moments[m] = incident.Moment(at)
	}
	return facts, errors.Join(errs...)
}

const momentForm = "one time like 2026-03-02T09:00:00Z"

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// spans are the stretches of time between changes of status.
func spans(statuses []StatusRecord) []sla.Span {
	list := make([]sla.Span, len(statuses))
	for i, s := range statuses {
		list[i] = sla.Span{Status: string(s.Status), From: s.At}
		if i > 0 {
			list[i-1].To = s.At
		}
	}
	return list
}

// reopened is when a ticket was opened again last; zero: never.
func reopened(statuses []StatusRecord) (at time.Time) {
	for i, s := range statuses {
		if i > 0 && s.Phase != incident.Inactive && statuses[i-1].Phase == incident.Inactive {
			at = s.At
		}
	}
	return at
}

// Clocks returns the clocks of a plan that run, as tickets keep them.
func (p Promise) Clocks() []incident.Clock {
	var list []incident.Clock
	for _, d := range p.Plan.Deadlines {
		if !d.Done.IsZero() {
			continue
		}
		c := incident.Clock{Name: d.Clock, Level: d.Level, From: incident.Moment(d.From), Due: incident.Moment(d.Due)}
		if !d.Warn.IsZero() {
			c.Warn = moment(&d.Warn)
		}
		list = append(list, c)
	}
	return list
}

// SameClocks reports whether two lists hold the same clocks in the same order.
func SameClocks(a, b []incident.Clock) bool {
	return slices.EqualFunc(a, b, func(a, b incident.Clock) bool {
		return a.Level == b.Level && sameRun(a, b) && a.Due.Equal(b.Due) && sameTime(a.Warn, b.Warn)
	})
}

func sameRun(a, b incident.Clock) bool { return a.Name == b.Name && a.From.Equal(b.From) }

// EarliestDue returns when the first of some clocks is due; nil without clocks.
func EarliestDue(clocks []incident.Clock) *time.Time {
	var due *time.Time
	for _, c := range clocks {
		if due == nil || c.Due.Before(*due) {
			due = &c.Due
		}
	}
	return due
}

// dueByClockNeeds asks for the children of an incident whose priority changed:
// it is theirs too (JANET 3.10).
func dueByClockNeeds(p *Policy, c Change) []Ask {
	if p.Agreement == nil || c.After.Kind != incident.KindIncident || c.Before.Version == 0 || c.Before.Priority == c.After.Priority {
		return nil
	}
	return []Ask{{Fact: FactOpenChildren, Ticket: c.After.ID}}
}

// dueByClockAsks asks nothing about a closed ticket: closing an incident may close
// a thousand.
func dueByClockAsks(p *Policy, t incident.Ticket) []Ask {
	if !t.Open() {
		return nil
	}
	return p.PromiseAsks(t)
}

func dueByClockDirty(p *Policy, c Change, f Facts) []incident.ID {
	if len(dueByClockNeeds(p, c)) > 0 {
		var children []incident.ID
		for _, child := range f.OpenChildren(c.After.ID) {
			children = append(children, child.ID)
		}
		return children
	}
	if p.Agreement == nil || !p.promises(c.After.Kind) || !p.movesClocks(c.Before, c.After) {
		return nil
	}
	return []incident.ID{c.After.ID}
}

// movesClocks compares all that the clocks of a ticket follow from, whatever the
// event was.
func (p *Policy) movesClocks(a, b incident.Ticket) bool {
	same := func(field string) bool { return value(a, field) == value(b, field) }
	return a.Version == 0 || a.Status != b.Status || a.Constituency != b.Constituency || a.Priority != b.Priority ||
		!slices.Equal(a.Parents, b.Parents) || !same(p.levelField()) ||
		!sameTime(a.Started, b.Started) || !sameTime(a.OldestUnanswered, b.OldestUnanswered) || !sameTime(a.LastInside, b.LastInside) ||
		slices.ContainsFunc(p.Agreement.Moments(), func(m sla.Moment) bool { return !same(string(m)) })
}

// dueByClock records which clocks run, if they are not those that the ticket has,
// and what is due first. A deadline that had passed before its clock ended, with
// no sweep in between, is recorded as breached here: nothing that was missed is
// forgotten. A due date that a person or a reminder has set stays until a clock
// moves.
func dueByClock(p *Policy, t incident.Ticket, f Facts, env Env, _ any) []incident.Event {
	if !t.Open() {
		return breaches(t.Clocks, func(c incident.Clock) bool { return !t.Alarmed(c, true) })
	}
	promise, _ := p.Promise(t, f) // Session.Promise tells what is wrong with it
	clocks := promise.Clocks()
	events := breaches(t.Clocks, func(c incident.Clock) bool {
		runs := slices.ContainsFunc(clocks, func(now incident.Clock) bool { return sameRun(c, now) && c.Due.Equal(now.Due) })
		return !runs && c.Due.Before(env.Now) && !t.Alarmed(c, true)
	})
	stays := !t.DueByClock // then somebody has set the date, and it stays
	if promise.Level != sla.None {
		byRule := t.Due != nil && sameTime(t.Due, t.OldestUnanswered) // by due-on-reply, before there was a level
		stays = stays && !byRule || sameTime(t.Due, EarliestDue(clocks))
	}
	if stays && SameClocks(t.Clocks, clocks) {
		return events
	}
	return append(events, promise.dueSet(t, clocks))
}

func breaches(clocks []incident.Clock, which func(incident.Clock) bool) []incident.Event {
	var events []incident.Event
	for _, c := range clocks {
		if which(c) {
			events = append(events, breach(c))
		}
	}
	return events
}

func breach(c incident.Clock) incident.Breached {
	return incident.Breached{Clock: c.Name, Level: c.Level, From: c.From, Due: c.Due}
}

func (p Promise) dueSet(t incident.Ticket, clocks []incident.Clock) incident.DueSet {
	set := incident.DueSet{Basis: &incident.Basis{Level: p.Level, Why: p.Why, Clocks: clocks}}
	if p.Level == sla.None { // whoever waits goes on waiting, as on tickets without a level
		set.Due, set.Clock, set.Basis.Level = t.OldestUnanswered, ClockUnanswered, ""
		if !t.DueByClock {
			set.Due, set.Clock = t.Due, "" // a person or a reminder had set it
		}
		return set
	}
	if d, running := p.Plan.Earliest(); running {
		due, from := incident.Moment(d.Due), incident.Moment(d.From)
		set.Due, set.Clock = &due, d.Clock
		b := set.Basis
		b.Start, b.From, b.Calendar, b.Zone = string(d.Start), &from, d.Calendar, d.Zone
		b.Agreed, b.Within, b.Priority, b.PausedSeconds = d.Agreed.String(), d.Within.String(), d.Priority, int64(d.Paused/time.Second)
		if !d.OutOfHours.IsZero() {
			b.OutOfHours = d.OutOfHours.String()
		}
	}
	return set
}

// alarms are the warnings and breaches that are due at a time and not recorded.
func alarms(t incident.Ticket, now time.Time) []incident.Event {
	var events []incident.Event
	for _, c := range t.Clocks {
		if t.Alarmed(c, true) {
			continue // nobody need be warned any more
		}
		if c.Warn != nil && !c.Warn.After(now) && t.Open() && !t.Alarmed(c, false) {
			events = append(events, incident.Warned(breach(c)))
		}
		if c.Due.Before(now) {
			events = append(events, breach(c))
		}
	}
	return events
}

// checkFields refuses a service level that the agreement does not have, and a
// moment of it that is no time.
func (p *Policy) checkFields(c Command, fields map[string][]string) error {
	if p.Agreement == nil {
		return nil
	}
	level := p.levelField()
	if values := fields[level]; len(values) > 1 || len(values) == 1 && !slices.Contains(append(p.Agreement.Levels(), sla.None), values[0]) {
		return &ArgumentError{c.Name(), level, strings.Join(values, ", "), "one of " + strings.Join(append(p.Agreement.Levels(), sla.None), ", ")}
	}
	for _, m := range p.Agreement.Moments() {
		values := fields[string(m)]
		if len(values) == 0 {
			continue
		}
		at, err := time.Parse(time.RFC3339, values[0])
		if len(values) > 1 || err != nil || !storable(at) || m == sla.Reopened {
			allowed := momentForm
			if m == sla.Reopened {
				allowed = "none: it is when the ticket was opened again"
			}
			return &ArgumentError{c.Name(), string(m), strings.Join(values, ", "), allowed}
		}
	}
	return nil
}
