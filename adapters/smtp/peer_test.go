package smtp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

// patience is how long a test waits for what should come at once.
const patience = 10 * time.Second

// box is a Receiver that keeps what arrives.
type box struct {
	mu   sync.Mutex
	env  []mail.Envelope
	raw  [][]byte
	fail error
}

func (b *box) receive(_ context.Context, env mail.Envelope, raw []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.env, b.raw = append(b.env, env), append(b.raw, bytes.Clone(raw))
	return b.fail
}

func (b *box) messages() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []string
	for _, raw := range b.raw {
		all = append(all, string(raw))
	}
	return all
}

// start serves on a loopback port until the test ends.
func start(t testing.TB, receive mail.Receiver, config Config) (*Server, string) {
	t.Helper()
	if config.Recipients == nil {
		config.Recipients = Only("@example.org")
	}
	server, err := NewServer(receive, config)
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	serve(t, server, l)
	return server, l.Addr().String()
}

func serve(t testing.TB, server *Server, l net.Listener) {
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		assert.NoError(t, <-ended, "Serve")
	})
}

// peer is a mail system that speaks to the server word by word.
type peer struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *peer {
	t.Helper()
	p := connect(t, "tcp", addr)
	p.want("220 ")
	return p
}

// connect is for whoever may not be greeted.
func connect(t testing.TB, network, addr string) *peer {
	t.Helper()
	c, err := net.Dial(network, addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &peer{t, c, bufio.NewReader(c)}
}

// want reads one reply, of all its lines, and looks at its beginning.
func (p *peer) want(prefix string) string {
	p.t.Helper()
	var reply strings.Builder
	for {
		line, err := p.r.ReadString('\n')
		require.NoError(p.t, err, "waiting for %q, have %q", prefix, reply.String())
		reply.WriteString(line)
		if len(line) < 4 || line[3] != '-' {
			break
		}
	}
	require.True(p.t, strings.HasPrefix(reply.String(), prefix), "reply %q, wanted %q", reply.String(), prefix)
	return reply.String()
}

func (p *peer) put(s string) {
	p.t.Helper()
	_, err := p.Write([]byte(s))
	require.NoError(p.t, err)
}

// says sends a command and wants a reply.
func (p *peer) says(command, prefix string) string {
	p.t.Helper()
	p.put(command + "\r\n")
	return p.want(prefix)
}

// begin goes as far as the 354.
func (p *peer) begin() {
	p.t.Helper()
	p.says("EHLO peer.example.net", "250-")
	p.says("MAIL FROM:<bob@example.net>", "250 ")
	p.says("RCPT TO:<csirt@example.org>", "250 ")
	p.says("DATA", "354 ")
}

func (p *peer) gone() {
	p.t.Helper()
	_, err := p.r.ReadByte()
	assert.Error(p.t, err, "the connection should be closed")
	var timeout net.Error
	assert.False(p.t, errors.As(err, &timeout) && timeout.Timeout(), "the connection is still open")
}

// oneListener gives out one connection.
type oneListener struct {
	conns  chan net.Conn
	closed func()
}

func listenFor(c net.Conn) net.Listener {
	conns := make(chan net.Conn, 1)
	conns <- c
	return &oneListener{conns, sync.OnceFunc(func() { close(conns) })}
}

func (l *oneListener) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l *oneListener) Close() error {
	l.closed()
	return nil
}

func (l *oneListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }
