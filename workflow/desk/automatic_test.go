package desk_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// acknowledges makes a world whose desk answers new reports under limits.
func acknowledges(t testing.TB, store storage.Store, limits workflow.AutomaticMail) *world {
	t.Helper()
	return newWorldOn(t, store, func(c *desk.Config) {
		c.Policy = answering(t, limits, false)
		c.Team = []desk.Member{{Address: "alice@example.net"}, {Address: "@example.net"}}
	})
}

func (w *world) rows(id incident.ID) []storage.Outgoing {
	w.t.Helper()
	rows, err := w.alice.Outgoing(ctx, id)
	require.NoError(w.t, err)
	return rows
}

// report takes in a new report and returns the rows of its acknowledgement.
func (w *world) report(from, more string) (incident.ID, []storage.Outgoing) {
	w.t.Helper()
	id := w.receive(from, "Scan", more).Ticket
	return id, w.rows(id)
}

func (w *world) letter(o storage.Outgoing) *mail.Message {
	w.t.Helper()
	body, err := w.alice.Body(ctx, o.Ticket, o.Version)
	require.NoError(w.t, err)
	m, err := mail.Parse(body, mail.Limits{})
	require.NoError(w.t, err)
	return m
}

func TestAcknowledgement(t *testing.T) {
	w := acknowledges(t, newWorld(t).store, workflow.AutomaticMail{})
	id, rows := w.report("bob@example.org", "Message-ID: <1@example.org>\r\nCc: carol@example.com\r\n")
	require.Len(t, rows, 1, "to the requestor, and to nobody else")
	require.Equal(t, storage.Queued, rows[0].Status)
	require.Equal(t, storage.ChargeOutside, rows[0].Charge)
	require.Empty(t, rows[0].From, "the null sender (RFC 3834 3.3)")
	m := w.letter(rows[0])
	require.Equal(t, "[A CSIRT #1] Auto: Scan", m.Subject)
	require.Equal(t, "auto-replied", m.Get("Auto-Submitted"))
	require.Equal(t, "A CSIRT", m.Get(mail.LoopHeader))
	require.Equal(t, []string{"1@example.org"}, m.InReplyTo)
	require.Equal(t, []incident.Party{{Name: "A CSIRT", Address: "csirt@example.net"}}, m.From)
	require.Equal(t, "It has come.\n", m.Text)
	require.True(t, mail.Detect(m, mail.Envelope{To: []string{"bob@example.org"}}, "").Auto)

	ticket := w.ticket(id)
	require.NotNil(t, ticket.OldestUnanswered, "it is no answer")
	require.Nil(t, ticket.LastInside)

	// What comes back by its Message-ID goes to the report, and is not answered.
	again := w.receive("bob@example.org", "Thanks", "In-Reply-To: <"+m.MessageID+">\r\n")
	require.Equal(t, id, again.Ticket)
	require.Len(t, w.rows(id), 1)
}

// Who gets no acknowledgement, and what the history says about it.
func TestNobodyIsAcknowledged(t *testing.T) {
	for name, c := range map[string]struct{ from, more, why string }{
		"a machine":            {"bob@example.org", "Auto-Submitted: auto-generated\r\n", "a machine wrote the message"},
		"bulk":                 {"bob@example.org", "Precedence: bulk\r\n", "a machine wrote the message"},
		"a list":               {"bob@example.org", "List-Id: <x.example.org>\r\n", "the message must not be answered by itself"},
		"who asks for none":    {"bob@example.org", "X-Auto-Response-Suppress: All\r\n", "the message must not be answered by itself"},
		"the owner of a list":  {"owner-x@example.org", "", "the message must not be answered by itself"},
		"commands of a list":   {"x-request@example.org", "", "the message must not be answered by itself"},
		"nobody":               {"No-Reply@example.org", "", "the message must not be answered by itself"},
		"answers to a machine": {"bob@example.org", "Reply-To: noreply@example.org\r\n", "the message must not be answered by itself"},
		"the team":             {"alice@example.net", "", "somebody of the team wrote the message"},
		"ourselves":            {"bob@example.org", "Reply-To: csirt@example.net\r\n", "it has no requestors"},
	} {
		t.Run(name, func(t *testing.T) {
			w := acknowledges(t, newWorld(t).store, workflow.AutomaticMail{})
			id, rows := w.report(c.from, c.more)
			require.Empty(t, rows)
			require.Equal(t, []incident.NearMiss{{Rule: "acknowledge", Why: c.why}}, w.history(id)[0].NearMisses())
		})
	}
	w := acknowledges(t, newWorld(t).store, workflow.AutomaticMail{})
	raw := []byte("From: bob@example.org\r\nSubject: Undelivered\r\n\r\nSorry.\r\n")
	receipt, err := w.desk.Receive(ctx, mail.Envelope{To: []string{"csirt@example.net"}}, raw)
	require.NoError(t, err)
	require.Empty(t, w.rows(receipt.Ticket), "the null sender")

	held := w.receive("bob@example.org", "[A CSIRT #4711] Scan", "")
	require.True(t, held.Held)
	require.Empty(t, w.rows(held.Ticket))

	bob := []incident.Party{{Address: "bob@example.org"}}
	told := w.do(workflow.Open{Kind: incident.KindReport, Subject: "Call", Requestors: bob, Text: "He rang."}).Opened[0]
	require.Len(t, w.rows(told), 1)
	require.Empty(t, w.rows(told)[0].Charge, "a person opened it")
	quiet := w.do(workflow.Open{Kind: incident.KindReport, Subject: "Call", Requestors: bob, Text: "He rang.", Quiet: true}).Opened[0]
	require.Empty(t, w.rows(quiet))
	require.Equal(t, "whoever opened it wants nobody told", w.history(quiet)[0].NearMisses()[0].Why)
	split := w.do(workflow.Open{Kind: incident.KindReport, From: told}).Opened[0]
	require.Empty(t, w.rows(split))
}

