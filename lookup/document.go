package lookup

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Document is what a [Directory] is made of: read it with [ParseYAML] or
// [ParseCSV], write it with [Document.YAML].
type Document struct {
	// Version counts the documents that a desk has adopted; whoever adopts one
	// sets it. A [Match] has it, so that a ticket can keep what it was matched with.
	Version        uint32         `yaml:"version,omitempty" json:"version,omitempty"`
	Default        string         `yaml:"default" json:"default"` // the constituency of everything else
	Constituencies []Constituency `yaml:"constituencies,omitempty" json:"constituencies,omitempty"`
	Entries        []Entry        `yaml:"entries,omitempty" json:"entries,omitempty"`
}

// Constituency is somebody whom the team serves, or writes to.
type Constituency struct {
	Name     string    `yaml:"name" json:"name"` // as tickets keep it
	Title    string    `yaml:"title,omitempty" json:"title,omitempty"`
	Code     string    `yaml:"code,omitempty" json:"code,omitempty"`         // its key in another system
	Language string    `yaml:"language,omitempty" json:"language,omitempty"` // of its contacts that have none, BCP 47
	Service  string    `yaml:"service,omitempty" json:"service,omitempty"`   // service level
	Contacts []Contact `yaml:"contacts,omitempty" json:"contacts,omitempty"`
	Source   string    `yaml:"source,omitempty" json:"source,omitempty"` // as in Entry
}

// Contact is a person or desk to tell, in the order of Order, then of the list.
type Contact struct {
	Role      string `yaml:"role,omitempty" json:"role,omitempty"` // "abuse", "technical"
	Name      string `yaml:"name,omitempty" json:"name,omitempty"`
	Address   string `yaml:"address,omitempty" json:"address,omitempty"` // mail; this or Telephone is there
	Telephone string `yaml:"telephone,omitempty" json:"telephone,omitempty"`
	Language  string `yaml:"language,omitempty" json:"language,omitempty"`
	Key       string `yaml:"key,omitempty" json:"key,omitempty"` // fingerprint of the OpenPGP key to write with
	Service   string `yaml:"service,omitempty" json:"service,omitempty"`
	Template  string `yaml:"template,omitempty" json:"template,omitempty"` // of the message
	Order     int    `yaml:"order,omitempty" json:"order,omitempty"`
}

// Entry says who answers for a scope.
type Entry struct {
	Scope        Scope  `yaml:"scope" json:"scope"`
	Constituency string `yaml:"constituency,omitempty" json:"constituency,omitempty"`
	Except       bool   `yaml:"except,omitempty" json:"except,omitempty"` // instead of Constituency: the default, whatever is around the scope
	Label        string `yaml:"label,omitempty" json:"label,omitempty"`
	Source       string `yaml:"source,omitempty" json:"source,omitempty"` // the import that it came from; empty: set by hand, which beats what was imported for the same scope
}

// Scope is a network, a domain with all below it, or an autonomous system.
// Scopes compare by ==. Make one with [ParseScope].
type Scope struct {
	network netip.Prefix
	domain  string
	as      uint32
}

// ParseScope reads "192.0.2.0/24", "2001:db8::1", "example.org" or "AS64500".
// The error says what is wrong; a network with bits behind its length is
// refused, since one of both is not what was meant.
func ParseScope(s string) (Scope, error) {
	s = strings.TrimSpace(s)
	if len(s) > 2 && strings.EqualFold(s[:2], "AS") && strings.Trim(s[2:], "0123456789") == "" {
		n, err := strconv.ParseUint(s[2:], 10, 32)
		if err != nil || n == 0 {
			return Scope{}, fmt.Errorf("lookup: %q is no AS number: allowed are AS1 to AS4294967295", s)
		}
		return Scope{as: uint32(n)}, nil
	}
	if p, err := netip.ParsePrefix(s); err == nil {
		whole, _ := incident.PrefixOf(p, "").Network()
		if p != p.Masked() {
			return Scope{}, fmt.Errorf("lookup: %q has bits behind its length: write %s or a longer length", s, whole)
		}
		return Scope{network: whole}, nil
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		whole, _ := incident.AddressOf(a, "").Network()
		return Scope{network: whole}, nil
	}
	domain, ok := canonicalName(strings.TrimSuffix(s, "."), true)
	if top := domain[strings.LastIndexByte(domain, '.')+1:]; !ok || classes[top[0]] != letter {
		return Scope{}, fmt.Errorf("lookup: %q is no scope: allowed are networks (192.0.2.0/24), addresses, domains (example.org) and AS numbers (AS64500)", incident.Clean(s))
	}
	return Scope{domain: domain}, nil
}

