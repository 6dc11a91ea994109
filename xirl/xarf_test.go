package xirl

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/airtight-csirt/airtight/incident"
)

// xarfShape makes a random observation one that XARF 4 takes: a type, what the
// type needs, a reporter and a source.
func xarfShape(o *incident.Observation, d dice) bool {
	if o.Time.IsZero() {
		return false
	}
	o.Reporter = incident.Reporter{Name: "Example CERT x" + d.text(8), Mail: "csirt@example.org", Domain: pick(d, "", "cert.example.org")}
	o.Protocol = pick(d, "tcp", "udp")
	o.Scheme = pick(d, "", "arf")
	// Every network and host stands; what may not stand alone goes first.
	o.Endpoints = append([]incident.Endpoint{{Role: incident.RoleSource, Address: d.address(), Ports: pick(d, "1", "65535"), URL: "http://example.org/a"}}, o.Endpoints...)
	if d.one(3) {
		o.Endpoints[0] = incident.Endpoint{Role: incident.RoleSource, Host: "www.example.org", URL: pick(d, "http://example.org/b", "")}
	}
	o.Kind = pick(d, "spam", "phishing", "malware", "ddos", "portscan", "login-attack", "sql_injection", "blocklist", "botnet", "compromised_server", "open_service", "misconfiguration", "copyright")
	switch o.Kind {
	case "spam":
		o.Service, o.Endpoints[0].Ports = "smtp", "25"
	case "phishing", "malware":
		o.Endpoints[0].URL = "http://example.org/c"
	case "open_service", "misconfiguration":
		o.Service = "ssh"
	}
	o.Extra = slices.DeleteFunc(o.Extra, func(f incident.Field) bool { return f.Name == "summary" })
	for kind, extra := range map[string]incident.Field{
		"spam": {Name: "smtp_from", Value: "a@example.net"}, "blocklist": {Name: "threat_type", Value: "command_and_control"},
		"botnet": {Name: "compromise_evidence", Value: "seen"}, "compromised_server": {Name: "compromise_method", Value: "seen"},
		"copyright": {Name: "infringing_url", Value: "http://example.org/d"},
	} {
		if o.Kind == kind {
			o.Extra = append(o.Extra, extra)
		}
	}
	return true
}

func TestXARFRoundTrip(t *testing.T) {
	docs := roundTrip(t, XARF(), 10_000, 100, xarfShape, func(o incident.Observation) incident.Observation {
		kept, err := keepXARF(o)
		require.NoError(t, err)
		return kept
	})
	root := os.Getenv("AIRTIGHT_CORPUS")
	if root == "" {
		t.Skip("AIRTIGHT_CORPUS is not set: the schemas of XARF 4 were NOT checked")
	}
	schemas := schemaSet{dir: filepath.Join(root, "xarf/schema-v4/v4"), docs: map[string]any{}}
	for _, doc := range docs {
		for line := range bytes.Lines(doc) {
			var v map[string]any
			require.NoError(t, json.Unmarshal(line, &v))
			errs := schemas.check(t, "xarf-v4-master.json", schemas.load(t, "xarf-v4-master.json"), v, "")
			require.Empty(t, errs, "%s", line)
		}
	}
}

