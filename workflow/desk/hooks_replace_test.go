package desk_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// hooked is what the hooks of a desk saw: those behind the one that replaces.
type hooked struct {
	command func(workflow.Command) workflow.Command // nil: leaves all as it is
	event   func(incident.Event) incident.Event

	before, after, events, records []string
}

func (h *hooked) config(c *desk.Config) {
	c.BeforeCommand = append(c.BeforeCommand,
		func(_ context.Context, _ storage.Reader, call desk.CommandCall) (workflow.Command, error) {
			if h.command != nil {
				return h.command(call.Command), nil
			}
			return call.Command, nil
		},
		func(_ context.Context, _ storage.Reader, call desk.CommandCall) (workflow.Command, error) {
			h.before = append(h.before, told(call))
			return call.Command, nil
		})
	c.AfterCommand = append(c.AfterCommand, func(_ context.Context, call desk.CommandCall) { h.after = append(h.after, told(call)) })
	c.BeforeEvent = append(c.BeforeEvent,
		func(_ context.Context, _ storage.Reader, call desk.EventCall) (incident.Event, error) {
			if h.event != nil {
				return h.event(call.Event), nil
			}
			return call.Event, nil
		},
		func(_ context.Context, _ storage.Reader, call desk.EventCall) (incident.Event, error) {
			h.events = append(h.events, fmt.Sprintf("%s %s %+v", call.Ticket.ID, call.Command, call.Event))
			return call.Event, nil
		})
	c.AfterEvent = append(c.AfterEvent, func(_ context.Context, r incident.Record) {
		ev, _ := incident.Decode(r)
		h.records = append(h.records, fmt.Sprintf("%s %s %+v", r.Ticket, r.Command, ev))
	})
}

// told is a command as hooks are told of it, without the mail in it.
func told(call desk.CommandCall) string {
	c := call.Command
	if open, ok := c.(workflow.Open); ok && open.Mail != nil {
		open.Mail = nil
		c = open
	}
	if append, ok := c.(workflow.Append); ok {
		c = workflow.Comment{Ticket: append.Ticket, Text: fmt.Sprint(append.Mail.Flags)}
	}
	text, err := workflow.MarshalCommand(c)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %s %s", call.By, call.Command.Name(), text)
}

const mailOfBob = "From: bob@example.org\r\nTo: csirt@example.net\r\nSubject: %s\r\nMessage-ID: <%d@example.org>\r\n\r\n192.0.2.7 scans.\r\n"

