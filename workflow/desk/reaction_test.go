package desk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/exportdir"
	"github.com/airtight-csirt/airtight/adapters/memory"
	programs "github.com/airtight-csirt/airtight/adapters/program"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// reacts gives a desk reactions.
func reacts(reactions ...workflow.Reaction) func(*desk.Config) {
	return func(c *desk.Config) {
		p := *c.Policy
		p.Reactions = reactions
		c.Policy = &p
	}
}

// runs gives a desk a directory of shell scripts.
func runs(t *testing.T, scripts map[string]string) func(*desk.Config) {
	t.Helper()
	path := t.TempDir()
	require.NoError(t, os.Chmod(path, 0o755))
	for name, text := range scripts {
		require.NoError(t, os.WriteFile(filepath.Join(path, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755))
	}
	dir, err := programs.New(path, programs.Config{})
	require.NoError(t, err)
	return func(c *desk.Config) { c.Programs = dir.Run }
}

// onState is a reaction that runs a program when a ticket comes into a state.
func onState(state incident.State, program string) workflow.Reaction {
	r := workflow.Reaction{
		Name: "run-" + program, To: workflow.Stand{States: []incident.State{state}}, Attempts: 3,
		Program: &workflow.ProgramReaction{Name: program, Arguments: []string{"--site", "north; reboot"}},
	}
	if program == "hangs" || program == "stubborn" {
		r.Program.Limit = 300 * time.Millisecond
	}
	return r
}

// worker is a courier that does reactions only.
func (w *world) worker() *desk.Courier {
	return &desk.Courier{Desk: w.desk, Only: storage.OnlyReactions, Now: func() time.Time { return w.now }, Lease: time.Hour}
}

// setState sets the state of a ticket.
func (w *world) setState(id incident.ID, state incident.State) {
	w.t.Helper()
	w.do(workflow.Edit{Ticket: id, State: &state})
}

// reacted returns what is written down about reactions to a ticket, a line each.
func (w *world) reacted(id incident.ID) (lines []string) {
	w.t.Helper()
	for _, r := range w.history(id) {
		ev, err := incident.Decode(r)
		require.NoError(w.t, err)
		if e, ok := ev.(incident.Reacted); ok {
			require.Equal(w.t, incident.System, r.By)
			require.Equal(w.t, incident.Cause{Rule: e.Reaction, Ticket: id, Version: e.Version}, r.Cause)
			lines = append(lines, strings.TrimSuffix(fmt.Sprintf("%s v%d #%d %s: %s", e.Reaction, e.Version, e.Attempt, e.Outcome, e.Why), ": "))
		}
	}
	return lines
}

// output returns what the newest reaction to a ticket has written.
func (w *world) output(id incident.ID) string {
	w.t.Helper()
	_, record := w.last(id, "reacted")
	body, err := w.alice.Body(ctx, id, record.Version)
	require.NoError(w.t, err)
	return string(body)
}

// exhaust flushes until nothing is queued any more, moving the clock.
func (w *world) exhaust(c *desk.Courier) {
	w.t.Helper()
	for range 50 {
		_, err := c.Flush(ctx, 100)
		require.NoError(w.t, err)
		w.verify()
		waiting := false
		for _, o := range w.outgoing() {
			if o.Reaction != "" && (o.Status == storage.Queued || o.Status == storage.Sending) {
				waiting = true
			}
		}
		if !waiting {
			return
		}
		w.now = w.now.Add(5 * time.Hour)
	}
	require.Fail(w.t, "reactions never end")
}

func TestReactionRuns(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store, reacts(onState("blocked", "push")), runs(t, map[string]string{"push": `echo "$1/$2"; env | grep AIRTIGHT | sort; cat`}))
		id := w.incident()
		require.Empty(t, w.outgoing())
		w.setState(id, "blocked")
		row := w.row()
		require.Equal(t, storage.Outgoing{
			Ticket: id, Version: 2, Revision: 1, Status: storage.Queued, Reaction: "run-push", Queued: w.now, NextTry: w.now,
		}, row)
		require.Empty(t, w.reacted(id), "nothing runs by itself")

		w.flush(w.worker(), 1)
		require.Equal(t, []string{"run-push v2 #1 done"}, w.reacted(id))
		row = w.row()
		require.Equal(t, storage.Sent, row.Status)
		require.Equal(t, 1, row.Attempts)
		require.Zero(t, row.Lease)
		head, text, _ := strings.Cut(w.output(id), "{")
		require.Equal(t, "--site/north; reboot\nAIRTIGHT_ATTEMPT=1\nAIRTIGHT_REACTION=run-push\nAIRTIGHT_RUN=1.2.0\nAIRTIGHT_TICKET=1\nAIRTIGHT_VERSION=2\n", head)
		var input desk.ReactionInput
		require.NoError(t, json.Unmarshal([]byte("{"+text), &input))
		history := w.history(id)
		require.Equal(t, history[1].Hash, input.Record.Hash)
		require.Equal(t, "blocked", string(input.Ticket.State))
		require.Equal(t, []any{"1.2.0", "run-push", 1}, []any{input.Run, input.Reaction, input.Attempt})

		w.flush(w.worker(), 0)
		w.setState(id, "blocked")
		require.Len(t, w.outgoing(), 1, "what is so already wakes nothing")
		w.setState(id, "unblocked")
		w.setState(id, "blocked")
		require.Len(t, w.outgoing(), 2)
	})
}

