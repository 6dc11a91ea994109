package desk_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// An event goes on as the first hook returns it.
func TestReplacedEvents(t *testing.T) {
	w := newWorld(t)
	saw := &hooked{event: func(ev incident.Event) incident.Event {
		switch ev := ev.(type) {
		case incident.Opened:
			ev.Constituency, ev.Content.Subject = "EDUNET", ev.Content.Subject+"!"
			return ev
		case incident.Edited:
			ev.Priority = pointer(7)
			return ev
		case incident.Message:
			if !ev.Sent {
				ev.Content.Observables, ev.Flags = nil, append(ev.Flags, "checked")
			}
			return ev
		case incident.Commented:
			ev.Content.Call = &incident.Call{Direction: incident.CallIn, Person: "Bob"}
			return ev
		}
		return ev
	}}
	w = newWorldOn(t, w.store, saw.config)
	report := w.child(incident.KindReport)
	require.Equal(t, "EDUNET", w.ticket(report).Constituency)
	require.Equal(t, "Scan!", w.ticket(report).Subject)
	require.Contains(t, saw.events[0], "Subject:Scan!", "the next hook sees it")
	require.Contains(t, saw.records[0], "Subject:Scan!", "and so do after hooks")
	w.do(workflow.Take{Ticket: report}, workflow.Edit{Ticket: report, State: pointer(incident.State("blocked"))}, workflow.Comment{Ticket: report, Text: "rang"})
	require.Equal(t, 7, w.ticket(report).Priority)
	require.Equal(t, incident.State("blocked"), w.ticket(report).State)
	ev, record := w.last(report, "commented")
	require.Equal(t, "Bob", ev.(incident.Commented).Content.Call.Person)
	body, err := w.alice.Body(ctx, report, record.Version)
	require.NoError(t, err)
	require.Equal(t, "rang", string(body))
	w.raw("bob@example.org", fmt.Sprintf(mailOfBob, tagged(report), 1))
	ev, _ = w.last(report, "message")
	require.Equal(t, []string{"checked"}, ev.(incident.Message).Flags)
	require.Empty(t, w.ticket(report).Observables)
	require.Len(t, saw.records, len(saw.events), "one for each record")
}

