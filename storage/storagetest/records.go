package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

func recordChecks() []Check {
	return []Check{
		{"TicketNotFound", "Ticket returns a ticket by its number, or ErrNotFound.", ticketNotFound},
		{"AppendKeepsFold", "Append keeps what incident.Extend returns.", appendKeepsFold},
		{"AppendRefuses", "Append takes only records that incident.Extend accepts: one that does not continue the stored ticket is ErrConflict, any other refusal is the error of Extend.", appendRefuses},
		{"RefusalEndsUpdate", "When one record is refused, the update must end with an error.", refusalEndsUpdate},
		{"IDsCountUp", "Ids are 1, 2, 3 ...", idsCountUp},
		{"IDsAreNew", "NextID never returns an id that Append has seen, nor one twice in one update.", idsAreNew},
		{"IDsRollBack", "The id of an update that is rolled back is free again.", idsRollBack},
		{"SeqHasNoHoles", "Record.Seq numbers the committed records 1, 2, 3 ... without holes, and is larger than that of every earlier record of its ticket.", seqHasNoHoles},
		{"SeqOrder", "Record.Seq is larger than that of every record committed before the update began.", seqOrder},
		{"SeqIsFinal", "A reader that has seen n never later finds a new record at or below n.", seqIsFinal},
		{"SeqIsCommitOrder", "A reader that has seen n never later finds a new record at or below n, however long an update that has appended takes to commit.", seqIsCommitOrder},
		{"SeqIsGiven", "What Append was given in Seq is ignored, and inside fn Seq is zero.", seqIsGiven},
		{"RecordBytes", "Bytes of records come back as they were given.", recordBytes},
		{"Times", "Times keep their microseconds and are UTC.", times},
		{"Alarms", "Query.WakeBy finds a ticket by its next alarm, whatever has moved it.", alarms},
		{"CallerOwnsValues", "Values in and out are the caller's to change.", callerOwnsValues},
		{"History", "History returns exactly the records for which HistoryQuery.Match is true, in ascending order of Seq or, if Descending, from the newest on, at most Limit of them.", history},
	}
}

func ticketNotFound(c *trial) {
	t := c.opened(report("only"))
	c.view(func(ctx context.Context, r storage.Reader) {
		for _, id := range []incident.ID{incident.Desk, t.ID + 1, incident.MaxID} {
			if got, err := r.Ticket(ctx, id); !errors.Is(err, storage.ErrNotFound) {
				c.broken("there is only ticket %s; Ticket(%s) gives version %d, error %v", t.ID, id, got.Version, err)
			}
		}
	})
}

// lifetime is one event of each kind that changes a ticket, and one unknown.
func lifetime(parent incident.ID) []incident.Event {
	edited := incident.Edited{Priority: ptr(3), State: ptr(incident.State("blocked")), Wake: ptr(hour(9)), Fields: map[string][]string{"class": {"scan", "spam"}}}
	edited.Content.Subject = ptr("éé \U0001f600")
	edited.Content.Cc = &[]incident.Party{{Name: "Zoë", Address: "zoe@example.net"}}
	message := incident.Message{Side: incident.Outside, When: ptr(hour(1)), Blobs: []incident.Digest{incident.DigestOf([]byte("raw"))}}
	message.Content.Observables = []incident.Observable{{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleSource}}
	return []incident.Event{
		incident.Owned{To: "handler:bob"},
		incident.Linked{Parent: parent},
		incident.Moved{From: "new", To: "open", Phase: incident.Active},
		message,
		edited,
		incident.Held{Reason: "two tags", Candidates: []incident.ID{parent}},
		incident.Observed{Feed: "feed", Count: 2, First: ptr(hour(1)), Full: true, Beyond: true, Content: incident.ObservedContent{Kept: []string{"k"}}},
		incident.DueSet{Due: ptr(hour(30)), Clock: "response"},
		incident.Commented{Blobs: []incident.Digest{incident.DigestOf([]byte("note"))}},
		incident.Unknown{Name: "of-tomorrow", Data: []byte(`{ "a" :1}`), Content: []byte(`{"b": 2 }`)},
		incident.Edited{Clear: []string{"wake"}, Fields: map[string][]string{"class": nil}},
		incident.Unlinked{Parent: parent},
		incident.Delivered{Outcome: incident.Appended, To: parent},
		incident.Merged{Into: parent},
		incident.DueSet{},
		incident.Moved{From: "open", To: "resolved", Phase: incident.Inactive},
	}
}

func appendKeepsFold(c *trial) {
	parent := c.opened(incident.Opened{Kind: incident.KindIncident, Status: "open", Phase: incident.Active})
	want := c.opened(report("life"))
	for i, ev := range lifetime(parent.ID) {
		c.update(func(ctx context.Context, tx storage.Tx) { c.must(appendTo(ctx, tx, &want, hour(i+1), ev)) })
		if got := c.ticket(want.ID); text(got) != text(want) {
			c.broken("after event %s the ticket is\n%s\nExtend gives\n%s", ev.Type(), text(got), text(want))
		}
		c.view(func(ctx context.Context, r storage.Reader) {
			found, err := r.Find(ctx, storage.Query{IDs: []incident.ID{want.ID}})
			if err != nil || len(found) != 1 || text(found[0]) != text(want) {
				c.broken("after event %s Find gives\n%s, %v\nExtend gives\n%s", ev.Type(), text(found), err, text(want))
			}
			children, err := r.Find(ctx, storage.Query{Parent: parent.ID})
			if err != nil || (len(children) == 1) != want.HasParent(parent.ID) {
				c.broken("after event %s Find gives %v, %v as children of %s; the ticket's parents are %v", ev.Type(), ids(children), err, parent.ID, want.Parents)
			}
		})
	}

	// Several records of several tickets in one Append.
	other := c.opened(report("other"))
	var records []incident.Record
	for i, t := range []*incident.Ticket{&want, &other, &want, &other} {
		r := sealed(*t, t.ID, hour(50+i), incident.Edited{Priority: ptr(i)})
		*t = incident.Apply(*t, r)
		records = append(records, r)
	}
	c.update(func(ctx context.Context, tx storage.Tx) {
		c.must(tx.Append(ctx)) // nothing is nothing
		c.must(tx.Append(ctx, records...))
	})
	for _, t := range []incident.Ticket{want, other} {
		if got := c.ticket(t.ID); text(got) != text(t) {
			c.broken("after an Append of records of two tickets, one is\n%s\nExtend gives\n%s", text(got), text(t))
		}
		folded, err := incident.Verify(c.history(storage.HistoryQuery{Tickets: []incident.ID{t.ID}}))
		if err != nil || text(folded) != text(t) {
			c.broken("the history of ticket %s gives\n%s, %v\nExtend gives\n%s", t.ID, text(folded), err, text(t))
		}
	}
}

// refusal is a record that Extend refuses.
type refusal struct {
	what     string
	conflict bool
	record   func(t incident.Ticket, next incident.Record) incident.Record
}

func refusals() []refusal {
	return []refusal{
		{"a Version that is there already", true, func(t incident.Ticket, r incident.Record) incident.Record {
			r.Version--
			return r
		}},
		{"a Version that leaves one out", true, func(t incident.Ticket, r incident.Record) incident.Record {
			r.Version++
			return r
		}},
		{"another Prev, sealed", true, func(t incident.Ticket, r incident.Record) incident.Record {
			t.Hash[0]++
			incident.Seal(t, &r)
			return r
		}},
		{"a Hash that does not fit", false, func(_ incident.Ticket, r incident.Record) incident.Record {
			r.Hash[5]++
			return r
		}},
		{"no Hash", false, func(_ incident.Ticket, r incident.Record) incident.Record {
			r.Hash = incident.Digest{}
			return r
		}},
		{"Data changed after it was sealed", false, func(_ incident.Ticket, r incident.Record) incident.Record {
			r.Data = []byte(`{"to":"handler:mallory"}`)
			return r
		}},
		{"a time finer than microseconds", false, func(t incident.Ticket, r incident.Record) incident.Record {
			r.At = r.At.Add(time.Nanosecond)
			incident.Seal(t, &r)
			return r
		}},
		{"a time before the record before", false, func(t incident.Ticket, r incident.Record) incident.Record {
			r.At = t.Updated.Add(-time.Microsecond)
			incident.Seal(t, &r)
			return r
		}},
	}
}

