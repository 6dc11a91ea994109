package pgp

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

const (
	header  = "From: Alice <alice@example.net>\r\nTo: team@example.org\r\nSubject: outer\r\nMIME-Version: 1.0\r\n"
	content = "Content-Type: text/plain; charset=utf-8\r\n\r\nPlease block 192.0.2.7.\r\n"
)

func config() *packet.Config { return &packet.Config{Time: at(day0.Add(time.Minute))} }

// detach signs bytes, and writes a part with the signature.
func detach(t testing.TB, signed string, signers ...*openpgp.Entity) string {
	t.Helper()
	var b bytes.Buffer
	for _, s := range signers {
		require.NoError(t, openpgp.DetachSign(&b, s, strings.NewReader(signed), config()))
	}
	return "Content-Type: application/pgp-signature\r\n\r\n" + string(armoured(t, b.Bytes(), signatureBlock))
}

func multipart(subtype, boundary string, parts ...string) string {
	return "Content-Type: multipart/" + subtype + "; boundary=" + boundary + "\r\n\r\n--" + boundary + "\r\n" +
		strings.Join(parts, "\r\n--"+boundary+"\r\n") + "\r\n--" + boundary + "--\r\n"
}

// encrypt makes an armoured message.
func encrypt(t testing.TB, text string, c *packet.Config, signer *openpgp.Entity, to ...*openpgp.Entity) string {
	t.Helper()
	return string(armoured(t, encryptBinary(t, text, c, signer, to...), messageBlock))
}

