package whois_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/korean"

	"github.com/airtight-csirt/airtight/adapters/whois"
	"github.com/airtight-csirt/airtight/lookup"
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
			check(t, r)
			if err == lookup.ErrUnknown {
				require.Empty(t, r.Abuse())
			}
		}
	})
}

// check is what holds for every Registration, whatever was read.
func check(t *testing.T, r lookup.Registration) {
	texts := []string{r.Handle, r.Name, r.Organisation, r.Country, r.Registrar, r.Referral}
	texts = append(append(append(texts, r.NameServers...), r.Status...), r.Hints...)
	for _, c := range r.Contacts {
		texts = append(append(append(texts, c.Handle, c.Name, c.Telephone, c.Language), c.Roles...), c.Addresses...)
		require.LessOrEqual(t, len(c.Addresses), lookup.MaxRegistryList)
	}
	for _, s := range texts {
		require.LessOrEqual(t, len(s), lookup.MaxRegistryField)
		require.True(t, utf8.ValidString(s))
		require.False(t, strings.ContainsAny(s, "\r\n\x00\x1b"), "%q", s)
	}
	for _, n := range []int{len(r.NameServers), len(r.Status), len(r.Hints), len(r.Contacts), len(r.Origins)} {
		require.LessOrEqual(t, n, lookup.MaxRegistryList)
	}
	require.LessOrEqual(t, len(r.Text), lookup.MaxRegistryText)
	for _, a := range append(r.Abuse(), r.Hints...) {
		_, ok := lookup.RegistryAddress(a)
		require.True(t, ok, a)
	}
	if r.First.IsValid() {
		require.Equal(t, r.First.BitLen(), r.Last.BitLen())
		require.False(t, r.Last.Less(r.First))
	}
}
