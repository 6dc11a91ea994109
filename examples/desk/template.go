package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// shipped are the templates that come with the program.
//
//go:embed templates
var shipped embed.FS

// templates returns the templates that come with the program, and those of --templates:
// a name that is there is not taken from the program, in any language.
func (o *options) givenTemplates() ([]mail.Template, error) {
	built, err := fs.Sub(shipped, "templates")
	if err != nil {
		return nil, err
	}
	list, err := readTemplates(built)
	if err != nil || o.templates == "" {
		return list, err
	}
	own, err := readTemplates(os.DirFS(o.templates))
	if err != nil {
		return nil, fmt.Errorf("--templates: %w", err)
	}
	list = slices.DeleteFunc(list, func(t mail.Template) bool {
		return slices.ContainsFunc(own, func(have mail.Template) bool { return have.Name == t.Name })
	})
	list = append(list, own...)
	for _, t := range own {
		include := func(name string) (string, bool) {
			other, ok := mail.Pick(list, name, t.Language)
			return other.Text, ok
		}
		if err := mail.Check(t.Text, mail.Schema{Variables: mail.TemplateVariables(), Include: include}); err != nil {
			return nil, fmt.Errorf("--templates: %s: %w", t.Name, err)
		}
	}
	return list, nil
}

// readTemplates reads NAME.txt and NAME.LANGUAGE.txt.
func readTemplates(dir fs.FS) (list []mail.Template, err error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if entry.IsDir() || !strings.HasSuffix(entry.Name(), ".txt") {
			continue
		}
		t, err := readTemplate(dir, entry.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

func readTemplate(dir fs.FS, name string) (t mail.Template, err error) {
	info, err := fs.Stat(dir, name)
	if err == nil && info.Size() > desk.MaxTemplate {
		err = fmt.Errorf("%s has %d bytes: allowed are %d", name, info.Size(), desk.MaxTemplate)
	}
	if err != nil {
		return t, err
	}
	text, err := fs.ReadFile(dir, name)
	t.Text = string(text)
	t.Name, t.Language, _ = strings.Cut(strings.TrimSuffix(name, ".txt"), ".")
	return t, err
}

// templateFile reads a template whose name and language are those of its file.
func templateFile(path string) (mail.Template, error) {
	if !strings.HasSuffix(path, ".txt") {
		return mail.Template{}, usage("%q is no file of a template: allowed are NAME.txt, and NAME.de.txt in a language", path)
	}
	return readTemplate(os.DirFS(filepath.Dir(path)), filepath.Base(path))
}

const templateWords = "list | show NAME | check [FILE...] | preview NAME ID | adopt FILE... | retire NAME | history NAME"

// templateAction is the subcommand template: its first argument says what to do.
func templateAction(c *call, flags *flag.FlagSet) action {
	t := templateCall{doing: newDoing(c, flags)}
	flags.StringVar(&t.language, "language", "", "`language` of the template, like de; default: the one without a language, or as the policy says")
	flags.StringVar(&t.info, "info", "", "with preview: `text` that @USERINFO@ stands for")
	flags.UintVar(&t.version, "version", 0, "with show: `number` of the version; default: the one in force")
	flags.IntVar(&t.limit, "limit", 100, "with list: `number` of templates at most; 0: all")
	flags.StringVar(&t.after, "after", "", "with list: only those behind this `name`, as the page before it says")
	return func(ctx context.Context, words []string) error {
		w, err := c.open(ctx, setting{create: words[0] == "adopt" && !*t.preview})
		if err != nil {
			return err
		}
		defer w.Close()
		t.workplace = w
		switch what, names := words[0], words[1:]; {
		case what == "list" && len(names) == 0:
			return t.listAll(ctx)
		case what == "show" && len(names) == 1:
			return t.show(ctx, names[0])
		case what == "check":
			return t.check(ctx, names)
		case what == "preview" && len(names) == 2:
			return t.tryOut(ctx, names[0], names[1])
		case what == "adopt" && len(names) > 0:
			return t.adopt(ctx, names)
		case what == "retire" && len(names) == 1:
			return t.change(ctx, mail.Template{Name: names[0], Language: t.language})
		case what == "history" && len(names) == 1:
			return t.history(ctx, names[0])
		}
		return usage("%q is nothing that desk template does: allowed are %s", strings.Join(words, " "), templateWords)
	}
}

type templateCall struct {
	doing
	*workplace
	language, info, after string
	version               uint
	limit                 int
}

func (t templateCall) listAll(ctx context.Context) error {
	if t.limit < 0 {
		return usage("--limit %d is no number of templates: allowed are 0 and more", t.limit)
	}
	list, err := t.me.Templates(ctx)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(one desk.Template) bool { return title(one) <= t.after })
	more := t.limit > 0 && len(list) > t.limit
	if more {
		list = list[:t.limit]
	}
	if t.json {
		if list == nil {
			list = []desk.Template{}
		}
		return t.printJSON(list)
	}
	table := tabwriter.NewWriter(t.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "TEMPLATE\tVERSION\tADOPTED\tBEGINS")
	for _, one := range list {
		version, adopted := "-", "comes along"
		if one.Version > 0 {
			version, adopted = fmt.Sprint(one.Version), fmt.Sprintf("%s by %s", one.At.In(t.zone).Format("2006-01-02 15:04"), actor(one.By))
		}
		first, _, _ := strings.Cut(one.Text, "\n")
		if one.Text == "" {
			first = "(retired)"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", printable(title(one)), version, printable(adopted), printable(first))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more {
		fmt.Fprintf(t.stdout, "more: --after %s\n", printable(title(list[len(list)-1])))
	}
	return nil
}

// title is a template as a list calls it: NAME, or NAME.de.
func title(t desk.Template) string { return strings.TrimSuffix(t.Name+"."+t.Language, ".") }

func (t templateCall) show(ctx context.Context, name string) error {
	var found desk.Template
	if t.version > 0 {
		a, text, err := desk.Adopted(ctx, t.store, desk.TemplateDocument(name, t.language), uint32(min(t.version, 1<<31)))
		if err != nil {
			return err
		}
		found = desk.Template{Name: name, Language: t.language, Text: string(text), Version: a.Version, At: a.At, By: a.By}
	} else {
		list, err := t.me.Templates(ctx)
		if err != nil {
			return err
		}
		var texts []mail.Template
		for _, one := range list {
			if one.Text != "" {
				texts = append(texts, mail.Template{Name: one.Name, Language: one.Language, Text: one.Text})
			}
		}
		picked, ok := mail.Pick(texts, name, t.language)
		if !ok {
			return fmt.Errorf("there is no template %q: desk template list shows all", name)
		}
		found = list[slices.IndexFunc(list, func(one desk.Template) bool { return one.Name == picked.Name && one.Language == picked.Language })]
	}
	if t.json {
		return t.printJSON(found)
	}
	_, err := fmt.Fprint(t.stdout, printableText(found.Text))
	return err
}

// check looks at files, or at all templates that the desk has.
func (t templateCall) check(ctx context.Context, files []string) error {
	var list []mail.Template
	for _, path := range files {
		one, err := templateFile(path)
		if err != nil {
			return err
		}
		list = append(list, one)
	}
	if len(files) == 0 {
		all, err := t.me.Templates(ctx)
		if err != nil {
			return err
		}
		for _, one := range all {
			if one.Text != "" {
				list = append(list, mail.Template{Name: one.Name, Language: one.Language, Text: one.Text})
			}
		}
	}
	type finding struct {
		Template string `json:"template,omitempty"`
		What     string `json:"what"`
	}
	findings := []finding{}
	wrong := 0
	for _, one := range list {
		warnings, err := t.me.CheckTemplate(ctx, one)
		if err != nil {
			wrong++
			for line := range strings.SplitSeq(err.Error(), "\n") {
				findings = append(findings, finding{title(desk.Template{Name: one.Name, Language: one.Language}), sentence(errors.New(line))})
			}
		}
		for _, warning := range warnings {
			if f := (finding{What: warning}); !slices.Contains(findings, f) {
				findings = append(findings, f)
			}
		}
	}
	if t.json {
		if err := t.printJSON(findings); err != nil {
			return err
		}
	} else {
		for _, f := range findings {
			fmt.Fprintln(t.stdout, strings.TrimPrefix(printable(f.Template+": "+f.What), ": "))
		}
		fmt.Fprintf(t.stdout, "%d of %d templates can be used\n", len(list)-wrong, len(list))
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d templates cannot be used", wrong, len(list))
	}
	return nil
}

// tryOut prints what a template makes of a ticket.
func (t templateCall) tryOut(ctx context.Context, name, word string) error {
	id, err := parseID(word)
	if err != nil {
		return err
	}
	ticket, err := t.me.Ticket(ctx, id)
	if err != nil {
		return err
	}
	b := desk.Beginning{Template: name, Language: t.language, Info: t.info}
	letter, drafted := workflow.Reply{}, desk.Drafted{}
	if ticket.Kind == incident.KindIncident {
		var open workflow.Open
		open, drafted, err = t.me.DraftOpen(ctx, workflow.Open{Kind: incident.KindInvestigation, From: id}, b)
		letter = workflow.Reply{To: open.Requestors, Subject: open.Subject, Text: open.Text}
	} else if letter, drafted, err = t.me.Draft(ctx, id, b); len(letter.To) == 0 {
		letter.To = ticket.Requestors
	}
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(map[string]any{"to": letter.To, "subject": letter.Subject, "text": letter.Text, "drafted": drafted})
	}
	t.remarks(drafted)
	t.letter(letter.To, letter.Subject, letter.Text)
	return nil
}

// letter prints a mail that is not sent.
func (c *call) letter(to []incident.Party, subject, text string) {
	fmt.Fprintf(c.stdout, "To: %s\nSubject: %s\n\n%s\n", printable(parties(to)), printable(subject), strings.TrimRight(printableText(text), "\n"))
}

func parties(list []incident.Party) string {
	var names []string
	for _, p := range list {
		names = append(names, p.String())
	}
	return cmp.Or(strings.Join(names, ", "), "nobody")
}

func (t templateCall) adopt(ctx context.Context, files []string) error {
	var list []mail.Template
	for _, path := range files {
		one, err := templateFile(path)
		if err != nil {
			return err
		}
		if one.Text == "" {
			return fmt.Errorf("%s is empty: desk template retire %s retires it", path, one.Name)
		}
		list = append(list, one)
	}
	for _, one := range list {
		if err := t.change(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// change adopts or retires a template.
func (t templateCall) change(ctx context.Context, one mail.Template) error {
	name := title(desk.Template{Name: one.Name, Language: one.Language})
	if *t.preview {
		warnings, err := t.me.CheckTemplate(ctx, one)
		if err == nil {
			fmt.Fprintf(t.stdout, "preview, nothing is stored: %s can be adopted or retired\n", printable(name))
			t.warn(warnings)
		}
		return aboutTemplate(name, err)
	}
	adopted, warnings, err := t.desk.AdoptTemplate(ctx, t.actor(), one)
	if err != nil {
		return aboutTemplate(name, err)
	}
	t.warn(warnings)
	if t.json {
		return t.printJSON(adopted)
	}
	what := "is in force"
	if one.Text == "" {
		what = "retires it"
	}
	_, err = fmt.Fprintf(t.stdout, "version %d of the template %s %s\n", adopted.Version, printable(name), what)
	return err
}

// aboutTemplate says which template an error is about.
func aboutTemplate(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s", name, sentence(err))
}

func (c *call) warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(c.stderr, "warning: %s\n", printable(w))
	}
}

func (t templateCall) history(ctx context.Context, name string) error {
	list, err := desk.Adoptions(ctx, t.store, desk.TemplateDocument(name, t.language))
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("no version of the template %s was adopted", title(desk.Template{Name: name, Language: t.language}))
	}
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(list)
	}
	for _, a := range list {
		retired := ""
		if a.Blobs[0] == incident.DigestOf(nil) {
			retired = ", retired"
		}
		fmt.Fprintf(t.stdout, "version %d: %s by %s%s\n", a.Version, a.At.In(t.zone).Format("2006-01-02 15:04"), printable(actor(a.By)), retired)
	}
	return nil
}
