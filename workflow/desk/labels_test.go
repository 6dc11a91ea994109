package desk_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand"
	"reflect"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/workflow/export"
	"github.com/airtight-csirt/airtight/xirl"
)

// Markers that are planted. What begins with zq must never leave the team; what begins
// with ok may, and so may the status.
var (
	kept     = regexp.MustCompile(`(?i)zq[a-z]+\d*`)
	tellable = regexp.MustCompile(`ok(subject|type)\d*|(Status): \w+`)
)

// planter puts markers wherever a team keeps what is its own.
type planter struct {
	*generator
	n       int
	planted map[string]int // by sort
}

func (p *planter) mark(sort string) string {
	p.n++
	p.planted[sort]++
	return fmt.Sprintf("%s%d", sort, p.n)
}

// more is a step that plants a marker.
func (p *planter) more() []workflow.Command {
	id := p.one(isAny)
	switch p.Intn(9) {
	case 0, 1:
		state := incident.State(p.mark("zqstate"))
		return []workflow.Command{workflow.Edit{Ticket: id, State: &state}}
	case 2:
		return []workflow.Command{workflow.Comment{Ticket: id, Text: p.mark("zqnote")}}
	case 3:
		return []workflow.Command{workflow.Comment{Ticket: id, Text: p.mark("zqnote"), Call: &incident.Call{
			Direction: incident.CallOut, Person: p.mark("zqcall"), Number: p.mark("zqcall"), Left: p.mark("zqcall"),
		}}}
	case 4:
		return []workflow.Command{workflow.Resolve{Ticket: id, Comment: p.mark("zqnote"), Reply: pick(p.generator, "", "It is done.")}}
	case 5:
		return []workflow.Command{workflow.Abandon{Ticket: p.one(isIncident), Comment: p.mark("zqnote"), Reply: "We give up."}}
	case 6:
		open := p.open(pick(p.generator, incident.KindIncident, incident.KindReport))
		open.State, open.Subject = incident.State(p.mark("zqstate")), p.mark("oksubject")
		open.Contacts = []incident.Party{{Name: "Carol", Address: "carol@example.org"}}
		open.Observables = sourceOf(fmt.Sprintf("192.0.2.%d", p.Intn(20)))
		open.Constituency = "campus"
		return []workflow.Command{open, workflow.Comment{Ticket: incident.Nth(1), Text: p.mark("zqnote")}}
	case 7:
		kind := p.mark("oktype")
		return []workflow.Command{workflow.Edit{Ticket: id, Fields: map[string][]string{"Type": {kind}}, Constituency: pointer("campus")}}
	}
	people := []incident.Party{{Name: "Carol", Address: "carol@example.org"}}
	return []workflow.Command{workflow.Edit{Ticket: p.one(isIncident), Contacts: &people, Subject: pointer(p.mark("oksubject")), AddObservables: sourceOf(fmt.Sprintf("192.0.2.%d", p.Intn(20)))}}
}

