package smtp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

var letter = mail.Envelope{From: "csirt@example.org", To: []string{"bob@example.net"}}

const text = "Subject: x\r\n\r\n.secret\r\n"

// host is a mail host that answers line by line from a script: what it says to
// each verb, "" for hanging up, "wait" for silence. It gives out the lines that
// it was told.
func host(t *testing.T, script map[string]string) (addr string, told <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		answer := func(verb, usual string) bool {
			reply, ok := script[verb]
			if !ok {
				reply = usual
			}
			if reply == "wait" {
				bufio.NewReader(c).ReadByte() // until the peer hangs up
				return false
			}
			fmt.Fprintf(c, "%s", reply)
			return reply != ""
		}
		if !answer("greeting", "220 host.example.net\r\n") {
			return
		}
		r := bufio.NewReader(c)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimSpace(line)
			lines <- line
			verb, _, _ := strings.Cut(line, " ")
			usual := "250 2.0.0 fine\r\n"
			switch verb {
			case "EHLO":
				usual = "250-host.example.net\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n"
			case "DATA":
				usual = "354 go on\r\n"
			case "QUIT":
				usual = "221 2.0.0 bye\r\n"
			}
			if !answer(verb, usual) {
				return
			}
			if verb == "DATA" && strings.HasPrefix(usual, "354") && script["DATA"] == "" {
				for line != ".\r\n" {
					if line, err = r.ReadString('\n'); err != nil {
						return
					}
					lines <- strings.TrimRight(line, "\r\n")
				}
				if !answer(".", "250 2.0.0 queued\r\n") {
					return
				}
			}
		}
	}()
	return l.Addr().String(), lines
}

func TestSenderReachesOurServer(t *testing.T) {
	b := &box{}
	_, addr := start(t, b.receive, Config{})
	sender := NewSender(addr, SenderConfig{})
	for _, c := range []struct {
		name, raw, want string
		envelope        mail.Envelope
	}{
		{"plain", text, text, mail.Envelope{From: "bob@example.net", To: []string{"a@example.org", "b@example.org"}}},
		{"null sender", text, text, mail.Envelope{To: []string{"a@example.org"}}},
		{"dots", ".\r\n..\r\n...a\r\n", ".\r\n..\r\n...a\r\n", letterTo("a@example.org")},
		{"bytes above 127", "é\xff\x00\r\n", "é\xff\x00\r\n", letterTo("a@example.org")},
		{"a third CR", "a\r\r\nb\r\n", "a\r\r\r\nb\r\n", letterTo("a@example.org")},
		{"bare LF", "a\n.\nb", "a\r\n.\r\nb\r\n", letterTo("a@example.org")},
		{"letters outside ASCII", text, text, letterTo("dürr@example.org")},
		{"large", strings.Repeat("x\r\n", 1<<18), strings.Repeat("x\r\n", 1<<18), letterTo("a@example.org")},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, sender.Send(t.Context(), c.envelope, []byte(c.raw)))
			last := len(b.messages()) - 1
			assert.Equal(t, c.want, b.messages()[last])
			assert.Equal(t, c.envelope, b.env[last])
		})
	}
}

func letterTo(address string) mail.Envelope {
	return mail.Envelope{From: "bob@example.net", To: []string{address}}
}

func TestSenderIsTold(t *testing.T) {
	b := &box{fail: &mail.Error{Code: 452, Enhanced: "4.2.2", Message: "later"}}
	_, addr := start(t, b.receive, Config{MaxBytes: 1000})
	sender := NewSender(addr, SenderConfig{})

	e := failure(t, sender.Send(t.Context(), letterTo("a@example.org"), []byte(text)))
	assert.Equal(t, mail.Error{Code: 452, Enhanced: "4.2.2", Message: "later"}, *e)
	assert.True(t, e.Temporary())

	e = failure(t, sender.Send(t.Context(), mail.Envelope{To: []string{"a@example.org", "bob@example.net"}}, []byte(text)))
	assert.Equal(t, 550, e.Code)
	assert.False(t, e.Temporary())

	e = failure(t, sender.Send(t.Context(), letterTo("a@example.org"), []byte(strings.Repeat(text, 100))))
	assert.Equal(t, "552 5.3.4", fmt.Sprint(e.Code, " ", e.Enhanced))
	assert.Len(t, b.messages(), 1)
}

