package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
)

// database opens what --db names: a PostgreSQL server, or a file of SQLite.
func (o *options) database(create bool) (*sql.DB, sqlstore.Dialect, error) {
	if o.onServer() {
		db, err := sql.Open("pgx", o.db)
		return db, sqlstore.PostgreSQL, err
	}
	if _, err := os.Stat(o.db); errors.Is(err, fs.ErrNotExist) && !create {
		return nil, 0, fmt.Errorf("there is no database %s: run desk serve or desk receive first, or name another one by --db", o.db)
	}
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(o.db))
	return db, sqlstore.SQLite, err
}

func (o *options) onServer() bool {
	return strings.HasPrefix(o.db, "postgres://") || strings.HasPrefix(o.db, "postgresql://")
}

// databaseName is what may be shown of --db: no password.
func (o *options) databaseName() string {
	if !o.onServer() {
		return o.db
	}
	u, err := url.Parse(o.db)
	if err != nil {
		return "on a PostgreSQL server"
	}
	q := u.Query()
	_, password := u.User.Password()
	if !password && !q.Has("password") && !q.Has("sslpassword") {
		return o.db
	}
	q.Del("password")
	q.Del("sslpassword")
	u.RawQuery = q.Encode()
	return u.Redacted()
}

func (o *options) hasPassword() bool { return o.databaseName() != o.db }
