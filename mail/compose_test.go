package mail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func letter() Letter {
	return Letter{
		From:      incident.Party{Name: "A CSIRT", Address: "cert@example.net"},
		To:        []incident.Party{{Name: "Müller, Jörg", Address: "joerg@example.org"}, {Address: "bob@example.org"}},
		Subject:   "[A CSIRT #7] Scan",
		MessageID: "7.1@example.net",
		Date:      time.Date(2026, 11, 21, 21, 0, 0, 0, time.UTC),
		Text:      "Hello\n",
		Desk:      "A CSIRT",
	}
}

func TestComposePlain(t *testing.T) {
	raw, err := Compose(letter())
	require.NoError(t, err)
	assert.Equal(t, "From: \"A CSIRT\" <cert@example.net>\r\n"+
		"To: =?utf-8?B?TcO8bGxlciwgSsO2cmc=?= <joerg@example.org>, bob@example.org\r\n"+
		"Subject: [A CSIRT #7] Scan\r\n"+
		"Date: Sat, 21 Nov 2026 21:00:00 +0000\r\n"+
		"Message-ID: <7.1@example.net>\r\n"+
		"X-Airtight-Desk: A CSIRT\r\n"+
		"MIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\n"+
		"Content-Transfer-Encoding: 7bit\r\n"+
		"\r\nHello\r\n", string(raw))
	again, _ := Compose(letter())
	assert.Equal(t, raw, again)
}

// TestComposeRoundTrip reads what was written.
func TestComposeRoundTrip(t *testing.T) {
	l := letter()
	l.Subject = "[A CSIRT #7] " + strings.Repeat("Prüfung der Größe 中文 ", 20) + "end"
	l.Cc = []incident.Party{{Name: `Quote " and \ back`, Address: "dave@example.org"}, {Name: strings.Repeat("long ", 40), Address: `"d e"@[192.0.2.7]`}}
	l.ReplyTo = incident.Party{Address: "reply@example.net"}
	l.InReplyTo = "x@example.org"
	l.AutoSubmitted = "auto-replied"
	l.Text = "Grüße\r\n.\nFrom here\n" + strings.Repeat("long line ", 200) + "\ntrailing  \n"
	for i := range 30 {
		l.References = append(l.References, fmt.Sprintf("ref-%02d@example.org", i))
	}
	raw, err := Compose(l)
	require.NoError(t, err)
	m := read(t, string(raw))
	assert.Empty(t, defects(m))
	assert.Equal(t, []incident.Party{l.From}, m.From)
	assert.Equal(t, l.To, m.To)
	l.Cc[1].Name = words(l.Cc[1].Name)
	assert.Equal(t, l.Cc, m.Cc)
	assert.Equal(t, []incident.Party{l.ReplyTo}, m.ReplyTo)
	assert.Equal(t, l.Subject, m.Subject)
	assert.Equal(t, l.MessageID, m.MessageID)
	assert.Equal(t, l.Date, m.Date)
	assert.Equal(t, []string{l.InReplyTo}, m.InReplyTo)
	assert.Equal(t, append(append(l.References[:4:4], l.References[25:]...), l.InReplyTo), m.References, "the middle is left out, the parent is not")
	assert.Equal(t, lines(l.Text), m.Text)
	machine := Detect(m, Envelope{}, "a csirt")
	assert.True(t, machine.Loop)
	assert.True(t, machine.Auto)
	assert.Equal(t, []incident.ID{7}, Tag{Name: "A CSIRT"}.Find(m.Subject))
	assert.Contains(t, string(raw), "\r\nSubject: [A CSIRT #7]", "the tag stays readable")
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		assert.LessOrEqual(t, len(line), 76, line)
		assert.NotContains(t, line, "\n")
		assert.NotContains(t, line, "\r")
	}
	for i := range raw {
		require.Less(t, raw[i], byte(0x80))
	}
}

func TestComposeInjection(t *testing.T) {
	evil := "x\r\nBcc: eve@example.org\r\n\r\nbody\x00\u2028"
	l := letter()
	l.Subject, l.Desk, l.AutoSubmitted = evil, evil, evil
	l.From.Name, l.To[0].Name = evil, evil
	l.InReplyTo, l.References = "a@example.org>\r\nBcc: <eve", []string{evil, "a@example.org\r\nBcc:x", "ok@example.org", strings.Repeat("x", 2000) + "@example.org"}
	raw, err := Compose(l)
	require.NoError(t, err)
	m := read(t, string(raw))
	assert.Empty(t, m.Values("Bcc"))
	assert.Empty(t, m.InReplyTo)
	assert.Equal(t, []string{"ok@example.org"}, m.References)
	assert.Equal(t, "Hello\n", m.Text)
	l = letter()
	l.Subject = "=?utf-8?Q?a?= literally"
	raw, err = Compose(l)
	require.NoError(t, err)
	assert.Equal(t, l.Subject, read(t, string(raw)).Subject, "what looks encoded is encoded")
}

