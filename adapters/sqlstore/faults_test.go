package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// mails is a program that takes in mail after mail, and tries each again until
// the store has acknowledged it. Nobody helps it.
type mails struct {
	store  storage.Store
	name   string
	body   []byte
	errs   []error // all that went wrong meanwhile
	stored atomic.Int64
}

func (m *mails) key(n int64) storage.Key {
	return storage.Key{Space: "message-id", Value: fmt.Sprintf("%s-%d@example.org", m.name, n)}
}

// take stores the next mail: a ticket of two records, a claim and a body.
func (m *mails) take(t testing.TB) error {
	n := m.stored.Load() + 1
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := m.store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		if _, done, err := tx.Claimed(ctx, m.key(n)); err != nil || done { // an answer to COMMIT was lost
			return err
		}
		id, err := tx.NextID(ctx)
		if err != nil {
			return err
		}
		if _, err := tx.PutBlob(ctx, fmt.Appendf(m.body, "%s %d", m.name, n)); err != nil {
			return err
		}
		first := sealed(t, incident.Ticket{}, id, start, report(int(n)))
		second := sealed(t, incident.Apply(incident.Ticket{}, first), id, start, incident.Owned{To: incident.Actor("handler:" + m.name)})
		if err := tx.Append(ctx, first, second); err != nil {
			return err
		}
		_, err = tx.Claim(ctx, m.key(n), id)
		return err
	})
	if err != nil {
		m.errs = append(m.errs, err)
		return err
	}
	m.stored.Add(1)
	return nil
}

