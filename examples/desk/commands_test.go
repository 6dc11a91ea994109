package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// newWork is a bench with report 1, incident 2 and investigation 3 under it.
func newWork(t *testing.T) *bench {
	b := newBench(t)
	b.fed(firstMail, "receive", "--from", "bob@example.org")
	require.Equal(t, "#2.1 incident opened as open, owner handler:alice: \"Scans\"\n", b.ok("open", "incident", "--subject", "Scans", "--field", "Classification=Scan"))
	b.ok("open", "investigation", "--parent", "2", "--subject", "Scans", "--requestor", "NOC <noc@example.org>", "--text", "Please look.")
	return b
}

func TestOwners(t *testing.T) {
	b := newWork(t)
	require.Equal(t, "#1.3 owner nobody -> handler:alice\n", b.ok("take", "1"))
	require.Equal(t, "nothing to change: all is so already\n", b.ok("take", "#1", "2"))
	require.Contains(t, b.refused(exitRefused, "take", "1", "--as", "bob"), "ticket 1 is already taken by handler:alice")
	require.Equal(t, "#1.4 owner handler:alice -> handler:bob\n"+
		"#1.5 handler:bob told: it was given to you (no mailbox is known) (because notify-assigned, #1.4)\n", b.ok("assign", "1", "--to", "bob"))
	require.Contains(t, b.refused(exitRefused, "release", "1"), "taken by handler:bob")
	require.Equal(t, "#1.6 owner handler:bob -> nobody\n", b.ok("release", "1", "--as", "bob"))
	require.Equal(t, "#1.7 owner nobody -> handler:carol\n", b.ok("steal", "1", "--as", "carol"))
	require.Equal(t, "#2.3 owner handler:alice -> nobody\n", b.ok("assign", "2", "--to", "nobody"))
	require.Contains(t, b.refused(exitRefused, "take", "2", "99"), "there is no ticket 99")
	require.Contains(t, b.ok("show", "2"), "owner          nobody", "all or nothing")
}

func TestStatuses(t *testing.T) {
	b := newWork(t)
	require.Equal(t, "#1.3 linked to incident #2\n#1.4 status new -> open (because open-linked-report, #1.3)\n"+
		"#2.3 edited: with 192.0.2.7 (because copy-observables, #1.3)\n", b.ok("link", "1", "2"))
	require.Contains(t, b.refused(exitRefused, "move", "1", "resolved"), "only its owner may, and nobody owns it: take it first")
	b.ok("take", "1")
	require.Equal(t, `report 1 cannot move from "open" to "removed": allowed are "resolved", "rejected"`, b.refused(exitRefused, "move", "1", "removed"))
	require.Contains(t, b.refused(exitRefused, "move", "99", "open"), "there is no ticket 99")
	require.Equal(t, "#1.6 unlinked from incident #2\n", b.ok("unlink", "1", "2"))
	require.Contains(t, b.ok("move", "3", "RESOLVED"), "#3.4 status open -> resolved\n")
	require.Contains(t, b.ok("reopen", "3"), "#3.5 status resolved -> open\n")
	require.Contains(t, b.refused(exitRefused, "link", "1", "3"), "the number of an incident")
	b.ok("open", "block", "--parent", "2", "--requestor", "noc@example.com")
	b.ok("move", "4", "active")
	waits := b.ok("resolve", "2")
	require.Contains(t, waits, "block 4 is in place: its removal is asked for") // JANET 3.17
	require.Contains(t, waits, "status active -> pending removal")
	require.Contains(t, waits, `mail to noc@example.com: "[A CSIRT #4] Scans" (because request-block-removal`)
	require.Contains(t, b.ok("show", "4"), "Please remove this block")
	b.ok("move", "4", "removed")
	require.Contains(t, b.ok("resolve", "2", "--comment", "Cleaned."), "status open -> resolved (because close-children, #2.")
}

