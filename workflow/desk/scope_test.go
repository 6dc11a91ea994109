package desk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// scoped gives everybody every right: on everything, or by a group on a constituency
// or on incidents only.
func scoped(c *desk.Config) {
	policy := *c.Policy
	policy.Rights = workflow.Rights{Default: "all", Roles: []workflow.Role{
		{Name: "all", May: []workflow.Permission{{}}},
		{Name: "incidents", May: []workflow.Permission{{Kinds: []incident.Kind{incident.KindIncident}}}},
		{Name: "opens", May: []workflow.Permission{{Commands: []string{"open", "comment"}}}},
	}}
	c.Policy = &policy
}

// eve works for EDUNET, with more groups if there are any.
func (w *world) eve(groups ...string) *desk.Session {
	return w.desk.As("handler:eve", append([]string{"all:EDUNET"}, groups...)...)
}

func TestInvisibleTicketsDoNotExist(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store, scoped)
		hidden, inc := w.child(incident.KindReport), w.incident()
		held := w.receive("bob@example.org", "[A CSIRT #999]", "").Ticket
		w.do(workflow.Edit{Ticket: held, Constituency: pointer("EDUNET")})
		shown := w.do(workflow.Open{Kind: incident.KindReport, Constituency: "EDUNET"}).Opened[0]
		eve := w.eve()

		for _, id := range []incident.ID{hidden, 4711, incident.Desk} {
			commands := []workflow.Command{
				workflow.Take{Ticket: id}, workflow.Release{Ticket: id}, workflow.Assign{Ticket: id}, workflow.Move{Ticket: id, To: "open"},
				workflow.Reopen{Ticket: id}, workflow.Link{Ticket: id, Parent: inc}, workflow.Unlink{Ticket: id, Parent: inc},
				workflow.Comment{Ticket: id, Text: "x"}, workflow.Edit{Ticket: id}, workflow.Reply{Ticket: id, Text: "x"},
				workflow.Deliver{Ticket: id, As: incident.Accepted},
				workflow.Link{Ticket: shown, Parent: id}, workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{id}},
			}
			if id != incident.Desk { // there it means "nowhere"
				commands = append(commands, workflow.Deliver{Ticket: held, To: id})
			}
			before := w.snapshot()
			for _, c := range commands {
				for verb, run := range map[string]func() error{
					"do":      func() error { _, err := eve.Do(ctx, c); return err },
					"preview": func() error { _, err := eve.Preview(ctx, c); return err },
				} {
					err := run()
					var none *workflow.NoTicketError
					require.ErrorAs(t, err, &none, "%s %s", verb, c.Name())
					require.ErrorIs(t, err, storage.ErrNotFound, "%s %s", verb, c.Name())
					require.Equal(t, id, none.Ticket)
				}
			}
			require.Equal(t, before, w.snapshot())
			if id == incident.Desk {
				continue
			}
			_, err := eve.Ticket(ctx, id)
			require.ErrorIs(t, err, storage.ErrNotFound)
			_, err = eve.History(ctx, id)
			require.ErrorIs(t, err, storage.ErrNotFound)
			_, err = eve.Outgoing(ctx, id)
			require.ErrorIs(t, err, storage.ErrNotFound)
			_, err = eve.Body(ctx, id, 1)
			require.ErrorIs(t, err, storage.ErrNotFound)
		}
		found, err := eve.Find(ctx, storage.Query{Scope: &storage.Scope{Grants: []storage.Grant{{}}}})
		require.NoError(t, err)
		require.Len(t, found, 2, "a query cannot widen what the actor may see")
		page, err := eve.NewUnlinked(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, 2, page.Total)
		page, err = eve.MostDue(ctx, nil)
		require.NoError(t, err)
		require.Empty(t, page.Rows)

		_, err = w.eve("all").Ticket(ctx, hidden)
		require.NoError(t, err, "groups count")
	})
}

