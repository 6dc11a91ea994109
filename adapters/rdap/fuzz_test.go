package rdap_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/rdap"
	"github.com/airtight-csirt/airtight/lookup/registrytest"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "{}", "[]", "null", network, head, `{"errorCode":"404"}`, `{"handle":1,"entities":null,"status":"ok"}`,
		`{"objectClassName":"entity","roles":"abuse","vcardArray":["vcard",[["email",null,"text",["a@example.org"]],[],null,["tel",{"type":"fax"},"text","1"]]]}`,
		`{"ldhName":"EXAMPLE.ORG.","nameservers":[{"ldhName":"NS.example.org"}],"events":[{"eventAction":"expiration","eventDate":"2026-01-31T00:00:00Z"}]}`,
		`{"startAutnum":64500,"remarks":[{"description":["abuse: a@example.org"]}]}`, "\xFF\xFE{\x00}\x00", "\xEF\xBB\xBF{}", "{\"name\":\"\xfc\"}",
	} {
		f.Add([]byte(seed))
	}
	if root := os.Getenv("AIRTIGHT_CORPUS"); root != "" {
		names, err := filepath.Glob(filepath.Join(root, "rdap", "ip", "*.json"))
		require.NoError(f, err)
		for _, name := range names {
			data, err := os.ReadFile(name)
			require.NoError(f, err)
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, _ := rdap.Parse(data)
		again, _ := rdap.Parse(data)
		require.Equal(t, r, again)
		registrytest.Check(t, r)
	})
}

// FuzzBootstrap reads bootstrap files and asks what they say.
func FuzzBootstrap(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"version":"1.0","services":[[["192.0.2.0/24","org","64500-64510"],["https://rdap.example.net/"]]]}`, `{"version":"1.0","services":[[],[null,null],[["x"],[]]]}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b rdap.Bootstrap
		_ = b.Read(strings.NewReader(string(data)))
		_, _ = rdap.New(rdap.Config{Bootstrap: b})
	})
}
