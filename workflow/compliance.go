package workflow

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
)

// Outcome is what became of one promise: of one run of a clock, from one start,
// within one stretch of time in which its ticket was not inactive.
//
// A run ends when the clock is stopped: for a response by an answer, for a
// resolution by closing, for a clock that starts again by its new start. So a
// ticket that is closed, opened again and closed again has two outcomes of its
// resolution, one for each closing, so that the figures of a past period do not
// change later. When its clock counts from the creation both count from there;
// the time in which the ticket was closed is left out. Missed is what passed the
// deadline that was in force at that time, by what its history says: a change of
// level or priority afterwards makes nothing good, and one before counts.
//
// A run that ends in time and is not stopped, because its level no longer has the
// clock, or because the ticket was closed without the answer that it waited for,
// is withdrawn: neither met nor missed.
type Outcome struct {
	Ticket         incident.ID   `json:"ticket"`
	Level          string        `json:"level"` // that was in force when it was met or missed
	Clock          string        `json:"clock"`
	Constituency   string        `json:"constituency,omitempty"`   // at the end of the run
	Classification string        `json:"classification,omitempty"` // at the end of the run
	From           time.Time     `json:"from"`
	Due            time.Time     `json:"due"`                  // the deadline that was met or missed
	At             time.Time     `json:"at"`                   // when it was met, missed or withdrawn
	Ended          time.Time     `json:"ended,omitzero"`       // zero: it was missed and still runs
	Took           time.Duration `json:"tookNanoseconds"`      // on its clock until Ended, or until the end of the replay; see [sla.Agreement.Elapsed]
	Unmeasured     bool          `json:"unmeasured,omitempty"` // the agreement has no such clock any more: Took is not known
	Missed         bool          `json:"missed,omitempty"`
	Withdrawn      bool          `json:"withdrawn,omitempty"`
}

// run is a clock that runs while a history is replayed.
type run struct {
	incident.Clock
	since     time.Time // the deadline is in force
	suspended bool      // paused or ignored: there is no deadline
	missed    *Outcome
}

type replay struct {
	policy    *Policy
	agreement *sla.Agreement
	field     string
	ticket    incident.Ticket
	statuses  []StatusRecord
	facts     sla.Facts
	runs      []run
	outcomes  []Outcome
}

// Outcomes replays the history of one ticket up to a time, without it, and
// returns what became of the promises that its due records made until then.
// classification names the field that [Outcome.Classification] is taken from.
func (p *Policy) Outcomes(history []incident.Record, classification string, until time.Time) []Outcome {
	r := replay{agreement: p.Agreement, policy: p, field: classification}
	if r.agreement == nil {
		r.agreement = &sla.Agreement{}
	}
	for _, record := range history {
		if !record.At.Before(until) {
			break
		}
		r.step(record)
	}
	r.miss(until)
	for _, run := range r.runs {
		if run.missed != nil {
			r.end(run, until, time.Time{}, true)
		}
	}
	return r.outcomes
}

func (r *replay) step(record incident.Record) {
	before, at := r.ticket, incident.Moment(record.At)
	r.miss(at)
	r.ticket = incident.Apply(before, record)
	status, changed := statusOf(record)
	if changed {
		r.statuses = append(r.statuses, status)
	}
	closing := changed && before.Open() && !r.ticket.Open()
	r.facts, _ = r.policy.slaFacts(r.ticket, r.statuses)
	r.runs = slices.DeleteFunc(r.runs, func(run run) bool {
		stopped := r.stopped(run.Clock)
		if stopped || closing {
			r.end(run, at, at, stopped)
		}
		return stopped || closing
	})
	switch ev, _ := incident.Decode(record); ev := ev.(type) {
	case incident.DueSet:
		if ev.Basis != nil {
			r.sync(at, ev.Basis.Level)
		}
	case incident.Moved:
		if !before.Open() && r.ticket.Open() {
			r.sync(at, "")
		}
	}
}

// clock returns how the agreement defines a clock; false: it has it no more.
func (r *replay) clock(c incident.Clock) (sla.Clock, bool) {
	level, _ := r.agreement.Level(c.Level)
	i := slices.IndexFunc(level.Clocks, func(d sla.Clock) bool { return d.Name == c.Name })
	if i < 0 {
		return sla.Clock{}, false
	}
	return level.Clocks[i], true
}

// stopped reports whether the moments of the ticket have stopped a clock, or
// started it anew.
func (r *replay) stopped(c incident.Clock) bool {
	defined, ok := r.clock(c)
	if !ok {
		return false // sync finds out
	}
	_, from, done := defined.Run(r.facts)
	return from.IsZero() || !done.IsZero() || incident.Moment(from).After(c.From)
}

// miss notes the deadlines that have passed before a time.
func (r *replay) miss(at time.Time) {
	for i, run := range r.runs {
		if run.suspended || run.missed != nil || !run.Due.Before(at) {
			continue
		}
		missed := Outcome{Level: run.Level, Due: run.Due, At: run.Due, Missed: true}
		if run.since.After(run.Due) {
			missed.At = run.since
		}
		r.runs[i].missed = &missed
	}
}

