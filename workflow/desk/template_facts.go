package desk

import (
	"context"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
)

const (
	maxLetter = 1 << 20   // bytes of a mail made of a template
	maxLog    = 256 << 10 // bytes of the message that is quoted in it
	maxListed = 50        // tickets of a list in it
)

// templateFacts are what templates say of a ticket, and which variables they cannot say.
type templateFacts struct {
	mail.TemplateFacts
	unknown []string
}

func (f templateFacts) value(name string) (string, bool) {
	if slices.Contains(f.unknown, name) {
		return "", false
	}
	return f.Value(name)
}

// templateFacts gathers what the variables that are used say of a ticket. Lists hold
// what the session may see. There is no state in it and no note: neither leaves the team.
func (d *Desk) templateFacts(ctx context.Context, r storage.Reader, f filling, used []string) (templateFacts, error) {
	t := whole(f.ticket, f.incidents)
	facts := templateFacts{TemplateFacts: mail.TemplateFacts{
		Incident: d.numberOf(t.ID), Others: distinct(t.ExternalIDs), Addresses: systems(t.Observables),
		Recipients: f.to, UserInfo: f.info, Handler: d.config.From.Name,
	}}
	var scope *storage.Scope
	if f.session != nil {
		facts.Handler, scope = d.nameOf(f.session.who.Actor), f.session.scope
	}
	if t.ID == 0 { // it is not opened yet
		facts.unknown = []string{"INCIDENTID"}
	}
	needs := func(names ...string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(used, name) })
	}
	var err error
	if needs("LOGGING") {
		if facts.Logs, err = d.logs(ctx, r, f, scope); err != nil {
			return facts, err
		}
	}
	if needs("PREVIOUS") && len(facts.Addresses) > 0 {
		first, ok := incident.Observable{Kind: incident.Address, Value: facts.Addresses[0].Address}.Network()
		if ok {
			q := storage.Query{Kinds: []incident.Kind{incident.KindIncident}, Touches: first, Scope: scope}
			if facts.Previous, err = d.listed(ctx, r, q, self(f)...); err != nil {
				return facts, err
			}
		}
	}
	if needs("OTHER_OPEN", "OTHER_OPEN_LIST", "ALL_OPEN", "ALL_OPEN_LIST") && t.Constituency != "" {
		q := storage.Query{Kinds: []incident.Kind{incident.KindIncident}, Phases: notInactive(), Constituencies: []string{t.Constituency}, Scope: scope}
		if facts.OtherOpen, err = d.listed(ctx, r, q, self(f)...); err != nil {
			return facts, err
		}
		if facts.AllOpen, err = d.listed(ctx, r, q); err != nil {
			return facts, err
		}
	}
	for _, data := range []struct {
		name, format string
		to           *string
	}{{"XMLDATA", "airt", &facts.XML}, {"IODEF", "iodef", &facts.IODEF}} {
		if !needs(data.name) {
			continue
		}
		file, _, err := d.encoded(ctx, r, scope, data.format, f)
		if *data.to = string(file); err != nil {
			facts.unknown = append(facts.unknown, data.name)
		}
	}
	return facts, nil
}

// whole is a ticket with the systems and numbers of its incidents; type and
// constituency are theirs where it has none.
func whole(t incident.Ticket, incidents []incident.Ticket) incident.Ticket {
	for _, of := range incidents {
		t.Observables = append(t.Observables[:len(t.Observables):len(t.Observables)], of.Observables...)
		t.ExternalIDs = append(t.ExternalIDs[:len(t.ExternalIDs):len(t.ExternalIDs)], of.ExternalIDs...)
		if t.Constituency == "" {
			t.Constituency = of.Constituency
		}
		if typeOf(t) == "" {
			t.Fields = of.Fields
		}
	}
	return t
}

// self are the tickets that "others" leaves out.
func self(f filling) []incident.ID {
	ids := []incident.ID{f.ticket.ID}
	for _, t := range f.incidents {
		ids = append(ids, t.ID)
	}
	return ids
}

