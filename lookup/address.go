package lookup

import (
	"net/netip"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// longestAddress is the length of the longest way to write an address:
// six groups of IPv6 and an IPv4 address.
const longestAddress = len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")

// sixes finds IPv6 addresses and networks in a row of the characters of names
// and addresses. Such an address is a whole run of the characters that it may
// not touch.
func (s *scanner) sixes(from, to int, seen class) bool {
	done := from
	for start := from; start < to; {
		if !isRun(s.text[start]) {
			start++
			continue
		}
		end, colons := start, 0
		for ; end < to && isRun(s.text[end]); end++ {
			if s.text[end] == ':' {
				colons++
			}
		}
		if colons > 1 {
			if f, ok := sixAt(s.text[:s.limit], start, end, colons); ok {
				if !s.names(done, start, seen) || f.End > 0 && !s.found(f) {
					return false
				}
				end = max(end, f.End)
				done = end
			}
		}
		start = end
	}
	return done >= to || s.names(done, to, seen)
}

// fours finds IPv4 addresses and networks.
func (s *scanner) fours(from, to int) bool {
	done := from
	for start := from; start < to; {
		if !isNumber(s.text[start]) {
			start++
			continue
		}
		f := fourAt(s.text[:s.limit], start, to)
		if f.Observable.Value != "" {
			if !s.words(done, f.Start) || !s.found(f) {
				return false
			}
			done = f.End
		}
		start = f.End
	}
	return done >= to || s.words(done, to)
}

// sixAt reads the run as an IPv6 address or network. A Found without End is one
// that says nothing.
func sixAt(text string, start, end, colons int) (f Found, ok bool) {
	run := strings.TrimRight(text[start:end], ".")
	if len(run) > longestAddress || colons < 6 && !strings.Contains(run, "::") {
		return Found{}, false
	}
	a, err := netip.ParseAddr(run)
	if err != nil {
		return Found{}, false
	}
	bits, last := a.BitLen(), start+len(run)
	if last == end {
		if n, after, ok := length(text, start, end, bits); ok {
			bits, last = n, after
		}
	}
	o, ok := network(a, bits)
	if !ok {
		return Found{}, true
	}
	return Found{Observable: o, Start: start, End: last, Confidence: Certain}, true
}

// fourAt reads the IPv4 address or network that begins with the digit or dot at
// start, in a run that ends at end. Without one there, the Found has only an End, where to read on.
//
// Digits and dots in a row are an address as a whole or not at all; so no
// address follows a digit or dot, nor does a digit follow it.
func fourAt(text string, start, end int) Found {
	after := start
	for after < end && isNumber(text[after]) {
		after++
	}
	number := strings.TrimRight(text[start:after], ".")
	nothing := Found{End: after}
	dots := strings.Count(number[:min(len(number), len("255.255.255.255"))], ".")
	if len(number) > len("255.255.255.255") || dots < 2 || dots > 3 {
		return nothing
	}
	bits, last := 32, start+len(number)
	n, behind, ok := length(text, start, last, bits)
	if ok {
		bits, last = n, behind
	} else if dots == 2 {
		return nothing
	}
	if dots == 2 {
		number += ".0"
	}
	a, err := netip.ParseAddr(number)
	if err != nil {
		return nothing
	}
	o, ok := network(a, bits)
	if !ok {
		return nothing
	}
	f := Found{Observable: o, Start: start, End: last, Confidence: Likely}
	switch {
	case o.Kind == incident.Prefix:
		f.Confidence = Certain
	case start > 0 && classes[text[start-1]] == letter:
		f.Confidence = Doubtful
	}
	return f
}

// length reads the length of a network from the slash at the offset slash, for
// an address that begins at start. It is false for the rest of a path.
func length(text string, start, slash, most int) (bits, end int, ok bool) {
	if slash >= len(text) || text[slash] != '/' {
		return 0, 0, false
	}
	if start >= 2 && text[start-2:start] == "//" {
		return 0, 0, false
	}
	end = slash + 1
	for end < len(text) && isDigit(text[end]) && end-slash <= 3 {
		bits = bits*10 + int(text[end]-'0')
		end++
	}
	digits := end - slash - 1
	if digits == 0 || bits > most || digits > 1 && text[slash+1] == '0' {
		return 0, 0, false
	}
	if end < len(text) {
		switch c := text[end]; c {
		case '/', ':':
			return 0, 0, false
		case '.', '?', '#', '&', '=', '%':
			if end+1 < len(text) && isWord(text[end+1]) {
				return 0, 0, false
			}
		default:
			if isWord(c) {
				return 0, 0, false
			}
		}
	}
	return bits, end, true
}

// network makes an observable; it is false for one that says nothing.
func network(a netip.Addr, bits int) (incident.Observable, bool) {
	o := incident.PrefixOf(netip.PrefixFrom(a, bits), "")
	p, _ := o.Network()
	return o, !p.Addr().IsUnspecified() // nor of length 0: PrefixOf leaves only zeros of that
}

func isRun(c byte) bool    { return isWord(c) || c == '.' || c == ':' }
func isNumber(c byte) bool { return isDigit(c) || c == '.' }
