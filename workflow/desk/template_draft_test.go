package desk_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/xirl"
)

// airt:3.2-templates: the example of figure 4, with what an address and a log may bring.
func TestFigure4(t *testing.T) {
	w := newWorld(t, has(map[string]string{"honeypot": "UvT-CERT has detected that a computer known as\n\n@HOSTNAME@ [@IPADDRESS@]\n\ncontacts honeypot machines at Tilburg University.\n" +
		"--- Begin logfiles ---\n@LOGGING@\n--- End Logfiles ---\n"}))
	report := w.raw("sensor@example.org", "From: sensor@example.org\r\nSubject: Contact\r\nMessage-ID: <1@example.org>\r\n\r\nSource ip   : 10.12.14.16\r\nSource name: evil.example.com\r\n@HOSTNAME@ $1 \\1\r\n").Ticket
	inc := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Contact", Observables: []incident.Observable{
		{Kind: incident.Address, Value: "10.2.4.6", Role: incident.RoleSource}, {Kind: incident.Host, Value: "evil.example.com", Role: incident.RoleSource},
	}}, workflow.Link{Ticket: report, Parent: incident.Nth(1)}).Opened[0]
	opened, drafted, err := w.alice.DraftOpen(ctx, workflow.Open{Kind: incident.KindInvestigation, From: inc, Requestors: []incident.Party{{Address: "noc@example.com"}}}, desk.Beginning{Template: "honeypot"})
	require.NoError(t, err)
	require.Equal(t, desk.Drafted{Template: "honeypot"}, drafted)
	require.Equal(t, "UvT-CERT has detected that a computer known as\n\nevil.example.com [10.2.4.6]\n\ncontacts honeypot machines at Tilburg University.\n"+
		"--- Begin logfiles ---\nSource ip   : 10.12.14.16\nSource name: evil.example.com\n@HOSTNAME@ $1 \\1\n--- End Logfiles ---\n", opened.Text)
	inv := w.do(opened).Opened[0]
	require.Equal(t, opened.Text, w.letter(w.row()).Text)
	require.Equal(t, []incident.ID{inc}, w.ticket(inv).Parents)
	require.Equal(t, opened.Text, w.begins(inv, desk.Beginning{Template: "honeypot"}), "what the investigation lacks is its incident's")
}

