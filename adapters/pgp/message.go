package pgp

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/airtight-csirt/airtight/incident"
)

const (
	maxRecipients = 200 // session keys of one message
	maxTries      = 500 // session keys of one mail that our keys are tried on: a hidden one costs a try of each
	maxSignatures = 10  // of one part; more are not checked
	maxHashing    = 20  // times MaxBytes that are hashed for the signatures of one mail
	clockSkew     = time.Hour
)

// reading is what an Open needs of one mail.
type reading struct {
	ring   *Keyring
	now    time.Time
	budget int64  // bytes that may still be decrypted
	hashes int64  // bytes that may still be hashed
	tries  int    // of our keys that were made
	from   string // the only author; empty if there is none
}

// message opens a binary OpenPGP message. text is nil unless all of it was read
// and is intact.
func (r *reading) message(binary []byte, layer *incident.Layer) (text []byte) {
	encrypted, ids := recipients(binary)
	for _, id := range ids {
		layer.Recipients = append(layer.Recipients, keyID(id))
	}
	layer.Encrypted = encrypted
	fail := func(d incident.Decryption, format string, args ...any) []byte {
		layer.Why = append(layer.Why, fmt.Sprintf(format, args...))
		if encrypted || layer.Form == "mime" { // what RFC 3156 4 calls encrypted
			layer.Encrypted, layer.Decryption = true, d
		} else {
			layer.Signatures = append(layer.Signatures, incident.Signature{State: incident.SignatureUnreadable, Why: layer.Why[len(layer.Why)-1]})
		}
		return nil
	}
	if len(ids) > maxRecipients {
		layer.Recipients = nil
		return fail(incident.DecryptionTooLarge, "It is encrypted to more than %d keys.", maxRecipients)
	}
	ours := openers(r.ring.all())
	for _, id := range ids {
		r.tries += len(ours.candidates(id))
	}
	if r.tries > maxTries {
		return fail(incident.DecryptionTooLarge, "The mail has more than %d session keys to try.", maxTries)
	}
	// The text is limited by us, so that too much of it is known from damage; the
	// library's limit, a little above, is for what comes before it.
	limit, outer := r.budget, r.budget+64<<10
	details, err := openpgp.ReadMessage(bytes.NewReader(binary), ours, nil, &packet.Config{
		Time:                       func() time.Time { return r.now },
		MaxDecompressedMessageSize: &outer,
	})
	if err != nil {
		return r.refuse(err, fail)
	}
	text, err = io.ReadAll(io.LimitReader(details.UnverifiedBody, limit+1))
	if int64(len(text)) > limit {
		return fail(incident.DecryptionTooLarge, "Its text is larger than the %d bytes that are left of the limit.", limit)
	}
	if err != nil {
		return r.refuse(err, fail)
	}
	r.budget -= int64(len(text))
	if encrypted {
		layer.Decryption = incident.Decrypted
	}
	switch {
	case !details.IsSigned:
	case len(details.UnverifiedSignatures) == 0:
		why := "the signature that was announced is missing"
		if details.SignatureError != nil {
			why = "it cannot be read: " + details.SignatureError.Error()
		}
		layer.Signatures = append(layer.Signatures, incident.Signature{State: incident.SignatureUnreadable, KeyID: keyID(details.SignedByKeyId), Why: why})
	default:
		layer.Signatures = append(layer.Signatures, r.check(text, details.UnverifiedSignatures)...)
	}
	if text == nil {
		text = []byte{}
	}
	return text
}

// refuse says why a message cannot be opened.
func (r *reading) refuse(err error, fail func(incident.Decryption, string, ...any) []byte) []byte {
	var unsupported pgperrors.UnsupportedError
	switch {
	case errors.Is(err, pgperrors.ErrKeyIncorrect):
		return fail(incident.DecryptionNoKey, "None of the team's keys opens it.")
	case errors.As(err, &unsupported):
		return fail(incident.DecryptionUnsupported, "%s.", err)
	}
	return fail(incident.DecryptionDamaged, "It was changed, or is cut short: %s.", err)
}

// recipients looks at the packets before the encrypted data (RFC 9580 5.1).
func recipients(binary []byte) (encrypted bool, ids []uint64) {
	packets := packet.NewReader(bytes.NewReader(binary))
	for len(ids) <= maxRecipients {
		p, err := packets.Next()
		if err != nil {
			return encrypted, ids
		}
		switch p := p.(type) {
		case *packet.EncryptedKey:
			encrypted = true
			ids = append(ids, p.KeyId)
		case *packet.SymmetricKeyEncrypted, *packet.SymmetricallyEncrypted, *packet.AEADEncrypted:
			encrypted = true
			if _, password := p.(*packet.SymmetricKeyEncrypted); !password {
				return encrypted, ids
			}
		case *packet.Compressed, *packet.LiteralData, *packet.OnePassSignature:
			return encrypted, ids
		}
	}
	return encrypted, ids
}

// detached checks the signatures in a detached signature block.
func (r *reading) detached(signed, binary []byte) []incident.Signature {
	sigs, err := signaturePackets(binary)
	list := r.check(signed, sigs)
	switch old, ok := oldSignature(binary); {
	case err != nil:
		list = append(list, incident.Signature{State: incident.SignatureUnreadable, Why: "it cannot be read: " + err.Error()})
	case len(sigs) == 0 && ok:
		list = append(list, old)
	case len(sigs) == 0:
		list = append(list, incident.Signature{State: incident.SignatureUnreadable, Why: "there is no signature in it"})
	}
	return list
}

