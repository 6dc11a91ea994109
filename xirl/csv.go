package xirl

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// CSV is a column map: it makes a format out of any feed that has one event per
// line. The zero value reads files with a header line whose columns have
// common names. See [Feeds] for maps of known feeds.
type CSV struct {
	Name    string   // of the format; empty: csv
	Feed    string   // goes into Observation.Feed
	Kind    string   // goes into Observation.Kind where no column gives one
	Comma   byte     // between columns; 0: the one of , ; | and tab that gives most columns in the header or first row
	Comment string   // beginning of lines to skip; empty: #
	Header  []string // names of the columns of a file that has no header line

	// Columns says where a column goes, by its name in lower case, with _ for a space.
	// Allowed are
	//
	//	source.ip source.bits source.host source.port source.url source.mail
	//	source.mac source.asn, the same with target. and other., source, target
	//	and other for whatever it is, id time end kind protocol service count
	//	confidence, and - for a column to leave out.
	//
	// A column without a place becomes an extra field. Nil: common names.
	Columns map[string]string

	Zone *time.Location // of times without a zone; nil: UTC. What was assumed is recorded
}

// Format returns the format. It recognises nothing by itself: which feed a file
// is from is for the program to say. A row without a source that can be read is
// an error with its line, and the rows behind it follow. The row itself becomes the log.
// Bytes that are not UTF-8 are replaced, which Left says.
func (c CSV) Format() incident.Format {
	if c.Name == "" {
		c.Name = "csv"
	}
	return incident.Format{
		Name:      c.Name,
		Recognise: func([]incident.Part) bool { return false },
		Decode: func(r io.Reader, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				c.read(newGuard(c.Name, r, limits), yield)
			}
		},
	}
}

// read reads one file and reports whether to go on with another.
func (c CSV) read(g *guard, yield func(incident.Observation, error) bool) bool {
	if err := g.text(); err != nil {
		return yield(incident.Observation{}, err)
	}
	if c.Comment == "" {
		c.Comment = "#"
	}
	if c.Columns == nil {
		c.Columns = commonColumns()
	}
	header := c.Header
	count := 0
	var places []string
	for {
		g.next()
		line := g.line
		record, err := c.record(g)
		if err == io.EOF {
			if count == 0 && header == nil {
				return yield(incident.Observation{}, g.errorf(nil, "there is no header line"))
			}
			return true
		}
		if err != nil {
			return yield(incident.Observation{}, err)
		}
		if c.Comma == 0 {
			c.Comma = guessComma(record, len(c.Header))
		}
		cells, err := splitCells(record, c.Comma)
		if err == nil && len(cells) > g.limits.Elements {
			err = fmt.Errorf("more than %d columns", g.limits.Elements)
		}
		if header == nil && err == nil {
			header = lowerAll(cells)
			if !slices.ContainsFunc(header, func(name string) bool { return c.Columns[name] != "" && c.Columns[name] != "-" }) {
				return yield(incident.Observation{}, g.fail("no column of the header %.200q has a known name", header))
			}
			continue
		}
		if err == nil && places == nil {
			if places, err = c.places(header); err != nil {
				return yield(incident.Observation{}, g.fail("%v", err))
			}
		}
		if err == nil && slices.Equal(lowerAll(cells), header) {
			continue // some feeds repeat it
		}
		if count++; count > g.limits.Incidents {
			return yield(incident.Observation{}, g.fail("more than %d rows", g.limits.Incidents))
		}
		o := incident.Observation{Feed: c.Feed, Kind: c.Kind}
		clean := strings.ToValidUTF8(string(record), "\uFFFD")
		if len(clean) != len(record) || clean != string(record) {
			o.Left = append(o.Left, "bytes that are not UTF-8")
		}
		o.Logs = []incident.Log{{Type: "text/csv", Data: []byte(clean)}}
		if err == nil && len(cells) > len(header) {
			err = fmt.Errorf("the row has %d columns; the header names %d", len(cells), len(header))
		}
		if err == nil {
			err = c.row(&o, header, places, cells)
		}
		if err != nil {
			o.Normalize()
			e := g.errorf(err, "%v", err)
			e.Line = line
			if !yield(o, e) {
				return false
			}
			continue
		}
		if !emit(g, o, yield) {
			return false
		}
	}
}

