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
// What machines report comes in by [Desk.Import], or by mail, and waits in a queue:
// [Session.Queue] lists it, each report with the incidents that have an address of it,
// those that it is to be added to ticked. [Session.Suggest] finds incidents for any
// ticket, and [Session.Mentions] the tickets that mention something.
//
// [Session.Draft] and [Session.DraftOpen] begin a mail for somebody to write: with a
// template, with what is quoted, with data. [Session.Export] lists networks of tickets
// for a router. Config.Exports, Config.Programs and Config.Templates are what reactions
// need.
//
// Hooks in [Config] see every command before and after it, and every record; those
// before may veto or replace. A [Feed] gives every record of every ticket in order
// to a program that may stop and go on, none skipped.
//
// [Session.Explain] says why something is as it is, [Session.Replay] what every rule
// said to a record, [Session.Promise] what a service agreement says, and
// [Desk.Compliance] how many promises were kept. [Adopt] keeps a policy as a
// document of the desk, and [Desk.AdoptTemplate] a template; after a change of the agreement call [Desk.Recompute].
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
// # Automatic mail ends
//
// What a rule sends because mail came in, or because time has passed, is automatic.
// A machine may answer it, and its answer may make the rule send again. RFC 3834
// stops machines that say what they are ([mail.Detect], [mail.Unanswerable]). The
// limits of [workflow.AutomaticMail] stop the others, by this argument:
//
//   - Each automatic mail to a recipient is a row of the outbox with a charge. One
//     that would be one row more than a limit allows is parked, without a charge,
//     and waits for a person. So there are never more than Desk rows that are
//     charged to correspondents, Member for each mailbox of the team, Correspondent
//     for each one outside and Ticket about each ticket.
//   - A charge is taken away in two cases only. A person acts: gives a command about
//     its ticket, or releases mail that a limit has parked, which clears that limit.
//     Or a mail that no sign shows to be a machine's names, in In-Reply-To, one that
//     followed from a person's act, which clears its ticket and its writer; each of
//     our mails serves once for that.
//   - So a charge is the potential that automatic mail uses up. With P acts of
//     persons, after which W mails went out, it is restored P+W times at most, and
//     no more than (1+P+W) x Desk automatic mails go to correspondents, (1+P+W) x
//     Member to a mailbox of the team. After the last act, once its mails are
//     answered, Desk and Member are the bounds; all that can go on for ever needs
//     acts of persons that go on for ever.
//
// This holds whatever comes in: from any number of addresses, with any header, in
// any threads, late or at once, by machines that work together, and by an adversary
// who writes as a person would: he restores nothing but by an answer to a mail that a
// person has caused, once for each. Several desks that keep the limits come to rest
// together, as each of them does. The rows are counted inside the transaction that
// writes them, in the store: so it holds across restarts, and for several processes
// on one store. What is counted are at most as many rows as the limits allow.
//
// It does not hold for a limit that the policy switches off; for mail that rules
// send within a command that a person gives, which is not charged, because the
// person ends it; for a program that gives commands as a "handler:" without a person
// behind it; for mail that a program sends by itself. Nor does it bound the mail that
// comes in, the reports that it opens, or what a [Courier] tries again.
//
// # What holds
//
// A Do is all or nothing, and runs again by itself when somebody else was faster.
// Mail is stored before Receive returns; sending comes after the commit. All
// types are safe for concurrent use.
package desk
