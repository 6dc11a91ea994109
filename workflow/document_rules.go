package workflow

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// book is what may be listed under a key: rules or derivations.
type book[T any] struct {
	key    string
	all    []T
	name   func(T) string
	params func(*T) *any
}

func (r *reader) ruleBook() book[Rule] {
	return book[Rule]{"rules", r.rules, func(r Rule) string { return r.Name }, func(r *Rule) *any { return &r.Params }}
}

func derivationBook() book[Derivation] {
	return book[Derivation]{"derivations", Derivations(), func(d Derivation) string { return d.Name }, func(d *Derivation) *any { return &d.Params }}
}

func (b book[T]) index(list []T, name string) int {
	return slices.IndexFunc(list, func(t T) bool { return b.name(t) == name })
}

func (b book[T]) names(list []T) []string {
	var names []string
	for _, t := range list {
		names = append(names, b.name(t))
	}
	return names
}

// listed reads an ordered list of names, or of name: {parameter: value}.
func listed[T any](r *reader, n *yaml.Node, b book[T]) []T {
	if n.Kind != yaml.SequenceNode || len(n.Content) > maxEntries {
		r.want(n, b.key, "a list of names, or of name: {parameter: value}; [] is none")
		return nil
	}
	var list []T
	for _, item := range n.Content {
		name, params := item, (*yaml.Node)(nil)
		if item.Kind == yaml.MappingNode && len(item.Content) == 2 {
			name, params = item.Content[0], item.Content[1]
		}
		known, place, ok := b.look(r, name)
		if !ok {
			continue
		}
		if b.index(list, b.name(known)) >= 0 {
			r.wrong(name, place, "%q is listed a second time: allowed is once", b.name(known))
			continue
		}
		if params != nil {
			r.params(params, place, b.name(known), b.params(&known))
		}
		list = append(list, known)
	}
	return list
}

// look finds what a node names.
func (b book[T]) look(r *reader, n *yaml.Node) (found T, place string, ok bool) {
	name, ok := r.text(n, at(b.key, n.Value))
	if !ok {
		return found, "", false
	}
	name = newName(oldRules(), name)
	i := b.index(b.all, name)
	if i < 0 {
		r.wrong(n, at(b.key, name), "there is no %s %q: allowed are %s", strings.TrimSuffix(b.key, "s"), name, strings.Join(b.names(b.all), ", "))
		return found, "", false
	}
	place = at(b.key, name)
	r.keep(place, n)
	return b.all[i], place, true
}

// params changes the parameters of a rule that the document names.
func (r *reader) params(n *yaml.Node, place, rule string, params *any) {
	if *params == nil {
		if n.Kind != yaml.MappingNode || len(n.Content) > 0 {
			r.wrong(n, place, "%q has no parameters: allowed is its name alone", rule)
		}
		return
	}
	if reflect.TypeOf(*params).Kind() != reflect.Struct {
		r.wrong(n, place, "the parameters of %q are a %T, which a document cannot give: the program that has the rule must", rule, *params)
		return
	}
	for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
		n.Content[i].Value = newName(oldParams(rule), n.Content[i].Value)
	}
	copied := reflect.New(reflect.TypeOf(*params)).Elem()
	copied.Set(reflect.ValueOf(*params))
	r.members(n, place, copied, nil)
	*params = copied.Interface()
}

// without takes rules and derivations out.
func (r *reader) without(n *yaml.Node, p *Policy) {
	var names []string
	r.value(n, "without", reflect.ValueOf(&names).Elem())
	for i, name := range names {
		name = newName(oldRules(), name)
		running := p.ruleNames()
		p.Rules = slices.DeleteFunc(p.Rules, func(r Rule) bool { return r.Name == name })
		p.Derivations = slices.DeleteFunc(p.Derivations, func(d Derivation) bool { return d.Name == name })
		if name != "" && !slices.Contains(running, name) {
			r.wrong(n.Content[i], "without", "%q does not run: allowed are %s", name, strings.Join(running, ", "))
		}
	}
}

// with changes parameters of rules and derivations that run, and adds others where
// they stand in the order of all.
func (r *reader) with(n *yaml.Node, p *Policy) {
	rules, derivations := r.ruleBook(), derivationBook()
	r.each(n, "with", func(key string, k, v *yaml.Node) {
		if derivations.index(derivations.all, key) >= 0 {
			p.Derivations = changed(r, k, v, derivations, p.Derivations)
		} else {
			p.Rules = changed(r, k, v, rules, p.Rules)
		}
	})
}

func changed[T any](r *reader, k, v *yaml.Node, b book[T], list []T) []T {
	known, place, ok := b.look(r, k)
	if !ok {
		return list
	}
	i := b.index(list, b.name(known))
	if i < 0 {
		order := b.names(b.all)
		own := slices.Index(order, b.name(known))
		i = slices.IndexFunc(list, func(t T) bool { return slices.Index(order, b.name(t)) > own })
		if i < 0 {
			i = len(list)
		}
		list = slices.Insert(list, i, known)
	}
	if !isNull(v) {
		r.params(v, place, b.name(known), b.params(&list[i]))
	}
	return list
}
