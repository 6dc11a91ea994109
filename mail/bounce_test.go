package mail

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const daemon = "From: Mail Delivery System <mailer-daemon@mx.example.org>\r\nTo: cert@example.net\r\nMessage-ID: <bounce@mx.example.org>\r\n"

// dsn writes a delivery report around the fields of its recipients.
func dsn(fields, original string) string {
	return daemon + "Subject: Undelivered\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" +
		"--b\r\n\r\nIt failed.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n" +
		strings.ReplaceAll(fields, "\n", "\r\n") + "\r\n--b\r\n" + strings.ReplaceAll(original, "\n", "\r\n") + "\r\n--b--\r\n"
}

func bounce(t *testing.T, raw string) Bounce {
	t.Helper()
	m, _ := Parse([]byte(raw), Limits{})
	b, ok := ReadBounce(m, Envelope{})
	require.True(t, ok, raw)
	require.NotEmpty(t, b.Why)
	return b
}

func TestBounceReport(t *testing.T) {
	const returned = "Content-Type: text/rfc822-headers\n\nMessage-ID: <7.1@example.net>\nTo: bob@example.org\n"
	b := bounce(t, dsn("Reporting-MTA: dns; mx.example.org\nOriginal-Envelope-Id: e7\n\n"+
		"Original-Recipient: rfc822;bob@example.org\nFinal-Recipient: rfc822; <robert@example.org>\nAction: failed\nStatus: 5.1.1\n"+
		"Diagnostic-Code: smtp; 550 5.1.1 User\n unknown\n\n"+
		"Final-Recipient: rfc822; carol@example.org\nAction: Delayed (later)\nStatus: 4.4.1 (no answer)\n\n"+
		"Final-Recipient: rfc822; dave@example.org\nAction: delivered\nStatus: 2.0.0\n", returned))
	assert.Equal(t, Bounce{
		Recipients: []BouncedRecipient{
			{"bob@example.org", "robert@example.org", "failed", "5.1.1", BadMailbox, "550 5.1.1 User unknown"},
			{"carol@example.org", "carol@example.org", "delayed", "4.4.1", SystemTrouble, "no answer"},
			{"dave@example.org", "dave@example.org", "delivered", "2.0.0", UnknownReason, ""},
		},
		MessageID: "7.1@example.net", EnvelopeID: "e7", Standard: true, Why: b.Why,
	}, b)
	assert.Equal(t, []string{"bob@example.org"}, b.Failed())

	// Groups without and with too many blank lines, no type, no Action.
	b = bounce(t, dsn("Final-Recipient: a@example.org\nStatus: 5.2.2\nFinal-Recipient: b@example.org\nStatus: 4.2.2\n\n\n\n"+
		"Original-Recipient: rfc822;c@example.org\nStatus: 2.1.5\nAction: gone\nX-Actual-Recipient: rfc822;C@example.org", "\n"))
	var got []string
	for _, r := range b.Recipients {
		got = append(got, r.Address+" "+r.Final+" "+r.Action+" "+string(r.Reason))
	}
	assert.Equal(t, []string{"a@example.org a@example.org failed full", "b@example.org b@example.org delayed full", "c@example.org C@example.org delivered "}, got)

	b = bounce(t, dsn("X-Original-Message-ID: <x@example.net>\n\nFinal-Recipient: rfc822;a@example.org\nAction: failed\n", returned))
	assert.Equal(t, "x@example.net", b.MessageID)

	b = bounce(t, dsn("Reporting-MTA: dns; mx\n", "Content-Type: message/rfc822\n\nMessage-ID: <y@example.net>\nTo: only@example.org\n\nx"))
	assert.Equal(t, []string{"only@example.org"}, b.Failed(), "who else")
	assert.Equal(t, "y@example.net", b.MessageID)

	b = bounce(t, dsn(strings.Repeat("Final-Recipient: rfc822;a@example.org\nAction: failed\n\n", 1500), "\n"))
	assert.Len(t, b.Recipients, 1000)
	assert.Len(t, b.Failed(), 1, "distinct")
}

