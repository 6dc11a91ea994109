package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// certificate makes one for 127.0.0.1, and the configurations of both sides.
func certificate(t testing.TB) (ours, theirs *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

// secure goes on in TLS.
func (p *peer) secure(config *tls.Config) {
	p.t.Helper()
	c := tls.Client(p.Conn, config)
	require.NoError(p.t, c.Handshake())
	p.Conn, p.r = c, bufio.NewReader(c)
}

func TestStartTLS(t *testing.T) {
	ours, theirs := certificate(t)
	b := &box{}
	_, addr := start(t, b.receive, Config{TLS: ours})
	p := dial(t, addr)
	hello := p.says("EHLO peer.example.net", "250-")
	assert.Contains(t, hello, "250-STARTTLS\r\n")
	assert.NotContains(t, hello, "CHUNKING")
	p.says("STARTTLS now", "501 5.5.4 ")
	p.says("STARTTLS", "220 2.0.0 ")
	p.secure(theirs)
	p.says("MAIL FROM:<>", "503 5.5.1 ") // RFC 3207 4.2
	hello = p.says("EHLO peer.example.net", "250-")
	for _, no := range []string{"STARTTLS", "CHUNKING", "AUTH"} {
		assert.NotContains(t, hello, no)
	}
	p.says("STARTTLS", "503 5.5.1 ")
	p.says("BDAT 6 LAST\r\nRSET", "502 5.5.1 ")
	p.says("MAIL FROM:<bob@example.net>", "250 ")
	p.says("RCPT TO:<csirt@example.org>", "250 ")
	p.says("DATA", "354 ")
	p.put("a\r\n..b\r\n.\r\n")
	p.want("250 ")
	p.says("QUIT", "221 ")
	p.gone()
	assert.Equal(t, []string{"a\r\n.b\r\n"}, b.messages())
}

// TestTLSEndsByAlert looks at the last record, by which a peer knows that nothing
// was cut off (RFC 5246 7.2.1).
func TestTLSEndsByAlert(t *testing.T) {
	ours, theirs := certificate(t)
	_, addr := start(t, (&box{}).receive, Config{TLS: ours})
	p := dial(t, addr)
	p.says("EHLO peer.example.net", "250-")
	p.says("STARTTLS", "220 ")
	var wire bytes.Buffer
	p.Conn = recorded{p.Conn, &wire}
	theirs.MaxVersion = tls.VersionTLS12 // later ones hide the type of a record
	p.secure(theirs)
	p.says("QUIT", "221 ")
	p.gone()
	var last byte
	for record := wire.Bytes(); len(record) >= 5; record = record[5+int(record[3])<<8+int(record[4]):] {
		last = record[0]
	}
	assert.EqualValues(t, 21, last, "an alert")
}

// recorded keeps what is read.
type recorded struct {
	net.Conn
	wire *bytes.Buffer
}

func (r recorded) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.wire.Write(b[:n])
	return n, err
}

func TestStartTLSWithClient(t *testing.T) {
	ours, theirs := certificate(t)
	b := &box{}
	_, addr := start(t, b.receive, Config{TLS: ours, RequireTLS: true})
	client, err := gosmtp.DialStartTLS(addr, theirs)
	require.NoError(t, err)
	defer client.Close()
	require.NoError(t, client.SendMail("bob@example.net", []string{"csirt@example.org"}, strings.NewReader("x\r\n")))
	require.NoError(t, client.Quit())
	assert.Equal(t, []string{"x\r\n"}, b.messages())
}

// TestCommandInjection pipelines behind STARTTLS what somebody on the way could
// have written there.
func TestCommandInjection(t *testing.T) {
	ours, theirs := certificate(t)
	for name, injected := range map[string]string{
		"whole dialogue": "EHLO evil.example.net\r\nMAIL FROM:<eve@example.net>\r\nRCPT TO:<csirt@example.org>\r\n",
		"half a command": "MAIL FROM:<eve@example.net> SIZE=",
		"one command":    "RSET\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := &box{}
			_, addr := start(t, b.receive, Config{TLS: ours})
			p := dial(t, addr)
			p.says("EHLO peer.example.net", "250-")
			p.says("MAIL FROM:<eve@example.net>", "250 ")
			p.says("RCPT TO:<csirt@example.org>", "250 ")
			p.put("STARTTLS\r\n" + injected)
			p.want("220 ")
			p.secure(theirs)
			p.says("DATA", "503 5.5.1 introduce") // the first answer on TLS
			assert.Contains(t, p.says("EHLO peer.example.net", "250-"), "Hello peer.example.net")
			p.says("DATA", "503 5.5.1 Missing") // the transaction of before is forgotten
			p.says("RCPT TO:<csirt@example.org>", "503 5.5.1 Missing")
			p.says("EHLO", "501 ")
			p.says("QUIT", "221 ")
			assert.Empty(t, b.messages())
		})
	}
}

