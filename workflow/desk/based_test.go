package desk_test

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// A command on an older version is refused for what it sets itself, and for nothing
// else: every command that may be based on a version against every kind of change.
func TestBased(t *testing.T) {
	const report, first, second = 3, 1, 2
	due := time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC)
	later := due.AddDate(0, 0, 1)
	bob, eve := incident.Party{Address: "bob@example.org"}, incident.Party{Address: "eve@example.org"}
	noc := incident.Party{Address: "noc@example.org"}
	edit := func(e workflow.Edit) workflow.Edit { e.Ticket = report; return e }
	changes := []struct {
		name    string
		command workflow.Command
	}{
		{"subject", edit(workflow.Edit{Subject: pointer("theirs")})},
		{"priority", edit(workflow.Edit{Priority: pointer(70)})},
		{"constituency", edit(workflow.Edit{Constituency: pointer("theirs")})},
		{"state", edit(workflow.Edit{State: pointer(incident.State("theirs"))})},
		{"due", edit(workflow.Edit{Due: &due})},
		{"wake", edit(workflow.Edit{Wake: &due})},
		{"requestors", edit(workflow.Edit{AddRequestors: []incident.Party{eve}})},
		{"cc", edit(workflow.Edit{AddCc: []incident.Party{eve}})},
		{"contacts", edit(workflow.Edit{Contacts: &[]incident.Party{eve}})},
		{"externalIDs", edit(workflow.Edit{ExternalIDs: &[]string{"theirs"}})},
		{"observables", edit(workflow.Edit{AddObservables: []incident.Observable{{Kind: incident.Address, Value: "192.0.2.1"}}})},
		{"fields.Class", edit(workflow.Edit{Fields: map[string][]string{"Class": {"theirs"}}})},
		{"owner", workflow.Take{Ticket: report}},
		{"status", workflow.Move{Ticket: report, To: "resolved"}},
		{"parents", workflow.Link{Ticket: report, Parent: second}},
		{"messages", workflow.Reply{Ticket: report, Text: "theirs"}},
		{"nothing", workflow.Comment{Ticket: report, Text: "theirs"}},
	}
	based := func(e workflow.Edit) workflow.Edit { e.Ticket, e.Based = report, 2; return e }
	for _, test := range []struct {
		name    string
		command workflow.Command
		by      []string // changes that refuse it
	}{
		{"subject", based(workflow.Edit{Subject: pointer("mine")}), []string{"subject"}},
		{"the same subject", based(workflow.Edit{Subject: pointer("theirs")}), nil},
		{"priority", based(workflow.Edit{Priority: pointer(80)}), []string{"priority"}},
		{"constituency", based(workflow.Edit{Constituency: pointer("mine")}), []string{"constituency"}},
		{"state", based(workflow.Edit{State: pointer(incident.State("mine"))}), []string{"state"}},
		{"due", based(workflow.Edit{Due: &later}), []string{"due"}},
		{"clear due", based(workflow.Edit{Clear: []string{"due"}}), []string{"due"}},
		{"wake", based(workflow.Edit{Wake: &later}), []string{"wake"}},
		{"requestors", based(workflow.Edit{Requestors: &[]incident.Party{noc}}), []string{"requestors"}},
		{"add a requestor", based(workflow.Edit{AddRequestors: []incident.Party{noc}}), nil},
		{"remove a requestor", based(workflow.Edit{RemoveRequestors: []incident.Party{bob}}), nil},
		{"cc", based(workflow.Edit{Cc: &[]incident.Party{noc}}), []string{"cc"}},
		{"add a copy", based(workflow.Edit{AddCc: []incident.Party{noc}}), nil},
		{"contacts", based(workflow.Edit{Contacts: &[]incident.Party{noc}}), []string{"contacts"}},
		{"other numbers", based(workflow.Edit{ExternalIDs: &[]string{"mine"}}), []string{"externalIDs"}},
		{"observables", based(workflow.Edit{AddObservables: []incident.Observable{{Kind: incident.Address, Value: "192.0.2.2"}}}), nil},
		{"a field", based(workflow.Edit{Fields: map[string][]string{"Class": {"mine"}}}), []string{"fields.Class"}},
		{"another field", based(workflow.Edit{Fields: map[string][]string{"Other": {"mine"}}}), nil},
		{"two things", based(workflow.Edit{Subject: pointer("mine"), Priority: pointer(80)}), []string{"subject", "priority"}},
		{"move", workflow.Move{Ticket: report, To: "open", Based: 2}, []string{"status"}},
		{"move to the same", workflow.Move{Ticket: report, To: "resolved", Based: 2}, nil},
		{"reopen", workflow.Reopen{Ticket: report, Based: 2}, []string{"status"}},
		{"resolve", workflow.Resolve{Ticket: report, Based: 2, Comment: "done"}, []string{"status"}},
		{"resolve with a mail", workflow.Resolve{Ticket: report, Based: 2, Reply: "done"}, []string{"status", "messages"}},
		{"resolve with a resolution", workflow.Resolve{Ticket: report, Based: 2, Resolution: "done"}, []string{"status"}},
		{"reject", workflow.Reject{Ticket: report, Based: 2}, []string{"status", "owner"}},
		{"reject with a mail", workflow.Reject{Ticket: report, Based: 2, Text: "no"}, []string{"status", "owner", "messages"}},
		{"assign", workflow.Assign{Ticket: report, To: "handler:carol", Based: 2}, []string{"owner"}},
		{"steal", workflow.Steal{Ticket: report, Based: 2}, []string{"owner"}},
		{"link to one more incident", workflow.Link{Ticket: report, Parent: first, Based: 2}, nil},
		{"reply", workflow.Reply{Ticket: report, Text: "mine", Based: 2}, []string{"messages"}},
	} {
		for _, change := range changes {
			w := newWorld(t, func(c *desk.Config) { c.Policy.Rules = nil }) // so that each change is one
			w.do(workflow.Open{Kind: incident.KindIncident, Subject: "First"}, workflow.Open{Kind: incident.KindIncident, Subject: "Second"})
			_, err := w.desk.As("correspondent").Do(ctx, workflow.Open{Kind: incident.KindReport, Subject: "Scan", Text: "Help!", Requestors: []incident.Party{bob}})
			require.NoError(t, err)
			_, err = w.desk.As("handler:bob").Do(ctx, change.command)
			require.NoError(t, err, change.name)
			w.now = w.now.Add(time.Hour)
			_, previewed := w.alice.Preview(ctx, test.command)
			_, err = w.alice.Do(ctx, test.command)
			require.Equal(t, fmt.Sprint(previewed), fmt.Sprint(err), "%s after %s", test.name, change.name)
			var changed *workflow.ChangedError
			if !slices.Contains(test.by, change.name) {
				require.NotErrorAs(t, err, &changed, "%s after %s", test.name, change.name)
				continue
			}
			require.ErrorAs(t, err, &changed, "%s after %s", test.name, change.name)
			require.Len(t, changed.Changes, 1)
			part := changed.Changes[0]
			require.Equal(t, incident.Actor("handler:bob"), part.By)
			require.Equal(t, w.now.Add(-time.Hour), part.At)
			require.NotEqual(t, part.From, part.To)
			require.Contains(t, err.Error(), "based on version 2")
		}
	}
}