// Whatever a program does, the ticket is as it was, the record says what happened,
// and tries end.
func TestReactionPrograms(t *testing.T) {
	scripts := map[string]string{
		"hangs":    "echo begun; exec sleep 600",
		"stubborn": "trap '' TERM INT; echo begun; while :; do sleep 600; done",
		"leaves":   "sleep 600 & echo left",
		"fails":    "echo 'no route to bob@example.org' >&2; exit 3",
		"floods":   "head -c 100000000 /dev/zero | tr '\\0' x; exit 1",
		"closes":   "exec <&-; echo closed",
		"odd":      `printf 'a\000b\377c'; exit 1`,
		"recovers": `[ "$AIRTIGHT_ATTEMPT" = 3 ] && exit 0; exit 9`,
		"kills":    "kill -KILL $$",
	}
	for name, want := range map[string]struct{ why, output string }{
		"hangs":    {"program: hangs took too long and was killed after", "begun\n"},
		"stubborn": {"program: stubborn took too long and was killed after", "begun\n"},
		"leaves":   {"", "left\n"},
		"fails":    {"program: fails ended with exit status 3", "no route to bob@example.org\n"},
		"floods":   {"program: floods ended with exit status 1", "xxx\n[99983616 bytes are left out]\nxxx"},
		"closes":   {"", "closed\n"},
		"odd":      {"program: odd ended with exit status 1", "a\u2400b\uFFFDc"},
		"kills":    {"program: kills was ended by a signal: killed", ""},
		"missing":  {"program: there is no program missing", ""},
		"recovers": {"program: recovers ended with exit status 9", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, reacts(onState("blocked", name)), runs(t, scripts))
			id := w.incident()
			w.setState(id, "blocked")
			before := w.ticket(id)
			w.flushAny(w.worker())
			if want.why == "" {
				require.Equal(t, []string{"run-" + name + " v2 #1 done"}, w.reacted(id))
			} else {
				require.Len(t, w.reacted(id), 1)
				require.Contains(t, w.reacted(id)[0], "run-"+name+" v2 #1 failed: "+want.why)
				require.NotContains(t, w.reacted(id)[0], "@", "no person stands in it")
			}
			if want.output != "" {
				require.Contains(t, w.output(id), want.output)
				require.Less(t, len(w.output(id)), 20_000)
			}
			w.exhaust(w.worker())
			rows := w.outgoing()
			require.Len(t, rows, 1)
			lines := w.reacted(id)
			switch {
			case want.why == "":
				require.Len(t, lines, 1)
				require.Equal(t, storage.Sent, rows[0].Status)
			case name == "recovers":
				require.Len(t, lines, 3)
				require.Equal(t, "run-recovers v2 #3 done", lines[2])
				require.Equal(t, storage.Sent, rows[0].Status)
			default:
				require.Len(t, lines, 3)
				require.Contains(t, lines[1], "#2 failed: ")
				require.Contains(t, lines[2], "#3 given-up: "+want.why)
				require.Equal(t, storage.Failed, rows[0].Status)
				require.Contains(t, rows[0].LastError, want.why)
			}
			after := w.ticket(id)
			after.Version, after.Hash, after.Updated = before.Version, before.Hash, before.Updated
			require.Equal(t, before, after, "nothing of the ticket has changed")
			w.do(workflow.Comment{Ticket: id, Text: "Work goes on."})
		})
	}
}

