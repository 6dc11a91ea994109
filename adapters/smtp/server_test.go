package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

func TestNewServerNamesWhatIsMissing(t *testing.T) {
	b := &box{}
	all := func(string) bool { return true }
	for _, c := range []struct {
		name    string
		receive mail.Receiver
		config  Config
		says    string
	}{
		{"receiver", nil, Config{Recipients: all}, "receiver"},
		{"zero config", b.receive, Config{}, "Config.Recipients"},
		{"negative", b.receive, Config{Recipients: all, MaxBytes: -1}, "negative"},
		{"too large", b.receive, Config{Recipients: all, MaxBytes: 1 << 40}, "MaxBytes"},
		{"domain", b.receive, Config{Recipients: all, Domain: "a\r\nb"}, "Domain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := NewServer(c.receive, c.config)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestDefaults(t *testing.T) {
	s, err := NewServer((&box{}).receive, Config{Recipients: Only("csirt@example.org")})
	require.NoError(t, err)
	s.config.Recipients, s.config.Log = nil, nil
	assert.Equal(t, Config{
		Domain: "localhost", MaxBytes: 25 << 20, MaxMemory: 100 << 20,
		MaxRecipients: 100, MaxConnections: 100, MaxPerSource: 50, MaxErrors: 20,
		IdleTimeout: 5 * time.Minute, MessageTimeout: 10 * time.Minute, SessionTimeout: time.Hour, WriteTimeout: time.Minute,
	}, s.config)
}

func TestOnly(t *testing.T) {
	takes := Only("CSIRT@example.org", "@Example.net")
	for address, want := range map[string]bool{
		"csirt@EXAMPLE.org": true, "bob@example.org": false, "bob@example.net": true,
		"bob@sub.example.net": false, "bob": false, "": false, "example.net": false,
	} {
		assert.Equal(t, want, takes(address), address)
	}
}

func TestAnswersAfterTheReceiver(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	_, addr := start(t, func(context.Context, mail.Envelope, []byte) error {
		entered <- true
		<-leave
		return nil
	}, Config{})
	p := dial(t, addr)
	p.begin()
	p.put("Subject: x\r\n\r\nbody\r\n.\r\n")
	<-entered
	p.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	_, err := p.r.Peek(1)
	var timeout net.Error
	require.True(t, errors.As(err, &timeout) && timeout.Timeout(), "an answer before the message is kept: %v", err)
	leave <- true
	p.SetReadDeadline(time.Now().Add(patience))
	p.want("250 ")
	p.says("QUIT", "221 ")
}

func TestAnswersOfTheReceiver(t *testing.T) {
	for _, c := range []struct {
		name  string
		err   error
		reply string
	}{
		{"any error", errors.New("disk full at /var"), "451 4.3.0 the message could not be kept, try again later\r\n"},
		{"temporary", &mail.Error{Code: 452, Enhanced: "4.2.2", Message: "later"}, "452 4.2.2 later\r\n"},
		{"permanent", &mail.Error{Code: 554, Enhanced: "5.6.0", Message: "no mail"}, "554 5.6.0 no mail\r\n"},
		{"wrapped", fmt.Errorf("x: %w", &mail.Error{Code: 550, Enhanced: "5.1.1", Message: "nobody"}), "550 5.1.1 nobody\r\n"},
		{"no enhanced code", &mail.Error{Code: 550, Message: "nobody"}, "550 5.0.0 nobody\r\n"},
		{"codes that disagree", &mail.Error{Code: 550, Enhanced: "4.1.1", Message: "nobody"}, "550 5.0.0 nobody\r\n"},
		{"neither later nor never", &mail.Error{Code: 250, Enhanced: "2.0.0", Message: "fine"}, "451 4.0.0 fine\r\n"},
		{"several lines", &mail.Error{Code: 550, Enhanced: "5.1.1", Message: "a\r\n250 b\té"}, "550 5.1.1 a 250 b ?\r\n"},
		{"no message", &mail.Error{Code: 550, Enhanced: "5.1"}, "550 5.0.0 the message was not taken\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &box{fail: c.err}
			_, addr := start(t, b.receive, Config{})
			p := dial(t, addr)
			p.begin()
			p.put("x\r\n.\r\n")
			assert.Equal(t, c.reply, p.want(""))
			p.says("MAIL FROM:<>", "250 ") // the dialogue goes on
		})
	}
}

func TestPanicInTheReceiver(t *testing.T) {
	var out bytes.Buffer
	_, addr := start(t, func(context.Context, mail.Envelope, []byte) error { panic("secret@example.net") }, Config{
		Log: slog.New(slog.NewTextHandler(&out, nil)),
	})
	for range 2 {
		p := dial(t, addr)
		p.begin()
		p.put("x\r\n.\r\n")
		p.want("451 4.3.0 ")
		p.says("QUIT", "221 ")
	}
	assert.Contains(t, out.String(), "panicked")
	assert.NotContains(t, out.String(), "secret")
}

func TestRecipients(t *testing.T) {
	b := &box{}
	_, addr := start(t, b.receive, Config{MaxRecipients: 2})
	p := dial(t, addr)
	p.says("EHLO peer.example.net", "250-")
	p.says("MAIL FROM:<>", "250 ")
	p.says("RCPT TO:<bob@example.net>", "550 5.7.1 ")
	p.says("DATA", "503 5.5.1 ") // nobody to take it for
	p.says("RCPT TO:<a@example.org>", "250 ")
	p.says("MAIL FROM:<eve@example.net>", "503 5.5.1 ")
	p.says("RCPT TO:<b@example.org>", "250 ")
	p.says("RCPT TO:<c@example.org>", "452 4.5.3 ")
	p.says("DATA", "354 ")
	p.put("x\r\n.\r\n")
	p.want("250 ")
	p.says("MAIL FROM:<bob@example.net> BODY=8BITMIME SMTPUTF8", "250 ")
	p.says("RCPT TO:<dürr@example.org>", "250 ")
	p.says("RSET", "250 ")
	p.says("MAIL FROM:<bob@example.net>", "250 ")
	p.says("RCPT TO:<d@example.org>", "250 ")
	p.says("DATA", "354 ")
	p.put("y\r\n.\r\n")
	p.want("250 ")
	assert.Equal(t, []mail.Envelope{
		{From: "", To: []string{"a@example.org", "b@example.org"}},
		{From: "bob@example.net", To: []string{"d@example.org"}},
	}, b.env)
}

func TestGreetingSaysWhatIsOffered(t *testing.T) {
	_, addr := start(t, (&box{}).receive, Config{Domain: "desk.example.org", MaxBytes: 999})
	p := dial(t, addr)
	hello := p.says("EHLO peer.example.net", "250-")
	for _, want := range []string{"8BITMIME", "SMTPUTF8", "SIZE 999\r\n", "PIPELINING"} {
		assert.Contains(t, hello, want)
	}
	assert.NotContains(t, hello, "AUTH")
	assert.NotContains(t, hello, "STARTTLS")
	p.says("AUTH PLAIN AGEAYg==", "5")
	p.says("STARTTLS", "502 ")
	p.says("VRFY bob", "252 ")
}

func TestSize(t *testing.T) {
	b := &box{}
	const limit = 1 << 16
	_, addr := start(t, b.receive, Config{MaxBytes: limit})
	p := dial(t, addr)
	p.says("EHLO peer.example.net", "250-")
	p.says(fmt.Sprintf("MAIL FROM:<> SIZE=%d", limit+1), "552 5.3.4 ")
	p.says(fmt.Sprintf("MAIL FROM:<> SIZE=%d", 100*limit), "552 5.3.4 ")
	line := strings.Repeat("x", 78) + "\r\n"
	whole := strings.Repeat(line, limit/len(line))
	whole += strings.Repeat("y", limit-len(whole)-2) + "\r\n"
	for _, c := range []struct{ name, body, reply string }{
		{"exactly", whole, "250 "},
		{"one byte more", "z" + whole, "552 5.3.4 "},
		{"much more", strings.Repeat(whole, 20), "552 5.3.4 "},
		{"one line", strings.Repeat("z", limit-2) + "\r\n", "250 "},
		{"declared", whole, "250 "},
	} {
		declared := ""
		if c.name == "declared" {
			declared = fmt.Sprintf(" SIZE=%d", limit)
		}
		p.says("MAIL FROM:<>"+declared, "250 ")
		p.says("RCPT TO:<csirt@example.org>", "250 ")
		p.says("DATA", "354 ")
		p.put(c.body + ".\r\n")
		p.want(c.reply)
	}
	require.Len(t, b.messages(), 3)
	assert.Equal(t, whole, b.messages()[0])
}

func TestSizeOfOddLines(t *testing.T) {
	b := &box{}
	_, addr := start(t, b.receive, Config{MaxBytes: 100})
	p := dial(t, addr)
	p.begin()
	p.put(strings.Repeat("\r\r\n..", 40) + "\r\n.\r\n")
	p.want("552 5.3.4 ")
	p.says("QUIT", "221 ")
	p = dial(t, addr)
	p.begin()
	p.put(strings.Repeat("x", 2*maxCommand) + "\r\n.\r\n")
	p.want("552 5.3.4 ")
	p.says("NOOP", "250 ")
	assert.Empty(t, b.messages())
}

// TestBytes sends bodies as a peer puts them on the wire.
func TestBytes(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, c := range []struct{ name, wire, want string }{
		{"plain", "a\r\nb\r\n", "a\r\nb\r\n"},
		{"stuffed dots", "..\r\n..a\r\n...b\r\n.c\r\n", ".\r\n.a\r\n..b\r\nc\r\n"},
		{"empty", "", ""},
		{"LF . LF", "a\n.\nMAIL FROM:<x@example.net>\r\n", "a\n.\nMAIL FROM:<x@example.net>\r\n"},
		{"CRLF . LF", "a\r\n.\nMAIL FROM:<x@example.net>\r\n", "a\r\n\nMAIL FROM:<x@example.net>\r\n"},
		{"LF . CRLF", "a\n.\r\nMAIL FROM:<x@example.net>\r\n", "a\n.\r\nMAIL FROM:<x@example.net>\r\n"},
		{"CR . CR", "a\r.\rMAIL FROM:<x@example.net>\r\n", "a\r.\rMAIL FROM:<x@example.net>\r\n"},
		{"every byte", string(all) + "\r\n", string(all) + "\r\n"},
		{"line over 2000", strings.Repeat("x", 5000) + "\r\n", strings.Repeat("x", 5000) + "\r\n"},
		{"CR CR LF within", "a\r\r\n..b\r\r\n..\r\r\n...\r\n", "a\r\r\n.b\r\r\n.\r\r\n..\r\n"},
		{"CR CR LF, dot, CR", "a\r\r\n..\rb\r\n", "a\r\r\n.\rb\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &box{}
			_, addr := start(t, b.receive, Config{})
			p := dial(t, addr)
			p.begin()
			p.put(c.wire + ".\r\n")
			p.want("250 ")
			require.Equal(t, []string{c.want}, b.messages())
			p.says("QUIT", "221 ") // and nothing of the message was a command
		})
	}
}

