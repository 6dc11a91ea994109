package lookup

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/publicsuffix"

	"github.com/airtight-csirt/airtight/incident"
)

// listed knows the public suffixes.
func listed() Extractor { return Extractor{PublicSuffix: publicsuffix.PublicSuffix} }

func extract(text string) []Found          { return listed().Extract(text) }
func all(text string) iter.Seq[Found]      { return listed().All(text) }
func first(texts ...string) (int, []Found) { return listed().First(texts...) }

type textCase struct {
	name, text string
	want       []string // values, with repeats
}

func values(found []Found) []string {
	var v []string
	for _, f := range found {
		v = append(v, f.Observable.Value)
	}
	return v
}

func run(t *testing.T, kinds []incident.ObservableKind, cases []textCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			found := extract(c.text)
			assert.Equal(t, c.want, values(found), "in %q", c.text)
			for _, f := range found {
				assert.Contains(t, kinds, f.Observable.Kind)
				written := extract(c.text[f.Start:f.End])
				if assert.NotEmpty(t, written) {
					assert.Equal(t, f.Observable, written[0].Observable, "the offsets are of what is found")
				}
			}
		})
	}
}

func TestIPv4(t *testing.T) {
	run(t, []incident.ObservableKind{incident.Address, incident.Prefix}, []textCase{
		{"first", "1.0.0.0", []string{"1.0.0.0"}},
		{"last", "255.255.255.255", []string{"255.255.255.255"}},
		{"octet over 255", "255.255.255.256 355.255.255.255", nil},
		{"four digits", "1192.0.2.1 192.0.2.1111", nil},
		{"all zeros", "0.0.0.0 and 0.0.0.0/0 and 0.0.0.0/8", nil},
		{"length 0", "1.0.0.0/0", nil},
		{"begins with all zeros", "0.1.2.3/8", nil},
		{"versions", "8.13.8/8.13.0/1.0", nil},
		{"five octets", "1.2.3.4.5", nil},
		{"after a dot", ".1.2.3.4", nil},
		{"before a letter", "192.0.2.1x 192.0.2.2.x", []string{"192.0.2.1", "192.0.2.2"}},
		{"after a letter", "ip192.0.2.1", []string{"192.0.2.1"}},
		{"list", "64.64.64.64, 32.32.32.32; 16.16.16.16.", []string{"64.64.64.64", "32.32.32.32", "16.16.16.16"}},
		{"dots behind", "192.0.2.1...", []string{"192.0.2.1"}},
		{"repeats, host network", "192.0.2.2 192.0.2.2 192.0.2.2/32", []string{"192.0.2.2", "192.0.2.2", "192.0.2.2"}},
		{"network", "192.0.2.77/24", []string{"192.0.2.0/24"}},
		{"network in a sentence", "(192.0.2.0/25). 192.0.2.128/25, 198.51.100.0/24?", []string{"192.0.2.0/25", "192.0.2.128/25", "198.51.100.0/24"}},
		{"short of an octet", "172.16.1/31 172.16.2/26", []string{"172.16.1.0/31", "172.16.2.0/26"}},
		{"short without length", "172.16.2 172.16.2/x 172.16.2/33", nil},
		{"shorter", "9.8/10", nil},
		{"length too large", "192.0.2.1/33", []string{"192.0.2.1"}},
		{"leading zero", "010.0.0.1 10.0.0.01", nil},
		{"leading zero in length", "192.0.2.1/08", []string{"192.0.2.1"}},
		{"port", "192.0.2.1:80", []string{"192.0.2.1"}},
		{"colons around", "a:b:192.0.2.1:80", []string{"192.0.2.1"}},
		{"path", "//192.0.2.1/8 192.0.2.2/8/a 192.0.2.3/8.html 192.0.2.4/1st", []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}},
		{"log line", `192.0.2.1 - - [10/Oct/2000:13:55:36] "GET /a?b=198.51.100.2&c HTTP/1.0"`, []string{"192.0.2.1", "198.51.100.2"}},
		{"at the end", "192.0.2.1/", []string{"192.0.2.1"}},
		{"no slash", "192.0.2.1 24, 192.0.2.2:24", []string{"192.0.2.1", "192.0.2.2"}},
		{"range", "192.0.2.1-192.0.2.9", []string{"192.0.2.1", "192.0.2.9"}},
	})
}

