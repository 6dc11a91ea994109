package whois

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/lookup"
)

// facts says which keys mean what in an answer about a domain, and sections with
// values below them. Earlier keys win over later ones.
func facts() map[string][]string {
	return map[string][]string{
		"name":      {"domain name", "domain", "dominio", "nombre de dominio", "nom de domaine", "domainname", "complete domain name", "query"},
		"registrar": {"registrar organization", "registrar name", "sponsoring registrar organization", "sponsoring registrar", "registrar", "authorized agency", "current registar", "registrar handle", "registrar company", "registration service provider", "record maintained by", "registrar (管理者)", "registrar id", "support"},
		"server":    {"registrar whois server", "whois server", "refer", "whois"},
		"holder":    {"registrant organization", "registrant organisation", "registrant contact organization", "registrant contact organisation", "holder organization", "owner organization", "registrant name", "registrant contact name", "owner name", "holder name", "registrant", "domain holder", "owner", "org", "organization", "holder", "titular", "owner contact"},
		"country":   {"registrant country", "registrant country code", "owner country", "registrant contact country"},
		"created":   {"creation date", "created", "registered on", "created on", "registration date", "registered date", "registered", "record created", "domain name commencement date", "registration time", "created date", "registration", "domain registration date", "domain created", "activated", "acivated", "creation", "activation date", "domain create date", "domain record activated", "record created on", "fecha de registro", "fecha de activacion", "first registered", "registar created", "relevant dates registered on", "activated on", "domain dateregistered", "first registration date", "connected date", "create date", "date created", "registered since", "anniversary"},
		"changed":   {"updated date", "last updated date", "last update", "last modified", "last updated", "updated", "modified", "changed", "last updated on", "updated on", "modification date", "domain last updated", "record last updated", "domain last updated date", "domain record last updated", "record last updated on", "last change", "update date", "fecha de actualizacion", "last modification", "relevant dates last updated", "domain datelastmodified", "record changed on", "entry updated"},
		"until":     {"registry expiry date", "registrar registration expiration date", "expiration date", "expiry date", "expires on", "expires", "expire date", "expire", "paid till", "renewal date", "valid until", "domain expires", "expiration time", "expiration", "expiry", "domain expiration date", "record expires on", "fecha de vencimiento", "relevant dates expiry date", "domain expiry date", "valid date", "renewal", "registration expires", "validity", "exp date", "expire on", "record expires", "expires at", "domain datebilleduntil", "record will expire on"},
	}
}

// domain reads an answer about a domain.
func domain(a answer, r *lookup.Registration) {
	values := map[string]string{} // the first of each key, also with its section
	for _, e := range a.entries {
		value := field(e.value)
		if value == "" || e.key == "" && e.section == "" {
			continue
		}
		for _, key := range []string{e.full(), e.key} {
			if _, ok := values[key]; !ok && (key == e.full() || neutral(e.section)) {
				values[key] = value
			}
		}
	}
	known := facts()
	order := slices.Sorted(maps.Keys(known)) // which fact uses up the tries must not depend on chance
	tries := lookup.MaxRegistryList          // dates are dear to read
	for _, e := range a.entries {
		if e.key != "" {
			continue
		}
		// QUIRK: "Record created on 2026-01-31", "Domain EXAMPLE.ORG (ACTIVE)", with no colon
		line, words := normal(e.value), strings.Fields(e.value)
		for _, fact := range order {
			for _, key := range known[fact] {
				if !strings.HasPrefix(line, key+" ") || values[key] != "" || tries == 0 {
					continue
				}
				tries--
				rest := field(strings.Join(words[min(len(words), strings.Count(key, " ")+1):], " "))
				if !date(rest).IsZero() || fact == "name" && strings.Contains(strings.Split(rest, " ")[0], ".") && len(words) < 5 {
					values[key] = rest
				}
			}
		}
	}
	first := func(fact string) string {
		for _, key := range known[fact] {
			if v := values[key]; v != "" {
				return v
			}
		}
		return ""
	}
	day := func(fact string) time.Time {
		for _, key := range known[fact] {
			if t := date(values[key]); !t.IsZero() {
				return t
			}
		}
		return time.Time{}
	}
	if name, _, _ := strings.Cut(first("name"), " "); strings.Contains(name, ".") && !strings.Contains(name, "/") {
		r.Name = strings.ToLower(strings.Trim(name, ".\"'"))
	}
	r.Handle = values["registry domain id"]
	if r.Handle == "" {
		r.Handle = values["domain id"]
	}
	r.Registrar, r.Organisation, r.Country = first("registrar"), first("holder"), first("country")
	r.Created, r.Changed, r.Until = day("created"), day("changed"), day("until")
	r.Referral = referral(first("server"))
	for _, e := range a.entries {
		servers(e, r)
		switch e.full() {
		case "domain status", "status", "state", "registration status", "eppstatus", "domaintype", "domain state", "registration status status", "query status", "domain registration status", "estado":
			// "clientHold, ok (paid) https://icann.org/epp#ok": the codes only
			for code := range strings.SplitSeq(e.value, ",") {
				code, _, _ = strings.Cut(code, "(")
				code, _, _ = strings.Cut(code, " http")
				add(&r.Status, strings.TrimRight(code, " -."))
			}
		}
	}
	abuse := lookup.RegistryContact{Roles: []string{"abuse"}}
	contacts := map[string]*lookup.RegistryContact{}
	for _, e := range a.entries {
		key := e.full()
		if strings.Contains(key, "abuse") && !strings.Contains(key, "registrant") {
			if strings.HasSuffix(key, "mail") || strings.HasSuffix(key, "contact") {
				read(&abuse, "email", e.value)
			} else if strings.HasSuffix(key, "phone") && abuse.Telephone == "" {
				abuse.Telephone = field(e.value)
			}
			continue
		}
		person(e, contacts)
	}
	if len(abuse.Addresses) > 0 {
		abuse.Name = r.Registrar
	}
	addContact(r, abuse)
	for _, role := range []string{"registrant", "administrative", "technical", "billing", "registrar"} {
		if c := contacts[role]; c != nil {
			addContact(r, *c)
		}
	}
}

