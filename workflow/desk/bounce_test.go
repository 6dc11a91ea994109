package desk_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// janetTeam is the preset, with a mailbox of whoever is on duty.
func janetTeam(c *desk.Config) {
	janet(c)
	c.Team = append([]desk.Member{{Address: "duty@example.net", Actor: incident.Duty}, {Address: "alice@example.net"}}, c.Team...)
}

// investigate launches an investigation to some addresses and returns it with the
// Message-ID of its mail.
func (w *world) investigate(to ...string) (inv incident.ID, messageID string) {
	w.t.Helper()
	var requestors []incident.Party
	for _, address := range to {
		requestors = append(requestors, incident.Party{Address: address})
	}
	inv = w.do(workflow.Open{Kind: incident.KindInvestigation, Subject: "Scan", Parents: []incident.ID{w.incident()}, Requestors: requestors, Text: "Please look."}).Opened[0]
	return inv, w.sentID(inv)
}

// sentID is the Message-ID of the newest mail that a ticket has sent.
func (w *world) sentID(id incident.ID) string {
	w.t.Helper()
	sent, _ := w.last(id, "message")
	require.True(w.t, sent.(incident.Message).Sent)
	return sent.(incident.Message).Content.MessageID
}

// groups are the parts of a report about recipients.
func groups(action, status string, to ...string) string {
	var b strings.Builder
	for _, address := range to {
		fmt.Fprintf(&b, "\r\nFinal-Recipient: rfc822; %s\r\nAction: %s\r\nStatus: %s\r\n", address, action, status)
	}
	return b.String()
}

// dsn is a delivery report on the mail with a Message-ID.
func dsn(n int, about, recipients string) string {
	return fmt.Sprintf("From: Mail Delivery System <mailer-daemon@example.com>\r\nTo: csirt@example.net\r\nSubject: Undelivered Mail Returned to Sender\r\n"+
		"Message-ID: <dsn-%d@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n"+
		"--b\r\nContent-Type: text/plain\r\n\r\nI'm sorry to have to inform you that your message could not be delivered.\r\n\r\n"+
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n%s\r\n"+
		"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: csirt@example.net\r\nSubject: Scan\r\nMessage-ID: <%s>\r\n\r\n--b--\r\n", n, recipients, about)
}

// bounced takes in a report on a mail.
func (w *world) bounced(about, recipients string) *desk.Receipt {
	w.t.Helper()
	w.letters++
	return w.raw("", dsn(w.letters, about, recipients))
}

// marked are the addresses that are defective.
func (w *world) marked() (addresses []string) {
	w.t.Helper()
	list, err := w.alice.DefectiveAddresses(ctx)
	require.NoError(w.t, err)
	for _, d := range list {
		addresses = append(addresses, d.Address)
	}
	return addresses
}

// marks is how often any address was marked.
func (w *world) marks() (n int) {
	w.t.Helper()
	require.NoError(w.t, w.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		list, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{incident.Desk}, Types: []string{"address-marked"}})
		n = len(list)
		return err
	}))
	return n
}

func (w *world) told(id incident.ID) int {
	return strings.Count(w.types(id)+" ", "notified ")
}

func TestBounceOfOurMail(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store, janetTeam)
		inv, id := w.investigate("NOC@example.com", "abuse@example.com")
		before := w.ticket(inv)
		receipt := w.bounced(id, groups("failed", "5.1.1", "noc@EXAMPLE.com"))
		require.Equal(t, inv, receipt.Ticket)
		require.Equal(t, mail.Append, receipt.Verdict.Action)
		require.True(t, receipt.Machine)
		bounced, record := w.last(inv, "bounced")
		require.Equal(t, incident.Bounced{Ticket: inv, Mail: 2, Action: "failed", Reason: "mailbox", Status: "5.1.1",
			Content: incident.BouncedContent{Address: "NOC@example.com"}}, bounced)
		require.Equal(t, incident.Correspondent, record.By)
		message, _ := w.last(inv, "message")
		require.Equal(t, []string{"bounce"}, message.(incident.Message).Flags)
		after := w.ticket(inv)
		require.Equal(t, []any{before.Due, before.LastOutside, before.OldestUnanswered, before.Status},
			[]any{after.Due, after.LastOutside, after.OldestUnanswered, after.Status}, "it moves no dates")

		list, err := w.alice.DefectiveAddresses(ctx)
		require.NoError(t, err)
		require.Equal(t, []desk.DefectiveAddress{{Address: "NOC@example.com", Reason: "mailbox", Status: "5.1.1", Ticket: inv, Version: record.Version, Since: w.now}}, list)
		bad, err := w.alice.Defective(ctx, inv)
		require.NoError(t, err)
		require.Equal(t, []string{"NOC@example.com"}, bad)
		page, err := w.alice.Children(ctx, before.Parents[0], false, nil)
		require.NoError(t, err)
		require.Equal(t, bad, page.Rows[0].Defective)
		told, _ := w.last(inv, "notified")
		require.Equal(t, incident.Actor("handler:alice"), told.(incident.Notified).To)
		require.Equal(t, 1, w.told(inv))

		w.bounced(id, groups("failed", "5.1.1", "noc@example.com"))
		require.Equal(t, 1, w.marks(), "it is marked once")
		require.Equal(t, 2, w.told(inv))

		// Cleared and marked as often as people and mail systems like.
		for range 3 {
			w.do(workflow.ClearAddress{Address: "noc@Example.com"})
			require.Empty(t, w.marked())
			require.Empty(t, w.do(workflow.ClearAddress{Address: "noc@example.com"}).Records, "it is so already")
			w.do(workflow.Reply{Ticket: inv, Text: "Hello?"})
			w.bounced(w.sentID(inv), groups("failed", "5.1.2", "noc@example.com"))
			require.Equal(t, []string{"NOC@example.com"}, w.marked())
		}
	})
}

