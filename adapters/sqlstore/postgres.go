package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// postgresLock is the first half of the number under which writers wait for each
// other, "Airt" in ASCII; the second is the number of the schema.
const postgresLock = 0x41697274

// postgresHead is how many characters of a text the indexes of side tables hold:
// two of them have to fit into a third of a page, whatever the characters.
const postgresHead = 300

func postgresDialect() *dialect {
	return &dialect{
		migrations:   "migrations/postgres",
		text:         postgresText,
		keeps:        postgresKeeps,
		inNumbers:    "= ANY (?::bigint[])",
		brackets:     "{}",
		long:         true,
		together:     true,
		limitParts:   true,
		selectClaims: postgresSelectClaims,
		putText:      postgresPutText,
		findWords:    postgresFindWords,
		head:         func(column string) string { return fmt.Sprintf("left(%s, %d)", column, postgresHead) },
		connect:      func(ctx context.Context, db *sql.DB) (*sql.Conn, error) { return db.Conn(ctx) },
		check:        postgresCheck,
		alone:        func(context.Context, *conn) (bool, error) { return false, nil },
		recognise:    postgresRecognise,
		brand:        func(context.Context, *conn) error { return nil },
		writable:     func(context.Context, *conn) error { return nil }, // postgresCheck has asked

		prepareWriter: postgresPrepareWriter,
		beginRead: func(ctx context.Context, c *conn) error {
			// A plan for any cursor would be one for a rare due date, and sort the many that have none.
			return c.run(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL plan_cache_mode = force_custom_plan")
		},
		beginWrite: postgresBeginWrite,
		join:       postgresJoin,
		release: func(c *conn) {
			if c.reset != "" {
				_ = c.run(context.Background(), c.reset)
			}
		},

		fault: postgresFault,
		remedies: map[fault]string{
			busy:     "another transaction was faster, or holds the lock",
			corrupt:  "restore the database from a backup",
			readOnly: "connect to the primary (target_session_attrs=read-write, in a data source name with several hosts) as a role that may write",
			full:     "make room on the disks of the server",
			denied:   "this role lacks a right: let the owner of the schema run New, and grant the role what the package comment lists",
			lost:     "the next call connects anew; if this goes on, look whether the server runs and lets this program in",
		},
		rolledBack: func(error) bool { return false },
	}
}

// postgresText numbers the arguments: $1 for the first question mark.
func postgresText(query string) string {
	var b strings.Builder
	n := 0
	for {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

func postgresKeeps(s string) error {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return nil
	}
	return fmt.Errorf("%w: %.80q holds a NUL or is no valid UTF-8: clean it first (incident.Clean); raw bytes belong into a blob", ErrText, s)
}

// run executes a text as it is, which may hold several statements.
func (c *conn) run(ctx context.Context, text string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := c.ExecContext(ctx, text); err != nil {
		return c.fail(ctx, err)
	}
	return nil
}

// postgresBeginWrite takes the lock of the writers before anything is read. Each
// later statement then sees all that the writers before have committed.
//
// With REPEATABLE READ instead, the statement that waits for the lock would take
// the snapshot, and what the writer before commits meanwhile would stay unseen.
func postgresBeginWrite(ctx context.Context, c *conn) error {
	return c.run(ctx, fmt.Sprintf("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock(%d)", c.lock))
}

// postgresJoin does the same inside of a transaction of somebody else.
func postgresJoin(ctx context.Context, c *conn) error {
	var isolation, readOnly string
	if _, err := c.first(ctx, "SELECT current_setting('transaction_isolation'), current_setting('transaction_read_only')", nil,
		&isolation, &readOnly); err != nil {
		return err
	}
	if isolation != "read committed" {
		return fmt.Errorf("%w: the transaction is %s and must be READ COMMITTED, else it would not see what was committed while it waited for the lock: begin it with sql.LevelReadCommitted",
			ErrSettings, strings.ToUpper(isolation))
	}
	if readOnly != "off" {
		return fmt.Errorf("%w: the transaction is READ ONLY: begin it with sql.TxOptions{ReadOnly: false}", ErrSettings)
	}
	_, err := c.exec(ctx, "SELECT pg_advisory_xact_lock(?)", c.lock)
	return err
}

// postgresCheck looks at the settings under which a connection runs.
func postgresCheck(ctx context.Context, c *conn) error {
	var recovering bool
	var database string
	var schema sql.NullString
	var number sql.NullInt64
	found, err := c.first(ctx, `SELECT pg_is_in_recovery(), current_database(), current_schema(),
		(SELECT oid::bigint FROM pg_namespace WHERE nspname = current_schema())`, nil, &recovering, &database, &schema, &number)
	switch {
	case err != nil:
		return err
	case !found || !schema.Valid:
		return fmt.Errorf("%w: no schema of the search path exists: create one (CREATE SCHEMA airtight) and name it in search_path", ErrSettings)
	case recovering:
		return fmt.Errorf("%w: this server is a standby: connect to the primary (target_session_attrs=read-write in the data source name)", ErrReadOnly)
	}
	c.place = fmt.Sprintf("schema %s of database %s", schema.String, database)
	c.lock = postgresLock<<32 | number.Int64

	settings := map[string]string{}
	if err := c.each(ctx, "SELECT name, setting FROM pg_settings", nil, func(rows *sql.Rows) error {
		var name, setting string
		err := rows.Scan(&name, &setting)
		settings[name] = setting
		return err
	}); err != nil {
		return err
	}
	for _, s := range []struct {
		name string
		fits func(string) bool
		want string
		why  string
	}{
		{"server_version_num", func(v string) bool { n, err := strconv.Atoi(v); return err == nil && n >= 130000 }, "130000 or more (PostgreSQL 13)", "the schema uses what older servers lack"},
		{"server_encoding", is("UTF8"), "UTF8", "text would not compare bytewise"},
		{"client_encoding", is("UTF8"), "UTF8", "text would come back altered"},
		{"synchronous_commit", is("on", "remote_apply"), "on or remote_apply", "a crash could take back mail that was acknowledged"},
		{"fsync", is("on"), "on", "a power loss could damage the database"},
		{"full_page_writes", is("on"), "on", "a power loss could damage the database"},
		{"default_transaction_read_only", is("off"), "off", "nothing could be written"},
		{"session_replication_role", is("origin", "local"), "origin", "records could be altered"},
	} {
		if value := settings[s.name]; !s.fits(value) {
			return fmt.Errorf("%w: %s is %q and must be %s, else %s: set it for all connections of this role and database (ALTER ROLE ... SET, ALTER DATABASE ... SET, postgresql.conf)",
				ErrSettings, s.name, value, s.want, s.why)
		}
	}
	if settings["idle_in_transaction_session_timeout"] == "0" {
		c.reset = "RESET idle_in_transaction_session_timeout"
	}
	return nil
}

// postgresPrepareWriter sees to it that a program which has vanished from the
// network in the middle of an update does not hold the lock for hours.
func postgresPrepareWriter(ctx context.Context, c *conn) error {
	if c.reset == "" {
		return nil // somebody has set it already
	}
	return c.run(ctx, "SET idle_in_transaction_session_timeout = '60s'")
}

func postgresRecognise(ctx context.Context, c *conn, shared bool) (mine bool, err error) {
	var tables []string
	if err := c.each(ctx, "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY relname", nil,
		func(rows *sql.Rows) error {
			var name string
			err := rows.Scan(&name)
			tables = append(tables, name)
			return err
		}); err != nil {
		return false, err
	}
	return recognise(tables, shared, "give a new schema or database, or the one that this desk has used before")
}

// postgresFault goes by the SQLSTATE of the server's error, which all drivers
// know, and without one by what says that there was no answer.
func postgresFault(err error) fault {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		state := coded.SQLState()
		switch {
		case strings.Contains(err.Error(), "PANIC: "): // the server ends, whatever the reason
			return lost
		case slices.Contains([]string{"40001", "40P01", "55P03"}, state):
			return busy
		case state == "23505":
			return duplicate
		case slices.Contains([]string{"XX001", "XX002"}, state):
			return corrupt
		case state == "25006":
			return readOnly
		case state == "53100", state == "XX000" && strings.Contains(err.Error(), "could not write init file"):
			return full // QUIRK: a new connection to a full server says it as an internal error
		case state == "42501":
			return denied
		case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "57P"), state == "53300", state == "25P03",
			state == "26000", state == "0A000": // the last two: what was prepared is gone, or old
			return lost
		}
		return otherFault
	}
	var network net.Error
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, sql.ErrConnDone) || errors.As(err, &network) ||
		strings.Contains(err.Error(), "conn closed") {
		return lost
	}
	return otherFault
}
