package sim_test

import (
	"context"
	"fmt"
	"time"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/sim"
)

// What would RTIR's rules do? A script says it.
func ExampleRun() {
	script, err := sim.Parse([]byte(`# research:1
# A child that becomes active opens its incident again

policy rtir
alice open incident subject="Scan" -> inc
alice open investigation subject="To the site" requestors=noc@example.com parents=$inc -> inv
alice move $inc resolved
mail from=noc@example.com re=$inv
    It is back.
`))
	if err != nil {
		panic(err)
	}
	result, err := sim.Run(context.Background(), memory.New(), script, sim.Config{})
	if err != nil {
		panic(err)
	}
	for _, line := range result.Traces[4] {
		fmt.Println(line)
	}
	// Output:
	// inv v3 message from noc@example.com "Re: [A CSIRT #2] To the site", found by tag, by correspondent
	// inv v4 moved resolved -> open, by correspondent, because reopen-on-reply saw inv v3
	// inc v4 moved resolved -> open, by correspondent, because reopen-parents saw inv v4
	// inc v5 edited: fields Resolution=none, by correspondent, because resolution saw inc v4
	// inv v5 told alice: a message from outside has come, by correspondent, because notify-reply saw inv v3
	//   mail to alice@example.net: "[A CSIRT #2] To the site"
}

// Is a policy sound? Random steps look for a way to break it.
func ExampleExplore() {
	policy := workflow.Default()
	policy.Derivations = nil // nobody computes when an incident is due
	store := func() (storage.Store, error) { return memory.New(), nil }
	report, err := sim.Explore(context.Background(), store, sim.Options{Config: sim.Config{Policy: policy, Seed: 1}})
	if err != nil {
		panic(err)
	}
	fmt.Println(report.Failure.Invariant)
	// Output:
	// incident due
}

func ExampleNew() {
	ctx := context.Background()
	world, err := sim.New(ctx, memory.New(), sim.Config{})
	if err != nil {
		panic(err)
	}
	alice := world.As("handler:alice")
	due := world.Now().Add(time.Hour)
	_, err = alice.Do(ctx,
		workflow.Open{Kind: incident.KindReport, Subject: "Scan"},
		workflow.Edit{Ticket: incident.Nth(1), Wake: &due},
	)
	if err != nil {
		panic(err)
	}
	if err := world.Advance(2 * time.Hour); err != nil {
		panic(err)
	}
	done, err := world.Sweep(ctx, 0)
	if err != nil {
		panic(err)
	}
	news, err := world.News(ctx)
	if err != nil {
		panic(err)
	}
	fmt.Println(done, "ticket was looked at")
	for _, record := range news {
		fmt.Println(record.Type, record.At.Format(time.TimeOnly))
	}
	// Output:
	// 1 ticket was looked at
	// opened 09:00:00
	// edited 09:00:00
	// edited 11:00:00
	// due 11:00:00
	// overdue 11:00:00
	// notified 11:00:00
}
