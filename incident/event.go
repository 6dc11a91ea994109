package incident

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Vocabulary counts the released sets of event types: it grows when a type is
// added, because an older program cannot fold the new one.
const Vocabulary uint32 = 1

// Event is something that happened to one ticket. The set is closed: programs
// that embed Airtight add their own with [Custom]. In each type the field
// Content, and Blobs, hold what may be erased one day; everything else is kept
// for ever and must name no person.
type Event interface {
	// Type is the stable name under which the event is stored.
	Type() string

	content() any // erasable part, nil if the type has none
	blobs() []Digest
	apply(t *Ticket, at time.Time)
}

// Side says who wrote a message.
type Side string

// Sides.
const (
	Outside Side = "outside" // anybody who is not of the team
	Inside  Side = "inside"
)

// Opened is the first event of a ticket. Links that it is born with are part
// of it.
type Opened struct {
	Kind         Kind                `json:"kind"`
	Status       Status              `json:"status,omitempty"`
	Phase        Phase               `json:"phase,omitempty"`
	State        State               `json:"state,omitempty"`
	Owner        Actor               `json:"owner,omitempty"`
	Priority     int                 `json:"priority,omitempty"`
	Constituency string              `json:"constituency,omitempty"`
	Parents      []ID                `json:"parents,omitempty"`
	Via          string              `json:"via,omitempty"`
	Fields       map[string][]string `json:"fields,omitempty"` // those that the policy marks as not personal
	Content      OpenedContent       `json:"-"`
}

// OpenedContent is the erasable part of [Opened].
type OpenedContent struct {
	Subject     string              `json:"subject,omitempty"`
	Requestors  []Party             `json:"requestors,omitempty"`
	Cc          []Party             `json:"cc,omitempty"`
	Contacts    []Party             `json:"contacts,omitempty"`
	ExternalIDs []string            `json:"externalIDs,omitempty"`
	Observables []Observable        `json:"observables,omitempty"`
	Fields      map[string][]string `json:"fields,omitempty"`
}

// Moved is a change of status. Leaving the initial phase sets Started once;
// entering an inactive status sets Resolved each time.
type Moved struct {
	From  Status `json:"from"`
	To    Status `json:"to"`
	Phase Phase  `json:"phase"` // of To
}

// Owned is a change of owner.
type Owned struct {
	From Actor `json:"from,omitempty"`
	To   Actor `json:"to,omitempty"`
}

// Linked makes the ticket a child of an incident.
type Linked struct {
	Parent ID `json:"parent"`
}

// Unlinked takes a link away.
type Unlinked struct {
	Parent ID `json:"parent"`
}

// Edited changes what has no event of its own. Nil means unchanged. Clear names
// dates to unset: "started", "wake".
type Edited struct {
	Priority     *int                `json:"priority,omitempty"`
	Constituency *string             `json:"constituency,omitempty"`
	State        *State              `json:"state,omitempty"`
	Started      *time.Time          `json:"started,omitempty"`
	Wake         *time.Time          `json:"wake,omitempty"`
	Clear        []string            `json:"clear,omitempty"`
	Fields       map[string][]string `json:"fields,omitempty"` // a field without values is removed
	Content      EditedContent       `json:"-"`
}

// EditedContent is the erasable part of [Edited]. Lists replace the ticket's
// lists, but for the observables, which are given as a difference.
type EditedContent struct {
	Subject            *string             `json:"subject,omitempty"`
	Requestors         *[]Party            `json:"requestors,omitempty"`
	Cc                 *[]Party            `json:"cc,omitempty"`
	Contacts           *[]Party            `json:"contacts,omitempty"`
	ExternalIDs        *[]string           `json:"externalIDs,omitempty"`
	Observables        []Observable        `json:"observables,omitempty"` // added, or given another role
	RemovedObservables []Observable        `json:"removedObservables,omitempty"`
	Fields             map[string][]string `json:"fields,omitempty"`
}

// Message is a mail, or what stands for one (a telephone call, a form), in
// either direction. The fold keeps the time of the oldest message from outside
// that nobody has answered.
type Message struct {
	Side    Side          `json:"side"`
	Machine bool          `json:"machine,omitempty"` // bounce, vacation reply, list, loop: never answered, moves no date
	Sent    bool          `json:"sent,omitempty"`    // we wrote it; else we received it
	Answers bool          `json:"answers,omitempty"` // it answers whatever came from outside so far
	When    *time.Time    `json:"when,omitempty"`    // first received, when that was before this record
	Thread  string        `json:"thread,omitempty"`  // why it is on this ticket: tag, reply, new ...
	Flags   []string      `json:"flags,omitempty"`   // "stranger", "bounce", "loop" ...
	Content MessageEntity `json:"-"`
	Blobs   []Digest      `json:"-"` // [0]: the raw message
}

