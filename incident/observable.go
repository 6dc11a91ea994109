package incident

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
)

// ObservableKind says what an [Observable] is.
type ObservableKind string

// Kinds of observables.
const (
	Address     ObservableKind = "address" // one IP address
	Prefix      ObservableKind = "prefix"  // a network, CIDR
	Host        ObservableKind = "host"    // a host or domain name
	MailAddress ObservableKind = "mail"
	URL         ObservableKind = "url"
	Hash        ObservableKind = "hash"
	CVE         ObservableKind = "cve"
)

// Role says what part an observable plays in an event (AIRT: address role).
type Role string

// Roles.
const (
	RoleUnknown Role = ""
	RoleSource  Role = "source"
	RoleTarget  Role = "target"
)

// Observable is something technical that reports can have in common. Make one
// with [AddressOf], [PrefixOf] or [NewObservable], which bring Value into the
// one form that is compared bytewise everywhere.
type Observable struct {
	Kind  ObservableKind `json:"kind"`
	Value string         `json:"value"`
	Role  Role           `json:"role,omitempty"`
}

// AddressOf returns the observable for an IP address: unmapped (::ffff:a.b.c.d
// is a.b.c.d) and without zone.
func AddressOf(a netip.Addr, role Role) Observable {
	return Observable{Kind: Address, Value: a.Unmap().WithZone("").String(), Role: role}
}

// PrefixOf returns the observable for a network; one of full length is an
// [Address].
func PrefixOf(p netip.Prefix, role Role) Observable {
	p = canonicalPrefix(p)
	if p.IsSingleIP() {
		return AddressOf(p.Addr(), role)
	}
	return Observable{Kind: Prefix, Value: p.String(), Role: role}
}

// NewObservable reads a value as people write it and brings it into its
// canonical form: addresses and prefixes as netip prints them, host names,
// domains of mail addresses and hashes in lower case, CVE ids in upper case, a
// name without its final dot. The error says what kind was wanted.
func NewObservable(kind ObservableKind, value string, role Role) (Observable, error) {
	value = Clean(strings.TrimSpace(value))
	bad := func(want string) (Observable, error) {
		return Observable{}, fmt.Errorf("incident: %q is no %s", value, want)
	}
	switch kind {
	case Address:
		a, err := netip.ParseAddr(value)
		if err != nil {
			return bad("IP address")
		}
		return AddressOf(a, role), nil
	case Prefix:
		p, err := netip.ParsePrefix(value)
		if err != nil {
			return bad("IP prefix, like 192.0.2.0/24")
		}
		return PrefixOf(p, role), nil
	case Host:
		value = strings.ToLower(strings.TrimSuffix(value, "."))
		if value == "" || len(value) > 253 || strings.HasSuffix(value, ".") ||
			strings.ContainsAny(value, "@/:") || strings.ContainsFunc(value, unicode.IsSpace) {
			return bad("host name")
		}
	case MailAddress:
		at := strings.LastIndexByte(value, '@')
		if at <= 0 || at == len(value)-1 || strings.ContainsAny(value, " \t\r\n") {
			return bad("mail address")
		}
		value = value[:at+1] + strings.ToLower(value[at+1:])
	case URL:
		if !strings.Contains(value, ":") {
			return bad("URL with a scheme")
		}
	case Hash:
		value = strings.ToLower(value)
		if _, err := hex.DecodeString(value); err != nil || len(value) < 32 {
			return bad("hash of at least 32 hexadecimal digits")
		}
	case CVE:
		value = strings.ToUpper(value)
		if !strings.HasPrefix(value, "CVE-") {
			return bad("CVE id, like CVE-2014-0160")
		}
	default:
		return Observable{}, fmt.Errorf("incident: unknown kind of observable %q: allowed are address, prefix, host, mail, url, hash, cve", kind)
	}
	return Observable{Kind: kind, Value: value, Role: role}, nil
}

// Network returns the addresses that the observable covers: a host prefix for
// an [Address]. It is false for every other kind and for a Value that did not
// come from a constructor.
func (o Observable) Network() (netip.Prefix, bool) {
	switch o.Kind {
	case Address:
		a, err := netip.ParseAddr(o.Value)
		if err != nil {
			return netip.Prefix{}, false
		}
		return canonicalPrefix(netip.PrefixFrom(a, a.BitLen())), true
	case Prefix:
		p, err := netip.ParsePrefix(o.Value)
		return canonicalPrefix(p), err == nil
	}
	return netip.Prefix{}, false
}

