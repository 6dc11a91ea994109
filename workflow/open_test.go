package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func TestOpening(t *testing.T) {
	people := []incident.Party{party}
	mail := &workflow.Mail{Side: incident.Outside, Thread: "new", Blobs: []incident.Digest{{1}}}
	outside := incident.Message{Side: incident.Outside, Thread: "new", Content: incident.MessageEntity{Subject: "S", From: party}}
	reported := incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial, Owner: "handler:alice"}
	with := func(e incident.Opened, change func(*incident.Opened)) incident.Opened {
		change(&e)
		return e
	}
	investigated := incident.Opened{Kind: incident.KindInvestigation, Status: "open", Phase: incident.Active, Owner: "handler:alice",
		Content: incident.OpenedContent{Subject: "S", Requestors: people, Cc: []incident.Party{{Address: "c@x.example"}}}}
	run(t, []decision{
		{"report", incident.Ticket{}, workflow.Open{Kind: incident.KindReport}, nil, list(reported), nil, ""},
		{"report in another first status", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Status: "Resolved"}, nil,
			list(with(reported, func(e *incident.Opened) { e.Status, e.Phase = "resolved", incident.Inactive })), nil, ""},
		{"all that it may have", incident.Ticket{}, workflow.Open{
			Kind: incident.KindReport, Subject: evil, State: incident.State(evil), Priority: &ten, Constituency: evil, Parents: []incident.ID{4, 3, 4},
			Requestors: []incident.Party{{Name: evil, Address: "Bob@EXAMPLE.org"}}, Contacts: people, ExternalIDs: []string{evil},
			Observables: []incident.Observable{{Kind: incident.Host, Value: "WWW.Example.org."}},
			Fields:      map[string][]string{evil: {evil}}, Via: "telephone",
		}, know(three, four), list(incident.Opened{
			Kind: incident.KindReport, Status: "new", Phase: incident.Initial, Owner: "handler:alice", State: incident.State(tame), Priority: 10,
			Constituency: tame, Parents: []incident.ID{3, 4}, Via: "telephone",
			Content: incident.OpenedContent{
				Subject: tame, Requestors: []incident.Party{{Name: tame, Address: "Bob@example.org"}}, Contacts: people, ExternalIDs: []string{tame},
				Observables: []incident.Observable{{Kind: incident.Host, Value: "www.example.org"}},
				Fields:      map[string][]string{tame: {"a\r\nBcc: x\u2400\uFFFD"}},
			},
		}), nil, ""},
		{"by mail, for nobody", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Mail: mail, Held: &incident.Held{Reason: "two-tags", Candidates: []incident.ID{3}}},
			nil, list(with(reported, func(e *incident.Opened) { e.Owner = "" }),
				incident.Message{Side: incident.Outside, Thread: "new", Blobs: mail.Blobs}, incident.Held{Reason: "two-tags", Candidates: []incident.ID{3}}), nil, ""},
		{"report by telephone", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Subject: "S", Requestors: people, Text: "They said\x00"}, nil,
			append(list(with(reported, func(e *incident.Opened) { e.Content = incident.OpenedContent{Subject: "S", Requestors: people} })),
				workflow.Decision{Event: outside, Text: "They said\u2400"}), nil, ""},
		{"incident with a comment", incident.Ticket{}, workflow.Open{Kind: incident.KindIncident, Subject: "Scan", Fields: classified, Text: "Why"}, nil,
			append(list(incident.Opened{Kind: incident.KindIncident, Status: "open", Phase: incident.Active, Owner: "handler:alice", Priority: 50,
				Constituency: "main", Fields: classified, Content: incident.OpenedContent{Subject: "Scan"}}),
				workflow.Decision{Event: incident.Commented{}, Text: "Why"}), nil, ""},
		{"investigation with its mail", incident.Ticket{}, workflow.Open{Kind: incident.KindInvestigation, Subject: "S", Requestors: people,
			Cc: []incident.Party{{Address: "c@x.example"}}, Text: "Please"}, nil,
			append(list(investigated), workflow.Decision{Text: "Please", Event: incident.Message{Side: incident.Inside, Sent: true, Answers: true, Thread: "new",
				Content: incident.MessageEntity{Subject: "S", To: people, Cc: []incident.Party{{Address: "c@x.example"}}}}}), nil, ""},

		{"report by fax", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Subject: "S", Requestors: people, Via: "fax", Fields: values{"Reporter Type": {"police"}, "Originals": {"Safe 3"}},
			Attachments: []workflow.File{{Name: "1.png", Type: "image/png", Content: []byte("x")}, {Name: "2.png"}}}, nil, []workflow.Decision{
			{Event: with(reported, func(e *incident.Opened) {
				e.Via, e.Fields = "fax", values{"Reporter Type": {"police"}}
				e.Content = incident.OpenedContent{Subject: "S", Requestors: people, Fields: values{"Originals": {"Safe 3"}}}
			})},
			{Event: outside, Text: "(2 attachments)\n", Files: []workflow.File{{Name: "1.png", Type: "image/png", Content: []byte("x")}, {Name: "2.png", Type: "application/octet-stream"}}},
		}, nil, ""},
		{"report of nobody", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Text: "They said"}, nil,
			append(list(reported), workflow.Decision{Event: incident.Message{Side: incident.Outside, Thread: "new"}, Text: "They said"}), nil, ""},
		{"incident with a file", incident.Ticket{}, workflow.Open{Kind: incident.KindIncident, Subject: "Scan", Fields: classified, Attachments: []workflow.File{{Name: "1.png"}}}, nil, nil,
			argument, `attachments "1.png" is not possible: allowed is none for an incident: put them into a report of it`},
		{"incident without what is mandatory", incident.Ticket{}, workflow.Open{Kind: incident.KindIncident}, nil, nil, lacking, "an incident must have subject, Classification"},

		{"unknown kind", incident.Ticket{}, workflow.Open{Kind: "rumour"}, nil, nil, argument, `kind "rumour" is not possible: allowed is report, incident, investigation, block`},
		{"the desk", incident.Ticket{}, workflow.Open{Kind: incident.KindDesk}, nil, nil, argument, "allowed is report"},
		{"not a first status", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Status: "rejected"}, nil, nil, transition,
			`a new report cannot have the status "rejected": allowed are "new", "open", "resolved"`},
		{"priority over 100", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Priority: &number}, nil, nil, argument, "a whole number from 0 to 100"},
		{"no such parent", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{3}}, missing(3), nil, noTicket, "no ticket 3"},
		{"incident under an incident", incident.Ticket{}, workflow.Open{Kind: incident.KindIncident, Parents: []incident.ID{3}}, know(three), nil, refused,
			"open is refused: an incident cannot be the child of another"},
		{"two incidents for an investigation", incident.Ticket{}, workflow.Open{Kind: incident.KindInvestigation, Parents: []incident.ID{3, 4}}, know(three, four), nil, argument, "one incident"},
		{"block without incident", incident.Ticket{}, workflow.Open{Kind: incident.KindBlock}, nil, nil, argument, "the number of the incident that the block belongs to"},
		{"no mail address", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Contacts: []incident.Party{{Address: "x"}}}, nil, nil, argument, `contacts "x"`},
		{"no observable", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Observables: []incident.Observable{{Kind: "colour", Value: "red"}}}, nil, nil,
			argument, "allowed are address, prefix"},
		{"mail to nobody", incident.Ticket{}, workflow.Open{Kind: incident.KindInvestigation, Text: "Please"}, nil, nil, argument, "at least one mail address"},
	})
}

func TestOnlyHandlersOwnWhatTheyOpen(t *testing.T) {
	for by, owner := range map[incident.Actor]incident.Actor{
		"handler:alice": "handler:alice", incident.System: incident.Nobody, incident.Correspondent: incident.Nobody,
	} {
		got, err := workflow.Default().Decide(incident.Ticket{}, workflow.Open{Kind: incident.KindReport}, workflow.Facts{}, workflow.Env{By: by})
		require.NoError(t, err)
		require.Equal(t, owner, got[0].Event.(incident.Opened).Owner)
	}
}
