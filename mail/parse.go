package mail

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// Limits bounds what one mail may cost. A field that is zero has its default;
// a negative one means no limit.
type Limits struct {
	Depth       int // levels of nesting, attached messages included: 30. Without a limit: 10,000, since each level costs stack
	Parts       int // parts of all levels together, containers counted: 1,000
	HeaderBytes int // bytes of one header block: 1 MiB; all blocks together may have four times as many
	Bytes       int // bytes of the whole mail: 25 MiB
}

// Defaults of [Limits].
const (
	defaultDepth       = 30
	defaultParts       = 1000
	defaultHeaderBytes = 1 << 20
	defaultBytes       = 25 << 20

	deepest        = 10_000 // stack bound that holds without a limit too
	headerBlocks   = 4      // all header blocks together, in HeaderBytes
	defectsAtMost  = 100
	defectTextSize = 60
)

func (l Limits) resolved() Limits {
	pick := func(given, standard, unlimited int) int {
		switch {
		case given == 0:
			return standard
		case given < 0:
			return unlimited
		}
		return given
	}
	return Limits{
		Depth:       min(pick(l.Depth, defaultDepth, deepest), deepest),
		Parts:       pick(l.Parts, defaultParts, math.MaxInt),
		HeaderBytes: pick(l.HeaderBytes, defaultHeaderBytes, math.MaxInt/headerBlocks),
		Bytes:       pick(l.Bytes, defaultBytes, math.MaxInt),
	}
}

// LimitError says that a mail is over one of the [Limits].
type LimitError struct {
	Limit   string // name of the field of Limits: "Depth", "Parts", "HeaderBytes", "Bytes"
	Allowed int
	Seen    int // at least so many; counting stops when the limit is passed
}

// Error implements error.
func (e *LimitError) Error() string {
	return fmt.Sprintf("mail: over the limit %s: %d allowed, at least %d seen; raise mail.Limits.%s to read all of it", e.Limit, e.Allowed, e.Seen, e.Limit)
}

// Defect is something in a mail that is against the standards or cannot be
// read, and what was made of it.
type Defect struct {
	Where string `json:"where"` // "message", "header", "part 2.1"
	What  string `json:"what"`  // with the section of the RFC where there is one
}

// String returns `where: what`.
func (d Defect) String() string { return d.Where + ": " + d.What }

// Message is a mail taken apart. All strings in it are valid UTF-8 without NUL
// or line breaks (Text has "\n").
type Message struct {
	From, Sender, ReplyTo, To, Cc []incident.Party // addresses may be empty where only a name stands

	Subject    string    // decoded and unfolded, outer white space removed
	Date       time.Time // UTC; zero if there is none or it cannot be read
	MessageID  string    // without angle brackets, as all ids here
	InReplyTo  []string
	References []string // oldest first, as in the header

	Type string // media type of the whole, in lower case: "multipart/mixed"

	// Text is what a handler reads: the text/plain parts of the body in
	// order, flowed lines joined (RFC 3676), and text made out of HTML where
	// HTML is all there is. Neither attachments nor attached messages are in
	// it. Lines end in "\n".
	Text string

	// Parts are the leaves in order, decoded. An attached message stands as a
	// part of its own (type message/rfc822, content undivided) before its
	// leaves, which are deeper. Where nothing had to be decoded, Content
	// shares memory with the raw mail: neither may be changed.
	Parts []incident.Part

	Defects []Defect // at most 100; then one that says so

	fields  []field
	charset string // declared for text; "" for none
}

// Get returns the first field of the header with that name, decoded (RFC 2047)
// and unfolded, or "". The name is compared without case. A line of the header
// that is no field is there under the name X-Malformed-Header.
func (m *Message) Get(name string) string {
	for _, f := range m.fields {
		if f.is(name) {
			return decodeWords(unfold(f.value), m.charset)
		}
	}
	return ""
}

// Values returns every field of the header with that name, in order, decoded
// like [Message.Get].
func (m *Message) Values(name string) []string {
	var out []string
	for _, f := range m.fields {
		if f.is(name) {
			out = append(out, decodeWords(unfold(f.value), m.charset))
		}
	}
	return out
}

