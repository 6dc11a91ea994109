package memory

import (
	"context"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// place is where a text stands.
type place struct {
	ticket  incident.ID
	version uint64
}

// texts are the words of texts.
type texts struct {
	words  map[place][]string
	places map[string]map[place]struct{} // of each word
}

func newTexts() texts {
	return texts{words: map[place][]string{}, places: map[string]map[place]struct{}{}}
}

func (x texts) put(t storage.Text) {
	at := place{t.Ticket, t.Version}
	for _, word := range x.words[at] {
		delete(x.places[word], at)
	}
	x.words[at] = t.Words
	for _, word := range t.Words {
		if x.places[word] == nil {
			x.places[word] = map[place]struct{}{}
		}
		x.places[word][at] = struct{}{}
	}
}

// tickets returns, in ascending order, those with a text that has all of words.
func (x texts) tickets(words []string) (ids []incident.ID) {
	if len(words) == 0 {
		return nil
	}
	rarest := slices.MinFunc(words, func(a, b string) int { return len(x.places[a]) - len(x.places[b]) })
	for at := range x.places[rarest] {
		if !slices.ContainsFunc(words, func(word string) bool { _, ok := x.places[word][at]; return !ok }) {
			ids = append(ids, at.ticket)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// FindText implements [storage.TextSearcher].
func (t *tables) FindText(_ context.Context, words []string, q storage.Query) ([]incident.Ticket, error) {
	var found []incident.Ticket
	for _, id := range t.texts.tickets(words) {
		found = append(found, t.tickets[id])
	}
	return q.Select(found), nil
}

// CountText implements [storage.TextSearcher].
func (t *tables) CountText(_ context.Context, words []string, q storage.Query) (int, error) {
	n := 0
	for _, id := range t.texts.tickets(words) {
		if q.Match(t.tickets[id]) {
			n++
		}
	}
	return n, nil
}

var (
	_ storage.TextSearcher = (*tables)(nil)
	_ storage.TextKeeper   = (*tx)(nil)
)
