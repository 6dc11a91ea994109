package workflow_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// linking is a link of ticket 7 to an incident.
func linking(parent incident.ID, changes ...change) workflow.Change {
	after := report(changes...)
	after.Parents = append(after.Parents[:len(after.Parents):len(after.Parents)], parent)
	return changed(report(changes...), after, incident.Linked{Parent: parent}, workflow.Link{})
}

func TestReopenLinkedIncident(t *testing.T) {
	const why = "a child that is not inactive was linked to it"
	shut := report(called(5), kind(incident.KindIncident), in("abandoned", incident.Inactive))
	gone := theIncident(called(5), resolved, mergedInto(9))
	reopens := commands(workflow.Reopen{Ticket: 4})
	born := changed(incident.Ticket{}, report(under(3, 4, 5)), incident.Opened{}, workflow.Open{})
	joins := changed(report(called(7), under(3)), report(under(3, 4)), incident.Joined{From: 8, Parents: []incident.ID{4}}, workflow.Merge{})
	react(t, "reopen-linked-incident", []reaction{
		{"a new report to a resolved incident", linking(4), know(four), reopens, why},
		{"an open report", linking(4, open), know(four), reopens, why},
		{"an investigation", linking(4, open, kind(incident.KindInvestigation)), know(four), reopens, why},
		{"a second incident", linking(4, under(3)), know(four), reopens, why},
		{"born under several", born, know(three, four, shut), commands(workflow.Reopen{Ticket: 4}, workflow.Reopen{Ticket: 5}), why},
		{"by a merge", joins, know(four), reopens, why},
		{"a closed report", linking(4, resolved), know(four), nil, ""},
		{"to an open incident", linking(3), know(three), nil, ""},
		{"to a merged incident", linking(5), know(gone), nil, ""},
		{"to one that is not to be seen", linking(4), missing(4), nil, ""},
		{"born alone", changed(incident.Ticket{}, report(), incident.Opened{}, workflow.Open{}), nil, nil, ""},
		{"a merge without incidents", changed(report(), report(), incident.Joined{From: 8}, workflow.Merge{}), nil, nil, ""},
	})
}

func TestCopyObservables(t *testing.T) {
	one, two := address("192.0.2.1"), incident.Observable{Kind: incident.Address, Value: "192.0.2.2", Role: incident.RoleSource}
	host := incident.Observable{Kind: incident.Host, Value: "www.example.org"}
	has := func(list ...incident.Observable) incident.Ticket { return theIncident(called(3), seen(list...)) }
	adds := func(list ...incident.Observable) []workflow.Command {
		return commands(workflow.Edit{Ticket: 3, AddObservables: list})
	}
	const why = "a report with these observables was linked to it"
	react(t, "copy-observables", []reaction{
		{"all", linking(3, seen(one, two)), know(has()), adds(one, two), why},
		{"those that it does not have", linking(3, seen(one, two, host)), know(has(address("192.0.2.2"))), adds(one, two, host), why},
		{"born with an incident", changed(incident.Ticket{}, report(under(3), seen(one)), incident.Opened{}, workflow.Open{}), know(has()), adds(one), why},
		{"two incidents", changed(incident.Ticket{}, report(under(3, 4), seen(one)), incident.Opened{}, workflow.Open{}), know(has(one), four),
			commands(workflow.Edit{Ticket: 4, AddObservables: []incident.Observable{one}}), why},
		{"all are there", linking(3, seen(one)), know(has(one, two)), nil, ""},
		{"none", linking(3), know(has()), nil, ""},
		{"an investigation", linking(3, seen(one), kind(incident.KindInvestigation), open), know(has()), nil, ""},
		{"born alone", changed(incident.Ticket{}, report(seen(one)), incident.Opened{}, workflow.Open{}), nil, nil, ""},
	})
	reactWith(t, "copy-observables", workflow.CopyObservables{Kinds: []incident.Kind{incident.KindInvestigation}}, []reaction{
		{"an investigation, if the policy says so", linking(3, seen(one), kind(incident.KindInvestigation), open), know(has()), adds(one), why},
		{"and no report", linking(3, seen(one)), know(has()), nil, ""},
	})
}

