package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/airtight-csirt/airtight/adapters/exportdir"
	programs "github.com/airtight-csirt/airtight/adapters/program"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// means are what the reactions of a policy need.
type means struct{ programs, exports, templates string }

func (m *means) register(flags *flag.FlagSet) {
	flags.StringVar(&m.programs, "programs", "", "`directory` of the programs that reactions of the policy may run")
	flags.StringVar(&m.exports, "exports", "", "`directory` to which reactions of the policy write lists, like null routes")
	flags.StringVar(&m.templates, "templates", "", "`directory` of the templates for mail of reactions: NAME.txt, or NAME.de.txt in another language")
}

// give hands to a desk what there is.
func (m means) give(config *desk.Config) error {
	if m.programs != "" {
		dir, err := programs.New(m.programs, programs.Config{})
		if err != nil {
			return fmt.Errorf("--programs: %w", err)
		}
		config.Programs = dir.Run
	}
	if m.exports != "" {
		dir, err := exportdir.New(m.exports)
		if err != nil {
			return fmt.Errorf("--exports: %w", err)
		}
		config.Exports = dir.Put
	}
	if m.templates != "" {
		var err error
		if config.Templates, err = readTemplates(m.templates); err != nil {
			return fmt.Errorf("--templates: %w", err)
		}
	}
	return nil
}

// readTemplates reads NAME.txt and NAME.LANGUAGE.txt, and looks for mistakes in them.
func readTemplates(dir string) (list []mail.Template, err error) {
	const longest = 1 << 20
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		stem, ok := strings.CutSuffix(entry.Name(), ".txt")
		if !ok || entry.IsDir() {
			continue
		}
		if info, err := entry.Info(); err != nil || info.Size() > longest {
			return nil, errors.Join(err, fmt.Errorf("%s has more than %d bytes", entry.Name(), longest))
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		t := mail.Template{Text: string(text)}
		t.Name, t.Language, _ = strings.Cut(stem, ".")
		list = append(list, t)
	}
	for _, t := range list {
		include := func(name string) (string, bool) {
			other, ok := mail.Pick(list, name, t.Language)
			return other.Text, ok
		}
		if err := mail.Check(t.Text, mail.Schema{Variables: mail.TemplateVariables(), Include: include}); err != nil {
			return nil, fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return list, nil
}

// reactions prints the reactions to a ticket that the outbox holds.
func (c *call) reactions(rows []storage.Outgoing) {
	heading := "\nReactions\n"
	for _, o := range rows {
		if o.Reaction == "" {
			continue
		}
		fmt.Fprint(c.stdout, heading)
		heading = ""
		status := string(o.Status)
		switch o.Status {
		case storage.Sent:
			status = "done"
		case storage.Sending:
			status = "at work"
		}
		fmt.Fprintf(c.stdout, "  %s to %s: %s", printable(o.Reaction), place(o.Ticket, o.Version), status)
		c.tries(o)
	}
}

// tries ends a line about a row of the outbox.
func (c *call) tries(o storage.Outgoing) {
	if o.Attempts > 0 {
		fmt.Fprintf(c.stdout, ", tried %d times", o.Attempts)
	}
	if o.LastError != "" {
		fmt.Fprintf(c.stdout, ", %s", printable(o.LastError))
	}
	fmt.Fprintln(c.stdout)
}
