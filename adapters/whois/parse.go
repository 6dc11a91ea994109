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
// It is ErrUnknown when the answer says that there is no such entry, and
// ErrTooLong, with what was read, when there are more than 10,000 lines. Other
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
	case national(a, &r):
	default:
		domain(a, &r)
	}
	hints(a, &r)
	switch {
	case free(a, r), bare(r) && says(text) == denied:
	case r.First.IsValid() || r.Name != "" || r.Handle != "" || r.Referral != "" || len(r.Origins) > 0:
		if a.long {
			return r, fmt.Errorf("whois: %w: more than %d lines", lookup.ErrTooLong, maxLines)
		}
		return r, nil
	case says(text) == refused:
		return r, errors.New("whois: the server refuses to answer for now")
	case says(text) == nothing:
		return r, fmt.Errorf("whois: nothing in the answer is understood: %q", firstLine(text))
	}
	r.Contacts, r.Hints = nil, nil
	return r, lookup.ErrUnknown
}

func (a answer) has(keys ...string) bool {
	return slices.ContainsFunc(a.entries, func(e entry) bool { return e.section == "" && slices.Contains(keys, e.key) && e.value != "" })
}

// hints adds the addresses of remarks on abuse that are no contacts yet.
func hints(a answer, r *lookup.Registration) {
	abuse := r.Abuse()
	for _, e := range a.entries {
		if e.key != "remarks" && e.key != "comment" && e.key != "descr" {
			continue
		}
		for _, address := range lookup.RegistryHints(e.value) {
			if !slices.ContainsFunc(abuse, func(b string) bool { return strings.EqualFold(address, b) }) {
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

// bare says whether nothing more is known than a name: that of the question.
func bare(r lookup.Registration) bool {
	return !r.First.IsValid() && r.Handle == "" && r.Registrar == "" && r.Organisation == "" &&
		len(r.Origins)+len(r.NameServers)+len(r.Status)+len(r.Contacts) == 0 && r.Created.IsZero() && r.Changed.IsZero() && r.Until.IsZero()
}

// free says whether the entry of a domain says that there is none.
func free(a answer, r lookup.Registration) bool {
	if r.First.IsValid() || len(r.NameServers) > 0 || !r.Created.IsZero() {
		return false
	}
	return slices.ContainsFunc(r.Status, func(s string) bool {
		switch strings.ToLower(s) {
		case "free", "available", "not registered", "no object found", "avail", "not found", "unassigned", "invalid":
			return true
		}
		return strings.HasPrefix(strings.ToLower(s), "available") || strings.HasPrefix(strings.ToLower(s), "500 invalid")
	})
}

// verdict is what an answer without an entry says.
type verdict int

const (
	nothing verdict = iota // that is understood
	denied                 // there is no such entry
	refused                // come back later
)

// says finds out by the phrase that comes first: terms of use, with words on
// limits and what is available, stand behind what an answer says.
func says(text string) verdict {
	text = strings.ToLower(text[:min(len(text), 4<<10)])
	first, said := len(text), nothing
	for v, phrases := range map[verdict][]string{
		denied: {"no match", "not found", "no entries found", "no entry found", "no data found", "no such domain", "nothing found", "no object",
			"not registered", "not exist", "is free", "is available", "available for", "no found", "not been registered", "no information",
			"error:101", "not in database", "no record", "unknown domain", "domain unknown", "available", "no existe", "no se encuentra",
			"not assigned", "not allocated", "not match", "nincs talalat", "returned 0 objects", "name not known"},
		refused: {"limit exceeded", "quota", "too many", "rate limit", "access denied", "error:201", "exceeded", "excessive querying",
			"try again later", "cannot be processed", "server is busy", "temporarily unavailable", "connection refused", "blacklisted",
			"maximum number of queries"},
	} {
		for _, p := range phrases {
			if i := strings.Index(text, p); i >= 0 && i < first {
				first, said = i, v
			}
		}
	}
	return said
}

func containsAny(text string, phrases ...string) bool {
	text = strings.ToLower(text)
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
