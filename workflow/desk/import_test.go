package desk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
	"github.com/airtight-csirt/airtight/xirl"
)

// withFormats knows all formats, and CSV files; 192.0.2.0/24 belongs to the campus.
func withFormats(c *desk.Config) {
	c.Formats = append(xirl.Formats(), xirl.CSV{Name: "csv"}.Format())
	scope, err := lookup.ParseScope("192.0.2.0/24")
	if err != nil {
		panic(err)
	}
	c.Directory, err = lookup.NewDirectory(lookup.Document{
		Default:        "world",
		Constituencies: []lookup.Constituency{{Name: "world"}, {Name: "campus", Contacts: []lookup.Contact{{Name: "Campus NOC", Address: "noc@example.org"}}}},
		Entries:        []lookup.Entry{{Scope: scope, Constituency: "campus"}},
	}, lookup.Config{})
	if err != nil {
		panic(err)
	}
}

// feeding is a plain policy with feeds.
func feeding(feeds ...workflow.Feed) *workflow.Policy {
	p := plain()
	p.Feeds = feeds
	return p
}

func (w *world) imports(in desk.Import, text string) *desk.Imported {
	w.t.Helper()
	result, err := w.desk.Import(ctx, in, strings.NewReader(text))
	require.NoError(w.t, err)
	return result
}

const header = "timestamp,ip,port,dst_ip,protocol,type\n"

// row is a line of a feed: the n-th second of something that an address has done.
func row(ip string, n int, kind string) string {
	return time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC).Add(time.Duration(n)*time.Second).Format("2006-01-02 15:04:05") + "," + ip + ",1024,198.51.100.1,tcp," + kind + "\n"
}

func (w *world) queue() []desk.Entry {
	w.t.Helper()
	page, err := w.alice.Queue(ctx, nil)
	require.NoError(w.t, err)
	return page.Entries
}

// Reports of a feed wait apart from those of people, one for each source, feed and
// kind, and collect what comes in later.
func TestImport(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		w := newWorldUnder(t, store, feeding(workflow.Feed{Name: "sensors"}), withFormats)
		text := header + row("192.0.2.7", 1, "scan") + row("192.0.2.8", 2, "scan") + row("192.0.2.7", 3, "scan") + row("192.0.2.7", 4, "worm") + "not a row\n" + row("192.0.2.7", 5, "scan")
		result := w.imports(desk.Import{Name: "sensors.csv", Feed: "sensors", Format: "csv", By: "handler:alice"}, text)
		require.Equal(t, incident.Tally{Observations: 5, Kept: 5, Refused: 1, Opened: 3}, result.Tally)
		require.Len(t, result.Reasons, 1)
		require.Contains(t, result.Reasons[0], "line 6")
		entries := w.queue()
		require.Len(t, entries, 3)
		first := entries[0]
		require.Equal(t, "192.0.2.7: scan (sensors)", first.Subject)
		require.Equal(t, 3, first.Observations.Count)
		require.Equal(t, "campus", first.Constituency)
		require.Equal(t, incident.Nobody, first.Owner)
		require.Equal(t, []incident.ID{entries[2].ID}, first.Siblings)
		fresh, err := w.alice.NewUnlinked(ctx, nil)
		require.NoError(t, err)
		require.Empty(t, fresh.Rows, "reports of people are listed apart")

		again := w.imports(desk.Import{Feed: "sensors", Format: "csv"}, text)
		require.True(t, again.Again)
		require.Equal(t, incident.Tally{Observations: 5, Known: 5, Refused: 1}, again.Tally)
		require.Equal(t, 3, w.queue()[0].Observations.Count)

		more := w.imports(desk.Import{Feed: "sensors", Format: "csv"}, header+row("192.0.2.7", 9, "scan"))
		require.Equal(t, incident.Tally{Observations: 1, Kept: 1}, more.Tally)
		require.Equal(t, 4, w.queue()[0].Observations.Count)
		for _, im := range []struct {
			number string
			text   string
		}{{result.Import, text}, {more.Import, header + row("192.0.2.7", 9, "scan")}} {
			var raw bytes.Buffer
			require.NoError(t, w.desk.RawInput(ctx, im.number, &raw))
			require.Equal(t, im.text, raw.String(), "byte for byte")
		}
		observations, err := w.alice.Observations(ctx, first.ID)
		require.NoError(t, err)
		require.Len(t, observations, 4)
		w.verify()
	})
}

