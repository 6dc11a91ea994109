package workflow

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// OldName is a name that documents of older systems have, and what it is called
// here.
type OldName struct {
	What     string // rule, parameter, status or field
	Old, New string
}

// OldNames lists the names that [ParsePolicy] understands beside its own, but for
// those of kinds, which [incident.ParseKind] knows. Aliases of statuses and fields
// in a policy come on top of them.
func OldNames() []OldName {
	var list []OldName
	for _, group := range []struct {
		what  string
		pairs [][2]string
	}{
		{"rule", oldRules()}, {"parameter", oldParams(ruleApproveBlock)}, {"status", oldStatuses()}, {"field", oldFields()},
	} {
		for _, pair := range group.pairs {
			list = append(list, OldName{group.what, pair[0], pair[1]})
		}
	}
	return list
}

const ruleApproveBlock = "approve-block"

func oldRules() [][2]string {
	return [][2]string{{"SetBlockState", ruleApproveBlock}, {"SetBlockStatus", ruleApproveBlock}, {"SetCountermeasureStatus", ruleApproveBlock}}
}

func oldParams(rule string) [][2]string {
	if rule != ruleApproveBlock {
		return nil
	}
	return [][2]string{{"RTIR_BlockAproveActionRegexp", "regexp"}, {"RTIR_CountermeasureApproveActionRegexp", "regexp"}}
}

func oldStatuses() [][2]string {
	return [][2]string{{"block pending", string(StatusPendingActivation)}}
}

// oldFields are those of RTIR, which wrote _RTIR_ before each until 2.6.
func oldFields() [][2]string {
	return [][2]string{
		{"How Reported", FieldVia}, {"HowReported", FieldVia}, {"_RTIR_HowReported", FieldVia},
		{"ReporterType", "Reporter Type"}, {"_RTIR_ReporterType", "Reporter Type"},
		{"WhereBlocked", "Where Blocked"}, {"_RTIR_WhereBlocked", "Where Blocked"},
		{"RTIR Constituency", FieldConstituency}, {"_RTIR_Constituency", FieldConstituency},
		{"_RTIR_Resolution", FieldResolution}, {"_RTIR_Function", "Function"}, {"_RTIR_Classification", "Classification"},
		{"_RTIR_Customer", "Customer"}, {"_RTIR_Port", "Port"}, {"_RTIR_Netmask", "Netmask"}, {"_RTIR_SLA", DefaultLevelField},
	}
}

func newName(pairs [][2]string, name string) string {
	for _, pair := range pairs {
		if strings.EqualFold(pair[0], name) {
			return pair[1]
		}
	}
	return name
}

// find returns the place of a status, field, reaction or role in a list, which is its length for
// a new one; its name; and the old name by which it was called, if it has to become
// an alias.
func find(list reflect.Value, key, place string) (i int, name, old string) {
	switch all := list.Interface().(type) {
	case []StatusDef:
		if s, ok := (Lifecycle{Statuses: all}).Status(incident.Status(key)); ok {
			key = string(s.Name)
		} else if now := newName(oldStatuses(), key); now != key && strings.HasPrefix(place, at("lifecycles", incident.KindBlock)) {
			key, old = now, key
		}
		for i = range all {
			if string(all[i].Name) == key {
				return i, key, old
			}
		}
	case []Field:
		policy := Policy{Fields: all}
		if f, ok := policy.Field(key); ok {
			key = f.Name
		} else if now := newName(oldFields(), key); now != key {
			key, old = now, key
		}
		for i = range all {
			if all[i].Name == key {
				return i, key, old
			}
		}
	case []Reaction:
		for i = range all {
			if all[i].Name == key {
				return i, key, old
			}
		}
	case []Role:
		for i = range all {
			if strings.EqualFold(all[i].Name, key) {
				return i, all[i].Name, ""
			}
		}
	}
	return list.Len(), key, old
}

