package desk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
)

// Courier takes mail from the outbox to a [mail.Sender], and has reactions of the
// policy done by a [Desk]. Its fields may not be changed while it works. Several
// couriers, in one process or many, may empty one outbox: a row is leased before it
// is worked on. One row follows the other; so that a program that hangs delays no mail,
// let one courier do the mail and another one the reactions.
//
// A row is marked as being sent before its message goes out, so that no crash
// leads to a second copy unnoticed: when the lease has run out, or when the
// connection broke before the peer's answer, the row becomes uncertain and waits
// for a person. A reaction whose lease has run out is done again.
type Courier struct {
	Store  storage.Store
	Sender mail.Sender // nil: mail is left to others
	Desk   *Desk       // on the same Store; nil: reactions are left to others

	Lease    time.Duration                   // twice what one message or reaction may take; 0: 10 minutes
	Backoff  func(attempt int) time.Duration // pause after the attempt-th failure; nil: 1, 2, 4 ... minutes, at most 4 hours
	Attempts int                             // tries before a message has failed; 0: 20. A reaction says itself
	Grace    time.Duration                   // how long a message under way may still take when ctx ends; 0: 10 seconds
	Now      func() time.Time                // nil: time.Now
	Log      *slog.Logger                    // nil: silent
}

// Flush tries to send at most n messages that are due, reactions counted as such, and
// returns how many the next hop took, and how many reactions are done. What could not be
// done is no error of Flush; its row tells. Errors are those of the store and of the
// context.
func (c *Courier) Flush(ctx context.Context, n int) (sent int, err error) {
	if c.Sender == nil && c.Desk == nil {
		return 0, errors.New("desk: a courier needs a Sender, a Desk, or both")
	}
	if err := c.expire(ctx, n); err != nil {
		return 0, err
	}
	var ready []storage.Outgoing
	err = c.Store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		ready, err = r.Outgoing(ctx, storage.OutgoingQuery{
			Statuses: []storage.OutStatus{storage.Queued}, Only: c.errand(), ReadyBy: c.now(), Limit: n,
		})
		return err
	})
	for _, o := range ready {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			break
		}
		work := c.send
		if o.Reaction != "" {
			work = c.react
		}
		var done bool
		if done, err = work(ctx, o); done {
			sent++
		}
	}
	return sent, err
}

// Run calls Flush until ctx ends, pausing for the given time when nothing was
// sent. It returns the context's error; errors of the store are logged, and
// tried again.
func (c *Courier) Run(ctx context.Context, pause time.Duration) error {
	for ctx.Err() == nil {
		sent, err := c.Flush(ctx, 100)
		if err != nil && ctx.Err() == nil {
			c.log().Error("courier", "error", err)
		}
		if sent > 0 && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return ctx.Err()
}

// errand says which rows are this courier's.
func (c *Courier) errand() storage.Errand {
	switch {
	case c.Desk == nil:
		return storage.OnlyMail
	case c.Sender == nil:
		return storage.OnlyReactions
	}
	return storage.AnyErrand
}

// start makes a row one that this courier works on.
func (c *Courier) start(o *storage.Outgoing) {
	o.Status, o.Lease = storage.Sending, c.now().Add(c.lease())
	o.Attempts++
}

// send leases a row, hands its message over and writes down what came of it. It
// reports whether the next hop took it.
func (c *Courier) send(ctx context.Context, o storage.Outgoing) (bool, error) {
	c.start(&o)
	var raw []byte
	err := c.Store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		var err error
		raw, err = readBlob(ctx, tx.OpenBlob, o.Blob)
		if errors.Is(err, storage.ErrNotFound) { // one lost message must not hold up the others
			o.Status, o.Lease, o.LastError = storage.Failed, time.Time{}, "the message is not in the store any more"
			return tx.PutOutgoing(ctx, o)
		}
		if err != nil {
			return fmt.Errorf("message of outgoing mail %s: %w", o.ID(), err)
		}
		return tx.PutOutgoing(ctx, o)
	})
	if errors.Is(err, storage.ErrConflict) {
		return false, nil // another courier has it
	}
	if err != nil || o.Status == storage.Failed {
		return false, err
	}
	o.Revision++
	var failure error
	c.attempt(ctx, func(ctx context.Context) {
		failure = c.Sender.Send(ctx, mail.Envelope{From: o.From, To: []string{o.To}}, raw)
	})
	c.settle(&o, failure)
	// The outcome is written even if ctx has ended meanwhile: the message is out.
	return o.Status == storage.Sent, c.record(context.WithoutCancel(ctx), o)
}