// Parse takes a mail apart (RFC 5322, RFC 2045 to 2047, RFC 2183, RFC 2231).
// The message is never nil: it holds what could be read. The only error is a
// [*LimitError], naming the first limit that was passed; then the message
// holds what lies within the limits. Everything else that is wrong with a mail
// is in Defects. raw stays the caller's and must not be changed while the
// message is in use.
func Parse(raw []byte, l Limits) (*Message, error) {
	p := &parser{limits: l.resolved()}
	if len(raw) > p.limits.Bytes {
		p.over("Bytes", p.limits.Bytes, len(raw))
		raw = raw[:p.limits.Bytes]
	}
	root := p.split(raw)
	m := &Message{fields: root.fields, charset: p.charset, Type: root.declared}
	p.readHeader(m, root)
	m.Parts = p.leaves(root)
	m.Text = bodyText(root, m.Parts)
	m.Defects = p.defects
	if p.err != nil {
		return m, p.err
	}
	return m, nil
}

// parser is the state of one call of Parse.
type parser struct {
	limits      Limits
	err         *LimitError
	defects     []Defect
	parts       int
	headerBytes int
	charset     string // the first that is declared and may be that of raw header text
}

func (p *parser) over(limit string, allowed, seen int) {
	if p.err == nil {
		p.err = &LimitError{Limit: limit, Allowed: allowed, Seen: seen}
		p.defect("message", fmt.Sprintf("over the limit %s of %d", limit, allowed))
	}
}

func (p *parser) defect(where, what string) {
	switch {
	case len(p.defects) < defectsAtMost:
		p.defects = append(p.defects, Defect{Where: where, What: what})
	case len(p.defects) == defectsAtMost:
		p.defects = append(p.defects, Defect{Where: "message", What: "more defects, not listed"})
	}
}

// defectIn is defect for a part, whose name is made only if it is needed.
func (p *parser) defectIn(e *entity, what string) {
	where := ""
	if len(p.defects) < defectsAtMost {
		where = e.where()
	}
	p.defect(where, what)
}

// excerpt makes bytes of a mail fit for a Defect.
func excerpt(b []byte) string {
	if len(b) > defectTextSize {
		b = b[:defectTextSize]
	}
	return oneLine(incident.Clean(string(b)))
}

// readHeader fills what the header of the whole message says.
func (p *parser) readHeader(m *Message, root *entity) {
	for _, name := range []string{"From", "Sender", "Subject", "Date", "Message-ID"} {
		n := 0
		for _, f := range root.fields {
			if f.is(name) {
				n++
			}
		}
		if n > 1 {
			p.defect("header", fmt.Sprintf("%d fields %s, one is allowed (RFC 5322 3.6)", n, name))
		}
	}
	m.From = p.addresses(root, "From")
	m.Sender = p.addresses(root, "Sender")
	m.ReplyTo = p.addresses(root, "Reply-To")
	m.To = p.addresses(root, "To")
	m.Cc = p.addresses(root, "Cc")
	if len(m.From) == 0 {
		p.defect("header", "no author in From (RFC 5322 3.6.2)")
	}
	m.Subject = strings.TrimSpace(m.Get("Subject"))
	if date, ok := root.field("Date"); !ok {
		p.defect("header", "no Date (RFC 5322 3.6.1)")
	} else if m.Date = parseDate(date); m.Date.IsZero() {
		p.defect("header", fmt.Sprintf("unreadable Date %q (RFC 5322 3.3)", excerpt([]byte(date))))
	}
	id, _ := root.field("Message-ID")
	if ids := messageIDs(id); len(ids) > 0 {
		m.MessageID = ids[0]
	} else {
		p.defect("header", "no Message-ID (RFC 5322 3.6.4)")
	}
	for _, f := range root.fields {
		switch {
		case f.is("In-Reply-To"):
			m.InReplyTo = append(m.InReplyTo, messageIDs(unfold(f.value))...)
		case f.is("References"):
			m.References = append(m.References, messageIDs(unfold(f.value))...)
		}
	}
}

// addresses reads every field with that name.
func (p *parser) addresses(e *entity, name string) []incident.Party {
	var out []incident.Party
	for _, f := range e.fields {
		if f.is(name) {
			found, ok := addressList(unfold(f.value), p.charset)
			if !ok {
				p.defect("header", fmt.Sprintf("%s is no list of addresses (RFC 5322 3.4): %q", name, excerpt(f.value)))
			}
			out = append(out, found...)
		}
	}
	return out
}
