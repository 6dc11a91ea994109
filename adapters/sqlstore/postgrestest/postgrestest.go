// Package postgrestest gives tests PostgreSQL databases to throw away. [New] is
// one database; [StartServer] is a server of a test's own, to be stopped, killed
// and copied.
//
// The databases lie on the server that AIRTIGHT_POSTGRES names in the environment
// (a URL, of a role that may create databases). Without it, the package starts a
// server from the binaries on this machine (Debian: postgresql), once for all
// tests of a binary, reachable through a socket in a folder of its own only. It
// ends with the test binary, however that ends. As root, it runs as the user
// postgres or nobody, because PostgreSQL refuses root.
//
// Where neither is to be had, tests are skipped, and the reason is told; with
// AIRTIGHT_REQUIRE_POSTGRES set, they fail.
//
// The package imports no driver; the test does:
//
//	import _ "github.com/jackc/pgx/v5/stdlib"
package postgrestest

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
)

// Driver is the name under which the driver of the test is registered.
const Driver = "pgx"

// shared is the server of all tests of this binary.
var shared = sync.OnceValues(func() (string, error) {
	if dsn := os.Getenv("AIRTIGHT_POSTGRES"); dsn != "" {
		if u, err := url.Parse(dsn); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
			return "", fmt.Errorf("AIRTIGHT_POSTGRES is %q and must be a URL, like postgres://user@host/postgres", dsn)
		}
		return dsn, nil
	}
	memory := "/dev/shm" // where there is one, nothing waits for a disk
	if _, err := os.Stat(memory); err != nil {
		memory = ""
	}
	s, err := newServer(Config{}, memory)
	if err != nil {
		return "", err
	}
	return s.DSN(), s.start()
})

var databases atomic.Int64

// New returns the data source name of a new and empty database, a copy of
// template0, which is dropped when the test ends.
func New(t testing.TB) string {
	t.Helper()
	base, err := shared()
	if err != nil {
		missing(t, err)
	}
	name := fmt.Sprintf("airtight_%d_%d", os.Getpid(), databases.Add(1))
	execute(t, base, fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8'", name))
	t.Cleanup(func() { execute(t, base, fmt.Sprintf("DROP DATABASE %s WITH (FORCE)", name)) })
	return within(base, name)
}

// within returns a data source name with another database in it.
func within(dsn, database string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		panic(err) // shared has parsed it
	}
	u.Path = "/" + database
	return u.String()
}

func execute(t testing.TB, dsn, statement string) {
	t.Helper()
	db, err := sql.Open(Driver, dsn)
	if err == nil {
		defer db.Close()
		_, err = db.Exec(statement)
	}
	if err != nil {
		t.Fatalf("postgrestest: %s: %v", statement, err)
	}
}

// missing ends a test that cannot have PostgreSQL.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("AIRTIGHT_REQUIRE_POSTGRES") != "" || os.Getenv("AIRTIGHT_POSTGRES") != "" {
		t.Fatalf("postgrestest: %v", err)
	}
	t.Skipf("SKIPPED, PostgreSQL is missing: set AIRTIGHT_POSTGRES to the URL of a server, or install one here (Debian: postgresql): %v", err)
}
