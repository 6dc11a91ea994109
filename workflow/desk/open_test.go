package desk_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

var allTickets = storage.Query{}

const secret = "The password of 192.0.2.77 is zebra-crossing."

// A mail is decrypted and verified when it comes: what it says counts, its bytes are
// kept, its text is not.
func TestMailIsOpened(t *testing.T) {
	k := newKeyed(t)
	raw := k.bob.write(mail.Always, mail.Always, "Scan", secret)
	require.NotContains(t, raw, "zebra")
	receipt, m := k.take(raw)
	report := k.ticket(receipt.Ticket)
	require.Equal(t, []incident.Observable{{Kind: incident.Address, Value: "192.0.2.77"}}, report.Observables)
	require.Equal(t, incident.TrustSigned, m.Trust)
	require.Empty(t, m.Flags)
	require.Len(t, m.Content.Layers, 1)
	layer := m.Content.Layers[0]
	require.Equal(t, incident.Decrypted, layer.Decryption)
	require.True(t, layer.Whole)
	require.Equal(t, incident.SignatureGood, layer.Signatures[0].State)
	require.Equal(t, []string{"bob@example.org"}, layer.Signatures[0].Signers)
	require.True(t, layer.Signatures[0].Sender)
	require.Contains(t, strings.Join(m.Content.Authorship, " "), "bob@example.org signed it with key ")

	body, err := k.alice.Body(ctx, receipt.Ticket, receipt.Version)
	require.NoError(t, err)
	require.Equal(t, raw, string(body), "the raw bytes are kept")
	require.NotContains(t, k.everything(), "zebra")
	opened, err := k.alice.Opened(ctx, receipt.Ticket, receipt.Version)
	require.NoError(t, err)
	require.Contains(t, string(opened.Mail), secret)
	_, err = k.alice.Opened(ctx, receipt.Ticket, 1)
	require.ErrorIs(t, err, desk.ErrNoBody)

	inc := k.do(workflow.Open{Kind: incident.KindIncident, From: receipt.Ticket, Subject: "x", Fields: classified}).Opened[0]
	event, record := k.last(inc, "commented")
	require.NotNil(t, event)
	body, err = k.alice.Body(ctx, inc, record.Version)
	require.NoError(t, err)
	require.Contains(t, string(body), secret, "who makes an incident of it takes its text over")
}

// A subject that was encrypted too is the one that counts: it names the ticket.
func TestEncryptedSubject(t *testing.T) {
	k := newKeyed(t)
	report := k.receive("bob@example.org", "Scan", "").Ticket
	receipt, m := k.take(k.bob.hidden(k.desk, tagged(report), "Yes."))
	require.Equal(t, report, receipt.Ticket, receipt.Verdict.Why)
	require.Equal(t, tagged(report), m.Content.Subject)
	require.True(t, m.Content.Layers[0].Subject)

	receipt, _ = k.take(k.bob.hidden(k.desk, "Another scan", "Look."))
	require.Equal(t, "Another scan", k.ticket(receipt.Ticket).Subject)
}

// What is wrong with a mail is noted, and the mail is kept.
func TestVerdictsOnMail(t *testing.T) {
	k := newKeyed(t)
	mallory := newPerson(t, "bob@example.org", func() time.Time { return k.now }).knows(k.desk) // she claims his address
	eve := newPerson(t, "eve@example.com", func() time.Time { return k.now }).knows(k.desk)
	k.desk.knows(eve)
	signed := k.bob.write(mail.Always, mail.Never, "Scan", "Please block it.")
	both := k.bob.write(mail.Always, mail.Always, "Scan", "Please block it.")
	for name, c := range map[string]struct {
		raw    string
		words  string
		reason string
		trust  incident.Trust
	}{
		"signed":                   {signed, "[new, signed, signature good]", "signed it with key", incident.TrustSigned},
		"changed":                  {strings.Replace(signed, "block", "allow", 1), "[new, signature bad]", "is bad", incident.TrustNone},
		"by a key that nobody has": {mallory.write(mail.Always, mail.Never, "Scan", "x"), "[new, signature key-unknown]", "is key-unknown", incident.TrustNone},
		"the signer is not the sender": {"From: bob@example.org\r\n" + strings.TrimPrefix(eve.write(mail.Always, mail.Always, "Scan", "x"), "From: eve@example.com\r\n"),
			"[new, decrypted, signature good, not of the sender]", "The signer eve@example.com is not the sender.", incident.TrustNone},
		"damaged": {both[:len(both)*2/3], "[new, damaged]", "nobody that is known", incident.TrustNone},
	} {
		t.Run(name, func(t *testing.T) {
			k.t = t
			receipt, m := k.take(c.raw)
			_, record := k.last(receipt.Ticket, "message")
			event, err := incident.Decode(record)
			require.NoError(t, err)
			require.Contains(t, workflow.Words(event, time.UTC), c.words)
			require.Contains(t, strings.Join(m.Content.Authorship, " "), c.reason)
			require.Equal(t, c.trust, m.Trust)
			body, err := k.alice.Body(ctx, receipt.Ticket, receipt.Version)
			require.NoError(t, err)
			require.Equal(t, c.raw, string(body))
		})
	}
}

