package desk

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Beginning says how a draft begins. The zero Beginning is an empty mail, unless the
// policy names a template ([workflow.Templates]).
type Beginning struct {
	Quoted   bool     // below everything else what is quoted
	Template string   // name; empty: as the policy says
	Plain    bool     // no template, whatever the policy says
	Language string   // of the template; empty: as the policy says
	Info     string   // what to tell the recipient of himself (USERINFO)
	Attach   []string // names of Config.Formats in which data on the ticket goes along, a file each
}

// Drafted tells what stands in a draft and may need a look.
type Drafted struct {
	Template string          `json:"template,omitempty"` // that it begins with; empty: none
	Language string          `json:"language,omitempty"`
	Version  uint32          `json:"version,omitempty"` // 0: of Config.Templates
	Missing  string          `json:"missing,omitempty"` // a template that the policy names and the desk does not have
	Unknown  []string        `json:"unknown,omitempty"` // variables that stand there as they were written
	Lost     []incident.Loss `json:"lost,omitempty"`    // what the formats of Attach have no place for
}

// NoFormatError says that a desk cannot write a data format.
type NoFormatError struct {
	Name  string
	Known []string
}

// Error implements error.
func (e *NoFormatError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("desk: it writes no data format %q: this desk has none", e.Name)
	}
	return fmt.Sprintf("desk: it writes no data format %q: allowed are %s", e.Name, strings.Join(e.Known, ", "))
}

// Draft returns a reply to a ticket for somebody to write: to the requestors, with
// the subject of the ticket, and the text of the message that it answers, quoted, or
// none (JANET 3.12). A template puts its text before that, its subject and its
// recipients in their place (AIRT paper 3.2). There are no other recipients: whoever
// else shall have a copy is put in by hand. What it tells is what the actor may see.
//
// Errors: [*workflow.NoTicketError], [*workflow.RefusedError] for an incident,
// [*NoTemplateError], [*NoFormatError], [*mail.TemplateError], joined, for what is wrong
// with a template, and for a variable without a value where the policy refuses these;
// those of the store.
func (s *Session) Draft(ctx context.Context, id incident.ID, b Beginning) (draft workflow.Reply, drafted Drafted, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.ticket(ctx, r, id)
		if err != nil {
			return err
		}
		if t.Kind == incident.KindIncident {
			return &workflow.RefusedError{Command: draft.Name(), Ticket: id, Why: "an incident has no correspondents: reply to its reports, investigations or blocks"}
		}
		draft = workflow.Reply{Ticket: id, Subject: t.Subject}
		incidents, err := s.desk.incidentsOf(ctx, r, t, s.scope)
		if err != nil {
			return err
		}
		out, err := s.begin(ctx, r, b, t, incidents, t.Requestors, &drafted)
		if err != nil {
			return err
		}
		draft.To, draft.Text, draft.Attachments = out.To, out.Text, out.files
		if out.Subject != "" {
			draft.Subject = out.Subject
		}
		if b.Quoted {
			quoted, err := s.quoted(ctx, r, id)
			if err != nil {
				return err
			}
			draft.Text = below(draft.Text, quoted)
		}
		return nil
	})
	return draft, drafted, err
}

// DraftOpen returns the first mail of a report, investigation or block that is to be
// opened, with what it takes from another ticket ([Session.Prefill]): the text that the
// command has, then that of a template about the incident that it is made from or
// belongs to, then, with Quoted, what Prefill has quoted. Subject and requestors of the
// template stand in the place of those of the command. Without a template it is what
// Prefill returns, and the data to attach. Errors are those of Prefill and of
// [Session.Draft]; an incident is refused, which begins with a note and no mail.
func (s *Session) DraftOpen(ctx context.Context, c workflow.Open, b Beginning) (draft workflow.Open, drafted Drafted, err error) {
	given := c.Text
	if draft, err = s.Prefill(ctx, c); err != nil {
		return c, drafted, err
	}
	kind, _ := incident.ParseKind(string(draft.Kind))
	if kind == incident.KindIncident {
		return draft, drafted, &workflow.RefusedError{Command: draft.Name(), Why: "an incident begins with a note and no mail: open an investigation or a block of it"}
	}
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t := incident.Ticket{
			Kind: kind, Status: draft.Status, State: draft.State, Constituency: draft.Constituency, Created: s.desk.now(),
			Requestors: draft.Requestors, Observables: draft.Observables, ExternalIDs: draft.ExternalIDs, Fields: draft.Fields,
		}
		if t.Status == "" {
			t.Status = s.desk.config.Policy.Lifecycles[kind].OnCreate
		}
		var incidents []incident.Ticket
		for _, id := range draft.Parents {
			parent, err := s.ticket(ctx, r, id)
			if err != nil {
				return err
			}
			incidents = append(incidents, parent)
		}
		to := draft.Requestors
		if centre := s.desk.config.Policy.OperationsCentre; kind == incident.KindBlock && len(to) == 0 && centre.Address != "" {
			to = []incident.Party{centre}
		}
		out, err := s.begin(ctx, r, b, t, incidents, to, &drafted)
		if err != nil {
			return err
		}
		draft.Attachments = append(draft.Attachments[:len(draft.Attachments):len(draft.Attachments)], out.files...)
		if drafted.Template == "" {
			return nil
		}
		quoted := ""
		if b.Quoted && given == "" {
			quoted = draft.Text
		}
		draft.Text = below(below(given, out.Text), quoted)
		if out.Subject != "" {
			draft.Subject = out.Subject
		}
		if len(out.To) > 0 {
			draft.Requestors = out.To
		}
		return nil
	})
	return draft, drafted, err
}

