package workflow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/workflow"
)

func differences(a, b *workflow.Policy) string {
	var lines []string
	for _, d := range workflow.Diff(a, b) {
		lines = append(lines, d.String())
	}
	return strings.Join(lines, "\n")
}

func TestDiff(t *testing.T) {
	for _, name := range workflow.Presets() {
		require.Empty(t, workflow.Diff(preset(t, name), preset(t, name)), name)
	}
	ours := parsed(t, `base: janet
name: janet
doc: The JANET work-flow; where it is silent, RTIR 4 to 6.
lifecycles:
  report:
    statuses:
      new: {to: [resolved, open]}
      waiting: {phase: active, to: [open, new]}
    priority: 5
cascade: {abandoned: {investigation: null}}
fields:
  Function: null
  Sector: {values: [health, energy: Power and gas.], retired: [health]}
  Classification: {mandatory: false}
mail-trust: {approve: signed}
tags: [Our CSIRT]
max-steps: 9
rules:
  - copy-observables
  - open-linked-report
  - due-after-reply: {urgent: [{priority: 90, days: 1}]}
without: [due-by-clock]
with: {incident-due: {pin: false}}
`)
	want := `- lifecycles > report > statuses > new > to > rejected
~ lifecycles > report > statuses > new > to > order: "open, resolved" -> "resolved, open"
+ lifecycles > report > statuses > waiting: {phase: active, to: open, new}
+ lifecycles > report > priority: 5
- cascade > abandoned > investigation: resolved
- fields > Function: `
	got := differences(workflow.Default(), ours)
	require.Contains(t, got, want)
	for _, line := range []string{
		"- fields > Classification > mandatory: true",
		"+ fields > Sector: {values: health: (retired), energy: Power and gas.}",
		"+ mail-trust: {approve: signed}",
		"+ tags: Our CSIRT",
		"+ max-steps: 9",
		"- rules > foreign-tags",
		"- rules > due-after-reply > urgent > {priority: 70, days: 3}",
		`~ rules > order: "open-linked-report, copy-observables" -> "copy-observables, open-linked-report"`,
		"- derivations > due-by-clock",
		"- derivations > incident-due > pin: true",
	} {
		require.Contains(t, strings.Split(got, "\n"), line)
	}
	require.NotContains(t, got, "days: 7", "what is the same is not told")
	back := differences(ours, workflow.Default())
	require.Equal(t, len(strings.Split(got, "\n")), len(strings.Split(back, "\n")))
	require.Contains(t, back, "+ rules > foreign-tags")
}

// TestDiffOfOwnParameters compares what a program's own rule is given.
func TestDiffOfOwnParameters(t *testing.T) {
	own := workflow.Rule{Name: "ours", On: []string{"moved"}, Then: quiet, Params: odd{}}
	a := parsed(t, "base: airt\nname: x\nwith: {ours: {within: 90m, since: 2026-03-02T09:00:00Z, limit: 7, share: 0.5}}", own)
	b := parsed(t, "base: airt\nname: x\nwith: {ours: {within: 2h, since: 2026-03-03T09:00:00Z, limit: 8, table: {a: {b: true}}}}", own)
	require.Equal(t, `~ rules > ours > within: "1h30m0s" -> "2h0m0s"
- rules > ours > share: 0.5
~ rules > ours > limit: "7" -> "8"
~ rules > ours > since: "2026-03-02T09:00:00Z" -> "2026-03-03T09:00:00Z"
+ rules > ours > table: {a: {b: true}}`, differences(a, b))
}

// ExampleDiff says how a policy differs from the one that it began with.
func ExampleDiff() {
	ours, err := parse("base: airt\nname: airt\ndoc: Statuses, states, types and severities of AIRT.\nwith: {close-children: {active-block: close}}\nwithout: [notify-reply]")
	if err != nil {
		fmt.Println(err)
		return
	}
	airt, _ := workflow.Preset("airt")
	for _, d := range workflow.Diff(airt, ours) {
		fmt.Println(d)
	}
	// Output:
	// ~ rules > close-children > active-block: "warn" -> "close"
	// - rules > notify-reply: {duty: true}
}
