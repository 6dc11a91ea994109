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
		{"nothing", full, workflow.Edit{Ticket: 7}, nil, nil, nil, ""},
		{"all as it is", full, same, nil, nil, nil, ""},
		{"what is unset", report(), workflow.Edit{Ticket: 7, Clear: []string{"due", "wake", "started"}, Requestors: &[]incident.Party{},
			Fields: map[string][]string{"f": nil}}, nil, nil, nil, ""},
		{"subject", full, workflow.Edit{Ticket: 7, Subject: &evil}, nil, content(incident.EditedContent{Subject: &tame}), nil, ""},
		{"priority", full, workflow.Edit{Ticket: 7, Priority: pointer(0)}, nil, edited(incident.Edited{Priority: pointer(0)}), nil, ""},
		{"constituency", full, workflow.Edit{Ticket: 7, Constituency: &evil}, nil, edited(incident.Edited{Constituency: &tame}), nil, ""},
		{"state", full, workflow.Edit{Ticket: 7, State: pointer(incident.State(evil))}, nil, edited(incident.Edited{State: pointer(incident.State(tame))}), nil, ""},
		{"requestors", full, workflow.Edit{Ticket: 7, Requestors: &[]incident.Party{{Address: "C@X.Example"}}}, nil,
			content(incident.EditedContent{Requestors: &[]incident.Party{{Address: "C@x.example"}}}), nil, ""},
		{"all requestors away", full, workflow.Edit{Ticket: 7, Requestors: new([]incident.Party)}, nil,
			content(incident.EditedContent{Requestors: &[]incident.Party{}}), nil, ""},
		{"external ids", full, workflow.Edit{Ticket: 7, ExternalIDs: &[]string{evil}}, nil, content(incident.EditedContent{ExternalIDs: &[]string{tame}}), nil, ""},
		{"external ids away", full, workflow.Edit{Ticket: 7, ExternalIDs: new([]string)}, nil, content(incident.EditedContent{ExternalIDs: &[]string{}}), nil, ""},
		{"field", full, workflow.Edit{Ticket: 7, Fields: map[string][]string{"f": {"w"}, "g": nil}}, nil,
			content(incident.EditedContent{Fields: map[string][]string{"f": {"w"}}}), nil, ""},
		{"field away", full, workflow.Edit{Ticket: 7, Fields: map[string][]string{"f": nil}}, nil,
			content(incident.EditedContent{Fields: map[string][]string{"f": nil}}), nil, ""},
		{"new role", full, workflow.Edit{Ticket: 7, AddObservables: []incident.Observable{{Kind: incident.Address, Value: "::ffff:192.0.2.7", Role: incident.RoleTarget}}},
			nil, content(incident.EditedContent{Observables: []incident.Observable{{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleTarget}}}), nil, ""},
		{"observable away", full, workflow.Edit{Ticket: 7, RemoveObservables: []incident.Observable{address}}, nil,
			content(incident.EditedContent{RemovedObservables: []incident.Observable{address}}), nil, ""},
		{"due", full, workflow.Edit{Ticket: 7, Due: pointer(at(9).Add(time.Nanosecond))}, nil, list(incident.DueSet{Due: at(9), Clock: workflow.ClockHand}), nil, ""},
		{"due away", full, workflow.Edit{Ticket: 7, Clear: []string{"due"}}, nil, list(incident.DueSet{Clock: workflow.ClockHand}), nil, ""},
		{"reminder", full, workflow.Edit{Ticket: 7, Wake: at(9)}, nil, edited(incident.Edited{Wake: at(9)}), nil, ""},
		{"reminder and start away", full, workflow.Edit{Ticket: 7, Clear: []string{"wake", "started"}}, nil,
			edited(incident.Edited{Clear: []string{"wake", "started"}}), nil, ""},
		{"two things", full, workflow.Edit{Ticket: 7, Priority: pointer(9), Due: at(9)}, nil,
			list(incident.Edited{Priority: pointer(9)}, incident.DueSet{Due: at(9), Clock: workflow.ClockHand}), nil, ""},

		{"bad priority", full, workflow.Edit{Ticket: 7, Priority: pointer(-1)}, nil, nil, argument, "0 to 100"},
		{"bad date name", full, workflow.Edit{Ticket: 7, Clear: []string{"birthday"}}, nil, nil, argument, `clear "birthday" is not possible: allowed is due, started, wake`},
		{"bad address", full, workflow.Edit{Ticket: 7, Cc: &[]incident.Party{{Address: "x"}}}, nil, nil, argument, `cc "x"`},
		{"bad observable", full, workflow.Edit{Ticket: 7, AddObservables: []incident.Observable{{Kind: incident.Address, Value: "x"}}}, nil, nil, argument, "is no IP address"},
		{"bad observable to remove", full, workflow.Edit{Ticket: 7, RemoveObservables: []incident.Observable{{}}}, nil, nil, argument, "allowed are address"},
		{"due set and cleared", full, workflow.Edit{Ticket: 7, Due: at(9), Clear: []string{"due"}}, nil, nil, argument, `either a date in "due" or "due" in "clear"`},
		{"reminder set and cleared", full, workflow.Edit{Ticket: 7, Wake: at(9), Clear: []string{"wake"}}, nil, nil, argument, `either a date in "wake" or "wake" in "clear"`},
	})
}

