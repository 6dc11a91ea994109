package memory

import (
	"maps"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// outbox holds outgoing mail, with the rows of a ticket and those of a status
// at hand: most rows are sent, and nobody looks at these again.
type outbox struct {
	rows     map[string]storage.Outgoing // by Outgoing.ID
	tickets  map[incident.ID][]string
	statuses map[storage.OutStatus]map[string]struct{}
}

func newOutbox() outbox {
	return outbox{
		rows:     map[string]storage.Outgoing{},
		tickets:  map[incident.ID][]string{},
		statuses: map[storage.OutStatus]map[string]struct{}{},
	}
}

func (b outbox) put(o storage.Outgoing) {
	id := o.ID()
	if old, known := b.rows[id]; known {
		delete(b.statuses[old.Status], id)
	} else {
		b.tickets[o.Ticket] = append(b.tickets[o.Ticket], id)
	}
	b.rows[id] = o
	if b.statuses[o.Status] == nil {
		b.statuses[o.Status] = map[string]struct{}{}
	}
	b.statuses[o.Status][id] = struct{}{}
}

// candidates returns rows, each once, among which are all that q wants.
func (b outbox) candidates(q storage.OutgoingQuery) []storage.Outgoing {
	ids := map[string]struct{}{}
	switch {
	case len(q.Tickets) > 0:
		for _, ticket := range q.Tickets {
			for _, id := range b.tickets[ticket] {
				ids[id] = struct{}{}
			}
		}
	case len(q.Statuses) > 0:
		for _, status := range q.Statuses {
			maps.Copy(ids, b.statuses[status])
		}
	default:
		return slices.Collect(maps.Values(b.rows))
	}
	rows := make([]storage.Outgoing, 0, len(ids))
	for id := range ids {
		rows = append(rows, b.rows[id])
	}
	return rows
}
