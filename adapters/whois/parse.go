package whois

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/text/encoding"

	"github.com/airtight-csirt/airtight/lookup"
)

// Parse reads an answer. The charset is that of an answer that is no UTF-8; nil is
// windows-1252.
//
// It is ErrUnknown when the answer says that there is no such entry. Other
// errors say that the server refuses to answer for now, or that nothing in the
// answer is understood; they come with the text.
func Parse(data []byte, charset encoding.Encoding) (lookup.Registration, error) {
	text := decode(data, charset)
	a := lines(text)
	r := lookup.Registration{Text: lookup.RegistryText(text)}
	switch {
	case a.has("netrange", "nethandle", "asnumber"):
		arin(a, &r)
	case a.has("inetnum", "inet6num", "aut num", "route", "route6"):
		objects(a, &r)
	default:
		domain(a, &r)
	}
	hints(a, &r)
	switch {
	case (r.First.IsValid() || r.Name != "" || r.Handle != "" || r.Referral != "" || len(r.Origins) > 0) && !free(a, r):
		return r, nil
	case refuses(text):
		return r, errors.New("whois: the server refuses to answer for now")
	case denies(text) || free(a, r):
		r.Contacts, r.Hints = nil, nil
		return r, lookup.ErrUnknown
	}
	return r, fmt.Errorf("whois: nothing in the answer is understood: %q", firstLine(text))
}

func (a answer) has(keys ...string) bool {
	return slices.ContainsFunc(a.entries, func(e entry) bool { return e.section == "" && slices.Contains(keys, e.key) && e.value != "" })
}

// hints adds the addresses of remarks on abuse that are no contacts yet.
func hints(a answer, r *lookup.Registration) {
	for _, e := range a.entries {
		if e.key != "remarks" && e.key != "comment" && e.key != "descr" {
			continue
		}
		for _, address := range lookup.RegistryHints(e.value) {
			if !slices.ContainsFunc(r.Abuse(), func(b string) bool { return strings.EqualFold(address, b) }) {
				add(&r.Hints, address)
			}
		}
	}
}

// add appends a value that is not yet there, in whatever case, as long as there is room.
func add(list *[]string, s string) {
	s = field(s)
	if s != "" && len(*list) < lookup.MaxRegistryList && !slices.ContainsFunc(*list, func(t string) bool { return strings.EqualFold(s, t) }) {
		*list = append(*list, s)
	}
}

func addContact(r *lookup.Registration, c lookup.RegistryContact) {
	if len(r.Contacts) < lookup.MaxRegistryList && (c.Name != "" || c.Telephone != "" || len(c.Addresses) > 0) {
		r.Contacts = append(r.Contacts, c)
	}
}

// free says whether the entry of a domain says that there is none.
func free(a answer, r lookup.Registration) bool {
	if r.First.IsValid() || len(r.NameServers) > 0 || !r.Created.IsZero() {
		return false
	}
	return slices.ContainsFunc(r.Status, func(s string) bool {
		switch strings.ToLower(s) {
		case "free", "available", "not registered", "no object found", "avail", "not found", "unassigned", "domain is available":
			return true
		}
		return strings.HasPrefix(strings.ToLower(s), "available")
	})
}

// denies says whether an answer says that there is no such entry.
func denies(text string) bool {
	return containsAny(text, "no match", "not found", "no entries found", "no entry found", "no data found", "no such domain",
		"nothing found", "no object found", "not registered", "does not exist", "is free", "is available", "available for",
		"no found", "not been registered", "no information", "error:101", "not exist", "not in database", "no records",
		"no record", "unknown domain", "domain unknown", "available", "no existe", "no se encuentra", "not assigned", "not allocated", "not match")
}

// refuses says whether a server asks to come back later.
func refuses(text string) bool {
	return containsAny(text, "limit exceeded", "quota exceeded", "too many", "rate limit", "access denied", "error:201", "exceeded",
		"excessive querying", "try again later", "request cannot be processed", "server is busy", "temporarily unavailable",
		"connection refused", "blacklisted", "lookup quota", "maximum number of queries")
}

// containsAny looks at the first 4 KiB: what an answer says on itself is no longer.
func containsAny(text string, phrases ...string) bool {
	text = strings.ToLower(text[:min(len(text), 4<<10)])
	return slices.ContainsFunc(phrases, func(p string) bool { return strings.Contains(text, p) })
}

func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = lookup.RegistryField(line); line != "" {
			return line[:min(len(line), 100)]
		}
	}
	return ""
}
