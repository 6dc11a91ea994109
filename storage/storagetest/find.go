package storagetest

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

func findChecks() []Check {
	return []Check{
		{"FindEqualsMatch", "Find returns exactly the tickets for which Query.Match is true, in the order of Query.Compare, from behind Query.After on, at most Query.Limit of them.", findEqualsMatch},
		{"Paging", "Find returns tickets from behind Query.After on: pages by cursor leave nothing out and repeat nothing, also where keys are equal.", paging},
		{"DueUnsetFirst", "Tickets without a due date sort before those with one.", dueUnsetFirst},
		{"StringsBytewise", "Strings compare bytewise.", stringsBytewise},
		{"Count", "Count counts the tickets that Find returns, without After and Limit.", count},
		{"OddText", "Find returns exactly the tickets for which Query.Match is true, whatever valid UTF-8 without NUL the text is.", oddText},
		{"Texts", "FindText returns what Find returns, of those tickets that have a text with all words in it, and CountText counts as Count does.", findText},
		{"Desk", "Find never returns the desk, ticket 0, which has a history like any other ticket.", desk},
	}
}

const (
	worldTickets = 500
	worldQueries = 2000 // a fifth of them with -short
	perField     = 50   // at least, of all
)

func findEqualsMatch(c *trial) {
	all := c.world(worldTickets)
	asked := newQueryCounts()
	queries, perField := worldQueries, perField
	if testing.Short() {
		queries, perField = queries/5, perField/5
	}
	none, some := 0, 0
	c.view(func(ctx context.Context, r storage.Reader) {
		for i := range queries {
			q := c.query(all)
			asked.add(q)
			var matching []incident.Ticket
			for _, t := range all {
				if q.Match(t) {
					matching = append(matching, t)
				}
			}
			want := q.Select(matching)
			got, err := r.Find(ctx, q)
			if err != nil {
				c.broken("seed %d, query %d: error %v\nquery: %s", c.seed, i, err, text(q))
			}
			if !slices.Equal(ids(got), ids(want)) {
				c.broken("seed %d, query %d: Find gives\n%v\nMatch and Compare give\n%v\nquery: %s", c.seed, i, ids(got), ids(want), text(q))
			}
			if len(got) > 0 && text(got[0]) != text(want[0]) {
				c.broken("seed %d, query %d: Find gives the ticket\n%s\nAppend made\n%s", c.seed, i, text(got[0]), text(want[0]))
			}
			switch len(matching) {
			case 0:
				none++
			case len(all):
			default:
				some++
			}
		}
	})
	c.Logf("seed %d: %d tickets, %d queries; %d describe some tickets, %d none, %d all", c.seed, len(all), queries, some, none, queries-some-none)
	c.Logf("queries by field: %s", asked)
	if some < queries/2 {
		c.Fatalf("the check is too easy: only %d of %d answers are neither none nor all", some, queries)
	}
	if few := asked.below(perField); len(few) > 0 {
		c.Fatalf("the check is too easy: fewer than %d queries use %v", perField, few)
	}
}

func paging(c *trial) {
	all := c.world(90)
	orders := [][]storage.Order{nil, storage.MostDue()}
	for _, column := range storage.Columns() {
		orders = append(orders,
			[]storage.Order{{Column: column}},
			[]storage.Order{{Column: column, Descending: true}},
			[]storage.Order{{Column: storage.ByKind, Descending: true}, {Column: column}})
	}
	for _, order := range orders {
		q := storage.Query{Order: order, Limit: 7}
		want := ids(storage.Query{Order: order}.Select(all))
		var got []incident.ID
		for {
			var page []incident.Ticket
			c.must(c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) (err error) {
				page, err = r.Find(ctx, q)
				return err
			}))
			got = append(got, ids(page)...)
			if len(page) == 0 || len(got) > len(all) {
				break
			}
			q.After = throughJSON(c, storage.CursorAt(page[len(page)-1]))
		}
		if !slices.Equal(got, want) {
			c.broken("ordered by %s, the pages of 7 hold\n%v\nall at once are\n%v", text(order), got, want)
		}
	}

	// A cursor stays where it is when its ticket moves, or was never there.
	gone := storage.CursorAt(all[40])
	gone.ID, gone.Subject = 1_000_000, "no ticket has this"
	q := storage.Query{Order: []storage.Order{{Column: storage.BySubject}}, After: gone}
	c.view(func(ctx context.Context, r storage.Reader) {
		got, err := r.Find(ctx, q)
		c.must(err)
		if !slices.Equal(ids(got), ids(q.Select(all))) {
			c.broken("behind a cursor whose ticket does not exist are\n%v\nshould be\n%v", ids(got), ids(q.Select(all)))
		}
	})
}

