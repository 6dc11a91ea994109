package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/airtight-csirt/airtight/storage"
)

// Dialect names a kind of database.
type Dialect uint8

// Dialects.
const (
	SQLite Dialect = iota
)

// Errors of [New], to be tested with errors.Is. The error's text says what was
// found and what to do.
var (
	// ErrSettings: the connection lacks a setting without which the contract of
	// storage.Store does not hold.
	ErrSettings = errors.New("sqlstore: unsuitable settings")
	// ErrForeign: the database belongs to another program. Nothing was written
	// to it.
	ErrForeign = errors.New("sqlstore: not a database of Airtight")
	// ErrNewer: the database was written by a newer version of Airtight.
	ErrNewer = errors.New("sqlstore: database of a newer version")
	// ErrAltered: a migration that the database went through is not the one
	// that this program knows by its number.
	ErrAltered = errors.New("sqlstore: database with a different history")
	// ErrCorrupt: the file is damaged, or no database. Every method may return
	// it.
	ErrCorrupt = errors.New("sqlstore: damaged database, or none at all")
	// ErrReadOnly: the file cannot be written. Updates may return it too.
	ErrReadOnly = errors.New("sqlstore: the database is read-only")
)

// fault is what an error of a driver means for us.
type fault uint8

const (
	otherFault fault = iota
	busy             // somebody else has the lock
	duplicate        // a unique key is there already
	corrupt
	readOnly
	unopened // no such file, or no right to it
)

// dialect is all that differs between databases, beside the files in
// migrations/. Statements elsewhere keep to what both understand: "?" for
// arguments, ON CONFLICT, NULLS FIRST.
type dialect struct {
	migrations string // folder
	ids        string // the rows of one argument made by idList
	idList     func(ids []int64) (any, error)

	connect   func(context.Context, *sql.DB) (*sql.Conn, error)
	check     func(context.Context, *conn) error                  // ErrSettings
	alone     func(context.Context, *conn) (bool, error)          // no second connection sees the database
	recognise func(context.Context, *conn) (mine bool, err error) // false: empty; else ErrForeign
	brand     func(context.Context, *conn) error                  // marks the database as ours

	prepareWriter func(context.Context, *conn) error
	beginRead     func(context.Context, *conn) error
	beginWrite    func(context.Context, *conn) error // waits for all other writers
	release       func(*conn)                        // before the connection goes back to the sql.DB

	fault      func(error) fault
	rolledBack func(error) bool // a ROLLBACK failed because there was nothing left to roll back
}

func (d Dialect) dialect() (*dialect, error) {
	switch d {
	case SQLite:
		return sqliteDialect(), nil
	}
	return nil, fmt.Errorf("sqlstore: unknown dialect %d: allowed is SQLite", d)
}

// explain puts an error of the driver into the terms of the contract.
func (d *dialect) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	switch d.fault(err) {
	case busy:
		return fmt.Errorf("%w: another program has locked the database: %w", storage.ErrConflict, err)
	case duplicate:
		return fmt.Errorf("%w: %w", storage.ErrConflict, err)
	case corrupt:
		return fmt.Errorf("%w: check the path, then restore the file from a backup, or save what can be read of it (sqlite3 FILE .recover): %w", ErrCorrupt, err)
	case readOnly:
		return fmt.Errorf("%w: make the file and its folder writable for this program, and open it without mode=ro: %w", ErrReadOnly, err)
	case unopened:
		return fmt.Errorf("sqlstore: the database cannot be opened: its folder has to exist, and this program to have the right to write there: %w", err)
	}
	return fmt.Errorf("sqlstore: %w", err)
}
