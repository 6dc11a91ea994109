package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// Options say what [Explore] plays. The zero Options does, with the default
// policy.
type Options struct {
	Config // Seed is that of the first run; the next ones count on from it

	Runs  int // 0: 200
	Steps int // in each run; 0: 100

	// Excuse says that the policy lets a child that is not inactive be under
	// closed incidents only, seen what has just brought it there; nil: never. An
	// excuse holds until the child or its incidents are as they should be.
	Excuse func(child incident.Ticket, step []incident.Record) bool

	// Invariants are asked after every step, beside those that Explore knows.
	Invariants []Invariant
}

// Invariant is something that must hold after every step. Check is given the
// tickets that the step has changed, by ID; r reads the rest.
type Invariant struct {
	Name  string
	Check func(ctx context.Context, r storage.Reader, changed []incident.Ticket) error
}

// Report is what Explore has seen.
type Report struct {
	Runs, Steps, Tickets, Records int

	Given   map[string]int // commands in the steps, by name; "mail", "sweep" and "post" too
	Ran     map[string]int // commands that ran, those of rules and intake included
	Rules   map[string]int // records by the rule or derivation that made them
	Missed  map[string]int // near misses by rule
	Failure *Failure       // nil: everything held
}

// Failure is a broken invariant.
type Failure struct {
	Invariant string
	Ticket    incident.ID // 0: none in particular
	What      string
	Seed      uint64  // of Config, to play Script again
	Script    *Script // the fewest steps that were found to break it, with their traces
}

// Error implements error, with the whole script.
func (f *Failure) Error() string {
	return fmt.Sprintf("sim: %s: ticket %s: %s (seed %d)\n%s", f.Invariant, f.Ticket, f.What, f.Seed, f.Script)
}

// String says what was counted.
func (r *Report) String() string {
	counts := func(m map[string]int) string {
		var list []string
		for _, name := range slices.Sorted(maps.Keys(m)) {
			list = append(list, fmt.Sprintf("%s %d", name, m[name]))
		}
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%d runs, %d steps, %d tickets, %d records\ngiven: %s\nran: %s\nrecords by rule: %s\nnear misses: %s",
		r.Runs, r.Steps, r.Tickets, r.Records, counts(r.Given), counts(r.Ran), counts(r.Rules), counts(r.Missed))
}

// Names of the invariants that Explore knows.
const (
	HoldsFault   = "no fault"          // a desk refuses what it must, and never fails or panics
	HoldsFold    = "fold"              // the history of a ticket makes the ticket, with an unbroken chain
	HoldsPhase   = "phase"             // fits the status, and both are of the policy
	HoldsDue     = "incident due"      // the earliest of the children that are not inactive
	HoldsClosed  = "closed incident"   // has no child that is not inactive, unless an active incident holds that one too
	HoldsParents = "parents"           // are incidents, as many as the lifecycle allows
	HoldsMerge   = "merge"             // ends at a ticket that is not merged itself
	HoldsCause   = "cause"             // of every record that nobody asked for: an earlier record, and a rule of the policy
	HoldsReplay  = "replay"            // the same steps give the same records
	HoldsVerify  = "desk verification" // desk.Verify finds nothing at the end of a run
)

// Explore plays random steps in new worlds, each on a new store, and checks after
// every step what must hold whatever the policy: see the constants. It stops at
// the first failure, leaves out every step that is not needed for it, and reports
// the rest as a script. The error is that of a store, the context, or the
// configuration; the report is never nil.
func Explore(ctx context.Context, store func() (storage.Store, error), o Options) (*Report, error) {
	if o.Runs == 0 {
		o.Runs = 200
	}
	if o.Steps == 0 {
		o.Steps = 100
	}
	if o.Policy == nil {
		o.Policy = workflow.Default()
	}
	e := &explorer{
		Options: o, store: store,
		report: &Report{Given: map[string]int{}, Ran: map[string]int{}, Rules: map[string]int{}, Missed: map[string]int{}},
	}
	for range o.Runs {
		steps, failed, err := e.run(ctx)
		if err == nil && failed != nil {
			err = e.fail(ctx, steps, failed)
		}
		if err != nil || failed != nil {
			return e.report, err
		}
		e.Seed++
	}
	return e.report, nil
}

