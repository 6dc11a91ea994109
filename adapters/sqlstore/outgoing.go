package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// Outgoing implements [storage.Reader].
func (r *reader) Outgoing(ctx context.Context, q storage.OutgoingQuery) ([]storage.Outgoing, error) {
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	text, args := outgoing(r.c.dialect, q)
	var found []storage.Outgoing
	err := r.c.each(ctx, text, args, func(rows *sql.Rows) error {
		var o storage.Outgoing
		var ticket, version, revision, queued, next, lease int64
		var blob sql.RawBytes
		if err := rows.Scan(&ticket, &version, &o.Number, &revision, &o.Status, &o.Reaction, &o.From, &o.To, &blob,
			&queued, &next, &lease, &o.Attempts, &o.LastError, &o.Charge); err != nil {
			return err
		}
		o.Ticket, o.Version, o.Revision = incident.ID(ticket), uint64(version), uint64(revision)
		copy(o.Blob[:], blob)
		o.Queued, o.NextTry, o.Lease = moment(queued), moment(next), moment(lease)
		found = append(found, o)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// outgoing returns the statement for Reader.Outgoing.
func outgoing(d *dialect, q storage.OutgoingQuery) (string, []any) {
	w := &conditions{}
	w.add("TRUE")
	amongNumbers(w, d, "ticket", q.Tickets)
	among(w, "status", q.Statuses)
	if len(q.Charges) > 0 && !slices.Contains(q.Charges, storage.NoCharge) {
		w.add("charge <> ''") // the condition of the index
	}
	among(w, "charge", q.Charges)
	if q.To != "" {
		w.add("lower(recipient) = ?", storage.LowerAddress(q.To))
	}
	if !q.ReadyBy.IsZero() {
		w.add("next_try <= ? AND lease <= ?", micros(q.ReadyBy), micros(q.ReadyBy))
	}
	switch q.Only {
	case storage.OnlyMail:
		w.add("reaction = ''")
	case storage.OnlyReactions:
		w.add("reaction <> ''")
	}
	where := join(w.list, "AND")
	text := `SELECT ticket, version, number, revision, status, reaction, sender, recipient, blob, queued, next_try, lease, attempts, last_error, charge
		FROM outgoing WHERE ` + where.text + " ORDER BY ticket, version, number"
	if q.Limit > 0 {
		text += " LIMIT ?"
		where.args = append(where.args, q.Limit)
	}
	return text, where.args
}

// moment gives back what micros took; the zero time too.
func moment(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// PutOutgoing implements [storage.Tx].
func (t *tx) PutOutgoing(ctx context.Context, o storage.Outgoing) error {
	text := `INSERT INTO outgoing (revision, status, reaction, sender, recipient, blob, queued, next_try, lease, attempts, last_error,
		charge, ticket, version, number) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	args := []any{
		int64(o.Revision + 1), string(o.Status), o.Reaction, o.From, o.To, o.Blob[:], micros(o.Queued), micros(o.NextTry), micros(o.Lease),
		int64(o.Attempts), o.LastError, string(o.Charge), int64(o.Ticket), int64(o.Version), int64(o.Number),
	}
	if o.Revision > 0 {
		text = `UPDATE outgoing SET revision = ?, status = ?, reaction = ?, sender = ?, recipient = ?, blob = ?, queued = ?, next_try = ?, lease = ?,
			attempts = ?, last_error = ?, charge = ? WHERE ticket = ? AND version = ? AND number = ? AND revision = ?`
		args = append(args, int64(o.Revision))
	}
	return t.set(ctx, "outgoing mail "+o.ID(), o.Revision, text, args...)
}

// set runs a statement that changes the one row that has a revision.
func (t *tx) set(ctx context.Context, what string, revision uint64, text string, args ...any) error {
	if err := t.writing(ctx); err != nil {
		return err
	}
	n, err := t.c.exec(ctx, text, args...)
	switch {
	case err != nil:
		return t.fail(err)
	case n == 0:
		err := fmt.Errorf("%s: %w: the stored row does not have revision %d", what, storage.ErrConflict, revision)
		if t.joined {
			return t.fail(err)
		}
		return err
	}
	return nil
}
