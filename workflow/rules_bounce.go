package workflow

import (
	"fmt"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Reasons for which a mail comes back that speak against its address itself: those
// that package mail calls so.
const (
	reasonMailbox = "mailbox"
	reasonHost    = "host"
)

// markDefective marks an address of which a mail system says for good that it takes
// no mail. A full mailbox, or a mail that is too large, says nothing about the next.
func markDefective(_ *Policy, c Change, _ Facts, _ any) Verdict {
	b, ok := c.Event.(incident.Bounced)
	switch {
	case !ok || b.Action != "failed" || b.Content.Address == "":
		return Verdict{}
	case b.Reason != reasonMailbox && b.Reason != reasonHost || strings.HasPrefix(b.Status, "4."):
		return Verdict{Why: "the reason does not speak against the address"}
	}
	return Verdict{
		Commands: []Command{MarkAddress{Address: b.Content.Address, Ticket: c.After.ID, Version: c.After.Version, Reason: b.Reason, Status: b.Status}},
		Why:      "mail to the address comes back",
	}
}

func notifyBounced(_ *Policy, c Change, _ Facts, params any) Verdict {
	b, ok := c.Event.(incident.Bounced)
	switch {
	case !ok || b.Action != "failed":
		return Verdict{}
	case b.Notice: // to tell of it by mail would never end
		return Verdict{Why: "the mail was a notice to the team"}
	}
	return notify(c, c.After, params, "a mail did not arrive: "+bounceReason(b.Reason))
}

// bounceReason puts a class of reasons into words.
func bounceReason(reason string) string {
	words := map[string]string{
		reasonMailbox: "there is no such mailbox", reasonHost: "the domain takes no mail", "full": "the mailbox is full",
		"size": "it is too large", "refused": "it was refused", "system": "trouble of mail systems",
	}[reason]
	if words == "" {
		return "nobody says why"
	}
	return words
}

// bounced tells what became of a mail.
func bounced(e incident.Bounced) string {
	what := map[string]string{"failed": "did not arrive", "delayed": "is delayed", "delivered": "has arrived"}[e.Action]
	if what == "" {
		what = "was " + e.Action
	}
	line := fmt.Sprintf("mail #%s.%d to %s %s", e.Ticket, e.Mail, e.Content.Address, what)
	if e.Action == "failed" || e.Action == "delayed" {
		line += ": " + bounceReason(e.Reason)
	}
	if e.Status != "" {
		line += fmt.Sprintf(" (%s)", e.Status)
	}
	if e.Content.Diagnostic != "" {
		line += fmt.Sprintf(": %q", e.Content.Diagnostic)
	}
	return line
}
