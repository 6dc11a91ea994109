package mail

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// read parses a mail that is within the limits.
func read(t testing.TB, raw string) *Message {
	t.Helper()
	m, err := Parse([]byte(raw), Limits{})
	require.NoError(t, err)
	requireSound(t, m, raw)
	return m
}

func defects(m *Message) string {
	var out []string
	for _, d := range m.Defects {
		out = append(out, d.String())
	}
	return strings.Join(out, "\n")
}

const head = "From: Alice Example <alice@example.org>\r\n" +
	"To: cert@example.net, \"Bob, the second\" <bob@example.net>\r\n" +
	"Subject: =?utf-8?Q?Pr=C3=BCfung?=\r\n" +
	"Date: Sat, 21 Nov 2026 21:00:00 +0100\r\n" +
	"Message-ID: <one@example.org>\r\n"

func TestParseFields(t *testing.T) {
	m := read(t, head+
		"Sender: Carol <carol@example.org>\r\n"+
		"Reply-To: <list@example.org>\r\n"+
		"Cc: dave@example.org\r\n"+
		"In-Reply-To: <a@example.org>\r\n"+
		"References: <x@example.org>\r\n\t<y@example.org> <a@example.org>\r\n"+
		"X-Two: 1\r\nx-two: =?iso-8859-1?Q?=E4?=\r\n"+
		"\r\nHello\r\n")
	assert.Equal(t, []incident.Party{{Name: "Alice Example", Address: "alice@example.org"}}, m.From)
	assert.Equal(t, []incident.Party{{Name: "Carol", Address: "carol@example.org"}}, m.Sender)
	assert.Equal(t, []incident.Party{{Address: "list@example.org"}}, m.ReplyTo)
	assert.Equal(t, []incident.Party{{Address: "cert@example.net"}, {Name: "Bob, the second", Address: "bob@example.net"}}, m.To)
	assert.Equal(t, []incident.Party{{Address: "dave@example.org"}}, m.Cc)
	assert.Equal(t, "Prüfung", m.Subject)
	assert.Equal(t, time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC), m.Date)
	assert.Equal(t, "one@example.org", m.MessageID)
	assert.Equal(t, []string{"a@example.org"}, m.InReplyTo)
	assert.Equal(t, []string{"x@example.org", "y@example.org", "a@example.org"}, m.References)
	assert.Equal(t, []string{"1", "ä"}, m.Values("X-Two"))
	assert.Equal(t, "1", m.Get("x-TWO"))
	assert.Equal(t, "", m.Get("X-None"))
	assert.Equal(t, "text/plain", m.Type)
	assert.Equal(t, "Hello\n", m.Text)
	assert.Empty(t, defects(m))
}

func TestParseParts(t *testing.T) {
	m := read(t, head+"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"+
		"--b\r\nContent-Type: multipart/alternative; boundary=\"b b\"\r\n\r\n"+
		"--b b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe=20\r\n\r\n"+
		"--b b  \r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Grüße</p>\r\n"+
		"--b b--\r\n\r\n"+
		"--b\r\nContent-Type: application/octet-stream; name=wrong.bin\r\nContent-Disposition: attachment;\r\n filename*0*=utf-8''%E2%82%AC; filename*1=\".bin\"\r\nContent-ID: <cid@example.org>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n"+
		"--b--\r\n")
	require.Len(t, m.Parts, 3)
	assert.Equal(t, "multipart/mixed", m.Type)
	assert.Equal(t, incident.Part{Type: "text/plain", Params: map[string]string{"charset": "iso-8859-1"}, Depth: 2, Content: []byte("Grüße \r\n")}, m.Parts[0])
	assert.Equal(t, "<p>Grüße</p>", string(m.Parts[1].Content))
	assert.Equal(t, "€.bin", m.Parts[2].Name)
	assert.Equal(t, "attachment", m.Parts[2].Disposition)
	assert.Equal(t, "cid@example.org", m.Parts[2].ContentID)
	assert.Equal(t, []byte{0, 1, 2}, m.Parts[2].Content)
	assert.Equal(t, 1, m.Parts[2].Depth)
	assert.Equal(t, "Grüße \n", m.Text, "of alternatives the plain one")
	assert.Empty(t, defects(m))
}

