package mail

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Opener takes off what protects a mail: OpenPGP (adapters/pgp), or S/MIME. It
// is safe for concurrent use.
//
// That a signature is bad or a key is missing is no error but an
// [incident.Layer]: a mail with anything wrong in it is opened as far as it can
// be. An error means that nothing can be said now, because ctx ended or keys
// could not be fetched; its text is stored beside the mail, so that there may be
// no secret in it. A mail whose layer says [incident.DecryptionNoKey] may be
// opened again, from its raw bytes, once there is a key.
type Opener interface {
	Open(ctx context.Context, raw []byte) (Opened, error)
}

// Opened is a mail without its protection.
type Opened struct {
	// Mail is for [Parse]: the header of the raw mail, and in place of each
	// protected part what was protected. Where nothing could be taken off it
	// is the raw mail itself, with which it may share memory. A subject that
	// was protected too stands in the header. It is for reading only: what
	// proves something is the raw mail, which must be kept.
	Mail []byte

	Layers []incident.Layer // outermost first, then in the order of the parts
}

// Signed returns the first good signature around the whole mail that its
// sender made. It is false if there is none.
func (o Opened) Signed() (incident.Signature, bool) {
	return o.signed(func(incident.Signature) bool { return true })
}

// signed is Signed among the signatures that count.
func (o Opened) signed(counts func(incident.Signature) bool) (incident.Signature, bool) {
	for _, l := range o.Layers {
		if !l.Whole {
			continue
		}
		if i := slices.IndexFunc(l.Signatures, func(s incident.Signature) bool { return s.State == incident.SignatureGood && s.Sender && counts(s) }); i >= 0 {
			return l.Signatures[i], true
		}
	}
	return incident.Signature{}, false
}

// Wanting reports whether the mail has a part that another key may open.
func (o Opened) Wanting() bool {
	return slices.ContainsFunc(o.Layers, func(l incident.Layer) bool { return l.Decryption == incident.DecryptionNoKey })
}

// Protection says how much a mail that goes out needs to be signed, or to be
// encrypted. The zero value is Never.
type Protection int

// Protections.
const (
	Never        Protection = iota
	WhenPossible            // without, if a key is missing
	Always                  // refused with a [*SealError], if a key is missing
)

// String returns the name in words.
func (p Protection) String() string {
	switch p {
	case Never:
		return "never"
	case WhenPossible:
		return "when possible"
	case Always:
		return "always"
	}
	return fmt.Sprintf("Protection(%d)", int(p))
}

// Sealer signs and encrypts mail. It is safe for concurrent use.
type Sealer interface {
	// Seal protects a mail as [Compose] writes it. The header stays outside,
	// with the subject. The error is a [*SealError] if the mail may not go as
	// the request demands; any other says that nothing can be said now. raw
	// stays the caller's.
	Seal(ctx context.Context, raw []byte, request SealRequest) (Sealed, error)
}

// SealRequest says how a mail is to be protected.
type SealRequest struct {
	Sign, Encrypt Protection

	From string   // address whose key signs
	To   []string // addresses of all who must be able to read it; whoever gets the mail can see whose keys were used

	// Inline puts the protection into the text, for readers without MIME.
	// Only a mail of one part, plain text, can be protected so.
	Inline bool
}

// Sealed is a mail that may go out.
type Sealed struct {
	Mail              []byte
	Signed, Encrypted bool
	Problems          []KeyProblem // why it is not signed or encrypted, where that was to be done when possible
}

// KeyProblem is a key that could not be used, or is not there.
type KeyProblem struct {
	Address     string   `json:"address"`
	Fingerprint string   `json:"fingerprint,omitempty"` // empty if there is no key
	State       KeyState `json:"state"`
	Why         string   `json:"why,omitempty"`
}

// String returns a line.
func (p KeyProblem) String() string {
	s := p.Address
	if p.Fingerprint != "" {
		s += ", key " + p.Fingerprint
	}
	if s += ": " + string(p.State); p.Why != "" {
		s += " (" + p.Why + ")"
	}
	return s
}

// KeyState says what is wrong with a key.
type KeyState string

// States of keys.
const (
	Usable    KeyState = "usable"
	Missing   KeyState = "missing"
	Expired   KeyState = "expired"
	Revoked   KeyState = "revoked"
	Unfit     KeyState = "unfit"     // cannot do what is asked, or cannot be read
	Ambiguous KeyState = "ambiguous" // one of several, and none is preferred
)

// SealError says why a mail was not sealed, and so must not be sent.
type SealError struct {
	What     string // "sign", "encrypt"
	Why      string // if it is no matter of keys
	Problems []KeyProblem
}

// Error implements error. It names addresses and fingerprints.
func (e *SealError) Error() string {
	list := make([]string, 0, len(e.Problems)+1)
	if e.Why != "" {
		list = append(list, e.Why)
	}
	for _, p := range e.Problems {
		list = append(list, p.String())
	}
	return fmt.Sprintf("mail: cannot %s, and it is demanded: %s", e.What, strings.Join(list, "; "))
}
