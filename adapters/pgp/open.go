package pgp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

// Config is for [New]. Every field may be zero.
type Config struct {
	MaxBytes int64            // of text decrypted out of one mail, all parts together: 25 MiB if zero
	Now      func() time.Time // time.Now if nil
}

// PGP opens and seals mail with the keys of a ring.
type PGP struct {
	ring   *Keyring
	config Config
}

var (
	_ mail.Opener = (*PGP)(nil)
	_ mail.Sealer = (*PGP)(nil)
)

// New makes an opener and sealer. The error says that there is no ring, or that
// a limit is negative.
func New(ring *Keyring, config Config) (*PGP, error) {
	if ring == nil {
		return nil, errors.New("pgp: New needs a Keyring; an empty one will do")
	}
	if config.MaxBytes < 0 {
		return nil, fmt.Errorf("pgp: Config.MaxBytes is %d; allowed are 0 for the standard, or more", config.MaxBytes)
	}
	config.MaxBytes = cmp.Or(config.MaxBytes, 25<<20)
	if config.Now == nil {
		config.Now = time.Now
	}
	return &PGP{ring: ring, config: config}, nil
}

const (
	maxDepth = 10  // of parts and layers; what lies deeper stays as it is
	maxParts = 200 // of one multipart that are looked at
)

// Open implements [mail.Opener]. The only error is that of ctx.
func (p *PGP) Open(ctx context.Context, raw []byte) (mail.Opened, error) {
	root := cut(raw)
	w := &walk{reading: reading{ring: p.ring, now: p.config.Now(), budget: p.config.MaxBytes, hashes: maxHashing * p.config.MaxBytes, from: author(root)}}
	opened := mail.Opened{Mail: w.entity(ctx, root, place{}, true), Layers: w.layers}
	if err := ctx.Err(); err != nil {
		return mail.Opened{Mail: raw}, err
	}
	return opened, nil
}

// author returns the address of the only author, in lower case.
func author(root entity) string {
	m, _ := mail.Parse(root.raw[:len(root.raw)-len(root.body)], mail.Limits{})
	n := 0
	for _, f := range root.fields {
		if f.name == "from" {
			n++
		}
	}
	if n != 1 || len(m.From) != 1 {
		return ""
	}
	return strings.ToLower(m.From[0].Address)
}

// walk goes over the parts of a mail and opens what is closed.
type walk struct {
	reading
	layers     []incident.Layer
	boundaries []string // of the multiparts around the part
	inside     bool     // of something that was encrypted
}

// place is where a part stands, as IMAP numbers it.
type place []int

func (p place) String() string {
	if len(p) == 0 {
		return "message"
	}
	numbers := make([]string, len(p))
	for i, n := range p {
		numbers[i] = strconv.Itoa(n)
	}
	return "part " + strings.Join(numbers, ".")
}

func (p place) below(n int) place { return append(slices.Clone(p), n) }

func (w *walk) layer(form string, at place, whole bool) *incident.Layer {
	w.layers = append(w.layers, incident.Layer{Protocol: "openpgp", Form: form, Where: at.String(), Whole: whole})
	return &w.layers[len(w.layers)-1]
}

// entity returns a part with all that could be opened in it. whole says that
// nothing which a reader sees stands beside it.
func (w *walk) entity(ctx context.Context, e entity, at place, whole bool) []byte {
	if len(at) > maxDepth || ctx.Err() != nil {
		return e.raw
	}
	switch {
	case strings.HasPrefix(e.mediaType, "multipart/"):
		parts := e.children(maxParts)
		kids := make([]entity, len(parts))
		for i, s := range parts {
			kids[i] = cut(e.body[s.start:s.end])
		}
		if i := payload(e, kids); i >= 0 {
			return w.encrypted(ctx, e, kids[i], at, whole)
		}
		if len(kids) == 2 && e.mediaType == "multipart/signed" && kids[1].mediaType == "application/pgp-signature" {
			return w.signed(ctx, e, kids, at, whole)
		}
		if len(kids) != 2 && e.mediaType == "multipart/signed" && slices.ContainsFunc(kids, func(k entity) bool { return k.mediaType == "application/pgp-signature" }) {
			why := fmt.Sprintf("there are %d parts where RFC 3156 5 has two", len(kids))
			w.layer("mime", at, false).Signatures = []incident.Signature{{State: incident.SignatureUnreadable, Why: why}}
		}
		if e.mediaType == "multipart/encrypted" && !strings.Contains(e.params["protocol"], "pkcs7") {
			l := w.layer("mime", at, false)
			l.Encrypted, l.Decryption, l.Why = true, incident.DecryptionDamaged, []string{"It is not made as RFC 3156 4 demands."}
		}
		return w.multipart(ctx, e, parts, kids, at, whole)
	case e.mediaType == "text/plain" || e.mediaType == "application/pgp":
		return w.text(ctx, e, at, whole)
	}
	return w.file(e, at)
}

