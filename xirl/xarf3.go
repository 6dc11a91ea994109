package xirl

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// xarf3 reads versions 1 to 3 (schemas of abusix/xarf, MIT).
func xarf3(m object) (o incident.Observation, err error) {
	if err := xarf3Types(map[string]any(m), "", xarf3Kinds()); err != nil {
		return o, err
	}
	var errs []error
	who, err := m.object("ReporterInfo")
	errs = append(errs, err, xarf3Party(who, "Reporter"))
	behalf, err := m.object("OnBehalfOf")
	errs = append(errs, err)
	if behalf != nil {
		errs = append(errs, xarf3Party(behalf, "Complainant"))
		behalf.rest(&o, "OnBehalfOf.")
	}
	report, err := m.object("Report")
	errs = append(errs, err)
	if report == nil {
		return o, errors.Join(append(errs, errors.New("the report has no Report"))...)
	}
	if err := errors.Join(errs...); err != nil {
		return o, err
	}
	text := func(of object, name string) string {
		s, err := of.text(name)
		errs = append(errs, err)
		return s
	}
	o.Reporter = incident.Reporter{Name: text(who, "ReporterOrg"), Mail: text(who, "ReporterOrgEmail"), Domain: text(who, "ReporterOrgDomain")}
	for name := range who {
		o.Left = append(o.Left, "ReporterInfo."+name)
	}
	if _, ok := m["InternalProcessing"]; ok {
		o.Left = append(o.Left, "InternalProcessing")
		delete(m, "InternalProcessing")
	}
	class := text(report, "ReportClass")
	o.Kind, o.Scheme = text(report, "ReportType"), "xarf "+class
	if classes := []string{"Content", "Activity", "Vulnerability", "System", "Network"}; !slices.Contains(classes, class) { // the last two are in samples, not in schemas
		errs = append(errs, fmt.Errorf("ReportClass %q; allowed are %v", class, classes))
	}
	if o.Kind == "" {
		errs = append(errs, errors.New("ReportType is missing"))
	}
	if version := m["Version"]; o.Kind == "Malware" && report["SourceUrl"] == nil && (version == "1" || version == "2" || version == "alpha") {
		errs = append(errs, errors.New("SourceUrl is missing: a Malware report before version 3 has one"))
	}
	o.ID = text(report, "ReporterCaseID")
	errs = append(errs, xarf3Times(&o, report), xarf3Endpoints(&o, report))
	o.Service, o.Protocol = text(report, "ServiceName"), text(report, "TransportProtocol")
	errs = append(errs, xarfEvidence(&o, report, "Samples", "ContentType", "Payload", "Description"),
		xarfEvidence(&o, report, "Attachment", "ContentType", "Data", "Description"))
	delete(m, "Version")
	m.rest(&o, "")
	report.rest(&o, "")
	return o, errors.Join(errs...)
}

func xarf3Party(who object, prefix string) error {
	if who == nil {
		return fmt.Errorf("%sInfo is missing", prefix)
	}
	if who[prefix+"Type"] == "Person" {
		return nil
	}
	for _, field := range []string{"Org", "OrgDomain", "OrgEmail"} {
		if who[prefix+field] == nil {
			return fmt.Errorf("%s%s is missing", prefix, field)
		}
	}
	return nil
}

// xarf3Times: Date is the last time it was noticed, FirstSeen the first.
func xarf3Times(o *incident.Observation, report object) error {
	date, err := report.text("Date")
	if err != nil || date == "" {
		return errors.New("no Date, or one that is no text")
	}
	if o.Time, o.Zone, err = moment(date, nil); err != nil {
		return err
	}
	if first, ok := report["FirstSeen"].(string); ok {
		if t, _, err := moment(first, nil); err == nil && t.Before(o.Time) {
			o.Time, o.End = t, o.Time
			delete(report, "FirstSeen")
		}
	}
	return nil
}

func xarf3Endpoints(o *incident.Observation, report object) (err error) {
	source, target, attacker := incident.Endpoint{Role: incident.RoleSource}, incident.Endpoint{Role: incident.RoleTarget}, incident.Endpoint{}
	for name, e := range map[string]*incident.Endpoint{"Source": &source, "Destination": &target, "Attacker": &attacker} {
		var errs [3]error
		ip, url := "", ""
		ip, errs[0] = report.text(name + "Ip")
		url, errs[1] = report.text(name + "Url")
		e.Ports, errs[2] = report.port(name + "Port")
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
		if ip != "" {
			place(e, ip)
		}
		e.URL = url
	}
	if old, ok := report["Source"].(map[string]any); ok {
		delete(report, "Source")
		if ip, ok := old["IP"].(string); ok {
			place(&source, ip)
		}
	}
	if n, ok := report.take("ASN").(json.Number); ok {
		if asn, err := strconv.ParseUint(n.String(), 10, 32); err == nil {
			source.ASN = uint32(asn)
		}
	}
	account, err := report.object("Account")
	if err != nil {
		return err
	}
	if account != nil {
		if source.URL != "" || source.Address.IsValid() {
			return errors.New("a report about an Account names an attacker; SourceIp and SourceUrl are not allowed")
		}
		if len(account) == 0 {
			return errors.New("the Account is empty")
		}
		if source.Mail, err = account.text("AccountEmail"); err != nil {
			return err
		}
		account.rest(o, "Account.")
	}
	o.Endpoints = []incident.Endpoint{source, target, attacker}
	if bare := (incident.Endpoint{Role: incident.RoleSource, Ports: source.Ports}); source == bare && account == nil {
		return errors.New("the report names no source; allowed are SourceIp, SourceUrl or an Account")
	}
	return nil
}

