package desk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	"github.com/airtight-csirt/airtight/xirl"
)

// leakWorld has tickets of two constituencies that are tied together in every way.
// Whatever belongs to GOVNET has a marker in it, and every number is one that stands
// nowhere else.
type leakWorld struct {
	*world
	eve    *desk.Session // of EDUNET
	shown  map[string]incident.ID
	hidden map[string]incident.ID
}

const (
	marker    = "Zanzibar"
	firstLeak = incident.ID(7700000) // the number of the first ticket
	neverWas  = incident.ID(7799999)
)

func newLeakWorld(t *testing.T, store storage.Store) *leakWorld {
	w := &leakWorld{shown: map[string]incident.ID{}, hidden: map[string]incident.ID{}}
	w.world = newWorldOn(t, store, janet, func(c *desk.Config) {
		c.Team = append([]desk.Member{{Address: "alice@example.net"}}, c.Team...)
		c.Templates = []mail.Template{{Name: "everything", Text: "@" + strings.Join(mail.TemplateVariables(), "@\n@") + "@\n"}}
		c.Formats = xirl.Formats()
		c.Recipients = []desk.Recipient{{Address: "edunet@example.net", Constituency: "EDUNET"}, {Address: "govnet@example.net", Constituency: "GOVNET"}}
	})
	w.eve = w.desk.As("handler:eve", "duty-team:EDUNET")
	number(t, store, firstLeak-1)

	people := func(address string) []incident.Party { return []incident.Party{{Name: marker, Address: address}} }
	open := func(name, constituency string, kind incident.Kind, more workflow.Open) incident.ID {
		more.Kind, more.Constituency = kind, constituency
		if kind == incident.KindIncident {
			more.Fields = classified
		}
		into := w.shown
		if more.Subject = "Seen " + name; constituency != "EDUNET" {
			into, more.Subject, more.Text = w.hidden, marker+" "+name, marker+" text"
			if kind != incident.KindIncident {
				more.Requestors = people("zanzibar@example.org")
			}
		} else if kind != incident.KindIncident {
			more.Requestors = []incident.Party{{Address: "bob@example.org"}}
		}
		into[name] = w.do(more).Opened[0]
		return into[name]
	}
	letter := func(name, to, subject, id string) incident.ID {
		raw := fmt.Sprintf("From: bob@example.org\r\nMessage-ID: <%s>\r\nSubject: %s\r\n\r\nA letter %s.\r\n", id, subject, name)
		receipt, err := w.desk.Receive(ctx, mail.Envelope{From: "bob@example.org", To: []string{to}}, []byte(raw))
		require.NoError(t, err)
		if into := w.shown; to == "edunet@example.net" {
			into[name] = receipt.Ticket
		} else {
			w.hidden[name] = receipt.Ticket
		}
		return receipt.Ticket
	}

	edu, gov := open("incident", "EDUNET", incident.KindIncident, workflow.Open{}), open("incident", "GOVNET", incident.KindIncident, workflow.Open{})
	// Children that cross, one of them the one that is due.
	shared := open("shared report", "EDUNET", incident.KindReport, workflow.Open{Parents: []incident.ID{edu, gov}})
	late := open("late report", "GOVNET", incident.KindReport, workflow.Open{Parents: []incident.ID{edu}})
	w.do(workflow.Edit{Ticket: late, Due: hours(w.world, 1)}, workflow.Comment{Ticket: late, Text: marker + " comment"})
	// Alice is told of a report that bob links to her incident.
	told, err := w.desk.As("handler:bob").Do(ctx, workflow.Open{Kind: incident.KindReport, Subject: marker, Constituency: "GOVNET", Parents: []incident.ID{edu}})
	require.NoError(t, err)
	w.hidden["told of"] = told.Opened[0]
	left := open("left report", "EDUNET", incident.KindReport, workflow.Open{Parents: []incident.ID{gov}})
	w.do(workflow.Unlink{Ticket: left, Parent: gov})
	open("child", "EDUNET", incident.KindReport, workflow.Open{Parents: []incident.ID{gov}})
	open("investigation", "EDUNET", incident.KindInvestigation, workflow.Open{Parents: []incident.ID{gov}})
	elsewhere := open("linked elsewhere since", "EDUNET", incident.KindInvestigation, workflow.Open{Parents: []incident.ID{edu}})
	w.do(workflow.Link{Ticket: elsewhere, Parent: gov})
	// A hidden block under an incident that is to be closed, and a closing that another one holds up.
	second := open("second incident", "EDUNET", incident.KindIncident, workflow.Open{})
	block := open("block", "GOVNET", incident.KindBlock, workflow.Open{Parents: []incident.ID{second}})
	w.do(workflow.Move{Ticket: block, To: "active"}, workflow.Resolve{Ticket: second})
	w.do(workflow.Move{Ticket: block, To: "removed"}, workflow.Resolve{Ticket: second}, workflow.Reopen{Ticket: second})
	third := open("third incident", "EDUNET", incident.KindIncident, workflow.Open{})
	held := open("held by another", "EDUNET", incident.KindReport, workflow.Open{Parents: []incident.ID{third, gov}})
	w.do(workflow.Resolve{Ticket: third})
	require.True(t, w.ticket(held).Open())
	// A hidden incident whose end and return moves a child that is shown.
	fourth := open("fourth incident", "GOVNET", incident.KindIncident, workflow.Open{})
	open("closed by a hidden one", "EDUNET", incident.KindReport, workflow.Open{Parents: []incident.ID{fourth}})
	w.do(workflow.Abandon{Ticket: fourth})
	// Merges both ways, one of them undone.
	into := open("takes all", "GOVNET", incident.KindReport, workflow.Open{})
	w.do(workflow.Merge{Ticket: open("merged away", "EDUNET", incident.KindReport, workflow.Open{}), Into: into})
	takes := open("takes a hidden one", "EDUNET", incident.KindReport, workflow.Open{})
	swallowed := open("swallowed", "GOVNET", incident.KindReport, workflow.Open{})
	w.do(workflow.Edit{Ticket: swallowed, Requestors: &[]incident.Party{}})
	w.do(workflow.Merge{Ticket: swallowed, Into: takes})
	parted := open("parted", "EDUNET", incident.KindReport, workflow.Open{})
	w.do(workflow.Merge{Ticket: parted, Into: into})
	w.do(workflow.Unmerge{Ticket: parted})
	// Made from one another.
	source := open("source", "GOVNET", incident.KindReport, workflow.Open{})
	w.shown["made"] = w.do(workflow.Open{Kind: incident.KindIncident, From: source, Subject: "Made", Constituency: "EDUNET", Text: "Nothing.", Fields: classified, Observables: []incident.Observable{}}).Opened[0]
	// Mail that is held for hidden tickets, and mail whose Message-ID is theirs.
	letter("letter", "govnet@example.net", "New", "hidden-1@example.org")
	letter("copy", "edunet@example.net", "New too", "hidden-1@example.org")
	letter("held for an incident", "edunet@example.net", fmt.Sprintf("Re: [A CSIRT #%s]", gov), "held-1@example.org")
	letter("held for nothing", "edunet@example.net", fmt.Sprintf("Re: [A CSIRT #%s]", neverWas), "held-2@example.org")
	letter("held for two", "edunet@example.net", fmt.Sprintf("Re: [A CSIRT #%s] [A CSIRT #%s]", gov, late), "held-3@example.org")
	delivered := letter("delivered", "edunet@example.net", fmt.Sprintf("Re: [A CSIRT #%s]", gov), "held-4@example.org")
	w.do(workflow.Deliver{Ticket: delivered, To: gov})
	// What eve owns she may change.
	for _, id := range []incident.ID{edu, shared, elsewhere, left, second, third, held, takes, parted, w.shown["child"], w.shown["made"], w.shown["investigation"], w.shown["closed by a hidden one"]} {
		w.do(workflow.Assign{Ticket: id, To: "handler:eve"})
	}
	return w
}

