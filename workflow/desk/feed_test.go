package desk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func (w *world) feed(name string, config desk.FeedConfig) *desk.Feed {
	w.t.Helper()
	feed, err := w.desk.Feed(name, config)
	require.NoError(w.t, err)
	return feed
}

// comments makes so many records more.
func (w *world) comments(n int) {
	w.t.Helper()
	for range n {
		w.do(workflow.Comment{Ticket: 1, Text: "x"})
	}
}

// next reads a batch and returns its numbers.
func next(t *testing.T, feed *desk.Feed) (seqs []uint64, more bool) {
	t.Helper()
	more, err := feed.Next(ctx, func(_ context.Context, _ storage.Tx, records []incident.Record) error {
		for _, r := range records {
			seqs = append(seqs, r.Seq)
		}
		return nil
	})
	require.NoError(t, err)
	return seqs, more
}

// reader is how far a reader is, as the desk tells.
func (w *world) reader(name string) desk.FeedReader {
	w.t.Helper()
	readers, err := w.desk.Readers(ctx)
	require.NoError(w.t, err)
	for _, r := range readers {
		if r.Name == name {
			return r
		}
	}
	return desk.FeedReader{}
}

func TestFeedGoesOnWhereItWas(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		w.child(incident.KindReport)
		w.comments(4)
		feed := w.feed("mirror", desk.FeedConfig{Batch: 3})
		seqs, more := next(t, feed)
		require.Equal(t, []uint64{1, 2, 3}, seqs)
		require.True(t, more)
		require.EqualValues(t, 2, w.reader("mirror").Behind)
		moved := w.now
		require.Equal(t, moved, w.reader("mirror").Moved)

		w.now = w.now.Add(time.Hour)
		feed = w.feed("mirror", desk.FeedConfig{Batch: 3, AtEnd: true}) // another process; it is no new reader
		_, err := feed.Next(ctx, func(ctx context.Context, tx storage.Tx, records []incident.Record) error {
			require.Len(t, records, 2)
			_, err := w.alice.DoTx(ctx, tx, workflow.Comment{Ticket: 1, Text: "goes with the error"})
			require.NoError(t, err)
			return errNo
		})
		require.Equal(t, errNo, err)
		require.EqualValues(t, 3, w.reader("mirror").Seq, "the bookmark stays")
		require.Equal(t, moved, w.reader("mirror").Moved)
		seqs, more = next(t, feed)
		require.Equal(t, []uint64{4, 5}, seqs)
		require.False(t, more)
		revision := w.reader("mirror").Revision
		seqs, more = next(t, feed)
		require.Empty(t, seqs)
		require.False(t, more)
		require.Equal(t, revision, w.reader("mirror").Revision, "nothing is written when nothing has come")
		w.comments(1)
		seqs, _ = next(t, feed)
		require.Equal(t, []uint64{6}, seqs)

		seqs, _ = next(t, w.feed("other", desk.FeedConfig{}))
		require.Len(t, seqs, 6, "names know nothing of each other")
	})
}

// What fn writes into the same store is part of the feed, later.
func TestFeedOfItsOwnWrites(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		w.child(incident.KindReport)
		feed := w.feed("mirror", desk.FeedConfig{})
		_, err := feed.Next(ctx, func(ctx context.Context, tx storage.Tx, records []incident.Record) error {
			_, err := w.alice.DoTx(ctx, tx, workflow.Comment{Ticket: 1, Text: fmt.Sprint("seen ", len(records))})
			return err
		})
		require.NoError(t, err)
		w.verify()
		seqs, _ := next(t, feed)
		require.Equal(t, []uint64{2}, seqs)

		require.NoError(t, store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
			for range 12 { // more than one look for the last number
				_, err := w.alice.DoTx(ctx, tx, workflow.Comment{Ticket: 1, Text: "first"})
				require.NoError(t, err)
			}
			records, more, err := feed.NextTx(ctx, tx)
			require.Empty(t, records, "not committed, so in no feed")
			require.False(t, more)
			records, _, err2 := w.feed("new", desk.FeedConfig{AtEnd: true}).NextTx(ctx, tx)
			require.Empty(t, records)
			return errors.Join(err, err2)
		}))
		require.EqualValues(t, 2, w.reader("mirror").Seq)
		require.EqualValues(t, 2, w.reader("new").Seq)
		seqs, _ = next(t, feed)
		require.Len(t, seqs, 12)
		seqs, _ = next(t, w.feed("new", desk.FeedConfig{AtEnd: true}))
		require.Len(t, seqs, 12)
	})
}

