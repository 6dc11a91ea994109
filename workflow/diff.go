package workflow

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow/export"
)

// Difference is one thing in which two policies are not alike.
type Difference struct {
	Section       []string // keys of a document that lead to it
	In            string   // "first" or "second" for what only one of them has; "both"
	First, Second string   // what they say; one that only one of them has may say nothing
}

// String returns a line that begins with - for what only the first policy has, +
// for what only the second has, ~ for what both have, each in its way.
func (d Difference) String() string {
	line := strings.Join(d.Section, " > ")
	said := strings.TrimSuffix(": "+d.First+d.Second, ": ")
	switch d.In {
	case "first":
		return "- " + line + said
	case "second":
		return "+ " + line + said
	}
	return fmt.Sprintf("~ %s: %q -> %q", line, d.First, d.Second)
}

// Diff lists in what two policies differ, in the order of a document: lifecycles
// with their transitions, cascade, fields, rules and their parameters, and the order
// in which things stand where it counts. What the functions of rules do it cannot
// see, nor does it look into an agreement.
func Diff(a, b *Policy) []Difference {
	return compare(nil, tree(reflectOf(a)), tree(reflectOf(b)))
}

// branch is a value as a document says it: a text, or named parts.
type branch struct {
	text    string
	names   []string
	parts   map[string]branch
	list    bool // without names in the document
	ordered bool // the order of the names counts
}

func (b *branch) add(name string, part branch) {
	if b.parts == nil {
		b.parts = map[string]branch{}
	}
	if _, twice := b.parts[name]; !twice {
		b.names = append(b.names, name)
		b.parts[name] = part
	}
}

// tree turns a value into what a document says of it.
func tree(v reflect.Value) branch {
	if text, ok := v.Interface().(encoding.TextMarshaler); ok {
		marshaled, err := text.MarshalText()
		if err != nil {
			marshaled = []byte(err.Error())
		}
		return branch{text: string(marshaled)}
	}
	var b branch
	switch value := v.Interface().(type) {
	case time.Duration:
		return branch{text: value.String()}
	case FieldValue:
		b = branch{text: value.Doc}
		if value.Retired {
			b.text = strings.TrimSpace(b.text + " (retired)")
		}
		return b
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, m := range membersOf(v.Type()) {
			if part := v.Field(m.index); !part.IsZero() {
				b.add(m.name, tree(part))
			}
		}
		if p, ok := v.Interface().(Policy); ok {
			b.add("rules", runs(p.Rules, func(r Rule) (string, any) { return r.Name, r.Params }))
			b.add("derivations", runs(p.Derivations, func(d Derivation) (string, any) { return d.Name, d.Params }))
			if p.Agreement != nil {
				b.add("agreement", branch{text: "given"})
			}
		}
	case reflect.Map:
		keys := map[string]reflect.Value{}
		for _, key := range v.MapKeys() {
			keys[fmt.Sprint(key)] = key
		}
		for _, name := range slices.Sorted(maps.Keys(keys)) {
			b.add(name, tree(v.MapIndex(keys[name])))
		}
	case reflect.Slice:
		b.list, b.ordered = true, true
		for i := range v.Len() {
			item := v.Index(i)
			switch named := item.Interface().(type) {
			case FieldValue:
				b.add(named.Value, tree(item))
			case Action:
				part := tree(item)
				part.names = slices.DeleteFunc(part.names, func(name string) bool { return name == "name" })
				b.add(strings.TrimSpace(fmt.Sprintf("%s %s", named.Name, named.From)), part)
			case StatusDef:
				b.add(string(named.Name), tree(item))
			case Field:
				b.add(named.Name, tree(item))
			case Reaction:
				b.add(named.Name, tree(item))
			case incident.Role:
				b.ordered = false
				b.add(export.RoleName(named), branch{})
			case Role:
				b.ordered = false
				b.add(named.Name, tree(item))
			case incident.Kind:
				b.ordered = false
				b.add(string(named), branch{})
			default:
				b.add(tree(item).String(), branch{})
			}
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return tree(v.Elem())
		}
	case reflect.Func, reflect.Chan:
	default:
		b.text = fmt.Sprint(v.Interface())
	}
	return b
}

// String returns a branch in one line, like {priority: 70, days: 3}.
func (b branch) String() string {
	if len(b.names) == 0 {
		return b.text
	}
	var parts []string
	for _, name := range b.names {
		if text := b.parts[name].String(); text != "" {
			name += ": " + text
		}
		parts = append(parts, name)
	}
	if b.list {
		return strings.Join(parts, ", ")
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func runs[T any](list []T, of func(T) (string, any)) branch {
	b := branch{list: true, ordered: true}
	for _, t := range list {
		name, params := of(t)
		part := branch{}
		if params != nil {
			part = tree(reflect.ValueOf(params))
		}
		b.add(name, part)
	}
	return b
}

// compare lists the differences of two branches.
func compare(section []string, a, b branch) []Difference {
	var list []Difference
	differ := func(in, name, first, second string) {
		path := slices.Clone(section)
		if name != "" {
			path = append(path, name)
		}
		list = append(list, Difference{path, in, first, second})
	}
	if a.text != b.text {
		differ("both", "", a.text, b.text)
	}
	for _, name := range a.names {
		if second, both := b.parts[name]; both {
			list = append(list, compare(append(slices.Clone(section), name), a.parts[name], second)...)
		} else {
			differ("first", name, a.parts[name].String(), "")
		}
	}
	for _, name := range b.names {
		if _, both := a.parts[name]; !both {
			differ("second", name, "", b.parts[name].String())
		}
	}
	if first, second := moved(a.shared(b), b.shared(a)); a.ordered && b.ordered && len(first) > 0 {
		differ("both", "order", strings.Join(first, ", "), strings.Join(second, ", "))
	}
	return list
}

// shared returns the names that another branch has too.
func (b branch) shared(other branch) []string {
	return slices.DeleteFunc(slices.Clone(b.names), func(name string) bool { _, both := other.parts[name]; return !both })
}

// moved returns the part of two orders of the same names in which they differ.
func moved(a, b []string) (first, second []string) {
	for len(a) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for n := len(a) - 1; n >= 0 && a[n] == b[n]; n = len(a) - 1 {
		a, b = a[:n], b[:n]
	}
	return a, b
}
