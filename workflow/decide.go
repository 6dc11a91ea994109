package workflow

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Env is what a decision knows beside the facts. Now is at least the ticket's
// Updated. Everything that looks random in what follows from a command, such as
// Message-IDs and salts, is derived from Seed.
type Env struct {
	Now  time.Time
	By   incident.Actor
	Seed [32]byte
}

// Decision is an event that a command causes, on the ticket that the command is
// about, or on another one (Ticket, if not 0). Text is the body that belongs to it:
// whoever stores the event keeps the text as its first blob, or, for a message that
// we send, the mail that is made of it and of Files. The files of a message that
// is no mail are blobs of their own. Once get a copy of
// a mail even if they are squelched. Pause, if not 0, makes a mail go to nobody who
// has had such a one in the present stretch of so much time.
type Decision struct {
	Ticket incident.ID
	Event  incident.Event
	Text   string
	Files  []File
	Once   []incident.Party
	Pause  time.Duration

	Template string // of the mail, in the place of Text, if the desk can fill it in
}

// Asks returns what must be known to decide a command about t, which for [Open]
// is the zero Ticket.
func (p *Policy) Asks(t incident.Ticket, c Command) []Ask {
	return append(c.asks(p, t), sinceAsks(t, c)...)
}

// Decide returns the events that a command causes on t, in order; none when all
// is as the command wants it already. For [Open], t has its number and nothing
// else. Facts answer what Asks and AsksAlso returned. Errors: [*TransitionError],
// [*TakenError], [*RefusedError], [*ArgumentError], [*MissingError],
// [*NoTicketError], [*ChangedError].
func (p *Policy) Decide(t incident.Ticket, c Command, f Facts, env Env) ([]Decision, error) {
	if t.MergedInto != 0 {
		switch c.(type) {
		case ReceiveAgain, Examine, Wake, Unmerge, Conclude, ConcludeMail, ReleaseMail, DropMail, ConfirmMail: // what comes by itself may still come
		default:
			return nil, &RefusedError{c.Name(), t.ID, fmt.Sprintf("it was merged into ticket %s: work on that one", t.MergedInto)}
		}
	}
	if err := checkBase(t, c); err != nil {
		return nil, err
	}
	decisions, err := c.decide(p, t, f, env)
	name(c, err)
	var malformed *ArgumentError
	if errors.As(err, &malformed) || err == nil && len(decisions) == 0 {
		return nil, err
	}
	if faster := p.changedSince(t, c, f, env); faster != nil { // it says more than what is not possible any more
		return nil, faster
	}
	return attended(t, decisions, env.Now), err
}

// name lets an error name the command that was given, and not another one by which it
// was decided.
func name(c Command, err error) {
	var refused *RefusedError
	var malformed *ArgumentError
	var lacking *MissingError
	switch {
	case errors.As(err, &refused):
		refused.Command = c.Name()
	case errors.As(err, &malformed):
		malformed.Command = c.Name()
	case errors.As(err, &lacking):
		lacking.Command = c.Name()
	}
}

func events(list ...incident.Event) []Decision {
	var decisions []Decision
	for _, e := range list {
		decisions = append(decisions, Decision{Event: e})
	}
	return decisions
}

// on are events for another ticket.
func on(id incident.ID, list ...incident.Event) []Decision {
	decisions := events(list...)
	for i := range decisions {
		decisions[i].Ticket = id
	}
	return decisions
}

func askTickets(ids ...incident.ID) []Ask {
	var asks []Ask
	for _, id := range ids {
		asks = append(asks, Ask{Fact: FactTicket, Ticket: id})
	}
	return asks
}

func (Take) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Take) decide(_ *Policy, t incident.Ticket, _ Facts, env Env) ([]Decision, error) {
	switch t.Owner {
	case env.By:
		return nil, nil
	case incident.Nobody:
		return events(incident.Owned{To: env.By}), nil
	}
	return nil, &TakenError{t.ID, t.Owner}
}

func (Steal) asks(*Policy, incident.Ticket) []Ask { return nil }

func (Steal) decide(_ *Policy, t incident.Ticket, _ Facts, env Env) ([]Decision, error) {
	if t.Owner == env.By {
		return nil, nil
	}
	return events(incident.Owned{From: t.Owner, To: env.By}), nil
}

func (Release) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Release) decide(_ *Policy, t incident.Ticket, _ Facts, env Env) ([]Decision, error) {
	switch t.Owner {
	case incident.Nobody:
		return nil, nil
	case env.By:
		return events(incident.Owned{From: t.Owner}), nil
	}
	return nil, &TakenError{t.ID, t.Owner}
}

func (Assign) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Assign) decide(_ *Policy, t incident.Ticket, _ Facts, _ Env) ([]Decision, error) {
	to := incident.Actor(oneLine(string(c.To)))
	if to == t.Owner {
		return nil, nil
	}
	if strings.Contains(string(to), "@") {
		return nil, &ArgumentError{c.Name(), "to", string(to), "an actor like handler:alice, never a mail address"}
	}
	return events(incident.Owned{From: t.Owner, To: to}), nil
}

