package main

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/adapters/exportdir"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/workflow/export"
)

// exportList writes networks of tickets as text for a router.
func exportList(c *call, flags *flag.FlagSet) action {
	var e export.Export
	var named []string
	flags.StringVar(&e.Template, "template", "list", "`name` of the form: "+strings.Join(export.Names(export.Forms()), ", "))
	flags.StringVar(&e.Dialect, "dialect", "", "`dialect` of the form; default: its first one")
	file := flags.String("template-file", "", "`file` with a form of your own, in place of --template")
	output := flags.String("output", "", "`file` that is replaced at once, unless its text is the same; default: standard output")
	several(flags, "status", "`status` of the tickets", &named, word)
	several(flags, "state", "`state` of the tickets", &e.States, word)
	several(flags, "kind", "`kind` of the tickets", &e.Kinds, func(s string) (incident.Kind, error) {
		kind, ok := incident.ParseKind(s)
		if !ok {
			return "", fmt.Errorf("there is no kind %q: allowed are %v", s, incident.Kinds())
		}
		return kind, nil
	})
	collect(flags, "constituency", "`name` of their constituency, repeatable", &e.Constituencies, word)
	flags.Func("field", "`NAME=VALUE` of a field, repeatable: any of the values of one field", func(s string) error {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" {
			return fmt.Errorf("%q is no field: allowed is NAME=VALUE", s)
		}
		if e.Fields == nil {
			e.Fields = map[string][]string{}
		}
		e.Fields[name] = append(e.Fields[name], value)
		return nil
	})
	several(flags, "role", "`role` of what is listed: source, target or unknown; default: source", &e.Roles, export.ParseRole)
	flags.BoolVar(&e.Aggregate, "aggregate", false, "merge networks where that covers nothing more")
	several(flags, "spare", "`network` of our own: what touches it is left out", &e.Spare, parseTouches)
	flags.Func("widest", "`/N` of the widest network of IPv4 that is listed; default /16", prefixLength(&e.WidestV4))
	flags.Func("widest6", "`/N` of the widest network of IPv6 that is listed; default /32", prefixLength(&e.WidestV6))
	return func(ctx context.Context, _ []string) error {
		if *file != "" {
			form, err := readForm(*file)
			if err != nil {
				return err
			}
			c.forms = append(c.forms, form)
			e.Template, e.Dialect = form.Name, ""
		}
		w, err := c.open(ctx, setting{})
		if err != nil {
			return err
		}
		defer w.Close()
		if e.Statuses, err = chosenStatuses(w.desk.Policy(), named); err != nil {
			return err
		}
		if err := checkStates(w.desk.Policy(), e.States); err != nil {
			return err
		}
		out, err := w.me.Export(ctx, e)
		if err != nil {
			return err
		}
		return c.exported(out, *output)
	}
}

// exported prints what came of an export, or writes it to a file.
func (c *call) exported(out *desk.Exported, path string) error {
	for _, o := range out.Omitted {
		fmt.Fprintf(c.stderr, "left out: %s: %s\n", o.Network, o.Why)
	}
	report := map[string]any{
		"template": out.Form.Name, "dialect": out.Form.Dialect, "tickets": out.Tickets, "omitted": slices.Concat([]export.Omission{}, out.Omitted),
	}
	if path == "" {
		if c.json {
			networks := []netip.Prefix{}
			for _, n := range out.Networks {
				networks = append(networks, n.Prefix())
			}
			report["networks"], report["text"] = networks, string(out.Text)
			return c.printJSON(report)
		}
		_, err := c.stdout.Write(out.Text)
		return err
	}
	changed, err := exportdir.WriteFile(path, out.Text)
	if err != nil {
		return err
	}
	if c.json {
		report["file"], report["changed"] = path, changed
		return c.printJSON(report)
	}
	became := "written"
	if !changed {
		became = "as it was"
	}
	_, err = fmt.Fprintf(c.stdout, "%s: %d networks of %d tickets, %s\n", path, len(out.Networks), out.Tickets, became)
	return err
}

// chosenStatuses returns the statuses that people have named.
func chosenStatuses(p *workflow.Policy, named []string) (list []incident.Status, err error) {
	for _, s := range named {
		found := statuses(p, s)
		if len(found) == 0 {
			return nil, usage("there is no status %q: allowed are %q", s, statuses(p, ""))
		}
		list = append(list, found...)
	}
	return list, nil
}

// checkStates refuses states that the policy does not have.
func checkStates(p *workflow.Policy, states []incident.State) error {
	var known []string
	for _, s := range p.States {
		known = append(known, s.Value)
	}
	for _, s := range states {
		if len(known) > 0 && !slices.Contains(known, string(s)) {
			return usage("there is no state %q: allowed are %q", s, known)
		}
	}
	return nil
}

// readForm reads a form from a file, after which it is called.
func readForm(path string) (export.Form, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > 1<<20 {
		err = fmt.Errorf("%s has %d bytes: allowed are %d", path, info.Size(), 1<<20)
	}
	if err != nil {
		return export.Form{}, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return export.Form{}, err
	}
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return export.ParseForm(name, "", string(text))
}

// several is a flag that may be given several times, with several values behind
// commas.
func several[T any](flags *flag.FlagSet, name, doc string, to *[]T, parse func(string) (T, error)) {
	flags.Func(name, doc+"; several behind commas, repeatable", func(s string) error {
		for one := range strings.SplitSeq(s, ",") {
			v, err := parse(strings.TrimSpace(one))
			if err != nil {
				return err
			}
			*to = append(*to, v)
		}
		return nil
	})
}

// prefixLength reads /24 and 24.
func prefixLength(to *int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(strings.TrimPrefix(s, "/"))
		if err != nil || n < 1 {
			return fmt.Errorf("%q is no length of a prefix: allowed is one like /24", s)
		}
		*to = n
		return nil
	}
}
