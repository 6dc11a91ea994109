package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// document is a ticket with everything that is kept about it.
type document struct {
	Ticket    incident.Ticket    `json:"ticket"`
	History   []entry            `json:"history"`
	Hidden    int                `json:"hidden,omitempty"` // records that are left out
	Outgoing  []storage.Outgoing `json:"outgoing,omitempty"`
	Defective []string           `json:"defective,omitempty"` // addresses to which mail comes back
	Chasing   workflow.Chasing   `json:"chasing,omitzero"`

	bodies map[uint64][]byte          // of messages, comments and reactions, by version
	files  map[uint64][]incident.Part // of messages that were no mail, by version
}

// entry is one record and what it says.
type entry struct {
	Record incident.Record `json:"record"`
	Event  incident.Event  `json:"event"` // without what may be erased, which is the record's content
	What   string          `json:"what"`
}

func show(c *call, flags *flag.FlagSet) action {
	attachment := flags.Int("attachment", 0, "write attachment `number` to standard output, as it was sent")
	raw := flags.Uint64("raw", 0, "write the mail or comment of record `version` to standard output, as it came")
	return c.about(func(ctx context.Context, w *workplace, id incident.ID, _ []string) error {
		if *raw > 0 {
			body, err := w.body(ctx, id, *raw)
			if errors.Is(err, desk.ErrNoBody) {
				return fmt.Errorf("record %d of ticket %s has no text: desk show %s names the records that have one", *raw, id, id)
			}
			if err == nil {
				_, err = c.stdout.Write(body)
			}
			return err
		}
		doc, err := w.document(ctx, id, teller{c.zone})
		if err != nil {
			return err
		}
		switch {
		case *attachment != 0:
			all := doc.attachments()
			if *attachment < 1 || *attachment > len(all) {
				return fmt.Errorf("ticket %s has no attachment %d: allowed are %s", id, *attachment, upTo(len(all)))
			}
			_, err = c.stdout.Write(all[*attachment-1].Content)
			return err
		case c.json:
			return c.printJSON(doc)
		}
		return c.document(doc)
	})
}

func upTo(n int) string {
	if n == 0 {
		return "none, there is no attachment"
	}
	return fmt.Sprintf("1 to %d", n)
}

// document gathers what is kept about a ticket.
func (w *workplace) document(ctx context.Context, id incident.ID, tell teller) (*document, error) {
	var doc document
	var err error
	if doc.Ticket, err = w.me.Ticket(ctx, id); err != nil {
		return nil, err
	}
	history, err := w.me.History(ctx, id)
	if err != nil {
		return nil, err
	}
	doc.Hidden = history.Hidden
	doc.bodies, doc.files = map[uint64][]byte{}, map[uint64][]incident.Part{}
	for _, r := range history.Records {
		event, err := incident.Decode(r)
		if err != nil {
			return nil, err
		}
		doc.History = append(doc.History, entry{r, event, tell.record(r)})
		switch event.(type) {
		case incident.Message, incident.Commented, incident.Reacted:
			body, err := w.text(ctx, id, r.Version, event)
			if err != nil && !errors.Is(err, desk.ErrNoBody) {
				return nil, err
			}
			if _, reacted := event.(incident.Reacted); !reacted || len(body) > 0 {
				doc.bodies[r.Version] = body
			}
		}
		if m, ok := event.(incident.Message); ok {
			for i, file := range m.Content.Attachments {
				content, err := w.me.Attachment(ctx, id, r.Version, i+1)
				if err != nil {
					return nil, err
				}
				doc.files[r.Version] = append(doc.files[r.Version], incident.Part{Name: file.Name, Type: file.Type, Content: content})
			}
		}
	}
	if doc.Outgoing, err = w.me.Outgoing(ctx, id); err != nil {
		return nil, err
	}
	if doc.Defective, err = w.me.Defective(ctx, id); err != nil {
		return nil, err
	}
	doc.Chasing, err = w.me.Chasing(ctx, id)
	return &doc, err
}

// text returns what there is to read of a record: of a mail without what protected
// it, if it can be opened now.
func (w *workplace) text(ctx context.Context, id incident.ID, version uint64, event incident.Event) ([]byte, error) {
	if m, ok := event.(incident.Message); ok && m.IsMail() {
		if opened, err := w.me.Opened(ctx, id, version); err == nil {
			return opened.Mail, nil
		}
	}
	return w.body(ctx, id, version)
}

// body returns the text of a record as it came.
func (w *workplace) body(ctx context.Context, id incident.ID, version uint64) ([]byte, error) {
	body, err := w.me.Body(ctx, id, version)
	var absent *workflow.NoTicketError
	if errors.Is(err, storage.ErrNotFound) && !errors.As(err, &absent) {
		return nil, fmt.Errorf("the text of %s is not in the database: name the directory for large mail by --blobs, and let desk verify look", place(id, version))
	}
	return body, err
}

func (d *document) records() []incident.Record {
	var records []incident.Record
	for _, e := range d.History {
		records = append(records, e.Record)
	}
	return records
}

// reading is what a body says: text to read, and files.
type reading struct {
	text        string
	attachments []incident.Part
}

// read takes the body of a record apart.
func (d *document) read(e entry) reading {
	body := d.bodies[e.Record.Version]
	m, isMessage := e.Event.(incident.Message)
	if !isMessage || !m.IsMail() {
		return reading{string(body), d.files[e.Record.Version]}
	}
	parsed, _ := mail.Parse(body, mail.Limits{Bytes: mailLimit}) // its defects stand in the record
	return reading{parsed.Text, files(parsed.Parts)}
}

