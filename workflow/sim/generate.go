package sim

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
)

// generator makes random steps out of the tickets that there are, the policy's
// lifecycles, and the commands' own types: it knows no status by name.
type generator struct {
	*rand.Rand
	player  *player
	checker *checker
	policy  *workflow.Policy
	steps   []Step
	done    int // without those that only move time
	names   int
	mails   []Step
}

func pick[T any](g *generator, list ...T) T { return list[g.IntN(len(list))] }

// next makes a step, until there were so many.
func (g *generator) next(most int) (s Step, ok bool) {
	switch n := g.IntN(100); {
	case g.done == most:
		return s, false
	case n < 35 && g.done > 0 && !g.steps[len(g.steps)-1].is("after"):
		s = call("", "after", Arg{Values: []string{fmt.Sprintf("%dm", 1+g.IntN(240))}})
		g.done--
	case n < 55:
		s = g.mail()
	case n < 59:
		s = call("", "sweep")
	case n < 62:
		who := pick(g, "bob@example.org", "noc@example.com", "eve@example.com")
		s = call("", "post", Arg{Key: pick(g, "refuses", "breaks"), Values: []string{who}})
	case n < 70:
		s = g.several()
	default:
		s = Step{By: g.handler()}
		s.Calls = []Call{g.command(s.By, "")}
	}
	if s.By != "" {
		s.Calls = g.owning(s.By, s.Calls)
		s.Block = s.Block || len(s.Calls) > 1
	}
	g.done++
	g.steps = append(g.steps, s)
	return s, true
}

func call(by, name string, args ...Arg) Step {
	return Step{By: by, Calls: []Call{{Name: name, Args: args}}}
}

// owning puts in front of calls that only the owner of a ticket may make what makes
// somebody the owner, but now and then not.
func (g *generator) owning(by string, calls []Call) (list []Call) {
	who := g.policy.Who(actor(by))
	for _, c := range calls {
		command, errs := g.player.encoder().command(c, nil)
		if errs == nil && g.IntN(10) > 0 {
			t := g.checker.tickets[command.Target()]
			var others []incident.Ticket
			for _, id := range workflow.Concerned(t, command) {
				others = append(others, g.checker.tickets[id])
			}
			var refused *workflow.RightsError
			if errors.As(who.Check(command, t, others), &refused) {
				for _, offer := range refused.Offers {
					if offer.Target() == 0 {
						continue // it does not exist
					}
					list = append(list, Call{Name: offer.Name(), Args: []Arg{{Values: []string{g.ref(offer.Target())}}}})
				}
			}
		}
		list = append(list, c)
	}
	return list
}

func (g *generator) handler() string { return pick(g, "alice", "bob", "carol") }

// fresh returns a name for a ticket to come.
func (g *generator) fresh() string {
	g.names++
	return fmt.Sprintf("t%d", g.names)
}

// several is a list of commands that are done in one go.
func (g *generator) several() Step {
	s := Step{By: g.handler(), Block: true, Bulk: g.IntN(4) == 0}
	s.Calls = []Call{g.command(s.By, "open"), g.command(s.By, "")}
	if s.Bulk {
		s.Calls = append(s.Calls, g.command(s.By, ""), g.command(s.By, ""))
		return s
	}
	link := g.command(s.By, "link")
	for i, a := range link.Args {
		if a.Key == "parent" {
			link.Args[i].Values = []string{"$" + s.Calls[0].Opens}
		}
	}
	s.Calls = append(s.Calls, link)[:2+g.IntN(2)]
	return s
}

// ref is how a script calls a ticket.
func (g *generator) ref(id incident.ID) string {
	if name := g.player.called[id]; name != "" {
		return "$" + name
	}
	return id.String()
}

// one returns a ticket that fits, or now and then any other, or none at all.
func (g *generator) one(fits func(incident.Ticket) bool) incident.Ticket {
	all := slices.Sorted(maps.Keys(g.checker.tickets))
	all = slices.DeleteFunc(all, func(id incident.ID) bool { return id == incident.Desk })
	found := all
	if g.IntN(25) > 0 {
		found = slices.DeleteFunc(slices.Clone(all), func(id incident.ID) bool { return !fits(g.checker.tickets[id]) })
	}
	switch {
	case len(all) == 0 || g.IntN(50) == 0:
		return incident.Ticket{ID: incident.ID(len(all) + 5)}
	case len(found) == 0:
		found = all
	case g.IntN(3) > 0: // the newer half more often, so that threads go on
		found = found[len(found)/2:]
	}
	return g.checker.tickets[pick(g, found...)]
}

