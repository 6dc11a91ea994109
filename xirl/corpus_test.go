package xirl

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

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

// corpusFile returns the path of a file of the corpus, or skips.
func corpusFile(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("AIRTIGHT_CORPUS")
	if root == "" {
		t.Skip("AIRTIGHT_CORPUS is not set: the corpus of real inputs was NOT read")
	}
	return filepath.Join(root, name)
}

// samples visits the files of a folder of the corpus that are no tables.
func samples(t *testing.T, folder string, visit func(name string, raw []byte)) {
	t.Helper()
	root := corpusFile(t, folder)
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		switch base := filepath.Base(name); {
		case base == "MANIFEST.tsv", base == "SOURCES.md", base == "README.md", base == "expected.json", strings.HasPrefix(base, "oracle-"):
			return nil
		}
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		visit(filepath.ToSlash(name), raw)
		return nil
	}))
}

// mailParts takes a mail apart as the desk does.
func mailParts(t testing.TB, raw []byte) []incident.Part {
	t.Helper()
	m, err := mail.Parse(raw, mail.Limits{})
	require.NoError(t, err)
	end := len(raw)
	for _, empty := range []string{"\n\n", "\r\n\r\n", "\r\r"} {
		if i := bytes.Index(raw, []byte(empty)); i >= 0 {
			end = min(end, i)
		}
	}
	return append([]incident.Part{{Type: incident.HeaderType, Content: raw[:end]}}, m.Parts...)
}

// verdict is what became of one sample.
type verdict struct {
	format string // that recognised it, or ""
	list   []incident.Observation
	errs   []string
}

func (v verdict) String() string {
	if len(v.errs) > 0 {
		return fmt.Sprintf("%s, %d observations, %d refused", v.format, len(v.list), len(v.errs))
	}
	return fmt.Sprintf("%s, %d observations", v.format, len(v.list))
}

func collect(f incident.Format, decode func(func(incident.Observation, error) bool)) verdict {
	v := verdict{format: f.Name}
	decode(func(o incident.Observation, err error) bool {
		if err != nil {
			v.errs = append(v.errs, err.Error())
		} else {
			v.list = append(v.list, o)
		}
		return true
	})
	return v
}

// judge reads parts by the first format that recognises them.
func judge(parts []incident.Part) verdict {
	for _, f := range Formats() {
		if f.Recognise(parts) {
			return collect(f, f.Mail(parts, incident.Limits{}))
		}
	}
	return verdict{}
}

// tally counts verdicts and logs them, so that a run says what it read.
type tally map[string][]string

func (c tally) add(what, name string) { c[what] = append(c[what], name) }

func (c tally) log(t *testing.T, of string) {
	total := 0
	for _, names := range c {
		total += len(names)
	}
	t.Logf("%s: %d samples", of, total)
	for what, names := range c {
		t.Logf("%s: %d %s: %s", of, len(names), what, strings.Join(names, " "))
	}
}

// noReport are mails of the corpus that no format here is for: prose with
// addresses in it, and one that is spam itself.
func noReport() []string {
	return []string{"mail-abuse/normal-07.eml"}
}

func TestCorpusARF(t *testing.T) {
	refused := map[string]string{} // by name: the reason
	for _, n := range []string{"04", "05", "06", "07", "08", "10"} {
		refused["mail-abuse/log-"+n+".eml"] = "no row of events" // logs without the notice around them; upstream skips these tests
	}
	counts := tally{}
	samples(t, "arf", func(name string, raw []byte) {
		v := judge(mailParts(t, raw))
		switch reason, ok := refused[name]; {
		case slices.Contains(noReport(), name):
			assert.Empty(t, v.format, name)
			counts.add("no report", name)
		case ok:
			if assert.Len(t, v.errs, 1, name) {
				assert.Contains(t, v.errs[0], reason, name)
			}
			counts.add("refused", name)
		default:
			assert.NotEmpty(t, v.format, name)
			assert.Empty(t, v.errs, name)
			assert.NotEmpty(t, v.list, name)
			for _, o := range v.list {
				assert.NotEmpty(t, o.Observables(), "%s: %s", name, o.Canonical())
				assert.NotEmpty(t, o.Kind, name)
			}
			counts.add("decoded as "+v.format, name)
		}
	})
	counts.log(t, "arf")
}

