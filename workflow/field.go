package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Field is something that tickets have beside what every ticket has (RT: custom
// field). Four names stand for properties of the ticket itself: [FieldSubject],
// [FieldConstituency], [FieldVia] and [FieldState]. A field that no policy
// describes may be used all the same; it holds any values, as personal ones.
type Field struct {
	Name    string
	Aliases []string // other names, understood on input
	Doc     string
	Kinds   []incident.Kind // that have it; empty: all
	Values  []FieldValue    // allowed; empty: any
	Many    bool            // may have several values
	Time    bool            // a value is a time like 2026-03-02T09:00:00Z

	// Mandatory refuses a ticket that is opened by hand without it, and an edit
	// that would clear it (JANET 3.10). What comes by mail has it later.
	Mandatory bool
	Default   string // of a ticket that is opened without it

	// Personal values may have to be erased one day. Others stay for ever, so that
	// figures can be made of them.
	Personal bool
}

// FieldValue is one allowed value.
type FieldValue struct {
	Value   string
	Doc     string // what it means, for whoever chooses (JANET 3.10.1)
	Retired bool   // kept where it is, but not chosen any more
}

// Fields that are properties of the ticket itself.
const (
	FieldSubject      = "subject"
	FieldConstituency = "constituency"
	FieldVia          = "via"   // RTIR: How Reported
	FieldState        = "state" // AIRT: state
)

func properties() []string {
	return []string{FieldSubject, FieldConstituency, FieldVia, FieldState}
}

// Has reports whether tickets of a kind have the field.
func (f Field) Has(kind incident.Kind) bool {
	return len(f.Kinds) == 0 || slices.Contains(f.Kinds, kind)
}

// Choices returns the values that may be chosen: those that are not retired.
func (f Field) Choices() []string {
	var list []string
	for _, v := range f.Values {
		if !v.Retired {
			list = append(list, v.Value)
		}
	}
	return list
}

// chooses reports whether a value may be chosen.
func (f Field) chooses(value string) bool {
	return len(f.Values) == 0 || slices.Contains(f.Choices(), value)
}

func (f Field) called(name string) bool {
	return strings.EqualFold(f.Name, name) ||
		slices.ContainsFunc(f.Aliases, func(alias string) bool { return strings.EqualFold(alias, name) })
}

// Field returns the field with a name or alias, without regard to case; false if
// the policy does not describe it.
func (p *Policy) Field(name string) (Field, bool) {
	i := slices.IndexFunc(p.Fields, func(f Field) bool { return f.called(name) })
	if i < 0 {
		return Field{}, false
	}
	return p.Fields[i], true
}

// fieldName is the name of a field under which tickets have it.
func (p *Policy) fieldName(name string) string {
	if f, ok := p.Field(name); ok {
		return f.Name
	}
	return name
}

// property returns the field that describes a property of tickets of a kind.
func (p *Policy) property(name string, kind incident.Kind) Field {
	if f, ok := p.Field(name); ok && f.Has(kind) {
		return f
	}
	return Field{Name: name}
}

// check refuses values that the field does not have. now are those that the
// ticket has: a retired one may stay.
func (f Field) check(c Command, values, now []string) ([]string, error) {
	if !f.Many && len(values) > 1 {
		return nil, &ArgumentError{c.Name(), f.Name, strings.Join(values, ", "), "one value"}
	}
	if f.Time {
		for _, v := range values {
			if at, err := time.Parse(time.RFC3339, v); err != nil || !storable(at) {
				return nil, &ArgumentError{c.Name(), f.Name, v, momentForm}
			}
		}
	}
	if len(f.Values) == 0 {
		return values, nil
	}
	var canonical []string
	for _, v := range values {
		i := slices.IndexFunc(f.Values, func(known FieldValue) bool { return strings.EqualFold(known.Value, v) })
		if i < 0 || f.Values[i].Retired && !slices.Contains(now, f.Values[i].Value) {
			return nil, &ArgumentError{c.Name(), f.Name, v, "one of " + strings.Join(f.Choices(), ", ")}
		}
		canonical = append(canonical, f.Values[i].Value)
	}
	return canonical, nil
}

// one checks the value of a property. An empty one becomes the default when the
// ticket is being opened.
func (p *Policy) one(c Command, name string, kind incident.Kind, value, now string, opening bool) (string, error) {
	return p.property(name, kind).one(c, value, now, opening)
}

func (f Field) one(c Command, value, now string, opening bool) (string, error) {
	if value == "" && opening {
		value = f.Default
	}
	if value == "" {
		return "", nil
	}
	values, err := f.check(c, []string{value}, []string{now})
	if err != nil {
		return "", err
	}
	return values[0], nil
}

// fields sorts the values of a command into those that are kept for ever and
// those that are erasable, under the names of the policy. now are the fields of
// the ticket; opening adds defaults.
func (p *Policy) fields(c Command, kind incident.Kind, given, now map[string][]string, opening bool) (kept, erasable map[string][]string, err error) {
	put := func(to *map[string][]string, name string, values []string) {
		if *to == nil {
			*to = map[string][]string{}
		}
		(*to)[name] = values
	}
	cleaned := map[string][]string{}
	given = cleanFields(given)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if name == "" {
			return nil, nil, &ArgumentError{c.Name(), "field", name, "the name of a field"}
		}
		values := slices.DeleteFunc(given[name], func(v string) bool { return strings.TrimSpace(v) == "" })
		if f, ok := p.Field(name); ok {
			name = f.Name
			if slices.Contains(properties(), name) {
				return nil, nil, &ArgumentError{c.Name(), "field", name, fmt.Sprintf("the argument %q in its place", name)}
			}
			if !f.Has(kind) {
				return nil, nil, &ArgumentError{c.Name(), "field", name, fmt.Sprintf("a field of %s: %s", article(kind), strings.Join(p.fieldNames(kind), ", "))}
			}
			if values, err = f.check(c, values, now[name]); err != nil {
				return nil, nil, err
			}
		}
		if _, twice := cleaned[name]; twice {
			return nil, nil, &ArgumentError{c.Name(), "field", name, "each field once, by one of its names"}
		}
		cleaned[name] = values
	}
	if err := p.checkFields(c, cleaned); err != nil {
		return nil, nil, err
	}
	for _, f := range p.Fields {
		if opening && f.Has(kind) && f.Default != "" && len(cleaned[f.Name]) == 0 && !slices.Contains(properties(), f.Name) {
			cleaned[f.Name] = []string{f.Default}
		}
	}
	for name, values := range cleaned {
		if f, ok := p.Field(name); ok && !f.Personal {
			put(&kept, name, values)
		} else {
			put(&erasable, name, values)
		}
	}
	return kept, erasable, nil
}

func (p *Policy) fieldNames(kind incident.Kind) []string {
	var names []string
	for _, f := range p.Fields {
		if f.Has(kind) && !slices.Contains(properties(), f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// missing refuses a ticket that lacks what is mandatory, all of which the error
// names.
func (p *Policy) missing(c Command, kind incident.Kind, has func(field string) bool) error {
	var lacking, allowed []string
	for _, f := range p.Fields {
		if !f.Mandatory || !f.Has(kind) || has(f.Name) {
			continue
		}
		lacking = append(lacking, f.Name)
		if choices := f.Choices(); len(choices) > 0 {
			allowed = append(allowed, fmt.Sprintf("%s is one of %s", f.Name, strings.Join(choices, ", ")))
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	return &MissingError{Command: c.Name(), Kind: kind, Fields: lacking, Allowed: allowed}
}

// storable reports whether a store can hold a time.
func storable(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1970 && year <= 9999
}
