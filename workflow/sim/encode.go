package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// encoder turns words into the JSON of a value, by the type that the value has
// in Go, so that a new command or field needs nothing here.
type encoder struct {
	ticket func(string) (incident.ID, error) // by a script's name or number
	now    time.Time
}

// shapes returns the types of the commands that people give, by name.
func shapes() map[string]reflect.Type {
	m := map[string]reflect.Type{}
	for _, c := range workflow.Commands() {
		m[c.Name()] = reflect.TypeOf(c)
	}
	return m
}

// argErrors are the mistakes in the arguments of a call.
type argErrors []argError

type argError struct {
	column int
	err    error
}

func (list argErrors) Error() string {
	var texts []string
	for _, e := range list {
		texts = append(texts, e.err.Error())
	}
	return strings.Join(texts, "\n")
}

func (list argErrors) Unwrap() (errs []error) {
	for _, e := range list {
		errs = append(errs, e.err)
	}
	return errs
}

// wrong is a mistake in a call as a whole.
func wrong(c Call, format string, args ...any) argErrors {
	return argErrors{{c.column, fmt.Errorf(format, args...)}}
}

// command turns a call into a command. text, if not empty, is its text.
func (e encoder) command(c Call, text []string) (workflow.Command, argErrors) {
	known := shapes()
	shape, ok := known[c.Name]
	if !ok {
		return nil, wrong(c, "there is no command %q: allowed are %s", c.Name, list(known))
	}
	args := c.Args
	if len(text) > 0 {
		args = append(slices.Clone(args), Arg{Key: "text", Values: []string{strings.Join(text, "\n")}, column: c.column})
	}
	args, errs := named(shape, c, args)
	if errs != nil {
		return nil, errs
	}
	object, errs := e.object(shape, args)
	if errs != nil {
		return nil, errs
	}
	object["command"] = c.Name
	raw, err := json.Marshal(object)
	if err != nil {
		return nil, wrong(c, "%w", err)
	}
	command, err := workflow.ParseCommand(raw)
	if err != nil {
		return nil, wrong(c, "%w", err)
	}
	return command, nil
}

// named gives names to the arguments that have none: those of the fields that may
// not be left out, in their order. All of these must be there.
func named(shape reflect.Type, c Call, args []Arg) ([]Arg, argErrors) {
	args = slices.Clone(args)
	next := 0
	for f := range fields(shape) {
		if strings.Contains(f.Tag.Get("json"), ",omit") {
			continue
		}
		for next < len(args) && args[next].Key != "" {
			next++
		}
		if slices.ContainsFunc(args, func(a Arg) bool { return a.Key == jsonName(f) }) {
			continue
		}
		if next == len(args) {
			return nil, wrong(c, "%s needs %s", c.Name, jsonName(f))
		}
		args[next].Key = jsonName(f)
	}
	for _, a := range args {
		if a.Key == "" {
			return nil, argErrors{{a.column, fmt.Errorf("%q has no name: write what it is, as key=value", strings.Join(a.Values, ","))}}
		}
	}
	return args, nil
}

// object builds the JSON object for arguments. A key that comes again adds its
// values.
func (e encoder) object(shape reflect.Type, args []Arg) (map[string]any, argErrors) {
	object := map[string]any{}
	var errs argErrors
	var merged []Arg
	for _, a := range args {
		if i := slices.IndexFunc(merged, func(m Arg) bool { return m.Key == a.Key }); i >= 0 {
			merged[i].Values = slices.Concat(merged[i].Values, a.Values)
			continue
		}
		merged = append(merged, a)
	}
	for _, a := range merged {
		if err := e.set(object, shape, a.Key, a.Values); err != nil {
			errs = append(errs, argError{a.column, fmt.Errorf("%s: %w", a.Key, err)})
		}
	}
	return object, errs
}

