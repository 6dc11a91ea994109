package desk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// Nothing is made from a ticket that was merged, or mailed on it: the one that took
// it over is named.
func TestMergedTicketsAreLeftAlone(t *testing.T) {
	w := newWorld(t, janet)
	inc := w.incident()
	gone, stays := w.receive("bob@example.org", "Scan", "").Ticket, w.receive("carol@example.org", "The same", "").Ticket
	w.do(workflow.Take{Ticket: gone}, workflow.Take{Ticket: stays}, workflow.Link{Ticket: gone, Parent: inc}, workflow.Merge{Ticket: gone, Into: stays})
	before := w.snapshot()
	for _, c := range []workflow.Command{
		workflow.Open{Kind: incident.KindIncident, From: gone, Fields: classified},
		workflow.Open{Kind: incident.KindReport, From: gone},
		workflow.ReplyAll{Ticket: inc, Children: []incident.ID{gone}, Text: "Hello."},
		workflow.Resolve{Ticket: inc, Children: []incident.ID{gone}, Reply: "Hello."},
	} {
		var argument *workflow.ArgumentError
		require.ErrorAs(t, w.refused(c), &argument, c.Name())
		require.Equal(t, "ticket "+stays.String()+", into which it was merged", argument.Allowed, c.Name())
	}
	require.Equal(t, before, w.snapshot())
}

// A child that both incidents had before they were merged has both again when that
// is undone.
func TestUnmergeOfSharedChildren(t *testing.T) {
	w := newWorld(t, janet)
	one, two := w.incident(), w.incident()
	shared, own := w.child(incident.KindReport, one, two), w.child(incident.KindInvestigation, one)
	w.do(workflow.Merge{Ticket: one, Into: two})
	require.Equal(t, []incident.ID{two}, w.ticket(shared).Parents)
	require.Equal(t, []incident.ID{two}, w.ticket(own).Parents)
	w.do(workflow.Unmerge{Ticket: one})
	require.Equal(t, []incident.ID{one, two}, w.ticket(shared).Parents)
	require.Equal(t, []incident.ID{one}, w.ticket(own).Parents)
	w.verify()
}

// When one of two merged reports leaves, the message of the other one still waits,
// and the ticket is due for it; when both have left, the date stays for a person.
func TestUnmergeLeavesWhatStillWaits(t *testing.T) {
	w := newWorld(t, janet)
	first := w.receive("ann@example.org", "First", "").Ticket
	w.now = *hours(w, 1)
	second, came := w.receive("bob@example.org", "Second", "").Ticket, w.at()
	w.now = *hours(w, 1)
	into := w.receive("carol@example.org", "Third", "").Ticket
	w.do(workflow.Reply{Ticket: into, Text: "Thank you."})
	w.do(workflow.Take{Ticket: first}, workflow.Take{Ticket: second}, workflow.Take{Ticket: into})
	w.do(workflow.Merge{Ticket: first, Into: into})
	w.do(workflow.Merge{Ticket: second, Into: into})
	w.do(workflow.Unmerge{Ticket: first}, workflow.Merge{Ticket: first, Into: into}, workflow.Unmerge{Ticket: first})
	require.Equal(t, came, w.ticket(into).OldestUnanswered)
	w.due(came, into)
	w.do(workflow.Unmerge{Ticket: second})
	require.Nil(t, w.ticket(into).OldestUnanswered)
	w.due(came, into)
	w.verify()

	later := hours(w, 5)
	w.do(workflow.Merge{Ticket: second, Into: into}, workflow.Edit{Ticket: into, Due: later}, workflow.Unmerge{Ticket: second})
	w.due(later, into)
}

// A mail of ours that goes with a delivered report is read as a mail: what quotes it
// quotes no header.
func TestDeliveredMailOfOurs(t *testing.T) {
	w := newWorld(t, janet)
	held := w.receive("bob@example.org", "[A CSIRT #999] Scan", "").Ticket
	to := w.receive("carol@example.org", "Scan", "").Ticket
	w.do(workflow.Reply{Ticket: held, Text: "We look into it."}, workflow.Deliver{Ticket: held, To: to})
	event, _ := w.last(to, "message")
	require.Equal(t, []string{"We sent it on ticket " + held.String() + "."}, event.(incident.Message).Content.Why)
	p := workflow.Default()
	life := p.Lifecycles[incident.KindIncident]
	life.QuoteFirst = false
	p.Lifecycles[incident.KindIncident] = life
	all := newWorldOn(t, w.store, func(c *desk.Config) { c.Policy = p })
	filled, err := all.alice.Prefill(ctx, workflow.Open{Kind: incident.KindIncident, From: to})
	require.NoError(t, err)
	require.Contains(t, filled.Text, "We look into it.")
	require.NotContains(t, filled.Text, "Message-ID:")
}

// A closed incident that takes no child with work left does not get one by a merge.
func TestMergeUnderAPolicyThatRefusesClosedIncidents(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		janet(c)
		life := c.Policy.Lifecycles[incident.KindIncident]
		life.RefuseClosed = true
		c.Policy.Lifecycles[incident.KindIncident] = life
	})
	active, closed := w.incident(), w.incident()
	report, done := w.child(incident.KindReport, active), w.child(incident.KindReport, closed)
	w.do(workflow.Resolve{Ticket: closed})
	for _, c := range []workflow.Command{
		workflow.Link{Ticket: report, Parent: closed}, workflow.Merge{Ticket: active, Into: closed}, workflow.Merge{Ticket: done, Into: report},
	} {
		var refused *workflow.RefusedError
		require.ErrorAs(t, w.refused(c), &refused, c.Name())
		require.Equal(t, "incident "+closed.String()+" is resolved: open it again first", refused.Why)
		require.Equal(t, c.Name(), refused.Command)
	}
	w.do(workflow.Resolve{Ticket: report}, workflow.Merge{Ticket: active, Into: closed})
	require.Equal(t, []incident.ID{closed}, w.ticket(report).Parents)
	w.verify()
}
