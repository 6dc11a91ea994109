package desk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// posted makes a world with one mail in its outbox, to bob@example.org.
func posted(t *testing.T, store storage.Store) *world {
	w := newWorldOn(t, store)
	w.do(workflow.Reply{Ticket: w.child(incident.KindInvestigation), Text: "Hello."})
	return w
}

func (w *world) courier(send mail.SenderFunc) *desk.Courier {
	return &desk.Courier{Desk: w.desk, Sender: send, Only: storage.OnlyMail, Parallel: 1, Now: func() time.Time { return w.now }, Lease: time.Hour, Attempts: 3}
}

func (w *world) flush(c *desk.Courier, want int) {
	w.t.Helper()
	sent, err := c.Flush(ctx, 100)
	require.NoError(w.t, err)
	require.Equal(w.t, want, sent)
	w.verify()
}

func (w *world) row() storage.Outgoing {
	w.t.Helper()
	rows := w.outgoing()
	require.Len(w.t, rows, 1)
	return rows[0]
}

func answers(err error) mail.SenderFunc {
	return func(context.Context, mail.Envelope, []byte) error { return err }
}

func TestSending(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := posted(t, store)
		var envelopes []mail.Envelope
		var sent []byte
		c := w.courier(func(_ context.Context, env mail.Envelope, raw []byte) error {
			require.Equal(t, storage.Sending, w.row().Status, "it is marked before it goes out")
			envelopes, sent = append(envelopes, env), raw
			return nil
		})
		w.flush(c, 1)
		w.flush(c, 0)
		require.Equal(t, []mail.Envelope{{From: "csirt@example.net", To: []string{"bob@example.org"}}}, envelopes)
		row := w.row()
		require.Equal(t, storage.Sent, row.Status)
		require.Equal(t, 1, row.Attempts)
		require.Zero(t, row.Lease)
		body, err := w.alice.Body(ctx, row.Ticket, row.Version)
		require.NoError(t, err)
		require.Equal(t, body, sent)
		rows, err := w.alice.Outgoing(ctx, row.Ticket)
		require.NoError(t, err)
		require.Equal(t, []storage.Outgoing{row}, rows)
	})
}

func TestOneRowPerRecipient(t *testing.T) {
	w := newWorld(t)
	inv := w.child(incident.KindInvestigation)
	w.do(workflow.Reply{Ticket: inv, Text: "Hello.", Cc: []incident.Party{{Address: "BOB@example.org"}, {Address: "carol@example.com"}, {Address: "csirt@example.net"}}})
	c := w.courier(func(_ context.Context, env mail.Envelope, _ []byte) error {
		if env.To[0] == "bob@example.org" {
			return &mail.Error{Code: 550}
		}
		return nil
	})
	w.flush(c, 1)
	rows := w.outgoing()
	require.Len(t, rows, 2, "nobody twice, and not the desk itself")
	require.Equal(t, storage.Failed, rows[0].Status)
	require.Equal(t, storage.Sent, rows[1].Status)

	ourselves := incident.Party{Address: "CSIRT@example.net"}
	w = newWorld(t)
	w.do(workflow.Edit{Ticket: w.child(incident.KindInvestigation), Requestors: &[]incident.Party{ourselves, {Address: "bob@example.org"}}}, workflow.Reply{Ticket: 1, Text: "Hello."})
	require.Equal(t, "bob@example.org", w.row().To)
	w.do(workflow.Edit{Ticket: 1, Requestors: &[]incident.Party{ourselves}})
	require.ErrorContains(t, w.refused(workflow.Reply{Ticket: 1, Text: "Hello."}), "nobody is left to write to: its requestors are this desk itself, or squelched: edit the requestors")
}

