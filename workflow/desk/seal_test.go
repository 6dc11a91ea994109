package desk_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/ProtonMail/gopenpgp/v2/crypto"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/adapters/pgp"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

const (
	never    = workflow.ProtectNever
	possible = workflow.ProtectWhenPossible
	always   = workflow.ProtectAlways
)

// sealing gives all mail of a kind one protection, whatever the rest has.
func sealing(replies, requests, notices workflow.Seal) func(*desk.Config) {
	return withPolicy(func(p *workflow.Policy) {
		p.Sealing = workflow.Sealing{Replies: replies, Requests: requests, Notices: notices}
	})
}

// mails returns what waits in the outbox, by recipient, oldest first.
func (w *world) mails() map[string][]string {
	w.t.Helper()
	found := map[string][]string{}
	for _, row := range w.outgoing() {
		found[row.To] = append(found[row.To], string(w.blob(row.Blob)))
	}
	return found
}

func (w *world) blob(digest incident.Digest) (content []byte) {
	w.t.Helper()
	require.NoError(w.t, w.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		blob, err := r.OpenBlob(ctx, digest)
		if err != nil {
			return err
		}
		defer blob.Close()
		var b bytes.Buffer
		_, err = b.ReadFrom(blob)
		content = b.Bytes()
		return err
	}))
	return content
}

// reads opens a mail as its recipient does.
func (p *person) reads(raw string) (mail.Opened, *mail.Message) {
	p.t.Helper()
	opened, err := p.Open(ctx, []byte(raw))
	require.NoError(p.t, err)
	m, err := mail.Parse(opened.Mail, mail.Limits{})
	require.NoError(p.t, err)
	return opened, m
}

const reply = "The way in is kept-secret at 192.0.2.9."

// Replies are signed and encrypted, attachments too, and each recipient gets what
// their key allows.
func TestSealedReplies(t *testing.T) {
	k := newKeyed(t)
	carol := newPerson(t, "carol@example.org", k.bob.now)
	dave := newPerson(t, "dave@example.org", k.bob.now)
	k.desk.knows(carol)
	carol.knows(k.desk)
	dave.knows(k.desk)
	report := k.receive("bob@example.org", "Scan", "").Ticket
	k.do(workflow.Edit{Ticket: report, AddCc: []incident.Party{{Address: "carol@example.org"}, {Address: "dave@example.org"}, {Address: "erin@example.org"}}})
	result := k.do(workflow.Reply{Ticket: report, Text: reply, Attachments: []workflow.File{{Name: "way.txt", Type: "text/plain", Content: []byte("attached-secret")}}})

	mails := k.mails()
	require.Len(t, mails, 4)
	for _, who := range []*person{k.bob, carol} {
		raw := mails[who.address][0]
		require.NotContains(t, raw, "secret")
		opened, m := who.reads(raw)
		signature, ok := opened.Signed()
		require.True(t, ok)
		require.Equal(t, []string{"csirt@example.net"}, signature.Signers)
		require.Contains(t, m.Text, reply)
		require.Equal(t, "attached-secret", string(m.Parts[len(m.Parts)-1].Content))
		require.Equal(t, []string{"bob@example.org"}, addresses(m.To))
		require.Equal(t, []string{"carol@example.org", "dave@example.org", "erin@example.org"}, addresses(m.Cc))
		require.Len(t, opened.Layers[0].Recipients, 1, "nobody sees whose keys there are")
	}
	require.Equal(t, mails["dave@example.org"], mails["erin@example.org"], "one signed mail for those without a key")
	opened, m := dave.reads(mails["dave@example.org"][0])
	_, ok := opened.Signed()
	require.True(t, ok)
	require.False(t, opened.Layers[0].Encrypted)
	require.Contains(t, m.Text, reply)

	event, record := k.last(report, "message")
	sealed := event.(incident.Message).Content.Sealed
	require.Len(t, sealed, 3)
	require.Equal(t, []string{"bob@example.org"}, sealed[0].To)
	require.True(t, sealed[0].Signed && sealed[0].Encrypted && sealed[1].Encrypted && sealed[2].Signed)
	require.Equal(t, []string{"dave@example.org", "erin@example.org"}, sealed[2].To)
	require.Equal(t, []string{"dave@example.org: missing", "erin@example.org: missing"}, sealed[2].Why)
	require.Len(t, record.Blobs, 4)
	require.Len(t, result.Records, 1)
	require.NotContains(t, string(record.Data), "@", "what names a person can be erased")

	body, err := k.alice.Body(ctx, report, record.Version)
	require.NoError(t, err)
	require.Contains(t, string(body), "kept-secret", "the team reads what it wrote")
	require.NotContains(t, string(body), "BEGIN PGP")
	read, err := k.alice.Opened(ctx, report, record.Version)
	require.NoError(t, err)
	require.Equal(t, body, read.Mail)

	answer, _ := k.take(k.bob.seal(mail.Always, mail.Always, "From: bob@example.org\r\nIn-Reply-To: <"+event.(incident.Message).Content.MessageID+">\r\n\r\nThanks."))
	require.Equal(t, report, answer.Ticket)
}

