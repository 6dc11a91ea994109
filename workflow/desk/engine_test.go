package desk_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// with adds rules of the embedding program.
func with(rules ...workflow.Rule) func(*desk.Config) {
	return func(c *desk.Config) {
		c.Policy = plain()
		c.Policy.Rules = append(c.Policy.Rules, rules...)
	}
}

// on makes a rule that answers each event of a type with commands.
func on(name, kind string, commands func(workflow.Change) []workflow.Command) workflow.Rule {
	return workflow.Rule{Name: name, On: []string{kind}, Then: func(_ *workflow.Policy, c workflow.Change, _ workflow.Facts, _ any) workflow.Verdict {
		return workflow.Verdict{Commands: commands(c)}
	}}
}

// Every rule is tested before any acts; then they act in their order, each with
// all that follows from it.
func TestTestedFirstThenDepthFirst(t *testing.T) {
	note := func(text string) func(workflow.Change) []workflow.Command {
		return func(c workflow.Change) []workflow.Command {
			return []workflow.Command{workflow.Comment{Ticket: c.After.ID, Text: text}}
		}
	}
	var seen []incident.Actor
	w := newWorld(t, with(
		on("giver", "moved", func(c workflow.Change) []workflow.Command {
			return []workflow.Command{workflow.Assign{Ticket: c.After.ID, To: "handler:bob"}}
		}),
		on("noter", "owned", note("given")),
		on("last", "moved", func(c workflow.Change) []workflow.Command {
			seen = append(seen, c.After.Owner)
			return note("moved")(c)
		}),
	))
	report := w.child(incident.KindReport)
	w.do(workflow.Move{Ticket: report, To: "open"})
	require.Equal(t, []incident.Actor{"handler:alice"}, seen, "it was tested before the first rule acted")
	require.Equal(t, "opened moved owned commented commented", w.types(report))
	var causes []incident.Cause
	for _, r := range w.history(report) {
		causes = append(causes, r.Cause)
	}
	require.Equal(t, []incident.Cause{
		{}, {}, {Rule: "giver", Ticket: report, Version: 2}, {Rule: "noter", Ticket: report, Version: 3}, {Rule: "last", Ticket: report, Version: 2},
	}, causes)
}

// What the policy refuses to a rule is noted, and names nobody.
func TestRefusedRulesAreNoted(t *testing.T) {
	w := newWorld(t, with(
		on("taker", "commented", func(c workflow.Change) []workflow.Command {
			return []workflow.Command{
				workflow.Take{Ticket: c.After.ID}, workflow.Move{Ticket: c.After.ID, To: "abandoned"}, workflow.Reply{Ticket: c.After.ID, Text: "x"},
			}
		}),
	))
	report := w.do(workflow.Open{Kind: incident.KindReport}, workflow.Assign{Ticket: incident.Nth(1), To: "handler:bob"}).Opened[0]
	w.do(workflow.Comment{Ticket: report, Text: "x"})
	var notes []incident.Event
	for _, r := range w.history(report)[3:] {
		e, err := incident.Decode(r)
		require.NoError(t, err)
		notes = append(notes, e)
		require.Equal(t, incident.Cause{Rule: "taker", Ticket: report, Version: 3}, r.Cause)
	}
	require.Equal(t, []incident.Event{
		incident.Skipped{Rule: "taker", Command: "take", Why: "it has an owner"},
		incident.Skipped{Rule: "taker", Command: "move", Why: `workflow: report 1 cannot move from "new" to "abandoned": allowed are "open", "resolved", "rejected"`},
		incident.Skipped{Rule: "taker", Command: "reply", Why: "it has no requestors: add one by edit"},
	}, notes)
}

// A ticket that a rule opens does not count among those that commands open.
func TestRulesMayOpenTickets(t *testing.T) {
	w := newWorld(t, with(on("opener", "commented", func(c workflow.Change) []workflow.Command {
		return []workflow.Command{workflow.Open{Kind: incident.KindInvestigation, Parents: []incident.ID{c.After.ID}}}
	})))
	result := w.do(
		workflow.Open{Kind: incident.KindIncident, Subject: "Compromise", Fields: classified}, workflow.Comment{Ticket: incident.Nth(1), Text: "x"},
		workflow.Open{Kind: incident.KindReport}, workflow.Take{Ticket: incident.Nth(2)},
	)
	require.Equal(t, []incident.ID{1, 3}, result.Opened)
	require.Equal(t, incident.KindInvestigation, w.ticket(2).Kind)
}

