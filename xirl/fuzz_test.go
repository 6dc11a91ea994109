package xirl

import (
	"bytes"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// small keeps what fuzzing makes within bounds, so that it is fast.
func small() incident.Limits {
	return incident.Limits{Bytes: 1 << 20, Item: 64 << 10, Elements: 500, Incidents: 500}
}

// survives checks what holds for every decoder and any input: it ends, an
// observation without an error is valid, and XIRL carries it unchanged.
func survives(t *testing.T, f incident.Format, decode func(func(incident.Observation, error) bool)) {
	var list []incident.Observation
	decode(func(o incident.Observation, err error) bool {
		if err == nil {
			require.NoError(t, o.Validate())
			list = append(list, o)
		}
		return true
	})
	var doc bytes.Buffer
	_, err := XIRL().Encode(&doc, slices.Values(list))
	require.NoError(t, err, f.Name)
	i := 0
	for o, err := range Decode(&doc, incident.Limits{}) {
		require.NoError(t, err)
		require.True(t, o.Equal(list[i]), "%s\n%s\n%s", f.Name, o.Canonical(), list[i].Canonical())
		i++
	}
	require.Equal(t, len(list), i)
	for _, o := range list {
		for _, out := range Formats() {
			if out.Encode != nil {
				_, _ = out.Encode(io.Discard, slices.Values([]incident.Observation{o})) // may refuse, not panic
			}
		}
	}
}

func fuzzStream(f *testing.F, format incident.Format, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		survives(t, format, format.Decode(bytes.NewReader(raw), small()))
		format.Recognise([]incident.Part{{Type: "text/plain", Content: raw}})
	})
}

// fuzzMail has two parts, so that what belongs together can be apart.
func fuzzMail(f *testing.F, format incident.Format, kind string, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte("Subject: [SpamCop (192.0.2.1) id:9]x\nFrom: <a@example.org>\n"), []byte(s), []byte("Received: from x ([192.0.2.1]) by y\n\nbody"))
	}
	f.Fuzz(func(t *testing.T, head, one, two []byte) {
		parts := []incident.Part{{Type: incident.HeaderType, Content: head}, {Type: kind, Name: "2026-01-01-scan_x-org.csv.zip", Depth: 1, Content: one}, {Type: "text/plain", Depth: 1, Content: one}, {Type: "message/rfc822", Depth: 1, Content: two}}
		format.Recognise(parts)
		survives(t, format, format.Mail(parts, small()))
	})
}

func FuzzXIRL(f *testing.F) {
	fuzzStream(f, XIRL(), `<x:xirl xmlns:x="urn:airtight:xirl:1" version="1.0"><x:reporter><x:name>a</x:name></x:reporter><x:incident id="1"><x:time>2006-05-09T10:00:00+02:00</x:time><x:source><x:ip>192.0.2.4</x:ip><x:port>1027</x:port></x:source><x:log encoding="base64">AA==</x:log><c:a xmlns:c="urn:c" c:d="1"/></x:incident></x:xirl>`)
}

func FuzzAIRT(f *testing.F) {
	fuzzStream(f, AIRT(nil), `<airt:airt><queuedata ref="#1" filter="f"><type>T</type></queuedata><incident id="1"><technicalInformation><ip>192.0.2.4</ip><port>1</port><incident_time>2005-07-13 13:17:01</incident_time><logging>x</logging></technicalInformation></incident></airt:airt>`)
}

func FuzzIODEF(f *testing.F) {
	fuzzStream(f, IODEF(), `<IODEF-Document xmlns="urn:ietf:params:xml:ns:iodef-2.0"><Incident><IncidentID name="a">1</IncidentID><GenerationTime>2015-07-18T09:00:00-05:00</GenerationTime><EventData><Flow><System category="source"><Node><Address category="ipv4-net">192.0.2.0/24</Address></Node><Service ip-protocol="6"><Portlist>1-2</Portlist></Service></System></Flow></EventData><AdditionalData dtype="xml"><a/></AdditionalData></Incident></IODEF-Document>`)
}

func FuzzIDMEF(f *testing.F) {
	fuzzStream(f, IDMEF(), `<IDMEF-Message xmlns="http://iana.org/idmef"><Alert messageid="1"><CreateTime>2000-03-09T10:01:25Z</CreateTime><Source><Node><Address category="ipv4-net-mask"><address>192.0.2.1</address><netmask>255.255.255.0</netmask></Address></Node></Source></Alert></IDMEF-Message>`)
}