func TestIPv6(t *testing.T) {
	run(t, []incident.ObservableKind{incident.Address, incident.Prefix}, []textCase{
		{"eight groups", "2001:DB8:0:0:0:0:0:1", []string{"2001:db8::1"}},
		{"shortened", "::abcd 2001:db8:: 2001:db8::1", []string{"::abcd", "2001:db8::", "2001:db8::1"}},
		{"with IPv4", "abcd::192.168.1.1 ::192.168.1.1", []string{"abcd::c0a8:101", "::c0a8:101"}},
		{"IPv4 mapped", "::ffff:192.0.2.1", []string{"192.0.2.1"}},
		{"leading zero", "abcd::034", []string{"abcd::34"}},
		{"end of sentence", "abcd::034. abcd::192.168.1.1.", []string{"abcd::34", "abcd::c0a8:101"}},
		{"network", "2001:db8::1/32", []string{"2001:db8::/32"}},
		{"network of an IPv4 form", "::192.168.1.1/120", []string{"::c0a8:100/120"}},
		{"host network", "2001:db8::1/128", []string{"2001:db8::1"}},
		{"length too large", "2001:db8::1/129", []string{"2001:db8::1"}},
		{"touching", "abcd::34.3 abcd::192.168.1.2.3 ::add.z", nil},
		{"words", "Foo::Bar RT::IR Foo:: ::Bar scan::add z::a a::z Scan::Address_Scan", nil},
		{"colon around", "x:2001:db8::1 2001:db8::1:", nil},
		{"all zeros", ":: ::/0 ::/64 ::1/64 0:0:0:0:0:0:0:0 0:0:0:0:0:0:0:0/12", nil},
		{"all zeros, mapped", "::ffff:0.0.0.0 ::ffff:1.2.3.4/96", nil},
		{"length 0", "2001:db8::/0", nil},
		{"time, hardware address", "12:34:56 00:11:22:33:44:55", nil},
		{"brackets, port, zone", "[2001:db8::1]:443 fe80::1%eth0", []string{"2001:db8::1", "fe80::1"}},
		{"length after a dot", "2001:db8::1./64", []string{"2001:db8::1"}},
		{"underscore around", "x_2001:db8::1 2001:db8::1_x", nil},
		{"path", "//2001:db8::1/64 2001:db8::2/64/a", []string{"2001:db8::1", "2001:db8::2"}},
		{"longest", "0000:0000:0000:0000:0000:ffff:192.168.100.100", []string{"192.168.100.100"}},
	})
}

