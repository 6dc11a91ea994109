package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// proposing are the flags of the subcommands that open tickets about addresses.
type proposing struct {
	doing
	desk.Proposing
	list string
}

func newProposing(c *call, flags *flag.FlagSet, kind incident.Kind) *proposing {
	p := &proposing{doing: newDoing(c, flags), Proposing: desk.Proposing{Kind: kind}}
	flags.StringVar(&p.Subject, "subject", "", "`subject`; default: that of the incident, or what it is about")
	flags.StringVar(&p.Text, "text", "", "first `message`: the mail of an investigation, a comment on an incident")
	flags.BoolVar(&p.Together, "together", false, "one ticket for all")
	flags.StringVar(&p.list, "list", "", "`file` in whose text addresses and networks are found, - for standard input")
	fieldFlag(flags, &p.Fields)
	return p
}

func incidents(c *call, flags *flag.FlagSet) action {
	p := newProposing(c, flags, incident.KindIncident)
	flags.Func("from", "`number` of a report to make it from", func(s string) (err error) {
		p.From, err = incident.ParseID(s)
		return err
	})
	return func(ctx context.Context, words []string) error { return p.propose(ctx, words) }
}

func investigate(c *call, flags *flag.FlagSet) action {
	p := newProposing(c, flags, incident.KindInvestigation)
	flags.Func("to", "mail `address` to ask in place of the contacts, repeatable", func(s string) error {
		p.To = append(p.To, s)
		return nil
	})
	return p.under
}

func block(c *call, flags *flag.FlagSet) action {
	return newProposing(c, flags, incident.KindBlock).under
}

// under is for tickets of an incident, which the first word names.
func (p *proposing) under(ctx context.Context, words []string) (err error) {
	if p.Incident, err = parseID(words[0]); err != nil {
		return err
	}
	return p.propose(ctx, words[1:])
}

// propose opens a ticket for each address, or says what would be opened.
func (p *proposing) propose(ctx context.Context, words []string) error {
	if err := p.about(words); err != nil {
		return err
	}
	w, err := p.open(ctx, setting{})
	if err != nil {
		return err
	}
	defer w.Close()
	list, err := w.me.Propose(ctx, p.Proposing)
	if err != nil {
		return err
	}
	if p.json && *p.preview {
		return p.printJSON(list)
	}
	var commands []workflow.Command
	problems := 0
	for _, proposal := range list {
		if !p.json {
			p.proposal(proposal)
		}
		if proposal.Problem != "" {
			problems++
			fmt.Fprintf(p.stderr, "%s is left out: %s\n", printable(about(proposal)), proposal.Problem)
			continue
		}
		commands = append(commands, proposal.Command)
	}
	var results []desk.BulkResult
	if *p.preview {
		for _, command := range commands {
			result, err := w.me.Preview(ctx, command)
			results = append(results, desk.BulkResult{Command: command, Result: result, Err: err})
		}
	} else {
		results = w.me.Bulk(ctx, commands...)
	}
	for i, r := range results {
		switch {
		case r.Err != nil:
			problems++
			fmt.Fprintf(p.stderr, "%s is left out: %s\n", printable(strings.Join(values(commands[i].(workflow.Open).Observables), ", ")), sentence(r.Err))
		case p.json:
			if err := p.printJSON(r.Result); err != nil {
				return err
			}
		default:
			p.result(r.Result)
		}
	}
	if problems > 0 {
		return fmt.Errorf("%d of %d tickets were not opened", problems, len(list))
	}
	return nil
}

// about gathers what the tickets are to be about.
func (p *proposing) about(words []string) error {
	for _, word := range words {
		o, err := incident.ParseObservable(word, incident.RoleUnknown)
		if err != nil {
			return usage("%s", sentence(err))
		}
		p.About = append(p.About, o)
	}
	switch p.list {
	case "":
		return nil
	case "-":
		raw, err := p.read("a text with addresses", "desk incident --list - < text")
		if err != nil {
			return err
		}
		return p.listed(string(raw))
	}
	raw, err := os.ReadFile(p.list)
	if err != nil {
		return fmt.Errorf("--list: %w", err)
	}
	return p.listed(string(raw))
}

// listed takes the addresses and networks of a text.
func (p *proposing) listed(text string) error {
	before := len(p.About)
	for _, o := range lookup.Observables(lookup.Extract(text)) {
		if o.Kind == incident.Address || o.Kind == incident.Prefix {
			p.About = append(p.About, o)
		}
	}
	if len(p.About) == before {
		return usage("--list: there is neither an address nor a network in it")
	}
	return nil
}

func values(list []incident.Observable) (values []string) {
	for _, o := range list {
		values = append(values, o.Value)
	}
	return values
}

// about names what a proposal is about.
func about(p desk.Proposal) string {
	if len(p.Command.Observables) == 0 {
		return people(p.Command.Requestors)
	}
	return strings.Join(values(p.Command.Observables), ", ")
}

// proposal says to whom a ticket goes, and why.
func (c *call) proposal(p desk.Proposal) {
	to := people(append(p.Command.Requestors, p.Command.Contacts...))
	if to == "" {
		to = "nobody"
	}
	fmt.Fprintf(c.stdout, "%s %s -> %s\n", p.Command.Kind, printable(about(p)), to)
	for _, why := range p.Why {
		fmt.Fprintf(c.stdout, "  %s\n", printable(why))
	}
	for _, address := range p.Defective {
		fmt.Fprintf(c.stdout, "  mail to %s comes back\n", printable(address))
	}
}
