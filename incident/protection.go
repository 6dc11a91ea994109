package incident

import "time"

// Layer is one protection of one part of a message, OpenPGP or S/MIME, and what
// came of taking it off. Nothing in it is text of the message.
type Layer struct {
	Protocol string `json:"protocol"` // "openpgp" or "smime"
	Form     string `json:"form"`     // "mime", or "inline": inside of the text or of a file
	Where    string `json:"where"`    // "message", or a part as IMAP numbers it: "part 2.1"

	// Whole: the layer is around all that a reader sees. What stands beside a
	// layer that is not whole may be from somebody else.
	Whole bool `json:"whole"`

	// Subject: the subject was protected too, and is that of the message.
	Subject bool `json:"subject,omitempty"`

	Encrypted  bool        `json:"encrypted,omitempty"`
	Decryption Decryption  `json:"decryption,omitempty"` // empty if it is not encrypted
	Recipients []string    `json:"recipients,omitempty"` // ids of the keys that it is encrypted to, "0000000000000000" where hidden
	Signatures []Signature `json:"signatures,omitempty"`
	Why        []string    `json:"why,omitempty"` // sentences
}

// Decryption says what came of an encrypted part.
type Decryption string

// Decryptions.
const (
	Decrypted             Decryption = "decrypted"
	DecryptionNoKey       Decryption = "no-key"      // none of our keys opens it: try again with another
	DecryptionDamaged     Decryption = "damaged"     // changed on its way or cut short; nothing of it is shown
	DecryptionTooLarge    Decryption = "too-large"   // over a limit; nothing of it is shown
	DecryptionUnsupported Decryption = "unsupported" // made in a way that is not known, or not safe to read
)

// Signature is one signature of a layer.
type Signature struct {
	State SignatureState `json:"state"`

	KeyID       string    `json:"keyID"`                 // as the signature says
	Fingerprint string    `json:"fingerprint,omitempty"` // of the signer's main key; only if the signature was made with it
	Signers     []string  `json:"signers,omitempty"`     // addresses under which the team keeps that key, not those that the key claims
	Made        time.Time `json:"made,omitzero"`         // UTC, as the signature says

	// Signed names what was signed, by whom and when: a signature that is taken
	// over into another mail has the same. Only if it was made with Fingerprint.
	Signed string `json:"signed,omitempty"`

	// Sender: the only author in From is one of Signers. If it is false for
	// a good signature, the signer is not the sender.
	Sender bool `json:"sender"`

	Why string `json:"why,omitempty"` // a sentence for each State but SignatureGood
}

// SignatureState says what is known about a signature.
type SignatureState string

// States of a signature. All from SignatureKeyExpired to SignatureKeyUnfit are of
// signatures that are intact: the text was not changed since that key signed it.
const (
	SignatureGood       SignatureState = "good"
	SignatureKeyExpired SignatureState = "key-expired"
	SignatureKeyRevoked SignatureState = "key-revoked"
	SignatureExpired    SignatureState = "signature-expired" // or made in the future
	SignatureKeyUnfit   SignatureState = "key-unfit"         // the key may not sign, or demands what is not known
	SignatureWeak       SignatureState = "weak"              // made with a hash that proves nothing: SHA-1, MD5
	SignatureKeyUnknown SignatureState = "key-unknown"       // nobody's key that the team has
	SignatureBad        SignatureState = "bad"               // the text or the signature was changed
	SignatureUnreadable SignatureState = "unreadable"        // not a signature, or of a kind that is not known
)

// Flags of messages about who wrote them, and how.
const (
	FlagForged   = "forged"   // somebody wrote results in the name of our mail server
	FlagUnopened = "unopened" // some of it could not be opened, and perhaps can be later: see [Examined]
)

// SealedCopy is the form of a mail of ours that some of its recipients got.
type SealedCopy struct {
	To        []string `json:"to"` // addresses
	Signed    bool     `json:"signed,omitempty"`
	Encrypted bool     `json:"encrypted,omitempty"`
	Why       []string `json:"why,omitempty"` // what it lacks, where that was to be done when possible
	Blob      Digest   `json:"blob"`          // what went out; Blobs[0] if it is neither
}

// Examined says what came of opening an earlier message again, with the keys that
// there are now. It does not undo what was done in the meantime.
type Examined struct {
	Version uint64          `json:"version"`         // of the message
	Trust   Trust           `json:"trust,omitempty"` // how sure it is now who wrote it
	Content ExaminedContent `json:"-"`
}

// ExaminedContent is the erasable part of [Examined].
type ExaminedContent struct {
	Subject     string       `json:"subject,omitempty"` // of the message, if that was protected
	Layers      []Layer      `json:"layers,omitempty"`
	Authorship  []string     `json:"authorship,omitempty"`
	Observables []Observable `json:"observables,omitempty"` // found in it; the fold adds them to the ticket
	Findings    []string     `json:"findings,omitempty"`
}
