package pgp

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
)

// gnupg is a GnuPG with a home of its own.
type gnupg struct {
	t    testing.TB
	home string
}

func newGnuPG(t testing.TB) *gnupg {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		if os.Getenv("AIRTIGHT_REQUIRE_GPG") != "" {
			t.Fatal("gpg is not on this machine (Debian: gnupg), and AIRTIGHT_REQUIRE_GPG is set")
		}
		t.Skip("gpg is not on this machine: nothing is compared with GnuPG")
	}
	home, err := os.MkdirTemp("", "gpg") // the path of a socket must be short
	require.NoError(t, err)
	// Few rounds for passphrases: what they protect here is worth nothing.
	require.NoError(t, os.WriteFile(filepath.Join(home, "gpg-agent.conf"), []byte("s2k-count 65536\n"), 0o600))
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	return &gnupg{t, home}
}

// run returns what gpg writes, its status lines, and whether it was content.
func (g *gnupg) run(input []byte, args ...string) (out []byte, status string, ok bool) {
	g.t.Helper()
	cmd := exec.Command("gpg", append([]string{"--homedir", g.home, "--batch", "--no-tty", "--yes", "--lock-never", "--trust-model", "always", "--pinentry-mode", "loopback", "--status-fd", "2"}, args...)...)
	cmd.Stdin = bytes.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	return stdout.Bytes(), stderr.String(), err == nil
}

func (g *gnupg) must(input []byte, args ...string) []byte {
	g.t.Helper()
	out, status, ok := g.run(input, args...)
	require.True(g.t, ok, "gpg %s: %s", strings.Join(args, " "), status)
	return out
}

// make generates a key. passphrase may be empty.
func (g *gnupg) make(address, kind, passphrase string) {
	g.t.Helper()
	types := map[string]string{
		"rsa":        "Key-Type: RSA\nKey-Length: 3072\nSubkey-Type: RSA\nSubkey-Length: 3072\n",
		"curve25519": "Key-Type: eddsa\nKey-Curve: Ed25519\nSubkey-Type: ecdh\nSubkey-Curve: Curve25519\n",
	}[kind]
	protection := "%no-protection\n"
	if passphrase != "" {
		protection = "Passphrase: " + passphrase + "\n"
	}
	g.must([]byte(types+protection+"Name-Real: Test "+kind+"\nName-Email: "+address+"\nExpire-Date: 0\n%commit\n"), "--gen-key")
}

func (g *gnupg) public(address string) []byte { return g.must(nil, "--armor", "--export", address) }

func (g *gnupg) secret(address, passphrase string) []byte {
	return g.must(nil, "--armor", "--passphrase", passphrase, "--export-secret-keys", address)
}

func (g *gnupg) file(content []byte) string {
	g.t.Helper()
	f, err := os.CreateTemp(g.home, "in")
	require.NoError(g.t, err)
	_, err = f.Write(content)
	require.NoError(g.t, err)
	require.NoError(g.t, f.Close())
	return f.Name()
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// texts are what gateways, armour and mail programs stumble over.
func texts() map[string]string {
	return map[string]string{
		"plain":           "Dear team,\n\nplease look at 192.0.2.7.\n",
		"signature line":  "Text.\n-- \nAlice\n",
		"trailing blanks": "one \ntwo\t\nthree  \t \n\nend\n",
		"dashes":          "- a list\n- - twice\n--\n-----BEGIN PGP MESSAGE-----\nnot one\n-----END PGP MESSAGE-----\n",
		"frame":           "-----BEGIN PGP SIGNED MESSAGE-----\n-----BEGIN PGP SIGNATURE-----\n",
		"from":            "From the start\n>From quoted\n.\n..\n",
		"umlauts":         "Grüße aus Köln – 日本語 \n-- \nJürgen\n",
		"long":            strings.Repeat("word ", 500) + "\n",
		"empty lines":     "\n\n\nx\n\n\n",
		"no line break":   "no break at the end",
	}
}

func letter(t testing.TB, text string) []byte {
	t.Helper()
	raw, err := mail.Compose(mail.Letter{
		From:      incident.Party{Name: "Team", Address: "team@example.org"},
		To:        []incident.Party{{Name: "Alice", Address: "alice@example.net"}},
		Subject:   "[example #7] Grüße",
		MessageID: "1@example.org",
		Date:      time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC),
		Text:      text,
	})
	require.NoError(t, err)
	return raw
}

