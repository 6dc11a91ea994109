package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
)

// ownerWait is how long registries and resolvers are waited for, all together.
const ownerWait = 30 * time.Second

// Owner is whose an observable is, and whom to tell (AIRT paper, figure 1).
type Owner struct {
	Observable incident.Observable `json:"observable"`
	Addresses  []netip.Addr        `json:"addresses,omitempty"` // of a host name
	Names      []string            `json:"names,omitempty"`     // of an address
	Origins    []lookup.Origin     `json:"origins,omitempty"`   // who announces the address

	// Known says that an entry of the directory decides; then its constituency and
	// contacts count. Otherwise a registry was asked, and its contacts for abuse count.
	Known        bool                `json:"known"`
	Match        lookup.Match        `json:"match,omitzero"`
	Registration lookup.Registration `json:"registration,omitzero"`
	Contacts     []lookup.Contact    `json:"contacts,omitempty"` // whom to tell, the best first

	Why     []string `json:"why,omitempty"`     // sentences
	Missing []string `json:"missing,omitempty"` // what could not be found out
}

// Constituency returns the constituency that the directory decides on; empty: none.
func (o Owner) Constituency() string {
	if !o.Known {
		return ""
	}
	return o.Match.Constituency.Name
}

// Parties returns the contacts that have a mail address, for a command.
func (o Owner) Parties() []incident.Party { return parties(o.Contacts) }

func parties(contacts []lookup.Contact) []incident.Party {
	var list []incident.Party
	for _, c := range contacts {
		if c.Address != "" && !slices.ContainsFunc(list, func(p incident.Party) bool { return incident.SameAddress(p.Address, c.Address) }) {
			list = append(list, incident.Party{Name: c.Name, Address: c.Address})
		}
	}
	return list
}

// Owner finds out whose an address, network, host name, mail address or URL is, and whom
// to tell about it: what the directory knows, counts; about the rest
// Config.Registries are asked, 30 seconds at most. A host name that the directory does
// not know belongs to whom its first address does. What could not be found out is said
// in Missing and is no error.
//
// The error says that the observable is a hash or a CVE id, which belong to nobody.
func (s *Session) Owner(ctx context.Context, o incident.Observable) (Owner, error) {
	switch o.Kind {
	case incident.Hash, incident.CVE:
		return Owner{}, fmt.Errorf("desk: %s belongs to nobody: allowed are addresses, networks, host names, mail addresses and URLs", incident.Clean(o.Value))
	}
	ctx, cancel := context.WithTimeout(ctx, ownerWait)
	defer cancel()
	owner := Owner{Observable: o}
	s.desk.answers(ctx, o, &owner)
	return owner, nil
}

func (o *Owner) miss(err error) {
	if err != nil && !errors.Is(err, lookup.ErrNoServer) {
		o.Missing = append(o.Missing, strings.TrimPrefix(incident.Clean(err.Error()), "lookup: "))
	}
}

func (d *Desk) answers(ctx context.Context, o incident.Observable, owner *Owner) {
	if p, ok := o.Network(); ok && p.IsSingleIP() && d.config.Resolver != nil {
		var err error
		owner.Names, err = d.config.Resolver.Names(ctx, p.Addr())
		owner.miss(err)
		owner.Origins, err = d.config.Resolver.Origins(ctx, p.Addr())
		owner.miss(err)
	}
	if d.matches(o, owner) {
		return
	}
	name, isName := o.Domain()
	if isName && d.config.Resolver != nil && len(owner.Addresses) == 0 && o.Kind != incident.MailAddress {
		var err error
		owner.Addresses, err = d.config.Resolver.Addresses(ctx, name)
		owner.miss(err)
		if len(owner.Addresses) > 0 {
			o = incident.AddressOf(owner.Addresses[0], o.Role)
			owner.Why = append(owner.Why, fmt.Sprintf("The address of %s is %s.", incident.Clean(name), o.Value))
			d.answers(ctx, o, owner)
			return
		}
	}
	q, ok := lookup.QuestionOf(o)
	if isName {
		q, ok = lookup.Question{Domain: d.registered(name)}, true
	}
	if d.config.Registries == nil || !ok {
		owner.Why = append(owner.Why, "Nobody is known to tell: the directory does not know it, and no registry is configured.")
		return
	}
	got, err := d.config.Registries.Ask(ctx, q)
	owner.miss(err)
	owner.Registration = got
	for _, c := range got.Contacts {
		if !c.Has("abuse") {
			continue
		}
		one := lookup.Contact{Role: "abuse", Name: c.Name, Telephone: c.Telephone, Language: c.Language}
		for _, one.Address = range c.Addresses {
			if address, ok := lookup.RegistryAddress(one.Address); ok {
				one.Address = address
				owner.Contacts = append(owner.Contacts, one)
			}
		}
	}
	if len(owner.Contacts) > 0 {
		owner.Why = append(owner.Why, fmt.Sprintf("%s names %s for abuse of %s.", cmp.Or(got.Server, "A registry"), owner.Contacts[0].Address, cmp.Or(got.Name, q.String())))
		return
	}
	owner.Why = append(owner.Why, "Nobody is known to tell: no registry names a contact for abuse.")
}

// matches asks the directory, and reports whether one of its entries decides.
func (d *Desk) matches(o incident.Observable, owner *Owner) bool {
	if d.config.Directory == nil {
		return false
	}
	var origins []uint32
	for _, origin := range owner.Origins {
		origins = append(origins, origin.AS)
	}
	owner.Match = d.config.Directory.Match(o, origins...)
	owner.Why = append(owner.Why, owner.Match.Why...)
	owner.Known = owner.Match.Known()
	if owner.Known {
		owner.Contacts = owner.Match.Constituency.Contacts
	}
	return owner.Known
}

// registered returns the part of a host name that somebody has registered: one label
// below its public suffix.
func (d *Desk) registered(name string) string {
	labels := strings.Split(name, ".")
	keep := 2
	if d.config.PublicSuffix != nil {
		suffix, _ := d.config.PublicSuffix(name)
		keep = strings.Count(suffix, ".") + 2
	}
	return strings.Join(labels[max(0, len(labels)-keep):], ".")
}
