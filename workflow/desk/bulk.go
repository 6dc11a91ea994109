package desk

import (
	"context"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// BulkResult is what became of one command of a [Session.Bulk].
type BulkResult struct {
	Command workflow.Command
	Result  *Result // nil when Err is not
	Err     error   // as Do would return it
}

// Bulk runs each command in a transaction of its own, in order, and returns a
// result for each: one that is refused does not keep the others (JANET 3.7).
// Commands may not name tickets that others of them open. When ctx ends, what is
// left is not run, and has its error.
func (s *Session) Bulk(ctx context.Context, commands ...workflow.Command) []BulkResult {
	results := make([]BulkResult, len(commands))
	for i, c := range commands {
		results[i].Command = c
		if results[i].Err = ctx.Err(); results[i].Err == nil {
			results[i].Result, results[i].Err = s.Do(ctx, c)
		}
	}
	return results
}

// Prefill returns a command that makes a ticket from another one, with all that it
// would take from there: what a form shows before somebody changes it. See
// [workflow.Policy.Prefill]. Errors: [*workflow.NoTicketError],
// [*workflow.ArgumentError], those of the store.
func (s *Session) Prefill(ctx context.Context, c workflow.Open) (filled workflow.Open, err error) {
	err = s.view(ctx, func(ctx context.Context, reader storage.Reader) error {
		r := s.newRun([32]byte{}, reader)
		asks := r.policy.Asks(incident.Ticket{}, c)
		if err := r.checkVisible(ctx, incident.Ticket{}, c, r.concerned(incident.Ticket{}, c)); err != nil {
			return err
		}
		facts, err := r.gather(ctx, asks)
		if err == nil {
			err = r.limit(ctx, &facts, c, asks)
		}
		if err == nil {
			filled, err = r.policy.Prefill(c, facts)
		}
		return r.sight().refusal(ctx, err)
	})
	return filled, err
}

// Allowed returns the changes of status that a menu offers for a ticket, of those
// that the actor may make: whoever has to take the ticket first is offered none.
func (s *Session) Allowed(ctx context.Context, id incident.ID) ([]workflow.Action, error) {
	var t incident.Ticket
	err := s.view(ctx, func(ctx context.Context, r storage.Reader) (err error) {
		t, err = s.ticket(ctx, r, id)
		return err
	})
	if err != nil || t.MergedInto != 0 {
		return nil, err
	}
	return s.who.Actions(t), nil
}
