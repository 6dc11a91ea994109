package mail

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// upstreamReason brings the reasons of the tables into our classes; "?" is one
// that says nothing of ours.
func upstreamReason(reason string) string {
	for class, list := range map[BounceReason]string{
		BadMailbox:    "userunknown hasmoved suspend filtered user_unknown",
		BadHost:       "hostunknown notaccept norelaying domain_error",
		MailboxFull:   "mailboxfull over_quota",
		TooBig:        "mesgtoobig exceedlimit message_too_large",
		Refused:       "rejected blocked authfailure requireptr policyviolation securityerror spamdetected virusdetected notcompliantrfc contenterror badreputation spam",
		SystemTrouble: "expired networkerror systemerror mailererror toomanyconn syntaxerror speeding onhold",
	} {
		if slices.Contains(strings.Fields(list), reason) {
			return string(class)
		}
	}
	return ""
}

func expected(t *testing.T, file string, files any) {
	raw, err := os.ReadFile(filepath.Join(corpus(t), "bounce", file, "expected.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &struct{ Files any }{files}))
}

func bounceOf(t *testing.T, path string) (Bounce, bool) {
	raw, err := os.ReadFile(filepath.Join(corpus(t), path))
	require.NoError(t, err)
	m, _ := Parse(raw, Limits{})
	return ReadBounce(m, Envelope{})
}

func yes(b bool) string { return map[bool]string{true: "bounce", false: "none"}[b] }

// TestBounceCorpus reads the tables of expected results. Each miss stands with
// its reason in testdata/bounces.txt.
func TestBounceCorpus(t *testing.T) {
	y := newTally(t, "bounces.txt")
	ids, recognised := 0, 0
	row := func(field, file, ours, theirs string) { y.row(t, field, file, ours, theirs) }
	count := func(b Bounce, ok bool) {
		if ok {
			recognised++
			if b.MessageID != "" {
				ids++
			}
		}
	}

	for _, folder := range []string{"sisimai", "sisimai-lineend"} {
		var rows map[string][]struct{ Reason string }
		expected(t, folder, &rows)
		for name, want := range rows {
			file := filepath.Join("bounce", folder, name)
			b, ok := bounceOf(t, file)
			count(b, ok)
			bounced := !slices.Contains([]string{"vacation", "feedback"}, want[0].Reason)
			row("bounce", file, yes(ok), yes(bounced))
			if !ok || !bounced {
				continue
			}
			for i, w := range want {
				ours := "missing"
				if i < len(b.Recipients) {
					ours = string(b.Recipients[i].Reason)
				}
				if w.Reason == "delivered" {
					row("reason", fmt.Sprintf("%s/%d", file, i), ours+b.Recipients[min(i, len(b.Recipients)-1)].Action, "delivered")
					continue
				}
				row("reason", fmt.Sprintf("%s/%d", file, i), ours, upstreamReason(w.Reason))
			}
		}
	}

	var mailman map[string]struct{ Addresses any }
	expected(t, "mailman", &mailman)
	for name, want := range mailman {
		file := filepath.Join("bounce/mailman", name)
		b, ok := bounceOf(t, file)
		count(b, ok)
		list, isList := want.Addresses.([]any)
		row("bounce", file, yes(ok), yes(!isList || len(list) > 0))
		if !ok {
			continue
		}
		theirs := []string{}
		for _, a := range list {
			theirs = append(theirs, strings.ToLower(a.(string)))
		}
		ours := []string{}
		for _, a := range b.Failed() {
			ours = append(ours, strings.ToLower(a))
		}
		slices.Sort(theirs)
		slices.Sort(ours)
		row("address", file, strings.Join(ours, " "), strings.Join(theirs, " "))
	}

	for _, folder := range []string{"bounceparser", "schleuder"} {
		var rows map[string]struct {
			Bounce *bool  `json:"is_bounce"`
			Reason string `json:"std_reason"`
		}
		expected(t, folder, &rows)
		for name, want := range rows {
			if want.Bounce == nil {
				continue
			}
			file := filepath.Join("bounce", folder, name)
			b, ok := bounceOf(t, file)
			count(b, ok)
			row("bounce", file, yes(ok), yes(*want.Bounce))
			if ok && want.Reason != "" {
				ours := "missing"
				if len(b.Recipients) > 0 {
					ours = string(b.Recipients[0].Reason)
				}
				row("reason", file, ours, upstreamReason(want.Reason))
			}
		}
	}
	y.print(t, "bounces", "bounce", "address", "reason")
	for field, least := range map[string]float64{"bounce": 0.95, "address": 0.90, "reason": 0.90} {
		share := float64(y.agreed[field]) / float64(y.outOf[field])
		fmt.Printf("bounces: %s %.1f %%\n", field, 100*share)
		require.GreaterOrEqual(t, share, least, field)
	}
	fmt.Printf("bounces: the Message-ID of the mail that it is about found in %d of %d\n", ids, recognised)
}

// TestNoBounce reads all other mail: what is taken for a bounce there is named
// in testdata/nobounces.txt, with the reason.
func TestNoBounce(t *testing.T) {
	root := corpus(t)
	y := newTally(t, "nobounces.txt")
	for _, folder := range []string{"mail", "arf", "xarf", "pgp", "bounce/sisimai-not/not"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			switch filepath.Ext(path) {
			case ".json", ".tsv", ".xml", ".yml", ".md", ".out", ".html":
				return nil
			}
			file, err := filepath.Rel(root, path)
			require.NoError(t, err)
			_, ok := bounceOf(t, file)
			y.row(t, "bounce", filepath.ToSlash(file), yes(ok), "none")
			return nil
		}))
	}
	y.print(t, "other mail", "bounce")
}
