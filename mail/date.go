package mail

import (
	"strings"
	"time"
)

// longestDate is more than any date needs.
const longestDate = 200

// parseDate reads a date (RFC 5322 3.3 and its obsolete forms 4.3), in UTC; the
// zero time if it cannot be read. QUIRK: words in any order, as asctime and
// old programs write them, ISO 8601, and a missing zone, which is UTC.
func parseDate(s string) time.Time {
	s = strings.TrimSpace(s[:min(len(s), longestDate)])
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	s = withoutComments(s)
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
			if year = n; len(w) == 2 && n < 50 { // RFC 5322 4.3
				year += 2000
			} else if len(w) <= 3 {
				year += 1900
			}
		case !digits && month == 0 && monthOf(w) != 0:
			month = monthOf(w)
		case !digits && month == 0 && strings.Count(w, "-") == 2: // 12-Nov-2013
			parts := strings.Split(w, "-")
			d, okDay := number(parts[0])
			y, okYear := number(parts[2])
			if m := monthOf(parts[1]); okDay && okYear && m != 0 {
				day, month, year = d, m, y
				if y < 50 {
					year += 2000
				} else if y < 1000 {
					year += 1900
				}
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
	sign := 1
	switch {
	case w[0] == '+' || w[0] == '-':
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
