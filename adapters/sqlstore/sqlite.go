package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/storage"
)

// sqliteApplicationID stands in the header of a file, so that other programs
// can tell whose it is: "Airt" in ASCII.
const sqliteApplicationID = 0x41697274

// SQLiteDSN returns the data source name under which the driver
// modernc.org/sqlite opens the file at path as [New] wants it: WAL,
// synchronous=FULL, foreign keys, and five seconds of patience with other
// processes. For speed, a connection keeps up to 16 MiB of the file in memory, and the
// log is carried over to the file every 32 MiB. The path ":memory:" names a database in
// memory.
//
// Other drivers spell these settings differently; New checks what came of them.
func SQLiteDSN(path string) string {
	path = filepath.ToSlash(filepath.Clean(path))
	if filepath.VolumeName(path) != "" {
		path = "/" + path
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&_pragma=cache_size(-16384)&_pragma=wal_autocheckpoint(8192)&_txlock=immediate"
}

func sqliteDialect() *dialect {
	return &dialect{
		migrations:   "migrations/sqlite",
		patient:      true,
		inNumbers:    "IN (SELECT value FROM json_each(?))",
		brackets:     "[]",
		unindexed:    "+",
		selectClaims: sqliteSelectClaims,
		putText:      sqlitePutText,
		findWords:    sqliteFindWords,
		connect:      sqliteConnect,
		check:        sqliteCheck,
		alone:        sqliteInMemory,
		recognise:    sqliteRecognise,
		brand:        sqliteBrand,
		writable:     sqliteWritable,

		prepareWriter: sqlitePrepareWriter,
		beginRead: func(ctx context.Context, c *conn) error {
			_, err := c.exec(ctx, "BEGIN DEFERRED")
			return err
		},
		beginWrite: sqliteBeginWrite,
		join:       sqliteWritable, // a statement that writes nothing takes the lock all the same
		release:    sqliteRelease,

		fault: sqliteFault,
		remedies: map[fault]string{
			busy:     "another program has locked the database",
			corrupt:  "check the path, then restore the file from a backup, or save what can be read of it (sqlite3 FILE .recover)",
			readOnly: "make the file and its folder writable for this program, and open it without mode=ro",
			full:     "make room where the file lies",
			unopened: "the database cannot be opened: its folder has to exist, and this program to have the right to write there",
		},
		rolledBack: func(err error) bool { return strings.Contains(err.Error(), "no transaction is active") },
	}
}

// sqliteFault goes by SQLite's own texts, which are the same under every driver.
func sqliteFault(err error) fault {
	text := err.Error()
	for _, known := range []struct {
		text  string
		fault fault
	}{
		{"database is locked", busy},
		{"table is locked", busy},
		{"UNIQUE constraint failed", duplicate},
		{"records are never replaced", duplicate},
		{"file is not a database", corrupt},
		{"database disk image is malformed", corrupt},
		{"malformed database schema", corrupt},
		{"attempt to write a readonly database", readOnly},
		{"database or disk is full", full},
		{"unable to open database file", unopened},
	} {
		if strings.Contains(text, known.text) {
			return known.fault
		}
	}
	return otherFault
}

// sqliteCheck looks at the settings that hold for one connection. In memory,
// there is nothing that could be lost and nobody to wait for.
func sqliteCheck(ctx context.Context, c *conn) error {
	path, err := sqlitePath(ctx, c)
	if err != nil {
		return err
	}
	memory := path == ""
	c.place = "the file " + path
	var patience int64
	for _, s := range []struct {
		pragma string
		fits   func(value string) bool
		want   string
		why    string
		always bool
	}{
		{"journal_mode", is("wal"), "WAL", "readers would block the writer, and see no snapshot", false},
		{"synchronous", is("2", "3"), "FULL or EXTRA", "a power loss could take back mail that was acknowledged", false},
		{"busy_timeout", func(v string) bool { _, err := fmt.Sscan(v, &patience); return err == nil && patience > 0 },
			"a number of milliseconds, like 5000", "a second program would end in errors at once", false},
		{"foreign_keys", is("1"), "ON", "the database would not check what refers to what", true},
		{"encoding", is("UTF-8"), "UTF-8", "text would not compare bytewise", true},
	} {
		if memory && !s.always {
			continue
		}
		var value string
		if _, err := c.first(ctx, "PRAGMA "+s.pragma, nil, &value); err != nil {
			return err
		}
		if !s.fits(value) {
			return fmt.Errorf("%w: PRAGMA %s is %q and must be %s, else %s: set it in the data source name, for all connections (SQLiteDSN does, for modernc.org/sqlite)",
				ErrSettings, s.pragma, value, s.want, s.why)
		}
	}
	c.patience = time.Duration(patience) * time.Millisecond
	return nil
}

func is(values ...string) func(string) bool {
	return func(value string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, value) })
	}
}

