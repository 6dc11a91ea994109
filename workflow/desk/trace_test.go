package desk_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// outcome is what came of a step: the new records of the feed and the error.
type outcome struct {
	trace   string
	records []incident.Record
}

// play runs a step and reads what the feed has now.
func (w *world) play(s step, seen uint64) outcome {
	w.t.Helper()
	w.now = w.now.Add(s.after)
	var err error
	var result any
	switch {
	case s.raw != nil:
		var receipt *desk.Receipt
		if receipt, err = w.desk.Receive(ctx, s.env, s.raw); err == nil {
			result = receipt
		}
	case s.posts:
		result, err = w.courier(w.unreliable).Flush(ctx, 2)
	case len(s.commands) == 0:
		result, err = w.desk.Sweep(ctx, 5)
	default:
		result, err = w.doAsPreviewed(s)
	}
	var o outcome
	require.NoError(w.t, w.store.View(ctx, func(ctx context.Context, r storage.Reader) (err error) {
		o.records, err = r.History(ctx, storage.HistoryQuery{After: seen})
		return err
	}))
	text, jsonErr := json.MarshalIndent(map[string]any{"records": o.records, "result": result, "error": fmt.Sprint(err)}, "", " ")
	require.NoError(w.t, jsonErr)
	o.trace = string(text)
	if err != nil {
		require.Empty(w.t, o.records, "a refused step leaves nothing behind")
	}
	return o
}

// unreliable refuses some mail for good, and breaks off after some.
func (w *world) unreliable(context.Context, mail.Envelope, []byte) error {
	switch w.handed++; w.handed % 4 {
	case 0:
		return &mail.Error{Code: 451, Message: "the connection broke", Undecided: true}
	case 1:
		return &mail.Error{Code: 550, Enhanced: "5.1.1", Message: "nobody here"}
	}
	return nil
}

// doAsPreviewed does what was previewed, and compares the two.
func (w *world) doAsPreviewed(s step) (*desk.Result, error) {
	w.t.Helper()
	session := w.desk.As(s.by)
	before, previewed := session.Preview(ctx, s.commands...)
	after, done := session.Do(ctx, s.commands...)
	require.Equal(w.t, fmt.Sprint(done), fmt.Sprint(previewed), "preview and do agree on errors")
	if done == nil {
		require.Equal(w.t, after.Opened, before.Opened)
		require.Equal(w.t, comparable(after.Records), comparable(before.Records), "preview and do agree on records")
	}
	return after, done
}

var ownMessageID = regexp.MustCompile(`[0-9a-f]{24}\.\d+@example\.net`)

// comparable leaves out of records what is random, and what follows from it.
func comparable(records []incident.Record) []string {
	var list []string
	for _, r := range records {
		if ownMessageID.Match(r.Content) {
			r.Blobs = make([]incident.Digest, len(r.Blobs)) // the letter holds its Message-ID
		}
		r.Salt, r.Digest, r.Prev, r.Hash = incident.Salt{}, incident.Digest{}, incident.Digest{}, incident.Digest{}
		r.Content = ownMessageID.ReplaceAll(r.Content, []byte("x"))
		text, err := json.Marshal(r)
		if err != nil {
			text = []byte(err.Error())
		}
		list = append(list, string(text))
	}
	return list
}

var allPhases = map[incident.Kind]map[incident.Status]incident.Phase{
	incident.KindIncident: {"open": "active", "resolved": "inactive", "abandoned": "inactive"},
	incident.KindReport:   {"new": "initial", "open": "active", "stalled": "active", "resolved": "inactive", "rejected": "inactive"},
	incident.KindInvestigation: {
		"open": "active", "stalled": "active", "resolved": "inactive",
	},
	incident.KindBlock: {"pending activation": "initial", "active": "active", "pending removal": "active", "removed": "inactive"},
}

