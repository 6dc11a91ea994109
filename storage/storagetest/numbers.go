package storagetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

func idsCountUp(c *trial) {
	for want := incident.ID(1); want <= 5; want++ {
		if t := c.opened(report("count")); t.ID != want {
			c.broken("ticket number %d got the id %s", want, t.ID)
		}
	}
	c.update(func(ctx context.Context, tx storage.Tx) {
		for want := incident.ID(6); want <= 8; want++ {
			t, err := open(ctx, tx, report("count"))
			c.must(err)
			if t.ID != want {
				c.broken("ticket number %d, in an update with others, got the id %s", want, t.ID)
			}
		}
	})
}

func idsAreNew(c *trial) {
	seen := map[incident.ID]string{incident.Desk: "is the desk"}
	first := func(ctx context.Context, tx storage.Tx, id incident.ID) {
		c.must(tx.Append(ctx, sealed(incident.Ticket{}, id, hour(0), report("given number"))))
		seen[id] = "was appended"
	}
	// many looks at enough numbers to come upon those that were appended.
	many := func(ctx context.Context, tx storage.Tx) {
		given := map[incident.ID]string{}
		maps.Copy(given, seen)
		for range 12 {
			id, err := tx.NextID(ctx)
			c.must(err)
			if why, ok := given[id]; ok {
				c.broken("NextID gives %s, which %s", id, why)
			}
			given[id] = "was given out in the same update"
		}
	}
	c.update(func(ctx context.Context, tx storage.Tx) {
		first(ctx, tx, 7)
		many(ctx, tx)
	})
	c.update(many)
	c.update(func(ctx context.Context, tx storage.Tx) {
		first(ctx, tx, 3)
		many(ctx, tx)
	})
	c.update(many)
}

func idsRollBack(c *trial) {
	c.opened(report("one"))
	stop := errors.New("stop")
	for range 2 {
		err := c.retry(func(ctx context.Context, tx storage.Tx) error {
			for want := incident.ID(2); want <= 3; want++ {
				if t, err := open(ctx, tx, report("rolled back")); err != nil || t.ID != want {
					c.broken("after a roll-back a new ticket has the id %s, %v; want %s", t.ID, err, want)
				}
			}
			return stop
		})
		if !errors.Is(err, stop) {
			c.broken("Update gives %v; fn gave %v", err, stop)
		}
	}
	if t := c.opened(report("two")); t.ID != 2 {
		c.broken("after ids 2 and 3 were rolled back, the next ticket is %s", t.ID)
	}
}

func seqHasNoHoles(c *trial) {
	a, b := c.opened(report("a")), c.opened(report("b"))
	for i := range 6 {
		_ = c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error {
			if _, err := open(ctx, tx, report("rolled back")); err != nil {
				return err
			}
			return errors.New("roll back")
		})
		c.update(func(ctx context.Context, tx storage.Tx) {
			for range i {
				c.must(appendTo(ctx, tx, &b, hour(i+1), incident.Edited{Priority: ptr(i)}))
				c.must(appendTo(ctx, tx, &a, hour(i+1), incident.Edited{Priority: ptr(i)}))
			}
		})
	}
	version := map[incident.ID]uint64{}
	for i, r := range c.history(storage.HistoryQuery{}) {
		if r.Seq != uint64(i+1) {
			c.broken("record %d of the feed has Seq %d", i+1, r.Seq)
		}
		if version[r.Ticket]++; r.Version != version[r.Ticket] {
			c.broken("at Seq %d is version %d of ticket %s, behind version %d", r.Seq, r.Version, r.Ticket, version[r.Ticket]-1)
		}
	}
	if n := version[a.ID] + version[b.ID]; n != 2+2*15 {
		c.broken("the feed has %d records of both tickets; %d were committed", n, 2+2*15)
	}
}

// seqWriters returns goroutines that append to tickets of their own.
func (c *trial) seqWriters(n, times int, beside func(t incident.Ticket, write func() error) error) []func() error {
	var fns []func() error
	for range n {
		t := c.opened(report("writer"))
		fns = append(fns, func() error {
			for range times {
				err := beside(t, func() error {
					return c.retry(func(ctx context.Context, tx storage.Tx) error {
						now, err := tx.Ticket(ctx, t.ID)
						if err != nil {
							return err
						}
						for range 2 {
							if err := appendTo(ctx, tx, &now, hour(1), incident.Edited{Priority: ptr(now.Priority + 1)}); err != nil {
								return err
							}
							time.Sleep(50 * time.Microsecond)
						}
						return nil
					})
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return fns
}

// last returns the newest committed record's Seq, of one ticket or of all.
func (c *trial) last(tickets ...incident.ID) (seq uint64, err error) {
	err = c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) error {
		records, err := r.History(ctx, storage.HistoryQuery{Tickets: tickets})
		for _, r := range records {
			seq = max(seq, r.Seq)
		}
		return err
	})
	return seq, err
}

func seqOrder(c *trial) {
	c.must(together(c.seqWriters(3, 8, func(t incident.Ticket, write func() error) error {
		before, err := c.last()
		if err != nil {
			return err
		}
		if err := write(); err != nil {
			return err
		}
		records := []incident.Record{}
		if err := c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) (err error) {
			records, err = r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{t.ID}})
			return err
		}); err != nil {
			return err
		}
		for _, r := range records[len(records)-2:] {
			if r.Seq <= before {
				return fmt.Errorf("a record got Seq %d; %d was committed before its update began", r.Seq, before)
			}
		}
		return nil
	})...))
}

