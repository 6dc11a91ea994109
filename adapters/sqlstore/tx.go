package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

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
	joined  bool                            // inside of the caller's transaction
	marked  bool                            // its savepoint is set
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
		t.undo()
	}
	return err
}

// writing is asked first by every method that writes.
func (t *tx) writing(ctx context.Context) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	return t.fail(t.mark(ctx))
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

// Find implements [storage.Reader]. Tickets asked for by number are kept, for Append.
func (t *tx) Find(ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
	found, err := t.reader.Find(ctx, q)
	if len(q.IDs) > 0 {
		for _, one := range found {
			t.keep(one.Clone())
		}
	}
	return found, err
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
	if err := t.writing(ctx); err != nil {
		return err
	}
	return t.fail(t.append(ctx, records))
}

func (t *tx) append(ctx context.Context, records []incident.Record) error {
	stored, err := t.stored(ctx, records)
	if err != nil {
		return err
	}
	type change struct{ before, now incident.Ticket }
	changes := map[incident.ID]*change{}
	var order []incident.ID
	for _, r := range records {
		c, ok := changes[r.Ticket]
		if !ok {
			c = &change{stored[r.Ticket], stored[r.Ticket]}
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
	first := t.seq + 1
	t.seq += int64(len(records))
	t.highest = max(t.highest, slices.Max(order))
	rows := make(chan clause, len(order)) // are made while the records are written
	var unencoded error
	go func() {
		defer close(rows)
		for _, id := range order {
			var put clause
			if put, unencoded = putTicket(changes[id].before, changes[id].now); unencoded != nil {
				return
			}
			rows <- put
		}
	}()
	err = t.c.execAll(ctx, func(yield func(clause) bool) {
		for _, one := range insertRecords(first, records) {
			if !yield(one) {
				return
			}
		}
		for one := range rows {
			if !yield(one) {
				return
			}
		}
		yield(clause{"UPDATE meta SET last_seq = ?, last_ticket = ?", []any{t.seq, int64(t.highest)}})
	})
	if err != nil {
		return err
	}
	if unencoded != nil {
		return unencoded
	}
	for _, id := range order {
		c := changes[id]
		if err := t.c.putSides(ctx, c.before, c.now); err != nil {
			return err
		}
		t.keep(c.now)
	}
	return nil
}

// stored returns the tickets that records belong to, those that are there: what t
// does not keep, by one statement.
func (t *tx) stored(ctx context.Context, records []incident.Record) (map[incident.ID]incident.Ticket, error) {
	tickets := map[incident.ID]incident.Ticket{}
	var missing []incident.ID
	for _, r := range records {
		if r.Ticket > incident.MaxID {
			return nil, fmt.Errorf("sqlstore: ticket %s has no number yet: take one from NextID", r.Ticket)
		}
		now, kept := t.tickets[r.Ticket]
		if kept {
			tickets[r.Ticket] = now
		} else if !slices.Contains(missing[max(0, len(missing)-1):], r.Ticket) {
			missing = append(missing, r.Ticket)
		}
	}
	if len(missing) == 0 {
		return tickets, nil
	}
	w := &conditions{}
	amongNumbers(w, t.c.dialect, "id", missing)
	where := join(w.list, "AND")
	err := t.c.each(t.c.short(ctx), "SELECT document FROM tickets WHERE "+where.text, where.args, func(rows *sql.Rows) error {
		var document sql.RawBytes
		if err := rows.Scan(&document); err != nil {
			return err
		}
		now, err := decodeTicket(document)
		tickets[now.ID] = now
		return err
	})
	return tickets, err
}

// ticketRow returns the columns of a ticket, the id first.
func ticketRow(t incident.Ticket) (names []string, values []any) {
	columns := [...]struct {
		name  string
		value any
	}{
		{"id", int64(t.ID)}, {"version", int64(t.Version)}, {"vocabulary", int64(t.Vocabulary)},
		{"kind", string(t.Kind)}, {"status", string(t.Status)}, {"phase", string(t.Phase)}, {"open", flag(t.Open())}, {"state", string(t.State)},
		{"owner", string(t.Owner)}, {"constituency", t.Constituency}, {"priority", int64(t.Priority)},
		{"linked", flag(len(t.Parents) > 0)}, {"held", flag(t.Held != nil)},
		{"observed", flag(t.Observations != nil)}, {"fed", flag(t.ByFeed())},
		{"created", micros(t.Created)}, {"updated", micros(t.Updated)},
		{"due", microsOrNull(t.Due)}, {"wake", microsOrNull(t.NextAlarm())}, {"subject", t.Subject},
	}
	names, values = make([]string, len(columns)), make([]any, len(columns), len(columns)+2)
	for i, column := range columns {
		names[i], values[i] = column.name, column.value
	}
	return names, values
}

// putTicket returns the statement that writes what has changed from before to
// now: databases maintain the index of a column that is set, even to the value
// that it had.
func putTicket(before, now incident.Ticket) (clause, error) {
	document, err := json.Marshal(now)
	if err != nil {
		return clause{}, fmt.Errorf("sqlstore: ticket %s: %w", now.ID, err)
	}
	names, values := ticketRow(now)
	if before.Version == 0 {
		return clause{
			"INSERT INTO tickets (" + strings.Join(names, ", ") + ", hash, document) VALUES (" + marks(len(names)+2) + ")",
			append(values, now.Hash[:], string(document)),
		}, nil
	}
	text, args := "UPDATE tickets SET hash = ?, document = ?", []any{now.Hash[:], string(document)}
	_, old := ticketRow(before)
	for i, name := range names {
		if values[i] != old[i] {
			text, args = text+", "+name+" = ?", append(args, values[i])
		}
	}
	return clause{text + " WHERE id = ?", append(args, values[0])}, nil
}

func flag(set bool) int64 {
	if set {
		return 1
	}
	return 0
}

// Claim implements [storage.Tx].
func (t *tx) Claim(ctx context.Context, key storage.Key, id incident.ID) (incident.ID, error) {
	if err := t.writing(ctx); err != nil {
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
	if err := t.writing(ctx); err != nil {
		return incident.Digest{}, err
	}
	digest := incident.DigestOf(content)
	_, err := t.c.exec(ctx, "INSERT INTO blobs (digest, content) VALUES (?, ?) ON CONFLICT DO NOTHING", digest[:], notNull(content))
	return digest, t.fail(err)
}
