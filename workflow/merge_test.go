package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func unanswered(since int) change { return func(t *incident.Ticket) { t.OldestUnanswered = at(since) } }

func TestMerging(t *testing.T) {
	merge := workflow.Merge{Ticket: 7, Into: 8}
	eight := func(changes ...change) incident.Ticket { return report(append([]change{called(8)}, changes...)...) }
	ended := list(incident.Merged{Into: 8, Status: "new"}, moved("new", "resolved", incident.Inactive))
	joins := func(j incident.Joined) []workflow.Decision {
		j.From = 7
		return on(8, j)
	}
	full := func(t *incident.Ticket) {
		t.Requestors, t.Cc, t.Contacts = people("bob@example.org", "eve@example.org"), people("cc@example.org"), people("noc@example.org")
		t.ExternalIDs, t.Observables = []string{"X-1", "X-2"}, []incident.Observable{address("192.0.2.7"), address("192.0.2.8")}
		t.OldestUnanswered, t.LastOutside, t.LastInside = at(-3), at(-2), at(-1)
	}
	has := func(t *incident.Ticket) {
		t.Requestors, t.Cc, t.Contacts = people("BOB@Example.org"), people("cc@example.org"), people("ops@example.org")
		t.ExternalIDs, t.Observables = []string{"X-2"}, []incident.Observable{{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleSource}}
	}
	times := incident.Joined{Unanswered: at(-3), LastOutside: at(-2), LastInside: at(-1)}
	without := times
	without.Content = incident.JoinedContent{Requestors: people("eve@example.org"), Contacts: people("noc@example.org"), ExternalIDs: []string{"X-1"},
		Observables: []incident.Observable{address("192.0.2.8")}}
	whole := times
	whole.Content = incident.JoinedContent{Requestors: people("bob@example.org", "eve@example.org"), Cc: people("cc@example.org"), Contacts: people("noc@example.org"),
		ExternalIDs: []string{"X-1", "X-2"}, Observables: []incident.Observable{address("192.0.2.7"), address("192.0.2.8")}}
	investigation := func(changes ...change) incident.Ticket {
		return eight(append([]change{kind(incident.KindInvestigation), open}, changes...)...)
	}
	run(t, []decision{
		{"reports", report(), merge, know(eight()), all(ended, joins(incident.Joined{})), nil, ""},
		{"all that it has", report(full), merge, know(eight()), all(ended, joins(whole)), nil, ""},
		{"nothing twice", report(full), merge, know(eight(has)), all(ended, joins(without)), nil, ""},
		{"a closed one keeps its status", report(rejected), merge, know(eight()), all(list(incident.Merged{Into: 8, Status: "rejected"}), joins(incident.Joined{})), nil, ""},
		{"into a closed one", report(), merge, know(eight(resolved)), all(ended, joins(incident.Joined{})), nil, ""},
		{"held", report(held), merge, know(eight()), all(list(incident.Delivered{Outcome: incident.Appended, To: 8}), ended, joins(incident.Joined{})), nil, ""},
		{"reports of two incidents", report(under(3, 5)), merge, know(eight(under(3, 4))), all(ended, joins(incident.Joined{Parents: []incident.ID{5}})), nil, ""},
		{"report into investigation", report(), merge, know(investigation()), all(ended, joins(incident.Joined{})), nil, ""},
		{"whose incident the investigation gets", report(under(3, 5)), merge, know(investigation()), all(ended, joins(incident.Joined{Parents: []incident.ID{3}})), nil, ""},
		{"which has one already", report(under(3)), merge, know(investigation(under(4))), all(ended, joins(incident.Joined{})), nil, ""},
		{"blocks", block(), merge, know(block(called(8), active, under(4))), all(list(incident.Merged{Into: 8, Status: "pending activation"},
			moved("pending activation", "removed", incident.Inactive)), joins(incident.Joined{Parents: []incident.ID{3}})), nil, ""},

		{"into itself", report(), workflow.Merge{Ticket: 7, Into: 7}, know(report()), nil, argument, "the number of another ticket"},
		{"into nothing", report(), merge, missing(8), nil, noTicket, "no ticket 8"},
		{"into the desk", report(), workflow.Merge{Ticket: 7}, know(incident.Ticket{Kind: incident.KindDesk}), nil, argument, "the number of another ticket"},
		{"into one that was merged into this one: no cycles", report(), merge, know(eight(mergedInto(7))), nil, argument, "ticket 7, into which it was merged"},
		{"into a held one", report(), merge, know(eight(held)), nil, refused, "ticket 8 is held: deliver it first"},
		{"investigation into report", report(kind(incident.KindInvestigation)), merge, know(eight()), nil, argument, "the other way round: a report is merged into an investigation"},
		{"report into block", report(), merge, know(block(called(8))), nil, argument, `into "block 8" is not possible: allowed is the number of a report`},
		{"report into incident", report(), merge, know(theIncident(called(8))), nil, argument, "the number of a report"},
		{"incident into report", theIncident(), merge, and(know(eight()), children(7)), nil, argument, "the number of an incident"},
		{"block into investigation", block(), merge, know(investigation()), nil, argument, "the number of a block"},
	})
}