func FuzzACNS(f *testing.F) {
	doc := `<Infringement ><Case><ID>1</ID></Case><Source><TimeStamp>2015-11-13T20:35:03Z</TimeStamp><IP_Address>192.0.2.1</IP_Address></Source></Infringement>`
	fuzzMail(f, ACNS(), "application/xml", doc, "text "+doc+" text")
}

func FuzzXARF(f *testing.F) {
	fuzzStream(f, XARF(), `{"xarf_version":"4.2.0","report_id":"9ac39cd1-85f3-4c31-ae87-a0a95f3ebc83","timestamp":"2025-01-11T09:21:23Z","reporter":{"org":"a","contact":"a@example.org","domain":"example.org"},"sender":{"org":"a","contact":"a@example.org","domain":"example.org"},"source_identifier":"192.0.2.1","source_port":1,"category":"connection","type":"ddos","protocol":"tcp","first_seen":"2025-01-11T08:45:00Z","evidence":[{"content_type":"a","payload":"AA=="}],"confidence":0.5}`,
		`{"Version":"3","ReporterInfo":{"ReporterOrg":"Org","ReporterOrgDomain":"example.org","ReporterOrgEmail":"a@example.org"},"Report":{"ReportClass":"Activity","ReportType":"Spam","Date":"2018-02-05T14:17:10Z","SourceIp":"192.0.2.55","DestinationPort":[25,587],"Samples":[{"ContentType":"a","Payload":"bWFpbA=="}]}}`)
}

func FuzzXARFMail(f *testing.F) {
	fuzzMail(f, XARFMail(), "text/plain", "---\nReported-From: a@example.org\nCategory: abuse\nReport-Type: 'login'\nDate: Mon, 03 Feb 2014 02:13:35 +0100\nSource: 192.0.2.1\nPort: 22\n")
}

func FuzzARF(f *testing.F) {
	fuzzMail(f, ARF(), "message/feedback-report", "Feedback-Type: abuse\nSource-IP: 192.0.2.1\nArrival-Date: Thu, 8 Mar 2005 14:00:00 EDT\nReported-URI: http://example.net/a\n")
}

func FuzzSpamCop(f *testing.F) {
	fuzzMail(f, SpamCop(), "text/plain", "[ SpamCop V1 ]\nEmail from 192.0.2.1 / 19 Jun 2003 17:34:13 -0400\n[ Offending message ]\nx", "Spamvertised web site: http://a\nhttp://a is 192.0.2.1; now\n192.0.2.1 Jun 20 13h/2 1 2 3 4\n")
}

func FuzzMyNetWatchman(f *testing.F) {
	fuzzMail(f, MyNetWatchman(), "text/plain", "myNetWatchman Incident [5] Src:(192.0.2.1)\nTime Zone: EST\na, 30 Oct 2003 22:10:04, 198.51.x.x, 6, 137, W?, 1038, 1\n")
}

func FuzzShadowserver(f *testing.F) {
	fuzzStream(f, Shadowserver(), "\"timestamp\",\"ip\",\"port\"\n\"2026-01-01 00:00:00\",192.0.2.1,53\n", "PK\x03\x04")
}

func FuzzCSV(f *testing.F) {
	fuzzStream(f, CSV{}.Format(), "ip;time;end;count;port\n192.0.2.1;2026-01-01;1767225600;5;\"8\"\"0\"\n", "src\tdate\n192.0.2.0/24\t1\n")
}

func FuzzNotice(f *testing.F) {
	fuzzMail(f, Notice(), "text/html", "|date |ip |id |\n|2015-09-14 07:49:54 CEST |192.0.2.1 |8|\n", "Offending/Source IP: 192.0.2.1\n- Issue: a\n- Time: 2015-09-25\n",
		"Project Honey Pot Monitor Report\nIPs Engaged In X On Your Network:\n192.0.2.1 (S)\n- Mon, 21 Sep 2015 10:00AM PDT\n- Subject: x\n", `<notification_message date="2015-01-01"><list><url_info url="a" ip="b"/></list></notification_message>`)
}
