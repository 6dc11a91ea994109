package workflow

import (
	"fmt"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
)

const (
	ruleCloseChildren = "close-children"
	ruleAcknowledge   = "acknowledge"
	ruleAcceptKnown   = "accept-known"
)

// Rules returns all built-in rules with their default parameters, in the order in
// which the presets run them. A policy runs those that it lists.
func Rules() []Rule {
	return []Rule{
		{
			Name: "open-linked-report",
			Doc:  "A report in its initial phase opens when it gets an incident (RTIR: SetActiveStatus on link).",
			On:   []string{"opened", "linked", "joined"},
			Then: openLinkedReport,
		},
		{
			Name:  "reopen-linked-incident",
			Doc:   "A child that is not inactive opens a closed incident again when it is linked to it, or loses the active one that held it (JANET 3.11).",
			On:    []string{"opened", "linked", "unlinked", "joined"},
			Needs: reopenLinkedIncidentNeeds,
			Then:  reopenLinkedIncident,
		},
		{
			Name:   "copy-observables",
			Doc:    "An incident gets the observables of a report that is linked to it (RTIR: copy IPs, domains and CVE ids).",
			On:     []string{"opened", "linked"},
			Params: CopyObservables{Kinds: []incident.Kind{incident.KindReport}},
			Needs:  linkNeeds,
			Then:   copyObservables,
		},
		{
			Name:   ruleAcceptKnown,
			Doc:    "A report of machines becomes an incident at once when the policy says what incidents of its feed are like and its constituency is known (AIRT: automatic promotion).",
			On:     []string{"observed"},
			Params: AcceptKnown{},
			Then:   acceptKnown,
		},
		{
			Name:  "append-delivered",
			Doc:   "The messages of a held report that is appended go to the ticket that takes them.",
			On:    []string{"delivered"},
			Needs: appendDeliveredNeeds,
			Then:  appendDelivered,
		},
		{
			Name:  "approve-block",
			Doc:   "Mail of the operations centre puts a block in place, or ends one whose removal was asked for (JANET 3.14, 3.17).",
			On:    []string{"message"},
			Needs: approveBlockNeeds, Params: ApproveBlock{},
			Then: approveBlock,
		},
		{
			Name: "request-block-removal",
			Doc:  "Asking for the removal of a block mails whoever it was asked of (JANET 3.17).",
			On:   []string{"moved"},
			Then: requestBlockRemoval,
		},
		{
			Name: "confirm-block-removal",
			Doc:  "The end of a block is mailed to whoever it was asked of (RTIR meant to; its own condition never holds).",
			On:   []string{"moved"},
			Then: confirmBlockRemoval,
		},
		{
			Name:  "offer-block-notice",
			Doc:   "A new block, and one whose removal is asked for, offers a notice to the contacts that it affects (JANET 3.14).",
			On:    []string{"opened", "moved"},
			Needs: offerBlockNoticeNeeds,
			Then:  offerBlockNotice,
		},
		{
			Name:   "block-expiry",
			Doc:    "A block comes up as due when its time is over (JANET 3.14: the duration that it is to be applied for).",
			On:     []string{"opened", "edited"},
			Params: BlockExpiry{Field: "Until"},
			Then:   blockExpiry,
		},
		{
			Name:   "reopen-on-reply",
			Doc:    "A reply from outside opens a closed child again, and so does a message that waits in a ticket which is merged into it; what the operations centre writes about a removed block does not (JANET 3.16; RT: On Correspond Open Tickets).",
			On:     []string{"message", "joined"},
			Params: ReopenOnReply{},
			Then:   reopenOnReply,
		},
		{
			Name: "foreign-tags",
			Doc:  "Numbers of other people's trackers in a reply become part of the subject (JANET 3.13; RT: extract subject tags).",
			On:   []string{"message"},
			Then: foreignTags,
		},
		{
			Name:   ruleSortByTopic,
			Doc:    "A ticket gets the first topic whose conditions it meets, and another one when these come to hold or hold no more, unless somebody has said what its topic is (JANET 3.18: splitting the work based on its topic).",
			On:     []string{"opened", "edited", "message", "joined"},
			Params: SortByTopic{Field: "Topic", Kinds: []incident.Kind{incident.KindReport, incident.KindIncident}, Else: "everything else"},
			Needs:  sortByTopicNeeds,
			Then:   sortByTopic,
		},
		{
			Name:   ruleCloseChildren,
			Doc:    "Closing an incident closes its children that are not inactive, unless another active incident holds them (JANET 3.16).",
			On:     []string{"moved"},
			Params: CloseChildren{ActiveBlock: BlockAskRemoval},
			Needs: func(_ *Policy, c Change, _ any) []Ask {
				if !closes(c) {
					return nil
				}
				return []Ask{{Fact: FactOpenChildren, Ticket: c.After.ID}}
			},
			Then: closeChildren,
		},
		{
			Name:  ruleConstituencyToChildren,
			Doc:   "Children that have the constituency of their incident follow it to another one (RTIR: move children's queue).",
			On:    []string{"edited"},
			Needs: incidentChildren(func(c Change) bool { return c.Before.Constituency != c.After.Constituency }),
			Then:  constituencyToChildren,
		},
		{
			Name:  ruleInheritConstituency,
			Doc:   "A child takes the constituency of the incident that it is linked to, and a change spreads to whatever is linked (RTIR 2: constituency propagation inherit).",
			On:    []string{"opened", "linked", "joined", "edited"},
			Needs: inheritConstituencyNeeds,
			Then:  inheritConstituency,
		},
		{
			Name:   "owner-to-children",
			Doc:    "The children of an incident that are not inactive go to its new owner (RTIR: set owner of children).",
			On:     []string{"owned"},
			Params: OwnerToChildren{},
			Needs: func(_ *Policy, c Change, params any) []Ask {
				if c.After.Kind != incident.KindIncident {
					return nil
				}
				return []Ask{{Fact: params.(OwnerToChildren).fact(), Ticket: c.After.ID}}
			},
			Then: ownerToChildren,
		},
		{
			Name:  "owner-to-incident",
			Doc:   "The incidents of a child go to its new owner (RTIR: set owner of the incident; an unowned one too).",
			On:    []string{"owned"},
			Needs: parentNeeds(func(c Change) bool { return c.After.Owner != incident.Nobody }),
			Then:  ownerToIncident,
		},
		{
			Name:  "reopen-parents",
			Doc:   "A child that becomes active opens its closed incidents again (JANET 3.16).",
			On:    []string{"moved"},
			Needs: parentNeeds(becomesActive),
			Then:  reopenParents,
		},
		{
			Name:   "resolution",
			Doc:    "The resolution of an incident follows its end, and is taken back when it is opened again (JANET 3.16; RTIR 2.8).",
			On:     []string{"moved"},
			Params: Resolution{Field: FieldResolution},
			Then:   resolution,
		},
		{
			Name: "due-on-reply",
			Doc:  "A reply from outside makes a child due at the time of the oldest message that nobody has answered (JANET 3.15).",
			On:   []string{"message", "joined", "unmerged"},
			Then: dueOnReply,
		},
		{
			Name:   "due-after-reply",
			Doc:    "Our reply makes a child due some days later, sooner with a higher priority (JANET 3.12, 3.10).",
			On:     []string{"message"},
			Params: DueAfterReply{Days: 7},
			Needs:  dueAfterReplyNeeds,
			Then:   dueAfterReply,
		},
		{
			Name: "restart-on-reply",
			Doc:  "The running time of a report begins anew each time that it is replied to (JANET 3.15).",
			On:   []string{"message"},
			Then: restartOnReply,
		},
		{
			Name:   ruleAcknowledge,
			Doc:    "The requestors of a new report get a mail that it has come, unless a machine wrote it or nobody is to be told (RTIR: auto-reply to requestors; RFC 3834).",
			On:     []string{"opened"},
			Params: Acknowledge{Text: acknowledgement, Hours: 1},
			Needs:  acknowledgeNeeds,
			Then:   acknowledge,
		},
		{
			Name:   "notify-linked",
			Doc:    "The owner of an incident is told of a report that somebody else links to it (JANET 3.11).",
			On:     []string{"opened", "linked"},
			Params: NotifyParams{},
			Needs:  linkNeeds,
			Then:   notifyLinked,
		},
		{
			Name:   "notify-reply",
			Doc:    "The owner of a ticket is told of a message from outside (RT: On Correspond Notify Owner).",
			On:     []string{"message"},
			Params: NotifyParams{Duty: true},
			Then:   notifyReply,
		},
		{
			Name:   "notify-reopened",
			Doc:    "The owner of a ticket is told when it is opened again (JANET 3.16).",
			On:     []string{"moved"},
			Params: NotifyParams{},
			Then:   notifyReopened,
		},
		{
			Name:   "notify-assigned",
			Doc:    "Whoever becomes the owner by somebody else's hand is told (RT: On Owner Change Notify Owner).",
			On:     []string{"owned"},
			Params: NotifyParams{},
			Then:   notifyAssigned,
		},
		{
			Name: "mark-defective",
			Doc:  "An address of which a mail system says for good that it takes no mail is marked until a person clears it (JANET 3.13).",
			On:   []string{"bounced"},
			Then: markDefective,
		},
		{
			Name:   "notify-bounced",
			Doc:    "The owner of a ticket is told of a mail that did not arrive (JANET 3.13).",
			On:     []string{"bounced"},
			Params: NotifyParams{Duty: true},
			Then:   notifyBounced,
		},
		{
			Name:   "notify-undelivered",
			Doc:    "The owner of a ticket is told of mail that failed or may not have been taken; not of notices to the team, so that no notice tells of another.",
			On:     []string{"undelivered"},
			Params: NotifyParams{Duty: true},
			Then:   notifyUndelivered,
		},
		{
			Name:   "notify-overdue",
			Doc:    "The owner of a ticket is told when its due date has passed (JANET 3.15).",
			On:     []string{"overdue", "breached"},
			Params: NotifyParams{Duty: true},
			Needs:  notifyOverdueNeeds,
			Then:   notifyOverdue,
		},
	}
}

