package desk

import (
	"context"
	"errors"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// gather answers asks out of the draft.
func (r *run) gather(ctx context.Context, asks []workflow.Ask) (facts workflow.Facts, err error) {
	err = r.learn(ctx, &facts, asks)
	return facts, err
}

// learn adds the answers to asks.
func (r *run) learn(ctx context.Context, facts *workflow.Facts, asks []workflow.Ask) error {
	for _, a := range asks {
		switch a.Fact {
		case workflow.FactMessages, workflow.FactAnswerable:
			ask := messagesOf
			if a.Fact == workflow.FactAnswerable {
				ask = answerable
			}
			messages, err := ask(ctx, r.draft, a.Ticket)
			if err != nil {
				return err
			}
			facts.KnowMessages(a, messages)
		case workflow.FactSent:
			messages, err := r.lastSent(ctx, a.Ticket)
			if err != nil {
				return err
			}
			facts.KnowMessages(a, messages)
		case workflow.FactStatuses:
			statuses, err := statusesOf(ctx, r.draft, a.Ticket)
			if err != nil {
				return err
			}
			facts.KnowStatuses(a, statuses)
		case workflow.FactTexts, workflow.FactNewestText:
			messages, err := r.textsOf(ctx, a)
			if err != nil {
				return err
			}
			facts.KnowMessages(a, messages)
		case workflow.FactMerges:
			records, err := r.draft.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{a.Ticket}, Types: merging()})
			if err != nil {
				return err
			}
			facts.KnowRecords(a, records)
		case workflow.FactDefective:
			is, _, err := marking(ctx, r.draft, a.Address)
			if err != nil {
				return err
			}
			facts.KnowDefective(a, is)
		case workflow.FactObserved, workflow.FactNewestObserved:
			q := storage.HistoryQuery{Tickets: []incident.ID{a.Ticket}, Types: []string{incident.Observed{}.Type()}}
			if a.Fact == workflow.FactNewestObserved {
				q.Descending, q.Limit = true, 1
			}
			records, err := r.draft.History(ctx, q)
			if err != nil {
				return err
			}
			facts.KnowRecords(a, records)
		case workflow.FactReported:
			records, err := r.reported(ctx, a.Ticket)
			if err != nil {
				return err
			}
			facts.KnowRecords(a, records)
		case workflow.FactSince:
			records, err := r.since(ctx, a.Ticket, a.Version)
			if err != nil {
				return err
			}
			facts.KnowRecords(a, records)
		case workflow.FactSetter:
			records, err := setter(ctx, r.draft, a.Ticket, a.Field)
			if err != nil {
				return err
			}
			facts.KnowRecords(a, records)
		case workflow.FactChildrenAnswerable:
			if err := r.childrenAnswerable(ctx, facts, a.Ticket); err != nil {
				return err
			}
		default:
			tickets, err := r.answer(ctx, a)
			if err != nil {
				return err
			}
			facts.Know(a, tickets...)
		}
	}
	return nil
}

func (r *run) answer(ctx context.Context, a workflow.Ask) ([]incident.Ticket, error) {
	switch a.Fact {
	case workflow.FactTicket:
		return r.tickets(ctx, a.Ticket)
	case workflow.FactNumber:
		id, err := r.draft.NextID(ctx)
		return []incident.Ticket{{ID: id}}, err
	case workflow.FactParents:
		child, err := r.draft.Ticket(ctx, a.Ticket)
		if err != nil {
			return nil, err
		}
		return r.tickets(ctx, child.Parents...)
	case workflow.FactOpenChildren:
		return r.draft.Find(ctx, storage.Query{Parent: a.Ticket, Phases: notInactive()})
	case workflow.FactChildren:
		return r.draft.Find(ctx, storage.Query{Parent: a.Ticket})
	case workflow.FactSoleChildren:
		return r.soleChildren(ctx, a.Ticket)
	case workflow.FactAsOf:
		return r.asOf(ctx, a.Ticket, a.Version)
	case workflow.FactEarliestDue:
		return r.draft.Find(ctx, storage.Query{
			Parent: a.Ticket, Phases: notInactive(), Due: storage.DueSet,
			Order: []storage.Order{{Column: storage.ByDue}}, Limit: 1,
		})
	}
	return nil, errors.New("desk: there is no fact called " + string(a.Fact))
}

// since returns the records behind a version that were stored before this Do, the
// newest first. It reads no others.
func (r *run) since(ctx context.Context, id incident.ID, version uint64) ([]incident.Record, error) {
	t, err := r.base.Ticket(ctx, id)
	if errors.Is(err, storage.ErrNotFound) || err == nil && t.Version <= version {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return r.base.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}, Descending: true, Limit: int(t.Version - version)})
}

// asOf returns a ticket as it was at a version.
func (r *run) asOf(ctx context.Context, id incident.ID, version uint64) ([]incident.Ticket, error) {
	history, err := r.base.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}, Limit: int(version)})
	if err != nil || uint64(len(history)) < version {
		return nil, err
	}
	return []incident.Ticket{incident.Fold(history)}, nil
}

// soleChildren returns the children that are not inactive and that no other active
// incident holds.
func (r *run) soleChildren(ctx context.Context, id incident.ID) ([]incident.Ticket, error) {
	children, err := r.draft.Find(ctx, storage.Query{Parent: id, Phases: notInactive()})
	if err != nil {
		return nil, err
	}
	var sole []incident.Ticket
	for _, child := range children {
		parents, err := r.tickets(ctx, child.Parents...)
		if err != nil {
			return nil, err
		}
		held := slices.ContainsFunc(parents, func(p incident.Ticket) bool { return p.ID != id && p.Phase == incident.Active })
		if !held {
			sole = append(sole, child)
		}
	}
	return sole, nil
}

