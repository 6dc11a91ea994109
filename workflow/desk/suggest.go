package desk

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Suggestion is an incident that a ticket may belong to, and why.
type Suggestion struct {
	Row
	Ticked  bool     `json:"ticked,omitempty"` // it is what a report of [ListQueue] is to be added to, unless a person knows better
	Score   int      `json:"score"`            // 1 to 100: how much speaks for it
	Hint    bool     `json:"hint,omitempty"`   // it has ended lately: for a person to think of
	Reasons []string `json:"reasons"`          // sentences, what counts most first

	// Offer is the command that brings both together: a link; for a report of
	// [ListQueue], attach; for an incident, the merge into the older one.
	Offer workflow.Command `json:"-"`
}

// Bounds on what one Suggest looks at, whatever the ticket and the store hold.
const (
	maxSuggestions   = 20
	suggestKeys      = 20  // observables of the ticket: addresses first, then names
	suggestNewest    = 100 // tickets that mention one of them, the newest
	suggestAround    = 500 // tickets that mention a network around one of its addresses
	suggestNetworks  = 50  // observables whose networks are looked at
	suggestTags      = 5   // numbers of others
	suggestFound     = 50  // tickets that each question for one of them finds
	suggestRecent    = 200 // open incidents: those updated last for subjects, the newest of the constituency for networks
	suggestHintDays  = 30  // since an incident has ended
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
// best first: those that are open, and, as hints behind them, those that ended within
// 30 days. What speaks for one adds up: an observable that it or a child of it mentions
// as well; an address or network that overlaps one of those; a number of another team in
// both; an address in the same network (/24, /64) and the same constituency; a subject
// with the same words. Incidents that the ticket belongs to already are left out.
//
// For a report of [ListQueue], open incidents that mention an address of it, or a network
// around one, themselves or by a child, are ticked and come first (AIRT paper 3.1).
// Hints are those that ended within [workflow.Queue.Recent], none of them ticked.
// [Session.Queue] gives what the addresses say for each report of a page.
//
// It asks the store some fifty questions at most, each for at most 500 tickets, and only
// for what the actor may see: of what many tickets mention, the newest hundred count.
func (s *Session) Suggest(ctx context.Context, id incident.ID) (list []Suggestion, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.ticket(ctx, r, id)
		if err != nil {
			return err
		}
		g := s.finder(r).guess(t)
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

// guess gathers suggestions for a ticket.
type guess struct {
	*finder
	about  incident.Ticket
	queued bool      // it is a report of ListQueue
	since  time.Time // what has ended before is not suggested
	found  map[incident.ID]*Suggestion
}

func (f *finder) guess(t incident.Ticket) *guess {
	g := &guess{finder: f, about: t, queued: queued(t), since: f.now.AddDate(0, 0, -suggestHintDays), found: map[incident.ID]*Suggestion{}}
	if g.queued {
		g.since = f.now.Add(-f.s.desk.config.Policy.Queue.Recent())
	}
	return g
}

// give notes that something speaks for an incident; nil: it may not be suggested.
func (g *guess) give(t incident.Ticket, points int, reason string) *Suggestion {
	if t.Kind != incident.KindIncident || t.ID == g.about.ID || g.about.HasParent(t.ID) || t.MergedInto != 0 || !t.Open() && endedAt(t).Before(g.since) {
		return nil
	}
	suggestion := g.found[t.ID]
	if suggestion == nil {
		suggestion = &Suggestion{Row: Row{Ticket: t}, Hint: !t.Open()}
		g.found[t.ID] = suggestion
	}
	suggestion.Score += min(points, mostOfOneReason)
	suggestion.Reasons = append(suggestion.Reasons, reason)
	return suggestion
}

// endedAt is when a ticket that is inactive has become so.
func endedAt(t incident.Ticket) time.Time {
	if t.Resolved != nil {
		return *t.Resolved
	}
	return t.Created // it was opened so
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
	own, closed, child := q, q, q
	own.Kinds, own.Phases = []incident.Kind{incident.KindIncident}, notInactive()
	closed.Kinds, closed.Phases, closed.UpdatedSince = own.Kinds, []incident.Phase{incident.Inactive}, g.since
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
		return cmp.Or(cmp.Compare(a.place(), b.place()), cmp.Compare(b.Score, a.Score), b.Updated.Compare(a.Updated), cmp.Compare(a.ID, b.ID))
	})
	list = cut(list, maxSuggestions)
	tickets := make([]incident.Ticket, len(list))
	for i := range list {
		tickets[i] = list[i].Ticket.Clone() // others may get it too
	}
	if err := g.sight.tickets(ctx, tickets); err != nil {
		return nil, err
	}
	for i := range list {
		t := tickets[i]
		var err error
		if list[i].Row, err = rowOf(ctx, g.r, t, g.now); err != nil {
			return nil, err
		}
		switch {
		case g.queued:
			list[i].Offer = workflow.Attach{Ticket: g.about.ID, Incident: t.ID}
		case g.about.Kind == incident.KindIncident:
			list[i].Offer = workflow.Merge{Ticket: max(g.about.ID, t.ID), Into: min(g.about.ID, t.ID)}
		default:
			list[i].Offer = workflow.Link{Ticket: g.about.ID, Parent: t.ID}
		}
	}
	return list, nil
}

// place is where a suggestion stands: what is ticked first, hints last.
func (s Suggestion) place() int {
	switch {
	case s.Ticked:
		return 0
	case !s.Hint:
		return 1
	}
	return 2
}