// What a report says counts for nothing where it is not about a mail of ours to that
// address.
func TestBouncesThatAreNotBelieved(t *testing.T) {
	w := newWorld(t, janetTeam)
	inv, id := w.investigate("noc@example.com")
	theirs := w.receive("bob@example.org", "Scan", "Message-ID: <theirs@example.org>\r\n").Ticket
	failed := groups("failed", "5.1.1", "noc@example.com")

	for name, about := range map[string]string{"forged": "0123.2@example.net", "of somebody else": "theirs@example.org", "of a bounce": "dsn-1@example.com", "of nothing": ""} {
		receipt := w.bounced(about, failed)
		require.True(t, receipt.Held, name)
		require.Equal(t, "bounce", w.ticket(receipt.Ticket).Held.Reason, name)
		require.Equal(t, "bounce", w.ticket(receipt.Ticket).Via, name)
		require.Empty(t, w.ticket(receipt.Ticket).Requestors, name)
	}
	require.NotContains(t, w.types(theirs), "bounced")

	receipt := w.bounced(id, groups("failed", "5.1.1", "ceo@example.com"))
	require.Equal(t, inv, receipt.Ticket)
	require.Equal(t, mail.AppendFlagged, receipt.Verdict.Action)
	require.Equal(t, "It names nobody whom that mail was sent to.", receipt.Verdict.Why[1])
	for action, status := range map[string]string{"delayed": "4.4.1", "delivered": "2.0.0"} {
		require.Equal(t, inv, w.bounced(id, groups(action, status, "noc@example.com")).Ticket)
		bounced, _ := w.last(inv, "bounced")
		require.Equal(t, action, bounced.(incident.Bounced).Action)
	}
	require.Equal(t, inv, w.bounced(id, groups("failed", "5.2.2", "noc@example.com")).Ticket)
	require.Empty(t, w.marked(), "a full mailbox says nothing about the next mail")
	require.Equal(t, 1, w.told(inv))

	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("nobody-%d@example.com", i))
	}
	before := len(w.history(inv))
	w.bounced(id, groups("failed", "5.1.1", append(many[:999], "noc@example.com")...))
	require.Equal(t, []string{"noc@example.com"}, w.marked())
	require.Equal(t, before+3, len(w.history(inv)), "a message, one outcome, one notice")

	// The same report once more is a note.
	again := w.raw("", dsn(w.letters, id, groups("failed", "5.1.1", append(many[:999], "noc@example.com")...)))
	require.True(t, again.Again)
}

// Where tickets are stricter with strangers, so they are with a report that names
// nobody.
func TestBounceUnderATrustfulPolicy(t *testing.T) {
	w := newWorld(t, janetTeam, func(c *desk.Config) { c.Policy.MailTrust.Append = incident.TrustKnown })
	inv, id := w.investigate("noc@example.com")
	require.True(t, w.bounced(id, groups("failed", "5.1.1", "ceo@example.com")).Held)
	require.Equal(t, inv, w.bounced(id, groups("failed", "5.1.1", "noc@example.com")).Ticket)
}

func TestBounceOfMergedAndClosed(t *testing.T) {
	w := newWorld(t, janetTeam)
	into, _ := w.investigate("abuse@example.com")
	inv, id := w.investigate("noc@example.com")
	w.do(workflow.Merge{Ticket: inv, Into: into}, workflow.Resolve{Ticket: into})
	receipt := w.bounced(id, groups("failed", "5.1.1", "noc@example.com"))
	require.Equal(t, into, receipt.Ticket)
	bounced, _ := w.last(into, "bounced")
	require.Equal(t, inv, bounced.(incident.Bounced).Ticket, "the mail is on the other one")
	w.status(workflow.StatusResolved, into, inv)
	require.Equal(t, []string{"noc@example.com"}, w.marked())
}

