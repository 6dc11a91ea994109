package desk_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/xirl"
)

// What machines have reported on an incident goes along with a mail about it, as logs in
// its text and as data that are read back equal.
func TestReportedDataGoesAlong(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(), withFormats, has(map[string]string{"notice": "Seen:\n@LOGGING|quote@\n"}))
	var document bytes.Buffer
	_, err := xirl.XIRL().Encode(&document, slices.Values([]incident.Observation{observation("X-1", "192.0.2.7"), observation("X-2", "192.0.2.7")}))
	require.NoError(t, err)
	w.imports(desk.Import{Format: "xirl"}, document.String())
	inc := w.do(workflow.Accept{Ticket: 1, Fields: classified}).Opened[0]
	asked := w.do(workflow.Open{Kind: incident.KindInvestigation, Parents: []incident.ID{inc}, Subject: "Scans", Requestors: []incident.Party{{Address: "bob@example.org"}}}).Opened[0]

	draft, drafted, err := w.alice.Draft(ctx, asked, desk.Beginning{Template: "notice", Attach: []string{"xirl"}})
	require.NoError(t, err)
	require.Empty(t, drafted.Lost)
	const seen = "> Mar  1 08:00:00 sensor: denied 192.0.2.7\n"
	require.Contains(t, draft.Text, seen)
	require.Len(t, draft.Attachments, 1)
	told, err := w.alice.Exchange(ctx, inc)
	require.NoError(t, err)
	require.Len(t, told, 2)
	var read []incident.Observation
	for o, err := range xirl.XIRL().Decode(bytes.NewReader(draft.Attachments[0].Content), incident.Limits{}) {
		require.NoError(t, err)
		read = append(read, o)
	}
	require.Equal(t, told, read)
	w.verify()
}
