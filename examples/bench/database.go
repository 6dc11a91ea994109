package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/storage"
)

// database is one that a run makes and throws away, and its copy for the bare
// loop.
type database struct {
	kind, driver string
	dialect      sqlstore.Dialect
	dsn, twin    string // of the desk, of the bare loop

	begin        string   // a transaction that writes
	dropTriggers []string // statements for the copy
	create       func(context.Context) error
	copy         func(context.Context) error // while nobody has the database open
	drop         func() error                // both
}

// store opens the desk's store.
func (d *database) store(ctx context.Context) (storage.Store, func() error, error) {
	db, err := sql.Open(d.driver, d.dsn)
	if err != nil {
		return nil, nil, err
	}
	store, err := sqlstore.New(ctx, db, sqlstore.Config{Dialect: d.dialect})
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return store, func() error { return errors.Join(store.Close(), db.Close()) }, nil
}

// sqliteDatabase lies in files in a folder.
func sqliteDatabase(folder string, tickets int) *database {
	file := filepath.Join(folder, fmt.Sprintf("desk-%d.db", tickets))
	twin := filepath.Join(folder, fmt.Sprintf("bare-%d.db", tickets))
	return &database{
		kind: "sqlite", driver: "sqlite", dialect: sqlstore.SQLite,
		dsn: sqlstore.SQLiteDSN(file), twin: sqlstore.SQLiteDSN(twin), begin: "BEGIN IMMEDIATE",
		dropTriggers: []string{
			"DROP TRIGGER records_are_not_changed", "DROP TRIGGER records_are_not_deleted", "DROP TRIGGER records_are_not_replaced",
		},
		create: func(context.Context) error { return nil }, // the store does
		copy:   func(context.Context) error { return copyFile(file, twin) },
		drop: func() error {
			var failed error
			for _, name := range []string{file, twin} {
				for _, suffix := range []string{"", "-wal", "-shm"} {
					if err := os.Remove(name + suffix); !errors.Is(err, os.ErrNotExist) {
						failed = errors.Join(failed, err)
					}
				}
			}
			return failed
		},
	}
}

// copyFile copies a database that was closed: all of it is in the file then.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// postgresDatabase lies on the server that a URL names, in databases of its own.
func postgresDatabase(server string, tickets int) (*database, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("airtight_bench_%d_%d", os.Getpid(), tickets)
	within := func(name string) string {
		other := *u
		other.Path = "/" + name
		return other.String()
	}
	run := func(ctx context.Context, statements ...string) error {
		db, err := sql.Open("pgx", server)
		if err != nil {
			return err
		}
		defer db.Close()
		for _, s := range statements {
			if _, err := db.ExecContext(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", strings.Fields(s)[0]+" "+strings.Fields(s)[1], err)
			}
		}
		return nil
	}
	return &database{
		kind: "postgres", driver: "pgx", dialect: sqlstore.PostgreSQL,
		dsn: within(name), twin: within(name + "_bare"), begin: "BEGIN",
		dropTriggers: []string{"DROP TRIGGER records_are_final ON records"},
		create: func(ctx context.Context) error {
			return run(ctx, "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8'")
		},
		copy: func(ctx context.Context) error {
			return run(ctx, "CREATE DATABASE "+name+"_bare TEMPLATE "+name)
		},
		drop: func() error {
			return run(context.Background(),
				"DROP DATABASE IF EXISTS "+name+"_bare WITH (FORCE)", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		},
	}, nil
}
