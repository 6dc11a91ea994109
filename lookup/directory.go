package lookup

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gaissmai/bart"

	"github.com/airtight-csirt/airtight/incident"
)

// Config holds what a program may replace in a [Directory] (AIRT paper, local
// hooks). The zero Config replaces nothing. The functions are called by Match,
// by as many goroutines as it is.
type Config struct {
	// Network chooses among the entries around an address or network, the
	// longest first; otherwise the first is chosen. It may return another entry whose
	// constituency there is; false leaves the choice to AS numbers and the
	// default. It may not keep or change the slice.
	Network func(asked netip.Prefix, around []Entry) (Entry, bool)

	// Role says which role an observable has when nobody says; otherwise
	// it is unknown.
	Role func(incident.Observable) incident.Role

	// Text adds lines to the answer on an observable.
	Text func(incident.Observable, Match) []string
}

// Directory says whose an observable is. It is made of one [Document] by
// [NewDirectory] and never changes: any number of goroutines may use it.
type Directory struct {
	config         Config
	constituencies map[string]Constituency // contacts in order, with all that they inherit
	contacts       map[string]Contact      // by incident.MailKey
	version        uint32
	fallback       string
	networks       bart.Table[*Entry]
	domains        map[string]*Entry
	systems        map[uint32]*Entry
}

// NewDirectory makes a directory. The error names everything in the document
// that cannot be: rows without or with an unknown constituency, one row twice,
// contacts that nobody can reach, words that cannot be printed, no default. The
// document may be changed afterwards.
func NewDirectory(doc Document, config Config) (*Directory, error) {
	d := &Directory{
		config: config, version: doc.Version, fallback: doc.Default,
		constituencies: make(map[string]Constituency, len(doc.Constituencies)),
		contacts:       make(map[string]Contact), domains: make(map[string]*Entry), systems: make(map[uint32]*Entry),
	}
	var list []error
	bad := func(format string, args ...any) {
		list = append(list, fmt.Errorf("lookup: directory: "+format, args...))
	}
	print := func(words ...string) {
		for _, w := range words {
			if strings.ContainsFunc(w, func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) }) {
				bad("%q: allowed are characters that can be printed", w)
			}
		}
	}
	for _, c := range doc.Constituencies {
		if c.Name == "" {
			bad("a constituency has no name")
			continue
		}
		if _, twice := d.constituencies[c.Name]; twice {
			bad("constituency %q is there twice", c.Name)
		}
		print(c.Name, c.Title, c.Code, c.Language, c.Service, c.Source)
		c.Contacts = slices.Clone(c.Contacts)
		for i := range c.Contacts {
			p := &c.Contacts[i]
			print(p.Role, p.Name, p.Address, p.Telephone, p.Language, p.Key, p.Service, p.Template)
			p.Language, p.Service = cmp.Or(p.Language, c.Language), cmp.Or(p.Service, c.Service)
			if p.Address == "" && p.Telephone == "" {
				bad("contact %d of %q has neither address nor telephone", i+1, c.Name)
			} else if _, err := incident.NewObservable(incident.MailAddress, p.Address, ""); err != nil && p.Address != "" {
				bad("contact %d of %q: %q is no mail address", i+1, c.Name, p.Address)
			}
		}
		slices.SortStableFunc(c.Contacts, func(a, b Contact) int { return cmp.Compare(a.Order, b.Order) })
		for _, p := range c.Contacts {
			if _, known := d.contacts[incident.MailKey(p.Address)]; !known && p.Address != "" {
				d.contacts[incident.MailKey(p.Address)] = p
			}
		}
		d.constituencies[c.Name] = c
	}
	if _, ok := d.constituencies[doc.Default]; !ok {
		bad("the default is %q, which is no constituency in it", doc.Default)
	}
	type key struct {
		scope  Scope
		source string
	}
	entries := slices.Clone(doc.Entries)
	seen := make(map[key]bool, len(entries))
	for i := range entries {
		e := &entries[i]
		print(e.Label, e.Source)
		_, known := d.constituencies[e.Constituency]
		switch {
		case e.Scope == Scope{}:
			bad("entry %d has no scope", i+1)
		case e.Except && e.Constituency != "":
			bad("%s is excepted and has a constituency: allowed is one of both", e.what())
		case !e.Except && !known:
			bad("%s belongs to %q, which is no constituency in it", e.what(), e.Constituency)
		case seen[key{e.Scope, e.Source}]:
			bad("%s (%s) is there twice", e.what(), e.provenance())
		}
		seen[key{e.Scope, e.Source}] = true
		d.insert(e)
	}
	if len(list) > 0 {
		return nil, errors.Join(list...)
	}
	return d, nil
}

