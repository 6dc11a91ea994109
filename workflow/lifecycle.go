package workflow

import (
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Lifecycle is the life of one kind of ticket. The order of Statuses counts:
// see [Lifecycle.FirstActive].
type Lifecycle struct {
	Statuses  []StatusDef
	OnCreate  incident.Status // when a command names none
	OnMerge   incident.Status // of a ticket that another one took over
	OnResolve incident.Status // by the command resolve
	OnReject  incident.Status // by the command reject; "": cannot be rejected
	OnAbandon incident.Status // by the command abandon; "": cannot be abandoned
	OnRemoval incident.Status // of a block whose removal is asked for; "": it is not asked for
	Actions   []Action        // what a front end offers, in this order

	ManyParents    bool // may be linked to several incidents
	ParentRequired bool // may not be without an incident
	RefuseClosed   bool // an incident that is closed takes no child that is not
	Priority       int  // of a new ticket

	// QuoteFirst makes a ticket that is made from another one begin with the first
	// of its messages alone (JANET 3.13); otherwise with all of them (RTIR).
	QuoteFirst bool
}

// StatusDef is one status of a lifecycle.
type StatusDef struct {
	Name    incident.Status
	Aliases []incident.Status // other names, understood on input
	Phase   incident.Phase
	First   bool              // allowed as first status
	MoveTo  []incident.Status `json:"to"` // allowed next
}

// Action is a change of status as a menu shows it (RTIR: the actions of a
// lifecycle). It is offered where the lifecycle allows the change; one without
// From stands back for one that is made for the present status and leads to the
// same.
type Action struct {
	Name string
	From incident.Status // "": any
	To   incident.Status
	Form Form // what to ask before the change
}

// Form is what a front end asks a person for before an action.
type Form string

// Forms.
const (
	FormNone    Form = "none"    // nothing: the change is made at once
	FormComment Form = "comment" // a note for the team
	FormReply   Form = "reply"   // a mail to the requestors
)

// Status looks a status up by name or alias, without regard to case.
func (l Lifecycle) Status(name incident.Status) (StatusDef, bool) {
	same := func(other incident.Status) bool { return strings.EqualFold(string(other), string(name)) }
	for _, s := range l.Statuses {
		if same(s.Name) {
			return s, true
		}
	}
	for _, s := range l.Statuses {
		if slices.ContainsFunc(s.Aliases, same) {
			return s, true
		}
	}
	return StatusDef{}, false
}

// next returns the statuses to which a status may move. From one that the lifecycle
// does not have, because an earlier policy had it, every status can be reached.
func (l Lifecycle) next(from incident.Status) []incident.Status {
	if now, ok := l.Status(from); ok {
		return slices.Clone(now.MoveTo)
	}
	all := make([]incident.Status, len(l.Statuses))
	for i, s := range l.Statuses {
		all[i] = s.Name
	}
	return all
}

// FirstActive returns the status to which rules move a ticket that has to be
// active: none if it has the first active status of the lifecycle already;
// otherwise the first active status among those that its status may move to
// (RT: "first active status").
func (l Lifecycle) FirstActive(from incident.Status) (incident.Status, bool) {
	for _, s := range l.Statuses {
		if s.Phase == incident.Active {
			if s.Name == from {
				return "", false
			}
			break
		}
	}
	for _, name := range l.next(from) {
		if s, ok := l.Status(name); ok && s.Phase == incident.Active {
			return s.Name, true
		}
	}
	return "", false
}

// ActionsFrom returns the actions that are offered for a ticket of a status, in
// order (RTIR lists "Open It" for a new report, and not "Re-open").
func (l Lifecycle) ActionsFrom(status incident.Status) []Action {
	now, _ := l.Status(status)
	next := l.next(status)
	own := func(a Action) bool { return a.From != "" && a.From == now.Name }
	var list []Action
	for _, a := range l.Actions {
		if !slices.Contains(next, a.To) || a.From != "" && !own(a) {
			continue
		}
		hidden := a.From == "" && slices.ContainsFunc(l.Actions, func(other Action) bool { return own(other) && other.To == a.To })
		if !hidden {
			list = append(list, a)
		}
	}
	return list
}
