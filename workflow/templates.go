package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Templates say with which template (mail.Template) a draft of a mail begins where
// nobody names one, and in which language. The names of templates are the desk's: it
// says when it adopts or checks one which of these it does not have.
type Templates struct {
	// Recipients name the template for mail to an address, or to a domain:
	// "@example.org". The address counts before its domain, and both before what
	// follows here.
	Recipients map[string]string

	// Field is one whose value names the template; empty: none does.
	Field string

	// Choose names the template by what is known of the ticket: the first that fits
	// counts.
	Choose []TemplateChoice

	// Languages (RFC 5646) of correspondents: of an address, of a domain, or of a
	// constituency; the address counts before its domain, and that before the
	// constituency. Language is that of all others.
	Languages map[string]string
	Language  string

	Unknown UnknownVariables
}

// TemplateChoice names a template for some tickets. An empty member does not ask.
// States and fields are also met by an incident of the ticket.
type TemplateChoice struct {
	Template       string
	Kinds          []incident.Kind
	Statuses       []incident.Status
	States         []incident.State
	Constituencies []string
	Fields         map[string][]string // each has one of these values
}

// UnknownVariables says what becomes of a variable that has no value when a draft is
// made.
type UnknownVariables string

// What becomes of it.
const (
	LeaveUnknown  UnknownVariables = ""       // it stays as it stands, as in AIRT; a document may also say leave
	RefuseUnknown UnknownVariables = "refuse" // there is no draft
)

// For returns the name of the template for a mail about a ticket to somebody; empty:
// none. incidents are those that the ticket belongs to, or is to.
func (c Templates) For(to []incident.Party, ticket incident.Ticket, incidents ...incident.Ticket) string {
	for _, p := range to {
		if name, ok := byAddress(c.Recipients, p.Address); ok {
			return name
		}
	}
	all := append([]incident.Ticket{ticket}, incidents...)
	for _, t := range all {
		if values := t.Fields[c.Field]; c.Field != "" && len(values) > 0 {
			return values[0]
		}
	}
	i := slices.IndexFunc(c.Choose, func(choice TemplateChoice) bool { return choice.fits(ticket, all) })
	if i < 0 {
		return ""
	}
	return c.Choose[i].Template
}

// fits asks all for what an incident may have in the place of its ticket.
func (c TemplateChoice) fits(ticket incident.Ticket, all []incident.Ticket) bool {
	for name, values := range c.Fields {
		if !slices.ContainsFunc(all, func(t incident.Ticket) bool {
			return slices.ContainsFunc(values, func(v string) bool { return slices.Contains(t.Fields[name], v) })
		}) {
			return false
		}
	}
	return among(c.Kinds, ticket.Kind) && among(c.Statuses, ticket.Status) && among(c.Constituencies, ticket.Constituency) &&
		slices.ContainsFunc(all, func(t incident.Ticket) bool { return among(c.States, t.State) })
}

