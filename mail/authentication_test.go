package mail

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func parseText(t testing.TB, raw string) *Message {
	t.Helper()
	m, err := Parse([]byte(raw), Limits{})
	require.NoError(t, err)
	return m
}

func TestResults(t *testing.T) {
	const (
		hop   = "Received: from a by mx.example.net; Fri, 01 May 2026 12:00:00 +0000\r\n"
		pass  = "Authentication-Results: mx.example.net; dkim=pass header.d=example.org\r\n"
		fail  = "Authentication-Results: mx.example.net; dkim=fail header.d=example.org\r\n"
		other = "Authentication-Results: mx.example.com; dkim=pass header.d=example.org\r\n"
	)
	own := OwnServer{ID: "MX.example.net"}
	for _, c := range []struct {
		name   string
		own    OwnServer
		header string
		want   string
		forged int
	}{
		{"one", own, hop + pass, "dkim=pass example.org", 0},
		{"above our Received", own, pass + hop, "dkim=pass example.org", 0},
		{"none", own, hop, "", 0},
		{"no server is believed", OwnServer{}, pass, "", 0},
		{"of another server", own, hop + other, "", 0},
		{"one forged below ours", own, hop + fail + pass, "dkim=fail example.org", 1},
		{"one forged below another hop", own, hop + hop + pass, "", 1},
		{"two hops of ours", OwnServer{ID: "mx.example.net", Hops: 2}, hop + hop + pass, "dkim=pass example.org", 0},
		{"two fields of ours", OwnServer{ID: "mx.example.net", Fields: 2}, hop + fail + pass + pass, "dkim=fail example.org, dkim=pass example.org", 1},
		{"ours cannot be read, and the forged one gains nothing", own, hop + "Authentication-Results: mx.example.net; dkim\r\n" + pass, "", 1},
		{"a name that begins like ours", own, hop + "Authentication-Results: mx.example.net.example.com; dkim=pass header.d=example.org\r\n", "", 0},
		{"in the body", own, hop + "\r\n" + pass, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			results, forged := c.own.Results(parseText(t, c.header+"From: a@example.org\r\n\r\n"+"x"))
			var got []string
			for _, r := range results {
				got = append(got, r.Method+"="+r.Result+" "+r.Domain)
			}
			require.Equal(t, c.want, strings.Join(got, ", "))
			require.Len(t, forged, c.forged)
		})
	}
}

func TestReadResults(t *testing.T) {
	for value, want := range map[string]string{ // the examples are those of RFC 8601 appendix B
		"example.org 1; none":                             "[] true",
		"example.com; spf=pass smtp.mailfrom=example.net": "[spf=pass example.net] true",
		"example.com; auth=pass (cram-md5) smtp.auth=sender@example.net;\r\n spf=pass smtp.mailfrom=example.net": "[auth=pass  spf=pass example.net] true",
		"example.com; sender-id=fail header.from=example.com; dkim=pass (good signature) header.d=example.com":   "[sender-id=fail  dkim=pass example.com] true",
		`example.com; dkim=pass reason="good; (really)" header.i=@mail-router.Example.NET.`:                      "[dkim=pass mail-router.example.net] true",
		"foo.example.net (foobar) 1 (baz); dkim (Because I like it) / 1 = (One yay) fail":                        "[] false", // blanks within names: not read
		"example.com; dkim/1=pass header.d=example.org header.b=ab==":                                            "[dkim=pass example.org] true",
		"example.com; dmarc=pass (p=none; dis=none) header.from=example.org":                                     "[dmarc=pass example.org] true",
		"example.com; dkim=pass header.d=example.org (comment":                                                   "[dkim=pass example.org] false",
		`example.com; dkim=pass header.d="example.org`:                                                           "[dkim=pass] false",
		"example.com; dkim=pass header.d=example.org header.d=example.net":                                       "[] false",
		"example.com; dkim=pass; ; dkim=fail;":                                                                   "[dkim=pass  dkim=fail ] true",
		"example.com; =pass":                                                                                     "[] false",
		";dkim=pass":                                                                                             "[] false",
		"":                                                                                                       "[] false",
		"example.com;" + strings.Repeat("dkim=pass;", 60):                                                        "[] false",
		"example.com;" + strings.Repeat("x", longestResults):                                                     "[] false",
	} {
		_, list, ok := readResults(value)
		var got []string
		for _, r := range list {
			got = append(got, r.Method+"="+r.Result+" "+r.Domain)
		}
		if strings.HasPrefix(want, "[dkim=pass] false") {
			require.False(t, ok, value)
			continue
		}
		require.Equal(t, want, fmt.Sprint(got, " ", ok), value)
	}
}

