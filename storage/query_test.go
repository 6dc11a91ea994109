package storage_test

import (
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

func at(hour int) time.Time { return time.Date(2026, 3, 1, hour, 0, 0, 0, time.UTC) }

func ptr[T any](v T) *T { return &v }

// full is a ticket that has something of everything.
func full() incident.Ticket {
	return incident.Ticket{
		ID: 7, Kind: incident.KindReport, Version: 3, Status: "open", Phase: incident.Active, State: "blocked",
		Owner: "handler:alice", Constituency: "campus", Priority: 2, Subject: "scan",
		Requestors: []incident.Party{{Address: "Bob@Example.org"}},
		Cc:         []incident.Party{{Address: "cc@copies.example"}},
		Contacts:   []incident.Party{{Address: "noc@example.com"}},
		Parents:    []incident.ID{3, 5},
		Observables: []incident.Observable{
			{Kind: incident.Address, Value: "192.0.2.7"}, {Kind: incident.Prefix, Value: "2001:db8:1::/48"},
			{Kind: incident.Host, Value: "www.example.org"}, {Kind: incident.MailAddress, Value: "Abuse@mail.example.net"},
			{Kind: incident.URL, Value: "https://user@Files.Example.com:8443/x"},
		},
		Fields:  map[string][]string{"class": {"scan", "spam"}},
		Created: at(1), Updated: at(2), Due: ptr(at(5)), OverdueNoted: ptr(at(5)), Wake: ptr(at(6)),
		Held: &incident.Held{Reason: "two tags"}, Observations: &incident.Observations{Feed: "f", Count: 1},
	}
}

func bare() incident.Ticket {
	return incident.Ticket{ID: 8, Kind: incident.KindIncident, Version: 1, Status: "new", Phase: incident.Initial, Created: at(1), Updated: at(1)}
}

// A clock wakes a ticket before its reminder does.
func TestMatchWakesByClocks(t *testing.T) {
	clocked := full()
	clocked.Clocks = []incident.Clock{{Name: "response", Due: at(5), Warn: ptr(at(4))}}
	for _, test := range []struct {
		by   time.Time
		want bool
	}{{at(4), true}, {at(4).Add(-time.Microsecond), false}} {
		if got := (storage.Query{WakeBy: test.by}).Match(clocked); got != test.want {
			t.Errorf("at %s: %v, want %v", test.by, got, test.want)
		}
	}
}

// A due date that has passed wakes a ticket, once.
func TestMatchWakesByTheDueDate(t *testing.T) {
	dated := full()
	dated.OverdueNoted = nil
	for _, test := range []struct {
		by   time.Time
		want bool
	}{{at(5), true}, {at(5).Add(-time.Microsecond), false}} {
		if got := (storage.Query{WakeBy: test.by}).Match(dated); got != test.want {
			t.Errorf("at %s: %v, want %v", test.by, got, test.want)
		}
	}
}

func TestMatch(t *testing.T) {
	prefix := netip.MustParsePrefix
	scope := func(grants ...storage.Grant) *storage.Scope { return &storage.Scope{Grants: grants} }
	for _, test := range []struct {
		name       string
		q          storage.Query
		full, bare bool
	}{
		{"all", storage.Query{}, true, true},
		{"limit and cursor do not ask", storage.Query{Limit: 1, After: &storage.Cursor{ID: 100}}, true, true},
		{"id", storage.Query{IDs: []incident.ID{1, 7}}, true, false},
		{"kind", storage.Query{Kinds: []incident.Kind{incident.KindReport, incident.KindBlock}}, true, false},
		{"status", storage.Query{Statuses: []incident.Status{"new"}}, false, true},
		{"status has a case", storage.Query{Statuses: []incident.Status{"Open"}}, false, false},
		{"phase", storage.Query{Phases: []incident.Phase{incident.Initial, incident.Active}}, true, true},
		{"phase of one", storage.Query{Phases: []incident.Phase{incident.Active}}, true, false},
		{"state", storage.Query{States: []incident.State{"blocked"}}, true, false},
		{"owner", storage.Query{Owners: []incident.Actor{"handler:alice"}}, true, false},
		{"nobody", storage.Query{Owners: []incident.Actor{incident.Nobody}}, false, true},
		{"constituency", storage.Query{Constituencies: []string{"campus"}}, true, false},
		{"no constituency", storage.Query{Constituencies: []string{""}}, false, true},
		{"parent", storage.Query{Parent: 5}, true, false},
		{"other parent", storage.Query{Parent: 4}, false, false},
		{"linked", storage.Query{Links: storage.Linked}, true, false},
		{"unlinked", storage.Query{Links: storage.Unlinked}, false, true},
		{"held", storage.Query{Held: storage.HeldOnly}, true, false},
		{"observed", storage.Query{Machines: storage.Observed}, true, false},
		{"not by feed", storage.Query{Machines: storage.NotByFeed}, false, true},
		{"not held", storage.Query{Held: storage.NotHeld}, false, true},
		{"field", storage.Query{Fields: []storage.Field{{"class", "spam"}}}, true, false},
		{"both fields", storage.Query{Fields: []storage.Field{{"class", "spam"}, {"class", "scan"}}}, true, false},
		{"one field of two", storage.Query{Fields: []storage.Field{{"class", "spam"}, {"class", "worm"}}}, false, false},
		{"empty field", storage.Query{Fields: []storage.Field{{"note", ""}}}, false, false},
		{"address", storage.Query{Touches: prefix("192.0.2.7/32")}, true, false},
		{"mapped address", storage.Query{Touches: prefix("::ffff:192.0.2.7/128")}, true, false},
		{"mapped network", storage.Query{Touches: prefix("::ffff:192.0.2.0/120")}, true, false},
		{"network around, not masked", storage.Query{Touches: prefix("192.0.2.99/24")}, true, false},
		{"other address", storage.Query{Touches: prefix("192.0.2.8/32")}, false, false},
		{"all of IPv4", storage.Query{Touches: prefix("0.0.0.0/0")}, true, false},
		{"all of IPv6", storage.Query{Touches: prefix("::/0")}, true, false},
		{"inside a network", storage.Query{Touches: prefix("2001:db8:1:2::1/128")}, true, false},
		{"around a network", storage.Query{Touches: prefix("2001:db8::/32")}, true, false},
		{"beside a network", storage.Query{Touches: prefix("2001:db8:2::/48")}, false, false},
		{"under itself", storage.Query{Under: "www.example.org"}, true, false},
		{"under a domain", storage.Query{Under: "EXAMPLE.org."}, true, false},
		{"not under a suffix", storage.Query{Under: "ample.org"}, false, false},
		{"not under a name below", storage.Query{Under: "a.www.example.org"}, false, false},
		{"domain of a mail address", storage.Query{Under: "mail.example.net"}, true, false},
		{"host of a URL", storage.Query{Under: "files.example.com"}, true, false},
		{"no domain of a copy", storage.Query{Under: "copies.example"}, false, false},
		{"requestor", storage.Query{Mail: "bob@EXAMPLE.org"}, true, false},
		{"copy", storage.Query{Mail: "cc@copies.example"}, true, false},
		{"contact", storage.Query{Mail: "noc@example.com"}, true, false},
		{"observed", storage.Query{Mail: "abuse@mail.example.net"}, true, false},
		{"stranger", storage.Query{Mail: "eve@example.org"}, false, false},
		{"updated since", storage.Query{UpdatedSince: at(2)}, true, false},
		{"due", storage.Query{Due: storage.DueSet}, true, false},
		{"not due", storage.Query{Due: storage.DueUnset}, false, true},
		{"due before its date", storage.Query{DueBefore: at(5)}, false, false},
		{"due before later", storage.Query{DueBefore: at(5).Add(time.Microsecond)}, true, false},
		{"wake", storage.Query{WakeBy: at(6)}, true, false},
		{"wake earlier", storage.Query{WakeBy: at(6).Add(-time.Microsecond)}, false, false},
		{"two conditions", storage.Query{Kinds: []incident.Kind{incident.KindReport}, Owners: []incident.Actor{"handler:bob"}}, false, false},
		{"scope without grants", storage.Query{Scope: scope()}, false, false},
		{"scope of everything", storage.Query{Scope: scope(storage.Grant{})}, true, true},
		{"scope of a kind", storage.Query{Scope: scope(storage.Grant{Kinds: []incident.Kind{incident.KindReport}})}, true, false},
		{"scope of a constituency", storage.Query{Scope: scope(storage.Grant{Constituencies: []string{"library"}}, storage.Grant{Constituencies: []string{""}})}, false, true},
		{"scope of an owner", storage.Query{Scope: scope(storage.Grant{Owner: "handler:alice"})}, true, false},
		{"scope of owner and kind", storage.Query{Scope: scope(storage.Grant{Owner: "handler:alice", Kinds: []incident.Kind{incident.KindBlock}})}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Equal(t, test.full, test.q.Match(full()), "the full ticket")
			assert.Equal(t, test.bare, test.q.Match(bare()), "the bare ticket")
		})
	}
	assert.False(t, storage.Query{}.Match(incident.Ticket{ID: incident.Desk, Kind: incident.KindDesk, Version: 1}), "the desk is never found")
}

