package storage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// OutStatus is where a row of the outbox stands.
type OutStatus string

// Statuses of outgoing mail and of reactions.
const (
	Queued    OutStatus = "queued"    // to be sent, or done, at NextTry
	Leased    OutStatus = "leased"    // a courier has the message until Lease; the next hop cannot have taken it yet
	Sending   OutStatus = "sending"   // a courier hands it over until Lease: it may be taken already; or does a reaction
	Sent      OutStatus = "sent"      // the next hop took responsibility; a reaction is done
	Uncertain OutStatus = "uncertain" // nobody can say whether it was taken: a person decides
	Failed    OutStatus = "failed"    // given up
	Parked    OutStatus = "parked"    // held back by the limit on automatic mail: a person decides
	Dropped   OutStatus = "dropped"   // a person has decided that it is not sent
)

// Charge says which limit on automatic mail a row counts against. Nobody counts
// mail that a person wrote, or that a person has cleared.
type Charge string

// Charges.
const (
	NoCharge      Charge = ""
	ChargeOutside Charge = "outside" // it went to a correspondent
	ChargeTeam    Charge = "team"    // it told somebody of the team
)

// Outgoing is something to be done outside: one message for one recipient, or, where
// Reaction is set, a reaction of the policy, which has neither From, To nor Blob. It is
// written in the same update as the record that caused it.
type Outgoing struct {
	Ticket    incident.ID     `json:"ticket"`
	Version   uint64          `json:"version"` // of the record that caused it
	Number    int             `json:"number"`  // recipient's place among those of the message, from 0; reactions come behind
	Revision  uint64          `json:"revision"`
	Status    OutStatus       `json:"status"`
	Reaction  string          `json:"reaction,omitempty"` // its name in the policy; empty: a message
	From      string          `json:"from"`               // envelope
	To        string          `json:"to"`                 // envelope
	Blob      incident.Digest `json:"blob"`               // the message
	Queued    time.Time       `json:"queued"`
	NextTry   time.Time       `json:"nextTry"`
	Lease     time.Time       `json:"lease"` // zero but for Leased and Sending
	Attempts  int             `json:"attempts"`
	LastError string          `json:"lastError,omitempty"`
	Charge    Charge          `json:"charge,omitempty"`
}

// ID names the row: ticket, version and number.
func (o Outgoing) ID() string { return fmt.Sprintf("%d.%d.%d", o.Ticket, o.Version, o.Number) }

// Errand tells messages from reactions.
type Errand uint8

// Values of Errand.
const (
	AnyErrand Errand = iota
	OnlyMail
	OnlyReactions
)

// OutgoingQuery says which rows of the outbox are wanted. The zero
// OutgoingQuery asks for all.
type OutgoingQuery struct {
	Tickets  []incident.ID
	Statuses []OutStatus
	Only     Errand
	Charges  []Charge
	To       string    // recipient, without regard to the case of ASCII letters; empty: not asked
	ReadyBy  time.Time // NextTry at or before, and a Lease, if any, at or before; zero: not asked
	Limit    int       // 0: all
}

// Match reports whether a row is wanted, whatever the Limit.
func (q OutgoingQuery) Match(o Outgoing) bool {
	return among(q.Tickets, o.Ticket) && among(q.Statuses, o.Status) && among(q.Charges, o.Charge) &&
		(q.To == "" || LowerAddress(q.To) == LowerAddress(o.To)) &&
		(q.Only == AnyErrand || (q.Only == OnlyReactions) == (o.Reaction != "")) &&
		(q.ReadyBy.IsZero() || !o.NextTry.After(q.ReadyBy) && !o.Lease.After(q.ReadyBy))
}

// CompareOutgoing orders rows: by ticket, version, number.
func CompareOutgoing(a, b Outgoing) int {
	return cmp.Or(cmp.Compare(a.Ticket, b.Ticket), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Number, b.Number))
}

// Select returns what Reader.Outgoing must return, out of all rows.
func (q OutgoingQuery) Select(rows []Outgoing) []Outgoing {
	var found []Outgoing
	for _, o := range rows {
		if q.Match(o) {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, CompareOutgoing)
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	return found
}

// LowerAddress makes capital letters of ASCII small: what [OutgoingQuery] compares.
func LowerAddress(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