// xarf3Types checks every field that the schemas know for its type, wherever it
// stands.
func xarf3Types(v any, name string, kinds map[string]string) error {
	bad := func(allowed string) error { return fmt.Errorf("%s is %.60v; allowed is %s", name, v, allowed) }
	switch t := v.(type) {
	case map[string]any:
		if kinds[name] != "" {
			return bad(kinds[name])
		}
		for _, k := range slices.Sorted(maps.Keys(t)) {
			if k == "Custom" || k == "AdditionalInfo" {
				continue
			}
			if err := xarf3Types(t[k], k, kinds); err != nil {
				return err
			}
		}
		return nil
	case []any:
		if name == "Samples" && len(t) == 0 {
			return bad("a list with something in it")
		}
		if kinds[name] != "" && !slices.Contains([]string{"EventTags", "DestinationPort", "AttackerPort"}, name) {
			return bad(kinds[name])
		}
		for _, item := range t {
			if err := xarf3Types(item, name, kinds); err != nil {
				return err
			}
		}
		return nil
	}
	kind := kinds[name]
	s, isText := v.(string)
	n, isNumber := v.(json.Number)
	ok := true
	switch kind {
	case "":
	case "text":
		ok = isText
	case "text of three characters and more":
		ok = isText && len(s) >= 3
	case "true or false":
		_, ok = v.(bool)
	case "an IP address":
		_, err := netip.ParseAddr(s)
		ok = isText && err == nil
	case "a port, 0 to 65535", "a whole number":
		whole, err := strconv.ParseInt(n.String(), 10, 64)
		ok = isNumber && err == nil && (kind == "a whole number" || whole >= 0 && whole <= 65535)
	case "a whole number from 0":
		_, err := strconv.ParseUint(n.String(), 10, 63)
		ok = isNumber && err == nil
	case "an AS number":
		asn, err := strconv.ParseUint(n.String(), 10, 32)
		ok = isNumber && err == nil && asn >= 1 && asn <= 4199999999
	case "a date and time":
		_, _, err := moment(s, nil)
		ok = isText && err == nil
	case "a host name":
		ok = isText && !strings.ContainsAny(s, " /@") && s != ""
	case "a mail address":
		ok = isText && strings.Contains(s, "@")
	case "a URL":
		ok = isText && strings.Contains(s, ":")
	case "low, medium or high":
		ok = s == "low" || s == "medium" || s == "high"
	case "a CVE id":
		ok = regexp.MustCompile(`^CVE-\d{4}-\d{4,7}$`).MatchString(s)
	case "a name that is no address":
		_, err := netip.ParseAddr(s)
		ok = isText && !strings.Contains(s, "@") && !strings.Contains(s, "://") && err != nil
	}
	if !ok {
		return bad(kind)
	}
	return nil
}

// xarf3Kinds says what the schemas allow in a field.
func xarf3Kinds() map[string]string {
	kinds := map[string]string{}
	for kind, names := range map[string]string{
		"text":                              "ReportType ReportSubType ReporterCaseID ReporterNotes InfringedMaterial MaterialType ServiceName ServiceVersion ContentType Description Payload FileName HashValue EventTags ID TransportProtocol BotnetName MalwareName",
		"text of three characters and more": "ReporterOrg ReporterContactName ReporterContactPhone ComplainantOrg ComplainantContactName ComplainantContactPhone",
		"true or false":                     "Disclosure Ongoing Base64Encoded",
		"an IP address":                     "SourceIp DestinationIp AttackerIp",
		"a port, 0 to 65535":                "SourcePort DestinationPort AttackerPort",
		"a whole number":                    "ByteCount PacketCount",
		"a whole number from 0":             "FileSize",
		"an AS number":                      "ASN",
		"a date and time":                   "Date FirstSeen",
		"a host name":                       "ReporterOrgDomain ComplainantOrgDomain RpzDomain",
		"a mail address":                    "ReporterOrgEmail ReporterContactEmail ComplainantOrgEmail ComplainantContactEmail SmtpMailFromAddress SmtpRcptToAddress",
		"a URL":                             "SourceUrl",
		"low, medium or high":               "ReporterSeverity",
		"a CVE id":                          "CVE",
		"a name that is no address":         "AccountIdentifier",
	} {
		for name := range strings.FieldsSeq(names) {
			kinds[name] = kind
		}
	}
	return kinds
}
