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

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// sensed fills a store with reports of a feed. Of four, two wait, each about an address of
// its own; one was appended to an incident, and one, about an address that makes noise,
// rejected. Before and behind them are a few reports by mail, and an incident for each
// address on the first page of the queue.
func sensed(t *testing.T, store storage.Store, n int) *world {
	w := newWorldOn(t, store)
	w.size = n
	noisy := netip.MustParseAddr("192.0.2.7")
	opened := func(kind incident.Kind, phase incident.Phase, address netip.Addr, parents ...incident.ID) incident.Opened {
		return incident.Opened{Kind: kind, Status: "x", Phase: phase, Parents: parents, Content: incident.OpenedContent{
			Subject: address.String(), Observables: []incident.Observable{incident.AddressOf(address, incident.RoleSource)},
		}}
	}
	observed := incident.Observed{Feed: "sensors", Added: 1, Count: 1, First: &w.now, Last: &w.now}
	id := incident.ID(0)
	write := func(from, to int, of func(i int) []incident.Event) {
		require.NoError(t, store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
			for i := from; i < to; i++ {
				id++
				if err := appendTo(ctx, tx, id, w.now, of(i)...); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	others := func() {
		write(0, 5, func(int) []incident.Event {
			return []incident.Event{opened(incident.KindReport, incident.Initial, noisy), incident.Message{Side: incident.Outside}}
		})
		write(0, 100, func(i int) []incident.Event {
			return []incident.Event{opened(incident.KindIncident, incident.Active, rare(i))}
		})
	}
	others()
	for from := 0; from < n; from += 5000 {
		write(from, min(from+5000, n), func(i int) []incident.Event {
			switch {
			case i%4 == 0:
				return []incident.Event{opened(incident.KindReport, incident.Active, rare(i), 6), observed}
			case i%4 == 1:
				return []incident.Event{opened(incident.KindReport, incident.Inactive, noisy), observed}
			case i == 2:
				return []incident.Event{opened(incident.KindReport, incident.Initial, noisy), observed}
			}
			return []incident.Event{opened(incident.KindReport, incident.Initial, rare(i)), observed}
		})
	}
	others()
	return w
}

// Beside many reports of feeds the lists of a desk, and what it offers to a report, cost
// what they cost beside few. The store in memory goes through what waits to sort and count
// it, and through what is about the same address. Set AIRTIGHT_LONG=1 to run it on a
// database too, whose plans TestPlansOfSQLite and TestPlansOfPostgreSQL in
// adapters/sqlstore look at every time.
func TestQueueCostDoesNotGrowWithReports(t *testing.T) {
	const few, many = 1000, 20_000
	queue := func(w *world, after *storage.Cursor, offered int) error {
		page, err := w.alice.Queue(ctx, after)
		if err == nil && (len(page.Entries) != desk.PageSize || page.Total != w.size/2 || len(page.Entries[1].Offered) != offered) {
			err = fmt.Errorf("%d of %d reports, %d incidents offered", len(page.Entries), page.Total, len(page.Entries[1].Offered))
		}
		return err
	}
	lists := []work{
		{"new reports by mail", func(w *world, _ int) error {
			page, err := w.alice.NewUnlinked(ctx, nil)
			if err == nil && page.Total != 10 {
				err = fmt.Errorf("%d reports", page.Total)
			}
			return err
		}},
		{"what a noisy report is offered", func(w *world, _ int) error { _, err := w.alice.Suggest(ctx, 108); return err }},
		{"the queue", func(w *world, _ int) error { return queue(w, nil, 2) }},
		{"a later page of the queue", func(w *world, _ int) error { return queue(w, &storage.Cursor{ID: incident.ID(w.size / 2)}, 0) }},
	}
	for _, c := range []struct {
		store string
		open  func(testing.TB) storage.Store
		most  []float64
	}{
		{"memory", func(testing.TB) storage.Store { return memory.New() }, []float64{3, 10, 15, 15}},
		{"sqlite", sqliteFile, []float64{3, 3, 3, 3}},
	} {
		t.Run(c.store, func(t *testing.T) {
			if c.store != "memory" && os.Getenv("AIRTIGHT_LONG") == "" {
				t.Skip("AIRTIGHT_LONG is not set: the costs beside 1,000 and 20,000 reports of a feed are not compared")
			}
			small, large := sensed(t, c.open(t), few), sensed(t, c.open(t), many)
			for i, list := range lists {
				const rounds = 5
				ratio := c.most[i] + 1
				for round := 0; round < rounds && ratio > c.most[i]; round++ {
					low, high := medians(t, list, small, large)
					ratio = float64(high) / float64(low)
					t.Logf("%s: %v beside %d reports of a feed, %v beside %d: ratio %.2f", list.name, low, few, high, many, ratio)
				}
				require.LessOrEqual(t, ratio, c.most[i], list.name)
			}
		})
	}
}

// medians returns the median cost of a work in two worlds that take turns.
func medians(t *testing.T, of work, small, large *world) (low, high time.Duration) {
	const batches, batch = 9, 4
	var found [2][]time.Duration
	for range batches {
		for i, w := range []*world{small, large} {
			start := time.Now()
			for n := range batch {
				require.NoError(t, of.run(w, n), of.name)
			}
			found[i] = append(found[i], time.Since(start)/batch)
		}
	}
	slices.Sort(found[0])
	slices.Sort(found[1])
	return found[0][batches/2], found[1][batches/2]
}