// systems returns the addresses, sources first. One has a name where nothing else of its
// role has an address or a name: which belong together is not guessed.
func systems(observables []incident.Observable) (list []mail.System) {
	for _, role := range []incident.Role{incident.RoleSource, incident.RoleUnknown, incident.RoleTarget} {
		var addresses, hosts []string
		for _, o := range observables {
			switch {
			case o.Role != role:
			case o.Kind == incident.Address:
				addresses = append(addresses, o.Value)
			case o.Kind == incident.Host:
				hosts = append(hosts, o.Value)
			}
		}
		for _, a := range distinct(addresses) {
			list = append(list, mail.System{Address: a})
		}
		if hosts = distinct(hosts); len(hosts) == 1 && len(distinct(addresses)) == 1 {
			list[len(list)-1].Host = hosts[0]
		}
	}
	return list
}

// nameOf is what correspondents may call somebody of the team.
func (d *Desk) nameOf(actor incident.Actor) string {
	for _, m := range d.config.Team {
		if m.Actor == actor && m.Name != "" {
			return m.Name
		}
	}
	_, name, found := strings.Cut(string(actor), ":")
	if !found {
		return d.config.From.Name
	}
	return name
}

// numberOf is the number of a ticket as outsiders see it.
func (d *Desk) numberOf(id incident.ID) string {
	if d.config.Tag.Name == "" {
		return "#" + id.String()
	}
	return d.config.Tag.Name + " #" + id.String()
}

// listed returns lines about tickets, but for some of them.
func (d *Desk) listed(ctx context.Context, r storage.Reader, q storage.Query, but ...incident.ID) (list []mail.ListedIncident, err error) {
	q.Limit = maxListed
	found, err := r.Find(ctx, q)
	for _, t := range found {
		if slices.Contains(but, t.ID) || t.MergedInto != 0 {
			continue
		}
		line := mail.ListedIncident{Incident: d.numberOf(t.ID), Others: t.ExternalIDs, Type: typeOf(t), Created: t.Created, Updated: t.Updated}
		for _, o := range t.Observables {
			if o.Kind == incident.Address {
				line.Addresses = append(line.Addresses, o.Value)
			}
		}
		list = append(list, line)
	}
	return list, err
}

// typeOf is what outsiders may be told of what happened.
func typeOf(t incident.Ticket) string {
	for _, name := range []string{"Type", "Classification"} {
		if values := t.Fields[name]; len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// logs returns the first message and the logs of what machines have reported.
func (d *Desk) logs(ctx context.Context, r storage.Reader, f filling, scope *storage.Scope) ([]string, error) {
	list, err := d.firstMessage(ctx, r, f, scope)
	if err != nil {
		return nil, err
	}
	reported, err := reportedOn(ctx, r, scope, f)
	left := maxLog
	for _, o := range reported {
		for _, l := range o.Logs {
			if left -= len(l.Data); left < 0 {
				return append(list, "[...]\n"), err
			}
			list = append(list, incident.Clean(string(l.Data)))
		}
	}
	return list, err
}

// firstMessage returns the text of the first message that somebody outside has sent
// about a ticket: for an incident, to its oldest report that has one; what belongs to an
// incident and is no report has that of the incident. What came encrypted is left out,
// since it might go on in clear.
func (d *Desk) firstMessage(ctx context.Context, r storage.Reader, f filling, scope *storage.Scope) ([]string, error) {
	tickets := []incident.Ticket{f.ticket}
	if f.ticket.Kind != incident.KindReport {
		for _, t := range append([]incident.Ticket{f.ticket}, f.incidents...) {
			if t.Kind != incident.KindIncident || t.ID == 0 {
				continue
			}
			reports, err := r.Find(ctx, storage.Query{Parent: t.ID, Kinds: []incident.Kind{incident.KindReport}, Scope: scope, Limit: maxListed})
			if err != nil {
				return nil, err
			}
			tickets = append(tickets, reports...)
		}
		tickets = append(tickets[1:], tickets[0])
	}
	for _, t := range tickets {
		if t.ID == 0 {
			continue
		}
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