func encryptBinary(t testing.TB, text string, c *packet.Config, signer *openpgp.Entity, to ...*openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := openpgp.Encrypt(&b, to, signer, nil, c)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// A signature is known again in whatever mail it stands, and no other is taken for
// it.
func TestSignedNamesTheSignature(t *testing.T) {
	d := newDesk(t, Config{})
	signed := func(raw string) string { return open(t, d.PGP, []byte(raw)).Layers[0].Signatures[0].Signed }
	signature := detach(t, content, d.alice)
	one := multipart("signed", "sig", content, signature)
	name := signed(header + one)
	require.Len(t, name, 64)
	require.Equal(t, name, signed(strings.Replace(header, "outer", "[example #9] another", 1)+one), "under another header")
	require.Equal(t, name, signed(strings.ReplaceAll(header+one, "\r\n", "\n")), "with other line breaks")
	require.Equal(t, name, signed(header+multipart("signed", "mark", content, signature)), "in another frame")
	other := "Content-Type: text/plain\r\n\r\nNo.\r\n"
	require.NotEqual(t, name, signed(header+multipart("signed", "sig", other, detach(t, other, d.alice))))
	require.Empty(t, signed(header+strings.Replace(one, "192.0.2.7", "192.0.2.8", 1)), "it is no signature of that")

	text := clear(t, d, "Yes.\n")
	require.Equal(t, signed(inlineMail(text)), signed(inlineMail(strings.Replace(text, "Yes.", "Yes.  ", 1))), "blanks at the end are not signed")
}

const version = "Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"

func sealed(message string) string {
	return multipart("encrypted; protocol=\"application/pgp-encrypted\"", "enc", version, "Content-Type: application/octet-stream\r\n\r\n"+message)
}

func inlineMail(text string) string { return header + "Content-Type: text/plain\r\n\r\n" + text }

func states(o mail.Opened) (list []string) {
	for _, l := range o.Layers {
		s := l.Where
		if !l.Whole {
			s += " partly"
		}
		if l.Encrypted {
			s += " " + string(l.Decryption)
		}
		for _, sig := range l.Signatures {
			s += " " + string(sig.State)
			if sig.State == incident.SignatureGood && !sig.Sender {
				s += "-other"
			}
		}
		list = append(list, s)
	}
	return list
}

func textOf(t testing.TB, o mail.Opened) string {
	t.Helper()
	m, err := mail.Parse(o.Mail, mail.Limits{})
	require.NoError(t, err)
	return m.Text
}

// TestOpen goes through the shapes of mail, good and hostile.
func TestOpen(t *testing.T) {
	d := newDesk(t, Config{})
	mallory := newKey(t, "alice@example.net", 0) // claims to be Alice
	_, err := d.ring.Add("mallory@example.com", public(t, mallory))
	require.NoError(t, err)
	nobody := newKey(t, "alice@example.net", 0)
	signed := multipart("signed; protocol=\"application/pgp-signature\"", "sig", content, detach(t, content, d.alice))
	both := encrypt(t, content, config(), d.alice, d.team)
	text := "Please block 192.0.2.7.\n"
	const footer = "Content-Type: text/plain\r\n\r\nUnsubscribe, and block 198.51.100.1 too.\r\n"
	hidden := "Content-Type: text/plain; protected-headers=v1\r\nSubject: inner\r\n\r\nPlease block 192.0.2.7.\r\n"
	wrap := multipart("mixed", "out", "Content-Type: text/plain\r\n\r\nbefore", sealed(both))
	smuggled := multipart("mixed", "out", "Content-Type: text/plain\r\n\r\nbefore", sealed(encrypt(t, "x\r\n--out\r\n\r\nanother part\r\n", config(), nil, d.team)))
	for _, c := range []struct {
		name string
		raw  string
		want string // layers
		text string // in what a handler reads
	}{
		{"plain", header + content, "[]", text},
		{"signed", header + signed, "[message good]", text},
		{"text changed", header + strings.Replace(signed, "192.0.2.7", "192.0.2.8", 1), "[message bad]", "192.0.2.8"},
		{"blank at the end changed", header + strings.Replace(signed, "192.0.2.7.", "192.0.2.7. ", 1), "[message bad]", "192.0.2.7."},
		{"header of the part changed", header + strings.Replace(signed, "charset=utf-8", "charset=utf-7", 1), "[message bad]", "192.0.2.7"},
		{"signed by mallory, who claims the address", header + multipart("signed", "sig", content, detach(t, content, mallory)), "[message good-other]", text},
		{"signed by an unknown key", header + multipart("signed", "sig", content, detach(t, content, nobody)), "[message key-unknown]", text},
		{"signed by two", header + multipart("signed", "sig", content, detach(t, content, nobody, d.alice)), "[message key-unknown good]", text},
		{"signed by eleven", header + multipart("signed", "sig", content, detach(t, content, d.alice, d.alice, d.alice, d.alice, d.alice, d.alice, d.alice, d.alice, d.alice, d.alice, d.alice)),
			"[message" + strings.Repeat(" good", 10) + " unreadable]", text},
		{"two authors", "From: alice@example.net, bob@example.net\r\n" + signed, "[message good-other]", text},
		{"two From fields", "From: alice@example.net\r\n" + header + signed, "[message good-other]", text},
		{"two From fields, one empty", "From:\r\n" + header + signed, "[message good-other]", text},
		{"a signature about a key", header + multipart("signed", "sig", content, "Content-Type: application/pgp-signature\r\n\r\n"+string(armoured(t, selfSignature(t, d.alice), signatureBlock))), "[message unreadable]", text},
		{"version 3, SHA-1", header + multipart("signed", "sig", content, oldPart(t, 2)), "[message weak]", text},
		{"version 3, SHA-512", header + multipart("signed", "sig", content, oldPart(t, 10)), "[message unreadable]", text},
		{"no signature", header + multipart("signed", "sig", content, "Content-Type: application/pgp-signature\r\n\r\n"), "[message unreadable]", text},
		{"broken signature", header + multipart("signed", "sig", content, "Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\nAAAA\r\n-----END PGP SIGNATURE-----\r\n"), "[message unreadable]", text},
		{"a third part", header + multipart("signed", "sig", content, detach(t, content, d.alice), footer), "[message partly unreadable]", "Unsubscribe"},
		{"a footer of a list", header + multipart("mixed", "out", strings.TrimSuffix(signed, "\r\n"), footer), "[part 1 partly good]", text + "\nUnsubscribe"},
		{"an empty footer", header + multipart("mixed", "out", strings.TrimSuffix(signed, "\r\n"), "Content-Type: text/plain\r\n\r\n\r\n-- \r\n"), "[part 1 good]", text},
		{"an encrypted multipart of another make", header + multipart("encrypted", "enc", footer, version), "[message partly damaged]", "Unsubscribe"},
		{"in an attached mail", header + multipart("mixed", "out", "Content-Type: message/rfc822\r\n\r\n"+header+sealed(both)), "[]", ""},

		{"encrypted", header + sealed(encrypt(t, content, config(), nil, d.team)), "[message decrypted]", text},
		{"both", header + sealed(both), "[message decrypted good]", text},
		{"both, by mallory", header + sealed(encrypt(t, content, config(), mallory, d.team)), "[message decrypted good-other]", text},
		{"both, nested", header + sealed(encrypt(t, signed, config(), nil, d.team)), "[message decrypted part 1 good]", text},
		{"encrypted below a signature", header + multipart("signed", "sig", strings.TrimSuffix(sealed(both), "\r\n"), detach(t, strings.TrimSuffix(sealed(both), "\r\n"), d.alice)), "[message good part 1 decrypted good]", text},
		{"in base64", header + multipart("encrypted", "enc", version, "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"+b64(both)), "[message decrypted good]", text},
		{"without armour", header + multipart("encrypted", "enc", version, "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"+b64(string(encryptBinary(t, content, config(), nil, d.team)))), "[message decrypted]", text},
		{"made mixed by a gateway", header + multipart("mixed", "enc", "Content-Type: text/plain\r\n\r\n\r\n", version, "Content-Type: application/octet-stream; name=encrypted.asc\r\n\r\n"+both), "[message decrypted good]", text},
		{"made mixed, and more in it", header + multipart("mixed", "enc", footer, version, "Content-Type: application/octet-stream; name=encrypted.asc\r\n\r\n"+both), "[part 3 partly decrypted good]", "Unsubscribe"},
		{"beside other text", header + wrap, "[part 2 partly decrypted good]", "before\n\n" + text},
		{"with the boundary of the mail around it", header + smuggled, "[part 2 partly unsupported]", "before"},
		{"to somebody else", header + sealed(encrypt(t, content, config(), nil, d.alice)), "[message no-key]", ""},
		{"changed", header + sealed(damaged(t, encryptBinary(t, content, config(), nil, d.team))), "[message damaged]", ""},
		{"cut short", header + sealed(both[:len(both)/2]), "[message damaged]", ""},
		{"not a message", header + sealed("PAYLOAD"), "[message damaged]", ""},
		{"without integrity protection", header + sealed(unprotected(t, content, d.team)), "[message unsupported]", ""},
		{"to too many", header + sealed(manyRecipients(t, d.team)), "[message too-large]", ""},

		{"inline both", inlineMail(encrypt(t, "Hello\r\n", config(), d.alice, d.team)), "[message decrypted good]", "Hello\n"},
		{"inline beside other text", inlineMail("Before\r\n" + encrypt(t, "Hello\r\n", config(), d.alice, d.team) + "\r\nAfter\r\n"), "[message partly decrypted good]", "Before\n-----BEGIN PGP MESSAGE-----\nHello\n-----END PGP MESSAGE-----\nAfter\n"},
		{"inline twice", inlineMail(encrypt(t, "One\n", config(), nil, d.team) + "\r\n" + encrypt(t, "Two\n", config(), nil, d.alice) + "\r\n"), "[message partly decrypted message partly no-key]", "One"},
		{"inline many times", inlineMail(strings.Repeat(both+"\r\n", maxBlocks+1)), "[" + strings.TrimSpace(strings.Repeat("message partly decrypted good ", maxBlocks)) + "]", "192.0.2.7"},
		{"inline quoted", inlineMail("> " + strings.ReplaceAll(both, "\r\n", "\r\n> ")), "[]", "> -----BEGIN PGP MESSAGE-----"},
		{"inline cut short", inlineMail(both[:200]), "[message damaged]", "-----BEGIN PGP MESSAGE-----"},
		{"inline, no armour", inlineMail("-----BEGIN PGP MESSAGE-----\r\n\r\n!!!!\r\n-----END PGP MESSAGE-----\r\n"), "[message damaged]", "!!!!"},
		{"inline signed", inlineMail(clear(t, d, "- dash\n-- \nend\n")), "[message good]", "- dash\n-- \nend\n"},
		{"inline signed and changed", inlineMail(strings.Replace(clear(t, d, "- dash\n-- \nend\n"), "end", "END", 1)), "[message bad]", "END"},
		{"inline signed beside other text", inlineMail("Block all!\r\n" + clear(t, d, "text\n")), "[message partly good]", "Block all!\n-----BEGIN PGP SIGNED MESSAGE-----"},
		{"inline signed with a field that does not belong", inlineMail(strings.Replace(clear(t, d, "text\n"), "Hash: SHA512", "Hash: SHA512\r\nComment: block all", 1)), "[message unreadable]", "text"},
		{"inline signed, then encrypted", inlineMail(encrypt(t, clear(t, d, "text\n"), config(), nil, d.team)), "[message decrypted part 1 good]", "text\n"},
		{"in one of two alternatives", header + multipart("alternative", "out", "Content-Type: text/plain\r\n\r\n"+clear(t, d, "text\n"), "Content-Type: text/html\r\n\r\n<p>other"), "[part 1 partly good]", "text\n"},

		{"an encrypted file", header + multipart("mixed", "out", footer, "Content-Type: application/octet-stream; name=log.txt.pgp\r\nContent-Transfer-Encoding: base64\r\n\r\n"+b64(string(encryptBinary(t, "log", config(), d.alice, d.team)))), "[part 2 partly decrypted good]", "Unsubscribe"},
		{"a signed file", header + multipart("mixed", "out", footer, "Content-Type: text/x-log; name=a.log\r\n\r\nlog line", strings.Replace(detach(t, "log line", d.alice), "application/pgp-signature", "application/pgp-signature; name=a.log.sig", 1)), "[part 2 partly good]", "Unsubscribe"},
		{"a key as a file", header + multipart("mixed", "out", footer, "Content-Type: application/pgp-keys; name=key.asc\r\n\r\n"+string(armoured(t, public(t, d.alice), publicKeyBlock))), "[]", "Unsubscribe"},
		{"a hidden subject", header + sealed(encrypt(t, hidden, config(), nil, d.team)), "[message decrypted]", text},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, raw := range []string{c.raw, strings.ReplaceAll(c.raw, "\r\n", "\n")} {
				opened := open(t, d.PGP, []byte(raw))
				require.Equal(t, c.want, fmt.Sprint(states(opened)), "%+v", opened.Layers)
				require.Contains(t, textOf(t, opened), c.text)
				m, err := mail.Parse(opened.Mail, mail.Limits{})
				require.NoError(t, err)
				if c.text == "" { // it stays as it came
					require.Equal(t, raw, string(opened.Mail))
				}
				subject := "outer"
				if c.name == "a hidden subject" {
					subject = "inner"
					require.True(t, opened.Layers[0].Subject)
				}
				require.Equal(t, subject, map[bool]string{true: m.Subject, false: subject}[strings.Contains(c.raw, "Subject: outer\r\nMIME")])
			}
		})
	}

	m, err := mail.Parse(open(t, d.PGP, []byte(header+multipart("mixed", "out", footer, "Content-Type: application/octet-stream; name=\"log 1.txt.pgp\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"+
		b64(string(encryptBinary(t, "log", config(), d.alice, d.team)))))).Mail, mail.Limits{})
	require.NoError(t, err)
	require.Equal(t, "log 1.txt", m.Parts[1].Name)
	require.Equal(t, "log", string(m.Parts[1].Content))
}