// member returns the field of a struct that JSON calls so.
func member(shape reflect.Type, name string) (reflect.StructField, bool) {
	for f := range fields(shape) {
		if jsonName(f) == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// fields yields the fields of a struct that JSON has.
func fields(shape reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range shape.NumField() {
			if f := shape.Field(i); f.IsExported() && jsonName(f) != "-" && !yield(f) {
				return
			}
		}
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return cmp.Or(name, f.Name)
}

// set puts a value into an object. Key is the name of a member, or with dots one
// inside of it.
func (e encoder) set(object map[string]any, shape reflect.Type, key string, values []string) error {
	name, inner, nested := strings.Cut(key, ".")
	f, ok := member(shape, name)
	if !ok {
		names := map[string]bool{}
		for f := range fields(shape) {
			names[jsonName(f)] = true
		}
		return fmt.Errorf("not known: allowed are %s", list(names))
	}
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if !nested {
		v, err := e.value(f.Type, values)
		object[name] = v
		return err
	}
	below, _ := object[name].(map[string]any)
	if below == nil {
		below = map[string]any{}
		object[name] = below
	}
	switch t.Kind() {
	case reflect.Map:
		v, err := e.value(t.Elem(), values)
		below[inner] = v
		return err
	case reflect.Struct:
		return e.set(below, t, inner, values)
	}
	return fmt.Errorf("%s has nothing inside", name)
}

// value turns words into the JSON of a value of a type.
func (e encoder) value(t reflect.Type, values []string) (any, error) {
	switch t.Kind() {
	case reflect.Pointer:
		if t.Elem() == reflect.TypeFor[time.Time]() && (values[0] == "" || values[0] == none) {
			return nil, nil
		}
		return e.value(t.Elem(), values)
	case reflect.Slice:
		all := []any{}
		if len(values) == 1 && values[0] == "" {
			return all, nil
		}
		if len(values) == 1 && strings.HasPrefix(values[0], "[") {
			return raw(values[0])
		}
		for _, v := range values {
			one, err := e.value(t.Elem(), []string{v})
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
		return all, nil
	}
	if len(values) > 1 {
		return nil, fmt.Errorf("takes one value: quote it if the comma belongs to it")
	}
	v := values[0]
	switch t {
	case reflect.TypeFor[incident.ID]():
		id, err := e.ticket(v)
		return id, err
	case reflect.TypeFor[time.Time]():
		return parseMoment(v, e.now)
	case reflect.TypeFor[time.Duration]():
		return parseDuration(v)
	case reflect.TypeFor[listName]():
		if _, err := e.ticket(v); err != nil && !slices.Contains(desk.Lists(), desk.List(v)) {
			return nil, fmt.Errorf("there is no list %q: allowed are due, mine, new, queue, unowned, and an incident for its children", v)
		}
		return v, nil
	case reflect.TypeFor[incident.Actor]():
		return actor(v), nil
	case reflect.TypeFor[incident.Party]():
		return party(v), nil
	case reflect.TypeFor[incident.Observable]():
		return observable(v)
	case reflect.TypeFor[workflow.File]():
		name, content, _ := strings.Cut(v, ":")
		return workflow.File{Name: name, Type: "text/plain", Content: []byte(strings.TrimSpace(content))}, nil
	}
	switch t.Kind() {
	case reflect.Bool:
		yes, err := strconv.ParseBool(v)
		if err != nil {
			err = fmt.Errorf("%q is neither true nor false", v)
		}
		return yes, err
	case reflect.Int, reflect.Int64, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			err = fmt.Errorf("%q is no whole number", v)
		}
		return n, err
	case reflect.String:
		return v, nil
	}
	return raw(v)
}

// raw takes a value as JSON.
func raw(v string) (any, error) {
	if !json.Valid([]byte(v)) {
		return nil, fmt.Errorf("%q is no JSON, which this argument takes", v)
	}
	return json.RawMessage(v), nil
}

// Words for what is not there.
const (
	none   = "none"
	nobody = "nobody"
)

// actor turns a person's word into an actor: alice is "handler:alice".
func actor(word string) incident.Actor {
	switch {
	case word == nobody || word == "":
		return incident.Nobody
	case word == string(incident.Correspondent), word == string(incident.System), word == string(incident.Duty), strings.Contains(word, ":"):
		return incident.Actor(word)
	}
	return incident.Actor("handler:" + word)
}

// who is the word for an actor.
func who(a incident.Actor) string {
	return cmp.Or(strings.TrimPrefix(string(a), "handler:"), nobody)
}

// party reads "Name <address>" or an address.
func party(s string) incident.Party {
	if name, rest, ok := strings.Cut(s, "<"); ok && strings.HasSuffix(rest, ">") {
		return incident.Party{Name: strings.TrimSpace(name), Address: strings.TrimSuffix(rest, ">")}
	}
	return incident.Party{Address: s}
}

// observable reads "address 192.0.2.7 source", or a value whose kind is plain.
func observable(s string) (incident.Observable, error) {
	words := strings.Fields(s)
	if len(words) == 1 {
		return incident.ParseObservable(words[0], incident.RoleUnknown)
	}
	if len(words) < 2 || len(words) > 3 {
		return incident.Observable{}, fmt.Errorf("%q is no observable: allowed are \"address 192.0.2.7 source\", 192.0.2.7", s)
	}
	o := incident.Observable{Kind: incident.ObservableKind(words[0]), Value: words[1]}
	if len(words) == 3 {
		o.Role = incident.Role(words[2])
	}
	return o, nil
}

// list names the keys of a map.
func list[V any](m map[string]V) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
