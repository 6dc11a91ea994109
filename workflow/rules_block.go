package workflow

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

// ApproveBlock are the parameters of the rule approve-block.
type ApproveBlock struct {
	// Regexp must match what the sender wrote, without quoted lines and footer, in
	// the syntax of package regexp; empty: any mail approves. RTIR's configuration
	// has it as RTIR_BlockAproveActionRegexp.
	Regexp string `json:"regexp"`
}

// Check implements what [Policy.Validate] asks.
func (a ApproveBlock) Check(*Policy) error {
	_, err := regexp.Compile(a.Regexp)
	return err
}

// awaits returns the status that approval brings a block to: an active one from an
// initial one, an inactive one from that in which its removal is asked for.
func (p *Policy) awaits(block incident.Ticket) (incident.Status, bool) {
	l := p.Lifecycles[incident.KindBlock]
	if block.Kind != incident.KindBlock || block.MergedInto != 0 {
		return "", false
	}
	if block.Phase == incident.Initial {
		return l.FirstActive(block.Status)
	}
	removal, ok := l.Status(l.OnRemoval)
	if !ok || removal.Name != block.Status {
		return "", false
	}
	for _, name := range removal.MoveTo {
		if s, _ := l.Status(name); s.Phase == incident.Inactive {
			return s.Name, true
		}
	}
	return "", false
}

func approveBlockNeeds(p *Policy, c Change, params any) []Ask {
	if _, waits := p.awaits(c.After); !waits || params.(ApproveBlock).Regexp == "" {
		return nil
	}
	if _, _, ok := reply(c); !ok {
		return nil
	}
	return []Ask{{Fact: FactNewestText, Ticket: c.After.ID}}
}

func approveBlock(p *Policy, c Change, f Facts, params any) Verdict {
	to, waits := p.awaits(c.After)
	m, why, ok := reply(c)
	switch {
	case !waits:
		return Verdict{}
	case !ok:
		return Verdict{Why: why}
	case !slices.ContainsFunc(c.After.Requestors, func(r incident.Party) bool { return incident.SameAddress(r.Address, m.Content.From.Address) }):
		return Verdict{Why: "its writer is not one of whom it was asked"}
	case !m.Trust.Reaches(p.MailTrust.Approve):
		return Verdict{Why: "it is not sure enough who wrote the message"}
	}
	if pattern := params.(ApproveBlock).Regexp; pattern != "" {
		approves, err := regexp.Compile(pattern)
		newest, found := f.NewestText(c.After.ID)
		if err != nil || !found || !approves.MatchString(newest.Text) {
			return Verdict{Why: "what was written, quotes left out, does not approve it"}
		}
	}
	return Verdict{Commands: []Command{Move{Ticket: c.After.ID, To: to}}, Why: "the operations centre has confirmed it"}
}

// blockMoved reports whether a change brings a block to a status.
func blockMoved(c Change) bool {
	return c.After.Kind == incident.KindBlock && c.Event.Type() == (incident.Moved{}).Type() && c.After.MergedInto == 0
}

func requestBlockRemoval(p *Policy, c Change, _ Facts, _ any) Verdict {
	if !blockMoved(c) || c.After.Status != p.Lifecycles[incident.KindBlock].OnRemoval {
		return Verdict{}
	}
	if len(c.After.Requestors) == 0 {
		return Verdict{Why: "it has no requestors to ask"}
	}
	return Verdict{Commands: []Command{Reply{Ticket: c.After.ID, Text: p.removalRequest(c.After)}}, Why: "its removal is asked for"}
}

func confirmBlockRemoval(p *Policy, c Change, _ Facts, _ any) Verdict {
	if !blockMoved(c) || c.After.Open() || c.Before.Phase == incident.Initial {
		return Verdict{}
	}
	if len(c.After.Requestors) == 0 {
		return Verdict{Why: "it has no requestors to tell"}
	}
	return Verdict{Commands: []Command{Reply{Ticket: c.After.ID, Text: "This block has ended:\n\n" + p.blockFacts(c.After)}}, Why: "it has ended"}
}

