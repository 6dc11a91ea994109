package sqlstore

import (
	"math"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// clause is a piece of SQL and its arguments.
type clause struct {
	text string
	args []any
}

// conditions are clauses that must all hold.
type conditions struct {
	list []clause
	err  error
}

func (w *conditions) add(text string, args ...any) {
	w.list = append(w.list, clause{text, args})
}

// join puts clauses between brackets, with a word between them.
func join(list []clause, word string) clause {
	var texts []string
	var args []any
	for _, c := range list {
		texts = append(texts, c.text)
		args = append(args, c.args...)
	}
	return clause{"(" + strings.Join(texts, " "+word+" ") + ")", args}
}

// among asks for a column to have one of some values; an empty list does not
// ask. A single value is an equation, which an index can use for the order too.
func among[T ~string](w *conditions, column string, list []T) {
	if len(list) == 0 {
		return
	}
	args := make([]any, len(list))
	for i, v := range list {
		args[i] = string(v)
	}
	if len(list) == 1 {
		w.add(column+" = ?", args...)
		return
	}
	w.add(column+" IN ("+marks(len(list))+")", args...)
}

func amongIDs(w *conditions, d *dialect, column string, list []incident.ID) {
	switch len(list) {
	case 0:
		return
	case 1:
		w.add(column+" = ?", int64(list[0]))
		return
	}
	ids := make([]int64, len(list))
	for i, id := range list {
		ids[i] = int64(id)
	}
	arg, err := d.idList(ids)
	if err != nil {
		w.err = err
	}
	w.add(column+" IN "+d.ids, arg)
}

// marks returns n question marks.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// find returns the statement for Reader.Find.
func find(d *dialect, q storage.Query) (string, []any, error) {
	w := matching(d, q)
	terms := orderOf(q)
	if q.After != nil {
		w.list = append(w.list, behind(terms))
	}
	where := join(w.list, "AND")
	order := orderBy(terms)
	if q.Limit <= 0 {
		return "SELECT document FROM tickets WHERE " + where.text + order, where.args, w.err
	}
	// Sorting carries all that is selected, so the documents come last.
	return "SELECT document FROM tickets WHERE id IN (SELECT id FROM tickets WHERE " + where.text + order + " LIMIT ?)" + order,
		append(where.args, q.Limit), w.err
}

// count returns the statement for Reader.Count.
func count(d *dialect, q storage.Query) (string, []any, error) {
	w := matching(d, q)
	where := join(w.list, "AND")
	return "SELECT count(*) FROM tickets WHERE " + where.text, where.args, w.err
}

// matching is [storage.Query.Match] in SQL.
func matching(d *dialect, q storage.Query) *conditions {
	w := &conditions{}
	w.add("id <> 0") // not the desk itself; as a range it would tempt the planner
	amongIDs(w, d, "id", q.IDs)
	among(w, "kind", q.Kinds)
	among(w, "status", q.Statuses)
	among(w, "phase", q.Phases)
	among(w, "state", q.States)
	among(w, "owner", q.Owners)
	among(w, "constituency", q.Constituencies)
	if q.Parent != 0 {
		w.add("id IN (SELECT ticket FROM ticket_parents WHERE parent = ?)", int64(q.Parent))
	}
	switch q.Links {
	case storage.LinksAny:
	case storage.Linked:
		w.add("linked = 1")
	default:
		w.add("linked = 0")
	}
	switch q.Held {
	case storage.HeldAny:
	case storage.HeldOnly:
		w.add("held = 1")
	default:
		w.add("held = 0")
	}
	switch q.Due {
	case storage.DueAny:
	case storage.DueSet:
		w.add("due IS NOT NULL")
	default:
		w.add("due IS NULL")
	}
	// As plain ranges these would lose to a scan that is in order already.
	if !q.DueBefore.IsZero() {
		w.add("id IN (SELECT id FROM tickets WHERE due < ?)", microsUp(q.DueBefore))
	}
	if !q.WakeBy.IsZero() {
		w.add("id IN (SELECT id FROM tickets WHERE wake <= ?)", micros(q.WakeBy))
	}
	if !q.UpdatedSince.IsZero() {
		w.add("id IN (SELECT id FROM tickets WHERE updated >= ?)", microsUp(q.UpdatedSince))
	}
	for _, f := range q.Fields {
		w.add("id IN (SELECT ticket FROM ticket_fields WHERE name = ? AND value = ?)", f.Name, f.Value)
	}
	if q.Touches.IsValid() {
		touching(w, q)
	}
	if q.Under != "" {
		// Keys end with a dot, and "/" is the next byte.
		from := incident.DomainKey(q.Under)
		w.add("id IN (SELECT ticket FROM ticket_names WHERE key >= ? AND key < ?)", from, strings.TrimSuffix(from, ".")+"/")
	}
	if q.Mail != "" {
		w.add("id IN (SELECT ticket FROM ticket_names WHERE key = ?)", incident.MailKey(q.Mail))
	}
	if q.Scope != nil {
		covering(w, *q.Scope)
	}
	return w
}

// touching asks for an address or network inside the one asked, all of which lie
// in one range of keys, or for a network around it: one exact key per length.
func touching(w *conditions, q storage.Query) {
	asked, ok := incident.PrefixOf(q.Touches, incident.RoleUnknown).Network()
	if !ok {
		w.add("FALSE")
		return
	}
	from, to := incident.PrefixKeyRange(asked)
	const keys = "SELECT ticket FROM ticket_observables WHERE key"
	if asked.Bits() == 0 {
		w.add("id IN ("+keys+" >= ? AND key <= ?)", from, to)
		return
	}
	args := []any{from, to}
	for bits := range asked.Bits() {
		around, err := asked.Addr().Prefix(bits)
		if err != nil {
			w.err = err
		}
		args = append(args, incident.PrefixKey(around))
	}
	w.add("id IN ("+keys+" >= ? AND key <= ? UNION ALL "+keys+" IN ("+marks(asked.Bits())+"))", args...)
}

// covering is [storage.Scope.Covers] in SQL.
func covering(w *conditions, scope storage.Scope) {
	var grants []clause
	for _, g := range scope.Grants {
		one := &conditions{}
		one.add("TRUE")
		among(one, "kind", g.Kinds)
		among(one, "constituency", g.Constituencies)
		if g.Owner != "" {
			one.add("owner = ?", string(g.Owner))
		}
		grants = append(grants, join(one.list, "AND"))
	}
	if len(grants) == 0 {
		grants = []clause{{text: "FALSE"}}
	}
	w.list = append(w.list, join(grants, "OR"))
}

// orderTerm is a column to sort by, with the cursor's value in it.
type orderTerm struct {
	column     string
	descending bool
	at         any // nil: the cursor has no due date
}

// orderOf returns the columns of [storage.Query.Compare]: those that can still
// decide, down to the id, which always does.
func orderOf(q storage.Query) []orderTerm {
	after := q.After
	if after == nil {
		after = &storage.Cursor{}
	}
	var terms []orderTerm
	seen := map[storage.Column]bool{}
	for _, o := range append(q.Order[:len(q.Order):len(q.Order)], storage.Order{Column: storage.ByID}) {
		if seen[o.Column] || seen[storage.ByID] {
			continue
		}
		seen[o.Column] = true
		var at any
		switch o.Column {
		case storage.ByID:
			at = int64(min(after.ID, incident.MaxID))
		case storage.ByKind:
			at = string(after.Kind)
		case storage.ByStatus:
			at = string(after.Status)
		case storage.ByOwner:
			at = string(after.Owner)
		case storage.ByConstituency:
			at = after.Constituency
		case storage.ByPriority:
			at = after.Priority
		case storage.ByDue:
			at = microsOrNull(after.Due)
		case storage.ByCreated:
			at = micros(after.Created)
		case storage.ByUpdated:
			at = micros(after.Updated)
		case storage.BySubject:
			at = after.Subject
		default:
			continue // Compare ignores it too
		}
		terms = append(terms, orderTerm{column: string(o.Column), descending: o.Descending, at: at})
	}
	return terms
}

func orderBy(terms []orderTerm) string {
	var list []string
	for _, t := range terms {
		text := t.column
		if t.descending {
			text += " DESC"
		}
		if t.column == string(storage.ByDue) {
			if t.descending {
				text += " NULLS LAST"
			} else {
				text += " NULLS FIRST"
			}
		}
		list = append(list, text)
	}
	return " ORDER BY " + strings.Join(list, ", ")
}

// behind asks for tickets behind the cursor: equal in the first n columns and
// beyond it in the next one, for any n.
func behind(terms []orderTerm) clause {
	var either []clause
	var equal []clause
	for _, t := range terms {
		if beyond, possible := t.beyond(); possible {
			either = append(either, join(append(equal[:len(equal):len(equal)], beyond), "AND"))
		}
		equal = append(equal, t.equal())
	}
	all := join(either, "OR")
	// Tells the database where in an index to begin.
	if first := terms[0]; first.at != nil && !(first.descending && first.column == string(storage.ByDue)) {
		sign := " >= ?"
		if first.descending {
			sign = " <= ?"
		}
		return join([]clause{{first.column + sign, []any{first.at}}, all}, "AND")
	}
	return all
}

func (t orderTerm) equal() clause {
	if t.at == nil {
		return clause{text: t.column + " IS NULL"}
	}
	return clause{t.column + " = ?", []any{t.at}}
}

// beyond is false when nothing can lie beyond: descending, unset comes last.
func (t orderTerm) beyond() (clause, bool) {
	switch {
	case t.at == nil && t.descending:
		return clause{}, false
	case t.at == nil:
		return clause{text: t.column + " IS NOT NULL"}, true
	case !t.descending:
		return clause{t.column + " > ?", []any{t.at}}, true
	case t.column == string(storage.ByDue):
		return clause{"(due < ? OR due IS NULL)", []any{t.at}}, true
	}
	return clause{t.column + " < ?", []any{t.at}}, true
}

// micros returns a time as columns keep it, cut to microseconds; times that no
// column can hold become the first or the last that can.
func micros(t time.Time) int64 {
	switch {
	case t.Before(time.UnixMicro(math.MinInt64)):
		return math.MinInt64
	case t.After(time.UnixMicro(math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixMicro()
}

// microsUp is micros for a bound that a time in a column is not to be less than,
// or to be less than: a fraction of a microsecond counts as a whole one.
func microsUp(t time.Time) int64 {
	cut := micros(t)
	if time.UnixMicro(cut).Before(t) && cut < math.MaxInt64 {
		cut++
	}
	return cut
}

func microsOrNull(t *time.Time) any {
	if t == nil {
		return nil
	}
	return micros(*t)
}
