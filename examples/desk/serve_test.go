package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/smtp"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

func TestLoopback(t *testing.T) {
	for given, want := range map[string]string{
		":2525": "127.0.0.1:2525", "127.0.0.1:0": "127.0.0.1:0", "[::1]:25": "[::1]:25", "localhost:2525": "localhost:2525",
	} {
		got, err := loopback(given)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"192.0.2.1:25", "[::]:25", "mail.example.org:25", "25"} {
		_, err := loopback(bad)
		require.Error(t, err, bad)
	}
}

// TestServeInProcess runs the daemon in this process: mail comes in, a reminder
// is acted on, an answer goes out, and all of it ends with the context.
func TestServeInProcess(t *testing.T) {
	b := newWork(t)
	b.ok("take", "1")
	b.ok("edit", "1", "--wake", "2026-03-02T08:00:00Z")
	world, err := newOutside()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, in := io.Pipe()
	p := &program{
		stdout: in, stderr: io.Discard, env: func(string) string { return "" },
		user: "alice", zone: time.UTC, now: time.Now, called: "desk",
	}
	ended := make(chan int, 1)
	go func() {
		ended <- p.run(ctx, []string{"--db", b.db, "--mailbox", "csirt@example.com", "serve", "--smtp", "127.0.0.1:0", "--also", "@example.net", "--relay", world.address})
		in.Close()
	}()
	lines := readLines(out)
	address := waitFor(t, lines, `SMTP on (\S+), for csirt@example.com, @example.net`)
	waitFor(t, lines, "Ctrl-C stops")

	sender := smtp.NewSender(address, smtp.SenderConfig{})
	require.NoError(t, sender.Send(ctx, mail.Envelope{From: "eve@example.org", To: []string{"anybody@example.net"}}, []byte(letter("eve@example.org", "Worm", "", "x"))))
	err = sender.Send(ctx, mail.Envelope{From: "eve@example.org", To: []string{"eve@example.org"}}, []byte("x"))
	require.ErrorContains(t, err, "550", "no relaying")

	require.Contains(t, b.ok("list"), "Worm")
	require.Eventually(t, func() bool { return strings.Contains(b.ok("show", "1"), "due 2026-03-02 08:00 UTC, reminder") }, 10*time.Second, 20*time.Millisecond)
	require.Eventually(t, func() bool { return world.count() == 1 }, 10*time.Second, 20*time.Millisecond)
	_, err = world.newest(incident.Party{Address: "noc@example.org"})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return strings.Contains(b.ok("show", "3"), "#3.2 to noc@example.org: sent") }, 10*time.Second, 20*time.Millisecond)

	_, errs, code := b.try(nil, "serve", "--smtp", address)
	require.Equal(t, exitRefused, code)
	require.Contains(t, errs, "cannot listen")

	cancel()
	waitFor(t, lines, "^stopped$")
	require.Zero(t, <-ended)
	require.NoError(t, world.stop(context.Background()))
	_, err = net.DialTimeout("tcp", address, time.Second)
	require.Error(t, err)
	require.Contains(t, b.ok("verify"), "0 faults")
}

// TestServeProcess runs the real program: the daemon in one process, the work in
// others, exactly as its first lines say.
func TestServeProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM on Windows")
	}
	program, db := deskBinary(t), filepath.Join(t.TempDir(), "desk.db")
	daemon := exec.Command(program, "--db", db, "serve", "--smtp", "127.0.0.1:0")
	out, err := daemon.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, daemon.Start())
	defer daemon.Process.Kill()
	lines := readLines(out)
	address := waitFor(t, lines, `SMTP on (\S+), for csirt@example.net`)
	waitFor(t, lines, "outgoing mail stays queued")
	first := waitFor(t, lines, `^  (printf .*)`)
	waitFor(t, lines, "Ctrl-C stops")

	said, err := exec.Command("sh", "-c", first).CombinedOutput()
	require.NoError(t, err, string(said))
	require.Contains(t, string(said), "new report #1 (new)")
	sender := smtp.NewSender(address, smtp.SenderConfig{})
	require.NoError(t, sender.Send(context.Background(),
		mail.Envelope{From: "eve@example.org", To: []string{"csirt@example.net"}}, []byte(letter("eve@example.org", "Re: [A CSIRT #1] Scan", "", "Me too."))))

	run := func(args ...string) string {
		said, err := exec.Command(program, append([]string{"--db", db}, args...)...).CombinedOutput()
		require.NoError(t, err, string(said))
		return string(said)
	}
	require.Contains(t, run("list"), "Scan of our network")
	require.Contains(t, run("take", "1", "--as", "alice"), "owner nobody -> handler:alice")
	require.Contains(t, run("reply", "1", "Thank you."), "mail to bob@example.org")
	shown := run("show", "1")
	require.Contains(t, shown, "message from eve@example.org [tag, stranger]")
	require.Contains(t, shown, "| Me too.")
	require.Contains(t, shown, "to bob@example.org: queued")

	require.NoError(t, daemon.Process.Signal(syscall.SIGTERM))
	waitFor(t, lines, "^stopped$")
	require.NoError(t, daemon.Wait())
	require.Contains(t, run("verify"), "1 tickets, ")
	require.Contains(t, run("verify"), "0 faults")

	failed := exec.Command(program, "--db", db, "move", "1", "closed", "--as", "alice")
	failed.Stdin = strings.NewReader("")
	said, err = failed.CombinedOutput()
	require.Error(t, err)
	require.Equal(t, exitRefused, failed.ProcessState.ExitCode())
	require.Contains(t, string(said), `allowed are "open", "resolved", "rejected"`)
	_, err = os.Stat(db)
	require.NoError(t, err)
}

