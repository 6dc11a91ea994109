package desk_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/smtp"
	"github.com/airtight-csirt/airtight/adapters/sqlstore"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// death is where a mail host hangs up.
type death string

const (
	lives     death = "lives"
	beforeDot death = "before the dot" // after DATA, without a byte of the message
	inData    death = "in the message"
	afterDot  death = "after the dot"
	after250  death = "after 250"
)

// mailHost is a mail host that dies as it is told, and counts the messages that came
// in whole by their Message-ID.
type mailHost struct {
	net.Listener
	mu     sync.Mutex
	die    func() death
	pause  func() // before an answer
	whole  map[string]int
	deaths map[death]int
}

func newMailHost(t testing.TB, die func() death) *mailHost {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	h := &mailHost{Listener: l, die: die, pause: func() {}, whole: map[string]int{}, deaths: map[death]int{}}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go h.talk(c)
		}
	}()
	return h
}

func (h *mailHost) locked(fn func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fn()
}

func (h *mailHost) talk(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(c)
	fmt.Fprint(c, "220 host.example.org\r\n")
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch strings.ToUpper(strings.TrimSpace(line[:min(4, len(line))])) {
		case "DATA":
			var how death
			h.locked(func() { how = h.die(); h.deaths[how]++ })
			fmt.Fprint(c, "354 go on\r\n")
			if how == beforeDot || !h.message(r, how) {
				return
			}
			h.pause()
			fmt.Fprint(c, "250 2.0.0 taken\r\n")
			if how == after250 {
				return
			}
		case "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return
		default:
			fmt.Fprint(c, "250 fine\r\n")
		}
	}
}

// message reads one, and reports whether it is to be answered.
func (h *mailHost) message(r *bufio.Reader, how death) bool {
	id := ""
	for n := 0; ; n++ {
		line, err := r.ReadString('\n')
		if err != nil || how == inData && n == 3 {
			return false
		}
		if name, value, ok := strings.Cut(line, ":"); ok && id == "" && strings.EqualFold(name, "Message-ID") {
			id = strings.TrimSpace(value)
		}
		if line == ".\r\n" {
			h.locked(func() { h.whole[id]++ })
			return how != afterDot
		}
	}
}

// dying is a world with mail to one host, whose policy says what becomes of
// uncertain mail.
func dying(t *testing.T, store storage.Store, uncertain workflow.Uncertainty) *world {
	w := newWorldOn(t, store, func(c *desk.Config) { c.Policy = plain(); c.Policy.Uncertain = uncertain })
	w.now = time.Now().UTC().Truncate(time.Microsecond).AddDate(0, 0, -30) // a command takes a minute
	return w
}

func (w *world) through(h *mailHost) *desk.Courier {
	sender := smtp.NewSender(h.Addr().String(), smtp.SenderConfig{IdleTimeout: time.Minute, StepTimeout: 5 * time.Second, AnswerTimeout: 5 * time.Second})
	w.t.(interface{ Cleanup(func()) }).Cleanup(func() { sender.Close() })
	c := w.courier(nil)
	c.Sender, c.Attempts = sender, 100
	return c
}

// A host that dies: what failed before the dot arrives once, when the host is back.
func TestHostDies(t *testing.T) {
	large := strings.Repeat("192.0.2.7 scans us.\n", 1<<18) // more than fits between the two
	for _, c := range []struct {
		how             death
		text            string
		status          storage.OutStatus // after the death, and in the end where nothing is sent again
		arrived, resent int               // whole messages in the end, by policy
	}{
		{beforeDot, large, storage.Queued, 1, 1},
		{inData, large, storage.Queued, 1, 1},
		{afterDot, "Hello.", storage.Uncertain, 1, 2},
		{after250, "Hello.", storage.Sent, 1, 1},
	} {
		for _, uncertain := range []workflow.Uncertainty{workflow.AskUncertain, workflow.ResendUncertain} {
			t.Run(fmt.Sprintf("%s, %s", c.how, uncertain), func(t *testing.T) {
				died := false
				h := newMailHost(t, func() death {
					if died {
						return lives
					}
					died = true
					return c.how
				})
				w := dying(t, newWorld(t).store, uncertain)
				w.do(workflow.Reply{Ticket: w.child(incident.KindInvestigation), Text: c.text})
				courier := w.through(h)
				_, err := courier.Flush(ctx, 1)
				require.NoError(t, err)
				want, arrived := c.status, c.arrived
				if uncertain.Resends() {
					arrived = c.resent
					if want == storage.Uncertain {
						want = storage.Queued
					}
				}
				require.Equal(t, want, w.row().Status)
				w.now = w.now.Add(time.Hour)
				_, err = courier.Flush(ctx, 1)
				require.NoError(t, err)
				if want == storage.Queued {
					want = storage.Sent
				}
				require.Equal(t, want, w.row().Status)
				h.locked(func() {
					require.Len(t, h.whole, 1, "always the same Message-ID")
					for _, n := range h.whole {
						require.Equal(t, arrived, n)
					}
				})
			})
		}
	}
}

