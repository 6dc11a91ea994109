package desk_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// smime is S/MIME (RFC 8551) in the hands of OpenSSL: an opener and a sealer for
// one mailbox that owns nothing but files.
type smime struct {
	t       testing.TB
	address string
	folder  string            // with KEY.pem and CERT.pem of the mailbox
	others  map[string]string // certificates by address
}

func newSMIME(t testing.TB, address string) *smime {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not on this machine: S/MIME is not tried")
	}
	s := &smime{t, address, t.TempDir(), map[string]string{}}
	_, err := s.run(nil, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN="+address,
		"-addext", "subjectAltName=email:"+address, "-keyout", s.file("KEY.pem"), "-out", s.file("CERT.pem"))
	require.NoError(t, err)
	return s
}

func (s *smime) file(name string) string { return filepath.Join(s.folder, name) }

func (s *smime) run(input []byte, args ...string) ([]byte, error) {
	cmd := exec.Command("openssl", args...)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("openssl %s: %w: %s", args[0], err, &stderr)
	}
	return out, err
}

// halves returns the header fields of a mail that are about its content, with the
// content, and the others.
func halves(raw []byte) (content, header []byte) {
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	about := false
	for _, line := range bytes.SplitAfter(append(head, "\r\n"...), []byte("\r\n")) {
		if len(line) > 0 && line[0] != ' ' && line[0] != '\t' {
			name := strings.ToLower(string(line))
			about = strings.HasPrefix(name, "content-") || strings.HasPrefix(name, "mime-version")
		}
		if about {
			content = append(content, line...)
		} else {
			header = append(header, line...)
		}
	}
	return append(append(content, "\r\n"...), body...), header
}

// Open implements mail.Opener.
func (s *smime) Open(_ context.Context, raw []byte) (mail.Opened, error) {
	content, header := halves(raw)
	opened := mail.Opened{Mail: raw}
	layer := incident.Layer{Protocol: "smime", Form: "mime", Where: "message", Whole: true}
	if bytes.Contains(content, []byte("enveloped-data")) {
		layer.Encrypted, layer.Decryption = true, incident.DecryptionNoKey
		inner, err := s.run(content, "cms", "-decrypt", "-recip", s.file("CERT.pem"), "-inkey", s.file("KEY.pem"))
		if err == nil {
			content, layer.Decryption = inner, incident.Decrypted
		}
		opened.Layers = append(opened.Layers, layer)
		if err != nil {
			return opened, nil
		}
		layer = incident.Layer{Protocol: "smime", Form: "mime", Where: "part 1", Whole: true}
	}
	if bytes.Contains(content, []byte("multipart/signed")) {
		signature := incident.Signature{State: incident.SignatureKeyUnknown}
		m, _ := mail.Parse(raw, mail.Limits{})
		for address, certificate := range s.others {
			text, err := s.run(content, "cms", "-verify", "-CAfile", certificate, "-purpose", "any")
			if err != nil {
				continue
			}
			material, err := os.ReadFile(certificate)
			if err != nil {
				return opened, err
			}
			block, _ := pem.Decode(material)
			parsed, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return opened, err
			}
			sum, signed := sha256.Sum256(parsed.Raw), sha256.Sum256(text)
			signature = incident.Signature{
				State: incident.SignatureGood, KeyID: parsed.SerialNumber.String(), Fingerprint: hex.EncodeToString(sum[:]), Signers: []string{address},
				Made: time.Now().UTC(), Signed: hex.EncodeToString(signed[:]), Sender: incident.SameAddress(m.From[0].Address, address),
			}
			content = text
		}
		layer.Signatures = []incident.Signature{signature}
		opened.Layers = append(opened.Layers, layer)
	}
	if len(opened.Layers) > 0 {
		opened.Mail = append(header, content...)
	}
	return opened, nil
}

