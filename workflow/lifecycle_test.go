package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// RTIR's menus (rtir.md 1.3 of the reference): what is offered in which status.
func TestActions(t *testing.T) {
	p := workflow.Default()
	for kind, menus := range map[incident.Kind]map[incident.Status][]string{
		incident.KindReport: {
			"new":      {"Open It", "Resolve", "Quick Resolve", "Reject", "Quick Reject"},
			"open":     {"Resolve", "Quick Resolve", "Reject", "Quick Reject"},
			"resolved": {"Re-open"},
			"rejected": {"Re-open"},
		},
		incident.KindIncident:      {"open": {"Resolve", "Quick Resolve", "Abandon"}, "resolved": {"Re-open"}, "abandoned": {"Re-open"}},
		incident.KindInvestigation: {"open": {"Resolve", "Quick Resolve"}, "resolved": {"Re-open"}},
		incident.KindBlock: {
			"pending activation": {"Activate", "Remove", "Quick Remove"},
			"active":             {"Pending Removal", "Remove", "Quick Remove"},
			"pending removal":    {"Activate", "Remove", "Quick Remove"},
			"removed":            {"Activate"},
		},
	} {
		l := p.Lifecycles[kind]
		require.Len(t, menus, len(l.Statuses), kind)
		for status, want := range menus {
			var names []string
			for _, a := range l.ActionsFrom(status) {
				names = append(names, a.Name)
			}
			require.Equal(t, want, names, "%s %s", kind, status)
		}
	}
	require.Equal(t, []workflow.Action{{Name: "Activate", To: "active", Form: workflow.FormComment}}, p.Lifecycles[incident.KindBlock].ActionsFrom("Removed")[:1])
}

// The words of earlier versions of RTIR are understood.
func TestOtherNames(t *testing.T) {
	p := workflow.Default()
	s, ok := p.Lifecycles[incident.KindBlock].Status("Block Pending")
	require.True(t, ok)
	require.Equal(t, incident.Status("pending activation"), s.Name)
	_, ok = p.Lifecycles[incident.KindReport].Status("block pending")
	require.False(t, ok)
	back, ok := p.Lifecycles[incident.KindReport].FirstActive("lost")
	require.True(t, ok, "from a status of an earlier policy there is a way")
	require.Equal(t, workflow.StatusOpen, back)

	blocks := func(status incident.Status, phase incident.Phase) []workflow.Decision {
		return list(incident.Opened{Kind: incident.KindBlock, Status: status, Phase: phase, Owner: "handler:alice", Parents: []incident.ID{3}})
	}
	inc := know(three)
	none := incident.Ticket{ID: 7}
	run(t, []decision{
		{"countermeasure", none, workflow.Open{Kind: "countermeasure", Parents: []incident.ID{3}}, inc, blocks("pending activation", incident.Initial), nil, ""},
		{"Countermeasures, block pending", none, workflow.Open{Kind: "Countermeasures", Status: "block pending", Parents: []incident.ID{3}}, inc, blocks("pending activation", incident.Initial), nil, ""},
		{"CM, Active", none, workflow.Open{Kind: " CM ", Status: "Active", Parents: []incident.ID{3}}, inc, blocks("active", incident.Active), nil, ""},
		{"Incident Report", none, workflow.Open{Kind: "Incident Report"}, nil,
			list(incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial, Owner: "handler:alice"}), nil, ""},
		{"back to where nothing leads, by another name", block(active), workflow.Move{Ticket: 7, To: "block pending"}, nil, nil, transition, `"pending removal", "removed"`},
		{"where it is, by another name", block(), workflow.Move{Ticket: 7, To: "BLOCK PENDING"}, nil, nil, nil, ""},
	})
}

func TestShown(t *testing.T) {
	require.Equal(t, statuses{"new", "open", "resolved", "abandoned", "pending activation", "active", "pending removal", "removed"}, workflow.Default().Shown())
	rtir, err := workflow.Preset("rtir")
	require.NoError(t, err)
	require.Nil(t, rtir.Shown(), "all")
}

