package incident_test

import (
	"math/rand/v2"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func TestNewObservable(t *testing.T) {
	hash := strings.Repeat("aB", 16)
	for _, test := range []struct {
		kind     incident.ObservableKind
		value    string
		want     incident.Observable // its Role is source, but for refusals
		key      string
		network  string
		domain   string
		rejected string
	}{
		{kind: incident.Address, value: " 192.0.2.7 ", want: incident.Observable{Kind: incident.Address, Value: "192.0.2.7"}, key: "a4c0000207/20", network: "192.0.2.7/32"},
		{kind: incident.Address, value: "::ffff:192.0.2.7", want: incident.Observable{Kind: incident.Address, Value: "192.0.2.7"}, key: "a4c0000207/20", network: "192.0.2.7/32"},
		{kind: incident.Address, value: "2001:DB8:0::1", want: incident.Observable{Kind: incident.Address, Value: "2001:db8::1"}, key: "a620010db8000000000000000000000001/80", network: "2001:db8::1/128"},
		{kind: incident.Address, value: "fe80::1%eth0", want: incident.Observable{Kind: incident.Address, Value: "fe80::1"}, key: "a6fe800000000000000000000000000001/80", network: "fe80::1/128"},
		{kind: incident.Address, value: "192.0.2.256", rejected: "IP address"},
		{kind: incident.Address, value: "192.0.2.7/32", rejected: "IP address"},
		{kind: incident.Prefix, value: "192.0.2.99/24", want: incident.Observable{Kind: incident.Prefix, Value: "192.0.2.0/24"}, key: "a4c0000200/18", network: "192.0.2.0/24"},
		{kind: incident.Prefix, value: "192.0.2.7/32", want: incident.Observable{Kind: incident.Address, Value: "192.0.2.7"}, key: "a4c0000207/20", network: "192.0.2.7/32"},
		{kind: incident.Prefix, value: "::ffff:192.0.2.7/120", want: incident.Observable{Kind: incident.Prefix, Value: "192.0.2.0/24"}, key: "a4c0000200/18", network: "192.0.2.0/24"},
		{kind: incident.Prefix, value: "2001:db8::1/128", want: incident.Observable{Kind: incident.Address, Value: "2001:db8::1"}, key: "a620010db8000000000000000000000001/80", network: "2001:db8::1/128"},
		{kind: incident.Prefix, value: "::/0", want: incident.Observable{Kind: incident.Prefix, Value: "::/0"}, key: "a600000000000000000000000000000000/00", network: "::/0"},
		{kind: incident.Prefix, value: "192.0.2.0", rejected: "IP prefix"},
		{kind: incident.Prefix, value: "192.0.2.0/33", rejected: "IP prefix"},
		{kind: incident.Host, value: "WWW.Example.ORG.", want: incident.Observable{Kind: incident.Host, Value: "www.example.org"}, key: "dorg.example.www.", domain: "www.example.org"},
		{kind: incident.Host, value: "bücher.example", want: incident.Observable{Kind: incident.Host, Value: "bücher.example"}, key: "dexample.bücher.", domain: "bücher.example"},
		{kind: incident.Host, value: ".", rejected: "host name"},
		{kind: incident.Host, value: "a b", rejected: "host name"},
		{kind: incident.Host, value: "a\u00a0.", rejected: "host name"},
		{kind: incident.Host, value: "example.org..", rejected: "host name"},
		{kind: incident.Host, value: "a@example.org", rejected: "host name"},
		{kind: incident.Host, value: "example.org/x", rejected: "host name"},
		{kind: incident.Host, value: strings.Repeat("a", 254), rejected: "host name"},
		{kind: incident.MailAddress, value: "Bob@Example.ORG", want: incident.Observable{Kind: incident.MailAddress, Value: "Bob@example.org"}, key: "mbob@example.org", domain: "example.org"},
		{kind: incident.MailAddress, value: `"a@b"@example.org`, want: incident.Observable{Kind: incident.MailAddress, Value: `"a@b"@example.org`}, key: `m"a@b"@example.org`, domain: "example.org"},
		{kind: incident.MailAddress, value: "bob", rejected: "mail address"},
		{kind: incident.MailAddress, value: "@example.org", rejected: "mail address"},
		{kind: incident.MailAddress, value: "bob@", rejected: "mail address"},
		{kind: incident.MailAddress, value: "bob smith@example.org", rejected: "mail address"},
		{kind: incident.URL, value: "https://Files.Example.com:8443/X?q", want: incident.Observable{Kind: incident.URL, Value: "https://Files.Example.com:8443/X?q"}, key: "uhttps://Files.Example.com:8443/X?q", domain: "files.example.com"},
		{kind: incident.URL, value: "http://a@b@example.org.?q@x", want: incident.Observable{Kind: incident.URL, Value: "http://a@b@example.org.?q@x"}, key: "uhttp://a@b@example.org.?q@x", domain: "example.org"},
		{kind: incident.URL, value: "http://example.org#a@b/c", want: incident.Observable{Kind: incident.URL, Value: "http://example.org#a@b/c"}, key: "uhttp://example.org#a@b/c", domain: "example.org"},
		{kind: incident.URL, value: "http://192.0.2.7/x", want: incident.Observable{Kind: incident.URL, Value: "http://192.0.2.7/x"}, key: "uhttp://192.0.2.7/x"},
		{kind: incident.URL, value: "http://[2001:db8::1]:80/x", want: incident.Observable{Kind: incident.URL, Value: "http://[2001:db8::1]:80/x"}, key: "uhttp://[2001:db8::1]:80/x"},
		{kind: incident.URL, value: "urn:x", want: incident.Observable{Kind: incident.URL, Value: "urn:x"}, key: "uurn:x"},
		{kind: incident.URL, value: "example.org", rejected: "URL"},
		{kind: incident.Hash, value: hash, want: incident.Observable{Kind: incident.Hash, Value: strings.ToLower(hash)}, key: "h" + strings.ToLower(hash)},
		{kind: incident.Hash, value: "abcd", rejected: "hash"},
		{kind: incident.Hash, value: strings.Repeat("zz", 16), rejected: "hash"},
		{kind: incident.CVE, value: "cve-2014-0160", want: incident.Observable{Kind: incident.CVE, Value: "CVE-2014-0160"}, key: "cCVE-2014-0160"},
		{kind: incident.CVE, value: "2014-0160", rejected: "CVE"},
		{kind: "as", value: "AS64496", rejected: "allowed are address, prefix, host, mail, url, hash, cve"},
	} {
		t.Run(string(test.kind)+" "+test.value[:min(len(test.value), 40)], func(t *testing.T) {
			o, err := incident.NewObservable(test.kind, test.value, incident.RoleSource)
			if test.rejected != "" {
				require.ErrorContains(t, err, test.rejected)
				assert.Zero(t, o)
				return
			}
			require.NoError(t, err)
			test.want.Role = incident.RoleSource
			assert.Equal(t, test.want, o)
			assert.Equal(t, test.key, o.Key())
			again, err := incident.NewObservable(o.Kind, o.Value, o.Role)
			require.NoError(t, err)
			assert.Equal(t, o, again, "the canonical form is canonical")

			network, ok := o.Network()
			assert.Equal(t, test.network != "", ok)
			if ok {
				assert.Equal(t, test.network, network.String())
			}
			domain, ok := o.Domain()
			assert.Equal(t, test.domain != "", ok)
			assert.Equal(t, test.domain, domain)
		})
	}
}

func TestKeysOfValuesFromElsewhere(t *testing.T) {
	for _, o := range []incident.Observable{
		{Kind: incident.Address, Value: "no address"}, {Kind: incident.Prefix, Value: "192.0.2.0/99"}, {Kind: "as", Value: "64496"},
	} {
		assert.Equal(t, "?"+o.Value, o.Key())
		_, ok := o.Network()
		assert.False(t, ok)
	}
}

// TestKeyRange checks the promise of Key and PrefixKeyRange against netip: the
// keys between the ends are those of what lies inside, and the networks around
// have the keys of its first address masked to each shorter length.
func TestKeyRange(t *testing.T) {
	seed := testSeed(t)
	r := rand.New(rand.NewPCG(seed, 3))
	random := func() netip.Prefix {
		var a netip.Addr
		if r.IntN(2) == 0 {
			a = netip.AddrFrom4([4]byte{192, 0, byte(2 + r.IntN(2)), byte(r.IntN(256))})
		} else {
			b := netip.MustParseAddr("2001:db8::").As16()
			b[4], b[5], b[15] = byte(r.IntN(2)), byte(r.IntN(256)), byte(r.IntN(256))
			a = netip.AddrFrom16(b)
		}
		bits := r.IntN(a.BitLen() + 1)
		if r.IntN(2) == 0 {
			bits = a.BitLen()
		}
		if a.Is4() && r.IntN(4) == 0 {
			return netip.PrefixFrom(netip.AddrFrom16(a.As16()), 96+bits) // mapped
		}
		return netip.PrefixFrom(a, bits)
	}
	inside, around := 0, 0
	for range 50_000 {
		network, other := random(), random()
		from, to := incident.PrefixKeyRange(network)
		o := incident.PrefixOf(other, incident.RoleUnknown)
		q, ok := o.Network()
		require.True(t, ok)
		p, ok := incident.PrefixOf(network, incident.RoleUnknown).Network()
		require.True(t, ok)

		contains := p.Overlaps(q) && p.Bits() <= q.Bits()
		inRange := from <= o.Key() && o.Key() <= to
		require.Equal(t, contains, inRange, "seed %d: %s inside %s, keys %s in %s to %s", seed, o.Value, network, o.Key(), from, to)

		isAround := p.Overlaps(q) && q.Bits() < p.Bits()
		masked := q.Bits() < p.Bits() && q.Addr().BitLen() == p.Addr().BitLen() &&
			incident.PrefixKey(netip.PrefixFrom(p.Addr(), q.Bits())) == o.Key()
		require.Equal(t, isAround, masked, "seed %d: %s around %s", seed, o.Value, network)
		if contains {
			inside++
		}
		if isAround {
			around++
		}
	}
	t.Logf("seed %d: 50000 pairs, %d inside, %d around", seed, inside, around)
	assert.Greater(t, inside, 5000)
	assert.Greater(t, around, 5000)
}

// testSeed returns AIRTIGHT_SEED, or 1.
func testSeed(t *testing.T) uint64 {
	t.Helper()
	set := os.Getenv("AIRTIGHT_SEED")
	if set == "" {
		return 1
	}
	seed, err := strconv.ParseUint(set, 10, 64)
	require.NoError(t, err)
	return seed
}

func TestUnder(t *testing.T) {
	for _, test := range []struct {
		name, domain string
		want         bool
	}{
		{"example.org", "example.org", true},
		{"www.Example.org.", "EXAMPLE.ORG", true},
		{"a.b.example.org", "example.org.", true},
		{"badexample.org", "example.org", false},
		{"example.org", "www.example.org", false},
		{"example.org.example.net", "example.org", false},
		{"example.org", "org", true},
		{"example.organic", "org", false},
	} {
		assert.Equal(t, test.want, incident.Under(test.name, test.domain), "%s under %s", test.name, test.domain)
	}
}

func FuzzObservable(f *testing.F) {
	for _, kind := range []incident.ObservableKind{incident.Address, incident.Prefix, incident.Host, incident.MailAddress, incident.URL, incident.Hash, incident.CVE} {
		for _, value := range []string{"192.0.2.7", "::ffff:192.0.2.7/96", "Example.org.", "a..", "a\t.", "İ.example", "Bob@Example.org", "http://[::1]:80/x", strings.Repeat("A", 64), "CVE-2014-0160", "\x00\xff"} {
			f.Add(string(kind), value)
		}
	}
	f.Fuzz(func(t *testing.T, kind, value string) {
		o, err := incident.NewObservable(incident.ObservableKind(kind), value, incident.RoleTarget)
		if err != nil {
			return
		}
		again, err := incident.NewObservable(o.Kind, o.Value, o.Role)
		if err != nil || again != o {
			t.Errorf("%q becomes %q, and that %q, %v", value, o.Value, again.Value, err)
		}
		if o.Value != incident.Clean(o.Value) {
			t.Errorf("%q becomes %q, which a store cannot keep", value, o.Value)
		}
		if strings.HasPrefix(o.Key(), "?") {
			t.Errorf("%q has no key of its own: %s", o.Value, o.Key())
		}
	})
}
