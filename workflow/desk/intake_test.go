package desk_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func TestFirstMail(t *testing.T) {
	w := newWorld(t)
	receipt := w.receive("Bob <bob@EXAMPLE.org>", "Scan", "Message-ID: <1@example.org>\r\n")
	require.Equal(t, &desk.Receipt{Ticket: 1, Version: 2, Verdict: mail.Verdict{
		Action: mail.OpenReport, Reason: mail.NewReport, Why: []string{"It has no tag of ours and answers no message that is known."},
	}}, receipt)
	report := w.ticket(1)
	require.Equal(t, "mail", report.Via)
	require.Equal(t, []incident.Party{{Name: "Bob", Address: "bob@example.org"}}, report.Requestors)
	require.Equal(t, []incident.Observable{{Kind: incident.Address, Value: "192.0.2.7"}}, report.Observables)
	require.Nil(t, report.Due, "nobody has replied yet")
	_, record := w.last(1, "message")
	require.Equal(t, incident.Correspondent, record.By)
}

func TestOurOwnAddressIsNoObservable(t *testing.T) {
	w := newWorld(t)
	receipt := w.raw("bob@example.org", "From: bob@example.org\r\n\r\nTo CSIRT@example.net: write to eve@example.com\r\n")
	require.Equal(t, []incident.Observable{{Kind: incident.MailAddress, Value: "eve@example.com"}}, w.ticket(receipt.Ticket).Observables)
}

func TestRequestors(t *testing.T) {
	for name, c := range map[string]struct {
		from, more string
		want       []incident.Party
	}{
		"sender":       {"bob@example.org", "", []incident.Party{{Address: "bob@example.org"}}},
		"reply-to":     {"bob@example.org", "Reply-To: Abuse <abuse@example.org>\r\n", []incident.Party{{Name: "Abuse", Address: "abuse@example.org"}}},
		"bounce":       {"MAILER-DAEMON@example.org", "", nil},
		"loop":         {"bob@example.org", "X-Airtight-Desk: A CSIRT\r\n", nil},
		"desk itself":  {"csirt@example.net", "", nil},
		"no address":   {"nobody", "", nil},
		"automatic":    {"bot@example.org", "Auto-Submitted: auto-generated\r\n", []incident.Party{{Address: "bot@example.org"}}},
		"reply to us":  {"bob@example.org", "Reply-To: csirt@example.net\r\n", nil},
		"first author": {"bob@example.org, eve@example.org", "Sender: eve@example.org\r\n", []incident.Party{{Address: "bob@example.org"}}},
	} {
		w := newWorld(t)
		require.Equal(t, c.want, w.ticket(w.receive(c.from, "Scan", c.more).Ticket).Requestors, name)
	}
}

func TestMailOfTheTeam(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		c.Team = []desk.Member{{Address: "@example.net"}, {Address: "alice@home.example", Actor: "handler:al"}}
	})
	forwarded := w.receive("Alice@Home.example", "Fwd: Scan", "").Ticket
	_, record := w.last(forwarded, "message")
	require.Equal(t, incident.Actor("handler:al"), record.By)
	message, _ := w.last(forwarded, "message")
	require.Equal(t, incident.Inside, message.(incident.Message).Side)
	require.Equal(t, incident.Nobody, w.ticket(forwarded).Owner, "mail gives nobody")
	require.Nil(t, w.ticket(forwarded).OldestUnanswered)

	inc := w.incident()
	note := w.receive("bob@example.net", tagged(inc), "")
	require.Equal(t, inc, note.Ticket, "the team may write to an incident")
	require.False(t, note.Held)
}

func TestHeldReports(t *testing.T) {
	w := newWorld(t)
	inc, other := w.incident(), w.child(incident.KindInvestigation)
	for name, c := range map[string]struct {
		subject string
		reason  string
		want    []incident.ID
	}{
		"unknown number":         {"Re: [A CSIRT #999]", mail.UnknownNumber, nil},
		"two numbers":            {fmt.Sprintf("[A CSIRT #%s] [A CSIRT #%s]", inc, other), mail.TwoTags, []incident.ID{inc, other}},
		"one known, one unknown": {fmt.Sprintf("[A CSIRT #%s] [A CSIRT #999]", other), mail.TwoTags, []incident.ID{other}},
		"incident from outside":  {tagged(inc), mail.IncidentNumber, []incident.ID{inc}},
	} {
		receipt := w.receive("eve@example.com", c.subject, "")
		require.True(t, receipt.Held, name)
		held := w.ticket(receipt.Ticket)
		require.Equal(t, &incident.Held{Reason: c.reason, Candidates: c.want}, held.Held, name)
		require.Equal(t, incident.KindReport, held.Kind, name)
		require.Equal(t, incident.Initial, held.Phase, name)
	}
	page, err := w.alice.NewUnlinked(ctx, nil)
	require.NoError(t, err)
	require.Len(t, page.Rows, 4)
	for _, row := range page.Rows {
		require.NotNil(t, row.Held, "held ones are marked")
	}
}