// failure wants an error of the form that Send promises, without a word of the
// message in it.
func failure(t *testing.T, err error) *mail.Error {
	t.Helper()
	var e *mail.Error
	require.ErrorAs(t, err, &e)
	assert.NotContains(t, err.Error(), "secret")
	return e
}

func TestAnswersOfTheHost(t *testing.T) {
	for _, c := range []struct {
		name, verb, reply string
		code              int
		enhanced          string
		undecided         bool
	}{
		{"greeting no", "greeting", "554 5.3.2 no service\r\n", 554, "5.3.2", false},
		{"greeting later", "greeting", "421 4.3.2 busy\r\n", 421, "4.3.2", false},
		{"greeting, hangs up", "greeting", "", 451, "4.4.2", false},
		{"hello no", "EHLO", "550 no\r\n", 550, "", false},
		{"sender no", "MAIL", "550 5.7.1 no\r\n", 550, "5.7.1", false},
		{"sender later", "MAIL", "450-4.7.1 grey\r\n450 4.7.1 list\r\n", 450, "4.7.1", false},
		{"recipient no", "RCPT", "550 5.1.1 nobody\r\n", 550, "5.1.1", false},
		{"recipient, hangs up", "RCPT", "", 451, "4.4.2", false},
		{"recipient, odd", "RCPT", "354 what\r\n", 451, "4.5.0", false},
		{"recipient, no SMTP", "RCPT", ".secret\r\n", 451, "4.4.2", false},
		{"data no", "DATA", "554 5.5.1 no\r\n", 554, "5.5.1", false},
		{"message no", ".", "554 5.7.1 spam\r\n", 554, "5.7.1", false},
		{"message later", ".", "451 4.3.0 full\r\n", 451, "4.3.0", false},
		{"hangs up after the dot", ".", "", 451, "4.4.2", true},
		{"silent after the dot", ".", "wait", 451, "4.4.2", true},
		{"no SMTP after the dot", ".", ".secret\r\n", 451, "4.4.2", true},
		{"odd after the dot", ".", "354 what\r\n", 451, "4.4.2", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, _ := host(t, map[string]string{c.verb: c.reply})
			sender := NewSender(addr, SenderConfig{AnswerTimeout: 200 * time.Millisecond})
			begin := time.Now()
			e := failure(t, sender.Send(t.Context(), letter, []byte(text)))
			assert.Less(t, time.Since(begin), patience/2)
			assert.Equal(t, c.code, e.Code)
			assert.Equal(t, c.enhanced, e.Enhanced)
			assert.Equal(t, c.undecided, e.Undecided)
			assert.Equal(t, c.code/100 == 4, e.Temporary())
			assert.NotContains(t, e.Message, "\n")
		})
	}
}

func TestSentIsSent(t *testing.T) {
	for name, script := range map[string]map[string]string{
		"usual":             {},
		"other code":        {".": "251 2.0.0 fine\r\n"},
		"QUIT unanswered":   {"QUIT": ""},
		"HELO only":         {"EHLO": "502 5.5.1 what\r\n"},
		"recipient forward": {"RCPT": "251 2.1.5 forwards\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, told := host(t, script)
			require.NoError(t, NewSender(addr, SenderConfig{LocalName: "desk.example.org"}).Send(t.Context(), letter, []byte(text)))
			var lines []string
			for line := range told {
				lines = append(lines, line)
			}
			assert.Equal(t, "EHLO desk.example.org", lines[0])
			if name == "usual" {
				assert.Equal(t, []string{
					"EHLO desk.example.org", "MAIL FROM:<csirt@example.org> BODY=8BITMIME SIZE=23", "RCPT TO:<bob@example.net>",
					"DATA", "Subject: x", "", "..secret", ".", "QUIT",
				}, lines)
			}
		})
	}
}

