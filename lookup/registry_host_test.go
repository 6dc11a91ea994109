package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/lookup"
)

// names is a resolver that knows one address.
type names struct{ err error }

func (n names) Names(context.Context, netip.Addr) ([]string, error) {
	return []string{"ws7.example.org"}, n.err
}
func (n names) Origins(context.Context, netip.Addr) ([]lookup.Origin, error) {
	return []lookup.Origin{{AS: 64500, Prefix: netip.MustParsePrefix("192.0.2.0/24")}}, n.err
}
func (names) Addresses(context.Context, string) ([]netip.Addr, error) { return nil, lookup.ErrUnknown }
func (names) Mail(context.Context, string) (lookup.DomainMail, error) {
	return lookup.DomainMail{}, lookup.ErrUnknown
}

// TestHost is figure 1 of the AIRT paper: who is behind an address that the
// directory knows, and, by a registry, one that it does not.
func TestHost(t *testing.T) {
	known := netip.MustParsePrefix("192.0.2.0/26")
	office := lookup.RegistryContact{Name: "Alice", Addresses: []string{"alice@example.org"}, Telephone: "+1 555 0100"}
	range24 := &registry{ask: func(context.Context, lookup.Question) (lookup.Registration, error) {
		return lookup.Registration{
			First: netip.MustParseAddr("192.0.2.0"), Last: netip.MustParseAddr("192.0.2.255"), Name: "EXAMPLE",
			Contacts: []lookup.RegistryContact{{Roles: []string{"technical"}, Name: "Bob"}, {Roles: []string{"abuse"}, Addresses: []string{"abuse@example.net"}}},
		}, nil
	}}
	config := lookup.RegistriesConfig{
		Resolver: names{}, Registries: []lookup.Registry{range24},
		Directory: func(a netip.Addr, origins ...uint32) (lookup.Known, bool) {
			require.Equal(t, []uint32{64500}, origins)
			return lookup.Known{Network: known, NetworkName: "Lab", Constituency: "science", Contacts: []lookup.RegistryContact{office}}, known.Contains(a)
		},
	}
	answer := registries(t, config).Host(t.Context(), netip.MustParseAddr("::ffff:192.0.2.7"))
	require.Equal(t, lookup.HostAnswer{
		Address: netip.MustParseAddr("192.0.2.7"), Names: []string{"ws7.example.org"},
		Origins: []lookup.Origin{{AS: 64500, Prefix: netip.MustParsePrefix("192.0.2.0/24")}},
		Network: known, NetworkName: "Lab", Constituency: "science", Contacts: []lookup.RegistryContact{office},
	}, answer)
	require.Zero(t, range24.asked.Load(), "what the directory knows is not asked for")

	answer = registries(t, config).Host(t.Context(), netip.MustParseAddr("192.0.2.77"))
	require.Empty(t, answer.Constituency)
	require.Equal(t, "192.0.2.0/24 EXAMPLE", fmt.Sprint(answer.Network, " ", answer.NetworkName))
	require.Len(t, answer.Contacts, 1)
	require.Equal(t, []string{"abuse@example.net"}, answer.Contacts[0].Addresses)
	require.Len(t, answer.Registration.Contacts, 2)
	require.Empty(t, answer.Missing)

	broken := errors.New("broken")
	answer = registries(t, lookup.RegistriesConfig{Resolver: names{broken}}).Host(t.Context(), netip.MustParseAddr("192.0.2.77"))
	require.Len(t, answer.Missing, 3)
	require.ErrorIs(t, answer.Missing[0], broken)
	require.ErrorIs(t, answer.Missing[2], lookup.ErrNoServer)
	answer = registries(t, lookup.RegistriesConfig{Resolver: names{lookup.ErrNoServer}, Registries: []lookup.Registry{range24}}).Host(t.Context(), netip.MustParseAddr("192.0.2.77"))
	require.Len(t, answer.Missing, 1, "names; that no zone for origins is configured is nothing missing")
	answer = registries(t, lookup.RegistriesConfig{Registries: []lookup.Registry{range24}}).Host(t.Context(), netip.MustParseAddr("192.0.2.77"))
	require.Empty(t, answer.Names)
	require.Empty(t, answer.Missing)
}

// TestHostRange leaves the network out when the range of a registry is none.
func TestHostRange(t *testing.T) {
	for ends, want := range map[string]string{
		"192.0.2.0 192.0.2.255": "192.0.2.0/24", "192.0.2.0 192.0.2.0": "192.0.2.0/32", "0.0.0.0 255.255.255.255": "0.0.0.0/0",
		"192.0.2.0 192.0.2.254": "invalid Prefix", "192.0.2.128 192.0.3.127": "invalid Prefix",
		"2001:db8:: 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": "2001:db8::/32",
	} {
		first, last, _ := strings.Cut(ends, " ")
		one := &registry{ask: func(context.Context, lookup.Question) (lookup.Registration, error) {
			return lookup.Registration{First: netip.MustParseAddr(first), Last: netip.MustParseAddr(last)}, nil
		}}
		answer := registries(t, lookup.RegistriesConfig{Registries: []lookup.Registry{one}}).Host(t.Context(), netip.MustParseAddr(first))
		require.Equal(t, want, answer.Network.String(), ends)
	}
}

func TestRegistryText(t *testing.T) {
	require.Equal(t, "a b c", lookup.RegistryField(" a\t\x00 b\r\n\u202ec\x1b "))
	require.LessOrEqual(t, len(lookup.RegistryField(strings.Repeat("ü", 10_000))), lookup.MaxRegistryField)
	require.Equal(t, "a\nb\tc", lookup.RegistryText("a\r\nb\tc\x07"))
	require.LessOrEqual(t, len(lookup.RegistryText(strings.Repeat("x", 1<<20))), lookup.MaxRegistryText)

	for in, want := range map[string]string{
		"abuse@example.org": "abuse@example.org", " MAILTO:a@b.example ": "a@b.example", "büro@bücher.example": "büro@bücher.example",
		"": "", "REDACTED FOR PRIVACY": "", "https://example.org/?mail=a@example.org": "", "a@localhost": "", "a@.org.": "",
		"@example.org": "", "a@b@example.org": "", "a b@example.org": "", "a@example.org\r\nBcc: x@example.net": "", strings.Repeat("a", 300) + "@example.org": "",
	} {
		got, ok := lookup.RegistryAddress(in)
		require.Equal(t, want != "", ok, in)
		if ok {
			require.Equal(t, want, got)
		}
	}
	for line, want := range map[string][]string{
		"please send abuse reports to <a@example.org>, or b@example.org.": {"a@example.org", "b@example.org"},
		"Abuse: mailto:a@example.org":                                     {"a@example.org"},
		"ABUSE@example.org":                                               {"ABUSE@example.org"},
		"write to a@example.org":                                          nil,
		"abuse is not dealt with here":                                    nil,
		"abuse " + strings.Repeat("x", 3000) + " a@example.org":           nil,
	} {
		require.Equal(t, want, lookup.RegistryHints(line), line)
	}
}