func TestCompare(t *testing.T) {
	for column, change := range map[storage.Column]func(*incident.Ticket, int){
		storage.ByID:           func(t *incident.Ticket, n int) { t.ID = incident.ID(10 + n) },
		storage.ByKind:         func(t *incident.Ticket, n int) { t.Kind = incident.Kind([]string{"Z", "a", "é"}[n]) },
		storage.ByStatus:       func(t *incident.Ticket, n int) { t.Status = incident.Status([]string{"", "Z", "a"}[n]) },
		storage.ByOwner:        func(t *incident.Ticket, n int) { t.Owner = incident.Actor([]string{"a", "a ", "aa"}[n]) },
		storage.ByConstituency: func(t *incident.Ticket, n int) { t.Constituency = []string{"10", "9", "ä"}[n] },
		storage.ByPriority:     func(t *incident.Ticket, n int) { t.Priority = []int{-5, 9, 10}[n] },
		storage.ByDue:          func(t *incident.Ticket, n int) { t.Due = []*time.Time{nil, {}, ptr(at(1))}[n] },
		storage.ByCreated:      func(t *incident.Ticket, n int) { t.Created = at(n) },
		storage.ByUpdated:      func(t *incident.Ticket, n int) { t.Updated = at(n) },
		storage.BySubject:      func(t *incident.Ticket, n int) { t.Subject = []string{"\uffff", "\U00010000", "\U0001f600"}[n] },
	} {
		up := storage.Query{Order: []storage.Order{{Column: column}}}
		down := storage.Query{Order: []storage.Order{{Column: column, Descending: true}}}
		for i := range 3 {
			for j := range 3 {
				a, b := full(), full()
				change(&a, i)
				change(&b, j)
				assert.Equal(t, i-j < 0, up.Compare(a, b) < 0, "%s: %d before %d", column, i, j)
				assert.Equal(t, i-j > 0, down.Compare(a, b) < 0, "%s descending: %d before %d", column, i, j)
			}
		}
		a, b := full(), full()
		b.ID = 9
		assert.Negative(t, up.Compare(a, b), "%s: equal keys go by ID", column)
		assert.Positive(t, down.Compare(a, b), "%s: equal keys go by ID, descending as they do", column)
	}
	a, b := full(), full()
	b.ID = 9
	for _, test := range []struct {
		order []storage.Order
		want  int
	}{
		{nil, -1},
		{storage.MostDue(), -1},
		{[]storage.Order{{Column: storage.ByDue, Descending: true}, {Column: storage.ByPriority}}, 1},
		{[]storage.Order{{Column: storage.ByDue, Descending: true}, {Column: storage.ByID}}, -1},
	} {
		assert.Equal(t, test.want, storage.Query{Order: test.order}.Compare(a, b), "%v: the first column has the direction of the ID", test.order)
	}
	assert.Len(t, storage.Columns(), 10)
	assert.Zero(t, storage.Query{Order: []storage.Order{{Column: "no such column"}}}.Compare(full(), full()))
}

