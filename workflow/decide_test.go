package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func TestOwners(t *testing.T) {
	run(t, []decision{
		{"of nobody", report(), workflow.Take{Ticket: 7}, nil, list(incident.Owned{To: "handler:alice"}), nil, ""},
		{"mine already", report(owned("handler:alice")), workflow.Take{Ticket: 7}, nil, nil, nil, ""},
		{"somebody else's", report(owned("handler:bob")), workflow.Take{Ticket: 7}, nil, nil, taken, "already taken by handler:bob: steal or assign"},
		{"of nobody", report(), workflow.Steal{Ticket: 7}, nil, list(incident.Owned{To: "handler:alice"}), nil, ""},
		{"somebody else's", report(owned("handler:bob")), workflow.Steal{Ticket: 7}, nil, list(incident.Owned{From: "handler:bob", To: "handler:alice"}), nil, ""},
		{"mine already", report(owned("handler:alice")), workflow.Steal{Ticket: 7}, nil, nil, nil, ""},
		{"mine", report(owned("handler:alice")), workflow.Release{Ticket: 7}, nil, list(incident.Owned{From: "handler:alice"}), nil, ""},
		{"nobody's", report(), workflow.Release{Ticket: 7}, nil, nil, nil, ""},
		{"somebody else's", report(owned("handler:bob")), workflow.Release{Ticket: 7}, nil, nil, taken, "taken by handler:bob"},
		{"from another", report(owned("handler:bob")), workflow.Assign{Ticket: 7, To: "handler:carol"}, nil,
			list(incident.Owned{From: "handler:bob", To: "handler:carol"}), nil, ""},
		{"to nobody", report(owned("handler:bob")), workflow.Assign{Ticket: 7}, nil, list(incident.Owned{From: "handler:bob"}), nil, ""},
		{"as it is", report(owned("handler:bob")), workflow.Assign{Ticket: 7, To: "handler:bob"}, nil, nil, nil, ""},
		{"to a mail address", report(), workflow.Assign{Ticket: 7, To: "bob@example.org"}, nil, nil, argument, "handler:alice, never a mail address"},
		{"unclean", report(), workflow.Assign{Ticket: 7, To: incident.Actor(evil)}, nil, list(incident.Owned{To: incident.Actor(tame)}), nil, ""},
	})
}

func TestMoves(t *testing.T) {
	run(t, []decision{
		{"held to open", report(held), workflow.Move{Ticket: 7, To: "open"}, nil,
			list(incident.Delivered{Outcome: incident.Accepted}, incident.Moved{From: "new", To: "open", Phase: incident.Active}), nil, ""},
		{"held to rejected", report(held), workflow.Move{Ticket: 7, To: "rejected"}, nil,
			list(incident.Delivered{Outcome: incident.Rejected}, incident.Moved{From: "new", To: "rejected", Phase: incident.Inactive}), nil, ""},
		{"unknown", report(), workflow.Move{Ticket: 7, To: "stalled"}, nil, nil, transition,
			`report 7 cannot move from "new" to "stalled": allowed are "open", "resolved", "rejected"`},
		{"initial", report(), workflow.Reopen{Ticket: 7}, nil, list(incident.Moved{From: "new", To: "open", Phase: incident.Active}), nil, ""},
		{"active", report(in("open", incident.Active)), workflow.Reopen{Ticket: 7}, nil, nil, nil, ""},
		{"rejected", report(in("rejected", incident.Inactive)), workflow.Reopen{Ticket: 7}, nil,
			list(incident.Moved{From: "rejected", To: "open", Phase: incident.Active}), nil, ""},
		{"removed block", report(kind(incident.KindBlock), in("removed", incident.Inactive)), workflow.Reopen{Ticket: 7}, nil,
			list(incident.Moved{From: "removed", To: "active", Phase: incident.Active}), nil, ""},
	})
}

