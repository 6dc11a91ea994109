package lookup

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gaissmai/bart"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

const campus = `
version: 7
default: world
constituencies:
  - name: world
  - name: physics
    title: Department of Physics
    language: nl
    service: gold
    contacts:
      - {role: technical, name: Bob, address: bob@physics.example.org, order: 2}
      - {role: abuse, address: abuse@physics.example.org, telephone: "+31 20 555 0100", language: en, key: 0123456789ABCDEF0123456789ABCDEF01234567, service: silver, template: compromised, order: 1}
  - name: library
    contacts: [{telephone: "+31 20 555 0199"}]
entries:
  - {scope: 192.0.2.0/24, constituency: physics, label: main building}
  - {scope: 192.0.2.128/25, constituency: library}
  - {scope: 192.0.2.200, except: true}
  - {scope: "2001:db8::/32", constituency: physics}
  - {scope: "2001:db8:1::/48", constituency: library, source: registry}
  - {scope: physics.example.org, constituency: physics}
  - {scope: example.org, constituency: library}
  - {scope: guests.example.org, except: true}
  - {scope: bücher.example, constituency: library}
  - {scope: AS64500, constituency: library}
  - {scope: AS64501, except: true}
`

func parse(t *testing.T, text string) Document {
	t.Helper()
	doc, err := ParseYAML(strings.NewReader(text))
	require.NoError(t, err)
	return doc
}

func directory(t *testing.T, text string, config Config) *Directory {
	t.Helper()
	d, err := NewDirectory(parse(t, text), config)
	require.NoError(t, err)
	return d
}

func observable(t *testing.T, kind incident.ObservableKind, value string) incident.Observable {
	t.Helper()
	o, err := incident.NewObservable(kind, value, "")
	require.NoError(t, err)
	return o
}

