package lookup

import (
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// HTMLText returns the text of an HTML document or fragment, for [Extract]: blocks and cells
// on lines of their own, scripts and styles left out, and behind each link its
// target in angle brackets, since that is what a phishing mail is about. The
// time is linear in the length, however tags are nested or left open. Offsets of what is
// found are offsets into this text.
func HTMLText(source string) string {
	var b strings.Builder
	var target string // of the link that is open
	var skipped atom.Atom
	z := html.NewTokenizer(strings.NewReader(source))
	for {
		kind := z.Next()
		switch kind {
		case html.ErrorToken: // the end: a string has no other error
			link(&b, &target)
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
				if kind == html.StartTagToken {
					skipped = tag
				}
			case atom.A:
				link(&b, &target)
				for attributes {
					var key, value []byte
					if key, value, attributes = z.TagAttr(); string(key) == "href" {
						target = string(value)
					}
				}
			case atom.P, atom.Br, atom.Div, atom.Tr, atom.Td, atom.Th, atom.Li, atom.Dt, atom.Dd, atom.Pre, atom.Blockquote, atom.Hr,
				atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Table, atom.Ul, atom.Ol:
				b.WriteByte('\n')
			}
		}
	}
}

// link writes the target of the link that ends.
func link(b *strings.Builder, target *string) {
	if *target != "" {
		b.WriteString(" <" + *target + "> ")
	}
	*target = ""
}
