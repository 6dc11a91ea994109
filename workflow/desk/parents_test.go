package desk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// A child with work left that loses its active incident opens the closed one that
// it is left with: by hand, or because the active one was merged into that.
func TestChildIsNotLeftUnderClosedIncidents(t *testing.T) {
	for name, lose := range map[string]func(report, active, closed incident.ID) workflow.Command{
		"unlinked": func(report, active, _ incident.ID) workflow.Command {
			return workflow.Unlink{Ticket: report, Parent: active}
		},
		"merged": func(_, active, closed incident.ID) workflow.Command {
			return workflow.Merge{Ticket: active, Into: closed}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, janet)
			active, closed := w.incident(), w.incident()
			report := w.child(incident.KindReport, active, closed)
			w.do(workflow.Move{Ticket: closed, To: "resolved"})
			w.status("resolved", closed)
			w.status("open", report)
			w.do(lose(report, active, closed))
			w.status("open", report, closed)
			w.verify()
		})
	}
	w := newWorld(t, janet)
	active, other, closed := w.incident(), w.incident(), w.incident()
	report := w.child(incident.KindReport, active, other, closed)
	w.do(workflow.Move{Ticket: closed, To: "resolved"}, workflow.Unlink{Ticket: report, Parent: active})
	w.status("resolved", closed)
	w.do(workflow.Move{Ticket: report, To: "resolved"}, workflow.Unlink{Ticket: report, Parent: other})
	w.status("resolved", closed)
}

// Asking for the removal of a block that two incidents share opens neither of them.
func TestRemovalOpensNoIncident(t *testing.T) {
	w := newWorld(t, janet)
	one, two := w.incident(), w.incident()
	block := w.do(workflow.Open{Kind: incident.KindBlock, Status: "active", Parents: []incident.ID{one, two}, Requestors: []incident.Party{{Address: "noc@example.net"}}}).Opened[0]
	w.do(workflow.Resolve{Ticket: one})
	w.do(workflow.Resolve{Ticket: two})
	w.status("pending removal", block)
	w.status("resolved", one)
	w.status("open", two)
	w.receive("noc@example.net", tagged(block), "")
	w.status("removed", block)
	w.do(workflow.Resolve{Ticket: two})
	w.status("resolved", one, two)
	w.do(workflow.Move{Ticket: block, To: "active"})
	w.status("open", one, two)
	require.Empty(t, w.ticket(one).Fields["Resolution"])
	w.verify()
}
