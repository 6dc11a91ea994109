package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/workflow/desk"
)

func TestExplain(t *testing.T) {
	b := newWork(t)
	b.ok("take", "1")
	b.ok("link", "1", "2")
	b.ok("reply", "1", "Thank you.")
	b.ok("edit", "3", "--due", "2026-04-01")
	out := b.ok("explain", "2", "due")
	require.Contains(t, out, "due: The incident #2 is due 2026-03-09 09:00 UTC. That comes from #2.")
	require.Contains(t, out, "by the rule incident-due because of #")
	require.Contains(t, out, "which handler:alice did (open)")
	all := b.ok("explain", "1")
	for _, topic := range desk.Topics() {
		require.Contains(t, all, string(topic)+": The report #1 ")
	}
	require.Contains(t, all, "It has no tag of ours and answers no message that is known.")
	require.Contains(t, all, "The mail to bob@example.org is queued.")
	var e desk.Explanation
	b.decode(&e, "explain", "1", "status")
	require.Equal(t, "open-linked-report", e.Steps[0].Record.Cause.Rule)

	rules := b.ok("explain", "1", "--record", "2")
	require.Contains(t, rules, "close-children: does not look at such records\n")
	require.Contains(t, rules, "reopen-on-reply: did not fire: the record is not what it is about\n")
	require.Contains(t, b.ok("explain", "1", "--record", "6", "--rule", "due-after-reply"), "fired: we wrote 7 days before; set-due on #1")
	require.Contains(t, b.refused(exitUsage, "explain", "1", "--record", "6", "--rule", "none"), `has no rule "none"`)
	require.Contains(t, b.refused(exitRefused, "explain", "1", "colour"), "allowed are due, status, owner, constituency, thread, mail")
	require.Contains(t, b.refused(exitRefused, "explain", "99"), "there is no ticket 99")
	require.Contains(t, b.refused(exitRefused, "explain", "1", "--record", "99"), "there is no such record")
}
