package desk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// A refusal names the command that was given, and not another one by which it is
// decided.
func TestARefusalNamesTheCommandGiven(t *testing.T) {
	p := workflow.Default()
	incidents := p.Lifecycles[incident.KindIncident]
	incidents.RefuseClosed = true
	p.Lifecycles[incident.KindIncident] = incidents
	w := newWorldUnder(t, memory.New(), p, withFormats)
	w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 1, "scan")+row("192.0.2.7", 2, "worm"))
	report, other := w.queue()[0].ID, w.queue()[1].ID
	held := w.receive("bob@example.org", "[A CSIRT #4711]", "").Ticket
	closed := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "x", Constituency: "campus", Fields: classified}).Opened[0]
	w.do(workflow.Resolve{Ticket: closed})
	for _, c := range []struct {
		command workflow.Command
		want    string
	}{
		{workflow.Accept{Ticket: report}, "workflow: accept: an incident must have Classification"},
		{workflow.Accept{Ticket: report, Fields: map[string][]string{"Classification": {"Rumour"}}}, `workflow: accept: Classification "Rumour" is not possible`},
		{workflow.Accept{Ticket: report, Priority: pointer(101), Fields: classified}, "workflow: accept: priority"},
		{workflow.Attach{Ticket: report, Incident: closed}, "workflow: attach on ticket " + report.String() + " is refused: incident"},
		{workflow.Attach{Ticket: report, Incident: other}, "workflow: attach: parent"},
		{workflow.Deliver{Ticket: held, To: closed}, "workflow: deliver on ticket " + held.String() + " is refused: incident"},
		{workflow.Resolve{Ticket: report, Resolution: "magic"}, `workflow: resolve: field "Resolution"`},
	} {
		_, err := w.alice.Do(ctx, workflow.Take{Ticket: c.command.Target()}, c.command)
		require.ErrorContains(t, err, c.want)
	}
}
