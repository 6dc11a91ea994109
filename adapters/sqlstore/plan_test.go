package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/airtight-csirt/airtight/adapters/sqlstore/postgrestest"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// asked is a question that may not look at every ticket, nor sort them.
type asked struct {
	name  string
	text  string
	args  []any
	seeks []string // columns that an index is asked for
	byID  bool     // tickets are fetched one by one, and none is passed over
	found bool     // what was found may be sorted: the index gives another order
	views bool     // asked in views only
}

// questions returns what a desk asks all day, and every list in every order, the
// first page and a later one.
func questions(t *testing.T, s *Store) (list []asked) {
	t.Helper()
	ctx := context.Background()
	kind := []incident.Kind{incident.KindReport}
	open := []incident.Phase{incident.Initial, incident.Active}
	then := time.UnixMicro(5e14).UTC()
	cursor := storage.CursorAt(incident.Ticket{
		ID: 777, Kind: incident.KindReport, Status: "s2", Owner: "handler:3", Constituency: "c3", Priority: 2,
		Due: &then, Created: then, Updated: then, Subject: "Case 500",
	})
	var around []string
	for bits := range 32 {
		around = append(around, incident.PrefixKey(netip.PrefixFrom(netip.MustParseAddr("192.0.2.7"), bits)))
	}
	waiting := storage.Query{Kinds: kind, Phases: open[:1], Links: storage.Unlinked, Machines: storage.Observed}
	require.NoError(t, s.View(ctx, func(ctx context.Context, got storage.Reader) error {
		r := got.(*reader)
		ask := func(name string, found bool, q storage.Query, seeks ...string) {
			q.Limit = 50
			text, args, err := r.find(ctx, q)
			require.NoError(t, err)
			list = append(list, asked{name: name, text: text, args: args, seeks: seeks, found: found, views: !found})
		}
		ask("ids", true, storage.Query{IDs: []incident.ID{1, 2, 3}}, "id")
		ask("open children", true, storage.Query{Parent: 7, Phases: open}, "parent")
		ask("due", true, storage.Query{DueBefore: time.UnixMicro(1)}, "due")
		ask("to wake", true, storage.Query{WakeBy: time.UnixMicro(1)}, "wake")
		ask("updated", false, storage.Query{UpdatedSince: then, Order: []storage.Order{{Column: storage.ByUpdated}}}, "kind", "open", "updated")
		ask("held", true, storage.Query{Held: storage.HeldOnly})
		ask("touches network", true, storage.Query{Touches: netip.MustParsePrefix("192.0.2.0/24")}, "key")
		ask("touches address", true, storage.Query{Touches: netip.MustParsePrefix("2001:db8::1/128")}, "key")
		ask("under", true, storage.Query{Under: "h7.example.net"}, "key")
		ask("keys", true, storage.Query{Keys: []string{incident.PrefixKey(netip.MustParsePrefix("192.0.2.7/32")), "uhttps://example.org/"}}, "key")
		ask("newest with a key", false, storage.Query{Keys: []string{incident.PrefixKey(netip.MustParsePrefix("192.0.2.7/32"))}, Order: []storage.Order{{Column: storage.ByID, Descending: true}}}, "key")
		ask("networks around an address", true, storage.Query{Keys: around, Order: []storage.Order{{Column: storage.ByID, Descending: true}}}, "key")
		ask("mail", true, storage.Query{Mail: "r7@example.org"}, "key")
		ask("field", true, storage.Query{Fields: []storage.Field{{Name: "outcome", Value: "7"}}}, "name", "value")
		ask("new and unlinked", false, storage.Query{Kinds: kind, Phases: open[:1], Links: storage.Unlinked, Machines: storage.NotByFeed}, "kind", "phase", "linked", "fed")
		ask("queue", false, waiting, "kind", "open", "phase")
		ask("mine", false, storage.Query{Kinds: kind, Phases: open, Owners: []incident.Actor{"handler:3"}, Order: storage.MostDue()}, "kind", "open", "owner")

		leastDue := []storage.Order{{Column: storage.ByDue, Descending: true}, {Column: storage.ByPriority}}
		orders := map[string][]storage.Order{"most due": storage.MostDue(), "most due down": leastDue}
		for _, column := range storage.Columns() {
			orders[string(column)] = []storage.Order{{Column: column}}
			orders[string(column)+" down"] = []storage.Order{{Column: column, Descending: true}}
		}
		for name, order := range orders {
			if order[0].Column == storage.ByKind {
				continue // that is one list for each kind, by id
			}
			for where, q := range map[string]storage.Query{"all": {}, "open reports": {Kinds: kind, Phases: open}} {
				seeks := []string{"kind", "open"}
				if order[0].Column == storage.ByID && where == "all" {
					seeks = []string{"id"}
				}
				q.Order = order
				ask(where+" by "+name, false, q, seeks...)
				after := *cursor
				if strings.HasPrefix(name, "most due") {
					after = *storage.CursorAt(incident.Ticket{ID: 777, Priority: 2})
				}
				if order[0].Descending {
					after.ID = 19_000 // so that many lie behind it, all of which may not be sorted
				}
				q.After = &after
				ask(where+" by "+name+", a page on", false, q, seeks...)
			}
		}
		return nil
	}))
	require.NoError(t, s.View(ctx, func(ctx context.Context, got storage.Reader) error {
		for name, q := range map[string]storage.Query{
			"address": {Touches: netip.MustParsePrefix("192.0.2.7/32")}, "network": {Touches: netip.MustParsePrefix("192.0.2.0/26")},
			"host": {Under: "h7.example.net"}, "mail": {Mail: "r7@example.org"}, "URL": {Keys: []string{"uhttps://example.org/"}},
		} {
			q.Kinds, q.UpdatedSince, q.Order, q.Limit = kind, then, []storage.Order{{Column: storage.ByUpdated, Descending: true}}, 51
			text, args, err := got.(*reader).find(ctx, q)
			require.NoError(t, err)
			list = append(list, asked{name: "mentions by " + name, text: text, args: args, seeks: []string{"key"}, found: true, byID: true})
			text, args = count(s.dialect, q)
			list = append(list, asked{name: "how many mentions by " + name, text: text, args: args, seeks: []string{"key"}, found: true, byID: true})
		}
		return nil
	}))
	recent := storage.Query{Kinds: kind, UpdatedSince: then, Order: []storage.Order{{Column: storage.ByUpdated, Descending: true}}, Limit: 50}
	text, args := sorted(s.dialect, recent, orderOf(recent), texted(s.dialect, []string{"word7", "common"}))
	list = append(list, asked{name: "text", text: text, args: args, seeks: []string{"words"}, found: true, byID: true})
	ask := func(name string, found bool, q storage.HistoryQuery, seeks ...string) {
		text, args := records(s.dialect, int64(q.After), q)
		list = append(list, asked{name: name, text: text, args: args, seeks: seeks, found: found})
	}
	one := []incident.ID{7}
	ask("history", true, storage.HistoryQuery{Tickets: one}, "ticket")
	ask("one record", true, storage.HistoryQuery{Tickets: one, Versions: []uint64{2}}, "ticket", "version")
	ask("messages", true, storage.HistoryQuery{Tickets: one, Types: []string{"message"}}, "ticket")
	ask("newest message", false, storage.HistoryQuery{Tickets: one, Types: []string{"message"}, Descending: true, Limit: 10}, "ticket")
	ask("feed", false, storage.HistoryQuery{After: 100, Limit: 10}, "seq")
	ask("feed backwards", false, storage.HistoryQuery{After: 100, Descending: true, Limit: 10}, "seq")
	charged, to := outgoing(s.dialect, storage.OutgoingQuery{Charges: []storage.Charge{storage.ChargeOutside}, To: "bob@example.org", Limit: 10})
	queued, inQueue := count(s.dialect, waiting)
	text, args = count(s.dialect, storage.Query{Kinds: kind, Phases: open})
	return append(list,
		asked{name: "count", text: text, args: args, seeks: []string{"kind"}},
		asked{name: "how many wait", text: queued, args: inQueue, seeks: []string{"kind", "open", "phase"}},
		asked{name: "kinds", text: allKinds(s.dialect), seeks: []string{"kind"}},
		asked{name: "claim", text: "SELECT ticket FROM claims WHERE space = ? AND sum = ?", args: []any{"message-id", []byte{1}}, seeks: []string{"space", "sum"}},
		asked{name: "charged", text: charged, args: to, seeks: []string{"charge"}, found: true},
		asked{name: "ready", text: "SELECT number FROM outgoing WHERE status = ? AND next_try <= ? AND lease <= ?", args: []any{"queued", int64(0), int64(0)}, seeks: []string{"status", "next_try"}},
	)
}

