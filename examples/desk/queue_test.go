package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/adapters/smtp"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/xirl"
)

const scans = "timestamp,ip,port,dst_ip,protocol,type\n" +
	"2026-03-01 08:00:00,192.0.2.7,1024,198.51.100.1,tcp,port_scan\n" +
	"2026-03-01 08:00:01,192.0.2.7,1025,198.51.100.2,tcp,port_scan\n" +
	"2026-03-01 08:00:02,192.0.2.7,1025,198.51.100.2,tcp,ddos\n" +
	"2026-03-01 08:00:03,192.0.2.8,1026,198.51.100.3,tcp,port_scan\n"

// From "report read" to "incident recorded" it is one command (AIRT paper 1, 4).
func TestQueue(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "scans.csv")
	require.NoError(t, os.WriteFile(file, []byte(scans), 0o600))
	b.ok("policy", "adopt", "janet") // makes the database
	require.Equal(t, "preview, nothing is stored: "+file+", csv: 4 observations, 4 kept, 3 new reports\n", b.ok("import", "--format", "csv", "--dry-run", file))
	require.Equal(t, file+", csv: 4 observations, 4 kept, 3 new reports\n", b.ok("import", "--format", "csv", file))
	require.Equal(t, "-, csv: 4 observations, 0 kept, 0 new reports, 4 known; the same was imported before\n", b.fed(scans, "import", "--format", "csv"))
	require.Contains(t, b.refused(exitRefused, "import", "--format", "fax", file), `format "fax" not supported: allowed are xirl, airt`)
	require.Contains(t, b.ok("list"), "new: 0 of 0 tickets")
	listed := b.ok("queue")
	require.Contains(t, listed, "queue: 3 of 3 reports")
	require.Regexp(t, `#1 +- +2 +2026-03-01 08:00 UTC +- +#2 +192.0.2.7: port_scan \(csv\)`, listed)
	require.Contains(t, listed, "desk append ID INCIDENT")

	_, refused, code := b.try(strings.NewReader(""), "accept", "1")
	require.Equal(t, exitRefused, code)
	require.Contains(t, refused, "#1 is left as it is: accept: an incident must have Classification")
	require.Contains(t, b.ok("accept", "1", "--field", "Classification=Scan", "--preview"), "incident opened as open")
	out := b.ok("accept", "1", "--field", "Classification=Scan")
	require.Contains(t, out, `#4.1 incident opened as open, owner handler:alice, made from #1: "192.0.2.7: port_scan (csv)"`)
	require.Contains(t, out, "linked to incident #4")
	require.Regexp(t, `#2 +- +1 +2026-03-01 08:00 UTC +\*#4 +- +192.0.2.7: ddos`, b.ok("queue"))
	require.Equal(t, "*#4 incident, open, score 40: 192.0.2.7: port_scan (csv)\n  Both mention 192.0.2.7.\n  desk append 2 4\n", b.ok("suggest", "2"))
	require.Contains(t, b.ok("append", "2", "4"), "linked to incident #4")
	require.Contains(t, b.ok("reject", "3"), "rejected")
	var page desk.QueuePage
	b.decode(&page, "queue")
	require.Empty(t, page.Entries)
	require.NotContains(t, b.ok("queue"), "desk append", "there is nothing to be done")

	for _, format := range []string{"xirl", "airt", "iodef", "xarf"} {
		stdout, stderr, code := b.try(strings.NewReader(""), "export", "4", "--format", format)
		require.Zero(t, code, stderr)
		require.Contains(t, stdout, "192.0.2.7", format)
		require.NotContains(t, stdout, "imported", "no state leaves the team")
	}
	require.Contains(t, b.refused(exitUsage, "export", "4", "--format", "csv"), "allowed are xirl, airt, iodef, xarf")
	require.Contains(t, b.ok("verify"), ", 0 faults")
}