// Rules go on where the actor may not look, and do not tell.
func TestRulesWorkBeyondWhatTheActorSees(t *testing.T) {
	w := newWorld(t, scoped)
	inc := w.incident()
	report := w.do(workflow.Open{Kind: incident.KindReport, Constituency: "EDUNET", Parents: []incident.ID{inc}}).Opened[0]
	w.do(workflow.Move{Ticket: inc, To: "resolved"})
	eve := w.eve()

	for _, run := range []func() (*desk.Result, error){
		func() (*desk.Result, error) {
			return eve.Preview(ctx, workflow.Move{Ticket: report, To: "open"}, workflow.Edit{Ticket: report, Due: hours(w, 1)})
		},
		func() (*desk.Result, error) {
			return eve.Do(ctx, workflow.Move{Ticket: report, To: "open"}, workflow.Edit{Ticket: report, Due: hours(w, 1)})
		},
	} {
		result, err := run()
		require.NoError(t, err)
		require.Len(t, result.Tickets, 1, "the incident is not shown")
		require.Len(t, result.Records, 2)
		for _, r := range result.Records {
			require.Equal(t, report, r.Ticket)
		}
	}
	w.verify()
	w.status("open", inc)
	w.due(hours(w, 1), inc)
}

// What somebody opens or gives away belongs to the answer.
func TestResultsShowWhatWasNamed(t *testing.T) {
	w := newWorld(t, scoped)
	eve := w.eve("opens")
	result, err := eve.Do(ctx, workflow.Open{Kind: incident.KindIncident, Subject: "Compromise", Fields: classified}, workflow.Comment{Ticket: incident.Nth(1), Text: "mine"})
	require.NoError(t, err, "tickets that the same Do has opened are visible to it")
	require.Len(t, result.Tickets, 1)
	require.Len(t, result.Records, 2)
	_, err = eve.Ticket(ctx, result.Opened[0])
	require.ErrorIs(t, err, storage.ErrNotFound)

	report := w.do(workflow.Open{Kind: incident.KindReport, Constituency: "EDUNET"}).Opened[0]
	result, err = eve.Do(ctx, workflow.Edit{Ticket: report, Constituency: pointer("GOVNET")})
	require.NoError(t, err)
	require.Len(t, result.Tickets, 1)
}

func pointer[T any](v T) *T { return &v }

// A command mails and offers only what its actor may see.
func TestNothingIsMailedOrOfferedUnseen(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		janet(c)
		scoped(c)
	})
	people := func(address string) []incident.Party { return []incident.Party{{Address: address}} }
	inc := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Worm", Constituency: "EDUNET", Fields: classified, Contacts: people("site@example.org")}).Opened[0]
	hidden := w.do(workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{inc}, Requestors: people("hidden@example.org")}).Opened[0]
	eve := w.eve()
	for _, c := range []workflow.Command{workflow.ReplyAll{Ticket: inc, Text: "Hello."}, workflow.Resolve{Ticket: inc, Reply: "Hello."}} {
		var refused *workflow.RefusedError
		_, err := eve.Do(ctx, c)
		require.ErrorAs(t, err, &refused, "no child can be replied to: there is none")
	}
	w.do(workflow.Open{Kind: incident.KindReport, Constituency: "EDUNET", Parents: []incident.ID{inc}, Requestors: people("shown@example.org")})
	_, err := eve.Do(ctx, workflow.ReplyAll{Ticket: inc, Text: "Hello."})
	require.NoError(t, err)
	require.Len(t, w.outgoing(), 1)
	require.Equal(t, "shown@example.org", w.outgoing()[0].To)
	require.Zero(t, w.ticket(hidden).LastInside)

	secret := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Secret", Fields: classified, Contacts: people("secret@example.org")}).Opened[0]
	block := w.do(workflow.Open{
		Kind: incident.KindBlock, Status: "active", Constituency: "EDUNET", Parents: []incident.ID{inc, secret}, Requestors: people("noc@example.net"),
	}).Opened[0]
	result, err := eve.Do(ctx, workflow.Move{Ticket: block, To: "pending removal"})
	require.NoError(t, err)
	require.Len(t, result.Offers, 1, "the contacts of the other incident are none of hers")
	require.Equal(t, []incident.ID{inc}, result.Offers[0].(workflow.Open).Parents)
}