// TestServeTLSAndLMTP takes mail by STARTTLS, and by LMTP on a socket that a
// daemon which was killed has left behind.
func TestServeTLSAndLMTP(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("sockets are left behind as files on Unix only")
	}
	folder := t.TempDir()
	cert, key, socket := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem"), filepath.Join(folder, "lmtp")
	roots := writeCertificate(t, cert, key)
	b := newBench(t)
	require.Contains(t, b.refused(exitRefused, "serve", "--tls-cert", cert), "no TLS: ")

	for range 2 {
		daemon := exec.Command(deskBinary(t), "--db", b.db, "serve", "--smtp", "127.0.0.1:0", "--lmtp", socket, "--tls-cert", cert, "--tls-key", key)
		out, err := daemon.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, daemon.Start())
		defer daemon.Process.Kill()
		lines := readLines(out)
		address := waitFor(t, lines, `SMTP on (\S+), for`)
		require.Equal(t, socket, waitFor(t, lines, `LMTP on (\S+), for the same`))
		waitFor(t, lines, "Ctrl-C stops")

		sender := smtp.NewSender(address, smtp.SenderConfig{TLS: smtp.TLSRequired, TLSConfig: &tls.Config{RootCAs: roots}})
		require.NoError(t, sender.Send(t.Context(), mail.Envelope{From: "bob@example.org", To: []string{"csirt@example.net"}}, []byte(firstMail)))
		conn, err := net.Dial("unix", socket)
		require.NoError(t, err)
		_, err = conn.Write([]byte("LHLO peer.example.org\r\nMAIL FROM:<eve@example.org>\r\nRCPT TO:<csirt@example.net>\r\nDATA\r\n"))
		require.NoError(t, err)
		answers := bufio.NewScanner(conn)
		for answers.Scan() && !strings.HasPrefix(answers.Text(), "354 ") {
		}
		_, err = conn.Write([]byte(letter("eve@example.org", "By LMTP", "", "x") + ".\r\n"))
		require.NoError(t, err)
		require.True(t, answers.Scan())
		require.Contains(t, answers.Text(), "250 2.0.0 <csirt@example.net>")
		require.NoError(t, daemon.Process.Kill())
		_ = daemon.Wait()
		require.FileExists(t, socket)
	}
	require.Contains(t, b.ok("list"), "2 of 2 tickets")
	require.Contains(t, b.refused(exitRefused, "serve", "--smtp", "127.0.0.1:0", "--lmtp", cert), "cannot listen")
	require.FileExists(t, cert, "what is no socket is left alone")
}

// writeCertificate writes a certificate for 127.0.0.1 and its key, and returns
// who vouches for it.
func writeCertificate(t *testing.T, cert, key string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return roots
}

func readLines(r io.Reader) <-chan string {
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return lines
}

// waitFor reads up to a line that matches and returns its first group.
func waitFor(t *testing.T, lines <-chan string, pattern string) string {
	t.Helper()
	want := regexp.MustCompile(pattern)
	timeout := time.After(30 * time.Second)
	for {
		select {
		case line, ok := <-lines:
			require.True(t, ok, "the output ended before %q", pattern)
			if found := want.FindStringSubmatch(line); found != nil {
				return found[len(found)-1]
			}
		case <-timeout:
			require.Fail(t, "no line like "+pattern)
		}
	}
}