func (r *run) childrenAnswerable(ctx context.Context, facts *workflow.Facts, id incident.ID) error {
	children, err := r.draft.Find(ctx, storage.Query{Parent: id, Phases: notInactive()})
	if err != nil {
		return err
	}
	for _, child := range children {
		messages, err := answerable(ctx, r.draft, child.ID)
		if err != nil {
			return err
		}
		facts.KnowMessages(workflow.Ask{Fact: workflow.FactAnswerable, Ticket: child.ID}, messages)
	}
	return nil
}

// reported answers [workflow.FactReported].
func (r *run) reported(ctx context.Context, id incident.ID) (all []incident.Record, err error) {
	t, err := r.draft.Ticket(ctx, id)
	if err != nil {
		return nil, err
	}
	tickets, err := withMerged(ctx, r.draft, nil, []incident.Ticket{t}, mostMerged)
	for _, t := range cut(tickets, mostMerged) {
		records, err := observed(ctx, r.draft, t)
		if err != nil {
			return nil, err
		}
		all = append(all, records...)
	}
	return all, err
}

// merging are the types of records of which [workflow.FactMerges] tells.
func merging() []string {
	return []string{incident.Message{}.Type(), incident.Merged{}.Type(), incident.Joined{}.Type(), incident.Unmerged{}.Type()}
}

// textsOf answers [workflow.FactTexts] and [workflow.FactNewestText].
func (r *run) textsOf(ctx context.Context, a workflow.Ask) ([]workflow.MessageRecord, error) {
	q := storage.HistoryQuery{Tickets: []incident.ID{a.Ticket}, Types: []string{incident.Message{}.Type(), incident.Commented{}.Type()}}
	newest := a.Fact == workflow.FactNewestText
	if newest {
		q.Types, q.Descending, q.Limit = q.Types[:1], true, 1
	}
	history, err := r.draft.History(ctx, q)
	if err != nil {
		return nil, err
	}
	var texts []workflow.MessageRecord
	for _, record := range history {
		m, ok := textual(record)
		if !ok || m.Machine && !newest {
			continue
		}
		text, err := r.text(ctx, m)
		if err != nil {
			return nil, err
		}
		if newest {
			text = mail.Unquoted(text)
		}
		texts = append(texts, workflow.MessageRecord{Version: record.Version, At: record.At, Message: m, Text: text})
	}
	return texts, nil
}

// textual returns the message of a record; the note that a ticket was opened with
// counts as one.
func textual(record incident.Record) (incident.Message, bool) {
	ev, err := incident.Decode(record)
	if err != nil {
		return incident.Message{}, false
	}
	switch ev := ev.(type) {
	case incident.Message:
		return ev, true
	case incident.Commented:
		return incident.Message{Side: incident.Inside, Blobs: ev.Blobs}, record.Command == workflow.Open{}.Name()
	}
	return incident.Message{}, false
}

// text is what a message says to a reader.
func (r *run) text(ctx context.Context, m incident.Message) (string, error) {
	if len(m.Blobs) == 0 {
		return "", nil
	}
	if r.mail != nil && m.Blobs[0] == r.mail.digest {
		return r.mail.msg.Text, nil
	}
	body, err := r.desk.body(ctx, r.draft, m.Blobs[0])
	if err != nil || !m.IsMail() {
		return string(body), err
	}
	parsed, _ := mail.Parse(r.desk.readable(ctx, m, body), r.desk.config.Limits) // what is wrong with it stands in its record
	return parsed.Text, nil
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

// setter returns the newest record that says something of a field, or the first. It
// looks at more and more of the newest until it finds it.
func setter(ctx context.Context, r storage.Reader, id incident.ID, field string) ([]incident.Record, error) {
	q := storage.HistoryQuery{Tickets: []incident.ID{id}, Types: []string{incident.Opened{}.Type(), incident.Edited{}.Type()}, Descending: true}
	for q.Limit = 4; ; q.Limit *= 8 {
		history, err := r.History(ctx, q)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(history, func(record incident.Record) bool { return workflow.SetsField(record, field) }); i >= 0 {
			return history[i : i+1], nil
		}
		if len(history) < q.Limit {
			return history[max(0, len(history)-1):], nil
		}
	}
}

// answerable returns the newest message of a ticket that a reply can name, if
// there is one.
func answerable(ctx context.Context, r storage.Reader, id incident.ID) ([]workflow.MessageRecord, error) {
	return newestOf(ctx, r, id, workflow.MessageRecord.Answerable)
}

// newestOf returns the newest message of a ticket that is so, if there is one. It
// looks at more and more of the newest until it finds it.
func newestOf(ctx context.Context, r storage.Reader, id incident.ID, is func(workflow.MessageRecord) bool) ([]workflow.MessageRecord, error) {
	q := storage.HistoryQuery{Tickets: []incident.ID{id}, Types: []string{incident.Message{}.Type()}, Descending: true}
	for q.Limit = 4; ; q.Limit *= 8 {
		history, err := r.History(ctx, q)
		if err != nil {
			return nil, err
		}
		messages := decodeMessages(history)
		if i := slices.IndexFunc(messages, is); i >= 0 {
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
