package incident

import (
	"slices"
	"time"
)

// Apply returns t with one record applied. It is total: a record of an unknown
// type, or one that does not decode, changes only Version, Hash and Updated. It
// checks nothing ([Extend] does) and writes to nothing that t refers to.
func Apply(t Ticket, r Record) Ticket {
	at := Moment(r.At)
	if t.Version == 0 {
		t.ID, t.Created = r.Ticket, at
	}
	t.Version, t.Hash = r.Version, r.Hash
	t.Vocabulary = max(t.Vocabulary, Vocabulary)
	t.Updated = at
	if ev, err := folded(r); err == nil {
		ev.apply(&t, at)
	}
	return t
}

func (e Opened) apply(t *Ticket, at time.Time) {
	t.Kind, t.Status, t.Phase, t.State = e.Kind, e.Status, e.Phase, e.State
	t.Owner, t.Priority, t.Constituency, t.Via, t.From = e.Owner, e.Priority, e.Constituency, e.Via, e.From
	t.Parents = slices.Compact(slices.Sorted(slices.Values(e.Parents)))
	t.Subject = e.Content.Subject
	t.Requestors, t.Cc, t.Contacts = e.Content.Requestors, e.Content.Cc, e.Content.Contacts
	t.ExternalIDs = e.Content.ExternalIDs
	t.Observables = addObservables(nil, e.Content.Observables)
	t.Fields = mergeFields(e.Fields, e.Content.Fields)
	t.started(at)
}

func (e Moved) apply(t *Ticket, at time.Time) {
	t.Status, t.Phase = e.To, e.Phase
	t.started(at)
	if e.Phase == Inactive {
		t.Resolved = &at
		// What was in time has ended; what was missed waits for its breach.
		t.Clocks = slices.DeleteFunc(slices.Clone(t.Clocks), func(c Clock) bool { return !c.Due.Before(at) })
		if len(t.Clocks) == 0 {
			t.Clocks = nil
		}
	}
}

// started sets Started when the initial phase is left for the first time
// (RT: also at creation, when the first status is not an initial one).
func (t *Ticket) started(at time.Time) {
	if t.Started == nil && t.Phase != Initial && t.Phase != "" {
		t.Started = &at
	}
}

func (e Owned) apply(t *Ticket, _ time.Time) { t.Owner = e.To }

func (e Linked) apply(t *Ticket, _ time.Time) {
	if at, found := slices.BinarySearch(t.Parents, e.Parent); !found {
		t.Parents = slices.Insert(slices.Clone(t.Parents), at, e.Parent)
	}
}

func (e Unlinked) apply(t *Ticket, _ time.Time) {
	if at, found := slices.BinarySearch(t.Parents, e.Parent); found {
		t.Parents = slices.Delete(slices.Clone(t.Parents), at, at+1)
	}
}

func (e Edited) apply(t *Ticket, _ time.Time) {
	replace(&t.Priority, e.Priority)
	replace(&t.Constituency, e.Constituency)
	replace(&t.State, e.State)
	replace(&t.Subject, e.Content.Subject)
	replace(&t.Requestors, e.Content.Requestors)
	replace(&t.Cc, e.Content.Cc)
	replace(&t.Contacts, e.Content.Contacts)
	replace(&t.ExternalIDs, e.Content.ExternalIDs)
	if e.Started != nil {
		t.Started = moment(e.Started)
	}
	if e.Wake != nil {
		t.Wake = moment(e.Wake)
	}
	for _, name := range e.Clear {
		switch name {
		case "started":
			t.Started = nil
		case "wake":
			t.Wake = nil
		}
	}
	if len(e.Content.RemovedObservables) > 0 {
		t.Observables = slices.DeleteFunc(slices.Clone(t.Observables), func(o Observable) bool {
			return slices.ContainsFunc(e.Content.RemovedObservables, o.Same)
		})
	}
	t.Observables = addObservables(t.Observables, e.Content.Observables)
	t.Fields = mergeFields(mergeFields(t.Fields, e.Fields), e.Content.Fields)
}

func (e Message) apply(t *Ticket, at time.Time) {
	t.Messages++
	t.Observables = addObservables(t.Observables, e.Content.Observables)
	if e.When != nil {
		at = Moment(*e.When)
	}
	switch {
	case e.Machine:
	case e.Side == Outside:
		t.LastOutside = later(t.LastOutside, at)
		if t.OldestUnanswered == nil || at.Before(*t.OldestUnanswered) {
			t.OldestUnanswered = &at
		}
	case e.Side == Inside:
		t.LastInside = later(t.LastInside, at)
	}
	if e.Answers {
		t.OldestUnanswered = nil
	}
}

func (Commented) apply(*Ticket, time.Time) {}