// selfSignature is what a key says about itself.
func selfSignature(t testing.TB, e *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, e.PrimaryIdentity().SelfSignature.Serialize(&b))
	return b.Bytes()
}

// oldPart is a signature of version 3 (RFC 4880 5.2.2).
func oldPart(t testing.TB, hash byte) string {
	t.Helper()
	body := append([]byte{3, 5, 0, 0, 0, 0, 1}, "\x01\x23\x45\x67\x89\xab\xcd\xef"...)
	body = append(body, 1, hash, 0, 0, 0, 1, 1)
	packet := append([]byte{0x88, byte(len(body))}, body...)
	old, ok := oldSignature(packet)
	require.True(t, ok)
	require.Equal(t, "0123456789ABCDEF", old.KeyID)
	require.Equal(t, time.Unix(1, 0).UTC(), old.Made)
	return "Content-Type: application/pgp-signature\r\n\r\n" + string(armoured(t, packet, signatureBlock))
}

func b64(s string) string {
	raw := leaf(entity{raw: []byte("\r\n")}, "x/y", "", []byte(s))
	return string(raw[bytes.Index(raw, []byte("\r\n\r\n"))+4:])
}

func clear(t testing.TB, d desk, text string) string {
	t.Helper()
	signed, err := sealing{PGP: d.PGP, signer: &ringKey{entity: d.alice}}.clearsign([]byte(text))
	require.NoError(t, err)
	return string(signed)
}

