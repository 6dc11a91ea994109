package desk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// FeedConfig says how a reader takes the feed. The zero FeedConfig reads all of
// it, from the beginning.
type FeedConfig struct {
	After uint64   // where a reader without a bookmark begins: behind this Seq
	AtEnd bool     // it begins with what comes next instead
	Types []string // only records of these events; others are passed over. Empty: all
	Batch int      // records at a time, those that are passed over too; 0: 500

	// Lease is how long another process waits for one that has taken a batch and
	// died ([Feed.Deliver]); 0: one minute. Their clocks must agree far better.
	Lease time.Duration
}

// Feed is the records of all tickets, in the order of their Seq, for a reader
// with a name: a program that takes them in batches, may stop at any time, and
// goes on where it was. Make one with [Desk.Feed]; it is safe for concurrent use.
//
// How far a reader has come is its bookmark, kept in the store. Readers with
// different names know nothing of each other; several processes may read under
// one name, and each record goes to one of them. No record is skipped, whoever
// writes at the same time; a record is seen when it is committed.
//
// There are no rights here: a feed shows everything to the program that embeds
// the desk, which decides what becomes of it.
type Feed struct {
	desk   *Desk
	name   string
	config FeedConfig
}

// maxReaderName is how many bytes the name of a reader may have.
const maxReaderName = 100

// Feed returns the feed for a reader. Its name is 1 to 100 bytes of printable
// text. The error says what is wrong with name or config. Nothing is read or
// written yet.
func (d *Desk) Feed(name string, config FeedConfig) (*Feed, error) {
	switch {
	case name == "" || len(name) > maxReaderName || !utf8.ValidString(name) || slices.ContainsFunc([]rune(name), func(c rune) bool { return !unicode.IsPrint(c) }):
		return nil, fmt.Errorf("desk: %q is no name for a reader of the feed: allowed are 1 to %d bytes of printable text", name, maxReaderName)
	case config.AtEnd && config.After > 0:
		return nil, errors.New("desk: FeedConfig has After and AtEnd: allowed is one of them")
	case config.Batch < 0 || config.Lease < 0:
		return nil, errors.New("desk: FeedConfig has a negative Batch or Lease: allowed is 0, for what is usual, or more")
	}
	if config.Batch == 0 {
		config.Batch = 500
	}
	if config.Lease == 0 {
		config.Lease = time.Minute
	}
	return &Feed{desk: d, name: name, config: config}, nil
}

// AheadError says that a reader has come farther than the feed goes: the store was
// restored from an older copy. What is written from now on gets numbers again
// that the reader has seen. Bring the reader's own data back to the same time,
// remove its bookmark, and begin After the place that belongs to them.
type AheadError struct {
	Name string // of the reader
	Seq  uint64 // where it is
	Last uint64 // where the feed ends
}

// Error implements error.
func (e *AheadError) Error() string {
	return fmt.Sprintf("desk: reader %q is at %d of a feed that ends at %d: the store was restored from an older copy, or another one was meant; remove the bookmark and say where to begin", e.Name, e.Seq, e.Last)
}

// BusyError says that another process has taken the batch which is next for a
// reader, and works on it.
type BusyError struct {
	Name  string
	Until time.Time // when the next one may take the batch, if nobody says before that it is done
}

// Error implements error.
func (e *BusyError) Error() string {
	return fmt.Sprintf("desk: another process reads the feed as %q: it has until %s to finish", e.Name, e.Until.Format(time.RFC3339))
}

// batch is what comes next for a reader.
type batch struct {
	bookmark storage.Bookmark // as it is in the store
	records  []incident.Record
	last     uint64 // Seq up to which the feed was looked at
	more     bool   // there may be more behind it
}