func TestMailAddress(t *testing.T) {
	label := strings.Repeat("z", 63)
	run(t, []incident.ObservableKind{incident.MailAddress}, []textCase{
		{"plain", "foo-bar+baz@example.org", []string{"foo-bar+baz@example.org"}},
		{"domain in lower case", "Foo.Bar_1@Example.ORG", []string{"Foo.Bar_1@example.org"}},
		{"two labels of any name", "foo@localhost.localhost", []string{"foo@localhost.localhost"}},
		{"one label", "foo@example", nil},
		{"no local part", "@example.org ..@example.org", nil},
		{"around", "<a@example.org>, mailto:b@example.org. (c@example.org) d@example.org;", []string{"a@example.org", "b@example.org", "c@example.org", "d@example.org"}},
		{"dots before and behind", "...foo@example.org...", []string{"foo@example.org"}},
		{"two dots within", "well..foo@example.org", []string{"foo@example.org"}},
		{"dot before the sign", "foo.@example.org", nil},
		{"twice the sign", "a@b@example.org a@example.org@example.net", []string{"b@example.org", "a@example.org"}},
		{"hyphens", "a@-example.org b@ex-ample.org c@example.org- d@example-.org e@example.org-.net", []string{"b@ex-ample.org", "c@example.org", "e@example.org"}},
		{"underscore behind", "a@example.org_x", nil},
		{"last label", "a@example.1x b@example.o c@192.example", []string{"c@192.example"}},
		{"label length", "a@" + label + ".org b@" + label + "z.org", []string{"a@" + label + ".org"}},
		{"domain length", "a@" + strings.Repeat(label+".", 3) + label[:61] + " b@" + strings.Repeat(label+".", 3) + label[:62], []string{"a@" + strings.Repeat(label+".", 3) + label[:61]}},
		{"local length", strings.Repeat("a", 64) + "@example.org " + strings.Repeat("b", 65) + "@example.org", []string{strings.Repeat("a", 64) + "@example.org"}},
		{"address in front", "192.0.2.1@example.org", []string{"192.0.2.1@example.org"}},
		{"rest of a word", "müller@example.org foo@example.orgé éa@example.org", nil},
		{"scripts without spaces", "邮箱foo@example.org联系 邮箱foo@例え.jpです", []string{"foo@example.org", "foo@xn--r8jz45g.jp"}},
		{"domain of other scripts", "a@bücher.Example.org, b@BÜCHER.example.org. c@bücher.example.org- d@bücher.bla e@bücher.example.org_x f@bücher g@bücher." + strings.Repeat("z.", 120) + "org", []string{
			"a@xn--bcher-kva.example.org", "b@xn--bcher-kva.example.org", "c@xn--bcher-kva.example.org"}},
	})
}

func TestHost(t *testing.T) {
	label := strings.Repeat("z", 63)
	long := strings.Repeat(label+".", 3) + strings.Repeat("z", 57) + ".org" // 253
	run(t, []incident.ObservableKind{incident.Host}, []textCase{
		{"plain", "example.org www.Example.COM", []string{"example.org", "www.example.com"}},
		{"encoded labels", "xn--bcher-kva.example.net", []string{"xn--bcher-kva.example.net"}},
		{"inner hyphens", "a-b--c.ex-ample.org", []string{"a-b--c.ex-ample.org"}},
		{"label length", label + ".org " + label + "z.org", []string{label + ".org"}},
		{"name length", long + " z" + long, []string{long}},
		{"no name before the top level", ".com -.com com", nil},
		{"unknown top level", "test.bla localhost.localdomain a.b", nil},
		{"public suffixes", "co.uk foo.co.uk github.io foo.github.io", []string{"foo.co.uk", "github.io", "foo.github.io"}},
		{"dots and hyphens around", "...example.org... -example.org- see example.net.", []string{"example.org", "example.org", "example.net"}},
		{"two dots within", "wait..example.org", []string{"example.org"}},
		{"label with a hyphen at its end", "www.-example.org www-.example.org", nil},
		{"underscores", "_dmarc.example.org a_b.example.org example.org_x", nil},
		{"around", "(example.org), helo=<example.net>; example.com:25 [www.example.org/x]", []string{"example.org", "example.net", "example.com", "www.example.org"}},
		{"beside the sign", "@example.org example.org@", nil},
		{"reverse names", "17.2.0.192.in-addr.arpa 192.0.2.17.example.org", []string{"17.2.0.192.in-addr.arpa", "192.0.2.17.example.org"}},
		{"other scripts", "bücher.example.org BÜCHER.example.org пример.com 例え.jp はじめよう.みんな", []string{
			"xn--bcher-kva.example.org", "xn--bcher-kva.example.org", "xn--e1afmkfd.com", "xn--r8jz45g.jp", "xn--p8j9a0d9c9a.xn--q9jyb4c"}},
		{"look-alikes", "аpple.com", []string{"xn--pple-43d.com"}},
		{"scripts without spaces", "访问example.com查看 日本語.jpです", []string{"example.com", "xn--wgv71a119e.jp"}},
		{"quotes and dashes of other scripts", "“example.org” – example.net… 《example.com》。", []string{"example.org", "example.net", "example.com"}},
		{"bad names of other scripts", "\u0301a.example.org ー\u200d.example.org a\xffb.example.org", []string{"example.org", "b.example.org"}},
	})
}