// damaged changes one bit of the encrypted text.
func damaged(t testing.TB, binary []byte) string {
	binary[len(binary)-30] ^= 1
	return string(armoured(t, binary, messageBlock))
}

// unprotected makes a message as old programs did (RFC 4880 5.7).
func unprotected(t testing.TB, text string, to *openpgp.Entity) string {
	t.Helper()
	var b bytes.Buffer
	key := make([]byte, 32)
	_, err := rand.Read(key)
	require.NoError(t, err)
	require.NoError(t, packet.SerializeEncryptedKey(&b, to.Subkeys[0].PublicKey, packet.CipherAES256, key, nil))
	var literal bytes.Buffer
	w, err := packet.SerializeLiteral(nopCloser{&literal}, true, "", 0)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	cipher, err := aes.NewCipher(key)
	require.NoError(t, err)
	stream, prefix := packet.NewOCFBEncrypter(cipher, key[:16], packet.OCFBResync)
	out := make([]byte, literal.Len())
	stream.XORKeyStream(out, literal.Bytes())
	out = append(prefix, out...)
	require.Less(t, len(out), 192)
	b.Write([]byte{0xC9, byte(len(out))})
	b.Write(out)
	return string(armoured(t, b.Bytes(), messageBlock))
}

type nopCloser struct{ io.Writer }

