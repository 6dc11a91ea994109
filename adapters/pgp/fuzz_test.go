package pgp

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

// fixedDesk is a desk whose keys are the same in every process, so that what one
// finds another can repeat.
func fixedDesk(t testing.TB) desk {
	t.Helper()
	d := desk{ring: &Keyring{}}
	for _, address := range []string{"team@example.org", "alice@example.net"} {
		material, err := os.ReadFile(filepath.Join("testdata", "secret-"+address+".asc"))
		require.NoError(t, err)
		_, err = d.ring.AddTeam(address, material, nil)
		require.NoError(t, err)
	}
	d.team, d.alice = d.ring.keys[0].entity, d.ring.keys[1].entity
	var err error
	d.PGP, err = New(d.ring, Config{MaxBytes: 1 << 20, Now: at(day0.Add(time.Hour))})
	require.NoError(t, err)
	return d
}

// FuzzArmour reads hostile armour, packets and keys. A text without a block of
// ours is never signed by us, and opens nothing.
func FuzzArmour(f *testing.F) {
	d := fixedDesk(f)
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
			layer := incident.Layer{Form: "inline"}
			r := reading{ring: d.ring, now: day0, budget: 1 << 16, hashes: 1 << 20}
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

// FuzzOpen takes hostile mails apart. What is not protected stays as it was,
// byte for byte.
func FuzzOpen(f *testing.F) {
	d := fixedDesk(f)
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
	})
}

// FuzzSeal seals hostile mails: what is sealed opens, and is signed.
func FuzzSeal(f *testing.F) {
	d := fixedDesk(f)
	f.Add([]byte(header+content), false)
	f.Add([]byte(header+"Content-Type: text/plain; charset=utf-8\n\nGrüße \n-- \nFrom here\n"), true)
	f.Add([]byte(header+multipart("mixed", "out", content, "Content-Type: application/x-log\r\n\r\n\xff \r\n")), false)
	f.Fuzz(func(t *testing.T, raw []byte, encrypt bool) {
		request := mail.SealRequest{Sign: mail.Always, From: "alice@example.net", To: []string{"team@example.org"}}
		if encrypt {
			request.Encrypt = mail.Always
		}
		sealed, err := d.Seal(context.Background(), raw, request)
		if err != nil {
			return
		}
		opened, err := d.Open(context.Background(), sealed.Mail)
		if err != nil || len(opened.Layers) == 0 || opened.Layers[0].Signatures[0].State != incident.SignatureGood {
			t.Fatalf("what we sealed does not open: %+v %v", opened.Layers, err)
		}
	})
}