// flushAny flushes whatever comes of it.
func (w *world) flushAny(c *desk.Courier) {
	w.t.Helper()
	_, err := c.Flush(ctx, 100)
	require.NoError(w.t, err)
	w.verify()
}

// Reactions wait longer and longer, as mail does.
func TestReactionBackoff(t *testing.T) {
	w := newWorld(t, reacts(onState("blocked", "fails")), runs(t, map[string]string{"fails": "exit 1"}))
	id := w.incident()
	w.setState(id, "blocked")
	for attempt, pause := range []time.Duration{time.Minute, 2 * time.Minute} {
		w.flush(w.worker(), 0)
		require.Equal(t, w.now.Add(pause), w.row().NextTry)
		w.flush(w.worker(), 0)
		require.Len(t, w.reacted(id), attempt+1, "not before its time")
		w.now = w.row().NextTry
	}
}

// What a desk was not given is a failure that says so.
func TestReactionsWithoutMeans(t *testing.T) {
	mails := func(sign workflow.Protection, template string) workflow.Reaction {
		return workflow.Reaction{Name: "r", On: []string{"edited"}, Attempts: 1, Mail: &workflow.MailReaction{Template: template, Sign: sign}}
	}
	lists := workflow.Reaction{Name: "r", Attempts: 1, Export: &workflow.ExportReaction{File: "f", List: blockedOnes()}}
	own := lists
	own.Export = &workflow.ExportReaction{File: "f", List: blockedOnes()}
	own.Export.List.Template = "ours"
	templates := func(c *desk.Config) {
		c.Templates = []mail.Template{{Name: "t", Text: "Hello."}, {Name: "bad", Text: "@NOTHING@ @XMLDATA@"}, {Name: "to", Text: "@TO@nobody@ENDTO@\nx"}}
	}
	contact := []incident.Party{{Address: "noc@example.org"}}
	for want, c := range map[string]struct {
		reaction workflow.Reaction
		change   func(*desk.Config)
		contacts []incident.Party
		output   string
	}{
		"this desk runs no programs":                {reaction: workflow.Reaction{Name: "r", On: []string{"edited"}, Attempts: 1, Program: &workflow.ProgramReaction{Name: "p"}}},
		"this desk has no place for exported lists": {reaction: lists},
		"the list could not be made":                {reaction: own, change: func(c *desk.Config) { c.Exports = func(context.Context, string, []byte) error { return nil } }, output: "there is no template ours: allowed are list"},
		"the list could not be written": {reaction: lists, change: func(c *desk.Config) {
			c.Exports = func(context.Context, string, []byte) error { return errors.New("disk full") }
		}, output: "disk full"},
		`this desk has no template "t"`:                           {reaction: mails("", "t")},
		"this desk has no mailbox to send from":                   {reaction: mails("", "t"), change: func(c *desk.Config) { templates(c); c.From = incident.Party{} }},
		"the mail could not be signed or encrypted as it must be": {reaction: mails(workflow.ProtectAlways, "t"), change: templates, contacts: contact},
		"there is nobody to write to":                             {reaction: mails("", "t"), change: templates},
		`the template "bad" could not be filled in`:               {reaction: mails("", "bad"), change: templates, contacts: contact, output: "no variable NOTHING"},
		`the template "to" could not be filled in`:                {reaction: mails("", "to"), change: templates, contacts: contact, output: `"nobody" in @TO@ is no mail address`},
	} {
		change := c.change
		if change == nil {
			change = func(*desk.Config) {}
		}
		w := newWorld(t, reacts(c.reaction), change)
		id := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scan", Contacts: c.contacts, Observables: sourceOf("192.0.2.7")}).Opened[0]
		w.setState(id, "blocked")
		w.flush(w.worker(), 0)
		require.Equal(t, []string{"r v2 #1 given-up: " + want}, w.reacted(id))
		if c.output != "" {
			require.Contains(t, w.output(id), c.output)
		}
		require.NotContains(t, w.types(id), "message", "no mail goes out half made")
		require.Len(t, w.outgoing(), 1)
	}
}

