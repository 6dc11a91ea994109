package storage

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Query describes tickets. Every field that is set must hold; the zero Query
// describes all tickets but the desk itself. A list is met by any one of its
// members.
type Query struct {
	IDs            []incident.ID
	Kinds          []incident.Kind
	Statuses       []incident.Status
	Phases         []incident.Phase
	States         []incident.State
	Owners         []incident.Actor // incident.Nobody finds tickets without owner
	Constituencies []string         // "" finds tickets without constituency
	Parent         incident.ID      // children of this incident; 0: not asked
	Links          Links
	Held           Held
	Machines       Machines     // what machines have reported
	Fields         []Field      // each must be met
	Touches        netip.Prefix // an address inside, a network inside or around it; the zero Prefix: not asked
	Under          string       // a name, mail domain or URL host that is this domain or below it
	Keys           []string     // an observable has one of these keys ([incident.Observable.Key])
	Mail           string       // this mail address is requestor, copy, contact or observable
	UpdatedSince   time.Time    // at or after; zero: not asked
	Due            Due          //
	DueBefore      time.Time    // has a due date before this; zero: not asked
	WakeBy         time.Time    // its [incident.Ticket.NextAlarm] is at or before this; zero: not asked
	Scope          *Scope       // what the asker may see; nil: everything

	Order []Order // then by ID, in the direction of the first of these; ascending without any
	After *Cursor // only tickets behind this place in the order
	Limit int     // 0: all
}

// Links asks for tickets with or without parents.
type Links uint8

// Values of Links.
const (
	LinksAny Links = iota
	Linked
	Unlinked
)

// Held asks for reports that wait for a person, or do not.
type Held uint8

// Values of Held.
const (
	HeldAny Held = iota
	HeldOnly
	NotHeld
)

// Due asks for tickets with or without a due date.
type Due uint8

// Values of Due.
const (
	DueAny Due = iota
	DueSet
	DueUnset
)

// Machines asks for tickets by what machines have reported on them.
type Machines uint8

// Values of Machines.
const (
	MachinesAny Machines = iota
	Observed             // it has observations of machines
	NotByFeed            // it has none, or a mail came with them: see [incident.Ticket.ByFeed]
)

// Field asks for tickets whose field Name has Value among its values.
type Field struct {
	Name, Value string
}

// Scope limits a query to what somebody may see: tickets that any one of the
// grants covers. A Scope without grants covers nothing.
type Scope struct {
	Grants []Grant
}

// Grant covers tickets for which every field that is set holds. The zero Grant
// covers all tickets.
type Grant struct {
	Kinds          []incident.Kind
	Constituencies []string
	Owner          incident.Actor // "": not asked
}

// Column is something to sort by.
type Column string

// Columns. Strings sort bytewise; a ticket without due date comes before those
// with one.
const (
	ByID           Column = "id"
	ByKind         Column = "kind"
	ByStatus       Column = "status"
	ByOwner        Column = "owner"
	ByConstituency Column = "constituency"
	ByPriority     Column = "priority"
	ByDue          Column = "due"
	ByCreated      Column = "created"
	ByUpdated      Column = "updated"
	BySubject      Column = "subject"
)

// Columns returns all columns.
func Columns() []Column {
	return []Column{ByID, ByKind, ByStatus, ByOwner, ByConstituency, ByPriority, ByDue, ByCreated, ByUpdated, BySubject}
}

// Order is one column to sort by.
type Order struct {
	Column     Column
	Descending bool
}

// MostDue is the order of RTIR's lists of due incidents: due ascending with
// unset first, then the higher priority, then the lower ID.
func MostDue() []Order {
	return []Order{{Column: ByDue}, {Column: ByPriority, Descending: true}}
}

// Cursor is a place in the order of a query: that of one ticket, which need not
// exist any more. It holds what columns compare and can be stored as JSON.
type Cursor struct {
	ID           incident.ID     `json:"id"`
	Kind         incident.Kind   `json:"kind"`
	Status       incident.Status `json:"status"`
	Owner        incident.Actor  `json:"owner"`
	Constituency string          `json:"constituency"`
	Priority     int             `json:"priority"`
	Due          *time.Time      `json:"due"`
	Created      time.Time       `json:"created"`
	Updated      time.Time       `json:"updated"`
	Subject      string          `json:"subject"`
}

// CursorAt returns the place of a ticket.
func CursorAt(t incident.Ticket) *Cursor {
	return &Cursor{
		ID: t.ID, Kind: t.Kind, Status: t.Status, Owner: t.Owner, Constituency: t.Constituency,
		Priority: t.Priority, Due: t.Due, Created: t.Created, Updated: t.Updated, Subject: t.Subject,
	}
}

