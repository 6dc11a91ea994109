package incident

import (
	"slices"
	"strings"
	"time"
)

// Kind says what a ticket is (RTIR: its queue).
type Kind string

// Kinds of tickets.
const (
	KindDesk          Kind = "desk"          // the desk itself, ID 0
	KindReport        Kind = "report"        // Incident Report: something somebody told us
	KindIncident      Kind = "incident"      // what we work on; parent of the three others
	KindInvestigation Kind = "investigation" // correspondence that we start with a third party
	KindBlock         Kind = "block"         // a network block, asked of the operations centre (RTIR 4: countermeasure)
)

// Kinds returns the four kinds of tickets that people work on, in the order in
// which RTIR lists them.
func Kinds() []Kind {
	return []Kind{KindReport, KindIncident, KindInvestigation, KindBlock}
}

// ParseKind reads a kind of ticket as people write it: without regard to case,
// in the plural too, by RTIR's newer word "countermeasure" for a block, or by the
// short names IR, INC, INV and CM.
func ParseKind(s string) (Kind, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	for kind, names := range map[Kind][]string{
		KindReport:        {"report", "reports", "incident report", "incident reports", "ir"},
		KindIncident:      {"incident", "incidents", "inc"},
		KindInvestigation: {"investigation", "investigations", "inv"},
		KindBlock:         {"block", "blocks", "countermeasure", "countermeasures", "cm"},
	} {
		if slices.Contains(names, s) {
			return kind, true
		}
	}
	return "", false
}

// Status is where a ticket stands in its lifecycle. It may be told to
// outsiders. Which statuses there are is the policy's to say.
type Status string

// State is the team's own label beside the status (AIRT 2: inspection
// requested, blocked, imported ...). It never leaves the team.
type State string

// Phase is what rules ask for instead of a status by name.
type Phase string

// Phases. "Not inactive" means initial or active.
const (
	Initial  Phase = "initial"
	Active   Phase = "active"
	Inactive Phase = "inactive"
)

// Ticket is the present of one ticket: the fold of its records. Times are UTC
// with microseconds; a nil time is one that is not set.
//
// Parents are kept in ascending order, on the child only: the children of an
// incident are found by asking a store for its children.
type Ticket struct {
	ID         ID     `json:"id"`
	Kind       Kind   `json:"kind"`
	Version    uint64 `json:"version"`    // number of its last record, 1 for the first
	Hash       Digest `json:"hash"`       // Hash of its last record
	Vocabulary uint32 `json:"vocabulary"` // newest [Vocabulary] that folded a record of it

	Status Status `json:"status"`
	Phase  Phase  `json:"phase"`
	State  State  `json:"state,omitempty"`
	Owner  Actor  `json:"owner,omitempty"`

	Subject      string              `json:"subject"`
	Constituency string              `json:"constituency,omitempty"`
	Priority     int                 `json:"priority"`
	Requestors   []Party             `json:"requestors,omitempty"`
	Cc           []Party             `json:"cc,omitempty"`
	Contacts     []Party             `json:"contacts,omitempty"`
	ExternalIDs  []string            `json:"externalIDs,omitempty"`
	Parents      []ID                `json:"parents,omitempty"`
	From         ID                  `json:"from,omitempty"`        // the ticket that it was made from; 0: none
	Observables  []Observable        `json:"observables,omitempty"` // distinct by kind and value, in order of first sight
	Fields       map[string][]string `json:"fields,omitempty"`
	Via          string              `json:"via,omitempty"` // how it came: mail, telephone, web ... (RTIR: How Reported)

	Created  time.Time  `json:"created"`
	Updated  time.Time  `json:"updated"`
	Started  *time.Time `json:"started,omitempty"`  // left its initial phase
	Resolved *time.Time `json:"resolved,omitempty"` // last entered an inactive status; kept when it is opened again
	Due      *time.Time `json:"due,omitempty"`
	Wake     *time.Time `json:"wake,omitempty"` // reminder: a sweep acts on it then

	Clocks     []Clock `json:"clocks,omitempty"`     // that run by a service agreement, as last recorded; of an inactive ticket those that were missed
	Alarms     []Alarm `json:"alarms,omitempty"`     // warnings and breaches that were recorded for the runs of its clocks
	DueByClock bool    `json:"dueByClock,omitempty"` // Due follows from the clocks; otherwise something else has set it since

	Pinned       bool       `json:"pinned,omitempty"`       // a person has set Due of an incident, and it stays
	OverdueNoted *time.Time `json:"overdueNoted,omitempty"` // the last due date whose passing was recorded

	Messages         int        `json:"messages"`                   // mails and other messages, both directions
	OldestUnanswered *time.Time `json:"oldestUnanswered,omitempty"` // oldest message from outside without an answer
	LastOutside      *time.Time `json:"lastOutside,omitempty"`
	LastInside       *time.Time `json:"lastInside,omitempty"`

	Observations *Observations `json:"observations,omitempty"` // of machines; nil: there are none

	Attention []Attention `json:"attention,omitempty"` // whoever said that they work on it, those whose time is over too: see [Ticket.Attending]

	Held       *Held `json:"held,omitempty"`       // waits for a person to say where it belongs
	MergedInto ID    `json:"mergedInto,omitempty"` // the ticket that took this one over; 0: none
	MergedFrom []ID  `json:"mergedFrom,omitempty"`
}

