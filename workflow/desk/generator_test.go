package desk_test

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
)

// step is one thing that happens to a desk: commands, a mail, or a sweep.
type step struct {
	after    time.Duration // since the step before
	by       incident.Actor
	commands []workflow.Command
	env      mail.Envelope
	raw      []byte // a mail, if not nil
	posts    bool   // a courier works
}

// generator makes steps out of a seed and the tickets that there are.
type generator struct {
	*rand.Rand
	now       time.Time
	tickets   []incident.Ticket
	ids       []string // Message-IDs seen on tickets
	mails     [][]byte // sent in so far
	letters   int
	deck      []int         // see draw
	dropped   []incident.ID // tickets whose mail was not to be sent
	uncertain []incident.ID // tickets of whose mail nobody knows whether it was taken
	policy    *workflow.Policy
}

var (
	handlers  = []incident.Actor{"handler:alice", "handler:bob", "handler:carol"}
	outsiders = []string{"bob@example.org", "noc@example.com", "eve@example.com"}
)

func pick[T any](g *generator, list ...T) T { return list[g.Intn(len(list))] }

// one returns the number of some ticket that fits, or now and then of one that
// does not, or that does not exist.
func (g *generator) one(fits func(incident.Ticket) bool) incident.ID {
	var ids []incident.ID
	for _, t := range g.tickets {
		if fits(t) {
			ids = append(ids, t.ID)
		}
	}
	switch {
	case g.Intn(40) == 0:
		return incident.ID(len(g.tickets) + 5)
	case len(ids) == 0 || g.Intn(25) == 0:
		return incident.ID(1 + g.Intn(len(g.tickets)+1))
	}
	// The newer half more often, so that threads go on.
	if half := len(ids) / 2; g.Intn(3) > 0 {
		ids = ids[half:]
	}
	return pick(g, ids...)
}

func isIncident(t incident.Ticket) bool { return t.Kind == incident.KindIncident }
func isChild(t incident.Ticket) bool    { return !isIncident(t) && t.MergedInto == 0 }
func isReport(t incident.Ticket) bool   { return t.Kind == incident.KindReport && t.MergedInto == 0 }
func isHeld(t incident.Ticket) bool     { return t.Held != nil }
func isLinked(t incident.Ticket) bool   { return len(t.Parents) > 0 && t.MergedInto == 0 }
func isClosed(t incident.Ticket) bool   { return !t.Open() && t.MergedInto == 0 }
func isAny(t incident.Ticket) bool      { return t.MergedInto == 0 }

func both(a, b func(incident.Ticket) bool) func(incident.Ticket) bool {
	return func(t incident.Ticket) bool { return a(t) && b(t) }
}

func not(a func(incident.Ticket) bool) func(incident.Ticket) bool {
	return func(t incident.Ticket) bool { return !a(t) }
}

func (g *generator) ticket(id incident.ID) (t incident.Ticket) {
	for _, t := range g.tickets {
		if t.ID == id {
			return t
		}
	}
	return t
}

func (g *generator) next() step {
	s := step{after: time.Duration(1+g.Intn(3600)) * time.Second, by: pick(g, handlers...)}
	switch n := g.Intn(100); {
	case n < 38:
		s.raw, s.env = g.mail()
		g.mails = append(g.mails, s.raw)
	case n < 42: // a sweep
	case n < 46:
		s.posts = true
		return s
	case g.policy.Agreement != nil && n >= 88:
		s.commands = []workflow.Command{g.promise()}
	case n < 56:
		s.commands = g.several()
	default:
		s.commands = []workflow.Command{g.command(s.by)}
	}
	s.commands = g.owned(s.by, s.commands)
	return s
}

// owned puts in front of commands that only the owner may give, now and then not,
// what makes somebody the owner.
func (g *generator) owned(by incident.Actor, commands []workflow.Command) (list []workflow.Command) {
	who := g.policy.Who(by)
	for _, c := range commands {
		var others []incident.Ticket
		for _, id := range workflow.Concerned(g.ticket(c.Target()), c) {
			others = append(others, g.ticket(id))
		}
		var refused *workflow.RightsError
		if errors.As(who.Check(c, g.ticket(c.Target()), others), &refused) && g.Intn(10) > 0 {
			for _, offer := range refused.Offers {
				if offer.Target() != 0 {
					list = append(list, offer)
				}
			}
		}
		list = append(list, c)
	}
	return list
}