// insert makes the entry findable, unless one that beats it is: one set by hand
// beats those that were imported, the earlier one the later.
func (d *Directory) insert(e *Entry) {
	beats := func(old *Entry) bool { return old == nil || byHandFirst(*e, *old) < 0 }
	if p, ok := e.Scope.Network(); ok {
		if old, _ := d.networks.Get(p); beats(old) {
			d.networks.Insert(p, e)
		}
	} else if name, ok := e.Scope.Domain(); ok {
		if beats(d.domains[name]) {
			d.domains[name] = e
		}
	} else if beats(d.systems[e.Scope.as]) {
		d.systems[e.Scope.as] = e
	}
}

// Match is whose an observable is, and why.
type Match struct {
	Constituency Constituency  `json:"constituency,omitzero"` // its contacts are those to tell, in order, with the language and service that they inherit; not to be changed
	Entry        Entry         `json:"entry,omitzero"`        // what decided; zero where the default did
	Role         incident.Role `json:"role,omitempty"`        // of the observable, when nobody says
	Why          []string      `json:"why,omitempty"`         // sentences, the deciding one first
	Text         []string      `json:"text,omitempty"`        // what Config.Text adds
	Version      uint32        `json:"version,omitempty"`     // of the document
}

// Known reports whether an entry decided: otherwise it is the default's, for
// want of one or because the observable is excepted, and a registry may say more.
func (m Match) Known() bool { return m.Entry.Constituency != "" }

// Network returns the entry of the longest network around an address, nil if
// there is none, as the document has it: without [Config.Network]. It allocates
// nothing; the entry is not to be changed.
func (d *Directory) Network(a netip.Addr) *Entry {
	e, _ := d.networks.Lookup(a.Unmap())
	return e
}

// Contact returns the contact with a mail address, with the language and service that it
// inherits: the first in the order of the document, if several constituencies have it.
func (d *Directory) Contact(address string) (Contact, bool) {
	c, ok := d.contacts[incident.MailKey(address)]
	return c, ok
}

// Role returns the role of an observable: its own, or the one that [Config.Role]
// gives it.
func (d *Directory) Role(o incident.Observable) incident.Role {
	if o.Role == incident.RoleUnknown && d.config.Role != nil {
		return d.config.Role(o)
	}
	return o.Role
}

// Version returns the version of the document that the directory was made of.
func (d *Directory) Version() uint32 { return d.version }

