package desk_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/maildir"
	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// BenchmarkCourier sends to a host on loopback, beside a bare loop of go-smtp that sends
// the same bytes over one connection: the ratio is of the same run.
func BenchmarkCourier(b *testing.B) {
	const letters = 200
	for _, s := range []struct {
		name  string
		store func() storage.Store
	}{{"memory", func() storage.Store { return memory.New() }}, {"sqlite", func() storage.Store { return sqliteFile(b) }}} {
		b.Run(s.name, func(b *testing.B) {
			var ours, bare time.Duration
			for range b.N {
				b.StopTimer()
				h := newMailHost(b, func() death { return lives })
				w := newWorldOn(b, s.store())
				for range letters {
					_, err := w.alice.Do(ctx,
						workflow.Open{Kind: incident.KindInvestigation, Subject: "Scans", Requestors: []incident.Party{{Address: "bob@example.org"}}},
						workflow.Reply{Ticket: incident.Nth(1), Text: "Hello."})
					require.NoError(b, err)
				}
				raw, err := w.alice.Body(ctx, 1, w.outgoing()[0].Version)
				require.NoError(b, err)
				c := w.through(h)
				c.Parallel, c.PerDomain = 4, 4
				b.StartTimer()
				begin := time.Now()
				sent, err := c.Flush(ctx, letters)
				ours += time.Since(begin)
				require.NoError(b, err)
				require.Equal(b, letters, sent)

				begin = time.Now()
				client, err := gosmtp.Dial(h.Addr().String())
				require.NoError(b, err)
				for range letters {
					require.NoError(b, client.Mail("csirt@example.net", nil))
					require.NoError(b, client.Rcpt("bob@example.org", nil))
					data, err := client.Data()
					require.NoError(b, err)
					_, err = data.Write(raw)
					require.NoError(b, err)
					require.NoError(b, data.Close())
				}
				require.NoError(b, client.Quit())
				bare += time.Since(begin)
			}
			b.ReportMetric(float64(b.N*letters)/ours.Seconds(), "mails/s")
			b.ReportMetric(float64(b.N*letters)/bare.Seconds(), "bare-mails/s")
			b.ReportMetric(bare.Seconds()/ours.Seconds(), "of-bare")
		})
	}
}

// A maildir is a next hop as good as any.
func TestCourierFillsAMaildir(t *testing.T) {
	w := posted(t, memory.New())
	dir := t.TempDir()
	box, err := maildir.New(dir, maildir.Config{})
	require.NoError(t, err)
	c := w.courier(nil)
	c.Sender = box
	w.flush(c, 1)
	files, err := filepath.Glob(filepath.Join(dir, "new", "*"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	raw, err := os.ReadFile(files[0])
	require.NoError(t, err)
	body, err := w.alice.Body(ctx, w.row().Ticket, w.row().Version)
	require.NoError(t, err)
	require.Contains(t, string(raw), strings.ReplaceAll(string(body), "\r\n", lineEnd(raw)))
}

// lineEnd is the one of a file.
func lineEnd(raw []byte) string {
	if strings.Contains(string(raw), "\r\n") {
		return "\r\n"
	}
	return "\n"
}
