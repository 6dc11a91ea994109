package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

const oneAtATime = "Updates behave as if they ran one at a time, in some order: nothing that fn read may have been changed by another update when fn's own changes are committed."

func updateChecks() []Check {
	return []Check{
		{"WriteSkew", oneAtATime, writeSkew},
		{"LostUpdate", oneAtATime, lostUpdate},
		{"ClaimRace", oneAtATime + " A key that two updates claim at once has one holder.", claimRace},
		{"OwnWrites", "fn sees its own writes, in every method.", ownWrites},
		{"ErrorLeavesNothing", "An error from fn leaves nothing behind: no ticket, record, claim, outgoing row, blob or bookmark.", errorLeavesNothing},
		{"PanicLeavesNothing", "A panic in fn leaves nothing behind, and goes on after the roll-back.", panicLeavesNothing},
		{"CancelLeavesNothing", "A cancelled context leaves nothing behind: no ticket, record, claim, outgoing row, blob or bookmark.", cancelLeavesNothing},
		{"ErrorComesBack", "The error of fn comes back as fn gave it.", errorComesBack},
		{"LostRaceIsConflict", "A lost race is ErrConflict: a record that does not continue the stored ticket is refused with it.", lostRaceIsConflict},
		{"ViewIsSnapshot", "A View is a snapshot: what fn reads does not change while it runs.", viewIsSnapshot},
		{"ViewOnlyReads", "The Reader of a View is not a Tx.", viewOnlyReads},
		{"ConcurrentUse", "The Store itself is safe for concurrent use.", concurrentUse},
	}
}

