package whois_test

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/whois"
	"github.com/airtight-csirt/airtight/lookup"
)

func corpus(t testing.TB, parts ...string) string {
	t.Helper()
	root := os.Getenv("AIRTIGHT_CORPUS")
	if root == "" {
		t.Skip("AIRTIGHT_CORPUS is not set: no real answers to read")
	}
	return filepath.Join(append([]string{root, "whois"}, parts...)...)
}

// TestCorpusAbuse compares ranges, abuse contacts, those of remarks, origins and
// referrals with the rows of ip and referrals.
func TestCorpusAbuse(t *testing.T) {
	for _, folder := range []string{"ip", "referrals"} {
		dir := corpus(t, folder)
		data, err := os.ReadFile(filepath.Join(dir, "expected.json"))
		require.NoError(t, err)
		var expected struct {
			Files map[string]struct {
				Range, Referral, Scheme string
				Abuse                   []string
				Remarks                 []string `json:"abuse_in_remarks"`
				ASN                     uint32
				Port                    int
			}
		}
		require.NoError(t, json.Unmarshal(data, &expected))
		right := 0
		for name, want := range expected.Files {
			data, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(t, err)
			got, err := whois.Parse(data, nil)
			ok := err == nil && equal(want.Abuse, got.Abuse()) && equal(want.Remarks, got.Hints)
			if first, last, both := strings.Cut(want.Range, "-"); both {
				ok = ok && got.First.String() == first && got.Last.String() == last
			} else if want.Range != "" {
				_, network, err := net.ParseCIDR(want.Range)
				require.NoError(t, err)
				ok = ok && got.First.String() == network.IP.String() && !network.Contains(got.Last.Next().AsSlice()) && network.Contains(got.Last.AsSlice())
			}
			if want.ASN != 0 {
				ok = ok && len(got.Origins) > 0 && got.Origins[0] == want.ASN
			}
			referral := want.Referral
			if want.Scheme == "rwhois" {
				referral = "rwhois://" + referral + ":" + strconv.Itoa(want.Port)
			}
			if ok = ok && got.Referral == referral; !ok {
				t.Errorf("%s: err %v, range %s-%s, abuse %q, remarks %q, origins %d, referral %q; expected %+v", name, err, got.First, got.Last, got.Abuse(), got.Hints, got.Origins, got.Referral, want)
				continue
			}
			right++
		}
		t.Logf("%s: %d of %d answers right", folder, right, len(expected.Files))
		require.NotEmpty(t, expected.Files)
	}
}

// TestCorpusNational reads the answer of a national registry, inside of a page.
func TestCorpusNational(t *testing.T) {
	data, err := os.ReadFile(corpus(t, "ip", "krnic-115.1.2.3.txt"))
	require.NoError(t, err)
	r, err := whois.Parse(data, nil)
	require.NoError(t, err)
	require.Equal(t, "115.1.2.0 115.1.2.63", r.First.String()+" "+r.Last.String())
	require.Empty(t, r.Abuse())
	require.NotEmpty(t, r.Contacts)
}

// TestCorpusUnknown reads the answers of registries that know no such domain.
func TestCorpusUnknown(t *testing.T) {
	names, err := filepath.Glob(corpus(t, "likexian", "notfound", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, names)
	right := 0
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		if _, err := whois.Parse(data, nil); !errors.Is(err, lookup.ErrUnknown) {
			t.Errorf("%s: err %v", filepath.Base(name), err)
			continue
		}
		right++
	}
	t.Logf("%d of %d answers say that there is no such domain", right, len(names))
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !strings.EqualFold(a[i], b[i]) {
			return false
		}
	}
	return true
}
