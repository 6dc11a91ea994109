package workflow

import (
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
)

// NotifyParams are the parameters of the rules that tell the team. They never tell
// a person of what that person did.
type NotifyParams struct {
	Duty  bool            `json:"duty"`  // whoever is on duty, where nobody owns the ticket
	Kinds []incident.Kind `json:"kinds"` // empty: all
}

// notify tells the owner of a ticket about a change.
func notify(c Change, t incident.Ticket, params any, about string) Verdict {
	with := params.(NotifyParams)
	to := t.Owner
	switch {
	case to == c.By || len(with.Kinds) > 0 && !slices.Contains(with.Kinds, t.Kind):
		return Verdict{}
	case to == incident.Nobody && !with.Duty:
		return Verdict{Why: "nobody owns it"}
	case to == incident.Nobody:
		to = incident.Duty
	}
	return Verdict{Commands: []Command{Notify{Ticket: t.ID, To: to, About: about}}, Why: about}
}

func notifyLinked(_ *Policy, c Change, f Facts, params any) Verdict {
	if c.After.Kind != incident.KindReport {
		return Verdict{}
	}
	var all Verdict
	for _, parent := range newParents(c, f) {
		v := notify(c, parent, params, fmt.Sprintf("report %s was linked to it", c.After.ID))
		if len(v.Commands) > 0 || len(all.Commands) == 0 {
			all.Commands, all.Why = append(all.Commands, v.Commands...), v.Why
		}
	}
	return all
}

func notifyReply(_ *Policy, c Change, _ Facts, params any) Verdict {
	if _, why, ok := reply(c); !ok {
		return Verdict{Why: why}
	}
	return notify(c, c.After, params, "a message from outside has come")
}

func notifyReopened(_ *Policy, c Change, _ Facts, params any) Verdict {
	if c.Before.Open() || !c.After.Open() {
		return Verdict{}
	}
	return notify(c, c.After, params, "it was opened again")
}

func notifyAssigned(_ *Policy, c Change, _ Facts, params any) Verdict {
	if c.After.Owner == incident.Nobody {
		return Verdict{}
	}
	return notify(c, c.After, params, "it was given to you")
}

func notifyOverdueNeeds(_ *Policy, c Change, _ any) []Ask {
	if c.After.Kind != incident.KindIncident || !c.After.Open() {
		return nil
	}
	return []Ask{{Fact: FactEarliestDue, Ticket: c.After.ID}}
}

func notifyOverdue(_ *Policy, c Change, f Facts, params any) Verdict {
	if !c.After.Open() {
		return Verdict{}
	}
	dated := c.After // the ticket whose date it is
	if c.After.Kind == incident.KindIncident {
		if child, ok := f.EarliestDue(c.After.ID); ok && sameTime(child.Due, c.After.Due) && child.Owner == c.After.Owner {
			dated = child
		}
	}
	if dated.Due != nil && sameTime(dated.Due, dated.OldestUnanswered) {
		return Verdict{Why: "it is due because of a message, which has been told of"}
	}
	return notify(c, c.After, params, "its due date has passed")
}

func notifyUndelivered(_ *Policy, c Change, _ Facts, params any) Verdict {
	mail := c.Event.(incident.Undelivered)
	if mail.Notice {
		return Verdict{Why: "it was a notice to the team"}
	}
	switch mail.Outcome {
	case incident.MailFailed:
		return notify(c, c.After, params, fmt.Sprintf("the mail of record %d did not go out", mail.Version))
	case incident.MailUncertain:
		return notify(c, c.After, params, fmt.Sprintf("nobody can say whether the mail of record %d arrived", mail.Version))
	}
	return Verdict{}
}
