package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Observed is what machines have reported, as intake and import hand it to a command.
type Observed struct {
	Feed         string                 `json:"feed"`
	Observations []incident.Observation `json:"observations"` // each once
	Blobs        []incident.Digest      `json:"blobs"`        // the pieces of the raw input that they were read from
}

// Accept makes an incident of a report that waits (AIRT paper 3.1): it has the state
// that the policy's Queue names, the constituency, contacts and addresses of the
// report and of what was merged into it, and the fields and priority of its feed, unless
// the command says otherwise.
// Like Reject it makes the actor the owner of the report, and of the incident; a
// report of somebody else is refused. Asked again it does nothing.
type Accept struct {
	Ticket   incident.ID         `json:"ticket"`
	Subject  string              `json:"subject,omitempty"`
	Priority *int                `json:"priority,omitempty"` // 0 to 100
	Fields   map[string][]string `json:"fields,omitempty"`
	Auto     bool                `json:"auto,omitempty"` // nobody becomes the owner: a rule gives it
}

// Attach adds a report that waits to an incident, with all that it says (AIRT paper
// 3.1: import the additional logging into the existing incident). It makes the actor
// the owner of the report, as Accept does. Asked again it does nothing.
type Attach struct {
	Ticket   incident.ID `json:"ticket"`
	Incident incident.ID `json:"incident"`
}

// Group merges reports that wait into another one that does and has an address in
// common with each of them, so that they are decided at once: the one stands for all.
// Unmerge parts them again. It makes the actor the owner of all of them. What is merged
// already is left as it is.
type Group struct {
	Ticket incident.ID   `json:"ticket"`
	With   []incident.ID `json:"with"`
}

// Observe adds observations to a ticket. Intake and import give it.
type Observe struct {
	Ticket   incident.ID `json:"ticket"`
	Observed Observed    `json:"observed"`
}

// waits refuses what is not to be decided any more, or is somebody else's, and makes
// the actor the owner of a report.
func waits(c Command, t incident.Ticket, auto bool, env Env) ([]Decision, error) {
	if !t.Waiting() {
		return nil, &RefusedError{c.Name(), t.ID, fmt.Sprintf("it does not wait for a decision: allowed are reports in their initial phase that belong to no incident; it is %s %s", article(t.Kind), t.Status)}
	}
	if auto || !strings.HasPrefix(string(env.By), "handler:") {
		return nil, nil
	}
	taken, err := Take{Ticket: t.ID}.decide(nil, t, Facts{}, env)
	for i := range taken {
		taken[i].Ticket = t.ID
	}
	return taken, err
}

func (c Accept) asks(p *Policy, t incident.Ticket) []Ask {
	if !t.Waiting() {
		return []Ask{{Fact: FactParents, Ticket: t.ID}}
	}
	return append(Open{Kind: incident.KindIncident, From: t.ID}.asks(p, t), Ask{Fact: FactNumber, Ticket: t.ID}, Ask{Fact: FactReported, Ticket: t.ID})
}

// maxTaken bounds what an incident takes over from observations.
const maxTaken = 1000

func (c Accept) decide(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error) {
	if !t.Waiting() && t.Kind == incident.KindReport && slices.ContainsFunc(f.Parents(t.ID), func(parent incident.Ticket) bool { return parent.From == t.ID }) {
		return nil, nil
	}
	decisions, err := waits(c, t, c.Auto, env)
	if err != nil {
		return nil, err
	}
	open := Open{
		Kind: incident.KindIncident, From: t.ID, Subject: c.Subject, State: p.imported(), Priority: c.Priority, Fields: map[string][]string{},
		Observables: t.Observables, ExternalIDs: t.ExternalIDs,
	}
	if t.Observations != nil {
		feed, _ := p.Feed(t.Observations.Feed)
		for name, values := range feed.Fields {
			open.Fields[p.fieldName(name)] = values
		}
		if open.Priority == nil {
			open.Priority = feed.Priority
		}
	}
	for name, values := range c.Fields {
		open.Fields[p.fieldName(name)] = values
	}
	for _, o := range Kept(f.Reported(t.ID)) {
		open.Observables = append(slices.Clip(open.Observables), newObservables(o.Observables(), open.Observables)...)
		if o.ID != "" && !slices.Contains(open.ExternalIDs, o.ID) {
			open.ExternalIDs = append(slices.Clip(open.ExternalIDs), o.ID)
		}
	}
	open.Observables = open.Observables[:min(len(open.Observables), maxTaken)]
	open.ExternalIDs = open.ExternalIDs[:min(len(open.ExternalIDs), maxTaken)]
	number := f.Number(t.ID)
	opened, err := open.opens(p, incident.Ticket{ID: number}, f, env)
	if err != nil {
		return nil, err
	}
	for i := range opened {
		if opened[i].Ticket == 0 {
			opened[i].Ticket = number
		}
		if ev, ok := opened[i].Event.(incident.Opened); ok && c.Auto {
			ev.Owner = incident.Nobody
			opened[i].Event = ev
		}
	}
	return append(decisions, opened...), nil
}