// janet:3.12-stock-replies, rtir:articles/on-update: a stock reply is put before the
// quoted message, or in its place, edited, and sent.
func TestStockReply(t *testing.T) {
	w := newWorld(t, has(map[string]string{
		"thanks": "Thank you, @USERNAME@.\n\n@YOURNAME@\n", "elsewhere": "@SUBJECT@For you: @INCIDENTID@@ENDSUBJECT@\n@TO@Abuse <abuse@example.com>@ENDTO@\n@USERINFO@\n",
	}), func(c *desk.Config) {
		c.Team = append([]desk.Member{{Address: "alice@example.net", Actor: "handler:alice", Name: "Alice Example"}}, c.Team...)
	})
	inc := w.incident()
	for _, kind := range []incident.Kind{incident.KindReport, incident.KindInvestigation, incident.KindBlock} {
		id := w.do(workflow.Open{Kind: kind, Subject: "Scan", Parents: []incident.ID{inc}, Requestors: []incident.Party{{Name: "Bob", Address: "bob@example.org"}}}).Opened[0]
		w.raw("bob@example.org", "From: Bob <bob@example.org>\r\nSubject: "+tagged(id)+"\r\nMessage-ID: <"+string(kind)+"@example.org>\r\nDate: Mon, 2 Mar 2026 08:00:00 +0100\r\n\r\nPlease help.\r\n")
		require.Equal(t, "Thank you, Bob.\n\nAlice Example\n", w.begins(id, desk.Beginning{Template: "thanks"}))
		reply, drafted, err := w.alice.Draft(ctx, id, desk.Beginning{Template: "thanks", Quoted: true})
		require.NoError(t, err)
		require.Equal(t, desk.Drafted{Template: "thanks"}, drafted)
		require.Equal(t, "Thank you, Bob.\n\nAlice Example\n\nOn Mon, 2 Mar 2026 07:00 UTC, Bob wrote:\n> Please help.\n", reply.Text)
		reply.Text = strings.Replace(reply.Text, "Thank you", "We thank you", 1)
		w.do(reply)
		rows := w.rows(id)
		m := w.letter(rows[len(rows)-1])
		require.Equal(t, reply.Text, m.Text)
		require.Equal(t, "bob@example.org", m.To[0].Address)
	}
	inv := w.child(incident.KindInvestigation, inc)
	w.answer(inv)
	waiting := w.ticket(inv).OldestUnanswered
	require.NotNil(t, waiting)
	reply, _, err := w.alice.Draft(ctx, inv, desk.Beginning{Template: "elsewhere", Info: "We rang you."})
	require.NoError(t, err)
	require.Equal(t, workflow.Reply{Ticket: inv, To: []incident.Party{{Name: "Abuse", Address: "abuse@example.com"}}, Subject: "For you: A CSIRT #" + inv.String(), Text: "We rang you.\n"}, reply)
	w.do(reply)
	rows := w.rows(inv)
	require.Len(t, rows, 1)
	require.Equal(t, "abuse@example.com", rows[0].To, "and not the requestor")
	require.Equal(t, waiting, w.ticket(inv).OldestUnanswered, "he is not answered")
	w.do(workflow.Reply{Ticket: inv, To: []incident.Party{{Address: "BOB@example.org"}}, Text: "Yes."})
	require.Nil(t, w.ticket(inv).OldestUnanswered)
	require.ErrorContains(t, w.refused(workflow.Reply{Ticket: inv, To: []incident.Party{{Address: "nobody"}}, Text: "x"}), "mail addresses like bob@example.org")
	nobody := w.do(workflow.Open{Kind: incident.KindInvestigation, Subject: "Scan"}).Opened[0]
	require.ErrorContains(t, w.refused(workflow.Reply{Ticket: nobody, Text: "x"}), "it has no requestors")
	w.do(workflow.Reply{Ticket: nobody, To: []incident.Party{{Address: "bob@example.org"}}, Text: "x"})
}

