package incident

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Digest is a SHA-256. Its text form is hexadecimal.
type Digest [sha256.Size]byte

// DigestOf returns the SHA-256 of b.
func DigestOf(b []byte) Digest { return sha256.Sum256(b) }

// String returns 64 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText returns String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("incident: a digest has %d hexadecimal digits, not %d", hex.EncodedLen(len(d)), len(text))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// Salt makes the digest of erasable content unguessable.
type Salt [16]byte

// MarshalText returns 32 hexadecimal digits.
func (s Salt) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(s[:])), nil }

// UnmarshalText reads 32 hexadecimal digits.
func (s *Salt) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(s)) {
		return fmt.Errorf("incident: a salt has %d hexadecimal digits, not %d", hex.EncodedLen(len(s)), len(text))
	}
	_, err := hex.Decode(s[:], text)
	return err
}

// Cause says which rule made a record, and which record woke the rule. The zero
// Cause is a command that somebody gave; Version 0 means that there is no
// earlier record.
type Cause struct {
	Rule    string `json:"rule,omitempty"`
	Ticket  ID     `json:"ticket,omitempty"`
	Version uint64 `json:"version,omitempty"`
}

// Record is one line of a ticket's history: an event with its time, actor and
// cause, chained to the line before it. Records are appended and never changed.
type Record struct {
	Seq     uint64    `json:"seq"` // place in the feed of all records; given by the store at commit, zero before; not hashed
	Ticket  ID        `json:"ticket"`
	Version uint64    `json:"version"` // 1, 2, 3 ... for each ticket; equals Ticket.Version after it
	At      time.Time `json:"at"`      // UTC, microseconds, never before the ticket's record before
	By      Actor     `json:"by"`
	Command string    `json:"command"` // the command, ours or a rule's, that led to it
	Cause   Cause     `json:"cause"`
	Policy  uint32    `json:"policy"` // version of the policy document in force; 0: the built-in one

	Type string          `json:"type"` // of the event
	Data json.RawMessage `json:"data"` // JSON: what the fold needs for ever

	Content json.RawMessage `json:"content,omitempty"` // JSON: erasable
	Blobs   []Digest        `json:"blobs,omitempty"`   // bodies, erasable; the first is the message itself
	Salt    Salt            `json:"salt"`
	Digest  Digest          `json:"digest"` // of Salt, Content and Blobs as first written

	Prev Digest `json:"prev"`
	Hash Digest `json:"hash"`
}

// hashLabel begins what is hashed, so that no other use of SHA-256 can be
// mistaken for a record.
const hashLabel = "airtight-record-1"

// ContentDigest returns SHA-256 over Salt, Content and Blobs, each with its
// length in front as a big-endian uint32.
func (r Record) ContentDigest() Digest {
	blobs := make([]byte, 0, len(r.Blobs)*sha256.Size)
	for _, b := range r.Blobs {
		blobs = append(blobs, b[:]...)
	}
	return digestFields(r.Salt[:], r.Content, blobs)
}

// chainHash returns SHA-256 over, in this order: the label, Prev, Ticket,
// Version, At, By, Command, Cause (rule, ticket, version), Policy, Type, Data,
// Digest. Each is its length as a big-endian uint32 and its bytes; numbers are
// big-endian uint64, At is microseconds since 1970 as int64.
func (r Record) chainHash() Digest {
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	return digestFields(
		[]byte(hashLabel), r.Prev[:], number(uint64(r.Ticket)), number(r.Version),
		number(uint64(r.At.UnixMicro())), []byte(r.By), []byte(r.Command),
		[]byte(r.Cause.Rule), number(uint64(r.Cause.Ticket)), number(r.Cause.Version),
		number(uint64(r.Policy)), []byte(r.Type), r.Data, r.Digest[:],
	)
}

func digestFields(fields ...[]byte) Digest {
	var framed []byte
	for _, f := range fields {
		framed = binary.BigEndian.AppendUint32(framed, uint32(len(f)))
		framed = append(framed, f...)
	}
	return sha256.Sum256(framed)
}

