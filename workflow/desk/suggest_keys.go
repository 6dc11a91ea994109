package desk

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// finder finds the incidents with which tickets have observables in common, through
// one reader and as far as the actor may see them. What it has asked it knows.
type finder struct {
	s       *Session
	r       storage.Reader
	now     time.Time
	sight   *sight
	mention map[string][]incident.Ticket    // tickets by the key of an observable
	known   map[incident.ID]incident.Ticket // incidents
}

func (s *Session) finder(r storage.Reader) *finder {
	return &finder{s, r, s.desk.now(), s.sight(r), map[string][]incident.Ticket{}, map[incident.ID]incident.Ticket{}}
}

// learn asks who mentions some observables, and for the incidents that they belong to.
func (f *finder) learn(ctx context.Context, list []incident.Observable) error {
	var keys []string
	var addresses []netip.Prefix
	for _, o := range list {
		key := o.Key()
		if _, known := f.mention[key]; known {
			continue
		}
		q := f.newest(suggestNewest)
		q.Keys = []string{key}
		if p, networked := o.Network(); networked && p.IsSingleIP() {
			addresses = append(addresses, p)
		} else if networked {
			q.Keys, q.Touches = nil, p
		}
		found, err := f.r.Find(ctx, q)
		if err != nil {
			return err
		}
		f.mention[key], keys = found, append(keys, key)
	}
	if err := f.around(ctx, addresses); err != nil {
		return err
	}
	var parents []incident.ID
	for _, key := range keys {
		for _, t := range f.mention[key] {
			if t.Kind == incident.KindIncident {
				f.known[t.ID] = t
			} else {
				parents = append(parents, t.Parents...)
			}
		}
	}
	slices.Sort(parents)
	parents = slices.DeleteFunc(slices.Compact(parents), func(id incident.ID) bool { _, known := f.known[id]; return known })
	for part := range slices.Chunk(parents, recomputePage) {
		found, err := f.r.Find(ctx, storage.Query{IDs: part, Scope: f.s.scope})
		if err != nil {
			return err
		}
		for _, t := range found {
			f.known[t.ID] = t
		}
	}
	return nil
}

// newest is a question for the newest tickets. However many have one key, a store reads
// no more of them than it returns, but for what the actor may not see.
func (f *finder) newest(most int) storage.Query {
	return storage.Query{Scope: f.s.scope, Order: []storage.Order{{Column: storage.ByID, Descending: true}}, Limit: most}
}

// around adds to what mentions addresses the tickets that mention networks around them.
// Few tickets do, so that they are asked for together.
func (f *finder) around(ctx context.Context, addresses []netip.Prefix) error {
	within := map[string][]string{} // a network: the addresses in it; all by their keys
	for _, p := range addresses {
		for bits := range p.Bits() {
			network := incident.PrefixKey(netip.PrefixFrom(p.Addr(), bits).Masked())
			within[network] = append(within[network], incident.PrefixKey(p))
		}
	}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(within)), recomputePage) {
		q := f.newest(suggestAround)
		q.Keys = part
		found, err := f.r.Find(ctx, q)
		if err != nil {
			return err
		}
		for _, t := range found {
			for _, o := range t.Observables {
				for _, key := range within[o.Key()] {
					f.mention[key] = append(f.mention[key], t)
				}
			}
		}
	}
	return nil
}

// telling are the observables of a ticket that say most: addresses and networks first,
// then names.
func telling(t incident.Ticket) []incident.Observable {
	list := slices.Clone(t.Observables)
	slices.SortStableFunc(list, func(a, b incident.Observable) int { return rank(a) - rank(b) })
	return cut(list, suggestKeys)
}

// byKeys looks for the same observables: what says most first, each among the newest
// tickets that mention it.
func (g *guess) byKeys(ctx context.Context) error {
	ours := telling(g.about)
	if err := g.learn(ctx, ours); err != nil {
		return err
	}
	g.shared(ours)
	return nil
}

// shared is what an incident, or a child of it, has in common with a ticket.
type shared struct {
	same     []incident.Observable
	overlaps string // an address and a network around it, in a sentence
	address  bool   // an address of the ticket is mentioned, or a network around it
}

// shared gives points for observables that are known to be shared.
func (g *guess) shared(ours []incident.Observable) {
	with := map[incident.ID]*shared{}
	var order []incident.ID // in which they were found
	for _, o := range ours {
		for _, t := range g.mention[o.Key()] {
			ids := t.Parents
			if t.Kind == incident.KindIncident {
				ids = []incident.ID{t.ID}
			}
			if t.ID == g.about.ID {
				continue
			}
			for _, id := range ids {
				if with[id] == nil {
					with[id] = &shared{}
					order = append(order, id)
				}
				with[id].add(o, t)
			}
		}
	}
	for _, id := range order {
		if t, seen := g.known[id]; seen {
			g.sharing(t, with[id])
		}
	}
}

// add notes that a ticket mentions an observable, or what overlaps it.
func (s *shared) add(o incident.Observable, t incident.Ticket) {
	p, networked := o.Network()
	if !networked || slices.ContainsFunc(t.Observables, o.Same) {
		if !slices.ContainsFunc(s.same, o.Same) {
			s.same = append(s.same, o)
		}
		s.address = s.address || networked
		return
	}
	for _, theirs := range t.Observables {
		other, ok := theirs.Network()
		if !ok || !other.Overlaps(p) {
			continue
		}
		inner, outer := o, theirs
		if other.Bits() > p.Bits() {
			inner, outer = theirs, o
		}
		s.address = s.address || other.Bits() <= p.Bits()
		if s.overlaps == "" {
			s.overlaps = fmt.Sprintf("One mentions %s, the other %s around it.", inner.Value, outer.Value)
		}
	}
}

// sharing gives an incident points for what it or its children share.
func (g *guess) sharing(t incident.Ticket, with *shared) {
	var suggestion *Suggestion
	if same := with.same; len(same) > 0 {
		points := pointsForKey
		if rank(same[0]) > 1 && same[0].Kind != incident.Hash {
			points = pointsForMail // a mail address or CVE id stands in many incidents
		}
		var names []string
		for _, o := range cut(same, 3) {
			names = append(names, incident.Clean(o.Value))
		}
		text := fmt.Sprintf("Both mention %s.", strings.Join(names, ", "))
		if len(same) > 3 {
			text = fmt.Sprintf("Both mention %s and %d more.", strings.Join(names, ", "), len(same)-3)
		}
		suggestion = g.give(t, points+pointsForAnother*(len(same)-1), text)
	}
	if with.overlaps != "" {
		suggestion = g.give(t, pointsForNetwork, with.overlaps)
	}
	if suggestion != nil {
		suggestion.Ticked = g.queued && with.address && t.Open()
	}
}
