package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// changes are the subcommands that change tickets.
func changes() []subcommand {
	return []subcommand{
		{"take", "ID...", "become the owner of tickets that nobody owns", 1, -1,
			each(func(id incident.ID) workflow.Command { return workflow.Take{Ticket: id} })},
		{"release", "ID...", "own tickets no more", 1, -1,
			each(func(id incident.ID) workflow.Command { return workflow.Release{Ticket: id} })},
		{"assign", "ID... --to NAME", "make somebody the owner, whoever was, of each ticket by itself", 1, -1, assign},
		{"attend", "ID... [--for 45m] [--end]", "say that you work on tickets for some time, so that others leave them alone", 1, -1, attend},
		{"open", "KIND", "open a report, incident, investigation or block by hand", 1, 1, open},
		{"move", "ID STATUS", "change the status", 2, 3, move},
		{"reopen", "ID...", "open closed tickets again", 1, -1,
			each(func(id incident.ID) workflow.Command { return workflow.Reopen{Ticket: id} })},
		{"link", "ID INCIDENT", "make a ticket a child of an incident", 2, 2,
			pair(func(id, parent incident.ID) workflow.Command {
				return workflow.Link{Ticket: id, Parent: parent}
			})},
		{"unlink", "ID INCIDENT", "take a link away", 2, 2,
			pair(func(id, parent incident.ID) workflow.Command {
				return workflow.Unlink{Ticket: id, Parent: parent}
			})},
		{"comment", "ID [TEXT]", "add a note that never leaves the team; without TEXT from standard input", 1, -1, comment},
		{"reply", "ID [TEXT]", "answer the requestors by mail; without TEXT from standard input; with --template its text follows TEXT, which may be left out", 1, -1, reply},
		{"draft", "ID", "print a reply to begin with: the text of a template, if one is named here or by the policy, and below it the message that it answers, quoted", 1, 1, draft},
		{"edit", "ID", "change what the flags name", 1, 1, edit},
		{"deliver", "ID --to TICKET | --accept | --reject", "say where a held report belongs", 1, 1, deliverHeld},
		{"do", "[COMMANDS]", "run commands given as JSON, all or nothing; without COMMANDS from standard input", 0, 1, doJSON},
	}
}

// doing is how commands are carried out. Every subcommand that changes
// something registers it first.
type doing struct {
	*call
	preview *bool
	create  bool // the database, if it is not there
}

func newDoing(c *call, flags *flag.FlagSet) doing {
	return doing{call: c, preview: flags.Bool("preview", false, "say what would happen and store nothing")}
}

// do runs commands in one go and prints what changed.
func (d doing) do(ctx context.Context, commands ...workflow.Command) error {
	w, err := d.open(ctx, setting{create: d.create && !*d.preview})
	if err != nil {
		return err
	}
	defer w.Close()
	run := w.me.Do
	if *d.preview {
		run = w.me.Preview
	}
	result, err := run(ctx, commands...)
	if err != nil {
		return err
	}
	if d.json {
		return d.printJSON(result)
	}
	d.result(result)
	return nil
}

// hidden says how many records are left out.
func (c *call) hidden(n int) {
	if n > 0 {
		fmt.Fprintf(c.stdout, "%d more that have to do with tickets which you may not see\n", n)
	}
}

// result prints each record in a line.
func (d doing) result(result *desk.Result) {
	if *d.preview {
		fmt.Fprintln(d.stdout, "preview, nothing is stored:")
	}
	if len(result.Records)+result.Hidden == 0 {
		fmt.Fprintln(d.stdout, "nothing to change: all is so already")
	}
	tell := teller{d.zone}
	for _, warning := range result.Warnings {
		fmt.Fprintf(d.stdout, "warning: %s\n", printable(warning))
	}
	for _, r := range result.Records {
		fmt.Fprintf(d.stdout, "%s %s\n", place(r.Ticket, r.Version), tell.record(r))
	}
	d.hidden(result.Hidden)
	for _, a := range result.AtWork {
		fmt.Fprintf(d.stdout, "#%s: %s works on it until %s\n", a.Ticket, actor(a.By), tell.when(a.Until))
	}
	for _, offer := range result.Offers {
		if text, err := workflow.MarshalCommand(offer); err == nil {
			fmt.Fprintf(d.stdout, "offered, if you want it: desk do '%s'\n", strings.ReplaceAll(printable(string(text)), "'", "'\\''"))
		}
	}
}

// each is a command for every ticket that is named.
func each(command func(incident.ID) workflow.Command) func(*call, *flag.FlagSet) action {
	return func(c *call, flags *flag.FlagSet) action {
		d := newDoing(c, flags)
		return func(ctx context.Context, words []string) error {
			commands, err := commandsFor(words, command)
			if err != nil {
				return err
			}
			return d.do(ctx, commands...)
		}
	}
}

// commandsFor makes a command for every ticket that is named.
func commandsFor(words []string, command func(incident.ID) workflow.Command) (commands []workflow.Command, err error) {
	ids, err := parseIDs(words)
	for _, id := range ids {
		commands = append(commands, command(id))
	}
	return commands, err
}

// pair is a command about a ticket and an incident.
func pair(command func(id, parent incident.ID) workflow.Command) func(*call, *flag.FlagSet) action {
	return func(c *call, flags *flag.FlagSet) action {
		d := newDoing(c, flags)
		return func(ctx context.Context, words []string) error {
			ids, err := parseIDs(words)
			if err != nil {
				return err
			}
			return d.do(ctx, command(ids[0], ids[1]))
		}
	}
}

