package xirl

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func same(o incident.Observation) incident.Observation { return o }

func any1(*incident.Observation, dice) bool { return true }

// lint checks documents with xmllint, the outside judge.
func lint(t *testing.T, docs [][]byte, args ...string) {
	t.Helper()
	judge, err := exec.LookPath("xmllint")
	if err != nil {
		t.Log("xmllint is not installed (Debian: libxml2-utils): the schema was NOT checked")
		return
	}
	dir := t.TempDir()
	args = append(args, "--noout", "--nonet", "--huge")
	for i, doc := range docs {
		file := filepath.Join(dir, strconv.Itoa(i)+".xml")
		require.NoError(t, os.WriteFile(file, doc, 0o600))
		args = append(args, file)
	}
	out, err := exec.Command(judge, args...).CombinedOutput()
	lines := strings.SplitN(string(out), "\n", 6)
	require.NoError(t, err, "%s", strings.Join(lines[:min(len(lines), 5)], "\n"))
}

func TestXIRLRoundTrip(t *testing.T) {
	docs := roundTrip(t, XIRL(), 10_000, 100, any1, same)
	lint(t, docs, "--schema", "schema/xirl.xsd")
	lint(t, docs, "--relaxng", "schema/xirl.rng")
}

func TestAIRTRoundTrip(t *testing.T) {
	n := 0
	docs := roundTrip(t, AIRT(nil), 10_000, 100, func(o *incident.Observation, _ dice) bool {
		n++
		o.ID += "#" + strconv.Itoa(n)
		return true
	}, keepAIRT)
	lint(t, docs, "--schema", "schema/airt.xsd")
}