// Derivations returns all built-in derivations, in the order in which the presets
// run them.
func Derivations() []Derivation {
	return []Derivation{
		{
			Name:       "due-by-clock",
			Doc:        "A ticket with a service level is due when the first of its clocks is (JANET 3.4, 3.10; RT: Due by SLA).",
			DirtyNeeds: dueByClockNeeds,
			Dirty:      dueByClockDirty,
			Needs:      dueByClockAsks,
			Then:       dueByClock,
		},
		{
			Name:   "incident-due",
			Doc:    "An incident is due when the first of its children is that has a due date and is not inactive, unless a person has pinned its date (JANET 3.15).",
			Params: IncidentDue{Pin: true},
			Dirty:  incidentDueDirty,
			Needs:  func(_ *Policy, t incident.Ticket) []Ask { return []Ask{{Fact: FactEarliestDue, Ticket: t.ID}} },
			Then:   incidentDue,
		},
	}
}

// incidentChildren asks for the open children of an incident that a change is
// about.
func incidentChildren(when func(Change) bool) func(*Policy, Change, any) []Ask {
	return func(_ *Policy, c Change, _ any) []Ask {
		if c.After.Kind != incident.KindIncident || !when(c) {
			return nil
		}
		return []Ask{{Fact: FactOpenChildren, Ticket: c.After.ID}}
	}
}

