package xirl

import (
	"bytes"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Notice returns notices that programs write in plain text, in: a table whose
// header names an address and a time (Clean MX, Netcraft), a list of fields
// below a line "Offending/Source IP" (Webiron), Project Honey Pot's monitor
// report and the XML of Google Safe Browsing alerts. It is tried last: a text
// without one of these shapes is not recognised.
func Notice() incident.Format {
	return incident.Format{
		Name: "notice",
		Recognise: func(parts []incident.Part) bool {
			return anyPart(parts, func(p incident.Part) bool { return noticeReader(p) != nil })
		},
		DecodeMail: func(parts []incident.Part, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				for _, p := range leaves(parts) {
					read := noticeReader(p)
					if read == nil {
						continue
					}
					g := newGuard("notice", bytes.NewReader(p.Content), limits)
					count := 0
					read(g, func(o incident.Observation, err error) bool {
						if count++; count > g.limits.Incidents {
							yield(o, g.fail("more than %d incidents", g.limits.Incidents))
							return false
						}
						if o.Reporter.Mail == "" {
							o.Reporter.Mail = mailAddress(headerField(parts, "From"))
							o.Normalize()
						}
						return yield(o, err)
					})
					return // further parts say the same in HTML or another language
				}
			}
		},
	}
}

type yieldFunc = func(incident.Observation, error) bool

// noticeReader finds the reader for a part. Tables may stand anywhere in a
// text, so that this looks at more than the beginning of it.
func noticeReader(p incident.Part) func(*guard, yieldFunc) {
	if p.Type != "text/plain" {
		return nil
	}
	content := p.Content[:min(len(p.Content), 16*sniffed)]
	switch {
	case rootIs("notification_message")(p):
		return readSafeBrowsing
	case bytes.Contains(content, []byte("Project Honey Pot Monitor Report")):
		return readHoneyPot
	case bytes.Contains(content, []byte("Offending/Source IP:")):
		return readFieldList
	}
	known := commonColumns()
	for line := range bytes.Lines(content) {
		if header, _ := tableHeader(string(line), known); header != nil {
			return readTable
		}
	}
	return nil
}

// tableHeader takes the header of a table apart: columns between | or tabs, an
// address and a time among them.
func tableHeader(line string, known map[string]string) ([]string, string) {
	for _, comma := range []string{"|", "\t"} {
		if strings.Count(line, comma) < 2 {
			continue
		}
		header := lowerAll(tableCells(line, comma))
		has := func(at string) bool {
			return slices.ContainsFunc(header, func(name string) bool { return known[name] == at })
		}
		if has("source.ip") && has("time") {
			return header, comma
		}
	}
	return nil, ""
}

func tableCells(line, comma string) []string {
	cells := strings.Split(strings.Trim(strings.Trim(line, " \r\n"), comma), comma)
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	return cells
}

// ended yields an error that is more than the end of the input.
func ended(err error, yield yieldFunc) {
	if err != io.EOF {
		yield(incident.Observation{}, err)
	}
}

func readTable(g *guard, yield yieldFunc) {
	var header, places []string
	var comma, above string
	// A text in two languages has its table twice: what an earlier table had
	// is not said again.
	earlier, rows := map[string]bool{}, map[string]bool{}
	c := CSV{Columns: commonColumns()}
	c.Columns["virusname"], c.Columns["id"] = "kind", "id"
	var buffer []byte
	for {
		g.next()
		raw, err := g.readLine(buffer)
		if err != nil {
			ended(err, yield)
			return
		}
		buffer = raw
		line := string(raw)
		if h, by := tableHeader(line, c.Columns); h != nil {
			header, comma, places = h, by, nil
			maps.Copy(earlier, rows)
			for _, name := range header {
				places = append(places, c.Columns[name])
			}
			continue
		}
		if header == nil {
			if text := strings.TrimSpace(line); text != "" {
				above, _, _ = strings.Cut(text, " (")
			}
			continue
		}
		cells := tableCells(line, comma)
		if strings.Trim(line, "+-=| \r") == "" { // a rule between rows
			continue
		}
		if len(cells) != len(header) {
			header = nil
			continue
		}
		o := incident.Observation{Scheme: "notice", Logs: []incident.Log{{Data: []byte(line)}}}
		if err := c.row(&o, header, places, cells); err != nil {
			header = nil // the table has ended
			continue
		}
		if o.Kind == "" {
			o.Kind = above
		}
		if rows[line] = true; earlier[line] {
			continue
		}
		if !emit(g, o, yield) {
			return
		}
	}
}