// MessageEntity is the erasable part of [Message]: its header as far as it
// matters, and what was noticed about it.
type MessageEntity struct {
	MessageID    string       `json:"messageID,omitempty"` // without angle brackets, as in InReplyTo and References
	InReplyTo    []string     `json:"inReplyTo,omitempty"`
	References   []string     `json:"references,omitempty"`
	From         Party        `json:"from,omitzero"`
	To           []Party      `json:"to,omitempty"`
	Cc           []Party      `json:"cc,omitempty"`
	Subject      string       `json:"subject,omitempty"`
	Date         *time.Time   `json:"date,omitempty"` // as its header says
	EnvelopeFrom string       `json:"envelopeFrom,omitempty"`
	EnvelopeTo   []string     `json:"envelopeTo,omitempty"`
	Observables  []Observable `json:"observables,omitempty"` // found in it; the fold adds them to the ticket
	Findings     []string     `json:"findings,omitempty"`    // what is wrong with it, for a reader
	Why          []string     `json:"why,omitempty"`         // reasons for ticket and flags
}

// Commented is a note for the team. Its text is Blobs[0].
type Commented struct {
	Blobs []Digest `json:"-"`
}

// DueSet sets the due date, or unsets it when Due is nil. Child or Clock name
// what won, when a derivation or rule made it. With a Basis it also sets the
// clocks that run; without one these go on as they were.
type DueSet struct {
	Due   *time.Time `json:"due,omitempty"`
	Child ID         `json:"child,omitempty"`
	Clock string     `json:"clock,omitempty"`
	Basis *Basis     `json:"basis,omitempty"`
}

// Basis says how a due date follows from a service agreement. Level and Why are
// always there; Clocks are those that run; the rest is about the clock that is
// due first, and empty while none runs. Intervals are in words. Where nothing is
// promised any more there is no Level.
type Basis struct {
	Level         string     `json:"level,omitempty"`
	Why           string     `json:"why"`             // this level
	Start         string     `json:"start,omitempty"` // the moment that the clock counts from: "unanswered", "created" ...
	From          *time.Time `json:"from,omitempty"`  // when that was
	Calendar      string     `json:"calendar,omitempty"`
	Zone          string     `json:"zone,omitempty"`     // of the calendar
	Agreed        string     `json:"agreed,omitempty"`   // how long it may take, as the level says
	Within        string     `json:"within,omitempty"`   // as it was counted
	Priority      int        `json:"priority,omitempty"` // that changed Agreed to Within; 0: none did
	OutOfHours    string     `json:"outOfHours,omitempty"`
	PausedSeconds int64      `json:"pausedSeconds,omitempty"` // real time between From and the due date that did not count, rounded down
	Clocks        []Clock    `json:"clocks,omitempty"`
}

// Clock is a deadline by a service agreement that a sweep watches.
type Clock struct {
	Name  string     `json:"name"`
	Level string     `json:"level"`
	From  time.Time  `json:"from"` // a clock that starts at another time is another run of it
	Due   time.Time  `json:"due"`  // too late is after it
	Warn  *time.Time `json:"warn,omitempty"`
}

// Warned says that the deadline of a clock is near. There is one for each
// deadline of a run of a clock at most.
type Warned struct {
	Clock string    `json:"clock"`
	Level string    `json:"level"`
	From  time.Time `json:"from"`
	Due   time.Time `json:"due"`
}

// Breached says that the deadline of a clock has passed while the clock ran.
// There is one for each deadline of a run of a clock at most.
type Breached struct {
	Clock string    `json:"clock"`
	Level string    `json:"level"`
	From  time.Time `json:"from"`
	Due   time.Time `json:"due"`
}

// Held says that a report waits for a person, who delivers it: Reason in one
// word, Candidates the tickets that it may belong to.
type Held struct {
	Reason     string `json:"reason"`
	Candidates []ID   `json:"candidates,omitempty"`
}

// Delivered ends being held. To is the ticket that took the report, if one did.
type Delivered struct {
	Outcome Outcome `json:"outcome"`
	To      ID      `json:"to,omitempty"`
}

// Outcome says what became of a held report.
type Outcome string

// Outcomes.
const (
	Appended Outcome = "appended" // its message went to another ticket, into which it is merged
	Attached Outcome = "attached" // it is an ordinary report, linked to an incident
	Accepted Outcome = "accepted" // it is an ordinary report
	Rejected Outcome = "rejected"
)

