package desk_test

import (
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// places are the records of an explanation, from the last to the first.
func places(e *desk.Explanation) string {
	var list []string
	for _, s := range e.Steps {
		list = append(list, s.Record.Ticket.String()+" "+s.Record.Type+" "+s.Record.Cause.Rule)
	}
	return strings.Join(list, ", ")
}

func (w *world) why(id incident.ID, topic desk.Topic) *desk.Explanation {
	w.t.Helper()
	e, err := w.alice.Explain(ctx, id, topic)
	require.NoError(w.t, err)
	require.Equal(w.t, topic, e.Topic)
	return e
}

// The chains of RTIR, told backwards: why did this open again, why is it due now?
func TestExplain(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store, janet)
		inc := w.incident()
		inv := w.child(incident.KindInvestigation, inc)
		require.Contains(t, w.why(inv, desk.TopicMail).Text, "has sent no mail.")
		require.Equal(t, "The investigation #2 has no due date.", w.why(inv, desk.TopicDue).Text)
		w.do(workflow.Resolve{Ticket: inc})
		w.answer(inv)

		opened := w.why(inc, desk.TopicStatus)
		require.Equal(t, "1 moved reopen-parents, 2 moved reopen-on-reply, 2 message ", places(opened))
		require.Equal(t, "The incident #1 is open. That comes from #1.4, of 2026-03-02 09:04 UTC: status resolved -> open, by the rule reopen-parents because of #2.4. "+
			"Before that stands #2.4, of 2026-03-02 09:04 UTC: status resolved -> open, by the rule reopen-on-reply because of #2.3. "+
			"Before that stands #2.3, of 2026-03-02 09:04 UTC: message from bob@example.org [tag]: \"Re: [A CSIRT #2] Scan\", which correspondent did (append). "+
			"The subject names ticket 2. The sender has a part in ticket 2. bob@example.org is a known contact; nothing confirms that the mail is from there.", opened.Text)
		require.Equal(t, "1 due incident-due, 2 due due-on-reply, 2 message ", places(w.why(inc, desk.TopicDue)))
		require.NotEmpty(t, w.why(inv, desk.TopicThread).Steps[0].Why)

		w.do(workflow.Reply{Ticket: inv, Text: "Thank you."})
		sent := w.why(inv, desk.TopicMail)
		require.Equal(t, "2 message ", places(sent))
		require.Len(t, sent.Outgoing, 1)
		require.Contains(t, sent.Text, "The mail to bob@example.org is queued.")
		w.receive("bob@example.org", tagged(inv), "Auto-Submitted: auto-replied\r\n")
		misses := w.why(inv, desk.TopicMail).Misses
		require.True(t, slices.ContainsFunc(misses, func(m desk.RuleMiss) bool {
			return m.Rule == "notify-reply" && m.Why == "a machine wrote the message"
		}), "why was nothing sent? %v", misses)

		w.do(workflow.Edit{Ticket: inc, Due: hours(w, 5)})
		require.Contains(t, w.why(inc, desk.TopicDue).Text, "pinned by hand")
		w.do(workflow.Edit{Ticket: inc, Constituency: pointer("campus")}, workflow.Assign{Ticket: inc, To: "handler:bob"})
		require.Contains(t, w.why(inc, desk.TopicConstituency).Text, "is of campus.")
		require.Contains(t, w.why(inc, desk.TopicOwner).Text, "is owned by handler:bob. That comes from")

		_, err := w.alice.Explain(ctx, inc, "colour")
		require.ErrorContains(t, err, "allowed are due, status, owner, constituency, thread, mail")
		_, err = w.alice.Explain(ctx, 99, desk.TopicDue)
		require.ErrorIs(t, err, storage.ErrNotFound)
	})
}

// Why is it still open? What was tried and was not possible is told.
func TestExplainTellsWhatWasNotPossible(t *testing.T) {
	w := newWorld(t, janet)
	inc := w.incident()
	block := w.child(incident.KindBlock, inc)
	w.do(workflow.Move{Ticket: block, To: "active"})
	w.do(workflow.Resolve{Ticket: inc})
	e := w.why(inc, desk.TopicStatus)
	require.Len(t, e.Skipped, 1)
	require.Contains(t, e.Text, "Since then came #1.")
	require.Contains(t, e.Text, "of rule close-children was not possible: block 2 is in place")
	w.do(workflow.Move{Ticket: block, To: "removed"}, workflow.Resolve{Ticket: inc})
	require.Empty(t, w.why(inc, desk.TopicStatus).Skipped, "it is closed now")
}

