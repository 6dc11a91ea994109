// Command inprocess shows how a program embeds a desk: a store in memory, a mail
// that comes in, work on it, an answer that goes out. Nothing of it needs a
// network or a file.
//
//	go run ./examples/inprocess
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

const letter = "From: Bob <bob@example.org>\r\nTo: csirt@example.net\r\nSubject: Scan\r\n" +
	"Message-ID: <1@example.org>\r\n\r\n192.0.2.7 scans our network.\r\n"

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	store := memory.New()
	csirt, err := desk.New(store, desk.Config{
		Tag:  mail.Tag{Name: "A CSIRT"},
		From: incident.Party{Name: "A CSIRT", Address: "csirt@example.net"},
	})
	if err != nil {
		return err
	}
	receipt, err := csirt.Receive(ctx, mail.Envelope{From: "bob@example.org", To: []string{"csirt@example.net"}}, []byte(letter))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "report %s: %s\n", receipt.Ticket, receipt.Verdict.Why[0])

	alice := csirt.As("handler:alice")
	result, err := alice.Do(ctx, // all of it or nothing
		workflow.Take{Ticket: receipt.Ticket},
		workflow.Open{Kind: incident.KindIncident, Subject: "Scans by 192.0.2.7", Fields: map[string][]string{"Classification": {"Scan"}}},
		workflow.Link{Ticket: receipt.Ticket, Parent: incident.Nth(1)},
		workflow.Reply{Ticket: receipt.Ticket, Text: "Thank you. We are on it."},
	)
	if err != nil {
		return err
	}
	for _, r := range result.Records {
		fmt.Fprintf(out, "record %s.%d: %s by %s, rule %q\n", r.Ticket, r.Version, r.Type, r.By, r.Cause.Rule)
	}

	courier := desk.Courier{Desk: csirt, Sender: mail.SenderFunc(func(_ context.Context, env mail.Envelope, raw []byte) error {
		letter, err := mail.Parse(raw, mail.Limits{})
		fmt.Fprintf(out, "mail to %s: %s: %s", env.To[0], letter.Subject, letter.Text)
		return err
	})}
	if _, err := courier.Flush(ctx, 10); err != nil {
		return err
	}
	page, err := alice.MostDue(ctx, nil)
	for _, row := range page.Rows {
		fmt.Fprintf(out, "%s %s is %s, owned by %s, overdue %t\n", row.Kind, row.ID, row.Status, row.Owner, row.Overdue)
	}
	return err
}