// promise changes what a due date follows from, under a policy with an agreement.
func (g *generator) promise() workflow.Command {
	id := g.one(both(isChild, isAny))
	fields := func(name, value string) workflow.Command {
		return workflow.Edit{Ticket: id, Fields: map[string][]string{name: {value}}}
	}
	switch g.Intn(8) {
	case 0:
		return fields(workflow.DefaultLevelField, pick(g, "standard", "hospital", "duty", "none", "platinum"))
	case 1:
		return workflow.Edit{Ticket: id, Fields: map[string][]string{workflow.DefaultLevelField: nil}}
	case 2:
		return fields("aware", pick(g, g.date().Format(time.RFC3339), g.date().Format(time.RFC3339), "never"))
	case 3:
		return workflow.Edit{Ticket: id, Constituency: pointer(pick(g, "hospital", "students", ""))}
	case 4:
		return workflow.Edit{Ticket: id, Priority: pointer(g.Intn(101))}
	case 5:
		return workflow.Move{Ticket: id, To: "stalled"}
	}
	return workflow.Edit{Ticket: g.one(isIncident), Priority: pointer(10 + g.Intn(91))}
}

// several is a list of commands that belong together.
func (g *generator) several() []workflow.Command {
	switch g.Intn(7) {
	case 4:
		id := g.one(both(isChild, isAny))
		g.dropped = append(g.dropped, id)
		return []workflow.Command{workflow.Reply{Ticket: id, Text: "Hush."}, workflow.DropMail{Ticket: id}}
	case 5:
		rang := workflow.Open{Kind: incident.KindReport, Subject: "By telephone", Text: "About 192.0.2.99."}
		return []workflow.Command{rang, rang, workflow.Group{Ticket: incident.Nth(1), With: []incident.ID{incident.Nth(2)}}}
	case 0:
		return []workflow.Command{
			workflow.Open{Kind: incident.KindIncident, Subject: "From a report", Fields: classified},
			workflow.Link{Ticket: g.one(both(isReport, not(isLinked))), Parent: incident.Nth(1)},
		}
	case 1:
		return []workflow.Command{
			workflow.Open{Kind: incident.KindIncident, Subject: "With everything", Fields: classified},
			g.open(incident.KindInvestigation, incident.Nth(1)), g.open(incident.KindBlock, incident.Nth(1)),
			workflow.Comment{Ticket: incident.Nth(2), Text: "Two in one."}, workflow.Attend{Ticket: incident.Nth(2)},
		}
	case 2:
		id := g.one(both(isChild, isAny))
		return []workflow.Command{workflow.Reply{Ticket: id, Text: "That is all."}, workflow.Move{Ticket: id, To: "resolved"}}
	case 3:
		return []workflow.Command{
			workflow.Move{Ticket: g.one(both(isIncident, not(isClosed))), To: pick[incident.Status](g, "resolved", "abandoned")},
			workflow.Move{Ticket: g.one(both(isIncident, not(isClosed))), To: "resolved"},
		}
	}
	id := g.one(isReport)
	return []workflow.Command{
		workflow.Link{Ticket: id, Parent: g.one(isIncident)}, workflow.Link{Ticket: id, Parent: g.one(isIncident)},
		workflow.Edit{Ticket: id, Due: g.date()},
	}
}

func (g *generator) open(kind incident.Kind, parents ...incident.ID) workflow.Open {
	o := workflow.Open{
		Kind: kind, Subject: pick(g, "Scan", "Phishing", "Überlauf", "Re: [Other #7] x"), Parents: parents,
		Requestors: []incident.Party{{Name: "Somebody", Address: pick(g, outsiders...)}},
	}
	if kind == incident.KindIncident {
		o.Fields = classified
	}
	if g.Intn(2) == 0 {
		o.Text = "Please look into 192.0.2." + fmt.Sprint(g.Intn(250)) + "."
	}
	return o
}

