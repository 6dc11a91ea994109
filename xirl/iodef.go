package xirl

import (
	"io"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Namespaces of IODEF version 2 (RFC 7970) and 1 (RFC 5070), and the one that
// AIRT writes.
const (
	iodef2    = "urn:ietf:params:xml:ns:iodef-2.0"
	iodef1    = "urn:ietf:params:xml:ns:iodef-1.0"
	iodefAIRT = "http://iana.org/iodef"
)

// IODEF returns the Incident Object Description Exchange Format: version 2 (RFC
// 7970) both ways, version 1 (RFC 5070) in. Each Incident is one observation;
// systems of all its EventData, however deep, become endpoints. An observation
// without a time cannot be written: GenerationTime is mandatory.
func IODEF() incident.Format {
	return incident.Format{
		Name: "iodef",
		Recognise: func(parts []incident.Part) bool {
			return anyPart(parts, rootIs("IODEF-Document", iodef2, iodef1, iodefAIRT))
		},
		Decode: func(r io.Reader, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return xmlItems("iodef", r, limits, "IODEF-Document", []string{iodef2, iodef1, iodefAIRT}, "Incident", readIODEF)
		},
		Encode: encodeIODEF,
	}
}

// xmlItems reads a document whose root holds items that are one observation
// each.
func xmlItems(name string, r io.Reader, limits incident.Limits, root string, spaces []string, item string, read func(*xmlReader, *node, []binding) (incident.Observation, bool)) iter.Seq2[incident.Observation, error] {
	return func(yield func(incident.Observation, error) bool) {
		x := newXMLReader(name, r, limits)
		err := func() error {
			top, err := x.begin()
			if err != nil {
				return err
			}
			if top.local != root || !slices.Contains(spaces, top.space) {
				return x.g.fail("the root element is {%s}%s; allowed is %s in %s", top.space, top.local, root, strings.Join(spaces, ", "))
			}
			for count := 0; ; {
				x.item()
				n, err := x.kid()
				if err != nil {
					return err
				}
				if n == nil {
					return x.finish()
				}
				scope := x.inScope()
				if err := x.fill(n); err != nil {
					return err
				}
				if item != "" && n.local != item {
					continue
				}
				o, ok := read(x, n, scope)
				if !ok {
					continue
				}
				if count++; count > x.g.limits.Incidents {
					return x.g.fail("more than %d incidents", x.g.limits.Incidents)
				}
				if !emit(x.g, o, yield) {
					return nil
				}
			}
		}()
		if err != nil {
			yield(incident.Observation{}, err)
		}
	}
}

func readIODEF(_ *xmlReader, n *node, scope []binding) (incident.Observation, bool) {
	o := incident.Observation{}
	if id := n.first("IncidentID"); id != nil {
		o.ID, o.Reporter.Domain = id.value(), id.attr("name")
	}
	if other := n.first("AlternativeID"); other != nil {
		for _, id := range other.all("IncidentID") {
			o.OtherIDs = append(o.OtherIDs, id.value())
		}
	}
	addExtra(&o, "purpose", strings.TrimPrefix(n.attr("purpose"), "reporting"))
	iodefTimes(&o, n, "StartTime", "DetectTime", "ReportTime", "GenerationTime")
	for _, contact := range n.all("Contact") {
		if role := contact.attr("role"); role != "creator" && role != "reporter" && o.Reporter.Name+o.Reporter.Mail != "" || role == "cc" || role == "victim" {
			o.Left = append(o.Left, "Contact")
			continue
		}
		o.Reporter.Name = contact.first("ContactName").value()
		o.Reporter.Mail = contact.first("Email", "EmailTo").value()
		if o.Reporter.Mail == "" {
			o.Reporter.Mail = contact.first("Email").value()
		}
	}
	iodefBody(&o, n, scope)
	return o, true
}

// iodefTimes takes the first time there is; the others stay as they were given.
func iodefTimes(o *incident.Observation, n *node, names ...string) {
	for _, name := range names {
		k := n.first(name)
		if k == nil {
			continue
		}
		t, assumed, err := moment(k.value(), nil)
		if err != nil || !o.Time.IsZero() {
			if name != "GenerationTime" {
				addExtra(o, name, k.value())
			}
			continue
		}
		o.Time, o.Zone = t, assumed
	}
	if k := n.first("EndTime"); k != nil {
		t, _, err := moment(k.value(), nil)
		if err == nil && o.End.IsZero() && !o.Time.IsZero() && !t.Before(o.Time) {
			o.End = t
		} else {
			addExtra(o, "EndTime", k.value())
		}
	}
}

// iodefBody reads what Incident and EventData share.
func iodefBody(o *incident.Observation, n *node, scope []binding) {
	for _, k := range n.kids {
		switch k.local {
		case "", "IncidentID", "AlternativeID", "StartTime", "EndTime", "DetectTime", "ReportTime", "GenerationTime":
		case "Contact":
			if n.local == "EventData" {
				o.Left = append(o.Left, "Contact")
			}
		case "Assessment":
			iodefAssessment(o, k)
		case "EventData":
			iodefTimes(o, k, "StartTime", "DetectTime", "ReportTime")
			iodefBody(o, k, scope)
		case "Flow":
			for _, system := range k.all("System") {
				iodefSystem(o, system)
			}
		case "Record":
			for _, data := range k.all("RecordData") {
				iodefRecord(o, data)
			}
		case "AdditionalData":
			iodefAdditional(o, k, scope)
		case "History", "Expectation", "RelatedActivity", "IndicatorData", "RecoveryTime":
			o.Left = append(o.Left, k.local)
		default: // Description, Method, Discovery ...
			k.walk(k.local+".", func(path string, leaf *node) { addExtra(o, path, leaf.value()) })
		}
	}
}

func iodefAssessment(o *incident.Observation, n *node) {
	for _, k := range n.kids {
		switch k.local {
		case "":
		case "IncidentCategory":
			if o.Kind == "" {
				o.Kind = k.value()
			} else {
				addExtra(o, "IncidentCategory", k.value())
			}
		case "Impact", "SystemImpact":
			kind := k.attr("type")
			if kind == "ext-type" || kind == "ext-value" {
				kind = k.attr("ext-type")
			}
			if kind != "" && kind != "unknown" {
				if o.Kind == "" {
					o.Kind = kind
				} else {
					addExtra(o, k.local+".type", kind)
				}
			}
			addExtra(o, k.local+".completion", k.attr("completion"))
			if k.attr("severity") != "" {
				o.Left = append(o.Left, k.local+".severity")
			}
		case "Confidence":
			rating := k.attr("rating")
			percent, err := strconv.ParseFloat(k.value(), 64)
			if rating == "numeric" && err == nil && percent >= 0 && percent <= 100 {
				whole := int(percent + 0.5)
				o.Confidence = &whole
			} else {
				addExtra(o, "Confidence", strings.TrimSpace(rating+" "+k.value()))
			}
		default:
			k.walk(k.local+".", func(path string, leaf *node) { addExtra(o, path, leaf.value()) })
		}
	}
}

func iodefSystem(o *incident.Observation, n *node) {
	role := incident.RoleUnknown
	switch category := n.attr("category"); category {
	case "source":
		role = incident.RoleSource
	case "target":
		role = incident.RoleTarget
	case "", "ext-value":
	default:
		addExtra(o, "System.category", category)
	}
	var ports []string
	for _, service := range n.all("Service") {
		protocol := service.attr("ip-protocol") + service.attr("ip_protocol")
		if o.Protocol == "" {
			o.Protocol = protocolName(protocol)
		}
		if o.Service == "" {
			o.Service = service.first("ServiceName", "IANAService").value()
		}
		for _, name := range []string{"Port", "Portlist"} {
			if v := service.first(name).value(); v != "" {
				ports = append(ports, v)
			}
		}
	}
	start := len(o.Endpoints)
	for _, node := range n.all("Node") {
		e := incident.Endpoint{Role: role, Host: node.first("DomainData", "Name").value()}
		if e.Host == "" {
			e.Host = node.first("NodeName").value()
		}
		for _, a := range node.all("Address") {
			full := e
			if !addressInto(&e, a.attr("category"), a.value()) { // the field is taken: one more endpoint
				if next := (incident.Endpoint{Role: role}); addressInto(&next, a.attr("category"), a.value()) {
					o.Endpoints = append(o.Endpoints, full)
					e = next
				} else {
					addExtra(o, "Address."+a.attr("category"), a.value())
				}
			}
		}
		o.Endpoints = append(o.Endpoints, e)
		iodefCounters(o, node)
	}
	if len(ports) > 0 && start == len(o.Endpoints) {
		o.Endpoints = append(o.Endpoints, incident.Endpoint{Role: role})
	}
	for i := range o.Endpoints[start:] {
		o.Endpoints[start+i].Ports = strings.Join(ports, ",")
	}
	iodefCounters(o, n)
	for _, d := range n.all("Description") {
		addExtra(o, "System.Description", d.value())
	}
}

func iodefCounters(o *incident.Observation, n *node) {
	for _, c := range n.all("Counter") {
		count, err := strconv.ParseInt(c.value(), 10, 64)
		if err == nil && count > 0 && o.Count == 0 && c.attr("duration") == "" && (c.attr("type") == "event" || c.attr("type") == "count" && c.attr("unit") == "event") {
			o.Count = count
		} else {
			addExtra(o, strings.Trim("Counter."+c.attr("type")+"."+c.attr("unit")+c.attr("duration"), "."), c.value())
		}
	}
}

// addressInto puts an address of one of IODEF's categories into its field; it
// is false if the field is taken or the value is none.
func addressInto(e *incident.Endpoint, category, v string) bool {
	set := func(field *string) bool {
		if *field != "" || v == "" {
			return false
		}
		*field = v
		return true
	}
	switch category {
	case "ipv4-addr", "ipv6-addr", "":
		a, err := netip.ParseAddr(v)
		if err != nil || e.Address.IsValid() {
			return false
		}
		e.Address = a
		return true
	case "ipv4-net", "ipv6-net":
		p, err := netip.ParsePrefix(v)
		if err != nil || e.Network.IsValid() || p.IsSingleIP() && e.Address.IsValid() {
			return false
		}
		e.Network = p
		return true
	case "asn":
		asn, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(v), "AS"), 10, 32)
		if err != nil || e.ASN != 0 {
			return false
		}
		e.ASN = uint32(asn)
		return true
	case "e-mail":
		return set(&e.Mail)
	case "site-uri":
		return set(&e.URL)
	case "mac":
		v = strings.ToLower(strings.ReplaceAll(v, "-", ":"))
		return len(v) == 17 && set(&e.MAC)
	}
	return false
}