func TestBounceText(t *testing.T) {
	original := "Return-Path: <cert@example.net>\r\nReceived: from a\r\nMessage-ID: <7.1@example.net>\r\nTo: bob@example.org\r\n\r\nHello, forward to eve@example.org\r\n"
	for name, c := range map[string]struct {
		raw, failed, action string
		reason              BounceReason
		id                  string
	}{
		"exim": {daemon + "Subject: Mail delivery failed: returning message to sender\r\nX-Failed-Recipients: bob@example.org\r\n\r\nA message could not be delivered:\r\n\r\n  bob@example.org\r\n    mailbox is full\r\n\r\n------ This is a copy of the message. ------\r\n\r\n" + original,
			"bob@example.org", "failed", MailboxFull, "7.1@example.net"},
		"qmail": {daemon + "Subject: failure notice\r\n\r\nI'm afraid I wasn't able to deliver your message.\r\n\r\n<bob@example.org>:\r\n192.0.2.7 does not like recipient.\r\nRemote host said: 550 No such user\r\n\r\n--- Below this line is a copy of the message.\r\n\r\n" + original,
			"bob@example.org", "failed", BadMailbox, "7.1@example.net"},
		"two": {daemon + "Subject: Returned mail\r\n\r\nThe following addresses had permanent fatal errors:\r\n<a@example.org>: 552 message too large\r\n<b@example.org>: 550 relay access\r\n",
			"a@example.org b@example.org", "failed", TooBig, ""},
		"delay": {daemon + "Subject: Warning: message delayed 24 hours\r\n\r\nYour message to bob@example.org has not yet been delivered: connection refused.\r\n",
			"", "delayed", SystemTrouble, ""},
		"by subject": {"From: admin@mx.example.org\r\nTo: cert@example.net\r\nSubject: Delivery failure\r\n\r\nUser unknown: bob@example.org\r\n",
			"bob@example.org", "failed", BadMailbox, ""},
		"null sender": {"Return-Path: <>\r\nFrom: admin@mx.example.org\r\nTo: cert@example.net\r\nSubject: Hello\r\nIn-Reply-To: <7.1@example.net>\r\n\r\nThat is not a valid user: bob@example.org\r\n",
			"bob@example.org", "failed", BadMailbox, "7.1@example.net"},
		"report in text": {daemon + "Subject: Returned mail\r\n\r\nSorry.\r\n\r\nFinal-Recipient: rfc822; bob@example.org\r\nAction: failed\r\nStatus: 5.2.2\r\n",
			"bob@example.org", "failed", MailboxFull, ""},
		"only in the original": {daemon + "Subject: Undeliverable\r\n\r\nIt was blocked by our policy.\r\n\r\n" + original,
			"bob@example.org", "failed", Refused, "7.1@example.net"},
		"sender and postmaster are not meant": {daemon + "Subject: Undeliverable\r\n\r\nMessage from carol@example.net\r\nAsk postmaster@mx.example.org or cert@example.net.\r\nIt did not reach bob@example.org: unknown host.\r\n",
			"bob@example.org", "failed", BadHost, ""},
		"header of the original, no line of its own": {daemon + "Subject: Undeliverable\r\n\r\nYour message\r\n  To: list@example.org\r\ndid not reach the user bob@example.org: user unknown.\r\n",
			"bob@example.org", "failed", BadMailbox, ""},
		"header of the original": {daemon + "Subject: Undeliverable\r\n\r\nYour message\r\n  To: list@example.org\r\n  Message-ID: <7.2@example.net>\r\ndid not reach the following recipient(s):\r\nbob@example.org on Monday\r\n  The recipient name is not recognized\r\n",
			"bob@example.org", "failed", BadMailbox, "7.2@example.net"},
	} {
		b := bounce(t, c.raw)
		assert.False(t, b.Standard, name)
		assert.Equal(t, c.failed, strings.Join(b.Failed(), " "), name)
		require.NotEmpty(t, b.Recipients, name)
		assert.Equal(t, c.action, b.Recipients[0].Action, name)
		assert.Equal(t, c.reason, b.Recipients[0].Reason, name)
		assert.Equal(t, c.id, b.MessageID, name)
	}
}