// A long story with everything that leaves the team: states and notes are in none of
// it. Subjects and types, which may be told, are found by the same search.
func TestLabelsStayInside(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	everything := ""
	for _, name := range mail.TemplateVariables() {
		everything += name + ": @" + name + "@\n"
	}
	policy := workflow.Default()
	policy.States = nil
	policy.OperationsCentre = incident.Party{Address: "noc@example.com"}
	for i := range policy.Fields {
		policy.Fields[i].Mandatory = false
	}
	list := export.Export{Template: "list", Phases: []incident.Phase{incident.Initial, incident.Active}, Roles: []incident.Role{incident.RoleSource, incident.RoleUnknown}}
	audience := []workflow.Audience{workflow.ToContacts, workflow.ToRequestors, workflow.ToCc, workflow.ToOperationsCentre}
	policy.Reactions = []workflow.Reaction{
		{Name: "tell", On: []string{"edited", "moved", "commented"}, Mail: &workflow.MailReaction{Template: "everything", To: audience}},
		{Name: "list", Export: &workflow.ExportReaction{File: "list", List: list}},
		{Name: "say", On: []string{"commented", "opened"}, Program: &workflow.ProgramReaction{Name: "say"}},
	}
	var exported []string
	outputs := 0
	w := newWorld(t, func(c *desk.Config) {
		c.Policy = policy
		c.Team = append([]desk.Member{{Address: "duty@example.net", Actor: incident.Duty}, {Address: "alice@example.net"}, {Address: "bob@example.net"}}, c.Team...)
		c.Templates = []mail.Template{{Name: "everything", Text: "@SUBJECT@@INCIDENTID@ @ALL_OPEN@@ENDSUBJECT@\n" + everything}}
		c.Formats = xirl.Formats()
		c.Exports = func(_ context.Context, _ string, text []byte) error {
			exported = append(exported, string(text))
			return nil
		}
		c.Programs = func(context.Context, string, []string, []string, []byte) ([]byte, error) {
			outputs++
			return fmt.Appendf(nil, "zqoutput%d", outputs), fmt.Errorf("zqreason%d", outputs)
		}
	})
	g := &planter{generator: &generator{Rand: rand.New(rand.NewSource(seed)), policy: policy}, planted: map[string]int{}}
	var offers []string
	courier := &desk.Courier{Desk: w.desk, Sender: mail.SenderFunc(func(context.Context, mail.Envelope, []byte) error { return nil }), Now: func() time.Time { return w.now }}
	for range 260 {
		g.now = w.now
		s := g.next()
		if g.Intn(3) == 0 {
			s = step{after: time.Minute, by: pick(g.generator, handlers...), commands: g.more()}
		}
		w.now = w.now.Add(s.after)
		switch {
		case s.raw != nil:
			_, _ = w.desk.Receive(ctx, s.env, s.raw)
		case len(s.commands) == 0:
			_, _ = w.desk.Sweep(ctx, 20)
			_, err := courier.Flush(ctx, 20)
			require.NoError(t, err)
		default:
			result, err := w.desk.As(s.by).Do(ctx, s.commands...)
			if err != nil {
				continue // many are refused, as they should be
			}
			for _, c := range result.Offers {
				text, err := workflow.MarshalCommand(c)
				require.NoError(t, err)
				offers = append(offers, string(text))
			}
		}
		found, err := w.alice.Find(ctx, storage.Query{})
		require.NoError(t, err)
		g.tickets = found
	}
	// What may be told is told, whatever the story has come to.
	told := w.do(workflow.Open{
		Kind: incident.KindIncident, Subject: g.mark("oksubject"), Fields: map[string][]string{"Type": {g.mark("oktype")}},
		Contacts: []incident.Party{{Address: "site@example.org"}},
	}).Opened[0]
	w.do(workflow.Edit{Ticket: told, Subject: pointer(g.mark("oksubject"))}, workflow.Assign{Ticket: told, To: "handler:bob"})
	for range 30 {
		_, err := courier.Flush(ctx, 1000)
		require.NoError(t, err)
	}

	outside := map[string][]string{"exports": exported, "offers": offers}
	require.NoError(t, w.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		rows, err := r.Outgoing(ctx, storage.OutgoingQuery{Only: storage.OnlyMail})
		require.NoError(t, err)
		for _, row := range rows {
			blob, err := r.OpenBlob(ctx, row.Blob)
			require.NoError(t, err)
			var raw bytes.Buffer
			_, err = raw.ReadFrom(blob)
			require.NoError(t, err)
			require.NoError(t, blob.Close())
			m, _ := mail.Parse(raw.Bytes(), mail.Limits{})
			texts := []string{raw.String(), m.Subject, m.Text, fmt.Sprint(m), row.From, row.To}
			for _, part := range m.Parts {
				texts = append(texts, part.Name, string(part.Content))
			}
			outside["mail"] = append(outside["mail"], texts...)
		}
		return nil
	}))
	for _, ticket := range g.tickets {
		for _, format := range xirl.Formats() {
			b := desk.Beginning{Template: "everything", Quoted: true, Attach: []string{format.Name}}
			reply, _, err := w.alice.Draft(ctx, ticket.ID, b)
			if ticket.Kind == incident.KindIncident {
				var open workflow.Open
				open, _, err = w.alice.DraftOpen(ctx, workflow.Open{Kind: incident.KindInvestigation, From: ticket.ID, Text: " "}, b)
				reply = workflow.Reply{Subject: open.Subject, Text: open.Text, Attachments: open.Attachments}
			}
			if err != nil {
				continue // what some formats demand is not there
			}
			outside["drafts"] = append(outside["drafts"], reply.Subject, reply.Text)
			for _, file := range reply.Attachments {
				outside["formats"] = append(outside["formats"], string(file.Content))
			}
		}
	}
	said := map[string]int{}
	for where, texts := range outside {
		for _, text := range texts {
			require.Empty(t, kept.FindString(text), "seed %d: %s tells what must stay within the team", seed, where)
			for _, found := range tellable.FindAllStringSubmatch(text, -1) {
				said[found[1]+found[2]]++
			}
		}
	}
	t.Logf("planted %v, program outputs %d; searched %d texts of mail, %d of drafts, %d exports, %d offers, %d formats; told %v",
		g.planted, outputs, len(outside["mail"]), len(outside["drafts"]), len(exported), len(offers), len(outside["formats"]), said)
	for _, sort := range []string{"zqstate", "zqnote", "zqcall", "oksubject", "oktype"} {
		require.Positive(t, g.planted[sort], sort)
	}
	require.Positive(t, outputs)
	require.NotEmpty(t, outside["mail"])
	require.NotEmpty(t, exported)
	require.NotEmpty(t, outside["drafts"])
	require.NotEmpty(t, outside["formats"])
	for _, sort := range []string{"subject", "type", "Status"} {
		require.Positive(t, said[sort], "the search finds what may be told: %s", sort)
	}
	// The same search finds the markers where they are.
	inside := w.snapshot()
	require.NotEmpty(t, kept.FindString(inside))
	var notes int
	for _, ticket := range g.tickets {
		for _, record := range w.history(ticket.ID) {
			if len(record.Blobs) > 0 && (record.Type == "commented" || record.Type == "reacted") {
				body, err := w.alice.Body(ctx, ticket.ID, record.Version)
				require.NoError(t, err)
				notes += len(kept.FindAll(body, -1))
			}
		}
	}
	require.Positive(t, notes)
}