func TestAuthor(t *testing.T) {
	const from = "From: Alice <alice@example.org>\r\nSubject: x\r\n\r\n"
	dkim := func(result, domain string, covers ...string) MethodResult {
		return MethodResult{Method: "dkim", Result: result, Domain: domain, Covers: covers}
	}
	layer := func(whole bool, s incident.Signature) Opened {
		return Opened{Layers: []incident.Layer{{Where: "part 1", Whole: whole, Signatures: []incident.Signature{s}}}}
	}
	good := incident.Signature{State: incident.SignatureGood, KeyID: "K", Fingerprint: "F", Signers: []string{"alice@example.org"}, Sender: true}
	of := func(state incident.SignatureState) incident.Signature { s := good; s.State = state; return s }
	made := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	good.Made, good.Signed = made, "S"
	notSender := good
	notSender.Sender = false
	later := good
	later.Fingerprint, later.Signed = "G", "T"
	for _, c := range []struct {
		name string
		raw  string
		in   AuthorInput
		want Standing
		why  string
	}{
		{"nobody known", from, AuthorInput{}, Stranger, "nobody that is known"},
		{"known", from, AuthorInput{Contact: true}, Known, "nothing confirms"},
		{"dmarc", from, AuthorInput{Contact: true, Results: []MethodResult{{Method: "dmarc", Result: "pass", Domain: "example.org"}}}, Authenticated, "DMARC passed for example.org"},
		{"dmarc of another domain", from, AuthorInput{Contact: true, Results: []MethodResult{{Method: "dmarc", Result: "pass", Domain: "example.com"}}}, Known, "not the author's"},
		{"dmarc fails", from, AuthorInput{Contact: true, Results: []MethodResult{{Method: "dmarc", Result: "fail", Domain: "example.org"}}}, Known, "nothing confirms"},
		{"spf alone", from, AuthorInput{Contact: true, Results: []MethodResult{{Method: "spf", Result: "pass", Domain: "example.org"}}}, Known, "nothing confirms"},
		{"dkim", from, AuthorInput{Contact: true, Results: []MethodResult{dkim("pass", "example.org", "from", "subject")}}, Authenticated, "DKIM passed"},
		{"dkim, covers not known", from, AuthorInput{Contact: true, Results: []MethodResult{dkim("pass", "example.org")}}, Authenticated, "DKIM passed"},
		{"dkim without subject", from, AuthorInput{Contact: true, Results: []MethodResult{dkim("pass", "example.org", "from")}}, Known, "without covering"},
		{"dkim, second subject", "Subject: y\r\n" + from, AuthorInput{Contact: true, Results: []MethodResult{dkim("pass", "example.org", "from", "subject")}}, Known, "several subjects"},
		{"dkim of the domain above", "From: a@mail.example.org\r\n\r\n", AuthorInput{Contact: true, Results: []MethodResult{dkim("pass", "example.org")}}, Authenticated, "DKIM passed"},
		{"dkim of a domain below", from, AuthorInput{Contact: true, Results: []MethodResult{dkim("pass", "evil.example.org")}}, Known, "not the author's"},
		{"dkim of a longer name", from, AuthorInput{Contact: true, Results: []MethodResult{dkim("pass", "ple.org")}}, Known, "not the author's"},
		{"dkim of nothing", from, AuthorInput{Contact: true, Results: []MethodResult{dkim("pass", "")}}, Known, "nothing confirms"},
		{"dkim fails", from, AuthorInput{Contact: true, Results: []MethodResult{dkim("fail", "example.org")}}, Known, "nothing confirms"},
		{"a stranger's domain", from, AuthorInput{Results: []MethodResult{dkim("pass", "example.org")}}, Stranger, "nobody that is known"},
		{"signed", from, AuthorInput{Opened: layer(true, good)}, Signed, "signed it with key F"},
		{"signed without the subject", from, AuthorInput{Opened: layer(true, good)}, Signed, "does not cover the subject"},
		{"signed in part", from, AuthorInput{Contact: true, Opened: layer(false, good)}, Known, "signed only part 1"},
		{"signed by another", from, AuthorInput{Contact: true, Opened: layer(true, notSender)}, Known, "not the sender"},
		{"bad", from, AuthorInput{Contact: true, Opened: layer(true, of(incident.SignatureBad))}, Known, "is bad"},
		{"key expired", from, AuthorInput{Contact: true, Opened: layer(true, of(incident.SignatureKeyExpired))}, Known, "key-expired"},
		{"key revoked", from, AuthorInput{Contact: true, Opened: layer(true, of(incident.SignatureKeyRevoked))}, Known, "key-revoked"},
		{"weak", from, AuthorInput{Contact: true, Opened: layer(true, of(incident.SignatureWeak))}, Known, "weak"},
		{"signed for another mail", from, AuthorInput{Contact: true, Opened: layer(true, good), Used: []string{"R", "S"}}, Known, "taken from there"},
		{"signed before the ticket", from, AuthorInput{Contact: true, Opened: layer(true, good), Since: made.Add(time.Hour + time.Second)}, Known, "before there was the ticket"},
		{"signed by a clock that is late", from, AuthorInput{Contact: true, Opened: layer(true, good), Since: made.Add(time.Hour)}, Signed, "signed it with key F"},
		{"one of two signatures counts", from, AuthorInput{Opened: Opened{Layers: append(layer(true, good).Layers, layer(true, later).Layers...)}, Used: []string{"S"}}, Signed, "signed it with key G"},
		{"two authors", "From: alice@example.org, bob@example.org\r\n\r\n", AuthorInput{Contact: true, Opened: layer(true, good)}, Stranger, "2 addresses"},
		{"two fields", "From: bob@example.org\r\n" + from, AuthorInput{Contact: true, Opened: layer(true, good)}, Stranger, "2 From fields"},
		{"no author", "Subject: x\r\n\r\n", AuthorInput{Contact: true, Opened: layer(true, good)}, Stranger, "0 From fields"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.in.Message = parseText(t, c.raw)
			a := Author(c.in)
			require.Equal(t, c.want, a.Standing, a.Why)
			require.Contains(t, strings.Join(a.Why, " "), c.why)
			require.False(t, a.Forged)
		})
	}
	a := Author(AuthorInput{Message: parseText(t, from), Forged: []string{"Forged."}, Results: []MethodResult{dkim("pass", "example.org")}})
	require.True(t, a.Forged)
	require.True(t, a.Domain)
	require.Equal(t, "alice@example.org", a.Address)
	require.Equal(t, "Forged.", a.Why[0])
}

