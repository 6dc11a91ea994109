package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/workflow"
)

// document writes a policy document and returns its path.
func (b *bench) document(text string) string {
	b.t.Helper()
	path := filepath.Join(b.t.TempDir(), "ours.yaml")
	require.NoError(b.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestPolicyLint(t *testing.T) {
	b := newBench(t)
	require.Equal(t, "janet: nothing to say about 13 statuses, 14 fields and 24 rules\n", b.ok("policy", "lint", "janet"))
	require.Contains(t, b.ok("policy", "lint", "rtir"), "note: the rules owner-to-children, owner-to-incident wake each other, which ends")
	require.Empty(t, b.ok("policy", "lint", "airt", "--json"))

	warned := b.document("base: janet\nfields: {Sector: {mandatory: true}}\n")
	require.Contains(t, b.ok("policy", "lint", warned), warned+`:2:10: warning: the field "Sector" must be filled in`)

	stuck := b.document("base: janet\nlifecycles: {report: {statuses: {new: {to: [open, stuck, resolved, rejected]}, stuck: {phase: active}}}}\n")
	out, errs, code := b.try(strings.NewReader(""), "policy", "lint", stuck)
	require.Equal(t, exitRefused, code)
	require.Equal(t, stuck+`:2:80: error: a report that is "stuck" can never be closed: let it lead to an inactive status`+"\n", out)
	require.Contains(t, errs, "cannot work: 1 of what is printed are errors")

	broken := b.document("base: janet\ncolour: red\nmax-steps: few\n")
	out, _, code = b.try(strings.NewReader(""), "policy", "lint", broken, "--json")
	require.Equal(t, exitRefused, code)
	var lines []map[string]any
	for line := range strings.Lines(out) {
		var f map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &f))
		lines = append(lines, f)
	}
	require.Len(t, lines, 2)
	require.EqualValues(t, 3, lines[1]["line"])
	require.EqualValues(t, 12, lines[1]["column"])
	require.Equal(t, broken, lines[1]["file"])
	require.Contains(t, b.refused(exitRefused, "policy", "lint", "mars"), `there is no policy "mars": allowed are janet, rtir, airt, and files`)
	require.NoFileExists(t, b.db)
}

func TestPolicyGraphDiffShow(t *testing.T) {
	b := newBench(t)
	require.Contains(t, b.ok("policy", "graph", "janet"), "digraph \"janet\" {\n")
	require.Contains(t, b.ok("policy", "graph", "rtir", "--format", "mermaid"), "stateDiagram-v2")
	require.Contains(t, b.ok("policy", "--format", "svg", "graph", "airt"), "</svg>\n")
	require.Contains(t, b.refused(exitUsage, "policy", "graph", "janet", "--format", "png"), "allowed are dot, mermaid, svg")

	require.Empty(t, b.ok("policy", "diff", "janet", "janet"))
	require.Contains(t, b.ok("policy", "diff", "janet", "rtir"), "- rules > due-on-reply\n")
	require.Contains(t, b.ok("policy", "diff", "janet", "rtir", "--json"), `{"first":"ask-removal","in":"both","second":"close","section":["rules","close-children","active-block"]}`)
	require.Contains(t, b.refused(exitRefused, "policy", "diff", "janet", "mars"), `there is no policy "mars"`)

	shown := b.ok("policy", "show", "airt")
	require.Contains(t, shown, "# The policy airt")
	again := b.document(shown)
	require.Empty(t, b.ok("policy", "diff", "airt", again), "what is shown is the same policy")
	require.Contains(t, b.refused(exitRefused, "policy", "show", "mars"), "allowed are janet, rtir, airt")
	for _, wrong := range [][]string{{"lint"}, {"lint", "janet", "rtir"}, {"diff", "janet"}, {"frobnicate", "janet"}} {
		require.NotEmpty(t, b.refused(exitUsage, append([]string{"policy"}, wrong...)...))
	}
	require.NoFileExists(t, b.db)
}

// TestDeskUnderAPolicy works by another policy: by its name, by a file, from the
// environment, and together with a service agreement.
func TestDeskUnderAPolicy(t *testing.T) {
	b := newBench(t)
	b.env["AIRTIGHT_POLICY"] = "airt"
	b.fed(firstMail, "receive")
	b.ok("take", "1")
	b.ok("move", "1", "stalled")
	require.Contains(t, b.ok("show", "1"), "stalled")
	require.Contains(t, b.refused(exitRefused, "move", "1", "resolved"), `allowed are "open", "closed"`)
	require.Contains(t, b.ok("--policy", "janet", "move", "1", "resolved", "--preview"), "status stalled -> resolved",
		"a flag wins; from a status that janet does not know there is a way to each of its own")

	ours := b.document("base: airt\nlifecycles: {report: {statuses: {stalled: {to: [open, closed, parked]}, parked: {phase: active, to: [open]}}}}\nwithout: [notify-reply]\n")
	b.env["AIRTIGHT_POLICY"] = ours
	b.ok("move", "1", "parked")
	b.terms(b.ok("sla", "example"))
	require.Contains(t, b.ok("show", "1"), "parked")

	b.env["AIRTIGHT_POLICY"] = b.document("base: janet\ncolour: red\nmax-steps: few\n")
	wrong := b.refused(exitRefused, "list")
	require.Contains(t, wrong, `unknown key "colour"`)
	require.Contains(t, wrong, `:3:12: "few" cannot stand here: allowed is a whole number`)
	b.env["AIRTIGHT_POLICY"] = "mars"
	require.Contains(t, b.refused(exitRefused, "list"), `--policy: there is no policy "mars": allowed are janet, rtir, airt, and files`)

	o := defaults(func(string) string { return "" }, "alice")
	o.rules = "rtir"
	require.Equal(t, "--policy rtir", o.again())
	require.Contains(t, workflow.Presets(), "janet")
}
