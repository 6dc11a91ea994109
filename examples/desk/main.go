// Command desk is a complete desk of a security team: a daemon that takes mail
// by SMTP, and a command line to work on what comes in. Everything lies in one
// SQLite file, or in a PostgreSQL database.
//
//	go run ./examples/desk                 # serve: take in mail until Ctrl-C
//	go run ./examples/desk list            # new reports
//	go run ./examples/desk demo            # a whole story, played in a second
//	go run ./examples/desk help            # all subcommands
//
// Any number of commands may run beside the daemon. The program has no log-in:
// whoever can write the database works as whom they say (--as).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow/export"
)

// Exit codes.
const (
	exitRefused = 1 // what was asked was refused, or failed
	exitUsage   = 2 // what was asked cannot be understood
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the program at once
	}()
	p := &program{
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		env: os.Getenv, user: systemUser(), zone: time.Local, now: time.Now, called: calledAs(os.Args[0]),
	}
	os.Exit(p.run(ctx, os.Args[1:]))
}

func systemUser() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return handlerName(u.Username)
}

// handlerName makes a name that --as allows of the name of a user.
func handlerName(user string) string {
	user = user[strings.LastIndexByte(user, '\\')+1:] // QUIRK: Windows says DOMAIN\John Doe
	return strings.NewReplacer(" ", ".", "@", ".").Replace(user)
}

// calledAs returns what to type to run this program again.
func calledAs(path string) string {
	if strings.Contains(filepath.ToSlash(path), "/go-build") {
		return "go run ./examples/desk"
	}
	return path
}

// program is this program with everything that it touches outside.
type program struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(string) string
	user           string // who works when nobody says --as
	zone           *time.Location
	now            func() time.Time
	called         string // what to type to run it again
}

// subcommand is one word of the command line. setup registers its flags and
// returns what it does; min and max count its arguments, a max of -1 is no limit.
type subcommand struct {
	name, args, does string
	min, max         int
	setup            func(*call, *flag.FlagSet) action
}

type action func(ctx context.Context, args []string) error

// call is one run of a subcommand.
type call struct {
	*program
	options
	forms   []export.Form     // of exported lists, beside those of the library
	formats []incident.Format // before those of the library
	means   means             // of reactions
}

// chapter is a part of the overview.
type chapter struct {
	title       string
	subcommands []subcommand
}

func chapters() []chapter {
	return []chapter{
		{"The desk", []subcommand{
			{"serve", "", "take in mail by SMTP, send what is queued, act on reminders, warnings and breaches (the default)", 0, 0, serve},
			{"receive", "< mail.eml", "take in one mail from standard input", 0, 0, receive},
			{"list", "[new|mine|unowned|due|all]", "list tickets: new, reports that nobody has dealt with; mine, unowned and due, incidents that are open; all; or whatever the flags describe; --topic narrows each of them", 0, 1, list},
			{"topics", "", "count the open work of each topic that the policy sorts by", 0, 0, topics},
			{"show", "ID", "show a ticket with its whole history", 1, 1, show},
		}},
		{"Work on a ticket", changes()},
		{"Owners, endings, several tickets", operations()},
		{"Addresses, and whose they are", lookups()},
		{"Reports of machines", queueing()},
		{"Rules, terms and templates", []subcommand{
			{"policy", "lint POLICY | graph POLICY | diff POLICY POLICY | adopt POLICY | show [NAME]", "check, compare and adopt the rules that the desk works by: find what is wrong with a policy, draw its lifecycles, compare two, work by one from now on, print one; a policy is a file, or janet, rtir, airt", 1, 3, policies},
			{"sla", "explain ID | report | recompute | example", "say when a ticket is due by the service agreement, and how well it is kept: explain one ticket, count a period, bring tickets up to new terms, print an agreement to begin with", 1, 2, agreement},
			{"template", templateWords, "keep the templates of mail: list them, print one, look for mistakes, see what one makes of a ticket, make a file one of the desk's, take one out of use, list its versions", 1, -1, templateAction},
			{"explain", "ID [due|status|owner|constituency|thread|mail]", "say why something is as it is, back to what somebody did; without a second word about all", 1, 2, explain},
		}},
		{"Mail that waits, and keys", []subcommand{
			{"outbox", "[release MAIL... | drop MAIL... | confirm MAIL...]", "list outgoing mail that waits for a person: parked, failed, uncertain; say that it is to be sent, is not, or has arrived; a MAIL is 7.3.0, 7.3 or a ticket", 0, -1, outgoing},
			{"examine", "ID [RECORD]", "open mail that came in again, with the keys that there are now; without RECORD all mail of the ticket", 1, 2, examine},
			{"keys", "", "list the keys that open and seal mail", 0, 0, keys},
		}},
		{"All that is stored", []subcommand{
			{"feed", "", "print every record of every ticket in order, as lines of JSON: for other programs, which may stop and go on where they were", 0, 0, feed},
			{"export-list", "--state STATE", "write addresses and networks of tickets as text: null routes for a router, a plain list; chosen by status and state", 0, 0, exportList},
			{"verify", "", "check everything that is stored; exit code 1 when something does not hold", 0, 0, verify},
		}},
		{"To try it", []subcommand{
			{"demo", "", "play a story over real SMTP on this machine and print it", 0, 0, demo},
			{"script", "FILE...", "play stories with their trace, each on a desk of its own in memory; exit code 1 where one comes out otherwise", 1, -1, script},
		}},
	}
}

