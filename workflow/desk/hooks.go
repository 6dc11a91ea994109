package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// CommandCall is a command on its way. Ticket is the one it is about, as it was
// before; for workflow.Open it has only its number.
type CommandCall struct {
	By      incident.Actor
	Command workflow.Command // with the numbers of tickets that the same Do has opened
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

// BeforeCommand sees a command before it is decided and returns the one to go on
// with: call.Command, or another. An error is a veto. r reads what the
// transaction has made so far. What call holds may not be changed in place.
//
// What it returns is checked and decided as if it had been given, written into
// records, and told to the hooks that follow and to after hooks. It is about the
// same ticket, and names tickets by number: those of the given command, and
// others that the actor may see. In the place of a person's command goes any that
// people may give; an Open stays an Open. What the desk gives itself, by intake,
// a rule or a sweep, stays the same command with other values, and a mail stays
// in it. Anything else is a [*ReplacementError].
type BeforeCommand func(ctx context.Context, r storage.Reader, call CommandCall) (workflow.Command, error)

// AfterCommand sees a command after the commit.
type AfterCommand func(ctx context.Context, call CommandCall)

// BeforeEvent sees an event before it is applied and returns the one to go on
// with: call.Event, or another of its type. An error is a veto. r reads what the
// transaction has made so far. What call holds may not be changed in place.
//
// It may change an incident.Opened, but for kind, status, phase, owner, links and
// origin; an incident.Edited; an incident.Message that was received, and an
// incident.Commented, but for their bodies. The policy is not asked about the
// values. Every other event says what a command, a clock or a mail that goes out
// has made certain, and can be vetoed only: replace the command. Anything else is
// a [*ReplacementError].
type BeforeEvent func(ctx context.Context, r storage.Reader, call EventCall) (incident.Event, error)

// AfterEvent sees a record after the commit.
type AfterEvent func(ctx context.Context, record incident.Record)

// VetoError says that a before hook refused a command or event. Nothing was
// stored.
type VetoError struct {
	Ticket incident.ID // 0: one that the actor may not see
	What   string      // "command take", "event moved"
	Err    error       // what the hook returned
}

// Error implements error.
func (e *VetoError) Error() string {
	if e.Ticket == 0 {
		return fmt.Sprintf("desk: %s was vetoed: %v", e.What, e.Err)
	}
	return fmt.Sprintf("desk: %s on ticket %s was vetoed: %v", e.What, e.Ticket, e.Err)
}

// Unwrap returns what the hook returned.
func (e *VetoError) Unwrap() error { return e.Err }

// ReplacementError says that a before hook returned what cannot take the place of
// the command or event that it saw. Nothing was stored.
type ReplacementError struct {
	Ticket incident.ID // 0: one that the actor may not see
	What   string      // "command take", "event moved"
	By     string      // "command move", "event edited"
	Why    string      // and what is allowed
	Err    error       // nil, or the error behind Why
}

// Error implements error.
func (e *ReplacementError) Error() string {
	if e.Ticket == 0 {
		return fmt.Sprintf("desk: a hook may not put %s in the place of %s: %s", e.By, e.What, e.Why)
	}
	return fmt.Sprintf("desk: a hook may not put %s in the place of %s on ticket %s: %s", e.By, e.What, e.Ticket, e.Why)
}

// Unwrap returns the error behind Why, if there is one.
func (e *ReplacementError) Unwrap() error { return e.Err }

// readOnly hides that a draft can be written to.
type readOnly struct{ storage.Reader }

// beforeCommand runs the hooks and returns the command to go on with.
func (r *run) beforeCommand(ctx context.Context, call CommandCall) (workflow.Command, error) {
	if r.plain {
		return call.Command, nil
	}
	given := call.Command
	for _, hook := range r.desk.config.BeforeCommand {
		what := "command " + call.Command.Name()
		returned, err := hook(ctx, readOnly{r.draft}, call)
		if err != nil {
			return nil, &VetoError{call.Ticket.ID, what, err}
		}
		c, err := workflow.Bind(returned, nil)
		if err != nil { // it is nil, a pointer, or names a ticket by a placeholder
			return nil, &ReplacementError{call.Ticket.ID, what, fmt.Sprintf("a %T", returned), err.Error(), err}
		}
		if why := unfit(given, c, call.Cause); why != "" {
			return nil, &ReplacementError{call.Ticket.ID, what, "command " + c.Name(), why, nil}
		}
		if err := r.checkNamed(ctx, given, c); err != nil {
			return nil, err
		}
		call.Command = c
	}
	return call.Command, nil
}

// unfit says why a command cannot take the place of the given one.
func unfit(given, c workflow.Command, cause incident.Cause) string {
	_, opened := given.(workflow.Open)
	_, opens := c.(workflow.Open)
	switch {
	case opens != opened || c.Target() != given.Target():
		return "allowed is a command about the same ticket"
	case workflow.ByDesk(c) && !workflow.ByDesk(given):
		return "only the desk itself gives it: allowed are the commands of workflow.Commands"
	case (cause.Rule != "" || workflow.ByDesk(given)) && c.Name() != given.Name():
		return "what intake, rules and sweeps give stays the same command: allowed are other values of it"
	case !slices.Equal(mailIn(c), mailIn(given)):
		return "the mail would be lost: allowed are the bodies that the given command has"
	}
	return ""
}

// mailIn returns the bodies of the received mail that a command stores.
func mailIn(c workflow.Command) []incident.Digest {
	switch c := c.(type) {
	case workflow.Append:
		return c.Mail.Blobs
	case workflow.ReceiveAgain:
		return c.Blobs
	case workflow.Open:
		if c.Mail != nil {
			return c.Mail.Blobs
		}
	}
	return nil
}

// checkNamed refuses a command with tickets in it that the given one did not name
// and that the actor may not see: for a rule nobody looks at that afterwards.
func (r *run) checkNamed(ctx context.Context, given, c workflow.Command) error {
	known := named(given)
	ids := slices.DeleteFunc(named(c), func(id incident.ID) bool { return id == incident.Desk || slices.Contains(known, id) })
	return r.checkVisible(ctx, incident.Ticket{}, c, ids)
}

// named returns the tickets that a command names in its fields.
func named(c workflow.Command) (ids []incident.ID) {
	value := reflect.ValueOf(c)
	for i := range value.NumField() {
		switch field := value.Field(i).Interface().(type) {
		case incident.ID:
			ids = append(ids, field)
		case []incident.ID:
			ids = append(ids, field...)
		}
	}
	return ids
}

// beforeEvent runs the hooks and returns the event to go on with.
func (r *run) beforeEvent(ctx context.Context, call EventCall) (incident.Event, error) {
	if r.plain {
		return call.Event, nil
	}
	given := call.Event
	for _, hook := range r.desk.config.BeforeEvent {
		what := "event " + given.Type()
		ev, err := hook(ctx, readOnly{r.draft}, call)
		if err != nil {
			return nil, &VetoError{call.Ticket.ID, what, err}
		}
		if reflect.DeepEqual(ev, call.Event) {
			continue
		}
		if why := unlike(given, ev); why != "" {
			return nil, &ReplacementError{call.Ticket.ID, what, fmt.Sprintf("a %T", ev), why, nil}
		}
		call.Event = ev
	}
	return call.Event, nil
}

// unlike says why an event cannot take the place of the given one.
func unlike(given, ev incident.Event) string {
	if reflect.TypeOf(ev) != reflect.TypeOf(given) {
		return fmt.Sprintf("allowed is a value of type %T", given)
	}
	switch g := given.(type) {
	case incident.Opened:
		e := ev.(incident.Opened)
		if e.Kind != g.Kind || e.Status != g.Status || e.Phase != g.Phase || e.Owner != g.Owner || e.From != g.From || !slices.Equal(e.Parents, g.Parents) {
			return "kind, status, phase, owner, parents and origin were decided: replace the command"
		}
	case incident.Edited:
	case incident.Message:
		e := ev.(incident.Message)
		switch {
		case g.Sent || e.Sent:
			return "it is what the mail says that goes out: replace the command"
		case !slices.Equal(e.Blobs, g.Blobs):
			return "its bodies would be lost: allowed are those that it has"
		}
	case incident.Commented:
		if !slices.Equal(ev.(incident.Commented).Blobs, g.Blobs) {
			return "its text would be lost: allowed is the body that it has"
		}
	default:
		return "it can be vetoed only: allowed are replacements of opened, edited, message and commented"
	}
	if holdsNUL(ev) {
		return "it holds a NUL, which no store has to keep: clean its texts (incident.Clean)"
	}
	return ""
}

// holdsNUL reports whether a text of an event holds a NUL. JSON has made valid
// UTF-8 of every text by itself.
func holdsNUL(ev incident.Event) bool {
	var record incident.Record
	if record.Encode(ev) != nil {
		return false // Append tells
	}
	for _, encoded := range [][]byte{record.Data, record.Content} {
		for tokens := json.NewDecoder(bytes.NewReader(encoded)); ; {
			token, err := tokens.Token()
			if err != nil {
				break
			}
			if text, ok := token.(string); ok && strings.ContainsRune(text, 0) {
				return true
			}
		}
	}
	return false
}