func TestTemporaryFailures(t *testing.T) {
	w := posted(t, newWorld(t).store)
	tries := 0
	c := w.courier(func(context.Context, mail.Envelope, []byte) error {
		tries++
		if tries == 2 {
			return errors.New("connection refused")
		}
		return &mail.Error{Code: 451, Message: "later"}
	})
	for attempt, pause := range []time.Duration{time.Minute, 2 * time.Minute} {
		w.flush(c, 0)
		row := w.row()
		require.Equal(t, storage.Queued, row.Status)
		require.Equal(t, w.now.Add(pause), row.NextTry)
		require.NotEmpty(t, row.LastError)
		w.now = row.NextTry.Add(-time.Microsecond)
		w.flush(c, 0)
		require.Equal(t, attempt+1, tries, "not before its time")
		w.now = row.NextTry
	}
	w.flush(c, 0)
	require.Equal(t, storage.Failed, w.row().Status, "given up after three attempts")
	require.Equal(t, 3, w.row().Attempts)
	w.now = w.now.Add(time.Hour)
	w.flush(c, 0)
	require.Equal(t, 3, tries)
}

func TestBackoff(t *testing.T) {
	for first, want := range map[int]time.Duration{0: time.Minute, 3: 8 * time.Minute, 8: 4 * time.Hour, 15: 4 * time.Hour} {
		w := posted(t, newWorld(t).store)
		c := w.courier(answers(&mail.Error{Code: 451}))
		c.Attempts = 0
		for range first {
			w.flush(c, 0)
			w.now = w.row().NextTry
		}
		w.flush(c, 0)
		require.Equal(t, want, w.row().NextTry.Sub(w.now))
	}
	w := posted(t, newWorld(t).store)
	c := w.courier(answers(&mail.Error{Code: 451}))
	c.Backoff = func(attempt int) time.Duration { return time.Duration(attempt) * time.Second }
	w.flush(c, 0)
	require.Equal(t, w.now.Add(time.Second), w.row().NextTry)
}

func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want storage.OutStatus
	}{
		"permanent":                      {&mail.Error{Code: 550, Message: "no such user"}, storage.Failed},
		"wrapped":                        {fmt.Errorf("next hop: %w", &mail.Error{Code: 554}), storage.Failed},
		"undecided":                      {&mail.Error{Code: 451, Undecided: true}, storage.Uncertain},
		"undecided after the final dot ": {fmt.Errorf("next hop: %w", &mail.Error{Undecided: true, Err: io.ErrUnexpectedEOF}), storage.Uncertain},
	} {
		w := posted(t, newWorld(t).store)
		w.flush(w.courier(answers(c.err)), 0)
		require.Equal(t, c.want, w.row().Status, name)
		require.Equal(t, c.err.Error(), w.row().LastError)
		w.now = w.now.AddDate(0, 0, 9)
		w.flush(w.courier(func(context.Context, mail.Envelope, []byte) error {
			t.Errorf("%s: sent again without anybody asking for it", name)
			return nil
		}), 0)
	}
}

// A courier that dies while it sends leaves a row that a person decides about.
func TestExpiredLease(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := posted(t, store)
		dies := w.courier(func(context.Context, mail.Envelope, []byte) error { panic("died") })
		require.PanicsWithValue(t, "died", func() { _, _ = dies.Flush(ctx, 100) })
		again := w.courier(func(context.Context, mail.Envelope, []byte) error {
			t.Error("sent twice")
			return nil
		})
		w.flush(again, 0)
		require.Equal(t, storage.Sending, w.row().Status, "its lease has not ended")
		w.now = w.now.Add(time.Hour)
		w.flush(again, 0)
		require.Equal(t, storage.Uncertain, w.row().Status)
		require.Equal(t, "the courier stopped while it was sending", w.row().LastError)
	})
}

// A courier that was only slow comes back with the peer's answer.
func TestAnswerAfterTheLease(t *testing.T) {
	w := posted(t, newWorld(t).store)
	other := w.courier(answers(nil))
	slow := w.courier(func(context.Context, mail.Envelope, []byte) error {
		w.now = w.now.Add(2 * time.Hour)
		w.flush(other, 0)
		require.Equal(t, storage.Uncertain, w.row().Status)
		return nil
	})
	w.flush(slow, 1)
	require.Equal(t, storage.Sent, w.row().Status)

	// But when a person has decided meanwhile, that stays.
	w = posted(t, newWorld(t).store)
	other = w.courier(answers(nil))
	slow = w.courier(func(context.Context, mail.Envelope, []byte) error {
		w.now = w.now.Add(2 * time.Hour)
		w.flush(other, 0)
		row := w.row()
		row.Status = storage.Failed
		require.NoError(t, w.store.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return tx.PutOutgoing(ctx, row) }))
		return nil
	})
	w.flush(slow, 1)
	require.Equal(t, storage.Failed, w.row().Status)
}

