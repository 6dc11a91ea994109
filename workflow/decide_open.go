package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

func (c Open) asks(_ *Policy, _ incident.Ticket) []Ask {
	asks := askTickets(c.Parents...)
	if c.From != 0 {
		asks = append(askTickets(c.From), append(asks, Ask{Fact: FactTexts, Ticket: c.From})...)
		if len(c.Parents) == 0 {
			asks = append(asks, Ask{Fact: FactParents, Ticket: c.From})
		}
	}
	return asks
}

func (c Open) decide(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error) {
	return c.opens(p, t, f, env)
}

func (c Open) opens(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error) {
	if kind, ok := incident.ParseKind(string(c.Kind)); ok {
		c.Kind = kind
	}
	l, ok := p.Lifecycles[c.Kind]
	if !ok {
		return nil, &ArgumentError{c.Name(), "kind", string(c.Kind), strings.Join(kindNames(incident.Kinds()), ", ")}
	}
	given := c
	c, err := p.Prefill(c, f)
	if err != nil {
		return nil, err
	}
	start, err := l.first(c)
	if err != nil {
		return nil, err
	}
	priority := l.Priority
	if c.Priority != nil {
		priority = *c.Priority
	}
	if err := checkPriority(c, priority); err != nil {
		return nil, err
	}
	opened := incident.Opened{
		Kind: c.Kind, Status: start.Name, Phase: start.Phase, Priority: priority, From: c.From, Quiet: c.Quiet,
		Parents: slices.Compact(slices.Sorted(slices.Values(c.Parents))),
		Content: incident.OpenedContent{Subject: oneLine(c.Subject), ExternalIDs: mapped(c.ExternalIDs, oneLine)},
	}
	if c.Mail == nil && c.Observed == nil && strings.HasPrefix(string(env.By), "handler:") {
		opened.Owner = env.By
	}
	parents := parentsKnown(given, f)
	if err := p.parentsOf(c, l, opened.Parents, parents, start.Phase); err != nil {
		return nil, err
	}
	if opened.Content.Subject == "" && len(opened.Parents) > 0 && c.Kind != incident.KindReport { // JANET 3.13
		i := slices.IndexFunc(parents, func(t incident.Ticket) bool { return t.ID == opened.Parents[0] })
		opened.Content.Subject = parents[i].Subject
	}
	linked := slices.DeleteFunc(slices.Clone(parents), func(parent incident.Ticket) bool { return !slices.Contains(opened.Parents, parent.ID) })
	for _, parent := range linked {
		if p.StrictConstituency && p.property(FieldConstituency, c.Kind).chooses(parent.Constituency) {
			fill(&c.Constituency, parent.Constituency)
		}
	}
	if err := p.properties(c, &opened); err != nil {
		return nil, err
	}
	if c.From != 0 && c.Kind == incident.KindIncident {
		if from, _ := f.Ticket(c.From); from.Kind != incident.KindIncident {
			linked = append(linked, from) // it becomes a child
		}
	}
	for _, other := range linked {
		if err := p.apart(c, incident.Ticket{Constituency: opened.Constituency}, other); err != nil {
			return nil, err
		}
	}
	decisions := events(opened)
	if c.Mail != nil {
		decisions = append(decisions, Decision{Event: c.Mail.message()})
	}
	if c.Observed != nil {
		if ev, ok := c.Observed.join(p, nil, nil); ok {
			decisions = append(decisions, Decision{Event: ev})
		}
	}
	if c.Held != nil {
		decisions = append(decisions, Decision{Event: *c.Held})
	}
	first, err := c.firstMessage(p, opened)
	if err != nil {
		return nil, err
	}
	decisions = append(decisions, first...)
	if c.From != 0 {
		from, _ := f.Ticket(c.From)
		decisions = append(decisions, p.fromSource(c, t.ID, from)...)
	}
	return decisions, nil
}

// parentsKnown are the tickets that the incidents of a new ticket may be: those
// that the command as given names, or what it takes them from.
func parentsKnown(given Open, f Facts) []incident.Ticket {
	ids := given.Parents
	var known []incident.Ticket
	if given.From != 0 {
		ids = append(slices.Clone(ids), given.From)
		if len(given.Parents) == 0 {
			known = slices.Clone(f.Parents(given.From))
		}
	}
	for _, id := range ids {
		if t, ok := f.Ticket(id); ok {
			known = append(known, t)
		}
	}
	return known
}

