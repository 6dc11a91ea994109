package workflow_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/workflow"
)

func TestSealing(t *testing.T) {
	p, err := workflow.ReadPolicy("ours.yaml", []byte(`
base: rtir
sealing:
  replies: {sign: when possible}
  notices: {encrypt: always}
  recipients:
    "@EXAMPLE.org": {encrypt: when possible}
    noc@example.org: {sign: always}
    eve@example.org: {sign: never, encrypt: never}
`))
	require.NoError(t, err)
	s := p.Sealing
	const never, possible, always = workflow.ProtectNever, workflow.ProtectWhenPossible, workflow.ProtectAlways
	for _, c := range []struct {
		kind          workflow.Seal
		to            string
		sign, encrypt workflow.Protection
	}{
		{s.Replies, "bob@example.com", possible, never},
		{s.Requests, "bob@example.com", never, never},
		{s.Notices, "alice@example.net", never, always},
		{s.Replies, "bob@example.org", possible, possible},
		{s.Replies, "bob@sub.example.org", possible, never},
		{s.Replies, "NOC@example.org", always, possible},
		{s.Requests, "noc@example.org", always, possible},
		{s.Notices, "eve@example.org", never, never},
		{s.Replies, "", possible, never},
	} {
		require.Equal(t, workflow.Seal{Sign: c.sign, Encrypt: c.encrypt}, s.For(c.kind, c.to), c.to)
	}
	require.Equal(t, workflow.Seal{Sign: never, Encrypt: never}, workflow.Sealing{}.For(workflow.Seal{}, "bob@example.org"), "without a word about it")
}
