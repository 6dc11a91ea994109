package workflow_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// source is ticket 8, from which others are made.
func source(kind incident.Kind, changes ...change) incident.Ticket {
	t := report(called(8), titled("Scan of campus"), constituent("campus"), asked("bob@example.org"), prioritised(60),
		with("Customer", "Borchester"), with("colour", "red"), seen(address("192.0.2.7"), incident.Observable{Kind: incident.Host, Value: "www.example.org"}))
	t.Kind, t.Cc, t.Contacts, t.Via = kind, people("cc@example.org"), people("noc@example.org"), "telephone"
	for _, c := range changes {
		c(&t)
	}
	return t
}

// from are the facts that making a ticket from another one needs.
func from(t incident.Ticket, parent []incident.Ticket, written ...string) facts {
	return and(know(t), texts(8, written...), parents(8, parent...))
}

func opened(kind incident.Kind, status incident.Status, phase incident.Phase, change func(*incident.Opened)) incident.Opened {
	o := incident.Opened{Kind: kind, Status: status, Phase: phase, Owner: "handler:alice", From: 8}
	change(&o)
	return o
}

func incidentFrom(change func(*incident.Opened)) incident.Opened {
	return opened(incident.KindIncident, "open", incident.Active, func(o *incident.Opened) {
		o.Priority, o.Constituency, o.Fields = 50, "campus", classified
		o.Content.Subject, o.Content.Contacts = "Scan of campus", people("noc@example.org")
		o.Content.Observables = source("").Observables
		change(o)
	})
}

func asItIs(*incident.Opened) {}

func note(text string) []workflow.Decision {
	return []workflow.Decision{{Event: incident.Commented{}, Text: text}}
}

// An incident from a report (JANET 3.10), or from another child.
func TestIncidentFrom(t *testing.T) {
	makes := workflow.Open{Kind: incident.KindIncident, From: 8, Fields: classified}
	reported, new7 := source(incident.KindReport), incident.Ticket{ID: 7}
	links := on(8, incident.Linked{Parent: 7})
	own := makes
	own.Subject, own.Constituency, own.Text, own.Priority = "Mine", "staff", "Why", &ten
	own.Contacts, own.Observables = []incident.Party{}, []incident.Observable{address("192.0.2.9")}
	titledInc := func(more ...change) incident.Ticket { return source(incident.KindIncident, append(more, open)...) }
	run(t, []decision{
		{"subject, constituency, contacts, observables and the first text", new7, makes, from(reported, nil, "They scan us.\n", "Again."), all(
			list(incidentFrom(asItIs)), note("They scan us.\n"), links), nil, ""},
		{"what is given counts", new7, own, from(reported, nil, "They scan us."), all(list(incidentFrom(func(o *incident.Opened) {
			o.Priority, o.Constituency = 10, "staff"
			o.Content = incident.OpenedContent{Subject: "Mine", Observables: []incident.Observable{address("192.0.2.9")}}
		})), note("Why"), links), nil, ""},
		{"no text", new7, makes, from(reported, nil), all(list(incidentFrom(asItIs)), links), nil, ""},
		{"a held report is settled", new7, makes, from(source(incident.KindReport, held), nil), all(list(incidentFrom(asItIs)),
			on(8, incident.Delivered{Outcome: incident.Attached, To: 7}, incident.Linked{Parent: 7})), nil, ""},
		{"a report that has an incident", new7, makes, from(source(incident.KindReport, under(3)), []incident.Ticket{three}), all(list(incidentFrom(asItIs)), links), nil, ""},
		{"an investigation leaves its incident", new7, makes, from(source(incident.KindInvestigation, under(3)), []incident.Ticket{three}), all(list(incidentFrom(asItIs)),
			on(8, incident.Unlinked{Parent: 3}, incident.Linked{Parent: 7})), nil, ""},
		{"a field that both have, and none that incidents lack", new7, makes, from(source(incident.KindReport, with("Function", "AbuseDesk")), nil), all(
			list(incidentFrom(func(o *incident.Opened) {
				o.Fields = map[string][]string{"Classification": {"Scan"}, "Function": {"AbuseDesk"}}
			})), links), nil, ""},
		{"split: people and priority, no children, no text", new7, workflow.Open{Kind: incident.KindIncident, From: 8},
			from(titledInc(with("Classification", "Spam"), with("Resolution", "no resolution reached"), due(at(1))), nil, "Why"),
			list(incidentFrom(func(o *incident.Opened) {
				o.Priority, o.Fields = 60, map[string][]string{"Classification": {"Spam"}}
				o.Content.Observables, o.Content.Requestors, o.Content.Cc = nil, people("bob@example.org"), people("cc@example.org")
				o.Content.Fields, o.Via = map[string][]string{"colour": {"red"}}, "telephone"
			})), nil, ""},

		{"without what is mandatory", new7, workflow.Open{Kind: incident.KindIncident, From: 8}, from(reported, nil), nil, lacking, "an incident must have Classification"},
		{"under an incident", new7, workflow.Open{Kind: incident.KindIncident, From: 8, Parents: []incident.ID{3}, Fields: classified}, and(from(reported, nil), know(three)),
			nil, refused, "an incident cannot be the child of another"},
		{"from nothing", new7, makes, and(missing(8), texts(8), parents(8)), nil, noTicket, "no ticket 8"},
		{"from a merged ticket", new7, makes, from(source(incident.KindReport, mergedInto(9)), nil), nil, argument, `from "8" is not possible: allowed is ticket 9, into which it was merged`},
	})
}

