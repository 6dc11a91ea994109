package lookup

import (
	"iter"
	"net/netip"
	"strings"
)

// Hop is what one Received field says on who handed a mail to whom (RFC 5321
// 4.4). Only what our own servers wrote is known to be true: whoever sends a
// mail can put any number of such fields below it.
type Hop struct {
	Host    string     // as the field calls the sender: by its own words, or by what the receiver found out; may be an address
	Name    string     // host name that the receiver found for the address
	Address netip.Addr // of the sender, as the receiver saw it
	By      string     // the receiver
}

// ReadHop reads the value of a Received field. What it does not say in a form of
// the rule is empty.
//
// Host and By are the words behind the words from and by, outside of comments
// and without brackets around them. The first of each counts. A semicolon ends
// the field, and so does By.
//
// Address is the first address in square brackets behind Host, in a comment or
// not; else the first that begins a comment, or stands behind an @ in one; else
// Host, if it is an address. "IPv6:" in front of it and a port behind it are not
// part of it. Name begins a comment behind Host, and has two labels or more.
//
// Words are in lower case, and cut as by [RegistryField]. The time is linear in
// the length of the value.
func ReadHop(received string) Hop {
	var h Hop
	var told netip.Addr // not in square brackets
	var next *string    // what the next word says
	from := false
	for w := range words(received) {
		keyword := ""
		if !w.comment {
			keyword = strings.ToLower(w.text)
		}
		switch {
		case keyword == "by":
			next = &h.By
		case keyword == "from" && !from:
			next, from = &h.Host, true
		case next != nil && !w.comment:
			*next = strings.ToLower(RegistryField(w.text))
			if next = nil; h.By != "" {
				return h.settle(told)
			}
		case from:
			user, peer, behind := strings.Cut(w.text, "@")
			if !behind {
				peer = user
			}
			a, ok := peerAddress(peer)
			switch {
			case ok && w.square && !h.Address.IsValid():
				h.Address = a
			case ok && (w.first || w.comment && behind) && !told.IsValid():
				told = a
			case w.first && h.Name == "":
				if name, ok := canonicalName(strings.TrimSuffix(w.text, "."), true); ok && strings.Contains(name, ".") {
					h.Name = name
				}
			}
		}
	}
	return h.settle(told)
}

// settle chooses the address where none stood in square brackets.
func (h Hop) settle(told netip.Addr) Hop {
	if !h.Address.IsValid() {
		h.Address = told
	}
	if !h.Address.IsValid() {
		h.Address, _ = peerAddress(h.Host)
	}
	return h
}

// peerAddress reads an address as Received fields write it.
func peerAddress(s string) (netip.Addr, bool) {
	if len(s) > len("IPv6:")+longestAddress+len(":65535") {
		return netip.Addr{}, false
	}
	if len(s) > len("IPv6:") && strings.EqualFold(s[:len("IPv6:")], "IPv6:") {
		s = s[len("IPv6:"):]
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		var p netip.AddrPort
		if p, err = netip.ParseAddrPort(s); err == nil {
			a = p.Addr()
		}
	}
	return a.Unmap().WithZone(""), err == nil
}

// hopWord is a word of a Received field.
type hopWord struct {
	text            string
	comment, square bool // in round brackets, in square ones
	first           bool // of an outermost comment
}

// words yields the words of a Received field, up to the semicolon.
func words(value string) iter.Seq[hopWord] {
	return func(yield func(hopWord) bool) {
		comments, squares, first := 0, 0, false
		for i := 0; i < len(value); i++ {
			switch value[i] {
			case '(':
				comments++
				first = comments == 1
			case ')':
				comments = max(0, comments-1)
			case '[':
				squares++
			case ']':
				squares = max(0, squares-1)
			case ';':
				if comments == 0 {
					return
				}
			case ' ', '\t', '\r', '\n', ',', '<', '>', '"':
			default:
				end := len(value)
				if n := strings.IndexAny(value[i:], "()[]; \t\r\n,<>\""); n >= 0 {
					end = i + n
				}
				if !yield(hopWord{value[i:end], comments > 0, squares > 0, first}) {
					return
				}
				i, first = end-1, false
			}
		}
	}
}