func TestFaultsOfRulesEndTheDo(t *testing.T) {
	careless := func(p *workflow.Policy, c workflow.Change, f workflow.Facts, _ any) workflow.Verdict {
		f.Parents(c.After.ID)
		return workflow.Verdict{}
	}
	asks := func(fact workflow.Fact) func(*workflow.Policy, workflow.Change, any) []workflow.Ask {
		return func(_ *workflow.Policy, c workflow.Change, _ any) []workflow.Ask {
			return []workflow.Ask{{Fact: fact, Ticket: c.After.ID}}
		}
	}
	w := newWorld(t, with(workflow.Rule{Name: "careless", On: []string{"commented"}, Then: careless}))
	report := w.child(incident.KindReport)
	err := w.refused(workflow.Comment{Ticket: report, Text: "x"})
	require.EqualError(t, err, "rule careless: workflow: the fact parents of ticket 1 is used without having been asked for")

	w = newWorld(t, with(workflow.Rule{Name: "dreamer", On: []string{"commented"}, Needs: asks("the future"), Then: careless}))
	report = w.child(incident.KindReport)
	require.ErrorContains(t, w.refused(workflow.Comment{Ticket: report, Text: "x"}), "rule dreamer: desk: there is no fact called the future")

	w = newWorld(t, with(workflow.Rule{Name: "crash", On: []string{"commented"}, Then: func(*workflow.Policy, workflow.Change, workflow.Facts, any) workflow.Verdict { panic("bug") }}))
	report = w.child(incident.KindReport)
	before := w.snapshot()
	require.PanicsWithValue(t, "bug", func() { _, _ = w.alice.Do(ctx, workflow.Comment{Ticket: report, Text: "x"}) })
	require.Equal(t, before, w.snapshot())
	w.do(workflow.Take{Ticket: report}) // and the desk goes on
}

func TestChasingDerivations(t *testing.T) {
	flip := func(name string, clock string) workflow.Derivation {
		return workflow.Derivation{
			Name: name,
			Dirty: func(_ *workflow.Policy, c workflow.Change, _ workflow.Facts) []incident.ID {
				return []incident.ID{c.After.ID}
			},
			Then: func(*workflow.Policy, incident.Ticket, workflow.Facts, workflow.Env, any) []incident.Event {
				return []incident.Event{incident.Custom{Name: clock}}
			},
		}
	}
	w := newWorld(t, func(c *desk.Config) {
		c.Policy = plain()
		c.Policy.Derivations = append(c.Policy.Derivations, flip("there", "a"), flip("back", "b"))
	})
	_, err := w.alice.Do(ctx, workflow.Open{Kind: incident.KindReport})
	var loop *workflow.LoopError
	require.ErrorAs(t, err, &loop)
	require.Equal(t, []string{"due-by-clock", "incident-due", "there", "back"}, loop.Rules)
	require.Less(t, loop.Steps, 10)
	require.Empty(t, w.tickets())
}

// A loop names those rules that lead to it, not those that were done before.
func TestLoopsNameTheirRules(t *testing.T) {
	again := func(c workflow.Change) []workflow.Command {
		return []workflow.Command{workflow.Comment{Ticket: c.After.ID, Text: "again"}}
	}
	giver := func(c workflow.Change) []workflow.Command {
		if c.After.Version > 2 {
			return nil
		}
		return []workflow.Command{workflow.Assign{Ticket: c.After.ID, To: "handler:bob"}}
	}
	w := newWorld(t, with(on("giver", "commented", giver), on("chase", "commented", again)))
	report := w.child(incident.KindReport)
	var loop *workflow.LoopError
	require.ErrorAs(t, w.refused(workflow.Comment{Ticket: report, Text: "x"}), &loop)
	require.Equal(t, []string{"chase"}, loop.Rules)
}

func TestDerivationsRunInOrder(t *testing.T) {
	w := newWorld(t)
	var incidents []incident.ID
	for range 8 {
		incidents = append(incidents, w.incident())
	}
	report := w.child(incident.KindReport, incidents...)
	result := w.do(workflow.Edit{Ticket: report, Due: hours(w, 1)})
	var order []incident.ID
	for _, r := range result.Records[1:] {
		order = append(order, r.Ticket)
	}
	require.Equal(t, incidents, order)
}
