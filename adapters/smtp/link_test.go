package smtp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

// tally counts the connections that are made and those that have ended.
type tally struct {
	net.Listener
	made, over atomic.Int32
}

func (l *tally) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.made.Add(1)
		c = &countedConn{Conn: c, end: sync.OnceFunc(func() { l.over.Add(1) })}
	}
	return c, err
}

type countedConn struct {
	net.Conn
	end func()
}

func (c *countedConn) Close() error {
	c.end()
	return c.Conn.Close()
}

func startCounted(t *testing.T, receive mail.Receiver, config Config) (*tally, *Server) {
	t.Helper()
	config.Recipients = Only("@example.org")
	server, err := NewServer(receive, config)
	require.NoError(t, err)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := &tally{Listener: plain}
	serve(t, server, l)
	return l, server
}

func TestConnectionsAreReused(t *testing.T) {
	ours, theirs := certificate(t)
	for name, c := range map[string]struct {
		server Config
		sender SenderConfig
	}{"clear": {}, "TLS": {Config{TLS: ours, RequireTLS: true}, SenderConfig{TLS: TLSRequired, TLSConfig: theirs}}} {
		t.Run(name, func(t *testing.T) {
			b := &box{}
			l, _ := startCounted(t, b.receive, c.server)
			c.sender.IdleTimeout = patience
			sender := NewSender(l.Addr().String(), c.sender)
			defer sender.Close()
			for range mostTimes + 5 {
				require.NoError(t, sender.Send(t.Context(), letterTo("a@example.org"), []byte(text)))
			}
			assert.EqualValues(t, 2, l.made.Load(), "a hundred messages, then another connection")
			assert.Len(t, b.messages(), mostTimes+5)

			require.Error(t, sender.Send(t.Context(), letterTo("a@example.net"), []byte(text)), "refused")
			require.NoError(t, sender.Send(t.Context(), letterTo("a@example.org"), []byte(text)))
			assert.EqualValues(t, 3, l.made.Load(), "a new one after an error")
			require.NoError(t, sender.Close())
			require.Eventually(t, func() bool { return l.over.Load() == 3 }, patience, time.Millisecond)
		})
	}
	l, _ := startCounted(t, (&box{}).receive, Config{})
	sender := NewSender(l.Addr().String(), SenderConfig{})
	for range 2 {
		require.NoError(t, sender.Send(t.Context(), letterTo("a@example.org"), []byte(text)))
	}
	assert.EqualValues(t, 2, l.made.Load(), "kept only when asked")
}

func TestIdleConnectionsEnd(t *testing.T) {
	l, _ := startCounted(t, (&box{}).receive, Config{})
	sender := NewSender(l.Addr().String(), SenderConfig{IdleTimeout: 20 * time.Millisecond})
	var group sync.WaitGroup
	for range 2 * mostIdle {
		group.Go(func() { assert.NoError(t, sender.Send(t.Context(), letterTo("a@example.org"), []byte(text))) })
	}
	group.Wait()
	require.Eventually(t, func() bool { return l.over.Load() == l.made.Load() }, patience, time.Millisecond)
	assert.Nil(t, sender.waiting())
}

// The host has closed the connection that waited: the message goes over a new one,
// once.
func TestReconnects(t *testing.T) {
	b := &box{}
	l, _ := startCounted(t, b.receive, Config{IdleTimeout: 50 * time.Millisecond})
	sender := NewSender(l.Addr().String(), SenderConfig{IdleTimeout: time.Minute})
	defer sender.Close()
	for n := range 3 {
		require.NoError(t, sender.Send(t.Context(), letterTo("a@example.org"), []byte(text)))
		require.Eventually(t, func() bool { return l.over.Load() == int32(n+1) }, patience, time.Millisecond)
	}
	assert.Len(t, b.messages(), 3)
}

// Nothing is handed over before ready says so, and nothing when it refuses.
func TestReadyBeforeTheDot(t *testing.T) {
	b := &box{}
	l, _ := startCounted(t, b.receive, Config{})
	sender := NewSender(l.Addr().String(), SenderConfig{})
	calls := 0
	require.NoError(t, sender.SendWhen(t.Context(), letterTo("a@example.org"), []byte(text), func(context.Context) error {
		calls++
		assert.Empty(t, b.messages())
		return nil
	}))
	assert.Equal(t, 1, calls)
	assert.Len(t, b.messages(), 1)

	no := errors.New("not now")
	require.Equal(t, no, sender.SendWhen(t.Context(), letterTo("a@example.org"), []byte(text), func(context.Context) error { return no }))
	require.Eventually(t, func() bool { return l.over.Load() == 2 }, patience, time.Millisecond)
	assert.Len(t, b.messages(), 1)

	require.Error(t, sender.SendWhen(t.Context(), letterTo("a@example.net"), []byte(text), func(context.Context) error {
		t.Error("the recipient was refused")
		return nil
	}))
}

// TestLogin has a host that knows only AUTH LOGIN.
func TestLogin(t *testing.T) {
	ours, theirs := certificate(t)
	coded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, script := range map[string]struct {
		replies []string
		told    []string
		wants   string
	}{
		"fine": {
			[]string{"334 " + coded("Username:"), "334 " + coded("Password:"), "235 2.7.0 welcome", "550 5.7.1 enough"},
			[]string{"AUTH LOGIN", coded("desk"), coded("secret"), "MAIL FROM:<csirt@example.org>"}, "550 5.7.1",
		},
		"asks a third time": {
			[]string{"334 " + coded("Username:"), "334 " + coded("Password:"), "334 " + coded("Shoe size:"), "501 5.5.1 what"},
			[]string{"AUTH LOGIN", coded("desk"), coded("secret"), "*"}, "451 4.7.8",
		},
		"does not know us": {[]string{"535 5.7.8 no", "501 what"}, []string{"AUTH LOGIN", "*"}, "451 4.7.8"},
	} {
		t.Run(name, func(t *testing.T) {
			replies := []string{"250-host.example.net\r\n250 AUTH login CRAM-MD5\r\n"}
			for _, reply := range script.replies {
				replies = append(replies, reply+"\r\n")
			}
			addr, told := secureHost(t, ours, "220 go\r\n", replies...)
			e := failure(t, NewSender(addr, SenderConfig{Username: "desk", Password: "secret", TLSConfig: theirs}).Send(t.Context(), letter, []byte(text)))
			assert.Equal(t, script.wants, fmt.Sprint(e.Code, " ", e.Enhanced))
			assert.Equal(t, script.told, (<-told)[1:], "after EHLO")
		})
	}
}
