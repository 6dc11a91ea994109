package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	programs "github.com/airtight-csirt/airtight/adapters/program"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/xirl"
)

// queueing are the subcommands for what machines report.
func queueing() []subcommand {
	return []subcommand{
		{"import", "[FILE...]", "take in reports of machines, from files or standard input: they wait in the queue", 0, -1, importFiles},
		{"queue", "", "list the reports of machines that wait for a decision, with the incidents that have an address in common: " +
			"a star is at those that are open, what has ended is a hint; " +
			"desk suggest says why, desk append adds a report to an incident, desk accept makes one of it, desk group puts together reports that have an address in common, desk reject ends it", 0, 0, queue},
		{"accept", "ID...", "make an incident of each report that waits, by itself", 1, -1, accept},
		{"append", "ID INCIDENT", "add a report that waits to an incident, with all that it says", 2, 2,
			pair(func(id, parent incident.ID) workflow.Command {
				return workflow.Attach{Ticket: id, Incident: parent}
			})},
		{"group", "ID ID...", "merge reports that wait into the first one, which has an address in common with each", 2, -1, group},
		{"export", "ID --format FORMAT", "write a ticket as data for another team", 1, 1, exchange},
	}
}

// formats are all that the program knows.
func formats() []incident.Format {
	list := append(xirl.Formats(), xirl.CSV{Name: "csv"}.Format())
	for _, feed := range xirl.Feeds() {
		list = append(list, feed.Format())
	}
	return list
}

// formatNames returns the names of formats that fit.
func formatNames(fits func(incident.Format) bool) []string {
	var names []string
	for _, f := range formats() {
		if fits(f) {
			names = append(names, f.Name)
		}
	}
	return names
}

func reads(f incident.Format) bool  { return f.Decode != nil }
func writes(f incident.Format) bool { return f.Encode != nil }

// importFiles imports each file by itself, in order.
func importFiles(c *call, flags *flag.FlagSet) action {
	format := flags.String("format", "auto", "`format` of the input: auto, where files that end in .csv may have columns with common names; "+strings.Join(formatNames(reads), ", "))
	feed := flags.String("feed", "", "`name` of the feed, as the policy or the reports call it")
	dry := flags.Bool("dry-run", false, "say what would happen and store nothing; each piece of 500 reports is judged for itself")
	filter := flags.String("filter", "", "`program` that gets the input and writes XIRL to standard output; exit code 1 with a reason on standard error refuses it; instead of --format")
	columns := map[string]string{}
	flags.Func("column", "`NAME=PLACE` of a column of a CSV file: source.ip, target.port, time, kind ..., or - to leave it out; repeatable; default: names that are common", func(s string) error {
		name, place, ok := strings.Cut(s, "=")
		if !ok || name == "" || place == "" {
			return fmt.Errorf("%q is no column: allowed is NAME=PLACE", s)
		}
		columns[strings.ToLower(strings.ReplaceAll(name, " ", "_"))] = place
		return nil
	})
	zone := flags.String("zone", "", "time `zone` of a CSV file whose times name none, like Europe/Amsterdam; default: UTC")
	return func(ctx context.Context, files []string) error {
		if os.Getenv("GOGC") == "" { // it makes much garbage beside little that stays
			debug.SetGCPercent(400)
		}
		own, err := ownFormat(*format, *filter, columns, *zone)
		if err != nil {
			return err
		}
		if own != nil {
			c.formats, *format = []incident.Format{*own}, own.Name
		} else if *format == "auto" {
			*format = ""
		}
		w, err := c.open(ctx, setting{create: !*dry})
		if err != nil {
			return err
		}
		defer w.Close()
		if len(files) == 0 {
			files = []string{"-"}
		}
		var results []*desk.Imported
		for _, name := range files {
			in := desk.Import{Name: name, Feed: *feed, Format: *format, By: c.actor(), Limits: incident.Limits{Bytes: -1, Incidents: -1}, Preview: *dry, Progress: c.importing()}
			result, err := w.importFile(ctx, c, in)
			if _, unknown := errors.AsType[*desk.FormatUnknownError](err); unknown && in.Format == "" && strings.EqualFold(filepath.Ext(name), ".csv") {
				in.Format = "csv"
				result, err = w.importFile(ctx, c, in)
			}
			if err != nil {
				return fmt.Errorf("%s: %s", printable(name), sentence(err))
			}
			results = append(results, result)
			for _, why := range result.Reasons {
				fmt.Fprintf(c.stderr, "%s: %s\n", printable(name), printable(why))
			}
			if !c.json {
				c.imported(name, result, *dry)
			}
		}
		if c.json {
			return c.printJSON(results)
		}
		return nil
	}
}

