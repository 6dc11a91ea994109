package xirl

import (
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

func bytesOf(text string) []byte {
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return []byte(text)
	}
	return b
}

// keepIODEF returns what an IODEF document can hold of an observation.
func keepIODEF(o incident.Observation) incident.Observation {
	kept := o
	kept.Feed, kept.Scheme, kept.Zone, kept.Left = "", "", "", nil
	kept.Endpoints = nil
	for _, e := range o.Endpoints {
		bare := e
		bare.Role, bare.Ports = "", ""
		if bare != (incident.Endpoint{}) {
			kept.Endpoints = append(kept.Endpoints, e)
		}
	}
	if number, ok := protocolNumber(o.Protocol); ok {
		kept.Protocol = protocolName(number)
	} else {
		kept.Protocol = ""
	}
	if len(kept.Endpoints) == 0 {
		kept.Protocol, kept.Service, kept.Count = "", "", 0
	}
	kept.Extra = nil
	for _, f := range o.Extra {
		if f.Type == "json" && !legalXML(f.Value) {
			continue // bytes have no second type beside them
		}
		kept.Extra = append(kept.Extra, f)
	}
	return kept
}

func encodeIODEF(w io.Writer, list iter.Seq[incident.Observation]) ([]incident.Loss, error) {
	x := newXMLWriter(w)
	var lost losses
	n := 0
	for o := range list {
		n++
		if n == 1 {
			x.start("IODEF-Document", "xmlns", iodef2, "version", "2.00", "xml:lang", "en")
		}
		if err := o.Validate(); err != nil {
			return lost.list, err
		}
		if o.Time.IsZero() {
			return lost.list, fmt.Errorf("iodef: observation %d has no time; GenerationTime is mandatory (RFC 7970, section 3.2)", n)
		}
		kept := keepIODEF(o)
		foreign, err := foreignMarkup(kept.Foreign)
		if err != nil {
			return lost.list, err
		}
		kept.Foreign = foreign
		lost.compare(o, kept)
		writeIODEF(x, kept)
	}
	if n == 0 {
		return nil, fmt.Errorf("iodef: no observation; a document has at least one Incident (RFC 7970, section 3.1)")
	}
	x.end()
	return lost.list, x.w.Flush()
}

func writeIODEF(x *xmlWriter, o incident.Observation) {
	x.start("Incident", "purpose", "reporting")
	writeIODEFID(x, o.ID, o.Reporter.Domain)
	if len(o.OtherIDs) > 0 {
		x.start("AlternativeID")
		for _, other := range o.OtherIDs {
			writeIODEFID(x, other, o.Reporter.Domain)
		}
		x.end()
	}
	x.must("StartTime", stamp(o.Time))
	x.element("EndTime", stamp(o.End))
	if o.End.IsZero() {
		x.must("GenerationTime", stamp(o.Time))
	} else {
		x.must("GenerationTime", stamp(o.End))
	}
	if o.Kind != "" || o.Confidence != nil {
		x.start("Assessment")
		x.element("IncidentCategory", o.Kind)
		x.must("SystemImpact", "", "type", "unknown")
		if o.Confidence != nil {
			x.must("Confidence", strconv.Itoa(*o.Confidence), "rating", "numeric")
		}
		x.end()
	}
	x.start("Contact", "role", "creator", "type", "organization")
	x.element("ContactName", o.Reporter.Name)
	if o.Reporter.Mail != "" {
		x.start("Email")
		x.must("EmailTo", o.Reporter.Mail)
		x.end()
	}
	x.end()
	if len(o.Endpoints)+len(o.Logs) > 0 {
		x.start("EventData")
		if len(o.Endpoints) > 0 {
			x.start("Flow")
			for i, e := range o.Endpoints {
				writeIODEFSystem(x, o, e, i == 0)
			}
			x.end()
		}
		if len(o.Logs) > 0 {
			x.start("Record")
			x.start("RecordData")
			for _, log := range o.Logs {
				text, encoding := encoded(string(log.Data))
				dtype := "string"
				if encoding != "" {
					dtype = "bytes"
				}
				x.must("RecordItem", text, "dtype", dtype, "meaning", log.Name, "formatid", log.Type)
			}
			x.end()
			x.end()
		}
		x.end()
	}
	for _, f := range o.Extra {
		text, encoding := encoded(f.Value)
		dtype := "string"
		if f.Type != "" {
			dtype = f.Type
		} else if encoding != "" {
			dtype = "bytes"
		}
		x.must("AdditionalData", text, "dtype", dtype, "meaning", f.Name)
	}
	for _, m := range o.Foreign {
		x.start("AdditionalData", "dtype", "xml")
		x.write(m)
		x.end()
	}
	x.end()
}

// writeIODEFID writes an IncidentID, whose name must be there even if it is
// empty.
func writeIODEFID(x *xmlWriter, id, name string) {
	x.write("\n", strings.Repeat("  ", len(x.open)), `<IncidentID name="`)
	x.escape(name)
	x.write(`">`)
	x.escape(id)
	x.write("</IncidentID>")
	x.leaf = false
}

func writeIODEFSystem(x *xmlWriter, o incident.Observation, e incident.Endpoint, first bool) {
	category, ext := string(e.Role), ""
	if e.Role == incident.RoleUnknown {
		category, ext = "ext-value", "unknown"
	}
	x.start("System", "category", category, "ext-category", ext)
	x.start("Node")
	if e.Host != "" {
		x.start("DomainData")
		x.must("Name", e.Host)
		x.end()
	}
	address := func(category, v string) { x.element("Address", v, "category", category) }
	family := func(is4 bool, suffix string) string {
		if is4 {
			return "ipv4-" + suffix
		}
		return "ipv6-" + suffix
	}
	if e.Address.IsValid() {
		address(family(e.Address.Is4(), "addr"), e.Address.String())
	}
	if e.Network.IsValid() {
		address(family(e.Network.Addr().Is4(), "net"), e.Network.String())
	}
	for _, a := range [][2]string{{"site-uri", e.URL}, {"e-mail", e.Mail}, {"mac", e.MAC}} {
		if a[1] != "" {
			address(a[0], a[1])
		}
	}
	if e.ASN > 0 {
		address("asn", strconv.FormatUint(uint64(e.ASN), 10))
	}
	x.end()
	number, _ := protocolNumber(o.Protocol)
	if e.Ports != "" || number != "" || o.Service != "" {
		x.start("Service", "ip-protocol", number)
		if o.Service != "" {
			x.start("ServiceName")
			x.must("IANAService", o.Service)
			x.end()
		}
		if strings.ContainsAny(e.Ports, ",-") {
			x.must("Portlist", e.Ports)
		} else {
			x.element("Port", e.Ports)
		}
		x.end()
	}
	if first && o.Count > 0 {
		x.must("Counter", strconv.FormatInt(o.Count, 10), "type", "count", "unit", "event")
	}
	x.end()
}
