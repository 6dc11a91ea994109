package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/airtight-csirt/airtight/workflow/desk"
)

func verify(c *call, _ *flag.FlagSet) action {
	return func(ctx context.Context, _ []string) error {
		w, err := c.open(ctx, setting{})
		if err != nil {
			return err
		}
		defer w.Close()
		report, end := c.progress()
		found, err := w.desk.Verify(ctx, report)
		end()
		if err != nil {
			return err
		}
		if c.json {
			err = c.printJSON(found)
		} else {
			c.verification(found)
		}
		if n := len(found.Faults); n > 0 && err == nil {
			err = fmt.Errorf("%d things do not hold: stop all writers and restore the database from a backup, or ask who changed it", n)
		}
		return err
	}
}

func (c *call) verification(found *desk.Verification) {
	for _, fault := range found.Faults {
		fmt.Fprintln(c.stdout, printable(fault.Error()))
	}
	fmt.Fprintf(c.stdout, "%d tickets, %d records, %d bodies, %d faults\n", found.Tickets, found.Records, found.Blobs, len(found.Faults))
}
