package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// agreedBench is a bench with the terms of desk sla example, on Friday, 6 March
// 2026, at 16:30.
func agreedBench(t *testing.T) *bench {
	b := newBench(t)
	b.terms(b.ok("sla", "example"))
	b.now = time.Date(2026, 3, 6, 16, 30, 0, 0, time.UTC)
	return b
}

func (b *bench) terms(text string) {
	b.t.Helper()
	b.env["AIRTIGHT_SLA"] = filepath.Join(filepath.Dir(b.db), "terms.json")
	require.NoError(b.t, os.WriteFile(b.env["AIRTIGHT_SLA"], []byte(text), 0o600))
}

func TestSLA(t *testing.T) {
	b := agreedBench(t)
	b.fed(firstMail, "receive")
	require.Contains(t, b.ok("show", "1"), `due 2026-03-09 09:30 UTC, response: 60 business minutes from unanswered (2026-03-06 16:30 UTC) through calendar "office hours" (Europe/London), level standard: no choice fits: the default`)

	b.now = time.Date(2026, 3, 9, 9, 20, 0, 0, time.UTC)
	shown := b.ok("sla", "explain", "1")
	for _, want := range []string{
		"#1 at 2026-03-09 09:20 UTC\n",
		"  level     standard: no choice fits: the default\n",
		"  due       2026-03-09 09:30 UTC\n",
		"  clock     response runs: due 2026-03-09 09:30 UTC, 50m gone, warning 2026-03-09 09:15 UTC\n",
		"            response is due 2026-03-09T09:30:00Z: 60 business minutes from the oldest unanswered message",
		"  idle      keep-in-loop: has not started: it waits for inside\n",
	} {
		require.Contains(t, shown, want)
	}
	var e desk.Promised
	b.decode(&e, "sla", "explain", "1")
	require.Equal(t, []string{"response", "resolve"}, []string{e.Clocks[0].Clock, e.Clocks[1].Clock})
	require.Equal(t, 50*time.Minute, e.Clocks[0].Elapsed)

	b.now = time.Date(2026, 3, 9, 10, 0, 0, 0, time.UTC)
	b.ok("take", "1")
	b.ok("move", "1", "open")
	b.fed("We look into it.\n", "reply", "1")
	require.Contains(t, b.ok("show", "1"), "BREACH: response of level standard was due 2026-03-09 09:30 UTC")
	b.now = b.now.Add(2 * time.Hour)
	require.Contains(t, b.ok("sla", "explain", "1"), `  running   2h since 2026-03-09 10:00 UTC, in business time, calendar "office hours" (Europe/London)`)

	report := b.ok("sla", "report", "--from", "2026-03-01", "--to", "2026-04-01")
	require.Equal(t, `from 2026-03-01 00:00 UTC to 2026-04-01 00:00 UTC
LEVEL     CLOCK     CONSTITUENCY  CLASSIFICATION  MET  MISSED  OF THESE RUNNING  WITHDRAWN  50% WITHIN  90% WITHIN  95% WITHIN
standard  response  -             -               0    1       0                 0          1h30m       1h30m       1h30m
`, report)
	var figures workflow.Compliance
	b.decode(&figures, "sla", "report", "--from", "2026-03-01", "--to", "2026-04-01")
	require.Equal(t, 1, figures.Rows[0].Missed)
	rows, err := csv.NewReader(strings.NewReader(b.ok("sla", "report", "--csv", "--from", "2026-03-01"))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"met", "missed"}, rows[0][6:8])
	require.Equal(t, []string{"2026-03-01T00:00:00Z", "2026-03-09T12:00:00Z", "standard", "response", "", "", "0", "1", "0", "0", "0", "5400", "5400", "5400"}, rows[1])
	require.Equal(t, "no promise was met or missed\n", strings.SplitAfterN(b.ok("sla", "report", "--to", "2026-03-09T09:30:00Z"), "\n", 2)[1])
	require.Contains(t, b.refused(exitRefused, "sla", "report", "--from", "2026-03-02", "--to", "2026-03-01"), "allowed are two times")
}

func TestSLARecompute(t *testing.T) {
	b := agreedBench(t)
	b.fed(firstMail, "receive")
	changed := exampleTerms()
	changed.Levels[0].Clocks[0].Within = sla.Business(120)
	text, err := json.Marshal(changed)
	require.NoError(t, err)
	b.terms(string(text))
	require.Contains(t, b.ok("sla", "explain", "1"), "  stale     the ticket still has the clocks of other terms: desk sla recompute brings them up to date\n")
	require.Contains(t, b.ok("show", "1"), "2026-03-09 09:30 UTC")
	require.Equal(t, "1 tickets changed\n", b.ok("sla", "recompute"))
	require.Equal(t, "0 tickets changed\n", b.ok("sla", "recompute"))
	require.Equal(t, "{\"changed\":0}\n", b.ok("sla", "recompute", "--json"))
	require.Contains(t, b.ok("show", "1"), "due 2026-03-09 10:30 UTC, response: 120 business minutes")
	require.NotContains(t, b.ok("sla", "explain", "1"), "stale")
	delete(b.env, "AIRTIGHT_SLA")
	require.Contains(t, b.ok("sla", "explain", "1"), "  level     none: there is no service agreement\n")
}

