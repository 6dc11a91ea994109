package workflow_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

var (
	morning = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	env     = workflow.Env{Now: morning, By: "handler:alice"}
)

func at(hours int) *time.Time {
	t := morning.Add(time.Duration(hours) * time.Hour)
	return &t
}

func list(events ...incident.Event) []workflow.Decision {
	var decisions []workflow.Decision
	for _, e := range events {
		decisions = append(decisions, workflow.Decision{Event: e})
	}
	return decisions
}

// know returns facts about single tickets.
func know(tickets ...incident.Ticket) workflow.Facts {
	var f workflow.Facts
	for _, t := range tickets {
		f.Know(workflow.Ask{Fact: workflow.FactTicket, Ticket: t.ID}, t)
	}
	return f
}

// missing returns the fact that there is no such ticket.
func missing(id incident.ID) (f workflow.Facts) {
	f.Know(workflow.Ask{Fact: workflow.FactTicket, Ticket: id})
	return f
}

func parents(child incident.ID, tickets ...incident.Ticket) (f workflow.Facts) {
	f.Know(workflow.Ask{Fact: workflow.FactParents, Ticket: child}, tickets...)
	return f
}

func messages(id incident.ID, entities ...incident.Message) (f workflow.Facts) {
	var records []workflow.MessageRecord
	for i, m := range entities {
		records = append(records, workflow.MessageRecord{Version: uint64(i + 2), At: *at(i), Message: m})
	}
	f.KnowMessages(workflow.Ask{Fact: workflow.FactMessages, Ticket: id}, records)
	answerable := slices.DeleteFunc(slices.Clone(records), func(m workflow.MessageRecord) bool { return !m.Answerable() })
	f.KnowMessages(workflow.Ask{Fact: workflow.FactAnswerable, Ticket: id}, answerable[max(0, len(answerable)-1):])
	return f
}

func report(change ...func(*incident.Ticket)) incident.Ticket {
	t := incident.Ticket{ID: 7, Kind: incident.KindReport, Status: "new", Phase: incident.Initial, Subject: "Scan", Version: 3}
	for _, c := range change {
		c(&t)
	}
	return t
}

func owned(by incident.Actor) func(*incident.Ticket) {
	return func(t *incident.Ticket) { t.Owner = by }
}

func under(ids ...incident.ID) func(*incident.Ticket) {
	return func(t *incident.Ticket) { t.Parents = ids }
}

func in(status incident.Status, phase incident.Phase) func(*incident.Ticket) {
	return func(t *incident.Ticket) { t.Status, t.Phase = status, phase }
}

func kind(k incident.Kind) func(*incident.Ticket) { return func(t *incident.Ticket) { t.Kind = k } }

func held(t *incident.Ticket) { t.Held = &incident.Held{Reason: "two-tags"} }

func asked(people ...string) func(*incident.Ticket) {
	return func(t *incident.Ticket) {
		for _, p := range people {
			t.Requestors = append(t.Requestors, incident.Party{Address: p})
		}
	}
}

func due(date *time.Time) func(*incident.Ticket) { return func(t *incident.Ticket) { t.Due = date } }

var (
	three  = incident.Ticket{ID: 3, Kind: incident.KindIncident, Status: "open", Phase: incident.Active}
	four   = incident.Ticket{ID: 4, Kind: incident.KindIncident, Status: "resolved", Phase: incident.Inactive}
	party  = incident.Party{Name: "Bob", Address: "bob@example.org"}
	number = 101
	ten    = 10
	evil   = "a\r\nBcc: x\x00\xff"
	tame   = "a Bcc: x\u2400\uFFFD"
)

// decision is one case: what a command does to a ticket, or why it does not.
type decision struct {
	name    string
	ticket  incident.Ticket
	command workflow.Command
	facts   workflow.Facts
	want    []workflow.Decision
	err     error
	says    string // part of the error's text
}