// A notice comes back as well, which is told to nobody: it might come back again.
func TestBounceOfANotice(t *testing.T) {
	w := newWorld(t, janetTeam)
	report := w.receive("bob@example.org", "Scan", "").Ticket
	w.answer(report)
	require.Equal(t, 1, w.told(report))
	notice, record := w.last(report, "notified")
	require.Equal(t, incident.Duty, notice.(incident.Notified).To)
	raw, err := w.alice.Body(ctx, report, record.Version)
	require.NoError(t, err)
	sent, _ := mail.Parse(raw, mail.Limits{})
	for range 2 {
		require.Equal(t, report, w.bounced(sent.MessageID, groups("failed", "5.1.1", "duty@example.net")).Ticket)
	}
	bounced, _ := w.last(report, "bounced")
	require.True(t, bounced.(incident.Bounced).Notice)
	require.Equal(t, 1, w.told(report))
	require.Equal(t, []string{"duty@example.net"}, w.marked())

	inc := w.incident()
	_, err = w.desk.As("handler:bob").Do(ctx, workflow.Steal{Ticket: inc}, workflow.Assign{Ticket: inc, To: "handler:alice"})
	require.NoError(t, err)
	_, record = w.last(inc, "notified")
	raw, err = w.alice.Body(ctx, inc, record.Version)
	require.NoError(t, err)
	sent, _ = mail.Parse(raw, mail.Limits{})
	require.Equal(t, inc, w.bounced(sent.MessageID, groups("failed", "5.1.1", "alice@example.net")).Ticket, "incidents too")
}

func TestMailToDefectiveAddresses(t *testing.T) {
	w := newWorld(t, janetTeam)
	inv, id := w.investigate("noc@example.com")
	inc := w.ticket(inv).Parents[0]
	w.bounced(id, groups("failed", "5.1.1", "noc@example.com"))
	const refused = "mail to all its recipients comes back: edit their addresses, or clear them first (clear-address)"
	require.ErrorContains(t, w.refused(workflow.Reply{Ticket: inv, Text: "x"}), refused)
	require.ErrorContains(t, w.refused(workflow.ReplyAll{Ticket: inc, Text: "x"}), refused)
	require.ErrorContains(t, w.refused(workflow.Open{Kind: incident.KindInvestigation, Parents: []incident.ID{inc}, Requestors: w.ticket(inv).Requestors, Text: "x"}), refused)
	w.do(workflow.Open{Kind: incident.KindInvestigation, Parents: []incident.ID{inc}, Requestors: w.ticket(inv).Requestors}) // no mail yet

	result := w.do(workflow.Reply{Ticket: inv, Text: "x", Cc: []incident.Party{{Address: "abuse@example.com"}}})
	require.Equal(t, []string{fmt.Sprintf("mail to noc@example.com comes back; on ticket %s it goes there all the same", inv)}, result.Warnings)
	require.Len(t, w.mailsTo("noc@example.com"), 2)

	// The others get theirs.
	other := w.child(incident.KindInvestigation, inc)
	w.do(workflow.ReplyAll{Ticket: inc, Text: "News."})
	require.Len(t, w.mailsTo("bob@example.org"), 1)
	require.Len(t, w.mailsTo("noc@example.com"), 2)
	skipped, _ := w.last(inv, "skipped")
	require.Equal(t, incident.Skipped{Command: "reply-all", Why: refused}, skipped)
	require.Contains(t, w.types(other), "message")

	// Clearing and writing is one go.
	w.do(workflow.ClearAddress{Address: "noc@example.com"}, workflow.Reply{Ticket: inv, Text: "Hello?"})
	require.Len(t, w.mailsTo("noc@example.com"), 3)
}

func (w *world) mailsTo(address string) []storage.Outgoing {
	return slices.DeleteFunc(w.outgoing(), func(o storage.Outgoing) bool { return o.To != address })
}

// Who may not see a ticket is not told which of its addresses are defective.
func TestDefectiveAddressesInScope(t *testing.T) {
	w := newWorld(t, janetTeam, scoped)
	inv, id := w.investigate("noc@example.com")
	w.bounced(id, groups("failed", "5.1.1", "noc@example.com"))
	eve := w.eve()
	list, err := eve.DefectiveAddresses(ctx)
	require.NoError(t, err)
	require.Empty(t, list)
	_, err = eve.Defective(ctx, inv)
	require.ErrorIs(t, err, storage.ErrNotFound)
}

