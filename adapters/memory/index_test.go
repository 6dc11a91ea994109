package memory

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// What a ticket or row was before is not looked at again: else a busy desk
// would become slower with its age, and nothing but the clock would tell.
func TestIndexForgets(t *testing.T) {
	x := index{}
	opened := incident.Ticket{ID: 7, Version: 1, Kind: incident.KindReport, Phase: incident.Initial, Parents: []incident.ID{3}, Held: &incident.Held{}}
	closed := incident.Ticket{ID: 7, Version: 2, Kind: incident.KindReport, Phase: incident.Inactive, Owner: "handler:alice"}
	x.move(7, terms(incident.Ticket{}), terms(opened))
	assert.Len(t, x, 5)
	x.move(7, terms(opened), terms(closed))
	assert.Len(t, x, 4)
	for _, q := range []storage.Query{
		{Parent: 3}, {Held: storage.HeldOnly}, {Phases: []incident.Phase{incident.Initial, incident.Active}}, {Owners: []incident.Actor{incident.Nobody}},
		{Links: storage.Unlinked, Phases: []incident.Phase{incident.Initial}}, {Keys: []string{incident.MailKey("bob@example.org")}},
	} {
		ids, ok := x.fewest(asked(q))
		assert.True(t, ok)
		assert.Empty(t, ids, "%+v", q)
	}

	b := newOutbox()
	o := storage.Outgoing{Ticket: 7, Version: 1, Status: storage.Queued}
	b.put(o)
	o.Status = storage.Sent
	b.put(o)
	assert.Empty(t, b.candidates(storage.OutgoingQuery{Statuses: []storage.OutStatus{storage.Queued}}))
	assert.Len(t, b.candidates(storage.OutgoingQuery{Tickets: []incident.ID{7}}), 1)
}

// The list that is asked for is the shortest one.
func TestFewest(t *testing.T) {
	x := index{}
	for id := range incident.ID(100) {
		ticket := incident.Ticket{ID: id, Version: 1, Kind: incident.KindReport, Phase: incident.Active}
		if id >= 97 {
			ticket.Parents = []incident.ID{1}
		}
		x.move(id, nil, terms(ticket))
	}
	ids, ok := x.fewest(asked(storage.Query{Kinds: incident.Kinds(), Phases: []incident.Phase{incident.Active}, Parent: 1}))
	assert.True(t, ok)
	assert.Equal(t, []incident.ID{97, 98, 99}, ids)
	for _, q := range []storage.Query{{Constituencies: []string{"campus"}}, {Links: storage.Unlinked}} {
		_, ok = x.fewest(asked(q))
		assert.False(t, ok, "nothing of this is indexed: look at all")
	}
}

// New reports by mail, and what mentions an address, are found without looking at others.
func TestCandidates(t *testing.T) {
	tables := newTables()
	bob := incident.Observable{Kind: incident.MailAddress, Value: "bob@example.org"}
	for id := range incident.ID(100) {
		ticket := incident.Ticket{ID: id + 1, Version: 1, Kind: incident.KindReport, Phase: incident.Initial, Observations: &incident.Observations{}}
		if id >= 97 {
			ticket.Messages = 1
		}
		if id == 98 {
			ticket.Observables = []incident.Observable{bob}
		}
		tables.put(ticket)
	}
	waiting := storage.Query{Kinds: []incident.Kind{incident.KindReport}, Phases: []incident.Phase{incident.Initial}, Links: storage.Unlinked, Machines: storage.NotByFeed}
	assert.Equal(t, []incident.ID{98, 99, 100}, tables.candidates(waiting))
	waiting.Machines = storage.Observed
	assert.Len(t, tables.candidates(waiting), 100)
	assert.Equal(t, []incident.ID{99}, tables.candidates(storage.Query{Keys: []string{bob.Key(), "cCVE-2014-0160"}}))
	cleared := tables.tickets[99]
	cleared.Observables, cleared.Version = nil, 2
	tables.put(cleared)
	assert.Empty(t, tables.candidates(storage.Query{Keys: []string{bob.Key()}}))
}