// throughJSON is a cursor that a web page has kept meanwhile.
func throughJSON(c *trial, cursor *storage.Cursor) *storage.Cursor {
	c.Helper()
	b, err := json.Marshal(cursor)
	c.must(err)
	kept := new(storage.Cursor)
	c.must(json.Unmarshal(b, kept))
	return kept
}

// find is one query in a View of its own.
func (c *trial) find(q storage.Query) []incident.ID {
	c.Helper()
	var found []incident.Ticket
	c.must(c.store.View(c.ctx, func(ctx context.Context, r storage.Reader) (err error) {
		found, err = r.Find(ctx, q)
		return err
	}))
	return ids(found)
}

func dueUnsetFirst(c *trial) {
	late, early, unset := c.opened(report("late")), c.opened(report("early")), c.opened(report("unset"))
	ancient := c.opened(report("ancient"))
	c.changed(late, incident.DueSet{Due: ptr(hour(9))})
	c.changed(early, incident.DueSet{Due: ptr(hour(1))})
	c.changed(ancient, incident.DueSet{Due: ptr(time.Date(1901, 1, 1, 0, 0, 0, 0, time.UTC))})
	for _, test := range []struct {
		order []storage.Order
		want  []incident.ID
	}{
		{[]storage.Order{{Column: storage.ByDue}}, []incident.ID{unset.ID, ancient.ID, early.ID, late.ID}},
		{[]storage.Order{{Column: storage.ByDue, Descending: true}}, []incident.ID{late.ID, early.ID, ancient.ID, unset.ID}},
	} {
		if got := c.find(storage.Query{Order: test.order}); !slices.Equal(got, test.want) {
			c.broken("ordered by %s, Find gives %v; want %v (%s has no due date)", text(test.order), got, test.want, unset.ID)
		}
	}
	if got := c.find(storage.Query{Due: storage.DueUnset}); !slices.Equal(got, []incident.ID{unset.ID}) {
		c.broken("without due date are %v; want only %s", got, unset.ID)
	}
}

// collation is text whose order differs between bytes and most other rules.
func collation() []string {
	return []string{
		"", " ", "A", "B", "Z", "_", "a", "a ", "aA", "aa", "ab", "b", "z", "Ä", "ä", "\u00e9", "e\u0301", "ß", "ss",
		"10", "9", "%", "\ufb01", "\uffff", "\U0001f600", "\U00010000", "Straße", "STRASSE", "ÿ",
	}
}

func stringsBytewise(c *trial) {
	texts := collation()
	byText := map[string]incident.ID{}
	for i, at := range c.rand.Perm(len(texts)) {
		ev := report(texts[at])
		ev.Owner, ev.Constituency, ev.Status = incident.Actor(texts[at]), texts[at], incident.Status(texts[at])
		ev.Kind = incident.Kinds()[i%4]
		byText[texts[at]] = c.opened(ev).ID
	}
	slices.Sort(texts)
	want := make([]incident.ID, 0, len(texts))
	for _, s := range texts {
		want = append(want, byText[s])
	}
	for _, column := range []storage.Column{storage.BySubject, storage.ByOwner, storage.ByConstituency, storage.ByStatus} {
		up := c.find(storage.Query{Order: []storage.Order{{Column: column}}})
		down := c.find(storage.Query{Order: []storage.Order{{Column: column, Descending: true}}})
		slices.Reverse(down)
		if !slices.Equal(up, want) || !slices.Equal(down, want) {
			c.broken("the texts %q, in the order of their bytes, are on the tickets %v; ordered by %s Find gives %v, and descending the reverse of %v", texts, want, column, up, down)
		}
	}
	for _, s := range texts {
		if got := c.find(storage.Query{Constituencies: []string{s}}); !slices.Equal(got, []incident.ID{byText[s]}) {
			c.broken("of constituency %q is ticket %s alone; Find gives %v", s, byText[s], got)
		}
	}
	for at, s := range texts {
		q := storage.Query{Order: []storage.Order{{Column: storage.BySubject}}, After: &storage.Cursor{Subject: s, ID: incident.MaxID}}
		if got := c.find(q); !slices.Equal(got, want[at+1:]) {
			c.broken("behind subject %q are %v; Find gives %v", s, want[at+1:], got)
		}
	}
}

func count(c *trial) {
	all := c.world(120)
	c.view(func(ctx context.Context, r storage.Reader) {
		for i := range 300 {
			q := c.query(all)
			whole := q
			whole.After, whole.Limit = nil, 0
			want := len(whole.Select(all))
			if got, err := r.Count(ctx, q); err != nil || got != want {
				c.broken("seed %d, query %d: Count gives %d, %v; Match is true for %d\nquery: %s", c.seed, i, got, err, want, text(q))
			}
		}
		if got, err := r.Count(ctx, storage.Query{Limit: 3, After: storage.CursorAt(all[9])}); err != nil || got != len(all) {
			c.broken("with a Limit of 3 and an After, Count gives %d, %v; there are %d tickets", got, err, len(all))
		}
	})
}

