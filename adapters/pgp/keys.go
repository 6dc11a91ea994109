package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/gopenpgp/v2/crypto"

	"github.com/airtight-csirt/airtight/mail"
)

// Limits of what [Keyring.Add] and [Keyring.AddTeam] read.
const (
	maxMaterial   = 4 << 20
	maxKeysInFile = 1000
)

// Keyring holds the keys of the team and of its contacts in memory. The zero
// value is empty and ready. It is safe for concurrent use: keys that are added
// count for the next mail.
type Keyring struct {
	mu   sync.RWMutex
	keys []*ringKey
}

// ringKey is a key with the addresses that the team keeps it for.
type ringKey struct {
	entity    *openpgp.Entity // never changed once it is in the ring
	addresses []string        // lower case
	preferred []string        // of addresses: where it is the one to use
	secret    bool            // a key of the team, unlocked
}

// KeyInfo describes a key of a ring.
type KeyInfo struct {
	KeyID       string // sixteen hexadecimal digits
	Fingerprint string
	Addresses   []string // for which the team keeps it
	Claims      []string // the names that it bears; they prove nothing
	Team        bool     // its secret part is here
	Created     time.Time
	Expires     time.Time // zero: never
	State       mail.KeyState
	Why         string // for a State but Usable
}

// Add puts the public keys of material, armoured or binary, into the ring, for a
// contact's address. Secret parts are left out. It returns all keys that it found; one
// that cannot be read has the state [mail.Unfit] and is not in the ring, and
// the others are. The error says that there is no key at all.
//
// A key that is there already is replaced, so that a new expiry date or a
// revocation counts; it keeps its other addresses. A key of the team stays as
// AddTeam read it: its revocation or new date is for AddTeam.
func (r *Keyring) Add(address string, material []byte) ([]KeyInfo, error) {
	return r.add(address, material, nil, false)
}

// AddTeam is [Keyring.Add] for secret keys of the team, which sign for address
// and open mail to it. The passphrase unlocks them; nil if they are not locked.
// It is not kept, and in no error. A key that it does not unlock is Unfit.
func (r *Keyring) AddTeam(address string, material, passphrase []byte) ([]KeyInfo, error) {
	return r.add(address, material, passphrase, true)
}

func (r *Keyring) add(address string, material, passphrase []byte, team bool) ([]KeyInfo, error) {
	if address = strings.ToLower(strings.TrimSpace(address)); !strings.Contains(address, "@") {
		return nil, fmt.Errorf("pgp: %q is no address to keep a key for: allowed is name@example.org", address)
	}
	if len(material) > maxMaterial {
		return nil, fmt.Errorf("pgp: %d bytes of keys for %s, allowed are %d", len(material), address, maxMaterial)
	}
	var list []KeyInfo
	chunks, err := keyChunks(material)
	for _, chunk := range chunks {
		k, why := readKey(chunk, passphrase, team)
		if k == nil {
			list = append(list, KeyInfo{Addresses: []string{address}, State: mail.Unfit, Why: why})
			continue
		}
		if why != "" {
			info := k.info(time.Now())
			info.Addresses, info.State, info.Why = []string{address}, mail.Unfit, why
			list = append(list, info)
			continue
		}
		k.addresses = []string{address}
		list = append(list, r.put(k).info(time.Now()))
	}
	if len(list) == 0 {
		return nil, errors.Join(fmt.Errorf("pgp: no key for %s: allowed are OpenPGP keys, armoured or binary", address), err)
	}
	return list, nil
}

// put adds k, or replaces what is there of the same key.
func (r *Keyring) put(k *ringKey) *ringKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, old := range r.keys {
		if bytes.Equal(old.entity.PrimaryKey.Fingerprint, k.entity.PrimaryKey.Fingerprint) {
			merged := *k
			merged.addresses = append([]string(nil), old.addresses...)
			if !slices.Contains(merged.addresses, k.addresses[0]) {
				merged.addresses = append(merged.addresses, k.addresses[0])
			}
			merged.preferred = old.preferred
			if old.secret && !k.secret {
				merged.entity, merged.secret = old.entity, true
			}
			r.keys[i] = &merged
			return &merged
		}
	}
	r.keys = append(r.keys, k)
	return k
}

// Prefer says which of several keys of an address is to be used, by its
// fingerprint. It is false if there is no such key.
func (r *Keyring) Prefer(address, fingerprint string) bool {
	address = strings.ToLower(address)
	return r.change(address, fingerprint, func(k *ringKey) {
		if k.preferred = without(k.preferred, address); k.is(fingerprint) {
			k.preferred = append(k.preferred, address)
		}
	})
}

// Remove takes a key away from an address, and out of the ring if it has no
// other. It is false if there is no such key.
func (r *Keyring) Remove(address, fingerprint string) bool {
	address = strings.ToLower(address)
	ok := r.change(address, fingerprint, func(k *ringKey) {
		if k.is(fingerprint) {
			k.addresses, k.preferred = without(k.addresses, address), without(k.preferred, address)
		}
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = slices.DeleteFunc(r.keys, func(k *ringKey) bool { return len(k.addresses) == 0 })
	return ok
}

func without(addresses []string, address string) []string {
	return slices.DeleteFunc(addresses, func(a string) bool { return a == address })
}

// change replaces the keys of an address by changed copies, if one of them has the
// fingerprint.
func (r *Keyring) change(address, fingerprint string, f func(*ringKey)) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := slices.ContainsFunc(r.keys, func(k *ringKey) bool { return k.is(fingerprint) && slices.Contains(k.addresses, address) })
	if !found {
		return false
	}
	for i, k := range r.keys {
		if slices.Contains(k.addresses, address) {
			changed := *k
			changed.addresses, changed.preferred = slices.Clone(k.addresses), slices.Clone(k.preferred)
			f(&changed)
			r.keys[i] = &changed
		}
	}
	return true
}

// Keys describes all keys, in the order in which they came, as they stand at a
// time.
func (r *Keyring) Keys(at time.Time) []KeyInfo {
	var list []KeyInfo
	for _, k := range r.all() {
		list = append(list, k.info(at))
	}
	return list
}

func (r *Keyring) all() []*ringKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.keys)
}

// byID returns the keys that have the id, for themselves or a subkey.
func (r *Keyring) byID(id uint64) []*ringKey {
	return slices.DeleteFunc(r.all(), func(k *ringKey) bool {
		return len(openpgp.EntityList{k.entity}.KeysById(id)) == 0
	})
}

// purpose is what a key is wanted for.
type purpose int

const (
	forSigning purpose = iota
	forEncrypting
)

// one returns the key of an address, or says why there is none: no key, none
// that can be used, or several of which none is preferred.
func (r *Keyring) one(address string, want purpose, at time.Time) (*ringKey, []mail.KeyProblem) {
	address = strings.ToLower(address)
	var usable []*ringKey
	var problems []mail.KeyProblem
	for _, k := range r.all() {
		if !slices.Contains(k.addresses, address) || want == forSigning && !k.secret {
			continue
		}
		state, why := k.state(want, at)
		if state == mail.Usable {
			usable = append(usable, k)
		} else {
			problems = append(problems, mail.KeyProblem{Address: address, Fingerprint: k.fingerprint(), State: state, Why: why})
		}
	}
	if i := slices.IndexFunc(usable, func(k *ringKey) bool { return slices.Contains(k.preferred, address) }); i >= 0 {
		return usable[i], nil
	}
	switch {
	case len(usable) == 1:
		return usable[0], nil
	case len(usable) > 1:
		for _, k := range usable {
			problems = append(problems, mail.KeyProblem{Address: address, Fingerprint: k.fingerprint(), State: mail.Ambiguous, Why: "say which one with Prefer"})
		}
	case len(problems) == 0:
		problems = append(problems, mail.KeyProblem{Address: address, State: mail.Missing})
	}
	return nil, problems
}

func (k *ringKey) fingerprint() string { return fmt.Sprintf("%X", k.entity.PrimaryKey.Fingerprint) }

func (k *ringKey) is(fingerprint string) bool {
	return strings.EqualFold(strings.ReplaceAll(fingerprint, " ", ""), k.fingerprint())
}

