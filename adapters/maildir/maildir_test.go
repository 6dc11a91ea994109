package maildir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

var (
	ctx    = context.Background()
	letter = []byte("From: team@example.org\r\nSubject: [example #1] x\r\n\r\nLine.\r\n.\r\nFrom here\r\n-- \r\nbare\nline\x00\xff")
)

func files(t testing.TB, m *Maildir, sub string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(m.dir, sub))
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestRoundTrip(t *testing.T) {
	m, err := New(filepath.Join(t.TempDir(), "out"), Config{Host: "a/b:c"})
	require.NoError(t, err)
	for _, env := range []mail.Envelope{
		{From: "team@example.org", To: []string{"alice@example.net"}},
		{From: "", To: []string{"alice@example.net", `"odd"@example.net`, "bob@example.com"}},
	} {
		letter := append([]byte("Delivered-To: of-an-earlier-hop@example.org\r\nReturn-Path: <x@example.org>\r\n"), letter...)
		require.NoError(t, m.Send(ctx, env, letter))
		require.Empty(t, files(t, m, "tmp"))
		require.Len(t, files(t, m, "new"), 1)
		require.True(t, strings.HasSuffix(files(t, m, "new")[0], `.a\057b\072c`))
		pass, err := m.Receive(ctx, func(_ context.Context, got mail.Envelope, raw []byte) error {
			require.Equal(t, env, got)
			require.Equal(t, letter, raw)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, Pass{Taken: 1}, pass)
		require.Empty(t, files(t, m, "new"))
	}
	require.Len(t, files(t, m, "cur"), 2)
	require.True(t, strings.HasSuffix(files(t, m, "cur")[0], ":2,S"))
	info, err := os.Stat(filepath.Join(m.dir, "cur", files(t, m, "cur")[0]))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())
}

func TestForeignFiles(t *testing.T) {
	m, err := New(t.TempDir(), Config{})
	require.NoError(t, err)
	for name, content := range map[string]string{
		"1": "From: a@example.org\n\nno envelope\n",
		"2": "Return-Path: <a@example.org>\nDelivered-To: b@example.org\nReceived: x\n\nby another agent\n",
		"3": "Return-Path: a@example.org\n\nof another form\n",
		"4": "",
		"5": "Delivered-To: b@example.org\n\nno sender\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(m.dir, "new", name), []byte(content), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(m.dir, "new", ".hidden"), nil, 0o600))
	var got []string
	pass, err := m.Receive(ctx, func(_ context.Context, env mail.Envelope, raw []byte) error {
		first, _, _ := strings.Cut(string(raw), "\n")
		got = append(got, fmt.Sprint(env.From, env.To, first))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, Pass{Taken: 5}, pass)
	require.Equal(t, []string{"[]From: a@example.org", "a@example.org[b@example.org]Received: x", "[]Return-Path: a@example.org", "[]", "[]Delivered-To: b@example.org"}, got)
}

func TestReceiverRefuses(t *testing.T) {
	m, err := New(t.TempDir(), Config{MaxBytes: 100})
	require.NoError(t, err)
	env := mail.Envelope{To: []string{"a@example.org"}}
	for _, text := range []string{"kept", "later", "never", "unsure", "missing", strings.Repeat("long", 100)} {
		require.NoError(t, m.Send(ctx, env, []byte(text)))
	}
	receive := func(_ context.Context, _ mail.Envelope, raw []byte) error {
		switch string(raw) {
		case "later":
			return errors.New("no room")
		case "never":
			return &mail.Error{Code: 550, Message: "not for us"}
		case "unsure":
			return &mail.Error{Code: 550, Undecided: true}
		case "missing":
			return fs.ErrNotExist
		}
		return nil
	}
	pass, err := m.Receive(ctx, receive)
	require.Equal(t, Pass{Taken: 1, Refused: 2, Left: 3}, pass)
	for _, part := range []string{"no room", "not for us", "MaxBytes of 100", "file does not exist"} {
		require.ErrorContains(t, err, part)
	}
	flagged := 0
	for _, name := range files(t, m, "cur") {
		if strings.HasSuffix(name, ":2,F") {
			flagged++
		}
	}
	require.Equal(t, 2, flagged)
	require.Len(t, files(t, m, "new"), 3)

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	pass, err = m.Receive(cancelled, receive)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, Pass{Left: 3}, pass)
	require.ErrorIs(t, m.Send(cancelled, env, letter), context.Canceled)
}

func TestSendFails(t *testing.T) {
	m, err := New(t.TempDir(), Config{})
	require.NoError(t, err)
	var answer *mail.Error
	for _, env := range []mail.Envelope{
		{From: "a@example.org"},
		{From: "a@example.org\r\nBcc: x@example.org", To: []string{"b@example.org"}},
		{From: "a@example.org", To: []string{"b@example.org\nX: y"}},
		{From: "a>b@example.org", To: []string{"b@example.org"}},
		{From: "a@example.org", To: []string{""}},
	} {
		require.ErrorAs(t, m.Send(ctx, env, letter), &answer)
		require.False(t, answer.Temporary())
	}
	require.Empty(t, files(t, m, "new"))

	require.NoError(t, os.RemoveAll(filepath.Join(m.dir, "new")))
	require.ErrorAs(t, m.Send(ctx, mail.Envelope{To: []string{"b@example.org"}}, letter), &answer)
	require.True(t, answer.Temporary())
	require.False(t, answer.Undecided)
	require.Empty(t, files(t, m, "tmp"), "nothing is left behind")
	_, err = m.Receive(ctx, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)

	require.NoError(t, os.WriteFile(filepath.Join(m.dir, "file"), nil, 0o600))
	_, err = New(filepath.Join(m.dir, "file"), Config{})
	require.ErrorContains(t, err, "maildir:")
}

func TestSweep(t *testing.T) {
	m, err := New(t.TempDir(), Config{})
	require.NoError(t, err)
	old, young := filepath.Join(m.dir, "tmp", "old"), filepath.Join(m.dir, "tmp", "young")
	for _, name := range []string{old, young} {
		require.NoError(t, os.WriteFile(name, []byte("half"), 0o600))
	}
	require.NoError(t, os.Chtimes(old, time.Time{}, time.Now().Add(-37*time.Hour)))
	_, err = m.Receive(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"young"}, files(t, m, "tmp"))
}

