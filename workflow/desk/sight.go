package desk

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// scopeOf turns what somebody may see into the form in which a store is asked; nil:
// everything.
func scopeOf(who workflow.Who) *storage.Scope {
	views, all := who.Sees()
	if all {
		return nil
	}
	scope := &storage.Scope{}
	for _, v := range views {
		scope.Grants = append(scope.Grants, storage.Grant(v))
	}
	return scope
}

// sight is what somebody sees through one reader. It takes out of an answer what
// names a ticket that may not be seen; whether there is such a ticket makes no
// difference. A nil sight sees everything.
type sight struct {
	scope  *storage.Scope
	reader storage.Reader
	known  map[incident.ID]bool // by number: may be seen
}

func (s *Session) sight(r storage.Reader) *sight {
	if s == nil || s.scope == nil {
		return nil
	}
	return &sight{scope: s.scope, reader: r, known: map[incident.ID]bool{incident.Desk: true}}
}

// learn finds out which of some tickets may be seen, in one question.
func (s *sight) learn(ctx context.Context, ids []incident.ID) error {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id incident.ID) bool { _, known := s.known[id]; return known || id > incident.MaxID })
	slices.Sort(ids)
	for part := range slices.Chunk(slices.Compact(ids), recomputePage) {
		found, err := s.reader.Find(ctx, storage.Query{IDs: part, Scope: s.scope})
		if err != nil {
			return err
		}
		for _, id := range part {
			s.known[id] = slices.ContainsFunc(found, func(t incident.Ticket) bool { return t.ID == id })
		}
	}
	return nil
}

// hides reports whether one of some tickets may not be seen.
func (s *sight) hides(ctx context.Context, ids []incident.ID) (bool, error) {
	if s == nil || len(ids) == 0 {
		return false, nil
	}
	err := s.learn(ctx, ids)
	return slices.ContainsFunc(ids, func(id incident.ID) bool { return !s.known[id] }), err
}

// tickets takes out of tickets, in place, the numbers of others that may not be seen.
func (s *sight) tickets(ctx context.Context, list []incident.Ticket) error {
	if s == nil {
		return nil
	}
	var ids []incident.ID
	for _, t := range list {
		ids = append(append(append(ids, t.Parents...), t.MergedFrom...), t.From, t.MergedInto)
		if t.Held != nil {
			ids = append(ids, t.Held.Candidates...)
		}
	}
	if err := s.learn(ctx, ids); err != nil {
		return err
	}
	unseen := func(id incident.ID) bool { return !s.known[id] }
	seen := func(ids []incident.ID) []incident.ID {
		if left := slices.DeleteFunc(slices.Clone(ids), unseen); len(left) > 0 {
			return left
		}
		return nil
	}
	for i := range list {
		t := &list[i]
		t.Parents, t.MergedFrom = seen(t.Parents), seen(t.MergedFrom)
		for _, id := range []*incident.ID{&t.From, &t.MergedInto} {
			if unseen(*id) {
				*id = 0
			}
		}
		if t.Held != nil && slices.ContainsFunc(t.Held.Candidates, unseen) {
			held := incident.Held{Reason: t.Held.Reason, Candidates: seen(t.Held.Candidates)}
			if len(held.Candidates) == 0 && held.Reason != heldFailed {
				held.Reason = mail.UnknownNumber // what it is when there is no such ticket
			}
			t.Held = &held
		}
	}
	return nil
}

// ticket is tickets for one.
func (s *sight) ticket(ctx context.Context, t incident.Ticket) (incident.Ticket, error) {
	list := []incident.Ticket{t}
	err := s.tickets(ctx, list)
	return list[0], err
}

// records leaves out the records that name tickets which may not be seen, and
// counts them.
func (s *sight) records(ctx context.Context, list []incident.Record) (seen []incident.Record, hidden int, err error) {
	if s == nil {
		return list, 0, nil
	}
	named := make([][]incident.ID, len(list))
	var all []incident.ID
	for i, record := range list {
		named[i] = namedBy(record)
		all = append(all, named[i]...)
	}
	if err := s.learn(ctx, all); err != nil {
		return nil, 0, err
	}
	for i, record := range list {
		if unseen, err := s.hides(ctx, named[i]); err != nil {
			return nil, 0, err
		} else if unseen {
			hidden++
		} else {
			seen = append(seen, record)
		}
	}
	return seen, hidden, nil
}

