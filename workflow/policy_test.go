package workflow_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

type statuses = []incident.Status

// transitions is RTIR's table of allowed transitions, by hand. "" is "create".
var transitions = map[incident.Kind]map[incident.Status]statuses{
	incident.KindIncident: {
		"":          {"open"},
		"open":      {"resolved", "abandoned"},
		"resolved":  {"open"},
		"abandoned": {"open"},
	},
	incident.KindReport: {
		"":         {"new", "open", "resolved"},
		"new":      {"open", "resolved", "rejected"},
		"open":     {"resolved", "rejected"},
		"resolved": {"open"},
		"rejected": {"open"},
	},
	incident.KindInvestigation: {
		"":         {"open", "resolved"},
		"open":     {"resolved"},
		"resolved": {"open"},
	},
	incident.KindBlock: {
		"":                   {"pending activation", "active"},
		"pending activation": {"active", "removed"},
		"active":             {"pending removal", "removed"},
		"pending removal":    {"removed", "active"},
		"removed":            {"active"},
	},
}

// phases is RTIR's table of initial, active and inactive statuses.
var phases = map[incident.Kind]map[incident.Status]incident.Phase{
	incident.KindIncident: {"open": incident.Active, "resolved": incident.Inactive, "abandoned": incident.Inactive},
	incident.KindReport: {
		"new": incident.Initial, "open": incident.Active, "resolved": incident.Inactive, "rejected": incident.Inactive,
	},
	incident.KindInvestigation: {"open": incident.Active, "resolved": incident.Inactive},
	incident.KindBlock: {
		"pending activation": incident.Initial, "active": incident.Active, "pending removal": incident.Active,
		"removed": incident.Inactive,
	},
}

var everyStatus = statuses{
	"new", "open", "resolved", "rejected", "abandoned", "pending activation", "active", "pending removal", "removed", "stalled",
}

func contains(list statuses, s incident.Status) bool {
	for _, have := range list {
		if have == s {
			return true
		}
	}
	return false
}

func TestTransitions(t *testing.T) {
	p := workflow.Default()
	pairs := 0
	for _, kind := range incident.Kinds() {
		require.Len(t, p.Lifecycles[kind].Statuses, len(phases[kind]))
		for from, allowed := range transitions[kind] {
			if from == "" {
				continue
			}
			for _, to := range everyStatus {
				pairs++
				name := fmt.Sprintf("%s: %s to %s", kind, from, to)
				ticket := incident.Ticket{ID: 7, Kind: kind, Status: from, Phase: phases[kind][from]}
				move := workflow.Move{Ticket: 7, To: to}
				got, err := p.Decide(ticket, move, soleChildren(7).answer(p.Asks(ticket, move)), env)
				switch {
				case to == from:
					require.NoError(t, err, name)
					require.Empty(t, got, "%s: what is already makes no event", name)
				case contains(allowed, to):
					require.NoError(t, err, name)
					require.Equal(t, list(incident.Moved{From: from, To: to, Phase: phases[kind][to]}), got, name)
				default:
					var refused *workflow.TransitionError
					require.ErrorAs(t, err, &refused, name)
					require.Equal(t, workflow.TransitionError{Ticket: 7, Kind: kind, From: from, To: to, Allowed: allowed}, *refused, name)
				}
			}
		}
	}
	require.Equal(t, (3+4+2+4)*len(everyStatus), pairs)
}

