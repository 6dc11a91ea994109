package lookup

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Errors of a [Registry], a [Resolver] and of [Registries].
var (
	// ErrUnknown says that a server answered, and knows nothing of it. It is
	// remembered as an answer is.
	ErrUnknown = errors.New("lookup: not registered")

	// ErrNoServer says that no configured server is in charge.
	ErrNoServer = errors.New("lookup: no configured server is in charge")

	// ErrTooLong says that an answer was cut at a limit. What could be read of it comes with the error.
	ErrTooLong = errors.New("lookup: the answer is too long")

	// ErrBusy says that too many questions wait for their turn.
	ErrBusy = errors.New("lookup: too many questions wait")

	// ErrResting says that a server failed several times in a row and is not
	// asked for a while, see [Pace].
	ErrResting = errors.New("lookup: the server is left alone for a while")
)

// Registry says to whom something is registered: adapters/rdap and
// adapters/whois. It is safe for concurrent use.
type Registry interface {
	// Ask returns what the registry knows. Every error but ErrUnknown and
	// ErrNoServer is a failure to get an answer; ErrTooLong, and an answer that
	// is damaged, come with what could be read.
	Ask(context.Context, Question) (Registration, error)
}

// Resolver asks the domain name system: adapters/dns. It is safe for concurrent
// use. A name or address without an answer is ErrUnknown.
type Resolver interface {
	// Addresses returns the addresses of a host name.
	Addresses(ctx context.Context, host string) ([]netip.Addr, error)

	// Names returns the host names of an address, as whoever holds the address
	// says. Nothing says that they lead back to it.
	Names(ctx context.Context, a netip.Addr) ([]string, error)

	// Mail returns who answers for a domain: its mail hosts, the best
	// first, and the mailbox of its SOA record (RFC 1035 3.3.13).
	Mail(ctx context.Context, domain string) (DomainMail, error)

	// Origins returns the autonomous systems that announce an address. It is
	// ErrNoServer where no zone for that is configured.
	Origins(ctx context.Context, a netip.Addr) ([]Origin, error)
}

// DomainMail is what the DNS says on whom to write to about a domain.
type DomainMail struct {
	Hosts     []string `json:"hosts,omitzero"`     // mail exchangers, the most preferred first; none with a null MX (RFC 7505)
	Authority string   `json:"authority,omitzero"` // the zone that the SOA record is of: the domain or one above
	Contact   string   `json:"contact,omitzero"`   // its mailbox; may be empty
}

// Origin is an announcement of a prefix.
type Origin struct {
	AS     uint32       `json:"as,omitzero"`
	Prefix netip.Prefix `json:"prefix,omitzero"`
}

// Question is what a [Registry] is asked about: one field is set. Questions
// compare by ==. [Registries] brings it into the form that adapters see: masked
// prefix, IPv4 as such, name in lower case without a dot at the end.
type Question struct {
	Network netip.Prefix // an address is a network of one
	Domain  string       // a host name is asked with its registered domain, by the caller's choice
	AS      uint32
}

// Domains yields the domain of the question, each domain above it, and at last "",
// that of all.
func (q Question) Domains() iter.Seq[string] {
	return func(yield func(string) bool) {
		for name := q.Domain; name != ""; _, name, _ = strings.Cut(name, ".") {
			if !yield(name) {
				return
			}
		}
		yield("")
	}
}

// QuestionOf returns the question to ask about an address, network or
// host name. It is false for other observables.
func QuestionOf(o incident.Observable) (Question, bool) {
	switch o.Kind {
	case incident.Address, incident.Prefix:
		if a, err := netip.ParseAddr(o.Value); err == nil {
			return Question{Network: netip.PrefixFrom(a, a.BitLen())}.canonical(), true
		}
		p, err := netip.ParsePrefix(o.Value)
		return Question{Network: p}.canonical(), err == nil
	case incident.Host:
		return Question{Domain: o.Value}.canonical(), true
	}
	return Question{}, false
}

func (q Question) canonical() Question {
	if p := q.Network; p.IsValid() {
		a, bits := p.Addr().WithZone(""), p.Bits()
		if a.Is4In6() && bits >= 96 {
			a, bits = a.Unmap(), bits-96
		}
		q.Network = netip.PrefixFrom(a, bits).Masked()
	}
	q.Domain = strings.ToLower(strings.TrimSuffix(q.Domain, "."))
	return q
}

func (q Question) check() error {
	set := 0
	for _, is := range []bool{q.Network.IsValid(), q.Domain != "", q.AS != 0} {
		if is {
			set++
		}
	}
	if set != 1 {
		return errors.New("lookup: a question has one of Network, Domain and AS")
	}
	if strings.HasPrefix(q.Domain, "-") || strings.HasPrefix(q.Domain, ".") || strings.Contains(q.Domain, "..") || strings.ContainsFunc(q.Domain, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("/?#%\\\"", r) }) || len(q.Domain) > 253 {
		return fmt.Errorf("lookup: %q is no host name to ask for: allowed are 253 letters, digits, - _ and .; write others as A-labels", q.Domain)
	}
	return nil
}

// answeredBy returns why an answer is about something else. A range of one address
// is not held against an answer: registries have named networks that way.
func (q Question) answeredBy(r Registration) error {
	if q.Network.IsValid() && r.First.IsValid() && r.First != r.Last &&
		(q.Network.Addr().Less(r.First) || r.Last.Less(LastOf(q.Network))) {
		return fmt.Errorf("lookup: %s answers with %s - %s when asked for %s", r.Server, r.First, r.Last, q)
	}
	if name := strings.ToLower(strings.TrimSuffix(r.Name, ".")); q.Domain != "" && isASCIIName(name) &&
		q.Domain != name && !strings.HasSuffix(q.Domain, "."+name) {
		return fmt.Errorf("lookup: %s answers with %q when asked for %s", r.Server, name, q)
	}
	return nil
}

