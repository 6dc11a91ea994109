package workflow

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
	"github.com/airtight-csirt/airtight/workflow/export"
)

func reflectOf(p *Policy) reflect.Value { return reflect.ValueOf(p).Elem() }

// member is a member of a struct as a document calls it.
type member struct {
	name  string
	index int
}

// membersOf returns what a document may say of a struct: all that is data. The
// name of something that stands in a mapping is its key there.
func membersOf(t reflect.Type) []member {
	var list []member
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch f.Type {
		case reflect.TypeFor[*sla.Agreement](), reflect.TypeFor[[]Rule](), reflect.TypeFor[[]Derivation]():
			continue
		}
		if !f.IsExported() || name == "-" || f.Name == "Version" && t == reflect.TypeFor[Policy]() || f.Name == "Name" && keyed(t) {
			continue
		}
		if name == "" {
			name = kebab(f.Name)
		}
		list = append(list, member{name, i})
	}
	return list
}

// keyed reports whether values of a type stand in a mapping under their names, in
// an order that counts.
func keyed(t reflect.Type) bool {
	return t == reflect.TypeFor[StatusDef]() || t == reflect.TypeFor[Field]() || t == reflect.TypeFor[Reaction]() || t == reflect.TypeFor[Role]() || t == reflect.TypeFor[Feed]()
}

func kebab(name string) string {
	var b strings.Builder
	for i, c := range name {
		if unicode.IsUpper(c) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// said is the end of a sentence about what a node holds.
func said(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case isNull(n):
		return "nothing"
	}
	return fmt.Sprintf("%q", shorten([]byte(n.Value)))
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// removes reports whether a node is a null that somebody wrote, not a key with
// nothing behind it.
func removes(n *yaml.Node) bool { return isNull(n) && n.Value != "" }

// want reports a node of another form than it must have.
func (r *reader) want(n *yaml.Node, place, form string) {
	switch {
	case n.Kind == yaml.AliasNode:
		r.wrong(n, place, "aliases are not read: allowed is %s, written out", form)
	case isNull(n) && n.Value == "":
		r.wrong(n, place, "there is nothing behind the key: allowed is %s, or leave the key out", form)
	default:
		r.wrong(n, place, "%s cannot stand here: allowed is %s", said(n), form)
	}
}

// entries returns the values of a mapping by key, without repeated ones; nil if it
// is none.
func (r *reader) entries(n *yaml.Node, place string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		r.want(n, place, "a mapping, like key: value")
		return nil
	}
	entries := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		inside := at(place, n.Content[i].Value)
		key, ok := r.text(n.Content[i], inside)
		if _, twice := entries[key]; twice {
			r.wrong(n.Content[i], inside, "the key %q stands here a second time: allowed is once", key)
		} else if ok {
			entries[key] = n.Content[i+1]
		}
		if len(entries) > maxEntries {
			r.wrong(n.Content[i], place, "there are too many entries: allowed are %d", maxEntries)
			return nil
		}
	}
	return entries
}

// each calls do for every entry of a mapping, in order; keys are read by do.
func (r *reader) each(n *yaml.Node, place string, do func(key string, k, v *yaml.Node)) {
	entries := r.entries(n, place)
	for i := 0; i+1 < len(n.Content); i += 2 {
		if v := n.Content[i+1]; entries[n.Content[i].Value] == v {
			do(n.Content[i].Value, n.Content[i], v)
		}
	}
}

// members reads a mapping into a struct. Others are keys beside those of its
// members, read after these.
func (r *reader) members(n *yaml.Node, place string, to reflect.Value, others map[string]func(*yaml.Node)) {
	known := membersOf(to.Type())
	var allowed []string
	for _, m := range known {
		allowed = append(allowed, m.name)
	}
	for _, name := range []string{"base", "rules", "derivations", "without", "with", "retired"} {
		if others[name] != nil {
			allowed = append(allowed, name)
		}
	}
	later := map[string]*yaml.Node{}
	r.each(n, place, func(key string, k, v *yaml.Node) {
		inside := strings.TrimPrefix(place+"/"+key, "/")
		i := slices.IndexFunc(known, func(m member) bool { return m.name == key })
		switch {
		case i >= 0:
			r.keep(inside, k)
			r.value(v, inside, to.Field(known[i].index))
		case others[key] != nil:
			r.keep(inside, k)
			later[key] = v
		case len(allowed) == 0:
			r.wrong(k, inside, "unknown key %q: nothing is allowed here", key)
		default:
			r.wrong(k, inside, "unknown key %q: allowed are %s", key, strings.Join(allowed, ", "))
		}
	})
	for _, name := range allowed {
		if v, ok := later[name]; ok {
			others[name](v)
		}
	}
}

