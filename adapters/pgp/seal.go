package pgp

import (
	"bytes"
	"context"
	gocrypto "crypto"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime/quotedprintable"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/gopenpgp/v2/armor"

	"github.com/airtight-csirt/airtight/mail"
)

// Seal implements [mail.Sealer]: PGP/MIME (RFC 3156), or armour in the text. A
// mail that is signed and encrypted is both in one message (RFC 3156 6.2). What
// is only signed is made fit for every gateway first: seven bits, and no blanks
// at the end of a line. Errors are those of the interface, and that of ctx.
//
// When encrypting is demanded, every address in request.To needs one key that
// can be used: a mail is never encrypted to some of its recipients.
func (p *PGP) Seal(ctx context.Context, raw []byte, request mail.SealRequest) (mail.Sealed, error) {
	if err := ctx.Err(); err != nil {
		return mail.Sealed{}, err
	}
	signer, recipients, sealed, err := p.choose(request)
	if err != nil {
		return mail.Sealed{}, err
	}
	sealed.Mail = raw
	if signer == nil && recipients == nil {
		return sealed, nil
	}
	e := cut(canonical(raw))
	s := sealing{PGP: p, signer: signer, recipients: recipients}
	var head, body []byte
	switch {
	case request.Inline:
		head, body, err = s.inline(e)
	case recipients != nil:
		head, body, err = s.encrypted(e)
	default:
		head, body, err = s.signed(e)
	}
	if err != nil {
		return mail.Sealed{}, err
	}
	var b bytes.Buffer
	for _, f := range e.fields {
		if !strings.HasPrefix(f.name, "content-") && f.name != "mime-version" {
			b.Write(f.raw)
		}
	}
	b.WriteString("MIME-Version: 1.0\r\n")
	b.Write(head)
	b.WriteString("\r\n")
	b.Write(body)
	sealed.Mail, sealed.Signed, sealed.Encrypted = b.Bytes(), signer != nil, recipients != nil
	return sealed, nil
}

// choose finds the keys, and refuses if one is missing that is demanded.
func (p *PGP) choose(request mail.SealRequest) (signer *ringKey, recipients []*ringKey, sealed mail.Sealed, err error) {
	now := p.config.Now()
	if request.Sign != mail.Never {
		var problems []mail.KeyProblem
		if signer, problems = p.ring.one(request.From, forSigning, now); signer == nil {
			if request.Sign != mail.WhenPossible {
				return nil, nil, sealed, &mail.SealError{What: "sign", Problems: problems}
			}
			sealed.Problems = append(sealed.Problems, problems...)
		}
	}
	if request.Encrypt == mail.Never {
		return signer, nil, sealed, nil
	}
	var problems []mail.KeyProblem
	for _, address := range request.To {
		k, why := p.ring.one(address, forEncrypting, now)
		if problems = append(problems, why...); k != nil && !slices.Contains(recipients, k) {
			recipients = append(recipients, k)
		}
	}
	why := ""
	if len(request.To) == 0 {
		why = "there is no recipient"
	}
	if len(problems) > 0 || why != "" {
		if request.Encrypt != mail.WhenPossible {
			return nil, nil, sealed, &mail.SealError{What: "encrypt", Why: why, Problems: problems}
		}
		sealed.Problems = append(sealed.Problems, problems...)
		recipients = nil
	}
	return signer, recipients, sealed, nil
}

// sealing is one call of Seal.
type sealing struct {
	*PGP
	signer     *ringKey
	recipients []*ringKey
}

func (s sealing) packetConfig() *packet.Config {
	return &packet.Config{DefaultHash: gocrypto.SHA512, DefaultCipher: packet.CipherAES256, Time: s.config.Now}
}

