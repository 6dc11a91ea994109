package lookup

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// expectation is what a table of the corpus expects of one kind in one text.
type expectation struct {
	row, kind, text string
	want            []string
	more            int  // so many others, whatever they are
	closed          bool // nothing else is there
	written         bool // want is as written in the text, not refanged
}

// readCorpus reads a file of the corpus of real inputs, or skips the test.
func readCorpus(t *testing.T, name string) []byte {
	t.Helper()
	corpus := os.Getenv("AIRTIGHT_CORPUS")
	if corpus == "" {
		t.Skip("AIRTIGHT_CORPUS does not name the folder of the corpus")
	}
	data, err := os.ReadFile(filepath.Join(corpus, "ioc", name))
	require.NoError(t, err)
	return data
}

func readTable(t *testing.T, name string, rows any) {
	t.Helper()
	table := struct{ Rows any }{rows}
	require.NoError(t, json.Unmarshal(readCorpus(t, name+".json"), &table))
}

// texts is a list of strings; a list of anything else is of a kind that is not ours.
type texts []string

func (l *texts) UnmarshalJSON(data []byte) error {
	_ = json.Unmarshal(data, (*[]string)(l))
	return nil
}

// corpusKinds gives the names that the tables have for our kinds.
var corpusKinds = map[string]string{
	"domains": "host", "urls": "url", "email_addresses": "mail", "emails": "mail", "ipv4s": "address", "ip4s": "address",
	"ipv6s": "address", "ip6s": "address", "ipv4_cidrs": "prefix", "cves": "cve",
	"md5s": "hash", "sha1s": "hash", "sha256s": "hash", "sha512s": "hash",
	"extract_md5_hashes": "hash 32", "extract_sha1_hashes": "hash 40", "extract_sha256_hashes": "hash 64", "extract_sha512_hashes": "hash 128",
	"extract_emails": "mail", "extract_ipv4s": "address 4", "extract_ipv6s": "address 6", "extract_ips": "address", "extract_urls": "url",
	"extract_iocs": "any", "extractSHA1": "hash", "extractSHA256": "hash", "extractSHA512": "hash", "extractDomain": "host", "extractIPv4": "address",
}

// keyed reads what tables expect under several names of kinds; several names
// of one kind go together. Of names without a kind of ours nothing is expected.
func keyed(row, text string, lists map[string]texts, closed bool, all ...string) []expectation {
	byKind := map[string][]string{}
	for _, name := range all {
		byKind[corpusKinds[name]] = nil
	}
	for name, list := range lists {
		if kind, ok := corpusKinds[name]; ok {
			byKind[kind] = append(byKind[kind], list...)
		}
	}
	var out []expectation
	for kind, want := range byKind {
		out = append(out, expectation{row: row, kind: kind, text: text, want: want, closed: closed})
	}
	return out
}

func finderCases(t *testing.T) (out []expectation) {
	var rows []struct {
		ID, Text string
		Options  map[string]any
		Equals   map[string]texts
	}
	readTable(t, "ioc-finder-cases", &rows)
	for _, r := range rows {
		if len(r.Options) == 0 { // options change what is looked for
			out = append(out, keyed(r.ID, r.Text, r.Equals, true, "domains", "urls", "email_addresses", "ipv4s", "ipv4_cidrs", "cves", "md5s")...)
		}
	}
	return out
}

func finderTests(t *testing.T) (out []expectation) {
	var rows []struct {
		ID, Text         string
		Options          map[string]any
		Equals, Contains map[string]texts
		Count            map[string]int
	}
	readTable(t, "ioc-finder-tests", &rows)
	for _, r := range rows {
		if len(r.Options) > 0 {
			continue
		}
		for name, list := range r.Equals {
			if corpusKinds[name] != "" {
				out = append(out, keyed(r.ID, r.Text, map[string]texts{name: list}, true)...)
			}
		}
		for name, list := range r.Contains {
			out = append(out, keyed(r.ID, r.Text, map[string]texts{name: list}, len(list) == r.Count[name])...)
		}
		for name, n := range r.Count {
			if kind := corpusKinds[name]; kind != "" && r.Contains[name] == nil && r.Equals[name] == nil {
				out = append(out, expectation{row: r.ID, kind: kind, text: r.Text, more: n, closed: true})
			}
		}
	}
	return out
}

func iocExtract(t *testing.T) (out []expectation) {
	var rows []struct {
		ID, Func, Text, Value string
		Count                 *int
		All                   []string
		Options               map[string]any
	}
	readTable(t, "iocextract", &rows)
	for _, r := range rows {
		kind, ok := corpusKinds[r.Func]
		if !ok {
			continue
		}
		e := expectation{row: r.ID, kind: kind, text: r.Text, written: r.Options["refang"] != true}
		switch {
		case r.Count != nil:
			e.more, e.closed = *r.Count, true
		case r.All != nil:
			e.want, e.closed = r.All, true
		default:
			e.want = []string{r.Value}
		}
		out = append(out, e)
	}
	return out
}

