package sqlstore

import (
	"context"
	"maps"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// side is a table beside tickets that searches go through.
type side struct {
	insert, remove string
	width          int                                        // columns beside the ticket
	same           func(before, now incident.Ticket) bool     // quick; true only if the rows are equal
	rows           func(t incident.Ticket, add func(sideRow)) // may add a row twice
}

// sideRow holds the columns beside the ticket; a second one may be unused.
type sideRow [2]any

func sides() []side {
	return []side{
		{
			insert: "INSERT INTO ticket_parents (parent, ticket) VALUES ",
			remove: "DELETE FROM ticket_parents WHERE parent = ? AND ticket = ?",
			width:  1,
			same:   func(a, b incident.Ticket) bool { return slices.Equal(a.Parents, b.Parents) },
			rows: func(t incident.Ticket, add func(sideRow)) {
				for _, id := range t.Parents {
					add(sideRow{int64(id)})
				}
			},
		},
		{
			insert: "INSERT INTO ticket_observables (key, ticket) VALUES ",
			remove: "DELETE FROM ticket_observables WHERE key = ? AND ticket = ?",
			width:  1,
			same:   sameObservables,
			rows: func(t incident.Ticket, add func(sideRow)) {
				for _, o := range t.Observables {
					add(sideRow{o.Key()})
				}
			},
		},
		{
			insert: "INSERT INTO ticket_names (key, ticket) VALUES ",
			remove: "DELETE FROM ticket_names WHERE key = ? AND ticket = ?",
			width:  1,
			same: func(a, b incident.Ticket) bool {
				return sameObservables(a, b) && slices.Equal(a.Requestors, b.Requestors) &&
					slices.Equal(a.Cc, b.Cc) && slices.Equal(a.Contacts, b.Contacts)
			},
			rows: func(t incident.Ticket, add func(sideRow)) {
				for _, key := range storage.MailKeys(t) {
					add(sideRow{key})
				}
				for _, o := range t.Observables {
					if name, ok := o.Domain(); ok {
						add(sideRow{incident.DomainKey(name)})
					}
				}
			},
		},
		{
			insert: "INSERT INTO ticket_fields (name, value, ticket) VALUES ",
			remove: "DELETE FROM ticket_fields WHERE name = ? AND value = ? AND ticket = ?",
			width:  2,
			same:   func(a, b incident.Ticket) bool { return maps.EqualFunc(a.Fields, b.Fields, slices.Equal[[]string]) },
			rows: func(t incident.Ticket, add func(sideRow)) {
				for name, values := range t.Fields {
					for _, v := range values {
						add(sideRow{name, v})
					}
				}
			},
		},
	}
}

func sameObservables(a, b incident.Ticket) bool { return slices.Equal(a.Observables, b.Observables) }

// putSides writes to the side tables what has changed from before to now.
func (c *conn) putSides(ctx context.Context, before, now incident.Ticket) error {
	for _, s := range sides() {
		if s.same(before, now) {
			continue
		}
		gone, come := map[sideRow]bool{}, [][]any(nil)
		s.rows(before, func(r sideRow) { gone[r] = true })
		had := maps.Clone(gone)
		s.rows(now, func(r sideRow) {
			delete(gone, r)
			if !had[r] {
				had[r] = true
				come = append(come, append(slices.Clone(r[:s.width]), int64(now.ID)))
			}
		})
		for r := range gone {
			if _, err := c.exec(ctx, s.remove, append(slices.Clone(r[:s.width]), int64(now.ID))...); err != nil {
				return err
			}
		}
		if err := c.insert(ctx, s.insert, " ON CONFLICT DO NOTHING", come); err != nil {
			return err
		}
	}
	return nil
}
