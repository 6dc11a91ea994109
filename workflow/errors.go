package workflow

import (
	"fmt"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// TransitionError says that a ticket may not be moved to a status, or that it
// has no such status.
type TransitionError struct {
	Ticket   incident.ID // 0 for a ticket that is being opened
	Kind     incident.Kind
	From, To incident.Status
	Allowed  []incident.Status
}

// Error implements error.
func (e *TransitionError) Error() string {
	allowed := make([]string, len(e.Allowed))
	for i, s := range e.Allowed {
		allowed[i] = fmt.Sprintf("%q", s)
	}
	list := strings.Join(allowed, ", ")
	if list == "" {
		list = "none"
	}
	if e.From == "" {
		return fmt.Sprintf("workflow: a new %s cannot have the status %q: allowed are %s", e.Kind, e.To, list)
	}
	return fmt.Sprintf("workflow: %s %s cannot move from %q to %q: allowed are %s", e.Kind, e.Ticket, e.From, e.To, list)
}

// TakenError says that a ticket has another owner.
type TakenError struct {
	Ticket incident.ID
	Owner  incident.Actor
}

// Error implements error.
func (e *TakenError) Error() string {
	return fmt.Sprintf("workflow: ticket %s is already taken by %s: steal or assign it to change its owner", e.Ticket, e.Owner)
}

// RefusedError says why the policy does not do what a command asks, and what
// can be done instead. Why names no person, since it may become part of a record.
type RefusedError struct {
	Command string
	Ticket  incident.ID // 0 for a ticket that is being opened
	Why     string
}

// Error implements error.
func (e *RefusedError) Error() string {
	if e.Ticket == 0 {
		return fmt.Sprintf("workflow: %s is refused: %s", e.Command, e.Why)
	}
	return fmt.Sprintf("workflow: %s on ticket %s is refused: %s", e.Command, e.Ticket, e.Why)
}

// ArgumentError says which part of a command is not well formed, and what was
// allowed.
type ArgumentError struct {
	Command  string
	Argument string
	Value    string
	Allowed  string
}

// Error implements error.
func (e *ArgumentError) Error() string {
	return fmt.Sprintf("workflow: %s: %s %q is not possible: allowed is %s", e.Command, e.Argument, e.Value, e.Allowed)
}

// NoTicketError says that a command names a ticket that does not exist, or that
// the actor may not see.
type NoTicketError struct {
	Ticket incident.ID
	Err    error // what the store said
}

// Error implements error.
func (e *NoTicketError) Error() string {
	return fmt.Sprintf("workflow: there is no ticket %s: allowed are the numbers of existing tickets", e.Ticket)
}

// Unwrap returns what the store said.
func (e *NoTicketError) Unwrap() error { return e.Err }

// UnaskedError is a fault of a rule or command: it used a fact that it had not
// asked for.
type UnaskedError struct {
	Ask Ask
}

// Error implements error.
func (e *UnaskedError) Error() string {
	return fmt.Sprintf("workflow: the fact %s of ticket %s is used without having been asked for", e.Ask.Fact, e.Ask.Ticket)
}

// LoopError says that one command led to more steps than the policy allows.
type LoopError struct {
	Steps int
	Rules []string // those on the way to the last step, outermost first
}

// Error implements error.
func (e *LoopError) Error() string {
	return fmt.Sprintf("workflow: stopped after %d steps: the rules %s may chase each other", e.Steps, strings.Join(e.Rules, ", "))
}

// article is a kind of ticket with the article in front.
func article(kind incident.Kind) string {
	if strings.HasPrefix(string(kind), "i") {
		return "an " + string(kind)
	}
	return "a " + string(kind)
}

// MissingError says which mandatory fields a ticket lacks.
type MissingError struct {
	Command string
	Kind    incident.Kind
	Fields  []string
	Allowed []string // sentences about those that have a list of values
}

// Error implements error.
func (e *MissingError) Error() string {
	text := fmt.Sprintf("workflow: %s: %s must have %s", e.Command, article(e.Kind), strings.Join(e.Fields, ", "))
	if len(e.Allowed) > 0 {
		text += ": " + strings.Join(e.Allowed, "; ")
	}
	return text
}

// merged refuses a ticket that leads to another one.
func merged(c Command, argument string, t incident.Ticket) error {
	return &ArgumentError{c.Name(), argument, t.ID.String(), fmt.Sprintf("ticket %s, into which it was merged", t.MergedInto)}
}
