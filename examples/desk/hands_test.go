package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/workflow/desk"
)

func TestBasedOn(t *testing.T) {
	b := newWork(t)
	require.Contains(t, b.ok("show", "3"), "#3, investigation, version 3\n")
	b.ok("edit", "3", "--priority", "70")
	b.ok("edit", "3", "--subject", "Scans of ours", "--based", "3")
	said := b.refused(exitRefused, "edit", "3", "--priority", "10", "--based", "3")
	require.Contains(t, said, `edit on ticket 3 is refused: it is based on version 3, since which was changed what it sets: priority "0" -> "70" (handler:alice, 2026-03-02T09:`)
	require.Contains(t, said, "look at version 5 and give the command again")
	require.Contains(t, b.refused(exitRefused, "edit", "3", "--priority", "10", "--based", "3", "--preview"), "is refused: it is based on version 3")
	require.Contains(t, b.refused(exitRefused, "do", `{"command":"edit","ticket":3,"priority":10,"based":99}`), "a version that ticket 3 has had: 1 to 5")

	b.ok("reply", "3", "Any news?", "--based", "3")
	require.Contains(t, b.refused(exitRefused, "reply", "3", "Any news?", "--based", "3"), `messages "1" -> "2"`)
	b.ok("resolve", "3", "--based", "3")
	require.Contains(t, b.refused(exitRefused, "move", "3", "open", "--based", "3"), `status "open" -> "resolved"`)
	b.ok("assign", "3", "--to", "bob", "--based", "3")
	_, said, code := b.try(nil, "assign", "3", "--to", "carol", "--based", "3", "--group", "manager")
	require.Equal(t, exitRefused, code)
	require.Contains(t, said, `#3 is left as it is: assign on ticket 3 is refused`)
	require.Contains(t, said, `owner "handler:alice" -> "handler:bob"`)
}

func TestAttend(t *testing.T) {
	b := newWork(t)
	require.Equal(t, "#1.3 handler:alice works on it until 2026-03-02 09:45 UTC\n", b.ok("attend", "1", "--for", "45m"))
	require.Equal(t, "nothing to change: all is so already\n", b.ok("attend", "1"))
	require.Contains(t, b.ok("list"), "nobody, handler:alice works on it until 2026-03-02 09:45 UTC")
	require.Contains(t, b.ok("show", "1"), "at work        handler:alice works on it until 2026-03-02 09:45 UTC\n")
	require.Equal(t, "#1.4 owner nobody -> handler:bob\n#1: handler:alice works on it until 2026-03-02 09:45 UTC\n", b.ok("take", "1", "--as", "bob"))
	var result desk.Result
	b.decode(&result, "attend", "1", "--as", "bob")
	require.Equal(t, "handler:alice", string(result.AtWork[0].By))
	var page desk.Page
	b.decode(&page, "list")
	require.Len(t, page.Rows[0].AtWork, 2)
	require.Equal(t, "#1.6 handler:alice works on it no more\n#1: handler:bob works on it until 2026-03-02 09:30 UTC\n", b.ok("attend", "1", "--end"))
	require.Contains(t, b.refused(exitUsage, "attend", "1", "--for", "90s"), "allowed are whole minutes")
	require.Contains(t, b.refused(exitUsage, "attend", "1", "--for", "-1m"), "allowed are whole minutes")
	require.Contains(t, b.refused(exitRefused, "attend", "1", "--for", "9h"), "1 to 480")
	require.Contains(t, b.refused(exitRefused, "attend", "99"), "there is no ticket 99")
}

// A manager gives work away, each ticket by itself.
func TestAssignInBulk(t *testing.T) {
	b := newWork(t)
	out, said, code := b.try(nil, "assign", "1", "99", "3", "--to", "bob", "--as", "carol", "--group", "manager", "--preview")
	require.Equal(t, exitRefused, code)
	require.Contains(t, out, "preview, nothing is stored")
	require.Contains(t, said, "#99 is left as it is: there is no ticket 99")
	out, said, code = b.try(nil, "assign", "1", "99", "3", "--to", "bob", "--as", "carol", "--group", "manager")
	require.Equal(t, exitRefused, code)
	require.Contains(t, out, "#1.3 owner nobody -> handler:bob\n")
	require.Contains(t, out, "#3.4 owner handler:alice -> handler:bob\n")
	require.Contains(t, said, "1 of 3 tickets were left as they are")
}

func TestTopics(t *testing.T) {
	b := newWork(t)
	require.Contains(t, b.refused(exitRefused, "topics"), "the policy sorts no work by topic")
	require.Contains(t, b.refused(exitRefused, "list", "new", "--topic", "spam"), "the policy sorts no work by topic")

	policy := filepath.Join(t.TempDir(), "ours.yaml")
	require.NoError(t, os.WriteFile(policy, []byte(`base: janet
fields: {Topic: {doc: Who looks at it., kinds: [report, incident], values: [spam, internal, odd, everything else]}}
with:
  sort-by-topic:
    topics: [{topic: spam, words: [spam]}, {topic: internal, from: [example.net]}]
`), 0o600))
	b.ok("open", "report", "--subject", "Spam again", "--requestor", "eve@example.org", "--policy", policy)
	b.ok("open", "incident", "--subject", "Spam from us", "--field", "Classification=Spam", "--policy", policy)
	b.ok("open", "incident", "--subject", "Odd", "--field", "Classification=Query", "--field", "Topic=odd", "--policy", policy)
	b.ok("release", "5", "--policy", policy)
	require.Equal(t, "TOPIC            NEW REPORTS  OPEN INCIDENTS  UNOWNED  OVERDUE\n"+
		"spam             1            1               1        0\n"+
		"internal         0            0               0        0\n"+
		"everything else  0            0               0        0\n"+
		"-                1            2               0        0\n", b.ok("topics", "--policy", policy))
	var loads []desk.Load
	b.decode(&loads, "topics", "--policy", policy)
	require.Equal(t, desk.Load{Topic: "spam", New: 1, Incidents: 1, Unowned: 1}, loads[0])
	for flags, want := range map[string]string{
		"new": "new of spam: 1 of 1", "due": "due of spam: 1 of 1", "unowned": "unowned of spam: 1 of 1", "mine": "mine of spam: 0 of 0",
		"all": "all of spam: 2 of 2", "--kind=incident": "all of spam: 1 of 1",
	} {
		require.Contains(t, b.ok("list", flags, "--topic", "SPAM", "--policy", policy), want)
	}
	require.Contains(t, b.ok("list", "due", "--topic", "odd", "--policy", policy), "1 of 1")
	require.Contains(t, b.refused(exitUsage, "list", "--topic", "ham", "--policy", policy), `there is no topic "ham": allowed are ["everything else" "internal" "odd" "spam"]`)
}
