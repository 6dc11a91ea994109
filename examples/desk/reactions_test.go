//go:build unix

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/gopenpgp/v2/crypto"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

const reactingPolicy = `
base: airt
name: reacting
reactions:
  tell:
    to: {states: [blockrequest]}
    mail: {template: block, sign: always}
  routes:
    export: {file: nullroutes.conf, list: {template: nullroute, states: [blockrequest, blocked], statuses: [open, closed]}}
  push:
    to: {states: [blockrequest]}
    program: {name: push, arguments: [north]}
  broken:
    to: {states: [blockrequest]}
    attempts: 1
    program: {name: missing}
`

// The daemon does what the policy binds to a state, and show tells what came of it.
func TestServeReactions(t *testing.T) {
	b := newBench(t)
	policy := b.document(reactingPolicy)
	b.env["AIRTIGHT_POLICY"], b.env["AIRTIGHT_MAILBOX"] = policy, "csirt@example.com"
	b.ok("open", "incident", "--subject", "Scans", "--contact", "Carol <carol@example.org>", "--observable", "192.0.2.7=source")
	require.NotContains(t, b.ok("show", "1"), "Reactions")
	b.ok("edit", "1", "--state", "blockrequest")
	require.Contains(t, b.ok("show", "1"), "\nReactions\n  tell to #1.2: queued\n  routes to #1.2: queued\n  push to #1.2: queued\n  broken to #1.2: queued\n")
	require.NotContains(t, b.ok("show", "1"), "Outgoing mail")

	programs, exports, templates := t.TempDir(), t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(programs, "push"), []byte("#!/bin/sh\necho \"pushed to $1, $AIRTIGHT_RUN\"\n"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(templates, "block.txt"), []byte("@SUBJECT@@IPADDRESS@ is cut off@ENDSUBJECT@\nDear @USERNAME@, see above.\n@INCLUDE=signature@\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(templates, "signature.txt"), []byte("-- \n@YOURNAME@"), 0o600))
	secret, err := crypto.GenerateKey("A CSIRT", "csirt@example.com", "x25519", 0)
	require.NoError(t, err)
	armored, err := secret.Armor()
	require.NoError(t, err)
	keys := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(keys, "team"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(keys, "team", "csirt@example.com.asc"), []byte(armored), 0o600))

	world, err := newOutside()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, in := io.Pipe()
	p := &program{
		stdout: in, stderr: io.Discard, env: func(name string) string { return b.env[name] },
		user: "alice", zone: time.UTC, now: time.Now, called: "desk",
	}
	ended := make(chan int, 1)
	go func() {
		ended <- p.run(ctx, []string{"--db", b.db, "serve", "--smtp", "127.0.0.1:0", "--relay", world.address,
			"--programs", programs, "--exports", exports, "--templates", templates, "--keys", keys})
		in.Close()
	}()
	waitFor(t, readLines(out), "does (4) reactions of the policy reacting")
	require.Eventually(t, func() bool {
		return strings.Contains(b.ok("show", "1"), "push to #1.2: done, tried 1 times\n  broken to #1.2: failed, tried 1 times, program: there is no program missing\n") && world.count() == 1
	}, 20*time.Second, 50*time.Millisecond)
	shown := b.ok("show", "1")
	require.Contains(t, shown, "reaction push to record 2 is done")
	require.Contains(t, shown, "reaction broken to record 2 FAILED and is given up: program: there is no program missing")
	require.Contains(t, shown, "  | pushed to north, 1.2.2\n")
	require.Contains(t, shown, "to carol@example.org: sent")
	text, err := os.ReadFile(filepath.Join(exports, "nullroutes.conf"))
	require.NoError(t, err)
	require.Contains(t, string(text), "ip route 192.0.2.7 255.255.255.255 Null0")
	require.Contains(t, b.ok("verify"), "1 tickets")

	world.mu.Lock()
	got := world.mails[0]
	world.mu.Unlock()
	require.Equal(t, []string{"carol@example.org"}, got.to)
	require.Equal(t, "[A CSIRT #1] 192.0.2.7 is cut off", got.msg.Subject)
	signature := func(p incident.Part) bool { return p.Type == "application/pgp-signature" }
	require.True(t, slices.ContainsFunc(got.msg.Parts, signature), "it is signed")
	require.NotContains(t, got.msg.Text, "blockrequest")

	cancel()
	require.Zero(t, <-ended)
	require.NoError(t, world.stop(context.Background()))
	var doc struct {
		Outgoing []struct{ Reaction, Status string }
	}
	b.decode(&doc, "show", "1")
	require.Equal(t, "tell", doc.Outgoing[0].Reaction)
	require.Equal(t, "sent", doc.Outgoing[0].Status)
}

func TestServeWithoutMeans(t *testing.T) {
	b := newWork(t)
	dir := t.TempDir()
	serve := func(flag, value string) string {
		return b.refused(exitRefused, "serve", "--smtp", "127.0.0.1:0", flag, value)
	}
	require.Contains(t, serve("--programs", filepath.Join(dir, "nowhere")), "--programs: program: stat")
	require.Contains(t, serve("--exports", filepath.Join(dir, "nowhere")), "make the directory first")
	require.Contains(t, serve("--templates", filepath.Join(dir, "nowhere")), "--templates: open")
	bad := filepath.Join(dir, "block.txt")
	require.NoError(t, os.WriteFile(bad, []byte("@STATE@"), 0o600))
	require.Contains(t, serve("--templates", dir), "block: mail: template, line 1: no variable STATE; known are HOSTNAME")
}
