package registrytest_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/lookup/registrytest"
)

// counting counts the complaints.
type counting struct {
	testing.TB
	complaints int
}

func (c *counting) Helper()               {}
func (c *counting) Errorf(string, ...any) { c.complaints++ }

func TestCheck(t *testing.T) {
	long := make([]string, lookup.MaxRegistryList+1)
	for name, test := range map[string]struct {
		registration lookup.Registration
		complaints   int
	}{
		"good":              {lookup.Registration{Handle: "NET-1", First: netip.MustParseAddr("192.0.2.0"), Last: netip.MustParseAddr("192.0.2.255")}, 0},
		"empty":             {lookup.Registration{}, 0},
		"two lines":         {lookup.Registration{Name: "a\nb"}, 1},
		"no UTF-8":          {lookup.Registration{Name: "\xff"}, 1},
		"long field":        {lookup.Registration{Name: strings.Repeat("a", lookup.MaxRegistryField+1)}, 1},
		"long list":         {lookup.Registration{Status: long}, 1},
		"long list of mail": {lookup.Registration{Contacts: []lookup.RegistryContact{{Addresses: long}}}, 1},
		"long text":         {lookup.Registration{Text: strings.Repeat("a", lookup.MaxRegistryText+1)}, 1},
		"no address":        {lookup.Registration{Hints: []string{"nobody"}}, 1},
		"backwards":         {lookup.Registration{First: netip.MustParseAddr("192.0.2.9"), Last: netip.MustParseAddr("192.0.2.1")}, 1},
		"two families":      {lookup.Registration{First: netip.MustParseAddr("192.0.2.9"), Last: netip.MustParseAddr("2001:db8::")}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := counting{TB: t}
			registrytest.Check(&c, test.registration)
			if c.complaints != test.complaints {
				t.Errorf("%d complaints, want %d", c.complaints, test.complaints)
			}
		})
	}
}