func offerBlockNoticeNeeds(p *Policy, c Change, _ any) []Ask {
	if !offersNotice(p, c) {
		return nil
	}
	return []Ask{{Fact: FactParents, Ticket: c.After.ID}}
}

func offersNotice(p *Policy, c Change) bool {
	if c.After.Kind != incident.KindBlock {
		return false
	}
	_, opened := c.Event.(incident.Opened)
	return opened || blockMoved(c) && c.After.Status == p.Lifecycles[incident.KindBlock].OnRemoval
}

func offerBlockNotice(p *Policy, c Change, f Facts, _ any) Verdict {
	if !offersNotice(p, c) {
		return Verdict{}
	}
	text := "We have asked our operations centre to put this block in place:\n\n"
	if c.After.Status == p.Lifecycles[incident.KindBlock].OnRemoval {
		text = "We have asked our operations centre to remove this block:\n\n"
	}
	var offers []Command
	var told []incident.Party
	for _, parent := range f.Parents(c.After.ID) {
		contacts := without(withParties(parent.Contacts, c.After.Contacts), told)
		told = append(told, contacts...)
		if len(contacts) > 0 {
			offers = append(offers, Open{
				Kind: incident.KindInvestigation, Subject: c.After.Subject, Parents: []incident.ID{parent.ID},
				Constituency: parent.Constituency, Requestors: contacts, Text: text + p.blockFacts(c.After),
			})
		}
	}
	if len(offers) == 0 {
		return Verdict{Why: "no contact is known whom it affects"}
	}
	return Verdict{Offers: offers, Why: "the block affects these contacts"}
}

// BlockExpiry are the parameters of the rule block-expiry.
type BlockExpiry struct {
	Field string `json:"field"` // that says until when
}

func blockExpiry(p *Policy, c Change, _ Facts, params any) Verdict {
	name := p.fieldName(params.(BlockExpiry).Field)
	until := value(c.After, name)
	if c.After.Kind != incident.KindBlock || until == value(c.Before, name) {
		return Verdict{}
	}
	if until == "" {
		return Verdict{Commands: []Command{Edit{Ticket: c.After.ID, Clear: []string{"wake"}}}, Why: "it has no end any more"}
	}
	at, err := time.Parse(time.RFC3339, until)
	if err != nil {
		return Verdict{Why: "its end is no time"}
	}
	return Verdict{Commands: []Command{Edit{Ticket: c.After.ID, Wake: &at}}, Why: "it is to be looked at when its time is over"}
}

// blockRequest is the mail that asks for a block (JANET 3.14).
func (p *Policy) blockRequest(o incident.Opened) string {
	return "Please put this block in place:\n\n" + p.blockFacts(incident.Ticket{
		Kind: o.Kind, Subject: o.Content.Subject, Observables: o.Content.Observables, Fields: joinFields(o.Fields, o.Content.Fields),
	}) + "\nPlease confirm by a reply to this mail.\n"
}

func (p *Policy) removalRequest(t incident.Ticket) string {
	return "Please remove this block:\n\n" + p.blockFacts(t) + "\nPlease confirm by a reply to this mail.\n"
}

// blockFacts are what a block is about, a line each: addresses, then the fields
// that blocks have, in the order of the policy.
func (p *Policy) blockFacts(t incident.Ticket) string {
	var b strings.Builder
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, text)
		}
	}
	line("Subject", t.Subject)
	var addresses []string
	for _, o := range t.Observables {
		if o.Kind == incident.Address || o.Kind == incident.Prefix {
			addresses = append(addresses, o.Value)
		}
	}
	line("Addresses", strings.Join(addresses, ", "))
	for _, f := range p.Fields {
		if f.Has(incident.KindBlock) && !slices.Contains(properties(), f.Name) {
			line(f.Name, strings.Join(t.Fields[f.Name], ", "))
		}
	}
	return b.String()
}

func joinFields(a, b map[string][]string) map[string][]string {
	sum := map[string][]string{}
	maps.Copy(sum, a)
	maps.Copy(sum, b)
	return sum
}