// signed makes multipart/signed (RFC 3156 5).
func (s sealing) signed(e entity) (head, body []byte, err error) {
	part, err := portable(mimePart(e))
	if err != nil {
		return nil, nil, err
	}
	var signature bytes.Buffer
	if err := openpgp.DetachSign(&signature, s.signer.entity, bytes.NewReader(part), s.packetConfig()); err != nil {
		return nil, nil, fmt.Errorf("pgp: signing with %s: %w", s.signer.fingerprint(), err)
	}
	hash, err := hashOf(signature.Bytes())
	if err != nil {
		return nil, nil, err
	}
	armoured, err := armour(signature.Bytes(), "PGP SIGNATURE")
	if err != nil {
		return nil, nil, err
	}
	mark := boundaryFor(part)
	head = fmt.Appendf(nil, "Content-Type: multipart/signed; micalg=%s;\r\n protocol=\"application/pgp-signature\";\r\n boundary=\"%s\"\r\n", micalg(hash), mark)
	body = fmt.Appendf(nil, "--%s\r\n%s\r\n--%s\r\n"+
		"Content-Type: application/pgp-signature; name=\"signature.asc\"\r\nContent-Description: OpenPGP digital signature\r\n\r\n%s\r\n--%s--\r\n",
		mark, part, mark, armoured, mark)
	return head, body, nil
}

// micalg names a hash (RFC 3156 5).
func micalg(h gocrypto.Hash) string {
	return "pgp-" + strings.ToLower(strings.NewReplacer("-", "", "/", "").Replace(h.String()))
}

// encrypted makes multipart/encrypted (RFC 3156 4).
func (s sealing) encrypted(e entity) (head, body []byte, err error) {
	armoured, err := s.encrypt(mimePart(e))
	if err != nil {
		return nil, nil, err
	}
	mark := boundaryFor(armoured)
	head = fmt.Appendf(nil, "Content-Type: multipart/encrypted;\r\n protocol=\"application/pgp-encrypted\";\r\n boundary=\"%s\"\r\n", mark)
	body = fmt.Appendf(nil, "--%s\r\nContent-Type: application/pgp-encrypted\r\nContent-Description: PGP/MIME version identification\r\n\r\nVersion: 1\r\n\r\n"+
		"--%s\r\nContent-Type: application/octet-stream; name=\"encrypted.asc\"\r\nContent-Disposition: inline; filename=\"encrypted.asc\"\r\n\r\n%s\r\n--%s--\r\n",
		mark, mark, armoured, mark)
	return head, body, nil
}

func (s sealing) encrypt(text []byte) ([]byte, error) {
	var signer *openpgp.Entity
	if s.signer != nil {
		signer = s.signer.entity
	}
	var message bytes.Buffer
	w, err := openpgp.Encrypt(&message, entities(s.recipients), signer, &openpgp.FileHints{IsBinary: true}, s.packetConfig())
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("pgp: encrypting: %w", err)
	}
	return armour(message.Bytes(), "PGP MESSAGE")
}

// inline puts the protection into the text.
func (s sealing) inline(e entity) (head, body []byte, err error) {
	charset := strings.ToLower(e.params["charset"])
	if e.mediaType != "text/plain" || charset != "" && charset != "utf-8" && charset != "us-ascii" {
		return nil, nil, &mail.SealError{What: "protect the text itself", Why: "the mail is " + e.mediaType + " " + charset + "; allowed is one part of plain text in UTF-8"}
	}
	text := e.content()
	if s.recipients != nil {
		body, err = s.encrypt(text)
	} else {
		body, err = s.clearsign(text)
	}
	if err != nil {
		return nil, nil, err
	}
	part := cut(append([]byte("Content-Type: text/plain; charset=utf-8\r\n\r\n"), append(body, "\r\n"...)...))
	whole, err := portable(part.raw)
	if err != nil {
		return nil, nil, err
	}
	part = cut(whole)
	return bytes.TrimSuffix(whole[:len(whole)-len(part.body)], []byte("\r\n")), part.body, nil
}

// clearsign signs a text that stays readable (RFC 9580 7). The signature does
// not cover blanks at the end of a line; they stay where they are. The library
// has an encoder for this, but it takes those blanks away, and leaves out the
// checksum without which GnuPG 2.2 reads past some armour.
func (s sealing) clearsign(text []byte) ([]byte, error) {
	text = canonical(text)
	text = bytes.TrimSuffix(text, []byte("\r\n"))
	var signed, shown, signature bytes.Buffer
	for i, line := range bytes.Split(text, []byte("\r\n")) {
		if i > 0 {
			signed.WriteString("\r\n")
		}
		signed.Write(bytes.TrimRight(line, " \t"))
		if bytes.HasPrefix(line, []byte("-")) || bytes.HasPrefix(line, []byte("From ")) {
			shown.WriteString("- ")
		}
		shown.Write(line)
		shown.WriteString("\r\n")
	}
	if err := openpgp.DetachSignText(&signature, s.signer.entity, &signed, s.packetConfig()); err != nil {
		return nil, fmt.Errorf("pgp: signing with %s: %w", s.signer.fingerprint(), err)
	}
	hash, err := hashOf(signature.Bytes())
	if err != nil {
		return nil, err
	}
	armoured, err := armour(signature.Bytes(), "PGP SIGNATURE")
	if err != nil {
		return nil, err
	}
	head := fmt.Appendf(nil, "-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: %s\r\n\r\n", strings.ReplaceAll(hash.String(), "-", ""))
	return slices.Concat(head, shown.Bytes(), armoured), nil
}

