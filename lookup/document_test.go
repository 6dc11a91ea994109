package lookup

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func scope(t *testing.T, text string) Scope {
	t.Helper()
	s, err := ParseScope(text)
	require.NoError(t, err)
	return s
}

func TestParseScope(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.0/24": "192.0.2.0/24", "192.0.2.1": "192.0.2.1", "192.0.2.1/32": "192.0.2.1", " 2001:DB8::/32 ": "2001:db8::/32",
		"::ffff:192.0.2.0/120": "192.0.2.0/24", "0.0.0.0/0": "0.0.0.0/0", "Example.ORG.": "example.org", "bücher.example": "xn--bcher-kva.example",
		"_tcp.example.org": "_tcp.example.org", "as64500": "AS64500", "AS4294967295": "AS4294967295", "as": "as", "org": "org", "assets.example.org": "assets.example.org",
	} {
		got := scope(t, text)
		assert.Equal(t, want, got.String(), text)
		assert.Equal(t, got, scope(t, got.String()), text)
		_, network := got.Network()
		_, domain := got.Domain()
		_, system := got.AS()
		assert.Equal(t, 1, map[bool]int{true: 1}[network]+map[bool]int{true: 1}[domain]+map[bool]int{true: 1}[system], text)
	}
	for text, want := range map[string]string{
		"192.0.2.1/24": "write 192.0.2.0/24 or a longer length", "64500": "no scope", "AS0": "AS1 to AS4294967295", "AS4294967296": "AS1 to AS4294967295",
		"": "no scope", "192.0.2.0/33": "no scope", "192.0.2.300": "no scope", "192.0.2.0-24": "no scope", "a..b": "no scope", "-a.org": "no scope",
		"http://example.org": "no scope", "bob@example.org": "no scope", "*.example.org": "no scope", "fe80::1%eth0": "no scope",
	} {
		_, err := ParseScope(text)
		assert.ErrorContains(t, err, want, text)
	}
}

func TestYAML(t *testing.T) {
	doc := parse(t, campus)
	assert.Len(t, doc.Entries, 11)
	assert.EqualValues(t, 7, doc.Version)
	data, err := doc.YAML()
	require.NoError(t, err)
	assert.Equal(t, doc, parse(t, string(data)))
	for text, want := range map[string]string{
		"default: a\nentris: []":              "field entris not found",
		"default: a\n---\ndefault: b":         "more than one YAML document",
		"entries: [{scope: 192.0.2.1/24}]":    "bits behind its length",
		"entries: [{scope: AS1, scope: AS2}]": "already",
		"":                                    "EOF",
		"\ufeffdefault: [":                    "line",
	} {
		_, err := ParseYAML(strings.NewReader(text))
		assert.ErrorContains(t, err, want, "%q", text)
	}
	_, err = ParseYAML(iotest.ErrReader(io.ErrUnexpectedEOF))
	assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = ParseYAML(&endless{})
	assert.ErrorContains(t, err, "67108864")
}

// endless is a reader that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	return len(p), nil
}

