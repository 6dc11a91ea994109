package desk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func forTwo(c *desk.Config) {
	c.Recipients = []desk.Recipient{
		{Address: "plain@example.net"},
		{Address: "uni@example.net", Constituency: "university"},
		{Address: "@college.example", Constituency: "college"},
		{Address: "late@college.example", Constituency: "never asked"},
	}
	c.Team = []desk.Member{{Address: "alice@college.example"}}
}

func TestConstituencyByRecipient(t *testing.T) {
	const header = "From: bob@example.org\r\nTo: UNI@example.net\r\nCc: x@college.example\r\n"
	for name, c := range map[string]struct {
		to   []string
		want string
		why  []string
	}{
		"one":            {[]string{"Uni@Example.NET"}, "university", []string{"Its constituency is university, because it was sent to Uni@Example.NET."}},
		"domain":         {[]string{"anybody@college.example"}, "college", []string{"Its constituency is college, because it was sent to anybody@college.example."}},
		"first fits":     {[]string{"late@college.example"}, "college", []string{"Its constituency is college, because it was sent to late@college.example."}},
		"none":           {[]string{"plain@example.net", "csirt@example.net", "elsewhere", ""}, "", nil},
		"second decides": {[]string{"csirt@example.net", "uni@example.net"}, "university", []string{"Its constituency is university, because it was sent to uni@example.net."}},
		"two": {[]string{"a@college.example", "uni@example.net", "b@college.example"}, "college", []string{
			"Its constituency is college, because it was sent to a@college.example.",
			"It was sent to uni@example.net of constituency university as well."}},
		"no envelope": {nil, "university", []string{
			"Its constituency is university, because it was sent to UNI@example.net.",
			"It was sent to x@college.example of constituency college as well."}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, forTwo)
			receipt, err := w.desk.Receive(ctx, mail.Envelope{From: "bob@example.org", To: c.to}, []byte(header+"\r\nx"))
			require.NoError(t, err)
			require.Equal(t, c.want, w.ticket(receipt.Ticket).Constituency)
			event, _ := w.last(receipt.Ticket, "message")
			require.Equal(t, append([]string{}, c.why...), event.(incident.Message).Content.Why[1:], "behind the reason for a new report")
		})
	}
}

// A ticket keeps the constituency that it has.
func TestAnAnswerMovesNoConstituency(t *testing.T) {
	w := newWorld(t, forTwo)
	report := w.receive("bob@example.org", "Scan", "").Ticket
	_, err := w.desk.Receive(ctx, mail.Envelope{To: []string{"uni@example.net"}}, []byte("From: bob@example.org\r\nSubject: "+tagged(report)+"\r\n\r\nx"))
	require.NoError(t, err)
	require.Equal(t, "", w.ticket(report).Constituency)
}

// No mailbox that we take mail for is written to, or taken for a suspect; the
// mailbox of a handler in such a domain is.
func TestRecipientsAreOurselves(t *testing.T) {
	w := newWorld(t, forTwo)
	receipt := w.raw("bob@example.org", "From: bob@example.org\r\nReply-To: uni@example.net\r\n\r\nuni@example.net, x@college.example, alice@college.example and eve@example.com\r\n")
	report := w.ticket(receipt.Ticket)
	require.Nil(t, report.Requestors)
	require.Equal(t, []incident.Observable{
		{Kind: incident.MailAddress, Value: "alice@college.example"}, {Kind: incident.MailAddress, Value: "eve@example.com"},
	}, report.Observables)

	w.do(workflow.Edit{Ticket: report.ID, Requestors: &[]incident.Party{{Address: "bob@example.org"}, {Address: "uni@example.net"}}})
	w.do(workflow.Reply{Ticket: report.ID, Text: "x"})
	require.Len(t, w.outgoing(), 1)
	require.Equal(t, "bob@example.org", w.outgoing()[0].To)
}