// parentNeeds asks for the incidents of a child that a change is about.
func parentNeeds(when func(Change) bool) func(*Policy, Change, any) []Ask {
	return func(_ *Policy, c Change, _ any) []Ask {
		if c.After.Kind == incident.KindIncident || !when(c) {
			return nil
		}
		return []Ask{{Fact: FactParents, Ticket: c.After.ID}}
	}
}

// appends reports whether a change gives the messages of a held report to another
// ticket. A merge leaves them where they are.
func appends(c Change) bool {
	d, ok := c.Event.(incident.Delivered)
	return ok && d.Outcome == incident.Appended && c.Command != (Merge{}).Name()
}

func appendDeliveredNeeds(_ *Policy, c Change, _ any) []Ask {
	if !appends(c) {
		return nil
	}
	return []Ask{{Fact: FactMessages, Ticket: c.After.ID}}
}

func appendDelivered(_ *Policy, c Change, f Facts, _ any) Verdict {
	if !appends(c) {
		return Verdict{}
	}
	delivered := c.Event.(incident.Delivered)
	var commands []Command
	for _, m := range f.Messages(c.After.ID) {
		received := m.At
		if m.Message.When != nil {
			received = *m.Message.When
		}
		entity := m.Message.Content
		if m.Message.Sent { // it is a mail all the same, see IsMail
			entity.Why = []string{fmt.Sprintf("We sent it on ticket %s.", c.After.ID)}
		}
		commands = append(commands, Append{
			Ticket: delivered.To,
			From:   c.After.ID,
			Mail: Mail{
				Side: m.Message.Side, Machine: m.Message.Machine, When: &received, Thread: "delivered",
				Flags: m.Message.Flags, Trust: m.Message.Trust, Entity: entity, Blobs: m.Message.Blobs,
			},
		})
	}
	if len(commands) == 0 {
		return Verdict{Why: "it has no messages"}
	}
	return Verdict{Commands: commands, Why: "the held report was delivered to this ticket"}
}