func TestMostDue(t *testing.T) {
	unset, unsetUrgent, soon, soonUrgent := bare(), bare(), full(), full()
	unset.ID, unsetUrgent.ID, soon.ID, soonUrgent.ID = 1, 2, 3, 4
	unsetUrgent.Priority, soonUrgent.Priority = 9, 9
	found := storage.Query{Order: storage.MostDue()}.Select([]incident.Ticket{soon, unset, soonUrgent, unsetUrgent})
	var ids []incident.ID
	for _, t := range found {
		ids = append(ids, t.ID)
	}
	assert.Equal(t, []incident.ID{2, 1, 4, 3}, ids, "unset first, then the higher priority")
}

func TestCursor(t *testing.T) {
	var tickets []incident.Ticket
	for id := incident.ID(1); id <= 12; id++ {
		ticket := full()
		ticket.ID, ticket.Priority = id, int(id)%3
		if id%2 == 0 {
			ticket.Due = nil
		}
		tickets = append(tickets, ticket)
	}
	q := storage.Query{Order: []storage.Order{{Column: storage.ByDue, Descending: true}, {Column: storage.ByPriority}}}
	all := q.Select(tickets)
	for i, ticket := range all {
		b, err := json.Marshal(storage.CursorAt(ticket))
		require.NoError(t, err)
		q.After = new(storage.Cursor)
		require.NoError(t, json.Unmarshal(b, q.After))
		assert.Equal(t, storage.CursorAt(ticket), q.After)
		rest := q.Select(tickets)
		assert.Len(t, rest, len(all)-i-1)
		assert.False(t, slices.ContainsFunc(rest, func(o incident.Ticket) bool { return o.ID == ticket.ID }))
	}
}

