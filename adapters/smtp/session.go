package smtp

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/airtight-csirt/airtight/mail"
)

// Answers of our own.
var (
	errSize      = answer(552, gosmtp.EnhancedCode{5, 3, 4}, "the message is too large")
	errNested    = answer(503, gosmtp.EnhancedCode{5, 5, 1}, "a mail transaction is open already, RSET ends it")
	errRelay     = answer(550, gosmtp.EnhancedCode{5, 7, 1}, "no mail is taken for this address here")
	errChunks    = answer(502, gosmtp.EnhancedCode{5, 5, 1}, "BDAT is not offered, use DATA")
	errTruncated = answer(451, gosmtp.EnhancedCode{4, 4, 2}, "the message did not arrive in full, try again")
	errOurs      = answer(451, gosmtp.EnhancedCode{4, 3, 0}, "the message could not be kept, try again later")
)

func answer(code int, enhanced gosmtp.EnhancedCode, message string) *gosmtp.SMTPError {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: message}
}

// session is one SMTP dialogue. After BDAT, go-smtp calls Data beside the other
// methods.
type session struct {
	server *Server
	conn   *conn

	mu       sync.Mutex
	open     bool // between MAIL and the end of the transaction
	envelope mail.Envelope
}

func (s *Server) session(c *gosmtp.Conn) (gosmtp.Session, error) {
	return &session{server: s, conn: c.Conn().(*conn)}, nil
}

func (s *session) Mail(from string, opts *gosmtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		return errNested
	}
	if opts.Size > s.server.config.MaxBytes {
		return errSize
	}
	s.open = true
	s.envelope = mail.Envelope{From: from}
	return nil
}

func (s *session) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if !s.server.config.Recipients(to) {
		s.server.config.Log.Debug("smtp: recipient refused", "address", to)
		return errRelay
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.envelope.To = append(s.envelope.To, to)
	return nil
}

func (s *session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open = false
}

func (s *session) Logout() error { return nil }

// Data reads one message and hands it on. It returns nil only when the Receiver
// has it.
func (s *session) Data(r io.Reader) error {
	if _, ok := r.(*io.PipeReader); ok { // so go-smtp gives chunks
		return errChunks
	}
	s.conn.setBusy(true)
	defer s.conn.setBusy(false)
	s.mu.Lock()
	envelope := mail.Envelope{From: s.envelope.From, To: slices.Clone(s.envelope.To)}
	s.mu.Unlock()

	log, limit := s.server.config.Log, s.server.config.MaxBytes
	raw, err := io.ReadAll(io.LimitReader(&dots{r: r, conn: s.conn}, limit+1))
	switch {
	case errors.Is(err, gosmtp.ErrDataTooLarge), errors.Is(err, gosmtp.ErrTooLongLine), int64(len(raw)) > limit:
		log.Warn("smtp: message refused", "code", errSize.Code, "over", limit)
		return errSize
	case err != nil:
		log.Debug("smtp: message broken off", "bytes", len(raw), "cause", err)
		return errTruncated
	}

	err = s.hand(envelope, raw)
	if err == nil {
		log.Info("smtp: message taken", "bytes", len(raw), "recipients", len(envelope.To))
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
	log.Log(s.conn.ctx, level, "smtp: message not taken", "bytes", len(raw), "recipients", len(envelope.To), "code", reply.Code, "cause", err)
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