func TestConstituencyToChildren(t *testing.T) {
	moves := func(to string, ids ...incident.ID) (list []workflow.Command) {
		for _, id := range ids {
			list = append(list, workflow.Edit{Ticket: id, Constituency: &to})
		}
		return list
	}
	child := func(id incident.ID, of string) incident.Ticket { return report(called(id), constituent(of)) }
	edits := func(before, after string) workflow.Change {
		return changed(theIncident(constituent(before)), theIncident(constituent(after)), incident.Edited{}, workflow.Edit{})
	}
	react(t, "constituency-to-children", []reaction{
		{"those that had it", edits("campus", "labs"), openChildren(7, child(11, "campus"), child(12, "staff"), child(13, "campus")), moves("labs", 11, 13), "its incident has another constituency"},
		{"those that had none", edits("", "labs"), openChildren(7, child(11, ""), child(12, "staff")), moves("labs", 11), "its incident has another constituency"},
		{"none had it", edits("campus", "labs"), openChildren(7, child(12, "staff")), nil, "no child that is open has the constituency that it had"},
		{"something else is edited", edits("campus", "campus"), nil, nil, ""},
		{"a report", changed(report(constituent("campus")), report(constituent("labs")), incident.Edited{}, workflow.Edit{}), nil, nil, ""},
	})
}

func TestOwnersFollow(t *testing.T) {
	gives := func(to incident.Actor, ids ...incident.ID) (list []workflow.Command) {
		for _, id := range ids {
			list = append(list, workflow.Assign{Ticket: id, To: to})
		}
		return list
	}
	takes := func(t incident.Ticket, from, to incident.Actor) workflow.Change {
		before, after := t, t
		before.Owner, after.Owner = from, to
		return changed(before, after, incident.Owned{From: from, To: to}, workflow.Take{})
	}
	child := func(id incident.ID, by incident.Actor, changes ...change) incident.Ticket {
		return report(append([]change{called(id), owned(by)}, changes...)...)
	}
	list := []incident.Ticket{child(11, "handler:alice"), child(12, ""), child(13, "handler:bob"), child(14, "handler:bob", resolved, mergedInto(13))}
	react(t, "owner-to-children", []reaction{
		{"those of others and of nobody", takes(theIncident(), "", "handler:alice"), openChildren(7, list[:3]...), gives("handler:alice", 12, 13), "its incident has another owner"},
		{"to nobody", takes(theIncident(), "handler:alice", ""), openChildren(7, list[:3]...), gives("", 11, 13), "its incident has another owner"},
		{"all are right", takes(theIncident(), "", "handler:alice"), openChildren(7, list[0]), nil, ""},
		{"a report", takes(report(), "", "handler:alice"), nil, nil, ""},
	})
	reactWith(t, "owner-to-children", workflow.OwnerToChildren{Closed: true}, []reaction{
		{"closed ones too, but no merged one", takes(theIncident(), "", "handler:alice"), children(7, append(list, child(15, "", resolved))...),
			gives("handler:alice", 12, 13, 15), "its incident has another owner"},
	})
	reactWith(t, "owner-to-children", workflow.OwnerToChildren{Sole: true}, []reaction{
		{"those that no other active incident holds", takes(theIncident(), "", "handler:alice"), soleChildren(7, list[1]), gives("handler:alice", 12), "its incident has another owner"},
		{"a report", takes(report(), "", "handler:alice"), nil, nil, ""},
	})
	require.ErrorContains(t, workflow.OwnerToChildren{Closed: true, Sole: true}.Check(nil), "allowed is one of them")
	inc := func(id incident.ID, by incident.Actor, changes ...change) incident.Ticket {
		return theIncident(append([]change{called(id), owned(by)}, changes...)...)
	}
	linked := report(under(3, 4))
	react(t, "owner-to-incident", []reaction{
		{"those of others and of nobody", takes(linked, "", "handler:alice"), parents(7, inc(3, "handler:bob"), inc(4, "")), gives("handler:alice", 3, 4), "a child of it has another owner"},
		{"all are right", takes(linked, "", "handler:alice"), parents(7, inc(3, "handler:alice")), nil, ""},
		{"a merged incident", takes(linked, "", "handler:alice"), parents(7, inc(3, "", resolved, mergedInto(4))), nil, ""},
		{"released", takes(linked, "handler:alice", ""), nil, nil, "nobody owns it any more, which is no reason to give up its incidents"},
		{"an incident", takes(theIncident(), "", "handler:alice"), nil, nil, ""},
	})
}

