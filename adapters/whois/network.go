package whois

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/lookup"
)

// arin reads the layout of ARIN. Of several networks it takes the smallest, and
// its contacts, or those of the next that has any.
//
// The contacts of the resource itself (RAbuse) are in front of those of the
// organisation (OrgAbuse). A network that another registry has got has no contacts: what
// stands there is the other registry.
func arin(a answer, r *lookup.Registration) {
	var best, around lookup.Registration
	for _, segment := range segments(a) {
		var one lookup.Registration
		contacts := map[string]*lookup.RegistryContact{}
		gone := false
		for _, e := range segment {
			switch e.key {
			case "netrange":
				one.First, one.Last = addresses(e.value)
			case "nethandle", "ashandle":
				one.Handle = field(e.value)
			case "netname", "asname":
				one.Name = field(e.value)
			case "nettype":
				gone = containsAny(e.value, "transferred to", "allocated to")
			case "originas", "asnumber":
				origins(&one, e.value)
			case "orgname", "custname":
				one.Organisation = field(e.value)
			case "country":
				one.Country = field(e.value)
			case "regdate":
				one.Created = date(e.value)
			case "updated":
				if one.Changed.IsZero() {
					one.Changed = date(e.value)
				}
			case "referralserver":
				one.Referral = referral(e.value)
			}
			for _, as := range roles() {
				if what, ok := strings.CutPrefix(e.key, as[0]); ok {
					c := contacts[as[0]]
					if c == nil {
						c = &lookup.RegistryContact{Roles: []string{as[1]}}
						contacts[as[0]] = c
					}
					read(c, what, e.value)
				}
			}
		}
		for _, as := range roles() {
			if c := contacts[as[0]]; c != nil && !gone {
				addContact(&one, *c)
			}
		}
		if smaller(one, best) {
			best, around = one, best
		} else if smaller(one, around) {
			around = one
		}
	}
	if len(best.Contacts) == 0 && best.Referral == "" {
		best.Contacts, best.Referral = around.Contacts, around.Referral
	}
	best.Text = r.Text
	*r = best
}

// roles says what contacts the keys of ARIN begin with, the nearest first.
func roles() [][2]string {
	return [][2]string{{"rabuse", "abuse"}, {"orgabuse", "abuse"}, {"rtech", "technical"}, {"rnoc", "noc"}, {"orgtech", "technical"}, {"orgnoc", "noc"}}
}

// segments returns the entries of each network of an answer of ARIN.
func segments(a answer) (list [][]entry) {
	for _, e := range a.entries {
		if e.key == "netrange" || e.key == "asnumber" || len(list) == 0 {
			list = append(list, nil)
		}
		list[len(list)-1] = append(list[len(list)-1], e)
	}
	return list
}

// read fills a contact by what a key ends with.
func read(c *lookup.RegistryContact, what, value string) {
	switch strings.TrimSpace(what) {
	case "handle":
		c.Handle = field(value)
	case "name":
		c.Name = field(value)
	case "phone":
		c.Telephone = field(value)
	case "email":
		if address, ok := lookup.RegistryAddress(value); ok {
			add(&c.Addresses, address)
		}
	}
}

// smaller says whether a network is smaller than another, or the other is none.
func smaller(a, b lookup.Registration) bool {
	if !b.First.IsValid() {
		return a.First.IsValid() || b.Handle == ""
	}
	if !a.First.IsValid() || a.First.BitLen() != b.First.BitLen() {
		return false
	}
	inside := !a.First.Less(b.First) && !b.Last.Less(a.Last)
	return inside && (a.First != b.First || a.Last != b.Last)
}

// object is one of RPSL: its attributes, the first of which says what it is.
type object []entry

func (o object) all(keys ...string) (list []string) {
	for _, e := range o {
		if slices.Contains(keys, e.key) && e.value != "" {
			list = append(list, e.value)
		}
	}
	return list
}

func (o object) first(keys ...string) string {
	if list := o.all(keys...); len(list) > 0 {
		return field(list[0])
	}
	return ""
}

