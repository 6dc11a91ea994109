package storagetest_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// altering is a store whose tickets come back changed.
func altering(change func(*incident.Ticket)) lies {
	return lies{ticket: func(next storage.Reader, ctx context.Context, id incident.ID) (incident.Ticket, error) {
		t, err := next.Ticket(ctx, id)
		if err == nil {
			change(&t)
		}
		return t, err
	}}
}

// telling is a store whose committed records come back changed.
func telling(change func([]incident.Record) []incident.Record) lies {
	return lies{history: func(next storage.Reader, ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
		records, err := next.History(ctx, q)
		return change(records), err
	}}
}

// looking is a store whose History looks at less of the query.
func looking(change func(*storage.HistoryQuery)) lies {
	return lies{history: func(next storage.Reader, ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
		change(&q)
		return next.History(ctx, q)
	}}
}

// narrowed is a store whose History leaves out what does not match only after the
// Limit.
func narrowed(change func(*storage.HistoryQuery)) lies {
	return lies{history: func(next storage.Reader, ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
		wider := q
		change(&wider)
		records, err := next.History(ctx, wider)
		return slices.DeleteFunc(records, func(r incident.Record) bool { return !q.Match(r) }), err
	}}
}

func eachRecord(change func(*incident.Record)) lies {
	return telling(func(records []incident.Record) []incident.Record {
		for i := range records {
			change(&records[i])
		}
		return records
	})
}