func TestResolution(t *testing.T) {
	params := workflow.Resolution{Field: "Resolution", Values: map[incident.Status]string{"resolved": "successfully resolved"}}
	gone := in("abandoned", incident.Inactive)
	moved := func(before, after change, more ...change) workflow.Change {
		return changed(theIncident(append(more, before)...), theIncident(append(more, after)...), incident.Moved{}, workflow.Move{})
	}
	sets := func(list ...string) []workflow.Command {
		return commands(workflow.Edit{Ticket: 7, Fields: values{"Resolution": list}})
	}
	had, had2 := with("Resolution", "no response from customer"), with("Resolution", "a", "b")
	cases := []reaction{
		{"resolved", moved(open, resolved), nil, sets("successfully resolved"), "it was closed"},
		{"resolved, with one", moved(open, resolved, had), nil, nil, "it has a resolution already"},
		{"abandoned, for which there is none", moved(open, gone), nil, nil, "the policy names no resolution for abandoned"},
		{"opened again", moved(resolved, open, had), nil, sets([]string{}...), "it was opened again"},
		{"opened again: the first value goes", moved(gone, open, had2), nil, sets("b"), "it was opened again"},
		{"opened again, without one", moved(resolved, open), nil, nil, ""},
		{"from one end to another", moved(resolved, gone), nil, nil, ""},
		{"from one end to another, with one", moved(resolved, gone, had), nil, nil, ""},
		{"open all the time, with one", moved(open, in("stalled", incident.Active), had), nil, nil, ""},
		{"a report that has such a field, opened again", changed(report(resolved, had), report(open, had), incident.Moved{}, workflow.Move{}), nil, nil, ""},
		{"merged", moved(open, resolved, mergedInto(8)), nil, nil, ""},
		{"a report", changed(report(open), report(resolved), incident.Moved{}, workflow.Move{}), nil, nil, ""},
	}
	cases[3].fires = commands(workflow.Edit{Ticket: 7, Fields: values{"Resolution": {}}})
	reactWith(t, "resolution", params, cases)
	params.Field = "_RTIR_Resolution"
	reactWith(t, "resolution", params, cases)

	janet := workflow.Default()
	r, _ := janet.Rule("resolution")
	reactUnder(t, janet, r, []reaction{
		{"abandoned, in janet", moved(open, gone), nil, sets("no resolution reached"), "it was closed"},
		{"resolved, in janet", moved(open, resolved), nil, sets("successfully resolved"), "it was closed"},
	})
}

