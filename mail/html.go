package mail

import (
	"html"
	"strings"
)

// htmlText makes text out of HTML, in one pass without a tree: what it costs
// grows with the length only, however tags are nested or left open. Links keep
// their target, since that is what a phishing report is about.
func htmlText(s string) string {
	w := htmlWriter{}
	r := htmlReader{s: s, lastDouble: strings.LastIndexByte(s, '"'), lastSingle: strings.LastIndexByte(s, '\'')}
	for r.at < len(s) {
		n := strings.IndexByte(s[r.at:], '<')
		if n < 0 {
			w.text(s[r.at:])
			break
		}
		w.text(s[r.at : r.at+n])
		r.at += n
		tag, ok := r.tag()
		if !ok {
			w.text("<")
			r.at++
			continue
		}
		name, closing := tagNameOf(tag)
		if !closing && (name == "script" || name == "style" || name == "title") {
			r.skip(name)
			continue
		}
		w.tag(name, closing, tag)
	}
	return w.done()
}

// htmlReader reads tags.
type htmlReader struct {
	s                      string
	at                     int
	lastDouble, lastSingle int // a quote that opens at the last one is none
}

// tag reads the tag or comment that begins here; a comment is an empty tag.
// What is never ended takes all that is left, as in a browser.
func (r *htmlReader) tag() (tag string, ok bool) {
	s := r.s[r.at:]
	if strings.HasPrefix(s, "<!--") {
		if n := strings.Index(s[4:], "-->"); n >= 0 {
			r.at += 4 + n + 3
		} else {
			r.at = len(r.s)
		}
		return "", true
	}
	if len(s) < 2 || s[1] != '/' && s[1] != '!' && s[1] != '?' && (s[1]|0x20 < 'a' || 'z' < s[1]|0x20) {
		return "", false
	}
	start := r.at + 1
	var quote byte
	for i := start; i < len(r.s); i++ {
		switch c := r.s[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case r.s[i-1] == '=' && (c == '"' && i < r.lastDouble || c == '\'' && i < r.lastSingle):
			quote = c
		case c == '>':
			r.at = i + 1
			return r.s[start:i], true
		}
	}
	r.at = len(r.s)
	return r.s[start:], true
}

// skip passes over an element whose content is no text to be read.
func (r *htmlReader) skip(name string) {
	end := "</" + name
	for {
		n := strings.Index(r.s[r.at:], "</")
		if n < 0 {
			r.at = len(r.s)
			return
		}
		r.at += n
		if s := r.s[r.at:]; len(s) >= len(end) && strings.EqualFold(s[:len(end)], end) {
			return // the end tag itself says nothing
		}
		r.at += 2
	}
}

func tagNameOf(tag string) (name string, closing bool) {
	tag, closing = strings.CutPrefix(tag, "/")
	if n := strings.IndexAny(tag, " \t\r\n/"); n >= 0 {
		tag = tag[:n]
	}
	return strings.ToLower(tag), closing
}

// htmlWriter collects text: runs of white space are one blank, blocks begin on
// a line of their own.
type htmlWriter struct {
	b       strings.Builder
	breaks  int  // line breaks due before the next text
	blank   bool // a blank is due before the next text
	pre     int
	link    string
	linkAt  int
	started bool
}

func (w *htmlWriter) text(s string) {
	if s == "" {
		return
	}
	s = html.UnescapeString(s)
	if w.pre > 0 {
		w.space()
		w.b.WriteString(lines(s))
		w.started = true
		return
	}
	for s != "" {
		word := strings.TrimLeft(s, " \t\r\n\u00a0")
		if len(word) < len(s) {
			w.blank = true
		}
		if word == "" {
			return
		}
		n := strings.IndexAny(word, " \t\r\n\u00a0")
		if n < 0 {
			n = len(word)
		}
		w.space()
		w.b.WriteString(word[:n])
		w.started = true
		s = word[n:]
	}
}

// space writes the white space that is due.
func (w *htmlWriter) space() {
	switch {
	case !w.started:
	case w.breaks > 0:
		w.b.WriteString("\n\n"[:min(w.breaks, 2)])
	case w.blank:
		w.b.WriteByte(' ')
	}
	w.breaks, w.blank = 0, false
}

func (w *htmlWriter) tag(name string, closing bool, tag string) {
	switch name {
	case "br":
		w.breaks++
	case "p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "dl", "hr":
		w.breaks = max(w.breaks, 2)
	case "div", "tr", "table", "section", "article", "header", "footer", "dt", "dd", "form", "center", "body", "head":
		w.breaks = max(w.breaks, 1)
	case "td", "th":
		w.blank = true
	case "li":
		w.breaks = max(w.breaks, 1)
		if !closing {
			w.space()
			w.b.WriteString("- ")
			w.started = true
		}
	case "pre":
		w.breaks = max(w.breaks, 1)
		if closing {
			w.pre = max(0, w.pre-1)
		} else {
			w.pre++
		}
	case "a":
		if !closing {
			w.link, w.linkAt = attribute(tag, "href"), w.b.Len()
			return
		}
		if target := w.link; target != "" && !strings.HasPrefix(target, "#") {
			shown := strings.TrimSpace(w.b.String()[w.linkAt:])
			if bare := strings.TrimPrefix(target, "mailto:"); shown != bare && strings.TrimSuffix(target, "/") != strings.TrimSuffix(shown, "/") {
				w.blank = w.blank || shown != ""
				w.space()
				w.b.WriteString("<" + bare + ">")
				w.started = true
			}
		}
		w.link = ""
	}
}

func (w *htmlWriter) done() string {
	if !w.started {
		return ""
	}
	return w.b.String() + "\n"
}

// attribute returns the value of an attribute of a tag, decoded.
func attribute(tag, name string) string {
	_, rest, _ := strings.Cut(tag, " ")
	for rest != "" {
		rest = strings.TrimLeft(rest, " \t\r\n/")
		n := strings.IndexAny(rest, "= \t\r\n")
		if n < 0 {
			return ""
		}
		key := rest[:n]
		rest = strings.TrimLeft(rest[n:], " \t\r\n")
		if !strings.HasPrefix(rest, "=") {
			continue
		}
		rest = strings.TrimLeft(rest[1:], " \t\r\n")
		var value string
		if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
			value, rest, _ = strings.Cut(rest[1:], rest[:1])
		} else if n := strings.IndexAny(rest, " \t\r\n"); n >= 0 {
			value, rest = rest[:n], rest[n:]
		} else {
			value, rest = rest, ""
		}
		if strings.EqualFold(key, name) {
			return strings.TrimSpace(oneLine(html.UnescapeString(value)))
		}
	}
	return ""
}
