package workflow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func quiet(*workflow.Policy, workflow.Change, workflow.Facts, any) workflow.Verdict {
	return workflow.Verdict{}
}

func findings(p *workflow.Policy) string {
	var b strings.Builder
	for _, f := range workflow.Lint(p) {
		fmt.Fprintln(&b, f)
	}
	return b.String()
}

// TestPresetsAreClean allows notes only, and none that is not listed here.
func TestPresetsAreClean(t *testing.T) {
	require.Empty(t, findings(workflow.Default()))
	require.Empty(t, findings(preset(t, "airt")))
	list := workflow.Lint(preset(t, "rtir"))
	require.Len(t, list, 1)
	require.Equal(t, workflow.SeverityNote, list[0].Severity)
	require.Equal(t, "rules/owner-to-children", list[0].Section)
	lines := strings.Split(string(document(t, "rtir")), "\n")
	require.Contains(t, lines[list[0].Place.Line-1], "owner-to-children", "the line is that of the rule")
	require.Contains(t, list[0].What, "giving a ticket to whoever owns it makes no event")
}

// TestLint changes the preset janet by a document and looks for what Lint says.
func TestLint(t *testing.T) {
	own := []workflow.Rule{
		{Name: "blind", Then: quiet, Gives: []string{}},
		{Name: "deaf", On: []string{"exploded"}, Then: quiet, Gives: []string{}},
		{Name: "narcissus", On: []string{"edited"}, Then: quiet, Gives: []string{"edit"}},
		{Name: "cat", On: []string{"moved"}, Then: quiet, Gives: []string{"assign"}},
		{Name: "mouse", On: []string{"owned"}, Then: quiet, Gives: []string{"move"}},
		{Name: "undertaker", On: []string{"moved"}, Then: quiet},
		{Name: "picky", On: []string{"commented"}, Then: quiet, Gives: []string{}, Params: odd{Field: "Mood", Only: "asleep"}},
	}
	for _, c := range []struct{ name, document, want string }{
		{"unreachable", "lifecycles: {report: {statuses: {lost: {phase: active, to: [resolved]}}}}",
			`ours.yaml:2:34: error: no report can become "lost": let a status that can be reached lead to it`},
		{"dead end", "lifecycles: {incident: {statuses: {open: {to: [resolved, abandoned, stuck]}, stuck: {phase: active}}}}",
			`error: an incident that is "stuck" can never be closed: let it lead to an inactive status`},
		{"final", "lifecycles: {investigation: {statuses: {resolved: {to: []}}, actions: []}}",
			`note: "resolved" is final: nothing opens such an investigation again: nothing, if that is meant`},
		{"idle action", "lifecycles: {investigation: {actions: [{name: Stall, from: resolved, to: resolved, form: none}]}}",
			`warning: the action "Stall" of investigation is never offered: nothing leads from "resolved" to "resolved"`},
		{"idle on-reject", "lifecycles: {report: {statuses: {new: {to: [open, resolved]}, open: {to: [resolved]}}, actions: []}}",
			`warning: no report that is open can go to "rejected", which is its on-reject`},
		{"gap in the cascade", "cascade: {abandoned: {block: null}}",
			`warning: an incident that becomes "abandoned" leaves its children of the kind block open: name a status for them`},
		{"nothing to choose", "fields: {Sector: {mandatory: true, values: [a, b], retired: [a, b]}}",
			`error: the field "Sector" must be filled in, and every value of it is retired`},
		{"all retired", "fields: {Sector: {values: [a, b], retired: [a, b]}}", `warning: every value of the field "Sector" is retired`},
		{"mandatory without values", "fields: {Sector: {mandatory: true}}",
			`warning: the field "Sector" must be filled in, and has no values to choose from`},
		{"unknown field", "with: {resolution: {field: Outcome}}",
			`ours.yaml:2:21: error: the rule "resolution" works on the field "Outcome", which does not exist: describe the field, or name one of subject, constituency`},
		{"field of another kind", "with: {resolution: {field: Port, values: null}}", `error: the rule "resolution" works on the field "Port", which an incident does not have`},
		{"no time", "with: {block-expiry: {field: Port}}", `error: the rule "block-expiry" works on the field "Port", whose values need not be times: say time: true`},
		{"unknown status", "with: {reopen-on-reply: {except: [asleep]}}", `error: the rule "reopen-on-reply" names a status "asleep" that nothing has`},
		{"own parameters", "with: {picky: {}}", `error: the rule "picky" works on the field "Mood"`},
		{"own parameters 2", "with: {picky: {}}", `error: the rule "picky" names a status "asleep" that nothing has`},
		{"no event", "with: {blind: {}}", `warning: the rule "blind" can never fire: no event wakes it`},
		{"unknown event", "with: {deaf: {}}", `error: the rule "deaf" waits for the event "exploded", which does not exist: allowed are opened, moved`},
		{"itself", "with: {narcissus: {}}", `warning: the rule narcissus may wake itself without end`},
		{"each other", "with: {cat: {}, mouse: {}}", `ours.yaml:2:8: warning: the rules cat, mouse may chase each other without end`},
		{"in the dark", "with: {undertaker: {}}", `note: which commands the rule "undertaker" gives is not known`},
		{"owners", "with: {owner-to-children: {}, owner-to-incident: {}}", `note: the rules owner-to-children, owner-to-incident wake each other, which ends`},

		{"never 1", "with: {copy-observables: {kinds: [incident]}}", `"copy-observables" can never fire: its kinds name no kind of child`},
		{"never 2", "with: {reopen-on-reply: {except: [resolved, rejected, removed]}}", `"reopen-on-reply" can never fire: no status of its kinds that it may change can be left`},
		{"never 3", "without: [due-on-reply]\nwith: {due-after-reply: {days: 0, urgent: []}}", `"due-after-reply" can never fire: it sets no date`},
		{"never 4", "with: {notify-reply: {kinds: [incident]}}", `"notify-reply" can never fire: incidents have no correspondents`},
		{"never 5", "with: {notify-linked: {kinds: [report]}}", `"notify-linked" can never fire: it tells of reports that are linked to incidents`},
		{"never 6", "lifecycles: {report: {statuses: {new: {phase: active}}}}", `"open-linked-report" can never fire: no initial status of reports leads to an active one`},
		{"never 7", "lifecycles: {incident: {statuses: {resolved: {to: []}, abandoned: {to: []}}, actions: []}}", `"reopen-parents" can never fire: no inactive status of incidents leads to an active one`},
		{"never 8", "lifecycles: {incident: {refuse-closed: true}}", `"reopen-linked-incident" can never fire: incidents that are closed take no child`},
		{"never 9", "lifecycles: {block: {on-removal: null, statuses: {pending activation: {phase: active}}}}\nwith: {close-children: {active-block: warn}}", `"approve-block" can never fire: no status of blocks waits for approval`},
		{"never 10", "lifecycles: {block: {on-removal: null}}\nwith: {close-children: {active-block: warn}}", `"request-block-removal" can never fire: blocks have no on-removal`},
		{"never 11", "cascade: null", `"close-children" can never fire: the cascade is empty`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := parsed(t, "base: janet\n"+c.document, own...)
			got := findings(p)
			require.Contains(t, got, c.want)
			require.NotContains(t, findings(workflow.Default()), c.want)
		})
	}
}