// TestSameClock lets the clock stand still: names differ all the same.
func TestSameClock(t *testing.T) {
	still := func() time.Time { return time.Unix(1, 0) }
	dir := t.TempDir()
	for range 3 {
		m, err := New(dir, Config{Now: still})
		require.NoError(t, err)
		for range 20 {
			require.NoError(t, m.Send(ctx, mail.Envelope{To: []string{"a@example.org"}}, letter))
		}
	}
	m, err := New(dir, Config{})
	require.NoError(t, err)
	require.Len(t, files(t, m, "new"), 60)
}

// TestProcesses delivers from several processes, one of which is killed, while
// two others receive: each mail that was acknowledged arrives whole.
func TestProcesses(t *testing.T) {
	if dir := os.Getenv("AIRTIGHT_MAILDIR"); dir != "" {
		deliver(t, dir)
		return
	}
	const processes, each = 4, 50
	dir := t.TempDir()
	m, err := New(dir, Config{})
	require.NoError(t, err)
	outs := make([]bytes.Buffer, processes+1)
	var commands []*exec.Cmd
	for i := range processes + 1 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestProcesses$")
		cmd.Env = append(os.Environ(), "AIRTIGHT_MAILDIR="+dir, "AIRTIGHT_PROCESS="+strconv.Itoa(i), "AIRTIGHT_EACH="+strconv.Itoa(each))
		if i == processes {
			cmd.Env = append(cmd.Env, "AIRTIGHT_EACH=1000000")
		}
		cmd.Stdout = &outs[i]
		require.NoError(t, cmd.Start())
		commands = append(commands, cmd)
	}
	got := map[string]int{}
	receive := func(_ context.Context, _ mail.Envelope, raw []byte) error {
		id, rest, _ := strings.Cut(string(raw), "\n")
		require.Equal(t, strings.Repeat("x", 5000), rest, "a mail that is not whole")
		got[id]++
		return nil
	}
	for begun := 0; begun < 10; {
		_, err := m.Receive(ctx, receive)
		require.NoError(t, err)
		for begun = 0; got[fmt.Sprintf("%d-%d.", processes, begun)] > 0; begun++ {
		}
	}
	require.NoError(t, commands[processes].Process.Kill())
	for i, cmd := range commands {
		if err := cmd.Wait(); i < processes {
			require.NoError(t, err, outs[i].String())
		}
	}
	_, err = m.Receive(ctx, receive)
	require.NoError(t, err)
	acknowledged := 0
	for i := range outs {
		for line := range strings.SplitSeq(outs[i].String(), "\n") {
			if id, ok := strings.CutPrefix(line, "sent "); ok && strings.HasSuffix(id, ".") {
				acknowledged++
				require.Equal(t, 1, got[id], id)
			}
		}
	}
	require.GreaterOrEqual(t, acknowledged, processes*each)
	require.LessOrEqual(t, len(files(t, m, "tmp")), 1, "only the one that was killed leaves something")
	fmt.Printf("processes: %d mails acknowledged by %d processes, one of them killed; %d received, each once\n", acknowledged, processes+1, len(got))
}

// deliver is the process of TestProcesses.
func deliver(t *testing.T, dir string) {
	m, err := New(dir, Config{})
	require.NoError(t, err)
	each, err := strconv.Atoi(os.Getenv("AIRTIGHT_EACH"))
	require.NoError(t, err)
	for i := range each {
		id := fmt.Sprintf("%s-%d.", os.Getenv("AIRTIGHT_PROCESS"), i)
		require.NoError(t, m.Send(ctx, mail.Envelope{To: []string{"a@example.org"}}, []byte(id+"\n"+strings.Repeat("x", 5000))))
		fmt.Printf("sent %s\n", id)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("Return-Path: <a@example.org>\r\nDelivered-To: b@example.org\r\n\r\nx"))
	f.Add([]byte("Delivered-To: b@example.org\nReturn-Path: <>\nDelivered-To: "))
	f.Add([]byte("Return-Path: <a\x00b>"))
	f.Fuzz(func(t *testing.T, file []byte) {
		_, raw := split(file)
		if !bytes.HasSuffix(file, raw) {
			t.Fatal("the mail is not the end of the file")
		}
	})
}

func ExampleMaildir() {
	dir, err := os.MkdirTemp("", "outbox")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	m, err := New(dir, Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = m.Send(context.Background(), mail.Envelope{From: "team@example.org", To: []string{"alice@example.net"}}, []byte("Subject: hello\r\n\r\nHello.\r\n"))
	fmt.Println(err)
	pass, err := m.Receive(context.Background(), func(_ context.Context, env mail.Envelope, raw []byte) error {
		fmt.Println(env.From, "to", env.To[0])
		return nil
	})
	fmt.Println(pass.Taken, err)
	// Output:
	// <nil>
	// team@example.org to alice@example.net
	// 1 <nil>
}

func TestNewRefuses(t *testing.T) {
	_, err := New(t.TempDir(), Config{MaxBytes: -1})
	require.ErrorContains(t, err, "allowed are 0 for the default and more")
}