func TestEnvelopesThatCannotBeSaid(t *testing.T) {
	addr, told := host(t, nil)
	sender := NewSender(addr, SenderConfig{})
	for name, env := range map[string]mail.Envelope{
		"nobody":            {From: "a@example.org"},
		"null recipient":    {To: []string{""}},
		"line end in to":    {To: []string{"a@example.org>\r\nRCPT TO:<b@example.org"}},
		"parameter in to":   {To: []string{"a@example.org> NOTIFY=NEVER"}},
		"parameter in from": {From: "a@example.org> SIZE=1", To: []string{"a@example.org"}},
	} {
		e := failure(t, sender.Send(t.Context(), env, []byte(text)))
		assert.False(t, e.Temporary(), name)
	}
	e := failure(t, sender.Send(t.Context(), letterTo("dürr@example.net"), []byte(text)))
	assert.Equal(t, "5.6.7", e.Enhanced)
	for line := range told {
		assert.False(t, strings.HasPrefix(line, "MAIL"), line)
	}
}

func TestNoConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l.Close()
	e := failure(t, NewSender(l.Addr().String(), SenderConfig{}).Send(t.Context(), letter, []byte(text)))
	assert.True(t, e.Temporary())
	assert.False(t, e.Undecided)
	assert.Equal(t, "4.4.1", e.Enhanced)
}

func TestContextOfTheSender(t *testing.T) {
	for _, verb := range []string{"greeting", "EHLO", "RCPT", "."} {
		t.Run("deadline at "+verb, func(t *testing.T) {
			addr, _ := host(t, map[string]string{verb: "wait"})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			e := failure(t, NewSender(addr, SenderConfig{}).Send(ctx, letter, []byte(text)))
			assert.ErrorIs(t, e, context.DeadlineExceeded)
			assert.Equal(t, verb == ".", e.Undecided)
			assert.True(t, e.Temporary())
		})
	}
	t.Run("cancelled while waiting", func(t *testing.T) {
		addr, _ := host(t, map[string]string{"MAIL": "wait"})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		assert.ErrorIs(t, NewSender(addr, SenderConfig{}).Send(ctx, letter, []byte(text)), context.Canceled)
	})
	t.Run("cancelled before", func(t *testing.T) {
		addr, told := host(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		assert.ErrorIs(t, NewSender(addr, SenderConfig{}).Send(ctx, letter, []byte(text)), context.Canceled)
		assert.Empty(t, told)
	})
}

func TestStepsTimeOut(t *testing.T) {
	addr, _ := host(t, map[string]string{"MAIL": "wait"})
	e := failure(t, NewSender(addr, SenderConfig{StepTimeout: 100 * time.Millisecond}).Send(t.Context(), letter, []byte(text)))
	var timeout net.Error
	assert.True(t, errors.As(e, &timeout) && timeout.Timeout())
}

// TestHostStopsReading fills the buffers between us and a host that reads no
// more.
func TestHostStopsReading(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	enough := make(chan bool)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		fmt.Fprint(c, "220 x\r\n")
		r := bufio.NewReader(c)
		for _, reply := range []string{"250 x\r\n", "250 x\r\n", "250 x\r\n", "354 x\r\n"} {
			r.ReadString('\n')
			fmt.Fprint(c, reply)
		}
		<-enough
	}()
	defer close(enough)
	sender := NewSender(l.Addr().String(), SenderConfig{StepTimeout: 200 * time.Millisecond})
	e := failure(t, sender.Send(t.Context(), letter, []byte(strings.Repeat("secret\r\n", 8<<20))))
	assert.False(t, e.Undecided)
	assert.True(t, e.Temporary())
}
