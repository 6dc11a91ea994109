package desk_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func newPromisingWorld(t tb, store storage.Store, change ...func(*desk.Config)) *world {
	p := plain()
	promising(p)
	return newWorldOn(t, store, append([]func(*desk.Config){func(c *desk.Config) { c.Policy = p }}, change...)...)
}

// outcomes replays one ticket until now.
func (w *world) outcomes(id incident.ID) []string {
	w.t.Helper()
	var list []string
	for _, o := range w.desk.Policy().Outcomes(w.history(id), "Classification", w.now.Add(time.Microsecond)) {
		what := "met"
		if o.Missed {
			what = "missed"
		} else if o.Withdrawn {
			what = "withdrawn"
		}
		if o.Ended.IsZero() {
			what += ", runs"
		}
		list = append(list, fmt.Sprintf("%s of %s %s at %s after %v", o.Clock, o.Level, what, o.At.Format("Mon 15:04"), o.Took.Truncate(time.Second)))
	}
	return list
}

// What counts as one promise, by short stories.
func TestPromises(t *testing.T) {
	hospital := func(w *world) incident.ID {
		return w.do(workflow.Open{Kind: incident.KindReport, Subject: "Scan", Constituency: "hospital", Requestors: []incident.Party{{Address: "bob@example.org"}}}).Opened[0]
	}
	move := func(w *world, id incident.ID, to incident.Status) { w.do(workflow.Move{Ticket: id, To: to}) }
	for _, s := range []struct {
		name string
		play func(w *world) incident.ID
		want []string
	}{
		{"answered in time", func(w *world) incident.ID {
			report := w.friday()
			w.to(*week(time.Monday, "09:10:00"))
			w.do(workflow.Reply{Ticket: report, Text: "Thank you."})
			return report
		}, []string{"response of standard met at Mon 09:10 after 40m0s"}},
		{"answered at the last moment", func(w *world) incident.ID {
			report := w.friday()
			w.to(*week(time.Monday, "09:30:00"))
			w.do(workflow.Reply{Ticket: report, Text: "Thank you."})
			return report
		}, []string{"response of standard met at Mon 09:30 after 1h0m0s"}},
		{"answered late: missed when it was due", func(w *world) incident.ID {
			report := w.friday()
			w.answer(report) // chasing is no promise of its own
			w.to(*week(time.Monday, "11:00:00"))
			w.do(workflow.Reply{Ticket: report, Text: "Sorry."})
			return report
		}, []string{"response of standard missed at Mon 09:30 after 2h30m0s"}},
		{"not answered yet", func(w *world) incident.ID { return w.friday() }, nil},
		{"missed, and nobody has answered", func(w *world) incident.ID {
			report := w.friday()
			w.now = *week(time.Monday, "12:00:00")
			return report
		}, []string{"response of standard missed, runs at Mon 09:30 after 3h30m0s"}},
		{"twice", func(w *world) incident.ID {
			report := w.friday()
			w.do(workflow.Reply{Ticket: report, Text: "Which computer?"})
			w.to(*week(time.Monday, "09:01:00"))
			w.answer(report)
			w.to(*week(time.Monday, "09:21:00"))
			w.do(workflow.Reply{Ticket: report, Text: "Thank you."})
			return report
		}, []string{"response of standard met at Fri 17:31 after 1m0s", "response of standard met at Mon 09:21 after 20m0s"}},
		{"closed without the answer, in time", func(w *world) incident.ID {
			report := w.friday()
			move(w, report, "rejected")
			return report
		}, []string{"response of standard withdrawn at Fri 17:31 after 1m0s"}},
		{"closed without the answer, late", func(w *world) incident.ID {
			report := w.friday()
			w.to(*week(time.Monday, "10:00:00"))
			move(w, report, "rejected")
			return report
		}, []string{"response of standard missed at Mon 09:30 after 1h30m0s"}},
		{"a pause", func(w *world) incident.ID {
			report := w.friday()
			w.to(*week(time.Monday, "09:10:00"))
			move(w, report, "stalled")
			w.to(*week(time.Monday, "12:00:00"))
			move(w, report, "open")
			w.to(*week(time.Monday, "12:30:00"))
			w.do(workflow.Reply{Ticket: report, Text: "Sorry."})
			return report
		}, []string{"response of standard missed at Mon 12:20 after 1h10m0s"}},
		{"answered in a pause", func(w *world) incident.ID {
			report := w.friday()
			w.to(*week(time.Monday, "09:10:00"))
			move(w, report, "stalled")
			w.to(*week(time.Tuesday, "12:00:00"))
			w.do(workflow.Reply{Ticket: report, Text: "Thank you."})
			return report
		}, []string{"response of standard met at Tue 12:00 after 40m0s"}},
		{"ignored, and missed when it counts again", func(w *world) incident.ID {
			report := hospital(w)
			w.answer(report)
			move(w, report, "stalled")
			w.to(day(time.Monday, "11:00:00"))
			move(w, report, "open")
			w.do(workflow.Reply{Ticket: report, Text: "Sorry."})
			return report
		}, []string{"response of hospital missed at Mon 11:00 after 1h59m0s"}},
		{"closed, opened again and closed: two resolutions", func(w *world) incident.ID {
			report := hospital(w)
			w.to(day(time.Monday, "12:01:00"))
			move(w, report, "resolved")
			w.to(day(time.Wednesday, "12:01:00"))
			w.do(workflow.Reopen{Ticket: report})
			w.to(day(time.Wednesday, "13:01:00"))
			move(w, report, "resolved")
			return report
		}, []string{"resolve of hospital met at Mon 12:01 after 3h0m0s", "resolve of hospital met at Wed 13:01 after 4h0m0s"}},
		{"opened again after the deadline: missed from then on", func(w *world) incident.ID {
			report := hospital(w)
			move(w, report, "resolved")
			w.to(day(time.Friday, "12:00:00"))
			w.do(workflow.Reopen{Ticket: report})
			w.now = day(time.Friday, "14:00:00")
			return report
		}, []string{"resolve of hospital met at Mon 09:02 after 1m0s", "resolve of hospital missed, runs at Fri 12:00 after 2h1m0s"}},
		{"missed, closed and opened again", func(w *world) incident.ID {
			report := hospital(w)
			w.to(day(time.Friday, "12:00:00"))
			move(w, report, "resolved")
			w.to(day(time.Friday, "13:00:00"))
			w.do(workflow.Reopen{Ticket: report})
			w.to(day(time.Friday, "14:00:00"))
			move(w, report, "resolved")
			return report
		}, []string{"resolve of hospital missed at Thu 09:01 after 98h59m0s", "resolve of hospital missed at Fri 13:00 after 99h59m0s"}},
		{"missed, closed, answered and opened again", func(w *world) incident.ID {
			report := w.friday()
			w.to(*week(time.Monday, "10:00:00"))
			move(w, report, "rejected")
			w.do(workflow.Reply{Ticket: report, Text: "Sorry."})
			w.do(workflow.Reopen{Ticket: report})
			w.now = *week(time.Monday, "12:00:00")
			return report
		}, []string{"response of standard missed at Mon 09:30 after 1h30m0s"}},
		{"the level that was in force counts", func(w *world) incident.ID {
			report := hospital(w)
			w.answer(report)
			w.to(day(time.Monday, "10:00:00"))
			w.do(workflow.Edit{Ticket: report, Constituency: pointer("")}) // too late to make good
			w.to(day(time.Monday, "10:01:00"))
			w.do(workflow.Reply{Ticket: report, Text: "Sorry."})
			return report
		}, []string{"resolve of hospital withdrawn at Mon 10:00 after 59m0s", "response of hospital missed at Mon 09:32 after 59m0s"}},
		{"a level that has the clock too goes on with it", func(w *world) incident.ID {
			report := w.friday()
			w.do(workflow.Edit{Ticket: report, Constituency: pointer("hospital")})
			w.do(workflow.Reply{Ticket: report, Text: "Thank you."})
			return report
		}, []string{"response of hospital met at Fri 17:32 after 2m0s"}},
		{"a priority that makes it late", func(w *world) incident.ID {
			report := w.friday()
			w.to(*week(time.Monday, "09:20:00"))
			w.do(workflow.Edit{Ticket: report, Priority: pointer(100)})
			w.do(workflow.Reply{Ticket: report, Text: "Thank you."})
			return report
		}, []string{"response of standard missed at Mon 09:20 after 51m0s"}},
		{"an update", func(w *world) incident.ID {
			report := hospital(w)
			w.do(workflow.Reply{Ticket: report, Text: "One."})
			w.do(workflow.Reply{Ticket: report, Text: "Two."})
			w.answer(report)
			return report
		}, []string{"keep-in-loop of hospital met at Mon 09:03 after 1m0s", "keep-in-loop of hospital met at Mon 09:04 after 1m0s"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			w := newPromisingWorld(t, memory.New())
			require.Equal(t, s.want, w.outcomes(s.play(w)))
		})
	}
}