func TestAttachedMessage(t *testing.T) {
	inner := "From: carol@example.org\r\nSubject: =?utf-8?Q?Scan=3A_192=2E0=2E2=2E7?=\r\nContent-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nquoted\r\n--i--\r\n"
	m := read(t, head+"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"+inner+"--b--\r\n")
	require.Len(t, m.Parts, 3)
	assert.Equal(t, "message/rfc822", m.Parts[1].Type)
	assert.Equal(t, "Scan_ 192.0.2.7.eml", m.Parts[1].Name)
	assert.Equal(t, strings.TrimSuffix(inner, "\r\n"), string(m.Parts[1].Content), "whole, as it came")
	assert.Equal(t, []int{1, 1, 3}, []int{m.Parts[0].Depth, m.Parts[1].Depth, m.Parts[2].Depth})
	assert.Equal(t, "quoted", string(m.Parts[2].Content))
	assert.Equal(t, "see below\n", m.Text, "an attached message is no text of this one")

	encoded := read(t, head+"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogeAoKaGkK\r\n")
	require.Len(t, encoded.Parts, 2)
	assert.Equal(t, "Subject: x\n\nhi\n", string(encoded.Parts[0].Content))
	assert.Equal(t, "hi\n", string(encoded.Parts[1].Content))
	assert.Contains(t, defects(encoded), "RFC 2046 5.2.1")
}

// TestBroken names what is wrong and what was made of it, for each kind of
// damage.
func TestBroken(t *testing.T) {
	for name, c := range map[string]struct{ raw, text, subject, defect string }{
		"mbox line":             {"From x Sat Nov 21 00:00:00 2026\nSubject: s\n\nt\n", "t\n", "s", "message: mbox separator"},
		"blank before colon":    {"From : a@example.org\nSubject : s\n\nt\n", "t\n", "s", "no Date"},
		"two mbox lines":        {"From x\n>From y\nSubject: s\n\nt\n", "t\n", "s", "message: mbox separator"},
		"line without colon":    {"Subject: s\ngarbage here\nFrom: a@example.org\n\nt\n", "t\n", "s", `"garbage here"`},
		"continuation first":    {" lost\nSubject: s\n\nt\n", "t\n", "s", "RFC 5322 2.2.3"},
		"no blank line":         {"Subject: s\nHello there\nURL: http://example.org\n\nmore\n", "Hello there\nURL: http://example.org\n\nmore\n", "s", "no blank line"},
		"line of blanks ends":   {"Subject: s\n  \nHello there\n", "Hello there\n", "s", "line of blanks"},
		"line of blanks folds":  {"Subject: s\n \n\tmore\nTo: a@example.org\n\nt\n", "t\n", "s  more", "no author"},
		"indent lost":           {"Subject: s\nContent-Type: multipart/mixed;\nboundary=\"b\"\n\n--b\n\nt\n--b--\n", "t\n", "s", "without an indent"},
		"semicolon lost":        {"Subject: s\nContent-Type: multipart/mixed boundary=b\n\n--b\n\nt\n--b--\n", "t\n", "s", "no author"},
		"CR lines":              {"Subject: s\rContent-Type: multipart/mixed; boundary=b\r\r--b\r\rt\r--b--\r", "t\n", "s", "no author"},
		"CR CR LF":              {"Subject: s\r\r\n\r\r\nt\r\r\n", "t\n", "s", "no author"},
		"never closed":          {"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nt\n", "t\n", "s", "message: boundary never closed (RFC 2046 5.1.1)"},
		"no boundary parameter": {"Subject: s\nContent-Type: multipart/mixed\n\n--b\n\nt\n", "--b\n\nt\n", "s", "without a boundary"},
		"boundary never found":  {"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\nt\n", "t\n", "s", "never found"},
		"multipart of nothing":  {"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\nt\n--b--\n", "t\n", "s", "without parts"},
		"similar boundaries":    {"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\nt\n--bb--\n--b\n\nu\n--b--\n", "t\n\nu\n", "s", "no author"},
		"wrong nesting":         {"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\nt\n--b\n\nu\n--b--\n", "t\n\nu\n", "s", "part 1: boundary never closed"},
		"same boundary inside":  {"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nt\n--b--\n--b\n\nu\n--b--\n", "t\n\nu\n", "s", "no author"},
		"doubled boundary":      {"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\nt\n--b--\n", "t\n", "s", "doubled boundary"},
		"cut off after one":     {"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nt\n--b\n", "t\n", "s", "message: boundary never closed"},
		"text on the boundary":  {"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b ignored\n\nt\n--bc\n--b-- ignored\nhidden\n", "t\n--bc\n", "s", "after the last boundary"},
		"header cut off":        {"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n--b\n\nt\n--b--\n", "t\n", "s", "ended by a boundary"},
		"epilogue":              {"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nt\n--b--\nhidden\n", "t\n", "s", "after the last boundary"},
		"encoded multipart":     {"Subject: s\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: base64\n\n--b\n\nt\n--b--\n", "t\n", "s", "RFC 2045 6.4"},
		"junk in base64":        {"Subject: s\nContent-Transfer-Encoding: base64\n\naGVs!bG8*=\n", "hello\n", "s", "2 bytes that are no base64"},
		"footer after base64":   {"Subject: s\nContent-Transfer-Encoding: base64\n\naGVsbG8=\n__\nmailing list footer\n", "hello\n", "s", "are no base64"},
		"joined base64":         {"Subject: s\nContent-Transfer-Encoding: base64\n\naGVsbG8=\nIHlvdQ==\n", "hello you\n", "s", "no author"},
		"bad quoted-printable":  {"Subject: s\nContent-Transfer-Encoding: quoted-printable\n\na=C3=A4 =zz \x01\n", "aä =zz \x01\n", "s", "invalid quoted-printable"},
		"CR quoted-printable":   {"Subject: s\rContent-Transfer-Encoding: quoted-printable\r\ra=\rb=41 \r", "abA\n", "s", "no author"},
		"unknown encoding":      {"Subject: s\nContent-Transfer-Encoding: x-none\n\nt\n", "t\n", "s", "unknown transfer encoding"},
		"misspelt encoding":     {"Subject: s\nContent-Transfer-Encoding: 8-bit\n\nt\n", "t\n", "s", "misspelt"},
		"unknown charset":       {"Subject: s\nContent-Type: text/plain; charset=x-none\n\nt\xff\n", "t\uFFFD\n", "s", `unknown charset "x-none"`},
		"bad content type":      {"Subject: s\nContent-Type: nonsense\n\nt\n", "t\n", "s", "RFC 2045 5.2"},
		"empty content type":    {"Subject: s\nContent-Type:\n\nt\n", "t\n", "s", "empty Content-Type"},
		"bad address":           {"Subject: s\nFrom: just a name\n\nt\n", "t\n", "s", "no list of addresses"},
		"bad date":              {"Subject: s\nDate: yesterday\n\nt\n", "t\n", "s", "unreadable Date"},
		"two authors":           {"Subject: s\nFrom: a@example.org\nFrom: b@example.org\n\nt\n", "t\n", "s", "2 fields From"},
		"NUL":                   {"Subject: s\x00\n\nt\x00\n", "t\u2400\n", "s\u2400", "no author"},
		"header only":           {"Subject: s", "", "s", "no author"},
		"nothing":               {"", "", "", "no author"},
	} {
		t.Run(name, func(t *testing.T) {
			m := read(t, c.raw)
			assert.Equal(t, c.text, m.Text)
			assert.Equal(t, c.subject, m.Subject)
			assert.Contains(t, defects(m), c.defect)
		})
	}
}

