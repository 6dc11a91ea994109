package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/storage"
)

func TestOutbox(t *testing.T) {
	b := newBench(t)
	b.env["AIRTIGHT_POLICY"] = b.document("base: rtir\nautomatic-mail: {correspondent: 1}\nwith: {acknowledge: {hours: 0, text: It has come.}}\n")
	for n := range 3 {
		b.fed(fmt.Sprintf("From: bob@example.org\nSubject: Scan %d\n\nPlease look.\n", n), "receive", "--from", "bob@example.org")
	}
	out := b.ok("outbox")
	require.Contains(t, out, "2.3.0  parked  bob@example.org  2026-03-02 09:00  0")
	require.Contains(t, out, "the limit of 1 on automatic mail to this correspondent is reached: a person must release it")
	require.Contains(t, out, "3.3.0")
	require.NotContains(t, out, "1.3.0")
	require.Contains(t, b.ok("outbox", "--limit", "1"), "these are 1; there may be more: --limit 0 shows all")
	require.Contains(t, b.ok("outbox", "--status", "queued"), "1.3.0")
	require.Equal(t, "no mail is failed or uncertain\n", b.ok("outbox", "--status", "failed", "--status", "uncertain"))

	require.Contains(t, b.ok("outbox", "release", "2", "--preview"), "nothing is stored")
	require.Contains(t, b.ok("outbox", "release", "2.3.0"), "#2.4 outgoing mail released: 3.0")
	require.Contains(t, b.ok("show", "2"), "alice")
	require.Contains(t, b.ok("outbox", "drop", "3.3"), "#3.4 outgoing mail dropped: 3.0")
	var rows []storage.Outgoing
	b.decode(&rows, "outbox", "--status", "dropped", "--status", "queued")
	require.Len(t, rows, 3)
	require.Equal(t, []storage.OutStatus{"queued", "queued", "dropped"}, []storage.OutStatus{rows[0].Status, rows[1].Status, rows[2].Status})
	b.decode(&rows, "outbox")
	require.Empty(t, rows)

	require.Contains(t, b.refused(exitRefused, "outbox", "release", "1.3.0"), "outgoing mail 1.3.0 is queued: allowed is parked, dropped, failed or uncertain")
	require.Contains(t, b.refused(exitUsage, "outbox", "--status", "lost"), `there is no status "lost": allowed are [parked failed uncertain queued leased sending sent dropped]`)
	require.Contains(t, b.refused(exitUsage, "outbox", "burn"), "allowed are nothing, release ID..., drop ID...")
	for _, word := range []string{"x", "1.x", "1.0", "1.3.x", "1.3.0.0", "1.3.-1"} {
		require.Contains(t, b.refused(exitUsage, "outbox", "drop", word), "is no outgoing mail: allowed is a row like 7.3.0")
	}
	require.Contains(t, b.ok("open", "report", "--subject", "Call", "--requestor", "eve@example.org", "--quiet"), "report opened")
	require.Equal(t, "no mail is parked or failed or uncertain\n", b.ok("outbox"))
}
