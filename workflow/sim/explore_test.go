package sim_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/sim"
)

func inMemory() (storage.Store, error) { return memory.New(), nil }

// moved excuses a child that a person has put under closed incidents alone, by a
// record of one of these types.
func moved(types ...string) func(incident.Ticket, []incident.Record) bool {
	return func(child incident.Ticket, step []incident.Record) bool {
		return slices.ContainsFunc(step, func(r incident.Record) bool {
			return r.Ticket == child.ID && slices.Contains(types, r.Type)
		})
	}
}

// inPlace excuses a block that is in place, under policies that only warn.
func inPlace(child incident.Ticket, _ []incident.Record) bool {
	return child.Kind == incident.KindBlock && child.Phase == incident.Active
}

var (
	runs = flag.Int("runs", 60, "runs of each preset; with AIRTIGHT_LONG set, 200 at least; with -short, 10 at most")
	seed = flag.Uint64("seed", 1, "of the first run; 0: by the clock")
)

// What must hold holds under every preset, whatever happens, and every rule of it
// has its say.
func TestExplore(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	if os.Getenv("AIRTIGHT_LONG") != "" {
		*runs = max(*runs, 200)
	}
	if testing.Short() {
		*runs = min(*runs, 10)
	}
	for name, excuse := range map[string]func(incident.Ticket, []incident.Record) bool{
		"janet": nil,
		"rtir":  moved("opened", "linked", "unlinked", "joined"), // RTIR leaves it there
		"airt":  inPlace,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := workflow.Preset(name)
			require.NoError(t, err)
			report, err := sim.Explore(ctx, inMemory, sim.Options{Config: sim.Config{Policy: p, Seed: *seed}, Runs: *runs, Excuse: excuse})
			require.NoError(t, err)
			t.Logf("%s, seed %d: %s", name, *seed, report)
			require.Nil(t, report.Failure, "%v", report.Failure)
			require.Equal(t, 100**runs, report.Steps)
			require.Equal(t, *runs, report.Runs)
			if *runs < 200 {
				return // too few for every rule to have its turn
			}
			for _, c := range workflow.Commands() {
				require.Positive(t, report.Given[c.Name()], "%s given", c.Name())
				if c.Name() != "abandon" || name != "airt" {
					require.Positive(t, report.Ran[c.Name()], "%s ran", c.Name())
				}
			}
			for _, r := range p.Rules {
				require.Positive(t, report.Rules[r.Name]+report.Missed[r.Name], "rule %s", r.Name)
			}
		})
	}
}

// lie is a derivation that makes an event out of nothing, for tickets of a kind.
func lie(kind incident.Kind, when func(incident.Ticket) bool, event func(incident.Ticket) incident.Event) func(*workflow.Policy) {
	return func(p *workflow.Policy) {
		p.Derivations = append(p.Derivations, workflow.Derivation{
			Name: "lie",
			Dirty: func(_ *workflow.Policy, c workflow.Change, _ workflow.Facts) []incident.ID {
				return []incident.ID{c.After.ID}
			},
			Then: func(_ *workflow.Policy, t incident.Ticket, _ workflow.Facts, _ workflow.Env, _ any) []incident.Event {
				if t.Kind != kind || !when(t) {
					return nil
				}
				return []incident.Event{event(t)}
			},
		})
	}
}

func react(then func(workflow.Change, workflow.Facts) workflow.Verdict) func(*workflow.Policy) {
	return func(p *workflow.Policy) {
		p.Rules = append(p.Rules, workflow.Rule{
			Name: "lie", On: []string{"owned"},
			Then: func(_ *workflow.Policy, c workflow.Change, f workflow.Facts, _ any) workflow.Verdict {
				return then(c, f)
			},
		})
	}
}

func without(name string) func(*workflow.Policy) {
	return func(p *workflow.Policy) {
		p.Rules = slices.DeleteFunc(p.Rules, func(r workflow.Rule) bool { return r.Name == name })
		p.Derivations = slices.DeleteFunc(p.Derivations, func(d workflow.Derivation) bool { return d.Name == name })
	}
}