// TestLinesAtTheEdgeOfTheBuffer has a line end with its CR before the edge and
// its LF behind.
func TestLinesAtTheEdgeOfTheBuffer(t *testing.T) {
	b := &box{}
	_, addr := start(t, b.receive, Config{})
	p := dial(t, addr)
	p.says("EHLO peer.example.net", "250-")
	for length := 4080; length < 4100; length++ {
		line := strings.Repeat("x", length)
		body := line + "\r\n." + line + "\r\n.\r\n\n.\r\n"
		p.says("MAIL FROM:<>", "250 ")
		p.says("RCPT TO:<csirt@example.org>", "250 ")
		p.says("DATA", "354 ")
		p.put(stuff(body) + ".\r\n")
		p.want("250 ")
		got := b.messages()
		require.Equal(t, body, got[len(got)-1])
	}
}

func TestEndBehindTwoCarriageReturns(t *testing.T) {
	for _, body := range []string{"a\r\r\n", "a\r\r\r\r\n", "\r\r\n", "..\r\r\n"} {
		b := &box{}
		_, addr := start(t, b.receive, Config{})
		p := dial(t, addr)
		p.begin()
		p.put(body + ".\r\n")
		p.want("250 ")
		assert.Equal(t, []string{strings.TrimPrefix(body, ".")}, b.messages())
		p.says("QUIT", "221 ")
	}
}

