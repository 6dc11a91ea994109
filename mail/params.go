package mail

import (
	"strconv"
	"strings"
)

// describe reads the fields that say what an entity is (RFC 2045, RFC 2183).
func (s *splitter) describe(e *entity, standard string) {
	e.mediaType = standard
	if value, ok := e.field("Content-Type"); ok {
		main, params := parseParams(value, s.charset)
		e.params = params
		if label := params["charset"]; s.charset == "" && eightBit(label) != nil {
			s.charset = label
			_, e.params = parseParams(value, label) // the name beside it may be raw as well
		}
		main = strings.ToLower(main)
		switch kind, sub, ok := strings.Cut(main, "/"); {
		case ok && isToken(kind) && isToken(sub):
			e.mediaType = main
		case main == "":
			s.defectIn(e, "empty Content-Type, read as "+standard+" (RFC 2045 5.2)")
		default:
			e.mediaType = "text/plain"
			s.defectIn(e, "invalid Content-Type, read as text/plain (RFC 2045 5.2): "+excerpt([]byte(value)))
		}
	}
	e.declared = e.mediaType

	var attached map[string]string
	if value, ok := e.field("Content-Disposition"); ok {
		var main string
		main, attached = parseParams(value, s.charset)
		switch main = strings.ToLower(main); main {
		case "inline", "attachment":
			e.disposition = main
		case "":
		default: // RFC 2183 2.8: what is unknown is an attachment
			e.disposition = "attachment"
		}
	}
	e.name = fileName(attached["filename"])
	if e.name == "" {
		e.name = fileName(e.params["name"])
	}

	if value, ok := e.field("Content-Transfer-Encoding"); ok {
		value, _ = parseParams(value, "")
		e.encoding = strings.ToLower(strings.Trim(value, `"`))
	}
}

// isToken reports whether s is a token in the sense of RFC 2045 5.1.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// fileName is the last element of a name: mail must not choose folders. The
// name is decoded already.
func fileName(name string) string {
	if i := strings.LastIndexAny(name, `/\`); i >= 0 {
		name = name[i+1:]
	}
	name = strings.TrimSpace(name)
	if name == "." || name == ".." {
		return ""
	}
	return name
}

// parseParams reads a value with parameters (RFC 2045 5.1), extended and
// continued ones (RFC 2231) included. Names come out in lower case, values
// decoded; of several with one name the first counts. QUIRK: unclosed quotes,
// unquoted blanks and encoded words (RFC 2047 5 forbids them here) are all
// sent by real programs, and are read as they are meant.
func parseParams(s, declared string) (value string, params map[string]string) {
	r := paramReader{s: s}
	// Blanks around the slash are allowed (RFC 2045 5.1 by RFC 822 3.1.4).
	value = strings.Join(strings.Fields(r.until(";")), " ")
	value = strings.ReplaceAll(strings.ReplaceAll(value, " /", "/"), "/ ", "/")
	if first, rest, ok := strings.Cut(value, " "); ok {
		value = first
		if at := strings.Index(s, first+" "); at >= 0 && strings.Contains(rest, "=") {
			r.at = at + len(first) // QUIRK: no semicolon before the first parameter
		}
	}
	params = map[string]string{}
	var extended map[string]*extendedParam
	for r.at < len(r.s) {
		r.at++ // the semicolon
		name := strings.ToLower(strings.TrimSpace(cleanLine(r.until("=;"))))
		if r.at >= len(r.s) || r.s[r.at] != '=' {
			continue
		}
		r.at++
		text := r.value()
		base, section, star := strings.Cut(name, "*")
		if !star {
			if _, ok := params[name]; !ok && name != "" {
				params[name] = decodeWords(text, declared)
			}
			continue
		}
		if extended == nil {
			extended = map[string]*extendedParam{}
		}
		if extended[base] == nil {
			extended[base] = &extendedParam{}
		}
		extended[base].add(section, text)
	}
	for name, p := range extended {
		if name != "" {
			params[name] = p.join(declared)
		}
	}
	return cleanLine(value), params
}

// paramReader reads along a value.
type paramReader struct {
	s  string
	at int
}

// until returns the text up to one of the characters, or the rest, without
// comments.
func (r *paramReader) until(stop string) string {
	start := r.at
	r.seek(start, stop)
	return withoutComments(r.s[start:r.at])
}

// seek goes to the first of the characters from a place on, or to the end.
func (r *paramReader) seek(from int, stop string) {
	if n := strings.IndexAny(r.s[from:], stop); n >= 0 {
		r.at = from + n
	} else {
		r.at = len(r.s)
	}
}

// value returns a parameter's value and stops at the next semicolon. A quote that
// is never closed is passed over, and the value ends where one without quotes
// would.
func (r *paramReader) value() string {
	start := len(r.s) - len(strings.TrimLeft(r.s[r.at:], " \t"))
	if strings.HasPrefix(r.s[start:], `"`) {
		start++
		var b strings.Builder
		for i := start; i < len(r.s); i++ {
			switch c := r.s[i]; {
			case c == '\\' && i+1 < len(r.s) && (r.s[i+1] == '"' || r.s[i+1] == '\\'):
				i++
				b.WriteByte(r.s[i])
			case c == '"':
				r.seek(i+1, ";")
				return b.String()
			default:
				b.WriteByte(c)
			}
		}
	}
	r.seek(start, ";")
	return strings.TrimSpace(r.s[start:r.at])
}

// extendedParam collects the sections of a parameter (RFC 2231 3 and 4).
type extendedParam struct {
	charset  string
	sections map[int]section
}

type section struct {
	text    string
	encoded bool
}

func (p *extendedParam) add(number, text string) {
	number, encoded := strings.CutSuffix(number, "*")
	n := 0
	switch {
	case number == "": // name*=: one section, encoded
		encoded = true
	default:
		var err error
		if n, err = strconv.Atoi(number); err != nil || n < 0 {
			return
		}
	}
	if encoded && n == 0 {
		if parts := strings.SplitN(text, "'", 3); len(parts) == 3 {
			p.charset, text = parts[0], parts[2]
		}
	}
	if p.sections == nil {
		p.sections = map[int]section{}
	}
	if _, ok := p.sections[n]; !ok {
		p.sections[n] = section{text: text, encoded: encoded}
	}
}

// join returns the value: sections in the order of their numbers, up to the
// first that is missing.
func (p *extendedParam) join(declared string) string {
	var b strings.Builder
	words := true
	for n := 0; ; n++ {
		s, ok := p.sections[n]
		if !ok {
			break
		}
		if s.encoded {
			words = false
			b.WriteString(percentDecode(s.text))
		} else {
			b.WriteString(s.text)
		}
	}
	if words {
		return decodeWords(b.String(), declared)
	}
	text, _ := decodeCharset(p.charset, []byte(b.String()))
	return cleanLine(string(text))
}

func percentDecode(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// unhex returns the value of a hexadecimal digit, -1 for anything else.
func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
