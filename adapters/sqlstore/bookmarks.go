package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/airtight-csirt/airtight/storage"
)

const selectBookmarks = "SELECT name, revision, seq, moved, lease FROM feed_bookmarks"

// Bookmark implements [storage.Reader].
func (r *reader) Bookmark(ctx context.Context, name string) (storage.Bookmark, error) {
	found, err := r.bookmarks(ctx, selectBookmarks+" WHERE name = ?", name)
	if err != nil || len(found) == 0 {
		return storage.Bookmark{Name: name}, err
	}
	return found[0], nil
}

// Bookmarks implements [storage.Reader].
func (r *reader) Bookmarks(ctx context.Context) ([]storage.Bookmark, error) {
	return r.bookmarks(ctx, selectBookmarks+" ORDER BY name")
}

func (r *reader) bookmarks(ctx context.Context, text string, args ...any) (found []storage.Bookmark, err error) {
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	err = r.c.each(r.c.short(ctx), text, args, func(rows *sql.Rows) error {
		var b storage.Bookmark
		var revision, seq, moved, lease int64
		err := rows.Scan(&b.Name, &revision, &seq, &moved, &lease)
		b.Revision, b.Seq, b.Moved, b.Lease = uint64(revision), uint64(seq), moment(moved), moment(lease)
		found = append(found, b)
		return err
	})
	return found, err
}

// PutBookmark implements [storage.Tx].
func (t *tx) PutBookmark(ctx context.Context, b storage.Bookmark) error {
	text := "INSERT INTO feed_bookmarks (revision, seq, moved, lease, name) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
	args := []any{int64(b.Revision + 1), int64(b.Seq), micros(b.Moved), micros(b.Lease), b.Name}
	if b.Revision > 0 {
		text = "UPDATE feed_bookmarks SET revision = ?, seq = ?, moved = ?, lease = ? WHERE name = ? AND revision = ?"
		args = append(args, int64(b.Revision))
	}
	return t.set(ctx, fmt.Sprintf("bookmark %q", b.Name), b.Revision, text, args...)
}

// RemoveBookmark implements [storage.Tx].
func (t *tx) RemoveBookmark(ctx context.Context, b storage.Bookmark) error {
	return t.set(ctx, fmt.Sprintf("bookmark %q", b.Name), b.Revision,
		"DELETE FROM feed_bookmarks WHERE name = ? AND revision = ?", b.Name, int64(b.Revision))
}