// number makes the store go on from a number.
func number(t *testing.T, store storage.Store, id incident.ID) {
	t.Helper()
	require.NoError(t, store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		draft := storage.NewDraft(tx)
		record := incident.Record{Ticket: id, At: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), By: incident.System, Command: "open"}
		opened := incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial, Content: incident.OpenedContent{Subject: marker}}
		if err := record.Encode(opened); err != nil {
			return err
		}
		if err := draft.Append(ctx, record); err != nil {
			return err
		}
		_, err := draft.Flush(ctx, tx)
		return err
	}))
}

// tells fails when an answer holds a marker or the number of a hidden ticket. asked
// is a number that the asker has named.
func (w *leakWorld) tells(what string, asked incident.ID, answers ...any) {
	w.t.Helper()
	for _, answer := range answers {
		text := fmt.Sprint(answer)
		if _, isError := answer.(error); !isError {
			raw, err := json.Marshal(answer)
			require.NoError(w.t, err)
			text = string(raw)
		}
		require.NotContains(w.t, strings.ToLower(text), strings.ToLower(marker), what)
		numbers := regexp.MustCompile(`\b[0-9]{7}\b`).FindAllString(text, -1) // digests have longer words
		for name, id := range w.hidden {
			if id != asked {
				require.NotContains(w.t, numbers, id.String(), "%s names the hidden %s: %s", what, name, text)
			}
		}
		require.NotContains(w.t, numbers, (firstLeak - 1).String(), what)
	}
}