// TestRandomBytes stuffs as RFC 5321 4.5.2 says and wants the bytes back.
func TestRandomBytes(t *testing.T) {
	b := &box{}
	_, addr := start(t, b.receive, Config{})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		body := make([]byte, random.IntN(60))
		for i := range body {
			body[i] = "\r\n.a"[random.IntN(4)]
		}
		body = append(body, "\r\n"...)
		p := dial(t, addr)
		p.begin()
		p.put(stuff(string(body)) + ".\r\n")
		p.want("250 ")
		got := b.messages()
		require.Equal(t, string(body), got[len(got)-1])
		p.Close()
	}
}

// stuff adds the dots of transparency, line by line.
func stuff(body string) string {
	lines := strings.SplitAfter(body, "\r\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = "." + line
		}
	}
	return strings.Join(lines, "")
}

func TestChunksAreRefused(t *testing.T) {
	b := &box{}
	_, addr := start(t, b.receive, Config{})
	p := dial(t, addr)
	assert.NotContains(t, p.says("EHLO peer.example.net", "250-"), "CHUNKING")
	p.says("MAIL FROM:<>", "250 ")
	p.says("RCPT TO:<csirt@example.org>", "250 ")
	for range 2 {
		p.says("BDAT 6 LAST\r\nRSET", "502 5.5.1 ")
	}
	p.says("BDAT 70000\r\n"+strings.Repeat("x", 69998), "502 5.5.1 ")
	p.says("DATA", "354 ") // the chunks were no commands
	p.put("x\r\n.\r\n")
	p.want("250 ")
	assert.Equal(t, []string{"x\r\n"}, b.messages())
	p.says("BDAT x", "501 5.5.4 ")
	p.gone()
}

