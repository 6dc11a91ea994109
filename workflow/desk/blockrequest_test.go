package desk_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/gopenpgp/v2/crypto"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/exportdir"
	"github.com/airtight-csirt/airtight/adapters/pgp"
	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/mail"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
	"github.com/airtight-csirt/airtight/workflow/desk"
)

// gnupg returns a function that runs GnuPG in a home of its own; nil if it is not on
// this machine.
func gnupg(t *testing.T) func(input []byte, args ...string) (stdout []byte, status string) {
	t.Helper()
	if _, err := exec.LookPath("gpg"); err != nil {
		if os.Getenv("AIRTIGHT_REQUIRE_GPG") != "" {
			t.Fatal("gpg is not on this machine (Debian: gnupg), and AIRTIGHT_REQUIRE_GPG is set")
		}
		t.Log("gpg is not on this machine: keys and verification are those of adapters/pgp alone")
		return nil
	}
	home, err := os.MkdirTemp("", "gpg") // the path of a socket must be short
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		_ = os.RemoveAll(home)
	})
	return func(input []byte, args ...string) ([]byte, string) {
		t.Helper()
		cmd := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--no-tty", "--yes", "--lock-never", "--trust-model", "always",
			"--pinentry-mode", "loopback", "--passphrase", "", "--status-fd", "2"}, args...)...)
		cmd.Stdin = bytes.NewReader(input)
		var out, status bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &status
		require.NoError(t, cmd.Run(), "gpg %s: %s", strings.Join(args, " "), &status)
		return out.Bytes(), status.String()
	}
}

// teamKey is the secret key of the desk, made by GnuPG where it is present.
func teamKey(t *testing.T, gpg func([]byte, ...string) ([]byte, string), address string) []byte {
	t.Helper()
	if gpg == nil {
		key, err := crypto.GenerateKey("A CSIRT", address, "x25519", 0)
		require.NoError(t, err)
		text, err := key.Armor()
		require.NoError(t, err)
		return []byte(text)
	}
	gpg([]byte("Key-Type: eddsa\nKey-Curve: Ed25519\n%no-protection\nName-Real: A CSIRT\nName-Email: "+address+"\nExpire-Date: 0\n%commit\n"), "--gen-key")
	secret, _ := gpg(nil, "--armor", "--export-secret-keys", address)
	return secret
}