func TestMatch(t *testing.T) {
	d := directory(t, campus, Config{})
	for _, c := range []struct {
		kind    incident.ObservableKind
		value   string
		origins []uint32
		want    string
		why     []string
	}{
		{incident.Address, "192.0.2.1", nil, "physics", []string{"It belongs to physics, because network 192.0.2.0/24 does (set by hand)."}},
		{incident.Address, "::ffff:192.0.2.1", nil, "physics", []string{"It belongs to physics, because network 192.0.2.0/24 does (set by hand)."}},
		{incident.Address, "192.0.2.129", nil, "library", []string{"It belongs to library, because network 192.0.2.128/25 does (set by hand).", "network 192.0.2.0/24 belongs to physics (set by hand)."}},
		{incident.Address, "192.0.2.200", []uint32{64500}, "world", []string{"It belongs to world by default: address 192.0.2.200 is excepted (set by hand).",
			"network 192.0.2.128/25 belongs to library (set by hand).", "network 192.0.2.0/24 belongs to physics (set by hand).", "There is no contact of world."}},
		{incident.Address, "2001:db8:1::1", nil, "library", []string{"It belongs to library, because network 2001:db8:1::/48 does (imported from registry).", "network 2001:db8::/32 belongs to physics (set by hand)."}},
		{incident.Address, "2001:db8:2::1", nil, "physics", []string{"It belongs to physics, because network 2001:db8::/32 does (set by hand)."}},
		{incident.Prefix, "192.0.2.0/25", nil, "physics", []string{"It belongs to physics, because network 192.0.2.0/24 does (set by hand)."}},
		{incident.Prefix, "192.0.2.0/24", nil, "physics", []string{"It belongs to physics, because network 192.0.2.0/24 does (set by hand).", "Not all of it: inside, network 192.0.2.128/25 belongs to library (set by hand)."}},
		{incident.Prefix, "192.0.2.192/26", nil, "library", []string{"It belongs to library, because network 192.0.2.128/25 does (set by hand).",
			"network 192.0.2.0/24 belongs to physics (set by hand).", "Not all of it: inside, address 192.0.2.200 is excepted (set by hand)."}},
		{incident.Prefix, "192.0.0.0/16", nil, "world", []string{"It belongs to world by default: nothing in the directory is around it.", "Not all of it: inside, network 192.0.2.0/24 belongs to physics (set by hand).", "There is no contact of world."}},
		{incident.Address, "198.51.100.1", nil, "world", []string{"It belongs to world by default: nothing in the directory is around it.", "There is no contact of world."}},
		{incident.Address, "198.51.100.1", []uint32{64499, 64500, 64501}, "library", []string{"It belongs to library, because AS64500 does (set by hand).", "The directory does not know AS64499.", "AS64501 is excepted (set by hand)."}},
		{incident.Address, "198.51.100.1", []uint32{64501}, "world", []string{"It belongs to world by default: AS64501 is excepted (set by hand).", "There is no contact of world."}},
		{incident.Host, "www.Physics.Example.org", nil, "physics", []string{"It belongs to physics, because domain physics.example.org does (set by hand).", "domain example.org belongs to library (set by hand)."}},
		{incident.Host, "example.org", nil, "library", []string{"It belongs to library, because domain example.org does (set by hand)."}},
		{incident.Host, "notexample.org", nil, "world", []string{"It belongs to world by default: nothing in the directory is around it.", "There is no contact of world."}},
		{incident.Host, "a.guests.example.org", nil, "world", []string{"It belongs to world by default: domain guests.example.org is excepted (set by hand).", "domain example.org belongs to library (set by hand).", "There is no contact of world."}},
		{incident.Host, "www.Bücher.example", nil, "library", []string{"It belongs to library, because domain xn--bcher-kva.example does (set by hand)."}},
		{incident.Host, "a\u200d.example.org", nil, "library", []string{"It belongs to library, because domain example.org does (set by hand)."}},
		{incident.URL, "http://192.0.2.1?x=http://198.51.100.1/%zz", nil, "physics", []string{"It belongs to physics, because network 192.0.2.0/24 does (set by hand).", "The host of the URL is 192.0.2.1."}},
		{incident.URL, "http://[2001:db8::1]:443/", nil, "physics", []string{"It belongs to physics, because network 2001:db8::/32 does (set by hand).", "The host of the URL is 2001:db8::1."}},
		{incident.URL, "mailto:bob 192.0.2.1", nil, "world", []string{"It belongs to world by default: nothing in the directory is around it.", "There is no contact of world."}},
		{incident.MailAddress, "eve@mail.example.org", nil, "library", []string{"It belongs to library, because domain example.org does (set by hand)."}},
		{incident.URL, "http://www.example.org/x", nil, "library", []string{"It belongs to library, because domain example.org does (set by hand)."}},
		{incident.URL, "http://192.0.2.1:80/x", nil, "physics", []string{"It belongs to physics, because network 192.0.2.0/24 does (set by hand).", "The host of the URL is 192.0.2.1."}},
		{incident.CVE, "CVE-http://192.0.2.1/", nil, "world", []string{"It belongs to world by default: nothing in the directory is around it.", "There is no contact of world."}},
		{incident.CVE, "CVE-2014-0160", nil, "world", []string{"It belongs to world by default: nothing in the directory is around it.", "There is no contact of world."}},
	} {
		t.Run(fmt.Sprint(c.value, c.origins), func(t *testing.T) {
			m := d.Match(observable(t, c.kind, c.value), c.origins...)
			assert.Equal(t, c.want, m.Constituency.Name)
			assert.Equal(t, c.why, m.Why)
		})
	}
}

func TestMatchSameInside(t *testing.T) {
	d := directory(t, "default: a\nconstituencies: [{name: a, contacts: [{telephone: '1'}]}]\nentries: [{scope: 192.0.2.0/24, constituency: a}, {scope: 192.0.2.0/25, constituency: a}]", Config{})
	assert.Equal(t, []string{"It belongs to a, because network 192.0.2.0/24 does (set by hand)."}, d.Match(observable(t, incident.Prefix, "192.0.2.0/24")).Why)
}

func TestMatchContacts(t *testing.T) {
	m := directory(t, campus, Config{}).Match(observable(t, incident.Address, "192.0.2.1"))
	assert.Equal(t, "main building", m.Entry.Label)
	assert.EqualValues(t, 7, m.Version)
	assert.Equal(t, "Department of Physics", m.Constituency.Title)
	assert.Equal(t, []Contact{
		{Role: "abuse", Address: "abuse@physics.example.org", Telephone: "+31 20 555 0100", Language: "en", Key: "0123456789ABCDEF0123456789ABCDEF01234567", Service: "silver", Template: "compromised", Order: 1},
		{Role: "technical", Name: "Bob", Address: "bob@physics.example.org", Language: "nl", Service: "gold", Order: 2},
	}, m.Constituency.Contacts)
}

