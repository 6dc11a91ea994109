package export_test

import (
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow/export"
)

func sees(value string, role incident.Role) incident.Observable {
	o, err := incident.ParseObservable(value, role)
	if err != nil {
		panic(err)
	}
	return o
}

// blocked is an incident whose sources are to be null-routed.
func blocked(observables ...incident.Observable) incident.Ticket {
	return incident.Ticket{
		ID: 7, Kind: incident.KindIncident, Version: 3, Status: "open", Phase: incident.Active, State: "blocked",
		Constituency: "campus", Fields: map[string][]string{"Type": {"ddos", "spam"}}, Observables: observables,
	}
}

func these(tickets ...incident.Ticket) iter.Seq[incident.Ticket] { return slices.Values(tickets) }

func nullroute() export.Export {
	return export.Export{Template: "nullroute", Statuses: []incident.Status{"open", "closed"}, States: []incident.State{"blocked"}}
}

func networks(l export.List) (list []string) {
	for _, n := range l.Networks {
		list = append(list, n.String())
	}
	return list
}

func TestSelects(t *testing.T) {
	all := nullroute()
	all.Kinds = []incident.Kind{incident.KindIncident}
	all.Phases = []incident.Phase{incident.Active}
	all.Constituencies = []string{"campus", "library"}
	all.Fields = map[string][]string{"Type": {"virus", "spam"}}
	require.True(t, all.Selects(blocked()))
	for name, change := range map[string]func(*incident.Ticket){
		"kind":         func(t *incident.Ticket) { t.Kind = incident.KindReport },
		"status":       func(t *incident.Ticket) { t.Status = "stalled" },
		"phase":        func(t *incident.Ticket) { t.Phase = incident.Inactive },
		"state":        func(t *incident.Ticket) { t.State = "unblocked" },
		"no state":     func(t *incident.Ticket) { t.State = "" },
		"constituency": func(t *incident.Ticket) { t.Constituency = "" },
		"field":        func(t *incident.Ticket) { t.Fields["Type"] = []string{"ddos"} },
		"merged":       func(t *incident.Ticket) { t.MergedInto = 8 },
		"the desk":     func(t *incident.Ticket) { t.ID = incident.Desk },
		"no ticket":    func(t *incident.Ticket) { t.Version = 0 },
	} {
		other := blocked()
		change(&other)
		require.False(t, all.Selects(other), name)
	}
}

// The machine that does harm is cut off, not the one that suffers it, nor what was
// merely found in a text.
func TestRoles(t *testing.T) {
	ticket := blocked(
		sees("192.0.2.7", incident.RoleSource), sees("198.51.100.1", incident.RoleTarget), sees("203.0.113.9", incident.RoleUnknown),
		sees("2001:db8::7", incident.RoleSource), sees("evil.example.org", incident.RoleSource), sees("192.0.2.0/28", incident.RoleSource),
	)
	e := nullroute()
	require.Equal(t, []string{"192.0.2.0/28", "192.0.2.7/32", "2001:db8::7/128"}, networks(e.List(these(ticket, ticket))))
	e.Roles = []incident.Role{incident.RoleTarget, incident.RoleUnknown}
	require.Equal(t, []string{"198.51.100.1/32", "203.0.113.9/32"}, networks(e.List(these(ticket))))
	for _, name := range []string{"source", "target", "unknown"} {
		role, err := export.ParseRole(name)
		require.NoError(t, err)
		require.Equal(t, name, export.RoleName(role))
	}
	_, err := export.ParseRole("victim")
	require.EqualError(t, err, `export: there is no role "victim": allowed are source, target, unknown`)
}

func TestChanges(t *testing.T) {
	e := nullroute()
	source := sees("192.0.2.7", incident.RoleSource)
	inside := blocked(source)
	outside := blocked(source)
	outside.State = "unblocked"
	more := blocked(source, sees("192.0.2.8", incident.RoleSource))
	other := blocked(source, sees("evil.example.org", incident.RoleSource))
	other.Status = "closed"
	require.True(t, e.Changes(outside, inside))
	require.True(t, e.Changes(inside, outside))
	require.True(t, e.Changes(inside, more))
	require.True(t, e.Changes(incident.Ticket{}, inside))
	require.False(t, e.Changes(inside, other), "nothing that is listed is another")
	require.False(t, e.Changes(outside, outside))
	require.False(t, e.Changes(incident.Ticket{}, blocked()), "there is nothing to list")
}

