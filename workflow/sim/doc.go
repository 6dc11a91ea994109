// Package sim plays with a desk: scripts in plain text that carry their own
// trace, and random steps that look for what must never happen. It is the
// researchers' door: give it any policy, any rule, any store, and see what comes
// of it. Time is virtual and randomness comes from a seed, so that all of it can
// be repeated.
//
// # Which part to use first
//
// [Parse] and [Run] play a script; [Script.Compare] says where its trace differs,
// and [Script.Rewrite] puts in the one that came. [Explore] plays random steps
// under a policy and prints the shortest script that breaks an invariant. [New]
// gives a [World] to play with in Go.
//
// # A script
//
//	# rtir:003-linking
//	# A new report opens when it is linked to an incident
//
//	policy rtir
//	at 2026-03-02T09:00Z
//
//	mail from="Bob <bob@example.org>" subject="Scan" -> report
//	    Please have a look.
//	    | report v1 opened: new, "Scan", via mail, requestors Bob <bob@example.org>, by correspondent
//	    | report v2 message from bob@example.org "Scan", found by new, by correspondent
//	    | report v3 message sent "[A CSIRT #1] Auto: Scan", by a machine, by correspondent, because acknowledge saw report v1
//	    |   mail to bob@example.org: "[A CSIRT #1] Auto: Scan"
//
//	after 2h
//	alice open incident subject="Scan" fields.Classification=Scan -> inc
//	    | inc v1 opened: open, "Scan", owner alice, priority 50, fields Classification=Scan, by alice
//	alice link $report $inc
//	    | report v4 linked to inc, by alice
//	    | report v5 moved new -> open, by alice, because open-linked-report saw report v4
//	alice:
//	    take $report
//	    comment $report text="I ring them."
//	    | report v6 owner nobody -> alice, by alice
//	    | report v7 commented "I ring them.", by alice
//	bob take $report
//	    | ! workflow: ticket 1 is already taken by handler:alice: steal or assign it to change its owner
//	expect $report status=open owner=alice parents=$inc
//
// The first line is the id of a row in a list of acceptance, the second a title.
// Other lines that begin with "#" are comments. A step begins in the first column;
// what belongs to it is indented: the text of a mail or command, or the commands
// that somebody does in one go, and then the trace, whose lines begin with "|".
//
// Each line of the trace is a record: the ticket and its version, what changed, by
// whom, and behind "because" the rule that made it and the record that woke the
// rule. Below it stand rules that were woken and did not fire, mail that goes out, and
// reactions that are queued. A line with "!" is what the desk said when it refused, and
// one with "but" tells who else works on a ticket.
//
// # Steps
//
//	policy NAME                  first, see Config.Policies
//	actor WHO groups=GROUP       is a member of groups from now on: duty-team:EDUNET
//	at TIME, after DURATION      moves time forward: 2026-03-02T09:00Z, 90s, 2h, 3d
//	WHO COMMAND ARGUMENTS        any command of workflow.Commands; arguments that it must
//	                             have need no names: "alice link $report $inc"
//	WHO:                         several commands, all or nothing
//	WHO bulk:                    several commands, each by itself
//	mail from=ADDRESS ...        also to, cc, subject, re=$ticket (puts its tag into the
//	                             subject), answers=$ticket (refers to its newest message),
//	                             id, envelope, header.NAME; bounces=$ticket makes it a report
//	                             on the newest mail of that ticket, with failed=ADDRESS,
//	                             action and status of RFC 3464
//	import                       takes in the text below it as reports of machines: format=csv,
//	                             feed=NAME; "-> name" is the first report that it opens
//	sweep                        does what time has made due
//	react                        does the reactions that are queued
//	post                         sends the mail that is queued; refuses=ADDRESS: it takes none,
//	                             breaks=ADDRESS: nobody can say whether it took it
//	file NAME                    shows an exported list
//	show $ticket                 says what it is now
//	read $ticket                 the text of its newest message
//	list new|mine|unowned|due    shows a list; "alice list mine"; topic=spam: only what is of it
//	list queue                   reports of machines that wait, and what has to do with them
//	list $incident               its children; all=true: those too that the policy hides
//	topics                       counts the open work of each topic
//	explain $ticket due          says why
//	expect $ticket KEY=VALUE     fails unless the ticket is so; keys as in its JSON
//
// Arguments are key=value, keys as in the JSON of the command; with dots inside of
// an argument (fields.Classification=Scan). Several values stand behind commas, or
// the key comes again. A value with blanks or commas is quoted as in Go. A ticket is
// $name or its number, a person a word (alice is "handler:alice", nobody is nobody),
// a time as above or from now (+2h), a party an address or "Bob <bob@example.org>",
// an observable 192.0.2.7 or "address 192.0.2.7 source", a file "name.txt: what is in
// it", anything else JSON. "-> name" at the end names the ticket that was opened, or
// took the mail. What can be imported is the desk's to say: see Config.Desk.
package sim
