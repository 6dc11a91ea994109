package workflow_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// TestDifferencesFromRTIR reads the list beside the preset: every row says what, why,
// and by which rule of the preset or script under it that is shown.
func TestDifferencesFromRTIR(t *testing.T) {
	text, err := os.ReadFile("presets/rtir-differences.md")
	require.NoError(t, err)
	p := preset(t, "rtir")
	seen, shown, tested := map[string]bool{}, 0, 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| id |") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		require.Len(t, cells, 5, line)
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
			require.NotEmpty(t, cells[i], line)
		}
		require.False(t, seen[cells[0]], "%s stands there twice", cells[0])
		seen[cells[0]] = true
		if cells[4] == "-" {
			continue
		}
		for item := range strings.SplitSeq(cells[4], ", ") {
			what, name, _ := strings.Cut(item, " ")
			switch what {
			case "test":
				require.Contains(t, whereRTIRDiffers(), cells[0])
				tested++
			case "rule":
				_, ok := p.Rule(name)
				require.True(t, ok, "%s: the policy runs no rule %q", cells[0], name)
			case "derivation":
				found := false
				for _, d := range p.Derivations {
					found = found || d.Name == name
				}
				require.True(t, found, "%s: the policy runs no derivation %q", cells[0], name)
			case "script":
				script, err := os.ReadFile(filepath.Join("testdata/scripts", name+".txt"))
				require.NoError(t, err, cells[0])
				require.Regexp(t, `(?m)^policy rtir`, string(script), "%s: %s plays under another policy", cells[0], name)
			default:
				t.Fatalf("%s: %q is neither a rule, a derivation, a script nor a test", cells[0], item)
			}
			shown++
		}
	}
	require.GreaterOrEqual(t, len(seen), 25)
	require.GreaterOrEqual(t, shown, 30)
	require.Len(t, whereRTIRDiffers(), tested, "every case is named in the list")
}

// stage is what the cases below work on: a child, its incident, what is known.
type stage struct {
	t *testing.T
	p *workflow.Policy
}

func (s stage) ticket(id incident.ID, kind incident.Kind, status incident.Status) incident.Ticket {
	def, ok := s.p.Lifecycles[kind].Status(status)
	require.True(s.t, ok)
	return incident.Ticket{ID: id, Kind: kind, Version: 3, Status: def.Name, Phase: def.Phase}
}

// verdict asks a rule of the preset, with answers to all that it asks for.
func (s stage) verdict(rule string, c workflow.Change, answer ...incident.Ticket) workflow.Verdict {
	r, ok := s.p.Rule(rule)
	require.True(s.t, ok)
	require.True(s.t, r.Wakes(c), "%s is woken", rule)
	var facts workflow.Facts
	for _, ask := range r.Asks(s.p, c) {
		facts.Know(ask, answer...)
	}
	return r.Then(s.p, c, facts, r.Params)
}

