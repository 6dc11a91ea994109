package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// DocumentTemplate begins the names of the documents that templates are: template/NAME,
// or template/NAME.de in a language.
const DocumentTemplate = "template"

// TemplateDocument returns the document that a template of a name in a language is, for
// [Adopted] and [Adoptions].
func TemplateDocument(name, language string) string {
	return DocumentTemplate + "/" + templateTitle(name, language)
}

func templateTitle(name, language string) string {
	if language == "" {
		return name
	}
	return name + "." + language
}

// Template is a template that a desk has: one of Config.Templates, or one that was
// adopted in its place (AIRT paper 3.2).
type Template struct {
	Name     string         `json:"name"`
	Language string         `json:"language,omitempty"` // as in [mail.Template]
	Text     string         `json:"text"`               // empty: it was retired
	Version  uint32         `json:"version"`            // 0: of Config.Templates
	At       time.Time      `json:"at,omitzero"`        // when it was adopted
	By       incident.Actor `json:"by,omitempty"`       // by whom
}

// MaxTemplate is how many bytes a template that is adopted may have.
const MaxTemplate = 256 << 10

// Templates returns the templates that the desk has, by name and language, with those
// that were retired.
func (s *Session) Templates(ctx context.Context) (list []Template, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		t, err := s.desk.templatesOf(ctx, r)
		if err != nil {
			return err
		}
		list, err = t.all()
		return err
	})
	return list, err
}

// CheckTemplate reports what is wrong with a template as [Desk.AdoptTemplate] would, and
// the same warnings.
func (s *Session) CheckTemplate(ctx context.Context, t mail.Template) (warnings []string, err error) {
	err = s.view(ctx, func(ctx context.Context, r storage.Reader) error {
		all, err := documentsOf(ctx, r)
		if err != nil {
			return err
		}
		warnings, err = s.desk.checkTemplate(ctx, r, all, t)
		return err
	})
	return warnings, err
}

// AdoptTemplate makes a template one of the desk's documents, as [Adopt] does a policy:
// it counts from then on, in the place of one of Config.Templates that has its name and
// language. Without a text it is retired: there is no template of this name in this
// language any more, until another one is adopted. When the newest version has the same
// text, that one is returned and nothing is written. Like Adopt it asks for no right.
//
// Warnings are sentences about templates that the policy names and the desk does not
// have. Errors: what [mail.Check] finds, here or in others that include the template; a
// name or language that cannot be; more than [MaxTemplate] bytes; retiring what there is
// not; those of the store, [*VetoError].
func (d *Desk) AdoptTemplate(ctx context.Context, by incident.Actor, t mail.Template) (adopted Adoption, warnings []string, err error) {
	seed, err := d.seed()
	if err != nil {
		return Adoption{}, nil, err
	}
	var result *Result
	err = update(ctx, d.store, func(ctx context.Context, tx storage.Tx) error {
		check := func(all documents) (err error) {
			warnings, err = d.checkTemplate(ctx, tx, all, t)
			return err
		}
		adopted, result, err = d.adopt(ctx, tx, by, seed, TemplateDocument(t.Name, t.Language), templateTitle(t.Name, t.Language), []byte(t.Text), check)
		return err
	})
	if err == nil && result != nil {
		d.Announce(ctx, result)
	}
	return adopted, warnings, err
}

