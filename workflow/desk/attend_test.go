package desk_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// attention is who works on a ticket now.
func (w *world) attention(id incident.ID) (who []incident.Actor) {
	for _, a := range w.ticket(id).Attending(w.now) {
		who = append(who, a.By)
	}
	return who
}

// Closing and merging end all work on a ticket, by whatever command or rule.
func TestAttentionEnds(t *testing.T) {
	for name, end := range map[string][]workflow.Command{
		"move":              {workflow.Move{Ticket: 3, To: "resolved"}},
		"resolve":           {workflow.Resolve{Ticket: 3}},
		"reject":            {workflow.Reject{Ticket: 3}},
		"merge":             {workflow.Merge{Ticket: 3, Into: 4}},
		"with its incident": {workflow.Resolve{Ticket: 1}},
		"itself":            {workflow.Attend{Ticket: 3, End: true}},
	} {
		w := newWorld(t)
		w.do(workflow.Open{Kind: incident.KindIncident, Subject: "A"}, workflow.Open{Kind: incident.KindIncident, Subject: "B"},
			workflow.Open{Kind: incident.KindReport, Subject: "Scan", Parents: []incident.ID{1}}, workflow.Open{Kind: incident.KindReport, Subject: "Other"})
		w.do(workflow.Attend{Ticket: 3, Minutes: 240})
		require.Equal(t, []incident.Actor{"handler:alice"}, w.attention(3))
		w.do(workflow.Edit{Ticket: 3, Priority: pointer(9)}, workflow.Edit{Ticket: 4, Priority: pointer(9)})
		require.Equal(t, []incident.Actor{"handler:alice"}, w.attention(3))
		w.do(end...)
		require.Empty(t, w.attention(3), name)
		require.Empty(t, w.ticket(3).Attention, name)
		if name != "itself" && name != "merge" {
			w.do(workflow.Reopen{Ticket: 3})
			require.Empty(t, w.attention(3), "%s, and opened again", name)
		}
	}
}

// A form that attends at every key press makes about a record in half of the time.
func TestAttentionIsRenewedSparingly(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) { c.Policy.Attention = workflow.Attention{For: time.Hour, Longest: 2 * time.Hour} })
	w.do(workflow.Open{Kind: incident.KindReport, Subject: "Scan"})
	before, start := len(w.history(1)), w.now
	for w.now.Before(start.Add(8 * time.Hour)) { // do moves the clock by a minute
		w.do(workflow.Attend{Ticket: 1})
		left := w.ticket(1).Attending(w.now)[0].Until.Sub(w.now)
		require.True(t, left >= 29*time.Minute && left <= time.Hour, left)
	}
	require.InDelta(t, 16, len(w.history(1))-before, 1)

	records := len(w.history(1))
	w.do(workflow.Attend{Ticket: 1, Minutes: 1}) // never shorter
	require.Len(t, w.history(1), records)
	for minutes, allowed := range map[int]string{-1: "1 to 120", 121: "1 to 120"} {
		require.ErrorContains(t, w.refused(workflow.Attend{Ticket: 1, Minutes: minutes}), allowed)
	}
	require.ErrorContains(t, w.refused(workflow.Attend{Ticket: 1, Minutes: 5, End: true}), "either")
	_, err := w.desk.As("").Do(ctx, workflow.Attend{Ticket: 1})
	require.ErrorContains(t, err, "nobody cannot work on it")
}

// Attending moves no date but that of the newest record, and wakes nobody.
func TestAttentionMovesNothing(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) { c.Policy = workflow.Default() })
	w.do(workflow.Open{Kind: incident.KindReport, Subject: "Scan", Text: "Help!", Requestors: []incident.Party{{Address: "bob@example.org"}}})
	before := w.ticket(1)
	result := w.do(workflow.Attend{Ticket: 1})
	require.Len(t, result.Records, 1)
	after := w.ticket(1)
	require.NotEmpty(t, after.Attention)
	after.Attention, after.Version, after.Hash, after.Updated = nil, before.Version, before.Hash, before.Updated
	require.Equal(t, before, after)
	require.Equal(t, before.NextAlarm(), after.NextAlarm())
}

func TestAtWork(t *testing.T) {
	w := newWorld(t, scoped)
	w.do(workflow.Open{Kind: incident.KindIncident, Subject: "A"}, workflow.Open{Kind: incident.KindReport, Subject: "Scan", Parents: []incident.ID{1}})
	bob, eve := w.desk.As("handler:bob"), w.desk.As("handler:eve", "incidents")
	_, err := bob.Do(ctx, workflow.Attend{Ticket: 2})
	require.NoError(t, err)
	until := w.ticket(2).Attention[0].Until
	notice := []desk.AtWork{{Ticket: 2, Attention: incident.Attention{By: "handler:bob", Until: until}}}

	preview, err := w.alice.Preview(ctx, workflow.Edit{Ticket: 2, Priority: pointer(5)})
	require.NoError(t, err)
	require.Equal(t, notice, preview.AtWork)
	text, err := json.Marshal(preview.AtWork)
	require.NoError(t, err)
	require.JSONEq(t, `[{"ticket":2,"by":"handler:bob","until":"`+until.Format(time.RFC3339)+`"}]`, string(text))

	require.Equal(t, notice, w.do(workflow.Edit{Ticket: 2, Priority: pointer(5)}, workflow.Comment{Ticket: 2, Text: "Seen."}).AtWork, "told once")
	require.Empty(t, w.do(workflow.Edit{Ticket: 1, Priority: pointer(5)}).AtWork, "another ticket")
	require.Equal(t, notice, w.do(workflow.Attend{Ticket: 2}).AtWork)
	require.Equal(t, notice, w.do(workflow.Attend{Ticket: 2}).AtWork, "without a record too")
	w.do(workflow.Attend{Ticket: 2, End: true})
	result, err := bob.Do(ctx, workflow.Edit{Ticket: 2, Priority: pointer(6)})
	require.NoError(t, err)
	require.Empty(t, result.AtWork, "nobody is told of oneself")

	page, err := w.alice.List(ctx, storage.Query{}, nil)
	require.NoError(t, err)
	require.Empty(t, page.Rows[0].AtWork)
	require.Equal(t, w.ticket(2).Attention, page.Rows[1].AtWork)

	// Closing the incident closes the report, which this actor may not see.
	_, err = eve.Do(ctx, workflow.Attend{Ticket: 2})
	require.ErrorIs(t, err, storage.ErrNotFound)
	preview, err = eve.Preview(ctx, workflow.Resolve{Ticket: 1})
	require.NoError(t, err)
	require.Empty(t, preview.AtWork)
	require.Equal(t, notice, w.do(workflow.Resolve{Ticket: 1}).AtWork, "a rule changes it")

	w.now = until
	w.do(workflow.Reopen{Ticket: 2})
	require.Empty(t, w.do(workflow.Edit{Ticket: 2, Priority: pointer(7)}).AtWork, "its time is over")
}