func TestOnceInAStretchOfTime(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) { c.Policy = preset(t, "rtir") })
	w.now = time.Date(2026, 3, 2, 9, 10, 0, 0, time.UTC)
	_, first := w.report("bob@example.org", "")
	require.Len(t, first, 1)
	second, rows := w.report("Bob@example.org", "")
	require.Empty(t, rows)
	skipped, _ := w.last(second, "skipped")
	require.Equal(t, "its requestors got an automatic answer within the same 1h", skipped.(incident.Skipped).Why)
	_, rows = w.report("carol@example.com", "")
	require.Len(t, rows, 1, "somebody else")
	w.now = w.now.Add(time.Hour)
	_, rows = w.report("bob@example.org", "")
	require.Len(t, rows, 1)
}

func preset(t testing.TB, name string) *workflow.Policy {
	t.Helper()
	p, err := workflow.Preset(name)
	require.NoError(t, err)
	return p
}

// The limits count in the outbox: on every store, and across restarts.
func TestLimitsOfAutomaticMail(t *testing.T) {
	limits := workflow.AutomaticMail{Correspondent: 2, Ticket: 3, Desk: 4}
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := acknowledges(t, store, limits)
		restart := func() {
			w.desk, w.alice = renewed(t, w, store, limits)
		}
		var reports []incident.ID
		report := func(from, why string) {
			t.Helper()
			restart()
			id, rows := w.report(from, "")
			reports = append(reports, id)
			require.Len(t, rows, 1)
			if why == "" {
				require.Equal(t, storage.Queued, rows[0].Status)
				require.Equal(t, storage.ChargeOutside, rows[0].Charge)
				return
			}
			require.Equal(t, storage.Parked, rows[0].Status)
			require.Empty(t, rows[0].Charge)
			require.Equal(t, "the limit of "+why+" is reached: a person must release it", rows[0].LastError)
		}
		sent := 0
		courier := w.courier(func(context.Context, mail.Envelope, []byte) error { sent++; return nil })
		report("bob@example.org", "")
		report("BOB@example.org", "")
		report("bob@example.org", "2 on automatic mail to this correspondent")
		report("carol@example.com", "")
		report("dave@example.com", "")
		report("eve@example.com", "4 on automatic mail of the desk")
		_, err := courier.Flush(ctx, 100)
		require.NoError(t, err)
		require.Equal(t, 4, sent, "parked mail stays")

		// A person has a look at one of Bob's: one more for Bob, and one for the desk.
		w.do(workflow.Take{Ticket: reports[0]})
		require.Empty(t, w.rows(reports[0])[0].Charge)
		report("bob@example.org", "")
		report("bob@example.org", "2 on automatic mail to this correspondent")
		report("frank@example.com", "4 on automatic mail of the desk")

		// Released mail goes out, and what had parked it counts anew.
		parked, err := w.alice.Outbox(ctx, storage.OutgoingQuery{Statuses: []storage.OutStatus{storage.Parked}})
		require.NoError(t, err)
		require.Len(t, parked, 4)
		w.do(workflow.ReleaseMail{Ticket: reports[5]})
		settled, record := w.last(reports[5], "settled")
		require.Equal(t, incident.Settled{As: incident.MailReleased, Mails: []incident.Outgoing{{Version: 3}}}, settled)
		require.EqualValues(t, "handler:alice", record.By)
		_, err = courier.Flush(ctx, 100)
		require.NoError(t, err)
		require.Equal(t, 6, sent)
		require.Equal(t, storage.Sent, w.rows(reports[5])[0].Status)
		report("bob@example.org", "")
	})
}