func TestTexts(t *testing.T) {
	b := newWork(t)
	require.Equal(t, "#2.3 comment\n", b.ok("comment", "2", "Called", "the site."))
	require.Equal(t, "Called the site.", b.ok("show", "2", "--raw", "3"))
	b.fed("From standard input.\n", "comment", "2")
	require.Equal(t, "From standard input.\n", b.ok("show", "2", "--raw", "4"))
	require.Contains(t, b.refused(exitRefused, "comment", "2"), "standard input is empty")
	require.Contains(t, b.refused(exitRefused, "show", "2", "--raw", "1"), "record 1 of ticket 2 has no text")
	require.Contains(t, b.refused(exitRefused, "reply", "2", "Hello"), "an incident has no correspondents")

	require.Equal(t, "#1.3 mail to Bob <bob@example.org>, copy to Carol <carol@example.org>: \"[A CSIRT #1] Scan\"\n",
		strings.SplitAfter(b.ok("reply", "1", "Thank you.", "--cc", "Carol <carol@example.org>"), "\n")[0])
	require.Contains(t, b.ok("show", "1"), "#1.3 to carol@example.org: queued")
	require.Contains(t, b.fed("Thanks again.", "reply", "1", "--subject", "More"), "[A CSIRT #1] More")
}

func TestEdit(t *testing.T) {
	b := newWork(t)
	require.Equal(t, "#3.4 due 2026-03-04 12:00 UTC, by hand\n#2.3 due 2026-03-04 12:00 UTC, as #3 (because incident-due, #3.4)\n",
		b.ok("edit", "3", "--due", "2026-03-04T12:00"))
	require.Equal(t, "#3.5 due date unset, by hand\n#2.4 due date unset (because incident-due, #3.5)\n", b.ok("edit", "3", "--due", "clear"))
	require.Contains(t, b.ok("edit", "2", "--due", "2026-03-04"), "by hand, pinned")
	require.Contains(t, b.ok("edit", "2", "--due", "clear"), "due date unset, by hand")
	require.Contains(t, b.refused(exitRefused, "edit", "2", "--wake", "2026-03-04"), "follows from its children")
	b.ok("take", "1")
	require.Equal(t, `#1.4 edited: subject "Scans", priority 70, constituency "Borchester", state "imported", reminder 2026-03-05 08:00 UTC, `+
		"requestors Bob <bob@example.org>, eve@example.org, contacts noc@example.org, class=scan, tcp\n",
		b.ok("edit", "1", "--subject", "Scans", "--priority", "70", "--constituency", "Borchester", "--state", "imported",
			"--wake", "2026-03-05T09:00:00+01:00", "--requestor", "Bob <bob@example.org>", "--requestor", "eve@example.org",
			"--contact", "noc@example.org", "--field", "class=scan", "--field", "class=tcp"))
	require.Contains(t, b.ok("show", "1"), "class          scan, tcp")
	require.Equal(t, "#1.5 edited: wake unset, requestors , class=\n", b.ok("edit", "1", "--wake", "clear", "--requestor", "", "--field", "class="))
	require.Contains(t, b.refused(exitRefused, "edit", "1", "--priority", "101"), "a whole number from 0 to 100")
	require.Contains(t, b.refused(exitRefused, "edit", "1", "--requestor", "nobody"), "mail addresses like bob@example.org")
}

func TestOpen(t *testing.T) {
	b := newWork(t)
	require.Contains(t, b.fed("Caller: unknown\n\nHe called.\n", "open", "report", "--via", "telephone", "--requestor", "eve@example.org", "--subject", "Call", "--text", "-"),
		`report opened as new by telephone, owner handler:alice, requestor eve@example.org: "Call"`)
	require.Contains(t, b.ok("show", "4"), "  | Caller: unknown\n  | \n  | He called.\n", "it is no mail")
	require.Contains(t, b.refused(exitRefused, "open", "problem"), "allowed is report, incident, investigation, block")
	require.Contains(t, b.refused(exitRefused, "open", "report", "--status", "rejected"), `allowed are "new", "open"`)
	require.Contains(t, b.refused(exitRefused, "open", "block"), "the number of the incident")
}

