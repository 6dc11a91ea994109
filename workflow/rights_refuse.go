package workflow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// RightsError says that somebody may not give a command, and what it takes. The
// tickets that it names are those of the command.
type RightsError struct {
	Command string
	Ticket  incident.ID // 0 for a ticket that is being opened
	Need    string

	// Offers are the commands that would make the actor an owner, where that is what
	// it takes: [Take] of a ticket that nobody owns, [Steal] of somebody else's. Only
	// such as the actor may give.
	Offers []Command
}

// Error implements error.
func (e *RightsError) Error() string {
	what := e.Command
	if e.Ticket != 0 {
		what += " on ticket " + e.Ticket.String()
	}
	return fmt.Sprintf("workflow: %s is not for you to give: %s", what, e.Need)
}

// refuse says which roles may do what none of somebody's own may.
func (w Who) refuse(command string, t incident.Ticket, to incident.Status) *RightsError {
	var may []string
	for _, role := range w.policy.Rights.Roles {
		covers := func(p Permission) bool {
			return given{Permission: p}.covers(command, t) && (to == "" || among(p.To, to))
		}
		if i := slices.IndexFunc(role.May, covers); i >= 0 {
			name := role.Name
			if role.May[i].Constituencies == ReachOwn {
				name += " of " + constituencyWords(t.Constituency)
			}
			may = append(may, name)
		}
	}
	need := "no role may"
	switch {
	case len(may) == 1:
		need = "it takes the role " + may[0]
	case len(may) > 1:
		need = "it takes one of the roles " + strings.Join(may, ", ")
	}
	if to != "" && t.Status != "" {
		need = fmt.Sprintf("from %q to %q %s", t.Status, to, need)
	}
	return &RightsError{Command: command, Ticket: t.ID, Need: need + "; yours is " + w.roles()}
}

