package xirl

// Feeds returns column maps of feeds that are known by name. They change
// without notice: take one as a beginning and correct it.
func Feeds() []CSV {
	return []CSV{
		{Name: "cymru-infected", Feed: "cymru", Comma: '|', Header: []string{"report", "ip", "asn", "timestamp", "comments", "asn_name"},
			Columns: map[string]string{"report": "kind", "ip": "source.ip", "asn": "source.asn", "timestamp": "time"}},
		{Name: "cymru-certname", Feed: "cymru", Comma: '|', Header: []string{"category", "address", "asn", "timestamp", "optional_information", "asninfo"},
			Columns: map[string]string{"category": "kind", "address": "source.ip", "asn": "source.asn", "timestamp": "time"}},
		{Name: "dshield-block", Feed: "dshield block", Kind: "blocklist", Comma: '\t',
			Columns: map[string]string{"start": "source.ip", "end": "-", "netmask": "source.bits", "attacks": "count"}},
		{Name: "dshield-as", Feed: "dshield as", Kind: "scan", Comma: '\t', Header: []string{"ip", "reports", "targets", "first_seen", "last_seen", "updated"},
			Columns: map[string]string{"ip": "source.ip", "reports": "count", "first_seen": "time", "last_seen": "end"}},
		{Name: "spamhaus-cert", Feed: "spamhaus cert", Comma: ',', Comment: ";",
			Header:  []string{"ip", "asn", "country", "lastseen", "botname", "domain", "remote_ip", "remote_port", "local_port", "protocol"},
			Columns: map[string]string{"ip": "source.ip", "asn": "source.asn", "lastseen": "time", "botname": "kind", "domain": "target", "remote_ip": "target", "remote_port": "target.port", "local_port": "source.port", "protocol": "protocol"}},
		{Name: "spamhaus-drop", Feed: "spamhaus drop", Kind: "blocklist", Comma: ';', Comment: ";", Header: []string{"network", "sbl"},
			Columns: map[string]string{"network": "source.ip", "sbl": "id"}},
		{Name: "dataplane", Feed: "dataplane", Comma: '|', Header: []string{"asn", "asname", "ipaddr", "lastseen", "category"},
			Columns: map[string]string{"asn": "source.asn", "ipaddr": "source.ip", "lastseen": "time", "category": "kind"}},
		{Name: "bambenek-ip", Feed: "bambenek ip", Kind: "c2", Comma: ',', Header: []string{"ip", "description", "date", "manual"},
			Columns: map[string]string{"ip": "source.ip", "date": "time"}},
		{Name: "bambenek-domain", Feed: "bambenek domain", Kind: "c2", Comma: ',', Header: []string{"domain", "description", "date", "manual"},
			Columns: map[string]string{"domain": "source.host", "date": "time"}},
		{Name: "openphish", Feed: "openphish", Kind: "phishing", Comma: '\t', Header: []string{"url"},
			Columns: map[string]string{"url": "source.url"}},
		{Name: "zone-h", Feed: "zone-h", Kind: "defacement", Comma: ',',
			Columns: map[string]string{"add_date": "time", "domain": "source", "ip_address": "source.ip", "defacement_id": "id"}},
	}
}