type explorer struct {
	Options
	store  func() (storage.Store, error)
	report *Report
	traced bool // trials keep their traces
}

// run generates steps, plays them, and plays them once more.
func (e *explorer) run(ctx context.Context) ([]Step, *violation, error) {
	var steps []Step
	e.report.Runs++
	t, failed, err := e.trial(ctx, func(t *trial) (Step, bool) {
		s, ok := t.generator.next(e.Steps)
		if ok {
			steps = append(steps, s)
		}
		return s, ok
	}, true)
	if err != nil || failed != nil {
		return steps, failed, err
	}
	e.count(t, steps)
	failed, err = e.again(ctx, steps, t.records)
	return steps, failed, err
}

// again plays steps once more and compares the records.
func (e *explorer) again(ctx context.Context, steps []Step, want []incident.Record) (*violation, error) {
	t, failed, err := e.trial(ctx, given(steps), false)
	if err != nil || failed != nil {
		return failed, err
	}
	text := func(list []incident.Record, i int) []byte {
		if i >= len(list) {
			return []byte("nothing")
		}
		raw, _ := json.Marshal(list[i]) // of what was read as JSON
		return raw
	}
	for i := range max(len(want), len(t.records)) {
		if a, b := text(want, i), text(t.records, i); !bytes.Equal(a, b) {
			return &violation{HoldsReplay, 0, fmt.Sprintf("at first came\n%s\nand then\n%s", a, b)}, nil
		}
	}
	return nil, nil
}

func given(steps []Step) func(*trial) (Step, bool) {
	return func(*trial) (Step, bool) {
		if len(steps) == 0 {
			return Step{}, false
		}
		s := steps[0]
		steps = steps[1:]
		return s, true
	}
}

// trial is one world on its way.
type trial struct {
	player    *player
	checker   *checker
	generator *generator
	records   []incident.Record
	traces    [][]string // if asked for
	ran       map[string]int
	fault     error // that the desk has logged
}

// trial plays the steps that next gives, and checks what must hold if asked to.
func (e *explorer) trial(ctx context.Context, next func(*trial) (Step, bool), check bool) (*trial, *violation, error) {
	store, err := e.store()
	if err != nil {
		return nil, nil, err
	}
	t := &trial{ran: map[string]int{}}
	config := e.Config
	config.Desk = func(c *desk.Config) {
		if e.Config.Desk != nil {
			e.Config.Desk(c)
		}
		c.Log = slog.New(logged{&t.fault})
		c.AfterCommand = append(slices.Clone(c.AfterCommand), func(_ context.Context, call desk.CommandCall) { t.ran[call.Command.Name()]++ })
	}
	w, err := New(ctx, store, config)
	if err != nil {
		return nil, nil, err
	}
	t.player = newPlayer(w)
	t.checker = newChecker(w, e.Options)
	t.generator = &generator{Rand: rand.New(rand.NewPCG(e.Seed, 0)), player: t.player, checker: t.checker, policy: w.Policy()}
	for s, ok := next(t); ok; s, ok = next(t) {
		o, failed, err := t.step(ctx, s)
		if err != nil {
			return t, nil, err
		}
		t.records = append(t.records, o.records...)
		if e.traced {
			lines, err := t.player.tell(ctx, o)
			if err != nil {
				return t, nil, err
			}
			t.traces = append(t.traces, lines)
		}
		if failed == nil && check {
			failed, err = t.checker.step(ctx, o.records)
		}
		if err != nil || failed != nil {
			return t, failed, err
		}
	}
	if check {
		failed, err := t.checker.end(ctx)
		return t, failed, err
	}
	return t, nil, nil
}