func alive(t incident.Ticket) bool      { return t.MergedInto == 0 }
func isIncident(t incident.Ticket) bool { return t.Kind == incident.KindIncident && alive(t) }
func isChild(t incident.Ticket) bool {
	return t.Kind != incident.KindIncident && alive(t) && t.Held == nil
}

// decidable are reports that wait, and are nobody's or somebody's own.
func decidable(by string) func(incident.Ticket) bool {
	return func(t incident.Ticket) bool {
		return t.Waiting() && t.Held == nil && (t.Owner == incident.Nobody || t.Owner == actor(by))
	}
}

// target returns a ticket for which a command makes sense; for a command that is
// not known here, any.
func (g *generator) target(command, by string) incident.Ticket {
	fits := map[string]func(incident.Ticket) bool{
		"take":      func(t incident.Ticket) bool { return t.Owner == incident.Nobody },
		"release":   func(t incident.Ticket) bool { return t.Owner == actor(by) },
		"reopen":    func(t incident.Ticket) bool { return !t.Open() },
		"link":      isChild,
		"unlink":    func(t incident.Ticket) bool { return len(t.Parents) > 0 },
		"reply":     isChild,
		"resend":    func(t incident.Ticket) bool { return isChild(t) && t.LastInside != nil },
		"reply-all": isIncident,
		"deliver":   func(t incident.Ticket) bool { return t.Held != nil },
		"resolve":   incident.Ticket.Open,
		"abandon":   func(t incident.Ticket) bool { return isIncident(t) && t.Open() },
		"reject":    func(t incident.Ticket) bool { return t.Kind == incident.KindReport && t.Open() },
		"steal":     func(t incident.Ticket) bool { return t.Owner != incident.Nobody && t.Owner != actor(by) },
		"unmerge":   func(t incident.Ticket) bool { return t.MergedInto != 0 },
		"accept":    decidable(by),
		"attach":    decidable(by),
		"group":     decidable(by),

		"release-mail": func(t incident.Ticket) bool { return t.LastInside != nil },
		"drop-mail":    func(t incident.Ticket) bool { return t.LastInside != nil },
		"confirm-mail": func(t incident.Ticket) bool { return t.LastInside != nil },
	}[command]
	switch {
	case command == "move" && g.IntN(3) == 0:
		fits = func(t incident.Ticket) bool { return t.Kind == incident.KindBlock && alive(t) }
	case fits == nil:
		fits = alive
	case command != "unmerge":
		narrow := fits
		fits = func(t incident.Ticket) bool { return alive(t) && narrow(t) }
	}
	return g.one(fits)
}

// weights say how often a command is given; 2 where nothing is said.
func weights() map[string]int {
	return map[string]int{"open": 6, "link": 4, "move": 6, "edit": 8, "reply": 4, "deliver": 3, "unlink": 3, "take": 1, "release": 1, "assign": 3}
}

// command makes a command: the one with that name, or any.
func (g *generator) command(by, name string) Call {
	known := shapes()
	var names []string
	for _, n := range slices.Sorted(maps.Keys(known)) {
		weight, ok := weights()[n]
		if !ok {
			weight = 2
		}
		names = append(names, slices.Repeat([]string{n}, weight)...)
	}
	if name == "" {
		name = pick(g, names...)
	}
	c := Call{Name: name}
	shape := known[name]
	var target incident.Ticket
	_, aimed := member(shape, "ticket")
	switch {
	case aimed:
		target = g.target(name, by)
	case name == "open":
		target = incident.Ticket{Kind: pick(g, incident.Kinds()...)}
		c.Opens = g.fresh()
	}
	for f := range fields(shape) {
		arg := jsonName(f)
		switch {
		case arg == "ticket":
			c.Args = append(c.Args, Arg{Values: []string{g.ref(target.ID)}})
		case arg == "kind" && !aimed:
			c.Args = append(c.Args, Arg{Values: []string{string(target.Kind)}})
		case arg == "parents" && target.Kind == incident.KindIncident:
		case !strings.Contains(f.Tag.Get("json"), ",omit"), g.gives(name, arg, shape.NumField()):
			c.Args = append(c.Args, g.argument(name, arg, f.Type, target)...)
		}
	}
	for _, f := range g.policy.Fields {
		opens := target.Kind
		if name == "accept" {
			opens = incident.KindIncident
		}
		if (name == "open" || name == "accept") && f.Mandatory && f.Has(opens) && len(f.Choices()) > 0 && g.IntN(20) > 0 {
			c.Args = append(c.Args, Arg{Key: "fields." + f.Name, Values: []string{pick(g, f.Choices()...)}})
		}
	}
	return c
}

