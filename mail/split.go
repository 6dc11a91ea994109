package mail

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// entity is a part of a mail before anything but its place is known about its
// content: a container with children, or a leaf with a body that is still
// encoded.
type entity struct {
	parent *entity
	nth    int // among its parent's children, from 1
	depth  int

	fields      []field
	declared    string // media type by the header, lower case
	mediaType   string // as it is read
	params      map[string]string
	disposition string
	name        string // file name
	encoding    string // transfer encoding, lower case; "" once it is removed

	body     []byte
	children []*entity

	leaf int      // place in Message.Parts, from 1; 0: none
	uu   []uuFile // files in the text

	text              string // what there is to read in a leaf of the body
	hasPlain, hasHTML bool   // such leaves are here or below
}

// isMessage reports whether the entity is an attached message.
func (e *entity) isMessage() bool {
	switch e.mediaType {
	case "message/rfc822", "message/global", "message/news":
		return true
	}
	return false
}

// where names the entity as IMAP numbers parts (RFC 3501 6.4.5).
func (e *entity) where() string {
	if e.parent == nil {
		return "message"
	}
	var numbers []string
	for ; e.parent != nil; e = e.parent {
		numbers = append(numbers, strconv.Itoa(e.nth))
	}
	slices.Reverse(numbers)
	return "part " + strings.Join(numbers, ".")
}

// splitter walks once over the bytes of a mail. Every line is looked at a fixed
// number of times, however deep the parts are nested: a line that may be a
// boundary is looked up among all open ones at once.
type splitter struct {
	*parser
	raw     []byte
	pos     int
	valueAt int            // where the value of the field being read begins
	bareCR  bool           // QUIRK: lines end in CR alone (RFC 5322 2.3 forbids it)
	open    map[string]int // boundaries of the multiparts around the position, and their level
	level   int            // how many those are
}

// boundary is a line that delimits parts, or the end of the mail.
type boundary struct {
	end    int // where the text before it ends
	level  int // of the multipart that it belongs to; -1: end of the mail
	closes bool
}

// split takes the mail apart down to its leaves.
func (p *parser) split(raw []byte) *entity {
	s := newSplitter(p, raw)
	root := &entity{}
	p.parts++
	s.entity(root, "text/plain")
	return root
}

func newSplitter(p *parser, raw []byte) *splitter {
	return &splitter{
		parser: p,
		raw:    raw,
		bareCR: bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') >= 0,
		open:   map[string]int{},
	}
}

// line returns the end of the line that begins at i, without its line break
// (a CR before LF may still stand there), and the beginning of the next one.
func (s *splitter) line(i int) (end, next int) {
	stop := byte('\n')
	if s.bareCR {
		stop = '\r'
	}
	n := bytes.IndexByte(s.raw[i:], stop)
	if n < 0 {
		return len(s.raw), len(s.raw)
	}
	return i + n, i + n + 1
}

// delimiter says whether a line delimits parts of an open multipart. The
// boundary must be the whole line or end at a blank; what follows counts for
// nothing. RFC 2046 5.1.1 is content with a line that begins with it; QUIRK: but
// boundaries of nested multiparts begin like each other.
func (s *splitter) delimiter(line []byte) (boundary, bool) {
	if s.level == 0 || !bytes.HasPrefix(line, []byte("--")) {
		return boundary{}, false
	}
	line = bytes.TrimRight(line[2:], " \t\r")
	b, ok := s.opened(line)
	if n := bytes.IndexAny(line, " \t"); !ok && n > 0 {
		return s.opened(line[:n])
	}
	return b, ok
}

// opened looks a boundary up, or one that closes.
func (s *splitter) opened(name []byte) (boundary, bool) {
	if i, ok := s.open[string(name)]; ok {
		return boundary{level: i}, true
	}
	if name, ok := bytes.CutSuffix(name, []byte("--")); ok {
		if i, ok := s.open[string(bytes.TrimRight(name, " \t"))]; ok {
			return boundary{level: i, closes: true}, true
		}
	}
	return boundary{}, false
}

// seek goes to the next boundary of any open multipart and past its line. The
// line break before a boundary belongs to the boundary (RFC 2046 5.1.1).
func (s *splitter) seek() boundary {
	mark := []byte("\n--")
	if s.bareCR {
		mark = []byte("\r--")
	}
	for start, at := s.pos, s.pos; s.level > 0; {
		lineEnd, next := s.line(at)
		if b, ok := s.delimiter(s.raw[at:lineEnd]); ok {
			s.pos = next
			b.end = start + len(s.trimBreak(s.raw[start:at]))
			return b
		}
		n := bytes.Index(s.raw[at:], mark)
		if n < 0 {
			break
		}
		at += n + 1
	}
	s.pos = len(s.raw)
	return boundary{end: s.pos, level: -1}
}

// trimBreak removes one line break from the end.
func (s *splitter) trimBreak(b []byte) []byte {
	if s.bareCR {
		return bytes.TrimSuffix(b, []byte("\r"))
	}
	if b, ok := bytes.CutSuffix(b, []byte("\n")); ok {
		return bytes.TrimSuffix(b, []byte("\r"))
	}
	return b
}

