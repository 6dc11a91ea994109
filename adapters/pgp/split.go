package pgp

import (
	"bytes"
	"mime"
	"strings"

	"github.com/airtight-csirt/airtight/mail"
)

// entity is a MIME part by its exact bytes (RFC 2045 2.4).
type entity struct {
	raw       []byte
	fields    []field
	body      []byte
	mediaType string // lower case; text/plain if there is none
	params    map[string]string
}

// field is a header field with all its lines.
type field struct {
	name string // lower case
	raw  []byte // line breaks included
}

// span is a place in the bytes of something.
type span struct{ start, end int }

const maxFields = 2000

// cut takes the header of a part off. A line that is no field ends a header as
// an empty one does, and belongs to the body.
func cut(raw []byte) entity {
	e := entity{raw: raw, mediaType: "text/plain"}
	at := 0
	for at < len(raw) {
		next := len(raw)
		if n := bytes.IndexByte(raw[at:], '\n'); n >= 0 {
			next = at + n + 1
		}
		line := raw[at:next]
		text := bytes.TrimRight(line, "\r\n")
		colon := bytes.IndexByte(text, ':')
		switch {
		case len(text) == 0:
			at = next
		case (text[0] == ' ' || text[0] == '\t') && len(e.fields) > 0:
			last := &e.fields[len(e.fields)-1]
			last.raw = last.raw[:len(last.raw)+len(line)] // they are neighbours in raw
			at = next
			continue
		case at == 0 && bytes.HasPrefix(text, []byte("From ")): // of an mbox
			e.fields = append(e.fields, field{raw: line})
			at = next
			continue
		case colon > 0 && len(e.fields) < maxFields && bytes.IndexFunc(bytes.TrimRight(text[:colon], " \t"), notInName) < 0:
			e.fields = append(e.fields, field{name: strings.ToLower(string(bytes.TrimRight(text[:colon], " \t"))), raw: line})
			at = next
			continue
		}
		break
	}
	e.body = raw[at:]
	if value, ok := e.get("content-type"); ok {
		e.mediaType, e.params = mediaType(value)
	}
	return e
}

func notInName(r rune) bool { return r <= ' ' || r > '~' }

// get returns the first field of that name, unfolded.
func (e entity) get(name string) (string, bool) {
	for _, f := range e.fields {
		if f.name == name {
			_, value, _ := bytes.Cut(f.raw, []byte(":"))
			return strings.TrimSpace(strings.NewReplacer("\r", "", "\n", "").Replace(string(value))), true
		}
	}
	return "", false
}

// mediaType reads Content-Type. QUIRK: what the standard library refuses is
// read piece by piece, the first parameter of a name counting.
func mediaType(value string) (string, map[string]string) {
	if t, params, err := mime.ParseMediaType(value); err == nil {
		return t, params
	}
	params := map[string]string{}
	first, rest, _ := strings.Cut(value, ";")
	for piece := range strings.SplitSeq(rest, ";") {
		name, v, ok := strings.Cut(piece, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := params[name]; ok && !twice {
			params[name] = strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	t := strings.ToLower(strings.TrimSpace(first))
	if !strings.Contains(t, "/") {
		t = "text/plain"
	}
	return t, params
}

// children cuts a multipart (RFC 2046 5.1.1) into the exact bytes of its parts:
// the line break before a boundary is not a part's. They are places in e.body.
func (e entity) children(most int) (parts []span) {
	name := strings.TrimRight(e.params["boundary"], " \t")
	if name == "" {
		return nil
	}
	delimiter := []byte("--" + name)
	start := -1
	for at := 0; at < len(e.body); {
		next := len(e.body)
		if n := bytes.IndexByte(e.body[at:], '\n'); n >= 0 {
			next = at + n + 1
		}
		line := bytes.TrimRight(e.body[at:next], " \t\r\n")
		if rest, ok := bytes.CutPrefix(line, delimiter); ok && (len(rest) == 0 || string(rest) == "--") {
			if start >= 0 && len(parts) < most {
				parts = append(parts, span{start, max(start, beforeBreak(e.body, at))})
			}
			if len(rest) > 0 {
				return parts
			}
			start = next
		}
		at = next
	}
	if start >= 0 && len(parts) < most {
		parts = append(parts, span{start, len(e.body)}) // the last boundary is missing
	}
	return parts
}

// beforeBreak returns the place of the line break that ends at a position.
func beforeBreak(b []byte, at int) int {
	if at > 0 && b[at-1] == '\n' {
		at--
		if at > 0 && b[at-1] == '\r' {
			at--
		}
	}
	return at
}

// content removes the transfer encoding, and leaves the charset as it is. It
// reads what is broken as [mail.Parse] does.
func (e entity) content() []byte {
	encoding, _ := e.get("content-transfer-encoding")
	switch strings.ToLower(encoding) {
	case "", "7bit", "8bit", "binary":
		return e.body
	}
	raw := append([]byte("Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: "+encoding+"\r\n\r\n"), e.body...)
	m, _ := mail.Parse(raw, mail.Limits{Bytes: -1})
	if len(m.Parts) == 0 {
		return nil
	}
	return m.Parts[0].Content
}

// canonical ends all lines in CRLF (RFC 3156 5).
func canonical(b []byte) []byte {
	if bytes.Count(b, []byte("\n")) == bytes.Count(b, []byte("\r\n")) {
		return b
	}
	out := make([]byte, 0, len(b)+len(b)/40)
	for i, c := range b {
		if c == '\n' && (i == 0 || b[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}

// lineBreak returns the line break that the header of a mail uses.
func lineBreak(raw []byte) string {
	if n := bytes.IndexByte(raw, '\n'); n > 0 && raw[n-1] != '\r' {
		return "\n"
	}
	return "\r\n"
}
