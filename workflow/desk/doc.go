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
// A [Session] acts for one person; [Desk.Receive] takes in mail; [Desk.Sweep]
// does what time makes due: reminders, warnings, breaches. [Session.Explain] says
// when a ticket is due and why, [Desk.Compliance] how many promises were kept; after
// a change of the agreement call [Desk.Recompute]. A [Courier] empties the outbox. Nothing runs by
// itself: the program decides when, and in which goroutines.
//
// # What holds
//
// A Do is all or nothing, and runs again by itself when somebody else was faster.
// Mail is stored before Receive returns; sending comes after the commit. All
// types are safe for concurrent use.
package desk
