package sqlstore_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
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
	db, err := sql.Open("sqlite", dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	s, err := sqlstore.New(context.Background(), db, sqlstore.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContractInAFile(t *testing.T) {
	storagetest.Run(t, func(t testing.TB) storage.Store {
		return openFile(t, filepath.Join(t.TempDir(), "desk.db"))
	})
}

func TestContractInMemory(t *testing.T) {
	storagetest.Run(t, func(t testing.TB) storage.Store { return openFile(t, ":memory:") })
}
