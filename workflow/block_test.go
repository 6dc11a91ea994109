package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// operated is the default policy with an operations centre.
func operated() *workflow.Policy {
	p := workflow.Default()
	p.OperationsCentre = incident.Party{Name: "Operations", Address: "ops@example.org"}
	return p
}

func TestAskingForBlocks(t *testing.T) {
	ops := []incident.Party{{Name: "Operations", Address: "ops@example.org"}}
	seen := []incident.Observable{address("192.0.2.7"), {Kind: incident.Prefix, Value: "198.51.100.0/24"}, {Kind: incident.Host, Value: "www.example.org"}}
	fields := values{"Port": {"25", "465"}, "Until": {"2026-03-09T09:00:00Z"}}
	open := workflow.Open{Kind: incident.KindBlock, Parents: []incident.ID{3}, Subject: "Scanner", Observables: seen,
		Fields: values{"services": {"25", "465"}, "Until": {"2026-03-09T09:00:00Z"}, "Customer": {"Borchester"}}}
	made := func(to []incident.Party) []workflow.Decision {
		return list(incident.Opened{Kind: incident.KindBlock, Status: "pending activation", Phase: incident.Initial, Owner: "handler:alice", Parents: []incident.ID{3}, Fields: fields,
			Content: incident.OpenedContent{Subject: "Scanner", Requestors: to, Observables: seen, Fields: values{"Customer": {"Borchester"}}}})
	}
	letter := func(text string, to []incident.Party) []workflow.Decision {
		return mails(workflow.Decision{Text: text, Event: incident.Message{Side: incident.Inside, Sent: true, Answers: true, Thread: "new",
			Content: incident.MessageEntity{Subject: "Scanner", To: to}}})
	}
	written, others, bare := open, open, workflow.Open{Kind: incident.KindBlock, Parents: []incident.ID{3}}
	written.Text, others.Requestors = "Please block.", people("noc@example.org")
	request := "Please put this block in place:\n\n" + "Subject: Scanner\nAddresses: 192.0.2.7, 198.51.100.0/24\nCustomer: Borchester\nPort: 25, 465\nUntil: 2026-03-09T09:00:00Z\n" +
		"\nPlease confirm by a reply to this mail.\n"
	none := incident.Ticket{ID: 7}
	runUnder(t, operated(), []decision{
		{"of the operations centre, with a request made", none, open, know(three), all(made(ops), letter(request, ops)), nil, ""},
		{"in own words", none, written, know(three), all(made(ops), letter("Please block.", ops)), nil, ""},
		{"of somebody else", none, others, know(three), all(made(people("noc@example.org")), letter(request, people("noc@example.org"))), nil, ""},
	})
	run(t, []decision{
		{"without a centre, of nobody", none, open, know(three), made(nil), nil, ""},
		{"without a centre, of somebody", none, others, know(three), made(people("noc@example.org")), nil, ""},
		{"without a centre, in own words", none, written, know(three), nil, argument, "at least one mail address"},
		{"it takes the subject of its incident", none, bare, know(theIncident(called(3), titled("Scan"))), list(incident.Opened{Kind: incident.KindBlock, Status: "pending activation",
			Phase: incident.Initial, Owner: "handler:alice", Parents: []incident.ID{3}, Content: incident.OpenedContent{Subject: "Scan"}}), nil, ""},
		{"an investigation too", none, workflow.Open{Kind: incident.KindInvestigation, Parents: []incident.ID{3}}, know(theIncident(called(3), titled("Scan"))),
			list(incident.Opened{Kind: incident.KindInvestigation, Status: "open", Phase: incident.Active, Owner: "handler:alice", Parents: []incident.ID{3},
				Content: incident.OpenedContent{Subject: "Scan"}}), nil, ""},
		{"a report does not", none, workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{3}}, know(theIncident(called(3), titled("Scan"))),
			list(incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial, Owner: "handler:alice", Parents: []incident.ID{3}}), nil, ""},
	})
}

