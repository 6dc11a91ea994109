package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Promised says when a ticket is due by its service agreement, and why.
type Promised struct {
	Ticket incident.ID `json:"ticket"`
	At     time.Time   `json:"at"` // when the rest was true

	Level    string     `json:"level"`
	Why      string     `json:"why"`                // this level
	Problems []string   `json:"problems,omitempty"` // what could not be read or counted
	Starts   *time.Time `json:"starts,omitempty"`   // when work may begin

	// Due is the due date of the ticket. It is that of the first clock, unless
	// DueBy says otherwise: "by hand", "reminder" ...
	Due   *time.Time `json:"due,omitempty"`
	DueBy string     `json:"dueBy,omitempty"`

	// Stale says that the clocks of the ticket are not those of this agreement:
	// see [Desk.Recompute].
	Stale bool `json:"stale,omitempty"`

	Clocks []ClockState `json:"clocks,omitempty"`
	Idle   []sla.Idle   `json:"idle,omitempty"`

	// Running is the time since Started, until now or until the ticket was closed:
	// business time of Calendar, or real time when the level has none.
	Started  *time.Time    `json:"started,omitempty"`
	Running  time.Duration `json:"runningNanoseconds"`
	Calendar string        `json:"calendar,omitempty"`
	Zone     string        `json:"zone,omitempty"`
}

// ClockState is a clock that has started.
type ClockState struct {
	sla.Deadline
	Runs     bool          `json:"runs"`
	Elapsed  time.Duration `json:"elapsedNanoseconds"` // see [sla.Agreement.Elapsed]; until now, or until it was stopped
	Warned   bool          `json:"warned,omitempty"`   // recorded
	Breached bool          `json:"breached,omitempty"` // recorded
	Sentence string        `json:"sentence"`
}

// Promise says when a ticket is due by the agreement of the desk's policy, clock
// by clock, and why. Errors: [*workflow.NoTicketError], those of the store.
func (s *Session) Promise(ctx context.Context, id incident.ID) (*Promised, error) {
	var e *Promised
	err := s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.ticket(ctx, r, id)
		if err != nil {
			return err
		}
		if e, err = s.desk.promised(ctx, r, t); err != nil {
			return err
		}
		history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{id}})
		if set, ok := lastDue(history); ok && set.Basis == nil {
			e.DueBy = set.Clock
			if set.Child != 0 {
				e.DueBy = fmt.Sprintf("ticket %s", set.Child)
			}
		}
		if err != nil {
			return err
		}
		hidden, err := s.sight(r).hidesText(ctx, e.DueBy)
		if hidden {
			e.DueBy = "a ticket that you may not see"
		}
		return err
	})
	return e, err
}

// lastDue returns the event that has set the due date of a ticket.
func lastDue(history []incident.Record) (set incident.DueSet, ok bool) {
	for _, record := range history {
		if record.Type != set.Type() {
			continue
		}
		if ev, err := incident.Decode(record); err == nil {
			set, ok = ev.(incident.DueSet)
		}
	}
	return set, ok
}

func (d *Desk) promised(ctx context.Context, r storage.Reader, t incident.Ticket) (*Promised, error) {
	promise, wrong, err := d.promise(ctx, r, t)
	if err != nil {
		return nil, err
	}
	e := &Promised{
		Ticket: t.ID, At: d.now(), Level: promise.Level, Why: promise.Why, Due: t.Due, Idle: promise.Plan.Idle, Started: t.Started,
		Problems: sentences(wrong), Stale: t.Open() && !workflow.SameClocks(t.Clocks, promise.Clocks()),
	}
	if !promise.Plan.Starts.IsZero() {
		e.Starts = &promise.Plan.Starts
	}
	agreement := d.config.Policy.Agreement
	if agreement == nil {
		agreement = &sla.Agreement{}
	}
	for _, deadline := range promise.Plan.Deadlines {
		c := ClockState{Deadline: deadline, Runs: t.Open() && deadline.Done.IsZero(), Sentence: deadline.String()}
		until := e.At
		if !deadline.Done.IsZero() {
			until = deadline.Done
		} else if !t.Open() && t.Resolved != nil {
			until = *t.Resolved
		}
		c.Elapsed = agreement.Elapsed(deadline, promise.Facts, until)
		kept := incident.Clock{Name: c.Clock, From: c.From, Due: c.Due}
		c.Warned, c.Breached = t.Alarmed(kept, false), t.Alarmed(kept, true)
		e.Clocks = append(e.Clocks, c)
	}
	e.run(t, agreement)
	return e, nil
}

// run fills in the running time.
func (e *Promised) run(t incident.Ticket, agreement *sla.Agreement) {
	if t.Started == nil {
		return
	}
	until := e.At
	if !t.Open() && t.Resolved != nil {
		until = *t.Resolved
	}
	e.Running = until.Sub(*t.Started)
	level, _ := agreement.Level(e.Level)
	if calendar, ok := agreement.Calendar(level.Calendar); ok {
		e.Running, e.Calendar, e.Zone = calendar.Between(*t.Started, until), calendar.Name(), calendar.Zone().String()
	}
}