func firstError(f incident.Format, doc string) error {
	for _, err := range f.Decode(strings.NewReader(doc), incident.Limits{}) {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestXIRLIsStrict(t *testing.T) {
	wrap := func(s string) string { return `<xirl xmlns="urn:airtight:xirl:1" version="1.0">` + s + `</xirl>` }
	inside := func(s string) string { return wrap(`<incident>` + s + `</incident>`) }
	for _, test := range []struct{ doc, want string }{
		{wrap(``), ""},
		{inside(``), ""},
		{`<xirl version="1.0"/>`, "allowed is {urn:airtight:xirl:1}xirl"},
		{`<xirl xmlns="urn:airtight:xirl:1"/>`, "allowed is 1.0"},
		{`<xirl xmlns="urn:airtight:xirl:1" version="2.0"/>`, "allowed is 1.0"},
		{wrap(`<incident state="open"/>`), "attribute state"},
		{wrap(`<incident a="1" a="2"/>`), "stands twice"},
		{wrap(`<incident xmlns:p="urn:x" xmlns:q="urn:x" p:a="1" q:a="2"/>`), "stands twice"},
		{wrap(`<incident p:a="1"/>`), "not declared"},
		{wrap(`<incident xmlns:p="urn:x" p:a="1"/>`), ""},
		{inside(`<status>open</status>`), "allowed in incident are"},
		{inside(`<count>1</count><protocol>tcp</protocol>`), "in this order"},
		{inside(`<count>1</count><count>1</count>`), "in this order"},
		{inside(`<count>01</count>`), "whole numbers"},
		{inside(`<count>-1</count>`), "whole numbers"},
		{inside(`<confidence>101</confidence>`), "0 to 100"},
		{inside(`<time>2006-05-09T10:00:00</time>`), "with its offset"},
		{inside(`<time>2006-05-09T10:00:00+02:00</time>`), ""},
		{inside(`<time end="2006-05-09T09:59:59+02:00">2006-05-09T10:00:00+02:00</time>`), "not before the first"},
		{inside(`<time end="2006-05-09T08:00:01Z">2006-05-09T10:00:00+02:00</time>`), ""},
		{inside(`<source/>`), "without any address"},
		{inside(`<source><ip>192.0.2.4</ip></source><target><ip>2001:db8::1</ip></target>`), ""},
		{inside(`<source><ip>192.0.2.04</ip></source>`), "canonical form"},
		{inside(`<source><ip>192.0.2.0/24</ip></source>`), "canonical form"},
		{inside(`<source><ip>2001:DB8::1</ip></source>`), "canonical form"},
		{inside(`<source><ip>::ffff:192.0.2.4</ip></source>`), "v4 not inside v6"},
		{inside(`<source><network>192.0.2.1/24</network></source>`), "first addresses"},
		{inside(`<source><port>65536</port></source>`), "0 to 65535"},
		{inside(`<source><port>25</port><ip>192.0.2.4</ip></source>`), "in this order"},
		{inside(`<source><ip>192.0.2.4</ip>text</source>`), "text between elements"},
		{inside(`<log encoding="rot13">a</log>`), "allowed is base64"},
		{inside(`<log encoding="base64">a</log>`), "no base64"},
		{inside(`<log>a<b/></log>`), "not allowed inside log"},
		{inside(`<f xmlns="urn:x"/>`), ""},
		{inside(`<f xmlns=""/>`), ""},
		{inside(`<f xmlns="urn:x"/><count>1</count>`), "in this order"},
		{inside(`<source><f xmlns="urn:x"/></source>`), "allowed in source are"},
		{wrap(`<incident/><reporter/>`), "one reporter first"},
		{wrap(`text`), "text between elements"},
		{wrap(``) + "x", "outside of the root"},
		{wrap(``) + "<a/>", "after the end of the document"},
		{wrap(``) + "<!-- c -->\n<?p?>", ""},
		{`<!DOCTYPE xirl>` + wrap(``), "document type"},
		{wrap(`<incident>`), "end of xirl without its start"},
		{`<xirl xmlns="urn:airtight:xirl:1" version="1.0">`, "ends inside of xirl"},
		{inside(`<log>&#1;</log>`), "illegal character"},
		{inside(`<log>&nbsp;</log>`), "invalid character entity"},
		{``, "no XML element"},
	} {
		err := firstError(XIRL(), test.doc)
		if test.want == "" {
			assert.NoError(t, err, test.doc)
			continue
		}
		if assert.ErrorContains(t, err, test.want, test.doc) {
			var format *incident.FormatError
			require.True(t, errors.As(err, &format), test.doc)
			assert.Equal(t, "xirl", format.Format)
		}
	}
}

// TestSchemasRefuse shows that the schemas can say no.
func TestSchemasRefuse(t *testing.T) {
	judge, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (Debian: libxml2-utils): the schemas were NOT tried")
	}
	wrap := func(s string) string {
		return `<xirl xmlns="urn:airtight:xirl:1" version="1.0"><incident>` + s + `</incident></xirl>`
	}
	airt := `<airt xmlns="http://infolab.uvt.nl/airt"><queuedata ref="#1"><status>open</status><sender/><type/><summary/></queuedata><incident id="1"><ticketInformation><prefix/></ticketInformation><technicalInformation><addressrole>%s</addressrole><logging/></technicalInformation></incident></airt>`
	for _, test := range []struct {
		doc, option, schema string
		good                bool
	}{
		{wrap(``), "--schema", "xirl.xsd", true},
		{wrap(`<status>open</status>`), "--schema", "xirl.xsd", false},
		{wrap(`<count>1</count><protocol>tcp</protocol>`), "--schema", "xirl.xsd", false},
		{wrap(`<time>2006-05-09T10:00:00</time>`), "--schema", "xirl.xsd", false},
		{wrap(`<source><port>x</port></source>`), "--schema", "xirl.xsd", false},
		{wrap(`<log encoding="rot13"/>`), "--schema", "xirl.xsd", false},
		{wrap(`<extra/>`), "--schema", "xirl.xsd", false},
		{wrap(`<f xmlns="urn:x"><status/></f>`), "--schema", "xirl.xsd", true},
		{wrap(``), "--relaxng", "xirl.rng", true},
		{wrap(`<status>open</status>`), "--relaxng", "xirl.rng", false},
		{wrap(`<count>1</count><protocol>tcp</protocol>`), "--relaxng", "xirl.rng", false},
		{wrap(`<time>2006-05-09T10:00:00</time>`), "--relaxng", "xirl.rng", false},
		{wrap(`<source><port>x</port></source>`), "--relaxng", "xirl.rng", false},
		{wrap(`<log encoding="rot13"/>`), "--relaxng", "xirl.rng", false},
		{wrap(`<extra/>`), "--relaxng", "xirl.rng", false},
		{wrap(`<f xmlns="urn:x"><status/></f>`), "--relaxng", "xirl.rng", true},
		{strings.Replace(airt, "%s", "Source", 1), "--schema", "airt.xsd", true},
		{strings.Replace(airt, "%s", "2", 1), "--schema", "airt.xsd", false},
	} {
		schema, err := Schemas.ReadFile("schema/" + test.schema)
		require.NoError(t, err)
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "schema"), schema, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "doc"), []byte(test.doc), 0o600))
		out, err := exec.Command(judge, "--noout", "--nonet", test.option, filepath.Join(dir, "schema"), filepath.Join(dir, "doc")).CombinedOutput()
		assert.Equal(t, test.good, err == nil, "%s %s: %s", test.schema, test.doc, out)
	}
}

