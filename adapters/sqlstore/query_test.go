package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

func TestTimesInColumns(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	early := time.Date(1969, 12, 31, 23, 59, 59, 999_999_500, time.UTC)
	for _, test := range []struct {
		time     time.Time
		down, up int64
	}{
		{at, at.UnixMicro(), at.UnixMicro()},
		{at.Add(1), at.UnixMicro(), at.UnixMicro() + 1},
		{at.Add(999), at.UnixMicro(), at.UnixMicro() + 1},
		{early, -1, 0},
		{time.Unix(1<<60, 0), math.MaxInt64, math.MaxInt64},
		{time.Unix(-1<<60, 0), math.MinInt64, math.MinInt64 + 1},
	} {
		assert.Equal(t, test.down, micros(test.time), test.time)
		if test.down != math.MinInt64 {
			assert.Equal(t, test.up, microsUp(test.time), test.time)
		}
	}
	assert.True(t, moment(micros(time.Time{})).IsZero(), "a time that is not set stays so")
}

func TestOrderEndsWithTheID(t *testing.T) {
	columns := func(order ...storage.Order) (list []string) {
		for _, term := range orderOf(storage.Query{Order: order}) {
			list = append(list, fmt.Sprint(term.column, term.descending))
		}
		return list
	}
	due := storage.Order{Column: storage.ByDue}
	down := storage.Order{Column: storage.ByID, Descending: true}
	assert.Equal(t, []string{"idfalse"}, columns())
	assert.Equal(t, []string{"due_orderfalse", "idfalse"}, columns(due, storage.Order{Column: "weather"}, storage.Order{Column: storage.ByDue, Descending: true}))
	assert.Equal(t, []string{"idtrue"}, columns(down, due), "nothing can decide after the id")
	assert.Equal(t, []string{"due_ordertrue", "idtrue"}, columns(storage.Order{Column: storage.ByDue, Descending: true}), "the id goes the way of the first column")
}

func TestFewStatementsStayPrepared(t *testing.T) {
	ctx := context.Background()
	c, err := sqliteDialect().open(ctx, memory(t))
	require.NoError(t, err)
	defer c.release()
	for n := range 2*maxStatements + 1 {
		var got int
		found, err := c.first(ctx, fmt.Sprintf("SELECT %d", n%(maxStatements+5)), nil, &got)
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, n%(maxStatements+5), got)
	}
	assert.LessOrEqual(t, len(c.prepared), maxStatements)
}

func TestOddTextComesBack(t *testing.T) {
	s, err := New(context.Background(), memory(t), Config{})
	require.NoError(t, err)
	defer s.Close()
	const odd = "a\x00b\xff\U0001f512"
	record := incident.Record{Ticket: 1, At: time.UnixMicro(1).UTC(), By: odd, Command: odd, Cause: incident.Cause{Rule: odd}}
	require.NoError(t, record.Encode(incident.Unknown{Name: odd, Data: []byte(odd), Content: []byte(odd), Blobs: []incident.Digest{{1}, {2}}}))
	incident.Seal(incident.Ticket{}, &record)
	open := incident.Record{Ticket: 2, At: time.UnixMicro(1).UTC()}
	require.NoError(t, open.Encode(incident.Opened{Content: incident.OpenedContent{
		Subject:     "a\x00b",
		Observables: []incident.Observable{{Kind: incident.Host, Value: "\u00fcber.example.org"}},
	}}))
	incident.Seal(incident.Ticket{}, &open)
	out := storage.Outgoing{Ticket: 1, From: odd, To: odd, LastError: odd, Queued: time.UnixMicro(5).UTC()}
	require.NoError(t, s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		require.NoError(t, tx.Append(ctx, record, open))
		require.NoError(t, tx.PutOutgoing(ctx, out))
		_, err := tx.Claim(ctx, storage.Key{Space: odd, Value: odd}, 1)
		require.NoError(t, err)
		_, err = tx.PutBlob(ctx, nil)
		return err
	}))
	record.Seq, out.Revision = 1, 1
	require.NoError(t, s.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
		history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{1}})
		require.NoError(t, err)
		assert.Equal(t, []incident.Record{record}, history)
		rows, err := r.Outgoing(ctx, storage.OutgoingQuery{})
		require.NoError(t, err)
		assert.Equal(t, []storage.Outgoing{out}, rows)
		holder, ok, err := r.Claimed(ctx, storage.Key{Space: odd, Value: odd})
		require.NoError(t, err)
		assert.True(t, ok && holder == 1)
		blob, err := r.OpenBlob(ctx, incident.DigestOf(nil))
		require.NoError(t, err)
		blob.Close()

		for _, q := range []storage.Query{
			{Under: "example.org"}, // a label may begin with any byte
			{Order: []storage.Order{{Column: storage.BySubject}}, After: &storage.Cursor{Subject: "a\x00a"}},
		} {
			found, err := r.Find(ctx, q)
			require.NoError(t, err)
			require.Len(t, found, 1)
			assert.Equal(t, "a\x00b", found[0].Subject)
		}
		return nil
	}))
}

