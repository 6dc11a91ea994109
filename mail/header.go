package mail

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"

	"github.com/airtight-csirt/airtight/incident"
)

// field is one header field as it stands in the mail: the value still folded
// and encoded.
type field struct{ name, value []byte }

func (f field) is(name string) bool {
	return len(f.name) == len(name) && strings.EqualFold(string(f.name), name)
}

// field returns the first value with that name, unfolded and not decoded.
func (e *entity) field(name string) (string, bool) {
	for _, f := range e.fields {
		if f.is(name) {
			return unfold(f.value), true
		}
	}
	return "", false
}

// readFields reads a header block and leaves the position after the blank line
// that ends it. QUIRK: lines that are no fields are passed over with a defect
// if a field of a known name still follows before that blank line; otherwise
// the body begins with them, so that no text is lost where the blank line is
// missing.
func (s *splitter) readFields(e *entity) {
	var (
		block    = s.pos
		allowed  = min(s.limits.HeaderBytes, headerBlocks*s.limits.HeaderBytes-s.headerBytes)
		first    = true
		known    = -1 // where the last field of a known name begins, once somebody asked
		overLong = false
	)
	defer func() { s.headerBytes += min(s.pos-block, allowed+1) }()
	for s.pos < len(s.raw) {
		start := s.pos
		end, next := s.line(start)
		line := bytes.TrimRight(s.raw[start:end], "\r")
		if len(line) == 0 {
			s.pos = next
			return
		}
		if _, ok := s.delimiter(line); ok {
			if !first {
				s.defectIn(e, "header ended by a boundary instead of a blank line (RFC 2046 5.1)")
			}
			return
		}
		if end-block > allowed && !overLong {
			overLong = true
			if allowed == s.limits.HeaderBytes {
				s.over("HeaderBytes", allowed, end-block)
			} else {
				s.over("HeaderBytes", headerBlocks*s.limits.HeaderBytes, s.headerBytes+end-block)
			}
			// The field that passes the limit is kept up to it.
			line = line[:max(0, min(len(line), allowed-(start-block)))]
		} else if overLong {
			line = nil
		}
		if len(line) == 0 {
			s.pos = next
			continue
		}
		switch colon := nameLength(line); {
		case first && colon == 0 && bytes.HasPrefix(line, []byte("From ")):
			s.defectIn(e, "mbox separator line before the header")
			s.pos = next
			continue
		case line[0] == ' ' || line[0] == '\t':
			switch blank := len(bytes.TrimSpace(line)) == 0; {
			case blank && !s.fieldAt(next):
				// QUIRK: a line of blanks is meant as the empty line.
				s.defectIn(e, "header ended by a line of blanks (RFC 5322 2.1)")
				s.pos = next
				return
			case len(e.fields) == 0:
				s.defectIn(e, fmt.Sprintf("continuation line without a field (RFC 5322 2.2.3): %q", excerpt(line)))
			default:
				last := &e.fields[len(e.fields)-1]
				last.value = s.raw[s.valueAt : start+len(line)]
			}
		case s.looseParameter(e, line, colon):
			// QUIRK: a parameter on a line of its own that lost its indent.
			s.defectIn(e, fmt.Sprintf("continuation line without an indent (RFC 5322 2.2.3): %q", excerpt(line)))
			e.fields[len(e.fields)-1].value = s.raw[s.valueAt : start+len(line)]
		case colon > 0:
			name := bytes.TrimRight(line[:colon], " \t")
			s.valueAt = start + colon + 1
			e.fields = append(e.fields, field{name: name, value: s.raw[s.valueAt : start+len(line)]})
		case s.inHeader(line, next, &known):
			s.defectIn(e, fmt.Sprintf("line without a field name in the header (RFC 5322 2.2): %q", excerpt(line)))
			s.valueAt = start // a continuation of it belongs to nothing
			e.fields = append(e.fields, field{name: []byte("X-Malformed-Header"), value: s.raw[start : start+len(line)]})
		default:
			if !first {
				s.defectIn(e, "no blank line between header and body (RFC 5322 2.1)")
			}
			return
		}
		first = false
		s.pos = next
	}
	s.pos = len(s.raw)
}

