// Package workflow decides what happens to tickets: which statuses there are,
// what a command does, which rules answer to it. It is pure: everything here is
// a function of values, without I/O, clock, randomness or context. Package
// workflow/desk gathers the facts, calls these functions and stores what comes
// out.
//
// # Which part to use first
//
// Programs give commands, which are values: Take{Ticket: 7}, Link{Ticket: 7,
// Parent: 9}. They are handed to a desk.Session, or read from JSON with
// [ParseCommand]. What is possible and what follows is a [Policy]: one of the
// presets ([Preset]; [Default] is the janet one), a document of the team's own
// ([ParsePolicy]), or a Go value. A program adds its own [Rule] values.
//
// # Policies
//
// A policy holds the lifecycles of the four kinds, what closing an incident does to
// its children, fields and what is mandatory, and the rules with their parameters,
// in order; and who may do all that ([Rights], asked through [Policy.Who]). The documents in presets/ show every key. [Lint] finds what is wrong
// with one, [Graph] draws its lifecycles, [Diff] compares two.
//
// [Reaction] binds records to what is done outside once they are committed: mail, lists
// for routers (package export), programs.
//
// # How a command runs
//
// A command is one step. [Policy.Decide] turns it into events, which are
// applied. Then every rule that one of these events wakes is tested, before any
// of them acts; then the commands of those that fired run in the order of the
// rules, each with all that follows from it, depth first (RTIR does the same:
// conditions of all scrips first, then their actions). Asking for what already
// is makes no event, which is why chains of rules end; a bound on steps turns a
// loop into an error that names the rules.
//
// A rule's command that the policy refuses is skipped, with a record that says
// why. When nothing is left, derivations set what follows from other values,
// such as the due date of an incident, until nothing changes any more.
//
// # Due by agreement
//
// With Policy.Agreement, package sla says when reports and investigations are due:
// [Policy.Promise] is what it says about one. The derivation due-by-clock records
// which clocks run, each time that something moves one; the ticket keeps them, so
// that [Wake] can record warnings and breaches without a look at the agreement. A
// date that a person sets by [Edit], or a reminder, stays until a clock moves; the
// clocks run on beneath it. [Policy.Outcomes] and [Comply] count what was kept.
package workflow
