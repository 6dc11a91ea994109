package desk_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// sensorMail is a mail of a sensor with files of one media type.
func sensorMail(media string, files ...string) []byte {
	var b bytes.Buffer
	b.WriteString("From: sensor@example.org\r\nTo: csirt@example.net\r\nSubject: Alarm\r\nMessage-ID: <alarm@example.org>\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nAlarms.\r\n")
	for i, file := range files {
		fmt.Fprintf(&b, "--b\r\nContent-Type: %s; name=alarms%d\r\n\r\n%s\r\n", media, i, file)
	}
	b.WriteString("--b--\r\n")
	return b.Bytes()
}

// message returns the message of a receipt, and checks that the mail is kept byte for
// byte.
func (w *world) message(receipt *desk.Receipt, raw []byte) incident.Message {
	w.t.Helper()
	body, err := w.alice.Body(ctx, receipt.Ticket, receipt.Version)
	require.NoError(w.t, err)
	require.True(w.t, bytes.Equal(raw, body), "the raw mail, byte for byte")
	history, err := w.alice.History(ctx, receipt.Ticket)
	require.NoError(w.t, err)
	ev, err := incident.Decode(history.Records[receipt.Version-1])
	require.NoError(w.t, err)
	return ev.(incident.Message)
}

func (w *world) receiveRaw(raw []byte) *desk.Receipt {
	w.t.Helper()
	receipt, err := w.desk.Receive(ctx, mail.Envelope{From: "sensor@example.org"}, raw)
	require.NoError(w.t, err)
	return receipt
}

// What a mail has beyond 10,000 observations, in whichever of its parts, stays in the
// raw mail; its record says so, and an import takes the rest and nothing twice.
func TestMailBeyondObservations(t *testing.T) {
	const sources, first, second = 20, 6000, 4010 // 10 are too many
	w := newWorldUnder(t, memory.New(), feeding(workflow.Feed{Name: "shadowserver", Limit: 1000}), withFormats)
	one, two := []string{header}, []string{header}
	for i := range first + second {
		line := row(fmt.Sprintf("192.0.2.%d", i%sources), i, "scan")
		if i < first {
			one = append(one, line)
		} else {
			two = append(two, line)
		}
	}
	files := []string{strings.Join(one, ""), strings.Join(two, "")}
	raw := sensorMail("text/csv", files...)
	receipt := w.receiveRaw(raw)
	m := w.message(receipt, raw)
	require.Contains(t, m.Content.Findings, "it has more than 10000 observations: import the rest")
	require.Contains(t, m.Content.Why, "It is a report of machines, in the format shadowserver: 10000 observations, 0 of them known, 0 dropped.")
	kept := 0
	for _, e := range w.queue() {
		kept += e.Observations.Count
	}
	require.Len(t, w.queue(), sources)
	require.Equal(t, 10_000, kept)

	require.Equal(t, incident.Tally{Observations: first, Known: first}, w.imports(desk.Import{Format: "shadowserver"}, files[0]).Tally)
	require.Equal(t, incident.Tally{Observations: second, Known: second - 10, Kept: 10}, w.imports(desk.Import{Format: "shadowserver"}, files[1]).Tally)
	require.Equal(t, incident.Tally{Observations: second, Known: second}, w.imports(desk.Import{Format: "shadowserver"}, files[1]).Tally)
	require.True(t, w.receiveRaw(raw).Again, "the mail itself is known")
}

// What a mail has beyond 1,000 sources stays in the raw mail, too, and is named however
// much else there is to say.
func TestMailBeyondSources(t *testing.T) {
	const dropped, sources = 25, 1007 // 7 are too many
	w := newWorldUnder(t, memory.New(), feeding(workflow.Feed{Name: "shadowserver", DropNetworks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}), withFormats)
	var document strings.Builder
	document.WriteString(header)
	for i := range dropped {
		document.WriteString(row("192.0.2.1", i, "scan"))
	}
	for i := range sources {
		document.WriteString(row(fmt.Sprintf("198.51.%d.%d", i/250, i%250), i, "scan"))
	}
	raw := sensorMail("text/csv", document.String())
	receipt := w.receiveRaw(raw)
	m := w.message(receipt, raw)
	require.Equal(t, "it has more than 1000 sources: import the rest, 7 observations", m.Content.Findings[len(m.Content.Findings)-1])
	require.Contains(t, m.Content.Why, "It is a report of machines, in the format shadowserver: 1025 observations, 0 of them known, 25 dropped.")
	page, err := w.alice.Queue(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, 1000, page.Total)

	rest := w.imports(desk.Import{Format: "shadowserver"}, document.String())
	require.Equal(t, incident.Tally{Observations: dropped + sources, Known: 1000, Kept: 7, Opened: 7, Dropped: dropped}, rest.Tally)
	rest = w.imports(desk.Import{Format: "shadowserver"}, document.String())
	require.Equal(t, incident.Tally{Observations: dropped + sources, Known: sources, Dropped: dropped}, rest.Tally)
}

// Rows that cannot be read count among the 10,000, and those behind the first twenty
// are counted.
func TestMailOfUnreadableRows(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(), withFormats)
	raw := sensorMail("text/csv", header+row("192.0.2.7", 1, "scan")+strings.Repeat("no,row,of,it,at,all,I,say\n", 10_000)+row("192.0.2.8", 1, "scan"))
	receipt := w.receiveRaw(raw)
	findings := w.message(receipt, raw).Content.Findings
	require.Len(t, findings, 1+20+2, "one is about the header")
	require.Contains(t, findings[1], "its report could not be read: shadowserver: line 3")
	require.Contains(t, findings, "it has more than 10000 observations: import the rest")
	require.Contains(t, findings, "9979 more of its observations could not be read")
	require.Len(t, w.queue(), 1)
}
