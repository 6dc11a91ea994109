package mail

import (
	"fmt"
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Bounce is what a mail says about the delivery of another one.
type Bounce struct {
	Recipients []BouncedRecipient // at most 1000; may be empty if nobody is named
	MessageID  string             // of the mail that it is about, without angle brackets; empty: not said
	Subject    string             // of that mail, as far as it came back
	EnvelopeID string             // as given to the mail system with that mail (RFC 3461 4.4); empty: not said
	Standard   bool               // it holds a delivery report (RFC 3464); otherwise its text was read
	Why        []string           // a sentence for each sign
}

// Failed returns those whose mail was given up, as addresses, distinct.
func (b Bounce) Failed() []string {
	var out []string
	for _, r := range b.Recipients {
		if r.Action == "failed" && !slices.ContainsFunc(out, func(a string) bool { return incident.SameAddress(a, r.Address) }) {
			out = append(out, r.Address)
		}
	}
	return out
}

// BouncedRecipient says what became of a mail on its way to one address.
type BouncedRecipient struct {
	Address    string // as the mail was sent to, where that is said; otherwise as Final; may be empty
	Final      string // that the mail system had at last; may be empty
	Action     string // RFC 3464 2.3.3: "failed", "delayed", "delivered", "relayed" or "expanded"
	Status     string // RFC 3463: "5.1.1"; empty: not said
	Reason     BounceReason
	Diagnostic string // what the mail system answered, on one line, at most 1000 bytes
}

// BounceReason is the class of the reason for which a mail was not delivered.
type BounceReason string

// Classes of reasons. Only the first two speak against the address itself.
const (
	BadMailbox    BounceReason = "mailbox" // there is no such mailbox, or it is closed or has moved
	BadHost       BounceReason = "host"    // no such domain, or it takes no mail or not for this domain
	MailboxFull   BounceReason = "full"    // over its quota
	TooBig        BounceReason = "size"    // the mail is larger than what is taken
	Refused       BounceReason = "refused" // for its content, its sender or a policy
	SystemTrouble BounceReason = "system"  // a fault of network or mail systems, or the time was up
	UnknownReason BounceReason = ""        // not said, or not understood
)

// ReadBounce reads a mail that says that another one was not delivered, was
// delayed, or arrived: a delivery report (RFC 3464, RFC 6533), or one of the
// free texts that mail systems write instead. False: it is none.
//
// A text without a report counts only if it comes from a mail system (see
// [Detect]) or says so in its subject, and says in words that are known that a
// mail failed. An answer of a responder, a receipt, a challenge and a complaint
// about spam are no bounces. A report deeper than one level belongs to a mail
// that somebody forwarded.
//
// Who can send mail can write a bounce: believe it for a mail that was sent, to
// an address that it was sent to.
func ReadBounce(m *Message, env Envelope) (Bounce, bool) {
	var b Bounce
	notice, rest := cutOriginal(m.Text)
	original := originalOf(m, rest)
	if b.readReports(m); b.Standard {
		if len(b.Recipients) == 0 {
			b.recipients(m, notice, original, nil)
		}
		b.fill()
		b.explain(notice, true)
	} else if !b.readNotice(m, env, notice, original) {
		return Bounce{}, false
	}
	b.MessageID, b.Subject = b.about(m, original), original.subject
	for i := range b.Recipients {
		r := &b.Recipients[i]
		if r.Reason == UnknownReason && (r.Action == "failed" || r.Action == "delayed") {
			if r.Reason = reasonOf(r.Status, r.Diagnostic); r.Reason == UnknownReason {
				r.Reason = reasonOf("", notice)
			}
		}
		r.Diagnostic = excerptOf(r.Diagnostic)
	}
	return b, true
}

func (b *Bounce) say(format string, args ...any) { b.Why = append(b.Why, fmt.Sprintf(format, args...)) }

// original is what is left of the mail that a bounce is about.
type original struct {
	id, subject string
	to          []incident.Party
}

// originalOf reads the header that came back in a part, or as the rest of the text.
func originalOf(m *Message, rest string) original {
	for _, p := range m.Parts {
		switch p.Type {
		case "message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers", "message/rfc822-headers", "text/rfc822-header":
			if o := headerIn(p.Content); o.id != "" || len(o.to) > 0 {
				return o
			}
		}
	}
	if rest != "" {
		return headerIn([]byte(rest))
	}
	return original{}
}

// headerIn reads the header at the beginning of a message.
func headerIn(raw []byte) original {
	const most = 64 << 10
	raw = raw[:min(len(raw), most)]
	m, _ := Parse(raw, Limits{})
	o := original{m.MessageID, m.Subject, slices.Concat(m.To, m.Cc)}
	if o.id == "" {
		o.id = idIn(string(raw))
	}
	return o
}

// idIn returns what a line "Message-ID: ..." in a text says.
func idIn(text string) string {
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimLeft(bare(line), "> "), ":"); ok && strings.EqualFold(name, "Message-ID") {
			if ids := messageIDs(value); len(ids) > 0 {
				return ids[0]
			}
		}
	}
	return ""
}

// about says which mail a bounce is about.
func (b *Bounce) about(m *Message, o original) string {
	if b.MessageID != "" { // out of the report
		return b.MessageID
	}
	if o.id != "" && o.id != m.MessageID {
		return o.id
	}
	if id := idIn(m.Text); id != "" && id != m.MessageID {
		return id
	}
	for _, ids := range [][]string{m.InReplyTo, m.References} {
		if len(ids) > 0 {
			return ids[len(ids)-1]
		}
	}
	return ""
}

// excerptOf brings a text onto one line of bounded length.
func excerptOf(s string) string {
	const most = 1000
	s = strings.Join(strings.Fields(cleanLine(s)), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}
