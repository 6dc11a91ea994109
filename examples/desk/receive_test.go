package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func TestReceive(t *testing.T) {
	b := newBench(t)
	require.Contains(t, b.fed(firstMail, "receive", "--from", "bob@example.org"), "new report #1 (new)")
	require.Contains(t, b.fed(firstMail, "receive"), "received again: noted on ticket #1 (received-again)")
	require.Contains(t, b.fed(letter("bob@example.org", "Re: [A CSIRT #1] Scan", "", "more"), "receive"), "added to ticket #1 (tag)")
	require.Contains(t, b.fed(letter("eve@example.org", "[A CSIRT #77] Scan", "", "more"), "receive"), "held as report #2 (unknown-number)")

	var receipt desk.Receipt
	require.NoError(t, json.Unmarshal([]byte(b.fed(letter("dora@example.org", "Note", "", "x"), "receive", "--json")), &receipt))
	require.Equal(t, incident.ID(3), receipt.Ticket)
	require.Contains(t, b.ok("verify"), "3 tickets")
}

func TestReceiveEnvelope(t *testing.T) {
	from := func(s string) *string { return &s }
	with := []byte("Return-Path: <carol@example.org>\r\nFrom: bob@example.org\r\n\r\nx")
	without := []byte("From: bob@example.org\r\n\r\nx")
	for _, test := range []struct {
		name   string
		raw    []byte
		sender *string
		to     []string
		want   mail.Envelope
	}{
		{"nothing known", without, nil, nil, mail.Envelope{}},
		{"Return-Path", with, nil, nil, mail.Envelope{From: "carol@example.org", To: []string{"csirt@example.net"}}},
		{"header", append([]byte("To: Desk <Soc@example.net>, bob@example.org\r\nCc: x@example.com\r\n"), with...), nil, nil,
			mail.Envelope{From: "carol@example.org", To: []string{"Soc@example.net", "x@example.com"}}},
		{"flags", with, from("dora@example.org"), []string{"x@example.net"}, mail.Envelope{From: "dora@example.org", To: []string{"x@example.net"}}},
		{"null sender", without, from("<>"), nil, mail.Envelope{To: []string{"csirt@example.net"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := envelope(test.raw, test.sender, test.to, []string{"csirt@example.net", "soc@example.net", "@example.com"})
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
	_, err := envelope(without, nil, []string{"x@example.net"}, []string{"csirt@example.net"})
	require.ErrorContains(t, err, "--to needs --from")
}

func TestReceiveNothing(t *testing.T) {
	b := newBench(t)
	require.Contains(t, b.refused(exitRefused, "receive"), "standard input is empty")
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close()
	_, errs, code := b.try(null, "receive")
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "a mail is read from standard input: type desk receive < mail.eml")
}

func TestReceiveTooLarge(t *testing.T) {
	b := newBench(t)
	head := letter("bob@example.org", "Core dump", "", "")
	fits := head + strings.Repeat("x", mailLimit-len(head))
	_, errs, code := b.try(strings.NewReader(fits+"x"), "receive")
	require.Equal(t, exitRefused, code)
	require.Equal(t, "desk: the mail is not taken: message is larger than 26214400 bytes\n", errs)
	require.Contains(t, b.ok("list"), "0 of 0")
	require.Contains(t, b.fed(fits, "receive"), "new report #1")
	require.Equal(t, fits, b.ok("show", "1", "--raw", "2"))
}

func TestReceiveForAConstituency(t *testing.T) {
	b := newBench(t)
	raw := "Return-Path: <bob@example.org>\r\nFrom: bob@example.org\r\nTo: soc@example.net\r\n\r\nx"
	b.fed(raw, "receive", "--also", "soc@example.net=campus")
	require.Contains(t, b.ok("show", "1"), "constituency   campus")
	require.Contains(t, b.ok("show", "1"), "because it was sent to soc@example.net")
	for _, bad := range []string{"soc", "soc@", "=campus"} {
		require.Contains(t, b.refused(exitUsage, "list", "--also", bad), "neither an address nor a domain")
	}
}

func TestReceiveLargeMail(t *testing.T) {
	b := newBench(t)
	folder := filepath.Join(t.TempDir(), "blobs")
	raw := "From: bob@example.org\r\n\r\n" + strings.Repeat("x", 64<<10)
	b.fed(raw, "receive", "--blobs", folder)
	require.True(t, raw == b.ok("show", "1", "--raw", "2", "--blobs", folder))
	require.DirExists(t, folder)
	for _, args := range [][]string{{"show", "1"}, {"show", "1", "--raw", "2"}} {
		require.Contains(t, b.refused(exitRefused, args...), "the text of #1.2 is not in the database: name the directory for large mail by --blobs")
	}
	require.Contains(t, b.ok("verify", "--blobs", folder), " 0 faults")
	require.Contains(t, b.refused(exitRefused, "list", "--blobs", b.db), "is no directory")
}
