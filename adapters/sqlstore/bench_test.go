package sqlstore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
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

// onDisks runs a benchmark on both databases, each on the disk of the temporary
// folder, and filled with reports.
func onDisks(b *testing.B, sizes []int, bench func(b *testing.B, s *sqlstore.Store, size int)) {
	for _, size := range sizes {
		b.Run(fmt.Sprintf("SQLite/tickets=%d", size), func(b *testing.B) {
			s := openFile(b, filepath.Join(b.TempDir(), "desk.db"))
			fill(b, s, size)
			bench(b, s, size)
		})
		b.Run(fmt.Sprintf("PostgreSQL/tickets=%d", size), func(b *testing.B) {
			s := openPostgres(b, postgrestest.StartServer(b, postgrestest.Config{}).DSN())
			fill(b, s, size)
			bench(b, s, size)
		})
	}
}

// BenchmarkMail opens a ticket of two records, with a claim and a body.
func BenchmarkMail(b *testing.B) {
	onDisks(b, []int{1_000, 100_000}, func(b *testing.B, s *sqlstore.Store, _ int) {
		m := &mails{store: s, name: "bench", body: make([]byte, 2000)}
		for b.Loop() {
			if err := m.take(b); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkUpdate moves a ticket.
func BenchmarkUpdate(b *testing.B) {
	onDisks(b, []int{1_000, 100_000}, func(b *testing.B, s *sqlstore.Store, size int) {
		n := 0
		for b.Loop() {
			n++
			id := incident.ID(n*7919%size + 1)
			err := s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
				t, err := tx.Ticket(ctx, id)
				if err != nil {
					return err
				}
				to := incident.Status(fmt.Sprintf("s%d", n%7))
				return tx.Append(ctx, sealed(b, t, id, t.Updated.Add(time.Second), incident.Moved{From: t.Status, To: to, Phase: incident.Active}))
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMany appends to a hundred tickets at once.
func BenchmarkMany(b *testing.B) {
	onDisks(b, []int{1_000}, func(b *testing.B, s *sqlstore.Store, size int) {
		for b.Loop() {
			err := s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
				found, err := tx.Find(ctx, storage.Query{Limit: 100})
				if err != nil {
					return err
				}
				var records []incident.Record
				for _, t := range found {
					records = append(records, sealed(b, t, t.ID, t.Updated, incident.Moved{From: t.Status, To: "open", Phase: incident.Active}))
				}
				return tx.Append(ctx, records...)
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkView(b *testing.B) {
	reports := []incident.Kind{incident.KindReport}
	open := []incident.Phase{incident.Initial, incident.Active}
	onDisks(b, []int{20_000}, func(b *testing.B, s *sqlstore.Store, _ int) {
		for _, bench := range []struct {
			name  string
			query storage.Query
		}{
			{"ticket", storage.Query{IDs: []incident.ID{777}}},
			{"initial reports", storage.Query{Kinds: reports, Phases: open[:1], Links: storage.Unlinked}},
			{"mail", storage.Query{Mail: "r7@example.org"}},
			{"under", storage.Query{Under: "h7.example.net"}},
			{"most due", storage.Query{Kinds: reports, Phases: open, Order: storage.MostDue()}},
			{"most due of all, page 2", storage.Query{Order: storage.MostDue(), After: &storage.Cursor{ID: 50, Priority: 4}}},
		} {
			bench.query.Limit = 50
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
	})
}
