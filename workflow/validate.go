package workflow

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
)

// Validate reports every mistake of a policy at once: a kind without a lifecycle;
// a status that is named and not defined, defined twice, without a phase, or not
// fit for what it is named for; an agreement about incidents, or with a clock that
// looks at a status which none of its tickets can have; a field that is described
// twice, or with a default that is none of its values; a status that is hidden for
// some kinds and not for all that have it; a trust that there is not; a protection of
// mail that there is not, or for what is no address; a limit on automatic mail below
// -1; squelching what is no address; rights about commands, kinds, statuses or a
// default role that do not exist; a rule or
// derivation without a name, with one that is taken, without its functions, or,
// if it is one of the library, with parameters of another type or that cannot work;
// a reaction that nothing or everything wakes, that does nothing or two things, or
// that names what there is not; a choice of templates by what there is not, or with
// what is no language; a feed that is described twice, or that sets what cannot be.
func (p *Policy) Validate() error {
	var errs []error
	p.faults(func(_ string, err error) { errs = append(errs, fmt.Errorf("workflow: policy %w", err)) })
	return errors.Join(errs...)
}

// checker is what parameters of a rule may implement to be looked at by
// [Policy.Validate].
type checker interface{ Check(*Policy) error }

// wrong takes a mistake and its place in the form of a document: names of keys,
// joined by slashes.
type wrong func(place, format string, args ...any)

// faults hands over each mistake of a policy with its place.
func (p *Policy) faults(report func(place string, err error)) {
	wrong := func(place, format string, args ...any) { report(place, fmt.Errorf(format, args...)) }
	for _, kind := range incident.Kinds() {
		if l, ok := p.Lifecycles[kind]; ok {
			l.faults(kind, wrong)
		} else {
			wrong("lifecycles", "has no lifecycle for %s", kind)
		}
	}
	p.cascadeFaults(wrong)
	p.agreementFaults(wrong)
	p.Uncertain.faults(wrong)
	p.Attention.faults(wrong)
	fields := map[string]int{} // by name or alias
	for i, f := range p.Fields {
		f.faults(wrong)
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			if earlier, ok := fields[strings.ToLower(name)]; ok && earlier != i {
				wrong("fields/"+f.Name, "describes a field %q twice", name)
			} else {
				fields[strings.ToLower(name)] = i
			}
		}
	}
	for _, kind := range incident.Kinds() {
		for _, name := range p.Hidden[kind] {
			if _, ok := p.Lifecycles[kind].Status(name); !ok {
				wrong(at("hidden", kind, name), "hides %q, which is no status of %s%s", name, kind, p.Lifecycles[kind].allowed())
			}
			for _, other := range incident.Kinds() {
				if _, ok := p.Lifecycles[other].Status(name); ok && !slices.Contains(p.Hidden[other], name) {
					wrong(at("hidden", kind, name), "hides %q of %s and not of %s, which has it too", name, kind, other)
				}
			}
		}
	}
	for _, mail := range []struct {
		may   string
		trust incident.Trust
	}{{"append", p.MailTrust.Append}, {"reopen", p.MailTrust.Reopen}, {"approve", p.MailTrust.Approve}} {
		if !slices.Contains(incident.Trusts(), mail.trust) {
			wrong("mail-trust/"+mail.may, "trusts mail that is %q: allowed are known, authenticated, signed, or none at all", mail.trust)
		}
	}
	p.Sealing.faults(wrong)
	p.Rights.faults(p, wrong)
	for _, address := range p.Squelched {
		local, domain, _ := strings.Cut(address, "@")
		if local == "" {
			local = "postmaster"
		}
		if _, err := incident.NewObservable(incident.MailAddress, local+"@"+domain, incident.RoleUnknown); err != nil {
			wrong("squelched/"+address, "squelches %q: allowed are mail addresses like bob@example.org, and domains like @example.org", address)
		}
	}
	for _, limit := range []struct {
		of    string
		value int
	}{
		{"correspondent", p.AutomaticMail.Correspondent}, {"member", p.AutomaticMail.Member},
		{"ticket", p.AutomaticMail.Ticket}, {"desk", p.AutomaticMail.Desk},
	} {
		if limit.value < -1 || limit.value > maxAutomaticMail {
			wrong("automatic-mail/"+limit.of, "limits automatic mail to %d: allowed are 1 to %d, 0 for the default, -1 for no limit", limit.value, maxAutomaticMail)
		}
	}
	called := map[string]int{}
	for _, name := range p.ruleNames() {
		if called[name]++; name == "" || called[name] == 2 {
			wrong("rules/"+name, "has two rules or derivations called %q, or one without a name", name)
		}
	}
	builtIn := map[string]any{}
	for _, r := range Rules() {
		builtIn[r.Name] = r.Params
	}
	for _, d := range Derivations() {
		builtIn[d.Name] = d.Params
	}
	params := func(place, name string, given any) {
		want, known := builtIn[name]
		if known && called[name] == 1 && reflect.TypeOf(given) != reflect.TypeOf(want) {
			wrong(place, "gives %q parameters of the type %T: allowed is %T", name, given, want)
		} else if c, ok := given.(checker); ok {
			if err := c.Check(p); err != nil {
				wrong(place, "has a rule %q that cannot work: %w", name, err)
			}
		}
	}
	for _, r := range p.Rules {
		if r.Then == nil {
			wrong("rules/"+r.Name, "has a rule %q without Then", r.Name)
		}
		params("rules/"+r.Name, r.Name, r.Params)
	}
	for _, d := range p.Derivations {
		params("derivations/"+d.Name, d.Name, d.Params)
		if d.Dirty == nil || d.Then == nil {
			wrong("derivations/"+d.Name, "has a derivation %q without Dirty or Then", d.Name)
		}
	}
	p.reactionFaults(called, wrong)
	p.templateFaults(wrong)
	p.feedFaults(wrong)
}

