package desk

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Suggestion is an incident that a ticket may belong to, and why.
type Suggestion struct {
	Row
	Score   int      `json:"score"`          // 1 to 100: how much speaks for it
	Hint    bool     `json:"hint,omitempty"` // it was closed lately: for a person to think of
	Reasons []string `json:"reasons"`        // sentences, what counts most first

	// Offer is the command that brings both together: a link; for an incident, the
	// merge into the older one.
	Offer workflow.Command `json:"-"`
}

// Bounds on what one Suggest looks at, whatever the ticket and the store hold.
const (
	maxSuggestions   = 20
	suggestKeys      = 20  // observables of the ticket: addresses first, then names
	suggestNewest    = 100 // tickets that mention one of them, the newest
	suggestNetworks  = 50  // observables whose networks are looked at
	suggestTags      = 5   // numbers of others
	suggestFound     = 50  // tickets that each question for one of them finds
	suggestRecent    = 200 // open incidents: those updated last for subjects, the newest of the constituency for networks
	suggestHintDays  = 30  // since the last update of a closed incident
	leastSuggestion  = 10  // points
	similarSubject   = 0.5 // of the words of both
	mostOfOneReason  = 60
	pointsForTag     = 60
	pointsForKey     = 40
	pointsForAnother = 5 // observable that both have
	pointsForMail    = 15
	pointsForNetwork = 20
	pointsForSubject = 20
)

// Suggest returns the incidents that a report, or another ticket, may belong to, the
// best first: those that are open, and, as hints behind them, those that were closed
// and have been updated within 30 days. What speaks for one adds up: an observable that
// it or a child of it mentions as well; a number of another team in both; an address
// in the same network (/24, /64) and the same constituency; a subject with the same
// words. Incidents that the ticket belongs to already are left out.
//
// It asks the store some forty questions at most, each for at most 200 tickets, and only
// for what the actor may see: of what many tickets mention, the newest hundred count.
func (s *Session) Suggest(ctx context.Context, id incident.ID) (list []Suggestion, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.ticket(ctx, r, id)
		if err != nil {
			return err
		}
		g := &guess{s: s, r: r, about: t, found: map[incident.ID]*Suggestion{}}
		for _, look := range []func(context.Context) error{g.byTags, g.byKeys, g.byNetworks, g.bySubject} {
			if err := look(ctx); err != nil {
				return err
			}
		}
		list, err = g.best(ctx)
		return err
	})
	return list, err
}

// guess gathers suggestions.
type guess struct {
	s     *Session
	r     storage.Reader
	about incident.Ticket
	found map[incident.ID]*Suggestion
}

// give notes that something speaks for an incident.
func (g *guess) give(t incident.Ticket, points int, reason string) {
	recent := !t.Updated.Before(g.s.desk.now().AddDate(0, 0, -suggestHintDays))
	if t.Kind != incident.KindIncident || t.ID == g.about.ID || g.about.HasParent(t.ID) || t.MergedInto != 0 || !t.Open() && !recent {
		return
	}
	suggestion := g.found[t.ID]
	if suggestion == nil {
		suggestion = &Suggestion{Row: Row{Ticket: t}, Hint: !t.Open()}
		g.found[t.ID] = suggestion
	}
	suggestion.Score += min(points, mostOfOneReason)
	suggestion.Reasons = append(suggestion.Reasons, reason)
}

// ask finds tickets that the actor may see, the latest first.
func (g *guess) ask(ctx context.Context, q storage.Query, words ...string) ([]incident.Ticket, error) {
	q.Scope, q.Order = g.s.scope, []storage.Order{{Column: storage.ByUpdated, Descending: true}}
	q.Limit = cmp.Or(q.Limit, suggestFound)
	if len(words) == 0 {
		return g.r.Find(ctx, q)
	}
	if searcher, ok := g.r.(storage.TextSearcher); ok {
		return searcher.FindText(ctx, words, q)
	}
	return nil, nil
}

// incidents finds incidents for which q holds, and those that have a child for which
// it does; evidence is what was found of each: itself or its children.
func (g *guess) incidents(ctx context.Context, q storage.Query, words ...string) (list []incident.Ticket, evidence map[incident.ID][]incident.Ticket, err error) {
	evidence = map[incident.ID][]incident.Ticket{}
	since := g.s.desk.now().AddDate(0, 0, -suggestHintDays)
	own, closed, child := q, q, q
	own.Kinds, own.Phases = []incident.Kind{incident.KindIncident}, notInactive()
	closed.Kinds, closed.Phases, closed.UpdatedSince = own.Kinds, []incident.Phase{incident.Inactive}, since
	child.Kinds, child.Links = []incident.Kind{incident.KindReport, incident.KindInvestigation, incident.KindBlock}, storage.Linked
	for _, q := range []storage.Query{own, closed} {
		found, err := g.ask(ctx, q, words...)
		if err != nil {
			return nil, nil, err
		}
		for _, t := range found {
			evidence[t.ID] = append(evidence[t.ID], t)
		}
		list = append(list, found...)
	}
	children, err := g.ask(ctx, child, words...)
	if err != nil {
		return nil, nil, err
	}
	var parents []incident.ID
	for _, t := range children {
		for _, id := range t.Parents {
			if t.ID != g.about.ID && len(evidence[id]) == 0 {
				parents = append(parents, id)
			}
			if t.ID != g.about.ID {
				evidence[id] = append(evidence[id], t)
			}
		}
	}
	if len(parents) == 0 {
		return list, evidence, nil
	}
	more, err := g.ask(ctx, storage.Query{IDs: cut(parents, suggestFound)})
	return append(list, more...), evidence, err
}

// byTags looks for the numbers that other teams give: tags in subjects, and numbers
// that were entered.
func (g *guess) byTags(ctx context.Context) error {
	numbers := append(workflow.TrackerTags(g.about.Subject), g.about.ExternalIDs...)
	numbers = slices.DeleteFunc(numbers, func(number string) bool {
		return len(g.s.desk.config.Tag.Find(number)) > 0 || len(storage.Words(number)) == 0
	})
	for _, number := range cut(numbers, suggestTags) {
		has := func(t incident.Ticket) bool {
			return strings.Contains(t.Subject, number) || slices.Contains(t.ExternalIDs, number)
		}
		list, evidence, err := g.incidents(ctx, storage.Query{}, storage.Words(number)...)
		if err != nil {
			return err
		}
		for _, t := range list {
			if slices.ContainsFunc(evidence[t.ID], has) {
				g.give(t, pointsForTag, fmt.Sprintf("Both have the number %s of somebody else.", incident.Clean(number)))
			}
		}
	}
	return nil
}

// byKeys looks for the same observables: what says most first, each among the newest
// tickets that mention it.
func (g *guess) byKeys(ctx context.Context) error {
	ours := slices.Clone(g.about.Observables)
	slices.SortStableFunc(ours, func(a, b incident.Observable) int { return rank(a) - rank(b) })
	tickets, same := map[incident.ID]incident.Ticket{}, map[incident.ID][]incident.Observable{}
	var order []incident.ID // of incidents, in the order in which they were found
	note := func(id incident.ID, o incident.Observable) {
		if len(same[id]) == 0 {
			order = append(order, id)
		}
		if !slices.ContainsFunc(same[id], o.Same) {
			same[id] = append(same[id], o)
		}
	}
	for _, o := range cut(ours, suggestKeys) {
		found, err := g.r.Find(ctx, storage.Query{
			Keys: []string{o.Key()}, Scope: g.s.scope, Order: []storage.Order{{Column: storage.ByID, Descending: true}}, Limit: suggestNewest,
		})
		if err != nil {
			return err
		}
		for _, t := range found {
			if t.Kind == incident.KindIncident {
				tickets[t.ID] = t
				note(t.ID, o)
			} else if t.ID != g.about.ID {
				for _, id := range t.Parents {
					note(id, o)
				}
			}
		}
	}
	missing := slices.DeleteFunc(slices.Clone(order), func(id incident.ID) bool { _, known := tickets[id]; return known })
	for part := range slices.Chunk(missing, recomputePage) {
		found, err := g.r.Find(ctx, storage.Query{IDs: part, Scope: g.s.scope})
		if err != nil {
			return err
		}
		for _, t := range found {
			tickets[t.ID] = t
		}
	}
	for _, id := range order {
		if t, seen := tickets[id]; seen {
			g.mentioning(t, same[id])
		}
	}
	return nil
}