// rtir:articles/on-create: a template is put into the first mail of each kind of child.
func TestTemplateOnCreate(t *testing.T) {
	w := newWorld(t, has(map[string]string{
		"first": "@SUBJECT@About @IPADDRESS@@ENDSUBJECT@\nSeen: @IPADDRESSLIST@ (@EXTIDS@)\n", "number": "We call it @INCIDENTID@.", "to": "@TO@noc@example.com@ENDTO@\nHello.",
	}), func(c *desk.Config) {
		c.Policy.OperationsCentre = incident.Party{Name: "NOC", Address: "noc@example.net"}
		c.Policy.Templates.Recipients = map[string]string{"noc@example.net": "number"}
	})
	inc := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scan", ExternalIDs: []string{"X-1", "_Y"}, Observables: sourceOf("192.0.2.7"), Contacts: []incident.Party{{Address: "carol@example.org"}}}).Opened[0]
	for _, kind := range []incident.Kind{incident.KindReport, incident.KindInvestigation, incident.KindBlock} {
		c := workflow.Open{Kind: kind, Parents: []incident.ID{inc}, Requestors: []incident.Party{{Address: "bob@example.org"}}}
		draft, drafted, err := w.alice.DraftOpen(ctx, c, desk.Beginning{Template: "first"})
		require.NoError(t, err)
		require.Equal(t, desk.Drafted{Template: "first"}, drafted)
		require.Equal(t, "About 192.0.2.7", draft.Subject)
		require.Equal(t, "Seen: 192.0.2.7 (X-1)\n", draft.Text)
		require.Equal(t, draft.Subject, w.ticket(w.do(draft).Opened[0]).Subject)
	}
	draft, _, err := w.alice.DraftOpen(ctx, workflow.Open{Kind: incident.KindInvestigation, From: inc, Text: "Mine."}, desk.Beginning{Template: "to"})
	require.NoError(t, err)
	require.Equal(t, "Mine.\n\nHello.", draft.Text)
	require.Equal(t, []incident.Party{{Address: "noc@example.com"}}, draft.Requestors)
	draft, _, err = w.alice.DraftOpen(ctx, workflow.Open{Kind: incident.KindInvestigation, From: inc}, desk.Beginning{Plain: true})
	require.NoError(t, err)
	prefilled, err := w.alice.Prefill(ctx, workflow.Open{Kind: incident.KindInvestigation, From: inc})
	require.NoError(t, err)
	require.Equal(t, prefilled, draft)
	_, _, err = w.alice.DraftOpen(ctx, workflow.Open{Kind: incident.KindIncident}, desk.Beginning{Template: "first"})
	require.ErrorContains(t, err, "an incident begins with a note and no mail")
	_, _, err = w.alice.DraftOpen(ctx, workflow.Open{Kind: incident.KindInvestigation, Parents: []incident.ID{99}}, desk.Beginning{Template: "first"})
	require.ErrorIs(t, err, storage.ErrNotFound)

	// A block is asked of the centre, which has its own template; its number is not known yet.
	block, drafted, err := w.alice.DraftOpen(ctx, workflow.Open{Kind: incident.KindBlock, Parents: []incident.ID{inc}}, desk.Beginning{})
	require.NoError(t, err)
	require.Equal(t, "We call it @INCIDENTID@.", block.Text)
	require.Equal(t, []string{"@INCIDENTID@"}, drafted.Unknown)
	w.desk.Policy().Templates.Unknown = workflow.RefuseUnknown
	_, _, err = w.alice.DraftOpen(ctx, workflow.Open{Kind: incident.KindBlock, Parents: []incident.ID{inc}}, desk.Beginning{})
	var wrong *mail.TemplateError
	require.ErrorAs(t, err, &wrong)
	require.ErrorContains(t, err, `the template "number" cannot be filled in: mail: template, line 1: no variable INCIDENTID`)
}

