package sim_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/sim"
)

// acceptance is where the tables and their scripts lie.
const acceptance = "../testdata"

// row is one line of a table of acceptance.
type row struct {
	id, promise, here string
	line              int
}

var (
	scriptCell = regexp.MustCompile("^`scripts/([a-z0-9-]+\\.txt)`")
	testCell   = regexp.MustCompile("^`(Test[A-Za-z0-9_]+|Example[A-Za-z0-9_]+)` in `([a-z/]+)`")
)

// rows reads the tables of a document: lines of three cells behind a heading
// whose first cell is "id".
func rows(t *testing.T, document string) (list []row) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(acceptance, document))
	require.NoError(t, err)
	for i, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|--") || strings.HasPrefix(line, "| id |") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		require.Len(t, cells, 3, "%s:%d: three cells", document, i+1)
		r := row{strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2]), i + 1}
		require.NotEmpty(t, r.id, "%s:%d: an empty cell", document, i+1)
		require.NotEmpty(t, r.promise, "%s:%d: an empty cell", document, i+1)
		require.NotEmpty(t, r.here, "%s:%d: an empty cell", document, i+1)
		list = append(list, r)
	}
	return list
}

// Every row of the tables has its counterpart: a script that carries the row's id
// and plays as it says; a test that exists; or a reason in words. Every script
// belongs to one row.
func TestAcceptance(t *testing.T) {
	played := map[string]bool{}
	for _, document := range []struct {
		name, prefix string
		count        int // rows that there must be
	}{{"rtir-acceptance.md", "rtir:", 50}, {"seed-acceptance.md", "", 60}} {
		list := rows(t, document.name)
		require.GreaterOrEqual(t, len(list), document.count, document.name)
		seen := map[string]bool{}
		var scripts, tests, open, none int
		for _, r := range list {
			where := fmt.Sprintf("%s:%d (%s)", document.name, r.line, r.id)
			require.False(t, seen[r.id], "%s: the id is there twice", where)
			require.True(t, strings.HasPrefix(r.id, document.prefix), where)
			seen[r.id] = true
			switch {
			case scriptCell.MatchString(r.here):
				name := scriptCell.FindStringSubmatch(r.here)[1]
				require.False(t, played[name], "%s: %s belongs to another row", where, name)
				played[name] = true
				scripts++
				t.Run(r.id, func(t *testing.T) { playRow(t, name, r.id) })
			case testCell.MatchString(r.here):
				found := testCell.FindStringSubmatch(r.here)
				require.True(t, hasTest(t, found[2], found[1]), "%s: there is no %s in %s", where, found[1], found[2])
				tests++
			case strings.HasPrefix(r.here, "open: "):
				open++
			case strings.HasPrefix(r.here, "none: "):
				none++
			default:
				require.Fail(t, where+": allowed are `scripts/NAME.txt`, `TestName` in `folder`, open: and what is missing, none: and why")
			}
		}
		t.Logf("%s: %d rows: %d scripts, %d tests, %d open, %d without counterpart", document.name, len(list), scripts, tests, open, none)
	}
	files, err := filepath.Glob(filepath.Join(acceptance, "scripts", "*.txt"))
	require.NoError(t, err)
	for _, file := range files {
		if name := filepath.Base(file); !played[name] {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			id, _, _ := strings.Cut(strings.TrimPrefix(string(text), "# "), "\n")
			require.True(t, strings.HasPrefix(id, "rule:"), "%s belongs to no row, and is not about one rule", file)
			t.Run(id, func(t *testing.T) { playRow(t, name, id) })
		}
	}
}

func playRow(t *testing.T, name, id string) {
	file := filepath.Join(acceptance, "scripts", name)
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	script, err := sim.Parse(source)
	require.NoError(t, err, name)
	require.Equal(t, id, script.ID, "the first line of %s carries the id of the row", name)
	result, err := sim.Run(ctx, memory.New(), script, sim.Config{Policies: policies, Desk: withFormats})
	require.NoError(t, err, name)
	if *update {
		require.NoError(t, os.WriteFile(file, script.Rewrite(result), 0o644))
		require.Empty(t, result.Failed, name)
		return
	}
	require.NoError(t, script.Compare(result), name)
}

// policies gives the presets, and those that lie beside the scripts.
func policies(name string) (*workflow.Policy, error) {
	if slices.Contains(workflow.Presets(), name) {
		return workflow.Preset(name)
	}
	return workflow.ParsePolicy(os.DirFS(filepath.Join(acceptance, "scripts")), name+".yaml")
}

// hasTest reports whether a folder has a test of a name.
func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	require.NoError(t, err)
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		return strings.Contains(string(text), "\nfunc "+name+"(")
	})
}
