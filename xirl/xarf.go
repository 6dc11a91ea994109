package xirl

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/airtight-csirt/airtight/incident"
)

// XARF returns the JSON formats of X-ARF: versions 1 to 3 (ReporterInfo, Report)
// and XARF 4 in, XARF 4 out. A document is one object, an array of them, or one
// per line; Encode writes one per line. In mail the object is a part of type
// application/json, in version 3 inside of an ARF envelope.
//
// Kind is the report's type, Scheme "xarf" and its category or class. XARF 4
// asks for a reporter with name, mail and domain, a source, and by type for
// more: Encode names what is missing. An ID that is no UUID gets one that is
// computed from the observation.
func XARF() incident.Format {
	return incident.Format{
		Name: "xarf",
		Recognise: func(parts []incident.Part) bool {
			return anyPart(parts, func(p incident.Part) bool {
				b := bytes.TrimLeft(head(p), "\xef\xbb\xbf \t\r\n[")
				return bytes.HasPrefix(b, []byte("{")) && (bytes.Contains(b, []byte(`"xarf_version"`)) || bytes.Contains(b, []byte(`"ReporterInfo"`)) || bytes.Contains(b, []byte(`"ReportClass"`)))
			})
		},
		Decode: func(r io.Reader, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) { readXARF(newGuard("xarf", r, limits), yield) }
		},
		Encode: encodeXARF,
	}
}

func readXARF(g *guard, yield func(incident.Observation, error) bool) {
	if err := g.text(); err != nil {
		yield(incident.Observation{}, err)
		return
	}
	d := json.NewDecoder(g)
	d.UseNumber()
	count := 0
	one := func(raw json.RawMessage) bool {
		if count++; count > g.limits.Incidents {
			yield(incident.Observation{}, g.fail("more than %d reports", g.limits.Incidents))
			return false
		}
		o, err := xarfReport(raw, g)
		if err != nil {
			o.Normalize()
			return yield(o, g.wrap(err))
		}
		return emit(g, o, yield)
	}
	for {
		g.next()
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) && count > 0 {
			return
		}
		if err != nil {
			yield(incident.Observation{}, g.wrap(fmt.Errorf("no JSON object: %w", err)))
			return
		}
		if !utf8.Valid(raw) {
			yield(incident.Observation{}, g.fail("the text is not UTF-8; allowed is UTF-8"))
			return
		}
		if err := shallow(raw, g); err != nil {
			yield(incident.Observation{}, err)
			return
		}
		var list []json.RawMessage
		if json.Unmarshal(raw, &list) != nil {
			list = []json.RawMessage{raw}
		}
		for _, raw := range list {
			if !one(raw) {
				return
			}
		}
	}
}

// shallow checks nesting and the number of values before anything is built.
func shallow(raw []byte, g *guard) error {
	depth, values, inside := 0, 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case inside:
			if c == '\\' {
				i++
			} else if c == '"' {
				inside = false
			}
		case c == '"':
			inside = true
		case c == '{', c == '[':
			if depth++; depth > g.limits.Depth {
				return g.fail("values nested deeper than %d", g.limits.Depth)
			}
			values++
		case c == '}', c == ']':
			depth--
		case c == ',':
			values++
		}
		if values > g.limits.Elements {
			return g.fail("one document has more than %d values", g.limits.Elements)
		}
	}
	return nil
}

// object is a JSON object that is read field by field; what nobody took is
// left in it.
type object map[string]any