// state says whether a key can be used now, and if not, why.
func (k *ringKey) state(want purpose, at time.Time) (mail.KeyState, string) {
	self, identity := k.entity.PrimarySelfSignature()
	switch {
	case self == nil:
		return mail.Unfit, "it does not certify itself"
	case k.entity.Revoked(at) || identity != nil && identity.Revoked(at):
		return mail.Revoked, "by its owner"
	case k.entity.PrimaryKey.KeyExpired(self, at) || self.SigExpired(at):
		if at.Before(k.entity.PrimaryKey.CreationTime) {
			return mail.Expired, "it is from the future: " + day(k.entity.PrimaryKey.CreationTime)
		}
		return mail.Expired, expiredOn(k.expires())
	}
	_, ok := k.entity.EncryptionKey(at)
	what := "no part of it encrypts"
	if want == forSigning {
		var key openpgp.Key
		key, ok = k.entity.SigningKey(at)
		ok = ok && (!k.secret || key.PrivateKey != nil && !key.PrivateKey.Dummy() && !key.PrivateKey.Encrypted)
		what = "no part of it signs"
	}
	if ok {
		return mail.Usable, ""
	}
	// The main key is fine; the part that would do it may be past its time.
	for _, sub := range k.entity.Subkeys {
		if want == forSigning && !sub.Sig.FlagSign || want == forEncrypting && !sub.Sig.FlagEncryptCommunications {
			continue
		}
		if sub.Revoked(at) {
			return mail.Revoked, what + " any more"
		}
		if sub.PublicKey.KeyExpired(sub.Sig, at) {
			return mail.Expired, what + " any more"
		}
	}
	return mail.Unfit, what
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func expiredOn(t time.Time) string {
	if t.IsZero() {
		return "" // the signature on it has expired, and says no date
	}
	return "on " + day(t)
}

// expires returns when the main key expires; zero: never.
func (k *ringKey) expires() time.Time {
	self, _ := k.entity.PrimarySelfSignature()
	if self == nil || self.KeyLifetimeSecs == nil || *self.KeyLifetimeSecs == 0 {
		return time.Time{}
	}
	return k.entity.PrimaryKey.CreationTime.Add(time.Duration(*self.KeyLifetimeSecs) * time.Second).UTC()
}

func (k *ringKey) info(at time.Time) KeyInfo {
	info := KeyInfo{
		KeyID:       keyID(k.entity.PrimaryKey.KeyId),
		Fingerprint: k.fingerprint(),
		Addresses:   slices.Clone(k.addresses),
		Team:        k.secret,
		Created:     k.entity.PrimaryKey.CreationTime.UTC(),
		Expires:     k.expires(),
	}
	for name := range k.entity.Identities {
		info.Claims = append(info.Claims, strings.ToValidUTF8(name, "\uFFFD"))
	}
	slices.Sort(info.Claims)
	if info.State, info.Why = k.state(forEncrypting, at); info.State == mail.Unfit {
		// A key that only signs is as good as another.
		info.State, info.Why = k.state(forSigning, at)
	}
	return info
}

// keyID writes an id as OpenPGP programs do.
func keyID(id uint64) string { return fmt.Sprintf("%016X", id) }

// keyChunks cuts material into the packets of one key each, so that a key that
// is broken takes no other with it. The error is that of the first thing that
// cannot be cut.
func keyChunks(material []byte) (chunks [][]byte, err error) {
	blocks := findBlocks(material)
	if len(blocks) == 0 {
		return splitKeys(material)
	}
	for _, b := range blocks {
		if b.kind != publicKeyBlock && b.kind != secretKeyBlock {
			continue
		}
		binary, e := unarmour(material[b.start:b.end], maxMaterial)
		if e != nil && err == nil {
			err = e
		}
		more, e := splitKeys(binary)
		if e != nil && err == nil {
			err = e
		}
		if chunks = append(chunks, more...); len(chunks) > maxKeysInFile {
			return chunks[:maxKeysInFile], fmt.Errorf("more than %d keys", maxKeysInFile)
		}
	}
	return chunks, err
}

// Tags of packets that begin a key (RFC 9580 5).
const (
	tagSecretKey = 5
	tagPublicKey = 6
)

func splitKeys(binary []byte) (chunks [][]byte, err error) {
	reader := packet.NewOpaqueReader(bytes.NewReader(binary))
	for len(chunks) <= maxKeysInFile {
		p, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return chunks, nil
		}
		if err != nil {
			return chunks, fmt.Errorf("no OpenPGP packet: %w", err)
		}
		if p.Tag == tagSecretKey || p.Tag == tagPublicKey {
			chunks = append(chunks, nil)
		}
		if len(chunks) == 0 {
			continue // something before the first key
		}
		var b bytes.Buffer
		if err := p.Serialize(&b); err != nil {
			return chunks, err
		}
		chunks[len(chunks)-1] = append(chunks[len(chunks)-1], b.Bytes()...)
	}
	return chunks, nil
}

