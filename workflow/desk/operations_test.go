package desk_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func janet(c *desk.Config) { c.Policy = workflow.Default() }

// Bulk reject takes and rejects; what others own, it leaves and says so (JANET 3.7).
func TestBulk(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store, janet)
		spam, theirs, gone := w.receive("spam@example.com", "Offer", "").Ticket, w.receive("spam@example.com", "Another", "").Ticket, incident.ID(99)
		_, err := w.desk.As("handler:bob").Do(ctx, workflow.Take{Ticket: theirs})
		require.NoError(t, err)
		results := w.alice.Bulk(ctx, workflow.Reject{Ticket: spam}, workflow.Reject{Ticket: theirs}, workflow.Reject{Ticket: gone}, workflow.Reject{Ticket: theirs, Steal: true})
		require.Len(t, results, 4)
		require.NoError(t, results[0].Err)
		require.Equal(t, workflow.Reject{Ticket: spam}, results[0].Command)
		require.Len(t, results[0].Result.Records, 2, "owned and moved")
		var taken *workflow.TakenError
		require.ErrorAs(t, results[1].Err, &taken)
		require.Equal(t, incident.Actor("handler:bob"), taken.Owner)
		require.Nil(t, results[1].Result)
		require.ErrorIs(t, results[2].Err, storage.ErrNotFound)
		require.NoError(t, results[3].Err)
		w.status("rejected", spam, theirs)
		require.Equal(t, incident.Actor("handler:alice"), w.ticket(theirs).Owner)
		w.verify()

		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		for _, r := range w.alice.Bulk(cancelled, workflow.Take{Ticket: spam}, workflow.Take{Ticket: theirs}) {
			require.ErrorIs(t, r.Err, context.Canceled)
		}
	})
}

// Prefill shows what Do would fill in: a form is what a person changes.
func TestPrefill(t *testing.T) {
	w := newWorld(t, janet)
	report := w.receive("bob@example.org", "Scan from 192.0.2.7", "").Ticket
	open := workflow.Open{Kind: incident.KindIncident, From: report, Fields: classified}
	filled, err := w.alice.Prefill(ctx, open)
	require.NoError(t, err)
	require.Equal(t, "Scan from 192.0.2.7", filled.Subject)
	require.Contains(t, filled.Text, "Scan from 192.0.2.7 at")
	require.NotEmpty(t, filled.Observables)
	require.Len(t, w.history(report), 2, "nothing is stored")

	inc := w.do(open).Opened[0]
	require.Equal(t, []incident.ID{inc}, w.ticket(report).Parents)
	require.Equal(t, report, w.ticket(inc).From)
	w.status("open", report)
	text, err := w.alice.Body(ctx, inc, 2)
	require.NoError(t, err)
	require.Equal(t, filled.Text, string(text))

	filled, err = w.alice.Prefill(ctx, workflow.Open{Kind: incident.KindInvestigation, From: inc})
	require.NoError(t, err)
	require.Equal(t, []incident.ID{inc}, filled.Parents)
	require.Contains(t, filled.Text, "> Scan from 192.0.2.7")
	_, err = w.alice.Prefill(ctx, workflow.Open{Kind: incident.KindIncident, From: 99})
	require.ErrorIs(t, err, storage.ErrNotFound)
	limited := newWorld(t, janet, scoped)
	hidden := limited.receive("bob@example.org", "Scan", "").Ticket
	_, err = limited.eve().Prefill(ctx, workflow.Open{Kind: incident.KindIncident, From: hidden})
	require.ErrorIs(t, err, storage.ErrNotFound)
}

