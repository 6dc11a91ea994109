package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// reader reads within one transaction. It implements [storage.Reader].
type reader struct {
	c          *conn
	lastSeq    int64       // of the records committed before
	lastTicket incident.ID // highest that any committed record had
	ended      error       // why it may not be used any more
}

var errEnded = errors.New("sqlstore: a Reader or Tx may not be used after fn has returned")

// usable is asked first by every method.
func (r *reader) usable(ctx context.Context) error {
	if r.ended != nil {
		return r.ended
	}
	return ctx.Err()
}

// Ticket implements [storage.Reader].
func (r *reader) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	if err := r.usable(ctx); err != nil {
		return incident.Ticket{}, err
	}
	var document []byte
	found, err := r.c.first(ctx, "SELECT document FROM tickets WHERE id = ?", []any{int64(id)}, &document)
	switch {
	case err != nil:
		return incident.Ticket{}, err
	case !found:
		return incident.Ticket{}, fmt.Errorf("ticket %s: %w", id, storage.ErrNotFound)
	}
	return decodeTicket(document)
}

func decodeTicket(document []byte) (incident.Ticket, error) {
	var t incident.Ticket
	if err := json.Unmarshal(document, &t); err != nil {
		return t, fmt.Errorf("%w: the document of a ticket does not decode: restore the database from a backup: %w", ErrCorrupt, err)
	}
	return t, nil
}

// Find implements [storage.Reader].
func (r *reader) Find(ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	if len(q.Order) > 0 && q.Order[0].Column == storage.ByKind {
		return r.byKind(ctx, q)
	}
	text, args, err := r.find(ctx, q)
	if err != nil {
		return nil, err
	}
	found := slices.Grow([]incident.Ticket(nil), len(q.IDs))
	var document sql.RawBytes
	var dest []any
	err = r.c.each(ctx, text, args, func(rows *sql.Rows) error {
		if dest == nil {
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			dest = append(dest, &document)
			for range columns[1:] {
				dest = append(dest, new(sql.RawBytes))
			}
		}
		if err := rows.Scan(dest...); err != nil {
			return err
		}
		t, err := decodeTicket(document)
		found = append(found, t)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Count implements [storage.Reader].
func (r *reader) Count(ctx context.Context, q storage.Query) (int, error) {
	if err := r.usable(ctx); err != nil {
		return 0, err
	}
	text, args := count(r.c.dialect, q)
	n := 0
	err := r.c.each(ctx, text, args, func(rows *sql.Rows) error { return rows.Scan(&n) })
	return n, err
}

// Claimed implements [storage.Reader].
func (r *reader) Claimed(ctx context.Context, key storage.Key) (incident.ID, bool, error) {
	if err := r.usable(ctx); err != nil {
		return 0, false, err
	}
	sum := key.Sum()
	var holder int64
	found, err := r.c.first(ctx, "SELECT ticket FROM claims WHERE space = ? AND sum = ?", []any{key.Space, sum[:]}, &holder)
	return incident.ID(holder), found, err
}

// OpenBlob implements [storage.Reader].
func (r *reader) OpenBlob(ctx context.Context, digest incident.Digest) (io.ReadCloser, error) {
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	var content []byte
	found, err := r.c.first(ctx, "SELECT content FROM blobs WHERE digest = ?", []any{digest[:]}, &content)
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("blob %s: %w", digest, storage.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(content)), nil
}
