package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/workflow"
)

// systemFiles opens what people name on a command line.
type systemFiles struct{}

// Open implements fs.FS. Names are those of the system.
func (systemFiles) Open(name string) (fs.File, error) { return os.Open(name) }

// loadPolicy reads the policy that is called name: a preset or a file.
func loadPolicy(name string) (*workflow.Policy, error) {
	if slices.Contains(workflow.Presets(), name) {
		return workflow.Preset(name)
	}
	p, err := workflow.ParsePolicy(systemFiles{}, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no policy %q: allowed are %s, and files as desk policy show prints them", name, strings.Join(workflow.Presets(), ", "))
	}
	return p, err
}

// policies is the subcommand policy: its first argument says what to do.
func policies(c *call, flags *flag.FlagSet) action {
	format := flags.String("format", "dot", "of a graph: `format`, one of "+strings.Join(workflow.GraphFormats(), ", "))
	return func(ctx context.Context, words []string) error {
		switch what, names := words[0], words[1:]; {
		case what == "lint" && len(names) == 1:
			return c.lint(names[0])
		case what == "graph" && len(names) == 1:
			return c.graph(names[0], *format)
		case what == "diff" && len(names) == 2:
			return c.diff(names[0], names[1])
		case what == "adopt" && len(names) == 1:
			return c.adopt(ctx, names[0])
		case slices.Contains([]string{"lint", "graph", "adopt"}, what):
			return usage("desk policy %s takes one POLICY: a file, or one of %s", what, strings.Join(workflow.Presets(), ", "))
		case what == "diff":
			return usage("desk policy diff takes two POLICYs: each a file, or one of %s", strings.Join(workflow.Presets(), ", "))
		case what == "show" && len(names) == 0:
			return c.showAdopted(ctx)
		case what == "show" && len(names) == 1:
			text, err := workflow.PresetDocument(names[0])
			if err == nil {
				_, err = c.stdout.Write(text)
			}
			return err
		}
		return usage("%q is nothing that desk policy does: allowed are lint POLICY, graph POLICY, diff POLICY POLICY, adopt POLICY, show [NAME]; a policy is a file, or one of %s",
			strings.Join(words, " "), strings.Join(workflow.Presets(), ", "))
	}
}

// lint prints what there is to say about a policy, and fails when it cannot work.
func (c *call) lint(name string) error {
	p, err := loadPolicy(name)
	var findings []workflow.Finding
	if wrong, ok := errors.AsType[*workflow.DocumentError](err); ok {
		for _, m := range wrong.Mistakes {
			findings = append(findings, workflow.Finding{Severity: workflow.SeverityError, Place: m.Place, What: m.What})
		}
	} else if err != nil {
		return err
	} else {
		findings = workflow.Lint(p)
	}
	errs := 0
	for _, f := range findings {
		if f.Severity == workflow.SeverityError {
			errs++
		}
		if err := c.finding(f); err != nil {
			return err
		}
	}
	if len(findings) == 0 && !c.json {
		fmt.Fprintf(c.stdout, "%s: nothing to say about %d statuses, %d fields and %d rules\n", name, countStatuses(p), len(p.Fields), len(p.Rules))
	}
	if errs > 0 {
		return fmt.Errorf("%s cannot work: %d of what is printed are errors", name, errs)
	}
	return nil
}

func countStatuses(p *workflow.Policy) (n int) {
	for _, l := range p.Lifecycles {
		n += len(l.Statuses)
	}
	return n
}

// finding prints one line.
func (c *call) finding(f workflow.Finding) error {
	if c.json {
		return c.printJSON(map[string]any{
			"severity": f.Severity, "section": f.Section, "file": f.Place.File, "line": f.Place.Line, "column": f.Place.Column, "what": f.What, "do": f.Do,
		})
	}
	_, err := fmt.Fprintln(c.stdout, printable(f.String()))
	return err
}

func (c *call) graph(name, format string) error {
	p, err := loadPolicy(name)
	if err != nil {
		return err
	}
	drawing, err := workflow.Graph(p, format)
	if err != nil {
		return usage("%s", sentence(err))
	}
	_, err = fmt.Fprint(c.stdout, drawing)
	return err
}

func (c *call) diff(first, second string) error {
	a, err := loadPolicy(first)
	if err != nil {
		return err
	}
	b, err := loadPolicy(second)
	if err != nil {
		return err
	}
	for _, d := range workflow.Diff(a, b) {
		if c.json {
			err = c.printJSON(map[string]any{"section": d.Section, "in": d.In, "first": d.First, "second": d.Second})
		} else {
			_, err = fmt.Fprintln(c.stdout, printable(d.String()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