func TestForeignTags(t *testing.T) {
	on := func(subject, of string, changes ...change) workflow.Change {
		m := incident.Message{Side: incident.Outside, Content: incident.MessageEntity{Subject: of}}
		is := report(append([]change{titled(subject)}, changes...)...)
		return changed(is, is, m, workflow.Append{})
	}
	becomes := func(subject string) []workflow.Command {
		return commands(workflow.Edit{Ticket: 7, Subject: &subject})
	}
	const why = "the correspondent's own number belongs into the subject"
	long := strings.Repeat("x", 480)
	p := workflow.Default()
	p.Tags = []string{"A CSIRT", "Old CSIRT"}
	machine := on("Scan", "[Their #12] Scan")
	machine.Event = incident.Message{Side: incident.Outside, Machine: true, Content: incident.MessageEntity{Subject: "[Their #12]"}}
	ours := on("Scan", "[Their #12] Scan")
	ours.Event = incident.Message{Side: incident.Inside, Sent: true, Content: incident.MessageEntity{Subject: "[Their #12]"}}
	first := on("Scan", "[Their #12] Scan")
	first.Command = "open"
	reactUnder(t, p, rule(t, "foreign-tags"), []reaction{
		{"one", on("Scan", "Re: [Their Desk #12] Scan"), nil, becomes("Scan [Their Desk #12]"), why},
		{"several", on("Scan", "[a #1][b#2] [ c #3] Scan"), nil, becomes("Scan [a #1] [b#2] [ c #3]"), why},
		{"twice the same", on("Scan", "[a #1] [a #1]"), nil, becomes("Scan [a #1]"), why},
		{"beside our own", on("Scan", "[a #1] Re: [A CSIRT #7] Scan"), nil, becomes("Scan [a #1]"), why},
		{"without a subject", on("", "[a #1]"), nil, becomes("[a #1]"), why},
		{"folded", on("Scan", "Re: [Their\r\n\tDesk #12] Scan"), nil, becomes("Scan [Their Desk #12]"), why},
		{"folded, and known", on("Scan [Their Desk #12]", "Re: [Their\r\n\tDesk #12] Scan"), nil, nil, ""},
		{"known", on("Scan [a #1]", "Re: [a #1] Scan"), nil, nil, ""},
		{"our own", on("Scan", "Re: [a csirt #7] [OLD CSIRT #7] Scan"), nil, nil, ""},
		{"no tags", on("Scan", "[x] #1 [#2] [a #] [a #b] [a #1b] a #1] [a #1"), nil, nil, ""},
		{"no bracket opens", on("Scan", "a #1]"), nil, nil, ""},
		{"brackets in brackets", on("Scan", "[[a #1]"), nil, becomes("Scan [a #1]"), why},
		{"the subject would be too long", on(long, "[a name of a tracker #1]"), nil, nil, ""},
		{"a machine", machine, nil, nil, ""},
		{"ours", ours, nil, nil, ""},
		{"the first", first, nil, nil, ""},
		{"an incident", on("Scan", "[a #1]", kind(incident.KindIncident)), nil, nil, ""},
	})
}

// RTIR's own words with the parameters that it has (Reply of ours opens too).
func TestReopenOnReplyParameters(t *testing.T) {
	with := func(m incident.Message, changes ...change) workflow.Change {
		is := report(append([]change{resolved}, changes...)...)
		return changed(is, is, m, workflow.Append{})
	}
	ours := incident.Message{Side: incident.Inside, Sent: true, Answers: true}
	quiet := said("1@x")
	quiet.Flags = []string{"x", workflow.FlagNoReopen}
	fires := commands(workflow.Reopen{Ticket: 7})
	ruled := with(ours)
	ruled.Cause.Rule = "confirm-block-removal"
	begun := with(ours)
	begun.Command = "open"
	reactWith(t, "reopen-on-reply", workflow.ReopenOnReply{Inside: true}, []reaction{
		{"ours", with(ours), nil, fires, "somebody replied"},
		{"from outside", with(said("1@x")), nil, fires, "somebody outside replied"},
		{"ours, by a rule", ruled, nil, nil, ""},
		{"ours, which opened it", begun, nil, nil, ""},
		{"ours, to an open one", with(ours, open), nil, nil, ""},
		{"a mail of the team that we did not send", with(incident.Message{Side: incident.Inside}), nil, nil, ""},
		{"an incident", with(ours, kind(incident.KindIncident)), nil, nil, ""},
	})
	reactWith(t, "reopen-on-reply", workflow.ReopenOnReply{Kinds: []incident.Kind{incident.KindInvestigation}}, []reaction{
		{"of that kind", with(said("1@x"), kind(incident.KindInvestigation)), nil, fires, "somebody outside replied"},
		{"of another", with(said("1@x")), nil, nil, ""},
	})
	reactWith(t, "reopen-on-reply", workflow.ReopenOnReply{Except: []incident.Status{"rejected"}, Inside: true}, []reaction{
		{"rejected", with(said("1@x"), rejected), nil, nil, "it is rejected, which replies leave alone"},
		{"rejected, ours", with(ours, rejected), nil, nil, "it is rejected, which replies leave alone"},
		{"resolved", with(said("1@x")), nil, fires, "somebody outside replied"},
	})
	react(t, "reopen-on-reply", []reaction{
		{"no-autoopen", with(quiet), nil, nil, "its writer asked not to open it (RT-Control: no-autoopen)"},
		{"merged", with(said("1@x"), mergedInto(8)), nil, nil, ""},
	})
	p := workflow.Default()
	p.MailTrust.Reopen = incident.TrustKnown
	known := said("1@x")
	known.Trust = incident.TrustAuthenticated
	r := rule(t, "reopen-on-reply")
	r.Params = workflow.ReopenOnReply{Inside: true}
	reactUnder(t, p, r, []reaction{
		{"a stranger", with(said("1@x")), nil, nil, "it is not sure enough who wrote the message"},
		{"known, and more", with(known), nil, fires, "somebody outside replied"},
		{"ours need not be trusted", with(ours), nil, fires, "somebody replied"},
	})
}

