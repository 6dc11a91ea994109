package workflow

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Attention says how long somebody who attends to a ticket is taken to work on it.
type Attention struct {
	For     time.Duration // where they do not say; 0: 30 minutes
	Longest time.Duration // that they may say; 0: 8 hours
}

// mostAttention bounds what a policy may allow.
const mostAttention = 7 * 24 * time.Hour

func (a Attention) settled() Attention {
	if a.Longest == 0 {
		a.Longest = 8 * time.Hour
	}
	if a.For == 0 {
		a.For = min(30*time.Minute, a.Longest)
	}
	return a
}

func (a Attention) faults(wrong wrong) {
	now := a.settled()
	for _, stretch := range []struct {
		place string
		is    time.Duration
		most  time.Duration
	}{{"longest", now.Longest, mostAttention}, {"for", now.For, now.Longest}} {
		if stretch.is < time.Minute || stretch.is > stretch.most {
			wrong(at("attention", stretch.place), "lets somebody attend to a ticket %s %s: allowed is 1m to %s", stretch.place, stretch.is, Stretch(stretch.most))
		}
	}
}

func (Attend) asks(*Policy, incident.Ticket) []Ask { return nil }

func (c Attend) decide(p *Policy, t incident.Ticket, _ Facts, env Env) ([]Decision, error) {
	stretch := p.Attention.settled()
	most := int(stretch.Longest / time.Minute)
	switch {
	case c.Minutes < 0 || c.Minutes > most:
		return nil, &ArgumentError{c.Name(), "minutes", strconv.Itoa(c.Minutes), fmt.Sprintf("1 to %d", most)}
	case c.End && c.Minutes > 0:
		return nil, &ArgumentError{c.Name(), "minutes", strconv.Itoa(c.Minutes), `either "minutes" or "end"`}
	case env.By == incident.Nobody:
		return nil, &RefusedError{c.Name(), t.ID, "nobody cannot work on it: say who does"}
	}
	all := t.Attending(env.Now)
	mine := slices.IndexFunc(all, func(a incident.Attention) bool { return a.By == env.By })
	if c.End {
		if mine < 0 {
			return nil, nil
		}
		return events(incident.Attended{By: env.By}), nil
	}
	if !t.Open() {
		return nil, &RefusedError{c.Name(), t.ID, fmt.Sprintf("it is %s: open it again to work on it", t.Status)}
	}
	if c.Minutes > 0 {
		stretch.For = time.Duration(c.Minutes) * time.Minute
	}
	if mine >= 0 && all[mine].Until.Sub(env.Now) >= stretch.For/2 {
		return nil, nil
	}
	until := incident.Moment(env.Now.Add(stretch.For))
	return events(incident.Attended{By: env.By, Until: &until}), nil
}

// attended adds the end of all work to decisions that close or merge a ticket on
// which somebody works.
func attended(t incident.Ticket, decisions []Decision, now time.Time) []Decision {
	ends := slices.ContainsFunc(decisions, func(d Decision) bool {
		moved, closes := d.Event.(incident.Moved)
		merged, merges := d.Event.(incident.Merged)
		return (d.Ticket == 0 || d.Ticket == t.ID) && (closes && moved.Phase == incident.Inactive || merges && merged.Into != 0)
	})
	if ends && len(t.Attending(now)) > 0 {
		return append(decisions, events(incident.Attended{})...)
	}
	return decisions
}
