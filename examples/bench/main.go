// Command bench measures what a desk does in a second, and whether that lasts.
//
//	go run ./examples/bench                          # memory and SQLite, 1,000 and 100,000 tickets
//	go run ./examples/bench --postgres postgres://user@host/postgres
//	go run ./examples/bench soak --mails 100000      # mail by SMTP, commands beside it
//
// A store is filled by the way that mail and commands take every day, [batch]
// tickets to a commit. Then each operation is done in blocks of [block], by all
// sizes in turn. Receive is held against a bare loop (bare.go) that takes its
// turns too: it writes the same rows to a copy of the same database.
//
// # Where the time goes
//
// What Receive spends on SQLite, of a mail of 4 to 8 kB that opens a report:
//
//	40 %  COMMIT: pages to the -wal file, their sync, now and then a checkpoint
//	27 %  inserting the 15 rows; most of it is the indexes of tickets
//	17 %  deciding: rules, records and their hashes, looking up Message-IDs
//	14 %  reading the mail: MIME, addresses in its text
//	 2 %  BEGIN IMMEDIATE, and what was given out last
//
// The bare loop has the first two alone, so that nothing in Receive that could
// go would make it twice as fast. Without the indexes of tickets the bare loop
// is about 1.3 times as fast; they are what lists in any order cost. These shares
// are CPU time, of
//
//	go run ./examples/bench --stores sqlite --operations receive --tickets 1000 --steps 4000 --cpuprofile cpu
//	go tool pprof -tagfocus=who=desk -top -cum cpu
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Exit codes.
const (
	exitFailed = 1 // also: a soak that grows
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// usageError says that the command line cannot be understood.
type usageError struct{ text string }

// Error implements error.
func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// run does what args say and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	act := bench
	if len(args) > 0 && args[0] == "soak" {
		act, args = soak, args[1:]
	}
	err := act(ctx, args, stdout, stderr)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "bench: %v\n", err)
	var wrong *usageError
	if errors.As(err, &wrong) {
		return exitUsage
	}
	return exitFailed
}

// options are the flags of a benchmark.
type options struct {
	tickets            []int
	stores, operations []string
	steps              int
	seed               uint64
	dir, postgres      string
	json               bool
	cpuprofile         string
}

func storeNames() []string { return []string{"memory", "sqlite", "postgres"} }

func (o *options) register(flags *flag.FlagSet) {
	o.tickets, o.stores, o.operations = []int{1000, 100_000}, storeNames(), operationNames()
	flags.Func("tickets", "`sizes` to fill a store with first; default 1000,100000", func(s string) (err error) {
		o.tickets, err = parseSizes(s)
		return err
	})
	flags.Func("stores", "`names` of stores, some of "+strings.Join(o.stores, ",")+"; default all", func(s string) (err error) {
		o.stores, err = parseNames(s, storeNames())
		return err
	})
	flags.Func("operations", "`names` of operations, some of "+strings.Join(o.operations, ",")+"; default all", func(s string) (err error) {
		o.operations, err = parseNames(s, operationNames())
		return err
	})
	flags.IntVar(&o.steps, "steps", 200, "`n`umber of times that an operation is done; a half for large mail, a tenth for incidents with 20 children")
	flags.Uint64Var(&o.seed, "seed", 1, "`number` that the mail follows from")
	flags.StringVar(&o.dir, "dir", "", "`folder` for the SQLite files, which are removed at the end; default: a temporary one")
	flags.StringVar(&o.postgres, "postgres", "", "`URL` of a PostgreSQL server and a role that may create databases, which are dropped at the end; without it PostgreSQL is left out")
	flags.BoolVar(&o.json, "json", false, "print JSON; times are in seconds")
	flags.StringVar(&o.cpuprofile, "cpuprofile", "", "`file` for a CPU profile; its labels are store, operation and who (desk or bare)")
}

func parseSizes(s string) ([]int, error) {
	var sizes []int
	for _, field := range strings.Split(s, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 10 || n > 10_000_000 {
			return nil, errors.New("allowed are numbers from 10 to 10000000, separated by commas")
		}
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	return slices.Compact(sizes), nil
}

func parseNames(s string, allowed []string) ([]string, error) {
	names := strings.Split(s, ",")
	for _, name := range names {
		if !slices.Contains(allowed, name) {
			return nil, fmt.Errorf("there is no %q: allowed are %s, separated by commas", name, strings.Join(allowed, ", "))
		}
	}
	return names, nil
}

// parse reads a command line without words; true: help was asked for, and given.
func parse(flags *flag.FlagSet, args []string, does string, stdout io.Writer) (helped bool, err error) {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(stdout, "%s\n\nFlags:\n", does)
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		fmt.Fprintf(stdout, "\nExit codes: 0 done, %d failed, %d not understood.\n", exitFailed, exitUsage)
		return true, nil
	case err != nil:
		return false, usage("%v: %s --help lists the flags", err, flags.Name())
	case flags.NArg() > 0:
		return false, usage("%q is not understood: allowed are flags, and soak as the first word", flags.Arg(0))
	}
	return false, nil
}

func bench(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	o.register(flags)
	helped, err := parse(flags, args, "bench [flags]: how long the work of a desk takes, beside a bare loop on the same database\n"+
		"bench soak [flags]: whether that lasts; bench soak --help", stdout)
	if helped || err != nil {
		return err
	}
	if o.steps < 1 || o.steps > 1_000_000 {
		return usage("--steps is %d: allowed are 1 to 1000000", o.steps)
	}
	if err := checkServer("--postgres", o.postgres); o.postgres != "" && err != nil {
		return err
	}
	if o.dir, err = workFolder(o.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(o.dir)) }() // nothing is left in it
	if o.cpuprofile != "" {
		file, err := os.Create(o.cpuprofile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	r, err := o.measure(ctx, progress{stderr})
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(stdout, r)
	}
	return r.print(stdout)
}

// workFolder makes a folder of the run's own in another.
func workFolder(in string) (string, error) {
	folder, err := os.MkdirTemp(in, "airtight-bench-")
	if err != nil {
		return "", fmt.Errorf("no folder for the databases: %w: name one that exists and can be written to by --dir", err)
	}
	return folder, nil
}

func isServer(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

func checkServer(name, dsn string) error {
	if !isServer(dsn) {
		return usage("%s %q is no URL of PostgreSQL: allowed is one like postgres://user@localhost/postgres", name, dsn)
	}
	return nil
}