// Mail that lacked a key is opened when there is one, and what came of it is a
// record.
func TestExamine(t *testing.T) {
	onEveryStore(t, func(t *testing.T, store storage.Store) {
		k := &keyed{}
		clock := func() time.Time { return k.now }
		k.desk, k.bob = newPerson(t, "csirt@example.net", clock), newPerson(t, "bob@example.org", clock)
		late := newPerson(t, "csirt@example.net", clock) // a key of the team that the desk does not have yet
		k.bob.knows(late)
		k.world = newWorldOn(t, store, func(c *desk.Config) { c.Opener = k.desk })
		raw := k.bob.hidden(late, "Scan", secret)
		receipt, m := k.take(raw)
		require.Equal(t, []string{incident.FlagUnopened}, m.Flags)
		require.Equal(t, incident.DecryptionNoKey, m.Content.Layers[0].Decryption)
		require.Equal(t, "...", k.ticket(receipt.Ticket).Subject)
		require.Empty(t, k.ticket(receipt.Ticket).Observables)

		before := k.snapshot()
		result, err := k.alice.Examine(ctx, receipt.Ticket, receipt.Version)
		require.NoError(t, err)
		require.Empty(t, result.Records, "nothing new is known")
		require.Equal(t, before, k.snapshot())

		_, err = k.desk.ring.AddTeam("csirt@example.net", late.secret(), nil)
		require.NoError(t, err)
		result, err = k.alice.Examine(ctx, receipt.Ticket, receipt.Version)
		require.NoError(t, err)
		require.Len(t, result.Records, 1)
		event, record := k.last(receipt.Ticket, "examined")
		examined := event.(incident.Examined)
		require.Equal(t, incident.Actor("handler:alice"), record.By)
		require.Equal(t, receipt.Version, examined.Version)
		require.Equal(t, "Scan", examined.Content.Subject)
		require.Equal(t, incident.TrustNone, examined.Trust)
		require.Equal(t, incident.SignatureKeyUnknown, examined.Content.Layers[0].Signatures[0].State)
		require.Equal(t, []incident.Observable{{Kind: incident.Address, Value: "192.0.2.77"}}, k.ticket(receipt.Ticket).Observables)
		require.NotContains(t, string(record.Data)+string(record.Content), "zebra")
		k.verify()

		k.desk.knows(k.bob)
		_, err = k.alice.Examine(ctx, receipt.Ticket, receipt.Version)
		require.NoError(t, err)
		event, _ = k.last(receipt.Ticket, "examined")
		require.Equal(t, incident.TrustSigned, event.(incident.Examined).Trust)
		before = k.snapshot()
		_, err = k.alice.Examine(ctx, receipt.Ticket, receipt.Version)
		require.NoError(t, err)
		require.Equal(t, before, k.snapshot(), "it is known now, and its own signature is no other's")

		again, m := k.take(strings.Replace(raw, "Subject: ...", "Subject: again", 1))
		require.Equal(t, incident.TrustNone, m.Trust, "the signature was used: %v", again.Verdict)
		require.Contains(t, strings.Join(m.Content.Authorship, " "), "taken from there")

		_, err = k.alice.Examine(ctx, receipt.Ticket, 1)
		require.ErrorIs(t, err, desk.ErrNoBody)
		_, err = k.alice.Examine(ctx, 99, 1)
		require.ErrorIs(t, err, storage.ErrNotFound)
	})
}

