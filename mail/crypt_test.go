package mail

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func TestOpened(t *testing.T) {
	good := incident.Signature{State: incident.SignatureGood, Sender: true, KeyID: "A"}
	stranger := incident.Signature{State: incident.SignatureGood, KeyID: "B"}
	expired := incident.Signature{State: incident.SignatureKeyExpired, Sender: true, KeyID: "C"}
	for _, c := range []struct {
		name   string
		layers []incident.Layer
		want   string // the key that signed
	}{
		{"nothing", nil, ""},
		{"encrypted only", []incident.Layer{{Whole: true, Encrypted: true}}, ""},
		{"signed below the encryption", []incident.Layer{{Whole: true, Encrypted: true}, {Whole: true, Signatures: []incident.Signature{good}}}, "A"},
		{"the second of two", []incident.Layer{{Whole: true, Signatures: []incident.Signature{stranger, expired, good}}}, "A"},
		{"a part", []incident.Layer{{Signatures: []incident.Signature{good}}}, ""},
		{"not good enough", []incident.Layer{{Whole: true, Signatures: []incident.Signature{stranger, expired}}}, ""},
	} {
		s, ok := Opened{Layers: c.layers}.Signed()
		require.Equal(t, c.want != "", ok, c.name)
		require.Equal(t, c.want, s.KeyID, c.name)
	}
	require.True(t, Opened{Layers: []incident.Layer{{Decryption: incident.Decrypted}, {Decryption: incident.DecryptionNoKey}}}.Wanting())
	require.False(t, Opened{Layers: []incident.Layer{{Decryption: incident.DecryptionDamaged}}}.Wanting())
}

func TestSealError(t *testing.T) {
	err := &SealError{What: "encrypt", Why: "there is no recipient", Problems: []KeyProblem{
		{Address: "alice@example.org", State: Missing},
		{Address: "bob@example.org", Fingerprint: "F0", State: Expired, Why: "on 2026-01-01"},
	}}
	require.EqualError(t, err, "mail: cannot encrypt, and it is demanded: there is no recipient; alice@example.org: missing; bob@example.org, key F0: expired (on 2026-01-01)")
	require.Equal(t, "never, when possible, always, Protection(7)", Never.String()+", "+WhenPossible.String()+", "+Always.String()+", "+Protection(7).String())
}
