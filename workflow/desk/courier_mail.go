package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// send leases a row, hands its message over and writes down what came of it. It
// reports whether the next hop took it.
func (c *Courier) send(ctx context.Context, o storage.Outgoing) (bool, error) {
	o.Status, o.Lease = storage.Leased, c.now().Add(c.lease())
	o.Attempts++
	var raw []byte
	gone := false
	err := c.Desk.store.View(ctx, func(ctx context.Context, r storage.Reader) (err error) {
		raw, err = readBlob(ctx, r.OpenBlob, o.Blob)
		if gone = errors.Is(err, storage.ErrNotFound); err != nil && !gone { // one lost message must not hold up the others
			return fmt.Errorf("message of outgoing mail %s: %w", o.ID(), err)
		}
		return nil
	})
	if err == nil {
		err = c.write(ctx, o)
	}
	if errors.Is(err, storage.ErrConflict) {
		return false, nil // another courier has it
	}
	if err != nil {
		return false, err
	}
	o.Revision++
	// The outcome is written even if ctx has ended meanwhile: the message may be out.
	last := context.WithoutCancel(ctx)
	if gone {
		o.Status, o.LastError = storage.Failed, "the message is not in the store any more"
		return false, c.conclude(last, o, nil)
	}
	var marking error // why it could not be marked
	ready := func(ctx context.Context) error {
		marked := o
		marked.Status, marked.Lease = storage.Sending, c.now().Add(c.lease())
		if marked, marking = c.put(ctx, marked); marking == nil {
			o = marked
		}
		return marking
	}
	var failure error
	c.attempt(ctx, func(ctx context.Context) {
		failure = handOver(ctx, c.Sender, mail.Envelope{From: o.From, To: []string{o.To}}, raw, ready)
	})
	switch {
	case errors.Is(marking, storage.ErrConflict):
		return false, nil // the lease has run out, and another courier has it
	case marking != nil && ctx.Err() == nil:
		return false, marking // sent again when the lease has run out
	}
	c.traveled(destination(o), !unreached(failure))
	c.settle(&o, failure)
	return o.Status == storage.Sent, c.conclude(last, o, failure)
}

// handOver gives a message to a sender; ready marks it at the last moment that the
// sender knows.
func handOver(ctx context.Context, s mail.Sender, env mail.Envelope, raw []byte, ready func(context.Context) error) error {
	if careful, ok := s.(mail.CarefulSender); ok {
		return careful.SendWhen(ctx, env, raw, ready)
	}
	if err := ready(ctx); err != nil {
		return err
	}
	return s.Send(ctx, env, raw)
}

// unreached reports whether a failure says that nobody could be talked to: the next
// message would fare no better (RFC 3463 3.5; RFC 5321 3.8 for 421).
func unreached(failure error) bool {
	var answer *mail.Error
	if !errors.As(failure, &answer) {
		return failure != nil
	}
	return answer.Temporary() && (answer.Code == 421 || strings.HasPrefix(answer.Enhanced, "4.4."))
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
	case known && answer.Undecided && (!c.Desk.config.Policy.Uncertain.Resends() || o.Attempts >= c.attempts()):
		o.Status = storage.Uncertain
	case known && !answer.Undecided && (!answer.Temporary() || o.Attempts >= c.attempts()), !known && o.Attempts >= c.attempts():
		o.Status = storage.Failed
	default:
		o.Status, o.NextTry = storage.Queued, c.now().Add(c.backoff(o.Attempts))
	}
	c.log().Warn("mail not sent", "ticket", o.Ticket, "row", o.ID(), "status", o.Status, "attempts", o.Attempts)
}

