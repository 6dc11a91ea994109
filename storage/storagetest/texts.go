package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// said are words that texts of the check have: odd ones among them, and some that
// databases have a meaning for.
func said() []string {
	return []string{"scan", "scans", "192", "null", "and", "or", "not", "near", "words", "étude", "étude", "bücher", "ß", "ss", "日本", "日", "\U0001d7d8", "a", "x1", "the"}
}

// findText holds for stores that search texts; others have nothing to check.
func findText(c *trial) {
	all := c.world(120)
	texts := map[incident.ID]map[uint64][]string{}
	keeps := true
	put := func(ctx context.Context, tx storage.Tx) {
		keeper, ok := tx.(storage.TextKeeper)
		if keeps = keeps && ok; !keeps {
			return
		}
		for range 60 {
			t := all[c.rand.IntN(len(all))]
			text := storage.Text{Ticket: t.ID, Version: 1 + uint64(c.rand.IntN(int(t.Version))), Words: storage.Words(fmt.Sprint(some(c, said()...), some(c, said()...)))}
			if c.rand.IntN(10) == 0 {
				text.Words = nil
			}
			c.must(keeper.PutText(ctx, text))
			if texts[t.ID] == nil {
				texts[t.ID] = map[uint64][]string{}
			}
			texts[t.ID][text.Version] = text.Words
		}
	}
	for range 5 {
		c.update(put)
	}
	if !keeps {
		return
	}
	// What is rolled back was not said.
	gone := errors.New("gone")
	err := c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error {
		c.must(tx.(storage.TextKeeper).PutText(ctx, storage.Text{Ticket: all[0].ID, Version: 1, Words: said()}))
		return gone
	})
	if !errors.Is(err, gone) {
		c.broken("an update ends with %v where fn has given %v", err, gone)
	}
	found := 0
	c.view(func(ctx context.Context, r storage.Reader) {
		searcher, ok := r.(storage.TextSearcher)
		if !ok {
			c.broken("the store keeps texts, and its Reader does not search them")
		}
		for i := range 400 {
			words := some(c, said()...)[:1]
			if c.rand.IntN(2) == 0 {
				words = append(words, pick(c, said()...))
			}
			var q storage.Query
			if c.rand.IntN(3) > 0 {
				q = c.query(all)
			}
			q.IDs = nil
			saying := slices.DeleteFunc(slices.Clone(all), func(t incident.Ticket) bool {
				for _, text := range texts[t.ID] {
					if !slices.ContainsFunc(words, func(word string) bool { return !slices.Contains(text, word) }) {
						return false
					}
				}
				return true
			})
			want := ids(q.Select(saying))
			found += len(want)
			got, err := searcher.FindText(ctx, words, q)
			if err != nil || !slices.Equal(ids(got), want) {
				c.broken("seed %d, query %d: for the words %q FindText gives %v, %v; want %v\nquery: %s", c.seed, i, words, ids(got), err, want, text(q))
			}
			whole := q
			whole.After, whole.Limit = nil, 0
			if n, err := searcher.CountText(ctx, words, q); err != nil || n != len(whole.Select(saying)) {
				c.broken("seed %d, query %d: for the words %q CountText gives %d, %v; want %d\nquery: %s", c.seed, i, words, n, err, len(whole.Select(saying)), text(q))
			}
		}
		if got, err := searcher.FindText(ctx, nil, storage.Query{}); err != nil || len(got) > 0 {
			c.broken("without words FindText gives %v, %v", ids(got), err)
		}
	})
	if found < 400 {
		c.Fatalf("the check is too easy: 400 queries find %d tickets", found)
	}
}
