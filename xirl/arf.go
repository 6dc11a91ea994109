package xirl

import (
	"iter"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// ARF returns the Abuse Reporting Format of mail feedback loops (RFC 5965, with
// RFC 6430, 6591, 6652 and the Source-Port of RFC 6692), in. Each
// message/feedback-report is one observation, and the message that came with it
// its log. Without a Source-IP the address comes out of the topmost Received
// field that has one, and an extra field says so. Hotmail's complaints, which
// have the message and a subject only, are read as well.
func ARF() incident.Format {
	return incident.Format{
		Name: "arf",
		Recognise: func(parts []incident.Part) bool {
			return anyPart(parts, isFeedback) || isHotmail(parts)
		},
		DecodeMail: func(parts []incident.Part, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				g := newGuard("arf", strings.NewReader(""), limits)
				found := 0
				for i, p := range leaves(parts) {
					if !isFeedback(p) && !(isHotmail(parts) && p.Type == "message/rfc822") {
						continue
					}
					if found++; found > g.limits.Incidents {
						yield(incident.Observation{}, g.fail("more than %d reports", g.limits.Incidents))
						return
					}
					o := mailReport(parts)
					if isFeedback(p) {
						if err := readARF(&o, p, leaves(parts)[i+1:], g); err != nil {
							if !yield(o, err) {
								return
							}
							continue
						}
					} else {
						o.Kind, o.Scheme = "abuse", "hotmail"
						o.Logs = []incident.Log{{Type: p.Type, Data: p.Content}}
						addr := strings.TrimPrefix(headerField(parts, "Subject"), hotmailSubject)
						if a, err := netip.ParseAddr(strings.Trim(addr, "[] ")); err == nil {
							o.Endpoints = []incident.Endpoint{{Role: incident.RoleSource, Address: a}}
						}
						o.Time, o.Zone, _ = moment(headerField(parts, "Date"), nil)
					}
					if !emit(g, o, yield) {
						return
					}
				}
				if found == 0 {
					yield(incident.Observation{}, g.errorf(nil, "no part is message/feedback-report (RFC 5965, section 2)"))
				}
			}
		},
	}
}

const hotmailSubject = "complaint about message from "

func isFeedback(p incident.Part) bool {
	return p.Type == "message/feedback-report"
}

func isHotmail(parts []incident.Part) bool {
	return strings.HasPrefix(headerField(parts, "Subject"), hotmailSubject) && anyPart(parts, func(p incident.Part) bool { return p.Type == "message/rfc822" })
}

// mailReport begins an observation with what the mail's own header says.
func mailReport(parts []incident.Part) incident.Observation {
	return incident.Observation{
		ID:       strings.Trim(headerField(parts, "Message-ID"), "<> "),
		Reporter: incident.Reporter{Mail: mailAddress(headerField(parts, "From"))},
	}
}

// mailAddress finds the address in a field of a header.
func mailAddress(field string) string {
	if _, after, ok := strings.Cut(field, "<"); ok {
		field, _, _ = strings.Cut(after, ">")
	}
	for word := range strings.FieldsSeq(field) {
		if strings.Contains(word, "@") {
			return strings.Trim(word, "<>\"'(),;:")
		}
	}
	return ""
}

func readARF(o *incident.Observation, p incident.Part, rest []incident.Part, g *guard) error {
	if len(p.Content) > g.limits.Item {
		return g.errorf(nil, "the feedback report is longer than %d bytes", g.limits.Item)
	}
	fields := headerFields(p.Content)
	if len(fields) > g.limits.Elements {
		return g.errorf(nil, "the feedback report has more than %d fields", g.limits.Elements)
	}
	source := incident.Endpoint{Role: incident.RoleSource}
	var others []incident.Endpoint
	o.Scheme = "arf"
	for _, f := range fields {
		v := f.Value
		switch strings.ToLower(f.Name) {
		case "feedback-type":
			o.Kind = strings.ToLower(v)
		case "version", "content-type", "mime-version", "content-transfer-encoding":
		case "source-ip":
			if a, err := netip.ParseAddr(strings.Trim(v, "[] ")); err == nil {
				source.Address = a
			} else {
				addExtra(o, f.Name, v)
			}
		case "source-port":
			source.Ports = v
		case "arrival-date", "received-date":
			t, assumed, err := moment(v, nil)
			if err != nil {
				addExtra(o, f.Name, v)
			} else {
				o.Time, o.Zone = t, assumed
			}
		case "incidents":
			if n, err := strconv.ParseInt(v, 10, 64); err == nil && n > 0 {
				o.Count = n
			} else {
				addExtra(o, f.Name, v)
			}
		case "reporting-mta":
			_, name, typed := strings.Cut(v, ";")
			if !typed {
				name = v
			}
			o.Reporter.Domain = strings.TrimSpace(name)
		case "reported-domain":
			others = append(others, incident.Endpoint{Host: v})
		case "reported-uri":
			others = append(others, incident.Endpoint{URL: v})
		default:
			addExtra(o, f.Name, v)
		}
	}
	if o.Kind == "" {
		return g.errorf(nil, "the report has no Feedback-Type (RFC 5965, section 3.1)")
	}
	for _, r := range rest {
		if isFeedback(r) {
			break
		}
		if r.Depth == p.Depth {
			o.Logs = append(o.Logs, incident.Log{Type: r.Type, Name: r.Name, Data: r.Content})
		}
	}
	if !source.Address.IsValid() && len(o.Logs) > 0 {
		if source.Address = receivedFrom(o.Logs[0].Data); source.Address.IsValid() {
			addExtra(o, "source", "Received")
		}
	}
	o.Endpoints = append([]incident.Endpoint{source}, others...)
	return nil
}

// receivedFrom returns the peer in the topmost Received field that names one
// by its address.
func receivedFrom(message []byte) netip.Addr {
	literal := regexp.MustCompile(`[\[(]([0-9A-Fa-f:.]{3,45})[\])]`)
	for _, f := range headerFields(message) {
		if !strings.EqualFold(f.Name, "Received") {
			continue
		}
		from, _, _ := strings.Cut(f.Value, " by ")
		for _, m := range literal.FindAllStringSubmatch(from, -1) {
			if a, err := netip.ParseAddr(m[1]); err == nil && !a.IsLoopback() {
				return a
			}
		}
	}
	return netip.Addr{}
}
