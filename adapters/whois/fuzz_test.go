package whois_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/korean"

	"github.com/airtight-csirt/airtight/adapters/whois"
	"github.com/airtight-csirt/airtight/lookup"
	"github.com/airtight-csirt/airtight/lookup/registrytest"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "\n", ":", "[", "[]", "a. [x] y", "key:", "key: value", "Heading\n  key: value\n\nkey:\n  value\n",
		"inetnum: 192.0.2.0 - 192.0.2.255\nabuse-c: A-1\n\nrole: A\nnic-hdl: A-1\nabuse-mailbox: a@example.org\n",
		"inet6num: 2001:db8::/32\ninetnum: 192.0/16\n\nroute: 192.0.2.0/24\norigin: AS64500\n",
		"NetRange: 192.0.2.0 - 192.0.2.255\nNetType: Transferred to X\nReferralServer: whois://whois.example.net:43\nOrgAbuseEmail: a@example.org\n",
		"% Abuse contact for '192.0.2.0' is 'a@example.org'\ninetnum: 192.0.2.0\n",
		"Domain Name: example.org\nName Server: ns.example.org\nCreation Date: 2026-01-31\nRegistrar Abuse Contact Email: a@example.org\nRegistrar WHOIS Server: http://x/\n",
		"remarks: abuse a@example.org\x00\x1b$B\xff\xfe\n", "\xEF\xBB\xBFdomain: x.example\nstatus: free\n",
	} {
		f.Add([]byte(seed))
	}
	if root := os.Getenv("AIRTIGHT_CORPUS"); root != "" {
		require.NoError(f, filepath.WalkDir(filepath.Join(root, "whois", "ip"), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				data, err := os.ReadFile(path)
				require.NoError(f, err)
				f.Add(data)
			}
			return err
		}))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, charset := range []string{"", "euc-kr"} {
			r, err := whois.Parse(data, nil)
			again, _ := whois.Parse(data, nil)
			if charset != "" {
				r, err = whois.Parse(data, korean.EUCKR)
				again, _ = whois.Parse(data, korean.EUCKR)
			}
			require.Equal(t, r, again)
			registrytest.Check(t, r)
			if err == lookup.ErrUnknown {
				require.Empty(t, r.Abuse())
			}
		}
	})
}
