// Package incident holds the words of a computer security incident response
// team (CSIRT): tickets of four kinds, the events that change them, and the
// records in which these events are kept for ever.
//
// # Which part to use first
//
// Programs seldom build records themselves: package workflow decides which
// events a command causes and workflow/desk seals and stores them. What a
// program reads is a [Ticket]; what it shows as a time line is a list of
// [Record], each opened with [Decode].
//
// # History is the truth
//
// A ticket is the fold of its records: start with the zero Ticket and [Apply]
// them in order of Version. Nothing else changes a ticket. Records of one
// ticket are chained by hash ([Seal], [Extend]), so that its history verifies
// by itself ([Verify]).
//
// A record has two parts. Data is what the fold needs for ever: kinds, statuses,
// dates, numbers. Content is what may have to be erased: subjects, names,
// addresses, observables, Message-IDs, digests of bodies. The chain covers
// Content only through a salted digest, so that erased content leaves a chain
// that still verifies, provided that a [Redacted] event announces it.
//
// # Compatibility
//
// The hash of a record, the type names of events and their folds are released
// for ever: a new meaning is a new type. Fields may be added to tickets. An
// event of an unknown type survives a round trip ([Unknown]); a program never
// appends to a ticket that a newer vocabulary has folded ([ErrNewerVocabulary]).
//
// All functions are pure: no I/O, clock, randomness or global state. Values may
// be shared by goroutines as long as nobody writes to what their slices, maps
// and pointers refer to; [Apply] never does. The package imports the standard
// library only.
package incident