func TestCutOff(t *testing.T) {
	m := read(t, "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nt\n--b\n")
	assert.Len(t, m.Parts, 1, "nothing at all stands after the last boundary")
	m = read(t, "Content-Type: multipart/mixed; boundary=b\n\n--b\n")
	assert.Len(t, m.Parts, 1, "of no part at all one is left")
	assert.Empty(t, m.Text)
}

func TestManyDefects(t *testing.T) {
	m := read(t, strings.Repeat("garbage\n", 500)+"Subject: s\n\nt\n")
	require.Len(t, m.Defects, 101)
	assert.Equal(t, Defect{Where: "message", What: "more defects, not listed"}, m.Defects[100])
	assert.Len(t, m.Values("X-Malformed-Header"), 500)
}

func TestTextOfBody(t *testing.T) {
	part := func(header, body string) string { return "--b\n" + header + "\n\n" + body + "\n" }
	mixed := func(parts ...string) string {
		return head + "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Join(parts, "") + "--b--\n"
	}
	for name, c := range map[string]struct{ raw, text string }{
		"html alone":        {head + "Content-Type: text/html\n\n<b>x</b> y\n", "x y\n"},
		"html and a footer": {mixed(part("Content-Type: text/html", "<p>x"), part("Content-Type: text/plain", "footer")), "x\n\nfooter\n"},
		"attachment":        {mixed(part("Content-Type: text/plain", "x"), part("Content-Type: text/plain\nContent-Disposition: attachment", "log")), "x\n"},
		"named text":        {mixed(part("Content-Type: text/plain", "x"), part("Content-Type: text/plain; name=a.log", "log")), "x\n"},
		"named inline":      {mixed(part("Content-Type: text/plain; name=a.txt\nContent-Disposition: inline", "x")), "x\n"},
		"empty alternative": {strings.Replace(mixed(part("Content-Type: text/plain", " "), part("Content-Type: text/html", "<p>x")), "mixed", "alternative", 1), "x\n"},
		"flowed":            {head + "Content-Type: text/plain; format=Flowed\n\na \nb\n  c\n>> d \n>> e \n> f \ng\nh \n-- \ni \n\nj \n", "a b\n c\n>> d e \n> f \ng\nh \n-- \ni \nj \n"},
		"flowed, quoted":    {head + "Content-Type: text/plain; format=flowed\n\n>a\n>\n> b\n", "> a\n>\n> b\n"},
		"flowed, DelSp":     {head + "Content-Type: text/plain; format=flowed; delsp=yes\n\nhttp://exam \nple.org\n", "http://example.org\n"},
		"uuencoded file":    {head + "\nbefore\nbegin 644 a.bin\n#``$\"\n`\nend\nafter\n", "before\nafter\n"},
		"flowed CRLF":       {head + "\r\na\r\nb\rc\r\n", "a\nb\nc\n"},
		"UTF-7":             {head + "Content-Type: text/plain; charset=utf-7\n\nPr+APw-fung +- +2D3cYQ-\n", "Prüfung + 👡\n"},
		"undeclared latin":  {head + "\nGr\xfc\xdfe \x80\n", "Grüße €\n"},
		"damaged UTF-8":     {head + "Content-Type: text/plain; charset=utf-8\n\nGrüße aus Köln\xff\n", "Grüße aus Köln\uFFFD\n"},
		"html's own word":   {head + "Content-Type: text/html\n\n<meta charset=koi8-r><p>\xd4\xc5\xd3\xd4\n", "тест\n"},
	} {
		t.Run(name, func(t *testing.T) { assert.Equal(t, c.text, read(t, c.raw).Text) })
	}
	uu := read(t, head+"\nbegin 644 dir/a.bin\n#``$\"\n`\nend\n")
	require.Len(t, uu.Parts, 2)
	assert.Equal(t, incident.Part{Type: "application/octet-stream", Disposition: "attachment", Name: "a.bin", Depth: 1, Content: []byte{0, 1, 2}}, uu.Parts[1])
	assert.Empty(t, read(t, head+"\nbegin 644 of this\nprose\n").Parts[1:], "prose is no file")
	assert.Len(t, read(t, head+"Content-Type: text/html\n\nbegin 644 a.bin\n#``$\"\n`\nend\n").Parts, 1, "in plain text only")
}

