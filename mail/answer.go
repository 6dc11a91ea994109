package mail

import (
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Answer begins an answer to a mail about a ticket: to its Reply-To, otherwise
// its author; the subject with one "Re:" and the ticket's tag in front, other
// teams' tags as they are; In-Reply-To and References (RFC 5322 3.6.4). The text
// is the mail's, quoted, or empty. Nobody of its Cc is taken over: whoever shall
// have a copy is put there by hand. From, MessageID and Date are the caller's to
// fill, and [Recipients] strips what must not get it.
func Answer(m *Message, tag Tag, id incident.ID, quoted bool) Letter {
	l := Letter{Subject: "Re: " + withoutReply(tag.Strip(m.Subject)), InReplyTo: m.MessageID}
	if tagName(tag.Name) != "" {
		l.Subject = tag.Put(l.Subject, id)
	}
	for _, people := range [][]incident.Party{m.ReplyTo, m.From} {
		for _, p := range people {
			if p.Address != "" {
				l.To = append(l.To, p)
			}
		}
		if len(l.To) > 0 {
			break
		}
	}
	l.References = append(l.References, m.References...)
	if len(l.References) == 0 && len(m.InReplyTo) == 1 {
		l.References = append(l.References, m.InReplyTo...)
	}
	if m.MessageID != "" {
		l.References = append(l.References, m.MessageID)
	}
	if quoted && m.Text != "" {
		l.Text = announcement(m) + Quote(m.Text)
	}
	return l
}

// announcement is the line above a quotation.
func announcement(m *Message) string {
	who := "somebody"
	if len(m.From) > 0 {
		if who = m.From[0].Name; who == "" {
			who = m.From[0].Address
		}
	}
	if m.Date.IsZero() {
		return who + " wrote:\n"
	}
	return "On " + m.Date.UTC().Format("Mon, 2 Jan 2006 15:04 MST") + ", " + who + " wrote:\n"
}

// withoutReply returns a subject without the prefixes of answers in front.
func withoutReply(subject string) string {
	const prefixes, longest = "re|aw|sv|vs|antw|odp|ref|rif|ynt|回复|答复", 20
	for {
		head := subject[:min(len(subject), longest)]
		at := strings.IndexAny(head, ":：")
		if at < 0 || !isOneOf(strings.ToLower(strings.TrimSpace(head[:at])), prefixes) {
			return subject
		}
		subject = strings.TrimSpace(strings.TrimLeft(subject[at:], ":："))
	}
}

// Addressees is who might get a mail.
type Addressees struct {
	To, Cc []incident.Party
	Once   []incident.Party // named for this one mail; they get a copy even if they are squelched

	Own       func(address string) bool // of this desk: never written to; nil: none
	Squelched func(address string) bool // who shall not get this mail; nil: nobody
}

// Recipients returns who gets a mail: never the desk itself, nobody that is
// squelched, nobody twice (compared by [incident.SameAddress]; the first place
// counts, To before Cc). Without anybody in To, those in Cc move there. If both
// are empty, nothing is to be sent.
func Recipients(a Addressees) (to, cc []incident.Party) {
	seen := map[string]bool{}
	take := func(people []incident.Party, always bool) (out []incident.Party) {
		for _, p := range people {
			key := strings.ToLower(p.Address)
			switch {
			case p.Address == "" || seen[key]:
			case a.Own != nil && a.Own(p.Address):
			case !always && a.Squelched != nil && a.Squelched(p.Address):
			default:
				seen[key] = true
				out = append(out, p)
			}
		}
		return out
	}
	to, cc = take(a.To, false), take(a.Cc, false)
	cc = append(cc, take(a.Once, true)...)
	if len(to) == 0 {
		to, cc = cc, nil
	}
	return to, cc
}
