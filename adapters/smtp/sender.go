package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/airtight-csirt/airtight/mail"
)

// SenderConfig adjusts a [Sender]. Every field may be zero.
type SenderConfig struct {
	LocalName string // our name in EHLO; default "localhost"

	TLS       TLSUse      // default TLSIfOffered
	TLSConfig *tls.Config // default: the roots of the system; ServerName is that of the smart host

	// Username and Password are for AUTH (RFC 4954): PLAIN (RFC 4616) or, with a host
	// that has only that, LOGIN. With a Username, TLS is always TLSRequired.
	Username, Password string

	// IdleTimeout is how long a connection waits for the next message after one that was
	// taken; hosts wait 5 minutes (RFC 5321 4.5.3.2.7). 0: each message has a connection
	// of its own. Four wait at most, and each carries a hundred messages at most.
	IdleTimeout time.Duration

	ConnectTimeout time.Duration // default 30 seconds
	StepTimeout    time.Duration // for each command, and for each block of the message to be sent; default 5 minutes (RFC 5321 4.5.3.2)
	AnswerTimeout  time.Duration // for the answer to the message; default 10 minutes (RFC 5321 4.5.3.2.6)
}

// Sender hands messages to one smart host by SMTP. Make one with
// [NewSender]. It is safe for concurrent use: no two messages share a connection at
// the same time. It speaks a command and waits for the answer: go-smtp's client has no
// pipelining (RFC 2920).
type Sender struct {
	addr   string
	config SenderConfig

	mu   sync.Mutex
	idle []*link // the one that was used last is the last
}

var _ mail.CarefulSender = (*Sender)(nil)

// NewSender returns a sender to the smart host at addr, like "localhost:25".
func NewSender(addr string, config SenderConfig) *Sender {
	config.LocalName = cmp.Or(config.LocalName, "localhost")
	config.ConnectTimeout = cmp.Or(config.ConnectTimeout, 30*time.Second)
	config.StepTimeout = cmp.Or(config.StepTimeout, 5*time.Minute)
	config.AnswerTimeout = cmp.Or(config.AnswerTimeout, 10*time.Minute)
	if config.Username != "" {
		config.TLS = TLSRequired
	}
	return &Sender{addr: addr, config: config}
}

// Send implements [mail.Sender]. One recipient that the host refuses is the
// answer for all: then it got no message. Every error is a [*mail.Error]:
//
//   - The host said no: its code, enhanced code and first words; 4yz is
//     temporary, 5yz permanent.
//   - No TLS where it must be, or the host does not know us: 451, temporary, as
//     the message is not to blame.
//   - No connection, or it ended or took too long before the end of the
//     message: 451, temporary. Err is the cause; that of ctx when ctx ended.
//   - The same after the end of the message: 451 with Undecided.
//   - An address that cannot stand in an SMTP command, no recipient at all, or
//     an address with letters outside ASCII and a host without SMTPUTF8:
//     permanent, and no message was sent.
//
// raw goes out as it is, with CRLF in the place of a bare LF (RFC 5321 2.3.8)
// and a CRLF after a last line without one; a line that ends in CR CR LF gets a
// third CR on the way. Bytes above 127 go out even to a
// host without 8BITMIME.
func (s *Sender) Send(ctx context.Context, envelope mail.Envelope, raw []byte) error {
	return s.SendWhen(ctx, envelope, raw, func(context.Context) error { return nil })
}

// SendWhen implements [mail.CarefulSender]: ready is called between the message and its
// final dot. Beside its error, which comes back as it is, errors are those of Send.
func (s *Sender) SendWhen(ctx context.Context, envelope mail.Envelope, raw []byte, ready func(context.Context) error) error {
	if err := checkEnvelope(envelope); err != nil {
		return err
	}
	if l := s.waiting(); l != nil {
		err := s.sendOver(ctx, l, envelope, raw, ready)
		if !errors.Is(err, errStale) || ctx.Err() != nil {
			return err
		}
	}
	l, err := s.dial(ctx)
	if err != nil {
		return err
	}
	return s.sendOver(ctx, l, envelope, raw, ready)
}

