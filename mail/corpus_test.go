package mail

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// corpus returns the folder of real inputs.
func corpus(t testing.TB) string {
	dir := os.Getenv("AIRTIGHT_CORPUS")
	if dir == "" {
		t.Skip("AIRTIGHT_CORPUS is unset: no real mails to read")
	}
	return dir
}

// tally counts agreement with a second opinion. Every miss must be explained
// in a file of testdata, and every explanation must be needed.
type tally struct {
	agreed, outOf map[string]int
	reasons       map[string]string // "field file" -> reason
	used          map[string]bool
	counts        map[string]int  // per reason
	files         map[string]bool // in which nothing is missed
}

// newTally reads the explanations: of each reason, a line "# " and the misses
// that it explains.
func newTally(t testing.TB, file string) *tally {
	f, err := os.Open(filepath.Join("testdata", file))
	require.NoError(t, err)
	defer f.Close()
	y := &tally{agreed: map[string]int{}, outOf: map[string]int{}, reasons: map[string]string{}, used: map[string]bool{}, counts: map[string]int{}, files: map[string]bool{}}
	reason := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		switch {
		case line == "":
		case strings.HasPrefix(line, "# "):
			reason = line[2:]
		default:
			require.NotContains(t, y.reasons, line)
			y.reasons[line] = reason
		}
	}
	return y
}

// keepOnly drops the explanations of files elsewhere.
func (y *tally) keepOnly(folder string) {
	maps.DeleteFunc(y.reasons, func(key, _ string) bool { return !strings.Contains(key, " "+folder) })
}

// row compares one field of one mail.
func (y *tally) row(t testing.TB, field, file, ours, theirs string) {
	y.outOf[field]++
	if _, ok := y.files[file]; !ok {
		y.files[file] = true
	}
	if ours == theirs {
		y.agreed[field]++
		return
	}
	y.files[file] = false
	key := field + " " + file
	reason, ok := y.reasons[key]
	y.used[key] = true
	if !ok {
		t.Errorf("unexplained miss: %s\n  ours   %q\n  theirs %q", key, ours, theirs)
		return
	}
	y.counts[reason]++
	if testing.Verbose() {
		t.Logf("miss: %s: %s", key, reason)
	}
}

func (y *tally) print(t testing.TB, title string, fields ...string) {
	for _, f := range fields {
		fmt.Printf("%s: %-9s %d of %d agree\n", title, f, y.agreed[f], y.outOf[f])
		for key := range y.reasons {
			if strings.HasPrefix(key, f+" ") && !y.used[key] {
				t.Errorf("explained, but no miss: %s", key)
			}
		}
	}
	whole := 0
	for _, agreed := range y.files {
		if agreed {
			whole++
		}
	}
	fmt.Printf("%s: %d of %d files agree in all of it\n", title, whole, len(y.files))
	for _, reason := range slices.Sorted(maps.Keys(y.counts)) {
		fmt.Printf("%s: missed %d: %s\n", title, y.counts[reason], reason)
	}
}

// opinion is what another reader made of a mail (oracle-python.json).
type opinion struct {
	From    []string `json:"from"`
	To      []string `json:"to"`
	Subject *string  `json:"subject"`
	Count   int      `json:"n_parts"`
	Parts   []struct {
		Type   string `json:"type"`
		Digest string `json:"sha256"`
		Name   string `json:"filename"`
		Size   int    `json:"size"`
	} `json:"parts"`
}

// seen is what is compared of one mail.
type seen struct {
	from, to, subject string
	leaves            []leafSeen
	report            bool // a delivery report is in it
}

type leafSeen struct {
	mediaType, digest, chopped, name string
}

const empty = "e3b0c44298fc1c14" // digest of no bytes

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

func words(s string) string { return strings.Join(strings.Fields(s), " ") }

// ours reads a mail. Bytes of leaves are taken before their charset is
// changed, since those are what the digests are of.
func ours(t testing.TB, raw []byte) seen {
	m, err := Parse(raw, Limits{})
	require.NoError(t, err)
	list := func(people []incident.Party) string {
		var out []string
		for _, p := range people {
			out = append(out, strings.ToLower(p.Address))
		}
		return strings.Join(out, " ")
	}
	s := seen{from: list(m.From), to: list(m.To), subject: words(m.Subject)}
	p := &parser{limits: Limits{}.resolved()}
	var walk func(e *entity)
	walk = func(e *entity) {
		if len(e.children) == 0 {
			s.add(p, e)
		}
		for _, c := range e.children {
			walk(c)
		}
	}
	walk(p.split(raw))
	return s
}

func (s *seen) add(p *parser, e *entity) {
	switch {
	case strings.HasPrefix(e.mediaType, "multipart/"):
		return // nothing in it
	case e.mediaType == "message/delivery-status":
		s.report = true
		return
	case strings.HasPrefix(e.mediaType, "message/"):
		// The oracle reads every message/* as a message.
		inner := &parser{limits: Limits{}.resolved()}
		e = inner.split(e.body)
	}
	body := p.decodeTransfer(e, e.body)
	chopped := bytes.TrimSuffix(bytes.TrimSuffix(body, []byte("\n")), []byte("\r"))
	s.leaves = append(s.leaves, leafSeen{e.mediaType, digest(body), digest(chopped), e.name})
}

// theirs brings the oracle's view into the same form.
func (o opinion) theirs() seen {
	s := seen{from: strings.ToLower(strings.Join(o.From, " ")), to: strings.ToLower(strings.Join(o.To, " "))}
	if o.Subject != nil {
		s.subject = words(*o.Subject)
	}
	for _, p := range o.Parts {
		s.leaves = append(s.leaves, leafSeen{p.Type, p.Digest, p.Digest, p.Name})
	}
	return s
}

