package desk_test

import (
	"bytes"
	"crypto"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	msgauth "github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/memory"
	"github.com/airtight-csirt/airtight/adapters/pgp"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// person is somebody with a mail program that speaks OpenPGP.
type person struct {
	*pgp.PGP
	t       testing.TB
	address string
	key     *openpgp.Entity
	ring    *pgp.Keyring
	now     func() time.Time
}

var keysFrom = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// newPerson makes a person with a key whose clock is that of now.
func newPerson(t testing.TB, address string, now func() time.Time) *person {
	t.Helper()
	key, err := openpgp.NewEntity("", "", address, &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return keysFrom }})
	require.NoError(t, err)
	p := &person{t: t, address: address, key: key, ring: &pgp.Keyring{}, now: now}
	_, err = p.ring.AddTeam(address, p.secret(), nil)
	require.NoError(t, err)
	p.PGP, err = pgp.New(p.ring, pgp.Config{Now: now})
	require.NoError(t, err)
	return p
}

func (p *person) secret() []byte {
	var b bytes.Buffer
	require.NoError(p.t, p.key.SerializePrivate(&b, nil))
	return b.Bytes()
}

func (p *person) public() []byte {
	var b bytes.Buffer
	require.NoError(p.t, p.key.Serialize(&b))
	return b.Bytes()
}

// knows puts the keys of others into the ring.
func (p *person) knows(others ...*person) *person {
	for _, o := range others {
		_, err := p.ring.Add(o.address, o.public())
		require.NoError(p.t, err)
	}
	return p
}

// write makes a mail to the desk and seals it.
func (p *person) write(sign, encrypt mail.Protection, subject, text string) string {
	p.t.Helper()
	return p.seal(sign, encrypt, fmt.Sprintf("From: %s\r\nTo: csirt@example.net\r\nSubject: %s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s\r\n", p.address, subject, text))
}

func (p *person) seal(sign, encrypt mail.Protection, raw string) string {
	p.t.Helper()
	sealed, err := p.Seal(ctx, []byte(raw), mail.SealRequest{Sign: sign, Encrypt: encrypt, From: p.address, To: []string{"csirt@example.net"}})
	require.NoError(p.t, err)
	return string(sealed.Mail)
}

// hidden makes a mail whose subject is encrypted too (RFC 9788 and before).
func (p *person) hidden(to *person, subject, text string) string {
	p.t.Helper()
	var b bytes.Buffer
	a, err := armor.Encode(&b, "PGP MESSAGE", nil)
	require.NoError(p.t, err)
	w, err := openpgp.Encrypt(a, openpgp.EntityList{to.key}, p.key, nil, &packet.Config{Time: p.now, DefaultHash: crypto.SHA256})
	require.NoError(p.t, err)
	_, err = io.WriteString(w, "Content-Type: text/plain; charset=utf-8; protected-headers=v1\r\nSubject: "+subject+"\r\n\r\n"+text+"\r\n")
	require.NoError(p.t, err)
	require.NoError(p.t, w.Close())
	require.NoError(p.t, a.Close())
	return fmt.Sprintf("From: %s\r\nTo: csirt@example.net\r\nSubject: ...\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/encrypted; protocol=\"application/pgp-encrypted\"; boundary=x\r\n\r\n"+
		"--x\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--x\r\nContent-Type: application/octet-stream\r\n\r\n%s\r\n--x--\r\n",
		p.address, strings.ReplaceAll(b.String(), "\n", "\r\n"))
}

// keyed is a world whose desk has keys: its own, and that of Bob, who has the desk's.
type keyed struct {
	*world
	desk, bob *person
}

func newKeyed(t testing.TB, change ...func(*desk.Config)) *keyed {
	return newKeyedOn(t, memory.New(), change...)
}

func newKeyedOn(t testing.TB, store storage.Store, change ...func(*desk.Config)) *keyed {
	t.Helper()
	k := &keyed{}
	clock := func() time.Time { return k.now }
	k.desk, k.bob = newPerson(t, "csirt@example.net", clock), newPerson(t, "bob@example.org", clock)
	k.desk.knows(k.bob)
	k.bob.knows(k.desk)
	k.world = newWorldOn(t, store, append([]func(*desk.Config){func(c *desk.Config) { c.Opener, c.Sealer = k.desk, k.desk }}, change...)...)
	return k
}

// take takes in a mail as it is, from its first author.
func (w *world) take(raw string) (*desk.Receipt, incident.Message) {
	w.t.Helper()
	m, _ := mail.Parse([]byte(raw), mail.Limits{})
	receipt := w.raw(m.From[0].Address, raw)
	require.False(w.t, receipt.Again)
	event, record := w.last(receipt.Ticket, "message")
	require.Equal(w.t, receipt.Version, record.Version)
	return receipt, event.(incident.Message)
}

// everything is all that a store keeps, bodies too.
func (w *world) everything() string {
	w.t.Helper()
	var b strings.Builder
	b.WriteString(w.snapshot())
	for _, t := range w.all() {
		for _, r := range w.history(t.ID) {
			b.Write(r.Data)
			b.Write(r.Content)
			for n := range r.Blobs {
				body, err := w.alice.Attachment(ctx, t.ID, r.Version, n)
				if n == 0 {
					body, err = w.alice.Body(ctx, t.ID, r.Version)
				}
				require.NoError(w.t, err)
				b.Write(body)
			}
		}
	}
	return b.String()
}

func (w *world) all() []incident.Ticket {
	w.t.Helper()
	list, err := w.alice.Find(ctx, allTickets)
	require.NoError(w.t, err)
	return list
}

// signDKIM signs a mail for a domain.
func signDKIM(t testing.TB, raw, domain string, key crypto.Signer) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, msgauth.Sign(&b, strings.NewReader(raw), &msgauth.SignOptions{
		Domain: domain, Selector: "s", Signer: key,
		HeaderCanonicalization: msgauth.CanonicalizationRelaxed, BodyCanonicalization: msgauth.CanonicalizationRelaxed,
	}))
	return b.String()
}

// withPolicy changes the policy of a world.
func withPolicy(change func(*workflow.Policy)) func(*desk.Config) {
	return func(c *desk.Config) { change(c.Policy) }
}
