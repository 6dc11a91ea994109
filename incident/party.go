package incident

import (
	"strings"
	"unicode/utf8"
)

// Actor says who did something: "handler:alice", [Correspondent], [System].
// It is an opaque id and never a mail address, because it stands in the part
// of a record that cannot be erased. The empty Actor is nobody.
type Actor string

// Actors that are no person of the team.
const (
	Nobody        Actor = ""
	Correspondent Actor = "correspondent" // anybody outside the team
	System        Actor = "system"        // the desk acting by itself, in a sweep
	Duty          Actor = "duty"          // whoever is on duty: told of what nobody owns
)

// Party is a person or mailbox outside a ticket's history: a requestor, a
// copy recipient, a contact.
type Party struct {
	Name    string `json:"name,omitempty"`
	Address string `json:"address"` // addr-spec of RFC 5322, without angle brackets
}

// String returns `Name <address>`, or the bare address.
func (p Party) String() string {
	if p.Name == "" {
		return p.Address
	}
	return p.Name + " <" + p.Address + ">"
}

// SameAddress reports whether two mail addresses name the same mailbox for a
// desk: compared without case, the local part too, since no real system tells
// Alice@ from alice@ (RFC 5321 2.4 would allow it).
func SameAddress(a, b string) bool { return strings.EqualFold(a, b) }

// Clean makes text storable everywhere: invalid UTF-8 becomes U+FFFD and NUL,
// which PostgreSQL refuses, becomes U+2400 (symbol for null). The raw bytes of
// a mail are kept elsewhere, so nothing is lost by it.
func Clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\u2400")
}
