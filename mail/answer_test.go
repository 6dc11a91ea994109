package mail

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/airtight-csirt/airtight/incident"
)

func TestAnswer(t *testing.T) {
	tag := Tag{Name: "A CSIRT"}
	m := read(t, "From: Bob <bob@example.org>\r\nCc: eve@example.org\r\nDate: Sat, 21 Nov 2026 22:00:00 +0100\r\nMessage-ID: <2@example.org>\r\nReferences: <0@x> <1@x>\r\n"+
		"Subject: AW: [A CSIRT #7] Re: [Theirs #3] Scan\r\n\r\nPlease help.\r\n> old\r\n-- \r\nBob\r\n")
	l := Answer(m, tag, 7, true)
	assert.Equal(t, Letter{
		To:         []incident.Party{{Name: "Bob", Address: "bob@example.org"}},
		Subject:    "[A CSIRT #7] Re: [Theirs #3] Scan",
		InReplyTo:  "2@example.org",
		References: []string{"0@x", "1@x", "2@example.org"},
		Text:       "On Sat, 21 Nov 2026 21:00 UTC, Bob wrote:\n> Please help.\n>> old\n> -- \n> Bob\n",
	}, l)
	assert.Empty(t, Unquoted(l.Text), "nothing of it is ours")
	assert.Equal(t, "Done.\n", Unquoted("Done.\n\n"+l.Text))
	assert.Empty(t, Answer(m, tag, 7, false).Text)

	m = read(t, "From: bob@example.org\r\nReply-To: desk@example.org, second@example.org\r\nIn-Reply-To: <1@x>\r\nSubject: Réponse： x\r\n\r\nHello\r\n")
	l = Answer(m, Tag{}, 7, true)
	assert.Equal(t, []incident.Party{{Address: "desk@example.org"}, {Address: "second@example.org"}}, l.To)
	assert.Equal(t, "Re: Réponse： x", l.Subject)
	assert.Equal(t, []string{"1@x"}, l.References)
	assert.Equal(t, "bob@example.org wrote:\n> Hello\n", l.Text)
	assert.Empty(t, Unquoted(l.Text))
}

func TestWithoutReply(t *testing.T) {
	for subject, want := range map[string]string{
		"": "", "x": "x", "Re: x": "x", "RE : Aw: sv:x": "x", "回复：x": "x", "Re:": "", "Fwd: x": "Fwd: x", "Rest: x": "Rest: x", "Re[2]: x": "Re[2]: x", "x Re: y：z": "x Re: y：z",
	} {
		assert.Equal(t, want, withoutReply(subject), subject)
	}
}

func TestRecipients(t *testing.T) {
	people := func(list string) (out []incident.Party) {
		for _, a := range strings.Fields(list) {
			out = append(out, incident.Party{Address: a})
		}
		return out
	}
	own := func(a string) bool { return strings.HasSuffix(strings.ToLower(a), "@cert.example") }
	squelched := func(a string) bool { return incident.SameAddress(a, "quiet@x.example") }
	for _, c := range []struct{ to, cc, once, wantTo, wantCc string }{
		{"a@x.example", "b@x.example", "", "a@x.example", "b@x.example"},
		{"a@x.example A@X.example", "a@x.example b@x.example", "B@x.example", "a@x.example", "b@x.example"},
		{"me@cert.example", "b@x.example ME@CERT.example", "me@cert.example", "b@x.example", ""},
		{"a@x.example", "Quiet@x.example", "", "a@x.example", ""},
		{"a@x.example", "quiet@x.example", "quiet@x.example", "a@x.example", "quiet@x.example"},
		{"quiet@x.example", "", "", "", ""},
		{"", "", "c@x.example", "c@x.example", ""},
	} {
		to, cc := Recipients(Addressees{To: people(c.to), Cc: people(c.cc), Once: people(c.once), Own: own, Squelched: squelched})
		assert.Equal(t, people(c.wantTo), to, c)
		assert.Equal(t, people(c.wantCc), cc, c)
	}
	to, cc := Recipients(Addressees{To: append(people("me@cert.example quiet@x.example"), incident.Party{Name: "nobody"})})
	assert.Len(t, to, 2)
	assert.Empty(t, cc)
}