func TestAllowedAndChildren(t *testing.T) {
	w := newWorld(t, janet)
	inc := w.incident()
	kept, rejected := w.child(incident.KindReport, inc), w.child(incident.KindReport, inc)
	w.do(workflow.Reject{Ticket: rejected})
	names := func(id incident.ID) (list []string) {
		actions, err := w.alice.Allowed(ctx, id)
		require.NoError(t, err)
		for _, a := range actions {
			list = append(list, a.Name)
		}
		return list
	}
	require.Equal(t, []string{"Resolve", "Quick Resolve", "Abandon"}, names(inc))
	require.Equal(t, []string{"Re-open"}, names(rejected))
	_, err := w.alice.Allowed(ctx, 99)
	require.ErrorIs(t, err, storage.ErrNotFound)

	shown := func(all bool) (ids []incident.ID) {
		page, err := w.alice.Children(ctx, inc, all, nil)
		require.NoError(t, err)
		for _, row := range page.Rows {
			ids = append(ids, row.ID)
		}
		require.Equal(t, len(ids), page.Total)
		return ids
	}
	require.Equal(t, []incident.ID{kept}, shown(false), "JANET 3.6")
	require.Equal(t, []incident.ID{kept, rejected}, shown(true))

	// A status that only an earlier policy knew hides nobody.
	earlier := newWorldOn(t, w.store, func(c *desk.Config) {
		var err error
		c.Policy, err = workflow.Preset("airt")
		require.NoError(t, err)
		c.Policy.Version = 1
	})
	stalled := earlier.child(incident.KindReport, inc)
	earlier.do(workflow.Move{Ticket: stalled, To: "stalled"})
	require.Equal(t, []incident.ID{kept, rejected, stalled}, shown(false))
	_, err = w.alice.Children(ctx, 99, true, nil)
	require.ErrorIs(t, err, storage.ErrNotFound)
}

// A block that is asked for offers a notice to those whom it affects, and what is
// offered can be done as it is (JANET 3.14).
func TestOffers(t *testing.T) {
	w := newWorld(t, func(c *desk.Config) {
		janet(c)
		c.Policy.OperationsCentre = incident.Party{Name: "NOC", Address: "noc@example.net"}
	})
	inc := w.do(workflow.Open{
		Kind: incident.KindIncident, Subject: "Worm", Fields: classified, Contacts: []incident.Party{{Address: "site@example.org"}},
		Observables: []incident.Observable{{Kind: incident.Address, Value: "192.0.2.7"}},
	}).Opened[0]
	result := w.do(workflow.Open{Kind: incident.KindBlock, From: inc})
	block := result.Opened[0]
	require.Equal(t, []incident.Party{{Name: "NOC", Address: "noc@example.net"}}, w.ticket(block).Requestors)
	require.Len(t, result.Offers, 1)
	notice := w.do(result.Offers...).Opened[0]
	require.Equal(t, []incident.ID{inc}, w.ticket(notice).Parents)
	var mailed []string
	for _, row := range w.outgoing() {
		mailed = append(mailed, row.To)
	}
	require.Equal(t, []string{"noc@example.net", "site@example.org"}, mailed)
	body, err := w.alice.Body(ctx, block, 2)
	require.NoError(t, err)
	require.Contains(t, string(body), "Addresses: 192.0.2.7\r\n")
}

// Attachments of what was no mail are bodies of their own; verification finds them.
func TestAttachments(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store, janet)
		fax := []byte("%PDF-1.4 a fax")
		report := w.do(workflow.Open{
			Kind: incident.KindReport, Subject: "By fax", Via: "fax", Text: "See the fax.",
			Attachments: []workflow.File{{Name: "fax.pdf", Type: "application/pdf", Content: fax}},
		}).Opened[0]
		event, record := w.last(report, "message")
		m := event.(incident.Message)
		require.Equal(t, []incident.Attachment{{Name: "fax.pdf", Type: "application/pdf", Size: len(fax), Blob: incident.DigestOf(fax)}}, m.Content.Attachments)
		require.Equal(t, incident.DigestOf(fax), record.Blobs[1])
		require.False(t, m.IsMail())
		content, err := w.alice.Attachment(ctx, report, record.Version, 1)
		require.NoError(t, err)
		require.Equal(t, fax, content)
		w.do(workflow.Edit{Ticket: report, AddRequestors: []incident.Party{{Address: "bob@example.org"}}},
			workflow.Reply{Ticket: report, Text: "Do this.", Attachments: []workflow.File{{Name: "how to.txt", Type: "text/plain", Content: []byte("Stop it.\n")}}})
		_, sent := w.last(report, "message")
		body, err := w.alice.Body(ctx, report, sent.Version)
		require.NoError(t, err)
		parsed, err := mail.Parse(body, mail.Limits{})
		require.NoError(t, err)
		require.Equal(t, "how to.txt", parsed.Parts[len(parsed.Parts)-1].Name)
		require.Equal(t, "Stop it.", strings.TrimSpace(string(parsed.Parts[len(parsed.Parts)-1].Content)))
		for _, n := range []int{-1, 0, 2} {
			_, err = w.alice.Attachment(ctx, report, record.Version, n)
			require.ErrorIs(t, err, desk.ErrNoBody)
		}
	})
}
