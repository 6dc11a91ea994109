package workflow_test

import (
	"testing"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// tells is the notice of a rule about a ticket.
func tells(id incident.ID, to incident.Actor, about string) []workflow.Command {
	return commands(workflow.Notify{Ticket: id, To: to, About: about})
}

const (
	alice incident.Actor = "handler:alice" // who does all that is done in these cases
	bob   incident.Actor = "handler:bob"
)

func TestNotifyLinked(t *testing.T) {
	inc := func(id incident.ID, by incident.Actor) incident.Ticket { return theIncident(called(id), owned(by)) }
	const about = "report 7 was linked to it"
	born := changed(incident.Ticket{}, report(under(3, 4)), incident.Opened{}, workflow.Open{})
	react(t, "notify-linked", []reaction{
		{"to an incident of somebody else", linking(3), know(inc(3, bob)), tells(3, bob, about), about},
		{"born under two", born, know(inc(3, bob), inc(4, "handler:carol")), append(tells(3, bob, about), tells(4, "handler:carol", about)...), about},
		{"born under one of somebody's and one of nobody's", born, know(inc(3, bob), inc(4, "")), tells(3, bob, about), about},
		{"born under one of nobody's and one of somebody's", born, know(inc(3, ""), inc(4, bob)), tells(4, bob, about), about},
		{"to one's own incident", linking(3), know(inc(3, alice)), nil, ""},
		{"to an incident of nobody", linking(3), know(inc(3, "")), nil, "nobody owns it"},
		{"an investigation", linking(3, kind(incident.KindInvestigation)), know(inc(3, bob)), nil, ""},
		{"born alone", changed(incident.Ticket{}, report(), incident.Opened{}, workflow.Open{}), nil, nil, ""},
	})
	reactWith(t, "notify-linked", workflow.NotifyParams{Duty: true}, []reaction{
		{"to an incident of nobody: the duty team", linking(3), know(inc(3, "")), tells(3, incident.Duty, about), about},
	})
}

func TestNotifyReply(t *testing.T) {
	is := func(m incident.Message, changes ...change) workflow.Change {
		return changed(report(changes...), report(changes...), m, workflow.Append{})
	}
	const about = "a message from outside has come"
	machine := said("1@x")
	machine.Machine = true
	first := is(said("1@x"), owned(bob))
	first.Command = "open"
	react(t, "notify-reply", []reaction{
		{"the owner", is(said("1@x"), owned(bob)), nil, tells(7, bob, about), about},
		{"nobody's: the duty team", is(said("1@x")), nil, tells(7, incident.Duty, about), about},
		{"put in by the owner", is(said("1@x"), owned(alice)), nil, nil, ""},
		{"a machine", is(machine, owned(bob)), nil, nil, "a machine wrote the message"},
		{"ours", is(incident.Message{Side: incident.Inside, Sent: true}, owned(bob)), nil, nil, ""},
		{"of the team", is(incident.Message{Side: incident.Inside}, owned(bob)), nil, nil, ""},
		{"the first", first, nil, nil, ""},
		{"an incident", is(said("1@x"), owned(bob), kind(incident.KindIncident)), nil, nil, ""},
	})
	reactWith(t, "notify-reply", workflow.NotifyParams{Kinds: []incident.Kind{incident.KindInvestigation}}, []reaction{
		{"of that kind", is(said("1@x"), owned(bob), kind(incident.KindInvestigation)), nil, tells(7, bob, about), about},
		{"of another", is(said("1@x"), owned(bob)), nil, nil, ""},
		{"nobody's, without a duty team", is(said("1@x"), kind(incident.KindInvestigation)), nil, nil, "nobody owns it"},
	})
}

func TestNotifyReopened(t *testing.T) {
	is := func(before, after change, by incident.Actor) workflow.Change {
		return changed(report(before, owned(by)), report(after, owned(by)), incident.Moved{}, workflow.Reopen{})
	}
	const about = "it was opened again"
	react(t, "notify-reopened", []reaction{
		{"the owner", is(resolved, open, bob), nil, tells(7, bob, about), about},
		{"by the owner", is(resolved, open, alice), nil, nil, ""},
		{"nobody's", is(resolved, open, ""), nil, nil, "nobody owns it"},
		{"opened for the first time", is(in("new", incident.Initial), open, bob), nil, nil, ""},
		{"closed", is(open, resolved, bob), nil, nil, ""},
		{"closed in another way", is(resolved, rejected, bob), nil, nil, ""},
	})
}

func TestNotifyAssigned(t *testing.T) {
	is := func(from, to incident.Actor) workflow.Change {
		return changed(report(owned(from)), report(owned(to)), incident.Owned{From: from, To: to}, workflow.Assign{})
	}
	const about = "it was given to you"
	react(t, "notify-assigned", []reaction{
		{"by somebody else", is("", bob), nil, tells(7, bob, about), about},
		{"taken from somebody", is("handler:carol", bob), nil, tells(7, bob, about), about},
		{"taken", is("", alice), nil, nil, ""},
		{"to nobody", is(bob, ""), nil, nil, ""},
	})
}

func TestNotifyOverdue(t *testing.T) {
	is := func(e incident.Event, changes ...change) workflow.Change {
		return changed(report(changes...), report(changes...), e, workflow.Wake{})
	}
	late, breached := incident.Overdue{Due: *at(-1)}, incident.Breached{Clock: "response"}
	const passed = "its due date has passed"
	react(t, "notify-overdue", []reaction{
		{"the owner", is(late, owned(bob), due(at(-1))), nil, tells(7, bob, passed), passed},
		{"of an incident", changed(theIncident(owned(bob)), theIncident(owned(bob)), late, workflow.Wake{}), about(workflow.FactEarliestDue, 7), tells(7, bob, passed), passed},
		{"nobody's: the duty team", is(late, due(at(-1))), nil, tells(7, incident.Duty, passed), passed},
		{"a clock", is(breached, owned(bob), due(at(-1))), nil, tells(7, bob, passed), passed},
		{"one message waits, but another date counts", is(late, owned(bob), due(at(-1)), unanswered(-2)), nil, tells(7, bob, passed), passed},
		{"because of a message, of which the owner was told", is(late, owned(bob), due(at(-1)), unanswered(-1)), nil, nil, "it is due because of a message, which has been told of"},
		{"closed", is(breached, owned(bob), resolved), nil, nil, ""},
	})
}

func TestNotices(t *testing.T) {
	notice := workflow.Notify{Ticket: 7, To: bob, About: "it was given to you"}
	told := incident.Notified{To: bob, About: "it was given to you"}
	run(t, []decision{
		{"without a date", report(), notice, nil, []workflow.Decision{{Event: told, Text: "report 7: it was given to you.\n\nSubject: Scan\nStatus: new\n"}}, nil, ""},
		{"with a date", theIncident(due(at(1))), notice, nil, []workflow.Decision{{Event: told,
			Text: "incident 7: it was given to you.\n\nSubject: Scan\nStatus: open\nDue: 2026-03-02T10:00:00Z\n"}}, nil, ""},
	})
}
