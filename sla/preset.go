package sla

// Reopened is the moment at which a ticket was last opened again, for programs
// that use [RTIR24]: it goes into Facts.Moments.
const Reopened Moment = "reopened"

// RTIR24 returns the service levels that RTIR 2.4 shipped, with a calendar in the
// zone given: Monday to Friday 09:00-18:00, "Full service" in hours and "Full
// service: out of hours" outside them, for incident reports only (kind
// "report"), all in business minutes: 60, 120, "Reduced service" 120, and "Now
// (in business hours)" 0.
//
// A level counts until the first answer, again after reopening (moment
// [Reopened]). What correspondents write after that is due now, in business
// hours. A level by somebody's choice ("Reduced service", for an out of hours
// call "Full service: out of hours", JANET 3.4) is set on the ticket.
//
// Not in here: RTIR 2.4 gave its own replies a due date after seven days, moved
// into business hours. An [Interval] cannot say that; a [KeepInLoop] clock of
// 7*24*60 real minutes comes near.
func RTIR24(zone string) Terms {
	const calendar, report = "business hours", "report"
	const full, fullOut = "Full service", "Full service: out of hours"
	level := func(name string, minutes int) Level {
		return Level{
			Name: name, Calendar: calendar,
			Clocks: []Clock{
				{Name: "first response", Within: Business(minutes), From: []Moment{Created, Reopened}, Until: []Moment{Inside}},
				{Name: Response, Within: Business(0), From: []Moment{FollowUp}},
			},
		}
	}
	return Terms{
		Calendars: []Hours{{Name: calendar, Zone: zone, Week: Weekdays("09:00-18:00")}},
		Levels: []Level{
			level(full, 60),
			level(fullOut, 120),
			level("Reduced service", 120),
			level("Now (in business hours)", 0),
		},
		Moments: []Moment{Reopened},
		Choose: []Choice{
			{Kind: report, Hours: InHours, Level: full},
			{Kind: report, Hours: OutOfHours, Level: fullOut},
		},
	}
}
