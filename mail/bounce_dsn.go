package mail

import (
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

const (
	mostBounced  = 1000    // recipients in one report
	reportLength = 1 << 20 // so much of a report is read
	fieldLength  = 1000    // so much of a field
)

// readReports reads the delivery reports of a message.
func (b *Bounce) readReports(m *Message) {
	for _, p := range m.Parts {
		if p.Depth <= 1 && (p.Type == "message/delivery-status" || p.Type == "message/global-delivery-status") {
			if !b.Standard {
				b.say("It holds a delivery report (RFC 3464).")
			}
			b.Standard = true
			b.readReport(string(p.Content[:min(len(p.Content), reportLength)]))
		}
	}
}

// readReport reads the fields of a report: a group for the mail, then one for
// each recipient (RFC 3464 2.1).
//
// QUIRK: groups come without a blank line between them, with several, and in
// one: a field that the recipient has already begins the next one.
func (b *Bounce) readReport(text string) {
	var r *BouncedRecipient
	var have map[string]bool
	fresh := true // a blank line came before
	for _, f := range reportFields(text) {
		if f.name == "" {
			fresh = true
			continue
		}
		perRecipient := false
		switch f.name {
		case "original-recipient", "final-recipient", "action", "status", "diagnostic-code", "x-actual-recipient":
			perRecipient = true
		case "original-envelope-id":
			b.EnvelopeID = f.value
			continue
		case "x-original-message-id":
			if ids := messageIDs(f.value); len(ids) > 0 {
				b.MessageID = ids[0]
			}
			continue
		}
		if !perRecipient {
			continue
		}
		if r == nil || fresh && (have["final-recipient"] || have["original-recipient"]) || have[f.name] && f.name != "diagnostic-code" {
			if len(b.Recipients) >= mostBounced {
				return
			}
			b.Recipients = append(b.Recipients, BouncedRecipient{})
			r, have = &b.Recipients[len(b.Recipients)-1], map[string]bool{}
		}
		fresh, have[f.name] = false, true
		r.take(f.name, f.value)
	}
}

func (r *BouncedRecipient) take(name, value string) {
	switch name {
	case "original-recipient":
		r.Address = typedAddress(value)
	case "final-recipient":
		r.Final = typedAddress(value)
	case "action":
		word, _, _ := strings.Cut(strings.TrimSpace(value), " ")
		r.Action = strings.ToLower(strings.TrimRight(word, "(;"))
	case "status":
		r.Status = statusIn(value)
		if _, comment, ok := strings.Cut(value, "("); ok && r.Diagnostic == "" {
			r.Diagnostic = strings.TrimRight(comment, ") ")
		}
	case "diagnostic-code":
		kind, text, ok := strings.Cut(value, ";")
		if !ok || strings.ContainsAny(strings.TrimSpace(kind), " \t") {
			text = value
		}
		r.Diagnostic = strings.TrimSpace(r.Diagnostic + " " + text)
	case "x-actual-recipient":
		if r.Final == "" {
			r.Final = typedAddress(value)
		}
	}
}

// fill completes what a report says of recipients.
func (b *Bounce) fill() {
	for i := range b.Recipients {
		r := &b.Recipients[i]
		if r.Address == "" {
			r.Address = r.Final
		}
		if r.Final == "" {
			r.Final = r.Address
		}
		switch r.Action {
		case "failed", "delayed", "delivered", "relayed", "expanded":
			continue
		case "delay", "deferred":
			r.Action = "delayed"
			continue
		}
		switch {
		case strings.HasPrefix(r.Status, "4."):
			r.Action = "delayed"
		case strings.HasPrefix(r.Status, "2."):
			r.Action = "delivered"
		default:
			r.Action = "failed"
		}
	}
}

type reportField struct{ name, value string }

// reportFields reads header fields, unfolded; a blank line is a field without
// name.
func reportFields(text string) []reportField {
	var out []reportField
	for line := range strings.SplitSeq(lines(incident.Clean(text)), "\n") {
		if strings.TrimSpace(line) == "" {
			out = append(out, reportField{})
			continue
		}
		if last := len(out) - 1; (line[0] == ' ' || line[0] == '\t') && last >= 0 && out[last].name != "" {
			if v := &out[last].value; len(*v) < fieldLength {
				*v += " " + fieldText(line)
			}
			continue
		}
		if name, value, ok := strings.Cut(line, ":"); ok {
			out = append(out, reportField{strings.ToLower(strings.TrimSpace(name)), fieldText(value)})
		}
	}
	return out
}

func fieldText(s string) string { return oneLine(strings.TrimSpace(s[:min(len(s), fieldLength)])) }

// typedAddress reads "rfc822; <bob@example.org>" (RFC 3464 2.3.1).
//
// QUIRK: the type may be missing, and the address may have a name, a comment or
// a route.
func typedAddress(s string) string {
	if kind, rest, ok := strings.Cut(s, ";"); ok && !strings.Contains(kind, "@") {
		s = rest
	}
	s = strings.TrimSpace(s)
	if list := addressesIn(s); len(list) > 0 {
		return list[0]
	}
	return strings.Trim(s, "<> ")
}

// statusIn returns the first status of RFC 3463 in a text: "5.1.1".
func statusIn(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c == '2' || c == '4' || c == '5') && (i == 0 || !isWordByte(s[i-1]) && s[i-1] != '.') {
			if n := statusLength(s[i:]); n > 0 {
				return s[i : i+n]
			}
		}
	}
	return ""
}

func statusLength(s string) int {
	at := 1
	for range 2 {
		digits := 0
		if at >= len(s) || s[at] != '.' {
			return 0
		}
		for at++; at < len(s) && s[at] >= '0' && s[at] <= '9'; at++ {
			digits++
		}
		if digits == 0 || digits > 3 {
			return 0
		}
	}
	if at < len(s) && (isWordByte(s[at]) || s[at] == '.' && at+1 < len(s) && isWordByte(s[at+1])) {
		return 0
	}
	return at
}
