package incident_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

func observation() incident.Observation {
	percent := 80
	return incident.Observation{
		ID: "EX#42", OtherIDs: []string{"b", "a"}, Reporter: incident.Reporter{Name: "Example CERT", Mail: "csirt@example.org"}, Feed: "shadowserver scan_dns",
		Time: time.Date(2006, 5, 9, 10, 0, 0, 0, time.FixedZone("", 7200)), End: time.Date(2006, 5, 9, 9, 0, 0, 0, time.UTC), Zone: "+02:00", Kind: "phishing", Scheme: "x",
		Confidence: &percent, Protocol: "tcp", Service: "http", Count: 3,
		Endpoints: []incident.Endpoint{
			{Role: incident.RoleTarget, Network: netip.MustParsePrefix("198.51.100.0/24"), Ports: "5-25,37"},
			{Role: incident.RoleSource, Address: netip.MustParseAddr("192.0.2.4"), Host: "www.example.org", URL: "http://www.example.org/", Mail: "a@example.org", MAC: "00:00:5e:00:53:af", ASN: 64496},
		},
		Logs:    []incident.Log{{Type: "text/plain", Name: "log", Data: []byte("line\r\n")}, {Data: []byte{0xff, 0}}},
		Extra:   []incident.Field{{Name: "b", Value: "1", Type: "json"}, {Name: "a", Value: "x"}},
		Foreign: []string{"<a/>"},
	}
}

func TestObservationJSON(t *testing.T) {
	o := observation()
	require.NoError(t, o.Validate())
	b, err := json.Marshal(o)
	require.NoError(t, err)
	assert.Contains(t, string(b), `"time":"2006-05-09T10:00:00+02:00"`)
	assert.Contains(t, string(b), `{"type":"text/plain","name":"log","text":"line\r\n"},{"base64":"/wA="}`)
	var p incident.Observation
	require.NoError(t, json.Unmarshal(b, &p))
	assert.True(t, o.Equal(p), "%s", b)

	b, err = json.Marshal(incident.Observation{})
	require.NoError(t, err)
	assert.JSONEq(t, `{}`, string(b))
	assert.Error(t, json.Unmarshal([]byte(`{"logs":[1]}`), &p))
}

// TestObservationDigest changes one thing at a time: what says the same has the
// same digest, what says something else has not.
func TestObservationDigest(t *testing.T) {
	o := observation()
	for name, change := range map[string]func(*incident.Observation){
		"zone of a time":  func(p *incident.Observation) { p.Time = p.Time.UTC() },
		"assumed zone":    func(p *incident.Observation) { p.Zone = "" },
		"remarks":         func(p *incident.Observation) { p.Left = []string{"x"} },
		"order of ids":    func(p *incident.Observation) { p.OtherIDs = []string{"a", "b"} },
		"order of ends":   func(p *incident.Observation) { p.Endpoints = []incident.Endpoint{p.Endpoints[1], p.Endpoints[0]} },
		"order of logs":   func(p *incident.Observation) { p.Logs = []incident.Log{p.Logs[1], p.Logs[0]} },
		"order of fields": func(p *incident.Observation) { p.Extra = []incident.Field{p.Extra[1], p.Extra[0]} },
	} {
		p := observation()
		change(&p)
		assert.Equal(t, o.Digest(), p.Digest(), name)
	}
	assert.Equal(t, []string{"b", "a"}, o.OtherIDs, "the observation itself stays as it was")
	seen := map[incident.Digest]string{o.Digest(): "unchanged"}
	for name, change := range map[string]func(*incident.Observation){
		"id":         func(p *incident.Observation) { p.ID = "x" },
		"other id":   func(p *incident.Observation) { p.OtherIDs = []string{"a"} },
		"reporter":   func(p *incident.Observation) { p.Reporter.Domain = "x" },
		"feed":       func(p *incident.Observation) { p.Feed = "x" },
		"time":       func(p *incident.Observation) { p.Time = p.Time.Add(1) },
		"end":        func(p *incident.Observation) { p.End = p.End.Add(1) },
		"kind":       func(p *incident.Observation) { p.Kind = "y" },
		"scheme":     func(p *incident.Observation) { p.Scheme = "y" },
		"confidence": func(p *incident.Observation) { p.Confidence = nil },
		"role":       func(p *incident.Observation) { p.Endpoints[0].Role = "" },
		"port":       func(p *incident.Observation) { p.Endpoints[0].Ports = "5" },
		"protocol":   func(p *incident.Observation) { p.Protocol = "udp" },
		"service":    func(p *incident.Observation) { p.Service = "x" },
		"count":      func(p *incident.Observation) { p.Count = 4 },
		"log":        func(p *incident.Observation) { p.Logs[0].Data = []byte("line\n") },
		"extra":      func(p *incident.Observation) { p.Extra[1].Value = "y" },
		"foreign":    func(p *incident.Observation) { p.Foreign = nil },
	} {
		p := observation()
		change(&p)
		assert.False(t, o.Equal(p), name)
		assert.Empty(t, seen[p.Digest()], name)
		seen[p.Digest()] = name
	}
}

