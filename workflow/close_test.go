package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func moved(from, to incident.Status, phase incident.Phase) incident.Moved {
	return incident.Moved{From: from, To: to, Phase: phase}
}

func TestRejecting(t *testing.T) {
	asks := report(asked("bob@example.org"))
	takes := list(incident.Owned{To: "handler:alice"})
	gone := list(moved("new", "rejected", incident.Inactive))
	steals := list(incident.Owned{From: "handler:bob", To: "handler:alice"})
	letter := mailed(asks, "Not ours.", "1@x")
	titledLetter := mailed(asks, "Not ours.", "1@x")
	message := titledLetter.Event.(incident.Message)
	message.Content.Subject = tame
	titledLetter.Event = message
	run(t, []decision{
		{"quick", report(), workflow.Reject{Ticket: 7}, nil, all(takes, gone), nil, ""},
		{"mine", report(owned("handler:alice")), workflow.Reject{Ticket: 7}, nil, gone, nil, ""},
		{"held", report(held), workflow.Reject{Ticket: 7}, nil, all(takes, list(incident.Delivered{Outcome: incident.Rejected}), gone), nil, ""},
		{"linked: the links stay", report(under(3)), workflow.Reject{Ticket: 7}, nil, all(takes, gone), nil, ""},
		{"with a message", asks, workflow.Reject{Ticket: 7, Text: "Not ours."}, messages(7, said("1@x")), all(takes, mails(letter), gone), nil, ""},
		{"with a message and its subject", asks, workflow.Reject{Ticket: 7, Text: "Not ours.", Subject: evil}, messages(7, said("1@x")),
			all(takes, mails(titledLetter), gone), nil, ""},
		{"somebody else's, stolen", report(owned("handler:bob")), workflow.Reject{Ticket: 7, Steal: true}, nil, all(steals, gone), nil, ""},
		{"nobody's, stolen", report(), workflow.Reject{Ticket: 7, Steal: true}, nil, all(takes, gone), nil, ""},
		{"mine already, stolen", report(owned("handler:alice")), workflow.Reject{Ticket: 7, Steal: true}, nil, gone, nil, ""},
		{"again", report(owned("handler:alice"), rejected), workflow.Reject{Ticket: 7}, nil, nil, nil, ""},

		{"somebody else's", report(owned("handler:bob")), workflow.Reject{Ticket: 7}, nil, nil, taken, "taken by handler:bob"},
		{"resolved", report(resolved), workflow.Reject{Ticket: 7}, nil, nil, transition, `from "resolved" to "rejected": allowed are "open"`},
		{"with a message to nobody", report(), workflow.Reject{Ticket: 7, Text: "Not ours."}, messages(7), nil, refused, "no requestors"},
		{"with a blank message", asks, workflow.Reject{Ticket: 7, Text: " "}, messages(7), nil, argument, "some text"},
		{"incident", theIncident(), workflow.Reject{Ticket: 7}, nil, nil, refused, "an incident cannot be rejected: allowed statuses are resolved, abandoned"},
		{"investigation", report(kind(incident.KindInvestigation), open), workflow.Reject{Ticket: 7}, nil, nil, refused, "an investigation cannot be rejected"},
		{"block", block(), workflow.Reject{Ticket: 7, Steal: true}, nil, nil, refused, "a block cannot be rejected: allowed statuses are active, removed"},
	})
}