func (d decision) run(t *testing.T) {
	got, err := workflow.Default().Decide(d.ticket, d.command, d.facts, env)
	if d.err == nil {
		require.NoError(t, err)
		require.Equal(t, d.want, got)
		return
	}
	require.Equal(t, reflect.TypeOf(d.err), reflect.TypeOf(err), "%v", err)
	require.ErrorContains(t, err, d.says)
	require.Empty(t, got, "a refusal has no events")
}

func run(t *testing.T, cases []decision) {
	for _, c := range cases {
		t.Run(c.command.Name()+": "+c.name, c.run)
	}
}

// Kinds of refusals, for decision.err.
var (
	taken      = &workflow.TakenError{}
	refused    = &workflow.RefusedError{}
	argument   = &workflow.ArgumentError{}
	transition = &workflow.TransitionError{}
	noTicket   = &workflow.NoTicketError{}
)

func TestOwners(t *testing.T) {
	run(t, []decision{
		{"of nobody", report(), workflow.Take{Ticket: 7}, workflow.Facts{}, list(incident.Owned{To: "handler:alice"}), nil, ""},
		{"mine already", report(owned("handler:alice")), workflow.Take{Ticket: 7}, workflow.Facts{}, nil, nil, ""},
		{"somebody else's", report(owned("handler:bob")), workflow.Take{Ticket: 7}, workflow.Facts{}, nil, taken, "already taken by handler:bob: assign"},
		{"mine", report(owned("handler:alice")), workflow.Release{Ticket: 7}, workflow.Facts{}, list(incident.Owned{From: "handler:alice"}), nil, ""},
		{"nobody's", report(), workflow.Release{Ticket: 7}, workflow.Facts{}, nil, nil, ""},
		{"somebody else's", report(owned("handler:bob")), workflow.Release{Ticket: 7}, workflow.Facts{}, nil, taken, "taken by handler:bob"},
		{"from another", report(owned("handler:bob")), workflow.Assign{Ticket: 7, To: "handler:carol"}, workflow.Facts{},
			list(incident.Owned{From: "handler:bob", To: "handler:carol"}), nil, ""},
		{"to nobody", report(owned("handler:bob")), workflow.Assign{Ticket: 7}, workflow.Facts{}, list(incident.Owned{From: "handler:bob"}), nil, ""},
		{"as it is", report(owned("handler:bob")), workflow.Assign{Ticket: 7, To: "handler:bob"}, workflow.Facts{}, nil, nil, ""},
		{"to a mail address", report(), workflow.Assign{Ticket: 7, To: "bob@example.org"}, workflow.Facts{}, nil, argument, "handler:alice, never a mail address"},
		{"unclean", report(), workflow.Assign{Ticket: 7, To: incident.Actor(evil)}, workflow.Facts{}, list(incident.Owned{To: incident.Actor(tame)}), nil, ""},
	})
}