func TestPartsOfAMessageAreNotTaken(t *testing.T) {
	for _, c := range []struct{ name, wire string }{
		{"within DATA", "DATA\r\na\r\nb\r\n"},
		{"before the last byte", "DATA\r\na\r\n.\r"},
		{"within the last chunk", "BDAT 1000 LAST\r\nabc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &box{}
			server, addr := start(t, b.receive, Config{})
			p := dial(t, addr)
			p.says("EHLO peer.example.net", "250-")
			p.says("MAIL FROM:<>", "250 ")
			p.says("RCPT TO:<csirt@example.org>", "250 ")
			p.put(c.wire)
			p.Conn.(*net.TCPConn).CloseWrite()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			require.NoError(t, server.Shutdown(ctx)) // the dialogue is over
			assert.Empty(t, b.messages())
		})
	}
}

// TestSlowMessage is about what is left of a message that took too long: it
// is no command.
func TestSlowMessage(t *testing.T) {
	b := &box{}
	_, addr := start(t, b.receive, Config{MessageTimeout: 300 * time.Millisecond})
	p := dial(t, addr)
	p.begin()
	p.put("a\r\n")
	p.want("421 4.4.2 ")
	p.Write([]byte("RSET\r\nMAIL FROM:<eve@example.net>\r\nRCPT TO:<csirt@example.org>\r\nDATA\r\nforged\r\n.\r\n"))
	p.gone()
	assert.Empty(t, b.messages())
}

func TestLogIsSilentAboutWho(t *testing.T) {
	var out bytes.Buffer
	var mu sync.Mutex
	log := slog.New(slog.NewTextHandler(writer(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(b)
	}), nil))
	b := &box{}
	_, addr := start(t, b.receive, Config{Log: log})
	p := dial(t, addr)
	p.says("EHLO peer.example.net", "250-")
	p.says("MAIL FROM:<bob@example.net>", "250 ")
	p.says("RCPT TO:<eve@example.net>", "550 ")
	p.says("RCPT TO:<csirt@example.org>", "250 ")
	p.says("DATA", "354 ")
	p.put("private\r\n.\r\n")
	p.want("250 ")
	mu.Lock()
	defer mu.Unlock()
	assert.Contains(t, out.String(), "message taken")
	for _, no := range []string{"@", "private", "127.0.0.1"} {
		assert.NotContains(t, out.String(), no)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
