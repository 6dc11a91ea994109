package sim_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/sim"
)

// scripts reads all scripts that lie in the tree.
func scripts(t *testing.T) map[string]*sim.Script {
	t.Helper()
	found := map[string]*sim.Script{}
	for _, folder := range []string{"testdata/scripts", filepath.Join(acceptance, "scripts")} {
		files, err := filepath.Glob(filepath.Join(folder, "*.txt"))
		require.NoError(t, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			script, err := sim.Parse(source)
			require.NoError(t, err, file)
			found[filepath.Base(file)] = script
		}
	}
	return found
}

// differs plays a script under its policy changed, and reports whether its trace is
// another one.
func differs(t *testing.T, script *sim.Script, change func(*workflow.Policy)) bool {
	t.Helper()
	changed := func(name string) (*workflow.Policy, error) {
		p, err := policies(name)
		if err == nil {
			change(p)
		}
		return p, err
	}
	result, err := sim.Run(ctx, memory.New(), script, sim.Config{Policies: changed, Desk: withFormats})
	require.NoError(t, err)
	return script.Compare(result) != nil
}

// Every rule and derivation of every preset counts, and what it says of the queue:
// without it the trace of some script under that preset is another one. With -short, it
// is every sixth of them.
func TestEveryRuleOfThePresetsCounts(t *testing.T) {
	all := scripts(t)
	for _, preset := range workflow.Presets() {
		p, err := workflow.Preset(preset)
		require.NoError(t, err)
		of := map[string]*sim.Script{}
		for name, script := range all {
			if script.Policy() == preset {
				require.False(t, differs(t, script, func(*workflow.Policy) {}), "%s plays as it says", name)
				of[name] = script
			}
		}
		checks := 0
		check := func(rule string, change func(*workflow.Policy)) {
			if checks++; testing.Short() && checks%6 != 0 {
				return
			}
			var broken []string
			for name, script := range of {
				if differs(t, script, change) {
					broken = append(broken, name)
				}
			}
			slices.Sort(broken)
			require.NotEmpty(t, broken, "%s: no script notices that %s is off", preset, rule)
			t.Logf("%s without %s: %d of %d scripts differ, %s the first", preset, rule, len(broken), len(of), broken[0])
		}
		for _, r := range p.Rules {
			check(r.Name, func(p *workflow.Policy) {
				p.Rules = slices.DeleteFunc(p.Rules, func(other workflow.Rule) bool { return other.Name == r.Name })
			})
		}
		check("queue/state", func(p *workflow.Policy) { p.Queue.State = "" })
		check("queue/reset", func(p *workflow.Policy) { p.Queue.Reset = false })
		for _, d := range p.Derivations {
			if d.Name == "due-by-clock" {
				continue // the presets promise nothing: workflow/desk tests it under an agreement
			}
			check(d.Name, func(p *workflow.Policy) {
				p.Derivations = slices.DeleteFunc(p.Derivations, func(other workflow.Derivation) bool { return other.Name == d.Name })
			})
		}
	}
}
