package mail

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpened(t *testing.T) {
	good := Signature{State: Good, Sender: true, KeyID: "A"}
	stranger := Signature{State: Good, KeyID: "B"}
	expired := Signature{State: KeyExpired, Sender: true, KeyID: "C"}
	for _, c := range []struct {
		name   string
		layers []Layer
		want   string // the key that signed
	}{
		{"nothing", nil, ""},
		{"encrypted only", []Layer{{Whole: true, Encrypted: true}}, ""},
		{"signed below the encryption", []Layer{{Whole: true, Encrypted: true}, {Whole: true, Signatures: []Signature{good}}}, "A"},
		{"the second of two", []Layer{{Whole: true, Signatures: []Signature{stranger, expired, good}}}, "A"},
		{"a part", []Layer{{Signatures: []Signature{good}}}, ""},
		{"not good enough", []Layer{{Whole: true, Signatures: []Signature{stranger, expired}}}, ""},
	} {
		s, ok := Opened{Layers: c.layers}.Signed()
		require.Equal(t, c.want != "", ok, c.name)
		require.Equal(t, c.want, s.KeyID, c.name)
	}
	require.True(t, Opened{Layers: []Layer{{Decryption: Decrypted}, {Decryption: NoKey}}}.Wanting())
	require.False(t, Opened{Layers: []Layer{{Decryption: Damaged}}}.Wanting())
}

func TestSealError(t *testing.T) {
	err := &SealError{What: "encrypt", Why: "there is no recipient", Problems: []KeyProblem{
		{Address: "alice@example.org", State: Missing},
		{Address: "bob@example.org", Fingerprint: "F0", State: Expired, Why: "on 2026-01-01"},
	}}
	require.EqualError(t, err, "mail: cannot encrypt, and it is demanded: there is no recipient; alice@example.org: missing; bob@example.org, key F0: expired (on 2026-01-01)")
	require.Equal(t, "never, when possible, always, Protection(7)", Never.String()+", "+WhenPossible.String()+", "+Always.String()+", "+Protection(7).String())
}
