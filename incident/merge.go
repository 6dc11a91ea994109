package incident

import (
	"slices"
	"time"
)

// Merged is written on a ticket that another one took over (Into), and, where a
// held report was appended, on the ticket that took its mail (From). Status is
// the one that the ticket had before, so that the merge can be undone.
type Merged struct {
	Into   ID     `json:"into,omitempty"`
	From   ID     `json:"from,omitempty"`
	Status Status `json:"status,omitempty"`
}

// Joined is written on the ticket that goes on after a merge. It adds what it did
// not have: links to Parents, people, numbers, observables, and the messages that
// wait for an answer. Children were taken over from the ticket From, and it had Shared
// already; they are named for the sake of an undo, and linked by events of their own.
type Joined struct {
	From        ID            `json:"from"`
	Parents     []ID          `json:"parents,omitempty"`
	Children    []ID          `json:"children,omitempty"`
	Shared      []ID          `json:"shared,omitempty"`
	Unanswered  *time.Time    `json:"unanswered,omitempty"` // its oldest message without an answer
	LastOutside *time.Time    `json:"lastOutside,omitempty"`
	LastInside  *time.Time    `json:"lastInside,omitempty"`
	Content     JoinedContent `json:"-"`
}

// JoinedContent is the erasable part of [Joined]: what was added.
type JoinedContent struct {
	Requestors  []Party      `json:"requestors,omitempty"`
	Cc          []Party      `json:"cc,omitempty"`
	Contacts    []Party      `json:"contacts,omitempty"`
	ExternalIDs []string     `json:"externalIDs,omitempty"`
	Observables []Observable `json:"observables,omitempty"`
}

// Unmerged undoes a merge. On the ticket that had ended Into names the one that it
// leaves; on that one From names it, and Unanswered is the oldest message without
// an answer that stays.
type Unmerged struct {
	Into       ID         `json:"into,omitempty"`
	From       ID         `json:"from,omitempty"`
	Unanswered *time.Time `json:"unanswered,omitempty"`
}

func (e Merged) apply(t *Ticket, _ time.Time) {
	if e.Into != 0 {
		t.MergedInto = e.Into
	}
	if e.From != 0 {
		t.mergedFrom(e.From)
	}
}

func (t *Ticket) mergedFrom(id ID) {
	if !slices.Contains(t.MergedFrom, id) {
		t.MergedFrom = append(slices.Clone(t.MergedFrom), id)
	}
}

func (e Joined) apply(t *Ticket, _ time.Time) {
	t.mergedFrom(e.From)
	t.Parents = slices.Compact(slices.Sorted(slices.Values(slices.Concat(t.Parents, e.Parents))))
	c := e.Content
	t.Requestors = slices.Concat(t.Requestors, c.Requestors)
	t.Cc = slices.Concat(t.Cc, c.Cc)
	t.Contacts = slices.Concat(t.Contacts, c.Contacts)
	t.ExternalIDs = slices.Concat(t.ExternalIDs, c.ExternalIDs)
	t.Observables = addObservables(t.Observables, c.Observables)
	if e.Unanswered != nil && (t.OldestUnanswered == nil || e.Unanswered.Before(*t.OldestUnanswered)) {
		t.OldestUnanswered = moment(e.Unanswered)
	}
	if e.LastOutside != nil {
		t.LastOutside = later(t.LastOutside, Moment(*e.LastOutside))
	}
	if e.LastInside != nil {
		t.LastInside = later(t.LastInside, Moment(*e.LastInside))
	}
}

func (e Unmerged) apply(t *Ticket, _ time.Time) {
	if e.Into != 0 {
		t.MergedInto = 0
	}
	if e.From != 0 {
		t.MergedFrom = slices.DeleteFunc(slices.Clone(t.MergedFrom), func(id ID) bool { return id == e.From })
		t.OldestUnanswered = moment(e.Unanswered)
	}
	if len(t.MergedFrom) == 0 {
		t.MergedFrom = nil
	}
}
