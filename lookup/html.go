package lookup

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// HTMLText returns the text of an HTML document or fragment, for an [Extractor]:
// blocks and cells on lines of their own, scripts and styles left out, and behind
// each link its target in angle brackets, since that is what a phishing mail is
// about; so are the targets of forms and frames. The time is linear in the
// length, however tags are nested or left open. Offsets of what is found are
// offsets into this text.
func HTMLText(source string) string {
	var b strings.Builder
	var link string // the target of the link that is open
	var skipped atom.Atom
	z := html.NewTokenizer(strings.NewReader(source))
	for {
		kind := z.Next()
		switch kind {
		case html.ErrorToken: // the end: a string has no other error
			writeTarget(&b, link)
			return strings.TrimSpace(b.String())
		case html.TextToken:
			if skipped == 0 {
				b.Write(z.Text())
			}
		case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
			name, attributes := z.TagName()
			switch tag := atom.Lookup(name); tag {
			case atom.Script, atom.Style, atom.Title:
				skipped = 0
				if kind != html.EndTagToken { // the tokenizer looks for the end tag even of one that closes itself
					skipped = tag
				}
			case atom.A:
				writeTarget(&b, link)
				link = attribute(z, attributes, "href")
			case atom.Area:
				writeTarget(&b, attribute(z, attributes, "href"))
			case atom.Form:
				writeTarget(&b, attribute(z, attributes, "action"))
			case atom.Iframe, atom.Frame:
				writeTarget(&b, attribute(z, attributes, "src"))
			case atom.P, atom.Br, atom.Div, atom.Tr, atom.Td, atom.Th, atom.Li, atom.Dt, atom.Dd, atom.Pre, atom.Blockquote, atom.Hr,
				atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Table, atom.Ul, atom.Ol:
				b.WriteByte('\n')
			}
		}
	}
}

// attribute returns the first attribute of that name, as browsers read a URL:
// without line ends and tabs (WHATWG URL 4.4).
func attribute(z *html.Tokenizer, more bool, name string) string {
	for more {
		var key, value []byte
		if key, value, more = z.TagAttr(); string(key) == name {
			return strings.Map(func(r rune) rune {
				if r == '\t' || r == '\r' || r == '\n' {
					return -1
				}
				return r
			}, string(value))
		}
	}
	return ""
}

func writeTarget(b *strings.Builder, target string) {
	if target != "" {
		b.WriteString(" <" + target + "> ")
	}
}
