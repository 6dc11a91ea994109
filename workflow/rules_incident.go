package workflow

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// CloseChildren are the parameters of the rule close-children: what it does to a
// block that is in place.
type CloseChildren struct {
	ActiveBlock string `json:"active-block"` // [BlockAskRemoval], [BlockWarn] or [BlockClose]
}

// Check implements what [Policy.Validate] asks.
func (c CloseChildren) Check(p *Policy) error {
	if !slices.Contains([]string{BlockAskRemoval, BlockWarn, BlockClose}, c.ActiveBlock) {
		return fmt.Errorf("active-block %q: allowed are %s, %s, %s", c.ActiveBlock, BlockAskRemoval, BlockWarn, BlockClose)
	}
	if c.ActiveBlock == BlockAskRemoval && p.Lifecycles[incident.KindBlock].OnRemoval == "" {
		return fmt.Errorf("active-block %q: the lifecycle of blocks names no status in which removal is asked for", c.ActiveBlock)
	}
	return nil
}

// closes reports whether a change closes an incident.
func closes(c Change) bool {
	return c.After.Kind == incident.KindIncident && c.Before.Open() && c.Before.Version > 0 && !c.After.Open()
}

func closeChildren(p *Policy, c Change, f Facts, params any) Verdict {
	if !closes(c) || c.After.MergedInto != 0 {
		return Verdict{}
	}
	children := slices.Clone(f.OpenChildren(c.After.ID))
	order := incident.Kinds()
	slices.SortStableFunc(children, func(a, b incident.Ticket) int {
		return slices.Index(order, a.Kind) - slices.Index(order, b.Kind)
	})
	var commands []Command
	for _, child := range children {
		to, ok := p.Cascade[c.After.Status][child.Kind]
		if ok {
			commands = append(commands, Close{Ticket: child.ID, Under: c.After.ID, To: to})
		}
	}
	if len(commands) == 0 {
		return Verdict{Why: "no child is open"}
	}
	return Verdict{Commands: commands, Why: "its incident was closed"}
}

func constituencyToChildren(_ *Policy, c Change, f Facts, _ any) Verdict {
	if c.After.Kind != incident.KindIncident || c.Before.Constituency == c.After.Constituency {
		return Verdict{}
	}
	var commands []Command
	for _, child := range f.OpenChildren(c.After.ID) {
		if child.Constituency == c.Before.Constituency {
			commands = append(commands, Edit{Ticket: child.ID, Constituency: &c.After.Constituency})
		}
	}
	if len(commands) == 0 {
		return Verdict{Why: "no child that is open has the constituency that it had"}
	}
	return Verdict{Commands: commands, Why: "its incident has another constituency"}
}

// OwnerToChildren are the parameters of the rule owner-to-children.
type OwnerToChildren struct {
	Closed bool `json:"closed"` // closed children too (RTIR)
	Sole   bool `json:"sole"`   // not those that another active incident holds
}

// Check implements what [Policy.Validate] asks.
func (o OwnerToChildren) Check(*Policy) error {
	if o.Closed && o.Sole {
		return errors.New("closed and sole: allowed is one of them, since sole children are those that are not inactive")
	}
	return nil
}

// fact is the one that tells whom the rule is about.
func (o OwnerToChildren) fact() Fact {
	switch {
	case o.Closed:
		return FactChildren
	case o.Sole:
		return FactSoleChildren
	}
	return FactOpenChildren
}

func ownerToChildren(_ *Policy, c Change, f Facts, params any) Verdict {
	if c.After.Kind != incident.KindIncident {
		return Verdict{}
	}
	var commands []Command
	for _, child := range known(f.tickets, Ask{Fact: params.(OwnerToChildren).fact(), Ticket: c.After.ID}) {
		if child.Owner != c.After.Owner && child.MergedInto == 0 {
			commands = append(commands, Assign{Ticket: child.ID, To: c.After.Owner})
		}
	}
	if len(commands) == 0 {
		return Verdict{}
	}
	return Verdict{Commands: commands, Why: "its incident has another owner"}
}

