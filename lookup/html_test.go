package lookup

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestHTMLText(t *testing.T) {
	for source, want := range map[string]string{
		"plain &amp; 192.0.2.1":  "plain & 192.0.2.1",
		"192.0.2<b>.1</b>":       "192.0.2.1",
		"192.0.2.1<br>192.0.2.2": "192.0.2.1\n192.0.2.2",
		"<td>a</td><td>b</td>":   "a\n\nb",
		"<script>192.0.2.1</script><style>a</style><title>b</title>c":                   "c",
		`<a href="http://evil.example.com/">http://bank.example.org/</a>!`:              "http://bank.example.org/ <http://evil.example.com/> !",
		`<A class=x HREF='http://example.org/?a=1&amp;b=2'>here`:                        "here <http://example.org/?a=1&b=2>",
		`<a href=http://example.org/1>one<a href=http://example.org/2>two</a></a>three`: "one <http://example.org/1> two <http://example.org/2> three",
		"a<!-- 192.0.2.1 -->b":                  "ab",
		"example&#46;org &lt;x&gt;":             "example.org <x>",
		"<script>192.0.2.1":                     "",
		"<script/>192.0.2.1</script>a<style/>b": "a",
		"<area href=http://example.org/1>a<form action=http://example.org/2><iframe src=http://example.org/3></iframe><frame src=http://example.org/4>b<img src=http://example.org/5>": "<http://example.org/1> a <http://example.org/2>  <http://example.org/3>  <http://example.org/4> b",
		"<a href='ht\ntp://exa\tmple.org&#13;/'>a</a><a>b</a>":   "a <http://example.org/> b",
		"<a href=http://example.org/1 href=http://example.net/>": "<http://example.org/1>",
		"a < b": "a < b",
	} {
		assert.Equal(t, want, HTMLText(source), source)
	}
	found := extract(HTMLText(`See <a href="http://192.0.2.1/x">www.example.org</a>`))
	assert.Equal(t, []string{"www.example.org", "http://192.0.2.1/x", "192.0.2.1"}, values(found))
}

func TestHTMLTextIsLinear(t *testing.T) {
	const size = 1 << 20
	for _, pattern := range []string{"<", "<a", "<a href=x>", "<div>", "<!--", "</", "&", "&#", "<a href='", "<script>", "\x00", "<![CDATA["} {
		start := time.Now()
		HTMLText(strings.Repeat(pattern, size/len(pattern)))
		assert.Less(t, time.Since(start), time.Minute, pattern)
	}
}

func FuzzHTMLText(f *testing.F) {
	for _, seed := range []string{
		"", "a<br>b", `<a href="http://192.0.2.1/">x</a>`, "<form action=hxxp://example[.]org>", "<script/>", "<title>x", "&#0;&nbsp;&lt", "\x00\xff<", "<!-- a", "<a href='ht\ntp://x'", "<textarea><a href=x>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		text := HTMLText(source)
		if len(text) > 3*len(source) {
			t.Fatalf("%d bytes of %d", len(text), len(source))
		}
		for _, f := range extract(text) {
			if f.Start < 0 || f.End > len(text) || f.Start >= f.End {
				t.Fatalf("offsets %d to %d in %d bytes", f.Start, f.End, len(text))
			}
		}
	})
}