// What the agreement has no clock for any more still counts, but for its time.
func TestComplianceAfterNewTerms(t *testing.T) {
	w := newPromisingWorld(t, memory.New())
	report := w.friday()
	w.to(*week(time.Monday, "11:00:00"))
	w.do(workflow.Reply{Ticket: report, Text: "Sorry."})
	renamed := terms()
	renamed.Levels[0].Name, renamed.Default = "normal", "normal"
	for _, terms := range []*sla.Terms{&renamed, nil} {
		c, err := w.under(terms).desk.Compliance(ctx, day(time.Monday, "00:00:00"), w.now.AddDate(0, 0, 1), "", nil)
		require.NoError(t, err)
		require.Equal(t, []workflow.ComplianceRow{{Level: "standard", Clock: sla.Response, Figures: sla.Figures{Missed: 1}, Unmeasured: 1}}, c.Rows)
	}
}

// figures plays a fortnight of a small desk.
func (w *world) figures() {
	open := func(constituency, classification string) incident.ID {
		return w.do(workflow.Open{Kind: incident.KindReport, Subject: "Scan", Constituency: constituency, Text: "Help",
			Requestors: []incident.Party{{Address: "bob@example.org"}}, Fields: map[string][]string{"Classification": {classification}}}).Opened[0]
	}
	for i := range 10 {
		w.to(day(time.Tuesday, "10:00:00"))
		report := open("campus", []string{"spam", "phishing"}[i%2])
		w.to(w.now.Add(time.Duration(10*(i+1)) * time.Minute))
		w.do(workflow.Reply{Ticket: report, Text: "Thank you."})
	}
	w.to(day(time.Wednesday, "10:00:00"))
	report := open("hospital", "")
	w.do(workflow.Reply{Ticket: report, Text: "Thank you."}, workflow.Move{Ticket: report, To: "resolved"})
	w.to(day(time.Thursday, "10:00:00"))
	w.do(workflow.Reopen{Ticket: report})
	w.to(day(time.Friday, "10:00:00"))
	w.do(workflow.Move{Ticket: report, To: "resolved"})
	open("hospital", "") // nobody answers
	w.now = *week(time.Friday, "10:00:00")
}

