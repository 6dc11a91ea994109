package workflow_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

func pointer[T any](v T) *T { return &v }

func TestEdits(t *testing.T) {
	address := incident.Observable{Kind: incident.Address, Value: "192.0.2.7"}
	source := incident.Observable{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleSource}
	full := report(func(t *incident.Ticket) {
		t.Priority, t.Constituency, t.State = 10, "EDUNET", "inspection"
		t.Requestors, t.Cc, t.Contacts = []incident.Party{party}, []incident.Party{party}, []incident.Party{party}
		t.ExternalIDs, t.Fields = []string{"X-1"}, map[string][]string{"f": {"v"}}
		t.Due, t.Wake, t.Started = at(1), at(2), at(3)
		t.Observables = []incident.Observable{source}
	})
	same := workflow.Edit{Ticket: 7, Subject: pointer("Scan"), Priority: pointer(10), Constituency: pointer("EDUNET"), State: pointer(incident.State("inspection")),
		Due: at(1), Wake: at(2), Requestors: &[]incident.Party{party}, Cc: &[]incident.Party{party}, Contacts: &[]incident.Party{party},
		ExternalIDs: &[]string{"X-1"}, Fields: map[string][]string{"f": {"v"}},
		AddObservables:    []incident.Observable{address, source},
		RemoveObservables: []incident.Observable{{Kind: incident.Address, Value: "192.0.2.8"}}}
	edited := func(e incident.Edited) []workflow.Decision { return list(e) }
	content := func(c incident.EditedContent) []workflow.Decision { return list(incident.Edited{Content: c}) }

	run(t, []decision{
		{"nothing", full, workflow.Edit{Ticket: 7}, workflow.Facts{}, nil, nil, ""},
		{"all as it is", full, same, workflow.Facts{}, nil, nil, ""},
		{"what is unset", report(), workflow.Edit{Ticket: 7, Clear: []string{"due", "wake", "started"}, Requestors: &[]incident.Party{},
			Fields: map[string][]string{"f": nil}}, workflow.Facts{}, nil, nil, ""},
		{"subject", full, workflow.Edit{Ticket: 7, Subject: &evil}, workflow.Facts{}, content(incident.EditedContent{Subject: &tame}), nil, ""},
		{"priority", full, workflow.Edit{Ticket: 7, Priority: pointer(0)}, workflow.Facts{}, edited(incident.Edited{Priority: pointer(0)}), nil, ""},
		{"constituency", full, workflow.Edit{Ticket: 7, Constituency: &evil}, workflow.Facts{}, edited(incident.Edited{Constituency: &tame}), nil, ""},
		{"state", full, workflow.Edit{Ticket: 7, State: pointer(incident.State(evil))}, workflow.Facts{}, edited(incident.Edited{State: pointer(incident.State(tame))}), nil, ""},
		{"requestors", full, workflow.Edit{Ticket: 7, Requestors: &[]incident.Party{{Address: "C@X.Example"}}}, workflow.Facts{},
			content(incident.EditedContent{Requestors: &[]incident.Party{{Address: "C@x.example"}}}), nil, ""},
		{"all requestors away", full, workflow.Edit{Ticket: 7, Requestors: new([]incident.Party)}, workflow.Facts{},
			content(incident.EditedContent{Requestors: &[]incident.Party{}}), nil, ""},
		{"external ids", full, workflow.Edit{Ticket: 7, ExternalIDs: &[]string{evil}}, workflow.Facts{}, content(incident.EditedContent{ExternalIDs: &[]string{tame}}), nil, ""},
		{"external ids away", full, workflow.Edit{Ticket: 7, ExternalIDs: new([]string)}, workflow.Facts{}, content(incident.EditedContent{ExternalIDs: &[]string{}}), nil, ""},
		{"field", full, workflow.Edit{Ticket: 7, Fields: map[string][]string{"f": {"w"}, "g": nil}}, workflow.Facts{},
			content(incident.EditedContent{Fields: map[string][]string{"f": {"w"}}}), nil, ""},
		{"field away", full, workflow.Edit{Ticket: 7, Fields: map[string][]string{"f": nil}}, workflow.Facts{},
			content(incident.EditedContent{Fields: map[string][]string{"f": nil}}), nil, ""},
		{"new role", full, workflow.Edit{Ticket: 7, AddObservables: []incident.Observable{{Kind: incident.Address, Value: "::ffff:192.0.2.7", Role: incident.RoleTarget}}},
			workflow.Facts{}, content(incident.EditedContent{Observables: []incident.Observable{{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleTarget}}}), nil, ""},
		{"observable away", full, workflow.Edit{Ticket: 7, RemoveObservables: []incident.Observable{address}}, workflow.Facts{},
			content(incident.EditedContent{RemovedObservables: []incident.Observable{address}}), nil, ""},
		{"due", full, workflow.Edit{Ticket: 7, Due: pointer(at(9).Add(time.Nanosecond))}, workflow.Facts{}, list(incident.DueSet{Due: at(9), Clock: workflow.ClockHand}), nil, ""},
		{"due away", full, workflow.Edit{Ticket: 7, Clear: []string{"due"}}, workflow.Facts{}, list(incident.DueSet{Clock: workflow.ClockHand}), nil, ""},
		{"reminder", full, workflow.Edit{Ticket: 7, Wake: at(9)}, workflow.Facts{}, edited(incident.Edited{Wake: at(9)}), nil, ""},
		{"reminder and start away", full, workflow.Edit{Ticket: 7, Clear: []string{"wake", "started"}}, workflow.Facts{},
			edited(incident.Edited{Clear: []string{"wake", "started"}}), nil, ""},
		{"two things", full, workflow.Edit{Ticket: 7, Priority: pointer(9), Due: at(9)}, workflow.Facts{},
			list(incident.Edited{Priority: pointer(9)}, incident.DueSet{Due: at(9), Clock: workflow.ClockHand}), nil, ""},

		{"bad priority", full, workflow.Edit{Ticket: 7, Priority: pointer(-1)}, workflow.Facts{}, nil, argument, "0 to 100"},
		{"bad date name", full, workflow.Edit{Ticket: 7, Clear: []string{"birthday"}}, workflow.Facts{}, nil, argument, `clear "birthday" is not possible: allowed is due, started, wake`},
		{"bad address", full, workflow.Edit{Ticket: 7, Cc: &[]incident.Party{{Address: "x"}}}, workflow.Facts{}, nil, argument, `cc "x"`},
		{"bad observable", full, workflow.Edit{Ticket: 7, AddObservables: []incident.Observable{{Kind: incident.Address, Value: "x"}}}, workflow.Facts{}, nil, argument, "is no IP address"},
		{"bad observable to remove", full, workflow.Edit{Ticket: 7, RemoveObservables: []incident.Observable{{}}}, workflow.Facts{}, nil, argument, "allowed are address"},
		{"due set and cleared", full, workflow.Edit{Ticket: 7, Due: at(9), Clear: []string{"due"}}, workflow.Facts{}, nil, argument, `either a date in "due" or "due" in "clear"`},
		{"reminder set and cleared", full, workflow.Edit{Ticket: 7, Wake: at(9), Clear: []string{"wake"}}, workflow.Facts{}, nil, argument, `either a date in "wake" or "wake" in "clear"`},
	})
}

