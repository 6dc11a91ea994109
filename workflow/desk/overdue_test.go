package desk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// Whoever was told of a message is not told again that the incident is overdue for it;
// another owner of the incident is.
func TestOverdueForAMessageIsToldOnce(t *testing.T) {
	w := newWorld(t, janet)
	inc := w.incident()
	report := w.receive("bob@example.org", "Scan", "").Ticket
	w.do(workflow.Take{Ticket: report}, workflow.Link{Ticket: report, Parent: inc})
	reply := func() int {
		w.do(workflow.Reply{Ticket: report, Text: "Thank you."})
		w.receive("bob@example.org", tagged(report), "")
		before := w.count(inc, "notified")
		w.now = *hours(w, 1)
		w.sweep()
		return w.count(inc, "notified") - before
	}
	require.Zero(t, reply())
	require.Contains(t, w.types(inc), "overdue")
	w.do(workflow.Assign{Ticket: inc, To: "handler:carol"})
	require.Equal(t, 1, reply())
	event, _ := w.last(inc, "notified")
	require.Equal(t, incident.Actor("handler:carol"), event.(incident.Notified).To)

	w.do(workflow.Steal{Ticket: inc}, workflow.Reply{Ticket: report, Text: "Thank you."}, workflow.Edit{Ticket: inc, Due: hours(w, 2)})
	before := w.count(inc, "notified")
	w.now = *hours(w, 3)
	w.sweep()
	require.Equal(t, before+1, w.count(inc, "notified"), "a date by hand is no message")
}
