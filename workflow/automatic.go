package workflow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

const maxAutomaticMail = 1_000_000

// Acknowledge are the parameters of the rule acknowledge.
type Acknowledge struct {
	Text  string `json:"text"`
	Hours int    `json:"hours"` // no second one to the same mailbox in one stretch of so many hours; 0: each time

	// Template says it in the place of Text, where the desk has it and knows all its
	// variables: its subject and text; its recipients do not count.
	Template string `json:"template"`
}

const acknowledgement = `Thank you for your report. We have received it, and somebody of our team will
look at it.

Please leave the number in the subject of your mail if you write to us about it.
`

// Check implements what [Policy.Validate] asks.
func (a Acknowledge) Check(*Policy) error {
	switch {
	case strings.TrimSpace(a.Text) == "":
		return errors.New("its text is empty: allowed is any other")
	case a.Hours < 0 || a.Hours > 8760:
		return fmt.Errorf("hours are %d: allowed are 0 to 8760", a.Hours)
	}
	return nil
}

func acknowledgeNeeds(_ *Policy, c Change, _ any) []Ask {
	if c.After.Kind != incident.KindReport {
		return nil
	}
	return []Ask{{Fact: FactTicket, Ticket: c.After.ID}, {Fact: FactMessages, Ticket: c.After.ID}}
}

func acknowledge(_ *Policy, c Change, f Facts, params any) Verdict {
	with, opened := params.(Acknowledge), c.Event.(incident.Opened)
	if c.After.Kind != incident.KindReport {
		return Verdict{}
	}
	t, _ := f.Ticket(c.After.ID)
	for _, m := range f.Messages(t.ID) {
		switch {
		case m.Message.Machine:
			return Verdict{Why: "a machine wrote the message"}
		case m.Message.Side == incident.Inside:
			return Verdict{Why: "somebody of the team wrote the message"}
		case slices.Contains(m.Message.Flags, FlagQuiet):
			return Verdict{Why: "the message must not be answered by itself"}
		}
	}
	switch {
	case len(t.Requestors) == 0:
		return Verdict{Why: "it has no requestors"}
	case t.Held != nil:
		return Verdict{Why: "it waits for a person to say where it belongs"}
	case opened.From != 0:
		return Verdict{Why: "it was split off a report whose requestors know of it"}
	case opened.Quiet:
		return Verdict{Why: "whoever opened it wants nobody told"}
	}
	return Verdict{Commands: []Command{AutoReply{Ticket: t.ID, Text: with.Text, Template: with.Template, Hours: with.Hours}}, Why: "a report has come"}
}

func (c AutoReply) asks(_ *Policy, t incident.Ticket) []Ask {
	return []Ask{{Fact: FactAnswerable, Ticket: t.ID}}
}

func (c AutoReply) decide(_ *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	decisions, err := answer(c, t, Reply{Subject: "Auto: " + t.Subject, Text: c.Text}, f)
	for i := range decisions {
		m := decisions[i].Event.(incident.Message)
		m.Machine, m.Answers, m.Thread, m.Content.Cc = true, false, c.Name(), nil
		decisions[i].Event, decisions[i].Pause, decisions[i].Template = m, time.Duration(c.Hours)*time.Hour, c.Template
	}
	return decisions, err
}

func (ReleaseMail) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c ReleaseMail) decide(*Policy, incident.Ticket, Facts, Env) ([]Decision, error) {
	return events(incident.Settled{As: incident.MailReleased, Mails: c.mails()}), nil
}

func (DropMail) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c DropMail) decide(*Policy, incident.Ticket, Facts, Env) ([]Decision, error) {
	return events(incident.Settled{As: incident.MailDropped, Mails: ReleaseMail(c).mails()}), nil
}

func (ConfirmMail) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c ConfirmMail) decide(*Policy, incident.Ticket, Facts, Env) ([]Decision, error) {
	return events(incident.Settled{As: incident.MailArrived, Mails: ReleaseMail(c).mails()}), nil
}

// mails is what the command names: one mail for one recipient, one for all (-1), or
// none, which stands for all that wait. The shell puts in what is there.
func (c ReleaseMail) mails() []incident.Outgoing {
	switch {
	case c.Version == 0:
		return nil
	case c.Number == nil:
		return []incident.Outgoing{{Version: c.Version, Number: -1}}
	}
	return []incident.Outgoing{{Version: c.Version, Number: *c.Number}}
}