// Every variable has a value of the ticket; only those that are used are gathered, and
// data goes along in the formats that the program brings.
func TestTemplateFacts(t *testing.T) {
	all := ""
	for _, name := range mail.TemplateVariables() {
		all += name + "=@" + name + "@\n"
	}
	read := 0
	w := newWorldUnder(t, crooked{newWorld(t).store, func(r storage.Reader) storage.Reader { return counted{r, &read} }}, plain(), has(map[string]string{"all": all, "none": "Hello.", "evil": "@SUBJECT@@USERNAME@@ENDSUBJECT@\n@TO@abuse@@HOSTNAME@@ENDTO@\nx"}), func(c *desk.Config) { c.Formats = xirl.Formats() })
	report := w.raw("bob@example.org", "From: Bob Example <bob@example.org>\r\nSubject: Scan\r\nMessage-ID: <1@example.org>\r\n\r\nThe log.\r\n").Ticket
	open := workflow.Open{Kind: incident.KindIncident, Subject: "Scan", Constituency: "campus", Fields: map[string][]string{"Type": {"portscan"}}, ExternalIDs: []string{"X-1", "_Y"}, Observables: []incident.Observable{
		{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleSource}, {Kind: incident.Host, Value: "www.example.com", Role: incident.RoleSource},
		{Kind: incident.Address, Value: "2001:db8::7", Role: incident.RoleTarget}, {Kind: incident.Host, Value: "a.example.com", Role: incident.RoleTarget}, {Kind: incident.Host, Value: "b.example.com", Role: incident.RoleTarget},
	}}
	first := w.do(open).Opened[0]
	inc := w.do(open, workflow.Link{Ticket: report, Parent: incident.Nth(1)}).Opened[0]
	closed := w.do(open).Opened[0]
	w.do(workflow.Resolve{Ticket: closed})
	inv := w.do(workflow.Open{Kind: incident.KindInvestigation, Subject: "Scan", Parents: []incident.ID{inc}, Requestors: []incident.Party{{Name: "Bob Example", Address: "bob@example.org"}}}).Opened[0]
	text := w.begins(inv, desk.Beginning{Template: "all", Info: "We rang you."})
	for _, want := range []string{
		"HOSTNAME=www.example.com\n", "IPADDRESS=192.0.2.7\n", "IPADDRESSLIST=192.0.2.7 - www.example.com\n2001:db8::7\n", "LOGGING=The log.\n",
		"INCIDENTID=A CSIRT #" + inv.String() + "\n", "EXTIDS=X-1\n",
		"\nPREVIOUS=A CSIRT #2  portscan  2026-03-02\nA CSIRT #4  portscan  2026-03-02\n",
		"\nOTHER_OPEN=A CSIRT #2  X-1  portscan\nALL_OPEN=A CSIRT #2  X-1  portscan\nA CSIRT #3  X-1  portscan\n",
		"\nOTHER_OPEN_LIST=A CSIRT #2  portscan  2026-03-02  2026-03-02  192.0.2.7,2001:db8::7\nALL_OPEN_LIST=A CSIRT #2  portscan",
		"USERNAME=Bob Example\nUSEREMAIL=bob@example.org\nUSERINFO=We rang you.\nYOURNAME=alice\nYOURFIRSTNAME=alice\nXMLDATA=<?xml", "\nIODEF=<?xml",
	} {
		require.Contains(t, text, want)
	}
	require.Len(t, []incident.ID{first, inc, closed}, 3)
	read = 0
	w.begins(inv, desk.Beginning{Template: "none"})
	require.Zero(t, read, "no record is read for what is not used")

	reply, drafted, err := w.alice.Draft(ctx, inv, desk.Beginning{Plain: true, Attach: []string{"xirl", "airt", "iodef"}})
	require.NoError(t, err)
	require.Len(t, reply.Attachments, 3)
	for i, want := range []string{"xirl.xml application/xml", "airt.xml application/xml", "iodef.xml application/xml"} {
		require.Equal(t, want, reply.Attachments[i].Name+" "+reply.Attachments[i].Type)
	}
	require.Equal(t, []incident.Loss{{Field: "reporter", Count: 1}}, drafted.Lost, "of AIRT's form")
	for o, err := range xirl.XIRL().Decode(strings.NewReader(string(reply.Attachments[0].Content)), incident.Limits{}) {
		require.NoError(t, err)
		require.Equal(t, "A CSIRT #"+inv.String(), o.ID)
		require.Equal(t, "www.example.com", o.Endpoints[1].Host)
	}
	_, _, err = w.alice.Draft(ctx, inv, desk.Beginning{Attach: []string{"xarf"}})
	require.ErrorContains(t, err, "a report of type port_scan needs protocol, source_port", "no half of it goes along")
	reply.Text = "The data."
	w.do(reply)
	m := w.letter(w.row())
	require.Equal(t, "xirl.xml", m.Parts[1].Name)
	_, _, err = w.alice.Draft(ctx, inv, desk.Beginning{Attach: []string{"morse"}})
	require.ErrorContains(t, err, `it writes no data format "morse": allowed are xirl, airt, iodef, xarf`)

	// Nothing that a name brings can become a header or another recipient.
	w.do(workflow.Edit{Ticket: inv, Requestors: &[]incident.Party{{Name: "Bob\r\nBcc: eve@example.com", Address: "bob@example.org"}}})
	evil, _, err := w.alice.Draft(ctx, inv, desk.Beginning{Template: "evil"})
	require.NoError(t, err)
	require.NotContains(t, evil.Subject, "\n")
	require.Equal(t, []incident.Party{{Address: "abuse@www.example.com"}}, evil.To)
	w.do(evil)
	rows := w.rows(inv)
	sent := w.letter(rows[len(rows)-1])
	require.Empty(t, sent.Values("Bcc"))
	require.Equal(t, "abuse@www.example.com", rows[len(rows)-1].To)

	plainWorld := newWorld(t, has(map[string]string{"all": all}))
	inv = plainWorld.child(incident.KindInvestigation)
	_, drafted, err = plainWorld.alice.Draft(ctx, inv, desk.Beginning{Template: "all"})
	require.NoError(t, err)
	require.Equal(t, []string{"@XMLDATA@", "@IODEF@"}, drafted.Unknown, "the program brings no formats")
	_, _, err = plainWorld.alice.Draft(ctx, inv, desk.Beginning{Attach: []string{"xirl"}})
	require.ErrorContains(t, err, "this desk has none")
}