func TestGuards(t *testing.T) {
	e := nullroute()
	e.Spare = append(e.Spare, sourceNetwork(t, "192.0.2.1/32"), sourceNetwork(t, "2001:db8:53::/48"))
	ticket := blocked()
	for _, value := range []string{
		"0.0.0.0/0", "::/0", "128.0.0.0/1", "10.0.0.0/8", "2000::/3", "127.0.0.1", "0.0.0.0", "169.254.1.1", "224.0.0.251", "255.255.255.255",
		"::1", "::", "fe80::1", "ff02::1", "192.0.2.0/24", "192.0.2.1", "2001:db8:53::1", "10.0.0.1", "192.0.2.2", "172.16.0.0/16", "2001:db8:54::/64",
	} {
		ticket.Observables = append(ticket.Observables, sees(value, incident.RoleSource))
	}
	l := e.List(these(ticket))
	require.Equal(t, []string{"10.0.0.1/32", "172.16.0.0/16", "192.0.2.2/32", "2001:db8:54::/64"}, networks(l))
	var why []string
	for _, o := range l.Omitted {
		why = append(why, o.Network.String()+" "+o.Why)
	}
	require.Equal(t, []string{
		"0.0.0.0/0 it is wider than /16", "0.0.0.0/32 it is this network (RFC 1122)", "10.0.0.0/8 it is wider than /16",
		"127.0.0.1/32 it is loopback", "128.0.0.0/1 it is wider than /16", "169.254.1.1/32 it is link-local",
		"192.0.2.0/24 192.0.2.1/32 is spared", "192.0.2.1/32 192.0.2.1/32 is spared", "224.0.0.251/32 it is multicast",
		"255.255.255.255/32 it is the broadcast address", "::/0 it is wider than /32", "::/128 it is the unspecified address",
		"::1/128 it is loopback", "2000::/3 it is wider than /32", "2001:db8:53::1/128 2001:db8:53::/48 is spared",
		"fe80::1/128 it is link-local", "ff02::1/128 it is multicast",
	}, why)
	e.WidestV4, e.WidestV6 = 8, 3
	require.Contains(t, networks(e.List(these(ticket))), "10.0.0.0/8")
	e.WidestV4, e.WidestV6 = 1, 1
	require.NotContains(t, networks(e.List(these(ticket))), "0.0.0.0/0", "the whole internet is never listed")
	require.NotContains(t, networks(e.List(these(ticket))), "::/0")
}

func TestCheck(t *testing.T) {
	require.NoError(t, nullroute().Check())
	for want, change := range map[string]func(*export.Export){
		"names no template: allowed are list, nullroute (cisco-ios, bird,": func(e *export.Export) { e.Template = "" },
		"every ticket that there ever was":                                 func(e *export.Export) { e.Statuses, e.States = nil, nil },
		"the widest network of IPv4 is /33: allowed are 1 to 32":           func(e *export.Export) { e.WidestV4 = 33 },
		"the widest network of IPv6 is /-1: allowed are 1 to 128":          func(e *export.Export) { e.WidestV6 = -1 },
		`no role "victim": allowed are source, target, unknown`:            func(e *export.Export) { e.Roles = []incident.Role{"victim"} },
		`no phase "done": allowed are initial, active, inactive`:           func(e *export.Export) { e.Phases = []incident.Phase{"done"} },
		"a network to be spared is none":                                   func(e *export.Export) { e.Spare = append(e.Spare, sourceNetwork(t, "192.0.2.0/24").Masked(), zero()) },
	} {
		e := nullroute()
		change(&e)
		require.ErrorContains(t, e.Check(), want)
	}
}