// looseParameter reports whether a line goes on with the field before it,
// which ended in a semicolon, as "name=value".
func (s *splitter) looseParameter(e *entity, line []byte, colon int) bool {
	if len(e.fields) == 0 {
		return false
	}
	equals := bytes.IndexByte(line, '=')
	if equals <= 0 || colon > 0 && colon < equals || bytes.ContainsAny(line[:equals], " \t") {
		return false
	}
	before := bytes.TrimRight(e.fields[len(e.fields)-1].value, " \t\r\n")
	return bytes.HasSuffix(before, []byte(";"))
}

// nameLength returns the place of the colon after a field name, 0 if the line
// has none (RFC 5322 2.2; blanks before the colon are of 4.5).
func nameLength(line []byte) int {
	for i, c := range line {
		switch {
		case c == ':':
			return i
		case c == ' ' || c == '\t':
			rest := bytes.TrimLeft(line[i:], " \t")
			if i > 0 && len(rest) > 0 && rest[0] == ':' {
				return len(line) - len(rest)
			}
			return 0
		case c < '!' || c > '~':
			return 0
		}
	}
	return 0
}

// inHeader reports whether a line that is no field stands in the header all the
// same: a field of a known name follows. A line that looks like a boundary is
// one that its multipart has not announced properly.
func (s *splitter) inHeader(line []byte, next int, known *int) bool {
	if bytes.HasPrefix(line, []byte("--")) && bytes.IndexByte(line, ' ') < 0 {
		return false
	}
	if *known < 0 {
		*known = 0
		for at := next; at < len(s.raw); {
			end, after := s.line(at)
			line := bytes.TrimRight(s.raw[at:end], "\r")
			if len(bytes.TrimSpace(line)) == 0 {
				break
			}
			if n := nameLength(line); n > 0 && isKnownField(bytes.TrimRight(line[:n], " \t")) {
				*known = at
			}
			at = after
		}
	}
	return next <= *known
}

// isKnownField reports whether mail programs write fields of that name.
func isKnownField(name []byte) bool {
	lower := strings.ToLower(string(name[:min(len(name), 40)]))
	switch lower {
	case "from", "to", "cc", "bcc", "subject", "date", "message-id", "sender", "reply-to", "return-path",
		"in-reply-to", "references", "received", "mime-version", "auto-submitted", "precedence", "delivered-to",
		"dkim-signature", "authentication-results", "importance", "priority", "user-agent":
		return true
	}
	for _, prefix := range []string{"content-", "x-", "list-", "resent-", "arc-"} {
		if strings.HasPrefix(lower, prefix) {
			return true
		}
	}
	return false
}

// fieldAt reports whether the line there goes on with a header: a field, or the
// continuation of one.
func (s *splitter) fieldAt(at int) bool {
	end, _ := s.line(at)
	line := bytes.TrimRight(s.raw[at:end], " \t\r")
	return len(line) > 0 && (line[0] == ' ' || line[0] == '\t' || nameLength(line) > 0)
}

// unfold removes the line breaks of a folded value (RFC 5322 2.2.3) and outer
// white space. QUIRK: a tab that folds is a blank, as its writer meant it, and
// so is a break without an indent.
func unfold(value []byte) string {
	value = bytes.TrimSpace(value)
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		return string(value)
	}
	var b strings.Builder
	b.Grow(len(value))
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c != '\r' && c != '\n':
			b.WriteByte(c)
		case i+1 == len(value):
		case value[i+1] == '\t':
			b.WriteByte(' ')
			i++
		case value[i+1] != ' ' && value[i+1] != '\r' && value[i+1] != '\n':
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// oneLine replaces control characters by blanks: a decoded header must not
// bring line breaks into whatever is made of it.
func oneLine(s string) string {
	if strings.IndexFunc(s, unicode.IsControl) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}

// cleanLine makes decoded header text storable and one line.
func cleanLine(s string) string { return oneLine(incident.Clean(s)) }
