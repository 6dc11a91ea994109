package smtp

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/airtight-csirt/airtight/mail"
)

// TLSUse says when a [Sender] speaks TLS.
type TLSUse int

const (
	// TLSIfOffered speaks TLS with a host that offers STARTTLS, whatever its
	// certificate, and clear text with others: it keeps out who listens, not
	// who answers in the place of the host (RFC 7435). When a host offers
	// STARTTLS and then fails, nothing goes out in clear text either.
	TLSIfOffered TLSUse = iota
	// TLSRequired sends nothing without TLS and a certificate that is valid for
	// the host.
	TLSRequired
	// TLSNever sends in clear text.
	TLSNever
)

// open greets the host and agrees on TLS and who we are. What fails here is no
// fault of a message: every error of TLS and of AUTH is temporary.
func (s *Sender) open(ctx context.Context, conn net.Conn) (*gosmtp.Client, error) {
	client, err := s.hello(ctx, conn)
	if err != nil || s.config.TLS == TLSNever {
		return client, err
	}
	if offered, _ := client.Extension("STARTTLS"); offered {
		secure, err := s.startTLS(ctx, conn)
		if err != nil {
			return nil, unready(ctx, err, "4.7.5", "STARTTLS")
		}
		if client, err = s.hello(ctx, secure); err != nil {
			return nil, err
		}
	} else if s.config.TLS == TLSRequired {
		return nil, &mail.Error{Code: 451, Enhanced: "4.7.4", Message: "the mail host does not offer STARTTLS"}
	}
	if s.config.Username == "" {
		return client, nil
	}
	_, offer := client.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offer))
	var identity interface {
		Start() (mechanism string, initial []byte, err error)
		Next(challenge []byte) (response []byte, err error)
	} = plain{s.config.Username, s.config.Password}
	switch {
	case slices.Contains(mechanisms, "PLAIN"):
	case slices.Contains(mechanisms, "LOGIN"):
		identity = &login{s.config.Username, s.config.Password, 0}
	default:
		return nil, &mail.Error{Code: 451, Enhanced: "4.7.4", Message: "the mail host offers neither AUTH PLAIN nor LOGIN"}
	}
	if err := client.Auth(identity); err != nil {
		return nil, unready(ctx, err, "4.7.8", "AUTH")
	}
	return client, nil
}

func (s *Sender) hello(ctx context.Context, conn net.Conn) (*gosmtp.Client, error) {
	client := gosmtp.NewClient(conn)
	client.CommandTimeout = s.config.StepTimeout
	client.SubmissionTimeout = s.config.AnswerTimeout
	if err := client.Hello(s.config.LocalName); err != nil {
		return nil, refused(ctx, err, "EHLO")
	}
	return client, nil
}

// startTLS says STARTTLS (RFC 3207). What the host may have said behind its
// answer, or somebody in its place, is thrown away with the buffer.
//
// QUIRK: go-smtp's client says STARTTLS only on a connection of its own, as
// "localhost", and fails where it is not offered.
func (s *Sender) startTLS(ctx context.Context, conn net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.StepTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := io.WriteString(conn, "STARTTLS\r\n"); err != nil {
		return nil, err
	}
	if _, _, err := textproto.NewReader(bufio.NewReader(conn)).ReadResponse(220); err != nil {
		return nil, err
	}
	config := &tls.Config{}
	if s.config.TLSConfig != nil {
		config = s.config.TLSConfig.Clone()
	}
	host, _, _ := net.SplitHostPort(s.addr)
	config.ServerName = cmp.Or(config.ServerName, host)
	config.InsecureSkipVerify = config.InsecureSkipVerify || s.config.TLS == TLSIfOffered
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return &greeted{secure, io.MultiReader(strings.NewReader("220 \r\n"), secure)}, nil
}

// greeted is a connection within a dialogue: go-smtp wants to be greeted first.
type greeted struct {
	net.Conn
	r io.Reader
}

func (g *greeted) Read(b []byte) (int, error) { return g.r.Read(b) }

// plain is the mechanism PLAIN of SASL (RFC 4616).
type plain struct{ username, password string }

func (p plain) Start() (mechanism string, initial []byte, err error) {
	return "PLAIN", []byte("\x00" + p.username + "\x00" + p.password), nil
}

func (p plain) Next([]byte) ([]byte, error) {
	return nil, errors.New("smtp: the mail host goes on where AUTH PLAIN ends")
}

// login is the mechanism LOGIN, which no RFC describes: the host asks for the name and
// then for the password, in words that differ.
type login struct {
	username, password string
	asked              int
}

func (l *login) Start() (mechanism string, initial []byte, err error) { return "LOGIN", nil, nil }

func (l *login) Next([]byte) ([]byte, error) {
	l.asked++
	switch l.asked {
	case 1:
		return []byte(l.username), nil
	case 2:
		return []byte(l.password), nil
	}
	return nil, errors.New("smtp: the mail host goes on where AUTH LOGIN ends")
}

// unready is the answer for a host that a message could not be offered to.
func unready(ctx context.Context, err error, enhanced, step string) *mail.Error {
	var said *textproto.Error
	var reply *gosmtp.SMTPError
	code := 0
	if errors.As(err, &said) {
		code = said.Code
	} else if errors.As(err, &reply) {
		code = reply.Code
	}
	if code == 0 {
		return broken(ctx, err, enhanced, step+" failed with the mail host")
	}
	return &mail.Error{Code: 451, Enhanced: enhanced, Message: fmt.Sprintf("the mail host answered %d to %s", code, step)}
}