// holds checks what must hold of the tickets, without the code that makes it
// so, and that the tickets that changed are rebuilt by their histories alone.
func (w *world) holds(changed []incident.Record) []incident.Ticket {
	w.t.Helper()
	var all []incident.Ticket
	touched := map[incident.ID]bool{}
	for _, r := range changed {
		touched[r.Ticket] = true
	}
	require.NoError(w.t, w.store.View(ctx, func(ctx context.Context, r storage.Reader) (err error) {
		if all, err = r.Find(ctx, storage.Query{}); err != nil {
			return err
		}
		for _, t := range all {
			if touched[t.ID] {
				history, err := r.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{t.ID}})
				if err != nil {
					return err
				}
				rebuilt, err := incident.Verify(history)
				require.NoError(w.t, err)
				require.Equal(w.t, asJSON(w.t, rebuilt), asJSON(w.t, t), "history alone rebuilds ticket %s", t.ID)
			}
		}
		return nil
	}))
	earliest := map[incident.ID]time.Time{}
	kinds := map[incident.ID]incident.Kind{}
	for _, t := range all {
		kinds[t.ID] = t.Kind
		require.Equal(w.t, allPhases[t.Kind][t.Status], t.Phase, "phase of ticket %s", t.ID)
		require.False(w.t, t.Kind == incident.KindBlock && len(t.Parents) == 0, "block %s has an incident", t.ID)
		require.False(w.t, t.Kind == incident.KindInvestigation && len(t.Parents) > 1, "investigation %s has one incident", t.ID)
		require.False(w.t, t.Held != nil && t.Phase != incident.Initial, "held report %s is not worked on", t.ID)
		if t.Due == nil || t.Phase == incident.Inactive {
			continue
		}
		for _, parent := range t.Parents {
			if first, ok := earliest[parent]; !ok || t.Due.Before(first) {
				earliest[parent] = *t.Due
			}
		}
	}
	for _, t := range all {
		for _, parent := range t.Parents {
			require.Equal(w.t, incident.KindIncident, kinds[parent], "parent of ticket %s", t.ID)
		}
		if t.Kind != incident.KindIncident || t.Pinned {
			continue
		}
		if want, dated := earliest[t.ID]; dated {
			require.Equal(w.t, &want, t.Due, "due date of incident %s", t.ID)
		} else {
			require.Nil(w.t, t.Due, "due date of incident %s", t.ID)
		}
	}
	return all
}