func (c Move) asks(p *Policy, t incident.Ticket) []Ask { return p.closingAsks(t, c.To) }

func (c Move) decide(p *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	return p.moveBy(c, t, c.To, f)
}

// moveBy is what a command does that moves t to a status.
func (p *Policy) moveBy(c Command, t incident.Ticket, to incident.Status, f Facts) ([]Decision, error) {
	moved, err := p.move(t, to)
	if err != nil || moved == nil {
		return nil, err
	}
	if waits := p.waitsForBlocks(c, t, moved, f); waits != nil {
		return waits, nil
	}
	outcome := incident.Accepted
	if moved.Phase == incident.Inactive {
		outcome = incident.Rejected
	}
	return events(append(settled(t, outcome, 0), *moved)...), nil
}

// move returns the event that brings t to a status; nil if it is there.
func (p *Policy) move(t incident.Ticket, name incident.Status) (*incident.Moved, error) {
	l := p.Lifecycles[t.Kind]
	to, known := l.Status(name)
	if known && to.Name == t.Status {
		return nil, nil
	}
	if allowed := p.Allowed(t); !known || !slices.Contains(allowed, to.Name) {
		return nil, &TransitionError{t.ID, t.Kind, t.Status, name, allowed}
	}
	return &incident.Moved{From: t.Status, To: to.Name, Phase: to.Phase}, nil
}

// settled ends being held, if t is held: whoever moves or links a held report
// has said where it belongs.
func settled(t incident.Ticket, outcome incident.Outcome, to incident.ID) []incident.Event {
	if t.Held == nil {
		return nil
	}
	return []incident.Event{incident.Delivered{Outcome: outcome, To: to}}
}

func (Reopen) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Reopen) decide(p *Policy, t incident.Ticket, _ Facts, _ Env) ([]Decision, error) {
	if t.Phase == incident.Active {
		return nil, nil
	}
	to, ok := p.Lifecycles[t.Kind].FirstActive(t.Status)
	if !ok {
		return nil, &RefusedError{c.Name(), t.ID, fmt.Sprintf("no active status can be reached from %q", t.Status)}
	}
	return p.moveBy(c, t, to, Facts{})
}

func (c Link) asks(*Policy, incident.Ticket) []Ask { return askTickets(c.Parent) }

func (c Link) decide(p *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	if t.HasParent(c.Parent) {
		return nil, nil
	}
	parent, ok := f.Ticket(c.Parent)
	if !ok {
		return nil, &NoTicketError{Ticket: c.Parent}
	}
	if err := p.checkParent(c, t, parent); err != nil {
		return nil, err
	}
	if err := p.apart(c, t, parent); err != nil {
		return nil, err
	}
	return events(p.link(t, c.Parent)...), nil
}

// link returns the events that make t a child of an incident.
func (p *Policy) link(t incident.Ticket, parent incident.ID) []incident.Event {
	linked := settled(t, incident.Attached, parent)
	if !p.Lifecycles[t.Kind].ManyParents {
		for _, old := range t.Parents {
			linked = append(linked, incident.Unlinked{Parent: old})
		}
	}
	return append(linked, incident.Linked{Parent: parent})
}

// checkParent reports why t cannot be a child of parent.
func (p *Policy) checkParent(c Command, t, parent incident.Ticket) error {
	switch {
	case t.Kind == incident.KindIncident:
		return &RefusedError{c.Name(), t.ID, "an incident cannot be the child of another: link its reports, investigations and blocks"}
	case parent.Kind != incident.KindIncident:
		return &ArgumentError{c.Name(), "parent", fmt.Sprintf("%s %s", parent.Kind, parent.ID), "the number of an incident"}
	case parent.MergedInto != 0:
		return &ArgumentError{c.Name(), "parent", parent.ID.String(), fmt.Sprintf("incident %s, into which it was merged", parent.MergedInto)}
	case p.Lifecycles[parent.Kind].RefuseClosed && !parent.Open() && t.Open():
		return &RefusedError{c.Name(), t.ID, fmt.Sprintf("incident %s is %s: open it again first", parent.ID, parent.Status)}
	}
	return nil
}

func (Unlink) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Unlink) decide(p *Policy, t incident.Ticket, _ Facts, _ Env) ([]Decision, error) {
	if !t.HasParent(c.Parent) {
		return nil, nil
	}
	if p.Lifecycles[t.Kind].ParentRequired && len(t.Parents) == 1 {
		return nil, &RefusedError{c.Name(), t.ID, article(t.Kind) + " belongs to an incident: link another one first"}
	}
	return events(incident.Unlinked{Parent: c.Parent}), nil
}

func (Comment) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Comment) decide(*Policy, incident.Ticket, Facts, Env) ([]Decision, error) {
	var noted incident.Commented
	if c.Call != nil {
		call := incident.Call{
			Direction: c.Call.Direction, Person: oneLine(c.Call.Person), Number: oneLine(c.Call.Number), Left: incident.Clean(c.Call.Left),
		}
		if call.Direction != incident.CallIn && call.Direction != incident.CallOut {
			return nil, &ArgumentError{c.Name(), "direction of the call", string(call.Direction), "in, out"}
		}
		noted.Content.Call = &call
	} else if strings.TrimSpace(c.Text) == "" {
		return nil, &ArgumentError{c.Name(), "text", "", "some text"}
	}
	return []Decision{{Event: noted, Text: incident.Clean(c.Text)}}, nil
}

