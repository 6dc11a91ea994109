package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"
)

// maxStatements bounds the statements that one connection keeps prepared. The
// texts of searches vary without end, those of everything else are few.
const maxStatements = 250

// session is what *sql.Conn and *sql.Tx have in common.
type session interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}

// conn is one connection and what was prepared on it. Preparing a statement
// costs more than running it.
type conn struct {
	session
	own      *sql.Conn // nil: the session is a transaction of the caller
	dialect  *dialect
	prepared map[string]*sql.Stmt
	patience time.Duration // how long to wait for the writer's place
	place    string        // names the database
	lock     int64         // of the writer
	reset    string        // a statement for release
	fresh    bool          // no transaction has begun on it yet
	failed   error         // of a statement in this transaction
	broken   bool          // to be thrown away instead of used again
}

// statement returns the statement for a text, prepared.
func (c *conn) statement(ctx context.Context, text string) (*sql.Stmt, error) {
	if s, ok := c.prepared[text]; ok {
		return s, nil
	}
	if len(c.prepared) >= maxStatements {
		for old, s := range c.prepared {
			s.Close()
			delete(c.prepared, old)
			break
		}
	}
	s, err := c.own.PrepareContext(ctx, c.dialect.spell(text))
	if err == nil {
		c.prepared[text] = s
	}
	return s, err
}

func (d *dialect) spell(text string) string {
	if d.text == nil {
		return text
	}
	return d.text(text)
}

// short is the context of a short statement. SQLite answers an interrupt with a
// roll-back of its own, so such a statement is not interrupted there.
func (c *conn) short(ctx context.Context) context.Context {
	if c.dialect.patient {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// exec runs a short statement that returns no rows.
func (c *conn) exec(ctx context.Context, text string, args ...any) (affected int64, err error) {
	if err := c.accepts(ctx, args); err != nil {
		return 0, err
	}
	ctx = c.short(ctx)
	var result sql.Result
	if c.own == nil {
		result, err = c.ExecContext(ctx, c.dialect.spell(text), args...)
	} else {
		var s *sql.Stmt
		if s, err = c.statement(ctx, text); err == nil {
			result, err = s.ExecContext(ctx, args...)
		}
	}
	if err != nil {
		return 0, c.fail(ctx, err)
	}
	return result.RowsAffected()
}

// maxTogether bounds the statements that go to the server as one: their text is
// kept prepared, too, and is to come again.
const maxTogether = 8

// execAll runs statements of which none reads what another one writes: some as
// one, where each would be a way to the server and back.
func (c *conn) execAll(ctx context.Context, list iter.Seq[clause]) error {
	size := 1
	if c.dialect.together {
		size = maxTogether
	}
	var some []clause
	run := func() error {
		text, args := "", []any(nil)
		for i, one := range some {
			if i < len(some)-1 {
				text += fmt.Sprintf("%s s%d AS (%s)", []string{"WITH", ","}[min(i, 1)], i, one.text)
			} else {
				text += " " + one.text
			}
			args = append(args, one.args...)
		}
		some = some[:0]
		_, err := c.exec(ctx, text, args...)
		return err
	}
	for one := range list {
		if some = append(some, one); len(some) == size {
			if err := run(); err != nil {
				return err
			}
		}
	}
	if len(some) > 0 {
		return run()
	}
	return nil
}

// accepts refuses what is not to reach the database.
func (c *conn) accepts(ctx context.Context, args []any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.dialect.keeps == nil {
		return nil
	}
	for _, arg := range args {
		if s, ok := arg.(string); ok {
			if err := c.dialect.keeps(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// fail explains an error of the driver. PostgreSQL does nothing more in a
// transaction after one, and answers COMMIT by rolling back, without an error.
func (c *conn) fail(ctx context.Context, err error) error {
	if c.dialect.fault(err) == lost {
		c.broken = true
	}
	explained := c.dialect.explain(ctx, err)
	if c.failed == nil {
		c.failed = explained
	}
	return explained
}

// first reads the first row of an answer into dest; false if there is none. It
// is for short look-ups, by key.
func (c *conn) first(ctx context.Context, text string, args []any, dest ...any) (found bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = c.each(c.short(ctx), text, args, func(rows *sql.Rows) error {
		if found {
			return nil
		}
		found = true
		return rows.Scan(dest...)
	})
	return found, err
}

// each calls row for every row of an answer.
func (c *conn) each(ctx context.Context, text string, args []any, row func(*sql.Rows) error) (err error) {
	if err := c.accepts(ctx, args); err != nil {
		return err
	}
	var rows *sql.Rows
	if c.own == nil {
		rows, err = c.QueryContext(ctx, c.dialect.spell(text), args...)
	} else {
		var s *sql.Stmt
		if s, err = c.statement(c.short(ctx), text); err == nil {
			rows, err = s.QueryContext(ctx, args...)
		}
	}
	if err != nil {
		return c.fail(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return c.fail(ctx, err)
	}
	return nil
}

// commit ends a transaction with its changes. It is not interrupted: nobody
// could say then what became of them.
func (c *conn) commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := c.exec(context.WithoutCancel(ctx), "COMMIT")
	if errors.Is(err, ErrUnavailable) {
		return &undecidedError{err}
	}
	return err
}

// undecidedError is a connection lost while a commit was under way.
type undecidedError struct{ error }

func (e *undecidedError) Error() string {
	return e.error.Error() + " (during COMMIT: the changes may have been committed; look before they are made again)"
}

func (e *undecidedError) Unwrap() error { return e.error }

// rollback ends a transaction without its changes, whatever became of ctx.
func (c *conn) rollback(ctx context.Context) {
	if c.broken {
		return
	}
	if _, err := c.exec(context.WithoutCancel(ctx), "ROLLBACK"); err != nil && !c.dialect.rolledBack(err) {
		c.broken = true
	}
}

// release gives the connection back to the sql.DB, or ends it if it is broken.
func (c *conn) release() {
	if c.broken {
		_ = c.own.Raw(func(any) error { return driver.ErrBadConn })
	}
	for _, s := range c.prepared {
		s.Close()
	}
	if !c.broken {
		c.dialect.release(c)
	}
	c.own.Close()
}

// pool lends connections, each to one at a time. With a single one it is a lock.
type pool struct {
	open   func(context.Context) (*conn, error)
	slots  chan *conn // nil: a connection that is not open yet
	closed chan struct{}
	once   sync.Once
}

// errClosed is returned by a store that was closed.
var errClosed = errors.New("sqlstore: the store is closed")

func newPool(size int, open func(context.Context) (*conn, error)) *pool {
	p := &pool{open: open, slots: make(chan *conn, size), closed: make(chan struct{})}
	for range size {
		p.slots <- nil
	}
	return p
}

// take waits for a connection until ctx ends.
func (p *pool) take(ctx context.Context) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.closed:
		return nil, errClosed
	case c := <-p.slots:
		if c != nil {
			return c, nil
		}
		c, err := p.open(ctx)
		if err != nil {
			p.slots <- nil
			return nil, err
		}
		return c, nil
	}
}

func (p *pool) give(c *conn) {
	if c.broken {
		c.release()
		c = nil
	}
	p.slots <- c
}

// close waits until all connections are given back, and releases them.
func (p *pool) close() {
	p.once.Do(func() {
		close(p.closed)
		for range cap(p.slots) {
			if c := <-p.slots; c != nil {
				c.release()
			}
		}
	})
}