// objects reads an answer in RPSL: RIPE, APNIC, AFRINIC, and LACNIC and
// registro.br, which are like it. Of several networks it takes the smallest.
//
// The abuse contact is what the server says it is, in a comment; else the
// abuse-c of the network, its incident response team (mnt-irt), or its
// organisation; else each contact of it that has a mailbox for abuse; else any in
// the answer. The first of these that gives an address counts.
func objects(a answer, r *lookup.Registration) {
	var list []object
	for i, e := range a.entries {
		first := i == 0 || e.block != a.entries[i-1].block
		switch e.key {
		case "inetnum", "inet6num", "route", "route6": // QUIRK: some have a warning in front, with no empty line
			first = true
		}
		if first {
			list = append(list, nil)
		}
		list[len(list)-1] = append(list[len(list)-1], e)
	}
	var main, route object
	for _, o := range list {
		if to := referral(o.first("refer")); to != "" {
			r.Referral = to // of IANA, in front of the network
		}
		switch o[0].key {
		case "inetnum", "inet6num", "aut num":
			one := lookup.Registration{Handle: field(o[0].value)}
			one.First, one.Last = addresses(o[0].value)
			if main == nil || smaller(one, *r) {
				main = o
				r.First, r.Last, r.Handle = one.First, one.Last, one.Handle
			}
		case "route", "route6":
			origins(r, o.first("origin"))
			if route == nil {
				route = o
			}
		}
	}
	if main == nil {
		if main = route; main == nil {
			main = list[0]
		}
		r.Handle = field(main[0].value)
	}
	if main[0].key == "aut num" || main.first("aut num") != "" {
		origins(r, main.first("aut num"))
	}
	r.Name = main.first("netname", "as name")
	r.Organisation = main.first("owner", "descr")
	r.Country = main.first("country")
	r.Created, r.Changed = date(main.first("created")), date(main.first("last modified"))
	add(&r.Status, main.first("status"))

	handles := handles{}
	for i, o := range list {
		for _, h := range o.all("nic hdl", "nic hdl br", "organisation", "irt") {
			if _, ok := handles[strings.ToLower(field(h))]; !ok {
				handles[strings.ToLower(field(h))] = i
			}
		}
	}
	for _, org := range handles.named(list, main, "org") {
		if name := org.first("org name"); name != "" {
			r.Organisation = name
		}
	}
	if abuse := abuseContact(a, list, main, handles); len(abuse.Addresses) > 0 {
		addContact(r, abuse)
	}
	for _, as := range [][2]string{{"admin c", "administrative"}, {"tech c", "technical"}, {"owner c", "registrant"}} {
		for _, o := range handles.named(list, main, as[0]) {
			addContact(r, o.contact(as[1], "e mail"))
		}
	}
}

// handles says at which place in the answer the object of a handle is.
type handles map[string]int

// named returns the objects that an object names under some keys, each once and
// MaxRegistryList at most: more would let an answer cost the square of its length.
func (h handles) named(list []object, o object, keys ...string) (found []object) {
	var places []int
	for _, name := range o.all(keys...) {
		if at, ok := h[strings.ToLower(field(name))]; ok && !slices.Contains(places, at) && len(places) < lookup.MaxRegistryList {
			places = append(places, at)
			found = append(found, list[at])
		}
	}
	return found
}

func abuseContact(a answer, list []object, main object, handles handles) lookup.RegistryContact {
	said := lookup.RegistryContact{Roles: []string{"abuse"}}
	for _, comment := range a.comments {
		// % Abuse contact for '192.0.2.0 - 192.0.2.255' is 'abuse@example.net'
		if _, after, ok := strings.Cut(comment, "Abuse contact for '"); ok {
			if _, after, ok = strings.Cut(after, "' is '"); ok {
				read(&said, "email", strings.TrimRight(after, "'. "))
			}
		}
	}
	if len(said.Addresses) > 0 {
		return said
	}
	to := func(o object, keys ...string) []object { return handles.named(list, o, keys...) }
	levels := []struct {
		of        []object
		mailboxes []string
	}{
		{to(main, "abuse c"), []string{"abuse mailbox"}},
		{to(main, "abuse c"), []string{"e mail"}},
		{to(main, "mnt irt"), []string{"abuse mailbox"}},
		{to(main, "mnt irt"), []string{"e mail"}},
		{to(main, "org"), []string{"abuse mailbox"}},
		{nil, nil}, // the abuse-c of the organisation
		{to(main, "admin c", "tech c", "owner c"), []string{"abuse mailbox"}},
		{list, []string{"abuse mailbox"}},
	}
	for _, org := range to(main, "org") {
		levels[5].of = append(levels[5].of, to(org, "abuse c")...)
		levels[5].mailboxes = []string{"abuse mailbox", "e mail"}
	}
	for _, level := range levels {
		var c lookup.RegistryContact
		for _, o := range level.of {
			one := o.contact("abuse", level.mailboxes...)
			if len(c.Addresses) == 0 {
				c = one
				continue
			}
			for _, address := range one.Addresses {
				add(&c.Addresses, address)
			}
		}
		if len(c.Addresses) > 0 {
			return c
		}
	}
	return lookup.RegistryContact{}
}

