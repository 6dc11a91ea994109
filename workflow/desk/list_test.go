package desk_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// pages reads a list to its end.
func pages(t *testing.T, list func(*storage.Cursor) (desk.Page, error)) (rows []desk.Row, sizes []int) {
	t.Helper()
	var after *storage.Cursor
	for {
		page, err := list(after)
		require.NoError(t, err)
		rows, sizes = append(rows, page.Rows...), append(sizes, len(page.Rows))
		if page.Next == nil {
			require.Equal(t, page.Total, len(rows))
			return rows, sizes
		}
		after = page.Next
	}
}

func numbers(rows []desk.Row) (ids []incident.ID) {
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

func TestNewUnlinkedInPages(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		open := func(c ...workflow.Command) {
			_, err := w.alice.Do(ctx, c...)
			require.NoError(t, err)
		}
		open(workflow.Open{Kind: incident.KindIncident, Subject: "Compromise", Fields: classified})
		var want []incident.ID
		for i := range 120 {
			open(workflow.Open{Kind: incident.KindReport, Subject: fmt.Sprint(i)})
			want = append(want, incident.ID(i+2))
		}
		open(workflow.Open{Kind: incident.KindReport}, workflow.Link{Ticket: incident.Nth(1), Parent: 1})
		open(workflow.Open{Kind: incident.KindReport}, workflow.Move{Ticket: incident.Nth(1), To: "rejected"})
		held := w.receive("bob@example.org", "[A CSIRT #999]", "").Ticket
		list := func(after *storage.Cursor) (desk.Page, error) { return w.alice.NewUnlinked(ctx, after) }
		rows, sizes := pages(t, list)
		require.Equal(t, []int{50, 50, 21}, sizes)
		require.Equal(t, append(want, held), numbers(rows), "ascending numbers, without the linked and the rejected one")
		for _, r := range rows {
			require.Equal(t, r.ID == held, r.Held != nil)
		}

		// A page does not move because somebody took a ticket of the page before.
		first, err := list(nil)
		require.NoError(t, err)
		w.do(workflow.Move{Ticket: 2, To: "rejected"})
		second, err := list(first.Next)
		require.NoError(t, err)
		require.Equal(t, want[50:100], numbers(second.Rows))
		require.Equal(t, 120, second.Total)
	})
}

func TestDueLists(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		start := w.now
		dated := func(priority, due int, owner incident.Actor) incident.ID {
			inc := w.do(workflow.Open{Kind: incident.KindIncident, Priority: &priority, Subject: "Compromise", Fields: classified}, workflow.Assign{Ticket: incident.Nth(1), To: owner}).Opened[0]
			if due != 0 {
				child := w.child(incident.KindInvestigation, inc)
				w.do(workflow.Edit{Ticket: child, Due: pointer(start.AddDate(0, 0, due))})
			}
			return inc
		}
		late := dated(50, 9, "handler:alice")
		early := dated(50, -1, "handler:alice")
		low := dated(10, 5, "handler:bob")
		high := dated(90, 5, "")
		none := dated(50, 0, "")
		closed := dated(50, 1, "handler:alice")
		w.do(workflow.Move{Ticket: closed, To: "resolved"})

		rows, _ := pages(t, func(after *storage.Cursor) (desk.Page, error) { return w.alice.MostDue(ctx, after) })
		require.Equal(t, []incident.ID{none, early, high, low, late}, numbers(rows))
		for _, r := range rows {
			require.Equal(t, r.ID == early, r.Overdue, "ticket %s", r.ID)
		}
		rows, _ = pages(t, func(after *storage.Cursor) (desk.Page, error) { return w.alice.Mine(ctx, after) })
		require.Equal(t, []incident.ID{early, late}, numbers(rows))
		rows, _ = pages(t, func(after *storage.Cursor) (desk.Page, error) { return w.alice.Unowned(ctx, after) })
		require.Equal(t, []incident.ID{none, high}, numbers(rows))
	})
}

func TestEmptyList(t *testing.T) {
	page, err := newWorld(t).alice.Mine(ctx, nil)
	require.NoError(t, err)
	require.NotNil(t, page.Rows, "JSON shows an empty list")
	require.Nil(t, page.Next)
}
