package sla

import "time"

// piece is a stretch of time in which a zone keeps one offset from UTC: seconds
// since 1970, the end not included. Within it civil time runs evenly, which is
// all that the arithmetic rests on.
type piece struct{ start, end, offset int64 }

// Calendars keep the pieces of these years: to ask the zone about later ones costs
// several times as much as all the rest.
const (
	keptFrom = 631_152_000   // 1990-01-01
	keptTo   = 4_102_444_800 // 2100-01-01
)

// pieces returns those that cover a stretch of time, the first and last as long
// as the zone gives them.
func pieces(zone *time.Location, from, to int64) (all []piece) {
	for u := from; u < to; u = all[len(all)-1].end {
		p := pieceAt(zone, u)
		if last := len(all) - 1; last >= 0 && all[last].offset == p.offset {
			all[last].end = p.end
		} else {
			all = append(all, p)
		}
	}
	return all
}

// pieceAt returns the piece around a second. It may be shorter than it could be.
func pieceAt(zone *time.Location, second int64) piece {
	t := time.Unix(second, 0).In(zone)
	_, offset := t.Zone()
	from, to := t.ZoneBounds()
	start, end := int64(firstSecond), int64(lastSecond)
	if !from.IsZero() {
		start = max(start, from.Unix())
	}
	if !to.IsZero() {
		end = min(end, to.Unix())
	}
	if end <= second {
		// QUIRK: after the last change listed in the zone database, ZoneBounds takes
		// every year to have 365 days, so on 31 December of a leap year the end
		// that it returns has passed (Go 1.26). The offset holds for that day.
		end = second - second%daySeconds + daySeconds
	}
	return piece{start, end, int64(offset)}
}