// sqlitePath returns where the main database lies; "" when it is in memory.
func sqlitePath(ctx context.Context, c *conn) (path string, err error) {
	err = c.each(ctx, "PRAGMA database_list", nil, func(rows *sql.Rows) error {
		var number int
		var name string
		var file sql.NullString
		err := rows.Scan(&number, &name, &file)
		if name == "main" {
			path = file.String
		}
		return err
	})
	return path, err
}

// sqliteInMemory reports whether each connection has a database of its own.
func sqliteInMemory(ctx context.Context, c *conn) (bool, error) {
	path, err := sqlitePath(ctx, c)
	return path == "", err
}

func sqliteRecognise(ctx context.Context, c *conn, shared bool) (mine bool, err error) {
	var id int64
	if _, err := c.first(ctx, "PRAGMA application_id", nil, &id); err != nil {
		return false, err
	}
	var tables []string
	err = c.each(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name", nil,
		func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			tables = append(tables, name)
			return err
		})
	if err != nil {
		return false, err
	}
	if id != 0 && id != sqliteApplicationID && !shared {
		return false, fmt.Errorf("%w: the file has the application id %#x of another program: give the path of a new file, or of the database that this desk has used before",
			ErrForeign, id)
	}
	return recognise(tables, shared, "give the path of a new file, or of the database that this desk has used before")
}

// sqliteWritable changes nothing, but may be refused: a read-only file is to be
// known now.
func sqliteWritable(ctx context.Context, c *conn) error {
	_, err := c.exec(ctx, "DELETE FROM "+migrationsTable+" WHERE FALSE")
	return err
}

func sqliteBrand(ctx context.Context, c *conn) error {
	var id int64
	if _, err := c.first(ctx, "PRAGMA application_id", nil, &id); err != nil || id == sqliteApplicationID {
		return err
	}
	_, err := c.exec(ctx, fmt.Sprintf("PRAGMA application_id = %d", sqliteApplicationID))
	return err
}

// sqlitePrepareWriter takes waiting over from the driver, whose wait no context
// ends.
func sqlitePrepareWriter(ctx context.Context, c *conn) error {
	return c.each(ctx, "PRAGMA busy_timeout = 0", nil, func(*sql.Rows) error { return nil })
}

func sqliteRelease(c *conn) {
	if c.patience > 0 {
		_, _ = c.ExecContext(context.Background(), fmt.Sprintf("PRAGMA busy_timeout = %d", c.patience.Milliseconds()))
	}
}

// sqliteBeginWrite takes the lock of the one writer that SQLite allows. Nothing
// that is done under it can meet a lock any more.
func sqliteBeginWrite(ctx context.Context, c *conn) error {
	err := sqliteWait(ctx, c.patience, func() error {
		s, err := c.statement(ctx, "BEGIN IMMEDIATE")
		if err == nil {
			_, err = s.ExecContext(context.WithoutCancel(ctx))
		}
		return err
	})
	if err != nil && sqliteFault(err) == busy {
		return fmt.Errorf("%w: for %v another program has held the lock under which the database is written: %w", storage.ErrConflict, c.patience, err)
	}
	return c.dialect.explain(ctx, err)
}

// sqliteConnect asks again for a while, because the driver sets journal_mode on
// each new connection.
//
// QUIRK: SQLite does not heed busy_timeout while it turns a new file to WAL.
func sqliteConnect(ctx context.Context, db *sql.DB) (raw *sql.Conn, err error) {
	err = sqliteWait(ctx, 2*time.Second, func() error {
		raw, err = db.Conn(ctx)
		return err
	})
	return raw, err
}

// sqliteWait tries until the database is not busy or patience is at an end.
func sqliteWait(ctx context.Context, patience time.Duration, try func() error) error {
	until := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := try()
		if err == nil || sqliteFault(err) != busy || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}
