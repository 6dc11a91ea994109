package smtp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/airtight-csirt/airtight/adapters/smtp"
	"github.com/airtight-csirt/airtight/mail"
)

func ExampleNewServer() {
	receive := func(ctx context.Context, envelope mail.Envelope, raw []byte) error {
		fmt.Printf("from %s to %v: %d bytes\n", envelope.From, envelope.To, len(raw))
		return nil // now it is kept, and the peer reads 250
	}
	server, err := smtp.NewServer(receive, smtp.Config{Recipients: smtp.Only("csirt@example.org")})
	if err != nil {
		fmt.Println(err)
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- server.Serve(listener) }()

	sender := smtp.NewSender(listener.Addr().String(), smtp.SenderConfig{})
	err = sender.Send(context.Background(),
		mail.Envelope{From: "bob@example.net", To: []string{"csirt@example.org"}},
		[]byte("Subject: scans\r\n\r\nfrom 192.0.2.17\r\n"))
	fmt.Println("sent:", err)

	fmt.Println("shut down:", server.Shutdown(context.Background()), <-ended)
	// Output:
	// from bob@example.net to [csirt@example.org]: 35 bytes
	// sent: <nil>
	// shut down: <nil> <nil>
}

// A mail system on the same machine keeps the queue and hands mail over by LMTP,
// for Postfix: virtual_transport = lmtp:unix:/run/desk/lmtp.
func ExampleServer_Serve() {
	receive := func(ctx context.Context, envelope mail.Envelope, raw []byte) error {
		fmt.Println("for", envelope.To)
		return nil
	}
	server, err := smtp.NewServer(receive, smtp.Config{LMTP: true, Recipients: smtp.Only("csirt@example.org", "abuse@example.org")})
	if err != nil {
		fmt.Println(err)
		return
	}
	dir, err := os.MkdirTemp("", "desk")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	listener, err := net.Listen("unix", filepath.Join(dir, "lmtp"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() { ended <- server.Serve(listener) }()

	peer, err := net.Dial("unix", listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprint(peer, "LHLO mail.example.org\r\nMAIL FROM:<bob@example.net>\r\nRCPT TO:<csirt@example.org>\r\nRCPT TO:<abuse@example.org>\r\n",
		"DATA\r\nSubject: scans\r\n\r\nfrom 192.0.2.17\r\n.\r\nQUIT\r\n")
	lines := bufio.NewScanner(peer)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "queued") {
			fmt.Println(lines.Text())
		}
	}
	fmt.Println("shut down:", server.Shutdown(context.Background()), <-ended)
	// Output:
	// for [csirt@example.org abuse@example.org]
	// 250 2.0.0 <csirt@example.org> OK: queued
	// 250 2.0.0 <abuse@example.org> OK: queued
	// shut down: <nil> <nil>
}

func ExampleSender_Send() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	addr := listener.Addr().String()
	listener.Close() // nobody listens there any more

	sender := smtp.NewSender(addr, smtp.SenderConfig{LocalName: "desk.example.org"})
	err = sender.Send(context.Background(),
		mail.Envelope{From: "csirt@example.org", To: []string{"bob@example.net"}},
		[]byte("Subject: scans\r\n\r\nThank you.\r\n"))
	if answer, ok := errors.AsType[*mail.Error](err); ok {
		fmt.Println(answer.Message, "- try again later:", answer.Temporary(), "- may have arrived:", answer.Undecided)
	}
	// Output: no connection to the mail host - try again later: true - may have arrived: false
}

func ExampleOnly() {
	taken := smtp.Only("csirt@example.org", "@cert.example.org")
	fmt.Println(taken("CSIRT@example.org"), taken("anybody@cert.example.org"), taken("bob@example.net"))
	// Output: true true false
}
