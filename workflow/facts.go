package workflow

import (
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Fact is a kind of knowledge about a ticket that a decision may need. The set
// is small, so that one shell can gather every fact for every rule.
type Fact string

// Facts.
const (
	FactTicket       Fact = "ticket"        // the ticket itself
	FactParents      Fact = "parents"       // its incidents
	FactOpenChildren Fact = "open children" // its children that are not inactive, by ID
	FactEarliestDue  Fact = "earliest due"  // of its children that are not inactive and have a due date, the first one due; of several the one with the lowest ID
	FactMessages     Fact = "messages"      // its messages, oldest first
)

// Ask asks for a fact about a ticket.
type Ask struct {
	Fact   Fact
	Ticket incident.ID
}

// MessageRecord is a message with the record that holds it.
type MessageRecord struct {
	Version uint64
	At      time.Time
	Message incident.Message
}

// Facts are the answers to some asks. The zero Facts knows nothing. Its methods
// panic with an [*UnaskedError] when a fact was not asked for: that is a fault in
// the code of a rule, which a desk turns into an error of the command.
type Facts struct {
	tickets  map[Ask][]incident.Ticket
	messages map[Ask][]MessageRecord
}

// Know adds the answer to an ask: no ticket, one, or several in ascending order
// of ID.
func (f *Facts) Know(a Ask, tickets ...incident.Ticket) {
	if f.tickets == nil {
		f.tickets = map[Ask][]incident.Ticket{}
	}
	f.tickets[a] = tickets
}

// KnowMessages adds the answer to an ask for [FactMessages].
func (f *Facts) KnowMessages(a Ask, messages []MessageRecord) {
	if f.messages == nil {
		f.messages = map[Ask][]MessageRecord{}
	}
	f.messages[a] = messages
}

// Ticket returns a ticket; false if it does not exist.
func (f Facts) Ticket(id incident.ID) (incident.Ticket, bool) {
	return first(f.known(Ask{FactTicket, id}))
}

// Parents returns the incidents of a ticket.
func (f Facts) Parents(id incident.ID) []incident.Ticket { return f.known(Ask{FactParents, id}) }

// OpenChildren returns the children of an incident that are not inactive.
func (f Facts) OpenChildren(id incident.ID) []incident.Ticket {
	return f.known(Ask{FactOpenChildren, id})
}

// EarliestDue returns the child of an incident that is due first; false if no
// child that is not inactive has a due date.
func (f Facts) EarliestDue(id incident.ID) (incident.Ticket, bool) {
	return first(f.known(Ask{FactEarliestDue, id}))
}

// Messages returns the messages of a ticket, oldest first.
func (f Facts) Messages(id incident.ID) []MessageRecord {
	messages, ok := f.messages[Ask{FactMessages, id}]
	if !ok {
		panic(&UnaskedError{Ask{FactMessages, id}})
	}
	return messages
}

func (f Facts) known(a Ask) []incident.Ticket {
	tickets, ok := f.tickets[a]
	if !ok {
		panic(&UnaskedError{a})
	}
	return tickets
}

func first(tickets []incident.Ticket) (incident.Ticket, bool) {
	if len(tickets) == 0 {
		return incident.Ticket{}, false
	}
	return tickets[0], true
}