func TestURL(t *testing.T) {
	path := strings.Repeat("a", 8000-len("http://example.org/"))
	run(t, []incident.ObservableKind{incident.URL, incident.Address}, []textCase{
		{"plain", "http://example.org/a/b?c=d&e=f#g", []string{"http://example.org/a/b?c=d&e=f#g"}},
		{"scheme and host in lower case", "HTTPS://WWW.Example.ORG/Path", []string{"https://www.example.org/Path"}},
		{"schemes", "ftp://example.org ldap://example.org xftp://host gopher://host://", []string{"ftp://example.org", "ldap://example.org"}},
		{"scheme behind a word", "x1http://example/ _http://example/ +http://example/", []string{"http://example/"}},
		{"one label", "http://intranet/x", []string{"http://intranet/x"}},
		{"underscores", "http://a_b.example.org/", []string{"http://a_b.example.org/"}},
		{"user and port", "http://bob:secret@example.org:8080/", []string{"http://bob:secret@example.org:8080/"}},
		{"port", "http://example.org: http://host:80x http://host:123456/", []string{"http://example.org"}},
		{"final dot of the name", "http://example.org./", []string{"http://example.org/"}},
		{"address", "http://192.0.2.1/x http://192.0.2.1:80", []string{"http://192.0.2.1/x", "192.0.2.1", "http://192.0.2.1:80", "192.0.2.1"}},
		{"IPv6", "https://[2001:DB8::1]:443/", []string{"https://[2001:db8::1]:443/", "2001:db8::1"}},
		{"no IPv6", "https://[2001:db8::1/ https://2001:db8::1/x https://[192.0.2.1]/ https://[fe80::1%25eth0]/", []string{"2001:db8::1", "2001:db8::1", "192.0.2.1", "fe80::1"}},
		{"address of zeros", "http://0.0.0.0/", []string{"http://0.0.0.0/"}},
		{"commas behind the host", "http://example.org, http://192.0.2.1! http://[2001:db8::1]!", []string{
			"http://example.org", "http://192.0.2.1", "192.0.2.1", "http://[2001:db8::1]", "2001:db8::1"}},
		{"characters that no URL has", "http://example.org/a\x7fb http://example.net/a\xffb", []string{"http://example.org/a", "http://example.net/a"}},
		{"bad address", "http://300.300.300.300/ http://192.0.2.1.5/", nil},
		{"no host", "http:// http:/// http://? http://:80/ http://-/", nil},
		{"punctuation behind", "http://example.org/a. http://example.org/b, (http://example.org/c) http://example.org/d!?", []string{"http://example.org/a", "http://example.org/b", "http://example.org/c", "http://example.org/d"}},
		{"punctuation behind the host", "http://example.org. http://example.org? (http://example.org)", []string{"http://example.org", "http://example.org", "http://example.org"}},
		{"longest authority", "http://" + strings.Repeat("u", 500) + "@example.org/ http://" + strings.Repeat("u", 508) + "@host/ http://" + strings.Repeat("u", 508) + "@host", []string{"http://" + strings.Repeat("u", 500) + "@example.org/"}},
		{"longest name", "http://" + strings.Repeat("z.", 126) + "z/ http://" + strings.Repeat("z.", 126) + "zz/", []string{"http://" + strings.Repeat("z.", 126) + "z/"}},
		{"empty port", "http://example.org:/x", []string{"http://example.org/x"}},
		{"brackets around", "[http://example.org/a] ([http://example.org/b])", []string{"http://example.org/a", "http://example.org/b"}},
		{"brackets that close before its end", "[https://example.org/a](https://example.org/b) [https://example.org](https://example.net?a) http://example.org/c]d", []string{
			"https://example.org/a", "https://example.org/b", "https://example.org", "https://example.net?a", "http://example.org/c"}},
		{"brackets in each other", "http://example.org/([a])([b] http://example.org/[(a])", []string{"http://example.org/([a])([b]", "http://example.org/[(a])"}},
		{"brackets of its own", "http://example.org/a_(b) http://example.org/[c]", []string{"http://example.org/a_(b)", "http://example.org/[c]"}},
		{"delimiters", `<http://example.org/a> "http://example.org/b" http://example.org/c|d`, []string{"http://example.org/a", "http://example.org/b", "http://example.org/c"}},
		{"other scripts", "http://bücher.example.org/ü “http://example.org/”。", []string{"http://xn--bcher-kva.example.org/ü", "http://example.org/"}},
		{"in a URL", "http://example.org/http://example.net/", []string{"http://example.org/http://example.net/"}},
		{"mail address in it", "http://example.org/?u=bob@example.net", []string{"http://example.org/?u=bob@example.net"}},
		{"longest", "http://example.org/" + path, []string{"http://example.org/" + path}},
	})
	assert.Equal(t, []string{"example.org"}, values(extract("http://example.org/"+path+"a")), "too long: its host is left")
}