// What is decided is not waited for any more: the next observation opens a report.
func TestImportAfterDecisions(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(), withFormats)
	for i := range 20 {
		result := w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", i, "scan"))
		require.Equal(t, 1, result.Opened, i)
		entries := w.queue()
		require.Len(t, entries, 1, i)
		w.do(workflow.Reject{Ticket: entries[0].ID})
	}
}

// reports is all that an import has made of reports, without their numbers.
func (w *world) reports() []string {
	w.t.Helper()
	all, err := w.alice.Find(ctx, storage.Query{})
	require.NoError(w.t, err)
	var list []string
	for _, r := range all {
		kept, err := w.alice.Observations(ctx, r.ID)
		require.NoError(w.t, err)
		list = append(list, asJSON(w.t.(*testing.T), []any{r.Subject, r.Constituency, r.Observables, r.Observations, kept}))
	}
	slices.Sort(list)
	return list
}

// Two imports make the same of it in either order, whatever is past the limit, in one
// piece or several, and on every store.
func TestImportInAnyOrder(t *testing.T) {
	const seed = 9
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewSource(seed))
	beyond := 0
	for round := range 30 {
		var rows []string
		for range 5 + random.Intn(80) {
			rows = append(rows, row(fmt.Sprintf("192.0.2.%d", random.Intn(3)), random.Intn(60), []string{"scan", "worm"}[random.Intn(2)]))
		}
		var want []string
		for range 4 {
			w := newWorldUnder(t, memory.New(), feeding(workflow.Feed{Name: "csv", Limit: 7}), withFormats)
			shuffled := slices.Clone(rows)
			random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			for len(shuffled) > 0 {
				n := 1 + random.Intn(len(shuffled))
				beyond += w.imports(desk.Import{Format: "csv"}, header+strings.Join(shuffled[:n], "")).Beyond
				shuffled = shuffled[n:]
			}
			got := w.reports()
			if want == nil {
				want = got
			}
			require.Equal(t, want, got, "round %d, seed %d", round, seed)
		}
	}
	require.Positive(t, beyond)
}

// Past the limit of a source one record says so, and those with the least time are
// kept.
func TestImportLimit(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(workflow.Feed{Name: "csv", Limit: 3}), withFormats)
	for _, n := range []int{5, 4, 9, 8, 3, 7, 2, 6, 1} {
		w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", n, "scan"))
	}
	entry := w.queue()[0]
	require.Equal(t, 3, entry.Observations.Count)
	require.True(t, entry.Observations.Beyond)
	history, err := w.alice.History(ctx, entry.ID)
	require.NoError(t, err)
	said := 0
	for _, record := range history.Records {
		ev, err := incident.Decode(record)
		require.NoError(t, err)
		if e, ok := ev.(incident.Observed); ok && e.Beyond {
			said++
		}
	}
	require.Equal(t, 1, said)
	kept, err := w.alice.Observations(ctx, entry.ID)
	require.NoError(t, err)
	var seconds []int
	for _, o := range kept {
		seconds = append(seconds, o.Time.Second())
	}
	require.Equal(t, []int{1, 2, 3}, seconds)
	require.Equal(t, 3, entry.Observations.Last.Second())
}

