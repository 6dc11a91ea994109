// Package mail reads and writes the mail of a desk: it takes messages apart,
// finds the tickets that they belong to, tells machines from people and builds
// answers. It does no I/O of its own; [Receiver] and [Sender] are the seams to
// the systems that carry mail (adapters/smtp).
//
// A mail that comes in goes through [Parse], [Detect], [ReadBounce], [Tag.Find]
// and [Thread], in this order; [Unquoted] is what its sender wrote in it. A mail
// that goes out begins with [Answer] or with a template ([Check], [Expand]), and
// goes through [Recipients] and [Compose]. All of them are pure functions of
// values and safe for concurrent use.
//
// Hostile and broken mail is the normal case: Parse always returns what could
// be read, with each oddity named as a [Defect], and fails only on a named
// limit. Work and memory grow in proportion to the size of a mail.
package mail