func TestApproveBlock(t *testing.T) {
	by := func(from string, trust incident.Trust) incident.Message {
		return incident.Message{Side: incident.Outside, Trust: trust, Content: incident.MessageEntity{From: incident.Party{Address: from}}}
	}
	yes := by("OPS@Example.org", incident.TrustKnown)
	machine := yes
	machine.Machine = true
	on := func(m incident.Message, c workflow.Command, changes ...change) workflow.Change {
		b := block(append([]change{asked("noc@example.org", "ops@example.org")}, changes...)...)
		return changed(b, b, m, c)
	}
	mail := workflow.Append{}
	in := commands(workflow.Move{Ticket: 7, To: "active"})
	out := commands(workflow.Move{Ticket: 7, To: "removed"})
	const confirmed, stranger = "the operations centre has confirmed it", "its writer is not one of whom it was asked"
	react(t, "approve-block", []reaction{
		{"waits for activation", on(yes, mail), nil, in, confirmed},
		{"waits for removal", on(yes, mail, leaving), nil, out, confirmed},
		{"in place", on(yes, mail, active), nil, nil, ""},
		{"ended", on(yes, mail, removed), nil, nil, ""},
		{"merged", on(yes, mail, mergedInto(8)), nil, nil, ""},
		{"of somebody else", on(by("eve@example.org", incident.TrustKnown), mail), nil, nil, stranger},
		{"of nobody", on(yes, mail, asked()), nil, nil, stranger},
		{"a machine", on(machine, mail), nil, nil, "a machine wrote the message"},
		{"of us", on(incident.Message{Side: incident.Inside, Sent: true}, workflow.Reply{}), nil, nil, ""},
		{"the request itself", on(yes, workflow.Open{}), nil, nil, ""},
		{"a report", changed(report(asked("ops@example.org")), report(asked("ops@example.org")), yes, mail), nil, nil, ""},
	})
	const no = "what was written, quotes left out, does not approve it"
	reactWith(t, "approve-block", workflow.ApproveBlock{Regexp: `(?i)\bdone\b`}, []reaction{
		{"the word is there", on(yes, mail), newestText(7, "Done.\n"), in, confirmed},
		{"for removal too", on(yes, mail, leaving), newestText(7, "It is done"), out, confirmed},
		{"the word is not there", on(yes, mail), newestText(7, "We look at it. Undone yet."), nil, no},
		{"it says nothing", on(yes, mail), newestText(7, ""), nil, no},
		{"there is no text", on(yes, mail), newestText(7), nil, no},
		{"of somebody else", on(by("eve@example.org", incident.TrustKnown), mail), newestText(7, "Done"), nil, stranger},
		{"in place: nothing is read", on(yes, mail, active), nil, nil, ""},
		{"a machine: nothing is read", on(machine, mail), nil, nil, "a machine wrote the message"},
	})
	p := workflow.Default()
	p.MailTrust.Approve = incident.TrustSigned
	reactUnder(t, p, rule(t, "approve-block"), []reaction{
		{"signed", on(by("ops@example.org", incident.TrustSigned), mail), nil, in, confirmed},
		{"authenticated is not enough", on(by("ops@example.org", incident.TrustAuthenticated), mail), nil, nil, "it is not sure enough who wrote the message"},
		{"signed by somebody else", on(by("eve@example.org", incident.TrustSigned), mail), nil, nil, stranger},
	})
	airt := workflow.Default()
	l := airt.Lifecycles[incident.KindBlock]
	l.OnRemoval = ""
	airt.Lifecycles[incident.KindBlock] = l
	reactUnder(t, airt, rule(t, "approve-block"), []reaction{{"no removal is asked for", on(yes, mail, leaving), nil, nil, ""}})
}

