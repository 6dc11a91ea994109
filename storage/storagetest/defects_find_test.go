package storagetest_test

import (
	"cmp"
	"context"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// asking is a Find that asks another question.
func asking(other func(storage.Query) storage.Query) lies {
	return lies{find: func(next storage.Reader, ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
		return next.Find(ctx, other(q))
	}}
}

// choosing is a Find that selects by its own rules out of all tickets.
func choosing(choose func(q storage.Query, all []incident.Ticket) []incident.Ticket) lies {
	return lies{find: func(next storage.Reader, ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
		all, err := next.Find(ctx, storage.Query{})
		return choose(q, all), err
	}}
}

// sorted is Find with another order of one column.
func sorted(column storage.Column, compare func(a, b incident.Ticket) int) lies {
	return choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
		limit := q.Limit
		q.Limit = 0
		found := q.Select(all)
		if len(q.Order) > 0 && q.Order[0].Column == column {
			slices.SortStableFunc(found, func(a, b incident.Ticket) int {
				if q.Order[0].Descending {
					a, b = b, a
				}
				return compare(a, b)
			})
		}
		if limit > 0 {
			found = found[:min(limit, len(found))]
		}
		return found
	})
}

func queryDefects() []defect {
	list := []defect{
		lying("behind the cursor is at the cursor too", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			if q.After != nil {
				after := *q.After
				after.ID--
				q.After = &after
			}
			return q.Select(all)
		}), "Paging", "FindEqualsMatch"),
		lying("the cursor leaves out equal keys", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			if q.After != nil && len(q.Order) > 0 {
				after := *q.After
				after.ID = incident.MaxID
				q.After = &after
			}
			return q.Select(all)
		}), "Paging", "FindEqualsMatch"),
		lying("the cursor is looked up by its ticket", lies{find: func(next storage.Reader, ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
			if q.After != nil {
				t, err := next.Ticket(ctx, q.After.ID)
				if err != nil {
					return nil, err
				}
				q.After = storage.CursorAt(t)
			}
			return next.Find(ctx, q)
		}}, "Paging"),
		lying("a Limit comes before the order", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			limit := q.Limit
			first := storage.Query{IDs: q.IDs, Limit: limit}
			return q.Select(first.Select(all))
		}), "FindEqualsMatch", "Paging"),
		lying("equal keys go by ascending ID, whatever the order", asking(func(q storage.Query) storage.Query {
			q.Order = append(slices.Clone(q.Order), storage.Order{Column: storage.ByID})
			return q
		}), "Paging", "FindEqualsMatch"),
		lying("equal keys go by ID in the direction of the last column", asking(func(q storage.Query) storage.Query {
			if n := len(q.Order); n > 0 {
				q.Order = append(slices.Clone(q.Order), storage.Order{Column: storage.ByID, Descending: q.Order[n-1].Descending})
			}
			return q
		}), "Paging", "FindEqualsMatch"),
		lying("no due date comes last", sorted(storage.ByDue, func(a, b incident.Ticket) int {
			switch {
			case a.Due == nil || b.Due == nil:
				return cmp.Compare(boolean(a.Due == nil), boolean(b.Due == nil))
			}
			return a.Due.Compare(*b.Due)
		}), "DueUnsetFirst", "FindEqualsMatch"),
		lying("text sorts without case", sorted(storage.BySubject, func(a, b incident.Ticket) int {
			return strings.Compare(strings.ToLower(a.Subject), strings.ToLower(b.Subject))
		}), "StringsBytewise"),
		lying("text sorts by UTF-16", sorted(storage.BySubject, func(a, b incident.Ticket) int {
			return slices.Compare(utf16.Encode([]rune(a.Subject)), utf16.Encode([]rune(b.Subject)))
		}), "StringsBytewise"),
		lying("text is equal without case", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			asked := q.Constituencies
			q.Constituencies = nil
			return slices.DeleteFunc(q.Select(all), func(t incident.Ticket) bool {
				return len(asked) > 0 && !slices.ContainsFunc(asked, func(s string) bool { return strings.EqualFold(s, t.Constituency) })
			})
		}), "StringsBytewise"),
		lying("Count has the Limit", lies{count: func(next storage.Reader, ctx context.Context, q storage.Query) (int, error) {
			found, err := next.Find(ctx, storage.Query{Limit: q.Limit})
			n, err2 := next.Count(ctx, q)
			return min(len(found), n), cmp.Or(err, err2)
		}}, "Count"),
		lying("Count counts from the cursor on", lies{count: func(next storage.Reader, ctx context.Context, q storage.Query) (int, error) {
			q.Limit = 0
			found, err := next.Find(ctx, q)
			return len(found), err
		}}, "Count"),
		lying("Count does not know the Scope", lies{count: func(next storage.Reader, ctx context.Context, q storage.Query) (int, error) {
			q.Scope = nil
			return next.Count(ctx, q)
		}}, "Count"),
		lying("text loses its ends", lies{ticket: func(next storage.Reader, ctx context.Context, id incident.ID) (incident.Ticket, error) {
			t, err := next.Ticket(ctx, id)
			t.Subject = strings.TrimSpace(t.Subject)
			return t, err
		}}, "OddText"),
		lying("text is a pattern", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			if slices.Contains(q.Constituencies, "%") {
				q.Constituencies = nil
			}
			return q.Select(all)
		}), "OddText", "StringsBytewise"),
		lying("Find returns the desk", lies{find: func(next storage.Reader, ctx context.Context, q storage.Query) ([]incident.Ticket, error) {
			found, err := next.Find(ctx, q)
			if t, missing := next.Ticket(ctx, incident.Desk); missing == nil && len(q.IDs) == 0 {
				found = append([]incident.Ticket{t}, found...)
			}
			return found, err
		}}, "Desk"),
		lying("the words of a text may stand in several texts", lies{findText: func(next storage.TextSearcher, ctx context.Context, words []string, q storage.Query) ([]incident.Ticket, error) {
			q.Limit = 0
			found, err := next.FindText(ctx, words[:1], q)
			for _, word := range words[1:] {
				more, err := next.FindText(ctx, []string{word}, q)
				if err != nil {
					return nil, err
				}
				found = slices.DeleteFunc(found, func(t incident.Ticket) bool {
					return !slices.ContainsFunc(more, func(other incident.Ticket) bool { return other.ID == t.ID })
				})
			}
			return found, err
		}}, "Texts"),
		lying("a text that is put again leaves the old one", lies{putText: func(next storage.TextKeeper, ctx context.Context, t storage.Text) error {
			t.Version += 1000 * uint64(len(t.Words))
			return next.PutText(ctx, t)
		}}, "Texts"),
		lying("words are searched without the query", lies{findText: func(next storage.TextSearcher, ctx context.Context, words []string, _ storage.Query) ([]incident.Ticket, error) {
			return next.FindText(ctx, words, storage.Query{})
		}}, "Texts"),
		lying("the desk has no history", lies{history: func(next storage.Reader, ctx context.Context, q storage.HistoryQuery) ([]incident.Record, error) {
			q.Tickets = slices.DeleteFunc(slices.Clone(q.Tickets), func(id incident.ID) bool { return id == incident.Desk })
			return next.History(ctx, q)
		}}, "Desk", "History"),
		lying("only networks inside touch", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			return touching(q, all, func(asked, p netip.Prefix) bool { return asked.Contains(p.Addr()) && asked.Bits() <= p.Bits() })
		}), "FindEqualsMatch"),
		lying("only networks around touch", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			return touching(q, all, func(asked, p netip.Prefix) bool { return p.Contains(asked.Addr()) && p.Bits() <= asked.Bits() })
		}), "FindEqualsMatch"),
		lying("mapped addresses are IPv6", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			if q.Touches.Addr().Is4In6() {
				return nil
			}
			return q.Select(all)
		}), "FindEqualsMatch"),
		lying("below a domain is what ends like it", choosing(func(q storage.Query, all []incident.Ticket) []incident.Ticket {
			under := q.Under
			q.Under = ""
			return slices.DeleteFunc(q.Select(all), func(t incident.Ticket) bool {
				return under != "" && !slices.ContainsFunc(t.Observables, func(o incident.Observable) bool {
					name, ok := o.Domain()
					return ok && strings.HasSuffix(name, under)
				})
			})
		}), "FindEqualsMatch"),
	}
	return append(list, ignoring()...)
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// touching is q with another meaning of Touches.
func touching(q storage.Query, all []incident.Ticket, touches func(asked, p netip.Prefix) bool) []incident.Ticket {
	asked, ok := incident.PrefixOf(q.Touches, incident.RoleUnknown).Network()
	q.Touches = netip.Prefix{}
	limit := q.Limit
	q.Limit = 0
	found := slices.DeleteFunc(q.Select(all), func(t incident.Ticket) bool {
		return ok && !slices.ContainsFunc(t.Observables, func(o incident.Observable) bool {
			p, ok := o.Network()
			return ok && p.Addr().Is4() == asked.Addr().Is4() && touches(asked, p)
		})
	})
	if limit > 0 {
		found = found[:min(limit, len(found))]
	}
	return found
}

// ignoring is a store for each field of Query that does not look at it.
func ignoring() []defect {
	var list []defect
	query := reflect.TypeFor[storage.Query]()
	for i := range query.NumField() {
		breaks := []string{"FindEqualsMatch"}
		if query.Field(i).Name == "After" {
			breaks = append(breaks, "Paging")
		}
		list = append(list, lying("Find does not look at "+query.Field(i).Name, asking(func(q storage.Query) storage.Query {
			reflect.ValueOf(&q).Elem().Field(i).SetZero()
			return q
		}), breaks...))
	}
	return list
}