func TestNoBounceText(t *testing.T) {
	const person = "From: bob@example.org\r\nTo: cert@example.net\r\n"
	part := func(mediaType string) string {
		return "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nYour mail was undeliverable.\r\n--b\r\nContent-Type: " + mediaType + "\r\n\r\nFinal-Recipient: rfc822;a@example.org\r\nDisposition: x\r\n--b--\r\n"
	}
	forwarded := person + "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\nWhat is this?\r\n--c\r\nContent-Type: message/rfc822\r\n\r\n" + dsn("Final-Recipient: rfc822;a@example.org\nAction: failed\n", "\n") + "\r\n--c--\r\n"
	for name, raw := range map[string]string{
		"a person's":            person + "Subject: Our mail server\r\n\r\nMail to alice@example.net was undeliverable, user unknown. Why?\r\n",
		"a subject alone":       person + "Subject: Undeliverable?\r\n\r\nHow do you treat such mail?\r\n",
		"a vacation":            "Return-Path: <>\r\n" + person + "Auto-Submitted: auto-replied\r\nSubject: Away\r\n\r\nI am out of office, the mailbox is inactive.\r\n",
		"a vacation, null":      "Return-Path: <>\r\n" + person + "Subject: Away\r\n\r\nI am out of office until Monday.\r\n",
		"a receipt":             daemon + "Subject: Undeliverable\r\n" + part("message/disposition-notification"),
		"a complaint":           daemon + "Subject: Undeliverable\r\n" + part("message/feedback-report"),
		"one that is forwarded": forwarded,
		"a system's other mail": daemon + "Subject: Welcome\r\n\r\nYour account is ready.\r\n",
		"no author":             "To: cert@example.net\r\nSubject: Question\r\n\r\nIs the unknown user gone?\r\n",
	} {
		m, _ := Parse([]byte(raw), Limits{})
		b, ok := ReadBounce(m, Envelope{})
		assert.False(t, ok, name)
		assert.Empty(t, b, name)
	}
	m := read(t, person+"Subject: Hello\r\n\r\nNo such user: x@example.org\r\n")
	_, ok := ReadBounce(m, Envelope{From: "bob@example.org", To: []string{"cert@example.net"}})
	assert.False(t, ok)
	_, ok = ReadBounce(m, Envelope{To: []string{"cert@example.net"}})
	assert.True(t, ok, "the null sender of the envelope counts")
}

func TestReasons(t *testing.T) {
	for _, c := range []struct {
		status, text string
		want         BounceReason
	}{
		{"", "", UnknownReason}, {"5.0.0", "sorry", UnknownReason},
		{"5.1.1", "", BadMailbox}, {"5.1.2", "", BadHost}, {"4.2.2", "", MailboxFull}, {"5.3.4", "", TooBig}, {"5.7.1", "", Refused}, {"4.4.7", "", SystemTrouble},
		{"5.1.8", "does not exist", Refused}, {"5.1.7", "does not exist", Refused}, {"", "550 5.1.1 sorry", BadMailbox}, {"", "at 5.1.1.7 or 15.1.1 or 5.1.1x", UnknownReason},
		{"5.7.1", "User unknown", BadMailbox}, {"5.1.1", "Mailbox full", MailboxFull}, {"", "Domain of sender address does not exist", Refused},
		{"", "554 Relay access denied", BadHost}, {"", "blocked using a block list", Refused}, {"", "Message size exceeds limit", TooBig}, {"", "Connection timed out", SystemTrouble},
	} {
		assert.Equal(t, c.want, reasonOf(c.status, c.text), "%s %s", c.status, c.text)
	}
}

func FuzzBounce(f *testing.F) {
	f.Add([]byte(dsn("Final-Recipient: rfc822;a@b.example\nFinal-Recipient: x\nStatus: 5.1.1 (\nAction:\n\n :\n", "Content-Type: message/rfc822\n\nTo: a@b.example")))
	f.Add([]byte(daemon + "Subject: failure notice\r\n\r\n<a@example.org>: 550 5.1.1\r\n\r\n> Received: \r\n> Message-ID: <a@b>\r\n"))
	f.Add([]byte(daemon + "Subject: bounce\r\nX-Failed-Recipients: a@b.c, @,d@e\r\n\r\n\nFinal-Recipient: a\n"))
	realMails(func(raw []byte) { f.Add(raw) })
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, _ := Parse(raw, Limits{})
		b, ok := ReadBounce(m, Envelope{})
		require.Equal(t, ok, len(b.Why) > 0)
		require.LessOrEqual(t, len(b.Recipients), 1000)
		require.True(t, utf8.ValidString(b.MessageID+b.EnvelopeID))
		for _, r := range b.Recipients {
			require.Contains(t, []string{"failed", "delayed", "delivered", "relayed", "expanded"}, r.Action)
			require.LessOrEqual(t, len(r.Diagnostic), 1000)
			require.True(t, utf8.ValidString(r.Address+r.Final+r.Diagnostic+r.Status))
			require.NotContains(t, r.Address+r.Final+r.Diagnostic, "\n")
		}
	})
}
