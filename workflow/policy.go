package workflow

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
)

// Policy says how tickets live. It is a value: several policies may be used side
// by side, and none may be changed while a desk uses it.
type Policy struct {
	Name    string
	Version uint32 // stands in every record; 0: a built-in policy

	Lifecycles map[incident.Kind]Lifecycle

	// Cascade gives the status of a child when its incident is closed with a
	// certain status.
	Cascade map[incident.Status]map[incident.Kind]incident.Status

	// Agreement makes reports and investigations due by clocks; nil: nothing is
	// promised. AgreementKinds are the kinds that it is about, in place of these
	// two; never incidents, whose due date follows from their children. A ticket
	// names its level in the field LevelField (empty: [DefaultLevelField]), and
	// the moments that the agreement declares in fields called as they are.
	Agreement      *sla.Agreement
	AgreementKinds []incident.Kind
	LevelField     string

	Rules       []Rule       // in the order in which their commands run
	Derivations []Derivation // in the order in which they run

	// MaxSteps bounds the commands that follow from one command, rules included.
	// 0: 100,000.
	MaxSteps int
}

// Lifecycle is the life of one kind of ticket. The order of Statuses counts:
// see [Lifecycle.FirstActive].
type Lifecycle struct {
	Statuses       []StatusDef
	OnCreate       incident.Status // when a command names none
	OnMerge        incident.Status // of a ticket that another one took over
	OnReject       incident.Status // "": cannot be rejected
	ManyParents    bool            // may be linked to several incidents
	ParentRequired bool            // may not be without an incident
	Priority       int             // of a new ticket
}

// StatusDef is one status of a lifecycle.
type StatusDef struct {
	Name   incident.Status
	Phase  incident.Phase
	First  bool              // allowed as first status
	MoveTo []incident.Status // allowed next
}

// Status looks a status up by name, without regard to case.
func (l Lifecycle) Status(name incident.Status) (StatusDef, bool) {
	for _, s := range l.Statuses {
		if strings.EqualFold(string(s.Name), string(name)) {
			return s, true
		}
	}
	return StatusDef{}, false
}

// FirstActive returns the status to which rules move a ticket that has to be
// active: none if it has the first active status of the lifecycle already;
// otherwise the first active status among those that its status may move to
// (RT: "first active status").
func (l Lifecycle) FirstActive(from incident.Status) (incident.Status, bool) {
	for _, s := range l.Statuses {
		if s.Phase == incident.Active {
			if s.Name == from {
				return "", false
			}
			break
		}
	}
	now, _ := l.Status(from)
	for _, name := range now.MoveTo {
		if s, ok := l.Status(name); ok && s.Phase == incident.Active {
			return s.Name, true
		}
	}
	return "", false
}

// Names of statuses of the built-in policy (RTIR 4 and later; its
// "countermeasure" is called block here).
const (
	StatusNew               incident.Status = "new"
	StatusOpen              incident.Status = "open"
	StatusResolved          incident.Status = "resolved"
	StatusRejected          incident.Status = "rejected"
	StatusAbandoned         incident.Status = "abandoned"
	StatusPendingActivation incident.Status = "pending activation"
	StatusActive            incident.Status = "active"
	StatusPendingRemoval    incident.Status = "pending removal"
	StatusRemoved           incident.Status = "removed"
)

// Default returns the built-in policy: statuses, transitions and cascades of
// RTIR, with the first rules of the JANET work-flow (3.11, 3.15, 3.16). The
// caller owns the result.
func Default() *Policy {
	type status = incident.Status
	to := func(names ...status) []status { return names }
	return &Policy{
		Name: "default",
		Lifecycles: map[incident.Kind]Lifecycle{
			incident.KindIncident: {
				Statuses: []StatusDef{
					{Name: StatusOpen, Phase: incident.Active, First: true, MoveTo: to(StatusResolved, StatusAbandoned)},
					{Name: StatusResolved, Phase: incident.Inactive, MoveTo: to(StatusOpen)},
					{Name: StatusAbandoned, Phase: incident.Inactive, MoveTo: to(StatusOpen)},
				},
				OnCreate: StatusOpen, OnMerge: StatusResolved, Priority: 50,
			},
			incident.KindReport: {
				Statuses: []StatusDef{
					{Name: StatusNew, Phase: incident.Initial, First: true, MoveTo: to(StatusOpen, StatusResolved, StatusRejected)},
					{Name: StatusOpen, Phase: incident.Active, First: true, MoveTo: to(StatusResolved, StatusRejected)},
					{Name: StatusResolved, Phase: incident.Inactive, First: true, MoveTo: to(StatusOpen)},
					{Name: StatusRejected, Phase: incident.Inactive, MoveTo: to(StatusOpen)},
				},
				OnCreate: StatusNew, OnMerge: StatusResolved, OnReject: StatusRejected, ManyParents: true,
			},
			incident.KindInvestigation: {
				Statuses: []StatusDef{
					{Name: StatusOpen, Phase: incident.Active, First: true, MoveTo: to(StatusResolved)},
					{Name: StatusResolved, Phase: incident.Inactive, First: true, MoveTo: to(StatusOpen)},
				},
				OnCreate: StatusOpen, OnMerge: StatusResolved,
			},
			incident.KindBlock: {
				Statuses: []StatusDef{
					{Name: StatusPendingActivation, Phase: incident.Initial, First: true, MoveTo: to(StatusActive, StatusRemoved)},
					{Name: StatusActive, Phase: incident.Active, First: true, MoveTo: to(StatusPendingRemoval, StatusRemoved)},
					{Name: StatusPendingRemoval, Phase: incident.Active, MoveTo: to(StatusRemoved, StatusActive)},
					{Name: StatusRemoved, Phase: incident.Inactive, MoveTo: to(StatusActive)},
				},
				OnCreate: StatusPendingActivation, OnMerge: StatusRemoved, ManyParents: true, ParentRequired: true,
			},
		},
		Cascade: map[status]map[incident.Kind]status{
			StatusResolved: {
				incident.KindReport: StatusResolved, incident.KindInvestigation: StatusResolved, incident.KindBlock: StatusRemoved,
			},
			StatusAbandoned: {
				incident.KindReport: StatusRejected, incident.KindInvestigation: StatusResolved, incident.KindBlock: StatusRemoved,
			},
		},
		Rules:       Rules(),
		Derivations: Derivations(),
	}
}