// promise gathers what the agreement must know about a ticket. wrong is what the
// agreement finds, err comes from the store.
func (d *Desk) promise(ctx context.Context, r storage.Reader, t incident.Ticket) (p workflow.Promise, wrong, err error) {
	run := d.newRun(incident.System, nil, [32]byte{}, r)
	facts, err := run.gather(ctx, d.config.Policy.PromiseAsks(t))
	if err != nil {
		return p, nil, err
	}
	p, wrong = d.config.Policy.Promise(t, facts)
	return p, wrong, nil
}

// sentences takes a joined error apart.
func sentences(err error) []string {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []string{err.Error()}
	}
	var list []string
	for _, e := range joined.Unwrap() {
		list = append(list, sentences(e)...)
	}
	return list
}

// recomputePage is how many tickets are looked at in one snapshot.
const recomputePage = 500

// Recompute brings what derivations set on tickets that are not inactive to what
// the policy says now: call it after a change of the agreement. Until then
// tickets keep what is recorded, or get the new terms when something else moves
// their clocks. Each ticket is a transaction of its own, with records whose
// command is "recompute" and whose cause is the ticket's last record before; a
// second run writes none. It returns how many tickets have changed, and reports
// to progress (may be nil) after each page. A ticket that fails does not keep the
// others; the error joins all failures.
func (d *Desk) Recompute(ctx context.Context, progress func(done, total int)) (changed int, err error) {
	q := storage.Query{Phases: notInactive(), Limit: recomputePage}
	var page []incident.Ticket
	var done, total int
	for {
		failed := d.store.View(ctx, func(ctx context.Context, r storage.Reader) (err error) {
			if page, err = r.Find(ctx, q); err == nil && q.After == nil {
				total, err = r.Count(ctx, q)
			}
			return err
		})
		if failed != nil {
			return changed, errors.Join(err, failed)
		}
		for _, t := range page {
			moved, failed := d.recompute(ctx, t.ID)
			if ctx.Err() != nil {
				return changed, errors.Join(err, ctx.Err())
			}
			if failed != nil {
				err = errors.Join(err, fmt.Errorf("desk: recompute ticket %s: %w", t.ID, failed))
			}
			changed += moved
		}
		done += len(page)
		if progress != nil {
			progress(done, max(total, done))
		}
		if len(page) < recomputePage {
			return changed, err
		}
		q.After = storage.CursorAt(page[len(page)-1])
	}
}

// recompute runs all derivations for one ticket and returns how many tickets
// have changed: a child moves its incidents.
func (d *Desk) recompute(ctx context.Context, id incident.ID) (changed int, err error) {
	seed, err := d.seed()
	if err != nil {
		return 0, err
	}
	var result *Result
	err = update(ctx, d.store, func(ctx context.Context, tx storage.Tx) error {
		run := d.newRun(incident.System, nil, seed, tx)
		run.label = "recompute"
		t, err := run.draft.Ticket(ctx, id)
		if err != nil {
			return err
		}
		for _, derivation := range d.config.Policy.Derivations {
			if err := run.deriveTicket(ctx, derivation, id, workflow.Change{Before: t, After: t}); err != nil {
				return fmt.Errorf("derivation %s: %w", derivation.Name, err)
			}
		}
		if err := run.derive(ctx); err != nil {
			return err
		}
		result, err = run.flush(ctx, tx)
		return err
	})
	if err != nil {
		return 0, err
	}
	d.Announce(ctx, result)
	return len(result.Tickets), nil
}

// Compliance says how many promises of service agreements were kept between two
// times: see [workflow.Outcome] and [workflow.Comply]. classification names the
// field to count by; "" counts by none. It reads one snapshot in pages, and
// reports to progress (may be nil) after each. What was to happen after now is
// left out, so that a period may end in the future. The error is the store's, or
// says that the period is none.
func (d *Desk) Compliance(ctx context.Context, from, to time.Time, classification string, progress func(done, total int)) (*workflow.Compliance, error) {
	from, to = incident.Moment(from), incident.Moment(to)
	if !from.Before(to) {
		return nil, fmt.Errorf("desk: a period from %s to %s is none: allowed are two times, the earlier one first", from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	until := to
	if now := d.now().Add(time.Microsecond); now.Before(until) { // with what happens at this moment
		until = now
	}
	var outcomes []workflow.Outcome
	done := 0
	err := d.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		q := storage.Query{Limit: recomputePage}
		total, err := r.Count(ctx, q)
		if err != nil {
			return err
		}
		for {
			page, err := r.Find(ctx, q)
			if err != nil || len(page) == 0 {
				return err
			}
			ids := make([]incident.ID, len(page))
			for i, t := range page {
				ids[i] = t.ID
			}
			records, err := r.History(ctx, storage.HistoryQuery{Tickets: ids})
			if err != nil {
				return err
			}
			histories := map[incident.ID][]incident.Record{}
			for _, record := range records {
				histories[record.Ticket] = append(histories[record.Ticket], record)
			}
			for _, id := range ids {
				for _, o := range d.config.Policy.Outcomes(histories[id], classification, until) {
					if !o.At.Before(from) {
						outcomes = append(outcomes, o)
					}
				}
			}
			if done += len(page); progress != nil {
				progress(done, total)
			}
			if len(page) < recomputePage {
				return nil
			}
			q.After = storage.CursorAt(page[len(page)-1])
		}
	})
	if err != nil {
		return nil, err
	}
	c := workflow.Comply(outcomes, from, to)
	return &c, nil
}
