package desk_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// rare is an address that few tickets of a mentioning world have, and as many in a
// small one as in a large one: of a thousand tickets, ten have addresses of one /16.
func rare(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10 + byte(n/10>>8), byte(n / 10), byte(n >> 8), byte(n)})
}

// mentioning fills a store with tickets that mention something.
func mentioning(t testing.TB, store storage.Store, n int) *world {
	w := newWorldOn(t, store)
	w.size = n
	for from := 0; from < n; from += 5000 {
		require.NoError(t, store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
			for i := from; i < min(from+5000, n); i++ {
				opened := incident.Opened{Kind: incident.Kinds()[i%4], Status: "open", Phase: incident.Active, Constituency: fmt.Sprintf("c%d", i/200), Content: incident.OpenedContent{
					Subject: "Scan", Requestors: []incident.Party{{Address: fmt.Sprintf("bob%d@example.org", i)}},
					Observables: []incident.Observable{
						incident.AddressOf(rare(i), incident.RoleSource), incident.AddressOf(netip.MustParseAddr("192.0.2.7"), incident.RoleTarget),
						{Kind: incident.Host, Value: fmt.Sprintf("www%d.customer%d.example.com", i%10, i/10)},
					},
				}}
				id := incident.ID(i + 1)
				if err := appendTo(ctx, tx, id, w.now, opened); err != nil {
					return err
				}
				if err := tx.(storage.TextKeeper).PutText(ctx, storage.Text{Ticket: id, Version: 1, Words: []string{"dear", "colleagues", fmt.Sprintf("case%d", i/10)}}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	return w
}

// searches are what is looked up: n counts up.
func searches() []work {
	find := func(w *world, l desk.Lookup, want int) error {
		m, err := w.alice.Mentions(ctx, l)
		if err == nil && m.Circles[0].Total != want {
			err = fmt.Errorf("%v finds %d tickets, want %d", l, m.Circles[0].Total, want)
		}
		return err
	}
	at := func(w *world, n int) int { return n % 100 * (w.size / 100) }
	return []work{
		{"address", func(w *world, n int) error {
			return find(w, desk.Lookup{Observable: incident.AddressOf(rare(at(w, n)), "")}, 1)
		}},
		{"network", func(w *world, n int) error {
			return find(w, desk.Lookup{Observable: incident.PrefixOf(netip.PrefixFrom(rare(at(w, n)), 16).Masked(), "")}, 10)
		}},
		{"host", func(w *world, n int) error {
			return find(w, desk.Lookup{Observable: incident.Observable{Kind: incident.Host, Value: fmt.Sprintf("customer%d.example.com", at(w, n)/10)}}, 10)
		}},
		{"text", func(w *world, n int) error {
			return find(w, desk.Lookup{Text: fmt.Sprintf("Colleagues case%d", at(w, n)/10)}, 10)
		}},
		{"suggest", func(w *world, n int) error {
			_, err := w.alice.Suggest(ctx, incident.ID(at(w, n)+1))
			return err
		}},
	}
}

// What a lookup costs grows with what it finds, and not with the store. Set
// AIRTIGHT_LONG=1 to run it. What decides how a database answers, the plans of its
// queries, TestPlansOfSQLite and TestPlansOfPostgreSQL in adapters/sqlstore look at
// every time.
func TestLookupCostDoesNotGrowWithTickets(t *testing.T) {
	if os.Getenv("AIRTIGHT_LONG") == "" {
		t.Skip("AIRTIGHT_LONG is not set: the costs of lookups at 1,000 and 100,000 tickets are not compared")
	}
	for name, open := range map[string]func(testing.TB) storage.Store{"sqlite": sqliteFile, "postgres": postgres} {
		t.Run(name, func(t *testing.T) {
			compareSearches(t, mentioning(t, open(t), 1000), mentioning(t, open(t), 100_000))
		})
	}
}

// compareSearches wants a ratio of at most 2: trees of a hundred times as many keys
// are one or two pages deeper.
func compareSearches(t *testing.T, small, large *world) {
	const rounds, batches, batch, most = 5, 15, 20, 2.0
	for _, work := range searches() {
		ratio, n := most+1, 0
		for round := 0; round < rounds && ratio > most; round++ {
			var found [2][]time.Duration
			for range batches {
				for i, w := range []*world{small, large} {
					start := time.Now()
					for k := range batch {
						require.NoError(t, work.run(w, n+k), work.name)
					}
					found[i] = append(found[i], time.Since(start)/batch)
				}
				n += batch
			}
			slices.Sort(found[0])
			slices.Sort(found[1])
			low, high := found[0][batches/2], found[1][batches/2]
			ratio = float64(high) / float64(low)
			t.Logf("%s: %v at 1,000 tickets, %v at 100,000: ratio %.2f", work.name, low, high, ratio)
		}
		require.LessOrEqual(t, ratio, most, work.name)
	}
}
