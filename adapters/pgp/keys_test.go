package pgp

import (
	"bytes"
	"context"
	"crypto"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

// day0 is when the keys of tests are made.
var day0 = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// newKey makes a key; days is how long it is valid, 0 for ever.
func newKey(t testing.TB, address string, days int) *openpgp.Entity {
	t.Helper()
	e, err := openpgp.NewEntity("Test", "", address, &packet.Config{
		Algorithm: packet.PubKeyAlgoEdDSA, DefaultHash: crypto.SHA256,
		Time: at(day0), KeyLifetimeSecs: uint32(days) * 24 * 3600,
	})
	require.NoError(t, err)
	return e
}

func public(t testing.TB, entities ...*openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, e := range entities {
		require.NoError(t, e.Serialize(&b))
	}
	return b.Bytes()
}

func secret(t testing.TB, e *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, e.SerializePrivateWithoutSigning(&b, nil))
	return b.Bytes()
}

func armoured(t testing.TB, binary []byte, kind blockKind) []byte {
	t.Helper()
	text, err := armour(binary, "PGP "+string(kind))
	require.NoError(t, err)
	return text
}

// desk is a team with a key, and a contact, alice@example.net, with one.
type desk struct {
	*PGP
	ring        *Keyring
	team, alice *openpgp.Entity
}

func newDesk(t testing.TB, config Config) desk {
	t.Helper()
	d := desk{ring: &Keyring{}, team: newKey(t, "team@example.org", 0), alice: newKey(t, "alice@example.net", 0)}
	if config.Now == nil {
		config.Now = at(day0.Add(time.Hour))
	}
	_, err := d.ring.AddTeam("team@example.org", secret(t, d.team), nil)
	require.NoError(t, err)
	_, err = d.ring.Add("alice@example.net", public(t, d.alice))
	require.NoError(t, err)
	d.PGP, err = New(d.ring, config)
	require.NoError(t, err)
	return d
}

func TestAdd(t *testing.T) {
	one, two, three := newKey(t, "one@example.net", 0), newKey(t, "two@example.net", 0), newKey(t, "three@example.net", 0)
	broken := public(t, two)
	broken[8] = 99 // of no algorithm that there is

	ring := &Keyring{}
	for name, material := range map[string][]byte{
		"binary":   append(append(public(t, one), broken...), public(t, three)...),
		"armoured": append(append(append([]byte("Our keys:\n"), armoured(t, public(t, one), publicKeyBlock)...), armoured(t, broken, publicKeyBlock)...), append([]byte("\n"), armoured(t, public(t, three), publicKeyBlock)...)...),
	} {
		if name == "armoured" {
			material = bytes.ReplaceAll(material, []byte("-----END PGP PUBLIC KEY BLOCK-----"), []byte("-----END PGP PUBLIC KEY BLOCK-----\r\n"))
		}
		infos, err := ring.Add("Alice@example.net", material)
		require.NoError(t, err, name)
		require.Len(t, infos, 3, name)
		require.Equal(t, []mail.KeyState{mail.Usable, mail.Unfit, mail.Usable}, []mail.KeyState{infos[0].State, infos[1].State, infos[2].State}, name)
		require.Contains(t, infos[1].Why, "cannot be read")
		require.Equal(t, []string{"alice@example.net"}, infos[0].Addresses)
		require.Equal(t, []string{"Test <one@example.net>"}, infos[0].Claims)
		require.Len(t, infos[0].Fingerprint, 40)
		require.True(t, strings.HasSuffix(infos[0].Fingerprint, infos[0].KeyID))
		require.Equal(t, day0, infos[0].Created)
	}
	require.Len(t, ring.Keys(day0), 2, "the same keys again are the same")

	// A secret key that a contact sends is kept without its secret part.
	infos, err := ring.Add("two@example.net", secret(t, two))
	require.NoError(t, err)
	require.False(t, infos[0].Team)
	require.Nil(t, ring.byID(two.PrimaryKey.KeyId)[0].entity.PrivateKey)

	for _, material := range [][]byte{nil, []byte("hello"), []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nx\n"), bytes.Repeat([]byte("x"), maxMaterial+1)} {
		_, err := ring.Add("x@example.net", material)
		require.Error(t, err)
	}
	_, err = ring.Add("x@example.net", bytes.Repeat(public(t, one), maxMaterial/len(public(t, one))+1))
	require.ErrorContains(t, err, "allowed are")
	_, err = ring.Add("alice", public(t, one))
	require.ErrorContains(t, err, "allowed is name@example.org")
}

