package sqlstore_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/storage/storagetest"
)

// openFile opens the store in a file and closes it when the test ends.
func openFile(t testing.TB, path string) *sqlstore.Store {
	t.Helper()
	return openDSN(t, sqlstore.SQLiteDSN(path))
}

func openDSN(t testing.TB, dsn string) *sqlstore.Store {
	t.Helper()
	return openWith(t, "sqlite", dsn, sqlstore.Config{})
}

// openPostgres does the same with a database on a server.
func openPostgres(t testing.TB, dsn string) *sqlstore.Store {
	t.Helper()
	return openWith(t, postgrestest.Driver, dsn, sqlstore.Config{Dialect: sqlstore.PostgreSQL})
}

func openWith(t testing.TB, driver, dsn string, config sqlstore.Config) *sqlstore.Store {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	s, err := sqlstore.New(context.Background(), db, config)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContractInAFile(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t testing.TB) storage.Store {
		return openFile(t, filepath.Join(t.TempDir(), "desk.db"))
	})
}

func TestContractInMemory(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t testing.TB) storage.Store { return openFile(t, ":memory:") })
}

func TestContractOnPostgreSQL(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t testing.TB) storage.Store { return openPostgres(t, postgrestest.New(t)) })
}