func TestLinks(t *testing.T) {
	merged := incident.Ticket{ID: 3, Kind: incident.KindIncident, MergedInto: 9}
	run(t, []decision{
		{"report", report(), workflow.Link{Ticket: 7, Parent: 3}, know(three), list(incident.Linked{Parent: 3}), nil, ""},
		{"second incident", report(under(2)), workflow.Link{Ticket: 7, Parent: 3}, know(three), list(incident.Linked{Parent: 3}), nil, ""},
		{"there already", report(under(3)), workflow.Link{Ticket: 7, Parent: 3}, know(three), nil, nil, ""},
		{"investigation leaves its old incident", report(kind(incident.KindInvestigation), under(2)), workflow.Link{Ticket: 7, Parent: 3}, know(three),
			list(incident.Unlinked{Parent: 2}, incident.Linked{Parent: 3}), nil, ""},
		{"block to a second incident", report(kind(incident.KindBlock), under(2)), workflow.Link{Ticket: 7, Parent: 3}, know(three), list(incident.Linked{Parent: 3}), nil, ""},
		{"held", report(held), workflow.Link{Ticket: 7, Parent: 3}, know(three),
			list(incident.Delivered{Outcome: incident.Attached, To: 3}, incident.Linked{Parent: 3}), nil, ""},
		{"no such incident", report(), workflow.Link{Ticket: 7, Parent: 3}, missing(3), nil, noTicket, "there is no ticket 3: allowed are"},
		{"an incident", report(kind(incident.KindIncident)), workflow.Link{Ticket: 7, Parent: 3}, know(three), nil, refused, "link its reports, investigations and blocks"},
		{"to a report", report(), workflow.Link{Ticket: 7, Parent: 8}, know(incident.Ticket{ID: 8, Kind: incident.KindReport}), nil, argument,
			`parent "report 8" is not possible: allowed is the number of an incident`},
		{"to a merged incident", report(), workflow.Link{Ticket: 7, Parent: 3}, know(merged), nil, argument, "incident 9, into which it was merged"},
		{"report", report(under(3)), workflow.Unlink{Ticket: 7, Parent: 3}, nil, list(incident.Unlinked{Parent: 3}), nil, ""},
		{"not linked", report(under(2)), workflow.Unlink{Ticket: 7, Parent: 3}, nil, nil, nil, ""},
		{"a block's last incident", report(kind(incident.KindBlock), under(3)), workflow.Unlink{Ticket: 7, Parent: 3}, nil, nil, refused, "link another one first"},
		{"one of a block's incidents", report(kind(incident.KindBlock), under(2, 3)), workflow.Unlink{Ticket: 7, Parent: 3}, nil,
			list(incident.Unlinked{Parent: 3}), nil, ""},
	})
}

func TestComments(t *testing.T) {
	run(t, []decision{
		{"text", report(), workflow.Comment{Ticket: 7, Text: "Rang\x00 her.\n"}, nil,
			[]workflow.Decision{{Event: incident.Commented{}, Text: "Rang\u2400 her.\n"}}, nil, ""},
		{"blank", report(), workflow.Comment{Ticket: 7, Text: " \n"}, nil, nil, argument, "allowed is some text"},
		{"a call", report(), workflow.Comment{Ticket: 7, Text: "She calls back.", Call: &incident.Call{Direction: incident.CallOut, Person: evil, Number: "+44 20\n7946 0000", Left: "Call us\x00\nabout 7."}}, nil,
			[]workflow.Decision{{Event: incident.Commented{Content: incident.CommentedContent{Call: &incident.Call{Direction: "out", Person: tame, Number: "+44 20 7946 0000", Left: "Call us\u2400\nabout 7."}}},
				Text: "She calls back."}}, nil, ""},
		{"a call that needs no text", report(), workflow.Comment{Ticket: 7, Call: &incident.Call{Direction: incident.CallIn}}, nil,
			[]workflow.Decision{{Event: incident.Commented{Content: incident.CommentedContent{Call: &incident.Call{Direction: "in"}}}}}, nil, ""},
		{"a call without a direction", report(), workflow.Comment{Ticket: 7, Text: "x", Call: &incident.Call{Person: "Bob"}}, nil, nil, argument,
			`direction of the call "" is not possible: allowed is in, out`},
		{"a call in another direction", report(), workflow.Comment{Ticket: 7, Call: &incident.Call{Direction: "Out"}}, nil, nil, argument, "in, out"},
	})
}

