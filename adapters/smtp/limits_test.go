package smtp

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

func TestTooManyConnections(t *testing.T) {
	for _, c := range []struct {
		name   string
		config Config
		reply  string
	}{
		{"in all", Config{MaxConnections: 2, MaxPerSource: 9}, "421 4.3.2 "},
		{"from one source", Config{MaxPerSource: 2}, "421 4.7.0 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, addr := start(t, (&box{}).receive, c.config)
			first, second := dial(t, addr), dial(t, addr)
			third := connect(t, "tcp", addr)
			third.want(c.reply)
			third.gone()
			first.says("QUIT", "221 ")
			first.gone()
			require.Eventually(t, func() bool { return len(server.open()) == 1 }, patience, time.Millisecond)
			dial(t, addr).says("QUIT", "221 ")
			second.says("QUIT", "221 ")
			require.Eventually(t, func() bool { return len(server.open()) == 0 }, patience, time.Millisecond)
			assert.Empty(t, server.sources)
		})
	}
}

func TestSourceOf(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8::7": "2001:db8::/64", "2001:db8:0:1::7": "2001:db8:0:1::/64",
	} {
		assert.Equal(t, want, sourceOf(&net.TCPAddr{IP: net.ParseIP(addr), Port: 25}).String())
	}
	assert.Equal(t, "fe80::/64", sourceOf(&net.TCPAddr{IP: net.ParseIP("fe80::7"), Zone: "eth0"}).String())
	assert.False(t, sourceOf(&net.UnixAddr{Name: "x", Net: "unix"}).IsValid(), "who comes by a unix socket is not counted")
}

// TestMemory has one message with the Receiver while a second arrives.
func TestMemory(t *testing.T) {
	const limit = 200_000
	entered, leave := make(chan bool), make(chan bool)
	server, addr := start(t, func(context.Context, mail.Envelope, []byte) error {
		entered <- true
		<-leave
		return nil
	}, Config{MaxBytes: limit, MaxMemory: limit})
	whole := strings.Repeat("x", limit-2) + "\r\n"
	first, second := dial(t, addr), dial(t, addr)
	first.begin()
	first.put(whole + ".\r\n")
	<-entered
	assert.EqualValues(t, limit-ownMemory, server.held.Load())
	second.begin()
	second.put(whole + ".\r\n")
	second.want("452 4.3.1 ")
	assert.EqualValues(t, limit-ownMemory, server.held.Load(), "what is refused is given back")
	second.begin()
	second.put(whole[limit-ownMemory:] + ".\r\n") // small enough to be taken always
	<-entered
	leave <- true
	leave <- true
	first.want("250 ")
	second.want("250 ")
	second.begin()
	second.put(whole + ".\r\n")
	<-entered
	leave <- true
	second.want("250 ")
	second.begin()
	second.put(whole[:limit/2])
	require.Eventually(t, func() bool { return server.held.Load() > 0 }, patience, time.Millisecond)
	second.Close()
	require.Eventually(t, func() bool { return server.held.Load() == 0 }, patience, time.Millisecond)
	first.begin()
	first.put("x" + whole + ".\r\n")
	first.want("552 5.3.4 ")
	assert.Zero(t, server.held.Load())
}

func TestTooManyErrors(t *testing.T) {
	for name, bad := range map[string]string{
		"unknown": "FROBNICATE", "not offered": "HELP", "no TLS": "STARTTLS", "not ours": "RCPT TO:<bob@example.net>", "empty": "",
		"no syntax": "MAIL FROM:bob", "too long": strings.Repeat("x", 3*maxCommand), "mangled": "NOO", "no text": "NOOP \x00", "no UTF-8": "NOOP \xff",
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := start(t, (&box{}).receive, Config{MaxErrors: 3})
			p := dial(t, addr)
			p.says("EHLO peer.example.net", "250-")
			p.says("MAIL FROM:<>", "250 ")
			p.says(bad, "5")
			p.says(bad, "5")
			p.says("RCPT TO:<csirt@example.org>", "250 ")
			p.says("DATA", "354 ")
			p.put("x\r\n.\r\n")
			p.want("250 ") // and all is forgiven
			p.says("MAIL FROM:<>", "250 ")
			p.says(bad, "5")
			p.says(bad, "5")
			p.says("NOOP", "250 ")
			p.says(bad, "5")
			p.want("421 4.7.0 ")
			p.gone()
		})
	}
}

func TestLongestCommand(t *testing.T) {
	_, addr := start(t, (&box{}).receive, Config{})
	p := dial(t, addr)
	longest := "NOOP " + strings.Repeat("x", maxCommand-len("NOOP \r\n"))
	p.says(longest, "250 ")
	p.says(longest+"x", "500 5.5.2 ")
	p.says(longest+strings.Repeat("x", 100000), "500 5.5.2 ")
	p.says("NOOP", "250 ")
}