// commands are all that can be said about a ticket, with another one.
func leakCommands(id, other incident.ID) []workflow.Command {
	list := []incident.ID{other}
	return []workflow.Command{
		workflow.Open{Kind: incident.KindReport, Subject: "x", Constituency: "EDUNET", Parents: []incident.ID{id}},
		workflow.Open{Kind: incident.KindInvestigation, Subject: "x", Constituency: "EDUNET", Parents: []incident.ID{id}},
		workflow.Open{Kind: incident.KindReport, From: id}, workflow.Open{Kind: incident.KindIncident, From: id, Fields: classified},
		workflow.Open{Kind: incident.KindInvestigation, From: id}, workflow.Open{Kind: incident.KindBlock, From: id},
		workflow.Take{Ticket: id}, workflow.Steal{Ticket: id}, workflow.Release{Ticket: id}, workflow.Assign{Ticket: id, To: "handler:alice"},
		workflow.Move{Ticket: id, To: "open"}, workflow.Move{Ticket: id, To: "resolved"}, workflow.Reopen{Ticket: id},
		workflow.Resolve{Ticket: id}, workflow.Resolve{Ticket: id, Reply: "Done."}, workflow.Resolve{Ticket: id, Reply: "Done.", Children: list}, workflow.Resolve{Ticket: id, Children: list},
		workflow.Abandon{Ticket: id}, workflow.Reject{Ticket: id}, workflow.Reject{Ticket: id, Steal: true},
		workflow.Link{Ticket: id, Parent: other}, workflow.Link{Ticket: id, Parent: other, Based: 1}, workflow.Move{Ticket: id, To: "resolved", Based: 2},
		workflow.Attend{Ticket: id}, workflow.Unlink{Ticket: id, Parent: other}, workflow.Merge{Ticket: id, Into: other}, workflow.Unmerge{Ticket: id},
		workflow.Comment{Ticket: id, Text: "x"}, workflow.Edit{Ticket: id, Priority: pointer(3)}, workflow.Edit{Ticket: id, Due: pointer(time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC))},
		workflow.Edit{Ticket: id, Constituency: pointer("GOVNET")},
		workflow.Reply{Ticket: id, Text: "x"}, workflow.ReplyAll{Ticket: id, Text: "x"}, workflow.ReplyAll{Ticket: id, Text: "x", Children: list},
		workflow.Deliver{Ticket: id, As: incident.Accepted}, workflow.Deliver{Ticket: id, As: incident.Rejected}, workflow.Deliver{Ticket: id, To: other},
	}
}

// gives runs a command and returns all that comes back.
func gives(s *desk.Session, c workflow.Command) []any {
	result, err := s.Preview(ctx, c)
	return said(result, err)
}

