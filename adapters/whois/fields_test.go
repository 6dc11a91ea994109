package whois_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/adapters/whois"
	"github.com/airtight-csirt/airtight/lookup"
)

// twin is what another program read out of an answer, by our names; a field
// that is not there was not stated.
type twin map[string][]string

// TestCorpusFields counts the fields that equal those that other programs read.
// They are second opinions and disagree among themselves, so there is a
// floor for each and no list of exceptions. Days are compared without the time, the
// rest without case, lists without order.
func TestCorpusFields(t *testing.T) {
	for _, source := range []struct {
		folder string
		floor  float64 // share of equal fields
		answer func(twinPath string) string
		read   func(map[string]any) twin
	}{
		{"likexian/noterror", 0.96, func(p string) string { return strings.TrimSuffix(p, ".json") }, likexian},
		{"phpwhois/Tld", 0.95, func(p string) string { return strings.TrimSuffix(p, "json") + "txt" }, phpwhois},
		{"phpwhois/Asn", 1, func(p string) string { return strings.TrimSuffix(p, "json") + "txt" }, phpwhoisASN},
		{"pywhois/expected", 0.92, func(p string) string {
			return filepath.Join(filepath.Dir(filepath.Dir(p)), "whois", filepath.Base(p))
		}, pywhois},
		{"weppos", 0.91, func(p string) string { return strings.TrimSuffix(p, "json") + "txt" }, weppos},
	} {
		t.Run(source.folder, func(t *testing.T) {
			total, equals, answers := map[string]int{}, map[string]int{}, 0
			require.NoError(t, filepath.WalkDir(corpus(t, filepath.FromSlash(source.folder)), func(path string, entry fs.DirEntry, err error) error {
				if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" && source.folder != "pywhois/expected" {
					return err
				}
				data, err := os.ReadFile(source.answer(path))
				if errors.Is(err, fs.ErrNotExist) {
					return nil
				}
				require.NoError(t, err)
				expected, err := os.ReadFile(path)
				require.NoError(t, err)
				var value map[string]any
				require.NoError(t, json.Unmarshal(expected, &value), path)
				answers++
				got, err := whois.Parse(data, nil)
				ours := fields(got, err)
				for name, want := range source.read(value) {
					total[name]++
					if same(want, ours[name]) {
						equals[name]++
					} else if testing.Verbose() {
						t.Logf("miss %s %s: %q, expected %q", strings.TrimPrefix(path, corpus(t)), name, ours[name], want)
					}
				}
				return nil
			}))
			all, right := 0, 0
			var parts []string
			for name, n := range total {
				all, right = all+n, right+equals[name]
				parts = append(parts, fmt.Sprintf("%s %d/%d", name, equals[name], n))
			}
			slices.Sort(parts)
			t.Logf("%s: %d answers, %d of %d fields equal: %s", source.folder, answers, right, all, strings.Join(parts, ", "))
			require.GreaterOrEqual(t, float64(right), source.floor*float64(all))
		})
	}
}

func fields(r lookup.Registration, err error) twin {
	registered := "true"
	if errors.Is(err, lookup.ErrUnknown) {
		registered = "false"
	} else if err != nil {
		registered = "unsaid"
	}
	f := twin{"domain": {r.Name}, "registrar": {r.Registrar}, "servers": r.NameServers, "registered": {registered}, "referral": {r.Referral}, "abuse": r.Abuse(), "status": nil}
	for _, s := range r.Status {
		s, _, _ = strings.Cut(s, " http")
		f["status"] = append(f["status"], strings.TrimSpace(s))
	}
	for _, as := range r.Origins {
		f["origins"] = append(f["origins"], lookup.Question{AS: as}.String())
	}
	for name, day := range map[string]time.Time{"created": r.Created, "changed": r.Changed, "until": r.Until} {
		if !day.IsZero() {
			f[name] = []string{day.Format(time.DateOnly)}
		}
	}
	return f
}

func same(a, b []string) bool {
	norm := func(list []string) (out []string) {
		for _, s := range list {
			out = append(out, strings.ToLower(strings.Join(strings.Fields(strings.Trim(s, ". ")), " ")))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return slices.Equal(norm(a), norm(b))
}

// put adds a field that a twin states.
func (f twin) put(name string, value any) {
	switch v := value.(type) {
	case string:
		if v != "" {
			f[name] = []string{v}
		}
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok && s != "" {
				f[name] = append(f[name], s)
			}
		}
	}
}

func (f twin) putDay(name string, value any) {
	if s, ok := value.(string); ok && len(s) >= len(time.DateOnly) {
		f[name] = []string{s[:len(time.DateOnly)]}
	}
}

func likexian(v map[string]any) twin {
	f := twin{}
	domain, _ := v["domain"].(map[string]any)
	f.put("domain", domain["domain"])
	f.put("servers", domain["name_servers"])
	f.put("status", domain["status"])
	f.put("referral", domain["whois_server"])
	f.putDay("created", domain["created_date_in_time"])
	f.putDay("changed", domain["updated_date_in_time"])
	f.putDay("until", domain["expiration_date_in_time"])
	registrar, _ := v["registrar"].(map[string]any)
	f.put("registrar", registrar["name"])
	return f
}

func phpwhois(v map[string]any) twin {
	f := twin{}
	f.put("domain", v["domainName"])
	f.put("servers", v["nameServers"])
	f.put("status", v["states"])
	f.put("referral", v["whoisServer"])
	f.put("registrar", v["registrar"])
	f.putDay("created", v["creationDate"])
	f.putDay("changed", v["updatedDate"])
	f.putDay("until", v["expirationDate"])
	return f
}

func phpwhoisASN(v map[string]any) twin {
	f := twin{}
	f.put("origins", v["asn"])
	return f
}

func pywhois(v map[string]any) twin {
	f := twin{}
	for ours, theirs := range map[string]string{"domain": "domain_name", "registrar": "registrar", "status": "status", "servers": "name_servers", "abuse": "abuse_email"} {
		f.put(ours, v[theirs])
	}
	for i, s := range f["status"] {
		s, _, _ = strings.Cut(s, " http")
		f["status"][i] = s
	}
	for ours, theirs := range map[string]string{"created": "creation_date", "changed": "updated_date", "until": "expiration_date"} {
		day := v[theirs]
		if list, ok := day.([]any); ok && len(list) > 0 {
			day = list[0]
		}
		f.putDay(ours, day)
	}
	return f
}

func weppos(v map[string]any) twin {
	f := twin{}
	part := func(name string) map[string]any { m, _ := v[name].(map[string]any); return m }
	f.put("domain", part("domain")["value"])
	f.put("registrar", part("registrar")["organization"])
	f.put("registrar", part("registrar")["name"])
	for ours, theirs := range map[string]string{"created": "created_on", "changed": "updated_on", "until": "expires_on"} {
		f.putDay(ours, part(theirs)["time"])
	}
	if is, ok := part("registered?")["value"].(bool); ok {
		f["registered"] = []string{fmt.Sprint(is)}
	}
	var servers []any
	for i := range 20 {
		servers = append(servers, part("nameservers")[fmt.Sprintf("[%d].name", i)])
	}
	f.put("servers", servers)
	return f
}
