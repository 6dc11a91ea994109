package xirl

import (
	"bytes"
	"encoding/xml"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// sniffed is how much of a part recognition looks at.
const sniffed = 4 << 10

func head(p incident.Part) []byte { return p.Content[:min(len(p.Content), sniffed)] }

// leaves are the parts without the header of the mail.
func leaves(parts []incident.Part) []incident.Part {
	if len(parts) > 0 && parts[0].Type == incident.HeaderType && parts[0].Depth == 0 {
		return parts[1:]
	}
	return parts
}

func anyPart(parts []incident.Part, is func(incident.Part) bool) bool {
	return slices.ContainsFunc(leaves(parts), is)
}

// rootIs recognises XML by its root element; with no namespaces named, by the
// local name alone.
func rootIs(local string, spaces ...string) func(incident.Part) bool {
	return func(p incident.Part) bool {
		content := bytes.TrimSpace(bytes.TrimPrefix(head(p), []byte("\xef\xbb\xbf")))
		if !bytes.HasPrefix(content, []byte("<")) {
			return false
		}
		d := xml.NewDecoder(bytes.NewReader(content))
		d.Strict = false
		d.CharsetReader = newXMLReader("", nil, incident.Limits{}).d.CharsetReader
		for {
			token, err := d.RawToken()
			if err != nil {
				return false
			}
			start, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			if start.Name.Local != local {
				return false
			}
			if len(spaces) == 0 {
				return true
			}
			for _, a := range start.Attr {
				bound := a.Name.Space == "xmlns" && a.Name.Local == start.Name.Space ||
					a.Name.Space == "" && a.Name.Local == "xmlns" && start.Name.Space == ""
				if bound && slices.Contains(spaces, a.Value) {
					return true
				}
			}
			return false
		}
	}
}

// headerField returns a field of the mail's own header, unfolded, "" if the header
// did not come along.
func headerField(parts []incident.Part, name string) string {
	if len(parts) == 0 || len(leaves(parts)) == len(parts) {
		return ""
	}
	for _, f := range headerFields(parts[0].Content) {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// headerFields takes a header block apart (RFC 5322, section 2.2), unfolded, up
// to its first empty line.
func headerFields(block []byte) []incident.Field {
	var list []incident.Field
	var value []string // of the last field, line by line
	end := func() {
		if n := len(list); n > 0 && value != nil {
			list[n-1].Value = strings.Join(value, " ")
		}
		value = nil
	}
	text := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(block))
	for line := range strings.SplitSeq(strings.TrimLeft(text, "\n"), "\n") {
		if line == "" {
			break
		}
		if (line[0] == ' ' || line[0] == '\t') && value != nil {
			value = append(value, strings.TrimSpace(line))
			continue
		}
		end()
		if name, v, ok := strings.Cut(line, ":"); ok && !strings.ContainsAny(name, " \t") {
			list = append(list, incident.Field{Name: name})
			value = []string{strings.TrimSpace(v)}
		}
	}
	end()
	return list
}
