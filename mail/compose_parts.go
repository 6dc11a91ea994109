package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/incident"
)

const longestFileName = 200

// mixed writes the text and the attachments of a letter (RFC 2046 5.1.3).
func (h *headerWriter) mixed(l Letter) {
	boundary := boundaryOf(l)
	h.field("Content-Type", "multipart/mixed;", `boundary="`+boundary+`"`)
	h.b.WriteString("\r\n--" + boundary + "\r\n")
	h.plainText(l.Text)
	for _, p := range l.Attachments {
		h.b.WriteString("\r\n--" + boundary + "\r\n")
		h.attachment(p)
	}
	h.b.WriteString("\r\n--" + boundary + "--\r\n")
}

// boundaryOf makes a boundary out of all that it divides: whoever wrote a part
// of it cannot have known the boundary.
func boundaryOf(l Letter) string {
	sum := sha256.New()
	add := func(s []byte) {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(s)))
		sum.Write(length[:])
		sum.Write(s)
	}
	add([]byte(l.MessageID))
	add([]byte(l.Text))
	for _, p := range l.Attachments {
		add(p.Content)
	}
	return "=_" + hex.EncodeToString(sum.Sum(nil)[:16])
}

// attachment writes one part. Everything is encoded, so that no byte changes on
// the way, except a message: that must not be (RFC 2046 5.2.1).
func (h *headerWriter) attachment(p incident.Part) {
	mediaType, content := p.Type, p.Content
	major, minor, _ := strings.Cut(mediaType, "/")
	asIs := mediaType == "message/rfc822" && sevenBit(content)
	if !isToken(major) || !isToken(minor) || len(mediaType) > lineLength || !asIs && (major == "message" || major == "multipart") {
		mediaType = "application/octet-stream"
	}
	charset := p.Params["charset"]
	if major == "text" {
		charset = "utf-8" // what Content is, as far as its charset was known
		if !utf8.Valid(content) {
			charset = ""
		}
	}
	if mediaType == p.Type && isToken(charset) && len(charset) < 50 {
		h.field("Content-Type", mediaType+";", "charset="+charset)
	} else {
		h.field("Content-Type", mediaType)
	}
	h.field("Content-Disposition", withName("attachment", p.Name)...)
	if asIs {
		h.field("Content-Transfer-Encoding", "7bit")
		h.b.WriteString("\r\n")
		h.b.WriteString(strings.ReplaceAll(lines(string(content)), "\n", "\r\n"))
		return
	}
	h.field("Content-Transfer-Encoding", "base64")
	h.b.WriteString("\r\n")
	h.b.Grow(base64.StdEncoding.EncodedLen(len(content)) * 80 / 76)
	const perLine = lineLength / 4 * 3
	line := make([]byte, lineLength)
	for len(content) > 0 {
		n := min(perLine, len(content))
		base64.StdEncoding.Encode(line, content[:n])
		h.b.Write(line[:base64.StdEncoding.EncodedLen(n)])
		h.b.WriteString("\r\n")
		content = content[n:]
	}
}

// sevenBit reports whether a message can be sent as it is (RFC 2045 2.7).
func sevenBit(content []byte) bool {
	const longestLine = 998
	for line := range bytes.Lines(content) {
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) > longestLine {
			return false
		}
		for _, c := range line {
			if c == 0 || c == '\r' || c > '~' {
				return false
			}
		}
	}
	return true
}

// withName puts a file name, without any folder, behind a disposition. A name
// that is long or not ASCII is written in sections (RFC 2231 3 and 4).
func withName(disposition, name string) []string {
	name = fileName(cleanLine(name))
	if len(name) > longestFileName {
		name = strings.ToValidUTF8(name[:longestFileName], "")
	}
	if name == "" {
		return []string{disposition}
	}
	const room = 60
	if writable(name) && len(name) <= room {
		return []string{disposition + ";", `filename="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`}
	}
	out := []string{disposition}
	section := "utf-8''"
	put := func() {
		out[len(out)-1] += ";"
		out = append(out, fmt.Sprintf("filename*%d*=%s", len(out)-1, section))
		section = ""
	}
	for i := 0; i < len(name); i++ {
		c := name[i : i+1]
		if !isAttributeByte(name[i]) {
			c = fmt.Sprintf("%%%02X", name[i])
		}
		if len(section)+len(c) > room {
			put()
		}
		section += c
	}
	put()
	return out
}

// isAttributeByte reports whether c stands for itself in an extended value
// (RFC 2231 7).
func isAttributeByte(c byte) bool {
	return c < 0x80 && isWordByte(c) || strings.IndexByte("-._~!#$&+^`{}|", c) >= 0
}