// Network returns the network, if the scope is one.
func (s Scope) Network() (netip.Prefix, bool) { return s.network, s.network.IsValid() }

// Domain returns the domain in lower case, its labels as A-labels, if the scope is one.
func (s Scope) Domain() (string, bool) { return s.domain, s.domain != "" }

// AS returns the number of the autonomous system, if the scope is one.
func (s Scope) AS() (uint32, bool) { return s.as, s.as != 0 }

// String returns what [ParseScope] reads; the zero Scope is "".
func (s Scope) String() string {
	switch {
	case s.as != 0:
		return "AS" + strconv.FormatUint(uint64(s.as), 10)
	case s.network.IsValid():
		return incident.PrefixOf(s.network, "").Value
	}
	return s.domain
}

// MarshalText and UnmarshalText are String and ParseScope.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (s *Scope) UnmarshalText(text []byte) (err error) {
	*s, err = ParseScope(string(text))
	return err
}

// Set returns the document with the entry in place of the one of the same scope
// and source. The receiver stays as it is.
func (doc Document) Set(e Entry) Document {
	doc = doc.Remove(e.Scope, e.Source)
	doc.Entries = append(doc.Entries, e)
	return doc
}

// Remove returns the document without the entry of that scope and source. The
// receiver stays as it is.
func (doc Document) Remove(scope Scope, source string) Document {
	doc.Entries = slices.DeleteFunc(slices.Clone(doc.Entries), func(e Entry) bool { return e.Scope == scope && e.Source == source })
	return doc
}

// Import returns the document with all that is of this source replaced by what
// is imported: its entries and constituencies. What was set by hand or comes from
// other sources stays. A constituency of theirs that is imported, too, stays as
// they have it: where the imported one differs, a [Conflict] says so. The default
// and the version stay. Without a source, it is "import". The receiver and
// imported stay as they are, but the result shares their lists of contacts.
//
// Nothing is applied by it: hand the result to [NewDirectory] for mistakes, then
// show [Diff] and [Check] to somebody.
func (doc Document) Import(source string, imported Document) (Document, []Finding) {
	source = cmp.Or(source, "import")
	doc.Constituencies = slices.DeleteFunc(slices.Clone(doc.Constituencies), func(c Constituency) bool { return c.Source == source })
	doc.Entries = slices.DeleteFunc(slices.Clone(doc.Entries), func(e Entry) bool { return e.Source == source })
	have := make(map[string]Constituency)
	for _, c := range doc.Constituencies {
		have[c.Name] = c
	}
	var conflicts []Finding
	for _, c := range imported.Constituencies {
		ours, kept := have[c.Name]
		c.Source = source
		if !kept {
			doc.Constituencies = append(doc.Constituencies, c)
		} else if c.Source = ours.Source; !mentions(ours, c) {
			conflicts = append(conflicts, Finding{Conflict, fmt.Sprintf("Constituency %s stays as it was %s; %s has other words for it.", c.Name, provenance(ours.Source), source)})
		}
	}
	for _, e := range imported.Entries {
		e.Source = source
		doc.Entries = append(doc.Entries, e)
	}
	return doc, conflicts
}

