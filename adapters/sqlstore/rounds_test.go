package sqlstore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// Each statement is one way to the server and back.
func TestRoundTrips(t *testing.T) {
	server := postgrestest.StartServer(t, postgrestest.Config{Settings: []string{"log_statement=all"}})
	s := openPostgres(t, server.DSN())
	trips := func(fn func(ctx context.Context, tx storage.Tx) error) (statements []string) {
		t.Helper()
		for range 2 { // the first prepares
			before := len(server.Log())
			require.NoError(t, s.Update(context.Background(), fn))
			time.Sleep(20 * time.Millisecond)
			statements = nil
			for _, line := range strings.Split(server.Log()[before:], "\n") {
				if _, text, ok := strings.Cut(line, "LOG:  "); ok {
					statements = append(statements, text)
				}
			}
		}
		return statements
	}
	nothing := trips(func(context.Context, storage.Tx) error { return nil })
	assert.Len(t, nothing, 3, "BEGIN and the lock, the numbers, COMMIT: %q", nothing)

	open := func(n int) func(ctx context.Context, tx storage.Tx) error {
		return func(ctx context.Context, tx storage.Tx) error {
			id, err := tx.NextID(ctx)
			if err != nil {
				return err
			}
			records := []incident.Record{sealed(t, incident.Ticket{}, id, start, report(int(id)))}
			ticket := incident.Apply(incident.Ticket{}, records[0])
			for range n - 1 {
				r := sealed(t, ticket, id, start, incident.Commented{})
				ticket = incident.Apply(ticket, r)
				records = append(records, r)
			}
			return tx.Append(ctx, records...)
		}
	}
	one, ten := trips(open(1)), trips(open(10))
	assert.Len(t, one, 7, "and the ticket; records, contents, ticket and numbers; observables; names: %q", one)
	assert.Len(t, ten, len(one), "%q", ten)
	change := trips(func(ctx context.Context, tx storage.Tx) error {
		ticket, err := tx.Ticket(ctx, 1)
		if err != nil {
			return err
		}
		return tx.Append(ctx, sealed(t, ticket, 1, ticket.Updated, incident.Commented{}))
	})
	assert.Len(t, change, 5, "%q", change)
	many := trips(func(ctx context.Context, tx storage.Tx) error {
		found, err := tx.Find(ctx, storage.Query{Limit: 20, Order: []storage.Order{{Column: storage.ByID, Descending: true}}})
		if err != nil {
			return err
		}
		var records []incident.Record
		for _, ticket := range found {
			records = append(records, sealed(t, ticket, ticket.ID, ticket.Updated, incident.Commented{}))
		}
		return tx.Append(ctx, records...)
	})
	assert.Len(t, many, 6, "and the list, the tickets, the rest: %q", many)
}
