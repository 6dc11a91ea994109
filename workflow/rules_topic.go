package workflow

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/airtight-csirt/airtight/incident"
)

const ruleSortByTopic = "sort-by-topic"

// SortByTopic are the parameters of the rule sort-by-topic, which splits work among
// people by what it is about (JANET 3.18).
type SortByTopic struct {
	Field  string          `json:"field"` // that names the topic of a ticket
	Kinds  []incident.Kind `json:"kinds"` // that are sorted
	Topics []Topic         `json:"topics"`
	Else   string          `json:"else"` // the topic of everything else
}

// Topic is a topic and what belongs to it: tickets for which every condition that is
// named holds, each by any one of its list. The first topic that fits counts. A topic
// may be listed several times.
type Topic struct {
	Topic        string              `json:"topic"`
	From         []string            `json:"from"`         // a requestor: bob@example.org, or example.org with all below it
	Constituency []string            `json:"constituency"` // of a mail, that of the mailbox to which it came
	Words        []string            `json:"words"`        // in the subject, whole ones or several in a row, without regard to case
	Regexp       string              `json:"regexp"`       // found in the subject, in the syntax of package regexp
	Via          []string            `json:"via"`
	Fields       map[string][]string `json:"fields"` // values of fields
	Under        []string            `json:"under"`  // an observable is this domain, or below it
}

// Check implements what [Policy.Validate] asks.
func (s SortByTopic) Check(p *Policy) error {
	f, known := p.Field(s.Field)
	switch {
	case s.Field == "" || slices.Contains(properties(), f.Name):
		return fmt.Errorf("field %q: allowed is a field of its own, like Topic", s.Field)
	case f.Many:
		return fmt.Errorf("field %q has several values: a ticket has one topic", f.Name)
	case len(s.Topics) == 0:
		return errors.New("there are no topics: allowed is a list like [{topic: spam, words: [spam]}]")
	case len(s.Kinds) == 0:
		return fmt.Errorf("kinds is empty: allowed are %s", strings.Join(kindNames(incident.Kinds()), ", "))
	case s.Else == "":
		return errors.New("else is empty: allowed is the topic of everything else")
	}
	for _, kind := range s.Kinds {
		if known && !f.Has(kind) {
			return fmt.Errorf("%s does not have the field %q", article(kind), f.Name)
		}
	}
	for _, name := range s.names() {
		if name == "" || known && !f.chooses(name) {
			return fmt.Errorf("topic %q is no value of field %q: allowed are %s", name, s.Field, strings.Join(f.Choices(), ", "))
		}
	}
	for _, t := range s.Topics {
		if err := t.check(p, s.Field); err != nil {
			return fmt.Errorf("topic %q: %w", t.Topic, err)
		}
	}
	return nil
}

