package desk_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// place is a database that several programs work on.
type place struct {
	driver, source string
	dialect        sqlstore.Dialect
}

func onEveryPlace(t *testing.T, test func(*testing.T, place)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, place{"sqlite", sqlstore.SQLiteDSN(filepath.Join(t.TempDir(), "desk.db")), sqlstore.SQLite})
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, place{"pgx", postgrestest.New(t), sqlstore.PostgreSQL})
	})
}

// program is one program with connections of its own.
type program struct {
	db    *sql.DB
	store *sqlstore.Store
	desk  *desk.Desk
}

func (p place) open() (*program, error) {
	db, err := sql.Open(p.driver, p.source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(3)
	store, err := sqlstore.New(ctx, db, sqlstore.Config{Dialect: p.dialect, Shared: true, Readers: 1})
	for range 10 { // New waits for eight who write, and SQLite lets nobody wait in a queue
		if !errors.Is(err, storage.ErrConflict) {
			break
		}
		store, err = sqlstore.New(ctx, db, sqlstore.Config{Dialect: p.dialect, Shared: true, Readers: 1})
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	d, err := desk.New(store, desk.Config{Policy: plain()})
	if err != nil {
		return nil, errors.Join(err, store.Close(), db.Close())
	}
	return &program{db, store, d}, nil
}

func (p *program) Close() error { return errors.Join(p.store.Close(), p.db.Close()) }

// write makes records until there are n, in updates of 1 to 20 records, some of
// which take their time after the first record, and some of which are rolled back.
func (p *program) write(ctx context.Context, random *rand.Rand, n int) error {
	alice := p.desk.As("handler:alice")
	opened, err := alice.Do(ctx, workflow.Open{Kind: incident.KindReport})
	for errors.Is(err, storage.ErrConflict) {
		opened, err = alice.Do(ctx, workflow.Open{Kind: incident.KindReport})
	}
	if err != nil {
		return err
	}
	report := opened.Opened[0]
	comment := workflow.Comment{Ticket: report, Call: &incident.Call{Direction: incident.CallIn, Person: "Bob"}}
	for written := len(opened.Records); written < n; {
		size, back := min(1+random.IntN(20), n-written), random.IntN(10) == 0
		commands := make([]workflow.Command, size)
		for i := range commands {
			commands[i] = comment
		}
		err := p.store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
			if _, err := alice.DoTx(ctx, tx, commands[:1]...); err != nil {
				return err
			}
			if random.IntN(20) == 0 {
				time.Sleep(time.Duration(random.IntN(1000)) * time.Microsecond)
			}
			if size > 1 {
				if _, err := alice.DoTx(ctx, tx, commands[1:]...); err != nil {
					return err
				}
			}
			if back {
				return errNo
			}
			return nil
		})
		switch {
		case err == nil:
			written += size
		case !errors.Is(err, errNo) && !errors.Is(err, storage.ErrConflict):
			return err
		}
	}
	return nil
}

// writers runs eight programs that write n records together.
func (p place) writers(t *testing.T, n int) (wait func()) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var programs []*program
	for range 8 {
		writer, err := p.open()
		require.NoError(t, err)
		programs = append(programs, writer)
	}
	var writers sync.WaitGroup
	for i, writer := range programs {
		writers.Go(func() {
			defer writer.Close()
			if err := writer.write(ctx, rand.New(rand.NewPCG(seed, uint64(i))), n/8); err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	return writers.Wait
}

// records is how many records a test writes.
func records(small, long int) int {
	if os.Getenv("AIRTIGHT_LONG") != "" {
		return long
	}
	return small
}

// Eight programs write while one reads: it skips no record, and sees none twice.
func TestFeedBesideWriters(t *testing.T) {
	onEveryPlace(t, func(t *testing.T, p place) {
		n := records(2_000, 100_000)
		reader, err := p.open()
		require.NoError(t, err)
		defer reader.Close()
		start := time.Now()
		wait := p.writers(t, n)
		var written atomic.Bool
		done := make(chan struct{})
		go func() { wait(); written.Store(true); close(done) }()
		feed, err := reader.desk.Feed("mirror", desk.FeedConfig{Batch: 100})
		require.NoError(t, err)
		following, stop := context.WithTimeout(ctx, 30*time.Minute)
		defer stop()
		seen, batches, beside := uint64(0), 0, 0
		versions := map[incident.ID]uint64{}
		err = desk.Follow(following, time.Millisecond, func(ctx context.Context) (bool, error) {
			var batch []incident.Record
			more, err := feed.Next(ctx, func(_ context.Context, _ storage.Tx, records []incident.Record) error {
				batch = records
				return nil
			})
			if err != nil || len(batch) == 0 {
				return more, err
			}
			if !written.Load() {
				beside += len(batch)
			}
			for _, r := range batch {
				if seen++; r.Seq != seen {
					return false, fmt.Errorf("record %d comes where %d was expected", r.Seq, seen)
				}
				if versions[r.Ticket]++; r.Version != versions[r.Ticket] {
					return false, fmt.Errorf("ticket %s: version %d comes where %d was expected", r.Ticket, r.Version, versions[r.Ticket])
				}
			}
			if batches++; seen == uint64(n) {
				stop()
			}
			return more, nil
		})
		took := time.Since(start)
		<-done
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, n, seen)
		pending, err := feed.Pending(ctx)
		require.NoError(t, err)
		require.False(t, pending, "the writers have written more than they say")
		total := uint64(0)
		require.NoError(t, reader.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
			tickets, err := r.Find(ctx, storage.Query{})
			require.Len(t, tickets, 8)
			for _, ticket := range tickets {
				require.Equal(t, ticket.Version, versions[ticket.ID])
				total += ticket.Version
			}
			return err
		}))
		require.EqualValues(t, n, total)
		t.Logf("%d records of 8 writers, each read once and in order, in %d batches, %d of them while writers ran; %.1f s, %.0f records a second",
			n, batches, beside, took.Seconds(), float64(n)/took.Seconds())
	})
}

