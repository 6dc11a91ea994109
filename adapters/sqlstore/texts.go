package sqlstore

import (
	"context"
	"database/sql"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// PutText implements [storage.TextKeeper].
func (t *tx) PutText(ctx context.Context, text storage.Text) error {
	if err := t.writing(ctx); err != nil {
		return err
	}
	return t.fail(t.c.dialect.putText(ctx, t.c, text))
}

// FindText implements [storage.TextSearcher].
func (r *reader) FindText(ctx context.Context, words []string, q storage.Query) (found []incident.Ticket, err error) {
	if err := r.usable(ctx); err != nil || len(words) == 0 {
		return nil, err
	}
	text, args := sorted(r.c.dialect, q, orderOf(q), texted(r.c.dialect, words))
	var document sql.RawBytes
	err = r.c.each(ctx, text, args, func(rows *sql.Rows) error {
		if err := rows.Scan(&document); err != nil {
			return err
		}
		t, err := decodeTicket(document)
		found = append(found, t)
		return err
	})
	return found, err
}

// CountText implements [storage.TextSearcher].
func (r *reader) CountText(ctx context.Context, words []string, q storage.Query) (n int, err error) {
	if err := r.usable(ctx); err != nil || len(words) == 0 {
		return 0, err
	}
	w := matching(r.c.dialect, q, texted(r.c.dialect, words))
	where := join(w.list, "AND")
	err = r.c.each(ctx, "SELECT count(*) FROM tickets WHERE "+where.text, where.args, func(rows *sql.Rows) error { return rows.Scan(&n) })
	return n, err
}

// texted asks for a text with all of some words.
func texted(d *dialect, words []string) clause {
	has := d.findWords(words)
	return clause{"id IN (SELECT ticket FROM texts WHERE " + has.text + ")", has.args}
}

// Words are letters, marks and digits: quotes around them keep every database from
// reading one as a word of its own.
func quoted(words []string, between string) string {
	return `"` + strings.Join(words, `"`+between+`"`) + `"`
}

// sqlitePutText puts the words of a text in place of those that were there.
func sqlitePutText(ctx context.Context, c *conn, t storage.Text) error {
	var number int64
	_, err := c.first(ctx, "INSERT INTO texts (ticket, version) VALUES (?, ?) ON CONFLICT DO UPDATE SET version = excluded.version RETURNING number",
		[]any{int64(t.Ticket), int64(t.Version)}, &number)
	if err == nil {
		_, err = c.exec(ctx, "INSERT OR REPLACE INTO text_words (rowid, words) VALUES (?, ?)", number, strings.Join(t.Words, " "))
	}
	return err
}

func sqliteFindWords(words []string) clause {
	return clause{"number IN (SELECT rowid FROM text_words WHERE text_words MATCH ?)", []any{quoted(words, " AND ")}}
}

func postgresPutText(ctx context.Context, c *conn, t storage.Text) error {
	list := "{}"
	if len(t.Words) > 0 {
		list = "{" + quoted(t.Words, ",") + "}"
	}
	_, err := c.exec(ctx, "INSERT INTO texts (ticket, version, words) VALUES (?, ?, ?::text[]) ON CONFLICT (ticket, version) DO UPDATE SET words = excluded.words",
		int64(t.Ticket), int64(t.Version), list)
	return err
}

func postgresFindWords(words []string) clause {
	return clause{"words @> ?::text[]", []any{"{" + quoted(words, ",") + "}"}}
}

var (
	_ storage.TextKeeper   = (*tx)(nil)
	_ storage.TextSearcher = (*reader)(nil)
)