// checkTemplate looks at a template among those that are in force.
func (d *Desk) checkTemplate(ctx context.Context, r storage.Reader, all documents, t mail.Template) (warnings []string, err error) {
	const letters, digits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	switch {
	case t.Name == "" || len(t.Name) > 64 || strings.Trim(t.Name, letters+digits+"-_") != "":
		return nil, fmt.Errorf("desk: a template cannot be called %q: allowed are letters, digits, hyphens and underlines, 64 at most", t.Name)
	case len(t.Language) > 35 || strings.Trim(t.Language, letters+digits+"-") != "" || strings.Trim(t.Language, "-") != t.Language:
		return nil, fmt.Errorf("desk: %q is no language of a template: allowed are tags like de or pt-BR, or none", t.Language)
	case len(t.Text) > MaxTemplate:
		return nil, fmt.Errorf("desk: the template has %d bytes: allowed are %d", len(t.Text), MaxTemplate)
	case incident.Clean(t.Text) != t.Text:
		return nil, errors.New("desk: the template has control characters, or is no UTF-8: allowed is text in UTF-8")
	}
	now := d.templatesAmong(ctx, r, all)
	before, err := now.all()
	if err != nil {
		return nil, err
	}
	var after []mail.Template
	found := false
	for _, have := range before {
		if have.Name == t.Name && strings.EqualFold(have.Language, t.Language) {
			if have.Language != t.Language {
				return nil, fmt.Errorf("desk: the language of the template is written %q: allowed is %q, as before", t.Language, have.Language)
			}
			found = have.Text != ""
		} else if have.Text != "" {
			after = append(after, mail.Template{Name: have.Name, Language: have.Language, Text: have.Text})
		}
	}
	_, retired := all[TemplateDocument(t.Name, t.Language)]
	if t.Text == "" && !found && !retired {
		return nil, fmt.Errorf("desk: there is no template %q to retire: %s", templateTitle(t.Name, t.Language), now.allowed())
	}
	if t.Text != "" {
		after = append(after, t)
	}
	for _, each := range after {
		if each.Name != t.Name && !strings.Contains(each.Text, "@INCLUDE="+t.Name+"@") {
			continue
		}
		if err := checkAmong(after, each); err != nil {
			switch {
			case each == t:
				return nil, err
			case checkAmong(now.list, each) == nil: // otherwise it was wrong before
				return nil, fmt.Errorf("desk: then %s cannot be used: %w", templateTitle(each.Name, each.Language), err)
			}
		}
	}
	for _, name := range d.config.Policy.TemplateNames() {
		if _, ok := mail.Pick(after, name); !ok {
			warnings = append(warnings, fmt.Sprintf("the policy names the template %q, which the desk does not have", name))
		}
	}
	return warnings, nil
}

// checkAmong checks a template that may include others.
func checkAmong(list []mail.Template, t mail.Template) error {
	return mail.Check(t.Text, mail.Schema{Variables: mail.TemplateVariables(), Include: func(name string) (string, bool) {
		other, ok := mail.Pick(list, name, t.Language)
		return other.Text, ok
	}})
}

// templates are those that a desk has. The text of one that was adopted is read when it
// is picked.
type templates struct {
	list    []mail.Template
	adopted map[string]Adoption // by document; of retired ones too
	open    func(incident.Digest) ([]byte, error)
	err     error // what became of reading
}

func (d *Desk) templatesOf(ctx context.Context, r storage.Reader) (*templates, error) {
	all, err := documentsOf(ctx, r)
	if err != nil {
		return nil, err
	}
	return d.templatesAmong(ctx, r, all), nil
}

func (d *Desk) templatesAmong(ctx context.Context, r storage.Reader, all documents) *templates {
	t := &templates{adopted: map[string]Adoption{}, open: func(digest incident.Digest) ([]byte, error) { return readBlob(ctx, r.OpenBlob, digest) }}
	for document, a := range all {
		if title, ok := strings.CutPrefix(document, DocumentTemplate+"/"); ok {
			t.adopted[document] = a
			if !a.holds(nil) {
				name, language, _ := strings.Cut(title, ".")
				t.list = append(t.list, mail.Template{Name: name, Language: language})
			}
		}
	}
	for _, built := range d.config.Templates {
		if _, replaced := t.adopted[TemplateDocument(built.Name, built.Language)]; !replaced {
			t.list = append(t.list, built)
		}
	}
	slices.SortFunc(t.list, func(a, b mail.Template) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Language, b.Language))
	})
	return t
}

// pick returns a template with its text.
func (t *templates) pick(name string, languages ...string) (mail.Template, bool) {
	found, ok := mail.Pick(t.list, name, languages...)
	if a, is := t.adopted[TemplateDocument(found.Name, found.Language)]; ok && is {
		text, err := t.open(a.Blobs[0])
		t.err = errors.Join(t.err, err)
		found.Text = string(text)
	}
	return found, ok
}

// include returns how templates in a language include others.
func (t *templates) include(language string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		found, ok := t.pick(name, language)
		return found.Text, ok
	}
}