const readerPlace = "AIRTIGHT_TEST_READER"

// TestReaderProcess is no test: it is the program that TestReaderKilled kills.
func TestReaderProcess(t *testing.T) {
	driver, source, found := strings.Cut(os.Getenv(readerPlace), "|")
	if !found {
		t.Skip("it is run by TestReaderKilled")
	}
	p := place{driver, source, sqlstore.SQLite}
	if driver == "pgx" {
		p.dialect = sqlstore.PostgreSQL
	}
	reader, err := p.open()
	require.NoError(t, err)
	feed, err := reader.desk.Feed("mirror", desk.FeedConfig{Batch: 20})
	require.NoError(t, err)
	fmt.Println("reading")
	err = desk.Follow(ctx, time.Millisecond, func(ctx context.Context) (bool, error) {
		more, err := reader.copyBatch(ctx, feed)
		if err != nil && strings.Contains(err.Error(), "database is locked") { // from BeginTx, which is the driver's
			return true, nil
		}
		return more, err
	})
	require.NoError(t, err)
}

// copyBatch writes down the numbers of the next batch beside the desk's tables.
// Nothing but the bookmark keeps a number from being written down twice.
func (p *program) copyBatch(ctx context.Context, feed *desk.Feed) (bool, error) {
	pending, err := feed.Pending(ctx)
	if err != nil || !pending {
		return false, err
	}
	own, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer own.Rollback()
	tx, err := p.store.Join(ctx, own)
	if err != nil {
		return false, err
	}
	records, more, err := feed.NextTx(ctx, tx)
	if err != nil {
		return false, err
	}
	for _, r := range records {
		if _, err := own.ExecContext(ctx, fmt.Sprintf("INSERT INTO mirror (seq, hash) VALUES (%d, '%s')", r.Seq, r.Hash)); err != nil {
			return false, err
		}
	}
	return more, own.Commit()
}

// A reader is killed again and again while eight programs write. What it has
// written down in the end is the feed: each record once.
func TestReaderKilled(t *testing.T) {
	onEveryPlace(t, func(t *testing.T, p place) {
		n, kills := records(2_000, 20_000), records(8, 50)
		db, err := sql.Open(p.driver, p.source)
		require.NoError(t, err)
		defer db.Close()
		_, err = db.Exec("CREATE TABLE mirror (seq BIGINT, hash TEXT)")
		require.NoError(t, err)
		watcher, err := p.open()
		require.NoError(t, err)
		defer watcher.Close()
		wait := p.writers(t, n)

		seed := uint64(time.Now().UnixNano())
		random := rand.New(rand.NewPCG(seed, 0))
		copied := func() (rows int) {
			require.NoError(t, db.QueryRow("SELECT count(*) FROM mirror").Scan(&rows))
			return rows
		}
		went := 0
		for kill := range kills {
			before := copied()
			stop := reading(t, p)
			// It is killed in the midst of its work: some time after it has begun.
			for until := time.Now().Add(20 * time.Second); copied() == before && before < n && time.Now().Before(until); {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
			stop()
			after := copied()
			if after > before {
				went++
			}
			if after == n && kill < kills-1 { // all is read: more to read, for the kills that are left
				more := p.writers(t, n/4)
				defer more()
				n += n / 4 / 8 * 8
			}
		}
		wait()
		stop := reading(t, p)
		for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
			if readers, err := watcher.desk.Readers(ctx); err == nil && readers[0].Behind == 0 && readers[0].Seq >= uint64(n) {
				break
			}
		}
		stop()

		var feed []incident.Record
		require.NoError(t, watcher.store.View(ctx, func(ctx context.Context, r storage.Reader) (err error) {
			feed, err = r.History(ctx, storage.HistoryQuery{})
			return err
		}))
		require.Len(t, feed, n, "seed %d", seed)
		rows, err := db.Query("SELECT seq, hash FROM mirror ORDER BY seq")
		require.NoError(t, err)
		defer rows.Close()
		i := 0
		for ; rows.Next(); i++ {
			var seq uint64
			var hash string
			require.NoError(t, rows.Scan(&seq, &hash))
			require.Less(t, i, len(feed), "record %d is there twice, seed %d", seq, seed)
			require.Equal(t, feed[i].Seq, seq, "seed %d", seed)
			require.Equal(t, feed[i].Hash.String(), hash)
		}
		require.NoError(t, rows.Err())
		require.Equal(t, n, i, "seed %d", seed)
		t.Logf("%d kills, %d of them of a reader that had read something; %d records, each written down once; seed %d", kills, went, i, seed)
		require.GreaterOrEqual(t, 2*went, kills, "kills of readers at work")
	})
}

// reading runs a reader as a process, from when it is ready until stop kills it.
func reading(t *testing.T, p place) (stop func()) {
	t.Helper()
	process := exec.Command(os.Args[0], "-test.run=^TestReaderProcess$", "-test.v=false")
	process.Env = append(os.Environ(), readerPlace+"="+p.driver+"|"+p.source)
	process.Stderr = os.Stderr
	out, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	var said []string
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "reading" {
		said = append(said, lines.Text())
	}
	rest := make(chan string, 1)
	go func() {
		var text strings.Builder
		for lines.Scan() {
			text.WriteString(lines.Text() + "\n")
		}
		rest <- text.String()
	}()
	return func() {
		t.Helper()
		require.NoError(t, process.Process.Kill())
		text := <-rest
		require.Error(t, process.Wait())
		require.Empty(t, text, "it ended by itself: %s", said)
	}
}
