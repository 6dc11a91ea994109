package dkim_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	msgauth "github.com/emersion/go-msgauth/dkim"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/dkim"
	"github.com/airtight-csirt/airtight/mail"
)

const letter = "From: Alice <alice@example.org>\r\nTo: team@example.net\r\nSubject: [example #7] yes\r\nDate: Fri, 01 May 2026 12:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\nPlease block it.\r\n-- \r\nAlice\r\n"

// zone is a DNS in memory.
type zone map[string][]string

func (z zone) lookup(_ context.Context, name string) ([]string, error) {
	if records, ok := z[name]; ok {
		return records, nil
	}
	return nil, fmt.Errorf("asking: %w", &net.DNSError{Err: "no such host", Name: name, IsNotFound: true})
}

func keys(t *testing.T) (z zone, rsaKey, edKey crypto.Signer) {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(r.Public())
	require.NoError(t, err)
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return zone{
		"r._domainkey.example.org": {"v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(public)},
		"e._domainkey.example.org": {"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edPublic)},
		"y._domainkey.example.com": {"v=DKIM1; k=ed25519; t=s : y; p=" + base64.StdEncoding.EncodeToString(edPublic)},
		"x._domainkey.example.org": {"v=DKIM1; p="},
		"2._domainkey.example.org": {"v=DKIM1; p=a", "v=DKIM1; p=b"},
	}, r, ed
}

func sign(t *testing.T, raw string, options msgauth.SignOptions) string {
	t.Helper()
	options.HeaderCanonicalization, options.BodyCanonicalization = msgauth.CanonicalizationRelaxed, msgauth.CanonicalizationRelaxed
	var b bytes.Buffer
	require.NoError(t, msgauth.Sign(&b, strings.NewReader(raw), &options))
	return b.String()
}

func TestVerify(t *testing.T) {
	z, rsaKey, edKey := keys(t)
	v, err := dkim.New(z.lookup, dkim.Config{})
	require.NoError(t, err)
	by := func(domain, selector string, key crypto.Signer) msgauth.SignOptions {
		return msgauth.SignOptions{Domain: domain, Selector: selector, Signer: key}
	}
	good := sign(t, letter, by("example.org", "r", rsaKey))
	old := by("example.org", "e", edKey)
	old.Expiration = time.Now().Add(-time.Hour)
	only := by("example.org", "e", edKey)
	only.HeaderKeys = []string{"From", "Date", "From"}
	for _, c := range []struct{ name, raw, want string }{
		{"rsa", good, "pass example.org"},
		{"ed25519", sign(t, letter, by("example.org", "e", edKey)), "pass example.org"},
		{"two", sign(t, good, by("example.org", "e", edKey)), "pass example.org, pass example.org"},
		{"unix lines", strings.ReplaceAll(good, "\r\n", "\n"), "pass example.org"},
		{"none", letter, ""},
		{"named in the body only", letter + "DKIM-Signature: v=1\r\n", ""},
		{"body changed", strings.Replace(good, "block it", "block all", 1), "fail example.org"},
		{"subject changed", strings.Replace(good, "#7", "#8", 1), "fail example.org"},
		{"text added", good + "PS: and 192.0.2.1\r\n", "fail example.org"},
		{"part of the body", strings.Replace(good, "v=1;", "v=1; l=10;", 1), "fail example.org"},
		{"expired", sign(t, letter, old), "permerror example.org"},
		{"no key", sign(t, letter, by("example.org", "nokey", edKey)), "permerror example.org"},
		{"revoked", sign(t, letter, by("example.org", "x", edKey)), "permerror example.org"},
		{"two keys", sign(t, letter, by("example.org", "2", edKey)), "permerror example.org"},
		{"wrong kind of key", sign(t, letter, by("example.org", "e", rsaKey)), "permerror example.org"},
		{"testing", sign(t, letter, by("example.com", "y", edKey)), "neutral example.com"},
		{"malformed", "DKIM-Signature: v=1; a=rubbish\r\n" + letter, "permerror "},
		{"no signature in it", "DKIM-Signature:\r\n" + letter, "permerror "},
		{"seven", strings.Repeat("DKIM-Signature: v=1\r\n", 7) + letter, "permerror , permerror , permerror , permerror , permerror , policy "},
	} {
		t.Run(c.name, func(t *testing.T) {
			results, err := v.Verify(context.Background(), []byte(c.raw))
			require.NoError(t, err)
			var got []string
			for _, r := range results {
				require.Equal(t, "dkim", r.Method)
				require.Equal(t, r.Result != "pass", r.Why != "", r.Why)
				got = append(got, r.Result+" "+r.Domain)
			}
			require.Equal(t, c.want, strings.Join(got, ", "), "%+v", results)
		})
	}

	results, err := v.Verify(context.Background(), []byte(sign(t, letter, only)))
	require.NoError(t, err)
	require.Equal(t, []string{"date", "from"}, results[0].Covers)
}

// TestStanding takes a verdict through to who wrote the mail.
func TestStanding(t *testing.T) {
	z, rsaKey, _ := keys(t)
	v, err := dkim.New(z.lookup, dkim.Config{})
	require.NoError(t, err)
	good := sign(t, letter, msgauth.SignOptions{Domain: "example.org", Selector: "r", Signer: rsaKey})
	standing := func(raw string) mail.Standing {
		m, err := mail.Parse([]byte(raw), mail.Limits{})
		require.NoError(t, err)
		results, err := v.Verify(context.Background(), []byte(raw))
		require.NoError(t, err)
		return mail.Author(mail.AuthorInput{Message: m, Contact: true, Results: results}).Standing
	}
	require.Equal(t, mail.Authenticated, standing(good))
	require.Equal(t, mail.Known, standing(strings.Replace(good, "block it", "block all", 1)))
	// A field on top of a good mail: the signature holds for the one below.
	require.Equal(t, mail.Known, standing("Subject: [example #8] no\r\n"+good))
	require.Equal(t, mail.Stranger, standing("From: mallory@example.org\r\n"+good))
}

func TestLookupFails(t *testing.T) {
	z, rsaKey, _ := keys(t)
	raw := []byte(sign(t, letter, msgauth.SignOptions{Domain: "example.org", Selector: "r", Signer: rsaKey}))
	broken := errors.New("no route to the resolver")
	v, err := dkim.New(func(context.Context, string) ([]string, error) { return nil, broken }, dkim.Config{})
	require.NoError(t, err)
	results, err := v.Verify(context.Background(), raw)
	require.NoError(t, err)
	require.Equal(t, "temperror", results[0].Result)
	require.Contains(t, results[0].Why, broken.Error())

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	v, err = dkim.New(func(ctx context.Context, name string) ([]string, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		return z.lookup(ctx, name)
	}, dkim.Config{})
	require.NoError(t, err)
	_, err = v.Verify(ctx, raw)
	require.ErrorIs(t, err, context.Canceled)

	_, err = dkim.New(nil, dkim.Config{})
	require.ErrorContains(t, err, "looks TXT records up")
	_, err = dkim.New(z.lookup, dkim.Config{MaxSignatures: -1})
	require.ErrorContains(t, err, "allowed are 0")
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(letter))
	f.Add([]byte("DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=r; h=from; bh=; b=\r\n" + letter))
	f.Add([]byte("DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/simple; d=example.org; s=e; h=from:from; bh=AA==; b=AA==; i=@example.org; x=9999999999\n\n"))
	v, err := dkim.New(zone{"r._domainkey.example.org": {"v=DKIM1; p=AA=="}}.lookup, dkim.Config{})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, raw []byte) {
		results, err := v.Verify(context.Background(), raw)
		for _, r := range results {
			if err == nil && r.Result == "pass" {
				t.Fatal("nobody has that key")
			}
		}
	})
}

func ExampleNew() {
	v, err := dkim.New(net.DefaultResolver.LookupTXT, dkim.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	results, err := v.Verify(context.Background(), []byte("From: alice@example.org\r\n\r\nnot signed\r\n"))
	fmt.Println(len(results), err)
	// Output: 0 <nil>
}
