package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// demo plays a story on a database of its own and tells what the database says
// afterwards, not what the story knows.
func demo(c *call, flags *flag.FlagSet) action {
	seed := flags.Uint64("seed", 1, "`number` that decides who appears and what they do")
	return func(ctx context.Context, _ []string) error {
		if !c.dbGiven {
			folder, err := os.MkdirTemp("", "airtight-demo-")
			if err != nil {
				return err
			}
			defer os.RemoveAll(folder)
			c.db = filepath.Join(folder, "demo.db")
		}
		// The same seed tells the same story everywhere, but for the bytes of signatures.
		c.options = options{db: c.db, json: c.json, as: "alice", tag: "A CSIRT", mailbox: exampleMailbox}
		c.zone = time.UTC
		fate, stage := newFate(*seed), &stage{}
		w, err := c.open(ctx, setting{create: true, now: fate.Now, rand: fate, furnish: stage.furnish})
		if err != nil {
			return err
		}
		defer w.Close()
		if page, err := w.me.List(ctx, storage.Query{}, nil); err != nil {
			return err
		} else if page.Total > 0 {
			return fmt.Errorf("database %s has tickets already: a story needs an empty one, which it leaves behind full, or no --db", c.databaseName())
		}
		s, err := newStory(ctx, w, fate, stage, *seed)
		if err != nil {
			return err
		}
		s.play()
		if err := errors.Join(s.err, s.end()); err != nil {
			return fmt.Errorf("the story broke off: %w", err)
		}
		return c.tale(ctx, w, s)
	}
}

// tale prints every ticket that is stored.
func (c *call) tale(ctx context.Context, w *workplace, s *story) error {
	tell := teller{c.zone}
	page, err := w.me.List(ctx, storage.Query{}, nil)
	if err != nil {
		return err
	}
	var documents []*document
	for _, row := range page.Rows {
		doc, err := w.document(ctx, row.ID, tell)
		if err != nil {
			return err
		}
		documents = append(documents, doc)
	}
	found, err := w.desk.Verify(ctx, nil)
	if err != nil {
		return err
	}
	if c.json {
		return c.printJSON(documents)
	}
	fmt.Fprintf(c.stdout, "A story of %d mails in and %d mails out, all over SMTP, from %s to %s\n",
		s.in, s.outside.count(), tell.when(s.began), tell.when(s.fate.Now()))
	for _, doc := range documents {
		t := doc.Ticket
		fmt.Fprintf(c.stdout, "\n#%s %s, %s, owner %s, due %s: %s\n", t.ID, t.Kind, t.Status, actor(t.Owner), tell.date(t.Due), printable(t.Subject))
		if err := tell.timeline(c.stdout, doc.records()); err != nil {
			return err
		}
		for _, o := range doc.Outgoing {
			if o.Reaction == "" {
				fmt.Fprintf(c.stdout, "  mail of %s to %s: %s\n", place(o.Ticket, o.Version), o.To, o.Status)
			}
		}
	}
	fmt.Fprintf(c.stdout, "\nFrom the report #%s that was read to incident #%s: one command, less than %s\n", s.found, s.blocked, s.took.Truncate(time.Second)+time.Second)
	fmt.Fprintf(c.stdout, "Its state blockrequest told %s by signed mail:\n%s\n", people(s.notice.To), indented(s.notice.Subject+"\n\n"+s.notice.Text))
	fmt.Fprintf(c.stdout, "and gave the router:\n%s\n", indented(s.routes))
	c.verification(found)
	return storyHolds(documents, found)
}

// storyHolds checks how the story must end.
func storyHolds(documents []*document, found *desk.Verification) error {
	if len(found.Faults) > 0 {
		return fmt.Errorf("%d things do not hold", len(found.Faults))
	}
	for _, doc := range documents {
		if t := doc.Ticket; t.Phase != incident.Inactive {
			return fmt.Errorf("ticket %s is still %s", t.ID, t.Status)
		}
	}
	return nil
}

// indented puts two blanks before every line that is not empty.
func indented(text string) string {
	return strings.ReplaceAll("  "+strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  "), "\n  \n", "\n\n")
}
