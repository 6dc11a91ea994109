package whois

import (
	"strings"
	"time"
)

// layouts are how registries write a day, the more exact in front of those that
// are their beginning.
func layouts() []string {
	return []string{
		time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04:05-0700", "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05-07", "2006-01-02 15:04:05Z", "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05", "2006-01-02T15:04Z", "2006-01-02 15:04", "2006-01-02",
		"2006/01/02 15:04:05", "2006/01/02", "2006.01.02 15:04:05", "2006.01.02", "2006. 01. 02", "20060102 15:04:05", "20060102",
		"02-Jan-2006 15:04:05 MST", "02-Jan-2006 15:04:05", "2-Jan-2006", "2 Jan 2006", "2006-Jan-02", "2006-Jan-2", "02 January 2006", "January 2 2006", "Jan 2 2006", "Jan-02-2006", "2 January 2006",
		"02.01.2006 15:04:05", "2.1.2006 15:04:05", "02.01.2006 15:04", "2.1.2006", "02/01/2006 15:04:05", "02/01/2006", "02-01-2006 15:04:05", "02-01-2006",
		"Mon Jan _2 15:04:05 2006", "Mon Jan _2 15:04:05 MST 2006", "Mon Jan _2 2006", "Mon, 02 Jan 2006 15:04:05 -0700", "Mon, 02 Jan 2006 15:04:05 MST", "Mon 02 Jan 2006", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05.0", "Jan _2, 2006", "January _2, 2006", "02-Jan-06", "2-January-2006", "02 Jan 2006 15:04 MST", "02 Jan 2006 15:04:05", "02/01/2006 15:04:05 MST",
	}
}

// date reads a day, with or without a time, in UTC where it does not say; the
// zero time when it is none. Days and months in figures are in this order,
// unless the year is first.
func date(s string) time.Time {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) < 6 || len(s) > 80 {
		return time.Time{}
	}
	for _, end := range []string{"", " (", "(", " ["} { // what stands behind it
		if end != "" {
			before, _, ok := strings.Cut(s, end)
			if !ok {
				continue
			}
			s = before
		}
		s = strings.TrimRight(s, " #.)")
		for _, ends := range []bool{false, true} {
			for _, layout := range layouts() {
				text := s
				if ends && len(s) > len(layout) && s[len(layout)] == ' ' {
					text = s[:len(layout)] // QUIRK: a name or zone follows
				}
				if t, err := time.Parse(layout, text); err == nil && t.Year() > 1970 && t.Year() < 2200 {
					return t.UTC()
				}
			}
		}
	}
	return time.Time{}
}
