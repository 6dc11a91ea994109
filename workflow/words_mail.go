package workflow

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

func message(e incident.Message) string {
	c := e.Content
	if e.Sent {
		line := "mail to " + people(c.To)
		if e.Thread == ThreadResend {
			line = "mail once more to " + people(c.To)
		}
		if len(c.Cc) > 0 {
			line += ", copy to " + people(c.Cc)
		}
		for _, copied := range c.Sealed {
			line += fmt.Sprintf(", %s for %s", sealed(copied), strings.Join(copied.To, ", "))
		}
		return line + fmt.Sprintf(": %q", c.Subject)
	}
	who := people([]incident.Party{c.From})
	if c.From.Address == "" {
		who = "unknown"
	}
	notes := append([]string{e.Thread}, e.Flags...)
	if e.Trust.Reaches(incident.TrustAuthenticated) {
		notes = append(notes, string(e.Trust))
	}
	notes = append(notes, protections(c.Layers)...)
	return fmt.Sprintf("message from %s [%s]: %q", who, strings.Join(notes, ", "), c.Subject)
}

func examined(e incident.Examined) string {
	line := fmt.Sprintf("message %d opened again: %s", e.Version, cmp.Or(strings.Join(protections(e.Content.Layers), ", "), "nothing protects it"))
	if e.Trust.Reaches(incident.TrustAuthenticated) {
		line += ", " + string(e.Trust)
	}
	return line
}

// protections tells in a few words each what came of the layers of a message.
func protections(layers []incident.Layer) (list []string) {
	for _, l := range layers {
		where := ""
		if !l.Whole {
			where = " (" + l.Where + ")"
		}
		if l.Encrypted {
			list = append(list, string(l.Decryption)+where)
		}
		for _, s := range l.Signatures {
			text := "signature " + string(s.State)
			if s.State == incident.SignatureGood && !s.Sender {
				text += ", not of the sender"
			}
			list = append(list, text+where)
		}
	}
	return list
}

func sealed(c incident.SealedCopy) string {
	switch {
	case c.Signed && c.Encrypted:
		return "signed and encrypted"
	case c.Signed:
		return "signed"
	case c.Encrypted:
		return "encrypted"
	}
	return "neither signed nor encrypted"
}
