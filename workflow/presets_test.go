package workflow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// rtirTable is the life of tickets in RTIR 4 to 6: kind, status with ! where it is
// allowed as the first one, phase, where it may go.
const rtirTable = `
report new! initial: open, resolved, rejected
report open! active: resolved, rejected
report resolved! inactive: open
report rejected inactive: open
incident open! active: resolved, abandoned
incident resolved inactive: open
incident abandoned inactive: open
investigation open! active: resolved
investigation resolved! inactive: open
block pending activation! initial: active, removed
block active! active: pending removal, removed
block pending removal active: removed, active
block removed inactive: active
`

const airtTable = `
report new! initial: open, stalled, closed
report open! active: stalled, closed
report stalled! active: open, closed
report closed! inactive: open, stalled
incident open! active: stalled, closed
incident stalled! active: open, closed
incident closed! inactive: open, stalled
investigation open! active: stalled, closed
investigation stalled! active: open, closed
investigation closed! inactive: open, stalled
block pending activation! initial: active, removed
block active! active: pending removal, removed
block pending removal active: removed, active
block removed inactive: active
`

// rtirActions is the menu of RTIR: kind, action, from, to, form.
const rtirActions = `
report | Open It | new | open | reply
report | Resolve | any | resolved | comment
report | Quick Resolve | any | resolved | none
report | Reject | any | rejected | reply
report | Quick Reject | any | rejected | none
report | Re-open | any | open | none
incident | Resolve | open | resolved | comment
incident | Quick Resolve | open | resolved | none
incident | Abandon | open | abandoned | comment
incident | Re-open | any | open | none
investigation | Resolve | any | resolved | comment
investigation | Quick Resolve | any | resolved | none
investigation | Re-open | any | open | none
block | Activate | any | active | comment
block | Pending Removal | any | pending removal | comment
block | Remove | any | removed | comment
block | Quick Remove | any | removed | none
`

func preset(t testing.TB, name string) *workflow.Policy {
	t.Helper()
	p, err := workflow.Preset(name)
	require.NoError(t, err)
	return p
}

func TestTablesOfThePresets(t *testing.T) {
	for name, want := range map[string]string{"janet": rtirTable, "rtir": rtirTable, "airt": airtTable} {
		var table strings.Builder
		for _, kind := range incident.Kinds() {
			for _, s := range preset(t, name).Lifecycles[kind].Statuses {
				first := ""
				if s.First {
					first = "!"
				}
				to := strings.Trim(strings.ReplaceAll(fmt.Sprintf("%q", s.MoveTo), `" "`, ", "), `[]"`)
				fmt.Fprintf(&table, "%s %s%s %s: %s\n", kind, s.Name, first, s.Phase, to)
			}
		}
		require.Equal(t, strings.TrimSpace(want), strings.TrimSpace(table.String()), name)
	}
}

func TestActionsOfThePresets(t *testing.T) {
	for _, name := range []string{"janet", "rtir"} {
		var menu strings.Builder
		for _, kind := range incident.Kinds() {
			for _, a := range preset(t, name).Lifecycles[kind].Actions {
				from := a.From
				if from == "" {
					from = "any"
				}
				fmt.Fprintf(&menu, "%s | %s | %s | %s | %s\n", kind, a.Name, from, a.To, a.Form)
			}
		}
		require.Equal(t, strings.TrimSpace(rtirActions), strings.TrimSpace(menu.String()), name)
	}
}

func TestCascadesOfThePresets(t *testing.T) {
	type ends = map[incident.Kind]incident.Status
	rtir := map[incident.Status]ends{
		"resolved":  {"report": "resolved", "investigation": "resolved", "block": "removed"},
		"abandoned": {"report": "rejected", "investigation": "resolved", "block": "removed"},
	}
	require.Equal(t, rtir, preset(t, "janet").Cascade)
	require.Equal(t, rtir, preset(t, "rtir").Cascade)
	require.Equal(t, map[incident.Status]ends{"closed": {"report": "closed", "investigation": "closed", "block": "removed"}}, preset(t, "airt").Cascade)
}