// ownFormat is what the flags describe: a program, or the columns of a CSV file; nil:
// one of those that are known.
func ownFormat(format, filter string, columns map[string]string, zone string) (*incident.Format, error) {
	ofCSV := len(columns) > 0 || zone != ""
	switch {
	case filter != "" && (format != "auto" || ofCSV):
		return nil, usage("--filter names a program that knows the format: it goes with none of --format, --column, --zone")
	case filter != "":
		path, err := filepath.Abs(filter)
		if err != nil {
			return nil, err
		}
		dir, err := programs.New(filepath.Dir(path), programs.Config{})
		if err != nil {
			return nil, fmt.Errorf("--filter: %w", err)
		}
		name := filepath.Base(path)
		f := xirl.FromFilter(name, dir.Filter(name))
		return &f, nil
	case ofCSV && format != "csv" && format != "auto":
		return nil, usage("--column and --zone are of CSV files: allowed is --format csv")
	case ofCSV:
		table := xirl.CSV{Name: "csv"}
		if len(columns) > 0 {
			table.Columns = columns
		}
		if zone != "" {
			at, err := time.LoadLocation(zone)
			if err != nil {
				return nil, usage("--zone %q is not known: allowed are names like Europe/Amsterdam", zone)
			}
			table.Zone = at
		}
		f := table.Format()
		return &f, nil
	}
	return nil, nil
}

func (w *workplace) importFile(ctx context.Context, c *call, in desk.Import) (*desk.Imported, error) {
	var r io.Reader = c.stdin
	if in.Name != "-" {
		file, err := os.Open(in.Name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		r = file
	}
	return w.desk.Import(ctx, in, bufio.NewReaderSize(r, 64<<10))
}

// importing tells now and then how far a long import has come.
func (c *call) importing() func(desk.Imported) {
	last := time.Now()
	return func(p desk.Imported) {
		if time.Since(last) > 2*time.Second {
			last = time.Now()
			fmt.Fprintf(c.stderr, "%d observations, %d MiB\n", p.Observations, p.Bytes>>20)
		}
	}
}

// imported says what came of an import.
func (c *call) imported(name string, result *desk.Imported, dry bool) {
	if dry {
		fmt.Fprint(c.stdout, "preview, nothing is stored: ")
	}
	fmt.Fprintf(c.stdout, "%s, %s: %d observations, %d kept, %d new reports", printable(name), result.Format, result.Observations, result.Kept, result.Opened)
	if rest := result.Unkept(); rest != "" {
		fmt.Fprintf(c.stdout, ", %s", rest)
	}
	if result.Again {
		fmt.Fprint(c.stdout, "; the same was imported before")
	}
	fmt.Fprintln(c.stdout)
}

func queue(c *call, flags *flag.FlagSet) action {
	after := afterFlag(flags)
	return func(ctx context.Context, _ []string) error {
		w, err := c.open(ctx, setting{})
		if err != nil {
			return err
		}
		defer w.Close()
		page, err := w.me.Queue(ctx, *after)
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(page)
		}
		tell := teller{c.zone}
		fmt.Fprintf(c.stdout, "queue: %d of %d reports, %s\n", len(page.Entries), page.Total, tell.when(page.At))
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintf(table, "ID\tCONSTITUENCY\tCOUNT\tLAST\tOFFERED\tWITH\tSUBJECT\n")
		for _, e := range page.Entries {
			fmt.Fprintf(table, "#%s\t%s\t%d\t%s\t%s\t%s\t%s\n", e.ID, cmp.Or(printable(e.Constituency), "-"), e.Observations.Count,
				tell.date(e.Observations.Last), shortened(offers(e.Offered, page.At)), shortened(numbers(e.Siblings)), printable(e.Subject))
		}
		if err := table.Flush(); err != nil {
			return err
		}
		if len(page.Entries) > 0 {
			fmt.Fprintln(c.stdout, "* is open and has the address: desk append ID INCIDENT; desk suggest ID says why.")
			fmt.Fprintln(c.stdout, "Otherwise: desk accept ID, desk group ID ID..., desk reject ID.")
		}
		if page.Next != nil {
			_, err = fmt.Fprintf(c.stdout, "next page: the same with --after %s\n", placeOf(page.Next))
		}
		return err
	}
}

