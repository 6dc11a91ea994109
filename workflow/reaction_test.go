package workflow_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/export"
)

// reacting reads a policy on top of airt.
func reacting(t *testing.T, reactions string) (*workflow.Policy, error) {
	t.Helper()
	text := "base: airt\nreactions:\n" + reactions
	return workflow.ParsePolicy(fstest.MapFS{"ours.yaml": {Data: []byte(text)}}, "ours.yaml")
}

func TestReactionDocument(t *testing.T) {
	document := `
  tell:
    doc: Who loses access is told.
    on: [edited, opened]
    kinds: [incident]
    constituencies: [campus]
    fields: {type: [ddos, virus]}
    from: {states: [inspected], statuses: [OPEN]}
    to: {states: [blockrequest]}
    attempts: 3
    mail: {template: block, to: [contacts, requestors], sign: always}
  routes:
    export:
      file: nullroutes.conf
      list: {template: nullroute, dialect: junos, statuses: [Open, closed], states: [blocked], roles: [source, unknown], aggregate: true, spare: [192.0.2.1/32, "2001:db8::/32"], widest-v4: 24, widest-v6: 48, fields: {TYPE: [ddos]}}
  push:
    on: [moved]
    program: {name: push, arguments: [--site, north], limit: 90s}
`
	_, err := reacting(t, strings.Replace(document, "[moved]", "[reacted-not]", 1))
	require.ErrorContains(t, err, `ours.yaml:19:10: the policy lets the reaction "push" wait for the event "reacted-not": allowed are opened, moved`)
	require.NotContains(t, err.Error(), "reacted,")
	p, err := reacting(t, document)
	require.NoError(t, err)
	require.Equal(t, []workflow.Reaction{
		{
			Name: "tell", Doc: "Who loses access is told.", On: []string{"edited", "opened"}, Kinds: []incident.Kind{incident.KindIncident},
			Constituencies: []string{"campus"}, Fields: map[string][]string{"Type": {"ddos", "virus"}}, Attempts: 3,
			From: workflow.Stand{States: []incident.State{"inspected"}, Statuses: []incident.Status{"open"}}, To: workflow.Stand{States: []incident.State{"blockrequest"}},
			Mail: &workflow.MailReaction{Template: "block", To: []workflow.Audience{workflow.ToContacts, workflow.ToRequestors}, Sign: workflow.ProtectAlways},
		},
		{Name: "routes", Export: &workflow.ExportReaction{File: "nullroutes.conf", List: export.Export{
			Template: "nullroute", Dialect: "junos", Statuses: []incident.Status{"open", "closed"}, States: []incident.State{"blocked"},
			Roles: []incident.Role{incident.RoleSource, incident.RoleUnknown}, Aggregate: true, WidestV4: 24, WidestV6: 48, Fields: map[string][]string{"Type": {"ddos"}},
			Spare: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")},
		}}},
		{Name: "push", On: []string{"moved"}, Program: &workflow.ProgramReaction{Name: "push", Arguments: []string{"--site", "north"}, Limit: 90 * time.Second}},
	}, p.Reactions)
	require.Equal(t, 3, p.Reactions[0].Tries())
	require.Equal(t, 5, p.Reactions[1].Tries())
	require.Equal(t, 90*time.Second, p.Reactions[2].Program.Longest())
	require.Equal(t, time.Minute, workflow.ProgramReaction{}.Longest())

	airt, err := workflow.Preset("airt")
	require.NoError(t, err)
	var lines []string
	for _, d := range workflow.Diff(airt, p) {
		lines = append(lines, d.String())
	}
	require.Contains(t, strings.Join(lines, "\n"), "+ reactions: tell: {doc: Who loses access is told.")
	other := *p
	other.Reactions = []workflow.Reaction{p.Reactions[1], p.Reactions[0], p.Reactions[2]}
	changed := *p.Reactions[1].Export
	changed.List.States = []incident.State{"blocked", "blockrequest"}
	changed.List.Roles = nil
	other.Reactions[0].Export = &changed
	lines = nil
	for _, d := range workflow.Diff(p, &other) {
		lines = append(lines, d.String())
	}
	require.Equal(t, []string{
		`+ reactions > routes > export > list > states > blockrequest`,
		`- reactions > routes > export > list > roles: source, unknown`,
		`~ reactions > order: "tell, routes" -> "routes, tell"`,
	}, lines)
}

