package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// feedPrinter prints the feed, from its bookmark on if it has a name.
type feedPrinter struct {
	*call
	name           string
	config         desk.FeedConfig
	after          *uint64 // nil: not said
	limit          int     // 0: all
	follow         bool
	poll           time.Duration
	preview, names bool
	forget         string

	printed int
}

func feed(c *call, flags *flag.FlagSet) action {
	p := &feedPrinter{call: c, config: desk.FeedConfig{Batch: 100}}
	flags.StringVar(&p.name, "name", "", "go on where the reader with this `name` was; how far it is stays in the database")
	maybe(flags, "after", "begin behind the record with this `number` in the feed; default: at the beginning", &p.after, func(s string) (uint64, error) {
		n, err := strconv.ParseUint(s, 10, 63)
		if err != nil {
			err = fmt.Errorf("%q is no number of a record: allowed are 0 and whole numbers above", s)
		}
		return n, err
	})
	flags.BoolVar(&p.config.AtEnd, "end", false, "begin with what comes next")
	flags.IntVar(&p.limit, "limit", 0, "print so `many` records at most; default: all")
	flags.BoolVar(&p.follow, "follow", false, "wait for more, until Ctrl-C")
	flags.DurationVar(&p.poll, "poll", time.Second, "with --follow: the `pause` between two looks")
	flags.Func("types", "only records of these `events`, separated by commas: "+strings.Join(incident.Types(), ", "), func(s string) error {
		for name := range strings.SplitSeq(s, ",") {
			if !slices.Contains(incident.Types(), name) {
				return fmt.Errorf("there is no event %q: allowed are %s", name, strings.Join(incident.Types(), ", "))
			}
			p.config.Types = append(p.config.Types, name)
		}
		return nil
	})
	flags.BoolVar(&p.preview, "preview", false, "with --name or --forget: leave the reader where it is")
	flags.BoolVar(&p.names, "names", false, "list the readers, and how far behind each is")
	flags.StringVar(&p.forget, "forget", "", "let the reader with this `name` begin anew")
	return func(ctx context.Context, _ []string) error {
		if err := p.check(); err != nil {
			return err
		}
		w, err := c.open(ctx, setting{})
		if err != nil {
			return err
		}
		defer w.Close()
		switch {
		case p.names:
			return p.list(ctx, w)
		case p.forget != "":
			return p.forgetReader(ctx, w)
		}
		return p.print(ctx, w)
	}
}

// check refuses flags that do not go together.
func (p *feedPrinter) check() error {
	if p.after != nil {
		p.config.After = *p.after
	}
	reads := p.name != "" || p.after != nil || p.config.AtEnd || p.limit != 0 || p.follow || len(p.config.Types) > 0
	switch {
	case p.names && (reads || p.forget != "" || p.preview), p.forget != "" && reads:
		return usage("--names and --forget stand for themselves: allowed beside them is --preview with --forget")
	case p.after != nil && p.config.AtEnd:
		return usage("--after and --end both say where to begin: allowed is one of them")
	case p.limit < 0:
		return usage("--limit %d is less than nothing: allowed is 1 or more", p.limit)
	case p.poll <= 0:
		return usage("--poll %s is no pause: allowed is one like 200ms or 5s", p.poll)
	case p.preview && p.name == "" && p.forget == "":
		return usage("--preview is for a reader with a name: without --name nothing is changed")
	}
	return nil
}