func TestBasedSays(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) { c.Policy = workflow.Default() })
	w.do(workflow.Open{Kind: incident.KindReport, Subject: "Scan", Text: "Help!", Requestors: []incident.Party{{Address: "bob@example.org"}}})
	w.do(workflow.Edit{Ticket: 1, Priority: pointer(70)})
	w.do(workflow.Reply{Ticket: 1, Text: "We look into it."})
	_, err := w.alice.Do(ctx, workflow.Edit{Ticket: 1, Priority: pointer(10), Clear: []string{"due"}, Based: 2})
	require.EqualError(t, err, `workflow: edit on ticket 1 is refused: it is based on version 2, since which was changed what it sets: `+
		`priority "0" -> "70" (handler:alice, 2026-03-02T09:02:00Z); due "" -> "2026-03-05T09:03:00Z" (handler:alice by the rule due-after-reply, 2026-03-02T09:03:00Z): `+
		`look at version 5 and give the command again, based on that one if it still holds`)

	for version, allowed := range map[uint64]string{6: "1 to 5", 1 << 63: "1 to 5"} {
		_, err = w.alice.Do(ctx, workflow.Edit{Ticket: 1, Subject: pointer("x"), Based: version})
		var argument *workflow.ArgumentError
		require.ErrorAs(t, err, &argument)
		require.Contains(t, err.Error(), "a version that ticket 1 has had: "+allowed)
	}

	// What was changed back was not changed; what the same Do has changed is its own.
	w.do(workflow.Edit{Ticket: 1, Priority: pointer(0)})
	w.do(workflow.Edit{Ticket: 1, Priority: pointer(10), Based: 2}, workflow.Edit{Ticket: 1, Priority: pointer(20), Based: 2})
	w.do(workflow.Open{Kind: incident.KindReport, Subject: "New"}, workflow.Edit{Ticket: incident.Nth(1), Subject: pointer("Newer"), Based: 1})

	// A machine has written nothing that would have to be read before an answer.
	at := w.ticket(1).Version
	_, err = w.desk.Receive(ctx, mail.Envelope{}, []byte("From: Mailer <mailer-daemon@example.org>\r\nTo: csirt@example.net\r\nSubject: Away [A CSIRT #1]\r\n"+
		"Auto-Submitted: auto-replied\r\nMessage-ID: <1@example.org>\r\n\r\nI am away.\r\n"))
	require.NoError(t, err)
	require.Greater(t, w.ticket(1).Version, at)
	w.do(workflow.Reply{Ticket: 1, Text: "Are you there?", Based: at})

	// An investigation leaves its incident for another one, unless somebody has moved it.
	fields := map[string][]string{"Classification": {"Spam"}}
	w.do(workflow.Open{Kind: incident.KindIncident, Subject: "A", Fields: fields}, workflow.Open{Kind: incident.KindIncident, Subject: "B", Fields: fields},
		workflow.Open{Kind: incident.KindInvestigation, Subject: "Ask", Parents: []incident.ID{incident.Nth(1)}})
	w.do(workflow.Link{Ticket: 5, Parent: 4})
	_, err = w.alice.Do(ctx, workflow.Link{Ticket: 5, Parent: 3, Based: 1})
	require.ErrorContains(t, err, `parents "#3" -> "#4"`)
}