// TestXARFSchemaJudge shows that the judge of TestXARFRoundTrip can say no.
func TestXARFSchemaJudge(t *testing.T) {
	schemas := schemaSet{dir: corpusFile(t, "xarf/schema-v4/v4"), docs: map[string]any{}}
	good := `{"xarf_version":"4.2.0","report_id":"9ac39cd1-85f3-4c31-ae87-a0a95f3ebc83","timestamp":"2025-01-11T09:21:23Z","reporter":{"org":"a","contact":"a@example.org","domain":"example.org"},
"sender":{"org":"a","contact":"a@example.org","domain":"example.org"},"source_identifier":"192.0.2.1","source_port":1,"category":"connection","type":"ddos","protocol":"tcp","first_seen":"2025-01-11T08:45:00Z"}`
	for _, test := range []struct{ from, to, want string }{
		{"", "", ""}, {`"4.2.0"`, `"5.0.0"`, "pattern"}, {`"tcp"`, `"smtp"`, "enum"}, {`"source_port":1,`, ``, "source_port"}, {`"ddos"`, `"dos"`, "anyOf"},
		{`:1,`, `:70000,`, "maximum"}, {`,"first_seen":"2025-01-11T08:45:00Z"`, ``, "first_seen"}, {`"domain":"example.org"},
`, `"domain":"example.org","x":1},`, "additional"},
	} {
		var v map[string]any
		require.NoError(t, json.Unmarshal([]byte(strings.Replace(good, test.from, test.to, 1)), &v))
		errs := schemas.check(t, "xarf-v4-master.json", schemas.load(t, "xarf-v4-master.json"), v, "")
		if test.want == "" {
			assert.Empty(t, errs)
		} else {
			assert.Contains(t, strings.Join(errs, "; "), test.want)
		}
	}
}

// schemaSet checks values by the part of JSON Schema 2020-12 that the schemas
// of XARF use.
type schemaSet struct {
	dir  string
	docs map[string]any
}

func (s schemaSet) load(t *testing.T, file string) any {
	if doc, ok := s.docs[file]; ok {
		return doc
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, file))
	require.NoError(t, err)
	var doc any
	require.NoError(t, json.Unmarshal(raw, &doc))
	s.docs[file] = doc
	return doc
}

func (s schemaSet) check(t *testing.T, file string, schema, v any, at string) (errs []string) {
	m, ok := schema.(map[string]any)
	if !ok {
		return nil
	}
	bad := func(what string, args ...any) { errs = append(errs, at+": "+fmt.Sprintf(what, args...)) }
	for _, key := range []string{"$ref"} {
		if ref, ok := m[key].(string); ok {
			target, fragment, _ := strings.Cut(ref, "#")
			in := file
			if target != "" {
				in = filepath.Join(filepath.Dir(file), target)
			}
			to := s.load(t, in)
			for step := range strings.SplitSeq(strings.Trim(fragment, "/"), "/") {
				if step != "" {
					to = to.(map[string]any)[step]
				}
			}
			errs = append(errs, s.check(t, in, to, v, at)...)
		}
	}
	valid := func(schema any) bool { return len(s.check(t, file, schema, v, at)) == 0 }
	each := func(key string, f func([]any)) {
		if list, ok := m[key].([]any); ok {
			f(list)
		}
	}
	each("allOf", func(list []any) {
		for _, part := range list {
			errs = append(errs, s.check(t, file, part, v, at)...)
		}
	})
	each("anyOf", func(list []any) {
		if !slices.ContainsFunc(list, valid) {
			bad("anyOf")
		}
	})
	each("enum", func(list []any) {
		if !slices.ContainsFunc(list, func(x any) bool { return reflect.DeepEqual(x, v) }) {
			bad("enum %v", list)
		}
	})
	if c, ok := m["const"]; ok && !reflect.DeepEqual(c, v) {
		bad("const %v", c)
	}
	if cond, ok := m["if"]; ok {
		if branch := m["else"]; valid(cond) {
			errs = append(errs, s.check(t, file, m["then"], v, at)...)
		} else if branch != nil {
			errs = append(errs, s.check(t, file, branch, v, at)...)
		}
	}
	if not, ok := m["not"]; ok && valid(not) {
		bad("not")
	}
	switch v := v.(type) {
	case map[string]any:
		if m["type"] != nil && m["type"] != "object" {
			bad("type %v", m["type"])
		}
		each("required", func(list []any) {
			for _, name := range list {
				if _, ok := v[name.(string)]; !ok {
					bad("required %v", name)
				}
			}
		})
		properties, _ := m["properties"].(map[string]any)
		for name, x := range v {
			if p, ok := properties[name]; ok {
				errs = append(errs, s.check(t, file, p, x, at+"/"+name)...)
			} else if m["additionalProperties"] == false {
				bad("additional property %s", name)
			}
		}
	case []any:
		if m["type"] != nil && m["type"] != "array" {
			bad("type %v", m["type"])
		}
		if n, ok := m["maxItems"].(float64); ok && float64(len(v)) > n {
			bad("maxItems")
		}
		for _, x := range v {
			errs = append(errs, s.check(t, file, m["items"], x, at+"[]")...)
		}
	case string:
		if m["type"] != nil && m["type"] != "string" {
			bad("type %v", m["type"])
		}
		if n, ok := m["maxLength"].(float64); ok && float64(len([]rune(v))) > n {
			bad("maxLength")
		}
		if p, ok := m["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(v) {
			bad("pattern %s", p)
		}
		if f, ok := m["format"].(string); ok && !formatOK(f, v) {
			bad("format %s", f)
		}
	case float64:
		if m["type"] == "string" || m["type"] == "object" || m["type"] == "array" || m["type"] == "boolean" || m["type"] == "integer" && v != float64(int64(v)) {
			bad("type %v", m["type"])
		}
		if n, ok := m["minimum"].(float64); ok && v < n {
			bad("minimum")
		}
		if n, ok := m["maximum"].(float64); ok && v > n {
			bad("maximum")
		}
	}
	return errs
}