func TestPeopleComeAndGo(t *testing.T) {
	full := report(func(t *incident.Ticket) {
		t.Requestors, t.Cc = []incident.Party{party, {Address: "eve@example.org"}}, people("cc@example.org")
	})
	requestors := func(list ...incident.Party) []workflow.Decision {
		if list == nil {
			list = []incident.Party{}
		}
		return list7(incident.EditedContent{Requestors: &list})
	}
	cc := func(addresses ...string) []workflow.Decision {
		return list7(incident.EditedContent{Cc: pointer(people(addresses...))})
	}
	eve := incident.Party{Address: "eve@example.org"}
	run(t, []decision{
		{"one more", full, workflow.Edit{Ticket: 7, AddRequestors: []incident.Party{{Name: evil, Address: "Carol@EXAMPLE.org"}}}, nil,
			requestors(party, eve, incident.Party{Name: tame, Address: "Carol@example.org"}), nil, ""},
		{"one who is there", full, workflow.Edit{Ticket: 7, AddRequestors: people("Bob@EXAMPLE.org")}, nil, nil, nil, ""},
		{"twice the same", full, workflow.Edit{Ticket: 7, AddRequestors: people("x@example.org", "X@example.org")}, nil, requestors(party, eve, people("x@example.org")[0]), nil, ""},
		{"one less, by address", full, workflow.Edit{Ticket: 7, RemoveRequestors: []incident.Party{{Name: "whoever", Address: "bob@EXAMPLE.org"}}}, nil, requestors(eve), nil, ""},
		{"all away", full, workflow.Edit{Ticket: 7, RemoveRequestors: []incident.Party{party, eve}}, nil, requestors(), nil, ""},
		{"one who is not there", full, workflow.Edit{Ticket: 7, RemoveRequestors: people("x@example.org")}, nil, nil, nil, ""},
		{"one for another", full, workflow.Edit{Ticket: 7, RemoveRequestors: []incident.Party{eve}, AddRequestors: people("x@example.org")}, nil, requestors(party, people("x@example.org")[0]), nil, ""},
		{"another list, and one more", full, workflow.Edit{Ticket: 7, Requestors: pointer(people("x@example.org")), AddRequestors: people("y@example.org")}, nil,
			requestors(people("x@example.org", "y@example.org")...), nil, ""},
		{"the same list in the end", full, workflow.Edit{Ticket: 7, Requestors: &[]incident.Party{party}, AddRequestors: []incident.Party{eve}}, nil, nil, nil, ""},
		{"copies", full, workflow.Edit{Ticket: 7, AddCc: people("x@example.org"), RemoveCc: people("cc@example.org")}, nil, cc("x@example.org"), nil, ""},
		{"no address", full, workflow.Edit{Ticket: 7, AddCc: people("x")}, nil, nil, argument, `cc "x" is not possible: allowed is mail addresses like`},
	})
	require.Equal(t, "bob@example.org", full.Requestors[0].Address, "the ticket stays as it was")
	require.Len(t, full.Requestors, 2)
}

func list7(c incident.EditedContent) []workflow.Decision { return list(incident.Edited{Content: c}) }

// The due date of an incident may be pinned (JANET 3.15).
func TestPins(t *testing.T) {
	inc, pinned := theIncident(due(at(1))), theIncident(due(at(1)), pinnedDue)
	pin := func(hour int) []workflow.Decision {
		return list(incident.DueSet{Due: at(hour), Clock: workflow.ClockHand, Pinned: true})
	}
	run(t, []decision{
		{"another date", inc, workflow.Edit{Ticket: 7, Due: at(2)}, nil, pin(2), nil, ""},
		{"the date that it has", inc, workflow.Edit{Ticket: 7, Due: at(1)}, nil, pin(1), nil, ""},
		{"a first date", theIncident(), workflow.Edit{Ticket: 7, Due: at(2)}, nil, pin(2), nil, ""},
		{"pinned, another date", pinned, workflow.Edit{Ticket: 7, Due: at(2)}, nil, pin(2), nil, ""},
		{"pinned, as it is", pinned, workflow.Edit{Ticket: 7, Due: at(1)}, nil, nil, nil, ""},
		{"unpinned", pinned, workflow.Edit{Ticket: 7, Clear: []string{"due"}}, nil, list(incident.DueSet{Clock: workflow.ClockHand}), nil, ""},
		{"not pinned: there is nothing to clear", inc, workflow.Edit{Ticket: 7, Clear: []string{"due"}}, nil, nil, nil, ""},
		{"with something else", inc, workflow.Edit{Ticket: 7, Due: at(2), Priority: &ten}, nil, all(list(incident.Edited{Priority: &ten}), pin(2)), nil, ""},
		{"a reminder", inc, workflow.Edit{Ticket: 7, Wake: at(2)}, nil, nil, refused, "follows from its children"},
		{"of a child: nothing is pinned", report(), workflow.Edit{Ticket: 7, Due: at(2)}, nil, list(incident.DueSet{Due: at(2), Clock: workflow.ClockHand}), nil, ""},
	})
}

func pinnedDue(t *incident.Ticket) { t.Pinned = true }

// Without pins, as in RTIR, the due date of an incident is nobody's to set.
func TestIncidentsHaveNoDueOfTheirOwn(t *testing.T) {
	rtir, err := workflow.Preset("rtir")
	require.NoError(t, err)
	inc := theIncident(due(at(1)))
	const says = "edit that of a report, investigation or block"
	runUnder(t, rtir, []decision{
		{"another date", inc, workflow.Edit{Ticket: 7, Due: at(2)}, nil, nil, refused, says},
		{"the same date", inc, workflow.Edit{Ticket: 7, Due: at(1)}, nil, nil, refused, says},
		{"no date", inc, workflow.Edit{Ticket: 7, Clear: []string{"due"}}, nil, nil, refused, says},
		{"reminder", inc, workflow.Edit{Ticket: 7, Wake: at(2)}, nil, nil, refused, says},
	})
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