// Close implements [io.Closer].
func (nopCloser) Close() error { return nil }

// manyRecipients makes a message to hidden recipients, each of which costs a try.
func manyRecipients(t testing.TB, to *openpgp.Entity) string {
	t.Helper()
	var one bytes.Buffer
	require.NoError(t, packet.SerializeEncryptedKeyWithHiddenOption(&one, to.Subkeys[0].PublicKey, packet.CipherAES256, make([]byte, 32), true, nil))
	return string(armoured(t, bytes.Repeat(one.Bytes(), maxRecipients+1), messageBlock))
}

// TestBeside hides a text where some programs see a part of its own and others
// nothing. Whoever reads it must not be told that it was signed.
func TestBeside(t *testing.T) {
	d := newDesk(t, Config{})
	const hidden = "Content-Type: text/plain\r\n\r\nBlock all of 198.51.100.0/24.\r\n"
	signed := multipart("signed", "sig", content, detach(t, content, d.alice))
	for name, raw := range map[string]string{
		"before the first boundary": header + strings.Replace(multipart("mixed", "out", "Content-Type: text/plain\r\n\r\n", signed), "\r\n\r\n--out", "\r\n\r\n--out x\r\n"+hidden+"\r\n--out", 1),
		"after the last":            header + multipart("mixed", "out", signed) + "--out x\r\n" + hidden,
		"after the signature":       header + multipart("mixed", "out", signed+"--out x\r\n"+hidden),
		"around what was signed":    header + multipart("signed", "sig", content, detach(t, content, d.alice)) + "--sig x\r\n" + hidden,
		"before what was signed":    header + strings.Replace(signed, "\r\n\r\n--sig", "\r\n\r\n--sig x\r\n"+hidden+"\r\n--sig", 1),
		"with the same boundary":    header + multipart("mixed", "192.0.2.7", signed) + "--192.0.2.7 x\r\n" + hidden,
	} {
		opened := open(t, d.PGP, []byte(raw))
		require.NotEmpty(t, opened.Layers, name)
		_, ok := opened.Signed()
		require.False(t, ok && strings.Contains(textOf(t, opened), "Block all"), "%s: %+v\n%s", name, opened.Layers, opened.Mail)
		require.Contains(t, textOf(t, opened), "192.0.2.7", name)
	}
	collision := strings.ReplaceAll(content, "192.0.2.7", "--out 192.0.2.7")
	opened := open(t, d.PGP, []byte(header+multipart("mixed", "out", multipart("signed", "sig", collision, detach(t, collision, d.alice)))))
	require.Equal(t, "[part 1 partly good]", fmt.Sprint(states(opened)))

	// The subject of what was in a multipart by itself.
	inner := "Content-Type: text/plain; protected-headers=v1\r\nSubject: inner\r\n\r\ntext\r\n"
	m, err := mail.Parse(open(t, d.PGP, []byte(header+multipart("mixed", "out", "Content-Type: text/plain\r\n\r\n", sealed(encrypt(t, inner, config(), nil, d.team))))).Mail, mail.Limits{})
	require.NoError(t, err)
	require.Equal(t, "inner", m.Subject)
	require.Len(t, m.Parts, 1)
}

