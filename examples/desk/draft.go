package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// draft prints a reply for somebody to edit: desk draft 7 > text; desk reply 7 < text.
func draft(c *call, flags *flag.FlagSet) action {
	return c.about(func(ctx context.Context, w *workplace, id incident.ID, _ []string) error {
		reply, _, err := w.me.Draft(ctx, id, desk.Beginning{Quoted: true})
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(reply)
		}
		_, err = fmt.Fprint(c.stdout, printableText(reply.Text))
		return err
	})
}

// chosenFiles is a flag for files that messages have brought.
func chosenFiles(flags *flag.FlagSet) *[]spot {
	var chosen []spot
	flags.Func("file", "`file` that a message has brought, repeatable: 7.2.1 is the first of record 2 of ticket 7", func(s string) error {
		at, ok := parseSpot(s)
		if !ok || at.number == nil || *at.number < 1 {
			return fmt.Errorf("%q is no file of a message: allowed is one like 7.2.1", s)
		}
		chosen = append(chosen, at)
		return nil
	})
	return &chosen
}

// addFiles adds the chosen files.
func (c *call) addFiles(ctx context.Context, chosen []spot, to *[]workflow.File) error {
	if len(chosen) == 0 {
		return nil
	}
	w, err := c.open(ctx, setting{})
	if err != nil {
		return err
	}
	defer w.Close()
	for _, at := range chosen {
		files, err := w.me.Files(ctx, at.ticket, at.version)
		if err != nil {
			return err
		}
		if *at.number > len(files) {
			return usage("record %d of ticket %s has %d files: there is no file %d", at.version, at.ticket, len(files), *at.number)
		}
		*to = append(*to, files[*at.number-1])
	}
	return nil
}