// offers are the numbers of incidents: what is ticked with a star, hints with the time
// since their end.
func offers(list []desk.Suggestion, now time.Time) (texts []string) {
	for _, s := range list {
		text := number(s)
		if s.Hint && s.Resolved != nil {
			text += fmt.Sprintf(" (ended %s ago)", workflow.Stretch(now.Sub(*s.Resolved)))
		}
		texts = append(texts, text)
	}
	return texts
}

// number is that of an incident, with a star if it is ticked.
func number(s desk.Suggestion) string {
	if s.Ticked {
		return "*#" + s.ID.String()
	}
	return "#" + s.ID.String()
}

func numbers(ids []incident.ID) (texts []string) {
	for _, id := range ids {
		texts = append(texts, "#"+id.String())
	}
	return texts
}

// shortened is as much of a list as a table has room for.
func shortened(list []string) string {
	const room = 3
	if n := len(list) - room; n > 1 {
		list = append(list[:room:room], fmt.Sprintf("and %d more", n))
	}
	return cmp.Or(strings.Join(list, ", "), "-")
}

func accept(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	var command workflow.Accept
	flags.StringVar(&command.Subject, "subject", "", "`subject` of the incident; default: that of the report")
	flags.Func("field", "`NAME=VALUE` of the incident, repeatable; default: as the policy says of the feed", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return fmt.Errorf("%q is no field: allowed is NAME=VALUE", s)
		}
		if command.Fields == nil {
			command.Fields = map[string][]string{}
		}
		command.Fields[name] = append(command.Fields[name], value)
		return nil
	})
	return func(ctx context.Context, words []string) error {
		commands, err := commandsFor(words, func(id incident.ID) workflow.Command {
			command.Ticket = id
			return command
		})
		if err != nil {
			return err
		}
		return d.each(ctx, commands...)
	}
}

func group(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	return func(ctx context.Context, words []string) error {
		ids, err := parseIDs(words)
		if err != nil {
			return err
		}
		return d.do(ctx, workflow.Group{Ticket: ids[0], With: ids[1:]})
	}
}

// exchange writes what another team is told of a ticket.
func exchange(c *call, flags *flag.FlagSet) action {
	name := flags.String("format", "xirl", "`format`: "+strings.Join(formatNames(writes), ", "))
	return c.about(func(ctx context.Context, w *workplace, id incident.ID, _ []string) error {
		known := formats()
		i := slices.IndexFunc(known, func(f incident.Format) bool { return writes(f) && strings.EqualFold(f.Name, *name) })
		if i < 0 {
			return usage("there is no format %q to write: allowed are %s", *name, strings.Join(formatNames(writes), ", "))
		}
		list, err := w.me.Exchange(ctx, id)
		if err != nil {
			return err
		}
		losses, err := known[i].Encode(c.stdout, slices.Values(list))
		for _, l := range losses {
			fmt.Fprintf(c.stderr, "%s has no place for %s, of %d observations\n", *name, l.Field, l.Count)
		}
		return err
	})
}