// Validate reports every mistake of a policy at once: a kind without a lifecycle;
// a status that is named and not defined, defined twice, without a phase, or not
// fit for what it is named for; an agreement about incidents, or with a clock that
// looks at a status which none of its tickets can have; a rule or derivation without a name, with one
// that is taken, or without its functions.
func (p *Policy) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("workflow: policy "+format, args...)) }
	for _, kind := range incident.Kinds() {
		l, ok := p.Lifecycles[kind]
		if !ok {
			wrong("has no lifecycle for %s", kind)
			continue
		}
		l.validate(kind, wrong)
	}
	for _, from := range slices.Sorted(maps.Keys(p.Cascade)) {
		if _, ok := p.Lifecycles[incident.KindIncident].Status(from); !ok {
			wrong("has a cascade for %q, which is no status of incidents", from)
		}
		for _, kind := range slices.Sorted(maps.Keys(p.Cascade[from])) {
			to, ok := p.Lifecycles[kind].Status(p.Cascade[from][kind])
			switch {
			case !ok:
				wrong("lets a cascade end in %q, which is no status of %s", p.Cascade[from][kind], kind)
			case to.Phase != incident.Inactive:
				wrong("lets a cascade end in %q, which is no inactive status of %s", to.Name, kind)
			}
		}
	}
	p.validateAgreement(wrong)
	seen := map[string]bool{}
	for _, name := range p.ruleNames() {
		if name == "" || seen[name] {
			wrong("has two rules or derivations called %q, or one without a name", name)
		}
		seen[name] = true
	}
	for _, r := range p.Rules {
		if r.Then == nil {
			wrong("has a rule %q without Then", r.Name)
		}
	}
	for _, d := range p.Derivations {
		if d.Dirty == nil || d.Then == nil {
			wrong("has a derivation %q without Dirty or Then", d.Name)
		}
	}
	return errors.Join(errs...)
}

func (p *Policy) validateAgreement(wrong func(string, ...any)) {
	var known []string
	for _, kind := range incident.Kinds() {
		if p.promises(kind) {
			for _, s := range p.Lifecycles[kind].Statuses {
				if !slices.Contains(known, string(s.Name)) {
					known = append(known, string(s.Name))
				}
			}
		}
	}
	for _, kind := range p.AgreementKinds {
		if kind == incident.KindIncident || !slices.Contains(incident.Kinds(), kind) {
			wrong("has an agreement about %q: allowed are report, investigation, block", kind)
		}
	}
	if p.Agreement == nil {
		return
	}
	if slices.Contains(p.Agreement.Moments(), sla.Moment(p.levelField())) {
		wrong("keeps the service level in the field %q, which is a moment of the agreement", p.levelField())
	}
	for _, name := range p.Agreement.Levels() {
		level, _ := p.Agreement.Level(name)
		for _, clock := range level.Clocks {
			for _, status := range slices.Concat(clock.PauseOn, clock.IgnoreOn) {
				if !slices.Contains(known, status) {
					wrong("lets clock %q of level %q stand still in status %q: allowed are %s", clock.Name, name, status, strings.Join(known, ", "))
				}
			}
		}
	}
}

func (l Lifecycle) validate(kind incident.Kind, wrong func(string, ...any)) {
	named := []incident.Status{l.OnCreate, l.OnMerge}
	if l.OnReject != "" {
		named = append(named, l.OnReject)
	}
	for i, s := range l.Statuses {
		named = append(named, s.MoveTo...)
		if !slices.Contains([]incident.Phase{incident.Initial, incident.Active, incident.Inactive}, s.Phase) {
			wrong("gives status %q of %s the phase %q: allowed are initial, active, inactive", s.Name, kind, s.Phase)
		}
		if earlier, _ := (Lifecycle{Statuses: l.Statuses[:i]}).Status(s.Name); earlier.Name != "" {
			wrong("defines status %q of %s twice", s.Name, kind)
		}
	}
	for _, name := range named {
		if _, ok := l.Status(name); !ok {
			wrong("names a status %q that %s does not have", name, kind)
		}
	}
	if first, ok := l.Status(l.OnCreate); ok && !first.First {
		wrong("lets no %s begin in %q, which is its OnCreate", kind, l.OnCreate)
	}
}

func (p *Policy) ruleNames() []string {
	var names []string
	for _, r := range p.Rules {
		names = append(names, r.Name)
	}
	for _, d := range p.Derivations {
		names = append(names, d.Name)
	}
	return names
}

// Steps returns MaxSteps or its default.
func (p *Policy) Steps() int {
	if p.MaxSteps > 0 {
		return p.MaxSteps
	}
	return 100_000
}

// Allowed returns the statuses to which a ticket may be moved.
func (p *Policy) Allowed(t incident.Ticket) []incident.Status {
	now, _ := p.Lifecycles[t.Kind].Status(t.Status)
	return slices.Clone(now.MoveTo)
}
