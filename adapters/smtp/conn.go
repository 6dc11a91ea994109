package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
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
		c := newConn(inner, l.server)
		if reply := l.server.add(c); reply != "" {
			l.server.config.Log.Debug("smtp: connection refused", "code", reply[:9])
			if c.secure == nil { // nobody waits here for a handshake
				inner.SetWriteDeadline(time.Now().Add(time.Second))
				inner.Write([]byte(reply))
			}
			c.cut()
			continue
		}
		return c, nil
	}
}

// conn is a connection of a [Server], between the network and go-smtp. It reads
// the commands, gives go-smtp one at a time of those that may pass (command.go),
// and reads the messages itself (message.go), so that all that a peer sends is
// under one roof of limits. TLS is below: go-smtp knows nothing of it.
//
// QUIRK: go-smtp's own STARTTLS goes on in clear text after a handshake that
// failed, and would put TLS between go-smtp and this.
type conn struct {
	net.Conn // the network, below TLS
	server   *Server
	source   netip.Prefix    // whom it counts for; invalid on a unix socket
	ctx      context.Context // of the connection: go-smtp has none to pass on
	cancel   context.CancelFunc

	// The rest, down to mu, is for the goroutine that serves the connection.
	stream   net.Conn  // the network or TLS on it
	secure   *tls.Conn // nil in clear text
	in       *bufio.Reader
	last     time.Time // no command is waited for after it
	until    time.Time // no read of this command or message ends after it
	pending  string    // for go-smtp, not yet given out
	hello    bool      // go-smtp has EHLO, HELO or LHLO to answer
	greeted  bool      // and has answered 250
	refused  bool      // the answer to this command was 5yz
	refusals int

	mu    sync.Mutex
	busy  bool // a message is arriving or with the Receiver
	ended bool // nothing more is read
}

func newConn(inner net.Conn, server *Server) *conn {
	c := &conn{Conn: inner, server: server, stream: inner, source: sourceOf(inner.RemoteAddr())}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if secure, ok := inner.(*tls.Conn); ok {
		c.Conn, c.secure = secure.NetConn(), secure
	}
	c.in = bufio.NewReader(feed{c})
	c.last = time.Now().Add(server.config.SessionTimeout)
	c.until = c.last
	c.await() // for the handshake of a TLS listener, within the greeting
	return c
}

// sourceOf returns what counts as one peer: an IPv4 address, or the /64 that one
// IPv6 subscriber has at the least (RFC 6177).
func sourceOf(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	source, _ := ip.Prefix(min(ip.BitLen(), 64))
	return source
}

// feed is where in reads.
type feed struct{ *conn }

func (f feed) Read(b []byte) (int, error) {
	f.await()
	return f.stream.Read(b)
}

// await sets the deadline for one read.
func (c *conn) await() {
	c.mu.Lock()
	defer c.mu.Unlock()
	deadline := time.Now()
	if c.busy || !c.server.isClosing() {
		deadline = earlier(deadline.Add(c.server.config.IdleTimeout), c.until)
	}
	c.Conn.SetReadDeadline(deadline)
}

// hurry interrupts the wait for a command.
func (c *conn) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.busy {
		c.Conn.SetReadDeadline(time.Now())
	}
}

// Read gives go-smtp the next command that may pass, or what else is pending.
func (c *conn) Read(b []byte) (int, error) {
	for c.pending == "" {
		line, err := c.command()
		if err != nil {
			return 0, err
		}
		c.pending = c.admit(line)
	}
	n := copy(b, c.pending)
	c.pending = c.pending[n:]
	return n, nil
}

// Write sends what go-smtp answers, line by line, and corrects some of it.
//
// QUIRK: go-smtp always offers CHUNKING (RFC 3030), but takes a last chunk in
// which the peer hangs up for whole, and may give the answer to one message
// to the next after RSET. So BDAT is refused and not offered, on TLS neither.
//
// QUIRK: go-smtp says 502 where RFC 5321 3.3 and RFC 2033 4.2 want 503.
func (c *conn) Write(b []byte) (int, error) {
	line := string(b)
	if line == "250-CHUNKING\r\n" {
		line = ""
		if c.server.config.TLS != nil && c.secure == nil {
			line = "250-STARTTLS\r\n"
		}
	}
	if missing, ok := strings.CutPrefix(line, "502 5.5.1 Missing"); ok {
		line = "503 5.5.1 Missing" + missing
	}
	if c.hello && strings.HasPrefix(line, "250") {
		c.greeted = true
	}
	return len(b), c.send(line)
}

// send writes a reply, or a line of one. A peer that takes none is not heard
// any more.
func (c *conn) send(line string) error {
	if line == "" {
		return nil
	}
	c.refused = c.refused || line[0] == '5'
	c.Conn.SetWriteDeadline(time.Now().Add(c.server.config.WriteTimeout))
	_, err := c.stream.Write([]byte(line))
	if err != nil {
		c.end()
	}
	return err
}

// bye tells the peer why the connection ends, with 421 (RFC 5321 3.8).
func (c *conn) bye(enhanced, why string) {
	c.server.config.Log.Debug("smtp: connection ended", "why", why)
	c.send("421 " + enhanced + " " + c.server.config.Domain + " " + why + "\r\n")
	c.end()
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

// Close is the orderly end, called by go-smtp, perhaps more than once.
func (c *conn) Close() error {
	if c.secure != nil {
		c.secure.CloseWrite()
	}
	err := c.cut()
	c.server.remove(c)
	return err
}

// cut ends the connection at once, from any goroutine.
func (c *conn) cut() error {
	c.end()
	err := c.Conn.Close() // first: a Receiver that gives up must not be heard
	c.cancel()
	return err
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
