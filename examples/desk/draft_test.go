package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/workflow"
)

func TestDraftAndFiles(t *testing.T) {
	b := newBench(t)
	b.fed("From: Bob <bob@example.org>\nSubject: Scan\nMessage-ID: <1@example.org>\nContent-Type: multipart/mixed; boundary=x\n\n"+
		"--x\nContent-Type: text/plain\n\nPlease help.\n--x\nContent-Type: text/plain; name=log.txt\n\n192.0.2.7\n--x--\n", "receive", "--from", "bob@example.org")
	require.Equal(t, "Bob wrote:\n> Please help.\n", b.ok("draft", "1")[len("On Mon, 2 Mar 2026 09:00 UTC, "):])
	var reply workflow.Reply
	b.decode(&reply, "draft", "1")
	require.Equal(t, "Scan", reply.Subject)

	b.ok("open", "incident", "--subject", "Scan", "--field", "Classification=Scan", "--constituency", "main")
	require.Contains(t, b.ok("open", "investigation", "--parent", "2", "--requestor", "noc@example.com", "--text", "Please look.", "--file", "1.2.1"), "mail to noc@example.com")
	require.Contains(t, b.ok("open", "investigation", "--parent", "2", "--requestor", "noc@example.com", "--text", "Once more.", "--file", "3.2.1"), "mail to", "as what we sent has it too")
	require.Contains(t, b.ok("reply", "1", "Here it is again.", "--file", "1.2.1"), "mail to Bob")
	require.Contains(t, b.refused(exitUsage, "reply", "1", "Hello.", "--file", "1.2.2"), "record 2 of ticket 1 has 1 files: there is no file 2")
	for _, word := range []string{"x", "1", "1.2", "1.2.0"} {
		require.Contains(t, b.refused(exitUsage, "reply", "1", "Hello.", "--file", word), "is no file of a message: allowed is one like 7.2.1")
	}
	require.Contains(t, b.refused(exitRefused, "draft", "2"), "an incident has no correspondents")
}
