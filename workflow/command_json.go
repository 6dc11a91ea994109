package workflow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// MarshalCommand returns the JSON form of a command: its fields and its name
// under "command".
func MarshalCommand(c Command) ([]byte, error) {
	if edit, ok := c.(Edit); ok {
		c = edit.withoutNull()
	}
	fields, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	head := fmt.Appendf(nil, `{"command":%q`, c.Name())
	if len(fields) > 2 {
		head = append(head, ',')
	}
	return append(head, fields[1:]...), nil
}

// withoutNull makes lists that are to be emptied empty rather than nil, which
// would be null in JSON and mean "leave it".
func (c Edit) withoutNull() Edit {
	for _, list := range []**[]incident.Party{&c.Requestors, &c.Cc, &c.Contacts} {
		if *list != nil && **list == nil {
			*list = &[]incident.Party{}
		}
	}
	if c.ExternalIDs != nil && *c.ExternalIDs == nil {
		c.ExternalIDs = &[]string{}
	}
	return c
}

// ParseCommand reads the JSON form of a command. An unknown command or argument
// is an [*ArgumentError] that says which there are.
func ParseCommand(data []byte) (Command, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, &ArgumentError{"a command", "text", shorten(data), `a JSON object like {"command":"take","ticket":7}`}
	}
	var name string
	_ = json.Unmarshal(members["command"], &name)
	known := all()
	i := slices.IndexFunc(known, func(c Command) bool { return c.Name() == name })
	if i < 0 {
		var names []string
		for _, c := range Commands() {
			names = append(names, c.Name())
		}
		return nil, &ArgumentError{"a command", "command", name, strings.Join(names, ", ")}
	}
	shape := reflect.TypeOf(known[i])
	allowed := argumentNames(shape)
	delete(members, "command")
	for argument := range members {
		if !slices.Contains(allowed, argument) {
			return nil, &ArgumentError{name, "argument", argument, strings.Join(allowed, ", ")}
		}
	}
	value := reflect.New(shape).Elem()
	for i, argument := range allowed {
		given, ok := members[argument]
		if !ok {
			continue
		}
		field := value.Field(i)
		decoder := json.NewDecoder(bytes.NewReader(given))
		decoder.DisallowUnknownFields() // a name with a mistake in it must not lose what was said
		if err := decoder.Decode(field.Addr().Interface()); err != nil {
			return nil, &ArgumentError{name, argument, shorten(given), form(field.Type())}
		}
	}
	return value.Interface().(Command), nil
}

// shorten makes text fit for an error.
func shorten(text []byte) string {
	const most = 100
	if len(text) <= most {
		return incident.Clean(string(text))
	}
	return incident.Clean(string(text[:most])) + " ..."
}

// form says in words what JSON an argument of a type is written as.
func form(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[incident.ID]():
		return `the number of a ticket, or "$1", "$2" ... for those that earlier commands open`
	case reflect.TypeFor[time.Time]():
		return `a time like "2026-03-02T09:00:00Z"`
	case reflect.TypeFor[[]incident.Party]():
		return `a list like [{"name":"Bob","address":"bob@example.org"}]`
	case reflect.TypeFor[[]incident.Observable]():
		return `a list like [{"kind":"address","value":"192.0.2.7","role":"source"}]`
	case reflect.TypeFor[map[string][]string]():
		return `an object like {"field":["value"]}`
	case reflect.TypeFor[[]incident.ID]():
		return `a list of numbers of tickets like [7,8]`
	case reflect.TypeFor[[]incident.Kind]():
		return `a list like ["report","investigation"]`
	case reflect.TypeFor[[]string]():
		return `a list of texts like ["X-1"]`
	case reflect.TypeFor[[]File]():
		return `a list like [{"name":"log.txt","type":"text/plain","content":"aGVsbG8K"}] with the content in base64`
	case reflect.TypeFor[incident.Call]():
		return `an object like {"direction":"out","person":"Bob","number":"+44 20 7946 0000","left":"Asked to call back."}`
	}
	switch t.Kind() {
	case reflect.Int:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number that is not negative"
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list"
	}
	return "an object"
}

func argumentNames(shape reflect.Type) []string {
	var names []string
	for i := range shape.NumField() {
		name, _, _ := strings.Cut(shape.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// Bind returns the command with every placeholder ([incident.Nth]) replaced by
// the ticket that was opened at that place. A number beyond the list is an
// [*ArgumentError], and so is nil or a pointer in place of a command.
func Bind(c Command, opened []incident.ID) (Command, error) {
	if shape := reflect.TypeOf(c); shape == nil || shape.Kind() == reflect.Pointer {
		return nil, &ArgumentError{"a command", "type", fmt.Sprintf("%T", c), "a value like workflow.Take{Ticket: 7}, no pointer"}
	}
	var failed error
	bind := func(id incident.ID) incident.ID {
		n, ok := id.Placeholder()
		if !ok {
			return id
		}
		if n < 1 || n > len(opened) {
			allowed := "a number: no earlier command of the list opens a ticket"
			if len(opened) > 0 {
				allowed = fmt.Sprintf("a number, or $1 to $%d for the tickets that earlier commands of the list open", len(opened))
			}
			failed = &ArgumentError{c.Name(), "ticket", id.String(), allowed}
			return id
		}
		return opened[n-1]
	}
	value := reflect.New(reflect.TypeOf(c)).Elem()
	value.Set(reflect.ValueOf(c))
	for i := range value.NumField() {
		switch field := value.Field(i).Interface().(type) {
		case incident.ID:
			value.Field(i).Set(reflect.ValueOf(bind(field)))
		case []incident.ID:
			bound := slices.Clone(field)
			for j := range bound {
				bound[j] = bind(bound[j])
			}
			value.Field(i).Set(reflect.ValueOf(bound))
		}
	}
	return value.Interface().(Command), failed
}