func TestFeedBegins(t *testing.T) {
	w := newWorld(t)
	w.child(incident.KindReport)
	w.comments(3)
	for _, c := range []struct {
		config desk.FeedConfig
		first  []uint64
		then   []uint64 // two comments later
		at     uint64   // the bookmark then
	}{
		{desk.FeedConfig{}, []uint64{1, 2, 3, 4}, []uint64{5, 6}, 6},
		{desk.FeedConfig{After: 3}, []uint64{4}, []uint64{5, 6}, 6},
		{desk.FeedConfig{After: 4}, nil, []uint64{5, 6}, 6},
		{desk.FeedConfig{AtEnd: true}, nil, []uint64{5, 6}, 6},
		{desk.FeedConfig{Types: []string{"opened"}}, []uint64{1}, nil, 6},
		{desk.FeedConfig{Types: []string{"edited", "commented"}, Batch: 1}, nil, []uint64{2}, 2},
	} {
		t.Run(fmt.Sprintf("%+v", c.config), func(t *testing.T) {
			w := newWorld(t)
			w.child(incident.KindReport)
			w.comments(3)
			for name, read := range map[string]func(*desk.Feed) []uint64{
				"next": func(f *desk.Feed) []uint64 { seqs, _ := next(t, f); return seqs },
				"deliver": func(f *desk.Feed) (seqs []uint64) {
					_, err := f.Deliver(ctx, func(_ context.Context, records []incident.Record) error {
						for _, r := range records {
							seqs = append(seqs, r.Seq)
						}
						return nil
					})
					require.NoError(t, err)
					return seqs
				},
			} {
				require.Equal(t, c.first, read(w.feed(name, c.config)), name)
			}
			w.comments(2)
			got, _ := next(t, w.feed("next", c.config))
			require.Equal(t, c.then, got)
			require.Equal(t, c.at, w.reader("next").Seq, "what is passed over counts")
		})
	}
	// A beginning holds from the first look on, whatever comes of it.
	feed := w.feed("late", desk.FeedConfig{After: 3})
	_, err := feed.Deliver(ctx, func(context.Context, []incident.Record) error { return errNo })
	require.ErrorIs(t, err, errNo)
	seqs, _ := next(t, w.feed("late", desk.FeedConfig{}))
	require.Equal(t, []uint64{4}, seqs)
	empty := newWorld(t)
	seqs, _ = next(t, empty.feed("early", desk.FeedConfig{AtEnd: true}))
	require.Empty(t, seqs)
	empty.child(incident.KindReport)
	seqs, _ = next(t, empty.feed("early", desk.FeedConfig{AtEnd: true}))
	require.Equal(t, []uint64{1}, seqs, "it was the end when the reader began")

	_, err = w.desk.Feed("", desk.FeedConfig{})
	require.ErrorContains(t, err, "allowed are 1 to 100 bytes of printable text")
	for _, name := range []string{"a\nb", "a\x00", "\xff", strings.Repeat("x", 101)} {
		_, err := w.desk.Feed(name, desk.FeedConfig{})
		require.ErrorContains(t, err, "is no name for a reader")
	}
	for _, config := range []desk.FeedConfig{{After: 1, AtEnd: true}, {Batch: -1}, {Lease: -1}} {
		_, err := w.desk.Feed("mirror", config)
		require.ErrorContains(t, err, "allowed is")
	}
}

