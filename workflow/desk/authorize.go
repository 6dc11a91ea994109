package desk

import (
	"context"
	"errors"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// authorize refuses a command that the actor may not give, as far as that can be
// told before it is decided.
func (r *run) authorize(ctx context.Context, c workflow.Command, t incident.Ticket) error {
	if err := r.checkVisible(ctx, t, c, r.concerned(t, c)); err != nil {
		return err
	}
	others, err := r.tickets(ctx, workflow.Concerned(t, c)...)
	if err != nil {
		return err
	}
	return r.session.who.Check(c, t, others)
}

// concerned are the tickets, beside the one that it is about, that a command names
// or asks for.
func (r *run) concerned(t incident.Ticket, c workflow.Command) []incident.ID {
	ids := workflow.Concerned(t, c)
	for _, a := range r.policy.Asks(t, c) {
		if a.Fact == workflow.FactTicket && !slices.Contains(ids, a.Ticket) {
			ids = append(ids, a.Ticket)
		}
	}
	return ids
}

// checkVisible refuses a command with tickets that do not exist or that the actor
// may not see.
func (r *run) checkVisible(ctx context.Context, t incident.Ticket, c workflow.Command, ids []incident.ID) error {
	for _, id := range ids {
		other, err := r.draft.Ticket(ctx, id)
		switch {
		case err != nil && !errors.Is(err, storage.ErrNotFound):
			return err
		case err == nil && r.visible(other):
		case id == t.MergedInto && t.MergedInto != 0:
			return &workflow.RefusedError{Command: c.Name(), Ticket: t.ID, Why: unseenTicket}
		default:
			return &workflow.NoTicketError{Ticket: id, Err: storage.ErrNotFound}
		}
	}
	return nil
}

// visible reports whether the actor may see a ticket. Tickets that the same Do
// has opened are visible to it.
func (r *run) visible(t incident.Ticket) bool {
	return r.session == nil || r.session.scope == nil || r.session.scope.Covers(t) || slices.Contains(r.opened, t.ID)
}

// sight is what the actor sees of what the run has drafted.
func (r *run) sight() *sight {
	s := r.session.sight(r.draft)
	if s != nil {
		for _, id := range r.opened {
			s.known[id] = true
		}
	}
	return s
}

// limit keeps from a command what its actor has no part in: children that may not be
// seen or replied to get no mail, and what is made from a ticket gets none of its
// incidents that may not be seen.
func (r *run) limit(ctx context.Context, facts *workflow.Facts, c workflow.Command, asks []workflow.Ask) error {
	open, opens := c.(workflow.Open)
	for _, a := range asks {
		switch {
		case a.Fact == workflow.FactOpenChildren:
			facts.Know(a, slices.DeleteFunc(facts.OpenChildren(a.Ticket), func(t incident.Ticket) bool {
				return !r.visible(t) || !r.session.who.May(workflow.Reply{}.Name(), t)
			})...)
		case opens && a.Fact == workflow.FactParents:
			facts.Know(a, slices.DeleteFunc(facts.Parents(a.Ticket), func(t incident.Ticket) bool { return !r.visible(t) })...)
		case opens && a.Fact == workflow.FactTicket && a.Ticket == open.From:
			from, ok := facts.Ticket(open.From)
			if !ok {
				continue
			}
			seen, err := r.sight().ticket(ctx, from)
			if err != nil {
				return err
			}
			from.Parents = seen.Parents
			facts.Know(a, from)
		}
	}
	return nil
}

// offered leaves out the commands that the actor may not give.
func (r *run) offered(ctx context.Context, commands []workflow.Command) (list []workflow.Command, err error) {
	if r.session == nil {
		return commands, nil
	}
	for _, c := range commands {
		t := incident.Ticket{}
		if id := c.Target(); id != incident.Desk {
			if t, err = r.draft.Ticket(ctx, id); err != nil {
				return nil, err
			}
		}
		err := r.authorize(ctx, c, t)
		switch err.(type) {
		case nil:
			list = append(list, c)
		case *workflow.RightsError, *workflow.NoTicketError, *workflow.RefusedError:
		default:
			return nil, err
		}
	}
	return r.shown(ctx, list)
}

// shown leaves out the commands that name tickets which the actor may not see.
func (r *run) shown(ctx context.Context, commands []workflow.Command) (list []workflow.Command, err error) {
	for _, c := range commands {
		ids := r.concerned(incident.Ticket{}, c)
		if id := c.Target(); id != incident.Desk {
			ids = append(ids, id)
		}
		err := r.checkVisible(ctx, incident.Ticket{}, c, ids)
		var hidden *workflow.NoTicketError
		if errors.As(err, &hidden) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}
