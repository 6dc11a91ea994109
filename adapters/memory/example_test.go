package memory_test

import (
	"context"
	"fmt"
	"time"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

func ExampleNew() {
	ctx := context.Background()
	store := memory.New()

	err := store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		id, err := tx.NextID(ctx)
		if err != nil {
			return err
		}
		r := incident.Record{Ticket: id, At: time.Date(2026, 5, 4, 8, 0, 0, 0, time.UTC), By: "handler:alice", Command: "open"}
		opened := incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial}
		opened.Content.Subject = "scan from 192.0.2.7"
		if err := r.Encode(opened); err != nil {
			return err
		}
		incident.Seal(incident.Ticket{}, &r)
		return tx.Append(ctx, r)
	})
	if err != nil {
		fmt.Println(err)
	}

	err = store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		reports, err := r.Find(ctx, storage.Query{Kinds: []incident.Kind{incident.KindReport}})
		for _, t := range reports {
			fmt.Println(t.ID, t.Status, t.Subject)
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: 1 new scan from 192.0.2.7
}