// hashOf returns the hash of the signature that was made.
func hashOf(signature []byte) (gocrypto.Hash, error) {
	packets, err := signaturePackets(signature)
	if err != nil || len(packets) != 1 {
		return 0, fmt.Errorf("pgp: %d signatures were made, wanted one: %w", len(packets), err)
	}
	return packets[0].Hash, nil
}

// armour writes armour with a checksum, and without the fields that name a program.
func armour(binary []byte, kind string) ([]byte, error) {
	text, err := armor.ArmorWithTypeAndCustomHeaders(binary, kind, "", "")
	if err != nil {
		return nil, fmt.Errorf("pgp: writing armour: %w", err)
	}
	return canonical([]byte(text)), nil
}

// boundaryFor makes a boundary that is not in the content.
func boundaryFor(content []byte) string {
	sum := sha256.Sum256(content)
	return "=_pgp_" + hex.EncodeToString(sum[:15])
}

// mimePart is the content of a mail with the fields of its header that belong to it.
func mimePart(e entity) []byte {
	part := bareHeader(e)
	if bytes.HasPrefix(part, []byte("\r\n")) {
		part = append([]byte("Content-Type: text/plain\r\n"), part...)
	}
	return part
}

// portable makes a part of lines that no gateway changes (RFC 3156 3 and 5).
func portable(raw []byte) ([]byte, error) {
	e := cut(raw)
	if !fragile(e.raw) {
		return raw, nil
	}
	switch {
	case strings.HasPrefix(e.mediaType, "multipart/"):
		var b bytes.Buffer
		b.Write(e.raw[:len(e.raw)-len(e.body)])
		done := 0
		for _, s := range e.children(len(e.body)) {
			part, err := portable(e.body[s.start:s.end])
			if err != nil {
				return nil, err
			}
			b.Write(e.body[done:s.start])
			b.Write(part)
			done = s.end
		}
		b.Write(e.body[done:])
		return b.Bytes(), nil
	case strings.HasPrefix(e.mediaType, "message/"):
		if ascii(e.raw) {
			return raw, nil // the standard allows it, and forbids to encode it
		}
		return nil, &mail.SealError{What: "sign", Why: "an attached message has eight bits, which cannot be signed so that all gateways leave them alone"}
	}
	return quoted(e)
}

// fragile reports whether a gateway may change some line.
func fragile(b []byte) bool {
	for line := range bytes.SplitSeq(b, []byte("\r\n")) {
		if !ascii(line) || len(line) > 990 || bytes.HasSuffix(line, []byte(" ")) || bytes.HasSuffix(line, []byte("\t")) || bytes.HasPrefix(line, []byte("From ")) {
			return true
		}
	}
	return false
}

// quoted writes a leaf in quoted-printable.
func quoted(e entity) ([]byte, error) {
	var b bytes.Buffer
	for _, f := range e.fields {
		if f.name != "content-transfer-encoding" {
			b.Write(f.raw)
		}
	}
	b.WriteString("Content-Transfer-Encoding: quoted-printable\r\n\r\n")
	var body bytes.Buffer
	w := quotedprintable.NewWriter(&body)
	w.Binary = !strings.HasPrefix(e.mediaType, "text/")
	if _, err := w.Write(e.content()); err != nil {
		return nil, fmt.Errorf("pgp: writing quoted-printable: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pgp: writing quoted-printable: %w", err)
	}
	for line := range bytes.SplitAfterSeq(body.Bytes(), []byte("\n")) {
		if rest, ok := bytes.CutPrefix(line, []byte("From ")); ok {
			line = append([]byte("=46rom "), rest...)
		}
		b.Write(line)
	}
	return b.Bytes(), nil
}