// Merged is written on both tickets of a merge: Into on the one that ends, From
// on the one that goes on.
type Merged struct {
	Into ID `json:"into,omitempty"`
	From ID `json:"from,omitempty"`
}

// ReceivedAgain says that a message of this ticket arrived once more. Blobs
// holds the second copy when its bytes differ from the first.
type ReceivedAgain struct {
	Same    string               `json:"same"` // "bytes", or "message": same Message-ID and fingerprint
	Content ReceivedAgainContent `json:"-"`
	Blobs   []Digest             `json:"-"`
}

// ReceivedAgainContent is the erasable part of [ReceivedAgain].
type ReceivedAgainContent struct {
	MessageID    string   `json:"messageID,omitempty"`
	EnvelopeFrom string   `json:"envelopeFrom,omitempty"`
	EnvelopeTo   []string `json:"envelopeTo,omitempty"`
}

// Skipped notes a rule's command that the policy refused. Why names no person.
type Skipped struct {
	Rule    string `json:"rule"`
	Command string `json:"command"`
	Why     string `json:"why"`
}

// Redacted announces that the content of an earlier record was replaced: From
// is that record's Digest, To the digest of its present content.
type Redacted struct {
	Version uint64 `json:"version"`
	From    Digest `json:"from"`
	To      Digest `json:"to"`
	Why     string `json:"why"`
}

// Custom is an event of the embedding program. The fold leaves the ticket as it
// is. Data is kept for ever, Content is erasable; both are JSON, stored in its
// compact form, or empty.
type Custom struct {
	Name    string          `json:"name"`
	Data    json.RawMessage `json:"data,omitempty"`
	Content json.RawMessage `json:"-"`
	Blobs   []Digest        `json:"-"`
}

// Unknown is an event of a type that this program does not know. Encoding it
// gives back what was decoded, byte for byte.
type Unknown struct {
	Name    string
	Data    json.RawMessage
	Content json.RawMessage
	Blobs   []Digest
}

// Type names, released for ever.
func (Opened) Type() string        { return "opened" }
func (Moved) Type() string         { return "moved" }
func (Owned) Type() string         { return "owned" }
func (Linked) Type() string        { return "linked" }
func (Unlinked) Type() string      { return "unlinked" }
func (Edited) Type() string        { return "edited" }
func (Message) Type() string       { return "message" }
func (Commented) Type() string     { return "commented" }
func (DueSet) Type() string        { return "due" }
func (Warned) Type() string        { return "warned" }
func (Breached) Type() string      { return "breached" }
func (Held) Type() string          { return "held" }
func (Delivered) Type() string     { return "delivered" }
func (Merged) Type() string        { return "merged" }
func (ReceivedAgain) Type() string { return "received-again" }
func (Skipped) Type() string       { return "skipped" }
func (Redacted) Type() string      { return "redacted" }
func (Custom) Type() string        { return "custom" }
func (e Unknown) Type() string     { return e.Name }

func (e Opened) content() any        { return e.Content }
func (Moved) content() any           { return nil }
func (Owned) content() any           { return nil }
func (Linked) content() any          { return nil }
func (Unlinked) content() any        { return nil }
func (e Edited) content() any        { return e.Content }
func (e Message) content() any       { return e.Content }
func (Commented) content() any       { return nil }
func (DueSet) content() any          { return nil }
func (Warned) content() any          { return nil }
func (Breached) content() any        { return nil }
func (Held) content() any            { return nil }
func (Delivered) content() any       { return nil }
func (Merged) content() any          { return nil }
func (e ReceivedAgain) content() any { return e.Content }
func (Skipped) content() any         { return nil }
func (Redacted) content() any        { return nil }
func (e Unknown) content() any       { return e.Content }

func (e Custom) content() any {
	if len(e.Content) == 0 {
		return nil
	}
	return e.Content
}

func (Opened) blobs() []Digest          { return nil }
func (Moved) blobs() []Digest           { return nil }
func (Owned) blobs() []Digest           { return nil }
func (Linked) blobs() []Digest          { return nil }
func (Unlinked) blobs() []Digest        { return nil }
func (Edited) blobs() []Digest          { return nil }
func (e Message) blobs() []Digest       { return e.Blobs }
func (e Commented) blobs() []Digest     { return e.Blobs }
func (DueSet) blobs() []Digest          { return nil }
func (Warned) blobs() []Digest          { return nil }
func (Breached) blobs() []Digest        { return nil }
func (Held) blobs() []Digest            { return nil }
func (Delivered) blobs() []Digest       { return nil }
func (Merged) blobs() []Digest          { return nil }
func (e ReceivedAgain) blobs() []Digest { return e.Blobs }
func (Skipped) blobs() []Digest         { return nil }
func (Redacted) blobs() []Digest        { return nil }
func (e Custom) blobs() []Digest        { return e.Blobs }
func (e Unknown) blobs() []Digest       { return e.Blobs }