// A store that was restored from an older copy knows less than its readers.
func TestFeedAhead(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		w.child(incident.KindReport)
		require.NoError(t, store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
			return tx.PutBookmark(ctx, storage.Bookmark{Name: "mirror", Seq: 500})
		}))
		feed := w.feed("mirror", desk.FeedConfig{})
		never := func(context.Context, []incident.Record) error { require.Fail(t, "called"); return nil }
		for name, read := range map[string]func(*desk.Feed) error{
			"pending": func(f *desk.Feed) error { _, err := f.Pending(ctx); return err },
			"next": func(f *desk.Feed) error {
				_, err := f.Next(ctx, func(ctx context.Context, _ storage.Tx, r []incident.Record) error { return never(ctx, r) })
				return err
			},
			"deliver": func(f *desk.Feed) error { _, err := f.Deliver(ctx, never); return err },
			"tx": func(f *desk.Feed) error {
				return store.Update(ctx, func(ctx context.Context, tx storage.Tx) error { _, _, err := f.NextTx(ctx, tx); return err })
			},
			"new": func(*desk.Feed) error {
				_, err := w.feed("late", desk.FeedConfig{After: 500}).Deliver(ctx, never)
				return err
			},
			"follow": func(f *desk.Feed) error {
				return desk.Follow(ctx, time.Hour, func(ctx context.Context) (bool, error) { return f.Deliver(ctx, never) })
			},
		} {
			var ahead *desk.AheadError
			require.ErrorAs(t, read(feed), &ahead, name)
			require.Equal(t, []uint64{500, 1}, []uint64{ahead.Seq, ahead.Last})
			require.ErrorContains(t, ahead, "at 500 of a feed that ends at 1: the store was restored from an older copy")
		}
		require.True(t, w.reader("mirror").Ahead)
		require.Zero(t, w.reader("mirror").Behind)
		require.Empty(t, w.reader("late").Name)
		require.NoError(t, w.desk.Forget(ctx, "mirror"))
		require.ErrorIs(t, w.desk.Forget(ctx, "mirror"), storage.ErrNotFound)
		seqs, _ := next(t, feed)
		require.Equal(t, []uint64{1}, seqs)
	})
}

// One process works on a batch at a time; one that has died holds it up for the
// time of its lease.
func TestDeliver(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		w.child(incident.KindReport)
		w.comments(3)
		config := desk.FeedConfig{Batch: 2, Lease: time.Hour}
		first, second := w.feed("mirror", config), w.feed("mirror", config)
		var got []uint64
		keep := func(_ context.Context, records []incident.Record) error {
			for _, r := range records {
				got = append(got, r.Seq)
			}
			return nil
		}
		more, err := first.Deliver(ctx, func(ctx context.Context, records []incident.Record) error {
			_, err := second.Deliver(ctx, keep)
			var busy *desk.BusyError
			require.ErrorAs(t, err, &busy)
			require.Equal(t, *hours(w, 1), busy.Until)
			require.ErrorContains(t, err, `another process reads the feed as "mirror"`)
			_, err = second.Next(ctx, func(context.Context, storage.Tx, []incident.Record) error { return nil })
			require.ErrorAs(t, err, &busy)
			require.EqualValues(t, 4, w.reader("mirror").Behind, "not done yet")
			w.comments(1) // and nobody is held up
			return keep(ctx, records)
		})
		require.NoError(t, err)
		require.True(t, more)
		require.Zero(t, w.reader("mirror").Lease)

		// An error gives the batch back, and so does a context that ends after the work.
		_, err = first.Deliver(ctx, func(context.Context, []incident.Record) error { return errNo })
		require.Equal(t, errNo, err)
		require.EqualValues(t, 2, w.reader("mirror").Seq)
		ending, end := context.WithCancel(ctx)
		_, err = second.Deliver(ending, func(ctx context.Context, records []incident.Record) error {
			end()
			return keep(ctx, records)
		})
		require.NoError(t, err)
		require.Equal(t, []uint64{1, 2, 3, 4}, got)
		require.EqualValues(t, 4, w.reader("mirror").Seq)

		// One takes too long, or is dead: another gets the batch when the lease has run out.
		more, err = first.Deliver(ctx, func(ctx context.Context, records []incident.Record) error {
			w.now = *hours(w, 1)
			more, err := second.Deliver(ctx, keep)
			require.NoError(t, err)
			require.False(t, more)
			return keep(ctx, records)
		})
		require.ErrorIs(t, err, storage.ErrConflict, "the first is told")
		require.False(t, more)
		require.Equal(t, []uint64{1, 2, 3, 4, 5, 5}, got, "at least once")
		require.EqualValues(t, 5, w.reader("mirror").Seq)

		// What a process has left behind that died is cleared by the next one.
		b := w.reader("mirror").Bookmark
		b.Lease = w.now
		require.NoError(t, store.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return tx.PutBookmark(ctx, b) }))
		require.NoError(t, store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
			records, _, err := first.NextTx(ctx, tx)
			require.Empty(t, records)
			return err
		}))
		require.Zero(t, w.reader("mirror").Lease)
	})
}

