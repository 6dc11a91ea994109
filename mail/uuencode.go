package mail

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// uuFile is a file found in text, uuencoded (POSIX uuencode, the encoding
// before MIME).
type uuFile struct {
	name     string
	content  []byte
	from, to int  // its place in the text, whole lines
	whole    bool // it was ended properly
}

// findUU finds the uuencoded files in text: a line "begin 644 name", lines of
// data, a line "end" or the end of the text. Something that only begins like
// one is none.
func findUU(text []byte) []uuFile {
	var files []uuFile
	for at := 0; at < len(text); {
		if !bytes.HasPrefix(text[at:], []byte("begin ")) {
			n := bytes.Index(text[at:], []byte("\nbegin "))
			if n < 0 {
				break
			}
			at += n + 1
		}
		from := at
		line, next := cutLine(text, at)
		at = next
		fields := strings.SplitN(string(line), " ", 3)
		if len(fields) < 3 || len(fields[1]) < 3 || len(fields[1]) > 4 || strings.Trim(fields[1], "01234567") != "" {
			continue
		}
		f := uuFile{name: fileName(cleanLine(guessText(fields[2], ""))), from: from}
		for lines := 0; at < len(text); lines++ {
			line, next := cutLine(text, at)
			if string(line) == "end" {
				f.whole = lines > 0
				at = next
				break
			}
			data, ok := decodeUULine(line)
			if !ok {
				break
			}
			f.content = append(f.content, data...)
			at = next
		}
		if f.to = at; f.whole || at == len(text) && len(f.content) > 0 {
			files = append(files, f)
		}
	}
	return files
}

// cutLine returns the line at i without its line break, and where the next one
// begins.
func cutLine(text []byte, i int) (line []byte, next int) {
	n := bytes.IndexByte(text[i:], '\n')
	if n < 0 {
		return text[i:], len(text)
	}
	return bytes.TrimRight(text[i:i+n], "\r"), i + n + 1
}

// decodeUULine decodes one line of data; the first character is its length.
func decodeUULine(line []byte) ([]byte, bool) {
	if len(line) == 0 {
		return nil, false
	}
	for _, c := range line {
		if c < ' ' || c > '`' {
			return nil, false
		}
	}
	size := int(line[0]-' ') & 63
	data := line[1:]
	want := (size + 2) / 3 * 4
	// QUIRK: a few blanks at the end of a line get lost; some writers add a
	// checksum.
	if len(data) > want+2 || len(data) < want-4 {
		return nil, false
	}
	at := func(i int) byte {
		if i < len(data) {
			return (data[i] - ' ') & 63
		}
		return 0
	}
	out := make([]byte, 0, size+2)
	for i := 0; i < want; i += 4 {
		out = append(out, at(i)<<2|at(i+1)>>4, at(i+1)<<4|at(i+2)>>2, at(i+2)<<6|at(i+3))
	}
	return out[:size], true
}

// unpackUU adds the files uuencoded in a text part as parts of their own. The
// text part itself keeps its content.
func (p *parser) unpackUU(e *entity, parts []incident.Part) []incident.Part {
	text := parts[len(parts)-1].Content
	e.uu = findUU(text)
	for _, f := range e.uu {
		if p.parts >= p.limits.Parts {
			p.over("Parts", p.limits.Parts, p.parts+1)
			break
		}
		p.parts++
		if !f.whole {
			p.defectIn(e, fmt.Sprintf("uuencoded file %q without an end", f.name))
		}
		parts = append(parts, incident.Part{
			Type:        "application/octet-stream",
			Disposition: "attachment",
			Name:        f.name,
			Depth:       e.depth + 1,
			Content:     f.content,
		})
	}
	return parts
}