// first is the status that a new ticket begins in.
func (l Lifecycle) first(c Open) (StatusDef, error) {
	status := c.Status
	if status == "" {
		status = l.OnCreate
	}
	start, ok := l.Status(status)
	if ok && start.First {
		return start, nil
	}
	var allowed []incident.Status
	for _, s := range l.Statuses {
		if s.First {
			allowed = append(allowed, s.Name)
		}
	}
	return start, &TransitionError{Kind: c.Kind, To: status, Allowed: allowed}
}

// parentsOf checks the incidents of a new ticket.
func (p *Policy) parentsOf(c Open, l Lifecycle, parents []incident.ID, known []incident.Ticket, phase incident.Phase) error {
	for _, id := range parents {
		i := slices.IndexFunc(known, func(parent incident.Ticket) bool { return parent.ID == id })
		if i < 0 {
			return &NoTicketError{Ticket: id}
		}
		if err := p.checkParent(c, incident.Ticket{Kind: c.Kind, Phase: phase}, known[i]); err != nil {
			return err
		}
	}
	if len(parents) > 1 && !l.ManyParents {
		return &ArgumentError{c.Name(), "parents", fmt.Sprint(parents), "one incident for this kind"}
	}
	if len(parents) == 0 && l.ParentRequired {
		return &ArgumentError{c.Name(), "parents", "", "the number of the incident that the " + string(c.Kind) + " belongs to"}
	}
	return nil
}

// properties fills in what the policy has a say in, and refuses a ticket without
// what is mandatory. What came by mail or out of a feed lacks it until somebody
// looks at it.
func (p *Policy) properties(c Open, opened *incident.Opened) (err error) {
	content := &opened.Content
	if content.Subject, err = p.one(c, FieldSubject, c.Kind, content.Subject, "", true); err != nil {
		return err
	}
	if opened.Constituency, err = p.one(c, FieldConstituency, c.Kind, oneLine(c.Constituency), "", true); err != nil {
		return err
	}
	if opened.Via, err = p.one(c, FieldVia, c.Kind, oneLine(c.Via), "", c.Mail == nil); err != nil {
		return err
	}
	if opened.State, err = p.state(c, c.Kind, incident.State(oneLine(string(c.State))), "", true); err != nil {
		return err
	}
	if opened.Fields, content.Fields, err = p.fields(c, c.Kind, c.Fields, nil, true); err != nil {
		return err
	}
	if c.Kind == incident.KindBlock && len(c.Requestors) == 0 && p.OperationsCentre.Address != "" {
		c.Requestors = []incident.Party{p.OperationsCentre}
	}
	for _, list := range []struct {
		name     string
		from, to *[]incident.Party
	}{
		{"requestors", &c.Requestors, &content.Requestors}, {"cc", &c.Cc, &content.Cc}, {"contacts", &c.Contacts, &content.Contacts},
	} {
		if *list.to, err = parties(c, list.name, *list.from); err != nil {
			return err
		}
	}
	if content.Observables, err = observables(c, c.Observables); err != nil {
		return err
	}
	if c.Mail != nil || c.Observed != nil {
		return nil
	}
	return p.missing(c, c.Kind, func(name string) bool {
		switch name {
		case FieldSubject:
			return content.Subject != ""
		case FieldConstituency:
			return opened.Constituency != ""
		case FieldVia:
			return opened.Via != ""
		case FieldState:
			return opened.State != ""
		}
		return len(opened.Fields[name])+len(content.Fields[name]) > 0
	})
}

