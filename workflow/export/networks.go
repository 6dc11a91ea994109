package export

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
)

// List is what a form writes: networks, and nothing else that could come from
// outside. Those of IPv4 come first, each family by address, a wider network
// before those in it.
type List struct {
	Networks []Network

	Tickets int        // that were exported
	Omitted []Omission // what they name and the list does not hold
}

// Network is one line of a list. All that it says is made of its bits.
type Network struct{ prefix netip.Prefix }

// String returns a network with its length, for one address too: 192.0.2.7/32.
func (n Network) String() string { return n.prefix.String() }

// Prefix returns the network as a value.
func (n Network) Prefix() netip.Prefix { return n.prefix }

// Address returns the first address.
func (n Network) Address() string { return n.prefix.Addr().String() }

// Bits returns the length of the prefix.
func (n Network) Bits() int { return n.prefix.Bits() }

// IsIPv4 reports the family.
func (n Network) IsIPv4() bool { return n.prefix.Addr().Is4() }

// Mask returns the mask of an IPv4 network in dots; nothing for IPv6.
func (n Network) Mask() string {
	if !n.IsIPv4() {
		return ""
	}
	mask := ^uint32(0) << (32 - n.Bits())
	return fmt.Sprintf("%d.%d.%d.%d", mask>>24, mask>>16&0xff, mask>>8&0xff, mask&0xff)
}

// IPv4 returns the networks of that family.
func (l List) IPv4() []Network { return l.family(true) }

// IPv6 returns the networks of that family.
func (l List) IPv6() []Network { return l.family(false) }

func (l List) family(v4 bool) (list []Network) {
	for _, n := range l.Networks {
		if n.IsIPv4() == v4 {
			list = append(list, n)
		}
	}
	return list
}

// Omission is a network that tickets name and that is not listed, with the reason:
// it is wider than the export allows; it touches one that is spared; or it is no
// place that packets are routed to by their address (unspecified, loopback,
// link-local, multicast, limited broadcast). Private networks are listed: they are
// where a team's own machines live.
type Omission struct {
	Network netip.Prefix `json:"network"`
	Why     string       `json:"why"`
}

// Prefix lengths of the widest networks that are listed, where an export does not
// say: that of a large site.
const (
	standardV4 = 16
	standardV6 = 32
)

// List returns the networks of those of the tickets that are exported, whatever
// their order.
func (e Export) List(tickets iter.Seq[incident.Ticket]) List {
	var l List
	var all []netip.Prefix
	for t := range tickets {
		if e.Selects(t) {
			l.Tickets++
			all = append(all, e.Named(t)...)
		}
	}
	var kept []netip.Prefix
	for _, p := range distinct(all) {
		if why := e.omits(p); why != "" {
			l.Omitted = append(l.Omitted, Omission{p, why})
		} else {
			kept = append(kept, p)
		}
	}
	if e.Aggregate {
		kept = aggregate(kept, e.widest)
	}
	for _, p := range kept {
		l.Networks = append(l.Networks, Network{p})
	}
	return l
}

// widest returns the length of the widest prefix of p's family that is listed.
func (e Export) widest(p netip.Prefix) int {
	bits, standard := e.WidestV6, standardV6
	if p.Addr().Is4() {
		bits, standard = e.WidestV4, standardV4
	}
	if bits > 0 {
		return bits
	}
	return standard
}

// omits says why a network is not listed; nothing if it is.
func (e Export) omits(p netip.Prefix) string {
	if widest := e.widest(p); p.Bits() < widest {
		return fmt.Sprintf("it is wider than /%d", widest)
	}
	for _, special := range nowhere() {
		switch {
		case !special.network.Overlaps(p):
		case p.Bits() < special.network.Bits():
			return "there is " + special.name + " in it"
		default:
			return "it is " + special.name
		}
	}
	for _, spared := range e.Spare {
		if s, ok := incident.PrefixOf(spared, "").Network(); ok && s.Overlaps(p) {
			return fmt.Sprintf("%s is spared", s)
		}
	}
	return ""
}

type special struct {
	network netip.Prefix
	name    string
}

// nowhere lists the networks that no route leads to (RFC 6890).
func nowhere() []special {
	return []special{
		{netip.MustParsePrefix("0.0.0.0/8"), "this network (RFC 1122)"},
		{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
		{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
		{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
		{netip.MustParsePrefix("255.255.255.255/32"), "the broadcast address"},
		{netip.MustParsePrefix("::/128"), "the unspecified address"},
		{netip.MustParsePrefix("::1/128"), "loopback"},
		{netip.MustParsePrefix("fe80::/10"), "link-local"},
		{netip.MustParsePrefix("ff00::/8"), "multicast"},
	}
}

// distinct sorts networks and leaves each once.
func distinct(list []netip.Prefix) []netip.Prefix {
	list = slices.Clone(list)
	slices.SortFunc(list, compare)
	return slices.Compact(list)
}

// compare orders networks: IPv4 first, by address, a wider one before those in it.
func compare(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}

// aggregate returns the fewest networks, none wider than allowed, that cover the
// addresses of sorted ones and no others.
func aggregate(sorted []netip.Prefix, widest func(netip.Prefix) int) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range sorted {
		if n := len(out); n > 0 && out[n-1].Overlaps(p) {
			continue // it lies in the one before, which is not narrower
		}
		out = append(out, p)
		for n := len(out); n > 1; n = len(out) {
			both, ok := joined(out[n-2], out[n-1])
			if !ok || both.Bits() < widest(both) {
				break
			}
			out = append(out[:n-2], both)
		}
	}
	return out
}

// joined returns the network of which a and b are the two halves.
func joined(a, b netip.Prefix) (netip.Prefix, bool) {
	if a.Bits() != b.Bits() || a.Bits() == 0 || a.Addr().BitLen() != b.Addr().BitLen() || a == b {
		return netip.Prefix{}, false
	}
	whole := netip.PrefixFrom(a.Addr(), a.Bits()-1).Masked()
	return whole, whole.Contains(b.Addr())
}
