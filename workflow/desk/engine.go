package desk

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// run is one Do: its commands, all that follows from them, on one draft.
type run struct {
	desk   *Desk
	policy *workflow.Policy
	draft  *storage.Draft
	by     incident.Actor
	now    time.Time
	seed   [32]byte

	session *Session       // who asked, and may do so much; nil: the desk itself
	mail    *incoming      // that is received in it; nil: none
	base    storage.Reader // what was stored before

	opened   []incident.ID
	offers   []workflow.Command                   // that rules make
	attended map[incident.ID][]incident.Attention // who worked on the tickets that commands touch

	calls    []CommandCall     // for after hooks
	changes  []workflow.Change // since the derivations ran last
	steps    int
	warnings []string      // for the result
	records  uint64        // written so far; salts and Message-IDs count with it
	rules    []string      // on the way to the present command, outermost first
	outcome  string        // the reaction whose outcome the run writes down; none otherwise
	label    string        // command in records that no command makes: "recompute", "adopt", or none
	person   bool          // somebody of the team gave the commands: mail that follows from it is not limited
	acted    []incident.ID // tickets that a person's commands were about
	plain    bool          // no hooks, rules and derivations: how a mail is kept when these failed
}

func (d *Desk) newRun(by incident.Actor, session *Session, seed [32]byte, base storage.Reader) *run {
	return &run{
		desk: d, policy: d.config.Policy, draft: storage.NewDraft(base), by: by, now: d.now(), seed: seed, session: session, base: base,
		person:   session != nil && strings.HasPrefix(string(by), "handler:"),
		attended: map[incident.ID][]incident.Attention{},
	}
}

func (s *Session) newRun(seed [32]byte, base storage.Reader) *run {
	return s.desk.newRun(s.who.Actor, s, seed, base)
}

// all runs a list of commands, with the derivations after each.
func (r *run) all(ctx context.Context, commands []workflow.Command) error {
	for _, c := range commands {
		if err := r.command(ctx, c, incident.Cause{}); err != nil {
			return r.sight().refusal(ctx, err)
		}
		if err := r.derive(ctx); err != nil {
			return r.sight().refusal(ctx, err)
		}
	}
	return nil
}

// maxDepth bounds how many rules may follow one from the other: the stack must
// not grow as far as the policy lets the number of steps grow.
const maxDepth = 1000