// Match reports whether a query describes a ticket. It does not look at After
// and Limit.
func (q Query) Match(t incident.Ticket) bool {
	return t.ID != incident.Desk &&
		among(q.IDs, t.ID) && among(q.Kinds, t.Kind) && among(q.Statuses, t.Status) &&
		among(q.Phases, t.Phase) && among(q.States, t.State) && among(q.Owners, t.Owner) &&
		among(q.Constituencies, t.Constituency) &&
		(q.Parent == 0 || t.HasParent(q.Parent)) &&
		(q.Links == LinksAny || (q.Links == Linked) == (len(t.Parents) > 0)) &&
		(q.Held == HeldAny || (q.Held == HeldOnly) == (t.Held != nil)) &&
		(q.Machines != Observed || t.Observations != nil) && (q.Machines != NotByFeed || !t.ByFeed()) &&
		(q.Due == DueAny || (q.Due == DueSet) == (t.Due != nil)) &&
		(q.DueBefore.IsZero() || t.Due != nil && t.Due.Before(q.DueBefore)) &&
		(q.WakeBy.IsZero() || reached(t.NextAlarm(), q.WakeBy)) &&
		(q.UpdatedSince.IsZero() || !t.Updated.Before(q.UpdatedSince)) &&
		q.fieldsMatch(t) && q.touchesMatch(t) && q.underMatch(t) && q.keysMatch(t) && q.mailMatch(t) &&
		(q.Scope == nil || q.Scope.Covers(t))
}

func reached(at *time.Time, by time.Time) bool { return at != nil && !at.After(by) }

// among reports whether v is in list; the empty list does not ask.
func among[T comparable](list []T, v T) bool {
	return len(list) == 0 || slices.Contains(list, v)
}

func (q Query) fieldsMatch(t incident.Ticket) bool {
	for _, f := range q.Fields {
		if !slices.Contains(t.Fields[f.Name], f.Value) {
			return false
		}
	}
	return true
}

func (q Query) touchesMatch(t incident.Ticket) bool {
	if !q.Touches.IsValid() {
		return true
	}
	asked, ok := incident.PrefixOf(q.Touches, incident.RoleUnknown).Network()
	return ok && slices.ContainsFunc(t.Observables, func(o incident.Observable) bool {
		p, ok := o.Network()
		return ok && p.Overlaps(asked)
	})
}

func (q Query) underMatch(t incident.Ticket) bool {
	return q.Under == "" || slices.ContainsFunc(t.Observables, func(o incident.Observable) bool {
		name, ok := o.Domain()
		return ok && incident.Under(name, q.Under)
	})
}

func (q Query) keysMatch(t incident.Ticket) bool {
	return len(q.Keys) == 0 || slices.ContainsFunc(t.Observables, func(o incident.Observable) bool { return slices.Contains(q.Keys, o.Key()) })
}

func (q Query) mailMatch(t incident.Ticket) bool {
	return q.Mail == "" || slices.Contains(MailKeys(t), incident.MailKey(q.Mail))
}

// MailKeys returns the index keys ([incident.MailKey]) that Query.Mail is
// compared with: of requestors, copies, contacts and observables.
func MailKeys(t incident.Ticket) []string {
	var keys []string
	for _, p := range slices.Concat(t.Requestors, t.Cc, t.Contacts) {
		keys = append(keys, incident.MailKey(p.Address))
	}
	for _, o := range t.Observables {
		if o.Kind == incident.MailAddress {
			keys = append(keys, o.Key())
		}
	}
	return keys
}

// Covers reports whether the scope shows a ticket.
func (s Scope) Covers(t incident.Ticket) bool {
	return slices.ContainsFunc(s.Grants, func(g Grant) bool {
		return among(g.Kinds, t.Kind) && among(g.Constituencies, t.Constituency) &&
			(g.Owner == "" || g.Owner == t.Owner)
	})
}

// Compare orders two tickets as the query wants them: negative when a comes
// first. It is zero only for tickets of the same ID: where all columns of Order
// are equal the ID decides, in the direction of the first of them.
func (q Query) Compare(a, b incident.Ticket) int {
	return q.compare(CursorAt(a), CursorAt(b))
}

// Behind reports whether a ticket lies behind the query's cursor; true without
// a cursor.
func (q Query) Behind(t incident.Ticket) bool {
	return q.After == nil || q.compare(q.After, CursorAt(t)) < 0
}

func (q Query) compare(a, b *Cursor) int {
	for _, o := range q.Order {
		c := compareColumn(o.Column, a, b)
		if o.Descending {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	if len(q.Order) > 0 && q.Order[0].Descending {
		return cmp.Compare(b.ID, a.ID) // so that one index, read either way, gives both orders of a column
	}
	return cmp.Compare(a.ID, b.ID)
}

func compareColumn(column Column, a, b *Cursor) int {
	switch column {
	case ByID:
		return cmp.Compare(a.ID, b.ID)
	case ByKind:
		return strings.Compare(string(a.Kind), string(b.Kind))
	case ByStatus:
		return strings.Compare(string(a.Status), string(b.Status))
	case ByOwner:
		return strings.Compare(string(a.Owner), string(b.Owner))
	case ByConstituency:
		return strings.Compare(a.Constituency, b.Constituency)
	case ByPriority:
		return cmp.Compare(a.Priority, b.Priority)
	case ByDue:
		return compareDue(a.Due, b.Due)
	case ByCreated:
		return a.Created.Compare(b.Created)
	case ByUpdated:
		return a.Updated.Compare(b.Updated)
	case BySubject:
		return strings.Compare(a.Subject, b.Subject)
	}
	return 0
}

func compareDue(a, b *time.Time) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return a.Compare(*b)
}

// Select returns what Find must return for a query, out of all tickets: the
// slow and certain way. The result shares nothing with tickets.
func (q Query) Select(tickets []incident.Ticket) []incident.Ticket {
	var found []incident.Ticket
	for _, t := range tickets {
		if q.Match(t) && q.Behind(t) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, q.Compare)
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	for i := range found {
		found[i] = found[i].Clone()
	}
	return found
}