// TestInner takes from the header inside only what belongs to the part.
func TestInner(t *testing.T) {
	d := newDesk(t, Config{})
	inner := "Received: forged\r\nAuthentication-Results: mx.example.org; dkim=pass header.d=example.net\r\nFrom: boss@example.org\r\nSubject: not protected\r\nContent-Language: en\r\n" + content
	opened := open(t, d.PGP, []byte(header+sealed(encrypt(t, inner, config(), nil, d.team))))
	m, err := mail.Parse(opened.Mail, mail.Limits{})
	require.NoError(t, err)
	require.Equal(t, "alice@example.net", m.From[0].Address)
	require.Len(t, m.From, 1)
	require.Equal(t, "outer", m.Subject)
	require.Empty(t, m.Get("Received")+m.Get("Authentication-Results"))
	require.Equal(t, "en", m.Get("Content-Language"))

	// A protected subject counts where the signature is good, or the part was
	// encrypted.
	hidden := "Content-Type: text/plain; hp=clear\r\nSubject: inner\r\n\r\ntext\r\n"
	signed := header + multipart("signed", "sig", hidden, detach(t, hidden, d.alice))
	for raw, subject := range map[string]string{
		signed: "inner",
		strings.Replace(signed, "Subject: inner", "Subject: forged", 1):                                                       "outer",
		header + multipart("mixed", "out", "Content-Type: text/plain\r\n\r\nx", sealed(encrypt(t, hidden, nil, nil, d.team))): "outer",
	} {
		opened := open(t, d.PGP, []byte(raw))
		m, err := mail.Parse(opened.Mail, mail.Limits{})
		require.NoError(t, err)
		require.Equal(t, subject, m.Subject)
		require.Equal(t, subject == "inner", opened.Layers[len(opened.Layers)-1].Subject)
	}
	m, err = mail.Parse(open(t, d.PGP, []byte(header+sealed(encrypt(t, strings.Replace(signed[len(header):], "text\r\n", "changed\r\n", 1), nil, nil, d.team)))).Mail, mail.Limits{})
	require.NoError(t, err)
	require.Equal(t, "inner", m.Subject, "it was encrypted, whatever the signature below is worth")
}

