package workflow

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

func (c Open) asks(*Policy, incident.Ticket) []Ask { return askTickets(c.Parents...) }

func (c Open) decide(p *Policy, _ incident.Ticket, f Facts, env Env) ([]Decision, error) {
	l, ok := p.Lifecycles[c.Kind]
	if !ok {
		var kinds []string
		for _, kind := range incident.Kinds() {
			kinds = append(kinds, string(kind))
		}
		return nil, &ArgumentError{c.Name(), "kind", string(c.Kind), strings.Join(kinds, ", ")}
	}
	status := c.Status
	if status == "" {
		status = l.OnCreate
	}
	start, ok := l.Status(status)
	if !ok || !start.First {
		var allowed []incident.Status
		for _, s := range l.Statuses {
			if s.First {
				allowed = append(allowed, s.Name)
			}
		}
		return nil, &TransitionError{Kind: c.Kind, To: status, Allowed: allowed}
	}
	priority := l.Priority
	if c.Priority != nil {
		priority = *c.Priority
	}
	if err := checkPriority(c, priority); err != nil {
		return nil, err
	}
	opened := incident.Opened{
		Kind: c.Kind, Status: start.Name, Phase: start.Phase, Priority: priority,
		State:        incident.State(oneLine(string(c.State))),
		Constituency: oneLine(c.Constituency), Parents: slices.Compact(slices.Sorted(slices.Values(c.Parents))),
		Via: oneLine(c.Via),
		Content: incident.OpenedContent{
			Subject: oneLine(c.Subject), ExternalIDs: mapped(c.ExternalIDs, oneLine), Fields: cleanFields(c.Fields),
		},
	}
	if c.Mail == nil && strings.HasPrefix(string(env.By), "handler:") {
		opened.Owner = env.By
	}
	for _, parent := range opened.Parents {
		if err := checkParent(c, incident.Ticket{Kind: c.Kind}, parent, f); err != nil {
			return nil, err
		}
	}
	if len(opened.Parents) > 1 && !l.ManyParents {
		return nil, &ArgumentError{c.Name(), "parents", fmt.Sprint(opened.Parents), "one incident for this kind"}
	}
	if len(opened.Parents) == 0 && l.ParentRequired {
		return nil, &ArgumentError{c.Name(), "parents", "", "the number of the incident that the " + string(c.Kind) + " belongs to"}
	}
	content := &opened.Content
	err := p.checkFields(c, content.Fields)
	if err != nil {
		return nil, err
	}
	for _, list := range []struct {
		name     string
		from, to *[]incident.Party
	}{
		{"requestors", &c.Requestors, &content.Requestors}, {"cc", &c.Cc, &content.Cc}, {"contacts", &c.Contacts, &content.Contacts},
	} {
		if *list.to, err = parties(c, list.name, *list.from); err != nil {
			return nil, err
		}
	}
	if content.Observables, err = observables(c, c.Observables); err != nil {
		return nil, err
	}
	decisions := events(opened)
	if c.Mail != nil {
		decisions = append(decisions, Decision{Event: c.Mail.message()})
	}
	if c.Held != nil {
		decisions = append(decisions, Decision{Event: *c.Held})
	}
	if c.Text != "" {
		first, err := c.firstMessage(opened)
		if err != nil {
			return nil, err
		}
		decisions = append(decisions, first)
	}
	return decisions, nil
}

// firstMessage is what Text becomes.
func (c Open) firstMessage(opened incident.Opened) (Decision, error) {
	text := incident.Clean(c.Text)
	to := opened.Content.Requestors
	switch c.Kind {
	case incident.KindIncident:
		return Decision{incident.Commented{}, text}, nil
	case incident.KindReport:
		m := incident.Message{Side: incident.Outside, Thread: "new", Content: incident.MessageEntity{Subject: opened.Content.Subject}}
		if len(to) > 0 {
			m.Content.From = to[0]
		}
		return Decision{m, text}, nil
	}
	if len(to) == 0 {
		return Decision{}, &ArgumentError{c.Name(), "requestors", "", "at least one mail address to send the text to"}
	}
	return Decision{incident.Message{
		Side: incident.Inside, Sent: true, Answers: true, Thread: "new",
		Content: incident.MessageEntity{Subject: opened.Content.Subject, To: to, Cc: opened.Content.Cc},
	}, text}, nil
}

func (m Mail) message() incident.Message {
	return incident.Message{
		Side: m.Side, Machine: m.Machine, Answers: m.Answers, When: moment(m.When), Thread: m.Thread, Flags: m.Flags,
		Content: m.Entity, Blobs: m.Blobs,
	}
}
