package workflow

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Command asks for something. Commands are values: hooks, scripts, previews and
// records of what was asked all live on that. The set is closed; [ParseCommand]
// and [MarshalCommand] are its JSON form. A command names the tickets that it is
// about by number, or by [incident.Nth] those that an earlier command of the same
// list opens.
type Command interface {
	// Name is the word for the command in JSON and in records.
	Name() string
	// Target is the ticket that the command is about; 0 for [Open].
	Target() incident.ID

	asks(p *Policy, t incident.Ticket) []Ask
	decide(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error)
}

// Open makes a new ticket. Who opens a ticket by hand owns it; one that comes by
// mail belongs to nobody. Status, Priority and Via have defaults. Text becomes
// the first message: for a report what the reporter said, for an investigation
// or a block the mail to the requestors, for an incident a comment.
type Open struct {
	Kind         incident.Kind         `json:"kind"`
	Subject      string                `json:"subject,omitempty"`
	Status       incident.Status       `json:"status,omitempty"`
	State        incident.State        `json:"state,omitempty"`
	Priority     *int                  `json:"priority,omitempty"` // 0 to 100
	Constituency string                `json:"constituency,omitempty"`
	Parents      []incident.ID         `json:"parents,omitempty"`
	Requestors   []incident.Party      `json:"requestors,omitempty"`
	Cc           []incident.Party      `json:"cc,omitempty"`
	Contacts     []incident.Party      `json:"contacts,omitempty"`
	ExternalIDs  []string              `json:"externalIDs,omitempty"`
	Observables  []incident.Observable `json:"observables,omitempty"`
	Fields       map[string][]string   `json:"fields,omitempty"`
	Via          string                `json:"via,omitempty"`
	Text         string                `json:"text,omitempty"`

	Mail *Mail          `json:"mail,omitempty"` // set by intake: the mail that opens the ticket
	Held *incident.Held `json:"held,omitempty"` // set by intake: a person must say where it belongs
}

// Mail is a received message as intake hands it to a command.
type Mail struct {
	Side    incident.Side          `json:"side"`
	Machine bool                   `json:"machine,omitempty"`
	Answers bool                   `json:"answers,omitempty"`
	When    *time.Time             `json:"when,omitempty"` // first received; nil: now
	Thread  string                 `json:"thread,omitempty"`
	Flags   []string               `json:"flags,omitempty"`
	Entity  incident.MessageEntity `json:"entity"`
	Blobs   []incident.Digest      `json:"blobs"` // [0]: the raw mail
}

// Take makes the actor the owner of a ticket that nobody owns (JANET 3.5).
type Take struct {
	Ticket incident.ID `json:"ticket"`
}

// Release makes nobody the owner of a ticket that the actor owns.
type Release struct {
	Ticket incident.ID `json:"ticket"`
}

// Assign makes somebody the owner, whoever was; Nobody ("") is possible.
type Assign struct {
	Ticket incident.ID    `json:"ticket"`
	To     incident.Actor `json:"to"`
}

// Move changes the status along the lifecycle.
type Move struct {
	Ticket incident.ID     `json:"ticket"`
	To     incident.Status `json:"to"`
}

// Link makes a ticket the child of an incident (JANET 3.11). A ticket that may
// have one incident only leaves its old one.
type Link struct {
	Ticket incident.ID `json:"ticket"`
	Parent incident.ID `json:"parent"`
}

// Unlink takes a link away.
type Unlink struct {
	Ticket incident.ID `json:"ticket"`
	Parent incident.ID `json:"parent"`
}

// Comment adds a note that never leaves the team.
type Comment struct {
	Ticket incident.ID `json:"ticket"`
	Text   string      `json:"text"`
}

// Edit changes what has no command of its own; nil leaves as it is. Lists replace
// the ticket's lists, which an empty one clears. Clear names dates to unset: "due",
// "started", "wake". Wake is a reminder: when it has come, a sweep makes the ticket
// due. The due date of an incident follows from its children, so that neither date
// of it can be edited.
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

	AddObservables    []incident.Observable `json:"addObservables,omitempty"`
	RemoveObservables []incident.Observable `json:"removeObservables,omitempty"`
}

