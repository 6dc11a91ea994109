package workflow

import (
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Change is one event and what it did to its ticket. Before has Version 0 when
// the ticket is new; After.Version is that of the record. All of it can be told
// from the record, so that what a rule said can be found out again later.
type Change struct {
	Before, After incident.Ticket
	Event         incident.Event
	Command       string // name of the command that led to the event; empty for a derivation
	By            incident.Actor
	At            time.Time
	Cause         incident.Cause // zero: somebody gave the command
}

// Rule answers to events. Embedding programs add their own to Policy.Rules.
// Needs (nil: nothing) and Then are pure; Then may use only the facts that Needs
// asks for.
type Rule struct {
	Name string
	Doc  string   // one sentence: what it does and which document wants it
	On   []string // types of events that wake it, each the Type of an [incident.Event]

	// Params are the parameters in force: a struct, no pointer; nil: it has none.
	// Needs and Then are given it. A policy document changes its members by their
	// names in JSON. A method Check(*Policy) error is asked by [Policy.Validate].
	Params any

	// Gives names the commands that Then may give, for [Lint]; nil: unknown. The
	// built-in rules leave it out, since Lint knows them better.
	Gives []string

	Needs func(*Policy, Change, any) []Ask
	Then  func(*Policy, Change, Facts, any) Verdict
}

// Verdict is what a rule says to a change: commands to run, or none. Why tells
// the reason; when the rule does not fire and Why is not empty, the reason is
// kept with the record that woke it. Why names no person. Offers are commands
// that a person may want to give now; nobody gives them by itself.
type Verdict struct {
	Commands []Command
	Offers   []Command
	Why      string
}

// Wakes reports whether a change wakes the rule.
func (r Rule) Wakes(c Change) bool { return slices.Contains(r.On, c.Event.Type()) }

// Asks returns what the rule must know about a change.
func (r Rule) Asks(p *Policy, c Change) []Ask {
	if r.Needs == nil {
		return nil
	}
	return r.Needs(p, c, r.Params)
}

// Derivation sets what follows from other values and is nobody's to set. It
// runs when all commands and rules have run, for each dirty ticket in ascending
// order of ID, until nothing changes. Dirty returns the tickets whose derived
// value a change may have moved, by the facts that DirtyNeeds asks for; Then
// returns nothing when all is as it should be. DirtyNeeds and Needs may be nil.
// Params are as those of a [Rule]; Then is given them.
type Derivation struct {
	Name       string
	Doc        string
	Params     any
	DirtyNeeds func(*Policy, Change) []Ask
	Dirty      func(*Policy, Change, Facts) []incident.ID
	Needs      func(*Policy, incident.Ticket) []Ask
	Then       func(*Policy, incident.Ticket, Facts, Env, any) []incident.Event
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