func TestReactionMistakes(t *testing.T) {
	good := "  r:\n    on: [moved]\n    program: {name: push}\n"
	_, err := reacting(t, good)
	require.NoError(t, err)
	for reactions, want := range map[string]string{
		"  r:\n    on: [reacted]\n    program: {name: p}\n":                                               `wait for the event "reacted": allowed are opened`,
		"  r:\n    program: {name: p}\n":                                                                  `"r" that every record would wake: allowed are on, from, to`,
		"  r:\n    on: [moved]\n":                                                                         `"r" that does 0 things: allowed is one of mail, export, program`,
		good + "    mail: {template: x}\n":                                                                `"r" that does 2 things`,
		"  ä:\n    on: [moved]\n    program: {name: p}\n":                                                 `called "ä": allowed are letters, digits`,
		"  close-children:\n    on: [moved]\n    program: {name: p}\n":                                    `called "close-children", as another reaction, rule or derivation is`,
		"  incident-due:\n    on: [moved]\n    program: {name: p}\n":                                      `called "incident-due", as another`,
		good + "    attempts: 101\n":                                                                      `be tried 101 times: allowed are 1 to 100, or 0 for 5`,
		good + "    attempts: -1\n":                                                                       `be tried -1 times`,
		good + "    kinds: [desk]\n":                                                                      `"desk" is no kind of ticket`,
		good + "    to: {states: [blokced]}\n":                                                            `the reaction "r" name a state "blokced" that there is not: allowed are imported,`,
		good + "    from: {statuses: [shut]}\n":                                                           `the reaction "r" name a status "shut" that nothing has: allowed are new, open, stalled, closed, pending activation`,
		good + "    to: {state: [blocked]}\n":                                                             `unknown key "state": allowed are statuses, states`,
		"  r:\n    on: [moved]\n    program: {name: ../p}\n":                                              `run "../p": allowed are names of programs without folders`,
		"  r:\n    on: [moved]\n    program: {name: p, limit: 2h}\n":                                      `run for 2h: allowed are up to 1h, or 0 for 1m`,
		"  r:\n    on: [moved]\n    program: {name: p, limit: soon}\n":                                    `a duration like 90m or 24h`,
		"  r:\n    on: [moved]\n    mail: {to: [contacts]}\n":                                             `mails no template`,
		"  r:\n    on: [moved]\n    mail: {template: x, to: [press]}\n":                                   `mail to "press": allowed are contacts, requestors, cc, operations-centre`,
		"  r:\n    on: [moved]\n    mail: {template: x, to: [operations-centre]}\n":                       `mail to the operations centre, and has none`,
		"  r:\n    on: [moved]\n    mail: {template: x, sign: perhaps}\n":                                 `sign "perhaps": allowed are never, when possible, always`,
		"  r:\n    export: {file: a/b, list: {template: list, states: [blocked]}}\n":                      `write to "a/b": allowed are names of files`,
		"  r:\n    export: {file: f, list: {template: list}}\n":                                           `it would list every ticket that there ever was`,
		"  r:\n    export: {file: f, list: {template: list, states: [x]}}\n":                              `the list of the reaction "r" name a state "x"`,
		"  r:\n    export: {file: f, list: {template: list, states: [blocked], roles: [victim]}}\n":       `"victim" cannot stand here: allowed are source, target, unknown`,
		"  r:\n    export: {file: f, list: {template: list, states: [blocked], spare: [everything]}}\n":   `"everything" cannot stand here`,
		"  r:\n    kinds: [incident]\n    export: {file: f, list: {template: list, states: [blocked]}}\n": `woken by what changes its list: say them of the list`,
		"  r:\n    export: {file: f, list: {template: list, states: [blocked]}}\n  s:\n    export: {file: f, list: {template: list, states: [blocked]}}\n": `lets the reactions "r" and "s" write to one file "f"`,
	} {
		_, err := reacting(t, reactions)
		require.ErrorContains(t, err, want, reactions)
		require.Regexp(t, `ours\.yaml:\d+:\d+: `, err.Error())
	}
}

