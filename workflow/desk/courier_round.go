package desk

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/storage"
)

// A courier reads so many rows that are due at a time; more while those at the front
// have to wait for their destination, up to the second.
const (
	mostReady  = 100
	mostBehind = 1 << 16
)

// round is what a courier is at work on. One goroutine drives it.
type round struct {
	c      *Courier
	most   int // rows to begin; below 0: any number, and a row as often as it is due
	ready  []storage.Outgoing
	window int  // rows to read
	more   bool // there may be more that are due
	tried  map[string]bool
	busy   map[string]int  // rows under way, by destination
	under  map[string]bool // rows under way
	ended  chan ended
	begun  int
	done   int
}

// ended is what came of a row.
type ended struct {
	row      storage.Outgoing
	done     bool
	err      error
	panicked any
}

func (c *Courier) newRound(most int) (*round, error) {
	switch {
	case c.Desk == nil:
		return nil, errors.New("desk: a courier needs a Desk")
	case c.Sender == nil && c.Only != storage.OnlyReactions:
		return nil, errors.New("desk: a courier needs a Sender, unless it does only reactions")
	}
	return &round{
		c: c, most: most, window: mostReady, more: true, tried: map[string]bool{}, busy: map[string]int{}, under: map[string]bool{},
		ended: make(chan ended, c.parallel()+1),
	}, nil
}

// begin begins whatever may be begun now.
func (r *round) begin(ctx context.Context) error {
	for r.begun != r.most {
		if i := r.next(); i >= 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			o := r.ready[i]
			r.ready = append(r.ready[:i], r.ready[i+1:]...)
			r.start(ctx, o)
			continue
		}
		if !r.more {
			return nil
		}
		if len(r.ready) > 0 { // all wait: look behind them
			r.window = min(2*r.window, mostBehind)
		} else {
			r.window = mostReady
		}
		if err := r.look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// look reads the rows that are due.
func (r *round) look(ctx context.Context) error {
	return r.c.Desk.store.View(ctx, func(ctx context.Context, reader storage.Reader) error {
		rows, err := reader.Outgoing(ctx, storage.OutgoingQuery{
			Statuses: []storage.OutStatus{storage.Queued}, Only: r.c.Only, ReadyBy: r.c.now(), Limit: r.window,
		})
		if err != nil {
			return err
		}
		r.more = len(rows) == r.window && r.window < mostBehind
		r.ready = r.ready[:0]
		for _, o := range rows {
			if !r.under[o.ID()] && !r.tried[o.ID()] {
				r.ready = append(r.ready, o)
			}
		}
		return nil
	})
}

// next returns the place of a row that may be begun, or -1. Reactions have a hand of
// their own.
func (r *round) next() int {
	free := len(r.under)-r.busy[reactions] < r.c.parallel()
	for i, o := range r.ready {
		to := destination(o)
		switch {
		case to == reactions && r.busy[to] == 0, to != reactions && free && r.c.open(to, r.busy[to]):
			return i
		}
	}
	return -1
}

func (r *round) start(ctx context.Context, o storage.Outgoing) {
	work := r.c.send
	if o.Reaction != "" {
		work = r.c.react
	}
	r.begun++
	r.busy[destination(o)]++
	r.under[o.ID()] = true
	if r.most >= 0 {
		r.tried[o.ID()] = true
	}
	go func() {
		e := ended{row: o}
		defer func() {
			e.panicked = recover()
			r.ended <- e
		}()
		e.done, e.err = work(ctx, o)
	}()
}

// end takes what came of a row. The panic of a Sender is the caller's.
func (r *round) end(e ended) error {
	if e.panicked != nil {
		panic(e.panicked)
	}
	to := destination(e.row)
	if r.busy[to]--; r.busy[to] == 0 {
		delete(r.busy, to)
	}
	delete(r.under, e.row.ID())
	if e.done {
		r.done++
		r.more = r.more || r.most < 0 && len(r.ready) == 0 // a reaction may have sent mail
	}
	return e.err
}

// wait ends the round.
func (r *round) wait() (err error) {
	for len(r.under) > 0 {
		err = errors.Join(err, r.end(<-r.ended))
	}
	return err
}

// reactions is the destination of reactions.
const reactions = ""

// destination is the domain of the recipient.
func destination(o storage.Outgoing) string {
	if o.Reaction != "" {
		return reactions
	}
	_, domain, _ := strings.Cut(o.To, "@")
	if i := strings.LastIndexByte(o.To, '@'); i >= 0 {
		domain = o.To[i+1:]
	}
	return "@" + strings.ToLower(domain)
}

// road is what a courier remembers of a destination.
type road struct {
	failures int       // in a row, to get a connection
	closed   time.Time // no message before
	minute   time.Time // begin of the present minute
	begun    int       // messages in it
}

// open reports whether another message may be begun to a destination with so many under
// way, and counts it.
func (c *Courier) open(to string, busy int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, most := c.now(), c.perDomain()
	w := c.roads[to]
	if w == nil {
		w = &road{}
	}
	if w.failures > 0 { // one tries whether it is open again
		most = 1
	}
	if now.Sub(w.minute) >= time.Minute {
		w.minute, w.begun = now, 0
	}
	if busy >= most || now.Before(w.closed) || c.PerMinute > 0 && w.begun >= c.PerMinute {
		return false
	}
	w.begun++
	if c.roads[to] == nil && c.PerMinute > 0 {
		c.remember(to, w, now)
	}
	return true
}

// traveled takes what came of a message to a destination.
func (c *Courier) traveled(to string, connected bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	w := c.roads[to]
	switch {
	case !connected:
		if w == nil {
			w = &road{}
		}
		w.failures++
		w.closed = now.Add(c.backoff(w.failures))
		c.remember(to, w, now)
	case w != nil && c.PerMinute == 0:
		delete(c.roads, to)
	case w != nil:
		w.failures, w.closed = 0, time.Time{}
	}
}

// mostRoads bounds what a courier remembers.
const mostRoads = 10_000

func (c *Courier) remember(to string, w *road, now time.Time) {
	if c.roads == nil {
		c.roads = map[string]*road{}
	}
	c.roads[to] = w
	if len(c.roads) <= mostRoads {
		return
	}
	for name, old := range c.roads {
		if old != w && !now.Before(old.closed) && (old.failures == 0 || len(c.roads) > 2*mostRoads) && now.Sub(old.minute) >= time.Minute {
			delete(c.roads, name)
		}
	}
}
