package main

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func TestLists(t *testing.T) {
	b := newWork(t)
	require.Equal(t, "new: 1 of 1 tickets, 2026-03-02 09:00 UTC\n"+
		"ID  KIND    STATUS  OWNER   PRIORITY  DUE  UPDATED               REQUESTOR        SUBJECT\n"+
		"#1  report  new     nobody  0         -    2026-03-02 09:00 UTC  bob@example.org  Scan\n", b.ok("list"))
	require.Contains(t, b.ok("list", "mine"), "1 of 1")
	require.Contains(t, b.ok("list", "mine", "--as", "bob"), "0 of 0")
	require.Contains(t, b.ok("list", "unowned"), "0 of 0")
	b.ok("edit", "3", "--due", "2026-03-02T10:00")
	require.NotContains(t, b.ok("list", "due"), "OVERDUE")
	b.now = b.now.Add(time.Hour)
	require.Contains(t, b.ok("list", "due"), "2026-03-02 10:00 UTC OVERDUE")
	require.Contains(t, b.ok("show", "2"), "2026-03-02 10:00 UTC OVERDUE")
	require.Contains(t, b.ok("list", "all"), "3 of 3")
}

func TestListQueries(t *testing.T) {
	b := newWork(t)
	for flags, want := range map[string]string{
		"--kind report":                        "#1",
		"--kind report --kind incident":        "#1 #2",
		"--status OPEN":                        "#2 #3",
		"--owner nobody":                       "#1",
		"--owner alice":                        "#2 #3",
		"--parent 2":                           "#3",
		"--touches 192.0.2.0/24":               "#1",
		"--touches 192.0.2.8":                  "",
		"--mail NOC@example.org":               "#3",
		"--under example.org":                  "",
		"--kind incident --status open":        "#2",
		"--kind block":                         "",
		"all --kind investigation":             "#3",
		"--touches 2001:db8::/32":              "",
		"--kind report --owner alice":          "",
		"--mail bob@example.org --kind RePort": "#1",
	} {
		out := b.ok(append([]string{"list"}, strings.Fields(flags)...)...)
		require.Equal(t, want, strings.Join(regexp.MustCompile(`(?m)^#\d+`).FindAllString(out, -1), " "), flags)
	}
	var page desk.Page
	b.decode(&page, "list", "all")
	require.Len(t, page.Rows, 3)
}

func TestListPages(t *testing.T) {
	b := newBench(t)
	var commands []string
	for i := range 120 {
		commands = append(commands, fmt.Sprintf(`{"command":"open","kind":"incident","subject":"%d","priority":%d,"fields":{"Classification":["Scan"]}}`, i, i%7))
	}
	b.ok("do", "["+strings.Join(commands, ",")+"]")
	b.ok("do", `[{"command":"open","kind":"investigation","parents":[60]},{"command":"edit","ticket":"$1","due":"2026-03-02T10:00:00.000001Z"}]`)
	b.ok("do", `[{"command":"open","kind":"investigation","parents":[7]},{"command":"edit","ticket":"$1","due":"2026-03-01T10:00:00Z"}]`)
	for _, name := range []string{"due", "all"} {
		var seen []string
		pages := 0
		for after := []string(nil); ; pages++ {
			out := b.ok(append([]string{"list", name}, after...)...)
			seen = append(seen, regexp.MustCompile(`(?m)^#\d+`).FindAllString(out, -1)...)
			next := regexp.MustCompile(`--after (\S+)`).FindStringSubmatch(out)
			if next == nil {
				break
			}
			after = []string{"--after", next[1]}
		}
		require.Equal(t, 2, pages, name)
		unique := map[string]bool{}
		for _, id := range seen {
			unique[id] = true
		}
		require.Len(t, unique, len(seen), "no ticket twice")
		if name == "due" {
			require.Len(t, seen, 120)
			require.Equal(t, []string{"#7", "#60"}, seen[118:], "unset first, then the earliest")
		} else {
			require.Len(t, seen, 122)
		}
	}
}

func TestPlace(t *testing.T) {
	due := time.Date(2026, 3, 2, 9, 0, 0, 1000, time.UTC)
	for _, cursor := range []*storage.Cursor{{ID: 7}, {ID: 9, Priority: 50, Due: &due}} {
		got, err := parsePlace(placeOf(cursor))
		require.NoError(t, err)
		require.Equal(t, cursor, got)
		text, err := json.Marshal(cursor)
		require.NoError(t, err)
		got, err = parsePlace(string(text))
		require.NoError(t, err)
		require.Equal(t, cursor, got)
	}
	for _, bad := range []string{"", "{", `{"id":"x"}`, "x", "7,8", "7,8,soon", "7,x,none"} {
		_, err := parsePlace(bad)
		require.Error(t, err, bad)
	}
}

func FuzzPlace(f *testing.F) {
	for _, seed := range []string{"7", "7,50,none", "9,0,2026-03-02T09:00:00.000001Z", "$1,,", "7,8", `{"id":7}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cursor, err := parsePlace(s)
		if err != nil || strings.HasPrefix(s, "{") {
			return
		}
		again, err := parsePlace(placeOf(cursor))
		require.NoError(t, err)
		require.Equal(t, cursor.ID, again.ID)
		require.Equal(t, cursor.Priority, again.Priority)
	})
}