func addresses(list []incident.Party) (all []string) {
	for _, p := range list {
		all = append(all, p.Address)
	}
	return all
}

// The mail that begins an investigation or a block is signed and encrypted as the
// policy says; without a key that is demanded nothing is made.
func TestSealedRequests(t *testing.T) {
	for _, kind := range []incident.Kind{incident.KindInvestigation, incident.KindBlock} {
		k := newKeyed(t, sealing(workflow.Seal{}, workflow.Seal{Sign: always, Encrypt: always}, workflow.Seal{}))
		inc := k.incident()
		open := workflow.Open{Kind: kind, Parents: []incident.ID{inc}, Subject: "x", Text: reply, Requestors: []incident.Party{{Address: "bob@example.org"}}}
		ticket := k.do(open).Opened[0]
		opened, m := k.bob.reads(k.mails()["bob@example.org"][0])
		_, ok := opened.Signed()
		require.True(t, ok && opened.Layers[0].Encrypted)
		require.Contains(t, m.Text, reply)

		k.do(workflow.Reply{Ticket: ticket, Text: reply})
		require.Contains(t, k.mails()["bob@example.org"][1], "kept-secret", "replies are as they are")

		open.Cc = []incident.Party{{Address: "carol@example.org"}, {Address: "dave@example.org"}}
		err := k.refused(open)
		require.ErrorContains(t, err, "carol@example.org: missing")
		require.ErrorContains(t, err, "dave@example.org: missing")
		require.NotContains(t, err.Error(), "bob@example.org")
		require.ErrorAs(t, err, new(*desk.UnsealedError))
		require.ErrorAs(t, err, new(*mail.SealError))
		_, err = k.alice.Preview(ctx, open)
		require.ErrorAs(t, err, new(*desk.UnsealedError), "a preview says so too")
	}
}

// bodies is a store that remembers what bodies it was given.
type bodies struct {
	storage.Store
	put []string
}

func (b *bodies) Update(ctx context.Context, fn func(context.Context, storage.Tx) error) error {
	return b.Store.Update(ctx, func(ctx context.Context, tx storage.Tx) error { return fn(ctx, bodiesTx{tx, b}) })
}

type bodiesTx struct {
	storage.Tx
	of *bodies
}

func (tx bodiesTx) PutBlob(ctx context.Context, content []byte) (incident.Digest, error) {
	tx.of.put = append(tx.of.put, string(content))
	return tx.Tx.PutBlob(ctx, content)
}