// firstMessage is what Text and Attachments become.
func (c Open) firstMessage(p *Policy, opened incident.Opened) ([]Decision, error) {
	attached, err := files(c, c.Attachments)
	if err != nil {
		return nil, err
	}
	text := incident.Clean(c.Text)
	if strings.TrimSpace(text) == "" {
		text = ""
	}
	to := opened.Content.Requestors
	if c.Kind == incident.KindBlock && text == "" && c.Mail == nil && len(to) > 0 && p.OperationsCentre.Address != "" {
		text = p.blockRequest(opened)
	}
	switch {
	case text == "" && len(attached) == 0:
		return nil, nil
	case c.Kind == incident.KindIncident && len(attached) > 0:
		return nil, &ArgumentError{c.Name(), "attachments", attached[0].Name, "none for an incident: put them into a report of it"}
	case c.Kind == incident.KindIncident:
		return []Decision{{Event: incident.Commented{}, Text: text}}, nil
	}
	if text == "" {
		text = fmt.Sprintf("(%d attachments)\n", len(attached))
	}
	switch {
	case c.Kind == incident.KindReport:
		m := incident.Message{Side: incident.Outside, Thread: "new", Content: incident.MessageEntity{Subject: opened.Content.Subject}}
		if len(to) > 0 {
			m.Content.From = to[0]
		}
		return []Decision{{Event: m, Text: text, Files: attached}}, nil
	case len(to) == 0:
		return nil, &ArgumentError{c.Name(), "requestors", "", "at least one mail address to send the text to"}
	}
	return []Decision{{Event: incident.Message{
		Side: incident.Inside, Sent: true, Answers: true, Thread: "new",
		Content: incident.MessageEntity{Subject: opened.Content.Subject, To: to, Cc: opened.Content.Cc},
	}, Text: text, Files: attached}}, nil
}

// Prefill returns the command with what it leaves out taken from the ticket in
// From, as a form would show it before somebody changes it: facts answer what Asks
// returned. Without From it is the command as it is.
//
//   - An incident takes subject, constituency, fields of the same name, observables,
//     contacts and the text of the messages (JANET 3.10).
//   - An investigation or block of an incident takes subject, constituency and
//     fields of the same name; an investigation goes to the contacts of the incident,
//     with its text, quoted (JANET 3.13), a block gets its addresses.
//   - A ticket of the same kind is split off: it takes people, priority, incidents
//     and status too, and the text if it is a report (JANET 3.9).
//
// A value that may not be chosen any more is not taken.
//
// The text is that of all messages, or of the first one where the lifecycle of the
// new ticket says QuoteFirst. It is cut at 256 KiB.
func (p *Policy) Prefill(c Open, f Facts) (Open, error) {
	if c.From == 0 {
		return c, nil
	}
	if kind, ok := incident.ParseKind(string(c.Kind)); ok {
		c.Kind = kind
	}
	from, ok := f.Ticket(c.From)
	switch {
	case !ok:
		return c, &NoTicketError{Ticket: c.From}
	case from.MergedInto != 0:
		return c, merged(c, "from", from)
	}
	split := c.Kind == from.Kind
	if c.Kind == incident.KindReport && !split || c.Kind != incident.KindIncident && !split && from.Kind != incident.KindIncident {
		return c, &ArgumentError{c.Name(), "from", fmt.Sprintf("%s %s", from.Kind, from.ID), p.madeFrom(c.Kind)}
	}
	fill(&c.Subject, from.Subject)
	if f := p.property(FieldConstituency, c.Kind); f.chooses(from.Constituency) {
		fill(&c.Constituency, from.Constituency)
	}
	c.Fields = p.inherited(c, from, split)
	switch {
	case split:
		p.split(&c, from)
	case c.Kind == incident.KindIncident:
		fillList(&c.Observables, from.Observables)
		fillList(&c.Contacts, from.Contacts)
	default:
		if c.Parents == nil {
			c.Parents = []incident.ID{from.ID}
		}
		if c.Kind == incident.KindInvestigation {
			fillList(&c.Requestors, from.Contacts)
		} else {
			fillList(&c.Observables, slices.DeleteFunc(slices.Clone(from.Observables), func(o incident.Observable) bool {
				return o.Kind != incident.Address && o.Kind != incident.Prefix
			}))
		}
	}
	if c.Text == "" && (c.Kind == incident.KindIncident && !split || c.Kind == incident.KindReport) {
		c.Text = p.textOf(c.Kind, f.Texts(from.ID))
	} else if c.Text == "" && c.Kind == incident.KindInvestigation && !split {
		c.Text = quote(p.textOf(c.Kind, f.Texts(from.ID)))
	}
	return c, nil
}

