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
	PostgreSQL
)

// Errors of [New], [Store.Join] and the methods of storage.Store, to be tested
// with errors.Is. The error's text says what was found and what to do.
var (
	// ErrSettings: the connection or the transaction lacks a setting without
	// which the contract of storage.Store does not hold.
	ErrSettings = errors.New("sqlstore: unsuitable settings")
	// ErrForeign: the database belongs to another program. Nothing was written
	// to it.
	ErrForeign = errors.New("sqlstore: not a database of Airtight")
	// ErrNewer: the database was written by a newer version of Airtight.
	ErrNewer = errors.New("sqlstore: database of a newer version")
	// ErrAltered: a migration that the database went through is not the one
	// that this program knows by its number.
	ErrAltered = errors.New("sqlstore: database with a different history")
	// ErrCorrupt: the database is damaged, or no database. Every method may
	// return it.
	ErrCorrupt = errors.New("sqlstore: damaged database, or none at all")
	// ErrReadOnly: the database cannot be written. Updates may return it too.
	ErrReadOnly = errors.New("sqlstore: the database is read-only")
	// ErrFull: there is no room for what was to be written. Once there is, the
	// store works again by itself.
	ErrFull = errors.New("sqlstore: the disk of the database is full")
	// ErrUnavailable: the server cannot be reached, or the connection was cut.
	// The next call connects anew. When Update returns it, the text says whether
	// the changes may have been committed.
	ErrUnavailable = errors.New("sqlstore: the database is not available now")
	// ErrText: a text holds what PostgreSQL cannot keep, a NUL or invalid UTF-8.
	// [incident.Clean] cures it.
	ErrText = errors.New("sqlstore: text that the database cannot keep")
)

// fault is what an error of a driver means for us.
type fault uint8

const (
	otherFault fault = iota
	busy             // somebody else has the lock, or was faster
	duplicate        // a unique key is there already
	corrupt
	readOnly
	full
	lost     // the connection, or the server
	unopened // no such file, or no right to it
	denied   // the role lacks a right
)

// dialect is all that differs between databases, beside the files in
// migrations/. Statements elsewhere keep to what both understand, with "?" for
// arguments.
type dialect struct {
	migrations   string                     // folder
	text         func(query string) string  // puts arguments as the driver wants them; nil: as they are
	keeps        func(s string) error       // ErrText; nil: any text can be kept
	patient      bool                       // a short statement is not interrupted
	inNumbers    string                     // the condition on a list of numbers
	brackets     string                     // around the list
	head         func(column string) string // the beginning of a text, as indexes of side tables have it; nil: they have all of it
	together     bool                       // statements may be parts of another one (WITH)
	limitParts   bool                       // the parts of a union are cut before they are merged
	selectClaims string                     // that are held of maxSums keys in a space
	putText      func(context.Context, *conn, storage.Text) error
	findWords    func(words []string) clause // a condition on rows of texts
	unindexed    string                      // before a column: no index of it is used
	long         bool                        // indexes of lists leave out tickets with long texts, marked by long = 1

	connect   func(context.Context, *sql.DB) (*sql.Conn, error)
	check     func(context.Context, *conn) error                        // ErrSettings; says in conn.place which database this is
	alone     func(context.Context, *conn) (bool, error)                // no second connection sees the database
	recognise func(context.Context, *conn, bool) (mine bool, err error) // false: empty, or shared; else ErrForeign
	brand     func(context.Context, *conn) error                        // marks the database as ours alone
	writable  func(context.Context, *conn) error                        // ErrReadOnly

	prepareWriter func(context.Context, *conn) error
	beginRead     func(context.Context, *conn) error
	beginWrite    func(context.Context, *conn) error // waits for all other writers
	join          func(context.Context, *conn) error // does the same inside of a transaction that has begun
	release       func(*conn)                        // before the connection goes back to the sql.DB

	fault      func(error) fault
	remedies   map[fault]string
	rolledBack func(error) bool // a ROLLBACK failed because there was nothing left to roll back
}

func (d Dialect) dialect() (*dialect, error) {
	switch d {
	case SQLite:
		return sqliteDialect(), nil
	case PostgreSQL:
		return postgresDialect(), nil
	}
	return nil, fmt.Errorf("sqlstore: unknown dialect %d: allowed are SQLite and PostgreSQL", d)
}

// explain puts an error of the driver into the terms of the contract.
func (d *dialect) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	sentinels := map[fault]error{
		busy: storage.ErrConflict, duplicate: storage.ErrConflict, corrupt: ErrCorrupt,
		readOnly: ErrReadOnly, full: ErrFull, lost: ErrUnavailable,
	}
	fault := d.fault(err)
	sentinel, remedy := sentinels[fault], d.remedies[fault]
	switch {
	case sentinel == nil && remedy == "":
		return fmt.Errorf("sqlstore: %w", err)
	case sentinel == nil:
		return fmt.Errorf("sqlstore: %s: %w", remedy, err)
	case remedy == "":
		return fmt.Errorf("%w: %w", sentinel, err)
	}
	return fmt.Errorf("%w: %s: %w", sentinel, remedy, err)
}

// is asks for a text to be equal. Where an index holds the beginning only, the
// whole is compared besides.
func (d *dialect) is(column, value string) clause {
	if d.head == nil {
		return clause{column + " = ?", []any{value}}
	}
	return clause{d.head(column) + " = " + d.head("?") + " AND " + column + " = ?", []any{value, value}}
}

// between asks for a text to lie in a range, to excluded.
func (d *dialect) between(column, from, to string) clause {
	if d.head == nil {
		return clause{column + " >= ? AND " + column + " < ?", []any{from, to}}
	}
	head, bound := d.head(column), d.head("?")
	return clause{
		head + " >= " + bound + " AND " + head + " <= " + bound + " AND " + column + " >= ? AND " + column + " < ?",
		[]any{from, to, from, to},
	}
}