func TestHashAndCVE(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 9)
	var hashes, others []string
	for n := 1; n <= len(hex); n++ {
		if slices.Contains([]int{32, 40, 56, 64, 96, 128}, n) {
			hashes = append(hashes, hex[:n])
		} else {
			others = append(others, hex[:n])
		}
	}
	run(t, []incident.ObservableKind{incident.Hash, incident.CVE}, []textCase{
		{"lengths", strings.Join(hashes, " "), hashes},
		{"other lengths", strings.Join(others, " "), nil},
		{"upper case, around", "md5:" + strings.ToUpper(hex[:32]) + ", (" + hex[:40] + ").", []string{hex[:32], hex[:40]}},
		{"in a word", "x" + hex[:31] + " g" + hex[:32] + " " + hex[:32] + "_", nil},
		{"decimal digits", strings.Repeat("1234567890", 4), nil},
		{"name of a file", hex[:40] + ".exe", []string{hex[:40]}},
		{"CVE", "CVE-2014-0160 cve-2021-44228, (CVE-2021-12345678).", []string{"CVE-2014-0160", "CVE-2021-44228", "CVE-2021-12345678"}},
		{"no CVE", "CVE-2021-123-x cve-2021- cve-20-3 cve-2021-123 CVE-2021-1234x xCVE-2021-1234 CVE-2021-1234_ XYZ-2021-1234 CVE-2021_1234 CVE-2021.1234 CVE 2021-1234 CVE-202a-1234 CVE-2021-" + strings.Repeat("1", 20), nil},
		{"longest CVE", "CVE-2021-" + strings.Repeat("1", 19) + "-x", []string{"CVE-2021-" + strings.Repeat("1", 19)}},
	})
}

