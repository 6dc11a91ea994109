package desk_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// has gives a desk templates by NAME or NAME.LANGUAGE.
func has(texts map[string]string) func(*desk.Config) {
	return func(c *desk.Config) {
		for title, text := range texts {
			c.Templates = append(c.Templates, template(title, text))
		}
		slices.SortFunc(c.Templates, func(a, b mail.Template) int { return strings.Compare(a.Name+a.Language, b.Name+b.Language) })
	}
}

func template(title, text string) mail.Template {
	name, language, _ := strings.Cut(title, ".")
	return mail.Template{Name: name, Language: language, Text: text}
}

// adopt makes a text a template of the desk.
func (w *world) adopt(title, text string) desk.Adoption {
	w.t.Helper()
	adopted, _, err := w.desk.AdoptTemplate(ctx, "handler:alice", template(title, text))
	require.NoError(w.t, err)
	w.verify()
	return adopted
}

// begins returns the text of a reply that begins with a template.
func (w *world) begins(id incident.ID, b desk.Beginning) string {
	w.t.Helper()
	reply, _, err := w.alice.Draft(ctx, id, b)
	require.NoError(w.t, err)
	return reply.Text
}

// rtir:articles/basics
func TestAdoptTemplate(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store, has(map[string]string{"thanks": "Thank you.\n@INCLUDE=signature@\n", "signature": "@YOURNAME@", "signature.de": "Ihre @YOURNAME@"}))
		inv := w.child(incident.KindInvestigation)
		thanks := func() string { return w.begins(inv, desk.Beginning{Template: "thanks"}) }
		require.Equal(t, "Thank you.\nalice\n", thanks())

		first := w.adopt("thanks", "Thanks a lot.\n@INCLUDE=signature@\n")
		require.Equal(t, incident.Adopted{Document: "template/thanks", Name: "thanks", Version: 1, Blobs: first.Blobs}, first.Adopted)
		require.Equal(t, incident.Actor("handler:alice"), first.By)
		require.Equal(t, "Thanks a lot.\nalice\n", thanks(), "it goes before the one of the configuration")
		require.Equal(t, first, w.adopt("thanks", "Thanks a lot.\n@INCLUDE=signature@\n"), "the same again changes nothing")
		require.EqualValues(t, 1, w.adopt("thanks.de", "Danke.\n@INCLUDE=signature@\n").Version, "each language counts by itself")
		require.EqualValues(t, 2, w.adopt("thanks", "Thanks.\n").Version)
		require.Equal(t, "Danke.\nIhre alice\n", w.begins(inv, desk.Beginning{Template: "thanks", Language: "de-AT"}))
		_, text, err := desk.Adopted(ctx, store, desk.TemplateDocument("thanks", ""), 1)
		require.NoError(t, err)
		require.Equal(t, "Thanks a lot.\n@INCLUDE=signature@\n", string(text), "older versions are kept")
		versions, err := desk.Adoptions(ctx, store, "template/thanks")
		require.NoError(t, err)
		require.Len(t, versions, 2)
		require.Equal(t, first, versions[0])
		_, err = desk.Adopt(ctx, store, "handler:alice", desk.DocumentPolicy, "ours", []byte("base: janet"), desk.Config{})
		require.NoError(t, err)

		list, err := w.alice.Templates(ctx)
		require.NoError(t, err)
		var lines []string
		for _, one := range list {
			lines = append(lines, fmt.Sprintf("%s %s %d %q", one.Name, one.Language, one.Version, one.Text))
		}
		require.Equal(t, []string{
			`signature  0 "@YOURNAME@"`, `signature de 0 "Ihre @YOURNAME@"`,
			`thanks  2 "Thanks.\n"`, `thanks de 1 "Danke.\n@INCLUDE=signature@\n"`,
		}, lines)

		require.EqualValues(t, 3, w.adopt("thanks", "").Version, "retired")
		w.adopt("thanks.de", "")
		_, _, err = w.alice.Draft(ctx, inv, desk.Beginning{Template: "thanks"})
		require.EqualError(t, err, `desk: there is no template "thanks": allowed are signature`)
		list, err = w.alice.Templates(ctx)
		require.NoError(t, err)
		require.Equal(t, "thanks", list[2].Name)
		require.Empty(t, list[2].Text)
		w.adopt("thanks", "Once more.")
		require.Equal(t, "Once more.", thanks())
	})
}

