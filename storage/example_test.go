package storage_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// seven returns a store with seven reports.
func seven() storage.Store {
	store := memory.New()
	err := store.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		draft := storage.NewDraft(tx)
		for range 7 {
			id, err := draft.NextID(ctx)
			if err != nil {
				return err
			}
			r := incident.Record{Ticket: id, At: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
			if err := r.Encode(incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial}); err != nil {
				return err
			}
			if err := draft.Append(ctx, r); err != nil {
				return err
			}
		}
		_, err := draft.Flush(ctx, tx)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	return store
}

// Pages of three, each from behind the last ticket of the page before.
func ExampleQuery() {
	q := storage.Query{
		Kinds: []incident.Kind{incident.KindReport},
		Links: storage.Unlinked,
		Limit: 3,
	}
	err := seven().View(context.Background(), func(ctx context.Context, r storage.Reader) error {
		for {
			page, err := r.Find(ctx, q)
			if err != nil || len(page) == 0 {
				return err
			}
			fmt.Println("page from", page[0].ID, "to", page[len(page)-1].ID)
			q.After = storage.CursorAt(page[len(page)-1])
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// page from 1 to 3
	// page from 4 to 6
	// page from 7 to 7
}

// A draft that is never flushed is a preview: it shows what would be.
func ExampleDraft() {
	store := seven()
	err := store.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
		draft := storage.NewDraft(r)
		record := incident.Record{Ticket: 7, At: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), By: "handler:alice"}
		if err := record.Encode(incident.Owned{To: "handler:alice"}); err != nil {
			return err
		}
		if err := draft.Append(ctx, record); err != nil {
			return err
		}
		free := storage.Query{Owners: []incident.Actor{incident.Nobody}}
		would, err := draft.Count(ctx, free)
		if err != nil {
			return err
		}
		is, err := r.Count(ctx, free)
		fmt.Printf("without owner: %d, would be %d\n", is, would)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: without owner: 7, would be 6
}