func ownerToIncident(_ *Policy, c Change, f Facts, _ any) Verdict {
	switch {
	case c.After.Kind == incident.KindIncident:
		return Verdict{}
	case c.After.Owner == incident.Nobody:
		return Verdict{Why: "nobody owns it any more, which is no reason to give up its incidents"}
	}
	var commands []Command
	for _, parent := range f.Parents(c.After.ID) {
		if parent.Owner != c.After.Owner && parent.MergedInto == 0 {
			commands = append(commands, Assign{Ticket: parent.ID, To: c.After.Owner})
		}
	}
	if len(commands) == 0 {
		return Verdict{}
	}
	return Verdict{Commands: commands, Why: "a child of it has another owner"}
}

// Resolution are the parameters of the rule resolution.
type Resolution struct {
	Field  string                     `json:"field"`
	Values map[incident.Status]string `json:"values"` // for an incident that is closed with a status and has none
}

// Check implements what [Policy.Validate] asks.
func (r Resolution) Check(p *Policy) error {
	f, known := p.Field(r.Field)
	for _, status := range slices.Sorted(maps.Keys(r.Values)) {
		if s, ok := p.Lifecycles[incident.KindIncident].Status(status); !ok || s.Phase != incident.Inactive {
			return fmt.Errorf("%q is no inactive status of incidents", status)
		}
		if known && len(f.Values) > 0 && !slices.Contains(f.Choices(), r.Values[status]) {
			return fmt.Errorf("%q is no value of field %q: allowed are %s", r.Values[status], f.Name, strings.Join(f.Choices(), ", "))
		}
	}
	return nil
}

func resolution(p *Policy, c Change, _ Facts, params any) Verdict {
	with := params.(Resolution)
	with.Field = p.fieldName(with.Field)
	set := func(why string, values ...string) Verdict {
		return Verdict{Commands: []Command{Edit{Ticket: c.After.ID, Fields: map[string][]string{with.Field: values}}}, Why: why}
	}
	now := c.After.Fields[with.Field]
	switch {
	case c.After.Kind != incident.KindIncident || c.After.MergedInto != 0:
		return Verdict{}
	case !c.Before.Open() && c.After.Open() && len(now) > 0:
		return set("it was opened again", now[1:]...)
	case !closes(c):
		return Verdict{}
	case len(now) > 0:
		return Verdict{Why: "it has a resolution already"}
	case with.Values[c.After.Status] == "":
		return Verdict{Why: "the policy names no resolution for " + string(c.After.Status)}
	}
	return set("it was closed", with.Values[c.After.Status])
}

// maxSubject bounds how long foreign tags may make a subject.
const maxSubject = 500

func foreignTags(p *Policy, c Change, _ Facts, _ any) Verdict {
	m, _, ok := reply(c)
	if !ok {
		return Verdict{}
	}
	subject := c.After.Subject
	for _, tag := range TrackerTags(oneLine(m.Content.Subject)) {
		name, _, _ := strings.Cut(tag, "#")
		own := slices.ContainsFunc(p.Tags, func(t string) bool { return strings.EqualFold(strings.TrimSpace(name[1:]), t) })
		if !own && !strings.Contains(subject, tag) && len(subject)+len(tag) < maxSubject {
			subject = strings.TrimSpace(subject + " " + tag)
		}
	}
	if subject == c.After.Subject {
		return Verdict{}
	}
	return Verdict{Commands: []Command{Edit{Ticket: c.After.ID, Subject: &subject}}, Why: "the correspondent's own number belongs into the subject"}
}

// TrackerTags returns what looks like the mark of a tracker in a subject: a name,
// # and digits in brackets.
func TrackerTags(subject string) []string {
	var tags []string
	for {
		from := strings.IndexByte(subject, '[')
		if from < 0 {
			return tags
		}
		to := strings.IndexAny(subject[from+1:], "[]")
		if to < 0 {
			return tags
		}
		end := from + 1 + to
		name, digits, found := strings.Cut(subject[from+1:end], "#")
		if subject[end] == ']' && found && strings.TrimSpace(name) != "" && digits != "" && strings.Trim(digits, "0123456789") == "" {
			tags = append(tags, subject[from:end+1])
		}
		if subject[end] == ']' {
			end++
		}
		subject = subject[end:]
	}
}
