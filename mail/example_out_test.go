package mail_test

import (
	"fmt"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

func ExampleExpand() {
	const template = "@SUBJECT@@INCIDENTID@: @IPADDRESS@ was reported@ENDSUBJECT@\n" +
		"@TO@abuse@@HOSTNAME@@ENDTO@\n" +
		"The logs:\n\n@LOGGING|defang|quote@\n\n@YOURNAME@\n"
	facts := mail.TemplateFacts{
		Incident:  "CERT#000007",
		Addresses: []mail.System{{Address: "192.0.2.7", Host: "www.example.org"}},
		Logs:      []string{"GET http://192.0.2.7/$1 @HOSTNAME@"},
		Handler:   "Alice Example",
	}
	fmt.Println(mail.Check(template, mail.Schema{Variables: mail.TemplateVariables()}))
	out, err := mail.Expand(template, mail.Expansion{Value: facts.Value, Refuse: true})
	fmt.Println(err)
	fmt.Println(out.Subject)
	fmt.Println(out.To[0])
	fmt.Print(out.Text)
	// Output:
	// <nil>
	// <nil>
	// CERT#000007: 192.0.2.7 was reported
	// abuse@www.example.org
	// The logs:
	//
	// > GET hxxp://192[.]0[.]2[.]7/$1 @HOSTNAME@
	//
	// Alice Example
}

func ExampleCheck() {
	fmt.Println(mail.Check("The state is @STATE@.", mail.Schema{Variables: []string{"HOSTNAME", "IPADDRESS"}}))
	// Output: mail: template, line 1: no variable STATE; known are HOSTNAME, IPADDRESS
}

func ExampleReadBounce() {
	const raw = "From: MAILER-DAEMON@mx.example.org\r\nTo: cert@example.net\r\nSubject: failure notice\r\n\r\n" +
		"Hi. I wasn't able to deliver your message to the following addresses.\r\n\r\n" +
		"<bob@example.org>:\r\n550 5.2.2 Mailbox full\r\n\r\n" +
		"--- Below this line is a copy of the message.\r\n\r\nMessage-ID: <7.1@example.net>\r\n"
	m, _ := mail.Parse([]byte(raw), mail.Limits{})
	b, ok := mail.ReadBounce(m, mail.Envelope{})
	fmt.Println(ok, b.MessageID, b.Failed(), b.Recipients[0].Reason)
	// Output: true 7.1@example.net [bob@example.org] full
}

func ExampleUnquoted() {
	fmt.Print(mail.Unquoted("Yes, go ahead.\n\nOn Mon, 1 Jun 2026, The Desk\n<cert@example.net> wrote:\n> Shall we block 192.0.2.7?\n\n-- \nBob\n"))
	// Output: Yes, go ahead.
}

func ExampleAnswer() {
	m := &mail.Message{
		From:      []incident.Party{{Name: "Bob", Address: "bob@example.org"}},
		Subject:   "Scan from 192.0.2.7",
		Date:      time.Date(2026, 11, 21, 21, 0, 0, 0, time.UTC),
		MessageID: "one@example.org",
		Text:      "We see a scan.\n",
	}
	l := mail.Answer(m, mail.Tag{Name: "A CSIRT"}, 7, true)
	fmt.Println(l.To[0])
	fmt.Println(l.Subject)
	fmt.Print(l.Text)
	// Output:
	// Bob <bob@example.org>
	// [A CSIRT #7] Re: Scan from 192.0.2.7
	// On Sat, 21 Nov 2026 21:00 UTC, Bob wrote:
	// > We see a scan.
}
