package workflow

import (
	"maps"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

func (c Edit) asks(p *Policy, t incident.Ticket) []Ask { return c.constituencyAsks(p, t) }

func (c Edit) decide(p *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
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
		if date.at != nil && !storable(*date.at) {
			return nil, &ArgumentError{c.Name(), date.name, date.at.Format(time.RFC3339), "a time from 1970 to 9999"}
		}
	}
	if t.Kind == incident.KindIncident && (c.Wake != nil || (c.Due != nil || clearDue) && !p.pinsDue()) {
		return nil, &RefusedError{c.Name(), t.ID, "the due date of an incident follows from its children: edit that of a report, investigation or block"}
	}
	edited, changed, err := c.edited(p, t)
	if err == nil {
		// What the ticket never had is not this command's to mend.
		err = p.missing(c, t.Kind, func(name string) bool {
			return valueAfter(t, edited, name) != "" || valueAfter(t, incident.Edited{}, name) == ""
		})
	}
	if err == nil && edited.Constituency != nil && p.StrictConstituency {
		c.Constituency = edited.Constituency
		err = p.leaves(c, t, f)
	}
	if err != nil {
		return nil, err
	}
	var decisions []Decision
	if changed {
		decisions = events(edited)
	}
	if due := c.dueSet(t); due != nil {
		decisions = append(decisions, Decision{Event: *due})
	}
	return decisions, nil
}

// dueSet is what the command makes of the due date; nil: it is so already.
func (c Edit) dueSet(t incident.Ticket) *incident.DueSet {
	pins := t.Kind == incident.KindIncident
	switch due := moment(c.Due); {
	case due != nil && (!sameTime(due, t.Due) || pins && !t.Pinned):
		return &incident.DueSet{Due: due, Clock: ClockHand, Pinned: pins}
	case slices.Contains(c.Clear, "due") && (pins && t.Pinned || !pins && t.Due != nil):
		return &incident.DueSet{Clock: ClockHand}
	}
	return nil
}

// edited returns the event for all that really changes.
func (c Edit) edited(p *Policy, t incident.Ticket) (e incident.Edited, changed bool, err error) {
	if c.Priority != nil {
		if err := checkPriority(c, *c.Priority); err != nil {
			return e, false, err
		}
	}
	constituency, state := oneLineOf(c.Constituency), oneLineOf(c.State)
	if constituency != nil {
		if *constituency, err = p.one(c, FieldConstituency, t.Kind, *constituency, t.Constituency, false); err != nil {
			return e, false, err
		}
	}
	if state != nil {
		if *state, err = p.state(c, t.Kind, *state, t.State, false); err != nil {
			return e, false, err
		}
	}
	changed = set(&e.Priority, c.Priority, t.Priority) || changed
	changed = set(&e.Constituency, constituency, t.Constituency) || changed
	changed = set(&e.State, state, t.State) || changed
	changed = set(&e.Content.Subject, oneLineOf(c.Subject), t.Subject) || changed
	for _, list := range []struct {
		name        string
		from        *[]incident.Party
		add, remove []incident.Party
		to          **[]incident.Party
		now         []incident.Party
	}{
		{"requestors", c.Requestors, c.AddRequestors, c.RemoveRequestors, &e.Content.Requestors, t.Requestors},
		{"cc", c.Cc, c.AddCc, c.RemoveCc, &e.Content.Cc, t.Cc},
		{"contacts", c.Contacts, nil, nil, &e.Content.Contacts, t.Contacts},
	} {
		if list.from == nil && len(list.add)+len(list.remove) == 0 {
			continue
		}
		want := list.now
		if list.from != nil {
			if want, err = parties(c, list.name, *list.from); err != nil {
				return e, false, err
			}
		}
		add, err := parties(c, list.name, list.add)
		if err != nil {
			return e, false, err
		}
		want = slices.DeleteFunc(withParties(want, add), func(p incident.Party) bool { return hasParty(list.remove, p) })
		changed = replace(list.to, want, list.now) || changed
	}
	if c.ExternalIDs != nil {
		changed = replace(&e.Content.ExternalIDs, mapped(*c.ExternalIDs, oneLine), t.ExternalIDs) || changed
	}
	if e.Fields, e.Content.Fields, err = p.fields(c, t.Kind, c.Fields, t.Fields, false); err != nil {
		return e, false, err
	}
	for _, fields := range []*map[string][]string{&e.Fields, &e.Content.Fields} {
		maps.DeleteFunc(*fields, func(name string, values []string) bool { return slices.Equal(values, t.Fields[name]) })
		if len(*fields) == 0 {
			*fields = nil
		}
		changed = changed || *fields != nil
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
		if !knows(t, o) {
			e.Content.Observables, changed = append(e.Content.Observables, o), true
		}
	}
	for _, o := range remove {
		if slices.ContainsFunc(t.Observables, o.Same) {
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

// knows reports whether a ticket has an observable, in its role if it has one.
func knows(t incident.Ticket, o incident.Observable) bool {
	return slices.ContainsFunc(t.Observables, func(have incident.Observable) bool {
		return have == o || o.Role == incident.RoleUnknown && have.Same(o)
	})
}

// valueAfter is what a ticket has under a name after an edit.
func valueAfter(t incident.Ticket, e incident.Edited, name string) string {
	of := func(now string, next *string) string {
		if next != nil {
			return *next
		}
		return now
	}
	switch name {
	case FieldSubject:
		return of(t.Subject, e.Content.Subject)
	case FieldConstituency:
		return of(t.Constituency, e.Constituency)
	case FieldVia:
		return t.Via
	case FieldState:
		return of(string(t.State), (*string)(e.State))
	}
	for _, fields := range []map[string][]string{e.Fields, e.Content.Fields} {
		if values, ok := fields[name]; ok {
			return firstOf(values)
		}
	}
	return value(t, name)
}

func firstOf(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// state checks an internal label. The policy may describe it as a field too.
func (p *Policy) state(c Command, kind incident.Kind, want, now incident.State, opening bool) (incident.State, error) {
	f := p.property(FieldState, kind)
	if len(f.Values) == 0 {
		f.Values = p.States
	}
	if want != "" && want == now {
		return want, nil
	}
	state, err := f.one(c, string(want), string(now), opening)
	return incident.State(state), err
}

// withParties returns a copy of a list with those added whose address is not in it.
func withParties(list, more []incident.Party) []incident.Party {
	sum := slices.Clone(list)
	for _, p := range more {
		if !hasParty(sum, p) {
			sum = append(sum, p)
		}
	}
	return sum
}

func hasParty(list []incident.Party, p incident.Party) bool {
	return slices.ContainsFunc(list, func(have incident.Party) bool { return incident.SameAddress(have.Address, p.Address) })
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