// renewed is a desk anew on a store, as after a restart, with the clock of w.
func renewed(t testing.TB, w *world, store storage.Store, limits workflow.AutomaticMail) (*desk.Desk, *desk.Session) {
	t.Helper()
	d, err := desk.New(store, desk.Config{
		Policy: answering(t, limits, false), Tag: mail.Tag{Name: "A CSIRT"}, From: incident.Party{Address: "csirt@example.net"},
		Now: func() time.Time { return w.now },
	})
	require.NoError(t, err)
	return d, d.As("handler:alice")
}

// Mail of a person clears when it answers what followed from a person's act, and
// each such mail of ours once: a responder cannot clear more than we write.
func TestAnswersOfPersonsClear(t *testing.T) {
	w := acknowledges(t, newWorld(t).store, workflow.AutomaticMail{Correspondent: 2})
	first, _ := w.report("bob@example.org", "")
	_, rows := w.report("bob@example.org", "")
	require.Equal(t, storage.Queued, rows[0].Status)
	_, rows = w.report("bob@example.org", "")
	require.Equal(t, storage.Parked, rows[0].Status)

	// One more is charged after our reply.
	w.do(workflow.Reply{Ticket: first, Text: "We look into it."})
	_, rows = w.report("bob@example.org", "")
	require.Equal(t, storage.Queued, rows[0].Status)
	_, rows = w.report("bob@example.org", "")
	require.Equal(t, storage.Parked, rows[0].Status)
	automatic, ours := w.letter(w.rows(first)[0]).MessageID, w.letter(w.rows(first)[1]).MessageID
	parks := func(want storage.OutStatus, more string) {
		t.Helper()
		w.receive("bob@example.org", "Re: Scan", more)
		_, rows := w.report("bob@example.org", "")
		require.Equal(t, want, rows[0].Status)
	}
	parks(storage.Parked, "")
	parks(storage.Parked, "In-Reply-To: <"+automatic+">\r\n")
	parks(storage.Parked, "Auto-Submitted: auto-replied\r\nIn-Reply-To: <"+ours+">\r\n")
	parks(storage.Queued, "In-Reply-To: <"+ours+">\r\n")
	_, rows = w.report("bob@example.org", "")
	require.Equal(t, storage.Queued, rows[0].Status)
	parks(storage.Parked, "In-Reply-To: <"+ours+">\r\n")
}

// Notices to the team have limits of their own: outsiders cannot silence them.
func TestNoticesHaveTheirOwnLimits(t *testing.T) {
	w := acknowledges(t, newWorld(t).store, workflow.AutomaticMail{Correspondent: 1, Member: 3, Desk: 1, Ticket: 2})
	tell := func(id incident.ID) storage.Outgoing {
		t.Helper()
		w.receive("bob@example.org", tagged(id), "")
		rows := w.rows(id)
		return rows[len(rows)-1]
	}
	var owned []incident.ID
	for range 3 {
		id, _ := w.report("bob@example.org", "")
		owned = append(owned, id)
	}
	for _, id := range owned {
		w.do(workflow.Take{Ticket: id})
	}
	w.report("eve@example.com", "") // the desk's limit is reached
	for _, want := range []storage.OutStatus{storage.Queued, storage.Queued, storage.Parked} {
		o := tell(owned[0])
		require.Equal(t, want, o.Status, o.LastError)
		require.Equal(t, "alice@example.net", o.To)
	}
	require.Equal(t, storage.Queued, tell(owned[1]).Status)
	o := tell(owned[2])
	require.Equal(t, storage.Parked, o.Status)
	require.Contains(t, o.LastError, "3 on automatic mail to this member of the team")
	w.do(workflow.Comment{Ticket: owned[0], Text: "I see."})
	require.Equal(t, storage.Queued, tell(owned[2]).Status)
}

