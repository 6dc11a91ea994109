package main

import (
	"flag"
	"fmt"

	"github.com/airtight-csirt/airtight/adapters/exportdir"
	programs "github.com/airtight-csirt/airtight/adapters/program"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// means are what the reactions of a policy need.
type means struct{ programs, exports string }

func (m *means) register(flags *flag.FlagSet) {
	flags.StringVar(&m.programs, "programs", "", "`directory` of the programs that reactions of the policy may run")
	flags.StringVar(&m.exports, "exports", "", "`directory` to which reactions of the policy write lists, like null routes")
}

// give hands to a desk what there is.
func (m means) give(config *desk.Config) error {
	if m.programs != "" {
		dir, err := programs.New(m.programs, programs.Config{})
		if err != nil {
			return fmt.Errorf("--programs: %w", err)
		}
		config.Programs = dir.Run
	}
	if m.exports != "" {
		dir, err := exportdir.New(m.exports)
		if err != nil {
			return fmt.Errorf("--exports: %w", err)
		}
		config.Exports = dir.Put
	}
	return nil
}

// reactions prints the reactions to a ticket that the outbox holds.
func (c *call) reactions(rows []storage.Outgoing) {
	heading := "\nReactions\n"
	for _, o := range rows {
		if o.Reaction == "" {
			continue
		}
		fmt.Fprint(c.stdout, heading)
		heading = ""
		status := string(o.Status)
		switch o.Status {
		case storage.Sent:
			status = "done"
		case storage.Sending:
			status = "at work"
		}
		fmt.Fprintf(c.stdout, "  %s to %s: %s", printable(o.Reaction), place(o.Ticket, o.Version), status)
		c.tries(o)
	}
}

// tries ends a line about a row of the outbox.
func (c *call) tries(o storage.Outgoing) {
	if o.Attempts > 0 {
		fmt.Fprintf(c.stdout, ", tried %d times", o.Attempts)
	}
	if o.LastError != "" {
		fmt.Fprintf(c.stdout, ", %s", printable(o.LastError))
	}
	fmt.Fprintln(c.stdout)
}