// gives reports whether a command is to have an argument that may be left out, of
// a number of them.
func (g *generator) gives(command, argument string, of int) bool {
	switch {
	case command == "open" && slices.Contains([]string{"subject", "requestors"}, argument):
		return true
	case command == "open" && slices.Contains([]string{"parents", "fields"}, argument):
		return g.IntN(4) > 0
	case slices.Contains([]string{"version", "number"}, argument): // all that waits
		return false
	case argument == "constituency": // incidents and children must agree on one now and then
		return g.IntN(5) == 0
	}
	return g.IntN(max(2, of*2/3)) == 0 // one or two: with more, it is likelier refused
}

// argument makes an argument by its type, and where that says too little by its
// name; nothing for a type that is made by programs only.
func (g *generator) argument(command, name string, t reflect.Type, target incident.Ticket) []Arg {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	one := func(values ...string) []Arg { return []Arg{{Key: name, Values: values}} }
	life := g.policy.Lifecycles[target.Kind]
	switch t {
	case reflect.TypeFor[incident.ID]():
		return one(g.ref(g.other(command, name, target)))
	case reflect.TypeFor[[]incident.ID]():
		values := []string{g.ref(g.one(isIncident).ID), g.ref(g.one(isIncident).ID)}[:1+g.IntN(2)]
		if command == "group" {
			values = []string{g.ref(g.one(func(t incident.Ticket) bool {
				return t.Waiting() && t.ID != target.ID && slices.ContainsFunc(t.Observables, func(o incident.Observable) bool {
					return o.Kind == incident.Address && slices.ContainsFunc(target.Observables, o.Same)
				})
			}).ID)}
		}
		if name == "children" {
			values = nil
			for _, child := range slices.Sorted(maps.Keys(g.checker.children[target.ID])) {
				values = append(values, g.ref(child))
			}
			values = values[:g.IntN(len(values)+1)]
		}
		return one(append(values, "")[:max(1, len(values))]...)
	case reflect.TypeFor[[]incident.Kind]():
		return one(string(pick(g, incident.Kinds()...)))
	case reflect.TypeFor[incident.Status]():
		var allowed []incident.Status
		if target.ID != 0 {
			allowed = g.policy.Allowed(target)
		}
		for _, s := range life.Statuses {
			if target.ID == 0 && s.First || g.IntN(20) == 0 {
				allowed = append(allowed, s.Name)
			}
		}
		if len(allowed) == 0 {
			return one("no status")
		}
		return one(string(pick(g, allowed...)))
	case reflect.TypeFor[incident.Outcome]():
		return one(string(pick(g, incident.Accepted, incident.Rejected)))
	case reflect.TypeFor[incident.Actor]():
		return one(pick(g, g.handler(), g.handler(), nobody))
	case reflect.TypeFor[time.Time]():
		return one(moment(g.player.w.Now().Add(time.Duration(g.IntN(80)-20) * time.Hour / 4)))
	case reflect.TypeFor[[]incident.Party]():
		return one(pick(g, outsiders()...))
	case reflect.TypeFor[[]incident.Observable]():
		return one(fmt.Sprintf("192.0.2.%d", g.IntN(250)), pick(g, "www.example.com", "CVE-2026-0001", "2001:db8::/48"))
	case reflect.TypeFor[map[string][]string]():
		return g.field(name, target.Kind)
	case reflect.TypeFor[*incident.Call]().Elem():
		return []Arg{{Key: name + ".direction", Values: []string{pick(g, "in", "out")}}, {Key: name + ".person", Values: []string{"Bob"}}}
	}
	if f, ok := g.policy.Field(name); ok && t.Kind() == reflect.String && len(f.Choices()) > 0 {
		return one(pick(g, f.Choices()...))
	}
	switch t.Kind() {
	case reflect.Bool:
		return one(fmt.Sprint(g.IntN(2) == 0))
	case reflect.Int:
		return one(fmt.Sprint(g.IntN(103)))
	case reflect.Uint64: // a version that somebody has seen, mostly one of the newest
		return one(fmt.Sprint(max(1, int(target.Version)+1-g.IntN(6))))
	case reflect.String:
		return one(pick(g, phrases(name)...))
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return one(pick(g, phrases(name)...))
		}
	}
	return nil
}