// Only the desk marks, and only well-formed addresses are cleared.
func TestWhoMarksAndClears(t *testing.T) {
	w := newWorld(t, janetTeam)
	require.ErrorContains(t, w.refused(workflow.MarkAddress{Address: "noc@example.com"}), "only the desk itself gives this command")
	require.ErrorContains(t, w.refused(workflow.ClearAddress{Address: "noc"}), "allowed is mail addresses like bob@example.org")
}

// A held bounce goes where a person says, in one command.
func TestDeliverABounce(t *testing.T) {
	w := newWorld(t, janetTeam)
	inv, _ := w.investigate("noc@example.com")
	inc := w.ticket(inv).Parents[0]
	lost := func(n int) incident.ID {
		receipt := w.raw("", fmt.Sprintf("From: postmaster@example.com\r\nSubject: Undeliverable: [A CSIRT #%s] Scan\r\n\r\n%d: your message could not be delivered.\r\n<noc@example.com>: 550 5.1.1 user unknown\r\n", inv, n))
		require.True(t, receipt.Held, "a number is easily guessed")
		require.Equal(t, []incident.ID{inv}, receipt.Verdict.Candidates)
		w.do(workflow.Take{Ticket: receipt.Ticket})
		return receipt.Ticket
	}
	require.Empty(t, w.marked())
	w.do(workflow.Deliver{Ticket: lost(1), As: incident.Rejected})
	linked := lost(2)
	w.do(workflow.Deliver{Ticket: linked, To: inc})
	require.Equal(t, []incident.ID{inc}, w.ticket(linked).Parents)
	require.Empty(t, w.marked())
	w.do(workflow.Deliver{Ticket: lost(3), To: inv})
	require.Equal(t, []string{"noc@example.com"}, w.marked())
	_, record := w.last(inv, "bounced")
	require.Equal(t, incident.Actor("handler:alice"), record.By)
}

// What the team forwards is no bounce, and a person's text that sounds like one is
// held and stays that person's.
func TestPeopleWriteAboutBounces(t *testing.T) {
	w := newWorld(t, janetTeam)
	text := "To: csirt@example.net\r\nSubject: Fwd: Undelivered mail\r\n\r\nYour message could not be delivered to the following recipient:\r\n<noc@example.com>: user unknown\r\n"
	forwarded := w.raw("alice@example.net", "From: alice@example.net\r\n"+text)
	require.False(t, forwarded.Held)
	report := w.raw("bob@example.org", "From: bob@example.org\r\n"+text)
	require.True(t, report.Held)
	require.False(t, report.Machine)
	require.Equal(t, []incident.Party{{Address: "bob@example.org"}}, w.ticket(report.Ticket).Requestors)
	require.NotNil(t, w.ticket(report.Ticket).OldestUnanswered, "somebody may wait")
}

// Marks are found by claims: verification notices where these are missing.
func TestVerifyFindsLostMarks(t *testing.T) {
	w := newWorld(t, janetTeam)
	_, id := w.investigate("noc@example.com")
	w.bounced(id, groups("failed", "5.1.1", "noc@example.com"))
	lying, err := desk.New(crooked{w.store, func(r storage.Reader) storage.Reader { return noClaims{r} }}, desk.Config{})
	require.NoError(t, err)
	v, err := lying.Verify(ctx, nil)
	require.NoError(t, err)
	require.Contains(t, v.Faults, desk.Fault{Ticket: incident.Desk, What: "nobody holds the address of record 1"})
}

// An address is asked for by its key: no history is read, however many are marked.
func TestMarksAreFoundByKey(t *testing.T) {
	store := memory.New()
	w := newWorldOn(t, store, janetTeam)
	inv, id := w.investigate("noc@example.com")
	w.bounced(id, groups("failed", "5.1.1", "noc@example.com"))
	counting := &countingReader{}
	counted, err := desk.New(crooked{store, func(r storage.Reader) storage.Reader { counting.Reader = r; return counting }}, desk.Config{})
	require.NoError(t, err)
	bad, err := counted.As("handler:alice").Defective(ctx, inv)
	require.NoError(t, err)
	require.Len(t, bad, 1)
	require.Equal(t, 2, counting.claims)
	require.Zero(t, counting.histories)
}

// countingReader counts what it is asked.
type countingReader struct {
	storage.Reader
	claims, histories int
}

func (c *countingReader) Claimed(ctx context.Context, key storage.Key) (incident.ID, bool, error) {
	c.claims++
	return c.Reader.Claimed(ctx, key)
}

func (c *countingReader) History(ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
	c.histories++
	return c.Reader.History(ctx, q)
}