// A mail to the reporters of an incident is one for each, sealed by itself: all go
// or none.
func TestSealedReplyAll(t *testing.T) {
	k := newKeyed(t, sealing(workflow.Seal{Sign: possible, Encrypt: always}, workflow.Seal{}, workflow.Seal{}))
	carol := newPerson(t, "carol@example.org", k.bob.now)
	carol.knows(k.desk)
	inc := k.incident()
	one := k.child(incident.KindReport, inc)
	two := k.do(workflow.Open{Kind: incident.KindReport, Parents: []incident.ID{inc}, Requestors: []incident.Party{{Address: "carol@example.org"}}}).Opened[0]
	all := workflow.ReplyAll{Ticket: inc, Text: reply}
	err := k.refused(all)
	require.ErrorContains(t, err, "ticket "+two.String()+" is not sent")
	require.ErrorContains(t, err, "carol@example.org: missing")
	require.Empty(t, k.outgoing())

	k.desk.knows(carol)
	k.do(all)
	for _, who := range []*person{k.bob, carol} {
		opened, m := who.reads(k.mails()[who.address][0])
		_, ok := opened.Signed()
		require.True(t, ok && opened.Layers[0].Encrypted, who.address)
		require.Contains(t, m.Text, reply)
	}
	require.NotEqual(t, one, two)
}

// What a kind of mail or a recipient needs is the policy's to say.
func TestSealingByPolicy(t *testing.T) {
	k := newKeyed(t, sealing(workflow.Seal{Sign: possible, Encrypt: possible}, workflow.Seal{}, workflow.Seal{}), withPolicy(func(p *workflow.Policy) {
		p.Sealing.Recipients = map[string]workflow.Seal{"@example.org": {Sign: never, Encrypt: never}, "noc@example.org": {Encrypt: always}}
	}))
	report := k.receive("bob@example.org", "Scan", "").Ticket
	k.do(workflow.Reply{Ticket: report, Text: reply})
	event, record := k.last(report, "message")
	require.Empty(t, event.(incident.Message).Content.Sealed)
	require.Len(t, record.Blobs, 1)
	require.Contains(t, k.mails()["bob@example.org"][0], "kept-secret")
	require.NotContains(t, k.mails()["bob@example.org"][0], "PGP")
	require.ErrorContains(t, k.refused(workflow.Reply{Ticket: report, Text: reply, Cc: []incident.Party{{Address: "noc@example.org"}}}), "noc@example.org: missing")
}

// A desk without keys refuses what must be sealed, and sends the rest.
func TestWithoutSealer(t *testing.T) {
	for how, fails := range map[workflow.Protection]bool{never: false, possible: false, always: true} {
		k := newKeyed(t, sealing(workflow.Seal{Sign: how}, workflow.Seal{}, workflow.Seal{}), func(c *desk.Config) { c.Sealer = nil })
		report := k.receive("bob@example.org", "Scan", "").Ticket
		command := workflow.Reply{Ticket: report, Text: reply}
		if fails {
			require.ErrorContains(t, k.refused(command), "this desk has no keys: set Config.Sealer")
			continue
		}
		k.do(command)
		require.Contains(t, k.mails()["bob@example.org"][0], "kept-secret")
	}
}

// Where it is to be done when possible, a team key that is missing stops nothing.
func TestWithoutTeamKey(t *testing.T) {
	k := newKeyed(t, func(c *desk.Config) { c.From.Address = "other@example.net" })
	report := k.receive("bob@example.org", "Scan", "").Ticket
	k.do(workflow.Reply{Ticket: report, Text: reply})
	event, _ := k.last(report, "message")
	sealed := event.(incident.Message).Content.Sealed
	require.Len(t, sealed, 1)
	require.True(t, sealed[0].Encrypted && !sealed[0].Signed)
	require.Equal(t, []string{"other@example.net: missing"}, sealed[0].Why)
}

// Mail of rules that cannot be sealed is not sent, and the record that says so names
// nobody. What came in stays.
func TestSealedNotices(t *testing.T) {
	store := &bodies{Store: memory.New()}
	k := newKeyedOn(t, store, func(c *desk.Config) {
		c.Policy = workflow.Default()
		c.Policy.Sealing = workflow.Sealing{Notices: workflow.Seal{Sign: always, Encrypt: always}}
		c.Team = []desk.Member{{Address: "alice@example.net"}, {Address: "duty@example.net", Actor: incident.Duty}}
	})
	report := k.child(incident.KindReport)
	k.do(workflow.Assign{Ticket: report, To: "handler:alice"})
	store.put = nil
	receipt := k.answer(report)
	require.Equal(t, report, receipt.Ticket)
	require.Empty(t, k.outgoing())
	require.Len(t, store.put, 1, "what was not sent is not kept, only what came")
	event, record := k.last(report, "skipped")
	require.Equal(t, incident.Skipped{Rule: "notify-reply", Command: "notify", Why: "it cannot be signed or encrypted as the policy demands"}, event)
	require.NotContains(t, string(record.Data)+string(record.Content), "@")

	alice := newPerson(t, "alice@example.net", k.bob.now).knows(k.desk)
	k.desk.knows(alice)
	k.answer(report)
	opened, m := alice.reads(k.mails()["alice@example.net"][0])
	_, ok := opened.Signed()
	require.True(t, ok && opened.Layers[0].Encrypted)
	require.NotEmpty(t, m.Text)
	notified, _ := k.last(report, "notified")
	require.True(t, notified.(incident.Notified).Content.Sealed[0].Encrypted)
}