// opener is one that has trouble.
type opener func(context.Context, []byte) (mail.Opened, error)

func (o opener) Open(ctx context.Context, raw []byte) (mail.Opened, error) { return o(ctx, raw) }

// An opener that fails, or never answers, neither loses a mail nor holds it up.
func TestOpenerInTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var trouble opener
		k := newKeyed(t, func(c *desk.Config) {
			c.Opener = opener(func(ctx context.Context, raw []byte) (mail.Opened, error) { return trouble(ctx, raw) })
		})
		for name, with := range map[string]opener{
			"fails": func(context.Context, []byte) (mail.Opened, error) {
				return mail.Opened{}, errors.New("the key server is away\x00")
			},
			"hangs": func(ctx context.Context, _ []byte) (mail.Opened, error) {
				<-ctx.Done()
				return mail.Opened{}, ctx.Err()
			},
		} {
			trouble = with
			raw := k.bob.write(mail.Always, mail.Always, "Scan "+name, secret)
			start := time.Now()
			receipt, m := k.take(raw)
			require.LessOrEqual(t, time.Since(start), 10*time.Second, name)
			require.Equal(t, []string{incident.FlagUnopened}, m.Flags, name)
			require.Contains(t, m.Content.Findings[0], "it could not be opened when it came", name)
			waiting, cancel := context.WithTimeout(ctx, time.Second)
			_, err := k.alice.Opened(waiting, receipt.Ticket, receipt.Version)
			require.Error(t, err)
			before := k.snapshot()
			_, err = k.alice.Examine(waiting, receipt.Ticket, receipt.Version)
			require.Error(t, err)
			require.Equal(t, before, k.snapshot())
			cancel()
			trouble = k.desk.Open
			_, err = k.alice.Examine(ctx, receipt.Ticket, receipt.Version)
			require.NoError(t, err)
			event, _ := k.last(receipt.Ticket, "examined")
			require.Equal(t, incident.TrustSigned, event.(incident.Examined).Trust, name)
		}
	})
}

// What a mail says to a rule is its opened text.
func TestRulesReadOpenedText(t *testing.T) {
	asked := 0
	k := newKeyed(t, func(c *desk.Config) {
		box := c.Opener
		c.Opener = opener(func(ctx context.Context, raw []byte) (mail.Opened, error) {
			asked++
			return box.Open(ctx, raw)
		})
		c.Policy = workflow.Default()
		for i, r := range c.Policy.Rules {
			if r.Name == "approve-block" {
				c.Policy.Rules[i].Params = workflow.ApproveBlock{Regexp: `(?i)\bdone\b`}
			}
		}
		c.Policy.MailTrust.Approve = incident.TrustSigned
	})
	inc := k.incident()
	block := k.child(incident.KindBlock, inc)
	k.take(k.bob.write(mail.Always, mail.Always, tagged(block), "Not yet."))
	k.status("pending activation", block)
	asked = 0
	k.take(k.bob.write(mail.Always, mail.Always, tagged(block), "Done."))
	k.status("active", block)
	require.Equal(t, 1, asked, "no rule waits for the opener inside of the transaction")
}

// A mail with many protections leaves a short record.
func TestLayersAreBounded(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	layer := incident.Layer{Protocol: "openpgp", Recipients: make([]string, 500), Why: []string{long, "bad \xff"}}
	for range 500 {
		layer.Signatures = append(layer.Signatures, incident.Signature{State: incident.SignatureBad, Why: long, Signers: make([]string, 500)})
	}
	k := newKeyed(t, func(c *desk.Config) {
		c.Opener = opener(func(_ context.Context, raw []byte) (mail.Opened, error) {
			return mail.Opened{Mail: bytes.Clone(raw), Layers: []incident.Layer{layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer, layer}}, nil
		})
	})
	_, m := k.take("From: bob@example.org\r\n\r\nx")
	require.Len(t, m.Content.Layers, 20)
	require.Len(t, m.Content.Layers[0].Recipients, 20)
	require.Len(t, m.Content.Layers[0].Signatures, 20)
	require.Len(t, m.Content.Layers[0].Signatures[0].Signers, 20)
	require.Len(t, m.Content.Layers[0].Why[0], 4000)
	require.Equal(t, "bad \uFFFD", m.Content.Layers[0].Why[1])
	require.LessOrEqual(t, len(m.Content.Authorship), 50)
}
