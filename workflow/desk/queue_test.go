package desk_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/xirl"
)

// offered are the incidents of suggestions: those that are ticked, other open ones,
// hints; in this order.
func offered(t testing.TB, list []desk.Suggestion) (ticked, open, hints []incident.ID) {
	t.Helper()
	for _, s := range list {
		switch {
		case s.Hint:
			require.False(t, s.Ticked, "a hint is not ticked")
			require.False(t, s.Open())
			hints = append(hints, s.ID)
		case s.Ticked:
			require.True(t, s.Open())
			ticked = append(ticked, s.ID)
			require.Empty(t, open, "what is ticked comes first")
			require.Empty(t, hints, "hints come last")
		default:
			open = append(open, s.ID)
			require.Empty(t, hints, "hints come last")
		}
	}
	return ticked, open, hints
}

// about opens an incident about something.
func (w *world) about(subject string, observables ...string) incident.ID {
	w.t.Helper()
	open := workflow.Open{Kind: incident.KindIncident, Subject: subject}
	for _, value := range observables {
		o, err := incident.ParseObservable(value, incident.RoleUnknown)
		require.NoError(w.t, err)
		open.Observables = append(open.Observables, o)
	}
	return w.do(open).Opened[0]
}

// A report that waits is offered the incidents of its address: open ones ticked, the
// best first, those that ended within two days as hints.
func TestQueueOffers(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		p := feeding()
		for i, status := range p.Lifecycles[incident.KindIncident].Statuses {
			if status.Name == "resolved" {
				p.Lifecycles[incident.KindIncident].Statuses[i].First = true
			}
		}
		w := newWorldUnder(t, store, p, withFormats)
		long, lately, unticked := w.about("Long ago", "192.0.2.7"), w.about("Lately", "192.0.2.7"), w.about("Lately too", "192.0.2.0/24")
		asResolved := w.do(workflow.Open{Kind: incident.KindIncident, Status: "resolved", Subject: "By telephone", Observables: []incident.Observable{observable(t, "192.0.2.7")}}).Opened[0]
		w.do(workflow.Resolve{Ticket: long})
		w.now = w.now.Add(time.Hour)
		w.do(workflow.Resolve{Ticket: lately}, workflow.Resolve{Ticket: unticked})
		w.do(workflow.Comment{Ticket: long, Text: "Its end counts, and not when it was touched last."}, workflow.Comment{Ticket: asResolved, Text: "The same."})

		same, merged := w.about("Same", "192.0.2.7"), w.about("Merged", "192.0.2.7")
		byChild, network := w.about("By a child"), w.about("Network", "192.0.2.0/24")
		elsewhere := w.about("192.0.2.7 scan csv", "198.18.0.1", "www.example.org")
		w.do(workflow.Open{
			Kind: incident.KindInvestigation, Subject: "Child", Parents: []incident.ID{byChild}, Requestors: []incident.Party{{Address: "noc@example.org"}},
			Observables: []incident.Observable{observable(t, "192.0.2.7")},
		})
		w.do(workflow.Merge{Ticket: merged, Into: same})
		w.do(workflow.Comment{Ticket: byChild, Text: "Changed last."})

		w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 1, "scan")+row("203.0.113.1", 2, "scan"))
		var networks bytes.Buffer
		o := observation("X-1", "192.0.2.9")
		o.Endpoints[0].Address, o.Endpoints[0].Network, o.Endpoints[0].Host = netip.Addr{}, netip.MustParsePrefix("192.0.2.0/25"), "www.example.org"
		_, err := xirl.XIRL().Encode(&networks, slices.Values([]incident.Observation{o}))
		require.NoError(t, err)
		w.imports(desk.Import{}, networks.String())

		resolved := w.ticket(long).Resolved
		w.now = resolved.Add(48*time.Hour + time.Second)
		entries := w.queue()
		require.Len(t, entries, 3)
		ticked, open, hints := offered(t, entries[0].Offered)
		require.Equal(t, []incident.ID{byChild, same, network}, ticked)
		require.Empty(t, open)
		require.Equal(t, []incident.ID{lately, unticked}, hints, "no longer ago than the policy says")
		require.Equal(t, workflow.Attach{Ticket: entries[0].ID, Incident: byChild}, entries[0].Offered[0].Offer)
		require.Equal(t, []string{"Both mention 192.0.2.7."}, entries[0].Offered[0].Reasons)
		require.Equal(t, []string{"One mentions 192.0.2.7, the other 192.0.2.0/24 around it."}, entries[0].Offered[2].Reasons)
		require.Empty(t, entries[1].Offered, "nobody knows its address")
		require.Empty(t, entries[0].Siblings, "a network is not the same as an address in it")

		ticked, open, hints = offered(t, entries[2].Offered)
		require.Equal(t, []incident.ID{network}, ticked, "it is about all of the report's network")
		require.Equal(t, []incident.ID{byChild, same}, open, "a network is more than one address in it")
		require.Equal(t, []incident.ID{lately, unticked}, hints)
		require.Len(t, entries[2].Observables, 2, "a name that others have does not count")

		// What Suggest says of one is the same, and more.
		list, err := w.alice.Suggest(ctx, entries[0].ID)
		require.NoError(t, err)
		ticked, open, hints = offered(t, list)
		require.Equal(t, []incident.ID{byChild, same, network}, ticked)
		require.Equal(t, []incident.ID{elsewhere}, open, "for its subject")
		require.Equal(t, []incident.ID{lately, unticked}, hints)
		var document []map[string]any
		require.NoError(t, json.Unmarshal([]byte(asJSON(t, entries[0].Offered)), &document))
		require.Equal(t, true, document[0]["ticked"])
		require.Equal(t, true, document[3]["hint"])
		require.NotContains(t, document[3], "ticked")

		// Reports of people are offered more, and nothing is ticked for them.
		letter := w.receive("bob@example.org", "Trouble", "").Ticket
		list, err = w.alice.Suggest(ctx, letter)
		require.NoError(t, err)
		ticked, open, hints = offered(t, list)
		require.Empty(t, ticked)
		require.Equal(t, []incident.ID{byChild, same, network}, open)
		require.ElementsMatch(t, []incident.ID{asResolved, lately, long, unticked}, hints, "of a month")

		// What was decided is no report of the queue any more.
		w.do(workflow.Attach{Ticket: entries[0].ID, Incident: byChild})
		list, err = w.alice.Suggest(ctx, entries[0].ID)
		require.NoError(t, err)
		ticked, open, _ = offered(t, list)
		require.Empty(t, ticked)
		require.ElementsMatch(t, []incident.ID{same, network, elsewhere}, open)
	})
}

