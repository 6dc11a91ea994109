package desk_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// writeTo queues mail to each of some addresses.
func (w *world) writeTo(addresses ...string) {
	w.t.Helper()
	for _, address := range addresses {
		r := w.do(workflow.Open{Kind: incident.KindInvestigation, Subject: "Scans", Requestors: []incident.Party{{Address: address}}})
		w.do(workflow.Reply{Ticket: r.Opened[0], Text: "Hello."})
	}
}

func (w *world) statuses() map[string]storage.OutStatus {
	all := map[string]storage.OutStatus{}
	for _, o := range w.outgoing() {
		all[o.To] = o.Status
	}
	return all
}

// traffic counts what is on its way at the same time.
type traffic struct {
	mu        sync.Mutex
	now, most map[string]int // by domain; "" for all
	order     []string
}

func newTraffic() *traffic { return &traffic{now: map[string]int{}, most: map[string]int{}} }

func (tr *traffic) count(to string, by int) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	_, domain, _ := strings.Cut(to, "@")
	for _, key := range []string{"", domain} {
		tr.now[key] += by
		tr.most[key] = max(tr.most[key], tr.now[key])
	}
	if by > 0 {
		tr.order = append(tr.order, to)
	}
}

// A slow domain has so many hands and no more; the mail to others goes on beside it.
func TestSlowDomain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorldOn(t, memory.New())
		var slow []string
		for range 150 { // more than are read at a time
			slow = append(slow, "a@slow.example.org")
		}
		w.writeTo(slow...)
		w.writeTo("a@one.example.org", "a@two.example.org", "b@two.example.org", "c@two.example.org")
		tr := newTraffic()
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		var others atomic.Int64
		c := w.courier(func(_ context.Context, env mail.Envelope, _ []byte) error {
			tr.count(env.To[0], 1)
			defer tr.count(env.To[0], -1)
			if strings.HasSuffix(env.To[0], "@slow.example.org") {
				time.Sleep(10 * time.Second)
				return nil
			}
			time.Sleep(time.Second)
			others.Store(int64(time.Since(begin)))
			return nil
		})
		c.Parallel, c.PerDomain = 5, 2
		done := make(chan error)
		go func() { done <- c.Run(ctx, time.Second) }()
		time.Sleep(20 * time.Minute)
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		require.LessOrEqual(t, time.Duration(others.Load()), 3*time.Second)
		require.Equal(t, 2, tr.most["slow.example.org"])
		require.Equal(t, 2, tr.most["two.example.org"])
		require.Equal(t, 5, tr.most[""])
		for _, o := range w.outgoing() {
			require.Equal(t, storage.Sent, o.Status)
		}
		require.Len(t, tr.order, 154)
	})
}

func TestPerMinute(t *testing.T) {
	w := newWorldOn(t, memory.New())
	w.writeTo("a@grey.example.org", "b@grey.example.org", "c@grey.example.org", "a@other.example.org")
	c := w.courier(answers(nil))
	c.PerMinute = 2
	w.flush(c, 3)
	w.flush(c, 0)
	require.Equal(t, storage.Queued, w.statuses()["c@grey.example.org"])
	require.Equal(t, 0, w.outgoing()[2].Attempts)
	w.now = w.now.Add(time.Minute)
	w.flush(c, 1)
}

// While no connection comes about, one message tries; the others keep their tries.
func TestDomainIsDown(t *testing.T) {
	for name, down := range map[string]error{
		"no connection": &mail.Error{Code: 451, Enhanced: "4.4.1"}, "no service": &mail.Error{Code: 421}, "another error": errors.New("no route"),
	} {
		w := newWorldOn(t, memory.New())
		w.writeTo("a@down.example.org", "b@down.example.org", "c@DOWN.example.org", "a@other.example.org")
		var tried []string
		up := false
		c := w.courier(func(_ context.Context, env mail.Envelope, _ []byte) error {
			tried = append(tried, env.To[0])
			if strings.HasSuffix(strings.ToLower(env.To[0]), "@down.example.org") && !up {
				return down
			}
			return nil
		})
		w.flush(c, 1)
		require.Equal(t, []string{"a@down.example.org", "a@other.example.org"}, tried, name)
		w.flush(c, 0)
		w.now = w.now.Add(time.Minute)
		w.flush(c, 0)
		require.Len(t, tried, 3, name)
		w.now = w.now.Add(time.Minute) // its second failure in a row: two minutes
		w.flush(c, 0)
		require.Len(t, tried, 3, name)
		up = true
		w.now = w.now.Add(time.Minute)
		w.flush(c, 3)
	}

	// What is said about one message is no reason to leave the others.
	w := newWorldOn(t, memory.New())
	w.writeTo("a@grey.example.org", "b@grey.example.org")
	tried := 0
	w.flush(w.courier(func(context.Context, mail.Envelope, []byte) error {
		tried++
		return &mail.Error{Code: 450, Enhanced: "4.7.1", Message: "greylisted"}
	}), 0)
	require.Equal(t, 2, tried)
}

// A reaction that hangs delays no mail of the same courier.
func TestHangingReaction(t *testing.T) {
	release := make(chan bool)
	w := newWorld(t, reacts(onState("blocked", "push")), func(c *desk.Config) {
		c.Programs = func(context.Context, string, []string, []string, []byte) ([]byte, error) { <-release; return nil, nil }
	})
	w.setState(w.incident(), "blocked")
	w.writeTo("a@example.org", "b@example.org")
	sent := 0
	c := w.courier(func(context.Context, mail.Envelope, []byte) error {
		if sent++; sent == 2 {
			close(release)
		}
		return nil
	})
	c.Only = storage.AnyErrand
	w.flush(c, 3)
}