// hidesText reports whether a sentence of the desk names a ticket that may not be
// seen.
func (s *sight) hidesText(ctx context.Context, texts ...string) (bool, error) {
	if s == nil {
		return false, nil
	}
	return s.hides(ctx, namedIn(texts...))
}

// unseenTicket stands in the place of what would name one.
const unseenTicket = "it has to do with a ticket that you may not see"

// refusal takes the numbers of tickets that may not be seen out of an error.
func (s *sight) refusal(ctx context.Context, err error) error {
	if s == nil {
		return err
	}
	var veto *VetoError
	var replaced *ReplacementError
	var refused *workflow.RefusedError
	var argument *workflow.ArgumentError
	var changed *workflow.ChangedError
	var names []incident.ID
	var ticket incident.ID
	switch {
	case errors.As(err, &veto):
		ticket = veto.Ticket
	case errors.As(err, &replaced):
		ticket = replaced.Ticket
	case errors.As(err, &refused):
		ticket, names = refused.Ticket, namedIn(refused.Why)
	case errors.As(err, &argument):
		names = namedIn(argument.Allowed)
	case errors.As(err, &changed):
		for _, c := range changed.Changes {
			if c.Part == "parents" {
				names = append(names, namedIn(c.From, c.To)...)
			}
		}
	}
	unseen, failed := s.hides(ctx, append(names, ticket))
	switch {
	case failed != nil:
		return failed
	case !unseen:
		return err
	case !s.known[ticket]:
		ticket = 0
	}
	switch {
	case veto != nil:
		return &VetoError{ticket, veto.What, veto.Err}
	case replaced != nil:
		return &ReplacementError{ticket, replaced.What, replaced.By, replaced.Why, replaced.Err}
	case refused != nil:
		return &workflow.RefusedError{Command: refused.Command, Ticket: ticket, Why: unseenTicket}
	case argument != nil:
		return &workflow.ArgumentError{Command: argument.Command, Argument: argument.Argument, Value: argument.Value, Allowed: "another one: " + unseenTicket}
	}
	discreet := *changed
	discreet.Changes = slices.Clone(changed.Changes)
	for i, c := range changed.Changes {
		if c.Part == "parents" {
			discreet.Changes[i].From, discreet.Changes[i].To = "what you may not see", "what you may not see"
		}
	}
	return &discreet
}

// nowhere is a ticket that nobody sees: it stands for one that a record may name.
const nowhere = incident.MaxID

// namedBy returns the tickets that a record names beside its own: in its event, as
// its cause, or in a sentence that the desk has written into it.
func namedBy(record incident.Record) []incident.ID {
	ids := []incident.ID{record.Cause.Ticket}
	var texts []string
	for _, miss := range record.NearMisses() {
		texts = append(texts, miss.Why)
	}
	ev, err := incident.Decode(record)
	if err != nil {
		return append(ids, nowhere)
	}
	switch ev := ev.(type) {
	case incident.Message:
		texts = append(append(texts, ev.Content.Why...), ev.Content.Findings...)
	case incident.Skipped:
		texts = append(texts, ev.Why)
	case incident.Reacted:
		texts = append(texts, ev.Why)
	case incident.Notified:
		texts = append(texts, ev.About)
	case incident.Held:
		if ev.Reason == mail.UnknownNumber {
			ids = append(ids, nowhere) // as it would be if the number existed
		}
	case incident.Unknown:
		ids = append(ids, nowhere)
	}
	for v, i := reflect.ValueOf(ev), 0; i < v.NumField(); i++ {
		switch field := v.Field(i).Interface().(type) {
		case incident.ID:
			ids = append(ids, field)
		case []incident.ID:
			ids = append(ids, field...)
		}
	}
	return slices.DeleteFunc(append(ids, namedIn(texts...)...), func(id incident.ID) bool { return id == record.Ticket })
}

// namedIn returns the tickets that sentences of the desk name: numbers behind #, or
// behind the word ticket, that of a kind, or "into".
func namedIn(texts ...string) []incident.ID {
	words := []string{"ticket", "tickets", "into"}
	for _, kind := range incident.Kinds() {
		words = append(words, string(kind))
	}
	var ids []incident.ID
	for _, text := range texts {
		fields := strings.FieldsFunc(strings.ReplaceAll(text, "#", " # "), func(c rune) bool { return unicode.IsSpace(c) || strings.ContainsRune(`"()[],:;`, c) })
		for i, word := range fields {
			id, err := incident.ParseID(strings.TrimRight(word, "."))
			if i > 0 && err == nil && (fields[i-1] == "#" || slices.Contains(words, strings.ToLower(fields[i-1]))) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}
