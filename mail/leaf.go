package mail

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	"github.com/emersion/go-message"

	"github.com/airtight-csirt/airtight/incident"
)

// leaves decodes the leaves of the tree, in order.
func (p *parser) leaves(root *entity) []incident.Part {
	var parts []incident.Part
	var walk func(e *entity)
	walk = func(e *entity) {
		if len(e.children) == 0 && !strings.HasPrefix(e.mediaType, "multipart/") || e.isMessage() || len(e.body) > 0 {
			e.leaf = len(parts) + 1
			parts = append(parts, p.part(e))
			if e.mediaType == "text/plain" {
				parts = p.unpackUU(e, parts)
			}
		}
		for _, c := range e.children {
			walk(c)
		}
	}
	walk(root)
	return parts
}

// part decodes one leaf.
func (p *parser) part(e *entity) incident.Part {
	part := incident.Part{
		Type:        e.mediaType,
		Params:      e.params,
		Disposition: e.disposition,
		Name:        e.name,
		Depth:       e.depth,
	}
	if id, ok := e.field("Content-ID"); ok {
		if ids := messageIDs(id); len(ids) > 0 {
			part.ContentID = ids[0]
		}
	}
	switch {
	case e.isMessage() && len(e.children) > 0:
		part.Content = e.body // decoded already, if it was encoded
		if part.Name == "" {
			part.Name = messageName(e.children[0], p.charset)
		}
		return part
	case strings.HasPrefix(e.mediaType, "multipart/"): // over the limit of depth
		part.Content = e.body
		return part
	}
	part.Content = p.decodeTransfer(e, e.body)
	if strings.HasPrefix(e.mediaType, "text/") {
		text, known := decodeCharset(charsetOf(e, part.Content), part.Content)
		if !known {
			p.defectIn(e, fmt.Sprintf("unknown charset %q, kept as it is", excerpt([]byte(e.params["charset"]))))
			return part
		}
		part.Content = text
	}
	return part
}

// messageName makes a file name for an attached message without one.
func messageName(e *entity, declared string) string {
	subject, ok := e.field("Subject")
	if !ok {
		return ""
	}
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, strings.TrimSpace(decodeWords(subject, declared)))
	if name == "" {
		return ""
	}
	return name + ".eml"
}

// charsetOf returns the declared charset, for HTML without one what its head
// says (within the first kilobyte, as browsers look).
func charsetOf(e *entity, content []byte) string {
	label := e.params["charset"]
	if label != "" || e.mediaType != "text/html" {
		return label
	}
	head := bytes.ToLower(content[:min(len(content), 1024)])
	_, after, ok := bytes.Cut(head, []byte("charset="))
	if !ok {
		return ""
	}
	after = bytes.TrimLeft(after, `"' `)
	if n := bytes.IndexAny(after, "\"' />;\r\n"); n >= 0 {
		after = after[:n]
	}
	if lookUpCharset(string(after)) == nil {
		return ""
	}
	return string(after)
}

// hides reports whether the encoding is one that has to be removed.
func hides(encoding string) bool {
	switch encoding {
	case "base64", "quoted-printable", "x-uuencode", "uuencode", "x-uue", "uue":
		return true
	}
	return false
}

// decodeTransfer removes the transfer encoding (RFC 2045 6). An unknown one
// leaves the content as it is.
func (p *parser) decodeTransfer(e *entity, body []byte) []byte {
	switch e.encoding {
	case "", "7bit", "8bit", "binary":
		return body
	case "7-bit", "8-bit", "7bits", "8bits", "8-bits":
		p.defectIn(e, "misspelt transfer encoding (RFC 2045 6.1): "+excerpt([]byte(e.encoding)))
		return body
	case "base64":
		out, junk := decodeBase64(body)
		if junk > 0 {
			p.defectIn(e, fmt.Sprintf("%d bytes that are no base64, passed over (RFC 2045 6.8)", junk))
		}
		return out
	case "quoted-printable":
		out, ok := decodeQuoted(body)
		if !ok {
			p.defectIn(e, "invalid quoted-printable, kept as it stands (RFC 2045 6.7)")
		}
		return out
	case "x-uuencode", "uuencode", "x-uue", "uue":
		if files := findUU(body); len(files) > 0 {
			if e.name == "" {
				e.name = files[0].name
			}
			return files[0].content
		}
		p.defectIn(e, "no uuencoded data found")
		return body
	}
	p.defectIn(e, "unknown transfer encoding, kept as it is (RFC 2045 6.4): "+excerpt([]byte(e.encoding)))
	return body
}