// Seal makes *r the next record of t: it fills Version, Prev, Digest and Hash.
// Everything else must be in place, for nothing may change after it.
func Seal(t Ticket, r *Record) {
	r.Version = t.Version + 1
	r.Prev = t.Hash
	r.Digest = r.ContentDigest()
	r.Hash = r.chainHash()
}

// ErrNewerVocabulary is returned for a ticket that a newer program has written
// to: this one may read it but not append to it.
var ErrNewerVocabulary = errors.New("incident: the ticket was written by a newer version of Airtight; update this program before changing it")

// ChainError says why a record does not continue, or breaks, the history of a
// ticket.
type ChainError struct {
	Ticket  ID
	Version uint64 // of the record
	What    string
}

// Error implements error.
func (e *ChainError) Error() string {
	return fmt.Sprintf("incident: record %d of ticket %s: %s", e.Version, e.Ticket, e.What)
}

// Extend returns t with r applied, after checking that r is its next record:
// same ticket, next Version, Prev as t's Hash, Hash right, time not before the
// record before. Otherwise t comes back unchanged with a [*ChainError], or with
// [ErrNewerVocabulary]. A store changes tickets by this function alone.
//
// Extend does not look at Digest: content may have been erased since, which
// only the whole history can tell ([Verify]).
func Extend(t Ticket, r Record) (Ticket, error) {
	if t.Vocabulary > Vocabulary {
		return t, fmt.Errorf("ticket %s: %w", t.ID, ErrNewerVocabulary)
	}
	if err := follows(t, r); err != nil {
		return t, err
	}
	return Apply(t, r), nil
}

func follows(t Ticket, r Record) error {
	wrong := func(format string, args ...any) error {
		return &ChainError{Ticket: r.Ticket, Version: r.Version, What: fmt.Sprintf(format, args...)}
	}
	switch {
	case r.Ticket > MaxID:
		return wrong("a placeholder is no ticket number")
	case t.Version > 0 && r.Ticket != t.ID:
		return wrong("does not belong to ticket %s", t.ID)
	case r.Version != t.Version+1:
		return wrong("version %d must follow version %d", t.Version+1, t.Version)
	case r.Prev != t.Hash:
		return wrong("does not continue the chain: its Prev is not the Hash of the record before")
	case r.Hash != r.chainHash():
		return wrong("was changed: its Hash does not fit")
	case !r.At.Equal(Moment(r.At)):
		return wrong("has a time finer than microseconds")
	case r.At.Before(t.Updated):
		return wrong("is dated before the record before it")
	}
	return nil
}

// Verify checks the whole history of one ticket, in order from Version 1, and
// returns its fold. Beside the chain it checks that each record's content is
// what was first written, or what the last [Redacted] event about it announced.
// The error is a [*ChainError] that names the first record that does not hold.
func Verify(history []Record) (Ticket, error) {
	redacted := map[uint64]Redacted{}
	for _, r := range history {
		if r.Type != (Redacted{}).Type() {
			continue
		}
		if ev, err := Decode(r); err == nil {
			redacted[ev.(Redacted).Version] = ev.(Redacted)
		}
	}
	var t Ticket
	for _, r := range history {
		if err := follows(t, r); err != nil {
			return t, err
		}
		want := r.Digest
		if announced, ok := redacted[r.Version]; ok && announced.From == r.Digest {
			want = announced.To
		}
		if r.ContentDigest() != want {
			return t, &ChainError{Ticket: r.Ticket, Version: r.Version,
				What: "its content was changed and no redaction announces it"}
		}
		t = Apply(t, r)
	}
	return t, nil
}

// Fold returns the ticket that a history makes, without checking it.
func Fold(history []Record) Ticket {
	var t Ticket
	for _, r := range history {
		t = Apply(t, r)
	}
	return t
}
