package desk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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

// A report that others were merged into stands for all of them, those too that came by
// way of others: the list sums up, an incident gets what all say, an export tells it.
// When one leaves, it stands for itself again.
func TestGroupedReportsStandForAll(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldUnder(t, store, feeding(workflow.Feed{Name: "csv", Limit: 3}), withFormats)
		w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 5, "scan")+row("192.0.2.7", 9, "scan")+row("192.0.2.7", 1, "worm")+
			row("192.0.2.7", 20, "spam")+row("192.0.2.7", 30, "spam")+row("192.0.2.7", 40, "spam")+row("192.0.2.7", 50, "spam")+row("192.0.2.8", 2, "scan"))
		entries := w.queue()
		require.Len(t, entries, 4)
		scan, worm, spam, other := entries[0].ID, entries[1].ID, entries[2].ID, entries[3]
		w.do(workflow.Group{Ticket: worm, With: []incident.ID{spam}})
		w.do(workflow.Group{Ticket: scan, With: []incident.ID{worm}})

		second := func(n int) *time.Time {
			at := time.Date(2026, 3, 1, 8, 0, n, 0, time.UTC)
			return &at
		}
		entries = w.queue()
		require.Len(t, entries, 2)
		require.Equal(t, incident.Observations{Feed: "csv", Count: 6, First: second(1), Last: second(40), Beyond: true}, *entries[0].Observations)
		require.Equal(t, incident.Observations{Feed: "csv", Count: 2, First: second(5), Last: second(9)}, *entries[0].Ticket.Observations, "the ticket says what it keeps itself")
		require.Equal(t, other, entries[1], "what nothing was merged into is as it was")
		text, err := json.Marshal(entries[0])
		require.NoError(t, err)
		var read desk.Row
		require.NoError(t, json.Unmarshal(text, &read))
		require.Equal(t, 6, read.Observations.Count)

		more := w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 60, "scan")+row("192.0.2.7", 70, "scan"))
		require.Equal(t, incident.Tally{Observations: 2, Kept: 1, Beyond: 1}, more.Tally, "its own observations count for its limit, and no others")
		require.Equal(t, 7, w.queue()[0].Observations.Count)

		told, err := w.alice.Exchange(ctx, scan)
		require.NoError(t, err)
		require.Equal(t, []int{5, 9, 0, 1, 20, 30, 40}, secondsOf(told))

		w.do(workflow.Unmerge{Ticket: worm})
		entries = w.queue()
		require.Len(t, entries, 3)
		require.Equal(t, 3, entries[0].Observations.Count)
		require.Equal(t, 4, entries[1].Observations.Count, "with the one that was merged into it")
		require.Equal(t, second(1), entries[1].Observations.First)
		require.Equal(t, second(40), entries[1].Observations.Last)
		w.verify()
	})
}

func secondsOf(list []incident.Observation) (seconds []int) {
	for _, o := range list {
		seconds = append(seconds, o.Time.Second())
	}
	return seconds
}

// An incident that is made of a report has the systems and numbers of all that was
// merged into it.
func TestAcceptTakesWhatWasGrouped(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(), withFormats)
	var list []incident.Observation
	for i, kind := range []string{"scan", "worm", "spam"} {
		o := observation(fmt.Sprintf("X-%d", i+1), "192.0.2.7")
		o.Kind, o.Endpoints[1].Address = kind, o.Endpoints[1].Address.Next()
		for range i {
			o.Endpoints[1].Address = o.Endpoints[1].Address.Next()
		}
		list = append(list, o)
	}
	w.imports(desk.Import{}, xirlOf(t, list...))
	entries := w.queue()
	require.Len(t, entries, 3)
	w.do(workflow.Group{Ticket: entries[1].ID, With: []incident.ID{entries[2].ID}})
	w.do(workflow.Group{Ticket: entries[0].ID, With: []incident.ID{entries[1].ID}})
	opened := w.do(workflow.Accept{Ticket: entries[0].ID}).Opened
	require.Len(t, opened, 1)
	inc := w.ticket(opened[0])
	require.Equal(t, []string{"X-1", "X-2", "X-3"}, inc.ExternalIDs)
	var targets []string
	for _, o := range inc.Observables {
		if o.Role == incident.RoleTarget {
			targets = append(targets, o.Value)
		}
	}
	slices.Sort(targets)
	require.Equal(t, []string{"198.51.100.2", "198.51.100.3", "198.51.100.4"}, targets)
	told, err := w.alice.Exchange(ctx, inc.ID)
	require.NoError(t, err)
	require.Len(t, told, 3)
	w.verify()
}