func TestDeliveries(t *testing.T) {
	child := incident.Ticket{ID: 5, Kind: incident.KindInvestigation, Status: "open", Phase: incident.Active}
	run(t, []decision{
		{"accepted", report(held), workflow.Deliver{Ticket: 7, As: incident.Accepted}, nil, list(incident.Delivered{Outcome: incident.Accepted}), nil, ""},
		{"rejected", report(held), workflow.Deliver{Ticket: 7, As: incident.Rejected}, nil,
			list(incident.Delivered{Outcome: incident.Rejected}, incident.Moved{From: "new", To: "rejected", Phase: incident.Inactive}), nil, ""},
		{"to a child", report(held), workflow.Deliver{Ticket: 7, To: 5}, know(child),
			list(incident.Delivered{Outcome: incident.Appended, To: 5}, incident.Merged{Into: 5, Status: "new"}, incident.Moved{From: "new", To: "resolved", Phase: incident.Inactive}), nil, ""},
		{"to an incident", report(held), workflow.Deliver{Ticket: 7, To: 3}, know(three),
			list(incident.Delivered{Outcome: incident.Attached, To: 3}, incident.Linked{Parent: 3}), nil, ""},
		{"not held", report(), workflow.Deliver{Ticket: 7, As: incident.Accepted}, nil, nil, refused, "it is not held"},
		{"without direction", report(held), workflow.Deliver{Ticket: 7}, nil, nil, argument, `allowed is accepted, rejected, or a ticket in "to"`},
		{"as something else", report(held), workflow.Deliver{Ticket: 7, As: incident.Appended}, nil, nil, argument, "accepted, rejected"},
		{"to nowhere", report(held), workflow.Deliver{Ticket: 7, To: 5}, missing(5), nil, noTicket, "no ticket 5"},
		{"to itself", report(held), workflow.Deliver{Ticket: 7, To: 7}, know(report(held)), nil, argument, "the number of another ticket"},
		{"to a merged ticket", report(held), workflow.Deliver{Ticket: 7, To: 5}, know(incident.Ticket{ID: 5, Kind: incident.KindReport, MergedInto: 9}), nil, argument, "ticket 9, into which it was merged"},
		{"both ways at once", report(held), workflow.Deliver{Ticket: 7, To: 5, As: incident.Rejected}, know(child), nil, argument, `either "as" or "to"`},
	})
}