// record returns the next line that is neither empty nor a comment, with the
// lines behind it while a quote is open.
func (c CSV) record(g *guard) ([]byte, error) {
	var record []byte
	quotes := 0
	for {
		line, err := g.readLine(nil)
		if err != nil {
			if err == io.EOF && record != nil {
				return record, nil // splitCells names the open quote
			}
			return nil, err
		}
		trimmed := bytes.TrimSpace(line)
		if record == nil && (len(trimmed) == 0 || bytes.HasPrefix(trimmed, []byte(c.Comment))) {
			g.next()
			continue
		}
		if record != nil {
			record = append(record, '\n')
		}
		record = append(record, line...)
		quotes += bytes.Count(line, []byte(`"`))
		if quotes%2 == 0 || record[0] != '"' && !bytes.Contains(record, []byte{c.Comma, '"'}) {
			return record, nil
		}
	}
}

// splitCells takes a record apart (RFC 4180). A quote inside of a cell that
// does not begin with one is a character like others.
func splitCells(record []byte, comma byte) ([]string, error) {
	var cells []string
	for {
		if len(record) > 0 && record[0] == '"' {
			var cell []byte
			rest := record[1:]
			for {
				i := bytes.IndexByte(rest, '"')
				if i < 0 {
					return nil, fmt.Errorf("a quote is not closed")
				}
				cell = append(cell, rest[:i]...)
				rest = rest[i+1:]
				if len(rest) == 0 || rest[0] != '"' {
					break
				}
				cell = append(cell, '"')
				rest = rest[1:]
			}
			if rest = bytes.TrimLeft(rest, " "); len(rest) > 0 && rest[0] != comma {
				return nil, fmt.Errorf("characters behind a closing quote")
			}
			cells = append(cells, strings.TrimSpace(string(cell)))
			if len(rest) == 0 {
				return cells, nil
			}
			record = rest[1:]
			continue
		}
		i := bytes.IndexByte(record, comma)
		if i < 0 {
			return append(cells, strings.TrimSpace(string(record))), nil
		}
		cells = append(cells, strings.TrimSpace(string(record[:i])))
		record = record[i+1:]
	}
}

func guessComma(record []byte, columns int) byte {
	best, most := byte(','), 0
	for _, comma := range []byte(",;|\t") {
		if n := bytes.Count(record, []byte{comma}); n > most || n > 0 && n+1 == columns {
			best, most = comma, n
		}
	}
	return best
}

func lowerAll(cells []string) []string {
	list := make([]string, len(cells))
	for i, c := range cells {
		list[i] = strings.ReplaceAll(strings.ToLower(c), " ", "_")
	}
	return list
}

// places says where each column goes.
func (c CSV) places(header []string) ([]string, error) {
	known := strings.Fields("- id time end kind protocol service count confidence")
	for _, side := range []string{"source", "target", "other"} {
		known = append(known, side)
		for field := range strings.FieldsSeq("ip bits host port url mail mac asn") {
			known = append(known, side+"."+field)
		}
	}
	places := make([]string, len(header))
	for i, name := range header {
		if places[i] = c.Columns[name]; places[i] != "" && !slices.Contains(known, places[i]) {
			return nil, fmt.Errorf("column %q goes to %q; allowed are %s", name, places[i], strings.Join(known, " "))
		}
	}
	return places, nil
}

// row puts the cells of a row where they belong. What cannot be read is kept as
// an extra field, but for the address and name of the source: without them the
// row says nothing.
func (c CSV) row(o *incident.Observation, header, places, cells []string) error {
	ends := [3]incident.Endpoint{{Role: incident.RoleSource}, {Role: incident.RoleTarget}, {}}
	for i, v := range cells {
		v = strings.ToValidUTF8(v, "\uFFFD")
		at := places[i]
		if v == "" || at == "-" || at != "" && (v == "-" || v == "?") {
			continue
		}
		var err error
		side, field, _ := strings.Cut(at, ".")
		switch side {
		case "source":
			if err = cellInto(&ends[0], field, v); err != nil && (field == "ip" || field == "bits" || field == "host") {
				return fmt.Errorf("column %s: %w", header[i], err)
			}
		case "target":
			err = cellInto(&ends[1], field, v)
		case "other":
			err = cellInto(&ends[2], field, v)
		default:
			err = c.cell(o, at, v)
		}
		if err != nil || at == "" {
			addExtra(o, header[i], v)
		}
	}
	o.Endpoints = ends[:]
	if ends == [3]incident.Endpoint{{Role: incident.RoleSource}, {Role: incident.RoleTarget}, {}} {
		return fmt.Errorf("the row names no system")
	}
	if o.Time.IsZero() { // the last time is all that is known
		o.Time, o.End = o.End, o.Time
	} else if o.End.Before(o.Time) {
		o.End = time.Time{}
	}
	return nil
}

