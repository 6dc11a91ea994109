package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

const mixed = "From: Bob <bob@example.org>\r\nSubject: Logs\r\nMessage-ID: <2@example.org>\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\nSee the logs.\r\n" +
	"--b\r\nContent-Type: application/octet-stream; name=\"../log.bin\"\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC/w==\r\n" +
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n" +
	"--c\r\nContent-Type: image/png\r\n\r\nnot a picture\r\n--c--\r\n" +
	"--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=notes.txt\r\n\r\nnotes\r\n" +
	"--b\r\nContent-Type: text/plain; name=more.txt\r\n\r\nmore\r\n" +
	"--b--\r\n"

func TestShow(t *testing.T) {
	b := newWork(t)
	b.fed(mixed, "receive", "--from", "bob@example.org")
	b.ok("comment", "4", "Seen.")
	shown := b.ok("show", "4")
	for _, want := range []string{
		"ticket         #4, report, version 3\nsubject        Logs\nstatus         new (initial)\nowner          nobody\n",
		"  #4.2  2026-03-02 09:00 UTC  correspondent  message from Bob <bob@example.org> [new]: \"Logs\"\n",
		"  why: It has no tag of ours and answers no message that is known.\n",
		"  finding: header: no Date (RFC 5322 3.6.1)\n",
		"  | See the logs.\n  attachment 1: log.bin, application/octet-stream, 4 bytes\n",
		"  attachment 2: inner.eml, message/rfc822, ",
		"  attachment 3: notes.txt, text/plain, ",
		"  attachment 4: more.txt, text/plain, ",
		"\n#4.3 comment\n  | Seen.\n",
	} {
		require.Contains(t, shown, want)
	}
	require.Equal(t, "\x00\x01\x02\xff", b.ok("show", "4", "--attachment", "1"))
	require.Contains(t, b.ok("show", "4", "--attachment", "2"), "Subject: inner")
	require.Contains(t, b.refused(exitRefused, "show", "4", "--attachment", "5"), "allowed are 1 to 4")
	require.Contains(t, b.refused(exitRefused, "show", "1", "--attachment", "1"), "there is no attachment")
	require.Equal(t, mixed, b.ok("show", "4", "--raw", "2"))
	require.Contains(t, b.refused(exitRefused, "show", "99"), "there is no ticket 99")
	require.Contains(t, b.refused(exitRefused, "show", "99", "--raw", "1"), "there is no ticket 99")

	require.Contains(t, b.ok("show", "3"), "[A CSIRT #3] Scans\"\n  | Please look.\n", "the text of a mail, without its header")
	require.Contains(t, b.ok("show", "3"), "\nOutgoing mail\n  #3.2 to noc@example.org: queued\n")
}

// shownDocument is what show --json prints, as another program reads it.
type shownDocument struct {
	Ticket  incident.Ticket `json:"ticket"`
	History []struct {
		Record incident.Record `json:"record"`
		Event  json.RawMessage `json:"event"`
		What   string          `json:"what"`
	} `json:"history"`
	Outgoing []storage.Outgoing `json:"outgoing"`
}

func TestShowJSON(t *testing.T) {
	b := newWork(t)
	b.ok("link", "1", "2")
	var doc shownDocument
	b.decode(&doc, "show", "1")
	require.Len(t, doc.History, 4)
	require.Equal(t, "status new -> open (because open-linked-report, #1.3)", doc.History[3].What)
	require.JSONEq(t, `{"from":"new","to":"open","phase":"active"}`, string(doc.History[3].Event))
	var history []incident.Record
	for _, e := range doc.History {
		history = append(history, e.Record)
	}
	folded, err := incident.Verify(history)
	require.NoError(t, err, "the chain survives JSON")
	require.Equal(t, doc.Ticket, folded)
	b.decode(&doc, "show", "3")
	require.Len(t, doc.Outgoing, 1)
}

func TestPrintable(t *testing.T) {
	b := newBench(t)
	b.fed(letter("\"\x1b[2J\" <eve@example.org>", "=?utf-8?B?G1sySm9uZSDigK4gdHdv?=", "", "red \x1b[31m\x00\ttab\r\nline"), "receive")
	for _, out := range []string{b.ok("list"), b.ok("show", "1")} {
		require.NotContains(t, out, "\x1b")
		require.NotContains(t, out, "\u202e")
		require.NotContains(t, out, "\x00")
		require.Contains(t, out, "[2Jone \ufffd two")
	}
	require.Contains(t, b.ok("show", "1"), "    tab\n  | line\n")
}

func TestTimelineTellsEveryEvent(t *testing.T) {
	tell := teller{zone: newBench(t).now.Location()}
	seven := 7
	for event, want := range map[*incident.Event]string{
		ptr(incident.Held{Reason: "two-tags", Candidates: []incident.ID{1, 2}}):                 "held: two-tags, may belong to #1, #2",
		ptr(incident.Delivered{Outcome: incident.Accepted}):                                     "no longer held: accepted",
		ptr(incident.Merged{From: 3}):                                                           "took over #3",
		ptr(incident.ReceivedAgain{Same: "bytes"}):                                              "received again: same bytes",
		ptr(incident.Skipped{Rule: "close-children", Command: "close", Why: "it has an owner"}): "close of rule close-children was not possible: it has an owner",
		ptr(incident.Redacted{Version: 2, Why: "asked for"}):                                    "content of record 2 erased: asked for",
		ptr(incident.Custom{Name: "phone"}):                                                     "custom event phone",
		ptr(incident.Unknown{Name: "later"}):                                                    "event later",
		ptr(incident.Edited{Priority: &seven}):                                                  "edited: priority 7",
		ptr(incident.Message{Thread: "tag", Flags: []string{"stranger"}}):                       `message from unknown [tag, stranger]: ""`,
	} {
		require.Equal(t, want, tell.event(*event))
	}
	require.Contains(t, tell.record(incident.Record{Type: "moved", Data: []byte("{")}), "malformed record")
}

func ptr(e incident.Event) *incident.Event { return &e }