func TestTwoCouriersNeverSendTwice(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		inv := w.child(incident.KindInvestigation)
		const letters = 20
		for range letters {
			_, err := w.alice.Do(ctx, workflow.Reply{Ticket: inv, Text: "Hello."})
			require.NoError(t, err)
		}
		var mu sync.Mutex
		seen := map[incident.Digest]int{}
		var group sync.WaitGroup
		for range 2 {
			c := w.courier(func(_ context.Context, _ mail.Envelope, raw []byte) error {
				mu.Lock()
				defer mu.Unlock()
				seen[incident.DigestOf(raw)]++
				return nil
			})
			group.Go(func() {
				if _, err := c.Flush(ctx, 100); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		w.verify()
		require.Len(t, seen, letters)
		for _, n := range seen {
			require.Equal(t, 1, n)
		}
	})
}

func TestCancelledCourier(t *testing.T) {
	w := posted(t, newWorld(t).store)
	cancelled, cancel := context.WithCancel(ctx)
	c := w.courier(func(context.Context, mail.Envelope, []byte) error {
		cancel() // while the message is on its way
		return nil
	})
	sent, err := c.Flush(cancelled, 100)
	require.NoError(t, err)
	require.Equal(t, 1, sent)
	require.Equal(t, storage.Sent, w.row().Status, "the outcome is written all the same")
	_, err = c.Flush(cancelled, 100)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, c.Run(cancelled, time.Hour), context.Canceled)
}

// A message under way when the context ends is not cut off before Grace has
// passed, and no other one is begun.
func TestCourierEndsInPeace(t *testing.T) {
	w := posted(t, memory.New())
	w.do(workflow.Reply{Ticket: w.child(incident.KindReport), Text: "Hello."})
	running, cancel := context.WithCancel(ctx)
	sent := 0
	c := w.courier(func(attempt context.Context, _ mail.Envelope, _ []byte) error {
		cancel()
		sent++
		return attempt.Err()
	})
	require.ErrorIs(t, c.Run(running, time.Hour), context.Canceled)
	require.Equal(t, 1, sent)
	var statuses []storage.OutStatus
	for _, o := range w.outgoing() {
		statuses = append(statuses, o.Status)
	}
	require.ElementsMatch(t, []storage.OutStatus{storage.Sent, storage.Queued}, statuses)

	running, cancel = context.WithCancel(ctx)
	c.Grace = time.Millisecond
	c.Sender = mail.SenderFunc(func(attempt context.Context, _ mail.Envelope, _ []byte) error {
		cancel()
		<-attempt.Done()
		return attempt.Err()
	})
	require.ErrorIs(t, c.Run(running, time.Hour), context.Canceled)
}

func TestCourierRuns(t *testing.T) {
	w := posted(t, newWorld(t).store)
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	c := w.courier(func(context.Context, mail.Envelope, []byte) error {
		cancel()
		return nil
	})
	require.ErrorIs(t, c.Run(running, time.Millisecond), context.Canceled)
	require.Equal(t, storage.Sent, w.row().Status)
}

// One message that is gone does not keep the others from going out.
func TestMissingMessage(t *testing.T) {
	w := posted(t, newWorld(t).store)
	w.do(workflow.Reply{Ticket: 1, Text: "Hello again."})
	lost := w.outgoing()[0].Blob
	c := w.courier(answers(nil))
	c.Desk = newWorldOn(t, crooked{w.store, func(r storage.Reader) storage.Reader { return lostBlob{r, lost} }}).desk
	sent, err := c.Flush(ctx, 100)
	require.NoError(t, err)
	require.Equal(t, 1, sent)
	rows := w.outgoing()
	require.Equal(t, storage.Failed, rows[0].Status)
	require.Equal(t, storage.Sent, rows[1].Status)
}
