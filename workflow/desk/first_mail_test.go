package desk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// Whoever is named twice gets one mail.
func TestEachMailboxIsWrittenToOnce(t *testing.T) {
	w := newWorld(t, janet)
	bob, carol := incident.Party{Address: "bob@example.org"}, incident.Party{Address: "carol@example.org"}
	inv := w.do(workflow.Open{
		Kind: incident.KindInvestigation, Subject: "Scan", Text: "Please look.",
		Requestors: []incident.Party{bob, {Name: "Bob", Address: "BOB@example.org"}}, Cc: []incident.Party{carol},
	}).Opened[0]
	require.Equal(t, []incident.Party{bob}, w.ticket(inv).Requestors)
	require.Len(t, w.outgoing(), 2)
	w.do(workflow.Reply{Ticket: inv, Text: "Once more.", Cc: []incident.Party{carol, carol, bob}})
	require.Len(t, w.outgoing(), 4)
	w.do(workflow.Edit{Ticket: inv, Requestors: &[]incident.Party{carol, carol}})
	require.Equal(t, []incident.Party{carol}, w.ticket(inv).Requestors)
}

// An investigation whose mail has files and no text is mailed; one with blanks alone
// is not.
func TestFirstMailWithoutText(t *testing.T) {
	w := newWorld(t, janet)
	open := workflow.Open{Kind: incident.KindInvestigation, Subject: "Scan", Requestors: []incident.Party{{Address: "bob@example.org"}}, Text: " \n\t"}
	silent := w.do(open).Opened[0]
	require.Zero(t, w.ticket(silent).Messages)
	require.Empty(t, w.outgoing())
	open.Attachments = []workflow.File{{Name: "log.txt", Content: []byte("a line")}}
	sent := w.do(open).Opened[0]
	event, _ := w.last(sent, "message")
	require.NotEmpty(t, event.(incident.Message).Content.MessageID)
	require.Len(t, w.outgoing(), 1)
	body, err := w.alice.Body(ctx, sent, 2)
	require.NoError(t, err)
	require.Contains(t, string(body), "(1 attachments)")
}

// A desk without a mailbox can ask for the removal of a block all the same: that no
// mail went out stands in a record.
func TestRuleThatCannotMail(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		janet(c)
		c.From = incident.Party{}
	})
	block := w.do(workflow.Open{Kind: incident.KindBlock, Status: "active", Parents: []incident.ID{w.incident()}, Requestors: []incident.Party{{Address: "noc@example.net"}}}).Opened[0]
	var refused *workflow.RefusedError
	require.ErrorAs(t, w.refused(workflow.Reply{Ticket: block, Text: "Hello."}), &refused)
	w.do(workflow.Move{Ticket: block, To: "pending removal"})
	w.status("pending removal", block)
	event, _ := w.last(block, "skipped")
	require.Equal(t, incident.Skipped{Rule: "request-block-removal", Command: "reply", Why: "this desk has no mailbox to send from: set Config.From"}, event)
	w.verify()
}

// A ticket that a rule may not open leaves its trace where the rule woke, and no
// number without a ticket.
func TestRuleThatMayNotOpen(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		janet(c)
		c.Policy.Rules = append(c.Policy.Rules, workflow.Rule{Name: "hasty", On: []string{"commented"}, Then: func(*workflow.Policy, workflow.Change, workflow.Facts, any) workflow.Verdict {
			return workflow.Verdict{Commands: []workflow.Command{workflow.Open{Kind: incident.KindIncident}}}
		}})
	})
	report := w.child(incident.KindReport)
	w.do(workflow.Comment{Ticket: report, Text: "What is this?"})
	event, _ := w.last(report, "skipped")
	require.Contains(t, event.(incident.Skipped).Why, "subject, Classification")
	require.Equal(t, report+1, w.child(incident.KindReport))
	w.verify()
}
