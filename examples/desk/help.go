package main

import (
	"flag"
	"fmt"
	"strings"
)

// helpWidth is that of a terminal, in columns.
const helpWidth = 80

// overview prints what there is: of each subcommand what it is for.
func (c *call) overview() error {
	fmt.Fprintf(c.stdout, "desk is the desk of a security team.\n\nUsage: %s [flags] SUBCOMMAND [flags] [arguments]\n", c.called)
	width := 0
	for _, s := range subcommands() {
		width = max(width, len(s.name))
	}
	entry := func(name, does string) {
		lines := wrapped(does, helpWidth-width-4)
		fmt.Fprintf(c.stdout, "  %-*s  %s\n", width, name, lines[0])
		for _, more := range lines[1:] {
			fmt.Fprintf(c.stdout, "  %-*s  %s\n", width, "", more)
		}
	}
	for _, chapter := range chapters() {
		fmt.Fprintf(c.stdout, "\n%s\n", chapter.title)
		for _, s := range chapter.subcommands {
			entry(s.name, s.purpose())
		}
	}
	fmt.Fprintln(c.stdout)
	entry("help", "this page; with the name of a subcommand, all about that one")
	fmt.Fprintf(c.stdout, "\nFlags of every subcommand:\n")
	common := newFlags("desk", c)
	common.SetOutput(c.stdout)
	common.PrintDefaults()
	fmt.Fprintf(c.stdout, "\nExit codes: 0 done, %d refused or failed, %d not understood.\n", exitRefused, exitUsage)
	return nil
}

// purpose is the first part of what a subcommand does.
func (s subcommand) purpose() string {
	if i := strings.IndexAny(s.does, ":;"); i > 0 {
		return s.does[:i]
	}
	return s.does
}

// help prints all about one subcommand.
func (c *call) help(s subcommand, flags *flag.FlagSet) error {
	fmt.Fprintf(c.stdout, "Usage: %s %s\n\n", c.called, strings.TrimSpace(s.name+" "+s.args))
	for _, line := range wrapped(s.does, helpWidth) {
		fmt.Fprintln(c.stdout, line)
	}
	common, own := newFlags("desk", c), flag.NewFlagSet(s.name, flag.ContinueOnError)
	var names []string
	fmt.Fprintln(c.stdout)
	flags.VisitAll(func(f *flag.Flag) {
		if common.Lookup(f.Name) != nil {
			names = append(names, "-"+f.Name)
			return
		}
		own.Var(f.Value, f.Name, f.Usage)
		own.Lookup(f.Name).DefValue = f.DefValue
	})
	own.SetOutput(c.stdout)
	own.PrintDefaults()
	fmt.Fprintln(c.stdout)
	for _, line := range wrapped("Flags of every subcommand, which desk help explains: "+strings.Join(names, ", "), helpWidth) {
		fmt.Fprintln(c.stdout, line)
	}
	return nil
}

// wrapped breaks a text between words.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			lines, line = append(lines, line), word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
