package desk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// realMails yields the mails below a folder of the corpus, by their path in it.
func realMails(t *testing.T, folder string, each func(file string, raw []byte)) {
	root := os.Getenv("AIRTIGHT_CORPUS")
	if root == "" {
		t.Skip("AIRTIGHT_CORPUS is unset: no real mails to receive")
	}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || slices.Contains([]string{".json", ".tsv", ".xml", ".yml", ".md", ".out", ".html"}, filepath.Ext(path)) {
			return err
		}
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		file, err := filepath.Rel(root, path)
		require.NoError(t, err)
		each(filepath.ToSlash(file), raw)
		return nil
	}))
}

// asBounce receives a mail and reports whether the desk took it for a bounce. Its
// bytes must be there afterwards.
func (w *world) asBounce(t *testing.T, file string, raw []byte) bool {
	receipt, err := w.desk.Receive(ctx, mail.Envelope{}, raw)
	require.NoError(t, err, file)
	if receipt.Again {
		_, record := w.last(receipt.Ticket, "received-again")
		if len(record.Blobs) == 0 {
			record = w.history(receipt.Ticket)[1] // the same bytes
		}
		require.Equal(t, []incident.Digest{incident.DigestOf(raw)}, record.Blobs, file)
		return w.isBounce(receipt.Ticket, 2)
	}
	body, err := w.alice.Body(ctx, receipt.Ticket, receipt.Version)
	require.NoError(t, err, file)
	require.True(t, bytes.Equal(raw, body), "%s: kept as it came", file)
	return w.isBounce(receipt.Ticket, receipt.Version)
}

// isBounce reports whether a message is marked as a bounce, and as one of a mail that
// is not known its ticket too.
func (w *world) isBounce(id incident.ID, version uint64) bool {
	ev, err := incident.Decode(w.history(id)[version-1])
	require.NoError(w.t, err)
	if ev.(incident.Message).Thread != mail.ByBounce {
		return false
	}
	report := w.ticket(id)
	require.Contains(w.t, ev.(incident.Message).Flags, "bounce")
	require.Equal(w.t, "bounce", report.Via)
	require.Equal(w.t, mail.ByBounce, report.Held.Reason)
	return true
}

// TestRealBounces receives real bounces: nothing is lost, and what package mail
// recognises is a marked report that waits for a person, since none is about a mail
// of ours.
func TestRealBounces(t *testing.T) {
	w := newWorld(t, janet)
	mails, recognised, agreed, rows := 0, 0, 0, 0
	truth := map[string]bool{}
	for _, folder := range []string{"sisimai", "sisimai-lineend", "mailman", "bounceparser", "schleuder"} {
		for name, is := range expectedBounces(t, folder) {
			truth["bounce/"+folder+"/"+name] = is
		}
	}
	realMails(t, "bounce", func(file string, raw []byte) {
		mails++
		got := w.asBounce(t, file, raw)
		m, _ := mail.Parse(raw, mail.Limits{})
		_, want := mail.ReadBounce(m, mail.Envelope{})
		require.Equal(t, want, got, file)
		if got {
			recognised++
		}
		if is, known := truth[file]; known {
			rows++
			if is == got {
				agreed++
			}
		}
	})
	w.verify()
	require.Equal(t, len(truth), rows)
	fmt.Printf("bounces: %d mails received and kept, %d taken for bounces; right for %d of %d with an expected result\n", mails, recognised, agreed, rows)
	require.GreaterOrEqual(t, float64(agreed)/float64(rows), 0.95)
	require.Empty(t, w.marked(), "nobody was written to")
}

// expectedBounces reads which files of a folder are bounces.
func expectedBounces(t *testing.T, folder string) map[string]bool {
	raw, err := os.ReadFile(filepath.Join(os.Getenv("AIRTIGHT_CORPUS"), "bounce", folder, "expected.json"))
	if os.Getenv("AIRTIGHT_CORPUS") == "" {
		t.Skip("AIRTIGHT_CORPUS is unset: no real mails to receive")
	}
	require.NoError(t, err)
	var table struct{ Files map[string]json.RawMessage }
	require.NoError(t, json.Unmarshal(raw, &table))
	is := map[string]bool{}
	for name, row := range table.Files {
		var outcomes []struct{ Reason string }
		var one struct {
			Addresses any
			Bounce    *bool `json:"is_bounce"`
		}
		if json.Unmarshal(row, &outcomes) == nil {
			is[name] = !slices.Contains([]string{"vacation", "feedback"}, outcomes[0].Reason)
			continue
		}
		require.NoError(t, json.Unmarshal(row, &one))
		list, isList := one.Addresses.([]any)
		switch {
		case one.Bounce != nil:
			is[name] = *one.Bounce
		case folder == "mailman":
			is[name] = !isList || len(list) > 0
		}
	}
	return is
}

// TestRealMailIsNoBounce receives other real mail. What is taken for a bounce there,
// package mail names with the reason.
func TestRealMailIsNoBounce(t *testing.T) {
	named, err := os.ReadFile("../../mail/testdata/nobounces.txt")
	require.NoError(t, err)
	w := newWorld(t, func(c *desk.Config) { janet(c); c.Limits = mail.Limits{Bytes: 64 << 20} })
	mails, bounces, wrong := 0, 0, 0
	realMails(t, "mail", func(file string, raw []byte) {
		mails++
		if !w.asBounce(t, file, raw) {
			return
		}
		bounces++
		if !strings.Contains(string(named), "bounce "+file+"\n") {
			wrong++
			t.Errorf("%s is taken for a bounce", file)
		}
	})
	w.verify()
	fmt.Printf("other mail: %d mails received and kept, %d taken for bounces, %d of them not named in nobounces.txt\n", mails, bounces, wrong)
}