func (c Attach) asks(_ *Policy, _ incident.Ticket) []Ask { return askTickets(c.Incident) }

func (c Attach) decide(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error) {
	if t.HasParent(c.Incident) {
		return nil, nil
	}
	decisions, err := waits(c, t, false, env)
	if err != nil {
		return nil, err
	}
	linked, err := Link{Ticket: t.ID, Parent: c.Incident}.decide(p, t, f, env)
	if err != nil {
		return nil, err
	}
	decisions = append(decisions, linked...)
	state := p.imported()
	if into, _ := f.Ticket(c.Incident); p.Queue.Reset && state != "" && into.State != state {
		decisions = append(decisions, on(into.ID, incident.Edited{State: &state})...)
	}
	return decisions, nil
}

func (c Group) asks(p *Policy, t incident.Ticket) []Ask {
	asks := askTickets(append([]incident.ID{t.ID}, c.With...)...)
	if p.guardsLinks() {
		for _, id := range c.With {
			asks = append(asks, Ask{Fact: FactParents, Ticket: id})
		}
	}
	return asks
}

func (c Group) decide(p *Policy, t incident.Ticket, f Facts, env Env) ([]Decision, error) {
	if len(c.With) == 0 {
		return nil, &ArgumentError{c.Name(), "with", "", "the numbers of reports that wait"}
	}
	var decisions []Decision
	for _, id := range slices.Compact(slices.Sorted(slices.Values(c.With))) {
		sibling, ok := f.Ticket(id)
		switch {
		case !ok:
			return nil, &NoTicketError{Ticket: id}
		case sibling.MergedInto == t.ID:
			continue
		case !slices.ContainsFunc(sibling.Observables, func(o incident.Observable) bool {
			return o.Kind == incident.Address && slices.ContainsFunc(t.Observables, o.Same)
		}):
			return nil, &RefusedError{c.Name(), t.ID, fmt.Sprintf("report %s has no address in common with it", id)}
		}
		taken, err := waits(c, sibling, false, env)
		if err != nil {
			return nil, err
		}
		merged, err := Merge{Ticket: id, Into: t.ID}.decide(p, sibling, f, env)
		if err != nil {
			return nil, err
		}
		for i := range merged {
			if merged[i].Ticket == 0 {
				merged[i].Ticket = id
			}
		}
		decisions = append(append(decisions, taken...), merged...)
	}
	if len(decisions) == 0 {
		return nil, nil
	}
	taken, err := waits(c, t, false, env)
	return append(taken, decisions...), err
}

func (c Observe) asks(p *Policy, t incident.Ticket) []Ask {
	feed, _ := p.Feed(c.Observed.Feed)
	switch sum := t.Observations; {
	case sum == nil || sum.Bound == "" && sum.Count+len(c.Observed.Observations) <= feed.Keeps():
		return nil
	case sum.Bound == "":
		return []Ask{{Fact: FactObserved, Ticket: t.ID}}
	}
	return []Ask{{Fact: FactNewestObserved, Ticket: t.ID}}
}

func (c Observe) decide(p *Policy, t incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	var before []string // keys of what is kept, where it must be known
	for _, a := range c.asks(p, t) {
		before = keys(known(f.records, a))
	}
	if ev, ok := c.Observed.join(p, t.Observations, before); ok {
		return events(ev), nil
	}
	return nil, nil
}

