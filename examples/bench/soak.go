package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// soakOptions are the flags of soak.
type soakOptions struct {
	mails, connections int
	seed               uint64
	db                 string
	most               float64
	json               bool
}

// soakReport is what a soak prints.
type soakReport struct {
	Database string    `json:"database"`
	Seed     uint64    `json:"seed"`
	Sent     sent      `json:"sent"`
	Quarters []quarter `json:"quarters"`
	Growth   growth    `json:"growth"`
	Most     float64   `json:"most"`
	Tickets  int       `json:"tickets"` // of which, and of the records and blobs, every one was verified
	Records  int       `json:"records"`
	Blobs    int       `json:"blobs"`
}

func soak(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var o soakOptions
	flags := flag.NewFlagSet("bench soak", flag.ContinueOnError)
	flags.IntVar(&o.mails, "mails", 100_000, "`number` of mails to send")
	flags.IntVar(&o.connections, "connections", 4, "`number` of SMTP connections that send at a time")
	flags.Uint64Var(&o.seed, "seed", 1, "`number` that the mail follows from")
	flags.StringVar(&o.db, "db", "", "a new `file` for SQLite, which stays, or the URL of a PostgreSQL server and a role that may create databases; default: a file that is removed")
	flags.Float64Var(&o.most, "most", 1.1, "`ratio` of the last quarter to the second that memory, files and goroutines may have")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	helped, err := parse(flags, args, "bench soak [flags]: sends mail to a desk by SMTP while handlers work, and watches whether the desk grows.\n"+
		"Of ten mails six are new reports, three answer a ticket, one was sent before. With less than some 10,000 mails\n"+
		"the last quarter still has caches to fill.", stdout)
	if helped || err != nil {
		return err
	}
	switch {
	case o.mails < 100 || o.mails > 100_000_000:
		return usage("--mails is %d: allowed are 100 to 100000000", o.mails)
	case o.connections < 1 || o.connections > 90:
		return usage("--connections is %d: allowed are 1 to 90", o.connections)
	case o.most <= 0:
		return usage("--most is %v: allowed is more than 0, like 1.1", o.most)
	}
	db, err := o.database()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.drop()) }()
	if err := db.create(ctx); err != nil {
		return err
	}
	r, err := o.run(ctx, db, progress{stderr})
	if err != nil {
		return err
	}
	if o.json {
		err = printJSON(stdout, r)
	} else {
		err = r.print(stdout)
	}
	return errors.Join(err, r.judge())
}

// smallCache keeps SQLite to 256 KiB of pages for each connection. It would take
// 2 MiB, and 100,000 mails do not fill those: what filled them would look like
// memory that is lost.
const smallCache = "&_pragma=cache_size(-256)"

func (o *soakOptions) database() (*database, error) {
	if isServer(o.db) {
		return postgresDatabase(o.db, o.mails)
	}
	if o.db != "" {
		if _, err := os.Stat(o.db); !errors.Is(err, os.ErrNotExist) {
			return nil, usage("--db %s is there already: allowed is a file that is not, in a folder that is", o.db)
		}
		db := sqliteDatabase(filepath.Dir(o.db), o.mails)
		db.dsn, db.drop = sqlstore.SQLiteDSN(o.db)+smallCache, func() error { return nil }
		return db, nil
	}
	folder, err := workFolder("")
	if err != nil {
		return nil, err
	}
	db := sqliteDatabase(folder, o.mails)
	db.dsn += smallCache
	files := db.drop
	db.drop = func() error { return errors.Join(files(), os.Remove(folder)) }
	return db, nil
}

// run sends the mail and looks at what became of it.
func (o *soakOptions) run(ctx context.Context, db *database, progress progress) (_ *soakReport, err error) {
	store, closeStore, err := db.store(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closeStore()) }()
	d, err := desk.New(store, deskConfig())
	if err != nil {
		return nil, err
	}
	watch := newWatch(o.mails, progress)
	t := newTraffic(o, d, watch)
	if err := t.run(ctx); err != nil {
		return nil, err
	}
	r := &soakReport{Database: db.kind, Seed: o.seed, Sent: t.sent, Quarters: watch.quarters(), Most: o.most}
	r.Growth = growthOf(r.Quarters)
	progress.say("verifying")
	v, err := d.Verify(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, f := range v.Faults {
		err = errors.Join(err, f)
	}
	r.Tickets, r.Records, r.Blobs = v.Tickets, v.Records, v.Blobs
	return r, errors.Join(err, t.sent.check(ctx, store))
}

// check compares what was sent with what is stored.
func (s sent) check(ctx context.Context, store storage.Store) error {
	var stored sent
	err := store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		for after := uint64(0); ; {
			page, err := r.History(ctx, storage.HistoryQuery{After: after, Limit: 500})
			if err != nil || len(page) == 0 {
				return err
			}
			for _, record := range page {
				ev, err := incident.Decode(record)
				if err != nil {
					return err
				}
				switch ev := ev.(type) {
				case incident.Opened:
					if ev.Kind == incident.KindReport {
						stored.Reports++
					}
				case incident.Message:
					if !ev.Sent {
						stored.Answers++ // and those that open reports
					}
				case incident.ReceivedAgain:
					stored.Copies++
				}
			}
			after = page[len(page)-1].Seq
		}
	})
	stored.Answers -= stored.Reports
	if err == nil && (stored.Reports != s.Reports || stored.Answers != s.Answers || stored.Copies != s.Copies) {
		err = fmt.Errorf("sent were %d reports, %d answers and %d copies, stored are %d, %d and %d",
			s.Reports, s.Answers, s.Copies, stored.Reports, stored.Answers, stored.Copies)
	}
	return err
}

func (r *soakReport) print(out io.Writer) error {
	fmt.Fprintf(out, "%s, seed %d: %s reports, %s answers, %s copies sent; %s commands done, %s refused; %s mails sent by the desk\n\n",
		r.Database, r.Seed, size(r.Sent.Reports), size(r.Sent.Answers), size(r.Sent.Copies),
		size(r.Sent.Commands), size(r.Sent.Refused), size(r.Sent.Out))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "quarter\tseconds\tmails per s\theap MB\tresident MB\tfiles\tgoroutines\t")
	for i, q := range r.Quarters {
		fmt.Fprintf(table, "%d\t%.1f\t%.0f\t%.2f\t%.1f\t%.0f\t%.0f\t\n", i+1, q.Seconds, q.PerSecond, q.Heap/(1<<20), q.Resident/(1<<20), q.Files, q.Goroutines)
	}
	g := r.Growth
	fmt.Fprintf(table, "last to second\t\t\t%.2f\t%.2f\t%.2f\t%.2f\t\n", g.Heap, g.Resident, g.Files, g.Goroutines)
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nmedians of %d looks at each quarter; heap is what is in use after a collection.\n"+
		"verified: %s tickets, %s records, %s bodies, no fault; every mail is there once.\n",
		looks, size(r.Tickets), size(r.Records), size(r.Blobs))
	return err
}

// judge is an error when the desk has grown.
func (r *soakReport) judge() (err error) {
	for _, g := range []struct {
		what  string
		ratio float64
	}{{"heap", r.Growth.Heap}, {"resident memory", r.Growth.Resident}, {"open files", r.Growth.Files}, {"goroutines", r.Growth.Goroutines}} {
		if g.ratio > r.Most {
			err = errors.Join(err, fmt.Errorf("%s: the last quarter has %.2f times as much as the second, allowed is %.2f", g.what, g.ratio, r.Most))
		}
	}
	return err
}

// pause is how often the courier looks at an empty outbox.
const pause = 50 * time.Millisecond