func seqIsFinal(c *trial) {
	var stop atomic.Bool
	poll := func() error {
		seen, last := map[uint64]incident.Digest{}, uint64(0)
		for done := false; !done; {
			done = stop.Load() // one more look after the last write
			var feed []incident.Record
			if err := c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) (err error) {
				feed, err = r.History(ctx, storage.HistoryQuery{})
				return err
			}); err != nil {
				return err
			}
			for _, r := range feed {
				if hash, ok := seen[r.Seq]; ok && hash != r.Hash {
					return fmt.Errorf("at Seq %d another record was read before", r.Seq)
				} else if !ok && r.Seq <= last {
					return fmt.Errorf("a reader had seen %d, and later found a new record at %d", last, r.Seq)
				}
				seen[r.Seq] = r.Hash
			}
			if len(feed) > 0 {
				last = max(last, feed[len(feed)-1].Seq)
			}
		}
		return nil
	}
	writers := c.seqWriters(3, 10, func(_ incident.Ticket, write func() error) error { return write() })
	c.must(together(
		func() error { defer stop.Store(true); return together(writers...) },
		poll,
	))
}

// seqIsCommitOrder lets an update append, and take its time, while another one is
// asked for. A store that runs both at once, and has numbered the first already,
// commits the higher number before the lower one, which a reader then skips.
func seqIsCommitOrder(c *trial) {
	a, b := c.opened(report("slow")), c.opened(report("quick"))
	appended, end := make(chan struct{}), make(chan struct{})
	var first sync.Once
	write := func(id incident.ID, then func()) <-chan error {
		return after(func() error {
			return c.retry(func(ctx context.Context, tx storage.Tx) error {
				t, err := tx.Ticket(ctx, id)
				if err != nil {
					return err
				}
				err = appendTo(ctx, tx, &t, hour(1), incident.Owned{To: "handler:bob"})
				then()
				return err
			})
		})
	}
	slow := write(a.ID, func() { first.Do(func() { close(appended) }); <-end })
	<-appended
	quick := write(b.ID, func() {})
	wait(quick) // or the store lets it wait
	var seen []incident.Record
	read := after(func() error {
		return c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) (err error) {
			seen, err = r.History(ctx, storage.HistoryQuery{})
			return err
		})
	})
	wait(read) // or the store lets it wait too
	close(end)
	for _, done := range []<-chan error{slow, quick, read} {
		c.must(<-done)
	}
	last := uint64(0)
	for _, r := range seen {
		last = max(last, r.Seq)
	}
	later := c.history(storage.HistoryQuery{After: last})
	if all := c.history(storage.HistoryQuery{}); len(seen)+len(later) != len(all) {
		c.broken("an update that appended first committed last: a reader saw %d records up to Seq %d, then %d behind it, and skipped %d: %s",
			len(seen), last, len(later), len(all)-len(seen)-len(later), text(all))
	}
}

// after runs fn in a goroutine of its own and tells when it is done.
func after(fn func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- fn(); close(done) }()
	return done
}

// wait gives what is done soon the time for it.
func wait(done <-chan error) {
	for until := time.Now().Add(patience); len(done) == 0 && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
}

func seqIsGiven(c *trial) {
	t := c.opened(report("seq"))
	c.update(func(ctx context.Context, tx storage.Tx) {
		r := sealed(t, t.ID, hour(1), incident.Owned{To: "handler:bob"})
		r.Seq = 77
		c.must(tx.Append(ctx, r))
		records, err := tx.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{t.ID}})
		c.must(err)
		if len(records) != 2 || records[0].Seq != 1 || records[1].Seq != 0 {
			c.broken("inside fn, after a committed and an appended record, History gives %s; want Seq 1 and then 0", text(records))
		}
		// A reader that has all of the feed so far asks for what is new.
		records, err = tx.History(ctx, storage.HistoryQuery{After: 1})
		c.must(err)
		if len(records) != 1 || records[0].Version != 2 {
			c.broken("inside fn, History after Seq 1 gives %s; want the appended record", text(records))
		}
	})
	if records := c.history(storage.HistoryQuery{}); len(records) != 2 || records[1].Seq != 2 {
		c.broken("Append was given Seq 77; committed are %s; want Seq 1 and 2", text(records))
	}
}
