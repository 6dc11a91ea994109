package storagetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// optimistic runs fn on a draft over what is committed at each moment, and
// flushes it later: only versions are checked then.
func optimistic(flush func(ctx context.Context, d *storage.Draft, tx storage.Tx) error) lies {
	return lies{update: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Tx) error) error {
		draft := storage.NewDraft(each{next})
		if err := fn(ctx, draft); err != nil {
			return err
		}
		return next.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return flush(ctx, draft, tx) })
	}}
}

func flush(ctx context.Context, d *storage.Draft, tx storage.Tx) error {
	_, err := d.Flush(ctx, tx)
	return err
}

// flushForced makes every record fit and every claim succeed.
func flushForced(ctx context.Context, d *storage.Draft, tx storage.Tx) error {
	for _, r := range d.Changes().Records {
		t, err := tx.Ticket(ctx, r.Ticket)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if err := tx.Append(ctx, resealed(t, r)); err != nil {
			return err
		}
	}
	for _, claim := range d.Changes().Claims {
		if _, err := tx.Claim(ctx, claim.Key, claim.Ticket); err != nil {
			return err
		}
	}
	return nil
}

// resealed makes any record one that Extend accepts.
func resealed(t incident.Ticket, r incident.Record) incident.Record {
	r.At = incident.Moment(r.At)
	if r.At.Before(t.Updated) {
		r.At = t.Updated
	}
	incident.Seal(t, &r)
	return r
}

// leaking does what the failed update did of one sort once more, so that it is
// left behind.
func leaking(again func(ctx context.Context, tx storage.Tx, c storage.Changes) error) lies {
	return lies{update: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Tx) error) (err error) {
		var draft *storage.Draft
		done := false
		defer func() {
			if !done || err != nil {
				_ = next.Update(context.WithoutCancel(ctx), func(ctx context.Context, tx storage.Tx) error { return again(ctx, tx, draft.Changes()) })
			}
		}()
		err = next.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
			draft = storage.NewDraft(tx)
			if err := fn(ctx, draft); err != nil {
				return err
			}
			return flush(ctx, draft, tx)
		})
		done = true
		return err
	}}
}

func updateDefects() []defect {
	leaves := []string{"ErrorLeavesNothing", "PanicLeavesNothing", "CancelLeavesNothing"}
	stop := errors.New("not committed")
	return []defect{
		lying("versions are checked at commit, reads are not", optimistic(flush), "WriteSkew"),
		lying("the last writer wins", optimistic(flushForced), "LostUpdate", "ClaimRace"),
		lying("an error commits", lies{update: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Tx) error) error {
			var given error
			err := next.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
				given = fn(ctx, tx)
				return nil
			})
			return errors.Join(given, err)
		}}, "ErrorLeavesNothing", "IDsRollBack"),
		lying("a panic commits", lies{update: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Tx) error) error {
			var panicked any
			err := next.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
				defer func() { panicked = recover() }()
				return fn(ctx, tx)
			})
			if panicked != nil {
				panic(panicked)
			}
			return err
		}}, "PanicLeavesNothing"),
		lying("a panic becomes an error", lies{update: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Tx) error) error {
			return next.Update(ctx, func(ctx context.Context, tx storage.Tx) (err error) {
				defer func() {
					if r := recover(); r != nil {
						err = stop
					}
				}()
				return fn(ctx, tx)
			})
		}}, "PanicLeavesNothing"),
		lying("a cancelled context commits", lies{update: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Tx) error) error {
			return next.Update(context.WithoutCancel(ctx), fn)
		}}, "CancelLeavesNothing"),
		lying("a cancelled context commits and is an error", lies{update: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Tx) error) error {
			return errors.Join(next.Update(context.WithoutCancel(ctx), fn), ctx.Err())
		}}, "CancelLeavesNothing"),
		lying("records are left behind", leaking(func(ctx context.Context, tx storage.Tx, c storage.Changes) error {
			return tx.Append(ctx, c.Records...)
		}), append(leaves, "AppendRefuses")...),
		lying("claims are left behind", leaking(func(ctx context.Context, tx storage.Tx, c storage.Changes) error {
			for _, claim := range c.Claims {
				if _, err := tx.Claim(ctx, claim.Key, claim.Ticket); err != nil {
					return err
				}
			}
			return nil
		}), leaves...),
		lying("outgoing rows are left behind", leaking(func(ctx context.Context, tx storage.Tx, c storage.Changes) error {
			for _, o := range c.Outgoing {
				o.Revision--
				if err := tx.PutOutgoing(ctx, o); err != nil {
					return err
				}
			}
			return nil
		}), leaves...),
		lying("blobs are left behind", leaking(func(ctx context.Context, tx storage.Tx, c storage.Changes) error {
			for _, content := range c.Blobs {
				if _, err := tx.PutBlob(ctx, content); err != nil {
					return err
				}
			}
			return nil
		}), leaves...),
		lying("Update wraps the error of fn", lies{update: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Tx) error) error {
			if err := next.Update(ctx, fn); err != nil {
				return fmt.Errorf("update: %w", err)
			}
			return nil
		}}, "ErrorComesBack"),
		lying("View wraps the error of fn", lies{view: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Reader) error) error {
			if err := next.View(ctx, fn); err != nil {
				return fmt.Errorf("view: %w", err)
			}
			return nil
		}}, "ErrorComesBack"),
		lying("View loses the error of fn", lies{view: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Reader) error) error {
			_ = next.View(ctx, fn)
			return nil
		}}, "ErrorComesBack"),
		lying("a lost race is some error", lies{append: func(next storage.Tx, ctx context.Context, records []incident.Record) error {
			if err := next.Append(ctx, records...); err != nil {
				return errors.New("constraint failed")
			}
			return nil
		}}, "LostRaceIsConflict", "AppendRefuses"),
		lying("a stale record is made to fit", lies{append: func(next storage.Tx, ctx context.Context, records []incident.Record) error {
			for _, r := range records {
				t, _ := next.Ticket(ctx, r.Ticket)
				if err := next.Append(ctx, resealed(t, r)); err != nil {
					return err
				}
			}
			return nil
		}}, "LostRaceIsConflict", "AppendRefuses"),
		lying("a View reads what is committed at each moment", lies{view: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Reader) error) error {
			return fn(ctx, each{next})
		}}, "ViewIsSnapshot"),
		lying("a View can write", lies{view: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Reader) error) error {
			return next.View(ctx, func(ctx context.Context, r storage.Reader) error { return fn(ctx, storage.NewDraft(r)) })
		}}, "ViewOnlyReads"),
		{"records are committed one by one", []string{"ConcurrentUse"}, oneByOne},
	}
}