// oddities is text that stores have been seen to alter, or to take for more
// than text. It is valid UTF-8 and has no NUL: intake sees to that.
func oddities() []string {
	var controls strings.Builder
	for b := byte(1); b < 0x20; b++ {
		controls.WriteByte(b)
	}
	return []string{
		controls.String(), "\x7f", "\u0080\u009f", "'; DROP TABLE tickets; --", `"quoted" \"back\slash\\`, "%", "_", "100%_*?[a-z]",
		"${x} {{.X}} $1 ?1 :name @name", "  both ends  ", "trailing ", "line\r\nline\ttab", "\ufeffmark", "\u2028\u2029", "\ufffd", "\uffff\ufffe",
		"\U0001f600\U0010ffff", "e\u0301 \u00e9", "\u202eright to left", "null", "true", "0", "00", "1e3", "[]", "{}", "<b>&amp;</b>", strings.Repeat("long ", 2000),
	}
}

func oddText(c *trial) {
	var all []incident.Ticket
	for _, s := range oddities() {
		ev := report(s)
		ev.Owner, ev.Constituency, ev.State, ev.Status = incident.Actor(s), s, incident.State(s), incident.Status(s)
		ev.Fields = map[string][]string{"plain": {s}, s: {"plain", s}}
		ev.Content.ExternalIDs = []string{s}
		ev.Content.Requestors = []incident.Party{{Name: s, Address: s + "@example.org"}}
		ev.Content.Observables = []incident.Observable{{Kind: incident.Host, Value: s}, {Kind: incident.URL, Value: "https://example.org/" + s}}
		all = append(all, c.opened(ev))
	}
	for i, s := range oddities() {
		if got := c.ticket(all[i].ID); text(got) != text(all[i]) {
			c.broken("with text %q the ticket is\n%s\nAppend made\n%s", s, text(got), text(all[i]))
		}
		for _, q := range []storage.Query{
			{Owners: []incident.Actor{incident.Actor(s)}},
			{Constituencies: []string{s}},
			{States: []incident.State{incident.State(s)}},
			{Statuses: []incident.Status{incident.Status(s)}},
			{Fields: []storage.Field{{Name: "plain", Value: s}}},
			{Fields: []storage.Field{{Name: s, Value: "plain"}}},
			{Mail: s + "@example.org"},
			{Under: s},
			{Scope: &storage.Scope{Grants: []storage.Grant{{Owner: incident.Actor(s)}}}},
		} {
			if got, want := c.find(q), ids(q.Select(all)); !slices.Equal(got, want) {
				c.broken("with text %q Find gives %v; want %v\nquery: %s", s, got, want, text(q))
			}
		}
	}
}

func desk(c *trial) {
	t := c.opened(report("first"))
	deskRecord := sealed(incident.Ticket{}, incident.Desk, hour(1), incident.Opened{Kind: incident.KindDesk})
	c.update(func(ctx context.Context, tx storage.Tx) { c.must(tx.Append(ctx, deskRecord)) })
	d := c.ticket(incident.Desk)
	if d.Kind != incident.KindDesk || d.Version != 1 {
		c.broken("after the first record of the desk, Ticket(0) gives %s", text(d))
	}
	d = c.changed(d, incident.Custom{Name: "adopted", Data: []byte(`{"policy":1}`)})
	if records := c.history(storage.HistoryQuery{Tickets: []incident.ID{incident.Desk}}); len(records) != 2 || records[1].Hash != d.Hash {
		c.broken("two records were appended to ticket 0; its history is %s", text(records))
	}
	for _, q := range []storage.Query{
		{}, {IDs: []incident.ID{incident.Desk, t.ID}}, {Kinds: []incident.Kind{incident.KindDesk, incident.KindReport}},
		{Order: []storage.Order{{Column: storage.ByKind}}},
	} {
		if got := c.find(q); !slices.Equal(got, []incident.ID{t.ID}) {
			c.broken("Find gives %v where ticket %s is the only one but the desk\nquery: %s", got, t.ID, text(q))
		}
	}
	c.view(func(ctx context.Context, r storage.Reader) {
		if n, err := r.Count(ctx, storage.Query{}); err != nil || n != 1 {
			c.broken("Count gives %d, %v: it counts the desk", n, err)
		}
	})
	if next := c.opened(report("second")); next.ID != t.ID+1 {
		c.broken("the ticket after %s is %s: records of the desk must not use up numbers", t.ID, next.ID)
	}
}
