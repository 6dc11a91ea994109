package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func rule(t *testing.T, name string) workflow.Rule {
	for _, r := range workflow.Rules() {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("there is no rule %s", name)
	return workflow.Rule{}
}

// change makes a change of an event and two tickets.
func change(before, after incident.Ticket, e incident.Event, c workflow.Command) workflow.Change {
	after.Version = before.Version + 1
	return workflow.Change{Before: before, After: after, Event: e, Command: c}
}

// reaction is one case: what a rule says to a change.
type reaction struct {
	name   string
	change workflow.Change
	facts  workflow.Facts
	fires  []workflow.Command
	why    string
}

func react(t *testing.T, name string, cases []reaction) {
	p, r := workflow.Default(), rule(t, name)
	require.NotEmpty(t, r.Doc)
	for _, c := range cases {
		t.Run(name+": "+c.name, func(t *testing.T) {
			require.True(t, r.Wakes(c.change), "the case wakes the rule")
			got := r.Then(p, c.change, c.facts)
			require.Equal(t, c.fires, got.Commands)
			require.Equal(t, c.why, got.Why)
			if len(c.fires) == 0 && c.why == "" {
				return
			}
			for _, a := range r.Asks(p, c.change) {
				require.Equal(t, c.change.After.ID, a.Ticket, "a rule asks about the ticket that changed")
			}
		})
	}
}

func open(t *incident.Ticket)     { t.Status, t.Phase = "open", incident.Active }
func resolved(t *incident.Ticket) { t.Status, t.Phase = "resolved", incident.Inactive }

func commands(list ...workflow.Command) []workflow.Command { return list }

func TestOpenLinkedReport(t *testing.T) {
	linked := incident.Linked{Parent: 3}
	opens := commands(workflow.Move{Ticket: 7, To: "open"})
	react(t, "open-linked-report", []reaction{
		{"linked", change(report(), report(under(3)), linked, workflow.Link{}), workflow.Facts{}, opens, "it is linked to an incident"},
		{"born with an incident", change(incident.Ticket{}, report(under(3)), incident.Opened{}, workflow.Open{}), workflow.Facts{}, opens, "it is linked to an incident"},
		{"born alone", change(incident.Ticket{}, report(), incident.Opened{}, workflow.Open{}), workflow.Facts{}, nil, ""},
		{"open already", change(report(open), report(open, under(3)), linked, workflow.Link{}), workflow.Facts{}, nil, ""},
		{"closed", change(report(resolved), report(resolved, under(3)), linked, workflow.Link{}), workflow.Facts{}, nil, ""},
		{"block", change(report(), report(kind(incident.KindBlock), under(3)), linked, workflow.Link{}), workflow.Facts{}, nil, ""},
		{"nowhere to go", change(report(), report(in("odd", incident.Initial), under(3)), linked, workflow.Link{}), workflow.Facts{}, nil,
			"its lifecycle has no active status to go to"},
	})
}

func TestAppendDelivered(t *testing.T) {
	delivered := func(o incident.Outcome) workflow.Change {
		return change(report(held), report(), incident.Delivered{Outcome: o, To: 5}, workflow.Deliver{})
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
	inc := func(change ...func(*incident.Ticket)) incident.Ticket {
		return report(append([]func(*incident.Ticket){kind(incident.KindIncident), open}, change...)...)
	}
	children := func(kinds ...incident.Kind) (f workflow.Facts) {
		var list []incident.Ticket
		for i, k := range kinds {
			list = append(list, incident.Ticket{ID: incident.ID(10 + i), Kind: k})
		}
		f.Know(workflow.Ask{Fact: workflow.FactOpenChildren, Ticket: 7}, list...)
		return f
	}
	abandoned := in("abandoned", incident.Inactive)
	moved := incident.Moved{}
	all := children(incident.KindBlock, incident.KindInvestigation, incident.KindReport, incident.KindReport)
	react(t, "close-children", []reaction{
		{"resolved: reports, then investigations, then blocks", change(inc(), inc(resolved), moved, workflow.Move{}), all, commands(
			workflow.Close{Ticket: 12, Under: 7, To: "resolved"}, workflow.Close{Ticket: 13, Under: 7, To: "resolved"},
			workflow.Close{Ticket: 11, Under: 7, To: "resolved"}, workflow.Close{Ticket: 10, Under: 7, To: "removed"},
		), "its incident was closed"},
		{"abandoned", change(inc(), inc(abandoned), moved, workflow.Move{}), all, commands(
			workflow.Close{Ticket: 12, Under: 7, To: "rejected"}, workflow.Close{Ticket: 13, Under: 7, To: "rejected"},
			workflow.Close{Ticket: 11, Under: 7, To: "resolved"}, workflow.Close{Ticket: 10, Under: 7, To: "removed"},
		), "its incident was closed"},
		{"no child", change(inc(), inc(resolved), moved, workflow.Move{}), children(), nil, "no child is open"},
		{"opened again", change(inc(resolved), inc(), moved, workflow.Move{}), workflow.Facts{}, nil, ""},
		{"closed before", change(inc(resolved), inc(abandoned), moved, workflow.Move{}), workflow.Facts{}, nil, ""},
		{"a child", change(report(open), report(resolved), moved, workflow.Move{}), workflow.Facts{}, nil, ""},
	})
	require.Empty(t, rule(t, "close-children").Asks(workflow.Default(), change(report(open), report(resolved), moved, nil)), "nothing is read in vain")
}

func TestReopenOnReply(t *testing.T) {
	said := incident.Message{Side: incident.Outside}
	machine := incident.Message{Side: incident.Outside, Machine: true}
	on := func(m incident.Message, status func(*incident.Ticket), c workflow.Command) workflow.Change {
		return change(report(status), report(status), m, c)
	}
	fires := commands(workflow.Reopen{Ticket: 7})
	rejected := in("rejected", incident.Inactive)
	react(t, "reopen-on-reply", []reaction{
		{"resolved", on(said, resolved, workflow.Append{}), workflow.Facts{}, fires, "somebody outside replied"},
		{"rejected", on(said, rejected, workflow.Append{}), workflow.Facts{}, fires, "somebody outside replied"},
		{"machine", on(machine, resolved, workflow.Append{}), workflow.Facts{}, nil, "a machine wrote the message"},
		{"open", on(said, open, workflow.Append{}), workflow.Facts{}, nil, ""},
		{"machine, open", on(machine, open, workflow.Append{}), workflow.Facts{}, nil, ""},
		{"inside", on(incident.Message{Side: incident.Inside}, resolved, workflow.Append{}), workflow.Facts{}, nil, ""},
		{"ours", on(incident.Message{Side: incident.Inside, Sent: true}, resolved, workflow.Reply{}), workflow.Facts{}, nil, ""},
		{"the first", on(said, resolved, workflow.Open{}), workflow.Facts{}, nil, ""},
		{"incident", change(report(kind(incident.KindIncident), resolved), report(kind(incident.KindIncident), resolved), said, workflow.Append{}), workflow.Facts{}, nil, ""},
	})
}

func TestReopenParents(t *testing.T) {
	moved := incident.Moved{}
	abandoned := incident.Ticket{ID: 5, Kind: incident.KindIncident, Status: "abandoned", Phase: incident.Inactive}
	child := func(status func(*incident.Ticket)) incident.Ticket { return report(under(3, 4, 5), status) }
	react(t, "reopen-parents", []reaction{
		{"resolved and abandoned ones", change(child(resolved), child(open), moved, nil), parents(7, three, four, abandoned),
			commands(workflow.Reopen{Ticket: 4}, workflow.Reopen{Ticket: 5}), "a child of it is active"},
		{"all open", change(child(resolved), child(open), moved, nil), parents(7, three), nil, ""},
		{"closed child", change(child(open), child(resolved), moved, nil), workflow.Facts{}, nil, ""},
	})
	require.Empty(t, rule(t, "reopen-parents").Asks(workflow.Default(), change(child(open), child(resolved), moved, nil)), "nothing is read in vain")
}

func TestDueOnReply(t *testing.T) {
	said, machine := incident.Message{Side: incident.Outside}, incident.Message{Side: incident.Outside, Machine: true}
	waiting := report(func(t *incident.Ticket) { t.OldestUnanswered = at(-3) })
	react(t, "due-on-reply", []reaction{
		{"reply", change(report(), waiting, said, workflow.Append{}), workflow.Facts{},
			commands(workflow.SetDue{Ticket: 7, Due: at(-3), Clock: workflow.ClockUnanswered}), "somebody outside waits for an answer"},
		{"machine", change(report(), waiting, machine, workflow.Append{}), workflow.Facts{}, nil, "a machine wrote the message"},
		{"answered at once", change(report(), report(), said, workflow.Append{}), workflow.Facts{}, nil, "every message from outside is answered"},
		{"the first", change(incident.Ticket{}, waiting, said, workflow.Open{}), workflow.Facts{}, nil, ""},
		{"inside", change(report(), waiting, incident.Message{Side: incident.Inside}, workflow.Append{}), workflow.Facts{}, nil, ""},
	})
}

func TestAnswered(t *testing.T) {
	answer := incident.Message{Side: incident.Inside, Sent: true, Answers: true}
	waiting := func(due, unanswered int) incident.Ticket {
		return report(func(t *incident.Ticket) {
			if due != 0 {
				t.Due = at(due)
			}
			if unanswered != 0 {
				t.OldestUnanswered = at(unanswered)
			}
		})
	}
	react(t, "answered", []reaction{
		{"due by a message", change(waiting(-3, -3), waiting(-3, 0), answer, workflow.Reply{}), workflow.Facts{},
			commands(workflow.SetDue{Ticket: 7, Clock: workflow.ClockAnswered}), "we answered"},
		{"due by hand", change(waiting(5, -3), waiting(5, 0), answer, workflow.Reply{}), workflow.Facts{}, nil, "its due date was not set by a message from outside"},
		{"due by hand, nothing to answer", change(waiting(5, 0), waiting(5, 0), answer, workflow.Reply{}), workflow.Facts{}, nil, "its due date was not set by a message from outside"},
		{"not due", change(waiting(0, 0), waiting(0, 0), answer, workflow.Reply{}), workflow.Facts{}, nil, ""},
		{"no answer", change(waiting(-3, -3), waiting(-3, -3), incident.Message{Side: incident.Inside}, workflow.Append{}), workflow.Facts{}, nil, ""},
	})
}

func TestIncidentDue(t *testing.T) {
	p, d := workflow.Default(), workflow.Derivations()[1]
	earliest := func(tickets ...incident.Ticket) (f workflow.Facts) {
		f.Know(workflow.Ask{Fact: workflow.FactEarliestDue, Ticket: 7}, tickets...)
		return f
	}
	inc := func(date int) incident.Ticket {
		if date == 0 {
			return report(kind(incident.KindIncident))
		}
		return report(kind(incident.KindIncident), due(at(date)))
	}
	child := incident.Ticket{ID: 9, Due: at(1)}
	for _, c := range []struct {
		name  string
		t     incident.Ticket
		facts workflow.Facts
		want  []incident.Event
	}{
		{"set", inc(0), earliest(child), []incident.Event{incident.DueSet{Due: at(1), Child: 9}}},
		{"moved", inc(2), earliest(child), []incident.Event{incident.DueSet{Due: at(1), Child: 9}}},
		{"right", inc(1), earliest(child), nil},
		{"unset", inc(1), earliest(), []incident.Event{incident.DueSet{}}},
		{"none", inc(0), earliest(), nil},
		{"no incident", report(), workflow.Facts{}, nil},
	} {
		require.Equal(t, c.want, d.Then(p, c.t, c.facts, workflow.Env{}), c.name)
	}
	require.Equal(t, []workflow.Ask{{Fact: workflow.FactEarliestDue, Ticket: 7}}, d.Asks(p, inc(0)))
}

// The derivation is driven by what it follows from, not by remembered moments.
func TestWhatMakesAnIncidentDirty(t *testing.T) {
	dirty := func(c workflow.Change) []incident.ID {
		return workflow.Derivations()[1].Dirty(workflow.Default(), c, workflow.Facts{})
	}
	dated := due(at(2))
	base := report(under(3, 4), open, dated)
	for _, c := range []struct {
		name  string
		after incident.Ticket
		want  []incident.ID
	}{
		{"due", report(under(3, 4), open, due(at(1))), []incident.ID{3, 4}},
		{"due no more", report(under(3, 4), open), []incident.ID{3, 4}},
		{"closed", report(under(3, 4), resolved, dated), []incident.ID{3, 4}},
		{"linked", report(under(3, 4, 5), open, dated), []incident.ID{3, 4, 5}},
		{"unlinked", report(under(4), open, dated), []incident.ID{3, 4}},
		{"something else", report(under(3, 4), open, dated, owned("handler:bob")), nil},
	} {
		require.Equal(t, c.want, dirty(change(base, c.after, incident.Custom{}, nil)), c.name)
	}
	require.Equal(t, []incident.ID{3, 4}, dirty(change(report(under(3, 4), resolved, dated), base, incident.Moved{}, nil)), "opened again")
	require.Equal(t, []incident.ID{3}, dirty(change(incident.Ticket{}, report(under(3), dated), incident.Opened{}, nil)), "new")
	require.Empty(t, dirty(change(report(), report(under(3)), incident.Linked{}, nil)), "linked without a due date")
	require.Empty(t, dirty(change(report(under(3), resolved), report(under(3), resolved, dated), incident.DueSet{}, nil)), "dated while closed")
	inc := report(kind(incident.KindIncident))
	require.Equal(t, []incident.ID{7}, dirty(change(inc, report(kind(incident.KindIncident), due(at(1))), incident.DueSet{}, nil)))
	require.Empty(t, dirty(change(inc, inc, incident.Commented{}, nil)))
}

func TestEveryRuleHasItsOrder(t *testing.T) {
	var names []string
	for _, r := range workflow.Rules() {
		names = append(names, r.Name)
		require.NotEmpty(t, r.On)
	}
	require.Equal(t, []string{
		"open-linked-report", "append-delivered", "close-children", "reopen-on-reply", "reopen-parents", "due-on-reply", "answered",
	}, names)
}