// settle puts the names of the policy in the place of aliases and of other
// spellings.
func (p *Policy) settle() {
	for kind, l := range p.Lifecycles {
		named := []*incident.Status{&l.OnCreate, &l.OnMerge, &l.OnResolve, &l.OnReject, &l.OnAbandon, &l.OnRemoval}
		for i := range l.Statuses {
			for j := range l.Statuses[i].MoveTo {
				named = append(named, &l.Statuses[i].MoveTo[j])
			}
		}
		for i := range l.Actions {
			named = append(named, &l.Actions[i].From, &l.Actions[i].To)
		}
		for _, name := range named {
			*name = l.called(*name)
		}
		p.Lifecycles[kind] = l
	}
	cascade := map[incident.Status]map[incident.Kind]incident.Status{}
	incidents := p.Lifecycles[incident.KindIncident]
	for _, spelled := range namesFirst(p.Cascade, incidents.called) {
		from := incidents.called(spelled)
		if cascade[from] == nil {
			cascade[from] = map[incident.Kind]incident.Status{}
		}
		for kind, to := range p.Cascade[spelled] {
			cascade[from][kind] = p.Lifecycles[kind].called(to)
		}
	}
	if p.Cascade != nil {
		p.Cascade = cascade
	}
	for kind, statuses := range p.Hidden {
		for i := range statuses {
			statuses[i] = p.Lifecycles[kind].called(statuses[i])
		}
	}
	for _, role := range p.Rights.Roles {
		for _, m := range role.May {
			for _, statuses := range [][]incident.Status{m.From, m.To} {
				for i := range statuses {
					statuses[i], _ = p.statusOf(m.Kinds, statuses[i])
				}
			}
		}
	}
	if f, ok := p.Field(p.LevelField); ok {
		p.LevelField = f.Name
	}
	for i := range p.Reactions {
		p.settleReaction(&p.Reactions[i])
	}
	p.settleTemplates()
	for i := range p.Rules {
		p.settleParams(&p.Rules[i].Params)
	}
	for i := range p.Derivations {
		p.settleParams(&p.Derivations[i].Params)
	}
}

// called returns the name of a status; what is none stays as it is.
func (l Lifecycle) called(name incident.Status) incident.Status {
	if s, ok := l.Status(name); ok {
		return s.Name
	}
	return name
}

// settleReaction does the same for a reaction.
func (p *Policy) settleReaction(r *Reaction) {
	lists := []*[]incident.Status{&r.From.Statuses, &r.To.Statuses}
	fields := []*map[string][]string{&r.Fields}
	if r.Export != nil {
		settled := *r.Export
		r.Export = &settled
		lists, fields = append(lists, &settled.List.Statuses), append(fields, &settled.List.Fields)
	}
	for _, list := range lists {
		*list = mapped(*list, p.anyStatus)
	}
	for _, asked := range fields {
		*asked = p.named(*asked)
	}
}

// named returns what is asked of fields, under their names.
func (p *Policy) named(asked map[string][]string) map[string][]string {
	if asked == nil {
		return nil
	}
	named := map[string][]string{}
	for name, values := range asked {
		named[p.fieldName(name)] = values
	}
	return named
}

// settleParams does the same for parameters: statuses, and the member "field".
func (p *Policy) settleParams(params *any) {
	if *params == nil || reflect.TypeOf(*params).Kind() != reflect.Struct {
		return
	}
	settled := reflect.New(reflect.TypeOf(*params)).Elem()
	settled.Set(reflect.ValueOf(*params))
	for _, m := range membersOf(settled.Type()) {
		v := settled.Field(m.index)
		switch now := v.Interface().(type) {
		case string:
			if f, ok := p.Field(now); ok && m.name == "field" {
				v.SetString(f.Name)
			}
		case incident.Status:
			v.Set(reflect.ValueOf(p.anyStatus(now)))
		case []incident.Status:
			list := make([]incident.Status, 0, len(now))
			for _, s := range now {
				list = append(list, p.anyStatus(s))
			}
			if now != nil {
				v.Set(reflect.ValueOf(list))
			}
		case map[incident.Status]string:
			sum := map[incident.Status]string{}
			for _, s := range namesFirst(now, p.anyStatus) {
				sum[p.anyStatus(s)] = now[s]
			}
			if now != nil {
				v.Set(reflect.ValueOf(sum))
			}
		}
	}
	*params = settled.Interface()
}

// namesFirst returns the keys of a map, those first that are names already: what a
// document says in another spelling comes behind what its base says, and counts.
func namesFirst[V any](m map[incident.Status]V, called func(incident.Status) incident.Status) []incident.Status {
	return slices.SortedFunc(maps.Keys(m), func(a, b incident.Status) int {
		switch named, other := called(a) == a, called(b) == b; {
		case named && !other:
			return -1
		case other && !named:
			return 1
		}
		return strings.Compare(string(a), string(b))
	})
}

// anyStatus returns the name of a status that some kind has.
func (p *Policy) anyStatus(name incident.Status) incident.Status {
	for _, kind := range incident.Kinds() {
		if s, ok := p.Lifecycles[kind].Status(name); ok {
			return s.Name
		}
	}
	return name
}