func TestPassphrase(t *testing.T) {
	const passphrase, wrong = "correct horse battery", "wrong donkey plug"
	e := newKey(t, "team@example.org", 0)
	require.NoError(t, e.EncryptPrivateKeys([]byte(passphrase), nil))
	locked := secret(t, e)
	ring := &Keyring{}
	for given, why := range map[string]string{"": "there is no passphrase", wrong: "does not unlock"} {
		infos, err := ring.AddTeam("team@example.org", locked, []byte(given))
		require.NoError(t, err)
		require.Equal(t, mail.Unfit, infos[0].State)
		require.Contains(t, infos[0].Why, why)
		require.NotContains(t, fmt.Sprintf("%+v", infos), wrong)
		require.Empty(t, ring.Keys(day0))
	}
	infos, err := ring.AddTeam("team@example.org", public(t, e), []byte(passphrase))
	require.NoError(t, err)
	require.Contains(t, infos[0].Why, "must be secret")
	require.NotContains(t, fmt.Sprintf("%+v", infos), passphrase)
	infos, err = ring.AddTeam("team@example.org", locked, []byte(passphrase))
	require.NoError(t, err)
	require.Equal(t, mail.Usable, infos[0].State)
	require.NotContains(t, fmt.Sprintf("%+v %+v %#v", infos, ring, *ring.keys[0]), passphrase)
	// A renewed public part does not take the secret one away.
	_, err = ring.Add("team@example.org", public(t, e))
	require.NoError(t, err)
	require.True(t, ring.Keys(day0)[0].Team)
}

// TestStates names what is wrong with each key, and one bad key does not stop
// the others.
func TestStates(t *testing.T) {
	ring := &Keyring{}
	add := func(address string, e *openpgp.Entity) string {
		infos, err := ring.Add(address, public(t, e))
		require.NoError(t, err)
		return infos[0].Fingerprint
	}
	add("good@example.net", newKey(t, "good@example.net", 0))
	expired := add("expired@example.net", newKey(t, "expired@example.net", 10))
	revokedKey := newKey(t, "revoked@example.net", 0)
	require.NoError(t, revokedKey.RevokeKey(packet.KeyCompromised, "stolen", &packet.Config{Time: at(day0)}))
	revoked := add("revoked@example.net", revokedKey)
	first := add("two@example.net", newKey(t, "two@example.net", 0))
	second := add("two@example.net", newKey(t, "two@example.net", 0))
	signOnly := newKey(t, "unfit@example.net", 0)
	signOnly.Subkeys = nil
	unfit := add("unfit@example.net", signOnly)
	// The main key is fine, and the part that encrypts is not.
	revokedPart := newKey(t, "revoked-part@example.net", 0)
	require.NoError(t, revokedPart.RevokeSubkey(&revokedPart.Subkeys[0], packet.KeySuperseded, "", &packet.Config{Time: at(day0)}))
	partRevoked := add("revoked-part@example.net", revokedPart)
	expiredPart := newKey(t, "expired-part@example.net", 0)
	week := uint32(7 * 24 * 3600)
	sub := expiredPart.Subkeys[0]
	sub.Sig.KeyLifetimeSecs = &week
	require.NoError(t, sub.Sig.SignKey(sub.PublicKey, expiredPart.PrivateKey, &packet.Config{Time: at(day0)}))
	partExpired := add("expired-part@example.net", expiredPart)
	// One expired and one good key: the good one is used.
	add("renewed@example.net", newKey(t, "renewed@example.net", 10))
	add("renewed@example.net", newKey(t, "renewed@example.net", 0))

	p, err := New(ring, Config{Now: at(day0.AddDate(0, 1, 0))})
	require.NoError(t, err)
	seal := func(want mail.Protection, to ...string) (mail.Sealed, *mail.SealError) {
		sealed, err := p.Seal(context.Background(), letter(t, "x"), mail.SealRequest{Encrypt: want, To: to})
		if err == nil {
			return sealed, nil
		}
		var refused *mail.SealError
		require.ErrorAs(t, err, &refused)
		require.Nil(t, sealed.Mail)
		return sealed, refused
	}
	all := []string{"good@example.net", "expired@example.net", "revoked@example.net", "two@example.net", "unfit@example.net", "nobody@example.net", "renewed@example.net", "revoked-part@example.net", "expired-part@example.net"}
	_, refused := seal(mail.Always, all...)
	want := []mail.KeyProblem{
		{Address: "expired@example.net", Fingerprint: expired, State: mail.Expired, Why: "on 2026-05-11"},
		{Address: "revoked@example.net", Fingerprint: revoked, State: mail.Revoked, Why: "by its owner"},
		{Address: "two@example.net", Fingerprint: first, State: mail.Ambiguous, Why: "say which one with Prefer"},
		{Address: "two@example.net", Fingerprint: second, State: mail.Ambiguous, Why: "say which one with Prefer"},
		{Address: "unfit@example.net", Fingerprint: unfit, State: mail.Unfit, Why: "no part of it encrypts"},
		{Address: "nobody@example.net", State: mail.Missing},
		{Address: "revoked-part@example.net", Fingerprint: partRevoked, State: mail.Revoked, Why: "no part of it encrypts any more"},
		{Address: "expired-part@example.net", Fingerprint: partExpired, State: mail.Expired, Why: "no part of it encrypts any more"},
	}
	require.Equal(t, want, refused.Problems)

	sealed, refused := seal(mail.WhenPossible, all...)
	require.Nil(t, refused)
	require.False(t, sealed.Encrypted)
	require.Equal(t, want, sealed.Problems)
	require.Equal(t, letter(t, "x"), sealed.Mail)

	require.False(t, ring.Prefer("good@example.net", second))
	require.True(t, ring.Prefer("two@example.net", first))
	require.True(t, ring.Prefer("Two@example.net", second))
	sealed, refused = seal(mail.Always, "good@example.net", "TWO@example.net", "renewed@example.net")
	require.Nil(t, refused)
	require.True(t, sealed.Encrypted)
	require.Contains(t, recipientsOf(t, p, sealed.Mail), subkeyID(ring, second))
	require.True(t, ring.Prefer("two@example.net", first))
	sealed, _ = seal(mail.Always, "two@example.net")
	require.Equal(t, []string{subkeyID(ring, first)}, recipientsOf(t, p, sealed.Mail))

	require.True(t, ring.Remove("two@example.net", first))
	require.False(t, ring.Remove("two@example.net", first))
	sealed, refused = seal(mail.Always, "two@example.net")
	require.Nil(t, refused)
	require.Equal(t, []string{subkeyID(ring, second)}, recipientsOf(t, p, sealed.Mail))

	_, refused = seal(mail.Always)
	require.ErrorContains(t, refused, "there is no recipient")
	states := map[mail.KeyState]int{}
	for _, info := range ring.Keys(day0.AddDate(0, 1, 0)) {
		states[info.State]++
	}
	require.Equal(t, map[mail.KeyState]int{mail.Usable: 4, mail.Expired: 3, mail.Revoked: 2}, states)
}

