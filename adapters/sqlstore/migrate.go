package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Each file is one step of the schema, its number the version that it leads
// to. A released file is never edited: the checksum of each step taken stands
// in the database.
//
//go:embed migrations/*/*.sql
var migrationFiles embed.FS

const migrationsTable = "airtight_migrations"

type migration struct {
	version  int
	name     string // of the file
	text     string
	checksum string
}

// migrationsIn returns the steps in a folder, in order.
func migrationsIn(files fs.FS, folder string) ([]migration, error) {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil, err
	}
	var steps []migration
	for _, entry := range entries {
		number, _, _ := strings.Cut(entry.Name(), "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != len(steps)+1 {
			return nil, fmt.Errorf("sqlstore: migration %s should begin with %04d_", entry.Name(), len(steps)+1)
		}
		text, err := fs.ReadFile(files, path.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		// A checkout may have turned line ends into CRLF.
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
		steps = append(steps, migration{version, entry.Name(), string(text), incident.DigestOf(text).String()})
	}
	return steps, nil
}

// migrate brings the database to the last of the steps, all in one transaction,
// and returns the versions before and after.
func migrate(ctx context.Context, c *conn, steps []migration, shared bool) (before, after int, err error) {
	defer func() {
		if err != nil {
			c.rollback(ctx)
		}
	}()
	if err := c.dialect.beginWrite(ctx, c); err != nil {
		return 0, 0, err
	}
	mine, err := c.dialect.recognise(ctx, c, shared)
	if err != nil {
		return 0, 0, err
	}
	if mine {
		if before, err = checkMigrations(ctx, c, steps); err != nil {
			return before, before, err
		}
		if err := c.dialect.writable(ctx, c); err != nil {
			return before, before, err
		}
	} else if _, err := c.exec(ctx, "CREATE TABLE "+migrationsTable+
		" (version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied TEXT NOT NULL)"); err != nil {
		return 0, 0, err
	}
	for _, step := range steps[before:] {
		if _, err := c.ExecContext(ctx, step.text); err != nil {
			return before, before, fmt.Errorf("sqlstore: migration %s: %w", step.name, c.fail(ctx, err))
		}
		if _, err := c.exec(ctx, "INSERT INTO "+migrationsTable+" (version, name, checksum, applied) VALUES (?, ?, ?, ?)",
			step.version, step.name, step.checksum, time.Now().UTC().Format(time.RFC3339)); err != nil {
			return before, before, err
		}
	}
	if !shared {
		// A dump that was read in again has lost the mark.
		if err := c.dialect.brand(ctx, c); err != nil {
			return before, before, err
		}
	}
	return before, len(steps), c.commit(ctx)
}

// checkMigrations compares the steps that the database went through with ours,
// and returns how many there are.
func checkMigrations(ctx context.Context, c *conn, steps []migration) (version int, err error) {
	err = c.each(ctx, "SELECT version, name, checksum FROM "+migrationsTable+" ORDER BY version", nil, func(rows *sql.Rows) error {
		var taken migration
		if err := rows.Scan(&taken.version, &taken.name, &taken.checksum); err != nil {
			return err
		}
		version++
		switch {
		case taken.version > len(steps):
			return fmt.Errorf("%w: its schema has version %d (%s), this program knows up to %d: update this program; the database was left as it is",
				ErrNewer, taken.version, taken.name, len(steps))
		case taken.version != version:
			return fmt.Errorf("%w: step %d of its schema is missing: restore the database from a backup", ErrAltered, version)
		case taken.checksum != steps[version-1].checksum:
			return fmt.Errorf("%w: step %d of its schema, %s, is not the one that this program calls %s: open it with the program that made it, or restore a backup",
				ErrAltered, version, taken.name, steps[version-1].name)
		}
		return nil
	})
	return version, err
}

// ownTables are ours wherever they are.
func ownTables() []string {
	return []string{"meta", "records", "record_contents", "tickets", "ticket_parents", "ticket_observables",
		"ticket_names", "ticket_fields", "claims", "outgoing", "blobs", "feed_bookmarks", "texts", "text_words"}
}

// recognise tells by its tables whose a database is. One that is shared may hold
// any but those with our names.
func recognise(tables []string, shared bool, remedy string) (mine bool, err error) {
	if slices.Contains(tables, migrationsTable) {
		return true, nil
	}
	foreign := tables
	if shared {
		foreign = slices.DeleteFunc(slices.Clone(tables), func(t string) bool { return !slices.Contains(ownTables(), t) })
	}
	switch {
	case len(foreign) == 0:
		return false, nil
	case shared:
		return false, fmt.Errorf("%w: it holds tables of another program with our names (%s): give them other names, or the store a database of its own",
			ErrForeign, strings.Join(foreign, ", "))
	}
	return false, fmt.Errorf("%w: it holds tables of another program (%s): %s; or set Config.Shared if they are this program's own",
		ErrForeign, strings.Join(foreign[:min(3, len(foreign))], ", "), remedy)
}
