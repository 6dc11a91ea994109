package desk

import (
	"context"
	"errors"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// gather answers asks out of the draft.
func (r *run) gather(ctx context.Context, asks []workflow.Ask) (workflow.Facts, error) {
	var facts workflow.Facts
	for _, a := range asks {
		switch a.Fact {
		case workflow.FactMessages, workflow.FactAnswerable:
			ask := messagesOf
			if a.Fact == workflow.FactAnswerable {
				ask = answerable
			}
			messages, err := ask(ctx, r.draft, a.Ticket)
			if err != nil {
				return facts, err
			}
			facts.KnowMessages(a, messages)
		case workflow.FactStatuses:
			statuses, err := statusesOf(ctx, r.draft, a.Ticket)
			if err != nil {
				return facts, err
			}
			facts.KnowStatuses(a, statuses)
		default:
			tickets, err := r.answer(ctx, a)
			if err != nil {
				return facts, err
			}
			facts.Know(a, tickets...)
		}
	}
	return facts, nil
}

func (r *run) answer(ctx context.Context, a workflow.Ask) ([]incident.Ticket, error) {
	switch a.Fact {
	case workflow.FactTicket:
		return r.tickets(ctx, a.Ticket)
	case workflow.FactParents:
		child, err := r.draft.Ticket(ctx, a.Ticket)
		if err != nil {
			return nil, err
		}
		return r.tickets(ctx, child.Parents...)
	case workflow.FactOpenChildren:
		return r.draft.Find(ctx, storage.Query{Parent: a.Ticket, Phases: notInactive()})
	case workflow.FactEarliestDue:
		return r.draft.Find(ctx, storage.Query{
			Parent: a.Ticket, Phases: notInactive(), Due: storage.DueSet,
			Order: []storage.Order{{Column: storage.ByDue}}, Limit: 1,
		})
	}
	return nil, errors.New("desk: there is no fact called " + string(a.Fact))
}

// tickets loads those that exist. Unlike a Find it does not look at all that the
// draft has changed, which counts when an incident with many children is closed.
func (r *run) tickets(ctx context.Context, ids ...incident.ID) ([]incident.Ticket, error) {
	var found []incident.Ticket
	for _, id := range ids {
		t, err := r.draft.Ticket(ctx, id)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, t)
	}
	return found, nil
}

func notInactive() []incident.Phase { return []incident.Phase{incident.Initial, incident.Active} }

// statusesOf returns the statuses that a ticket has had, oldest first.
func statusesOf(ctx context.Context, r storage.Reader, id incident.ID) ([]workflow.StatusRecord, error) {
	history, err := r.History(ctx, storage.HistoryQuery{
		Tickets: []incident.ID{id}, Types: []string{incident.Opened{}.Type(), incident.Moved{}.Type()},
	})
	return workflow.StatusesOf(history), err
}

// messagesOf returns the messages of a ticket, oldest first.
func messagesOf(ctx context.Context, r storage.Reader, id incident.ID) ([]workflow.MessageRecord, error) {
	history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}, Types: []string{incident.Message{}.Type()}})
	return decodeMessages(history), err
}

// answerable returns the newest message of a ticket that a reply can name, if
// there is one. It looks at more and more of the newest until it finds it.
func answerable(ctx context.Context, r storage.Reader, id incident.ID) ([]workflow.MessageRecord, error) {
	q := storage.HistoryQuery{Tickets: []incident.ID{id}, Types: []string{incident.Message{}.Type()}, Descending: true}
	for q.Limit = 4; ; q.Limit *= 8 {
		history, err := r.History(ctx, q)
		if err != nil {
			return nil, err
		}
		messages := decodeMessages(history)
		if i := slices.IndexFunc(messages, workflow.MessageRecord.Answerable); i >= 0 {
			return messages[i : i+1], nil
		}
		if len(history) < q.Limit {
			return nil, nil
		}
	}
}

func decodeMessages(history []incident.Record) (messages []workflow.MessageRecord) {
	for _, record := range history {
		ev, err := incident.Decode(record)
		if m, ok := ev.(incident.Message); ok && err == nil {
			messages = append(messages, workflow.MessageRecord{Version: record.Version, At: record.At, Message: m})
		}
	}
	return messages
}