func TestManualBeatsImported(t *testing.T) {
	for scope, asked := range map[string]incident.Observable{
		"192.0.2.0/24": observable(t, incident.Address, "192.0.2.1"), "example.org": observable(t, incident.Host, "www.example.org"), "AS64500": {},
	} {
		for _, first := range []string{"", "registry"} {
			byHand, imported := Entry{Constituency: "a"}, Entry{Constituency: "b", Source: "registry"}
			require.NoError(t, byHand.Scope.UnmarshalText([]byte(scope)))
			imported.Scope = byHand.Scope
			doc := Document{Default: "world", Constituencies: []Constituency{{Name: "world"}, {Name: "a"}, {Name: "b"}}, Entries: []Entry{byHand, imported}}
			if first != "" {
				doc.Entries = []Entry{imported, byHand}
			}
			d, err := NewDirectory(doc, Config{})
			require.NoError(t, err)
			m := d.Match(asked)
			if scope == "AS64500" {
				m = d.Match(incident.Observable{}, 64500)
			}
			assert.Equal(t, "a", m.Constituency.Name, "%s, first %q", scope, first)
			assert.Equal(t, []Finding{{Conflict, byHand.sentence() + ", but " + imported.sentence() + ": the first counts."}}, Check(doc)[:1])
		}
	}
}

func TestConfig(t *testing.T) {
	var asked netip.Prefix
	d := directory(t, campus, Config{
		Network: func(p netip.Prefix, around []Entry) (Entry, bool) {
			asked = p
			switch {
			case len(around) == 0:
				return Entry{}, false
			case around[0].Label == "main building":
				return Entry{Scope: around[0].Scope, Constituency: "nobody"}, true
			}
			return around[len(around)-1], true
		},
		Role: func(o incident.Observable) incident.Role {
			if o.Kind == incident.Address {
				return incident.RoleSource
			}
			return incident.RoleTarget
		},
		Text: func(o incident.Observable, m Match) []string { return []string{o.Value + " of " + m.Constituency.Name} },
	})
	m := d.Match(observable(t, incident.Address, "192.0.2.129"))
	assert.Equal(t, "physics", m.Constituency.Name)
	assert.Equal(t, []string{"192.0.2.129 of physics"}, m.Text)
	assert.Equal(t, incident.RoleSource, m.Role)
	assert.Equal(t, "192.0.2.129/32", asked.String())
	assert.Equal(t, []string{"It belongs to physics, because network 192.0.2.0/24 does (set by hand).",
		"The network choice of this desk decided otherwise than by the longest network.", "network 192.0.2.128/25 belongs to library (set by hand)."}, m.Why)

	m = d.Match(observable(t, incident.Prefix, "192.0.2.128/25"))
	assert.Equal(t, "Not all of it: inside, address 192.0.2.200 is excepted (set by hand).", m.Why[len(m.Why)-1])

	m = d.Match(observable(t, incident.Address, "192.0.2.1"))
	assert.Equal(t, "world", m.Constituency.Name)
	assert.Contains(t, m.Why[0], `named "nobody"`)
	assert.Equal(t, Entry{}, m.Entry)

	m = d.Match(observable(t, incident.Address, "2001:db8:2::1"))
	assert.Equal(t, []string{"It belongs to physics, because network 2001:db8::/32 does (set by hand)."}, m.Why, "it chose the longest")

	m = d.Match(observable(t, incident.Address, "198.51.100.1"), 64500)
	assert.Equal(t, "library", m.Constituency.Name, "AS numbers come after it")
	assert.Equal(t, incident.RoleTarget, d.Match(observable(t, incident.Host, "example.org")).Role)
	assert.Equal(t, incident.RoleUnknown, directory(t, campus, Config{}).Match(observable(t, incident.Host, "example.org")).Role)
	given := incident.AddressOf(netip.MustParseAddr("192.0.2.129"), incident.RoleTarget)
	assert.Equal(t, incident.RoleTarget, d.Match(given).Role, "somebody said it")
}