func TestWhatCannotReplaceAnEvent(t *testing.T) {
	later := time.Date(2026, 3, 9, 9, 0, 0, 0, time.UTC)
	opened := func(change func(*incident.Opened)) func(incident.Event) incident.Event {
		return func(ev incident.Event) incident.Event {
			if o, ok := ev.(incident.Opened); ok {
				change(&o)
				return o
			}
			return ev
		}
	}
	message := func(change func(*incident.Message)) func(incident.Event) incident.Event {
		return func(ev incident.Event) incident.Event {
			if m, ok := ev.(incident.Message); ok {
				change(&m)
				return m
			}
			return ev
		}
	}
	instead := func(of string, ev incident.Event) func(incident.Event) incident.Event {
		return func(given incident.Event) incident.Event {
			if given.Type() == of {
				return ev
			}
			return given
		}
	}
	for name, c := range map[string]struct {
		replace func(incident.Event) incident.Event
		text    string
	}{
		"nothing":              {instead("owned", nil), "a hook may not put a <nil> in the place of event owned on ticket 1: allowed is a value of type incident.Owned"},
		"another type":         {instead("commented", incident.Custom{Name: "noted"}), "allowed is a value of type incident.Commented"},
		"a pointer":            {instead("commented", &incident.Commented{}), "allowed is a value of type incident.Commented"},
		"the name of a type":   {instead("commented", incident.Unknown{Name: "commented"}), "allowed is a value of type incident.Commented"},
		"another owner":        {instead("owned", incident.Owned{To: "handler:eve"}), "it can be vetoed only: allowed are replacements of opened, edited, message and commented"},
		"another status":       {instead("moved", incident.Moved{To: "resolved", Phase: incident.Inactive}), "it can be vetoed only"},
		"another due date":     {instead("due", incident.DueSet{Due: &later}), "it can be vetoed only"},
		"another kind":         {opened(func(o *incident.Opened) { o.Kind = incident.KindIncident }), "were decided: replace the command"},
		"another first status": {opened(func(o *incident.Opened) { o.Status = "resolved" }), "were decided: replace the command"},
		"another phase":        {opened(func(o *incident.Opened) { o.Phase = incident.Inactive }), "were decided: replace the command"},
		"another first owner":  {opened(func(o *incident.Opened) { o.Owner = "handler:eve" }), "were decided: replace the command"},
		"another parent":       {opened(func(o *incident.Opened) { o.Parents = []incident.ID{9} }), "were decided: replace the command"},
		"another origin":       {opened(func(o *incident.Opened) { o.From = 9 }), "were decided: replace the command"},
		"a NUL":                {opened(func(o *incident.Opened) { o.Content.Subject = "a\x00" }), "clean its texts"},
		"a NUL in a name":      {opened(func(o *incident.Opened) { o.Fields = map[string][]string{"a\x00": {"x"}} }), "clean its texts"},
		"no body":              {instead("commented", incident.Commented{}), "its text would be lost"},
		"a mail that is no mail": {message(func(m *incident.Message) {
			if !m.Sent {
				m.Blobs = nil
			}
		}), "its bodies would be lost"},
		"a mail to somebody else": {message(func(m *incident.Message) { m.Sent, m.Content.To = true, []incident.Party{{Address: "eve@example.org"}} }), "it is what the mail says that goes out"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.child(incident.KindReport)
			now := w.now
			w = newWorldOn(t, w.store, (&hooked{event: c.replace}).config)
			w.now = now
			err := w.refused(workflow.Release{Ticket: 1}, workflow.Take{Ticket: 1}, workflow.Comment{Ticket: 1, Text: "x"}, workflow.Edit{Ticket: 1, Due: &now},
				workflow.Reply{Ticket: 1, Text: "x"}, workflow.Move{Ticket: 1, To: "resolved"}, workflow.Open{Kind: incident.KindReport, Text: "x"})
			var replacement *desk.ReplacementError
			require.ErrorAs(t, err, &replacement)
			require.ErrorContains(t, err, c.text)
		})
	}

	// A mail that a hook spoils is kept all the same.
	w := newWorld(t, (&hooked{event: message(func(m *incident.Message) { m.Blobs = nil })}).config)
	raw := fmt.Sprintf(mailOfBob, "Scan", 1)
	receipt := w.raw("bob@example.org", raw)
	require.True(t, receipt.Held)
	body, err := w.alice.Body(ctx, receipt.Ticket, receipt.Version)
	require.NoError(t, err)
	require.Equal(t, raw, string(body))
}

// A literal \u0000 is text like any other.
func TestReplacementsMaySpellANUL(t *testing.T) {
	w := newWorld(t, (&hooked{event: func(ev incident.Event) incident.Event {
		if o, ok := ev.(incident.Opened); ok {
			o.Content.Subject = `\u0000`
			return o
		}
		return ev
	}}).config)
	require.Equal(t, `\u0000`, w.ticket(w.child(incident.KindReport)).Subject)
}

// A veto that wraps a refusal of the policy is a veto, of a rule's event too.
func TestVetoIsNoRefusal(t *testing.T) {
	refusal := &workflow.RefusedError{Command: "move", Ticket: 2, Why: "not on my watch"}
	free := newWorld(t)
	free.incident()
	w := newWorldOn(t, free.store, func(c *desk.Config) {
		c.BeforeEvent = append(c.BeforeEvent, func(_ context.Context, _ storage.Reader, call desk.EventCall) (incident.Event, error) {
			if call.Event.Type() == "moved" {
				return nil, refusal
			}
			return call.Event, nil
		})
	})
	w.now = free.now
	require.ErrorIs(t, w.refused(workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{1}}), refusal)
}

// Documents are records too.
func TestHooksSeeAdoptions(t *testing.T) {
	saw := &hooked{}
	var config desk.Config
	saw.config(&config)
	store := memory.New()
	_, err := desk.Adopt(ctx, store, "handler:alice", "directory", "ours", []byte("one"), config)
	require.NoError(t, err)
	require.Len(t, saw.events, 1)
	require.Contains(t, saw.events[0], "0 adopt {Document:directory Name:ours Version:1")
	require.Len(t, saw.records, 1)
	vetoEvent("adopted")(&config)
	_, err = desk.Adopt(ctx, store, "handler:alice", "directory", "ours", []byte("two"), config)
	require.ErrorIs(t, err, errNo)
	_, _, err = desk.Adopted(ctx, store, "directory", 2)
	require.ErrorIs(t, err, storage.ErrNotFound)
}
