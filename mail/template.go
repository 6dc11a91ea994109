package mail

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Template is one version of a text of which mail is made, in the manner of
// AIRT (AIRT paper 3.2):
//
//	@SUBJECT@@INCIDENTID@: @HOSTNAME@ was scanned@ENDSUBJECT@
//	@TO@abuse@@HOSTNAME@@ENDTO@
//	Dear @USERNAME@,
//
//	your machine @IPADDRESS@ was seen in these logs:
//
//	@LOGGING|defang|quote@
//
//	@INCLUDE=signature@
//
// @NAME@, in capitals, digits and underlines, stands for a value; filters may
// follow the name: defang ([Defang]), quote ([Quote]), wrap and wrap=60
// ([Wrap]). @INCLUDE=name@ stands for the text of another
// template, without its subject and recipients; one level deep, so that an
// INCLUDE in there is none. @SUBJECT@ begins the first line; that line and what
// stands between @TO@ and @ENDTO@ are cut out of the text. The recipients of a
// template replace those that the mail would have.
//
// Whatever is of no such shape is text. A mail address is safe in lower case;
// root@HOSTNAME@ does hold the value.
type Template struct {
	Name     string
	Language string // RFC 5646: "de", "pt-BR"; empty: for whom no other fits
	Text     string
}

// Pick returns the template of that name in the first of the languages that it
// is there in: each is tried whole, then shortened ("de-AT", then "de", RFC 4647
// 3.4), then the one without a language, then the first of the name.
func Pick(list []Template, name string, languages ...string) (Template, bool) {
	find := func(fits func(language string) bool) (Template, bool) {
		for _, t := range list {
			if t.Name == name && fits(t.Language) {
				return t, true
			}
		}
		return Template{}, false
	}
	for _, wanted := range append(languages[:len(languages):len(languages)], "") {
		for more := true; more; wanted, more = shorter(wanted) {
			if t, ok := find(func(l string) bool { return strings.EqualFold(l, wanted) }); ok {
				return t, true
			}
		}
	}
	return find(func(string) bool { return true })
}

func shorter(language string) (string, bool) {
	at := strings.LastIndexByte(language, '-')
	return language[:max(at, 0)], at > 0
}

// TemplateError is one thing that is wrong with a template.
type TemplateError struct {
	Line int    // in the text of the template, from 1
	Name string // the variable, filter or template that it is about; may be empty
	What string // what is wrong, and what is allowed
}

// Error implements error.
func (e *TemplateError) Error() string {
	return fmt.Sprintf("mail: template, line %d: %s", e.Line, e.What)
}

// Schema says what templates may use.
type Schema struct {
	Variables []string // names without @; those of AIRT are [TemplateVariables]
	Include   func(name string) (text string, ok bool)
}

// Check reads a template without expanding it. The error joins a
// [*TemplateError] for everything that is wrong: a variable or filter that is
// not known, an included template that is not there or includes another, a
// marker that is misplaced, doubled or without its end, or a recipient without
// variables that is no address.
func Check(text string, s Schema) error {
	t := parseTemplate(text, s.Include)
	errs := t.errs
	known := make(map[string]bool, len(s.Variables))
	for _, name := range s.Variables {
		known[name] = true
	}
	t.each(func(p piece) {
		switch {
		case p.name == "":
		case p.missing != "":
			errs = append(errs, &TemplateError{p.line, p.name, p.missing})
		case !known[p.name]:
			errs = append(errs, &TemplateError{p.line, p.name, fmt.Sprintf("no variable %s; known are %s", p.name, strings.Join(s.Variables, ", "))})
		}
	})
	x := newExpander(Expansion{})
	for _, item := range splitPieces(t.to, ",") {
		if !slices.ContainsFunc(item, func(p piece) bool { return p.name != "" }) {
			x.recipients(item)
		}
	}
	return errors.Join(append(errs, x.errs...)...)
}

// Used returns the names of the variables in a template and in what it
// includes, distinct, in order: no others need a value.
func Used(text string, include func(name string) (string, bool)) []string {
	seen := map[string]bool{}
	var names []string
	parseTemplate(text, include).each(func(p piece) {
		if p.name != "" && p.missing == "" && !seen[p.name] {
			seen[p.name] = true
			names = append(names, p.name)
		}
	})
	return names
}

// Expansion says of what a template is expanded.
type Expansion struct {
	Value   func(name string) (value string, ok bool) // called once per name; see [TemplateFacts.Value]
	Include func(name string) (text string, ok bool)  // nil: no others
	Refuse  bool                                      // what is not known is an error; otherwise it stays as it stands, as in AIRT
	Limit   int                                       // bytes of subject and text together; 0: 32 MiB
}

