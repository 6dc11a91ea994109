// Command join shows how a program changes its own rows and its tickets in one
// transaction. A provider keeps a table of ports; when a port is shut, a block
// has to be on the desk, and the other way round: both are committed, or
// neither.
//
//	go run ./examples/join                                    # SQLite, in a file that is thrown away
//	go run ./examples/join postgres://user@localhost/database
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func main() {
	if err := example(context.Background(), os.Stdout, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func example(ctx context.Context, out io.Writer, args []string) error {
	folder, err := os.MkdirTemp("", "join-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	driver, source, dialect := "sqlite", sqlstore.SQLiteDSN(filepath.Join(folder, "provider.db")), sqlstore.SQLite
	switch {
	case len(args) == 1 && strings.HasPrefix(args[0], "postgres"):
		driver, source, dialect = "pgx", args[0], sqlstore.PostgreSQL
	case len(args) > 0:
		return fmt.Errorf("%q is not understood: allowed is one PostgreSQL URL, or nothing", args)
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS ports (address TEXT PRIMARY KEY, ticket BIGINT NOT NULL)"); err != nil {
		return err
	}
	store, err := sqlstore.New(ctx, db, sqlstore.Config{Dialect: dialect, Shared: true})
	if err != nil {
		return err
	}
	defer store.Close()
	csirt, err := desk.New(store, desk.Config{})
	if err != nil {
		return err
	}
	provider := &provider{db: db, store: store, desk: csirt}

	ticket, err := provider.shut(ctx, "192.0.2.7")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "port of 192.0.2.7 is shut, block %s is open\n", ticket)

	_, err = provider.shut(ctx, "192.0.2.7")
	if err == nil {
		return errors.New("a port was shut twice")
	}
	page, err := csirt.As("handler:alice").List(ctx, storage.Query{Kinds: []incident.Kind{incident.KindBlock}}, nil)
	fmt.Fprintf(out, "a port cannot be shut twice: still %d block\n", page.Total)
	return err
}

// provider has a table of its own beside the desk's.
type provider struct {
	db    *sql.DB
	store *sqlstore.Store
	desk  *desk.Desk
}

// shut shuts the port of an address and opens the block that says so.
func (p *provider) shut(ctx context.Context, address string) (incident.ID, error) {
	transaction, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer transaction.Rollback() // does nothing after the commit
	tx, err := p.store.Join(ctx, transaction)
	if err != nil {
		return 0, err
	}
	result, err := p.desk.As("system").DoTx(ctx, tx,
		workflow.Open{Kind: incident.KindIncident, Subject: "Abuse by " + address, Fields: map[string][]string{"Classification": {"Spam"}}},
		workflow.Open{Kind: incident.KindBlock, Subject: "Shut " + address, Parents: []incident.ID{incident.Nth(1)}})
	if err != nil {
		return 0, err
	}
	block := result.Opened[1]
	if _, err := transaction.ExecContext(ctx, "INSERT INTO ports (address, ticket) VALUES ($1, $2)", address, int64(block)); err != nil {
		return 0, err // and no ticket is left
	}
	if err := transaction.Commit(); err != nil {
		return 0, err
	}
	p.desk.Announce(ctx, result)
	return block, nil
}
