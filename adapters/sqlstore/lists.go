package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// A list is read in its order, from indexes that begin with kind and open, so
// that not all is sorted, and no closed ticket is passed over on the way to an
// open one: one stream for each kind and each value of open, and behind a cursor
// as many as the order has columns, each of which is one range of an index. SQLite
// merges them. PostgreSQL cannot, in this case: it takes as many tickets from the
// beginning of each as the list wants, and sorts these.

// maxStreams bounds the streams of one list. Beyond it, the tickets are sorted.
const maxStreams = 100

// find returns the statement for Reader.Find, which selects the document first;
// not for an order that begins with the kind.
func (r *reader) find(ctx context.Context, q storage.Query) (string, []any, error) {
	terms := orderOf(q)
	if len(q.Keys) == 1 && q.Limit > 0 && len(terms) == 1 {
		text, args := newest(r.c.dialect, q, terms)
		return text, args, nil
	}
	streams, err := r.streams(ctx, q, terms)
	if err != nil {
		return "", nil, err
	}
	if len(streams) == 0 {
		text, args := sorted(r.c.dialect, q, terms)
		return text, args, nil
	}
	limit := clause{}
	if q.Limit > 0 {
		limit = clause{" LIMIT ?", []any{q.Limit}}
	}
	columns := "document"
	if len(streams) > 1 { // a union is sorted by what it selects
		for _, t := range terms {
			columns += ", " + t.column
		}
	}
	var parts []string
	var args []any
	for _, s := range streams {
		part := "SELECT " + columns + " FROM tickets WHERE " + s.text
		args = append(args, s.args...)
		if r.c.dialect.limitParts && len(streams) > 1 {
			part = "(" + part + orderBy(terms) + limit.text + ")"
			args = append(args, limit.args...)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " UNION ALL ") + orderBy(terms) + limit.text, append(args, limit.args...), nil
}

// byKind finds what is wanted of each kind in turn, as the kind comes first in
// the order.
func (r *reader) byKind(ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
	kinds, err := r.kinds(ctx, q)
	if err != nil {
		return nil, err
	}
	descending := q.Order[0].Descending
	if descending {
		slices.Reverse(kinds)
	}
	order := append(q.Order[1:len(q.Order):len(q.Order)], storage.Order{Column: storage.ByID, Descending: descending})
	var found []incident.Ticket
	for _, kind := range kinds {
		one := q
		one.Kinds, one.Order, one.Limit = []incident.Kind{kind}, order, q.Limit-len(found)
		switch {
		case q.Limit > 0 && one.Limit == 0:
			return found, nil
		case q.After == nil || kind == q.After.Kind:
		case kind < q.After.Kind != descending:
			continue
		default:
			one.After = nil
		}
		more, err := r.Find(ctx, one)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// streams returns the conditions of the streams; none if no index gives the
// order, or if something else than the order narrows the list down.
func (r *reader) streams(ctx context.Context, q storage.Query, terms []orderTerm) (streams []clause, err error) {
	if !listed(q) || !indexed(terms) {
		return nil, nil
	}
	d := r.c.dialect
	add := func(q storage.Query, texts ...string) {
		w := matching(d, q)
		for _, text := range texts {
			w.add(text)
		}
		pieces := []clause{{text: "TRUE"}}
		if q.After != nil {
			pieces = beyond(terms)
		}
		for _, piece := range pieces {
			streams = append(streams, join(append(slices.Clone(w.list), piece), "AND"))
		}
	}
	if terms[0].column == "id" {
		if unfiltered(q) {
			add(q, "id > 0") // from the primary key
			return streams, nil
		}
		terms[0].column = "number" // from any other index
	}
	kinds, err := r.kinds(ctx, q)
	if err != nil {
		return nil, err
	}
	opens := openValues(q.Phases)
	if len(kinds)*len(opens)*len(terms) > maxStreams {
		return nil, nil
	}
	for _, kind := range kinds {
		one := q
		one.Kinds = []incident.Kind{kind}
		for _, open := range opens {
			if d.long {
				add(one, open, "long = 0")
			} else {
				add(one, open)
			}
		}
	}
	if d.long {
		add(q, "long = 1")
	}
	return streams, nil
}

// listed reports whether nothing but the order narrows a query down.
func listed(q storage.Query) bool {
	return len(q.IDs) == 0 && q.Parent == 0 && len(q.Fields) == 0 && !q.Touches.IsValid() && q.Under == "" && len(q.Keys) == 0 && q.Mail == "" &&
		q.DueBefore.IsZero() && q.WakeBy.IsZero() && q.Held != storage.HeldOnly
}

func unfiltered(q storage.Query) bool {
	return len(q.Kinds) == 0 && len(q.Statuses) == 0 && len(q.Phases) == 0 && len(q.States) == 0 && len(q.Owners) == 0 &&
		len(q.Constituencies) == 0 && q.Machines == storage.MachinesAny
}

// indexed reports whether each kind has an index in this order, or in the very
// opposite one: of one column and the id, or that of [storage.MostDue].
func indexed(terms []orderTerm) bool {
	first, last := terms[0], terms[len(terms)-1]
	switch len(terms) {
	case 1:
		return true
	case 2:
		return last.descending == first.descending
	case 3:
		return last.descending == first.descending && first.column == "due_order" &&
			terms[1].column == "priority" && terms[1].descending != first.descending
	}
	return false
}

// openValues returns the conditions on open that phases leave.
func openValues(phases []incident.Phase) []string {
	const yes, no = "open = 1", "open = 0"
	other := slices.ContainsFunc(phases, func(p incident.Phase) bool { return p != incident.Inactive })
	switch {
	case len(phases) == 0, other && slices.Contains(phases, incident.Inactive):
		return []string{yes, no}
	case other:
		return []string{yes}
	}
	return []string{no}
}

// kinds returns the kinds that a query asks for, in order: if it does not say,
// those that there are, each by one look into an index.
func (r *reader) kinds(ctx context.Context, q storage.Query) ([]incident.Kind, error) {
	if len(q.Kinds) > 0 {
		return slices.Compact(slices.Sorted(slices.Values(q.Kinds))), nil
	}
	var kinds []incident.Kind
	err := r.c.each(ctx, allKinds(r.c.dialect), nil, func(rows *sql.Rows) error {
		var kind incident.Kind
		err := rows.Scan(&kind)
		kinds = append(kinds, kind)
		return err
	})
	return kinds, err
}

// allKinds returns the statement that walks from kind to kind.
func allKinds(d *dialect) string {
	next := func(where string) string {
		least := "(SELECT min(kind) FROM tickets WHERE " + where
		if !d.long {
			return least + ")"
		}
		return "least(" + least + " AND long = 0), " + least + " AND long = 1))" // each from an index
	}
	return "WITH RECURSIVE k (kind) AS (SELECT " + next("kind >= ''") + " UNION ALL SELECT " + next("kind > k.kind") +
		" FROM k WHERE k.kind IS NOT NULL) SELECT kind FROM k WHERE kind IS NOT NULL"
}