// roles are the names of somebody's roles.
func (w Who) roles() string {
	var names []string
	for _, g := range w.given {
		if !slices.Contains(names, g.role) {
			names = append(names, g.role)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func constituencyWords(name string) string {
	if name == "" {
		return "no constituency"
	}
	return name
}

// disowned refuses what takes the owner of tickets, none of which somebody owns.
func (w Who) disowned(command string, id incident.ID, whom string, tickets ...incident.Ticket) *RightsError {
	e := &RightsError{Command: command, Ticket: id}
	var owners, ways []string
	for _, t := range tickets {
		take, owner, it := Command(Take{Ticket: t.ID}), "nobody owns", "ticket "+t.ID.String()
		if t.Owner != incident.Nobody {
			take, owner = Steal{Ticket: t.ID}, string(t.Owner)+" owns"
		}
		if whom == "its owner" {
			it = "it"
		}
		owners = append(owners, owner+" "+it)
		if w.may(take.Name(), t) == nil {
			e.Offers = append(e.Offers, take)
			ways = append(ways, take.Name()+" "+it)
		}
	}
	e.Need = fmt.Sprintf("only %s may, and %s", whom, strings.Join(owners, ", "))
	join := " and "
	if whom == "the owner of one of the two" {
		join = " or "
	}
	if len(ways) > 0 {
		e.Need += ": " + strings.Join(ways, join) + " first"
	}
	return e
}

// permitted are the names of the commands that a role may be permitted: those that
// people give, and what a desk gives for a person who asks it to examine a mail.
func permitted() []string {
	var names []string
	for _, c := range append(Commands(), Examine{}) {
		names = append(names, c.Name())
	}
	return names
}

// faults finds what the rights name and is not there, or is there twice.
func (r Rights) faults(p *Policy, wrong wrong) {
	known := append([]string{See}, permitted()...)
	command := func(place, name string, allowed []string) {
		if !slices.Contains(allowed, name) {
			wrong(at(place, name), "names a command %q that nobody can be allowed: allowed are %s", name, strings.Join(allowed, ", "))
		}
	}
	called := map[string]int{} // by name or group
	for i, role := range r.Roles {
		place := at("rights/roles", role.Name)
		for _, name := range append([]string{role.Name}, role.Groups...) {
			folded := strings.ToLower(name)
			if earlier, ok := called[folded]; name == "" || strings.Contains(name, ":") || strings.TrimSpace(name) != name {
				wrong(place, "has a role or group called %q: allowed is a name without a colon", name)
			} else if ok && earlier != i {
				wrong(place, "has two roles for the group %q", name)
			} else {
				called[folded] = i
			}
		}
		for n, permission := range role.May {
			here := at(place, "may", n)
			for _, name := range permission.Commands {
				command(at(here, "commands"), name, known)
			}
			permission.faults(p, role.Name, here, wrong)
		}
	}
	for _, name := range r.OwnerOnly {
		command("rights/owner-only", name, slices.DeleteFunc(slices.Clone(known), func(name string) bool {
			return slices.Contains([]string{See, Open{}.Name(), Take{}.Name(), Steal{}.Name()}, name) // who must not be the owner yet
		}))
	}
	if _, ok := r.Role(r.Default); !ok && r.Default != "" {
		var names []string
		for _, role := range r.Roles {
			names = append(names, role.Name)
		}
		wrong("rights/default", "has no role %q, which is to be the default: allowed are %s", r.Default, strings.Join(names, ", "))
	}
}

func (m Permission) faults(p *Policy, role, here string, wrong wrong) {
	for i, kind := range m.Kinds {
		if !slices.Contains(incident.Kinds(), kind) {
			wrong(at(here, "kinds", i), "lets %q work on %q: allowed are report, incident, investigation, block", role, kind)
		}
	}
	for _, named := range []struct {
		key  string
		list []incident.Status
	}{{"from", m.From}, {"to", m.To}} {
		for _, status := range named.list {
			if _, ok := p.statusOf(m.Kinds, status); !ok {
				wrong(at(here, named.key, status), "lets %q move %s %q, which is no status of these kinds", role, named.key, status)
			}
		}
	}
	if slices.Contains(m.Commands, See) && len(m.From)+len(m.To) > 0 {
		wrong(at(here, "commands", See), "lets %q see tickets by their status: allowed are kinds, constituencies and tickets", role)
	}
	for _, reach := range []struct {
		key string
		is  Reach
	}{{"constituencies", m.Constituencies}, {"tickets", m.Tickets}} {
		if !slices.Contains([]Reach{"", ReachOwn, ReachAll}, reach.is) {
			wrong(at(here, reach.key), "lets %q reach %q: allowed are own, all, or nothing at all", role, reach.is)
		}
	}
}

// statusOf returns the status of that name that some of the kinds has; without
// kinds, any.
func (p *Policy) statusOf(kinds []incident.Kind, name incident.Status) (incident.Status, bool) {
	for _, kind := range incident.Kinds() {
		if s, ok := p.Lifecycles[kind].Status(name); ok && among(kinds, kind) {
			return s.Name, true
		}
	}
	return name, false
}

// rights looks for roles that can do nothing with what they may, and for what
// nobody may do.
func (l *linter) rights() {
	r := l.policy.Rights
	if len(r.Roles) == 0 {
		return
	}
	some := func(command string, fits func(Permission) bool) bool {
		return slices.ContainsFunc(r.Roles, func(role Role) bool {
			return slices.ContainsFunc(role.May, func(m Permission) bool { return among(m.Commands, command) && fits(m) })
		})
	}
	for _, role := range r.Roles {
		sees := slices.ContainsFunc(role.May, func(m Permission) bool { return among(m.Commands, See) })
		if len(role.May) > 0 && !sees {
			l.add(SeverityWarning, at("rights/roles", role.Name), "add see to its commands", "the role %q sees nothing, so that it finds no ticket to do what it may", role.Name)
		}
	}
	for _, command := range permitted() {
		if !some(command, func(Permission) bool { return true }) {
			l.add(SeverityWarning, "rights/roles", "let some role give it", "nobody may give the command %s", command)
		}
	}
	for _, kind := range incident.Kinds() {
		of := func(m Permission) bool { return among(m.Kinds, kind) }
		if !some(See, of) || !some(Open{}.Name(), of) {
			l.add(SeverityWarning, "rights/roles", "let some role see and open them", "nobody may see or open %s", article(kind))
		}
		life := l.policy.Lifecycles[kind]
		for i, a := range life.Actions {
			offered := slices.ContainsFunc(life.leading(0, a.To), func(c Command) bool {
				return some(c.Name(), func(m Permission) bool { return of(m) && among(m.To, a.To) && (a.From == "" || among(m.From, a.From)) })
			})
			if !offered {
				l.add(SeverityWarning, at("lifecycles", kind, "actions", i), "let some role do it, or take the action out", "nobody may do the action %q of %s", a.Name, kind)
			}
		}
	}
	if _, ok := r.Role(string(incident.Correspondent)); ok && strings.EqualFold(r.Default, string(incident.Correspondent)) {
		l.add(SeverityWarning, "rights/default", "name a role of the team", "the default role %q is never given to the team", r.Default)
	}
}