func TestReplies(t *testing.T) {
	asks := report(asked("bob@example.org"), func(t *incident.Ticket) { t.Cc = []incident.Party{{Address: "cc@example.org"}} })
	machine := incident.Message{Machine: true, Content: incident.MessageEntity{MessageID: "auto@x"}}
	first := incident.Message{Content: incident.MessageEntity{MessageID: "1@x", References: []string{"0@x"}}}
	second := incident.Message{Content: incident.MessageEntity{MessageID: "2@x"}}
	answer := func(m incident.MessageEntity) []workflow.Decision {
		return []workflow.Decision{{Ticket: 7, Text: "Hello.", Event: incident.Message{Side: incident.Inside, Sent: true, Answers: true, Thread: "reply", Content: m}}}
	}
	to := asks.Requestors
	run(t, []decision{
		{"to the last message of a person", asks, workflow.Reply{Ticket: 7, Text: "Hello."}, messages(7, second, first, machine),
			answer(incident.MessageEntity{Subject: "Scan", To: to, Cc: asks.Cc, InReplyTo: []string{"1@x"}, References: []string{"0@x", "1@x"}}), nil, ""},
		{"with own subject and copies", asks, workflow.Reply{Ticket: 7, Text: "Hello.", Subject: evil, Cc: []incident.Party{party}}, messages(7),
			once(answer(incident.MessageEntity{Subject: tame, To: to, Cc: asks.Cc}), party), nil, ""},
		{"on an incident", report(kind(incident.KindIncident)), workflow.Reply{Ticket: 7, Text: "Hello."}, messages(7), nil, refused,
			"reply to its reports, investigations or blocks"},
		{"to nobody", report(), workflow.Reply{Ticket: 7, Text: "Hello."}, messages(7), nil, refused, "no requestors: add one by edit"},
		{"without text", asks, workflow.Reply{Ticket: 7, Text: "\t"}, messages(7), nil, argument, "some text"},
		{"with a bad copy", asks, workflow.Reply{Ticket: 7, Text: "Hello.", Cc: []incident.Party{{Address: "nobody"}}}, messages(7), nil, argument,
			"mail addresses like bob@example.org"},
	})
}

// A thread in which we alone write must not make each record longer than the
// one before.
func TestReferencesStayBounded(t *testing.T) {
	m := incident.Message{Content: incident.MessageEntity{MessageID: "last@x"}}
	for i := range 200 {
		m.Content.References = append(m.Content.References, string(rune('a'+i%26))+"@x")
	}
	ticket, reply := report(asked("bob@example.org")), workflow.Reply{Ticket: 7, Text: "x"}
	got, err := workflow.Default().Decide(ticket, reply, messages(7, m).answer(workflow.Default().Asks(ticket, reply)), env)
	require.NoError(t, err)
	references := got[0].Event.(incident.Message).Content.References
	require.Len(t, references, 10)
	require.Equal(t, m.Content.References[0], references[0])
	require.Equal(t, "last@x", references[9])
	require.Len(t, m.Content.References, 200)
}