func assign(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	to := flags.String("to", "", "`name` of a handler, or nobody")
	based := basedFlag(flags)
	return func(ctx context.Context, words []string) error {
		owner := incident.Actor("handler:" + strings.TrimPrefix(*to, "handler:"))
		switch *to {
		case "":
			return usage("assign needs --to with the name of a handler, or nobody")
		case "nobody":
			owner = incident.Nobody
		}
		commands, err := commandsFor(words, func(id incident.ID) workflow.Command {
			return workflow.Assign{Ticket: id, To: owner, Based: *based}
		})
		if err != nil {
			return err
		}
		return d.each(ctx, commands...)
	}
}

func attend(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	stretch := flags.Duration("for", 0, "`duration` in whole minutes, like 45m or 2h; default: as the policy says")
	end := flags.Bool("end", false, "you work on them no more")
	return func(ctx context.Context, words []string) error {
		if *stretch%time.Minute != 0 || *stretch < 0 {
			return usage("--for %s: allowed are whole minutes, like 45m or 2h", *stretch)
		}
		commands, err := commandsFor(words, func(id incident.ID) workflow.Command {
			return workflow.Attend{Ticket: id, Minutes: int(*stretch / time.Minute), End: *end}
		})
		if err != nil {
			return err
		}
		return d.do(ctx, commands...)
	}
}

// basedFlag is the version of the ticket that somebody has looked at.
func basedFlag(flags *flag.FlagSet) *uint64 {
	return flags.Uint64("based", 0, "`version` of the ticket that you saw, as desk show says: refused if what you change was changed since; default: not asked")
}

func move(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	based := basedFlag(flags)
	return func(ctx context.Context, words []string) error {
		id, err := parseID(words[0])
		if err != nil {
			return err
		}
		// "pending removal" may be typed without quotes.
		return d.do(ctx, workflow.Move{Ticket: id, To: incident.Status(strings.Join(words[1:], " ")), Based: *based})
	}
}

// text is what stands behind the ticket's number, or on standard input.
func (c *call) text(words []string, example string) (string, error) {
	if len(words) > 1 {
		return strings.Join(words[1:], " "), nil
	}
	text, err := c.read("the text", example)
	return string(text), err
}

func comment(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	return func(ctx context.Context, words []string) error {
		id, err := parseID(words[0])
		if err != nil {
			return err
		}
		text, err := c.text(words, "desk comment 7 'Called the site.'")
		if err != nil {
			return err
		}
		return d.do(ctx, workflow.Comment{Ticket: id, Text: text})
	}
}

func reply(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	var command workflow.Reply
	collect(flags, "cc", "send a copy of this mail to this `address`, repeatable", &command.Cc, parseParty)
	attach(flags, &command.Attachments)
	chosen := chosenFiles(flags)
	flags.StringVar(&command.Subject, "subject", "", "`subject` of the mail; default: that of the ticket")
	based := basedFlag(flags)
	begin := beginning(flags)
	return func(ctx context.Context, words []string) (err error) {
		command.Based = *based
		if command.Ticket, err = parseID(words[0]); err != nil {
			return err
		}
		if err := c.addFiles(ctx, *chosen, &command.Attachments); err != nil {
			return err
		}
		if begin.Template == "" || len(words) > 1 {
			if command.Text, err = c.text(words, "desk reply 7 < text"); err != nil {
				return err
			}
		}
		if err := d.written(ctx, &command, *begin); err != nil {
			return err
		}
		return d.do(ctx, command)
	}
}

func deliverHeld(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	to := flags.String("to", "", "`ticket` that it belongs to: an incident gets it as a child, any other ticket gets its mail")
	accept := flags.Bool("accept", false, "it is an ordinary report")
	reject := flags.Bool("reject", false, "it is rejected")
	return func(ctx context.Context, words []string) error {
		id, err := parseID(words[0])
		if err != nil {
			return err
		}
		command := workflow.Deliver{Ticket: id}
		chosen := 0
		if *to != "" {
			chosen++
			if command.To, err = parseID(*to); err != nil {
				return err
			}
		}
		if *accept {
			chosen++
			command.As = incident.Accepted
		}
		if *reject {
			chosen++
			command.As = incident.Rejected
		}
		if chosen != 1 {
			return usage("deliver needs one of --to TICKET, --accept and --reject")
		}
		return d.do(ctx, command)
	}
}

func doJSON(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	d.create = true
	return func(ctx context.Context, words []string) error {
		var text []byte
		if len(words) > 0 {
			text = []byte(words[0])
		} else {
			var err error
			if text, err = c.read("a list of commands", `desk do '{"command":"take","ticket":7}'`); err != nil {
				return err
			}
		}
		commands, err := parseCommands(text)
		if err != nil {
			return err
		}
		return d.do(ctx, commands...)
	}
}

// parseCommands reads one command, or an array of them.
func parseCommands(text []byte) ([]workflow.Command, error) {
	list := []json.RawMessage{text}
	if text = bytes.TrimSpace(text); len(text) > 0 && text[0] == '[' {
		list = nil
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, usage("this is no JSON: %v: allowed is a command like {\"command\":\"take\",\"ticket\":7}, or an array of them", err)
		}
	}
	var commands []workflow.Command
	for i, one := range list {
		command, err := workflow.ParseCommand(one)
		if err != nil {
			return nil, usage("command %s: %s", strconv.Itoa(i+1), sentence(err))
		}
		commands = append(commands, command)
	}
	return commands, nil
}