func TestNothingIsUsedAfterFn(t *testing.T) {
	s, err := New(context.Background(), memory(t), Config{})
	require.NoError(t, err)
	defer s.Close()
	ctx := context.Background()
	var r storage.Reader
	var tx storage.Tx
	require.NoError(t, s.View(ctx, func(_ context.Context, got storage.Reader) error { r = got; return nil }))
	require.NoError(t, s.Update(ctx, func(_ context.Context, got storage.Tx) error { tx = got; return nil }))
	errs := map[string]error{}
	for name, reader := range map[string]storage.Reader{"view": r, "update": tx} {
		_, errs[name+" Ticket"] = reader.Ticket(ctx, 1)
		_, errs[name+" Find"] = reader.Find(ctx, storage.Query{})
		_, errs[name+" Count"] = reader.Count(ctx, storage.Query{})
		_, errs[name+" History"] = reader.History(ctx, storage.HistoryQuery{})
		_, _, errs[name+" Claimed"] = reader.Claimed(ctx, storage.Key{})
		_, errs[name+" Outgoing"] = reader.Outgoing(ctx, storage.OutgoingQuery{})
		_, errs[name+" OpenBlob"] = reader.OpenBlob(ctx, incident.Digest{})
	}
	_, errs["NextID"] = tx.NextID(ctx)
	errs["Append"] = tx.Append(ctx)
	_, errs["Claim"] = tx.Claim(ctx, storage.Key{}, 1)
	errs["PutOutgoing"] = tx.PutOutgoing(ctx, storage.Outgoing{})
	_, errs["PutBlob"] = tx.PutBlob(ctx, nil)
	for name, err := range errs {
		assert.ErrorIs(t, err, errEnded, name)
	}
}

func TestNumbersThatDoNotFit(t *testing.T) {
	s, err := New(context.Background(), memory(t), Config{})
	require.NoError(t, err)
	defer s.Close()
	err = s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		r := incident.Record{Ticket: incident.Nth(1)}
		require.NoError(t, r.Encode(incident.Commented{}))
		incident.Seal(incident.Ticket{}, &r)
		_, err := tx.Ticket(ctx, incident.Nth(1))
		assert.ErrorIs(t, err, storage.ErrNotFound)
		return tx.Append(ctx, r)
	})
	assert.ErrorContains(t, err, "ticket $1 has no number yet")
	err = s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		r := incident.Record{Ticket: incident.MaxID, At: time.UnixMicro(1)}
		require.NoError(t, r.Encode(incident.Commented{}))
		incident.Seal(incident.Ticket{}, &r)
		require.NoError(t, tx.Append(ctx, r))
		_, err := tx.NextID(ctx)
		return err
	})
	assert.ErrorContains(t, err, "no ticket numbers are left")
}

// An update keeps what it has decoded, but not without end.
func TestAnUpdateOverManyTickets(t *testing.T) {
	s, err := New(context.Background(), memory(t), Config{})
	require.NoError(t, err)
	defer s.Close()
	require.NoError(t, s.Update(context.Background(), func(ctx context.Context, got storage.Tx) error {
		for id := range incident.ID(2*maxTickets + 10) {
			r := incident.Record{Ticket: id + 1, At: time.UnixMicro(1)}
			require.NoError(t, r.Encode(incident.Opened{Kind: incident.KindReport}))
			incident.Seal(incident.Ticket{}, &r)
			require.NoError(t, got.Append(ctx, r))
		}
		assert.LessOrEqual(t, len(got.(*tx).tickets), maxTickets)
		n, err := got.Count(ctx, storage.Query{})
		assert.Equal(t, 2*maxTickets+10, n)
		return err
	}))
}

// SQLite rolls back by itself on some errors; the connection stays good then,
// and with it a database in memory.
func TestARollBackByTheDatabase(t *testing.T) {
	s, err := New(context.Background(), memory(t), Config{})
	require.NoError(t, err)
	defer s.Close()
	digest := incident.DigestOf([]byte("body"))
	require.NoError(t, s.Update(context.Background(), func(ctx context.Context, got storage.Tx) error {
		_, err := got.PutBlob(ctx, []byte("body"))
		return err
	}))
	assert.Error(t, s.Update(context.Background(), func(ctx context.Context, got storage.Tx) error {
		_, err := got.(*tx).c.exec(ctx, "ROLLBACK")
		require.NoError(t, err)
		return assert.AnError
	}))
	require.NoError(t, s.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
		_, err := r.OpenBlob(ctx, digest)
		return err
	}))
}

// The connection that writes may not hold the lock for ever; it goes back as it
// came.
func TestWriterMayNotIdle(t *testing.T) {
	db, err := sql.Open(postgrestest.Driver, postgrestest.New(t))
	require.NoError(t, err)
	defer db.Close()
	db.SetMaxOpenConns(1)
	s, err := New(context.Background(), db, Config{Dialect: PostgreSQL})
	require.NoError(t, err)
	const show = "SELECT current_setting('idle_in_transaction_session_timeout')"
	var timeout string
	require.NoError(t, s.Update(context.Background(), func(ctx context.Context, got storage.Tx) error {
		_, err := got.(*tx).c.first(ctx, show, nil, &timeout)
		return err
	}))
	assert.Equal(t, "1min", timeout)
	require.NoError(t, s.Close())
	require.NoError(t, db.QueryRow(show).Scan(&timeout))
	assert.Equal(t, "0", timeout)
}