// TestDirectoryIsImmutable changes the document that a directory was made of.
func TestDirectoryIsImmutable(t *testing.T) {
	doc := parse(t, campus)
	d, err := NewDirectory(doc, Config{})
	require.NoError(t, err)
	assert.Equal(t, "Bob", doc.Constituencies[1].Contacts[0].Name, "NewDirectory sorts a copy")
	doc.Entries[0].Constituency = "library"
	doc.Constituencies[1].Contacts[0].Name = "Eve"
	m := d.Match(observable(t, incident.Address, "192.0.2.1"))
	assert.Equal(t, "physics", m.Constituency.Name)
	assert.Equal(t, "Bob", m.Constituency.Contacts[1].Name)
}

func TestNewDirectoryErrors(t *testing.T) {
	_, err := NewDirectory(Document{}, Config{})
	assert.ErrorContains(t, err, `the default is "", which is no constituency in it`)
	_, err = NewDirectory(Document{
		Default:        "a",
		Constituencies: []Constituency{{Name: "a"}, {Name: "a"}, {}, {Name: "b", Contacts: []Contact{{Name: "x"}, {Address: "y"}}}},
		Entries: []Entry{
			{Constituency: "a"}, {Scope: scope(t, "192.0.2.0/24"), Constituency: "c"}, {Scope: scope(t, "example.org"), Constituency: "a", Except: true},
			{Scope: scope(t, "AS1"), Constituency: "a"}, {Scope: scope(t, "AS1"), Constituency: "b"}, {Scope: scope(t, "AS1"), Constituency: "b", Source: "s"},
			{Scope: scope(t, "AS2")},
		},
	}, Config{})
	unprintable := Document{Default: "a", Constituencies: []Constituency{
		{Name: "a", Contacts: []Contact{{Role: "\x01", Name: "\x02", Address: "\x03@b", Telephone: "\x04", Language: "\x05", Key: "\x06", Service: "\x07", Template: "\x08"}}},
		{Name: "\x09", Title: "\x0a", Code: "\x0b", Language: "\x0c", Service: "\x0d", Source: "\x0e"},
	}, Entries: []Entry{{Scope: scope(t, "AS1"), Constituency: "a", Label: "\x0f", Source: "\xff"}}}
	_, unprintableErr := NewDirectory(unprintable, Config{})
	require.Error(t, unprintableErr)
	assert.Equal(t, 16, strings.Count(unprintableErr.Error(), "allowed are characters that can be printed"))
	assert.Equal(t, 15, strings.Count(unprintableErr.Error(), "\n"), "one line each")
	assert.EqualError(t, err, strings.Join([]string{
		`lookup: directory: constituency "a" is there twice`,
		`lookup: directory: a constituency has no name`,
		`lookup: directory: contact 1 of "b" has neither address nor telephone`,
		`lookup: directory: contact 2 of "b": "y" is no mail address`,
		`lookup: directory: entry 1 has no scope`,
		`lookup: directory: network 192.0.2.0/24 belongs to "c", which is no constituency in it`,
		`lookup: directory: domain example.org is excepted and has a constituency: allowed is one of both`,
		`lookup: directory: AS1 (set by hand) is there twice`,
		`lookup: directory: AS2 belongs to "", which is no constituency in it`,
	}, "\n"))
}

// TestLongestPrefix holds the directory against a twin that tries all lengths.
func TestLongestPrefix(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(uint64(seed), 1))
	const n = 100_000
	doc := Document{Default: "0", Constituencies: []Constituency{{Name: "0"}}}
	twin := map[netip.Prefix]string{}
	for i := range n {
		p := randomPrefix(r)
		if _, ok := twin[p]; ok {
			continue
		}
		twin[p] = fmt.Sprint(i % 7)
		doc.Entries = append(doc.Entries, Entry{Scope: Scope{network: p}, Constituency: twin[p], Label: p.String()})
	}
	for i := 1; i < 7; i++ {
		doc.Constituencies = append(doc.Constituencies, Constituency{Name: fmt.Sprint(i)})
	}
	d, err := NewDirectory(doc, Config{})
	require.NoError(t, err)
	hits := 0
	for range n {
		a := randomAddress(r)
		want, found := netip.Prefix{}, false
		for bits := a.BitLen(); bits >= 0 && !found; bits-- {
			want, _ = a.Prefix(bits)
			_, found = twin[want]
		}
		e := d.Network(a)
		require.Equal(t, found, e != nil, "%s", a)
		m := d.Match(incident.AddressOf(a, ""))
		if !found {
			require.Equal(t, "0", m.Constituency.Name, "%s", a)
			continue
		}
		hits++
		require.Equal(t, want.String(), e.Label, "%s", a)
		require.Equal(t, twin[want], m.Constituency.Name, "%s", a)
	}
	t.Logf("%d prefixes, %d of %d addresses inside", len(twin), hits, n)
	assert.Greater(t, hits, n/10)
	assert.Less(t, hits, n-n/10)
}