// together runs each fn in a goroutine of its own and waits for all.
func together(fns ...func() error) error {
	errs := make([]error, len(fns))
	var wait sync.WaitGroup
	for i, fn := range fns {
		wait.Go(func() { errs[i] = fn() })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// writeSkew moves the due dates of two children of one incident at once, each
// time making the incident due with the earlier child. Without serial updates
// each mover sees the other child's old date, and the incident ends up due too
// late although no row was written twice.
func writeSkew(c *trial) {
	parent := c.opened(incident.Opened{Kind: incident.KindIncident, Status: "open", Phase: incident.Active})
	child := incident.Opened{Kind: incident.KindInvestigation, Status: "open", Phase: incident.Active, Parents: []incident.ID{parent.ID}}
	children := []incident.ID{c.opened(child).ID, c.opened(child).ID}

	move := func(id incident.ID, due time.Time, pause time.Duration) error {
		return c.retry(func(ctx context.Context, tx storage.Tx) error {
			t, err := tx.Ticket(ctx, id)
			if err != nil {
				return err
			}
			if err := appendTo(ctx, tx, &t, t.Updated.Add(time.Second), incident.DueSet{Due: &due}); err != nil {
				return err
			}
			first, err := tx.Find(ctx, storage.Query{
				Parent: parent.ID, Due: storage.DueSet, Order: []storage.Order{{Column: storage.ByDue}}, Limit: 1,
			})
			if err != nil {
				return err
			}
			time.Sleep(pause) // lets a store that does not serialise run the other one here
			p, err := tx.Ticket(ctx, parent.ID)
			if err != nil || p.Due != nil && len(first) == 1 && p.Due.Equal(*first[0].Due) {
				return err
			}
			return appendTo(ctx, tx, &p, p.Updated.Add(time.Second), incident.DueSet{Due: first[0].Due, Child: first[0].ID})
		})
	}
	const rounds = 30
	for round := range rounds {
		base := 1000 * (round + 1)
		c.must(together(
			func() error { return move(children[0], hour(base+c.jitter(round, 0)), time.Millisecond) },
			func() error { return move(children[1], hour(base+c.jitter(round, 1)), time.Millisecond) },
		))
		a, b, p := c.ticket(children[0]), c.ticket(children[1]), c.ticket(parent.ID)
		want := slices.MinFunc([]time.Time{*a.Due, *b.Due}, time.Time.Compare)
		if p.Due == nil || !p.Due.Equal(want) {
			c.broken("round %d of %d: two updates moved the due dates of the children of one incident at once; these are due %s and %s, "+
				"but the incident %v. Each update read the other child's old date: a check of versions alone does not see that", round+1, rounds, a.Due, b.Due, p.Due)
		}
	}
}

// jitter is a number of hours below 100 that differs by round and mover.
func (c *trial) jitter(round, mover int) int {
	return int((c.seed + uint64(round*37+mover*61)) % 97)
}

func lostUpdate(c *trial) {
	t := c.opened(report("counter"))
	const writers, times = 4, 8
	var fns []func() error
	for range writers {
		fns = append(fns, func() error {
			for range times {
				if err := c.retry(func(ctx context.Context, tx storage.Tx) error {
					now, err := tx.Ticket(ctx, t.ID)
					if err != nil {
						return err
					}
					if err := appendTo(ctx, tx, &now, hour(0), incident.Edited{Priority: ptr(now.Priority + 1)}); err != nil {
						return err
					}
					time.Sleep(100 * time.Microsecond) // lets another update in, if the store does
					return nil
				}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	c.must(together(fns...))
	if now := c.ticket(t.ID); now.Priority != writers*times || now.Version != writers*times+1 {
		c.broken("%d updates each added 1 to the priority of one ticket: it is %d, after %d records; an update was lost",
			writers*times, now.Priority, now.Version)
	}
}

func claimRace(c *trial) {
	a, b := c.opened(report("a")), c.opened(report("b"))
	for round := range 20 {
		key := storage.Key{Space: "message-id", Value: fmt.Sprintf("race-%d@example.org", round)}
		holders := make([]incident.ID, 2)
		claim := func(i int, id incident.ID) func() error {
			return func() error {
				return c.retry(func(ctx context.Context, tx storage.Tx) error {
					holder, taken, err := tx.Claimed(ctx, key)
					if err == nil && !taken {
						time.Sleep(200 * time.Microsecond)
						holder, err = tx.Claim(ctx, key, id)
						time.Sleep(200 * time.Microsecond)
					}
					holders[i] = holder
					return err
				})
			}
		}
		c.must(together(claim(0, a.ID), claim(1, b.ID)))
		c.view(func(ctx context.Context, r storage.Reader) {
			holder, ok, err := r.Claimed(ctx, key)
			c.must(err)
			if !ok || holders[0] != holder || holders[1] != holder {
				c.broken("tickets %s and %s claimed one key at once: they were told that %s and %s hold it; stored is %s", a.ID, b.ID, holders[0], holders[1], holder)
			}
		})
	}
}

func ownWrites(c *trial) {
	before := c.opened(report("before"))
	c.update(func(ctx context.Context, tx storage.Tx) {
		t, err := open(ctx, tx, report("own"))
		c.must(err)
		c.must(appendTo(ctx, tx, &before, hour(1), incident.Owned{To: "handler:bob"}))

		for _, want := range []incident.Ticket{t, before} {
			got, err := tx.Ticket(ctx, want.ID)
			c.must(err)
			if text(got) != text(want) {
				c.broken("Ticket gives\n%s\nafter the Append that made it\n%s", text(got), text(want))
			}
		}
		owned, err := tx.Find(ctx, storage.Query{Owners: []incident.Actor{"handler:bob"}})
		c.must(err)
		if !slices.Equal(ids(owned), []incident.ID{before.ID}) {
			c.broken("Find gives %v, and not the ticket that the same update gave to handler:bob", ids(owned))
		}
		free, err := tx.Find(ctx, storage.Query{Owners: []incident.Actor{incident.Nobody}})
		c.must(err)
		if !slices.Equal(ids(free), []incident.ID{t.ID}) {
			c.broken("Find gives %v as tickets without owner; since this update that is only the one it opened", ids(free))
		}
		n, err := tx.Count(ctx, storage.Query{})
		c.must(err)
		if n != 2 {
			c.broken("Count gives %d tickets where Append has made 2", n)
		}
		records, err := tx.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{before.ID}})
		c.must(err)
		if len(records) != 2 || records[1].Hash != before.Hash {
			c.broken("History does not end with the record that the same update appended: %s", text(records))
		}
		records, err = tx.History(ctx, storage.HistoryQuery{})
		c.must(err)
		if len(records) != 3 {
			c.broken("History of the whole feed gives %d records where 1 was committed and 2 were appended", len(records))
		}
		key := storage.Key{Space: "own", Value: "key"}
		_, err = tx.Claim(ctx, key, t.ID)
		c.must(err)
		if holder, ok, err := tx.Claimed(ctx, key); err != nil || !ok || holder != t.ID {
			c.broken("Claimed gives %s, %v, %v after Claim", holder, ok, err)
		}
		if holder, err := tx.Claim(ctx, key, before.ID); err != nil || holder != t.ID {
			c.broken("a second Claim of the same key gives %s, %v", holder, err)
		}
		c.must(tx.PutOutgoing(ctx, queued(t.ID, 1, 0)))
		rows, err := tx.Outgoing(ctx, storage.OutgoingQuery{})
		c.must(err)
		if len(rows) != 1 || rows[0].Revision != 1 {
			c.broken("Outgoing gives %s after PutOutgoing of one row", text(rows))
		}
		rows[0].Status = storage.Sent
		c.must(tx.PutOutgoing(ctx, rows[0]))
		rows, err = tx.Outgoing(ctx, storage.OutgoingQuery{Statuses: []storage.OutStatus{storage.Sent}})
		c.must(err)
		if len(rows) != 1 || rows[0].Revision != 2 {
			c.broken("Outgoing gives %s as sent rows after PutOutgoing made one of it", text(rows))
		}
		digest, err := tx.PutBlob(ctx, []byte("own bytes"))
		c.must(err)
		if content, err := blob(ctx, tx, digest); err != nil || string(content) != "own bytes" {
			c.broken("OpenBlob gives %q, %v after PutBlob", content, err)
		}
		c.must(tx.PutBookmark(ctx, storage.Bookmark{Name: "own", Seq: 1}))
		if b, err := tx.Bookmark(ctx, "own"); err != nil || b.Revision != 1 || b.Seq != 1 {
			c.broken("Bookmark gives %s, %v after PutBookmark", text(b), err)
		}
		if list, err := tx.Bookmarks(ctx); err != nil || len(list) != 1 || list[0].Revision != 1 {
			c.broken("Bookmarks gives %s, %v after PutBookmark of one", text(list), err)
		}
		c.must(tx.RemoveBookmark(ctx, storage.Bookmark{Name: "own", Revision: 1}))
		if list, err := tx.Bookmarks(ctx); err != nil || len(list) != 0 {
			c.broken("Bookmarks gives %s, %v after RemoveBookmark of the only one", text(list), err)
		}
	})
}

// writeAll writes something of each sort.
func writeAll(ctx context.Context, tx storage.Tx, existing incident.Ticket) error {
	t, err := open(ctx, tx, report("left behind"))
	if err != nil {
		return err
	}
	if err := appendTo(ctx, tx, &existing, hour(2), incident.Owned{To: "handler:bob"}); err != nil {
		return err
	}
	if _, err := tx.Claim(ctx, storage.Key{Space: "left", Value: "behind"}, t.ID); err != nil {
		return err
	}
	if err := tx.PutOutgoing(ctx, queued(t.ID, 1, 0)); err != nil {
		return err
	}
	if err := tx.PutBookmark(ctx, storage.Bookmark{Name: "left behind"}); err != nil {
		return err
	}
	_, err = tx.PutBlob(ctx, []byte("left behind"))
	return err
}

// nothingLeft checks that what writeAll wrote is not there.
func (c *trial) nothingLeft(existing incident.Ticket, after string) {
	c.Helper()
	look := func(ctx context.Context, r storage.Reader) {
		if n, err := r.Count(ctx, storage.Query{}); err != nil || n != 1 {
			c.broken("%s: Count gives %d tickets, %v; 1 had been committed", after, n, err)
		}
		if found, err := r.Find(ctx, storage.Query{}); err != nil || len(found) != 1 || text(found[0]) != text(existing) {
			c.broken("%s: Find gives %s, %v; committed was\n%s", after, text(found), err, text(existing))
		}
		if t, err := r.Ticket(ctx, existing.ID); err != nil || text(t) != text(existing) {
			c.broken("%s: the ticket is\n%s, %v; committed was\n%s", after, text(t), err, text(existing))
		}
		if t, err := r.Ticket(ctx, existing.ID+1); !errors.Is(err, storage.ErrNotFound) {
			c.broken("%s: the new ticket is there: %s, %v", after, text(t), err)
		}
		if records, err := r.History(ctx, storage.HistoryQuery{}); err != nil || len(records) != 1 {
			c.broken("%s: there are %d records, %v; 1 had been committed", after, len(records), err)
		}
		if holder, ok, err := r.Claimed(ctx, storage.Key{Space: "left", Value: "behind"}); err != nil || ok {
			c.broken("%s: the claim is there, held by %s, %v", after, holder, err)
		}
		if rows, err := r.Outgoing(ctx, storage.OutgoingQuery{}); err != nil || len(rows) != 0 {
			c.broken("%s: the outgoing row is there: %s, %v", after, text(rows), err)
		}
		if list, err := r.Bookmarks(ctx); err != nil || len(list) != 0 {
			c.broken("%s: the bookmark is there: %s, %v", after, text(list), err)
		}
		if body, err := r.OpenBlob(ctx, incident.DigestOf([]byte("left behind"))); !errors.Is(err, storage.ErrNotFound) {
			if err == nil {
				_ = body.Close()
			}
			c.broken("%s: OpenBlob gives error %v for the blob; want ErrNotFound", after, err)
		}
	}
	c.view(look)
	c.update(func(ctx context.Context, tx storage.Tx) { look(ctx, tx) })
}

func errorLeavesNothing(c *trial) {
	existing := c.opened(report("existing"))
	stop := errors.New("fn wants no commit")
	err := c.retry(func(ctx context.Context, tx storage.Tx) error {
		if err := writeAll(ctx, tx, existing); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		c.broken("Update gives error %v; fn gave %v", err, stop)
	}
	c.nothingLeft(existing, "after an error")
}

func panicLeavesNothing(c *trial) {
	existing := c.opened(report("existing"))
	type mark struct{}
	recovered := func() (r any) {
		defer func() { r = recover() }()
		err := c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error {
			if err := writeAll(ctx, tx, existing); err != nil {
				return err
			}
			panic(mark{})
		})
		return fmt.Sprintf("Update returned %v", err)
	}()
	if recovered != (mark{}) {
		c.broken("the panic did not go on: %v", recovered)
	}
	c.nothingLeft(existing, "after a panic")
}

func cancelLeavesNothing(c *trial) {
	existing := c.opened(report("existing"))
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	err := c.store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		if err := writeAll(ctx, tx, existing); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if err == nil {
		c.broken("Update gives no error though its context was cancelled before fn returned")
	}
	c.nothingLeft(existing, "after a cancelled context")

	err = c.store.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return writeAll(ctx, tx, existing) })
	if err == nil {
		c.broken("Update gives no error though its context was cancelled before it began")
	}
	c.nothingLeft(existing, "after an update that began with a cancelled context")
}

func errorComesBack(c *trial) {
	given := fmt.Errorf("as given")
	if err := c.store.Update(c.ctx, func(context.Context, storage.Tx) error { return given }); err != given {
		c.broken("Update gives %#v; fn gave %#v", err, given)
	}
	if err := c.store.View(c.ctx, func(context.Context, storage.Reader) error { return given }); err != given {
		c.broken("View gives %#v; fn gave %#v", err, given)
	}
}

func lostRaceIsConflict(c *trial) {
	stale := c.opened(report("race"))
	now := c.changed(stale, incident.Owned{To: "handler:bob"})
	err := c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error {
		return appendTo(ctx, tx, &stale, hour(5), incident.Owned{To: "handler:carol"})
	})
	if !errors.Is(err, storage.ErrConflict) {
		c.broken("a record sealed on version 1 came when version 2 was stored: Update gives %v", err)
	}
	if got := c.ticket(now.ID); text(got) != text(now) {
		c.broken("the ticket became\n%s\nthough the race was lost; before it was\n%s", text(got), text(now))
	}
	err = c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error {
		r := sealed(incident.Ticket{}, now.ID, hour(5), report("again"))
		return tx.Append(ctx, r)
	})
	if !errors.Is(err, storage.ErrConflict) {
		c.broken("a first record came for a ticket that is there: Update gives %v", err)
	}
}

// patience is how long a check waits for an update that the store may hold up.
const patience = 50 * time.Millisecond

func viewIsSnapshot(c *trial) {
	existing := c.opened(report("existing"))
	read := func(ctx context.Context, r storage.Reader) string {
		found, err := r.Find(ctx, storage.Query{})
		c.must(err)
		n, err := r.Count(ctx, storage.Query{})
		c.must(err)
		t, err := r.Ticket(ctx, existing.ID)
		c.must(err)
		records, err := r.History(ctx, storage.HistoryQuery{})
		c.must(err)
		holder, _, err := r.Claimed(ctx, storage.Key{Space: "left", Value: "behind"})
		c.must(err)
		rows, err := r.Outgoing(ctx, storage.OutgoingQuery{})
		c.must(err)
		_, err = blob(ctx, r, incident.DigestOf([]byte("left behind")))
		absent := errors.Is(err, storage.ErrNotFound)
		mark, err := r.Bookmark(ctx, "left behind")
		c.must(err)
		marks, err := r.Bookmarks(ctx)
		c.must(err)
		return text([]any{found, n, t, records, holder, rows, absent, mark, marks})
	}
	done := make(chan error, 1)
	c.view(func(ctx context.Context, r storage.Reader) {
		before := read(ctx, r)
		go func() {
			done <- c.retry(func(ctx context.Context, tx storage.Tx) error { return writeAll(ctx, tx, existing) })
		}()
		ended := false
		select {
		case err := <-done:
			done <- err
			ended = true
		case <-time.After(patience): // the store lets the update wait for the view
		}
		if after := read(ctx, r); after != before {
			c.broken("an update ran beside it (ended: %v), and the same View now reads\n%s\nbefore it read\n%s", ended, after, before)
		}
	})
	c.must(<-done)
	if now := c.ticket(existing.ID); now.Owner != "handler:bob" {
		c.broken("the update that ran beside the View is not there after it")
	}
}

func viewOnlyReads(c *trial) {
	c.view(func(_ context.Context, r storage.Reader) {
		if tx, ok := r.(storage.Tx); ok {
			c.broken("View gives a %T, which can write", tx)
		}
	})
}

// concurrentUse keeps two tickets at the same priority while several goroutines
// write and read.
func concurrentUse(c *trial) {
	a, b := c.opened(report("a")), c.opened(report("b"))
	write := func() error {
		for range 10 {
			if err := c.retry(func(ctx context.Context, tx storage.Tx) error {
				for _, id := range []incident.ID{a.ID, b.ID} {
					t, err := tx.Ticket(ctx, id)
					if err != nil {
						return err
					}
					if err := appendTo(ctx, tx, &t, hour(0), incident.Edited{Priority: ptr(t.Priority + 1)}); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}
	var written atomic.Bool
	read := func() error {
		for done := false; !done; {
			done = written.Load() // one more look after the last write
			if err := c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) error {
				found, err := r.Find(ctx, storage.Query{})
				if err != nil {
					return err
				}
				if len(found) != 2 || found[0].Priority != found[1].Priority {
					return fmt.Errorf("a View sees half of an update: %s", text(found))
				}
				_, err = r.History(ctx, storage.HistoryQuery{Limit: 5})
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	}
	writers := func() error {
		defer written.Store(true)
		return together(write, write)
	}
	c.must(together(writers, read, read))
	if now := c.ticket(a.ID); now.Priority != 20 {
		c.broken("20 concurrent updates each added 1 to a priority: it is %d", now.Priority)
	}
}
