package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// What comes along can be used, each in three languages.
func TestShippedTemplates(t *testing.T) {
	dir, err := fs.Sub(shipped, "templates")
	require.NoError(t, err)
	list, err := readTemplates(dir)
	require.NoError(t, err)
	languages := map[string]string{}
	for _, one := range list {
		languages[one.Name] += one.Language + ","
		include := func(name string) (string, bool) {
			other, ok := mail.Pick(list, name, one.Language)
			require.Equal(t, one.Language, other.Language)
			return other.Text, ok
		}
		require.NoError(t, mail.Check(one.Text, mail.Schema{Variables: mail.TemplateVariables(), Include: include}), one.Name)
		for line := range strings.Lines(one.Text) {
			require.LessOrEqual(t, len([]rune(line)), 90, line)
		}
	}
	require.Equal(t, map[string]string{"block": "de,nl,,", "first-contact": "de,nl,,", "signature": "de,nl,,", "thanks": "de,nl,,"}, languages)
}

func TestTemplateCommands(t *testing.T) {
	b := newBench(t)
	b.fed("From: Bob <bob@example.org>\nSubject: Scan\nMessage-ID: <1@example.org>\n\nLook at http://192.0.2.7/ please.\n", "receive", "--from", "bob@example.org")
	b.ok("open", "incident", "--from", "1", "--field", "Classification=Scan", "--constituency", "main", "--observable", "192.0.2.7=source")

	require.Contains(t, b.ok("template", "list"), "thanks.nl         -        comes along  Dank u wel")
	page := b.ok("template", "list", "--limit", "2")
	require.Equal(t, "more: --after block.de\n", page[strings.Index(page, "more"):])
	require.Equal(t, 3, strings.Count(b.ok("template", "list", "--after", "signature.nl"), "thanks"))
	var list []desk.Template
	b.decode(&list, "template", "list", "--limit", "0")
	require.Len(t, list, 12)
	b.decode(&list, "template", "list", "--after", "z")
	require.Empty(t, list)
	require.Contains(t, b.ok("template", "show", "thanks", "--language", "de-AT"), "Vielen Dank für Ihre Meldung.")
	require.Equal(t, "12 of 12 templates can be used\n", b.ok("template", "check"))

	preview := b.ok("template", "preview", "first-contact", "2")
	require.Contains(t, preview, "To: nobody\nSubject: A system in your network: 192.0.2.7\n\nHello,\n")
	require.Contains(t, preview, "> Look at hxxp://192[.]0[.]2[.]7/ please.\n")
	require.Contains(t, b.ok("template", "preview", "thanks", "1", "--language", "nl"), "To: Bob <bob@example.org>\nSubject: Scan\n\nDank u wel")
	var tried struct{ Subject string }
	b.decode(&tried, "template", "preview", "first-contact", "2")
	require.Equal(t, "A system in your network: 192.0.2.7", tried.Subject)

	path := filepath.Join(t.TempDir(), "thanks.txt")
	write := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }
	write("Thanks for @STATE@.\n")
	require.Contains(t, b.refused(exitRefused, "template", "adopt", path), "thanks: template, line 1: no variable STATE; known are HOSTNAME")
	out, errs, code := b.try(strings.NewReader(""), "template", "check", path)
	require.Equal(t, exitRefused, code)
	require.Contains(t, out, "thanks: template, line 1: no variable STATE")
	require.Contains(t, errs, "1 of 1 templates cannot be used")
	write("Thanks.\n@YOURNAME@ @USERINFO@")
	require.Contains(t, b.ok("template", "adopt", path, "--preview"), "preview, nothing is stored: thanks can be adopted")
	require.Contains(t, b.ok("template", "list"), "thanks            -")
	require.Equal(t, "version 1 of the template thanks is in force\n", b.ok("template", "adopt", path))
	require.Contains(t, b.ok("template", "list"), "thanks            1        2026-03-02 09:00 by handler:alice  Thanks.")
	require.Equal(t, "version 2 of the template thanks retires it\n", b.ok("template", "retire", "thanks"))
	require.Contains(t, b.ok("template", "list"), "(retired)")
	require.Equal(t, "version 3 of the template thanks is in force\n", b.ok("template", "adopt", path))
	require.Equal(t, "version 1: 2026-03-02 09:00 by handler:alice\nversion 2: 2026-03-02 09:00 by handler:alice, retired\nversion 3: 2026-03-02 09:00 by handler:alice\n", b.ok("template", "history", "thanks"))
	require.Equal(t, "", b.ok("template", "show", "thanks", "--version", "2"))
	require.Contains(t, b.refused(exitRefused, "template", "show", "thanks", "--version", "4"), "allowed are 1 to 3")
	require.Contains(t, b.refused(exitRefused, "template", "show", "nothing"), "desk template list shows all")
	require.Contains(t, b.refused(exitRefused, "template", "retire", "nothing"), "allowed are block, first-contact, signature, thanks")
	require.Contains(t, b.refused(exitRefused, "template", "history", "nothing"), "no version of the template nothing")
	require.Contains(t, b.refused(exitUsage, "template", "brew"), "allowed are list | show NAME")
	require.Contains(t, b.refused(exitUsage, "template", "adopt", "thanks"), "allowed are NAME.txt, and NAME.de.txt")
	require.Contains(t, b.refused(exitUsage, "template", "list", "--limit", "-1"), "allowed are 0 and more")

	// Drafts, and mail that begins with a template.
	require.Regexp(t, `^Thanks.\nalice We rang.\n\nOn .*, Bob wrote:\n> Look at`, b.ok("draft", "1", "--template", "thanks", "--info", "We rang."))
	require.Equal(t, "Thanks.\nalice \n", b.ok("draft", "1", "--template", "thanks", "--empty")+"\n")
	require.Empty(t, b.ok("draft", "1", "--empty", "--plain"))
	var drafted struct {
		workflow.Reply
		Drafted desk.Drafted `json:"drafted"`
	}
	b.decode(&drafted, "draft", "1", "--template", "thanks", "--data", "xirl")
	require.Equal(t, desk.Drafted{Template: "thanks", Version: 3}, drafted.Drafted)
	require.Equal(t, "xirl.xml", drafted.Attachments[0].Name)
	require.Contains(t, b.refused(exitRefused, "draft", "1", "--template", "nothing"), "allowed are block, first-contact, signature, thanks")
	require.Contains(t, b.refused(exitRefused, "draft", "1", "--data", "morse"), "allowed are xirl, airt, iodef, xarf")

	shown := b.ok("reply", "1", "Dear Bob,", "--template", "thanks", "--preview")
	require.Contains(t, shown, "To: Bob <bob@example.org>\nSubject: Scan\n\nDear Bob,\n\nThanks.\nalice \n")
	require.Contains(t, shown, "preview, nothing is stored")
	require.NotContains(t, b.ok("show", "1"), "mail to")
	require.Contains(t, b.ok("reply", "1", "--template", "thanks", "--data", "xirl"), "mail to Bob")
	require.Contains(t, b.ok("show", "1"), "xirl.xml")
	shown = b.ok("open", "investigation", "--from", "2", "--requestor", "noc@example.com", "--template", "first-contact", "--preview")
	require.Contains(t, shown, "To: noc@example.com\nSubject: A system in your network: 192.0.2.7\n\nHello,\n")
	require.Contains(t, b.ok("open", "investigation", "--from", "2", "--requestor", "noc@example.com", "--template", "first-contact"), `[A CSIRT #3] A system in your network: 192.0.2.7`)
	require.Contains(t, b.ok("open", "block", "--from", "2", "--requestor", "noc@example.com", "--template", "block", "--language", "nl"), "Van het netwerk afgesloten: 192.0.2.7")

	// A directory of one's own goes before what comes along, and what is adopted before both.
	b.env["AIRTIGHT_TEMPLATES"] = filepath.Dir(path)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "block.txt"), []byte("@NONE@"), 0o600))
	require.Contains(t, b.refused(exitRefused, "template", "list"), "--templates: block: mail: template, line 1: no variable NONE")
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "block.txt"), []byte("Ours."), 0o600))
	require.Contains(t, b.ok("template", "list"), "block             -        comes along")
	require.NotContains(t, b.ok("template", "list"), "block.de")
	require.Equal(t, "Ours.", b.ok("template", "show", "block", "--language", "de"))

	// What the policy names and nobody has is told.
	b.env["AIRTIGHT_TEMPLATES"] = ""
	b.env["AIRTIGHT_POLICY"] = b.document("base: janet\nname: ours\ntemplates:\n  choose: [{template: first-contact, kinds: [investigation]}]\n")
	draft, err := workflow.ParseCommand([]byte(b.ok("open", "investigation", "--from", "2", "--requestor", "noc@example.com", "--prefill")))
	require.NoError(t, err)
	require.Equal(t, "A system in your network: 192.0.2.7", draft.(workflow.Open).Subject)
	require.Regexp(t, `(?s)^Hello,.*alice\n.*> Look at`, draft.(workflow.Open).Text)
	require.Contains(t, b.ok("open", "investigation", "--from", "2", "--requestor", "noc@example.com", "--preview"), `"[A CSIRT #5] Scan"`, "what is sent at once begins with a template that somebody has named")
	b.env["AIRTIGHT_POLICY"] = ""

	ours := b.document("base: janet\nname: ours\ntemplates:\n  choose: [{template: gone, kinds: [report]}]\n")
	_, errs, code = b.try(strings.NewReader(""), "policy", "adopt", ours)
	require.Zero(t, code)
	require.Contains(t, errs, `the policy names the template "gone", which the desk does not have`)
	out, errs, code = b.try(strings.NewReader(""), "draft", "1")
	require.Zero(t, code)
	require.Contains(t, out, " wrote:")
	require.Contains(t, errs, `the policy names the template "gone", which the desk does not have`)
	require.Contains(t, b.ok("template", "check"), `the policy names the template "gone", which the desk does not have`)
}
