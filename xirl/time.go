package xirl

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// moment reads a time as reports write it. A time without a zone gets the one
// that is given, and its name is returned as assumed.
func moment(s string, zone *time.Location) (t time.Time, assumed string, err error) {
	if zone == nil {
		zone = time.UTC
	}
	s = strings.TrimSpace(s)
	if t, err := time.ParseInLocation("2006-01-02 15:04:05", s, zone); err == nil { // most rows of most feeds
		return t, zoneName(t), nil
	}
	if i := strings.IndexByte(s, '('); i > 0 { // a comment, perhaps cut off (RFC 5322, section 3.2.2)
		s = s[:i]
	}
	s = strings.Join(strings.Fields(s), " ")
	if n, err := strconv.ParseFloat(s, 64); err == nil && len(s) >= 9 && n > 1e8 && n < 1e11 {
		sec := int64(n)
		return time.Unix(sec, int64((n-float64(sec))*1e6)*1000).UTC(), "", nil
	}
	named := s
	if i := strings.LastIndexByte(s, ' '); i > 0 {
		if offset, ok := zones()[strings.ToUpper(s[i+1:])]; ok {
			named = s[:i] + " " + offset
		}
	}
	for _, layout := range withZone() {
		if t, err := time.Parse(layout, named); err == nil {
			if _, offset := t.Zone(); offset != 0 {
				return t.In(time.FixedZone("", offset)), "", nil
			}
			return t.UTC(), "", nil
		}
	}
	for _, layout := range withoutZone() {
		if t, err := time.ParseInLocation(layout, named, zone); err == nil {
			return t, zoneName(t), nil
		}
	}
	return time.Time{}, "", fmt.Errorf("%.60q is no time that can be read; allowed are RFC 3339, RFC 5322, seconds since 1970 and the like", s)
}

// zoneName names the zone that a time was taken in: by its name, or its offset
// if it has none.
func zoneName(t time.Time) string {
	if name := t.Location().String(); name != "" {
		return name
	}
	return t.Format("-07:00")
}

// zones are the names of RFC 5322, section 4.3, and some that are seen.
func zones() map[string]string {
	return map[string]string{"UT": "+0000", "UTC": "+0000", "GMT": "+0000", "Z": "+0000", "EST": "-0500", "EDT": "-0400", "CST": "-0600",
		"CDT": "-0500", "MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700", "CET": "+0100", "CEST": "+0200", "BST": "+0100"}
}

func withZone() []string {
	return []string{time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 -07:00", "2006-01-02T15:04:05-0700",
		"2006-01-02 15:04 -0700", "Mon, 2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04:05 -0700", "Mon, 2 Jan 2006 15:04 -0700", "2 Jan 2006 15:04 -0700",
		"Mon, 2 Jan 06 15:04:05 -0700", "Mon 2 Jan 2006 15:04:05 -0700", "Jan 2 2006 15:04:05 -0700", "Mon Jan 2 15:04:05 -0700 2006",
		"Mon Jan 2 15:04:05 2006 -0700", "02/Jan/2006:15:04:05 -0700", "2006/01/02 15:04:05 -0700", "Mon, 2 Jan 2006 03:04PM -0700"}
}

func withoutZone() []string {
	return []string{"2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02", "2006/01/02 15:04:05", "2 Jan 2006 15:04:05",
		"Mon, 2 Jan 2006 15:04:05", "Jan 2 2006 15:04:05", "Mon Jan 2 15:04:05 2006", "20060102150405", "02/Jan/2006:15:04:05", "2 Jan 2006"}
}
