package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

func TestSenderSpeaksTLS(t *testing.T) {
	ours, theirs := certificate(t)
	foreign, _ := certificate(t) // signed by nobody we know
	for _, c := range []struct {
		name   string
		server Config
		sender SenderConfig
		answer string // "" is success
	}{
		{"offered", Config{TLS: ours, RequireTLS: true}, SenderConfig{}, ""},
		{"offered by a stranger", Config{TLS: foreign, RequireTLS: true}, SenderConfig{TLSConfig: theirs}, ""},
		{"not offered", Config{}, SenderConfig{}, ""},
		{"never", Config{TLS: ours}, SenderConfig{TLS: TLSNever}, ""},
		{"never, but the host wants it", Config{TLS: ours, RequireTLS: true}, SenderConfig{TLS: TLSNever}, "530 5.7.0"},
		{"required", Config{TLS: ours, RequireTLS: true}, SenderConfig{TLS: TLSRequired, TLSConfig: theirs}, ""},
		{"required, the name is that of the host", Config{TLS: ours}, SenderConfig{TLS: TLSRequired, TLSConfig: &tls.Config{RootCAs: theirs.RootCAs}}, ""},
		{"required, not offered", Config{}, SenderConfig{TLS: TLSRequired}, "451 4.7.4"},
		{"required, a stranger", Config{TLS: foreign}, SenderConfig{TLS: TLSRequired, TLSConfig: theirs}, "451 4.7.5"},
		{"required, another name", Config{TLS: ours}, SenderConfig{TLS: TLSRequired, TLSConfig: &tls.Config{RootCAs: theirs.RootCAs, ServerName: "mail.example.net"}}, "451 4.7.5"},
		{"password, not offered", Config{}, SenderConfig{Username: "desk", Password: "secret"}, "451 4.7.4"},
		{"password, a stranger", Config{TLS: ours}, SenderConfig{Username: "desk", Password: "secret"}, "451 4.7.5"},
		{"password, no AUTH", Config{TLS: ours}, SenderConfig{Username: "desk", Password: "secret", TLSConfig: theirs}, "451 4.7.4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &box{}
			_, addr := start(t, b.receive, c.server)
			err := NewSender(addr, c.sender).Send(t.Context(), letterTo("a@example.org"), []byte(text))
			if c.answer == "" {
				require.NoError(t, err)
				assert.Equal(t, []string{text}, b.messages())
				return
			}
			e := failure(t, err)
			assert.Equal(t, c.answer, fmt.Sprint(e.Code, " ", e.Enhanced))
			assert.False(t, e.Undecided)
			assert.Empty(t, b.messages())
		})
	}
}

// secureHost takes one connection, answers STARTTLS, and in TLS line by line; told gives
// what it was told there.
func secureHost(t *testing.T, certificate *tls.Config, startTLS string, replies ...string) (addr string, told <-chan []string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	lines := make(chan []string, 1)
	go func() {
		var heard []string
		defer func() { lines <- heard }()
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprint(conn, "220 host.example.net\r\n")
		r := bufio.NewReader(conn)
		r.ReadString('\n')
		fmt.Fprint(conn, "250-host.example.net\r\n250 STARTTLS\r\n")
		r.ReadString('\n')
		fmt.Fprint(conn, startTLS)
		secure := tls.Server(conn, certificate)
		if secure.Handshake() != nil {
			return
		}
		r = bufio.NewReader(secure)
		for _, reply := range replies {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			heard = append(heard, strings.TrimSpace(line))
			fmt.Fprint(secure, reply)
		}
	}()
	return l.Addr().String(), lines
}

// TestHostAndTLS is about what a host does around STARTTLS and AUTH; it gives
// out what it was told in TLS.
func TestHostAndTLS(t *testing.T) {
	ours, theirs := certificate(t)
	login := "AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00desk\x00secret"))
	for _, c := range []struct {
		name     string
		startTLS string // the answer
		auth     string // the answer
		wants    string // of the error
		told     []string
	}{
		{"fine", "220 2.0.0 go\r\n", "235 2.7.0 welcome\r\n", "", []string{
			"EHLO desk.example.org", login, "MAIL FROM:<csirt@example.org>"}},
		{"answers put in before TLS", "220 2.0.0 go\r\n250-evil\r\n250 AUTH LOGIN\r\n", "235 2.7.0 welcome\r\n", "", []string{
			"EHLO desk.example.org", login, "MAIL FROM:<csirt@example.org>"}},
		{"does not know us", "220 2.0.0 go\r\n", "535 5.7.8 no\r\n", "451 4.7.8 the mail host answered 535 to AUTH", []string{"EHLO desk.example.org", login, "*"}},
		{"goes on asking", "220 2.0.0 go\r\n", "334 \r\n", "451 4.7.8 AUTH failed with the mail host", []string{"EHLO desk.example.org", login, "*"}},
		{"no TLS now", "454 4.7.0 later\r\n", "", "451 4.7.5 the mail host answered 454 to STARTTLS", nil},
		{"no TLS ever", "554 5.7.0 never\r\n", "", "451 4.7.5 the mail host answered 554 to STARTTLS", nil},
		{"silent", "", "", "451 4.7.5 STARTTLS failed with the mail host", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, told := secureHost(t, ours, c.startTLS, "250-host.example.net\r\n250 AUTH LOGIN PLAIN\r\n", c.auth, "550 5.7.1 enough\r\n")
			sender := NewSender(addr, SenderConfig{
				LocalName: "desk.example.org", Username: "desk", Password: "secret", TLSConfig: theirs, StepTimeout: 300 * time.Millisecond,
			})
			began := time.Now()
			e := failure(t, sender.Send(t.Context(), letter, []byte(text)))
			assert.Less(t, time.Since(began), patience/2)
			if c.wants == "" {
				c.wants = "550 5.7.1 enough"
			}
			assert.Equal(t, c.wants, fmt.Sprint(e.Code, " ", e.Enhanced, " ", e.Message))
			assert.False(t, e.Undecided)
			assert.Equal(t, c.told, <-told)
		})
	}
}

// TestHostSaysTooMuch has a host that never ends its answer.
func TestHostSaysTooMuch(t *testing.T) {
	addr, _ := host(t, map[string]string{"EHLO": strings.Repeat("250-and so on\r\n", 1<<17)})
	e := failure(t, NewSender(addr, SenderConfig{}).Send(t.Context(), letter, []byte(text)))
	assert.ErrorContains(t, e, "too much")
	assert.True(t, e.Temporary())
}

// TestUndecidedInTLS loses the connection after the final dot.
func TestUndecidedInTLS(t *testing.T) {
	ours, _ := certificate(t)
	var server *Server
	server, addr := start(t, func(context.Context, mail.Envelope, []byte) error {
		return server.Close()
	}, Config{TLS: ours})
	e := failure(t, NewSender(addr, SenderConfig{}).Send(t.Context(), letterTo("a@example.org"), []byte(text)))
	assert.True(t, e.Undecided)
}
