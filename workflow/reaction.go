package workflow

import (
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow/export"
)

// Reaction binds records to something that is done outside of the desk, once they are
// committed: a mail, an exported list, a program (AIRT paper 4, figure 5). What
// came of each attempt is a record of its own ([incident.Reacted]), which rules may
// listen to and which wakes no reaction.
//
// What is done may be done twice, when a desk stops before it has written down that it
// was: a list is the same the second time, a mail may come twice, and a program must
// stand it; it is told the attempt.
type Reaction struct {
	Name string // letters, digits, dots, hyphens; not that of a rule
	Doc  string

	// On are the types of events that wake it, each the Type of an [incident.Event];
	// empty: any, when From or To fits. An Export without On, From and To is woken by
	// whatever changes what it lists.
	On []string

	// The ticket must be so after the record; empty: any.
	Kinds          []incident.Kind
	Constituencies []string
	Fields         map[string][]string // each has one of these values

	// To: the record brings the ticket there. From: it takes it away from there. Both:
	// from the one to the other.
	From, To Stand

	Attempts int // how often it is tried; 0: 5

	// One of these.
	Mail    *MailReaction
	Export  *ExportReaction
	Program *ProgramReaction
}

// Stand is where a ticket may stand. Both lists must hold; an empty one does.
type Stand struct {
	Statuses []incident.Status
	States   []incident.State
}

// MailReaction is a mail made of a template (mail.Template). Recipients of
// Policy.Sealing may say otherwise than Sign, and that it is encrypted.
type MailReaction struct {
	Template string
	To       []Audience // whom the template's @TO@ does not replace; empty: the contacts
	Sign     Protection // where a key is missing that is demanded, it does not go out
}

// Audience is a group of people of a ticket.
type Audience string

// Audiences.
const (
	ToContacts         Audience = "contacts"
	ToRequestors       Audience = "requestors"
	ToCc               Audience = "cc"
	ToOperationsCentre Audience = "operations-centre" // that of the policy
)

// ExportReaction is a list that is written anew.
type ExportReaction struct {
	File string // name under which it is kept
	List export.Export
}

// ProgramReaction is a program of the directory that the desk is given.
type ProgramReaction struct {
	Name      string
	Arguments []string
	Limit     time.Duration // how long it may run; 0: a minute
}

// Limits of reactions.
const (
	standardAttempts = 5
	mostAttempts     = 100
	standardLimit    = time.Minute
	longestLimit     = time.Hour
)

// Tries returns Attempts or its default.
func (r Reaction) Tries() int {
	if r.Attempts > 0 {
		return r.Attempts
	}
	return standardAttempts
}

// Longest returns Limit or its default.
func (p ProgramReaction) Longest() time.Duration {
	if p.Limit > 0 {
		return p.Limit
	}
	return standardLimit
}

// Reaction returns the reaction with a name; false if there is none.
func (p *Policy) Reaction(name string) (Reaction, bool) {
	i := slices.IndexFunc(p.Reactions, func(r Reaction) bool { return r.Name == name })
	if i < 0 {
		return Reaction{}, false
	}
	return p.Reactions[i], true
}

// Woken returns the reactions that a change wakes, in the order of the policy.
func (p *Policy) Woken(c Change) []Reaction {
	var woken []Reaction
	for _, r := range p.Reactions {
		if r.Wakes(c) {
			woken = append(woken, r)
		}
	}
	return woken
}

// Wakes reports whether a change wakes the reaction.
func (r Reaction) Wakes(c Change) bool {
	switch c.Event.(type) {
	case incident.Reacted, incident.Undelivered:
		return false
	}
	if r.Implied() {
		return r.Export.List.Changes(c.Before, c.After)
	}
	if len(r.On) > 0 && !slices.Contains(r.On, c.Event.Type()) {
		return false
	}
	for name, values := range r.Fields {
		if !slices.ContainsFunc(values, func(v string) bool { return slices.Contains(c.After.Fields[name], v) }) {
			return false
		}
	}
	return among(r.Kinds, c.After.Kind) && among(r.Constituencies, c.After.Constituency) &&
		(r.To.anywhere() || r.To.has(c.After) && !r.To.has(c.Before)) &&
		(r.From.anywhere() || r.From.has(c.Before) && !r.From.has(c.After))
}

// Implied reports whether the reaction is an export that is woken by whatever changes
// what it lists.
func (r Reaction) Implied() bool {
	return r.Export != nil && len(r.On) == 0 && r.From.anywhere() && r.To.anywhere()
}

func (s Stand) anywhere() bool { return len(s.Statuses) == 0 && len(s.States) == 0 }

// has reports whether a ticket stands there. One that is not there yet does not.
func (s Stand) has(t incident.Ticket) bool {
	return t.Version > 0 && among(s.Statuses, t.Status) && among(s.States, t.State)
}

// among reports whether v is in list; the empty list does not ask.
func among[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }
