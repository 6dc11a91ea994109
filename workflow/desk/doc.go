// Package desk is the shell around package workflow: it gathers facts, has
// commands decided, stores what comes out and sends mail afterwards. It is the
// one package of the core that knows several seams.
//
// # Which part to use first
//
//	store := memory.New()
//	d, err := desk.New(store, desk.Config{Tag: mail.Tag{Name: "A CSIRT"}, From: ...})
//	alice := d.As("handler:alice")    // or, with rights by groups: d.As("handler:eve", "duty-team:EDUNET")
//	result, err := alice.Do(ctx, workflow.Take{Ticket: 7})
//	receipt, err := d.Receive(ctx, envelope, raw) // a mail came in
//
// A [Session] acts for one person: [Session.Do] is all or nothing, [Session.Bulk]
// each command by itself, [Session.Preview] stores nothing. [Desk.Receive] takes in
// mail; [Desk.Sweep] does what time makes due: reminders, due dates that pass,
// warnings, breaches. A [Courier] empties the outbox: it sends mail, and has the
// reactions of the policy done. Nothing runs by itself: the program decides when, and in
// which goroutines.
//
// [Session.Export] lists networks of tickets for a router. Config.Exports,
// Config.Programs and Config.Templates are what reactions need.
//
// Hooks in [Config] see every command before and after it, and every record; those
// before may veto or replace. A [Feed] gives every record of every ticket in order
// to a program that may stop and go on, none skipped.
//
// [Session.Explain] says why something is as it is, [Session.Replay] what every rule
// said to a record, [Session.Promise] what a service agreement says, and
// [Desk.Compliance] how many promises were kept. [Adopt] keeps a policy as a
// document of the desk; after a change of the agreement call [Desk.Recompute].
//
// # Who sees and does what
//
// The policy's rights say it, by the groups of [Desk.As]: see [workflow.Rights]. A
// ticket that somebody may not see does not exist for him: no command, list, count,
// history, explanation or error names it, and what is left out for that is counted
// in Hidden. Bodies open only through a ticket that may be seen. [Session.Who] tells
// what may be done, for menus and forms. Mail, sweeps and rules work for the desk,
// and are not asked; nor is the actor [incident.System].
//
// Not kept from anybody: that there are gaps in the numbers of tickets and records,
// and what a rule carries over to a ticket, such as the addresses of a report to its
// incident. What hooks and rules of the program write into errors, reasons and custom
// events is the program's to watch.
//
// # What holds
//
// A Do is all or nothing, and runs again by itself when somebody else was faster.
// Mail is stored before Receive returns; sending comes after the commit. All
// types are safe for concurrent use.
package desk
