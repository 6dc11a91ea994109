package mail_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

const report = "From mbox Sat Nov 21 21:00:00 2026\n" +
	"From: Alice <alice@example.org>\n" +
	"To: cert@example.net\n" +
	"Subject: Re: =?utf-8?Q?=5BA_CSIRT_=2334159=5D_Pr=C3=BCfung?=\n" +
	"Date: Sat, 21 Nov 2026 21:00:00 +0100\n" +
	"Message-ID: <one@example.org>\n" +
	"Content-Type: multipart/mixed; boundary=b\n" +
	"\n" +
	"--b\n" +
	"\n" +
	"Somebody scans us from 192.0.2.7.\n" +
	"--b\n" +
	"Content-Disposition: attachment; filename=log.txt\n" +
	"Content-Transfer-Encoding: base64\n" +
	"\n" +
	"aGVsbG8=\n"

func ExampleParse() {
	m, err := mail.Parse([]byte(report), mail.Limits{})
	fmt.Println(err)
	fmt.Println(m.From[0], m.Subject)
	fmt.Print(m.Text)
	for _, p := range m.Parts {
		if p.Name != "" {
			fmt.Println(p.Name, len(p.Content))
		}
	}
	for _, d := range m.Defects {
		fmt.Println(d)
	}
	// Output:
	// <nil>
	// Alice <alice@example.org> Re: [A CSIRT #34159] Prüfung
	// Somebody scans us from 192.0.2.7.
	// log.txt 5
	// message: mbox separator line before the header
	// message: boundary never closed (RFC 2046 5.1.1)
}

func ExampleParse_limit() {
	m, err := mail.Parse([]byte("Subject: scan\n\n"+strings.Repeat("x", 100)), mail.Limits{Bytes: 20})
	fmt.Println(m.Subject, len(m.Text))
	fmt.Println(err)
	// Output:
	// scan 6
	// mail: over the limit Bytes: 20 allowed, at least 115 seen; raise mail.Limits.Bytes to read all of it
}

func ExampleTag() {
	tag := mail.Tag{Name: "A CSIRT", Former: []string{"OLD-CERT"}}
	fmt.Println(tag.Find("Re: [a csirt  #34159] scan [other.example #9]"))
	fmt.Println(tag.Find("AW: [OLD-CERT #12]"))
	fmt.Println(tag.Put("Re: [A CSIRT #34159] scan", 34159))
	// Output:
	// [34159]
	// [12]
	// [A CSIRT #34159] Re: scan
}

func ExampleThread() {
	v := mail.Thread(mail.ThreadInput{
		Tagged:  []incident.ID{7},
		Tickets: map[incident.ID]incident.Ticket{7: {ID: 7, Kind: incident.KindIncident}},
		Sender:  "alice@example.org",
	})
	fmt.Println(v.Action, v.Candidates, v.Reason)
	fmt.Println(strings.Join(v.Why, "\n"))
	// Output:
	// hold [7] incident-number
	// The subject names ticket 7.
	// Ticket 7 is an incident, which only the team may write to.
}

func ExampleDetect() {
	m, _ := mail.Parse([]byte("From: alice@example.org\nAuto-Submitted: auto-replied\n\nI am away.\n"), mail.Limits{})
	machine := mail.Detect(m, mail.Envelope{From: "alice@example.org", To: []string{"cert@example.net"}}, "A CSIRT")
	fmt.Println(machine.Any(), machine.Why)
	// Output:
	// true [Auto-Submitted is "auto-replied" (RFC 3834 5).]
}

func ExampleCompose() {
	raw, err := mail.Compose(mail.Letter{
		From:      incident.Party{Name: "A CSIRT", Address: "cert@example.net"},
		To:        []incident.Party{{Address: "alice@example.org"}},
		Subject:   mail.Tag{Name: "A CSIRT"}.Put("Scan", 7),
		MessageID: "7.1@example.net",
		InReplyTo: "one@example.org",
		Date:      time.Date(2026, 11, 21, 21, 0, 0, 0, time.UTC),
		Text:      "Thank you.\n",
		Desk:      "A CSIRT",
	})
	fmt.Println(err)
	fmt.Print(strings.ReplaceAll(string(raw), "\r\n", "\n"))
	// Output:
	// <nil>
	// From: "A CSIRT" <cert@example.net>
	// To: alice@example.org
	// Subject: [A CSIRT #7] Scan
	// Date: Sat, 21 Nov 2026 21:00:00 +0000
	// Message-ID: <7.1@example.net>
	// In-Reply-To: <one@example.org>
	// References: <one@example.org>
	// X-Airtight-Desk: A CSIRT
	// MIME-Version: 1.0
	// Content-Type: text/plain; charset=utf-8
	// Content-Transfer-Encoding: 7bit
	//
	// Thank you.
}