func TestChildFrom(t *testing.T) {
	inc := source(incident.KindIncident, open)
	new7 := incident.Ticket{ID: 7}
	launch := workflow.Open{Kind: incident.KindInvestigation, From: 8}
	launched := func(change func(*incident.Opened)) incident.Opened {
		return opened(incident.KindInvestigation, "open", incident.Active, func(o *incident.Opened) {
			o.Constituency, o.Parents = "campus", []incident.ID{8}
			o.Content.Subject, o.Content.Requestors = "Scan of campus", people("noc@example.org")
			o.Content.Fields = map[string][]string{"Customer": {"Borchester"}}
			change(o)
		})
	}
	letter := func(text string, to ...string) []workflow.Decision {
		return mails(workflow.Decision{Text: text, Event: incident.Message{Side: incident.Inside, Sent: true, Answers: true, Thread: "new",
			Content: incident.MessageEntity{Subject: "Scan of campus", To: people(to...)}}})
	}
	alone, other, mine := launch, launch, launch
	alone.Parents, other.Parents = []incident.ID{}, []incident.ID{3}
	mine.Text, mine.Requestors = "Look at it.", people("eve@example.org")
	blockIt := workflow.Open{Kind: "countermeasure", From: 8}
	blocks := opened(incident.KindBlock, "pending activation", incident.Initial, func(o *incident.Opened) {
		o.Constituency, o.Parents = "campus", []incident.ID{8}
		o.Content = incident.OpenedContent{Subject: "Scan of campus", Observables: []incident.Observable{address("192.0.2.7")},
			Fields: map[string][]string{"Customer": {"Borchester"}}}
	})
	run(t, []decision{
		{"investigation: to the contacts, the first text quoted", new7, launch, from(inc, nil, "They scan us.\n\nNow.\n", "Again."), all(list(launched(asItIs)),
			letter("> They scan us.\n> \n> Now.\n", "noc@example.org")), nil, ""},
		{"what is given counts", new7, mine, from(inc, nil, "They scan us."), all(list(launched(func(o *incident.Opened) {
			o.Content.Requestors = people("eve@example.org")
		})), letter("Look at it.", "eve@example.org")), nil, ""},
		{"without text", new7, launch, from(inc, nil), list(launched(asItIs)), nil, ""},
		{"without an incident", new7, alone, from(inc, nil), list(launched(func(o *incident.Opened) { o.Parents = nil })), nil, ""},
		{"under another incident", new7, other, and(from(inc, nil), know(three)), list(launched(func(o *incident.Opened) { o.Parents = []incident.ID{3} })), nil, ""},
		{"block: its addresses, no text", new7, blockIt, from(inc, nil, "They scan us."), list(blocks), nil, ""},

		{"a mail to nobody", new7, launch, from(source(incident.KindIncident, func(t *incident.Ticket) { t.Contacts = nil }), nil, "They scan us."), nil, argument, "at least one mail address"},
		{"investigation from a report", new7, launch, from(source(incident.KindReport), nil), nil, argument,
			`from "report 8" is not possible: allowed is the number of an incident, or of an investigation, which is split`},
		{"block from an investigation", new7, blockIt, from(source(incident.KindInvestigation), nil), nil, argument, "the number of an incident, or of a block, which is split"},
		{"report from an incident", new7, workflow.Open{Kind: incident.KindReport, From: 8}, from(inc, nil), nil, argument, "the number of a report, which is split"},
		{"without an incident, a block", new7, workflow.Open{Kind: incident.KindBlock, From: 8, Parents: []incident.ID{}}, from(inc, nil), nil, argument, "that the block belongs to"},
	})
	rtir, err := workflow.Preset("rtir")
	require.NoError(t, err)
	runUnder(t, rtir, []decision{{"RTIR quotes all texts", new7, launch, from(inc, nil, "They scan us.", " \n", "Again."), all(list(launched(asItIs)),
		letter("> They scan us.\n> \n> Again.\n", "noc@example.org")), nil, ""}})
}