func xarfReport(raw json.RawMessage, g *guard) (incident.Observation, error) {
	if err := uniqueKeys(raw); err != nil {
		return incident.Observation{}, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m object
	if err := d.Decode(&m); err != nil || m == nil {
		return incident.Observation{}, errors.New("the report is no JSON object")
	}
	if _, ok := m["xarf_version"]; ok {
		return xarf4(m)
	}
	if _, ok := m["ReporterInfo"]; ok || m["Version"] != nil {
		return xarf3(m)
	}
	return incident.Observation{}, errors.New("neither xarf_version (XARF 4) nor Version and ReporterInfo (1 to 3)")
}

// uniqueKeys refuses objects that say the same twice at the top: readers
// differ on which one counts.
func uniqueKeys(raw json.RawMessage) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	seen := map[string]bool{}
	depth, key := 0, true
	for {
		token, err := d.Token()
		if err != nil {
			return nil // the end, or what Decode names better
		}
		switch t := token.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				depth++
			} else {
				depth--
			}
			key = true
			continue
		case string:
			if depth == 1 && key {
				if seen[t] {
					return fmt.Errorf("the field %q stands twice", t)
				}
				seen[t] = true
				key = false
				continue
			}
		}
		key = true
	}
}

func (m object) take(name string) any {
	v := m[name]
	delete(m, name)
	return v
}

// text takes a field that must be a string if it is there.
func (m object) text(name string) (string, error) {
	switch v := m.take(name).(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	default:
		return "", fmt.Errorf("%s is %v; allowed is text", name, v)
	}
}

func (m object) object(name string) (object, error) {
	switch v := m.take(name).(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return v, nil
	default:
		return nil, fmt.Errorf("%s is %.40v; allowed is an object", name, v)
	}
}

// port takes a port or a list of them.
func (m object) port(name string) (string, error) {
	v := m.take(name)
	list, ok := v.([]any)
	if !ok && v != nil {
		list = []any{v}
	}
	var ports []string
	for _, v := range list {
		n, ok := v.(json.Number)
		port, err := strconv.ParseUint(n.String(), 10, 16)
		if !ok || err != nil {
			return "", fmt.Errorf("%s is %v; allowed are whole numbers from 0 to 65535", name, v)
		}
		ports = append(ports, strconv.FormatUint(port, 10))
	}
	return strings.Join(ports, ","), nil
}

// rest keeps what nobody took, sorted by name.
func (m object) rest(o *incident.Observation, prefix string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if s, ok := m[name].(string); ok && s != "" {
			addExtra(o, prefix+name, s)
			continue
		}
		o.Extra = append(o.Extra, incident.Field{Name: prefix + name, Value: compactJSON(m[name]), Type: "json"})
	}
}

func compactJSON(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // values that were JSON before
	return strings.TrimSuffix(b.String(), "\n")
}