// field sets one of the fields that the policy gives tickets of a kind.
func (g *generator) field(name string, kind incident.Kind) []Arg {
	f := workflow.Field{Name: "Something else"}
	for _, n := range g.Perm(len(g.policy.Fields)) {
		if named := g.policy.Fields[n]; named.Has(kind) && named.Name != strings.ToLower(named.Name) {
			f = named
			break
		}
	}
	value := pick(g, append(f.Choices(), "", "something")...)
	if f.Time {
		value = g.player.w.Now().Add(time.Duration(g.IntN(40)) * time.Hour).Format(time.RFC3339)
	}
	return []Arg{{Key: name + "." + f.Name, Values: []string{value}}}
}

// other returns the second ticket of a command.
func (g *generator) other(command, name string, target incident.Ticket) incident.ID {
	switch {
	case command == "unlink" && len(target.Parents) > 0:
		return pick(g, target.Parents...)
	case name == "parent":
		return g.one(isIncident).ID
	case name == "incident":
		return g.one(func(t incident.Ticket) bool { return isIncident(t) && t.Open() }).ID
	case name == "into":
		return g.one(func(t incident.Ticket) bool { return t.Kind == target.Kind && t.ID != target.ID && alive(t) }).ID
	case name == "to" && g.IntN(4) == 0:
		return g.one(isIncident).ID
	}
	return g.one(isChild).ID
}

// phrases are what a text may be, by the name of the argument.
func phrases(name string) []string {
	known := map[string][]string{
		"subject":      {"Scan", "Phishing", "Überlauf", "Re: [Other #7] x"},
		"clear":        {"due", "wake", "started"},
		"constituency": {"hospital", "students", ""},
		"via":          {"telephone", "post"},
		"address":      {"bob@example.org", "noc@example.com", "eve@example.com"},
	}[name]
	if known == nil {
		known = []string{"Please look into 192.0.2.7.", "Nothing new.", " "}
	}
	return known
}

func outsiders() []string {
	return []string{"Bob <bob@example.org>", "noc@example.com", "eve@example.com"}
}

// mail is a mail of any sort: new, to a ticket in one way or another, by a
// machine, by the team, to several tickets, to none, or once more.
func (g *generator) mail() Step {
	if n := len(g.mails); n > 0 && g.IntN(12) == 0 {
		again := g.mails[g.IntN(n)]
		again.Calls = slices.Clone(again.Calls)
		again.Calls[0].Opens = g.fresh()
		return again
	}
	name := g.fresh()
	from := pick(g, outsiders()...)
	args := map[string][]string{"subject": {pick(g, phrases("subject")...)}, "id": {name + "@example.org"}}
	child := func() incident.Ticket {
		t := g.one(isChild)
		if len(t.Requestors) > 0 && g.IntN(3) > 0 {
			from = t.Requestors[0].Address
		}
		return t
	}
	switch g.IntN(16) {
	case 0, 1, 2, 3:
	case 4:
		args["answers"] = []string{g.ref(child().ID)}
	case 5:
		args["re"] = []string{g.ref(child().ID)}
		args["header.Auto-Submitted"] = []string{"auto-replied"}
	case 6:
		args["re"] = []string{g.ref(child().ID)}
		args["envelope"] = []string{""}
	case 7:
		args["re"] = []string{g.ref(g.one(isIncident).ID)}
	case 8:
		args["re"] = []string{g.ref(child().ID), g.ref(child().ID)}
	case 9:
		t := child()
		from = "dave@example.net"
		args["re"] = []string{g.ref(t.ID)}
		if len(t.Requestors) > 0 {
			args["cc"] = []string{t.Requestors[0].Address}
		}
	case 10, 11:
		t := child()
		from = "mailer-daemon@example.com"
		args["bounces"], args["failed"] = []string{g.ref(t.ID)}, []string{pick(g, "bob@example.org", "noc@example.com", "eve@example.com")}
		args["subject"], args["envelope"], args["status"] = []string{"Undelivered"}, []string{""}, []string{pick(g, "5.1.1", "5.1.1", "4.2.2")}
	default:
		args["re"] = []string{g.ref(child().ID)}
	}
	s := call("", "mail", Arg{Key: "from", Values: []string{from}})
	for _, key := range slices.Sorted(maps.Keys(args)) {
		s.Calls[0].Args = append(s.Calls[0].Args, Arg{Key: key, Values: args[key]})
	}
	s.Calls[0].Opens = name
	s.Text = []string{fmt.Sprintf("Letter %s about 198.51.100.%d.", name, g.IntN(250))}
	g.mails = append(g.mails, s)
	return s
}
