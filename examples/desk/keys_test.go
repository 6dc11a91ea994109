package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// gnupg is a GnuPG with a home of its own.
type gnupg struct {
	t    testing.TB
	home string
}

func newGnuPG(t testing.TB) *gnupg {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		if os.Getenv("AIRTIGHT_REQUIRE_GPG") != "" {
			t.Fatal("gpg is not on this machine (Debian: gnupg), and AIRTIGHT_REQUIRE_GPG is set")
		}
		t.Skip("gpg is not on this machine: nothing is exchanged with GnuPG")
	}
	home, err := os.MkdirTemp("", "gpg") // the path of a socket must be short
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(home, "gpg-agent.conf"), []byte("s2k-count 65536\n"), 0o600))
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	return &gnupg{t, home}
}

// run returns what gpg writes, and its status lines.
func (g *gnupg) run(input string, args ...string) (out, status string) {
	g.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--no-tty", "--yes", "--lock-never", "--trust-model", "always",
		"--pinentry-mode", "loopback", "--passphrase", planted, "--status-fd", "2"}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(g.t, cmd.Run(), "gpg %v: %s", args, &stderr)
	return stdout.String(), stderr.String()
}

// planted is the passphrase of all keys; it must be found nowhere.
const planted = "planted-passphrase"

func (g *gnupg) make(address string) {
	g.t.Helper()
	g.run("Key-Type: eddsa\nKey-Curve: Ed25519\nSubkey-Type: ecdh\nSubkey-Curve: Curve25519\nPassphrase: "+planted+"\nName-Email: "+address+"\nExpire-Date: 0\n%commit\n", "--gen-key")
}

// outbox is a mail system that keeps what it is given.
type outbox struct {
	mu    sync.Mutex
	mails []string
}

func (o *outbox) Send(_ context.Context, env mail.Envelope, raw []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mails = append(o.mails, strings.Join(env.To, ",")+"\n"+string(raw))
	return nil
}

// part returns the content between two lines of a mail, and they.
func part(t testing.TB, raw, first, last string) string {
	t.Helper()
	start := strings.Index(raw, first)
	end := strings.Index(raw, last)
	require.True(t, start >= 0 && end > start, raw)
	return raw[start : end+len(last)]
}

