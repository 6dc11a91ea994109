package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
)

// Draft is a [Tx] in memory over a [Reader]: reads fall through to the reader,
// writes stay in the draft until Flush. A draft that is never flushed changes
// nothing, which is how a preview works.
//
// Beside records that are sealed, Append takes records with a zero Hash: these
// are folded at once and sealed at the end, so that what is learned about a
// record meanwhile can still enter it ([Draft.Revise]).
//
// A Draft is for one goroutine.
type Draft struct {
	base      Reader
	tickets   map[incident.ID]*drafted
	records   []*incident.Record
	read      map[incident.ID]incident.Ticket // as they are in the base, which was asked
	claims    map[Key]incident.ID
	claimed   []Key
	free      map[Key]bool        // not claimed in the base, which was asked
	held      map[Key]incident.ID // claimed in the base, which was asked
	outgoing  map[string]draftedOutgoing
	blobs     map[incident.Digest][]byte
	bookmarks map[string]Bookmark // as they are now, of those that were changed; Revision 0: removed
	marked    []bookmarkChange
	texts     []Text
	lastID    incident.ID // highest of base and draft; 0: not asked yet
}

type drafted struct {
	base, now incident.Ticket // base has Version 0 when the ticket is new
	records   []*incident.Record
	sealed    int // how many of records are sealed
}

type draftedOutgoing struct {
	Outgoing
	base uint64 // Revision in the base
}

// NewDraft returns an empty draft over base.
func NewDraft(base Reader) *Draft {
	return &Draft{
		base:      base,
		tickets:   map[incident.ID]*drafted{},
		read:      map[incident.ID]incident.Ticket{},
		claims:    map[Key]incident.ID{},
		free:      map[Key]bool{},
		held:      map[Key]incident.ID{},
		outgoing:  map[string]draftedOutgoing{},
		blobs:     map[incident.Digest][]byte{},
		bookmarks: map[string]Bookmark{},
	}
}

// Ticket implements [Reader].
func (d *Draft) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	if t, ok := d.tickets[id]; ok {
		return t.now.Clone(), nil
	}
	if t, ok := d.read[id]; ok {
		return t.Clone(), nil
	}
	return d.base.Ticket(ctx, id)
}

// LookUpTickets asks the base at once for tickets that the draft will be asked for: it
// answers from memory then. It changes no answer.
func (d *Draft) LookUpTickets(ctx context.Context, ids []incident.ID) error {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id incident.ID) bool { return d.tickets[id] != nil })
	if len(ids) == 0 {
		return nil
	}
	found, err := d.base.Find(ctx, Query{IDs: ids})
	for _, t := range found {
		d.read[t.ID] = t
	}
	return err
}

// Find implements [Reader]. It asks the base for as many tickets more as the
// draft has changed.
func (d *Draft) Find(ctx context.Context, q Query) ([]incident.Ticket, error) {
	wider := q
	if q.Limit > 0 {
		wider.Limit += len(d.tickets)
	}
	found, err := d.base.Find(ctx, wider)
	if err != nil || len(d.tickets) == 0 {
		return found, err
	}
	found = slices.DeleteFunc(found, func(t incident.Ticket) bool { return d.tickets[t.ID] != nil })
	changed := make([]incident.Ticket, 0, len(d.tickets))
	for _, t := range d.tickets {
		changed = append(changed, t.now)
	}
	one := q
	one.Limit = 0
	found = append(found, one.Select(changed)...)
	slices.SortFunc(found, q.Compare)
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	return found, nil
}

// Count implements [Reader].
func (d *Draft) Count(ctx context.Context, q Query) (int, error) {
	n, err := d.base.Count(ctx, q)
	for _, t := range d.tickets {
		if t.base.Version > 0 && q.Match(t.base) {
			n--
		}
		if q.Match(t.now) {
			n++
		}
	}
	return n, err
}

// History implements [Reader]. Drafted records are the newest, with Seq 0.
func (d *Draft) History(ctx context.Context, q HistoryQuery) ([]incident.Record, error) {
	found, err := d.base.History(ctx, q)
	if err != nil {
		return nil, err
	}
	var drafted []incident.Record
	for _, r := range d.records {
		if q.Match(*r) {
			drafted = append(drafted, CloneRecord(*r))
		}
	}
	if q.Descending {
		slices.Reverse(drafted)
		found = append(drafted, found...)
	} else {
		found = append(found, drafted...)
	}
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	return found, nil
}