func TestFirstStatuses(t *testing.T) {
	p := workflow.Default()
	for _, kind := range incident.Kinds() {
		for _, first := range everyStatus {
			c := workflow.Open{Kind: kind, Status: first, Subject: "Scan"}
			switch kind {
			case incident.KindIncident:
				c.Fields = classified
			case incident.KindBlock:
				c.Parents = []incident.ID{3}
			}
			got, err := p.Decide(incident.Ticket{}, c, know(three).answer(p.Asks(incident.Ticket{}, c)), env)
			if !contains(transitions[kind][""], first) {
				var refused *workflow.TransitionError
				require.ErrorAs(t, err, &refused, "%s %s", kind, first)
				require.Equal(t, transitions[kind][""], refused.Allowed)
				continue
			}
			require.NoError(t, err, "%s %s", kind, first)
			opened := got[0].Event.(incident.Opened)
			require.Equal(t, first, opened.Status)
			require.Equal(t, phases[kind][first], opened.Phase)
		}
	}
}

func TestCreationDefaults(t *testing.T) {
	p := workflow.Default()
	for kind, want := range map[incident.Kind]struct {
		status   incident.Status
		priority int
	}{
		incident.KindIncident:      {"open", 50},
		incident.KindReport:        {"new", 0},
		incident.KindInvestigation: {"open", 0},
		incident.KindBlock:         {"pending activation", 0},
	} {
		require.Equal(t, want.status, p.Lifecycles[kind].OnCreate, kind)
		require.Equal(t, want.priority, p.Lifecycles[kind].Priority, kind)
	}
}

func TestFirstActive(t *testing.T) {
	p := workflow.Default()
	for _, c := range []struct {
		kind incident.Kind
		from incident.Status
		want incident.Status // "": nothing to do
	}{
		{incident.KindIncident, "open", ""},
		{incident.KindIncident, "resolved", "open"},
		{incident.KindIncident, "abandoned", "open"},
		{incident.KindReport, "new", "open"},
		{incident.KindReport, "open", ""},
		{incident.KindReport, "resolved", "open"},
		{incident.KindReport, "rejected", "open"},
		{incident.KindInvestigation, "open", ""},
		{incident.KindInvestigation, "resolved", "open"},
		{incident.KindBlock, "pending activation", "active"},
		{incident.KindBlock, "active", ""},
		{incident.KindBlock, "pending removal", "active"},
		{incident.KindBlock, "removed", "active"},
	} {
		got, ok := p.Lifecycles[c.kind].FirstActive(c.from)
		require.Equal(t, c.want, got, "%s %s", c.kind, c.from)
		require.Equal(t, c.want != "", ok, "%s %s", c.kind, c.from)
	}
	only := workflow.Lifecycle{Statuses: []workflow.StatusDef{{Name: "new", Phase: incident.Initial}}}
	_, ok := only.FirstActive("new")
	require.False(t, ok, "there is no active status at all")
}

func TestCascade(t *testing.T) {
	require.Equal(t, map[incident.Status]map[incident.Kind]incident.Status{
		"resolved":  {incident.KindReport: "resolved", incident.KindInvestigation: "resolved", incident.KindBlock: "removed"},
		"abandoned": {incident.KindReport: "rejected", incident.KindInvestigation: "resolved", incident.KindBlock: "removed"},
	}, workflow.Default().Cascade)
}

func TestCardinality(t *testing.T) {
	p := workflow.Default()
	for kind, want := range map[incident.Kind]struct{ many, required bool }{
		incident.KindReport:        {true, false},
		incident.KindInvestigation: {false, false},
		incident.KindBlock:         {true, true},
	} {
		require.Equal(t, want.many, p.Lifecycles[kind].ManyParents, kind)
		require.Equal(t, want.required, p.Lifecycles[kind].ParentRequired, kind)
	}
}

func TestStatusNamesCompareWithoutCase(t *testing.T) {
	ticket := incident.Ticket{ID: 7, Kind: incident.KindReport, Status: "new", Phase: incident.Initial}
	got, err := workflow.Default().Decide(ticket, workflow.Move{Ticket: 7, To: "RESOLVED"}, workflow.Facts{}, env)
	require.NoError(t, err)
	require.Equal(t, list(incident.Moved{From: "new", To: "resolved", Phase: incident.Inactive}), got)
}

