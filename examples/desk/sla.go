package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// agreement is the subcommand sla: its first argument says what to do.
func agreement(c *call, flags *flag.FlagSet) action {
	var from, to *time.Time
	maybe(flags, "from", "of a report: first `time`; default: thirty days before --to", &from, c.parseTime)
	maybe(flags, "to", "of a report: `time` at which it ends; default: now", &to, c.parseTime)
	by := flags.String("by", "Classification", "of a report: `field` to count by")
	table := flags.Bool("csv", false, "of a report: print CSV")
	return func(ctx context.Context, words []string) error {
		if *table && c.json {
			return usage("--csv and --json are two forms: allowed is one of them")
		}
		var do func(context.Context, *workplace) error
		switch what := words[0]; {
		case what == "explain" && len(words) == 2:
			id, err := parseID(words[1])
			if err != nil {
				return err
			}
			do = func(ctx context.Context, w *workplace) error { return c.explain(ctx, w, id) }
		case what == "report" && len(words) == 1:
			until := c.now()
			if to != nil {
				until = *to
			}
			since := until.AddDate(0, 0, -30)
			if from != nil {
				since = *from
			}
			do = func(ctx context.Context, w *workplace) error { return c.compliance(ctx, w, since, until, *by, *table) }
		case what == "recompute" && len(words) == 1:
			do = c.recompute
		case what == "example" && len(words) == 1:
			encoder := json.NewEncoder(c.stdout)
			encoder.SetIndent("", "  ")
			return encoder.Encode(exampleTerms())
		default:
			return usage("%q is nothing that desk sla does: allowed are explain ID, report, recompute, example", strings.Join(words, " "))
		}
		w, err := c.open(ctx, setting{})
		if err != nil {
			return err
		}
		defer w.Close()
		return do(ctx, w)
	}
}

// progress returns a function that tells how far long work has come, nil where
// nobody looks, and one that ends the line.
func (c *call) progress() (report func(done, total int), end func()) {
	if !terminal(c.stderr) {
		return nil, func() {}
	}
	return func(done, total int) { fmt.Fprintf(c.stderr, "\r%d of %d tickets", done, total) }, func() { fmt.Fprintln(c.stderr) }
}

func (c *call) recompute(ctx context.Context, w *workplace) error {
	report, end := c.progress()
	changed, err := w.desk.Recompute(ctx, report)
	end()
	if c.json {
		if failed := c.printJSON(map[string]int{"changed": changed}); err == nil {
			err = failed
		}
	} else {
		fmt.Fprintf(c.stdout, "%d tickets changed\n", changed)
	}
	return err
}

func (c *call) explain(ctx context.Context, w *workplace, id incident.ID) error {
	e, err := w.me.Promise(ctx, id)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(e)
	}
	tell := teller{c.zone}
	fmt.Fprintf(c.stdout, "#%s at %s\n", e.Ticket, tell.when(e.At))
	line := func(name, format string, args ...any) {
		fmt.Fprintf(c.stdout, "  %-9s %s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	line("level", "%s: %s", e.Level, e.Why)
	due := tell.date(e.Due)
	if e.DueBy != "" {
		due += ", " + e.DueBy
	}
	line("due", "%s", due)
	if e.Starts != nil {
		line("starts", "%s, when work may begin", tell.when(*e.Starts))
	}
	if e.Started != nil {
		in := "real time"
		if e.Calendar != "" {
			in = fmt.Sprintf("business time, calendar %q (%s)", e.Calendar, e.Zone)
		}
		line("running", "%s since %s, in %s", workflow.Stretch(e.Running), tell.when(*e.Started), in)
	}
	for _, clock := range e.Clocks {
		line("clock", "%s", clockLine(tell, clock))
		line("", "%s", clock.Sentence)
	}
	for _, idle := range e.Idle {
		line("idle", "%s: %s", idle.Clock, idle.Why)
	}
	for _, problem := range e.Problems {
		line("problem", "%s", problem)
	}
	if e.Stale {
		line("stale", "the ticket still has the clocks of other terms: desk sla recompute brings them up to date")
	}
	return nil
}

func clockLine(tell teller, c desk.ClockState) string {
	state := "stopped"
	if c.Runs {
		state = "runs"
	}
	line := fmt.Sprintf("%s %s: due %s, %s gone", c.Clock, state, tell.when(c.Due), workflow.Stretch(c.Elapsed))
	if !c.Warn.IsZero() && c.Runs {
		line += ", warning " + tell.when(c.Warn)
	}
	for _, alarm := range []struct {
		recorded bool
		name     string
	}{{c.Warned, "warned"}, {c.Breached, "breached"}} {
		if alarm.recorded {
			line += ", " + alarm.name
		}
	}
	return line
}

func (c *call) compliance(ctx context.Context, w *workplace, from, to time.Time, by string, table bool) error {
	report, end := c.progress()
	found, err := w.desk.Compliance(ctx, from, to, by, report)
	end()
	switch {
	case err != nil:
		return err
	case c.json:
		return c.printJSON(found)
	case table:
		return c.complianceCSV(found)
	}
	tell := teller{c.zone}
	fmt.Fprintf(c.stdout, "from %s to %s\n", tell.when(found.From), tell.when(found.To))
	if len(found.Rows) == 0 {
		fmt.Fprintln(c.stdout, "no promise was met or missed")
		return nil
	}
	out := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(out, "LEVEL\tCLOCK\tCONSTITUENCY\tCLASSIFICATION\tMET\tMISSED\tOF THESE RUNNING\tWITHDRAWN")
	for _, p := range workflow.Percentiles() {
		fmt.Fprintf(out, "\t%d%% WITHIN", p)
	}
	fmt.Fprintln(out)
	for _, row := range found.Rows {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d", printable(row.Level), printable(row.Clock), named(row.Constituency), named(row.Classification),
			row.Met, row.Missed, row.Running, row.Withdrawn)
		for i := range workflow.Percentiles() {
			fmt.Fprintf(out, "\t%s", percentile(row, i, workflow.Stretch))
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}

func named(s string) string {
	if s == "" {
		return "-"
	}
	return printable(s)
}

func percentile(row workflow.ComplianceRow, i int, text func(time.Duration) string) string {
	if i >= len(row.Percentiles) {
		return "-"
	}
	return text(row.Percentiles[i])
}

// complianceCSV prints a table with a line of names. Times are whole seconds.
func (c *call) complianceCSV(found *workflow.Compliance) error {
	out := csv.NewWriter(c.stdout)
	header := []string{"from", "to", "level", "clock", "constituency", "classification", "met", "missed", "running", "withdrawn", "unmeasured"}
	for _, p := range workflow.Percentiles() {
		header = append(header, fmt.Sprintf("p%d_seconds", p))
	}
	rows := [][]string{header}
	for _, row := range found.Rows {
		line := []string{found.From.Format(time.RFC3339), found.To.Format(time.RFC3339), cell(row.Level), cell(row.Clock), cell(row.Constituency), cell(row.Classification)}
		for _, n := range []int{row.Met, row.Missed, row.Running, row.Withdrawn, row.Unmeasured} {
			line = append(line, strconv.Itoa(n))
		}
		for i := range workflow.Percentiles() {
			line = append(line, strings.TrimPrefix(percentile(row, i, func(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }), "-"))
		}
		rows = append(rows, line)
	}
	return out.WriteAll(rows)
}

// cell is text for a spreadsheet, which must not take it for a formula.
func cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@", rune(s[0])) {
		s = "'" + s
	}
	return printable(s)
}
