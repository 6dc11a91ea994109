package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
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
// processes. The path ":memory:" names a database in memory.
//
// Other drivers spell these settings differently; New checks what came of them.
func SQLiteDSN(path string) string {
	path = filepath.ToSlash(filepath.Clean(path))
	if filepath.VolumeName(path) != "" {
		path = "/" + path
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&_txlock=immediate"
}

func sqliteDialect() *dialect {
	return &dialect{
		migrations: "migrations/sqlite",
		ids:        "(SELECT value FROM json_each(?))",
		idList: func(ids []int64) (any, error) {
			list, err := json.Marshal(ids)
			return string(list), err
		},
		connect:       sqliteConnect,
		check:         sqliteCheck,
		alone:         sqliteInMemory,
		recognise:     sqliteRecognise,
		brand:         sqliteBrand,
		prepareWriter: sqlitePrepareWriter,
		beginRead: func(ctx context.Context, c *conn) error {
			_, err := c.exec(ctx, "BEGIN DEFERRED")
			return err
		},
		beginWrite: sqliteBeginWrite,
		release:    sqliteRelease,
		fault:      sqliteFault,
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
	memory, err := sqliteInMemory(ctx, c)
	if err != nil {
		return err
	}
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

// sqliteInMemory reports whether the main database has no file: each connection
// then has one of its own.
func sqliteInMemory(ctx context.Context, c *conn) (bool, error) {
	file := ""
	err := c.each(ctx, "PRAGMA database_list", nil, func(rows *sql.Rows) error {
		var number int
		var name string
		var path sql.NullString
		err := rows.Scan(&number, &name, &path)
		if name == "main" {
			file = path.String
		}
		return err
	})
	return file == "", err
}

func sqliteRecognise(ctx context.Context, c *conn) (mine bool, err error) {
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
			mine = mine || name == migrationsTable
			return err
		})
	const remedy = "give the path of a new file, or of the database that this desk has used before"
	switch {
	case err != nil:
		return false, err
	case id != 0 && id != sqliteApplicationID:
		return false, fmt.Errorf("%w: the file has the application id %#x of another program: %s", ErrForeign, id, remedy)
	case len(tables) > 0 && !mine:
		return false, fmt.Errorf("%w: it holds tables of another program (%s): %s", ErrForeign, strings.Join(tables[:min(3, len(tables))], ", "), remedy)
	}
	return mine, nil
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