func (r *reader) keep(place string, n *yaml.Node) { r.places[place] = Place{r.file, n.Line, n.Column} }

// text reads one line of text.
func (r *reader) text(n *yaml.Node, place string) (string, bool) {
	if n.Kind != yaml.ScalarNode || !slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp"}, n.Tag) {
		r.want(n, place, "a text")
		return "", false
	}
	text := strings.TrimSpace(n.Value)
	if text != incident.Clean(text) || strings.ContainsFunc(text, unicode.IsControl) {
		r.wrong(n, place, "%s has control characters or several lines: allowed is one line of text", said(n))
		return "", false
	}
	return text, true
}

// value reads a node into a value of any type that is data. What is there already
// stays where the node says nothing.
func (r *reader) value(n *yaml.Node, place string, to reflect.Value) {
	if removes(n) {
		to.SetZero()
		return
	}
	switch to.Interface().(type) {
	case incident.Kind:
		r.kind(n, place, to)
		return
	case incident.Trust:
		if n.Kind == yaml.ScalarNode && n.Value == "none" {
			to.SetZero()
			return
		}
	case FieldValue:
		r.fieldValue(n, place, to)
		return
	case incident.Role:
		if text, ok := r.text(n, place); ok {
			role, err := export.ParseRole(text)
			if err != nil {
				r.wrong(n, place, "%s cannot stand here: allowed are source, target, unknown", said(n))
			}
			to.SetString(string(role))
		}
		return
	case time.Duration:
		if text, ok := r.text(n, place); ok {
			d, err := time.ParseDuration(text)
			if err != nil {
				r.want(n, place, "a duration like 90m or 24h")
			}
			to.SetInt(int64(d))
		}
		return
	}
	if reader, ok := to.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if text, ok := r.text(n, place); ok {
			if err := reader.UnmarshalText([]byte(text)); err != nil {
				r.wrong(n, place, "%s cannot stand here: %v", said(n), err)
			}
		}
		return
	}
	switch to.Kind() {
	case reflect.Pointer:
		fresh := reflect.New(to.Type().Elem())
		if !to.IsNil() {
			fresh.Elem().Set(to.Elem())
		}
		to.Set(fresh)
		r.value(n, place, to.Elem())
	case reflect.Struct:
		r.members(n, place, to, nil)
	case reflect.Map:
		r.mapping(n, place, to)
	case reflect.Slice:
		if keyed(to.Type().Elem()) {
			r.named(n, place, to)
		} else {
			r.list(n, place, to)
		}
	default:
		r.scalar(n, place, to)
	}
}

func (r *reader) scalar(n *yaml.Node, place string, to reflect.Value) {
	err, form := error(nil), ""
	switch kind := to.Kind(); {
	case kind == reflect.String:
		if text, ok := r.text(n, place); ok {
			to.SetString(text)
		}
		return
	case kind == reflect.Bool:
		form = "true or false"
		if err = strconv.ErrSyntax; n.Tag == "!!bool" {
			to.SetBool(strings.EqualFold(n.Value, "true"))
			return
		}
	case to.CanInt():
		form = "a whole number"
		var i int64
		if i, err = strconv.ParseInt(n.Value, 10, to.Type().Bits()); err == nil {
			to.SetInt(i)
		}
	case to.CanUint():
		form = "a whole number that is not negative"
		var u uint64
		if u, err = strconv.ParseUint(n.Value, 10, to.Type().Bits()); err == nil {
			to.SetUint(u)
		}
	case to.CanFloat():
		form = "a number"
		var f float64
		if f, err = strconv.ParseFloat(n.Value, to.Type().Bits()); err == nil {
			to.SetFloat(f)
		}
	default:
		r.wrong(n, place, "a document cannot give a %s: the program that has the rule must", to.Type())
		return
	}
	if err != nil || n.Kind != yaml.ScalarNode || n.Tag == "!!str" {
		r.want(n, place, form)
	}
}

func (r *reader) kind(n *yaml.Node, place string, to reflect.Value) {
	text, ok := r.text(n, place)
	if !ok {
		return
	}
	kind, ok := incident.ParseKind(text)
	if !ok {
		r.wrong(n, place, "%q is no kind of ticket: allowed are report, incident, investigation, block", text)
		return
	}
	to.Set(reflect.ValueOf(kind))
}

