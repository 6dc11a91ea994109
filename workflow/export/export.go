// Package export turns tickets into lists of networks for machines: null routes
// for a router, a set for a packet filter, a plain list (AIRT paper 2). It is pure:
// whoever has the tickets calls it and puts what comes out where it belongs.
//
// # Which part to use first
//
// An [Export] says which tickets count, which of their networks, and in what form
// they are written: [Export.List] picks the networks, [Form.Render] writes them. The
// forms that come along are those of [Forms]; [ParseForm] reads one of your own.
//
// # What is listed
//
// A null route takes away everything that is sent to an address. Of an incident, that
// is meant for the machine that does harm, never for the one that suffers it, so
// that without Roles only observables of the role source are listed. What stands
// in a mail without a role is left to a person, who gives it one.
//
// No list takes away more than its tickets name: networks are merged only where
// they cover the same addresses. Those that nobody can mean are left out and named:
// see [Omission].
package export

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Export says which tickets are exported, what of them, and in what form. Every
// list that is not empty must hold; a list is met by any one of its members.
type Export struct {
	Template string // name of a form: "nullroute"
	Dialect  string // of the form; empty: its first one

	Kinds          []incident.Kind
	Statuses       []incident.Status
	Phases         []incident.Phase
	States         []incident.State
	Constituencies []string
	Fields         map[string][]string // each field must have one of its values

	Roles     []incident.Role // empty: source
	Aggregate bool            // merge networks where that covers nothing more
	Spare     []netip.Prefix  // own routers and servers: what touches one of these is left out

	// The widest network that is listed, by the length of its prefix; 0: 16 for
	// IPv4, 32 for IPv6. Wider ones are left out, and none is made by merging.
	WidestV4, WidestV6 int
}

// Check reports why an export cannot work. Which forms, statuses and states there
// are it does not know.
func (e Export) Check() error {
	switch {
	case e.Template == "":
		return fmt.Errorf("export: it names no template: allowed are %s, and those of your own", strings.Join(Names(Forms()), ", "))
	case len(e.Statuses) == 0 && len(e.Phases) == 0 && len(e.States) == 0:
		return fmt.Errorf("export: it would list every ticket that there ever was: name statuses, phases or states")
	case e.WidestV4 < 0 || e.WidestV4 > 32:
		return fmt.Errorf("export: the widest network of IPv4 is /%d: allowed are 1 to 32, or 0 for %d", e.WidestV4, standardV4)
	case e.WidestV6 < 0 || e.WidestV6 > 128:
		return fmt.Errorf("export: the widest network of IPv6 is /%d: allowed are 1 to 128, or 0 for %d", e.WidestV6, standardV6)
	}
	for _, role := range e.Roles {
		if !slices.Contains(roles(), role) {
			return fmt.Errorf("export: there is no role %q: allowed are source, target, unknown", role)
		}
	}
	for _, phase := range e.Phases {
		if !slices.Contains([]incident.Phase{incident.Initial, incident.Active, incident.Inactive}, phase) {
			return fmt.Errorf("export: there is no phase %q: allowed are initial, active, inactive", phase)
		}
	}
	for _, p := range e.Spare {
		if !p.IsValid() {
			return fmt.Errorf("export: a network to be spared is none: allowed are 192.0.2.0/24 and 2001:db8::/32")
		}
	}
	return nil
}

func roles() []incident.Role {
	return []incident.Role{incident.RoleSource, incident.RoleTarget, incident.RoleUnknown}
}

// ParseRole reads a role as people write it: source, target, unknown.
func ParseRole(s string) (incident.Role, error) {
	for _, role := range roles() {
		if s == RoleName(role) {
			return role, nil
		}
	}
	return "", fmt.Errorf("export: there is no role %q: allowed are source, target, unknown", s)
}

// RoleName is what people call a role.
func RoleName(role incident.Role) string {
	if role == incident.RoleUnknown {
		return "unknown"
	}
	return string(role)
}

// Selects reports whether a ticket is exported. One that was merged into another is
// not: that one speaks for both.
func (e Export) Selects(t incident.Ticket) bool {
	if t.ID == incident.Desk || t.Version == 0 || t.MergedInto != 0 {
		return false
	}
	for name, values := range e.Fields {
		if !slices.ContainsFunc(values, func(v string) bool { return slices.Contains(t.Fields[name], v) }) {
			return false
		}
	}
	return among(e.Kinds, t.Kind) && among(e.Statuses, t.Status) && among(e.Phases, t.Phase) && among(e.States, t.State) &&
		among(e.Constituencies, t.Constituency)
}

func among[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

// Named returns the networks that a ticket brings into the list if it is exported,
// sorted, each once; nothing otherwise.
func (e Export) Named(t incident.Ticket) []netip.Prefix {
	if !e.Selects(t) {
		return nil
	}
	wanted := e.Roles
	if len(wanted) == 0 {
		wanted = []incident.Role{incident.RoleSource}
	}
	var networks []netip.Prefix
	for _, o := range t.Observables {
		if p, ok := o.Network(); ok && slices.Contains(wanted, o.Role) {
			networks = append(networks, p)
		}
	}
	return distinct(networks)
}

// Changes reports whether what a ticket brings into the list is another after than
// before.
func (e Export) Changes(before, after incident.Ticket) bool {
	return !slices.Equal(e.Named(before), e.Named(after))
}