func TestMoves(t *testing.T) {
	run(t, []decision{
		{"held to open", report(held), workflow.Move{Ticket: 7, To: "open"}, workflow.Facts{},
			list(incident.Delivered{Outcome: incident.Accepted}, incident.Moved{From: "new", To: "open", Phase: incident.Active}), nil, ""},
		{"held to rejected", report(held), workflow.Move{Ticket: 7, To: "rejected"}, workflow.Facts{},
			list(incident.Delivered{Outcome: incident.Rejected}, incident.Moved{From: "new", To: "rejected", Phase: incident.Inactive}), nil, ""},
		{"unknown", report(), workflow.Move{Ticket: 7, To: "stalled"}, workflow.Facts{}, nil, transition,
			`report 7 cannot move from "new" to "stalled": allowed are "open", "resolved", "rejected"`},
		{"initial", report(), workflow.Reopen{Ticket: 7}, workflow.Facts{}, list(incident.Moved{From: "new", To: "open", Phase: incident.Active}), nil, ""},
		{"active", report(in("open", incident.Active)), workflow.Reopen{Ticket: 7}, workflow.Facts{}, nil, nil, ""},
		{"rejected", report(in("rejected", incident.Inactive)), workflow.Reopen{Ticket: 7}, workflow.Facts{},
			list(incident.Moved{From: "rejected", To: "open", Phase: incident.Active}), nil, ""},
		{"removed block", report(kind(incident.KindBlock), in("removed", incident.Inactive)), workflow.Reopen{Ticket: 7}, workflow.Facts{},
			list(incident.Moved{From: "removed", To: "active", Phase: incident.Active}), nil, ""},
		{"no way", report(in("lost", incident.Inactive)), workflow.Reopen{Ticket: 7}, workflow.Facts{}, nil, refused, `no active status can be reached from "lost"`},
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
		{"report", report(under(3)), workflow.Unlink{Ticket: 7, Parent: 3}, workflow.Facts{}, list(incident.Unlinked{Parent: 3}), nil, ""},
		{"not linked", report(under(2)), workflow.Unlink{Ticket: 7, Parent: 3}, workflow.Facts{}, nil, nil, ""},
		{"a block's last incident", report(kind(incident.KindBlock), under(3)), workflow.Unlink{Ticket: 7, Parent: 3}, workflow.Facts{}, nil, refused, "link another one first"},
		{"one of a block's incidents", report(kind(incident.KindBlock), under(2, 3)), workflow.Unlink{Ticket: 7, Parent: 3}, workflow.Facts{},
			list(incident.Unlinked{Parent: 3}), nil, ""},
	})
}

func TestComments(t *testing.T) {
	run(t, []decision{
		{"text", report(), workflow.Comment{Ticket: 7, Text: "Rang\x00 her.\n"}, workflow.Facts{},
			[]workflow.Decision{{Event: incident.Commented{}, Text: "Rang\u2400 her.\n"}}, nil, ""},
		{"blank", report(), workflow.Comment{Ticket: 7, Text: " \n"}, workflow.Facts{}, nil, argument, "allowed is some text"},
	})
}

