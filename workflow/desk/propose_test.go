package desk_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// whois is a registry that knows one network and one domain.
type whois struct{}

func (whois) Ask(_ context.Context, q lookup.Question) (lookup.Registration, error) {
	abuse := lookup.RegistryContact{Roles: []string{"abuse"}, Name: "NOC", Addresses: []string{"mailto:abuse@isp.example", "redacted"}}
	switch {
	case q.Network.IsValid() && netip.MustParsePrefix("198.18.0.0/15").Contains(q.Network.Addr()):
		return lookup.Registration{Server: "whois.example", Name: "ISP-NET", First: netip.MustParseAddr("198.18.0.0"), Last: netip.MustParseAddr("198.19.255.255"), Contacts: []lookup.RegistryContact{abuse}}, nil
	case q.Domain == "shop.example":
		return lookup.Registration{Server: "whois.example", Name: "shop.example", Contacts: []lookup.RegistryContact{abuse}}, nil
	}
	return lookup.Registration{}, fmt.Errorf("%w: %s", lookup.ErrUnknown, q)
}

// resolver is a resolver.
type resolver struct{}

func (resolver) Addresses(_ context.Context, host string) ([]netip.Addr, error) {
	if host == "www.elsewhere.example" {
		return []netip.Addr{netip.MustParseAddr("198.18.0.80")}, nil
	}
	return nil, fmt.Errorf("%w: %s", lookup.ErrUnknown, host)
}

func (resolver) Names(context.Context, netip.Addr) ([]string, error) {
	return []string{"host7.example.net"}, nil
}

func (resolver) Mail(context.Context, string) (lookup.DomainMail, error) {
	return lookup.DomainMail{}, lookup.ErrUnknown
}

func (resolver) Origins(context.Context, netip.Addr) ([]lookup.Origin, error) {
	return nil, lookup.ErrNoServer
}

func withRegistries(t testing.TB, list ...lookup.Registry) func(*desk.Config) {
	registries, err := lookup.NewRegistries(lookup.RegistriesConfig{Registries: list, Timeout: time.Second})
	require.NoError(t, err)
	return func(c *desk.Config) { c.Registries, c.Resolver = registries, resolver{} }
}