// attempt does something for at most half a lease. What is under way is cut off only
// when Grace has passed since ctx ended: nobody could say whether a message was taken.
func (c *Courier) attempt(ctx context.Context, do func(context.Context)) {
	attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.lease()/2)
	defer cancel()
	grace := c.grace()
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(grace):
			cancel()
		case <-attempt.Done():
		}
	})
	defer stop()
	do(attempt)
}

// record writes the outcome of an attempt, beside what has become of the row's
// charge meanwhile. When the lease ran out and the row was called uncertain, the
// outcome is known after all; when a person has settled the row, that stays.
func (c *Courier) record(ctx context.Context, o storage.Outgoing) error {
	err := update(ctx, c.Store, func(ctx context.Context, tx storage.Tx) error {
		rows, err := tx.Outgoing(ctx, storage.OutgoingQuery{
			Tickets: []incident.ID{o.Ticket}, Statuses: []storage.OutStatus{storage.Sending, storage.Uncertain},
		})
		if err != nil {
			return err
		}
		known := o
		for _, row := range rows {
			if row.ID() == o.ID() && row.Attempts == o.Attempts {
				known.Revision, known.Charge = row.Revision, row.Charge
			}
		}
		return tx.PutOutgoing(ctx, known)
	})
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}

// settle sets what an attempt has made of a row.
func (c *Courier) settle(o *storage.Outgoing, failure error) {
	o.Lease = time.Time{}
	if failure == nil {
		o.Status, o.LastError = storage.Sent, ""
		return
	}
	o.LastError = failure.Error()
	var answer *mail.Error
	known := errors.As(failure, &answer)
	switch {
	case known && answer.Undecided:
		o.Status = storage.Uncertain
	case known && !answer.Temporary(), o.Attempts >= c.attempts():
		o.Status = storage.Failed
	default:
		o.Status, o.NextTry = storage.Queued, c.now().Add(c.backoff(o.Attempts))
	}
	c.log().Warn("mail not sent", "ticket", o.Ticket, "row", o.ID(), "status", o.Status, "attempts", o.Attempts)
}

// expire marks rows whose lease has run out: their courier died, and nobody can
// say whether the message was taken. Reactions are queued again; those that have
// had all their tries are given up.
func (c *Courier) expire(ctx context.Context, n int) error {
	var spent []storage.Outgoing
	err := update(ctx, c.Store, func(ctx context.Context, tx storage.Tx) error {
		spent = nil
		stale, err := tx.Outgoing(ctx, storage.OutgoingQuery{
			Statuses: []storage.OutStatus{storage.Sending}, Only: c.errand(), ReadyBy: c.now(), Limit: n,
		})
		for _, o := range stale {
			switch {
			case o.Reaction == "":
				o.Status = storage.Uncertain
				o.LastError = "the courier stopped while it was sending"
			case o.Attempts >= c.Desk.tries(o.Reaction):
				spent = append(spent, o)
				continue
			default:
				o.Status, o.NextTry = storage.Queued, c.now()
				o.LastError = whyStopped
			}
			o.Lease = time.Time{}
			if err := tx.PutOutgoing(ctx, o); err != nil {
				return err
			}
		}
		return err
	})
	for _, o := range spent {
		if err == nil {
			_, err = c.finish(ctx, o, failure(whyStopped, nil))
		}
	}
	return err
}

const whyStopped = "the courier stopped while it was at work on it"

// react leases the row of a reaction, has it done and writes down what came of it. It
// reports whether it is done.
func (c *Courier) react(ctx context.Context, o storage.Outgoing) (bool, error) {
	c.start(&o)
	err := c.Store.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return tx.PutOutgoing(ctx, o) })
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

func (c *Courier) now() time.Time {
	if c.Now == nil {
		return time.Now().UTC().Truncate(time.Microsecond)
	}
	return c.Now().UTC().Truncate(time.Microsecond)
}

func (c *Courier) lease() time.Duration {
	if c.Lease > 0 {
		return c.Lease
	}
	return 10 * time.Minute
}

func (c *Courier) grace() time.Duration {
	if c.Grace > 0 {
		return c.Grace
	}
	return 10 * time.Second
}

func (c *Courier) attempts() int {
	if c.Attempts > 0 {
		return c.Attempts
	}
	return 20
}

func (c *Courier) backoff(attempt int) time.Duration {
	if c.Backoff != nil {
		return c.Backoff(attempt)
	}
	return min(time.Minute<<min(attempt-1, 8), 4*time.Hour)
}

func (c *Courier) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}
