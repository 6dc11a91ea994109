package memory

import (
	"maps"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// outbox holds outgoing mail, with the rows of a ticket, of a status and of a
// charge at hand: most rows are sent, and nobody looks at these again.
type outbox struct {
	rows     map[string]storage.Outgoing // by Outgoing.ID
	tickets  map[incident.ID][]string
	statuses map[storage.OutStatus]map[string]struct{}
	charges  map[storage.Charge]map[string]struct{} // without those that have none
}

func newOutbox() outbox {
	return outbox{
		rows:     map[string]storage.Outgoing{},
		tickets:  map[incident.ID][]string{},
		statuses: map[storage.OutStatus]map[string]struct{}{},
		charges:  map[storage.Charge]map[string]struct{}{},
	}
}

func (b outbox) put(o storage.Outgoing) {
	id := o.ID()
	if old, known := b.rows[id]; known {
		delete(b.statuses[old.Status], id)
		delete(b.charges[old.Charge], id)
	} else {
		b.tickets[o.Ticket] = append(b.tickets[o.Ticket], id)
	}
	b.rows[id] = o
	into(b.statuses, o.Status, id)
	if o.Charge != storage.NoCharge {
		into(b.charges, o.Charge, id)
	}
}

func into[K comparable](sets map[K]map[string]struct{}, key K, id string) {
	if sets[key] == nil {
		sets[key] = map[string]struct{}{}
	}
	sets[key][id] = struct{}{}
}

// candidates returns rows, each once, among which are all that q wants.
func (b outbox) candidates(q storage.OutgoingQuery) []storage.Outgoing {
	ids := map[string]struct{}{}
	switch {
	case len(q.Charges) > 0 && !slices.Contains(q.Charges, storage.NoCharge):
		for _, charge := range q.Charges {
			maps.Copy(ids, b.charges[charge])
		}
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
