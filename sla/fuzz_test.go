package sla_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/airtight-csirt/airtight/sla"
)

// Any configuration is either refused or gives a calendar that keeps its laws.
func FuzzCalendar(f *testing.F) {
	f.Add(`{"name":"x","zone":"Europe/Berlin","week":{"mon":["09:00-17:00"],"sat":["22:00-06:00"]},"holidays":[{"date":"12-25"}]}`, int64(1_774_742_400), int64(500), int64(time.Hour))
	f.Add(`{"name":"x","zone":"America/St_Johns","days":[{"date":"02-29","extra":["00:00-24:00"]},{"date":"2026-10-25","hours":["01:00-03:00"]}]}`, int64(0), int64(0), int64(-1))
	f.Add(`{"name":"x","zone":"UTC","week":{"sun":["23:59-00:01"]}}`, int64(-62_135_596_800), int64(999_999_999), int64(1))
	f.Add(`{"name":"x","zone":"Europe/Berlin","week":{"wed":["00:00-24:00"]}}`, int64(253_402_300_799), int64(1), int64(1)<<62)
	f.Fuzz(func(t *testing.T, text string, second, nanos, add int64) {
		var h sla.Hours
		if json.Unmarshal([]byte(text), &h) != nil {
			return
		}
		c, err := sla.NewCalendar(h)
		if err != nil {
			return
		}
		from, d := time.Unix(second, nanos), time.Duration(add)
		got, err := c.Add(from, d)
		if err != nil {
			if !errors.Is(err, sla.ErrNoHours) {
				t.Fatal(err)
			}
		} else if back := c.Between(from, got); back != d {
			t.Fatalf("Between(t, Add(t, %v)) is %v", d, back)
		}
		if next, err := c.Next(from); err == nil && (next.Before(from) || !c.Open(next) || c.Between(from, next) != 0) {
			t.Fatalf("Next(%v) is %v", from, next)
		}
	})
}

// Any terms are either refused or give plans without a panic, in bounded time.
func FuzzAgreement(f *testing.F) {
	f.Add(`{"calendars":[{"name":"o","zone":"UTC","week":{"mon":["09:00-17:00"]}}],"levels":[{"name":"l","calendar":"o","clocks":[
		{"name":"response","within":{"businessMinutes":60,"realMinutes":5},"pauseOn":["s"],"warn":{"businessMinutes":9}},
		{"name":"x","from":["created"],"within":{"months":1}}]}],"priority":{"steps":[{"from":5,"percent":50}]}}`, int64(1_774_742_400), int64(60), 7)
	f.Add(`{"levels":[{"name":"l","outOfHours":{"realMinutes":1},"clocks":[{"name":"resolve","within":{"realMinutes":52704000}}]}]}`, int64(253_402_300_799), int64(-60), 1)
	f.Fuzz(func(t *testing.T, text string, created, later int64, priority int) {
		var terms sla.Terms
		if json.Unmarshal([]byte(text), &terms) != nil {
			return
		}
		a, err := sla.NewAgreement(terms)
		if err != nil {
			return
		}
		at, then := time.Unix(created, 0), time.Unix(created+later, 0)
		facts := sla.Facts{
			Created: at, Unanswered: then, Inside: then, Priority: priority,
			Statuses: []sla.Span{{Status: "s", From: at, To: then}, {Status: "t", From: then}},
		}
		for _, level := range a.Levels() {
			plan, err := a.Plan(level, facts)
			if err != nil && !errors.Is(err, sla.ErrNoHours) {
				t.Fatal(err)
			}
			for _, d := range plan.Deadlines {
				if d.Due.Before(d.From) || d.String() == "" {
					t.Fatalf("due before it starts: %v", d)
				}
				a.Elapsed(d, facts, then)
			}
		}
	})
}