// readFieldList reads "Offending/Source IP: a" and the lines "- Name: value"
// below it.
func readFieldList(g *guard, yield yieldFunc) {
	var o *incident.Observation
	var log strings.Builder
	flush := func() bool {
		if o == nil {
			return true
		}
		o.Logs = []incident.Log{{Data: []byte(log.String())}}
		going := emit(g, *o, yield)
		o = nil
		log.Reset()
		return going
	}
	begin := func(address string) {
		o = &incident.Observation{Scheme: "notice", Endpoints: []incident.Endpoint{{Role: incident.RoleSource}, {Role: incident.RoleTarget}}}
		place(&o.Endpoints[0], address)
	}
	address := ""
	var buffer []byte
	for {
		g.next()
		raw, err := g.readLine(buffer)
		if err != nil {
			if flush() {
				ended(err, yield)
			}
			return
		}
		buffer = raw
		name, v, ok := strings.Cut(strings.TrimLeft(string(raw), " -\t"), ":")
		v = strings.TrimSpace(v)
		if name == "Offending/Source IP" && v != "" {
			if !flush() {
				return
			}
			address = v
			begin(address)
			continue
		}
		if o == nil || !ok {
			continue
		}
		if name == "Issue" && o.Kind != "" { // the next event of the same source
			if !flush() {
				return
			}
			begin(address)
		}
		log.Write(raw)
		log.WriteByte('\n')
		switch name {
		case "Issue":
			o.Kind = v
		case "Time":
			o.Time, o.Zone, err = moment(v, nil)
			if err != nil {
				addExtra(o, name, v)
			}
		case "Port":
			if cellInto(&o.Endpoints[1], "port", v) != nil {
				addExtra(o, name, v)
			}
		case "Service":
			o.Service = v
		case "Report ID":
			o.ID = v
		case "Targeted Range":
			place(&o.Endpoints[1], v)
		case "Targeted URL":
			o.Endpoints[1].URL = v
		default:
			addExtra(o, name, v)
		}
		if len(o.Extra) > g.limits.Elements {
			yield(*o, g.fail("one event has more than %d fields", g.limits.Elements))
			return
		}
	}
}

// readHoneyPot reads addresses below headings, and below each the times it was
// seen.
func readHoneyPot(g *guard, yield yieldFunc) {
	kind, seen := "", false
	var source incident.Endpoint
	var pending *incident.Observation
	flush := func() bool {
		if pending == nil {
			return true
		}
		going := emit(g, *pending, yield)
		pending = nil
		return going
	}
	var buffer []byte
	for {
		g.next()
		raw, err := g.readLine(buffer)
		if err != nil {
			if flush() {
				ended(err, yield)
			}
			return
		}
		buffer = raw
		line := strings.TrimSpace(string(raw))
		if what, ok := strings.CutSuffix(line, " On Your Network:"); ok {
			kind, seen = strings.TrimPrefix(strings.TrimPrefix(what, "IPs Engaged In "), "Other "), false
			continue
		}
		address, mark, ok := strings.Cut(line, " (")
		e := incident.Endpoint{Role: incident.RoleSource}
		if ok && kind != "" && strings.HasSuffix(mark, ")") && cellInto(&e, "ip", address) == nil {
			source, seen = e, true
			continue
		}
		event, ok := strings.CutPrefix(line, "- ")
		if !ok || !seen {
			continue
		}
		if name, v, named := strings.Cut(event, ": "); named && pending != nil {
			addExtra(pending, name, v)
			pending.Logs[0].Data = fmt.Appendf(pending.Logs[0].Data, "\n%s", line)
			continue
		}
		if !flush() {
			return
		}
		pending = &incident.Observation{Kind: kind, Scheme: "notice", Endpoints: []incident.Endpoint{source}, Logs: []incident.Log{{Data: []byte(line)}}}
		if pending.Time, pending.Zone, err = moment(event, nil); err != nil {
			addExtra(pending, "date", event)
		}
	}
}

func readSafeBrowsing(g *guard, yield yieldFunc) {
	x := newXMLReader("notice", g, g.limits)
	fail := func(err error) { yield(incident.Observation{}, err) }
	root, err := x.begin()
	if err != nil {
		fail(err)
		return
	}
	for {
		x.item()
		list, err := x.kid()
		if err == nil && list != nil {
			err = x.fill(list)
		}
		if err != nil {
			fail(err)
			return
		}
		if list == nil {
			return
		}
		for _, u := range list.all("url_info") {
			o := incident.Observation{Kind: "safe browsing " + list.attr("type"), Scheme: "notice"}
			o.Time, o.Zone, _ = moment(root.attr("date"), nil)
			e := incident.Endpoint{Role: incident.RoleSource, URL: u.attr("url")}
			if ip := u.attr("ip"); ip != "" {
				place(&e, ip)
			}
			addressInto(&e, "asn", root.attr("asn"))
			o.Endpoints = []incident.Endpoint{e}
			if !emit(x.g, o, yield) {
				return
			}
		}
	}
}