// node is a part of a plan.
type node struct {
	Type  string  `json:"Node Type"`
	Index string  `json:"Index Name"`
	Table string  `json:"Relation Name"`
	Cond  string  `json:"Index Cond"`
	Cost  float64 `json:"Total Cost"`
	Plans []node
}

// judge returns what is wrong with a plan, and the indexes that it uses.
func (a asked) judge(plan []node) (faults, indexes []string) {
	var seeks []string
	var walk func(n node, sorted bool)
	walk = func(n node, sorted bool) {
		switch n.Type {
		case "Seq Scan":
			faults = append(faults, "scans "+n.Table)
		case "Sort", "Incremental Sort":
			sorted = true
		case "Limit":
			sorted = false
		case "Index Scan", "Index Only Scan", "Bitmap Index Scan":
			short := n.Index == "tickets_long" || n.Index == "tickets_held" // few of many: all that they hold
			if n.Cond == "" && !short {
				faults = append(faults, "scans "+n.Index)
			}
			if sorted && !short && !a.found {
				faults = append(faults, "sorts what "+n.Index+" gives")
			}
			seeks, indexes = append(seeks, n.Cond), append(indexes, n.Index)
			if a.byID && strings.HasPrefix(n.Index, "tickets_") && n.Index != "tickets_pkey" {
				faults = append(faults, "walks "+n.Index)
			}
		}
		for _, p := range n.Plans {
			walk(p, sorted)
		}
	}
	for _, n := range plan {
		walk(n, false)
	}
	if !slices.ContainsFunc(seeks, func(cond string) bool {
		return !slices.ContainsFunc(a.seeks, func(column string) bool { return !regexp.MustCompile(`\b` + column + `\b`).MatchString(cond) })
	}) {
		faults = append(faults, fmt.Sprintf("no index is asked for %v", a.seeks))
	}
	return faults, indexes
}

