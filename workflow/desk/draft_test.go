package desk_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// janet:3.12-quoted
func TestReplyBeginsQuoted(t *testing.T) {
	w := newWorld(t)
	report := w.raw("bob@example.org", "From: Bob <bob@example.org>\r\nCc: eve@example.com\r\nDate: Mon, 2 Mar 2026 08:00:00 +0100\r\nSubject: Scan\r\nMessage-ID: <1@example.org>\r\n\r\n"+
		"Please help.\r\n> They began.\r\n").Ticket
	empty, _, err := w.alice.Draft(ctx, report, desk.Beginning{})
	require.NoError(t, err)
	require.Equal(t, workflow.Reply{Ticket: report, Subject: "Scan"}, empty, "nobody of its Cc is taken over")
	quoted, _, err := w.alice.Draft(ctx, report, desk.Beginning{Quoted: true})
	require.NoError(t, err)
	require.Equal(t, "On Mon, 2 Mar 2026 07:00 UTC, Bob wrote:\n> Please help.\n>> They began.\n", quoted.Text)

	quoted.Text = "We do.\n\n" + quoted.Text
	w.do(quoted)
	m := w.letter(w.row())
	require.Equal(t, "[A CSIRT #1] Scan", m.Subject)
	require.Equal(t, []string{"1@example.org"}, m.InReplyTo)
	require.Equal(t, quoted.Text, m.Text)
	require.Equal(t, "We do.\n", mail.Unquoted(m.Text))

	call := w.do(workflow.Open{Kind: incident.KindReport, Subject: "Call", Requestors: []incident.Party{{Name: "Carol", Address: "carol@example.com"}}, Text: "It burns."}).Opened[0]
	none, _, err := w.alice.Draft(ctx, call, desk.Beginning{Quoted: true})
	require.NoError(t, err)
	require.Empty(t, none.Text, "what was typed has no number that a reply could name")
	_, _, err = w.alice.Draft(ctx, w.incident(), desk.Beginning{})
	require.ErrorContains(t, err, "an incident has no correspondents")
	_, _, err = w.alice.Draft(ctx, 99, desk.Beginning{})
	require.ErrorIs(t, err, storage.ErrNotFound)
}

// Reply and resolve in one go: both or none.
func TestReplyAndResolve(t *testing.T) {
	w := newWorld(t)
	inv := w.child(incident.KindInvestigation)
	w.do(workflow.Reply{Ticket: inv, Text: "It is done."}, workflow.Resolve{Ticket: inv})
	w.status("resolved", inv)
	require.Len(t, w.outgoing(), 1)
	require.ErrorContains(t, w.refused(workflow.Reply{Ticket: inv, Text: "Again."}, workflow.Move{Ticket: inv, To: "burnt"}), "burnt")
}

func TestSquelched(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		c.Policy.Squelched = []string{"quiet@example.org", "@silent.example"}
		c.ReplyTo = incident.Party{Address: "answers@example.net"}
	})
	party := func(address string) incident.Party { return incident.Party{Address: address} }
	inv := w.do(workflow.Open{
		Kind: incident.KindInvestigation, Subject: "Scan", Requestors: []incident.Party{party("bob@example.org"), party("Quiet@example.org")},
		Cc: []incident.Party{party("carol@silent.example"), party("dave@example.com"), party("bob@example.org"), party("answers@example.net")},
	}).Opened[0]
	sent := func(c workflow.Reply) (to []string) {
		t.Helper()
		w.do(c)
		version := w.ticket(inv).Version
		for _, o := range w.rows(inv) {
			if o.Version >= version-1 && strings.HasPrefix(o.ID(), fmt.Sprintf("%d.%d.", inv, o.Version)) && o.Queued.Equal(w.now) {
				to = append(to, o.To)
			}
		}
		return to
	}
	require.Equal(t, []string{"bob@example.org", "dave@example.com"}, sent(workflow.Reply{Ticket: inv, Text: "Hello."}))
	m := w.letter(w.outgoing()[0])
	require.Equal(t, []incident.Party{party("answers@example.net")}, m.ReplyTo)
	require.Equal(t, []string{"bob@example.org", "dave@example.com", "quiet@example.org"},
		sent(workflow.Reply{Ticket: inv, Text: "Hello.", Cc: []incident.Party{party("quiet@example.org"), party("answers@example.net")}}), "named for this mail")
	w.do(workflow.Edit{Ticket: inv, Requestors: &[]incident.Party{party("eve@silent.example")}, Cc: &[]incident.Party{}})
	require.ErrorContains(t, w.refused(workflow.Reply{Ticket: inv, Text: "Hello."}), "nobody is left to write to")
	_, err := desk.New(w.store, desk.Config{ReplyTo: party("nobody")})
	require.ErrorContains(t, err, "Config.ReplyTo")
	p := workflow.Default()
	p.Squelched = []string{"no address"}
	require.ErrorContains(t, p.Validate(), `squelches "no address": allowed are mail addresses like bob@example.org, and domains like @example.org`)
}

