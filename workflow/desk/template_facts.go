package desk

import (
	"context"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// writing is what a mail of a reaction says, and to whom; err is what is wrong with
// its template.
type writing struct {
	ticket  incident.Ticket
	to      []incident.Party
	subject string
	text    string
	err     error
}

// write fills in a template for a ticket. Whatever it names and is not known is an
// error: no mail goes out half made.
func (d *Desk) write(ctx context.Context, r storage.Reader, id incident.ID, m workflow.MailReaction, template mail.Template) (w writing, err error) {
	if w.ticket, err = r.Ticket(ctx, id); err != nil {
		return w, err
	}
	include := func(name string) (string, bool) {
		t, ok := mail.Pick(d.config.Templates, name, template.Language)
		return t.Text, ok
	}
	w.to = d.audience(w.ticket, m.To)
	facts, err := d.templateFacts(ctx, r, w.ticket, mail.Used(template.Text, include))
	if err != nil {
		return w, err
	}
	facts.Recipients = w.to
	value := func(name string) (string, bool) {
		if name == "XMLDATA" || name == "IODEF" { // nobody here makes them
			return "", false
		}
		return facts.Value(name)
	}
	expanded, err := mail.Expand(template.Text, mail.Expansion{Value: value, Include: include, Refuse: true, Limit: maxLetter})
	w.err = err
	if len(expanded.To) > 0 {
		w.to = expanded.To
	}
	w.to, _ = mail.Recipients(mail.Addressees{To: w.to, Own: d.own, Squelched: d.config.Policy.Squelches})
	if w.subject = expanded.Subject; w.subject == "" {
		w.subject = w.ticket.Subject
	}
	if d.config.Tag.Name != "" {
		w.subject = d.config.Tag.Put(w.subject, id)
	}
	w.text = expanded.Text
	return w, nil
}

const (
	maxLetter = 1 << 20   // bytes of a mail made of a template
	maxLog    = 256 << 10 // bytes of the message that is quoted in it
	maxListed = 50        // tickets of a list in it
)

// audience returns the people of a ticket, each mailbox once, and none of ours.
func (d *Desk) audience(t incident.Ticket, groups []workflow.Audience) []incident.Party {
	if len(groups) == 0 {
		groups = []workflow.Audience{workflow.ToContacts}
	}
	var people []incident.Party
	for _, group := range groups {
		for _, p := range map[workflow.Audience][]incident.Party{
			workflow.ToContacts: t.Contacts, workflow.ToRequestors: t.Requestors, workflow.ToCc: t.Cc,
			workflow.ToOperationsCentre: {d.config.Policy.OperationsCentre},
		}[group] {
			known := slices.ContainsFunc(people, func(have incident.Party) bool { return incident.SameAddress(have.Address, p.Address) })
			if p.Address != "" && !known && !d.own(p.Address) {
				people = append(people, p)
			}
		}
	}
	return people
}

// templateFacts gathers what templates say of a ticket. The names of variables tell
// what is needed. There is no state in it and no note: neither leaves the team.
func (d *Desk) templateFacts(ctx context.Context, r storage.Reader, t incident.Ticket, used []string) (mail.TemplateFacts, error) {
	facts := mail.TemplateFacts{Incident: d.numberOf(t.ID), Others: t.ExternalIDs, Handler: d.config.From.Name}
	for _, role := range []incident.Role{incident.RoleSource, incident.RoleUnknown, incident.RoleTarget} {
		for _, o := range t.Observables {
			if o.Kind == incident.Address && o.Role == role {
				facts.Addresses = append(facts.Addresses, mail.System{Address: o.Value})
			}
		}
	}
	needs := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(used, name) })
	}
	var err error
	if needs("LOGGING") {
		if facts.Logs, err = d.firstMessage(ctx, r, t); err != nil {
			return facts, err
		}
	}
	if needs("PREVIOUS") && len(facts.Addresses) > 0 {
		first, ok := incident.Observable{Kind: incident.Address, Value: facts.Addresses[0].Address}.Network()
		if ok {
			q := storage.Query{Kinds: []incident.Kind{incident.KindIncident}, Touches: first}
			if facts.Previous, err = d.listed(ctx, r, q, t.ID); err != nil {
				return facts, err
			}
		}
	}
	if needs("OTHER_OPEN", "OTHER_OPEN_LIST", "ALL_OPEN", "ALL_OPEN_LIST") && t.Constituency != "" {
		q := storage.Query{Kinds: []incident.Kind{incident.KindIncident}, Phases: notInactive(), Constituencies: []string{t.Constituency}}
		if facts.OtherOpen, err = d.listed(ctx, r, q, t.ID); err != nil {
			return facts, err
		}
		if facts.AllOpen, err = d.listed(ctx, r, q, 0); err != nil {
			return facts, err
		}
	}
	return facts, nil
}

// numberOf is the number of a ticket as outsiders see it.
func (d *Desk) numberOf(id incident.ID) string {
	if d.config.Tag.Name == "" {
		return "#" + id.String()
	}
	return d.config.Tag.Name + " #" + id.String()
}

// listed returns lines about tickets, but for one of them.
func (d *Desk) listed(ctx context.Context, r storage.Reader, q storage.Query, but incident.ID) (list []mail.ListedIncident, err error) {
	q.Limit = maxListed
	found, err := r.Find(ctx, q)
	for _, t := range found {
		if t.ID == but || t.MergedInto != 0 {
			continue
		}
		line := mail.ListedIncident{Incident: d.numberOf(t.ID), Others: t.ExternalIDs, Created: t.Created, Updated: t.Updated}
		for _, name := range []string{"Type", "Classification"} {
			if values := t.Fields[name]; len(values) > 0 && line.Type == "" {
				line.Type = values[0]
			}
		}
		for _, o := range t.Observables {
			if o.Kind == incident.Address {
				line.Addresses = append(line.Addresses, o.Value)
			}
		}
		list = append(list, line)
	}
	return list, err
}

// firstMessage returns the text of the first message that somebody outside has sent
// about a ticket: for an incident, to its oldest report that has one. What came
// encrypted is left out, since it might go on in clear.
func (d *Desk) firstMessage(ctx context.Context, r storage.Reader, t incident.Ticket) ([]string, error) {
	tickets := []incident.Ticket{t}
	if t.Kind == incident.KindIncident {
		reports, err := r.Find(ctx, storage.Query{Parent: t.ID, Kinds: []incident.Kind{incident.KindReport}, Limit: maxListed})
		if err != nil {
			return nil, err
		}
		tickets = append(tickets, reports...)
	}
	for _, t := range tickets {
		messages, err := messagesOf(ctx, r, t.ID)
		if err != nil {
			return nil, err
		}
		for _, m := range messages {
			secret := slices.ContainsFunc(m.Message.Content.Layers, func(l incident.Layer) bool { return l.Encrypted })
			if m.Message.Side != incident.Outside || m.Message.Machine || secret || len(m.Message.Blobs) == 0 {
				continue
			}
			body, err := d.body(ctx, r, m.Message.Blobs[0])
			if err != nil {
				return nil, err
			}
			text := string(body)
			if m.Message.IsMail() {
				parsed, _ := mail.Parse(body, d.config.Limits) // what is wrong with it stands in its record
				text = parsed.Text
			}
			if len(text) > maxLog {
				text = incident.Clean(text[:maxLog]) + "\n[...]\n"
			}
			return []string{text}, nil
		}
	}
	return nil, nil
}