// isASCIIName is false for what may be the asked domain in another form.
func isASCIIName(s string) bool {
	return strings.Contains(s, ".") && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// String returns an address, network, name or "AS64500".
func (q Question) String() string {
	switch {
	case q.Network.IsValid() && q.Network.IsSingleIP():
		return q.Network.Addr().String()
	case q.Network.IsValid():
		return q.Network.String()
	case q.AS != 0:
		return "AS" + strconv.FormatUint(uint64(q.AS), 10)
	}
	return q.Domain
}

// Registration is what a registry says. Everything in it was written by
// strangers: adapters take control characters out and limit the length of fields
// and lists. It belongs to the caller.
type Registration struct {
	Server  string    `json:"server,omitzero"`  // that answered
	Fetched time.Time `json:"fetched,omitzero"` // when; an answer out of the memory keeps it

	First        netip.Addr `json:"first,omitzero"`        // the range of a network, both included
	Last         netip.Addr `json:"last,omitzero"`         // the range of a network, both included
	Handle       string     `json:"handle,omitzero"`       // identifier in the registry
	Name         string     `json:"name,omitzero"`         // of the network, AS or domain
	Organisation string     `json:"organisation,omitzero"` // holder
	Country      string     `json:"country,omitzero"`      // two letters, as the registry has it
	Origins      []uint32   `json:"origins,omitzero"`      // AS numbers named in it

	Registrar   string    `json:"registrar,omitzero"` // of a domain
	NameServers []string  `json:"nameServers,omitzero"`
	Status      []string  `json:"status,omitzero"`
	Created     time.Time `json:"created,omitzero"` // of the entry; zero where not said or not readable
	Changed     time.Time `json:"changed,omitzero"` // of the entry; zero where not said or not readable
	Until       time.Time `json:"until,omitzero"`   // of the entry; zero where not said or not readable

	Contacts []RegistryContact `json:"contacts,omitzero"`
	Hints    []string          `json:"hints,omitzero"`    // mail addresses that only a remark on abuse names: for a person to judge
	Referral string            `json:"referral,omitzero"` // server that should know more, if it was not asked: it is not configured or speaks another protocol
	Text     string            `json:"text,omitzero"`     // the answer for people to read, cut
}

// RegistryContact is somebody whom a registry names.
type RegistryContact struct {
	Handle    string   `json:"handle,omitzero"`
	Roles     []string `json:"roles,omitzero"` // as RFC 9083 10.2.4 calls them: "abuse", "technical", "registrant" ...
	Name      string   `json:"name,omitzero"`
	Addresses []string `json:"addresses,omitzero"` // mail, as written
	Telephone string   `json:"telephone,omitzero"`
	Language  string   `json:"language,omitzero"` // preferred, BCP 47
}

// Has says whether the contact has a role.
func (c RegistryContact) Has(role string) bool { return slices.Contains(c.Roles, role) }

// Abuse returns the mail addresses of the abuse contacts, each once, the
// nearest contact first, MaxRegistryList at most.
func (r Registration) Abuse() []string {
	var list []string
	for _, c := range r.Contacts {
		if !c.Has("abuse") {
			continue
		}
		for _, a := range c.Addresses {
			if len(list) < MaxRegistryList && !slices.ContainsFunc(list, func(b string) bool { return strings.EqualFold(a, b) }) {
				list = append(list, a)
			}
		}
	}
	return list
}

// size is about how many bytes it holds.
func (r Registration) size() int {
	n := 512 + len(r.Text) + len(r.Server) + len(r.Handle) + len(r.Name) + len(r.Organisation) + len(r.Country) + len(r.Registrar) + len(r.Referral) + 4*len(r.Origins)
	lists := [][]string{r.NameServers, r.Status, r.Hints}
	for _, c := range r.Contacts {
		n += 160 + len(c.Handle) + len(c.Name) + len(c.Telephone) + len(c.Language)
		lists = append(lists, c.Roles, c.Addresses)
	}
	for _, list := range lists {
		for _, s := range list {
			n += 16 + len(s)
		}
	}
	return n
}

func (r Registration) clone() Registration {
	r.Origins, r.NameServers, r.Status = slices.Clone(r.Origins), slices.Clone(r.NameServers), slices.Clone(r.Status)
	r.Hints, r.Contacts = slices.Clone(r.Hints), slices.Clone(r.Contacts)
	for i, c := range r.Contacts {
		r.Contacts[i].Roles, r.Contacts[i].Addresses = slices.Clone(c.Roles), slices.Clone(c.Addresses)
	}
	return r
}

// HostAnswer is what a handler sees on an address (AIRT paper, figure 1).
type HostAnswer struct {
	Address      netip.Addr
	Names        []string // host names by reverse DNS
	Origins      []Origin
	Network      netip.Prefix // smallest known around the address; zero where a registry's range is no prefix
	NetworkName  string
	Match        Match        // what the directory says; zero without one
	Contacts     []Contact    // whom to tell: those of the constituency, not to be changed, else the registry's for abuse
	Registration Registration // zero when the directory knows the address
	Missing      []error      // what could not be found out
}