var sqliteStep = regexp.MustCompile(`^(SCAN|SEARCH) (\w+)(?: USING (?:COVERING )?(?:INDEX (\w+)|(?:INTEGER )?PRIMARY KEY)(?: \((.*)\))?)?`)

// sqlitePlan reads EXPLAIN QUERY PLAN in PostgreSQL's words.
func sqlitePlan(t *testing.T, c *sql.Conn, a asked) (plan []node) {
	t.Helper()
	rows, err := c.QueryContext(context.Background(), "EXPLAIN QUERY PLAN "+a.text, a.args...)
	require.NoError(t, err, a.text)
	defer rows.Close()
	var scans []node
	sorted := false
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		sorted = sorted || strings.HasPrefix(detail, "USE TEMP B-TREE")
		step := sqliteStep.FindStringSubmatch(detail)
		switch {
		case step == nil, step[2] == "CONSTANT", step[2] == "k", step[2] == "json_each": // no table
		case strings.Contains(detail, "VIRTUAL TABLE INDEX") && strings.Contains(detail, ":M"): // a MATCH of FTS5
			scans = append(scans, node{Type: "Index Scan", Index: step[2], Cond: "words"})
		case step[1] == "SCAN" && step[3] == "" && step[4] == "":
			scans = append(scans, node{Type: "Seq Scan", Table: step[2]})
		default:
			scans = append(scans, node{Type: "Index Scan", Index: step[3], Cond: strings.ReplaceAll(step[4], "rowid", "id seq")})
		}
	}
	require.NoError(t, rows.Err())
	if sorted {
		return []node{{Type: "Sort", Plans: scans}}
	}
	return scans
}