// Names returns the names of the templates that the policy names, sorted: those of its
// section templates, of rules, and of reactions.
func (p *Policy) TemplateNames() []string {
	names := slices.Collect(maps.Values(p.Templates.Recipients))
	for _, c := range p.Templates.Choose {
		names = append(names, c.Template)
	}
	for _, r := range p.Reactions {
		if r.Mail != nil {
			names = append(names, r.Mail.Template)
		}
	}
	for _, r := range p.Rules {
		if with, ok := r.Params.(Acknowledge); ok && with.Template != "" {
			names = append(names, with.Template)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// LanguagesFor returns the languages in which to write to somebody about a ticket, the
// best first.
func (c Templates) LanguagesFor(to []incident.Party, constituency string) []string {
	var languages []string
	for _, p := range to {
		if language, ok := byAddress(c.Languages, p.Address); ok {
			languages = append(languages, language)
		}
	}
	if language, ok := c.Languages[constituency]; ok && constituency != "" {
		languages = append(languages, language)
	}
	if c.Language != "" {
		languages = append(languages, c.Language)
	}
	return languages
}

// byAddress finds what is said of an address, or of its domain.
func byAddress(said map[string]string, address string) (string, bool) {
	for _, name := range []string{address, address[max(strings.LastIndexByte(address, '@'), 0):]} {
		for _, known := range slices.Sorted(maps.Keys(said)) {
			if strings.Contains(known, "@") && incident.SameAddress(known, name) {
				return said[known], true
			}
		}
	}
	return "", false
}

func (p *Policy) templateFaults(wrong wrong) {
	c := p.Templates
	named := func(place, name string) {
		if name == "" {
			wrong(place, "names no template: allowed is the name of one")
		}
	}
	language := func(place, language string) {
		if !isLanguage(language) {
			wrong(place, "has a language %q: allowed are tags like de or pt-BR", language)
		}
	}
	for _, address := range slices.Sorted(maps.Keys(c.Recipients)) {
		place := at("templates", "recipients", address)
		if i := strings.LastIndexByte(address, '@'); i < 0 || i == len(address)-1 {
			wrong(place, "names a template for mail to %q: allowed are addresses, and domains like @example.org", address)
		}
		named(place, c.Recipients[address])
	}
	for i, choice := range c.Choose {
		place := at("templates", "choose", i)
		named(place+"/template", choice.Template)
		p.selectionFaults(place, fmt.Sprintf("the choice of the template %q", choice.Template), choice.Kinds, choice.Statuses, choice.States, wrong)
	}
	for _, of := range slices.Sorted(maps.Keys(c.Languages)) {
		language(at("templates", "languages", of), c.Languages[of])
	}
	if c.Language != "" {
		language(at("templates", "language"), c.Language)
	}
	if c.Unknown != LeaveUnknown && c.Unknown != "leave" && c.Unknown != RefuseUnknown {
		wrong(at("templates", "unknown"), "lets unknown variables %q: allowed are leave, refuse", c.Unknown)
	}
}

// isLanguage reports whether s has the shape of a language tag (RFC 5646 2.1).
func isLanguage(s string) bool {
	for part := range strings.SplitSeq(s, "-") {
		if part == "" || len(part) > 8 || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "" {
			return false
		}
	}
	return true
}

// settleTemplates puts the names of the policy in the place of other spellings.
func (p *Policy) settleTemplates() {
	if p.Templates.Field != "" {
		p.Templates.Field = p.fieldName(p.Templates.Field)
	}
	choose := slices.Clone(p.Templates.Choose)
	for i, c := range choose {
		choose[i].Statuses = mapped(c.Statuses, p.anyStatus)
		choose[i].Fields = p.named(c.Fields)
	}
	p.Templates.Choose = choose
}

// templates says what looks like a mistake in the choice of templates, and may be none.
func (l *linter) templates() {
	c := l.policy.Templates
	if c.Field != "" {
		l.described(at("templates", "field"), "the choice of templates", map[string][]string{c.Field: nil})
	}
	always := -1
	for i, choice := range c.Choose {
		place := at("templates", "choose", i)
		l.described(place, fmt.Sprintf("the choice of the template %q", choice.Template), choice.Fields)
		if always >= 0 {
			l.add(SeverityWarning, place, "put it above", "the template %q is never chosen: %q above it is for every ticket", choice.Template, c.Choose[always].Template)
		} else if len(choice.Kinds)+len(choice.Statuses)+len(choice.States)+len(choice.Constituencies)+len(choice.Fields) == 0 {
			always = i
		}
	}
	f, ok := l.policy.Field(FieldConstituency)
	for _, of := range slices.Sorted(maps.Keys(c.Languages)) {
		if ok && !strings.Contains(of, "@") && len(f.Values) > 0 && !slices.Contains(f.Choices(), of) {
			l.add(SeverityWarning, at("templates", "languages", of), "name one of its values", "%q has a language, and is neither an address, nor a domain like @example.org, nor a value of the field %q", of, f.Name)
		}
	}
}