func TestTimes(t *testing.T) {
	const short = 300 * time.Millisecond
	for _, c := range []struct {
		name   string
		config Config
		first  string
		drip   string // sent again and again
	}{
		{"idle for a command", Config{IdleTimeout: short}, "", ""},
		{"a byte at a time of a command", Config{IdleTimeout: short}, "", "x"},
		{"idle within a message", Config{IdleTimeout: short}, begin, ""},
		{"a byte at a time of a message", Config{MessageTimeout: short}, begin, "x"},
		{"a message without end", Config{MessageTimeout: short, MaxBytes: 100}, begin, strings.Repeat("x", 1000)},
		{"a byte at a time of a chunk", Config{MessageTimeout: short}, "BDAT 1000\r\n", "x"},
		{"commands all the time", Config{SessionTimeout: short}, "", "NOOP\r\n"},
		{"idle in the end", Config{SessionTimeout: short}, "NOOP\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := &box{}
			_, addr := start(t, b.receive, c.config)
			p := connect(t, "tcp", addr)
			began := time.Now()
			p.put(c.first)
			go func() {
				for err := error(nil); err == nil && c.drip != ""; _, err = p.Write([]byte(c.drip)) {
					time.Sleep(short / 20)
				}
			}()
			said, err := io.ReadAll(p)
			if !errors.Is(err, syscall.ECONNRESET) { // who still speaks then may not hear it
				assert.Contains(t, string(said[max(0, len(said)-200):]), "421 4.4.2 ")
			}
			assert.Greater(t, time.Since(began), short/2)
			assert.Less(t, time.Since(began), 10*short)
			assert.Empty(t, b.messages())
		})
	}
}

// begin is what a peer in a hurry says before a message.
const begin = "EHLO peer.example.net\r\nMAIL FROM:<bob@example.net>\r\nRCPT TO:<csirt@example.org>\r\nDATA\r\n"

// TestSteadyMessage takes longer than IdleTimeout, and is never idle.
func TestSteadyMessage(t *testing.T) {
	b := &box{}
	_, addr := start(t, b.receive, Config{IdleTimeout: 200 * time.Millisecond})
	p := dial(t, addr)
	p.begin()
	for range 20 {
		p.put("x")
		time.Sleep(20 * time.Millisecond)
	}
	p.put("\r\n.\r\n")
	p.want("250 ")
	assert.Len(t, b.messages(), 1)
}

// TestPeerTakesNoAnswer has a peer that reads nothing, not even the greeting.
func TestPeerTakesNoAnswer(t *testing.T) {
	server, err := NewServer((&box{}).receive, Config{Recipients: Only("@example.org"), WriteTimeout: 50 * time.Millisecond})
	require.NoError(t, err)
	ours, theirs := net.Pipe() // has no buffer
	serve(t, server, listenFor(theirs))
	ours.SetDeadline(time.Now().Add(patience))
	_, err = ours.Write([]byte("NOOP\r\n"))
	assert.ErrorIs(t, err, io.ErrClosedPipe, "nobody listens any more")
}

// TestPipelining sends two messages at once (RFC 2920).
func TestPipelining(t *testing.T) {
	b := &box{}
	_, addr := start(t, b.receive, Config{})
	p := dial(t, addr)
	p.put(begin + "one\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<csirt@example.org>\r\nDATA\r\ntwo\r\n.\r\nQUIT\r\nNOOP\r\n")
	for _, reply := range []string{"250-", "250 ", "250 ", "354 ", "250 ", "250 ", "250 ", "354 ", "250 ", "221 "} {
		p.want(reply)
	}
	p.gone()
	assert.Equal(t, []string{"one\r\n", "two\r\n"}, b.messages())
}

// TestPostmaster is about the one address that no list must have (RFC 5321
// 4.5.1).
func TestPostmaster(t *testing.T) {
	b := &box{}
	_, addr := start(t, b.receive, Config{Domain: "desk.example.org", Recipients: Only("csirt@example.org")})
	p := dial(t, addr)
	p.says("EHLO peer.example.net", "250-")
	p.says("MAIL FROM:<>", "250 ")
	p.says("RCPT TO:<Postmaster>", "250 ")
	p.says("rcpt to: <POSTMASTER>", "250 ")
	p.says("RCPT TO:<Postmaster@Desk.example.org>", "250 ")
	p.says("RCPT TO:<postmaster@example.net>", "550 5.7.1 ")
	p.says("RCPT TO:<bob>", "501 ")
	p.says("DATA", "354 ")
	p.put("x\r\n.\r\n")
	p.want("250 ")
	assert.Equal(t, []string{"postmaster@desk.example.org", "postmaster@desk.example.org", "Postmaster@Desk.example.org"}, b.env[0].To)
}