// postgresPlan returns the plan of a prepared statement: for these arguments, or
// for any.
func postgresPlan(t *testing.T, c *sql.Conn, a asked, mode string) node {
	t.Helper()
	ctx := context.Background()
	execute := "EXPLAIN (FORMAT JSON) EXECUTE asked"
	if len(a.args) > 0 {
		var literals []string
		for _, arg := range a.args {
			literal := `'\x07'` // bytes
			switch arg := arg.(type) {
			case string:
				literal = "'" + arg + "'"
			case int64, int:
				literal = fmt.Sprintf("'%d'", arg)
			}
			literals = append(literals, literal)
		}
		execute += "(" + strings.Join(literals, ", ") + ")"
	}
	_, err := c.ExecContext(ctx, "SET plan_cache_mode = "+mode+"; PREPARE asked AS "+postgresText(a.text))
	require.NoError(t, err, a.text)
	defer c.ExecContext(ctx, "DEALLOCATE asked; RESET plan_cache_mode")
	var text []byte
	require.NoError(t, c.QueryRowContext(ctx, execute).Scan(&text), execute)
	var explained []struct{ Plan node }
	require.NoError(t, json.Unmarshal(text, &explained))
	return explained[0].Plan
}

// crowd opens many tickets of every sort.
func crowd(t *testing.T, s *Store, n int) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 1))
	kinds := []incident.Kind{incident.KindReport, incident.KindIncident, incident.KindInvestigation, incident.KindBlock}
	phases := []incident.Phase{incident.Initial, incident.Active, incident.Inactive}
	require.NoError(t, s.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		var records []incident.Record
		for id := range incident.ID(n) {
			when := time.UnixMicro(random.Int64N(1e15)).UTC()
			opened := incident.Opened{
				Kind: kinds[random.IntN(4)], Status: incident.Status(fmt.Sprintf("s%d", random.IntN(6))), Phase: phases[random.IntN(3)],
				Owner: incident.Actor(fmt.Sprintf("handler:%d", random.IntN(20))), Constituency: fmt.Sprintf("c%d", random.IntN(20)), Priority: random.IntN(5),
				Fields: map[string][]string{"outcome": {fmt.Sprint(id)}},
				Content: incident.OpenedContent{
					Subject:    fmt.Sprintf("Case %d", random.IntN(1000)),
					Requestors: []incident.Party{{Address: fmt.Sprintf("r%d@example.org", id)}},
					Observables: []incident.Observable{
						{Kind: incident.Address, Value: fmt.Sprintf("192.0.%d.%d", id/250, id%250)},
						{Kind: incident.Host, Value: fmt.Sprintf("h%d.example.net", id)},
					},
				},
			}
			if id > 10 {
				opened.Parents = []incident.ID{id / 10}
			}
			events := []incident.Event{opened}
			if id%3 > 0 {
				events = append(events, incident.DueSet{Due: &when})
			}
			if id%50 == 0 {
				events = append(events, incident.Edited{Wake: &when}, incident.Held{Reason: "test"})
			}
			ticket := incident.Ticket{}
			for _, ev := range events {
				r := incident.Record{Ticket: id + 1, At: when}
				require.NoError(t, r.Encode(ev))
				incident.Seal(ticket, &r)
				ticket = incident.Apply(ticket, r)
				records = append(records, r)
			}
		}
		if err := tx.Append(ctx, records...); err != nil {
			return err
		}
		for id := range incident.ID(n) {
			if err := tx.(storage.TextKeeper).PutText(ctx, storage.Text{Ticket: id + 1, Version: 1, Words: []string{"common", fmt.Sprintf("word%d", id)}}); err != nil {
				return err
			}
			if _, err := tx.Claim(ctx, storage.Key{Space: "message-id", Value: fmt.Sprint(id)}, id+1); err != nil {
				return err
			}
			if err := tx.PutOutgoing(ctx, storage.Outgoing{Ticket: id + 1, Version: 1, Status: storage.Sent, NextTry: time.UnixMicro(int64(id))}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// testPlans drops each index in turn, and the plans have to become worse: so the
// test sees it when one is missing, and none is superfluous.
func testPlans(t *testing.T, db *sql.DB, list []asked, plan func(*sql.Conn, asked) []node, indexes string) {
	t.Helper()
	ctx := context.Background()
	c, err := db.Conn(ctx)
	require.NoError(t, err)
	defer c.Close()
	users := map[string][]asked{} // of each index
	for _, a := range list {
		faults, indexes := a.judge(plan(c, a))
		assert.Empty(t, faults, a.name)
		for _, index := range indexes {
			users[index] = append(users[index], a)
		}
	}

	var names []string
	rows, err := c.QueryContext(ctx, indexes)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		names = append(names, name)
	}
	require.NoError(t, rows.Close())
	require.Greater(t, len(names), 15)
	for _, name := range names {
		for _, text := range []string{"BEGIN", "DROP INDEX " + name} {
			_, err := c.ExecContext(ctx, text)
			require.NoError(t, err)
		}
		assert.True(t, slices.ContainsFunc(users[name], func(a asked) bool {
			faults, _ := a.judge(plan(c, a))
			return len(faults) > 0
		}), "nothing needs the index %s", name)
		_, err = c.ExecContext(ctx, "ROLLBACK")
		require.NoError(t, err)
	}
}

// multiply copies all tickets n times.
const multiply = `
	INSERT INTO tickets (id, version, hash, vocabulary, kind, status, phase, open, state, owner, constituency, priority, linked, held, created, updated, due, wake, subject, document)
		SELECT id + 4000 * n, version, hash, vocabulary, kind, status, phase, open, state, owner, constituency, priority, linked, held, created + n, updated + n, due + n, wake + n, subject || n, document
		FROM tickets, generate_series(1, 4) n;
	INSERT INTO ticket_observables SELECT key || n, ticket + 4000 * n FROM ticket_observables, generate_series(1, 4) n;
	INSERT INTO texts (ticket, version, words) SELECT ticket + 4000 * n, version, words || ARRAY['more' || n] FROM texts, generate_series(1, 4) n;
	INSERT INTO ticket_names SELECT key || n, ticket + 4000 * n FROM ticket_names, generate_series(1, 4) n`

func TestPlansOfSQLite(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", SQLiteDSN(filepath.Join(t.TempDir(), "desk.db")))
	require.NoError(t, err)
	defer db.Close()
	s, err := New(context.Background(), db, Config{})
	require.NoError(t, err)
	defer s.Close()
	crowd(t, s, 4000)
	for _, analyze := range []string{"", "ANALYZE"} { // few ever call it
		t.Run(analyze, func(t *testing.T) {
			_, err := db.Exec(analyze)
			require.NoError(t, err)
			testPlans(t, db, questions(t, s), func(c *sql.Conn, a asked) []node { return sqlitePlan(t, c, a) },
				"SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
		})
	}
}

// SQLite rewrites the entries of every index that has a column which a statement
// sets, and of one that is generated from it.
func TestAMoveWritesFewIndexes(t *testing.T) {
	t.Parallel()
	db := memory(t)
	s, err := New(context.Background(), db, Config{})
	require.NoError(t, err)
	defer s.Close()
	before := incident.Ticket{ID: 7, Version: 1, Kind: incident.KindReport, Status: "new", Phase: incident.Initial}
	record := incident.Record{Ticket: 7, At: time.UnixMicro(1).UTC()}
	require.NoError(t, record.Encode(incident.Moved{To: "open", Phase: incident.Active}))
	incident.Seal(before, &record)
	put, err := putTicket(before, incident.Apply(before, record))
	require.NoError(t, err)
	require.NoError(t, s.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
		c := r.(*reader).c
		indexes := map[int64]string{} // by the page where they begin
		require.NoError(t, c.each(ctx, "SELECT name, rootpage FROM sqlite_schema WHERE type = 'index'", nil, func(rows *sql.Rows) error {
			var name string
			var page int64
			err := rows.Scan(&name, &page)
			indexes[page] = name
			return err
		}))
		var written []string
		require.NoError(t, c.each(ctx, "EXPLAIN "+put.text, put.args, func(rows *sql.Rows) error {
			var op string
			var page int64
			var other any
			err := rows.Scan(&other, &op, &other, &page, &other, &other, &other, &other)
			if name, ok := indexes[page]; ok && op == "OpenWrite" {
				written = append(written, name)
			}
			return err
		}))
		assert.ElementsMatch(t, []string{"tickets_unlinked", "tickets_queue", "tickets_by_status", "tickets_by_updated"}, written)
		return nil
	}))
}

func TestPlansOfPostgreSQL(t *testing.T) {
	t.Parallel()
	db, err := sql.Open(postgrestest.Driver, postgrestest.New(t))
	require.NoError(t, err)
	defer db.Close()
	s, err := New(context.Background(), db, Config{Dialect: PostgreSQL})
	require.NoError(t, err)
	defer s.Close()
	crowd(t, s, 4000)
	require.NoError(t, s.View(context.Background(), func(ctx context.Context, r storage.Reader) error {
		var mode string
		_, err := r.(*reader).c.first(ctx, "SELECT current_setting('plan_cache_mode')", nil, &mode)
		require.Equal(t, "force_custom_plan", mode, "in views, each plan is made for its arguments")
		return err
	}))
	for _, text := range []string{multiply, "VACUUM ANALYZE"} {
		_, err := db.Exec(text)
		require.NoError(t, err)
	}
	testPlans(t, db, questions(t, s), func(c *sql.Conn, a asked) []node {
		custom := postgresPlan(t, c, a, "force_custom_plan")
		if a.views {
			return []node{custom}
		}
		generic := postgresPlan(t, c, a, "force_generic_plan")
		if generic.Cost > custom.Cost { // the server does not take it then
			return []node{custom}
		}
		return []node{custom, generic}
	}, `SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
		WHERE relnamespace = current_schema()::regnamespace AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)`)
}

// Many claims are looked up one by one, though PostgreSQL keeps the plan that it made
// while it knew of no claims at all.
func TestPlanOfClaims(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db, err := sql.Open(postgrestest.Driver, postgrestest.New(t))
	require.NoError(t, err)
	defer db.Close()
	s, err := New(ctx, db, Config{Dialect: PostgreSQL})
	require.NoError(t, err)
	defer s.Close()
	c, err := db.Conn(ctx)
	require.NoError(t, err)
	defer c.Close()
	a := asked{text: postgresSelectClaims, args: []any{"observation"}}
	for range maxSums {
		a.args = append(a.args, []byte{7})
	}
	var claims int
	var walk func(node)
	walk = func(n node) {
		if n.Table == "claims" {
			claims++
			require.Equal(t, "claims_pkey", n.Index, n.Type)
			require.Contains(t, n.Cond, "sum = ")
			require.Contains(t, n.Cond, "space = ")
		}
		for _, below := range n.Plans {
			walk(below)
		}
	}
	walk(postgresPlan(t, c, a, "force_generic_plan"))
	require.Positive(t, claims)
}
