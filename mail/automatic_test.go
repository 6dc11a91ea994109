package mail

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestUnanswerable(t *testing.T) {
	for _, c := range []struct{ header, sender, want string }{
		{"From: bob@example.org", "bob@example.org", ""},
		{"From: bob@example.org", "", "A machine wrote it."}, // the null sender
		{"From: bob@example.org\r\nPrecedence: bulk", "bob@example.org", "A machine wrote it."},
		{"From: bob@example.org\r\nX-Auto-Response-Suppress: OOF", "bob@example.org", "Its writer asks for no automatic answer."},
		{"From: bob@example.org\r\nList-Unsubscribe: <https://example.org>", "bob@example.org", "It came by a list: it has a field List-Unsubscribe."},
		{"From: bob@example.org", "bounces+1@example.org", "Nobody reads what is sent to its sender."},
		{"From: bob@example.org\r\nReply-To: x-request@example.org", "bob@example.org", "Nobody reads what is sent to its sender."},
		{"From: x-request@example.org\r\nReply-To: bob@example.org", "bob@example.org", ""}, // nobody answers From
	} {
		m, env := read(t, c.header+"\r\n\r\nHello.\r\n"), Envelope{From: c.sender, To: []string{"csirt@example.net"}}
		assert.Equal(t, c.want, Unanswerable(m, env, Detect(m, env, "A CSIRT")), c)
	}
	m := read(t, "From: bob@example.org\r\n\r\nHello.\r\n")
	assert.Empty(t, Unanswerable(m, Envelope{}, Detect(m, Envelope{}, "")), "an envelope that is not known says nothing")
}

func TestUnattended(t *testing.T) {
	for address, want := range map[string]bool{
		"": false, "bob@example.org": false, "owner@example.org": false, "request@example.org": false, "noreplies@example.org": false,
		"owner-x@example.org": true, "x-owner@example.org": true, "X-Request@example.org": true, "x-bounces@example.org": true, "bounce-12@example.org": true,
		"bounces+x=example.org@example.net": true, "MAILER-DAEMON@example.org": true, "postmaster@example.org": true, "listserv@example.org": true, "majordomo@example.org": true,
		"no-reply@example.org": true, "no.reply@example.org": true, "NOREPLY@example.org": true, "do_not_reply@example.org": true,
	} {
		assert.Equal(t, want, Unattended(address), address)
	}
}
