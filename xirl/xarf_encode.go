package xirl

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

const xarfVersion = "4.2.0"

func xarfCategories() []string {
	return []string{"messaging", "content", "copyright", "connection", "vulnerability", "infrastructure", "reputation"}
}

// xarfNeeds says which fields XARF 4 wants for a type, beyond those of all
// (schemas of xarf/xarf-spec 4.2.0, MIT). A field with a star is wanted if the
// source is an address, in messaging if the protocol is smtp.
func xarfNeeds() map[string]string {
	return map[string]string{
		"messaging/spam":                    "protocol smtp_from* source_port*",
		"messaging/bulk_messaging":          "protocol recipient_count smtp_from* source_port*",
		"connection/login_attack":           "protocol first_seen source_port*",
		"connection/port_scan":              "protocol first_seen source_port*",
		"connection/ddos":                   "protocol first_seen source_port*",
		"connection/infected_host":          "protocol first_seen bot_type",
		"connection/reconnaissance":         "protocol first_seen probed_resources",
		"connection/scraping":               "protocol first_seen total_requests",
		"connection/sql_injection":          "protocol first_seen",
		"connection/vulnerability_scan":     "protocol first_seen scan_type",
		"vulnerability/cve":                 "service service_port cve_id",
		"vulnerability/open_service":        "service",
		"vulnerability/misconfiguration":    "service",
		"reputation/blocklist":              "threat_type",
		"reputation/threat_intelligence":    "threat_type",
		"infrastructure/botnet":             "compromise_evidence",
		"infrastructure/compromised_server": "compromise_method",
		"content/phishing":                  "url",
		"content/malware":                   "url",
		"content/csam":                      "url classification detection_method",
		"content/csem":                      "url exploitation_type detection_method",
		"content/exposed_data":              "url data_types exposure_method",
		"content/brand_infringement":        "url infringement_type legitimate_site",
		"content/fraud":                     "url fraud_type",
		"content/remote_compromise":         "url compromise_type",
		"content/suspicious_registration":   "url registration_date suspicious_indicators",
		"copyright/copyright":               "infringing_url",
		"copyright/p2p":                     "p2p_protocol swarm_info",
		"copyright/cyberlocker":             "infringing_url hosting_service",
		"copyright/ugc_platform":            "infringing_url platform_name",
		"copyright/link_site":               "infringing_url site_name",
		"copyright/usenet":                  "newsgroup message_info",
	}
}

// xarfType finds category and type: as XARF says them, or by a kind that names
// a type.
func xarfType(o incident.Observation) (string, string) {
	if category, ok := strings.CutPrefix(o.Scheme, "xarf "); ok && slices.Contains(xarfCategories(), category) {
		return category, o.Kind
	}
	kind := strings.NewReplacer("-", "_", " ", "_").Replace(strings.ToLower(o.Kind))
	kind = map[string]string{"portscan": "port_scan", "scan": "port_scan", "bot": "botnet", "abuse": "spam", "dos": "ddos", "loginattack": "login_attack", "bruteforce": "login_attack"}[kind] + "|" + kind
	for k := range strings.SplitSeq(kind, "|") {
		for _, category := range xarfCategories() {
			if _, ok := xarfNeeds()[category+"/"+k]; ok && k != "" {
				return category, k
			}
		}
	}
	return "", ""
}