func TestSelectSharesNothing(t *testing.T) {
	tickets := []incident.Ticket{full()}
	found := storage.Query{}.Select(tickets)
	found[0].Fields["class"][0], found[0].Parents[0] = "changed", 99
	assert.Equal(t, full(), tickets[0])
}

func TestHistoryMatch(t *testing.T) {
	record := incident.Record{Seq: 5, Ticket: 7, Version: 2, Type: "moved"}
	for _, test := range []struct {
		name string
		q    storage.HistoryQuery
		want bool
	}{
		{"all", storage.HistoryQuery{}, true},
		{"limit does not ask", storage.HistoryQuery{Limit: 1, Descending: true}, true},
		{"ticket", storage.HistoryQuery{Tickets: []incident.ID{6, 7}}, true},
		{"other ticket", storage.HistoryQuery{Tickets: []incident.ID{6}}, false},
		{"version", storage.HistoryQuery{Versions: []uint64{1, 2}}, true},
		{"other version", storage.HistoryQuery{Versions: []uint64{1, 5}}, false},
		{"type", storage.HistoryQuery{Types: []string{"message", "moved"}}, true},
		{"other type", storage.HistoryQuery{Types: []string{"message", "Moved"}}, false},
		{"after the one before", storage.HistoryQuery{After: 4}, true},
		{"after it", storage.HistoryQuery{After: 5}, false},
	} {
		assert.Equal(t, test.want, test.q.Match(record), test.name)
	}
	record.Seq = 0
	assert.True(t, storage.HistoryQuery{After: 5}.Match(record), "a record of this update is behind every other")
}

func TestOutgoingMatch(t *testing.T) {
	queued := storage.Outgoing{Ticket: 7, Version: 2, Status: storage.Queued, NextTry: at(3)}
	sending := storage.Outgoing{Ticket: 8, Version: 10, Number: 1, Status: storage.Sending, NextTry: at(3), Lease: at(5)}
	for _, test := range []struct {
		name            string
		q               storage.OutgoingQuery
		queued, sending bool
	}{
		{"all", storage.OutgoingQuery{}, true, true},
		{"ticket", storage.OutgoingQuery{Tickets: []incident.ID{7, 9}}, true, false},
		{"status", storage.OutgoingQuery{Statuses: []storage.OutStatus{storage.Sending, storage.Failed}}, false, true},
		{"not ready", storage.OutgoingQuery{ReadyBy: at(3).Add(-1)}, false, false},
		{"ready", storage.OutgoingQuery{ReadyBy: at(3)}, true, false},
		{"lease ended", storage.OutgoingQuery{ReadyBy: at(5)}, true, true},
	} {
		assert.Equal(t, test.queued, test.q.Match(queued), test.name)
		assert.Equal(t, test.sending, test.q.Match(sending), test.name)
	}
	assert.Equal(t, "8.10.1", sending.ID())
	assert.Negative(t, storage.CompareOutgoing(queued, sending))
	assert.Equal(t, []storage.Outgoing{queued}, storage.OutgoingQuery{Limit: 1}.Select([]storage.Outgoing{sending, queued}))
}

func TestKeySum(t *testing.T) {
	assert.Equal(t, incident.DigestOf([]byte("a@example.org")), storage.Key{Space: "message-id", Value: "a@example.org"}.Sum())
	assert.NotEqual(t, storage.Key{Value: "a"}.Sum(), storage.Key{Value: "A"}.Sum())
}