func TestCommandsOfTheDesk(t *testing.T) {
	when := at(-5)
	mail := workflow.Mail{Side: incident.Outside, When: when, Thread: "delivered", Flags: []string{"auto"}, Machine: true,
		Entity: incident.MessageEntity{MessageID: "1@x"}, Blobs: []incident.Digest{{1}}}
	message := incident.Message{Side: incident.Outside, Machine: true, When: when, Thread: "delivered", Flags: mail.Flags, Content: mail.Entity, Blobs: mail.Blobs}
	closing := func(changes ...change) incident.Ticket { return report(append(changes, under(3, 4))...) }
	alarm := report(func(t *incident.Ticket) { t.Wake = at(-1) })
	run(t, []decision{
		{"mail", report(), workflow.Append{Ticket: 7, Mail: mail}, nil, list(message), nil, ""},
		{"of a held report", report(), workflow.Append{Ticket: 7, From: 8, Mail: mail}, nil, list(message, incident.Merged{From: 8}), nil, ""},
		{"again", report(), workflow.ReceiveAgain{Ticket: 7, Same: "bytes", MessageID: "1@x", EnvelopeFrom: "a@x", EnvelopeTo: []string{"b@x"}}, nil,
			list(incident.ReceivedAgain{Same: "bytes", Content: incident.ReceivedAgainContent{MessageID: "1@x", EnvelopeFrom: "a@x", EnvelopeTo: []string{"b@x"}}}), nil, ""},

		{"opened again", report(), workflow.Examine{Ticket: 7, Message: 2, Trust: incident.TrustSigned, Found: incident.ExaminedContent{Subject: "s"}}, nil,
			list(incident.Examined{Version: 2, Trust: incident.TrustSigned, Content: incident.ExaminedContent{Subject: "s"}}), nil, ""},
		{"open", closing(), workflow.Close{Ticket: 7, Under: 3, To: "rejected"}, parents(7, three, four), list(incident.Moved{From: "new", To: "rejected", Phase: incident.Inactive}), nil, ""},
		{"closed already", closing(in("resolved", incident.Inactive)), workflow.Close{Ticket: 7, Under: 3, To: "rejected"}, parents(7), nil, nil, ""},
		{"held by an active incident", closing(), workflow.Close{Ticket: 7, Under: 4, To: "resolved"}, parents(7, three, four), nil, refused, "incident 3, which is open, holds it too"},
		{"held report", closing(held), workflow.Close{Ticket: 7, Under: 3, To: "resolved"}, parents(7, three),
			list(incident.Delivered{Outcome: incident.Rejected}, incident.Moved{From: "new", To: "resolved", Phase: incident.Inactive}), nil, ""},
		{"unknown status", closing(), workflow.Close{Ticket: 7, Under: 3, To: "gone"}, parents(7, three), nil, transition, `"open", "resolved", "rejected"`},

		{"child", report(), workflow.SetDue{Ticket: 7, Due: at(1), Clock: "c"}, nil, list(incident.DueSet{Due: at(1), Clock: "c"}), nil, ""},
		{"as it is", report(due(at(1))), workflow.SetDue{Ticket: 7, Due: at(1), Clock: "c"}, nil, nil, nil, ""},
		{"unset", report(due(at(1))), workflow.SetDue{Ticket: 7, Clock: "c"}, nil, list(incident.DueSet{Clock: "c"}), nil, ""},
		{"incident", report(kind(incident.KindIncident)), workflow.SetDue{Ticket: 7, Due: at(1)}, nil, nil, refused, "follows from its children"},

		{"come", alarm, workflow.Wake{Ticket: 7}, nil,
			list(incident.Edited{Clear: []string{"wake"}}, incident.DueSet{Due: at(-1), Clock: workflow.ClockReminder}, incident.Overdue{Due: *at(-1)}), nil, ""},
		{"due earlier", report(func(t *incident.Ticket) { t.Wake, t.Due = at(-1), at(-2) }), workflow.Wake{Ticket: 7}, nil,
			list(incident.Edited{Clear: []string{"wake"}}, incident.Overdue{Due: *at(-2)}), nil, ""},
		{"closed", report(in("resolved", incident.Inactive), func(t *incident.Ticket) { t.Wake = at(-1) }), workflow.Wake{Ticket: 7}, nil,
			list(incident.Edited{Clear: []string{"wake"}}), nil, ""},
		{"merged", report(in("resolved", incident.Inactive), func(t *incident.Ticket) { t.Wake, t.MergedInto = at(-1), 5 }), workflow.Wake{Ticket: 7}, nil,
			list(incident.Edited{Clear: []string{"wake"}}), nil, ""},
		{"not yet", report(func(t *incident.Ticket) { t.Wake = at(1) }), workflow.Wake{Ticket: 7}, nil, nil, nil, ""},
		{"none", report(), workflow.Wake{Ticket: 7}, nil, nil, nil, ""},
	})
}

func TestMergedTicketsTakeNoCommands(t *testing.T) {
	gone := report(held, mergedInto(9))
	p := workflow.Default()
	for _, c := range everyCommand() {
		known := facts{}
		for _, a := range p.Asks(gone, c) {
			known[a] = anything(a)
		}
		_, err := p.Decide(gone, c, known.answer(p.Asks(gone, c)), env)
		switch c.(type) {
		case workflow.ReceiveAgain, workflow.Examine, workflow.Wake, workflow.Unmerge, workflow.ReleaseMail, workflow.DropMail, workflow.ConfirmMail:
			require.NoError(t, err, c.Name())
		default:
			require.EqualError(t, err, "workflow: "+c.Name()+" on ticket 7 is refused: it was merged into ticket 9: work on that one")
		}
	}
}

