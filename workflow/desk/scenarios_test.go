package desk_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// scenario is a small story with what must come of it.
type scenario struct {
	name   string
	play   func(*world)
	policy func(*workflow.Policy) // changes it first; nil: as it is
}

func (s scenario) config(p *workflow.Policy) func(*desk.Config) {
	if s.policy != nil {
		s.policy(p)
	}
	return func(c *desk.Config) { c.Policy = p }
}

func scenarios() []scenario {
	list := []scenario{
		{name: "the JANET story", play: janetStory},
		{name: "a new report opens when it is linked", play: func(w *world) {
			inc, report := w.incident(), w.child(incident.KindReport)
			w.status("new", report)
			require.Nil(w.t, w.ticket(report).Started)
			w.do(workflow.Link{Ticket: report, Parent: inc})
			w.status("open", report)
			require.Equal(w.t, w.at(), w.ticket(report).Started)
			_, moved := w.last(report, "moved")
			require.Equal(w.t, incident.Cause{Rule: "open-linked-report", Ticket: report, Version: 2}, moved.Cause)
			require.Equal(w.t, incident.Actor("handler:alice"), moved.By, "By stays the person")
		}},
		{name: "a report that is born with an incident opens", play: func(w *world) {
			w.status("open", w.child(incident.KindReport, w.incident()))
		}},
		{name: "linking a closed report leaves it closed", play: func(w *world) {
			inc, report := w.incident(), w.child(incident.KindReport)
			w.do(workflow.Move{Ticket: report, To: "rejected"})
			w.do(workflow.Link{Ticket: report, Parent: inc})
			w.status("rejected", report)
		}},
		{name: "a new report that is linked to a closed incident opens both", play: func(w *world) {
			inc, report := w.incident(), w.child(incident.KindReport)
			w.do(workflow.Move{Ticket: inc, To: "resolved"})
			w.do(workflow.Link{Ticket: report, Parent: inc})
			w.status("open", report, inc)
		}},
		{name: "an open report that is linked to a closed incident leaves it closed", play: func(w *world) {
			inc, report := w.incident(), w.child(incident.KindReport)
			w.do(workflow.Move{Ticket: report, To: "open"}, workflow.Move{Ticket: inc, To: "resolved"})
			w.do(workflow.Link{Ticket: report, Parent: inc})
			w.status("resolved", inc)
		}},
		{name: "an incident that is opened again leaves its children closed", play: func(w *world) {
			inc := w.incident()
			report := w.child(incident.KindReport, inc)
			w.do(workflow.Move{Ticket: inc, To: "resolved"})
			w.do(workflow.Reopen{Ticket: inc})
			w.status("open", inc)
			w.status("resolved", report)
		}},
		{name: "an investigation leaves its old incident", play: func(w *world) {
			one, two := w.incident(), w.incident()
			inv := w.child(incident.KindInvestigation, one)
			w.do(workflow.Edit{Ticket: inv, Due: hours(w, 1)})
			due := w.ticket(inv).Due
			w.due(due, one)
			w.do(workflow.Link{Ticket: inv, Parent: two})
			require.Equal(w.t, []incident.ID{two}, w.ticket(inv).Parents)
			w.due(nil, one)
			w.due(due, two)
		}},
		{name: "closing an incident closes its children by the map", play: closeByMap},
		{name: "a shared report waits for its last incident", play: sharedReport},
		{name: "both incidents of a shared report in one Do", play: func(w *world) {
			one, two := w.incident(), w.incident()
			report := w.child(incident.KindReport, one, two)
			w.do(workflow.Move{Ticket: one, To: "resolved"}, workflow.Move{Ticket: two, To: "abandoned"})
			w.status("rejected", report)
			require.Contains(w.t, w.types(report), "skipped")
		}},
		{name: "an incident is due when its first child is", play: incidentDue},
		{name: "an incident follows the due date of its report", play: func(w *world) { // RTIR: due-incidents.t
			inc := w.incident()
			report := w.child(incident.KindReport)
			w.do(workflow.Link{Ticket: report, Parent: inc})
			w.due(nil, inc)
			for _, n := range []int{10, 20, 5} { // set, later, earlier
				due := hours(w, n)
				w.do(workflow.Edit{Ticket: report, Due: due})
				w.due(due, inc)
			}
			w.do(workflow.Edit{Ticket: report, Clear: []string{"due"}})
			w.due(nil, inc)
		}},
		{name: "a child that is opened again counts again", play: func(w *world) {
			inc := w.incident()
			report := w.child(incident.KindReport, inc)
			w.do(workflow.Edit{Ticket: report, Due: hours(w, 1)})
			due := w.ticket(report).Due
			w.do(workflow.Move{Ticket: report, To: "resolved"})
			w.due(nil, inc)
			w.do(workflow.Move{Ticket: report, To: "open"})
			w.due(due, inc)
		}},
		{name: "a reply opens closed children and their incidents again", play: reopenByReply},
		{name: "a reply to rejected spam opens it", play: func(w *world) {
			spam := w.receive("spam@example.com", "Offer", "").Ticket
			w.do(workflow.Move{Ticket: spam, To: "rejected"})
			w.receive("spam@example.com", tagged(spam), "")
			w.status("open", spam)
		}},
		{name: "machine mail moves nothing", play: machineMail},
		{name: "a child is due at its oldest unanswered message", play: oldestUnanswered},
		{name: "a due date set by hand survives our reply", play: func(w *world) {
			inv := w.child(incident.KindInvestigation, w.incident())
			w.answer(inv)
			w.do(workflow.Edit{Ticket: inv, Due: hours(w, 48)})
			due := w.ticket(inv).Due
			w.do(workflow.Reply{Ticket: inv, Text: "Thank you."})
			w.due(due, inv)
			_, record := w.last(inv, "message")
			require.Equal(w.t, []incident.NearMiss{{Rule: "due-after-reply", Why: "its due date was not set by a message from outside"}}, record.NearMisses())
		}},
		{name: "mail of the team to the correspondent answers", play: teamAnswers},
		{name: "a held report goes to a child", play: heldToChild},
		{name: "a reminder makes a ticket due", play: reminder},
	}
	for _, s := range clockScenarios() {
		list = append(list, scenario{s.name, s.play, promising})
	}
	return list
}