// lax is a store that takes a record although Extend refuses it for this
// reason.
func lax(reason string) lies {
	return lies{append: func(next storage.Tx, ctx context.Context, records []incident.Record) error {
		for _, r := range records {
			t, err := next.Ticket(ctx, r.Ticket)
			if err != nil && !errors.Is(err, storage.ErrNotFound) {
				return err
			}
			if _, err := incident.Extend(t, r); err != nil && strings.Contains(err.Error(), reason) {
				r = resealed(t, r)
			}
			if err := next.Append(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}}
}

// numbering is a store with its own counter for ids.
func numbering(start incident.ID, rollsBack bool) func() storage.Store {
	return func() storage.Store {
		var mu sync.Mutex
		last := start
		return crooked{memory.New(), lies{
			update: func(next storage.Store, ctx context.Context, fn func(context.Context, storage.Tx) error) error {
				mu.Lock()
				defer mu.Unlock()
				before := last
				err := next.Update(ctx, fn)
				if err != nil && rollsBack {
					last = before
				}
				return err
			},
			nextID: func(storage.Tx, context.Context) (incident.ID, error) {
				last++
				return last, nil
			},
		}}
	}
}

func recordDefects() []defect {
	list := []defect{
		lying("a ticket that is not there is an empty one", lies{ticket: func(next storage.Reader, ctx context.Context, id incident.ID) (incident.Ticket, error) {
			t, err := next.Ticket(ctx, id)
			if errors.Is(err, storage.ErrNotFound) {
				return incident.Ticket{}, nil
			}
			return t, err
		}}, "TicketNotFound"),
		lying("a ticket that is not there is some error", lies{ticket: func(next storage.Reader, ctx context.Context, id incident.ID) (incident.Ticket, error) {
			t, err := next.Ticket(ctx, id)
			if err != nil {
				err = errors.New("no rows")
			}
			return t, err
		}}, "TicketNotFound"),
		lying("a column is missing", altering(func(t *incident.Ticket) { t.Held = nil }), "AppendKeepsFold"),
		lying("fields keep one value", altering(func(t *incident.Ticket) {
			for name, values := range t.Fields {
				t.Fields[name] = values[:1]
			}
		}), "AppendKeepsFold"),
		lying("a link stays when it is taken away", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			parent := q.Parent
			q.Parent = 0
			return slices.DeleteFunc(q.Select(all), func(t incident.Ticket) bool {
				return parent != 0 && !t.HasParent(parent) && t.Version < 12
			})
		}), "AppendKeepsFold"),
		lying("every refusal is a conflict", lies{append: func(next storage.Tx, ctx context.Context, records []incident.Record) error {
			if next.Append(ctx, records...) != nil {
				return storage.ErrConflict
			}
			return nil
		}}, "AppendRefuses"),
		{"fn may forget a refusal", []string{"RefusalEndsUpdate"}, func() storage.Store {
			return crooked{memory.New(), lies{append: func(next storage.Tx, ctx context.Context, records []incident.Record) error {
				for _, r := range records {
					t, _ := next.Ticket(ctx, r.Ticket)
					if _, err := storage.Extend(t, r); err != nil {
						return err // and the store underneath does not hear of it
					}
					if err := next.Append(ctx, r); err != nil {
						return err
					}
				}
				return nil
			}}}
		}},
		{"ids begin at 100", []string{"IDsCountUp"}, numbering(99, true)},
		{"ids do not look at what was appended", []string{"IDsAreNew"}, numbering(0, true)},
		{"ids are used up by a roll-back", []string{"IDsRollBack"}, numbering(0, false)},
		lying("an id is given out twice", lies{nextID: func(next storage.Tx, ctx context.Context) (incident.ID, error) {
			last, err := next.Find(ctx, storage.Query{Order: []storage.Order{{Column: storage.ByID, Descending: true}}, Limit: 1})
			if len(last) == 0 {
				return 1, err
			}
			return last[0].ID + 1, err
		}}, "IDsAreNew"),
		lying("Seq has holes", eachRecord(func(r *incident.Record) { r.Seq *= 2 }), "SeqHasNoHoles"),
		lying("Seq runs down", eachRecord(func(r *incident.Record) { r.Seq = 1<<40 - r.Seq }), "SeqHasNoHoles", "SeqOrder"),
		lying("a record appears behind later ones", telling(func(records []incident.Record) []incident.Record {
			if n := len(records); n > 4 {
				records = slices.Delete(records, n-2, n-1)
			}
			return records
		}), "SeqIsFinal"),
		{"Seq is drawn before the commit", []string{"SeqIsCommitOrder"}, drawnEarly},
		lying("inside fn a record has a Seq", eachRecord(func(r *incident.Record) {
			if r.Seq == 0 {
				r.Seq = 99
			}
		}), "SeqIsGiven"),
		{"Seq is kept as it was given", []string{"SeqIsGiven"}, givenSeq},
		lying("JSON is compacted", eachRecord(func(r *incident.Record) {
			var b bytes.Buffer
			if json.Compact(&b, r.Data) == nil {
				r.Data = b.Bytes()
			}
		}), "RecordBytes"),
		lying("content goes through a decoder", eachRecord(func(r *incident.Record) {
			var v any
			if json.Unmarshal(r.Content, &v) == nil {
				r.Content, _ = json.Marshal(v)
			}
		}), "RecordBytes"),
		lying("blobs of a record are lost", eachRecord(func(r *incident.Record) { r.Blobs = nil }), "RecordBytes"),
		lying("the policy is a small number", eachRecord(func(r *incident.Record) { r.Policy = uint32(uint16(r.Policy)) }), "RecordBytes"),
		lying("dates have milliseconds", altering(func(t *incident.Ticket) { t.Updated = t.Updated.Truncate(time.Millisecond) }), "Times"),
		lying("only reminders wake", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			return q.Select(slices.DeleteFunc(all, func(t incident.Ticket) bool { return !q.WakeBy.IsZero() && t.Wake == nil }))
		}), "Alarms"),
		lying("alarms that were made wake again", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			for i := range all {
				all[i].Alarms = nil
			}
			return q.Select(all)
		}), "Alarms"),
		lying("records have milliseconds", eachRecord(func(r *incident.Record) { r.At = r.At.Truncate(time.Millisecond) }), "Times", "RecordBytes"),
		lying("records have a local time", eachRecord(func(r *incident.Record) { r.At = r.At.In(time.FixedZone("local", 3600)) }), "Times"),
		lying("outgoing rows have seconds", lies{outgoing: func(next storage.Reader, ctx context.Context, q storage.OutgoingQuery) ([]storage.Outgoing, error) {
			rows, err := next.Outgoing(ctx, q)
			for i := range rows {
				rows[i].NextTry = rows[i].NextTry.Truncate(time.Second)
			}
			return rows, err
		}}, "Times", "OutgoingRow"),
		lying("dates are compared by the millisecond", asking(func(q storage.Query) storage.Query {
			q.UpdatedSince = q.UpdatedSince.Truncate(time.Millisecond)
			q.DueBefore = q.DueBefore.Truncate(time.Millisecond)
			return q
		}), "Times"),
		{"Ticket gives what it holds", []string{"CallerOwnsValues"}, cached},
		{"records are kept as they were given", []string{"CallerOwnsValues"}, sharedRecords},
		{"blobs are kept as they were given", []string{"CallerOwnsValues"}, sharedBlobs},
		lying("History has no Limit", looking(func(q *storage.HistoryQuery) { q.Limit = 0 }), "History"),
		lying("History begins at the beginning", looking(func(q *storage.HistoryQuery) { q.After = 0 }), "History"),
		lying("History begins with After", looking(func(q *storage.HistoryQuery) {
			if q.After > 0 {
				q.After--
			}
		}), "History"),
		lying("History is of all tickets", looking(func(q *storage.HistoryQuery) { q.Tickets = nil }), "History"),
		lying("History is of all versions", looking(func(q *storage.HistoryQuery) { q.Versions = nil }), "History"),
		lying("History is of all types", looking(func(q *storage.HistoryQuery) { q.Types = nil }), "History"),
		lying("History never runs backwards", looking(func(q *storage.HistoryQuery) { q.Descending = false }), "History"),
		lying("types are looked for among the newest", narrowed(func(q *storage.HistoryQuery) { q.Types = nil }), "History"),
		lying("the newest are the oldest, turned around", lies{history: func(next storage.Reader, ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
			descending := q.Descending
			q.Descending = false
			records, err := next.History(ctx, q)
			if descending {
				slices.Reverse(records)
			}
			return records, err
		}}, "History"),
		lying("records of this update are the oldest when the newest are asked for", lies{history: func(next storage.Reader, ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
			records, err := next.History(ctx, q)
			if q.Descending {
				slices.SortStableFunc(records, func(a, b incident.Record) int { return cmp.Compare(b.Seq, a.Seq) })
			}
			return records, err
		}}, "History"),
		lying("History runs backwards", telling(func(records []incident.Record) []incident.Record {
			slices.Reverse(records)
			return records
		}), "History", "SeqHasNoHoles"),
	}
	for _, reason := range []string{"must follow version", "does not continue", "its Hash does not fit", "finer than", "is dated before"} {
		list = append(list, lying("a record is taken that "+reason, lax(reason), "AppendRefuses"))
	}
	return list
}