func TestReactionLint(t *testing.T) {
	p, err := reacting(t, `
  r:
    on: [moved]
    fields: {Colour: [red], Type: [ddos, rumour]}
    program: {name: p}
  s:
    export: {file: f, list: {template: ours, states: [blocked], fields: {Colour: [red]}}}
`)
	require.NoError(t, err)
	var found []string
	for _, f := range workflow.Lint(p) {
		found = append(found, f.String())
	}
	text := strings.Join(found, "\n")
	require.Contains(t, text, `warning: the reaction "r" asks for the field "Colour", which the policy does not describe`)
	require.Contains(t, text, `warning: the reaction "r" asks for "rumour" in the field "Type", which cannot have it`)
	require.NotContains(t, text, `"ddos"`)
	require.Contains(t, text, `warning: the reaction "s": there is no template ours: give it to the desk, or name one that comes along: allowed are list, nullroute`)
	require.Contains(t, text, `warning: the reaction "s" asks for the field "Colour"`)
}

// The example at the end of the preset airt is one.
func TestReactionsOfThePreset(t *testing.T) {
	text, err := workflow.PresetDocument("airt")
	require.NoError(t, err)
	before, example, ok := strings.Cut(string(text), "\n# reactions:\n")
	require.True(t, ok)
	document := before + "\nreactions:\n" + strings.ReplaceAll("\n"+example, "\n# ", "\n ")
	p, err := workflow.ReadPolicy("airt.yaml", []byte(document))
	require.NoError(t, err)
	require.Len(t, p.Reactions, 3)
	for _, f := range workflow.Lint(p) {
		require.NotContains(t, f.What, "reaction")
	}
}

// A reaction is changed and taken away by a document that is based on another one.
func TestReactionsOnABase(t *testing.T) {
	p, err := reacting(t, "  a: {on: [moved], program: {name: one}}\n  b: {on: [moved], program: {name: two}}\n")
	require.NoError(t, err)
	require.Len(t, p.Reactions, 2)
	r, ok := p.Reaction("b")
	require.True(t, ok)
	require.Equal(t, "two", r.Program.Name)
	_, ok = p.Reaction("c")
	require.False(t, ok)
	changed, err := workflow.ParsePolicy(fstest.MapFS{"ours.yaml": {Data: []byte("base: airt\nreactions:\n  a: {on: [moved], program: {name: one}}\n  b: null\n")}}, "ours.yaml")
	require.NoError(t, err)
	require.Len(t, changed.Reactions, 1)
	janet, err := workflow.Preset("janet")
	require.NoError(t, err)
	require.Empty(t, janet.Reactions)
}