// payload returns which child of an encrypted multipart (RFC 3156 4) holds the
// message, or -1. QUIRK: gateways make it multipart/mixed and put empty texts
// beside it.
func payload(e entity, kids []entity) int {
	version, found := false, -1
	for i, k := range kids {
		switch {
		case k.mediaType == "application/pgp-encrypted" && !version:
			version = true
		case version && found < 0 && !strings.HasPrefix(k.mediaType, "multipart/"):
			found = i
		case !isBlank(k):
			return -1 // something else is here too: each part for itself
		}
	}
	if found >= 0 && (e.mediaType == "multipart/encrypted" || e.mediaType == "multipart/mixed") {
		return found
	}
	return -1
}

// isBlank reports whether a reader sees nothing of a part.
func isBlank(e entity) bool {
	text := strings.TrimSpace(string(e.body[:min(len(e.body), 1000)]))
	return len(e.body) < 1000 && e.mediaType == "text/plain" && (text == "" || text == "--")
}

// encrypted opens PGP/MIME.
func (w *walk) encrypted(ctx context.Context, e, sealed entity, at place, whole bool) []byte {
	index := len(w.layers)
	layer := w.layer("mime", at, whole)
	binary, why := messageIn(sealed.content())
	if why != "" {
		layer.Encrypted, layer.Decryption = true, incident.DecryptionDamaged
		layer.Why = append(layer.Why, why)
		return e.raw
	}
	text := w.message(binary, layer)
	if text == nil {
		return e.raw
	}
	w.inside = true
	return w.replace(ctx, e, text, at, whole, index, true)
}

// signed checks PGP/MIME (RFC 3156 5). What was signed takes the place of the
// whole, so that nobody reads another text than the one that was checked.
func (w *walk) signed(ctx context.Context, e entity, kids []entity, at place, whole bool) []byte {
	index := len(w.layers)
	layer := w.layer("mime", at, whole)
	content := kids[1].content()
	binary := content
	for _, b := range findBlocks(content) {
		if b.kind == signatureBlock {
			binary, _ = unarmour(content[b.start:b.end], maxMaterial)
			break
		}
	}
	layer.Signatures = w.detached(canonical(kids[0].raw), binary)
	return w.replace(ctx, e, kids[0].raw, at, whole, index, w.inside || hasGood(layer.Signatures))
}

func hasGood(list []incident.Signature) bool {
	return slices.ContainsFunc(list, func(s incident.Signature) bool { return s.State == incident.SignatureGood })
}

// replace puts a part that was protected into the place of its layer, and goes
// on in it. Of its header only the fields of MIME count, and the subject if it
// is said to be protected (RFC 9788, and the older protected-headers="v1").
func (w *walk) replace(ctx context.Context, e entity, inner []byte, at place, whole bool, layer int, trust bool) []byte {
	for _, b := range w.boundaries {
		if bytes.Contains(inner, []byte("--"+b)) {
			// It would end the multipart around it, and begin parts there.
			l := &w.layers[layer]
			l.Whole = false
			l.Why = append(l.Why, "It has the boundary of the mail around it, and was left where it is.")
			if l.Encrypted {
				l.Decryption = incident.DecryptionUnsupported
			}
			return e.raw
		}
	}
	part := cut(inner)
	subject := slices.IndexFunc(part.fields, func(f field) bool { return f.name == "subject" })
	_, old := part.params["protected-headers"]
	_, now := part.params["hp"]
	if !whole || !trust || !old && !now {
		subject = -1
	}
	w.layers[layer].Subject = subject >= 0
	return w.entity(ctx, cut(merge(e, part, subject)), at.below(1), whole)
}

// merge puts the content of a part into the place of e: of its header, the
// fields of MIME, and the subject where that is a place in it.
func merge(e, part entity, subject int) []byte {
	var b bytes.Buffer
	end := lineBreak(e.raw)
	write := func(f field) {
		b.Write(bytes.TrimRight(f.raw, "\r\n"))
		b.WriteString(end)
	}
	for _, f := range e.fields {
		if !strings.HasPrefix(f.name, "content-") && (f.name != "subject" || subject < 0) {
			write(f)
		}
	}
	for i, f := range part.fields {
		if strings.HasPrefix(f.name, "content-") || i == subject {
			write(f)
		}
	}
	b.WriteString(end)
	b.Write(part.body)
	return b.Bytes()
}