// Splitting (JANET 3.9, RTIR: Split).
func TestSplitting(t *testing.T) {
	new7 := incident.Ticket{ID: 7}
	split := func(kind incident.Kind) workflow.Open { return workflow.Open{Kind: kind, From: 8} }
	taken := func(o *incident.Opened) {
		o.Constituency, o.Parents, o.Priority, o.Via = "campus", []incident.ID{3, 4}, 60, "telephone"
		o.Content = incident.OpenedContent{Subject: "Scan of campus", Requestors: people("bob@example.org"), Cc: people("cc@example.org"), Contacts: people("noc@example.org"),
			Fields: map[string][]string{"Customer": {"Borchester"}, "colour": {"red"}}}
	}
	with := func(kind incident.Kind, status incident.Status, phase incident.Phase, more func(*incident.Opened)) []workflow.Decision {
		return list(opened(kind, status, phase, func(o *incident.Opened) { taken(o); more(o) }))
	}
	both := []incident.Ticket{three, four}
	outside := []workflow.Decision{{Text: "They scan us.\n", Event: incident.Message{Side: incident.Outside, Thread: "new",
		Content: incident.MessageEntity{Subject: "Scan of campus", From: incident.Party{Address: "bob@example.org"}}}}}
	one := func(o *incident.Opened) { o.Parents = []incident.ID{3} }
	alone, new1 := split(incident.KindReport), split("Incident Reports")
	alone.Parents, alone.Status, new1.Status = []incident.ID{}, "open", "new"
	run(t, []decision{
		{"report: people, priority, incidents, status, text", new7, split(incident.KindReport), from(source(incident.KindReport, under(3, 4), open), both, "They scan us."), all(
			with(incident.KindReport, "open", incident.Active, asItIs), outside), nil, ""},
		{"its due date", new7, split(incident.KindReport), from(source(incident.KindReport, under(3, 4), due(at(5))), both), all(
			with(incident.KindReport, "new", incident.Initial, asItIs), list(incident.DueSet{Due: at(5), Clock: workflow.ClockSplit})), nil, ""},
		{"a status that none begins with", new7, split(incident.KindReport), from(source(incident.KindReport, under(3, 4), rejected), both), with(incident.KindReport, "new", incident.Initial, asItIs), nil, ""},
		{"with another status, without the incidents", new7, alone, from(source(incident.KindReport, under(3, 4)), both),
			with(incident.KindReport, "open", incident.Active, func(o *incident.Opened) { o.Parents = nil }), nil, ""},
		{"a kind by another name", new7, new1, from(source(incident.KindReport, under(3, 4), open), both), with(incident.KindReport, "new", incident.Initial, asItIs), nil, ""},
		{"investigation: no text, so no mail", new7, split(incident.KindInvestigation), from(source(incident.KindInvestigation, under(3), open), both[:1], "Please."),
			with(incident.KindInvestigation, "open", incident.Active, one), nil, ""},
		{"block", new7, split(incident.KindBlock), from(source(incident.KindBlock, under(3, 4), active, func(t *incident.Ticket) { t.Fields["Port"] = []string{"25"} }), both),
			with(incident.KindBlock, "active", incident.Active, func(o *incident.Opened) { o.Fields = map[string][]string{"Port": {"25"}} }), nil, ""},
	})
}