func (c Close) asks(_ *Policy, t incident.Ticket) []Ask {
	return []Ask{{Fact: FactParents, Ticket: t.ID}}
}

func (c Close) decide(p *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	if !t.Open() {
		return nil, nil
	}
	for _, parent := range f.Parents(t.ID) {
		if parent.ID != c.Under && parent.Phase == incident.Active {
			return nil, &RefusedError{c.Name(), t.ID, fmt.Sprintf("incident %s, which is %s, holds it too", parent.ID, parent.Status)}
		}
	}
	if t.Kind == incident.KindBlock && t.Phase == incident.Active && p.activeBlock() == BlockWarn {
		return nil, &RefusedError{c.Name(), t.ID, "the block is in place: its removal must be asked for"}
	}
	to, ok := p.Lifecycles[t.Kind].Status(c.To)
	if !ok {
		return nil, &TransitionError{t.ID, t.Kind, t.Status, c.To, p.Allowed(t)}
	}
	// A cascade does not ask the transition table: RTIR's does not either, and a
	// new report of an abandoned incident must be able to follow it.
	return events(append(settled(t, incident.Rejected, 0), incident.Moved{From: t.Status, To: to.Name, Phase: to.Phase})...), nil
}

func (SetDue) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c SetDue) decide(_ *Policy, t incident.Ticket, _ Facts, _ Env) ([]Decision, error) {
	if t.Kind == incident.KindIncident {
		return nil, &RefusedError{c.Name(), t.ID, "the due date of an incident follows from its children"}
	}
	if sameTime(t.Due, moment(c.Due)) || !t.Open() && c.Due != nil { // nothing can be due on it any more
		return nil, nil
	}
	return events(incident.DueSet{Due: moment(c.Due), Clock: c.Clock}), nil
}

func (Restart) asks(*Policy, incident.Ticket) []Ask { return nil }

func (Restart) decide(_ *Policy, t incident.Ticket, _ Facts, env Env) ([]Decision, error) {
	now := env.Now
	if sameTime(t.Started, &now) {
		return nil, nil
	}
	return events(incident.Edited{Started: &now}), nil
}

func (Notify) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Notify) decide(_ *Policy, t incident.Ticket, _ Facts, _ Env) ([]Decision, error) {
	text := fmt.Sprintf("%s %s: %s.\n\nSubject: %s\nStatus: %s\n", t.Kind, t.ID, c.About, t.Subject, t.Status)
	if t.Due != nil {
		text += "Due: " + t.Due.Format(time.RFC3339) + "\n"
	}
	return []Decision{{Event: incident.Notified{To: c.To, About: c.About}, Text: text}}, nil
}

func (Inform) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Inform) decide(*Policy, incident.Ticket, Facts, Env) ([]Decision, error) {
	return events(incident.Message{Side: incident.Inside, Sent: true, Machine: true, Thread: "inform", Content: c.Entity, Blobs: c.Blobs}), nil
}

func (Conclude) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Conclude) decide(*Policy, incident.Ticket, Facts, Env) ([]Decision, error) {
	reacted := incident.Reacted{Reaction: c.Reaction, Version: c.Version, Attempt: c.Attempt, Outcome: c.Outcome, Why: oneLine(c.Why)}
	return []Decision{{Event: reacted, Text: incident.Clean(c.Output)}}, nil
}

func (ConcludeMail) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c ConcludeMail) decide(*Policy, incident.Ticket, Facts, Env) ([]Decision, error) {
	o := c.Outcome
	return events(incident.Undelivered{
		Version: o.Version, Number: o.Number, Notice: o.Notice, Attempt: o.Attempt, Outcome: o.Outcome, Code: o.Code, Enhanced: o.Enhanced,
		Content: incident.UndeliveredContent{To: incident.Clean(c.To), Why: oneLine(c.Why)},
	}), nil
}

func (Wake) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Wake) decide(_ *Policy, t incident.Ticket, _ Facts, env Env) ([]Decision, error) {
	var woken []incident.Event
	due, byClock := t.Due, t.DueByClock
	if t.Wake != nil && !t.Wake.After(env.Now) {
		woken = append(woken, incident.Edited{Clear: []string{"wake"}})
		if t.Open() && (t.Due == nil || t.Due.After(*t.Wake)) {
			due, byClock = t.Wake, false
			woken = append(woken, incident.DueSet{Due: due, Clock: ClockReminder})
		}
	}
	if t.Open() && due != nil && !due.After(env.Now) && !byClock && !sameTime(t.OverdueNoted, due) {
		woken = append(woken, incident.Overdue{Due: *due})
	}
	return events(append(woken, alarms(t, env.Now)...)...), nil
}
