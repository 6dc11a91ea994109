package rdap_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/rdap"
)

func corpus(t testing.TB) string {
	t.Helper()
	root := os.Getenv("AIRTIGHT_CORPUS")
	if root == "" {
		t.Skip("AIRTIGHT_CORPUS is not set: no real answers to read")
	}
	return filepath.Join(root, "rdap")
}

// TestCorpus compares the abuse contacts with testdata/reading.tsv.
func TestCorpus(t *testing.T) {
	root := corpus(t)
	reading, err := os.Open("testdata/reading.tsv")
	require.NoError(t, err)
	defer reading.Close()
	rows, right, addresses, hints := 0, 0, 0, 0
	for lines := bufio.NewScanner(reading); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		row := strings.Split(lines.Text(), "\t")
		require.Len(t, row, 3)
		data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(row[0])))
		require.NoError(t, err)
		var document any
		_ = json.Unmarshal(data, &document)
		got, _ := rdap.Parse(data)
		rows++
		want, wantHints := at(t, document, row[1]), at(t, document, row[2])
		ok := len(want) == len(got.Abuse()) && len(wantHints) == len(got.Hints)
		for i := range got.Abuse() {
			ok = ok && want[i] == got.Abuse()[i]
		}
		for i := range got.Hints {
			ok = ok && strings.Contains(wantHints[i], got.Hints[i])
		}
		if !ok {
			t.Errorf("%s: abuse %q, hints %q; the reading says %q and %q", row[0], got.Abuse(), got.Hints, want, wantHints)
			continue
		}
		right++
		addresses += len(want)
		hints += len(wantHints)
	}
	require.Greater(t, rows, 80)
	t.Logf("%d of %d answers read as by hand: %d abuse addresses, %d in remarks", right, rows, addresses, hints)
}

// at returns the strings at JSON pointers.
func at(t testing.TB, document any, pointers string) (list []string) {
	t.Helper()
	if pointers == "-" {
		return nil
	}
	for pointer := range strings.FieldsSeq(pointers) {
		v := document
		for _, step := range strings.Split(pointer, "/")[1:] {
			switch here := v.(type) {
			case map[string]any:
				v = here[step]
			case []any:
				i, err := strconv.Atoi(step)
				require.NoError(t, err)
				v = here[i]
			}
		}
		list = append(list, v.(string))
	}
	return list
}
