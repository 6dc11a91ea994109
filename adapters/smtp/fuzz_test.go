package smtp

import (
	"bytes"
	"context"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/mail"
)

// replyLine is RFC 5321 4.2 with the bounds of 4.5.3.1.5 let out for echoed
// addresses.
var replyLine = regexp.MustCompile(`^[2345][0-5][0-9][ -][^\x00-\x08\x0a-\x1f\x7f]*\r\n$`)

// FuzzDialogue has a peer say anything. Whatever it is, the server answers in
// replies, takes whole messages only, within its limits and for its addresses, and
// ends.
func FuzzDialogue(f *testing.F) {
	for _, seed := range []string{
		begin + "x\r\n.\r\nQUIT\r\n",
		begin + "..\r\n.\n.\r\r\n.\r\n" + begin + "x\r\n.\r\n",
		"LHLO x\r\n", "EHLO x\r\nSTARTTLS\r\nMAIL FROM:<>\r\n", "BDAT 3 LAST\r\nabcRSET\r\n", "BDAT 99999999999\r\n",
		"EHLO x\r\nMAIL FROM:<a@example.net> SIZE=9999 BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<Postmaster>\r\nRCPT TO:<\"a b\"@example.org>\r\nDATA\r\n",
		"HELO x\nMAIL FROM:<@a,@b:c@d>\nRCPT TO:<a@example.org>\nDATA\n" + strings.Repeat("y", 3000) + "\r\n.\r\n",
		strings.Repeat("x", 3*maxCommand), strings.Repeat("?\r\n", 30), "NOOP \x00\xff\r\n", "EHLO \xc3\xbc\r\nVRFY \x1b[0m\r\n",
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(strings.ReplaceAll(seed, "EHLO", "LHLO")), true)
	}
	f.Fuzz(func(t *testing.T, said []byte, lmtp bool) {
		const limit = 1000
		server, err := NewServer(func(_ context.Context, env mail.Envelope, raw []byte) error {
			if len(raw) > limit {
				t.Errorf("%d bytes", len(raw))
			}
			if len(env.To) == 0 || len(env.To) > 2 {
				t.Errorf("recipients: %q", env.To)
			}
			for _, to := range append(env.To, env.From) {
				if !utf8.ValidString(to) || strings.ContainsFunc(to, isControl) {
					t.Errorf("address %q", to)
				}
			}
			return nil
		}, Config{Recipients: Only("@example.org"), LMTP: lmtp, MaxBytes: limit, MaxRecipients: 2})
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		ours.SetDeadline(time.Now().Add(patience))
		l := listenFor(theirs)
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(l) }()
		go func() {
			ours.Write(said)
			ours.Write([]byte("\r\n.\r\nQUIT\r\n")) // out of a message, if it was in one
			ours.Write([]byte("\r\n.\r\nQUIT\r\n")) // and out of a chunk, most likely
			time.AfterFunc(50*time.Millisecond, func() { ours.Close() })
		}()
		answer, _ := io.ReadAll(ours)
		for line := range bytes.Lines(answer) {
			if !replyLine.Match(line) {
				t.Errorf("answer %q to %q", line, said)
			}
		}
		server.Close()
		<-ended
		for deadline := time.Now().Add(patience); len(server.open()) > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the dialogue goes on after %q", said)
			}
		}
		if n := server.held.Load(); n != 0 {
			t.Errorf("%d bytes held", n)
		}
	})
}
