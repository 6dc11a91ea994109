package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	netsmtp "net/smtp"
	"sync"
	"sync/atomic"

	"github.com/airtight-csirt/airtight/adapters/smtp"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

const (
	handlers   = 2   // people who give commands
	remembered = 500 // reports that answers go to, and mails that are sent again
	perConn    = 50  // mails before a sender connects anew
	perCommand = 10  // mails for each command of a handler
)

// sent counts what was done, each mail once the server has answered 250.
type sent struct {
	Reports  int `json:"reports"`
	Answers  int `json:"answers"`
	Copies   int `json:"copies"`
	Commands int `json:"commands"`
	Refused  int `json:"refused"` // by the policy: the other handler was faster
	Out      int `json:"out"`     // mails that the desk has sent
}

// traffic is a desk at work: senders of mail, handlers, a courier.
type traffic struct {
	*soakOptions
	desk  *desk.Desk
	watch *watch

	numbers atomic.Int64  // given to mails
	work    chan struct{} // commands to be given
	looks   chan int      // numbers of mails at which to look

	mu    sync.Mutex
	sent  sent
	known []reported // the latest reports
}

func newTraffic(o *soakOptions, d *desk.Desk, w *watch) *traffic {
	return &traffic{
		soakOptions: o, desk: d, watch: w,
		work: make(chan struct{}, handlers), looks: make(chan int),
	}
}

// run ends when all mail is sent and all commands are done, or with the first
// error.
func (t *traffic) run(ctx context.Context) error {
	server, err := smtp.NewServer(t.receive, smtp.Config{Recipients: smtp.Only(mailbox)})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	try := func(group *sync.WaitGroup, fn func() error) {
		group.Go(func() {
			if err := fn(); err != nil {
				stop(err)
			}
		})
	}
	var senders, others sync.WaitGroup
	try(&others, func() error { return server.Serve(listener) })
	for i := range handlers {
		try(&others, func() error { return t.handle(ctx, i) })
	}
	try(&others, func() error {
		for n := range t.looks {
			t.watch.look(n)
		}
		return nil
	})
	courier := &desk.Courier{Desk: t.desk, Only: storage.OnlyMail, Sender: mail.SenderFunc(t.deliver)}
	sending, rest := context.WithCancel(ctx)
	try(&others, func() error {
		if err := courier.Run(sending, pause); sending.Err() == nil {
			return err
		}
		return nil
	})
	for i := range t.connections {
		try(&senders, func() error { return t.send(ctx, i, listener.Addr().String()) })
	}
	senders.Wait()
	close(t.work)
	close(t.looks)
	rest()
	if err := server.Shutdown(ctx); err != nil {
		stop(err)
	}
	others.Wait()
	return context.Cause(ctx)
}

// receive is what the server does with a mail.
func (t *traffic) receive(ctx context.Context, env mail.Envelope, raw []byte) error {
	receipt, err := t.desk.Receive(ctx, env, raw)
	if err == nil && !receipt.Again && receipt.Verdict.Action == mail.OpenReport {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.known = append(t.known, reported{receipt.Ticket, env.From})
		if len(t.known) >= 2*remembered {
			t.known = append([]reported(nil), t.known[remembered:]...)
		}
	}
	return err
}

// deliver takes over the mail of the desk.
func (t *traffic) deliver(context.Context, mail.Envelope, []byte) error {
	t.count(func(s *sent) { s.Out++ })
	return nil
}

func (t *traffic) count(change func(*sent)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(&t.sent)
}

