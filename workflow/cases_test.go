package workflow_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

var (
	morning = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	env     = workflow.Env{Now: morning, By: "handler:alice"}
)

func at(hours int) *time.Time {
	t := morning.Add(time.Duration(hours) * time.Hour)
	return &t
}

func list(events ...incident.Event) []workflow.Decision {
	var decisions []workflow.Decision
	for _, e := range events {
		decisions = append(decisions, workflow.Decision{Event: e})
	}
	return decisions
}

// on are events on another ticket than that of the command.
func on(id incident.ID, events ...incident.Event) []workflow.Decision {
	decisions := list(events...)
	for i := range decisions {
		decisions[i].Ticket = id
	}
	return decisions
}

func all(decisions ...[]workflow.Decision) []workflow.Decision { return slices.Concat(decisions...) }

// facts are what there is to know in a case. Code under test learns of it only
// what it asks for.
type facts map[workflow.Ask]any

func (f facts) answer(asks []workflow.Ask) (known workflow.Facts) {
	for _, a := range asks {
		switch answer := f[a].(type) {
		case []incident.Ticket:
			known.Know(a, answer...)
			if a.Fact == workflow.FactOpenChildren {
				for _, child := range answer {
					answerable := workflow.Ask{Fact: workflow.FactAnswerable, Ticket: child.ID}
					if m, ok := f[answerable].([]workflow.MessageRecord); ok && slices.Contains(asks, workflow.Ask{Fact: workflow.FactChildrenAnswerable, Ticket: a.Ticket}) {
						known.KnowMessages(answerable, m)
					}
				}
			}
		case []workflow.MessageRecord:
			known.KnowMessages(a, answer)
		case []workflow.StatusRecord:
			known.KnowStatuses(a, answer)
		case []incident.Record:
			known.KnowRecords(a, answer)
		case bool:
			known.KnowDefective(a, answer)
		case []incident.Event:
			known.KnowRecords(a, recordsOf(answer...))
		}
	}
	return known
}

// recordsOf are events as the records of a ticket hold them.
func recordsOf(list ...incident.Event) []incident.Record {
	var records []incident.Record
	for i, ev := range list {
		r := incident.Record{Version: uint64(i + 2), At: *at(i)}
		if err := r.Encode(ev); err != nil {
			panic(err)
		}
		records = append(records, r)
	}
	return records
}

func and(list ...facts) facts {
	sum := facts{}
	for _, f := range list {
		maps.Copy(sum, f)
	}
	return sum
}

func about(fact workflow.Fact, id incident.ID, tickets ...incident.Ticket) facts {
	return facts{{Fact: fact, Ticket: id}: tickets}
}

// know are facts about single tickets.
func know(tickets ...incident.Ticket) facts {
	f := facts{}
	for _, t := range tickets {
		f[workflow.Ask{Fact: workflow.FactTicket, Ticket: t.ID}] = []incident.Ticket{t}
	}
	return f
}

// missing is the fact that there is no such ticket.
func missing(id incident.ID) facts { return about(workflow.FactTicket, id) }

func parents(child incident.ID, tickets ...incident.Ticket) facts {
	return about(workflow.FactParents, child, tickets...)
}

func openChildren(id incident.ID, tickets ...incident.Ticket) facts {
	return about(workflow.FactOpenChildren, id, tickets...)
}

func children(id incident.ID, tickets ...incident.Ticket) facts {
	return about(workflow.FactChildren, id, tickets...)
}

func soleChildren(id incident.ID, tickets ...incident.Ticket) facts {
	return about(workflow.FactSoleChildren, id, tickets...)
}

func messages(id incident.ID, entities ...incident.Message) facts {
	records := []workflow.MessageRecord{}
	for i, m := range entities {
		records = append(records, workflow.MessageRecord{Version: uint64(i + 2), At: *at(i), Message: m})
	}
	answerable := slices.DeleteFunc(slices.Clone(records), func(m workflow.MessageRecord) bool { return !m.Answerable() })
	return facts{
		{Fact: workflow.FactMessages, Ticket: id}:   records,
		{Fact: workflow.FactAnswerable, Ticket: id}: answerable[max(0, len(answerable)-1):],
	}
}