func TestParametersAreChecked(t *testing.T) {
	for rule, c := range map[string]struct {
		params any
		says   string
	}{
		"approve-block":   {workflow.ApproveBlock{Regexp: "("}, "error parsing regexp: missing closing )"},
		"close-children":  {workflow.CloseChildren{ActiveBlock: "explode"}, `active-block "explode": allowed are ask-removal, warn, close`},
		"due-after-reply": {workflow.DueAfterReply{Days: -1}, "days -1: allowed is 0 to 3650"},
		"resolution":      {workflow.Resolution{Field: "Resolution", Values: map[incident.Status]string{"open": "x"}}, `"open" is no inactive status of incidents`},
	} {
		p := workflow.Default()
		for i := range p.Rules {
			if p.Rules[i].Name == rule {
				p.Rules[i].Params = c.params
			}
		}
		require.ErrorContains(t, p.Validate(), `has a rule "`+rule+`" that cannot work: `+c.says)
	}
	p := workflow.Default()
	for _, u := range []workflow.Urgent{{Priority: 101, Days: 1}, {Priority: -1, Days: 1}, {Priority: 1, Days: 3651}, {Priority: 1, Days: -1}} {
		require.ErrorContains(t, workflow.DueAfterReply{Urgent: []workflow.Urgent{u}}.Check(p), "allowed are 0 to 3650 days, priorities 0 to 100")
	}
	require.NoError(t, workflow.DueAfterReply{Days: 3650, Urgent: []workflow.Urgent{{}, {Priority: 100, Days: 3650}}}.Check(p))
	odd := workflow.Resolution{Field: "resolution", Values: map[incident.Status]string{"resolved": "meh"}}
	require.ErrorContains(t, odd.Check(p), `"meh" is no value of field "Resolution": allowed are successfully resolved`)
	require.NoError(t, workflow.Resolution{Field: "free", Values: map[incident.Status]string{"resolved": "meh"}}.Check(p))
	require.NoError(t, workflow.Resolution{Field: "Description", Values: map[incident.Status]string{"resolved": "meh"}}.Check(p))
	l := p.Lifecycles[incident.KindBlock]
	l.OnRemoval = ""
	p.Lifecycles[incident.KindBlock] = l
	require.ErrorContains(t, workflow.CloseChildren{ActiveBlock: workflow.BlockAskRemoval}.Check(p), "names no status in which removal is asked for")
	require.NoError(t, workflow.CloseChildren{ActiveBlock: workflow.BlockWarn}.Check(p))
}
