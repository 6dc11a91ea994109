package workflow

import (
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Command asks for something. Commands are values: hooks, scripts, previews and
// records of what was asked all live on that. The set is closed; [ParseCommand]
// and [MarshalCommand] are its JSON form. A command names the tickets that it is
// about by number, or by [incident.Nth] those that an earlier command of the same
// list opens.
//
// Commands that set what somebody has looked at have an argument Based: the version
// of the ticket that this person saw; 0: it is not asked. When what the command sets
// was changed since, before the present Do, it is a [*ChangedError]; whatever else
// was changed does not matter. A version that the ticket never had is an
// [*ArgumentError].
type Command interface {
	// Name is the word for the command in JSON and in records.
	Name() string
	// Target is the ticket that the command is about; 0 for [Open], and for what is
	// about the desk itself.
	Target() incident.ID

	asks(p *Policy, t incident.Ticket) []Ask
	decide(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error)
}

// Open makes a new ticket. Who opens a ticket by hand owns it; one that comes by
// mail belongs to nobody. Status, Priority and Via have defaults. Text becomes
// the first message: for a report what the reporter said, for an investigation
// or a block the mail to the requestors, for an incident a comment. Attachments
// go with it; an incident can have none.
//
// An investigation or block without a Subject takes that of its incident.
//
// From names a ticket to make this one from; what the command leaves out is taken
// from there: see [Policy.Prefill]. An incident becomes the parent of it.
//
// Quiet keeps rules from telling the requestors that it was opened (RTIR:
// SkipNotification).
//
// A block without requestors is asked of the policy's operations centre, with a
// request made of its observables and fields where there is no Text.
type Open struct {
	Kind         incident.Kind         `json:"kind"`
	Subject      string                `json:"subject,omitempty"`
	Status       incident.Status       `json:"status,omitempty"`
	State        incident.State        `json:"state,omitempty"`
	Priority     *int                  `json:"priority,omitempty"` // 0 to 100
	Constituency string                `json:"constituency,omitempty"`
	Parents      []incident.ID         `json:"parents,omitzero"` // none, but not left out: no incident
	Requestors   []incident.Party      `json:"requestors,omitempty"`
	Cc           []incident.Party      `json:"cc,omitempty"`
	Contacts     []incident.Party      `json:"contacts,omitempty"`
	ExternalIDs  []string              `json:"externalIDs,omitempty"`
	Observables  []incident.Observable `json:"observables,omitempty"`
	Fields       map[string][]string   `json:"fields,omitempty"`
	Via          string                `json:"via,omitempty"`
	From         incident.ID           `json:"from,omitempty"`
	Text         string                `json:"text,omitempty"`
	Attachments  []File                `json:"attachments,omitempty"`
	Quiet        bool                  `json:"quiet,omitempty"`

	Mail     *Mail          `json:"mail,omitempty"`     // set by intake: the mail that opens the ticket
	Observed *Observed      `json:"observed,omitempty"` // set by intake and import: what machines have reported
	Held     *incident.Held `json:"held,omitempty"`     // set by intake: a person must say where it belongs
}

// File is an attachment of a message: a scan of a letter, a piece of a log.
type File struct {
	Name    string `json:"name"`
	Type    string `json:"type,omitempty"` // media type; empty: application/octet-stream
	Content []byte `json:"content"`
}

// Mail is a received message as intake hands it to a command.
type Mail struct {
	Side    incident.Side          `json:"side"`
	Machine bool                   `json:"machine,omitempty"`
	Answers bool                   `json:"answers,omitempty"`
	When    *time.Time             `json:"when,omitempty"` // first received; nil: now
	Thread  string                 `json:"thread,omitempty"`
	Flags   []string               `json:"flags,omitempty"`
	Trust   incident.Trust         `json:"trust,omitempty"`
	Entity  incident.MessageEntity `json:"entity"`
	Blobs   []incident.Digest      `json:"blobs"` // [0]: the raw mail

	Deliveries []Delivery `json:"deliveries,omitempty"` // what it says, if it is a bounce
}

// Take makes the actor the owner of a ticket that nobody owns (JANET 3.5).
type Take struct {
	Ticket incident.ID `json:"ticket"`
}

// Steal makes the actor the owner of a ticket, whoever was (RT: Steal).
type Steal struct {
	Ticket incident.ID `json:"ticket"`
	Based  uint64      `json:"based,omitempty"`
}

// Release makes nobody the owner of a ticket that the actor owns.
type Release struct {
	Ticket incident.ID `json:"ticket"`
}

// Assign makes somebody the owner, whoever was; Nobody ("") is possible.
type Assign struct {
	Ticket incident.ID    `json:"ticket"`
	To     incident.Actor `json:"to"`
	Based  uint64         `json:"based,omitempty"`
}

// Attend says that the actor works on a ticket for some time, so that others leave
// it alone (JANET 3.18: only one person at a time works on any one ticket). It keeps
// nobody away: whoever else attends to or changes the ticket meanwhile is told. It
// ends by its time, with End, and when the ticket is closed or merged. Asked again it
// is renewed when less than half of the time is left, and makes no record before; it
// is never made shorter.
type Attend struct {
	Ticket  incident.ID `json:"ticket"`
	Minutes int         `json:"minutes,omitempty"` // 0: as [Policy.Attention] says
	End     bool        `json:"end,omitempty"`     // the actor works on it no more
}

// Move changes the status along the lifecycle.
type Move struct {
	Ticket incident.ID     `json:"ticket"`
	To     incident.Status `json:"to"`
	Based  uint64          `json:"based,omitempty"`
}

// Link makes a ticket the child of an incident (JANET 3.11). A ticket that may
// have one incident only leaves its old one.
type Link struct {
	Ticket incident.ID `json:"ticket"`
	Parent incident.ID `json:"parent"`
	Based  uint64      `json:"based,omitempty"`
}

// Unlink takes a link away.
type Unlink struct {
	Ticket incident.ID `json:"ticket"`
	Parent incident.ID `json:"parent"`
}

// Comment adds a note that never leaves the team. With Call it is the note of a
// telephone call (JANET 3.15), which needs no Text then.
type Comment struct {
	Ticket incident.ID    `json:"ticket"`
	Text   string         `json:"text,omitempty"`
	Call   *incident.Call `json:"call,omitempty"`
}

// Resolve closes a ticket as done (JANET 3.16). Everything but Ticket may be left
// out (RTIR: Quick Resolve). Comment is a note on it, Resolution the value of its
// field [FieldResolution]. Reply is mailed first: to the requestors of the ticket;
// for an incident to those of Children, or of all its children that are not
// inactive. What closing an incident does to its children the rules say.
type Resolve struct {
	Ticket     incident.ID   `json:"ticket"`
	Comment    string        `json:"comment,omitempty"`
	Resolution string        `json:"resolution,omitempty"`
	Reply      string        `json:"reply,omitempty"`
	Children   []incident.ID `json:"children,omitempty"`
	Based      uint64        `json:"based,omitempty"`
}

// Abandon gives an incident up, as Resolve closes it (JANET 3.16).
type Abandon Resolve

// Reject closes a report that is none of the team's business (JANET 3.6), and
// makes the actor its owner. Without Text nobody is told (Quick Reject). A ticket
// of somebody else is refused, unless Steal says otherwise.
type Reject struct {
	Ticket  incident.ID `json:"ticket"`
	Subject string      `json:"subject,omitempty"`
	Text    string      `json:"text,omitempty"`
	Steal   bool        `json:"steal,omitempty"`
	Based   uint64      `json:"based,omitempty"`
}

// Merge lets another ticket take this one over: one of the same kind, or an
// investigation a report. That one gets its people, observables, numbers,
// incidents and, if it is an incident, children; the number of this one leads to
// it from then on. Unmerge undoes it.
type Merge struct {
	Ticket incident.ID `json:"ticket"`
	Into   incident.ID `json:"into"`
}

// Unmerge undoes the merge of a ticket. It gets back the status that it had; the
// other one loses what the merge had added and nobody has changed since.
type Unmerge struct {
	Ticket incident.ID `json:"ticket"`
}

// Edit changes what has no command of its own; nil leaves as it is. Lists replace
// the ticket's lists, which an empty one clears; people can also be added and
// removed one by one. Clear names dates to unset: "due", "started", "wake". Wake is
// a reminder: when it has come, a sweep makes the ticket due. The due date of an
// incident follows from its children. Where the policy allows it, a person may set
// it all the same: it is pinned then, until it is cleared.
type Edit struct {
	Ticket       incident.ID         `json:"ticket"`
	Subject      *string             `json:"subject,omitempty"`
	Priority     *int                `json:"priority,omitempty"` // 0 to 100
	Constituency *string             `json:"constituency,omitempty"`
	State        *incident.State     `json:"state,omitempty"`
	Due          *time.Time          `json:"due,omitempty"`
	Wake         *time.Time          `json:"wake,omitempty"`
	Clear        []string            `json:"clear,omitempty"`
	Requestors   *[]incident.Party   `json:"requestors,omitempty"`
	Cc           *[]incident.Party   `json:"cc,omitempty"`
	Contacts     *[]incident.Party   `json:"contacts,omitempty"`
	ExternalIDs  *[]string           `json:"externalIDs,omitempty"`
	Fields       map[string][]string `json:"fields,omitempty"` // a field without values is removed

	AddRequestors     []incident.Party      `json:"addRequestors,omitempty"`
	RemoveRequestors  []incident.Party      `json:"removeRequestors,omitempty"` // by address
	AddCc             []incident.Party      `json:"addCc,omitempty"`
	RemoveCc          []incident.Party      `json:"removeCc,omitempty"`
	AddObservables    []incident.Observable `json:"addObservables,omitempty"`
	RemoveObservables []incident.Observable `json:"removeObservables,omitempty"`
	Based             uint64                `json:"based,omitempty"`
}

// Deliver says where a held report belongs. With To its message is appended to
// that ticket, into which the report is merged; when To is an incident the
// report is linked to it instead. Without To, As is "accepted" (an ordinary
// report) or "rejected".
type Deliver struct {
	Ticket incident.ID      `json:"ticket"`
	To     incident.ID      `json:"to,omitempty"`
	As     incident.Outcome `json:"as,omitempty"`
}

// Append adds a received mail to a ticket. Intake gives it, and the rule that
// delivers held reports, which names the report in From.
type Append struct {
	Ticket incident.ID `json:"ticket"`
	From   incident.ID `json:"from,omitempty"`
	Mail   Mail        `json:"mail"`
}

// ReceiveAgain notes that a mail of this ticket arrived once more. Intake gives
// it.
type ReceiveAgain struct {
	Ticket       incident.ID       `json:"ticket"`
	Same         string            `json:"same"` // "bytes" or "message"
	MessageID    string            `json:"messageID,omitempty"`
	EnvelopeFrom string            `json:"envelopeFrom,omitempty"`
	EnvelopeTo   []string          `json:"envelopeTo,omitempty"`
	Blobs        []incident.Digest `json:"blobs,omitempty"`
}

// Examine notes what came of opening a message of a ticket again. The desk gives it
// when somebody has asked for that.
type Examine struct {
	Ticket  incident.ID              `json:"ticket"`
	Message uint64                   `json:"message"` // version of its record
	Trust   incident.Trust           `json:"trust,omitempty"`
	Found   incident.ExaminedContent `json:"found"`

	Observed *Observed `json:"observed,omitempty"` // that machines report in it; nil: none do
}

// Close moves a child to a closed status because its incident Under was closed.
// It is refused while another active incident holds the child. Rules give it.
type Close struct {
	Ticket incident.ID     `json:"ticket"`
	Under  incident.ID     `json:"under"`
	To     incident.Status `json:"to"`
}

// Reopen moves a closed ticket to the first active status that it may move to.
type Reopen struct {
	Ticket incident.ID `json:"ticket"`
	Based  uint64      `json:"based,omitempty"`
}

// SetDue sets or unsets the due date of a child for a clock. Rules give it; a
// person uses [Edit].
type SetDue struct {
	Ticket incident.ID `json:"ticket"`
	Due    *time.Time  `json:"due,omitempty"`
	Clock  string      `json:"clock"`
}

// Restart sets Started of a ticket to now (JANET 3.15: reset each time the report
// is replied to). Rules give it.
type Restart struct {
	Ticket incident.ID `json:"ticket"`
}

// Notify tells somebody of the team about a ticket: a handler or [incident.Duty],
// if the desk knows a mailbox of theirs. Rules give it.
type Notify struct {
	Ticket incident.ID    `json:"ticket"`
	To     incident.Actor `json:"to"`
	About  string         `json:"about"`
}

// Conclude writes down what came of an attempt at a reaction. Output is what a program
// has written, or more on why. A reaction gives it.
type Conclude struct {
	Ticket   incident.ID       `json:"ticket"`
	Reaction string            `json:"reaction"`
	Version  uint64            `json:"version"` // of the record that woke it
	Attempt  int               `json:"attempt"`
	Outcome  incident.Reaction `json:"outcome"`
	Why      string            `json:"why,omitempty"`
	Output   string            `json:"output,omitempty"`
}

// Clocks that set due dates.
const (
	ClockUnanswered = "oldest unanswered message"
	ClockAnswered   = "answered"
	ClockReply      = "days after our reply"
	ClockSplit      = "as the ticket that it was made from"
	ClockHand       = "by hand"
	ClockReminder   = "reminder"
)

// Wake acts on a reminder that has come, and records the warnings and breaches
// that are due, and that a due date has passed. Sweeps give it.
type Wake struct {
	Ticket incident.ID `json:"ticket"`
}

// Names of the commands, in JSON and in records.
func (Open) Name() string         { return "open" }
func (Take) Name() string         { return "take" }
func (Steal) Name() string        { return "steal" }
func (Release) Name() string      { return "release" }
func (Assign) Name() string       { return "assign" }
func (Attend) Name() string       { return "attend" }
func (Move) Name() string         { return "move" }
func (Reopen) Name() string       { return "reopen" }
func (Resolve) Name() string      { return "resolve" }
func (Abandon) Name() string      { return "abandon" }
func (Reject) Name() string       { return "reject" }
func (Link) Name() string         { return "link" }
func (Unlink) Name() string       { return "unlink" }
func (Merge) Name() string        { return "merge" }
func (Unmerge) Name() string      { return "unmerge" }
func (Comment) Name() string      { return "comment" }
func (Edit) Name() string         { return "edit" }
func (Deliver) Name() string      { return "deliver" }
func (Accept) Name() string       { return "accept" }
func (Attach) Name() string       { return "attach" }
func (Group) Name() string        { return "group" }
func (Observe) Name() string      { return "observe" }
func (Append) Name() string       { return "append" }
func (ReceiveAgain) Name() string { return "receive-again" }
func (Examine) Name() string      { return "examine" }
func (Close) Name() string        { return "close" }
func (SetDue) Name() string       { return "set-due" }
func (Restart) Name() string      { return "restart" }
func (Notify) Name() string       { return "notify" }
func (Conclude) Name() string     { return "conclude" }
func (Wake) Name() string         { return "wake" }

// Targets of the commands.
func (Open) Target() incident.ID           { return incident.Desk }
func (c Take) Target() incident.ID         { return c.Ticket }
func (c Steal) Target() incident.ID        { return c.Ticket }
func (c Release) Target() incident.ID      { return c.Ticket }
func (c Assign) Target() incident.ID       { return c.Ticket }
func (c Attend) Target() incident.ID       { return c.Ticket }
func (c Move) Target() incident.ID         { return c.Ticket }
func (c Reopen) Target() incident.ID       { return c.Ticket }
func (c Resolve) Target() incident.ID      { return c.Ticket }
func (c Abandon) Target() incident.ID      { return c.Ticket }
func (c Reject) Target() incident.ID       { return c.Ticket }
func (c Link) Target() incident.ID         { return c.Ticket }
func (c Unlink) Target() incident.ID       { return c.Ticket }
func (c Merge) Target() incident.ID        { return c.Ticket }
func (c Unmerge) Target() incident.ID      { return c.Ticket }
func (c Comment) Target() incident.ID      { return c.Ticket }
func (c Edit) Target() incident.ID         { return c.Ticket }
func (c Deliver) Target() incident.ID      { return c.Ticket }
func (c Accept) Target() incident.ID       { return c.Ticket }
func (c Attach) Target() incident.ID       { return c.Ticket }
func (c Group) Target() incident.ID        { return c.Ticket }
func (c Observe) Target() incident.ID      { return c.Ticket }
func (c Append) Target() incident.ID       { return c.Ticket }
func (c ReceiveAgain) Target() incident.ID { return c.Ticket }
func (c Examine) Target() incident.ID      { return c.Ticket }
func (c Close) Target() incident.ID        { return c.Ticket }
func (c SetDue) Target() incident.ID       { return c.Ticket }
func (c Restart) Target() incident.ID      { return c.Ticket }
func (c Notify) Target() incident.ID       { return c.Ticket }
func (c Conclude) Target() incident.ID     { return c.Ticket }
func (c Wake) Target() incident.ID         { return c.Ticket }

// Commands returns a zero value of every command that people and programs give,
// in the order in which a list of them is shown.
func Commands() []Command {
	return []Command{
		Open{}, Take{}, Steal{}, Release{}, Assign{}, Attend{}, Move{}, Reopen{}, Resolve{}, Abandon{}, Reject{}, Link{}, Unlink{},
		Merge{}, Unmerge{}, Comment{}, Edit{}, Reply{}, ReplyAll{}, Resend{}, Deliver{}, Accept{}, Attach{}, Group{}, ReleaseMail{}, DropMail{}, ConfirmMail{}, ClearAddress{},
	}
}

// ByDesk reports whether only the desk itself gives a command: intake, a sweep,
// a rule or a reaction.
func ByDesk(c Command) bool {
	switch c := c.(type) {
	case Append, Observe, ReceiveAgain, Examine, Close, SetDue, Restart, Notify, AutoReply, Inform, Conclude, ConcludeMail, Wake, MarkAddress:
		return true
	case Open:
		return c.Mail != nil || c.Held != nil || c.Observed != nil
	case Accept:
		return c.Auto
	}
	return false
}

// all returns a zero value of every command.
func all() []Command {
	return append(Commands(), Append{}, Observe{}, ReceiveAgain{}, Examine{}, Close{}, SetDue{}, Restart{}, Notify{}, AutoReply{}, Inform{}, Conclude{}, ConcludeMail{}, Wake{}, MarkAddress{})
}