// date is in the past or future.
func (g *generator) date() *time.Time {
	t := g.now.Add(time.Duration(g.Intn(20)-5) * time.Hour)
	return &t
}

// draw returns a number below n; all of them before one comes again, so that none
// is left out by chance.
func (g *generator) draw(n int) int {
	if len(g.deck) == 0 {
		g.deck = g.Perm(n)
	}
	first := g.deck[0]
	g.deck = g.deck[1:]
	return first
}

func (g *generator) command(by incident.Actor) workflow.Command {
	mine := func(t incident.Ticket) bool { return t.Owner == by && isAny(t) }
	switch g.draw(50) {
	case 39, 40:
		return workflow.Resend{Ticket: g.one(func(t incident.Ticket) bool { return isChild(t) && t.LastInside != nil }), To: pick(g, nil, []incident.Party{{Address: pick(g, outsiders...)}})}
	case 38:
		return workflow.ClearAddress{Address: pick(g, outsiders...)}
	case 0:
		return g.open(incident.KindIncident)
	case 1:
		return g.open(incident.KindReport, g.one(isIncident))
	case 2:
		return g.open(pick(g, incident.KindInvestigation, incident.KindBlock), g.one(isIncident))
	case 3:
		return workflow.Take{Ticket: g.one(func(t incident.Ticket) bool { return t.Owner == incident.Nobody && isAny(t) })}
	case 4:
		return workflow.Release{Ticket: g.one(mine)}
	case 5, 41:
		return workflow.Assign{Ticket: g.one(isAny), To: pick(g, append(handlers, incident.Nobody)...)}
	case 6, 7:
		t := g.ticket(g.one(both(isChild, not(isHeld))))
		to := pick(g, everyStatus...)
		if allowed := g.policy.Allowed(t); len(allowed) > 0 && g.Intn(8) > 0 {
			to = pick(g, allowed...)
		}
		return workflow.Move{Ticket: t.ID, To: to}
	case 8, 9:
		return workflow.Move{Ticket: g.one(both(isIncident, not(isClosed))), To: pick[incident.Status](g, "resolved", "abandoned")}
	case 10:
		return workflow.Reopen{Ticket: g.one(isClosed)}
	case 11, 12:
		return workflow.Link{Ticket: g.one(isReport), Parent: g.one(isIncident)}
	case 13, 20:
		t := g.ticket(g.one(isLinked))
		parent := g.one(isIncident)
		if len(t.Parents) > 0 {
			parent = pick(g, t.Parents...)
		}
		return workflow.Unlink{Ticket: t.ID, Parent: parent}
	case 14:
		id := g.one(isAny)
		return pick[workflow.Command](g, workflow.Comment{Ticket: id, Text: []string{"Rang them.", " "}[g.letters%2]}, workflow.Attend{Ticket: id}, workflow.Attend{Ticket: id, End: g.letters%4 == 0})
	case 15, 16, 21, 22:
		return g.edit()
	case 17, 18:
		return workflow.Reply{Ticket: g.one(func(t incident.Ticket) bool { return isChild(t) && t.OldestUnanswered != nil }), Text: "Thank you."}
	case 23:
		return workflow.Steal{Ticket: g.one(isAny)}
	case 24, 44:
		return workflow.Reject{Ticket: g.one(pick(g, isReport, both(isReport, not(isLinked)))), Text: pick(g, "", "Not ours."), Steal: g.Intn(2) == 0}
	case 25, 43:
		return workflow.Resolve{Ticket: g.one(both(isAny, not(isClosed))), Comment: pick(g, "", "Done."), Reply: pick(g, "", "", "It is done.")}
	case 26:
		return workflow.Abandon{Ticket: g.one(both(isIncident, not(isClosed))), Reply: pick(g, "", "We give up.")}
	case 27, 28:
		return g.merge()
	case 29, 30:
		return workflow.Unmerge{Ticket: g.one(func(t incident.Ticket) bool { return t.MergedInto != 0 })}
	case 31, 33, 34:
		return workflow.ReplyAll{Ticket: g.one(both(isIncident, not(isClosed))), Kinds: pick(g, nil, []incident.Kind{incident.KindReport}), Text: "To all of you."}
	case 35:
		g.dropped = append(g.dropped, g.one(func(t incident.Ticket) bool { return t.LastInside != nil }))
		return workflow.DropMail{Ticket: g.dropped[len(g.dropped)-1]}
	case 36, 42:
		if n := len(g.dropped); n > 0 { // the last one is most likely still to have it
			return workflow.ReleaseMail{Ticket: g.dropped[n-1]}
		}
		return workflow.ReleaseMail{Ticket: 1}
	case 45, 46:
		if n := len(g.uncertain); n > 0 {
			return workflow.ConfirmMail{Ticket: g.uncertain[n-1]}
		}
		return workflow.ConfirmMail{Ticket: 1}
	case 37:
		return workflow.Release{Ticket: g.one(mine)}
	case 47:
		return workflow.Accept{Ticket: g.one(isWaiting), Fields: classified}
	case 48:
		return workflow.Attach{Ticket: g.one(isWaiting), Incident: g.one(both(isIncident, not(isClosed)))}
	case 49:
		return g.group()
	case 32:
		from := g.ticket(g.one(isAny))
		kind := pick(g, incident.KindIncident, incident.KindInvestigation, from.Kind)
		return workflow.Open{Kind: kind, From: from.ID, Fields: map[incident.Kind]map[string][]string{incident.KindIncident: classified}[kind]}
	}
	return g.deliver()
}

