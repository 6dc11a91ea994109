package pgp

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

// FuzzArmour reads hostile armour, packets and keys. A text without a block of
// ours is never signed by us, and opens nothing.
func FuzzArmour(f *testing.F) {
	d := newDesk(f, Config{MaxBytes: 1 << 20})
	f.Add([]byte(encrypt(f, "Hello\n", config(), d.alice, d.team)))
	f.Add([]byte(clear(f, d, "- dash\n-- \nend\n")))
	f.Add(armoured(f, public(f, d.alice), publicKeyBlock))
	f.Add(public(f, d.alice, d.team))
	f.Add(encryptBinary(f, "Hello\n", config(), d.alice, d.team))
	f.Add([]byte("-----BEGIN PGP MESSAGE-----\nVersion: 1\n\n=AAAA\n-----END PGP MESSAGE-----\n"))
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		last := 0
		for _, b := range findBlocks(text) {
			if b.start < last || b.end <= b.start || b.end > len(text) {
				t.Fatalf("block %+v after %d", b, last)
			}
			last = b.end
		}
		ring := &Keyring{}
		infos, err := ring.Add("x@example.org", text)
		if err == nil && len(infos) == 0 {
			t.Fatal("neither a key nor an error")
		}
		ring.Keys(day0)
		for _, binary := range [][]byte{text, firstBlock(text)} {
			layer := mail.Layer{Form: "inline"}
			r := reading{ring: d.ring, now: day0, budget: 1 << 16}
			if got := r.message(binary, &layer); len(got) > 1<<16 {
				t.Fatal("over the limit")
			}
			r.detached([]byte("text"), binary)
		}
	})
}

func firstBlock(text []byte) []byte {
	for _, b := range findBlocks(text) {
		binary, _ := unarmour(text[b.start:b.end], 1<<20)
		return binary
	}
	return nil
}

// FuzzOpen takes hostile mails apart, and seals them. What is not protected
// stays as it was, byte for byte; what is sealed opens to what it was.
func FuzzOpen(f *testing.F) {
	d := newDesk(f, Config{MaxBytes: 1 << 20})
	_, err := d.ring.AddTeam("alice@example.net", secret(f, d.alice), nil)
	require.NoError(f, err)
	both := encrypt(f, content, config(), d.alice, d.team)
	f.Add([]byte(header + multipart("signed", "sig", content, detach(f, content, d.alice))))
	f.Add([]byte(header + sealed(both)))
	f.Add([]byte(inlineMail("Before\r\n" + both + "After\r\n")))
	f.Add([]byte(inlineMail(clear(f, d, "- dash\n-- \nend\n"))))
	f.Add([]byte(header + multipart("mixed", "out", "Content-Type: text/plain\r\n\r\n", version, "Content-Type: application/octet-stream; name=encrypted.asc\r\n\r\n"+both)))
	f.Add([]byte(header + multipart("mixed", "out", sealed(both), "Content-Type: application/octet-stream; name=log.pgp\r\n\r\nx")))
	f.Add([]byte("From x\nContent-Type: multipart/signed; boundary\n\n--\n--\n"))
	f.Add([]byte("A:\n b\n\tc\n:\nContent-type:text/plain;charset=\"\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		e := cut(raw)
		n := 0
		for _, field := range e.fields {
			n += len(field.raw)
		}
		if n > len(raw)-len(e.body) || !bytes.HasSuffix(raw, e.body) {
			t.Fatal("the header is not what stands before the body")
		}
		last := 0
		for _, s := range e.children(maxParts) {
			if s.start < last || s.end < s.start || s.end > len(e.body) {
				t.Fatalf("part %+v after %d", s, last)
			}
			last = s.end
		}
		opened, err := d.Open(context.Background(), raw)
		if err != nil {
			t.Fatal(err)
		}
		if len(opened.Layers) == 0 && !bytes.Equal(opened.Mail, raw) {
			t.Fatal("nothing was protected, and yet it is changed")
		}
		if _, ok := opened.Signed(); ok && !strings.Contains(string(raw), "BEGIN PGP") && !bytes.ContainsFunc(raw, func(r rune) bool { return r > 0x7f }) && !bytes.Contains(bytes.ToLower(raw), []byte("base64")) {
			t.Fatal("signed, without anything of OpenPGP in it")
		}
		s, err := d.Seal(context.Background(), raw, mail.SealRequest{Sign: mail.Always, Encrypt: mail.Always, From: "alice@example.net", To: []string{"team@example.org"}})
		if err != nil {
			return
		}
		if opened, err = d.Open(context.Background(), s.Mail); err != nil || len(opened.Layers) == 0 || opened.Layers[0].Decryption != mail.Decrypted || opened.Layers[0].Signatures[0].State != mail.Good {
			t.Fatalf("what we sealed does not open: %+v %v", opened.Layers, err)
		}
	})
}
