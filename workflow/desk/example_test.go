package desk_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

const complaint = "From: Bob <bob@example.org>\r\nTo: csirt@example.net\r\nSubject: Scan from your network\r\nMessage-ID: <1@example.org>\r\n\r\n192.0.2.7 scans us.\r\n"

// newDesk returns a desk on a new store, at a fixed time.
func newDesk() (*desk.Desk, storage.Store) {
	store := memory.New()
	d, err := desk.New(store, desk.Config{
		Tag:  mail.Tag{Name: "A CSIRT"},
		From: incident.Party{Name: "A CSIRT", Address: "csirt@example.net"},
		Team: []desk.Member{{Address: "@example.net"}},
		Now:  func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		log.Fatal(err)
	}
	return d, store
}

func receive(d *desk.Desk, raw string) *desk.Receipt {
	receipt, err := d.Receive(context.Background(), mail.Envelope{From: "bob@example.org", To: []string{"csirt@example.net"}}, []byte(raw))
	if err != nil {
		log.Fatal(err)
	}
	return receipt
}

// A mail comes in, becomes a report, and is worked on.
func Example() {
	ctx := context.Background()
	d, _ := newDesk()
	report := receive(d, complaint).Ticket

	alice := d.As("handler:alice")
	result, err := alice.Do(ctx,
		workflow.Take{Ticket: report},
		workflow.Open{Kind: incident.KindIncident, Subject: "A compromised host", Fields: map[string][]string{"Classification": {"System Compromise"}}},
		workflow.Link{Ticket: report, Parent: incident.Nth(1)},
		workflow.Reply{Ticket: report, Text: "Thank you, we look into it."},
	)
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range result.Tickets {
		fmt.Println(t.ID, t.Kind, t.Status, t.Owner, t.Subject)
	}
	// Output:
	// 1 report open handler:alice Scan from your network
	// 2 incident open handler:alice A compromised host
}

func ExampleDesk_Receive() {
	d, _ := newDesk()
	first := receive(d, complaint)
	fmt.Println(first.Ticket, first.Verdict.Action, first.Verdict.Why)

	again := receive(d, complaint)
	fmt.Println(again.Ticket, again.Again)

	lost := receive(d, "From: bob@example.org\r\nSubject: Re: [A CSIRT #4711] Scan\r\n\r\nAny news?\r\n")
	fmt.Println(lost.Ticket, lost.Held, lost.Verdict.Reason)
	// Output:
	// 1 open [It has no tag of ours and answers no message that is known.]
	// 1 true
	// 2 true unknown-number
}

func ExampleSession_Do() {
	ctx := context.Background()
	d, _ := newDesk()
	report := receive(d, complaint).Ticket
	_, _ = d.As("handler:alice").Do(ctx, workflow.Take{Ticket: report})

	_, err := d.As("handler:bob").Do(ctx, workflow.Take{Ticket: report})
	var taken *workflow.TakenError
	fmt.Println(errors.As(err, &taken), taken.Owner)
	fmt.Println(err)
	// Output:
	// true handler:alice
	// workflow: ticket 1 is already taken by handler:alice: steal or assign it to change its owner
}

func ExampleSession_Preview() {
	ctx := context.Background()
	d, _ := newDesk()
	alice := d.As("handler:alice")
	_, _ = alice.Do(ctx,
		workflow.Open{Kind: incident.KindIncident, Subject: "A scan", Fields: map[string][]string{"Classification": {"Scan"}}},
		workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{incident.Nth(1)}},
	)
	would, err := alice.Preview(ctx, workflow.Move{Ticket: 1, To: workflow.StatusResolved})
	for _, r := range would.Records {
		fmt.Printf("ticket %s %s %s %q\n", r.Ticket, r.Type, r.Data, r.Cause.Rule)
	}
	now, _ := alice.Ticket(ctx, 1)
	fmt.Println(now.Status, err)
	// Output:
	// ticket 1 moved {"from":"open","to":"resolved","phase":"inactive"} ""
	// ticket 2 moved {"from":"open","to":"resolved","phase":"inactive"} "close-children"
	// ticket 1 edited {"fields":{"Resolution":["successfully resolved"]}} "resolution"
	// open <nil>
}

func ExampleSession_History() {
	ctx := context.Background()
	d, _ := newDesk()
	receive(d, complaint)
	alice := d.As("handler:alice")
	_, _ = alice.Do(ctx, workflow.Comment{Ticket: 1, Text: "Rang them."})
	history, err := alice.History(ctx, 1)
	for _, r := range history.Records {
		fmt.Println(r.Version, r.At.Format(time.DateTime), r.By, r.Type)
	}
	note, _ := alice.Body(ctx, 1, 3)
	fmt.Println(string(note), err)
	// Output:
	// 1 2026-03-02 09:00:00 correspondent opened
	// 2 2026-03-02 09:00:00 correspondent message
	// 3 2026-03-02 09:00:00 handler:alice commented
	// Rang them. <nil>
}

func ExampleSession_NewUnlinked() {
	ctx := context.Background()
	d, _ := newDesk()
	receive(d, complaint)
	page, err := d.As("handler:alice").NewUnlinked(ctx, nil)
	for _, row := range page.Rows {
		fmt.Println(row.ID, row.Subject, row.Overdue)
	}
	fmt.Println(page.Total, page.Next == nil, err)
	// Output:
	// 1 Scan from your network false
	// 1 true <nil>
}