func TestBlockRemoval(t *testing.T) {
	full := func(changes ...change) incident.Ticket {
		return block(append([]change{asked("ops@example.org"), titled("Scanner"), seen(address("192.0.2.7"))}, changes...)...)
	}
	moved := func(before, after change, more ...change) workflow.Change {
		return changed(full(append(more, before)...), full(append(more, after)...), incident.Moved{}, workflow.Move{})
	}
	waits := in("pending activation", incident.Initial)
	asks := commands(workflow.Reply{Ticket: 7, Text: "Please remove this block:\n\nSubject: Scanner\nAddresses: 192.0.2.7\n\nPlease confirm by a reply to this mail.\n"})
	react(t, "request-block-removal", []reaction{
		{"asked for", moved(active, leaving), nil, asks, "its removal is asked for"},
		{"of nobody", moved(active, leaving, asked()), nil, nil, "it has no requestors to ask"},
		{"ended", moved(leaving, removed), nil, nil, ""},
		{"put in place", moved(waits, active), nil, nil, ""},
		{"merged", moved(active, leaving, mergedInto(8)), nil, nil, ""},
		{"a report", changed(report(), report(leaving), incident.Moved{}, workflow.Move{}), nil, nil, ""},
	})
	tells := commands(workflow.Reply{Ticket: 7, Text: "This block has ended:\n\nSubject: Scanner\nAddresses: 192.0.2.7\n"})
	react(t, "confirm-block-removal", []reaction{
		{"after its removal was asked for", moved(leaving, removed), nil, tells, "it has ended"},
		{"at once", moved(active, removed), nil, tells, "it has ended"},
		{"nobody to tell", moved(leaving, removed, asked()), nil, nil, "it has no requestors to tell"},
		{"it was never in place", moved(waits, removed), nil, nil, ""},
		{"asked for", moved(active, leaving), nil, nil, ""},
		{"merged", moved(active, removed, mergedInto(8)), nil, nil, ""},
		{"a report", changed(report(open), report(resolved), incident.Moved{}, workflow.Move{}), nil, nil, ""},
	})
}

func TestBlockNotices(t *testing.T) {
	r, p := rule(t, "offer-block-notice"), workflow.Default()
	affected := func(to ...string) change { return func(t *incident.Ticket) { t.Contacts = people(to...) } }
	is := func(changes ...change) incident.Ticket {
		return block(append([]change{titled("Scanner"), seen(address("192.0.2.7"))}, changes...)...)
	}
	inc3, inc4 := three, four
	inc3.Constituency, inc3.Contacts = "campus", people("noc@example.org", "abuse@example.org")
	inc4.Contacts = people("NOC@example.org", "cert@example.org")
	offer := func(parent incident.ID, constituency, what string, to ...string) workflow.Open {
		return workflow.Open{Kind: incident.KindInvestigation, Subject: "Scanner", Parents: []incident.ID{parent}, Constituency: constituency, Requestors: people(to...),
			Text: "We have asked our operations centre to " + what + "\n\nSubject: Scanner\nAddresses: 192.0.2.7\n"}
	}
	const place, remove = "put this block in place:", "remove this block:"
	bare := three
	for _, c := range []struct {
		name   string
		change workflow.Change
		facts  facts
		want   []workflow.Command
		why    string
	}{
		{"new", changed(incident.Ticket{}, is(), incident.Opened{}, workflow.Open{}), parents(7, inc3),
			commands(offer(3, "campus", place, "noc@example.org", "abuse@example.org")), "the block affects these contacts"},
		{"new, with contacts of its own", changed(incident.Ticket{}, is(affected("eve@example.org")), incident.Opened{}, workflow.Open{}), parents(7, inc3),
			commands(offer(3, "campus", place, "noc@example.org", "abuse@example.org", "eve@example.org")), "the block affects these contacts"},
		{"nobody is told twice", changed(incident.Ticket{}, is(affected("eve@example.org")), incident.Opened{}, workflow.Open{}), parents(7, inc3, inc4),
			commands(offer(3, "campus", place, "noc@example.org", "abuse@example.org", "eve@example.org"), offer(4, "", place, "cert@example.org")), "the block affects these contacts"},
		{"its removal is asked for", changed(is(active), is(leaving), incident.Moved{}, workflow.Move{}), parents(7, inc4),
			commands(offer(4, "", remove, "NOC@example.org", "cert@example.org")), "the block affects these contacts"},
		{"it affects nobody whom we know", changed(incident.Ticket{}, is(), incident.Opened{}, workflow.Open{}), parents(7, bare), nil, "no contact is known whom it affects"},
		{"put in place", changed(is(), is(active), incident.Moved{}, workflow.Move{}), nil, nil, ""},
		{"ended", changed(is(leaving), is(removed), incident.Moved{}, workflow.Move{}), nil, nil, ""},
		{"a report", changed(incident.Ticket{}, report(), incident.Opened{}, workflow.Open{}), nil, nil, ""},
	} {
		asks := r.Asks(p, c.change)
		got := r.Then(p, c.change, c.facts.answer(asks), r.Params)
		require.Equal(t, workflow.Verdict{Offers: c.want, Why: c.why}, got, c.name)
		require.Equal(t, len(c.facts), len(asks), "%s: nothing is read in vain", c.name)
	}
}