func (t Topic) check(p *Policy, own string) error {
	lists := map[string][]string{"from": t.From, "constituency": t.Constituency, "words": t.Words, "via": t.Via, "under": t.Under}
	named := t.Regexp != ""
	for _, name := range slices.Sorted(maps.Keys(t.Fields)) {
		values := t.Fields[name]
		if slices.Contains(properties(), name) || p.fieldName(name) == p.fieldName(own) {
			return fmt.Errorf("fields: %q cannot be asked: allowed are fields but that of the topic itself", name)
		}
		lists["fields: "+name] = values
		if len(values) == 0 {
			return fmt.Errorf("fields: %q has no values: allowed is a list of them", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		named = named || len(lists[name]) > 0
		if slices.ContainsFunc(lists[name], func(v string) bool { return spaced(v) == spaced("") }) {
			return fmt.Errorf("%s has a value without a letter or digit: allowed are words", name)
		}
	}
	if !named {
		return errors.New("it names no condition: allowed are from, constituency, words, regexp, via, fields, under; what is left belongs to else")
	}
	_, err := regexp.Compile(t.Regexp)
	return err
}

// names returns the topics in order, each once.
func (s SortByTopic) names() []string {
	var names []string
	for _, t := range append(slices.Clone(s.Topics), Topic{Topic: s.Else}) {
		if !slices.Contains(names, t.Topic) {
			names = append(names, t.Topic)
		}
	}
	return names
}

// Topics returns the field that names the topic of a ticket, and the topics by which
// the rule sort-by-topic splits the work, in its order; no field if it does not run.
func (p *Policy) Topics() (field string, topics []string) {
	r, _ := p.Rule(ruleSortByTopic)
	s, ok := r.Params.(SortByTopic)
	if !ok {
		return "", nil
	}
	return p.fieldName(s.Field), s.names()
}

// topic returns the topic of a ticket, and why.
func (s SortByTopic) topic(p *Policy, t incident.Ticket) (topic, why string) {
	for _, candidate := range s.Topics {
		if why, ok := candidate.fits(p, t); ok {
			return candidate.Topic, why
		}
	}
	return s.Else, "no topic fits"
}

// fits reports whether a ticket is of a topic, and why in words that name no person.
func (topic Topic) fits(p *Policy, t incident.Ticket) (string, bool) {
	var reasons []string
	holds := func(list []string, why string, is func(string) bool) bool {
		i := slices.IndexFunc(list, is)
		if i >= 0 {
			reasons = append(reasons, strings.ReplaceAll(why, "%", list[i]))
		}
		return i >= 0 || len(list) == 0
	}
	if !holds(topic.From, "its sender belongs there", func(from string) bool { return wroteFrom(t, from) }) ||
		!holds(topic.Constituency, "it is of %", func(name string) bool { return name == t.Constituency }) ||
		!holds(topic.Via, "it came by %", func(via string) bool { return strings.EqualFold(via, t.Via) }) ||
		!holds(topic.Under, "it is about something under %", func(domain string) bool { return about(t, domain) }) {
		return "", false
	}
	for _, name := range slices.Sorted(maps.Keys(topic.Fields)) {
		values := t.Fields[p.fieldName(name)]
		if !holds(topic.Fields[name], "of its "+name, func(v string) bool { return slices.Contains(values, v) }) {
			return "", false
		}
	}
	subject := spaced(t.Subject)
	if !holds(topic.Words, `of "%" in its subject`, func(word string) bool { return strings.Contains(subject, spaced(word)) }) {
		return "", false
	}
	if topic.Regexp != "" {
		pattern, err := regexp.Compile(topic.Regexp)
		if err != nil || !pattern.MatchString(t.Subject) {
			return "", false
		}
		reasons = append(reasons, "of its subject")
	}
	return strings.Join(reasons, ", "), true
}

// wroteFrom reports whether a requestor of a ticket has an address, or one in a
// domain.
func wroteFrom(t incident.Ticket, from string) bool {
	domain := strings.TrimPrefix(from, "@")
	return slices.ContainsFunc(t.Requestors, func(r incident.Party) bool {
		_, host, ok := strings.Cut(r.Address, "@")
		return incident.SameAddress(r.Address, from) || ok && !strings.Contains(domain, "@") && incident.Under(strings.ToLower(host), strings.ToLower(domain))
	})
}

func about(t incident.Ticket, domain string) bool {
	return slices.ContainsFunc(t.Observables, func(o incident.Observable) bool {
		name, ok := o.Domain()
		return ok && incident.Under(name, strings.ToLower(domain))
	})
}

// spaced is a text as its words in lower case, each between blanks.
func spaced(text string) string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return " " + strings.Join(words, " ") + " "
}

// sorts returns the topic that a change gives its ticket; "" if it has that already,
// or if nothing has changed by which it is sorted. Closed work keeps the topic that it
// was done under.
func (s SortByTopic) sorts(p *Policy, c Change) (topic, why string) {
	t, field := c.After, p.fieldName(s.Field)
	_, opened := c.Event.(incident.Opened)
	if !slices.Contains(s.Kinds, t.Kind) || t.MergedInto != 0 || !t.Open() && !opened {
		return "", ""
	}
	topic, why = s.topic(p, t)
	now := firstOf(t.Fields[field])
	if now == topic {
		return "", ""
	}
	if before, _ := s.topic(p, c.Before); !opened && now != "" && before == topic {
		return "", ""
	}
	return topic, why
}

func sortByTopicNeeds(p *Policy, c Change, params any) []Ask {
	s := params.(SortByTopic)
	if topic, _ := s.sorts(p, c); topic == "" {
		return nil
	}
	return []Ask{{Fact: FactSetter, Ticket: c.After.ID, Field: p.fieldName(s.Field)}}
}

func sortByTopic(p *Policy, c Change, f Facts, params any) Verdict {
	s := params.(SortByTopic)
	field := p.fieldName(s.Field)
	topic, why := s.sorts(p, c)
	if topic == "" {
		return Verdict{}
	}
	if record, ok := f.Setter(c.After.ID, field); ok && p.setByHand(record, field) {
		return Verdict{Why: fmt.Sprintf("somebody has said what its topic is; it would be %s: %s", topic, why)}
	}
	return Verdict{
		Commands: []Command{Edit{Ticket: c.After.ID, Fields: map[string][]string{field: {topic}}}},
		Why:      fmt.Sprintf("it is %s: %s", topic, why),
	}
}

// setByHand reports whether a record gives its ticket the value of a field, or takes
// it away, because somebody said so: neither a rule nor the default of the policy.
func (p *Policy) setByHand(r incident.Record, field string) bool {
	if r.Cause.Rule != "" || !SetsField(r, field) {
		return false
	}
	if r.Type != (incident.Opened{}).Type() {
		return true
	}
	f, _ := p.Field(field)
	given := firstOf(incident.Apply(incident.Ticket{}, r).Fields[field])
	return given != "" && given != f.Default
}
