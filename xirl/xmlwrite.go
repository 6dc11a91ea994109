package xirl

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"
)

// xmlWriter writes XML whose default namespace is said once at the root. It
// keeps its first error, as bufio does.
type xmlWriter struct {
	w    *bufio.Writer
	open []string
	leaf bool // the last thing written was a start tag or text in it
}

func newXMLWriter(w io.Writer) *xmlWriter {
	x := &xmlWriter{w: bufio.NewWriter(w)}
	x.write(`<?xml version="1.0" encoding="UTF-8"?>`, "\n")
	return x
}

func (x *xmlWriter) write(parts ...string) {
	for _, s := range parts {
		x.w.WriteString(s) // an error stays in the writer until Flush
	}
}

// start opens an element; attrs are names and values in turn, and an attribute
// with an empty value is left out.
func (x *xmlWriter) start(name string, attrs ...string) {
	if len(x.open) > 0 {
		x.write("\n", strings.Repeat("  ", len(x.open)))
	}
	x.write("<", name)
	for i := 0; i < len(attrs); i += 2 {
		if attrs[i+1] != "" {
			x.write(" ", attrs[i], `="`)
			x.escape(attrs[i+1])
			x.write(`"`)
		}
	}
	x.write(">")
	x.open, x.leaf = append(x.open, name), true
}

func (x *xmlWriter) end() {
	name := x.open[len(x.open)-1]
	x.open = x.open[:len(x.open)-1]
	if !x.leaf {
		x.write("\n", strings.Repeat("  ", len(x.open)))
	}
	x.write("</", name, ">")
	x.leaf = false
	if len(x.open) == 0 {
		x.write("\n")
	}
}

// element writes an element with text in it, nothing if the text and all
// attributes are empty.
func (x *xmlWriter) element(name, text string, attrs ...string) {
	said := text != ""
	for i := 1; i < len(attrs); i += 2 {
		said = said || attrs[i] != ""
	}
	if said {
		x.must(name, text, attrs...)
	}
}

// must writes an element even when it is empty.
func (x *xmlWriter) must(name, text string, attrs ...string) {
	x.start(name, attrs...)
	x.escape(text)
	x.end()
}

func (x *xmlWriter) escape(s string) { escapeXML(x.w, s) }

// escapeXML writes text so that it comes back as it was: what parsers would
// normalize goes as a character reference. s must be legalXML.
func escapeXML(w io.StringWriter, s string) {
	last := 0
	for i := range len(s) {
		var to string
		switch s[i] {
		case '&':
			to = "&amp;"
		case '<':
			to = "&lt;"
		case '>':
			to = "&gt;"
		case '"':
			to = "&#34;"
		case '\t':
			to = "&#9;"
		case '\n':
			to = "&#10;"
		case '\r':
			to = "&#13;"
		default:
			continue
		}
		w.WriteString(s[last:i])
		w.WriteString(to)
		last = i + 1
	}
	w.WriteString(s[last:])
}

// legalXML reports whether text can stand in XML 1.0 at all (section 2.2).
func legalXML(s string) bool {
	for i, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return false
		}
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				return false
			}
		}
	}
	return true
}

// markup returns the element as text that is complete in itself: the top
// declares every namespace in force, the rest is as it was read.
func (n *node) markup() string {
	var b strings.Builder
	n.print(&b)
	return b.String()
}

func (n *node) print(b *strings.Builder) {
	if n.local == "" {
		escapeXML(b, n.text)
		return
	}
	name := n.raw.Name.Local
	if n.raw.Name.Space != "" {
		name = n.raw.Name.Space + ":" + name
	}
	b.WriteString("<" + name)
	for _, d := range n.bindings {
		b.WriteString(" xmlns")
		if d.prefix != "" {
			b.WriteString(":" + d.prefix)
		}
		b.WriteString(`="`)
		escapeXML(b, d.space)
		b.WriteString(`"`)
	}
	for _, a := range n.raw.Attr {
		prefix := a.Name.Space
		if prefix == "xmlns" || prefix == "" && a.Name.Local == "xmlns" {
			continue
		}
		if prefix != "" {
			prefix += ":"
		}
		b.WriteString(" " + prefix + a.Name.Local + `="`)
		escapeXML(b, a.Value)
		b.WriteString(`"`)
	}
	b.WriteString(">")
	for _, k := range n.kids {
		k.print(b)
	}
	b.WriteString("</" + name + ">")
}