// at joins the parts of a place.
func at(parts ...any) string {
	words := make([]string, len(parts))
	for i, part := range parts {
		switch part := part.(type) {
		case string:
			words[i] = part
		case incident.Kind:
			words[i] = string(part)
		case incident.Status:
			words[i] = string(part)
		default:
			words[i] = fmt.Sprint(part)
		}
	}
	return strings.Join(words, "/")
}

func (p *Policy) cascadeFaults(wrong wrong) {
	incidents := p.Lifecycles[incident.KindIncident]
	for _, from := range slices.Sorted(maps.Keys(p.Cascade)) {
		if _, ok := incidents.Status(from); !ok {
			wrong(at("cascade", from), "has a cascade for %q, which is no status of incidents%s", from, incidents.allowed())
		}
		for _, kind := range slices.Sorted(maps.Keys(p.Cascade[from])) {
			name := p.Cascade[from][kind]
			to, ok := p.Lifecycles[kind].Status(name)
			switch {
			case !ok:
				wrong(at("cascade", from, kind), "lets a cascade end in %q, which is no status of %s%s", name, kind, p.Lifecycles[kind].allowed())
			case to.Phase != incident.Inactive:
				wrong(at("cascade", from, kind), "lets a cascade end in %q, which is no inactive status of %s", to.Name, kind)
			}
		}
	}
}

// allowed is the end of a sentence: the statuses that there are.
func (l Lifecycle) allowed() string {
	names := make([]string, len(l.Statuses))
	for i, s := range l.Statuses {
		names[i] = string(s.Name)
	}
	if len(names) == 0 {
		return ""
	}
	return ": allowed are " + strings.Join(names, ", ")
}

