package lookup

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/incident"
)

// mails finds mail addresses.
func (s *scanner) mails(from, to int) bool {
	done := from // everything before is searched
	for at := from; ; at++ {
		i := strings.IndexByte(s.text[at:to], '@')
		if i < 0 {
			return s.rows(done, to)
		}
		at += i
		mail, ok := s.mailAround(to, done, at)
		if !ok {
			continue
		}
		if !s.rows(done, mail.Start) || !s.found(mail) {
			return false
		}
		done = mail.End
	}
}

// mailAround reads the mail address whose @ is at the offset at and that lies
// in text[from:to]. It reads back to the @ before and forth to the @
// after, at most: every byte of a text is read three times.
func (s *scanner) mailAround(to, from, at int) (Found, bool) {
	text, start := s.text[:to], at
	for start > from && isLocal(text[start-1]) && text[start-1:start+1] != ".." {
		start--
	}
	for start < at && text[start] == '.' {
		start++
	}
	if start == at || at-start > 64 || text[at-1] == '.' || latinBefore(text, start) {
		return Found{}, false
	}
	name, end, ok := s.domain(text, at+1)
	if !ok {
		return Found{}, false
	}
	o, err := incident.NewObservable(incident.MailAddress, text[start:at+1]+name, "")
	f := Found{Observable: o, Start: start, End: end, Confidence: Likely}
	if domain, _ := o.Domain(); s.public(domain) {
		f.Confidence = Certain
	}
	return f, err == nil
}

// domain reads the domain of a mail address that begins at start; name is its
// canonical form.
func (s *scanner) domain(text string, start int) (name string, end int, ok bool) {
	row, seen := start, class(0)
	for row < len(text) && classes[text[row]]&(alnum|hyphen|dot|high) != 0 {
		seen |= classes[text[row]]
		row++
	}
	if seen&high != 0 && (row == len(text) || text[row] != '_') {
		end = pieceEnd(text[:row], start, seen)
		for end > start && (text[end-1] == '.' || text[end-1] == '-') {
			end--
		}
		if name, ok = canonicalName(text[start:end], false); ok && s.public(name) {
			return name, end, true
		}
	}
	end, ok = domainEnd(text, start)
	return text[start:end], end, ok && !latinAfter(text, end)
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
		if end == label || text[label] == '-' || end-label > 63 || end-start > longestName {
			return start, false
		}
		if more {
			label = end + 1
			continue
		}
		under := end < len(text) && text[end] == '_'
		return end, labels > 1 && end-label > 1 && classes[text[label]] == letter && !under
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

func isLocal(c byte) bool { return isWord(c) || c == '.' || c == '+' || c == '-' }
