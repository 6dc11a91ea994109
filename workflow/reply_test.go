package workflow_test

import (
	"testing"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// mailed is a mail of ours to the requestors of a ticket. A thread is the mail
// that it answers.
func mailed(to incident.Ticket, text string, thread ...string) workflow.Decision {
	return workflow.Decision{Ticket: to.ID, Text: text, Event: incident.Message{
		Side: incident.Inside, Sent: true, Answers: true, Thread: "reply",
		Content: incident.MessageEntity{Subject: to.Subject, To: to.Requestors, Cc: to.Cc, InReplyTo: thread, References: thread},
	}}
}

func mails(list ...workflow.Decision) []workflow.Decision { return list }

func said(id string) incident.Message {
	return incident.Message{Side: incident.Outside, Content: incident.MessageEntity{MessageID: id}}
}

// The children of incident 7 in cases about several of them.
var (
	reported     = report(called(11), under(7), asked("bob@example.org"), titled("Scan from us"))
	investigated = report(called(12), kind(incident.KindInvestigation), open, under(7), asked("noc@example.org"), titled("Scan by you"))
	blocked      = block(called(13), active, under(7), asked("ops@example.org"), titled("Scanner"))
	silent       = report(called(14), under(7))
)

func TestReplyToAll(t *testing.T) {
	answerable := and(messages(11, said("1@x")), messages(12, said("2@x"), said("3@x")), messages(13), messages(14))
	all4 := and(openChildren(7, reported, investigated, blocked, silent), answerable)
	chosen := and(know(reported, investigated, blocked, silent), answerable)
	hello := func(kinds []incident.Kind, children ...incident.ID) workflow.ReplyAll {
		return workflow.ReplyAll{Ticket: 7, Kinds: kinds, Children: children, Text: "Hello."}
	}
	skipped := on(14, incident.Skipped{Command: "reply-all", Why: "it has no requestors: add one by edit"})
	closed := report(called(15), resolved, under(7), asked("eve@example.org"))
	cut := hello(nil, 11)
	cut.Cc, cut.Subject, cut.Attachments = []incident.Party{party, party}, evil, []workflow.File{{Content: []byte("x")}}
	run(t, []decision{
		{"all, one mail each, each in its thread", theIncident(), hello(nil), all4, all(mails(
			mailed(reported, "Hello.", "1@x"), mailed(investigated, "Hello.", "3@x"), mailed(blocked, "Hello.")), skipped), nil, ""},
		{"reports only", theIncident(), hello([]incident.Kind{"IR"}), all4, all(mails(mailed(reported, "Hello.", "1@x")), skipped), nil, ""},
		{"two kinds, by other names", theIncident(), hello([]incident.Kind{"Investigations", "countermeasure"}), all4,
			mails(mailed(investigated, "Hello.", "3@x"), mailed(blocked, "Hello.")), nil, ""},
		{"chosen, of all", theIncident(), hello(nil, 13, 11), chosen, mails(mailed(reported, "Hello.", "1@x"), mailed(blocked, "Hello.")), nil, ""},
		{"chosen twice, mailed once", theIncident(), hello(nil, 11, 11), chosen, mails(mailed(reported, "Hello.", "1@x")), nil, ""},
		{"chosen, of a kind", theIncident(), hello([]incident.Kind{incident.KindBlock}, 11, 13), chosen, mails(mailed(blocked, "Hello.")), nil, ""},
		{"a closed one, chosen", theIncident(), hello(nil, 15), and(know(closed), messages(15)), mails(mailed(closed, "Hello.")), nil, ""},
		{"with copies, a subject and a file", theIncident(), cut, chosen, mails(workflow.Decision{Ticket: 11, Text: "Hello.",
			Event: incident.Message{Side: incident.Inside, Sent: true, Answers: true, Thread: "reply", Content: incident.MessageEntity{
				Subject: tame, To: reported.Requestors, InReplyTo: []string{"1@x"}, References: []string{"1@x"}}},
			Once: []incident.Party{party}, Files: []workflow.File{{Name: "attachment-1", Type: "application/octet-stream", Content: []byte("x")}}}), nil, ""},

		{"a child without requestors, chosen", theIncident(), hello(nil, 11, 14), chosen, nil, refused, "on ticket 14 is refused: it has no requestors: add one by edit"},
		{"none that can be replied to", theIncident(), hello(nil), and(openChildren(7, silent), answerable), nil, refused, "no requestors"},
		{"no child", theIncident(), hello(nil), openChildren(7), nil, refused, "it has no child that is open and can be replied to"},
		{"none of that kind", theIncident(), hello([]incident.Kind{incident.KindBlock}), and(openChildren(7, reported), answerable), nil, refused, "it has no child"},
		{"none of that kind, chosen", theIncident(), hello([]incident.Kind{incident.KindBlock}, 11), chosen, nil, refused, "it has no child"},
		{"no child of this incident", theIncident(called(8)), workflow.ReplyAll{Ticket: 8, Children: []incident.ID{11}, Text: "x"}, chosen, nil, argument,
			`children "11" is not possible: allowed is the numbers of children of incident 8`},
		{"no such child", theIncident(), hello(nil, 16), and(missing(16), messages(16)), nil, noTicket, "no ticket 16"},
		{"a merged child", theIncident(), hello(nil, 11), and(know(report(called(11), resolved, under(7), mergedInto(12), asked("bob@example.org"))), answerable), nil, argument,
			"ticket 12, into which it was merged"},
		{"without text", theIncident(), workflow.ReplyAll{Ticket: 7, Text: " "}, all4, nil, argument, "allowed is some text"},
		{"with a bad copy", theIncident(), workflow.ReplyAll{Ticket: 7, Text: "x", Cc: people("nobody")}, all4, nil, argument, "mail addresses like"},
		{"an unknown kind", theIncident(), hello([]incident.Kind{"rumour"}), all4, nil, argument, "allowed is report, investigation, block"},
		{"incidents", theIncident(), hello([]incident.Kind{incident.KindIncident}), all4, nil, argument, "allowed is report, investigation, block"},
		{"on a report", report(), hello(nil), openChildren(7), nil, refused, "only an incident has children to reply to: use reply"},
	})
}

func TestAttachments(t *testing.T) {
	many := make([]workflow.File, 101)
	big := []workflow.File{{Content: make([]byte, 16<<20)}, {Content: make([]byte, 16<<20)}}
	bigger := append(big[:2:2], workflow.File{Content: []byte{1}})
	asks := report(asked("bob@example.org"))
	reply := func(files ...workflow.File) workflow.Reply {
		return workflow.Reply{Ticket: 7, Text: "x", Attachments: files}
	}
	named := workflow.File{Name: "a\r\nb", Type: "text/plain\nX: y", Content: []byte("x")}
	sent := func(files ...workflow.File) []workflow.Decision {
		d := mailed(asks, "x")
		d.Files = files
		return mails(d)
	}
	run(t, []decision{
		{"names and types are fit for a header", asks, reply(named, workflow.File{}), messages(7), sent(
			workflow.File{Name: "a b", Type: "text/plain X: y", Content: []byte("x")}, workflow.File{Name: "attachment-2", Type: "application/octet-stream"}), nil, ""},
		{"too many", asks, reply(many...), messages(7), nil, argument, `attachments "101 files of 0 bytes" is not possible: allowed is 100 files of 33554432 bytes together at most`},
		{"too big", asks, reply(bigger...), messages(7), nil, argument, `"3 files of 33554433 bytes"`},
		{"too many to open with", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Attachments: many}, nil, nil, argument, "101 files"},
		{"to all, too big", theIncident(), workflow.ReplyAll{Ticket: 7, Text: "x", Attachments: bigger}, and(openChildren(7, reported), messages(11)), nil, argument, "3 files"},
	})
	decision{ticket: asks, command: reply(big...), facts: messages(7), want: sent(
		workflow.File{Name: "attachment-1", Type: "application/octet-stream", Content: big[0].Content},
		workflow.File{Name: "attachment-2", Type: "application/octet-stream", Content: big[1].Content})}.run(t, workflow.Default())
}