func TestResolving(t *testing.T) {
	asks := report(open, asked("bob@example.org"))
	gone := list(moved("open", "resolved", incident.Inactive))
	noted := []workflow.Decision{{Event: incident.Commented{}, Text: "It was a test."}}
	decided := list(incident.Edited{Fields: map[string][]string{"Resolution": {"no response from customer"}}})
	run(t, []decision{
		{"quick", report(open), workflow.Resolve{Ticket: 7}, nil, gone, nil, ""},
		{"a new report", report(), workflow.Resolve{Ticket: 7}, nil, list(moved("new", "resolved", incident.Inactive)), nil, ""},
		{"a block that waits", block(), workflow.Resolve{Ticket: 7}, nil, list(moved("pending activation", "removed", incident.Inactive)), nil, ""},
		{"held", report(held), workflow.Resolve{Ticket: 7}, nil, list(incident.Delivered{Outcome: incident.Rejected}, moved("new", "resolved", incident.Inactive)), nil, ""},
		{"with a note", report(open), workflow.Resolve{Ticket: 7, Comment: "It was a test."}, nil, all(noted, gone), nil, ""},
		{"with a blank note", report(open), workflow.Resolve{Ticket: 7, Comment: "\n"}, nil, gone, nil, ""},
		{"with a mail", asks, workflow.Resolve{Ticket: 7, Reply: "Done."}, messages(7, said("1@x")), all(mails(mailed(asks, "Done.", "1@x")), gone), nil, ""},
		{"already", report(resolved), workflow.Resolve{Ticket: 7}, nil, nil, nil, ""},
		{"rejected", report(rejected), workflow.Resolve{Ticket: 7}, nil, nil, transition, `from "rejected" to "resolved"`},
		{"with a mail to nobody", report(open), workflow.Resolve{Ticket: 7, Reply: "Done."}, messages(7), nil, refused, "resolve on ticket 7 is refused: it has no requestors"},
		{"with children of a report", asks, workflow.Resolve{Ticket: 7, Children: []incident.ID{8}, Reply: "Done."}, messages(7), all(mails(mailed(asks, "Done.")), gone), nil, ""},
		{"with children and no mail", theIncident(), workflow.Resolve{Ticket: 7, Children: []incident.ID{8}}, soleChildren(7), nil, argument, `none without a text in "reply"`},
		{"a resolution that a report does not have", report(open), workflow.Resolve{Ticket: 7, Resolution: "no response from customer"}, nil, nil, argument,
			"a field of a report: Reporter Type, Originals, Customer"},

		{"incident", theIncident(), workflow.Resolve{Ticket: 7}, soleChildren(7), gone, nil, ""},
		{"incident, all at once", theIncident(), workflow.Resolve{Ticket: 7, Comment: "It was a test.", Resolution: "NO response from customer", Reply: "Done."},
			and(openChildren(7, reported, silent), messages(11), messages(14), soleChildren(7)), all(mails(mailed(reported, "Done.")),
				on(14, incident.Skipped{Command: "resolve", Why: "it has no requestors: add one by edit"}), decided, noted, gone), nil, ""},
		{"incident, a mail to chosen children", theIncident(), workflow.Resolve{Ticket: 7, Reply: "Done.", Children: []incident.ID{12}},
			and(know(investigated), messages(12), soleChildren(7)), all(mails(mailed(investigated, "Done.")), gone), nil, ""},
		{"incident, a mail to nobody", theIncident(), workflow.Resolve{Ticket: 7, Reply: "Done."}, and(openChildren(7), soleChildren(7)), nil, refused, "it has no child"},
		{"incident with a bad resolution", theIncident(), workflow.Resolve{Ticket: 7, Resolution: "meh"}, soleChildren(7), nil, argument,
			"one of successfully resolved, no resolution reached"},
		{"abandoned incident", theIncident(in("abandoned", incident.Inactive)), workflow.Resolve{Ticket: 7}, nil, nil, transition, `from "abandoned" to "resolved"`},
	})
}

func TestAbandoning(t *testing.T) {
	gone := list(moved("open", "abandoned", incident.Inactive))
	run(t, []decision{
		{"incident", theIncident(), workflow.Abandon{Ticket: 7}, soleChildren(7), gone, nil, ""},
		{"with a note and a mail", theIncident(), workflow.Abandon{Ticket: 7, Comment: "A mistake.", Reply: "Sorry.", Children: []incident.ID{11}},
			and(know(reported), messages(11), soleChildren(7)),
			all(mails(mailed(reported, "Sorry.")), []workflow.Decision{{Event: incident.Commented{}, Text: "A mistake."}}, gone), nil, ""},
		{"already", theIncident(in("abandoned", incident.Inactive)), workflow.Abandon{Ticket: 7}, nil, nil, nil, ""},
		{"resolved", theIncident(resolved), workflow.Abandon{Ticket: 7}, nil, nil, transition, `from "resolved" to "abandoned"`},
		{"report", report(open), workflow.Abandon{Ticket: 7}, nil, nil, refused, "abandon on ticket 7 is refused: a report has no such end: allowed statuses are resolved, rejected"},
		{"investigation", report(kind(incident.KindInvestigation), open), workflow.Abandon{Ticket: 7, Reply: "x"}, messages(7), nil, refused, "an investigation has no such end"},
	})
}

// closing is a policy with another answer to a block that is in place.
func closing(t *testing.T, activeBlock string) *workflow.Policy {
	p := workflow.Default()
	for i := range p.Rules {
		if p.Rules[i].Name == "close-children" {
			p.Rules[i].Params = workflow.CloseChildren{ActiveBlock: activeBlock}
		}
	}
	require.NoError(t, p.Validate())
	return p
}

