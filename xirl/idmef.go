package xirl

import (
	"fmt"
	"io"
	"iter"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

const idmefSpace = "http://iana.org/idmef"

// IDMEF returns the Intrusion Detection Message Exchange Format (RFC 4765), in.
// Each Alert is one observation. A Heartbeat says that a sensor lives; it is
// refused as no incident.
func IDMEF() incident.Format {
	return incident.Format{
		Name:      "idmef",
		Recognise: func(parts []incident.Part) bool { return anyPart(parts, rootIs("IDMEF-Message", idmefSpace)) },
		Decode: func(r io.Reader, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				going := true
				items := xmlItems("idmef", r, limits, "IDMEF-Message", []string{idmefSpace}, "", func(x *xmlReader, n *node, _ []binding) (incident.Observation, bool) {
					if n.local == "Alert" {
						return readIDMEF(n), true
					}
					going = yield(incident.Observation{}, x.g.errorf(nil, "%s is no incident; allowed is Alert", n.local))
					return incident.Observation{}, false
				})
				for o, err := range items {
					if !going || !yield(o, err) {
						return
					}
				}
			}
		},
	}
}

func readIDMEF(n *node) incident.Observation {
	o := incident.Observation{ID: n.attr("messageid")}
	for _, k := range n.kids {
		switch k.local {
		case "":
		case "Analyzer":
			o.Reporter.Name = k.attr("analyzerid")
			o.Reporter.Domain = k.first("Node", "name").value()
			if k.first("Process") != nil {
				o.Left = append(o.Left, "Analyzer.Process")
			}
		case "DetectTime", "CreateTime", "AnalyzerTime":
			t, assumed, err := moment(k.value(), nil)
			// DetectTime stands after CreateTime and says more.
			if err == nil && (o.Time.IsZero() || k.local == "DetectTime") {
				o.Time, o.Zone = t, assumed
			} else if err != nil {
				addExtra(&o, k.local, k.value())
			}
		case "Classification":
			o.Kind = k.attr("text")
			for _, ref := range k.all("Reference") {
				addExtra(&o, "Reference."+ref.attr("origin"), ref.first("name").value())
				addExtra(&o, "Reference.url", ref.first("url").value())
			}
		case "Source":
			idmefEndpoint(&o, k, incident.RoleSource)
		case "Target":
			idmefEndpoint(&o, k, incident.RoleTarget)
		case "Assessment":
			if c := k.first("Confidence"); c != nil {
				idmefConfidence(&o, c)
			}
			if impact := k.first("Impact"); impact != nil {
				addExtra(&o, "Impact.type", impact.attr("type"))
				addExtra(&o, "Impact.completion", impact.attr("completion"))
				if impact.attr("severity") != "" {
					o.Left = append(o.Left, "Impact.severity")
				}
			}
			if k.first("Action") != nil {
				o.Left = append(o.Left, "Action")
			}
		case "AdditionalData":
			name := k.attr("meaning")
			if name == "" {
				name = "AdditionalData"
			}
			k.walk("", func(_ string, leaf *node) { addExtra(&o, name, leaf.value()) })
		default: // CorrelationAlert, ToolAlert, OverflowAlert
			k.walk(k.local+".", func(path string, leaf *node) { addExtra(&o, path, leaf.value()) })
		}
	}
	return o
}

func idmefConfidence(o *incident.Observation, n *node) {
	share, err := strconv.ParseFloat(n.value(), 64)
	if n.attr("rating") != "numeric" || err != nil || share < 0 || share > 1 {
		addExtra(o, "Confidence", strings.TrimSpace(n.attr("rating")+" "+n.value()))
		return
	}
	percent := int(share*100 + 0.5)
	o.Confidence = &percent
}

func idmefEndpoint(o *incident.Observation, n *node, role incident.Role) {
	var list []incident.Endpoint
	for _, node := range n.all("Node") {
		e := incident.Endpoint{Role: role, Host: node.first("name").value()}
		addresses := node.all("Address")
		for i, a := range addresses {
			if i > 0 {
				list = append(list, e)
				e = incident.Endpoint{Role: role}
			}
			if err := idmefAddress(&e, a); err != nil {
				addExtra(o, "Address."+a.attr("category"), a.first("address").value())
			}
		}
		list = append(list, e)
	}
	var ports []string
	for _, s := range n.all("Service") {
		if o.Protocol == "" {
			o.Protocol = protocolName(s.attr("iana_protocol_number"))
		}
		if o.Protocol == "" {
			o.Protocol = s.attr("iana_protocol_name")
		}
		if o.Service == "" {
			o.Service = s.first("name").value()
		}
		switch v := s.first("protocol").value(); {
		case v == "":
		case o.Protocol == "" && !strings.Contains(v, " "):
			o.Protocol = v
		default:
			addExtra(o, "Service.protocol", v)
		}
		for _, name := range []string{"port", "portlist"} {
			if v := s.first(name).value(); v != "" {
				ports = append(ports, strings.ReplaceAll(v, " ", ""))
			}
		}
	}
	if len(list) == 0 && len(ports) > 0 {
		list = append(list, incident.Endpoint{Role: role})
	}
	for i := range list {
		list[i].Ports = strings.Join(ports, ",")
	}
	o.Endpoints = append(o.Endpoints, list...)
	for _, name := range []string{"User", "Process", "File", "FileList"} {
		for _, k := range n.all(name) {
			if name == "User" {
				o.Left = append(o.Left, string(role)+".User")
				continue
			}
			k.walk(string(role)+"."+name+".", func(path string, leaf *node) { addExtra(o, path, leaf.value()) })
		}
	}
	for _, name := range []string{"spoofed", "decoy"} {
		if v := n.attr(name); v != "" && v != "unknown" {
			addExtra(o, string(role)+"."+name, v)
		}
	}
}

func idmefAddress(e *incident.Endpoint, a *node) error {
	v, mask := a.first("address").value(), a.first("netmask").value()
	switch category := a.attr("category"); category {
	case "ipv4-net-mask", "ipv6-net-mask":
		addr, err := netip.ParseAddr(v)
		if err != nil {
			return err
		}
		ones, err := maskBits(mask)
		if err != nil {
			return err
		}
		network := netip.PrefixFrom(addr, ones)
		if !network.IsValid() {
			return fmt.Errorf("netmask %q does not fit %v", mask, addr)
		}
		e.Network = network
		return nil
	case "ipv4-addr-hex":
		n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToLower(v), "0x"), 16, 32)
		if err != nil {
			return err
		}
		e.Address = netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		return nil
	default:
		if !addressInto(e, category, v) {
			return fmt.Errorf("%q is no %s", v, category)
		}
		return nil
	}
}

func maskBits(mask string) (int, error) {
	if n, err := strconv.Atoi(mask); err == nil {
		return n, nil
	}
	m, err := netip.ParseAddr(mask)
	if err != nil {
		return 0, err
	}
	ones, ended := 0, false
	for _, b := range m.AsSlice() {
		lead := bits.LeadingZeros8(^b)
		if ended && b != 0 || b<<lead != 0 {
			return 0, fmt.Errorf("%v is no netmask", m)
		}
		ones, ended = ones+lead, ended || lead < 8
	}
	return ones, nil
}
