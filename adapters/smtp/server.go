package smtp

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"math"
	"net"
	"strings"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/airtight-csirt/airtight/mail"
)

// ErrClosed is returned by [Server.Serve] after Close or Shutdown.
var ErrClosed = errors.New("smtp: the server is closed")

// Config says what a [Server] takes. Recipients is required; every other field
// may be zero.
type Config struct {
	// Recipients reports whether mail for an address is taken; any other
	// address is refused with 550 5.7.1. See [Only]. It is called from many
	// goroutines.
	Recipients func(address string) bool

	Domain         string        // our name in the greeting; default "localhost"
	MaxBytes       int64         // size of the largest message taken; default 25 MiB
	MaxRecipients  int           // of one message, more get 452 4.5.3; default 100
	MaxConnections int           // at a time, more get 421 4.3.2; default 100
	ReadTimeout    time.Duration // for a command, and for a whole message to arrive; default 10 minutes
	WriteTimeout   time.Duration // for a reply to be sent; default 1 minute

	// Log gets a line per message, taken or not, with its size, the number of
	// recipients, the answer and the cause that the Receiver reported. Addresses
	// of mail and hosts appear at debug level only. Default: silent.
	Log *slog.Logger
}

// Only returns a [Config.Recipients] for a list of addresses, like
// csirt@example.org, and whole domains, like @example.org. Case is ignored.
func Only(addresses ...string) func(address string) bool {
	taken := make(map[string]bool, len(addresses))
	for _, a := range addresses {
		taken[strings.ToLower(a)] = true
	}
	return func(address string) bool {
		address = strings.ToLower(address)
		return taken[address] || taken[address[max(0, strings.LastIndexByte(address, '@')):]]
	}
}

// Server takes mail by SMTP. Make one with [NewServer]. All methods are safe
// for concurrent use.
type Server struct {
	receive mail.Receiver
	config  Config
	smtp    *gosmtp.Server

	mu        sync.Mutex
	closing   bool
	listeners map[net.Listener]bool
	conns     map[*conn]bool
	gone      chan struct{} // closed when closing and the last connection has ended
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
// A message over MaxBytes gets 552 5.3.4, at MAIL when its size is declared
// there. A message of which a part is missing never reaches receive.
//
// The error of NewServer names the field that is missing or out of range.
func NewServer(receive mail.Receiver, config Config) (*Server, error) {
	if receive == nil {
		return nil, errors.New("smtp: NewServer needs a receiver: without one no message could be kept")
	}
	if config.Recipients == nil {
		return nil, errors.New("smtp: Config.Recipients is missing: name the addresses that mail is taken for, like smtp.Only(\"csirt@example.org\")")
	}
	if config.MaxBytes < 0 || config.MaxRecipients < 0 || config.MaxConnections < 0 || config.ReadTimeout < 0 || config.WriteTimeout < 0 {
		return nil, errors.New("smtp: limits and timeouts in Config must not be negative; zero means the default")
	}
	if config.Domain == "" {
		config.Domain = "localhost"
	}
	if strings.ContainsAny(config.Domain, " \t\r\n") {
		return nil, fmt.Errorf("smtp: Config.Domain %q is no host name", config.Domain)
	}
	if config.MaxBytes == 0 {
		config.MaxBytes = 25 << 20
	}
	if config.MaxBytes > math.MaxInt32-maxCommand {
		return nil, fmt.Errorf("smtp: Config.MaxBytes is %d, messages are held in memory: at most %d", config.MaxBytes, math.MaxInt32-maxCommand)
	}
	if config.MaxRecipients == 0 {
		config.MaxRecipients = 100 // RFC 5321 4.5.3.1.8: at least 100
	}
	if config.MaxConnections == 0 {
		config.MaxConnections = 100
	}
	if config.ReadTimeout == 0 {
		config.ReadTimeout = 10 * time.Minute // RFC 5321 4.5.3.2.7: at least 5
	}
	if config.WriteTimeout == 0 {
		config.WriteTimeout = time.Minute
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		receive:   receive,
		config:    config,
		listeners: make(map[net.Listener]bool),
		conns:     make(map[*conn]bool),
		gone:      make(chan struct{}),
	}
	s.smtp = gosmtp.NewServer(gosmtp.BackendFunc(s.session))
	s.smtp.Domain = config.Domain
	// QUIRK: go-smtp refuses a message of exactly its limit, so its limit is
	// one byte above ours; conn.Write announces the right one.
	s.smtp.MaxMessageBytes = config.MaxBytes + 1
	// QUIRK: real mail has lines far above the 998 of RFC 5321, and go-smtp
	// drops the connection at a longer line: only MaxBytes may decide.
	s.smtp.MaxLineLength = int(config.MaxBytes) + maxCommand
	s.smtp.MaxRecipients = config.MaxRecipients
	s.smtp.ReadTimeout = config.ReadTimeout
	s.smtp.WriteTimeout = config.WriteTimeout
	s.smtp.EnableSMTPUTF8 = true
	// What go-smtp logs has the address of the peer in it.
	s.smtp.ErrorLog = log.New(debugLog{config.Log}, "", 0)
	return s, nil
}

// maxCommand is the room for a command beside the largest line of a message.
const maxCommand = 2000

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
		c.Close()
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
	}
	s.conns[c] = true
	return ""
}

func (s *Server) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.conns[c] {
		return
	}
	delete(s.conns, c)
	if s.closing && len(s.conns) == 0 {
		close(s.gone)
	}
}

// debugLog takes the lines of go-smtp.
type debugLog struct{ log *slog.Logger }

func (d debugLog) Write(line []byte) (int, error) {
	d.log.Debug("smtp: " + strings.TrimSpace(string(line)))
	return len(line), nil
}
