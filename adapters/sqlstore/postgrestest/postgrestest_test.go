package postgrestest_test

import (
	"database/sql"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
)

func open(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(postgrestest.Driver, dsn)
	require.NoError(t, err)
	t.Cleanup(func() { db.Close() })
	return db
}

func count(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow("SELECT count(*) FROM a").Scan(&n))
	return n
}

func TestDatabasesOfTheirOwn(t *testing.T) {
	db := open(t, postgrestest.New(t))
	_, err := db.Exec("CREATE TABLE a (b INTEGER); INSERT INTO a VALUES (1)")
	require.NoError(t, err)
	assert.Equal(t, 1, count(t, db))
	_, err = open(t, postgrestest.New(t)).Exec("CREATE TABLE a (b INTEGER)")
	assert.NoError(t, err, "a new database is empty")
}

func TestServer(t *testing.T) {
	primary := postgrestest.StartServer(t, postgrestest.Config{})
	db := open(t, primary.DSN())
	_, err := db.Exec("CREATE TABLE a (b INTEGER); INSERT INTO a VALUES (1)")
	require.NoError(t, err)
	primary.Stop()
	_, err = db.Exec("INSERT INTO a VALUES (0)")
	require.Error(t, err)
	primary.Start()
	_, err = open(t, primary.DSN()).Exec("INSERT INTO a VALUES (2)")
	require.NoError(t, err)

	standby := primary.Standby()
	either := open(t, postgrestest.DSN(standby, primary))
	_, err = either.Exec("INSERT INTO a VALUES (3)")
	require.NoError(t, err, "the one that can be written")
	primary.Kill()
	standby.Promote()
	either = open(t, postgrestest.DSN(primary, standby))
	_, err = either.Exec("INSERT INTO a VALUES (4)")
	require.NoError(t, err)
	assert.Equal(t, 4, count(t, either))
}