func TestComposeErrors(t *testing.T) {
	for field, breakIt := range map[string][]func(*Letter){
		"From": {
			func(l *Letter) { l.From.Address = "" },
			func(l *Letter) { l.From.Address = "no address" },
		},
		"To": {
			func(l *Letter) { l.To = nil },
			func(l *Letter) { l.To[1].Address = "a@b\r\nBcc: c@d" },
			func(l *Letter) { l.To[1].Address = "a@b@c" },
			func(l *Letter) { l.To[1].Address = "jörg@example.org" },
			func(l *Letter) { l.To[1].Address = "@example.org" },
			func(l *Letter) { l.To[1].Address = "a..b@example.org" },
			func(l *Letter) { l.To[1].Address = "a@" },
			func(l *Letter) { l.To[1].Address = `"a"b"@example.org` },
			func(l *Letter) { l.To[1].Address = "a@[192.0.2.7" },
			func(l *Letter) { l.To[1].Address = "a@example.org>" },
		},
		"Cc":      {func(l *Letter) { l.Cc = []incident.Party{{Address: "root"}} }},
		"ReplyTo": {func(l *Letter) { l.ReplyTo.Address = "root" }},
		"MessageID": {
			func(l *Letter) { l.MessageID = "" },
			func(l *Letter) { l.MessageID = "<a@b>" },
			func(l *Letter) { l.MessageID = "a b@c" },
			func(l *Letter) { l.MessageID = "nothing" },
		},
		"Date": {func(l *Letter) { l.Date = time.Time{} }},
	} {
		for i, f := range breakIt {
			l := letter()
			f(&l)
			_, err := Compose(l)
			var e *FieldError
			require.True(t, errors.As(err, &e), "%s %d", field, i)
			assert.Equal(t, field, e.Field, "%d: %v", i, err)
		}
	}
	l := letter()
	l.To, l.Cc, l.Text, l.Subject = nil, letter().To, "", ""
	raw, err := Compose(l)
	require.NoError(t, err, "Cc alone will do, and so will silence")
	assert.NotContains(t, string(raw), "To:")
	assert.NotContains(t, string(raw), "Subject:")
}

func TestComposeReferences(t *testing.T) {
	l := letter()
	for _, c := range []struct{ parent, references, want string }{
		{"", "", ""},
		{"p@x", "", "p@x"},
		{"p@x", "a@x p@x", "a@x p@x"},
		{"", "a@x b@x a@x", "a@x b@x"},
		{"no id", "a@x", "a@x"},
		{"", "1@x 2@x 3@x 4@x 5@x 6@x 7@x 8@x 9@x 10@x", "1@x 2@x 3@x 4@x 5@x 6@x 7@x 8@x 9@x 10@x"},
		{"p@x", "1@x 2@x 3@x 4@x 5@x 6@x 7@x 8@x 9@x 10@x 11@x", "1@x 2@x 3@x 4@x 7@x 8@x 9@x 10@x 11@x p@x"},
	} {
		l.InReplyTo, l.References = c.parent, strings.Fields(c.references)
		raw, err := Compose(l)
		require.NoError(t, err)
		assert.Equal(t, c.want, strings.Join(read(t, string(raw)).References, " "), c)
	}
}

// TestComposeAttachments reads back what went along, with our own reader and
// with that of the standard library.
func TestComposeAttachments(t *testing.T) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	message := "From: bob@example.org\r\nSubject: x\r\n\r\n--=_ what looks like a boundary\r\n.\r\nFrom here\r\n"
	l := letter()
	l.Text = "Grüße\n--=_\n"
	l.Attachments = []incident.Part{
		{Type: "application/xml", Name: "incident.xml", Params: map[string]string{"charset": "iso-8859-1", "x": "y"}, Content: every},
		{Type: "text/csv", Name: "../Größe \"x\"\r\nBcc: eve@example.org.csv", Params: map[string]string{"charset": "iso-8859-1"}, Content: []byte("ä,b\r\n\n\r")},
		{Type: "message/rfc822", Content: []byte(message)},
		{Type: "message/rfc822", Name: "8bit.eml", Content: []byte("Subject: ä\n\n")},
		{Type: "multipart/mixed; boundary=x", Name: strings.Repeat("長", 100), Content: nil},
		{Type: "text/plain", Name: strings.Repeat("n", 300), Content: []byte("\xff")},
		{Type: "message/partial", Name: `say "a;b"`, Content: bytes.Repeat(every, 400)},
	}
	raw, err := Compose(l)
	require.NoError(t, err)
	again, err := Compose(l)
	require.NoError(t, err)
	require.Equal(t, raw, again)
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		require.LessOrEqual(t, len(line), 76, line)
		require.NotContains(t, line, "\n")
		require.NotContains(t, line, "%2F", "no folders")
	}

	m := read(t, string(raw))
	assert.Empty(t, defects(m))
	assert.Equal(t, l.Text, m.Text)
	assert.Empty(t, m.Values("Bcc"))
	var got []string
	var contents [][]byte
	for _, p := range m.Parts {
		if p.Depth == 1 && p.Disposition == "attachment" {
			got = append(got, p.Type+" "+p.Params["charset"]+" "+p.Name)
			contents = append(contents, p.Content)
		}
	}
	assert.Equal(t, []string{
		"application/xml iso-8859-1 incident.xml",
		`text/csv utf-8 Größe "x"  Bcc: eve@example.org.csv`,
		"message/rfc822  x.eml",
		"application/octet-stream  8bit.eml",
		"application/octet-stream  " + strings.Repeat("長", 66),
		"text/plain  " + strings.Repeat("n", 200),
		`application/octet-stream  say "a;b"`,
	}, got)
	for i, p := range l.Attachments {
		if i != 5 { // no charset was declared for it: what is read is not what was sent
			assert.Equal(t, string(p.Content), string(contents[i]), i)
		}
	}

	std, err := netmail.ReadMessage(bytes.NewReader(raw))
	require.NoError(t, err)
	_, params, err := mime.ParseMediaType(std.Header.Get("Content-Type"))
	require.NoError(t, err)
	parts := multipart.NewReader(std.Body, params["boundary"])
	names := 0
	for {
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if p.FileName() != "" {
			names++
		}
	}
	assert.Equal(t, 6, names)

	other := l
	other.Attachments = l.Attachments[:1]
	raw, err = Compose(other)
	require.NoError(t, err)
	assert.NotContains(t, string(raw), params["boundary"], "other content has another boundary")
}