// What stands on a ticket that the actor may not see is counted, not told.
func TestExplainHides(t *testing.T) {
	w := newWorld(t, janet, scoped)
	eve := w.desk.As("handler:eve", "incidents")
	inc := w.incident()
	report := w.child(incident.KindReport, inc)
	w.do(workflow.Edit{Ticket: report, Due: hours(w, 1)})
	e, err := eve.Explain(ctx, inc, desk.TopicDue)
	require.NoError(t, err)
	require.Empty(t, e.Steps, "the record names the report")
	require.Equal(t, 1, e.Hidden)
	require.Contains(t, e.Text, "has to do with a ticket that you may not see")
	_, err = eve.Replay(ctx, report, 1)
	require.ErrorIs(t, err, storage.ErrNotFound)

	// Closing the incident closed the report, which eve is not told.
	closed := w.do(workflow.Resolve{Ticket: inc}).Records
	at := closed[slices.IndexFunc(closed, func(r incident.Record) bool { return r.Ticket == inc && r.Type == "moved" })].Version
	for _, session := range []*desk.Session{w.alice, eve} {
		answers, err := session.Replay(ctx, inc, at)
		require.NoError(t, err)
		answer := answers[slices.IndexFunc(answers, func(a desk.RuleAnswer) bool { return a.Rule == "close-children" })]
		require.True(t, answer.Fired)
		require.Equal(t, session == w.alice, len(answer.Commands) > 0)
	}
}

// A rule that proposes something has fired.
func TestReplayTellsOffers(t *testing.T) {
	w := newWorld(t, janet)
	block := w.do(workflow.Open{Kind: incident.KindBlock, Subject: "Scanner", Parents: []incident.ID{w.incident()},
		Contacts: []incident.Party{{Address: "site@example.org"}}}).Opened[0]
	answers, err := w.alice.Replay(ctx, block, 1)
	require.NoError(t, err)
	answer := answers[slices.IndexFunc(answers, func(a desk.RuleAnswer) bool { return a.Rule == "offer-block-notice" })]
	require.True(t, answer.Fired)
	require.Empty(t, answer.Commands)
	require.Len(t, answer.Offers, 1)
}

// Asked again, rules say what they said: every command that a rule gave, and every
// reason that stands in a record.
func TestReplayAgreesWithTheRecords(t *testing.T) {
	const seed, steps = 5, 200
	t.Logf("seed %d", seed)
	w := newWorld(t, janet, func(c *desk.Config) { c.Rand = rand.New(rand.NewSource(seed)) })
	g := &generator{Rand: rand.New(rand.NewSource(seed)), now: w.now, policy: workflow.Default()}
	var records []incident.Record
	for range steps {
		o := w.play(g.next(), uint64(len(records)))
		records = append(records, o.records...)
		g.tickets, g.now = w.holds(o.records), w.now
	}
	rules := map[string]bool{}
	for _, r := range workflow.Default().Rules {
		rules[r.Name] = true
	}
	asked := map[incident.ID]map[uint64][]desk.RuleAnswer{}
	replay := func(id incident.ID, version uint64) []desk.RuleAnswer {
		if asked[id] == nil {
			asked[id] = map[uint64][]desk.RuleAnswer{}
		}
		if asked[id][version] == nil {
			answers, err := w.alice.Replay(ctx, id, version)
			require.NoError(t, err)
			asked[id][version] = answers
		}
		return asked[id][version]
	}
	given, missed := 0, 0
	for _, r := range records {
		if rules[r.Cause.Rule] && r.Cause.Version > 0 {
			given++
			require.True(t, slices.ContainsFunc(replay(r.Cause.Ticket, r.Cause.Version), func(a desk.RuleAnswer) bool {
				return a.Rule == r.Cause.Rule && slices.ContainsFunc(a.Commands, func(c workflow.Command) bool {
					skipped := r.Type == "skipped"
					return c.Name() == r.Command && (c.Target() == r.Ticket || skipped)
				})
			}), "%s gave %s on ticket %s at %d.%d", r.Cause.Rule, r.Command, r.Ticket, r.Cause.Ticket, r.Cause.Version)
		}
		for _, miss := range r.NearMisses() {
			missed++
			require.True(t, slices.ContainsFunc(replay(r.Ticket, r.Version), func(a desk.RuleAnswer) bool {
				return a.Rule == miss.Rule && a.Why == miss.Why && len(a.Commands) == 0
			}), "%s missed at %s.%d: %s", miss.Rule, r.Ticket, r.Version, miss.Why)
		}
	}
	t.Logf("%d records of rules and %d near misses agree", given, missed)
	require.Greater(t, given, 100)
	require.Greater(t, missed, 20)
}