func (p *Policy) agreementFaults(wrong wrong) {
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
			wrong(at("agreement-kinds", kind), "has an agreement about %q: allowed are report, investigation, block", kind)
		}
	}
	if p.Agreement == nil {
		return
	}
	if slices.Contains(p.Agreement.Moments(), sla.Moment(p.levelField())) {
		wrong("level-field", "keeps the service level in the field %q, which is a moment of the agreement", p.levelField())
	}
	for _, name := range p.Agreement.Levels() {
		level, _ := p.Agreement.Level(name)
		for _, clock := range level.Clocks {
			for _, status := range slices.Concat(clock.PauseOn, clock.IgnoreOn) {
				if !slices.Contains(known, status) {
					wrong("", "lets clock %q of level %q stand still in status %q: allowed are %s", clock.Name, name, status, strings.Join(known, ", "))
				}
			}
		}
	}
}

func (l Lifecycle) faults(kind incident.Kind, wrong wrong) {
	here := at("lifecycles", kind)
	named := func(place string, name incident.Status) {
		if _, ok := l.Status(name); !ok {
			wrong(place, "names a status %q that %s does not have%s", name, kind, l.allowed())
		}
	}
	for _, on := range []struct {
		place    string
		name     incident.Status
		optional bool
		ends     bool
	}{
		{"on-create", l.OnCreate, false, false}, {"on-merge", l.OnMerge, false, true}, {"on-resolve", l.OnResolve, true, true},
		{"on-reject", l.OnReject, true, true}, {"on-abandon", l.OnAbandon, true, true}, {"on-removal", l.OnRemoval, true, false},
	} {
		place := here + "/" + on.place
		s, ok := l.Status(on.name)
		switch {
		case on.name == "" && on.optional:
		case !ok && on.name == "":
			wrong(place, "names no status as %s of %s%s", on.place, kind, l.allowed())
		case !ok:
			named(place, on.name)
		case on.ends && s.Phase != incident.Inactive:
			wrong(place, "has %q, which is not inactive, as %s of %s", on.name, on.place, kind)
		case on.place == "on-create" && !s.First:
			wrong(place, "lets no %s begin in %q, which is its on-create: allowed is a status with first: true", kind, on.name)
		}
	}
	statuses := map[string]int{} // by name or alias
	for i, s := range l.Statuses {
		place := at(here, "statuses", s.Name)
		for _, to := range s.MoveTo {
			named(at(place, "to", to), to)
		}
		if !slices.Contains([]incident.Phase{incident.Initial, incident.Active, incident.Inactive}, s.Phase) {
			wrong(place+"/phase", "gives status %q of %s the phase %q: allowed are initial, active, inactive", s.Name, kind, s.Phase)
		}
		for _, name := range append([]incident.Status{s.Name}, s.Aliases...) {
			folded := strings.ToLower(string(name))
			if earlier, ok := statuses[folded]; ok && earlier != i {
				wrong(place, "defines status %q of %s twice", name, kind)
			} else {
				statuses[folded] = i
			}
		}
	}
	for i, a := range l.Actions {
		place := at(here, "actions", i)
		named(place+"/to", a.To)
		if a.From != "" {
			named(place+"/from", a.From)
		}
		if a.Name == "" || !slices.Contains([]Form{FormNone, FormComment, FormReply}, a.Form) {
			wrong(place, "has an action %q of %s with the form %q: allowed are a name, and none, comment, reply", a.Name, kind, a.Form)
		}
	}
}

func (f Field) faults(wrong wrong) {
	place := "fields/" + f.Name
	if f.Name == "" {
		wrong(place, "has a field without a name")
	}
	if f.Default != "" && len(f.Values) > 0 && !slices.Contains(f.Choices(), f.Default) {
		wrong(place+"/default", "gives field %q the default %q: allowed is one of %s", f.Name, f.Default, strings.Join(f.Choices(), ", "))
	}
	for _, kind := range f.Kinds {
		if !slices.Contains(incident.Kinds(), kind) {
			wrong(at(place, "kinds", kind), "gives field %q to %q: allowed are report, incident, investigation, block", f.Name, kind)
		}
	}
	if f.Many && slices.Contains(properties(), f.Name) {
		wrong(place+"/many", "lets %q have several values: a ticket has one", f.Name)
	}
}