// Match says whose an observable is: an address or network is judged by the
// longest network around it, a host name, mail address or URL by the longest
// domain above it (a URL with an address as host, by that). Where there is none,
// the first known of the autonomous systems decides that the caller says announce
// it. Everything else, and what is excepted, is the default's: there is always
// an answer.
func (d *Directory) Match(o incident.Observable, origins ...uint32) Match {
	m := Match{Role: d.Role(o), Version: d.version}
	asked := o
	if address, ok := hostAddress(o); ok {
		asked = address
		m.say("The host of the URL is %s.", asked.Value)
	}
	p, isNetwork := asked.Network()
	name, isName := asked.Domain()
	if canonical, ok := canonicalName(name, true); ok {
		name = canonical
	}
	var found bool
	switch {
	case isNetwork:
		m.Entry, found = d.matchNetwork(p, &m)
	case isName:
		m.Entry, found = d.matchDomain(name, &m)
	}
	if !found {
		m.Entry, found = d.matchSystem(origins, &m)
	}
	owner := m.Entry.Constituency
	switch _, known := d.constituencies[owner]; {
	case !found:
		m.first("It belongs to %s by default: nothing in the directory is around it.", d.fallback)
		owner = d.fallback
	case m.Entry.Except:
		m.first("It belongs to %s by default: %s is excepted (%s).", d.fallback, m.Entry.what(), m.Entry.provenance())
		owner = d.fallback
	case !known: // by Config.Network
		m.first("It belongs to %s by default: the network choice of this desk named %q, which the directory does not know.", d.fallback, owner)
		owner, m.Entry = d.fallback, Entry{}
	default:
		m.first("It belongs to %s, because %s does (%s).", owner, m.Entry.what(), m.Entry.provenance())
	}
	m.Constituency = d.constituencies[owner]
	if len(m.Constituency.Contacts) == 0 {
		m.say("There is no contact of %s.", owner)
	}
	if d.config.Text != nil {
		m.Text = d.config.Text(o, m)
	}
	return m
}

// hostAddress returns the address that is the host of a URL, if it is one.
func hostAddress(o incident.Observable) (incident.Observable, bool) {
	if o.Kind != incident.URL {
		return incident.Observable{}, false
	}
	_, rest, _ := strings.Cut(o.Value, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	s := scanner{text: rest}
	address, _, _, _ := s.authority(0, len(rest))
	return address.Observable, address.End > 0
}

func (m *Match) say(format string, args ...any) { m.Why = append(m.Why, fmt.Sprintf(format, args...)) }

func (m *Match) first(format string, args ...any) {
	m.Why = slices.Insert(m.Why, 0, fmt.Sprintf(format, args...))
}

// matchNetwork chooses among the networks around p.
func (d *Directory) matchNetwork(p netip.Prefix, m *Match) (chosen Entry, found bool) {
	var around []Entry
	for _, e := range d.networks.Supernets(p) {
		around = append(around, *e)
	}
	if found = len(around) > 0; found {
		chosen = around[0]
	}
	if d.config.Network != nil {
		longest := chosen
		chosen, found = d.config.Network(p, around)
		if chosen != longest {
			m.say("The network choice of this desk decided otherwise than by the longest network.")
		}
	}
	for _, e := range around {
		if e != chosen {
			m.say("%s.", e.sentence())
		}
	}
	for inside, e := range d.networks.Subnets(p) {
		if inside != p && e.Constituency != chosen.Constituency {
			m.say("Not all of it: inside, %s.", e.sentence())
			break
		}
	}
	return chosen, found
}

// sentence says what the entry says.
func (e Entry) sentence() string {
	if e.Except {
		return e.what() + " is excepted (" + e.provenance() + ")"
	}
	return e.what() + " belongs to " + e.Constituency + " (" + e.provenance() + ")"
}

// matchDomain chooses the longest domain above name.
func (d *Directory) matchDomain(name string, m *Match) (chosen Entry, found bool) {
	for above := name; above != ""; _, above, _ = strings.Cut(above, ".") {
		e := d.domains[above]
		switch {
		case e == nil:
		case found:
			m.say("%s.", e.sentence())
		default:
			chosen, found = *e, true
		}
	}
	return chosen, found
}

// matchSystem chooses the first autonomous system that somebody answers for.
func (d *Directory) matchSystem(origins []uint32, m *Match) (chosen Entry, found bool) {
	for _, as := range origins {
		e := d.systems[as]
		switch {
		case e == nil:
			m.say("The directory does not know AS%d.", as)
		case found:
			m.say("%s.", e.sentence())
		default:
			chosen, found = *e, true
		}
	}
	return chosen, found
}