// ParseObservable takes a value for the first kind that it fits: address, prefix,
// CVE id, mail address, URL, host name. The error says that it fits none. Hashes
// are not told from host names: name their kind ([NewObservable]).
func ParseObservable(value string, role Role) (Observable, error) {
	for _, kind := range []ObservableKind{Address, Prefix, CVE, MailAddress, URL, Host} {
		if o, err := NewObservable(kind, value, role); err == nil {
			return o, nil
		}
	}
	return Observable{}, fmt.Errorf("incident: %q is no observable: allowed are addresses, networks, host names, mail addresses, URLs and CVE ids", value)
}

// Same reports whether both name the same thing, whatever its role.
func (o Observable) Same(other Observable) bool {
	return o.Kind == other.Kind && o.Value == other.Value
}

// Domain returns the host name that the observable lies under: the name itself,
// the domain of a mail address, the host of a URL that has a name.
func (o Observable) Domain() (string, bool) {
	switch o.Kind {
	case Host:
		return o.Value, true
	case MailAddress:
		return o.Value[strings.LastIndexByte(o.Value, '@')+1:], true
	case URL:
		_, rest, ok := strings.Cut(o.Value, "://")
		if !ok {
			return "", false
		}
		host := rest
		if end := strings.IndexAny(rest, "/?#"); end >= 0 { // RFC 3986 3.2
			host = rest[:end]
		}
		host = host[strings.LastIndexByte(host, '@')+1:]
		host, _, _ = strings.Cut(host, ":")
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if _, err := netip.ParseAddr(host); err == nil || host == "" || host[0] == '[' {
			return "", false
		}
		return host, true
	}
	return "", false
}

// Key returns the index key that all stores share. Keys compare bytewise so
// that one range holds what one search wants:
//
//	a4c0000207/20  addresses and prefixes: family, first address in hexadecimal,
//	               prefix length in hexadecimal; a prefix covers the range of
//	               keys from its first to its last address
//	dorg.example.  host names, labels reversed: everything under example.org
//	               begins with the key of example.org
//	mbob@example.org, uhttp://..., h<digits>, cCVE-2014-0160
//
// Keys of mail addresses are in lower case ([SameAddress]).
func (o Observable) Key() string {
	switch o.Kind {
	case Address, Prefix:
		p, ok := o.Network()
		if !ok {
			return "?" + o.Value
		}
		return PrefixKey(p)
	case Host:
		return DomainKey(o.Value)
	case MailAddress:
		return MailKey(o.Value)
	case URL:
		return "u" + o.Value
	case Hash:
		return "h" + o.Value
	case CVE:
		return "c" + o.Value
	}
	return "?" + o.Value
}

// PrefixKey returns the key of a network, see [Observable.Key].
func PrefixKey(p netip.Prefix) string {
	p = canonicalPrefix(p)
	return addressKey(p.Addr()) + fmt.Sprintf("/%02x", p.Bits())
}

// PrefixKeyRange returns the smallest and the largest key that an address or
// network inside p can have. Networks that contain p have the keys of
// p's own first address masked to a shorter length.
func PrefixKeyRange(p netip.Prefix) (from, to string) {
	p = canonicalPrefix(p)
	last := p.Addr().AsSlice()
	for i := range last {
		if bits := p.Bits() - 8*i; bits <= 0 {
			last[i] = 0xff
		} else if bits < 8 {
			last[i] |= 0xff >> bits
		}
	}
	end, _ := netip.AddrFromSlice(last)
	return PrefixKey(p), addressKey(end) + "/ff"
}

// DomainKey returns the key of a host name, see [Observable.Key].
func DomainKey(name string) string {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(name, ".")), ".")
	var b strings.Builder
	b.WriteByte('d')
	for i := len(labels) - 1; i >= 0; i-- {
		b.WriteString(labels[i])
		b.WriteByte('.')
	}
	return b.String()
}

// MailKey returns the key of a mail address, see [Observable.Key].
func MailKey(address string) string { return "m" + strings.ToLower(address) }

// Under reports whether name is domain or lies below it.
func Under(name, domain string) bool {
	return strings.HasPrefix(DomainKey(name), DomainKey(domain))
}

func addressKey(a netip.Addr) string {
	family := "a6"
	if a.Is4() {
		family = "a4"
	}
	return family + hex.EncodeToString(a.AsSlice())
}

func canonicalPrefix(p netip.Prefix) netip.Prefix {
	a := p.Addr()
	if a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return netip.PrefixFrom(p.Addr().WithZone(""), p.Bits()).Masked()
}
