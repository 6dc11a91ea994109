package incident

import (
	"encoding/json"
	"slices"
	"time"
)

// Vocabulary counts the released sets of event types: it grows when a type is
// added, because an older program cannot fold the new one.
const Vocabulary uint32 = 3

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
	From         ID                  `json:"from,omitempty"`   // the ticket that it was made from
	Quiet        bool                `json:"quiet,omitempty"`  // its requestors are not told of it by themselves
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
	Flags   []string      `json:"flags,omitempty"`   // "stranger", "bounce", "loop", "forged", "unopened" ...
	Trust   Trust         `json:"trust,omitempty"`   // how sure it is who wrote it
	Content MessageEntity `json:"-"`
	Blobs   []Digest      `json:"-"` // [0]: the raw message; then, of what was no mail, the attachments; of a mail of ours, what went out instead of [0]
}

// IsMail reports whether the first body of the message is a mail, as intake or the
// desk has written it down, with reasons or as sent. Otherwise it is text that a
// person typed, for a telephone call or a letter.
func (m Message) IsMail() bool { return m.Sent || len(m.Content.Why) > 0 }

// Trust says how sure it is that a message from outside comes from whom it names.
// See [Trust.Reaches] for the order.
type Trust string

// Degrees of trust.
const (
	TrustNone          Trust = ""              // a stranger, or nobody has looked
	TrustKnown         Trust = "known"         // it names a correspondent of the ticket, a contact or somebody of the team; the name may be forged
	TrustAuthenticated Trust = "authenticated" // and the mail system of that domain vouches for it
	TrustSigned        Trust = "signed"        // and a valid signature of that person is on it
)

// Trusts returns all degrees, the lowest first.
func Trusts() []Trust { return []Trust{TrustNone, TrustKnown, TrustAuthenticated, TrustSigned} }

// Reaches reports whether t is at least as high as least. A degree that does not
// exist reaches none but the lowest, and is reached by none.
func (t Trust) Reaches(least Trust) bool {
	have, want := slices.Index(Trusts(), t), slices.Index(Trusts(), least)
	return want >= 0 && max(have, 0) >= want
}

// Attachment is a file that came with what was no mail, or that goes with a mail
// of ours: its name and media type, and the place of its bytes.
type Attachment struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Size int    `json:"size"` // bytes
	Blob Digest `json:"blob"`
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
	Attachments  []Attachment `json:"attachments,omitempty"` // of what was no mail: a fax, a form
	Layers       []Layer      `json:"layers,omitempty"`      // what protected it when it came
	Authorship   []string     `json:"authorship,omitempty"`  // reasons for Trust
	Sealed       []SealedCopy `json:"sealed,omitempty"`      // of a mail of ours: who got it signed or encrypted
}

// Commented is a note for the team. Its text is Blobs[0].
type Commented struct {
	Content CommentedContent `json:"-"`
	Blobs   []Digest         `json:"-"`
}

// CommentedContent is the erasable part of [Commented].
type CommentedContent struct {
	Call *Call `json:"call,omitempty"` // the note is about this telephone call
}

// Call is a telephone call (JANET 3.15: record every call made or received).
type Call struct {
	Direction Direction `json:"direction"`
	Person    string    `json:"person,omitempty"`
	Number    string    `json:"number,omitempty"`
	Left      string    `json:"left,omitempty"` // the message that was left, if nobody was there
}

// Direction says who rang whom.
type Direction string

// Directions.
const (
	CallIn  Direction = "in"  // they rang us
	CallOut Direction = "out" // we rang them
)