// The guards of a feed drop what it says, and nothing else.
func TestImportGuards(t *testing.T) {
	const columns = "timestamp,ip,asn,type\n"
	rows := "2026-03-01 08:00:00,192.0.2.7,64496,scan\n" + "2026-03-01 08:00:00,192.0.2.8,64497,scan\n" + "2026-03-01 08:00:00,192.0.2.129,,scan\n" +
		"2026-03-01 08:00:00,192.0.2.9,,test\n" + "2025-03-01 08:00:00,192.0.2.10,,scan\n" + "2026-03-01 08:00:00,203.0.113.1,,scan\n"
	for _, c := range []struct {
		feed    workflow.Feed
		dropped []string
	}{
		{workflow.Feed{}, nil},
		{workflow.Feed{ASNumbers: []uint32{64496}}, []string{"192.0.2.8: AS 64497 is none of those allowed"}},
		{workflow.Feed{DropNetworks: []netip.Prefix{netip.MustParsePrefix("192.0.2.128/25")}}, []string{"192.0.2.129: network 192.0.2.128/25 is dropped"}},
		{workflow.Feed{DropKinds: []string{"TEST"}}, []string{`192.0.2.9: kind "test" is dropped`}},
		{workflow.Feed{Oldest: 48 * time.Hour}, []string{"192.0.2.10: it is older than 48h"}},
		{workflow.Feed{DropForeign: true}, []string{"203.0.113.1: it is of no constituency"}},
	} {
		c.feed.Name = "csv"
		w := newWorldUnder(t, memory.New(), feeding(c.feed), withFormats)
		result := w.imports(desk.Import{Format: "csv"}, columns+rows)
		require.Equal(t, c.dropped, result.Reasons)
		require.Equal(t, 6-len(c.dropped), result.Opened)
		require.Equal(t, len(c.dropped), result.Dropped)
	}
}

// A time without a zone has that of the feed.
func TestImportZone(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(workflow.Feed{Name: "csv", Zone: "Europe/Amsterdam"}), withFormats)
	w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 0, "scan"))
	kept, err := w.alice.Observations(ctx, w.queue()[0].ID)
	require.NoError(t, err)
	require.Equal(t, "2026-03-01T08:00:00+01:00", kept[0].Time.Format(time.RFC3339))
	require.Equal(t, "Europe/Amsterdam", kept[0].Zone)
}

// What is recognised, refused, previewed or broken off leaves no more than it says.
func TestImportRefuses(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(), withFormats)
	before := w.snapshot()
	_, err := w.desk.Import(ctx, desk.Import{}, strings.NewReader("Dear team, hello"))
	require.ErrorContains(t, err, "format not supported: none of xirl, airt")
	_, err = w.desk.Import(ctx, desk.Import{Format: "fax"}, strings.NewReader(""))
	require.ErrorContains(t, err, `format "fax" not supported: allowed are xirl, airt`)
	_, err = w.desk.Import(ctx, desk.Import{}, strings.NewReader(`<xirl xmlns="urn:airtight:xirl:1" version="1.0"><incident id="1"><nonsense/></incident></xirl>`))
	require.ErrorContains(t, err, "nonsense")
	_, err = w.desk.Import(ctx, desk.Import{Format: "csv", Preview: true}, strings.NewReader(header+row("192.0.2.7", 1, "scan")))
	require.NoError(t, err)
	require.Equal(t, before, w.snapshot())

	// Broken off after a piece, and taken up.
	var text strings.Builder
	text.WriteString(header)
	for i := range 1200 {
		text.WriteString(row("192.0.2.7", i, "scan"))
	}
	_, err = w.desk.Import(ctx, desk.Import{Format: "csv"}, io.MultiReader(strings.NewReader(text.String()[:text.Len()-20_000]), brokenOff{}))
	require.ErrorIs(t, err, io.ErrNoProgress)
	kept := w.queue()[0].Observations.Count
	require.Equal(t, 50, kept)
	result := w.imports(desk.Import{Format: "csv"}, text.String())
	require.Equal(t, 1200, result.Observations)
	require.Equal(t, 50, result.Known)
	require.Equal(t, 1150, result.Beyond)
}

type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrNoProgress }

// A report becomes an incident by one command, with what its feed says; another joins
// it; the rest is grouped or rejected. Each can be asked for again.
func TestDecideQueue(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		p := workflow.Default()
		p.Feeds = []workflow.Feed{{Name: "csv", Fields: map[string][]string{"Classification": {"Scan"}}, Priority: pointer(70)}}
		w := newWorldUnder(t, store, p, withFormats)
		w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 1, "scan")+row("192.0.2.7", 2, "worm")+row("192.0.2.8", 3, "scan")+row("192.0.2.7", 4, "spam"))
		entries := w.queue()
		require.Len(t, entries, 4)
		scan, worm, other, spam := entries[0].ID, entries[1].ID, entries[2].ID, entries[3].ID

		before := w.snapshot()
		_, err := w.alice.Do(ctx, workflow.Group{Ticket: scan, With: []incident.ID{other}})
		require.ErrorContains(t, err, "has no address in common")
		_, err = w.alice.Do(ctx, workflow.Accept{Ticket: scan, Fields: map[string][]string{"Classification": {"Rumour"}}})
		require.Error(t, err)
		require.Equal(t, before, w.snapshot(), "a failure leaves the entry as it was")

		accepted := w.do(workflow.Accept{Ticket: scan})
		require.Len(t, accepted.Opened, 1)
		inc, err := w.alice.Ticket(ctx, accepted.Opened[0])
		require.NoError(t, err)
		require.Equal(t, incident.KindIncident, inc.Kind)
		require.Equal(t, incident.State("imported"), inc.State)
		require.Equal(t, []string{"Scan"}, inc.Fields["Classification"])
		require.Equal(t, 70, inc.Priority)
		require.Equal(t, "campus", inc.Constituency)
		require.Equal(t, incident.Actor("handler:alice"), inc.Owner)
		require.Equal(t, []incident.Party{{Name: "Campus NOC", Address: "noc@example.org"}}, inc.Contacts)
		require.Contains(t, inc.Observables, incident.Observable{Kind: incident.Address, Value: "192.0.2.7", Role: incident.RoleSource})
		require.Contains(t, inc.Observables, incident.Observable{Kind: incident.Address, Value: "198.51.100.1", Role: incident.RoleTarget})
		report, err := w.alice.Ticket(ctx, scan)
		require.NoError(t, err)
		require.Equal(t, []incident.ID{inc.ID}, report.Parents)
		require.Equal(t, incident.Status("open"), report.Status)
		again := w.do(workflow.Accept{Ticket: scan})
		require.Empty(t, again.Records, "asked again it does nothing")

		entry := w.queue()[0]
		require.Equal(t, worm, entry.ID)
		require.Len(t, entry.Offered, 1, "the incident about the address is offered")
		require.Equal(t, workflow.Attach{Ticket: worm, Incident: inc.ID}, entry.Offered[0].Offer)
		require.Equal(t, []incident.ID{spam}, entry.Siblings)
		w.do(workflow.Group{Ticket: worm, With: []incident.ID{spam}})
		require.Empty(t, w.do(workflow.Group{Ticket: worm, With: []incident.ID{spam}}).Records)
		require.Empty(t, w.queue()[0].Siblings)
		w.do(workflow.Edit{Ticket: inc.ID, State: pointer(incident.State("inspected"))})
		w.do(workflow.Attach{Ticket: worm, Incident: inc.ID})
		require.Empty(t, w.do(workflow.Attach{Ticket: worm, Incident: inc.ID}).Records)
		inc, err = w.alice.Ticket(ctx, inc.ID)
		require.NoError(t, err)
		require.Equal(t, incident.State("imported"), inc.State, "as the policy says")
		observations, err := w.alice.Observations(ctx, inc.ID)
		require.NoError(t, err)
		require.Len(t, observations, 3, "of both reports, and of the one that was grouped")

		w.do(workflow.Reject{Ticket: other})
		require.Empty(t, w.queue())
		_, err = w.alice.Do(ctx, workflow.Accept{Ticket: other})
		require.ErrorContains(t, err, "does not wait for a decision")
		w.do(workflow.Resolve{Ticket: inc.ID})
		w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 9, "scan"))
		w.verify()
	})
}

// A report becomes an incident at once where the rule runs, and feed and constituency
// are known.
func TestAcceptKnown(t *testing.T) {
	p := workflow.Default()
	p.Feeds = []workflow.Feed{{Name: "csv", Fields: map[string][]string{"Classification": {"Scan"}}}, {Name: "bare"}}
	for _, r := range workflow.Rules() {
		if r.Name == "accept-known" {
			p.Rules = append(p.Rules, r)
		}
	}
	w := newWorldUnder(t, memory.New(), p, withFormats)
	w.imports(desk.Import{Format: "csv"}, header+row("192.0.2.7", 1, "scan")+row("203.0.113.1", 1, "scan"))
	w.imports(desk.Import{Format: "csv", Feed: "bare"}, header+row("192.0.2.8", 1, "scan"))
	incidents, err := w.alice.Find(ctx, storage.Query{Kinds: []incident.Kind{incident.KindIncident}})
	require.NoError(t, err)
	require.Len(t, incidents, 1)
	require.Equal(t, "campus", incidents[0].Constituency)
	require.Equal(t, incident.Nobody, incidents[0].Owner)
	require.Len(t, w.queue(), 2, "whose constituency or feed is not known waits")
}

