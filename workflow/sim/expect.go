package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// expect compares what a step expects of a ticket with what it is.
func (p *player) expect(t incident.Ticket, args []Arg) error {
	shape := reflect.TypeFor[incident.Ticket]()
	actual, err := asTree(t)
	if err != nil {
		return err
	}
	var wrong []error
	for _, a := range args {
		path := strings.SplitN(a.Key, ".", 2)
		have := actual
		for _, name := range path {
			have = inside(have, name)
		}
		if len(a.Values) == 1 && a.Values[0] == none && empty(have) {
			continue
		}
		object, errs := p.encoder().object(shape, []Arg{a})
		if errs != nil {
			return errs
		}
		wanted, err := asTree(object)
		if err != nil {
			return err
		}
		want := wanted
		for _, name := range path {
			want = inside(want, name)
		}
		if !reflect.DeepEqual(want, have) && !(empty(want) && empty(have)) {
			wrong = append(wrong, fmt.Errorf("expected %s %s of %s, not %s", a.Key, asText(want), p.of(t.ID), asText(have)))
		}
	}
	return errors.Join(wrong...)
}

// asTree turns a value into what its JSON says.
func asTree(v any) (tree any, err error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	err = json.Unmarshal(raw, &tree)
	return tree, err
}

func inside(tree any, name string) any {
	members, _ := tree.(map[string]any)
	return members[name]
}

// empty reports whether JSON leaves such a value out.
func empty(v any) bool {
	if v == nil {
		return true
	}
	value := reflect.ValueOf(v)
	return value.IsZero() || (value.Kind() == reflect.Slice || value.Kind() == reflect.Map) && value.Len() == 0
}

func asText(v any) string {
	if empty(v) {
		return none
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(raw)
}