func TestClosedIncidentsMayRefuseLinks(t *testing.T) {
	p := workflow.Default()
	l := p.Lifecycles[incident.KindIncident]
	l.RefuseClosed = true
	p.Lifecycles[incident.KindIncident] = l
	const says = "incident 4 is resolved: open it again first"
	link := workflow.Link{Ticket: 7, Parent: 4}
	run(t, []decision{{"anything, by default", report(), link, know(four), list(incident.Linked{Parent: 4}), nil, ""}})
	runUnder(t, p, []decision{
		{"an open one", report(open), link, know(four), nil, refused, says},
		{"a new one", report(), link, know(four), nil, refused, says},
		{"a held one", report(held), link, know(four), nil, refused, says},
		{"a closed one", report(rejected), link, know(four), list(incident.Linked{Parent: 4}), nil, ""},
		{"to an open incident", report(), workflow.Link{Ticket: 7, Parent: 3}, know(three), list(incident.Linked{Parent: 3}), nil, ""},
		{"born under it", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{4}}, know(four), nil, refused, says},
		{"born closed under it", incident.Ticket{}, workflow.Open{Kind: incident.KindReport, Status: "resolved", Parents: []incident.ID{4}}, know(four),
			list(incident.Opened{Kind: incident.KindReport, Status: "resolved", Phase: incident.Inactive, Owner: "handler:alice", Parents: []incident.ID{4}}), nil, ""},
	})
}

// Mistakes of policies that the tests of single kinds do not make.
func TestValidateListsNewMistakes(t *testing.T) {
	require.NoError(t, workflow.Default().Validate())
	field := func(change func(*workflow.Field)) func(*workflow.Policy) {
		return func(p *workflow.Policy) {
			f := workflow.Field{Name: "new", Kinds: []incident.Kind{incident.KindReport}}
			change(&f)
			p.Fields = append(p.Fields, f)
		}
	}
	life := func(kind incident.Kind, change func(*workflow.Lifecycle)) func(*workflow.Policy) {
		return func(p *workflow.Policy) {
			l := p.Lifecycles[kind]
			change(&l)
			p.Lifecycles[kind] = l
		}
	}
	for says, spoil := range map[string]func(*workflow.Policy){
		"has a field without a name":                 field(func(f *workflow.Field) { f.Name = "" }),
		`describes a field "RESOLUTION" twice`:       field(func(f *workflow.Field) { f.Name = "RESOLUTION" }),
		`describes a field "services" twice`:         field(func(f *workflow.Field) { f.Aliases = []string{"services"} }),
		`gives field "new" to "rumour": allowed are`: field(func(f *workflow.Field) { f.Kinds = []incident.Kind{"rumour"} }),
		`lets "state" have several values`:           field(func(f *workflow.Field) { f.Name, f.Many = "state", true }),
		`gives field "new" the default "b": allowed is one of a`: field(func(f *workflow.Field) {
			f.Default, f.Values = "b", []workflow.FieldValue{{Value: "a"}, {Value: "b", Retired: true}}
		}),
		`names a status "gone" that report does not have`:        life(incident.KindReport, func(l *workflow.Lifecycle) { l.OnResolve = "gone" }),
		`names a status "left" that incident does not have`:      life(incident.KindIncident, func(l *workflow.Lifecycle) { l.OnAbandon = "left" }),
		`names a status "leaving" that block does not have`:      life(incident.KindBlock, func(l *workflow.Lifecycle) { l.OnRemoval = "leaving" }),
		`has "open", which is not inactive, as`:                  life(incident.KindReport, func(l *workflow.Lifecycle) { l.OnReject = "open" }),
		`has "active", which is not inactive, as`:                life(incident.KindBlock, func(l *workflow.Lifecycle) { l.OnMerge = "active" }),
		`defines status "active" of block twice`:                 life(incident.KindBlock, func(l *workflow.Lifecycle) { l.Statuses[3].Aliases = statuses{"active"} }),
		`names a status "nowhere" that report does not have`:     life(incident.KindReport, func(l *workflow.Lifecycle) { l.Actions[0].To = "nowhere" }),
		`names a status "somewhere" that report does not have`:   life(incident.KindReport, func(l *workflow.Lifecycle) { l.Actions[0].From = "somewhere" }),
		`has an action "" of report with the form "reply"`:       life(incident.KindReport, func(l *workflow.Lifecycle) { l.Actions[0].Name = "" }),
		`has an action "Open It" of report with the form "song"`: life(incident.KindReport, func(l *workflow.Lifecycle) { l.Actions[0].Form = "song" }),
		`hides "lost", which is no status of report`:             func(p *workflow.Policy) { p.Hidden[incident.KindReport] = statuses{"lost"} },
		`hides "resolved" of report and not of incident, which has it too`: func(p *workflow.Policy) {
			p.Hidden[incident.KindReport] = statuses{"resolved"}
		},
		`trusts mail that is "sealed": allowed are known, authenticated, signed, or none at all`: func(p *workflow.Policy) { p.MailTrust.Reopen = "sealed" },
	} {
		p := workflow.Default()
		spoil(p)
		require.ErrorContains(t, p.Validate(), says)
	}
}