// A reaction that the policy no longer has, or whose ticket was merged, is given up
// at once.
func TestReactionsThatCannotBe(t *testing.T) {
	store := memory.New()
	w := newWorldOn(t, store, reacts(onState("blocked", "push")), runs(t, map[string]string{"push": "exit 0"}))
	id := w.incident()
	w.setState(id, "blocked")
	now := w.now
	w = newWorldOn(t, store)
	w.now = now
	w.flush(w.worker(), 0)
	require.Equal(t, []string{"run-push v2 #1 given-up: the policy in force has no such reaction"}, w.reacted(id))

	w = newWorld(t, reacts(workflow.Reaction{Name: "r", On: []string{"edited"}, Mail: &workflow.MailReaction{Template: "t"}}), func(c *desk.Config) {
		c.Templates = []mail.Template{{Name: "t", Text: "Hello."}}
	})
	contact := []incident.Party{{Address: "noc@example.org"}}
	id = w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scan", Contacts: contact}).Opened[0]
	other := w.incident()
	w.setState(id, "blocked")
	w.do(workflow.Merge{Ticket: id, Into: other})
	w.flush(w.worker(), 0)
	require.Equal(t, []string{"r v2 #1 given-up: the ticket was merged into another one"}, w.reacted(id))
}

// A reaction whose courier died is run again, with the number of the attempt, until it
// has had its tries.
func TestReactionAfterADeath(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		dies := true
		w := newWorldOn(t, store, reacts(onState("blocked", "push")), func(c *desk.Config) {
			c.Programs = func(_ context.Context, _ string, _, environment []string, _ []byte) ([]byte, error) {
				if dies {
					panic("died")
				}
				return []byte(environment[2]), nil
			}
		})
		id := w.incident()
		w.setState(id, "blocked")
		require.PanicsWithValue(t, "died", func() { _, _ = w.worker().Flush(ctx, 100) })
		require.Equal(t, storage.Sending, w.row().Status)
		w.flush(w.worker(), 0) // its lease has not ended
		require.Empty(t, w.reacted(id))
		dies = false
		w.now = w.now.Add(time.Hour)
		w.flush(w.worker(), 1)
		require.Equal(t, []string{"run-push v2 #2 done"}, w.reacted(id))
		require.Equal(t, "AIRTIGHT_ATTEMPT=2", w.output(id))

		dies = true
		w.setState(id, "")
		w.setState(id, "blocked")
		for range 3 {
			require.PanicsWithValue(t, "died", func() { _, _ = w.worker().Flush(ctx, 100) })
			w.now = w.now.Add(time.Hour)
		}
		w.flush(w.worker(), 0)
		require.Equal(t, "run-push v5 #3 given-up: the courier stopped while it was at work on it", w.reacted(id)[1])
		w.flush(w.worker(), 0)
		require.Len(t, w.reacted(id), 2)
	})
}