// command is one step and all that follows from it.
func (r *run) command(ctx context.Context, c workflow.Command, cause incident.Cause) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.steps++; r.steps > r.policy.Steps() || len(r.rules) > maxDepth {
		return &workflow.LoopError{Steps: r.steps - 1, Rules: distinct(r.rules)}
	}
	c, err := workflow.Bind(c, r.opened)
	if err != nil {
		return err
	}
	if c, err = r.delivered(ctx, c); err != nil {
		return err
	}
	ticket, id, err := r.target(ctx, c, cause)
	if err != nil {
		return err
	}
	asked := r.session != nil && cause.Rule == "" // by somebody with rights of his own
	if asked {
		if err := r.authorize(ctx, c, ticket); err != nil {
			return err
		}
	}
	call := CommandCall{By: r.by, Command: c, Ticket: ticket, Cause: cause}
	call.Ticket.ID = id
	if call.Command, err = r.beforeCommand(ctx, call); err != nil {
		return err
	}
	c = call.Command
	if asked && len(r.desk.config.BeforeCommand) > 0 { // what they have made of it
		if err := r.authorize(ctx, c, ticket); err != nil {
			return err
		}
	}
	if _, opens := c.(workflow.Open); opens {
		ticket.ID = id
	}
	asks := r.policy.Asks(ticket, c)
	facts, err := r.gather(ctx, asks)
	if err == nil && asked {
		err = r.limit(ctx, &facts, c, asks)
	}
	if err != nil {
		return err
	}
	if err := r.learn(ctx, &facts, r.policy.AsksAlso(ticket, c, facts, r.env(ticket))); err != nil {
		return err
	}
	decisions, err := r.decide(ticket, c, facts)
	if err != nil {
		return r.skip(ctx, ticket, c, cause, err)
	}
	if asked {
		if err := r.session.who.CheckEvents(c, ticket, decisions); err != nil {
			return err
		}
	}
	if a, ok := c.(workflow.Attend); ok && !a.End { // who else does is told, with or without a record
		r.meet(ticket)
	}
	changes := make([]workflow.Change, 0, len(decisions))
	var unsent error // why the mail to one of several tickets cannot be written
	for _, decision := range decisions {
		before, at := ticket, id
		if decision.Ticket != 0 && decision.Ticket != id {
			at = decision.Ticket
			before, err = r.draft.Ticket(ctx, at)
			if _, opens := decision.Event.(incident.Opened); opens && errors.Is(err, storage.ErrNotFound) {
				before, err = incident.Ticket{}, nil
				if cause.Rule == "" {
					r.opened = append(r.opened, at)
				}
			}
			if err != nil {
				return err
			}
		}
		if r.person && cause.Rule == "" {
			r.acted = append(r.acted, at)
		}
		ch, err := r.event(ctx, before, at, c, decision, cause)
		var refused *workflow.RefusedError
		if at != id && errors.As(err, &refused) { // the others get theirs
			unsent = err
			ch, err = r.event(ctx, before, at, c, workflow.Decision{Event: incident.Skipped{Command: c.Name(), Why: refused.Why}}, cause)
		}
		if err != nil {
			if len(changes) == 0 { // a mail that cannot be written is refused like the command
				return r.skip(ctx, ticket, c, cause, err)
			}
			return err
		}
		changes = append(changes, ch)
		if at == id {
			ticket = ch.After
		}
	}
	if unsent != nil && !slices.ContainsFunc(changes, sends) {
		return r.skip(ctx, ticket, c, cause, unsent)
	}
	r.calls = append(r.calls, call)
	if r.plain {
		return nil
	}
	return r.react(ctx, changes)
}

// sends reports whether a change is a mail of ours.
func sends(c workflow.Change) bool {
	m, ok := c.Event.(incident.Message)
	return ok && m.Sent
}

// skip notes that a rule's command was refused, on the ticket that woke the rule if
// there is no other. A person's is an error.
func (r *run) skip(ctx context.Context, t incident.Ticket, c workflow.Command, cause incident.Cause, refused error) (err error) {
	if cause.Rule == "" || !refusal(refused) {
		return refused
	}
	if t.Version == 0 {
		if t, err = r.draft.Ticket(ctx, cause.Ticket); err != nil {
			return err
		}
	}
	skipped := incident.Skipped{Rule: cause.Rule, Command: c.Name(), Why: reason(refused)}
	_, err = r.event(ctx, t, t.ID, c, workflow.Decision{Event: skipped}, cause)
	return err
}

