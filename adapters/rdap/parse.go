package rdap

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/lookup"
)

// Parse reads an answer about a network, AS number, domain, entity or
// name server (RFC 9083). An error comes with what could be read: of a damaged
// answer that is all in front of the damage. An answer that reports an error is
// ErrUnknown if its code is 404.
//
// QUIRK: fields of another type than the standard has are left out, and so are
// parts of a vCard that are damaged. Addresses may have a length behind them.
func Parse(data []byte) (lookup.Registration, error) {
	data = text(data)
	value, err := tree(data)
	if err != nil {
		err = fmt.Errorf("rdap: the answer is damaged: %w", err)
	}
	top := object(value)
	r := lookup.Registration{Text: lookup.RegistryText(string(data))}
	if top == nil {
		return r, errors.Join(err, errors.New("rdap: the answer is no JSON object"))
	}
	if code := str(top["errorCode"]); code != "" {
		if code == "404" {
			return r, errors.Join(err, lookup.ErrUnknown)
		}
		return r, errors.Join(err, fmt.Errorf("rdap: the server reports error %s: %s", lookup.RegistryField(code), lookup.RegistryField(str(top["title"]))))
	}

	r.Handle = lookup.RegistryField(str(top["handle"]))
	r.Name = lookup.RegistryField(str(top["name"]))
	if name := str(top["ldhName"]); name != "" {
		r.Name = strings.ToLower(lookup.RegistryField(strings.TrimSuffix(name, ".")))
	}
	r.Country = lookup.RegistryField(str(top["country"]))
	r.First, r.Last = address(top["startAddress"]), address(top["endAddress"])
	if !r.First.IsValid() || r.First.BitLen() != r.Last.BitLen() || r.Last.Less(r.First) {
		r.First, r.Last = netip.Addr{}, netip.Addr{}
	}
	for _, v := range append([]any{top["startAutnum"]}, array(top["arin_originas0_originautnums"])...) {
		if n, err := strconv.ParseUint(str(v), 10, 32); err == nil && n > 0 && !slices.Contains(r.Origins, uint32(n)) && len(r.Origins) < lookup.MaxRegistryList {
			r.Origins = append(r.Origins, uint32(n))
		}
	}
	for _, v := range array(top["nameservers"]) {
		add(&r.NameServers, strings.ToLower(strings.TrimSuffix(str(object(v)["ldhName"]), ".")))
	}
	for _, s := range strs(top["status"]) {
		add(&r.Status, s)
	}
	for _, v := range array(top["events"]) {
		at, err := time.Parse(time.RFC3339, str(object(v)["eventDate"]))
		if err != nil {
			continue
		}
		switch strings.ToLower(str(object(v)["eventAction"])) {
		case "registration":
			r.Created = at.UTC()
		case "last changed":
			r.Changed = at.UTC()
		case "expiration":
			r.Until = at.UTC()
		}
	}
	for _, v := range array(top["remarks"]) {
		for _, line := range strs(object(v)["description"]) {
			for _, a := range lookup.RegistryHints(line) {
				add(&r.Hints, a)
			}
		}
	}
	if str(top["objectClassName"]) == "entity" {
		r.Contacts = append(r.Contacts, contact(top))
	}
	contacts(&r, top)
	return r, err
}

// contacts adds the entities below an object, level by level: the nearest first.
func contacts(r *lookup.Registration, top map[string]any) {
	for level := []any{top}; len(level) > 0; {
		var below []any
		for _, parent := range level {
			for _, v := range array(object(parent)["entities"]) {
				entity := object(v)
				if entity == nil || len(r.Contacts) == lookup.MaxRegistryList {
					continue
				}
				c := contact(entity)
				r.Contacts = append(r.Contacts, c)
				if r.Registrar == "" && c.Has("registrar") {
					r.Registrar = c.Name
				}
				if r.Organisation == "" && c.Has("registrant") {
					r.Organisation = c.Name
				}
				below = append(below, entity)
			}
		}
		level = below
	}
}

// contact reads an entity with its vCard in JSON (RFC 7095).
func contact(entity map[string]any) lookup.RegistryContact {
	c := lookup.RegistryContact{Handle: lookup.RegistryField(str(entity["handle"])), Language: lookup.RegistryField(str(entity["lang"]))}
	for _, role := range strs(entity["roles"]) {
		add(&c.Roles, strings.ToLower(role))
	}
	card := array(entity["vcardArray"])
	if len(card) < 2 {
		return c
	}
	organisation := ""
	for _, v := range array(card[1]) {
		property := array(v)
		if len(property) < 4 {
			continue
		}
		value := lookup.RegistryField(strings.Join(strs(property[3]), " "))
		switch strings.ToLower(str(property[0])) {
		case "fn":
			c.Name = value
		case "org":
			organisation = value
		case "lang":
			c.Language = value
		case "email":
			for _, v := range property[3:] {
				for _, s := range strs(v) {
					if a, ok := lookup.RegistryAddress(s); ok {
						add(&c.Addresses, a)
					}
				}
			}
		case "tel":
			if types := strs(object(property[1])["type"]); c.Telephone == "" && !slices.Contains(types, "fax") {
				c.Telephone = strings.TrimPrefix(value, "tel:")
			}
		}
	}
	if c.Name == "" {
		c.Name = organisation
	}
	return c
}

// add appends a value that is not yet there, as long as there is room.
func add(list *[]string, s string) {
	s = lookup.RegistryField(s)
	if s != "" && len(*list) < lookup.MaxRegistryList && !slices.Contains(*list, s) {
		*list = append(*list, s)
	}
}

func address(v any) netip.Addr {
	s, _, _ := strings.Cut(str(v), "/")
	a, err := netip.ParseAddr(strings.TrimSpace(s))
	if err != nil {
		return netip.Addr{}
	}
	return a.WithZone("").Unmap()
}
