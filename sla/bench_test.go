package sla_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/airtight-csirt/airtight/sla"
	"github.com/stretchr/testify/assert"
)

func benchCalendar(b testing.TB, zone string) *sla.Calendar {
	h := sla.Hours{Zone: zone, Week: sla.Weekdays("09:00-12:00", "13:00-17:00"), Days: []sla.Day{{Date: "12-24", Hours: []string{"09:00-12:00"}}}}
	for _, date := range []string{"01-01", "01-06", "05-01", "10-03", "11-01", "12-25", "12-26"} {
		h.Holidays = append(h.Holidays, sla.Holiday{Date: date})
	}
	for year := 2026; year < 2060; year++ {
		for _, date := range []string{"04-03", "04-06", "05-14", "05-25"} {
			h.Holidays = append(h.Holidays, sla.Holiday{Date: fmt.Sprintf("%d-%s", year, date)})
		}
	}
	return calendar(b, h)
}

// Years of business time: 260 days of seven hours each.
const businessYear = 260 * 7 * time.Hour

func BenchmarkAdd(b *testing.B) {
	start := at(b, "2026-03-02T10:00:00Z")
	for _, zone := range []string{"UTC", "Europe/Berlin"} {
		for name, d := range map[string]time.Duration{"hours=1": time.Hour, "years=1": businessYear, "years=10": 10 * businessYear, "hours=87600": 87_600 * time.Hour, "years=100": 100 * businessYear} {
			b.Run(name+"/"+zone, func(b *testing.B) {
				c := benchCalendar(b, zone)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.Add(start, d); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkBetweenTenYears(b *testing.B) {
	c := benchCalendar(b, "Europe/Berlin")
	from, to := at(b, "2026-03-02T10:00:00Z"), at(b, "2036-03-02T10:00:00Z")
	b.ReportAllocs()
	for b.Loop() {
		c.Between(from, to)
	}
}

func BenchmarkNewCalendar(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		benchCalendar(b, "Europe/Berlin")
	}
}

func BenchmarkNeverOpenAgain(b *testing.B) {
	c := calendar(b, sla.Hours{Zone: "Europe/Berlin", Days: []sla.Day{{Date: "2026-01-01", Hours: []string{"09:00-17:00"}}}})
	now := at(b, "2026-03-02T10:00:00Z")
	for b.Loop() {
		if _, err := c.Next(now); err == nil {
			b.Fatal("open")
		}
	}
}

func TestAddAllocatesNothing(t *testing.T) {
	c := benchCalendar(t, "Europe/Berlin")
	start := at(t, "2026-03-02T10:00:00Z")
	for _, d := range []time.Duration{time.Hour, businessYear, 10 * businessYear, 100 * businessYear, -businessYear} {
		assert.Zero(t, testing.AllocsPerRun(10, func() { _, _ = c.Add(start, d) }), d)
	}
}