func TestDelivering(t *testing.T) {
	hold := func(w *world) incident.ID { return w.receive("eve@example.com", "Re: [A CSIRT #999]", "").Ticket }
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		inc := w.incident()

		accepted := hold(w)
		w.do(workflow.Deliver{Ticket: accepted, As: incident.Accepted})
		w.status("new", accepted)
		require.Nil(t, w.ticket(accepted).Held)

		rejected := hold(w)
		w.do(workflow.Deliver{Ticket: rejected, As: incident.Rejected})
		w.status("rejected", rejected)
		require.Nil(t, w.ticket(rejected).Held)

		attached := hold(w)
		w.do(workflow.Deliver{Ticket: attached, To: inc})
		w.status("open", attached)
		require.Equal(t, []incident.ID{inc}, w.ticket(attached).Parents)
		require.Equal(t, "opened message held delivered linked moved", w.types(attached))

		linked := hold(w)
		w.do(workflow.Link{Ticket: linked, Parent: inc})
		delivered, _ := w.last(linked, "delivered")
		require.Equal(t, incident.Delivered{Outcome: incident.Attached, To: inc}, delivered)

		for to, outcome := range map[incident.Status]incident.Outcome{"open": incident.Accepted, "rejected": incident.Rejected} {
			moved := hold(w)
			w.do(workflow.Move{Ticket: moved, To: to})
			delivered, _ = w.last(moved, "delivered")
			require.Equal(t, incident.Delivered{Outcome: outcome}, delivered)
			require.ErrorContains(t, w.refused(workflow.Deliver{Ticket: moved, As: incident.Accepted}), "it is not held")
		}
	})
}

// A reminder on a report that was merged meanwhile must not stop the sweep.
func TestReminderOfAMergedReport(t *testing.T) {
	w := newWorld(t)
	inv := w.child(incident.KindInvestigation)
	held := w.receive("eve@example.com", "Re: [A CSIRT #999]", "").Ticket
	w.do(workflow.Edit{Ticket: held, Wake: hours(w, 1)}, workflow.Deliver{Ticket: held, To: inv})
	w.now = *hours(w, 2)
	done, err := w.desk.Sweep(ctx, 10)
	require.NoError(t, err)
	require.Equal(t, 2, done, "the reminder, and the due date of the investigation")
	done, err = w.desk.Sweep(ctx, 10)
	require.NoError(t, err)
	require.Zero(t, done)
}

func TestStrangersAreFlagged(t *testing.T) {
	w := newWorld(t)
	inv := w.child(incident.KindInvestigation)
	w.answer(inv)
	message, _ := w.last(inv, "message")
	require.Empty(t, message.(incident.Message).Flags)
	receipt := w.receive("eve@example.com", tagged(inv), "")
	require.Equal(t, mail.AppendFlagged, receipt.Verdict.Action)
	message, _ = w.last(inv, "message")
	require.Equal(t, []string{"stranger"}, message.(incident.Message).Flags)
	require.Contains(t, message.(incident.Message).Content.Why, fmt.Sprintf("The sender has no part in ticket %s so far.", inv))
}

func TestTheSameBytesAgain(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		raw := "From: bob@example.org\r\nSubject: Scan\r\n\r\nno Message-ID\r\n"
		first := w.raw("bob@example.org", raw)
		w.do(workflow.Move{Ticket: first.Ticket, To: "rejected"})
		again := w.raw("bob@example.org", raw)
		require.True(t, again.Again)
		require.Equal(t, first.Ticket, again.Ticket)
		noted, _ := w.last(first.Ticket, "received-again")
		require.Equal(t, "bytes", noted.(incident.ReceivedAgain).Same)
		require.Empty(t, noted.(incident.ReceivedAgain).Blobs)
		w.status("rejected", first.Ticket)
		require.Equal(t, 1, w.ticket(first.Ticket).Messages)
		require.Len(t, w.tickets(), 1)
	})
}

func (w *world) tickets() []incident.Ticket {
	found, err := w.alice.Find(ctx, storage.Query{})
	require.NoError(w.t, err)
	return found
}