// Several processes under one name share the records; each record goes to one.
func TestReadersOfOneName(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		w.child(incident.KindReport)
		w.comments(59)
		w.now = time.Now() // leases of those who work last
		for _, mode := range []string{"next", "deliver"} {
			var mu sync.Mutex
			var got []uint64
			var readers sync.WaitGroup
			following, stop := context.WithCancel(ctx)
			for range 4 {
				feed := w.feed(mode, desk.FeedConfig{Batch: 3})
				readers.Go(func() {
					err := desk.Follow(following, time.Millisecond, func(ctx context.Context) (bool, error) {
						var batch []incident.Record
						keep := func(_ context.Context, records []incident.Record) error { batch = records; return nil }
						read := func() (bool, error) { return feed.Deliver(ctx, keep) }
						if mode == "next" {
							read = func() (bool, error) {
								return feed.Next(ctx, func(ctx context.Context, _ storage.Tx, r []incident.Record) error { return keep(ctx, r) })
							}
						}
						more, err := read()
						if err == nil {
							mu.Lock()
							defer mu.Unlock()
							for _, r := range batch {
								got = append(got, r.Seq)
							}
							if len(got) >= 60 {
								stop()
							}
						}
						return more, err
					})
					if !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
				})
			}
			readers.Wait()
			stop()
			slices.Sort(got)
			require.Len(t, got, 60, mode)
			require.Len(t, slices.Compact(got), 60, mode)
		}
	})
}

// A lost race is read again, from the bookmark as it is then.
func TestFeedLosesRaces(t *testing.T) {
	store := &losing{Store: memory.New()}
	w := newWorldOn(t, store)
	w.child(incident.KindReport)
	store.times = 3
	seqs, _ := next(t, w.feed("mirror", desk.FeedConfig{}))
	require.Equal(t, []uint64{1}, slices.Compact(seqs), "fn may run again")
	w.comments(1)
	store.times = 9
	calls := 0
	_, err := w.feed("mirror", desk.FeedConfig{}).Deliver(ctx, func(_ context.Context, records []incident.Record) error {
		calls++
		store.times = 9
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 1, calls, "what has effects outside runs once")
	require.EqualValues(t, 2, w.reader("mirror").Seq)
}

// Follow waits for what comes, and ends with its context.
func TestFollow(t *testing.T) {
	w := newWorld(t)
	w.child(incident.KindReport)
	feed := w.feed("mirror", desk.FeedConfig{Batch: 1})
	following, stop := context.WithCancel(ctx)
	got, done := make(chan uint64), make(chan error)
	go func() {
		done <- desk.Follow(following, time.Millisecond, func(ctx context.Context) (bool, error) {
			return feed.Deliver(ctx, func(_ context.Context, records []incident.Record) error {
				got <- records[0].Seq
				return nil
			})
		})
	}()
	require.EqualValues(t, 1, <-got)
	time.Sleep(5 * time.Millisecond)
	_, err := w.alice.Do(ctx, workflow.Comment{Ticket: 1, Text: "x"}, workflow.Comment{Ticket: 1, Text: "y"})
	require.NoError(t, err)
	require.EqualValues(t, 2, <-got)
	require.EqualValues(t, 3, <-got)
	stop()
	require.ErrorIs(t, <-done, context.Canceled)

	calls := 0
	err = desk.Follow(ctx, time.Millisecond, func(context.Context) (bool, error) {
		calls++
		return calls == 1, []error{nil, storage.ErrConflict, &desk.BusyError{Name: "mirror"}, errNo}[calls-1]
	})
	require.Equal(t, errNo, err)
	require.Equal(t, 4, calls)
	following, stop = context.WithCancel(ctx)
	stop()
	require.ErrorIs(t, desk.Follow(following, time.Hour, nil), context.Canceled, "and is not called at all")
}
