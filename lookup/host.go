package lookup

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/airtight-csirt/airtight/incident"
)

// names finds host names in a row of letters, digits and _ - . : and characters
// beyond ASCII; seen are the classes of its bytes.
func (s *scanner) names(from, to int, seen class) bool {
	done := from
	if s.publicSuffix == nil || seen&dot == 0 {
		return s.fours(from, to)
	}
	for start := from; start < to; {
		if s.text[start] == '.' && start+1 < to && s.text[start+1] == '.' {
			start++ // a piece of one dot
			continue
		}
		end := pieceEnd(s.text[:to], start, seen)
		if f, ok := s.host(start, end); ok {
			if !s.fours(done, f.Start) || !s.found(f) {
				return false
			}
			done = f.End
		}
		start = end
	}
	return s.fours(done, to)
}

// pieceEnd returns the end of what can be one name from start on: a piece ends at a
// colon, between two dots, at a character that is no letter, digit or mark, and
// at the seam of a script that writes without spaces. It takes one character at least.
func pieceEnd(text string, start int, seen class) int {
	var last rune
	for i := start; i < len(text); {
		r, n := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(text[i:])
		}
		ends := r == ':' || r == '.' && last == '.' ||
			r >= utf8.RuneSelf && !unicode.In(r, unicode.L, unicode.M, unicode.Nd) ||
			seen&high != 0 && seam(last, r)
		if ends {
			if i == start {
				return start + n
			}
			return i
		}
		last = r
		i += n
	}
	return len(text)
}

// unspaced are scripts that write without spaces between words.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

func seam(a, b rune) bool {
	ascii := func(r rune) bool { return r < utf8.RuneSelf && classes[byte(r)]&letter != 0 }
	return ascii(a) && b >= utf8.RuneSelf && unicode.In(b, unspaced...) ||
		ascii(b) && a >= utf8.RuneSelf && unicode.In(a, unspaced...)
}

// host reads a piece as a host name.
func (s *scanner) host(start, end int) (Found, bool) {
	text := s.text
	if start > 0 && text[start-1] == '@' || end < len(text) && text[end] == '@' {
		return Found{}, false
	}
	for start < end && (text[start] == '.' || text[start] == '-') {
		start++
	}
	for start < end && (text[end-1] == '.' || text[end-1] == '-') {
		end--
	}
	if strings.IndexByte(text[start:end], '.') < 0 { // most words of other scripts
		return Found{}, false
	}
	name, ok := canonicalName(text[start:end], false)
	if !ok || !s.public(name) {
		return Found{}, false
	}
	o, err := incident.NewObservable(incident.Host, name, "")
	return Found{Observable: o, Start: start, End: end, Confidence: hostConfidence(text[start:end], name)}, err == nil
}

// longestName is the length of the longest name in characters (RFC 1035 2.3.4).
const longestName = 253

// canonicalName returns a name in lower case, its labels as A-labels.
func canonicalName(written string, underscores bool) (string, bool) {
	if len(written) > longestName*utf8.UTFMax {
		return "", false
	}
	name := strings.ToLower(written)
	if strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
		for label := range strings.SplitSeq(name, ".") {
			if utf8.RuneCountInString(label) > 63 { // encoding it takes the square of its length
				return "", false
			}
		}
		var err error
		if name, err = idna.Lookup.ToASCII(written); err != nil {
			return "", false
		}
	}
	return name, areLabels(name, underscores)
}

// areLabels reports whether name is labels joined by dots (RFC 1035 2.3.1), the last
// of which is not a number.
func areLabels(name string, underscores bool) bool {
	if len(name) > longestName {
		return false
	}
	label := 0
	for i := 0; i <= len(name); i++ {
		if i == len(name) || name[i] == '.' {
			if i == label || i-label > 63 || name[label] == '-' || name[i-1] == '-' {
				return false
			}
			if i < len(name) {
				label = i + 1
			}
			continue
		}
		if c := classes[name[i]]; c&(alnum|hyphen) == 0 && !(underscores && c == underscore) {
			return false
		}
	}
	return label == 0 || strings.ContainsFunc(name[label:], func(r rune) bool { return r < '0' || '9' < r })
}

// public reports whether a name lies below a suffix that ICANN delegates, or is
// one at which a private registry registers (github.io).
func (s *scanner) public(name string) bool {
	top := name[strings.LastIndexByte(name, '.')+1:]
	if s.publicSuffix == nil || len(top) < 2 || classes[top[0]] != letter {
		return false
	}
	suffix, icann := s.publicSuffix(name)
	if icann {
		return len(suffix) < len(name)
	}
	return strings.Contains(suffix, ".") // otherwise the list does not know the top level
}

// fileEndings are top-level domains that end names of files, too.
var fileEndings = map[string]bool{
	"zip": true, "mov": true, "py": true, "sh": true, "pl": true, "pm": true, "md": true,
	"rs": true, "so": true, "ps": true, "cc": true, "mk": true,
}

func hostConfidence(written, name string) Confidence {
	if strings.Count(name, ".") > 1 {
		return Likely
	}
	top := written[strings.LastIndexByte(written, '.')+1:]
	sentence := 'A' <= top[0] && top[0] <= 'Z' && top[1:] == strings.ToLower(top[1:])
	if sentence || fileEndings[strings.ToLower(top)] {
		return Doubtful
	}
	return Likely
}