func TestCSV(t *testing.T) {
	doc, err := ParseCSV(strings.NewReader("\ufeffScope;Constituency;Except;label;role;address;telephone;language;service;order;title;code\r\n" +
		"192.0.2.0/24;physics;;\"main; old\";abuse;abuse@example.org;+31;en;;1;Physics;P1\r\n" +
		"example.org;physics;no;;abuse;abuse@example.org;+31;en;;1;;\r\n" +
		"AS64500;library;;;;;;nl;gold;;;\r\n" +
		"192.0.2.7;;yes;;;;;;;;;\r\n" +
		";library;;;;;+32;;;;;\r\n"))
	require.NoError(t, err)
	assert.Equal(t, Document{
		Constituencies: []Constituency{
			{Name: "physics", Title: "Physics", Code: "P1", Contacts: []Contact{{Role: "abuse", Address: "abuse@example.org", Telephone: "+31", Language: "en", Order: 1}}},
			{Name: "library", Language: "nl", Service: "gold", Contacts: []Contact{{Telephone: "+32"}}},
		},
		Entries: []Entry{
			{Scope: scope(t, "192.0.2.0/24"), Constituency: "physics", Label: "main; old"},
			{Scope: scope(t, "example.org"), Constituency: "physics"},
			{Scope: scope(t, "AS64500"), Constituency: "library"},
			{Scope: scope(t, "192.0.2.7"), Except: true},
		},
	}, doc)
	for text, want := range map[string]string{
		"":                                                  "no first line",
		"scope\n192.0.2.0/24":                               "no column constituency",
		"scope,constituency,colour":                         `"colour" is unknown`,
		"scope,constituency,scope":                          `"scope" is unknown or there twice`,
		"scope,constituency\n192.0.2.1/24,a":                "line 2: lookup: \"192.0.2.1/24\" has bits behind its length",
		"scope,constituency\n192.0.2.0/24,":                 "line 2: there is no constituency",
		"scope,constituency\nAS1,a,b":                       "wrong number of fields",
		"constituency,except\na,maybe":                      "line 2: except is \"maybe\": allowed are yes and no",
		"constituency,address,order\na,a@example.org,first": "line 2: order is \"first\"",
		"constituency,title\na,A\na,B":                      "line 3: title is \"B\" here and \"A\" in an earlier row",
		"constituency,language\na,A\na,B":                   "line 3: language is \"B\" here",
		"constituency,address,name\na,a@example.org,A\na,a@example.org,B": "line 3: contact a@example.org of a differs",
	} {
		_, err := ParseCSV(strings.NewReader(text))
		assert.ErrorContains(t, err, want, "%q", text)
	}
	doc, err = ParseCSV(strings.NewReader("constituency,role,address,telephone\na,abuse,x@example.org,1\na,technical,x@example.org,1\na,abuse,y@example.org,1\na,abuse,x@example.org,2\n"))
	require.NoError(t, err)
	assert.Len(t, doc.Constituencies[0].Contacts, 4, "one address with two roles, one telephone for all")
	doc, err = ParseCSV(strings.NewReader("constituency,title,except\na,A,\na,A,yes\nb,,yes\n"))
	require.NoError(t, err)
	assert.Equal(t, []Constituency{{Name: "a", Title: "A"}, {Name: "b"}}, doc.Constituencies, "the same again is no other word")
	_, err = ParseCSV(endless{})
	assert.ErrorContains(t, err, "67108864")
}

// TestManyContacts imports a constituency with very many contacts: the square of
// their number would take many minutes.
func TestManyContacts(t *testing.T) {
	const n = 100_000
	var text strings.Builder
	text.WriteString("constituency,address,role\n")
	for i := range n {
		fmt.Fprintf(&text, "a,x%d@example.org,\na,one@example.org,role%d\n", i, i)
	}
	start := time.Now()
	doc, err := ParseCSV(strings.NewReader(text.String()))
	require.NoError(t, err)
	require.Len(t, doc.Constituencies[0].Contacts, 2*n)
	require.Len(t, Diff(Document{}, doc), n+2)
	require.Less(t, time.Since(start), time.Minute)
}

