package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Protection says whether a mail is signed, or encrypted.
type Protection string

// Protections.
const (
	ProtectUnsaid       Protection = ""              // of a recipient: as for others; otherwise never
	ProtectNever        Protection = "never"         //
	ProtectWhenPossible Protection = "when possible" // goes without where a key is missing
	ProtectAlways       Protection = "always"        // where a key is missing, the command that sends it is refused
)

// Seal says how one mail is protected.
type Seal struct {
	Sign    Protection
	Encrypt Protection
}

// Sealing says how the mail that goes out is protected: what becomes of it for one
// recipient says nothing about the others. A desk needs keys for it.
type Sealing struct {
	Replies  Seal // answers to correspondents
	Requests Seal // the mail that an investigation or a block begins with
	Notices  Seal // to the team

	// Recipients say otherwise for an address, or for a domain: "@example.org".
	// The address counts before its domain.
	Recipients map[string]Seal
}

// For returns how a mail is protected for one recipient; kind is one of Replies,
// Requests and Notices.
func (s Sealing) For(kind Seal, address string) Seal {
	for _, name := range []string{address[max(strings.LastIndexByte(address, '@'), 0):], address} {
		for _, known := range slices.Sorted(maps.Keys(s.Recipients)) {
			if incident.SameAddress(known, name) {
				kind = s.Recipients[known].over(kind)
			}
		}
	}
	return Seal{kind.Sign.orNever(), kind.Encrypt.orNever()}
}

// over returns s, with what it leaves unsaid as in other.
func (s Seal) over(other Seal) Seal {
	if s.Sign == ProtectUnsaid {
		s.Sign = other.Sign
	}
	if s.Encrypt == ProtectUnsaid {
		s.Encrypt = other.Encrypt
	}
	return s
}

func (p Protection) orNever() Protection {
	if p == ProtectUnsaid {
		return ProtectNever
	}
	return p
}

func (s Sealing) faults(wrong wrong) {
	check := func(place string, seal Seal) {
		for _, part := range []struct {
			name string
			how  Protection
		}{{"sign", seal.Sign}, {"encrypt", seal.Encrypt}} {
			if !slices.Contains([]Protection{ProtectUnsaid, ProtectNever, ProtectWhenPossible, ProtectAlways}, part.how) {
				wrong(at("sealing", place, part.name), "is to %s mail %q: allowed are never, when possible, always", part.name, part.how)
			}
		}
	}
	check("replies", s.Replies)
	check("requests", s.Requests)
	check("notices", s.Notices)
	for _, address := range slices.Sorted(maps.Keys(s.Recipients)) {
		place := fmt.Sprint("recipients/", address)
		if i := strings.LastIndexByte(address, '@'); i < 0 || i == len(address)-1 {
			wrong("sealing/"+place, "seals mail to %q: allowed are addresses, and domains like @example.org", address)
		}
		check(place, s.Recipients[address])
	}
}
