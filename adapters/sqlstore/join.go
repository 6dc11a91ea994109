package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/airtight-csirt/airtight/storage"
)

// Join returns a [storage.Tx] inside of a transaction that the caller has begun
// on the same database, so that the caller's own rows and what is done to
// tickets are committed together, or neither. The caller ends the transaction;
// until then no other update can begin, in any process. What is read and decided
// between Join and the end is safe against other updates; what the caller read
// before is not.
//
// Join takes the lock of the writers itself, and waits for it: as long as ctx
// and lock_timeout allow on PostgreSQL, and busy_timeout on SQLite. Then
//
//   - on PostgreSQL the transaction has to be READ COMMITTED (the default of
//     [sql.DB.BeginTx]); every other isolation level is refused by name;
//   - on SQLite it becomes the one that writes, if it is not yet. One that has
//     read what was changed since cannot, and gets storage.ErrConflict. Begin
//     with _txlock=immediate, as [SQLiteDSN] does.
//
// A method that fails to write takes back all that was written through this Tx
// (to a savepoint, set before its first write; what the caller wrote on its own
// after that goes as well) and ends the Tx, so that no ticket is half done even
// if the caller commits. To roll back is better: after [ErrFull] or
// [ErrUnavailable] the database may have done so already.
//
// Use one Tx at a time, and one for each thing to be done. Do not call Update in
// the goroutine that holds the transaction: it would wait for itself. A store
// that uses every connection which the sql.DB allows leaves none for such a
// transaction: see [Config]. A database in memory cannot be joined.
//
// The errors are [ErrSettings] (isolation, durability, another database, a
// transaction that is read-only), storage.ErrConflict, [ErrReadOnly],
// [ErrUnavailable], those of ctx and the driver's.
func (s *Store) Join(ctx context.Context, transaction *sql.Tx) (storage.Tx, error) {
	switch {
	case transaction == nil:
		return nil, errors.New("sqlstore: Join needs a *sql.Tx, from sql.DB.BeginTx")
	case ctx.Value(inside{}) == s:
		return nil, errors.New("sqlstore: fn may not call the store that runs it")
	case s.readers == s.writer:
		return nil, fmt.Errorf("%w: the store has a single connection, or a database in memory, which no other transaction sees: use a file or a server, and allow more connections", ErrSettings)
	}
	c := &conn{session: transaction, dialect: s.dialect}
	if err := s.dialect.check(ctx, c); err != nil {
		return nil, err
	}
	if c.place != s.place {
		return nil, fmt.Errorf("%w: the transaction is one of %s, the store lies in %s: begin it on the same database", ErrSettings, c.place, s.place)
	}
	if err := s.dialect.join(ctx, c); err != nil {
		return nil, err
	}
	r, err := start(ctx, c)
	if err != nil {
		return nil, err
	}
	t := newTx(r)
	t.joined = true
	return t, nil
}

const savepoint = "airtight"

// mark sets the savepoint before the first write. In a transaction that is ours
// there is nothing to do: it ends with the update.
func (t *tx) mark(ctx context.Context) error {
	if !t.joined || t.marked {
		return nil
	}
	_, err := t.c.exec(ctx, "SAVEPOINT "+savepoint)
	t.marked = err == nil
	return err
}

// undo goes back to the savepoint.
func (t *tx) undo() {
	if t.marked {
		t.marked = false
		_, _ = t.c.exec(context.Background(), "ROLLBACK TO SAVEPOINT "+savepoint)
	}
}
