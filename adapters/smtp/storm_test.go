package smtp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

// TestStorm has 80 peers compete for 64 connections: those who mean it get their
// mail through, each message once, and the others cost no more than Config says.
func TestStorm(t *testing.T) {
	const (
		connections = 64
		largest     = 1 << 20
		memory      = 2 * largest
		mails       = 3 // of each honest peer
	)
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // little garbage in the figures
	before := runtime.NumGoroutine()
	ours, _ := certificate(t)
	var mu sync.Mutex
	taken := make(map[string]int) // by body
	server, err := NewServer(func(_ context.Context, _ mail.Envelope, raw []byte) error {
		mu.Lock()
		defer mu.Unlock()
		taken[string(raw)]++
		return nil
	}, Config{
		Recipients: Only("@example.org"), TLS: ours, MaxBytes: largest, MaxMemory: memory, MaxConnections: connections, MaxPerSource: connections,
		IdleTimeout: 500 * time.Millisecond, MessageTimeout: time.Second, SessionTimeout: 2 * time.Second, WriteTimeout: 500 * time.Millisecond,
	})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()

	stacks := make([]byte, 1<<20)
	line := strings.Repeat("x", 78) + "\r\n"
	large := strings.Repeat(line, largest/len(line))
	var batch strings.Builder
	for i := range 50 {
		fmt.Fprintf(&batch, "%sbatch %d\r\n.\r\n", begin, i)
	}
	// What each kind of peer sends first, and again and again.
	kinds := []struct {
		name        string
		peers       int
		first, drip string
		deaf        bool
		answers     []string // one of these comes in the end
	}{
		{"silent", 10, "", "", false, []string{"421 4.4.2 "}},
		{"slow command", 8, "", "N", false, []string{"421 4.4.2 "}},
		{"slow message", 8, begin, "x", false, []string{"421 4.4.2 "}},
		{"stalled message", 16, begin + large, "", false, []string{"421 4.4.2 "}},
		{"oversized", 8, begin + large + large + "\r\n.\r\nQUIT\r\n", "", false, []string{"552 5.3.4 ", "452 4.3.1 "}},
		{"pipelining", 4, batch.String() + "QUIT\r\n", "", false, []string{"221 2.0.0 "}},
		{"deaf", 2, strings.Repeat("EHLO peer.example.net\r\n", 1000), "", true, nil},
		{"stalled handshake", 8, "EHLO peer.example.net\r\nSTARTTLS\r\n", "", false, []string{"220 2.0.0 "}},
	}
	first := make([][]byte, len(kinds))
	for k := range kinds {
		first[k] = []byte(kinds[k].first)
	}
	runtime.GC()
	start := live()

	var storm, honest sync.WaitGroup
	calm := make(chan bool)
	answered := make([]int, len(kinds))
	for k, kind := range kinds {
		for range kind.peers {
			storm.Go(func() {
				for {
					said := pester(l.Addr().String(), first[k], kind.drip, kind.deaf)
					for _, answer := range kind.answers {
						if strings.Contains(said, answer) {
							mu.Lock()
							answered[k]++
							mu.Unlock()
						}
					}
					select {
					case <-calm:
						return
					case <-time.After(200 * time.Millisecond):
					}
				}
			})
		}
	}
	for peer := range 16 {
		honest.Go(func() {
			sender := NewSender(l.Addr().String(), SenderConfig{TLS: []TLSUse{TLSIfOffered, TLSNever}[peer%2]})
			for i := range mails {
				for {
					err := sender.Send(context.Background(), letterTo("csirt@example.org"), fmt.Appendf(nil, "honest %d %d\r\n", peer, i))
					var e *mail.Error
					if err == nil {
						break
					}
					if !errors.As(err, &e) || !e.Temporary() || e.Undecided {
						t.Errorf("a honest peer: %v", err)
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
				time.Sleep(200 * time.Millisecond)
			}
		})
	}
	done := make(chan bool)
	go func() {
		honest.Wait()
		close(calm)
		storm.Wait()
		close(done)
	}()

	heap := start
	var held int64
	var open, served, all int
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(20 * time.Millisecond):
		}
		heap = max(heap, live())
		held = max(held, server.held.Load())
		open = max(open, len(server.open()))
		all = max(all, runtime.NumGoroutine())
		served = max(served, bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte(".(*Server).handleConn(")))
	}
	t.Logf("at most: %d connections, %d goroutines that serve them, %d goroutines with the peers' (%d before), %.1f MiB of messages, live heap %.1f MiB (%.1f before)",
		open, served, all, before, float64(held)/(1<<20), float64(heap)/(1<<20), float64(start)/(1<<20))
	for k, kind := range kinds {
		t.Logf("%s: %d answered", kind.name, answered[k])
		assert.True(t, answered[k] > 0 || kind.answers == nil, kind.name)
	}
	assert.LessOrEqual(t, open, connections)
	assert.Greater(t, open, connections/2)
	assert.LessOrEqual(t, served, connections+8)         // some that have just ended
	assert.LessOrEqual(t, all, before+80+connections+40) // 40: those of dialing and handshakes
	assert.LessOrEqual(t, held, int64(memory))
	assert.Greater(t, held, int64(memory/2), "the messages that stall fill what there is")
	// Half as much again for growing, 64 and 50 KiB a connection, and 64 KiB for
	// each peer, which is in this process too.
	assert.LessOrEqual(t, heap, start+3*memory/2+connections*(64+50)<<10+80*64<<10)
	for peer := range 16 {
		for i := range mails {
			assert.Equal(t, 1, taken[fmt.Sprintf("honest %d %d\r\n", peer, i)])
		}
	}

	require.NoError(t, server.Shutdown(context.Background()))
	require.NoError(t, <-ended)
	assert.Zero(t, server.held.Load())
	for begin := time.Now(); runtime.NumGoroutine() > before && time.Since(begin) < patience; {
		time.Sleep(time.Millisecond)
	}
	assert.LessOrEqual(t, runtime.NumGoroutine(), before, "%s", stacks[:runtime.Stack(stacks, true)])
}

// live returns how many bytes the last garbage collection found in use.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// pester speaks to a server in one goroutine until that has enough, and returns
// the end of what it said.
func pester(addr string, first []byte, drip string, deaf bool) string {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return ""
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if deaf {
		c.(*net.TCPConn).SetReadBuffer(1) // soon full
	}
	r := bufio.NewReader(c)
	greeting, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(greeting, "220 ") {
		return ""
	}
	for _, err := c.Write(first); deaf; _, err = c.Write(first) {
		if err != nil {
			return ""
		}
	}
	for drip != "" {
		if _, err := c.Write([]byte(drip)); err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	said, _ := io.ReadAll(r)
	return string(said[max(0, len(said)-4096):])
}
