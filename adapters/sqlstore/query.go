package sqlstore

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
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
type conditions struct{ list []clause }

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

func amongNumbers[T ~uint64](w *conditions, d *dialect, column string, list []T) {
	switch len(list) {
	case 0:
		return
	case 1:
		w.add(column+" = ?", int64(list[0]))
		return
	}
	numbers := []byte{d.brackets[0]}
	for i, n := range list {
		if i > 0 {
			numbers = append(numbers, ',')
		}
		numbers = strconv.AppendInt(numbers, int64(n), 10)
	}
	w.add(column+" "+d.inNumbers, string(append(numbers, d.brackets[1])))
}

// marks returns n question marks.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// sorted returns the statement for Reader.Find where no index gives the order.
// The + keeps databases from walking all tickets by id, up to the few that match.
func sorted(d *dialect, q storage.Query, terms []orderTerm, more ...clause) (string, []any) {
	w := matching(d, q, more...)
	if q.After != nil {
		w.list = append(w.list, behind(terms))
	}
	where := join(w.list, "AND")
	order := strings.Replace(orderBy(terms), " id", " +id", 1)
	if q.Limit <= 0 {
		return "SELECT document FROM tickets WHERE " + where.text + order, where.args
	}
	// Sorting carries all that is selected, so the documents come last.
	return "SELECT document FROM tickets WHERE id IN (SELECT id FROM tickets WHERE " + where.text + order + " LIMIT ?)" + order,
		append(where.args, q.Limit)
}

// newest returns the statement for Reader.Find that wants so many tickets with one key
// by number: however many have it, they are read in the order of the index, up to the
// last that is wanted.
func newest(d *dialect, q storage.Query, terms []orderTerm) (string, []any) {
	key := d.is("key", q.Keys[0])
	q.Keys = nil
	w := matching(d, q, key)
	terms[0].column = "ticket"
	if q.After != nil {
		w.list = append(w.list, behind(terms))
	}
	where := join(w.list, "AND")
	return "SELECT document FROM ticket_observables CROSS JOIN tickets WHERE id = ticket AND " + where.text + orderBy(terms) + " LIMIT ?", append(where.args, q.Limit)
}

// count returns the statement for Reader.Count.
func count(d *dialect, q storage.Query) (string, []any) {
	w := matching(d, q)
	if opens := openValues(q.Phases); len(opens) == 1 && listed(q) {
		w.add(opens[0])
	}
	where := join(w.list, "AND")
	text := "SELECT count(*) FROM tickets WHERE " + where.text
	if !d.long || !listed(q) {
		return text, where.args
	}
	// Indexes of lists leave long tickets out.
	return "SELECT (" + text + " AND long = 0) + (" + text + " AND long = 1)", append(slices.Clone(where.args), where.args...)
}

// matching is [storage.Query.Match] in SQL.
//
// What a query mentions is rare: with found, or where the query asks for that itself,
// tickets are to be fetched by their ids, and all other columns are for passing over
// some of them.
func matching(d *dialect, q storage.Query, found ...clause) *conditions {
	w := &conditions{list: slices.Clone(found)}
	plus := ""
	if len(found) > 0 || q.Touches.IsValid() || q.Under != "" || q.Mail != "" || len(q.Keys) > 0 {
		plus = d.unindexed
	}
	w.add("id <> 0") // not the desk itself; as a range it would tempt the planner
	amongNumbers(w, d, "id", q.IDs)
	among(w, plus+"kind", q.Kinds)
	among(w, plus+"status", q.Statuses)
	among(w, plus+"phase", q.Phases)
	among(w, plus+"state", q.States)
	among(w, plus+"owner", q.Owners)
	among(w, plus+"constituency", q.Constituencies)
	if q.Parent != 0 {
		w.add("id IN (SELECT ticket FROM ticket_parents WHERE parent = ?)", int64(q.Parent))
	}
	switch q.Links {
	case storage.LinksAny:
	case storage.Linked:
		w.add(plus + "linked = 1")
	default:
		w.add(plus + "linked = 0")
	}
	switch q.Held {
	case storage.HeldAny:
	case storage.HeldOnly:
		w.add(plus + "held = 1")
	default:
		w.add(plus + "held = 0")
	}
	switch q.Machines {
	case storage.Observed:
		w.add("observed = 1")
	case storage.NotByFeed:
		w.add("fed = 0")
	}
	switch q.Due {
	case storage.DueAny:
	case storage.DueSet:
		w.add(plus + "due IS NOT NULL")
	default:
		w.add(plus + "due IS NULL")
	}
	if !q.DueBefore.IsZero() {
		w.add(plus+"due < ?", microsUp(q.DueBefore))
	}
	if !q.WakeBy.IsZero() {
		w.add(plus+"wake <= ?", micros(q.WakeBy))
	}
	if !q.UpdatedSince.IsZero() {
		w.add(plus+"updated >= ?", microsUp(q.UpdatedSince))
	}
	for _, f := range q.Fields {
		field := join([]clause{d.is("name", f.Name), d.is("value", f.Value)}, "AND")
		w.add("id IN (SELECT ticket FROM ticket_fields WHERE "+field.text+")", field.args...)
	}
	if q.Touches.IsValid() {
		touching(w, d, q)
	}
	if q.Under != "" {
		// Keys end with a dot, and "/" is the next byte.
		from := incident.DomainKey(q.Under)
		under := d.between("key", from, strings.TrimSuffix(from, ".")+"/")
		w.add("id IN (SELECT ticket FROM ticket_names WHERE "+under.text+")", under.args...)
	}
	if len(q.Keys) > 0 {
		keyed(w, d, q.Keys)
	}
	if q.Mail != "" {
		mail := d.is("key", incident.MailKey(q.Mail))
		w.add("id IN (SELECT ticket FROM ticket_names WHERE "+mail.text+")", mail.args...)
	}
	if q.Scope != nil {
		covering(w, plus, *q.Scope)
	}
	return w
}