func TestImport(t *testing.T) {
	doc := parse(t, campus)
	imported, err := ParseCSV(strings.NewReader("scope,constituency,address\n2001:db8:2::/48,physics,new@example.org\n198.51.100.0/24,chemistry,abuse@chem.example.org\n"))
	require.NoError(t, err)
	first, conflicts := doc.Import("registry", imported)
	assert.Equal(t, []string{
		"+ constituency chemistry: source registry",
		"+ contact abuse@chem.example.org of chemistry: order #1",
		"+ network 2001:db8:2::/48 from registry: physics",
		"+ network 198.51.100.0/24 from registry: chemistry",
		"- network 2001:db8:1::/48 from registry: library",
	}, changes(Diff(doc, first)), "set by hand: physics stays as it is")
	assert.Equal(t, []Finding{{Conflict, "Constituency physics stays as it was set by hand; registry has other words for it."}}, conflicts, "another contact")
	again, conflicts := first.Import("registry", imported)
	assert.Empty(t, Diff(first, again), "the same again")
	assert.Len(t, conflicts, 1)
	same, conflicts := doc.Import("", Document{Version: 7, Default: "physics", Constituencies: []Constituency{
		{Name: "physics"}, {Name: "physics", Title: "Department of Physics", Language: "nl", Service: "gold", Contacts: doc.Constituencies[1].Contacts},
	}, Entries: []Entry{{Scope: scope(t, "AS64502"), Constituency: "physics"}}})
	assert.Equal(t, []string{"+ AS64502 from import: physics"}, changes(Diff(doc, same)), "what was set by hand, the default and the version stay")
	assert.Empty(t, conflicts, "it says no other words")
	for _, other := range []Constituency{{Title: "x"}, {Code: "x"}, {Language: "x"}, {Service: "x"}, {Contacts: make([]Contact, 1)}} {
		other.Name = "physics"
		_, conflicts = doc.Import("registry", Document{Constituencies: []Constituency{other}})
		assert.Len(t, conflicts, 1, "%+v", other)
	}
	assert.Equal(t, parse(t, campus), doc, "the document stays as it is")
	assert.Empty(t, imported.Entries[0].Source)

	second, _ := first.Import("registry", Document{})
	assert.Equal(t, []string{"- network 2001:db8:1::/48 from registry: library"}, changes(Diff(doc, second)))
	other, conflicts := first.Import("other", imported)
	assert.Len(t, Diff(first, other), 2, "entries of two sources stand side by side")
	assert.Len(t, conflicts, 1, "chemistry is the same in both")
	_, err = NewDirectory(other, Config{})
	assert.NoError(t, err)
}

func changes(list []Change) (lines []string) {
	for _, c := range list {
		lines = append(lines, c.String())
	}
	return lines
}

func TestSetRemoveDiff(t *testing.T) {
	doc := parse(t, campus)
	e := Entry{Scope: scope(t, "192.0.2.0/24"), Constituency: "library", Label: "new building"}
	set := doc.Set(e)
	assert.Equal(t, []string{"~ network 192.0.2.0/24: physics, label main building -> library, label new building"}, changes(Diff(doc, set)))
	assert.Empty(t, Diff(set, set.Set(e)))
	removed := set.Remove(e.Scope, "")
	assert.Equal(t, []string{"- network 192.0.2.0/24: library, label new building"}, changes(Diff(set, removed)))
	assert.Equal(t, parse(t, campus), doc)
	assert.Len(t, set.Remove(scope(t, "2001:db8:1::/48"), "").Entries, len(set.Entries), "it is of another source")

	changed := parse(t, campus)
	changed.Default = "library"
	changed.Constituencies[1].Contacts[0].Key = "FEDC"
	changed.Constituencies[2].Contacts = nil
	changed.Entries[2] = Entry{Scope: changed.Entries[2].Scope, Constituency: "library"}
	assert.Equal(t, []string{
		"~ default: world -> library",
		"~ contact bob@physics.example.org of physics: role technical, name Bob, order 2 -> role technical, name Bob, key FEDC, order 2",
		"~ address 192.0.2.200: excepted -> library",
		"- contact +31 20 555 0199 of library: telephone +31 20 555 0199, order #1",
	}, changes(Diff(doc, changed)))
	assert.Equal(t, "+ constituency world: there", Diff(Document{}, doc)[2].String())
	assert.Equal(t, []string{"+ version: 1"}, changes(Diff(Document{}, Document{Version: 1})))
	assert.Equal(t, []string{"+ default: a"}, changes(Diff(Document{}, Document{Default: "a"})))
	two := Document{Constituencies: []Constituency{{Name: "a", Contacts: []Contact{{Role: "abuse", Telephone: "1"}, {Role: "technical", Telephone: "1"}}}}}
	one := Document{Constituencies: []Constituency{{Name: "a", Contacts: two.Constituencies[0].Contacts[1:]}}}
	assert.Equal(t, []string{"~ contact 1 of a: role technical, telephone 1, order #1 -> role abuse, telephone 1, order #1; role technical, telephone 1, order #2"}, changes(Diff(one, two)))
	changed.Version = 8
	assert.Equal(t, "~ version: 7 -> 8", changes(Diff(doc, changed))[0])
}

