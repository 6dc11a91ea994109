package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/airtight-csirt/airtight/workflow"
)

// addresses is the subcommand address: its first argument says what to do.
func addresses(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	return func(ctx context.Context, words []string) error {
		switch what := words[0]; {
		case what == "list" && len(words) == 1:
			return c.listAddresses(ctx)
		case what == "clear" && len(words) > 1:
			var commands []workflow.Command
			for _, address := range words[1:] {
				commands = append(commands, workflow.ClearAddress{Address: address})
			}
			return d.do(ctx, commands...)
		}
		return usage("%q is nothing that desk address does: allowed are list, clear ADDRESS", strings.Join(words, " "))
	}
}

// listAddresses prints the addresses to which mail comes back.
func (c *call) listAddresses(ctx context.Context) error {
	w, err := c.open(ctx, setting{})
	if err != nil {
		return err
	}
	defer w.Close()
	list, err := w.me.DefectiveAddresses(ctx)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(list)
	}
	fmt.Fprintf(c.stdout, "%d defective addresses\n", len(list))
	if len(list) == 0 {
		return nil
	}
	tell := teller{c.zone}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "ADDRESS\tSINCE\tREASON\tSTATUS\tBOUNCE\n")
	for _, a := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", printable(a.Address), tell.when(a.Since), printable(a.Reason), printable(a.Status), place(a.Ticket, a.Version))
	}
	return table.Flush()
}
