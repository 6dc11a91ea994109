package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// described is a policy with fields of every sort.
func described(t *testing.T) *workflow.Policy {
	p := workflow.Default()
	inv := []incident.Kind{incident.KindInvestigation}
	p.Fields = []workflow.Field{
		{Name: "Sector", Aliases: []string{"Branch", "_Sector"}, Kinds: inv, Values: []workflow.FieldValue{{Value: "energy"}, {Value: "Water"}, {Value: "coal", Retired: true}}, Default: "energy"},
		{Name: "Systems", Kinds: inv, Many: true},
		{Name: "Person", Kinds: inv, Personal: true},
		{Name: "Seen", Kinds: inv, Time: true},
		{Name: "Reason", Kinds: inv, Mandatory: true},
		{Name: "Elsewhere", Kinds: []incident.Kind{incident.KindReport}},
		{Name: "Everywhere"},
		{Name: "state", Kinds: inv, Default: "fresh"},
		{Name: "subject", Kinds: inv, Default: "(none)"},
		{Name: "via", Aliases: []string{"How Reported"}, Kinds: []incident.Kind{incident.KindReport}, Values: []workflow.FieldValue{{Value: "mail"}, {Value: "fax"}}, Default: "fax"},
		{Name: "constituency", Kinds: inv, Values: []workflow.FieldValue{{Value: "campus"}, {Value: "labs", Retired: true}}, Mandatory: true, Default: "campus"},
	}
	for i := range p.Rules {
		if p.Rules[i].Name == "resolution" {
			p.Rules[i].Params = workflow.Resolution{Field: "Resolution"}
		}
	}
	require.NoError(t, p.Validate())
	return p
}

type values = map[string][]string

