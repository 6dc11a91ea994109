package workflow

import (
	"slices"

	"github.com/airtight-csirt/airtight/incident"
)

// Change is one event and what it did to its ticket. Before has Version 0 when
// the ticket is new; After.Version is that of the record.
type Change struct {
	Before, After incident.Ticket
	Event         incident.Event
	Command       Command // that led to the event; nil for a derivation
}

// Rule answers to events. Embedding programs add their own to Policy.Rules.
// Needs (nil: nothing) and Then are pure; Then may use only the facts that Needs
// asks for.
type Rule struct {
	Name  string
	Doc   string   // one sentence: what it does and which document wants it
	On    []string // types of events that wake it
	Needs func(*Policy, Change) []Ask
	Then  func(*Policy, Change, Facts) Verdict
}

// Verdict is what a rule says to a change: commands to run, or none. Why tells
// the reason; when the rule does not fire and Why is not empty, the reason is
// kept with the record that woke it. Why names no person.
type Verdict struct {
	Commands []Command
	Why      string
}

// Wakes reports whether a change wakes the rule.
func (r Rule) Wakes(c Change) bool { return slices.Contains(r.On, c.Event.Type()) }

// Asks returns what the rule must know about a change.
func (r Rule) Asks(p *Policy, c Change) []Ask {
	if r.Needs == nil {
		return nil
	}
	return r.Needs(p, c)
}

// Derivation sets what follows from other values and is nobody's to set. It
// runs when all commands and rules have run, for each dirty ticket in ascending
// order of ID, until nothing changes. Dirty returns the tickets whose derived
// value a change may have moved, by the facts that DirtyNeeds asks for; Then
// returns nothing when all is as it should be. DirtyNeeds and Needs may be nil.
type Derivation struct {
	Name       string
	Doc        string
	DirtyNeeds func(*Policy, Change) []Ask
	Dirty      func(*Policy, Change, Facts) []incident.ID
	Needs      func(*Policy, incident.Ticket) []Ask
	Then       func(*Policy, incident.Ticket, Facts, Env) []incident.Event
}

// DirtyAsks returns what Dirty must know about a change.
func (d Derivation) DirtyAsks(p *Policy, c Change) []Ask {
	if d.DirtyNeeds == nil {
		return nil
	}
	return d.DirtyNeeds(p, c)
}

// Asks returns what the derivation must know about a ticket.
func (d Derivation) Asks(p *Policy, t incident.Ticket) []Ask {
	if d.Needs == nil {
		return nil
	}
	return d.Needs(p, t)
}