// Seal implements mail.Sealer.
func (s *smime) Seal(_ context.Context, raw []byte, r mail.SealRequest) (sealed mail.Sealed, err error) {
	content, header := halves(raw)
	sealed.Mail = raw
	if r.Sign != mail.Never {
		if content, err = s.run(content, "cms", "-sign", "-binary", "-crlfeol", "-md", "sha256", "-signer", s.file("CERT.pem"), "-inkey", s.file("KEY.pem")); err != nil {
			return sealed, err
		}
		sealed.Signed = true
	}
	var certificates []string
	for _, address := range r.To {
		if file, ok := s.others[address]; ok {
			certificates = append(certificates, file)
			continue
		}
		sealed.Problems = append(sealed.Problems, mail.KeyProblem{Address: address, State: mail.Missing})
	}
	switch {
	case r.Encrypt == mail.Never:
		sealed.Problems = nil
	case len(sealed.Problems) == 0:
		if content, err = s.run(content, append([]string{"cms", "-encrypt", "-binary", "-aes-256-cbc"}, certificates...)...); err != nil {
			return sealed, err
		}
		sealed.Encrypted = true
	case r.Encrypt == mail.Always:
		return sealed, &mail.SealError{What: "encrypt", Problems: sealed.Problems}
	}
	if sealed.Signed || sealed.Encrypted {
		content = bytes.ReplaceAll(bytes.ReplaceAll(content, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
		sealed.Mail = append(header, content...)
	}
	return sealed, nil
}

// TestSMIMEFitsTheSeam lets a desk open and seal S/MIME, for which it has nothing of
// its own, by an opener and sealer that has.
func TestSMIMEFitsTheSeam(t *testing.T) {
	ours, bob := newSMIME(t, "csirt@example.net"), newSMIME(t, "bob@example.org")
	w := newWorld(t, func(c *desk.Config) { c.Opener, c.Sealer = ours, ours })
	w.now = time.Now()
	bob.others["csirt@example.net"] = ours.file("CERT.pem")
	letter := func(subject, text string) string {
		sealed, err := bob.Seal(ctx, []byte("From: bob@example.org\r\nTo: csirt@example.net\r\nSubject: "+subject+"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"+text+"\r\n"),
			mail.SealRequest{Sign: mail.Always, Encrypt: mail.Always, To: []string{"csirt@example.net"}})
		require.NoError(t, err)
		return string(sealed.Mail)
	}
	receipt, m := w.take(letter("Scan", secret))
	require.Equal(t, incident.Decrypted, m.Content.Layers[0].Decryption)
	require.Equal(t, incident.SignatureKeyUnknown, m.Content.Layers[1].Signatures[0].State)
	require.Equal(t, []incident.Observable{{Kind: incident.Address, Value: "192.0.2.77"}}, w.ticket(receipt.Ticket).Observables)
	require.Equal(t, incident.TrustNone, m.Trust)

	ours.others["bob@example.org"] = bob.file("CERT.pem")
	_, err := w.alice.Examine(ctx, receipt.Ticket, receipt.Version)
	require.NoError(t, err)
	event, _ := w.last(receipt.Ticket, "examined")
	require.Equal(t, incident.TrustSigned, event.(incident.Examined).Trust)
	_, m = w.take(letter(tagged(receipt.Ticket), "Yes."))
	require.Equal(t, incident.TrustSigned, m.Trust)

	w.do(workflow.Reply{Ticket: receipt.Ticket, Text: reply, Cc: []incident.Party{{Address: "carol@example.org"}}})
	mails := w.mails()
	require.NotContains(t, mails["bob@example.org"][0], "kept-secret")
	require.Contains(t, mails["carol@example.org"][0], "multipart/signed")
	bob.others["csirt@example.net"] = ours.file("CERT.pem")
	opened, err := bob.Open(ctx, []byte(mails["bob@example.org"][0]))
	require.NoError(t, err)
	signature, ok := opened.Signed()
	require.True(t, ok, "%+v", opened.Layers)
	require.Equal(t, []string{"csirt@example.net"}, signature.Signers)
	require.Contains(t, string(opened.Mail), "kept-secret")
}
