package mail

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/airtight-csirt/airtight/incident"
)

// desk of the tests: 1 incident, 2 report, 3 investigation, 4 block, 5 merged
// into 2, 6 into 5, 7 and 8 merged into each other, 9 merged into nothing.
func tickets() map[incident.ID]incident.Ticket {
	all := map[incident.ID]incident.Ticket{}
	add := func(id incident.ID, kind incident.Kind, into incident.ID) {
		all[id] = incident.Ticket{
			ID: id, Kind: kind, MergedInto: into,
			Requestors: []incident.Party{{Address: "alice@example.org"}},
			Cc:         []incident.Party{{Address: "bob@example.org"}},
			Contacts:   []incident.Party{{Address: "carol@example.org"}},
		}
	}
	add(0, incident.KindDesk, 0)
	add(1, incident.KindIncident, 0)
	add(2, incident.KindReport, 0)
	add(3, incident.KindInvestigation, 0)
	add(4, incident.KindBlock, 0)
	add(5, incident.KindReport, 2)
	add(6, incident.KindReport, 5)
	add(7, incident.KindReport, 8)
	add(8, incident.KindReport, 7)
	add(9, incident.KindReport, 90)
	return all
}

func TestThread(t *testing.T) {
	ids := func(n ...incident.ID) []incident.ID { return n }
	const member, stranger = "alice@example.org", "eve@example.net"
	for name, c := range map[string]struct {
		in         ThreadInput
		action     Action
		ticket     incident.ID
		candidates []incident.ID
		reason     string
		why        string
	}{
		"nothing":                {ThreadInput{Sender: stranger}, OpenReport, 0, nil, NewReport, "no tag"},
		"unknown replied":        {ThreadInput{Sender: stranger, Replied: ids(77)}, OpenReport, 0, nil, NewReport, "no tag"},
		"tag, requestor":         {ThreadInput{Sender: member, Tagged: ids(2)}, Append, 2, nil, ByTag, "has a part"},
		"tag, other case":        {ThreadInput{Sender: "ALICE@Example.Org", Tagged: ids(2)}, Append, 2, nil, ByTag, "has a part"},
		"tag, cc":                {ThreadInput{Sender: "bob@example.org", Tagged: ids(3)}, Append, 3, nil, ByTag, "has a part"},
		"tag, contact":           {ThreadInput{Sender: "carol@example.org", Tagged: ids(4)}, Append, 4, nil, ByTag, "has a part"},
		"tag, stranger":          {ThreadInput{Sender: stranger, Tagged: ids(2)}, AppendFlagged, 2, nil, ByTag, "no part"},
		"tag, no sender":         {ThreadInput{Tagged: ids(2)}, AppendFlagged, 2, nil, ByTag, "no part"},
		"tag, team":              {ThreadInput{Sender: stranger, Team: true, Tagged: ids(2)}, Append, 2, nil, ByTag, "team"},
		"tag, machine":           {ThreadInput{Sender: member, Machine: true, Tagged: ids(2)}, Append, 2, nil, ByTag, "machine"},
		"incident, outside":      {ThreadInput{Sender: member, Tagged: ids(1)}, Hold, 0, ids(1), IncidentNumber, "only the team"},
		"incident, team":         {ThreadInput{Sender: stranger, Team: true, Tagged: ids(1)}, Append, 1, nil, ByTag, "team"},
		"unknown number":         {ThreadInput{Sender: member, Tagged: ids(77)}, Hold, 0, nil, UnknownNumber, "not known"},
		"unknown number, team":   {ThreadInput{Sender: member, Team: true, Tagged: ids(77)}, Hold, 0, nil, UnknownNumber, "not known"},
		"unknown, but a reply":   {ThreadInput{Sender: member, Tagged: ids(77), Replied: ids(2)}, Hold, 0, nil, UnknownNumber, "not known"},
		"two unknown":            {ThreadInput{Sender: member, Tagged: ids(77, 78)}, Hold, 0, nil, UnknownNumber, "not known"},
		"two tags":               {ThreadInput{Sender: member, Tagged: ids(2, 3)}, Hold, 0, ids(2, 3), TwoTags, "names ticket 3"},
		"two tags, one unknown":  {ThreadInput{Sender: member, Tagged: ids(77, 3)}, Hold, 0, ids(3), TwoTags, "77, which is not known"},
		"merged":                 {ThreadInput{Sender: member, Tagged: ids(6)}, Append, 2, nil, ByTag, "merged into 5"},
		"two that were merged":   {ThreadInput{Sender: member, Tagged: ids(6, 2)}, Append, 2, nil, ByTag, "merged into 2"},
		"ring of merges":         {ThreadInput{Sender: member, Tagged: ids(7)}, Hold, 0, nil, UnknownNumber, "not known"},
		"merged into nothing":    {ThreadInput{Sender: member, Tagged: ids(9)}, Hold, 0, nil, UnknownNumber, "not known"},
		"the desk itself":        {ThreadInput{Sender: member, Team: true, Tagged: ids(0)}, Hold, 0, nil, UnknownNumber, "not known"},
		"reply":                  {ThreadInput{Sender: member, Replied: ids(77, 3, 2)}, Append, 3, nil, ByReply, "message of ticket 3"},
		"reply, stranger":        {ThreadInput{Sender: stranger, Replied: ids(3)}, AppendFlagged, 3, nil, ByReply, "no part"},
		"reply, merged":          {ThreadInput{Sender: member, Replied: ids(5)}, Append, 2, nil, ByReply, "merged"},
		"reply, incident":        {ThreadInput{Sender: member, Replied: ids(1)}, Hold, 0, ids(1), IncidentNumber, "only the team"},
		"reply, incident, team":  {ThreadInput{Sender: member, Team: true, Replied: ids(1)}, Append, 1, nil, ByReply, "team"},
		"tag against references": {ThreadInput{Sender: member, Tagged: ids(2), Replied: ids(3)}, Append, 2, nil, ByTag, "answers a message of ticket 3, but the tag counts"},
		"tag with references":    {ThreadInput{Sender: member, Tagged: ids(2), Replied: ids(5)}, Append, 2, nil, ByTag, "names ticket 2"},
	} {
		t.Run(name, func(t *testing.T) {
			c.in.Tickets = tickets()
			v := Thread(c.in)
			assert.Equal(t, c.action, v.Action)
			assert.Equal(t, c.ticket, v.Ticket)
			assert.Equal(t, c.candidates, v.Candidates)
			assert.Equal(t, c.reason, v.Reason)
			assert.Contains(t, strings.Join(v.Why, "\n"), c.why)
			assert.LessOrEqual(t, len(v.Why), len(c.in.Tickets)+3, "a ring is left")
			assert.Equal(t, v, Thread(c.in), "the same facts, the same verdict")
		})
	}
	agreeing := Thread(ThreadInput{Sender: member, Tagged: ids(2), Replied: ids(5, 3), Tickets: tickets()})
	assert.NotContains(t, strings.Join(agreeing.Why, "\n"), "but the tag counts")
}
