package desk

import (
	"context"
	"errors"
	"time"

	"github.com/airtight-csirt/airtight/storage"
)

const whyStopped = "the courier stopped while it was at work on it"

// react leases the row of a reaction, has it done and writes down what came of it. It
// reports whether it is done.
func (c *Courier) react(ctx context.Context, o storage.Outgoing) (bool, error) {
	o.Status, o.Lease = storage.Sending, c.now().Add(c.lease())
	o.Attempts++
	err := c.Desk.store.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return tx.PutOutgoing(ctx, o) })
	if errors.Is(err, storage.ErrConflict) {
		return false, nil // another courier has it
	}
	if err != nil {
		return false, err
	}
	o.Revision++
	var a attempted
	c.attempt(ctx, func(ctx context.Context) { a = c.Desk.reactTo(ctx, o) })
	if a.failed != nil && ctx.Err() != nil { // it is not its fault that we stop
		o.Status, o.Lease, o.LastError = storage.Queued, time.Time{}, whyStopped
		o.Attempts--
		return false, c.record(context.WithoutCancel(ctx), o)
	}
	return c.finish(context.WithoutCancel(ctx), o, a)
}

// finish writes down what came of a reaction, and reports whether it is done. What the desk refuses to write, because
// of a hook of the program for example, is a failure too; if even that is refused, the
// row alone says so.
func (c *Courier) finish(ctx context.Context, o storage.Outgoing, a attempted) (bool, error) {
	done := c.concluded(o, a)
	err := c.Desk.conclude(ctx, done, a)
	if refused := err; err != nil && !errors.Is(err, errTaken) && !errors.Is(err, storage.ErrConflict) && ctx.Err() == nil {
		a = failure("what it did could not be written down", refused)
		if _, unsealed := errors.AsType[*UnsealedError](refused); unsealed {
			a = failure("the mail could not be signed or encrypted as it must be", refused)
		}
		done = c.concluded(o, a)
		if err = c.Desk.conclude(ctx, done, a); err != nil && !errors.Is(err, errTaken) {
			err = c.record(ctx, done)
		}
	}
	if errors.Is(err, errTaken) {
		return false, nil
	}
	if done.Status != storage.Sent {
		c.log().Warn("reaction not done", "ticket", o.Ticket, "row", o.ID(), "reaction", o.Reaction, "status", done.Status, "attempts", o.Attempts)
	}
	return done.Status == storage.Sent, err
}

// concluded returns the row as an attempt has left it.
func (c *Courier) concluded(o storage.Outgoing, a attempted) storage.Outgoing {
	o.Lease, o.LastError = time.Time{}, shortened(a.why)
	switch {
	case a.failed == nil:
		o.Status = storage.Sent
	case a.never || o.Attempts >= c.Desk.tries(o.Reaction):
		o.Status = storage.Failed
	default:
		o.Status, o.NextTry = storage.Queued, c.now().Add(c.backoff(o.Attempts))
	}
	return o
}