// mapping changes, adds and removes entries.
func (r *reader) mapping(n *yaml.Node, place string, to reflect.Value) {
	t := to.Type()
	sum := reflect.MakeMap(t)
	for _, key := range to.MapKeys() {
		sum.SetMapIndex(key, to.MapIndex(key))
	}
	seen := map[any]bool{}
	r.each(n, place, func(_ string, k, v *yaml.Node) {
		key := reflect.New(t.Key()).Elem()
		before := len(r.bad)
		r.value(k, at(place, k.Value), key)
		if len(r.bad) > before {
			return
		}
		inside := at(place, key.Interface())
		r.keep(inside, k)
		if seen[key.Interface()] {
			r.wrong(k, inside, "%q stands here a second time: allowed is once", k.Value)
			return
		}
		seen[key.Interface()] = true
		if removes(v) {
			sum.SetMapIndex(key, reflect.Value{})
			return
		}
		entry := reflect.New(t.Elem()).Elem()
		if old := sum.MapIndex(key); old.IsValid() {
			entry.Set(old)
		}
		r.value(v, inside, entry)
		sum.SetMapIndex(key, entry)
	})
	to.Set(sum)
}

// list replaces a list.
func (r *reader) list(n *yaml.Node, place string, to reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		r.want(n, place, "a list, like [a, b]")
		return
	}
	most := maxItems
	if of := to.Type().Elem(); of == reflect.TypeFor[incident.Status]() || of.Kind() == reflect.Struct && of != reflect.TypeFor[FieldValue]() {
		most = maxStatuses
	}
	if len(n.Content) > most {
		r.wrong(n, place, "the list is too long: allowed are %d", most)
		return
	}
	list := reflect.MakeSlice(to.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		inside := at(place, i)
		r.value(item, inside, list.Index(i))
		r.keep(inside, item)
		if list.Index(i).Kind() == reflect.String {
			r.keep(at(place, list.Index(i)), item)
		}
	}
	to.Set(list)
}

// named changes, adds and removes things that have names and an order.
func (r *reader) named(n *yaml.Node, place string, to reflect.Value) {
	if to.Type().Elem() == reflect.TypeFor[StatusDef]() && len(n.Content) > 2*maxStatuses {
		r.wrong(n, place, "there are too many statuses: allowed are %d", maxStatuses)
		return
	}
	list := reflect.AppendSlice(reflect.Zero(to.Type()), to)
	r.each(n, place, func(key string, k, v *yaml.Node) {
		if key == "" {
			r.wrong(k, place+"/", "there is no name: allowed is a text")
			return
		}
		i, name, old := find(list, key, place)
		inside := place + "/" + name
		r.keep(inside, k)
		if removes(v) {
			if i < list.Len() {
				list = reflect.AppendSlice(list.Slice3(0, i, i), list.Slice(i+1, list.Len()))
			}
			return
		}
		if i == list.Len() {
			list = reflect.Append(list, reflect.Zero(list.Type().Elem()))
		}
		entry := list.Index(i)
		entry.FieldByName("Name").SetString(name)
		var others map[string]func(*yaml.Node)
		if f, ok := entry.Addr().Interface().(*Field); ok {
			others = map[string]func(*yaml.Node){"retired": func(n *yaml.Node) { r.retired(n, inside+"/retired", f) }}
		}
		r.members(v, inside, entry, others)
		if old != "" {
			aliases := entry.FieldByName("Aliases")
			aliases.Set(reflect.Append(aliases, reflect.ValueOf(old).Convert(aliases.Type().Elem())))
		}
	})
	to.Set(list)
}

// fieldValue reads one value of a field: red, or red: what it means.
func (r *reader) fieldValue(n *yaml.Node, place string, to reflect.Value) {
	var v FieldValue
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) == 2:
		name, ok := r.text(n.Content[0], place)
		doc, _ := r.text(n.Content[1], place)
		if v = (FieldValue{Value: name, Doc: doc}); !ok {
			return
		}
	case n.Kind == yaml.MappingNode:
		r.want(n, place, "a value, or one value: what it means")
		return
	default:
		v.Value, _ = r.text(n, place)
	}
	to.Set(reflect.ValueOf(v))
}

// retired marks values of a field that may not be chosen any more.
func (r *reader) retired(n *yaml.Node, place string, f *Field) {
	var names []string
	r.value(n, place, reflect.ValueOf(&names).Elem())
	var allowed []string
	for i, v := range f.Values {
		allowed = append(allowed, v.Value)
		f.Values[i].Retired = slices.Contains(names, v.Value)
	}
	for i, name := range names {
		if !slices.Contains(allowed, name) && name != "" {
			r.wrong(n.Content[i], place, "%q is no value of field %q: allowed are %s", name, f.Name, strings.Join(allowed, ", "))
		}
	}
}
