package storage

import (
	"context"
	"maps"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
)

// Claim is one key and the ticket that holds it.
type Claim struct {
	Key    Key
	Ticket incident.ID
}

// Changes is what a draft holds, in the order in which it came.
type Changes struct {
	Tickets  []incident.Ticket // as they are after the records, by ascending ID
	Records  []incident.Record // sealed
	Claims   []Claim
	Outgoing []Outgoing
	Blobs    map[incident.Digest][]byte

	Texts     []Text
	Bookmarks []Bookmark // as they are now, by name; one with Revision 0 is removed
}

// Changes seals what is not sealed yet and returns all that the draft holds. It
// shares memory with the draft.
func (d *Draft) Changes() Changes {
	c := Changes{Tickets: make([]incident.Ticket, 0, len(d.tickets)), Records: make([]incident.Record, 0, len(d.records))}
	for _, t := range d.tickets {
		d.seal(t)
		c.Tickets = append(c.Tickets, t.now)
	}
	slices.SortFunc(c.Tickets, Query{}.Compare)
	for _, r := range d.records {
		c.Records = append(c.Records, *r)
	}
	for _, key := range d.claimed {
		c.Claims = append(c.Claims, Claim{Key: key, Ticket: d.claims[key]})
	}
	for _, o := range d.outgoing {
		c.Outgoing = append(c.Outgoing, o.Outgoing)
	}
	slices.SortFunc(c.Outgoing, CompareOutgoing)
	c.Blobs, c.Texts = d.blobs, d.texts
	c.Bookmarks = slices.SortedFunc(maps.Values(d.bookmarks), CompareBookmarks)
	return c
}

func (d *Draft) seal(t *drafted) {
	head := incident.Ticket{Version: t.base.Version, Hash: t.base.Hash}
	for i, r := range t.records {
		if i >= t.sealed {
			incident.Seal(head, r)
		}
		head.Version, head.Hash = r.Version, r.Hash
	}
	t.sealed = len(t.records)
	t.now.Hash = head.Hash
}

// Flush writes all that the draft holds to tx: blobs, then every record in one
// Append, then claims, outgoing rows, bookmarks and, if tx keeps them, texts. It returns
// what it wrote. The draft is of no further use. An error is one of tx's; the update
// must end with it.
func (d *Draft) Flush(ctx context.Context, tx Tx) (Changes, error) {
	c := d.Changes()
	for _, content := range c.Blobs {
		if _, err := tx.PutBlob(ctx, content); err != nil {
			return c, err
		}
	}
	if err := tx.Append(ctx, c.Records...); err != nil {
		return c, err
	}
	if err := flushClaims(ctx, tx, c.Claims); err != nil {
		return c, err
	}
	for _, o := range c.Outgoing {
		put := o
		for put.Revision = d.outgoing[o.ID()].base; put.Revision < o.Revision; put.Revision++ {
			if err := tx.PutOutgoing(ctx, put); err != nil {
				return c, err
			}
		}
	}
	for _, change := range d.marked {
		put := tx.PutBookmark
		if change.remove {
			put = tx.RemoveBookmark
		}
		if err := put(ctx, change.Bookmark); err != nil {
			return c, err
		}
	}
	if keeper, ok := tx.(TextKeeper); ok {
		for _, text := range c.Texts {
			if err := keeper.PutText(ctx, text); err != nil {
				return c, err
			}
		}
	}
	return c, nil
}
