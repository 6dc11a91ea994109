package mail

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDetect(t *testing.T) {
	envelope := Envelope{From: "alice@example.org", To: []string{"cert@example.net"}}
	report := func(kind string) string {
		return "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: " + kind + "\r\n\r\nx: y\r\n--b--\r\n"
	}
	for name, c := range map[string]struct {
		header string
		env    Envelope
		want   Machine
	}{
		"a person":              {"", envelope, Machine{}},
		"nothing known":         {"", Envelope{}, Machine{}},
		"mailing list":          {"List-Id: <x.example.org>\r\nList-Unsubscribe: <mailto:x@example.org>\r\n", envelope, Machine{}},
		"auto-submitted no":     {"Auto-Submitted: No ; x=y\r\n", envelope, Machine{}},
		"auto-replied":          {"Auto-Submitted: auto-replied (vacation)\r\n", envelope, Machine{Auto: true}},
		"second auto-submitted": {"Auto-Submitted: no\r\nAuto-Submitted: auto-generated\r\n", envelope, Machine{Auto: true}},
		"machine generated":     {"X-FC-Machinegenerated: true\r\n", envelope, Machine{Auto: true}},
		"not generated":         {"X-FC-Machinegenerated: false\r\n", envelope, Machine{}},
		"autoreply":             {"X-Autoreply: yes\r\n", envelope, Machine{Auto: true}},
		"autorespond":           {"X-Autorespond: x\r\n", envelope, Machine{Auto: true}},
		"asks for silence":      {"X-Auto-Response-Suppress: OOF, AutoReply\r\n", envelope, Machine{Quiet: true}},
		"asks for nothing":      {"X-Auto-Response-Suppress: None\r\n", envelope, Machine{}},
		"bulk":                  {"Precedence: Bulk\r\n", envelope, Machine{Bulk: true}},
		"junk":                  {"Precedence: junk\r\n", envelope, Machine{Bulk: true}},
		"list":                  {"Precedence: list\r\n", envelope, Machine{Bulk: true}},
		"any precedence":        {"Precedence: first-class\r\nPrecedence: bulk\r\n", envelope, Machine{Bulk: true}},
		"first-class":           {"Precedence: first-class\r\n", envelope, Machine{}},
		"auto_reply":            {"Precedence: auto_reply\r\n", envelope, Machine{Auto: true}},
		"our own":               {LoopHeader + ": a csirt\r\n", envelope, Machine{Loop: true}},
		"another desk":          {LoopHeader + ": Other\r\n", envelope, Machine{}},
		"null sender":           {"", Envelope{To: envelope.To}, Machine{Bounce: true}},
		"null return path":      {"Return-Path: < >\r\n", envelope, Machine{Bounce: true}},
		"null after all":        {"Return-Path: <alice@example.org>\r\n", Envelope{To: envelope.To}, Machine{Bounce: true}},
		"return path":           {"Return-Path: <alice@example.org>\r\n", envelope, Machine{}},
		"vacation, null":        {"Auto-Submitted: auto-replied\r\n", Envelope{To: envelope.To}, Machine{Auto: true}},
		"delivery report":       {report("message/delivery-status"), envelope, Machine{Bounce: true}},
		"global report":         {report("message/global-delivery-status"), envelope, Machine{Bounce: true}},
		"receipt":               {report("message/disposition-notification"), envelope, Machine{Auto: true}},
		"quoted report":         {"Content-Type: message/rfc822\r\n\r\n" + report("message/delivery-status"), envelope, Machine{}},
		"feedback report":       {report("message/feedback-report"), envelope, Machine{}},
	} {
		t.Run(name, func(t *testing.T) {
			m := Detect(read(t, head+c.header+"\r\nx\r\n"), c.env, "A CSIRT")
			why := m.Why
			m.Why = nil
			assert.Equal(t, c.want, m)
			assert.Equal(t, c.want.Any(), len(why) > 0, "a reason for each sign: %q", why)
		})
	}
	for from, want := range map[string]bool{
		"MAILER-DAEMON@example.org": true, "Postmaster <postmaster@example.org>": true, "<>": true, "": true,
		"mailer-daemon": true, "alice@example.org": false, "postmaster.alice@example.org": false,
	} {
		assert.Equal(t, want, Detect(read(t, "From: "+from+"\r\n\r\n"), envelope, "").Bounce, from)
	}
	own := read(t, head+LoopHeader+":\r\n\r\n")
	assert.False(t, Detect(own, envelope, "").Loop, "a desk without a name knows no loop")
}