// multipart opens each part for itself. Where one of them is all that a reader
// sees, and was protected, it takes the place of the multipart: other programs
// may find more parts in that than we do.
func (w *walk) multipart(ctx context.Context, e entity, parts []span, kids []entity, at place, whole bool) []byte {
	seen := 0
	for _, k := range kids {
		if !isBlank(k) {
			seen++
		}
	}
	w.detachedFiles(kids, at)
	w.boundaries = append(w.boundaries, e.params["boundary"])
	defer func() { w.boundaries = w.boundaries[:len(w.boundaries)-1] }()
	var b bytes.Buffer
	done := 0
	b.Write(e.raw[:len(e.raw)-len(e.body)])
	changed := false
	for i, k := range kids {
		alone, before := whole && seen == 1 && len(kids) < maxParts && !isBlank(k), len(w.layers)
		out := w.entity(ctx, k, at.below(i+1), alone)
		if alone && slices.ContainsFunc(w.layers[before:], func(l incident.Layer) bool { return l.Whole }) {
			part, subject := cut(out), -1
			if slices.ContainsFunc(w.layers[before:], func(l incident.Layer) bool { return l.Subject }) {
				subject = slices.IndexFunc(part.fields, func(f field) bool { return f.name == "subject" })
			}
			return merge(e, part, subject)
		}
		b.Write(e.body[done:parts[i].start])
		b.Write(out)
		done = parts[i].end
		changed = changed || !bytes.Equal(out, k.raw)
	}
	if !changed {
		return e.raw
	}
	b.Write(e.body[done:])
	return b.Bytes()
}

// detachedFiles checks signatures of files that stand beside them:
// report.txt.sig, or report.txt.asc, for report.txt.
func (w *walk) detachedFiles(kids []entity, at place) {
	for _, k := range kids {
		name := k.name()
		base, ok := strings.CutSuffix(name, ".sig")
		if !ok {
			if base, ok = strings.CutSuffix(name, ".asc"); !ok {
				continue
			}
		}
		i := slices.IndexFunc(kids, func(other entity) bool { return other.name() == base })
		if i < 0 || base == "" || len(w.layers) > maxParts {
			continue
		}
		content := k.content()
		if blocks := findBlocks(content); len(blocks) > 0 {
			if blocks[0].kind != signatureBlock {
				continue
			}
			content, _ = unarmour(content[blocks[0].start:blocks[0].end], maxMaterial)
		}
		signed := kids[i].content()
		w.layer("inline", at.below(i+1), false).Signatures = w.detached(signed, content)
	}
}

// file opens an encrypted attachment. QUIRK: some come as text/plain.
func (w *walk) file(e entity, at place) []byte {
	name := e.name()
	base := name
	for _, ending := range []string{".pgp", ".gpg", ".asc"} {
		base = strings.TrimSuffix(base, ending)
	}
	if base == name {
		return e.raw
	}
	binary, why := messageIn(e.content())
	if why != "" {
		return e.raw
	}
	if encrypted, _ := recipients(binary); !encrypted {
		return e.raw
	}
	text := w.message(binary, w.layer("inline", at, false))
	if text == nil {
		return e.raw
	}
	return leaf(e, "application/octet-stream", mime.FormatMediaType("attachment", map[string]string{"filename": base}), text)
}

// name returns the file name of a part.
func (e entity) name() string {
	if value, ok := e.get("content-disposition"); ok {
		if _, params, err := mime.ParseMediaType(value); err == nil && params["filename"] != "" {
			return incident.Clean(params["filename"])
		}
	}
	return incident.Clean(e.params["name"])
}

// messageIn returns the packets of the OpenPGP message in a content, or a
// sentence that says why there are none.
func messageIn(content []byte) (binary []byte, why string) {
	for _, b := range findBlocks(content) {
		if b.kind != messageBlock {
			continue
		}
		binary, err := unarmour(content[b.start:b.end], int64(b.end-b.start))
		switch {
		case b.open:
			return nil, "It is cut short."
		case err != nil:
			return nil, "It cannot be read: " + err.Error() + "."
		}
		return binary, ""
	}
	if len(content) > 0 && content[0]&0x80 != 0 {
		return content, "" // packets without armour (RFC 9580 4.2)
	}
	return nil, "There is no OpenPGP message in it."
}

// leaf writes a part anew. Base64 keeps its text from being taken for the
// boundary of something.
func leaf(e entity, contentType, disposition string, content []byte) []byte {
	var b bytes.Buffer
	end := lineBreak(e.raw)
	for _, f := range e.fields {
		if !strings.HasPrefix(f.name, "content-") {
			b.Write(bytes.TrimRight(f.raw, "\r\n"))
			b.WriteString(end)
		}
	}
	b.WriteString("Content-Type: " + contentType + end)
	if disposition != "" {
		b.WriteString("Content-Disposition: " + disposition + end)
	}
	b.WriteString("Content-Transfer-Encoding: base64" + end + end)
	encoded := base64.StdEncoding.EncodeToString(content)
	for len(encoded) > 0 {
		n := min(76, len(encoded))
		b.WriteString(encoded[:n] + end)
		encoded = encoded[n:]
	}
	return b.Bytes()
}