// parts are those of a ticket that a brute-force twin compares.
func parts(t *testing.T, ticket incident.Ticket) map[string]string {
	text, err := json.Marshal(ticket)
	require.NoError(t, err)
	var members map[string]any
	require.NoError(t, json.Unmarshal(text, &members))
	list := map[string]string{}
	for _, name := range []string{"status", "owner", "parents", "due", "subject", "priority", "constituency", "state", "started", "wake", "requestors", "cc", "contacts", "externalIDs"} {
		if value := members[name]; value != nil {
			list[name] = fmt.Sprint(value)
		}
	}
	for name, values := range ticket.Fields {
		list["fields."+name] = fmt.Sprint(values)
	}
	return list
}

func differing(a, b map[string]string) (names []string) {
	for _, list := range []map[string]string{a, b} {
		for name := range list {
			if a[name] != b[name] && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// TestBasedAgainstTwin folds a ticket as it was and as it is, compares all of it, and
// compares that with what a command sets when it is not based on anything.
func TestBasedAgainstTwin(t *testing.T) {
	seed := time.Now().UnixNano()
	if s := os.Getenv("SEED"); s != "" {
		seed, _ = strconv.ParseInt(s, 10, 64)
	}
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewSource(seed))
	var refused, passed int
	for range 12 {
		w := newWorld(t, func(c *desk.Config) { c.Policy = workflow.Default() })
		fields := map[string][]string{"Classification": {"Spam"}}
		w.do(workflow.Open{Kind: incident.KindIncident, Subject: "A", Fields: fields}, workflow.Open{Kind: incident.KindIncident, Subject: "B", Fields: fields},
			workflow.Open{Kind: incident.KindReport, Subject: "Scan", Text: "Help!", Requestors: []incident.Party{{Address: "bob@example.org"}}},
			workflow.Open{Kind: incident.KindInvestigation, Subject: "Ask", Parents: []incident.ID{incident.Nth(1)}, Requestors: []incident.Party{{Address: "noc@example.org"}}})
		for range 60 {
			w.now = w.now.Add(time.Duration(random.Intn(3)) * time.Hour)
			by := w.desk.As(incident.Actor([]string{"handler:alice", "handler:bob"}[random.Intn(2)]))
			command := randomCommand(random, incident.ID(1+random.Intn(4)), w.now)
			if random.Intn(3) == 0 {
				_, _ = by.Do(ctx, command) // what is refused is no change
				continue
			}
			whole, err := by.History(ctx, command.Target())
			require.NoError(t, err)
			history := whole.Records
			version := 1 + random.Intn(len(history))
			was, is := incident.Fold(history[:version]), incident.Fold(history)
			free, freely := by.Preview(ctx, command)
			_, err = by.Do(ctx, basedOn(command, uint64(version)))
			clash := differing(parts(t, was), parts(t, is))
			for _, record := range history[version:] {
				if m, ok := decoded(t, record).(incident.Message); ok && !m.Machine {
					clash = append(clash, "messages")
				}
			}
			var changed *workflow.ChangedError
			if freely != nil { // refused in any case: the reason may be a better one
				if require.Error(t, err); !asChanged(err, &changed) {
					require.Equal(t, freely.Error(), err.Error())
					continue
				}
				for _, part := range changed.Changes {
					require.Contains(t, clash, part.Part, "%+v", command)
				}
				continue
			}
			sets := setBy(t, command, is, free)
			var want []string
			for _, part := range sets {
				if slices.Contains(clash, part) {
					want = append(want, part)
				}
			}
			if len(want) == 0 {
				require.NoError(t, err, "%+v based on %d", command, version)
				passed++
				continue
			}
			require.True(t, asChanged(err, &changed), "%+v based on %d: %v", command, version, err)
			refused++
			var got []string
			for _, part := range changed.Changes {
				got = append(got, part.Part)
				if part.Part != "messages" && !strings.HasSuffix(part.Part, "s") { // but lists, which the twin writes otherwise
					require.Equal(t, parts(t, is)[part.Part] == "", part.To == "")
				}
			}
			require.ElementsMatch(t, slices.Compact(slices.Sorted(slices.Values(want))), got, "%+v based on %d", command, version)
		}
	}
	t.Logf("%d refused, %d passed", refused, passed)
	require.Greater(t, min(refused, passed), 20)
}

func asChanged(err error, to **workflow.ChangedError) bool {
	changed, ok := err.(*workflow.ChangedError)
	*to = changed
	return ok
}

func decoded(t *testing.T, record incident.Record) incident.Event {
	ev, err := incident.Decode(record)
	require.NoError(t, err)
	return ev
}

// basedOn puts a version into a command.
func basedOn(c workflow.Command, version uint64) workflow.Command {
	value := reflect.New(reflect.TypeOf(c)).Elem()
	value.Set(reflect.ValueOf(c))
	value.FieldByName("Based").SetUint(version)
	return value.Interface().(workflow.Command)
}

// setBy returns what a command sets, as its preview shows.
func setBy(t *testing.T, c workflow.Command, is incident.Ticket, free *desk.Result) (names []string) {
	after, own := is, 0
	for _, record := range free.Records {
		if record.Ticket == is.ID && record.Cause.Rule == "" {
			after = incident.Apply(after, record)
			own++
		}
	}
	if own == 0 {
		return nil
	}
	switch c := c.(type) {
	case workflow.Edit:
		return slices.DeleteFunc(differing(parts(t, is), parts(t, after)), func(name string) bool {
			return name == "requestors" && c.Requestors == nil || name == "cc" && c.Cc == nil
		})
	case workflow.Move, workflow.Reopen:
		return []string{"status"}
	case workflow.Resolve:
		if names = []string{"status"}; c.Reply != "" && is.Kind != incident.KindIncident {
			names = append(names, "messages")
		}
	case workflow.Assign, workflow.Steal:
		return []string{"owner"}
	case workflow.Link:
		if is.Kind == incident.KindInvestigation {
			return []string{"parents"}
		}
	case workflow.Reply:
		return []string{"messages"}
	}
	return names
}

func randomCommand(r *rand.Rand, id incident.ID, now time.Time) workflow.Command {
	some := func(list ...string) string { return list[r.Intn(len(list))] }
	party := incident.Party{Address: some("bob@example.org", "eve@example.org", "noc@example.org")}
	due := now.Add(time.Duration(1+r.Intn(3)) * time.Hour)
	switch r.Intn(9) {
	case 0:
		return workflow.Move{Ticket: id, To: incident.Status(some("open", "resolved", "rejected", "abandoned"))}
	case 1:
		return workflow.Reopen{Ticket: id}
	case 2:
		return workflow.Resolve{Ticket: id, Reply: some("", "Done."), Comment: some("", "Done.")}
	case 3:
		return workflow.Assign{Ticket: id, To: incident.Actor(some("", "handler:alice", "handler:bob"))}
	case 4:
		return workflow.Steal{Ticket: id}
	case 5:
		return workflow.Link{Ticket: id, Parent: incident.ID(1 + r.Intn(2))}
	case 6:
		return workflow.Reply{Ticket: id, Text: "Hello."}
	}
	edit := workflow.Edit{Ticket: id}
	for range 1 + r.Intn(2) {
		switch r.Intn(12) {
		case 0:
			edit.Subject = pointer(some("a", "b", "c"))
		case 1:
			edit.Priority = pointer(r.Intn(3))
		case 2:
			edit.Constituency = pointer(some("main", "b"))
		case 3:
			edit.Due = &due
		case 4:
			edit.Wake = &due
		case 5:
			edit.Requestors = &[]incident.Party{party}
		case 6:
			edit.AddRequestors = []incident.Party{party}
		case 7:
			edit.RemoveCc, edit.Cc = []incident.Party{party}, &[]incident.Party{{Address: "eve@example.org"}, {Address: "bob@example.org"}}
		case 8:
			edit.Fields = map[string][]string{some("x", "y"): {some("1", "2", "")}}
		case 9:
			edit.ExternalIDs = &[]string{some("1", "2")}
		case 10:
			edit.AddCc = []incident.Party{party}
		case 11:
			edit.State = pointer(incident.State(some("", "a", "b")))
		}
	}
	return edit
}
