package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// built is the real program, built when a test first asks for it.
var built struct {
	once sync.Once
	path string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.path != "" {
		os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}

func deskBinary(t testing.TB) string {
	built.once.Do(func() {
		folder, err := os.MkdirTemp("", "airtight-desk-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(folder, "desk")
		if runtime.GOOS == "windows" {
			built.path += ".exe"
		}
		build := exec.Command("go", "build", "-o", built.path, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // also for the race detector: it is built once
		if out, err := build.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w: %s", err, out)
		}
	})
	require.NoError(t, built.err)
	return built.path
}

// bench runs subcommands in this process, on one database, with a clock that the
// test moves.
type bench struct {
	t   testing.TB
	db  string
	now time.Time
	env map[string]string
}

func newBench(t testing.TB) *bench {
	return &bench{
		t: t, db: filepath.Join(t.TempDir(), "desk.db"), now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), env: map[string]string{},
	}
}

// try runs one command line on the bench's database.
func (b *bench) try(stdin io.Reader, args ...string) (stdout, stderr string, code int) {
	b.t.Helper()
	var out, errs bytes.Buffer
	p := &program{
		stdin: stdin, stdout: &out, stderr: &errs, env: func(name string) string { return b.env[name] },
		user: "alice", zone: time.UTC, now: func() time.Time { return b.now }, called: "desk",
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second) // a daemon that should not have begun
	defer cancel()
	code = p.run(ctx, append([]string{"--db", b.db}, args...))
	return out.String(), errs.String(), code
}

// ok runs a command line that must succeed and returns what it prints.
func (b *bench) ok(args ...string) string { b.t.Helper(); return b.fed("", args...) }

// fed is ok with standard input.
func (b *bench) fed(stdin string, args ...string) string {
	b.t.Helper()
	out, errs, code := b.try(strings.NewReader(stdin), args...)
	require.Zero(b.t, code, "%v: %s", args, errs)
	require.Empty(b.t, errs)
	return out
}

// refused runs a command line that must fail with a code, and returns the one
// sentence that says why.
func (b *bench) refused(code int, args ...string) string {
	b.t.Helper()
	out, errs, got := b.try(strings.NewReader(""), args...)
	require.Equal(b.t, code, got, "%v: %s%s", args, out, errs)
	require.Empty(b.t, out)
	require.Equal(b.t, 1, strings.Count(errs, "\n"), errs)
	return strings.TrimSuffix(strings.TrimPrefix(errs, "desk: "), "\n")
}

func (b *bench) decode(to any, args ...string) {
	b.t.Helper()
	require.NoError(b.t, json.Unmarshal([]byte(b.ok(append(args, "--json")...)), to))
}

const firstMail = "From: Bob <bob@example.org>\r\nTo: csirt@example.net\r\nSubject: Scan\r\n" +
	"Message-ID: <1@example.org>\r\nDate: Mon, 2 Mar 2026 08:59:00 +0000\r\n\r\n192.0.2.7 scans us.\r\n"

// letter is a mail of a correspondent.
func letter(from, subject, more, text string) string {
	return fmt.Sprintf("From: %s\r\nTo: csirt@example.net\r\nSubject: %s\r\n%s\r\n%s\r\n", from, subject, more, text)
}

func TestHelp(t *testing.T) {
	b := newBench(t)
	overview := b.ok("--help")
	require.Equal(t, overview, b.ok("help"))
	chapters, _, _ := strings.Cut(overview, "Flags of every subcommand")
	for line := range strings.Lines(chapters) {
		require.LessOrEqual(t, len(line), helpWidth+1, line)
	}
	words := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	for _, s := range subcommands() {
		require.Contains(t, words(overview), " "+s.name+" "+s.purpose())
		page := b.ok("help", s.name)
		require.Equal(t, page, b.ok(s.name, "--help"), s.name)
		require.Contains(t, words(page), words(s.name+" "+s.args+" "+s.does))
		require.Contains(t, page, "-mailbox,")
	}
	require.NoFileExists(t, b.db)
}

func TestUsage(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"tkae", "1"}, `there is no subcommand "tkae": allowed are serve, receive, list, topics, show, take,`},
		{[]string{"help", "tkae"}, `there is no subcommand "tkae"`},
		{[]string{"--smtp", ":0"}, "flags of a subcommand come after its name"},
		{[]string{"take"}, "type desk take ID..."},
		{[]string{"show", "1", "2"}, "show was given 2 arguments"},
		{[]string{"take", "x"}, `"x" is no ticket number: allowed are 7 and #7`},
		{[]string{"take", "$1"}, "it has a meaning in desk do only"},
		{[]string{"verify", "all"}, "verify was given 1 arguments"},
		{[]string{"demo", "--seed", "x"}, "desk demo --help lists the flags"},
		{[]string{"take", "1", "--bogus"}, "desk take --help lists the flags"},
		{[]string{"take", "1", "--as", "alice@example.net"}, "is no name of a handler"},
		{[]string{"list", "--mailbox", "csirt"}, `--mailbox "csirt" is no mail address`},
		{[]string{"list", "--team", "example.net"}, "neither an address nor a domain like @example.net"},
		{[]string{"list", "newest"}, "allowed are new, queue, mine, unowned, due, all"},
		{[]string{"list", "due", "--kind", "report"}, "leave out the name due, or the flags"},
		{[]string{"list", "--kind", "problem"}, "allowed are [report incident investigation block]"},
		{[]string{"list", "--touches", "here"}, "allowed are 192.0.2.7, 192.0.2.0/24"},
		{[]string{"list", "--after", "5,x,none"}, "is no place in a list"},
		{[]string{"assign", "1"}, "assign needs --to"},
		{[]string{"open", "report", "--requestor", "Bob <bob"}, "allowed are bob@example.org and Bob <bob@example.org>"},
		{[]string{"open", "report", "--field", "x"}, "allowed is name=value"},
		{[]string{"edit", "1"}, "desk edit --help lists them"},
		{[]string{"edit", "1", "--due", "tomorrow"}, "allowed are 2026-03-02T15:04Z"},
		{[]string{"deliver", "1"}, "one of --to TICKET, --accept and --reject"},
		{[]string{"deliver", "1", "--accept", "--reject"}, "one of --to TICKET, --accept and --reject"},
		{[]string{"do", "take 1"}, `like {"command":"take","ticket":7}`},
		{[]string{"do", `[{"command":"take"`}, "this is no JSON"},
		{[]string{"do", `{"command":"grab","ticket":1}`}, "allowed is open, take, steal"},
		{[]string{"do", `{"command":"take","tikket":1}`}, "allowed is ticket"},
		{[]string{"serve", "--smtp", "0.0.0.0:2525"}, "is not loopback"},
		{[]string{"serve", "--smtp", "2525"}, "is no address"},
		{[]string{"serve", "--relay", "mail.example.net"}, "is no host:port"},
		{[]string{"serve", "--relay", "127.0.0.1:25"}, "by --mailbox"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			require.Contains(t, b.refused(exitUsage, test.args...), test.want)
			require.NoFileExists(t, b.db)
		})
	}
}

