package xirl

import (
	"encoding/base64"
	"io"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// AIRTNamespace is the namespace of AIRT's own XML.
const AIRTNamespace = "http://infolab.uvt.nl/airt"

// AIRT returns AIRT's XML, in all dialects that its filters and versions wrote:
// in the namespace or not, with the prefix declared or not, with source_ip and
// dest_ip or with ip and a role, queuedata alone or in an importqueue, wrapped
// in technical_item or not. Several technicalInformation make one observation
// as long as they agree on time, protocol and number of attempts, and further
// ones of the same id otherwise. Process information is left out and named.
//
// A time without an offset is taken in the zone given, UTC for nil, and that is
// recorded. Encode writes what AIRT's own reader accepts: queuedata, an id, and
// logging with every incident (schema/airt.xsd).
func AIRT(zone *time.Location) incident.Format {
	return incident.Format{
		Name: "airt",
		Recognise: func(parts []incident.Part) bool {
			return anyPart(parts, func(p incident.Part) bool { return rootIs("airt")(p) || rootIs("importqueue")(p) })
		},
		Decode: func(r io.Reader, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				a := airtReader{x: newXMLReader("airt", r, limits), zone: zone, queue: map[string]*node{}}
				a.x.lax = true
				if err := a.read(yield); err != nil {
					yield(incident.Observation{}, err)
				}
			}
		},
		Encode: encodeAIRT,
	}
}

type airtReader struct {
	x     *xmlReader
	zone  *time.Location
	queue map[string]*node
	held  int64 // bytes of input in queue
	count int
}

func (a *airtReader) read(yield func(incident.Observation, error) bool) error {
	root, err := a.x.begin()
	if err != nil {
		return err
	}
	if root.local != "airt" && root.local != "importqueue" {
		return a.x.g.fail("the root element is %s; allowed is airt", root.local)
	}
	levels := 1
	for levels > 0 {
		a.x.item()
		n, err := a.x.kid()
		if err != nil {
			return err
		}
		if n == nil {
			levels--
			continue
		}
		if n.local == "importqueue" && levels == 1 {
			levels++
			continue
		}
		start := a.x.g.offset
		if err := a.x.fill(n); err != nil {
			return err
		}
		switch n.local {
		case "queuedata":
			if a.held += a.x.g.offset - start + 1024; a.held > int64(a.x.g.limits.Item) {
				return a.x.g.fail("queuedata of more than %d bytes wait for their incidents", a.x.g.limits.Item)
			}
			n.size = a.x.g.offset - start + 1024
			a.queue[strings.TrimPrefix(n.attr("ref"), "#")] = n
		case "incident":
			for _, o := range a.incident(n) {
				if a.count++; a.count > a.x.g.limits.Incidents {
					return a.x.g.fail("more than %d incidents", a.x.g.limits.Incidents)
				}
				if !emit(a.x.g, o, yield) {
					return nil
				}
			}
		case "contactData":
			if !yield(incident.Observation{}, a.x.g.errorf(nil, "contactData says whom to write to and reports nothing; allowed are incident and queuedata")) {
				return nil
			}
		}
	}
	if err := a.x.finish(); err != nil {
		return err
	}
	if left := slices.Sorted(maps.Keys(a.queue)); len(left) > 0 {
		return a.x.g.errorf(nil, "queuedata %q: its incident does not follow it", left)
	}
	return nil
}

// incident makes the observations of one incident.
func (a *airtReader) incident(n *node) []incident.Observation {
	base := incident.Observation{ID: n.attr("id")}
	if q := a.queue[base.ID]; q != nil {
		delete(a.queue, base.ID)
		a.held -= q.size
		base.Feed = strings.Trim(q.attr("filter")+" "+q.attr("version"), " ")
		base.Reporter.Name = q.first("sender").value()
		base.Kind = q.first("type").value()
		addExtra(&base, "summary", q.first("summary").value())
	}
	info := n.first("ticketInformation")
	if info != nil {
		a.ticket(&base, info)
	}
	var items []*node
	for _, t := range n.all("technicalInformation") {
		if wrapped := t.all("technical_item"); len(wrapped) > 0 {
			items = append(items, wrapped...)
		} else {
			items = append(items, t)
		}
	}
	if len(items) == 0 {
		return []incident.Observation{base}
	}
	var list []incident.Observation
	for _, item := range items {
		o := clone(base)
		a.technical(&o, item)
		if n := len(list); n > 0 && agree(list[n-1], o) {
			last := &list[n-1]
			last.Endpoints = append(last.Endpoints, o.Endpoints...)
			last.Logs = append(last.Logs, o.Logs...)
			last.Extra = append(last.Extra, o.Extra[len(base.Extra):]...)
			last.Left = append(last.Left, o.Left[len(base.Left):]...)
			continue
		}
		list = append(list, o)
	}
	return list
}

