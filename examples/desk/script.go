package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/workflow/sim"
)

// script plays files as package workflow/sim describes them.
func script(c *call, flags *flag.FlagSet) action {
	update := flags.Bool("update", false, "write the trace that comes into the file")
	trace := flags.Bool("trace", false, "print the script with the trace that comes")
	return func(ctx context.Context, files []string) error {
		differ := 0
		var broken []error
		for _, file := range files {
			ok, err := c.playScript(ctx, file, *update, *trace)
			if err != nil {
				broken = append(broken, fmt.Errorf("%s: %w", file, err))
			} else if !ok {
				differ++
			}
		}
		if differ > 0 {
			broken = append(broken, fmt.Errorf("%d of %d scripts came out otherwise", differ, len(files)))
		}
		return errors.Join(broken...)
	}
}

// playScript plays one file and reports whether it came out as it says. A policy
// that it names is a preset, or a file beside it, whose .yaml may be left out.
func (c *call) playScript(ctx context.Context, file string, update, trace bool) (bool, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	played, err := sim.Parse(source)
	if err != nil {
		return false, err
	}
	policies := func(name string) (*workflow.Policy, error) {
		for _, beside := range []string{name, name + ".yaml"} {
			beside = filepath.Join(filepath.Dir(file), beside)
			if _, err := os.Stat(beside); err == nil {
				return loadPolicy(beside)
			}
		}
		return loadPolicy(name)
	}
	reads := func(config *desk.Config) { config.Formats = formats() }
	result, err := sim.Run(ctx, memory.New(), played, sim.Config{Policies: policies, Desk: reads})
	if err != nil {
		return false, err
	}
	switch {
	case update:
		return len(result.Failed) == 0, os.WriteFile(file, played.Rewrite(result), 0o644)
	case trace:
		_, err := c.stdout.Write(played.Rewrite(result))
		return len(result.Failed) == 0, err
	}
	if differs := played.Compare(result); differs != nil {
		fmt.Fprintf(c.stdout, "%s: %s\n%s\n", printable(file), printable(played.ID), printableText(differs.Error()))
		return false, nil
	}
	fmt.Fprintf(c.stdout, "%s: %s: as it says\n", printable(file), printable(played.ID))
	return true, nil
}
