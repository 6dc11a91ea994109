package storagetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

func outboxChecks() []Check {
	return []Check{
		{"OutgoingRevision", "PutOutgoing writes a row if its Revision is that of the stored row (0: there is none), and ErrConflict otherwise. The stored Revision is one more.", outgoingRevision},
		{"OutgoingRow", "PutOutgoing writes a row: every field of it comes back.", outgoingRow},
		{"OutgoingOrder", "Outgoing returns rows in ascending order of Outgoing.ID: ticket, version, number.", outgoingOrder},
		{"OutgoingQuery", "Outgoing returns the rows for which OutgoingQuery.Match is true, at most Limit of them.", outgoingQuery},
	}
}

func outStatuses() []storage.OutStatus {
	return []storage.OutStatus{
		storage.Queued, storage.Leased, storage.Sending, storage.Sent, storage.Uncertain, storage.Failed, storage.Parked, storage.Dropped,
	}
}

func charges() []storage.Charge {
	return []storage.Charge{storage.NoCharge, storage.ChargeOutside, storage.ChargeTeam}
}

// recipients differ in case, and in letters that are no ASCII.
func recipients() []string {
	return []string{"bob@example.org", "Bob@Example.ORG", "é@example.org", "É@example.org", "b_b@example.org"}
}

// put writes a row in an update of its own.
func (c *trial) put(o storage.Outgoing) error {
	return c.store.Update(c.ctx, func(ctx context.Context, tx storage.Tx) error { return tx.PutOutgoing(ctx, o) })
}

// rows reads the outbox in a View of its own.
func (c *trial) rows(q storage.OutgoingQuery) []storage.Outgoing {
	c.Helper()
	var rows []storage.Outgoing
	c.must(c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) (err error) {
		rows, err = r.Outgoing(ctx, q)
		return err
	}))
	return rows
}

func outgoingRevision(c *trial) {
	t := c.opened(report("mail"))
	row := queued(t.ID, 1, 0)
	early := row
	early.Revision = 1
	if err := c.put(early); !errors.Is(err, storage.ErrConflict) {
		c.broken("a row with Revision 1 was put where there is none: error %v", err)
	}
	if rows := c.rows(storage.OutgoingQuery{}); len(rows) != 0 {
		c.broken("after a conflict there is the row %s", text(rows))
	}
	for revision := range uint64(3) {
		row.Revision, row.Attempts = revision, int(revision)
		c.must(c.put(row))
		rows := c.rows(storage.OutgoingQuery{})
		if len(rows) != 1 || rows[0].Revision != revision+1 || rows[0].Attempts != row.Attempts {
			c.broken("after a row with Revision %d was put, stored is %s", revision, text(rows))
		}
		for _, wrong := range []uint64{0, revision, revision + 2} {
			bad := row
			bad.Revision, bad.LastError = wrong, "lost the race"
			if err := c.put(bad); !errors.Is(err, storage.ErrConflict) {
				c.broken("a row with Revision %d was put over one with %d: error %v", wrong, revision+1, err)
			}
		}
		if now := c.rows(storage.OutgoingQuery{}); text(now) != text(rows) {
			c.broken("after conflicts the row is %s; it was %s", text(now), text(rows))
		}
	}
	c.update(func(ctx context.Context, tx storage.Tx) {
		row.Revision, row.Status = 3, storage.Sending
		c.must(tx.PutOutgoing(ctx, row))
		row.Revision, row.Status = 4, storage.Sent
		c.must(tx.PutOutgoing(ctx, row))
		c.must(tx.PutOutgoing(ctx, queued(t.ID, 1, 1)))
	})
	if rows := c.rows(storage.OutgoingQuery{}); len(rows) != 2 || rows[0].Revision != 5 || rows[0].Status != storage.Sent {
		c.broken("after two writes of one row in one update, stored is %s", text(rows))
	}

	// Two couriers take one row.
	taken := 0
	for range 2 {
		next := queued(t.ID, 1, 1)
		next.Revision, next.Status = 1, storage.Sending
		if err := c.put(next); err == nil {
			taken++
		}
	}
	if taken != 1 {
		c.broken("two couriers took one row at the same Revision, and %d of them got it", taken)
	}
}