func xarf4(m object) (o incident.Observation, err error) {
	var errs []error
	text := func(name string) string {
		s, err := m.text(name)
		errs = append(errs, err)
		return s
	}
	must := func(name string) string {
		s := text(name)
		if s == "" {
			errs = append(errs, fmt.Errorf("%s is missing", name))
		}
		return s
	}
	if v := must("xarf_version"); !regexp.MustCompile(`^4\.\d+\.\d+$`).MatchString(v) {
		errs = append(errs, fmt.Errorf("xarf_version %q; allowed are 4.x.y", v))
	}
	o.ID = must("report_id")
	category := must("category")
	if category != "" && !slices.Contains(xarfCategories(), category) {
		errs = append(errs, fmt.Errorf("category %q; allowed are %v", category, xarfCategories()))
	}
	o.Kind, o.Scheme = must("type"), "xarf "+category
	stamp := must("timestamp")
	if o.Time, o.Zone, err = moment(stamp, nil); err != nil || o.Zone != "" {
		errs = append(errs, fmt.Errorf("timestamp %q; allowed is RFC 3339", stamp))
	}
	if first, ok := m["first_seen"].(string); ok {
		if t, _, err := moment(first, nil); err == nil && t.Equal(o.Time) {
			delete(m, "first_seen")
		}
	}
	if last, ok := m["last_seen"].(string); ok {
		if t, _, err := moment(last, nil); err == nil && !t.Before(o.Time) {
			o.End = t
			delete(m, "last_seen")
		}
	}
	var sender incident.Reporter
	for name, r := range map[string]*incident.Reporter{"reporter": &o.Reporter, "sender": &sender} {
		who, err := m.object(name)
		errs = append(errs, err)
		for field, to := range map[string]*string{"org": &r.Name, "contact": &r.Mail, "domain": &r.Domain} {
			if *to, err = who.text(field); err != nil || *to == "" {
				errs = append(errs, fmt.Errorf("%s.%s is missing or no text", name, field))
			}
		}
	}
	if sender != o.Reporter {
		addExtra(&o, "sender.contact", sender.Mail)
		addExtra(&o, "sender.domain", sender.Domain)
		addExtra(&o, "sender.org", sender.Name)
	}
	source, target := incident.Endpoint{Role: incident.RoleSource}, incident.Endpoint{Role: incident.RoleTarget}
	place(&source, must("source_identifier"))
	if source.Ports, err = m.port("source_port"); err != nil {
		errs = append(errs, err)
	}
	if url, ok := m["url"].(string); ok && (source.URL == "" || source.URL == url) && url != "" {
		source.URL = url
		delete(m, "url")
	}
	if ip := text("destination_ip"); ip != "" {
		place(&target, ip)
	}
	if target.Ports, err = m.port("destination_port"); err != nil {
		errs = append(errs, err)
	}
	o.Endpoints = []incident.Endpoint{source, target}
	o.Service = text("service")
	if protocol := text("protocol"); category == "messaging" && o.Service == "" {
		o.Service = protocol
	} else {
		o.Protocol = protocol
	}
	if n, ok := m["confidence"].(json.Number); ok {
		share, err := n.Float64()
		percent := math.Round(share * 100)
		if err != nil || share < 0 || share > 1 {
			errs = append(errs, fmt.Errorf("confidence %v; allowed are 0.0 to 1.0", n))
		} else if math.Abs(share*100-percent) < 1e-9 {
			whole := int(percent)
			o.Confidence = &whole
			delete(m, "confidence")
		}
	}
	errs = append(errs, xarfEvidence(&o, m, "evidence", "content_type", "payload", "description"))
	if _, ok := m["_internal"]; ok {
		o.Left = append(o.Left, "_internal")
		delete(m, "_internal")
	}
	m.rest(&o, "")
	slices.SortFunc(o.Extra, func(a, b incident.Field) int { return strings.Compare(a.Name, b.Name) })
	return o, errors.Join(errs...)
}

// xarfEvidence takes the list of evidence; payloads are base64, but where a
// field Base64Encoded says no.
func xarfEvidence(o *incident.Observation, m object, list, kind, payload, description string) error {
	v := m.take(list)
	if v == nil {
		return nil
	}
	items, ok := v.([]any)
	if !ok {
		return fmt.Errorf("%s is %.40v; allowed is a list", list, v)
	}
	for i, v := range items {
		fields, ok := v.(map[string]any)
		if !ok {
			return fmt.Errorf("%s %d is %.40v; allowed is an object", list, i+1, v)
		}
		item := object(fields)
		var log incident.Log
		var errs []error
		text := func(name string) string {
			s, err := item.text(name)
			errs = append(errs, err)
			return s
		}
		data, hasPayload := item[payload]
		log.Type, log.Name = text(kind), text(description)
		raw := text(payload)
		file := text("FileName")
		if log.Name == "" {
			log.Name = file
		}
		if file == "" && (log.Type == "" || !hasPayload || data == nil) {
			errs = append(errs, fmt.Errorf("%s %d needs %s and %s", list, i+1, kind, payload))
		}
		log.Data = []byte(raw)
		encoded, said := item.take("Base64Encoded").(bool)
		if list == "evidence" || list == "Attachment" || said && encoded {
			b, err := base64.StdEncoding.DecodeString(raw)
			if err != nil {
				b, err = base64.RawStdEncoding.DecodeString(raw)
			}
			if err == nil {
				log.Data = b
			} else { // cut off or mangled on its way: the text is evidence still
				o.Left = append(o.Left, list+": base64 that cannot be decoded, kept as text")
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		for name := range item {
			o.Left = append(o.Left, list+"."+name)
		}
		o.Logs = append(o.Logs, log)
	}
	return nil
}