func said(result *desk.Result, err error) []any {
	answers := []any{err}
	var refused *workflow.RightsError
	if errors.As(err, &refused) {
		answers = append(answers, commandsAsJSON(refused.Offers))
	}
	if result != nil {
		answers = append(answers, result, commandsAsJSON(result.Offers))
		for _, r := range result.Records {
			answers = append(answers, recordInWords(r))
		}
	}
	return answers
}

func commandsAsJSON(list []workflow.Command) []string {
	var texts []string
	for _, c := range list {
		raw, err := workflow.MarshalCommand(c)
		texts = append(texts, string(raw)+fmt.Sprint(err))
	}
	return texts
}

func recordInWords(r incident.Record) string {
	ev, err := incident.Decode(r)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(workflow.Words(ev, time.UTC), r.NearMisses(), r.Cause)
}

// readings are all that can be read about a ticket.
func readings(s *desk.Session, id incident.ID) map[string]func() []any {
	list := map[string]func() []any{
		"ticket":     func() []any { t, err := s.Ticket(ctx, id); return []any{err, t} },
		"outgoing":   func() []any { rows, err := s.Outgoing(ctx, id); return []any{err, rows} },
		"examine":    func() []any { r, err := s.Examine(ctx, id, 2); return said(r, err) },
		"opened":     func() []any { o, err := s.Opened(ctx, id, 2); return []any{err, o} },
		"attachment": func() []any { body, err := s.Attachment(ctx, id, 2, 1); return []any{err, string(body)} },
		"promise":    func() []any { p, err := s.Promise(ctx, id); return []any{err, p} },
		"allowed":    func() []any { a, err := s.Allowed(ctx, id); return []any{err, a} },
		"children":   func() []any { p, err := s.Children(ctx, id, true, nil); return []any{err, p} },
		"by number":  func() []any { f, err := s.Find(ctx, storage.Query{IDs: []incident.ID{id}}); return []any{err, f} },
		"by parent":  func() []any { f, err := s.Find(ctx, storage.Query{Parent: id}); return []any{err, f} },
		"list parent": func() []any {
			p, err := s.List(ctx, storage.Query{Parent: id}, nil)
			p.At = time.Time{}
			return []any{err, p}
		},
		"history": func() []any {
			h, err := s.History(ctx, id)
			answers := []any{err, h}
			for _, r := range h.Records {
				answers = append(answers, recordInWords(r))
			}
			return answers
		},
	}
	for version := uint64(1); version < 12; version++ {
		list[fmt.Sprint("body ", version)] = func() []any { body, err := s.Body(ctx, id, version); return []any{err, string(body)} }
		list[fmt.Sprint("replay ", version)] = func() []any {
			replayed, err := s.Replay(ctx, id, version)
			answers := []any{err, replayed}
			for _, a := range replayed {
				answers = append(answers, commandsAsJSON(a.Commands), commandsAsJSON(a.Offers))
			}
			return answers
		}
	}
	for _, topic := range desk.Topics() {
		list["explain "+string(topic)] = func() []any { e, err := s.Explain(ctx, id, topic); return []any{err, e} }
	}
	begin := desk.Beginning{Template: "everything", Quoted: true, Attach: []string{"xirl"}}
	list["draft"] = func() []any { reply, drafted, err := s.Draft(ctx, id, begin); return []any{err, reply, drafted} }
	list["draft open"] = func() []any {
		open, drafted, err := s.DraftOpen(ctx, workflow.Open{Kind: incident.KindInvestigation, From: id}, begin)
		return []any{err, open, drafted}
	}
	for _, kind := range incident.Kinds() {
		list["prefill "+string(kind)] = func() []any {
			o, err := s.Prefill(ctx, workflow.Open{Kind: kind, From: id})
			return []any{err, commandsAsJSON([]workflow.Command{o})}
		}
	}
	return list
}