// conclude writes down what came of an attempt. When the lease ran out meanwhile, the
// outcome is known after all; when a person has settled the row, that stays.
func (c *Courier) conclude(ctx context.Context, o storage.Outgoing, failure error) error {
	o.Lease = time.Time{}
	if o.Status == storage.Sent {
		if err := c.write(ctx, o); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
	err := c.Desk.concludeMail(ctx, o, failure)
	if err == nil || ctx.Err() != nil || errors.Is(err, storage.ErrConflict) {
		return err
	}
	// The desk refuses the record, because of a hook of the program for example.
	c.log().Error("outcome of a mail is not on its ticket", "ticket", o.Ticket, "row", o.ID(), "status", o.Status, "error", err)
	return c.record(ctx, o)
}

// record writes the row of an attempt alone, if it still counts.
func (c *Courier) record(ctx context.Context, o storage.Outgoing) error {
	_, err := c.put(ctx, o)
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	return err
}

// put writes the row of an attempt, beside what has become of its charge meanwhile, and
// returns it as it is stored. The error is storage.ErrConflict if the attempt does not
// count any more.
func (c *Courier) put(ctx context.Context, o storage.Outgoing) (storage.Outgoing, error) {
	err := c.write(ctx, o)
	if errors.Is(err, storage.ErrConflict) {
		err = update(ctx, c.Desk.store, func(ctx context.Context, tx storage.Tx) error {
			row, ok, err := sameAttempt(ctx, tx, o)
			if err != nil {
				return err
			}
			if !ok {
				return errTaken
			}
			o.Revision, o.Charge = row.Revision, row.Charge
			return tx.PutOutgoing(ctx, o)
		})
	}
	if errors.Is(err, errTaken) {
		err = storage.ErrConflict
	}
	o.Revision++
	return o, err
}

// sameAttempt returns the stored row, if what came of this attempt still counts: it is at
// work, or its lease ran out and nobody has begun another one.
func sameAttempt(ctx context.Context, r storage.Reader, o storage.Outgoing) (row storage.Outgoing, ok bool, err error) {
	rows, err := r.Outgoing(ctx, storage.OutgoingQuery{
		Tickets:  []incident.ID{o.Ticket},
		Statuses: []storage.OutStatus{storage.Leased, storage.Sending, storage.Uncertain, storage.Queued},
	})
	i := slices.IndexFunc(rows, func(row storage.Outgoing) bool { return row.ID() == o.ID() && row.Attempts == o.Attempts })
	if i < 0 || err != nil {
		return row, false, err
	}
	return rows[i], true, nil
}

// concludeMail writes down what came of an attempt at a mail: the row, and the record
// where it was not simply taken or is simply tried again, with all that follows from it,
// in one update.
func (d *Desk) concludeMail(ctx context.Context, o storage.Outgoing, failure error) error {
	seed, err := d.seed()
	if err != nil {
		return err
	}
	result := &Result{}
	err = update(ctx, d.store, func(ctx context.Context, tx storage.Tx) error {
		row, ok, err := sameAttempt(ctx, tx, o)
		if err != nil || !ok {
			return err
		}
		o.Revision, o.Charge = row.Revision, row.Charge
		outcome := outcomeOf(o, row, failure)
		if outcome == "" {
			return tx.PutOutgoing(ctx, o)
		}
		cause, err := recordOf(ctx, tx, o.Ticket, o.Version)
		if err != nil {
			return err
		}
		c := workflow.ConcludeMail{Ticket: o.Ticket, To: o.To, Why: shortened(o.LastError), Outcome: incident.Undelivered{
			Version: o.Version, Number: o.Number, Notice: cause.Type == (incident.Notified{}).Type(), Attempt: o.Attempts, Outcome: outcome,
		}}
		var answer *mail.Error
		if errors.As(failure, &answer) && !answer.Undecided {
			c.Outcome.Code, c.Outcome.Enhanced = answer.Code, answer.Enhanced
		}
		run := d.newRun(incident.System, nil, seed, tx)
		run.outcome = outcomeOfMail
		if err := run.command(ctx, c, incident.Cause{}); err != nil {
			return err
		}
		if err := run.derive(ctx); err != nil {
			return err
		}
		if err := run.draft.PutOutgoing(ctx, o); err != nil {
			return err
		}
		result, err = run.flush(ctx, tx)
		return err
	})
	if err == nil {
		d.Announce(ctx, result)
	}
	return err
}

// outcomeOfMail stands in the place of a reaction whose outcome is written down: no
// reaction has this name, and none but lists wakes, so that a mail that does not go out
// leads to no other mail without end.
const outcomeOfMail = "a mail"

// outcomeOf says what has to stand on the ticket; "" if nothing has to. row is what was
// stored before.
func outcomeOf(o, row storage.Outgoing, failure error) incident.Delivery {
	late := row.Status == storage.Uncertain || row.Status == storage.Queued
	var answer *mail.Error
	undecided := errors.As(failure, &answer) && answer.Undecided
	switch {
	case o.Status == storage.Failed:
		return incident.MailFailed
	case o.Status == storage.Uncertain && row.Status != storage.Uncertain:
		return incident.MailUncertain
	case o.Status == storage.Queued && (undecided || row.Status == storage.Uncertain):
		return incident.MailRepeated
	case o.Status == storage.Sent && late:
		return incident.MailTaken
	}
	return ""
}

// expire takes back rows whose lease has run out: their courier died. Mail that may be
// taken is uncertain. Reactions and other mail are queued again; those that have had all
// their tries are given up.
func (c *Courier) expire(ctx context.Context, n int) error {
	var stale []storage.Outgoing
	err := c.Desk.store.View(ctx, func(ctx context.Context, r storage.Reader) (err error) {
		stale, err = r.Outgoing(ctx, storage.OutgoingQuery{
			Statuses: []storage.OutStatus{storage.Leased, storage.Sending}, Only: c.Only, ReadyBy: c.now(), Limit: n,
		})
		return err
	})
	for _, o := range stale {
		if err == nil {
			err = c.takeBack(ctx, o)
		}
	}
	return err
}

func (c *Courier) takeBack(ctx context.Context, o storage.Outgoing) error {
	var err error
	switch {
	case o.Reaction == "" && o.Status == storage.Sending:
		failure := &mail.Error{Code: 451, Enhanced: "4.4.2", Message: whyUnknown, Undecided: true}
		c.settle(&o, failure)
		o.LastError = whyUnknown
		err = c.conclude(ctx, o, failure)
	case o.Reaction == "" && o.Attempts >= c.attempts():
		o.Status, o.LastError = storage.Failed, whyBefore
		err = c.conclude(ctx, o, nil)
	case o.Reaction != "" && o.Attempts >= c.Desk.tries(o.Reaction):
		_, err = c.finish(ctx, o, failure(whyStopped, nil))
	default:
		o.Status, o.NextTry, o.Lease, o.LastError = storage.Queued, c.now(), time.Time{}, whyBefore
		if o.Reaction != "" {
			o.LastError = whyStopped
		}
		err = c.Desk.store.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return tx.PutOutgoing(ctx, o) })
	}
	if errors.Is(err, storage.ErrConflict) { // it is back, or another courier was faster
		return nil
	}
	return err
}

const (
	whyUnknown = "the courier stopped while it was sending"
	whyBefore  = "the courier stopped before it had sent it"
)
