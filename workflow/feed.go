package workflow

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Queue says what becomes of reports that wait and are decided (AIRT paper 3.1).
type Queue struct {
	State incident.State // of an incident that is made of a report, where there is such a state (AIRT: imported)
	Reset bool           // an incident gets that state again when a report joins it
	Hint  time.Duration  // how long after its end an incident is named beside a new report of the same address; 0: 48 hours (AIRT: correlationage)
}

// Recent returns Hint or its default.
func (q Queue) Recent() time.Duration { return cmp.Or(q.Hint, 48*time.Hour) }

// Feed is a source of reports from machines: how they are read, what an incident is
// like that is made of one (AIRT: the preferred template of a filter), and what is
// dropped. An observation belongs to the feed whose Name is its Observation.Feed, or
// the longest beginning of that in whole words: "shadowserver" has all that
// "shadowserver scan_dns" does not. Names are compared without regard to case.
type Feed struct {
	Name   string
	Doc    string
	Format string // by its name; empty: whoever imports says, or it is recognised
	Zone   string // of times that name none: "Europe/Amsterdam"; empty: as the format assumes

	Fields   map[string][]string // of the incident: type, severity
	Priority *int                // of the incident, 0 to 100

	Limit int // how many observations of one source a report keeps: those with the least time; 0: 50

	// What is dropped, before it becomes a report. It lies in the raw input alone.
	ASNumbers    []uint32       `json:"as-numbers"` // sources that say another one; empty: none
	DropNetworks []netip.Prefix // sources in these
	DropKinds    []string       // observations of these kinds
	DropForeign  bool           // sources that nobody of the constituencies has
	Oldest       time.Duration  // what happened longer ago; 0: nothing
}

const (
	standardObservations = 50
	mostObservations     = 1000
)

// Feed returns the feed that observations belong to; false: the policy does not
// describe it.
func (p *Policy) Feed(name string) (Feed, bool) {
	for name = strings.ToLower(name); name != ""; {
		if i := slices.IndexFunc(p.Feeds, func(f Feed) bool { return strings.EqualFold(f.Name, name) }); i >= 0 {
			return p.Feeds[i], true
		}
		name = strings.TrimSpace(name[:max(strings.LastIndexByte(name, ' '), 0)])
	}
	return Feed{}, false
}

// Keeps returns Limit or its default.
func (f Feed) Keeps() int { return cmp.Or(f.Limit, standardObservations) }

// Drops says why an observation is dropped; "": it is not. known: one of the
// constituencies has its source.
func (f Feed) Drops(o incident.Observation, known bool, now time.Time) string {
	for _, kind := range f.DropKinds {
		if strings.EqualFold(kind, o.Kind) {
			return fmt.Sprintf("kind %q is dropped", o.Kind)
		}
	}
	if last := cmp.Or(o.End, o.Time); f.Oldest > 0 && !last.IsZero() && now.Sub(last) > f.Oldest {
		return fmt.Sprintf("it is older than %s", Stretch(f.Oldest))
	}
	for _, e := range o.Endpoints {
		if e.Role == incident.RoleTarget {
			continue
		}
		if len(f.ASNumbers) > 0 && e.ASN != 0 && !slices.Contains(f.ASNumbers, e.ASN) {
			return fmt.Sprintf("AS %d is none of those allowed", e.ASN)
		}
		inside := func(n netip.Prefix) bool { return e.Address.IsValid() && n.Contains(e.Address) }
		if i := slices.IndexFunc(f.DropNetworks, inside); i >= 0 {
			return fmt.Sprintf("network %s is dropped", f.DropNetworks[i])
		}
	}
	if f.DropForeign && !known {
		return "it is of no constituency"
	}
	return ""
}

// imported is the state of an incident that is made of a report; "": none.
func (p *Policy) imported() incident.State {
	states := p.property(FieldState, incident.KindIncident).Values
	if len(states) == 0 {
		states = p.States
	}
	if len(states) > 0 && !slices.ContainsFunc(states, func(v FieldValue) bool { return v.Value == string(p.Queue.State) && !v.Retired }) {
		return ""
	}
	return p.Queue.State
}

// feedFaults hands over each mistake of the feeds and the queue.
func (p *Policy) feedFaults(wrong wrong) {
	if p.Queue.Hint < 0 {
		wrong("queue/hint", "looks back %s: allowed is a duration that is not negative", p.Queue.Hint)
	}
	for i, f := range p.Feeds {
		place := "feeds/" + f.Name
		if f.Name == "" || slices.ContainsFunc(p.Feeds[:i], func(g Feed) bool { return strings.EqualFold(g.Name, f.Name) }) {
			wrong(place, "has two feeds called %q, or one without a name", f.Name)
		}
		if _, err := time.LoadLocation(f.Zone); err != nil {
			wrong(place+"/zone", "has a feed %q in the zone %q: allowed are names like Europe/Amsterdam", f.Name, f.Zone)
		}
		if f.Limit < 0 || f.Limit > mostObservations {
			wrong(place+"/limit", "keeps %d observations of a source of the feed %q: allowed are 1 to %d, or 0 for %d", f.Limit, f.Name, mostObservations, standardObservations)
		}
		if f.Oldest < 0 {
			wrong(place+"/oldest", "drops what is older than %s from the feed %q: allowed is a duration that is not negative", f.Oldest, f.Name)
		}
		if f.Priority != nil && (*f.Priority < 0 || *f.Priority > 100) {
			wrong(place+"/priority", "gives incidents of the feed %q the priority %d: allowed are 0 to 100", f.Name, *f.Priority)
		}
		for _, n := range f.DropNetworks {
			if n != n.Masked() {
				wrong(place+"/drop-networks", "drops %s from the feed %q: allowed are first addresses of networks, like %s", n, f.Name, n.Masked())
			}
		}
		for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
			field, known := p.Field(name)
			switch {
			case slices.Contains(properties(), p.fieldName(name)):
				wrong(at(place, "fields", name), "sets %q of incidents of the feed %q: allowed are fields", name, f.Name)
			case known && !field.Has(incident.KindIncident):
				wrong(at(place, "fields", name), "sets the field %q of incidents of the feed %q, which have none: allowed are %s", name, f.Name, strings.Join(p.fieldNames(incident.KindIncident), ", "))
			case known:
				if _, err := field.check(Accept{}, f.Fields[name], nil); err != nil {
					wrong(at(place, "fields", name), "gives incidents of the feed %q a value that cannot be: %w", f.Name, err)
				}
			}
		}
	}
}
