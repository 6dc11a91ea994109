package lookup

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Finding is something in a document that is allowed, and may still be a mistake.
type Finding struct {
	Kind string // Conflict, Overlap, Redundant, Unreached, Silent
	Text string // a sentence
}

// Kinds of findings.
const (
	Conflict  = "conflict"  // one scope, several sources that disagree: says which one counts
	Overlap   = "overlap"   // a scope inside another one of another constituency
	Redundant = "redundant" // a scope inside another one of the same constituency
	Unreached = "unreached" // a constituency that no scope leads to
	Silent    = "silent"    // a constituency without contact
)

// Check reports overlaps, conflicts and gaps of a document that [NewDirectory]
// takes: scopes first, in the order of addresses and names, then constituencies. The
// time grows with the number of entries.
func Check(doc Document) []Finding {
	var out []Finding
	say := func(kind, format string, args ...any) {
		out = append(out, Finding{kind, fmt.Sprintf(format, args...)})
	}
	entries := slices.Clone(doc.Entries)
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return cmp.Or(a.Scope.compare(b.Scope), byHandFirst(a, b))
	})
	var around []Entry // each inside the one before
	reached := map[string]bool{doc.Default: true}
	for _, e := range entries {
		for len(around) > 0 && !around[len(around)-1].Scope.covers(e.Scope) {
			around = around[:len(around)-1]
		}
		if len(around) == 0 {
			if e.Except {
				say(Redundant, "%s is excepted (%s) and nothing is around it.", e.what(), e.provenance())
			}
		} else if outer := around[len(around)-1]; outer.Scope == e.Scope {
			if outer.Constituency != e.Constituency {
				say(Conflict, "%s, but %s: the first counts.", outer.sentence(), e.sentence())
			} else {
				say(Redundant, "%s, and %s.", outer.sentence(), e.sentence())
			}
			continue // it never matches
		} else if outer.Constituency != e.Constituency {
			say(Overlap, "%s, and inside it, %s.", outer.sentence(), e.sentence())
		} else {
			say(Redundant, "%s, and inside it, %s, too.", outer.sentence(), e.sentence())
		}
		reached[e.Constituency] = true
		around = append(around, e)
	}
	for _, c := range doc.Constituencies {
		if !reached[c.Name] {
			say(Unreached, "Nothing leads to constituency %s.", c.Name)
		}
		if len(c.Contacts) == 0 {
			say(Silent, "Constituency %s has no contact.", c.Name)
		}
	}
	return out
}

// byHandFirst orders entries of one scope by who beats whom.
func byHandFirst(a, b Entry) int {
	switch {
	case a.Source == "" && b.Source != "":
		return -1
	case a.Source != "" && b.Source == "":
		return 1
	}
	return 0
}

// compare orders scopes so that those inside one follow it at once: networks,
// domains, AS numbers.
func (s Scope) compare(t Scope) int {
	kind := func(s Scope) int {
		switch {
		case s.as != 0:
			return 2
		case s.domain != "":
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(kind(s), kind(t)), s.network.Compare(t.network),
		cmp.Compare(backwards(s.domain), backwards(t.domain)), cmp.Compare(s.as, t.as))
}

// backwards returns the labels of a domain from the last to the first.
func backwards(domain string) string {
	labels := strings.Split(domain, ".")
	slices.Reverse(labels)
	return strings.Join(labels, "\x00")
}

// covers reports whether t is s or lies in it.
func (s Scope) covers(t Scope) bool {
	switch {
	case s.network.IsValid() && t.network.IsValid():
		return s.network.Bits() <= t.network.Bits() && s.network.Contains(t.network.Addr())
	case s.domain != "" && t.domain != "":
		return s.domain == t.domain || strings.HasSuffix(t.domain, "."+s.domain)
	}
	return s == t
}
