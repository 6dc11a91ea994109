package xirl

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func text(content string) incident.Part {
	return incident.Part{Type: "text/plain", Depth: 1, Content: []byte(content)}
}

func header(content string) incident.Part {
	return incident.Part{Type: incident.HeaderType, Content: []byte(content)}
}

// say prints what an observation says of an event in one line.
func say(o incident.Observation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|%s|", o.ID, o.Scheme, o.Kind)
	if !o.Time.IsZero() {
		b.WriteString(o.Time.UTC().Format(time.RFC3339))
	}
	for _, e := range o.Endpoints {
		role := string(e.Role)
		if e.Address.IsValid() {
			role += " " + e.Address.String()
		}
		if e.Network.IsValid() {
			role += " " + e.Network.String()
		}
		for _, v := range []string{e.Host, e.URL, e.Mail, e.Ports} {
			if v != "" {
				role += " " + v
			}
		}
		b.WriteString("|" + role)
	}
	if o.Count > 0 {
		fmt.Fprintf(&b, "|%d", o.Count)
	}
	for _, l := range o.Logs {
		fmt.Fprintf(&b, "|%s %.20q", l.Type, l.Data)
	}
	return b.String()
}

func TestMails(t *testing.T) {
	const spam = "Received: from localhost (localhost [127.0.0.1]) by a\r\nReceived: from x (x [192.0.2.9])\r\n by mx; date\r\nSubject: s\r\n\r\nbody"
	feedback := func(content string) incident.Part {
		return incident.Part{Type: "message/feedback-report", Depth: 1, Content: []byte(content)}
	}
	message := incident.Part{Type: "message/rfc822", Depth: 1, Content: []byte(spam)}
	for _, test := range []struct {
		name, format string
		parts        []incident.Part
		want         []string
	}{
		{"arf", "arf", []incident.Part{header("Message-ID: <1@example.org>\nFrom: FBL <fbl@example.org>\n"), text("x"),
			feedback("Feedback-Type: abuse\nVersion: 1\nUser-Agent: x\nSource-IP: 192.0.2.1\nSource-Port: 1027\nArrival-Date: Thu, 8 Mar 2005 14:00:00 EDT\nIncidents: 3\nReported-Domain: example.net\nReported-URI: http://example.net/a\nAuthentication-Results: a;\n\tspf=fail\n"), message},
			[]string{`1@example.org|arf|abuse|2005-03-08T18:00:00Z|source 192.0.2.1 1027| example.net| http://example.net/a|3|message/rfc822 "Received: from local"`}},
		{"arf without an address", "arf", []incident.Part{feedback("Feedback-Type: auth-failure\rVersion: 1\r"), message},
			[]string{`|arf|auth-failure||source 192.0.2.9|message/rfc822 "Received: from local"`}},
		{"arf without a type", "arf", []incident.Part{feedback("Version: 1\n")}, []string{"error: arf: line 1, byte 0: the report has no Feedback-Type (RFC 5965, section 3.1)"}},
		{"hotmail", "arf", []incident.Part{header("Subject: complaint about message from 192.0.2.7\nDate: Fri, 8 Jan 2010 02:26:06 -0800\n"), message},
			[]string{`|hotmail|abuse|2010-01-08T10:26:06Z|source 192.0.2.7|message/rfc822 "Received: from local"`}},
		{"x-arf", "x-arf", []incident.Part{text("hello"), {Type: "text/plain", Name: "report.txt", Depth: 1, Content: []byte("---\r\nReported-From: a@example.org\r\nCategory: abuse\r\n Report-Type: 'login-attack'\r\nReport-ID: \"7\"\r\nDate: Mon, 03 Feb 2014 02:13:35 +0100\r\nSource: !!python/unicode '2001:db8::5'\r\nSource-Type: ip-address\r\nPort: 22\r\nService: ssh\r\nOccurrences: 9\r\n...\r\n")}, text("log line")},
			[]string{`7|x-arf abuse|login-attack|2014-02-03T01:13:35Z|source 2001:db8::5|target 22|9|text/plain "log line"`}},
		{"x-arf about a site", "x-arf", []incident.Part{text("Category: fraud\nReport-Type: phishing\nSource: http://example.org/a\nSource-Type: uri\nPort: 80\nDomain: example.org\n")},
			[]string{`|x-arf fraud|phishing||source example.org http://example.org/a 80`}},
		{"x-arf twice the same", "x-arf", []incident.Part{text("Report-Type: a\nSource: 192.0.2.1\nSource: 192.0.2.2\n")}, []string{"error: x-arf: line 3, byte 0: the field Source stands twice"}},
		{"spamcop", "spamcop", []incident.Part{header("Subject: [SpamCop (192.0.2.1) id:99]offer\nFrom: 99@reports.spamcop.net\n"), text("> [ SpamCop V1.3.4 ]\n> \n> Email from 192.0.2.1 /  Thu, 19 Jun 2003 17:34:13 -0400 (ES\n> http://www.spamcop.net/w3m?i=z9\n> \n> [ Offending message ]\n> Return-Path: <a>\n")},
			[]string{`99|spamcop|spam|2003-06-19T21:34:13Z|source 192.0.2.1|message/rfc822 "Return-Path: <a>\n"`}},
		{"spamcop about a site", "spamcop", []incident.Part{text("[ SpamCop V1.3.4 ]\nSpamvertised web site: http://example.org/\nhttp://www.spamcop.net/w3m?i=z9\nhttp://example.org/ is 192.0.2.8; Fri, 20 Jun 2003 00:00:00 GMT\n")},
			[]string{`|spamcop|spamvertised|2003-06-20T00:00:00Z|source 192.0.2.8 http://example.org/`}},
		{"spamcop summary", "spamcop", []incident.Part{header("From: summary@admin.spamcop.net\n"), text("192.0.2.1 Jun 20 13h/2 1 2 3 4\n192.0.2.2\nnothing here\n")},
			[]string{"|spamcop|summary||source 192.0.2.1|10", "|spamcop|alert||source 192.0.2.2"}},
		{"spamcop without anything", "spamcop", []incident.Part{text("[ SpamCop V1 ]\n")}, []string{`error: spamcop: line 1, byte 0: no line "Email from ADDRESS / date", no spamvertised site and no list of addresses`}},
		{"mynetwatchman", "mynetwatchman", []incident.Part{header("Subject: myNetWatchman Incident [54] Src:(192.0.2.1) Targets:2\n"), text("Source DNS: a.example.org\nTime Zone: EST\n\nAgent, 30 Oct 2003 22:10:04, 198.51.x.x, 6, 137, W32 Worm?, 1038, 1\nEventRecord: 30 Oct 2003 22:10:05, 198.51.100.x, 17, 137, W32 Worm?, 1038, 2\n")},
			[]string{`54|mynetwatchman|W32 Worm?|2003-10-31T03:10:04Z|source 192.0.2.1 a.example.org 1038|target 198.51.0.0/16 137|1| "Agent, 30 Oct 2003 2"`,
				`54|mynetwatchman|W32 Worm?|2003-10-31T03:10:05Z|source 192.0.2.1 a.example.org 1038|target 198.51.100.0/24 137|2| " 30 Oct 2003 22:10:0"`}},
		{"acns in a text", "acns", []incident.Part{text("- ---Start ACNS XML\n<?xml version=\"1.0\"?>\n<Infringement xmlns=\"http://www.acns.net/ACNS\"><Case><ID>7</ID><Severity>Normal</Severity></Case><Complainant><Entity>E</Entity></Complainant><Source><TimeStamp>2015-11-13T20:35:03Z</TimeStamp><IP_Address>192.0.2.1</IP_Address><Port>35657</Port><Type>BitTorrent</Type></Source></Infringement>\n- ---End")},
			[]string{"7|acns|copyright|2015-11-13T20:35:03Z|source 192.0.2.1 35657"}},
		{"xarf 3 in arf", "xarf", []incident.Part{feedback("Feedback-Type: xarf\n"), {Type: "application/json", Content: []byte(`{"Version":"3","ReporterInfo":{"ReporterOrg":"Org","ReporterOrgDomain":"example.org","ReporterOrgEmail":"a@example.org"},"Report":{"ReportClass":"Activity","ReportType":"Spam","Date":"2018-02-05T14:17:10Z","FirstSeen":"2018-02-05T14:00:00Z","SourceIp":"192.0.2.55","SourcePort":54321,"DestinationIp":"198.51.100.33","DestinationPort":[25,587],"Samples":[{"ContentType":"message/rfc822","Base64Encoded":true,"Payload":"bWFpbA=="}]}}`)}},
			[]string{`|xarf Activity|Spam|2018-02-05T14:00:00Z|source 192.0.2.55 54321|target 198.51.100.33 25,587|message/rfc822 "mail"`}},
		{"shadowserver", "shadowserver", []incident.Part{{Type: "text/csv", Name: "2026-01-02-scan_dns-example-asn.csv", Content: []byte("\"timestamp\",\"ip\",\"port\",\"x\"\n\"2026-01-01 00:00:00\",192.0.2.1,53,\"a\"\"b\"\n\"timestamp\",\"ip\",\"port\",\"x\"\n\"2026-01-01 00:00:01\",nowhere,53,a\n\"2026-01-01 00:00:02\",192.0.2.2,0,a\n")}},
			[]string{`||scan_dns|2026-01-01T00:00:00Z|source 192.0.2.1 53|text/csv "\"2026-01-01 00:00:00"`, `error: shadowserver: line 4, byte 133: column ip: "nowhere" is no IP address and no network`, `||scan_dns|2026-01-01T00:00:02Z|source 192.0.2.2|text/csv "\"2026-01-01 00:00:02"`}},
		{"table", "notice", []incident.Part{text("Dear team,\n\nSSH (1 total)\n|date |id |ip |Url|\n+------\n|2015-09-14 07:49:54 CEST |8 |192.0.2.1 |http://example.org/|\n+-----\n\nBeste heer,\n|date |id |ip |Url|\n|2015-09-14 07:49:54 CEST |8 |192.0.2.1 |http://example.org/|\n")},
			[]string{`8|notice|SSH|2015-09-14T05:49:54Z|source 192.0.2.1 http://example.org/| "|2015-09-14 07:49:54"`}},
		{"fields", "notice", []incident.Part{text("Offending/Source IP:  192.0.2.1\n - Issue: a\n - Time: 2015-09-25 22:14:33-07:00\n - Port: 80\n - Issue: b\n - Targeted Range: 198.51.100.0/24\n")},
			[]string{`|notice|a|2015-09-26T05:14:33Z|source 192.0.2.1|target 80| " - Issue: a\n - Time:"`, `|notice|b||source 192.0.2.1|target 198.51.100.0/24| " - Issue: b\n - Targe"`}},
		{"honey pot", "notice", []incident.Part{text("your Project Honey Pot Monitor Report for\nIPs Engaged In Email Spamming On Your Network:\n\n192.0.2.1 (S)\n  - Mon, 21 Sep 2015 10:00AM PDT\n    - Subject: x\n  - Mon, 21 Sep 2015 01:12PM PDT\n")},
			[]string{`|notice|Email Spamming|2015-09-21T17:00:00Z|source 192.0.2.1| "- Mon, 21 Sep 2015 1"`, `|notice|Email Spamming|2015-09-21T20:12:00Z|source 192.0.2.1| "- Mon, 21 Sep 2015 0"`}},
		{"safe browsing", "notice", []incident.Part{text(`<notification_message asn="64512" date="2015-01-01"><list type="0"><url_info url="http://example.org/" ip="192.0.2.1"/></list></notification_message>`)},
			[]string{`|notice|safe browsing 0|2015-01-01T00:00:00Z|source 192.0.2.1 http://example.org/`}},
		{"a letter", "", []incident.Part{header("Subject: hello\n"), text("Dear team, 192.0.2.1 is bad since 2015-01-01 | I | think\n")}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			format := ""
			for _, f := range Formats() {
				if !f.Recognise(test.parts) {
					continue
				}
				format = f.Name
				for o, err := range f.Mail(test.parts, incident.Limits{}) {
					if err != nil {
						got = append(got, "error: "+err.Error())
					} else {
						got = append(got, say(o))
					}
				}
				break
			}
			assert.Equal(t, test.format, format)
			assert.Equal(t, test.want, got)
		})
	}
}

