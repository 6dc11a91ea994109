package incident_test

import (
	"fmt"
	"log"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// history is the life of one report.
func history() []incident.Record {
	var ticket incident.Ticket
	var records []incident.Record
	opened := incident.Opened{Kind: incident.KindReport, Status: "new", Phase: incident.Initial}
	opened.Content.Subject = "scan from 192.0.2.7"
	for i, ev := range []incident.Event{
		opened,
		incident.Owned{To: "handler:alice"},
		incident.Moved{From: "new", To: "open", Phase: incident.Active},
	} {
		r := incident.Record{Ticket: 1, At: time.Date(2026, 3, 1, 8, i, 0, 0, time.UTC), By: "handler:alice", Command: "example"}
		if err := r.Encode(ev); err != nil {
			log.Fatal(err)
		}
		incident.Seal(ticket, &r)
		ticket = incident.Apply(ticket, r)
		records = append(records, r)
	}
	return records
}

func ExampleFold() {
	t := incident.Fold(history())
	fmt.Println(t.Kind, t.ID, "is", t.Status, "and belongs to", t.Owner)
	// Output: report 1 is open and belongs to handler:alice
}

func ExampleVerify() {
	records := history()
	t, err := incident.Verify(records)
	fmt.Println(t.Version, err)

	records[0].Content = []byte(`{"subject":"nothing happened"}`)
	_, err = incident.Verify(records)
	fmt.Println(err)
	// Output:
	// 3 <nil>
	// incident: record 1 of ticket 1: its content was changed and no redaction announces it
}

func ExampleExtend() {
	records := history()
	ticket := incident.Fold(records[:1])
	_, err := incident.Extend(ticket, records[2])
	fmt.Println(err)
	ticket, err = incident.Extend(ticket, records[1])
	fmt.Println(ticket.Owner, err)
	// Output:
	// incident: record 3 of ticket 1: version 2 must follow version 1
	// handler:alice <nil>
}

func ExampleDecode() {
	for _, r := range history() {
		ev, err := incident.Decode(r)
		if err != nil {
			log.Fatal(err)
		}
		switch ev := ev.(type) {
		case incident.Opened:
			fmt.Println(r.At.Format("15:04"), "opened:", ev.Content.Subject)
		case incident.Moved:
			fmt.Println(r.At.Format("15:04"), "moved from", ev.From, "to", ev.To)
		default:
			fmt.Println(r.At.Format("15:04"), ev.Type())
		}
	}
	// Output:
	// 08:00 opened: scan from 192.0.2.7
	// 08:01 owned
	// 08:02 moved from new to open
}

func ExampleNewObservable() {
	for _, value := range []string{"::ffff:192.0.2.7/128", "192.0.2.99/24"} {
		o, err := incident.NewObservable(incident.Prefix, value, incident.RoleSource)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(o.Kind, o.Value, o.Key())
	}
	_, err := incident.NewObservable(incident.Address, "192.0.2.256", incident.RoleSource)
	fmt.Println(err)
	// Output:
	// address 192.0.2.7 a4c0000207/20
	// prefix 192.0.2.0/24 a4c0000200/18
	// incident: "192.0.2.256" is no IP address
}
