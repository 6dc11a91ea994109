package desk_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/dkim"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// trusting is a world that asks everything about who wrote a mail: our own server is
// mx.example.net, and example.org signs with DKIM.
type trusting struct {
	*keyed
	domain ed25519.PrivateKey
	asked  int // look-ups of keys
	lost   bool
}

func newTrusting(t testing.TB, change ...func(*desk.Config)) *trusting {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	w := &trusting{domain: private}
	verifier, err := dkim.New(func(_ context.Context, name string) ([]string, error) {
		w.asked++
		switch {
		case w.lost:
			return nil, errors.New("no answer")
		case name == "s._domainkey.example.org":
			return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}, nil
		}
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}, dkim.Config{})
	require.NoError(t, err)
	w.keyed = newKeyed(t, append([]func(*desk.Config){func(c *desk.Config) {
		c.Verifier, c.OwnServer = verifier, mail.OwnServer{ID: "mx.example.net"}
		c.Contact = func(address string) bool { return incident.SameAddress(address, "noc@example.org") }
	}}, change...)...)
	return w
}

const received = "Received: from mail.example.org by mx.example.net; Mon, 2 Mar 2026 09:00:00 +0000\r\n"

// letters are mails to a ticket, each with the trust that it deserves there.
func (w *trusting) letters(id incident.ID) map[string]struct {
	raw  string
	want incident.Trust
} {
	type letter = struct {
		raw  string
		want incident.Trust
	}
	from := func(address string) string {
		return fmt.Sprintf("From: %s\r\nTo: csirt@example.net\r\nSubject: %s\r\nDate: Mon, 02 Mar 2026 09:00:00 +0000\r\nMessage-ID: <%d.%d@example.org>\r\n\r\nYes, done.\r\n", address, tagged(id), id, w.now.Unix())
	}
	results := func(id, what string) string { return "Authentication-Results: " + id + "; " + what + "\r\n" }
	const pass = "dmarc=pass header.from=example.org"
	eve := newPerson(w.t.(testing.TB), "eve@example.com", w.bob.now).knows(w.keyed.desk)
	return map[string]letter{
		"stranger":                     {from("eve@example.com"), incident.TrustNone},
		"stranger, authenticated":      {results("mx.example.net", "dmarc=pass header.from=example.com") + received + from("eve@example.com"), incident.TrustNone},
		"stranger, unknown key":        {eve.write(mail.Always, mail.Never, tagged(id), "Yes, done."), incident.TrustNone},
		"two authors":                  {from("bob@example.org, eve@example.com"), incident.TrustNone},
		"known":                        {from("bob@example.org"), incident.TrustKnown},
		"a contact":                    {from("noc@example.org"), incident.TrustKnown},
		"of the team":                  {from("alice@example.net"), incident.TrustKnown},
		"forged results":               {received + received + results("mx.example.net", pass) + from("bob@example.org"), incident.TrustKnown},
		"older forged results":         {results("mx.example.net", "dmarc=fail header.from=example.org") + received + results("mx.example.net", pass) + from("bob@example.org"), incident.TrustKnown},
		"results of another":           {results("mx.example.com", pass) + received + from("bob@example.org"), incident.TrustKnown},
		"dkim of another":              {signDKIM(w.t.(testing.TB), from("bob@example.org"), "example.com", w.domain), incident.TrustKnown},
		"dkim of what was changed":     {strings.Replace(signDKIM(w.t.(testing.TB), from("bob@example.org"), "example.org", w.domain), "Yes", "No", 1), incident.TrustKnown},
		"dkim, and our server says no": {results("mx.example.net", "dkim=fail header.d=example.org") + received + signDKIM(w.t.(testing.TB), from("bob@example.org"), "example.org", w.domain), incident.TrustKnown},
		"changed after signing":        {strings.Replace(w.bob.write(mail.Always, mail.Never, tagged(id), "Yes, done."), "Yes", "No", 1), incident.TrustKnown},
		"our server says so":           {results("mx.example.net", pass) + received + from("bob@example.org"), incident.TrustAuthenticated},
		"dkim":                         {signDKIM(w.t.(testing.TB), from("bob@example.org"), "example.org", w.domain), incident.TrustAuthenticated},
		"dkim, and forged results":     {received + received + results("mx.example.net", pass) + signDKIM(w.t.(testing.TB), from("bob@example.org"), "example.org", w.domain), incident.TrustAuthenticated},
		"signed":                       {w.bob.write(mail.Always, mail.Never, tagged(id), "Yes, done. "+w.now.String()), incident.TrustSigned},
		"signed and encrypted":         {w.bob.write(mail.Always, mail.Always, tagged(id), "Yes, done. "+w.now.String()), incident.TrustSigned},
	}
}