func TestDefanged(t *testing.T) {
	for _, c := range []struct{ text, written, want string }{
		{"at 192[.]0[.]2[.]7, see", "192[.]0[.]2[.]7", "192.0.2.7"},
		{"192(.)0{.}2.7", "192(.)0{.}2.7", "192.0.2.7"},
		{"192[.0.]2.)7 ", "192[.0.]2.)7", "192.0.2.7"},
		{`192\.0\.2\.7`, `192\.0\.2\.7`, "192.0.2.7"},
		{"192.0.2[.]0/24", "192.0.2[.]0/24", "192.0.2.0/24"},
		{"2001[:]db8[::]1", "2001[:]db8[::]1", "2001:db8::1"},
		{"www[dot]example(DOT)org", "www[dot]example(DOT)org", "www.example.org"},
		{"www [.] example [ dot ] org!", "www [.] example [ dot ] org", "www.example.org"},
		{"example{punto}com", "example{punto}com", "example.com"},
		{"example(punkt)com", "example(punkt)com", "example.com"},
		{"example[point]com", "example[point]com", "example.com"},
		{"bob[at]example[.]org", "bob[at]example[.]org", "bob@example.org"},
		{"bob (at) example.org.", "bob (at) example.org", "bob@example.org"},
		{"bob[@]example.org", "bob[@]example.org", "bob@example.org"},
		{"bob [arroba] example.org", "bob [arroba] example.org", "bob@example.org"},
		{"hxxp://example.org/x", "hxxp://example.org/x", "http://example.org/x"},
		{"hXXps://example[.]org/x.", "hXXps://example[.]org/x", "https://example.org/x"},
		{"h**p://example.org", "h**p://example.org", "http://example.org"},
		{"htxp://example.org", "htxp://example.org", "http://example.org"},
		{"fxp://example.org", "fxp://example.org", "ftp://example.org"},
		{"fxps://example.org", "fxps://example.org", "ftps://example.org"},
		{"http[:]//example.org", "http[:]//example.org", "http://example.org"},
		{"http[://]example.org", "http[://]example.org", "http://example.org"},
		{"http:[//]example.org[/]x", "http:[//]example.org[/]x", "http://example.org/x"},
		{"bücher[.]example.org", "bücher[.]example.org", "xn--bcher-kva.example.org"},
		{"[::]1 é[::]1", "[::]1", "::1"},
		{"CVE-2014-0160 [.] hxxp://example.org", "CVE-2014-0160", "CVE-2014-0160"},
	} {
		found := extract("é " + c.text)
		require.NotEmpty(t, found, c.text)
		f := found[0]
		written := ("é " + c.text)[f.Start:f.End]
		assert.Equal(t, c.written, written, c.text)
		assert.Equal(t, c.want, f.Observable.Value, c.text)
		assert.Equal(t, c.written != c.want, f.Defanged, c.text)
		assert.Equal(t, Certain, f.Confidence, c.text)
	}
	for _, text := range []string{
		"example dot com", "example . com", "example,com", "example[.", "[.]com", "192.0.2[.]", "example[ .com",
		"example  [.]  com", "192[:]0", "bob at example", "[::]", "example[.)x", "a[dot b", "example[:] com",
		`example\ncom`, "examplex]com", "]com", "example[]com", "example[dotcom", "example[", "example[ ",
	} {
		assert.Empty(t, extract(text), text)
	}
	for _, text := range []string{"(sales) [at] example.org", "example.org (at) -", "(a) [.] example.org", "example.org [.] (a)"} {
		found := extract(text) // nothing is joined to a bracket or hyphen
		require.Len(t, found, 1, text)
		assert.Equal(t, "example.org", text[found[0].Start:found[0].End])
		assert.False(t, found[0].Defanged, text)
	}
	plain := extract("example.org bob[at]example.org example.net")
	require.Len(t, plain, 3)
	assert.Equal(t, []bool{false, true, false}, []bool{plain[0].Defanged, plain[1].Defanged, plain[2].Defanged})
	assert.Equal(t, []int{0, 11, 12, 30, 31, 42}, []int{plain[0].Start, plain[0].End, plain[1].Start, plain[1].End, plain[2].Start, plain[2].End})
}

func TestConfidence(t *testing.T) {
	for text, want := range map[string]Confidence{
		"192.0.2.1": Likely, "v192.0.2.1": Doubtful, "192.0.2.0/24": Certain, "2001:db8::1": Certain,
		"bob@example.org": Certain, "bob@host.localdomain": Likely, "http://example.org/": Certain, "http://intranet/": Likely, "http://192.0.2.1/": Certain,
		"example.org": Likely, "invoice.zip": Doubtful, "www.invoice.zip": Likely, "over.In": Doubtful, "OVER.IN": Likely, "invoice[.]zip": Certain,
		strings.Repeat("a1", 16): Likely, strings.Repeat("a1", 20): Certain, "CVE-2014-0160": Certain,
	} {
		found := extract(text)
		if assert.NotEmpty(t, found, text) {
			assert.Equal(t, want.String(), found[0].Confidence.String(), text)
		}
	}
	assert.Equal(t, "confidence 7", Confidence(7).String())
	assert.Less(t, Doubtful, Likely)
	assert.Less(t, Likely, Certain)
}

