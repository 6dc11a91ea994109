package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func TestOpenLinkedReport(t *testing.T) {
	linked := incident.Linked{Parent: 3}
	opens := commands(workflow.Move{Ticket: 7, To: "open"})
	react(t, "open-linked-report", []reaction{
		{"linked", changed(report(), report(under(3)), linked, workflow.Link{}), nil, opens, "it is linked to an incident"},
		{"born with an incident", changed(incident.Ticket{}, report(under(3)), incident.Opened{}, workflow.Open{}), nil, opens, "it is linked to an incident"},
		{"born alone", changed(incident.Ticket{}, report(), incident.Opened{}, workflow.Open{}), nil, nil, ""},
		{"open already", changed(report(open), report(open, under(3)), linked, workflow.Link{}), nil, nil, ""},
		{"closed", changed(report(resolved), report(resolved, under(3)), linked, workflow.Link{}), nil, nil, ""},
		{"block", changed(report(), report(kind(incident.KindBlock), under(3)), linked, workflow.Link{}), nil, nil, ""},
		{"nowhere to go", changed(report(), report(in("open", incident.Initial), under(3)), linked, workflow.Link{}), nil, nil,
			"its lifecycle has no active status to go to"},
	})
}

func TestAppendDelivered(t *testing.T) {
	delivered := func(o incident.Outcome) workflow.Change {
		return changed(report(held), report(), incident.Delivered{Outcome: o, To: 5}, workflow.Deliver{})
	}
	one := incident.Message{Side: incident.Outside, Machine: true, When: at(-9), Flags: []string{"auto"}, Content: incident.MessageEntity{MessageID: "1@x"}, Blobs: []incident.Digest{{1}}}
	two := incident.Message{Side: incident.Inside}
	react(t, "append-delivered", []reaction{
		{"appended", delivered(incident.Appended), messages(7, one, two), commands(
			workflow.Append{Ticket: 5, From: 7, Mail: workflow.Mail{Side: incident.Outside, Machine: true, When: at(-9), Thread: "delivered",
				Flags: one.Flags, Entity: one.Content, Blobs: one.Blobs}},
			workflow.Append{Ticket: 5, From: 7, Mail: workflow.Mail{Side: incident.Inside, When: at(1), Thread: "delivered"}},
		), "the held report was delivered to this ticket"},
		{"accepted", delivered(incident.Accepted), messages(7, one), nil, ""},
		{"attached", delivered(incident.Attached), messages(7, one), nil, ""},
		{"rejected", delivered(incident.Rejected), messages(7, one), nil, ""},
		{"no messages", delivered(incident.Appended), messages(7), nil, "it has no messages"},
	})
}

func TestCloseChildren(t *testing.T) {
	all := func(kinds ...incident.Kind) facts {
		var list []incident.Ticket
		for i, k := range kinds {
			list = append(list, incident.Ticket{ID: incident.ID(10 + i), Kind: k})
		}
		return openChildren(7, list...)
	}
	abandoned := in("abandoned", incident.Inactive)
	moved := incident.Moved{}
	four := all(incident.KindBlock, incident.KindInvestigation, incident.KindReport, incident.KindReport)
	react(t, "close-children", []reaction{
		{"resolved: reports, then investigations, then blocks", changed(theIncident(), theIncident(resolved), moved, workflow.Move{}), four, commands(
			workflow.Close{Ticket: 12, Under: 7, To: "resolved"}, workflow.Close{Ticket: 13, Under: 7, To: "resolved"},
			workflow.Close{Ticket: 11, Under: 7, To: "resolved"}, workflow.Close{Ticket: 10, Under: 7, To: "removed"},
		), "its incident was closed"},
		{"abandoned", changed(theIncident(), theIncident(abandoned), moved, workflow.Abandon{}), four, commands(
			workflow.Close{Ticket: 12, Under: 7, To: "rejected"}, workflow.Close{Ticket: 13, Under: 7, To: "rejected"},
			workflow.Close{Ticket: 11, Under: 7, To: "resolved"}, workflow.Close{Ticket: 10, Under: 7, To: "removed"},
		), "its incident was closed"},
		{"no child", changed(theIncident(), theIncident(resolved), moved, workflow.Move{}), all(), nil, "no child is open"},
		{"merged into another", changed(theIncident(), theIncident(resolved, mergedInto(9)), moved, workflow.Merge{}), four, nil, ""},
		{"opened again", changed(theIncident(resolved), theIncident(), moved, workflow.Move{}), nil, nil, ""},
		{"closed before", changed(theIncident(resolved), theIncident(abandoned), moved, workflow.Move{}), nil, nil, ""},
		{"a child", changed(report(open), report(resolved), moved, workflow.Move{}), nil, nil, ""},
	})
}