func TestPropose(t *testing.T) {
	w := newWorld(t, withCampus(t), withRegistries(t, whois{}))
	propose := func(p desk.Proposing) []desk.Proposal {
		list, err := w.alice.Propose(ctx, p)
		require.NoError(t, err)
		return list
	}
	of := func(values ...string) (list []incident.Observable) {
		for _, v := range values {
			list = append(list, observable(t, v))
		}
		return list
	}
	// The constituency is known: its contacts. It is not: the registry's.
	list := propose(desk.Proposing{Kind: incident.KindIncident, About: of("192.0.2.7", "198.18.0.1", "www.elsewhere.example", "198.18.0.1", "www.shop.example", "100.64.0.1"), Fields: classified})
	require.Len(t, list, 5, "each once")
	require.Equal(t, workflow.Open{
		Kind: incident.KindIncident, Subject: "Incident at 192.0.2.7", Constituency: "physics", Fields: classified,
		Contacts: []incident.Party{{Address: "abuse@physics.example"}}, Observables: of("192.0.2.7"),
	}, list[0].Command)
	require.Equal(t, []string{"It belongs to physics, because network 192.0.2.0/24 does (imported from ipam).", "abuse@physics.example is told, for 192.0.2.7."}, list[0].Why)
	require.Equal(t, []string{"host7.example.net"}, list[0].Owners[0].Names)
	isp := []incident.Party{{Name: "NOC", Address: "abuse@isp.example"}}
	for i, why := range map[int]string{
		1: "whois.example names abuse@isp.example for abuse of ISP-NET.", 2: "The address of www.elsewhere.example is 198.18.0.80.", 3: "whois.example names abuse@isp.example for abuse of shop.example.",
	} {
		require.Equal(t, isp, list[i].Command.Contacts, i)
		require.Empty(t, list[i].Command.Constituency)
		require.Contains(t, list[i].Why, why)
	}
	require.Empty(t, list[4].Command.Contacts)
	require.Contains(t, list[4].Why, "Nobody is known to tell: no registry names a contact for abuse.")
	require.Contains(t, list[4].Why, "Not found out: not registered: 100.64.0.1.")

	// What was proposed can be done.
	var commands []workflow.Command
	for _, p := range list {
		commands = append(commands, p.Command)
	}
	for _, result := range w.alice.Bulk(ctx, commands...) {
		require.NoError(t, result.Err)
	}
	first := w.ticket(1)
	require.Equal(t, "physics", first.Constituency)
	require.Equal(t, list[0].Command.Contacts, first.Contacts)

	// Investigations: to the contact of each, to several addresses at once, or one each.
	list = propose(desk.Proposing{Kind: incident.KindInvestigation, Incident: 1, About: of("192.0.2.7", "198.18.0.1", "100.64.0.1"), Text: "Please look at it."})
	require.Len(t, list, 3)
	require.Equal(t, []incident.Party{{Address: "abuse@physics.example"}}, list[0].Command.Requestors)
	require.Equal(t, isp, list[1].Command.Requestors)
	require.Equal(t, "nobody is known to write to: name mail addresses", list[2].Problem)
	w.do(list[1].Command)
	require.Equal(t, "abuse@isp.example", w.outgoing()[0].To)
	investigation := w.ticket(6)
	require.Equal(t, []incident.ID{1}, investigation.Parents)
	require.Equal(t, "Incident at 192.0.2.7", investigation.Subject)
	several := desk.Proposing{Kind: incident.KindInvestigation, Incident: 1, To: []string{"a@example.org", "b@example.org"}, Text: "x"}
	require.Len(t, propose(several), 2)
	several.Together = true
	list = propose(several)
	require.Equal(t, []incident.Party{{Address: "a@example.org"}, {Address: "b@example.org"}}, list[0].Command.Requestors)
	require.Equal(t, []string{"It goes to a@example.org, as was asked.", "It goes to b@example.org, as was asked."}, list[0].Why)

	// A block has the address filled in.
	list = propose(desk.Proposing{Kind: incident.KindBlock, Incident: 1, About: of("192.0.2.7", "192.0.2.0/26"), Together: true})
	require.Equal(t, of("192.0.2.7", "192.0.2.0/26"), list[0].Command.Observables)
	require.Empty(t, list[0].Owners)

	for text, p := range map[string]desk.Proposing{
		"a report is not made from a lookup": {Kind: incident.KindReport, About: of("192.0.2.7")},
		"nothing that it would be about":     {Kind: incident.KindIncident},
		"only an investigation goes to mail": {Kind: incident.KindBlock, About: of("192.0.2.7"), To: []string{"a@example.org"}},
		"an incident belongs to no other":    {Kind: incident.KindIncident, About: of("192.0.2.7"), Incident: 1},
		"CVE-2014-0160 belongs to nobody":    {Kind: incident.KindIncident, About: of("CVE-2014-0160")},
		"1001 addresses are too many":        {Kind: incident.KindIncident, About: make([]incident.Observable, 1001)},
	} {
		_, err := w.alice.Propose(ctx, p)
		require.ErrorContains(t, err, text)
	}
	_, err := w.alice.Propose(ctx, desk.Proposing{Kind: incident.KindBlock, About: of("192.0.2.7"), Incident: 99})
	require.ErrorIs(t, err, storage.ErrNotFound)
}

// A contact to whom mail comes back is told of (JANET 3.13).
func TestProposeToADefectiveAddress(t *testing.T) {
	w := newWorld(t, janetTeam, withCampus(t), withRegistries(t, whois{}))
	_, id := w.investigate("abuse@isp.example")
	w.bounced(id, groups("failed", "5.1.1", "abuse@isp.example"))
	list, err := w.alice.Propose(ctx, desk.Proposing{Kind: incident.KindIncident, About: []incident.Observable{observable(t, "192.0.2.7"), observable(t, "198.18.0.1")}})
	require.NoError(t, err)
	require.Empty(t, list[0].Defective)
	require.Equal(t, []string{"abuse@isp.example"}, list[1].Defective)
}

// A registry that never answers holds up nothing but the question.
func TestSilentRegistry(t *testing.T) {
	asked := make(chan struct{}, 1)
	w := newWorld(t, withCampus(t), withRegistries(t, silent{asked}))
	id := w.raw("bob@example.com", "From: bob@example.com\r\n\r\n100.64.0.1\r\n").Ticket
	require.Empty(t, asked, "nobody is asked when mail comes in")
	require.Len(t, w.ticket(id).Observables, 1)
	owner, err := w.alice.Owner(ctx, observable(t, "100.64.0.1"))
	require.NoError(t, err)
	require.Len(t, asked, 1)
	require.Len(t, owner.Missing, 1)
	require.Empty(t, owner.Contacts)
}

type silent struct{ asked chan struct{} }

func (s silent) Ask(ctx context.Context, _ lookup.Question) (lookup.Registration, error) {
	s.asked <- struct{}{}
	<-ctx.Done()
	return lookup.Registration{}, ctx.Err()
}