// Who comes back after its lease, when another one has done it, writes nothing.
func TestReactionAfterItsLease(t *testing.T) {
	var w *world
	slow := true
	w = newWorld(t, reacts(onState("blocked", "push")), func(c *desk.Config) {
		c.Programs = func(context.Context, string, []string, []string, []byte) ([]byte, error) {
			if slow {
				slow = false
				w.now = w.now.Add(2 * time.Hour)
				w.flush(w.worker(), 1)
			}
			return nil, nil
		}
	})
	id := w.incident()
	w.setState(id, "blocked")
	_, err := w.worker().Flush(ctx, 100)
	require.NoError(t, err)
	require.Equal(t, []string{"run-push v2 #2 done"}, w.reacted(id))
	require.Equal(t, storage.Sent, w.row().Status)
}

// To be stopped is no attempt.
func TestReactionWhenTheDeskStops(t *testing.T) {
	w := newWorld(t, reacts(onState("blocked", "hangs")), runs(t, map[string]string{"hangs": "exec sleep 600"}))
	id := w.incident()
	w.setState(id, "blocked")
	stopped, cancel := context.WithCancel(ctx)
	c := w.worker()
	c.Grace = time.Millisecond
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := c.Flush(stopped, 100)
	require.NoError(t, err)
	require.Empty(t, w.reacted(id))
	row := w.row()
	require.Equal(t, storage.Queued, row.Status)
	require.Zero(t, row.Attempts)
}

// A program that hangs delays no mail where each has its courier, and couriers leave
// to others what is not theirs.
func TestCouriersOfOneKind(t *testing.T) {
	w := newWorld(t, reacts(onState("blocked", "push")), runs(t, map[string]string{"push": "exit 0"}))
	id := w.incident()
	w.setState(id, "blocked")
	w.do(workflow.Reply{Ticket: w.child(incident.KindInvestigation), Text: "Hello."})
	var sent []string
	mails := w.courier(func(_ context.Context, env mail.Envelope, _ []byte) error { sent = append(sent, env.To[0]); return nil })
	w.flush(mails, 1)
	require.Equal(t, []string{"bob@example.org"}, sent)
	require.Empty(t, w.reacted(id))
	w.flush(w.worker(), 1)
	require.Len(t, w.reacted(id), 1)

	w.setState(id, "")
	w.setState(id, "blocked")
	w.do(workflow.Reply{Ticket: w.child(incident.KindInvestigation), Text: "Hello."})
	mails.Only = storage.AnyErrand
	w.flush(mails, 2)
	_, err := (&desk.Courier{Desk: w.desk}).Flush(ctx, 1)
	require.EqualError(t, err, "desk: a courier needs a Sender, unless it does only reactions")
	require.EqualError(t, (&desk.Courier{}).Run(ctx, time.Second), "desk: a courier needs a Desk")

	// The row of a courier that died is left to its kind, too.
	dying := newWorld(t, reacts(onState("blocked", "push")), func(c *desk.Config) {
		c.Programs = func(context.Context, string, []string, []string, []byte) ([]byte, error) { panic("died") }
	})
	dying.setState(dying.incident(), "blocked")
	require.Panics(t, func() { _, _ = dying.worker().Flush(ctx, 1) })
	dying.now = dying.now.Add(time.Hour)
	dying.flush(dying.courier(answers(nil)), 0)
	require.Equal(t, storage.Sending, dying.row().Status)
}

