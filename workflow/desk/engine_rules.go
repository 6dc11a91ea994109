package desk

import (
	"context"
	"fmt"
	"slices"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// reaction is a rule that fired, with the change that woke it.
type reaction struct {
	rule     workflow.Rule
	change   workflow.Change
	commands []workflow.Command
}

// react tests every rule that the changes wake before any of them acts; then
// their commands run in the order of the rules.
func (r *run) react(ctx context.Context, changes []workflow.Change) error {
	var reactions []reaction
	misses := make([][]incident.NearMiss, len(changes))
	for _, rule := range r.policy.Rules {
		for i, ch := range changes {
			if !rule.Wakes(ch) {
				continue
			}
			verdict, err := r.test(ctx, rule, ch)
			if err != nil {
				return fmt.Errorf("rule %s: %w", rule.Name, err)
			}
			offers, err := r.offered(ctx, verdict.Offers)
			if err != nil {
				return err
			}
			r.offers = append(r.offers, offers...)
			if len(verdict.Commands) > 0 {
				reactions = append(reactions, reaction{rule, ch, verdict.Commands})
			} else if verdict.Why != "" && len(verdict.Offers) == 0 {
				misses[i] = append(misses[i], incident.NearMiss{Rule: rule.Name, Why: verdict.Why})
			}
		}
	}
	for i, ch := range changes {
		if len(misses[i]) == 0 {
			continue
		}
		err := r.draft.Revise(ch.After.ID, ch.After.Version, func(record *incident.Record) error {
			return record.Encode(ch.Event, misses[i]...)
		})
		if err != nil {
			return err
		}
	}
	for _, re := range reactions {
		r.rules = append(r.rules, re.rule.Name)
		cause := incident.Cause{Rule: re.rule.Name, Ticket: re.change.After.ID, Version: re.change.After.Version}
		for _, c := range re.commands {
			if err := r.command(ctx, c, cause); err != nil {
				return err
			}
		}
		r.rules = r.rules[:len(r.rules)-1]
	}
	return nil
}

func (r *run) test(ctx context.Context, rule workflow.Rule, ch workflow.Change) (verdict workflow.Verdict, err error) {
	defer catchUnasked(&err)
	facts, err := r.gather(ctx, rule.Asks(r.policy, ch))
	if err != nil {
		return verdict, err
	}
	return rule.Then(r.policy, ch, facts, rule.Params), nil
}

// derive runs the derivations for the tickets that the changes since the last
// time have made dirty, until nothing changes. Records that a derivation makes
// wake no rules.
func (r *run) derive(ctx context.Context) error {
	for rounds := 0; len(r.changes) > 0 && !r.plain; rounds++ {
		if rounds > len(r.policy.Derivations) {
			return &workflow.LoopError{Steps: rounds, Rules: derivationNames(r.policy)}
		}
		changes := r.changes
		r.changes = nil
		for _, d := range r.policy.Derivations {
			moved := map[incident.ID]workflow.Change{} // dirty tickets, with the last change that made them so
			// What earlier derivations of this round have done counts too.
			for _, list := range [][]workflow.Change{changes, r.changes} {
				for _, ch := range list {
					ids, err := r.dirty(ctx, d, ch)
					if err != nil {
						return fmt.Errorf("derivation %s: %w", d.Name, err)
					}
					for _, id := range ids {
						moved[id] = ch
					}
				}
			}
			var dirty []incident.ID
			for id := range moved {
				dirty = append(dirty, id)
			}
			slices.Sort(dirty)
			for _, id := range dirty {
				if err := r.deriveTicket(ctx, d, id, moved[id]); err != nil {
					return fmt.Errorf("derivation %s: %w", d.Name, err)
				}
			}
		}
	}
	r.changes = nil
	return nil
}

func (r *run) deriveTicket(ctx context.Context, d workflow.Derivation, id incident.ID, by workflow.Change) (err error) {
	defer catchUnasked(&err)
	t, err := r.draft.Ticket(ctx, id)
	if err != nil {
		return err
	}
	facts, err := r.gather(ctx, d.Asks(r.policy, t))
	if err != nil {
		return err
	}
	cause := incident.Cause{Rule: d.Name, Ticket: by.After.ID, Version: by.After.Version}
	for _, ev := range d.Then(r.policy, t, facts, r.env(t), d.Params) {
		ch, err := r.event(ctx, t, id, nil, workflow.Decision{Event: ev}, cause)
		if err != nil {
			return err
		}
		t = ch.After
	}
	return nil
}

func (r *run) dirty(ctx context.Context, d workflow.Derivation, ch workflow.Change) (ids []incident.ID, err error) {
	defer catchUnasked(&err)
	facts, err := r.gather(ctx, d.DirtyAsks(r.policy, ch))
	if err != nil {
		return nil, err
	}
	return d.Dirty(r.policy, ch, facts), nil
}

func derivationNames(p *workflow.Policy) []string {
	var names []string
	for _, d := range p.Derivations {
		names = append(names, d.Name)
	}
	return names
}
