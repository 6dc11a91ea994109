package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// print writes a report for people.
func (r *report) print(out io.Writer) error {
	fmt.Fprintf(out, "%s, %d CPUs, seed %d, one writer\n\n", r.Go, r.CPUs, r.Seed)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "store\ttickets\toperation\tsteps\tmedian ms\tp95 ms\tper s\tbare loop per s\tratio\tgrowth\t")
	for _, line := range r.Results {
		bare, ratio := "-", "-"
		if line.Bare != nil {
			bare, ratio = fmt.Sprintf("%.0f", line.Bare.PerSecond), fmt.Sprintf("%.2f", line.Ratio)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%.2f\t%.2f\t%.0f\t%s\t%s\t%.2f\t\n", line.Store, size(line.Tickets), line.Operation,
			line.Steps, 1000*line.Median, 1000*line.P95, line.PerSecond, bare, ratio, line.Growth)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, line := range r.Results {
		if line.Bare != nil {
			fmt.Fprintf(out, "\n%s, %s tickets, %s: the bare loop writes %.1f rows for a mail, median %.2f ms, p95 %.2f ms",
				line.Store, size(line.Tickets), line.Operation, line.BareRows, 1000*line.Bare.Median, 1000*line.Bare.P95)
		}
	}
	fmt.Fprintf(out, "\n\nratio: per s to that of the bare loop. growth: the median to that of the smallest size.\n")
	for _, why := range r.LeftOut {
		fmt.Fprintf(out, "left out: %s\n", why)
	}
	return nil
}

func printJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