// keepXARF returns what a XARF 4 report can hold, or why it can be none.
func keepXARF(o incident.Observation) (incident.Observation, error) {
	category, kind := xarfType(o)
	needs, known := xarfNeeds()[category+"/"+kind]
	if !known {
		return o, fmt.Errorf("xarf: kind %q of scheme %q is no type of XARF %s; allowed are those of its categories %v, like spam, phishing, malware, ddos, port_scan", o.Kind, o.Scheme, xarfVersion, xarfCategories())
	}
	kept := incident.Observation{ID: o.ID, Time: o.Time, End: o.End, Kind: kind, Scheme: "xarf " + category, Confidence: o.Confidence, Service: o.Service, Protocol: o.Protocol, Reporter: o.Reporter}
	if kept.Reporter.Domain == "" {
		kept.Reporter.Domain = o.Reporter.Mail[strings.LastIndexByte(o.Reporter.Mail, '@')+1:]
	}
	if category == "messaging" {
		if kept.Protocol = ""; kept.Service == "" {
			kept.Service = "smtp"
		}
	}
	if r := kept.Reporter; r.Name == "" || r.Mail == "" || r.Domain == "" || len(r.Name) > 200 {
		return o, errors.New("xarf: the reporter needs a name of 200 bytes at most, a mail address and a domain (org, contact, domain)")
	}
	if o.Time.IsZero() {
		return o, errors.New("xarf: the observation needs a time (timestamp)")
	}
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`).MatchString(o.ID) {
		kept.ID = computedUUID(o)
	}
	target := incident.Endpoint{Role: incident.RoleTarget}
	for _, e := range o.Endpoints {
		id := identifier(e)
		single, err := strconv.ParseUint(e.Ports, 10, 16)
		if err != nil || single == 0 {
			e.Ports = ""
		}
		switch {
		case e.Role != incident.RoleTarget && id != "" && len(kept.Endpoints) == 0:
			source := incident.Endpoint{Role: incident.RoleSource, URL: e.URL, Ports: e.Ports}
			place(&source, id)
			kept.Endpoints = append(kept.Endpoints, source)
		case e.Role == incident.RoleTarget && target == (incident.Endpoint{Role: incident.RoleTarget}):
			target.Address, target.Ports = e.Address, e.Ports
		}
	}
	if len(kept.Endpoints) == 0 {
		return o, errors.New("xarf: the observation needs a source (source_identifier)")
	}
	if target != (incident.Endpoint{Role: incident.RoleTarget}) {
		kept.Endpoints = append(kept.Endpoints, target)
	}
	for _, log := range o.Logs[:min(len(o.Logs), 50)] {
		if log.Type == "" {
			log.Type = "text/plain"
		}
		if len(log.Data) <= 5<<20 && len(log.Name) <= 500 {
			kept.Logs = append(kept.Logs, log)
		}
	}
	taken := slices.Sorted(strings.FieldsSeq("xarf_version report_id timestamp reporter sender source_identifier source_port category type evidence confidence url destination_ip destination_port protocol service _internal"))
	if !o.End.IsZero() {
		taken = append(taken, "last_seen")
	}
	for _, f := range o.Extra {
		if slices.Contains(taken, f.Name) || !legalXML(f.Value) {
			continue
		}
		if f.Type == "json" {
			var b bytes.Buffer
			if json.Compact(&b, []byte(f.Value)) != nil {
				continue
			}
			f.Value = b.String()
		}
		taken = append(taken, f.Name)
		kept.Extra = append(kept.Extra, f)
	}
	slices.SortFunc(kept.Extra, func(a, b incident.Field) int { return strings.Compare(a.Name, b.Name) })
	return kept, xarfMissing(kept, needs)
}

func xarfMissing(o incident.Observation, needs string) error {
	m := xarfObject(o)
	applies := o.Endpoints[0].Address.IsValid()
	if o.Scheme == "xarf messaging" {
		applies = o.Service == "smtp"
	}
	var missing []string
	for name := range strings.FieldsSeq(needs) {
		name, conditional := strings.CutSuffix(name, "*")
		if _, ok := m[name]; !ok && (!conditional || applies) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("xarf: a report of type %s needs %s", o.Kind, strings.Join(missing, ", "))
	}
	if p := o.Protocol; o.Scheme == "xarf connection" && p != "tcp" && p != "udp" && p != "icmp" && p != "sctp" {
		return fmt.Errorf("xarf: protocol %q; allowed are tcp, udp, icmp, sctp", p)
	}
	return nil
}

// identifier returns what names a source in one string.
func identifier(e incident.Endpoint) string {
	switch {
	case e.Address.IsValid():
		return e.Address.String()
	case e.Network.IsValid():
		return e.Network.String()
	case e.Mail != "":
		return e.Mail
	case e.Host != "":
		return e.Host
	}
	return e.URL
}

// computedUUID makes a UUID of version 8 (RFC 9562, section 5.8) out of the
// observation itself: the same report gets the same one.
func computedUUID(o incident.Observation) string {
	d := o.Digest()
	d[6], d[8] = d[6]&0x0f|0x80, d[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", d[0:4], d[4:6], d[6:8], d[8:10], d[10:16])
}

func xarfObject(o incident.Observation) map[string]any {
	party := func(r incident.Reporter) map[string]string {
		return map[string]string{"org": r.Name, "contact": r.Mail, "domain": r.Domain}
	}
	source := o.Endpoints[0]
	category := strings.TrimPrefix(o.Scheme, "xarf ")
	m := map[string]any{
		"xarf_version": xarfVersion, "report_id": o.ID, "timestamp": o.Time.Format(time.RFC3339Nano), "category": category, "type": o.Kind,
		"reporter": party(o.Reporter), "source_identifier": identifier(source),
	}
	sender := o.Reporter
	set := func(name, v string) {
		if v != "" {
			m[name] = v
		}
	}
	port := func(name, v string) {
		if n, err := strconv.Atoi(v); err == nil {
			m[name] = n
		}
	}
	port("source_port", source.Ports)
	if source.URL != identifier(source) || category == "content" {
		set("url", source.URL)
	}
	if len(o.Endpoints) > 1 {
		if a := o.Endpoints[1].Address; a != (netip.Addr{}) {
			m["destination_ip"] = a.String()
		}
		port("destination_port", o.Endpoints[1].Ports)
	}
	if category == "messaging" {
		set("protocol", o.Service)
	} else {
		set("protocol", o.Protocol)
		set("service", o.Service)
	}
	if category == "connection" {
		set("first_seen", o.Time.Format(time.RFC3339Nano))
	}
	if !o.End.IsZero() {
		set("last_seen", o.End.Format(time.RFC3339Nano))
	}
	if o.Confidence != nil {
		m["confidence"] = json.Number(strconv.FormatFloat(float64(*o.Confidence)/100, 'f', -1, 64))
	}
	for _, f := range o.Extra {
		switch f.Name {
		case "sender.org":
			sender.Name = f.Value
		case "sender.contact":
			sender.Mail = f.Value
		case "sender.domain":
			sender.Domain = f.Value
		default:
			m[f.Name] = f.Value
			if f.Type == "json" {
				m[f.Name] = json.RawMessage(f.Value)
			}
		}
	}
	m["sender"] = party(sender)
	var evidence []map[string]string
	for _, log := range o.Logs {
		item := map[string]string{"content_type": log.Type, "payload": base64.StdEncoding.EncodeToString(log.Data)}
		if log.Name != "" {
			item["description"] = log.Name
		}
		evidence = append(evidence, item)
	}
	if evidence != nil {
		m["evidence"] = evidence
	}
	return m
}

func encodeXARF(w io.Writer, list iter.Seq[incident.Observation]) ([]incident.Loss, error) {
	var lost losses
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for o := range list {
		if err := o.Validate(); err != nil {
			return lost.list, err
		}
		kept, err := keepXARF(o)
		if err != nil {
			return lost.list, err
		}
		lost.compare(o, kept)
		if err := e.Encode(xarfObject(kept)); err != nil {
			return lost.list, err
		}
	}
	return lost.list, nil
}