func (e DueSet) apply(t *Ticket, _ time.Time) {
	t.Due, t.DueByClock, t.Pinned = moment(e.Due), e.Basis != nil && e.Basis.Level != "", e.Pinned
	if e.Basis == nil {
		return
	}
	t.Clocks = cloneClocks(e.Basis.Clocks)
	// A run may come back, when a merge is undone: the last alarms of earlier ones stay.
	earlier := 0
	for _, a := range t.Alarms {
		if t.earlierRun(a) {
			earlier++
		}
	}
	t.Alarms = slices.DeleteFunc(slices.Clone(t.Alarms), func(a Alarm) bool {
		if !t.earlierRun(a) {
			return false
		}
		earlier--
		return earlier >= mostEarlierAlarms
	})
	if len(t.Alarms) == 0 {
		t.Alarms = nil
	}
}

const mostEarlierAlarms = 16

// earlierRun reports whether an alarm is of a run of a clock that runs anew.
func (t *Ticket) earlierRun(a Alarm) bool {
	return slices.ContainsFunc(t.Clocks, func(c Clock) bool { return c.Name == a.Clock && !c.From.Equal(a.From) })
}

// cloneClocks returns a copy with times as tickets keep them.
func cloneClocks(list []Clock) []Clock {
	clocks := slices.Clone(list)
	for i, c := range clocks {
		clocks[i].From, clocks[i].Due, clocks[i].Warn = Moment(c.From), Moment(c.Due), moment(c.Warn)
	}
	return clocks
}

func (e Warned) apply(t *Ticket, _ time.Time) {
	t.alarm(Clock{Name: e.Clock, From: e.From, Due: e.Due}, false)
}

func (e Breached) apply(t *Ticket, _ time.Time) {
	t.alarm(Clock{Name: e.Clock, From: e.From, Due: e.Due}, true)
}

func (t *Ticket) alarm(c Clock, breach bool) {
	c.From, c.Due = Moment(c.From), Moment(c.Due)
	if !t.Alarmed(c, breach) {
		t.Alarms = append(slices.Clone(t.Alarms), Alarm{Clock: c.Name, From: c.From, Due: c.Due, Breach: breach})
	}
}

func (e Held) apply(t *Ticket, _ time.Time) { t.Held = &e }

func (Delivered) apply(t *Ticket, _ time.Time) { t.Held = nil }

func (e Overdue) apply(t *Ticket, _ time.Time) { t.OverdueNoted = moment(&e.Due) }

func (Adopted) apply(t *Ticket, _ time.Time) { t.Kind = KindDesk }

func (e Examined) apply(t *Ticket, _ time.Time) {
	t.Observables = addObservables(t.Observables, e.Content.Observables)
}

func (ReceivedAgain) apply(*Ticket, time.Time) {}
func (Skipped) apply(*Ticket, time.Time)       {}
func (Notified) apply(*Ticket, time.Time)      {}
func (Reacted) apply(*Ticket, time.Time)       {}
func (Settled) apply(*Ticket, time.Time)       {}
func (Undelivered) apply(*Ticket, time.Time)   {}
func (Redacted) apply(*Ticket, time.Time)      {}
func (Custom) apply(*Ticket, time.Time)        {}
func (Unknown) apply(*Ticket, time.Time)       {}

// moment is [Moment] of a date that may be unset.
func moment(date *time.Time) *time.Time {
	if date == nil {
		return nil
	}
	at := Moment(*date)
	return &at
}

func replace[T any](old *T, now *T) {
	if now != nil {
		*old = *now
	}
}

func later(old *time.Time, at time.Time) *time.Time {
	if old != nil && old.After(at) {
		return old
	}
	return &at
}

// mergeFields returns a copy of fields with changes made; a field without
// values is removed.
func mergeFields(fields, changes map[string][]string) map[string][]string {
	if len(fields)+len(changes) == 0 {
		return nil
	}
	merged := make(map[string][]string, len(fields)+len(changes))
	for name, values := range fields {
		merged[name] = slices.Clone(values)
	}
	for name, values := range changes {
		if len(values) == 0 {
			delete(merged, name)
			continue
		}
		merged[name] = slices.Clone(values)
	}
	if len(merged) == 0 {
		return nil
	}
	return merged
}

// addObservables returns a copy of list with more added. One that is there
// already keeps its place and takes the new role, unless that is unknown.
func addObservables(list, more []Observable) []Observable {
	if len(more) == 0 {
		return list
	}
	type name struct {
		kind  ObservableKind
		value string
	}
	sum := make([]Observable, 0, len(list)+len(more))
	place := make(map[name]int, len(list)+len(more))
	for _, o := range slices.Concat(list, more) {
		at, found := place[name{o.Kind, o.Value}]
		if !found {
			place[name{o.Kind, o.Value}] = len(sum)
			sum = append(sum, o)
		} else if o.Role != RoleUnknown {
			sum[at].Role = o.Role
		}
	}
	return sum
}
