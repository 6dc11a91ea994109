package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// directoryDocument returns the directory that a desk works with: the file that
// --directory names, or the one that was adopted last; storage.ErrNotFound: neither.
func (c *call) directoryDocument(ctx context.Context, store storage.Store) (lookup.Document, error) {
	if c.directory != "" {
		doc, err := readDirectory(c.directory)
		if err != nil {
			err = fmt.Errorf("--directory: %w", err)
		}
		return doc, err
	}
	return desk.AdoptedDirectory(ctx, store, 0)
}

// readDirectory reads a file by what its name ends in.
func readDirectory(name string) (lookup.Document, error) {
	file, err := os.Open(name)
	if err != nil {
		return lookup.Document{}, fmt.Errorf("there is no directory %q: allowed are files as desk directory show prints them (.yaml), and tables (.csv)", name)
	}
	defer file.Close()
	parse := lookup.ParseYAML
	if strings.EqualFold(filepath.Ext(name), ".csv") {
		parse = lookup.ParseCSV
	}
	doc, err := parse(file)
	if err != nil {
		return doc, fmt.Errorf("%s: %w", name, err)
	}
	return doc, nil
}

// directoryFlags are those of the changes of a directory.
type directoryFlags struct {
	doing
	source, label, contact *string
	except                 *bool
}

// directories is the subcommand directory: its first argument says what to do.
func directories(c *call, flags *flag.FlagSet) action {
	f := directoryFlags{
		doing:   newDoing(c, flags),
		source:  flags.String("source", "", "`name` of where an import comes from: what came from there before is replaced; of set and remove, that of the row"),
		label:   flags.String("label", "", "`words` for the network, of set"),
		contact: flags.String("contact", "", "mail `address` of the abuse contact of a constituency that is new, of set"),
		except:  flags.Bool("except", false, "of set: the scope belongs to nobody, whatever is around it; then without CONSTITUENCY"),
	}
	return func(ctx context.Context, words []string) error {
		switch what, args := words[0], words[1:]; {
		case what == "check" && len(args) <= 1:
			return f.check(ctx, args)
		case what == "diff" && (len(args) == 1 || len(args) == 2):
			return f.diff(ctx, args)
		case what == "adopt" && len(args) == 1:
			doc, err := readDirectory(args[0])
			if err != nil {
				return err
			}
			return f.change(ctx, func(lookup.Document) (lookup.Document, []lookup.Finding, error) { return doc, nil, nil })
		case what == "import" && len(args) == 1:
			doc, err := readDirectory(args[0])
			if err != nil {
				return err
			}
			return f.change(ctx, func(old lookup.Document) (lookup.Document, []lookup.Finding, error) {
				if old.Default == "" {
					old.Default = doc.Default
				}
				now, conflicts := old.Import(*f.source, doc)
				return now, conflicts, nil
			})
		case what == "set" && (len(args) == 2 || len(args) == 1 && *f.except):
			return f.set(ctx, args)
		case what == "remove" && len(args) == 1:
			return f.remove(ctx, args[0])
		case what == "show" && len(args) == 0:
			return f.show(ctx)
		}
		return usage("%q is nothing that desk directory does: allowed are check [FILE], diff [FILE] FILE, adopt FILE, import FILE [--source NAME], set SCOPE CONSTITUENCY, set SCOPE --except, remove SCOPE, show; a FILE ends in .yaml or .csv",
			strings.Join(words, " "))
	}
}

// adopted returns the directory that was adopted, or the empty one.
func (f directoryFlags) adopted(ctx context.Context) (*workplace, lookup.Document, error) {
	w, err := f.open(ctx, setting{create: !*f.preview})
	if err != nil {
		return nil, lookup.Document{}, err
	}
	doc, err := desk.AdoptedDirectory(ctx, w.store, 0)
	if errors.Is(err, storage.ErrNotFound) {
		err = nil
	}
	if err != nil {
		w.Close()
	}
	return w, doc, err
}

// either reads a file, or without one what was adopted.
func (f directoryFlags) either(ctx context.Context, args []string) (lookup.Document, error) {
	if len(args) > 0 {
		return readDirectory(args[0])
	}
	w, err := f.open(ctx, setting{})
	if err != nil {
		return lookup.Document{}, err
	}
	defer w.Close()
	doc, err := f.directoryDocument(ctx, w.store)
	if errors.Is(err, storage.ErrNotFound) {
		return doc, errors.New("no directory was adopted: desk directory adopt FILE does that")
	}
	return doc, err
}

func (f directoryFlags) check(ctx context.Context, args []string) error {
	doc, err := f.either(ctx, args)
	if err != nil {
		return err
	}
	if _, err := lookup.NewDirectory(doc, lookup.Config{}); err != nil {
		return err
	}
	return f.findings(doc, lookup.Check(doc))
}