// Mail that a rule writes because of what a person did says so, and is not limited.
func TestMailOfRulesInAPersonsName(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		c.Policy = preset(t, "rtir")
		c.Policy.OperationsCentre = incident.Party{Address: "noc@example.org"}
		c.Policy.AutomaticMail = workflow.AutomaticMail{Correspondent: 1, Ticket: 1, Desk: 1}
	})
	inc := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scan"}).Opened[0]
	block := w.do(workflow.Open{Kind: incident.KindBlock, Subject: "Scan", Parents: []incident.ID{inc}, Status: "active"}).Opened[0]
	w.do(workflow.Move{Ticket: block, To: "pending removal"})
	w.do(workflow.Move{Ticket: block, To: "removed"})
	rows := w.rows(block)
	require.Len(t, rows, 3)
	for i, want := range []string{"", "auto-generated", "auto-generated"} {
		require.Equal(t, storage.Queued, rows[i].Status)
		require.Empty(t, rows[i].Charge)
		require.Equal(t, want, w.letter(rows[i]).Get("Auto-Submitted"))
		require.Equal(t, "csirt@example.net", rows[i].From)
	}
}

// The mail of reactions is automatic too: it is charged, parked and released.
func TestReactionsAreLimited(t *testing.T) {
	w := newWorld(t, reacts(workflow.Reaction{
		Name: "tell", On: []string{"opened"}, Kinds: []incident.Kind{incident.KindReport},
		Mail: &workflow.MailReaction{Template: "t", To: []workflow.Audience{workflow.ToRequestors}},
	}), func(c *desk.Config) {
		c.Templates = []mail.Template{{Name: "t", Text: "It has come."}}
		c.Policy.AutomaticMail = workflow.AutomaticMail{Correspondent: 2}
		c.Policy.Squelched = []string{"@silent.example"}
	})
	statuses := func(from string) (list []storage.OutStatus) {
		t.Helper()
		id, _ := w.report(from, "")
		w.exhaust(w.worker())
		for _, o := range w.rows(id) {
			if o.Reaction == "" {
				require.Equal(t, "csirt@example.net", o.From, "it is no answer, and what cannot be delivered comes back")
				list = append(list, o.Status)
			}
		}
		return list
	}
	require.Equal(t, []storage.OutStatus{storage.Queued}, statuses("bob@example.org"))
	require.Equal(t, []storage.OutStatus{storage.Queued}, statuses("bob@example.org"))
	require.Equal(t, []storage.OutStatus{storage.Parked}, statuses("bob@example.org"))
	w.do(workflow.Take{Ticket: 1})
	require.Equal(t, []storage.OutStatus{storage.Queued}, statuses("bob@example.org"))
	require.Empty(t, statuses("eve@silent.example"))
	w.do(workflow.ReleaseMail{Ticket: 3})
}

func TestSettlingMail(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		inv := w.child(incident.KindInvestigation)
		w.do(workflow.Reply{Ticket: inv, Text: "Hello.", Cc: []incident.Party{{Address: "carol@example.com"}}})
		version := w.ticket(inv).Version
		statuses := func() (list []storage.OutStatus) {
			for _, o := range w.rows(inv) {
				list = append(list, o.Status)
			}
			return list
		}
		w.do(workflow.DropMail{Ticket: inv, Version: version, Number: pointer(1)})
		require.Equal(t, []storage.OutStatus{storage.Queued, storage.Dropped}, statuses())
		require.Equal(t, "outgoing mail dropped: 2.1", workflow.Words(last(w, inv), time.UTC))
		w.do(workflow.ReleaseMail{Ticket: inv})
		require.Equal(t, []storage.OutStatus{storage.Queued, storage.Queued}, statuses())
		w.do(workflow.DropMail{Ticket: inv})
		require.Equal(t, []storage.OutStatus{storage.Dropped, storage.Dropped}, statuses())
		w.do(workflow.ReleaseMail{Ticket: inv, Version: version})

		c := w.courier(func(_ context.Context, env mail.Envelope, _ []byte) error {
			return map[string]error{"bob@example.org": &mail.Error{Code: 550}, "carol@example.com": &mail.Error{Undecided: true}}[env.To[0]]
		})
		w.flush(c, 0)
		require.Equal(t, []storage.OutStatus{storage.Failed, storage.Uncertain}, statuses())
		require.ErrorContains(t, w.refused(workflow.ReleaseMail{Ticket: inv}), "it has no mail that is parked or dropped")
		require.ErrorContains(t, w.refused(workflow.DropMail{Ticket: inv}), "it has no mail that is queued or parked")
		require.ErrorContains(t, w.refused(workflow.DropMail{Ticket: inv, Version: 77}), "it has no such mail that is queued, parked, failed or uncertain")
		w.do(workflow.ReleaseMail{Ticket: inv, Version: version, Number: pointer(0)}, workflow.DropMail{Ticket: inv, Version: version, Number: pointer(1)})
		require.Equal(t, []storage.OutStatus{storage.Queued, storage.Dropped}, statuses())
		require.Zero(t, w.rows(inv)[0].Attempts)
		w.flush(w.courier(answers(nil)), 1)
		require.ErrorContains(t, w.refused(workflow.ReleaseMail{Ticket: inv, Version: version, Number: pointer(0)}),
			fmt.Sprintf("outgoing mail %d.%d.0 is sent: allowed is parked, dropped, failed or uncertain", inv, version))
	})
}

