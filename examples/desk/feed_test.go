package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
)

// line is a line of the feed.
type line struct {
	Record incident.Record `json:"record"`
	Event  json.RawMessage `json:"event"`
	What   string          `json:"what"`
}

func parseLines(t *testing.T, text string) (lines []line) {
	t.Helper()
	for text := range strings.Lines(text) {
		var l line
		require.NoError(t, json.Unmarshal([]byte(text), &l), text)
		lines = append(lines, l)
	}
	return lines
}

// numbers are the places in the feed that a command line prints.
func (b *bench) numbers(args ...string) (seqs []uint64) {
	b.t.Helper()
	for text := range strings.Lines(b.ok(append([]string{"feed"}, args...)...)) {
		var l line
		require.NoError(b.t, json.Unmarshal([]byte(text), &l), text)
		seqs = append(seqs, l.Record.Seq)
	}
	return seqs
}

func TestFeed(t *testing.T) {
	b := newBench(t)
	b.ok("open", "report", "--subject", "Scan")
	b.ok("comment", "1", "one")
	b.ok("comment", "1", "two")
	b.ok("release", "1")

	lines := parseLines(t, b.ok("feed"))
	require.Len(t, lines, 4)
	require.Equal(t, "opened", lines[0].Record.Type)
	require.Contains(t, string(lines[0].Event), `"kind":"report"`)
	require.Contains(t, string(lines[0].Record.Content), "Scan")
	require.NotEmpty(t, lines[0].What)
	var history []incident.Record
	for _, l := range lines {
		history = append(history, l.Record)
	}
	_, err := incident.Verify(history)
	require.NoError(t, err, "a line has all that its hash covers")

	require.Equal(t, []uint64{3, 4}, b.numbers("--after", "2"))
	require.Equal(t, []uint64{3}, b.numbers("--after", "2", "--limit", "1"))
	require.Equal(t, []uint64{1, 4}, b.numbers("--types", "opened,owned"))
	require.Equal(t, []uint64{1, 2}, b.numbers("--types", "opened", "--types", "commented", "--limit", "2"))
	require.Empty(t, b.numbers("--after", "4"))
	require.Empty(t, b.numbers("--end"))
	require.Equal(t, "nobody reads the feed: desk feed --name NAME begins\n", b.ok("feed", "--names"))
	require.Equal(t, "[]\n", b.ok("feed", "--names", "--json"))

	require.Equal(t, []uint64{1, 2}, b.numbers("--name", "mirror", "--preview", "--limit", "2"))
	require.Equal(t, []uint64{1, 2}, b.numbers("--name", "mirror", "--limit", "2"))
	require.Equal(t, []uint64{3}, b.numbers("--name", "mirror", "--limit", "1"))
	require.Empty(t, b.numbers("--name", "late", "--end"))
	require.Equal(t, []uint64{4}, b.numbers("--name", "mirror", "--preview"))
	require.Contains(t, b.ok("feed", "--names"), "mirror  3   1       2026-03-02 09:00 UTC  -\n")
	b.ok("comment", "1", "three")
	var readers []struct {
		Name        string
		Seq, Behind uint64
	}
	b.decode(&readers, "feed", "--names")
	require.Len(t, readers, 2)
	require.Equal(t, "late", readers[0].Name)
	require.EqualValues(t, 1, readers[0].Behind)
	require.EqualValues(t, 2, readers[1].Behind)
	require.Equal(t, []uint64{4, 5}, b.numbers("--name", "mirror"))
	require.Empty(t, b.numbers("--name", "mirror"))
	require.Equal(t, []uint64{5}, b.numbers("--name", "late"))
	require.Equal(t, []uint64{4, 5}, b.numbers("--name", "behind", "--after", "3"))

	require.Equal(t, "preview, nothing is stored: the reader mirror, at 5, would begin anew\n", b.ok("feed", "--forget", "mirror", "--preview"))
	require.Equal(t, "the reader mirror, which was at 5, begins anew\n", b.ok("feed", "--forget", "mirror"))
	require.Contains(t, b.refused(exitRefused, "feed", "--forget", "mirror"), `no reader of the feed is called "mirror"`)
	require.Len(t, b.numbers("--name", "mirror"), 5)
}