// TestLater opens a mail once its keys are there.
func TestLater(t *testing.T) {
	team, alice := newKey(t, "team@example.org", 0), newKey(t, "alice@example.net", 0)
	ring := &Keyring{}
	p, err := New(ring, Config{Now: at(day0.Add(time.Hour))})
	require.NoError(t, err)
	raw := []byte(header + sealed(encrypt(t, content, config(), alice, team)))
	opened := open(t, p, raw)
	require.True(t, opened.Wanting())
	require.Equal(t, []string{keyID(team.Subkeys[0].PublicKey.KeyId)}, opened.Layers[0].Recipients)
	_, err = ring.AddTeam("team@example.org", secret(t, team), nil)
	require.NoError(t, err)
	require.Equal(t, "[message decrypted key-unknown]", fmt.Sprint(states(open(t, p, raw))))
	_, err = ring.Add("alice@example.net", public(t, alice))
	require.NoError(t, err)
	opened = open(t, p, raw)
	require.Equal(t, "[message decrypted good]", fmt.Sprint(states(opened)))
	require.Equal(t, []string{"alice@example.net"}, opened.Layers[0].Signatures[0].Signers)
	require.Equal(t, day0.Add(time.Minute), opened.Layers[0].Signatures[0].Made)
	require.False(t, opened.Wanting())
}

// TestTimes reads the same signature at several times.
func TestTimes(t *testing.T) {
	e := newKey(t, "alice@example.net", 10)
	ring := &Keyring{}
	_, err := ring.Add("alice@example.net", public(t, e))
	require.NoError(t, err)
	raw := []byte(header + multipart("signed", "sig", content, detach(t, content, e)))
	for now, want := range map[time.Time]incident.SignatureState{
		day0.Add(time.Hour):         incident.SignatureGood,
		day0.Add(-50 * time.Minute): incident.SignatureGood,       // the clocks differ
		day0.AddDate(0, 0, -1):      incident.SignatureKeyExpired, // not yet made
		day0.AddDate(0, 0, 11):      incident.SignatureKeyExpired,
	} {
		p, err := New(ring, Config{Now: at(now)})
		require.NoError(t, err)
		require.Equal(t, want, open(t, p, raw).Layers[0].Signatures[0].State, now)
	}
	require.NoError(t, e.RevokeKey(packet.KeyCompromised, "stolen", &packet.Config{Time: at(day0.AddDate(0, 0, 2))}))
	_, err = ring.Add("alice@example.net", public(t, e))
	require.NoError(t, err)
	p, err := New(ring, Config{Now: at(day0.Add(time.Hour))})
	require.NoError(t, err)
	require.Equal(t, incident.SignatureKeyRevoked, open(t, p, raw).Layers[0].Signatures[0].State)
}

// TestBomb bounds what is decrypted, of all parts together.
func TestBomb(t *testing.T) {
	const size = 20 << 20
	d := newDesk(t, Config{MaxBytes: 1 << 20})
	c := config()
	c.DefaultCompressionAlgo = packet.CompressionZLIB
	d.team.PrimaryIdentity().SelfSignature.PreferredCompression = []uint8{uint8(packet.CompressionZLIB)}
	bomb := encrypt(t, strings.Repeat("\x00", size), c, nil, d.team)
	require.Less(t, len(bomb), size/100, "it is no bomb")
	opened := open(t, d.PGP, []byte(header+sealed(bomb)))
	require.Equal(t, "[message too-large]", fmt.Sprint(states(opened)))
	require.Equal(t, []string{keyID(d.team.Subkeys[0].PublicKey.KeyId)}, opened.Layers[0].Recipients)

	part := "Content-Type: text/plain\r\n\r\n" + encrypt(t, strings.Repeat("line\n", 100_000), c, nil, d.team)
	opened = open(t, d.PGP, []byte(header+multipart("mixed", "out", part, part, part)))
	require.Equal(t, "[part 1 partly decrypted part 2 partly decrypted part 3 partly too-large]", fmt.Sprint(states(opened)))
}

