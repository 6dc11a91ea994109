package storagetest

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// TestDraftFindEqualsMatch changes part of a world in a Draft and asks the
// draft, which merges what it holds with what lies below.
func TestDraftFindEqualsMatch(t *testing.T) {
	seed := seed(t)
	c := &trial{TB: t, ctx: context.Background(), store: memory.New(), seed: seed, rand: rand.New(rand.NewPCG(seed, 2))}
	base := c.world(200)
	nonempty := 0
	compare := func(ctx context.Context, below storage.Reader) {
		draft := storage.NewDraft(below)
		now := c.drafted(ctx, draft, slices.Clone(base))
		for i := range 1000 {
			q := c.query(now)
			want := q.Select(now)
			got, err := draft.Find(ctx, q)
			if err != nil || !slices.Equal(ids(got), ids(want)) {
				t.Fatalf("seed %d, query %d: Find gives %v, %v\nwant %v\nquery: %s", seed, i, ids(got), err, ids(want), text(q))
			}
			if len(got) > 0 && text(got[0]) != text(want[0]) {
				t.Fatalf("seed %d, query %d: Find gives\n%s\nwant\n%s", seed, i, text(got[0]), text(want[0]))
			}
			q.After, q.Limit = nil, 0
			all := len(q.Select(now))
			if n, err := draft.Count(ctx, q); err != nil || n != all {
				t.Fatalf("seed %d, query %d: Count gives %d, %v; want %d\nquery: %s", seed, i, n, err, all, text(q))
			}
			if all > 0 {
				nonempty++
			}
		}
	}
	c.view(compare)
	c.must(c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error {
		compare(ctx, tx)
		return nil
	}))
	t.Logf("seed %d: 2000 queries, %d of them with an answer", seed, nonempty)
	if nonempty < 1000 {
		t.Errorf("too few queries have an answer: %d", nonempty)
	}
}

// drafted changes some tickets and opens others, sealed and not.
func (c *trial) drafted(ctx context.Context, draft *storage.Draft, all []incident.Ticket) []incident.Ticket {
	for _, at := range c.rand.Perm(len(all))[:80] {
		for _, ev := range append(c.randomEvents(), incident.Owned{To: pick(c, owners()...)}) {
			r := sealed(all[at], all[at].ID, hour(c.rand.IntN(40)), ev)
			if at%2 == 0 {
				r.Hash = incident.Digest{}
			}
			c.must(draft.Append(ctx, r))
			all[at] = incident.Apply(all[at], r)
		}
	}
	for range 40 {
		t, err := openAt(ctx, draft, hour(c.rand.IntN(10)), c.randomTicket(all))
		c.must(err)
		all = append(all, t)
	}
	return all
}
