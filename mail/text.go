package mail

import (
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// bodyText puts together what a handler reads.
func bodyText(root *entity, parts []incident.Part) string {
	readTexts(root, parts)
	var texts []string
	var walk func(e *entity)
	walk = func(e *entity) {
		switch {
		case e.mediaType == "multipart/alternative":
			if best := alternative(e); best != nil {
				walk(best)
			}
		case e.hasPlain || e.hasHTML:
			if e.text != "" {
				texts = append(texts, e.text)
			}
			for _, c := range e.children {
				walk(c)
			}
		}
	}
	walk(root)
	if len(texts) == 0 {
		return ""
	}
	return strings.Join(texts, "\n\n") + "\n"
}

// readTexts reads the text of every leaf once, and notes for every level what
// kind of text is in it.
func readTexts(e *entity, parts []incident.Part) {
	if e.isMessage() && e.parent != nil {
		return // an attachment, whatever it is called
	}
	if e.isBody() {
		if text := strings.Trim(leafText(e, parts), "\n"); strings.TrimSpace(text) != "" {
			e.text = text
			e.hasPlain, e.hasHTML = e.mediaType == "text/plain", e.mediaType == "text/html"
		}
	}
	for _, c := range e.children {
		readTexts(c, parts)
		e.hasPlain = e.hasPlain || c.hasPlain
		e.hasHTML = e.hasHTML || c.hasHTML
	}
}

// isBody reports whether a leaf is text to be read, and no file.
func (e *entity) isBody() bool {
	if e.leaf == 0 || e.disposition == "attachment" || e.parent != nil && e.name != "" && e.disposition != "inline" {
		return false
	}
	return e.mediaType == "text/plain" || e.mediaType == "text/html"
}

// alternative chooses among versions of the same (RFC 2046 5.1.4): the first
// that has plain text in it, otherwise the first that has any.
func alternative(e *entity) *entity {
	var best *entity
	for _, c := range e.children {
		if c.hasPlain {
			return c
		}
		if c.hasHTML && best == nil {
			best = c
		}
	}
	return best
}

// leafText returns the text of one leaf, lines ending in "\n".
func leafText(e *entity, parts []incident.Part) string {
	content := parts[e.leaf-1].Content
	if e.mediaType == "text/html" {
		return htmlText(incident.Clean(string(content)))
	}
	var b strings.Builder
	at := 0
	for _, f := range e.uu { // they are attachments
		b.Write(content[at:f.from])
		at = f.to
	}
	b.Write(content[at:])
	text := lines(incident.Clean(b.String()))
	if strings.EqualFold(e.params["format"], "flowed") {
		return unflow(text, strings.EqualFold(e.params["delsp"], "yes"))
	}
	return text
}

// unflow joins the lines of a paragraph that was broken for the way (RFC 3676).
// A line that ends in a blank goes on in the next one, unless that has another
// depth of quoting or is the mark of a signature; delSp says that the blank
// does not belong to the text.
func unflow(s string, delSp bool) string {
	const signature = "-- "
	var b strings.Builder
	b.Grow(len(s))
	open := -1 // depth of quoting of the paragraph that goes on; -1: none
	for line := range strings.Lines(s) {
		line, ended := strings.CutSuffix(line, "\n")
		text := strings.TrimLeft(line, ">")
		depth := len(line) - len(text)
		text = strings.TrimPrefix(text, " ") // stuffed, 4.4
		if open >= 0 && (depth != open || text == signature) {
			b.WriteByte('\n')
			open = -1
		}
		if open < 0 {
			b.WriteString(line[:depth])
			if depth > 0 && text != "" {
				b.WriteByte(' ')
			}
		}
		open = -1
		if text != signature && strings.HasSuffix(text, " ") {
			open = depth
			if delSp {
				text = text[:len(text)-1]
			}
		}
		b.WriteString(text)
		if ended && open < 0 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// lines brings all line breaks into one form.
func lines(s string) string {
	if strings.IndexByte(s, '\r') < 0 {
		return s
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.ReplaceAll(s, "\r", "\n")
}