func TestFileNames(t *testing.T) {
	for params, want := range map[string]string{
		`filename="a b.txt"`:                          "a b.txt",
		`filename=a b.txt`:                            "a b.txt",
		`filename="C:\temp\a.txt"`:                    "a.txt",
		`filename="../../etc/passwd"`:                 "passwd",
		`filename=".."`:                               "",
		`filename="a.txt; size=3`:                     "a.txt",
		`filename="=?utf-8?B?w6QudHh0?="`:             "ä.txt",
		`filename==?iso-8859-1?Q?=E4=2Etxt?=`:         "ä.txt",
		`filename*=iso-8859-1'de'%E4.txt`:             "ä.txt",
		`filename*0*=utf-8''%C3; filename*1*=%A4.txt`: "ä.txt",
		`filename*1=".txt"; filename*0="a"`:           "a.txt",
		`filename=plain; filename*=utf-8''%C3%A4`:     "ä",
		"filename=\"\xe4.txt\"":                       "ä.txt",
		`filename=first; filename=second`:             "first",
		`filename="a\"b.txt"`:                         `a"b.txt`,
	} {
		m := read(t, head+"Content-Disposition: attachment; "+params+"\r\n\r\nx")
		require.Len(t, m.Parts, 1)
		assert.Equal(t, want, m.Parts[0].Name, params)
	}
	assert.Equal(t, "n.txt", read(t, head+"Content-Type: text/plain; name=n.txt\r\n\r\nx").Parts[0].Name)
	assert.Equal(t, "attachment", read(t, head+"Content-Disposition: x-odd\r\n\r\nx").Parts[0].Disposition)
}

