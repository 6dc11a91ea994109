package workflow

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

func (c Reply) asks(_ *Policy, t incident.Ticket) []Ask {
	return []Ask{{Fact: FactAnswerable, Ticket: t.ID}}
}

func (c Reply) decide(_ *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	return answer(c, t, c, f)
}

// answer is the mail that a command sends to the requestors of a ticket.
func answer(c Command, t incident.Ticket, r Reply, f Facts) ([]Decision, error) {
	switch {
	case t.Kind == incident.KindIncident:
		return nil, &RefusedError{c.Name(), t.ID, "an incident has no correspondents: reply to its reports, investigations or blocks"}
	case len(t.Requestors) == 0 && len(r.To) == 0:
		return nil, &RefusedError{c.Name(), t.ID, "it has no requestors: add one by edit"}
	case strings.TrimSpace(r.Text) == "":
		return nil, &ArgumentError{c.Name(), "text", "", "some text"}
	}
	once, err := parties(c, "cc", r.Cc)
	if err != nil {
		return nil, err
	}
	to, err := parties(c, "to", r.To)
	if err != nil {
		return nil, err
	}
	answers := len(to) == 0 || slices.ContainsFunc(to, func(p incident.Party) bool { return requests(t, p) })
	if once = append(to[:len(to):len(to)], once...); len(to) == 0 {
		to = t.Requestors
	}
	attached, err := files(c, r.Attachments)
	if err != nil {
		return nil, err
	}
	m := incident.Message{
		Side: incident.Inside, Sent: true, Answers: answers, Thread: "reply",
		Content: incident.MessageEntity{Subject: oneLine(r.Subject), To: to, Cc: t.Cc},
	}
	if m.Content.Subject == "" {
		m.Content.Subject = t.Subject
	}
	if earlier, ok := f.Answerable(t.ID); ok {
		entity := earlier.Message.Content
		m.Content.InReplyTo = []string{entity.MessageID}
		m.Content.References = thread(append(slices.Clone(entity.References), entity.MessageID))
	}
	return []Decision{{Ticket: t.ID, Event: m, Text: incident.Clean(r.Text), Files: attached, Once: once}}, nil
}

// requests reports whether somebody is a requestor of a ticket.
func requests(t incident.Ticket, p incident.Party) bool {
	return slices.ContainsFunc(t.Requestors, func(have incident.Party) bool { return incident.SameAddress(have.Address, p.Address) })
}

func (c ReplyAll) asks(_ *Policy, t incident.Ticket) []Ask { return childrenAsks(t, c.Children) }

func (c ReplyAll) decide(_ *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	if t.Kind != incident.KindIncident {
		return nil, &RefusedError{c.Name(), t.ID, "only an incident has children to reply to: use reply"}
	}
	kinds := mapped(c.Kinds, func(kind incident.Kind) incident.Kind {
		known, _ := incident.ParseKind(string(kind))
		return known
	})
	if slices.Contains(kinds, "") || slices.Contains(kinds, incident.KindIncident) {
		return nil, &ArgumentError{c.Name(), "kinds", fmt.Sprint(c.Kinds), "report, investigation, block"}
	}
	return replies(c, t, kinds, c.Children, Reply{Subject: c.Subject, Text: c.Text, Cc: c.Cc, Attachments: c.Attachments}, f)
}

// childrenAsks asks for some children of an incident, or for those that are not
// inactive, and for what a reply to each of them must know.
func childrenAsks(t incident.Ticket, chosen []incident.ID) []Ask {
	if len(chosen) == 0 {
		return []Ask{{Fact: FactOpenChildren, Ticket: t.ID}, {Fact: FactChildrenAnswerable, Ticket: t.ID}}
	}
	asks := askTickets(chosen...)
	for _, id := range chosen {
		asks = append(asks, Ask{Fact: FactAnswerable, Ticket: id})
	}
	return asks
}

// replies are the mails to some children of an incident.
func replies(c Command, t incident.Ticket, kinds []incident.Kind, chosen []incident.ID, r Reply, f Facts) ([]Decision, error) {
	var children []incident.Ticket
	if len(chosen) == 0 {
		children = f.OpenChildren(t.ID)
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(chosen))) {
		child, ok := f.Ticket(id)
		switch {
		case !ok:
			return nil, &NoTicketError{Ticket: id}
		case !child.HasParent(t.ID):
			return nil, &ArgumentError{c.Name(), "children", id.String(), fmt.Sprintf("the numbers of children of incident %s", t.ID)}
		case child.MergedInto != 0:
			return nil, merged(c, "children", child)
		}
		children = append(children, child)
	}
	var decisions []Decision
	var failed error
	sent := 0
	for _, child := range children {
		if len(kinds) > 0 && !slices.Contains(kinds, child.Kind) {
			continue
		}
		mail, err := answer(c, child, r, f)
		var refused *RefusedError
		switch {
		case err == nil:
			sent++
			decisions = append(decisions, mail...)
		case errors.As(err, &refused) && len(chosen) == 0:
			failed = err
			decisions = append(decisions, on(child.ID, incident.Skipped{Command: c.Name(), Why: refused.Why})...)
		default:
			return nil, err
		}
	}
	switch {
	case sent > 0:
		return decisions, nil
	case failed != nil:
		return nil, failed
	}
	return nil, &RefusedError{c.Name(), t.ID, "it has no child that is open and can be replied to"}
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
			return p.moveBy(c, t, l.OnReject, f)
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
		return nil, merged(c, "to", to)
	case to.Kind == incident.KindIncident:
		return Link{Ticket: t.ID, Parent: to.ID}.decide(p, t, f, env)
	}
	moved, err := p.move(t, l.OnMerge)
	if err != nil {
		return nil, err
	}
	list := []incident.Event{incident.Delivered{Outcome: incident.Appended, To: to.ID}, incident.Merged{Into: to.ID, Status: t.Status}}
	if moved != nil {
		list = append(list, *moved)
	}
	return events(list...), nil
}

func (Append) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Append) decide(*Policy, incident.Ticket, Facts, Env) ([]Decision, error) {
	list := []incident.Event{c.Mail.message()}
	for _, d := range c.Mail.Deliveries {
		list = append(list, d.outcome())
	}
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

func (c Examine) asks(p *Policy, t incident.Ticket) []Ask {
	if c.Observed == nil {
		return nil
	}
	return Observe{Ticket: t.ID, Observed: *c.Observed}.asks(p, t)
}

func (c Examine) decide(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error) {
	examined := events(incident.Examined{Version: c.Message, Trust: c.Trust, Content: c.Found})
	if c.Observed == nil {
		return examined, nil
	}
	observed, err := Observe{Ticket: t.ID, Observed: *c.Observed}.decide(p, t, f, env)
	return append(examined, observed...), err
}
