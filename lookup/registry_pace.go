package lookup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Pace says how often a client asks one server. The zero Pace is one question
// a second after the first five, two at a time, and a minute of rest after three
// failures in a row.
type Pace struct {
	Every      time.Duration // between questions in the long run; default 1 second
	Burst      int           // questions that may come at once; default 5
	Concurrent int           // questions at a time; default 2
	Failures   int           // in a row after which a server is left alone; default 3
	Rest       time.Duration // for how long; default 1 minute
}

// Pacer holds the clients to a [Pace], each server by itself. Make one with
// [NewPacer]; any number of goroutines may use it. It remembers every server
// that it was asked for, so ask it for configured ones only.
type Pacer struct {
	pace    Pace
	mu      sync.Mutex
	servers map[string]*paced
}

type paced struct {
	slots  chan struct{}
	next   time.Time // when the next question is due, were there no Burst
	failed int
	rests  time.Time // until then
}

// NewPacer returns a pacer. The error names a field below zero.
func NewPacer(pace Pace) (*Pacer, error) {
	if pace.Every < 0 || pace.Burst < 0 || pace.Concurrent < 0 || pace.Failures < 0 || pace.Rest < 0 {
		return nil, fmt.Errorf("lookup: a Pace has a field below zero, %+v: allowed are 0 for the default and more", pace)
	}
	pace.Every = cmp.Or(pace.Every, time.Second)
	pace.Burst = cmp.Or(pace.Burst, 5)
	pace.Concurrent = cmp.Or(pace.Concurrent, 2)
	pace.Failures = cmp.Or(pace.Failures, 3)
	pace.Rest = cmp.Or(pace.Rest, time.Minute)
	return &Pacer{pace: pace, servers: map[string]*paced{}}, nil
}

// Do calls ask when it is the server's turn, and counts its error as a failure
// of the server, unless the caller gave up (context.Canceled). It returns ErrResting
// without a call for a server at rest, and an error when the context ends, or
// would end before the server's turn.
func (p *Pacer) Do(ctx context.Context, server string, ask func(context.Context) error) error {
	p.mu.Lock()
	s := p.servers[server]
	if s == nil {
		s = &paced{slots: make(chan struct{}, p.pace.Concurrent)}
		p.servers[server] = s
	}
	p.mu.Unlock()

	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return fmt.Errorf("lookup: waiting for %s: %w", server, ctx.Err())
	}
	wait, err := p.turn(ctx, s)
	if err == nil && wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		return fmt.Errorf("lookup: waiting for %s: %w", server, err)
	}
	err = ask(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		s.failed = 0
	} else if errors.Is(ctx.Err(), context.Canceled) {
		return err
	} else if s.failed++; s.failed >= p.pace.Failures {
		s.failed, s.rests = 0, time.Now().Add(p.pace.Rest)
	}
	return err
}

// turn takes the next turn of a server and returns how long it is until then.
func (p *Pacer) turn(ctx context.Context, s *paced) (time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Before(s.rests) {
		return 0, ErrResting
	}
	next := s.next
	if next.Before(now) {
		next = now
	}
	wait := next.Sub(now) - time.Duration(p.pace.Burst-1)*p.pace.Every
	if deadline, ok := ctx.Deadline(); ok && now.Add(wait).After(deadline) {
		return 0, context.DeadlineExceeded
	}
	s.next = next.Add(p.pace.Every)
	return wait, nil
}
