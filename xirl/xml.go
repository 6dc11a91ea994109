package xirl

import (
	"encoding/xml"
	"io"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

const (
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace = "http://www.w3.org/2000/xmlns/"
)

// node is an element with all that is in it, or, with an empty local name, a
// run of text.
type node struct {
	space, local string
	raw          xml.StartElement // names as written: Space is the prefix
	bindings     []binding        // declared here; for the top of a subtree: all in scope
	text         string
	kids         []*node
	line         int
	size         int64 // bytes of input, where a reader wrote it down
}

type binding struct{ prefix, space string }

// xmlReader reads XML as events, under limits, and checks what encoding/xml
// does not: namespaces, attributes that stand twice, text and elements outside
// of the root. It knows no document types and no entities but the five of XML.
type xmlReader struct {
	g      *guard
	d      *xml.Decoder
	lax    bool // an undeclared prefix is no namespace instead of an error
	open   []opened
	rooted bool
	count  int // elements of the current item
}

type opened struct {
	name  xml.Name // as written
	scope []binding
}

func newXMLReader(format string, r io.Reader, limits incident.Limits) *xmlReader {
	x := &xmlReader{g: newGuard(format, r, limits)}
	x.d = xml.NewDecoder(x.g)
	x.d.CharsetReader = func(label string, input io.Reader) (io.Reader, error) {
		switch strings.ToLower(label) {
		case "us-ascii", "ascii":
			return input, nil
		case "iso-8859-1", "latin1", "iso-8859-15", "windows-1252":
			return &latinReader{r: input.(io.ByteReader), label: strings.ToLower(label)}, nil
		}
		return nil, x.g.fail("encoding %q; allowed are UTF-8, US-ASCII, ISO-8859-1, ISO-8859-15, windows-1252", label)
	}
	return x
}

// begin reads up to the root element.
func (x *xmlReader) begin() (*node, error) {
	if err := x.g.text(); err != nil {
		return nil, err
	}
	for {
		token, err := x.token()
		if err == io.EOF {
			return nil, x.g.errorf(err, "there is no XML element")
		}
		if err != nil {
			return nil, err
		}
		if start, ok := token.(xml.StartElement); ok {
			return x.start(start)
		}
	}
}

// kid returns the start of the next child of the element that is open, or nil
// at its end. Text between children other than white space is an error.
func (x *xmlReader) kid() (*node, error) {
	for {
		token, err := x.token()
		if err != nil {
			return nil, x.early(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			return x.start(t)
		case xml.EndElement:
			return nil, x.end(t)
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" && !x.lax {
				return nil, x.g.errorf(nil, "text between elements: %.40q", strings.TrimSpace(string(t)))
			}
		}
	}
}

// item begins a new item: what is read from here counts against the limits of
// one observation.
func (x *xmlReader) item() { x.count = 0 }

// fill reads the rest of an element that was started.
func (x *xmlReader) fill(top *node) error {
	stack := []*node{top}
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			n := stack[len(stack)-1]
			n.kids = append(n.kids, &node{text: text.String(), line: x.g.line})
			text.Reset()
		}
	}
	size := x.g.offset
	for len(stack) > 0 {
		token, err := x.token()
		if err != nil {
			return x.early(err)
		}
		if x.g.offset-size > int64(x.g.limits.Item) {
			return x.g.fail("one item is longer than %d bytes", x.g.limits.Item)
		}
		switch t := token.(type) {
		case xml.StartElement:
			flush()
			n, err := x.start(t)
			if err != nil {
				return err
			}
			parent := stack[len(stack)-1]
			parent.kids = append(parent.kids, n)
			stack = append(stack, n)
		case xml.EndElement:
			flush()
			if err := x.end(t); err != nil {
				return err
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			text.Write(t)
		}
	}
	return nil
}