// print prints records, and moves the bookmark when they are written.
func (p *feedPrinter) print(ctx context.Context, w *workplace) error {
	next := p.loose(w)
	if p.name != "" {
		if _, err := w.desk.Feed(p.name, p.config); err != nil {
			return usage("--name: %s", sentence(err))
		}
		at, err := p.bookmark(ctx, w)
		switch {
		case err != nil:
			return err
		case at.Revision > 0 && (p.after != nil || p.config.AtEnd):
			return usage("the reader %q is at %d already: leave out --after and --end, or let it begin anew by --forget", p.name, at.Seq)
		case !p.preview:
			next = p.bookmarked(w)
		case at.Revision > 0:
			p.config.After = at.Seq
		}
	}
	if !p.follow {
		for more := true; more && !p.enough(); {
			var err error
			if more, err = next(ctx); err != nil {
				return err
			}
		}
		return nil
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	err := desk.Follow(following, p.poll, func(ctx context.Context) (bool, error) {
		more, err := next(ctx)
		if p.enough() {
			stop()
		}
		return more, err
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (p *feedPrinter) enough() bool { return p.limit > 0 && p.printed >= p.limit }

func (p *feedPrinter) bookmark(ctx context.Context, w *workplace) (b storage.Bookmark, err error) {
	err = w.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		b, err = r.Bookmark(ctx, p.name)
		return err
	})
	return b, err
}

// bookmarked prints a batch of a reader with a name.
func (p *feedPrinter) bookmarked(w *workplace) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		config := p.config
		if p.limit > 0 {
			config.Batch = min(config.Batch, p.limit-p.printed)
		}
		feed, err := w.desk.Feed(p.name, config)
		if err != nil {
			return false, err
		}
		return feed.Deliver(ctx, func(_ context.Context, records []incident.Record) error { return p.lines(records) })
	}
}

// loose prints a batch for somebody who keeps the place himself.
func (p *feedPrinter) loose(w *workplace) func(context.Context) (bool, error) {
	began := false
	return func(ctx context.Context) (more bool, err error) {
		var records []incident.Record
		err = w.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
			if !began {
				newest, err := r.History(ctx, storage.HistoryQuery{Descending: true, Limit: 1})
				last := uint64(0)
				for _, record := range newest {
					last = record.Seq
				}
				switch {
				case err != nil:
					return err
				case p.config.AtEnd:
					p.config.After = last
				case p.config.After > last:
					return fmt.Errorf("the feed ends at %d: there is nothing behind %d; was an older copy of the database restored?", last, p.config.After)
				}
				began = true
			}
			q := storage.HistoryQuery{After: p.config.After, Types: p.config.Types, Limit: p.config.Batch}
			if p.limit > 0 {
				q.Limit = min(q.Limit, p.limit-p.printed)
			}
			records, err = r.History(ctx, q)
			more = len(records) == q.Limit
			return err
		})
		if err != nil || len(records) == 0 {
			return false, err
		}
		p.config.After = records[len(records)-1].Seq
		return more, p.lines(records)
	}
}

// lines prints records, each on a line of JSON.
func (p *feedPrinter) lines(records []incident.Record) error {
	tell := teller{p.zone}
	for _, r := range records {
		event, err := incident.Decode(r)
		if err != nil { // one broken record does not hold up the others
			event = nil
		}
		if err := p.printJSON(entry{r, event, tell.record(r)}); err != nil {
			return err
		}
		p.printed++
	}
	return nil
}

func (p *feedPrinter) list(ctx context.Context, w *workplace) error {
	readers, err := w.desk.Readers(ctx)
	if err != nil {
		return err
	}
	if p.json {
		if readers == nil {
			readers = []desk.FeedReader{}
		}
		return p.printJSON(readers)
	}
	if len(readers) == 0 {
		fmt.Fprintln(p.stdout, "nobody reads the feed: desk feed --name NAME begins")
		return nil
	}
	tell := teller{p.zone}
	table := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "READER\tAT\tBEHIND\tSINCE\tNOW\n")
	for _, r := range readers {
		now := "-"
		switch {
		case r.Ahead:
			now = "AHEAD of the feed: an older copy of the database was restored"
		case r.Lease.After(p.now()):
			now = "works until " + tell.when(r.Lease) + " at most"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\n", printable(r.Name), r.Seq, r.Behind, tell.when(r.Moved), now)
	}
	return table.Flush()
}

func (p *feedPrinter) forgetReader(ctx context.Context, w *workplace) error {
	readers, err := w.desk.Readers(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(readers, func(r desk.FeedReader) bool { return r.Name == p.forget })
	switch {
	case i < 0:
		return fmt.Errorf("no reader of the feed is called %q: desk feed --names lists them", p.forget)
	case p.preview:
		fmt.Fprintf(p.stdout, "preview, nothing is stored: the reader %s, at %d, would begin anew\n", printable(p.forget), readers[i].Seq)
		return nil
	}
	if err := w.desk.Forget(ctx, p.forget); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "the reader %s, which was at %d, begins anew\n", printable(p.forget), readers[i].Seq)
	return nil
}