func TestObservationValidate(t *testing.T) {
	low, high := -1, 101
	for _, test := range []struct {
		change func(*incident.Observation)
		want   string
	}{
		{func(o *incident.Observation) { o.ID = "a\nb" }, "one line of text"},
		{func(o *incident.Observation) { o.Kind = " a" }, "one line of text"},
		{func(o *incident.Observation) { o.Endpoints[0].Host = "a\x01" }, "one line of text"},
		{func(o *incident.Observation) { o.Logs[0].Name = "\xff" }, "one line of text"},
		{func(o *incident.Observation) { o.Time = o.Time.In(time.FixedZone("", 61)) }, "whole minutes"},
		{func(o *incident.Observation) { o.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, "years 1 to 9999"},
		{func(o *incident.Observation) { o.End = o.Time.Add(-1) }, "not before the first"},
		{func(o *incident.Observation) { o.Time = time.Time{} }, "not before the first"},
		{func(o *incident.Observation) { o.Time, o.End = time.Time{}, time.Time{} }, "without a time"},
		{func(o *incident.Observation) { o.Confidence = &low }, "0 to 100"},
		{func(o *incident.Observation) { o.Confidence = &high }, "0 to 100"},
		{func(o *incident.Observation) { o.Count = -1 }, "whole numbers from 1"},
		{func(o *incident.Observation) { o.Protocol = "TCP" }, "lower case"},
		{func(o *incident.Observation) { o.Protocol = "256" }, "0 to 255"},
		{func(o *incident.Observation) { o.Endpoints[0] = incident.Endpoint{Role: "source"} }, "without any"},
		{func(o *incident.Observation) { o.Endpoints[0].Role = "victim" }, "source, target and none"},
		{func(o *incident.Observation) { o.Endpoints[0].Address = netip.MustParseAddr("::ffff:192.0.2.1") }, "v4 not inside v6"},
		{func(o *incident.Observation) { o.Endpoints[0].Address = netip.MustParseAddr("fe80::1%eth0") }, "without zone"},
		{func(o *incident.Observation) { o.Endpoints[0].Network = netip.MustParsePrefix("192.0.2.1/24") }, "first addresses"},
		{func(o *incident.Observation) { o.Endpoints[0].Host = "A.example.org" }, "lower case"},
		{func(o *incident.Observation) { o.Endpoints[0].Ports = "65536" }, "0 to 65535"},
		{func(o *incident.Observation) { o.Endpoints[0].Ports = "25-5" }, "0 to 65535"},
		{func(o *incident.Observation) { o.Endpoints[0].Ports = "025" }, "0 to 65535"},
		{func(o *incident.Observation) { o.Endpoints[0].MAC = "00-00-5e-00-53-af" }, "six pairs"},
		{func(o *incident.Observation) { o.Endpoints[0].MAC = "00:00:5e:00:53:aG" }, "six pairs"},
		{func(o *incident.Observation) { o.Extra[0].Name = "" }, "a name"},
		{func(o *incident.Observation) { o.Extra[0].Value = "{" }, "type json"},
		{func(o *incident.Observation) { o.Extra[0].Type = "xml" }, "type json"},
		{func(o *incident.Observation) { o.OtherIDs[0] = "" }, "empty id"},
	} {
		o := observation()
		test.change(&o)
		assert.ErrorContains(t, o.Validate(), test.want)
	}
}

func TestObservationNormalize(t *testing.T) {
	o := incident.Observation{
		ID: " a\r\n b\x00\xff ", Zone: "UTC", Protocol: "TCP", OtherIDs: []string{"", "x"},
		Endpoints: []incident.Endpoint{{Role: incident.RoleSource}, {Address: netip.MustParseAddr("::ffff:192.0.2.1"), Host: "WWW.example.org.", MAC: "00-00-5E-00-53-AF", Network: netip.MustParsePrefix("2001:db8::1/32")},
			{Network: netip.MustParsePrefix("192.0.2.7/32")}},
		Extra: []incident.Field{{Name: "a"}, {Value: "b"}, {Name: "c", Value: "\xff"}},
	}
	o.Normalize()
	require.NoError(t, o.Validate())
	assert.Equal(t, "a b\ufffd\ufffd", o.ID)
	assert.Equal(t, []string{"x"}, o.OtherIDs)
	assert.Equal(t, "tcp", o.Protocol)
	assert.Empty(t, o.Zone)
	assert.Equal(t, []incident.Field{{Name: "c", Value: "\ufffd"}}, o.Extra)
	assert.Equal(t, []incident.Endpoint{
		{Address: netip.MustParseAddr("192.0.2.1"), Host: "www.example.org", MAC: "00:00:5e:00:53:af", Network: netip.MustParsePrefix("2001:db8::/32")},
		{Address: netip.MustParseAddr("192.0.2.7")},
	}, o.Endpoints)

	o = incident.Observation{Time: time.Date(1900, 1, 1, 0, 0, 0, 0, time.FixedZone("LMT", 1172))}
	o.Normalize()
	assert.NoError(t, o.Validate())
	assert.Equal(t, time.UTC, o.Time.Location(), "an offset with seconds cannot be written")
}

func TestObservables(t *testing.T) {
	o := observation()
	o.Endpoints = append(o.Endpoints, incident.Endpoint{Role: incident.RoleSource, Address: netip.MustParseAddr("192.0.2.4"), Host: "no host"})
	var keys []string
	for _, found := range o.Observables() {
		keys = append(keys, found.Key()+" "+string(found.Role))
	}
	assert.Equal(t, []string{"a4c6336400/18 target", "a4c0000204/20 source", "dorg.example.www. source", "uhttp://www.example.org/ source", "ma@example.org source"}, keys)
}

func TestLimitsWithDefaults(t *testing.T) {
	l := incident.Limits{Item: 5, Depth: -1, Bytes: -1}.WithDefaults()
	assert.Equal(t, 5, l.Item)
	assert.Greater(t, l.Depth, 1<<60)
	assert.Greater(t, l.Bytes, int64(1<<60))
	assert.Equal(t, incident.Limits{Bytes: 1 << 30, Item: 16 << 20, Elements: 10_000, Depth: 64, Attributes: 64, Incidents: 1_000_000}, incident.Limits{}.WithDefaults())
}

func TestFormatMail(t *testing.T) {
	lines := incident.Format{
		Name:      "lines",
		Recognise: func(parts []incident.Part) bool { return parts[0].Name == "a" },
		Decode: func(r io.Reader, _ incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				b, err := io.ReadAll(r)
				yield(incident.Observation{ID: string(b)}, err)
			}
		},
	}
	parts := []incident.Part{{Type: incident.HeaderType}, {Name: "a", Content: []byte("1")}, {Name: "b"}, {Name: "a", Content: []byte("2")}}
	var ids []string
	for o, err := range lines.Mail(parts, incident.Limits{}) {
		require.NoError(t, err)
		ids = append(ids, o.ID)
	}
	assert.Equal(t, []string{"1", "2"}, ids)
	for range lines.Mail(parts, incident.Limits{}) {
		break // stops the decoder too
	}
	lines.DecodeMail = func(parts []incident.Part, _ incident.Limits) iter.Seq2[incident.Observation, error] {
		return func(yield func(incident.Observation, error) bool) {
			yield(incident.Observation{ID: fmt.Sprint(len(parts))}, nil)
		}
	}
	for o := range lines.Mail(parts, incident.Limits{}) {
		assert.Equal(t, "4", o.ID)
	}
}

func TestFormatError(t *testing.T) {
	cause := errors.New("why")
	err := &incident.FormatError{Format: "csv", Line: 3, Offset: 20, Reason: "no", Err: cause}
	assert.EqualError(t, err, "csv: line 3, byte 20: no")
	assert.ErrorIs(t, err, cause)
	err.Line = 0
	assert.True(t, strings.HasPrefix(err.Error(), "csv: byte 20"))
}
