package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Topic is what [Session.Explain] explains about a ticket.
type Topic string

// Topics.
const (
	TopicDue          Topic = "due"
	TopicStatus       Topic = "status"
	TopicOwner        Topic = "owner"
	TopicConstituency Topic = "constituency"
	TopicThread       Topic = "thread" // why its newest message is on it
	TopicMail         Topic = "mail"   // what was sent last, or why nothing was
)

// Topics returns all topics.
func Topics() []Topic {
	return []Topic{TopicDue, TopicStatus, TopicOwner, TopicConstituency, TopicThread, TopicMail}
}

// Explanation says why something about a ticket is as it is.
type Explanation struct {
	Ticket incident.ID `json:"ticket"`
	Topic  Topic       `json:"topic"`
	At     time.Time   `json:"at"` // when this was so

	// Text is the whole as one paragraph.
	Text string `json:"text"`

	// Steps are the records behind it, from the one that made it so back to what
	// somebody did. Empty: nothing ever did.
	Steps []ExplanationStep `json:"steps"`

	// Skipped are the records of what would have changed a status since, and was
	// not possible ([TopicStatus]).
	Skipped []ExplanationStep `json:"skipped,omitempty"`

	// Misses are the rules that these records woke and that did not fire.
	Misses []RuleMiss `json:"misses,omitempty"`

	// Outgoing are the rows of the outbox that belong to the mail ([TopicMail]).
	Outgoing []storage.Outgoing `json:"outgoing,omitempty"`

	// Hidden counts what has to do with tickets that the actor may not see. The chain
	// ends before the first such step.
	Hidden int `json:"hidden,omitempty"`
}

// ExplanationStep is one record of an explanation and what it says.
type ExplanationStep struct {
	Record incident.Record `json:"record"`
	Event  incident.Event  `json:"-"`             // that of the record
	Words  string          `json:"words"`         // see [workflow.Words]; times in UTC
	Why    []string        `json:"why,omitempty"` // reasons that stand in the record itself
}

// RuleMiss is a rule that was woken by a record and did not fire.
type RuleMiss struct {
	Ticket  incident.ID `json:"ticket"`
	Version uint64      `json:"version"`
	Rule    string      `json:"rule"`
	Why     string      `json:"why"`
}

// UnknownTopicError says which topics there are.
type UnknownTopicError struct{ Topic Topic }

// Error implements error.
func (e *UnknownTopicError) Error() string {
	var names []string
	for _, t := range Topics() {
		names = append(names, string(t))
	}
	return fmt.Sprintf("desk: %q cannot be explained: allowed are %s", string(e.Topic), strings.Join(names, ", "))
}

