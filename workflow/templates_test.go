package workflow_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// choosing reads a policy on top of airt.
func choosing(t *testing.T, templates string) (*workflow.Policy, error) {
	t.Helper()
	return workflow.ParsePolicy(fstest.MapFS{"ours.yaml": {Data: []byte("base: airt\ntemplates:\n" + templates)}}, "ours.yaml")
}

func TestTemplateDocument(t *testing.T) {
	p, err := choosing(t, `
  recipients: {noc@example.net: terse, "@example.net": formal}
  field: type
  choose:
    - {template: block, states: [blocked], kinds: [incident]}
    - {template: late, statuses: [STALLED], constituencies: [campus]}
    - {template: scan, fields: {TYPE: [portscan]}}
  languages: {campus: de, "@example.nl": nl, noc@example.nl: fy}
  language: en
  unknown: leave
`)
	require.NoError(t, err)
	require.Equal(t, workflow.Templates{
		Recipients: map[string]string{"noc@example.net": "terse", "@example.net": "formal"},
		Field:      "Type",
		Choose: []workflow.TemplateChoice{
			{Template: "block", States: []incident.State{"blocked"}, Kinds: []incident.Kind{incident.KindIncident}},
			{Template: "late", Statuses: []incident.Status{"stalled"}, Constituencies: []string{"campus"}},
			{Template: "scan", Fields: map[string][]string{"Type": {"portscan"}}},
		},
		Languages: map[string]string{"campus": "de", "@example.nl": "nl", "noc@example.nl": "fy"},
		Language:  "en", Unknown: "leave",
	}, p.Templates)
	require.Equal(t, []string{"block", "formal", "late", "scan", "terse"}, p.TemplateNames())
	require.Len(t, workflow.Diff(workflow.Default(), workflow.Default()), 0)
}

func TestTemplateFaults(t *testing.T) {
	for text, want := range map[string]string{
		`recipients: {noc: terse}`:                     `names a template for mail to "noc": allowed are addresses, and domains like @example.org`,
		`recipients: {noc@example.net: ""}`:            `names no template`,
		`choose: [{kinds: [report]}]`:                  `names no template`,
		`choose: [{template: x, statuses: [nowhere]}]`: `lets the choice of the template "x" name a status "nowhere" that nothing has: allowed are`,
		`choose: [{template: x, states: [nowhere]}]`:   `name a state "nowhere" that there is not: allowed are imported`,
		`choose: [{template: x, kinds: [ghost]}]`:      `"ghost" is no kind of ticket`,
		`languages: {campus: "deutsch!"}`:              `has a language "deutsch!": allowed are tags like de or pt-BR`,
		`language: de-`:                                `has a language "de-"`,
		`unknown: guess`:                               `lets unknown variables "guess": allowed are leave, refuse`,
		`choices: []`:                                  `unknown key "choices": allowed are recipients, field, choose, languages, language, unknown`,
	} {
		_, err := choosing(t, "  "+text)
		require.ErrorContains(t, err, want, text)
	}
}

func TestTemplateLint(t *testing.T) {
	p, err := choosing(t, `
  field: Letter
  choose:
    - {template: a, fields: {Nothing: [x], Type: [unheard]}}
    - {template: b}
    - {template: c, kinds: [report]}
`)
	require.NoError(t, err)
	p.Fields = append(p.Fields, workflow.Field{Name: "constituency", Values: []workflow.FieldValue{{Value: "campus"}}})
	p.Templates.Languages = map[string]string{"elsewhere": "de", "campus": "de", "@example.org": "de"}
	said := findings(p)
	for _, want := range []string{
		`the choice of templates asks for the field "Letter"`,
		`the choice of the template "a" asks for the field "Nothing"`,
		`the choice of the template "a" asks for "unheard" in the field "Type"`,
		`the template "c" is never chosen: "b" above it is for every ticket`,
		`"elsewhere" has a language, and is neither`,
	} {
		require.Contains(t, said, want)
	}
	require.NotContains(t, said, `"campus" has a language`)
}

func TestTemplatesFor(t *testing.T) {
	c := workflow.Templates{
		Recipients: map[string]string{"noc@example.net": "terse", "@example.net": "formal"},
		Field:      "Letter",
		Choose: []workflow.TemplateChoice{
			{Template: "campus-block", Kinds: []incident.Kind{incident.KindBlock}, Constituencies: []string{"campus"}},
			{Template: "block", Kinds: []incident.Kind{incident.KindBlock}},
			{Template: "scan", States: []incident.State{"inspected"}, Fields: map[string][]string{"Type": {"portscan", "ddos"}}},
			{Template: "late", Statuses: []incident.Status{"stalled"}},
		},
		Languages: map[string]string{"campus": "de", "@example.nl": "nl", "noc@example.nl": "fy"},
		Language:  "en",
	}
	inv := incident.Ticket{Kind: incident.KindInvestigation, Status: "open"}
	scan := incident.Ticket{Kind: incident.KindIncident, State: "inspected", Fields: map[string][]string{"Type": {"ddos"}}}
	to := func(addresses ...string) (list []incident.Party) {
		for _, a := range addresses {
			list = append(list, incident.Party{Address: a})
		}
		return list
	}
	block := incident.Ticket{Kind: incident.KindBlock, Constituency: "campus"}
	require.Equal(t, "", c.For(to("bob@example.org"), inv))
	require.Equal(t, "scan", c.For(to("bob@example.org"), inv, scan), "type and state are those of the incident")
	require.Equal(t, "scan", c.For(nil, scan))
	require.Equal(t, "campus-block", c.For(nil, block, scan))
	block.Constituency = ""
	require.Equal(t, "block", c.For(nil, block, scan), "the first that fits")
	inv.Status = "stalled"
	require.Equal(t, "late", c.For(nil, inv))
	require.Equal(t, "formal", c.For(to("bob@example.org", "Carol@EXAMPLE.net"), block))
	require.Equal(t, "terse", c.For(to("noc@example.net"), block))
	scan.Fields["Letter"] = []string{"special"}
	require.Equal(t, "special", c.For(nil, inv, scan))
	require.Equal(t, "", workflow.Templates{}.For(to("bob@example.org"), inv, scan))

	require.Equal(t, []string{"en"}, c.LanguagesFor(to("bob@example.org"), ""))
	require.Equal(t, []string{"de", "en"}, c.LanguagesFor(nil, "campus"))
	require.Equal(t, []string{"nl", "de", "en"}, c.LanguagesFor(to("x@example.nl"), "campus"))
	require.Equal(t, []string{"fy", "en"}, c.LanguagesFor(to("NOC@example.nl"), "other"))
	require.Empty(t, workflow.Templates{}.LanguagesFor(to("noc@example.nl"), "campus"))
}