// What cannot be used is not adopted, and neither is what makes others unfit for use.
func TestAdoptTemplateRefuses(t *testing.T) {
	w := newWorld(t, has(map[string]string{"thanks": "@INCLUDE=signature@", "signature": "@YOURNAME@"}), func(c *desk.Config) {
		c.Policy.Templates = workflow.Templates{Recipients: map[string]string{"@example.org": "formal"}}
		c.Policy.Reactions = []workflow.Reaction{{Name: "tell", On: []string{"opened"}, Mail: &workflow.MailReaction{Template: "told"}}}
	})
	for title, c := range map[string][2]string{
		"a":                     {"@STATE@ and @COMMENT@", "no variable STATE; known are HOSTNAME"},
		"b":                     {"@INCLUDE=none@", `no template "none" to include`},
		"c":                     {"@SUBJECT@x\n", "@SUBJECT@ without @ENDSUBJECT@"},
		"d":                     {"\x00", "allowed is text in UTF-8"},
		"e":                     {strings.Repeat("x", desk.MaxTemplate+1), "allowed are 262144"},
		"f":                     {"", `no template "f" to retire: allowed are signature, thanks`},
		"signature":             {"", `then thanks cannot be used: mail: template, line 1: no template "signature" to include`},
		"a b":                   {"x", "allowed are letters, digits, hyphens and underlines"},
		"a/b":                   {"x", "allowed are letters"},
		strings.Repeat("a", 65): {"x", "64 at most"},
		"":                      {"x", "cannot be called"},
		"g.de_AT":               {"x", `"de_AT" is no language of a template: allowed are tags like de or pt-BR`},
		"thanks.de.txt":         {"x", "is no language"},
	} {
		_, _, err := w.desk.AdoptTemplate(ctx, "handler:alice", template(title, c[0]))
		require.ErrorContains(t, err, c[1], title)
		_, checked := w.alice.CheckTemplate(ctx, template(title, c[0]))
		require.Equal(t, err, checked)
	}
	_, _, err := w.desk.AdoptTemplate(ctx, "handler:alice", template("signature", "@INCLUDE=thanks@"))
	require.ErrorContains(t, err, "an included template cannot include another")
	w.adopt("x.de", "x")
	_, _, err = w.desk.AdoptTemplate(ctx, "handler:alice", template("x.DE", "y"))
	require.ErrorContains(t, err, `written "DE": allowed is "de", as before`)
	_, err = desk.Adoptions(ctx, w.store, "template/a")
	require.NoError(t, err)

	_, warnings, err := w.desk.AdoptTemplate(ctx, "handler:alice", template("told", "It is so."))
	require.NoError(t, err)
	require.Equal(t, []string{`the policy names the template "formal", which the desk does not have`}, warnings)
}

// What is in force is found at once, however often something was adopted; also where
// the last adoption is of a time without lists.
func TestTemplatesAreFoundAtOnce(t *testing.T) {
	read := 0
	w := newWorldOn(t, crooked{memory.New(), func(r storage.Reader) storage.Reader { return counted{r, &read} }})
	inv := w.child(incident.KindInvestigation)
	w.adopt("thanks", "Thanks 0.")
	few := -1
	for i := range 50 {
		w.adopt("thanks", fmt.Sprintf("Thanks %d.", i+1))
		read = 0
		require.Equal(t, fmt.Sprintf("Thanks %d.", i+1), w.begins(inv, desk.Beginning{Template: "thanks"}))
		if few < 0 {
			few = read
		}
		require.Equal(t, few, read)
	}
	require.Equal(t, 1, few, "records")
	require.NoError(t, w.store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		draft := storage.NewDraft(tx)
		digest, err := draft.PutBlob(ctx, []byte("Old."))
		require.NoError(t, err)
		record := incident.Record{Ticket: incident.Desk, At: w.now, By: "handler:alice", Command: "adopt"}
		require.NoError(t, record.Encode(incident.Adopted{Document: "template/old", Name: "old", Version: 1, Blobs: []incident.Digest{digest}}))
		require.NoError(t, draft.Append(ctx, record))
		_, err = draft.Flush(ctx, tx)
		return err
	}))
	require.Equal(t, "Old.", w.begins(inv, desk.Beginning{Template: "old"}))
	require.Equal(t, "Thanks 50.", w.begins(inv, desk.Beginning{Template: "thanks"}))
	require.Greater(t, read, 50, "the whole history")
	require.EqualValues(t, 52, w.adopt("thanks", "Again.").Version)
	read = 0
	require.Equal(t, "Old.", w.begins(inv, desk.Beginning{Template: "old"}))
	require.Equal(t, 1, read)
}

