package smtp

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

func TestShutdown(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	server, addr := start(t, func(ctx context.Context, _ mail.Envelope, _ []byte) error {
		entered <- true
		<-leave
		return ctx.Err()
	}, Config{})
	idle, busy := dial(t, addr), dial(t, addr)
	busy.begin()
	busy.put("x\r\n.\r\n")
	<-entered
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(context.Background()) }()
	idle.want("421 4.3.2 ")
	idle.gone()
	select {
	case err := <-done:
		t.Fatalf("Shutdown did not wait for the message: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	leave <- true
	busy.want("250 ")
	busy.want("421 4.3.2 ")
	require.NoError(t, <-done)
	_, err := net.Dial("tcp", addr)
	require.Error(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.ErrorIs(t, server.Serve(l), ErrClosed)
	require.NoError(t, server.Shutdown(context.Background()), "again")
	require.NoError(t, server.Close(), "and again")
}

// TestShutdownJustBeforeAWait has Shutdown come between the last look at closing
// and the wait for a command.
func TestShutdownJustBeforeAWait(t *testing.T) {
	server, err := NewServer((&box{}).receive, Config{Recipients: Only("@example.org"), IdleTimeout: 200 * time.Millisecond})
	require.NoError(t, err)
	for _, busy := range []bool{false, true} {
		ours, theirs := net.Pipe()
		defer ours.Close()
		c := newConn(theirs, server)
		c.setBusy(busy)
		server.close()
		c.hurry()
		began := time.Now()
		_, err := feed{c}.Read(make([]byte, 1))
		require.True(t, timedOut(err))
		assert.Equal(t, busy, time.Since(began) > 100*time.Millisecond)
	}
}

func TestShutdownWithinAMessage(t *testing.T) {
	b := &box{}
	server, addr := start(t, b.receive, Config{})
	p := dial(t, addr)
	p.begin()
	p.put("a\r\n")
	done := make(chan error, 1)
	go func() { done <- server.Shutdown(context.Background()) }()
	time.Sleep(100 * time.Millisecond)
	p.put("b\r\n.\r\n")
	p.want("250 ")
	p.want("421 ")
	require.NoError(t, <-done)
	assert.Equal(t, []string{"a\r\nb\r\n"}, b.messages())
}

func TestShutdownInAHurry(t *testing.T) {
	entered, cancelled := make(chan bool), make(chan error, 1)
	server, addr := start(t, func(ctx context.Context, _ mail.Envelope, _ []byte) error {
		entered <- true
		<-ctx.Done()
		cancelled <- ctx.Err()
		return ctx.Err()
	}, Config{})
	p := dial(t, addr)
	p.begin()
	p.put("x\r\n.\r\n")
	<-entered
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, server.Shutdown(ctx), context.DeadlineExceeded)
	select {
	case err := <-cancelled:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(patience):
		t.Fatal("the context of the Receiver goes on")
	}
	p.gone()
}
