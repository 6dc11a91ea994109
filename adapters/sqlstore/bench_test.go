package sqlstore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)

// sealed returns the record of an event that comes next on a ticket.
func sealed(t testing.TB, ticket incident.Ticket, id incident.ID, at time.Time, ev incident.Event) incident.Record {
	t.Helper()
	r := incident.Record{Ticket: id, At: at, By: "handler:alice", Command: "test", Salt: incident.Salt{1, 2, 3}}
	require.NoError(t, r.Encode(ev))
	incident.Seal(ticket, &r)
	return r
}

// report is the first event of the n-th of many reports.
func report(n int) incident.Opened {
	return incident.Opened{
		Kind: incident.KindReport, Status: "new", Phase: incident.Initial, Priority: n % 5, Constituency: fmt.Sprintf("c%d", n%20),
		Content: incident.OpenedContent{
			Subject:    fmt.Sprintf("Probes, case %d", n),
			Requestors: []incident.Party{{Name: "A Reporter", Address: fmt.Sprintf("r%d@example.org", n%1000)}},
			Observables: []incident.Observable{
				{Kind: incident.Address, Value: fmt.Sprintf("192.0.%d.%d", n/250%250, n%250)},
				{Kind: incident.Host, Value: fmt.Sprintf("h%d.example.net", n%5000)},
			},
		},
	}
}

// fill opens n reports, a thousand to an update.
func fill(t testing.TB, s *sqlstore.Store, n int) {
	t.Helper()
	for first := 0; first < n; first += 1000 {
		require.NoError(t, s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
			var records []incident.Record
			for i := first; i < min(n, first+1000); i++ {
				records = append(records, sealed(t, incident.Ticket{}, incident.ID(i+1), start, report(i)))
			}
			return tx.Append(ctx, records...)
		}))
	}
}

func BenchmarkUpdate(b *testing.B) {
	for _, size := range []int{1_000, 100_000} {
		b.Run(fmt.Sprintf("tickets=%d", size), func(b *testing.B) {
			s := openFile(b, filepath.Join(b.TempDir(), "desk.db"))
			fill(b, s, size)
			n := 0
			for b.Loop() {
				n++
				id := incident.ID(n*7919%size + 1)
				err := s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
					t, err := tx.Ticket(ctx, id)
					if err != nil {
						return err
					}
					return tx.Append(ctx, sealed(b, t, id, t.Updated, incident.Moved{From: t.Status, To: "open", Phase: incident.Active}))
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkView(b *testing.B) {
	s := openFile(b, filepath.Join(b.TempDir(), "desk.db"))
	fill(b, s, 20_000)
	for _, bench := range []struct {
		name  string
		query storage.Query
	}{
		{"ticket", storage.Query{IDs: []incident.ID{777}}},
		{"initial reports", storage.Query{Kinds: []incident.Kind{incident.KindReport}, Phases: []incident.Phase{incident.Initial}, Links: storage.Unlinked, Limit: 50}},
		{"mail", storage.Query{Mail: "r7@example.org", Limit: 50}},
		{"under", storage.Query{Under: "h7.example.net", Limit: 50}},
		{"most due", storage.Query{Order: storage.MostDue(), Limit: 50}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				err := s.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
					_, err := r.Find(ctx, bench.query)
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