func distinct(names []string) []string {
	var list []string
	for _, name := range names {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// target loads the ticket that a command is about, or takes a number for a new
// one. Commands of rules are not checked for what the actor may see.
func (r *run) target(ctx context.Context, c workflow.Command, cause incident.Cause) (incident.Ticket, incident.ID, error) {
	if _, ok := c.(workflow.Open); ok {
		id, err := r.draft.NextID(ctx)
		if err == nil && cause.Rule == "" {
			r.opened = append(r.opened, id)
		}
		return incident.Ticket{}, id, err
	}
	if ofDesk(c) {
		return r.itself(ctx)
	}
	id := c.Target()
	t, err := r.draft.Ticket(ctx, id)
	switch {
	case errors.Is(err, storage.ErrNotFound), err == nil && (id == incident.Desk || cause.Rule == "" && !r.visible(t)):
		return t, id, &workflow.NoTicketError{Ticket: id, Err: storage.ErrNotFound}
	case err != nil:
		return t, id, err
	}
	return t, id, nil
}

func (r *run) env(t incident.Ticket) workflow.Env {
	env := workflow.Env{Now: r.now, By: r.by, Seed: r.seed}
	if t.Updated.After(env.Now) {
		env.Now = t.Updated
	}
	return env
}

// decide turns the panic of a rule or command that used an unasked fact into
// its error.
func (r *run) decide(t incident.Ticket, c workflow.Command, f workflow.Facts) (decisions []workflow.Decision, err error) {
	defer catchUnasked(&err)
	return r.policy.Decide(t, c, f, r.env(t))
}

func catchUnasked(err *error) {
	if p := recover(); p != nil {
		unasked, ok := p.(*workflow.UnaskedError)
		if !ok {
			panic(p)
		}
		*err = unasked
	}
}

// refusal reports whether an error is the policy's no to a command. What a hook
// says is none, whatever it wraps.
func refusal(err error) bool {
	var veto *VetoError
	if errors.As(err, &veto) {
		return false
	}
	var transition *workflow.TransitionError
	var taken *workflow.TakenError
	var refused *workflow.RefusedError
	var missing *workflow.MissingError
	var unsealed *UnsealedError
	var changed *workflow.ChangedError
	return errors.As(err, &unsealed) || errors.As(err, &changed) || errors.As(err, &transition) || errors.As(err, &taken) || errors.As(err, &refused) || errors.As(err, &missing)
}

// reason is the part of a refusal that goes into a record: it names no person.
func reason(err error) string {
	var taken *workflow.TakenError
	var refused *workflow.RefusedError
	var unsealed *UnsealedError
	var changed *workflow.ChangedError
	switch {
	case errors.As(err, &unsealed):
		return "it cannot be signed or encrypted as the policy demands"
	case errors.As(err, &changed):
		return "what it sets was changed since"
	case errors.As(err, &taken):
		return "it has an owner"
	case errors.As(err, &refused):
		return refused.Why
	}
	return err.Error()
}

// event applies one event to a ticket and drafts its record.
func (r *run) event(ctx context.Context, before incident.Ticket, id incident.ID, c workflow.Command, decision workflow.Decision, cause incident.Cause) (workflow.Change, error) {
	before.ID = id
	record := incident.Record{
		Command: r.label, Ticket: id, At: r.env(before).Now, By: r.by, Cause: cause, Policy: r.policy.Version, Salt: r.salt(),
	}
	if c != nil {
		record.Command = c.Name()
		r.meet(before)
	}
	ev, err := r.embody(ctx, before, decision, record.At)
	if err != nil {
		return workflow.Change{}, err
	}
	if ev, err = r.beforeEvent(ctx, EventCall{By: r.by, Command: record.Command, Ticket: before, Event: ev, Cause: cause}); err != nil {
		return workflow.Change{}, err
	}
	if err := record.Encode(ev); err != nil {
		return workflow.Change{}, err
	}
	if err := r.draft.Append(ctx, record); err != nil {
		return workflow.Change{}, err
	}
	after, err := r.draft.Ticket(ctx, id)
	if err != nil {
		return workflow.Change{}, err
	}
	rows, err := r.settleMessage(ctx, after, ev)
	if err != nil {
		return workflow.Change{}, err
	}
	ch := workflow.Change{Before: before, After: after, Event: ev, Command: record.Command, By: r.by, At: record.At, Cause: cause}
	if before.Version == 0 {
		ch.Before = incident.Ticket{}
	}
	record.Version = after.Version
	if err := r.keepWords(ctx, record, ev, decision.Text); err != nil {
		return workflow.Change{}, err
	}
	if err := r.awaken(ctx, ch, rows); err != nil {
		return workflow.Change{}, err
	}
	r.changes = append(r.changes, ch)
	return ch, nil
}

// meet remembers who worked on a ticket before the run touched it.
func (r *run) meet(t incident.Ticket) {
	if _, met := r.attended[t.ID]; !met {
		r.attended[t.ID] = t.Attending(r.env(t).Now)
	}
}

// salt derives the next salt from the seed.
func (r *run) salt() incident.Salt {
	r.records++
	sum := r.derived("salt")
	return incident.Salt(sum[:16])
}

// derived returns randomness for a purpose within the present record.
func (r *run) derived(purpose string) [32]byte {
	h := sha256.New()
	h.Write(r.seed[:])
	h.Write(binary.BigEndian.AppendUint64(nil, r.records))
	h.Write([]byte(purpose))
	return [32]byte(h.Sum(nil))
}
