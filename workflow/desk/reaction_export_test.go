package desk_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/exportdir"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// A list follows whatever changes it, and is what it should be when all is done.
func TestExportReaction(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		dir := t.TempDir()
		exports, err := exportdir.New(dir)
		require.NoError(t, err)
		e := blockedOnes()
		e.Template, e.Dialect = "nullroute", "frr"
		w := newWorldOn(t, store, func(c *desk.Config) { c.Exports = exports.Put },
			reacts(workflow.Reaction{Name: "routes", Export: &workflow.ExportReaction{File: "routes.conf", List: e}}))
		check := func(want ...string) {
			t.Helper()
			w.exhaust(w.worker())
			text, err := os.ReadFile(filepath.Join(dir, "routes.conf"))
			require.NoError(t, err)
			out, err := w.alice.Export(ctx, e)
			require.NoError(t, err)
			require.Equal(t, string(out.Text), string(text))
			var got []string
			for _, n := range out.Networks {
				got = append(got, n.String())
			}
			require.Equal(t, want, got)
		}
		a := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "a", State: "blocked", Observables: sourceOf("192.0.2.7")}).Opened[0]
		check("192.0.2.7/32")
		w.do(workflow.Edit{Ticket: a, AddObservables: append(sourceOf("192.0.2.8"), sourceOf("0.0.0.0/0")...)})
		check("192.0.2.7/32", "192.0.2.8/32")
		require.Equal(t, "routes.conf: 2 networks of 1 tickets\nleft out: 0.0.0.0/0: it is wider than /16\n", w.output(a))
		b := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "b", State: "blocked", Observables: sourceOf("2001:db8::7")}).Opened[0]
		check("192.0.2.7/32", "192.0.2.8/32", "2001:db8::7/128")
		w.do(workflow.Merge{Ticket: b, Into: a})
		check("192.0.2.7/32", "192.0.2.8/32", "2001:db8::7/128")
		w.do(workflow.Move{Ticket: a, To: "resolved"})
		n := len(w.outgoing())
		w.do(workflow.Comment{Ticket: a, Text: "Still down."})
		require.Len(t, w.outgoing(), n, "a note changes no list")
		check("192.0.2.7/32", "192.0.2.8/32", "2001:db8::7/128")
		w.setState(a, "unblocked")
		check()
	})
}

// Of two couriers at work on one list, the one with the older list may come last.
func TestExportsOfTwoCouriers(t *testing.T) {
	var w *world
	var written []string
	inside := false
	w = newWorld(t, func(c *desk.Config) {
		c.Exports = func(_ context.Context, _ string, text []byte) error {
			if !inside { // before our list is in its place, somebody writes a newer one
				inside = true
				_, err := w.alice.Do(ctx, workflow.Open{Kind: incident.KindIncident, Subject: "b", State: "blocked", Observables: sourceOf("192.0.2.8")})
				require.NoError(t, err)
				w.flush(w.worker(), 1)
			}
			written = append(written, string(text))
			return nil
		}
	}, reacts(workflow.Reaction{Name: "routes", Export: &workflow.ExportReaction{File: "f", List: blockedOnes()}}))
	w.do(workflow.Open{Kind: incident.KindIncident, Subject: "a", State: "blocked", Observables: sourceOf("192.0.2.7")})
	w.flushAny(w.worker())
	require.Equal(t, "192.0.2.7/32\n192.0.2.8/32\n", written[len(written)-1])
	require.Contains(t, written, "192.0.2.7/32\n")
}
