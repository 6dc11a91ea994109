package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func TestDueOnReply(t *testing.T) {
	said, machine := incident.Message{Side: incident.Outside}, incident.Message{Side: incident.Outside, Machine: true}
	waiting := report(func(t *incident.Ticket) { t.OldestUnanswered = at(-3) })
	react(t, "due-on-reply", []reaction{
		{"reply", changed(report(), waiting, said, workflow.Append{}), nil,
			commands(workflow.SetDue{Ticket: 7, Due: at(-3), Clock: workflow.ClockUnanswered}), "somebody outside waits for an answer"},
		{"machine", changed(report(), waiting, machine, workflow.Append{}), nil, nil, "a machine wrote the message"},
		{"answered at once", changed(report(), report(), said, workflow.Append{}), nil, nil, "every message from outside is answered"},
		{"the first", changed(incident.Ticket{}, waiting, said, workflow.Open{}), nil, nil, ""},
		{"in the incident's own history", changed(theIncident(), theIncident(unanswered(-3)), said, workflow.Append{}), nil, nil, ""},
		{"merged, with what waits", changed(report(), waiting, incident.Joined{From: 8, Unanswered: at(-3)}, workflow.Merge{}), nil,
			commands(workflow.SetDue{Ticket: 7, Due: at(-3), Clock: workflow.ClockUnanswered}), "somebody outside waits for an answer"},
		{"merged, with nothing that waits", changed(report(), waiting, incident.Joined{From: 8}, workflow.Merge{}), nil, nil, ""},
		{"merged incidents", changed(theIncident(), theIncident(unanswered(-3)), incident.Joined{From: 8, Unanswered: at(-3)}, workflow.Merge{}), nil, nil, ""},
		{"what waited leaves", changed(report(unanswered(-3), due(at(-3))), report(due(at(-3))), incident.Unmerged{From: 8}, workflow.Unmerge{}), nil,
			nil, "the message that it is due for has left, and no other one waits: its date is for a person to set"},
		{"what waited leaves, something else waits", changed(report(unanswered(-3), due(at(-3))), report(unanswered(-1), due(at(-3))), incident.Unmerged{From: 8}, workflow.Unmerge{}), nil,
			commands(workflow.SetDue{Ticket: 7, Due: at(-1), Clock: workflow.ClockUnanswered}), "the message that waited belongs to another ticket again"},
		{"what waits stays", changed(report(unanswered(-3), due(at(-3))), report(unanswered(-3), due(at(-3))), incident.Unmerged{From: 8}, workflow.Unmerge{}), nil, nil, ""},
		{"another date, by hand", changed(report(unanswered(-3), due(at(9))), report(due(at(9))), incident.Unmerged{From: 8}, workflow.Unmerge{}), nil, nil, ""},
		{"nothing waited", changed(report(), report(), incident.Unmerged{From: 8}, workflow.Unmerge{}), nil, nil, ""},
		{"inside", changed(report(), waiting, incident.Message{Side: incident.Inside}, workflow.Append{}), nil, nil, ""},
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
	reactWith(t, "due-after-reply", workflow.DueAfterReply{}, []reaction{
		{"due by a message", changed(waiting(-3, -3), waiting(-3, 0), answer, workflow.Reply{}), nil,
			commands(workflow.SetDue{Ticket: 7, Clock: workflow.ClockAnswered}), "we answered"},
		{"due by hand", changed(waiting(5, -3), waiting(5, 0), answer, workflow.Reply{}), nil, nil, "its due date was not set by a message from outside"},
		{"due by hand, nothing to answer", changed(waiting(5, 0), waiting(5, 0), answer, workflow.Reply{}), nil, nil, "its due date was not set by a message from outside"},
		{"not due", changed(waiting(0, 0), waiting(0, 0), answer, workflow.Reply{}), nil, nil, ""},
		{"no answer", changed(waiting(-3, -3), waiting(-3, -3), incident.Message{Side: incident.Inside}, workflow.Append{}), nil, nil, ""},
	})
}

func days(n int) workflow.DueAfterReply { return workflow.DueAfterReply{Days: n} }

func TestDueAfterReply(t *testing.T) {
	reply := incident.Message{Side: incident.Inside, Sent: true, Answers: true}
	by := func(m incident.Message, c workflow.Command, changes ...change) workflow.Change {
		return changed(report(changes...), report(changes...), m, c)
	}
	due := func(days int) []workflow.Command {
		return commands(workflow.SetDue{Ticket: 7, Due: at(24 * days), Clock: workflow.ClockReply})
	}
	machine := reply
	machine.Machine = true
	urgent := workflow.DueAfterReply{Days: 7, Urgent: []workflow.Urgent{{Priority: 90, Days: 1}, {Priority: 70, Days: 3}, {Priority: 99, Days: 0}}}
	reactWith(t, "due-after-reply", days(7), []reaction{
		{"a reply", by(reply, workflow.Reply{}), nil, due(7), "we wrote 7 days before"},
		{"a mail of a member of the team to a correspondent", by(incident.Message{Side: incident.Inside, Answers: true}, workflow.Append{}), nil, due(7), "we wrote 7 days before"},
		{"the mail that an investigation begins with", by(reply, workflow.Open{}, kind(incident.KindInvestigation), open), nil, due(7), "we wrote 7 days before"},
		{"a block's", by(reply, workflow.Reply{}, kind(incident.KindBlock), active), nil, due(7), "we wrote 7 days before"},
		{"a mail of a member of the team that answers nobody", by(incident.Message{Side: incident.Inside}, workflow.Append{}), nil, nil, ""},
		{"a machine", by(machine, workflow.Append{}), nil, nil, ""},
		{"from outside", by(said("1@x"), workflow.Append{}), nil, nil, ""},
		{"an incident", changed(theIncident(), theIncident(), reply, workflow.Reply{}), nil, nil, ""},
		{"high priority, with no urgent ones", by(reply, workflow.Reply{}, prioritised(100)), nil, due(7), "we wrote 7 days before"},
	})
	above := func(priority int) facts {
		inc := three
		inc.Priority = priority
		return parents(7, incident.Ticket{ID: 2, Priority: 50}, inc)
	}
	reactWith(t, "due-after-reply", urgent, []reaction{
		{"no priority", by(reply, workflow.Reply{}), above(0), due(7), "we wrote 7 days before"},
		{"just below", by(reply, workflow.Reply{}, prioritised(69)), above(69), due(7), "we wrote 7 days before"},
		{"its own", by(reply, workflow.Reply{}, prioritised(70)), above(0), due(3), "we wrote 3 days before"},
		{"that of an incident", by(reply, workflow.Reply{}, prioritised(10)), above(90), due(1), "we wrote 1 days before"},
		{"the highest of all", by(reply, workflow.Reply{}, prioritised(95)), above(70), due(1), "we wrote 1 days before"},
		{"without a date", by(reply, workflow.Reply{}, prioritised(99)), above(0), nil, ""},
		{"no reply", by(said("1@x"), workflow.Append{}), nil, nil, ""},
	})
}

func TestRestartOnReply(t *testing.T) {
	reply := incident.Message{Side: incident.Inside, Sent: true, Answers: true}
	by := func(m incident.Message, c workflow.Command, changes ...change) workflow.Change {
		return changed(report(changes...), report(changes...), m, c)
	}
	fires := commands(workflow.Restart{Ticket: 7})
	react(t, "restart-on-reply", []reaction{
		{"open", by(reply, workflow.Reply{}, open), nil, fires, "we replied"},
		{"closed", by(reply, workflow.Reply{}, resolved), nil, fires, "we replied"},
		{"by mail", by(incident.Message{Side: incident.Inside, Answers: true}, workflow.Append{}, open), nil, fires, "we replied"},
		{"new: it has not begun", by(reply, workflow.Reply{}), nil, nil, ""},
		{"investigation", by(reply, workflow.Reply{}, kind(incident.KindInvestigation), open), nil, nil, ""},
		{"block", by(reply, workflow.Reply{}, kind(incident.KindBlock), active), nil, nil, ""},
		{"from outside", by(said("1@x"), workflow.Append{}, open), nil, nil, ""},
		{"the first", by(reply, workflow.Open{}, open), nil, nil, ""},
	})
	run(t, []decision{
		{"not begun", report(), workflow.Restart{Ticket: 7}, nil, list(incident.Edited{Started: at(0)}), nil, ""},
		{"begun", report(func(t *incident.Ticket) { t.Started = at(-1) }), workflow.Restart{Ticket: 7}, nil, list(incident.Edited{Started: at(0)}), nil, ""},
		{"begun now", report(func(t *incident.Ticket) { t.Started = at(0) }), workflow.Restart{Ticket: 7}, nil, nil, nil, ""},
	})
}

// Wake notes that a due date has passed, once for each date.
func TestOverdue(t *testing.T) {
	wake := workflow.Wake{Ticket: 7}
	noted := func(date int) change { return func(t *incident.Ticket) { t.OverdueNoted = at(date) } }
	byClock := func(t *incident.Ticket) { t.DueByClock = true }
	reminded := func(hour int) change { return func(t *incident.Ticket) { t.Wake = at(hour) } }
	passed := func(hour int) []workflow.Decision { return list(incident.Overdue{Due: *at(hour)}) }
	awake := list(incident.Edited{Clear: []string{"wake"}})
	reminder := list(incident.DueSet{Due: at(-1), Clock: workflow.ClockReminder})
	run(t, []decision{
		{"passed", report(due(at(-1))), wake, nil, passed(-1), nil, ""},
		{"now", report(due(at(0))), wake, nil, passed(0), nil, ""},
		{"not yet", report(due(at(1))), wake, nil, nil, nil, ""},
		{"no date", report(), wake, nil, nil, nil, ""},
		{"noted", report(due(at(-1)), noted(-1)), wake, nil, nil, nil, ""},
		{"another date was noted", report(due(at(-1)), noted(-2)), wake, nil, passed(-1), nil, ""},
		{"closed", report(resolved, due(at(-1))), wake, nil, nil, nil, ""},
		{"by a clock, whose breach is noted", report(due(at(-1)), byClock), wake, nil, nil, nil, ""},
		{"incident", theIncident(due(at(-1))), wake, nil, passed(-1), nil, ""},
		{"merged", report(resolved, mergedInto(8), due(at(-1))), wake, nil, nil, nil, ""},
		{"a reminder makes it overdue", report(reminded(-1)), wake, nil, all(awake, reminder, passed(-1)), nil, ""},
		{"a reminder before its date", report(reminded(-1), due(at(3))), wake, nil, all(awake, reminder, passed(-1)), nil, ""},
		{"a reminder before the date of a clock", report(reminded(-1), due(at(3)), byClock), wake, nil, all(awake, reminder, passed(-1)), nil, ""},
		{"a reminder after a date that was noted", report(reminded(-1), due(at(-2)), noted(-2)), wake, nil, awake, nil, ""},
		{"a reminder after the date of a clock", report(reminded(-1), due(at(-2)), byClock), wake, nil, awake, nil, ""},
	})
}

func TestIncidentDue(t *testing.T) {
	p, d := workflow.Default(), workflow.Derivations()[1]
	earliest := func(tickets ...incident.Ticket) facts { return about(workflow.FactEarliestDue, 7, tickets...) }
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
		facts facts
		want  []incident.Event
	}{
		{"set", inc(0), earliest(child), []incident.Event{incident.DueSet{Due: at(1), Child: 9}}},
		{"moved", inc(2), earliest(child), []incident.Event{incident.DueSet{Due: at(1), Child: 9}}},
		{"right", inc(1), earliest(child), nil},
		{"unset", inc(1), earliest(), []incident.Event{incident.DueSet{}}},
		{"none", inc(0), earliest(), nil},
		{"no incident", report(), nil, nil},
		{"pinned", theIncident(due(at(5)), pinnedDue), earliest(child), nil},
		{"pinned to nothing", theIncident(pinnedDue), earliest(child), nil},
	} {
		require.Equal(t, c.want, d.Then(p, c.t, c.facts.answer(d.Asks(p, c.t)), workflow.Env{}, d.Params), c.name)
	}
	// Where no date may be pinned, one that was goes.
	unpinned := workflow.IncidentDue{}
	after := func(t incident.Ticket, f facts) []incident.Event {
		return d.Then(p, t, f.answer(d.Asks(p, t)), workflow.Env{}, unpinned)
	}
	require.Equal(t, []incident.Event{incident.DueSet{Due: at(1), Child: 9}}, after(theIncident(due(at(5)), pinnedDue), earliest(child)))
	require.Equal(t, []incident.Event{incident.DueSet{Due: at(1), Child: 9}}, after(theIncident(due(at(1)), pinnedDue), earliest(child)))
	require.Equal(t, []incident.Event{incident.DueSet{}}, after(theIncident(due(at(5)), pinnedDue), earliest()))
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
		require.Equal(t, c.want, dirty(changed(base, c.after, incident.Custom{}, nil)), c.name)
	}
	require.Equal(t, []incident.ID{3, 4}, dirty(changed(report(under(3, 4), resolved, dated), base, incident.Moved{}, nil)), "opened again")
	require.Equal(t, []incident.ID{3}, dirty(changed(incident.Ticket{}, report(under(3), dated), incident.Opened{}, nil)), "new")
	require.Empty(t, dirty(changed(report(), report(under(3)), incident.Linked{}, nil)), "linked without a due date")
	require.Empty(t, dirty(changed(report(under(3), resolved), report(under(3), resolved, dated), incident.DueSet{}, nil)), "dated while closed")
	inc := report(kind(incident.KindIncident))
	require.Equal(t, []incident.ID{7}, dirty(changed(inc, report(kind(incident.KindIncident), due(at(1))), incident.DueSet{}, nil)))
	require.Empty(t, dirty(changed(inc, inc, incident.Commented{}, nil)))
	require.Equal(t, []incident.ID{7}, dirty(changed(report(kind(incident.KindIncident), pinnedDue), inc, incident.DueSet{}, nil)), "unpinned")
}
