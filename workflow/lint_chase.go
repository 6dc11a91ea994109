package workflow

import (
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// reaction is what wakes a rule in earnest, and what its commands then cause.
type reaction struct{ on, causes []signal }

func signals(event, way string, kinds ...incident.Kind) []signal {
	var list []signal
	for _, kind := range kinds {
		list = append(list, signal{event, kind, way})
	}
	return list
}

// reactions are those of the built-in rules to what other rules cause: mail that a
// rule writes opens nothing again, where a person's would. That they name the events which the
// commands of each rule cause, and no others, a test reads from the source.
func reactions() map[string]reaction {
	inc, rep, block := incident.KindIncident, incident.KindReport, incident.KindBlock
	children := []incident.Kind{rep, incident.KindInvestigation, block}
	in := signals("message", "in", children...)
	linked := slices.Concat(signals("opened", "", children...), signals("linked", "", children...))
	active := slices.Concat(signals("moved", "opens", children...), signals("moved", "activates", children...))
	told := []signal{{event: "notified"}}
	sorted := []signal{{event: "opened"}, {event: "message"}, {event: "joined"}}
	for _, way := range []string{"subject", "constituency", "observables", "fields"} {
		sorted = append(sorted, signal{event: "edited", way: way})
	}
	return map[string]reaction{
		"open-linked-report":     {slices.Concat(linked, signals("joined", "", rep)), signals("moved", "activates", rep)},
		"reopen-linked-incident": {slices.Concat(linked, signals("joined", "", children...)), signals("moved", "opens", inc)},
		"copy-observables":       {linked, signals("edited", "observables", inc)},
		ruleAcceptKnown: {signals("observed", "", rep), slices.Concat(
			signals("opened", "", inc), signals("linked", "", rep), signals("unlinked", "", rep), signals("owned", "", rep), signals("observed", "", inc),
			signals("commented", "", inc), signals("message", "out", inc))},
		"append-delivered":      {signals("delivered", "", rep), slices.Concat(in, signals("bounced", "", children...), signals("merged", "", children...))},
		ruleApproveBlock:        {signals("message", "in", block), slices.Concat(signals("moved", "activates", block), signals("moved", "closes", block))},
		"request-block-removal": {signals("moved", "waits", block), signals("message", "out", block)},
		"confirm-block-removal": {signals("moved", "closes", block), signals("message", "out", block)},
		"offer-block-notice":    {slices.Concat(signals("opened", "", block), signals("moved", "waits", block)), nil},
		ruleBlockExpiry:         {slices.Concat(signals("opened", "", block), signals("edited", "fields", block)), signals("edited", "dates", block)},
		"reopen-on-reply":       {in, signals("moved", "opens", children...)},
		"foreign-tags":          {in, signals("edited", "subject", children...)},
		ruleSortByTopic:         {sorted, signals("edited", "fields", incident.Kinds()...)},
		ruleCloseChildren:       {signals("moved", "closes", inc), signals("moved", "closes", children...)},
		ruleInheritConstituency: {
			slices.Concat(linked, signals("joined", "", children...), signals("edited", "constituency", inc), signals("edited", "constituency", children...)),
			slices.Concat(signals("edited", "constituency", inc), signals("edited", "constituency", children...)),
		},
		ruleConstituencyToChildren: {signals("edited", "constituency", inc), signals("edited", "constituency", children...)},
		"owner-to-children":        {signals("owned", "", inc), signals("owned", "", children...)},
		"owner-to-incident":        {signals("owned", "", children...), signals("owned", "", inc)},
		"reopen-parents":           {active, signals("moved", "opens", inc)},
		ruleResolution:             {slices.Concat(signals("moved", "opens", inc), signals("moved", "closes", inc)), signals("edited", "fields", inc)},
		"due-on-reply":             {slices.Concat(in, signals("joined", "", children...)), signals("due", "", children...)},
		"due-after-reply":          {signals("message", "out", children...), signals("due", "", children...)},
		"restart-on-reply":         {signals("message", "out", rep), signals("edited", "dates", rep)},
		ruleAcknowledge:            {signals("opened", "", rep), signals("message", "out", rep)},
		"notify-linked":            {linked, told},
		"notify-reply":             {in, told},
		"notify-reopened":          {slices.Concat(signals("moved", "opens", inc), signals("moved", "opens", children...)), told},
		"notify-assigned":          {[]signal{{event: "owned"}}, told},
		"mark-defective":           {[]signal{{event: "bounced"}}, []signal{{event: "address-marked"}}},
		"notify-bounced":           {[]signal{{event: "bounced"}}, told},
		"notify-undelivered":       {[]signal{{event: "undelivered"}}, told},
		"notify-overdue":           {nil, told},
	}
}

// node is a rule in the graph of who wakes whom.
type node struct {
	rule string
	reaction
	wakes []int // others by their place in the list
}

// nodes returns the rules of the policy with whom each wakes. What a rule of the
// embedding program does is told by its Gives alone.
func (p *Policy) nodes() []node {
	known, caused := reactions(), causes()
	list := make([]node, len(p.Rules))
	for i, r := range p.Rules {
		list[i] = node{rule: r.Name, reaction: known[r.Name]}
		if _, builtIn := known[r.Name]; !builtIn {
			for _, event := range r.On {
				list[i].on = append(list[i].on, signal{event: event})
			}
			for _, command := range r.Gives {
				for _, event := range caused[command] {
					cause := signal{event: event}
					if event == (incident.Message{}).Type() && command != (Append{}).Name() {
						cause.way = "out"
					}
					list[i].causes = append(list[i].causes, cause)
				}
			}
		}
	}
	for i := range list {
		for j, other := range list {
			if meet(list[i].causes, other.on) {
				list[i].wakes = append(list[i].wakes, j)
			}
		}
	}
	return list
}

func meet(causes, on []signal) bool {
	return slices.ContainsFunc(causes, func(s signal) bool { return slices.ContainsFunc(on, s.meets) })
}

// chases looks for rules that wake each other in a ring, the smallest ones, and for
// rules that undo what woke them.
func (l *linter) chases() {
	list := l.policy.nodes()
	known := reactions()
	var rings [][]string
	for i := range list {
		if ring := ring(list, i); ring != nil {
			rings = append(rings, ring)
		}
	}
	slices.SortStableFunc(rings, func(a, b []string) int { return len(a) - len(b) })
	for i, ring := range rings {
		if slices.ContainsFunc(rings[:i], func(smaller []string) bool {
			return !slices.ContainsFunc(smaller, func(rule string) bool { return !slices.Contains(ring, rule) })
		}) {
			continue
		}
		own := slices.IndexFunc(ring, func(rule string) bool { _, builtIn := known[rule]; return !builtIn })
		place, names := at("rules", ring[max(own, 0)]), strings.Join(ring, ", ")
		switch why := endsBecause(ring); {
		case why != "":
			l.add(SeverityNote, place, "", "the rules %s wake each other, which ends: %s", names, why)
		case len(ring) == 1:
			l.add(SeverityWarning, place, "make sure that it comes to ask for what is so already", "the rule %s may wake itself without end", names)
		default:
			l.add(SeverityWarning, place, "take one of them out, or make sure that they come to ask for what is so already", "the rules %s may chase each other without end", names)
		}
	}
	for i, n := range list {
		l.undoes(list, i, n)
	}
	for _, r := range l.policy.Rules {
		if _, builtIn := known[r.Name]; !builtIn && r.Gives == nil {
			l.add(SeverityNote, at("rules", r.Name), "name them in Gives", "which commands the rule %q gives is not known, nor whether it chases others", r.Name)
		}
	}
}

// ring returns the names of the fewest rules that lead from a node back to it, in
// alphabetical order; nil if none do.
func ring(list []node, start int) []string {
	from := make([]int, len(list)) // the node that each was reached from
	for i := range from {
		from[i] = -1
	}
	for queue := []int{start}; len(queue) > 0; queue = queue[1:] {
		for _, next := range list[queue[0]].wakes {
			if from[next] >= 0 {
				continue
			}
			from[next] = queue[0]
			if next != start {
				queue = append(queue, next)
				continue
			}
			names := []string{list[start].rule}
			for i := from[start]; i != start; i = from[i] {
				names = append(names, list[i].rule)
			}
			slices.Sort(names)
			return names
		}
	}
	return nil
}

// after returns the nodes that can be woken from some on, with these, in order.
func after(list []node, from []int) []int {
	var reached []int
	for queue := slices.Clone(from); len(queue) > 0; queue = queue[1:] {
		if !slices.Contains(reached, queue[0]) {
			reached = append(reached, queue[0])
			queue = append(queue, list[queue[0]].wakes...)
		}
	}
	slices.Sort(reached)
	return reached
}

// undoes looks for a rule that is woken by the end of a ticket and leads to its
// being opened again.
func (l *linter) undoes(list []node, i int, n node) {
	for _, kind := range incident.Kinds() {
		closed, opened := []signal{{"moved", kind, "closes"}}, []signal{{"moved", kind, "opens"}}
		if !meet(closed, n.on) {
			continue
		}
		for _, j := range append([]int{i}, after(list, n.wakes)...) {
			if known := list[j].causes; meet(opened, known) && !slices.Contains(known, signal{event: "moved"}) {
				l.add(SeverityWarning, at("rules", n.rule), "take one of them out, or narrow one down",
					"the end of %s wakes %s, which leads to %s opening it again", article(kind), n.rule, list[j].rule)
				break
			}
		}
	}
}

// endsBecause says why rules that wake each other in a ring come to an end; nothing
// if they need not.
func endsBecause(ring []string) string {
	if !slices.ContainsFunc(ring, func(rule string) bool { return rule != ruleInheritConstituency && rule != ruleConstituencyToChildren }) {
		return "one value spreads, and giving it to whatever has it already makes no event"
	}
	if slices.Equal(ring, []string{"owner-to-children", "owner-to-incident"}) {
		return "both give the same owner, and giving a ticket to whoever owns it makes no event"
	}
	if slices.Equal(ring, []string{ruleSortByTopic}) {
		return "the topic does not depend on itself, and giving a ticket the topic that it has makes no event"
	}
	return ""
}

// causes are the types of events that each command may cause on any ticket. That
// they are all, a test reads from the source.
func causes() map[string][]string {
	return map[string][]string{
		"open":          {"commented", "delivered", "due", "linked", "message", "observed", "opened", "unlinked"},
		"accept":        {"commented", "delivered", "due", "linked", "message", "observed", "opened", "owned", "unlinked"},
		"attach":        {"delivered", "edited", "linked", "owned", "unlinked"},
		"group":         {"delivered", "joined", "linked", "merged", "moved", "owned", "unlinked"},
		"observe":       {"observed"},
		"take":          {"owned"},
		"steal":         {"owned"},
		"release":       {"owned"},
		"assign":        {"owned"},
		"attend":        {"attended"},
		"move":          {"delivered", "moved", "skipped"},
		"reopen":        {"delivered", "moved", "skipped"},
		"resolve":       {"commented", "delivered", "due", "edited", "message", "moved", "skipped"},
		"abandon":       {"commented", "delivered", "due", "edited", "message", "moved", "skipped"},
		"reject":        {"delivered", "message", "moved", "owned", "skipped"},
		"link":          {"delivered", "linked", "unlinked"},
		"unlink":        {"unlinked"},
		"merge":         {"delivered", "joined", "linked", "merged", "moved", "unlinked"},
		"unmerge":       {"edited", "linked", "moved", "unlinked", "unmerged"},
		"comment":       {"commented"},
		"edit":          {"due", "edited"},
		"reply":         {"message"},
		"reply-all":     {"message", "skipped"},
		"resend":        {"edited", "message"},
		"deliver":       {"delivered", "linked", "merged", "moved", "skipped", "unlinked"},
		"release-mail":  {"settled"},
		"drop-mail":     {"settled"},
		"confirm-mail":  {"settled"},
		"auto-reply":    {"message"},
		"append":        {"bounced", "merged", "message"},
		"mark-address":  {"address-marked"},
		"clear-address": {"address-cleared"},
		"receive-again": {"received-again"},
		"examine":       {"examined", "observed"},
		"close":         {"delivered", "moved"},
		"set-due":       {"due"},
		"restart":       {"edited"},
		"notify":        {"notified"},
		"inform":        {"message"},
		"conclude":      {"reacted"},
		"conclude-mail": {"undelivered"},
		"wake":          {"breached", "due", "edited", "overdue", "warned"},
	}
}