// contact reads the contact that an object is, with the addresses under some keys.
func (o object) contact(role string, mailboxes ...string) lookup.RegistryContact {
	c := lookup.RegistryContact{
		Roles: []string{role}, Handle: o.first("nic hdl", "nic hdl br", "organisation", "irt"),
		Name: o.first("role", "person", "org name"), Telephone: o.first("phone"), Language: o.first("language"),
	}
	for _, address := range o.all(mailboxes...) {
		read(&c, "email", address)
	}
	return c
}

// national reads the layouts of KRNIC and JPNIC, and reports whether the answer is
// in one of them. Of several networks it takes the smallest. KRNIC names somebody
// for each network, and nobody for abuse.
func national(a answer, r *lookup.Registration) bool {
	text := r.Text
	var one lookup.Registration
	var manager lookup.RegistryContact
	done := func() {
		addContact(&one, manager)
		if one.First.IsValid() && smaller(one, *r) {
			*r = one
			r.Text = text
		}
	}
	for _, e := range a.entries {
		switch e.key {
		case "ipv4 address", "ipv6 address", "network number":
			network, _, _ := strings.Cut(e.value, " (")
			first, last := addresses(network)
			if !first.IsValid() {
				continue // the address of a name server
			}
			done()
			one, manager = lookup.Registration{Handle: field(network), First: first, Last: last}, lookup.RegistryContact{Roles: []string{"administrative"}}
		case "organization name", "organization":
			one.Organisation = field(e.value)
		case "service name", "network name":
			one.Name = field(e.value)
		case "registration date", "assigned date":
			one.Created = date(e.value)
		case "last update":
			one.Changed = date(e.value)
		case "abuse":
			abuse := lookup.RegistryContact{Roles: []string{"abuse"}}
			read(&abuse, "email", e.value)
			addContact(&one, abuse)
		case "name", "phone":
			read(&manager, e.key, e.value)
		case "e mail":
			read(&manager, "email", e.value)
		}
	}
	done()
	return r.First.IsValid()
}

// addresses reads "192.0.2.0 - 192.0.2.255", "192.0.2.0/24", "2001:db8::/32" or "192.0.2/24".
func addresses(s string) (first, last netip.Addr) {
	s = strings.TrimSpace(s)
	if from, to, ok := strings.Cut(s, "-"); ok {
		first, err1 := netip.ParseAddr(strings.TrimSpace(from))
		last, err2 := netip.ParseAddr(strings.TrimSpace(to))
		if err1 != nil || err2 != nil || first.BitLen() != last.BitLen() || last.Less(first) {
			return netip.Addr{}, netip.Addr{}
		}
		return first.WithZone(""), last.WithZone("")
	}
	number, bits, ok := strings.Cut(s, "/")
	if ok && !strings.Contains(number, ":") { // QUIRK: LACNIC leaves zeros out: 200.3/16
		for strings.Count(number, ".") < 3 {
			number += ".0"
		}
	}
	p, err := netip.ParsePrefix(number + "/" + bits)
	if err != nil {
		return netip.Addr{}, netip.Addr{}
	}
	return p.Masked().Addr(), lookup.LastOf(p.Masked())
}

// origins adds the AS numbers in a value: "AS64500, AS64501".
func origins(r *lookup.Registration, s string) {
	for word := range strings.FieldsFuncSeq(s, func(c rune) bool { return c == ',' || c == ' ' }) {
		word = strings.TrimPrefix(strings.ToUpper(word), "AS")
		n, err := strconv.ParseUint(word, 10, 32)
		if err == nil && n > 0 && !slices.Contains(r.Origins, uint32(n)) && len(r.Origins) < lookup.MaxRegistryList {
			r.Origins = append(r.Origins, uint32(n))
		}
	}
}

// referral reads the server of "whois://whois.example.net:43", a URL, or a name.
// One that speaks another protocol keeps its scheme: no client follows it.
func referral(s string) string {
	s = field(s)
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		name := strings.ToLower(strings.TrimSuffix(s, "/"))
		if name == "" || !strings.Contains(name, ".") || strings.ContainsAny(name, " /@") {
			return ""
		}
		return strings.TrimSuffix(name, ":43")
	}
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "whois":
		if name, port, err := net.SplitHostPort(host); err == nil && port == "43" {
			return name
		}
		return host
	case "http", "https": // QUIRK: some registrars write their server as a page
		if u.Path == "" || u.Path == "/" {
			return host
		}
		return ""
	}
	return strings.ToLower(u.Scheme) + "://" + host
}
