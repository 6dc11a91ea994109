package workflow

import (
	"slices"

	"github.com/airtight-csirt/airtight/incident"
)

// Resend sends the last mail of a report, investigation or block again, with its
// files, to the requestors and copies that the ticket has now (JANET 3.15). To are
// further people who are asked: they become requestors. Cc adds copies for this mail
// only.
type Resend struct {
	Ticket incident.ID      `json:"ticket"`
	To     []incident.Party `json:"to,omitempty"`
	Cc     []incident.Party `json:"cc,omitempty"`
}

// Name is the word for the command.
func (Resend) Name() string { return "resend" }

// Target is the ticket whose mail it is.
func (c Resend) Target() incident.ID { return c.Ticket }

// ThreadResend is the Thread of a mail that was sent before.
const ThreadResend = "resend"

func (c Resend) asks(_ *Policy, t incident.Ticket) []Ask {
	return []Ask{{Fact: FactSent, Ticket: t.ID}}
}

func (c Resend) decide(_ *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	last, ok := f.Sent(t.ID)
	to, err := parties(c, "to", c.To)
	if err != nil {
		return nil, err
	}
	once, err := parties(c, "cc", c.Cc)
	if err != nil {
		return nil, err
	}
	requestors := withParties(t.Requestors, to)
	switch {
	case t.Kind == incident.KindIncident:
		return nil, &RefusedError{c.Name(), t.ID, "an incident has no correspondents: send the mail of its reports, investigations or blocks again"}
	case !ok:
		return nil, &RefusedError{c.Name(), t.ID, "it has sent no mail so far: reply"}
	case len(requestors) == 0:
		return nil, &RefusedError{c.Name(), t.ID, "it has no requestors: say to whom"}
	}
	earlier := last.Message.Content
	m := incident.Message{
		Side: incident.Inside, Sent: true, Thread: ThreadResend,
		Answers: t.OldestUnanswered == nil, // whoever has written since gets no answer by it
		Content: incident.MessageEntity{
			Subject: earlier.Subject, To: requestors, Cc: withParties(t.Cc, once), InReplyTo: earlier.InReplyTo,
			References: thread(append(slices.Clone(earlier.References), earlier.MessageID)),
		},
	}
	var decisions []Decision
	if len(requestors) > len(t.Requestors) {
		decisions = events(incident.Edited{Content: incident.EditedContent{Requestors: &requestors}})
	}
	return append(decisions, Decision{Event: m, Text: last.Text, Files: last.Files}), nil
}

// Chasing is how often somebody was waited for in vain.
type Chasing struct {
	Timeouts int `json:"timeouts"` // due dates that passed while we waited for an answer, as sweeps have noted them
	Resent   int `json:"resent"`   // how often a mail was sent again
}

// ChasingTypes are the types of records that [ChasingOf] looks at.
func ChasingTypes() []string {
	return []string{
		incident.Message{}.Type(), incident.Overdue{}.Type(), incident.Joined{}.Type(), incident.Unmerged{}.Type(),
	}
}

// ChasingOf counts in the history of one ticket, or what of it is of
// [ChasingTypes]. A due date that passed while somebody waited for us, or before we
// wrote anything, is none of theirs.
func ChasingOf(history []incident.Record) (c Chasing) {
	var t incident.Ticket // as far as these records make it
	for _, r := range history {
		t = incident.Apply(t, r)
		ev, err := incident.Decode(r)
		if err != nil {
			continue
		}
		switch ev := ev.(type) {
		case incident.Message:
			if ev.Thread == ThreadResend {
				c.Resent++
			}
		case incident.Overdue:
			if t.OldestUnanswered == nil && t.LastInside != nil {
				c.Timeouts++
			}
		}
	}
	return c
}
