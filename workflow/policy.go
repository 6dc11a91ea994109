package workflow

import (
	"slices"
	"strings"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/sla"
)

// Policy says how tickets live. It is a value: several policies may be used side
// by side, and none may be changed while a desk uses it.
type Policy struct {
	Name    string
	Doc     string // what it is for
	Version uint32 // stands in every record; 0: a built-in policy, or one that no desk has adopted

	Lifecycles map[incident.Kind]Lifecycle

	// Cascade gives the status of a child when its incident is closed with a
	// certain status.
	Cascade map[incident.Status]map[incident.Kind]incident.Status

	Fields []Field
	States []FieldValue // internal labels (AIRT: state); empty: any

	// Hidden statuses are left out of the lists of an incident's children unless
	// somebody asks for them (JANET 3.6): of all kinds that have them, or of none.
	Hidden map[incident.Kind][]incident.Status

	// Tags are the names in subject tags, the first of which is written, unless the
	// desk's configuration has a tag of its own.
	Tags []string

	// Rights say who may see and do what.
	Rights Rights

	// StrictConstituency refuses links and merges of tickets that have different
	// constituencies, and another constituency for a ticket that is linked. Where the
	// rule constituency-to-children runs, an incident may take its children along
	// (RTIR: StrictConstituencyLinking). A ticket without a constituency fits any.
	StrictConstituency bool

	MailTrust        MailTrust
	Sealing          Sealing
	Templates        Templates // with which a draft of a mail begins
	AutomaticMail    AutomaticMail
	Squelched        []string       // mailboxes, and "@" with a domain, that get no mail unless a mail names them for itself
	OperationsCentre incident.Party // whom blocks are asked of (JANET 3.14); without Address: nobody

	// Uncertain says what becomes of mail of which nobody can say whether it was taken:
	// the connection broke, or the program stopped, after its end was sent and before
	// the answer was written down. Empty: [AskUncertain].
	Uncertain Uncertainty

	Attention Attention // how long whoever attends to a ticket works on it

	// Agreement makes reports and investigations due by clocks; nil: nothing is
	// promised. AgreementKinds are the kinds that it is about, in place of these
	// two; never incidents, whose due date follows from their children. A ticket
	// names its level in the field LevelField (empty: [DefaultLevelField]), and
	// the moments that the agreement declares in fields called as they are.
	Agreement      *sla.Agreement
	AgreementKinds []incident.Kind
	LevelField     string

	Rules       []Rule       // in the order in which their commands run
	Derivations []Derivation // in the order in which they run

	// Reactions are done outside of the desk, once the records that wake them are
	// committed; in the order in which they are begun.
	Reactions []Reaction

	// Queue and Feeds are about reports of machines; the order of Feeds does not count.
	Queue Queue
	Feeds []Feed

	// MaxSteps bounds the commands of one Do, those of rules included.
	// 0: 100,000.
	MaxSteps int

	places map[string]Place // where a document says what; nil: it came from none
}

// Uncertainty is what becomes of mail of which nobody can say whether it was taken.
type Uncertainty string

// What may become of it.
const (
	AskUncertain    Uncertainty = "ask"    // it waits for a person
	ResendUncertain Uncertainty = "resend" // it is sent again, with the same Message-ID, so that the other side can tell; whoever does not look gets it twice
)

// Resends reports whether uncertain mail is sent again.
func (u Uncertainty) Resends() bool { return u == ResendUncertain }

func (u Uncertainty) faults(wrong wrong) {
	switch u {
	case "", AskUncertain, ResendUncertain:
	default:
		wrong(at("uncertain"), "%q is nothing to do with uncertain mail: allowed are %s and %s", string(u), AskUncertain, ResendUncertain)
	}
}