// Explain says why a ticket is due when it is, has its status, owner or
// constituency, has its newest message, or what became of its newest mail: the
// record that made it so, the rule and the record behind that one, and so on back
// to what somebody did. [Session.Replay] says of a single record what every rule
// said to it. It reads the history of the ticket, and one record for each step before.
//
// Errors: [*UnknownTopicError], [*workflow.NoTicketError], those of the store.
func (s *Session) Explain(ctx context.Context, id incident.ID, topic Topic) (*Explanation, error) {
	if !slices.Contains(Topics(), topic) {
		return nil, &UnknownTopicError{topic}
	}
	e := &Explanation{Ticket: id, Topic: topic, At: s.desk.now()}
	err := s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.ticket(ctx, r, id)
		if err != nil {
			return err
		}
		history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}})
		if err != nil {
			return err
		}
		sight := s.sight(r)
		if at := decisive(history, topic); at >= 0 {
			if err := sight.trace(ctx, r, e, history[at]); err != nil {
				return err
			}
		}
		if topic == TopicStatus {
			seen, hidden, err := sight.records(ctx, since(history))
			if err != nil {
				return err
			}
			e.Skipped, e.Hidden = skipped(seen), e.Hidden+hidden
		}
		if topic == TopicConstituency {
			if err := sight.explainMatch(ctx, r, e); err != nil {
				return err
			}
		}
		if topic == TopicMail {
			if err := sight.explainMail(ctx, r, e, history); err != nil {
				return err
			}
		}
		e.Text = e.paragraph(t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// decisive returns the place of the record that made a topic what it is, or -1.
func decisive(history []incident.Record, topic Topic) int {
	for i, record := range slices.Backward(history) {
		ev, err := incident.Decode(record)
		if err != nil {
			continue
		}
		found := false
		switch ev := ev.(type) {
		case incident.DueSet:
			found = topic == TopicDue
		case incident.Moved:
			found = topic == TopicStatus
		case incident.Owned:
			found = topic == TopicOwner
		case incident.Opened:
			found = topic == TopicStatus || topic == TopicOwner || topic == TopicConstituency
		case incident.Edited:
			found = topic == TopicConstituency && ev.Constituency != nil
		case incident.Message:
			found = topic == TopicThread && !ev.Sent || topic == TopicMail && ev.Sent
		case incident.Notified:
			found = topic == TopicMail && len(ev.Blobs) > 0
		}
		if found {
			return i
		}
	}
	return -1
}

// since returns what was not possible since a ticket's newest status.
func since(history []incident.Record) []incident.Record {
	return slices.DeleteFunc(slices.Clone(history[decisive(history, TopicStatus)+1:]), func(record incident.Record) bool {
		return record.Type != (incident.Skipped{}).Type()
	})
}

func skipped(records []incident.Record) (steps []ExplanationStep) {
	for _, record := range records {
		if ev, err := incident.Decode(record); err == nil {
			steps = append(steps, ExplanationStep{Record: record, Event: ev, Words: workflow.Words(ev, time.UTC)})
		}
	}
	return steps
}

// maxChain bounds a chain: rules may follow each other so far and no further.
const maxChain = maxDepth + 10

// trace adds a record and all that stands behind it.
func (s *sight) trace(ctx context.Context, r storage.Reader, e *Explanation, record incident.Record) error {
	for range maxChain {
		seen, hidden, err := s.records(ctx, []incident.Record{record})
		if err != nil {
			return err
		}
		if len(seen) == 0 {
			e.Hidden += hidden
			return nil
		}
		ev, err := incident.Decode(record)
		if err != nil {
			return err
		}
		step := ExplanationStep{Record: record, Event: ev, Words: workflow.Words(ev, time.UTC)}
		if m, ok := ev.(incident.Message); ok {
			step.Why = slices.Concat(m.Content.Why, m.Content.Authorship)
		}
		e.Steps = append(e.Steps, step)
		for _, miss := range record.NearMisses() {
			e.Misses = append(e.Misses, RuleMiss{record.Ticket, record.Version, miss.Rule, miss.Why})
		}
		cause := record.Cause
		if cause.Version == 0 {
			return nil
		}
		before, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{cause.Ticket}, Versions: []uint64{cause.Version}})
		if err != nil || len(before) == 0 {
			return err
		}
		record = before[0]
	}
	return nil
}

// explainMatch adds why a ticket that a mail has opened got its constituency: the
// record of the mail says so, which follows that of the opening.
func (s *sight) explainMatch(ctx context.Context, r storage.Reader, e *Explanation) error {
	if len(e.Steps) == 0 {
		return nil
	}
	last := &e.Steps[len(e.Steps)-1]
	if _, opened := last.Event.(incident.Opened); !opened {
		return nil
	}
	next, err := r.History(ctx, storage.HistoryQuery{
		Tickets: []incident.ID{last.Record.Ticket}, Versions: []uint64{last.Record.Version + 1}, Types: []string{incident.Message{}.Type()},
	})
	if err != nil {
		return err
	}
	seen, hidden, err := s.records(ctx, next)
	if e.Hidden += hidden; err != nil || len(seen) == 0 {
		return err
	}
	ev, err := incident.Decode(seen[0])
	if m, ok := ev.(incident.Message); ok {
		last.Why = matched(m.Content.Why)
	}
	return err
}