func TestEnvironmentAndFlags(t *testing.T) {
	b := newBench(t)
	b.env = map[string]string{"AIRTIGHT_TAG": "Other Team", "AIRTIGHT_MAILBOX": "desk@example.com", "AIRTIGHT_TEAM": "@example.com carol@example.org"}
	require.Contains(t, b.fed(letter("carol@example.org", "Note", "", "x"), "receive"), "new report #1")
	b.ok("open", "investigation", "--subject", "Scan", "--requestor", "noc@example.org", "--text", "Please look.")
	shown := b.ok("show", "2")
	require.Contains(t, shown, "[Other Team #2] Scan")
	require.Contains(t, b.ok("show", "2", "--raw", "2"), "<desk@example.com>")
	require.Contains(t, b.ok("show", "1"), "handler:carol")
	require.Contains(t, b.ok("--tag", "Third", "open", "--text", "x", "investigation", "--requestor", "noc@example.org"), "[Third #3]", "a flag wins")
}

func TestAgain(t *testing.T) {
	o := defaults(func(string) string { return "" }, "alice")
	require.Empty(t, o.again())
	o.db, o.tag, o.team = "my desk.db", "It's us", []string{"@example.com", "bob@example.org"}
	require.Equal(t, `--db 'my desk.db' --tag 'It'\''s us' --team @example.com --team bob@example.org`, o.again())
	o = defaults(func(name string) string {
		return map[string]string{"AIRTIGHT_ALSO": "soc@example.net=campus @example.com"}[name]
	}, "alice")
	o.db, o.blobs = "postgres://alice@192.0.2.1/desk?sslmode=require", "/var/blobs"
	require.Equal(t, `--db 'postgres://alice@192.0.2.1/desk?sslmode=require' --blobs /var/blobs --also soc@example.net=campus --also @example.com`, o.again())
}

// No password is shown, or put on a command line.
func TestDatabaseName(t *testing.T) {
	for db, want := range map[string]string{
		"./airtight.db":                                     "./airtight.db",
		"postgres://alice@192.0.2.1/desk":                   "postgres://alice@192.0.2.1/desk",
		"postgres://alice:secret@192.0.2.1/desk":            "postgres://alice:xxxxx@192.0.2.1/desk",
		"postgresql://192.0.2.1/desk?a=1&password=secret":   "postgresql://192.0.2.1/desk?a=1",
		"postgres:///desk?sslpassword=secret&user=alice":    "postgres:///desk?user=alice",
		"postgres://alice:secret@192.0.2.1:port\x7f/secret": "on a PostgreSQL server",
	} {
		o := options{db: db}
		require.Equal(t, want, o.databaseName())
		require.Equal(t, strings.Contains(db, "secret"), o.hasPassword(), db)
		if o.hasPassword() {
			require.NotContains(t, o.again(), "--db")
		}
	}
}

func TestParseMixed(t *testing.T) {
	for line, want := range map[string]string{
		"1 2": "1 2", "1 --json 2": "1 2", "--json 1": "1", "1 -- --json": "1 --json", "-- 1 --json": "1 --json", "": "", "--": "",
	} {
		flags := newFlags("test", &call{})
		words, err := parseMixed(flags, strings.Fields(line))
		require.NoError(t, err)
		require.Equal(t, want, strings.Join(words, " "), line)
	}
}

func TestHandlerName(t *testing.T) {
	for user, want := range map[string]string{"alice": "alice", `OFFICE\John Doe`: "John.Doe", "eve@example.net": "eve.example.net"} {
		require.Equal(t, want, handlerName(user))
	}
}

func TestCalledAs(t *testing.T) {
	require.Equal(t, "go run ./examples/desk", calledAs("/tmp/go-build123/b001/exe/desk"))
	require.Equal(t, "./desk", calledAs("./desk"))
}
