package storagetest

import (
	"bytes"
	"context"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

func recordBytes(c *trial) {
	var t incident.Ticket
	var want []incident.Record
	for i, data := range []string{
		`{"kind":"report"}`, "{ \"b\" : 1.50 ,\n\t\"a\":1e3, \"a\":2 }", `{"n":12345678901234567890,"f":0.10}`,
		`{"s":"é\u00e9\u0000<>&\/"}`, `null`, `[]`, ` {} `, `"` + string(bytes.Repeat([]byte("x"), 200_000)) + `"`,
	} {
		r := incident.Record{
			Ticket: 1, At: hour(i), By: "handler:zoë", Command: "check it", Policy: 4_000_000_000,
			Cause: incident.Cause{Rule: "rule", Ticket: incident.MaxID, Version: 1<<63 - 1}, Type: "of-tomorrow",
			Data: []byte(data), Content: []byte(data), Salt: incident.Salt{0, 255, byte(i)},
			Blobs: []incident.Digest{incident.DigestOf([]byte(data)), {}, {255}},
		}
		if i == 3 {
			r.Content, r.Blobs, r.Cause, r.By, r.Command = nil, nil, incident.Cause{}, "", ""
		}
		incident.Seal(t, &r)
		t = incident.Apply(t, r)
		want = append(want, r)
	}
	c.update(func(ctx context.Context, tx storage.Tx) { c.must(tx.Append(ctx, want...)) })
	got := c.history(storage.HistoryQuery{Tickets: []incident.ID{1}})
	if len(got) != len(want) {
		c.broken("%d records were appended; History gives %d", len(want), len(got))
	}
	for i, r := range got {
		w := want[i]
		if !bytes.Equal(r.Data, w.Data) || !bytes.Equal(r.Content, w.Content) {
			c.broken("Data and Content\n%.300q\n%.300q\ncame back as\n%.300q\n%.300q", w.Data, w.Content, r.Data, r.Content)
		}
		w.Seq = r.Seq
		if text(r) != text(w) {
			c.broken("the record\n%.2000s\ncame back as\n%.2000s", text(w), text(r))
		}
	}
	if _, err := incident.Verify(got); err != nil {
		c.broken("the history does not verify any more: %v", err)
	}
}

func times(c *trial) {
	zone := time.FixedZone("elsewhere", 2*3600+1800)
	at := time.Date(2026, 3, 29, 3, 30, 0, 123_456_000, zone)
	t := c.opened(report("times"))
	t.Updated = at // no event that sealed makes is dated before it
	far := time.Date(9999, 12, 31, 23, 59, 59, 654_321_000, time.UTC)
	early := time.Date(1969, 12, 31, 23, 59, 59, 654_321_000, time.UTC)
	c.update(func(ctx context.Context, tx storage.Tx) {
		c.must(appendTo(ctx, tx, &t, at, incident.DueSet{Due: &far}))
		c.must(appendTo(ctx, tx, &t, at, incident.Edited{Wake: &early, Started: &at}))
		row := queued(t.ID, 3, 0)
		row.Queued, row.NextTry = at, far.In(zone)
		c.must(tx.PutOutgoing(ctx, row))
		row.Number, row.Status, row.Lease = 1, storage.Sending, at
		c.must(tx.PutOutgoing(ctx, row))
	})
	same := func(what string, got, want time.Time) {
		c.Helper()
		if !got.Equal(want) || got.Location() != time.UTC {
			c.broken("%s is %s (%s); want %s", what, got.Format(time.RFC3339Nano), got.Location(), want.UTC().Format(time.RFC3339Nano))
		}
	}
	got := c.ticket(t.ID)
	same("Created", got.Created, hour(0))
	same("Updated", got.Updated, at)
	for what, date := range map[string][2]*time.Time{"Due": {got.Due, &far}, "Wake": {got.Wake, &early}, "Started": {got.Started, &at}} {
		if date[0] == nil {
			c.broken("%s is not set", what)
		}
		same(what, *date[0], *date[1])
	}
	for _, r := range c.history(storage.HistoryQuery{After: 1}) {
		same("Record.At", r.At, at)
	}
	c.view(func(ctx context.Context, r storage.Reader) {
		rows, err := r.Outgoing(ctx, storage.OutgoingQuery{})
		c.must(err)
		same("Outgoing.Queued", rows[0].Queued, at)
		same("Outgoing.NextTry", rows[0].NextTry, far)
		same("Outgoing.Lease", rows[1].Lease, at)
		if !rows[0].Lease.IsZero() {
			c.broken("Outgoing.Lease was zero and is %s", rows[0].Lease)
		}
	})
	for q, want := range map[*storage.Query]int{
		{DueBefore: far}:                         0,
		{DueBefore: far.Add(time.Microsecond)}:   1,
		{WakeBy: early}:                          1,
		{WakeBy: early.Add(-time.Microsecond)}:   0,
		{UpdatedSince: at}:                       1,
		{UpdatedSince: at.Add(time.Microsecond)}: 0,
	} {
		if n := len(c.find(*q)); n != want {
			c.broken("a microsecond matters: Find gives %d tickets, want %d\nquery: %s", n, want, text(q))
		}
	}
}

// alarms follows one ticket from its reminder to the last breach of its clocks:
// each change must move it to where WakeBy finds it.
func alarms(c *trial) {
	t := c.opened(report("alarms"))
	at := t.Updated
	clock := incident.Clock{Name: "response", Level: "gold", From: hour(0), Due: hour(9), Warn: ptr(hour(8))}
	basis := &incident.Basis{Level: "gold", Clocks: []incident.Clock{clock, {Name: "resolve", Level: "gold", From: hour(0), Due: hour(20)}}}
	for i, step := range []struct {
		event incident.Event
		next  time.Time // zero: never
	}{
		{incident.Edited{Wake: ptr(hour(7))}, hour(7)},
		{incident.DueSet{Due: &clock.Due, Basis: basis}, hour(7)},
		{incident.Edited{Clear: []string{"wake"}}, hour(8)},
		{incident.Warned{Clock: clock.Name, Level: "gold", From: clock.From, Due: clock.Due}, hour(9).Add(time.Microsecond)},
		{incident.Breached{Clock: clock.Name, Level: "gold", From: clock.From, Due: clock.Due}, hour(20).Add(time.Microsecond)},
		{incident.DueSet{Basis: &incident.Basis{Level: "none"}}, time.Time{}},
	} {
		c.update(func(ctx context.Context, tx storage.Tx) { c.must(appendTo(ctx, tx, &t, at, step.event)) })
		last := step.next
		if last.IsZero() {
			last = hour(9000)
		}
		before, then := len(c.find(storage.Query{WakeBy: last.Add(-time.Microsecond)})), len(c.find(storage.Query{WakeBy: last}))
		want := 1
		if step.next.IsZero() {
			want = 0
		}
		if before != 0 || then != want {
			c.broken("after step %d (%s) WakeBy finds %d tickets before %s and %d then; want 0 and %d", i+1, step.event.Type(), before, last, then, want)
		}
	}
}

// spoil writes to everything that a ticket refers to.
func spoil(t incident.Ticket) {
	for _, list := range [][]incident.Party{t.Requestors, t.Cc, t.Contacts} {
		for i := range list {
			list[i] = incident.Party{Name: "spoilt", Address: "spoilt@example.org"}
		}
	}
	for i := range t.ExternalIDs {
		t.ExternalIDs[i] = "spoilt"
	}
	for i := range t.Parents {
		t.Parents[i] += 1000
	}
	for i := range t.Observables {
		t.Observables[i] = incident.Observable{Kind: incident.Host, Value: "spoilt.example"}
	}
	for i := range t.MergedFrom {
		t.MergedFrom[i] += 1000
	}
	for name, values := range t.Fields {
		for i := range values {
			values[i] = "spoilt"
		}
		t.Fields[name] = append(values, "spoilt")
	}
	for _, date := range []*time.Time{t.Started, t.Resolved, t.Due, t.Wake, t.OldestUnanswered, t.LastOutside, t.LastInside} {
		if date != nil {
			*date = hour(9999)
		}
	}
	if t.Observations != nil {
		*t.Observations = incident.Observations{First: t.Observations.First}
		if t.Observations.First != nil {
			*t.Observations.First = hour(9999)
		}
	}
	if t.Held != nil {
		t.Held.Reason = "spoilt"
		for i := range t.Held.Candidates {
			t.Held.Candidates[i] += 1000
		}
	}
}

// spoilRecord writes to everything that a record refers to.
func spoilRecord(r incident.Record) {
	clear(r.Data)
	clear(r.Content)
	clear(r.Blobs)
}

func callerOwnsValues(c *trial) {
	full := report("full")
	full.Parents = []incident.ID{1}
	full.Fields = map[string][]string{"class": {"scan"}}
	full.Content.Requestors = []incident.Party{{Address: "bob@example.org"}}
	full.Content.Cc = []incident.Party{{Address: "cc@example.org"}}
	full.Content.Contacts = []incident.Party{{Address: "noc@example.org"}}
	full.Content.ExternalIDs = []string{"PEER-7"}
	events := append([]incident.Event{full}, lifetime(1)[3:8]...)
	events = append(events, incident.Merged{From: 9}, incident.Moved{To: "resolved", Phase: incident.Inactive}, incident.Message{Side: incident.Inside, Sent: true})
	c.opened(report("parent"))

	var want incident.Ticket
	var clean []incident.Record
	c.update(func(ctx context.Context, tx storage.Tx) {
		want, clean = incident.Ticket{}, nil
		for i, ev := range events {
			r := sealed(want, 2, hour(i), ev)
			want = incident.Apply(want, r)
			clean = append(clean, storage.CloneRecord(r))
			c.must(tx.Append(ctx, r))
			spoilRecord(r) // as given in
			got, err := tx.Ticket(ctx, 2)
			c.must(err)
			spoil(got) // as read from its own writes
			records, err := tx.History(ctx, storage.HistoryQuery{})
			c.must(err)
			for _, r := range records {
				spoilRecord(r)
			}
		}
		found, err := tx.Find(ctx, storage.Query{})
		c.must(err)
		for _, t := range found {
			spoil(t)
		}
		content := []byte("bytes of a blob")
		_, err = tx.PutBlob(ctx, content)
		c.must(err)
		clear(content)
	})
	look := func(when string) {
		if got := c.ticket(2); text(got) != text(want) {
			c.broken("%s the ticket is\n%s\nit was\n%s", when, text(got), text(want))
		}
		for i, r := range c.history(storage.HistoryQuery{Tickets: []incident.ID{2}}) {
			if r.Seq = 0; text(r) != text(clean[i]) {
				c.broken("%s a record is\n%s\nit was\n%s", when, text(r), text(clean[i]))
			}
		}
		c.view(func(ctx context.Context, r storage.Reader) {
			found, err := r.Find(ctx, storage.Query{IDs: []incident.ID{2}})
			c.must(err)
			if len(found) != 1 || text(found[0]) != text(want) {
				c.broken("%s Find gives\n%s\nit was\n%s", when, text(found), text(want))
			}
			if content, err := blob(ctx, r, incident.DigestOf([]byte("bytes of a blob"))); err != nil || string(content) != "bytes of a blob" {
				c.broken("%s the blob is %q, %v", when, content, err)
			}
		})
	}
	look("after the caller changed what it had given and had read inside fn,")
	c.view(func(ctx context.Context, r storage.Reader) {
		t, err := r.Ticket(ctx, 2)
		c.must(err)
		spoil(t)
		found, err := r.Find(ctx, storage.Query{})
		c.must(err)
		for _, t := range found {
			spoil(t)
		}
		for _, q := range []storage.HistoryQuery{{}, {Tickets: []incident.ID{2}}} {
			records, err := r.History(ctx, q)
			c.must(err)
			for _, r := range records {
				spoilRecord(r)
			}
		}
		body, err := blob(ctx, r, incident.DigestOf([]byte("bytes of a blob")))
		c.must(err)
		clear(body)
	})
	look("after the caller changed what it had read in a View,")
}