// readKey reads one key. It returns a reason if the key cannot be used at all.
// Errors of the library are not passed on from unlocking, so that nothing of a
// passphrase can be in them.
func readKey(chunk, passphrase []byte, team bool) (k *ringKey, why string) {
	key, err := crypto.NewKey(chunk)
	if err != nil {
		return nil, "it cannot be read: " + err.Error()
	}
	if !team {
		if key.IsPrivate() {
			if key, err = key.ToPublic(); err != nil {
				return nil, "its public part cannot be taken: " + err.Error()
			}
		}
		return &ringKey{entity: key.GetEntity()}, ""
	}
	k = &ringKey{entity: key.GetEntity(), secret: true}
	if !key.IsPrivate() {
		return k, "it is a public key, and the team's must be secret ones"
	}
	if locked(k.entity) {
		if len(passphrase) == 0 {
			return k, "it is locked, and there is no passphrase"
		}
		if k.entity.DecryptPrivateKeys(passphrase) != nil || locked(k.entity) {
			return k, "the passphrase does not unlock it"
		}
	}
	return k, ""
}

// locked reports whether a secret part that is there needs a passphrase.
func locked(e *openpgp.Entity) bool {
	needs := func(p *packet.PrivateKey) bool { return p != nil && !p.Dummy() && p.Encrypted }
	return needs(e.PrivateKey) || slices.ContainsFunc(e.Subkeys, func(s openpgp.Subkey) bool { return needs(s.PrivateKey) })
}

// unarmour decodes one armoured block.
func unarmour(block []byte, limit int64) ([]byte, error) {
	decoded, err := armor.Decode(bytes.NewReader(block))
	if err != nil {
		return nil, fmt.Errorf("no armour: %w", err)
	}
	binary, err := io.ReadAll(io.LimitReader(decoded.Body, limit))
	if err != nil {
		return binary, fmt.Errorf("armour: %w", err)
	}
	return binary, nil
}

func entities(keys []*ringKey) (list openpgp.EntityList) {
	for _, k := range keys {
		list = append(list, k.entity)
	}
	return list
}

// openers is the part of a ring that decrypts. It finds no key to verify with:
// signatures are checked one by one by us, so that each is known with its
// signer. A key that is there twice is tried once.
type openers []*ringKey

func (o openers) entities() openpgp.EntityList {
	return entities(slices.DeleteFunc(slices.Clone(o), func(k *ringKey) bool { return !k.secret }))
}

// candidates returns the secret keys that are tried on a session key.
func (o openers) candidates(id uint64) []openpgp.Key {
	if id == 0 {
		return o.DecryptionKeys()
	}
	return o.KeysById(id)
}

// KeysById implements [openpgp.KeyRing].
func (o openers) KeysById(id uint64) []openpgp.Key { return o.entities().KeysById(id) }

// KeysByIdUsage implements [openpgp.KeyRing].
func (openers) KeysByIdUsage(uint64, byte) []openpgp.Key { return nil }

// DecryptionKeys implements [openpgp.KeyRing].
func (o openers) DecryptionKeys() []openpgp.Key { return o.entities().DecryptionKeys() }
