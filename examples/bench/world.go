package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/xirl"
)

// handler is who gives all commands.
const handler = "handler:alice"

func deskConfig() desk.Config {
	return desk.Config{
		Tag: mail.Tag{Name: "A CSIRT"}, From: incident.Party{Address: mailbox},
		Formats: []incident.Format{xirl.CSV{Name: "csv", Feed: "scans"}.Format()},
	}
}

// world is a desk with tickets on it, and beside it the bare loop, which starts
// from a copy of the same database.
type world struct {
	store   string // "memory", "sqlite" or "postgres"
	tickets int    // that it was filled with
	base    storage.Store
	desk    *desk.Desk
	session *desk.Session
	letters *letters
	bare    *bare          // nil in memory: there is no database to have one beside
	closes  []func() error // last first

	reports   []reported    // all that came by mail
	fresh     []reported    // those that nobody has touched
	incidents []incident.ID // opened by fill
	linked    int           // reports that measuring has linked to them
}

// reported is a report and who sent it.
type reported struct {
	id   incident.ID
	from string
}

// newWorld makes a store, fills it and copies it for the bare loop. db is nil
// for a store in memory.
func newWorld(ctx context.Context, db *database, tickets int, seed uint64, progress progress) (*world, error) {
	w := &world{store: "memory", tickets: tickets, letters: newLetters(seed, "fill")}
	var err error
	if db == nil {
		w.base = memory.New()
		err = w.fill(ctx, progress)
	} else {
		w.store = db.kind
		err = w.settle(ctx, db, progress)
	}
	if err == nil {
		w.desk, err = desk.New(w.base, deskConfig())
	}
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.session = w.desk.As(handler)
	return w, nil
}

// settle makes and fills a database, and the bare loop's copy of it.
func (w *world) settle(ctx context.Context, db *database, progress progress) error {
	w.closes = append(w.closes, db.drop)
	if err := db.create(ctx); err != nil {
		return err
	}
	store, closeStore, err := db.store(ctx)
	if err != nil {
		return err
	}
	w.base = store
	if err := errors.Join(w.fill(ctx, progress), closeStore()); err != nil {
		return err
	}
	progress.say("%s, %s tickets: copying the database for the bare loop", w.store, size(w.tickets))
	if err := db.copy(ctx); err != nil {
		return err
	}
	if w.base, closeStore, err = db.store(ctx); err != nil {
		return err
	}
	w.closes = append(w.closes, closeStore)
	if w.bare, err = newBare(ctx, db); err != nil {
		return err
	}
	w.closes = append(w.closes, w.bare.close)
	return nil
}

// close removes what newWorld has made.
func (w *world) close() (err error) {
	for _, fn := range slices.Backward(w.closes) {
		err = errors.Join(err, fn())
	}
	w.closes = nil
	return err
}

// enclosed is a store inside of an update of another: what a desk on it commits
// becomes one commit, that of the update.
type enclosed struct{ tx storage.Tx }

func (e enclosed) View(ctx context.Context, fn func(context.Context, storage.Reader) error) error {
	return fn(ctx, e.tx)
}

func (e enclosed) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	return fn(ctx, e.tx)
}

// together lets fn work with a desk whose changes become one commit.
func (w *world) together(ctx context.Context, fn func(context.Context, *desk.Desk) error) error {
	return w.base.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		d, err := desk.New(enclosed{tx}, deskConfig())
		if err != nil {
			return err
		}
		return fn(ctx, d)
	})
}

// batch is how many tickets fill commits at a time.
const batch = 200

// fill gives the store its tickets: of ten, nine are reports by mail, two of
// which belong to the tenth, an incident. Each goes the way that it goes every
// day, through Receive and Do; only that many of them share a commit.
func (w *world) fill(ctx context.Context, progress progress) error {
	for done := 0; done < w.tickets; {
		n := min(batch, w.tickets-done)
		err := w.together(ctx, func(ctx context.Context, d *desk.Desk) error {
			for i := range n {
				if i%10 < 9 {
					if err := w.receive(ctx, d); err != nil {
						return err
					}
				} else if err := w.open(ctx, d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("filling: %w", err)
		}
		if before := done; before*10/w.tickets != (done+n)*10/w.tickets {
			progress.say("%s, %s tickets: %s filled in", w.store, size(w.tickets), size(done+n))
		}
		done += n
	}
	return nil
}

func (w *world) receive(ctx context.Context, d *desk.Desk) error {
	l := w.letters.report()
	receipt, err := d.Receive(ctx, l.envelope(), l.raw)
	if err == nil {
		r := reported{receipt.Ticket, l.from}
		w.reports, w.fresh = append(w.reports, r), append(w.fresh, r)
	}
	return err
}

// open makes an incident of the last two reports.
func (w *world) open(ctx context.Context, d *desk.Desk) error {
	last := w.fresh[len(w.fresh)-2:]
	w.fresh = w.fresh[:len(w.fresh)-2]
	result, err := d.As(handler).Do(ctx,
		workflow.Open{Kind: incident.KindIncident, Subject: w.letters.subject(), Fields: classified()},
		workflow.Link{Ticket: last[0].id, Parent: incident.Nth(1)},
		workflow.Link{Ticket: last[1].id, Parent: incident.Nth(1)})
	if err == nil {
		w.incidents = append(w.incidents, result.Opened[0])
	}
	return err
}

// untouched takes n reports that nobody has touched, and lets more come where
// there are too few.
func (w *world) untouched(ctx context.Context, n int) ([]reported, error) {
	if lack := n - len(w.fresh); lack > 0 {
		err := w.together(ctx, func(ctx context.Context, d *desk.Desk) error {
			for range lack {
				if err := w.receive(ctx, d); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	taken := w.fresh[:n]
	w.fresh = w.fresh[n:]
	return taken, nil
}

// incident returns one of those that fill has opened, each in its turn.
func (w *world) incident() incident.ID {
	w.linked++
	return w.incidents[w.linked%len(w.incidents)]
}

// size is for people.
func size(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// classified is what the policy wants to know about an incident.
func classified() map[string][]string { return map[string][]string{"Classification": {"Scan"}} }
