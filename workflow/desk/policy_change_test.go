package desk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// A ticket whose status the present policy does not have any more can be moved on.
func TestStatusOfAnEarlierPolicy(t *testing.T) {
	store := memory.New()
	before := newWorldOn(t, store, func(c *desk.Config) {
		janet(c)
		life := c.Policy.Lifecycles[incident.KindReport]
		life.Statuses = append(life.Statuses, workflow.StatusDef{Name: "stalled", Phase: incident.Active, First: true, MoveTo: []incident.Status{"open"}})
		c.Policy.Lifecycles[incident.KindReport] = life
	})
	reports := make([]incident.ID, 3)
	for i := range reports {
		reports[i] = before.do(workflow.Open{Kind: incident.KindReport, Status: "stalled"}).Opened[0]
	}
	w := newWorldOn(t, store, janet)
	actions, err := w.alice.Allowed(ctx, reports[0])
	require.NoError(t, err)
	require.Equal(t, []string{"Resolve", "Quick Resolve", "Reject", "Quick Reject", "Re-open"}, names(actions))
	w.do(workflow.Move{Ticket: reports[0], To: "open"}, workflow.Resolve{Ticket: reports[1]}, workflow.Reject{Ticket: reports[2]})
	w.status("open", reports[0])
	w.status("resolved", reports[1])
	w.status("rejected", reports[2])
	w.verify()
}

func names(actions []workflow.Action) (names []string) {
	for _, a := range actions {
		names = append(names, a.Name)
	}
	return names
}

// What is made from another ticket does not get a value that nobody may choose any
// more, nor two values for what has two names.
func TestFieldsOfAnEarlierPolicy(t *testing.T) {
	store := memory.New()
	with := func(values ...workflow.FieldValue) func(*desk.Config) {
		return func(c *desk.Config) {
			janet(c)
			c.Policy.Fields = append(c.Policy.Fields, workflow.Field{Name: "Sector", Aliases: []string{"Branch"}, Values: values})
		}
	}
	report := newWorldOn(t, store, with(workflow.FieldValue{Value: "energy"})).
		do(workflow.Open{Kind: incident.KindReport, Fields: map[string][]string{"Branch": {"energy"}}}).Opened[0]
	w := newWorldOn(t, store, with(workflow.FieldValue{Value: "energy", Retired: true}, workflow.FieldValue{Value: "power"}))
	require.Equal(t, []string{"energy"}, w.ticket(report).Fields["Sector"])
	inc := w.do(workflow.Open{Kind: incident.KindIncident, From: report, Subject: "Outage", Fields: classified}).Opened[0]
	require.NotContains(t, w.ticket(inc).Fields, "Sector")

	var argument *workflow.ArgumentError
	require.ErrorAs(t, w.refused(workflow.Edit{Ticket: report, Fields: map[string][]string{"Branch": {"power"}, "Sector": {"energy"}}}), &argument)
	require.Equal(t, "Sector", argument.Value)
}

// Blanks are no value: they neither meet what is mandatory nor are kept.
func TestBlankFields(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		janet(c)
		c.Policy.Fields = append(c.Policy.Fields, workflow.Field{Name: "Site", Kinds: []incident.Kind{incident.KindReport}, Mandatory: true})
	})
	var missing *workflow.MissingError
	require.ErrorAs(t, w.refused(workflow.Open{Kind: incident.KindReport, Fields: map[string][]string{"Site": {" ", ""}}}), &missing)
	report := w.do(workflow.Open{Kind: incident.KindReport, Fields: map[string][]string{"Site": {"Borchester", ""}, "Free": {"x"}}}).Opened[0]
	require.Equal(t, []string{"Borchester"}, w.ticket(report).Fields["Site"])
	require.ErrorAs(t, w.refused(workflow.Edit{Ticket: report, Fields: map[string][]string{"Site": {"\t"}}}), &missing)
	w.do(workflow.Edit{Ticket: report, Fields: map[string][]string{"Free": {""}}})
	require.NotContains(t, w.ticket(report).Fields, "Free")
	var argument *workflow.ArgumentError
	require.ErrorAs(t, w.refused(workflow.Edit{Ticket: report, Fields: map[string][]string{" ": {"x"}}}), &argument)
}