// send is one of those who send mail, over one connection after the other.
func (t *traffic) send(ctx context.Context, number int, address string) error {
	s := &sender{traffic: t, letters: newLetters(t.seed+uint64(number), fmt.Sprintf("soak%d", number))}
	for more := true; more; {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return err
		}
		client, err := netsmtp.NewClient(conn, "127.0.0.1")
		if err != nil {
			return errors.Join(err, conn.Close())
		}
		for range perConn {
			n := int(t.numbers.Add(1))
			if more = n <= t.mails; !more {
				break
			}
			if err := s.one(client); err != nil {
				return errors.Join(fmt.Errorf("mail %d: %w", n, err), conn.Close())
			}
			if err := t.tell(ctx, n); err != nil {
				return errors.Join(err, conn.Close())
			}
		}
		if s.letters.random.IntN(2) == 0 {
			err = client.Quit()
		} else {
			err = conn.Close() // as some do
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tell lets the others do what the n-th mail is a reason for.
func (t *traffic) tell(ctx context.Context, n int) error {
	if n%perCommand == 0 {
		select {
		case t.work <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if n%t.watch.every() == 0 {
		select {
		case t.looks <- n:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return context.Cause(ctx)
}

type sender struct {
	*traffic
	letters *letters
	past    []letter // its own, of which some are sent again
}

// one sends one mail and waits for 250.
func (s *sender) one(client *netsmtp.Client) error {
	l, done := s.letters.report(), func(s *sent) { s.Reports++ }
	known := s.someReport()
	switch n := s.letters.random.IntN(10); {
	case n == 0 && len(s.past) > 0:
		l, done = s.past[s.letters.random.IntN(len(s.past))], func(s *sent) { s.Copies++ }
	case n <= 3 && known.id > 0:
		l, done = s.letters.answer(deskConfig().Tag, known.id, known.from), func(s *sent) { s.Answers++ }
	}
	if err := transmit(client, l); err != nil {
		return err
	}
	if len(s.past) < remembered/s.connections {
		s.past = append(s.past, l)
	} else {
		s.past[s.letters.random.IntN(len(s.past))] = l
	}
	s.count(done)
	return nil
}

func (s *sender) someReport() reported {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.known) == 0 {
		return reported{}
	}
	return s.known[s.letters.random.IntN(len(s.known))]
}

func transmit(client *netsmtp.Client, l letter) error {
	if err := client.Mail(l.from); err != nil {
		return err
	}
	if err := client.Rcpt(mailbox); err != nil {
		return err
	}
	data, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := data.Write(l.raw); err != nil {
		return err
	}
	return data.Close()
}

// handle is a person who works while mail comes in.
func (t *traffic) handle(ctx context.Context, number int) error {
	session := t.desk.As(incident.Actor(fmt.Sprintf("handler:h%d", number)))
	random := rand.New(rand.NewPCG(t.seed, uint64(number)))
	for range t.work {
		err := command(ctx, session, random)
		switch {
		case err == nil:
			t.count(func(s *sent) { s.Commands++ })
		case refused(err):
			t.count(func(s *sent) { s.Refused++ })
		default:
			return fmt.Errorf("handler %d: %w", number, err)
		}
	}
	return nil
}

// refused reports whether a command failed because another handler was faster.
func refused(err error) bool {
	var taken *workflow.TakenError
	var transition *workflow.TransitionError
	var no *workflow.RefusedError
	var rights *workflow.RightsError
	return errors.As(err, &rights) || errors.As(err, &taken) || errors.As(err, &transition) || errors.As(err, &no)
}

// command does one thing that handlers do all day.
func command(ctx context.Context, s *desk.Session, random *rand.Rand) error {
	page, err := s.NewUnlinked(ctx, nil)
	if err != nil || len(page.Rows) == 0 {
		return err
	}
	report := page.Rows[random.IntN(len(page.Rows))]
	switch random.IntN(5) {
	case 0:
		_, err = s.Do(ctx, workflow.Take{Ticket: report.ID})
	case 1:
		_, err = s.Do(ctx,
			workflow.Take{Ticket: report.ID},
			workflow.Open{Kind: incident.KindIncident, Subject: report.Subject, Fields: classified()},
			workflow.Link{Ticket: report.ID, Parent: incident.Nth(1)})
	case 2:
		_, err = s.Do(ctx, workflow.Reply{Ticket: report.ID, Text: "Thank you, we look into it."})
	case 3:
		_, err = s.History(ctx, report.ID)
	case 4:
		if page, err = s.MostDue(ctx, nil); err == nil && len(page.Rows) > 0 {
			_, err = s.Do(ctx, workflow.Steal{Ticket: page.Rows[0].ID}, workflow.Move{Ticket: page.Rows[0].ID, To: "resolved"})
		}
	}
	return err
}