// MailTrust says how sure it must be who wrote a mail before it does something.
type MailTrust struct {
	Append  incident.Trust // goes to its ticket; otherwise it is held. Mail of whoever has no part in the ticket is flagged
	Reopen  incident.Trust // opens a closed ticket again
	Approve incident.Trust // approves a block; a requestor must have written it in any case
}

// Squelches reports whether a mailbox gets no mail unless a mail names it for itself.
func (p *Policy) Squelches(address string) bool {
	at := max(strings.LastIndexByte(address, '@'), 0)
	return slices.ContainsFunc(p.Squelched, func(s string) bool {
		return incident.SameAddress(s, address) || incident.SameAddress(s, address[at:])
	})
}

// AutomaticMail limits the mail that nobody wrote: what rules send because mail
// came in, or time has passed. Each mail counts for its recipient, its ticket and,
// unless it goes to the team, for the desk, until a person has done something to
// its ticket, or a person's mail has answered one of ours; package desk says how.
// Beyond a limit mail is parked for a person. 0: the default; -1: no limit.
type AutomaticMail struct {
	Correspondent int // to one mailbox outside; default 10
	Member        int // to one mailbox of the team; default 100
	Ticket        int // about one ticket; default 20
	Desk          int // to everybody outside; default 500
}

// Limits returns the limits with the defaults filled in.
func (a AutomaticMail) Limits() AutomaticMail {
	for _, limit := range []struct {
		value *int
		usual int
	}{{&a.Correspondent, 10}, {&a.Member, 100}, {&a.Ticket, 20}, {&a.Desk, 500}} {
		if *limit.value == 0 {
			*limit.value = limit.usual
		}
	}
	return a
}

// Names of statuses of the built-in policies (RTIR 4 and later; its
// "countermeasure" is called block here).
const (
	StatusNew               incident.Status = "new"
	StatusOpen              incident.Status = "open"
	StatusResolved          incident.Status = "resolved"
	StatusRejected          incident.Status = "rejected"
	StatusAbandoned         incident.Status = "abandoned"
	StatusPendingActivation incident.Status = "pending activation"
	StatusActive            incident.Status = "active"
	StatusPendingRemoval    incident.Status = "pending removal"
	StatusRemoved           incident.Status = "removed"
)

// Default returns the policy that applies when none is configured: the preset
// "janet". The caller owns the result.
func Default() *Policy {
	p, err := Preset("janet")
	if err != nil {
		panic(err) // a fault of the document that comes with the library, which a test reads
	}
	return p
}

// Rule returns the rule with a name; false if the policy does not run it.
func (p *Policy) Rule(name string) (Rule, bool) {
	i := slices.IndexFunc(p.Rules, func(r Rule) bool { return r.Name == name })
	if i < 0 {
		return Rule{}, false
	}
	return p.Rules[i], true
}

func (p *Policy) ruleNames() []string {
	var names []string
	for _, r := range p.Rules {
		names = append(names, r.Name)
	}
	for _, d := range p.Derivations {
		names = append(names, d.Name)
	}
	return names
}

// Shown returns the statuses, of all kinds, that lists of children show when
// nobody asks for more; nil: all.
func (p *Policy) Shown() []incident.Status {
	var hidden, shown []incident.Status
	for _, list := range p.Hidden {
		hidden = append(hidden, list...)
	}
	if len(hidden) == 0 {
		return nil
	}
	for _, kind := range incident.Kinds() {
		for _, s := range p.Lifecycles[kind].Statuses {
			if !slices.Contains(hidden, s.Name) && !slices.Contains(shown, s.Name) {
				shown = append(shown, s.Name)
			}
		}
	}
	return shown
}

// Steps returns MaxSteps or its default.
func (p *Policy) Steps() int {
	if p.MaxSteps > 0 {
		return p.MaxSteps
	}
	return 100_000
}

// Allowed returns the statuses to which a ticket may be moved.
func (p *Policy) Allowed(t incident.Ticket) []incident.Status {
	return p.Lifecycles[t.Kind].next(t.Status)
}
