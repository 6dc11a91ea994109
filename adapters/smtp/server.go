package smtp

import (
	"context"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/airtight-csirt/airtight/mail"
)

// ErrClosed is returned by [Server.Serve] after Close or Shutdown.
var ErrClosed = errors.New("smtp: the server is closed")

// Server takes mail by SMTP or LMTP. Make one with [NewServer]. All methods are
// safe for concurrent use.
type Server struct {
	receive mail.Receiver
	config  Config
	smtp    *gosmtp.Server
	held    atomic.Int64 // bytes of messages, see Config.MaxMemory

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]bool
	conns     map[*conn]bool
	sources   map[netip.Prefix]int // how many of conns each has
	gone      chan struct{}        // closed when closing and the last connection has ended
}

// NewServer returns a server that hands messages to receive. The answer to the
// peer follows from what receive returns:
//
//   - nil: 250.
//   - a [*mail.Error]: its Code, Enhanced and Message; its Err is only logged.
//   - any other error, and a panic: 451 4.3.0.
//
// receive gets the envelope as the peer gave it, and the bytes between DATA and
// the end of data with the dots of transparency removed. Its context ends
// with the connection, at the latest with [Server.Close]; a peer that hangs up
// while receive works is not noticed.
//
// A message of which a part is missing never reaches receive.
//
// The error of NewServer names the field that is missing or out of range.
func NewServer(receive mail.Receiver, config Config) (*Server, error) {
	if receive == nil {
		return nil, errors.New("smtp: NewServer needs a receiver: without one no message could be kept")
	}
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	s := &Server{
		receive:   receive,
		config:    config,
		listeners: make(map[net.Listener]bool),
		conns:     make(map[*conn]bool),
		sources:   make(map[netip.Prefix]int),
		gone:      make(chan struct{}),
	}
	s.smtp = gosmtp.NewServer(gosmtp.BackendFunc(s.session))
	s.smtp.LMTP = config.LMTP
	s.smtp.Domain = config.Domain
	s.smtp.MaxMessageBytes = config.MaxBytes // for SIZE; conn limits the rest, and the times
	s.smtp.MaxLineLength = 0
	s.smtp.MaxRecipients = config.MaxRecipients
	s.smtp.EnableSMTPUTF8 = true
	// What go-smtp logs has the address of the peer in it.
	s.smtp.ErrorLog = log.New(debugLog{config.Log}, "", 0)
	return s, nil
}

// Serve takes connections from l until Close or Shutdown, then it returns nil;
// it closes l. Any other end of l is an error, and [ErrClosed] says that the
// server had been closed before. One server may serve many listeners.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		l.Close()
		return ErrClosed
	}
	s.listeners[l] = true
	s.mu.Unlock()

	err := s.smtp.Serve(listener{l, s})
	l.Close()

	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	if s.closing {
		return nil
	}
	return err
}

// Close ends the server at once: listeners and connections are closed, and the
// contexts of messages that the Receiver is working on are cancelled. Their
// peers get no answer and will send again. Close does not wait.
func (s *Server) Close() error {
	s.close()
	for _, c := range s.open() {
		c.cut()
	}
	return nil
}

// Shutdown ends the server in peace: it closes the listeners, sends 421 to
// connections that are not in the middle of a message and waits for the others.
// When ctx ends first it does what Close does and returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.close()
	for _, c := range s.open() {
		c.hurry()
	}
	select {
	case <-s.gone:
		return nil
	case <-ctx.Done():
		s.Close()
		return ctx.Err()
	}
}

// close stops new connections.
func (s *Server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	s.closing = true
	for l := range s.listeners {
		l.Close()
	}
	if len(s.conns) == 0 {
		close(s.gone)
	}
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

func (s *Server) open() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		open = append(open, c)
	}
	return open
}

// add counts a connection in; the answer to one that may not stay is in reply.
func (s *Server) add(c *conn) (reply string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		return "421 4.3.2 " + s.config.Domain + " is closing down\r\n"
	case len(s.conns) >= s.config.MaxConnections:
		return "421 4.3.2 " + s.config.Domain + " has too many connections, try again later\r\n"
	case c.source.IsValid() && s.sources[c.source] >= s.config.MaxPerSource:
		return "421 4.7.0 " + s.config.Domain + " has too many connections from you, try again later\r\n"
	}
	s.conns[c] = true
	s.sources[c.source]++
	return ""
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.conns[c] {
		return
	}
	delete(s.conns, c)
	if s.sources[c.source]--; s.sources[c.source] == 0 {
		delete(s.sources, c.source)
	}
	if s.closing && len(s.conns) == 0 {
		close(s.gone)
	}
}

// postmaster is the address that every server has.
func (s *Server) postmaster() string { return "postmaster@" + s.config.Domain }

// debugLog takes the lines of go-smtp.
type debugLog struct{ log *slog.Logger }

func (d debugLog) Write(line []byte) (int, error) {
	d.log.Debug("smtp: " + strings.TrimSpace(string(line)))
	return len(line), nil
}
