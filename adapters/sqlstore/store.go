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
	Log     *slog.Logger // nil: nothing is logged
}

// Store is a [storage.Store] in an SQL database. It is safe for concurrent use.
type Store struct {
	dialect *dialect
	writer  *pool // one connection: whoever has it is the only writer of this process
	readers *pool // the writer's pool where there is a single connection
}

var _ storage.Store = (*Store)(nil)

// New opens the store in db, which it may have to create or bring up to date
// first: all of that in one transaction, or nothing of it. Of the connections
// that [sql.DB.SetMaxOpenConns] allows when New is called, the store keeps one
// for writing and uses the others (without a limit: a few) for reading; they go
// back with [Store.Close], which is to be called before [sql.DB.Close]. With one
// connection, and in a database in memory, reads and updates take turns.
//
// The errors are [ErrSettings], [ErrForeign], [ErrNewer], [ErrAltered],
// [ErrCorrupt], [ErrReadOnly], those of ctx, storage.ErrConflict when another
// process has the database locked for longer than its busy_timeout, and the
// driver's.
func New(ctx context.Context, db *sql.DB, config Config) (*Store, error) {
	if db == nil {
		return nil, errors.New("sqlstore: New needs a *sql.DB, from sql.Open")
	}
	d, err := config.Dialect.dialect()
	if err != nil {
		return nil, err
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
		c, err := d.open(ctx, db)
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
	before, after, err := migrate(ctx, c, steps)
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
	switch {
	case alone || allowed == 1:
		s.readers = s.writer
		return s, nil
	case allowed == 0:
		allowed = 1 + max(4, runtime.GOMAXPROCS(0))
	}
	s.readers = newPool(allowed-1, func(ctx context.Context) (*conn, error) { return d.open(ctx, db) })
	return s, nil
}

// open takes a connection from db and checks how it is set up.
func (d *dialect) open(ctx context.Context, db *sql.DB) (*conn, error) {
	raw, err := d.connect(ctx, db)
	if err != nil {
		return nil, d.explain(ctx, err)
	}
	c := &conn{Conn: raw, dialect: d, prepared: map[string]*sql.Stmt{}}
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
// out last, which is also what starts the snapshot of a reader.
func (s *Store) begin(ctx context.Context, from *pool, begin func(context.Context, *conn) error) (*reader, error) {
	if ctx.Value(inside{}) == s {
		return nil, errors.New("sqlstore: fn may not call the store that runs it")
	}
	c, err := from.take(ctx)
	if err != nil {
		return nil, err
	}
	if err = begin(ctx, c); err != nil {
		from.give(c)
		return nil, err
	}
	r := &reader{c: c}
	var ticket int64
	found, err := c.first(ctx, "SELECT last_seq, last_ticket FROM meta", nil, &r.lastSeq, &ticket)
	if err == nil && !found {
		err = fmt.Errorf("%w: its table meta is empty: restore it from a backup", ErrCorrupt)
	}
	if err != nil {
		c.rollback(ctx)
		from.give(c)
		return nil, err
	}
	r.lastTicket = incident.ID(ticket)
	return r, nil
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
// as long as ctx allows, then for other processes as long as busy_timeout
// allows; after that the error is storage.ErrConflict.
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
	_, err = r.c.exec(ctx, "COMMIT")
	committed = err == nil
	return err
}
