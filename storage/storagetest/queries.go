package storagetest

import (
	"context"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// world appends n random tickets and returns them as they must be. Values come
// from small sets, so that many tickets share them and sort keys are equal.
func (c *trial) world(n int) []incident.Ticket {
	c.Helper()
	all := make([]incident.Ticket, n)
	const atOnce = 100
	for from := 0; from < n; from += atOnce {
		c.update(func(ctx context.Context, tx storage.Tx) {
			for i := from; i < min(n, from+atOnce); i++ {
				t, err := openAt(ctx, tx, hour(c.rand.IntN(10)), c.randomTicket(all[:i]))
				c.must(err)
				for _, ev := range c.randomEvents() {
					c.must(appendTo(ctx, tx, &t, hour(c.rand.IntN(40)), ev))
				}
				all[i] = t
			}
		})
	}
	return all
}

// pick returns one of list.
func pick[T any](c *trial, list ...T) T { return list[c.rand.IntN(len(list))] }

// some returns one to three of list.
func some[T any](c *trial, list ...T) []T {
	var few []T
	for range 1 + c.rand.IntN(3) {
		few = append(few, pick(c, list...))
	}
	return few
}

func statuses() []incident.Status {
	return []incident.Status{"new", "open", "resolved", "Resolved", "rejected"}
}
func phases() []incident.Phase {
	return []incident.Phase{incident.Initial, incident.Active, incident.Inactive}
}
func states() []incident.State {
	return []incident.State{"", "blocked", "inspection requested", "importé"}
}
func owners() []incident.Actor {
	return []incident.Actor{incident.Nobody, "handler:alice", "handler:Alice", "handler:bob", "handler:zoë"}
}
func constituencies() []string { return []string{"", "campus", "Campus", "library", "Österreich"} }

func (c *trial) randomTicket(before []incident.Ticket) incident.Opened {
	ev := incident.Opened{
		Kind: pick(c, incident.Kinds()...), Status: pick(c, statuses()...), Phase: pick(c, phases()...),
		State: pick(c, states()...), Owner: pick(c, owners()...), Priority: c.rand.IntN(5) - 1,
		Constituency: pick(c, constituencies()...), Via: "mail",
	}
	if len(before) > 10 && c.rand.IntN(2) == 0 {
		for range 1 + c.rand.IntN(2) {
			ev.Parents = append(ev.Parents, before[c.rand.IntN(10)].ID)
		}
	}
	if c.rand.IntN(2) == 0 {
		ev.Fields = map[string][]string{"class": some(c, "scan", "spam", "Scan", "phishing")}
		ev.Content.Fields = map[string][]string{"note": {pick(c, "", "x", "é")}}
	}
	ev.Content.Subject = pick(c, "scan", "Scan", "spam", "", "étude", "\U0001f600", "scan from 192.0.2.7")
	party := func() incident.Party {
		return incident.Party{Name: pick(c, "", "Bob"), Address: pick(c, mailAddresses()...)}
	}
	ev.Content.Requestors = []incident.Party{party()}
	if c.rand.IntN(3) == 0 {
		ev.Content.Cc, ev.Content.Contacts = []incident.Party{party(), party()}, []incident.Party{party()}
	}
	for range c.rand.IntN(3) {
		ev.Content.Observables = append(ev.Content.Observables, c.observable())
	}
	return ev
}

// randomEvents is what happens to a ticket after it was opened.
func (c *trial) randomEvents() []incident.Event {
	var list []incident.Event
	if c.rand.IntN(2) == 0 {
		list = append(list, incident.DueSet{Due: ptr(hour(c.rand.IntN(20)))})
	}
	if c.rand.IntN(4) == 0 {
		list = append(list, incident.Held{Reason: "two tags", Candidates: []incident.ID{1, 2}})
	}
	if c.rand.IntN(4) == 0 {
		list = append(list, incident.Observed{Feed: "feed", Count: 1})
	}
	if c.rand.IntN(4) == 0 {
		list = append(list, incident.Edited{Wake: ptr(hour(c.rand.IntN(20)))})
	}
	if c.rand.IntN(4) == 0 {
		list = append(list, c.clocks()...)
	}
	if c.rand.IntN(4) == 0 {
		list = append(list, incident.Delivered{Outcome: incident.Accepted})
	}
	if c.rand.IntN(3) == 0 {
		m := incident.Message{Side: incident.Outside}
		m.Content.Observables = []incident.Observable{c.observable(), c.observable()}
		list = append(list, m)
	}
	if c.rand.IntN(6) == 0 {
		list = append(list, incident.DueSet{})
	}
	if c.rand.IntN(4) == 0 {
		list = append(list, incident.Moved{To: pick(c, statuses()...), Phase: pick(c, phases()...)})
	}
	return list
}

// clocks is a due date by one or two clocks, some of whose alarms were recorded.
func (c *trial) clocks() []incident.Event {
	var basis incident.Basis
	var list []incident.Event
	for _, name := range []string{"response", "resolve"}[:1+c.rand.IntN(2)] {
		clock := incident.Clock{Name: name, Level: "gold", From: hour(0), Due: hour(c.rand.IntN(20))}
		if c.rand.IntN(2) == 0 {
			clock.Warn = ptr(clock.Due.Add(-time.Hour))
		}
		basis.Clocks = append(basis.Clocks, clock)
		if c.rand.IntN(3) == 0 {
			list = append(list, incident.Warned{Clock: name, Level: "gold", From: clock.From, Due: clock.Due})
		}
		if c.rand.IntN(3) == 0 {
			list = append(list, incident.Breached{Clock: name, Level: "gold", From: clock.From, Due: clock.Due})
		}
	}
	return append([]incident.Event{incident.DueSet{Due: &basis.Clocks[0].Due, Basis: &basis}}, list...)
}

func mailAddresses() []string {
	return []string{"bob@example.org", "Bob@Example.ORG", "abuse@net.example.com", "zoë@example.net", "bob@sub.example.org"}
}

func names() []string {
	return []string{"example.org", "www.example.org", "WWW.Example.org", "a.b.example.com", "example.com", "badexample.org", "org", "bücher.example"}
}

// prefix is a network: near others, host-sized, everything, or a mapped one.
func (c *trial) prefix() netip.Prefix {
	switch c.rand.IntN(12) {
	case 0:
		return pick(c, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"))
	case 1:
		return netip.PrefixFrom(netip.AddrFrom16(c.address4().As16()), 96+c.rand.IntN(33)) // ::ffff:192.0.2.1/120
	case 2, 3, 4, 5:
		a := c.address4()
		return netip.PrefixFrom(a, pick(c, 8, 20, 24, 26, 28, 31, 32))
	case 6, 7:
		a := c.address4()
		return netip.PrefixFrom(a, a.BitLen())
	default:
		a := c.address6()
		return netip.PrefixFrom(a, pick(c, 16, 32, 48, 61, 64, 127, 128))
	}
}

func (c *trial) address4() netip.Addr {
	return netip.AddrFrom4([4]byte{192, 0, 2 + byte(c.rand.IntN(2)), byte(c.rand.IntN(64))})
}

func (c *trial) address6() netip.Addr {
	a := netip.MustParseAddr("2001:db8::").As16()
	a[5], a[7], a[15] = byte(c.rand.IntN(3)), byte(c.rand.IntN(16)), byte(c.rand.IntN(4))
	return netip.AddrFrom16(a)
}

func (c *trial) observable() incident.Observable {
	role := pick(c, incident.RoleUnknown, incident.RoleSource, incident.RoleTarget)
	made := func(kind incident.ObservableKind, value string) incident.Observable {
		o, err := incident.NewObservable(kind, value, role)
		c.must(err)
		return o
	}
	switch c.rand.IntN(10) {
	case 0, 1, 2:
		return incident.AddressOf(c.address4(), role)
	case 3:
		return incident.AddressOf(c.address6(), role)
	case 4, 5:
		return incident.PrefixOf(c.prefix(), role)
	case 6:
		return made(incident.MailAddress, pick(c, mailAddresses()...))
	case 7:
		return made(incident.URL, "https://"+pick(c, names()...)+"/"+pick(c, "", "x", "192.0.2.1"))
	case 8:
		return made(incident.CVE, "CVE-2014-0160")
	default:
		return made(incident.Host, pick(c, names()...))
	}
}

// query is random; most describe some tickets of all and not the others.
func (c *trial) query(all []incident.Ticket) storage.Query {
	var q storage.Query
	t := all[c.rand.IntN(len(all))] // values that exist
	fields := c.filters(&q, t, all)
	for range pick(c, 1, 1, 1, 2, 2, 3) {
		fields[c.rand.IntN(len(fields))]()
	}
	if c.rand.IntN(10) < 7 {
		for range 1 + c.rand.IntN(2) {
			q.Order = append(q.Order, storage.Order{Column: pick(c, storage.Columns()...), Descending: c.rand.IntN(2) == 0})
		}
	}
	if c.rand.IntN(4) == 0 {
		q.After = storage.CursorAt(all[c.rand.IntN(len(all))])
		if c.rand.IntN(4) == 0 {
			q.After.ID += 1000
		}
	}
	if c.rand.IntN(3) == 0 {
		q.Limit = 1 + c.rand.IntN(60)
	}
	return q
}

// filters sets one field of q each.
func (c *trial) filters(q *storage.Query, t incident.Ticket, all []incident.Ticket) []func() {
	return []func(){
		func() {
			for range 1 + c.rand.IntN(8) {
				q.IDs = append(q.IDs, incident.ID(c.rand.IntN(len(all)+10)))
			}
		},
		func() { q.Kinds = some(c, incident.Kinds()...) },
		func() { q.Statuses = some(c, statuses()...) },
		func() { q.Phases = some(c, phases()...) },
		func() { q.States = some(c, states()...) },
		func() { q.Owners = some(c, owners()...) },
		func() { q.Constituencies = some(c, constituencies()...) },
		func() { q.Parent = all[c.rand.IntN(12)].ID },
		func() { q.Links = pick(c, storage.Linked, storage.Unlinked) },
		func() { q.Machines = pick(c, storage.Observed, storage.NotByFeed) },
		func() { q.Held = pick(c, storage.HeldOnly, storage.NotHeld) },
		func() {
			q.Fields = []storage.Field{{Name: "class", Value: pick(c, "scan", "spam", "Scan", "none")}}
			if c.rand.IntN(4) == 0 {
				q.Fields = append(q.Fields, storage.Field{Name: pick(c, "note", "Class"), Value: pick(c, "", "x", "é")})
			}
		},
		func() { q.Touches = c.prefix() },
		func() {
			q.Touches = c.prefix()
			if len(t.Observables) > 0 {
				if p, ok := t.Observables[0].Network(); ok { // around it
					q.Touches = netip.PrefixFrom(p.Addr(), c.rand.IntN(p.Bits()+1))
				}
			}
		},
		func() {
			q.Under = pick(c, append(names(), "EXAMPLE.org.", "example", "sub.example.org", "xample.org")...)
		},
		func() {
			for range 1 + c.rand.IntN(3) {
				q.Keys = append(q.Keys, c.observable().Key())
			}
		},
		func() { q.Mail = pick(c, append(mailAddresses(), "BOB@example.org", "nobody@example.org")...) },
		func() { q.UpdatedSince = c.around(t.Updated) },
		func() { q.Due = pick(c, storage.DueSet, storage.DueUnset) },
		func() { q.DueBefore = c.around(hour(c.rand.IntN(20))) },
		func() { q.WakeBy = c.around(hour(c.rand.IntN(20))) },
		func() {
			q.Scope = &storage.Scope{}
			for range c.rand.IntN(3) {
				g := storage.Grant{Constituencies: some(c, constituencies()...)}
				if c.rand.IntN(2) == 0 {
					g.Kinds = some(c, incident.Kinds()...)
				}
				if c.rand.IntN(3) == 0 {
					g.Owner = pick(c, owners()...)
				}
				q.Scope.Grants = append(q.Scope.Grants, g)
			}
		},
	}
}

// around is a moment, or the nearest one on either side.
func (c *trial) around(at time.Time) time.Time {
	return at.Add(time.Duration(c.rand.IntN(3)-1) * time.Microsecond)
}

// queryCounts says how many queries used each field; its fields are those that
// [storage.Query] has, so that a new one is not forgotten here.
type queryCounts map[string]int

func newQueryCounts() queryCounts {
	counts := queryCounts{}
	query := reflect.TypeFor[storage.Query]()
	for i := range query.NumField() {
		counts[query.Field(i).Name] = 0
	}
	for _, column := range storage.Columns() {
		counts["by "+string(column)], counts["by "+string(column)+" descending"] = 0, 0
	}
	return counts
}

func (n queryCounts) add(q storage.Query) {
	v := reflect.ValueOf(q)
	for i := range v.NumField() {
		if !v.Field(i).IsZero() {
			n[v.Type().Field(i).Name]++
		}
	}
	for _, o := range q.Order {
		if o.Descending {
			n["by "+string(o.Column)+" descending"]++
		} else {
			n["by "+string(o.Column)]++
		}
	}
}

// below returns what fewer than min queries used.
func (n queryCounts) below(min int) []string {
	var few []string
	for name, count := range n {
		if count < min {
			few = append(few, name)
		}
	}
	slices.Sort(few)
	return few
}

// String lists the counts.
func (n queryCounts) String() string {
	var list []string
	for name, count := range n {
		list = append(list, fmt.Sprintf("%s %d", name, count))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