// step plays a step and tells a fault from a refusal.
func (t *trial) step(ctx context.Context, s Step) (o outcome, failed *violation, err error) {
	defer func() {
		if r := recover(); r != nil {
			o.refused = fmt.Errorf("panic: %v", r)
			failed = &violation{HoldsFault, 0, o.refused.Error()}
		}
	}()
	if o, err = t.player.play(ctx, s); err != nil {
		return o, nil, err
	}
	if t.fault == nil && o.refused != nil && !refusal(o.refused) {
		t.fault = o.refused
	}
	if t.fault != nil {
		failed = &violation{HoldsFault, 0, t.fault.Error()}
	}
	return o, failed, nil
}

// refusal reports whether an error says no, rather than that something is wrong.
func refusal(err error) bool {
	return errors.Is(err, errNoName) || is[argErrors](err) || is[*workflow.TransitionError](err) || is[*workflow.TakenError](err) ||
		is[*workflow.RefusedError](err) || is[*workflow.ArgumentError](err) || is[*workflow.NoTicketError](err) || is[*workflow.MissingError](err) || is[*workflow.ChangedError](err) || is[*workflow.RightsError](err) || is[*desk.VetoError](err)
}

func is[E error](err error) bool {
	var as E
	return errors.As(err, &as)
}

// logged keeps the first error that a desk logs: mail whose handling fails is
// held, and its sender is told of nothing.
type logged struct{ fault *error }

func (l logged) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }
func (l logged) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l logged) WithGroup(string) slog.Handler                    { return l }
func (l logged) Handle(_ context.Context, r slog.Record) error {
	what := r.Message
	r.Attrs(func(a slog.Attr) bool {
		what += ": " + a.Value.String()
		return true
	})
	if *l.fault == nil {
		*l.fault = errors.New(what)
	}
	return nil
}

func (e *explorer) count(t *trial, steps []Step) {
	for _, s := range steps {
		for _, c := range s.Calls {
			e.report.Given[c.Name]++
		}
	}
	e.report.Steps += t.generator.done
	for name, n := range t.ran {
		e.report.Ran[name] += n
	}
	e.report.Tickets += len(t.checker.tickets)
	e.report.Records += len(t.records)
	for _, r := range t.records {
		if r.Cause.Rule != "" {
			e.report.Rules[r.Cause.Rule]++
		}
		for _, miss := range r.NearMisses() {
			e.report.Missed[miss.Rule]++
		}
	}
}

// fail makes the report of a failure, with as few steps as it needs.
func (e *explorer) fail(ctx context.Context, steps []Step, v *violation) error {
	steps = shrink(steps, func(fewer []Step) bool {
		_, got, err := e.breaks(ctx, fewer, v.invariant)
		return err == nil && got != nil && got.invariant == v.invariant
	})
	e.traced = true
	t, last, err := e.breaks(ctx, steps, v.invariant)
	if err != nil {
		return err
	}
	if last != nil { // it names the tickets of the steps that are left
		v = last
	}
	for i, lines := range t.traces {
		steps[i].Trace = lines
	}
	script := &Script{ID: "explore:" + strings.ReplaceAll(v.invariant, " ", "-"), Title: "Breaks: " + v.what, Steps: steps}
	script.Title, _, _ = strings.Cut(script.Title, "\n")
	e.report.Failure = &Failure{Invariant: v.invariant, Ticket: v.ticket, What: v.what, Seed: e.Seed, Script: script}
	return nil
}

// breaks plays steps and returns what they break.
func (e *explorer) breaks(ctx context.Context, steps []Step, invariant string) (*trial, *violation, error) {
	t, failed, err := e.trial(ctx, given(steps), invariant != HoldsReplay)
	if err == nil && failed == nil && invariant == HoldsReplay {
		failed, err = e.again(ctx, steps, t.records)
	}
	return t, failed, err
}
