package xirl

import (
	"bytes"
	"iter"
	"net/netip"
	"path"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// XARFMail returns X-ARF 0.1 and 0.2, in: a mail whose second part is a flat
// YAML mapping in a file like report.txt, with evidence behind it. Parts that
// are not named, indented, quoted or encoded are read as well; BULK mails have
// several reports.
func XARFMail() incident.Format {
	return incident.Format{
		Name:      "x-arf",
		Recognise: func(parts []incident.Part) bool { return anyPart(parts, isXARFYAML) },
		DecodeMail: func(parts []incident.Part, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				g := newGuard("x-arf", strings.NewReader(""), limits)
				found := 0
				for i, p := range leaves(parts) {
					if !isXARFYAML(p) {
						continue
					}
					if found++; found > g.limits.Incidents {
						yield(incident.Observation{}, g.fail("more than %d reports", g.limits.Incidents))
						return
					}
					o, err := readXARFYAML(mailReport(parts), p, g)
					if err != nil {
						if !yield(o, err) {
							return
						}
						continue
					}
					for _, r := range leaves(parts)[i+1:] {
						if isXARFYAML(r) {
							break
						}
						if r.Depth == p.Depth && r.Type != "application/pgp-signature" {
							o.Logs = append(o.Logs, incident.Log{Type: r.Type, Name: r.Name, Data: r.Content})
						}
					}
					if !emit(g, o, yield) {
						return
					}
				}
				if found == 0 {
					yield(incident.Observation{}, g.errorf(nil, "no part is a YAML mapping with a Source and a Report-Type"))
				}
			}
		},
	}
}

// isXARFYAML looks for a mapping that says where something comes from, in a
// part that may be a report by its name, or has no name.
func isXARFYAML(p incident.Part) bool {
	switch strings.ToLower(path.Ext(p.Name)) {
	case ".txt", ".yaml", ".yml", "":
	default:
		return false
	}
	if !strings.HasPrefix(p.Type, "text/") && p.Type != "application/octet-stream" && p.Type != "application/yaml" || p.Type == "text/html" {
		return false
	}
	names := map[string]bool{}
	for line := range bytes.Lines(head(p)) {
		if name, _, ok := strings.Cut(string(line), ":"); ok {
			names[strings.ToLower(strings.TrimSpace(name))] = true
		}
	}
	return names["source"] && names["report-type"] || names["uri"] && names["ip"] && names["signature"]
}

func readXARFYAML(o incident.Observation, p incident.Part, g *guard) (incident.Observation, error) {
	source, target := incident.Endpoint{Role: incident.RoleSource}, incident.Endpoint{Role: incident.RoleTarget}
	values := map[string]string{}
	line := 0
	bad := func(reason string) error {
		e := g.errorf(nil, "%s", reason)
		e.Line = line
		return e
	}
	if len(p.Content) > g.limits.Item {
		return o, bad("the report is longer than " + strconv.Itoa(g.limits.Item) + " bytes")
	}
	var order []string
	for raw := range bytes.Lines(p.Content) {
		line++
		name, v, ok := strings.Cut(strings.TrimSpace(string(raw)), ":")
		if name == "..." || !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if _, twice := values[strings.ToLower(name)]; twice {
			return o, bad("the field " + name + " stands twice")
		}
		if len(values) >= g.limits.Elements {
			return o, bad("the report has more than " + strconv.Itoa(g.limits.Elements) + " fields")
		}
		values[strings.ToLower(name)] = yamlScalar(v)
		order = append(order, name)
	}
	for _, name := range order {
		v := values[strings.ToLower(name)]
		if v == "" {
			continue
		}
		switch strings.ToLower(name) {
		case "reported-from":
			o.Reporter.Mail = v
		case "category":
			o.Scheme = "x-arf " + v
		case "report-type", "signature":
			o.Kind = v
		case "report-id":
			o.ID = v
		case "date", "first_seen":
			t, assumed, err := moment(v, nil)
			if err != nil {
				addExtra(&o, name, v)
				continue
			}
			o.Time, o.Zone = t, assumed
		case "last_seen":
			if t, _, err := moment(v, nil); err == nil && !o.Time.IsZero() && !t.Before(o.Time) {
				o.End = t
			} else {
				addExtra(&o, name, v)
			}
		case "source", "ip":
			place(&source, v)
		case "domain":
			source.Host = v
		case "uri":
			source.URL = v
		case "asn":
			if !addressInto(&source, "asn", v) {
				addExtra(&o, name, v)
			}
		case "destination":
			place(&target, v)
		case "service":
			o.Service = v
		case "protocol":
			o.Protocol = v
		case "occurrences":
			if n, err := strconv.ParseInt(v, 10, 64); err == nil && n > 0 {
				o.Count = n
			} else {
				addExtra(&o, name, v)
			}
		case "port", "source-type", "destination-type", "version", "attachment":
		default:
			addExtra(&o, name, v)
		}
	}
	// The port is the attacked one, but where the source is a service itself.
	if port := values["port"]; port != "" {
		if source.Address.IsValid() && source.URL == "" && values["category"] == "abuse" {
			target.Ports = port
		} else {
			source.Ports = port
		}
	}
	o.Endpoints = []incident.Endpoint{source, target}
	if bare := (incident.Endpoint{Role: incident.RoleSource, Ports: source.Ports}); source == bare {
		return o, bad("the report has no Source")
	}
	return o, nil
}

// place puts an address, URL, mail address or name into its field.
func place(e *incident.Endpoint, v string) {
	if a, err := netip.ParseAddr(v); err == nil {
		e.Address = a
	} else if p, err := netip.ParsePrefix(v); err == nil {
		e.Network = p
	} else if strings.Contains(v, "://") {
		e.URL = v
	} else if strings.Contains(v, "@") {
		e.Mail = v
	} else {
		e.Host = v
	}
}

// yamlScalar reads a flat YAML value: a tag and quotes are taken off.
func yamlScalar(v string) string {
	v = strings.TrimSpace(v)
	if strings.HasPrefix(v, "!") {
		_, v, _ = strings.Cut(v, " ")
		v = strings.TrimSpace(v)
	}
	if n := len(v); n >= 2 && (v[0] == '\'' || v[0] == '"') && v[n-1] == v[0] {
		quote := v[:1]
		v = v[1 : n-1]
		if quote == "'" {
			v = strings.ReplaceAll(v, "''", "'")
		} else if s, err := strconv.Unquote(`"` + v + `"`); err == nil {
			v = s
		}
	}
	return v
}