// protocolName names the numbers of protocols that have a common name.
func protocolName(s string) string {
	switch s {
	case "1":
		return "icmp"
	case "6":
		return "tcp"
	case "17":
		return "udp"
	case "58":
		return "icmpv6"
	case "132":
		return "sctp"
	}
	return s
}

// protocolNumber is its inverse; false for a name that has no number here.
func protocolNumber(s string) (string, bool) {
	for _, n := range []string{"1", "6", "17", "58", "132"} {
		if protocolName(n) == s {
			return n, true
		}
	}
	_, err := strconv.ParseUint(s, 10, 8)
	return s, err == nil
}

func iodefRecord(o *incident.Observation, n *node) {
	for _, k := range n.kids {
		switch k.local {
		case "":
		case "RecordItem":
			log := incident.Log{Type: k.attr("formatid"), Name: k.attr("meaning"), Data: []byte(k.content())}
			if d := k.attr("dtype"); d == "byte" || d == "bytes" {
				log.Data = bytesOf(k.content())
			}
			o.Logs = append(o.Logs, log)
		default:
			k.walk("RecordData."+k.local+".", func(path string, leaf *node) { addExtra(o, path, leaf.value()) })
		}
	}
}

func iodefAdditional(o *incident.Observation, n *node, scope []binding) {
	for _, k := range n.kids {
		if k.local != "" {
			k.bindings = merge(merge(scope, n.bindings), k.bindings)
			if len(o.Foreign) >= 100 { // each declares all namespaces again
				o.Left = append(o.Left, "AdditionalData")
				return
			}
			o.Foreign = append(o.Foreign, k.markup())
		}
	}
	name := n.attr("meaning")
	if name == "" {
		name = "AdditionalData"
	}
	f := incident.Field{Name: name, Value: n.content()}
	switch n.attr("dtype") {
	case "json":
		f.Type = "json"
	case "byte", "bytes":
		f.Value = string(bytesOf(f.Value))
	case "xml":
		return
	}
	o.Extra = append(o.Extra, f)
}
