package xirl

import (
	"bytes"
	"iter"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// SpamCop returns SpamCop's own mails, in: reports on one message, reports on
// spamvertised sites, and the summaries and alerts that list addresses. Its
// reports in ARF are read by [ARF].
func SpamCop() incident.Format {
	return incident.Format{
		Name:      "spamcop",
		Recognise: func(parts []incident.Part) bool { return isSpamCop(parts) },
		DecodeMail: func(parts []incident.Part, limits incident.Limits) iter.Seq2[incident.Observation, error] {
			return func(yield func(incident.Observation, error) bool) {
				g := newGuard("spamcop", strings.NewReader(""), limits)
				text, ok := firstText(parts)
				if !ok {
					yield(incident.Observation{}, g.errorf(nil, "the mail has no text"))
					return
				}
				if len(text) > g.limits.Item {
					yield(incident.Observation{}, g.errorf(nil, "the text is longer than %d bytes", g.limits.Item))
					return
				}
				list := readSpamCop(parts, unquoted(text))
				if len(list) == 0 {
					yield(incident.Observation{}, g.errorf(nil, "no line \"Email from ADDRESS / date\", no spamvertised site and no list of addresses"))
				}
				for i, o := range list {
					if i >= g.limits.Incidents {
						yield(o, g.fail("more than %d incidents", g.limits.Incidents))
						return
					}
					if !emit(g, o, yield) {
						return
					}
				}
			}
		},
	}
}

func isSpamCop(parts []incident.Part) bool {
	if strings.HasPrefix(headerField(parts, "Subject"), "[SpamCop") || strings.HasSuffix(mailAddress(headerField(parts, "From")), ".spamcop.net") {
		_, ok := firstText(parts)
		return ok
	}
	return anyPart(parts, func(p incident.Part) bool {
		beginning := bytes.TrimLeft(p.Content[:min(len(p.Content), 100)], "> \r\n")
		return p.Type == "text/plain" && (bytes.HasPrefix(beginning, []byte("[ SpamCop V")) || bytes.HasPrefix(beginning, []byte("- SpamCop V")))
	})
}

func firstText(parts []incident.Part) (string, bool) {
	for _, p := range leaves(parts) {
		if p.Type == "text/plain" {
			return strings.ReplaceAll(string(p.Content), "\r\n", "\n"), true
		}
	}
	return "", false
}

// unquoted takes one level of quoting off a text that is quoted from its
// beginning.
func unquoted(text string) string {
	if !strings.HasPrefix(strings.TrimLeft(text, "\n"), ">") {
		return text
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimPrefix(line, ">")
		b.WriteString(strings.TrimPrefix(line, " "))
	}
	return b.String()
}

func readSpamCop(parts []incident.Part, text string) []incident.Observation {
	base := mailReport(parts)
	base.Scheme = "spamcop"
	if m := regexp.MustCompile(`\[SpamCop \((.*?)\) ?id:(\d+)\]`).FindStringSubmatch(headerField(parts, "Subject")); m != nil {
		base.ID = m[2]
	}
	body := text
	var log []incident.Log
	if i := strings.Index(strings.ToLower(text), "offending message"); i >= 0 {
		end := strings.IndexByte(text[i:], '\n')
		if end >= 0 {
			body = text[:i]
			message := strings.TrimLeft(text[i+end:], "\n")
			if strings.HasPrefix(message, "=====") {
				_, message, _ = strings.Cut(message, "\n")
			}
			log = []incident.Log{{Type: "message/rfc822", Data: []byte(message)}}
		}
	}
	var list []incident.Observation
	event := func(kind, address, date string) *incident.Observation {
		o := incident.Observation{Kind: kind}
		e := incident.Endpoint{Role: incident.RoleSource}
		place(&e, strings.Trim(address, " []"))
		o.Endpoints = []incident.Endpoint{e}
		if t, assumed, err := moment(date, nil); err == nil {
			o.Time, o.Zone = t, assumed
		} else {
			addExtra(&o, "date", date)
		}
		list = append(list, o)
		return &list[len(list)-1]
	}
	site, report := "", ""
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		address, date, slash := strings.Cut(strings.TrimPrefix(line, "Email from "), "/")
		switch {
		case strings.HasPrefix(line, "Email from ") && slash:
			event("spam", address, strings.TrimSpace(date)).Logs = log
		case strings.HasPrefix(line, "Spamvertised web site:"):
			site = strings.TrimSpace(strings.TrimPrefix(line, "Spamvertised web site:"))
		case site != "" && strings.HasPrefix(line, site+" is "):
			address, date, _ := strings.Cut(strings.TrimPrefix(line, site+" is "), ";")
			o := event("spamvertised", address, strings.TrimSpace(date))
			o.Endpoints[0].URL, o.Logs = site, log
			site = ""
		case strings.HasPrefix(line, "http") && strings.Contains(line, "spamcop.net/"):
			report = line
		case len(words) == 8 || len(words) == 1:
			spamCopSummary(words, event)
		}
	}
	if site != "" {
		event("spamvertised", "", "").Endpoints[0].URL = site
	}
	for i := range list {
		list[i].ID, list[i].Reporter, list[i].Scheme = base.ID, base.Reporter, base.Scheme
		addExtra(&list[i], "report", report)
	}
	return list
}

// spamCopSummary reads a row of a summary, "ADDRESS Month D HHh/days trap user
// mole simp", or of an alert, an address alone.
func spamCopSummary(words []string, event func(kind, address, date string) *incident.Observation) {
	if _, err := netip.ParseAddr(words[0]); err != nil {
		return
	}
	if len(words) == 1 {
		event("alert", words[0], "")
		return
	}
	var sum int64
	for _, w := range words[4:] {
		n, err := strconv.ParseInt(w, 10, 32)
		if err != nil || n < 0 {
			return
		}
		sum += n
	}
	event("summary", words[0], strings.Join(words[1:4], " ")).Count = sum // the row names no year
}