func TestForeign(t *testing.T) {
	doc := `<x:xirl xmlns:x="urn:airtight:xirl:1" xmlns:q="urn:q" version="1.0"><c:caif xmlns:c="urn:c"><c:a q:b="1">t<?pi?><!-- c --></c:a></c:caif>
<x:incident q:lang="en"><x:count>1</x:count><plain type="q:name">a &amp; <b/>&#13;</plain></x:incident><later xmlns="urn:l"/></x:xirl>`
	d := NewDecoder(strings.NewReader(doc), incident.Limits{})
	var list []incident.Observation
	for o, err := range d.All() {
		require.NoError(t, err)
		list = append(list, o)
	}
	require.Len(t, list, 1)
	assert.Equal(t, []string{`<plain xmlns="" xmlns:q="urn:q" xmlns:x="urn:airtight:xirl:1" type="q:name">a &amp; <b></b>&#13;</plain>`}, list[0].Foreign)
	assert.Equal(t, []string{"@q:lang"}, list[0].Left)
	root := []string{`<c:caif xmlns="" xmlns:c="urn:c" xmlns:q="urn:q" xmlns:x="urn:airtight:xirl:1"><c:a q:b="1">t</c:a></c:caif>`, `<later xmlns="urn:l" xmlns:q="urn:q" xmlns:x="urn:airtight:xirl:1"></later>`}
	assert.Equal(t, root, d.Foreign())

	// Written and read again, it is what it was.
	var b strings.Builder
	e := NewEncoder(&b)
	require.NoError(t, e.Encode(list[0]))
	require.NoError(t, e.Close(root...))
	d = NewDecoder(strings.NewReader(b.String()), incident.Limits{})
	for o, err := range d.All() {
		require.NoError(t, err)
		assert.True(t, o.Equal(list[0]), b.String())
	}
	assert.Equal(t, root, d.Foreign())
	lint(t, [][]byte{[]byte(doc), []byte(b.String())}, "--schema", "schema/xirl.xsd")
	lint(t, [][]byte{[]byte(doc), []byte(b.String())}, "--relaxng", "schema/xirl.rng")

	for markup, want := range map[string]string{
		"":                 "no XML element",
		"<a>":              "ends inside",
		"<a/><b/>":         "after the end",
		"text":             "outside of the root",
		"<!DOCTYPE a><a/>": "document type",
		`<incident xmlns="urn:airtight:xirl:1"/>`: "allowed is any other",
	} {
		assert.ErrorContains(t, NewEncoder(&b).Encode(incident.Observation{Foreign: []string{markup}}), want, markup)
		assert.ErrorContains(t, NewEncoder(&b).Close(markup), want, markup)
	}
	assert.ErrorContains(t, NewEncoder(&b).Encode(incident.Observation{Count: -1}), "count -1")
}

func TestReporters(t *testing.T) {
	list := []incident.Observation{{Reporter: incident.Reporter{Name: "a"}}, {}, {Reporter: incident.Reporter{Name: "a"}}, {Reporter: incident.Reporter{Mail: "b@example.org"}}}
	var b bytes.Buffer
	_, err := XIRL().Encode(&b, slices.Values(list))
	require.NoError(t, err)
	assert.Equal(t, 3, strings.Count(b.String(), "<reporter>"), "the document's, and two that differ")
	for i, o := range decodeAll(t, XIRL(), b.Bytes()) {
		assert.Equal(t, list[i].Reporter, o.Reporter)
	}
}

func TestFormats(t *testing.T) {
	names := map[string]bool{}
	for _, f := range append(Formats(), CSV{}.Format(), FromFilter("own", copyFilter{})) {
		assert.False(t, names[f.Name], f.Name)
		names[f.Name] = true
		assert.NotNil(t, f.Recognise, f.Name)
		assert.True(t, f.Decode != nil || f.DecodeMail != nil, f.Name)
		assert.False(t, f.Recognise(nil), f.Name)
		assert.False(t, f.Recognise([]incident.Part{{Type: incident.HeaderType}, {Type: "text/plain", Content: []byte("Dear team,\n")}}), f.Name)
		for range f.Mail(nil, incident.Limits{}) { // says nothing, or that nothing is there
		}
	}
	for _, feed := range Feeds() {
		_, err := feed.places(slices.Collect(maps.Keys(feed.Columns)))
		assert.NoError(t, err, feed.Name)
		assert.NotEmpty(t, feed.Feed, feed.Name)
	}
}
