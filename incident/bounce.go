package incident

import "time"

// Bounced says what became of a mail of ours on its way to one address, as a bounce
// tells that is a message of this ticket. Action and Status are those of RFC 3464
// and RFC 3463; Reason is a class of reasons, or empty.
type Bounced struct {
	Ticket  ID             `json:"ticket"`           // of the mail; another one than this where tickets were merged
	Mail    uint64         `json:"mail"`             // version of the record of the mail
	Notice  bool           `json:"notice,omitempty"` // the mail was a notice to the team
	Action  string         `json:"action"`           // failed, delayed, delivered, relayed or expanded
	Reason  string         `json:"reason,omitempty"` // mailbox, host, full, size, refused or system
	Status  string         `json:"status,omitempty"`
	Content BouncedContent `json:"-"`
}

// BouncedContent is the erasable part of [Bounced].
type BouncedContent struct {
	Address    string `json:"address,omitempty"`    // that the mail was sent to
	Diagnostic string `json:"diagnostic,omitempty"` // what the mail system said
}

// AddressMarked says that mail to an address comes back. It stands in the history of
// the desk itself, and holds until an [AddressCleared]. Ticket and Version name the
// [Bounced] record that shows it; a Version of 0: a person has said so.
type AddressMarked struct {
	Ticket  ID             `json:"ticket,omitempty"`
	Version uint64         `json:"version,omitempty"`
	Reason  string         `json:"reason,omitempty"`
	Status  string         `json:"status,omitempty"`
	Content AddressContent `json:"-"`
}

// AddressCleared says that mail may go to an address that was marked. It stands in the
// history of the desk itself.
type AddressCleared struct {
	Content AddressContent `json:"-"`
}

// AddressContent is the erasable part of [AddressMarked] and [AddressCleared].
type AddressContent struct {
	Address string `json:"address,omitempty"`
}

func (e Bounced) content() any        { return e.Content }
func (e AddressMarked) content() any  { return e.Content }
func (e AddressCleared) content() any { return e.Content }

func (Bounced) blobs() []Digest        { return nil }
func (AddressMarked) blobs() []Digest  { return nil }
func (AddressCleared) blobs() []Digest { return nil }

func (Bounced) apply(*Ticket, time.Time) {}

func (AddressMarked) apply(t *Ticket, _ time.Time)  { t.Kind = KindDesk }
func (AddressCleared) apply(t *Ticket, _ time.Time) { t.Kind = KindDesk }
