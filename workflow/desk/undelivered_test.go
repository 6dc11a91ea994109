package desk_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// undelivered returns what the tickets say of mail that was not simply taken.
func (w *world) undelivered() (list []incident.Undelivered) {
	w.t.Helper()
	require.NoError(w.t, w.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		records, err := r.History(ctx, storage.HistoryQuery{})
		for _, record := range records {
			if ev, err := incident.Decode(record); err == nil {
				if u, ok := ev.(incident.Undelivered); ok {
					require.Equal(w.t, incident.System, record.By)
					list = append(list, u)
				}
			}
		}
		return err
	}))
	return list
}

// said returns the outcomes alone.
func (w *world) said() (list []incident.Delivery) {
	for _, u := range w.undelivered() {
		list = append(list, u.Outcome)
	}
	return list
}

var undecided = &mail.Error{Code: 451, Enhanced: "4.4.2", Message: "no answer", Undecided: true}

func resends(c *desk.Config) {
	policy := plain()
	policy.Uncertain = workflow.ResendUncertain
	c.Policy = policy
}

func TestUndeliveredIsOnTheTicket(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := posted(t, store)
		w.flush(w.courier(answers(&mail.Error{Code: 550, Enhanced: "5.1.1", Message: "bob@example.org: nobody"})), 0)
		row := w.row()
		require.Equal(t, []incident.Undelivered{{
			Version: row.Version, Attempt: 1, Outcome: incident.MailFailed, Code: 550, Enhanced: "5.1.1",
			Content: incident.UndeliveredContent{To: "bob@example.org", Why: "mail: 550 5.1.1 bob@example.org: nobody"},
		}}, w.undelivered())
		e, err := w.alice.Explain(ctx, row.Ticket, desk.TopicMail)
		require.NoError(t, err)
		require.Contains(t, e.Text, "The mail to bob@example.org is failed after 1 tries")
	})
}

func TestLastTryIsOnTheTicket(t *testing.T) {
	w := posted(t, newWorld(t).store)
	c := w.courier(answers(&mail.Error{Code: 450, Enhanced: "4.7.1"}))
	for range 3 {
		require.Empty(t, w.said(), "what is only tried again is no news")
		w.flush(c, 0)
		w.now = w.now.Add(time.Hour)
	}
	require.Equal(t, []incident.Delivery{incident.MailFailed}, w.said())
	require.Equal(t, 3, w.undelivered()[0].Attempt)
}

func TestUncertainAsks(t *testing.T) {
	w := posted(t, newWorld(t).store)
	w.flush(w.courier(answers(undecided)), 0)
	require.Equal(t, storage.Uncertain, w.row().Status)
	require.Equal(t, []incident.Delivery{incident.MailUncertain}, w.said())
	require.Zero(t, w.undelivered()[0].Code, "it is not the answer of a host")
	w.now = w.now.AddDate(1, 0, 0)
	w.flush(w.courier(answers(nil)), 0)
}

// The policy may have it sent again: the same bytes, each time with a record, and
// not for ever.
func TestUncertainResends(t *testing.T) {
	w := newWorld(t, resends)
	w.do(workflow.Reply{Ticket: w.child(incident.KindInvestigation), Text: "Hello."})
	var copies [][]byte
	c := w.courier(func(_ context.Context, _ mail.Envelope, raw []byte) error {
		copies = append(copies, raw)
		return undecided
	})
	for range 5 {
		w.flush(c, 0)
		w.now = w.now.Add(time.Hour)
	}
	require.Len(t, copies, 3)
	require.Equal(t, copies[0], copies[1])
	require.Equal(t, []incident.Delivery{incident.MailRepeated, incident.MailRepeated, incident.MailUncertain}, w.said())
	require.Equal(t, storage.Uncertain, w.row().Status)

	w = newWorld(t, resends)
	w.do(workflow.Reply{Ticket: w.child(incident.KindInvestigation), Text: "Hello."})
	dies := w.courier(func(context.Context, mail.Envelope, []byte) error { panic("died") })
	require.Panics(t, func() { _, _ = dies.Flush(ctx, 1) })
	w.now = w.now.Add(time.Hour)
	w.flush(w.courier(answers(nil)), 0)
	require.Equal(t, []incident.Delivery{incident.MailRepeated}, w.said())
	w.now = w.now.Add(time.Minute)
	w.flush(w.courier(answers(nil)), 1)
}