func TestFeedRefuses(t *testing.T) {
	b := newBench(t)
	require.Contains(t, b.refused(exitRefused, "feed"), "there is no database")
	b.ok("open", "report")
	b.numbers("--name", "mirror")
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--after", "-1"}, exitUsage, "allowed are 0 and whole numbers above"},
		{[]string{"--after", "9223372036854775808"}, exitUsage, "allowed are 0 and whole numbers above"},
		{[]string{"--types", "opend"}, exitUsage, "there is no event \"opend\": allowed are address-cleared, address-marked, adopted"},
		{[]string{"--types", ""}, exitUsage, "there is no event"},
		{[]string{"--limit", "-1"}, exitUsage, "allowed is 1 or more"},
		{[]string{"--poll", "0s"}, exitUsage, "allowed is one like 200ms or 5s"},
		{[]string{"--after", "1", "--end"}, exitUsage, "allowed is one of them"},
		{[]string{"--names", "--name", "mirror"}, exitUsage, "--names and --forget stand for themselves"},
		{[]string{"--forget", "mirror", "--follow"}, exitUsage, "--names and --forget stand for themselves"},
		{[]string{"--names", "--forget", "mirror"}, exitUsage, "--names and --forget stand for themselves"},
		{[]string{"--preview"}, exitUsage, "without --name nothing is changed"},
		{[]string{"--name", "a\nb"}, exitUsage, "allowed are 1 to 100 bytes"},
		{[]string{"--name", "mirror", "--after", "0"}, exitUsage, `the reader "mirror" is at 1 already`},
		{[]string{"--name", "mirror", "--end"}, exitUsage, `the reader "mirror" is at 1 already`},
		{[]string{"--after", "2"}, exitRefused, "the feed ends at 1: there is nothing behind 2"},
		{[]string{"--name", "new", "--after", "2"}, exitRefused, `reader "new" is at 2 of a feed that ends at 1`},
	} {
		require.Contains(t, b.refused(test.code, append([]string{"feed"}, test.args...)...), test.want)
	}

	w := openBench(b)
	require.NoError(t, w.store.Update(context.Background(), func(ctx context.Context, tx storage.Tx) error {
		lease := b.now.Add(time.Minute)
		return errors.Join(
			tx.PutBookmark(ctx, storage.Bookmark{Name: "restored", Seq: 9}),
			tx.PutBookmark(ctx, storage.Bookmark{Name: "busy", Lease: lease}))
	}))
	require.NoError(t, w.Close())
	require.Contains(t, b.refused(exitRefused, "feed", "--name", "restored"), "the store was restored from an older copy")
	require.Contains(t, b.refused(exitRefused, "feed", "--name", "busy"), `another process reads the feed as "busy"`)
	list := b.ok("feed", "--names")
	require.Contains(t, list, "AHEAD of the feed")
	require.Contains(t, list, "works until 2026-03-02 09:01 UTC at most")
}

// torn is an output that breaks after some lines.
type torn struct{ left int }

func (w *torn) Write(p []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, errors.New("broken pipe")
	}
	return len(p), nil
}

// A bookmark moves when its lines are written, and not before.
func TestFeedIntoABrokenPipe(t *testing.T) {
	b := newBench(t)
	b.ok("open", "report")
	b.ok("comment", "1", "one")
	var errs strings.Builder
	p := &program{
		stdin: strings.NewReader(""), stdout: &torn{left: 1}, stderr: &errs, env: func(string) string { return "" },
		user: "alice", zone: time.UTC, now: func() time.Time { return b.now }, called: "desk",
	}
	require.Equal(t, exitRefused, p.run(context.Background(), []string{"--db", b.db, "feed", "--name", "mirror"}))
	require.Contains(t, errs.String(), "broken pipe")
	require.Equal(t, []uint64{1, 2}, b.numbers("--name", "mirror"))
}

// The real program follows the feed while others write; killed and started again
// it goes on, and repeats no more than a batch.
func TestFeedFollows(t *testing.T) {
	b := newBench(t)
	b.ok("open", "report")
	binary := deskBinary(t)
	last := uint64(0)
	for round := range 3 {
		process := exec.Command(binary, "--db", b.db, "feed", "--name", "mirror", "--follow", "--poll", "10ms")
		out, err := process.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, process.Start())
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for range 5 {
			b.ok("comment", "1", "one more")
		}
		for want := uint64(6 + 5*round); last < want; {
			require.True(t, lines.Scan(), "the output ended at %d of %d", last, want)
			read := parseLines(t, lines.Text())[0]
			require.LessOrEqual(t, read.Record.Seq, last+1, "none is skipped")
			last = max(last, read.Record.Seq)
		}
		// The bookmark follows its line at once; then nothing is taken.
		require.Eventually(t, func() bool {
			var readers []struct {
				Seq   uint64
				Lease time.Time
			}
			b.decode(&readers, "feed", "--names")
			return readers[0].Seq == last && readers[0].Lease.IsZero()
		}, 10*time.Second, 10*time.Millisecond)
		require.NoError(t, process.Process.Kill())
		require.Error(t, process.Wait())
	}
	require.Empty(t, b.numbers("--name", "mirror"))

	// Followed without a name, up to a limit, from the end.
	process := exec.Command(binary, "--db", b.db, "feed", "--follow", "--end", "--limit", "2", "--poll", "10ms", "--types", "commented")
	out, err := process.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, process.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			last++
		}
	}()
	for range 200 {
		b.ok("comment", "1", "until it has seen two")
		select {
		case <-ended:
		case <-time.After(10 * time.Millisecond):
			continue
		}
		break
	}
	<-ended
	require.NoError(t, process.Wait())
	require.EqualValues(t, 18, last)
}
