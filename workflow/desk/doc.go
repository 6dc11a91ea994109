// Package desk is the shell around package workflow: it gathers facts, has
// commands decided, stores what comes out and sends mail afterwards. It is the
// one package of the core that knows several seams.
//
// # Which part to use first
//
//	store := memory.New()
//	d, err := desk.New(store, desk.Config{Tag: mail.Tag{Name: "A CSIRT"}, From: ...})
//	alice := d.As("handler:alice")
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
// # What holds
//
// A Do is all or nothing, and runs again by itself when somebody else was faster.
// Mail is stored before Receive returns; sending comes after the commit. All
// types are safe for concurrent use.
package desk