func TestTheSameMessageByAnotherWay(t *testing.T) {
	w := newWorld(t)
	raw := func(received, text string) string {
		return "Received: " + received + "\r\nFrom: bob@example.org\r\nDate: Mon, 02 Mar 2026 08:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nSubject: Scan\r\n\r\n" + text + "\r\n"
	}
	first := w.raw("bob@example.org", raw("by abuse.example.net", "A scan."))
	second := w.raw("bob@example.org", raw("by cert.example.net", "A scan."))
	require.True(t, second.Again)
	require.Equal(t, first.Ticket, second.Ticket)
	noted, record := w.last(first.Ticket, "received-again")
	require.Equal(t, "message", noted.(incident.ReceivedAgain).Same)
	require.Equal(t, "1@example.org", noted.(incident.ReceivedAgain).Content.MessageID)
	body, err := w.alice.Body(ctx, first.Ticket, record.Version)
	require.NoError(t, err)
	require.Equal(t, raw("by cert.example.net", "A scan."), string(body), "the second copy is kept")
	third := w.raw("bob@example.org", raw("by cert.example.net", "A scan."))
	require.True(t, third.Again)
	noted, _ = w.last(first.Ticket, "received-again")
	require.Equal(t, "bytes", noted.(incident.ReceivedAgain).Same)

	// The same text under another subject is another message.
	renamed := w.raw("bob@example.org", strings.Replace(raw("by cert.example.net", "A scan."), "Subject: Scan", "Subject: Another scan", 1))
	require.False(t, renamed.Again)

	// Somebody else's Message-ID suppresses nothing.
	other := w.raw("eve@example.com", raw("by cert.example.net", "Something else."))
	require.False(t, other.Again)
	require.NotEqual(t, first.Ticket, other.Ticket)
	message, _ := w.last(other.Ticket, "message")
	require.Contains(t, message.(incident.Message).Content.Findings, fmt.Sprintf("its Message-ID is that of another message, on ticket %s", first.Ticket))
	require.Equal(t, first.Ticket, w.receive("bob@example.org", "Re: Scan", "In-Reply-To: <1@example.org>\r\n").Ticket, "the first one keeps its answers")
}

func TestThreadingByReferences(t *testing.T) {
	w := newWorld(t)
	root := w.receive("bob@example.org", "Scan", "Message-ID: <1@example.org>\r\n").Ticket
	require.Equal(t, root, w.receive("bob@example.org", "Scan", "Message-ID: <2@example.org>\r\nReferences: <0@x> <1@example.org>\r\n").Ticket)
	require.Equal(t, root, w.receive("bob@example.org", "Scan", "In-Reply-To: <2@example.org>\r\n").Ticket)
	require.Equal(t, root, w.receive("bob@example.org", "Scan", "References: <0@x>\r\n").Ticket, "another answer to a message that we have not seen")

	other := w.receive("eve@example.com", "Other", "Message-ID: <5@example.com>\r\n").Ticket
	require.Equal(t, other, w.receive("eve@example.com", "Re: both", "References: <1@example.org> <5@example.com>\r\n").Ticket, "the nearest reference counts")

	w.do(workflow.Reply{Ticket: root, Text: "Thank you."})
	sent, _ := w.last(root, "message")
	require.Equal(t, []string{"2@example.org"}, sent.(incident.Message).Content.InReplyTo)
	id := sent.(incident.Message).Content.MessageID
	require.Equal(t, root, w.receive("bob@example.org", "without tag", "References: <"+id+">\r\n").Ticket)
}

func TestAnswerBeforeTheQuestion(t *testing.T) {
	w := newWorld(t)
	answer := w.receive("bob@example.org", "Re: Scan", "Message-ID: <2@example.org>\r\nIn-Reply-To: <1@example.com>\r\n")
	require.Equal(t, mail.OpenReport, answer.Verdict.Action)
	question := w.receive("eve@example.com", "Scan", "Message-ID: <1@example.com>\r\n")
	require.Equal(t, answer.Ticket, question.Ticket)
	require.Equal(t, mail.ByReply, question.Verdict.Reason)
}

func TestOurOwnMailComesBack(t *testing.T) {
	w := newWorld(t)
	inv := w.child(incident.KindInvestigation)
	w.do(workflow.Reply{Ticket: inv, Text: "Hello."})
	_, record := w.last(inv, "message")
	raw, err := w.alice.Body(ctx, inv, record.Version)
	require.NoError(t, err)
	receipt := w.raw("csirt@example.net", string(raw))
	require.Equal(t, inv, receipt.Ticket)
	require.True(t, receipt.Machine)
	message, _ := w.last(inv, "message")
	require.Contains(t, message.(incident.Message).Flags, "loop")
	require.Len(t, w.outgoing(), 1, "nothing goes out for it")
}

