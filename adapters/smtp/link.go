package smtp

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/airtight-csirt/airtight/mail"
)

const (
	mostIdle  = 4   // connections that wait
	mostTimes = 100 // messages over one connection
)

// link is a connection to the mail host that has got as far as MAIL.
type link struct {
	client *gosmtp.Client
	conn   net.Conn
	steps  *steps
	times  int // messages taken
	timer  *time.Timer
}

// errStale: a connection that waited was closed by the host before anything was said
// of the message (RFC 5321 3.8).
var errStale = errors.New("smtp: the mail host has closed the connection")

// dial opens a connection.
func (s *Sender) dial(ctx context.Context) (*link, error) {
	dialer := net.Dialer{Timeout: s.config.ConnectTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, broken(ctx, err, "4.4.1", "no connection to the mail host")
	}
	// go-smtp has no contexts: closing the connection ends every wait.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	l := &link{conn: conn, steps: &steps{Conn: conn, timeout: s.config.StepTimeout, left: maxAnswers}}
	if l.client, err = s.open(ctx, l.steps); err != nil {
		conn.Close()
		return nil, err
	}
	return l, nil
}

// sendOver sends a message over a connection, and keeps or ends that.
func (s *Sender) sendOver(ctx context.Context, l *link, envelope mail.Envelope, raw []byte, ready func(context.Context) error) error {
	l.steps.left = maxAnswers
	stop := context.AfterFunc(ctx, func() { l.conn.Close() })
	begun := false
	err := transmit(ctx, l.client, envelope, raw, func(ctx context.Context) error { begun = true; return ready(ctx) })
	if !stop() || err != nil {
		l.conn.Close()
		var answer *mail.Error
		if l.times > 0 && !begun && errors.As(err, &answer) && (answer.Err != nil || answer.Code == 421) {
			return errStale
		}
		return err
	}
	l.times++
	if s.config.IdleTimeout <= 0 || l.times == mostTimes || !s.keep(l) {
		l.quit(s.config.StepTimeout)
	}
	return nil
}

// keep lets a connection wait for the next message, unless too many do.
func (s *Sender) keep(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == mostIdle {
		return false
	}
	s.idle = append(s.idle, l)
	l.timer = time.AfterFunc(s.config.IdleTimeout, func() {
		if s.remove(l) {
			l.quit(s.config.StepTimeout)
		}
	})
	return true
}

// waiting returns a connection that waits, or nil.
func (s *Sender) waiting() *link {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		return nil
	}
	l := s.idle[len(s.idle)-1]
	s.idle = s.idle[:len(s.idle)-1]
	l.timer.Stop()
	return l
}

func (s *Sender) remove(l *link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.idle, l)
	if i >= 0 {
		s.idle = slices.Delete(s.idle, i, i+1)
	}
	return i >= 0
}

// Close ends the connections that wait. The Sender may be used again.
func (s *Sender) Close() error {
	for l := s.waiting(); l != nil; l = s.waiting() {
		l.quit(s.config.StepTimeout)
	}
	return nil
}

func (l *link) quit(timeout time.Duration) {
	l.client.CommandTimeout = min(timeout, 5*time.Second) // nothing hangs on the answer
	l.client.Quit()
	l.conn.Close()
}