func appendRefuses(c *trial) {
	t := c.opened(report("chain"))
	t = c.changed(t, incident.Owned{To: "handler:bob"})
	for _, refusal := range refusals() {
		good := sealed(t, t.ID, hour(20), incident.Owned{To: "handler:carol"})
		after := incident.Apply(t, good)
		bad := refusal.record(after, sealed(after, t.ID, hour(21), incident.Owned{To: "handler:dan"}))
		_, want := incident.Extend(after, bad)
		err := c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error {
			return tx.Append(ctx, good, bad)
		})
		var chain *incident.ChainError
		switch {
		case err == nil:
			c.broken("a record with %s was taken", refusal.what)
		case refusal.conflict != errors.Is(err, storage.ErrConflict):
			c.broken("a record with %s is refused with: %v\nErrConflict: %v, wanted: %v", refusal.what, err, !refusal.conflict, refusal.conflict)
		case !refusal.conflict && !errors.As(err, &chain):
			c.broken("a record with %s is refused with: %v\nwanted was the *incident.ChainError: %v", refusal.what, err, want)
		}
		if got := c.ticket(t.ID); text(got) != text(t) {
			c.broken("a record with %s was refused, and yet the ticket became\n%s\nfrom\n%s", refusal.what, text(got), text(t))
		}
		if n := len(c.history(storage.HistoryQuery{})); n != 2 {
			c.broken("a record with %s was refused, and yet there are %d records where 2 were committed", refusal.what, n)
		}
	}
}

func refusalEndsUpdate(c *trial) {
	t := c.opened(report("refused"))
	err := c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error {
		if _, err := open(ctx, tx, report("beside it")); err != nil {
			return err
		}
		good := sealed(t, t.ID, hour(3), incident.Owned{To: "handler:bob"})
		bad := sealed(t, t.ID, hour(4), incident.Owned{To: "handler:carol"})
		bad.Version, bad.Hash[0] = 3, bad.Hash[0]+1
		if err := tx.Append(ctx, good, bad); err == nil {
			c.broken("a record whose Hash does not fit was taken")
		}
		return nil // fn forgets the error
	})
	if err == nil {
		c.broken("fn returned nil after Append had refused a record, and Update committed")
	}
	if n := len(c.history(storage.HistoryQuery{})); n != 1 {
		c.broken("Append refused a record, and yet there are %d records where 1 was committed", n)
	}
}

func history(c *trial) {
	var tickets []incident.Ticket
	for range 4 {
		tickets = append(tickets, c.opened(report("history")))
	}
	for i := range 12 {
		at := c.rand.IntN(len(tickets))
		tickets[at] = c.changed(tickets[at], c.oneOf(i))
	}
	c.view(func(ctx context.Context, r storage.Reader) { c.historyEqualsMatch(ctx, r) })
	c.update(func(ctx context.Context, tx storage.Tx) {
		for i := range 6 {
			c.must(appendTo(ctx, tx, &tickets[c.rand.IntN(len(tickets))], hour(30), c.oneOf(i)))
		}
		c.historyEqualsMatch(ctx, tx)
	})
}

// oneOf is an event of one of two types.
func (c *trial) oneOf(n int) incident.Event {
	if c.rand.IntN(2) == 0 {
		return incident.Owned{To: pick(c, owners()...)}
	}
	return incident.Edited{Priority: ptr(n)}
}

// historyEqualsMatch asks for records in many ways; those of an update that runs
// are the newest.
func (c *trial) historyEqualsMatch(ctx context.Context, r storage.Reader) {
	c.Helper()
	all, err := r.History(ctx, storage.HistoryQuery{})
	c.must(err)
	for range 500 {
		q := storage.HistoryQuery{Limit: c.rand.IntN(8), Descending: c.rand.IntN(2) == 0}
		if c.rand.IntN(2) == 0 {
			q.After = uint64(c.rand.IntN(len(all) + 3))
		}
		for range c.rand.IntN(4) {
			q.Tickets = append(q.Tickets, incident.ID(c.rand.IntN(6)))
		}
		if c.rand.IntN(3) == 0 {
			q.Types = some(c, "opened", "owned", "edited", "Owned", "message")
		}
		for range max(0, c.rand.IntN(6)-3) {
			q.Versions = append(q.Versions, pick[uint64](c, 0, 1, 2, 3, 4, 5, 99, math.MaxUint64))
		}
		var want []string
		for _, record := range all {
			if q.Match(record) {
				want = append(want, place(record))
			}
		}
		if q.Descending {
			slices.Reverse(want)
		}
		if q.Limit > 0 {
			want = want[:min(q.Limit, len(want))]
		}
		records, err := r.History(ctx, q)
		c.must(err)
		var got []string
		for _, record := range records {
			got = append(got, place(record))
		}
		if !slices.Equal(got, want) {
			c.broken("seed %d: History gives the records (ticket, version, Seq) %v; want %v\nquery: %s", c.seed, got, want, text(q))
		}
	}
}

func place(r incident.Record) string { return fmt.Sprintf("%s.%d@%d", r.Ticket, r.Version, r.Seq) }