// oldSignature reads who made a signature of version 3 (RFC 4880 5.2.2), which
// the library passes over. GnuPG made them until about 2010, with SHA-1.
func oldSignature(signature []byte) (incident.Signature, bool) {
	const tagSignature, length = 2, 17
	p, err := packet.NewOpaqueReader(bytes.NewReader(signature)).Next()
	if err != nil || p.Tag != tagSignature || len(p.Contents) < length || p.Contents[0] != 3 {
		return incident.Signature{}, false
	}
	v := incident.Signature{
		State: incident.SignatureUnreadable,
		Why:   "it is of version 3, which is not checked any more",
		Made:  time.Unix(int64(binary.BigEndian.Uint32(p.Contents[3:])), 0).UTC(),
		KeyID: fmt.Sprintf("%X", p.Contents[7:15]),
	}
	if hash := p.Contents[16]; hash <= 3 { // MD5, SHA-1, RIPEMD-160 (RFC 9580 9.5)
		v.State = incident.SignatureWeak
		v.Why += ", and its hash proves nothing"
	}
	return v, true
}

func signaturePackets(binary []byte) (sigs []*packet.Signature, err error) {
	packets := packet.NewReader(bytes.NewReader(binary))
	for len(sigs) <= maxSignatures {
		p, err := packets.Next()
		if errors.Is(err, io.EOF) {
			return sigs, nil
		}
		if err != nil {
			return sigs, err
		}
		sig, ok := p.(*packet.Signature)
		if !ok {
			return sigs, fmt.Errorf("a packet %T is in it, and is no signature", p)
		}
		sigs = append(sigs, sig)
	}
	return sigs, nil
}

// check checks each signature on its own.
func (r *reading) check(signed []byte, sigs []*packet.Signature) (list []incident.Signature) {
	for i, sig := range sigs {
		if i == maxSignatures {
			list = append(list, incident.Signature{State: incident.SignatureUnreadable, Why: fmt.Sprintf("there are more than %d signatures; the others were not checked", maxSignatures)})
			break
		}
		list = append(list, r.checkOne(signed, sig))
	}
	return list
}

func (r *reading) checkOne(signed []byte, sig *packet.Signature) incident.Signature {
	v := incident.Signature{State: incident.SignatureUnreadable, Made: sig.CreationTime.UTC()}
	if sig.IssuerKeyId == nil {
		v.Why = "it does not say which key made it"
		return v
	}
	v.KeyID = keyID(*sig.IssuerKeyId)
	if sig.SigType != packet.SigTypeBinary && sig.SigType != packet.SigTypeText {
		v.Why = fmt.Sprintf("a signature of type %#02x is not about a text", int(sig.SigType))
		return v
	}
	if !proves(sig.Hash) {
		v.State, v.Why = incident.SignatureWeak, fmt.Sprintf("the hash %s proves nothing any more", sig.Hash)
		return v
	}
	candidates := r.ring.byID(*sig.IssuerKeyId)
	if len(candidates) == 0 {
		v.State, v.Why = incident.SignatureKeyUnknown, "the team does not have the key"
		return v
	}
	var b bytes.Buffer
	if err := sig.Serialize(&b); err != nil {
		v.Why = "it cannot be read: " + err.Error()
		return v
	}
	at := r.now
	if sig.CreationTime.After(at) && sig.CreationTime.Before(at.Add(clockSkew)) {
		at = sig.CreationTime // the clocks of two machines
	}
	for _, k := range candidates { // ids may collide: the signature itself decides
		if r.hashes -= int64(len(signed)); r.hashes < 0 {
			v.State, v.Why = incident.SignatureUnreadable, "the mail has more signatures of long texts than are checked"
			return v
		}
		_, signer, err := openpgp.VerifyDetachedSignature(openpgp.EntityList{k.entity}, bytes.NewReader(signed), bytes.NewReader(b.Bytes()), &packet.Config{Time: func() time.Time { return at }})
		switch {
		case signer == nil && errors.Is(err, pgperrors.ErrUnknownIssuer):
			v.State, v.Why = incident.SignatureKeyUnfit, "the key may not sign mail"
			continue
		case signer == nil:
			v.State, v.Why = incident.SignatureBad, "the text or the signature was changed"
			continue
		}
		v.State, v.Why = judge(err)
		v.Fingerprint, v.Signers = k.fingerprint(), append([]string(nil), k.addresses...)
		v.Signed = signedBy(v, signed)
		for _, a := range k.addresses {
			v.Sender = v.Sender || r.from != "" && a == r.from
		}
		return v
	}
	return v
}

// signedBy names what was signed, by whom and when. Line breaks do not count, as
// they do not for a signature of text.
func signedBy(v incident.Signature, signed []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %d ", v.Fingerprint, v.Made.Unix())
	h.Write(canonical(signed))
	return hex.EncodeToString(h.Sum(nil))
}

// judge says what is wrong with a signature that is intact.
func judge(err error) (incident.SignatureState, string) {
	switch {
	case err == nil:
		return incident.SignatureGood, ""
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return incident.SignatureKeyExpired, "the key has expired"
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return incident.SignatureKeyRevoked, "the key was revoked"
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return incident.SignatureExpired, "the signature has expired, or is from the future"
	}
	return incident.SignatureKeyUnfit, err.Error()
}

// proves reports whether nobody can make two texts of one such hash.
func proves(h crypto.Hash) bool {
	switch h {
	case crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512:
		return true
	}
	return false
}
