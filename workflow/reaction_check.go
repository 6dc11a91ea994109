package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow/export"
)

// reactionFaults hands over each mistake of the reactions. called counts the names of
// rules and derivations.
func (p *Policy) reactionFaults(called map[string]int, wrong wrong) {
	files := map[string]string{}
	for _, r := range p.Reactions {
		place := at("reactions", r.Name)
		if !isReactionName(r.Name) {
			wrong(place, "has a reaction called %q: allowed are letters, digits, dots and hyphens, 64 at most", r.Name)
		}
		if called[r.Name]++; called[r.Name] == 2 {
			wrong(place, "has a reaction called %q, as another reaction, rule or derivation is", r.Name)
		}
		p.wakingFaults(r, place, wrong)
		does := 0
		if r.Mail != nil {
			does++
			p.mailFaults(*r.Mail, place+"/mail", r.Name, wrong)
		}
		if r.Export != nil {
			does++
			p.exportFaults(r, place+"/export", wrong)
			if other, taken := files[r.Export.File]; taken {
				wrong(place+"/export/file", "lets the reactions %q and %q write to one file %q", other, r.Name, r.Export.File)
			}
			files[r.Export.File] = r.Name
		}
		if r.Program != nil {
			does++
			programFaults(*r.Program, place+"/program", r.Name, wrong)
		}
		if does != 1 {
			wrong(place, "has a reaction %q that does %d things: allowed is one of mail, export, program", r.Name, does)
		}
		if r.Attempts < 0 || r.Attempts > mostAttempts {
			wrong(place+"/attempts", "lets the reaction %q be tried %d times: allowed are 1 to %d, or 0 for %d", r.Name, r.Attempts, mostAttempts, standardAttempts)
		}
	}
}

func isReactionName(name string) bool {
	return name != "" && len(name) <= 64 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") == ""
}

// wakingFaults looks at what wakes a reaction.
func (p *Policy) wakingFaults(r Reaction, place string, wrong wrong) {
	var types []string
	for _, t := range eventTypes() {
		if t != (incident.Reacted{}).Type() && t != (incident.Undelivered{}).Type() {
			types = append(types, t)
		}
	}
	for _, event := range r.On {
		if !slices.Contains(types, event) {
			wrong(at(place, "on", event), "lets the reaction %q wait for the event %q: allowed are %s", r.Name, event, strings.Join(types, ", "))
		}
	}
	p.selectionFaults(at(place), fmt.Sprintf("the reaction %q", r.Name), r.Kinds, nil, nil, wrong)
	for _, stand := range []struct {
		key string
		Stand
	}{{"from", r.From}, {"to", r.To}} {
		p.selectionFaults(at(place, stand.key), fmt.Sprintf("the reaction %q", r.Name), nil, stand.Statuses, stand.States, wrong)
	}
	switch {
	case r.Implied() && (len(r.Kinds) > 0 || len(r.Constituencies) > 0 || len(r.Fields) > 0):
		wrong(place, "asks for kinds, constituencies or fields in the reaction %q, which is woken by what changes its list: say them of the list", r.Name)
	case r.Export == nil && len(r.On) == 0 && r.From.anywhere() && r.To.anywhere():
		wrong(place, "has a reaction %q that every record would wake: allowed are on, from, to, one of them at least", r.Name)
	}
}

// selectionFaults looks at kinds, statuses and states that something names.
func (p *Policy) selectionFaults(place, who string, kinds []incident.Kind, statuses []incident.Status, states []incident.State, wrong wrong) {
	for _, kind := range kinds {
		if !slices.Contains(incident.Kinds(), kind) {
			wrong(at(place, "kinds", kind), "lets %s be about %q: allowed are report, incident, investigation, block", who, kind)
		}
	}
	var known []string
	for _, kind := range incident.Kinds() {
		for _, s := range p.Lifecycles[kind].Statuses {
			if !slices.Contains(known, string(s.Name)) {
				known = append(known, string(s.Name))
			}
		}
	}
	for _, s := range statuses {
		if !slices.Contains(known, string(s)) {
			wrong(at(place, "statuses", s), "lets %s name a status %q that nothing has: allowed are %s", who, s, strings.Join(known, ", "))
		}
	}
	var labels []string
	for _, s := range p.States {
		labels = append(labels, s.Value)
	}
	for _, s := range states {
		if len(labels) > 0 && !slices.Contains(labels, string(s)) {
			wrong(at(place, "states", string(s)), "lets %s name a state %q that there is not: allowed are %s", who, s, strings.Join(labels, ", "))
		}
	}
}

