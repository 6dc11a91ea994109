package export

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"text/template"
)

// Form is a text into which a list of networks is put: a template (text/template)
// that is given a [List]. A form of your own is a program of whoever wrote it: it may
// loop for as long as it likes.
type Form struct {
	Name    string // "nullroute"
	Dialect string // of the router: "junos"; empty: the form has none

	template *template.Template
}

// MaxBytes is the length of the longest text that a form may write.
const MaxBytes = 64 << 20

// longestForm is the length of the longest form, in bytes.
const longestForm = 1 << 20

//go:embed templates/*.tmpl
var templates embed.FS

// Forms returns those that come along: "list" writes a network on each line;
// "nullroute" takes away what is sent to the networks, in the dialects bird,
// cisco-ios (its first one), frr, junos, linux and nftables.
//
// Texts of bird, junos, linux and nftables are complete: loading one takes back what
// an earlier one did, also when it lists nothing. Those of cisco-ios and frr are
// lines of a configuration, in which lines that are gone must be taken back by what
// loads them: "configure replace", frr-reload.
func Forms() []Form {
	entries, err := fs.ReadDir(templates, "templates")
	if err != nil {
		panic(err) // they are part of the program
	}
	var forms []Form
	for _, entry := range entries {
		text, err := fs.ReadFile(templates, path.Join("templates", entry.Name()))
		if err != nil {
			panic(err)
		}
		name, dialect, _ := strings.Cut(strings.TrimSuffix(entry.Name(), ".tmpl"), ".")
		f, err := ParseForm(name, dialect, string(text))
		if err != nil {
			panic(err) // a test reads them
		}
		forms = append(forms, f)
	}
	slices.SortStableFunc(forms, func(a, b Form) int { // the first dialect is what stands for all
		first := func(f Form) int {
			if f.Dialect == "cisco-ios" {
				return 0
			}
			return 1
		}
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		return first(a) - first(b)
	})
	return forms
}

// Names returns the names of forms, with their dialects.
func Names(forms []Form) []string {
	var names []string
	dialects := map[string][]string{}
	for _, f := range forms {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
		if f.Dialect != "" {
			dialects[f.Name] = append(dialects[f.Name], f.Dialect)
		}
	}
	for i, name := range names {
		if list := dialects[name]; len(list) > 0 {
			names[i] += " (" + strings.Join(list, ", ") + ")"
		}
	}
	return names
}

// Find returns the form of a name and dialect: without a dialect the first one of
// that name. The error says which there are.
func Find(forms []Form, name, dialect string) (Form, error) {
	for _, f := range forms {
		if f.Name == name && (dialect == "" || f.Dialect == dialect) {
			return f, nil
		}
	}
	if dialect != "" {
		name += " in the dialect " + dialect
	}
	return Form{}, fmt.Errorf("export: there is no template %s: allowed are %s", name, strings.Join(Names(forms), ", "))
}

// ParseForm reads a form. What it may use are the members and methods of [List] and
// [Network]:
//
//	{{range .IPv4}}route {{.Address}} {{.Mask}} discard
//	{{end}}{{range .IPv6}}route {{.}} discard
//	{{end}}
//
// The error names the line.
func ParseForm(name, dialect, text string) (Form, error) {
	if len(text) > longestForm {
		return Form{}, fmt.Errorf("export: the template %s has %d bytes: allowed are %d", name, len(text), longestForm)
	}
	t, err := template.New(name).Option("missingkey=error").Parse(text)
	if err != nil {
		return Form{}, fmt.Errorf("export: the template %s cannot be read: %w", name, err)
	}
	f := Form{Name: name, Dialect: dialect, template: t}
	if _, err := f.Render(sample()); err != nil { // a member that is not there is found now
		return Form{}, err
	}
	return f, nil
}

// sample has a network of either family.
func sample() List {
	e := Export{Template: "sample"}
	var l List
	for _, p := range distinct(append(e.Spare, nowhere()[1].network, nowhere()[6].network)) {
		l.Networks = append(l.Networks, Network{p})
	}
	return l
}

// ErrTooLong is returned for a text of more than [MaxBytes].
var ErrTooLong = errors.New("export: the text is too long: allowed are 64 MiB")

// Render writes a list. The same list gives the same bytes. An error is one of the
// template, or [ErrTooLong].
func (f Form) Render(l List) ([]byte, error) {
	if f.template == nil {
		return nil, errors.New("export: the form is empty: make it by ParseForm, or find it in Forms")
	}
	var b bytes.Buffer
	if err := f.template.Execute(limited{&b, MaxBytes}, l); err != nil {
		if errors.Is(err, ErrTooLong) {
			return nil, ErrTooLong
		}
		return nil, fmt.Errorf("export: the template %s cannot be filled in: %w", f.Name, err)
	}
	return b.Bytes(), nil
}

// limited refuses to make a text longer than most.
type limited struct {
	*bytes.Buffer
	most int
}

var _ io.Writer = limited{}

// Write implements io.Writer.
func (l limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > l.most {
		return 0, ErrTooLong
	}
	return l.Buffer.Write(p)
}