const withFiles = "From: Bob <bob@example.org>\r\nTo: csirt@example.net\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <7@example.org>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello.\r\n" +
	"--x\r\nContent-Type: application/octet-stream; name=sample.bin\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwT/\r\n" +
	"--x\r\nContent-Type: message/rfc822\r\n\r\nFrom: eve@example.com\r\nSubject: Offer\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\nContent-Type: text/plain\r\n\r\nBuy.\r\n--y\r\nContent-Type: image/png; name=a.png\r\n\r\nx\r\n--y--\r\n" +
	"--x\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=log.txt\r\n\r\n192.0.2.7\r\n--x--\r\n"

// An investigation is launched with some of the files of a report (JANET 3.13).
func TestLaunchedWithFilesOfTheReport(t *testing.T) {
	w := newWorld(t)
	report := w.raw("bob@example.org", withFiles).Ticket
	files, err := w.alice.Files(ctx, report, 2)
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, f.Name+" "+f.Type)
	}
	require.Equal(t, []string{"sample.bin application/octet-stream", "Offer.eml message/rfc822", "log.txt text/plain"}, names, "a mail in it is whole")
	require.Equal(t, []byte{0, 1, 2, 3, 4, 0xff}, files[0].Content)
	inv := w.do(workflow.Open{
		Kind: incident.KindInvestigation, Subject: "Grüße", Parents: []incident.ID{w.incident()}, Requestors: []incident.Party{{Address: "noc@example.org"}},
		Text: "Please look.", Attachments: files[1:],
	}).Opened[0]
	launched, err := w.alice.Files(ctx, inv, 2)
	require.NoError(t, err)
	require.Len(t, launched, 2)
	require.Equal(t, files[1].Content, launched[0].Content)
	require.Equal(t, files[2].Content, launched[1].Content)

	call := w.do(workflow.Open{Kind: incident.KindReport, Subject: "Fax", Text: "See.", Attachments: files[:1]}).Opened[0]
	kept, err := w.alice.Files(ctx, call, 2)
	require.NoError(t, err)
	require.Equal(t, files[:1], kept)
	_, err = w.alice.Files(ctx, call, 1)
	require.ErrorIs(t, err, desk.ErrNoBody)
}

// What we send is what others read in it.
func TestPythonReadsOurMail(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("AIRTIGHT_REQUIRE_PYTHON") != "" {
			t.Fatal("python3 is not on this machine, and AIRTIGHT_REQUIRE_PYTHON is set")
		}
		t.Skip("python3 is not on this machine: nobody else reads our mail")
	}
	w := newWorld(t, func(c *desk.Config) {
		c.ReplyTo = incident.Party{Name: "Antworten, bitte", Address: "answers@example.net"}
	})
	report := w.raw("bob@example.org", withFiles).Ticket
	files, err := w.alice.Files(ctx, report, 2)
	require.NoError(t, err)
	subject := "Größe " + strings.Repeat("sehr lange Wörter ", 12) + "[Theirs #3]"
	text := "Hello.\n\nFrom the start: Ünïcödé, a line of " + strings.Repeat("x", 200) + "\n.\n-- \nA CSIRT\n"
	w.do(workflow.Reply{Ticket: report, Subject: subject, Text: text, Attachments: files, Cc: []incident.Party{{Name: `Doe, "Jö"`, Address: "doe@example.com"}}})
	body, err := w.alice.Body(ctx, report, w.outgoing()[0].Version)
	require.NoError(t, err)
	const script = `
import sys, email, email.policy, base64
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
def out(s): print(base64.b64encode(s if isinstance(s, bytes) else str(s).encode()).decode())
out(m["Subject"]); out(m["In-Reply-To"]); out(m["Reply-To"].addresses[0].display_name); out(m["Cc"].addresses[0].display_name)
out(m.get_body(("plain",)).get_content()); out(len(m.defects))
for p in m.iter_attachments():
    out(p.get_filename() or "-")
    c = p.get_content()
    out(c if isinstance(c, (bytes, str)) else c["Subject"])
`
	cmd := exec.Command(python, "-c", script)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(body), new(bytes.Buffer)
	printed, err := cmd.Output()
	require.NoError(t, err, "%s", cmd.Stderr)
	var got []string
	for line := range strings.FieldsSeq(string(printed)) {
		value, err := base64.StdEncoding.DecodeString(line)
		require.NoError(t, err)
		got = append(got, strings.ReplaceAll(string(value), "\r\n", "\n"))
	}
	require.Equal(t, []string{
		"[A CSIRT #1] " + subject, "<7@example.org>", "Antworten, bitte", `Doe, "Jö"`, text, "0",
		"sample.bin", "\x00\x01\x02\x03\x04\xff", "Offer.eml", "Offer", "log.txt", "192.0.2.7",
	}, got)
	require.Less(t, longestLine(body), 79)
}

func longestLine(raw []byte) (most int) {
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		most = max(most, len(line))
	}
	return most
}
