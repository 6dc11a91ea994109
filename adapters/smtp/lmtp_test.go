package smtp

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

func TestLMTP(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			b := &box{}
			server, err := NewServer(b.receive, Config{LMTP: true, Recipients: Only("@example.org")})
			require.NoError(t, err)
			l, err := net.Listen(network, map[string]string{"unix": filepath.Join(t.TempDir(), "lmtp"), "tcp": "127.0.0.1:0"}[network])
			require.NoError(t, err)
			serve(t, server, l)
			p := connect(t, network, l.Addr().String())
			assert.Contains(t, p.want("220 "), "LMTP")
			p.says("EHLO peer.example.net", "500 5.5.1 ") // RFC 2033 4.1
			p.says("MAIL FROM:<>", "503 5.5.1 ")
			hello := p.says("LHLO peer.example.net", "250-")
			for _, want := range []string{"PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SIZE"} { // RFC 2033 5
				assert.Contains(t, hello, want)
			}
			p.says("MAIL FROM:<bob@example.net>", "250 ")
			p.says("RCPT TO:<nobody@example.net>", "550 5.7.1 ")
			p.says("DATA", "503 5.5.1 ") // RFC 2033 4.2
			for _, to := range []string{"a@example.org", "b@example.org", "a@example.org"} {
				p.says("RCPT TO:<"+to+">", "250 ")
			}
			p.says("DATA", "354 ")
			p.put("x\r\n.\r\n")
			p.want("250 2.0.0 <a@example.org> ")
			p.want("250 2.0.0 <b@example.org> ")
			p.want("250 2.0.0 <a@example.org> ")
			require.Len(t, b.env, 1, "one message")
			assert.Equal(t, []string{"a@example.org", "b@example.org", "a@example.org"}, b.env[0].To)

			b.fail = &mail.Error{Code: 452, Enhanced: "4.3.1", Message: "full"}
			p.says("MAIL FROM:<>", "250 ")
			p.says("RCPT TO:<a@example.org>", "250 ")
			p.says("RCPT TO:<b@example.org>", "250 ")
			p.says("DATA", "354 ")
			p.put("x\r\n.\r\n")
			p.want("452 4.3.1 <a@example.org> full")
			p.want("452 4.3.1 <b@example.org> full")
			p.says("QUIT", "221 ")
			p.gone()
		})
	}
}

func TestLMTPWithClient(t *testing.T) {
	b := &box{}
	server, err := NewServer(b.receive, Config{LMTP: true, Recipients: Only("@example.org"), MaxBytes: 100})
	require.NoError(t, err)
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "lmtp"))
	require.NoError(t, err)
	serve(t, server, l)
	c, err := net.Dial("unix", l.Addr().String())
	require.NoError(t, err)
	client := gosmtp.NewClientLMTP(c)
	defer client.Close()
	for _, body := range []string{"fits\r\n", strings.Repeat("too large\r\n", 100)} {
		require.NoError(t, client.Mail("bob@example.net", nil))
		require.NoError(t, client.Rcpt("a@example.org", nil))
		require.NoError(t, client.Rcpt("b@example.org", nil))
		data, err := client.Data()
		require.NoError(t, err)
		_, err = data.Write([]byte(body))
		require.NoError(t, err)
		answers, err := data.CloseWithLMTPResponse()
		if strings.HasPrefix(body, "fits") {
			require.NoError(t, err)
			assert.Len(t, answers, 2)
			continue
		}
		var each gosmtp.LMTPDataError
		require.ErrorAs(t, err, &each)
		require.Len(t, each, 2)
		assert.Equal(t, 552, each["b@example.org"].Code)
	}
	assert.Equal(t, []string{"fits\r\n"}, b.messages())
}

func TestShutdownOfLMTP(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	server, addr := start(t, func(context.Context, mail.Envelope, []byte) error {
		entered <- true
		<-leave
		return nil
	}, Config{LMTP: true})
	p := dial(t, addr)
	p.put(strings.Replace(begin, "EHLO", "LHLO", 1) + "x\r\n.\r\nNOOP\r\n")
	<-entered
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(context.Background()) }()
	require.Eventually(t, server.isClosing, patience, time.Millisecond)
	leave <- true
	for _, reply := range []string{"250-", "250 ", "250 ", "354 ", "250 ", "421 4.3.2 "} {
		p.want(reply)
	}
	require.NoError(t, <-done)
}
