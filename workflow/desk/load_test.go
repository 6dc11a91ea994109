package desk_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// sorted is a policy that sorts spam from everything else.
func sorted(p *workflow.Policy) *workflow.Policy {
	for _, r := range workflow.Rules() {
		if r.Name == "sort-by-topic" {
			params := r.Params.(workflow.SortByTopic)
			params.Topics = []workflow.Topic{{Topic: "spam", Words: []string{"spam"}}}
			r.Params = params
			p.Rules = append(p.Rules, r)
		}
	}
	return p
}

func TestLoad(t *testing.T) {
	_, err := newWorld(t).alice.Load(ctx)
	require.ErrorIs(t, err, desk.ErrNoTopics)

	w := newWorld(t, func(c *desk.Config) { c.Policy = sorted(plain()) }, scoped)
	w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Spam"}, workflow.Open{Kind: incident.KindIncident, Subject: "Other"},
		workflow.Open{Kind: incident.KindReport, Subject: "Spam"}, workflow.Open{Kind: incident.KindReport, Subject: "Other"},
		workflow.Open{Kind: incident.KindReport, Subject: "Linked spam", Parents: []incident.ID{1}},
		workflow.Open{Kind: incident.KindIncident, Subject: "Closed spam"}, workflow.Open{Kind: incident.KindIncident, Subject: "Odd"},
		workflow.Open{Kind: incident.KindInvestigation, Subject: "Spam, not sorted", Parents: []incident.ID{2}})
	w.do(workflow.Release{Ticket: 1}, workflow.Resolve{Ticket: 6}, workflow.Edit{Ticket: 7, Fields: map[string][]string{"Topic": {"odd"}}})
	due := w.now.Add(time.Hour)
	w.do(workflow.Edit{Ticket: 3, Due: &due}, workflow.Edit{Ticket: 8, Due: &due})
	w.now = due
	loads, err := w.alice.Load(ctx)
	require.NoError(t, err)
	require.Equal(t, []desk.Load{
		{Topic: "spam", New: 1, Incidents: 1, Unowned: 1, Overdue: 1},
		{Topic: "everything else", New: 1, Incidents: 1, Overdue: 1}, // the incident, with its investigation
		{Incidents: 1, Overdue: 1},
	}, loads)
	w.now = due.Add(-time.Microsecond)
	loads, err = w.alice.Load(ctx)
	require.NoError(t, err)
	require.Zero(t, loads[0].Overdue+loads[1].Overdue+loads[2].Overdue)
	loads, err = w.desk.As("handler:eve", "incidents").Load(ctx)
	require.NoError(t, err)
	require.Equal(t, desk.Load{Topic: "spam", Incidents: 1, Unowned: 1}, loads[0], "reports are not hers to see")

	// The lists are what the counts say.
	for _, list := range desk.Lists() {
		q := w.alice.Query(list)
		q.Fields = []storage.Field{{Name: "Topic", Value: "spam"}}
		page, err := w.alice.List(ctx, q, nil)
		require.NoError(t, err)
		require.Equal(t, map[desk.List]int{desk.ListNew: 1, desk.ListDue: 1, desk.ListUnowned: 1}[list], page.Total, list)
	}
}

// Whoever set a field is found, however many edits came after.
func TestSetterIsFound(t *testing.T) {
	for _, edits := range []int{0, 3, 4, 40} {
		w := newWorld(t, func(c *desk.Config) { c.Policy = sorted(plain()) })
		w.do(workflow.Open{Kind: incident.KindReport, Subject: "Scan"}, workflow.Open{Kind: incident.KindReport, Subject: "Scan"})
		require.Equal(t, []string{"everything else"}, w.ticket(1).Fields["Topic"])
		w.do(workflow.Edit{Ticket: 1, Fields: map[string][]string{"Topic": {"odd"}}})
		for i := range edits {
			w.do(workflow.Edit{Ticket: 1, Subject: pointer(fmt.Sprint("Scan ", i))}, workflow.Edit{Ticket: 2, Subject: pointer(fmt.Sprint("Scan ", i))})
		}
		w.do(workflow.Edit{Ticket: 1, Subject: pointer("Spam")}, workflow.Edit{Ticket: 2, Subject: pointer("Spam")})
		require.Equal(t, []string{"odd"}, w.ticket(1).Fields["Topic"], "after %d edits", edits)
		require.Equal(t, []string{"spam"}, w.ticket(2).Fields["Topic"], "after %d edits", edits)
	}
}