// The list shows what a report is best added to, and what has ended lately.
func TestQueueOffers(t *testing.T) {
	b := newBench(t)
	b.fed(scans, "import", "--format", "csv")
	for range 5 {
		b.ok("open", "incident", "--subject", "Scans", "--field", "Classification=Scan", "--observable", "192.0.2.7")
	}
	b.ok("open", "incident", "--subject", "All of it", "--field", "Classification=Scan", "--observable", "192.0.2.0/24")
	b.ok("resolve", "8")
	listed := b.ok("queue")
	require.Regexp(t, `#1 .* \*#4, \*#5, \*#6, and 3 more +#2 `, listed)
	require.Regexp(t, `#3 .* \*#9 +- `, listed)
	b.ok("resolve", "9")
	require.Regexp(t, `#3 .* #9 \(ended \d+s ago\) +- `, b.ok("queue"))
	require.Contains(t, b.ok("suggest", "3"), "#9 incident, resolved, closed, a hint: All of it\n  One mentions 192.0.2.8, the other 192.0.2.0/24 around it.\n")
	var page desk.QueuePage
	b.decode(&page, "queue")
	first := page.Entries[0].Offered
	require.Len(t, first, 6)
	require.True(t, first[0].Ticked)
	require.False(t, first[5].Ticked)
	require.True(t, first[5].Hint)
	require.Equal(t, []incident.ID{2}, page.Entries[0].Siblings)
}

func TestGroup(t *testing.T) {
	b := newBench(t)
	b.fed(scans, "import", "--format", "csv")
	require.Contains(t, b.refused(exitRefused, "group", "1", "3"), "report 3 has no address in common with it")
	require.Contains(t, b.ok("group", "1", "2"), "merged into #1")
	require.Contains(t, b.ok("queue"), "queue: 2 of 2 reports")
}

// An incident that one desk mails with its data arrives in the queue of another, and
// gives equal observations (AIRT paper 3.1).
func TestExchange(t *testing.T) {
	ctx := context.Background()
	newDesk := func(name, domain string) *desk.Desk {
		d, err := desk.New(memory.New(), desk.Config{
			Tag: mail.Tag{Name: name}, From: incident.Party{Name: name, Address: "csirt@" + domain}, Formats: formats(),
			Now: func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) },
		})
		require.NoError(t, err)
		return d
	}
	ours := newDesk("A CSIRT", "example.net")
	theirs := newDesk("B CSIRT", "example.org")
	door, err := newHost(taking(theirs), smtp.Only("csirt@example.org"))
	require.NoError(t, err)
	defer func() { require.NoError(t, door.stop(ctx)) }()

	_, err = ours.Import(ctx, desk.Import{Format: "csv"}, strings.NewReader(scans))
	require.NoError(t, err)
	alice := ours.As("handler:alice")
	classified := map[string][]string{"Classification": {"Scan"}}
	done, err := alice.Do(ctx, workflow.Accept{Ticket: 1, Fields: classified}, workflow.Attach{Ticket: 2, Incident: incident.Nth(1)})
	require.NoError(t, err)
	inc := done.Opened[0]
	sent, err := alice.Exchange(ctx, inc)
	require.NoError(t, err)
	require.Len(t, sent, 3)
	var document bytes.Buffer
	losses, err := xirl.XIRL().Encode(&document, slices.Values(sent))
	require.NoError(t, err)
	require.Empty(t, losses)
	_, err = alice.Do(ctx, workflow.Open{
		Kind: incident.KindInvestigation, Parents: []incident.ID{inc}, Requestors: []incident.Party{{Name: "B CSIRT", Address: "csirt@example.org"}},
		Text: "Please have a look.", Attachments: []workflow.File{{Name: "incident.xml", Type: "application/xml", Content: document.Bytes()}},
	})
	require.NoError(t, err)
	courier := desk.Courier{Desk: ours, Only: storage.OnlyMail, Sender: smtp.NewSender(door.address, smtp.SenderConfig{}), Now: func() time.Time { return time.Date(2026, 3, 2, 9, 1, 0, 0, time.UTC) }}
	_, err = courier.Flush(ctx, 10)
	require.NoError(t, err)

	bob := theirs.As("handler:bob")
	queue, err := bob.Queue(ctx, nil)
	require.NoError(t, err)
	require.Len(t, queue.Entries, 2, "one for each kind of event")
	var arrived []incident.Observation
	for _, e := range queue.Entries {
		list, err := bob.Observations(ctx, e.ID)
		require.NoError(t, err)
		arrived = append(arrived, list...)
	}
	require.Len(t, arrived, len(sent))
	for _, o := range sent {
		require.True(t, slices.ContainsFunc(arrived, o.Equal), "%+v", o)
	}
	// They go on with it by one command, and it can come back.
	accepted, err := bob.Do(ctx, workflow.Accept{Ticket: queue.Entries[0].ID, Fields: classified}, workflow.Attach{Ticket: queue.Entries[1].ID, Incident: incident.Nth(1)})
	require.NoError(t, err)
	back, err := bob.Exchange(ctx, accepted.Opened[0])
	require.NoError(t, err)
	require.Len(t, back, len(sent))
	for _, o := range back {
		require.True(t, slices.ContainsFunc(sent, o.Equal))
	}
}