func TestFirst(t *testing.T) {
	index, found := first("192.0.2.1", "192.0.2.2")
	assert.Equal(t, 0, index)
	assert.Equal(t, []string{"192.0.2.1"}, values(found))
	index, found = first("nothing", "see readme.md and example.org", "192.0.2.1 192.0.2.2 example.org", "192.0.2.3")
	assert.Equal(t, 2, index, "host names of attachments do not count")
	assert.Equal(t, []string{"192.0.2.1", "192.0.2.2"}, values(found))
	index, found = first("www.example.org", "192.0.2.1")
	assert.Equal(t, 0, index)
	assert.Equal(t, []string{"www.example.org"}, values(found))
	index, found = first("nothing", "example.org")
	assert.Equal(t, -1, index)
	assert.Empty(t, found)
	index, _ = first()
	assert.Equal(t, -1, index)
}

// TestWithoutPublicSuffixes says what the zero Extractor does not do.
func TestWithoutPublicSuffixes(t *testing.T) {
	text := "www.example.org 192.0.2.1.example.net www[.]example[.]org http://www.example.org/ bob@example.org hxxp://example.org http://192.0.2.1/ CVE-2014-0160 17.0.2.192.in-addr.arpa"
	var got []string
	for _, f := range Extract(text) {
		got = append(got, fmt.Sprintf("%s %s %s", f.Observable.Kind, f.Observable.Value, f.Confidence))
	}
	assert.Equal(t, []string{
		"address 192.0.2.1 likely", // of the second name, which nobody knows to be one
		"url http://www.example.org/ likely", "mail bob@example.org likely", "url http://example.org certain",
		"url http://192.0.2.1/ certain", "address 192.0.2.1 certain", "cve CVE-2014-0160 certain", "address 17.0.2.192 likely",
	}, got)
}

// TestSuffixIsAsked holds what PublicSuffix is called with.
func TestSuffixIsAsked(t *testing.T) {
	var asked []string
	x := Extractor{PublicSuffix: func(name string) (string, bool) {
		asked = append(asked, name)
		return "example", false
	}}
	assert.Empty(t, x.Extract("WWW.Bücher.Example and a.b and 1.2 and a.1b"))
	assert.Equal(t, []string{"www.xn--bcher-kva.example"}, asked)
	asked = nil
	x.PublicSuffix = func(name string) (string, bool) { return "private.example", false }
	assert.Equal(t, []string{"private.example", "www.private.example"}, values(x.Extract("private.example www.private.example")))
}

// TestChunks reads long texts at once and line by line.
func TestChunks(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(uint64(seed), 0))
	parts := []string{"192.0.2.1", "example[.]org", "hxxp://192.0.2.1/x", "bob@example.org", " ", "  ", "[", ".", "2001:db8::1", "word", strings.Repeat("x", 5000)}
	var text strings.Builder
	for text.Len() < 10*chunk {
		text.WriteString(parts[r.IntN(len(parts))])
		if r.IntN(9) == 0 {
			text.WriteByte('\n')
		}
	}
	var want []Found
	start := 0
	for line := range strings.Lines(text.String()) {
		for _, f := range extract(line) {
			f.Start, f.End = f.Start+start, f.End+start
			want = append(want, f)
		}
		start += len(line)
	}
	assert.NotEmpty(t, want)
	assert.Equal(t, want, extract(text.String()))
	long := strings.Repeat(" ", chunk-3) + "192.0.2.123"
	assert.Equal(t, []string{"192.0.2.123"}, values(extract(long)), "a last line that is longer")
}

func TestKindsTogether(t *testing.T) {
	text := "from bob@example.org [192.0.2.1] via 2001:db8::1, 198.51.100.0/24@example.net foo@192.0.2.7, mx.example.org;198.51.100.0/25-www.example.org. CVE-2014-0160 end"
	var got []string
	for _, f := range extract(text) {
		got = append(got, fmt.Sprintf("%s %s %q", f.Observable.Kind, f.Observable.Value, text[f.Start:f.End]))
	}
	assert.Equal(t, []string{
		`mail bob@example.org "bob@example.org"`,
		`address 192.0.2.1 "192.0.2.1"`,
		`address 2001:db8::1 "2001:db8::1"`,
		`address 198.51.100.0 "198.51.100.0"`,
		`mail 24@example.net "24@example.net"`,
		`address 192.0.2.7 "192.0.2.7"`,
		`host mx.example.org "mx.example.org"`,
		`prefix 198.51.100.0/25 "198.51.100.0/25"`,
		`host www.example.org "www.example.org"`,
		`cve CVE-2014-0160 "CVE-2014-0160"`,
	}, got)
}

