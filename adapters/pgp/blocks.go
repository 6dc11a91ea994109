package pgp

import "bytes"

// blockKind is the type of an armoured block (RFC 9580 6.2).
type blockKind string

const (
	messageBlock   blockKind = "MESSAGE"
	signedBlock    blockKind = "SIGNED MESSAGE" // a text and then a signature block
	signatureBlock blockKind = "SIGNATURE"
	publicKeyBlock blockKind = "PUBLIC KEY BLOCK"
	secretKeyBlock blockKind = "PRIVATE KEY BLOCK"
)

const maxBlocks = 20 // of one text; the rest stays as it is

// block is an armoured block in a text: text[start:end], with the line break
// after it.
type block struct {
	kind       blockKind
	start, end int
	open       bool // its end is missing
}

// findBlocks finds the armoured blocks of a text, in order. A block begins and
// ends at the beginning of a line; one that is quoted with "> " is none. The
// work is linear.
func findBlocks(text []byte) (blocks []block) {
	var current *block
	for at := 0; at < len(text); {
		next := len(text)
		if n := bytes.IndexByte(text[at:], '\n'); n >= 0 {
			next = at + n + 1
		}
		line := bytes.TrimRight(text[at:next], " \t\r\n")
		if kind, begins, ok := frame(line); ok {
			switch {
			case begins && current == nil:
				if len(blocks) == maxBlocks {
					return blocks
				}
				current = &block{kind: kind, start: at}
			case !begins && current != nil && (kind == current.kind || current.kind == signedBlock && kind == signatureBlock):
				current.end = next
				blocks = append(blocks, *current)
				current = nil
			}
		}
		at = next
	}
	if current != nil {
		current.end, current.open = len(text), true
		blocks = append(blocks, *current)
	}
	return blocks
}

// frame reads `-----BEGIN PGP MESSAGE-----` and its like.
func frame(line []byte) (kind blockKind, begins, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte("-----"))
	if !ok {
		return "", false, false
	}
	rest, ok = bytes.CutSuffix(rest, []byte("-----"))
	if !ok {
		return "", false, false
	}
	rest, begins = bytes.CutPrefix(rest, []byte("BEGIN PGP "))
	if !begins {
		if rest, ok = bytes.CutPrefix(rest, []byte("END PGP ")); !ok {
			return "", false, false
		}
	}
	switch k := blockKind(rest); k {
	case messageBlock, signedBlock, signatureBlock, publicKeyBlock, secretKeyBlock:
		return k, begins, true
	}
	return "", false, false
}

// signedText returns the text of a clearsigned block as it stands: without the
// escapes of dashes (RFC 9580 7.1), with the blanks at the ends of lines, which
// the signature does not cover. want is the same text in canonical form, as the
// signature covers it; false means that the two differ.
func signedText(block, want []byte) ([]byte, bool) {
	lines := bytes.SplitAfter(block, []byte("\n"))
	i := 1
	for i < len(lines) && len(bytes.TrimSpace(lines[i])) > 0 {
		i++
	}
	var out, canonical []byte
	for i++; i < len(lines); i++ {
		if bytes.Equal(bytes.TrimRight(lines[i], "\r\n"), []byte("-----BEGIN PGP SIGNATURE-----")) {
			return out, bytes.Equal(bytes.TrimSuffix(canonical, []byte("\r\n")), want)
		}
		line := bytes.TrimPrefix(lines[i], []byte("- "))
		out = append(out, line...)
		canonical = append(append(canonical, bytes.TrimRight(line, " \t\r\n")...), "\r\n"...)
	}
	return nil, false
}
