package desk_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// observablesOf returns the values of a kind that a ticket has.
func (w *world) observablesOf(id incident.ID, kind incident.ObservableKind) (values []string) {
	for _, o := range w.ticket(id).Observables {
		if o.Kind == kind {
			values = append(values, o.Value)
		}
	}
	return values
}

// handled is what happens to observables of one kind: they are set by hand, found in
// texts, each once, searched, and joined when tickets are merged.
func handled(t *testing.T, kind incident.ObservableKind, text string, found []string, byHand, asked string) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldUnder(t, store, workflow.Default(), withCampus(t))
		report := w.raw("bob@example.com", "From: bob@example.com\r\n\r\n"+text+"\r\n").Ticket
		require.Equal(t, found, w.observablesOf(report, kind))
		w.answerTo(report, text)
		require.Equal(t, found, w.observablesOf(report, kind), "each once")
		w.do(workflow.Take{Ticket: report}, workflow.Edit{Ticket: report, AddObservables: []incident.Observable{observable(t, byHand)}})
		all := append(append([]string{}, found...), byHand)
		require.Equal(t, all, w.observablesOf(report, kind))

		first := observable(t, asked)
		require.Equal(t, 1, len(w.onlyCircle(desk.Lookup{Observable: first})[incident.KindReport]))
		other := w.do(workflow.Open{Kind: incident.KindReport, Subject: "other", Observables: []incident.Observable{first}}).Opened[0]
		require.Len(t, w.onlyCircle(desk.Lookup{Observable: first})[incident.KindReport], 2)
		w.do(workflow.Merge{Ticket: report, Into: other})
		require.ElementsMatch(t, all, w.observablesOf(other, kind), "joined, and each once")

		// A new incident made from it has them.
		inc := w.do(workflow.Open{Kind: incident.KindIncident, From: other, Fields: classified}).Opened[0]
		require.ElementsMatch(t, all, w.observablesOf(inc, kind))
	})
}

// answerTo is a mail of the requestor with a text.
func (w *world) answerTo(id incident.ID, text string) {
	w.t.Helper()
	w.raw("bob@example.com", "From: bob@example.com\r\nSubject: "+tagged(id)+"\r\n\r\n"+text+" once more\r\n")
}

// onlyCircle is what one width of a search finds.
func (w *world) onlyCircle(l desk.Lookup) kinds {
	w.t.Helper()
	found := w.mentions(l)
	require.Len(w.t, found, 1)
	for _, c := range found {
		return c
	}
	return nil
}

func TestCVE(t *testing.T) {
	handled(t, incident.CVE, "CVE-2014-0160, cve-2021-44228 and CVE-2014-0160; not cve-2021-, cve-20-3, cve-2021-123, XCVE-2014-0161",
		[]string{"CVE-2014-0160", "CVE-2021-44228"}, "CVE-2024-3094", "cve-2014-0160")
}

func TestHostNames(t *testing.T) {
	label := strings.Repeat("a", 63)
	handled(t, incident.Host, "www.example.org, WWW.example.org, xn--bcher-kva.example.org, "+label+".example.org; not "+label+"a.example.org, .com, -.com, test.bla",
		[]string{"www.example.org", "xn--bcher-kva.example.org", label + ".example.org"}, "mail.example.net", "www.example.org")
}
