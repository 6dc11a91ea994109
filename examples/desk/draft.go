package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// draft prints a reply for somebody to edit: desk draft 7 > text; desk reply 7 < text.
func draft(c *call, flags *flag.FlagSet) action {
	b := beginning(flags)
	empty := flags.Bool("empty", false, "without the message that it answers")
	flags.BoolVar(&b.Plain, "plain", false, "without a template, though the policy may name one")
	return c.about(func(ctx context.Context, w *workplace, id incident.ID, _ []string) error {
		b.Quoted = !*empty
		reply, drafted, err := w.me.Draft(ctx, id, *b)
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(struct {
				workflow.Reply
				Drafted desk.Drafted `json:"drafted"`
			}{reply, drafted})
		}
		c.remarks(drafted)
		_, err = fmt.Fprint(c.stdout, printableText(reply.Text))
		return err
	})
}

// beginning are the flags for what a mail begins with.
func beginning(flags *flag.FlagSet) *desk.Beginning {
	b := &desk.Beginning{}
	flags.StringVar(&b.Template, "template", "", "`name` of the template that it begins with, as desk template list shows them")
	flags.StringVar(&b.Language, "language", "", "`language` of the template, like de; default: as the policy says")
	flags.StringVar(&b.Info, "info", "", "`text` that @USERINFO@ of the template stands for")
	collect(flags, "data", "data `format` in which the addresses of the ticket go along, like xirl or iodef; repeatable", &b.Attach, word[string])
	return b
}

// remarks prints what there is to know of a draft.
func (c *call) remarks(d desk.Drafted) {
	if d.Missing != "" {
		fmt.Fprintf(c.stderr, "the policy names the template %q, which the desk does not have\n", d.Missing)
	}
	if len(d.Unknown) > 0 {
		fmt.Fprintf(c.stderr, "nothing is known for %s: it stands there as it is written\n", printable(strings.Join(d.Unknown, ", ")))
	}
	for _, lost := range d.Lost {
		fmt.Fprintf(c.stderr, "left out of the data: %s\n", printable(lost.Field))
	}
}

// written puts what a mail begins with into a reply.
func (d doing) written(ctx context.Context, command *workflow.Reply, b desk.Beginning) error {
	if b.Template == "" && len(b.Attach) == 0 {
		return nil
	}
	b.Plain = b.Template == ""
	w, err := d.open(ctx, setting{})
	if err != nil {
		return err
	}
	defer w.Close()
	draft, drafted, err := w.me.Draft(ctx, command.Ticket, b)
	if err != nil {
		return err
	}
	d.remarks(drafted)
	command.To, command.Text = draft.To, below(command.Text, draft.Text)
	command.Attachments = append(command.Attachments, draft.Attachments...)
	if command.Subject == "" {
		command.Subject = draft.Subject
	}
	if *d.preview && b.Template != "" && !d.json {
		to := command.To
		if len(to) == 0 {
			ticket, err := w.me.Ticket(ctx, command.Ticket)
			if err != nil {
				return err
			}
			to = ticket.Requestors
		}
		d.letter(to, command.Subject, command.Text)
	}
	return nil
}

// begun does the same for a ticket that is to be opened. To edit it is a draft, for
// which the policy may name the template, with what is quoted below.
func (d doing) begun(ctx context.Context, command workflow.Open, b desk.Beginning, edit bool) (workflow.Open, error) {
	if b.Template == "" && len(b.Attach) == 0 && (!edit || command.Kind == incident.KindIncident) {
		return command, nil
	}
	b.Plain, b.Quoted = b.Template == "" && !edit, edit
	w, err := d.open(ctx, setting{create: d.create && !*d.preview})
	if err != nil {
		return command, err
	}
	defer w.Close()
	draft, drafted, err := w.me.DraftOpen(ctx, command, b)
	if err != nil {
		return command, err
	}
	d.remarks(drafted)
	if command.Subject != "" {
		draft.Subject = command.Subject
	}
	if *d.preview && b.Template != "" && !d.json {
		d.letter(draft.Requestors, draft.Subject, draft.Text)
	}
	return draft, nil
}

// below puts the text of a template below what somebody has typed.
func below(text, more string) string {
	if strings.TrimSpace(text) == "" {
		return more
	}
	return strings.TrimRight(text, "\n") + "\n\n" + more
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
