package workflow_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/workflow"
)

// FuzzParsePolicy reads anything: a policy that is valid and can be linted, drawn and
// compared, or a list of mistakes with their places.
func FuzzParsePolicy(f *testing.F) {
	for _, name := range workflow.Presets() {
		text, err := workflow.PresetDocument(name)
		require.NoError(f, err)
		f.Add(string(text))
	}
	for _, seed := range []string{
		"", "base: janet", "base: rtir\nwithout: [foreign-tags]\nwith: {close-children: {active-block: warn}}",
		`{"base": "airt", "fields": {"Severity": {"values": ["low", {"high": "bad"}], "retired": ["low"]}}}`,
		"base: janet\nlifecycles: {report: {statuses: {new: null, block pending: {phase: initial}}}}",
		"a: &a [*a]", "base: janet\nrules:\n- due-after-reply: {urgent: [{priority: 1}, null]}\n- 3\n- {a: b, c: d}",
		"? [a]\n: b", "base: ~\ncascade: {~: {~: ~}}", "base: janet\nhidden: {cm: [block pending]}\ntags: [\"\\u0000\"]", "--- !!set {a}\n...",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parse(text)
		if err != nil {
			require.Nil(t, p)
			var wrong *workflow.DocumentError
			require.True(t, errors.As(err, &wrong), "%v", err)
			require.NotEmpty(t, wrong.Mistakes)
			for _, m := range wrong.Mistakes {
				require.NotEmpty(t, m.What)
				require.NotEmpty(t, m.File)
			}
			return
		}
		require.NoError(t, p.Validate())
		for _, finding := range workflow.Lint(p) {
			require.NotEmpty(t, finding.String())
		}
		for _, format := range workflow.GraphFormats() {
			_, err := workflow.Graph(p, format)
			require.NoError(t, err)
		}
		again, err := parse(text)
		require.NoError(t, err)
		require.Empty(t, workflow.Diff(p, again))
		require.True(t, slices.Equal(workflow.Lint(p), workflow.Lint(again)))
	})
}