// agree reports whether the facts that an observation has only once are the
// same in both.
func agree(a, b incident.Observation) bool {
	return a.Time.Equal(b.Time) && a.Protocol == b.Protocol && a.Count == b.Count
}

func clone(o incident.Observation) incident.Observation {
	o.OtherIDs = append([]string(nil), o.OtherIDs...)
	o.Extra = append([]incident.Field(nil), o.Extra...)
	o.Left = append([]string(nil), o.Left...)
	return o
}

func addExtra(o *incident.Observation, name, value string) {
	if value != "" {
		o.Extra = append(o.Extra, incident.Field{Name: name, Value: value})
	}
}

func (a *airtReader) ticket(o *incident.Observation, info *node) {
	number := info.first("ticket_number")
	prefix, reference := info.first("prefix").value(), ""
	if number != nil {
		prefix, reference = number.first("prefix").value(), number.first("reference").value()
	}
	if id := prefix + reference; reference != "" && id != o.ID {
		if o.ID == "" {
			o.ID = id
		} else {
			o.OtherIDs = append(o.OtherIDs, id)
		}
	}
	if prefix != "" && reference == "" && prefix != o.Reporter.Name {
		if o.Reporter.Name == "" {
			o.Reporter.Name = prefix
		} else {
			addExtra(o, "prefix", prefix)
		}
	}
	if label := info.first("incident_type").value(); label != "" && label != o.Kind {
		if o.Kind == "" {
			o.Kind = label
		} else {
			addExtra(o, "incident_type", label)
		}
	}
	for _, k := range info.kids {
		switch k.local {
		case "", "ticket_number", "prefix", "incident_type":
		default:
			o.Left = append(o.Left, "ticketInformation."+k.local)
		}
	}
}

func (a *airtReader) technical(o *incident.Observation, item *node) {
	end := incident.Endpoint{}
	var source, target incident.Endpoint
	for _, k := range item.kids {
		v := k.value()
		if k.local == "" || v == "" && len(k.kids) == 0 {
			continue
		}
		switch k.local {
		case "ip":
			a.address(o, &end, k.local, v)
		case "source_ip":
			a.address(o, &source, k.local, v)
		case "dest_ip":
			a.address(o, &target, k.local, v)
		case "port":
			a.port(o, &end, k.local, v)
		case "source_port":
			a.port(o, &source, k.local, v)
		case "dest_port":
			a.port(o, &target, k.local, v)
		case "hostname":
			end.Host = v
		case "source_hostname":
			source.Host = v
		case "dest_hostname":
			target.Host = v
		case "macaddress", "mac_address":
			end.MAC = v
		case "source_mac_address":
			source.MAC = v
		case "addressrole":
			// AIRT's own writer puts the number of its table: 1 and 2 are
			// seeded as target and source.
			switch strings.ToLower(v) {
			case "source", "2":
				end.Role = incident.RoleSource
			case "target", "1":
				end.Role = incident.RoleTarget
			case "unknown", "0":
			default:
				addExtra(o, "addressrole", v)
			}
		case "protocol":
			o.Protocol = v
		case "number_attempts":
			if n, err := strconv.ParseInt(v, 10, 64); err == nil && n > 0 {
				o.Count = n
			} else {
				addExtra(o, k.local, v)
			}
		case "incident_time":
			t, assumed, err := moment(v, a.zone)
			if err != nil {
				addExtra(o, k.local, v)
			}
			o.Time, o.Zone = t, assumed
		case "logging":
			a.log(o, k)
		case "technical_id", "constituency", "owner", "source_owner", "time_dns_resolving", "added", "addedby", "mailtemplate":
			o.Left = append(o.Left, "technicalInformation."+k.local)
		default:
			addExtra(o, "technicalInformation."+k.local, v)
		}
	}
	source.Role, target.Role = incident.RoleSource, incident.RoleTarget
	for _, e := range []incident.Endpoint{source, target, end} {
		bare := e
		bare.Role = ""
		if bare != (incident.Endpoint{}) {
			o.Endpoints = append(o.Endpoints, e)
		}
	}
}

