package pgp

import (
	"bytes"
	"context"
	"io"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

// text opens the armoured blocks of a text. A block that is all of the text is
// replaced by what is in it. Where other text stands beside a block, the lines
// around it stay, so that a reader sees how far it goes.
func (w *walk) text(ctx context.Context, e entity, at place, whole bool) []byte {
	content := e.content()
	blocks := findBlocks(content)
	if len(blocks) == 0 {
		return w.file(e, at)
	}
	alone := len(blocks) == 1 && blank(content[:blocks[0].start]) && blank(content[blocks[0].end:])
	var out bytes.Buffer
	done, changed := 0, false
	charset := strings.ToLower(e.params["charset"])
	for _, b := range blocks {
		if b.kind != messageBlock && b.kind != signedBlock {
			continue
		}
		raw := content[b.start:b.end]
		layer := w.layer("inline", at, whole && alone)
		var text []byte
		switch {
		case b.kind == signedBlock:
			text = w.clearsigned(e, raw, layer, alone)
			if !alone {
				continue
			}
		case b.open:
			layer.Encrypted, layer.Decryption = true, incident.DecryptionDamaged
			layer.Why = append(layer.Why, "It is cut short.")
		default:
			if text = w.inline(raw, layer); utf8.Valid(text) && !ascii(text) {
				charset = "utf-8"
			}
		}
		if text == nil {
			continue
		}
		changed = true
		out.Write(content[done:b.start])
		if !alone {
			first := bytes.IndexByte(raw, '\n') + 1
			out.Write(raw[:first])
			out.Write(text)
			if !bytes.HasSuffix(text, []byte("\n")) {
				out.WriteString("\n")
			}
			last := bytes.LastIndexByte(bytes.TrimRight(raw, "\r\n"), '\n') + 1
			out.Write(raw[last:])
		} else {
			out.Write(text)
		}
		done = b.end
	}
	if !changed {
		return e.raw
	}
	out.Write(content[done:])
	if charset == "" && !ascii(out.Bytes()) && utf8.Valid(out.Bytes()) {
		charset = "utf-8"
	}
	contentType := "text/plain"
	if charset != "" {
		contentType = mime.FormatMediaType("text/plain", map[string]string{"charset": charset})
	}
	disposition, _ := e.get("content-disposition")
	opened := leaf(e, contentType, disposition, out.Bytes())
	if alone && blocks[0].kind == messageBlock {
		return w.entity(ctx, cut(opened), at.below(1), whole) // signed first, and then encrypted
	}
	return opened
}

// inline opens an encrypted block.
func (w *walk) inline(raw []byte, layer *incident.Layer) []byte {
	binary, err := unarmour(raw, int64(len(raw)))
	if err != nil {
		layer.Encrypted, layer.Decryption = true, incident.DecryptionDamaged
		layer.Why = append(layer.Why, "It cannot be read: "+err.Error()+".")
		return nil
	}
	return w.message(binary, layer)
}

// clearsigned checks a signed block (RFC 9580 7) and returns its text.
func (w *walk) clearsigned(e entity, raw []byte, layer *incident.Layer, alone bool) []byte {
	decoded, _ := clearsign.Decode(raw)
	if decoded == nil {
		layer.Signatures = []incident.Signature{{State: incident.SignatureUnreadable, Why: "it is not of the form that RFC 9580 7 demands"}}
		return nil
	}
	binary, err := io.ReadAll(io.LimitReader(decoded.ArmoredSignature.Body, maxMaterial))
	text, same := signedText(raw, decoded.Bytes)
	if err != nil || !same {
		layer.Signatures = []incident.Signature{{State: incident.SignatureUnreadable, Why: "its armour cannot be read"}}
		return nil
	}
	layer.Signatures = w.detached(decoded.Bytes, binary)
	if alone && layer.Signatures[0].State == incident.SignatureBad && !ascii(raw) {
		// QUIRK: some programs sign before they change the charset.
		if again := w.inUTF8(e, binary); again != nil {
			layer.Signatures = again
		}
	}
	return text
}

// inUTF8 checks the only signed block of a part in UTF-8. It returns nil if it is
// not good there either.
func (w *walk) inUTF8(e entity, signature []byte) []incident.Signature {
	m, _ := mail.Parse(bareHeader(e), mail.Limits{Bytes: -1})
	if len(m.Parts) == 0 {
		return nil
	}
	decoded, _ := clearsign.Decode(m.Parts[0].Content)
	if decoded == nil {
		return nil
	}
	list := w.detached(decoded.Bytes, signature)
	if !hasGood(list) {
		return nil
	}
	return list
}

// bareHeader is a part with nothing but its fields of MIME.
func bareHeader(e entity) []byte {
	var b bytes.Buffer
	for _, f := range e.fields {
		if strings.HasPrefix(f.name, "content-") {
			b.Write(bytes.TrimRight(f.raw, "\r\n"))
			b.WriteString("\r\n")
		}
	}
	b.WriteString("\r\n")
	b.Write(e.body)
	return b.Bytes()
}

func blank(b []byte) bool { return len(bytes.TrimSpace(b)) == 0 }

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}