func (p *Policy) mailFaults(m MailReaction, place, name string, wrong wrong) {
	if m.Template == "" {
		wrong(place+"/template", "has a reaction %q that mails no template: name one", name)
	}
	audiences := []Audience{ToContacts, ToRequestors, ToCc, ToOperationsCentre}
	for _, to := range m.To {
		switch {
		case !slices.Contains(audiences, to):
			wrong(at(place, "to", string(to)), "lets the reaction %q mail to %q: allowed are contacts, requestors, cc, operations-centre", name, to)
		case to == ToOperationsCentre && p.OperationsCentre.Address == "":
			wrong(at(place, "to", string(to)), "lets the reaction %q mail to the operations centre, and has none: name it", name)
		}
	}
	if !slices.Contains([]Protection{ProtectUnsaid, ProtectNever, ProtectWhenPossible, ProtectAlways}, m.Sign) {
		wrong(place+"/sign", "lets the reaction %q sign %q: allowed are never, when possible, always", name, m.Sign)
	}
}

func (p *Policy) exportFaults(r Reaction, place string, wrong wrong) {
	e := *r.Export
	if !isFileName(e.File) {
		wrong(place+"/file", "lets the reaction %q write to %q: allowed are names of files without folders that do not begin with a dot", r.Name, e.File)
	}
	if err := e.List.Check(); err != nil {
		wrong(place+"/list", "has a reaction %q that cannot work: %w", r.Name, err)
	}
	p.selectionFaults(place+"/list", fmt.Sprintf("the list of the reaction %q", r.Name), e.List.Kinds, e.List.Statuses, e.List.States, wrong)
}

func programFaults(r ProgramReaction, place, name string, wrong wrong) {
	if !isFileName(r.Name) {
		wrong(place+"/name", "lets the reaction %q run %q: allowed are names of programs without folders that do not begin with a dot", name, r.Name)
	}
	if r.Limit < 0 || r.Limit > longestLimit {
		wrong(place+"/limit", "lets the reaction %q run for %s: allowed are up to %s, or 0 for %s", name, Stretch(r.Limit), Stretch(longestLimit), Stretch(standardLimit))
	}
}

// isFileName reports whether a name stays in its directory.
func isFileName(name string) bool {
	return name != "" && len(name) <= 200 && name[0] != '.' && !strings.ContainsAny(name, `/\:`)
}

// reaction says what looks like a mistake in a reaction, and may be none.
func (l *linter) reaction(r Reaction) {
	place := at("reactions", r.Name)
	who := fmt.Sprintf("the reaction %q", r.Name)
	l.described(place, who, r.Fields)
	if r.Export != nil {
		l.described(at(place, "export", "list"), who, r.Export.List.Fields)
		if _, err := export.Find(export.Forms(), r.Export.List.Template, r.Export.List.Dialect); err != nil {
			what, do, _ := strings.Cut(strings.TrimPrefix(err.Error(), "export: "), ": allowed")
			l.add(SeverityWarning, at(place, "export", "list"), "give it to the desk, or name one that comes along: allowed"+do, "the reaction %q: %s", r.Name, what)
		}
	}
}

// described looks at fields that something asks for.
func (l *linter) described(place, who string, asked map[string][]string) {
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		f, ok := l.policy.Field(name)
		if !ok {
			l.add(SeverityWarning, at(place, "fields", name), "describe the field, or take it out", "%s asks for the field %q, which the policy does not describe", who, name)
			continue
		}
		for _, v := range asked[name] {
			if len(f.Values) > 0 && !slices.ContainsFunc(f.Values, func(have FieldValue) bool { return have.Value == v }) {
				l.add(SeverityWarning, at(place, "fields", name), "name one of its values", "%s asks for %q in the field %q, which cannot have it", who, v, name)
			}
		}
	}
}