// The children of an incident go over to the one that goes on.
func TestMergingIncidents(t *testing.T) {
	merge := workflow.Merge{Ticket: 7, Into: 8}
	eight := theIncident(called(8))
	ended := list(incident.Merged{Into: 8, Status: "open"}, moved("open", "resolved", incident.Inactive))
	joined := func(children ...incident.ID) []workflow.Decision {
		return on(8, incident.Joined{From: 7, Children: children})
	}
	closed := report(called(12), resolved, under(7))
	both := report(called(13), under(7, 8))
	run(t, []decision{
		{"open and closed children", theIncident(), merge, and(know(eight), children(7, reported, closed)), all(
			on(11, incident.Linked{Parent: 8}, incident.Unlinked{Parent: 7}), on(12, incident.Linked{Parent: 8}, incident.Unlinked{Parent: 7}), ended, joined(11, 12)), nil, ""},
		{"a child of both", theIncident(), merge, and(know(eight), children(7, both)), all(on(13, incident.Unlinked{Parent: 7}), ended, on(8, incident.Joined{From: 7, Shared: []incident.ID{13}})), nil, ""},
		{"none", theIncident(), merge, and(know(eight), children(7)), all(ended, joined()), nil, ""},
		{"over a block in place: it goes on under the other", theIncident(), merge, and(know(eight), children(7, blocked)), all(
			on(13, incident.Linked{Parent: 8}, incident.Unlinked{Parent: 7}), ended, joined(13)), nil, ""},
	})
	p := workflow.Default()
	l := p.Lifecycles[incident.KindIncident]
	l.RefuseClosed = true
	p.Lifecycles[incident.KindIncident] = l
	shut := theIncident(called(8), resolved)
	runUnder(t, p, []decision{
		{"an open child into a closed incident", theIncident(), merge, and(know(shut), children(7, closed, reported)), nil, refused, "merge on ticket 11 is refused: incident 8 is resolved: open it again first"},
		{"a closed child into a closed incident", theIncident(), merge, and(know(shut), children(7, closed)), all(
			on(12, incident.Linked{Parent: 8}, incident.Unlinked{Parent: 7}), ended, joined(12)), nil, ""},
		{"an open report would get a closed incident", report(resolved, under(4)), merge, and(know(report(called(8))), parents(7, four)), nil, refused, "incident 4 is resolved"},
		{"which it has already", report(resolved, under(4)), merge, and(know(report(called(8), under(4))), parents(7, four)),
			all(list(incident.Merged{Into: 8, Status: "resolved"}), on(8, incident.Joined{From: 7})), nil, ""},
	})
}

func TestUnmerging(t *testing.T) {
	undo := workflow.Unmerge{Ticket: 7}
	gone := report(resolved, mergedInto(8))
	was := merges(7, incident.Merged{Into: 8, Status: "new"})
	eight := func(changes ...change) incident.Ticket {
		return report(append([]change{called(8), func(t *incident.Ticket) { t.MergedFrom = []incident.ID{7} }}, changes...)...)
	}
	back := list(incident.Unmerged{Into: 8}, moved("resolved", "new", incident.Initial))
	leaves := func(since *int) []workflow.Decision {
		left := incident.Unmerged{From: 7}
		if since != nil {
			left.Unanswered = at(*since)
		}
		return on(8, left)
	}
	known := func(into incident.Ticket, joined incident.Event, more ...facts) facts {
		return and(append([]facts{know(into), was, merges(8, joined), messages(8), children(8)}, more...)...)
	}
	joined := func(c incident.JoinedContent, parents ...incident.ID) incident.Joined {
		return incident.Joined{From: 7, Parents: parents, Content: c}
	}
	added := incident.JoinedContent{Requestors: people("bob@example.org", "eve@example.org"), Cc: people("cc@example.org"), Contacts: people("noc@example.org"),
		ExternalIDs: []string{"X-1"}, Observables: []incident.Observable{address("192.0.2.7"), address("192.0.2.8")}}
	all4 := func(t *incident.Ticket) {
		t.Requestors, t.Cc, t.Contacts = people("own@example.org", "bob@example.org", "eve@example.org"), people("cc@example.org"), people("noc@example.org")
		t.ExternalIDs, t.Observables = []string{"X-9", "X-1"}, []incident.Observable{address("192.0.2.7"), address("192.0.2.9"), address("192.0.2.8")}
	}
	some := func(t *incident.Ticket) {
		t.Requestors, t.Observables = people("own@example.org", "Bob@EXAMPLE.org"), []incident.Observable{address("192.0.2.8")}
	}
	joinedAt := func(since int) incident.Joined { return incident.Joined{From: 7, Unanswered: at(since)} }
	minus3 := -3
	run(t, []decision{
		{"nothing was added", gone, undo, known(eight(), joined(incident.JoinedContent{})), all(back, leaves(nil)), nil, ""},
		{"what was added goes", gone, undo, known(eight(all4), joined(added)), all(back, leaves(nil), on(8, incident.Edited{Content: incident.EditedContent{
			Requestors: pointer(people("own@example.org")), Cc: &[]incident.Party{}, Contacts: &[]incident.Party{}, ExternalIDs: &[]string{"X-9"},
			RemovedObservables: added.Observables}})), nil, ""},
		{"as far as it is still there", gone, undo, known(eight(some), joined(added)), all(back, leaves(nil), on(8, incident.Edited{Content: incident.EditedContent{
			Requestors: pointer(people("own@example.org")), RemovedObservables: []incident.Observable{address("192.0.2.8")}}})), nil, ""},
		{"nothing of it is there", gone, undo, known(eight(asked("own@example.org")), joined(added)), all(back, leaves(nil)), nil, ""},
		{"incidents", gone, undo, known(eight(under(2, 3)), joined(incident.JoinedContent{}, 3, 4)), all(back, leaves(nil), on(8, incident.Unlinked{Parent: 3})), nil, ""},
		{"the newest of two merges counts", gone, undo, and(known(eight(asked("bob@example.org", "eve@example.org")), nil),
			merges(8, joined(incident.JoinedContent{Requestors: people("bob@example.org")}), incident.Unmerged{From: 7}, joined(incident.JoinedContent{Requestors: people("eve@example.org")}), incident.Joined{From: 9})),
			all(back, leaves(nil), on(8, incident.Edited{Content: incident.EditedContent{Requestors: pointer(people("bob@example.org"))}})), nil, ""},
		{"its mail was appended: that stays", gone, undo, known(eight(all4), incident.Merged{From: 7}), all(back, leaves(nil)), nil, ""},
		{"it was closed before", report(rejected, mergedInto(8)), undo, and(known(eight(), joined(incident.JoinedContent{})), merges(7, incident.Merged{Into: 8, Status: "rejected"})),
			all(list(incident.Unmerged{Into: 8}), leaves(nil)), nil, ""},
		{"a merge of before statuses were noted", gone, undo, and(known(eight(), incident.Merged{From: 7}), merges(7, incident.Merged{Into: 8})),
			all(list(incident.Unmerged{Into: 8}), leaves(nil)), nil, ""},
		{"merged twice: back to what it was the last time", gone, undo, and(known(eight(), joined(incident.JoinedContent{})),
			merges(7, incident.Merged{Into: 5, Status: "open"}, incident.Unmerged{Into: 5}, incident.Merged{Into: 8, Status: "new"})), all(back, leaves(nil)), nil, ""},

		{"the message without an answer goes with it", gone, undo, known(eight(unanswered(-3)), joinedAt(-3)), all(back, leaves(nil)), nil, ""},
		{"an older one of its own stays", gone, undo, known(eight(unanswered(-3)), joinedAt(-1)), all(back, leaves(&minus3)), nil, ""},
		{"all is answered", gone, undo, known(eight(), joinedAt(-3)), all(back, leaves(nil)), nil, ""},

		{"not merged", report(), undo, nil, nil, nil, ""},
		{"the other one was merged itself", gone, undo, known(eight(mergedInto(9)), joined(incident.JoinedContent{})), nil, refused, "ticket 8, into which it was merged, was merged into ticket 9: undo that first"},
		{"the other one is not to be seen", gone, undo, and(missing(8), was, merges(8), messages(8), children(8)), nil, noTicket, "no ticket 8"},
	})
	inc := theIncident(resolved, mergedInto(8))
	again := report(called(12), under(8))
	run(t, []decision{{"an incident gets its children back, those that are still there", inc, undo, and(know(theIncident(called(8))), merges(7, incident.Merged{Into: 8, Status: "open"}),
		merges(8, incident.Joined{From: 7, Children: []incident.ID{11, 12}}), messages(8), children(8, again, report(called(13), under(8)))), all(
		list(incident.Unmerged{Into: 8}, moved("resolved", "open", incident.Active)), leaves(nil), on(12, incident.Linked{Parent: 7}, incident.Unlinked{Parent: 8})), nil, ""}})
}

// A merge and its undo, through the fold: both tickets are what they were.
func TestMergeAndBack(t *testing.T) {
	p := workflow.Default()
	version := uint64(10)
	fold := func(tickets map[incident.ID]incident.Ticket, of incident.ID, decisions []workflow.Decision) (events []incident.Event) {
		for _, d := range decisions {
			id := of
			if d.Ticket != 0 {
				id = d.Ticket
			}
			version++
			r := incident.Record{Ticket: id, Version: version, At: morning}
			require.NoError(t, r.Encode(d.Event))
			tickets[id] = incident.Apply(tickets[id], r)
			if id == 8 {
				events = append(events, d.Event)
			}
		}
		return events
	}
	content := func(t incident.Ticket) incident.Ticket {
		t.Version, t.Hash, t.Vocabulary, t.Updated, t.Resolved, t.Started, t.LastOutside = 0, incident.Digest{}, 0, morning, nil, nil, nil
		return t
	}
	seven := report(asked("bob@example.org"), seen(address("192.0.2.7")), under(3), unanswered(-3))
	eight := report(called(8), open, asked("eve@example.org"), seen(address("192.0.2.8")), under(4))
	tickets := map[incident.ID]incident.Ticket{7: seven, 8: eight}
	merge := workflow.Merge{Ticket: 7, Into: 8}
	done, err := p.Decide(seven, merge, know(eight).answer(p.Asks(seven, merge)), env)
	require.NoError(t, err)
	at8 := fold(tickets, 7, done)
	require.Equal(t, incident.ID(8), tickets[7].MergedInto)
	require.Equal(t, []incident.ID{3, 4}, tickets[8].Parents)
	require.Equal(t, people("eve@example.org", "bob@example.org"), tickets[8].Requestors)
	require.Equal(t, at(-3), tickets[8].OldestUnanswered)

	undo := workflow.Unmerge{Ticket: 7}
	known := and(know(tickets[8]), merges(7, incident.Merged{Into: 8, Status: "new"}), merges(8, at8...), messages(8), children(8))
	done, err = p.Decide(tickets[7], undo, known.answer(p.Asks(tickets[7], undo)), env)
	require.NoError(t, err)
	fold(tickets, 7, done)
	for id, was := range map[incident.ID]incident.Ticket{7: seven, 8: eight} {
		require.Equal(t, content(was), content(tickets[id]))
	}
}
