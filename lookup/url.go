package lookup

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/incident"
)

// longestURL is the length of a URL that everybody should support (RFC 9110 4.1).
const longestURL = 8000

// schemes are the schemes of URLs that are found, in lower case.
var schemes = map[string]bool{
	"http": true, "https": true, "ftp": true, "ftps": true, "sftp": true, "tftp": true, "ssh": true,
	"telnet": true, "smb": true, "ldap": true, "ldaps": true, "irc": true, "ircs": true, "ws": true,
	"wss": true, "tcp": true, "udp": true,
}

// longestScheme is the length of the longest of schemes.
const longestScheme = len("telnet")

// urls finds URLs, with the addresses in them.
func (s *scanner) urls(from, to int) bool {
	done, end := from, from // end: where the characters of URLs end that hold the last "://"
	for at := from; ; at += len("://") {
		i := strings.Index(s.text[at:to], "://")
		if i < 0 {
			return s.mails(done, to)
		}
		at += i
		scheme, start, ok := schemeBefore(s.text, done, at)
		if !ok {
			continue
		}
		if end <= at {
			end = urlEnd(s.text[:to], at)
		}
		if end-start > longestURL {
			at = end - len("://")
			continue
		}
		u, address, ok := s.url(scheme, start, at+len("://"), end)
		if !ok {
			continue
		}
		if !s.mails(done, u.Start) || !s.found(u) || address.End > 0 && !s.found(address) {
			return false
		}
		done, at = u.End, u.End-len("://")
	}
}

// schemeBefore reads the scheme that ends at the colon, refanged and in lower case.
func schemeBefore(text string, from, colon int) (scheme string, start int, ok bool) {
	start = colon
	for start > from && colon-start <= longestScheme && (classes[text[start-1]] == letter || text[start-1] == '*') {
		start--
	}
	scheme = strings.ToLower(text[start:colon])
	switch {
	case strings.HasPrefix(scheme, "fxp"):
		scheme = "ftp" + scheme[len("fxp"):]
	case len(scheme) >= 4 && scheme[0] == 'h' && strings.Trim(scheme[1:3], "tx*") == "":
		scheme = "htt" + scheme[3:]
	}
	return scheme, start, schemes[scheme] && (start == 0 || !isWord(text[start-1]))
}

// urlEnd returns where the characters that URLs consist of end.
func urlEnd(text string, from int) int {
	for i := from; i < len(text); {
		r, n := rune(text[i]), 1
		if r < utf8.RuneSelf {
			if r <= ' ' || r == 0x7f || strings.IndexByte("<>\"`{}|\\^", byte(r)) >= 0 {
				return i
			}
		} else if r, n = utf8.DecodeRuneInString(text[i:]); !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.S) || r == utf8.RuneError {
			return i
		}
		i += n
	}
	return len(text)
}

// url reads the URL with the authority (RFC 3986 3.2) that begins at the offset
// given; end is where its characters end. The second result is the IP address
// that is its host, without End if there is none.
func (s *scanner) url(scheme string, start, authority, end int) (u, address Found, ok bool) {
	text := s.text
	after := min(end, authority+longestAuthority+1) // the end of the authority
	if i := strings.IndexAny(text[authority:after], "/?#"); i >= 0 {
		after = authority + i
	}
	if closed := closing(text, authority, after); closed < after {
		after, end = closed, closed
	}
	if after == end {
		end = trimURL(text, authority, end)
		after = end
	}
	host, value, confidence, ok := s.authority(authority, after)
	if !ok {
		return Found{}, Found{}, false
	}
	end = trimURL(text, after, closing(text, authority, end))
	o, err := incident.NewObservable(incident.URL, scheme+"://"+value+text[after:end], "")
	written := strings.EqualFold(text[start:authority], scheme+"://")
	u = Found{Observable: o, Start: start, End: end, Confidence: confidence, Defanged: !written}
	if !written {
		u.Confidence = Certain
	}
	return u, host, err == nil
}

// longestAuthority is user, name and port, generously.
const longestAuthority = 512

// authority reads user, host and port of a URL; value is their canonical form.
func (s *scanner) authority(from, to int) (address Found, value string, c Confidence, ok bool) {
	if to-from > longestAuthority {
		return
	}
	text := s.text[from:to]
	host := strings.LastIndexByte(text, '@') + 1
	end := len(text)
	if strings.HasPrefix(text[host:], "[") {
		end = host + strings.IndexByte(text[host:], ']') + 1
	} else if i := strings.IndexByte(text[host:], ':'); i >= 0 {
		end = host + i
	}
	user, name, port := text[:host], text[host:end], text[end:]
	if port == ":" {
		port = ""
	}
	if len(port) > len(":65535") || port != "" && (port[0] != ':' || strings.Trim(port[1:], "0123456789") != "") {
		return
	}
	if a, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil && a.Zone() == "" && a.Is6() == (name[0] == '[') {
		if o, ok := network(a, a.BitLen()); ok {
			start := from + host
			if a.Is6() {
				start, end = start+1, end-1
			}
			address = Found{Observable: o, Start: start, End: from + end, Confidence: Certain}
		}
		return address, user + strings.ToLower(name) + port, Certain, true
	}
	name, ok = canonicalName(strings.TrimSuffix(name, "."), true)
	if s.public(name) {
		c = Certain
	} else {
		c = Likely
	}
	return address, user + name + port, c, ok
}

// closing returns where a bracket closes that was not opened in text[from:end], or end.
func closing(text string, from, end int) int {
	round, square := 0, 0
	for i := from; i < end; i++ {
		switch text[i] {
		case '(':
			round++
		case '[':
			square++
		case ')':
			round--
		case ']':
			square--
		}
		if round < 0 || square < 0 {
			return i
		}
	}
	return end
}

// trimURL returns where a URL ends when punctuation stands behind it.
func trimURL(text string, from, end int) int {
	for end > from && strings.IndexByte(".,;:!?'*", text[end-1]) >= 0 {
		end--
	}
	return end
}
