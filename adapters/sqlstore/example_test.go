package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

func Example() {
	folder, err := os.MkdirTemp("", "desk")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	ctx := context.Background()

	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(filepath.Join(folder, "desk.db")))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	store, err := sqlstore.New(ctx, db, sqlstore.Config{})
	if err != nil {
		log.Fatal(err) // says what is wrong with the database, and what to do
	}
	defer store.Close()

	err = store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		id, err := tx.NextID(ctx)
		if err != nil {
			return err
		}
		r := incident.Record{Ticket: id, At: time.UnixMicro(0).UTC(), By: incident.Correspondent}
		if err := r.Encode(incident.Opened{
			Kind: incident.KindReport, Status: "new", Phase: incident.Initial,
			Content: incident.OpenedContent{Subject: "Probes from 192.0.2.7"},
		}); err != nil {
			return err
		}
		incident.Seal(incident.Ticket{}, &r)
		return tx.Append(ctx, r)
	})
	if err != nil {
		log.Fatal(err)
	}

	err = store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		found, err := r.Find(ctx, storage.Query{Phases: []incident.Phase{incident.Initial}})
		for _, t := range found {
			fmt.Printf("#%s %s: %s\n", t.ID, t.Kind, t.Subject)
		}
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: #1 report: Probes from 192.0.2.7
}

func ExampleSQLiteDSN() {
	fmt.Println(sqlstore.SQLiteDSN("my desk?.db"))
	// Output: file:my%20desk%3F.db?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=cache_size(-16384)&_pragma=wal_autocheckpoint(8192)&_txlock=immediate
}

// The program's own row and the ticket are committed together, or neither.
func ExampleStore_Join() {
	folder, err := os.MkdirTemp("", "desk")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	ctx := context.Background()
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(filepath.Join(folder, "desk.db")))
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE ports (address TEXT PRIMARY KEY, ticket INTEGER)"); err != nil {
		log.Fatal(err)
	}
	store, err := sqlstore.New(ctx, db, sqlstore.Config{Shared: true})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	shut := func(address string) error {
		own, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer own.Rollback() // does nothing after the commit
		tx, err := store.Join(ctx, own)
		if err != nil {
			return err
		}
		id, err := tx.NextID(ctx)
		if err != nil {
			return err
		}
		r := incident.Record{Ticket: id, At: time.UnixMicro(0).UTC()}
		if err := r.Encode(incident.Opened{Kind: incident.KindBlock, Status: "pending", Phase: incident.Initial}); err != nil {
			return err
		}
		incident.Seal(incident.Ticket{}, &r)
		if err := tx.Append(ctx, r); err != nil {
			return err
		}
		if _, err := own.Exec("INSERT INTO ports VALUES (?, ?)", address, int64(id)); err != nil {
			return err
		}
		return own.Commit()
	}
	fmt.Println(shut("192.0.2.7"))
	fmt.Println(shut("192.0.2.7") == nil) // it is shut already: no second block is left
	err = store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		n, err := r.Count(ctx, storage.Query{})
		fmt.Println("blocks:", n)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// <nil>
	// false
	// blocks: 1
}