func TestAllowedIsTheCallers(t *testing.T) {
	p := workflow.Default()
	ticket := incident.Ticket{ID: 7, Kind: incident.KindReport, Status: "new"}
	allowed := p.Allowed(ticket)
	require.Equal(t, statuses{"open", "resolved", "rejected"}, allowed)
	allowed[0] = "gone"
	require.Equal(t, statuses{"open", "resolved", "rejected"}, p.Allowed(ticket))
	require.Empty(t, p.Allowed(incident.Ticket{Kind: "desk"}))
}

func TestValidateAcceptsTheDefault(t *testing.T) { require.NoError(t, workflow.Default().Validate()) }

func TestValidateListsEveryMistake(t *testing.T) {
	nothing := func(*workflow.Policy, workflow.Change, workflow.Facts, any) workflow.Verdict {
		return workflow.Verdict{}
	}
	p := workflow.Default()
	delete(p.Lifecycles, incident.KindInvestigation)
	report := p.Lifecycles[incident.KindReport]
	report.OnCreate, report.OnMerge, report.OnReject = "fresh", "swallowed", "binned"
	report.Statuses = append(report.Statuses,
		workflow.StatusDef{Name: "odd", Phase: "sleepy", MoveTo: statuses{"nowhere"}},
		workflow.StatusDef{Name: "NEW", Phase: incident.Initial})
	p.Lifecycles[incident.KindReport] = report
	block := p.Lifecycles[incident.KindBlock]
	block.OnCreate = workflow.StatusRemoved
	p.Lifecycles[incident.KindBlock] = block
	p.Cascade["vanished"] = nil
	p.Cascade[workflow.StatusResolved][incident.KindBlock] = "blown up"
	p.Cascade[workflow.StatusAbandoned][incident.KindReport] = workflow.StatusOpen
	p.Rules = append(p.Rules, workflow.Rule{Then: nothing}, workflow.Rule{Name: "resolution", Then: nothing}, workflow.Rule{Name: "empty"})
	p.Derivations = append(p.Derivations, workflow.Derivation{Name: "idle"})

	err := p.Validate()
	require.Error(t, err)
	for _, want := range []string{
		"no lifecycle for investigation",
		`status "fresh" that report does not have`,
		`status "swallowed" that report does not have`,
		`status "binned" that report does not have`,
		`status "nowhere" that report does not have`,
		`status "odd" of report the phase "sleepy": allowed are initial, active, inactive`,
		`status "NEW" of report twice`,
		`lets no block begin in "removed"`,
		`cascade for "vanished", which is no status of incidents`,
		`"blown up", which is no status of block`,
		`"open", which is no inactive status of report`,
		`two rules or derivations called ""`,
		`two rules or derivations called "resolution"`,
		`rule "empty" without Then`,
		`derivation "idle" without Dirty or Then`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, 17, strings.Count(err.Error(), "\n")+1, "every mistake once; both cascades miss the missing lifecycle too:\n%v", err)
	require.Equal(t, err.Error(), p.Validate().Error(), "the same mistakes in the same order")
}

// Parameters of another type than the rule knows would end the process with the
// first record that wakes it.
func TestValidateLooksAtTypesOfParameters(t *testing.T) {
	for _, params := range []any{nil, workflow.NotifyParams{}, &workflow.CloseChildren{ActiveBlock: workflow.BlockWarn}, (*workflow.CloseChildren)(nil)} {
		p := workflow.Default()
		for i := range p.Rules {
			if p.Rules[i].Name == "close-children" {
				p.Rules[i].Params = params
			}
		}
		require.ErrorContains(t, p.Validate(), fmt.Sprintf(`gives "close-children" parameters of the type %T: allowed is workflow.CloseChildren`, params))
	}
	p := workflow.Default()
	for i := range p.Derivations {
		p.Derivations[i].Params = 7
	}
	require.ErrorContains(t, p.Validate(), "of the type int")
}