// group groups two reports that wait and have an address in common.
func (g *generator) group() workflow.Command {
	for range 20 {
		t := g.ticket(g.one(isWaiting))
		other := g.one(func(o incident.Ticket) bool {
			return isWaiting(o) && o.ID != t.ID && slices.ContainsFunc(o.Observables, func(x incident.Observable) bool {
				return x.Kind == incident.Address && slices.ContainsFunc(t.Observables, x.Same)
			})
		})
		if isWaiting(g.ticket(other)) && other != t.ID {
			return workflow.Group{Ticket: t.ID, With: []incident.ID{other}}
		}
	}
	return workflow.Group{Ticket: g.one(isWaiting), With: []incident.ID{g.one(isReport)}}
}

// isWaiting finds reports that wait for a decision and belong to nobody.
func isWaiting(t incident.Ticket) bool { return t.Waiting() && t.Owner == incident.Nobody }

// merge joins two tickets of a kind, now and then of two.
func (g *generator) merge() workflow.Command {
	t := g.ticket(g.one(isAny))
	same := func(other incident.Ticket) bool {
		return isAny(other) && other.ID != t.ID && (other.Kind == t.Kind || t.Kind == incident.KindReport && other.Kind == incident.KindInvestigation)
	}
	return workflow.Merge{Ticket: t.ID, Into: g.one(same)}
}

var everyStatus = []incident.Status{
	"new", "open", "resolved", "rejected", "abandoned", "pending activation", "active", "pending removal", "removed", "stalled",
}

func (g *generator) deliver() workflow.Command {
	held := g.one(isHeld)
	switch g.Intn(5) {
	case 0:
		return workflow.Deliver{Ticket: held, As: pick(g, incident.Accepted, incident.Rejected, "lost")}
	case 1:
		return workflow.Deliver{Ticket: held, To: g.one(isIncident)}
	}
	return workflow.Deliver{Ticket: held, To: g.one(both(isChild, not(isHeld)))}
}