func formatOK(format, v string) bool {
	addr, err := netip.ParseAddr(v)
	switch format {
	case "ipv4":
		return err == nil && addr.Is4()
	case "ipv6":
		return err == nil && addr.Is6()
	case "date-time":
		_, err := time.Parse(time.RFC3339Nano, v)
		return err == nil
	case "uuid":
		return regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(v)
	case "email":
		return strings.Count(v, "@") == 1
	case "uri":
		return strings.Contains(v, ":")
	case "hostname":
		return !strings.ContainsAny(v, " @/:")
	}
	return true
}

func TestXARFSaysWhatIsMissing(t *testing.T) {
	whole := incident.Observation{Kind: "ddos", Protocol: "tcp", Time: time.Unix(1e9, 0).UTC(), Reporter: incident.Reporter{Name: "a", Mail: "a@example.org"},
		Endpoints: []incident.Endpoint{{Role: incident.RoleSource, Address: netip.MustParseAddr("192.0.2.1"), Ports: "1"}}}
	for _, test := range []struct {
		change func(*incident.Observation)
		want   string
	}{
		{func(*incident.Observation) {}, ""},
		{func(o *incident.Observation) { o.Kind = "rain" }, "no type of XARF"},
		{func(o *incident.Observation) { o.Time = time.Time{} }, "needs a time"},
		{func(o *incident.Observation) { o.Reporter.Mail = "" }, "the reporter needs"},
		{func(o *incident.Observation) { o.Endpoints = nil }, "needs a source"},
		{func(o *incident.Observation) { o.Endpoints[0].Ports = "" }, "needs source_port"},
		{func(o *incident.Observation) { o.Protocol = "gre" }, "allowed are tcp"},
		{func(o *incident.Observation) { o.Kind = "phishing" }, "needs url"},
		{func(o *incident.Observation) { o.Count = -1 }, "count -1"},
	} {
		o := whole
		o.Endpoints = slices.Clone(whole.Endpoints)
		test.change(&o)
		_, err := XARF().Encode(&bytes.Buffer{}, slices.Values([]incident.Observation{o}))
		if test.want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, test.want)
		}
	}
}

