package sqlstore

import (
	"context"
	"database/sql"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

const selectRecords = `SELECT r.seq, ticket, version, at, actor, command, cause_rule, cause_ticket, cause_version,
	policy, type, data, digest, prev, hash, content, salt, blobs
	FROM records r LEFT JOIN record_contents c ON c.seq = r.seq AND c.seq > ? WHERE `

// History implements [storage.Reader].
func (r *reader) History(ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	// Records of this update have no Seq yet: they lie behind every other.
	after := min(int64(min(q.After, math.MaxInt64)), r.lastSeq)
	text, args := records(r.c.dialect, after, q)
	var found []incident.Record
	err := r.c.each(ctx, text, args, func(rows *sql.Rows) error {
		record, err := scanRecord(rows)
		if record.Seq > uint64(r.lastSeq) {
			record.Seq = 0
		}
		found = append(found, record)
		return err
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// records returns the statement for Reader.History.
func records(d *dialect, after int64, q storage.HistoryQuery) (string, []any) {
	w := &conditions{}
	w.add("r.seq > ?", after)
	amongNumbers(w, d, "ticket", q.Tickets)
	amongNumbers(w, d, "version", q.Versions)
	among(w, "type", q.Types)
	where := join(w.list, "AND")
	text, args := selectRecords+where.text+" ORDER BY r.seq", append([]any{after}, where.args...)
	if len(q.Tickets) == 1 {
		text = selectRecords + where.text + " ORDER BY version" // the same, from the index
	}
	if q.Descending {
		text += " DESC"
	}
	if q.Limit > 0 {
		text, args = text+" LIMIT ?", append(args, q.Limit)
	}
	return text, args
}

func scanRecord(rows *sql.Rows) (incident.Record, error) {
	var (
		r                               incident.Record
		seq, ticket, version, at        int64
		causeTicket, causeVersion       int64
		digest, prev, hash, salt, blobs sql.RawBytes
	)
	err := rows.Scan(&seq, &ticket, &version, &at, &r.By, &r.Command, &r.Cause.Rule, &causeTicket, &causeVersion,
		&r.Policy, &r.Type, (*[]byte)(&r.Data), &digest, &prev, &hash, (*[]byte)(&r.Content), &salt, &blobs)
	if err != nil {
		return r, err
	}
	r.Seq, r.Ticket, r.Version, r.At = uint64(seq), incident.ID(ticket), uint64(version), time.UnixMicro(at).UTC()
	r.Cause.Ticket, r.Cause.Version = incident.ID(causeTicket), uint64(causeVersion)
	copy(r.Digest[:], digest)
	copy(r.Prev[:], prev)
	copy(r.Hash[:], hash)
	copy(r.Salt[:], salt)
	for ; len(blobs) >= len(incident.Digest{}); blobs = blobs[len(incident.Digest{}):] {
		r.Blobs = append(r.Blobs, incident.Digest(blobs[:len(incident.Digest{})]))
	}
	return r, nil
}

// insertRecords returns the statements that write records and their contents;
// the first gets the Seq.
func insertRecords(first int64, records []incident.Record) []clause {
	var kept, contents [][]any
	for i, r := range records {
		seq := first + int64(i)
		kept = append(kept, []any{
			seq, int64(r.Ticket), int64(r.Version), r.At.UnixMicro(), string(r.By), r.Command,
			r.Cause.Rule, int64(r.Cause.Ticket), int64(r.Cause.Version), int64(r.Policy), r.Type,
			notNull(r.Data), r.Digest[:], r.Prev[:], r.Hash[:],
		})
		var blobs []byte
		for _, b := range r.Blobs {
			blobs = append(blobs, b[:]...)
		}
		contents = append(contents, []any{seq, []byte(r.Content), r.Salt[:], blobs})
	}
	return append(insert(`INSERT INTO records (seq, ticket, version, at, actor, command,
		cause_rule, cause_ticket, cause_version, policy, type, data, digest, prev, hash) VALUES `, kept),
		insert("INSERT INTO record_contents (seq, content, salt, blobs) VALUES ", contents)...)
}

// maxRows bounds the rows of one INSERT. As its text tells how many there are,
// and is kept prepared, there are few sizes.
const maxRows = 16

// insert returns the statements that write rows.
func insert(text string, rows [][]any) (list []clause) {
	for chunk := range slices.Chunk(rows, maxRows) {
		row := "(" + marks(len(rows[0])) + ")"
		list = append(list, clause{text + row + strings.Repeat(", "+row, len(chunk)-1), slices.Concat(chunk...)})
	}
	return list
}

func notNull(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