// AIRT's story (paper 4, figure 5): the handler sets the state to blockrequest; the
// user's contact gets a signed mail, and the router a new configuration.
func TestBlockrequest(t *testing.T) {
	gpg := gnupg(t)
	ring := &pgp.Keyring{}
	_, err := ring.AddTeam("csirt@example.net", teamKey(t, gpg, "csirt@example.net"), nil)
	require.NoError(t, err)
	sealer, err := pgp.New(ring, pgp.Config{})
	require.NoError(t, err)
	dir := t.TempDir()
	exports, err := exportdir.New(dir)
	require.NoError(t, err)
	policy, err := workflow.ParsePolicy(os.DirFS("../testdata/scripts"), "airt-with-reactions.yaml")
	require.NoError(t, err)
	policy.Reactions[0].Mail.Sign = workflow.ProtectAlways

	w := newWorldOn(t, sqliteFile(t), func(c *desk.Config) {
		c.Policy, c.Sealer, c.Exports = policy, sealer, exports.Put
		c.Now = time.Now // keys are not older than this
		c.Templates = []mail.Template{
			{Name: "block", Text: "@SUBJECT@@IPADDRESS@ is cut off@ENDSUBJECT@\nDear @USERNAME@,\n\nwe have taken @IPADDRESS@ from the network (@INCIDENTID@).\nThis is what was reported:\n\n@LOGGING|defang|quote@\n\n@INCLUDE=signature@\n"},
			{Name: "signature", Text: "-- \n@YOURNAME@"},
		}
	})
	receipt := w.receive("bob@example.org", "192.0.2.7 scans us", "")
	carol := incident.Party{Name: "Carol Example", Address: "carol@example.org"}
	inc := w.do(
		workflow.Take{Ticket: receipt.Ticket},
		workflow.Open{Kind: incident.KindIncident, Subject: "Scans", Contacts: []incident.Party{carol}, Observables: sourceOf("192.0.2.7"), Text: "The user is known for this."},
		workflow.Link{Ticket: receipt.Ticket, Parent: incident.Nth(1)},
	).Opened[0]
	w.setState(inc, "blockrequest")
	rows := w.outgoing()
	require.Len(t, rows, 2, "both reactions wait, written with the record that woke them")

	var delivered []byte
	courier := &desk.Courier{Desk: w.desk, Sender: mail.SenderFunc(func(_ context.Context, env mail.Envelope, raw []byte) error {
		require.Equal(t, mail.Envelope{From: "csirt@example.net", To: []string{"carol@example.org"}}, env)
		delivered = bytes.Clone(raw)
		return nil
	})}
	w.flush(courier, 2)
	w.flush(courier, 1)
	require.Equal(t, []string{"tell-contacts v3 #1 done", "null-routes v3 #1 done"}, w.reacted(inc))

	config, err := os.ReadFile(filepath.Join(dir, "nullroutes.conf"))
	require.NoError(t, err)
	require.Equal(t, "! Null routes made by Airtight: 1\nip route 192.0.2.7 255.255.255.255 Null0 name airtight\n", string(config))

	ev, record := w.last(inc, "message")
	message := ev.(incident.Message)
	require.Len(t, message.Content.Sealed, 1)
	require.True(t, message.Content.Sealed[0].Signed)
	require.Equal(t, incident.DigestOf(delivered), message.Content.Sealed[0].Blob, "what was signed goes out, and is kept")
	require.Equal(t, []incident.Party{carol}, message.Content.To)
	require.Equal(t, incident.System, record.By)
	require.Equal(t, incident.Cause{Rule: "tell-contacts", Ticket: inc, Version: 3}, record.Cause)
	kept, err := w.alice.Body(ctx, inc, record.Version)
	require.NoError(t, err)
	plain, err := mail.Parse(kept, mail.Limits{})
	require.NoError(t, err)

	opened, err := sealer.Open(ctx, delivered)
	require.NoError(t, err)
	signature, ok := opened.Signed()
	require.True(t, ok)
	require.Equal(t, incident.SignatureGood, signature.State)
	require.Equal(t, []string{"csirt@example.net"}, signature.Signers)
	m, err := mail.Parse(opened.Mail, mail.Limits{})
	require.NoError(t, err)
	require.Equal(t, "[A CSIRT #2] 192.0.2.7 is cut off", m.Subject)
	require.Equal(t, strings.TrimSpace(plain.Text), strings.TrimSpace(m.Text), "the team reads what was signed")
	require.Contains(t, m.Text, "Dear Carol Example,\n\nwe have taken 192.0.2.7 from the network (A CSIRT #2).\n")
	require.Contains(t, m.Text, "> Scan from 192[.]0[.]2[.]7 at ")
	require.Contains(t, m.Text, "A CSIRT\n")
	for _, secret := range []string{"blockrequest", "known for this"} {
		require.NotContains(t, string(delivered), secret)
	}
	if gpg != nil {
		part, armor := signedParts(t, delivered)
		home := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(home, "text"), part, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(home, "text.asc"), armor, 0o600))
		_, status := gpg(nil, "--verify", filepath.Join(home, "text.asc"), filepath.Join(home, "text"))
		require.Contains(t, status, "[GNUPG:] GOODSIG")
		require.Contains(t, status, "csirt@example.net")
	}

	// Without its key nothing goes out, and the record says why.
	other, err := pgp.New(&pgp.Keyring{}, pgp.Config{})
	require.NoError(t, err)
	policy.Reactions[0].Attempts = 1
	w2 := newWorldOn(t, w.store, func(c *desk.Config) {
		c.Policy, c.Sealer, c.Exports, c.Now = policy, other, exports.Put, time.Now
		c.Templates = []mail.Template{{Name: "block", Text: "You are cut off."}}
	})
	w2.setState(inc, "blocked")
	w2.setState(inc, "blockrequest")
	delivered = nil
	courier.Desk = w2.desk
	w2.flush(courier, 0)
	lines := w2.reacted(inc)
	require.Equal(t, "tell-contacts v8 #1 given-up: the mail could not be signed or encrypted as it must be", lines[len(lines)-1])
	require.Contains(t, w2.output(inc), "csirt@example.net: missing")
	require.Nil(t, delivered)
	require.Equal(t, incident.State("blockrequest"), w2.ticket(inc).State, "the ticket is as its handler wants it")
	for _, o := range w2.outgoing() {
		require.Contains(t, []storage.OutStatus{storage.Sent, storage.Failed}, o.Status)
	}
}

// signedParts takes multipart/signed apart (RFC 3156 5).
func signedParts(t *testing.T, raw []byte) (part, armor []byte) {
	t.Helper()
	_, after, ok := strings.Cut(string(raw), "boundary=\"")
	require.True(t, ok, "it is signed")
	boundary, _, _ := strings.Cut(after, "\"")
	pieces := strings.Split(string(raw), "\r\n--"+boundary)
	require.Len(t, pieces, 4)
	_, signature, ok := strings.Cut(pieces[2], "\r\n\r\n")
	require.True(t, ok)
	return []byte(strings.TrimPrefix(pieces[1], "\r\n")), []byte(signature)
}
