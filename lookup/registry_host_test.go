package lookup_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
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

// figure1 is a directory with the network of the paper's figure 1.
const figure1 = `
default: elsewhere
constituencies:
  - {name: elsewhere, contacts: [{address: cert@example.com}]}
  - {name: science, language: nl, contacts: [{role: abuse, name: Alice, address: alice@example.org, telephone: +1 555 0100, template: lab}]}
entries:
  - {scope: 192.0.2.0/26, constituency: science, label: Lab}
  - {scope: 192.0.2.60, except: true}
  - {scope: AS64501, constituency: science}
`

// TestHost is figure 1 of the AIRT paper: who is behind an address that the
// directory knows, and, by a registry, one that it does not.
func TestHost(t *testing.T) {
	doc, err := lookup.ParseYAML(strings.NewReader(figure1))
	require.NoError(t, err)
	directory, err := lookup.NewDirectory(doc, lookup.Config{
		Text: func(o incident.Observable, m lookup.Match) []string {
			return []string{o.Value + ": " + m.Constituency.Name}
		},
	})
	require.NoError(t, err)
	range24 := &registry{ask: func(context.Context, lookup.Question) (lookup.Registration, error) {
		return lookup.Registration{
			First: netip.MustParseAddr("192.0.2.0"), Last: netip.MustParseAddr("192.0.2.255"), Name: "EXAMPLE",
			Contacts: []lookup.RegistryContact{
				{Roles: []string{"technical"}, Name: "Bob"}, {Roles: []string{"abuse"}, Name: "Desk", Language: "en", Addresses: []string{"abuse@example.net", "cert@example.net"}},
				{Roles: []string{"abuse"}, Telephone: "+1 555 0101"}, {Roles: []string{"abuse"}, Name: "Nobody"},
			},
		}, nil
	}}
	config := lookup.RegistriesConfig{Resolver: names{}, Registries: []lookup.Registry{range24}, Directory: directory}
	answer := registries(t, config).Host(t.Context(), netip.MustParseAddr("::ffff:192.0.2.7"))
	require.Equal(t, lookup.HostAnswer{
		Address: netip.MustParseAddr("192.0.2.7"), Names: []string{"ws7.example.org"},
		Origins: []lookup.Origin{{AS: 64500, Prefix: netip.MustParsePrefix("192.0.2.0/24")}},
		Network: netip.MustParsePrefix("192.0.2.0/26"), NetworkName: "Lab", Match: answer.Match,
		Contacts: []lookup.Contact{{Role: "abuse", Name: "Alice", Address: "alice@example.org", Telephone: "+1 555 0100", Language: "nl", Template: "lab"}},
	}, answer)
	require.Equal(t, "science", answer.Match.Constituency.Name)
	require.Equal(t, []string{"It belongs to science, because network 192.0.2.0/26 does (set by hand)."}, answer.Match.Why)
	require.Equal(t, []string{"192.0.2.7: science"}, answer.Match.Text)
	require.Zero(t, range24.asked.Load(), "what the directory knows is not asked for")

	for address, why := range map[string]string{
		"192.0.2.77": "It belongs to elsewhere by default: nothing in the directory is around it.", "192.0.2.60": "It belongs to elsewhere by default: address 192.0.2.60 is excepted (set by hand).",
	} {
		answer = registries(t, config).Host(t.Context(), netip.MustParseAddr(address))
		require.Equal(t, "elsewhere "+why, answer.Match.Constituency.Name+" "+answer.Match.Why[0])
		require.Equal(t, []string{address + ": elsewhere"}, answer.Match.Text)
		require.Equal(t, "192.0.2.0/24 EXAMPLE", fmt.Sprint(answer.Network, " ", answer.NetworkName))
		require.Equal(t, []lookup.Contact{
			{Role: "abuse", Name: "Desk", Address: "abuse@example.net", Language: "en"}, {Role: "abuse", Name: "Desk", Address: "cert@example.net", Language: "en"},
			{Role: "abuse", Telephone: "+1 555 0101"},
		}, answer.Contacts)
		require.Len(t, answer.Registration.Contacts, 4)
		require.Empty(t, answer.Missing)
	}

	doc.Entries[2].Scope, err = lookup.ParseScope("AS64500")
	require.NoError(t, err)
	config.Directory, err = lookup.NewDirectory(doc, lookup.Config{})
	require.NoError(t, err)
	answer = registries(t, config).Host(t.Context(), netip.MustParseAddr("192.0.2.77"))
	require.Equal(t, "science", answer.Match.Constituency.Name, "by the system that announces it")
	require.False(t, answer.Network.IsValid())
	require.Equal(t, "alice@example.org", answer.Contacts[0].Address)

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
