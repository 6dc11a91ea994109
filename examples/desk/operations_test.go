package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/workflow/desk"
)

func TestReject(t *testing.T) {
	b := newBench(t)
	for range 3 {
		b.ok("open", "report", "--subject", "Offer", "--requestor", "spam@example.com", "--as", "bob")
	}
	b.ok("assign", "1", "2", "--to", "nobody", "--as", "bob")
	out, said, code := b.try(nil, "reject", "1", "2", "3", "99", "--preview")
	require.Equal(t, exitRefused, code, "as it will be")
	require.Contains(t, out, "nothing is stored")
	require.Contains(t, out, "new -> rejected")
	require.Contains(t, said, "2 of 4 tickets were left as they are")
	require.NotContains(t, b.ok("list", "all"), "rejected")
	out, said, code = b.try(nil, "reject", "1", "2", "3", "99")
	require.Equal(t, exitRefused, code)
	require.Contains(t, out, "#2.4 status new -> rejected")
	require.Contains(t, said, "#3 is left as it is: ticket 3 is already taken by handler:bob")
	require.Contains(t, said, "#99 is left as it is: there is no ticket 99")
	require.Contains(t, said, "2 of 4 tickets were left as they are")
	require.Contains(t, b.ok("list", "all", "--status", "rejected"), "2 of 2")
	require.Contains(t, b.ok("reject", "3", "--steal", "--text", "Not ours."), "mail to spam@example.com")
	require.Contains(t, b.ok("reject", "3", "--preview"), "nothing to change")
	var result desk.Result
	b.ok("reopen", "1")
	b.decode(&result, "reject", "1")
	require.Len(t, result.Records, 1)
}

func TestResolveAndAbandon(t *testing.T) {
	b := newWork(t)
	require.Contains(t, b.refused(exitRefused, "abandon", "3"), "an investigation has no such end")
	out := b.ok("resolve", "2", "--reply", "It is done.", "--child", "3", "--comment", "Cleaned.", "--resolution", "no response from other ISP")
	require.Contains(t, out, "mail to NOC <noc@example.org>")
	require.Contains(t, out, "Resolution=no response from other ISP")
	require.Contains(t, out, "comment")
	require.Contains(t, out, "#3.5 status open -> resolved (because close-children, #2.")
	b.ok("reopen", "2")
	require.Contains(t, b.ok("abandon", "2"), "Resolution=no resolution reached (because resolution")
}

func TestMergeAndSplit(t *testing.T) {
	b := newWork(t)
	b.fed(firstMail+"Once more.\n", "receive", "--from", "bob@example.org")
	require.Contains(t, b.refused(exitRefused, "merge", "4", "1"), "take ticket 4 and take ticket 1 first")
	b.ok("take", "4", "1")
	require.Contains(t, b.ok("merge", "4", "1"), "#4.4 merged into #1")
	require.Contains(t, b.refused(exitRefused, "comment", "4", "x"), "merged into ticket 1: work on that one")
	require.Contains(t, b.refused(exitRefused, "merge", "1", "2"), "the number of a report")
	require.Contains(t, b.ok("unmerge", "4"), "#1.6 gave back #4")
	b.ok("link", "1", "2")
	split := b.ok("open", "report", "--from", "1", "--subject", "The other address")
	require.Contains(t, split, "linked to incident #2, made from #1")
	require.Contains(t, split, `"The other address"`)
}

func TestFromAndPrefill(t *testing.T) {
	b := newWork(t)
	filled := b.ok("open", "incident", "--from", "1", "--field", "Classification=Scan", "--prefill")
	require.True(t, json.Valid([]byte(filled)), filled)
	require.Contains(t, filled, `"subject":"Scan"`)
	require.Contains(t, b.ok("do", filled), "#1.3 linked to incident #4")
	require.Contains(t, b.refused(exitRefused, "open", "report", "--from", "2", "--prefill"), "the number of a report, which is split")
}

func TestReplyAllAndCalls(t *testing.T) {
	b := newWork(t)
	b.ok("link", "1", "2")
	require.Contains(t, b.ok("reply-all", "2", "News.", "--kind", "report"), "mail to Bob <bob@example.org>")
	require.Contains(t, b.fed("To everybody.", "reply-all", "2"), "mail to NOC <noc@example.org>")
	require.Contains(t, b.refused(exitRefused, "reply-all", "2", "x", "--kind", "incident"), "allowed is report, investigation, block")
	require.Contains(t, b.ok("call", "3", "--person", "Nora", "--number", "+44 20 7946 0000", "--left", "Asked her to call."),
		`call to Nora, +44 20 7946 0000, left: "Asked her to call."`)
	require.Contains(t, b.ok("call", "3", "She rang back.", "--in"), "call from somebody")
	require.Contains(t, b.ok("show", "3"), "She rang back.")
	require.Contains(t, b.ok("resend", "3", "--to", "manager@example.org"), "mail once more to NOC <noc@example.org>, manager@example.org")
	require.Contains(t, b.ok("show", "3"), "waited         0 due dates passed without an answer, sent again 1 times")
	require.Contains(t, b.refused(exitRefused, "resend", "2"), "an incident has no correspondents")
}

func TestChildrenAndActions(t *testing.T) {
	b := newWork(t)
	b.ok("link", "1", "2")
	b.ok("reject", "1")
	require.Contains(t, b.ok("children", "2"), "children of #2: 1 of 1 tickets")
	require.Contains(t, b.ok("children", "2", "--all"), "children of #2: 2 of 2 tickets")
	require.Equal(t, "Re-open: desk move 1 open\n", b.ok("actions", "1"))
	require.Contains(t, b.refused(exitRefused, "actions", "99"), "there is no ticket 99")
}

// What comes by letter is scanned and attached (JANET 3.4).
func TestAttach(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "letter.txt")
	require.NoError(t, os.WriteFile(file, []byte("Dear Sirs"), 0o600))
	b.ok("open", "report", "--subject", "By post", "--via", "post", "--text", "A letter.", "--attach", file,
		"--field", "Reporter Type=police", "--field", "Originals=cabinet 3")
	require.Contains(t, b.ok("show", "1"), "attachment 1: letter.txt, text/plain; charset=utf-8, 9 bytes")
	require.Contains(t, b.refused(exitUsage, "open", "report", "--attach", file+"x"), "no such file")
	require.Contains(t, b.refused(exitRefused, "open", "report", "--field", "Reporter Type=king"), "one of customer, external individual")
}