// next reads the batch behind the bookmark.
func (f *Feed) next(ctx context.Context, r storage.Reader) (b batch, err error) {
	if b.bookmark, err = r.Bookmark(ctx, f.name); err != nil {
		return b, err
	}
	if until := b.bookmark.Lease; until.After(f.desk.now()) {
		return b, &BusyError{f.name, until}
	}
	from := b.bookmark.Seq
	if b.bookmark.Revision == 0 {
		if from = f.config.After; f.config.AtEnd {
			from, err = lastSeq(ctx, r)
			b.last = from
			return b, err
		}
	}
	all, err := r.History(ctx, storage.HistoryQuery{After: from, Limit: f.config.Batch})
	if err != nil {
		return b, err
	}
	for len(all) > 0 && all[len(all)-1].Seq == 0 { // what this update has written is in no feed yet
		all = all[:len(all)-1]
	}
	if len(all) == 0 {
		if err := f.reached(ctx, r, from); err != nil {
			return b, err
		}
	}
	b.last, b.more = from, len(all) == f.config.Batch
	for _, record := range all {
		b.last = record.Seq
		if len(f.config.Types) == 0 || slices.Contains(f.config.Types, record.Type) {
			b.records = append(b.records, record)
		}
	}
	return b, nil
}

// lastSeq returns the Seq of the newest record, 0 if there is none.
func lastSeq(ctx context.Context, r storage.Reader) (uint64, error) {
	for limit := 1; ; limit *= 10 {
		newest, err := r.History(ctx, storage.HistoryQuery{Descending: true, Limit: limit})
		if err != nil {
			return 0, err
		}
		for _, record := range newest {
			if record.Seq > 0 { // those before it are of this update
				return record.Seq, nil
			}
		}
		if len(newest) < limit {
			return 0, nil
		}
	}
}

// moved returns the bookmark behind a batch.
func (f *Feed) moved(b batch) storage.Bookmark {
	moved := b.bookmark
	if moved.Seq != b.last || moved.Revision == 0 {
		moved.Seq, moved.Moved = b.last, f.desk.now()
	}
	moved.Lease = time.Time{}
	return moved
}

// Pending reports whether there is anything for the reader to do: a look that
// holds up nobody, before a transaction is begun for NextTx. Next and Deliver do so
// themselves. Errors: [*AheadError], those of the store.
func (f *Feed) Pending(ctx context.Context) (pending bool, err error) {
	err = f.desk.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		b, err := r.Bookmark(ctx, f.name)
		if pending = b.Revision == 0; pending || err != nil {
			return err
		}
		newer, err := r.History(ctx, storage.HistoryQuery{After: b.Seq, Limit: 1})
		if pending = len(newer) > 0; pending || err != nil {
			return err
		}
		return f.reached(ctx, r, b.Seq)
	})
	return pending && err == nil, err
}

// reached returns an AheadError if the feed does not go as far as seq.
func (f *Feed) reached(ctx context.Context, r storage.Reader, seq uint64) error {
	last, err := lastSeq(ctx, r)
	if err == nil && seq > last {
		err = &AheadError{f.name, seq, last}
	}
	return err
}

// NextTx reads the next batch inside a transaction of the caller and moves the
// bookmark in it: with what the caller writes in the same transaction, each record
// takes effect exactly once. The transaction is that of sqlstore's Join, beside
// the caller's own rows, or that of a Store.Update. more is false when the batch
// reaches the end of the feed.
//
// Errors: [*BusyError], [*AheadError], those of tx. After one of tx the
// transaction must be rolled back.
func (f *Feed) NextTx(ctx context.Context, tx storage.Tx) (records []incident.Record, more bool, err error) {
	b, err := f.next(ctx, tx)
	if err != nil {
		return nil, false, err
	}
	if moved := f.moved(b); moved != b.bookmark || moved.Revision == 0 {
		if err := tx.PutBookmark(ctx, moved); err != nil {
			return nil, false, err
		}
	}
	return b.records, b.more, nil
}

// Next hands the next batch to fn, and moves the bookmark in the same update. What
// fn writes to tx takes effect exactly once for each record; what it does outside
// of the store, at least once: fn runs again when a race is lost, and when the
// program dies before the commit. While fn runs nobody else can write to the
// store: what may take long, like a connection to another machine, is for
// [Feed.Deliver]. fn is not called for a batch without records.
//
// An error of fn leaves the bookmark where it was, and comes back as it is. Other
// errors: those of [Feed.NextTx].
func (f *Feed) Next(ctx context.Context, fn func(ctx context.Context, tx storage.Tx, records []incident.Record) error) (more bool, err error) {
	if pending, err := f.Pending(ctx); !pending {
		return false, err
	}
	err = update(ctx, f.desk.store, func(ctx context.Context, tx storage.Tx) error {
		var records []incident.Record
		if records, more, err = f.NextTx(ctx, tx); err != nil || len(records) == 0 {
			return err
		}
		return fn(ctx, tx, records)
	})
	return more && err == nil, err
}