// A rule that fails on mail is our own fault: the mail is kept for a person.
func TestFailingRulesHoldTheMail(t *testing.T) {
	chase := workflow.Rule{Name: "chase", On: []string{"message", "commented"},
		Then: func(_ *workflow.Policy, c workflow.Change, _ workflow.Facts, _ any) workflow.Verdict {
			return workflow.Verdict{Commands: []workflow.Command{workflow.Comment{Ticket: c.After.ID, Text: "again"}}}
		}}
	unasked := workflow.Rule{Name: "careless", On: []string{"message"},
		Then: func(_ *workflow.Policy, c workflow.Change, f workflow.Facts, _ any) workflow.Verdict {
			f.Parents(c.After.ID)
			return workflow.Verdict{}
		}}
	pointer := workflow.Rule{Name: "pointer", On: []string{"message"},
		Then: func(_ *workflow.Policy, c workflow.Change, _ workflow.Facts, _ any) workflow.Verdict {
			return workflow.Verdict{Commands: []workflow.Command{&workflow.Take{Ticket: c.After.ID}}}
		}}
	nowhere := workflow.Rule{Name: "nowhere", On: []string{"message"},
		Then: func(*workflow.Policy, workflow.Change, workflow.Facts, any) workflow.Verdict {
			return workflow.Verdict{Commands: []workflow.Command{workflow.Take{Ticket: 4711}}}
		}}
	for _, rule := range []workflow.Rule{chase, unasked, pointer, nowhere} {
		w := newWorld(t, func(c *desk.Config) {
			c.Policy = plain()
			c.Policy.Rules = append(c.Policy.Rules, rule)
		})
		inv := w.child(incident.KindInvestigation)
		receipt := w.answer(inv)
		require.True(t, receipt.Held, rule.Name)
		require.Equal(t, &incident.Held{Reason: "failed", Candidates: []incident.ID{inv}}, w.ticket(receipt.Ticket).Held)
		message, _ := w.last(receipt.Ticket, "message")
		require.Contains(t, fmt.Sprint(message.(incident.Message).Content.Why), "It could not be handled: ")
		require.Less(t, len(fmt.Sprint(message.(incident.Message).Content.Why)), 1000)
		require.Equal(t, uint64(1), w.ticket(inv).Version, "and nothing else was done")
	}
	w := newWorld(t, func(c *desk.Config) {
		c.Policy = plain()
		c.Policy.Rules = append(c.Policy.Rules, chase)
	})
	report := w.child(incident.KindReport)
	var loop *workflow.LoopError
	require.ErrorAs(t, w.refused(workflow.Comment{Ticket: report, Text: "x"}), &loop)
	require.Equal(t, []string{"chase"}, loop.Rules)
	require.ErrorContains(t, loop, "the rules chase may chase each other")

	bounded := newWorld(t, func(c *desk.Config) {
		c.Policy = plain()
		c.Policy.MaxSteps = 20
		c.Policy.Rules = append(c.Policy.Rules, chase)
	})
	report = bounded.child(incident.KindReport)
	require.ErrorAs(t, bounded.refused(workflow.Comment{Ticket: report, Text: "x"}), &loop)
	require.Equal(t, 20, loop.Steps)
}

// What is not our own fault comes back to the caller, who tries again.
func TestStoreFaultsAreTheSendersToRepeat(t *testing.T) {
	w := newWorld(t)
	broken := errors.New("disk full")
	d, err := desk.New(failing{w.store, broken}, desk.Config{})
	require.NoError(t, err)
	_, err = d.Receive(ctx, mail.Envelope{}, []byte("From: a@example.org\r\n\r\nx"))
	require.ErrorIs(t, err, broken)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = w.desk.Receive(cancelled, mail.Envelope{}, []byte("From: a@example.org\r\n\r\nx"))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, w.tickets())
}

type failing struct {
	storage.Store
	err error
}

func (f failing) Update(context.Context, func(context.Context, storage.Tx) error) error { return f.err }

// The desk's own tag is no foreign one, whether the desk or its policy names it.
func TestOwnTagsAreNotForeign(t *testing.T) {
	w := newWorld(t, janet, func(c *desk.Config) {
		policy := *c.Policy
		policy.Tags = []string{"Old Name"}
		c.Policy = &policy
	})
	inv := w.child(incident.KindInvestigation, w.incident())
	w.receive("bob@example.org", tagged(inv)+" [Old Name #7] [Other #9]", "")
	ticket, err := w.alice.Ticket(ctx, inv)
	require.NoError(t, err)
	require.Equal(t, "Scan [Other #9]", ticket.Subject)
}