func TestTwoCouriersNeverReactTwice(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		var mu sync.Mutex
		seen := map[string]int{}
		w := newWorldOn(t, store, reacts(onState("blocked", "push")), func(c *desk.Config) {
			c.Programs = func(_ context.Context, _ string, _, environment []string, _ []byte) ([]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				seen[environment[1]]++
				return nil, nil
			}
		})
		const many = 20
		for range many {
			w.setState(w.incident(), "blocked")
		}
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() {
				if _, err := w.worker().Flush(ctx, 100); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		w.verify()
		require.Len(t, seen, many)
		for run, n := range seen {
			require.Equal(t, 1, n, run)
		}
	})
}

// A veto leaves no reaction behind; what a hook does not let be written down is a
// failure that the outbox tells.
func TestReactionsAndHooks(t *testing.T) {
	veto := ""
	var after []string
	w := newWorld(t, reacts(onState("blocked", "push")), runs(t, map[string]string{"push": "exit 0"}), func(c *desk.Config) {
		c.BeforeEvent = append(c.BeforeEvent, func(_ context.Context, _ storage.Reader, call desk.EventCall) (incident.Event, error) {
			if call.Event.Type() == veto {
				return nil, errors.New("not now")
			}
			return call.Event, nil
		})
		c.AfterEvent = append(c.AfterEvent, func(_ context.Context, r incident.Record) { after = append(after, r.Type) })
	})
	id := w.incident()
	veto = "edited"
	state := incident.State("blocked")
	w.refused(workflow.Edit{Ticket: id, State: &state})
	require.Empty(t, w.outgoing())
	result, err := w.alice.Preview(ctx, workflow.Open{Kind: incident.KindIncident, Subject: "x", State: state})
	require.NoError(t, err)
	require.Len(t, result.Records, 1)
	require.Empty(t, w.outgoing())

	veto = "reacted"
	w.setState(id, "blocked")
	w.exhaust(w.worker())
	require.Empty(t, w.reacted(id))
	require.Equal(t, storage.Failed, w.row().Status)
	require.Equal(t, "what it did could not be written down", w.row().LastError)
	veto = ""
	w.setState(id, "")
	w.setState(id, "blocked")
	after = nil
	w.flush(w.worker(), 1)
	require.Equal(t, []string{"reacted"}, after)
}

// Rules listen to what came of reactions. What they do then wakes no reaction but
// lists, so that nothing goes on for ever.
func TestRulesListenToReactions(t *testing.T) {
	rounds := 0
	flip := workflow.Rule{
		Name: "flip", On: []string{"reacted"},
		Then: func(_ *workflow.Policy, c workflow.Change, _ workflow.Facts, _ any) workflow.Verdict {
			if c.Event.(incident.Reacted).Outcome != incident.ReactionDone {
				return workflow.Verdict{Why: "it failed"}
			}
			rounds++
			state := incident.State("blocked")
			if c.After.State == state {
				state = "blockrequest"
			}
			return workflow.Verdict{Commands: []workflow.Command{workflow.Edit{Ticket: c.After.ID, State: &state}}}
		},
	}
	dir := t.TempDir()
	exports, err := exportdir.New(dir)
	require.NoError(t, err)
	list := workflow.Reaction{Name: "routes", Export: &workflow.ExportReaction{File: "routes", List: blockedOnes()}}
	w := newWorld(t, func(c *desk.Config) {
		c.Exports = exports.Put
		reacts(onState("blockrequest", "push"), onState("blocked", "push-again"), list)(c)
		c.Policy.Rules = append(c.Policy.Rules, flip)
	}, runs(t, map[string]string{"push": "exit 0", "push-again": "exit 0"}))
	id := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scan", Observables: sourceOf("192.0.2.7")}).Opened[0]
	w.setState(id, "blockrequest")
	w.exhaust(w.worker())
	// push -> blocked: the list is written; that is done -> blockrequest again, which
	// does not wake the list again, for it is its own outcome.
	require.Equal(t, []string{"run-push v2 #1 done", "routes v4 #1 done"}, w.reacted(id))
	require.Equal(t, 2, rounds)
	require.Equal(t, "blockrequest", string(w.ticket(id).State))
}
