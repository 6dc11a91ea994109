package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// Result is what came of a script.
type Result struct {
	World  *World     // as the script has left it
	Traces [][]string // lines of each step, without "| "
	Failed []error    // of the steps "expect", each with its line
}

// Run plays a script on a store, which should be empty: tickets are numbered from
// 1 then, and the same script gives the same trace everywhere. What a desk refuses
// is part of the trace. An error is that of the store, the context, the desk's
// configuration or the policy, and comes with the traces so far.
func Run(ctx context.Context, store storage.Store, script *Script, config Config) (*Result, error) {
	result := &Result{}
	if name := script.Policy(); name != "" {
		if config.Policies == nil {
			config.Policies = workflow.Preset
		}
		p, err := config.Policies(name)
		if err != nil {
			return result, fmt.Errorf("sim: line %d: %w", script.Steps[0].Line, err)
		}
		config.Policy = p
	}
	w, err := New(ctx, store, config)
	if err != nil {
		return result, err
	}
	result.World = w
	p := newPlayer(w)
	for _, step := range script.Steps {
		o, err := p.play(ctx, step)
		if err != nil {
			return result, fmt.Errorf("sim: line %d: %w", step.Line, err)
		}
		lines, err := p.tell(ctx, o)
		if err != nil {
			return result, fmt.Errorf("sim: line %d: %w", step.Line, err)
		}
		result.Traces = append(result.Traces, lines)
		if step.is("expect") && o.refused != nil {
			result.Failed = append(result.Failed, fmt.Errorf("line %d: %w", step.Line, o.refused))
		}
	}
	return result, nil
}

func (s Step) is(name string) bool { return !s.Block && s.Calls[0].Name == name }

// player plays steps in a world and remembers what scripts call the tickets.
type player struct {
	w      *World
	names  map[string]incident.ID
	called map[incident.ID]string // first name of each ticket
	groups map[incident.Actor][]string
	mails  int
}

func newPlayer(w *World) *player {
	return &player{w: w, names: map[string]incident.ID{}, called: map[incident.ID]string{}, groups: map[incident.Actor][]string{}}
}

// outcome is what came of a step.
type outcome struct {
	records []incident.Record
	refused error              // what the desk said
	offers  []workflow.Command // what rules propose
	others  []desk.AtWork      // who works on it too
	warned  []string           // about what was done all the same
	lines   []string           // what was asked to be shown
	silent  bool               // the step needs no trace
}

// play does a step. What a desk refuses is no error.
func (p *player) play(ctx context.Context, s Step) (o outcome, err error) {
	if _, isWord := words()[s.Calls[0].Name]; !isWord || s.Block {
		o = p.do(ctx, s)
	} else if w, errs := p.encoder().word(s.Calls[0]); errs != nil {
		o.refused = errs
	} else {
		o, err = w.play(ctx, p, s)
	}
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return o, err
	}
	o.records, err = p.w.News(ctx)
	return o, err
}

func (p *player) encoder() encoder { return encoder{ticket: p.ticket, now: p.w.Now()} }

// errNoName says that a name stands for no ticket.
var errNoName = errors.New("is no ticket: what should have opened it did not")

// ticket reads $name or a number.
func (p *player) ticket(s string) (incident.ID, error) {
	if name, ok := strings.CutPrefix(s, "$"); ok && isName(name) {
		id, ok := p.names[name]
		if !ok {
			return 0, fmt.Errorf("%s %w", s, errNoName)
		}
		return id, nil
	}
	return incident.ParseID(s)
}

func (p *player) name(name string, id incident.ID) {
	if name == "" {
		return
	}
	p.names[name] = id
	if p.called[id] == "" {
		p.called[id] = name
	}
}

// opening reports whether a command opens a ticket.
func opening(c workflow.Command) bool {
	switch c.(type) {
	case workflow.Open, workflow.Accept:
		return true
	}
	return false
}

// do gives the commands of a step: as one Do, or each by itself.
func (p *player) do(ctx context.Context, s Step) (o outcome) {
	enc := p.encoder()
	var commands []workflow.Command
	var opens []string
	enc.ticket = func(ref string) (incident.ID, error) {
		if n := slices.Index(opens, strings.TrimPrefix(ref, "$")); n >= 0 && ref[0] == '$' {
			return incident.Nth(n + 1), nil
		}
		return p.ticket(ref)
	}
	for _, c := range s.Calls {
		command, errs := enc.command(c, s.Text)
		if errs != nil {
			return outcome{refused: errs}
		}
		commands = append(commands, command)
		if opening(command) {
			opens = append(opens, c.Opens)
		}
	}
	session := p.session(s)
	var results []desk.BulkResult
	if s.Bulk {
		results = session.Bulk(ctx, commands...)
	} else {
		result, err := session.Do(ctx, commands...)
		results = []desk.BulkResult{{Result: result, Err: err}}
	}
	var errs []error
	for _, r := range results {
		if r.Err != nil {
			errs = append(errs, r.Err)
			if opening(r.Command) {
				opens = opens[1:]
			}
			continue
		}
		o.offers = append(o.offers, r.Result.Offers...)
		o.warned = append(o.warned, r.Result.Warnings...)
		o.others = append(o.others, r.Result.AtWork...)
		for _, id := range r.Result.Opened {
			p.name(opens[0], id)
			opens = opens[1:]
		}
		if opening(r.Command) && len(r.Result.Opened) == 0 { // it was accepted before
			opens = opens[1:]
		}
	}
	o.refused = errors.Join(errs...)
	return o
}

// Compare returns nil when the traces are those that the script expects and
// everything that it expects came; otherwise the first line that differs and all
// steps "expect" that failed.
func (s *Script) Compare(r *Result) error {
	return errors.Join(append([]error{s.differs(r)}, r.Failed...)...)
}

func (s *Script) differs(r *Result) error {
	for i, step := range s.Steps {
		var got []string
		if i < len(r.Traces) {
			got = r.Traces[i]
		}
		for n := range max(len(got), len(step.Trace)) {
			want, have := "nothing", "nothing"
			if n < len(step.Trace) {
				want = "| " + step.Trace[n]
			}
			if n < len(got) {
				have = "| " + strings.TrimRight(got[n], " \t")
			}
			if want != have {
				return fmt.Errorf("line %d: %s\n  expected: %s\n  came:     %s", s.traceLine(step, n), step.Calls[0], want, have)
			}
		}
	}
	return nil
}

// traceLine returns the line of the n-th line of a step's trace, or where there is
// none, the line behind which it should stand.
func (s *Script) traceLine(step Step, n int) int {
	line := step.last + 1
	for i := line; i < len(s.lines) && n >= 0; i++ {
		if s.trace[i] {
			line = i + 1
			n--
		} else if strings.TrimSpace(s.lines[i]) != "" {
			break
		}
	}
	return line
}

// Rewrite returns the source of the script with the traces of a result in place
// of the expected ones.
func (s *Script) Rewrite(r *Result) []byte {
	var b strings.Builder
	next := 0
	for i, line := range s.lines {
		if !s.trace[i] {
			b.WriteString(line)
			if i < len(s.lines)-1 || line != "" {
				b.WriteByte('\n')
			}
		}
		for next < len(s.Steps) && s.Steps[next].last <= i {
			if next < len(r.Traces) {
				for _, line := range r.Traces[next] {
					b.WriteString(traceLine(line))
				}
			}
			next++
		}
	}
	return []byte(b.String())
}