// entity reads header and body of e from the position on. It returns the
// boundary that ended it, already passed.
func (s *splitter) entity(e *entity, standard string) boundary {
	s.readFields(e)
	s.describe(e, standard)
	start := s.pos
	switch {
	case strings.HasPrefix(e.mediaType, "multipart/") && s.deeper(e):
		return s.multipart(e)
	case e.isMessage() && s.deeper(e):
		return s.message(e)
	}
	b := s.seek()
	e.body = s.raw[start:b.end]
	return b
}

// deeper reports whether a level below e is allowed.
func (s *splitter) deeper(e *entity) bool {
	if e.depth < s.limits.Depth {
		return true
	}
	s.over("Depth", s.limits.Depth, e.depth+1)
	return false
}

// child adds a child to e, or nil if there are too many parts already.
func (s *splitter) child(e *entity) *entity {
	if s.parts >= s.limits.Parts {
		s.over("Parts", s.limits.Parts, s.parts+1)
		return nil
	}
	s.parts++
	c := &entity{parent: e, nth: len(e.children) + 1, depth: e.depth + 1}
	e.children = append(e.children, c)
	return c
}

func (s *splitter) multipart(e *entity) boundary {
	start := s.pos
	name := strings.TrimRight(e.params["boundary"], " \t")
	if name == "" {
		s.defectIn(e, e.mediaType+" without a boundary, read as text (RFC 2046 5.1.1)")
		b := s.seek()
		e.readAsText(s.raw[start:b.end])
		return b
	}
	if hides(e.encoding) {
		s.defectIn(e, "transfer encoding on a multipart, passed over (RFC 2045 6.4): "+excerpt([]byte(e.encoding)))
	}
	mine := s.level
	outer, again := s.open[name]
	s.open[name] = mine
	s.level++

	b := s.seek() // the preamble says nothing
	preamble := s.raw[start:b.end]
	for b.level == mine && !b.closes {
		end, _ := s.line(s.pos)
		if _, ok := s.delimiter(s.raw[s.pos:end]); ok {
			// QUIRK: nothing at all stands between two boundaries.
			s.defectIn(e, "doubled boundary, passed over (RFC 2046 5.1.1)")
			b = s.seek()
			continue
		}
		if s.pos == len(s.raw) && len(e.children) > 0 {
			b = s.seek() // cut off
			continue
		}
		c := s.child(e)
		if c == nil {
			b = s.seek()
			continue
		}
		standard := "text/plain"
		if e.mediaType == "multipart/digest" {
			standard = "message/rfc822" // RFC 2046 5.1.5
		}
		b = s.entity(c, standard)
	}

	s.level--
	if delete(s.open, name); again {
		s.open[name] = outer
	}
	switch {
	case b.level != mine && len(e.children) == 0:
		s.defectIn(e, "boundary never found, read as text (RFC 2046 5.1.1)")
		e.readAsText(s.raw[start:b.end])
		return b
	case b.level != mine:
		s.defectIn(e, "boundary never closed (RFC 2046 5.1.1)")
		return b
	case len(e.children) == 0:
		s.defectIn(e, "multipart without parts, read as text (RFC 2046 5.1.1)")
		e.readAsText(preamble)
	}
	after := s.pos
	b = s.seek()
	if after < b.end && len(bytes.TrimSpace(s.raw[after:b.end])) > 0 {
		s.defectIn(e, "text after the last boundary, not shown (RFC 2046 5.1.1)")
	}
	return b
}

// readAsText makes a leaf of a multipart that has no parts to be found: its
// text, if there is any, must not be lost.
func (e *entity) readAsText(body []byte) {
	if len(bytes.TrimSpace(body)) > 0 {
		e.mediaType = "text/plain"
		e.body = body
	}
}

// message reads an attached message: a level of its own (RFC 2046 5.2.1).
func (s *splitter) message(e *entity) boundary {
	start := s.pos
	if hides(e.encoding) {
		b := s.seek()
		s.defectIn(e, "transfer encoding on an attached message (RFC 2046 5.2.1): "+excerpt([]byte(e.encoding)))
		e.body = s.decodeTransfer(e, s.raw[start:b.end])
		if c := s.child(e); c != nil {
			newSplitter(s.parser, e.body).entity(c, "text/plain")
		}
		return b
	}
	c := s.child(e)
	if c == nil {
		b := s.seek()
		e.body = s.raw[start:b.end]
		return b
	}
	b := s.entity(c, "text/plain")
	end := max(start, b.end)
	if b.level >= 0 && bytes.HasPrefix(s.raw[end:], []byte("--")) {
		// Nothing stood between an inner boundary and this one: the line break
		// before it is the end of the inner boundary's line.
		end = start + len(s.trimBreak(s.raw[start:end]))
	}
	e.body = s.raw[start:end]
	return b
}