func TestAIRTDialects(t *testing.T) {
	item := `<ip>192.0.2.4</ip><addressrole>Source</addressrole><incident_time>2005-07-13 13:17:01</incident_time><logging>log</logging>`
	for name, doc := range map[string]string{
		"namespace":         `<airt:airt xmlns:airt="http://infolab.uvt.nl/airt"><airt:queuedata ref="#1" filter="f" version="1"><airt:sender>S</airt:sender><airt:type>T</airt:type></airt:queuedata><airt:incident id="1"><airt:technicalInformation><airt:ip>192.0.2.4</airt:ip><airt:addressrole>2</airt:addressrole><airt:incident_time>2005-07-13 13:17:01</airt:incident_time><airt:logging>log</airt:logging></airt:technicalInformation></airt:incident></airt:airt>`,
		"none":              `<airt><queuedata ref="1" filter="f" version="1"><sender>S</sender><type>T</type></queuedata><incident id="1"><technicalInformation>` + item + `</technicalInformation></incident></airt>`,
		"undeclared prefix": `<airt:airt><airt:queuedata ref="1" filter="f" version="1"><airt:sender>S</airt:sender><airt:type>T</airt:type></airt:queuedata><airt:incident id="1"><airt:technicalInformation>` + item + `</airt:technicalInformation></airt:incident></airt:airt>`,
		"import queue":      `<airt><importqueue><queuedata ref="#1" filter="f" version="1"><sender>S</sender><type>T</type></queuedata></importqueue><incident id="1"><technicalInformation>` + item + `</technicalInformation></incident></airt>`,
		"technical item":    `<airt><queuedata ref="#1" filter="f" version="1"><sender>S</sender><type>T</type></queuedata><incident id="1"><technicalInformation><technical_item>` + item + `</technical_item></technicalInformation></incident></airt>`,
		"source and target": `<airt><queuedata ref="#1" filter="f" version="1"><sender>S</sender><type>T</type></queuedata><incident id="1"><technicalInformation><source_ip>192.0.2.4</source_ip><incident_time>2005-07-13 13:17:01</incident_time><logging>log</logging></technicalInformation></incident></airt>`,
	} {
		list := decodeAll(t, AIRT(time.FixedZone("+02:00", 7200)), []byte(doc))
		require.Len(t, list, 1, name)
		assert.Equal(t, `1||T|2005-07-13T11:17:01Z|source 192.0.2.4| "log"`, say(list[0]), name)
		assert.Equal(t, "f 1", list[0].Feed, name)
		assert.Equal(t, "S", list[0].Reporter.Name, name)
		assert.Equal(t, "+02:00", list[0].Zone, name)
	}

	// All of an incident's technical information is kept; process information
	// is not, and says so.
	list := decodeAll(t, AIRT(nil), []byte(`<airt><incident id="1"><ticketInformation><ticket_number><prefix>EX#</prefix><reference>000042</reference></ticket_number><incident_state>blocked</incident_state></ticketInformation>
<technicalInformation><ip>192.0.2.4</ip><logging>a</logging></technicalInformation><technicalInformation><ip>192.0.2.5</ip><logging>b</logging></technicalInformation>
<technicalInformation><ip>192.0.2.6</ip><protocol>tcp</protocol><owner><name>N</name></owner></technicalInformation></incident></airt>`))
	require.Len(t, list, 2)
	assert.Equal(t, `1||||192.0.2.4| 192.0.2.5| "a"| "b"`, strings.ReplaceAll(say(list[0]), "| 192.0.2.4", "|192.0.2.4"))
	assert.Equal(t, []string{"EX#000042"}, list[0].OtherIDs)
	assert.Equal(t, []string{"ticketInformation.incident_state"}, list[0].Left)
	assert.Equal(t, []string{"technicalInformation.owner", "ticketInformation.incident_state"}, list[1].Left)
	list = decodeAll(t, AIRT(nil), []byte(`<airt><incident id="1"><technicalInformation><ip>192.0.2.4</ip><incident_time>2005-07-13T13:17:01Z</incident_time></technicalInformation><technicalInformation><ip>192.0.2.4</ip><incident_time>2005-07-13T13:17:02Z</incident_time></technicalInformation></incident></airt>`))
	assert.Len(t, list, 2, "two times are two events")
	assert.ErrorContains(t, firstError(AIRT(nil), `<airt><queuedata ref="#7"/></airt>`), `queuedata ["7"]`)
	assert.ErrorContains(t, firstError(AIRT(nil), `<airt><contactData/></airt>`), "reports nothing")
}