func TestScenarios(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, store storage.Store) { s.play(newWorldOn(t, store, s.config(plain()))) })
		})
	}
}

// expected takes the place of a test in a run that is meant to fail.
type expected struct{ message string }

func (*expected) Helper() {}
func (e *expected) Errorf(format string, args ...any) {
	e.message = fmt.Sprintf(format, args...)
}
func (e *expected) FailNow() { panic(e) }

// fails plays a scenario under a policy and reports whether something that it
// expects did not come.
func fails(s scenario, p *workflow.Policy) (failed bool) {
	t := &expected{}
	defer func() {
		if r := recover(); r == t {
			failed = true
		} else if r != nil {
			panic(r)
		}
	}()
	s.play(newWorld(t, s.config(p)))
	return t.message != ""
}

// Every rule and derivation is needed: without it some scenario fails. With -short,
// that is seen of every fourth.
func TestEveryRuleCounts(t *testing.T) {
	for _, s := range scenarios() {
		require.False(t, fails(s, plain()), s.name)
	}
	breaks := func(name string, p func() *workflow.Policy) {
		var broken []string
		for _, s := range scenarios() {
			if fails(s, p()) {
				broken = append(broken, s.name)
			}
		}
		require.NotEmpty(t, broken, "nothing fails without %s", name)
		t.Logf("without %s: %d scenarios fail: %q", name, len(broken), broken)
	}
	for i, r := range plain().Rules {
		if testing.Short() && i%4 != 0 {
			continue
		}
		breaks("rule "+r.Name, func() *workflow.Policy {
			p := plain()
			p.Rules = append(p.Rules[:i:i], p.Rules[i+1:]...)
			return p
		})
	}
	for i, d := range plain().Derivations {
		if testing.Short() && i%4 != 0 {
			continue
		}
		breaks("derivation "+d.Name, func() *workflow.Policy {
			p := plain()
			p.Derivations = append(p.Derivations[:i:i], p.Derivations[i+1:]...)
			return p
		})
	}
}