// TestLintOfBrokenPolicies gives what Validate refuses as errors, without a place
// where there is none.
func TestLintOfBrokenPolicies(t *testing.T) {
	p := &workflow.Policy{
		Lifecycles: map[incident.Kind]workflow.Lifecycle{incident.KindReport: {OnCreate: "new", Statuses: []workflow.StatusDef{{Name: "new", First: true}}}},
		Fields:     []workflow.Field{{Name: "Sector", Default: "old", Values: []workflow.FieldValue{{Value: "old", Retired: true}, {Value: "fresh"}}}},
		Hidden:     map[incident.Kind][]incident.Status{incident.KindReport: {"gone"}},
	}
	got := findings(p)
	for _, want := range []string{
		`lifecycles: error: the policy has no lifecycle for incident: change it`,
		`lifecycles/report/statuses/new/phase: error: the policy gives status "new" of report the phase "": allowed are initial, active, inactive`,
		`fields/Sector/default: error: the policy gives field "Sector" the default "old": allowed is one of fresh`,
		`hidden/report/gone: error: the policy hides "gone", which is no status of report: allowed are new`,
		`lifecycles/report/statuses/new: error: a report that is "new" can never be closed`,
	} {
		require.Contains(t, got, want)
	}
}

// TestUndoing finds a rule that takes in a mail at the end of a ticket, where mail
// opens tickets again.
func TestUndoing(t *testing.T) {
	own := workflow.Rule{Name: "farewell", On: []string{"moved"}, Then: quiet, Gives: []string{"append"}}
	got := findings(parsed(t, "base: rtir\nwith: {farewell: {}}", own))
	require.Contains(t, got, "ours.yaml:2:8: warning: the end of a block wakes farewell, which leads to reopen-on-reply opening it again: take one of them out")
	require.NotContains(t, findings(parsed(t, "base: rtir\nwithout: [reopen-on-reply]\nwith: {farewell: {}}", own)), "leads to reopen-on-reply")
}

// ExampleLint looks at a policy that changes a preset.
func ExampleLint() {
	p, err := parse(`base: janet
lifecycles:
  investigation:
    statuses:
      open: {to: [resolved, waiting]}
      waiting: {phase: active}
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, f := range workflow.Lint(p) {
		fmt.Println(f)
	}
	// Output:
	// ours.yaml:6:7: error: an investigation that is "waiting" can never be closed: let it lead to an inactive status
}