// whereRTIRDiffers are cases of rows that no script shows.
func whereRTIRDiffers() map[string]func(s stage) {
	letter := incident.Message{Side: incident.Outside, Content: incident.MessageEntity{From: incident.Party{Address: "noc@example.org"}}}
	owned := func(s stage, t incident.Ticket, owner incident.Actor) workflow.Change {
		after := t
		after.Owner = owner
		return workflow.Change{Before: t, After: after, Event: incident.Owned{To: owner}, Command: "assign"}
	}
	return map[string]func(s stage){
		"unmerge": func(s stage) {
			merged := s.ticket(7, incident.KindReport, "resolved")
			merged.MergedInto = 8
			var facts workflow.Facts
			for _, ask := range s.p.Asks(merged, workflow.Unmerge{Ticket: 7}) {
				facts.Know(ask, s.ticket(8, incident.KindReport, "open"))
				facts.KnowRecords(ask, recordsOf(incident.Merged{Into: 8, Status: "new"}))
				facts.KnowMessages(ask, nil)
			}
			decisions, err := s.p.Decide(merged, workflow.Unmerge{Ticket: 7}, facts, workflow.Env{})
			require.NoError(s.t, err)
			require.NotEmpty(s.t, decisions)
		},
		"closed-children": func(s stage) {
			c := owned(s, s.ticket(7, incident.KindIncident, "open"), "handler:bob")
			r, _ := s.p.Rule("owner-to-children")
			require.Equal(s.t, []workflow.Ask{{Fact: workflow.FactOpenChildren, Ticket: 7}}, r.Asks(s.p, c))
			require.Equal(s.t, []workflow.Ask{{Fact: workflow.FactChildren, Ticket: 7}}, r.Needs(s.p, c, workflow.OwnerToChildren{Closed: true}))
		},
		"giving-up": func(s stage) {
			child := s.ticket(7, incident.KindReport, "open")
			child.Owner = "handler:bob"
			verdict := s.verdict("owner-to-incident", owned(s, child, incident.Nobody))
			require.Empty(s.t, verdict.Commands)
			require.NotEmpty(s.t, verdict.Why)
		},
		"trusted-approval": func(s stage) {
			block := s.ticket(7, incident.KindBlock, "pending activation")
			block.Requestors = []incident.Party{{Address: "noc@example.org"}}
			c := workflow.Change{Before: block, After: block, Event: letter, Command: "append"}
			require.Equal(s.t, []workflow.Command{workflow.Move{Ticket: 7, To: "active"}}, s.verdict("approve-block", c).Commands)
			s.p.MailTrust.Approve = incident.TrustSigned
			require.Empty(s.t, s.verdict("approve-block", c).Commands)
		},
		"rules-reply": func(s stage) {
			block := s.ticket(7, incident.KindBlock, "removed")
			mail := incident.Message{Side: incident.Inside, Sent: true, Answers: true}
			c := workflow.Change{Before: block, After: block, Event: mail, Command: "reply"}
			require.Equal(s.t, []workflow.Command{workflow.Reopen{Ticket: 7}}, s.verdict("reopen-on-reply", c).Commands)
			c.Cause = incident.Cause{Rule: "confirm-block-removal"}
			require.Empty(s.t, s.verdict("reopen-on-reply", c).Commands)
		},
		"link-closed": func(s stage) {
			for status, commands := range map[incident.Status]int{"new": 1, "rejected": 0, "resolved": 0} {
				before := s.ticket(7, incident.KindReport, status)
				after := before
				after.Parents = []incident.ID{3}
				verdict := s.verdict("open-linked-report", workflow.Change{Before: before, After: after, Event: incident.Linked{Parent: 3}, Command: "link"})
				require.Len(s.t, verdict.Commands, commands, status)
			}
		},
		"machines": func(s stage) {
			closed := s.ticket(7, incident.KindReport, "resolved")
			c := workflow.Change{Before: closed, After: closed, Event: letter, Command: "append"}
			require.Len(s.t, s.verdict("reopen-on-reply", c).Commands, 1)
			machine := letter
			machine.Machine = true
			c.Event = machine
			require.Empty(s.t, s.verdict("reopen-on-reply", c).Commands)
		},
		"links-in-forms": func(s stage) {
			block := s.ticket(7, incident.KindBlock, "active")
			block.Parents = []incident.ID{3}
			_, err := s.p.Decide(block, workflow.Unlink{Ticket: 7, Parent: 3}, workflow.Facts{}, workflow.Env{})
			require.ErrorContains(s.t, err, "belongs to an incident")
			look := s.ticket(7, incident.KindInvestigation, "open")
			look.Parents = []incident.ID{3}
			var facts workflow.Facts
			facts.Know(workflow.Ask{Fact: workflow.FactTicket, Ticket: 4}, s.ticket(4, incident.KindIncident, "open"))
			decisions, err := s.p.Decide(look, workflow.Link{Ticket: 7, Parent: 4}, facts, workflow.Env{})
			require.NoError(s.t, err)
			require.Equal(s.t, incident.Unlinked{Parent: 3}, decisions[0].Event, "a second incident takes the place of the first")
		},
		"constituency": func(s stage) {
			before := s.ticket(7, incident.KindIncident, "open")
			after := before
			after.Constituency = "campus"
			c := workflow.Change{Before: before, After: after, Event: incident.Edited{}, Command: "edit"}
			r, _ := s.p.Rule("constituency-to-children")
			require.Equal(s.t, []workflow.Ask{{Fact: workflow.FactOpenChildren, Ticket: 7}}, r.Asks(s.p, c))
		},
		"resolution-values": func(s stage) {
			p := parsed(s.t, "base: rtir\nfields: {Outcome: {kinds: [incident]}}\nwith: {resolution: {field: Outcome, values: {resolved: done}}}")
			before, after := s.ticket(7, incident.KindIncident, "open"), s.ticket(7, incident.KindIncident, "resolved")
			c := workflow.Change{Before: before, After: after, Event: incident.Moved{To: "resolved"}, Command: "move"}
			require.Equal(s.t, []workflow.Command{workflow.Edit{Ticket: 7, Fields: map[string][]string{"Outcome": {"done"}}}}, stage{s.t, p}.verdict("resolution", c).Commands)
		},
		"kinds": func(s stage) {
			report, look := s.ticket(7, incident.KindReport, "open"), s.ticket(8, incident.KindInvestigation, "open")
			for _, pair := range [][2]incident.Ticket{{report, look}, {look, report}} {
				merge := workflow.Merge{Ticket: pair[0].ID, Into: pair[1].ID}
				var facts workflow.Facts
				for _, ask := range s.p.Asks(pair[0], merge) {
					facts.Know(ask, pair[1])
					facts.KnowMessages(ask, nil)
				}
				_, err := s.p.Decide(pair[0], merge, facts, workflow.Env{})
				require.Equal(s.t, pair[0].Kind == incident.KindReport, err == nil, "%v", err)
			}
		},
		"how-reported": func(s stage) {
			via, ok := s.p.Field("How Reported")
			require.True(s.t, ok)
			require.Empty(s.t, via.Values)
		},
	}
}

func TestWhereRTIRDiffers(t *testing.T) {
	cases := whereRTIRDiffers()
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) { cases[name](stage{t, preset(t, "rtir")}) })
	}
}
