package desk_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// lastMail is the newest message of a ticket, taken apart.
func (w *world) lastMail(id incident.ID) (incident.Message, *mail.Message) {
	w.t.Helper()
	ev, record := w.last(id, "message")
	raw, err := w.alice.Body(ctx, id, record.Version)
	require.NoError(w.t, err)
	m, err := mail.Parse(raw, mail.Limits{})
	require.NoError(w.t, err)
	return ev.(incident.Message), m
}

func TestResend(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store, janetTeam)
		inc := w.incident()
		text := "Grüße,\n\nFrom here on  \n.\n-- \nA CSIRT  " + strings.Repeat("x", 200) + "\nbegin 644 x\n#0V%T\n`\nend\n"
		files := []workflow.File{
			{Name: "log.txt", Type: "text/plain", Content: []byte("192.0.2.7 logged in\r\nÜ")},
			{Name: "Übersicht.bin", Type: "application/octet-stream", Content: []byte{0, 1, 2, '\n', 255}},
		}
		inv := w.do(workflow.Open{Kind: incident.KindInvestigation, Subject: "Scan", Parents: []incident.ID{inc},
			Requestors: []incident.Party{{Address: "noc@example.com"}}, Text: text, Attachments: files}).Opened[0]
		first, one := w.lastMail(inv)
		for n := range 3 { // the last mail is one that was sent again
			w.do(workflow.Resend{Ticket: inv, To: []incident.Party{{Address: "manager@example.com"}, {Address: "NOC@example.com"}}, Cc: []incident.Party{{Address: "abuse@example.com"}}})
			again, two := w.lastMail(inv)
			require.Equal(t, one.Text, two.Text)
			require.Len(t, two.Parts, len(one.Parts))
			for i, part := range one.Parts {
				require.Equal(t, part, two.Parts[i])
			}
			require.NotEqual(t, first.Content.MessageID, again.Content.MessageID)
			require.Equal(t, first.Content.Subject, again.Content.Subject)
			require.Equal(t, first.Content.MessageID, again.Content.References[0], "they know the thread")
			require.Len(t, again.Content.References, n+1)
			require.Equal(t, []incident.Party{{Address: "noc@example.com"}, {Address: "manager@example.com"}}, again.Content.To)
			require.Equal(t, []incident.Party{{Address: "abuse@example.com"}}, again.Content.Cc)
			require.Equal(t, again.Content.To, w.ticket(inv).Requestors, "who is asked may answer")
			require.Empty(t, w.ticket(inv).Cc)
			require.Equal(t, w.now.AddDate(0, 0, 7), *w.ticket(inv).Due)
		}
		chasing, err := w.alice.Chasing(ctx, inv)
		require.NoError(t, err)
		require.Equal(t, workflow.Chasing{Resent: 3}, chasing)

		require.Equal(t, inv, w.receive("manager@example.com", "Re: Scan", "In-Reply-To: <"+first.Content.MessageID+">\r\n").Ticket)
		due := w.ticket(inv).Due
		w.do(workflow.Resend{Ticket: inv})
		require.Equal(t, due, w.ticket(inv).Due, "whoever waits gets no answer by it")
		require.NotNil(t, w.ticket(inv).OldestUnanswered)
	})
}

func TestResendIsRefused(t *testing.T) {
	w := newWorld(t, janetTeam)
	inc := w.incident()
	inv := w.child(incident.KindInvestigation, inc)
	require.ErrorContains(t, w.refused(workflow.Resend{Ticket: inc}), "an incident has no correspondents")
	require.ErrorContains(t, w.refused(workflow.Resend{Ticket: inv}), "it has sent no mail so far")
	w.do(workflow.Reply{Ticket: inv, Text: "x"}, workflow.Edit{Ticket: inv, Requestors: &[]incident.Party{}})
	require.ErrorContains(t, w.refused(workflow.Resend{Ticket: inv}), "it has no requestors")
	require.ErrorContains(t, w.refused(workflow.Resend{Ticket: inv, To: []incident.Party{{Address: "noc"}}}), "allowed is mail addresses like")
	w.do(workflow.Resend{Ticket: inv, To: []incident.Party{{Address: "noc@example.com"}}})
	w.bounced(w.sentID(inv), groups("failed", "5.1.1", "noc@example.com"))
	require.ErrorContains(t, w.refused(workflow.Resend{Ticket: inv}), "mail to all its recipients comes back")
	result := w.do(workflow.Resend{Ticket: inv, To: []incident.Party{{Address: "manager@example.com"}}})
	require.Len(t, result.Warnings, 1)
}

// Only what the others let pass counts, and a merge changes nothing about it.
func TestChasing(t *testing.T) {
	w := newWorld(t, janetTeam)
	counts := func(id incident.ID) workflow.Chasing {
		c, err := w.alice.Chasing(ctx, id)
		require.NoError(t, err)
		return c
	}
	pass := func() {
		w.now = w.now.AddDate(0, 0, 8)
		w.sweep()
	}
	inc := w.incident()
	silent := w.child(incident.KindInvestigation, inc)
	w.do(workflow.Edit{Ticket: silent, Due: hours(w, 1)})
	pass()
	require.Zero(t, counts(silent), "we have written nothing yet")

	inv, _ := w.investigate("noc@example.com")
	pass()
	pass() // the same date
	require.Equal(t, workflow.Chasing{Timeouts: 1}, counts(inv))
	w.do(workflow.Resend{Ticket: inv})
	pass()
	require.Equal(t, workflow.Chasing{Timeouts: 2, Resent: 1}, counts(inv))
	w.receive("noc@example.com", tagged(inv), "")
	pass()
	require.Equal(t, workflow.Chasing{Timeouts: 2, Resent: 1}, counts(inv), "they wait for us")
	w.do(workflow.Reply{Ticket: inv, Text: "And now?"})
	pass()
	require.Equal(t, workflow.Chasing{Timeouts: 3, Resent: 1}, counts(inv))

	report := w.receive("bob@example.org", "Scan", "").Ticket
	w.do(workflow.Take{Ticket: report}, workflow.Merge{Ticket: report, Into: inv})
	w.do(workflow.Edit{Ticket: inv, Due: hours(w, 1)})
	pass()
	require.Equal(t, workflow.Chasing{Timeouts: 3, Resent: 1}, counts(inv), "somebody waits since the merge")
	page, err := w.alice.Children(ctx, w.ticket(inv).Parents[0], false, nil)
	require.NoError(t, err)
	require.Equal(t, counts(inv), page.Rows[0].Chasing)
}

// What was encrypted is kept as it was written, and encrypted again for everybody who
// gets it.
func TestResendOfWhatWasEncrypted(t *testing.T) {
	k := newKeyed(t, sealing(workflow.Seal{}, workflow.Seal{Encrypt: always}, workflow.Seal{}))
	carol := newPerson(t, "carol@example.org", k.bob.now)
	k.desk.knows(carol)
	inv := k.do(workflow.Open{Kind: incident.KindInvestigation, Parents: []incident.ID{k.incident()}, Requestors: []incident.Party{{Address: k.bob.address}}, Text: reply}).Opened[0]
	k.do(workflow.Resend{Ticket: inv, To: []incident.Party{{Address: "carol@example.org"}}})
	require.Len(t, k.mails()[k.bob.address], 2)
	for _, who := range []*person{k.bob, carol} {
		mails := k.mails()[who.address]
		opened, m := who.reads(mails[len(mails)-1])
		require.True(t, opened.Layers[0].Encrypted, who.address)
		require.Contains(t, m.Text, reply)
	}
}
