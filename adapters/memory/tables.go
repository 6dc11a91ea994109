package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// tables is what is committed. Reading it is the [storage.Reader] of a View.
// Values in it are never written to, only replaced.
type tables struct {
	tickets   map[incident.ID]incident.Ticket
	ids       []incident.ID // of tickets but the desk's, ascending
	index     index
	alarms    alarms
	feed      []incident.Record        // that with Seq n at n-1
	histories map[incident.ID][]uint64 // Seq of each record of a ticket
	claims    map[storage.Key]incident.ID
	outbox    outbox
	blobs     map[incident.Digest][]byte
	bookmarks map[string]storage.Bookmark
	texts     texts
}

func newTables() *tables {
	return &tables{
		tickets:   map[incident.ID]incident.Ticket{},
		index:     index{},
		alarms:    newAlarms(),
		histories: map[incident.ID][]uint64{},
		claims:    map[storage.Key]incident.ID{},
		outbox:    newOutbox(),
		blobs:     map[incident.Digest][]byte{},
		bookmarks: map[string]storage.Bookmark{},
		texts:     newTexts(),
	}
}

func (t *tables) commit(c storage.Changes) {
	for _, ticket := range c.Tickets {
		t.put(ticket)
	}
	for _, r := range c.Records {
		r.Seq = uint64(len(t.feed)) + 1
		t.feed = append(t.feed, r)
		t.histories[r.Ticket] = append(t.histories[r.Ticket], r.Seq)
	}
	for _, claim := range c.Claims {
		t.claims[claim.Key] = claim.Ticket
	}
	for _, o := range c.Outgoing {
		t.outbox.put(o)
	}
	for digest, content := range c.Blobs {
		t.blobs[digest] = content
	}
	for _, text := range c.Texts {
		t.texts.put(text)
	}
	for _, b := range c.Bookmarks {
		t.bookmarks[b.Name] = b
		if b.Revision == 0 {
			delete(t.bookmarks, b.Name)
		}
	}
}

func (t *tables) put(ticket incident.Ticket) {
	old, known := t.tickets[ticket.ID]
	t.tickets[ticket.ID] = ticket
	if ticket.ID == incident.Desk {
		return
	}
	if !known {
		// New numbers are the highest: this is an append but for foreign ones.
		at, _ := slices.BinarySearch(t.ids, ticket.ID)
		t.ids = slices.Insert(t.ids, at, ticket.ID)
	}
	t.index.move(ticket.ID, terms(old), terms(ticket))
	if !slices.Equal(old.Observables, ticket.Observables) {
		t.index.move(ticket.ID, keyTerms(old), keyTerms(ticket))
	}
	t.alarms.set(ticket.ID, ticket.NextAlarm())
}

// Ticket implements [storage.Reader].
func (t *tables) Ticket(_ context.Context, id incident.ID) (incident.Ticket, error) {
	ticket, ok := t.tickets[id]
	if !ok {
		return incident.Ticket{}, fmt.Errorf("ticket %s: %w", id, storage.ErrNotFound)
	}
	return ticket.Clone(), nil
}

// stored makes a ticket that is not there the zero Ticket.
func stored(t incident.Ticket, err error) (incident.Ticket, error) {
	if errors.Is(err, storage.ErrNotFound) {
		return incident.Ticket{}, nil
	}
	return t, err
}

// Find implements [storage.Reader].
func (t *tables) Find(_ context.Context, q storage.Query) ([]incident.Ticket, error) {
	ids := t.candidates(q)
	byID := len(q.Order) == 0 || q.Order[0].Column == storage.ByID
	var found []incident.Ticket
	for i, id := range ids {
		if byID && q.Limit > 0 && len(found) == q.Limit {
			break
		}
		if byID && len(q.Order) > 0 && q.Order[0].Descending {
			id = ids[len(ids)-1-i]
		}
		if ticket := t.tickets[id]; q.Match(ticket) && q.Behind(ticket) {
			found = append(found, ticket)
		}
	}
	return q.Select(found), nil
}

// Count implements [storage.Reader].
func (t *tables) Count(_ context.Context, q storage.Query) (int, error) {
	n := 0
	for _, id := range t.candidates(q) {
		if q.Match(t.tickets[id]) {
			n++
		}
	}
	return n, nil
}

// candidates returns, in ascending order, the tickets among which are all that
// q describes.
func (t *tables) candidates(q storage.Query) []incident.ID {
	if len(q.IDs) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(q.IDs)))
	}
	if !q.WakeBy.IsZero() {
		return t.alarms.by(q.WakeBy)
	}
	if ids, ok := t.index.fewest(asked(q)); ok {
		return ids
	}
	return t.ids
}

// History implements [storage.Reader].
func (t *tables) History(_ context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
	var found []incident.Record
	add := func(r incident.Record) (more bool) {
		if q.Match(r) {
			found = append(found, storage.CloneRecord(r))
		}
		return q.Limit == 0 || len(found) < q.Limit
	}
	if len(q.Tickets) == 0 {
		feed := t.feed[min(q.After, uint64(len(t.feed))):]
		for i := range feed {
			if q.Descending {
				i = len(feed) - 1 - i
			}
			if !add(feed[i]) {
				break
			}
		}
		return found, nil
	}
	seqs := t.seqs(q)
	for i := range seqs {
		if q.Descending {
			i = len(seqs) - 1 - i
		}
		if !add(t.feed[seqs[i]-1]) {
			break
		}
	}
	return found, nil
}

// seqs returns, in ascending order, those of the tickets that q names among which
// are all that q describes.
func (t *tables) seqs(q storage.HistoryQuery) (seqs []uint64) {
	for _, id := range q.Tickets {
		history := t.histories[id] // that of version 1 first
		if len(q.Versions) > 0 {
			for _, version := range q.Versions {
				if version > 0 && version <= uint64(len(history)) {
					seqs = append(seqs, history[version-1])
				}
			}
			continue
		}
		from, there := slices.BinarySearch(history, q.After)
		if there {
			from++
		}
		if len(q.Tickets) == 1 {
			return history[from:]
		}
		seqs = append(seqs, history[from:]...)
	}
	slices.Sort(seqs)
	return slices.Compact(seqs)
}

// Claimed implements [storage.Reader].
func (t *tables) Claimed(_ context.Context, key storage.Key) (incident.ID, bool, error) {
	id, ok := t.claims[key]
	return id, ok, nil
}

// Outgoing implements [storage.Reader].
func (t *tables) Outgoing(_ context.Context, q storage.OutgoingQuery) ([]storage.Outgoing, error) {
	return q.Select(t.outbox.candidates(q)), nil
}

// OpenBlob implements [storage.Reader].
func (t *tables) OpenBlob(_ context.Context, digest incident.Digest) (io.ReadCloser, error) {
	content, ok := t.blobs[digest]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", digest, storage.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}

// Bookmark implements [storage.Reader].
func (t *tables) Bookmark(_ context.Context, name string) (storage.Bookmark, error) {
	b := t.bookmarks[name]
	b.Name = name
	return b, nil
}

// Bookmarks implements [storage.Reader].
func (t *tables) Bookmarks(context.Context) ([]storage.Bookmark, error) {
	return slices.SortedFunc(maps.Values(t.bookmarks), storage.CompareBookmarks), nil
}