func (a *airtReader) log(o *incident.Observation, k *node) {
	data := []byte(k.content())
	if k.attr("encoding") == "base64" {
		if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(data))); err == nil {
			data = b
		}
	}
	o.Logs = append(o.Logs, incident.Log{Data: data})
}

func (a *airtReader) address(o *incident.Observation, e *incident.Endpoint, name, v string) {
	if addr, err := netip.ParseAddr(v); err == nil {
		e.Address = addr
	} else {
		addExtra(o, name, v)
	}
}

func (a *airtReader) port(o *incident.Observation, e *incident.Endpoint, name, v string) {
	if p, err := strconv.ParseUint(v, 10, 16); err == nil {
		e.Ports = strconv.FormatUint(p, 10)
	} else {
		addExtra(o, name, v)
	}
}

// keepAIRT returns what AIRT's XML can hold of an observation.
func keepAIRT(o incident.Observation) incident.Observation {
	kept := incident.Observation{ID: o.ID, Reporter: incident.Reporter{Name: o.Reporter.Name}, Feed: o.Feed, Kind: o.Kind, Time: o.Time, Protocol: o.Protocol, Count: o.Count}
	kept.Time = o.Time.Truncate(time.Second)
	for _, e := range o.Endpoints {
		held := incident.Endpoint{Role: e.Role, Address: e.Address, Host: e.Host, MAC: e.MAC}
		if !strings.ContainsAny(e.Ports, ",-") {
			held.Ports = e.Ports
		}
		bare := held
		bare.Role = ""
		if bare != (incident.Endpoint{}) {
			kept.Endpoints = append(kept.Endpoints, held)
		}
	}
	for _, log := range o.Logs {
		if len(log.Data) > 0 {
			kept.Logs = append(kept.Logs, incident.Log{Data: log.Data})
		}
	}
	for _, f := range o.Extra {
		if f.Name == "summary" && f.Type == "" && legalXML(f.Value) && f.Value == strings.Trim(f.Value, " \t\r\n") {
			kept.Extra = []incident.Field{f}
			break
		}
	}
	return kept
}

func encodeAIRT(w io.Writer, list iter.Seq[incident.Observation]) ([]incident.Loss, error) {
	x := newXMLWriter(w)
	x.start("airt:airt", "xmlns:airt", AIRTNamespace)
	var lost losses
	n := 0
	for o := range list {
		n++
		if err := o.Validate(); err != nil {
			return lost.list, err
		}
		if o.ID == "" { // an incident must have one; it tells nothing
			o.ID = "row" + strconv.Itoa(n)
		}
		kept := keepAIRT(o)
		lost.compare(o, kept)
		writeAIRT(x, kept)
	}
	x.leaf = false
	x.end()
	return lost.list, x.w.Flush()
}

func writeAIRT(x *xmlWriter, o incident.Observation) {
	summary := ""
	if len(o.Extra) > 0 {
		summary = o.Extra[0].Value
	}
	filter, version, _ := strings.Cut(o.Feed, " ")
	x.start("airt:queuedata", "ref", "#"+o.ID, "filter", filter, "version", version)
	x.must("airt:status", "open")
	x.must("airt:sender", o.Reporter.Name)
	x.must("airt:type", o.Kind)
	x.must("airt:summary", summary)
	x.end()
	x.start("airt:incident", "id", o.ID)
	x.start("airt:ticketInformation")
	x.must("airt:prefix", o.Reporter.Name)
	x.end()
	for i := range max(len(o.Endpoints), len(o.Logs), 1) {
		x.start("airt:technicalInformation")
		if i < len(o.Endpoints) {
			e := o.Endpoints[i]
			role := "Unknown"
			switch e.Role {
			case incident.RoleSource:
				role = "Source"
			case incident.RoleTarget:
				role = "Target"
			}
			x.must("airt:addressrole", role)
			if e.Address.IsValid() {
				x.must("airt:ip", e.Address.String())
			}
			x.element("airt:port", e.Ports)
			x.element("airt:hostname", e.Host)
			x.element("airt:macaddress", e.MAC)
		}
		if o.Count > 0 {
			x.must("airt:number_attempts", strconv.FormatInt(o.Count, 10))
		}
		x.element("airt:protocol", o.Protocol)
		if !o.Time.IsZero() {
			x.must("airt:incident_time", o.Time.Format(time.RFC3339))
		}
		text, encoding := "", ""
		if i < len(o.Logs) {
			text, encoding = encoded(string(o.Logs[i].Data))
		}
		x.must("airt:logging", text, "encoding", encoding)
		x.end()
	}
	x.end()
}
