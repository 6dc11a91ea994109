package export_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func sourceNetwork(t *testing.T, s string) netip.Prefix {
	t.Helper()
	p, err := netip.ParsePrefix(s)
	require.NoError(t, err)
	return p
}

func zero() netip.Prefix { return netip.Prefix{} }

// fewest is the twin of the merging: it looks at every address of a small network.
// It returns the fewest networks, none wider than widest, that cover what is listed
// and nothing else.
func fewest(in netip.Prefix, listed func(netip.Addr) bool, widest int) []netip.Prefix {
	full := in.Bits() >= widest
	for a := in.Addr(); full && in.Contains(a); a = a.Next() {
		full = listed(a)
	}
	switch {
	case full:
		return []netip.Prefix{in}
	case in.IsSingleIP():
		return nil
	}
	left := netip.PrefixFrom(in.Addr(), in.Bits()+1)
	right := left
	for a := in.Addr(); in.Contains(a); a = a.Next() {
		if !left.Contains(a) {
			right = netip.PrefixFrom(a, in.Bits()+1)
			break
		}
	}
	return append(fewest(left, listed, widest), fewest(right, listed, widest)...)
}

func TestAggregateLikeItsTwin(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 400 {
		space, longest := netip.MustParsePrefix("198.51.100.0/24"), 32
		if round%2 == 1 {
			space, longest = netip.MustParsePrefix("2001:db8::/120"), 128
		}
		e := nullroute()
		e.Aggregate = true
		widest := longest - 8 + random.IntN(9)
		e.WidestV4, e.WidestV6 = widest-longest+32, widest-longest+128
		var ticket = blocked()
		var listed []netip.Prefix
		for range random.IntN(60) {
			a := space.Addr()
			for range random.IntN(256) {
				a = a.Next()
			}
			p := netip.PrefixFrom(a, longest-min(random.IntN(7), random.IntN(7))).Masked()
			ticket.Observables = append(ticket.Observables, incident.PrefixOf(p, incident.RoleSource))
			if p.Bits() >= widest {
				listed = append(listed, p)
			}
		}
		random.Shuffle(len(ticket.Observables), func(i, j int) {
			ticket.Observables[i], ticket.Observables[j] = ticket.Observables[j], ticket.Observables[i]
		})
		var got []netip.Prefix
		for _, n := range e.List(these(ticket)).Networks {
			got = append(got, n.Prefix())
		}
		covers := func(a netip.Addr) bool {
			return slices.ContainsFunc(listed, func(p netip.Prefix) bool { return p.Contains(a) })
		}
		require.Equal(t, fewest(space, covers, widest), got, "seed %d, round %d: %v", seed, round, listed)

		e.Aggregate = false
		got = nil
		for _, n := range e.List(these(ticket)).Networks {
			got = append(got, n.Prefix())
		}
		slices.SortFunc(listed, func(a, b netip.Prefix) int {
			if c := a.Addr().Compare(b.Addr()); c != 0 {
				return c
			}
			return a.Bits() - b.Bits()
		})
		require.Equal(t, slices.Compact(listed), got, "without merging each network is listed once, in order")
	}
}

// Two halves of the internet are two networks, however wide one allows.
func TestNeverTheWholeInternet(t *testing.T) {
	e := nullroute()
	e.Aggregate, e.WidestV4, e.WidestV6 = true, 1, 1
	ticket := blocked()
	for octet := range 223 {
		if octet == 0 || octet == 127 || octet == 169 {
			continue
		}
		ticket.Observables = append(ticket.Observables, incident.PrefixOf(netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(octet)}), 8), incident.RoleSource))
	}
	for _, n := range e.List(these(ticket)).Networks {
		require.Positive(t, n.Bits())
		require.False(t, n.Prefix().Contains(netip.MustParseAddr("127.0.0.1")), "%s covers what nobody listed", n)
		require.False(t, n.Prefix().Contains(netip.MustParseAddr("169.1.2.3")), "%s covers what nobody listed", n)
	}
	e.WidestV4 = 0
	require.Empty(t, e.List(these(ticket)).Networks)
}

func TestMask(t *testing.T) {
	e := nullroute()
	e.WidestV4 = 1
	for network, want := range map[string]string{
		"192.0.2.7": "255.255.255.255", "192.0.2.0/24": "255.255.255.0", "128.0.0.0/3": "224.0.0.0", "198.51.0.0/17": "255.255.128.0", "2001:db8::/64": "",
	} {
		l := e.List(these(blocked(sees(network, incident.RoleSource))))
		require.Len(t, l.Networks, 1, network)
		require.Equal(t, want, l.Networks[0].Mask(), network)
	}
}

func TestManyNetworks(t *testing.T) {
	e := nullroute()
	e.Aggregate = true
	ticket := blocked()
	for i := range 200_000 { // every second address: nothing can be merged
		ticket.Observables = append(ticket.Observables, incident.AddressOf(netip.AddrFrom4([4]byte{10, byte(i >> 15), byte(i >> 7), byte(i << 1)}), incident.RoleSource))
	}
	require.Len(t, e.List(these(ticket)).Networks, 200_000)
}
