package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// policy returns the policy that a desk works by: the one that --policy names, or
// the one that it has adopted last, or janet; with the agreement that --sla names.
func (c *call) policy(ctx context.Context, store storage.Store) (*workflow.Policy, error) {
	var p *workflow.Policy
	var err error
	if c.rules != "" {
		if p, err = loadPolicy(c.rules); err != nil {
			return nil, fmt.Errorf("--policy: %w", err)
		}
	} else if p, err = adoptedPolicy(ctx, store, 0); errors.Is(err, storage.ErrNotFound) {
		p, err = workflow.Default(), nil
	}
	if err != nil {
		return nil, err
	}
	return c.agree(p)
}

// adoptedPolicy returns a policy that was adopted: a version, or the newest for 0.
func adoptedPolicy(ctx context.Context, store storage.Store, version uint32) (*workflow.Policy, error) {
	adopted, text, err := desk.Adopted(ctx, store, desk.DocumentPolicy, version)
	if err != nil {
		return nil, err
	}
	p, err := workflow.ReadPolicy(adopted.Name, text)
	if err != nil {
		return nil, fmt.Errorf("version %d of the policy, which was adopted %s: %w", adopted.Version, adopted.At.Format("2006-01-02"), err)
	}
	p.Version = adopted.Version
	return p, nil
}

// adopt makes a policy the one that the desk works by. One that lint finds errors
// in is refused.
func (c *call) adopt(ctx context.Context, name string) error {
	p, err := loadPolicy(name)
	if err != nil {
		return err
	}
	for _, f := range workflow.Lint(p) {
		if f.Severity == workflow.SeverityError {
			return fmt.Errorf("%s cannot work; desk policy lint tells all of it: %s", name, f.What)
		}
	}
	var text []byte
	if slices.Contains(workflow.Presets(), name) {
		text, err = workflow.PresetDocument(name)
	} else {
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return err
	}
	w, err := c.open(ctx, setting{create: true})
	if err != nil {
		return err
	}
	defer w.Close()
	adopted, err := desk.Adopt(ctx, w.store, c.actor(), desk.DocumentPolicy, p.Name, text, desk.Config{Now: c.now, Policy: w.desk.Policy()})
	if err != nil {
		return err
	}
	templates, err := w.me.Templates(ctx)
	if err != nil {
		return err
	}
	for _, name := range p.TemplateNames() {
		if !slices.ContainsFunc(templates, func(t desk.Template) bool { return t.Name == name && t.Text != "" }) {
			c.warn([]string{fmt.Sprintf("the policy names the template %q, which the desk does not have", name)})
		}
	}
	if c.json {
		return c.printJSON(adopted)
	}
	_, err = fmt.Fprintf(c.stdout, "the desk works by version %d of its policy, %s\n", adopted.Version, printable(adopted.Name))
	return err
}

// showAdopted prints the policy that was adopted last.
func (c *call) showAdopted(ctx context.Context) error {
	w, err := c.open(ctx, setting{})
	if err != nil {
		return err
	}
	defer w.Close()
	_, text, err := desk.Adopted(ctx, w.store, desk.DocumentPolicy, 0)
	if errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("no policy was adopted: the desk works by janet, which desk policy show janet prints")
	}
	if err == nil {
		_, err = c.stdout.Write(text)
	}
	return err
}
