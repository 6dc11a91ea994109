package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// corpus returns the folder of real inputs.
func corpus(t testing.TB) string {
	folder := os.Getenv("AIRTIGHT_CORPUS")
	if folder == "" {
		t.Skip("AIRTIGHT_CORPUS is unset: no real mails to receive")
	}
	return folder
}

// corpusMails returns the mails of a folder: those that a second reader has an
// opinion on, and those with an expected result beside them.
func corpusMails(t testing.TB, folder string) []string {
	opinions, err := os.ReadFile(filepath.Join(folder, "oracle-python.json"))
	require.NoError(t, err)
	var rows map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(opinions, &rows))
	names := map[string]bool{}
	for name := range rows {
		names[filepath.FromSlash(name)] = true
	}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		stem := strings.TrimSuffix(path, filepath.Ext(path))
		if slices.Contains([]string{".yml", ".json", ".xml"}, filepath.Ext(path)) {
			return nil
		}
		for _, beside := range []string{".yml", ".json", ".xml"} {
			if _, err := os.Stat(stem + beside); err == nil {
				name, _ := filepath.Rel(folder, path)
				names[name] = true
			}
		}
		return nil
	}))
	var paths []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			paths = append(paths, filepath.Join(folder, name))
		}
	}
	return paths
}

// openBench opens the bench's database as every subcommand does.
func openBench(b *bench) *workplace {
	p := &program{env: func(string) string { return "" }, user: "alice", zone: time.UTC, now: time.Now}
	c := &call{program: p, options: defaults(p.env, p.user)}
	c.db = b.db
	w, err := c.open(context.Background(), setting{create: true})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { w.Close() })
	return w
}

// receive takes in a mail as desk receive does.
func (w *workplace) receive(raw []byte) (*desk.Receipt, error) {
	env, err := envelope(raw, nil, nil, []string{exampleMailbox})
	if err != nil {
		return nil, err
	}
	return w.desk.Receive(context.Background(), env, raw)
}

// kept returns the bytes of a mail as they are stored on a ticket.
func (w *workplace) kept(t testing.TB, id incident.ID, raw []byte) []byte {
	history, err := w.me.History(context.Background(), id)
	require.NoError(t, err)
	digest := incident.DigestOf(raw)
	for _, r := range history.Records {
		if slices.Contains(r.Blobs, digest) {
			body, err := w.me.Body(context.Background(), id, r.Version)
			require.NoError(t, err)
			return body
		}
	}
	return nil
}

func TestCorpusMails(t *testing.T) {
	folder := corpus(t)
	b := newBench(t)
	w := openBench(b)
	verdicts, others := map[string]int{}, map[string]int{}
	for _, part := range []string{"mail", "bounce"} {
		paths := corpusMails(t, filepath.Join(folder, part))
		stored := 0
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			receipt, err := w.receive(raw)
			if err != nil {
				others["refused"]++
				require.ErrorContains(t, err, "over the limit", path)
				require.Greater(t, len(raw), mailLimit, path)
				continue
			}
			require.True(t, bytes.Equal(raw, w.kept(t, receipt.Ticket, raw)), "%s: kept as it came", path)
			stored++
			verdicts[fmt.Sprintf("%s (%s)", receipt.Verdict.Reason, receipt.Verdict.Action)]++
			for what, is := range map[string]bool{"machine mail": receipt.Machine, "held": receipt.Held, "received again": receipt.Again} {
				if is {
					others[part+": "+what]++
				}
			}
		}
		fmt.Printf("corpus/%s: %d mails, %d stored, their bytes read back equal\n", part, len(paths), stored)
	}
	for _, counts := range []map[string]int{verdicts, others} {
		for _, name := range sortedKeys(counts) {
			fmt.Printf("corpus: %5d %s\n", counts[name], name)
		}
	}
	found, err := w.desk.Verify(context.Background(), nil)
	require.NoError(t, err)
	require.Empty(t, found.Faults)
	fmt.Printf("corpus: verify: %d tickets, %d records, %d bodies, no fault\n", found.Tickets, found.Records, found.Blobs)
}

// TestCorpusProcess gives some of the mails to the real program.
func TestCorpusProcess(t *testing.T) {
	folder := corpus(t)
	program, db := deskBinary(t), filepath.Join(t.TempDir(), "desk.db")
	given := 0
	for _, part := range []string{"mail", "bounce"} {
		for i, path := range corpusMails(t, filepath.Join(folder, part)) {
			if i%60 != 0 {
				continue
			}
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			receive := exec.Command(program, "--db", db, "receive", "--json")
			receive.Stdin = bytes.NewReader(raw)
			out, err := receive.Output()
			require.NoError(t, err, path)
			var receipt desk.Receipt
			require.NoError(t, json.Unmarshal(out, &receipt))
			if receipt.Again {
				continue
			}
			back, err := exec.Command(program, "--db", db, "show", receipt.Ticket.String(), "--raw", fmt.Sprint(receipt.Version)).Output()
			require.NoError(t, err, path)
			require.True(t, bytes.Equal(raw, back), path)
			_, err = exec.Command(program, "--db", db, "show", receipt.Ticket.String()).Output()
			require.NoError(t, err, path)
			given++
		}
	}
	out, err := exec.Command(program, "--db", db, "verify").Output()
	require.NoError(t, err)
	fmt.Printf("corpus: %d mails through the built program: %s", given, out)
}
