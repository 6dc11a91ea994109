package workflow

import (
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Rights say who may see and do what: by roles, and by who owns a ticket. They are
// asked about what people do; what follows from it by rules, and what comes by mail,
// import or sweep, is the desk's. The zero Rights lets everybody do everything.
type Rights struct {
	Roles     []Role
	Default   string   // role of a member of the team for whom no group is named; empty: none
	OwnerOnly []string // commands that only the owner of a ticket may give
}

// Role is a part that somebody has in the work. A group of its name, or called as
// one of Groups, gives it, without regard to case: "duty-team", or with the
// constituency that it is for, "duty-team:EDUNET"; "duty-team:" is for the tickets
// without one. The actor [incident.Correspondent] has the role of that name, and no
// other.
type Role struct {
	Name   string
	Doc    string
	Groups []string // further groups that give it (RTIR: DutyTeam, ReadOnly)
	May    []Permission
}

// Permission lets a role see tickets or give commands. A command must be permitted
// on every ticket that it names; to open a ticket, on the new one too. The zero
// Permission permits everything.
type Permission struct {
	Commands []string          // [See], names of [Commands], "examine" ([Examine]); empty: all
	Kinds    []incident.Kind   // of the tickets; empty: all
	From     []incident.Status // that the ticket may have; empty: all
	To       []incident.Status // that it may be moved to, or opened with; empty: all

	// Constituencies of the tickets: that of the group, if it names one, otherwise
	// all; [ReachOwn]: that of the group, and none if it names none; [ReachAll]: all,
	// whatever the group says.
	Constituencies Reach

	// Tickets: whoever owns them, but for what OwnerOnly says; [ReachOwn]: those that
	// the actor owns; [ReachAll]: all, whatever OwnerOnly says.
	Tickets Reach
}

// See is the permission to see a ticket, among those to give commands.
const See = "see"

// Reach says how far a permission goes.
type Reach string

// Reaches.
const (
	ReachOwn Reach = "own"
	ReachAll Reach = "all"
)

// View is a part of the tickets that somebody may see: those for which every field
// that is set holds.
type View struct {
	Kinds          []incident.Kind
	Constituencies []string
	Owner          incident.Actor
}

// Who is somebody with all that the roles of his groups permit. It is a value that
// is made once and asked often: no answer depends on how much a store holds.
type Who struct {
	Actor  incident.Actor
	policy *Policy
	given  []given
}

// given is a permission that somebody has.
type given struct {
	Permission
	role   string   // and its constituency, in words
	within []string // constituencies; nil: all
}

// Who returns an actor who is a member of groups. Without any group he has the role
// that the policy names as default. A group that gives no role gives nothing. The
// actor [incident.System] may do everything.
func (p *Policy) Who(actor incident.Actor, groups ...string) Who {
	w := Who{Actor: actor, policy: p}
	switch {
	case actor == incident.Correspondent:
		groups = []string{string(actor)}
	case len(groups) == 0:
		groups = []string{p.Rights.Default}
	}
	for _, group := range groups {
		_, constituency, named := strings.Cut(group, ":")
		role, ok := p.Rights.Role(group)
		if !ok || actor != incident.Correspondent && role.Name == string(incident.Correspondent) {
			continue
		}
		within := p.constituency(strings.TrimSpace(constituency))
		words := role.Name
		if named {
			words += " of " + constituencyWords(within)
		}
		for _, permission := range role.May {
			g := given{Permission: permission, role: words}
			switch {
			case permission.Constituencies == ReachAll:
			case named:
				g.within = []string{within}
			case permission.Constituencies == ReachOwn:
				continue
			}
			w.given = append(w.given, g)
		}
	}
	return w
}

// Role returns the role that a group gives; false: it gives none.
func (r Rights) Role(group string) (Role, bool) {
	group, _, _ = strings.Cut(group, ":")
	group = strings.TrimSpace(group)
	i := slices.IndexFunc(r.Roles, func(role Role) bool {
		return slices.ContainsFunc(append([]string{role.Name}, role.Groups...), func(name string) bool { return group != "" && strings.EqualFold(name, group) })
	})
	if i < 0 {
		return Role{}, false
	}
	return r.Roles[i], true
}

// constituency is a name as the policy writes it.
func (p *Policy) constituency(name string) string {
	f, _ := p.Field(FieldConstituency)
	for _, v := range f.Values {
		if strings.EqualFold(v.Value, name) {
			return v.Value
		}
	}
	return name
}

// free reports whether no role is asked for.
func (w Who) free() bool { return w.Actor == incident.System || len(w.policy.Rights.Roles) == 0 }

// Sees returns what somebody may see: any of the views, or all. Neither: nothing.
func (w Who) Sees() (views []View, all bool) {
	if w.free() {
		return nil, true
	}
	for _, g := range w.given {
		if !among(g.Commands, See) {
			continue
		}
		v := View{Kinds: g.Kinds, Constituencies: g.within}
		if g.Tickets == ReachOwn {
			v.Owner = w.Actor
		}
		if len(v.Kinds)+len(v.Constituencies)+len(v.Owner) == 0 {
			return nil, true
		}
		views = append(views, v)
	}
	return views, false
}

// covers reports whether a permission is about a command on a ticket, whoever owns
// it.
func (g given) covers(command string, t incident.Ticket) bool {
	return among(g.Commands, command) && among(g.Kinds, t.Kind) && among(g.within, t.Constituency) &&
		(t.Status == "" || among(g.From, t.Status))
}

func (w Who) owns(t incident.Ticket) bool { return t.Owner == w.Actor && w.Actor != incident.Nobody }

// Concerned returns the tickets, beside the one that it is about, on which whoever
// gives a command must have a right too.
func Concerned(t incident.Ticket, c Command) []incident.ID {
	var ids []incident.ID
	switch c := c.(type) {
	case Open:
		ids = append(slices.Clone(c.Parents), c.From)
	case Link:
		ids = append(ids, c.Parent)
	case Unlink:
		ids = append(ids, c.Parent)
	case Merge:
		ids = append(ids, c.Into)
	case Unmerge:
		ids = append(ids, t.MergedInto)
	case Deliver:
		ids = append(ids, c.To)
	case Attach:
		ids = append(ids, c.Incident)
	case Group:
		ids = append(ids, c.With...)
	case Resolve:
		ids = append(ids, c.Children...)
	case Abandon:
		ids = append(ids, c.Children...)
	case ReplyAll:
		ids = append(ids, c.Children...)
	}
	return slices.DeleteFunc(ids, func(id incident.ID) bool { return id == 0 })
}

// Check reports why somebody may not give a command about t, which for [Open] is
// the zero Ticket; nil if he may, as far as it can be told before it is decided. For
// the rest ask [Who.CheckEvents]. To edit the constituency of a ticket takes the right
// to open it in the new one. others are the tickets that [Concerned] names, as
// far as they exist. The error is a [*RightsError].
func (w Who) Check(c Command, t incident.Ticket, others []incident.Ticket) error {
	if w.Actor == incident.System {
		return nil
	}
	if open, ok := c.(Open); ok {
		kind, _ := incident.ParseKind(string(open.Kind))
		if !w.free() && !slices.ContainsFunc(w.given, func(g given) bool { return among(g.Commands, c.Name()) && among(g.Kinds, kind) }) {
			return w.refuse(c.Name(), incident.Ticket{Kind: kind, Constituency: open.Constituency}, "")
		}
	} else if err := w.may(c.Name(), t); err != nil {
		return err
	}
	if err := w.mayGive(c, t); err != nil {
		return err
	}
	needed := c.Name()
	switch c.(type) {
	case Resolve, Abandon, ReplyAll: // each child gets a mail
		needed = Reply{}.Name()
	}
	for _, other := range others {
		if err := w.may(needed, other); err != nil {
			return err
		}
	}
	if t.MergedInto != 0 && c.Name() != (Unmerge{}).Name() {
		return nil // refused in any case, and not to be taken either
	}
	return w.ownership(c, t, others)
}

// CheckEvents reports why somebody may not do what a command has been decided to
// do to t: to open a ticket of that kind and constituency, to move it. The error is a [*RightsError].
func (w Who) CheckEvents(c Command, t incident.Ticket, decisions []Decision) error {
	if w.free() {
		return nil
	}
	for _, d := range decisions {
		if d.Ticket != 0 && d.Ticket != t.ID {
			continue // it follows from that
		}
		var err error
		switch ev := d.Event.(type) {
		case incident.Opened:
			err = w.mayMove(c.Name(), incident.Ticket{Kind: ev.Kind, Constituency: ev.Constituency, Owner: w.Actor}, ev.Status)
		case incident.Moved:
			err = w.mayMove(c.Name(), t, ev.To)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// May reports whether somebody has the permission for a command on a ticket, or to
// [See] it. Commands that only an owner may give need that besides.
func (w Who) May(command string, t incident.Ticket) bool { return w.may(command, t) == nil }

func (w Who) may(command string, t incident.Ticket) error { return w.mayMove(command, t, "") }

// mayMove asks for a permission, to move a ticket to a status if there is one.
func (w Who) mayMove(command string, t incident.Ticket, to incident.Status) error {
	if w.free() {
		return nil
	}
	owned := true
	for _, g := range w.given {
		if !g.covers(command, t) || to != "" && !among(g.To, to) {
			continue
		}
		if g.Tickets != ReachOwn || w.owns(t) {
			return nil
		}
		owned = false
	}
	if !owned {
		return w.disowned(command, t.ID, "its owner", t)
	}
	return w.refuse(command, t, to)
}

// mayGive asks for the right to give a ticket to another constituency: that to open
// it there.
func (w Who) mayGive(c Command, t incident.Ticket) error {
	edit, ok := c.(Edit)
	if !ok || edit.Constituency == nil {
		return nil
	}
	there := incident.Ticket{Kind: t.Kind, Constituency: w.policy.constituency(oneLine(*edit.Constituency)), Owner: w.Actor}
	if there.Constituency == t.Constituency || w.May(Open{}.Name(), there) {
		return nil
	}
	refused := w.refuse(Open{}.Name(), there, "")
	refused.Command, refused.Ticket, refused.Need = c.Name(), t.ID, "to open it in "+constituencyWords(there.Constituency)+" "+refused.Need
	return refused
}

// ownership refuses a command that only the owner of its tickets may give: of both
// to merge them, of either to link them, of the one that has taken the other over
// to undo that.
func (w Who) ownership(c Command, t incident.Ticket, others []incident.Ticket) error {
	command := c.Name()
	if !slices.Contains(w.policy.Rights.OwnerOnly, command) {
		return nil
	}
	owns := func(t incident.Ticket) bool {
		return w.owns(t) || slices.ContainsFunc(w.given, func(g given) bool { return g.Tickets == ReachAll && g.covers(command, t) })
	}
	all := append([]incident.Ticket{t}, others...)
	foreign := slices.DeleteFunc(slices.Clone(all), owns)
	switch c.(type) {
	case Link, Unlink:
		if len(foreign) == len(all) {
			return w.disowned(command, t.ID, "the owner of one of the two", foreign...)
		}
	case Merge:
		if len(foreign) > 0 {
			return w.disowned(command, t.ID, "the owner of both", foreign...)
		}
	case Unmerge:
		if len(others) > 0 && !owns(others[0]) {
			return w.disowned(command, t.ID, "the owner of the ticket that it was merged into", others[0])
		}
	default:
		if !owns(t) {
			return w.disowned(command, t.ID, "its owner", t)
		}
	}
	return nil
}

// Constituencies returns those in which somebody may open tickets of a kind, for a
// form to choose from: values of the field constituency where the policy lists them,
// otherwise those that his groups name. any: there is no limit to them.
func (w Who) Constituencies(kind incident.Kind) (list []string, any bool) {
	open := Open{}.Name()
	if f := w.policy.property(FieldConstituency, kind); len(f.Values) > 0 {
		return slices.DeleteFunc(f.Choices(), func(name string) bool {
			return !w.May(open, incident.Ticket{Kind: kind, Constituency: name, Owner: w.Actor})
		}), false
	}
	if w.free() {
		return nil, true
	}
	for _, g := range w.given {
		if !among(g.Commands, open) || !among(g.Kinds, kind) {
			continue
		}
		if g.within == nil {
			return nil, true
		}
		list = append(list, g.within...)
	}
	slices.Sort(list)
	return slices.Compact(list), false
}

// Actions returns the changes of status that somebody may make of those that a menu
// offers for a ticket.
func (w Who) Actions(t incident.Ticket) []Action {
	l := w.policy.Lifecycles[t.Kind]
	return slices.DeleteFunc(l.ActionsFrom(t.Status), func(a Action) bool {
		return !slices.ContainsFunc(l.leading(t.ID, a.To), func(c Command) bool {
			return w.Check(c, t, nil) == nil && w.CheckEvents(c, t, events(incident.Moved{From: t.Status, To: a.To})) == nil
		})
	})
}

// leading are the commands that can move a ticket to a status.
func (l Lifecycle) leading(id incident.ID, to incident.Status) []Command {
	list := []Command{Move{Ticket: id, To: to}}
	if s, _ := l.Status(to); s.Phase == incident.Active {
		list = append(list, Reopen{Ticket: id})
	}
	for _, end := range []struct {
		on incident.Status
		c  Command
	}{{l.OnResolve, Resolve{Ticket: id}}, {l.OnAbandon, Abandon{Ticket: id}}, {l.OnReject, Reject{Ticket: id}}} {
		if end.on == to {
			list = append(list, end.c)
		}
	}
	return list
}
