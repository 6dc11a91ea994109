package smtp

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/airtight-csirt/airtight/mail"
)

// Answers of our own.
var (
	errSize      = answer(552, gosmtp.EnhancedCode{5, 3, 4}, "the message is too large")
	errNested    = answer(503, gosmtp.EnhancedCode{5, 5, 1}, "a mail transaction is open already, RSET ends it")
	errRelay     = answer(550, gosmtp.EnhancedCode{5, 7, 1}, "no mail is taken for this address here")
	errMemory    = answer(452, gosmtp.EnhancedCode{4, 3, 1}, "too many messages are arriving, try again later")
	errTruncated = answer(421, gosmtp.EnhancedCode{4, 4, 2}, "the message did not arrive in full, try again")
	errOurs      = answer(451, gosmtp.EnhancedCode{4, 3, 0}, "the message could not be kept, try again later")
)

func answer(code int, enhanced gosmtp.EnhancedCode, message string) *gosmtp.SMTPError {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: message}
}

// session is one dialogue, for the goroutine that serves it.
type session struct {
	server   *Server
	conn     *conn
	open     bool // between MAIL and the end of the transaction
	envelope mail.Envelope
}

func (s *Server) session(c *gosmtp.Conn) (gosmtp.Session, error) {
	return &session{server: s, conn: c.Conn().(*conn)}, nil
}

func (s *session) Mail(from string, _ *gosmtp.MailOptions) error {
	if s.open {
		return errNested
	}
	s.open = true
	s.envelope = mail.Envelope{From: from}
	return nil
}

func (s *session) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if !strings.EqualFold(to, s.server.postmaster()) && !s.server.config.Recipients(to) {
		s.server.config.Log.Debug("smtp: recipient refused", "address", to)
		return errRelay
	}
	s.envelope.To = append(s.envelope.To, to)
	return nil
}

func (s *session) Reset() { s.open = false }

func (s *session) Logout() error { return nil }

// Data reads one message and hands it on. It returns nil only when the Receiver
// has it.
func (s *session) Data(io.Reader) error {
	s.conn.setBusy(true)
	defer s.conn.setBusy(false)
	log := s.server.config.Log
	raw, err := s.conn.message()
	defer s.server.release(raw)
	switch {
	case err == errSize || err == errMemory:
		log.Warn("smtp: message refused", "code", err.(*gosmtp.SMTPError).Code)
		return err
	case err != nil:
		log.Debug("smtp: message broken off", "cause", err)
		return errTruncated
	}

	err = s.hand(s.envelope, raw)
	if err == nil {
		s.conn.refusals = 0
		log.Info("smtp: message taken", "bytes", len(raw), "recipients", len(s.envelope.To))
		return nil
	}
	reply := errOurs
	level := slog.LevelError
	var told *mail.Error
	if errors.As(err, &told) {
		reply = replyOf(told)
		level = slog.LevelWarn
		err = told.Err
	}
	log.Log(s.conn.ctx, level, "smtp: message not taken", "bytes", len(raw), "recipients", len(s.envelope.To), "code", reply.Code, "cause", err)
	return reply
}

// hand calls the Receiver; a panic is an error.
func (s *session) hand(envelope mail.Envelope, raw []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			cause := fmt.Sprintf("%T", v) // the value itself may hold anything
			if e, ok := v.(runtime.Error); ok {
				cause = e.Error()
			}
			s.server.config.Log.Debug("smtp: panic", "value", fmt.Sprint(v))
			err = fmt.Errorf("smtp: the receiver panicked: %s\n%s", cause, debug.Stack())
		}
	}()
	return s.server.receive(s.conn.ctx, envelope, raw)
}

// replyOf brings the answer of a Receiver into the form of a reply line (RFC
// 5321 4.2, RFC 2034): a code that says neither later nor never is temporary.
func replyOf(e *mail.Error) *gosmtp.SMTPError {
	reply := answer(e.Code, gosmtp.EnhancedCodeNotSet, oneLine(e.Message, 400))
	if e.Code < 400 || e.Code > 599 {
		reply.Code = errOurs.Code
	}
	if enhanced, ok := enhancedCode(e.Enhanced); ok && enhanced[0] == reply.Code/100 {
		reply.EnhancedCode = enhanced
	}
	if reply.Message == "" {
		reply.Message = "the message was not taken"
	}
	return reply
}

// enhancedCode reads a status code like 5.3.4 (RFC 3463 2).
func enhancedCode(s string) (code gosmtp.EnhancedCode, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != len(code) {
		return code, false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil || n > 999 {
			return code, false
		}
		code[i] = int(n)
	}
	return code, true
}

// oneLine makes printable ASCII of s, at most so many bytes.
func oneLine(s string, most int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
	s = strings.Map(func(r rune) rune {
		if r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}
