package desk_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// keepsTerms checks that the clocks and due date of every ticket are what the
// agreement says, by facts that are read from its history here, without the fold
// and the code of the policy; and that no alarm is recorded twice or too early.
func (w *world) keepsTerms(tickets []incident.Ticket) {
	w.t.Helper()
	a := w.desk.Policy().Agreement
	if a == nil {
		return
	}
	priorities := map[incident.ID]int{}
	for _, t := range tickets {
		priorities[t.ID] = t.Priority
	}
	histories := map[incident.ID][]incident.Record{}
	require.NoError(w.t, w.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		records, err := r.History(ctx, storage.HistoryQuery{})
		for _, record := range records {
			histories[record.Ticket] = append(histories[record.Ticket], record)
		}
		return err
	}))
	for _, t := range tickets {
		s := read(w.t, histories[t.ID])
		for alarm, n := range s.alarms {
			require.Equal(w.t, 1, n, "ticket %s: %s", t.ID, alarm)
		}
		if t.Kind != incident.KindReport && t.Kind != incident.KindInvestigation {
			require.Empty(w.t, t.Clocks)
			continue
		}
		if s.closed {
			for _, c := range t.Clocks {
				require.True(w.t, c.Due.Before(*t.Resolved) && s.alarms[alarmText("breached", c.Name, c.From, c.Due)] == 1,
					"ticket %s: what is left of a closed ticket was missed: %v", t.ID, c)
			}
			continue
		}
		s.facts.Priority = t.Priority
		for _, parent := range t.Parents {
			s.facts.Priority = max(s.facts.Priority, priorities[parent])
		}
		chosen, err := a.Choose(sla.Subject{Level: s.level, Constituency: t.Constituency, Kind: string(t.Kind), At: s.facts.Created})
		require.NoError(w.t, err)
		plan, err := a.Plan(chosen.Level, s.facts)
		require.NoError(w.t, err)
		var running []string
		for _, d := range plan.Deadlines {
			if d.Done.IsZero() {
				running = append(running, fmt.Sprint(d.Level, d.Clock, d.From, d.Due, d.Warn))
			}
		}
		var kept []string
		for _, c := range t.Clocks {
			var warn time.Time
			if c.Warn != nil {
				warn = *c.Warn
			}
			kept = append(kept, fmt.Sprint(c.Level, c.Name, c.From, c.Due, warn))
		}
		require.Equal(w.t, running, kept, "clocks of ticket %s", t.ID)
		if earliest, ok := plan.Earliest(); s.byClock && ok {
			require.Equal(w.t, &earliest.Due, t.Due, "due date of ticket %s", t.ID)
		} else if s.byClock {
			require.Nil(w.t, t.Due, "due date of ticket %s", t.ID)
		}
	}
}

// missesAreBreaches compares what a replay of the histories finds missed with the
// breaches that were recorded, and returns how many were missed and have ended.
func (w *world) missesAreBreaches(tickets []incident.Ticket) int {
	w.t.Helper()
	n := 0
	for _, t := range tickets {
		history := w.history(t.ID)
		outcomes := w.desk.Policy().Outcomes(history, "", w.now.Add(time.Microsecond))
		var breaches []incident.Breached
		for _, r := range history {
			if event, err := incident.Decode(r); err == nil && r.Type == "breached" {
				breaches = append(breaches, event.(incident.Breached))
			}
		}
		for _, b := range breaches {
			require.True(w.t, slices.ContainsFunc(outcomes, func(o workflow.Outcome) bool {
				return o.Missed && o.Clock == b.Clock && !o.From.After(b.Due) && (o.Ended.IsZero() || o.Ended.After(b.Due))
			}), "ticket %s: %v was missed: %v", t.ID, b, outcomes)
		}
		for _, o := range outcomes {
			require.False(w.t, o.Took < 0 || o.Unmeasured, "%v", o)
			if !o.Missed || o.Ended.IsZero() {
				continue
			}
			n++
			require.True(w.t, slices.ContainsFunc(breaches, func(b incident.Breached) bool { return b.Clock == o.Clock && b.Due.Equal(o.Due) }),
				"ticket %s: %v is recorded: %v", t.ID, o, breaches)
		}
	}
	return n
}

// story is what a history says about the clocks of a ticket.
type story struct {
	facts   sla.Facts
	level   string
	closed  bool
	byClock bool // the due date, under a level
	alarms  map[string]int
}

func alarmText(kind, clock string, from, due time.Time) string {
	return fmt.Sprint(kind, " ", clock, " from ", from, " due ", due)
}

func read(t tb, history []incident.Record) story {
	s := story{alarms: map[string]int{}, facts: sla.Facts{Moments: map[sla.Moment]time.Time{}}}
	waiting := []time.Time{}
	status := func(at time.Time, name incident.Status, phase incident.Phase) {
		if n := len(s.facts.Statuses); n > 0 {
			s.facts.Statuses[n-1].To = at
		}
		s.facts.Statuses = append(s.facts.Statuses, sla.Span{Status: string(name), From: at})
		if s.closed && phase != incident.Inactive {
			s.facts.Moments[sla.Reopened] = at
		}
		s.closed = phase == incident.Inactive
	}
	fields := func(f map[string][]string) {
		for name, values := range f {
			value := ""
			if len(values) > 0 {
				value = values[0]
			}
			switch name {
			case "service level":
				s.level = value
			case "aware":
				delete(s.facts.Moments, "aware")
				if at, err := time.Parse(time.RFC3339, value); err == nil {
					s.facts.Moments["aware"] = at.UTC()
				}
			}
		}
	}
	for _, r := range history {
		event, err := incident.Decode(r)
		require.NoError(t, err)
		switch e := event.(type) {
		case incident.Opened:
			s.facts.Created = r.At
			status(r.At, e.Status, e.Phase)
			fields(e.Content.Fields)
			fields(e.Fields)
		case incident.Moved:
			status(r.At, e.To, e.Phase)
		case incident.Edited:
			fields(e.Content.Fields)
			fields(e.Fields)
		case incident.Message:
			at := r.At
			if e.When != nil {
				at = *e.When
			}
			if e.Side == incident.Outside && !e.Machine {
				waiting = append(waiting, at)
			}
			if e.Side == incident.Inside && !e.Machine && at.After(s.facts.Inside) {
				s.facts.Inside = at
			}
			if e.Answers {
				waiting = nil
			}
		case incident.Joined:
			if e.Unanswered != nil {
				waiting = append(waiting, *e.Unanswered)
			}
			if e.LastInside != nil && e.LastInside.After(s.facts.Inside) {
				s.facts.Inside = *e.LastInside
			}
		case incident.Unmerged:
			if e.From != 0 {
				waiting = nil
				if e.Unanswered != nil {
					waiting = append(waiting, *e.Unanswered)
				}
			}
		case incident.DueSet:
			s.byClock = e.Basis != nil && e.Basis.Level != ""
		case incident.Warned:
			s.alarms[alarmText(r.Type, e.Clock, e.From, e.Due)]++
		case incident.Breached:
			s.alarms[alarmText(r.Type, e.Clock, e.From, e.Due)]++
			require.True(t, r.At.After(e.Due), "a breach before the deadline")
		}
	}
	for _, at := range waiting {
		if s.facts.Unanswered.IsZero() || at.Before(s.facts.Unanswered) {
			s.facts.Unanswered = at
		}
	}
	return s
}