// A command from every source goes on as the first hook returns it: it is what the
// next hook sees, what is decided and recorded, and what after hooks are told.
func TestReplacedCommands(t *testing.T) {
	renamed := func(c workflow.Command) workflow.Command {
		if c, ok := c.(workflow.Comment); ok {
			return workflow.Edit{Ticket: c.Ticket, Subject: &c.Text}
		}
		return c
	}
	edit := func(text string) string {
		return `handler:alice edit {"command":"edit","ticket":1,"subject":"` + text + `"}`
	}
	for _, c := range []struct {
		name    string
		replace func(workflow.Command) workflow.Command
		run     func(*testing.T, *world)
		told    []string
		preview bool
		event   incident.Event // the last one of ticket 1 or, where that has other ones, as last
		of      incident.ID
	}{
		{
			name: "do", replace: renamed,
			run: func(_ *testing.T, w *world) {
				w.do(workflow.Comment{Ticket: 1, Text: "One"}, workflow.Comment{Ticket: 1, Text: "Two"})
			},
			told: []string{edit("One"), edit("Two")}, event: incident.Edited{Content: incident.EditedContent{Subject: pointer("Two")}},
		},
		{
			name: "bulk", replace: renamed,
			run: func(t *testing.T, w *world) {
				for _, result := range w.alice.Bulk(ctx, workflow.Comment{Ticket: 1, Text: "One"}, workflow.Comment{Ticket: 1, Text: "Two"}) {
					require.NoError(t, result.Err)
				}
			},
			told: []string{edit("One"), edit("Two")}, event: incident.Edited{Content: incident.EditedContent{Subject: pointer("Two")}},
		},
		{
			name: "transaction of the caller", replace: renamed,
			run: func(t *testing.T, w *world) {
				var result *desk.Result
				require.NoError(t, w.store.Update(ctx, func(ctx context.Context, tx storage.Tx) (err error) {
					result, err = w.alice.DoTx(ctx, tx, workflow.Comment{Ticket: 1, Text: "One"})
					return err
				}))
				w.desk.Announce(ctx, result)
			},
			told: []string{edit("One")}, event: incident.Edited{Content: incident.EditedContent{Subject: pointer("One")}},
		},
		{
			name: "preview", replace: renamed,
			run: func(t *testing.T, w *world) {
				result, err := w.alice.Preview(ctx, workflow.Comment{Ticket: 1, Text: "One"})
				require.NoError(t, err)
				require.Len(t, result.Records, 1)
				require.Equal(t, "edited", result.Records[0].Type)
			},
			told: []string{edit("One")}, preview: true,
		},
		{
			name: "mail for a ticket", replace: func(c workflow.Command) workflow.Command {
				if c, ok := c.(workflow.Append); ok {
					c.Mail.Flags = []string{"checked"}
					return c
				}
				return c
			},
			run: func(_ *testing.T, w *world) { w.raw("bob@example.org", fmt.Sprintf(mailOfBob, tagged(1), 7)) },
			told: []string{
				`correspondent append {"command":"comment","ticket":1,"text":"[checked]"}`,
				`correspondent set-due {"command":"set-due","ticket":1,"due":"2026-03-02T09:03:00Z","clock":"oldest unanswered message"}`,
			},
		},
		{
			name: "mail that opens a report", replace: func(c workflow.Command) workflow.Command {
				if c, ok := c.(workflow.Open); ok && c.Mail != nil {
					c.Constituency, c.Held = "EDUNET", &incident.Held{Reason: "quarantine"}
					return c
				}
				return c
			},
			run: func(t *testing.T, w *world) {
				receipt := w.raw("bob@example.org", fmt.Sprintf(mailOfBob, "New", 8))
				require.True(t, receipt.Held, "as the hook wanted")
				opened := w.ticket(receipt.Ticket)
				require.Equal(t, "EDUNET", opened.Constituency)
				require.Equal(t, "quarantine", opened.Held.Reason)
			},
			told: []string{`correspondent open {"command":"open","kind":"report","subject":"New","constituency":"EDUNET","requestors":[{"address":"bob@example.org"}],"via":"mail","held":{"reason":"quarantine"}}`},
		},
		{
			name: "mail received again", replace: func(c workflow.Command) workflow.Command {
				if c, ok := c.(workflow.ReceiveAgain); ok {
					c.EnvelopeFrom, c.EnvelopeTo = "", nil
					return c
				}
				return c
			},
			run: func(t *testing.T, w *world) {
				require.True(t, w.raw("bob@example.org", fmt.Sprintf(mailOfBob, tagged(1), 6)).Again)
			},
			told:  []string{`correspondent receive-again {"command":"receive-again","ticket":1,"same":"bytes","messageID":"6@example.org"}`},
			event: incident.ReceivedAgain{Same: "bytes", Content: incident.ReceivedAgainContent{MessageID: "6@example.org"}},
		},
		{
			name: "rule", replace: func(c workflow.Command) workflow.Command {
				if c, ok := c.(workflow.Close); ok {
					c.To = "rejected"
					return c
				}
				return c
			},
			run: func(_ *testing.T, w *world) { w.do(workflow.Move{Ticket: 2, To: "abandoned"}) },
			told: []string{
				`handler:alice move {"command":"move","ticket":2,"to":"abandoned"}`,
				`handler:alice close {"command":"close","ticket":3,"under":2,"to":"rejected"}`,
			},
			event: incident.Moved{From: "open", To: "rejected", Phase: incident.Inactive}, of: 3,
		},
		{
			name: "sweep",
			run: func(t *testing.T, w *world) {
				w.now = *hours(w, 50)
				done, err := w.desk.Sweep(ctx, 0)
				require.NoError(t, err)
				require.Equal(t, 1, done)
			},
			told: []string{`system wake {"command":"wake","ticket":1}`},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorldOn(t, memory.New())
			w.child(incident.KindReport)
			w.do(workflow.Edit{Ticket: 1, Wake: hours(w, 48)})
			w.raw("bob@example.org", fmt.Sprintf(mailOfBob, tagged(1), 6))
			w.incident()
			w.child(incident.KindReport, 2)
			saw := &hooked{command: c.replace}
			now := w.now
			w = newWorldOn(t, w.store, saw.config)
			w.now = now
			before := w.snapshot()
			c.run(t, w)
			require.Equal(t, c.told, saw.before)
			if c.preview {
				require.Empty(t, saw.after)
				require.Empty(t, saw.records)
				require.NotEmpty(t, saw.events)
				require.Equal(t, before, w.snapshot())
				return
			}
			require.Equal(t, c.told, saw.after)
			require.Len(t, saw.records, len(saw.events), "every record, by both kinds of hooks")
			w.verify()
			if c.event != nil {
				last := w.history(max(c.of, 1))
				got, err := incident.Decode(last[len(last)-1])
				require.NoError(t, err)
				require.Equal(t, c.event, got)
			}
		})
	}
}

