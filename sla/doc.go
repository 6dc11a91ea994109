// Package sla answers when something is due, in whose hours, and why.
//
// # Which part to use first
//
// A [Calendar] says when a desk is open and counts business time: [Calendar.Add],
// [Calendar.Between], [Calendar.Open], [Calendar.Next]. An [Agreement] holds
// service levels, each with a calendar and clocks that run side by side. Build
// one from [Terms], which can come from a configuration file; then
// [Agreement.Choose] picks the level of a ticket, and [Agreement.Plan] turns the
// times of the ticket ([Facts]) into deadlines. Each [Deadline] carries its reasons
// as data and, by its String method, as a sentence. [Summarise] counts what was
// met.
//
//	agreement, err := sla.NewAgreement(terms)
//	plan, err := agreement.Plan("standard", sla.Facts{Created: created, Unanswered: created})
//	next, ok := plan.Earliest()
//
// The rules are those of RT's service level agreements, which RTIR uses, with
// the levels of RTIR 2.4 as a preset ([RTIR24]). Priority shortens what is due
// (JANET 3.10). Levels differ in and out of hours (JANET 3.4).
//
// # Duties towards others
//
// Intervals such as 24 hours, 72 hours or one month for reports to an authority
// are configuration like any other: further clocks, from and until moments that
// the program names ([Terms].Moments), [Clock].Fixed. The package ships none and
// gives no legal advice.
//
// # What it does not do
//
// It knows no tickets and no clock of its own: all times come in as arguments.
// All functions are pure, with one exception: building a calendar by the name of
// its zone reads the time zone database ([Hours].Location avoids that). All
// arithmetic is in integers. Two machines agree if their zone databases do. The
// package imports the standard library only.
package sla