func asJSON(t tb, v any) string {
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// turn is a step as it was played on memory.
type turn struct {
	step    step
	seen    uint64 // records before it
	outcome outcome
	tickets incident.Digest // of all tickets after it
}

// TestTraces plays random steps on every store: the traces must be equal byte
// for byte, and all that must hold must hold after every step. The whole is
// verified on memory after each step; on the others, whose records are compared,
// after every twentieth. With -short, that is so on memory too, and the others stop
// after a quarter of the steps.
func TestTraces(t *testing.T) {
	fired := traces(t, 8, workflow.Default(), 3)
	for _, r := range plain().Rules {
		require.GreaterOrEqual(t, fired[r.Name], 5, "rule %s", r.Name)
	}
	require.GreaterOrEqual(t, fired["incident-due"], 5)
	require.Zero(t, fired["due-by-clock"], "nothing is promised")
}

// TestTracesWithAnAgreement plays steps under a policy whose clocks pause, warn
// and breach.
func TestTracesWithAnAgreement(t *testing.T) {
	p := plain()
	promising(p)
	fired := traces(t, 13, p, 1)
	for _, r := range p.Rules {
		require.GreaterOrEqual(t, fired[r.Name], 1, "rule %s", r.Name)
	}
	for _, d := range workflow.Derivations() {
		require.GreaterOrEqual(t, fired[d.Name], 20, "derivation %s", d.Name)
	}
	for _, kind := range []string{"warned", "breached", "breached at once", "missed"} {
		require.GreaterOrEqual(t, fired[kind], 5, kind)
	}
}

// traces plays steps, and up to as many again until each command ran so many times,
// and returns how many records each rule has made.
func traces(t *testing.T, seed int64, policy *workflow.Policy, times int) (fired map[string]int) {
	steps := 480
	t.Logf("seed %d", seed)
	given, ran := map[string]int{}, map[string]int{}
	fired = map[string]int{}
	counting := func(c *desk.Config) {
		c.Policy = policy
		c.Rand = rand.New(rand.NewSource(seed))
		c.AfterCommand = append(c.AfterCommand, func(_ context.Context, call desk.CommandCall) { ran[call.Command.Name()]++ })
	}
	memory := newWorld(t, counting)

	g := &generator{Rand: rand.New(rand.NewSource(seed)), now: memory.now, policy: policy}
	var seen uint64
	changed, mails := 0, map[string]int{}
	var played []turn
	seldom := func(c workflow.Command) bool { return ran[c.Name()] < times }
	for most := 2 * steps; len(played) < steps || len(played) < most && slices.ContainsFunc(workflow.Commands(), seldom); {
		s := g.next()
		for _, c := range s.commands {
			given[c.Name()]++
		}
		m := memory.play(s, seen)
		if len(m.records) > 0 {
			changed++
		}
		for _, r := range m.records {
			if r.Cause.Rule != "" {
				fired[r.Cause.Rule]++
			}
			if r.Type == "warned" || r.Type == "breached" {
				fired[r.Type]++
			}
			if r.Type == "breached" && r.Cause.Rule != "" {
				fired["breached at once"]++
			}
			if e, err := incident.Decode(r); err == nil {
				if message, ok := e.(incident.Message); ok && message.Content.MessageID != "" {
					g.ids = append(g.ids, message.Content.MessageID)
				}
				if u, ok := e.(incident.Undelivered); ok && u.Outcome == incident.MailUncertain {
					g.uncertain = append(g.uncertain, r.Ticket)
				}
				if message, ok := e.(incident.Message); ok && !message.Sent {
					mails[message.Thread]++
				}
			}
		}
		g.tickets, g.now = memory.holds(m.records), memory.now
		memory.keepsTerms(g.tickets)
		if !testing.Short() || len(played)%20 == 19 {
			memory.verify()
		}
		played = append(played, turn{s, seen, m, incident.DigestOf([]byte(asJSON(t, g.tickets)))})
		seen += uint64(len(m.records))
	}
	steps = len(played)
	onEverySQL(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store, func(c *desk.Config) { c.Policy, c.Rand = policy, rand.New(rand.NewSource(seed)) })
		for i, p := range played {
			if testing.Short() && i == len(played)/4 {
				return
			}
			if got := w.play(p.step, p.seen); p.outcome.trace != got.trace {
				t.Fatalf("step %d (seed %d) differs\nmemory: %s\nhere: %s", i, seed, p.outcome.trace, got.trace)
			}
			tickets := w.holds(p.outcome.records)
			require.Equal(t, p.tickets, incident.DigestOf([]byte(asJSON(t, tickets))), "tickets after step %d", i)
			if i%20 == 19 {
				w.verify()
			}
		}
		require.Equal(t, memory.snapshot(), w.snapshot(), "outgoing mail too")
	})

	fired["missed"] = memory.missesAreBreaches(g.tickets)
	t.Logf("%d steps, %d of which changed something; %d tickets, %d records", steps, changed, len(g.tickets), seen)
	t.Logf("commands given: %s", counts(given))
	t.Logf("commands that ran, those of rules and mail included: %s", counts(ran))
	t.Logf("records by rule: %s", counts(fired))
	t.Logf("messages by thread: %s", counts(mails))
	require.GreaterOrEqual(t, changed, steps/2)
	for _, c := range workflow.Commands() {
		require.GreaterOrEqual(t, given[c.Name()], times, "%s given", c.Name())
	}
	for _, name := range []string{"append", "receive-again", "close", "wake"} {
		require.GreaterOrEqual(t, ran[name], times, "%s ran", name)
	}
	require.Positive(t, ran["set-due"])
	for _, c := range workflow.Commands() {
		require.GreaterOrEqual(t, ran[c.Name()], times, "%s ran", c.Name())
	}
	return fired
}

func counts(m map[string]int) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprintf("%s %d", name, m[name]))
	}
	return strings.Join(list, ", ")
}