// neutral says whether keys in a section mean what they mean outside of it.
func neutral(section string) bool {
	for _, word := range []string{"registrant", "holder", "owner", "admin", "tech", "billing", "contact", "person", "registrar", "name server", "nameserver", "zone", "reseller"} {
		if strings.Contains(section, word) {
			return false
		}
	}
	return true
}

// person fills the contact that a key of a domain is about.
func person(e entry, contacts map[string]*lookup.RegistryContact) {
	key := e.full()
	role := ""
	for word, r := range map[string]string{"registrant": "registrant", "owner": "registrant", "holder": "registrant", "admin": "administrative", "tech": "technical", "billing": "billing", "registrar": "registrar"} {
		if strings.HasPrefix(key, word) {
			role = r
		}
	}
	what := ""
	switch {
	case role == "":
		return
	case strings.HasSuffix(key, "mail"), strings.HasSuffix(key, "email address"):
		what = "email"
	case strings.HasSuffix(key, "phone"), strings.HasSuffix(key, "phone number"):
		what = "phone"
	case strings.HasSuffix(key, " name"):
		what = "name"
	default:
		return
	}
	c := contacts[role]
	if c == nil {
		c = &lookup.RegistryContact{Roles: []string{role}}
		contacts[role] = c
	}
	if what == "name" && c.Name != "" || what == "phone" && c.Telephone != "" {
		return
	}
	read(c, what, e.value)
}

// servers adds the name servers that an entry names.
func servers(e entry, r *lookup.Registration) {
	key := e.full()
	for _, part := range strings.Fields(key) {
		if part == "ip" || part == "address" || part == "ipv4" || part == "ipv6" || part == "contact" || part == "contacts" || part == "e" || part == "phone" {
			return
		}
	}
	is := false
	for _, word := range []string{"name server", "nameserver", "nserver", "domain server", "dns", "name servers", "servidor", "host name", "hostname", "primary server", "secondary server", "ns ", "domain nameservers", "domain host"} {
		is = is || strings.HasPrefix(key+" ", word) || strings.Contains(key, "nameserver") || strings.Contains(key, "name server")
	}
	if !is || strings.HasPrefix(key, "dnssec") || strings.HasPrefix(key, "dns key") {
		return
	}
	for i, word := range strings.FieldsFunc(e.value, func(c rune) bool { return c == ' ' || c == ',' || c == ';' }) {
		name := strings.ToLower(strings.Trim(word, ".()[]"))
		labels := strings.Split(name, ".")
		if len(labels) < 2 || strings.ContainsAny(name, ":/@'\"") || strings.Trim(labels[len(labels)-1], "0123456789") == "" {
			if i == 0 {
				break
			}
			continue
		}
		if name != r.Name { // QUIRK: some have the domain in front of its servers
			add(&r.NameServers, name)
		}
	}
}