// below puts one text below another.
func below(text, more string) string {
	if strings.TrimSpace(text) == "" || more == "" {
		return text + more
	}
	return strings.TrimRight(text, "\n") + "\n\n" + more
}

// begun is what a draft begins with.
type begun struct {
	mail.Expanded
	files []workflow.File
}

// begin fills in the template of a draft, if there is one, and writes the data that goes
// along.
func (s *Session) begin(ctx context.Context, r storage.Reader, b Beginning, ticket incident.Ticket, incidents []incident.Ticket, to []incident.Party, drafted *Drafted) (out begun, err error) {
	d := s.desk
	policy := d.config.Policy.Templates
	for _, format := range b.Attach {
		content, lost, err := d.encoded(ctx, r, s.scope, format, filling{ticket: ticket, incidents: incidents})
		if err != nil {
			return out, err
		}
		drafted.Lost = append(drafted.Lost, lost...)
		out.files = append(out.files, dataFile(format, content))
	}
	name := b.Template
	switch {
	case b.Plain:
		return out, nil
	case name == "":
		if name = d.choices(to).For(to, ticket, incidents...); name == "" {
			return out, nil
		}
	}
	t, err := d.templatesOf(ctx, r)
	if err != nil {
		return out, err
	}
	f := filling{
		ticket: ticket, incidents: incidents, to: to, info: b.Info, session: s, refuse: policy.Unknown == workflow.RefuseUnknown,
		languages: d.languagesFor(b.Language, to, ticket, incidents),
	}
	var known bool
	if f.template, known = t.pick(name, f.languages...); !known && b.Template == "" {
		drafted.Missing = name
		return out, nil
	} else if !known {
		return out, &NoTemplateError{name, t.allowed()}
	}
	var wrong error
	if out.Expanded, wrong, err = d.fill(ctx, r, t, f); err != nil || wrong != nil {
		if err == nil {
			err = fmt.Errorf("desk: the template %q cannot be filled in: %w", name, wrong)
		}
		return out, err
	}
	drafted.Template, drafted.Language, drafted.Unknown = f.template.Name, f.template.Language, out.Unknown
	drafted.Version = t.adopted[TemplateDocument(f.template.Name, f.template.Language)].Version
	return out, nil
}

// dataFile names data and says what it is.
func dataFile(format string, content []byte) workflow.File {
	name, kind := format+".txt", "text/plain"
	switch start := bytes.TrimSpace(content); {
	case bytes.HasPrefix(start, []byte("<")):
		name, kind = format+".xml", "application/xml"
	case bytes.HasPrefix(start, []byte("{")), bytes.HasPrefix(start, []byte("[")):
		name, kind = format+".json", "application/json"
	}
	return workflow.File{Name: name, Type: kind, Content: content}
}

// quoted returns the message that a reply to a ticket answers, quoted.
func (s *Session) quoted(ctx context.Context, r storage.Reader, id incident.ID) (string, error) {
	messages, err := answerable(ctx, r, id)
	if err != nil || len(messages) == 0 {
		return "", err
	}
	answered := messages[0].Message
	records, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}, Versions: []uint64{messages[0].Version}})
	if err != nil {
		return "", err
	}
	if shut, err := s.shut(ctx, r, records); shut || err != nil {
		return "", err
	}
	text, err := s.newRun([32]byte{}, r).text(ctx, answered)
	if err != nil {
		return "", err
	}
	m := &mail.Message{From: []incident.Party{answered.Content.From}, Date: messages[0].At, Text: text}
	if date := answered.Content.Date; date != nil {
		m.Date = *date
	}
	return mail.Answer(m, mail.Tag{}, id, true).Text, nil
}
