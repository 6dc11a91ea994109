package lookup

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

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
			found := Extract(c.text)
			assert.Equal(t, c.want, values(found), "in %q", c.text)
			for _, f := range found {
				assert.Contains(t, kinds, f.Observable.Kind)
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
		{"path", "http://192.0.2.1/8 192.0.2.2/8/a 192.0.2.3/8.html 192.0.2.4/1st", []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"}},
		{"log line", `192.0.2.1 - - [10/Oct/2000:13:55:36] "GET /a?b=198.51.100.2&c HTTP/1.0"`, []string{"192.0.2.1", "198.51.100.2"}},
		{"at the end", "192.0.2.1/", []string{"192.0.2.1"}},
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
	label := strings.Repeat("a", 63)
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
		{"label length", "a@" + label + ".org b@" + label + "a.org", []string{"a@" + label + ".org"}},
		{"domain length", "a@" + strings.Repeat(label+".", 3) + label[:61] + " b@" + strings.Repeat(label+".", 3) + label[:62], []string{"a@" + strings.Repeat(label+".", 3) + label[:61]}},
		{"local length", strings.Repeat("a", 64) + "@example.org " + strings.Repeat("b", 65) + "@example.org", []string{strings.Repeat("a", 64) + "@example.org"}},
		{"address in front", "192.0.2.1@example.org", []string{"192.0.2.1@example.org"}},
		{"rest of a word", "müller@example.org foo@example.orgé éa@example.org", nil},
		{"scripts without spaces", "邮箱foo@example.org联系", []string{"foo@example.org"}},
	})
}

func TestKindsTogether(t *testing.T) {
	text := "from bob@example.org [192.0.2.1] via 2001:db8::1, 198.51.100.0/24@example.net foo@192.0.2.7 end"
	var got []string
	for _, f := range Extract(text) {
		got = append(got, fmt.Sprintf("%s %s %q", f.Observable.Kind, f.Observable.Value, text[f.Start:f.End]))
	}
	assert.Equal(t, []string{
		`mail bob@example.org "bob@example.org"`,
		`address 192.0.2.1 "192.0.2.1"`,
		`address 2001:db8::1 "2001:db8::1"`,
		`address 198.51.100.0 "198.51.100.0"`,
		`mail 24@example.net "24@example.net"`,
		`address 192.0.2.7 "192.0.2.7"`,
	}, got)
}

func TestObservables(t *testing.T) {
	distinct := Observables(Extract("Bob@example.org 192.0.2.1 ::ffff:192.0.2.1 bob@EXAMPLE.org 192.0.2.0/24 192.0.2.1/32"))
	assert.Equal(t, []incident.Observable{
		{Kind: incident.MailAddress, Value: "Bob@example.org"},
		{Kind: incident.Address, Value: "192.0.2.1"},
		{Kind: incident.Prefix, Value: "192.0.2.0/24"},
	}, distinct)
	assert.Empty(t, Observables(nil))
}

func TestAllStopsEarly(t *testing.T) {
	text := "192.0.2.1 2001:db8::1 a@example.org 192.0.2.2"
	for most := 1; most <= 4; most++ {
		n := 0
		for range All(text) {
			if n++; n == most {
				break
			}
		}
		assert.Equal(t, most, n)
	}
}

// hostile are patterns that make scanners go back over what they have read.
func hostile() []string {
	return []string{
		"1.", ":", "a@", "1.1.1.1.", "1:", "::", "a.", "..", "@", "a@a.", "1.1.1.1/", "1.2.3/24.", "a@a.aa ", "f:f.",
		"::1/", "a-", "a@a-.", "1.1.1.1 ", "é@", "a", "1",
	}
}

func TestLinearTime(t *testing.T) {
	if testing.Short() {
		t.Skip("reads many MB")
	}
	clock := func(text string) time.Duration {
		start := time.Now()
		for range All(text) {
		}
		return time.Since(start)
	}
	const size = 10 << 20
	for _, pattern := range hostile() {
		// A quadratic scanner would need hours.
		took := clock(strings.Repeat(pattern, size/len(pattern)))
		require.Less(t, took, 20*time.Second, "pattern %q", pattern)
	}
}

func FuzzExtract(f *testing.F) {
	for _, seed := range []string{
		"", "192.0.2.1", "172.16.2/26", "2001:db8::1/64.", "::ffff:192.0.2.1/120", "bob@example.org", "a@b@c.de",
		"8.13.8/8.13.0/1.0", "abcd::192.168.1.2.3", "x\x00y@\xff.org", "192.0.2.0/24@example.net", "1.2.3.4..bob@example.org",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		last := 0
		for _, f := range Extract(text) {
			if f.Start < last || f.End <= f.Start || f.End > len(text) {
				t.Fatalf("offsets %d to %d after %d in %d bytes", f.Start, f.End, last, len(text))
			}
			last = f.End
			again := Extract(f.Observable.Value)
			if len(again) != 1 || again[0].Observable != f.Observable || again[0].End != len(f.Observable.Value) {
				t.Fatalf("%q reads again as %v", f.Observable.Value, again)
			}
			if _, ok := f.Observable.Network(); ok != (f.Observable.Kind != incident.MailAddress) {
				t.Fatalf("network of %v", f.Observable)
			}
		}
	})
}

func BenchmarkExtract(b *testing.B) {
	texts := map[string]string{
		"log":   `192.0.2.17 - bob@example.org [10/Oct/2000:13:55:36 +0000] "GET /index.html HTTP/1.0" 200 2326 "-" from 2001:db8::17` + "\n",
		"prose": "Dear colleagues, we have seen scans from one of your hosts; please find the details below and let us know. Thank you.\n",
	}
	for name, line := range texts {
		b.Run(name, func(b *testing.B) {
			text := strings.Repeat(line, 1<<20/len(line))
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				for range All(text) {
				}
			}
		})
	}
}