// Open reports whether the ticket is not inactive.
func (t Ticket) Open() bool { return t.Phase != Inactive }

// Overdue reports whether the ticket is not inactive and its due date has come.
func (t Ticket) Overdue(now time.Time) bool {
	return t.Open() && t.Due != nil && !t.Due.After(now)
}

// Alarm is a warning or breach that was recorded.
type Alarm struct {
	Clock  string    `json:"clock"`
	From   time.Time `json:"from"`
	Due    time.Time `json:"due"`
	Breach bool      `json:"breach,omitempty"`
}

// Alarmed reports whether the warning, or the breach, of a clock was recorded.
func (t Ticket) Alarmed(c Clock, breach bool) bool {
	return slices.ContainsFunc(t.Alarms, func(a Alarm) bool {
		return a.Breach == breach && a.Clock == c.Name && a.From.Equal(c.From) && a.Due.Equal(c.Due)
	})
}

// NextAlarm returns when a sweep must look at the ticket next: at its reminder,
// at a due date that no clock has set and whose passing is not recorded, at the
// first warning that is not, or a microsecond after the first deadline whose breach
// is not. nil: never.
func (t Ticket) NextAlarm() *time.Time {
	next := t.Wake
	sooner := func(at time.Time) {
		if next == nil || at.Before(*next) {
			next = &at
		}
	}
	if t.Open() && t.Due != nil && !t.DueByClock && (t.OverdueNoted == nil || !t.OverdueNoted.Equal(*t.Due)) {
		sooner(*t.Due)
	}
	for _, c := range t.Clocks {
		if t.Alarmed(c, true) {
			continue
		}
		sooner(c.Due.Add(time.Microsecond))
		if c.Warn != nil && !t.Alarmed(c, false) {
			sooner(*c.Warn)
		}
	}
	return next
}

// HasParent reports whether id is a parent of the ticket.
func (t Ticket) HasParent(id ID) bool {
	_, ok := slices.BinarySearch(t.Parents, id)
	return ok
}

// Corresponds reports whether the address is a requestor, copy recipient or
// contact of the ticket.
func (t Ticket) Corresponds(address string) bool {
	is := func(p Party) bool { return SameAddress(p.Address, address) }
	return slices.ContainsFunc(t.Requestors, is) || slices.ContainsFunc(t.Cc, is) ||
		slices.ContainsFunc(t.Contacts, is)
}

// Clone returns a copy that shares nothing with t.
func (t Ticket) Clone() Ticket {
	t.Requestors = slices.Clone(t.Requestors)
	t.Cc = slices.Clone(t.Cc)
	t.Contacts = slices.Clone(t.Contacts)
	t.ExternalIDs = slices.Clone(t.ExternalIDs)
	t.Parents = slices.Clone(t.Parents)
	t.Observables = slices.Clone(t.Observables)
	t.MergedFrom = slices.Clone(t.MergedFrom)
	t.Fields = mergeFields(t.Fields, nil)
	t.Clocks = cloneClocks(t.Clocks)
	t.Alarms = slices.Clone(t.Alarms)
	t.Attention = slices.Clone(t.Attention)
	for _, date := range []**time.Time{
		&t.Started, &t.Resolved, &t.Due, &t.Wake, &t.OverdueNoted, &t.OldestUnanswered, &t.LastOutside, &t.LastInside,
	} {
		if *date != nil {
			copied := **date
			*date = &copied
		}
	}
	if t.Observations != nil {
		sum := *t.Observations
		sum.First, sum.Last = moment(sum.First), moment(sum.Last)
		t.Observations = &sum
	}
	if t.Held != nil {
		t.Held = &Held{Reason: t.Held.Reason, Candidates: slices.Clone(t.Held.Candidates)}
	}
	return t
}

// Moment returns t as tickets keep times: UTC, cut to microseconds, which every
// store can hold.
func Moment(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }
