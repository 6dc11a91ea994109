package desk

import (
	"context"
	"fmt"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// CommandCall is a command on its way. Ticket is the one it is about, as it was
// before; for workflow.Open it has only its number.
type CommandCall struct {
	By      incident.Actor
	Command workflow.Command
	Ticket  incident.Ticket
	Cause   incident.Cause // zero when somebody gave the command
}

// EventCall is an event on its way to its ticket.
type EventCall struct {
	By      incident.Actor
	Command string
	Ticket  incident.Ticket // before the event
	Event   incident.Event
	Cause   incident.Cause
}

// BeforeCommand sees a command before it is decided; an error is a veto. r reads
// what the transaction has made so far.
type BeforeCommand func(ctx context.Context, r storage.Reader, call CommandCall) error

// AfterCommand sees a command after the commit.
type AfterCommand func(ctx context.Context, call CommandCall)

// BeforeEvent sees an event before it is applied; an error is a veto. r reads
// what the transaction has made so far.
type BeforeEvent func(ctx context.Context, r storage.Reader, call EventCall) error

// AfterEvent sees a record after the commit.
type AfterEvent func(ctx context.Context, record incident.Record)

// VetoError says that a before hook refused a command or event. Nothing was
// stored.
type VetoError struct {
	Ticket incident.ID
	What   string // "command take", "event moved"
	Err    error  // what the hook returned
}

// Error implements error.
func (e *VetoError) Error() string {
	return fmt.Sprintf("desk: %s on ticket %s was vetoed: %v", e.What, e.Ticket, e.Err)
}

// Unwrap returns what the hook returned.
func (e *VetoError) Unwrap() error { return e.Err }
