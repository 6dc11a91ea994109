package workflow

import (
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

func (Edit) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Edit) decide(p *Policy, t incident.Ticket, _ Facts, _ Env) ([]Decision, error) {
	for _, name := range c.Clear {
		if !slices.Contains([]string{"due", "started", "wake"}, name) {
			return nil, &ArgumentError{c.Name(), "clear", name, "due, started, wake"}
		}
	}
	clearDue := slices.Contains(c.Clear, "due")
	switch {
	case c.Due != nil && clearDue:
		return nil, &ArgumentError{c.Name(), "clear", "due", `either a date in "due" or "due" in "clear"`}
	case c.Wake != nil && slices.Contains(c.Clear, "wake"):
		return nil, &ArgumentError{c.Name(), "clear", "wake", `either a date in "wake" or "wake" in "clear"`}
	}
	for _, date := range []struct {
		name string
		at   *time.Time
	}{{"due", c.Due}, {"wake", c.Wake}} {
		if date.at != nil && (date.at.UTC().Year() < 1970 || date.at.UTC().Year() > 9999) {
			return nil, &ArgumentError{c.Name(), date.name, date.at.Format(time.RFC3339), "a time from 1970 to 9999"}
		}
	}
	if t.Kind == incident.KindIncident && (c.Due != nil || clearDue || c.Wake != nil) {
		return nil, &RefusedError{c.Name(), t.ID, "the due date of an incident follows from its children: edit that of a report, investigation or block"}
	}
	edited, changed, err := c.edited(t)
	if err == nil {
		err = p.checkFields(c, edited.Content.Fields)
	}
	if err != nil {
		return nil, err
	}
	var decisions []Decision
	if changed {
		decisions = events(edited)
	}
	due := moment(c.Due)
	if clearDue && t.Due != nil || due != nil && !sameTime(due, t.Due) {
		decisions = append(decisions, Decision{Event: incident.DueSet{Due: due, Clock: ClockHand}})
	}
	return decisions, nil
}

// edited returns the event for all that really changes.
func (c Edit) edited(t incident.Ticket) (e incident.Edited, changed bool, err error) {
	if c.Priority != nil {
		if err := checkPriority(c, *c.Priority); err != nil {
			return e, false, err
		}
	}
	changed = set(&e.Priority, c.Priority, t.Priority) || changed
	changed = set(&e.Constituency, oneLineOf(c.Constituency), t.Constituency) || changed
	changed = set(&e.State, oneLineOf(c.State), t.State) || changed
	changed = set(&e.Content.Subject, oneLineOf(c.Subject), t.Subject) || changed
	for _, list := range []struct {
		name string
		from *[]incident.Party
		to   **[]incident.Party
		now  []incident.Party
	}{
		{"requestors", c.Requestors, &e.Content.Requestors, t.Requestors},
		{"cc", c.Cc, &e.Content.Cc, t.Cc},
		{"contacts", c.Contacts, &e.Content.Contacts, t.Contacts},
	} {
		if list.from == nil {
			continue
		}
		cleaned, err := parties(c, list.name, *list.from)
		if err != nil {
			return e, false, err
		}
		changed = replace(list.to, cleaned, list.now) || changed
	}
	if c.ExternalIDs != nil {
		changed = replace(&e.Content.ExternalIDs, mapped(*c.ExternalIDs, oneLine), t.ExternalIDs) || changed
	}
	for name, values := range cleanFields(c.Fields) {
		if !slices.Equal(values, t.Fields[name]) {
			if e.Content.Fields == nil {
				e.Content.Fields = map[string][]string{}
			}
			e.Content.Fields[name], changed = values, true
		}
	}
	add, err := observables(c, c.AddObservables)
	if err != nil {
		return e, false, err
	}
	remove, err := observables(c, c.RemoveObservables)
	if err != nil {
		return e, false, err
	}
	for _, o := range add {
		there := slices.ContainsFunc(t.Observables, func(have incident.Observable) bool {
			return have == o || o.Role == incident.RoleUnknown && have.Kind == o.Kind && have.Value == o.Value
		})
		if !there {
			e.Content.Observables, changed = append(e.Content.Observables, o), true
		}
	}
	for _, o := range remove {
		if slices.ContainsFunc(t.Observables, func(have incident.Observable) bool { return have.Kind == o.Kind && have.Value == o.Value }) {
			e.Content.RemovedObservables, changed = append(e.Content.RemovedObservables, o), true
		}
	}
	if wake := moment(c.Wake); wake != nil && !sameTime(wake, t.Wake) {
		e.Wake, changed = wake, true
	}
	for _, name := range c.Clear {
		if name == "started" && t.Started != nil || name == "wake" && t.Wake != nil {
			e.Clear, changed = append(e.Clear, name), true
		}
	}
	return e, changed, nil
}

func oneLineOf[S ~string](s *S) *S {
	if s == nil {
		return nil
	}
	line := S(oneLine(string(*s)))
	return &line
}

// replace fills to when want differs from now. An empty list is not nil in it:
// that would mean "unchanged" in a record.
func replace[T comparable](to **[]T, want, now []T) bool {
	if slices.Equal(want, now) {
		return false
	}
	if want == nil {
		want = []T{}
	}
	*to = &want
	return true
}

// set fills to when want is given and differs from now.
func set[T comparable](to **T, want *T, now T) bool {
	if want == nil || *want == now {
		return false
	}
	*to = want
	return true
}