// TestCourierProcess is the courier that TestCourierKilled kills.
func TestCourierProcess(t *testing.T) {
	db, address := os.Getenv("COURIER_DB"), os.Getenv("COURIER_HOST")
	if db == "" {
		t.Skip("it is run by TestCourierKilled")
	}
	store := open(t, "sqlite", sqlstore.SQLiteDSN(db), sqlstore.SQLite)
	w := dying(t, store, workflow.Uncertainty(os.Getenv("COURIER_UNCERTAIN")))
	d, err := desk.New(store, desk.Config{From: incident.Party{Address: "csirt@example.net"}, Policy: w.desk.Policy()})
	require.NoError(t, err)
	sender := smtp.NewSender(address, smtp.SenderConfig{IdleTimeout: time.Minute})
	c := &desk.Courier{
		Desk: d, Sender: sender, Only: storage.OnlyMail, PerDomain: 4, Lease: time.Second, Attempts: 1000,
		Backoff: func(int) time.Duration { return 5 * time.Millisecond },
	}
	fmt.Println("ready")
	_ = c.Run(t.Context(), 5*time.Millisecond)
}

// A courier is killed again and again while the host dies now and then, too.
func TestCourierKilled(t *testing.T) {
	kills := 8
	if os.Getenv("AIRTIGHT_LONG") != "" {
		kills = 200
	}
	for _, uncertain := range []workflow.Uncertainty{workflow.AskUncertain, workflow.ResendUncertain} {
		t.Run(string(uncertain), func(t *testing.T) { killedCourier(t, uncertain, kills) })
	}
}

func killedCourier(t *testing.T, uncertain workflow.Uncertainty, kills int) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("seed %d", seed)
	db := filepath.Join(t.TempDir(), "desk.db")
	w := dying(t, open(t, "sqlite", sqlstore.SQLiteDSN(db), sqlstore.SQLite), uncertain)
	back := false
	h := newMailHost(t, func() death {
		if back || random.IntN(10) > 0 { // called under the lock of the host
			return lives
		}
		return []death{beforeDot, inData, afterDot, after250}[random.IntN(4)]
	})
	h.pause = func() { time.Sleep(2 * time.Millisecond) }
	ticket := w.child(incident.KindInvestigation)
	number := func(n int) (drawn int) { h.locked(func() { drawn = random.IntN(n) }); return drawn }
	for range kills {
		for range 10 {
			_, err := w.alice.Do(ctx, workflow.Reply{Ticket: ticket, Text: "Hello."})
			require.NoError(t, err)
		}
		courier := exec.Command(os.Args[0], "-test.run=^TestCourierProcess$")
		courier.Env = append(os.Environ(), "COURIER_DB="+db, "COURIER_HOST="+h.Addr().String(), "COURIER_UNCERTAIN="+string(uncertain))
		out, err := courier.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, courier.Start())
		line, err := bufio.NewReader(out).ReadString('\n')
		require.NoError(t, err, line)
		time.Sleep(time.Duration(number(150)) * time.Millisecond)
		require.NoError(t, courier.Process.Kill())
		_ = courier.Wait()
	}
	killed := map[storage.OutStatus]int{}
	for _, o := range w.outgoing() {
		killed[o.Status]++
	}
	h.locked(func() { back = true })
	last := w.through(h)
	last.Now, last.Parallel, last.Lease, last.Attempts = time.Now, 4, time.Second, 1000
	last.Backoff = func(int) time.Duration { return time.Millisecond }
	for deadline := time.Now().Add(5 * time.Minute); ; {
		_, err := last.Flush(ctx, 1000)
		require.NoError(t, err)
		rest := 0
		for _, o := range w.outgoing() {
			if o.Status != storage.Sent && o.Status != storage.Uncertain {
				rest++
			}
		}
		if rest == 0 {
			break
		}
		require.True(t, time.Now().Before(deadline), "%d messages are left: %+v", rest, w.outgoing()[len(w.outgoing())-1])
		time.Sleep(10 * time.Millisecond)
	}
	w.verify()

	repeated := map[uint64]int{} // by record that sent the mail
	noted := map[uint64]bool{}
	for _, u := range w.undelivered() {
		switch u.Outcome {
		case incident.MailRepeated:
			repeated[u.Version]++
		case incident.MailUncertain:
			noted[u.Version] = true
		}
	}
	history, err := w.alice.History(ctx, ticket)
	require.NoError(t, err)
	counts := map[string]int{}
	for _, o := range w.outgoing() {
		ev, err := incident.Decode(history.Records[o.Version-1])
		require.NoError(t, err)
		var copies int
		h.locked(func() { copies = h.whole["<"+ev.(incident.Message).Content.MessageID+">"] })
		again := repeated[o.Version]
		switch {
		case o.Status == storage.Uncertain:
			require.True(t, noted[o.Version], "%s is on its ticket", o.ID())
			require.LessOrEqual(t, copies, 1, o.ID())
			require.False(t, uncertain.Resends(), o.ID())
			counts[fmt.Sprintf("uncertain, arrived %d times", copies)]++
		case again == 0:
			require.Equal(t, 1, copies, "%s never failed after the dot", o.ID())
			counts["once"]++
		default:
			require.True(t, uncertain.Resends(), o.ID())
			require.GreaterOrEqual(t, copies, 1, o.ID())
			require.LessOrEqual(t, copies, 1+again, "%s: each copy more is on its ticket", o.ID())
			counts[fmt.Sprintf("sent again and noted, arrived %d times", copies)]++
		}
	}
	require.Len(t, w.outgoing(), 10*kills)
	h.locked(func() {
		t.Logf("%s: %d kills, %d messages: %v; left by the kills: %v; hosts: %v", uncertain, kills, 10*kills, counts, killed, h.deaths)
	})
}