func ExampleDesk_Sweep() {
	ctx := context.Background()
	d, _ := newDesk()
	receive(d, complaint)
	come := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	alice := d.As("handler:alice")
	_, _ = alice.Do(ctx, workflow.Take{Ticket: 1}, workflow.Edit{Ticket: 1, Wake: &come})
	done, err := d.Sweep(ctx, 100)
	report, _ := alice.Ticket(ctx, 1)
	fmt.Println(done, report.Due.Format(time.DateTime), err)
	// Output: 1 2026-03-02 08:00:00 <nil>
}

func ExampleDesk_Verify() {
	ctx := context.Background()
	d, _ := newDesk()
	receive(d, complaint)
	v, err := d.Verify(ctx, nil)
	fmt.Println(v.Tickets, v.Records, len(v.Faults), err)
	// Output: 1 2 0 <nil>
}

func ExampleCourier() {
	ctx := context.Background()
	d, _ := newDesk()
	receive(d, complaint)
	_, _ = d.As("handler:alice").Do(ctx, workflow.Reply{Ticket: 1, Text: "Thank you."})

	courier := &desk.Courier{Desk: d, Sender: mail.SenderFunc(func(_ context.Context, env mail.Envelope, _ []byte) error {
		fmt.Println("to", env.To)
		return nil
	})}
	sent, err := courier.Flush(ctx, 100)
	fmt.Println(sent, err)
	// Output:
	// to [bob@example.org]
	// 1 <nil>
}

// A mirror of all that happens: what it writes to the store takes effect once for
// each record, whenever it is stopped.
func ExampleDesk_Feed() {
	ctx := context.Background()
	d, _ := newDesk()
	receive(d, complaint)

	feed, err := d.Feed("statistics", desk.FeedConfig{Types: []string{"opened", "moved"}})
	if err != nil {
		log.Fatal(err)
	}
	read := func(ctx context.Context) (more bool, err error) {
		return feed.Next(ctx, func(_ context.Context, _ storage.Tx, records []incident.Record) error {
			for _, r := range records {
				fmt.Println(r.Seq, r.Ticket, r.Type)
			}
			return nil
		})
	}
	_, err = read(ctx) // desk.Follow(ctx, time.Second, read) goes on until ctx ends
	fmt.Println(err)
	_, _ = d.As("handler:alice").Do(ctx, workflow.Take{Ticket: 1}, workflow.Move{Ticket: 1, To: workflow.StatusRejected})
	_, err = read(ctx)
	fmt.Println(err)
	readers, err := d.Readers(ctx)
	fmt.Println(readers[0].Name, readers[0].Behind, err)
	// Output:
	// 1 1 opened
	// <nil>
	// 4 1 moved
	// <nil>
	// statistics 0 <nil>
}

// A before hook can change what is asked for: what it returns is decided.
func ExampleBeforeCommand() {
	ctx := context.Background()
	d, err := desk.New(memory.New(), desk.Config{
		BeforeCommand: []desk.BeforeCommand{func(_ context.Context, _ storage.Reader, call desk.CommandCall) (workflow.Command, error) {
			if open, ok := call.Command.(workflow.Open); ok && open.Constituency == "" {
				open.Constituency = "campus"
				return open, nil
			}
			return call.Command, nil
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	result, err := d.As("handler:alice").Do(ctx, workflow.Open{Kind: incident.KindReport})
	fmt.Println(result.Tickets[0].Constituency, err)
	// Output: campus <nil>
}

// A before hook can refuse anything; nothing is left behind then.
// The duty team of a constituency sees and does what its role permits; what takes the
// owner of a ticket is refused with an offer.
func ExampleDesk_As() {
	ctx := context.Background()
	d, _ := newDesk()
	receive(d, complaint)
	eve := d.As("handler:eve", "duty-team:EDUNET")
	_, err := eve.Do(ctx, workflow.Resolve{Ticket: 1})
	fmt.Println(err)

	alice := d.As("handler:alice")
	_, err = alice.Do(ctx, workflow.Resolve{Ticket: 1})
	var refused *workflow.RightsError
	if errors.As(err, &refused) {
		fmt.Println(err)
		_, err = alice.Do(ctx, append(refused.Offers, workflow.Resolve{Ticket: 1})...)
	}
	fmt.Println(err)
	// Output:
	// workflow: there is no ticket 1: allowed are the numbers of existing tickets
	// workflow: resolve on ticket 1 is not for you to give: only its owner may, and nobody owns it: take it first
	// <nil>
}

func ExampleConfig() {
	ctx := context.Background()
	d, err := desk.New(memory.New(), desk.Config{
		BeforeCommand: []desk.BeforeCommand{func(_ context.Context, _ storage.Reader, call desk.CommandCall) (workflow.Command, error) {
			if reject, ok := call.Command.(workflow.Reject); ok && reject.Text == "" {
				return nil, errors.New("tell them why")
			}
			return call.Command, nil
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	alice := d.As("handler:alice")
	_, _ = alice.Do(ctx, workflow.Open{Kind: incident.KindReport})
	_, err = alice.Do(ctx, workflow.Reject{Ticket: 1})
	fmt.Println(err)
	// Output: desk: command reject on ticket 1 was vetoed: tell them why
}