func TestFieldsOfNewTickets(t *testing.T) {
	inv := func(fields values) workflow.Open {
		return workflow.Open{Kind: incident.KindInvestigation, Subject: "S", State: "s", Fields: fields}
	}
	made := func(kept, erasable values) []workflow.Decision {
		return list(incident.Opened{Kind: incident.KindInvestigation, Status: "open", Phase: incident.Active, Owner: "handler:alice",
			State: "s", Constituency: "campus", Fields: kept, Content: incident.OpenedContent{Subject: "S", Fields: erasable}})
	}
	none := incident.Ticket{ID: 7}
	bare := workflow.Open{Kind: incident.KindInvestigation, Fields: values{"Reason": {"x"}}}
	labs, byMail := inv(values{"Reason": {"x"}}), workflow.Open{Kind: incident.KindInvestigation, Mail: &workflow.Mail{Side: incident.Outside}}
	labs.Constituency = "labs"
	runUnder(t, described(t), []decision{
		{"a default", none, inv(values{"Reason": {"x"}}), nil, made(values{"Reason": {"x"}, "Sector": {"energy"}}, nil), nil, ""},
		{"given, in other letters", none, inv(values{"reason": {"x"}, "SECTOR": {"WATER"}}), nil, made(values{"Reason": {"x"}, "Sector": {"Water"}}, nil), nil, ""},
		{"by another name", none, inv(values{"Reason": {"x"}, "branch": {"Water"}}), nil, made(values{"Reason": {"x"}, "Sector": {"Water"}}, nil), nil, ""},
		{"personal ones, and those that nobody described, can be erased", none, inv(values{"Reason": {"x"}, "person": {"Eve"}, "Colour": {"red"}}), nil,
			made(values{"Reason": {"x"}, "Sector": {"energy"}}, values{"Person": {"Eve"}, "Colour": {"red"}}), nil, ""},
		{"several values", none, inv(values{"Reason": {"x"}, "Systems": {"a", "b"}, "Everywhere": {"y"}}), nil,
			made(values{"Reason": {"x"}, "Sector": {"energy"}, "Systems": {"a", "b"}, "Everywhere": {"y"}}, nil), nil, ""},
		{"a time", none, inv(values{"Reason": {"x"}, "Seen": {"2026-03-02T09:00:00+01:00"}}), nil,
			made(values{"Reason": {"x"}, "Sector": {"energy"}, "Seen": {"2026-03-02T09:00:00+01:00"}}, nil), nil, ""},
		{"properties have defaults too", none, bare, nil, list(incident.Opened{Kind: incident.KindInvestigation, Status: "open", Phase: incident.Active,
			Owner: "handler:alice", State: "fresh", Constituency: "campus", Fields: values{"Reason": {"x"}, "Sector": {"energy"}},
			Content: incident.OpenedContent{Subject: "(none)"}}), nil, ""},
		{"how a report came, by a default", none, workflow.Open{Kind: incident.KindReport}, nil, list(incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial,
			Owner: "handler:alice", Via: "fax"}), nil, ""},
		{"what comes by mail lacks what is mandatory", none, byMail, nil, list(incident.Opened{Kind: incident.KindInvestigation, Status: "open", Phase: incident.Active,
			State: "fresh", Constituency: "campus", Fields: values{"Sector": {"energy"}}, Content: incident.OpenedContent{Subject: "(none)"}}, incident.Message{Side: incident.Outside}), nil, ""},

		{"an unknown value", none, inv(values{"Reason": {"x"}, "Sector": {"wind"}}), nil, nil, argument, `open: Sector "wind" is not possible: allowed is one of energy, Water`},
		{"a retired value", none, inv(values{"Reason": {"x"}, "Sector": {"coal"}}), nil, nil, argument, `Sector "coal"`},
		{"a retired constituency", none, labs, nil, nil, argument, `constituency "labs" is not possible: allowed is one of campus`},
		{"two values for one", none, inv(values{"Reason": {"x", "y"}}), nil, nil, argument, `Reason "x, y" is not possible: allowed is one value`},
		{"by two names at once", none, inv(values{"Reason": {"x"}, "Branch": {"Water"}, "Sector": {"energy"}}), nil, nil, argument, "each field once"},
		{"no time", none, inv(values{"Reason": {"x"}, "Seen": {"tomorrow"}}), nil, nil, argument, `Seen "tomorrow" is not possible: allowed is one time like`},
		{"a time before there was any", none, inv(values{"Reason": {"x"}, "Seen": {"1970-01-01T00:30:00+01:00"}}), nil, nil, argument, "Seen"},
		{"a time after all", none, inv(values{"Reason": {"x"}, "Seen": {"9999-12-31T23:30:00-01:00"}}), nil, nil, argument, "Seen"},
		{"a field of another kind", none, inv(values{"Reason": {"x"}, "elsewhere": {"x"}}), nil, nil, argument,
			`field "Elsewhere" is not possible: allowed is a field of an investigation: Sector, Systems, Person, Seen, Reason, Everywhere`},
		{"a property as a field", none, inv(values{"Reason": {"x"}, "Subject": {"x"}}), nil, nil, argument, `field "subject" is not possible: allowed is the argument "subject" in its place`},
		{"a property as a field, by another name", none, workflow.Open{Kind: incident.KindReport, Fields: values{"how reported": {"fax"}}}, nil, nil, argument, `the argument "via"`},
		{"without what is mandatory", none, inv(nil), nil, nil, lacking, "workflow: open: an investigation must have Reason"},
		{"with a mandatory field without a value", none, inv(values{"Reason": nil}), nil, nil, lacking, "Reason"},
		{"a way to report that there is not", none, workflow.Open{Kind: incident.KindReport, Via: "pigeon"}, nil, nil, argument, "via"},
	})
}

func TestMissingErrorsNameAll(t *testing.T) {
	p := workflow.Default()
	p.Fields[1].Default = ""
	_, err := p.Decide(incident.Ticket{ID: 7}, workflow.Open{Kind: incident.KindIncident}, workflow.Facts{}, env)
	require.EqualError(t, err, "workflow: open: an incident must have subject, constituency, Classification: "+
		"Classification is one of Spam, System Compromise, Query, Scan, Denial of Service, Piracy")
}