func TestBlockExpiry(t *testing.T) {
	until := func(text string) change { return with("Until", text) }
	opened := func(changes ...change) workflow.Change {
		return changed(incident.Ticket{}, block(changes...), incident.Opened{}, workflow.Open{})
	}
	edited := func(before, after incident.Ticket) workflow.Change {
		return changed(before, after, incident.Edited{}, workflow.Edit{})
	}
	later := until("2026-03-02T14:00:00Z")
	wakes := commands(workflow.Edit{Ticket: 7, Wake: at(5)})
	cases := []reaction{
		{"opened with an end", opened(later), nil, wakes, "it is to be looked at when its time is over"},
		{"opened without", opened(), nil, nil, ""},
		{"gets an end", edited(block(), block(later)), nil, wakes, "it is to be looked at when its time is over"},
		{"gets another end", edited(block(until("2026-03-02T10:00:00Z")), block(later)), nil, wakes, "it is to be looked at when its time is over"},
		{"something else is edited", edited(block(later), block(later, titled("x"))), nil, nil, ""},
		{"has no end any more", edited(block(later), block()), nil, commands(workflow.Edit{Ticket: 7, Clear: []string{"wake"}}), "it has no end any more"},
		{"no time", opened(until("soon")), nil, nil, "its end is no time"},
		{"a report", edited(report(), report(later)), nil, nil, ""},
	}
	react(t, "block-expiry", cases)
	reactWith(t, "block-expiry", workflow.BlockExpiry{Field: "until"}, cases)
	reactWith(t, "block-expiry", workflow.BlockExpiry{Field: "End"}, []reaction{{"another field", opened(with("End", "2026-03-02T14:00:00Z")), nil, wakes,
		"it is to be looked at when its time is over"}, {"not that field", opened(later), nil, nil, ""}})
}

// A late word of the operations centre does not put a removed block in place again.
func TestTheOperationsCentreReopensNoBlock(t *testing.T) {
	p := workflow.Default()
	p.OperationsCentre = incident.Party{Address: "noc@example.org"}
	wrote := func(from string, changes ...change) workflow.Change {
		m := said("1@x")
		m.Content.From.Address = from
		is := report(append([]change{resolved}, changes...)...)
		return changed(is, is, m, workflow.Append{})
	}
	isBlock := kind(incident.KindBlock)
	fires := commands(workflow.Reopen{Ticket: 7})
	reactUnder(t, p, rule(t, "reopen-on-reply"), []reaction{
		{"the centre", wrote("NOC@example.org", isBlock), nil, nil, "the operations centre tells what it did: a block that is removed is not in place again"},
		{"somebody else", wrote("bob@example.org", isBlock), nil, fires, "somebody outside replied"},
		{"about a report", wrote("noc@example.org"), nil, fires, "somebody outside replied"},
	})
}