// TestTrust says how sure it is who wrote a mail, and lets the policy ask for any
// degree before it appends it, opens a ticket for it or takes it for an approval.
func TestTrust(t *testing.T) {
	for _, least := range incident.Trusts() {
		for _, may := range []string{"append", "reopen", "approve"} {
			t.Run(may+" "+string(least), func(t *testing.T) {
				w := newTrusting(t, func(c *desk.Config) {
					c.Policy = workflow.Default()
					c.Policy.MailTrust = map[string]workflow.MailTrust{"append": {Append: least}, "reopen": {Reopen: least}, "approve": {Approve: least}}[may]
				})
				inc := w.incident()
				for _, name := range slices.Sorted(maps.Keys(w.letters(1))) {
					ticket := w.child(incident.KindInvestigation, inc)
					if may == "approve" {
						ticket = w.child(incident.KindBlock, inc)
					} else if may == "reopen" {
						w.do(workflow.Move{Ticket: ticket, To: "resolved"})
					}
					letter := w.letters(ticket)[name]
					receipt, m := w.take(letter.raw)
					inside := m.Side == incident.Inside
					enough := letter.want.Reaches(least)
					switch may {
					case "append":
						require.Equal(t, letter.want, m.Trust, "%s: %v", name, m.Content.Authorship)
						require.Equal(t, !enough, receipt.Held, name)
						if enough {
							require.Equal(t, ticket, receipt.Ticket, name)
						} else {
							held := w.ticket(receipt.Ticket).Held
							require.Equal(t, []incident.ID{ticket}, held.Candidates, name)
							require.Equal(t, map[bool]string{true: "stranger", false: "untrusted"}[letter.want == incident.TrustNone], held.Reason, name)
						}
					case "reopen":
						require.Equal(t, enough && !inside, w.ticket(ticket).Open(), name)
					case "approve":
						asked := m.Content.From.Address == "bob@example.org"
						require.Equal(t, enough && asked, w.ticket(ticket).Status == "active", "%s: %v", name, m.Content.Authorship)
					}
				}
			})
		}
	}
}

// Results that somebody wrote in the name of our server are seen.
func TestForgedResults(t *testing.T) {
	w := newTrusting(t)
	report := w.child(incident.KindReport)
	for name := range w.letters(report) {
		_, m := w.take(w.letters(report)[name].raw)
		require.Equal(t, strings.Contains(name, "forged"), slices.Contains(m.Flags, incident.FlagForged), name)
	}
	w.asked = 0
	w.take(w.letters(report)["our server says so"].raw)
	require.Zero(t, w.asked, "who is told already does not ask")
}

// Without its keys at hand the domain vouches for nothing, and the mail comes in.
func TestVerifierInTrouble(t *testing.T) {
	w := newTrusting(t)
	report := w.child(incident.KindReport)
	w.lost = true
	letter := w.letters(report)["dkim"].raw
	_, m := w.take(letter)
	require.Equal(t, incident.TrustKnown, m.Trust)

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	_, err := w.world.desk.Receive(cancelled, mail.Envelope{}, []byte(letter+"x"))
	require.ErrorIs(t, err, context.Canceled)
}

// A signed Yes is no answer to another question.
func TestSignaturesAreNotUsedTwice(t *testing.T) {
	w := newTrusting(t, func(c *desk.Config) {
		c.Policy = workflow.Default()
		c.Policy.MailTrust.Approve = incident.TrustSigned
	})
	inc := w.incident()
	one, two := w.child(incident.KindBlock, inc), w.child(incident.KindBlock, inc)
	yes := w.bob.write(mail.Always, mail.Never, tagged(one), "Yes, done.")
	replayed := strings.Replace(yes, tagged(one), tagged(two), 1)
	w.take(yes)
	w.status("active", one)
	_, m := w.take(replayed)
	require.Equal(t, incident.TrustKnown, m.Trust)
	require.Contains(t, strings.Join(m.Content.Authorship, " "), "it was taken from there")
	w.status("pending activation", two)
	reused := w.bob.write(mail.Always, mail.Always, tagged(two), "Yes, done.")
	w.take(reused)
	w.status("active", two)

	old := w.bob.write(mail.Always, mail.Never, "x", "Yes, done.")
	w.now = w.now.Add(2 * time.Hour)
	three := w.child(incident.KindBlock, inc)
	_, m = w.take(strings.Replace(old, "Subject: x", "Subject: "+tagged(three), 1))
	require.Equal(t, incident.TrustKnown, m.Trust)
	require.Contains(t, strings.Join(m.Content.Authorship, " "), "made before there was the ticket")
	w.status("pending activation", three)
}

// The same mail by another way is no second use.
func TestSignatureOfOneMailThatComesTwice(t *testing.T) {
	w := newTrusting(t)
	raw := "Message-ID: <1@example.org>\r\n" + w.bob.write(mail.Always, mail.Always, "Scan", "x")
	receipt, _ := w.take(raw)
	again := w.raw("bob@example.org", received+raw)
	require.True(t, again.Again)
	require.Equal(t, receipt.Ticket, again.Ticket)
}
