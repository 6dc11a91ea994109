package desk

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
)

// Courier takes mail of a [Desk] from its outbox to a [mail.Sender], and has reactions of
// the policy done. Its fields may not be changed while it works. Several couriers, in
// one process or many, may empty one outbox: a row is leased before it is worked on.
//
// It works on several messages at once, of which only so many go to one domain; when no
// connection comes about for a domain, all its mail pauses. So a host that is slow, down or
// refuses for a while does not hold up the mail to others. Reactions are done one after
// the other, beside the mail.
//
// A row is marked as being sent before its message can be taken, so that no crash leads to
// a second copy unnoticed. With a [mail.CarefulSender] that is just before the final dot:
// what fails or stops before it is sent again. When the connection broke after it and before
// the peer's answer, or the lease has run out, nobody can say whether the message was
// taken: [workflow.Policy.Uncertain] says whether the row waits for a person or is sent
// again under the same Message-ID. Such mail, and mail that has failed for good, is noted
// on its ticket ([incident.Undelivered]). A reaction whose lease has run out is done again.
type Courier struct {
	Desk   *Desk
	Sender mail.Sender    // not needed with OnlyReactions
	Only   storage.Errand // leaves the other rows to other couriers

	Parallel  int // messages at once; 0: 4
	PerDomain int // of these to one domain of recipients; 0: half of Parallel, at least 1
	PerMinute int // messages begun to one domain in a minute; 0: any number

	Lease    time.Duration                   // twice what one message or reaction may take; 0: 10 minutes
	Backoff  func(attempt int) time.Duration // pause after the attempt-th failure, of a message or of a domain in a row; nil: 1, 2, 4 ... minutes, at most 4 hours
	Attempts int                             // tries before a message has failed; 0: 20. A reaction says itself
	Grace    time.Duration                   // how long a message under way may still take when ctx ends; 0: 10 seconds
	Now      func() time.Time                // called by several goroutines; nil: time.Now
	Log      *slog.Logger                    // nil: silent

	mu      sync.Mutex
	roads   map[string]*road // by destination
	waiting []*written       // rows that the next update takes along
	writing sync.Mutex       // held by who writes
}

// Flush tries to send at most n messages that are due, each once, reactions counted as
// such, and returns how many the next hop took, and how many reactions are done. What could
// not be done is no error of Flush; its row tells. Errors are those of the store and of the
// context, and that the courier lacks a field.
func (c *Courier) Flush(ctx context.Context, n int) (sent int, err error) {
	r, err := c.newRound(n)
	if err != nil {
		return 0, err
	}
	err = c.expire(ctx, n)
	for err == nil {
		if err = r.begin(ctx); err != nil || len(r.under) == 0 {
			break
		}
		err = r.end(<-r.ended)
	}
	return r.done, errors.Join(err, r.wait())
}

// Run works until ctx ends, looking for work after each pause, and at once when there was
// some. It returns the context's error, or that the courier lacks a field; errors of the
// store are logged, and tried again.
func (c *Courier) Run(ctx context.Context, pause time.Duration) error {
	r, err := c.newRound(-1)
	if err != nil {
		return err
	}
	log := func(err error) {
		if err != nil && ctx.Err() == nil {
			c.log().Error("courier", "error", err)
		}
	}
	for look := true; ctx.Err() == nil; {
		if look {
			log(c.expire(ctx, mostReady))
			r.more = true
		}
		log(r.begin(ctx))
		look = false
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
			look = true
		case e := <-r.ended:
			log(r.end(e))
		}
		timer.Stop()
	}
	log(r.wait())
	return ctx.Err()
}

func (c *Courier) now() time.Time {
	if c.Now == nil {
		return time.Now().UTC().Truncate(time.Microsecond)
	}
	return c.Now().UTC().Truncate(time.Microsecond)
}

func (c *Courier) parallel() int {
	if c.Parallel > 0 {
		return c.Parallel
	}
	return 4
}

func (c *Courier) perDomain() int {
	if c.PerDomain > 0 {
		return c.PerDomain
	}
	return max(1, c.parallel()/2)
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
