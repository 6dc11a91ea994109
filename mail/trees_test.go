package mail

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// node is a part of a mail in the form in which two readers are compared.
type node struct {
	mediaType   string
	container   bool     // it has inner nodes, or should have
	fields      []string // as they stand, white space collapsed
	disposition string
	name        string  // file name
	raw         string  // body of a leaf as it stands, lines ending in "\n"
	body        *string // decoded, nil if the expectation does not have it
	inner       []node
}

// tree writes types and nesting: multipart/mixed(text/plain image/gif).
func (n node) tree() string {
	if !n.container {
		return n.mediaType
	}
	var inner []string
	for _, c := range n.inner {
		inner = append(inner, c.tree())
	}
	return n.mediaType + "(" + strings.Join(inner, " ") + ")"
}

// walk visits the node and all below it, in order.
func (n node) walk(visit func(n node)) {
	visit(n)
	for _, c := range n.inner {
		c.walk(visit)
	}
}

// list joins what is picked of every node, an empty text too.
func (n node) list(pick func(n node) string) string {
	var out []string
	n.walk(func(n node) { out = append(out, pick(n)) })
	return strings.Join(out, " | ")
}

// leaves returns the leaves with anything in their bodies: of the others, tree
// and fields tell.
func (n node) leaves() []node {
	var out []node
	n.walk(func(n node) {
		if !n.container && n.raw != "" {
			out = append(out, n)
		}
	})
	return out
}

// raws joins the bodies as they stand.
func (n node) raws() string {
	var out []string
	for _, l := range n.leaves() {
		out = append(out, l.raw)
	}
	return strings.Join(out, " | ")
}

// bodies joins the decoded bodies, but for those that the other reader's
// expectation lacks.
func (n node) bodies(with node) string {
	theirs := with.leaves()
	var out []string
	for i, l := range n.leaves() {
		if i >= len(theirs) || theirs[i].body != nil {
			out = append(out, *l.body)
		}
	}
	return strings.Join(out, " | ")
}

// ourTree reads a mail into nodes. decode says what a leaf's body is compared
// by.
func ourTree(raw []byte, decode func(p *parser, e *entity) string) node {
	p := &parser{limits: Limits{}.resolved()}
	var build func(e *entity) node
	build = func(e *entity) node {
		n := node{mediaType: e.mediaType, disposition: e.disposition, name: e.name}
		n.container = len(e.children) > 0 || strings.HasPrefix(e.mediaType, "multipart/")
		for _, f := range e.fields {
			n.fields = append(n.fields, words(string(f.name)+": "+unfold(f.value)))
		}
		for _, c := range e.children {
			n.inner = append(n.inner, build(c))
		}
		if !n.container {
			n.raw = lines(string(e.body))
			body := decode(p, e)
			n.body = &body
		}
		return n
	}
	return build(p.split(raw))
}

// event is an element of mime4j's event trees. The text in it begins with a
// line break that is not of the mail.
type event struct {
	XMLName xml.Name
	File    string  `xml:"name,attr"`
	Text    string  `xml:",chardata"`
	Inner   []event `xml:",any"`
}

func (e event) text() string { return strings.TrimPrefix(lines(e.Text), "\n") }

func readEvents(t testing.TB, file string) event {
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	var wide strings.Builder // the bytes of the mail stand in it as they are, whatever they are
	for _, b := range raw {
		wide.WriteRune(rune(b))
	}
	var root event
	require.NoError(t, xml.Unmarshal([]byte(wide.String()), &root), file)
	return root
}

// node reads an entity: its header, then a body, a multipart or a message. In
// decoded, which has the same form, bodies are files in dir; those of binary
// ones are not in the corpus.
func (e event) node(dir string, decoded event, standard string) node {
	n := node{mediaType: standard}
	for i, c := range e.Inner {
		d := decoded.Inner[i]
		switch c.XMLName.Local {
		case "header":
			for _, f := range c.Inner {
				n.fields = append(n.fields, words(latin1(f.text())))
			}
			n.mediaType = plainType(n.fields, standard)
		case "multipart":
			n.container = true
			inner := "text/plain"
			if n.mediaType == "multipart/digest" {
				inner = "message/rfc822"
			}
			for j, p := range c.Inner {
				if p.XMLName.Local == "body-part" {
					n.inner = append(n.inner, p.node(dir, d.Inner[j], inner))
				}
			}
		case "message":
			n.container = true
			n.inner = append(n.inner, c.node(dir, d, "text/plain"))
		case "body":
			n.raw = latin1(c.text())
			if raw, err := os.ReadFile(filepath.Join(dir, d.File)); err == nil {
				body := lines(string(raw))
				n.body = &body
			}
		}
	}
	return n
}

// plainType reads the media type of a header in the plainest way.
func plainType(fields []string, standard string) string {
	for _, f := range fields {
		if name, value, _ := strings.Cut(f, ":"); strings.EqualFold(name, "Content-Type") {
			value, _, _ = strings.Cut(value, ";")
			return strings.ToLower(strings.TrimSpace(value))
		}
	}
	return standard
}

// TestEventTrees compares the tree, the header fields and the bodies with what
// mime4j expects of its own mails and of those of MIME-tools.
func TestEventTrees(t *testing.T) {
	dir := corpus(t)
	for _, collection := range []string{"mime4j", "mimetools"} {
		y := newTally(t, "trees.txt")
		y.keepOnly(collection + "/")
		files, err := filepath.Glob(filepath.Join(dir, "mail", collection, "*.msg"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			raw, err := os.ReadFile(file)
			require.NoError(t, err)
			us := ourTree(raw, func(p *parser, e *entity) string { return lines(string(p.decodeTransfer(e, e.body))) })
			base := strings.TrimSuffix(file, ".msg")
			them := readEvents(t, base+".xml").node(filepath.Dir(file), readEvents(t, base+"_decoded.xml"), "text/plain")

			name := collection + "/" + filepath.Base(base)
			y.row(t, "tree", name, us.tree(), them.tree())
			pick := func(n node) string { return strings.Join(n.fields, "\n") }
			y.row(t, "fields", name, us.list(pick), them.list(pick))
			y.row(t, "raw", name, us.raws(), them.raws())
			y.row(t, "bodies", name, us.bodies(them), them.bodies(them))
		}
		y.print(t, collection, "tree", "fields", "raw", "bodies")
	}
}