// touching asks for an address or network inside the one asked, all of which lie
// in one range of keys, or for a network around it: one exact key per length.
func touching(w *conditions, d *dialect, q storage.Query) {
	asked, ok := incident.PrefixOf(q.Touches, incident.RoleUnknown).Network()
	if !ok {
		w.add("FALSE")
		return
	}
	from, to := incident.PrefixKeyRange(asked)
	inside := d.between("key", from, to+"0") // to is meant too
	const keys = "SELECT ticket FROM ticket_observables WHERE "
	if asked.Bits() == 0 {
		w.add("id IN ("+keys+inside.text+")", inside.args...)
		return
	}
	args := inside.args
	for bits := range asked.Bits() {
		args = append(args, incident.PrefixKey(netip.PrefixFrom(asked.Addr(), bits).Masked()))
	}
	key := "key"
	if d.head != nil {
		key = d.head(key) // all of it: these keys are short
	}
	w.add("id IN ("+keys+inside.text+" UNION ALL "+keys+key+" IN ("+marks(asked.Bits())+"))", args...)
}

// keyed asks for an observable with one of some keys.
func keyed(w *conditions, d *dialect, keys []string) {
	args := make([]any, len(keys))
	for i, key := range keys {
		args[i] = key
	}
	text := "key IN (" + marks(len(keys)) + ")"
	if d.head != nil {
		text = d.head("key") + " IN (" + strings.ReplaceAll(marks(len(keys)), "?", d.head("?")) + ") AND " + text
		args = append(args, args...)
	}
	w.add("id IN (SELECT ticket FROM ticket_observables WHERE "+text+")", args...)
}

// covering is [storage.Scope.Covers] in SQL.
func covering(w *conditions, plus string, scope storage.Scope) {
	var grants []clause
	for _, g := range scope.Grants {
		one := &conditions{}
		one.add("TRUE")
		among(one, plus+"kind", g.Kinds)
		among(one, plus+"constituency", g.Constituencies)
		if g.Owner != "" {
			one.add(plus+"owner = ?", string(g.Owner))
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
	at         any
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
	last := storage.Order{Column: storage.ByID, Descending: len(q.Order) > 0 && q.Order[0].Descending}
	for _, o := range append(q.Order[:len(q.Order):len(q.Order)], last) {
		if seen[o.Column] || seen[storage.ByID] {
			continue
		}
		seen[o.Column] = true
		term := orderTerm{column: string(o.Column), descending: o.Descending}
		switch o.Column {
		case storage.ByID:
			term.at = int64(min(after.ID, incident.MaxID))
		case storage.ByKind:
			term.at = string(after.Kind)
		case storage.ByStatus:
			term.at = string(after.Status)
		case storage.ByOwner:
			term.at = string(after.Owner)
		case storage.ByConstituency:
			term.at = after.Constituency
		case storage.ByPriority:
			term.at = int64(after.Priority)
		case storage.ByDue:
			term.column, term.at = "due_order", int64(math.MinInt64) // an unset date comes first
			if after.Due != nil {
				term.at = micros(*after.Due)
			}
		case storage.ByCreated:
			term.at = micros(after.Created)
		case storage.ByUpdated:
			term.at = micros(after.Updated)
		case storage.BySubject:
			term.at = after.Subject
		default:
			continue // Compare ignores it too
		}
		terms = append(terms, term)
	}
	return terms
}

func orderBy(terms []orderTerm) string {
	var list []string
	for _, t := range terms {
		if t.descending {
			list = append(list, t.column+" DESC")
		} else {
			list = append(list, t.column)
		}
	}
	return " ORDER BY " + strings.Join(list, ", ")
}

// beyond asks for tickets behind the cursor: one clause per column, which asks
// for the same values in the columns before it and a later one in it. What meets
// a clause comes before all that meets a later one.
func beyond(terms []orderTerm) []clause {
	var either []clause
	for i := len(terms) - 1; i >= 0; i-- {
		var all []clause
		for _, t := range terms[:i] {
			all = append(all, clause{t.column + " = ?", []any{t.at}})
		}
		sign := " > ?"
		if terms[i].descending {
			sign = " < ?"
		}
		either = append(either, join(append(all, clause{terms[i].column + sign, []any{terms[i].at}}), "AND"))
	}
	return either
}

// behind is all of beyond in one clause.
func behind(terms []orderTerm) clause {
	first := terms[0]
	sign := " >= ?" // tells the database where in an index to begin
	if first.descending {
		sign = " <= ?"
	}
	return join([]clause{{first.column + sign, []any{first.at}}, join(beyond(terms), "OR")}, "AND")
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
