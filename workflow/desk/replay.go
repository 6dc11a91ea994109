package desk

import (
	"context"
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// RuleAnswer is what a rule said to a record.
type RuleAnswer struct {
	Rule     string             `json:"rule"`
	Woken    bool               `json:"woken"`         // the rule looks at records of this type
	Fired    bool               `json:"fired"`         // it wanted or proposed something
	Commands []workflow.Command `json:"-"`             // that it wanted; without those about tickets that the actor may not see
	Offers   []workflow.Command `json:"-"`             // that it proposed; the same
	Why      string             `json:"why,omitempty"` // unless it names a ticket that the actor may not see
}

// Replay says what every rule of the policy then in force said to a record: it
// rebuilds the change out of the histories, gathers the facts as they were, and asks
// again. Why did nothing happen? Here is each rule's answer.
//
// It costs more than other reading: besides the histories of the tickets that the
// rules ask about, all links that were ever taken away are looked at. Two equal
// commands of one Do, directly behind each other, are taken for one. Records of
// another version of the policy are asked by the policy that Config.PolicyVersion
// returns.
//
// Errors: [*workflow.NoTicketError], [ErrNoRecord] (also for a record that
// [Session.History] leaves out), those of the store and of
// Config.PolicyVersion.
func (s *Session) Replay(ctx context.Context, id incident.ID, version uint64) (answers []RuleAnswer, err error) {
	var of uint32
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		if _, err := s.ticket(ctx, r, id); err != nil {
			return err
		}
		records, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}, Versions: []uint64{version}})
		if err == nil {
			records, _, err = s.sight(r).records(ctx, records)
		}
		if err == nil && len(records) == 0 {
			err = ErrNoRecord
		}
		if err == nil {
			of = records[0].Policy
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	policy, err := s.desk.policyOf(ctx, of) // not in a View: it may ask the store
	if err != nil {
		return nil, err
	}
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		if answers, err = s.desk.replay(ctx, r, policy, id, version); err != nil {
			return err
		}
		now := s.newRun([32]byte{}, r)
		for i, answer := range answers {
			hidden, err := now.sight().hidesText(ctx, answer.Why)
			if err != nil {
				return err
			}
			if hidden {
				answers[i].Why = unseenTicket
			}
			if answers[i].Commands, err = now.shown(ctx, answer.Commands); err != nil {
				return err
			}
			if answers[i].Offers, err = now.shown(ctx, answer.Offers); err != nil {
				return err
			}
		}
		return nil
	})
	return answers, err
}

// ErrNoRecord is returned by Replay for a record that does not exist.
var ErrNoRecord = fmt.Errorf("desk: there is no such record: %w", storage.ErrNotFound)

func (d *Desk) replay(ctx context.Context, r storage.Reader, policy *workflow.Policy, id incident.ID, version uint64) ([]RuleAnswer, error) {
	history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}})
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(history, func(record incident.Record) bool { return record.Version == version })
	if at < 0 {
		return nil, ErrNoRecord
	}
	change, err := changeOf(history, at)
	if err != nil {
		return nil, err
	}
	seq, err := lastOfCommand(ctx, r, history[at])
	if err != nil {
		return nil, err
	}
	run := d.newRun(history[at].By, nil, [32]byte{}, &past{r, seq})
	run.policy = policy
	var answers []RuleAnswer
	for _, rule := range policy.Rules {
		answer := RuleAnswer{Rule: rule.Name, Woken: rule.Wakes(change)}
		if answer.Woken {
			verdict, err := run.test(ctx, rule, change)
			if err != nil {
				return nil, fmt.Errorf("rule %s: %w", rule.Name, err)
			}
			answer.Commands, answer.Offers, answer.Why = verdict.Commands, verdict.Offers, verdict.Why
			answer.Fired = len(answer.Commands)+len(answer.Offers) > 0
		}
		answers = append(answers, answer)
	}
	return answers, nil
}

// policyOf returns the policy that a record was written under.
func (d *Desk) policyOf(ctx context.Context, version uint32) (*workflow.Policy, error) {
	if version == d.config.Policy.Version || d.config.PolicyVersion == nil {
		return d.config.Policy, nil
	}
	return d.config.PolicyVersion(ctx, version)
}

// changeOf rebuilds a change out of the history of its ticket.
func changeOf(history []incident.Record, at int) (workflow.Change, error) {
	record := history[at]
	ev, err := incident.Decode(record)
	if err != nil {
		return workflow.Change{}, err
	}
	before := incident.Fold(history[:at])
	return workflow.Change{
		Before: before, After: incident.Apply(before, record), Event: ev,
		Command: record.Command, By: record.By, At: record.At, Cause: record.Cause,
	}, nil
}

// lastOfCommand returns the place in the feed of the last record of the command
// that made a record: rules are asked when all of a command's events are there, and
// none of what follows from them.
func lastOfCommand(ctx context.Context, r storage.Reader, record incident.Record) (uint64, error) {
	const page = 100
	last := record.Seq
	for {
		next, err := r.History(ctx, storage.HistoryQuery{After: last, Limit: page})
		if err != nil {
			return 0, err
		}
		for _, n := range next {
			if n.Seq != last+1 || n.Command != record.Command || n.By != record.By || n.Cause != record.Cause || !n.At.Equal(record.At) {
				return last, nil
			}
			last = n.Seq
		}
		if len(next) < page {
			return last, nil
		}
	}
}

// past reads a store as it was when its feed ended at a place.
type past struct {
	storage.Reader
	seq uint64
}

// History implements storage.Reader.
func (p *past) History(ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
	limit := q.Limit
	q.Limit = 0
	records, err := p.Reader.History(ctx, q)
	records = slices.DeleteFunc(records, func(r incident.Record) bool { return r.Seq > p.seq })
	if limit > 0 && len(records) > limit {
		records = records[:limit]
	}
	return records, err
}

// Ticket implements storage.Reader.
func (p *past) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	history, err := p.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}})
	if err == nil && len(history) == 0 {
		err = storage.ErrNotFound
	}
	return incident.Fold(history), err
}

// Find implements storage.Reader for the children of an incident.
func (p *past) Find(ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
	now, err := p.Reader.Find(ctx, storage.Query{Parent: q.Parent})
	if err != nil {
		return nil, err
	}
	ids := map[incident.ID]bool{}
	for _, t := range now {
		ids[t.ID] = true
	}
	left, err := p.Reader.History(ctx, storage.HistoryQuery{Types: []string{incident.Unlinked{}.Type()}})
	if err != nil {
		return nil, err
	}
	for _, record := range left {
		if ev, err := incident.Decode(record); err == nil && ev.(incident.Unlinked).Parent == q.Parent {
			ids[record.Ticket] = true
		}
	}
	var then []incident.Ticket
	for id := range ids {
		t, err := p.Ticket(ctx, id)
		if err == storage.ErrNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		then = append(then, t)
	}
	return q.Select(then), nil
}