// mentioning gives an incident points for observables that it or its children have.
func (g *guess) mentioning(t incident.Ticket, same []incident.Observable) {
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
	g.give(t, points+pointsForAnother*(len(same)-1), text)
}

// byNetworks looks around the addresses, among the newest open incidents of the same
// constituency.
func (g *guess) byNetworks(ctx context.Context) error {
	var around []netip.Prefix
	for _, o := range cut(g.about.Observables, suggestNetworks) {
		if p, ok := o.Network(); ok {
			bits := widths6[0]
			if p.Addr().Is4() {
				bits = widths4[0]
			}
			around = append(around, netip.PrefixFrom(p.Addr(), min(bits, p.Bits())).Masked())
		}
	}
	if g.about.Constituency == "" || len(around) == 0 {
		return nil
	}
	found, err := g.r.Find(ctx, storage.Query{
		Kinds: []incident.Kind{incident.KindIncident}, Phases: notInactive(), Constituencies: []string{g.about.Constituency}, Scope: g.s.scope,
		Order: []storage.Order{{Column: storage.ByConstituency, Descending: true}}, Limit: suggestRecent,
	})
	if err != nil {
		return err
	}
	for _, t := range found {
		i := slices.IndexFunc(around, func(p netip.Prefix) bool { return storage.Query{Touches: p}.Match(t) })
		if i >= 0 {
			g.give(t, pointsForNetwork, fmt.Sprintf("It is of %s too, and has to do with %s.", g.about.Constituency, around[i]))
		}
	}
	return nil
}

// bySubject compares the subject with those of the open incidents that were updated
// last.
func (g *guess) bySubject(ctx context.Context) error {
	ours := g.s.subjectWords(g.about.Subject)
	if len(ours) < 2 {
		return nil
	}
	found, err := g.ask(ctx, storage.Query{Kinds: []incident.Kind{incident.KindIncident}, Phases: notInactive(), Limit: suggestRecent})
	if err != nil {
		return err
	}
	for _, t := range found {
		theirs := g.s.subjectWords(t.Subject)
		both := 0
		for _, word := range ours {
			if slices.Contains(theirs, word) {
				both++
			}
		}
		if similar := float64(both) / float64(len(ours)+len(theirs)-both); similar >= similarSubject {
			g.give(t, int(pointsForSubject*similar), fmt.Sprintf("Of the words of both subjects, %d of %d are the same.", both, len(ours)+len(theirs)-both))
		}
	}
	return nil
}

// subjectWords are the words of a subject that say something.
func (s *Session) subjectWords(subject string) []string {
	return slices.DeleteFunc(storage.Words(s.desk.config.Tag.Strip(subject)), func(word string) bool {
		return len(word) < 3 || slices.Contains([]string{"fwd", "the", "and", "for", "from"}, word)
	})
}

// best returns what was found.
func (g *guess) best(ctx context.Context) ([]Suggestion, error) {
	list := []Suggestion{}
	for _, suggestion := range g.found {
		if suggestion.Score = min(suggestion.Score, 100); suggestion.Score < leastSuggestion {
			continue
		}
		list = append(list, *suggestion)
	}
	slices.SortFunc(list, func(a, b Suggestion) int {
		if a.Hint != b.Hint {
			if a.Hint {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(b.Score, a.Score), b.Updated.Compare(a.Updated), cmp.Compare(a.ID, b.ID))
	})
	list = cut(list, maxSuggestions)
	now := g.s.desk.now()
	tickets := make([]incident.Ticket, len(list))
	for i := range list {
		tickets[i] = list[i].Ticket
	}
	if err := g.s.sight(g.r).tickets(ctx, tickets); err != nil {
		return nil, err
	}
	for i := range list {
		t := tickets[i]
		var err error
		if list[i].Row, err = rowOf(ctx, g.r, t, now); err != nil {
			return nil, err
		}
		list[i].Offer = workflow.Link{Ticket: g.about.ID, Parent: t.ID}
		if g.about.Kind == incident.KindIncident {
			list[i].Offer = workflow.Merge{Ticket: max(g.about.ID, t.ID), Into: min(g.about.ID, t.ID)}
		}
	}
	return list, nil
}
