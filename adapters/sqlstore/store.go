package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// Config is what [New] can be told. The zero Config is a SQLite store that logs
// nothing.
type Config struct {
	Dialect Dialect
	// Shared: tables of the program itself lie beside those of the store, in the
	// same file or schema. Without it, New takes such a database for a mistake.
	Shared bool
	// Readers is how many connections are used for reading at most; 0: all but
	// one of those that sql.DB.SetMaxOpenConns allows, or a few without a limit.
	// A program that calls Join leaves some for itself.
	Readers int
	Log     *slog.Logger // nil: nothing is logged
}

// Store is a [storage.Store] in an SQL database. It is safe for concurrent use.
type Store struct {
	dialect *dialect
	place   string // names the database
	writer  *pool  // one connection: whoever has it is the only writer of this process
	readers *pool  // the writer's pool where there is a single connection
}

var _ storage.Store = (*Store)(nil)

// New opens the store in db, which it may have to create or bring up to date
// first: all of that in one transaction, or nothing of it. Of the connections
// that [sql.DB.SetMaxOpenConns] allows when New is called, the store keeps one
// for writing and uses the others for reading, see [Config]; they go back with
// [Store.Close], which is to be called before [sql.DB.Close]. With one
// connection, and in a database in memory, reads and updates take turns.
//
// The errors are [ErrSettings], [ErrForeign], [ErrNewer], [ErrAltered],
// [ErrCorrupt], [ErrReadOnly], [ErrFull], [ErrUnavailable], those of ctx,
// storage.ErrConflict when another process has the database locked for longer
// than its settings allow, and the driver's.
func New(ctx context.Context, db *sql.DB, config Config) (*Store, error) {
	d, err := config.Dialect.dialect()
	if err != nil {
		return nil, err
	}
	return open(ctx, db, d, config)
}

func open(ctx context.Context, db *sql.DB, d *dialect, config Config) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: New needs a *sql.DB, from sql.Open")
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	steps, err := migrationsIn(migrationFiles, d.migrations)
	if err != nil {
		return nil, err
	}

	s := &Store{dialect: d}
	s.writer = newPool(1, func(ctx context.Context) (*conn, error) {
		c, err := s.connect(ctx, db)
		if err != nil {
			return nil, err
		}
		if err := d.prepareWriter(ctx, c); err != nil {
			c.release()
			return nil, err
		}
		return c, nil
	})
	c, err := s.writer.take(ctx)
	if err != nil {
		return nil, err
	}
	s.place = c.place
	before, after, err := migrate(ctx, c, steps, config.Shared)
	alone := false
	if err == nil {
		alone, err = d.alone(ctx, c)
	}
	s.writer.give(c)
	if err != nil {
		s.writer.close()
		return nil, err
	}
	if before != after {
		config.Log.InfoContext(ctx, "sqlstore: schema brought up to date", "from", before, "to", after)
	}

	allowed := db.Stats().MaxOpenConnections
	if alone || allowed == 1 {
		s.readers = s.writer
		return s, nil
	}
	readers := config.Readers
	switch {
	case readers <= 0 && allowed == 0:
		readers = max(4, runtime.GOMAXPROCS(0))
	case readers <= 0, allowed > 0 && readers > allowed-1:
		readers = allowed - 1
	}
	s.readers = newPool(readers, func(ctx context.Context) (*conn, error) { return s.connect(ctx, db) })
	return s, nil
}

// connect takes a connection of the store's database from db.
func (s *Store) connect(ctx context.Context, db *sql.DB) (*conn, error) {
	c, err := s.dialect.open(ctx, db)
	if err == nil && s.place != "" && c.place != s.place {
		err = fmt.Errorf("%w: a new connection leads to %s, those before to %s: give all of them the same database and search path", ErrSettings, c.place, s.place)
		c.release()
	}
	return c, err
}

// open takes a connection from db and checks how it is set up.
func (d *dialect) open(ctx context.Context, db *sql.DB) (*conn, error) {
	raw, err := d.connect(ctx, db)
	if err != nil {
		return nil, d.explain(ctx, err)
	}
	c := &conn{session: raw, own: raw, dialect: d, prepared: map[string]*sql.Stmt{}, fresh: true}
	if err := d.check(ctx, c); err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

// Close waits for the calls that are running and gives the store's connections
// back to the sql.DB. Later calls fail. It may not be called by fn.
func (s *Store) Close() error {
	s.writer.close()
	s.readers.close()
	return nil
}

// inside marks the context that fn gets, so that a call of the store by fn is
// an error and not a deadlock.
type inside struct{}

// begin takes a connection, begins a transaction on it and reads what was given
// out last, which is also what starts the snapshot of a reader. A connection
// that was lost while nobody used it is no error: the next one is taken.
func (s *Store) begin(ctx context.Context, from *pool, begin func(context.Context, *conn) error) (*reader, error) {
	if ctx.Value(inside{}) == s {
		return nil, errors.New("sqlstore: fn may not call the store that runs it")
	}
	for {
		c, err := from.take(ctx)
		if err != nil {
			return nil, err
		}
		c.failed = nil
		if err = begin(ctx, c); err == nil {
			var r *reader
			if r, err = start(ctx, c); err == nil {
				c.fresh = false
				return r, nil
			}
		}
		c.rollback(ctx) // PostgreSQL may have begun, and not have got the lock
		again := c.broken && !c.fresh && ctx.Err() == nil
		from.give(c)
		if !again {
			return nil, err
		}
	}
}

// start reads what was given out last.
func start(ctx context.Context, c *conn) (*reader, error) {
	r := &reader{c: c}
	var ticket int64
	found, err := c.first(ctx, "SELECT last_seq, last_ticket FROM meta", nil, &r.lastSeq, &ticket)
	if err == nil && !found {
		err = fmt.Errorf("%w: its table meta is empty: restore it from a backup", ErrCorrupt)
	}
	r.lastTicket = incident.ID(ticket)
	return r, err
}

// View implements [storage.Store]. A cancelled context interrupts a search.
func (s *Store) View(ctx context.Context, fn func(context.Context, storage.Reader) error) error {
	r, err := s.begin(ctx, s.readers, s.dialect.beginRead)
	if err != nil {
		return err
	}
	defer func() {
		r.ended = errEnded
		r.c.rollback(ctx)
		s.readers.give(r.c)
	}()
	return fn(context.WithValue(ctx, inside{}, s), r)
}

// Update implements [storage.Store]. Updates of one process wait for each other
// as long as ctx allows, then for other processes as long as ctx and the
// settings of the connection allow (busy_timeout, lock_timeout); after that the
// error is storage.ErrConflict.
func (s *Store) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	r, err := s.begin(ctx, s.writer, s.dialect.beginWrite)
	if err != nil {
		return err
	}
	t := newTx(r)
	committed := false
	defer func() { // also when fn panics or ends the goroutine
		r.ended = errEnded
		if !committed {
			r.c.rollback(ctx)
		}
		s.writer.give(r.c)
	}()
	if err := fn(context.WithValue(ctx, inside{}, s), t); err != nil {
		return err
	}
	if r.ended != nil {
		return r.ended
	}
	if r.c.failed != nil { // and fn has ignored it
		return r.c.failed
	}
	err = r.c.commit(ctx)
	committed = err == nil
	return err
}