// run takes in mail until stop is closed, and then the one that it has begun.
func (m *mails) run(t testing.TB, stop <-chan struct{}) {
	for failed := false; ; {
		select {
		case <-stop:
			if !failed {
				return
			}
		default:
		}
		if failed = m.take(t) != nil; failed {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// check tells whether each acknowledged mail is there once, wholly, and nothing
// else.
func check(t testing.TB, store storage.Store, all ...*mails) {
	t.Helper()
	require.NoError(t, store.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
		tickets := map[incident.ID]bool{}
		for _, m := range all {
			for n := range m.stored.Load() {
				holder, held, err := r.Claimed(ctx, m.key(n+1))
				require.NoError(t, err)
				require.True(t, held, "%s: mail %d of %d was acknowledged and is lost", m.name, n+1, m.stored.Load())
				require.False(t, tickets[holder])
				tickets[holder] = true
				body, err := r.OpenBlob(ctx, incident.DigestOf(fmt.Appendf(m.body, "%s %d", m.name, n+1)))
				require.NoError(t, err)
				body.Close()
			}
		}
		found, err := r.Find(ctx, storage.Query{})
		require.NoError(t, err)
		require.Len(t, found, len(tickets), "a mail is there twice")
		records, err := r.History(ctx, storage.HistoryQuery{})
		require.NoError(t, err)
		require.Len(t, records, 2*len(tickets), "half a change")
		for i, record := range records {
			require.Equal(t, uint64(i+1), record.Seq)
		}
		for _, ticket := range found {
			require.Equal(t, uint64(2), ticket.Version)
			require.True(t, tickets[ticket.ID])
		}
		return nil
	}))
}

// during runs two programs while fault does its worst, and checks all. It returns
// what they were told.
func during(t *testing.T, dsn string, fault func(stored func() int64)) []error {
	t.Helper()
	var all []*mails
	var running sync.WaitGroup
	stop := make(chan struct{})
	for _, name := range []string{"one", "two"} {
		m := &mails{store: openPostgres(t, dsn), name: name}
		all = append(all, m)
		running.Go(func() { m.run(t, stop) })
	}
	fault(func() int64 { return all[0].stored.Load() + all[1].stored.Load() })
	close(stop)
	running.Wait()
	check(t, all[0].store, all...)
	t.Logf("%d mails were acknowledged, %d attempts failed", all[0].stored.Load()+all[1].stored.Load(), len(all[0].errs)+len(all[1].errs))
	return append(all[0].errs, all[1].errs...)
}

// more waits until n more mails are stored.
func more(t *testing.T, stored func() int64, n int64) {
	t.Helper()
	before := stored()
	require.Eventually(t, func() bool { return stored() >= before+n }, 30*time.Second, time.Millisecond, "no recovery")
}

func TestServerRestarts(t *testing.T) {
	t.Parallel()
	server := postgrestest.StartServer(t, postgrestest.Config{})
	errs := during(t, server.DSN(), func(stored func() int64) {
		for _, end := range []func(){server.Stop, server.Kill, server.Stop} {
			more(t, stored, 20)
			end()
			time.Sleep(20 * time.Millisecond)
			server.Start()
		}
		more(t, stored, 20)
	})
	require.NotEmpty(t, errs)
	for _, err := range errs {
		assert.ErrorIs(t, err, sqlstore.ErrUnavailable)
		assert.ErrorContains(t, err, "the next call connects anew")
	}
}

func TestConnectionsAreCut(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.New(t)
	admin := connect(t, dsn)
	errs := during(t, dsn, func(stored func() int64) {
		for range 25 {
			more(t, stored, 3)
			_, err := admin.Exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
			require.NoError(t, err)
		}
		more(t, stored, 20)
	})
	require.NotEmpty(t, errs)
	for _, err := range errs {
		assert.ErrorIs(t, err, sqlstore.ErrUnavailable)
	}
}

// An update that waits for a connection which was cut while nobody used it
// notices nothing.
func TestIdleConnectionsAreCut(t *testing.T) {
	dsn := postgrestest.New(t)
	m := &mails{store: openPostgres(t, dsn), name: "idle"}
	for range 3 {
		require.NoError(t, m.take(t))
		check(t, m.store, m)
		onServer(t, dsn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	}
	require.NoError(t, m.take(t))
	check(t, m.store, m)
}

// small mounts a file system of some megabytes.
func small(t *testing.T, megabytes int) string {
	t.Helper()
	folder := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", megabytes), "tmpfs", folder).CombinedOutput(); err != nil {
		t.Skipf("SKIPPED, no file system can be mounted here (that needs root): %v: %s", err, out)
	}
	t.Cleanup(func() { require.NoError(t, exec.Command("umount", "-l", folder).Run()) })
	return folder
}

func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	full := func(t *testing.T, folder string, open func(t testing.TB) *sqlstore.Store, remedy string) {
		body := make([]byte, 200_000)
		_, _ = rand.NewChaCha8([32]byte{}).Read(body) // PostgreSQL would press zeros together
		m := &mails{store: open(t), name: "full", body: body}
		ballast := filepath.Join(folder, "ballast")
		for round := range 2 {
			before := m.stored.Load()
			_ = os.WriteFile(ballast, make([]byte, 2<<20), 0o600) // or as much as there is room for
			var err error
			for err == nil {
				err = m.take(t)
			}
			for range 3 {
				assert.ErrorIs(t, err, sqlstore.ErrFull)
				assert.ErrorContains(t, err, remedy)
				err = m.take(t)
			}
			check(t, m.store, m)
			require.NoError(t, os.Remove(ballast))
			require.NoError(t, m.take(t), "there is room again")
			check(t, m.store, m)
			t.Logf("round %d: full after %d mails", round+1, m.stored.Load()-before)
		}
	}
	t.Run("SQLite", func(t *testing.T) {
		folder := small(t, 8)
		full(t, folder, func(t testing.TB) *sqlstore.Store { return openFile(t, filepath.Join(folder, "desk.db")) }, "make room where the file lies")
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		folder := small(t, 60)
		data := filepath.Join(folder, "data")
		require.NoError(t, os.Mkdir(data, 0o700))
		require.NoError(t, os.Chmod(filepath.Dir(folder), 0o755)) // the server is another user
		server := postgrestest.StartServer(t, postgrestest.Config{Data: data})
		full(t, folder, func(t testing.TB) *sqlstore.Store { return openPostgres(t, server.DSN()) }, "make room on the disks of the server")
	})
}

// A server that cannot write its log stops. Once there is room, all that it has
// acknowledged is there; its supervisor starts it again.
func TestDiskOfTheLogIsFull(t *testing.T) {
	data, folder := t.TempDir(), small(t, 40)   // two files of the log, and no third
	require.NoError(t, os.Chmod(folder, 0o777)) // the server is another user
	for _, parent := range []string{data, folder} {
		require.NoError(t, os.Chmod(filepath.Dir(parent), 0o755))
	}
	t.Setenv("TMPDIR", folder)
	server := postgrestest.StartServer(t, postgrestest.Config{Data: data})
	body := make([]byte, 200_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(body)
	m := &mails{store: openPostgres(t, server.DSN()), name: "log", body: body}
	ballast := filepath.Join(folder, "ballast")
	require.NoError(t, os.WriteFile(ballast, make([]byte, 10<<20), 0o600))
	for m.take(t) == nil {
	}
	require.ErrorIs(t, m.errs[0], sqlstore.ErrUnavailable)
	t.Logf("%d mails, then %v", m.stored.Load(), m.errs[0])
	require.NoError(t, os.Remove(ballast))
	server.Kill()
	server.Start()
	require.NoError(t, m.take(t))
	check(t, m.store, m)
}

func TestReadOnlyFileSystem(t *testing.T) {
	folder := small(t, 8)
	path := filepath.Join(folder, "desk.db")
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(path))
	require.NoError(t, err)
	s, err := sqlstore.New(context.Background(), db, sqlstore.Config{})
	require.NoError(t, err)
	m := &mails{store: s, name: "only"}
	require.NoError(t, m.take(t))
	require.NoError(t, errors.Join(s.Close(), db.Close()))
	remount := func(how string) {
		out, err := exec.Command("mount", "-o", "remount,"+how, folder).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	remount("ro")
	err = open(t, sqlstore.SQLiteDSN(path))
	assert.ErrorContains(t, err, "this program to have the right to write there")
	remount("rw")
	m.store = openFile(t, path)
	require.NoError(t, m.take(t))
	check(t, m.store, m)
}

// TestHelperProcess is the other process of TestAnotherProcessHasTheFile: it
// holds the lock, with half a change written, until it is killed.
func TestHelperProcess(t *testing.T) {
	path := os.Getenv("AIRTIGHT_TEST_HOLD")
	if path == "" {
		t.Skip("runs as a child of TestAnotherProcessHasTheFile")
	}
	err := openFile(t, path).Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		require.NoError(t, tx.Append(ctx, sealed(t, incident.Ticket{}, 2, start, report(2))))
		fmt.Println("holding")
		_, err := io.ReadAll(os.Stdin)
		return errors.Join(err, errors.New("nobody has killed this process"))
	})
	t.Fatal(err)
}

func TestAnotherProcessHasTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "desk.db")
	m := &mails{store: openDSN(t, strings.Replace(sqlstore.SQLiteDSN(path), "5000", "100", 1)), name: "other"}
	require.NoError(t, m.take(t))

	other := exec.Command(os.Args[0], "-test.run=TestHelperProcess")
	other.Env = append(os.Environ(), "AIRTIGHT_TEST_HOLD="+path)
	input, err := other.StdinPipe()
	require.NoError(t, err)
	defer input.Close()
	output, err := other.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, other.Start())
	line := make([]byte, len("holding"))
	_, err = io.ReadFull(output, line)
	require.NoError(t, err)
	require.Equal(t, "holding", string(line))

	err = m.take(t)
	assert.ErrorIs(t, err, storage.ErrConflict)
	assert.ErrorContains(t, err, "for 100ms another program has held the lock under which the database is written")
	check(t, m.store, m)
	require.NoError(t, other.Process.Kill())
	_ = other.Wait()
	require.NoError(t, m.take(t))
	check(t, m.store, m)
}

// The primary dies under load and the standby takes over.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := postgrestest.StartServer(t, postgrestest.Config{})
	standby := primary.Standby()
	err := openError(t, standby.DSN())
	assert.ErrorIs(t, err, sqlstore.ErrReadOnly)
	assert.ErrorContains(t, err, "this server is a standby: connect to the primary (target_session_attrs=read-write in the data source name)")

	errs := during(t, postgrestest.DSN(primary, standby), func(stored func() int64) {
		more(t, stored, 200)
		primary.Kill()
		standby.Promote()
		more(t, stored, 200)
	})
	require.NotEmpty(t, errs)
	for _, err := range errs {
		assert.True(t, errors.Is(err, sqlstore.ErrUnavailable) || errors.Is(err, sqlstore.ErrReadOnly), err)
	}
}