// TestDeskAndGnuPG: what GnuPG signs and encrypts the desk opens, and the other way
// round, from the command line to the mail that goes out.
func TestDeskAndGnuPG(t *testing.T) {
	g := newGnuPG(t)
	g.make("csirt@example.net")
	g.make("bob@example.org")
	b := newBench(t)
	b.now = time.Now()
	folder := filepath.Join(t.TempDir(), "keys")
	b.env["AIRTIGHT_KEYS"] = folder
	require.Contains(t, b.refused(exitRefused, "keys"), "team/csirt@example.net.asc")
	write := func(name, content string) {
		file := filepath.Join(folder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	}
	team, _ := g.run("", "--armor", "--export-secret-keys", "csirt@example.net")
	bob, _ := g.run("", "--armor", "--export", "bob@example.org")
	write("team/csirt@example.net.2.asc", team)
	write("contacts/carol@example.org.asc", "no key")
	require.Contains(t, b.ok("keys"), "it is locked, and there is no passphrase")
	write("passphrase", "wrong\n")
	b.env["AIRTIGHT_PASSPHRASE"] = planted
	var said strings.Builder
	run := func(stdin string, args ...string) string {
		t.Helper()
		out, errs, code := b.try(strings.NewReader(stdin), args...)
		require.Zero(t, code, errs)
		said.WriteString(out + errs)
		return out
	}

	// A mail that lacks the key comes in, and is opened when the key is there.
	inner := "Content-Type: text/plain; charset=utf-8\r\n\r\nThe way in is kept-secret at 192.0.2.77. \r\n-- \r\nBob\r\n"
	sealed, _ := g.run(inner, "--armor", "-u", "bob@example.org", "-r", "csirt@example.net", "--sign", "--encrypt")
	letter := "From: Bob <bob@example.org>\r\nTo: csirt@example.net\r\nSubject: Scan\r\nMIME-Version: 1.0\r\nContent-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\n" + strings.ReplaceAll(sealed, "\n", "\r\n") + "\r\n--b--\r\n"
	run(letter, "receive", "--from", "bob@example.org", "--passphrase", filepath.Join(folder, "passphrase"))
	require.Contains(t, said.String(), "the passphrase does not unlock it")
	shown := run("", "show", "1", "--passphrase", filepath.Join(folder, "passphrase"))
	require.Contains(t, shown, "[new, unopened, no-key]")
	require.NotContains(t, shown, "kept-secret")

	write("contacts/bob@example.org.asc", bob)
	list := run("", "keys")
	require.Contains(t, list, "csirt@example.net  team")
	require.Contains(t, list, "bob@example.org    contact")
	require.Contains(t, list, "no key for carol@example.org")
	require.NoError(t, os.Remove(filepath.Join(folder, "contacts/carol@example.org.asc")))
	require.Contains(t, run("", "examine", "1", "--preview"), "signature good, key")
	require.Contains(t, run("", "examine", "1"), "#1.3 message 2 opened again: decrypted, signature good, signed\n")
	require.Contains(t, run("", "examine", "1", "2"), "nothing to change")
	require.Contains(t, b.refused(exitRefused, "examine", "1", "1"), `record "1" of ticket 1 is no mail that came in`)
	shown = run("", "show", "1")
	require.Contains(t, shown, "observables    192.0.2.77\n")
	require.Contains(t, shown, "  | The way in is kept-secret at 192.0.2.77. \n")
	require.Contains(t, shown, "  who: bob@example.org signed it with key ")

	// The next one is opened at once, and answered.
	run(strings.Replace(letter, "Subject: Scan", "Subject: [A CSIRT #1] again", 1), "receive", "--from", "bob@example.org")
	signed, _ := g.run("Stop it.\r\n", "--armor", "-u", "bob@example.org", "--clearsign")
	run("From: bob@example.org\r\nSubject: [A CSIRT #1] Scan\r\n\r\n"+signed, "receive", "--from", "bob@example.org")
	shown = run("", "show", "1")
	require.Contains(t, shown, "[tag, decrypted, signature good]")
	require.Contains(t, shown, "it was taken from there")
	require.Contains(t, shown, "[tag, signed, signature good]")
	require.Contains(t, shown, "  | Stop it.\n")
	run("", "take", "1")
	run("Closed the way in: answer-secret \n-- \nThe team\n", "reply", "1", "--cc", "carol@example.org")
	shown = run("", "show", "1")
	require.Contains(t, shown, "  | Closed the way in: answer-secret")
	require.Contains(t, shown, "  signed and encrypted for bob@example.org\n  signed for carol@example.org\n    carol@example.org: missing\n")

	c := &call{program: &program{env: func(name string) string { return b.env[name] }, now: func() time.Time { return b.now }, stderr: &bytes.Buffer{}}}
	c.options = defaults(c.env, "alice")
	c.db = b.db
	w, err := c.open(t.Context(), setting{})
	require.NoError(t, err)
	defer w.Close()
	sent := &outbox{}
	n, err := (&desk.Courier{Desk: w.desk, Only: storage.OnlyMail, Sender: sent, Now: c.now}).Flush(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	for _, raw := range sent.mails {
		if strings.HasPrefix(raw, "bob@example.org\n") {
			require.NotContains(t, raw, "answer-secret")
			text, status := g.run(part(t, raw, "-----BEGIN PGP MESSAGE-----", "-----END PGP MESSAGE-----"), "--decrypt")
			require.Contains(t, text, "answer-secret")
			require.Contains(t, status, "DECRYPTION_OKAY")
			require.Contains(t, status, "GOODSIG")
			continue
		}
		require.True(t, strings.HasPrefix(raw, "carol@example.org\n"), raw)
		signature := filepath.Join(g.home, "signature.asc")
		require.NoError(t, os.WriteFile(signature, []byte(part(t, raw, "-----BEGIN PGP SIGNATURE-----", "-----END PGP SIGNATURE-----")), 0o600))
		boundary := strings.Split(strings.SplitAfter(raw, "boundary=\"")[1], "\"")[0]
		content := strings.Split(raw, "--"+boundary+"\r\n")[1]
		_, status := g.run(strings.TrimSuffix(content, "\r\n"), "--verify", signature, "-")
		require.Contains(t, status, "GOODSIG")
	}

	// "always" refuses, and says for whom there is no key.
	b.env["AIRTIGHT_POLICY"] = filepath.Join(folder, "policy.yaml")
	write("policy.yaml", "base: janet\nsealing: {replies: {encrypt: always}}\n")
	require.Contains(t, b.refused(exitRefused, "reply", "1", "x", "--cc", "carol@example.org"), "carol@example.org: missing")

	require.NotContains(t, said.String(), planted)
	require.NoError(t, w.Close())
	for _, file := range []string{b.db, b.db + "-wal"} {
		content, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		require.NoError(t, err)
		require.NotContains(t, string(content), planted)
		require.NotContains(t, string(content), "kept-secret", "the text of encrypted mail is not stored")
	}
	require.NotContains(t, fmt.Sprint(c.again()), planted)
}

// Flags about keys reach the next program.
func TestKeyFlags(t *testing.T) {
	b := newBench(t)
	require.Contains(t, b.refused(exitUsage, "keys"), "name their folder by --keys")
	require.Contains(t, b.refused(exitRefused, "keys", "--keys", filepath.Join(t.TempDir(), "none"), "--passphrase", "nowhere"), "--passphrase: open nowhere")
	o := options{keys: "/k", passphraseFile: "/p", mailServer: "mx.example.net", dkim: true, db: "./airtight.db", tag: "A CSIRT", mailbox: exampleMailbox}
	require.Equal(t, "--keys /k --passphrase /p --mail-server mx.example.net --dkim", o.again())
	require.Equal(t, "bob@example.org", keyAddress("bob@example.org.asc"))
	require.Equal(t, "bob@example.org", keyAddress("bob@example.org.12.gpg"))
}

// What our mail server says is believed where it is named.
func TestMailServer(t *testing.T) {
	b := newWork(t)
	raw := "Authentication-Results: mx.example.net; dmarc=pass header.from=example.org\r\n" + letter("bob@example.org", "Re: [A CSIRT #1] Scan", "", "more")
	b.env["AIRTIGHT_MAIL_SERVER"] = "mx.example.net"
	b.fed(raw, "receive", "--from", "bob@example.org")
	require.Contains(t, b.ok("show", "1"), "[tag, authenticated]")
	require.Contains(t, b.ok("show", "1"), "  who: DMARC passed for example.org.\n")
}
