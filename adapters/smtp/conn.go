package smtp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// listener gives out connections that the server knows.
type listener struct {
	net.Listener
	server *Server
}

func (l listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithCancel(context.Background())
		c := &conn{Conn: inner, server: l.server, ctx: ctx, cancel: cancel}
		if reply := l.server.add(c); reply != "" {
			inner.SetWriteDeadline(time.Now().Add(time.Second))
			io.WriteString(inner, reply)
			c.Close()
			continue
		}
		return c, nil
	}
}

// conn is a connection of a [Server], below go-smtp.
type conn struct {
	net.Conn
	server *Server
	ctx    context.Context // of the connection: go-smtp has none to pass on
	cancel context.CancelFunc

	mu    sync.Mutex
	busy  bool // a message is arriving or with the Receiver
	ended bool // nothing more is read
}

// Read reads nothing more once a Read has failed or end was called.
//
// QUIRK: go-smtp reads on after a timeout within a message, and what is left of
// the message would be taken for commands.
func (c *conn) Read(b []byte) (int, error) {
	if c.isEnded() {
		return 0, io.EOF
	}
	n, err := c.Conn.Read(b)
	if err != nil {
		c.end()
	}
	return n, err
}

// Write corrects two lines of the answer to EHLO, each of which go-smtp writes
// by itself.
//
// QUIRK: go-smtp always offers CHUNKING (RFC 3030), but takes a last chunk in
// which the peer hangs up for whole, and may give the answer to one message
// to the next after RSET. The session refuses BDAT.
func (c *conn) Write(b []byte) (int, error) {
	const size = "250-SIZE "
	switch {
	case string(b) == "250-CHUNKING\r\n":
		return len(b), nil
	case bytes.HasPrefix(b, []byte(size)):
		_, err := fmt.Fprintf(c.Conn, size+"%d\r\n", c.server.config.MaxBytes)
		return len(b), err
	}
	return c.Conn.Write(b)
}

// SetReadDeadline is called by go-smtp before each command: the moment for
// Shutdown to interrupt.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.busy && c.server.isClosing() {
		t = time.Now()
	}
	return c.Conn.SetReadDeadline(t)
}

// hurry interrupts the wait for a command.
func (c *conn) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.busy {
		c.Conn.SetReadDeadline(time.Now())
	}
}

func (c *conn) setBusy(busy bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy = busy
}

func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

func (c *conn) isEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// Close may be called more than once, from any goroutine.
func (c *conn) Close() error {
	err := c.Conn.Close() // first: a Receiver that gives up must not be heard
	c.cancel()
	c.server.remove(c)
	return err
}
