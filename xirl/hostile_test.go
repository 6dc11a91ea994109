package xirl

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// streams are the formats that read a stream, with the beginning and the end of
// a document into which text fits.
func streams() map[string][2]string {
	return map[string][2]string{
		"xirl":  {`<xirl xmlns="urn:airtight:xirl:1" version="1.0"><incident><log>`, `</log></incident></xirl>`},
		"airt":  {`<airt><incident id="1"><technicalInformation><logging>`, `</logging></technicalInformation></incident></airt>`},
		"iodef": {`<IODEF-Document xmlns="urn:ietf:params:xml:ns:iodef-2.0"><Incident><Description>`, `</Description></Incident></IODEF-Document>`},
		"idmef": {`<IDMEF-Message xmlns="http://iana.org/idmef"><Alert><AdditionalData>`, `</AdditionalData></Alert></IDMEF-Message>`},
		"acns":  {`<Infringement><Notes>`, `</Notes></Infringement>`},
	}
}

func streaming() []incident.Format {
	var list []incident.Format
	for _, f := range append(Formats(), CSV{}.Format(), FromFilter("filter", copyFilter{})) {
		if f.Decode != nil {
			list = append(list, f)
		}
	}
	return list
}

// counted is a reader that counts what was taken from it.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// refuse decodes and expects an error that says why, within bounds of time,
// allocation and input.
func refuse(t *testing.T, f incident.Format, r io.Reader, want string, limits incident.Limits) {
	t.Helper()
	input := &counted{r: r}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	var errs []string
	for _, err := range f.Decode(input, limits) {
		if err != nil {
			errs = append(errs, err.Error())
		}
	}
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	require.NotEmpty(t, errs, f.Name)
	assert.Contains(t, errs[len(errs)-1], want, f.Name)
	assert.Less(t, len(errs[len(errs)-1]), 1000, f.Name)
	assert.Less(t, took, 20*time.Second, f.Name)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(400<<20), f.Name)
	assert.Less(t, input.n, int64(40<<20), f.Name)
}

type repeat string

func (r repeat) Read(p []byte) (int, error) {
	n := 0
	for n+len(r) <= len(p) {
		n += copy(p[n:], r)
	}
	if n == 0 {
		n = copy(p, r)
	}
	return n, nil
}

// gigabyte is 1 GiB of something, made as it is read.
func gigabyte(of, before string) io.Reader {
	return io.MultiReader(strings.NewReader(before), io.LimitReader(repeat(of), 1<<30))
}

func TestGigabyteOfSpaces(t *testing.T) {
	for _, f := range streaming() {
		refuse(t, f, gigabyte(" ", ""), "longer than 16777216 bytes", incident.Limits{})
		if around, ok := streams()[f.Name]; ok {
			for _, beginning := range []string{around[0], around[0] + "<a ", "<!--"} {
				refuse(t, f, gigabyte(" ", beginning), "longer than 1048576 bytes", incident.Limits{Item: 1 << 20})
			}
		}
	}
	refuse(t, XARF(), gigabyte(" ", `{"a":"`), "longer than 16777216 bytes", incident.Limits{})
	refuse(t, CSV{}.Format(), gigabyte("a\n", "ip,a\n192.0.2.1,\""), "longer than 16777216 bytes", incident.Limits{})
	refuse(t, CSV{}.Format(), gigabyte("\n", "ip\n"), "longer than 30000000 bytes", incident.Limits{Bytes: 30e6})
}

func TestEntitiesAndDocumentTypes(t *testing.T) {
	laughs := `<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>`
	external := `<!DOCTYPE x SYSTEM "file:///etc/passwd" [<!ENTITY c SYSTEM "file:///etc/passwd">]>`
	for _, f := range streaming() {
		around, ok := streams()[f.Name]
		if !ok {
			continue
		}
		for _, doctype := range []string{laughs, external, `<?xml version="1.0"?>` + laughs} {
			refuse(t, f, strings.NewReader(doctype+around[0]+"&c;"+around[1]), "document type", incident.Limits{})
		}
		refuse(t, f, strings.NewReader(around[0]+"&c;"+around[1]), "entity &c;", incident.Limits{})
	}
}

