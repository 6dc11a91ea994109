package main

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// listNames are the lists of the library, and all.
func listNames() []string {
	var names []string
	for _, l := range desk.Lists() {
		names = append(names, string(l))
	}
	return append(names, "all")
}

func list(c *call, flags *flag.FlagSet) action {
	var q storage.Query
	asked := false
	filter := func(name, doc string, set func(string) error) {
		flags.Func(name, doc, func(s string) error { asked = true; return set(s) })
	}
	filter("kind", "`report`, incident, investigation or block; repeatable", func(s string) error {
		kind, ok := incident.ParseKind(s)
		if !ok {
			return fmt.Errorf("there is no kind %q: allowed are %v", s, incident.Kinds())
		}
		q.Kinds = append(q.Kinds, kind)
		return nil
	})
	var named []string
	filter("status", "`status` of the ticket, repeatable", func(s string) error { named = append(named, s); return nil })
	filter("owner", "`name` of a handler, or nobody; repeatable", func(s string) error {
		owner := incident.Actor("handler:" + strings.TrimPrefix(s, "handler:"))
		if s == "nobody" || s == "" {
			owner = incident.Nobody
		}
		q.Owners = append(q.Owners, owner)
		return nil
	})
	filter("parent", "children of the incident with this `number`", func(s string) (err error) {
		q.Parent, err = incident.ParseID(s)
		return err
	})
	filter("touches", "an address or network has to do with this `prefix`, like 192.0.2.0/24", func(s string) (err error) {
		q.Touches, err = parseTouches(s)
		return err
	})
	filter("mail", "this mail `address` is requestor, copy, contact or in a text", func(s string) error { q.Mail = s; return nil })
	filter("under", "a name, mail address or URL lies in this `domain`", func(s string) error { q.Under = s; return nil })
	topic := flags.String("topic", "", "only what is of this `topic`, in a list or in what the flags describe")
	after := afterFlag(flags)
	return func(ctx context.Context, words []string) error {
		name := "new"
		if len(words) > 0 {
			name = words[0]
		}
		if !slices.Contains(listNames(), name) {
			return usage("there is no list %q: allowed are %s", name, strings.Join(listNames(), ", "))
		}
		if asked && len(words) > 0 && name != "all" {
			return usage("flags describe a list of their own: leave out the name %s, or the flags", name)
		}
		w, err := c.open(ctx, setting{})
		if err != nil {
			return err
		}
		defer w.Close()
		if q.Statuses, err = chosenStatuses(w.desk.Policy(), named); err != nil {
			return err
		}
		if asked {
			name = "all"
		} else {
			q = w.me.Query(desk.List(name))
		}
		if *topic != "" {
			if q.Fields, err = topicAsked(w.desk.Policy(), *topic); err != nil {
				return err
			}
			name += " of " + q.Fields[0].Value
		}
		page, err := w.me.List(ctx, q, *after)
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(page)
		}
		return c.page(name, page)
	}
}

// topicAsked is what asks for a topic.
func topicAsked(p *workflow.Policy, topic string) ([]storage.Field, error) {
	name, known := p.Topics()
	if name == "" {
		return nil, desk.ErrNoTopics
	}
	if f, ok := p.Field(name); ok {
		known = append(known, f.Choices()...)
	}
	i := slices.IndexFunc(known, func(s string) bool { return strings.EqualFold(s, topic) })
	if i < 0 {
		slices.Sort(known)
		return nil, usage("there is no topic %q: allowed are %q", topic, slices.Compact(known))
	}
	return []storage.Field{{Name: name, Value: known[i]}}, nil
}

// topics counts the open work of each topic.
func topics(c *call, _ *flag.FlagSet) action {
	return func(ctx context.Context, _ []string) error {
		w, err := c.open(ctx, setting{})
		if err != nil {
			return err
		}
		defer w.Close()
		loads, err := w.me.Load(ctx)
		if err != nil {
			return err
		}
		if c.json {
			return c.printJSON(loads)
		}
		table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintf(table, "TOPIC\tNEW REPORTS\tOPEN INCIDENTS\tUNOWNED\tOVERDUE\n")
		for _, l := range loads {
			fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\n", cmp.Or(printable(l.Topic), "-"), l.New, l.Incidents, l.Unowned, l.Overdue)
		}
		return table.Flush()
	}
}

// statuses returns the statuses of a policy that are called by a name, or, without
// one, all of them, each once.
func statuses(p *workflow.Policy, name string) []incident.Status {
	var found []incident.Status
	add := func(s workflow.StatusDef) {
		if !slices.Contains(found, s.Name) {
			found = append(found, s.Name)
		}
	}
	for _, kind := range incident.Kinds() {
		l := p.Lifecycles[kind]
		if s, ok := l.Status(incident.Status(name)); ok {
			add(s)
		}
		for _, s := range l.Statuses {
			if name == "" {
				add(s)
			}
		}
	}
	return found
}