// The lists of a template hold what the session may see, and so does a log.
func TestTemplatesKeepSight(t *testing.T) {
	w := newWorldUnder(t, newWorld(t).store, workflow.Default(), has(map[string]string{"lists": "@PREVIOUS@\n@ALL_OPEN@\n@LOGGING@\n@IPADDRESSLIST@\n@EXTIDS@\n@XMLDATA@"}), func(c *desk.Config) { c.Formats = xirl.Formats() })
	open := func(constituency, number string) incident.ID {
		return w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scan", Constituency: constituency, Fields: classified, ExternalIDs: []string{number}, Observables: sourceOf("192.0.2.7")}).Opened[0]
	}
	hidden, shown := open("GOVNET", "GOV-1"), open("EDUNET", "EDU-1")
	w.do(workflow.Open{Kind: incident.KindReport, Subject: "Scan", Constituency: "GOVNET", Parents: []incident.ID{shown}, Text: "A hidden log.", Requestors: []incident.Party{{Address: "bob@example.org"}}})
	inv := w.do(workflow.Open{Kind: incident.KindInvestigation, Subject: "Scan", Constituency: "EDUNET", Parents: []incident.ID{shown}, Requestors: []incident.Party{{Address: "bob@example.org"}}}).Opened[0]
	lone := w.do(workflow.Open{Kind: incident.KindInvestigation, Subject: "Scan", Constituency: "EDUNET", Parents: []incident.ID{hidden}, Requestors: []incident.Party{{Address: "bob@example.org"}}}).Opened[0]
	all := w.begins(inv, desk.Beginning{Template: "lists"}) + w.begins(lone, desk.Beginning{Template: "lists"})
	require.Contains(t, all, "A hidden log.")
	require.Contains(t, all, "GOV-1")
	eve := w.desk.As("handler:eve", "duty-team:EDUNET")
	seen := ""
	for _, id := range []incident.ID{inv, lone} {
		reply, _, err := eve.Draft(ctx, id, desk.Beginning{Template: "lists"})
		require.NoError(t, err)
		seen += reply.Text
	}
	opened, _, err := eve.DraftOpen(ctx, workflow.Open{Kind: incident.KindInvestigation, From: shown}, desk.Beginning{Template: "lists"})
	require.NoError(t, err)
	for _, text := range []string{seen, opened.Text} {
		require.NotContains(t, text, "hidden log")
		require.NotContains(t, text, "GOV-1")
		require.NotContains(t, text, "A CSIRT #"+hidden.String()+"  ")
	}
	require.Contains(t, seen, "EDU-1")
	_, _, err = eve.Draft(ctx, hidden, desk.Beginning{Template: "lists"})
	require.ErrorIs(t, err, storage.ErrNotFound)
	_, _, err = eve.DraftOpen(ctx, workflow.Open{Kind: incident.KindInvestigation, Parents: []incident.ID{hidden}}, desk.Beginning{Template: "lists"})
	require.ErrorIs(t, err, storage.ErrNotFound)
}