// randomAddress is of few networks, so that they lie in each other.
func randomAddress(r *rand.Rand) netip.Addr {
	if r.IntN(2) == 0 {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], r.Uint32()&0x0fffffff|0xc0000000)
		return netip.AddrFrom4(a)
	}
	var a [16]byte
	binary.BigEndian.PutUint64(a[:], 0x20010db8_00000000|uint64(r.Uint32()))
	binary.BigEndian.PutUint64(a[8:], r.Uint64())
	return netip.AddrFrom16(a)
}

func randomPrefix(r *rand.Rand) netip.Prefix {
	a := randomAddress(r)
	bits := 18 + r.IntN(15)
	if a.Is6() {
		bits = 44 + r.IntN(85)
	}
	p, _ := a.Prefix(bits)
	return p
}

// million is a directory of a million networks, the trie alone with the same
// entries, and addresses to look up.
func million(t testing.TB) (*Directory, *bart.Table[*Entry], []netip.Addr) {
	r := rand.New(rand.NewPCG(1, 2))
	doc := Document{Default: "a", Constituencies: []Constituency{{Name: "a"}}}
	var trie bart.Table[*Entry]
	seen := map[netip.Prefix]bool{}
	for len(seen) < 1_000_000 {
		a := randomAddress(r)
		bits := 12 + r.IntN(13) // as in routing tables
		if a.Is4() {
			bits = 14 + r.IntN(15)
		} else {
			bits += 28
		}
		if p, _ := a.Prefix(bits); !seen[p] {
			seen[p] = true
			e := Entry{Scope: Scope{network: p}, Constituency: "a"}
			trie.Insert(p, &e)
			doc.Entries = append(doc.Entries, e)
		}
	}
	d, err := NewDirectory(doc, Config{})
	require.NoError(t, err)
	addresses := make([]netip.Addr, 1<<16)
	for i := range addresses {
		addresses[i] = randomAddress(r)
	}
	return d, &trie, addresses
}

func TestNetwork(t *testing.T) {
	d := directory(t, campus, Config{})
	assert.Nil(t, d.Network(netip.MustParseAddr("198.51.100.1")))
	assert.Equal(t, "library", d.Network(netip.MustParseAddr("::ffff:192.0.2.130")).Constituency)
	assert.True(t, d.Network(netip.MustParseAddr("192.0.2.200")).Except)
	assert.Equal(t, "physics", d.Network(netip.MustParseAddr("2001:db8::1%eth0")).Constituency)
	assert.Nil(t, d.Network(netip.Addr{}))
	addresses := []netip.Addr{netip.MustParseAddr("192.0.2.200"), netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("198.51.100.1")}
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		for _, a := range addresses {
			d.Network(a)
		}
	}))
}

// BenchmarkNetwork looks up among a million networks, and reports how many times
// as long it takes as the trie alone, both measured in turn.
func BenchmarkNetwork(b *testing.B) {
	d, trie, addresses := million(b)
	hits := 0
	alone := func() {
		for _, a := range addresses {
			if _, ok := trie.Lookup(a); ok {
				hits++
			}
		}
	}
	ours := func() {
		for _, a := range addresses {
			if d.Network(a) != nil {
				hits--
			}
		}
	}
	clock := func(f func()) time.Duration {
		start := time.Now()
		f()
		return time.Since(start)
	}
	b.ReportAllocs()
	least, leastAlone := time.Hour, time.Hour
	for b.Loop() {
		leastAlone = min(leastAlone, clock(alone))
		least = min(least, clock(ours))
	}
	require.Zero(b, hits, "both find the same")
	b.ReportMetric(float64(least.Nanoseconds())/float64(len(addresses)), "ns/lookup")
	b.ReportMetric(float64(leastAlone.Nanoseconds())/float64(len(addresses)), "ns/trie")
	b.ReportMetric(float64(least)/float64(leastAlone), "times-trie")
}
