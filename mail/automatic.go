package mail

import (
	"fmt"
	"strings"
)

// Unanswerable says why a mail must not be answered automatically (RFC 3834 2 and
// 4); empty: it may be. found is what [Detect] said of it. A mail that a machine
// wrote, whose writer asks for no such answer, that came by a list, or whose answer
// would go to an address that nobody reads is not answered. An Envelope without
// sender and recipients is one that is not known and says nothing.
func Unanswerable(m *Message, env Envelope, found Machine) string {
	switch {
	case found.Any():
		return "A machine wrote it."
	case found.Quiet:
		return "Its writer asks for no automatic answer."
	}
	for _, name := range []string{"List-Id", "List-Post", "List-Help", "List-Subscribe", "List-Unsubscribe", "List-Owner", "List-Archive", "Mailing-List"} {
		if m.Get(name) != "" {
			return fmt.Sprintf("It came by a list: it has a field %s.", name)
		}
	}
	addresses := []string{env.From}
	for _, p := range Answer(m, Tag{}, 0, false).To {
		addresses = append(addresses, p.Address)
	}
	for _, address := range addresses {
		if Unattended(address) {
			return "Nobody reads what is sent to its sender."
		}
	}
	return ""
}

// Unattended reports whether a machine, or nobody, reads the mail for an address:
// the owner of a list, a list's commands, a mail system (RFC 3834 2), or one that
// calls itself so, as noreply@example.org does.
func Unattended(address string) bool {
	local, _, _ := strings.Cut(strings.ToLower(address), "@")
	if strings.HasPrefix(local, "owner-") || strings.HasPrefix(local, "bounce-") || strings.HasPrefix(local, "bounces+") ||
		strings.HasSuffix(local, "-owner") || strings.HasSuffix(local, "-request") || strings.HasSuffix(local, "-bounces") {
		return true
	}
	return isOneOf(strings.NewReplacer("-", "", "_", "", ".", "").Replace(local), "mailerdaemon|postmaster|listserv|majordomo|mailman|bounces|noreply|donotreply")
}