// ReopenOnReply are the parameters of the rule reopen-on-reply.
type ReopenOnReply struct {
	Kinds  []incident.Kind   `json:"kinds"`  // empty: all but incidents
	Except []incident.Status `json:"except"` // what stays closed, whoever replies
	Inside bool              `json:"inside"` // our own replies do it too (RT), but for those of rules
}

func reopenOnReply(p *Policy, c Change, _ Facts, params any) Verdict {
	with := params.(ReopenOnReply)
	m, why, ok := reply(c)
	if joined, merged := c.Event.(incident.Joined); merged {
		ok = joined.Unanswered != nil && c.After.Kind != incident.KindIncident
		m.Trust = incident.TrustSigned // it was judged when it came
	}
	inside := with.Inside && m.Sent && !opening(c) && c.Cause.Rule == "" && c.After.Kind != incident.KindIncident
	switch {
	case c.After.Open() || c.After.MergedInto != 0 || len(with.Kinds) > 0 && !slices.Contains(with.Kinds, c.After.Kind):
		return Verdict{}
	case !ok && !inside:
		return Verdict{Why: why}
	case slices.Contains(with.Except, c.After.Status):
		return Verdict{Why: "it is " + string(c.After.Status) + ", which replies leave alone"}
	case ok && c.After.Kind == incident.KindBlock && p.OperationsCentre.Address != "" && incident.SameAddress(m.Content.From.Address, p.OperationsCentre.Address):
		return Verdict{Why: "the operations centre tells what it did: a block that is removed is not in place again"}
	case slices.Contains(m.Flags, FlagNoReopen):
		return Verdict{Why: "its writer asked not to open it (RT-Control: no-autoopen)"}
	case ok && !m.Trust.Reaches(p.MailTrust.Reopen):
		return Verdict{Why: "it is not sure enough who wrote the message"}
	case inside:
		return Verdict{Commands: []Command{Reopen{Ticket: c.After.ID}}, Why: "somebody replied"}
	}
	return Verdict{Commands: []Command{Reopen{Ticket: c.After.ID}}, Why: "somebody outside replied"}
}

// FlagNoReopen is the flag of a message whose writer asked that it opens nothing:
// header field RT-Control with no-autoopen (RT).
const FlagNoReopen = "no-reopen"

// FlagQuiet is the flag of a message that a person wrote and that must not be
// answered by itself (RFC 3834 2): it came by a list, its writer asks for no such
// answer, or its address is one that nobody reads.
const FlagQuiet = "quiet"

// becomesActive reports whether a change makes a ticket go on that was closed or new.
// A block whose removal is asked for was active before, and opens no incident that
// was closed because another one holds the block.
func becomesActive(c Change) bool { return c.After.Open() && c.Before.Phase != incident.Active }

func reopenParents(_ *Policy, c Change, f Facts, _ any) Verdict {
	if !becomesActive(c) || c.After.Kind == incident.KindIncident {
		return Verdict{}
	}
	var commands []Command
	for _, parent := range f.Parents(c.After.ID) {
		if !parent.Open() {
			commands = append(commands, Reopen{Ticket: parent.ID})
		}
	}
	if len(commands) == 0 {
		return Verdict{}
	}
	return Verdict{Commands: commands, Why: "a child of it is active"}
}

// opening reports whether the event of a change belongs to the opening of its
// ticket.
func opening(c Change) bool { return c.Command == (Open{}).Name() }

// reply returns the message of a change when it is a reply from outside to an
// existing ticket by a person; otherwise the reason why it is none.
func reply(c Change) (incident.Message, string, bool) {
	m, ok := c.Event.(incident.Message)
	switch {
	case !ok || m.Sent || m.Side != incident.Outside || opening(c) || c.After.Kind == incident.KindIncident:
		return m, "", false
	case m.Machine:
		return m, "a machine wrote the message", false
	}
	return m, "", true
}

func sameTime(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(*b)
}