// align takes out the ways in which the oracle differs by rule:
//
//   - it makes empty messages of the blocks of a delivery report, which are
//     fields of one report (RFC 3464 2.1);
//   - it drops the last line break of a mail whose multipart is never closed,
//     though a line break belongs to a boundary only where there is one
//     (RFC 2046 5.1.1);
//   - it lists the first twelve parts only;
//   - it leaves folders in file names.
func align(us, them *seen, count int) {
	if us.report {
		hollow := func(l leafSeen) bool { return l.digest == empty && l.mediaType == "text/plain" }
		us.leaves = slices.DeleteFunc(us.leaves, hollow)
		them.leaves = slices.DeleteFunc(them.leaves, hollow)
	}
	if listed := len(them.leaves); count > listed && listed > 0 && len(us.leaves) > listed {
		us.leaves = us.leaves[:listed]
	}
	if n := len(us.leaves); n > 0 && n == len(them.leaves) && us.leaves[n-1].chopped == them.leaves[n-1].digest {
		us.leaves[n-1].digest = them.leaves[n-1].digest
	}
	for i := range them.leaves {
		them.leaves[i].name = words(fileName(strings.ReplaceAll(them.leaves[i].name, "\n", " ")))
	}
	for i := range us.leaves {
		us.leaves[i].name = words(us.leaves[i].name)
	}
}

func (s seen) plain() string {
	n := 0
	for _, l := range s.leaves {
		if l.mediaType == "text/plain" {
			n++
		}
	}
	return strconv.Itoa(n)
}

func (s seen) names() string {
	var out []string
	for _, l := range s.leaves {
		if l.name != "" {
			out = append(out, l.name)
		}
	}
	return strings.Join(out, "|")
}

func (s seen) digests() string {
	var out []string
	for _, l := range s.leaves {
		out = append(out, l.digest)
	}
	return strings.Join(out, " ")
}

// TestOracle compares us, field by field, with another reader on every mail of
// the corpus.
func TestOracle(t *testing.T) {
	dir := corpus(t)
	for _, folder := range []string{"mail", "bounce"} {
		raw, err := os.ReadFile(filepath.Join(dir, folder, "oracle-python.json"))
		require.NoError(t, err)
		var all map[string]opinion
		require.NoError(t, json.Unmarshal(raw, &all))

		y := newTally(t, "misses.txt")
		y.keepOnly(folder + "/")
		for _, name := range slices.Sorted(maps.Keys(all)) {
			raw, err := os.ReadFile(filepath.Join(dir, folder, name))
			if err != nil {
				continue // the corpus says that some were left out
			}
			us, them := ours(t, raw), all[name].theirs()
			align(&us, &them, all[name].Count)
			name = folder + "/" + name
			y.row(t, "from", name, us.from, them.from)
			y.row(t, "to", name, us.to, them.to)
			y.row(t, "subject", name, us.subject, them.subject)
			y.row(t, "plain", name, us.plain(), them.plain())
			y.row(t, "names", name, us.names(), them.names())
			y.row(t, "digests", name, us.digests(), them.digests())
		}
		y.print(t, folder, "from", "to", "subject", "plain", "names", "digests")
	}
}

// TestExpectedBeside compares author and subject with the .yml beside a mail.
func TestExpectedBeside(t *testing.T) {
	dir := corpus(t)
	y := newTally(t, "misses.txt")
	files, err := filepath.Glob(filepath.Join(dir, "mail", "zammad", "*.yml"))
	require.NoError(t, err)
	for _, file := range files {
		raw, err := os.ReadFile(strings.TrimSuffix(file, ".yml") + ".box")
		if err != nil {
			continue
		}
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		m, _ := Parse(raw, Limits{})
		from := ""
		if len(m.From) > 0 {
			from = m.From[0].Address
		}
		name := "mail/zammad/" + filepath.Base(file)
		if want, ok := scalar(string(text), "from_email"); ok {
			y.row(t, "yml-from", name, strings.ToLower(from), strings.ToLower(want))
		}
		if want, ok := scalar(string(text), "subject"); ok {
			y.row(t, "yml-subject", name, words(m.Subject), words(want))
		}
	}
	y.print(t, "zammad", "yml-from", "yml-subject")
}

// scalar returns a value of a YAML mapping where it is simple: on one line,
// plain or quoted without escapes.
func scalar(text, key string) (string, bool) {
	for line := range strings.SplitSeq(text, "\n") {
		v, ok := strings.CutPrefix(line, key+": ")
		if !ok {
			continue
		}
		switch {
		case strings.HasPrefix(v, "'") && strings.HasSuffix(v, "'") && len(v) > 1:
			return strings.ReplaceAll(v[1:len(v)-1], "''", "'"), true
		case strings.HasPrefix(v, `"`):
			s, err := strconv.Unquote(v)
			return s, err == nil
		}
		return v, !strings.ContainsAny(v[:1], "|>!&*[{")
	}
	return "", false
}

// TestEveryFile reads every file of the two folders, mail or not: no crash, no
// refusal, storable strings.
func TestEveryFile(t *testing.T) {
	dir := corpus(t)
	n, defects := 0, 0
	for _, folder := range []string{"mail", "bounce", "arf", "pgp", "thread"} {
		err := filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			m, err := Parse(raw, Limits{})
			if !strings.HasSuffix(path, ".json") && !strings.HasSuffix(path, ".tsv") {
				require.NoError(t, err, path)
			}
			requireSound(t, m, path)
			n++
			defects += min(1, len(m.Defects))
			return nil
		})
		require.NoError(t, err)
	}
	fmt.Printf("files: %d read, %d with defects\n", n, defects)
}