func TestSLALists(t *testing.T) {
	b := agreedBench(t)
	b.ok("open", "report", "--subject", "Scan", "--constituency", "hospital", "--text", "Help", "--requestor", "bob@example.org")
	require.Contains(t, b.refused(exitRefused, "edit", "1", "--field", "service level=platinum"), "allowed is one of standard, emergency, reporting duty, none")
	b.ok("edit", "1", "--field", "service level=reporting duty", "--field", "aware=2026-03-06T12:00:00Z")
	var e desk.Promised
	b.decode(&e, "sla", "explain", "1")
	var final incident.Clock
	for _, c := range e.Clocks {
		if c.Clock == "final report" {
			final.Due = c.Due
		}
	}
	require.Equal(t, time.Date(2026, 4, 6, 11, 0, 0, 0, time.UTC), final.Due, "at the same time in London, where summer has come")
}

func TestSLAUsage(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"sla"}, "type desk sla explain ID | report | recompute | example"},
		{[]string{"sla", "explain"}, `"explain" is nothing that desk sla does: allowed are explain ID, report, recompute, example`},
		{[]string{"sla", "explain", "x"}, `"x" is no ticket number`},
		{[]string{"sla", "rewrite"}, `"rewrite" is nothing that desk sla does`},
		{[]string{"sla", "report", "1"}, `"report 1" is nothing that desk sla does`},
		{[]string{"sla", "report", "--from", "now"}, "allowed are 2026-03-02T15:04Z"},
		{[]string{"sla", "report", "--csv", "--json"}, "allowed is one of them"},
	} {
		require.Contains(t, b.refused(exitUsage, test.args...), test.want)
	}
	require.NoFileExists(t, b.db)
}

// A file of terms with a mistake is refused, with what was allowed.
func TestTermsAreRead(t *testing.T) {
	b := newBench(t)
	b.fed(firstMail, "receive")
	for _, test := range []struct{ terms, want string }{
		{``, "it is no JSON"},
		{`{"levels": []} {}`, "there is more behind the end"},
		{`[]`, "it holds no JSON object"},
		{`{"level": []}`, `"level" is not known: allowed are calendars, choose, default, levels, moments, priority`},
		{`{"Levels": []}`, `"Levels" is not known`},
		{`{"levels": [{"name": "x", "clocks": [{"name": "response", "within": {"minutes": 3}}]}]}`,
			`"levels[0].clocks[0].within.minutes" is not known: allowed are businessMinutes, months, realMinutes`},
		{`{"levels": [{"name": "x", "clocks": [{"name": "response", "within": {"realMinutes": "3"}}]}]}`, "allowed is a whole number"},
		{`{"levels": 3}`, "levels cannot be a number: allowed is a list"},
		{`{"levels": [], "default": "gold"}`, `level "gold" (allowed: none)`},
		{`{"levels": [{"name": "x", "clocks": [{"name": "response", "within": {"realMinutes": 3}, "pauseOn": ["stalled"]}]}]}`,
			`stand still in status "stalled": allowed are new, open, resolved, rejected`},
		{`{"levels": []}` + strings.Repeat(" ", maxTerms), "it is too long: allowed are 1048576 bytes"},
	} {
		b.terms(test.terms)
		require.Contains(t, b.refused(exitRefused, "list"), test.want)
	}
	b.env["AIRTIGHT_SLA"] = filepath.Join(t.TempDir(), "nowhere.json")
	require.Contains(t, b.refused(exitRefused, "list"), "allowed is a file as desk sla example prints one")
	require.Contains(t, b.ok("--sla", "", "list"), "new: 1 of 1 tickets", "a flag wins")
}

func TestSpreadsheetCells(t *testing.T) {
	for text, want := range map[string]string{"": "", "campus": "campus", "=1+1": "'=1+1", "@x": "'@x", "a\x1b": "a\uFFFD"} {
		require.Equal(t, want, cell(text))
	}
}

func TestMinutes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 90 * time.Minute: "1h30m", 2 * time.Hour: "2h", 26*time.Hour + 10*time.Second: "26h", 10 * time.Minute: "10m",
	} {
		require.Equal(t, want, workflow.Stretch(d))
	}
}