// TestWork bounds what a mail may cost: tries of our keys, and hashing.
func TestWork(t *testing.T) {
	d := newDesk(t, Config{MaxBytes: 1000})
	var hidden bytes.Buffer
	require.NoError(t, packet.SerializeEncryptedKeyWithHiddenOption(&hidden, d.team.Subkeys[0].PublicKey, packet.CipherAES256, make([]byte, 32), true, nil))
	part := "Content-Type: text/plain\r\n\r\n" + string(armoured(t, bytes.Repeat(hidden.Bytes(), maxRecipients-1), messageBlock))
	opened := open(t, d.PGP, []byte(header+multipart("mixed", "out", part, part, part)))
	require.Equal(t, "[part 1 partly damaged part 2 partly damaged part 3 partly too-large]", fmt.Sprint(states(opened)))

	text := strings.Repeat("x", 1500)
	parts := []string{"Content-Type: text/x-log; name=a.log\r\n\r\n" + text}
	for range 3 {
		parts = append(parts, strings.Replace(detach(t, text, d.alice, d.alice, d.alice, d.alice, d.alice), "application/pgp-signature", "application/pgp-signature; name=a.log.sig", 1))
	}
	opened = open(t, d.PGP, []byte(header+multipart("mixed", "out", parts...)))
	all := fmt.Sprint(states(opened))
	require.Equal(t, maxHashing*1000/1500, strings.Count(all, "good"), all)
	require.Equal(t, 15-maxHashing*1000/1500, strings.Count(all, "unreadable"), all)
}

// TestDeep does not follow nesting without end.
func TestDeep(t *testing.T) {
	d := newDesk(t, Config{})
	raw := content
	for i := range 30 {
		raw = multipart("mixed", fmt.Sprintf("b%d", i), strings.TrimSuffix(raw, "\r\n"))
	}
	require.Equal(t, header+raw, string(open(t, d.PGP, []byte(header+raw)).Mail))
	message := "Content-Type: text/plain\r\n\r\nin the middle\r\n"
	for range maxDepth + 5 {
		message = sealed(encrypt(t, message, config(), nil, d.team))
	}
	opened := open(t, d.PGP, []byte(header+message))
	require.Len(t, opened.Layers, maxDepth+1)
	require.Contains(t, string(opened.Mail), "-----BEGIN PGP MESSAGE-----")
}

func TestContext(t *testing.T) {
	d := newDesk(t, Config{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	raw := []byte(header + content)
	opened, err := d.Open(ctx, raw)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, raw, opened.Mail)
	_, err = d.Seal(ctx, raw, mail.SealRequest{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = New(nil, Config{})
	require.ErrorContains(t, err, "an empty one will do")
	_, err = New(&Keyring{}, Config{MaxBytes: -1})
	require.ErrorContains(t, err, "allowed are 0")
}

// TestCharsets reads text that was signed in the charset of the mail, and text
// that was signed in UTF-8 and changed afterwards.
func TestCharsets(t *testing.T) {
	d := newDesk(t, Config{})
	const head = header + "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	latin := func(s string) string { return strings.ReplaceAll(s, "ü", "\xfc") }
	for name, raw := range map[string]string{
		"signed as sent":  head + clear(t, d, latin("Grüsse\n")),
		"signed in UTF-8": head + latin(clear(t, d, "Grüsse\n")),
	} {
		opened := open(t, d.PGP, []byte(raw))
		require.Equal(t, "[message good]", fmt.Sprint(states(opened)), name)
		require.Equal(t, "Grüsse\n", textOf(t, opened), name)
	}
	opened := open(t, d.PGP, []byte(head+encrypt(t, "Grüße – €\n", config(), nil, d.team)))
	require.Equal(t, "Grüße – €\n", textOf(t, opened))
	opened = open(t, d.PGP, []byte(head+encrypt(t, latin("Grüsse\n"), config(), nil, d.team)))
	require.Equal(t, "Grüsse\n", textOf(t, opened))
}