// A mail that is a report of machines makes a report for each source, the first of
// which has the mail; what is known is recognised, whichever way it comes.
func TestMailOfMachines(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(), withFormats)
	var document bytes.Buffer
	_, err := xirl.XIRL().Encode(&document, slices.Values([]incident.Observation{
		observation("X-1", "192.0.2.7"), observation("X-2", "192.0.2.8"),
	}))
	require.NoError(t, err)
	letter := func(id, body string) []byte {
		return []byte("From: sensor@example.org\r\nTo: csirt@example.net\r\nSubject: Alarm\r\nMessage-ID: <" + id + "@example.org>\r\n" +
			"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nTwo scans.\r\n--b\r\nContent-Type: application/xml; name=x.xml\r\n\r\n" + body + "\r\n--b--\r\n")
	}
	receipt, err := w.desk.Receive(ctx, mail.Envelope{From: "sensor@example.org"}, letter("1", document.String()))
	require.NoError(t, err)
	entries := w.queue()
	require.Len(t, entries, 2)
	require.Equal(t, receipt.Ticket, entries[0].ID)
	require.Equal(t, 1, entries[0].Messages)
	require.Equal(t, 0, entries[1].Messages)
	require.Equal(t, []incident.Party{{Address: "sensor@example.org"}}, entries[1].Requestors)
	fresh, err := w.alice.NewUnlinked(ctx, nil)
	require.NoError(t, err)
	require.Len(t, fresh.Rows, 1, "the mail is among those of people")

	again := w.imports(desk.Import{}, document.String())
	require.Equal(t, incident.Tally{Observations: 2, Known: 2}, again.Tally, "by mail or by file")
	second, err := w.desk.Receive(ctx, mail.Envelope{From: "sensor@example.org"}, letter("2", document.String()))
	require.NoError(t, err)
	require.Equal(t, receipt.Ticket, second.Ticket, "a mail with nothing new goes where it belongs")
	require.Len(t, w.queue(), 2)

	broken, err := w.desk.Receive(ctx, mail.Envelope{From: "sensor@example.org"}, letter("3", strings.ReplaceAll(document.String(), "source", "sauce")))
	require.NoError(t, err)
	ordinary, err := w.alice.Ticket(ctx, broken.Ticket)
	require.NoError(t, err)
	require.Nil(t, ordinary.Observations)
	require.Equal(t, "Alarm", ordinary.Subject)
	history, err := w.alice.History(ctx, broken.Ticket)
	require.NoError(t, err)
	require.Contains(t, string(history.Records[1].Content), "its report could not be read: xirl: line", "an ordinary report with the reason")
	w.verify()
}

func observation(id, ip string) incident.Observation {
	return incident.Observation{
		ID: id, Reporter: incident.Reporter{Name: "Sensor"}, Time: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), Kind: "scan",
		Endpoints: []incident.Endpoint{
			{Role: incident.RoleSource, Address: netip.MustParseAddr(ip), Ports: "1024"}, {Role: incident.RoleTarget, Address: netip.MustParseAddr("198.51.100.1"), Ports: "22"},
		},
		Protocol: "tcp", Logs: []incident.Log{{Data: []byte("Mar  1 08:00:00 sensor: denied " + ip)}},
	}
}

