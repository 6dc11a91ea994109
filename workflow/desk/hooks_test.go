package desk_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

var errNo = errors.New("not on my watch")

// vetoCommand refuses a command by name, vetoEvent an event by type.
func vetoCommand(name string) func(*desk.Config) {
	return func(c *desk.Config) {
		c.BeforeCommand = append(c.BeforeCommand, func(_ context.Context, _ storage.Reader, call desk.CommandCall) (workflow.Command, error) {
			if call.Command.Name() == name {
				return nil, errNo
			}
			return call.Command, nil
		})
	}
}

func vetoEvent(kind string) func(*desk.Config) {
	return func(c *desk.Config) {
		c.BeforeEvent = append(c.BeforeEvent, func(_ context.Context, _ storage.Reader, call desk.EventCall) (incident.Event, error) {
			if call.Event.Type() == kind {
				return nil, errNo
			}
			return call.Event, nil
		})
	}
}

func TestVetoes(t *testing.T) {
	for _, c := range []struct {
		name string
		veto func(*desk.Config)
		text string
	}{
		{"a command", vetoCommand("link"), "desk: command link on ticket 2 was vetoed: not on my watch"},
		{"an event", vetoEvent("linked"), "desk: event linked on ticket 2 was vetoed: not on my watch"},
		{"a command of a rule", vetoCommand("move"), "command move on ticket 2 was vetoed"},
		{"an event of a rule", vetoEvent("moved"), "event moved on ticket 2 was vetoed"},
		{"a derivation", vetoEvent("due"), "event due on ticket 1 was vetoed"},
		{"the last of several", vetoCommand("comment"), "command comment on ticket 1 was vetoed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			onEveryStore(t, func(t *testing.T, store storage.Store) {
				free := newWorldOn(t, store)
				free.incident()
				report := free.child(incident.KindReport)
				free.do(workflow.Edit{Ticket: report, Due: hours(free, 1)})

				w := newWorldOn(t, store, c.veto)
				w.now = free.now
				err := w.refused(workflow.Take{Ticket: 1},
					workflow.Open{Kind: incident.KindReport}, workflow.Link{Ticket: report, Parent: 1}, workflow.Comment{Ticket: 1, Text: "left over?"})
				var veto *desk.VetoError
				require.ErrorAs(t, err, &veto)
				require.ErrorIs(t, err, errNo)
				require.ErrorContains(t, err, c.text)
				require.NoError(t, w.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
					_, err := r.OpenBlob(ctx, incident.DigestOf([]byte("left over?")))
					require.ErrorIs(t, err, storage.ErrNotFound, "no blob is left behind")
					return nil
				}))
				require.Equal(t, incident.ID(3), free.child(incident.KindReport), "and its number is free again")
			})
		})
	}
}

func TestVetoedReplyLeavesNoMail(t *testing.T) {
	w := newWorld(t, vetoEvent("due"))
	inv := w.child(incident.KindInvestigation)
	err := w.refused(workflow.Reply{Ticket: inv, Text: "Hello."}, workflow.Edit{Ticket: inv, Due: hours(w, 1)})
	require.ErrorIs(t, err, errNo)
	require.Empty(t, w.outgoing())
}

// Mail that a hook refuses is not lost: it waits for a person.
func TestVetoedMailIsHeld(t *testing.T) {
	for name, veto := range map[string]func(*desk.Config){
		"command append":  vetoCommand("append"),
		"event message":   vetoEvent("message"),
		"rule's command":  vetoCommand("set-due"),
		"rule's event":    vetoEvent("due"),
		"command reopen ": vetoCommand("reopen"),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, veto)
			inv := w.child(incident.KindInvestigation, w.incident())
			w.do(workflow.Move{Ticket: inv, To: "resolved"})
			before := w.ticket(inv)
			raw := "From: bob@example.org\r\nSubject: " + tagged(inv) + "\r\nMessage-ID: <1@example.org>\r\n\r\nHello\r\n"
			receipt := w.raw("bob@example.org", raw)
			require.True(t, receipt.Held)
			require.Equal(t, mail.Hold, receipt.Verdict.Action)
			require.Equal(t, before, w.ticket(inv))
			require.Equal(t, &incident.Held{Reason: "failed", Candidates: []incident.ID{inv}}, w.ticket(receipt.Ticket).Held)
			body, err := w.alice.Body(ctx, receipt.Ticket, receipt.Version)
			require.NoError(t, err)
			require.Equal(t, raw, string(body))
			require.True(t, w.raw("bob@example.org", raw).Again, "the same bytes again")
		})
	}
}

func TestAfterHooks(t *testing.T) {
	type seen struct {
		commands []string
		records  []incident.Record
	}
	var log seen
	var w *world
	committed := func(ctx context.Context, id incident.ID, version uint64) {
		current, err := w.desk.As("handler:bob").Ticket(ctx, id)
		require.NoError(t, err)
		require.GreaterOrEqual(t, current.Version, version, "the commit came first")
	}
	w = newWorld(t, vetoCommand("release"), func(c *desk.Config) {
		c.AfterCommand = append(c.AfterCommand, func(ctx context.Context, call desk.CommandCall) {
			committed(ctx, call.Ticket.ID, call.Ticket.Version)
			log.commands = append(log.commands, fmt.Sprint(call.By, " ", call.Command.Name(), " ", call.Ticket.ID, " ", call.Cause.Rule))
		})
		c.AfterEvent = append(c.AfterEvent, func(ctx context.Context, r incident.Record) {
			committed(ctx, r.Ticket, r.Version)
			log.records = append(log.records, r)
			r.Data[0] = 'x' // its own copy
		})
	})
	w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Compromise", Fields: classified})
	log = seen{}
	result := w.do(workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{1}})
	require.Equal(t, []string{"handler:alice open 2 ", "handler:alice move 2 open-linked-report"}, log.commands)
	require.Len(t, log.records, len(result.Records))
	for i, r := range result.Records {
		require.Equal(t, r.Hash, log.records[i].Hash)
	}
	log = seen{}
	w.receive("bob@example.org", "Scan", "")
	require.Equal(t, []string{"correspondent open 3 "}, log.commands)
	require.Len(t, log.records, 2)
	log = seen{}
	w.refused(workflow.Take{Ticket: 1}, workflow.Release{Ticket: 1})
	_, err := w.alice.Preview(ctx, workflow.Take{Ticket: 2})
	require.NoError(t, err)
	require.Empty(t, log, "nothing happened")
}

// Before hooks see what is so far, within the transaction.
func TestBeforeHooksReadTheDraft(t *testing.T) {
	var owners []incident.Actor
	w := newWorld(t, func(c *desk.Config) {
		c.BeforeCommand = append(c.BeforeCommand, func(ctx context.Context, r storage.Reader, call desk.CommandCall) (workflow.Command, error) {
			_, writes := r.(storage.Tx)
			require.False(t, writes, "they only read")
			if current, err := r.Ticket(ctx, 1); err == nil {
				owners = append(owners, current.Owner, call.Ticket.Owner)
			}
			return call.Command, nil
		})
	})
	w.incident()
	w.do(workflow.Release{Ticket: 1}, workflow.Take{Ticket: 1})
	require.Equal(t, []incident.Actor{"handler:alice", "handler:alice", "", ""}, owners)
}