// An incident that no machine has reported is exported as it stands.
func TestExportByHand(t *testing.T) {
	b := newWork(t)
	b.ok("link", "1", "2")
	out := b.ok("export", "2")
	require.Contains(t, out, "192.0.2.7 scans us.")
	require.Contains(t, out, "A CSIRT #2")
	list, err := collected(xirl.Decode(strings.NewReader(out), incident.Limits{}))
	require.NoError(t, err)
	require.Len(t, list, 1)
}

func collected(seq func(func(incident.Observation, error) bool)) (list []incident.Observation, err error) {
	for o, e := range seq {
		if e != nil {
			return list, e
		}
		list = append(list, o)
	}
	return list, nil
}

// Any CSV file is read by naming its columns.
func TestImportColumns(t *testing.T) {
	b := newBench(t)
	rows := "Victim IP;when seen;Attacker\n198.51.100.1;2026-07-01 10:00;192.0.2.7\n"
	require.Equal(t, "-, csv: 1 observations, 1 kept, 1 new reports\n",
		b.fed(rows, "import", "--column", "attacker=source.ip", "--column", "Victim IP=target.ip", "--column", "when seen=time", "--zone", "Europe/Amsterdam"))
	listed := b.ok("queue")
	require.Contains(t, listed, "192.0.2.7: report (csv)")
	require.Contains(t, listed, "2026-07-01 08:00 UTC")
	file := filepath.Join(t.TempDir(), "firewall.csv")
	require.NoError(t, os.WriteFile(file, []byte("date,src_ip,dst_ip\n2026-07-01 10:00,192.0.2.9,198.51.100.1\n"), 0o600))
	require.Equal(t, file+", csv: 1 observations, 1 kept, 1 new reports\n", b.ok("import", file), "names that are common, in a file of that name")
	require.Contains(t, b.refused(exitRefused, "import", filepath.Join("testdata", "filters", "nfdump")), "format not supported")
	for _, wrong := range []struct{ flag, value, want string }{
		{"--column", "attacker", "allowed is NAME=PLACE"},
		{"--zone", "Atlantis", "allowed are names like Europe/Amsterdam"},
	} {
		require.Contains(t, b.refused(exitUsage, "import", wrong.flag, wrong.value), wrong.want)
	}
	_, refused, code := b.try(strings.NewReader(rows), "import", "--column", "attacker=culprit")
	require.Equal(t, exitRefused, code)
	require.Contains(t, refused, "allowed are - id time end kind")
	require.Contains(t, b.refused(exitUsage, "import", "--format", "xirl", "--zone", "UTC"), "allowed is --format csv")
}
