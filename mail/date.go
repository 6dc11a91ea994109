package mail

import (
	"strings"
	"time"
)

// longestDate is more than any date needs.
const longestDate = 200

// parseDate reads a date (RFC 5322 3.3 and its obsolete forms 4.3), in UTC; the
// zero time if it cannot be read, or has no text form in UTC (RFC 3339 has years
// of four digits). QUIRK: words in any order, as asctime and old programs write
// them, ISO 8601, and a missing zone, which is UTC.
func parseDate(s string) time.Time {
	s = strings.TrimSpace(s[:min(len(s), longestDate)])
	t := looseDate(withoutComments(s))
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05"} {
		if exact, err := time.Parse(layout, s); err == nil {
			t = exact.UTC()
		}
	}
	if t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// looseDate reads the words of a date.
func looseDate(s string) time.Time {
	day, month, year, clock := -1, time.Month(0), -1, -1
	offset := 0
	zoned := false
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
		n, digits := number(w)
		switch {
		case strings.Contains(w, ":") && clock < 0:
			var zone string
			if clock, zone = clockOf(w); clock < 0 {
				return time.Time{}
			}
			if zone != "" {
				offset, zoned = zoneOf(zone)
			}
		case (w[0] == '+' || w[0] == '-') && clock >= 0:
			offset, zoned = zoneOf(w)
		case digits && len(w) <= 2 && day < 0:
			day = n
		case digits && (len(w) == 4 || len(w) <= 3 && day >= 0) && year < 0:
			year = yearOf(w)
		case !digits && month == 0 && monthOf(w) != 0:
			month = monthOf(w)
		case !digits && month == 0 && strings.Count(w, "-") == 2: // 12-Nov-2013
			parts := strings.Split(w, "-")
			if d, ok := number(parts[0]); ok {
				day, month, year = d, monthOf(parts[1]), yearOf(parts[2])
			}
		case !digits && clock >= 0 && !zoned:
			offset, zoned = zoneOf(w)
		}
	}
	if day < 1 || month == 0 || year < 1 || clock < 0 {
		return time.Time{}
	}
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	if t.Day() != day {
		return time.Time{}
	}
	return t.Add(time.Duration(clock-offset) * time.Second)
}

func number(w string) (int, bool) {
	n := 0
	for i := 0; i < len(w); i++ {
		if w[i] < '0' || w[i] > '9' || i > 8 {
			return 0, false
		}
		n = n*10 + int(w[i]-'0')
	}
	return n, w != ""
}

// yearOf reads a year; of one that was cut short the century is guessed (RFC 5322
// 4.3). It is negative for anything else.
func yearOf(w string) int {
	n, ok := number(w)
	switch {
	case !ok:
		return -1
	case len(w) <= 2 && n < 50:
		return n + 2000
	case len(w) <= 3:
		return n + 1900
	}
	return n
}

// clockOf reads hours, minutes and seconds; a zone may hang on them.
func clockOf(w string) (seconds int, zone string) {
	if n := strings.IndexAny(w, "+-"); n > 0 {
		w, zone = w[:n], w[n:]
	}
	parts := strings.Split(w, ":")
	if len(parts) > 3 {
		return -1, ""
	}
	most := [3]int{23, 59, 60}
	for i := range most {
		seconds *= 60
		if i < len(parts) {
			text, _, _ := strings.Cut(parts[i], ".")
			n, ok := number(text)
			if !ok || n > most[i] {
				return -1, ""
			}
			seconds += n
		}
	}
	return seconds, zone
}

func monthOf(w string) time.Month {
	if len(w) < 3 {
		return 0
	}
	n := strings.Index("janfebmaraprmayjunjulaugsepoctnovdec", strings.ToLower(w[:3]))
	if n < 0 || n%3 != 0 {
		return 0
	}
	return time.Month(n/3 + 1)
}

// zoneOf returns seconds east of Greenwich. Unknown names are UTC (RFC 5322
// 4.3).
func zoneOf(w string) (int, bool) {
	if w[0] == '+' || w[0] == '-' {
		sign := 1
		if w[0] == '-' {
			sign = -1
		}
		digits := strings.ReplaceAll(w[1:], ":", "")
		n, ok := number(digits)
		if !ok || len(digits) != 4 {
			return 0, true
		}
		return sign * (n/100*3600 + n%100*60), true
	}
	hours := map[string]int{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
		"CET": 1, "CEST": 2, "MET": 1, "MEST": 2, "EET": 2, "EEST": 3, "BST": 1, "JST": 9}
	return hours[strings.ToUpper(w)] * 3600, true
}