// What mail is made of, and what other teams are sent, has no place for a state: no
// member of it, however deep, is one.
func TestNoPlaceForAState(t *testing.T) {
	state := reflect.TypeFor[incident.State]()
	var holds func(shape reflect.Type, seen map[reflect.Type]bool) bool
	holds = func(shape reflect.Type, seen map[reflect.Type]bool) bool {
		if shape == state {
			return true
		}
		if seen[shape] {
			return false
		}
		seen[shape] = true
		switch shape.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Array:
			return holds(shape.Elem(), seen)
		case reflect.Map:
			return holds(shape.Key(), seen) || holds(shape.Elem(), seen)
		case reflect.Struct:
			for i := range shape.NumField() {
				if f := shape.Field(i); holds(f.Type, seen) {
					return true
				}
			}
		}
		return false
	}
	for _, shape := range []reflect.Type{
		reflect.TypeFor[incident.Observation](), reflect.TypeFor[mail.TemplateFacts](), reflect.TypeFor[mail.Letter](),
		reflect.TypeFor[incident.MessageEntity](), reflect.TypeFor[export.List](),
	} {
		require.False(t, holds(shape, map[reflect.Type]bool{}), shape)
	}
	require.True(t, holds(reflect.TypeFor[incident.Ticket](), map[reflect.Type]bool{}), "it would be found")
}
