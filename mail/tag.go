package mail

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/incident"
)

// Tag is the mark in a subject that carries a ticket's number: [A CSIRT #34159]
// (RTIR; JANET 3.4). The zero Tag finds nothing.
//
// A tag is found anywhere in the decoded subject, in this shape: an opening
// bracket, optionally http:// or https://, the name, white space, #, digits,
// optional white space, a closing bracket. The name is compared without case
// and any run of white space in it counts as one blank, since folding makes
// tabs and doubles of it. Characters without width inside the tag are passed
// over. Leading zeros count for nothing. Whatever has lost or changed its
// brackets or its number sign is no tag: it is other people's text.
type Tag struct {
	Name   string   // may contain blanks
	Former []string // earlier names, found and removed but never written
}

// Format returns the tag for a ticket.
func (t Tag) Format(id incident.ID) string {
	return "[" + tagName(t.Name) + " #" + id.String() + "]"
}

// Find returns the ticket numbers of the tags in a decoded subject, distinct,
// in order. A number of 0 or above [incident.MaxID] is none.
func (t Tag) Find(subject string) []incident.ID {
	var ids []incident.ID
	t.each(subject, func(_, _ int, id incident.ID) {
		for _, known := range ids {
			if known == id {
				return
			}
		}
		ids = append(ids, id)
	})
	return ids
}

// Put returns the subject with the ticket's tag in front, once, and no other
// tag of ours.
func (t Tag) Put(subject string, id incident.ID) string {
	return strings.TrimSpace(t.Format(id) + " " + t.Strip(subject))
}

// Strip returns the subject without tags of ours and the blanks around them.
// Other teams' tags stay. A reply prefix before a tag stays too. Where removing
// a tag makes another one of the text around it, no opening bracket stays.
func (t Tag) Strip(subject string) string {
	subject = t.strip(subject)
	if len(t.Find(subject)) > 0 {
		subject = strings.ReplaceAll(subject, "[", "(")
	}
	return subject
}

func (t Tag) strip(subject string) string {
	var b strings.Builder
	end := 0
	t.each(subject, func(from, to int, _ incident.ID) {
		b.WriteString(strings.TrimRightFunc(subject[end:from], unicode.IsSpace))
		b.WriteByte(' ')
		end = to + len(subject[to:]) - len(strings.TrimLeftFunc(subject[to:], unicode.IsSpace))
	})
	b.WriteString(subject[end:])
	return strings.TrimSpace(b.String())
}

// each calls found for every tag with its place in the subject.
func (t Tag) each(subject string, found func(from, to int, id incident.ID)) {
	var names []string
	for _, name := range append([]string{t.Name}, t.Former...) {
		if name = tagName(name); name != "" {
			names = append(names, name)
		}
	}
	for at := 0; at < len(subject); {
		open := strings.IndexByte(subject[at:], '[')
		if open < 0 {
			return
		}
		open += at
		at = open + 1
		for _, name := range names {
			if end, id, ok := matchTag(subject[open+1:], name); ok {
				at = open + 1 + end
				found(open, at, id)
				break
			}
		}
	}
}

// matchTag reads what stands after an opening bracket, up to the closing one.
func matchTag(s, name string) (end int, id incident.ID, ok bool) {
	for _, scheme := range []string{"", "http://", "https://"} {
		r := tagReader{s: s}
		if !r.word(scheme) || !r.word(name) || !r.blanks() || !r.word("#") {
			continue
		}
		digits := r.digits()
		r.blanks()
		n, err := strconv.ParseUint(digits, 10, 63)
		closed := r.word("]")
		return r.at, incident.ID(n), closed && err == nil && n > 0
	}
	return 0, 0, false
}

// tagReader reads along a tag, passing over characters without width.
type tagReader struct {
	s  string
	at int
}

func (r *tagReader) peek() (rune, int) {
	at := r.at
	for at < len(r.s) {
		c, size := utf8.DecodeRuneInString(r.s[at:])
		if !widthless(c) {
			return c, at + size
		}
		at += size
	}
	return utf8.RuneError, at
}

// word reads the given text without case; a blank in it stands for any run of
// white space. It moves only if all of it is there.
func (r *tagReader) word(want string) bool {
	start := r.at
	for _, w := range want {
		if w == ' ' {
			if !r.blanks() {
				r.at = start
				return false
			}
			continue
		}
		c, next := r.peek()
		if next == r.at || !sameLetter(c, w) {
			r.at = start
			return false
		}
		r.at = next
	}
	return true
}

func (r *tagReader) blanks() bool {
	start := r.at
	for {
		c, next := r.peek()
		if !unicode.IsSpace(c) {
			return r.at > start
		}
		r.at = next
	}
}

func (r *tagReader) digits() string {
	var b strings.Builder
	for {
		c, next := r.peek()
		if c < '0' || c > '9' {
			return b.String()
		}
		b.WriteByte(byte(c))
		r.at = next
	}
}

// sameLetter compares two characters without case.
func sameLetter(a, b rune) bool {
	if a == b {
		return true
	}
	for f := unicode.SimpleFold(a); f != a; f = unicode.SimpleFold(f) {
		if f == b {
			return true
		}
	}
	return false
}

func widthless(c rune) bool {
	switch c {
	case '\u00ad', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff':
		return true
	}
	return false
}

// tagName brings a name into the form that is written: one line, single
// blanks, no brackets, nothing without width.
func tagName(name string) string {
	name = strings.Map(func(c rune) rune {
		switch {
		case widthless(c):
			return -1
		case c == '[' || c == ']' || unicode.IsControl(c):
			return ' '
		}
		return c
	}, incident.Clean(name))
	return strings.Join(strings.Fields(name), " ")
}
