package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// TestAddress follows a mail that comes back (JANET 3.13).
func TestAddress(t *testing.T) {
	b := newWork(t)
	require.Equal(t, "0 defective addresses\n", b.ok("address", "list"))
	require.Equal(t, "[]\n", b.ok("address", "list", "--json"))

	sent, _ := mail.Parse([]byte(b.ok("show", "3", "--raw", "2")), mail.Limits{})
	b.fed("From: mailer-daemon@example.org\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"+
		"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\nFinal-Recipient: rfc822; noc@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n"+
		"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <"+sent.MessageID+">\r\n\r\n--b--\r\n", "receive", "--from", "<>")

	require.Contains(t, b.ok("address", "list"), "noc@example.org  2026-03-02 09:00 UTC  mailbox  5.1.1   #3.")
	var list []desk.DefectiveAddress
	b.decode(&list, "address", "list")
	require.Len(t, list, 1)
	require.Contains(t, b.ok("children", "2"), "DEFECTIVE noc@example.org: Scans")
	require.Contains(t, b.ok("show", "3"), "defective      noc@example.org\n")
	require.Contains(t, b.ok("show", "3"), "mail #3.2 to noc@example.org did not arrive: there is no such mailbox (5.1.1)")
	require.Contains(t, b.refused(exitRefused, "reply", "3", "Hello?"), "mail to all its recipients comes back")
	require.Contains(t, b.ok("reply", "3", "Hello?", "--cc", "abuse@example.org"), "warning: mail to noc@example.org comes back; on ticket 3 it goes there all the same\n")

	require.Contains(t, b.ok("address", "clear", "noc@example.org", "--preview"), "preview, nothing is stored:\n#0.2 address noc@example.org is cleared")
	require.Contains(t, b.ok("address", "list"), "1 defective addresses")
	b.ok("address", "clear", "NOC@example.org")
	require.Equal(t, "nothing to change: all is so already\n", b.ok("address", "clear", "noc@example.org"))
	require.Equal(t, "0 defective addresses\n", b.ok("address", "list"))
	require.NotContains(t, b.ok("show", "3"), "defective  ")

	require.Contains(t, b.refused(exitUsage, "address", "clear"), "allowed are list, clear ADDRESS")
	require.Contains(t, b.refused(exitRefused, "address", "clear", "noc"), "allowed is mail addresses like bob@example.org")
}