func TestStandingText(t *testing.T) {
	for _, s := range []Standing{Stranger, Known, Authenticated, Signed} {
		raw, err := json.Marshal(Authorship{Standing: s})
		require.NoError(t, err)
		var back Authorship
		require.NoError(t, json.Unmarshal(raw, &back))
		require.Equal(t, s, back.Standing)
	}
	require.True(t, Stranger < Known && Known < Authenticated && Authenticated < Signed)
	var s Standing
	require.ErrorContains(t, s.UnmarshalText([]byte("friend")), "allowed are stranger")
	require.Equal(t, "Standing(9)", Standing(9).String())
}

func FuzzResults(f *testing.F) {
	f.Add("mx.example.net; dkim=pass (a (b\\) c)) reason=\"x\\\"y\" header.d=example.org; spf=fail")
	f.Add("mx.example.net 1; none")
	f.Fuzz(func(t *testing.T, value string) {
		_, list, ok := readResults(value)
		if len(list) > resultsAtMost {
			t.Fatal("over the limit")
		}
		for _, r := range list {
			if ok && r.Method == "" {
				t.Fatalf("no method: %+v", r)
			}
		}
	})
}

func ExampleAuthor() {
	raw := "Received: from mail.example.org by mx.example.net; Fri, 01 May 2026 12:00:00 +0000\r\n" +
		"Authentication-Results: mx.example.net; dmarc=pass header.from=example.org\r\n" +
		"From: Alice <alice@example.org>\r\nSubject: [example #7] please block it\r\n\r\nThank you.\r\n"
	m, err := Parse([]byte(raw), Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	results, forged := OwnServer{ID: "mx.example.net"}.Results(m)
	a := Author(AuthorInput{Message: m, Contact: true, Results: results, Forged: forged})
	fmt.Println(a.Standing)
	for _, why := range a.Why {
		fmt.Println(why)
	}
	// Output:
	// authenticated
	// DMARC passed for example.org.
	// alice@example.org is a known contact, and its domain confirms the mail.
}