func (c CSV) cell(o *incident.Observation, at, v string) (err error) {
	switch at {
	case "id":
		o.ID = v
	case "kind":
		o.Kind = v
	case "protocol":
		o.Protocol = protocolName(strings.ReplaceAll(v, " ", "-"))
	case "service":
		o.Service = v
	case "time", "end":
		t, assumed, err := moment(v, c.Zone)
		if err != nil {
			return err
		}
		if o.Zone = assumed; at == "time" {
			o.Time = t
		} else {
			o.End = t
		}
	case "count":
		var n uint64
		if n, err = strconv.ParseUint(v, 10, 63); err == nil {
			o.Count = int64(n)
		}
	case "confidence":
		n, err := strconv.ParseUint(strings.TrimSuffix(v, "%"), 10, 63)
		if err != nil || n > 100 {
			return fmt.Errorf("%.40q; allowed are 0 to 100", v)
		}
		percent := int(n)
		o.Confidence = &percent
	}
	return err
}

// cellInto puts a cell into a field of an endpoint.
func cellInto(e *incident.Endpoint, field, v string) error {
	switch field {
	case "":
		place(e, v)
	case "ip":
		a, err := netip.ParseAddr(unpadded(v))
		if err == nil {
			e.Address = a
			return nil
		}
		if e.Network, err = netip.ParsePrefix(v); err != nil {
			return fmt.Errorf("%.60q is no IP address and no network", v)
		}
	case "bits":
		n, err := strconv.Atoi(v)
		if err != nil || !e.Address.IsValid() || n < 0 || n > e.Address.BitLen() {
			return fmt.Errorf("%.40q; allowed is the length of a prefix behind its address", v)
		}
		e.Network, e.Address = netip.PrefixFrom(e.Address, n), netip.Addr{}
	case "host":
		if strings.ContainsAny(v, " \t") || strings.Trim(v, ".-") == "" {
			return fmt.Errorf("%.60q is no host name", v)
		}
		e.Host = v
	case "port":
		if n, err := strconv.ParseUint(v, 10, 16); err != nil {
			return fmt.Errorf("%.40q; allowed are ports, 0 to 65535", v)
		} else if n > 0 { // 0 stands for none in feeds
			e.Ports = strconv.FormatUint(n, 10)
		}
	case "url":
		e.URL = v
	case "mail":
		e.Mail = v
	case "mac":
		if !addressInto(e, "mac", v) {
			return fmt.Errorf("%.40q is no hardware address", v)
		}
	case "asn":
		if n, err := strconv.ParseUint(strings.TrimPrefix(strings.ToUpper(v), "AS"), 10, 32); err == nil {
			e.ASN = uint32(n)
		} else if v != "NA" {
			return fmt.Errorf("%.40q is no AS number", v)
		}
	}
	return nil
}

// unpadded takes off the zeros of addresses like 192.000.002.001, where every
// part has three digits and no octal number is meant.
func unpadded(v string) string {
	if len(v) != 15 {
		return v
	}
	parts := strings.Split(v, ".")
	for i, p := range parts {
		if len(p) != 3 {
			return v
		}
		if parts[i] = strings.TrimLeft(p, "0"); parts[i] == "" {
			parts[i] = "0"
		}
	}
	return strings.Join(parts, ".")
}

// commonColumns are names that columns have in feeds.
func commonColumns() map[string]string {
	columns := map[string]string{}
	for at, names := range map[string]string{
		"source.ip":   "ip addr ipaddr ip-addr ip_addr srcip src src_ip source_ip source.ip ip_address address sourceip",
		"source.host": "hostname host domain src_hostname source_host source.fqdn",
		"source.port": "port src_port source_port source.port srcport",
		"source.url":  "url src_url source_url source.url",
		"source.asn":  "asn src_asn source.asn",
		"target.ip":   "dst_ip dstip dst destination_ip target_ip destination.ip remote_ip",
		"target.port": "dst_port dstport destination_port target_port destination.port",
		"target.host": "dst_hostname dst_host destination_host destination.fqdn",
		"target.url":  "dst_url destination_url destination.url",
		"target.asn":  "dst_asn",
		"time":        "timestamp time date datetime event_time lastseen last_seen add_date time.source",
		"kind":        "type category kind classification.type report",
		"protocol":    "protocol proto transport",
		"count":       "count hits",
	} {
		for name := range strings.FieldsSeq(names) {
			columns[name] = at
		}
	}
	return columns
}
