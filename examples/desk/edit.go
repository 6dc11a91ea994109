package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func open(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	d.create = true
	var command workflow.Open
	flags.StringVar(&command.Subject, "subject", "", "`subject`")
	flags.StringVar(&command.Text, "text", "", "first message: what the reporter said, the mail to the requestors of an investigation or block, or a comment on an incident; - reads standard `input`")
	flags.StringVar(&command.Constituency, "constituency", "", "`name` of the constituency")
	flags.StringVar(&command.Via, "via", "", "`way` in which it came, like telephone")
	flags.BoolVar(&command.Quiet, "quiet", false, "do not tell the requestors by themselves that it was opened")
	flags.Func("status", "first `status`; default: that of the kind", set(&command.Status))
	flags.Func("state", "the team's own `label`", set(&command.State))
	maybe(flags, "priority", "`number` from 0 to 100", &command.Priority, strconv.Atoi)
	collect(flags, "parent", "`number` of the incident that it belongs to, repeatable", &command.Parents, incident.ParseID)
	collect(flags, "requestor", "`address` of who reported it, or whom we ask; repeatable", &command.Requestors, parseParty)
	collect(flags, "cc", "`address` that gets copies, repeatable", &command.Cc, parseParty)
	collect(flags, "contact", "`address` of somebody to turn to, repeatable", &command.Contacts, parseParty)
	collect(flags, "observable", "`address`, network, host name or the like that it is about, with =source or =target its role; repeatable", &command.Observables, parseObservable)
	flags.Func("from", "`number` of a ticket to make it from: what is left out is taken from there", func(s string) (err error) {
		command.From, err = incident.ParseID(s)
		return err
	})
	attach(flags, &command.Attachments)
	chosen := chosenFiles(flags)
	fieldFlag(flags, &command.Fields)
	begin := beginning(flags)
	prefill := flags.Bool("prefill", false, "with --from: print the command as it would be, for desk do, and do nothing")
	return func(ctx context.Context, words []string) error {
		command.Kind = incident.Kind(strings.ToLower(words[0]))
		if kind, ok := incident.ParseKind(words[0]); ok {
			command.Kind = kind
		}
		if command.Text == "-" {
			text, err := c.read("the text", "desk open report --text - < text")
			if err != nil {
				return err
			}
			command.Text = string(text)
		}
		var err error
		if command, err = d.begun(ctx, command, *begin, *prefill); err != nil {
			return err
		}
		if err := c.addFiles(ctx, *chosen, &command.Attachments); err != nil {
			return err
		}
		if *prefill {
			return d.prefill(ctx, command)
		}
		return d.do(ctx, command)
	}
}

// prefill prints a command with all that it takes from another ticket.
func (d doing) prefill(ctx context.Context, command workflow.Open) error {
	w, err := d.open(ctx, setting{})
	if err != nil {
		return err
	}
	defer w.Close()
	if command, err = w.me.Prefill(ctx, command); err != nil {
		return err
	}
	text, err := workflow.MarshalCommand(command)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(d.stdout, "%s\n", text)
	return err
}

func edit(c *call, flags *flag.FlagSet) action {
	d := newDoing(c, flags)
	var command workflow.Edit
	maybe(flags, "subject", "`subject`", &command.Subject, word[string])
	maybe(flags, "priority", "`number` from 0 to 100", &command.Priority, strconv.Atoi)
	maybe(flags, "constituency", "`name` of the constituency", &command.Constituency, word[string])
	maybe(flags, "state", "the team's own `label`", &command.State, word[incident.State])
	date(c, flags, "due", "`time` by which something must happen, or clear", &command.Due, &command.Clear)
	date(c, flags, "wake", "`time` of a reminder: the ticket is due then, or clear", &command.Wake, &command.Clear)
	everybody(flags, "requestor", "`address` of who reported it, or whom we ask; repeatable; replaces the list", &command.Requestors)
	everybody(flags, "cc", "`address` that gets copies, repeatable; replaces the list", &command.Cc)
	everybody(flags, "contact", "`address` of somebody to turn to, repeatable; replaces the list", &command.Contacts)
	collect(flags, "add-requestor", "`address` to add to the requestors, repeatable", &command.AddRequestors, parseParty)
	collect(flags, "remove-requestor", "`address` to remove from them, repeatable", &command.RemoveRequestors, parseParty)
	collect(flags, "add-cc", "`address` to add to the copies, repeatable", &command.AddCc, parseParty)
	collect(flags, "remove-cc", "`address` to remove from them, repeatable", &command.RemoveCc, parseParty)
	collect(flags, "observable", "`address`, network, host name or the like to add, or to give a role by =source or =target; repeatable", &command.AddObservables, parseObservable)
	collect(flags, "remove-observable", "`address`, network, host name or the like to remove, repeatable", &command.RemoveObservables, parseObservable)
	fieldFlag(flags, &command.Fields)
	based := basedFlag(flags)
	return func(ctx context.Context, words []string) (err error) {
		if reflect.ValueOf(command).IsZero() {
			return usage("edit needs a flag for what is to change: desk edit --help lists them")
		}
		command.Based = *based
		if command.Ticket, err = parseID(words[0]); err != nil {
			return err
		}
		return d.do(ctx, command)
	}
}

// parseObservable reads an observable, and its role behind a sign of equality.
func parseObservable(s string) (incident.Observable, error) {
	role := incident.RoleUnknown
	for _, r := range []incident.Role{incident.RoleSource, incident.RoleTarget} {
		if value, ok := strings.CutSuffix(s, "="+string(r)); ok {
			s, role = value, r
		}
	}
	return incident.ParseObservable(s, role)
}

func set[T ~string](to *T) func(string) error {
	return func(s string) error { *to = T(s); return nil }
}

// date is a flag for a date that can be unset.
func date(c *call, flags *flag.FlagSet, name, doc string, to **time.Time, unset *[]string) {
	flags.Func(name, doc, func(s string) error {
		if s == "clear" {
			*unset = append(*unset, name)
			return nil
		}
		t, err := c.parseTime(s)
		*to = &t
		return err
	})
}

// everybody is a flag for a list of people that replaces the one that is there;
// an empty address makes the list empty.
func everybody(flags *flag.FlagSet, name, doc string, to **[]incident.Party) {
	flags.Func(name, doc, func(s string) error {
		*to = cmp.Or(*to, &[]incident.Party{})
		if s == "" {
			return nil
		}
		p, err := parseParty(s)
		**to = append(**to, p)
		return err
	})
}

// fieldFlag reads name=value. The same name again adds a value; no value at all
// removes the field.
func fieldFlag(flags *flag.FlagSet, to *map[string][]string) {
	flags.Func("field", "`name=value` of a field, repeatable; name= removes the field", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return fmt.Errorf("%q is no field: allowed is name=value", s)
		}
		if *to == nil {
			*to = map[string][]string{}
		}
		(*to)[name] = append((*to)[name], nonempty(value)...)
		return nil
	})
}

func nonempty(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