// Nothing that eve can ask says anything about a ticket of the others: she gets the
// same answer as for a number that never was.
func TestNothingIsTold(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newLeakWorld(t, store)
		plain := func(answers []any, id incident.ID) string {
			var b strings.Builder
			for _, a := range answers {
				raw, err := json.Marshal(a)
				require.NoError(t, err)
				fmt.Fprintf(&b, "%v %s\n", a, raw)
			}
			text := regexp.MustCompile(`0x[0-9a-f]+`).ReplaceAllString(b.String(), "pointer")
			return strings.ReplaceAll(text, id.String(), "NUMBER")
		}
		edu, report := w.shown["incident"], w.shown["left report"]
		for name, id := range w.hidden {
			for reading, ask := range readings(w.eve, id) {
				require.Equal(t, plain(readings(w.eve, neverWas)[reading](), neverWas), plain(ask(), id), "%s of the hidden %s", reading, name)
			}
			for _, pair := range [][2][]workflow.Command{
				{leakCommands(id, edu), leakCommands(neverWas, edu)}, {leakCommands(edu, id), leakCommands(edu, neverWas)}, {leakCommands(report, id), leakCommands(report, neverWas)},
				{leakCommands(w.shown["held for an incident"], id), leakCommands(w.shown["held for an incident"], neverWas)},
			} {
				for i, c := range pair[0] {
					if !slices.Contains(append(workflow.Concerned(incident.Ticket{}, c), c.Target()), id) {
						continue
					}
					require.Equal(t, plain(gives(w.eve, pair[1][i]), neverWas), plain(gives(w.eve, c), id), "%s with the hidden %s", c.Name(), name)
				}
			}
		}
	})
}

// What eve may see names none of the others, whatever she asks of it or does with it.
func TestNothingIsNamed(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newLeakWorld(t, store)
		whole := 0
		for name, id := range w.shown {
			if strings.HasPrefix(name, "held for") || name == "delivered" {
				continue // their subject has the numbers that the sender wrote
			}
			for reading, ask := range readings(w.eve, id) {
				w.tells(reading+" of "+name, 0, ask()...)
				whole++
			}
			for _, c := range leakCommands(id, w.shown["incident"]) {
				w.tells("preview of "+c.Name()+" of "+name, 0, gives(w.eve, c)...)
				whole++
			}
			for _, c := range leakCommands(w.shown["shared report"], id) {
				w.tells("preview of "+c.Name()+" with "+name, 0, gives(w.eve, c)...)
			}
		}
		for what, q := range map[string]storage.Query{
			"all": {}, "linked": {Links: storage.Linked}, "unlinked": {Links: storage.Unlinked}, "by mail": {Mail: "zanzibar@example.org"}, "in order": {Order: storage.MostDue()},
			"of others": {Constituencies: []string{"GOVNET", ""}}, "wide": {Scope: &storage.Scope{Grants: []storage.Grant{{}}}}, "of alice": {Owners: []incident.Actor{"handler:alice"}},
		} {
			q.Held = storage.NotHeld
			found, err := w.eve.Find(ctx, q)
			require.NoError(t, err)
			found = slices.DeleteFunc(found, func(t incident.Ticket) bool { return t.ID == w.shown["delivered"] })
			w.tells(what, 0, found)
			page, err := w.eve.List(ctx, q, nil)
			require.NoError(t, err)
			require.LessOrEqual(t, page.Total, len(w.shown))
			require.Len(t, page.Rows, page.Total, "a count counts what is listed")
			w.tells("list "+what, 0, slices.DeleteFunc(page.Rows, func(r desk.Row) bool { return r.ID == w.shown["delivered"] }))
		}
		for _, list := range []func(context.Context, *storage.Cursor) (desk.Page, error){w.eve.Mine, w.eve.Unowned, w.eve.MostDue} {
			page, err := list(ctx, nil)
			require.NoError(t, err)
			w.tells("list", 0, page)
		}
		t.Logf("%d answers about %d tickets, %d hidden", whole, len(w.shown), len(w.hidden))

		// What she does tells no more than what she reads, and is counted.
		hidden := 0
		for _, c := range []workflow.Command{
			workflow.Move{Ticket: w.shown["closed by a hidden one"], To: "open"}, workflow.Unmerge{Ticket: w.hidden["swallowed"]},
			workflow.Resolve{Ticket: w.shown["second incident"], Reply: "Done."}, workflow.Resolve{Ticket: w.shown["second incident"]}, workflow.Abandon{Ticket: w.shown["incident"]},
			workflow.Open{Kind: incident.KindReport, From: w.shown["shared report"]},
			workflow.Edit{Ticket: w.shown["child"], Due: hours(w.world, 2)},
		} {
			result, err := w.eve.Do(ctx, c)
			w.tells("do "+c.Name(), c.Target(), said(result, err)...)
			if err == nil {
				hidden += result.Hidden
			}
		}
		require.Positive(t, hidden)
		w.verify()
	})
}