func xioc(t *testing.T) (out []expectation) {
	var rows []struct {
		ID, Text string
		Equals   map[string]texts
	}
	readTable(t, "xioc", &rows)
	for _, r := range rows {
		out = append(out, keyed(r.ID, r.Text, r.Equals, true)...)
	}
	return out
}

func iocExtractor(t *testing.T) (out []expectation) {
	var rows []struct {
		ID, Func, Text string
		Equals         any
	}
	readTable(t, "ioc-extractor", &rows)
	for _, r := range rows {
		if value, ok := r.Equals.(string); ok && corpusKinds[r.Func] != "" {
			out = append(out, expectation{row: r.ID, kind: corpusKinds[r.Func], text: r.Text, want: []string{value}, closed: true})
		} else if ok && r.Func == "refang" {
			out = append(out, refanged(r.ID, r.Text, value))
		}
	}
	return out
}

func iocFanger(t *testing.T) (out []expectation) {
	var rows []struct{ ID, Func, Text, Equals string }
	readTable(t, "ioc-fanger", &rows)
	for _, r := range rows {
		if r.Func == "fang" {
			out = append(out, refanged(r.ID, r.Text, r.Equals))
		}
	}
	return out
}

func fangerText(t *testing.T) (out []expectation) {
	texts := strings.Split(string(readCorpus(t, "fanger-text/sample_text_defanged.txt")), "\n")
	plain := strings.Split(string(readCorpus(t, "fanger-text/sample_text_fanged.txt")), "\n")
	require.Len(t, plain, len(texts))
	for i, text := range texts {
		if text != plain[i] {
			out = append(out, refanged(fmt.Sprintf("line:%d", i+1), text, plain[i]))
		}
	}
	return out
}

// refanged expects of a text what is found in its refanged form.
func refanged(row, text, plain string) expectation {
	var want []string
	for _, o := range Observables(extract(plain)) {
		want = append(want, o.Value)
	}
	return expectation{row: row, kind: "any", text: text, want: want, closed: true}
}

func rtir(t *testing.T) (out []expectation) {
	var rows []struct {
		ID, Where, Text, Email string
		IPs                    []string
	}
	readTable(t, "rtir", &rows)
	for _, r := range rows {
		if r.Where != "body" {
			continue
		}
		e := expectation{row: r.ID, kind: "any", text: r.Text, closed: true}
		for _, ip := range r.IPs {
			e.want = append(e.want, asPrefix(t, ip))
		}
		if r.Email != "" {
			e.want = []string{r.Email}
		}
		out = append(out, e)
	}
	return out
}

// asPrefix turns "a" and "a-b" into the network that they span.
func asPrefix(t *testing.T, s string) string {
	first, last, isRange := strings.Cut(s, "-")
	a, err := netip.ParseAddr(first)
	require.NoError(t, err)
	if !isRange {
		return a.String()
	}
	b, err := netip.ParseAddr(last)
	require.NoError(t, err)
	bits := a.BitLen()
	for bits > 0 && !netip.PrefixFrom(a, bits).Masked().Contains(b) {
		bits--
	}
	return incident.PrefixOf(netip.PrefixFrom(a, bits), "").Value
}

func cacador(t *testing.T) (out []expectation) {
	var rows []struct {
		ID, Text string
		Is       bool `json:"is_network_ioc"`
	}
	readTable(t, "cacador", &rows)
	for _, r := range rows {
		e := expectation{row: r.ID, kind: "any", text: r.Text, closed: true}
		if r.Is {
			e.want = []string{r.Text}
		}
		out = append(out, e)
	}
	return out
}

// have returns what Extract finds of a kind, as the expectation compares it. Names are
// hosts, and the hosts of URLs and mail addresses.
func (e expectation) have() []string {
	var out []string
	kind, detail, _ := strings.Cut(e.kind, " ")
	for _, f := range extract(e.text) {
		value := f.Observable.Value
		if domain, ok := f.Observable.Domain(); ok && kind == "host" {
			out = append(out, domain)
			continue
		}
		if kind != "any" && string(f.Observable.Kind) != kind {
			continue
		}
		switch network, _ := f.Observable.Network(); detail {
		case "4", "6":
			if network.Addr().Is4() != (detail == "4") {
				continue
			}
		case "32", "40", "64", "128":
			if fmt.Sprint(len(value)) != detail {
				continue
			}
		}
		if e.written {
			value = e.text[f.Start:f.End]
		}
		out = append(out, value)
	}
	return folded(out)
}