// decodeQuoted removes quoted-printable.
func decodeQuoted(body []byte) (out []byte, ok bool) {
	if bytes.IndexByte(body, '\n') < 0 && bytes.IndexByte(body, '\r') >= 0 {
		return tolerantQuoted(body), true
	}
	var h message.Header
	h.Set("Content-Transfer-Encoding", "quoted-printable")
	entity, err := message.New(h, bytes.NewReader(body))
	if err == nil {
		if out, err = io.ReadAll(entity.Body); err == nil {
			return out, true
		}
	}
	return tolerantQuoted(body), false
}

// tolerantQuoted keeps whatever is no valid escape as it stands. QUIRK: lines
// may end in CR alone.
func tolerantQuoted(body []byte) []byte {
	stop := []byte("\n")
	if bytes.IndexByte(body, '\n') < 0 {
		stop = []byte("\r")
	}
	out := make([]byte, 0, len(body))
	for len(body) > 0 {
		line, rest, _ := bytes.Cut(body, stop)
		text := bytes.TrimRight(line, " \t\r")
		ending := body[len(bytes.TrimRight(line, "\r")) : len(body)-len(rest)]
		body = rest
		text, soft := bytes.CutSuffix(text, []byte("="))
		for i := 0; i < len(text); i++ {
			if text[i] == '=' && i+2 < len(text) && unhex(text[i+1]) >= 0 && unhex(text[i+2]) >= 0 {
				out = append(out, byte(unhex(text[i+1])<<4|unhex(text[i+2])))
				i += 2
				continue
			}
			out = append(out, text[i])
		}
		if !soft {
			out = append(out, ending...)
		}
	}
	return out
}

// decodeBase64 removes base64. Characters outside of the alphabet are passed
// over and counted (line breaks and blanks are no junk). Padding ends the data
// (RFC 2045 6.8), unless all that follows is base64 too: some programs join
// pieces. A piece that is cut short gives the bytes that are complete.
func decodeBase64(body []byte) (out []byte, junk int) {
	out = make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	if n, err := base64.StdEncoding.Decode(out, body); err == nil {
		return out[:n], 0
	}
	out = out[:0]
	var bits uint32
	have := 0
	flush := func() {
		switch have {
		case 2:
			out = append(out, byte(bits>>4))
		case 3:
			out = append(out, byte(bits>>10), byte(bits>>2))
		}
		bits, have = 0, 0
	}
	joined := false
	for i, c := range body {
		v := uint32(0)
		switch {
		case 'A' <= c && c <= 'Z':
			v = uint32(c - 'A')
		case 'a' <= c && c <= 'z':
			v = uint32(c-'a') + 26
		case '0' <= c && c <= '9':
			v = uint32(c-'0') + 52
		case c == '+':
			v = 62
		case c == '/':
			v = 63
		case c == '=':
			flush()
			if rest := bytes.TrimLeft(body[i:], "= \t\r\n"); !joined && len(rest) > 0 {
				if joined = allBase64(rest); !joined {
					return out, junk + len(rest)
				}
			}
			continue
		case c == '\r' || c == '\n' || c == ' ' || c == '\t':
			continue
		default:
			junk++
			continue
		}
		bits = bits<<6 | v
		if have++; have == 4 {
			out = append(out, byte(bits>>16), byte(bits>>8), byte(bits))
			bits, have = 0, 0
		}
	}
	if have > 0 {
		junk++ // cut short
	}
	flush()
	return out, junk
}

// allBase64 reports whether text is base64 in whole groups of four.
func allBase64(text []byte) bool {
	n := 0
	for _, c := range text {
		switch {
		case isBase64(c) || c == '=':
			n++
		case c != '\r' && c != '\n' && c != ' ' && c != '\t':
			return false
		}
	}
	return n%4 == 0
}