func TestDeliveries(t *testing.T) {
	child := incident.Ticket{ID: 5, Kind: incident.KindInvestigation, Status: "open", Phase: incident.Active}
	run(t, []decision{
		{"accepted", report(held), workflow.Deliver{Ticket: 7, As: incident.Accepted}, workflow.Facts{}, list(incident.Delivered{Outcome: incident.Accepted}), nil, ""},
		{"rejected", report(held), workflow.Deliver{Ticket: 7, As: incident.Rejected}, workflow.Facts{},
			list(incident.Delivered{Outcome: incident.Rejected}, incident.Moved{From: "new", To: "rejected", Phase: incident.Inactive}), nil, ""},
		{"to a child", report(held), workflow.Deliver{Ticket: 7, To: 5}, know(child),
			list(incident.Delivered{Outcome: incident.Appended, To: 5}, incident.Merged{Into: 5}, incident.Moved{From: "new", To: "resolved", Phase: incident.Inactive}), nil, ""},
		{"to an incident", report(held), workflow.Deliver{Ticket: 7, To: 3}, know(three),
			list(incident.Delivered{Outcome: incident.Attached, To: 3}, incident.Linked{Parent: 3}), nil, ""},
		{"not held", report(), workflow.Deliver{Ticket: 7, As: incident.Accepted}, workflow.Facts{}, nil, refused, "it is not held"},
		{"without direction", report(held), workflow.Deliver{Ticket: 7}, workflow.Facts{}, nil, argument, `allowed is accepted, rejected, or a ticket in "to"`},
		{"as something else", report(held), workflow.Deliver{Ticket: 7, As: incident.Appended}, workflow.Facts{}, nil, argument, "accepted, rejected"},
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
		return []workflow.Decision{{Text: "Hello.", Event: incident.Message{Side: incident.Inside, Sent: true, Answers: true, Thread: "reply", Content: m}}}
	}
	to := asks.Requestors
	run(t, []decision{
		{"to the last message of a person", asks, workflow.Reply{Ticket: 7, Text: "Hello."}, messages(7, second, first, machine),
			answer(incident.MessageEntity{Subject: "Scan", To: to, Cc: asks.Cc, InReplyTo: []string{"1@x"}, References: []string{"0@x", "1@x"}}), nil, ""},
		{"with own subject and copies", asks, workflow.Reply{Ticket: 7, Text: "Hello.", Subject: evil, Cc: []incident.Party{party}}, messages(7),
			answer(incident.MessageEntity{Subject: tame, To: to, Cc: append(append([]incident.Party{}, asks.Cc...), party)}), nil, ""},
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
	got, err := workflow.Default().Decide(report(asked("bob@example.org")), workflow.Reply{Ticket: 7, Text: "x"}, messages(7, m), env)
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
	closing := func(change ...func(*incident.Ticket)) incident.Ticket { return report(append(change, under(3, 4))...) }
	alarm := report(func(t *incident.Ticket) { t.Wake = at(-1) })
	run(t, []decision{
		{"mail", report(), workflow.Append{Ticket: 7, Mail: mail}, workflow.Facts{}, list(message), nil, ""},
		{"of a held report", report(), workflow.Append{Ticket: 7, From: 8, Mail: mail}, workflow.Facts{}, list(message, incident.Merged{From: 8}), nil, ""},
		{"again", report(), workflow.ReceiveAgain{Ticket: 7, Same: "bytes", MessageID: "1@x", EnvelopeFrom: "a@x", EnvelopeTo: []string{"b@x"}}, workflow.Facts{},
			list(incident.ReceivedAgain{Same: "bytes", Content: incident.ReceivedAgainContent{MessageID: "1@x", EnvelopeFrom: "a@x", EnvelopeTo: []string{"b@x"}}}), nil, ""},

		{"open", closing(), workflow.Close{Ticket: 7, Under: 3, To: "rejected"}, parents(7, three, four), list(incident.Moved{From: "new", To: "rejected", Phase: incident.Inactive}), nil, ""},
		{"closed already", closing(in("resolved", incident.Inactive)), workflow.Close{Ticket: 7, Under: 3, To: "rejected"}, parents(7), nil, nil, ""},
		{"held by an active incident", closing(), workflow.Close{Ticket: 7, Under: 4, To: "resolved"}, parents(7, three, four), nil, refused, "incident 3, which is open, holds it too"},
		{"held report", closing(held), workflow.Close{Ticket: 7, Under: 3, To: "resolved"}, parents(7, three),
			list(incident.Delivered{Outcome: incident.Rejected}, incident.Moved{From: "new", To: "resolved", Phase: incident.Inactive}), nil, ""},
		{"unknown status", closing(), workflow.Close{Ticket: 7, Under: 3, To: "gone"}, parents(7, three), nil, transition, `"open", "resolved", "rejected"`},

		{"child", report(), workflow.SetDue{Ticket: 7, Due: at(1), Clock: "c"}, workflow.Facts{}, list(incident.DueSet{Due: at(1), Clock: "c"}), nil, ""},
		{"as it is", report(due(at(1))), workflow.SetDue{Ticket: 7, Due: at(1), Clock: "c"}, workflow.Facts{}, nil, nil, ""},
		{"unset", report(due(at(1))), workflow.SetDue{Ticket: 7, Clock: "c"}, workflow.Facts{}, list(incident.DueSet{Clock: "c"}), nil, ""},
		{"incident", report(kind(incident.KindIncident)), workflow.SetDue{Ticket: 7, Due: at(1)}, workflow.Facts{}, nil, refused, "follows from its children"},

		{"come", alarm, workflow.Wake{Ticket: 7}, workflow.Facts{},
			list(incident.Edited{Clear: []string{"wake"}}, incident.DueSet{Due: at(-1), Clock: workflow.ClockReminder}), nil, ""},
		{"due earlier", report(func(t *incident.Ticket) { t.Wake, t.Due = at(-1), at(-2) }), workflow.Wake{Ticket: 7}, workflow.Facts{},
			list(incident.Edited{Clear: []string{"wake"}}), nil, ""},
		{"closed", report(in("resolved", incident.Inactive), func(t *incident.Ticket) { t.Wake = at(-1) }), workflow.Wake{Ticket: 7}, workflow.Facts{},
			list(incident.Edited{Clear: []string{"wake"}}), nil, ""},
		{"merged", report(in("resolved", incident.Inactive), func(t *incident.Ticket) { t.Wake, t.MergedInto = at(-1), 5 }), workflow.Wake{Ticket: 7}, workflow.Facts{},
			list(incident.Edited{Clear: []string{"wake"}}), nil, ""},
		{"not yet", report(func(t *incident.Ticket) { t.Wake = at(1) }), workflow.Wake{Ticket: 7}, workflow.Facts{}, nil, nil, ""},
		{"none", report(), workflow.Wake{Ticket: 7}, workflow.Facts{}, nil, nil, ""},
	})
}

func TestMergedTicketsTakeNoCommands(t *testing.T) {
	gone := report(held, func(t *incident.Ticket) { t.MergedInto = 9 })
	for _, c := range everyCommand() {
		_, err := workflow.Default().Decide(gone, c, workflow.Facts{}, env)
		switch c.(type) {
		case workflow.ReceiveAgain, workflow.Wake:
			require.NoError(t, err, c.Name())
		default:
			require.EqualError(t, err, "workflow: "+c.Name()+" on ticket 7 is refused: it was merged into ticket 9: work on that one")
		}
	}
}

// What a command uses without having asked for it is a fault in its code.
func TestUnaskedFactsPanic(t *testing.T) {
	var none workflow.Facts
	for name, use := range map[string]func(){
		"ticket":        func() { none.Ticket(3) },
		"parents":       func() { none.Parents(3) },
		"open children": func() { none.OpenChildren(3) },
		"earliest due":  func() { none.EarliestDue(3) },
		"messages":      func() { none.Messages(3) },
		"statuses":      func() { none.Statuses(3) },
	} {
		want := &workflow.UnaskedError{Ask: workflow.Ask{Fact: workflow.Fact(name), Ticket: 3}}
		func() {
			defer func() { require.Equal(t, want, recover(), name) }()
			use()
		}()
		require.EqualError(t, want, "workflow: the fact "+name+" of ticket 3 is used without having been asked for")
	}
	p := workflow.Default()
	for _, c := range []workflow.Command{
		workflow.Link{Ticket: 7, Parent: 3},
		workflow.Deliver{Ticket: 7, To: 3},
		workflow.Close{Ticket: 7, Under: 3, To: "resolved"},
		workflow.Reply{Ticket: 7, Text: "x"},
		workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{3}},
	} {
		require.Panics(t, func() { _, _ = p.Decide(report(held, asked("bob@example.org")), c, none, env) }, c.Name())
	}
}

// Every command decides with the answers to what it asks, and no others.
func TestAsksSuffice(t *testing.T) {
	p := workflow.Default()
	for _, c := range everyCommand() {
		ticket := report(held, under(2, 3), asked("bob@example.org"))
		if _, open := c.(workflow.Open); open {
			ticket = incident.Ticket{}
		}
		var facts workflow.Facts
		for _, a := range p.Asks(ticket, c) {
			if a.Fact == workflow.FactMessages || a.Fact == workflow.FactAnswerable {
				facts.KnowMessages(a, nil)
			} else {
				facts.Know(a, three)
			}
		}
		require.NotPanics(t, func() { _, _ = p.Decide(ticket, c, facts, env) }, c.Name())
	}
}