// join is what a ticket gets of observations: those with the least keys, as many as it
// keeps in all. before are the keys of what it keeps, in order, where with these it
// would be too many; false: nothing is to be written.
func (o Observed) join(p *Policy, sum *incident.Observations, before []string) (incident.Observed, bool) {
	if sum == nil {
		sum = &incident.Observations{}
	}
	feed, _ := p.Feed(o.Feed)
	ev := incident.Observed{Feed: o.Feed, First: sum.First, Last: sum.Last, Blobs: o.Blobs}
	if sum.Bound == "" && sum.Count+len(o.Observations) <= feed.Keeps() {
		ev.Added, ev.Count, ev.Content.Observations = len(o.Observations), sum.Count+len(o.Observations), o.Observations
		for _, one := range o.Observations {
			if one.Time.IsZero() {
				continue
			}
			at := incident.Moment(one.Time)
			if ev.First == nil || at.Before(*ev.First) {
				ev.First = &at
			}
			if ev.Last == nil || at.After(*ev.Last) {
				ev.Last = &at
			}
		}
		return ev, len(o.Observations) > 0
	}
	type keyed struct {
		key string
		at  int // place among the new ones; -1: an old one
	}
	var all []keyed
	for _, key := range before {
		all = append(all, keyed{key, -1})
	}
	for i, one := range o.Observations {
		all = append(all, keyed{one.Key(), i})
	}
	slices.SortFunc(all, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	for _, k := range all[:min(len(all), feed.Keeps())] {
		ev.Content.Kept = append(ev.Content.Kept, k.key)
		if k.at >= 0 {
			ev.Content.Observations = append(ev.Content.Observations, o.Observations[k.at])
		}
	}
	ev.Added, ev.Count, ev.Full = len(ev.Content.Observations), len(ev.Content.Kept), true
	ev.First, ev.Last = nil, nil
	for _, key := range ev.Content.Kept {
		if at, ok := incident.KeyTime(key); ok {
			if ev.Last = &at; ev.First == nil {
				ev.First = &at
			}
		}
	}
	ev.Beyond = !sum.Beyond && len(all) > feed.Keeps()
	return ev, ev.Added > 0 || ev.Beyond
}

// keys returns the keys of what is kept according to records of observations, in
// order: all of them, or the newest one where it says.
func keys(records []incident.Record) []string {
	if n := len(records); n > 0 {
		if ev, ok := decoded(records[n-1]).(incident.Observed); ok && len(ev.Content.Kept) > 0 {
			return ev.Content.Kept
		}
	}
	return slices.Sorted(maps.Keys(byKey(records)))
}

func byKey(records []incident.Record) map[string]incident.Observation {
	found := map[string]incident.Observation{}
	for _, r := range records {
		if ev, ok := decoded(r).(incident.Observed); ok {
			for _, o := range ev.Content.Observations {
				found[o.Key()] = o
			}
		}
	}
	return found
}

// Kept returns the observations that tickets keep, out of all their records of
// observations, those of each ticket together; of each ticket oldest first: by time,
// and then by digest.
func Kept(records []incident.Record) (kept []incident.Observation) {
	for len(records) > 0 {
		n := slices.IndexFunc(records, func(r incident.Record) bool { return r.Ticket != records[0].Ticket })
		if n < 0 {
			n = len(records)
		}
		all := byKey(records[:n])
		for _, key := range keys(records[:n]) {
			if o, ok := all[key]; ok {
				kept = append(kept, o)
			}
		}
		records = records[n:]
	}
	return kept
}

// AcceptKnown are the parameters of the rule accept-known.
type AcceptKnown struct {
	Feeds []string `json:"feeds,omitempty"` // names of feeds; empty: all that the policy describes
}

// Check implements the check of parameters.
func (a AcceptKnown) Check(p *Policy) error {
	for _, name := range a.Feeds {
		if f, ok := p.Feed(name); !ok || !strings.EqualFold(f.Name, name) {
			return fmt.Errorf("there is no feed %q", name)
		}
	}
	return nil
}

func acceptKnown(p *Policy, c Change, _ Facts, params any) Verdict {
	t, only := c.After, params.(AcceptKnown).Feeds
	if !t.Waiting() || t.Held != nil || t.Observations == nil {
		return Verdict{}
	}
	feed, ok := p.Feed(t.Observations.Feed)
	switch {
	case !ok || len(only) > 0 && !slices.ContainsFunc(only, func(name string) bool { return strings.EqualFold(name, feed.Name) }):
		return Verdict{Why: "its feed is none of those that are accepted"}
	case len(feed.Fields) == 0:
		return Verdict{Why: "its feed does not say what an incident is like"}
	case t.Constituency == "":
		return Verdict{Why: "its constituency is not known"}
	}
	return Verdict{Commands: []Command{Accept{Ticket: t.ID, Auto: true}}, Why: "its feed and constituency are known"}
}
