package sla_test

import (
	"fmt"
	"log"
	"time"

	"github.com/airtight-csirt/airtight/sla"
)

func ExampleNewCalendar() {
	// An office with lunch, a duty officer on Saturday night, and Christmas.
	hours := sla.Weekdays("09:00-12:00", "13:00-17:00")
	hours["sat"] = []string{"22:00-06:00"}
	c, err := sla.NewCalendar(sla.Hours{
		Name: "desk", Zone: "Europe/Berlin", Week: hours,
		Holidays: []sla.Holiday{{Date: "12-25", Name: "Christmas Day"}},
		Days:     []sla.Day{{Date: "12-24", Hours: []string{"09:00-12:00"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	due, err := c.Add(time.Date(2026, 12, 24, 10, 0, 0, 0, time.UTC), 4*time.Hour)
	fmt.Println(due, err)
	// Output: 2026-12-27 00:00:00 +0000 UTC <nil>
}

func ExampleCalendar_Between() {
	c, err := sla.NewCalendar(sla.Hours{Name: "night", Zone: "Europe/Berlin", Week: sla.EveryDay("22:00-06:00")})
	if err != nil {
		log.Fatal(err)
	}
	noon := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	fmt.Println(c.Between(noon, noon.Add(24*time.Hour))) // clocks spring forward in this night
	// Output: 7h0m0s
}

func ExampleCalendar_Next() {
	c, err := sla.NewCalendar(sla.Hours{Name: "office", Zone: "UTC", Week: sla.Weekdays("09:00-17:00")})
	if err != nil {
		log.Fatal(err)
	}
	saturday := time.Date(2026, 3, 7, 12, 0, 0, 0, time.UTC)
	next, err := c.Next(saturday)
	fmt.Println(c.Open(saturday), next, err)
	// Output: false 2026-03-09 09:00:00 +0000 UTC <nil>
}

func ExampleNewAgreement() {
	_, err := sla.NewAgreement(sla.Terms{
		Levels:  []sla.Level{{Name: "gold", Calendar: "office", Clocks: []sla.Clock{{Name: "next update", Within: sla.Real(60)}}}},
		Default: "silver",
	})
	fmt.Println(err)
	// Output:
	// sla: level "gold": calendar "office" (allowed: none is defined)
	// sla: level "gold": clocks[0] (next update): no from: say at which moment it starts (allowed: created, started, unanswered, follow-up, inside, resolved)
	// sla: default: level "silver" (allowed: gold, none)
}

func ExampleAgreement_Plan() {
	a, err := sla.NewAgreement(sla.Terms{
		Calendars: []sla.Hours{{Name: "office", Zone: "America/New_York", Week: sla.Weekdays("09:00-18:00")}},
		Moments:   []sla.Moment{"aware", "early warning sent"},
		Levels: []sla.Level{{Name: "standard", Calendar: "office", Clocks: []sla.Clock{
			{Name: sla.Response, Within: sla.Business(240)},
			{Name: sla.KeepInLoop, Within: sla.Real(3 * 24 * 60)},
			{Name: "early warning", Within: sla.Real(24 * 60), From: []sla.Moment{"aware"}, Until: []sla.Moment{"early warning sent"}, Fixed: true},
		}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	arrived := time.Date(2026, 3, 2, 22, 0, 0, 0, time.UTC)
	plan, err := a.Plan("standard", sla.Facts{
		Created: arrived, Unanswered: arrived, Priority: 100,
		Moments: map[sla.Moment]time.Time{"aware": arrived},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range plan.Deadlines {
		fmt.Println(d)
	}
	for _, i := range plan.Idle {
		fmt.Println(i.Clock, i.Why)
	}
	first, _ := plan.Earliest()
	fmt.Println("first:", first.Clock)
	// Output:
	// response is due 2026-03-03T15:00:00Z: 120 business minutes from the oldest unanswered message (2026-03-02T22:00:00Z) through calendar "office" (America/New_York), level "standard"; priority 100 changed 240 business minutes
	// early warning is due 2026-03-03T22:00:00Z: 1440 minutes from aware (2026-03-02T22:00:00Z) through calendar "office" (America/New_York), level "standard"
	// keep-in-loop has not started: it waits for inside
	// first: response
}

func ExampleAgreement_Choose() {
	a, err := sla.NewAgreement(sla.RTIR24("UTC"))
	if err != nil {
		log.Fatal(err)
	}
	chosen, err := a.Choose(sla.Subject{Kind: "report", At: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)})
	fmt.Println(chosen.Level, err)
	fmt.Println(chosen.Why)
	// Output:
	// Full service: out of hours <nil>
	// choice 2 fits: kind report, 2026-03-01T12:00:00Z is outside the hours of calendar "business hours" (UTC)
}

func ExamplePriority_Apply() {
	fmt.Println(sla.Priority{}.Apply(sla.Business(120), 75))
	// Output: 80 business minutes
}

func ExampleSummarise() {
	f := sla.Summarise([]sla.Sample{
		{Took: 20 * time.Minute, Met: true}, {Took: 50 * time.Minute, Met: true}, {Took: 3 * time.Hour, Met: false},
	}, 50, 90)
	fmt.Println(f.Met, f.Missed, f.Percentiles)
	// Output: 2 1 [50m0s 3h0m0s]
}