// xirlOf is a document of observations.
func xirlOf(t testing.TB, list ...incident.Observation) string {
	t.Helper()
	var document bytes.Buffer
	_, err := xirl.XIRL().Encode(&document, slices.Values(list))
	require.NoError(t, err)
	return document.String()
}

// What is merged after both were linked to an incident is told once, and so is what is
// linked to both incidents of a block.
func TestToldOnce(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(), withFormats)
	w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 1, "scan")+row("192.0.2.7", 2, "worm"))
	entries := w.queue()
	one, two := entries[0].ID, entries[1].ID
	inc := w.do(workflow.Accept{Ticket: one, Fields: classified}).Opened[0]
	w.do(workflow.Attach{Ticket: two, Incident: inc})
	w.do(workflow.Merge{Ticket: two, Into: one})
	told, err := w.alice.Observations(ctx, inc)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, secondsOf(told))

	other := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scans", Fields: classified}, workflow.Link{Ticket: one, Parent: incident.Nth(1)}).Opened[0]
	asked := w.do(workflow.Open{Kind: incident.KindBlock, Parents: []incident.ID{inc, other}, Requestors: []incident.Party{{Address: "bob@example.org"}}}).Opened[0]
	draft, _, err := w.alice.Draft(ctx, asked, desk.Beginning{Plain: true, Attach: []string{"xirl"}})
	require.NoError(t, err)
	require.Equal(t, 2, bytes.Count(draft.Attachments[0].Content, []byte("<incident ")))
}

// What was merged and may not be seen is not counted.
func TestSumsOfWhatIsSeen(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(), withFormats, scoped)
	w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 1, "scan")+row("192.0.2.7", 2, "worm")+row("192.0.2.7", 3, "spam"))
	entries := w.queue()
	scan, worm, spam := entries[0].ID, entries[1].ID, entries[2].ID
	w.do(workflow.Edit{Ticket: scan, Constituency: pointer("EDUNET")}, workflow.Edit{Ticket: worm, Constituency: pointer("EDUNET")},
		workflow.Merge{Ticket: spam, Into: worm}, workflow.Merge{Ticket: worm, Into: scan})
	require.Equal(t, 3, w.queue()[0].Observations.Count)
	page, err := w.eve().Queue(ctx, nil)
	require.NoError(t, err)
	require.Len(t, page.Entries, 1)
	require.Equal(t, 2, page.Entries[0].Observations.Count)
	told, err := w.eve().Observations(ctx, scan)
	require.NoError(t, err)
	require.Len(t, told, 2)
}

// A list looks at a thousand of the tickets that were merged into one, and says that
// there are more.
func TestSumsAreBounded(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(), withFormats)
	const many = 1010
	text := []string{header}
	for i := range many {
		text = append(text, row("192.0.2.7", i, fmt.Sprintf("scan %d", i)))
	}
	w.imports(desk.Import{Format: "csv"}, strings.Join(text, ""))
	all, err := w.alice.Find(ctx, w.alice.Query(desk.ListQueue))
	require.NoError(t, err)
	require.Len(t, all, many)
	var with []incident.ID
	for _, r := range all[1:] {
		with = append(with, r.ID)
	}
	w.do(workflow.Group{Ticket: all[0].ID, With: with})
	found := &foundReader{}
	counted, err := desk.New(crooked{w.store, func(r storage.Reader) storage.Reader { found.Reader = r; return found }}, desk.Config{})
	require.NoError(t, err)
	page, err := counted.As("handler:alice").Queue(ctx, nil)
	require.NoError(t, err)
	require.Len(t, page.Entries, 1)
	require.True(t, page.Entries[0].Observations.Beyond)
	require.Equal(t, 1000, page.Entries[0].Observations.Count)
	require.Equal(t, 1000, found.byNumber)
}

// foundReader counts the tickets that were found by their numbers.
type foundReader struct {
	storage.Reader
	byNumber int
}

func (f *foundReader) Find(ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
	found, err := f.Reader.Find(ctx, q)
	if len(q.IDs) > 0 {
		f.byNumber += len(found)
	}
	return found, err
}
