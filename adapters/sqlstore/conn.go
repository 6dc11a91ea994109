package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"time"
)

// maxStatements bounds the statements that one connection keeps prepared. The
// texts of searches vary without end, those of everything else are few.
const maxStatements = 250

// conn is one connection and what was prepared on it. Preparing a statement
// costs more than running it.
type conn struct {
	*sql.Conn
	dialect  *dialect
	prepared map[string]*sql.Stmt
	patience time.Duration // how long to wait for the writer's place
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
	s, err := c.PrepareContext(context.WithoutCancel(ctx), text)
	if err == nil {
		c.prepared[text] = s
	}
	return s, err
}

// exec runs a statement that returns no rows. It is short and not interrupted:
// SQLite answers an interrupt with a roll-back of its own.
func (c *conn) exec(ctx context.Context, text string, args ...any) (affected int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s, err := c.statement(ctx, text)
	if err != nil {
		return 0, c.dialect.explain(ctx, err)
	}
	result, err := s.ExecContext(context.WithoutCancel(ctx), args...)
	if err != nil {
		return 0, c.dialect.explain(ctx, err)
	}
	return result.RowsAffected()
}

// first reads the first row of an answer into dest; false if there is none. It
// is for look-ups by key, which are not interrupted either.
func (c *conn) first(ctx context.Context, text string, args []any, dest ...any) (found bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = c.each(context.WithoutCancel(ctx), text, args, func(rows *sql.Rows) error {
		if found {
			return nil
		}
		found = true
		return rows.Scan(dest...)
	})
	return found, err
}

// each calls row for every row of an answer.
func (c *conn) each(ctx context.Context, text string, args []any, row func(*sql.Rows) error) error {
	s, err := c.statement(ctx, text)
	if err != nil {
		return c.dialect.explain(ctx, err)
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return c.dialect.explain(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return c.dialect.explain(ctx, rows.Err())
}

// rollback ends a transaction without its changes, whatever became of ctx.
func (c *conn) rollback(ctx context.Context) {
	if _, err := c.exec(context.WithoutCancel(ctx), "ROLLBACK"); err != nil && !c.dialect.rolledBack(err) {
		c.broken = true
	}
}

// release gives the connection back to the sql.DB, or ends it if it is broken.
func (c *conn) release() {
	for _, s := range c.prepared {
		s.Close()
	}
	if c.broken {
		_ = c.Raw(func(any) error { return driver.ErrBadConn })
	} else {
		c.dialect.release(c)
	}
	c.Close()
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