// mentions reports whether ours says all that theirs does.
func mentions(ours, theirs Constituency) bool {
	said := func(ours, theirs string) bool { return theirs == "" || ours == theirs }
	return said(ours.Title, theirs.Title) && said(ours.Code, theirs.Code) && said(ours.Language, theirs.Language) && said(ours.Service, theirs.Service) &&
		(len(theirs.Contacts) == 0 || slices.Equal(ours.Contacts, theirs.Contacts))
}

// Change is one line of a [Diff].
type Change struct {
	What     string // "network 192.0.2.0/24", "constituency physics", "contact abuse@example.org of physics"
	Old, New string // in words; empty: it was not there, it is no more
}

// String returns a line that begins with +, - or ~.
func (c Change) String() string {
	switch {
	case c.Old == "":
		return "+ " + c.What + ": " + c.New
	case c.New == "":
		return "- " + c.What + ": " + c.Old
	}
	return "~ " + c.What + ": " + c.Old + " -> " + c.New
}

// Diff says what differs between two documents, in the order of the new one;
// what is no more comes last. The order of rows is no difference, save that of contacts.
func Diff(old, new Document) []Change {
	before, gone := old.lines()
	after, order := new.lines()
	var changes []Change
	for _, what := range order {
		if before[what] != after[what] {
			changes = append(changes, Change{what, before[what], after[what]})
		}
	}
	for _, what := range gone {
		if _, ok := after[what]; !ok {
			changes = append(changes, Change{what, before[what], ""})
		}
	}
	return changes
}

// lines describes every row of the document.
func (doc Document) lines() (lines map[string]string, order []string) {
	rows := make(map[string][]string) // several for a contact with several roles
	add := func(what string, words ...string) {
		words = slices.DeleteFunc(words, func(w string) bool { return w == "" })
		text := strings.Join(words, ", ")
		if text == "" {
			text = "there"
		}
		if rows[what] == nil {
			order = append(order, what)
		}
		rows[what] = append(rows[what], text)
	}
	if doc.Version != 0 {
		add("version", strconv.FormatUint(uint64(doc.Version), 10))
	}
	if doc.Default != "" {
		add("default", doc.Default)
	}
	for _, c := range doc.Constituencies {
		add("constituency "+c.Name, named("title", c.Title), named("code", c.Code), named("language", c.Language),
			named("service", c.Service), named("source", c.Source))
		for i, p := range c.Contacts {
			who := p.Address
			if who == "" {
				who = p.Telephone
			}
			order := strconv.Itoa(p.Order)
			if p.Order == 0 {
				order = "#" + strconv.Itoa(i+1)
			}
			add("contact "+who+" of "+c.Name, named("role", p.Role), named("name", p.Name), named("telephone", p.Telephone),
				named("language", p.Language), named("key", p.Key), named("service", p.Service), named("template", p.Template), named("order", order))
		}
	}
	for _, e := range doc.Entries {
		what := e.what()
		if e.Source != "" {
			what += " from " + e.Source
		}
		owner := e.Constituency
		if e.Except {
			owner = "excepted"
		}
		add(what, owner, named("label", e.Label))
	}
	lines = make(map[string]string, len(rows))
	for what, texts := range rows {
		lines[what] = strings.Join(texts, "; ")
	}
	return lines, order
}

func named(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " " + value
}

// what names the entry: "network 192.0.2.0/24".
func (e Entry) what() string {
	switch {
	case e.Scope.as != 0:
		return e.Scope.String()
	case e.Scope.domain != "":
		return "domain " + e.Scope.domain
	case e.Scope.network.IsSingleIP():
		return "address " + e.Scope.String()
	}
	return "network " + e.Scope.String()
}

func (e Entry) provenance() string { return provenance(e.Source) }

func provenance(source string) string {
	if source == "" {
		return "set by hand"
	}
	return "imported from " + source
}