// madeFrom says what a kind of ticket can be made from.
func (p *Policy) madeFrom(kind incident.Kind) string {
	switch kind {
	case incident.KindReport:
		return "the number of a report, which is split"
	case incident.KindIncident:
		return "the number of a ticket"
	}
	return "the number of an incident, or of " + article(kind) + ", which is split"
}

func (p *Policy) split(c *Open, from incident.Ticket) {
	l := p.Lifecycles[c.Kind]
	if s, ok := l.Status(from.Status); ok && s.First && c.Status == "" {
		c.Status = s.Name
	}
	if c.Priority == nil {
		c.Priority = &from.Priority
	}
	if c.Parents == nil {
		c.Parents = from.Parents
	}
	fill(&c.Via, from.Via)
	fillList(&c.Requestors, from.Requestors)
	fillList(&c.Cc, from.Cc)
	fillList(&c.Contacts, from.Contacts)
}

// inherited are the fields of a new ticket: its own, and those that the kind has
// and the other ticket has values for.
func (p *Policy) inherited(c Open, from incident.Ticket, split bool) map[string][]string {
	fields := maps.Clone(c.Fields)
	for _, name := range slices.Sorted(maps.Keys(from.Fields)) {
		f, known := p.Field(name)
		if known && !f.Has(c.Kind) || !known && !split || name == FieldResolution {
			continue
		}
		values := slices.DeleteFunc(slices.Clone(from.Fields[name]), func(v string) bool { return !f.chooses(v) }) // a retired value is not handed on
		if len(values) == 0 {
			continue
		}
		if _, given := fields[name]; given || slices.ContainsFunc(slices.Collect(maps.Keys(fields)), f.called) {
			continue
		}
		if fields == nil {
			fields = map[string][]string{}
		}
		fields[name] = values
	}
	return fields
}

const longestText = 256 << 10 // bytes of other messages that a new ticket begins with

// textOf is the text that a new ticket begins with.
func (p *Policy) textOf(kind incident.Kind, messages []MessageRecord) string {
	if p.Lifecycles[kind].QuoteFirst && len(messages) > 1 {
		messages = messages[:1]
	}
	var texts []string
	size := 0
	for _, m := range messages {
		text := strings.TrimSpace(m.Text)
		if text == "" {
			continue
		}
		if room := longestText - size; len(text) > room {
			texts = append(texts, strings.ToValidUTF8(text[:room], "")+"\n[...]")
			break
		}
		texts, size = append(texts, text), size+len(text)
	}
	if len(texts) == 0 {
		return ""
	}
	return strings.Join(texts, "\n\n") + "\n"
}

// quote puts "> " in front of every line.
func quote(text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("> ")
		b.WriteString(line)
	}
	return b.String()
}

// fromSource is what making a ticket from another one does to that one, or takes
// over from it beside what a command can say.
func (p *Policy) fromSource(c Open, id incident.ID, from incident.Ticket) []Decision {
	switch {
	case c.Kind == incident.KindIncident && from.Kind != incident.KindIncident:
		return on(from.ID, p.link(from, id)...)
	case c.Kind == from.Kind && c.Kind != incident.KindIncident && from.Due != nil:
		return events(incident.DueSet{Due: from.Due, Clock: ClockSplit})
	}
	return nil
}

func fill(to *string, from string) {
	if *to == "" {
		*to = from
	}
}

func fillList[T any](to *[]T, from []T) {
	if *to == nil {
		*to = slices.Clone(from)
	}
}

func kindNames(kinds []incident.Kind) []string {
	names := make([]string, len(kinds))
	for i, kind := range kinds {
		names[i] = string(kind)
	}
	return names
}

func (m Mail) message() incident.Message {
	return incident.Message{
		Side: m.Side, Machine: m.Machine, Answers: m.Answers, When: moment(m.When), Thread: m.Thread, Flags: m.Flags,
		Trust: m.Trust, Content: m.Entity, Blobs: m.Blobs,
	}
}
