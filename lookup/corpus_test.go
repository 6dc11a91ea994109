package lookup

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// readTable reads a table of the corpus of real inputs, or skips the test.
func readTable(t *testing.T, name string, rows any) {
	t.Helper()
	corpus := os.Getenv("AIRTIGHT_CORPUS")
	if corpus == "" {
		t.Skip("AIRTIGHT_CORPUS does not name the folder of the corpus")
	}
	data, err := os.ReadFile(filepath.Join(corpus, "ioc", name))
	require.NoError(t, err)
	table := struct{ Rows any }{rows}
	require.NoError(t, json.Unmarshal(data, &table))
}

// TestCorpusRTIR holds the extraction against what RTIR found in bodies.
func TestCorpusRTIR(t *testing.T) {
	var rows []struct {
		ID, Where, Text, Email string
		IPs                    []string
	}
	readTable(t, "rtir.json", &rows)
	addresses, mails := 0, 0
	for _, row := range rows {
		got := Observables(Extract(row.Text))
		switch {
		case row.Where != "body":
			continue
		case row.IPs != nil:
			addresses++
			want := make([]string, 0, len(row.IPs))
			for _, ip := range row.IPs {
				want = append(want, asPrefix(t, ip))
			}
			have := []string{}
			for _, o := range got {
				p, _ := o.Network()
				have = append(have, p.String())
			}
			assert.Equal(t, want, have, "%s: %q", row.ID, row.Text)
		case row.Email != "":
			mails++
			assert.Equal(t, []incident.Observable{{Kind: incident.MailAddress, Value: row.Email}}, got, "%s: %q", row.ID, row.Text)
		default:
			assert.Empty(t, got, "%s: %q", row.ID, row.Text)
		}
	}
	t.Logf("%d rows with addresses, %d with mail addresses, of %d", addresses, mails, len(rows))
	assert.NotZero(t, addresses*mails)
}

// asPrefix turns "a" and "a-b" into the network that they span.
func asPrefix(t *testing.T, s string) string {
	first, last, isRange := strings.Cut(s, "-")
	a, err := netip.ParseAddr(first)
	require.NoError(t, err)
	if !isRange {
		return netip.PrefixFrom(a, a.BitLen()).String()
	}
	b, err := netip.ParseAddr(last)
	require.NoError(t, err)
	bits := a.BitLen()
	for bits > 0 && !netip.PrefixFrom(a, bits).Masked().Contains(b) {
		bits--
	}
	return netip.PrefixFrom(a, bits).String()
}

// TestCorpusXioc counts the agreement with a table that also expects
// defanged forms.
func TestCorpusXioc(t *testing.T) {
	var rows []struct {
		ID, Text string
		Equals   struct{ Emails, IP4s, IP6s []string }
	}
	readTable(t, "xioc.json", &rows)
	agree, plain, plainAgree := 0, 0, 0
	for _, row := range rows {
		want := slices.Concat(row.Equals.Emails, row.Equals.IP4s, row.Equals.IP6s)
		isPlain := !slices.ContainsFunc(want, func(v string) bool { return !strings.Contains(row.Text, v) })
		for i, v := range want {
			if a, err := netip.ParseAddr(v); err == nil {
				want[i] = a.String()
			}
		}
		have := values(Extract(row.Text))
		slices.Sort(want)
		slices.Sort(have)
		same := slices.Equal(slices.Compact(want), slices.Compact(have))
		if isPlain {
			plain++
		}
		if same {
			agree++
		}
		if same && isPlain {
			plainAgree++
		} else if isPlain {
			t.Logf("%s: want %q, have %q", row.ID, want, have)
		}
	}
	t.Logf("%d of %d rows agree; of %d that write their values plainly, %d", agree, len(rows), plain, plainAgree)
	assert.GreaterOrEqual(t, plainAgree, plain-2, "a rule has changed")
}
