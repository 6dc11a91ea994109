package lookup_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/airtight-csirt/airtight/lookup"
)

// book is a registry of one network.
type book struct{}

func (book) Ask(_ context.Context, q lookup.Question) (lookup.Registration, error) {
	network := netip.MustParsePrefix("192.0.2.0/24")
	if !network.Overlaps(q.Network) {
		return lookup.Registration{}, lookup.ErrUnknown
	}
	return lookup.Registration{
		First: network.Addr(), Last: lookup.LastOf(network), Name: "EXAMPLE-NET",
		Contacts: []lookup.RegistryContact{{Roles: []string{"abuse"}, Addresses: []string{"abuse@example.org"}}},
	}, nil
}

// A program hands in adapters/rdap, then adapters/whois; any Registry will do.
func ExampleRegistries_Host() {
	registries, err := lookup.NewRegistries(lookup.RegistriesConfig{Registries: []lookup.Registry{book{}}})
	if err != nil {
		panic(err)
	}
	answer := registries.Host(context.Background(), netip.MustParseAddr("192.0.2.7"))
	fmt.Println(answer.Network, answer.NetworkName, answer.Contacts[0].Address)
	answer = registries.Host(context.Background(), netip.MustParseAddr("198.51.100.7"))
	fmt.Println(answer.Missing)
	// Output:
	// 192.0.2.0/24 EXAMPLE-NET abuse@example.org
	// [lookup: not registered: 198.51.100.7]
}
