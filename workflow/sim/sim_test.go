package sim_test

import (
	"context"
	"database/sql"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/workflow/sim"
	"github.com/airtight-csirt/airtight/xirl"
)

var update = flag.Bool("update", false, "write the traces that come into the scripts")

var ctx = context.Background()

// play runs a script and compares its trace.
func play(t *testing.T, source string) (*sim.Script, *sim.Result, error) {
	t.Helper()
	script, err := sim.Parse([]byte(source))
	require.NoError(t, err)
	result, err := sim.Run(ctx, memory.New(), script, sim.Config{Policy: rtir(t), Desk: withFormats})
	require.NoError(t, err)
	return script, result, script.Compare(result)
}

// sqlite returns an empty store in memory.
func sqlite(t testing.TB) storage.Store {
	db, err := sql.Open("sqlite", sqlstore.SQLiteDSN(":memory:"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := sqlstore.New(ctx, db, sqlstore.Config{Dialect: sqlstore.SQLite})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return store
}

// withFormats lets a desk read what scripts import.
func withFormats(c *desk.Config) { c.Formats = append(xirl.Formats(), xirl.CSV{}.Format()) }

func rtir(t *testing.T) *workflow.Policy {
	p, err := workflow.Preset("rtir")
	require.NoError(t, err)
	return p
}

func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/scripts/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	ids := map[string]string{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			script, result, differs := play(t, string(source))
			require.Empty(t, ids[script.ID], "one id, one script")
			ids[script.ID] = file
			if !*update {
				require.NoError(t, differs)
				require.Equal(t, string(source), string(script.Rewrite(result)), "what comes is what stands there")
				result, err = sim.Run(ctx, sqlite(t), script, sim.Config{Desk: withFormats})
				require.NoError(t, err)
				require.NoError(t, script.Compare(result), "on another store")
				return
			}
			require.NoError(t, os.WriteFile(file, script.Rewrite(result), 0o644))
			require.Empty(t, result.Failed)
		})
	}
}

// The example of the package comment is a script that runs.
func TestPackageComment(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(source), "// # A script\n//\n")
	require.True(t, ok)
	var example strings.Builder
	for line := range strings.Lines(rest) {
		if line == "//\n" {
			example.WriteString("\n")
		} else if line, ok = strings.CutPrefix(line, "//\t"); ok {
			example.WriteString(line)
		} else {
			break
		}
	}
	script, result, differs := play(t, strings.TrimRight(example.String(), "\n")+"\n")
	require.NoError(t, differs)
	require.Len(t, script.Steps, 9)
	require.Len(t, result.Traces, 9)
}

const heading = "# test:1\n# A test\n"

func TestParseReportsEveryMistake(t *testing.T) {
	script, err := sim.Parse([]byte(`# no-id
    | a trace of nothing

alice take $report
alice
alice fly $x
alice open incident subject=a,b due=2026-03-02T09:00Z
alice open incident subject="x" -> 7
alice open report -> report
alice take $report wrong
alice take $report colour=red
alice comment $report text="open
bob:
alice mail from=x
after soon
at noon
list mine
list all
policy late
mail subject=x
mail from=x colour=red re=$nobody
expect $report colour=red
sweep
    text
show $report
    | trace
    text
alice take $report -> taken
alice edit $report priority=high
alice edit $report due=soon
alice "open" incident fields.x.y=z subject.x=y
`))
	require.NotNil(t, script)
	var got []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		var syntax *sim.SyntaxError
		require.ErrorAs(t, e, &syntax)
		got = append(got, e.Error())
	}
	t.Log("\n" + strings.Join(got, "\n"))
	for _, want := range []string{
		`1:1: the first line names a row`,
		`2:1: the second line is the title`,
		`2:5: a trace belongs below a step`,
		`4:12: ticket: no step before this one opens $report`,
		`5:1: a step is somebody's command`,
		`6:7: there is no command "fly": allowed are abandon,`,
		`7:21: subject: takes one value: quote it`,
		`8:33: after -> comes the name of the new ticket`,
		`10:20: "wrong" has no name`,
		`11:20: colour: not known: allowed are ticket`,
		`12:28: a value is a word without blanks and commas, or a text quoted as in Go`,
		`13:1: bob does nothing`,
		`14:7: mail is nobody's to do`,
		`15:7: duration: "soon" is no duration: allowed are 90s, 15m, 2h, 3d`,
		`16:4: time: "noon" is no time: allowed are 2026-03-02T09:00Z`,
		`17:1: whose? Write "alice list mine"`,
		`18:6: list: there is no list "all": allowed are due, mine, new, queue, unowned`,
		`19:1: the policy comes first`,
		`20:1: mail needs from`,
		`21:13: colour: not known: allowed are action, answers`,
		`21:24: re: no step before this one opens $nobody`,
		`22:16: colour: not known: allowed are`,
		`24:1: sweep takes no text`,
		`27:5: only a trace (| ...) or a new step can follow a trace`,
		`28:7: take opens no ticket that could be called taken`,
		`29:20: priority: "high" is no whole number`,
		`30:20: due: "soon" is no time`,
		`31:36: subject.x: subject has nothing inside`,
	} {
		require.Condition(t, func() bool {
			for _, g := range got {
				if strings.HasPrefix(g, want) {
					return true
				}
			}
			return false
		}, want)
	}
	_, err = sim.Parse(make([]byte, 2<<20))
	require.ErrorContains(t, err, "at most")
}