func TestDeliver(t *testing.T) {
	b := newWork(t)
	held := func(subject string) { b.fed(letter("eve@example.org", subject, "", subject+" text"), "receive") }
	held("[A CSIRT #2] first")
	held("[A CSIRT #2] second")
	held("[A CSIRT #99] third")
	held("[A CSIRT #2] [A CSIRT #3] fourth")
	listed := b.ok("list")
	require.Contains(t, listed, "HELD incident-number, may belong to #2: [A CSIRT #2] first")
	require.Contains(t, listed, "HELD unknown-number: [A CSIRT #99] third")
	require.Contains(t, listed, "HELD two-tags, may belong to #2, #3: ")

	require.Contains(t, b.ok("deliver", "4", "--to", "2"), "#4.4 no longer held: attached to #2\n#4.5 linked to incident #2\n")
	out := b.ok("deliver", "5", "--to", "3")
	require.Contains(t, out, "#5.5 merged into #3")
	require.Contains(t, out, "message from eve@example.org [delivered]")
	require.Contains(t, b.ok("show", "5"), "merged into    #3")
	require.Contains(t, b.ok("show", "3"), "| [A CSIRT #2] second text")
	require.Contains(t, b.ok("deliver", "6", "--accept"), "no longer held: accepted")
	require.Contains(t, b.ok("deliver", "7", "--reject"), "status new -> rejected")
	require.Contains(t, b.refused(exitRefused, "deliver", "7", "--accept"), "it is not held")
	require.Contains(t, b.ok("verify"), "7 tickets")
}

func TestDo(t *testing.T) {
	b := newWork(t)
	story := `[{"command":"open","kind":"incident","subject":"Worm","fields":{"Classification":["Scan"]}}, {"command":"link","ticket":1,"parent":"$1"}]`
	preview := b.ok("do", "--preview", story)
	require.Contains(t, preview, "preview, nothing is stored:\n#4.1 incident opened")
	require.Contains(t, b.ok("list", "all"), "3 of 3")
	done := b.fed(story, "do")
	require.Equal(t, strings.TrimPrefix(preview, "preview, nothing is stored:\n"), done)

	var result desk.Result
	b.decode(&result, "do", `{"command":"take","ticket":1}`)
	require.Equal(t, []incident.ID{1}, []incident.ID{result.Records[0].Ticket})
	require.Equal(t, incident.Actor("handler:alice"), result.Tickets[0].Owner)

	require.Contains(t, b.refused(exitRefused, "do"), "standard input is empty")
	require.Contains(t, b.refused(exitRefused, "do", `[]`), "there is no command to do")
	require.Contains(t, b.refused(exitRefused, "do", `{"command":"wake","ticket":1}`), "only the desk itself gives this command")
	require.Contains(t, b.refused(exitRefused, "do", `[{"command":"take","ticket":1},{"command":"take","ticket":"$1"}]`), "$1")
}

// TestTakeAtOnce: of many processes one gets the ticket, the others read who.
func TestTakeAtOnce(t *testing.T) {
	b := newWork(t)
	said := make(chan string, 8)
	for i := range cap(said) {
		go func() {
			_, errs, _ := b.try(nil, "take", "1", "--as", fmt.Sprintf("handler%d", i))
			said <- errs
		}()
	}
	lost := 0
	for range cap(said) {
		if errs := <-said; errs != "" {
			require.Contains(t, errs, "ticket 1 is already taken by handler:handler")
			lost++
		}
	}
	require.Equal(t, cap(said)-1, lost)
	require.Contains(t, b.ok("verify"), ", 0 faults")
}
