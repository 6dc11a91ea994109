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

// Courier takes mail from the outbox to a [mail.Sender]. Its fields may not be
// changed while it works. Several couriers, in one process or many, may empty
// one outbox: a row is leased before it is sent.
//
// A row is marked as being sent before its message goes out, so that no crash
// leads to a second copy unnoticed: when the lease has run out, or when the
// connection broke before the peer's answer, the row becomes uncertain and waits
// for a person.
type Courier struct {
	Store  storage.Store
	Sender mail.Sender

	Lease    time.Duration                   // how long one message may take; 0: 10 minutes
	Backoff  func(attempt int) time.Duration // pause after the attempt-th failure; nil: 1, 2, 4 ... minutes, at most 4 hours
	Attempts int                             // tries before a row has failed; 0: 20
	Grace    time.Duration                   // how long a message under way may still take when ctx ends; 0: 10 seconds
	Now      func() time.Time                // nil: time.Now
	Log      *slog.Logger                    // nil: silent
}

// Flush tries to send at most n messages that are due and returns how many the
// next hop took. A message that could not be sent is no error of Flush; its row
// tells. Errors are those of the store and of the context.
func (c *Courier) Flush(ctx context.Context, n int) (sent int, err error) {
	if err := c.expire(ctx, n); err != nil {
		return 0, err
	}
	var ready []storage.Outgoing
	err = c.Store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		ready, err = r.Outgoing(ctx, storage.OutgoingQuery{
			Statuses: []storage.OutStatus{storage.Queued}, ReadyBy: c.now(), Limit: n,
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
		var taken bool
		if taken, err = c.send(ctx, o); taken {
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

// send leases a row, hands its message over and writes down what came of it. It
// reports whether the next hop took it.
func (c *Courier) send(ctx context.Context, o storage.Outgoing) (bool, error) {
	o.Status, o.Lease = storage.Sending, c.now().Add(c.lease())
	o.Attempts++
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
	failure := c.attempt(ctx, o, raw)
	c.settle(&o, failure)
	// The outcome is written even if ctx has ended meanwhile: the message is out.
	return o.Status == storage.Sent, c.record(context.WithoutCancel(ctx), o)
}

// attempt hands a message over. A message under way is cut off only when Grace
// has passed since ctx ended: nobody could say whether it was taken.
func (c *Courier) attempt(ctx context.Context, o storage.Outgoing, raw []byte) error {
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
	return c.Sender.Send(attempt, mail.Envelope{From: o.From, To: []string{o.To}}, raw)
}

// record writes the outcome of an attempt. When the lease ran out and the row
// was called uncertain meanwhile, the outcome is known after all; when a person
// has settled the row, that stays.
func (c *Courier) record(ctx context.Context, o storage.Outgoing) error {
	err := update(ctx, c.Store, func(ctx context.Context, tx storage.Tx) error {
		uncertain, err := tx.Outgoing(ctx, storage.OutgoingQuery{
			Tickets: []incident.ID{o.Ticket}, Statuses: []storage.OutStatus{storage.Uncertain},
		})
		if err != nil {
			return err
		}
		known := o
		for _, row := range uncertain {
			if row.ID() == o.ID() && row.Attempts == o.Attempts {
				known.Revision = row.Revision
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
// say whether the message was taken.
func (c *Courier) expire(ctx context.Context, n int) error {
	return update(ctx, c.Store, func(ctx context.Context, tx storage.Tx) error {
		stale, err := tx.Outgoing(ctx, storage.OutgoingQuery{
			Statuses: []storage.OutStatus{storage.Sending}, ReadyBy: c.now(), Limit: n,
		})
		for _, o := range stale {
			o.Status, o.Lease = storage.Uncertain, time.Time{}
			o.LastError = "the courier stopped while it was sending"
			if err := tx.PutOutgoing(ctx, o); err != nil {
				return err
			}
		}
		return err
	})
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