// explainMail adds the rows of the outbox, and what kept rules from sending
// anything since.
func (s *sight) explainMail(ctx context.Context, r storage.Reader, e *Explanation, history []incident.Record) error {
	var sent uint64
	if len(e.Steps) > 0 {
		sent = e.Steps[0].Record.Version
	}
	rows, err := r.Outgoing(ctx, storage.OutgoingQuery{Tickets: []incident.ID{e.Ticket}, Only: storage.OnlyMail})
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.Version == sent {
			e.Outgoing = append(e.Outgoing, row)
		}
	}
	for _, record := range history {
		if record.Version <= sent {
			continue
		}
		for _, miss := range record.NearMisses() {
			hidden, err := s.hidesText(ctx, miss.Why)
			if err != nil {
				return err
			}
			if hidden {
				e.Hidden++
				continue
			}
			e.Misses = append(e.Misses, RuleMiss{record.Ticket, record.Version, miss.Rule, miss.Why})
		}
	}
	return nil
}

// paragraph puts the explanation into words.
func (e *Explanation) paragraph(t incident.Ticket) string {
	sentences := []string{e.opening(t)}
	for i, step := range e.Steps {
		sentences = append(sentences, step.sentence(i == 0))
		for _, why := range step.Why {
			sentences = append(sentences, strings.TrimSuffix(why, ".")+".")
		}
	}
	for _, step := range e.Skipped {
		sentences = append(sentences, fmt.Sprintf("Since then came %s.%d, of %s: %s.", tag(step.Record.Ticket), step.Record.Version, when(step.Record.At), strings.TrimSuffix(step.Words, ".")))
	}
	for _, row := range e.Outgoing {
		text := fmt.Sprintf("The mail to %s is %s", row.To, row.Status)
		if row.LastError != "" {
			text += fmt.Sprintf(" after %d tries: %s", row.Attempts, strings.TrimSuffix(row.LastError, "."))
		}
		sentences = append(sentences, text+".")
	}
	for _, miss := range e.Misses {
		sentences = append(sentences, fmt.Sprintf("Record %s.%d woke the rule %s too, which did nothing: %s.", tag(miss.Ticket), miss.Version, miss.Rule, strings.TrimSuffix(miss.Why, ".")))
	}
	if e.Hidden > 0 {
		sentences = append(sentences, "What else there is has to do with a ticket that you may not see.")
	}
	return strings.Join(sentences, " ")
}

// opening says what is to be explained.
func (e *Explanation) opening(t incident.Ticket) string {
	subject := fmt.Sprintf("The %s %s", t.Kind, tag(t.ID))
	switch e.Topic {
	case TopicDue:
		switch {
		case t.Due == nil:
			return subject + " has no due date."
		case t.Pinned:
			return fmt.Sprintf("%s is due %s, pinned by hand.", subject, when(*t.Due))
		}
		return fmt.Sprintf("%s is due %s.", subject, when(*t.Due))
	case TopicStatus:
		return fmt.Sprintf("%s is %s.", subject, t.Status)
	case TopicOwner:
		return fmt.Sprintf("%s is owned by %s.", subject, cmp.Or(string(t.Owner), "nobody"))
	case TopicConstituency:
		return fmt.Sprintf("%s is of %s.", subject, cmp.Or(t.Constituency, "no constituency"))
	case TopicThread:
		if len(e.Steps)+e.Hidden == 0 {
			return subject + " has no message that came in."
		}
		return fmt.Sprintf("%s has %d messages.", subject, t.Messages)
	}
	if len(e.Steps)+e.Hidden == 0 {
		return subject + " has sent no mail."
	}
	return subject + " has sent mail."
}

// sentence tells one step.
func (s ExplanationStep) sentence(first bool) string {
	place := fmt.Sprintf("%s.%d", tag(s.Record.Ticket), s.Record.Version)
	text := fmt.Sprintf("Before that stands %s, of %s: %s", place, when(s.Record.At), s.Words)
	if first {
		text = fmt.Sprintf("That comes from %s, of %s: %s", place, when(s.Record.At), s.Words)
	}
	switch c := s.Record.Cause; {
	case c.Rule != "" && c.Version > 0:
		text += fmt.Sprintf(", by the rule %s because of %s.%d", c.Rule, tag(c.Ticket), c.Version)
	case c.Rule != "":
		text += ", by the rule " + c.Rule
	default:
		text += fmt.Sprintf(", which %s did (%s)", s.Record.By, s.Record.Command)
	}
	return text + "."
}

func tag(id incident.ID) string { return "#" + id.String() }

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