func TestEditingFields(t *testing.T) {
	full := report(kind(incident.KindInvestigation), open, constituent("campus"), with("Sector", "coal"), with("Reason", "x"), with("Person", "Eve"), with("Colour", "red"))
	sets := func(fields values) workflow.Edit { return workflow.Edit{Ticket: 7, Fields: fields} }
	kept := func(fields values) []workflow.Decision { return list(incident.Edited{Fields: fields}) }
	runUnder(t, described(t), []decision{
		{"by another name", full, sets(values{"branch": {"water"}}), nil, kept(values{"Sector": {"Water"}}), nil, ""},
		{"a retired value may stay", full, sets(values{"Sector": {"coal"}}), nil, nil, nil, ""},
		{"a retired value of another ticket", report(kind(incident.KindInvestigation), constituent("campus"), with("Reason", "x")), sets(values{"Sector": {"coal"}}), nil, nil, argument, "energy, Water"},
		{"to be kept and to be erased", full, sets(values{"Systems": {"a"}, "Person": {"Bob"}, "Colour": nil}), nil,
			list(incident.Edited{Fields: values{"Systems": {"a"}}, Content: incident.EditedContent{Fields: values{"Person": {"Bob"}, "Colour": nil}}}), nil, ""},
		{"as it is", full, sets(values{"Reason": {"x"}, "person": {"Eve"}, "Systems": nil}), nil, nil, nil, ""},
		{"no default is put into what lacks it", report(kind(incident.KindInvestigation), constituent("campus"), with("Reason", "x")), sets(values{"Person": {"Eve"}}), nil,
			list(incident.Edited{Content: incident.EditedContent{Fields: values{"Person": {"Eve"}}}}), nil, ""},
		{"what is mandatory may change", full, sets(values{"Reason": {"y"}}), nil, kept(values{"Reason": {"y"}}), nil, ""},
		{"what it never had need not come now", report(kind(incident.KindInvestigation)), sets(values{"Person": {"Eve"}}), nil,
			list(incident.Edited{Content: incident.EditedContent{Fields: values{"Person": {"Eve"}}}}), nil, ""},
		{"a constituency", full, workflow.Edit{Ticket: 7, Constituency: pointer("CAMPUS")}, nil, nil, nil, ""},

		{"what is mandatory goes", full, sets(values{"reason": nil}), nil, nil, lacking, "workflow: edit: an investigation must have Reason"},
		{"a mandatory property goes", full, workflow.Edit{Ticket: 7, Constituency: pointer("")}, nil, nil, lacking, "must have constituency: constituency is one of campus"},
		{"another constituency", full, workflow.Edit{Ticket: 7, Constituency: pointer("labs")}, nil, nil, argument, "constituency"},
		{"by two names at once", full, sets(values{"Branch": {"Water"}, "_sector": {"energy"}}), nil, nil, argument, "each field once"},
	})
	runUnder(t, workflow.Default(), []decision{
		{"the subject of an incident goes", theIncident(), workflow.Edit{Ticket: 7, Subject: pointer(" ")}, nil, nil, lacking, "an incident must have subject"},
		{"the subject of a report goes", report(), workflow.Edit{Ticket: 7, Subject: pointer("")}, nil, list(incident.Edited{Content: incident.EditedContent{Subject: pointer("")}}), nil, ""},
	})
}

func TestStates(t *testing.T) {
	airt, err := workflow.Preset("airt")
	require.NoError(t, err)
	state := func(s incident.State) workflow.Edit { return workflow.Edit{Ticket: 7, State: &s} }
	odd := report(open, func(t *incident.Ticket) { t.State = "lost" })
	runUnder(t, airt, []decision{
		{"one of the policy", report(open), state("BLOCKED"), nil, list(incident.Edited{State: pointer(incident.State("blocked"))}), nil, ""},
		{"away", odd, state(""), nil, list(incident.Edited{State: pointer(incident.State(""))}), nil, ""},
		{"one of before stays", odd, state("lost"), nil, nil, nil, ""},
		{"another", report(open), state("lost"), nil, nil, argument, `state "lost" is not possible: allowed is one of imported, inspection requested`},
		{"of a new ticket", incident.Ticket{ID: 7}, workflow.Open{Kind: incident.KindReport, State: "lost"}, nil, nil, argument, "imported"},
		{"of a new ticket, one of the policy", incident.Ticket{ID: 7}, workflow.Open{Kind: incident.KindReport, State: "imported"}, nil,
			list(incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial, State: "imported", Owner: "handler:alice"}), nil, ""},
	})
	retired := workflow.Default()
	retired.States = []workflow.FieldValue{{Value: "seen"}, {Value: "lost", Retired: true}}
	runUnder(t, retired, []decision{
		{"a retired one stays", odd, state("lost"), nil, nil, nil, ""},
		{"a retired one comes", report(), state("lost"), nil, nil, argument, "one of seen"},
	})
}

func TestFieldByName(t *testing.T) {
	p := described(t)
	f, ok := p.Field("BRANCH")
	require.True(t, ok)
	require.Equal(t, "Sector", f.Name)
	require.Equal(t, []string{"energy", "Water"}, f.Choices())
	require.True(t, f.Has(incident.KindInvestigation))
	require.False(t, f.Has(incident.KindReport))
	_, ok = p.Field("colour")
	require.False(t, ok)
	everywhere, _ := p.Field("everywhere")
	require.Empty(t, everywhere.Choices())
	require.True(t, everywhere.Has(incident.KindReport))
}