// read is the text that a handler reads, without blanks at the end of lines if
// the form does not keep them.
func read(t testing.TB, raw []byte, trim bool) string {
	t.Helper()
	m, err := mail.Parse(raw, mail.Limits{})
	require.NoError(t, err)
	text := strings.Trim(m.Text, "\n")
	if trim {
		var lines []string
		for l := range strings.SplitSeq(text, "\n") {
			lines = append(lines, strings.TrimRight(l, " \t"))
		}
		text = strings.Join(lines, "\n")
	}
	return text
}

func open(t testing.TB, p *PGP, raw []byte) mail.Opened {
	t.Helper()
	opened, err := p.Open(context.Background(), raw)
	require.NoError(t, err)
	return opened
}

// TestGnuPG crosses both programs: what one makes the other opens.
func TestGnuPG(t *testing.T) {
	for _, kind := range []string{"rsa", "curve25519"} {
		t.Run(kind, func(t *testing.T) {
			g := newGnuPG(t)
			g.make("team@example.org", kind, "open sesame")
			g.make("alice@example.net", kind, "")
			ring := &Keyring{}
			infos, err := ring.AddTeam("team@example.org", g.secret("team@example.org", "open sesame"), []byte("open sesame"))
			require.NoError(t, err)
			require.Equal(t, mail.Usable, infos[0].State, infos[0].Why)
			_, err = ring.Add("alice@example.net", g.public("alice@example.net"))
			require.NoError(t, err)
			p, err := New(ring, Config{})
			require.NoError(t, err)
			n := 0
			all := texts()
			if kind == "rsa" { // slower, and of the same form
				maps.DeleteFunc(all, func(name, _ string) bool {
					return !slices.Contains([]string{"signature line", "trailing blanks", "dashes", "umlauts"}, name)
				})
			}
			for name, text := range all {
				t.Run("ours to gpg/"+name, func(t *testing.T) {
					for _, inline := range []bool{false, true} {
						for _, do := range []string{"sign", "encrypt", "both"} {
							oursToGnuPG(t, g, p, text, do, inline)
							n++
						}
					}
				})
				t.Run("gpg to ours/"+name, func(t *testing.T) { n += gnupgToOurs(t, g, p, text) })
			}
			fmt.Printf("%s: %d mails crossed between GnuPG and us, both ways\n", kind, n)
		})
	}
}

func oursToGnuPG(t *testing.T, g *gnupg, p *PGP, text, do string, inline bool) {
	request := mail.SealRequest{From: "team@example.org", To: []string{"alice@example.net"}, Inline: inline}
	if do != "encrypt" {
		request.Sign = mail.Always
	}
	if do != "sign" {
		request.Encrypt = mail.Always
	}
	raw := letter(t, text)
	sealed, err := p.Seal(context.Background(), raw, request)
	require.NoError(t, err)
	require.Equal(t, do != "encrypt", sealed.Signed)
	require.Equal(t, do != "sign", sealed.Encrypted)
	m, err := mail.Parse(sealed.Mail, mail.Limits{})
	require.NoError(t, err)
	require.Empty(t, m.Defects)
	require.Equal(t, "[example #7] Grüße", m.Subject)
	require.False(t, bytes.Contains(bytes.ReplaceAll(sealed.Mail, []byte("\r\n"), nil), []byte("\n")), "a bare line feed")
	for line := range bytes.SplitSeq(sealed.Mail, []byte("\r\n")) {
		require.True(t, ascii(line) && len(line) <= 998, "%q", line)
	}

	e := cut(sealed.Mail)
	var status string
	var ok bool
	switch {
	case !inline && do == "sign":
		parts := e.children(9)
		require.Len(t, parts, 2)
		require.Contains(t, e.params["micalg"], "pgp-sha")
		part := e.body[parts[0].start:parts[0].end]
		require.False(t, fragile(part))
		signature := cut(e.body[parts[1].start:parts[1].end]).content()
		_, status, ok = g.run(nil, "--verify", g.file(signature), g.file(part))
		require.Equal(t, read(t, raw, false), read(t, append([]byte("From: team@example.org\r\n"), part...), false))
	case !inline:
		parts := e.children(9)
		require.Len(t, parts, 2)
		var out []byte
		out, status, ok = g.run(cut(e.body[parts[1].start:parts[1].end]).content(), "--decrypt")
		require.Equal(t, read(t, raw, false), read(t, append([]byte("From: team@example.org\r\n"), out...), false))
	default:
		var out []byte
		out, status, ok = g.run(e.content(), "--decrypt")
		want, got := strings.TrimRight(string(cut(raw).content()), "\r\n"), strings.TrimRight(string(out), "\r\n")
		if do == "sign" {
			want, got = trimmed(want), trimmed(got)
		}
		require.Equal(t, want, got)
	}
	require.True(t, ok, status)
	require.Equal(t, do != "encrypt", strings.Contains(status, "GOODSIG"), status)
	require.Equal(t, do != "sign", strings.Contains(status, "DECRYPTION_OKAY"), status)

	// And what we made we can read: the team's key is not among the recipients
	// unless it is asked for.
	request.To = append(request.To, "team@example.org")
	sealed, err = p.Seal(context.Background(), raw, request)
	require.NoError(t, err)
	opened := open(t, p, sealed.Mail)
	require.NotEmpty(t, opened.Layers)
	if !strings.Contains(text, "BEGIN PGP") { // such a text is looked into as well
		require.Len(t, opened.Layers, 1)
	}
	require.True(t, opened.Layers[0].Whole)
	require.Equal(t, read(t, raw, false), read(t, opened.Mail, false))
	if do != "encrypt" {
		signature, ok := opened.Signed()
		require.True(t, ok, "%+v", opened.Layers)
		require.Equal(t, []string{"team@example.org"}, signature.Signers)
	}
}