// Data that comes with a mail which belongs to a ticket, or waits for a person, stays
// with it.
func TestMailOfMachinesWithItsTicket(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(), withFormats)
	letter := func(subject string, list ...incident.Observation) *desk.Receipt {
		var document bytes.Buffer
		_, err := xirl.XIRL().Encode(&document, slices.Values(list))
		require.NoError(t, err)
		receipt, err := w.desk.Receive(ctx, mail.Envelope{From: "bob@example.org"}, []byte("From: bob@example.org\r\nTo: csirt@example.net\r\nSubject: "+subject+"\r\n"+
			"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nLook.\r\n--b\r\nContent-Type: application/xml\r\n\r\n"+document.String()+"\r\n--b--\r\n"))
		require.NoError(t, err)
		return receipt
	}
	inc := w.do(workflow.Open{Kind: incident.KindIncident, Subject: "Scans", Fields: classified}).Opened[0]
	asked := w.do(workflow.Open{
		Kind: incident.KindInvestigation, Parents: []incident.ID{inc}, Subject: "Scans", Requestors: []incident.Party{{Address: "bob@example.org"}}, Text: "Please look.",
	}).Opened[0]
	answered := letter("Re: [A CSIRT #"+asked.String()+"] Scans", observation("X-1", "192.0.2.7"), observation("X-2", "192.0.2.8"))
	require.Equal(t, asked, answered.Ticket)
	list, err := w.alice.Observations(ctx, asked)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Empty(t, w.queue(), "an answer is no report")

	held := letter("[A CSIRT #4711]", observation("X-1", "192.0.2.7"), observation("X-3", "192.0.2.9"))
	require.True(t, held.Held)
	list, err = w.alice.Observations(ctx, held.Ticket)
	require.NoError(t, err)
	require.Len(t, list, 1, "what is known is not taken again")
	w.verify()
}

// endlessFeed gives rows for ever, and knows whether somebody reads.
type endlessFeed struct {
	rows atomic.Int64
	over atomic.Bool // nobody may read any more
	late atomic.Bool // somebody did
}

func (e *endlessFeed) Read(p []byte) (int, error) {
	if e.over.Load() {
		e.late.Store(true)
	}
	if e.rows.Add(1) == 1 {
		return copy(p, header), nil
	}
	return copy(p, row(fmt.Sprintf("192.0.2.%d", e.rows.Load()%200), int(e.rows.Load()), "scan")), nil
}

// Reading goes on beside the commits, and ends with the import however that ends.
func TestImportEndsItsReading(t *testing.T) {
	stop := errors.New("no more")
	for name, test := range map[string]struct {
		config func(*desk.Config)
		in     desk.Import
		want   error
	}{
		"a commit fails": {
			func(c *desk.Config) {
				c.BeforeEvent = append(c.BeforeEvent, func(_ context.Context, _ storage.Reader, e desk.EventCall) (incident.Event, error) {
					if ev, ok := e.Event.(incident.Imported); ok && ev.Part == 3 {
						return nil, stop
					}
					return e.Event, nil
				})
			}, desk.Import{}, stop,
		},
		"the caller has enough": {func(*desk.Config) {}, desk.Import{}, context.Canceled},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldUnder(t, memory.New(), feeding(), withFormats, test.config)
			within, cancel := context.WithCancel(ctx)
			defer cancel()
			test.in.Format, test.in.Limits = "csv", incident.Limits{Bytes: -1, Incidents: -1}
			test.in.Progress = func(p desk.Imported) {
				if p.Observations >= 1000 && test.want == context.Canceled {
					cancel()
				}
			}
			input := &endlessFeed{}
			result, err := w.desk.Import(within, test.in, input)
			input.over.Store(true)
			require.ErrorIs(t, err, test.want)
			require.Equal(t, 1000, result.Observations, "what was committed before stays")
			time.Sleep(20 * time.Millisecond)
			require.False(t, input.late.Load())
			w.verify()
		})
	}
}

// A decoder that panics does so where the import was called.
func TestImportPanics(t *testing.T) {
	w := newWorldUnder(t, memory.New(), feeding(), func(c *desk.Config) {
		c.Formats = []incident.Format{{
			Name: "broken", Recognise: func([]incident.Part) bool { return true },
			Decode: func(io.Reader, incident.Limits) iter.Seq2[incident.Observation, error] {
				return func(yield func(incident.Observation, error) bool) {
					yield(observation("X-1", "192.0.2.7"), nil)
					panic("a bug of a filter")
				}
			},
		}}
	})
	require.PanicsWithValue(t, "a bug of a filter", func() { _, _ = w.desk.Import(ctx, desk.Import{}, strings.NewReader("x")) })
	require.Empty(t, w.queue())
}
