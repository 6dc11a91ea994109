package workflow

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits of a policy document.
const (
	MaxDocument = 128 << 10 // bytes

	maxMistakes = 1000
	maxEntries  = 500  // of a mapping
	maxItems    = 5000 // of a list of texts
	maxStatuses = 100  // of a lifecycle; of a list of statuses or of mappings
)

// Place is where something stands in a document. Line and Column begin at 1;
// 0: unknown.
type Place struct {
	File         string
	Line, Column int
}

// String returns file:line:column, as far as known.
func (p Place) String() string {
	text := p.File
	if p.Line > 0 {
		text += ":" + strconv.Itoa(p.Line)
	}
	if p.Column > 0 {
		text += ":" + strconv.Itoa(p.Column)
	}
	return text
}

// Mistake is something in a policy document that cannot be. What says what was
// allowed.
type Mistake struct {
	Place
	What string
}

// DocumentError holds every mistake of a policy document, in the order of lines.
// Of more than 1,000 it holds the first ones.
type DocumentError struct {
	File     string
	Mistakes []Mistake
}

// Error implements error: a line for each mistake.
func (e *DocumentError) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = fmt.Sprintf("workflow: %s: %s", m.Place, m.What)
	}
	return strings.Join(lines, "\n")
}

// ParsePolicy reads a policy from a document in YAML, or in JSON, which YAML
// includes. Rules are those of the program that embeds the desk: the document
// lists them by name, as built-in ones. The caller owns the result.
//
// The keys of a document are called as the members of [Policy] are, in lower case
// with hyphens; the documents of the presets show them all. With "base: janet", or
// another preset, the document changes what it names and leaves the rest: entries
// of mappings are changed or added, and removed by null; lists are replaced.
// "without: [rule]" and "with: {rule: {parameter: value}}" take out, add and
// change single rules and derivations. Parameters that a document leaves out have
// their defaults. Older names are understood: RTIR's of kinds and fields, "block
// pending", and others that [OldNames] lists.
//
// A document with mistakes is a [*DocumentError], which holds them all; whatever
// [Policy.Validate] finds is among them. An error of fsys is returned wrapped.
func ParsePolicy(fsys fs.FS, name string, rules ...Rule) (*Policy, error) {
	data, err := readDocument(fsys, name)
	if err != nil {
		return nil, err
	}
	return ReadPolicy(name, data, rules...)
}

// ReadPolicy is [ParsePolicy] for a document that is at hand, such as one that a
// desk has adopted. Its mistakes name it as name.
func ReadPolicy(name string, document []byte, rules ...Rule) (*Policy, error) {
	if len(document) > MaxDocument {
		return nil, &DocumentError{name, []Mistake{{Place{File: name}, fmt.Sprintf("the document is too long: allowed are %d bytes", MaxDocument)}}}
	}
	r := &reader{file: name, places: map[string]Place{}, rules: append(Rules(), rules...)}
	names := r.ruleBook().names(r.rules)
	for i, rule := range names {
		if slices.Contains(names[:i], rule) {
			r.add(Place{File: name}, fmt.Sprintf("the program has two rules called %q: allowed is one, and none that is called like a built-in one", rule))
		}
	}
	p := r.document(document)
	if len(r.mistakes) == 0 {
		return p, nil
	}
	slices.SortStableFunc(r.mistakes, func(a, b Mistake) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
	})
	return nil, &DocumentError{name, slices.Compact(r.mistakes)}
}

func readDocument(fsys fs.FS, name string) ([]byte, error) {
	file, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("workflow: policy document: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, MaxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("workflow: policy document: %w", err)
	}
	return data, nil
}

// reader turns a tree of YAML into a policy and keeps all mistakes on the way.
type reader struct {
	file     string
	rules    []Rule // that may be listed
	mistakes []Mistake
	places   map[string]Place
	bad      []string // places with a mistake
}

func (r *reader) wrong(n *yaml.Node, place, format string, args ...any) {
	if len(r.mistakes) < maxMistakes {
		r.bad = append(r.bad, place)
	}
	r.add(Place{r.file, n.Line, n.Column}, fmt.Sprintf(format, args...))
}

func (r *reader) add(at Place, what string) {
	if len(r.mistakes) < maxMistakes {
		r.mistakes = append(r.mistakes, Mistake{at, what})
	}
}

// document reads the whole of a policy. The result is of use when there are no
// mistakes.
func (r *reader) document(data []byte) *Policy {
	p := &Policy{places: r.places}
	root, err := parseTree(data)
	if err != nil {
		r.add(syntax(r.file, err))
		return p
	}
	r.places[""] = Place{r.file, root.Line, root.Column}
	entries := r.entries(root, "")
	if entries == nil {
		return p
	}
	if base, ok := entries["base"]; ok {
		p = r.base(base)
	}
	p.Name, p.Doc = strings.TrimSuffix(path.Base(r.file), path.Ext(r.file)), ""
	r.members(root, "", reflectOf(p), map[string]func(*yaml.Node){
		"base":        func(*yaml.Node) {},
		"rules":       func(n *yaml.Node) { p.Rules = listed(r, n, r.ruleBook()) },
		"derivations": func(n *yaml.Node) { p.Derivations = listed(r, n, derivationBook()) },
		"without":     func(n *yaml.Node) { r.without(n, p) },
		"with":        func(n *yaml.Node) { r.with(n, p) },
	})
	p.settle()
	p.faults(func(place string, err error) {
		for _, bad := range r.bad {
			if bad != "" && (place == bad || strings.HasPrefix(place, bad+"/")) {
				return
			}
		}
		r.add(p.place(place), "the policy "+err.Error())
	})
	return p
}

func (r *reader) base(n *yaml.Node) *Policy {
	name, _ := r.text(n, "base")
	base, err := Preset(name)
	if err != nil {
		r.wrong(n, "base", "there is no policy %q to start from: allowed are %s", name, strings.Join(Presets(), ", "))
		return &Policy{places: r.places}
	}
	for at, place := range r.places {
		base.places[at] = place
	}
	r.places = base.places
	return base
}

// parseTree reads one YAML document, which is a mapping.
func parseTree(data []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, more yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, errors.New("the document is empty: allowed is a policy, for example base: janet")
	} else if err != nil {
		return nil, err
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("yaml: line %d: there is a second document: allowed is one", max(more.Line, 1))
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		return nil, errors.New("the document is empty: allowed is a policy, for example base: janet")
	}
	return doc.Content[0], nil
}

// syntax takes an error of the YAML library apart.
func syntax(file string, err error) (Place, string) {
	at, what := Place{File: file}, err.Error()
	found := regexp.MustCompile(`^yaml: (?:line (\d+): )?`).FindStringSubmatch(what)
	if found == nil {
		return at, what
	}
	at.Line = 1 // which the library leaves out
	if found[1] != "" {
		at.Line, _ = strconv.Atoi(found[1])
	}
	return at, what[len(found[0]):]
}

// place returns where a document says something, or the section that it stands in.
func (p *Policy) place(name string) Place {
	for {
		if at, ok := p.places[name]; ok || name == "" {
			return at
		}
		name = name[:max(strings.LastIndexByte(name, '/'), 0)]
	}
}