func outgoingRow(c *trial) {
	t := c.opened(report("mail"))
	var want []storage.Outgoing
	for number, status := range outStatuses() {
		o := storage.Outgoing{
			Ticket: t.ID, Version: 1, Number: number, Status: status,
			Reaction: oddities()[number+2], From: "", To: oddities()[number] + "é@example.net", Blob: incident.DigestOf([]byte{byte(number)}),
			Queued: hour(1), NextTry: hour(2).Add(time.Microsecond), Lease: hour(3), Attempts: 7 + number, LastError: "450 " + oddities()[number+5],
		}
		if number > 1 {
			o.Charge = storage.ChargeOutside
		}
		if number%2 == 0 {
			o.Reaction, o.From, o.Lease, o.LastError = "", "csirt@example.org", time.Time{}, ""
		}
		c.must(c.put(o))
		o.Revision = 1
		want = append(want, o)
	}
	if got := c.rows(storage.OutgoingQuery{}); text(got) != text(want) {
		c.broken("the rows came back as\n%s\nput were\n%s", text(got), text(want))
	}
}

func (c *trial) outbox() []storage.Outgoing {
	c.Helper()
	for range 12 {
		c.opened(report("mail"))
	}
	var all []storage.Outgoing
	for ticket := range incident.ID(13) { // of the desk too
		for _, version := range []uint64{1, 2, 10} {
			for _, number := range []int{0, 1, 9, 10} {
				if ticket%4 != 0 && number > 1 {
					continue
				}
				o := queued(ticket, version, number)
				o.Status = pick(c, outStatuses()...)
				o.Charge = pick(c, charges()...)
				o.To = pick(c, recipients()...)
				o.NextTry = hour(c.rand.IntN(6))
				o.Reaction = pick(c, "", "", "push-routes")
				if o.Status == storage.Sending {
					o.Lease = hour(c.rand.IntN(6))
				}
				all = append(all, o)
			}
		}
	}
	c.update(func(ctx context.Context, tx storage.Tx) {
		for _, at := range c.rand.Perm(len(all)) {
			c.must(tx.PutOutgoing(ctx, all[at]))
		}
	})
	for i := range all {
		all[i].Revision = 1
	}
	return all
}

func rowIDs(rows []storage.Outgoing) []string {
	list := make([]string, 0, len(rows))
	for _, o := range rows {
		list = append(list, o.ID())
	}
	return list
}

func outgoingOrder(c *trial) {
	all := c.outbox()
	slices.SortFunc(all, storage.CompareOutgoing)
	if got := rowIDs(c.rows(storage.OutgoingQuery{})); !slices.Equal(got, rowIDs(all)) {
		c.broken("Outgoing gives\n%v\nin order are\n%v", got, rowIDs(all))
	}
}

func outgoingQuery(c *trial) {
	all := c.outbox()
	for range 300 {
		var q storage.OutgoingQuery
		if c.rand.IntN(2) == 0 {
			q.Statuses = some(c, outStatuses()...)
		}
		if c.rand.IntN(3) == 0 {
			q.Charges = some(c, charges()...)
		}
		if c.rand.IntN(4) == 0 {
			q.To = pick(c, recipients()...)
		}
		if c.rand.IntN(3) == 0 {
			q.Tickets = some(c, incident.ID(0), 1, 2, 3, 4, 12, 99)
		}
		q.Only = pick(c, storage.AnyErrand, storage.OnlyMail, storage.OnlyReactions)
		if c.rand.IntN(2) == 0 {
			q.ReadyBy = c.around(hour(c.rand.IntN(6)))
		}
		if c.rand.IntN(3) == 0 {
			q.Limit = 1 + c.rand.IntN(9)
		}
		want := q.Select(all)
		if got := c.rows(q); !slices.Equal(rowIDs(got), rowIDs(want)) || text(got) != text(want) && len(want) > 0 {
			c.broken("seed %d: Outgoing gives %v; want %v\nquery: %s", c.seed, rowIDs(got), rowIDs(want), text(q))
		}
	}
}