// airt:6-languages
func TestTemplateLanguages(t *testing.T) {
	w := newWorld(t, has(map[string]string{
		"hello": "Hello @USERNAME@. @INCLUDE=end@", "hello.de": "Guten Tag. @INCLUDE=end@", "hello.nl": "Goedendag. @INCLUDE=end@",
		"end": "Bye.", "end.de": "Tschüss.",
	}), func(c *desk.Config) {
		c.Policy.Templates = workflow.Templates{
			Languages: map[string]string{"campus": "de", "@example.nl": "nl"},
			Choose:    []workflow.TemplateChoice{{Template: "hello"}},
		}
	})
	open := func(address, constituency string, parents ...incident.ID) incident.ID {
		return w.do(workflow.Open{Kind: incident.KindInvestigation, Subject: "Scan", Parents: parents, Constituency: constituency, Requestors: []incident.Party{{Name: "Bob", Address: address}}}).Opened[0]
	}
	require.Equal(t, "Hello Bob. Bye.", w.begins(open("bob@example.org", ""), desk.Beginning{}))
	require.Equal(t, "Guten Tag. Tschüss.", w.begins(open("bob@example.org", "campus"), desk.Beginning{}))
	require.Equal(t, "Goedendag. Bye.", w.begins(open("bob@example.nl", "campus"), desk.Beginning{}), "he counts before his constituency")
	require.Equal(t, "Guten Tag. Tschüss.", w.begins(open("bob@example.nl", ""), desk.Beginning{Language: "de-CH"}), "what is asked for counts before all")
	inc := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scan", Constituency: "campus"}).Opened[0]
	require.Equal(t, "Guten Tag. Tschüss.", w.begins(open("bob@example.org", "", inc), desk.Beginning{}), "that of its incident")
}

// A contact of the directory has a template and a language; what the policy says of the
// address counts before them.
func TestContactNamesTemplate(t *testing.T) {
	w := newWorld(t, has(map[string]string{"hello": "Hello.", "hello.de": "Guten Tag.", "terse": "Yes.", "terse.de": "Ja."}), func(c *desk.Config) {
		var err error
		c.Directory, err = lookup.NewDirectory(lookup.Document{Default: "world", Constituencies: []lookup.Constituency{
			{Name: "world"},
			{Name: "campus", Language: "de", Contacts: []lookup.Contact{{Address: "noc@example.org", Template: "terse"}, {Address: "abuse@example.org"}}},
		}}, lookup.Config{})
		require.NoError(t, err)
		c.Policy.Templates = workflow.Templates{
			Recipients: map[string]string{"@example.org": "hello"}, Languages: map[string]string{"ABUSE@example.org": "en"},
		}
	})
	open := func(address string) incident.ID {
		return w.do(workflow.Open{Kind: incident.KindInvestigation, Subject: "Scan", Requestors: []incident.Party{{Address: address}}}).Opened[0]
	}
	require.Equal(t, "Ja.", w.begins(open("NOC@example.org"), desk.Beginning{}))
	require.Equal(t, "Hello.", w.begins(open("abuse@example.org"), desk.Beginning{}), "no template of its own; the policy knows its language")
	require.Equal(t, "Hello.", w.begins(open("bob@example.org"), desk.Beginning{}), "no contact")
	require.Equal(t, map[string]string{"@example.org": "hello"}, w.desk.Policy().Templates.Recipients, "the policy stays as it was")
}