// Expanded is what came of a template.
type Expanded struct {
	Subject string           // one line; empty if the template has none
	To      []incident.Party // nobody if the template has no @TO@
	Text    string           // lines end in "\n"
	Unknown []string         // what was left as it stood, as written, distinct
}

// Expand makes a mail of a template, in one pass: a value is never looked into
// for variables, and nothing in it has a meaning, be it $1 or @HOSTNAME@. Line
// breaks of a value in the subject become blanks. In @TO@, a value that stands
// for a whole recipient may be several addresses with commas between them; a
// value that stands for a part of an address cannot make two of it.
//
// Work and memory grow with the length of the template and of what comes out.
// The error joins a [*TemplateError] for each misplaced marker, recipient that
// is none, unknown name (only with Refuse) or limit that was passed; the result
// then holds what could be expanded, and is not to be sent.
func Expand(text string, e Expansion) (Expanded, error) {
	t := parseTemplate(text, e.Include)
	x := newExpander(e)
	x.errs = t.errs
	var out Expanded
	out.Subject = strings.Join(strings.Fields(cleanLine(x.text(t.subject))), " ")
	out.To = x.recipients(t.to)
	out.Text = x.text(t.body)
	out.Unknown = x.unknown
	return out, errors.Join(x.errs...)
}

func newExpander(e Expansion) *expander {
	x := &expander{Expansion: e, values: map[string]*string{}, asIs: map[string]bool{}, left: e.Limit}
	if x.left == 0 {
		x.left = 32 << 20
	}
	return x
}

type expander struct {
	Expansion
	values  map[string]*string // nil: not known
	left    int                // bytes that may still come out
	asIs    map[string]bool    // what was left as it stands
	unknown []string
	errs    []error
}

// value returns what stands for one piece.
func (x *expander) value(p piece) string {
	if p.name == "" {
		return p.raw
	}
	if p.missing != "" {
		return x.leave(p, p.missing)
	}
	v, asked := x.values[p.name]
	if !asked {
		if x.Value != nil {
			if value, ok := x.Value(p.name); ok {
				value = lines(incident.Clean(value))
				v = &value
			}
		}
		x.values[p.name] = v
	}
	if v == nil {
		return x.leave(p, "no variable "+p.name)
	}
	value := *v
	for _, f := range p.filters {
		value = f.apply(value)
	}
	return value
}

// leave notes what has no value and returns it as it stands.
func (x *expander) leave(p piece, why string) string {
	if !x.asIs[p.raw] {
		x.asIs[p.raw] = true
		x.unknown = append(x.unknown, p.raw)
		if x.Refuse {
			x.errs = append(x.errs, &TemplateError{p.line, p.name, why})
		}
	}
	return p.raw
}

// text writes pieces one after the other.
func (x *expander) text(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		v := x.value(p)
		if x.left -= len(v); x.left < 0 {
			x.errs = append(x.errs, &TemplateError{p.line, p.name, "more than the limit of bytes comes out of it: raise Expansion.Limit, or put the log into an attachment"})
			break
		}
		b.WriteString(v)
	}
	return b.String()
}

// recipients expands what stands in @TO@. The commas and angle brackets of the
// template divide it before any value is put in.
func (x *expander) recipients(pieces []piece) []incident.Party {
	const most = 100
	var out []incident.Party
	for _, item := range splitPieces(pieces, ",") {
		if item = trimPieces(item, " \t"); len(item) == 0 {
			continue
		}
		var name string
		address := item
		if halves := splitPieces(item, "<"); len(halves) == 2 {
			name = strings.Join(strings.Fields(cleanLine(x.text(trimPieces(halves[0], "\" \t")))), " ")
			address = trimPieces(halves[1], " \t>")
		}
		list := []string{x.text(address)}
		if len(item) == 1 && item[0].name != "" {
			list = strings.Split(list[0], ",")
		}
		for _, a := range list {
			if a = strings.TrimSpace(a); !isAddress(a) {
				x.errs = append(x.errs, &TemplateError{item[0].line, "TO", fmt.Sprintf("%.100q in @TO@ is no mail address", a)})
				continue
			}
			if len(out) == most {
				x.errs = append(x.errs, &TemplateError{item[0].line, "TO", fmt.Sprintf("more than %d recipients in @TO@", most)})
				return out
			}
			out = append(out, incident.Party{Name: name, Address: a})
		}
	}
	return out
}