func TestEncodedWords(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                              "plain",
		"=?utf-8?Q?a_b?= c":                  "a b c",
		"=?utf-8?Q?a?=  =?utf-8?Q?b?=":       "ab",
		"=?utf-8?Q?a?= x =?utf-8?Q?b?=":      "a x b",
		"=?utf-8?Q?=C3?= =?utf-8?Q?=A4?=":    "ä",
		"=?utf-8?Q?=C3?= =?UTF-8?B?pA==?=":   "ä",
		"=?latin1?Q?=C3?= =?utf-8?Q?=A4?=":   "Ã¤",
		"=?iso-8859-1?Q?=E4?= =?utf-8?Q?b?=": "äb",
		"=?iso-8859-2*pl?Q?=B1?=":            "ą",
		"=?utf-8?X?a?=":                      "=?utf-8?X?a?=",
		"=?utf-8?Q?never":                    "=?utf-8?Q?never",
		"=?utf-8?Q?a=0D=0ABcc=3A_x?=":        "a  Bcc: x",
		"=?x-none?Q?=E4?=":                   "ä",
		"gr\xfc\xdfe":                        "grüße",
		"grüße":                              "grüße",
		"=?gb2312?B?suLK1A==?=":              "测试",
		"=?utf-16?B?AEEAQg==?=":              "AB",
		"(=?utf-8?Q?a?=)":                    "(a)",
		"\"=?utf-8?Q?a=22?=\"":               "\"a\"\"",
	} {
		assert.Equal(t, want, decodeWords(in, ""), in)
	}
}

// TestDeclaredCharset: raw text of a header that is no UTF-8 is in the charset
// that the mail says of its text.
func TestDeclaredCharset(t *testing.T) {
	const test = "\xd4\xc5\xd3\xd4" // "тест" in KOI8-R
	for declared, want := range map[string]string{
		"Content-Type: text/plain; charset=koi8-r\n\n":                                                                "тест",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=\"KOI8-R\"\n\n\n--b--\n": "тест",
		"Content-Type: text/plain; charset=us-ascii\n\n":                                                              "ÔÅÓÔ",
		"Content-Type: text/plain; charset=utf-16\n\n":                                                                "ÔÅÓÔ",
		"Content-Type: text/plain; charset=iso-2022-jp\n\n":                                                           "ÔÅÓÔ",
		"Content-Type: text/plain; charset=ibm037\n\n":                                                                "ÔÅÓÔ",
		"Content-Type: text/plain; charset=x-none\n\n":                                                                "ÔÅÓÔ",
		"\n": "ÔÅÓÔ",
	} {
		m := read(t, "From: "+test+" <a@example.org>\nSubject: "+test+"\nX-More: "+test+"\nContent-Disposition: inline; filename="+test+"\n"+declared)
		assert.Equal(t, want, m.Subject, declared)
		assert.Equal(t, want, m.Get("X-More"), declared)
		assert.Equal(t, want, m.From[0].Name, declared)
	}
	for _, charset := range []string{"utf-8", "UTF-16", "us-ascii", "ascii", "iso-2022-jp", "hz-gb-2312", "ibm037", "x-none"} {
		m := read(t, "Subject: "+test+"\nContent-Type: multipart/mixed; boundary=b; charset="+charset+"\n\n--b\nContent-Type: text/plain; charset=koi8-r\n\n\n"+
			"--b\nContent-Type: text/plain; charset=iso-8859-1\n\n\n--b--\n")
		assert.Equal(t, "тест", m.Subject, "the first that can be is taken, which %s cannot", charset)
	}
	assert.Equal(t, "Müller", read(t, "Subject: M\xfcller\nContent-Type: text/plain; charset=euc-jp\n\n").Subject)
	m := read(t, "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=koi8-r\n\n\n--b\nContent-Type: a/b; name="+test+"\n\n\n--b--\n")
	assert.Equal(t, "тест", m.Parts[1].Name)
	m = read(t, "Content-Type: text/plain; name="+test+"; charset=koi8-r\n\nx\n")
	assert.Equal(t, "тест", m.Parts[0].Name)
	assert.Equal(t, "ä", read(t, "Content-Type: text/plain; charset=koi8-r\nSubject: ä\n\n").Subject, "UTF-8 goes first")
}
