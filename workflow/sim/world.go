package sim

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// Config says how a world is made. The zero Config does.
type Config struct {
	// Policy of the desk; nil: workflow.Default().
	Policy *workflow.Policy
	// Policies gives the policy that a script names; nil: workflow.Preset.
	Policies func(name string) (*workflow.Policy, error)

	Start time.Time // zero: Monday, 2026-03-02T09:00Z
	Seed  uint64    // of salts and Message-IDs

	// Desk changes the configuration of the desk before it is made. It sends as
	// csirt@example.net with the subject tag "A CSIRT"; example.net is the team's
	// domain, where alice, bob, carol and the duty team have mailboxes. It has one
	// template for mail, "block", keeps exported lists for [World.File], signs nothing
	// and runs no programs.
	Desk func(*desk.Config)
}

// World is a desk whose time only the caller moves, and whose randomness comes
// from a seed: what is done to it in the same order gives the same records, byte
// for byte, on every store. The desk and Now are safe for concurrent use, which
// makes the order the scheduler's, though; the other methods are for one goroutine.
type World struct {
	*desk.Desk
	Store storage.Store

	tag  mail.Tag
	from incident.Party
	now  atomic.Pointer[time.Time]
	seen uint64 // records that News has returned

	mu    sync.Mutex
	files map[string]string // exported lists
}

// New returns a world on a store. The store need not be empty: [World.News]
// begins with what happens from now on. Errors are those of desk.New and of the
// store.
func New(ctx context.Context, store storage.Store, config Config) (*World, error) {
	w := &World{Store: store, files: map[string]string{}}
	start := config.Start
	if start.IsZero() {
		start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	}
	w.now.Store(&start)
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], config.Seed)
	c := desk.Config{
		Policy: config.Policy,
		Tag:    mail.Tag{Name: "A CSIRT"},
		From:   incident.Party{Name: "A CSIRT", Address: "csirt@example.net"},
		Team: []desk.Member{
			{Address: "alice@example.net"}, {Address: "bob@example.net"}, {Address: "carol@example.net"},
			{Address: "duty@example.net", Actor: incident.Duty}, {Address: "@example.net"},
		},
		Templates: []mail.Template{{Name: "block", Text: blockNotice}},
		Exports:   w.keep,
		Now:       w.Now,
		Rand:      rand.NewChaCha8(seed),
	}
	if config.Desk != nil {
		config.Desk(&c)
	}
	w.tag, w.from = c.Tag, c.From
	var err error
	if w.Desk, err = desk.New(store, c); err != nil {
		return nil, err
	}
	err = store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		last, err := r.History(ctx, storage.HistoryQuery{Descending: true, Limit: 1})
		if len(last) > 0 {
			w.seen = last[0].Seq
		}
		return err
	})
	return w, err
}

// Now returns the time of the world.
func (w *World) Now() time.Time { return *w.now.Load() }

// Advance moves time forward. Nothing happens by itself: see [desk.Desk.Sweep].
func (w *World) Advance(d time.Duration) error { return w.Until(w.Now().Add(d)) }

// Until moves time to a later moment; an earlier one is an error.
func (w *World) Until(t time.Time) error {
	if now := w.Now(); t.Before(now) {
		return fmt.Errorf("sim: time cannot go back from %s to %s", moment(now), moment(t))
	}
	w.now.Store(&t)
	return nil
}

const blockNotice = `@SUBJECT@@IPADDRESS@ has lost its access@ENDSUBJECT@
Dear @USERNAME@,

the machine @IPADDRESS@ has no access to the network any more (@INCIDENTID@).
`

// React does the reactions that are due, and those that they lead to, and returns how
// many were done.
func (w *World) React(ctx context.Context) (done int, err error) {
	c := &desk.Courier{Desk: w.Desk, Only: storage.OnlyReactions, Now: w.Now}
	for {
		n, err := c.Flush(ctx, 100)
		done += n
		if err != nil || n == 0 {
			return done, err
		}
	}
}

// Post sends the mail that is due, a message after the other, and returns how many the
// sender took.
func (w *World) Post(ctx context.Context, s mail.Sender) (sent int, err error) {
	c := &desk.Courier{Desk: w.Desk, Sender: s, Only: storage.OnlyMail, Parallel: 1, Now: w.Now}
	return c.Flush(ctx, 10_000)
}

func (w *World) keep(_ context.Context, name string, text []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files[name] = string(text)
	return nil
}

// File returns an exported list by its name, as it is now; false if there is none.
func (w *World) File(name string) (text string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, ok = w.files[name]
	return text, ok
}

// News returns the records that have been stored since it was called last, in
// the order of the feed.
func (w *World) News(ctx context.Context) (records []incident.Record, err error) {
	err = w.Store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		records, err = r.History(ctx, storage.HistoryQuery{After: w.seen})
		return err
	})
	if len(records) > 0 {
		w.seen = records[len(records)-1].Seq
	}
	return records, err
}

// Layouts of times in scripts and traces. Those without a zone are UTC.
const (
	layoutMinute = "2006-01-02T15:04Z07:00"
	layoutDay    = "2006-01-02"
)

// moment writes a time as scripts have it.
func moment(t time.Time) string {
	t = t.UTC()
	if t.Equal(t.Truncate(time.Minute)) {
		return t.Format(layoutMinute)
	}
	return t.Format(time.RFC3339Nano)
}

// parseMoment reads a time, or a distance from now like "+2h" and "-3d".
func parseMoment(s string, now time.Time) (time.Time, error) {
	if len(s) > 0 && (s[0] == '+' || s[0] == '-') {
		d, err := parseDuration(s[1:])
		if s[0] == '-' {
			d = -d
		}
		return now.Add(d), err
	}
	for _, layout := range []string{layoutMinute, time.RFC3339Nano, layoutDay} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time: allowed are 2026-03-02T09:00Z, 2026-03-02, +2h, -3d", s)
}

// parseDuration reads what time.ParseDuration does, and days.
func parseDuration(s string) (time.Duration, error) {
	if n := len(s) - 1; n > 0 && s[n] == 'd' {
		if d, err := time.ParseDuration(s[:n] + "h"); err == nil && d.Abs() < 1e5*time.Hour {
			return 24 * d, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration: allowed are 90s, 15m, 2h, 3d", s)
	}
	return d, nil
}