// sealer is one that has trouble.
type sealer func() error

func (s sealer) Seal(context.Context, []byte, mail.SealRequest) (mail.Sealed, error) {
	return mail.Sealed{}, s()
}

// A sealer that can say nothing now stops the mail: it might have to be encrypted.
// Mail that comes in is kept all the same.
func TestSealerInTrouble(t *testing.T) {
	k := newKeyed(t, func(c *desk.Config) {
		c.Policy = workflow.Default()
		c.Team = []desk.Member{{Address: "alice@example.net"}}
		c.Sealer = sealer(func() error { return errors.New("the card is not in") })
	})
	report := k.child(incident.KindReport)
	err := k.refused(workflow.Reply{Ticket: report, Text: reply})
	require.EqualError(t, err, "desk: the mail on ticket "+report.String()+" is not sent: the card is not in")
	receipt := k.answer(report)
	require.False(t, receipt.Held)
	event, _ := k.last(report, "skipped")
	require.Equal(t, "notify", event.(incident.Skipped).Command)
}

// No passphrase gets into a record, a body, an error or the log.
func TestPassphraseStaysWhereItIs(t *testing.T) {
	const right, wrong = "planted-passphrase-1", "planted-passphrase-2"
	key, err := crypto.GenerateKey("", "csirt@example.net", "x25519", 0)
	require.NoError(t, err)
	locked, err := key.Lock([]byte(right))
	require.NoError(t, err)
	material, err := locked.Serialize()
	require.NoError(t, err)
	var log bytes.Buffer
	ring := &pgp.Keyring{}
	infos, err := ring.AddTeam("csirt@example.net", material, []byte(wrong))
	require.NoError(t, err)
	require.Equal(t, mail.Unfit, infos[0].State)
	said := infos[0].Why
	box, err := pgp.New(ring, pgp.Config{})
	require.NoError(t, err)

	k := newKeyed(t, sealing(workflow.Seal{Sign: always, Encrypt: always}, workflow.Seal{}, workflow.Seal{}), func(c *desk.Config) {
		c.Opener, c.Sealer = box, box
		c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	k.now = key.GetEntity().PrimaryKey.CreationTime
	report := k.child(incident.KindReport)
	said += k.refused(workflow.Reply{Ticket: report, Text: reply}).Error()

	_, err = ring.AddTeam("csirt@example.net", material, []byte(right))
	require.NoError(t, err)
	said += k.refused(workflow.Reply{Ticket: report, Text: reply}).Error()
	bob, err := crypto.GenerateKey("", "bob@example.org", "x25519", 0)
	require.NoError(t, err)
	public, err := bob.GetPublicKey()
	require.NoError(t, err)
	_, err = ring.Add("bob@example.org", public)
	require.NoError(t, err)
	k.do(workflow.Reply{Ticket: report, Text: reply})
	require.Contains(t, k.mails()["bob@example.org"][0], "BEGIN PGP MESSAGE")
	k.take(k.bob.write(mail.Always, mail.Always, "Scan", "x"))
	for _, passphrase := range []string{right, wrong} {
		for where, text := range map[string]string{"errors": said, "the log": log.String(), "the store": k.everything(), "the key ring": strings.Join(infos[0].Claims, " ")} {
			require.NotContains(t, text, passphrase, where)
		}
	}
}
