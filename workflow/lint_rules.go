package workflow

import (
	"reflect"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// allEvents returns a zero value of every event of a ticket, and of those of the desk
// that commands cause.
func allEvents() []incident.Event {
	return []incident.Event{
		incident.Opened{}, incident.Moved{}, incident.Owned{}, incident.Linked{}, incident.Unlinked{}, incident.Edited{}, incident.Message{},
		incident.Commented{}, incident.DueSet{}, incident.Warned{}, incident.Breached{}, incident.Overdue{}, incident.Held{}, incident.Delivered{},
		incident.Merged{}, incident.Joined{}, incident.Unmerged{}, incident.Notified{}, incident.Attended{}, incident.Observed{}, incident.Settled{}, incident.Bounced{}, incident.ReceivedAgain{}, incident.Examined{},
		incident.AddressMarked{}, incident.AddressCleared{}, incident.Skipped{}, incident.Reacted{}, incident.Undelivered{}, incident.Redacted{}, incident.Custom{},
	}
}

func eventTypes() []string {
	var types []string
	for _, e := range allEvents() {
		types = append(types, e.Type())
	}
	return types
}

func (l *linter) rule(r Rule) {
	place := at("rules", r.Name)
	for _, event := range r.On {
		if !slices.Contains(eventTypes(), event) {
			l.add(SeverityError, place, "allowed are "+strings.Join(eventTypes(), ", "), "the rule %q waits for the event %q, which does not exist", r.Name, event)
		}
	}
	if len(r.On) == 0 {
		l.add(SeverityWarning, place, "name the events that wake it", "the rule %q can never fire: no event wakes it", r.Name)
	}
	l.params(place, r.Name, r.Params)
	if why, do := l.policy.never(r); why != "" {
		l.add(SeverityWarning, place, do, "the rule %q can never fire: %s", r.Name, why)
	}
}

// params looks at what parameters name: statuses, and fields by the member "field".
func (l *linter) params(place, rule string, params any) {
	if params == nil || reflect.TypeOf(params).Kind() != reflect.Struct {
		return
	}
	v := reflect.ValueOf(params)
	for _, m := range membersOf(v.Type()) {
		inside := at(place, m.name)
		var named []incident.Status
		switch value := v.Field(m.index).Interface().(type) {
		case string:
			if m.name == "field" {
				l.fieldParam(inside, rule, value)
			}
		case incident.Status:
			named = append(named, value)
		case []incident.Status:
			named = value
		}
		for _, name := range named {
			if known := slices.ContainsFunc(incident.Kinds(), func(kind incident.Kind) bool {
				_, ok := l.policy.Lifecycles[kind].Status(name)
				return ok
			}); !known && name != "" {
				l.add(SeverityError, at(inside, name), "name a status of some lifecycle", "the rule %q names a status %q that nothing has", rule, name)
			}
		}
	}
}

// fieldParam looks at the field that a rule works on.
func (l *linter) fieldParam(place, rule, name string) {
	f, ok := l.policy.Field(name)
	kind := incident.KindIncident
	if rule == ruleBlockExpiry {
		kind = incident.KindBlock
	}
	builtIn := rule == ruleBlockExpiry || rule == ruleResolution
	switch {
	case !ok && !slices.Contains(properties(), name):
		var names []string
		for _, f := range l.policy.Fields {
			names = append(names, f.Name)
		}
		l.add(SeverityError, place, "describe the field, or name one of "+strings.Join(names, ", "), "the rule %q works on the field %q, which does not exist", rule, name)
	case ok && builtIn && !f.Has(kind):
		l.add(SeverityError, place, "give the field to that kind", "the rule %q works on the field %q, which %s does not have", rule, name, article(kind))
	case ok && rule == ruleBlockExpiry && !f.Time:
		l.add(SeverityError, place, "say time: true for the field", "the rule %q works on the field %q, whose values need not be times", rule, name)
	}
}

const (
	ruleBlockExpiry = "block-expiry"
	ruleResolution  = "resolution"
)

// never says why a built-in rule cannot fire under the policy, and what would help;
// nothing if it can.
func (p *Policy) never(r Rule) (why, do string) {
	block := p.Lifecycles[incident.KindBlock]
	switch params := r.Params.(type) {
	case CopyObservables:
		if !slices.ContainsFunc(params.Kinds, isChild) {
			return "its kinds name no kind of child", "name report, investigation or block in its kinds"
		}
	case ReopenOnReply:
		if !p.reopens(params) {
			return "no status of its kinds that it may change can be left", "leave fewer statuses out, or let them lead to an active one"
		}
	case DueAfterReply:
		_, sets := p.Rule("due-on-reply")
		if params.Days == 0 && len(params.Urgent) == 0 && !sets {
			return "it sets no date, and there is none that it could unset", "give it days, or run due-on-reply"
		}
	case NotifyParams:
		if r.Name == "notify-reply" && len(params.Kinds) > 0 && !slices.ContainsFunc(params.Kinds, isChild) {
			return "incidents have no correspondents", "name report, investigation or block in its kinds"
		}
		if r.Name == "notify-linked" && len(params.Kinds) > 0 && !slices.Contains(params.Kinds, incident.KindIncident) {
			return "it tells of reports that are linked to incidents, which its kinds leave out", "name incident in its kinds"
		}
	}
	switch r.Name {
	case "open-linked-report":
		if !p.leads(incident.KindReport, incident.Initial) {
			return "no initial status of reports leads to an active one", "take it out, or add such a transition"
		}
	case ruleInheritConstituency:
		if p.StrictConstituency {
			return "strict-constituency keeps tickets of two constituencies apart", "take one of the two out"
		}
	case "reopen-linked-incident", "reopen-parents":
		if !p.leads(incident.KindIncident, incident.Inactive) {
			return "no inactive status of incidents leads to an active one", "take it out, or add such a transition"
		}
		if r.Name != "reopen-parents" && p.Lifecycles[incident.KindIncident].RefuseClosed {
			return "incidents that are closed take no child that is not (refuse-closed)", "take one of the two out"
		}
	case ruleApproveBlock:
		if !slices.ContainsFunc(block.Statuses, func(s StatusDef) bool {
			_, waits := p.awaits(incident.Ticket{Kind: incident.KindBlock, Status: s.Name, Phase: s.Phase})
			return waits
		}) {
			return "no status of blocks waits for approval", "take it out, or give blocks an initial status, or an on-removal"
		}
	case "request-block-removal":
		if block.OnRemoval == "" {
			return "blocks have no on-removal", "take it out, or name the status in which removal is asked for"
		}
	case ruleCloseChildren:
		if len(p.Cascade) == 0 {
			return "the cascade is empty", "take it out, or say in the cascade what becomes of the children"
		}
	}
	return "", ""
}

func isChild(kind incident.Kind) bool {
	return kind != incident.KindIncident && slices.Contains(incident.Kinds(), kind)
}

// leads reports whether some status of a phase leads to an active one.
func (p *Policy) leads(kind incident.Kind, phase incident.Phase) bool {
	l := p.Lifecycles[kind]
	return slices.ContainsFunc(l.Statuses, func(s StatusDef) bool {
		_, ok := l.FirstActive(s.Name)
		return s.Phase == phase && ok
	})
}

// reopens reports whether a reply can open anything again.
func (p *Policy) reopens(params ReopenOnReply) bool {
	for _, kind := range incident.Kinds() {
		if !isChild(kind) || len(params.Kinds) > 0 && !slices.Contains(params.Kinds, kind) {
			continue
		}
		l := p.Lifecycles[kind]
		for _, s := range l.Statuses {
			if _, ok := l.FirstActive(s.Name); ok && s.Phase == incident.Inactive && !slices.Contains(params.Except, s.Name) {
				return true
			}
		}
	}
	return false
}

// signal is what an event tells, as far as rules look at it. An empty part stands
// for any.
type signal struct {
	event string
	kind  incident.Kind
	way   string // of moved: opens, activates, closes, waits; of message: in, out; of edited: what
}

func (s signal) meets(other signal) bool {
	return s.event == other.event && (s.kind == "" || other.kind == "" || s.kind == other.kind) && (s.way == "" || other.way == "" || s.way == other.way)
}