// DueSet sets the due date, or unsets it when Due is nil. Child or Clock name
// what won, when a derivation or rule made it. With a Basis it also sets the
// clocks that run; without one these go on as they were.
type DueSet struct {
	Due   *time.Time `json:"due,omitempty"`
	Child ID         `json:"child,omitempty"`
	Clock string     `json:"clock,omitempty"`
	Basis *Basis     `json:"basis,omitempty"`

	// Pinned keeps the date of an incident as a person has set it, whatever its
	// children say, until a date without it is set.
	Pinned bool `json:"pinned,omitempty"`
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

// Overdue says that the due date of a ticket has passed while it was not inactive.
// There is one for each date at most. A sweep records it.
type Overdue struct {
	Due time.Time `json:"due"`
}

// Notified says that somebody of the team was told of something: To is the
// handler, or [Duty]; About says of what in a few words. Without Blobs nothing
// was sent, because no mailbox of theirs is known.
type Notified struct {
	To      Actor           `json:"to"`
	About   string          `json:"about"`
	Content NotifiedContent `json:"-"`
	Blobs   []Digest        `json:"-"` // [0]: the mail; then what went out instead
}

// NotifiedContent is the erasable part of [Notified].
type NotifiedContent struct {
	Party  Party        `json:"party,omitzero"` // whose mailbox it went to
	Sealed []SealedCopy `json:"sealed,omitempty"`
}

// Reacted says what came of something that is done outside because of a record: a
// reaction of the policy, by name. Why is for ever and names no person.
type Reacted struct {
	Reaction string   `json:"reaction"`
	Version  uint64   `json:"version"` // of the record of this ticket that woke it
	Attempt  int      `json:"attempt"` // 1, 2, 3 ...
	Outcome  Reaction `json:"outcome"`
	Why      string   `json:"why,omitempty"` // unless it is done
	Blobs    []Digest `json:"-"`             // [0]: what a program has written, or more on why
}

// Reaction is what became of an attempt at a reaction.
type Reaction string

// What becomes of an attempt.
const (
	ReactionDone    Reaction = "done"
	ReactionFailed  Reaction = "failed"   // it will be tried again
	ReactionGivenUp Reaction = "given-up" // it will not
)

// Settled says what a person has decided about outgoing mail of this ticket that
// waited for it.
type Settled struct {
	As    Settlement `json:"as"`
	Mails []Outgoing `json:"mails"`
}

// Settlement is what becomes of outgoing mail.
type Settlement string

// Settlements.
const (
	MailReleased Settlement = "released" // it is to be sent
	MailDropped  Settlement = "dropped"  // it is not sent
	MailArrived  Settlement = "arrived"  // somebody knows that it was taken
)

// Outgoing names an outgoing mail of a ticket: the version of the record that
// caused it, and the place of the recipient among those of the mail, from 0.
type Outgoing struct {
	Version uint64 `json:"version"`
	Number  int    `json:"number"`
}

// Undelivered says that an outgoing mail of this ticket has failed for one recipient, or
// that nobody can say whether it was taken; or what became of such a mail later.
type Undelivered struct {
	Version  uint64             `json:"version"`          // of the record of this ticket that sent it
	Number   int                `json:"number"`           // the recipient's place among those of the mail, from 0
	Notice   bool               `json:"notice,omitempty"` // it told somebody of the team of something
	Attempt  int                `json:"attempt"`          // 1, 2, 3 ...
	Outcome  Delivery           `json:"outcome"`
	Code     int                `json:"code,omitempty"`     // the answer of the mail host (RFC 5321 4.2); 0: none is known
	Enhanced string             `json:"enhanced,omitempty"` // that of RFC 3463
	Content  UndeliveredContent `json:"-"`
}

// UndeliveredContent is the erasable part of [Undelivered].
type UndeliveredContent struct {
	To  string `json:"to,omitempty"`  // the recipient
	Why string `json:"why,omitempty"` // what the mail host said, or what is known
}

// Delivery is what became of an outgoing mail that was not simply taken.
type Delivery string

// What becomes of such a mail.
const (
	MailFailed    Delivery = "failed"    // refused for good, or not taken so often that it is given up
	MailUncertain Delivery = "uncertain" // nobody can say whether it was taken; a person decides
	MailRepeated  Delivery = "repeated"  // nobody can say, and the policy has it sent again under the same Message-ID
	MailTaken     Delivery = "taken"     // it was taken after all
)

// Adopted says that a document is in force from now on. It stands in the history
// of the desk itself.
type Adopted struct {
	Document string   `json:"document"` // "policy"
	Name     string   `json:"name"`
	Version  uint32   `json:"version"` // 1, 2, 3 ... for each kind of document
	Blobs    []Digest `json:"-"`       // [0]: its bytes; [1], if there: a list of all documents that are in force then
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