// files returns the parts that are no text of the mail itself. An attached mail
// is one file, whatever is in it.
func files(parts []incident.Part) []incident.Part {
	var found []incident.Part
	inside := -1 // depth of the attached mail that we are in
	for _, part := range parts {
		if inside >= 0 && part.Depth > inside {
			continue
		}
		inside = -1
		if part.Type == "message/rfc822" || part.Type == "message/global" {
			inside = part.Depth
		}
		text := part.Type == "text/plain" || part.Type == "text/html"
		if !text || part.Name != "" || part.Disposition == "attachment" {
			found = append(found, part)
		}
	}
	return found
}

// attachments returns those of all messages, in order: their places are their
// numbers.
func (d *document) attachments() []incident.Part {
	var all []incident.Part
	for _, e := range d.History {
		all = append(all, d.read(e).attachments...)
	}
	return all
}

// document prints a ticket for a person.
func (c *call) document(d *document) error {
	tell := teller{c.zone}
	t := d.Ticket
	line := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" && text != "-" {
			fmt.Fprintf(c.stdout, "%-14s %s\n", name, text)
		}
	}
	due := tell.date(t.Due)
	if t.Overdue(c.now()) {
		due += " OVERDUE"
	}
	line("ticket", "#%s, %s, version %d", t.ID, t.Kind, t.Version)
	line("subject", "%s", printable(t.Subject))
	line("status", "%s (%s)", t.Status, t.Phase)
	line("state", "%s", printable(string(t.State)))
	line("owner", "%s", actor(t.Owner))
	line("at work", "%s", tell.atWork("", t.Attending(c.now())))
	line("priority", "%d", t.Priority)
	line("due", "%s", due)
	line("reminder", "%s", tell.date(t.Wake))
	line("incident", "%s", tickets(t.Parents))
	line("held", "%s", strings.TrimSuffix(strings.TrimPrefix(held(t), "HELD "), ": "))
	if t.MergedInto != 0 {
		line("merged into", "#%s", t.MergedInto)
	}
	line("merged from", "%s", tickets(t.MergedFrom))
	line("requestors", "%s", people(t.Requestors))
	line("copies", "%s", people(t.Cc))
	line("contacts", "%s", people(t.Contacts))
	line("defective", "%s", printable(strings.Join(d.Defective, ", ")))
	line("constituency", "%s", printable(t.Constituency))
	line("other numbers", "%s", printable(strings.Join(t.ExternalIDs, ", ")))
	for _, name := range sortedKeys(t.Fields) {
		line(printable(name), "%s", printable(strings.Join(t.Fields[name], ", ")))
	}
	var seen []string
	for _, o := range t.Observables {
		seen = append(seen, o.Value)
	}
	line("observables", "%s", printable(strings.Join(seen, ", ")))
	line("created", "%s", tell.when(t.Created))
	line("started", "%s", tell.date(t.Started))
	line("resolved", "%s", tell.date(t.Resolved))
	line("unanswered", "%s", tell.date(t.OldestUnanswered))
	if n := d.Chasing; n.Timeouts > 0 || n.Resent > 0 {
		line("waited", "%d due dates passed without an answer, sent again %d times", n.Timeouts, n.Resent)
	}

	fmt.Fprintf(c.stdout, "\nHistory\n")
	if err := tell.timeline(c.stdout, d.records()); err != nil {
		return err
	}
	c.hidden(d.Hidden)
	c.texts(d)
	heading := "\nOutgoing mail\n"
	for _, o := range d.Outgoing {
		if o.Reaction != "" {
			continue
		}
		fmt.Fprint(c.stdout, heading)
		heading = ""
		fmt.Fprintf(c.stdout, "  %s to %s: %s", place(o.Ticket, o.Version), printable(o.To), o.Status)
		c.tries(o)
	}
	c.reactions(d.Outgoing)
	return nil
}

// texts prints what messages and comments say.
func (c *call) texts(d *document) {
	number := 0
	for _, e := range d.History {
		if examined, ok := e.Event.(incident.Examined); ok {
			fmt.Fprintf(c.stdout, "\n%s %s\n", place(e.Record.Ticket, e.Record.Version), e.What)
			c.authorship(examined.Content.Authorship)
			c.layers(examined.Content.Layers)
		}
		if _, ok := d.bodies[e.Record.Version]; !ok {
			continue
		}
		read := d.read(e)
		fmt.Fprintf(c.stdout, "\n%s %s\n", place(e.Record.Ticket, e.Record.Version), e.What)
		if m, ok := e.Event.(incident.Message); ok {
			for _, why := range m.Content.Why {
				fmt.Fprintf(c.stdout, "  why: %s\n", printable(why))
			}
			c.authorship(m.Content.Authorship)
			c.layers(m.Content.Layers)
			c.sealed(m.Content.Sealed)
			for _, finding := range m.Content.Findings {
				fmt.Fprintf(c.stdout, "  finding: %s\n", printable(finding))
			}
		}
		text := strings.TrimRight(printableText(read.text), "\n")
		for line := range strings.Lines(text) {
			fmt.Fprintf(c.stdout, "  | %s\n", strings.TrimSuffix(line, "\n"))
		}
		for _, part := range read.attachments {
			number++
			name := printable(part.Name)
			if name == "" {
				name = "without name"
			}
			fmt.Fprintf(c.stdout, "  attachment %d: %s, %s, %d bytes\n", number, name, printable(part.Type), len(part.Content))
		}
	}
}