func TestCheck(t *testing.T) {
	assert.Equal(t, []Finding{
		{Overlap, "network 192.0.2.0/24 belongs to physics (set by hand), and inside it, network 192.0.2.128/25 belongs to library (set by hand)."},
		{Overlap, "network 192.0.2.128/25 belongs to library (set by hand), and inside it, address 192.0.2.200 is excepted (set by hand)."},
		{Overlap, "network 2001:db8::/32 belongs to physics (set by hand), and inside it, network 2001:db8:1::/48 belongs to library (imported from registry)."},
		{Overlap, "domain example.org belongs to library (set by hand), and inside it, domain guests.example.org is excepted (set by hand)."},
		{Overlap, "domain example.org belongs to library (set by hand), and inside it, domain physics.example.org belongs to physics (set by hand)."},
		{Redundant, "AS64501 is excepted (set by hand) and nothing is around it."},
		{Silent, "Constituency world has no contact."},
	}, Check(parse(t, campus)))
	assert.Equal(t, []Finding{
		{Redundant, "network 192.0.2.0/24 belongs to a (set by hand), and inside it, network 192.0.2.0/25 belongs to a (imported from s), too."},
		{Conflict, "network 192.0.2.0/25 belongs to a (imported from s), but network 192.0.2.0/25 belongs to b (imported from t): the first counts."},
		{Overlap, "network 192.0.2.0/24 belongs to a (set by hand), and inside it, network 192.0.2.128/25 is excepted (imported from s)."},
		{Redundant, "network 192.0.2.128/25 is excepted (imported from s), and network 192.0.2.128/25 is excepted (imported from t)."},
		{Overlap, "domain example.org belongs to a (set by hand), and inside it, domain a.example.org belongs to c (set by hand)."},
		{Unreached, "Nothing leads to constituency b."},
	}, Check(Document{Default: "a",
		Constituencies: []Constituency{{Name: "a", Contacts: make([]Contact, 1)}, {Name: "b", Contacts: make([]Contact, 1)}, {Name: "c", Contacts: make([]Contact, 1)}},
		Entries: []Entry{
			{Scope: scope(t, "192.0.2.128/25"), Except: true, Source: "s"}, {Scope: scope(t, "192.0.2.0/25"), Constituency: "a", Source: "s"},
			{Scope: scope(t, "192.0.2.0/25"), Constituency: "b", Source: "t"}, {Scope: scope(t, "192.0.2.128/25"), Except: true, Source: "t"},
			{Scope: scope(t, "a.example.org"), Constituency: "c"}, {Scope: scope(t, "b.example.net"), Constituency: "a"}, {Scope: scope(t, "example.org"), Constituency: "a"},
			{Scope: scope(t, "192.0.2.0/24"), Constituency: "a"}, {Scope: scope(t, "198.51.100.0/24"), Constituency: "a"},
		}}))
}

func FuzzDirectory(f *testing.F) {
	f.Add(campus)
	f.Add("scope,constituency,address\n192.0.2.0/24,a,a@example.org\nAS1,b,\n")
	f.Add("constituency;except;scope\n;yes;example.org\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(string) (Document, error){
			func(s string) (Document, error) { return ParseYAML(strings.NewReader(s)) },
			func(s string) (Document, error) { return ParseCSV(strings.NewReader(s)) },
		} {
			doc, err := read(text)
			if err != nil {
				continue
			}
			if list := Diff(doc, doc); len(list) > 0 {
				t.Fatalf("it differs from itself: %v", list)
			}
			Check(doc)
			if _, err := NewDirectory(doc, Config{}); err != nil {
				continue
			}
			data, err := doc.YAML()
			if err != nil {
				t.Fatal(err)
			}
			again, err := ParseYAML(strings.NewReader(string(data)))
			if err != nil {
				t.Fatalf("%v in %q", err, data)
			}
			if list := Diff(doc, again); len(list) > 0 {
				t.Fatalf("it comes back different: %v", list)
			}
		}
	})
}