func trimmed(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " \t\r")
	}
	return strings.Join(lines, "\n")
}

func gnupgToOurs(t *testing.T, g *gnupg, p *PGP, text string) (n int) {
	const header = "From: Alice <alice@example.net>\r\nTo: team@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
	part := []byte("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + crlf(text))
	as := []string{"-u", "alice@example.net", "-r", "team@example.org", "--armor"}
	mime := func(kind, protocol string, first, second []byte) []byte {
		return fmt.Appendf(nil, "%sContent-Type: multipart/%s; protocol=\"%s\"; boundary=b0\r\n\r\n--b0\r\n%s\r\n--b0\r\n%s\r\n--b0--\r\n", header, kind, protocol, first, second)
	}
	encrypted := func(armoured []byte) []byte {
		return mime("encrypted", "application/pgp-encrypted", []byte("Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n"),
			append([]byte("Content-Type: application/octet-stream\r\n\r\n"), armoured...))
	}
	inline := func(armoured []byte) []byte {
		return append([]byte(header+"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"), armoured...)
	}
	with := func(args ...string) []string { return append(append([]string{}, as...), args...) }
	signedPart := mime("signed", "application/pgp-signature", part, append([]byte("Content-Type: application/pgp-signature\r\n\r\n"), g.must(part, with("--detach-sign")...)...))
	inner := signedPart[bytes.Index(signedPart, []byte("Content-Type: multipart/signed")):]
	for _, c := range []struct {
		name              string
		raw               []byte
		signed, encrypted bool
		layers            int
		trim              bool
	}{
		{"mime signed", signedPart, true, false, 1, false},
		{"mime signed, text mode", mime("signed", "application/pgp-signature", part, append([]byte("Content-Type: application/pgp-signature\r\n\r\n"), g.must(part, with("--textmode", "--detach-sign")...)...)), true, false, 1, false},
		{"mime signed, unix lines", bytes.ReplaceAll(signedPart, []byte("\r\n"), []byte("\n")), true, false, 1, false},
		{"mime encrypted", encrypted(g.must(part, with("--encrypt")...)), false, true, 1, false},
		{"mime both", encrypted(g.must(part, with("--sign", "--encrypt")...)), true, true, 1, false},
		{"mime both, nested", encrypted(g.must(inner, with("--encrypt")...)), true, true, 2, false},
		{"mime opaque signed", encrypted(g.must(part, with("--sign")...)), true, false, 1, false},
		{"mime both, hidden recipient", encrypted(g.must(part, "-u", "alice@example.net", "-R", "team@example.org", "--armor", "--sign", "--encrypt")), true, true, 1, false},
		{"inline signed", inline(g.must([]byte(text), with("--clearsign")...)), true, false, 1, true},
		{"inline encrypted", inline(g.must([]byte(text), with("--encrypt")...)), false, true, 1, false},
		{"inline both", inline(g.must([]byte(text), with("--sign", "--encrypt")...)), true, true, 1, false},
		{"inline both, text mode", inline(g.must([]byte(text), with("--textmode", "--sign", "--encrypt")...)), true, true, 1, false},
		{"inline opaque signed", inline(g.must([]byte(text), with("--sign")...)), true, false, 1, false},
	} {
		opened := open(t, p, c.raw)
		require.GreaterOrEqual(t, len(opened.Layers), c.layers, c.name)
		if !strings.Contains(text, "BEGIN PGP") {
			require.Len(t, opened.Layers, c.layers, c.name)
		}
		require.Equal(t, strings.Trim(map[bool]string{true: trimmed(text), false: text}[c.trim], "\n"), read(t, opened.Mail, c.trim), c.name)
		signature, ok := opened.Signed()
		require.Equal(t, c.signed, ok, "%s: %+v", c.name, opened.Layers)
		if ok {
			require.Equal(t, []string{"alice@example.net"}, signature.Signers, c.name)
			require.WithinDuration(t, time.Now(), signature.Made, time.Hour)
		}
		require.Equal(t, c.encrypted, opened.Layers[0].Encrypted, c.name)
		if c.encrypted {
			require.Equal(t, incident.Decrypted, opened.Layers[0].Decryption, c.name)
			require.Len(t, opened.Layers[0].Recipients, 1)
		}
		m, err := mail.Parse(opened.Mail, mail.Limits{})
		require.NoError(t, err)
		require.Equal(t, "alice@example.net", m.From[0].Address)
		require.Len(t, m.Parts, 1, c.name)
		n++
	}
	return n
}

// TestGnuPGKeys reads keys in the states that GnuPG makes.
func TestGnuPGKeys(t *testing.T) {
	g := newGnuPG(t)
	g.make("team@example.org", "curve25519", "")
	ring := &Keyring{}

	// A main key that is kept offline: only its subkeys are here.
	fingerprint := ""
	for line := range strings.SplitSeq(string(g.must(nil, "--with-colons", "--list-keys", "team@example.org")), "\n") {
		if f := strings.Split(line, ":"); f[0] == "fpr" && fingerprint == "" {
			fingerprint = f[9]
		}
	}
	g.must(nil, "--passphrase", "", "--quick-add-key", fingerprint, "ed25519", "sign", "1y")
	infos, err := ring.AddTeam("team@example.org", g.must(nil, "--export-secret-subkeys", "team@example.org"), nil)
	require.NoError(t, err)
	require.Equal(t, mail.Usable, infos[0].State, infos[0].Why)
	p, err := New(ring, Config{})
	require.NoError(t, err)
	for _, inline := range []bool{false, true} {
		for _, encrypt := range []mail.Protection{mail.Never, mail.Always} {
			sealed, err := p.Seal(context.Background(), letter(t, "Offline."), mail.SealRequest{Sign: mail.Always, Encrypt: encrypt, From: "team@example.org", To: []string{"team@example.org"}, Inline: inline})
			require.NoError(t, err)
			_, ok := open(t, p, sealed.Mail).Signed()
			require.True(t, ok)
		}
	}

	// A hash that proves nothing, and a signature that expires.
	for _, c := range []struct {
		args []string
		want incident.SignatureState
	}{
		{nil, incident.SignatureGood},
		{[]string{"--digest-algo", "SHA1"}, incident.SignatureWeak},
		{[]string{"--default-sig-expire", "1d"}, incident.SignatureGood},
		{[]string{"--faked-system-time", "20260501T120000", "--ignore-time-conflict", "--ignore-valid-from", "--default-sig-expire", "1d"}, incident.SignatureExpired},
	} {
		signed := g.must([]byte("text\n"), append(c.args, "-u", "team@example.org", "--clearsign")...)
		opened := open(t, p, append([]byte("From: team@example.org\r\n\r\n"), signed...))
		require.Equal(t, c.want, opened.Layers[0].Signatures[0].State, "%v: %+v", c.args, opened.Layers)
		require.Equal(t, c.want == incident.SignatureGood, opened.Layers[0].Signatures[0].Why == "")
	}

	// Revoked by its owner.
	g.make("mallory@example.net", "curve25519", "")
	signed := g.must([]byte("text\n"), "-u", "mallory@example.net", "--clearsign")
	files, err := filepath.Glob(filepath.Join(g.home, "openpgp-revocs.d", "*.rev"))
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		if !strings.Contains(string(content), "mallory@example.net") {
			continue
		}
		g.must(bytes.ReplaceAll(content, []byte(":-----BEGIN"), []byte("-----BEGIN")), "--import")
	}
	infos, err = ring.Add("mallory@example.net", g.public("mallory@example.net"))
	require.NoError(t, err)
	require.Equal(t, mail.Revoked, infos[0].State)
	opened := open(t, p, append([]byte("From: mallory@example.net\r\n\r\n"), signed...))
	require.Equal(t, incident.SignatureKeyRevoked, opened.Layers[0].Signatures[0].State)
	_, err = p.Seal(context.Background(), letter(t, "x"), mail.SealRequest{Encrypt: mail.Always, To: []string{"mallory@example.net"}})
	var refused *mail.SealError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, mail.Revoked, refused.Problems[0].State)
}
