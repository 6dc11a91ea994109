package xirl

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func TestCSV(t *testing.T) {
	for _, test := range []struct {
		name string
		feed CSV
		file string
		want []string
	}{
		{"common names", CSV{}, "# c\nip;port;Time;note\n192.0.2.1;80;2026-01-01 00:00:00;\"a;b\"\n", []string{`|||2026-01-01T00:00:00Z|source 192.0.2.1 80|text/csv "192.0.2.1;80;2026-01"`}},
		{"several lines", CSV{}, "ip,a\n192.0.2.1,\"x\n# y\"\"\"\n192.0.2.2,z\n", []string{`|||` + `|source 192.0.2.1|text/csv "192.0.2.1,\"x\n# y\"\"\""`, `||||source 192.0.2.2|text/csv "192.0.2.2,z"`}},
		{"open quote", CSV{}, "ip,a\n192.0.2.1,\"x\n", []string{"error: csv: line 2, byte 18: a quote is not closed"}},
		{"behind a quote", CSV{}, "ip,a\n\"192.0.2.1\"x,y\n192.0.2.2,y", []string{"error: csv: line 2, byte 20: characters behind a closing quote", `||||source 192.0.2.2|text/csv "192.0.2.2,y"`}},
		{"too many columns", CSV{}, "ip\n192.0.2.1,x\n", []string{"error: csv: line 2, byte 15: the row has 2 columns; the header names 1"}},
		{"no known column", CSV{}, "a,b\n1,2\n", []string{`error: csv: line 2, byte 4: no column of the header ["a" "b"] has a known name`}},
		{"nothing", CSV{}, "\n# c\n", []string{"error: csv: line 3, byte 5: there is no header line"}},
		{"unknown place", CSV{Columns: map[string]string{"a": "status"}}, "a\n1\n", []string{`error: csv: line 3, byte 4: column "a" goes to "status"; allowed are - id time end`}},
		{"own names", CSV{Name: "own", Feed: "f", Kind: "k", Header: []string{"n", "from", "bits", "to", "bad"}, Columns: map[string]string{"n": "id", "from": "source.ip", "bits": "source.bits", "to": "target", "bad": "target.port"}},
			"7,192.000.002.000,24,a@example.org,x\n", []string{`7||k||source 192.0.2.0/24|target a@example.org|text/csv "7,192.000.002.000,24"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for o, err := range test.feed.Format().Decode(strings.NewReader(test.file), incident.Limits{}) {
				if err != nil {
					got = append(got, "error: "+err.Error())
				} else {
					got = append(got, say(o))
				}
			}
			require.Len(t, got, len(test.want), got)
			for i := range got {
				assert.True(t, strings.HasPrefix(got[i], test.want[i]), "got  %s\nwant %s", got[i], test.want[i])
			}
		})
	}
	zone := CSV{Zone: time.FixedZone("", 7200)}
	list := decodeAll(t, zone.Format(), []byte("ip,time,x\n192.0.2.1,2026-01-01 00:00:00,y\n"))
	assert.Equal(t, "2026-01-01T00:00:00+02:00 +02:00", list[0].Time.Format(time.RFC3339)+" "+list[0].Zone)
	assert.Equal(t, []incident.Field{{Name: "x", Value: "y"}}, list[0].Extra)
}

func TestMoments(t *testing.T) {
	for _, s := range []string{"2003-06-19T21:34:13Z", "2003-06-19 21:34:13", "Thu, 19 Jun 2003 17:34:13 -0400 (ES", "19 Jun 2003 17:34:13 EDT", "1056058453", "2003-06-19T23:34:13+02:00", "19/Jun/2003:23:34:13 +0200", "Thu Jun 19 23:34:13 CEST 2003"} {
		got, assumed, err := moment(s, nil)
		if s == "Thu Jun 19 23:34:13 CEST 2003" {
			assert.Error(t, err, "a zone before the year is not guessed")
			continue
		}
		require.NoError(t, err, s)
		assert.EqualValues(t, 1056058453, got.Unix(), s)
		assert.Equal(t, s == "2003-06-19 21:34:13", assumed != "", s)
	}
	_, _, err := moment("yesterday", nil)
	assert.ErrorContains(t, err, "allowed are RFC 3339")
}

func BenchmarkShadowserver(b *testing.B) {
	var file bytes.Buffer
	file.WriteString("\"timestamp\",\"ip\",\"protocol\",\"port\",\"hostname\",\"tag\",\"asn\",\"geo\",\"region\",\"city\"\n")
	for i := range 10_000 {
		fmt.Fprintf(&file, "\"2026-01-01 00:00:00\",\"192.0.2.%d\",\"udp\",53,\"h%d.example.org\",\"dns\",64496,\"NL\",\"R\",\"C\"\n", i%256, i)
	}
	rows := 0
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range Shadowserver().Decode(bytes.NewReader(file.Bytes()), incident.Limits{}) {
			require.NoError(b, err)
			rows++
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
