package mail

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestParseDate(t *testing.T) {
	at := time.Date(2026, 11, 21, 20, 5, 6, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"Sat, 21 Nov 2026 21:05:06 +0100":      at,
		"21 Nov 2026 21:05:06 +0100":           at,
		"Sat,21 Nov 2026 21:05:06 +0100 (CET)": at,
		"Sat, 21 (x) Nov 2026 21:05:06 +01:00": at,
		"21 nov 26 20:05:06 GMT":               at,
		"21 November 2026 20:05:06 UT":         at,
		"Sat Nov 21 20:05:06 2026":             at,
		"Sat Nov 21 15:05:06 EST 2026":         at,
		"21-Nov-2026 20:05:06":                 at,
		"2026-11-21T21:05:06+01:00":            at,
		"2026-11-21 20:05:06":                  at,
		"Sat, 21 Nov 2026 20:05:06 -0000":      at,
		"Sat, 21 Nov 2026 20:05:06 XYZ":        at,
		"Sat, 21 Nov 2026 20:05:06.123 +0000":  at,
		"21 Nov 2026 20:05 +0000":              at.Add(-6 * time.Second),
		"21 Nov 99 20:05:06 +0000":             at.AddDate(-27, 0, 0),
		"21 Nov 126 20:05:06 +0000":            at,
		"21 Nov 0026 20:05:06 +0000":           at.AddDate(-2000, 0, 0),
		"30 Feb 2026 20:05:06 +0000":           {},
		"21 Nov 2026 25:05:06 +0000":           {},
		"21 Nov 2026":                          {},
		"Nov 2026 20:05:06":                    {},
		"31 Dec 9999 23:00:00 -0100":           {}, // no text form in UTC (RFC 3339 has four digits)
		"9999-12-31T23:00:00-01:00":            {},
		"0000-01-01T00:00:00+01:00":            {},
		"yesterday":                            {},
		"":                                     {},
	} {
		assert.Equal(t, want, parseDate(in), in)
	}
}