// crooked is a store whose readers change what they read.
type crooked struct {
	storage.Store
	ticket func(incident.Ticket) incident.Ticket
	record func(incident.Record) incident.Record
	claims bool // denies them
}

func (s crooked) View(ctx context.Context, fn func(context.Context, storage.Reader) error) error {
	return s.Store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		return fn(ctx, crookedReader{r, s})
	})
}

type crookedReader struct {
	storage.Reader
	lies crooked
}

func (r crookedReader) Ticket(ctx context.Context, id incident.ID) (incident.Ticket, error) {
	t, err := r.Reader.Ticket(ctx, id)
	if r.lies.ticket != nil {
		t = r.lies.ticket(t)
	}
	return t, err
}

func (r crookedReader) Claimed(ctx context.Context, key storage.Key) (incident.ID, bool, error) {
	id, ok, err := r.Reader.Claimed(ctx, key)
	return id, ok && !r.lies.claims, err
}

func (r crookedReader) History(ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
	records, err := r.Reader.History(ctx, q)
	for i := range records {
		if r.lies.record != nil {
			records[i] = r.lies.record(records[i])
		}
	}
	return records, err
}

// Everything that Explore says it checks is found when it is broken on purpose,
// and shrunk to the few steps that it takes.
func TestExploreFinds(t *testing.T) {
	calls := 0
	for _, test := range []struct {
		name, invariant, what string
		policy                func(*workflow.Policy)
		store                 crooked
		own                   []sim.Invariant
	}{
		{name: "nobody computes the due date of an incident", invariant: sim.HoldsDue, policy: without("incident-due"), what: "its first child is ticket"},
		{name: "nobody closes children", invariant: sim.HoldsClosed, policy: without("close-children"), what: "its incidents are closed"},
		{name: "nobody opens incidents again", invariant: sim.HoldsClosed, policy: without("reopen-parents"), what: "its incidents are closed"},
		{name: "a phase that is not that of the status", invariant: sim.HoldsPhase, what: `phase "inactive"`,
			policy: lie(incident.KindReport, incident.Ticket.Open, func(t incident.Ticket) incident.Event {
				return incident.Moved{From: t.Status, To: t.Status, Phase: incident.Inactive}
			})},
		{name: "a merge into itself", invariant: sim.HoldsMerge, what: "leads to no ticket",
			policy: lie(incident.KindReport, func(t incident.Ticket) bool { return t.MergedInto == 0 }, func(t incident.Ticket) incident.Event {
				return incident.Merged{Into: t.ID}
			})},
		{name: "a parent that is no incident", invariant: sim.HoldsParents, what: "is no incident",
			policy: lie(incident.KindReport, func(t incident.Ticket) bool { return len(t.Parents) == 0 }, func(t incident.Ticket) incident.Event {
				return incident.Linked{Parent: t.ID}
			})},
		{name: "a block without an incident", invariant: sim.HoldsParents, what: "block has 0 incidents",
			policy: lie(incident.KindBlock, func(t incident.Ticket) bool { return len(t.Parents) > 0 }, func(t incident.Ticket) incident.Event {
				return incident.Unlinked{Parent: t.Parents[0]}
			})},
		{name: "a rule that uses what it did not ask for", invariant: sim.HoldsFault, what: "without having been asked for",
			policy: react(func(c workflow.Change, f workflow.Facts) workflow.Verdict {
				f.Parents(c.After.ID)
				return workflow.Verdict{}
			})},
		{name: "a rule that panics", invariant: sim.HoldsFault, what: "panic: somebody owns it",
			policy: react(func(workflow.Change, workflow.Facts) workflow.Verdict { panic("somebody owns it") })},
		{name: "a rule that wakes itself", invariant: sim.HoldsFault, what: "may chase each other",
			policy: react(func(c workflow.Change, _ workflow.Facts) workflow.Verdict {
				to := incident.Actor("handler:alice")
				if c.After.Owner == to {
					to = "handler:bob"
				}
				return workflow.Verdict{Commands: []workflow.Command{workflow.Assign{Ticket: c.After.ID, To: to}}}
			})},
		{name: "a rule that fails on mail", invariant: sim.HoldsFault, what: "mail is held",
			policy: func(p *workflow.Policy) {
				p.Rules = append(p.Rules, workflow.Rule{
					Name: "lie", On: []string{"message"},
					Then: func(_ *workflow.Policy, c workflow.Change, f workflow.Facts, _ any) workflow.Verdict {
						if m := c.Event.(incident.Message); !m.Sent && m.Thread != "" {
							f.Ticket(c.After.ID)
						}
						return workflow.Verdict{}
					},
				})
			}},
		{name: "a rule that remembers", invariant: sim.HoldsReplay, what: "at first came",
			policy: lie(incident.KindReport, func(t incident.Ticket) bool { return t.State == "" }, func(incident.Ticket) incident.Event {
				calls++
				state := incident.State(strings.Repeat("x", 1+calls%5))
				return incident.Edited{State: &state}
			})},
		{name: "a store that changes tickets", invariant: sim.HoldsFold, what: "not what its history makes",
			store: crooked{ticket: func(t incident.Ticket) incident.Ticket { t.Priority++; return t }}},
		{name: "a store that changes records", invariant: sim.HoldsFold, what: "its Hash does not fit",
			store: crooked{record: func(r incident.Record) incident.Record { r.By = "handler:eve"; return r }}},
		{name: "a record without a cause", invariant: sim.HoldsCause, what: "neither a command nor a rule",
			store: crooked{record: func(r incident.Record) incident.Record {
				if r.Cause.Rule == "incident-due" {
					r.Cause = incident.Cause{}
				}
				return r
			}}},
		{name: "a cause that is to come", invariant: sim.HoldsCause, what: "no earlier record is number",
			store: crooked{record: func(r incident.Record) incident.Record {
				if r.Cause.Rule != "" {
					r.Cause.Version += 10
				}
				return r
			}}},
		{name: "a rule that nobody knows", invariant: sim.HoldsCause, what: "the policy has no rule another",
			store: crooked{record: func(r incident.Record) incident.Record {
				if r.Cause.Rule != "" {
					r.Cause.Rule = "another"
				}
				return r
			}}},
		{name: "a store that forgets claims", invariant: sim.HoldsVerify, what: "nobody holds the Message-ID", store: crooked{claims: true}},
		{name: "an invariant of the caller", invariant: "nobody is carol", what: "carol owns ticket",
			own: []sim.Invariant{{Name: "nobody is carol", Check: func(_ context.Context, _ storage.Reader, changed []incident.Ticket) error {
				for _, t := range changed {
					if t.Owner == "handler:carol" {
						return errors.New("carol owns ticket " + t.ID.String())
					}
				}
				return nil
			}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := rtir(t)
			if test.policy != nil {
				test.policy(p)
			}
			store := func() (storage.Store, error) {
				s := test.store
				s.Store = memory.New()
				return s, nil
			}
			o := sim.Options{Config: sim.Config{Policy: p, Seed: 3}, Runs: 100, Excuse: moved("opened", "linked", "unlinked", "joined"), Invariants: test.own}
			report, err := sim.Explore(ctx, store, o)
			require.NoError(t, err)
			require.NotNil(t, report.Failure, "%s", report)
			t.Logf("after %d runs: %v", report.Runs, report.Failure)
			require.Equal(t, test.invariant, report.Failure.Invariant)
			require.Contains(t, report.Failure.What, test.what)
			require.LessOrEqual(t, len(report.Failure.Script.Steps), 5)

			script, err := sim.Parse([]byte(report.Failure.Script.String()))
			require.NoError(t, err, "what is reported is a script")
			require.Len(t, script.Steps, len(report.Failure.Script.Steps))
		})
	}
}