// How long an end counts is the policy's to say.
func TestQueueHintsAsThePolicySays(t *testing.T) {
	p := feeding()
	p.Queue.Hint = time.Hour
	w := newWorldUnder(t, memory.New(), p, withFormats)
	closed := w.about("Closed", "192.0.2.7")
	w.do(workflow.Resolve{Ticket: closed})
	ended := *w.ticket(closed).Resolved
	w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 1, "scan"))
	w.now = ended.Add(time.Hour)
	_, _, hints := offered(t, w.queue()[0].Offered)
	require.Equal(t, []incident.ID{closed}, hints)
	w.now = w.now.Add(time.Microsecond)
	require.Empty(t, w.queue()[0].Offered)
}

// The queue names nothing that the actor may not see: no incident, none by its child,
// no child that would lead to one, no other report.
func TestQueueTellsNothing(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldUnder(t, store, feeding(), withFormats, scoped)
		hidden, shown, childless := w.about("Hidden", "192.0.2.7"), w.about("Shown", "192.0.2.7"), w.about("Its child is hidden")
		w.do(workflow.Merge{Ticket: w.about("Swallowed and hidden", "192.0.2.7"), Into: shown})
		child := workflow.Open{Kind: incident.KindReport, Subject: "Child", Observables: []incident.Observable{observable(t, "192.0.2.7")}}
		child.Parents = []incident.ID{childless}
		w.do(child)
		child.Parents, child.Constituency = []incident.ID{hidden}, "EDUNET"
		w.do(child)
		child.Parents = []incident.ID{hidden, shown}
		w.do(child)
		w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 1, "scan")+row("192.0.2.7", 2, "worm"))
		entries := w.queue()
		ticked, _, _ := offered(t, entries[0].Offered)
		require.ElementsMatch(t, []incident.ID{hidden, shown, childless}, ticked)
		require.Equal(t, []incident.ID{entries[1].ID}, entries[0].Siblings)

		for _, id := range []incident.ID{shown, childless, entries[0].ID} {
			w.do(workflow.Edit{Ticket: id, Constituency: pointer("EDUNET")})
		}
		page, err := w.eve().Queue(ctx, nil)
		require.NoError(t, err)
		require.Len(t, page.Entries, 1)
		list, err := w.eve().Suggest(ctx, entries[0].ID)
		require.NoError(t, err)
		for _, list := range [][]desk.Suggestion{page.Entries[0].Offered, list} {
			ticked, open, hints := offered(t, list)
			require.Equal(t, []incident.ID{shown}, ticked)
			require.Empty(t, append(open, hints...))
			require.Empty(t, list[0].MergedFrom)
		}
		require.Empty(t, page.Entries[0].Siblings)
	})
}

// A page asks for each address once, however many entries have it, and what its
// incidents are.
func TestAPageOfTheQueueAsksLittle(t *testing.T) {
	count := 0
	w := newWorldUnder(t, crooked{memory.New(), func(r storage.Reader) storage.Reader { return asking{r, &count} }}, feeding(), withFormats)
	text := header
	for n, kind := range []string{"scan", "worm", "spam", "ddos"} {
		text += row("192.0.2.7", n, kind) + row("192.0.2.8", n, kind)
	}
	w.imports(desk.Import{Format: "csv"}, text)
	const known = 30
	for range known {
		w.do(workflow.Open{Kind: incident.KindReport, Subject: "Known", Parents: []incident.ID{w.about("Known")}, Observables: []incident.Observable{observable(t, "192.0.2.7")}})
	}
	count = 0
	entries := w.queue()
	require.Len(t, entries, 8)
	require.Len(t, entries[0].Offered, 20)
	page, first, second, around, parents := 1+8, 1+4+known, 1+4, 1, 1+known
	require.Equal(t, page+first+second+around+parents, count)
}