// What a form shows is what the command would do.
func TestPrefill(t *testing.T) {
	p := workflow.Default()
	plain := workflow.Open{Kind: "countermeasure", Subject: "S"}
	same, err := p.Prefill(plain, workflow.Facts{})
	require.NoError(t, err)
	require.Equal(t, plain, same, "without From it is the command as it is")

	shown := func(kind incident.Kind, of incident.Ticket, written ...string) workflow.Open {
		c := workflow.Open{Kind: kind, From: 8}
		filled, err := p.Prefill(c, from(of, []incident.Ticket{three}, written...).answer(p.Asks(incident.Ticket{}, c)))
		require.NoError(t, err)
		return filled
	}
	require.Equal(t, workflow.Open{
		Kind: incident.KindBlock, From: 8, Subject: "Scan of campus", Constituency: "campus", Parents: []incident.ID{8},
		Observables: []incident.Observable{address("192.0.2.7")}, Fields: map[string][]string{"Customer": {"Borchester"}},
	}, shown("countermeasure", source(incident.KindIncident)))
	require.Equal(t, []incident.ID{3}, shown("IR", source(incident.KindReport, under(3))).Parents)

	of := source(incident.KindReport)
	filled := shown(incident.KindIncident, of)
	filled.Observables[0].Value = "changed"
	require.Equal(t, "192.0.2.7", of.Observables[0].Value, "the other ticket stays as it was")
}

// What may not be chosen any more is not taken over: somebody has to choose.
func TestRetiredValuesAreNotInherited(t *testing.T) {
	p := workflow.Default()
	for i, f := range p.Fields {
		if f.Name == "Classification" || f.Name == workflow.FieldConstituency {
			p.Fields[i].Values = []workflow.FieldValue{{Value: "main"}, {Value: "campus", Retired: true}, {Value: "Scan"}, {Value: "Spam", Retired: true}}
		}
	}
	split := workflow.Open{Kind: incident.KindIncident, From: 8}
	decided := split
	decided.Fields = classified
	old := from(source(incident.KindIncident, with("Classification", "Spam")), nil)
	runUnder(t, p, []decision{
		{"mandatory", incident.Ticket{ID: 7}, split, old, nil, lacking, "Classification is one of main, Scan"},
		{"given", incident.Ticket{ID: 7}, decided, old, list(incidentFrom(func(o *incident.Opened) {
			o.Priority, o.Constituency, o.Via = 60, "main", "telephone"
			o.Content.Observables, o.Content.Requestors, o.Content.Cc = nil, people("bob@example.org"), people("cc@example.org")
			o.Content.Fields = map[string][]string{"colour": {"red"}}
		})), nil, ""},
	})
}

// Long texts are cut, where a character ends.
func TestLongTextsAreCut(t *testing.T) {
	const most = 256 << 10
	rtir, err := workflow.Preset("rtir")
	require.NoError(t, err)
	text := func(written ...string) string {
		c := workflow.Open{Kind: incident.KindIncident, From: 8}
		filled, err := rtir.Prefill(c, from(source(incident.KindReport), nil, written...).answer(rtir.Asks(incident.Ticket{}, c)))
		require.NoError(t, err)
		return filled.Text
	}
	whole := strings.Repeat("a", most)
	require.Equal(t, whole+"\n", text(whole))
	require.Equal(t, whole+"\n[...]\n", text(whole+"b"))
	half := strings.Repeat("b", most/2)
	require.Equal(t, half+"\n\n"+half+"\n", text(half, half))
	require.Equal(t, half+"\n\n"+half+"\n[...]\n", text(half, half+"c", "d"))
	cut := text("a" + strings.Repeat("é", most))
	require.True(t, utf8.ValidString(cut))
	require.Equal(t, "a"+strings.Repeat("é", most/2-1)+"\n[...]\n", cut)
}