func TestWhatCannotReplaceACommand(t *testing.T) {
	elsewhere := workflow.Comment{Ticket: 2, Text: "x"}
	for _, c := range []struct {
		name string
		on   string // command that the hook replaces
		by   workflow.Command
		text string
	}{
		{"another ticket", "comment", elsewhere, "a hook may not put command comment in the place of command comment on ticket 1: allowed is a command about the same ticket"},
		{"a new ticket", "comment", workflow.Open{Kind: incident.KindReport}, "allowed is a command about the same ticket"},
		{"no new ticket", "open", workflow.Take{}, "allowed is a command about the same ticket"},
		{"nothing", "comment", nil, "a hook may not put a <nil> in the place of command comment"},
		{"a pointer", "comment", &workflow.Take{Ticket: 1}, "like workflow.Take{Ticket: 7}, no pointer"},
		{"a ticket to be", "comment", workflow.Link{Ticket: 1, Parent: incident.Nth(1)}, "no earlier command of the list opens a ticket"},
		{"the desk's own", "comment", workflow.SetDue{Ticket: 1, Clock: "mine"}, "only the desk itself gives it"},
		{"a mail of nobody", "comment", workflow.Append{Ticket: 1}, "only the desk itself gives it"},
		{"a mail of nobody that opens", "open", workflow.Open{Kind: incident.KindReport, Mail: &workflow.Mail{}}, "only the desk itself gives it"},
		{"held by nobody", "open", workflow.Open{Kind: incident.KindReport, Held: &incident.Held{Reason: "x"}}, "only the desk itself gives it"},
		{"not what the rule gives", "close", workflow.Reopen{Ticket: 3}, "what intake, rules and sweeps give stays the same command"},
		{"not what a rule gives that people give too", "move", workflow.Reopen{Ticket: 4}, "what intake, rules and sweeps give stays the same command"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, (&hooked{command: func(given workflow.Command) workflow.Command {
				if given.Name() == c.on {
					return c.by
				}
				return given
			}}).config)
			free := newWorldOn(t, w.store)
			free.child(incident.KindReport)
			free.incident()
			free.child(incident.KindReport, 2)
			w.now = free.now
			err := w.refused(workflow.Take{Ticket: 1}, workflow.Comment{Ticket: 1, Text: "x"},
				workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{2}}, workflow.Move{Ticket: 2, To: "abandoned"})
			var replacement *desk.ReplacementError
			require.ErrorAs(t, err, &replacement)
			require.ErrorContains(t, err, c.text)
			_, err = w.alice.Preview(ctx, workflow.Comment{Ticket: 1, Text: "x"},
				workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{2}}, workflow.Move{Ticket: 2, To: "abandoned"})
			require.ErrorAs(t, err, &replacement)
		})
	}
}