// all returns every template with its text, and those that were retired.
func (t *templates) all() ([]Template, error) {
	var list []Template
	for i, have := range t.list {
		if a, ok := t.adopted[TemplateDocument(have.Name, have.Language)]; ok {
			text, err := t.open(a.Blobs[0])
			if err != nil {
				return nil, err
			}
			have.Text = string(text)
			t.list[i].Text = have.Text
		}
		list = append(list, Template{Name: have.Name, Language: have.Language, Text: have.Text})
	}
	for document, a := range t.adopted {
		if a.holds(nil) {
			name, language, _ := strings.Cut(strings.TrimPrefix(document, DocumentTemplate+"/"), ".")
			list = append(list, Template{Name: name, Language: language})
		}
	}
	for i := range list {
		a := t.adopted[TemplateDocument(list[i].Name, list[i].Language)]
		list[i].Version, list[i].At, list[i].By = a.Version, a.At, a.By
	}
	slices.SortFunc(list, func(a, b Template) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Language, b.Language))
	})
	return list, nil
}

// allowed is the end of a sentence: the names that there are.
func (t *templates) allowed() string {
	var names []string
	for _, have := range t.list {
		names = append(names, have.Name)
	}
	if len(names) == 0 {
		return "the desk has none"
	}
	return "allowed are " + strings.Join(slices.Compact(names), ", ")
}

// NoTemplateError says that a desk has no template of a name.
type NoTemplateError struct {
	Name    string
	Allowed string // what there is, in words
}

// Error implements error.
func (e *NoTemplateError) Error() string {
	return fmt.Sprintf("desk: there is no template %q: %s", e.Name, e.Allowed)
}

// filling is a template that is to be filled in about a ticket.
type filling struct {
	ticket    incident.Ticket
	incidents []incident.Ticket // of it; what it lacks is theirs
	to        []incident.Party
	template  mail.Template
	languages []string
	info      string
	session   *Session // who writes; nil: the desk
	refuse    bool
}

// fill fills in a template. wrong is what is the matter with the template, err anything
// else.
func (d *Desk) fill(ctx context.Context, r storage.Reader, t *templates, f filling) (out mail.Expanded, wrong, err error) {
	include := t.include(f.template.Language)
	facts, err := d.templateFacts(ctx, r, f, mail.Used(f.template.Text, include))
	if err = errors.Join(err, t.err); err != nil {
		return out, nil, err
	}
	out, wrong = mail.Expand(f.template.Text, mail.Expansion{Value: facts.value, Include: include, Refuse: f.refuse, Limit: maxLetter})
	return out, wrong, t.err
}

// languagesFor returns the languages for a mail, the best first; explicit is what
// somebody has asked for.
func (d *Desk) languagesFor(explicit string, to []incident.Party, t incident.Ticket, incidents []incident.Ticket) []string {
	if explicit != "" {
		return []string{explicit}
	}
	for _, of := range append([]incident.Ticket{t}, incidents...) {
		if of.Constituency != "" {
			t.Constituency = of.Constituency
			break
		}
	}
	return d.choices(to).LanguagesFor(to, t.Constituency)
}

// choices is what the policy says of templates, beside what the directory says of its
// contacts: what the policy says of the very address counts before that.
func (d *Desk) choices(to []incident.Party) workflow.Templates {
	c := d.config.Policy.Templates
	if d.config.Directory == nil {
		return c
	}
	c.Recipients, c.Languages = maps.Clone(c.Recipients), maps.Clone(c.Languages)
	for _, p := range to {
		contact, ok := d.config.Directory.Contact(p.Address)
		if !ok {
			continue
		}
		c.Recipients = with(c.Recipients, p.Address, contact.Template)
		c.Languages = with(c.Languages, p.Address, contact.Language)
	}
	return c
}

// with adds what is said of an address, unless nothing is, or something was said.
func with(said map[string]string, address, what string) map[string]string {
	for known := range said {
		if incident.SameAddress(known, address) {
			return said
		}
	}
	if what == "" {
		return said
	}
	if said == nil {
		said = map[string]string{}
	}
	said[address] = what
	return said
}

// incidentsOf returns the incidents that a ticket belongs to, as far as somebody may see
// them.
func (d *Desk) incidentsOf(ctx context.Context, r storage.Reader, t incident.Ticket, scope *storage.Scope) ([]incident.Ticket, error) {
	if len(t.Parents) == 0 {
		return nil, nil
	}
	return r.Find(ctx, storage.Query{IDs: t.Parents, Scope: scope, Limit: maxListed})
}