func TestObservables(t *testing.T) {
	distinct := Observables(extract("Bob@example.org 192.0.2.1 ::ffff:192.0.2.1 bob@EXAMPLE.org 192.0.2.0/24 192.0.2.1/32"))
	assert.Equal(t, []incident.Observable{
		{Kind: incident.MailAddress, Value: "Bob@example.org"},
		{Kind: incident.Address, Value: "192.0.2.1"},
		{Kind: incident.Prefix, Value: "192.0.2.0/24"},
	}, distinct)
	assert.Empty(t, Observables(nil))
}

func TestAllStopsEarly(t *testing.T) {
	hash := strings.Repeat("a1", 16)
	text := "192.0.2.1 2001:db8::1 a@example.org 192.0.2.2 example.org http://192.0.2.1/ CVE-2014-0160\nexample.org " +
		hash + ":192.0.2.3 " + hash + "-2001:db8::2-192.0.2.4 192.0.2.5:example.org:192.0.2.6 " + hash
	for most := 1; most <= 18; most++ {
		n := 0
		for range all(text) {
			if n++; n == most {
				break
			}
		}
		assert.Equal(t, most, n)
	}
}

func FuzzExtract(f *testing.F) {
	for _, seed := range []string{
		"", "192.0.2.1", "172.16.2/26", "2001:db8::1/64.", "::ffff:192.0.2.1/120", "bob@example.org", "a@b@c.de",
		"8.13.8/8.13.0/1.0", "abcd::192.168.1.2.3", "x\x00y@\xff.org", "192.0.2.0/24@example.net", "1.2.3.4..bob@example.org",
		"hxxp://192[.]0[.]2[.]7:80/a(b)", "https://[2001:db8::1]/", "www [.] bücher(dot)example[.]org", "例え.jpです", "CVE-2014-0160",
		"d41d8cd98f00b204e9800998ecf8427e.exe", `a\.b.com[://]x`, "http://a_b.co.uk.?", "ftp://u@xn--bcher-kva.de#x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var last Found
		for _, f := range extract(text) {
			inside := last.Observable.Kind == incident.URL && f.Observable.Kind == incident.Address && f.End <= last.End
			if f.End <= f.Start || f.End > len(text) || f.Start < last.End && !inside || f.Start < last.Start {
				t.Fatalf("offsets %d to %d after %d in %d bytes", f.Start, f.End, last.End, len(text))
			}
			last = f
			if written := extract(text[f.Start:f.End]); !f.Defanged && (len(written) == 0 || written[0].Observable != f.Observable) {
				t.Fatalf("%v stands at %q", f.Observable, text[f.Start:f.End])
			}
			again := extract(f.Observable.Value)
			if len(again) == 0 || again[0].Observable != f.Observable || again[0].End != len(f.Observable.Value) || again[0].Defanged {
				t.Fatalf("%q in %q reads again as %v", f.Observable.Value, text, again)
			}
			_, isNetwork := f.Observable.Network()
			if kind := f.Observable.Kind; isNetwork != (kind == incident.Address || kind == incident.Prefix) {
				t.Fatalf("network of %v", f.Observable)
			}
			if !f.Defanged && f.Observable.Kind == incident.Host && strings.ToLower(text[f.Start:f.End]) == text[f.Start:f.End] && isASCII(text[f.Start:f.End]) && f.Observable.Value != text[f.Start:f.End] {
				t.Fatalf("%q stands where %q is found", text[f.Start:f.End], f.Observable.Value)
			}
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}
