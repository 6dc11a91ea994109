package workflow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// TakesConstituency reports whether tickets of a kind may have a constituency: where
// the policy lists the values of the field [FieldConstituency], one of these.
func (p *Policy) TakesConstituency(kind incident.Kind, name string) bool {
	f := p.property(FieldConstituency, kind)
	return len(f.Values) == 0 || slices.ContainsFunc(f.Choices(), func(v string) bool { return strings.EqualFold(v, name) })
}

// crosses reports whether two tickets have constituencies that a strict policy keeps
// apart.
func (p *Policy) crosses(a, b incident.Ticket) bool {
	return p.StrictConstituency && a.Constituency != "" && b.Constituency != "" && a.Constituency != b.Constituency
}

// apart refuses to bring two tickets together that a strict policy keeps apart.
func (p *Policy) apart(c Command, t, other incident.Ticket) error {
	if !p.crosses(t, other) {
		return nil
	}
	return &RefusedError{c.Name(), t.ID, fmt.Sprintf("it is of %s, and %s %s of %s: tickets of two constituencies are kept apart", t.Constituency, other.Kind, other.ID, other.Constituency)}
}

// constituencyAsks asks for what holds a ticket in its constituency.
func (c Edit) constituencyAsks(p *Policy, t incident.Ticket) []Ask {
	switch {
	case !p.StrictConstituency || c.Constituency == nil:
		return nil
	case t.Kind == incident.KindIncident:
		return []Ask{{Fact: FactChildren, Ticket: t.ID}}
	}
	return []Ask{{Fact: FactParents, Ticket: t.ID}}
}

// leaves refuses another constituency for a ticket that is linked to others of the
// one that it has. Children that the rule constituency-to-children takes along do
// not count.
func (p *Policy) leaves(c Edit, t incident.Ticket, f Facts) error {
	after := t
	after.Constituency = *c.Constituency
	if t.Kind != incident.KindIncident {
		for _, parent := range f.Parents(t.ID) {
			if p.crosses(after, parent) {
				return &RefusedError{c.Name(), t.ID, fmt.Sprintf("it is linked to incident %s of %s: unlink it first", parent.ID, parent.Constituency)}
			}
		}
		return nil
	}
	_, takesAlong := p.Rule(ruleConstituencyToChildren)
	for _, child := range f.Children(t.ID) {
		follows := takesAlong && child.Constituency == t.Constituency && len(child.Parents) == 1
		if child.Open() && p.crosses(child, after) && !follows {
			return &RefusedError{c.Name(), t.ID, fmt.Sprintf("%s %s of %s is linked to it, and would not follow: unlink it first", child.Kind, child.ID, child.Constituency)}
		}
	}
	return nil
}

const (
	ruleConstituencyToChildren = "constituency-to-children"
	ruleInheritConstituency    = "inherit-constituency"
)

func inheritConstituencyNeeds(_ *Policy, c Change, _ any) []Ask {
	asks := askTickets(linked(c)...)
	switch {
	case c.Before.Version == 0 || c.Before.Constituency == c.After.Constituency:
	case c.After.Kind == incident.KindIncident:
		asks = append(asks, Ask{Fact: FactOpenChildren, Ticket: c.After.ID})
	default:
		asks = append(asks, Ask{Fact: FactParents, Ticket: c.After.ID})
	}
	return asks
}

func inheritConstituency(_ *Policy, c Change, f Facts, _ any) Verdict {
	for _, parent := range newParents(c, f) {
		if parent.Constituency != "" && parent.Constituency != c.After.Constituency {
			return Verdict{Commands: []Command{Edit{Ticket: c.After.ID, Constituency: &parent.Constituency}}, Why: "its incident has another constituency"}
		}
	}
	if c.Before.Version == 0 || c.Before.Constituency == c.After.Constituency || c.After.Constituency == "" {
		return Verdict{}
	}
	var others []incident.Ticket
	if c.After.Kind == incident.KindIncident {
		others = f.OpenChildren(c.After.ID)
	} else {
		others = f.Parents(c.After.ID)
	}
	var commands []Command
	for _, other := range others {
		if other.Constituency != c.After.Constituency && other.MergedInto == 0 {
			commands = append(commands, Edit{Ticket: other.ID, Constituency: &c.After.Constituency})
		}
	}
	if len(commands) == 0 {
		return Verdict{}
	}
	return Verdict{Commands: commands, Why: "a ticket that is linked to it has another constituency"}
}