func TestIncidentsHaveNoDueOfTheirOwn(t *testing.T) {
	inc := report(kind(incident.KindIncident), due(at(1)))
	for _, c := range []workflow.Edit{
		{Ticket: 7, Due: at(2)}, {Ticket: 7, Due: at(1)}, {Ticket: 7, Wake: at(2)}, {Ticket: 7, Clear: []string{"due"}},
	} {
		_, err := workflow.Default().Decide(inc, c, workflow.Facts{}, env)
		require.ErrorContains(t, err, "edit that of a report, investigation or block")
	}
}

// What is decided must survive the way through a record: an edit that empties
// a list empties it in the fold.
func TestEmptiedListsAreEmptyInTheFold(t *testing.T) {
	full := report(func(t *incident.Ticket) {
		t.Requestors, t.Cc, t.Contacts, t.ExternalIDs = []incident.Party{party}, []incident.Party{party}, []incident.Party{party}, []string{"X-1"}
	})
	c := workflow.Edit{Ticket: 7, Requestors: new([]incident.Party), Cc: &[]incident.Party{}, Contacts: new([]incident.Party), ExternalIDs: new([]string)}
	got, err := workflow.Default().Decide(full, c, workflow.Facts{}, env)
	require.NoError(t, err)
	r := incident.Record{Ticket: 7, Version: 4, At: morning}
	require.NoError(t, r.Encode(got[0].Event))
	folded := incident.Apply(full, r)
	require.Empty(t, folded.Requestors)
	require.Empty(t, folded.Cc)
	require.Empty(t, folded.Contacts)
	require.Empty(t, folded.ExternalIDs)
	again, err := workflow.Default().Decide(folded, c, workflow.Facts{}, env)
	require.NoError(t, err)
	require.Empty(t, again, "asking for what is already makes no event")
}

// Dates that no record can hold in UTC are refused, wherever they were written.
func TestDatesOutsideOfTime(t *testing.T) {
	west, east := time.FixedZone("", -3600), time.FixedZone("", 3600)
	for date, possible := range map[time.Time]bool{
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC):       true,
		time.Date(1970, 1, 1, 0, 59, 0, 0, east):          false,
		time.Date(9999, 12, 31, 23, 0, 0, 0, time.UTC):    true,
		time.Date(9999, 12, 31, 23, 0, 0, 0, west):        false,
		time.Date(10000, 1, 1, 0, 59, 0, 0, east):         true,
		time.Date(12026, 11, 25, 12, 0, 0, 0, time.Local): false,
	} {
		for _, c := range []workflow.Edit{{Ticket: 7, Due: &date}, {Ticket: 7, Wake: &date}} {
			_, err := workflow.Default().Decide(report(), c, workflow.Facts{}, env)
			if possible {
				require.NoError(t, err, "%s", date)
				continue
			}
			var argument *workflow.ArgumentError
			require.ErrorAs(t, err, &argument)
			require.ErrorContains(t, err, "allowed is a time from 1970 to 9999")
		}
	}
}