func last(w *world, id incident.ID) incident.Event {
	history := w.history(id)
	ev, err := incident.Decode(history[len(history)-1])
	require.NoError(w.t, err)
	return ev
}

// The outcome of a mail under way is not lost when its charge is cleared meanwhile.
func TestClearingWhileMailIsUnderWay(t *testing.T) {
	w := acknowledges(t, newWorld(t).store, workflow.AutomaticMail{})
	id, _ := w.report("bob@example.org", "")
	w.flush(w.courier(func(context.Context, mail.Envelope, []byte) error {
		w.do(workflow.Take{Ticket: id})
		return nil
	}), 1)
	row := w.rows(id)[0]
	require.Equal(t, storage.Sent, row.Status)
	require.Empty(t, row.Charge)
}

// Nobody sees the outbox of a ticket that is hidden from them.
func TestOutboxIsScoped(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		c.Policy.Rights = workflow.Rights{Default: "all", Roles: []workflow.Role{
			{Name: "all", May: []workflow.Permission{{Commands: []string{workflow.See, "open", "reply"}}}},
			{Name: "few", Groups: []string{"Few"}, May: []workflow.Permission{{Commands: []string{workflow.See}, Constituencies: workflow.Reach("own")}}},
		}}
	})
	for _, of := range []string{"", "campus", "", "campus"} {
		id := w.do(workflow.Open{Kind: incident.KindInvestigation, Subject: "Scan", Constituency: of, Requestors: []incident.Party{{Address: "bob@example.org"}}}).Opened[0]
		w.do(workflow.Reply{Ticket: id, Text: "Hello."})
	}
	ids := func(s *desk.Session, limit int) (list []string) {
		rows, err := s.Outbox(ctx, storage.OutgoingQuery{Limit: limit})
		require.NoError(t, err)
		for _, o := range rows {
			list = append(list, strings.Split(o.ID(), ".")[0])
		}
		return list
	}
	require.Equal(t, []string{"1", "2", "3", "4"}, ids(w.alice, 0))
	require.Equal(t, []string{"1", "2"}, ids(w.alice, 2))
	mallory := w.desk.As("handler:mallory", "few:campus")
	require.Equal(t, []string{"2", "4"}, ids(mallory, 0))
	require.Equal(t, []string{"2"}, ids(mallory, 1))
}

// asked counts the rows that a store has been asked for.
type asked struct {
	storage.Store
	rows int
}

func (s *asked) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	return s.Store.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return fn(ctx, askedTx{tx, s}) })
}

type askedTx struct {
	storage.Tx
	of *asked
}

func (tx askedTx) Outgoing(ctx context.Context, q storage.OutgoingQuery) ([]storage.Outgoing, error) {
	rows, err := tx.Tx.Outgoing(ctx, q)
	tx.of.rows += len(rows)
	return rows, err
}

// What a limit reads does not grow with the store.
func TestLimitsReadAsMuchInALargeOutbox(t *testing.T) {
	store := &asked{Store: newWorld(t).store}
	w := acknowledges(t, store, workflow.AutomaticMail{Correspondent: 3, Ticket: 3, Desk: 5})
	var most []int
	for n := range 120 {
		store.rows = 0
		id, _ := w.report(fmt.Sprintf("bob%d@example.org", n%10), "")
		most = append(most, store.rows)
		if n%2 == 0 {
			w.do(workflow.Take{Ticket: id})
		}
	}
	require.LessOrEqual(t, slices.Max(most), 5+3+3+2)
}