func (f directoryFlags) findings(doc lookup.Document, list []lookup.Finding) error {
	if f.json {
		return f.printJSON(map[string]any{"constituencies": len(doc.Constituencies), "entries": len(doc.Entries), "findings": list})
	}
	for _, finding := range list {
		fmt.Fprintf(f.stdout, "%s: %s\n", finding.Kind, printable(finding.Text))
	}
	_, err := fmt.Fprintf(f.stdout, "%d constituencies, %d entries, %d findings\n", len(doc.Constituencies), len(doc.Entries), len(list))
	return err
}

func (f directoryFlags) diff(ctx context.Context, args []string) error {
	now, err := readDirectory(args[len(args)-1])
	if err != nil {
		return err
	}
	old, err := f.either(ctx, args[:len(args)-1])
	if err != nil {
		return err
	}
	return f.differences(old, now)
}

func (f directoryFlags) differences(old, now lookup.Document) error {
	old.Version, now.Version = 0, 0
	list := lookup.Diff(old, now)
	if f.json {
		return f.printJSON(list)
	}
	for _, change := range list {
		fmt.Fprintln(f.stdout, printable(change.String()))
	}
	_, err := fmt.Fprintf(f.stdout, "%d differences\n", len(list))
	return err
}

// change adopts another directory, once it has shown what differs.
func (f directoryFlags) change(ctx context.Context, change func(old lookup.Document) (lookup.Document, []lookup.Finding, error)) error {
	w, old, err := f.adopted(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	now, conflicts, err := change(old)
	if err != nil {
		return err
	}
	if _, err := lookup.NewDirectory(now, lookup.Config{}); err != nil {
		return err
	}
	if !f.json || *f.preview {
		if err := f.differences(old, now); err != nil {
			return err
		}
	}
	if !f.json {
		before := lookup.Check(old)
		for _, finding := range slices.Concat(conflicts, lookup.Check(now)) {
			if !slices.Contains(before, finding) {
				fmt.Fprintf(f.stdout, "%s: %s\n", finding.Kind, printable(finding.Text))
			}
		}
	}
	if *f.preview {
		if !f.json {
			fmt.Fprintln(f.stdout, "preview, nothing is stored")
		}
		return nil
	}
	adopted, err := desk.AdoptDirectory(ctx, w.store, f.actor(), "directory", now, desk.Config{Now: f.now, Policy: w.desk.Policy()})
	if err != nil {
		return err
	}
	if f.json {
		return f.printJSON(adopted)
	}
	_, err = fmt.Fprintf(f.stdout, "the desk works with version %d of its directory; a desk that serves takes it when it starts again\n", adopted.Version)
	return err
}

func (f directoryFlags) set(ctx context.Context, args []string) error {
	scope, err := lookup.ParseScope(args[0])
	if err != nil {
		return usage("%s", sentence(err))
	}
	e := lookup.Entry{Scope: scope, Label: *f.label, Source: *f.source, Except: *f.except}
	if len(args) > 1 {
		e.Constituency = args[1]
	}
	return f.change(ctx, func(doc lookup.Document) (lookup.Document, []lookup.Finding, error) {
		known := slices.ContainsFunc(doc.Constituencies, func(c lookup.Constituency) bool { return c.Name == e.Constituency })
		if *f.contact != "" {
			if known {
				return doc, nil, fmt.Errorf("the constituency %s is there: --contact is for a new one; desk directory import changes contacts", e.Constituency)
			}
			doc.Constituencies = append(slices.Clone(doc.Constituencies), lookup.Constituency{Name: e.Constituency, Contacts: []lookup.Contact{{Role: "abuse", Address: *f.contact}}})
		}
		return doc.Set(e), nil, nil
	})
}

func (f directoryFlags) remove(ctx context.Context, text string) error {
	scope, err := lookup.ParseScope(text)
	if err != nil {
		return usage("%s", sentence(err))
	}
	return f.change(ctx, func(doc lookup.Document) (lookup.Document, []lookup.Finding, error) {
		now := doc.Remove(scope, *f.source)
		if len(now.Entries) == len(doc.Entries) {
			return doc, nil, fmt.Errorf("there is no entry for %s with the source %q: desk directory show lists all", scope, *f.source)
		}
		return now, nil, nil
	})
}

// show prints the directory that is in force.
func (f directoryFlags) show(ctx context.Context) error {
	doc, err := f.either(ctx, nil)
	if err != nil {
		return err
	}
	if f.json {
		return f.printJSON(doc)
	}
	doc.Version = 0
	text, err := doc.YAML()
	if err == nil {
		_, err = bytes.NewReader(text).WriteTo(f.stdout)
	}
	return err
}