// transmit says everything from MAIL to the answer to the message.
func transmit(ctx context.Context, client *gosmtp.Client, envelope mail.Envelope, raw []byte, ready func(context.Context) error) error {
	opts := &gosmtp.MailOptions{Size: int64(len(raw)), UTF8: !isASCII(envelope)}
	if opts.UTF8 {
		if ok, _ := client.Extension("SMTPUTF8"); !ok {
			return &mail.Error{Code: 553, Enhanced: "5.6.7", Message: "the mail host takes no address outside ASCII"}
		}
	}
	if err := client.Mail(envelope.From, opts); err != nil {
		return refused(ctx, err, "MAIL")
	}
	for _, to := range envelope.To {
		if err := client.Rcpt(to, nil); err != nil {
			return refused(ctx, err, "RCPT")
		}
	}
	data, err := client.Data()
	if err != nil {
		return refused(ctx, err, "DATA")
	}
	if _, err := data.Write(raw); err != nil {
		return broken(ctx, err, "4.4.2", "the connection ended within the message")
	}
	if err := ready(ctx); err != nil {
		return err
	}
	// From here on the final dot may have left.
	err = data.Close()
	var reply *gosmtp.SMTPError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &reply) && reply.Code/100 == 2: // RFC 5321 4.3.2: the first digit decides
		return nil
	case reply != nil && (reply.Code/100 == 4 || reply.Code/100 == 5):
		return refused(ctx, err, "the message")
	}
	undecided := broken(ctx, err, "4.4.2", "the mail host got the message and did not answer")
	undecided.Undecided = true
	return undecided
}

// refused turns the failure of a command into the answer for the caller.
func refused(ctx context.Context, err error, step string) *mail.Error {
	var reply *gosmtp.SMTPError
	if !errors.As(err, &reply) {
		return broken(ctx, err, "4.4.2", "the connection ended at "+step)
	}
	e := &mail.Error{Code: reply.Code, Message: oneLine(reply.Message, 400)}
	if c := reply.EnhancedCode; c != gosmtp.EnhancedCodeNotSet {
		e.Enhanced = fmt.Sprintf("%d.%d.%d", c[0], c[1], c[2])
	}
	if reply.Code/100 != 4 && reply.Code/100 != 5 {
		e.Code, e.Enhanced, e.Message = 451, "4.5.0", fmt.Sprintf("the mail host answered %d to %s", reply.Code, step)
	}
	return e
}

// broken is the answer for a connection that failed; the cause is the context
// when that has ended.
func broken(ctx context.Context, err error, enhanced, message string) *mail.Error {
	var garbled textproto.ProtocolError
	if errors.As(err, &garbled) {
		err = errors.New("smtp: the answer of the mail host is not SMTP") // garbled may quote anything
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return &mail.Error{Code: 451, Enhanced: enhanced, Message: message, Err: err}
}

// checkEnvelope refuses what would be read as more than an address.
func checkEnvelope(envelope mail.Envelope) error {
	if len(envelope.To) == 0 {
		return &mail.Error{Code: 554, Enhanced: "5.5.1", Message: "the message has no recipient"}
	}
	if !isPath(envelope.From) {
		return &mail.Error{Code: 553, Enhanced: "5.1.7", Message: "the address of the sender cannot stand in an SMTP command"}
	}
	for _, to := range envelope.To {
		if to == "" || !isPath(to) {
			return &mail.Error{Code: 553, Enhanced: "5.1.3", Message: "the address of a recipient cannot stand in an SMTP command"}
		}
	}
	return nil
}

// isPath reports whether an address fits between angle brackets.
func isPath(address string) bool {
	return !strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '<' || r == '>' })
}

func isASCII(envelope mail.Envelope) bool {
	above := func(r rune) bool { return r > 0x7f }
	for _, to := range envelope.To {
		if strings.ContainsFunc(to, above) {
			return false
		}
	}
	return !strings.ContainsFunc(envelope.From, above)
}

// maxAnswers is what a host may say, in bytes, about one message.
const maxAnswers = 1 << 20

// steps gives every block that is written a timeout, and what is read a limit:
// go-smtp has neither within a message and a reply.
type steps struct {
	net.Conn
	timeout time.Duration
	left    int // to be read
}

func (s *steps) Read(b []byte) (int, error) {
	if s.left <= 0 {
		return 0, errors.New("smtp: the mail host says too much")
	}
	n, err := s.Conn.Read(b[:min(len(b), s.left)])
	s.left -= n
	return n, err
}

func (s *steps) Write(b []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return 0, err
	}
	return s.Conn.Write(b)
}