// Where nobody names a template the policy may; where it names one that the desk does
// not have, the draft goes on without.
func TestPolicyNamesTemplates(t *testing.T) {
	w := newWorld(t, has(map[string]string{"cut": "You are cut off.", "terse": "Yes.", "mine": "Mine."}), func(c *desk.Config) {
		c.Policy.Templates = workflow.Templates{
			Recipients: map[string]string{"noc@example.com": "terse", "eve@example.com": "gone"},
			Field:      "Letter",
			Choose:     []workflow.TemplateChoice{{Template: "cut", States: []incident.State{"blockrequest"}}},
		}
	})
	inc := w.incident()
	inv := w.child(incident.KindInvestigation, inc)
	require.Empty(t, w.begins(inv, desk.Beginning{}))
	w.setState(inc, "blockrequest")
	require.Equal(t, "You are cut off.", w.begins(inv, desk.Beginning{}), "a state names the template")
	require.Empty(t, w.begins(inv, desk.Beginning{Plain: true}))
	w.do(workflow.Edit{Ticket: inc, Fields: map[string][]string{"Letter": {"mine"}}})
	require.Equal(t, "Mine.", w.begins(inv, desk.Beginning{}), "an incident names its own")
	w.do(workflow.Edit{Ticket: inv, AddRequestors: []incident.Party{{Address: "noc@example.com"}}})
	require.Equal(t, "Yes.", w.begins(inv, desk.Beginning{}), "a recipient counts before both")
	require.Equal(t, "You are cut off.", w.begins(inv, desk.Beginning{Template: "cut"}), "what is asked for counts before all")
	w.do(workflow.Edit{Ticket: inv, Requestors: &[]incident.Party{{Address: "eve@example.com"}}})
	reply, drafted, err := w.alice.Draft(ctx, inv, desk.Beginning{})
	require.NoError(t, err)
	require.Equal(t, desk.Drafted{Missing: "gone"}, drafted)
	require.Empty(t, reply.Text)
}

// An acknowledgement is made of a template in the language of who gets it, and of the
// rule's own text where the template does not do.
func TestAcknowledgementFromTemplate(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		c.Policy = answering(t, workflow.AutomaticMail{}, false)
		for i, r := range c.Policy.Rules {
			if r.Name == "acknowledge" {
				c.Policy.Rules[i].Params = workflow.Acknowledge{Text: "It has come.", Template: "got"}
			}
		}
		c.Policy.Templates.Languages = map[string]string{"@example.nl": "nl"}
	})
	text := func(from string) (subject, text string) {
		t.Helper()
		_, rows := w.report(from, "")
		require.Len(t, rows, 1)
		m := w.letter(rows[0])
		return m.Subject, m.Text
	}
	_, said := text("bob@example.org")
	require.Equal(t, "It has come.", strings.TrimSpace(said), "there is none")
	w.adopt("got", "@TO@eve@example.com@ENDTO@\nWe have @INCIDENTID@ about\n@LOGGING|quote@\n")
	w.adopt("got.nl", "@SUBJECT@Ontvangen@ENDSUBJECT@\nHet is er.")
	w.adopt("thanks", "x")
	subject, said := text("bob@example.org")
	require.Equal(t, "[A CSIRT #2] Auto: Scan", subject)
	require.Regexp(t, `^We have A CSIRT #2 about\n> Scan from 192.0.2.7 at `, said)
	subject, said = text("bob@example.nl")
	require.Equal(t, "[A CSIRT #3] Auto: Ontvangen", subject)
	require.Equal(t, "Het is er.", strings.TrimSpace(said))
	w.adopt("got", "@XMLDATA@")
	_, said = text("bob@example.org")
	require.Equal(t, "It has come.", strings.TrimSpace(said), "nothing is known for it")
	require.Contains(t, w.desk.Policy().TemplateNames(), "got")
}