func subkeyID(ring *Keyring, fingerprint string) string {
	for _, k := range ring.all() {
		if k.is(fingerprint) {
			return keyID(k.entity.Subkeys[0].PublicKey.KeyId)
		}
	}
	return ""
}

func recipientsOf(t testing.TB, p *PGP, raw []byte) []string {
	opened := open(t, p, raw)
	require.Len(t, opened.Layers, 1)
	require.Equal(t, incident.DecryptionNoKey, opened.Layers[0].Decryption)
	return opened.Layers[0].Recipients
}

// TestConcurrent is for the race detector.
func TestConcurrent(t *testing.T) {
	d := newDesk(t, Config{})
	raw := letter(t, "Hello.")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				sealed, err := d.Seal(context.Background(), raw, mail.SealRequest{Sign: mail.Always, Encrypt: mail.Always, From: "team@example.org", To: []string{"alice@example.net", "team@example.org"}})
				if err != nil {
					t.Error(err)
					return
				}
				if opened, err := d.Open(context.Background(), sealed.Mail); err != nil || opened.Layers[0].Decryption != incident.Decrypted {
					t.Error(opened.Layers, err)
				}
				_, _ = d.ring.Add(fmt.Sprintf("c%d@example.net", i), public(t, d.alice))
				d.ring.Prefer("alice@example.net", d.ring.Keys(day0)[1].Fingerprint)
				d.ring.Remove(fmt.Sprintf("c%d@example.net", i), d.ring.Keys(day0)[1].Fingerprint)
			}
		})
	}
	wg.Wait()
}

// Taking one key away says nothing about which of the others is preferred.
func TestRemoveKeepsThePreferred(t *testing.T) {
	ring := &Keyring{}
	var prints []string
	for range 3 {
		infos, err := ring.Add("alice@example.net", public(t, newKey(t, "alice@example.net", 0)))
		require.NoError(t, err)
		prints = append(prints, infos[0].Fingerprint)
	}
	require.True(t, ring.Prefer("alice@example.net", prints[0]))
	require.True(t, ring.Remove("Alice@example.net", prints[2]))
	for _, k := range ring.all() {
		require.Equal(t, k.is(prints[0]), len(k.preferred) == 1)
	}
	require.True(t, ring.Prefer("alice@example.net", prints[1]))
	for _, k := range ring.all() {
		require.Equal(t, k.is(prints[1]), len(k.preferred) == 1)
	}
}
