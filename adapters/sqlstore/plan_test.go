package sqlstore

import (
	"context"
	"database/sql"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// What a desk asks all day may not look at every ticket.
func TestSearchesUseIndexes(t *testing.T) {
	db, err := sql.Open("sqlite", SQLiteDSN(filepath.Join(t.TempDir(), "desk.db")))
	require.NoError(t, err)
	defer db.Close()
	s, err := New(context.Background(), db, Config{})
	require.NoError(t, err)
	defer s.Close()

	const sort = "TEMP B-TREE"
	kind := []incident.Kind{incident.KindReport}
	phase := []incident.Phase{incident.Initial}
	now := time.Now()
	page := storage.CursorAt(incident.Ticket{ID: 7, Due: &now})
	for _, test := range []struct {
		name  string
		query storage.Query
		plan  []string // in it
		never []string
	}{
		{"ids", storage.Query{IDs: []incident.ID{1, 2, 3}}, []string{"INTEGER PRIMARY KEY (rowid=?)"}, nil},
		{"all, a page on", storage.Query{After: page, Limit: 50}, []string{"INTEGER PRIMARY KEY (rowid>?)"}, nil},
		{"highest id", storage.Query{Order: []storage.Order{{Column: storage.ByID, Descending: true}}, Limit: 1}, nil, nil},
		{"new and unlinked", storage.Query{Kinds: kind, Phases: phase, Links: storage.Unlinked, Limit: 50}, []string{"tickets_phase (kind=? AND phase=?)"}, nil},
		{"open children", storage.Query{Parent: 7, Phases: []incident.Phase{incident.Initial, incident.Active}}, []string{"ticket_parents USING PRIMARY KEY (parent=?)"}, nil},
		{"mine", storage.Query{Owners: []incident.Actor{"handler:alice"}}, []string{"tickets_owner (owner=?)"}, []string{sort}},
		{"due", storage.Query{DueBefore: now}, []string{"tickets_due (due<?)"}, nil},
		{"most due", storage.Query{Order: storage.MostDue(), Limit: 50}, []string{"tickets_due"}, nil},
		{"to wake", storage.Query{WakeBy: now}, []string{"tickets_wake (wake<?)"}, nil},
		{"held", storage.Query{Held: storage.HeldOnly}, []string{"tickets_held"}, []string{sort}},
		{"updated", storage.Query{UpdatedSince: now}, []string{"tickets_updated (updated>?)"}, nil},
		{"touches", storage.Query{Touches: netip.MustParsePrefix("192.0.2.0/24")}, []string{"ticket_observables USING PRIMARY KEY (key>? AND key<?)", "ticket_observables USING PRIMARY KEY (key=?)"}, nil},
		{"under", storage.Query{Under: "example.org"}, []string{"ticket_names USING PRIMARY KEY (key>? AND key<?)"}, nil},
		{"mail", storage.Query{Mail: "bob@example.org"}, []string{"ticket_names USING PRIMARY KEY (key=?)"}, nil},
		{"field", storage.Query{Fields: []storage.Field{{Name: "a", Value: "b"}}}, []string{"ticket_fields USING PRIMARY KEY (name=? AND value=?)"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			text, args, err := find(s.dialect, test.query)
			require.NoError(t, err)
			plan := explainPlan(t, db, text, args)
			for _, want := range test.plan {
				assert.Contains(t, plan, want)
			}
			if strings.Contains(plan, "SCAN tickets\n") { // may only go in order, up to the LIMIT
				assert.NotContains(t, plan, sort)
				assert.NotZero(t, test.query.Limit, plan)
			}
			for _, never := range test.never {
				assert.NotContains(t, plan, never)
			}
		})
	}
	for _, test := range []struct{ name, text, plan string }{
		{"history", selectRecords + "(r.seq > ? AND ticket = ?) ORDER BY version", "sqlite_autoindex_records_1 (ticket=?)"},
		{"feed", selectRecords + "(r.seq > ?) ORDER BY r.seq LIMIT 10", "SEARCH r USING INTEGER PRIMARY KEY (rowid>?)"},
		{"claim", "SELECT ticket FROM claims WHERE space = ? AND sum = ?", "PRIMARY KEY (space=? AND sum=?)"},
		{"ready", "SELECT number FROM outgoing WHERE status = ? AND next_try <= ? AND lease <= ?", "outgoing_ready (status=? AND next_try<?)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			assert.Contains(t, explainPlan(t, db, test.text, make([]any, strings.Count(test.text, "?"))), test.plan)
		})
	}
}

func explainPlan(t *testing.T, db *sql.DB, text string, args []any) string {
	t.Helper()
	rows, err := db.Query("EXPLAIN QUERY PLAN "+text, args...)
	require.NoError(t, err)
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan.WriteString(detail + "\n")
	}
	require.NoError(t, rows.Err())
	return plan.String()
}
