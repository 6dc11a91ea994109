package desk_test

import (
	"fmt"
	"math/rand"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/workflow/export"
)

func sourceOf(value string) []incident.Observable {
	o, err := incident.ParseObservable(value, incident.RoleSource)
	if err != nil {
		panic(err)
	}
	return []incident.Observable{o}
}

func blockedOnes() export.Export {
	return export.Export{Template: "list", States: []incident.State{"blocked"}, Statuses: []incident.Status{"open", "resolved"}}
}

// An export lists what a slow look at every ticket lists, over many pages, on every
// store, and shows nothing to somebody who may not see it.
func TestExport(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		seed := time.Now().UnixNano()
		t.Logf("seed %d", seed)
		random := rand.New(rand.NewSource(seed))
		w := newWorldOn(t, store, scoped)
		var commands []workflow.Command
		for i := range 1200 {
			open := workflow.Open{
				Kind: incident.KindIncident, Subject: fmt.Sprint(i), Observables: sourceOf(fmt.Sprintf("10.1.%d.%d", i/250, i%250)),
				State:        []incident.State{"", "blocked", "unblocked"}[random.Intn(3)],
				Constituency: []string{"", "EDUNET", "campus"}[random.Intn(3)],
				Fields:       map[string][]string{"Type": {[]string{"ddos", "spam", "virus"}[random.Intn(3)]}},
			}
			commands = append(commands, open)
			if random.Intn(4) == 0 {
				commands = append(commands, workflow.Move{Ticket: incident.Nth(i + 1), To: []incident.Status{"resolved", "abandoned"}[random.Intn(2)]})
			}
		}
		w.do(commands...)
		all, err := w.alice.Find(ctx, storage.Query{})
		require.NoError(t, err)
		for _, change := range []func(*export.Export){
			func(*export.Export) {},
			func(e *export.Export) { e.Fields = map[string][]string{"Type": {"ddos"}} },
			func(e *export.Export) { e.Fields = map[string][]string{"Type": {"ddos", "virus"}} },
			func(e *export.Export) { e.Constituencies = []string{"campus", ""} },
			func(e *export.Export) { e.Statuses, e.Phases = nil, []incident.Phase{incident.Inactive} },
			func(e *export.Export) { e.States, e.Kinds = nil, []incident.Kind{incident.KindReport} },
		} {
			e := blockedOnes()
			change(&e)
			want := map[netip.Prefix]bool{}
			tickets := 0
			for _, t := range all {
				if e.Selects(t) {
					tickets++
					for _, p := range e.Named(t) {
						want[p] = true
					}
				}
			}
			out, err := w.alice.Export(ctx, e)
			require.NoError(t, err)
			require.Equal(t, tickets, out.Tickets)
			require.Len(t, out.Networks, len(want))
			for _, n := range out.Networks {
				require.True(t, want[n.Prefix()], n)
			}
		}
		e := blockedOnes()
		seen, err := w.eve().Export(ctx, e)
		require.NoError(t, err)
		e.Constituencies = []string{"EDUNET"}
		own, err := w.alice.Export(ctx, e)
		require.NoError(t, err)
		require.Equal(t, own.Text, seen.Text)
		require.NotEmpty(t, own.Text)
	})
}

func TestExportForms(t *testing.T) {
	own, err := export.ParseForm("nullroute", "ours", "{{range .Networks}}drop {{.}}\n{{end}}")
	require.NoError(t, err)
	w := newWorld(t, func(c *desk.Config) { c.Forms = []export.Form{own} })
	w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scan", State: "blocked", Observables: append(sourceOf("192.0.2.7"), sourceOf("0.0.0.0/0")...)})
	e := blockedOnes()
	e.Template = "nullroute"
	out, err := w.alice.Export(ctx, e)
	require.NoError(t, err)
	require.Equal(t, "drop 192.0.2.7/32\n", string(out.Text))
	require.Equal(t, []export.Omission{{Network: netip.MustParsePrefix("0.0.0.0/0"), Why: "it is wider than /16"}}, out.Omitted)
	require.Equal(t, "ours", out.Form.Dialect)

	e.Dialect = "junos"
	_, err = w.alice.Export(ctx, e)
	require.EqualError(t, err, "export: there is no template nullroute in the dialect junos: allowed are nullroute (ours), list")
	_, err = w.alice.Export(ctx, export.Export{Template: "list"})
	require.ErrorContains(t, err, "it would list every ticket that there ever was")
}
