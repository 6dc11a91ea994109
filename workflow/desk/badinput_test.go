package desk_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

func repeated(n int, line func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(i))
	}
	return b.String()
}

func nested(levels int) string {
	return "From: bob@example.org\r\nSubject: Nested\r\n" + repeated(levels, func(i int) string {
		return fmt.Sprintf("Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
	}) + "\r\nDeep down\r\n"
}

const head = "From: bob@example.org\r\nSubject: Scan\r\n"

// badMail is mail that is broken, huge or hostile. Each of it has to end as a
// ticket, here with a finding that says so; refused is for that which may not.
func badMail() []struct{ name, raw, finding string } {
	long := strings.Repeat("all work and no play ", 50_000)
	return []struct{ name, raw, finding string }{
		{"empty", "", "From"},
		{"no header", "\r\nJust a body", ""},
		{"no body", "From: bob@example.org\r\nSubject: Scan", ""},
		{"missing From", "Subject: Scan\r\n\r\nx", "From"},
		{"truncated MIME", head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nSGVsbG8", ""},
		{"10,000 nested parts", nested(10_000), "Depth"},
		{"2,000 parts", head + "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 2000), "Parts"},
		{"20 MB of headers", head + strings.Repeat("X-Pad: "+strings.Repeat("x", 90)+"\r\n", 200_000) + "\r\nx", "HeaderBytes"},
		{"a date after the year 9999", head + "Date: 31 Dec 9999 23:59:59 -0100\r\n\r\nx", "Date"},
		{"NUL bytes", "From: bob\x00 <bob@example.org>\r\nSubject: Sc\x00an\r\nMessage-ID: <a\x00b@example.org>\r\n\r\nx\x00y 192.0.2.7", ""},
		{"invalid UTF-8", "From: \xff\xfe <bob@example.org>\r\nSubject: Sc\xc3\x28an\r\nIn-Reply-To: <\xff@x>\r\n\r\n\xff\xff", ""},
		{"unknown charset", head + "Content-Type: text/plain; charset=klingon\r\n\r\nqapla", ""},
		{"10,000 References", head + "References:" + repeated(10_000, func(i int) string { return fmt.Sprintf(" <%d@example.org>\r\n", i) }) + "\r\nx", ""},
		{"100,000 addresses", head + "\r\n" + repeated(100_000, func(i int) string { return fmt.Sprintf("10.%d.%d.%d\r\n", i>>16, i>>8&255, i&255) }),
			"only 1000 of its 100000 addresses were taken over"},
		{"subject of 1 MB", "From: bob@example.org\r\nSubject: " + long[:1_000_000] + "\r\n\r\nx", "bytes of its subject"},
		{"subject of 40,000 own tags", "From: bob@example.org\r\nSubject: " + repeated(40_000, func(i int) string { return fmt.Sprintf("[A CSIRT #%d] ", i+1) }) + "\r\n\r\nx", "bytes of its subject"},
		{"subject of many bytes a letter", "From: bob@example.org\r\nSubject: x" + strings.Repeat("é", 3000) + "\r\n\r\nx", "bytes of its subject"},
		{"name of 500 kB", "From: " + strings.Repeat("Bob ", 125_000) + "<bob@example.org>\r\n\r\nx", ""},
		{"Message-ID of 500 kB", head + "Message-ID: <" + strings.Repeat("x", 500_000) + "@example.org>\r\n\r\nx", ""},
		{"10,000 recipients", head + "To: " + repeated(10_000, func(i int) string { return fmt.Sprintf("p%d@example.org,\r\n ", i) }) + "last@example.org\r\n\r\nx", ""},
		{"number beyond all", "From: bob@example.org\r\nSubject: [A CSIRT #99999999999999999999999]\r\n\r\nx", ""},
		{"line ends", "From: bob@example.org\nSubject: Scan\r\r\nmixed\rup\n", ""},
	}
}

func TestBadMail(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldOn(t, store)
		for _, c := range badMail() {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			receipt, err := w.desk.Receive(ctx, mail.Envelope{From: "bob@example.org", To: []string{"csirt@example.net"}}, []byte(c.raw))
			require.NoError(t, err, c.name)
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20+60*len(c.raw)), "%s: memory is bounded", c.name)

			body, err := w.alice.Body(ctx, receipt.Ticket, receipt.Version)
			require.NoError(t, err, c.name)
			require.True(t, string(body) == c.raw, "%s: raw bytes read back equal", c.name)
			message, record := w.last(receipt.Ticket, "message")
			require.Less(t, len(record.Content), 1<<21, c.name)
			require.True(t, utf8.Valid(record.Content) && !strings.Contains(string(record.Content), `\u0000`), "%s: what a store cannot keep is cleaned", c.name)
			if c.finding != "" {
				require.Contains(t, strings.Join(message.(incident.Message).Content.Findings, "\n"), c.finding, c.name)
			}
			require.LessOrEqual(t, len(message.(incident.Message).Content.Observables), 1000, c.name)
			require.LessOrEqual(t, len(message.(incident.Message).Content.References), 100, c.name)
			require.LessOrEqual(t, len(message.(incident.Message).Content.To), 200, c.name)
			subject := w.ticket(receipt.Ticket).Subject
			require.LessOrEqual(t, len(subject), 4000, c.name)
			require.False(t, len(subject) > 3990 && strings.HasSuffix(subject, "\uFFFD"), "%s: cut between characters", c.name)
			if len(w.ticket(receipt.Ticket).Requestors) > 0 {
				_, err := w.alice.Do(ctx, workflow.Reply{Ticket: receipt.Ticket, Text: "We have read it."})
				require.NoError(t, err, "%s: it can be answered", c.name)
			}
		}
		w.verify()
		require.Len(t, w.tickets(), len(badMail()))
	})
}

func TestMailThatIsTooLarge(t *testing.T) {
	w := newWorld(t)
	for name, raw := range map[string]string{
		"26 MB":             head + "\r\n" + strings.Repeat("x", 26<<20),
		"50 MB of headers ": head + strings.Repeat("X-Pad: "+strings.Repeat("x", 990)+"\r\n", 50_000) + "\r\nx",
	} {
		_, err := w.desk.Receive(ctx, mail.Envelope{}, []byte(raw))
		var answer *mail.Error
		require.True(t, errors.As(err, &answer), name)
		require.Equal(t, 552, answer.Code)
		require.False(t, answer.Temporary())
		require.Contains(t, answer.Message, "26214400", "%s: the limit is named: %s", name, answer.Message)
	}
	require.Empty(t, w.tickets(), "nothing is stored of it")

	wide := newWorld(t, func(c *desk.Config) { c.Limits.Bytes = 64 << 20 })
	raw := head + strings.Repeat("X-Pad: "+strings.Repeat("x", 990)+"\r\n", 50_000) + "\r\nx"
	receipt, err := wide.desk.Receive(ctx, mail.Envelope{}, []byte(raw))
	require.NoError(t, err)
	message, _ := wide.last(receipt.Ticket, "message")
	require.Contains(t, strings.Join(message.(incident.Message).Content.Findings, "\n"), "HeaderBytes")
	body, err := wide.alice.Body(ctx, receipt.Ticket, receipt.Version)
	require.NoError(t, err)
	require.True(t, string(body) == raw)

	small := newWorld(t, func(c *desk.Config) { c.Limits.Bytes = 100 })
	_, err = small.desk.Receive(ctx, mail.Envelope{}, []byte(head+"\r\n"+strings.Repeat("x", 100)))
	require.ErrorContains(t, err, "100")
}