// Claimed implements [Reader].
func (d *Draft) Claimed(ctx context.Context, key Key) (incident.ID, bool, error) {
	if id, ok := d.claims[key]; ok {
		return id, true, nil
	}
	if d.free[key] {
		return 0, false, nil
	}
	if id, ok := d.held[key]; ok {
		return id, true, nil
	}
	id, taken, err := d.base.Claimed(ctx, key)
	if err == nil && !taken {
		d.free[key] = true
	}
	return id, taken, err
}

// Outgoing implements [Reader].
func (d *Draft) Outgoing(ctx context.Context, q OutgoingQuery) ([]Outgoing, error) {
	wider := q
	if q.Limit > 0 {
		wider.Limit += len(d.outgoing)
	}
	rows, err := d.base.Outgoing(ctx, wider)
	if err != nil || len(d.outgoing) == 0 {
		return rows, err
	}
	rows = slices.DeleteFunc(rows, func(o Outgoing) bool { _, ok := d.outgoing[o.ID()]; return ok })
	for _, o := range d.outgoing {
		rows = append(rows, o.Outgoing)
	}
	return q.Select(rows), nil
}

// OpenBlob implements [Reader].
func (d *Draft) OpenBlob(ctx context.Context, digest incident.Digest) (io.ReadCloser, error) {
	if content, ok := d.blobs[digest]; ok {
		return io.NopCloser(bytes.NewReader(content)), nil
	}
	return d.base.OpenBlob(ctx, digest)
}

// Bookmark implements [Reader].
func (d *Draft) Bookmark(ctx context.Context, name string) (Bookmark, error) {
	if b, ok := d.bookmarks[name]; ok {
		return b, nil
	}
	return d.base.Bookmark(ctx, name)
}

// Bookmarks implements [Reader].
func (d *Draft) Bookmarks(ctx context.Context) ([]Bookmark, error) {
	list, err := d.base.Bookmarks(ctx)
	if err != nil {
		return nil, err
	}
	return merged(list, d.bookmarks), nil
}

// NextID implements [Tx]. Over a Tx it asks that one.
func (d *Draft) NextID(ctx context.Context) (incident.ID, error) {
	if tx, ok := d.base.(Tx); ok {
		for {
			id, err := tx.NextID(ctx)
			if _, drafted := d.tickets[id]; err != nil || !drafted {
				return id, err
			}
		}
	}
	if d.lastID == 0 {
		last, err := d.base.Find(ctx, Query{Order: []Order{{Column: ByID, Descending: true}}, Limit: 1})
		if err != nil {
			return 0, err
		}
		if len(last) == 1 {
			d.lastID = last[0].ID
		}
	}
	for id := range d.tickets {
		d.lastID = max(d.lastID, id)
	}
	if d.lastID == incident.MaxID {
		return 0, errors.New("storage: no ticket numbers are left")
	}
	d.lastID++
	return d.lastID, nil
}

// Append implements [Tx].
func (d *Draft) Append(ctx context.Context, records ...incident.Record) error {
	for _, r := range records {
		t, err := d.touch(ctx, r.Ticket)
		if err != nil {
			return err
		}
		r = CloneRecord(r)
		r.Seq, r.At = 0, r.At.UTC()
		var now incident.Ticket
		switch {
		case r.Hash != incident.Digest{}:
			if t.sealed < len(t.records) {
				return fmt.Errorf("storage: a sealed record of ticket %s cannot follow one that is not sealed", r.Ticket)
			}
			if now, err = Extend(t.now, r); err != nil {
				return err
			}
			t.sealed++
		case t.now.Vocabulary > incident.Vocabulary:
			return fmt.Errorf("ticket %s: %w", r.Ticket, incident.ErrNewerVocabulary)
		default:
			r.Version = t.now.Version + 1
			now = incident.Apply(t.now, r)
		}
		t.now = now
		t.records = append(t.records, &r)
		d.records = append(d.records, &r)
		d.tickets[r.Ticket] = t
	}
	return nil
}

// touch returns the drafted ticket, or a new one that is not in d.tickets yet.
func (d *Draft) touch(ctx context.Context, id incident.ID) (*drafted, error) {
	if t, ok := d.tickets[id]; ok {
		return t, nil
	}
	base, ok := d.read[id]
	if !ok {
		var err error
		if base, err = d.base.Ticket(ctx, id); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, err
		}
	}
	return &drafted{base: base, now: base}, nil
}