// NearMiss says why a rule that a record woke did not fire. Why names no person.
type NearMiss struct {
	Rule string `json:"rule"`
	Why  string `json:"why"`
}

// Encode fills Type, Data, Content and Blobs of r from an event. Near misses,
// if there are any, become part of Data. It fails only on JSON that a program
// put into [Custom].
func (r *Record) Encode(ev Event, misses ...NearMiss) error {
	r.Type, r.Blobs = ev.Type(), ev.blobs()
	var err error
	if unknown, ok := ev.(Unknown); ok {
		r.Data, r.Content = unknown.Data, unknown.Content
		return nil
	}
	if r.Data, err = json.Marshal(ev); err != nil {
		return fmt.Errorf("incident: data of event %s: %w", r.Type, err)
	}
	if len(misses) > 0 {
		list, err := json.Marshal(misses)
		if err != nil {
			return fmt.Errorf("incident: near misses of event %s: %w", r.Type, err)
		}
		r.Data = r.Data[:len(r.Data)-1]
		if len(r.Data) > 1 {
			r.Data = append(r.Data, ',')
		}
		r.Data = append(append(append(r.Data, `"misses":`...), list...), '}')
	}
	r.Content = nil
	if c := ev.content(); c != nil {
		if r.Content, err = json.Marshal(c); err != nil {
			return fmt.Errorf("incident: content of event %s: %w", r.Type, err)
		}
	}
	return nil
}

// NearMisses returns the near misses that Encode put into the record.
func (r Record) NearMisses() []NearMiss {
	var data struct {
		Misses []NearMiss `json:"misses"`
	}
	if json.Unmarshal(r.Data, &data) != nil {
		return nil
	}
	return data.Misses
}

// ErrMalformed is returned by [Decode] for a record of a known type whose Data
// or Content is not what that type holds.
var ErrMalformed = errors.New("incident: malformed record")

// Decode returns the event of a record. An unknown type gives an [Unknown] and
// no error. Erased content gives an event with the zero Content.
func Decode(r Record) (Event, error) {
	switch r.Type {
	case "opened":
		return decode(r, func(e *Opened) any { return &e.Content })
	case "moved":
		return decode[Moved](r, nil)
	case "owned":
		return decode[Owned](r, nil)
	case "linked":
		return decode[Linked](r, nil)
	case "unlinked":
		return decode[Unlinked](r, nil)
	case "edited":
		return decode(r, func(e *Edited) any { return &e.Content })
	case "message":
		return decode(r, func(e *Message) any { e.Blobs = r.Blobs; return &e.Content })
	case "commented":
		return decode(r, func(e *Commented) any { e.Blobs = r.Blobs; return nil })
	case "due":
		return decode[DueSet](r, nil)
	case "warned":
		return decode[Warned](r, nil)
	case "breached":
		return decode[Breached](r, nil)
	case "held":
		return decode[Held](r, nil)
	case "delivered":
		return decode[Delivered](r, nil)
	case "merged":
		return decode[Merged](r, nil)
	case "received-again":
		return decode(r, func(e *ReceivedAgain) any { e.Blobs = r.Blobs; return &e.Content })
	case "skipped":
		return decode[Skipped](r, nil)
	case "redacted":
		return decode[Redacted](r, nil)
	case "custom":
		return decode(r, func(e *Custom) any { e.Content, e.Blobs = r.Content, r.Blobs; return nil })
	}
	return Unknown{Name: r.Type, Data: r.Data, Content: r.Content, Blobs: r.Blobs}, nil
}

// decode reads Data into an E and Content into what erasable points at in it.
func decode[E Event](r Record, erasable func(*E) any) (Event, error) {
	var ev E
	if err := json.Unmarshal(r.Data, &ev); err != nil {
		return ev, fmt.Errorf("%w: data of event %s: %w", ErrMalformed, r.Type, err)
	}
	if erasable == nil {
		return ev, nil
	}
	if into := erasable(&ev); into != nil && len(r.Content) > 0 {
		if err := json.Unmarshal(r.Content, into); err != nil {
			return ev, fmt.Errorf("%w: content of event %s: %w", ErrMalformed, r.Type, err)
		}
	}
	return ev, nil
}