func (g *generator) edit() workflow.Command {
	e := workflow.Edit{Ticket: g.one(isChild)}
	switch g.Intn(10) {
	case 0, 1:
		e.Due = g.date()
	case 2, 3, 9:
		e.Wake = g.date()
	case 4:
		e.Clear = []string{pick(g, "due", "wake", "started")}
	case 5:
		e.Subject, e.Priority = pointer(pick(g, "Scan", "Worse")), pointer(g.Intn(102))
	case 6:
		e.AddObservables = []incident.Observable{{Kind: incident.Host, Value: pick(g, "www.example.org", "Mail.Example.COM"), Role: incident.RoleSource}}
		e.Fields = map[string][]string{"Customer": {pick(g, "campus", "library")}}
	case 7:
		e.Requestors = &[]incident.Party{{Address: pick(g, outsiders...)}}
	case 8:
		e.Ticket, e.Due = g.one(isIncident), g.date() // refused
	}
	return e
}

// mail is a mail of any sort.
func (g *generator) mail() ([]byte, mail.Envelope) {
	g.letters++
	from := pick(g, outsiders...)
	subject, more := "Something from outside", fmt.Sprintf("Message-ID: <%d@example.org>\r\n", g.letters)
	text := fmt.Sprintf("Letter %d about 198.51.100.%d.", g.letters, g.Intn(6))
	env := mail.Envelope{From: from, To: []string{"csirt@example.net"}}
	child := both(isChild, not(isHeld))
	switch g.Intn(17) {
	case 16:
		ids := slices.DeleteFunc(slices.Clone(g.ids), func(id string) bool { return g.Intn(4) > 0 && !strings.HasSuffix(id, "@example.net") })
		if len(ids) > 0 { // of a mail of ours, now and then of somebody else's
			return fmt.Appendf(nil, "From: mailer-daemon@example.com\r\nSubject: Undelivered %d\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; boundary=x\r\n\r\n"+
				"--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.com\r\n\r\nFinal-Recipient: rfc822; %s\r\nAction: failed\r\nStatus: %s\r\n\r\n"+
				"--x\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <%s>\r\n\r\n--x--\r\n",
				g.letters, pick(g, outsiders...), pick(g, "5.1.1", "5.2.2"), pick(g, ids...)), env
		}
	case 0, 1: // a new report
	case 2, 3, 4:
		t := g.ticket(g.one(both(child, isLinked)))
		subject = "Re: [A CSIRT #" + t.ID.String() + "] Scan"
		if len(t.Requestors) > 0 {
			from = t.Requestors[0].Address
		}
	case 5, 6:
		subject = "Re: [A CSIRT #" + g.one(both(child, isClosed)).String() + "] once more"
	case 7:
		subject, more = "Automatic reply: [A CSIRT #"+g.one(both(child, isClosed)).String()+"]", more+"Auto-Submitted: auto-replied\r\n"
	case 8:
		subject, env.From = "Undelivered: [A CSIRT #"+g.one(child).String()+"]", ""
	case 9:
		if len(g.ids) > 0 {
			subject, more = "Re: no tag", more+"References: <unknown@x> <"+pick(g, g.ids...)+">\r\n"
		}
	case 10:
		subject = "[A CSIRT #4711] which?"
	case 11:
		subject = fmt.Sprintf("[A CSIRT #%s] or [A CSIRT #%s]", g.one(child), g.one(child))
	case 12:
		subject = "Re: [A CSIRT #" + g.one(isIncident).String() + "] to an incident"
	case 13:
		if len(g.mails) > 0 { // the same again, or by another way
			again := pick(g, g.mails...)
			if g.Intn(2) == 0 {
				again = append([]byte(fmt.Sprintf("Received: by mx%d.example.net\r\n", g.letters)), again...)
			}
			return again, env
		}
	case 14:
		if len(g.ids) > 0 { // somebody else's Message-ID
			more = "Message-ID: <" + pick(g, g.ids...) + ">\r\n"
		}
	case 15: // of the team
		t := g.ticket(g.one(func(t incident.Ticket) bool { return child(t) && t.OldestUnanswered != nil }))
		from, subject = "dave@example.net", "Re: [A CSIRT #"+t.ID.String()+"] answered by hand"
		if len(t.Requestors) > 0 {
			more += "Cc: " + t.Requestors[0].Address + "\r\n"
		}
	}
	return fmt.Appendf(nil, "From: %s\r\nTo: csirt@example.net\r\nSubject: %s\r\n%s\r\n%s\r\n", from, subject, more, text), env
}