// givenSeq remembers what Append was given in Seq.
func givenSeq() storage.Store {
	var mu sync.Mutex
	given := map[incident.Digest]uint64{}
	return crooked{memory.New(), lies{
		append: func(next storage.Tx, ctx context.Context, records []incident.Record) error {
			mu.Lock()
			defer mu.Unlock()
			for _, r := range records {
				if r.Seq != 0 {
					given[r.Hash] = r.Seq
				}
			}
			return next.Append(ctx, records...)
		},
		history: func(next storage.Reader, ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
			mu.Lock()
			defer mu.Unlock()
			records, err := next.History(ctx, q)
			for i, r := range records {
				if seq, ok := given[r.Hash]; ok && r.Seq != 0 {
					records[i].Seq = seq
				}
			}
			return records, err
		},
	}}
}

// drawnEarly is the classic mistake: updates run beside each other, and a record
// gets its number, from a sequence, when it is appended.
func drawnEarly() storage.Store {
	var mu sync.Mutex
	drawn, last := map[incident.Digest]uint64{}, uint64(0)
	return crooked{memory.New(), lies{
		update: optimistic(flush).update,
		append: func(next storage.Tx, ctx context.Context, records []incident.Record) error {
			mu.Lock()
			for _, r := range records {
				last++
				drawn[r.Hash] = last
			}
			mu.Unlock()
			return next.Append(ctx, records...)
		},
		history: func(next storage.Reader, ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
			all, err := next.History(ctx, storage.HistoryQuery{Tickets: q.Tickets})
			mu.Lock()
			defer mu.Unlock()
			for i, r := range all {
				all[i].Seq = drawn[r.Hash]
			}
			slices.SortFunc(all, func(a, b incident.Record) int { return cmp.Compare(a.Seq, b.Seq) })
			return slices.DeleteFunc(all, func(r incident.Record) bool { return !q.Match(r) }), err
		},
	}}
}

// cached gives everybody the same copy of a ticket.
func cached() storage.Store {
	type version struct {
		id incident.ID
		n  uint64
	}
	copies := map[version]incident.Ticket{}
	return crooked{memory.New(), lies{ticket: func(next storage.Reader, ctx context.Context, id incident.ID) (incident.Ticket, error) {
		t, err := next.Ticket(ctx, id)
		if err != nil {
			return t, err
		}
		if _, ok := copies[version{id, t.Version}]; !ok {
			copies[version{id, t.Version}] = t
		}
		return copies[version{id, t.Version}], nil
	}}}
}

func sharedRecords() storage.Store {
	given := map[incident.Digest]incident.Record{}
	return crooked{memory.New(), lies{
		append: func(next storage.Tx, ctx context.Context, records []incident.Record) error {
			for _, r := range records {
				given[r.Hash] = r
			}
			return next.Append(ctx, records...)
		},
		history: func(next storage.Reader, ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
			records, err := next.History(ctx, q)
			for i, r := range records {
				records[i].Data, records[i].Content, records[i].Blobs = given[r.Hash].Data, given[r.Hash].Content, given[r.Hash].Blobs
			}
			return records, err
		},
	}}
}