// A policy may let incidents be rejected: that waits for blocks too.
func TestRejectingAnIncident(t *testing.T) {
	p := workflow.Default()
	l := p.Lifecycles[incident.KindIncident]
	l.OnReject = "abandoned"
	p.Lifecycles[incident.KindIncident] = l
	require.NoError(t, p.Validate())
	free := theIncident()
	free.Owner = incident.Nobody
	waits := list(incident.Skipped{Rule: "close-children", Command: "reject", Why: "block 13 is in place: its removal is asked for, and must be confirmed first"})
	took := list(incident.Owned{To: "handler:alice"})
	runUnder(t, p, []decision{
		{"nothing in the way", free, workflow.Reject{Ticket: 7}, soleChildren(7), all(took, list(moved("open", "abandoned", incident.Inactive))), nil, ""},
		{"a block", free, workflow.Reject{Ticket: 7}, soleChildren(7, blocked), all(took, waits, on(13, moved("active", "pending removal", incident.Active))), nil, ""},
	})
}

// An incident over a block that is in place (JANET 3.17).
func TestClosingOverBlocks(t *testing.T) {
	gone := list(moved("open", "resolved", incident.Inactive))
	waits := func(command, id string) []workflow.Decision {
		return list(incident.Skipped{Rule: "close-children", Command: command, Why: "block " + id + " is in place: its removal is asked for, and must be confirmed first"})
	}
	asks := on(13, moved("active", "pending removal", incident.Active))
	over := func(blocks ...incident.Ticket) facts { return soleChildren(7, append(blocks, reported)...) }
	pending := block(called(16), leaving, under(7))
	run(t, []decision{
		{"its removal is asked for", theIncident(), workflow.Move{Ticket: 7, To: "resolved"}, over(blocked), all(waits("move", "13"), asks), nil, ""},
		{"by another command", theIncident(), workflow.Abandon{Ticket: 7}, over(blocked), all(waits("abandon", "13"), asks), nil, ""},
		{"what was noted is kept, no mail goes out", theIncident(), workflow.Resolve{Ticket: 7, Comment: "Cleaned.", Reply: "It is over."}, over(blocked),
			all([]workflow.Decision{{Event: incident.Commented{}, Text: "Cleaned."}}, waits("resolve", "13"), asks), nil, ""},
		{"it was asked for already", theIncident(), workflow.Move{Ticket: 7, To: "resolved"}, over(pending), waits("move", "16"), nil, ""},
		{"two blocks", theIncident(), workflow.Move{Ticket: 7, To: "resolved"}, over(blocked, pending), all(waits("move", "13"), asks, waits("move", "16")), nil, ""},
		{"a block that is not in place", theIncident(), workflow.Move{Ticket: 7, To: "resolved"}, over(block(called(16), under(7))), gone, nil, ""},
		{"no block of its own", theIncident(), workflow.Move{Ticket: 7, To: "resolved"}, over(), gone, nil, ""},
		{"opened again", theIncident(resolved), workflow.Move{Ticket: 7, To: "open"}, nil, list(moved("resolved", "open", incident.Active)), nil, ""},
		{"a report", report(open), workflow.Move{Ticket: 7, To: "resolved"}, nil, gone, nil, ""},
		{"a status that there is not", theIncident(), workflow.Move{Ticket: 7, To: "stalled"}, nil, nil, transition, `"stalled"`},
	})
	for _, way := range []string{workflow.BlockWarn, workflow.BlockClose} {
		runUnder(t, closing(t, way), []decision{{way, theIncident(), workflow.Move{Ticket: 7, To: "resolved"}, nil, gone, nil, ""}})
	}
	under4 := workflow.Close{Ticket: 13, Under: 7, To: "removed"}
	ends := list(moved("active", "removed", incident.Inactive))
	runUnder(t, closing(t, workflow.BlockWarn), []decision{
		{"a block in place stays", blocked, under4, parents(13), nil, refused, "the block is in place: its removal must be asked for"},
		{"one that is not ends", block(called(13)), under4, parents(13), list(moved("pending activation", "removed", incident.Inactive)), nil, ""},
		{"a report ends", reported, workflow.Close{Ticket: 11, Under: 7, To: "resolved"}, parents(11), list(moved("new", "resolved", incident.Inactive)), nil, ""},
	})
	runUnder(t, closing(t, workflow.BlockClose), []decision{{"a block in place ends", blocked, under4, parents(13), ends, nil, ""}})

	// Without the rule nothing waits: nothing would close the children either.
	p := workflow.Default()
	p.Rules = nil
	runUnder(t, p, []decision{{"no rule", theIncident(), workflow.Move{Ticket: 7, To: "resolved"}, nil, gone, nil, ""}})
}
