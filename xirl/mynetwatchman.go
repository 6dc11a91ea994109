package xirl

import (
	"io"
	"iter"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// MyNetWatchman returns the mails of myNetWatchman, in: rows of firewall events
// about one source. Each row is one observation.
func MyNetWatchman() incident.Format {
	return incident.Format{
		Name: "mynetwatchman",
		Recognise: func(parts []incident.Part) bool {
			if strings.HasPrefix(headerField(parts, "Subject"), "myNetWatchman Incident [") {
				_, ok := firstText(parts)
				return ok
			}
			return anyPart(parts, func(p incident.Part) bool {
				return p.Type == "text/plain" && strings.HasPrefix(strings.TrimSpace(string(p.Content[:min(len(p.Content), 100)])), "myNetWatchman Incident [")
			})
		},
		DecodeMail: func(parts []incident.Part, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) { readMyNet(parts, limits, yield) }
		},
	}
}

func readMyNet(parts []incident.Part, limits incident.Limits, yield func(incident.Observation, error) bool) {
	text, _ := firstText(parts)
	g := newGuard("mynetwatchman", strings.NewReader(text), limits)
	base := mailReport(parts)
	base.ID, base.Scheme = "", "mynetwatchman"
	source := incident.Endpoint{Role: incident.RoleSource}
	title := regexp.MustCompile(`myNetWatchman Incident \[(\d+)\](?: Src:\(([^)]*)\))?`)
	zone := time.UTC
	heading := func(line string) {
		if m := title.FindStringSubmatch(line); m != nil {
			base.ID = m[1]
			if a, err := netip.ParseAddr(m[2]); err == nil {
				source.Address = a
			}
		}
	}
	heading(headerField(parts, "Subject"))
	var buffer []byte
	rows := 0
	for {
		g.next()
		line, err := g.readLine(buffer)
		if err != nil {
			if err != io.EOF {
				yield(incident.Observation{}, err)
			} else if rows == 0 {
				yield(incident.Observation{}, g.errorf(nil, "no row of events; allowed are lines of date, destination, protocol, port, description, source port, count"))
			}
			return
		}
		buffer = line
		text := strings.TrimSpace(string(line))
		name, v, _ := strings.Cut(text, ":")
		v = strings.TrimSpace(v)
		switch name {
		case "Source IP":
			if words := strings.Fields(v); len(words) > 0 {
				if a, err := netip.ParseAddr(words[0]); err == nil {
					source.Address = a
				}
			}
			continue
		case "Source DNS":
			source.Host = v
			continue
		case "Time Zone":
			if offset, ok := zones()[strings.ToUpper(v)]; ok {
				if t, err := time.Parse("-0700", offset); err == nil {
					_, seconds := t.Zone()
					zone = time.FixedZone(v, seconds)
				}
			}
			continue
		}
		heading(text)
		o, ok := myNetRow(strings.TrimPrefix(text, "EventRecord:"), zone)
		if !ok {
			continue
		}
		if rows++; rows > g.limits.Incidents {
			yield(o, g.fail("more than %d rows", g.limits.Incidents))
			return
		}
		o.ID, o.Reporter, o.Scheme = base.ID, base.Reporter, base.Scheme
		o.Endpoints[0].Address, o.Endpoints[0].Host = source.Address, source.Host
		if !emit(g, o, yield) {
			return
		}
	}
}

// myNetRow reads "[agent,] date time, destination, protocol, target port,
// description, source port, count".
func myNetRow(row string, zone *time.Location) (incident.Observation, bool) {
	cells := strings.Split(row, ",")
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	if len(cells) == 8 {
		cells = cells[1:] // who noticed it is nobody's business
	}
	if len(cells) != 7 {
		return incident.Observation{}, false
	}
	t, assumed, err := moment(cells[0], zone)
	if err != nil {
		return incident.Observation{}, false
	}
	o := incident.Observation{Time: t, Zone: assumed, Protocol: protocolName(cells[2]), Kind: cells[4],
		Endpoints: []incident.Endpoint{{Role: incident.RoleSource, Ports: cells[5]}, {Role: incident.RoleTarget, Ports: cells[3]}},
		Logs:      []incident.Log{{Data: []byte(row)}}}
	if octets := strings.Split(cells[1], "."); len(octets) == 4 { // the last ones are hidden: 198.51.x.x
		shown := 0
		for shown < 4 && octets[shown] != "x" {
			shown++
		}
		for i := shown; i < 4; i++ {
			octets[i] = "0"
		}
		if a, err := netip.ParseAddr(strings.Join(octets, ".")); err == nil && shown > 0 {
			o.Endpoints[1].Network = netip.PrefixFrom(a, 8*shown)
		}
	}
	if n, err := strconv.ParseInt(cells[6], 10, 64); err == nil && n > 0 {
		o.Count = n
	}
	return o, true
}