func subcommands() (list []subcommand) {
	for _, c := range chapters() {
		list = append(list, c.subcommands...)
	}
	return list
}

// run does what args say and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	err := p.dispatch(ctx, args)
	if err == nil {
		return 0
	}
	fmt.Fprintf(p.stderr, "desk: %s\n", sentence(err))
	var wrong *usageError
	if errors.As(err, &wrong) {
		return exitUsage
	}
	return exitRefused
}

func (p *program) dispatch(ctx context.Context, args []string) error {
	c := &call{program: p, options: defaults(p.env, p.user)}
	top := newFlags("desk", c)
	if err := top.Parse(args); errors.Is(err, flag.ErrHelp) {
		return c.overview()
	} else if err != nil {
		return usage("%v: flags of a subcommand come after its name, desk help lists all", err)
	}
	name, rest := "serve", top.Args()
	if len(rest) > 0 {
		name, rest = rest[0], rest[1:]
	}
	if name == "help" {
		if len(rest) == 0 {
			return c.overview()
		}
		name, rest = rest[0], []string{"--help"}
	}
	known := subcommands()
	i := slices.IndexFunc(known, func(s subcommand) bool { return s.name == name })
	if i < 0 {
		return usage("there is no subcommand %q: allowed are %s, help", name, strings.Join(names(known), ", "))
	}
	sub := known[i]
	flags := newFlags(name, c)
	act := sub.setup(c, flags)
	words, err := parseMixed(flags, rest)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return c.help(sub, flags)
	case err != nil:
		return usage("%v: desk %s --help lists the flags", err, name)
	case len(words) < sub.min || sub.max >= 0 && len(words) > sub.max:
		return usage("%s was given %d arguments: type desk %s %s", name, len(words), name, sub.args)
	}
	if err := c.check(); err != nil {
		return err
	}
	return act(ctx, words)
}

func names(list []subcommand) []string {
	var names []string
	for _, s := range list {
		names = append(names, s.name)
	}
	return names
}

// usageError says that the command line cannot be understood.
type usageError struct{ text string }

// Error implements error.
func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// sentence is an error on one line, without the name of the package that found
// it.
func sentence(err error) string {
	// That of a mail system would tell its code and its cause as well.
	if refused, ok := errors.AsType[*mail.Error](err); ok {
		err = errors.New("the mail is not taken: " + strings.TrimPrefix(refused.Message, "mail: "))
	}
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	text := strings.ReplaceAll(strings.Join(lines, "; "), "\t", "")
	for _, pkg := range []string{"workflow: ", "desk: ", "incident: ", "sqlstore: ", "storage: ", "mail: ", "sla: ", "lookup: ", "pgp: ", "export: ", "exportdir: "} {
		text = strings.TrimPrefix(text, pkg)
	}
	return printable(text)
}
