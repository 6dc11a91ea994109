package mail

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/airtight-csirt/airtight/incident"
)

func TestAddressList(t *testing.T) {
	one := func(name, address string) []incident.Party {
		return []incident.Party{{Name: name, Address: address}}
	}
	for in, want := range map[string][]incident.Party{
		"a@example.org":                                one("", "a@example.org"),
		"<a@example.org>":                              one("", "a@example.org"),
		"Alice Example <a@example.org>":                one("Alice Example", "a@example.org"),
		`"Example, \"Alice\"" <a@example.org>`:         one(`Example, "Alice"`, "a@example.org"),
		"a@example.org (Alice)":                        one("Alice", "a@example.org"),
		"Alice (a@example.org)":                        one("Alice", "a@example.org"),
		"Alice (at) Home <a@example.org>":              one("Alice  Home", "a@example.org"),
		"a(c)@example(d).org":                          one("c d", "a@example.org"),
		"< a @ example . org >":                        one("", "a@example.org"),
		"<@r.example,@s.example:a@example.org>":        one("", "a@example.org"),
		"<mailto:a@example.org?subject=x>":             one("", "a@example.org"),
		"'a@example.org'":                              one("", "a@example.org"),
		"a@example.org <a@example.org>":                one("", "a@example.org"),
		"Alice a@example.org":                          one("Alice", "a@example.org"),
		"a@example.org b@example.org":                  one("b@example.org", "a@example.org"),
		"Alice <a@example.org":                         one("Alice", "a@example.org"),
		"Alice <<a@example.org>>":                      one("Alice", "a@example.org"),
		`"a b"@example.org`:                            one("", `"a b"@example.org`),
		`"a@b"@example.org`:                            one("", `"a@b"@example.org`),
		`<"a b"@example.org>`:                          one("", `"a b"@example.org`),
		"a@[192.0.2.7]":                                one("", "a@[192.0.2.7]"),
		"=?utf-8?Q?M=C3=BCller=2C_A?= <a@example.org>": one("Müller, A", "a@example.org"),
		"=?utf-8?Q?M=C3=BCller, A?= <a@example.org>":   one("Müller, A", "a@example.org"),
		"=?utf-8?Q?A_<a=40example.org>?=":              one("A", "a@example.org"),
		"M\xfcller <a@example.org>":                    one("Müller", "a@example.org"),
		"a@example.org <>":                             one("", "a@example.org"),
		"root":                                         one("", "root"),
		"<MAILER-DAEMON>":                              one("", "MAILER-DAEMON"),
		"a@example.org, b@example.org;c@example.org":   {{Address: "a@example.org"}, {Address: "b@example.org"}, {Address: "c@example.org"}},
		"<a@example.org> <b@example.org>":              {{Address: "a@example.org"}, {Address: "b@example.org"}},
		"Team: a@example.org, Bob <b@example.org>;":    {{Address: "a@example.org"}, {Name: "Bob", Address: "b@example.org"}},
		"undisclosed-recipients:;":                     nil,
		",,":                                           nil,
		"":                                             nil,
		"<>":                                           nil,
		"just a name":                                  nil,
		"@example.org":                                 nil,
		"a@":                                           nil,
		"<Undisclosed-Recipient:@example.org;>":        nil,
		"<smtp:a@example.org>":                         one("", "a@example.org"),
		"<@b.example,@c.example:a@[IPv6:2001:db8::7]>": one("", "a@[IPv6:2001:db8::7]"),
		`<"b:c"@example.org>`:                          one("", `"b:c"@example.org`),
		"<http://www.example.org/>":                    nil,
		`"never closed <a@example.org>`:                one("never closed", "a@example.org"),
	} {
		got, ok := addressList(in, "")
		assert.Equal(t, want, got, in)
		switch in {
		case "<>", "just a name", "@example.org", "a@", "<Undisclosed-Recipient:@example.org;>", "<http://www.example.org/>", `"never closed <a@example.org>`, "<a@example.org> <b@example.org>":
			assert.False(t, ok, in)
		default:
			assert.True(t, ok, in)
		}
	}
}

func TestMessageIDs(t *testing.T) {
	for in, want := range map[string][]string{
		"<a@b>":                    {"a@b"},
		"<a@b> <c@d>,<e@f>":        {"a@b", "c@d", "e@f"},
		"Your mail of today <a@b>": {"a@b"},
		"<<a@b>>":                  {"a@b"},
		"<a @ b>":                  {"a@b"},
		"a@b":                      {"a@b"},
		"bare":                     {"bare"},
		"a@b c@d words":            {"a@b", "c@d"},
		"<a@b":                     {"a@b"},
		"<>":                       nil,
		"":                         nil,
		"<a\x00@b>":                {"a\u2400@b"},
	} {
		assert.Equal(t, want, messageIDs(in), in)
	}
}

func TestContentType(t *testing.T) {
	for in, want := range map[string]string{
		"text/plain":                  "text/plain",
		"TEXT / Html ; charset=x":     "text/html",
		"(a) text (b) / (c) html (d)": "text/html",
		"text/html charset=utf-8":     "text/html",
		"application/x-a+b.c":         "application/x-a+b.c",
		"text":                        "text/plain",
		"text/":                       "text/plain",
		"a/b/c":                       "text/plain",
	} {
		assert.Equal(t, want, read(t, head+"Content-Type: "+in+"\r\n\r\nx").Type, in)
	}
	digest := read(t, head+"Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: inner\r\n\r\nx\r\n--b--\r\n")
	assert.Equal(t, "message/rfc822", digest.Parts[0].Type, "RFC 2046 5.1.5")
}

func TestHTMLText(t *testing.T) {
	for in, want := range map[string]string{
		"<p>a<p>b":                                           "a\n\nb",
		"a<br>b<br/><br>c":                                   "a\nb\n\nc",
		"<div>a</div><div>b</div>":                           "a\nb",
		" a \n b ":                                           "a b",
		"&lt;a&gt; &amp; b&nbsp;c":                           "<a> & b c",
		"<ul><li>a<li>b</ul>c":                               "- a\n- b\n\nc",
		"<table><tr><td>a<td>b<tr><td>c</table>":             "a b\nc",
		"<style>x</style><script>y</script>a<!-- c -->":      "a",
		"<title>t</title>a":                                  "a",
		"<a href='http://example.org/x'>click</a>":           "click <http://example.org/x>",
		"<a href=http://example.org/>http://example.org</a>": "http://example.org",
		"<a href='mailto:a@example.org'>a@example.org</a>":   "a@example.org",
		"<a href='#top'>top</a>":                             "top",
		"<a href='http://example.org/'><img></a>":            "<http://example.org/>",
		"<a href=\"x\ny\">z</a>":                             "z <x y>",
		"<pre>a  b\n c</pre>d":                               "a  b\n c\nd",
		"1 < 2 and 3 > 2":                                    "1 < 2 and 3 > 2",
		"a<b never closed":                                   "a",
		"a<b x=\"never closed>c":                             "ac",
		"<img alt='>' src=x>a":                               "a",
		"":                                                   "",
	} {
		if want != "" {
			want += "\n"
		}
		assert.Equal(t, want, htmlText(in), in)
	}
}