// oneByOne makes one update of each record, one after the other.
func oneByOne() storage.Store {
	turn := make(chan struct{}, 1)
	return crooked{memory.New(), lies{update: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Tx) error) error {
		turn <- struct{}{}
		defer func() { <-turn }()
		draft := storage.NewDraft(each{next})
		if err := fn(ctx, draft); err != nil {
			return err
		}
		for _, r := range draft.Changes().Records {
			if err := next.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return tx.Append(ctx, r) }); err != nil {
				return err
			}
			time.Sleep(100 * time.Microsecond)
		}
		return nil
	}}}
}

// readDefects are stores whose fn does not see its own writes, in one method
// each.
func readDefects() []defect {
	blind := func(method string, blind func(committed storage.Reader) lies) defect {
		return defect{"inside fn " + method + " reads what was committed", []string{"OwnWrites"}, func() storage.Store {
			store := memory.New()
			return crooked{store, blind(each{store})}
		}}
	}
	return []defect{
		blind("Ticket", func(committed storage.Reader) lies {
			return lies{ticket: func(next storage.Reader, ctx context.Context, id incident.ID) (incident.Ticket, error) {
				return outside(next, committed).Ticket(ctx, id)
			}}
		}),
		blind("Find", func(committed storage.Reader) lies {
			return lies{find: func(next storage.Reader, ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
				return outside(next, committed).Find(ctx, q)
			}}
		}),
		blind("Count", func(committed storage.Reader) lies {
			return lies{count: func(next storage.Reader, ctx context.Context, q storage.Query) (int, error) {
				return outside(next, committed).Count(ctx, q)
			}}
		}),
		blind("History", func(committed storage.Reader) lies {
			return lies{history: func(next storage.Reader, ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
				return outside(next, committed).History(ctx, q)
			}}
		}),
		blind("Claimed", func(committed storage.Reader) lies {
			return lies{claimed: func(next storage.Reader, ctx context.Context, key storage.Key) (incident.ID, bool, error) {
				return outside(next, committed).Claimed(ctx, key)
			}}
		}),
		blind("Outgoing", func(committed storage.Reader) lies {
			return lies{outgoing: func(next storage.Reader, ctx context.Context, q storage.OutgoingQuery) ([]storage.Outgoing, error) {
				return outside(next, committed).Outgoing(ctx, q)
			}}
		}),
		blind("Bookmark", func(committed storage.Reader) lies {
			return lies{bookmark: func(next storage.Reader, ctx context.Context, name string) (storage.Bookmark, error) {
				return outside(next, committed).Bookmark(ctx, name)
			}}
		}),
		blind("Bookmarks", func(committed storage.Reader) lies {
			return lies{all: func(next storage.Reader, ctx context.Context) ([]storage.Bookmark, error) {
				return outside(next, committed).Bookmarks(ctx)
			}}
		}),
		blind("OpenBlob", func(committed storage.Reader) lies {
			return lies{openBlob: func(next storage.Reader, ctx context.Context, digest incident.Digest) (io.ReadCloser, error) {
				return outside(next, committed).OpenBlob(ctx, digest)
			}}
		}),
	}
}

// outside returns the committed state inside an Update, and what a View reads
// otherwise.
func outside(r storage.Reader, committed storage.Reader) storage.Reader {
	if _, ok := r.(storage.Tx); ok {
		return committed
	}
	return r
}