func texts(id incident.ID, written ...string) facts {
	records := []workflow.MessageRecord{}
	for _, text := range written {
		records = append(records, workflow.MessageRecord{Text: text})
	}
	return facts{{Fact: workflow.FactTexts, Ticket: id}: records}
}

func newestText(id incident.ID, written ...string) facts {
	return facts{{Fact: workflow.FactNewestText, Ticket: id}: texts(id, written...)[workflow.Ask{Fact: workflow.FactTexts, Ticket: id}]}
}

func merges(id incident.ID, events ...incident.Event) facts {
	return facts{{Fact: workflow.FactMerges, Ticket: id}: events}
}

type change = func(*incident.Ticket)

// report is ticket 7, a new report, with changes.
func report(changes ...change) incident.Ticket {
	t := incident.Ticket{ID: 7, Kind: incident.KindReport, Status: "new", Phase: incident.Initial, Subject: "Scan", Version: 3}
	for _, c := range changes {
		c(&t)
	}
	return t
}

// theIncident is ticket 7, an open incident.
func theIncident(changes ...change) incident.Ticket {
	return report(append([]change{kind(incident.KindIncident), open}, changes...)...)
}

// block is ticket 7, a block of incident 3 that waits for approval.
func block(changes ...change) incident.Ticket {
	return report(append([]change{kind(incident.KindBlock), in("pending activation", incident.Initial), under(3)}, changes...)...)
}

func called(id incident.ID) change { return func(t *incident.Ticket) { t.ID = id } }

func owned(by incident.Actor) change { return func(t *incident.Ticket) { t.Owner = by } }

func under(ids ...incident.ID) change { return func(t *incident.Ticket) { t.Parents = ids } }

func in(status incident.Status, phase incident.Phase) change {
	return func(t *incident.Ticket) { t.Status, t.Phase = status, phase }
}

func open(t *incident.Ticket)     { t.Status, t.Phase = "open", incident.Active }
func resolved(t *incident.Ticket) { t.Status, t.Phase = "resolved", incident.Inactive }
func rejected(t *incident.Ticket) { t.Status, t.Phase = "rejected", incident.Inactive }
func active(t *incident.Ticket)   { t.Status, t.Phase = "active", incident.Active }
func leaving(t *incident.Ticket)  { t.Status, t.Phase = "pending removal", incident.Active }
func removed(t *incident.Ticket)  { t.Status, t.Phase = "removed", incident.Inactive }

func kind(k incident.Kind) change { return func(t *incident.Ticket) { t.Kind = k } }

func held(t *incident.Ticket) { t.Held = &incident.Held{Reason: "two-tags"} }

func mergedInto(id incident.ID) change { return func(t *incident.Ticket) { t.MergedInto = id } }

func people(addresses ...string) []incident.Party {
	var list []incident.Party
	for _, a := range addresses {
		list = append(list, incident.Party{Address: a})
	}
	return list
}

func asked(addresses ...string) change {
	return func(t *incident.Ticket) { t.Requestors = people(addresses...) }
}

func due(date *time.Time) change { return func(t *incident.Ticket) { t.Due = date } }

func prioritised(priority int) change { return func(t *incident.Ticket) { t.Priority = priority } }

func titled(subject string) change { return func(t *incident.Ticket) { t.Subject = subject } }

func constituent(of string) change { return func(t *incident.Ticket) { t.Constituency = of } }

func with(name string, values ...string) change {
	return func(t *incident.Ticket) {
		t.Fields = maps.Clone(t.Fields)
		if t.Fields == nil {
			t.Fields = map[string][]string{}
		}
		t.Fields[name] = values
	}
}

func seen(observables ...incident.Observable) change {
	return func(t *incident.Ticket) { t.Observables = observables }
}

