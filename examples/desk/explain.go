package main

import (
	"context"
	"flag"
	"fmt"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func explain(c *call, flags *flag.FlagSet) action {
	record := flags.Uint64("record", 0, "say what every rule said to the record of this `version`, in place of a topic")
	rule := flags.String("rule", "", "with --record: only the rule of this `name`")
	return c.about(func(ctx context.Context, w *workplace, id incident.ID, words []string) error {
		if *record > 0 {
			return c.replay(ctx, w, id, *record, *rule)
		}
		topics := desk.Topics()
		if len(words) > 0 {
			topics = []desk.Topic{desk.Topic(words[0])}
		}
		for i, topic := range topics {
			e, err := w.me.Explain(ctx, id, topic)
			if err != nil {
				return err
			}
			if c.json {
				if err := c.printJSON(e); err != nil {
					return err
				}
				continue
			}
			if i > 0 {
				fmt.Fprintln(c.stdout)
			}
			fmt.Fprintf(c.stdout, "%s: %s\n", topic, printable(e.Text))
		}
		return nil
	})
}

// replay prints what rules said to a record.
func (c *call) replay(ctx context.Context, w *workplace, id incident.ID, version uint64, only string) error {
	answers, err := w.me.Replay(ctx, id, version)
	if err != nil {
		return err
	}
	known := false
	for _, a := range answers {
		if only != "" && a.Rule != only {
			continue
		}
		known = true
		if c.json {
			if err := c.printJSON(a); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(c.stdout, "%s: %s\n", a.Rule, printable(answered(a)))
	}
	if !known {
		return usage("the policy has no rule %q: desk explain %s --record %d lists all", only, id, version)
	}
	return nil
}

func answered(a desk.RuleAnswer) string {
	switch {
	case !a.Woken:
		return "does not look at such records"
	case a.Fired:
		text := "fired: " + a.Why
		for _, command := range a.Commands {
			text += fmt.Sprintf("; %s on #%s", command.Name(), command.Target())
		}
		for _, command := range a.Offers {
			text += "; proposed to " + command.Name()
		}
		return text
	case a.Why != "":
		return "did not fire: " + a.Why
	}
	return "did not fire: the record is not what it is about"
}
