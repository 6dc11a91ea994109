package main

import (
	"context"
	"flag"
	"fmt"
	"mime"
	"os"
	"path/filepath"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// operations are the subcommands for what handlers do beside single changes.
func operations() []subcommand {
	return []subcommand{
		{"steal", "ID...", "become the owner of tickets, whoever was", 1, -1,
			each(func(id incident.ID) workflow.Command { return workflow.Steal{Ticket: id} })},
		{"reject", "ID...", "take reports and reject them, each by itself; those of others are skipped", 1, -1, reject},
		{"resolve", "ID", "close a ticket as done; an incident with its children", 1, 1, ending(func(c workflow.Resolve) workflow.Command { return c })},
		{"abandon", "INCIDENT", "give an incident up, with its children", 1, 1, ending(func(c workflow.Resolve) workflow.Command { return workflow.Abandon(c) })},
		{"merge", "ID INTO", "let another ticket take this one over", 2, 2,
			pair(func(id, into incident.ID) workflow.Command { return workflow.Merge{Ticket: id, Into: into} })},
		{"unmerge", "ID...", "undo the merge of tickets", 1, -1,
			each(func(id incident.ID) workflow.Command { return workflow.Unmerge{Ticket: id} })},
		{"reply-all", "INCIDENT [TEXT]", "one mail for each open child of an incident; without TEXT from standard input", 1, -1, replyAll},
		{"resend", "ID", "send the last mail of a ticket again, to further people too", 1, 1, resend},
		{"call", "ID [TEXT]", "note a telephone call", 1, -1, callNote},
		{"address", "list | clear ADDRESS...", "addresses to which mail comes back: list them, or say that mail may go there again", 1, -1, addresses},
		{"children", "INCIDENT", "list what belongs to an incident", 1, 1, children},
		{"actions", "ID", "say which changes of status are possible", 1, 1, actions},
	}
}

// reject carries out each command by itself and says what became of it.
func reject(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	text := flags.String("text", "", "`text` of a mail to the reporter; default: nobody is told")
	steal := flags.Bool("steal", false, "those of others too")
	return func(ctx context.Context, words []string) error {
		commands, err := commandsFor(words, func(id incident.ID) workflow.Command {
			return workflow.Reject{Ticket: id, Text: *text, Steal: *steal}
		})
		if err != nil {
			return err
		}
		return d.each(ctx, commands...)
	}
}

// each carries out every command by itself and prints what became of it.
func (d doing) each(ctx context.Context, commands ...workflow.Command) error {
	w, err := d.open(ctx, setting{})
	if err != nil {
		return err
	}
	defer w.Close()
	if !*d.preview {
		return d.bulk(w.me.Bulk(ctx, commands...))
	}
	var results []desk.BulkResult
	for _, command := range commands {
		result, err := w.me.Preview(ctx, command)
		results = append(results, desk.BulkResult{Command: command, Result: result, Err: err})
	}
	return d.bulk(results)
}

// bulk prints the results of commands that ran each by itself.
func (d doing) bulk(results []desk.BulkResult) error {
	skipped := 0
	for _, r := range results {
		switch {
		case r.Err != nil:
			skipped++
			fmt.Fprintf(d.stderr, "#%s is left as it is: %s\n", r.Command.Target(), sentence(r.Err))
		case d.json:
			if err := d.printJSON(r.Result); err != nil {
				return err
			}
		default:
			d.result(r.Result)
		}
	}
	if skipped > 0 {
		return fmt.Errorf("%d of %d tickets were left as they are", skipped, len(results))
	}
	return nil
}

// ending is resolve and abandon.
func ending(command func(workflow.Resolve) workflow.Command) func(*call, *flag.FlagSet) action {
	return func(c *call, flags *flag.FlagSet) action {
		d := newDoing(c, flags)
		var end workflow.Resolve
		flags.StringVar(&end.Comment, "comment", "", "`note` for the team")
		flags.StringVar(&end.Resolution, "resolution", "", "`value` of the field Resolution")
		flags.StringVar(&end.Reply, "reply", "", "`text` of a mail to the requestors; of an incident to those of its children")
		collect(flags, "child", "`number` of a child that gets the mail, repeatable; default: all that are open", &end.Children, incident.ParseID)
		based := basedFlag(flags)
		return func(ctx context.Context, words []string) (err error) {
			end.Based = *based
			if end.Ticket, err = parseID(words[0]); err != nil {
				return err
			}
			return d.do(ctx, command(end))
		}
	}
}

func replyAll(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	var command workflow.ReplyAll
	collect(flags, "kind", "only children of this `kind`, repeatable; report: all reporters", &command.Kinds, word[incident.Kind])
	collect(flags, "child", "`number` of a child, repeatable; default: all that are open", &command.Children, incident.ParseID)
	collect(flags, "cc", "send a copy of each mail to this `address`, repeatable", &command.Cc, parseParty)
	attach(flags, &command.Attachments)
	flags.StringVar(&command.Subject, "subject", "", "`subject` of the mails; default: that of each ticket")
	return func(ctx context.Context, words []string) (err error) {
		if command.Ticket, err = parseID(words[0]); err != nil {
			return err
		}
		if command.Text, err = c.text(words, "desk reply-all 7 < text"); err != nil {
			return err
		}
		return d.do(ctx, command)
	}
}

func resend(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	var command workflow.Resend
	collect(flags, "to", "further `address` that is asked, which becomes a requestor; repeatable", &command.To, parseParty)
	collect(flags, "cc", "send a copy of this mail to this `address`, repeatable", &command.Cc, parseParty)
	return func(ctx context.Context, words []string) (err error) {
		if command.Ticket, err = parseID(words[0]); err != nil {
			return err
		}
		return d.do(ctx, command)
	}
}

func callNote(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	call := incident.Call{Direction: incident.CallOut}
	in := flags.Bool("in", false, "they rang us; default: we rang them")
	flags.StringVar(&call.Person, "person", "", "`name` of who was spoken to")
	flags.StringVar(&call.Number, "number", "", "telephone `number`")
	flags.StringVar(&call.Left, "left", "", "`message` that was left, where nobody was there")
	return func(ctx context.Context, words []string) error {
		id, err := parseID(words[0])
		if err != nil {
			return err
		}
		if *in {
			call.Direction = incident.CallIn
		}
		return d.do(ctx, workflow.Comment{Ticket: id, Text: strings.Join(words[1:], " "), Call: &call})
	}
}

func children(c *call, flags *flag.FlagSet) action {
	all := flags.Bool("all", false, "those too that are hidden otherwise, like rejected reports")
	after := afterFlag(flags)
	return c.about(func(ctx context.Context, w *workplace, id incident.ID, _ []string) error {
		page, err := w.me.Children(ctx, id, *all, *after)
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(page)
		}
		return c.page("children of #"+id.String(), page)
	})
}

func actions(c *call, _ *flag.FlagSet) action {
	return c.about(func(ctx context.Context, w *workplace, id incident.ID, _ []string) error {
		list, err := w.me.Allowed(ctx, id)
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(list)
		}
		for _, a := range list {
			fmt.Fprintf(c.stdout, "%s: desk move %s %s\n", a.Name, id, a.To)
		}
		return nil
	})
}

// attach is a flag for files that go with a message.
func attach(flags *flag.FlagSet, to *[]workflow.File) {
	flags.Func("attach", "`file` that goes with it, repeatable", func(path string) error {
		info, err := os.Stat(path)
		if err == nil && info.Size() > 32<<20 {
			err = fmt.Errorf("%s has %d bytes: allowed are %d", path, info.Size(), 32<<20)
		}
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		*to = append(*to, workflow.File{Name: filepath.Base(path), Type: mime.TypeByExtension(filepath.Ext(path)), Content: content})
		return err
	})
}