// Mail that a hook would lose, and a sweep that it would turn into something else.
func TestReplacementsLoseNoMail(t *testing.T) {
	for name, replace := range map[string]func(workflow.Command) workflow.Command{
		"append becomes a comment": func(c workflow.Command) workflow.Command {
			if c, ok := c.(workflow.Append); ok {
				return workflow.Comment{Ticket: c.Ticket, Text: "a mail came"}
			}
			return c
		},
		"append without its mail": func(c workflow.Command) workflow.Command {
			if c, ok := c.(workflow.Append); ok {
				return workflow.Append{Ticket: c.Ticket}
			}
			return c
		},
		"open without its mail": func(c workflow.Command) workflow.Command {
			if c, ok := c.(workflow.Open); ok {
				c.Mail = nil
				return c
			}
			return c
		},
		"a second copy without its bytes": func(c workflow.Command) workflow.Command {
			if c, ok := c.(workflow.ReceiveAgain); ok {
				c.Blobs = nil
				return c
			}
			return c
		},
		"nothing": func(workflow.Command) workflow.Command { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.child(incident.KindReport)
			w.raw("bob@example.org", fmt.Sprintf(mailOfBob, "First", 1))
			now := w.now
			w = newWorldOn(t, w.store, (&hooked{command: replace}).config)
			w.now = now
			for i, raw := range []string{
				fmt.Sprintf(mailOfBob, tagged(1), 2), fmt.Sprintf(mailOfBob, "Second", 3), "Received: by 192.0.2.1\r\n" + fmt.Sprintf(mailOfBob, "First", 1),
			} {
				receipt := w.raw("bob@example.org", raw)
				kept := false
				for _, r := range w.history(receipt.Ticket) {
					if len(r.Blobs) > 0 {
						body, err := w.alice.Body(ctx, receipt.Ticket, r.Version)
						require.NoError(t, err)
						kept = kept || string(body) == raw
					}
				}
				require.True(t, kept, "mail %d", i)
			}
		})
	}

	w := newWorld(t)
	w.do(workflow.Edit{Ticket: w.child(incident.KindReport), Wake: hours(w, 1)})
	now := *hours(w, 2)
	w = newWorldOn(t, w.store, (&hooked{command: func(c workflow.Command) workflow.Command { return workflow.Take{Ticket: c.Target()} }}).config)
	w.now = now
	_, err := w.desk.Sweep(ctx, 0)
	require.ErrorContains(t, err, "may not put command take in the place of command wake on ticket 1")
}

// A replacement opens no way to tickets that the actor may not see, in a command
// that somebody gives or in one that a rule gives on the way.
func TestReplacementsSmuggleNothing(t *testing.T) {
	w := newWorld(t)
	hidden := w.incident()
	inc := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scan", Constituency: "EDUNET", Fields: classified}).Opened[0]
	shown := w.do(workflow.Open{Kind: incident.KindReport, Constituency: "EDUNET", Parents: []incident.ID{inc}}).Opened[0]
	for name, replace := range map[string]func(workflow.Command) workflow.Command{
		"a parent": func(c workflow.Command) workflow.Command {
			if c, ok := c.(workflow.Comment); ok {
				return workflow.Link{Ticket: c.Ticket, Parent: hidden}
			}
			return c
		},
		"a list": func(c workflow.Command) workflow.Command {
			if c, ok := c.(workflow.Open); ok {
				c.Parents = []incident.ID{hidden}
				return c
			}
			return c
		},
		"of a rule": func(c workflow.Command) workflow.Command {
			if c, ok := c.(workflow.Close); ok {
				c.Under = hidden
				return c
			}
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			saw := &hooked{command: replace}
			w := newWorldOn(t, w.store, scoped, saw.config)
			before := w.snapshot()
			_, err := w.eve().Do(ctx, workflow.Comment{Ticket: shown, Text: "x"}, workflow.Open{Kind: incident.KindReport, Constituency: "EDUNET"}, workflow.Move{Ticket: inc, To: "abandoned"})
			var none *workflow.NoTicketError
			require.ErrorAs(t, err, &none)
			require.Equal(t, hidden, none.Ticket)
			require.Equal(t, before, w.snapshot())
			require.Empty(t, saw.after)
		})
	}
}