// Deliver takes the next batch, hands it to fn outside of any transaction, and
// moves the bookmark when fn has returned: at least once for each record. Nobody
// else gets the batch meanwhile, unless fn takes longer than FeedConfig.Lease. A
// process that dies in fn holds the batch up until then. fn is not called for a
// batch without records.
//
// An error of fn leaves the bookmark where it was, and comes back as it is. Other
// errors: those of [Feed.NextTx]; storage.ErrConflict too when the lease ran out
// and somebody else has taken the batch, which was handed over twice then.
func (f *Feed) Deliver(ctx context.Context, fn func(ctx context.Context, records []incident.Record) error) (more bool, err error) {
	if pending, err := f.Pending(ctx); !pending {
		return false, err
	}
	var b batch
	err = update(ctx, f.desk.store, func(ctx context.Context, tx storage.Tx) error {
		if b, err = f.next(ctx, tx); err != nil {
			return err
		}
		put := f.moved(b)
		if len(b.records) > 0 { // it is taken only
			put = b.bookmark
			put.Lease = f.desk.now().Add(f.config.Lease)
			if put.Revision == 0 {
				put.Seq = f.config.After
			}
		}
		b.bookmark = put
		b.bookmark.Revision++
		return tx.PutBookmark(ctx, put)
	})
	if err != nil || len(b.records) == 0 {
		return b.more && err == nil, err
	}
	failed := fn(ctx, b.records)
	done := f.moved(b)
	if failed != nil {
		done = b.bookmark
		done.Lease = time.Time{}
	}
	// What was handed over is written down even if ctx has ended meanwhile.
	ctx = context.WithoutCancel(ctx)
	err = update(ctx, f.desk.store, func(ctx context.Context, tx storage.Tx) error { return tx.PutBookmark(ctx, done) })
	if failed != nil {
		return false, failed
	}
	return b.more && err == nil, err
}

// Follow calls next, a call of [Feed.Next] or [Feed.Deliver] or what a program has
// made of NextTx, until ctx ends: again at once while there is more, and after a
// pause when there is not, or when somebody else was faster ([*BusyError],
// storage.ErrConflict): several processes may follow under one name. It returns any
// other error of next, or the context's.
func Follow(ctx context.Context, pause time.Duration, next func(context.Context) (more bool, err error)) error {
	for ctx.Err() == nil {
		more, err := next(ctx)
		var busy *BusyError
		if err != nil && !errors.Is(err, storage.ErrConflict) && !errors.As(err, &busy) {
			return err
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return ctx.Err()
}

// FeedReader is how far a reader of the feed has come.
type FeedReader struct {
	storage.Bookmark
	Behind uint64 `json:"behind"` // records that it has not done with yet
	Ahead  bool   `json:"ahead"`  // it is farther than the feed goes: see [AheadError]
}

// Readers returns all readers of the feed that have a bookmark, by name.
func (d *Desk) Readers(ctx context.Context) (readers []FeedReader, err error) {
	err = d.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		bookmarks, err := r.Bookmarks(ctx)
		if err != nil {
			return err
		}
		last, err := lastSeq(ctx, r)
		for _, b := range bookmarks {
			readers = append(readers, FeedReader{b, last - min(b.Seq, last), b.Seq > last})
		}
		return err
	})
	return readers, err
}

// Forget removes the bookmark of a reader, which then begins anew. A process that
// has taken a batch under its name cannot finish it. storage.ErrNotFound: there is
// none.
func (d *Desk) Forget(ctx context.Context, name string) error {
	return update(ctx, d.store, func(ctx context.Context, tx storage.Tx) error {
		b, err := tx.Bookmark(ctx, name)
		if err == nil && b.Revision == 0 {
			err = fmt.Errorf("desk: no reader of the feed is called %q: %w", name, storage.ErrNotFound)
		}
		if err != nil {
			return err
		}
		return tx.RemoveBookmark(ctx, b)
	})
}