// TestPresets holds what makes the presets differ.
func TestPresets(t *testing.T) {
	params := func(p *workflow.Policy, rule string) any {
		r, ok := p.Rule(rule)
		require.True(t, ok, "%s: %s", p.Name, rule)
		return r.Params
	}
	for _, name := range workflow.Presets() {
		p := preset(t, name)
		require.Equal(t, name, p.Name)
		require.NotEmpty(t, p.Doc)
		require.Zero(t, p.Version)
		require.NoError(t, p.Validate())
		catalogue := ruleNames(&workflow.Policy{Rules: workflow.Rules()})
		for _, rule := range ruleNames(p) {
			for len(catalogue) > 0 && catalogue[0] != rule {
				catalogue = catalogue[1:]
			}
			require.NotEmpty(t, catalogue, "%s: %s is out of the order of all rules", name, rule)
		}
	}
	janet, rtir, airt := workflow.Default(), preset(t, "rtir"), preset(t, "airt")
	require.Equal(t, "janet", janet.Name)

	for _, field := range []string{"subject", "constituency", "Classification"} {
		f, ok := janet.Field(field)
		require.True(t, ok && f.Mandatory, field)
	}
	require.Equal(t, map[incident.Kind]statuses{"report": {"rejected"}}, janet.Hidden)
	require.Equal(t, workflow.DueAfterReply{Days: 7, Urgent: []workflow.Urgent{{Priority: 70, Days: 3}, {Priority: 90, Days: 1}}}, params(janet, "due-after-reply"))
	require.Equal(t, workflow.CloseChildren{ActiveBlock: workflow.BlockAskRemoval}, params(janet, "close-children"))
	require.Equal(t, workflow.IncidentDue{Pin: true}, janet.Derivations[1].Params)
	for _, rule := range []string{"confirm-block-removal", "constituency-to-children", "owner-to-children", "owner-to-incident"} {
		_, runs := janet.Rule(rule)
		require.False(t, runs, rule)
	}

	require.Equal(t, workflow.IncidentDue{}, rtir.Derivations[1].Params)
	require.Equal(t, workflow.CloseChildren{ActiveBlock: workflow.BlockClose}, params(rtir, "close-children"))
	require.True(t, params(rtir, "reopen-on-reply").(workflow.ReopenOnReply).Inside)
	for _, rule := range []string{"due-on-reply", "due-after-reply", "restart-on-reply", "notify-overdue"} {
		_, runs := rtir.Rule(rule)
		require.False(t, runs, rule)
	}
	for _, f := range rtir.Fields {
		require.False(t, f.Mandatory, f.Name)
	}

	require.Len(t, airt.States, 8)
	severity, _ := airt.Field("severity")
	require.Equal(t, []string{"low", "medium", "high", "critical"}, severity.Choices())
	require.Equal(t, "medium", severity.Default)

	_, err := workflow.Preset("mars")
	require.EqualError(t, err, `workflow: there is no policy "mars": allowed are janet, rtir, airt`)
	_, err = workflow.PresetDocument("mars")
	require.Error(t, err)
	require.Contains(t, string(document(t, "rtir")), "# The policy rtir")
}

// TestCallersOwnPresets changes one result and reads another.
func TestCallersOwnPresets(t *testing.T) {
	one := workflow.Default()
	one.Lifecycles[incident.KindReport].Statuses[0].MoveTo[0] = "changed"
	delete(one.Cascade, "resolved")
	one.Rules[0].Name = "changed"
	require.NoError(t, workflow.Default().Validate())
	require.NotEqual(t, "changed", workflow.Default().Rules[0].Name)
}

// What janet shows as what else a policy may say, it may say; all keys are shown.
func TestJanetShowsEveryKey(t *testing.T) {
	text, err := workflow.PresetDocument("janet")
	require.NoError(t, err)
	_, besides, found := strings.Cut(string(text), "# What a policy may say besides")
	require.True(t, found)
	_, besides, _ = strings.Cut(besides, "rules:\n")
	p := parsed(t, "base: janet\nname: janet\n"+strings.ReplaceAll("\n"+besides, "\n# ", "\n"))
	require.Equal(t, "noc@example.net", p.OperationsCentre.Address)
	p.OperationsCentre = incident.Party{}
	require.Equal(t, workflow.Default().Steps(), p.Steps())
	for _, name := range []string{"owner-to-children", "sort-by-topic"} {
		_, runs := p.Rule(name)
		require.True(t, runs, name)
		_, runs = workflow.Default().Rule(name)
		require.False(t, runs, name)
	}
	for _, key := range []string{"name", "doc", "lifecycles", "cascade", "fields", "states", "hidden", "tags", "mail-trust", "rights", "strict-constituency",
		"operations-centre", "attention", "agreement-kinds", "level-field", "max-steps", "rules", "derivations"} {
		require.Regexp(t, "(?m)^(# )?"+key+":", string(text))
	}
}
