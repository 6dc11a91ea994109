package mail

import (
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
)

// ThreadInput is what must be known to say where a mail belongs.
type ThreadInput struct {
	Tagged  []incident.ID // own tags found in the subject: distinct, in order
	Replied []incident.ID // tickets of the ids in In-Reply-To, then of References, newest first

	// Tickets holds every one of the above that exists, and the tickets that
	// they were merged into, under their own ids.
	Tickets map[incident.ID]incident.Ticket

	Sender  string // address
	Team    bool   // the sender is a member of the team
	Machine bool   // [Machine.Any]
}

// Action says what becomes of a mail.
type Action string

// Actions.
const (
	Append        Action = "append"         // to the verdict's Ticket
	AppendFlagged Action = "append-flagged" // the same, and a person should look at who wrote
	Hold          Action = "hold"           // a report that waits for a person
	OpenReport    Action = "open"           // a new report
)

// Reasons of a [Verdict].
const (
	ByTag          = "tag"             // one tag of ours, of a ticket that is known
	ByReply        = "reply"           // an answer to a message that is known
	IncidentNumber = "incident-number" // someone outside wrote to an incident
	UnknownNumber  = "unknown-number"  // a tag of ours, and no such ticket
	TwoTags        = "two-tags"        // tags of different tickets
	ByBounce       = "bounce"          // what became of a mail of ours, or of one that is not known
	NewReport      = "new"
)

// Verdict says where a mail belongs, and why.
type Verdict struct {
	Action     Action        `json:"action"`
	Ticket     incident.ID   `json:"ticket,omitempty"`     // for Append and AppendFlagged
	Candidates []incident.ID `json:"candidates,omitempty"` // for Hold: where it may belong
	Reason     string        `json:"reason"`
	Why        []string      `json:"why"` // sentences, in the order of thought
}

// Thread decides where a mail belongs: the tag in the subject first, then the
// messages that it answers. It is a pure function. Merged tickets lead to the
// one that took them over. An incident's number belongs to the team: mail from
// outside is held with that candidate. Mail of somebody who has no part in a
// ticket is appended and flagged. Numbers that lead to different tickets, or to
// none, are never guessed at: such mail is held.
func Thread(in ThreadInput) Verdict {
	t := threading{ThreadInput: in}
	if len(in.Tagged) > 0 {
		return t.byTag()
	}
	for _, id := range in.Replied {
		if ticket, ok := t.survivor(id); ok {
			t.say("It answers a message of ticket %s.", id)
			return t.toTicket(ticket, ByReply)
		}
	}
	t.say("It has no tag of ours and answers no message that is known.")
	return t.verdict(OpenReport, NewReport)
}

// threading is one decision under way.
type threading struct {
	ThreadInput
	why []string
}

func (t *threading) say(format string, args ...any) {
	t.why = append(t.why, fmt.Sprintf(format, args...))
}

func (t *threading) verdict(a Action, reason string) Verdict {
	return Verdict{Action: a, Reason: reason, Why: t.why}
}

// survivor follows merges to the ticket that counts today. It is false for a
// ticket that does not exist, the desk itself, and a merge that leads nowhere.
func (t *threading) survivor(id incident.ID) (incident.Ticket, bool) {
	for range len(t.Tickets) + 1 { // a ring of merges must not hold us up
		ticket, ok := t.Tickets[id]
		if !ok || ticket.Kind == incident.KindDesk {
			return incident.Ticket{}, false
		}
		if ticket.MergedInto == 0 {
			return ticket, true
		}
		t.say("Ticket %s was merged into %s.", id, ticket.MergedInto)
		id = ticket.MergedInto
	}
	return incident.Ticket{}, false
}

func (t *threading) byTag() Verdict {
	var known []incident.Ticket
	var unknown int
	for _, id := range t.Tagged {
		ticket, ok := t.survivor(id)
		if !ok {
			unknown++
			t.say("The subject names ticket %s, which is not known.", id)
			continue
		}
		t.say("The subject names ticket %s.", id)
		if !slices.ContainsFunc(known, func(k incident.Ticket) bool { return k.ID == ticket.ID }) {
			known = append(known, ticket)
		}
	}
	switch {
	case len(known) == 1 && unknown == 0:
		t.compare(known[0].ID)
		return t.toTicket(known[0], ByTag)
	case len(known)+unknown == 1:
		return t.verdict(Hold, UnknownNumber)
	}
	v := t.verdict(Hold, TwoTags)
	for _, ticket := range known {
		v.Candidates = append(v.Candidates, ticket.ID)
	}
	if len(known) == 0 {
		v.Reason = UnknownNumber
	}
	return v
}

// compare says so if the tag and the answered messages disagree.
func (t *threading) compare(tagged incident.ID) {
	kept := t.why
	for _, id := range t.Replied {
		ticket, ok := t.survivor(id)
		t.why = kept
		if ok && ticket.ID != tagged {
			t.say("It answers a message of ticket %s, but the tag counts.", ticket.ID)
			return
		}
		if ok {
			return
		}
	}
}

// toTicket decides for the one ticket that the mail leads to.
func (t *threading) toTicket(ticket incident.Ticket, reason string) Verdict {
	if ticket.Kind == incident.KindIncident && !t.Team {
		t.say("Ticket %s is an incident, which only the team may write to.", ticket.ID)
		v := t.verdict(Hold, IncidentNumber)
		v.Candidates = []incident.ID{ticket.ID}
		return v
	}
	action := Append
	switch {
	case t.Team:
		t.say("The sender belongs to the team.")
	case hasPart(ticket, t.Sender):
		t.say("The sender has a part in ticket %s.", ticket.ID)
	default:
		action = AppendFlagged
		t.say("The sender has no part in ticket %s so far.", ticket.ID)
	}
	if t.Machine {
		t.say("A machine wrote it.")
	}
	v := t.verdict(action, reason)
	v.Ticket = ticket.ID
	return v
}

// hasPart reports whether the address is among the ticket's people.
func hasPart(ticket incident.Ticket, address string) bool {
	if address == "" {
		return false
	}
	for _, people := range [][]incident.Party{ticket.Requestors, ticket.Cc, ticket.Contacts} {
		for _, p := range people {
			if incident.SameAddress(p.Address, address) {
				return true
			}
		}
	}
	return false
}