func TestReopenOnReply(t *testing.T) {
	said := incident.Message{Side: incident.Outside}
	machine := incident.Message{Side: incident.Outside, Machine: true}
	on := func(m incident.Message, status func(*incident.Ticket), c workflow.Command) workflow.Change {
		return changed(report(status), report(status), m, c)
	}
	fires := commands(workflow.Reopen{Ticket: 7})
	react(t, "reopen-on-reply", []reaction{
		{"resolved", on(said, resolved, workflow.Append{}), nil, fires, "somebody outside replied"},
		{"rejected", on(said, rejected, workflow.Append{}), nil, fires, "somebody outside replied"},
		{"machine", on(machine, resolved, workflow.Append{}), nil, nil, "a machine wrote the message"},
		{"open", on(said, open, workflow.Append{}), nil, nil, ""},
		{"machine, open", on(machine, open, workflow.Append{}), nil, nil, ""},
		{"inside", on(incident.Message{Side: incident.Inside}, resolved, workflow.Append{}), nil, nil, ""},
		{"ours", on(incident.Message{Side: incident.Inside, Sent: true}, resolved, workflow.Reply{}), nil, nil, ""},
		{"the first", on(said, resolved, workflow.Open{}), nil, nil, ""},
		{"incident", changed(report(kind(incident.KindIncident), resolved), report(kind(incident.KindIncident), resolved), said, workflow.Append{}), nil, nil, ""},
	})
}

func TestReopenParents(t *testing.T) {
	moved := incident.Moved{}
	abandoned := incident.Ticket{ID: 5, Kind: incident.KindIncident, Status: "abandoned", Phase: incident.Inactive}
	child := func(status func(*incident.Ticket)) incident.Ticket { return report(under(3, 4, 5), status) }
	react(t, "reopen-parents", []reaction{
		{"resolved and abandoned ones", changed(child(resolved), child(open), moved, nil), parents(7, three, four, abandoned),
			commands(workflow.Reopen{Ticket: 4}, workflow.Reopen{Ticket: 5}), "a child of it is active"},
		{"all open", changed(child(resolved), child(open), moved, nil), parents(7, three), nil, ""},
		{"closed child", changed(child(open), child(resolved), moved, nil), nil, nil, ""},
	})
}

func TestEveryRuleHasItsOrder(t *testing.T) {
	var names []string
	for _, r := range workflow.Rules() {
		names = append(names, r.Name)
		require.NotEmpty(t, r.On)
	}
	require.Equal(t, []string{
		"open-linked-report", "reopen-linked-incident", "copy-observables", "accept-known", "append-delivered",
		"approve-block", "request-block-removal", "confirm-block-removal", "offer-block-notice", "block-expiry",
		"reopen-on-reply", "foreign-tags", "sort-by-topic", "close-children", "constituency-to-children", "inherit-constituency", "owner-to-children", "owner-to-incident",
		"reopen-parents", "resolution", "due-on-reply", "due-after-reply", "restart-on-reply",
		"acknowledge", "notify-linked", "notify-reply", "notify-reopened", "notify-assigned", "mark-defective", "notify-bounced", "notify-undelivered", "notify-overdue",
	}, names)
}