// Drafted returns the records that the draft holds for a ticket, in order. They
// may not be changed.
func (d *Draft) Drafted(id incident.ID) []*incident.Record {
	if t, ok := d.tickets[id]; ok {
		return t.records
	}
	return nil
}

// Revise lets change alter a record that is drafted and not sealed yet. What
// change does may not alter the ticket that the record makes.
func (d *Draft) Revise(id incident.ID, version uint64, change func(*incident.Record) error) error {
	if t, ok := d.tickets[id]; ok {
		for i, r := range t.records {
			if r.Version == version && i >= t.sealed {
				return change(r)
			}
		}
	}
	return fmt.Errorf("storage: no unsealed record %d of ticket %s in this draft", version, id)
}

// Claim implements [Tx].
func (d *Draft) Claim(ctx context.Context, key Key, id incident.ID) (incident.ID, error) {
	holder, taken, err := d.Claimed(ctx, key)
	if err != nil || taken {
		return holder, err
	}
	d.claims[key] = id
	d.claimed = append(d.claimed, key)
	return id, nil
}

// PutOutgoing implements [Tx].
func (d *Draft) PutOutgoing(ctx context.Context, o Outgoing) error {
	put, ok := d.outgoing[o.ID()]
	if !ok {
		rows, err := d.base.Outgoing(ctx, OutgoingQuery{Tickets: []incident.ID{o.Ticket}})
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.ID() == o.ID() {
				put = draftedOutgoing{Outgoing: row, base: row.Revision}
			}
		}
	}
	if put.Revision != o.Revision {
		return fmt.Errorf("outgoing mail %s: %w", o.ID(), ErrConflict)
	}
	o.Revision++
	o.Queued, o.NextTry, o.Lease = incident.Moment(o.Queued), incident.Moment(o.NextTry), incident.Moment(o.Lease)
	put.Outgoing = o
	d.outgoing[o.ID()] = put
	return nil
}

// PutBlob implements [Tx].
func (d *Draft) PutBlob(_ context.Context, content []byte) (incident.Digest, error) {
	digest := incident.DigestOf(content)
	if _, ok := d.blobs[digest]; !ok {
		d.blobs[digest] = bytes.Clone(content)
	}
	return digest, nil
}

// PutBookmark implements [Tx].
func (d *Draft) PutBookmark(ctx context.Context, b Bookmark) error {
	if err := d.mark(ctx, bookmarkChange{Bookmark: b}); err != nil {
		return err
	}
	b.Revision++
	b.Moved, b.Lease = incident.Moment(b.Moved), incident.Moment(b.Lease)
	d.bookmarks[b.Name] = b
	return nil
}

// RemoveBookmark implements [Tx].
func (d *Draft) RemoveBookmark(ctx context.Context, b Bookmark) error {
	if err := d.mark(ctx, bookmarkChange{Bookmark: b, remove: true}); err != nil {
		return err
	}
	d.bookmarks[b.Name] = Bookmark{Name: b.Name}
	return nil
}

// PutText implements [TextKeeper].
func (d *Draft) PutText(_ context.Context, t Text) error {
	t.Words = slices.Clone(t.Words)
	d.texts = append(d.texts, t)
	return nil
}

// mark notes a change of a bookmark that is at the Revision which it expects.
func (d *Draft) mark(ctx context.Context, change bookmarkChange) error {
	now, err := d.Bookmark(ctx, change.Name)
	if err != nil {
		return err
	}
	if now.Revision != change.Revision || change.remove && now.Revision == 0 {
		return fmt.Errorf("bookmark %q: %w", change.Name, ErrConflict)
	}
	d.marked = append(d.marked, change)
	return nil
}

// Extend is [incident.Extend] in the terms of the contract: a record that does
// not continue t is [ErrConflict]. Every store appends through it.
func Extend(t incident.Ticket, r incident.Record) (incident.Ticket, error) {
	extended, err := incident.Extend(t, r)
	if err != nil && (r.Version != t.Version+1 || r.Prev != t.Hash) {
		return t, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	return extended, err
}

// CloneRecord returns a copy that shares nothing with r.
func CloneRecord(r incident.Record) incident.Record {
	r.Data = bytes.Clone(r.Data)
	r.Content = bytes.Clone(r.Content)
	r.Blobs = slices.Clone(r.Blobs)
	return r
}

var (
	_ Tx         = (*Draft)(nil)
	_ TextKeeper = (*Draft)(nil)
)
