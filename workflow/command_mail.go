package workflow

import (
	"github.com/airtight-csirt/airtight/incident"
)

// Reply sends a mail to the requestors of a report, investigation or block, and
// to its copies (JANET 3.12). To, for this mail only, stands in the place of the
// requestors; where none of them is left in it, the mail answers nothing. Cc adds
// copies for this mail only. Subject defaults to that of the ticket.
type Reply struct {
	Ticket      incident.ID      `json:"ticket"`
	To          []incident.Party `json:"to,omitempty"`
	Subject     string           `json:"subject,omitempty"`
	Text        string           `json:"text"`
	Cc          []incident.Party `json:"cc,omitempty"`
	Attachments []File           `json:"attachments,omitempty"`
	Based       uint64           `json:"based,omitempty"`
}

// ReplyAll sends one mail for each child of an incident, each with its own subject
// tag (RTIR: Reply to Reporters, Reply to All). Children names them; otherwise
// they are those that are not inactive, of Kinds if it is not empty. A child that
// cannot be replied to is left out with a record that says why; if none can, the
// command is refused.
type ReplyAll struct {
	Ticket      incident.ID      `json:"ticket"`
	Kinds       []incident.Kind  `json:"kinds,omitempty"`
	Children    []incident.ID    `json:"children,omitempty"`
	Subject     string           `json:"subject,omitempty"`
	Text        string           `json:"text"`
	Cc          []incident.Party `json:"cc,omitempty"`
	Attachments []File           `json:"attachments,omitempty"`
}

// ReleaseMail sends outgoing mail of a ticket that waits for a person: parked,
// failed, uncertain or dropped. Without Version it is all that is parked or was
// dropped; without Number every recipient of the mail. The limits on automatic mail
// that had parked it begin to count anew; see [AutomaticMail].
type ReleaseMail struct {
	Ticket  incident.ID `json:"ticket"`
	Version uint64      `json:"version,omitempty"` // of the record that caused it
	Number  *int        `json:"number,omitempty"`  // of the recipient, from 0
}

// DropMail says that outgoing mail of a ticket is not sent, as long as no courier
// has it in hand. Without Version it is all that is queued or parked; without
// Number every recipient of the mail.
type DropMail ReleaseMail

// ConfirmMail says that outgoing mail of a ticket has arrived, of which nobody could say
// whether it was taken. Without Version it is all such mail; without Number every
// recipient of the mail.
type ConfirmMail ReleaseMail

// Inform mails people of a ticket, an incident too, beside the correspondence with its
// requestors: it answers nothing and moves no date (AIRT paper 4). A reaction gives it,
// with the mail in Blobs.
type Inform struct {
	Ticket incident.ID            `json:"ticket"`
	Entity incident.MessageEntity `json:"entity"`
	Blobs  []incident.Digest      `json:"blobs"` // [0]: the mail; then what goes out instead
}

// AutoReply answers the requestors of a ticket by itself (RFC 3834): nobody twice
// in one stretch of so many Hours, counted from 1970; 0: each time. It answers
// nothing in the sense of due dates. Text is what it says where the desk has no
// Template of that name, or one that it cannot fill in. Rules give it.
type AutoReply struct {
	Ticket   incident.ID `json:"ticket"`
	Text     string      `json:"text"`
	Template string      `json:"template,omitempty"`
	Hours    int         `json:"hours,omitempty"`
}

// ConcludeMail writes down that an outgoing mail was not simply taken. A courier gives it.
type ConcludeMail struct {
	Ticket  incident.ID          `json:"ticket"`
	Outcome incident.Undelivered `json:"outcome"`
	To      string               `json:"to"`            // the recipient
	Why     string               `json:"why,omitempty"` // what the mail host said, or what is known
}

func (Reply) Name() string        { return "reply" }
func (ReplyAll) Name() string     { return "reply-all" }
func (ReleaseMail) Name() string  { return "release-mail" }
func (DropMail) Name() string     { return "drop-mail" }
func (ConfirmMail) Name() string  { return "confirm-mail" }
func (AutoReply) Name() string    { return "auto-reply" }
func (Inform) Name() string       { return "inform" }
func (ConcludeMail) Name() string { return "conclude-mail" }

func (c Reply) Target() incident.ID        { return c.Ticket }
func (c ReplyAll) Target() incident.ID     { return c.Ticket }
func (c ReleaseMail) Target() incident.ID  { return c.Ticket }
func (c DropMail) Target() incident.ID     { return c.Ticket }
func (c ConfirmMail) Target() incident.ID  { return c.Ticket }
func (c AutoReply) Target() incident.ID    { return c.Ticket }
func (c Inform) Target() incident.ID       { return c.Ticket }
func (c ConcludeMail) Target() incident.ID { return c.Ticket }