func address(value string) incident.Observable {
	return incident.Observable{Kind: incident.Address, Value: value}
}

var (
	three      = incident.Ticket{ID: 3, Kind: incident.KindIncident, Status: "open", Phase: incident.Active}
	four       = incident.Ticket{ID: 4, Kind: incident.KindIncident, Status: "resolved", Phase: incident.Inactive}
	party      = incident.Party{Name: "Bob", Address: "bob@example.org"}
	number     = 101
	ten        = 10
	classified = map[string][]string{"Classification": {"Scan"}} // what janet wants of an incident
	evil       = "a\r\nBcc: x\x00\xff"
	tame       = "a Bcc: x\u2400\uFFFD"
)

// decision is one case: what a command does to a ticket, or why it does not.
type decision struct {
	name    string
	ticket  incident.Ticket
	command workflow.Command
	facts   facts
	want    []workflow.Decision
	err     error
	says    string // part of the error's text
}

func (d decision) run(t *testing.T, p *workflow.Policy) {
	got, err := p.Decide(d.ticket, d.command, d.facts.answer(p.Asks(d.ticket, d.command)), env)
	if d.err == nil {
		require.NoError(t, err)
		require.Equal(t, d.want, got)
		return
	}
	require.Equal(t, reflect.TypeOf(d.err), reflect.TypeOf(err), "%v", err)
	require.ErrorContains(t, err, d.says)
	require.Empty(t, got, "a refusal has no events")
}

func run(t *testing.T, cases []decision) { runUnder(t, workflow.Default(), cases) }

func runUnder(t *testing.T, p *workflow.Policy, cases []decision) {
	require.NoError(t, p.Validate())
	for _, c := range cases {
		t.Run(c.command.Name()+": "+c.name, func(t *testing.T) { c.run(t, p) })
	}
}

// Kinds of refusals, for decision.err.
var (
	taken      = &workflow.TakenError{}
	refused    = &workflow.RefusedError{}
	argument   = &workflow.ArgumentError{}
	transition = &workflow.TransitionError{}
	noTicket   = &workflow.NoTicketError{}
	lacking    = &workflow.MissingError{}
)

func rule(t *testing.T, name string) workflow.Rule {
	for _, r := range workflow.Rules() {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("there is no rule %s", name)
	return workflow.Rule{}
}

// changed is what an event did to a ticket, by the hand of alice.
func changed(before, after incident.Ticket, e incident.Event, c workflow.Command) workflow.Change {
	after.Version = before.Version + 1
	ch := workflow.Change{Before: before, After: after, Event: e, By: "handler:alice", At: morning}
	if c != nil {
		ch.Command = c.Name()
	}
	return ch
}

// reaction is one case: what a rule says to a change.
type reaction struct {
	name   string
	change workflow.Change
	facts  facts
	fires  []workflow.Command
	why    string
}

func react(t *testing.T, name string, cases []reaction) {
	reactUnder(t, workflow.Default(), rule(t, name), cases)
}

// reactWith is react with other parameters.
func reactWith(t *testing.T, name string, params any, cases []reaction) {
	r := rule(t, name)
	r.Params = params
	reactUnder(t, workflow.Default(), r, cases)
}

func reactUnder(t *testing.T, p *workflow.Policy, r workflow.Rule, cases []reaction) {
	require.NotEmpty(t, r.Doc)
	for _, c := range cases {
		t.Run(r.Name+": "+c.name, func(t *testing.T) {
			require.True(t, r.Wakes(c.change), "the case wakes the rule")
			asks := r.Asks(p, c.change)
			got := r.Then(p, c.change, c.facts.answer(asks), r.Params)
			require.Equal(t, c.fires, got.Commands)
			require.Equal(t, c.why, got.Why)
			require.Empty(t, got.Offers)
			if len(c.facts) == 0 {
				require.Empty(t, asks, "nothing is read in vain")
			}
		})
	}
}

func commands(list ...workflow.Command) []workflow.Command { return list }