func TestWakes(t *testing.T) {
	ticket := func(change ...func(*incident.Ticket)) incident.Ticket {
		t := incident.Ticket{
			ID: 7, Version: 4, Kind: incident.KindIncident, Status: "open", State: "inspected", Constituency: "campus",
			Fields: map[string][]string{"Type": {"ddos"}}, Observables: []incident.Observable{{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleSource}},
		}
		for _, c := range change {
			c(&t)
		}
		return t
	}
	state := func(s incident.State) func(*incident.Ticket) { return func(t *incident.Ticket) { t.State = s } }
	status := func(s incident.Status) func(*incident.Ticket) { return func(t *incident.Ticket) { t.Status = s } }
	nothing := incident.Ticket{}
	edited, moved, opened := incident.Edited{}, incident.Moved{}, incident.Opened{}
	to := func(states ...incident.State) workflow.Stand { return workflow.Stand{States: states} }
	routes := workflow.Reaction{Export: &workflow.ExportReaction{List: export.Export{
		Template: "nullroute", Statuses: []incident.Status{"open", "closed"}, States: []incident.State{"blocked"},
	}}}
	on := func(r workflow.Reaction, events ...string) workflow.Reaction { r.On = events; return r }
	for i, test := range []struct {
		reaction      workflow.Reaction
		event         incident.Event
		before, after incident.Ticket
		wakes         bool
	}{
		{workflow.Reaction{On: []string{"edited"}}, edited, ticket(), ticket(), true},
		{workflow.Reaction{On: []string{"moved", "edited"}}, edited, ticket(), ticket(), true},
		{workflow.Reaction{On: []string{"moved"}}, edited, ticket(), ticket(), false},
		{workflow.Reaction{On: []string{"reacted"}}, incident.Reacted{}, ticket(), ticket(), false},
		{workflow.Reaction{To: to("inspected")}, incident.Reacted{}, nothing, ticket(), false},

		{workflow.Reaction{To: to("blockrequest")}, edited, ticket(), ticket(state("blockrequest")), true},
		{workflow.Reaction{To: to("blocked", "blockrequest")}, edited, ticket(), ticket(state("blockrequest")), true},
		{workflow.Reaction{To: to("blocked", "blockrequest")}, edited, ticket(state("blockrequest")), ticket(state("blocked")), false},
		{workflow.Reaction{To: to("blockrequest")}, edited, ticket(state("blockrequest")), ticket(state("blockrequest")), false},
		{workflow.Reaction{To: to("blockrequest")}, edited, ticket(state("blockrequest")), ticket(), false},
		{workflow.Reaction{To: to("inspected")}, opened, nothing, ticket(), true},
		{workflow.Reaction{To: to("blockrequest"), On: []string{"opened"}}, edited, ticket(), ticket(state("blockrequest")), false},

		{workflow.Reaction{From: to("blocked")}, edited, ticket(state("blocked")), ticket(state("unblocked")), true},
		{workflow.Reaction{From: to("blocked")}, edited, ticket(state("blocked")), ticket(state("blocked")), false},
		{workflow.Reaction{From: to("blocked")}, edited, ticket(), ticket(), false},
		{workflow.Reaction{From: to(""), To: to("blocked")}, opened, nothing, ticket(state("blocked")), false},
		{workflow.Reaction{From: to("inspected"), To: to("blocked")}, edited, ticket(), ticket(state("blocked")), true},
		{workflow.Reaction{From: to("inspected"), To: to("blocked")}, edited, ticket(state("imported")), ticket(state("blocked")), false},
		{workflow.Reaction{From: to("inspected"), To: to("blocked")}, edited, ticket(), ticket(state("imported")), false},

		{workflow.Reaction{To: workflow.Stand{Statuses: []incident.Status{"closed"}}}, moved, ticket(), ticket(status("closed")), true},
		{workflow.Reaction{To: workflow.Stand{Statuses: []incident.Status{"closed"}, States: []incident.State{"blocked"}}}, moved, ticket(state("blocked")), ticket(state("blocked"), status("closed")), true},
		{workflow.Reaction{To: workflow.Stand{Statuses: []incident.Status{"closed"}, States: []incident.State{"blocked"}}}, moved, ticket(), ticket(status("closed")), false},

		{workflow.Reaction{On: []string{"edited"}, Kinds: []incident.Kind{incident.KindReport}}, edited, ticket(), ticket(), false},
		{workflow.Reaction{On: []string{"edited"}, Kinds: []incident.Kind{incident.KindReport, incident.KindIncident}}, edited, ticket(), ticket(), true},
		{workflow.Reaction{On: []string{"edited"}, Constituencies: []string{"library"}}, edited, ticket(), ticket(), false},
		{workflow.Reaction{On: []string{"edited"}, Constituencies: []string{"campus"}}, edited, ticket(), ticket(), true},
		{workflow.Reaction{On: []string{"edited"}, Fields: map[string][]string{"Type": {"spam"}}}, edited, ticket(), ticket(), false},
		{workflow.Reaction{On: []string{"edited"}, Fields: map[string][]string{"Type": {"spam", "ddos"}}}, edited, ticket(), ticket(), true},

		{routes, edited, ticket(), ticket(state("blocked")), true},
		{routes, edited, ticket(state("blocked")), ticket(), true},
		{routes, edited, ticket(state("blocked")), ticket(state("blocked")), false},
		{routes, moved, ticket(state("blocked")), ticket(state("blocked"), status("closed")), false},
		{routes, moved, ticket(state("blocked")), ticket(state("blocked"), status("stalled")), true},
		{routes, edited, ticket(), ticket(), false},
		{routes, incident.Merged{}, ticket(state("blocked")), ticket(state("blocked"), func(t *incident.Ticket) { t.MergedInto = 8 }), true},
		{routes, incident.Reacted{}, ticket(), ticket(state("blocked")), false},
		{on(routes, "moved"), edited, ticket(), ticket(state("blocked")), false},
		{on(routes, "moved"), moved, ticket(), ticket(), true},
	} {
		c := workflow.Change{Before: test.before, After: test.after, Event: test.event}
		require.Equal(t, test.wakes, test.reaction.Wakes(c), fmt.Sprintf("case %d: %+v", i, test.reaction))
		p := workflow.Policy{Reactions: []workflow.Reaction{test.reaction, test.reaction}}
		if test.wakes {
			require.Len(t, p.Woken(c), 2)
		} else {
			require.Empty(t, p.Woken(c))
		}
	}
}