func TestDepth(t *testing.T) {
	const deep = 100_000
	for _, f := range streaming() {
		if around, ok := streams()[f.Name]; ok {
			refuse(t, f, strings.NewReader(around[0]+strings.Repeat("<a>", deep)), "deeper than 64", incident.Limits{})
			refuse(t, f, strings.NewReader(around[0]+strings.Repeat("<a>", 100)), "deeper than 20", incident.Limits{Depth: 20})
		}
	}
	refuse(t, XARF(), strings.NewReader(strings.Repeat(`{"a":`, deep)), "depth", incident.Limits{})
	refuse(t, XARF(), strings.NewReader(strings.Repeat("[", deep)), "depth", incident.Limits{})
	refuse(t, XARF(), strings.NewReader(strings.Repeat("[", 100)+strings.Repeat("]", 100)), "deeper than 64", incident.Limits{})
}

func TestOtherLimits(t *testing.T) {
	for _, f := range streaming() {
		around, ok := streams()[f.Name]
		if !ok {
			continue
		}
		refuse(t, f, strings.NewReader(around[0]+strings.Repeat("<a/>", 20_000)+around[1]), "more than 10000 elements", incident.Limits{})
		var attributes strings.Builder
		for i := range 65 {
			fmt.Fprintf(&attributes, ` a%d=""`, i)
		}
		refuse(t, f, strings.NewReader(around[0]+"<a"+attributes.String()+"/>"+around[1]), "more than 64 attributes", incident.Limits{})
		refuse(t, f, strings.NewReader(around[0]+strings.Repeat("x", 2000)+around[1]), "longer than 1000 bytes", incident.Limits{Item: 1000})
		refuse(t, f, strings.NewReader(around[0]+strings.Repeat("x", 2000)+around[1]), "the input is longer than 1000 bytes", incident.Limits{Bytes: 1000})
	}
	refuse(t, XIRL(), strings.NewReader(`<xirl xmlns="urn:airtight:xirl:1" version="1.0"><incident/><incident/><incident/></xirl>`), "more than 2 incidents", incident.Limits{Incidents: 2})
	refuse(t, AIRT(nil), strings.NewReader(`<airt><incident id="1"/><incident id="2"/><incident id="3"/></airt>`), "more than 2 incidents", incident.Limits{Incidents: 2})
	refuse(t, AIRT(nil), gigabyte(`<queuedata ref="#1"/>`, `<airt>`), "wait for their incidents", incident.Limits{})
	pairs := strings.Repeat(`<queuedata ref="#1"/><incident id="1"/>`, 100) // none waits
	assert.Len(t, collect(AIRT(nil), AIRT(nil).Decode(strings.NewReader("<airt>"+pairs+"</airt>"), incident.Limits{Item: 5000})).list, 100)
	refuse(t, IODEF(), strings.NewReader(`<IODEF-Document xmlns="urn:ietf:params:xml:ns:iodef-2.0"><Incident/><Incident/><Incident/></IODEF-Document>`), "more than 2 incidents", incident.Limits{Incidents: 2})
	refuse(t, CSV{}.Format(), strings.NewReader("ip\n192.0.2.1\n192.0.2.2\n192.0.2.3\n"), "more than 2 rows", incident.Limits{Incidents: 2})
	refuse(t, XARF(), strings.NewReader("{}{}{}"), "more than 2 reports", incident.Limits{Incidents: 2})
	refuse(t, XARF(), strings.NewReader("["+strings.Repeat("1,", 20_000)+"1]"), "more than 10000 values", incident.Limits{})

	// Namespaces in force are said again with every foreign element.
	var many strings.Builder
	many.WriteString(`<xirl xmlns="urn:airtight:xirl:1" version="1.0"`)
	for i := range 60 {
		fmt.Fprintf(&many, ` xmlns:p%d="urn:%s"`, i, strings.Repeat("x", 10_000))
	}
	many.WriteString("><incident>" + strings.Repeat("<p1:a/>", 9000) + "</incident></xirl>")
	refuse(t, XIRL(), strings.NewReader(many.String()), "of other namespaces", incident.Limits{})
}

func utf16(s string, big, mark bool) string {
	var b strings.Builder
	if mark {
		s = "\ufeff" + s
	}
	for _, r := range s {
		if big {
			b.WriteByte(byte(r >> 8))
			b.WriteByte(byte(r))
		} else {
			b.WriteByte(byte(r))
			b.WriteByte(byte(r >> 8))
		}
	}
	return b.String()
}

func TestEncodings(t *testing.T) {
	for _, f := range streaming() {
		doc := "ip\n192.0.2.1\n"
		around, isXML := streams()[f.Name]
		if isXML {
			doc = around[0] + "x" + around[1]
		}
		for _, big := range []bool{true, false} {
			for _, mark := range []bool{true, false} {
				refuse(t, f, strings.NewReader(utf16(doc, big, mark)), "UTF-16", incident.Limits{})
			}
		}
		if !isXML {
			continue
		}
		refuse(t, f, strings.NewReader(around[0]+"caf\xe9"+around[1]), "invalid UTF-8", incident.Limits{})
		refuse(t, f, strings.NewReader(`<?xml version="1.0" encoding="UTF-8"?>`+around[0]+"caf\xe9"+around[1]), "invalid UTF-8", incident.Limits{})
		for _, encoding := range []string{"UTF-16", "UTF-7", "EBCDIC-CP-BE", "nonsense"} {
			refuse(t, f, strings.NewReader(`<?xml version="1.0" encoding="`+encoding+`"?>`+around[0]+around[1]), "allowed are UTF-8", incident.Limits{})
		}
		refuse(t, f, strings.NewReader(around[0]+"\x00"+around[1]), "illegal character", incident.Limits{})
	}
	refuse(t, XARF(), strings.NewReader("{\"a\":\"caf\xe9\"}"), "not UTF-8", incident.Limits{})

	for encoding, bytes := range map[string]string{"ISO-8859-1": "caf\xe9 \xa4", "ISO-8859-15": "caf\xe9 \xa4", "windows-1252": "caf\xe9 \x80", "UTF-8": "café €"} {
		want := "café €"
		if encoding == "ISO-8859-1" {
			want = "café ¤"
		}
		around := streams()["xirl"]
		list := decodeAll(t, XIRL(), []byte(`<?xml version="1.0" encoding="`+encoding+`"?>`+around[0]+bytes+around[1]))
		assert.Equal(t, want, string(list[0].Logs[0].Data), encoding)
	}
	list := decodeAll(t, CSV{}.Format(), []byte("\xef\xbb\xbfip,x\n192.0.2.1,caf\xe9\n"))
	assert.Equal(t, "caf\ufffd", list[0].Extra[0].Value)
	assert.Equal(t, []string{"bytes that are not UTF-8"}, list[0].Left)
}

func packed(t *testing.T, files map[string]io.Reader) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, r := range files {
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = io.Copy(w, r)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestZipBomb(t *testing.T) {
	name := "2026-01-02-scan_dns-example-asn.csv"
	bomb := func(files map[string]io.Reader, limits incident.Limits) (int, string) {
		parts := []incident.Part{{Type: "application/zip", Name: name + ".zip", Content: packed(t, files)}}
		require.Less(t, len(parts[0].Content), 2<<20)
		require.True(t, Shadowserver().Recognise(parts))
		n, last := 0, ""
		for _, err := range Shadowserver().Mail(parts, limits) {
			if err != nil {
				last = err.Error()
				continue
			}
			n++
		}
		return n, last
	}
	start := time.Now()
	_, err := bomb(map[string]io.Reader{name: io.LimitReader(repeat("\x00\x00"), 200<<20)}, incident.Limits{})
	assert.Contains(t, err, "longer than 16777216 bytes")
	header := "\"timestamp\",\"ip\"\n"
	rows := func(n int64) io.Reader {
		return io.MultiReader(strings.NewReader(header), io.LimitReader(repeat("\"2026-01-01 00:00:00\",192.0.2.1\n"), n))
	}
	n, err := bomb(map[string]io.Reader{name: rows(64 << 20)}, incident.Limits{Bytes: 1 << 20})
	assert.Contains(t, err, "the input is longer than 1048576 bytes")
	assert.Less(t, n, 1<<15+1)
	n, err = bomb(map[string]io.Reader{name: rows(32 * 5)}, incident.Limits{})
	assert.Equal(t, 5, n, err)
	many := map[string]io.Reader{}
	for i := range zipFiles + 1 {
		many[fmt.Sprintf("%d.csv", i)] = rows(0)
	}
	_, err = bomb(many, incident.Limits{})
	assert.Contains(t, err, "more than 100 files")
	_, err = bomb(map[string]io.Reader{"a.exe": rows(0)}, incident.Limits{})
	assert.Contains(t, err, "no .csv")
	_, err = bomb(map[string]io.Reader{"a.csv": rows(600), "b.csv": rows(600), "c.csv": rows(600)}, incident.Limits{Bytes: 1000})
	assert.Contains(t, err, "longer than the limit together")
	assert.Less(t, time.Since(start), 30*time.Second)
}

func TestLongFoldedHeader(t *testing.T) {
	field := "X: a\n" + strings.Repeat(" b\n", 1<<20)
	start := time.Now()
	assert.Len(t, headerFields([]byte(field)), 1)
	assert.Less(t, time.Since(start), 5*time.Second)
}
