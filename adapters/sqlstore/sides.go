package sqlstore

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// side is a table beside tickets that searches go through.
type side struct {
	table   string
	columns []string                                   // beside the ticket
	same    func(before, now incident.Ticket) bool     // quick; true only if the rows are equal
	rows    func(t incident.Ticket, add func(sideRow)) // may add a row twice
}

// sideRow holds the columns beside the ticket, of type int64 or string; a second
// one may be unused.
type sideRow [2]any

func sides() []side {
	return []side{
		{
			table:   "ticket_parents",
			columns: []string{"parent"},
			same:    func(a, b incident.Ticket) bool { return slices.Equal(a.Parents, b.Parents) },
			rows: func(t incident.Ticket, add func(sideRow)) {
				for _, id := range t.Parents {
					add(sideRow{int64(id)})
				}
			},
		},
		{
			table:   "ticket_observables",
			columns: []string{"key"},
			same:    sameObservables,
			rows: func(t incident.Ticket, add func(sideRow)) {
				for _, o := range t.Observables {
					add(sideRow{o.Key()})
				}
			},
		},
		{
			table:   "ticket_names",
			columns: []string{"key"},
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
			table:   "ticket_fields",
			columns: []string{"name", "value"},
			same:    func(a, b incident.Ticket) bool { return maps.EqualFunc(a.Fields, b.Fields, slices.Equal[[]string]) },
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
				come = append(come, append(slices.Clone(r[:len(s.columns)]), int64(now.ID)))
			}
		})
		for r := range gone {
			w := &conditions{}
			w.add("ticket = ?", int64(now.ID))
			for i, column := range s.columns {
				if text, ok := r[i].(string); ok {
					w.list = append(w.list, c.dialect.is(column, text))
				} else {
					w.add(column+" = ?", r[i])
				}
			}
			where := join(w.list, "AND")
			if _, err := c.exec(ctx, "DELETE FROM "+s.table+" WHERE "+where.text, where.args...); err != nil {
				return err
			}
		}
		if err := c.execAll(ctx, slices.Values(insert("INSERT INTO "+s.table+" ("+strings.Join(s.columns, ", ")+", ticket) VALUES ", come))); err != nil {
			return err
		}
	}
	return nil
}
