package desk_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func TestTwoTakeTheSameTicket(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		for range 20 {
			report := w.receive("bob@example.org", "Scan", "").Ticket
			failed := map[incident.Actor]error{}
			var mu sync.Mutex
			var group sync.WaitGroup
			for _, actor := range []incident.Actor{"handler:alice", "handler:bob"} {
				session := w.desk.As(actor)
				group.Go(func() {
					_, err := session.Do(ctx, workflow.Take{Ticket: report})
					mu.Lock()
					defer mu.Unlock()
					failed[actor] = err
				})
			}
			group.Wait()
			owner, loser := incident.Actor("handler:alice"), incident.Actor("handler:bob")
			if failed[owner] != nil {
				owner, loser = loser, owner
			}
			require.NoError(t, failed[owner])
			require.ErrorContains(t, failed[loser], "already taken by "+string(owner))
			require.Equal(t, owner, w.ticket(report).Owner)
			require.Equal(t, "opened message owned", w.types(report))
		}
		w.verify()
	})
}

// The same mail from two sides at once is one ticket.
func TestTwoCopiesAtOnce(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				_, err := w.desk.Receive(ctx, mail.Envelope{}, []byte("From: bob@example.org\r\nMessage-ID: <1@example.org>\r\n\r\nx"))
				if err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		w.verify()
		require.Len(t, w.tickets(), 1)
		require.Len(t, w.history(1), 2+7)
	})
}

// losing is a store on which somebody else is faster a few times.
type losing struct {
	storage.Store
	times int
}

func (l *losing) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	return l.Store.Update(ctx, func(ctx context.Context, tx storage.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		if l.times--; l.times >= 0 {
			return storage.ErrConflict
		}
		return nil
	})
}

func TestLostRacesAreRunAgain(t *testing.T) {
	store := &losing{Store: newWorld(t).store}
	hooks := 0
	w := newWorldOn(t, store, func(c *desk.Config) {
		c.AfterEvent = append(c.AfterEvent, func(context.Context, incident.Record) { hooks++ })
	})
	store.times = 9
	result := w.do(workflow.Open{Kind: incident.KindReport})
	require.Equal(t, []incident.ID{1}, result.Opened)
	require.Equal(t, 1, hooks, "after hooks run once")
	store.times = 3
	require.Equal(t, incident.ID(2), w.receive("bob@example.org", "Scan", "").Ticket)
	store.times = 10
	_, err := w.alice.Do(ctx, workflow.Take{Ticket: 2})
	require.ErrorIs(t, err, storage.ErrConflict)
}

func TestNumbersOfTicketsToBe(t *testing.T) {
	w := newWorld(t)
	result := w.do(
		workflow.Open{Kind: incident.KindIncident, Subject: "Compromise", Fields: classified},
		workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{incident.Nth(1)}},
		workflow.Take{Ticket: incident.Nth(2)},
		workflow.Comment{Ticket: incident.Nth(1), Text: "x"},
	)
	require.Equal(t, []incident.ID{1, 2}, result.Opened)
	require.Equal(t, []incident.ID{1}, w.ticket(2).Parents)
	require.Equal(t, "opened commented", w.types(1))
	err := w.refused(workflow.Open{Kind: incident.KindIncident, Subject: "Compromise", Fields: classified}, workflow.Take{Ticket: incident.Nth(2)})
	require.ErrorContains(t, err, `ticket "$2" is not possible: allowed is a number, or $1 to $1`)
}

func TestWhatIsAlreadyMakesNoRecord(t *testing.T) {
	w := newWorld(t)
	report := w.child(incident.KindReport)
	before := w.snapshot()
	result := w.do(workflow.Take{Ticket: report}, workflow.Move{Ticket: report, To: "new"}, workflow.Edit{Ticket: report, Subject: pointer("Scan")})
	require.Empty(t, result.Records)
	require.Empty(t, result.Tickets)
	require.Equal(t, before, w.snapshot())
}

// A clock that goes back does not take the history with it.
func TestTimeNeverGoesBack(t *testing.T) {
	w := newWorld(t)
	report := w.child(incident.KindReport)
	created := w.ticket(report).Created
	w.now = w.now.AddDate(0, 0, -1)
	w.do(workflow.Comment{Ticket: report, Text: "x"})
	require.Equal(t, created, w.ticket(report).Updated)
	w.now = w.now.AddDate(0, 0, 2).Add(time.Nanosecond)
	w.do(workflow.Comment{Ticket: report, Text: "x"})
	require.Equal(t, w.now.Truncate(time.Microsecond), w.ticket(report).Updated)
}

func TestCancelledDo(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		report := w.child(incident.KindReport)
		before := w.snapshot()
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		_, err := w.alice.Do(cancelled, workflow.Take{Ticket: report})
		require.ErrorIs(t, err, context.Canceled)
		_, err = w.alice.Preview(cancelled, workflow.Take{Ticket: report})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, before, w.snapshot())
	})
}

// Many reminders, one of which is refused: the others are acted on.
func TestSweepGoesOn(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		c.BeforeCommand = append(c.BeforeCommand, func(_ context.Context, _ storage.Reader, call desk.CommandCall) (workflow.Command, error) {
			if call.Command == (workflow.Wake{Ticket: 2}) {
				return nil, errNo
			}
			return call.Command, nil
		})
	})
	for range 4 {
		w.do(workflow.Edit{Ticket: w.child(incident.KindReport), Wake: hours(w, 1)})
	}
	w.now = *hours(w, 2)
	done, err := w.desk.Sweep(ctx, 3)
	require.Equal(t, 2, done)
	require.ErrorIs(t, err, errNo)
	require.ErrorContains(t, err, "alarm of ticket 2")
	done, err = w.desk.Sweep(ctx, 3)
	require.Equal(t, 1, done)
	require.ErrorIs(t, err, errNo)
	require.Nil(t, w.ticket(4).Wake)
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = w.desk.Sweep(cancelled, 3)
	require.ErrorIs(t, err, context.Canceled)
}
