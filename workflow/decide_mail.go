package workflow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

func (c Reply) asks(_ *Policy, t incident.Ticket) []Ask { return []Ask{{FactAnswerable, t.ID}} }

func (c Reply) decide(_ *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	switch {
	case t.Kind == incident.KindIncident:
		return nil, &RefusedError{c.Name(), t.ID, "an incident has no correspondents: reply to its reports, investigations or blocks"}
	case len(t.Requestors) == 0:
		return nil, &RefusedError{c.Name(), t.ID, "it has no requestors: add one by edit"}
	case strings.TrimSpace(c.Text) == "":
		return nil, &ArgumentError{c.Name(), "text", "", "some text"}
	}
	once, err := parties(c, "cc", c.Cc)
	if err != nil {
		return nil, err
	}
	m := incident.Message{
		Side: incident.Inside, Sent: true, Answers: true, Thread: "reply",
		Content: incident.MessageEntity{Subject: oneLine(c.Subject), To: t.Requestors, Cc: slices.Concat(t.Cc, once)},
	}
	if m.Content.Subject == "" {
		m.Content.Subject = t.Subject
	}
	if earlier, ok := f.Answerable(t.ID); ok {
		entity := earlier.Message.Content
		m.Content.InReplyTo = []string{entity.MessageID}
		m.Content.References = thread(append(slices.Clone(entity.References), entity.MessageID))
	}
	return []Decision{{m, incident.Clean(c.Text)}}, nil
}

// thread keeps as many references as a mail carries: the root of the thread and
// what is nearest. Otherwise each record of a long thread would be longer than
// the one before.
func thread(references []string) []string {
	const first, last = 4, 6
	if n := len(references); n > first+last {
		return slices.Delete(references, first, n-last)
	}
	return references
}

func (c Deliver) asks(_ *Policy, t incident.Ticket) []Ask {
	if c.To == 0 {
		return nil
	}
	return askTickets(c.To)
}

func (c Deliver) decide(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error) {
	if t.Held == nil {
		return nil, &RefusedError{c.Name(), t.ID, "it is not held"}
	}
	l := p.Lifecycles[t.Kind]
	if c.To == 0 {
		switch c.As {
		case incident.Accepted:
			return events(incident.Delivered{Outcome: c.As}), nil
		case incident.Rejected:
			return Move{Ticket: t.ID, To: l.OnReject}.decide(p, t, f, env)
		}
		return nil, &ArgumentError{c.Name(), "as", string(c.As), "accepted, rejected, or a ticket in \"to\""}
	}
	to, ok := f.Ticket(c.To)
	switch {
	case c.As != "":
		return nil, &ArgumentError{c.Name(), "as", string(c.As), `either "as" or "to", not both`}
	case !ok:
		return nil, &NoTicketError{Ticket: c.To}
	case to.ID == t.ID || to.ID == incident.Desk:
		return nil, &ArgumentError{c.Name(), "to", c.To.String(), "the number of another ticket"}
	case to.MergedInto != 0:
		return nil, &ArgumentError{c.Name(), "to", c.To.String(), fmt.Sprintf("ticket %s, into which it was merged", to.MergedInto)}
	case to.Kind == incident.KindIncident:
		return Link{Ticket: t.ID, Parent: to.ID}.decide(p, t, f, env)
	}
	moved, err := p.move(t, l.OnMerge)
	if err != nil {
		return nil, err
	}
	list := []incident.Event{incident.Delivered{Outcome: incident.Appended, To: to.ID}, incident.Merged{Into: to.ID}}
	if moved != nil {
		list = append(list, *moved)
	}
	return events(list...), nil
}

func (Append) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Append) decide(*Policy, incident.Ticket, Facts, Env) ([]Decision, error) {
	list := []incident.Event{c.Mail.message()}
	if c.From != 0 {
		list = append(list, incident.Merged{From: c.From})
	}
	return events(list...), nil
}

func (ReceiveAgain) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c ReceiveAgain) decide(*Policy, incident.Ticket, Facts, Env) ([]Decision, error) {
	return events(incident.ReceivedAgain{
		Same: c.Same, Blobs: c.Blobs,
		Content: incident.ReceivedAgainContent{MessageID: c.MessageID, EnvelopeFrom: c.EnvelopeFrom, EnvelopeTo: c.EnvelopeTo},
	}), nil
}
