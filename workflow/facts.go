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
	FactTicket             Fact = "ticket"                 // the ticket itself
	FactParents            Fact = "parents"                // its incidents
	FactOpenChildren       Fact = "open children"          // its children that are not inactive, by ID
	FactEarliestDue        Fact = "earliest due"           // of its children that are not inactive and have a due date, the first one due; of several the one with the lowest ID
	FactMessages           Fact = "messages"               // its messages, oldest first
	FactAnswerable         Fact = "answerable"             // the newest of its messages that is [MessageRecord.Answerable], if there is one
	FactChildrenAnswerable Fact = "answerable of children" // FactAnswerable of each of its children that are not inactive
	FactSent               Fact = "sent"                   // the newest of its messages that one of us sent, with its text and files
	FactStatuses           Fact = "statuses"               // the statuses that it has had, oldest first
	FactChildren           Fact = "children"               // all its children, by ID
	FactTexts              Fact = "texts"                  // its messages that no machine wrote, oldest first, each with its text; of an incident the note that it was opened with
	FactNewestText         Fact = "newest text"            // the newest of its messages, with its text without quoted lines and footer
	FactSoleChildren       Fact = "sole children"          // its children that are not inactive and that no other active incident holds
	FactSince              Fact = "since"                  // its records behind Ask.Version, the newest first; without those of the present Do
	FactAsOf               Fact = "as of"                  // the ticket as it was at Ask.Version
	FactSetter             Fact = "setter"                 // the newest of its records that says something of the field Ask.Field, or the one that opened it
	FactNumber             Fact = "number"                 // a number for a new ticket
	FactObserved           Fact = "observed"               // the records of what machines have reported on it, oldest first
	FactNewestObserved     Fact = "newest observed"        // the newest of these
	FactReported           Fact = "reported"               // those of the ticket, and then of what was merged into it, a thousand tickets at most
	FactMerges             Fact = "merges"                 // the records of its messages and merges (merged, joined, unmerged), oldest first
	FactDefective          Fact = "defective"              // of the Address, and of no ticket: whether it is marked as defective
)

// Ask asks for a fact about a ticket.
type Ask struct {
	Fact    Fact
	Ticket  incident.ID
	Version uint64 // of the ticket, where the fact says so
	Field   string // likewise
	Address string // a mail address in lower case, where the fact is about one
}

// MessageRecord is a message with the record that holds it. Text is filled where
// the fact says so.
type MessageRecord struct {
	Version uint64
	At      time.Time
	Message incident.Message
	Text    string
	Files   []File // as Text
}

// Answerable reports whether a reply can name the message: a person wrote it, and
// it has a Message-ID.
func (m MessageRecord) Answerable() bool {
	return m.Message.Content.MessageID != "" && !m.Message.Machine
}

// StatusRecord is a status that a ticket took at some time.
type StatusRecord struct {
	At     time.Time
	Status incident.Status
	Phase  incident.Phase
}

// StatusesOf returns the statuses in the history of one ticket, oldest first.
func StatusesOf(history []incident.Record) []StatusRecord {
	var list []StatusRecord
	for _, r := range history {
		if s, ok := statusOf(r); ok {
			list = append(list, s)
		}
	}
	return list
}

// statusOf returns the status that a record gives its ticket, if it does.
func statusOf(r incident.Record) (StatusRecord, bool) {
	if r.Type != (incident.Opened{}).Type() && r.Type != (incident.Moved{}).Type() {
		return StatusRecord{}, false
	}
	switch ev, _ := incident.Decode(r); ev := ev.(type) {
	case incident.Opened:
		return StatusRecord{incident.Moment(r.At), ev.Status, ev.Phase}, true
	case incident.Moved:
		return StatusRecord{incident.Moment(r.At), ev.To, ev.Phase}, true
	}
	return StatusRecord{}, false
}

// SetsField reports whether a record says something of a field: that its ticket was
// opened with it, or was given it, or lost it.
func SetsField(r incident.Record, field string) bool {
	var kept, erasable map[string][]string
	switch ev, _ := incident.Decode(r); ev := ev.(type) {
	case incident.Opened:
		kept, erasable = ev.Fields, ev.Content.Fields
	case incident.Edited:
		kept, erasable = ev.Fields, ev.Content.Fields
	}
	_, one := kept[field]
	_, other := erasable[field]
	return one || other
}

// Facts are the answers to some asks. The zero Facts knows nothing. Its methods
// panic with an [*UnaskedError] when a fact was not asked for: that is a fault in
// the code of a rule, which a desk turns into an error of the command.
type Facts struct {
	tickets  map[Ask][]incident.Ticket
	messages map[Ask][]MessageRecord
	statuses map[Ask][]StatusRecord
	records  map[Ask][]incident.Record
	yes      map[Ask][]bool
}

// Know adds the answer to an ask: no ticket, one, or several in ascending order
// of ID.
func (f *Facts) Know(a Ask, tickets ...incident.Ticket) {
	if f.tickets == nil {
		f.tickets = map[Ask][]incident.Ticket{}
	}
	f.tickets[a] = tickets
}

// KnowMessages adds the answer to an ask for [FactMessages], [FactAnswerable],
// [FactSent], [FactTexts] or [FactNewestText].
func (f *Facts) KnowMessages(a Ask, messages []MessageRecord) {
	if f.messages == nil {
		f.messages = map[Ask][]MessageRecord{}
	}
	f.messages[a] = messages
}