// finish checks that nothing but white space follows the root.
func (x *xmlReader) finish() error {
	for {
		token, err := x.token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok {
			return x.g.errorf(nil, "element %s after the end of the document", start.Name.Local)
		}
	}
}

func (x *xmlReader) early(err error) error {
	if err == io.EOF {
		return x.g.errorf(io.ErrUnexpectedEOF, "the document ends inside of %s", x.open[len(x.open)-1].name.Local)
	}
	return err
}

func (x *xmlReader) token() (xml.Token, error) {
	for {
		x.g.next()
		token, err := x.d.RawToken()
		if err == io.EOF {
			return nil, io.EOF
		}
		if err != nil {
			return nil, x.g.wrap(err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, x.g.fail("a document type or another declaration; allowed are elements, text and comments")
		case xml.CharData:
			if len(x.open) == 0 {
				if strings.TrimSpace(string(t)) != "" {
					return nil, x.g.fail("text outside of the root element: %.40q", strings.TrimSpace(string(t)))
				}
				continue
			}
			return t, nil
		case xml.StartElement, xml.EndElement:
			return token, nil
		}
	}
}

func (x *xmlReader) start(t xml.StartElement) (*node, error) {
	t = t.Copy()
	x.count++
	switch {
	case len(x.open) == 0 && x.rooted:
		return nil, x.g.fail("a second root element, %s", t.Name.Local)
	case len(x.open) >= x.g.limits.Depth:
		return nil, x.g.fail("elements nested deeper than %d", x.g.limits.Depth)
	case len(t.Attr) > x.g.limits.Attributes:
		return nil, x.g.fail("element %s has more than %d attributes", t.Name.Local, x.g.limits.Attributes)
	case x.count > x.g.limits.Elements:
		return nil, x.g.fail("one item has more than %d elements", x.g.limits.Elements)
	}
	x.rooted = true
	n := &node{local: t.Name.Local, raw: t, line: x.g.line}
	var scope []binding
	if len(x.open) > 0 {
		scope = x.open[len(x.open)-1].scope
	}
	for _, a := range t.Attr {
		switch {
		case a.Name.Space == "xmlns":
			if a.Value == "" || a.Name.Local == "xmlns" || (a.Name.Local == "xml") != (a.Value == xmlSpace) || a.Value == xmlnsSpace {
				return nil, x.g.fail("the prefix %q cannot stand for %q", a.Name.Local, a.Value)
			}
			n.bindings = append(n.bindings, binding{a.Name.Local, a.Value})
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			if a.Value == xmlSpace || a.Value == xmlnsSpace {
				return nil, x.g.fail("%q cannot be the default namespace", a.Value)
			}
			n.bindings = append(n.bindings, binding{"", a.Value})
		}
	}
	if len(n.bindings) > 0 {
		scope = append(slices.Clip(scope), n.bindings...)
		if len(scope) > x.g.limits.Attributes*4 {
			return nil, x.g.fail("more than %d namespace declarations in force", x.g.limits.Attributes*4)
		}
	}
	x.open = append(x.open, opened{name: t.Name, scope: scope})
	var err error
	if n.space, err = x.resolve(t.Name.Space, true); err != nil {
		return nil, err
	}
	seen := make(map[xml.Name]bool, len(t.Attr))
	for _, a := range t.Attr {
		name := a.Name
		if name.Space != "xmlns" {
			if name.Space, err = x.resolve(name.Space, false); err != nil {
				return nil, err
			}
		}
		if seen[name] {
			return nil, x.g.fail("attribute %s of %s stands twice", a.Name.Local, t.Name.Local)
		}
		seen[name] = true
	}
	return n, nil
}

func (x *xmlReader) end(t xml.EndElement) error {
	if len(x.open) == 0 || x.open[len(x.open)-1].name != t.Name {
		return x.g.fail("the end of %s without its start", t.Name.Local)
	}
	x.open = x.open[:len(x.open)-1]
	return nil
}

// resolve returns the namespace of a prefix.
func (x *xmlReader) resolve(prefix string, element bool) (string, error) {
	if prefix == "" && !element {
		return "", nil
	}
	if prefix == "xml" {
		return xmlSpace, nil
	}
	if len(x.open) > 0 {
		for _, b := range slices.Backward(x.open[len(x.open)-1].scope) {
			if b.prefix == prefix {
				return b.space, nil
			}
		}
	}
	if prefix != "" && !x.lax {
		return "", x.g.fail("the prefix %q is not declared", prefix)
	}
	return "", nil
}

// inScope returns the bindings in force around the element that was started
// last, with its own, each prefix once, sorted.
func (x *xmlReader) inScope() []binding {
	force := map[string]string{}
	for _, b := range x.open[len(x.open)-1].scope {
		force[b.prefix] = b.space
	}
	if _, ok := force[""]; !ok {
		force[""] = ""
	}
	list := make([]binding, 0, len(force))
	for prefix, space := range force {
		list = append(list, binding{prefix, space})
	}
	slices.SortFunc(list, func(a, b binding) int { return strings.Compare(a.prefix, b.prefix) })
	return list
}

// attr returns an attribute without a namespace.
func (n *node) attr(local string) string {
	for _, a := range n.raw.Attr {
		if a.Name.Space == "" && a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

// all returns the children of that name, whatever their namespace.
func (n *node) all(local string) (list []*node) {
	for _, k := range n.kids {
		if k.local == local {
			list = append(list, k)
		}
	}
	return list
}

// first returns the first child along a path of names, or nil.
func (n *node) first(path ...string) *node {
	for _, local := range path {
		if n == nil {
			return nil
		}
		i := slices.IndexFunc(n.kids, func(k *node) bool { return k.local == local })
		if i < 0 {
			return nil
		}
		n = n.kids[i]
	}
	return n
}

// content returns the text directly inside the element, as it stands.
func (n *node) content() string {
	if n == nil {
		return ""
	}
	if len(n.kids) == 1 {
		return n.kids[0].text
	}
	var b strings.Builder
	for _, k := range n.kids {
		b.WriteString(k.text)
	}
	return b.String()
}

// value returns the text without outer white space, "" for nil.
func (n *node) value() string { return strings.Trim(n.content(), " \t\r\n") }

// walk calls f for every leaf below with its path, for what a format has no
// field for.
func (n *node) walk(path string, f func(path string, leaf *node)) {
	elements := 0
	for _, k := range n.kids {
		if k.local != "" {
			elements++
			k.walk(path+k.local+".", f)
		}
	}
	if elements == 0 {
		f(strings.TrimSuffix(path, "."), n)
	}
}

// latinReader turns a one-byte encoding into UTF-8.
type latinReader struct {
	r     io.ByteReader
	label string
	queue []byte
}

func (l *latinReader) ReadByte() (byte, error) {
	if len(l.queue) == 0 {
		b, err := l.r.ReadByte()
		if err != nil || b < 0x80 {
			return b, err
		}
		l.queue = append(l.queue, string(l.rune(b))...)
	}
	b := l.queue[0]
	l.queue = l.queue[1:]
	return b, nil
}

func (l *latinReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := l.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

func (l *latinReader) rune(b byte) rune {
	switch {
	case l.label == "windows-1252" && b < 0xa0:
		return []rune("€\ufffd‚ƒ„…†‡ˆ‰Š‹Œ\ufffdŽ\ufffd\ufffd‘’“”•–—˜™š›œ\ufffdžŸ")[b-0x80]
	case l.label == "iso-8859-15":
		if to, ok := map[byte]rune{0xa4: '€', 0xa6: 'Š', 0xa8: 'š', 0xb4: 'Ž', 0xb8: 'ž', 0xbc: 'Œ', 0xbd: 'œ', 0xbe: 'Ÿ'}[b]; ok {
			return to
		}
	}
	return rune(b)
}