// afterFlag says where a page begins.
func afterFlag(flags *flag.FlagSet) **storage.Cursor {
	var after *storage.Cursor
	flags.Func("after", "`place` after which the page begins, as the page before it says", func(s string) (err error) {
		after, err = parsePlace(s)
		return err
	})
	return &after
}

// parseTouches reads an address or a prefix.
func parseTouches(s string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return p, fmt.Errorf("%q is no network: allowed are 192.0.2.7, 192.0.2.0/24 and 2001:db8::/32", s)
	}
	return p, nil
}

// placeOf writes where a page ends, in what the lists sort by: number, priority
// and due date.
func placeOf(after *storage.Cursor) string {
	due := "none"
	if after.Due != nil {
		due = after.Due.Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%s,%d,%s", after.ID, after.Priority, due)
}

// parsePlace reads what placeOf writes, and the cursor that --json prints.
func parsePlace(s string) (*storage.Cursor, error) {
	parts := strings.SplitN(s, ",", 3)
	after := &storage.Cursor{}
	var err error
	if strings.HasPrefix(s, "{") {
		parts, err = nil, json.Unmarshal([]byte(s), after)
	} else if after.ID, err = incident.ParseID(parts[0]); err == nil && len(parts) == 3 {
		if after.Priority, err = strconv.Atoi(parts[1]); err == nil && parts[2] != "none" {
			var due time.Time
			due, err = time.Parse(time.RFC3339Nano, parts[2])
			after.Due = &due
		}
	}
	if err != nil || len(parts) == 2 {
		return nil, fmt.Errorf("%q is no place in a list: take it from the last line of the page before", s)
	}
	return after, nil
}

// page prints a page of a list.
func (c *call) page(name string, page desk.Page) error {
	tell := teller{c.zone}
	fmt.Fprintf(c.stdout, "%s: %d of %d tickets, %s\n", name, len(page.Rows), page.Total, tell.when(page.At))
	if len(page.Rows) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "ID\tKIND\tSTATUS\tOWNER\tPRIORITY\tDUE\tUPDATED\tREQUESTOR\tSUBJECT\n")
	for _, row := range page.Rows {
		due := tell.date(row.Due)
		if row.Overdue {
			due += " OVERDUE"
		}
		requestor := "-"
		if len(row.Requestors) > 0 {
			requestor = printable(row.Requestors[0].Address)
		}
		fmt.Fprintf(table, "#%s\t%s\t%s\t%s%s\t%d\t%s\t%s\t%s\t%s%s\n", row.ID, row.Kind, row.Status, actor(row.Owner), tell.atWork(", ", row.AtWork),
			row.Priority, due, tell.when(row.Updated), clip(requestor, 40), held(row.Ticket)+comesBack(row)+chased(row.Chasing), clip(printable(row.Subject), 70))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if page.Next != nil {
		fmt.Fprintf(c.stdout, "next page: the same with --after %s\n", placeOf(page.Next))
	}
	return nil
}

// atWork says who works on a ticket, each behind a word.
func (w teller) atWork(before string, list []incident.Attention) string {
	var text strings.Builder
	for _, a := range list {
		fmt.Fprintf(&text, "%s%s works on it until %s", before, actor(a.By), w.when(a.Until))
		before = ", "
	}
	return text.String()
}

// held marks a report that waits for a person.
func held(t incident.Ticket) string {
	switch {
	case t.Held == nil:
		return ""
	case len(t.Held.Candidates) == 0:
		return fmt.Sprintf("HELD %s: ", t.Held.Reason)
	}
	return fmt.Sprintf("HELD %s, may belong to %s: ", t.Held.Reason, tickets(t.Held.Candidates))
}

// comesBack marks a ticket that does not reach everybody.
func comesBack(row desk.Row) string {
	if len(row.Defective) == 0 {
		return ""
	}
	return fmt.Sprintf("DEFECTIVE %s: ", printable(strings.Join(row.Defective, ", ")))
}

// chased marks an investigation that nobody answers.
func chased(n workflow.Chasing) string {
	if n.Timeouts == 0 {
		return ""
	}
	return fmt.Sprintf("UNANSWERED %d times: ", n.Timeouts)
}

// clip shortens text to n characters.
func clip(s string, n int) string {
	runes := []rune(s)
	if len(runes) <= n {
		return s
	}
	return string(runes[:n-1]) + "…"
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