// sync takes over the clocks of the ticket, which have level, after they were
// recorded anew; after it was opened again level is empty.
func (r *replay) sync(at time.Time, level string) {
	r.runs = slices.DeleteFunc(r.runs, func(run run) bool {
		if slices.ContainsFunc(r.ticket.Clocks, func(c incident.Clock) bool { return c.Name == run.Name && !c.From.After(run.From) }) {
			return false
		}
		_, defined := r.clock(run.Clock)
		suspended := defined && level == run.Level
		if !suspended {
			r.end(run, at, at, !defined && level == run.Level)
		}
		return !suspended
	})
	known := len(r.runs)
	for _, c := range r.ticket.Clocks {
		i := slices.IndexFunc(r.runs[:known], func(run run) bool { return run.Name == c.Name })
		switch {
		case i >= 0:
			if old := r.runs[i]; old.suspended || !c.Due.Equal(old.Due) {
				r.runs[i].since = at
			}
			r.runs[i].Clock, r.runs[i].suspended = c, false
		case !r.stopped(c):
			r.runs = append(r.runs, run{Clock: c, since: at})
		}
	}
	for i, run := range r.runs {
		r.runs[i].suspended = !slices.ContainsFunc(r.ticket.Clocks, func(c incident.Clock) bool { return c.Name == run.Name })
	}
}

// end adds the outcome of a run; ended is zero while it goes on.
func (r *replay) end(run run, at, ended time.Time, stopped bool) {
	o := Outcome{Level: run.Level, Due: run.Due, At: at, Withdrawn: !stopped}
	if run.missed != nil {
		o = *run.missed
	}
	o.Ticket, o.Clock, o.From, o.Ended = r.ticket.ID, run.Name, run.From, ended
	o.Constituency, o.Classification = r.ticket.Constituency, strings.Join(r.ticket.Fields[r.field], ", ")
	o.Took, o.Unmeasured = r.took(run.Clock, at)
	r.outcomes = append(r.outcomes, o)
}

// took measures a clock until a time, without the stretches in which the ticket
// was closed.
func (r *replay) took(c incident.Clock, until time.Time) (took time.Duration, unmeasured bool) {
	defined, ok := r.clock(c)
	if !ok {
		return 0, true
	}
	d := sla.Deadline{Level: c.Level, Clock: c.Name, From: c.From, Within: defined.Within}
	facts := sla.Facts{Statuses: spans(r.statuses)}
	elapsed := func(at time.Time) time.Duration { return r.agreement.Elapsed(d, facts, at) }
	took = elapsed(until)
	for i, s := range r.statuses {
		if s.Phase != incident.Inactive || !s.At.Before(until) {
			continue
		}
		opened := until
		if i+1 < len(r.statuses) && r.statuses[i+1].At.Before(until) {
			opened = r.statuses[i+1].At
		}
		took -= elapsed(opened) - elapsed(s.At)
	}
	return took, false
}

// Compliance says how many promises were kept in a period.
type Compliance struct {
	From time.Time       `json:"from"`
	To   time.Time       `json:"to"`
	Rows []ComplianceRow `json:"rows"` // by level, clock, constituency, classification
}

// ComplianceRow sums up the promises of one sort: see [Outcome].
type ComplianceRow struct {
	Level          string `json:"level"`
	Clock          string `json:"clock"`
	Constituency   string `json:"constituency,omitempty"`
	Classification string `json:"classification,omitempty"`
	sla.Figures           // of those that were met or missed; percentiles are those of Percentiles
	Running        int    `json:"running"`    // of those missed: not stopped at the end of the period
	Withdrawn      int    `json:"withdrawn"`  // neither met nor missed
	Unmeasured     int    `json:"unmeasured"` // met or missed, but left out of the percentiles
}

type rowKey struct{ level, clock, constituency, classification string }

// Percentiles are those of [ComplianceRow], of the time that promises took.
func Percentiles() []int { return []int{50, 90, 95} }

// Comply sums up outcomes of a period: those met, missed or withdrawn at or after
// from and before to, which should be the end of the replays too. A promise that
// was missed counts at the time at which it was, though its clock may run on; the
// time that it took is then that until to.
func Comply(outcomes []Outcome, from, to time.Time) Compliance {
	c := Compliance{From: from, To: to, Rows: []ComplianceRow{}}
	samples := map[rowKey][]sla.Sample{}
	rows := map[rowKey]*ComplianceRow{}
	for _, o := range outcomes {
		if o.At.Before(from) || !o.At.Before(to) {
			continue
		}
		key := rowKey{o.Level, o.Clock, o.Constituency, o.Classification}
		row := rows[key]
		if row == nil {
			row = &ComplianceRow{Level: o.Level, Clock: o.Clock, Constituency: o.Constituency, Classification: o.Classification}
			rows[key] = row
		}
		switch {
		case o.Withdrawn:
			row.Withdrawn++
			continue
		case o.Missed:
			row.Missed++
		default:
			row.Met++
		}
		if o.Missed && o.Ended.IsZero() {
			row.Running++
		}
		if o.Unmeasured {
			row.Unmeasured++
			continue
		}
		samples[key] = append(samples[key], sla.Sample{Took: o.Took, Met: !o.Missed})
	}
	for key, row := range rows {
		row.Percentiles = sla.Summarise(samples[key], Percentiles()...).Percentiles
		c.Rows = append(c.Rows, *row)
	}
	slices.SortFunc(c.Rows, func(a, b ComplianceRow) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Clock, b.Clock),
			cmp.Compare(a.Constituency, b.Constituency), cmp.Compare(a.Classification, b.Classification))
	})
	return c
}