// What a command uses without having asked for it is a fault in its code.
func TestUnaskedFactsPanic(t *testing.T) {
	var none workflow.Facts
	for fact, use := range map[workflow.Fact]func(){
		workflow.FactTicket:       func() { none.Ticket(3) },
		workflow.FactParents:      func() { none.Parents(3) },
		workflow.FactOpenChildren: func() { none.OpenChildren(3) },
		workflow.FactChildren:     func() { none.Children(3) },
		workflow.FactSoleChildren: func() { none.SoleChildren(3) },
		workflow.FactEarliestDue:  func() { none.EarliestDue(3) },
		workflow.FactMessages:     func() { none.Messages(3) },
		workflow.FactAnswerable:   func() { none.Answerable(3) },
		workflow.FactTexts:        func() { none.Texts(3) },
		workflow.FactNewestText:   func() { none.NewestText(3) },
		workflow.FactStatuses:     func() { none.Statuses(3) },
		workflow.FactMerges:       func() { none.Merges(3) },
	} {
		want := &workflow.UnaskedError{Ask: workflow.Ask{Fact: fact, Ticket: 3}}
		func() {
			defer func() { require.Equal(t, want, recover(), string(fact)) }()
			use()
		}()
		require.EqualError(t, want, "workflow: the fact "+string(fact)+" of ticket 3 is used without having been asked for")
	}
	p := workflow.Default()
	for _, c := range []workflow.Command{
		workflow.Link{Ticket: 7, Parent: 3},
		workflow.Deliver{Ticket: 7, To: 3},
		workflow.Close{Ticket: 7, Under: 3, To: "resolved"},
		workflow.Reply{Ticket: 7, Text: "x"},
		workflow.Reject{Ticket: 7, Text: "x"},
		workflow.Resolve{Ticket: 7, Reply: "x"},
		workflow.Merge{Ticket: 7, Into: 8},
		workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{3}},
		workflow.Open{Kind: incident.KindReport, From: 3},
	} {
		require.Panics(t, func() { _, _ = p.Decide(report(held, asked("bob@example.org")), c, none, env) }, c.Name())
	}
}

// anything is some answer to an ask.
func anything(a workflow.Ask) any {
	switch a.Fact {
	case workflow.FactMessages, workflow.FactAnswerable, workflow.FactSent, workflow.FactTexts, workflow.FactNewestText:
		return []workflow.MessageRecord{{Version: 2, At: morning, Text: "x"}}
	case workflow.FactDefective:
		return true
	case workflow.FactStatuses:
		return []workflow.StatusRecord{}
	case workflow.FactMerges:
		return []incident.Event{incident.Merged{Into: a.Ticket}, incident.Joined{From: a.Ticket}}
	case workflow.FactChildrenAnswerable:
		return nil
	}
	other := three
	if a.Fact == workflow.FactTicket {
		other.ID = a.Ticket
	}
	return []incident.Ticket{other}
}

// Every command decides with the answers to what it asks, and no others.
func TestAsksSuffice(t *testing.T) {
	for _, name := range workflow.Presets() {
		p, err := workflow.Preset(name)
		require.NoError(t, err)
		for _, kind := range incident.Kinds() {
			for _, c := range everyCommand() {
				for _, l := range p.Lifecycles[kind].Statuses {
					ticket := incident.Ticket{ID: 7, Kind: kind, Status: l.Name, Phase: l.Phase, Parents: []incident.ID{2, 3}, Requestors: people("bob@example.org")}
					known := facts{{Fact: workflow.FactAnswerable, Ticket: 3}: []workflow.MessageRecord{}}
					for _, a := range p.Asks(ticket, c) {
						known[a] = anything(a)
					}
					require.NotPanics(t, func() { _, _ = p.Decide(ticket, c, known.answer(p.Asks(ticket, c)), env) }, "%s: %s", name, c.Name())
				}
			}
		}
	}
}

// once gives decisions recipients of one mail.
func once(decisions []workflow.Decision, people ...incident.Party) []workflow.Decision {
	decisions[0].Once = people
	return decisions
}