// TestHelloIsSaidAgain has a peer fail at EHLO on TLS: what it said in clear text
// stays unsaid.
func TestHelloIsSaidAgain(t *testing.T) {
	ours, theirs := certificate(t)
	_, addr := start(t, (&box{}).receive, Config{TLS: ours})
	p := dial(t, addr)
	p.says("EHLO peer.example.net", "250-")
	p.says("MAIL FROM:<>", "250 ")
	p.says("RCPT TO:<csirt@example.org>", "250 ")
	p.says("STARTTLS", "220 ")
	p.secure(theirs)
	p.says("EHLO", "501 ")
	p.says("NOOP", "250 ")
	p.says("DATA", "503 5.5.1 introduce")
}

func TestHandshakeFails(t *testing.T) {
	ours, _ := certificate(t)
	for name, c := range map[string]struct {
		config Config
		say    string
	}{
		"no TLS": {Config{TLS: ours}, "MAIL FROM:<eve@example.net>\r\nRCPT TO:<csirt@example.org>\r\nDATA\r\nx\r\n.\r\n"},
		"silent": {Config{TLS: ours, IdleTimeout: 200 * time.Millisecond}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := &box{}
			server, addr := start(t, b.receive, c.config)
			p := dial(t, addr)
			p.says("EHLO peer.example.net", "250-")
			p.says("STARTTLS", "220 ")
			p.put(c.say)
			said, _ := io.ReadAll(p.r)
			assert.NotContains(t, string(said), "\r\n", "no answer in clear text")
			require.Eventually(t, func() bool { return len(server.open()) == 0 }, patience, time.Millisecond)
			assert.Empty(t, b.messages())
		})
	}
}

func TestRequireTLS(t *testing.T) {
	ours, theirs := certificate(t)
	b := &box{}
	_, addr := start(t, b.receive, Config{TLS: ours, RequireTLS: true})
	p := dial(t, addr)
	p.says("NOOP", "250 ")
	p.says("EHLO peer.example.net", "250-")
	for _, command := range []string{"MAIL FROM:<>", "RCPT TO:<csirt@example.org>", "DATA", "BDAT 3", "VRFY bob", "RSET"} {
		p.says(command, "530 5.7.0 ")
	}
	p.says("STARTTLS", "220 ")
	p.secure(theirs)
	p.begin()
	p.put("x\r\n.\r\n")
	p.want("250 ")
	assert.Equal(t, []string{"x\r\n"}, b.messages())
}

// TestListenerOfTLS is about TLS from the first byte.
func TestListenerOfTLS(t *testing.T) {
	ours, theirs := certificate(t)
	b := &box{}
	server, err := NewServer(b.receive, Config{Recipients: Only("@example.org"), TLS: ours, RequireTLS: true, IdleTimeout: 500 * time.Millisecond, MaxPerSource: 2})
	require.NoError(t, err)
	l, err := tls.Listen("tcp", "127.0.0.1:0", ours)
	require.NoError(t, err)
	serve(t, server, l)
	silent := connect(t, "tcp", l.Addr().String())
	began := time.Now()
	p := connect(t, "tcp", l.Addr().String())
	p.secure(theirs)
	p.want("220 ")
	full := connect(t, "tcp", l.Addr().String())
	full.gone() // without a handshake there is no way to say why
	assert.Less(t, time.Since(began), 400*time.Millisecond, "who is silent holds up nobody else")
	assert.NotContains(t, p.says("EHLO peer.example.net", "250-"), "STARTTLS")
	p.says("STARTTLS", "503 5.5.1 ")
	p.begin()
	p.put("x\r\n.\r\n")
	p.want("250 ")
	silent.gone()
	assert.Less(t, time.Since(began), 5*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(ctx) }()
	p.want("421 4.")
	require.NoError(t, <-done)
}