// Reply sends a mail to the requestors of a report, investigation or block, and
// to its copies (JANET 3.12). Cc adds copies for this mail only. Subject defaults
// to that of the ticket.
type Reply struct {
	Ticket  incident.ID      `json:"ticket"`
	Subject string           `json:"subject,omitempty"`
	Text    string           `json:"text"`
	Cc      []incident.Party `json:"cc,omitempty"`
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
}

// SetDue sets or unsets the due date of a child for a clock. Rules give it; a
// person uses [Edit].
type SetDue struct {
	Ticket incident.ID `json:"ticket"`
	Due    *time.Time  `json:"due,omitempty"`
	Clock  string      `json:"clock"`
}

// Clocks that set due dates.
const (
	ClockUnanswered = "oldest unanswered message"
	ClockAnswered   = "answered"
	ClockHand       = "by hand"
	ClockReminder   = "reminder"
)

// Wake acts on a reminder that has come, and records the warnings and breaches
// that are due. Sweeps give it.
type Wake struct {
	Ticket incident.ID `json:"ticket"`
}

// Names of the commands, in JSON and in records.
func (Open) Name() string         { return "open" }
func (Take) Name() string         { return "take" }
func (Release) Name() string      { return "release" }
func (Assign) Name() string       { return "assign" }
func (Move) Name() string         { return "move" }
func (Link) Name() string         { return "link" }
func (Unlink) Name() string       { return "unlink" }
func (Comment) Name() string      { return "comment" }
func (Edit) Name() string         { return "edit" }
func (Reply) Name() string        { return "reply" }
func (Deliver) Name() string      { return "deliver" }
func (Append) Name() string       { return "append" }
func (ReceiveAgain) Name() string { return "receive-again" }
func (Close) Name() string        { return "close" }
func (Reopen) Name() string       { return "reopen" }
func (SetDue) Name() string       { return "set-due" }
func (Wake) Name() string         { return "wake" }

// Targets of the commands.
func (Open) Target() incident.ID           { return incident.Desk }
func (c Take) Target() incident.ID         { return c.Ticket }
func (c Release) Target() incident.ID      { return c.Ticket }
func (c Assign) Target() incident.ID       { return c.Ticket }
func (c Move) Target() incident.ID         { return c.Ticket }
func (c Link) Target() incident.ID         { return c.Ticket }
func (c Unlink) Target() incident.ID       { return c.Ticket }
func (c Comment) Target() incident.ID      { return c.Ticket }
func (c Edit) Target() incident.ID         { return c.Ticket }
func (c Reply) Target() incident.ID        { return c.Ticket }
func (c Deliver) Target() incident.ID      { return c.Ticket }
func (c Append) Target() incident.ID       { return c.Ticket }
func (c ReceiveAgain) Target() incident.ID { return c.Ticket }
func (c Close) Target() incident.ID        { return c.Ticket }
func (c Reopen) Target() incident.ID       { return c.Ticket }
func (c SetDue) Target() incident.ID       { return c.Ticket }
func (c Wake) Target() incident.ID         { return c.Ticket }

// Commands returns a zero value of every command that people and programs give,
// in the order in which a list of them is shown.
func Commands() []Command {
	return []Command{
		Open{}, Take{}, Release{}, Assign{}, Move{}, Reopen{}, Link{}, Unlink{}, Comment{}, Edit{}, Reply{}, Deliver{},
	}
}

// ByDesk reports whether only the desk itself gives a command: intake, a sweep
// or a rule.
func ByDesk(c Command) bool {
	switch c := c.(type) {
	case Append, ReceiveAgain, Close, SetDue, Wake:
		return true
	case Open:
		return c.Mail != nil || c.Held != nil
	}
	return false
}

// all returns a zero value of every command.
func all() []Command {
	return append(Commands(), Append{}, ReceiveAgain{}, Close{}, SetDue{}, Wake{})
}

// MarshalCommand returns the JSON form of a command: its fields and its name
// under "command".
func MarshalCommand(c Command) ([]byte, error) {
	if edit, ok := c.(Edit); ok {
		c = edit.withoutNull()
	}
	fields, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	head := fmt.Appendf(nil, `{"command":%q`, c.Name())
	if len(fields) > 2 {
		head = append(head, ',')
	}
	return append(head, fields[1:]...), nil
}