func TestLossesAreNamed(t *testing.T) {
	o := incident.Observation{ID: "1", Kind: "x", Scheme: "y", Time: time.Unix(1e9, 5).UTC(), Foreign: []string{canonical("<a/>")}, Extra: []incident.Field{{Name: "n", Value: "v"}, {Name: "summary", Value: "s"}}}
	two := slices.Values([]incident.Observation{o, o})
	lost, err := AIRT(nil).Encode(&bytes.Buffer{}, two)
	require.NoError(t, err)
	assert.Equal(t, []incident.Loss{{Field: "extra", Count: 2}, {Field: "foreign", Count: 2}, {Field: "scheme", Count: 2}, {Field: "time", Count: 2}}, lost)
	lost, err = IODEF().Encode(&bytes.Buffer{}, two)
	require.NoError(t, err)
	assert.Equal(t, []incident.Loss{{Field: "scheme", Count: 2}}, lost)
	lost, err = XIRL().Encode(&bytes.Buffer{}, two)
	require.NoError(t, err)
	assert.Empty(t, lost)
}

func TestXARF4(t *testing.T) {
	doc := `{"xarf_version":"4.2.0","report_id":"9ac39cd1-85f3-4c31-ae87-a0a95f3ebc83","timestamp":"2025-01-11T09:21:23Z","reporter":{"org":"a","contact":"a@example.org","domain":"example.org"},
"sender":{"org":"b","contact":"b@example.net","domain":"example.net"},"source_identifier":"http://example.org/x","url":"http://example.org/x","category":"content","type":"phishing","last_seen":"2025-01-12T09:21:23Z",
"destination_ip":"198.51.100.1","destination_port":443,"confidence":0.85,"tags":["a:b",{"c":1}],"empty":"","_internal":{"ticket":1},"evidence":[{"content_type":"text/plain","payload":"YQ==","hash":"md5:0"}]}`
	list := decodeAll(t, XARF(), []byte(doc))
	require.Len(t, list, 1)
	o := list[0]
	assert.Equal(t, `9ac39cd1-85f3-4c31-ae87-a0a95f3ebc83|xarf content|phishing|2025-01-11T09:21:23Z|source http://example.org/x|target 198.51.100.1 443|text/plain "a"`, say(o))
	assert.Equal(t, 85, *o.Confidence)
	assert.Equal(t, 12, o.End.Day())
	assert.Equal(t, []string{"_internal", "evidence.hash"}, o.Left)
	assert.Equal(t, []incident.Field{{Name: "empty", Value: `""`, Type: "json"}, {Name: "sender.contact", Value: "b@example.net"}, {Name: "sender.domain", Value: "example.net"}, {Name: "sender.org", Value: "b"},
		{Name: "tags", Value: `["a:b",{"c":1}]`, Type: "json"}}, o.Extra)
	for change, want := range map[string]string{
		`"4.2.0"→"5.0.0"`:                              "allowed are 4.x.y",
		`"content"→"rain"`:                             "allowed are [messaging",
		`"2025-01-11T09:21:23Z"→"2025-01-11 09:21:23"`: "allowed is RFC 3339",
		`"org":"b",→`:                                  "sender.org is missing",
		`443→70000`:                                    "0 to 65535",
		`0.85→1.5`:                                     "0.0 to 1.0",
		`"url"→"url":"x","url"`:                        "stands twice",
		`"payload":"YQ==",→`:                           "needs content_type and payload",
		`"type":"phishing",→`:                          "type is missing",
	} {
		from, to, _ := strings.Cut(change, "→")
		assert.ErrorContains(t, firstError(XARF(), strings.Replace(doc, from, to, 1)), want, change)
	}
	var again bytes.Buffer
	_, err := XARF().Encode(&again, slices.Values(list))
	require.NoError(t, err)
	kept, err := keepXARF(o)
	require.NoError(t, err)
	assert.True(t, kept.Equal(decodeAll(t, XARF(), again.Bytes())[0]), again.String())
	assert.Contains(t, again.String(), `"sender":{"contact":"b@example.net"`)
	assert.Len(t, decodeAll(t, XARF(), []byte("["+doc+","+doc+"]\n"+doc)), 3)
}
