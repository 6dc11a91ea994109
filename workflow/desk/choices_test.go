package desk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// Only the constituencies that somebody may open tickets in are offered (RTIR: only
// queues that the user may use), and every one of them works.
func TestConstituenciesToChooseFrom(t *testing.T) {
	listed := func(c *desk.Config) {
		policy, err := workflow.Preset("rtir")
		require.NoError(t, err)
		policy.Fields = append(policy.Fields, workflow.Field{
			Name: workflow.FieldConstituency, Kinds: []incident.Kind{incident.KindReport, incident.KindIncident},
			Values: []workflow.FieldValue{{Value: "EDUNET"}, {Value: "GOVNET"}, {Value: "RESNET"}, {Value: "OLDNET", Retired: true}},
		})
		c.Policy = policy
	}
	for _, c := range []struct {
		name   string
		change func(*desk.Config)
		groups []string
		kind   incident.Kind
		want   []string
		any    bool
	}{
		{"a handler", listed, nil, incident.KindIncident, []string{"EDUNET", "GOVNET", "RESNET"}, false},
		{"a duty team", listed, []string{"duty-team:edunet"}, incident.KindIncident, []string{"EDUNET"}, false},
		{"two duty teams", listed, []string{"duty-team:RESNET", "DutyTeam:EDUNET"}, incident.KindIncident, []string{"EDUNET", "RESNET"}, false},
		{"a report is passed on", listed, []string{"duty-team:EDUNET"}, incident.KindReport, []string{"EDUNET", "GOVNET", "RESNET"}, false},
		{"a reader", listed, []string{"read-only"}, incident.KindIncident, nil, false},
		{"a handler, where any text will do", janet, nil, incident.KindIncident, nil, true},
		{"a duty team there", janet, []string{"duty-team:RESNET", "duty-team:EDUNET"}, incident.KindIncident, []string{"EDUNET", "RESNET"}, false},
		{"a kind without such a field", listed, []string{"duty-team:EDUNET"}, incident.KindInvestigation, []string{"EDUNET"}, false},
		{"no rights", nil, []string{"whatever"}, incident.KindIncident, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.change != nil {
				w = newWorld(t, c.change)
			}
			session := w.desk.As("handler:eve", c.groups...)
			list, any := session.Who().Constituencies(c.kind)
			require.Equal(t, c.any, any)
			require.ElementsMatch(t, c.want, list)
			for _, name := range append(list, "EDUNET", "GOVNET", "RESNET", "OLDNET") {
				open := workflow.Open{Kind: c.kind, Subject: "x", Constituency: name, Fields: classified}
				if c.kind != incident.KindIncident {
					open.Fields = nil
				}
				_, err := session.Preview(ctx, open)
				offered := any
				for _, choice := range list {
					offered = offered || choice == name
				}
				require.Equal(t, offered, err == nil, "%s: %v", name, err)
			}
		})
	}
}
