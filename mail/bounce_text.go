package mail

import (
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

const (
	noticeLength = 64 << 10 // so much of a text is read
	noticeLines  = 500
	mostNamed    = 100 // recipients in a text
)

// readNotice reads a bounce that is free text, and reports whether the mail is
// one.
func (b *Bounce) readNotice(m *Message, env Envelope, notice string, o original) bool {
	for _, p := range m.Parts {
		switch p.Type {
		case "message/feedback-report", "message/disposition-notification", "message/global-disposition-notification":
			return false
		}
	}
	machine, system := Detect(m, env, ""), isSystem(m, env)
	if machine.Auto && !machine.Bounce || strings.HasPrefix(strings.ToLower(m.Get("Auto-Submitted")), "auto-replied") && !system {
		return false
	}
	lower := strings.ToLower(notice)
	failed := m.Values("X-Failed-Recipients")
	subject := has(strings.ToLower(m.Subject), failureSubjects)
	text := has(lower, failurePhrases)
	switch {
	case len(failed) > 0:
		b.say("X-Failed-Recipients names those whom the mail did not reach.")
	case system && (subject || text), subject && text:
		b.say("A mail system writes that a mail was not delivered.")
	default:
		return false
	}
	if strings.Contains(lower, "\nfinal-recipient:") { // a report without its MIME structure
		b.readReport(notice)
		b.fill()
	}
	if len(b.Recipients) > 0 {
		return true
	}
	b.recipients(m, notice, o, failed)
	action := "failed"
	if has(strings.ToLower(m.Subject), delaySubjects) || has(lower, delayPhrases) && !has(lower, finalPhrases) {
		action = "delayed"
	}
	for i := range b.Recipients {
		b.Recipients[i].Action = action
	}
	return true
}

// isSystem reports whether a mail system seems to have written a mail: by the
// null sender, or by the name of its author.
func isSystem(m *Message, env Envelope) bool {
	from := m.Get("From")
	return fromNull(m, env) || strings.Contains(from, "<>") || has(strings.ToLower(from), systemNames)
}

// recipients finds out whom a notice is about.
func (b *Bounce) recipients(m *Message, notice string, o original, failed []string) {
	for _, v := range failed {
		for _, a := range addressesIn(v) {
			b.add(a)
		}
	}
	if len(b.Recipients) == 0 {
		b.find(m, notice, o)
	}
	b.explain(notice, false)
}

// find takes the addresses in the text: those that the mail was addressed to or
// that begin a line; otherwise those on a line with a word like "to"; otherwise
// all, our own at last. If there are none, the mail's only
// recipient is meant.
func (b *Bounce) find(m *Message, notice string, o original) {
	ours := map[string]bool{}
	for _, p := range append(append([]incident.Party{}, m.To...), m.From...) {
		ours[strings.ToLower(p.Address)] = true
	}
	to := map[string]bool{}
	for _, p := range o.to {
		to[strings.ToLower(p.Address)] = true
	}
	var tiers [4][]string
	n := 0
	for line := range strings.Lines(notice) {
		if n++; n > noticeLines {
			break
		}
		line = strings.Trim(bare(line), "\"'*- \t")
		found := addressesIn(line)
		if len(found) == 0 {
			continue
		}
		lower := strings.ToLower(line)
		ofHeader, ofSender, ofRecipient := isHeaderLine(lower), has(lower, senderWords), has(lower, recipientWords)
		first := strings.HasPrefix(strings.TrimLeft(line, "<(\"'> 0123456789-"), found[0])
		for i, a := range found[:min(len(found), mostNamed)] {
			key := strings.ToLower(a)
			local, _, _ := strings.Cut(key, "@")
			switch {
			case to[key], i == 0 && first && !ours[key]:
				tiers[0] = append(tiers[0], a)
			case ofHeader:
				tiers[2] = append(tiers[2], a)
			case ours[key] || local == "postmaster" || local == "mailer-daemon":
				tiers[3] = append(tiers[3], a)
			case ofSender:
			case ofRecipient:
				tiers[1] = append(tiers[1], a)
			default:
				tiers[2] = append(tiers[2], a)
			}
		}
	}
	for _, tier := range tiers {
		for _, a := range tier {
			b.add(a)
		}
		if len(tier) > 0 {
			return
		}
	}
	if len(o.to) == 1 && o.to[0].Address != "" {
		b.add(o.to[0].Address)
	}
}

func (b *Bounce) add(address string) {
	for _, r := range b.Recipients {
		if incident.SameAddress(r.Address, address) {
			return
		}
	}
	if len(b.Recipients) < mostNamed {
		b.Recipients = append(b.Recipients, BouncedRecipient{Address: address, Final: address})
	}
}

// isHeaderLine reports whether a line tells the header of the mail that was
// sent: its recipients need not be those whom it did not reach.
func isHeaderLine(line string) bool {
	start := line[:min(len(line), 3)]
	return strings.EqualFold(start, "to:") || strings.EqualFold(start, "cc:")
}

// explain gives recipients the text from their address on, up to the next one;
// of a report, only those of whom it says nothing.
func (b *Bounce) explain(notice string, report bool) {
	place := map[string]int{}
	for i, r := range b.Recipients {
		if !report || strings.TrimSpace(r.Diagnostic) == "" {
			if reason := reasonOfStatus(r.Status); reason != Refused && reason != SystemTrouble {
				b.Recipients[i].Reason = reason // clearer than words that may be of something else
			}
			place[strings.ToLower(r.Final)] = i
			place[strings.ToLower(r.Address)] = i
		}
	}
	if len(place) == 0 {
		return
	}
	const most = 2000
	at := -1
	for line := range strings.Lines(notice) {
		if !isHeaderLine(bare(line)) {
			for _, a := range addressesIn(line) {
				if i, ok := place[strings.ToLower(a)]; ok {
					at = i
				}
			}
		}
		if at < 0 {
			continue
		}
		r := &b.Recipients[at]
		if len(r.Diagnostic) < most {
			r.Diagnostic += line[:min(len(line), most)]
		}
		if r.Status == "" || strings.HasSuffix(r.Status, ".0.0") {
			if s := statusIn(line); s != "" && s[0] != '2' {
				r.Status = s
			}
		}
	}
}

// addressesIn returns the mail addresses in a text of one line, in order.
func addressesIn(s string) []string {
	var out []string
	for from := 0; ; {
		at := strings.IndexByte(s[from:], '@')
		if at < 0 {
			return out
		}
		at += from
		start, end := at, at+1
		for start > from && isAddressByte(s[start-1]) {
			start--
		}
		for end < len(s) && (isWordByte(s[end]) || s[end] == '-' || s[end] == '.' || s[end] == '_') {
			end++
		}
		local := strings.TrimLeft(s[start:at], ".'")
		if prefix := len("smtp="); len(local) > prefix && strings.EqualFold(local[:prefix], "smtp=") { // X.400
			local = local[prefix:]
		}
		address := local + strings.TrimRight(s[at:end], ".-")
		if isAddress(address) {
			out = append(out, address)
		}
		from = max(end, at+1)
	}
}

func isAddressByte(c byte) bool {
	return isWordByte(c) && c < 0x80 || strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0
}

// cutOriginal divides a notice from the mail that it gives back.
func cutOriginal(text string) (notice, original string) {
	text = text[:min(len(text), noticeLength)]
	blank := true
	for at := 0; at < len(text); {
		end := strings.IndexByte(text[at:], '\n') + 1
		if end == 0 {
			end = len(text) - at
		}
		line := strings.ToLower(bare(text[at : at+min(end, 200)]))
		switch {
		case blank && (strings.HasPrefix(line, "received:") || strings.HasPrefix(line, "return-path:")):
			return text[:at], unindent(text[at:])
		case isOriginalMark(line):
			return text[:at], unindent(text[at+end:])
		}
		blank = line == "" || strings.Trim(line, "-_=* ") == "" || strings.HasPrefix(line, "--")
		at += end
	}
	return text, ""
}

// isOriginalMark reports whether a line stands above a mail that is given back.
func isOriginalMark(line string) bool {
	if line == "" || !strings.ContainsRune("-=*_#<[", rune(line[0])) && !strings.HasSuffix(line, ":") && !strings.HasSuffix(line, "follows.") {
		return false
	}
	return has(line, originalMarks)
}

// unindent takes the blanks and marks of quotation off a header that was given
// back.
func unindent(s string) string {
	s = strings.TrimLeft(s, "\n")
	line, _, _ := strings.Cut(s, "\n")
	if prefix := line[:len(line)-len(strings.TrimLeft(line, "> \t"))]; prefix != "" {
		s = strings.ReplaceAll("\n"+s, "\n"+prefix, "\n")[1:]
	}
	return s
}

// has reports whether one of the phrases, divided by |, stands in s.
func has(s, phrases string) bool {
	for p := range strings.SplitSeq(phrases, "|") {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// What mail systems write, in lower case.
const (
	systemNames     = "mail delivery s|mailer-daemon|mailer daemon|mail.delivery.system|postmaster|post_master|mdaemon|delivery subsystem|mail deliver|system administrator|mail administrator|imss|interscan"
	failureSubjects = "undeliver|delivery status notification|returned mail|failure notice|mail delivery fail|delivery fail|delivery has failed|" +
		"mail failure|mail failed|could not be delivered|non-delivery|non delivery|not be delivered|nondeliverable|delivery notification|" +
		"mail system error|permanent delivery|failure delivery|mail delivery problem|delivery error|delivery problem|rejected mail|" +
		"message delivery|mail delivery warning|mail delivery status|error sending your mail|delayed mail|message delayed|delayed 2|has not yet been delivered|" +
		"unzustellbar|nicht zugestellt|non remis|échec de|no se pudo entregar|non recapitabil|не доставлено|配信できませんでした|メールエラー|" +
		"are not member|user unknown|mail error|bounce|smtp server: errors"
	failurePhrases = "could not be delivered|not be delivered to|couldn't be delivered|can not be delivered|cannot be delivered|wasn't able to deliver|unable to deliver|was not delivered|not been delivered|" +
		"was undeliverable|undeliverable|did not reach|delivery errors|delivery problems|fatal errors|permanent error|permanent fatal|" +
		"delivery failed|delivery has failed|failed permanently|delivery to the following|following recipient|following address|failed recipient|" +
		"returned to sender|undelivered|your message has been rejected|message not delivered|i've given up|user unknown|unknown user|no such user|" +
		"mailbox full|over quota|quota exceeded|exceeds the size|pas pu etre|nicht zugestellt|не доставлено|не может быть доставлено|" +
		"unable to send|could not send|failed to deliver|delivery failure|error while processing|invalid final delivery|unknown recipient|unrouteable|rejected by|mail delivery problem|" +
		"not deliver|smtp error|said: 5|remote host said|not a valid user"
	delaySubjects = "delayed|(delay)|warning: could not send|warning: message|has not yet been|mail delivery warning|still being retried|will be retried"
	delayPhrases  = "has not yet been delivered|will be retried|will retry|still trying|delayed|will continue to|no action is required|do not need to resend|warning message only"
	finalPhrases  = "permanent|giving up|given up|failed|returned|undeliverable"

	senderWords    = "message from|sender:|from:|mail from|contact |please send|reply-to|@message|message-id|queue id"
	recipientWords = "to|recipient|user|rcpt|mailbox|address|account|for "
	originalMarks  = "below this line is a copy|this is a copy of|original message follows|original message -|- original message|message header follows|" +
		"unsent message|returned message|message headers follow|original message header|undelivered message follows|message text follows|" +
		"transcript of your message|your original message|the header of the original|start of returned|headers of the message|included message|original mail as follows|" +
		"-- message header|message body follows|beginning of the message|first few lines|the first 50 lines"
)
