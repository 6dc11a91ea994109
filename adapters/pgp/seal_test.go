package pgp

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/mail"
)

func TestPolicy(t *testing.T) {
	d := newDesk(t, Config{})
	raw := letter(t, "Hello.\n")
	for _, c := range []struct {
		name              string
		request           mail.SealRequest
		signed, encrypted bool
		problems          int
		refused           string
	}{
		{"never", mail.SealRequest{From: "team@example.org", To: []string{"alice@example.net"}}, false, false, 0, ""},
		{"sign", mail.SealRequest{Sign: mail.Always, From: "team@example.org"}, true, false, 0, ""},
		{"sign without a key", mail.SealRequest{Sign: mail.Always, From: "nobody@example.org"}, false, false, 0, "cannot sign, and it is demanded: nobody@example.org: missing"},
		{"sign with a contact's key", mail.SealRequest{Sign: mail.Always, From: "alice@example.net"}, false, false, 0, "cannot sign, and it is demanded: alice@example.net: missing"},
		{"sign when possible", mail.SealRequest{Sign: mail.WhenPossible, From: "nobody@example.org"}, false, false, 1, ""},
		{"encrypt", mail.SealRequest{Encrypt: mail.Always, To: []string{"alice@example.net"}}, false, true, 0, ""},
		{"encrypt to one without a key", mail.SealRequest{Encrypt: mail.Always, To: []string{"alice@example.net", "bob@example.net"}}, false, false, 0, "cannot encrypt, and it is demanded: bob@example.net: missing"},
		{"encrypt when possible", mail.SealRequest{Sign: mail.Always, Encrypt: mail.WhenPossible, From: "team@example.org", To: []string{"alice@example.net", "bob@example.net"}}, true, false, 1, ""},
		{"encrypt to nobody when possible", mail.SealRequest{Encrypt: mail.WhenPossible}, false, false, 0, ""},
		{"no such protection", mail.SealRequest{Encrypt: 7, To: []string{"bob@example.net"}}, false, false, 0, "cannot encrypt"},
		{"both when possible", mail.SealRequest{Sign: mail.WhenPossible, Encrypt: mail.WhenPossible, From: "Team@Example.org", To: []string{"ALICE@example.net"}}, true, true, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, inline := range []bool{false, true} {
				c.request.Inline = inline
				sealed, err := d.Seal(context.Background(), raw, c.request)
				if c.refused != "" {
					require.ErrorContains(t, err, c.refused)
					require.Empty(t, sealed.Mail)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, c.signed, sealed.Signed)
				require.Equal(t, c.encrypted, sealed.Encrypted)
				require.Len(t, sealed.Problems, c.problems)
				require.Equal(t, !c.encrypted, strings.Contains(string(sealed.Mail), "Hello."))
				require.Equal(t, c.signed || c.encrypted, bytes.Contains(sealed.Mail, []byte("BEGIN PGP")))
			}
		})
	}
}

// TestSealKeeps seals mails of other shapes: the header stays, the parts come
// back as they were.
func TestSealKeeps(t *testing.T) {
	d := newDesk(t, Config{})
	_, err := d.ring.AddTeam("alice@example.net", secret(t, d.alice), nil)
	require.NoError(t, err)
	const head = "From: alice@example.net\r\nTo: team@example.org\r\nSubject: x\r\nX-Folded: a\r\n b\r\nMIME-Version: 1.0\r\n"
	for name, content := range map[string]string{
		"eight bits":    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße \r\nFrom here\r\n",
		"no type":       "\r\nplain text \r\n",
		"quoted":        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\nFrom here\r\n",
		"binary":        "Content-Type: application/x-log\r\nContent-Transfer-Encoding: binary\r\n\r\n\x00\x01\r\xff\x80 \r\n",
		"several parts": strings.TrimSuffix(multipart("mixed", "out", "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße \r\n-- \r\n", "Content-Type: application/x-log; name=a.log\r\n\r\nlog \xff\r\n"), "\r\n") + "\r\n",
		"an attachment": multipart("mixed", "out", "\r\ntext", "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\ntrailing \r\n"),
		"long line":     "\r\n" + strings.Repeat("x", 2000) + "\r\n",
	} {
		raw := []byte(head + content)
		want, err := mail.Parse(raw, mail.Limits{})
		require.NoError(t, err)
		for _, encrypt := range []mail.Protection{mail.Never, mail.Always} {
			sealed, err := d.Seal(context.Background(), raw, mail.SealRequest{Sign: mail.Always, Encrypt: encrypt, From: "alice@example.net", To: []string{"team@example.org"}})
			require.NoError(t, err, name)
			require.Equal(t, encrypt == mail.Never, ascii(sealed.Mail) && bytes.Contains(sealed.Mail, []byte("multipart/signed")), name)
			for line := range strings.SplitSeq(string(sealed.Mail), "\r\n") {
				require.LessOrEqual(t, len(line), 998, name)
				require.False(t, strings.HasPrefix(line, "From "), name)
				require.False(t, strings.HasSuffix(line, " ") && name != "an attachment", name)
			}
			opened := open(t, d.PGP, sealed.Mail)
			_, ok := opened.Signed()
			require.True(t, ok, "%s: %+v", name, opened.Layers)
			got, err := mail.Parse(opened.Mail, mail.Limits{})
			require.NoError(t, err)
			require.Equal(t, want.Text, got.Text, name)
			require.Len(t, got.Parts, len(want.Parts), name)
			for i, p := range want.Parts {
				require.Equal(t, strings.TrimRight(string(p.Content), "\r\n"), strings.TrimRight(string(got.Parts[i].Content), "\r\n"), name)
				require.Equal(t, p.Type, got.Parts[i].Type, name)
				require.Equal(t, p.Name, got.Parts[i].Name, name)
			}
			require.Equal(t, "a b", got.Get("X-Folded"))
			require.Len(t, got.Values("MIME-Version"), 1)
		}
	}

	var refused *mail.SealError
	_, err = d.Seal(context.Background(), []byte(head+multipart("mixed", "out", "Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nGrüße\r\n")), mail.SealRequest{Sign: mail.Always, From: "alice@example.net"})
	require.ErrorAs(t, err, &refused)
	require.ErrorContains(t, err, "eight bits")
	for _, content := range []string{"Content-Type: text/html\r\n\r\n<p>", "Content-Type: text/plain; charset=iso-8859-1\r\n\r\nx", multipart("mixed", "out", "\r\nx")} {
		_, err = d.Seal(context.Background(), []byte(head+content), mail.SealRequest{Sign: mail.Always, Inline: true, From: "alice@example.net"})
		require.ErrorAs(t, err, &refused)
		require.ErrorContains(t, err, "plain text in UTF-8")
	}
}