// TestCorpusARFExpected compares with what other programs found in the same
// mails.
func TestCorpusARFExpected(t *testing.T) {
	var abuse struct {
		Files map[string]struct {
			Incidents int
			First     struct {
				IP   string
				Time int64
			}
			All struct{ IP, Type string }
		}
	}
	table, err := os.ReadFile(corpusFile(t, "arf/mail-abuse/expected.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(table, &abuse))
	checked := 0
	for name, want := range abuse.Files {
		if !strings.HasPrefix(name, "spamcop-") && !strings.HasPrefix(name, "mynet-") {
			continue
		}
		raw, err := os.ReadFile(corpusFile(t, "arf/mail-abuse/"+name))
		require.NoError(t, err)
		v := judge(mailParts(t, raw))
		require.Len(t, v.list, want.Incidents, name)
		for _, o := range v.list {
			assert.Equal(t, want.First.IP+want.All.IP, o.Endpoints[0].Address.String(), name)
			if want.First.Time != 0 {
				assert.Equal(t, want.First.Time, o.Time.Unix(), name)
			}
			if want.All.Type != "" {
				assert.Equal(t, want.All.Type, o.Scheme+"/"+o.Kind, name)
			}
		}
		checked++
	}
	assert.Equal(t, 6, checked)

	var sisimai struct {
		Files map[string][]struct{ Feedback string }
	}
	table, err = os.ReadFile(corpusFile(t, "arf/sisimai/expected.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(table, &sisimai))
	for name, want := range sisimai.Files {
		raw, err := os.ReadFile(corpusFile(t, "arf/sisimai/"+name))
		require.NoError(t, err)
		v := judge(mailParts(t, raw))
		require.Len(t, v.list, 1, name) // one report, also about several recipients
		assert.Equal(t, want[0].Feedback, v.list[0].Kind, name)
	}
}

func TestCorpusXARF(t *testing.T) {
	counts := tally{}
	samples(t, "xarf", func(name string, raw []byte) {
		var v verdict
		switch {
		case strings.HasPrefix(name, "schema-"), strings.HasPrefix(name, "parser-test-cases/"), strings.HasPrefix(name, "yaml-v01/") && name != "yaml-v01/test.yaml":
			return // no reports: schemas, a table, the other parts of the mail
		case name == "yaml-v01/test.yaml":
			parts := []incident.Part{{Type: "text/plain", Depth: 1}, {Type: "text/plain", Depth: 1, Name: "report.txt", Content: raw}, {Type: "text/plain", Depth: 1, Name: "evidence.txt"}}
			for i, file := range []string{"greeting.txt", "test.yaml", "evidence.txt"} {
				var err error
				parts[i].Content, err = os.ReadFile(corpusFile(t, "xarf/yaml-v01/"+file))
				require.NoError(t, err)
			}
			v = judge(parts)
			require.Len(t, v.list, 1)
			assert.Equal(t, parts[2].Content, v.list[0].Logs[0].Data)
		default:
			v = collect(XARF(), XARF().Decode(bytes.NewReader(raw), incident.Limits{}))
		}
		if strings.Contains(name, "negative/") || strings.Contains(name, "invalid/") {
			assert.Len(t, v.errs, 1, name)
			assert.Empty(t, v.list, name)
			counts.add("refused", name)
			return
		}
		assert.Empty(t, v.errs, name)
		require.Len(t, v.list, 1, name)
		o := v.list[0]
		assert.NotEmpty(t, o.Kind, name)
		assert.False(t, o.Time.IsZero(), name)
		assert.NotEmpty(t, o.Endpoints, name)
		counts.add("decoded as "+v.format, name)

		// What is a report of XARF 4 goes out again, and comes back.
		if strings.HasPrefix(name, "xarf-v4/v4/") {
			kept, err := keepXARF(o)
			require.NoError(t, err, name)
			var doc bytes.Buffer
			lost, err := XARF().Encode(&doc, slices.Values(v.list))
			require.NoError(t, err, name)
			again := decodeAll(t, XARF(), doc.Bytes())[0]
			assert.True(t, kept.Equal(again), "%s\n%s\n%s", name, kept.Canonical(), again.Canonical())
			assert.Empty(t, lost, name)
			counts.add("written again", name)
		}
	})
	counts.log(t, "xarf")
}

func TestCorpusIODEF(t *testing.T) {
	counts := tally{}
	samples(t, "iodef", func(name string, raw []byte) {
		v := judge([]incident.Part{{Name: filepath.Base(name), Type: "text/plain", Content: raw}})
		switch {
		case strings.HasPrefix(name, "schema/"):
		case strings.HasPrefix(name, "json/"), strings.HasPrefix(name, "xep-0268/"):
			assert.Empty(t, v.format, name)
			counts.add("format not supported", name)
		case strings.Contains(name, "heartbeat"):
			require.Len(t, v.errs, 1)
			assert.Contains(t, v.errs[0], "Heartbeat is no incident")
			counts.add("refused", name)
		default:
			assert.Empty(t, v.errs, name)
			require.Len(t, v.list, 1, name)
			assert.NotEmpty(t, v.list[0].ID+v.list[0].Kind, name)
			counts.add("decoded as "+v.format, name)
		}
	})
	counts.log(t, "iodef")
}

func TestCorpusFeed(t *testing.T) {
	maps := map[string]CSV{"": {}}
	for _, feed := range Feeds() {
		maps[feed.Name] = feed
	}
	maps["tabs"] = CSV{Comma: '\t', Header: []string{"time", "kind", "comment", "a", "b", "url", "ip", "host", "c"}}
	maps["apache"] = CSV{Comma: ',', Header: []string{"time", "ip", "host"}}
	feeds := map[string]struct {
		feed         string
		rows, errors int
	}{
		"shadowserver/testdata/test_smb.csv": {"shadowserver", 3, 0},
		"zoneh/defacement_pending.csv":       {"zone-h", 1, 0},
		"zoneh/defacement_accepted.csv":      {"zone-h", 2, 0},
		"cymru/infected_20171031.txt":        {"cymru-infected", 9, 0},
		"cymru/certname_20190327.txt":        {"cymru-certname", -1, 0},
		"spamhaus/cert.txt":                  {"spamhaus-cert", -1, 0},
		"spamhaus/drop.txt":                  {"spamhaus-drop", 2, 0},
		"dshield/block.txt":                  {"dshield-block", -1, 0},
		"dshield/asdetailsascii.html":        {"dshield-as", 2, 4},
		"dataplane/sshpwauth.txt":            {"dataplane", 2, 1},
		"dataplane/sshclient.txt":            {"dataplane", -1, 0},
		"dataplane/sipregistration.txt":      {"dataplane", -1, 0},
		"dataplane/sipinvitation.txt":        {"dataplane", -1, 0},
		"bambenek/c2-ipmasterlist.txt":       {"bambenek-ip", -1, 0},
		"bambenek/c2-dommasterlist.txt":      {"bambenek-domain", -1, 0},
		"openphish/feed.txt":                 {"openphish", 2, 0},
		"generic/empty_src_url.csv":          {"", 4, 0},
		"generic/multivalue_columns.csv":     {"", 2, 0},
		"generic/sample_report.csv":          {"tabs", 2, 0},
		"generic/invalid_sample_report.csv":  {"apache", 3, 1},
	}
	counts := tally{}
	samples(t, "feed/intelmq", func(name string, raw []byte) {
		want, ok := feeds[name]
		if !ok {
			counts.add("format not supported", name)
			return
		}
		f := maps[want.feed].Format()
		if want.feed == "shadowserver" {
			f = Shadowserver()
		}
		v := collect(f, f.Decode(bytes.NewReader(raw), incident.Limits{}))
		t.Log(name, v, v.errs)
		assert.NotEmpty(t, v.list, name)
		if want.rows >= 0 {
			assert.Len(t, v.list, want.rows, name)
		}
		if want.errors >= 0 {
			assert.Len(t, v.errs, want.errors, "%s: %v", name, v.errs)
		}
		counts.add("decoded", name)
		delete(feeds, name)
	})
	assert.Empty(t, feeds)
	counts.log(t, "feed")
}