// KnowStatuses adds the answer to an ask for [FactStatuses].
func (f *Facts) KnowStatuses(a Ask, statuses []StatusRecord) {
	if f.statuses == nil {
		f.statuses = map[Ask][]StatusRecord{}
	}
	f.statuses[a] = statuses
}

// KnowRecords adds the answer to an ask for [FactMerges], [FactSince], [FactSetter],
// [FactObserved], [FactNewestObserved] or [FactReported].
func (f *Facts) KnowRecords(a Ask, records []incident.Record) {
	if f.records == nil {
		f.records = map[Ask][]incident.Record{}
	}
	f.records[a] = records
}

// KnowDefective adds the answer to an ask for [FactDefective].
func (f *Facts) KnowDefective(a Ask, is bool) {
	if f.yes == nil {
		f.yes = map[Ask][]bool{}
	}
	f.yes[a] = []bool{is}
}

// Ticket returns a ticket; false if it does not exist.
func (f Facts) Ticket(id incident.ID) (incident.Ticket, bool) {
	return first(known(f.tickets, Ask{Fact: FactTicket, Ticket: id}))
}

// Parents returns the incidents of a ticket.
func (f Facts) Parents(id incident.ID) []incident.Ticket {
	return known(f.tickets, Ask{Fact: FactParents, Ticket: id})
}

// OpenChildren returns the children of an incident that are not inactive.
func (f Facts) OpenChildren(id incident.ID) []incident.Ticket {
	return known(f.tickets, Ask{Fact: FactOpenChildren, Ticket: id})
}

// Children returns all children of an incident.
func (f Facts) Children(id incident.ID) []incident.Ticket {
	return known(f.tickets, Ask{Fact: FactChildren, Ticket: id})
}

// SoleChildren returns the children of an incident that are not inactive and that
// no other active incident holds.
func (f Facts) SoleChildren(id incident.ID) []incident.Ticket {
	return known(f.tickets, Ask{Fact: FactSoleChildren, Ticket: id})
}

// EarliestDue returns the child of an incident that is due first; false if no
// child that is not inactive has a due date.
func (f Facts) EarliestDue(id incident.ID) (incident.Ticket, bool) {
	return first(known(f.tickets, Ask{Fact: FactEarliestDue, Ticket: id}))
}

// Messages returns the messages of a ticket, oldest first.
func (f Facts) Messages(id incident.ID) []MessageRecord {
	return known(f.messages, Ask{Fact: FactMessages, Ticket: id})
}

// Answerable returns the message of a ticket that a reply answers; false if it
// has none.
func (f Facts) Answerable(id incident.ID) (MessageRecord, bool) {
	return first(known(f.messages, Ask{Fact: FactAnswerable, Ticket: id}))
}

// Sent returns the newest message of a ticket that we sent; false if there is none.
func (f Facts) Sent(id incident.ID) (MessageRecord, bool) {
	return first(known(f.messages, Ask{Fact: FactSent, Ticket: id}))
}

// Statuses returns the statuses that a ticket has had, oldest first.
func (f Facts) Statuses(id incident.ID) []StatusRecord {
	return known(f.statuses, Ask{Fact: FactStatuses, Ticket: id})
}

// Texts returns the messages of a ticket with their texts, oldest first.
func (f Facts) Texts(id incident.ID) []MessageRecord {
	return known(f.messages, Ask{Fact: FactTexts, Ticket: id})
}

// NewestText returns the newest message of a ticket with what its writer wrote;
// false if it has none.
func (f Facts) NewestText(id incident.ID) (MessageRecord, bool) {
	return first(known(f.messages, Ask{Fact: FactNewestText, Ticket: id}))
}

// Defective reports whether an address is marked as defective.
func (f Facts) Defective(address string) bool {
	return known(f.yes, askDefective(address)[0])[0]
}

// Merges returns the records of the messages and merges of a ticket, oldest first.
func (f Facts) Merges(id incident.ID) []incident.Record {
	return known(f.records, Ask{Fact: FactMerges, Ticket: id})
}

// Number returns the number for a new ticket that is made of another one.
func (f Facts) Number(id incident.ID) incident.ID {
	t, _ := first(known(f.tickets, Ask{Fact: FactNumber, Ticket: id}))
	return t.ID
}

// Reported returns the records of what machines have reported on a ticket, and then on
// what was merged into it, those of each ticket oldest first.
func (f Facts) Reported(id incident.ID) []incident.Record {
	return known(f.records, Ask{Fact: FactReported, Ticket: id})
}

// Since returns the records of a ticket behind a version, the newest first, but for
// those of the present Do.
func (f Facts) Since(id incident.ID, version uint64) []incident.Record {
	return known(f.records, Ask{Fact: FactSince, Ticket: id, Version: version})
}

// AsOf returns a ticket as it was at a version; false if it did not exist.
func (f Facts) AsOf(id incident.ID, version uint64) (incident.Ticket, bool) {
	return first(known(f.tickets, Ask{Fact: FactAsOf, Ticket: id, Version: version}))
}

// Setter returns the newest record of a ticket that says something of a field, or
// the one that opened it; false if it does not exist.
func (f Facts) Setter(id incident.ID, field string) (incident.Record, bool) {
	return first(known(f.records, Ask{Fact: FactSetter, Ticket: id, Field: field}))
}

func known[T any](facts map[Ask][]T, a Ask) []T {
	answer, ok := facts[a]
	if !ok {
		panic(&UnaskedError{a})
	}
	return answer
}

func first[T any](list []T) (none T, ok bool) {
	if len(list) == 0 {
		return none, false
	}
	return list[0], true
}