// folded brings values into one form and leaves each once.
func folded(values []string) []string {
	var out []string
	for _, v := range values {
		if a, err := netip.ParseAddr(v); err == nil {
			v = a.Unmap().String()
		} else if p, err := netip.ParsePrefix(v); err == nil {
			v = p.Masked().String() // tables keep the address that stood before the slash
		}
		out = append(out, strings.ToLower(v))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// score counts what was found rightly, wrongly and not at all.
type score struct{ right, wrong, missed int }

func (s score) String() string {
	part := func(of int) string {
		if of == 0 {
			return "    -"
		}
		return fmt.Sprintf("%5.3f", float64(s.right)/float64(of))
	}
	return fmt.Sprintf("right %4d  wrong %3d  missed %3d  precision %s  recall %s", s.right, s.wrong, s.missed, part(s.right+s.wrong), part(s.right+s.missed))
}

// kindOf says which kind a value is of, for tables that do not.
func kindOf(value string) string {
	if _, err := netip.ParseAddr(value); err == nil {
		return "address"
	}
	if _, err := netip.ParsePrefix(value); err == nil {
		return "prefix"
	}
	_, err := incident.NewObservable(incident.Hash, value, "")
	switch {
	case strings.Contains(value, "://"):
		return "url"
	case strings.Contains(value, "@"):
		return "mail"
	case strings.HasPrefix(value, "cve-"):
		return "cve"
	case err == nil:
		return "hash"
	}
	return "host"
}

// refanging are the tables whose values are those of our own reading of the
// refanged text. They prove refanging, and are counted apart.
func refanging(e expectation, table string) string {
	if table == "ioc-fanger" || table == "fanger-text" || table == "ioc-extractor" && e.kind == "any" {
		return "refang "
	}
	return ""
}

// TestCorpus holds the extraction against tables of other tools, which disagree
// with each other and with the rule. It prints precision and recall by table and
// by kind, and every row that differs must stand in testdata/corpus.tsv, with
// the reason. The table of iocsearcher has no kind that is ours.
func TestCorpus(t *testing.T) {
	tables := []struct {
		name string
		rows []expectation
	}{
		{"rtir", rtir(t)}, {"cacador", cacador(t)}, {"ioc-finder-cases", finderCases(t)}, {"ioc-finder-tests", finderTests(t)},
		{"iocextract", iocExtract(t)}, {"xioc", xioc(t)}, {"ioc-extractor", iocExtractor(t)}, {"ioc-fanger", iocFanger(t)}, {"fanger-text", fangerText(t)},
	}
	kinds, byTable := map[string]score{}, map[string]score{}
	var differ []string
	for _, table := range tables {
		for _, e := range table.rows {
			have, want := e.have(), folded(e.want)
			var s score
			var wrong, missed []string
			for _, v := range want {
				if slices.Contains(have, v) {
					s.right++
				} else {
					missed = append(missed, v)
				}
			}
			others := len(have) - s.right
			s.right += min(others, e.more)
			s.missed = len(missed) + max(0, e.more-others)
			if e.closed {
				s.wrong = max(0, others-e.more)
				wrong = slices.DeleteFunc(slices.Clone(have), func(v string) bool { return slices.Contains(want, v) })
			}
			kind, _, _ := strings.Cut(e.kind, " ")
			if kind == "any" {
				count := func(values []string, s score) {
					for _, v := range values {
						name := refanging(e, table.name) + kindOf(v)
						kinds[name] = kinds[name].plus(s)
					}
				}
				count(slices.DeleteFunc(slices.Clone(want), func(v string) bool { return slices.Contains(missed, v) }), score{right: 1})
				count(missed, score{missed: 1})
				count(wrong, score{wrong: 1})
			} else {
				kinds[kind] = kinds[kind].plus(s)
			}
			byTable[table.name] = byTable[table.name].plus(s)
			if s.wrong+s.missed > 0 {
				name := table.name + "\t" + e.row + "\t" + e.kind
				differ = append(differ, name)
				if testing.Verbose() {
					t.Logf("%s: wrong %q, missed %q (%d) in %q", name, wrong, missed, s.missed, e.text)
				}
			}
		}
	}
	for _, list := range []map[string]score{byTable, kinds} {
		names := []string{}
		for name := range list {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			t.Logf("%-16s %s", name, list[name])
		}
	}
	data, err := os.ReadFile("testdata/corpus.tsv")
	require.NoError(t, err)
	var known []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		require.Len(t, fields, 4, "table, row, kind, reason: %q", line)
		known = append(known, strings.Join(fields[:3], "\t"))
	}
	without := func(list, others []string) []string {
		return slices.DeleteFunc(slices.Clone(list), func(row string) bool { return slices.Contains(others, row) })
	}
	assert.Empty(t, without(differ, known), "rows that differ, and are not in testdata/corpus.tsv")
	assert.Empty(t, without(known, differ), "rows of testdata/corpus.tsv that do not differ")
}

func (s score) plus(o score) score {
	return score{s.right + o.right, s.wrong + o.wrong, s.missed + o.missed}
}
