// Package lookup finds observables in text. Start with [Extract]; [All] does
// the same one by one, for texts of strangers.
//
// It recognises IP addresses, networks in CIDR notation and mail addresses, as
// they are written plainly.
package lookup

import (
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/incident"
)

// Found is one place in a text where an observable stands: Start and End are
// byte offsets, text[Start:End] is what was written there. Observable has the
// canonical value and no role.
type Found struct {
	Observable incident.Observable
	Start, End int
}

// Extract returns all places of a text where an observable stands, in order and
// without overlap. The same value may stand in several places: [Observables]
// gives each once. The time is linear in the length of the text, whatever it
// holds; the result may be several times as large as the text.
//
// IP addresses and networks are those of [incident.AddressOf] and
// [incident.PrefixOf], by these rules:
//
//   - An IPv4 address does not follow a digit or dot, and no digit follows it,
//     with or without a dot between: versions such as 1.2.3.4.5 are none.
//   - A network of IPv4 may be short of its last octet: 192.0.2/26.
//   - An IPv6 address does not touch a letter, a digit, an underscore or a colon,
//     nor follow a dot; a dot after it ends a sentence or it is none: a::z,
//     Foo::Bar are none.
//   - The address of all zeros, a network that begins with it and one of length 0
//     say nothing about anybody: they are not found.
//   - Octets with leading zeros (010.0.0.1) are not found: readers disagree
//     whether they are octal.
//   - A slash and a number after an address that belong to a path (http://192.0.2.1/8,
//     192.0.2.1/8/a) leave the address.
//
// Mail addresses have a local part of letters, digits and _ . + - (ASCII, at
// most 64), and a domain of at least two labels, the last of which begins with
// a letter. An IP address inside a mail address is not found on its own.
func Extract(text string) []Found { return slices.Collect(All(text)) }

// All yields what [Extract] returns, as it is found: a caller that takes only
// so many values stops early.
func All(text string) iter.Seq[Found] {
	return func(yield func(Found) bool) {
		done := 0 // everything before is searched
		for at := range ats(text) {
			mail, ok := mailAround(text, done, at)
			if !ok {
				continue
			}
			if !addresses(text, done, mail.Start, yield) || !yield(mail) {
				return
			}
			done = mail.End
		}
		addresses(text, done, len(text), yield)
	}
}

// Observables returns the distinct observables of found in order of first
// sight. Two are the same when their keys are ([incident.Observable.Key]); the
// spelling of the first stays.
func Observables(found []Found) []incident.Observable {
	var distinct []incident.Observable
	seen := make(map[string]bool)
	for _, f := range found {
		if key := f.Observable.Key(); !seen[key] {
			seen[key] = true
			distinct = append(distinct, f.Observable)
		}
	}
	return distinct
}

// ats yields the offset of every @.
func ats(text string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for from := 0; ; {
			i := strings.IndexByte(text[from:], '@')
			if i < 0 || !yield(from+i) {
				return
			}
			from += i + 1
		}
	}
}

// mailAround reads the mail address whose @ is at the offset at and that does
// not begin before from. It reads back to the @ before and forth to the @
// after, at most: every byte of a text is read twice.
func mailAround(text string, from, at int) (Found, bool) {
	start := at
	for start > from && isLocal(text[start-1]) && text[start-1:start+1] != ".." {
		start--
	}
	for start < at && text[start] == '.' {
		start++
	}
	if start == at || at-start > 64 || text[at-1] == '.' || latinBefore(text, start) {
		return Found{}, false
	}
	end, ok := domainEnd(text, at+1)
	if !ok || latinAfter(text, end) {
		return Found{}, false
	}
	o, err := incident.NewObservable(incident.MailAddress, text[start:end], "")
	return Found{o, start, end}, err == nil
}

// domainEnd returns where the domain that begins at start ends (RFC 1035
// 2.3.1, RFC 1123 2.1 for labels that begin with a digit).
func domainEnd(text string, start int) (end int, ok bool) {
	for label, labels := start, 1; ; labels++ {
		end = label
		for end < len(text) && (isAlnum(text[end]) || text[end] == '-') {
			end++
		}
		more := end+1 < len(text) && text[end] == '.' && isAlnum(text[end+1])
		for end > label && text[end-1] == '-' {
			end--
			more = false // what stands behind a hyphen at the end of a label is not the domain
		}
		if end == label || text[label] == '-' || end-label > 63 || end-start > 253 {
			return 0, false
		}
		if more {
			label = end + 1
			continue
		}
		underscore := end < len(text) && text[end] == '_'
		return end, labels > 1 && end-label > 1 && isLetter(text[label]) && !underscore
	}
}

// latinBefore and latinAfter report whether the address is only the rest of a
// word: müller@example.org is not ller@example.org. Scripts that write without
// spaces do touch addresses.
func latinBefore(text string, start int) bool {
	r, _ := utf8.DecodeLastRuneInString(text[:start])
	return r >= utf8.RuneSelf && unicode.Is(unicode.Latin, r)
}

func latinAfter(text string, end int) bool {
	r, _ := utf8.DecodeRuneInString(text[end:])
	return r >= utf8.RuneSelf && unicode.Is(unicode.Latin, r)
}

func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isAlnum(c byte) bool  { return isDigit(c) || isLetter(c) }
func isWord(c byte) bool   { return isAlnum(c) || c == '_' }
func isLocal(c byte) bool  { return isWord(c) || c == '.' || c == '+' || c == '-' }
