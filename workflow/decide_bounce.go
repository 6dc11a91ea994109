package workflow

import (
	"strings"

	"github.com/airtight-csirt/airtight/incident"
)

// Delivery is what a bounce says of a mail of ours and one of those whom it was sent
// to. See [incident.Bounced].
type Delivery struct {
	Ticket     incident.ID `json:"ticket"` // of the mail
	Mail       uint64      `json:"mail"`   // version of its record
	Notice     bool        `json:"notice,omitempty"`
	Address    string      `json:"address"`
	Action     string      `json:"action"`
	Reason     string      `json:"reason,omitempty"`
	Status     string      `json:"status,omitempty"`
	Diagnostic string      `json:"diagnostic,omitempty"`
}

func (d Delivery) outcome() incident.Event {
	return incident.Bounced{
		Ticket: d.Ticket, Mail: d.Mail, Notice: d.Notice, Action: d.Action, Reason: d.Reason, Status: d.Status,
		Content: incident.BouncedContent{Address: d.Address, Diagnostic: d.Diagnostic},
	}
}

// MarkAddress says that mail to an address comes back, until a person clears it.
// Ticket and Version name the record that shows it. The rule mark-defective gives it.
type MarkAddress struct {
	Address string      `json:"address"`
	Ticket  incident.ID `json:"ticket"`
	Version uint64      `json:"version"`
	Reason  string      `json:"reason,omitempty"`
	Status  string      `json:"status,omitempty"`
}

// ClearAddress says that mail may go to an address again (JANET 3.13): it was
// corrected, or its owner has said so.
type ClearAddress struct {
	Address string `json:"address"`
}

// Names of the commands about addresses. They are about the desk itself.
func (MarkAddress) Name() string         { return "mark-address" }
func (ClearAddress) Name() string        { return "clear-address" }
func (MarkAddress) Target() incident.ID  { return incident.Desk }
func (ClearAddress) Target() incident.ID { return incident.Desk }

func askDefective(address string) []Ask {
	return []Ask{{Fact: FactDefective, Address: strings.ToLower(address)}}
}

func (c MarkAddress) asks(*Policy, incident.Ticket) []Ask { return askDefective(c.Address) }

func (c MarkAddress) decide(_ *Policy, _ incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	if f.Defective(c.Address) {
		return nil, nil
	}
	return events(incident.AddressMarked{
		Ticket: c.Ticket, Version: c.Version, Reason: c.Reason, Status: c.Status, Content: incident.AddressContent{Address: c.Address},
	}), nil
}

func (c ClearAddress) asks(*Policy, incident.Ticket) []Ask {
	return askDefective(strings.TrimSpace(c.Address))
}

func (c ClearAddress) decide(_ *Policy, _ incident.Ticket, f Facts, _ Env) ([]Decision, error) {
	given, err := parties(c, "address", []incident.Party{{Address: c.Address}})
	if err != nil || !f.Defective(strings.TrimSpace(c.Address)) {
		return nil, err
	}
	return events(incident.AddressCleared{Content: incident.AddressContent{Address: given[0].Address}}), nil
}
