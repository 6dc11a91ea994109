package workflow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Severity says how bad a [Finding] is.
type Severity string

// Severities, worst first.
const (
	SeverityError   Severity = "error"   // the policy cannot work as it says
	SeverityWarning Severity = "warning" // part of it does nothing, or not what it seems to
	SeverityNote    Severity = "note"    // as it should be, and worth to know
)

// Finding is what [Lint] says about one thing.
type Finding struct {
	Severity Severity
	Section  string // keys of the document, joined by slashes: lifecycles/report/statuses/new
	Place    Place  // zero, if the policy came from no document
	What     string
	Do       string // what to do about it; empty: nothing
}

// String returns a line: place, severity, what, what to do.
func (f Finding) String() string {
	where := f.Place.String()
	if where == "" {
		where = f.Section
	}
	return strings.TrimSuffix(fmt.Sprintf("%s: %s: %s: %s", where, f.Severity, f.What, f.Do), ": ")
}

// Lint looks for what a policy cannot have meant: everything that [Policy.Validate]
// finds; statuses that no ticket reaches, or that none leaves again while it is
// open; actions that are never offered; rules that never fire, undo what woke them,
// or may chase each other without end; parameters about fields and statuses that do
// not exist; mandatory fields with nothing to choose; roles that see nothing, and
// what no role may do. The worst come first. A note
// asks for nothing.
func Lint(p *Policy) []Finding {
	l := &linter{policy: p}
	p.faults(func(place string, err error) {
		what, do, _ := strings.Cut(err.Error(), ": allowed")
		if do = strings.TrimSpace("allowed" + do); do == "allowed" {
			do = "change it, or what it names"
		}
		l.add(SeverityError, place, do, "the policy %s", what)
	})
	for _, kind := range incident.Kinds() {
		l.lifecycle(kind, p.Lifecycles[kind])
	}
	l.cascade()
	for _, f := range p.Fields {
		l.field(f)
	}
	for _, r := range p.Rules {
		l.rule(r)
	}
	for _, d := range p.Derivations {
		l.params(at("derivations", d.Name), d.Name, d.Params)
	}
	for _, r := range p.Reactions {
		l.reaction(r)
	}
	l.templates()
	l.rights()
	l.chases()
	order := []Severity{SeverityError, SeverityWarning, SeverityNote}
	slices.SortStableFunc(l.findings, func(a, b Finding) int {
		return cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity))
	})
	return l.findings
}

type linter struct {
	policy   *Policy
	findings []Finding
}

func (l *linter) add(s Severity, section, do, format string, args ...any) {
	l.findings = append(l.findings, Finding{s, section, l.policy.place(section), fmt.Sprintf(format, args...), do})
}

// lifecycle follows the transitions of a kind.
func (l *linter) lifecycle(kind incident.Kind, life Lifecycle) {
	here := at("lifecycles", kind)
	var starts []incident.Status
	for _, s := range life.Statuses {
		if s.First {
			starts = append(starts, s.Name)
		}
	}
	for _, ends := range l.policy.Cascade {
		starts = append(starts, ends[kind])
	}
	starts = append(starts, life.OnMerge) // neither asks for a transition
	reached, closable := life.reach(starts...), life.closable()
	for _, s := range life.Statuses {
		place := at(here, "statuses", s.Name)
		if !slices.Contains(reached, s.Name) {
			l.add(SeverityError, place, "let a status that can be reached lead to it, or take it out", "no %s can become %q", kind, s.Name)
		}
		switch {
		case !closable[s.Name]:
			l.add(SeverityError, place, "let it lead to an inactive status", "%s that is %q can never be closed", article(kind), s.Name)
		case s.Phase == incident.Inactive && len(s.MoveTo) == 0:
			l.add(SeverityNote, place, "nothing, if that is meant", "%q is final: nothing opens such %s again", s.Name, article(kind))
		}
	}
	for i, a := range life.Actions {
		offered := slices.ContainsFunc(life.Statuses, func(s StatusDef) bool {
			return slices.ContainsFunc(life.ActionsFrom(s.Name), func(other Action) bool { return other == a })
		})
		if !offered {
			l.add(SeverityWarning, at(here, "actions", i), "add the transition, or take the action out", "the action %q of %s is never offered: nothing leads from %s to %q", a.Name, kind, anyStatusOr(a.From), a.To)
		}
	}
	for _, on := range []struct {
		key  string
		name incident.Status
	}{{"on-resolve", life.OnResolve}, {"on-reject", life.OnReject}, {"on-abandon", life.OnAbandon}, {"on-removal", life.OnRemoval}} {
		leads := slices.ContainsFunc(life.Statuses, func(s StatusDef) bool {
			return s.Phase != incident.Inactive && slices.Contains(s.MoveTo, on.name)
		})
		if _, known := life.Status(on.name); known && !leads {
			l.add(SeverityWarning, at(here, on.key), "let an open status lead there", "no %s that is open can go to %q, which is its %s", kind, on.name, on.key)
		}
	}
}

func anyStatusOr(name incident.Status) string {
	if name == "" {
		return "any status"
	}
	return fmt.Sprintf("%q", name)
}

// reach returns the statuses that can be reached from some, with these.
func (l Lifecycle) reach(from ...incident.Status) []incident.Status {
	var reached []incident.Status
	for len(from) > 0 {
		s, ok := l.Status(from[0])
		if from = from[1:]; ok && !slices.Contains(reached, s.Name) {
			reached = append(reached, s.Name)
			from = append(from, s.MoveTo...)
		}
	}
	return reached
}

// closable returns the statuses from which an inactive one can be reached, with
// these.
func (l Lifecycle) closable() map[incident.Status]bool {
	closes := map[incident.Status]bool{}
	for _, s := range l.Statuses {
		closes[s.Name] = s.Phase == incident.Inactive
	}
	for changed := true; changed; {
		changed = false
		for _, s := range l.Statuses {
			if !closes[s.Name] && slices.ContainsFunc(s.MoveTo, func(to incident.Status) bool { return closes[to] }) {
				closes[s.Name], changed = true, true
			}
		}
	}
	return closes
}

// cascade looks for children that the end of an incident leaves open.
func (l *linter) cascade() {
	if _, runs := l.policy.Rule(ruleCloseChildren); !runs {
		return
	}
	for _, s := range l.policy.Lifecycles[incident.KindIncident].Statuses {
		for _, kind := range incident.Kinds() {
			if _, ok := l.policy.Cascade[s.Name][kind]; !ok && s.Phase == incident.Inactive && kind != incident.KindIncident {
				l.add(SeverityWarning, at("cascade", s.Name), "name a status for them", "an incident that becomes %q leaves its children of the kind %s open", s.Name, kind)
			}
		}
	}
}

func (l *linter) field(f Field) {
	place := at("fields", f.Name)
	switch {
	case len(f.Values) > 0 && len(f.Choices()) == 0 && f.Mandatory:
		l.add(SeverityError, place, "add a value, or make it optional", "the field %q must be filled in, and every value of it is retired", f.Name)
	case len(f.Values) > 0 && len(f.Choices()) == 0:
		l.add(SeverityWarning, place, "add a value", "every value of the field %q is retired", f.Name)
	case len(f.Values) == 0 && f.Mandatory && f.Default == "" && !f.Personal && !f.Time:
		l.add(SeverityWarning, place, "list its values, give it a default, or say personal: true where free text is meant",
			"the field %q must be filled in, and has no values to choose from: figures made of it will say little", f.Name)
	}
}
