package xirl

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// iodefSchema copies the schema of RFC 7970 out of the corpus. What it imports
// and what we do not write stands in for by names only.
func iodefSchema(t *testing.T) string {
	raw, err := os.ReadFile(corpusFile(t, "iodef/schema/iodef-2.0.xsd"))
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	schema := strings.NewReplacer(
		"http://www.iana.org/assignments/xml-registry/schema/iodef-enum-1.0.xsd", "enum.xsd",
		"http://www.iana.org/assignments/xml-registry/schema/iodef-sci-1.0.xsd", "sci.xsd",
		"http://www.w3.org/2009/01/xml.xsd", "xml.xsd", "xmldsig-core-schema.xsd", "ds.xsd").Replace(string(raw))
	write("iodef.xsd", schema)
	stub := func(file, space string, names ...string) {
		var b strings.Builder
		b.WriteString(`<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="` + space + `">`)
		for _, name := range names {
			b.WriteString(`<xs:element name="` + name + `"/>`)
		}
		if file == "xml.xsd" {
			b.WriteString(`<xs:attribute name="lang" type="xs:language"/>`)
		}
		write(file, b.String()+"</xs:schema>")
	}
	stub("ds.xsd", "http://www.w3.org/2000/09/xmldsig#", "CanonicalizationMethod", "DigestMethod", "DigestValue", "Signature", "X509Data")
	stub("enum.xsd", "urn:ietf:params:xml:ns:iodef-enum-1.0", "ReferenceName")
	stub("sci.xsd", "urn:ietf:params:xml:ns:iodef-sci-1.0", "AttackPattern", "Vulnerability", "Weakness")
	stub("xml.xsd", xmlSpace)
	return filepath.Join(dir, "iodef.xsd")
}

func TestIODEFRoundTrip(t *testing.T) {
	docs := roundTrip(t, IODEF(), 10_000, 100, func(o *incident.Observation, _ dice) bool { return !o.Time.IsZero() }, keepIODEF)
	schema := iodefSchema(t)
	lint(t, docs, "--schema", schema)
	if judge, err := exec.LookPath("xmllint"); err == nil { // which can say no
		bad := filepath.Join(t.TempDir(), "bad.xml")
		require.NoError(t, os.WriteFile(bad, bytes.Replace(docs[0], []byte("<StartTime>"), []byte("<BeginTime>"), 1), 0o600))
		assert.Error(t, exec.Command(judge, "--noout", "--nonet", "--schema", schema, bad).Run())
	}
}

func TestIODEFNeedsATime(t *testing.T) {
	_, err := IODEF().Encode(&strings.Builder{}, func(yield func(incident.Observation) bool) { yield(incident.Observation{}) })
	assert.ErrorContains(t, err, "GenerationTime is mandatory")
	_, err = IODEF().Encode(&strings.Builder{}, func(func(incident.Observation) bool) {})
	assert.ErrorContains(t, err, "at least one Incident")
}

func TestIODEF1(t *testing.T) {
	list := decodeAll(t, IODEF(), []byte(`<IODEF-Document version="1.00" xmlns="urn:ietf:params:xml:ns:iodef-1.0">
<Incident purpose="mitigation"><IncidentID name="csirt.example.org">7</IncidentID>
<ReportTime>2006-06-08T05:44:53-05:00</ReportTime><Assessment><Impact type="dos" severity="high"/></Assessment>
<Contact role="creator" type="person"><ContactName>J. Doe</ContactName><Email>j@example.org</Email></Contact>
<EventData><Flow><System category="source"><Node><NodeName>a.example.org</NodeName><Address category="ipv4-addr">192.0.2.1</Address>
<Address category="ipv4-net">198.51.100.16/28</Address><Address category="ipv4-addr">192.0.2.3</Address></Node><Service ip_protocol="17"><Port>53</Port></Service></System>
<System category="intermediate"><Node><Address category="ipv6-addr">2001:db8::1</Address><Counter type="event" duration="hour">9</Counter><Counter type="event">57</Counter></Node></System></Flow>
<Record><RecordData><RecordItem dtype="string"> log </RecordItem></RecordData></Record></EventData><History/></Incident></IODEF-Document>`))
	require.Len(t, list, 1)
	o := list[0]
	assert.Equal(t, "7", o.ID)
	assert.Equal(t, incident.Reporter{Name: "J. Doe", Mail: "j@example.org", Domain: "csirt.example.org"}, o.Reporter)
	assert.Equal(t, "2006-06-08T05:44:53-05:00", o.Time.Format(time.RFC3339))
	assert.Equal(t, "dos", o.Kind)
	assert.Equal(t, "udp", o.Protocol)
	assert.EqualValues(t, 57, o.Count)
	require.Len(t, o.Endpoints, 3)
	assert.Equal(t, "53", o.Endpoints[1].Ports)
	assert.Equal(t, "192.0.2.3", o.Endpoints[1].Address.String())
	assert.Equal(t, incident.RoleUnknown, o.Endpoints[2].Role)
	assert.Equal(t, " log ", string(o.Logs[0].Data))
	assert.Equal(t, []string{"History", "Impact.severity"}, o.Left)
}

func TestIDMEF(t *testing.T) {
	doc := `<i:IDMEF-Message xmlns:i="http://iana.org/idmef"><i:Heartbeat/><i:Alert messageid="a1"><i:Analyzer analyzerid="sensor1"><i:Node><i:name>ids.example.org</i:name></i:Node></i:Analyzer>
<i:CreateTime ntpstamp="0x0.0x0">2000-03-09T10:01:25.93464-05:00</i:CreateTime><i:DetectTime>2000-03-09T10:00:00Z</i:DetectTime>
<i:Source><i:Node><i:Address category="ipv4-net-mask"><i:address>192.0.2.64</i:address><i:netmask>255.255.255.192</i:netmask></i:Address></i:Node></i:Source>
<i:Target><i:Node><i:name>www.example.org</i:name><i:Address category="ipv4-addr-hex"><i:address>0xc0000232</i:address></i:Address></i:Node>
<i:Service iana_protocol_number="6"><i:portlist>5-25,37</i:portlist></i:Service></i:Target>
<i:Classification text="Portscan"/><i:Assessment><i:Confidence rating="numeric">0.6</i:Confidence></i:Assessment></i:Alert></i:IDMEF-Message>`
	var list []incident.Observation
	var errs []string
	for o, err := range IDMEF().Decode(strings.NewReader(doc), incident.Limits{}) {
		if err != nil {
			errs = append(errs, err.Error())
			continue
		}
		list = append(list, o)
	}
	require.Len(t, errs, 1)
	assert.Contains(t, errs[0], "Heartbeat is no incident")
	require.Len(t, list, 1)
	o := list[0]
	assert.Equal(t, "a1 sensor1 ids.example.org Portscan tcp", strings.Join([]string{o.ID, o.Reporter.Name, o.Reporter.Domain, o.Kind, o.Protocol}, " "))
	assert.Equal(t, 10, o.Time.UTC().Hour(), "when it was detected, not when it was written")
	assert.Equal(t, 60, *o.Confidence)
	assert.Equal(t, "192.0.2.64/26", o.Endpoints[0].Network.String())
	assert.Equal(t, "192.0.2.50", o.Endpoints[1].Address.String())
	assert.Equal(t, "5-25,37", o.Endpoints[1].Ports)
}