// careful is a sender that says when it hands over.
type careful struct {
	mail.SenderFunc        // the message is taken
	before          func() // just before that
}

func (s careful) SendWhen(ctx context.Context, env mail.Envelope, raw []byte, ready func(context.Context) error) error {
	s.before()
	if err := ready(ctx); err != nil {
		return err
	}
	return s.Send(ctx, env, raw)
}

// What stops before the message is handed over has not sent it.
func TestStoppedBeforeTheHandover(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := posted(t, store)
		c := w.courier(nil)
		c.Sender = careful{answers(nil), func() {
			require.Equal(t, storage.Leased, w.row().Status)
			panic("died")
		}}
		require.PanicsWithValue(t, "died", func() { _, _ = c.Flush(ctx, 1) })
		w.flush(w.courier(answers(nil)), 0)
		w.now = w.now.Add(time.Hour)
		w.flush(w.courier(answers(nil)), 1)
		require.Equal(t, storage.Sent, w.row().Status)
		require.Empty(t, w.said())
	})
	// A message that stops every courier is given up.
	w := posted(t, newWorld(t).store)
	c := w.courier(nil)
	c.Sender = careful{answers(nil), func() { panic("died") }}
	for range 3 {
		require.Panics(t, func() { _, _ = c.Flush(ctx, 1) })
		w.now = w.now.Add(time.Hour)
	}
	w.flush(c, 0)
	require.Equal(t, []incident.Delivery{incident.MailFailed}, w.said())
}

// A courier whose lease ran out before the handover finds that it may not send.
func TestSlowBeforeTheHandover(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := posted(t, store)
		copies := 0
		taken := func(context.Context, mail.Envelope, []byte) error { copies++; return nil }
		slow := w.courier(nil)
		slow.Sender = careful{taken, func() {
			w.now = w.now.Add(2 * time.Hour)
			w.flush(w.courier(taken), 1)
		}}
		w.flush(slow, 0)
		require.Equal(t, 1, copies)
		require.Equal(t, storage.Sent, w.row().Status)
	})
}

// When the answer comes after all, the ticket says so.
func TestTakenAfterAll(t *testing.T) {
	for name, want := range map[workflow.Uncertainty][]incident.Delivery{
		workflow.AskUncertain:    {incident.MailUncertain, incident.MailTaken},
		workflow.ResendUncertain: {incident.MailRepeated, incident.MailTaken},
	} {
		w := newWorld(t, func(c *desk.Config) { c.Policy = plain(); c.Policy.Uncertain = name })
		w.do(workflow.Reply{Ticket: w.child(incident.KindInvestigation), Text: "Hello."})
		slow := w.courier(func(context.Context, mail.Envelope, []byte) error {
			w.now = w.now.Add(2 * time.Hour)
			w.flush(w.courier(answers(nil)), 0)
			return nil
		})
		w.flush(slow, 1)
		require.Equal(t, storage.Sent, w.row().Status)
		require.Equal(t, want, w.said())
		w.now = w.now.AddDate(0, 0, 1)
		w.flush(w.courier(answers(nil)), 0)
	}
}

// A hook that refuses the record does not keep the row from saying it.
func TestRecordOfAMailRefused(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		c.BeforeEvent = append(c.BeforeEvent, func(_ context.Context, _ storage.Reader, call desk.EventCall) (incident.Event, error) {
			if _, ok := call.Event.(incident.Undelivered); ok {
				return nil, errors.New("not here")
			}
			return call.Event, nil
		})
	})
	w.do(workflow.Reply{Ticket: w.child(incident.KindInvestigation), Text: "Hello."})
	w.flush(w.courier(answers(&mail.Error{Code: 550})), 0)
	require.Equal(t, storage.Failed, w.row().Status)
	require.Empty(t, w.said())
}
