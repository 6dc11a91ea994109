package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// maxTickets bounds the tickets that one update keeps decoded.
const maxTickets = 1000

// tx is the one writer. It implements [storage.Tx].
type tx struct {
	*reader
	tickets map[incident.ID]incident.Ticket // as they are now, of those read by id or appended to
	seq     int64                           // last given out
	highest incident.ID                     // that Append has seen
	given   incident.ID                     // last that NextID has returned
}

var _ storage.Tx = (*tx)(nil)

func newTx(r *reader) *tx {
	return &tx{
		reader: r, tickets: map[incident.ID]incident.Ticket{},
		seq: r.lastSeq, highest: r.lastTicket, given: r.lastTicket,
	}
}

// fail makes the error of a write the end of the update, whatever fn makes of
// it. SQLite may have rolled back by itself, and would commit on its own what
// came after.
func (t *tx) fail(err error) error {
	if err != nil {
		t.ended = err
	}
	return err
}

// Ticket implements [storage.Reader].
func (t *tx) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	now, err := t.ticket(ctx, id)
	if err != nil {
		return incident.Ticket{}, err
	}
	return now.Clone(), nil
}

// ticket returns a ticket that shares memory with t.
func (t *tx) ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	if err := t.usable(ctx); err != nil {
		return incident.Ticket{}, err
	}
	if now, ok := t.tickets[id]; ok {
		return now, nil
	}
	now, err := t.reader.Ticket(ctx, id)
	if err == nil {
		t.keep(now)
	}
	return now, err
}

func (t *tx) keep(now incident.Ticket) {
	if len(t.tickets) >= maxTickets {
		clear(t.tickets)
	}
	t.tickets[now.ID] = now
}

// NextID implements [storage.Tx].
func (t *tx) NextID(ctx context.Context) (incident.ID, error) {
	if err := t.usable(ctx); err != nil {
		return 0, err
	}
	last := max(t.given, t.highest)
	if last >= incident.MaxID {
		return 0, errors.New("sqlstore: no ticket numbers are left")
	}
	t.given = last + 1
	return t.given, nil
}

// Append implements [storage.Tx]. Nothing is written unless all records fit.
func (t *tx) Append(ctx context.Context, records ...incident.Record) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	return t.fail(t.append(ctx, records))
}

func (t *tx) append(ctx context.Context, records []incident.Record) error {
	type change struct{ before, now incident.Ticket }
	changes := map[incident.ID]*change{}
	var order []incident.ID
	for _, r := range records {
		if r.Ticket > incident.MaxID {
			return fmt.Errorf("sqlstore: ticket %s has no number yet: take one from NextID", r.Ticket)
		}
		c, ok := changes[r.Ticket]
		if !ok {
			before, err := t.ticket(ctx, r.Ticket)
			if err != nil && !errors.Is(err, storage.ErrNotFound) {
				return err
			}
			c = &change{before, before}
			changes[r.Ticket] = c
			order = append(order, r.Ticket)
		}
		now, err := storage.Extend(c.now, r)
		if err != nil {
			return err
		}
		c.now = now
	}
	if len(records) == 0 {
		return nil
	}
	if err := t.c.insertRecords(ctx, t.seq+1, records); err != nil {
		return err
	}
	t.seq += int64(len(records))
	for _, id := range order {
		c := changes[id]
		if err := t.c.putTicket(ctx, c.now); err != nil {
			return err
		}
		if err := t.c.putSides(ctx, c.before, c.now); err != nil {
			return err
		}
		t.keep(c.now)
		t.highest = max(t.highest, id)
	}
	_, err := t.c.exec(ctx, "UPDATE meta SET last_seq = ?, last_ticket = ?", t.seq, int64(t.highest))
	return err
}

const upsertTicket = `INSERT INTO tickets (id, version, hash, vocabulary, kind, status, phase, state, owner, constituency,
	priority, linked, held, created, updated, due, wake, subject, document)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET version = excluded.version, hash = excluded.hash, vocabulary = excluded.vocabulary,
	kind = excluded.kind, status = excluded.status, phase = excluded.phase, state = excluded.state, owner = excluded.owner,
	constituency = excluded.constituency, priority = excluded.priority, linked = excluded.linked, held = excluded.held,
	created = excluded.created, updated = excluded.updated, due = excluded.due, wake = excluded.wake,
	subject = excluded.subject, document = excluded.document`

func (c *conn) putTicket(ctx context.Context, t incident.Ticket) error {
	document, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("sqlstore: ticket %s: %w", t.ID, err)
	}
	_, err = c.exec(ctx, upsertTicket,
		int64(t.ID), int64(t.Version), t.Hash[:], int64(t.Vocabulary), string(t.Kind), string(t.Status), string(t.Phase),
		string(t.State), string(t.Owner), t.Constituency, t.Priority, flag(len(t.Parents) > 0), flag(t.Held != nil),
		micros(t.Created), micros(t.Updated), microsOrNull(t.Due), microsOrNull(t.Wake), t.Subject, string(document))
	return err
}

func flag(set bool) int64 {
	if set {
		return 1
	}
	return 0
}

// Claim implements [storage.Tx].
func (t *tx) Claim(ctx context.Context, key storage.Key, id incident.ID) (incident.ID, error) {
	if err := t.usable(ctx); err != nil {
		return 0, err
	}
	sum := key.Sum()
	n, err := t.c.exec(ctx, "INSERT INTO claims (space, sum, ticket) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", key.Space, sum[:], int64(id))
	if err != nil {
		return 0, t.fail(err)
	}
	if n == 1 {
		return id, nil
	}
	holder, _, err := t.Claimed(ctx, key)
	return holder, err
}

// PutBlob implements [storage.Tx].
func (t *tx) PutBlob(ctx context.Context, content []byte) (incident.Digest, error) {
	if err := t.usable(ctx); err != nil {
		return incident.Digest{}, err
	}
	digest := incident.DigestOf(content)
	_, err := t.c.exec(ctx, "INSERT INTO blobs (digest, content) VALUES (?, ?) ON CONFLICT DO NOTHING", digest[:], notNull(content))
	return digest, t.fail(err)
}