// withoutNull makes lists that are to be emptied empty rather than nil, which
// would be null in JSON and mean "leave it".
func (c Edit) withoutNull() Edit {
	for _, list := range []**[]incident.Party{&c.Requestors, &c.Cc, &c.Contacts} {
		if *list != nil && **list == nil {
			*list = &[]incident.Party{}
		}
	}
	if c.ExternalIDs != nil && *c.ExternalIDs == nil {
		c.ExternalIDs = &[]string{}
	}
	return c
}

// ParseCommand reads the JSON form of a command. An unknown command or argument
// is an [*ArgumentError] that says which there are.
func ParseCommand(data []byte) (Command, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, &ArgumentError{"a command", "text", shorten(data), `a JSON object like {"command":"take","ticket":7}`}
	}
	var name string
	_ = json.Unmarshal(members["command"], &name)
	known := all()
	i := slices.IndexFunc(known, func(c Command) bool { return c.Name() == name })
	if i < 0 {
		var names []string
		for _, c := range Commands() {
			names = append(names, c.Name())
		}
		return nil, &ArgumentError{"a command", "command", name, strings.Join(names, ", ")}
	}
	shape := reflect.TypeOf(known[i])
	allowed := argumentNames(shape)
	delete(members, "command")
	for argument := range members {
		if !slices.Contains(allowed, argument) {
			return nil, &ArgumentError{name, "argument", argument, strings.Join(allowed, ", ")}
		}
	}
	value := reflect.New(shape).Elem()
	for i, argument := range allowed {
		given, ok := members[argument]
		if !ok {
			continue
		}
		field := value.Field(i)
		if err := json.Unmarshal(given, field.Addr().Interface()); err != nil {
			return nil, &ArgumentError{name, argument, shorten(given), form(field.Type())}
		}
	}
	return value.Interface().(Command), nil
}

// shorten makes text fit for an error.
func shorten(text []byte) string {
	const most = 100
	if len(text) <= most {
		return incident.Clean(string(text))
	}
	return incident.Clean(string(text[:most])) + " ..."
}

// form says in words what JSON an argument of a type is written as.
func form(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[incident.ID]():
		return `the number of a ticket, or "$1", "$2" ... for those that earlier commands open`
	case reflect.TypeFor[time.Time]():
		return `a time like "2026-03-02T09:00:00Z"`
	case reflect.TypeFor[[]incident.Party]():
		return `a list like [{"name":"Bob","address":"bob@example.org"}]`
	case reflect.TypeFor[[]incident.Observable]():
		return `a list like [{"kind":"address","value":"192.0.2.7","role":"source"}]`
	case reflect.TypeFor[map[string][]string]():
		return `an object like {"field":["value"]}`
	}
	switch t.Kind() {
	case reflect.Int:
		return "a whole number"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

func argumentNames(shape reflect.Type) []string {
	var names []string
	for i := range shape.NumField() {
		name, _, _ := strings.Cut(shape.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// Bind returns the command with every placeholder ([incident.Nth]) replaced by
// the ticket that was opened at that place. A number beyond the list is an
// [*ArgumentError], and so is nil or a pointer in place of a command.
func Bind(c Command, opened []incident.ID) (Command, error) {
	if shape := reflect.TypeOf(c); shape == nil || shape.Kind() == reflect.Pointer {
		return nil, &ArgumentError{"a command", "type", fmt.Sprintf("%T", c), "a value like workflow.Take{Ticket: 7}, no pointer"}
	}
	var failed error
	bind := func(id incident.ID) incident.ID {
		n, ok := id.Placeholder()
		if !ok {
			return id
		}
		if n < 1 || n > len(opened) {
			allowed := "a number: no earlier command of the list opens a ticket"
			if len(opened) > 0 {
				allowed = fmt.Sprintf("a number, or $1 to $%d for the tickets that earlier commands of the list open", len(opened))
			}
			failed = &ArgumentError{c.Name(), "ticket", id.String(), allowed}
			return id
		}
		return opened[n-1]
	}
	value := reflect.New(reflect.TypeOf(c)).Elem()
	value.Set(reflect.ValueOf(c))
	for i := range value.NumField() {
		switch field := value.Field(i).Interface().(type) {
		case incident.ID:
			value.Field(i).Set(reflect.ValueOf(bind(field)))
		case []incident.ID:
			bound := slices.Clone(field)
			for j := range bound {
				bound[j] = bind(bound[j])
			}
			value.Field(i).Set(reflect.ValueOf(bound))
		}
	}
	return value.Interface().(Command), failed
}