func TestCompareSaysWhere(t *testing.T) {
	const story = heading + `
alice open incident subject="x" -> inc
    | inc v1 opened: open, "x", owner alice, priority 50, by alice
# A comment.
bob take $inc
    | ! somebody has it

    | nothing more
expect $inc status=resolved owner=alice
`
	script, result, err := play(t, story)
	require.ErrorContains(t, err, "line 8: take $inc\n  expected: | ! somebody has it\n  came:     | ! workflow: ticket 1 is already taken")
	require.ErrorContains(t, err, `line 11: expected status "resolved" of inc, not "open"`)
	require.Len(t, result.Failed, 1)

	again, err := sim.Parse(script.Rewrite(result))
	require.NoError(t, err)
	require.ErrorContains(t, again.Compare(result), "expected status")
	require.NotContains(t, again.Compare(result).Error(), "came:", "an update does not hide what a script expects")
	require.Contains(t, string(script.Rewrite(result)), "# A comment.\nbob take $inc\n    | ! workflow: ticket 1")

	_, _, err = play(t, heading+"alice open incident subject=x\n    | #1 too much\n    | and more\n")
	require.ErrorContains(t, err, "line 4: open incident")
	_, _, err = play(t, heading+"alice open incident subject=x\n    | incident #1 v1 opened: open, \"x\", owner alice, priority 50, by alice\n    | and more\n")
	require.ErrorContains(t, err, "line 5: open incident subject=x\n  expected: | and more\n  came:     nothing")
	_, _, err = play(t, heading+"alice open incident subject=x\n\nsweep\n")
	require.ErrorContains(t, err, "line 3: open incident subject=x\n  expected: nothing\n  came:     | incident #1")
}

func TestPolicyByName(t *testing.T) {
	script, err := sim.Parse([]byte(heading + "policy other\n"))
	require.NoError(t, err)
	_, err = sim.Run(ctx, memory.New(), script, sim.Config{})
	require.ErrorContains(t, err, `sim: line 3: workflow: there is no policy "other": allowed are janet`)
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/scripts/*.txt")
	require.NoError(f, err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(source)
	}
	f.Add([]byte(heading + "alice:\n\topen incident \"fields.How Reported\"=`a b`,\"\\x00\" -> x\n\tlink 7 parent=$x\n"))
	f.Add([]byte(heading + "bob reply 7\n\n    a\n\n      b\n  c\n | d\n"))
	f.Fuzz(func(t *testing.T, source []byte) {
		script, err := sim.Parse(source)
		require.NotNil(t, script)
		if err != nil {
			return
		}
		again, err := sim.Parse([]byte(script.String()))
		require.NoError(t, err, "%s", script)
		require.Equal(t, script.String(), again.String())
		require.Len(t, again.Steps, len(script.Steps))
	})
}