func TestCompliance(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newPromisingWorld(t, store)
		w.figures()
		pages := 0
		c, err := w.desk.Compliance(ctx, day(time.Monday, "00:00:00"), *week(time.Monday, "00:00:00"), "Classification", func(done, total int) { pages++ })
		require.NoError(t, err)
		require.Equal(t, 1, pages)
		got, err := json.MarshalIndent(c, "", "\t")
		require.NoError(t, err)
		const golden = "testdata/compliance.json"
		if os.Getenv("AIRTIGHT_UPDATE") != "" {
			require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o644))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got)+"\n")

		all, err := w.desk.Compliance(ctx, day(time.Monday, "00:00:00"), w.now.AddDate(1, 0, 0), "", nil)
		require.NoError(t, err)
		require.Equal(t, sla.Figures{Met: 6, Missed: 4, Percentiles: []time.Duration{50 * time.Minute, 90 * time.Minute, 100 * time.Minute}}, all.Rows[3].Figures)
		none, err := w.desk.Compliance(ctx, *week(time.Saturday, "00:00:00"), *week(time.Sunday, "00:00:00"), "", nil)
		require.NoError(t, err)
		require.Empty(t, none.Rows)
		_, err = w.desk.Compliance(ctx, w.now, w.now, "", nil)
		require.ErrorContains(t, err, "allowed are two times, the earlier one first")
	})
}
