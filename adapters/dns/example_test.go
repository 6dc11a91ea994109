package dns_test

import (
	"fmt"

	"github.com/airtight-csirt/airtight/adapters/dns"
)

// A client asks the resolvers that it was told of, and no other.
func ExampleNew() {
	_, err := dns.New(dns.Config{Servers: []string{"192.0.2.53:53", "[2001:db8::53]:53"}})
	fmt.Println(err)
	_, err = dns.New(dns.Config{})
	fmt.Println(err)
	// Output:
	// <nil>
	// dns: Config.Servers is empty: name a recursive resolver, like 192.0.2.53:53
}