// A refusal or veto that comes from a ticket of the others does not say which.
func TestRefusalsOfOthersTellNothing(t *testing.T) {
	w := newWorld(t, janet, scoped, func(c *desk.Config) {
		policy := *c.Policy
		life := policy.Lifecycles[incident.KindIncident]
		life.RefuseClosed = true
		policy.Lifecycles = maps.Clone(policy.Lifecycles)
		policy.Lifecycles[incident.KindIncident] = life
		policy.Rules = slices.DeleteFunc(slices.Clone(policy.Rules), func(r workflow.Rule) bool { return r.Name == "reopen-linked-incident" })
		c.Policy = &policy
		c.BeforeEvent = []desk.BeforeEvent{func(_ context.Context, _ storage.Reader, call desk.EventCall) (incident.Event, error) {
			if call.Ticket.Constituency == "GOVNET" && call.Event.Type() == "moved" {
				return nil, errors.New("not today")
			}
			return call.Event, nil
		}}
	})
	edu := workflow.Open{Kind: incident.KindIncident, Subject: "x", Constituency: "EDUNET", Fields: classified}
	first, second := w.do(edu).Opened[0], w.do(edu).Opened[0]
	hidden := w.do(workflow.Open{Kind: incident.KindReport, Constituency: "GOVNET", Status: "open", Parents: []incident.ID{first}}).Opened[0]
	_, err := w.eve().Do(ctx, workflow.Resolve{Ticket: first})
	var veto *desk.VetoError
	require.ErrorAs(t, err, &veto)
	require.EqualError(t, err, "desk: event moved was vetoed: not today")
	w.do(workflow.Resolve{Ticket: second})
	_, err = w.eve().Do(ctx, workflow.Merge{Ticket: first, Into: second})
	require.EqualError(t, err, "workflow: merge is refused: it has to do with a ticket that you may not see")
	_, err = w.alice.Do(ctx, workflow.Merge{Ticket: first, Into: second})
	require.ErrorContains(t, err, fmt.Sprintf("merge on ticket %s is refused: incident %s is resolved", hidden, second))
}

// A mail that names a ticket of the others is held just like one that names none.
func TestHeldMailTellsNothing(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newLeakWorld(t, store)
		var answers []string
		for _, name := range []string{"held for nothing", "held for an incident", "held for two"} {
			id := w.shown[name]
			ticket, err := w.eve.Ticket(ctx, id)
			require.NoError(t, err)
			history, err := w.eve.History(ctx, id)
			require.NoError(t, err)
			e, err := w.eve.Explain(ctx, id, desk.TopicThread)
			require.NoError(t, err)
			ticket.ID, ticket.Subject, ticket.Hash = 0, "", incident.Digest{}
			for i := range history.Records {
				history.Records[i] = incident.Record{Type: history.Records[i].Type, Version: history.Records[i].Version}
			}
			raw, err := json.Marshal([]any{ticket, history, strings.ReplaceAll(e.Text, id.String(), "ID"), e.Hidden, len(e.Steps)})
			require.NoError(t, err)
			answers = append(answers, string(raw))
			body, err := w.eve.Body(ctx, id, 2)
			require.NoError(t, err, "the mail itself is there to be read")
			require.Contains(t, string(body), "A letter "+name)
		}
		require.Equal(t, answers[0], answers[1])
		require.Equal(t, answers[0], answers[2])

		// Whoever sees the incident sees the candidate.
		ticket, err := w.alice.Ticket(ctx, w.shown["held for an incident"])
		require.NoError(t, err)
		require.Equal(t, []incident.ID{w.hidden["incident"]}, ticket.Held.Candidates)
	})
}
