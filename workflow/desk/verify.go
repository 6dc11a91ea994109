package desk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/airtight-csirt/airtight/incident"
	"github.com/airtight-csirt/airtight/storage"
	"github.com/airtight-csirt/airtight/workflow"
)

// Fault is something that must hold and does not.
type Fault struct {
	Ticket incident.ID `json:"ticket"`
	What   string      `json:"what"`
}

// Error implements error.
func (f Fault) Error() string { return fmt.Sprintf("ticket %s: %s", f.Ticket, f.What) }

// Verification is what Verify looked at, and what it found.
type Verification struct {
	Tickets int     `json:"tickets"`
	Records int     `json:"records"`
	Blobs   int     `json:"blobs"`
	Faults  []Fault `json:"faults"`
}

// verifyPage is how many tickets are loaded at a time.
const verifyPage = 500

// Verify checks everything that is stored against everything that must hold: the
// chain of each history; that its fold is the stored ticket; that the phase fits
// the status; that parents exist and are incidents; that the due date of an
// incident is the earliest of its open children's, or pinned; that the clocks of a ticket
// which is not inactive are those that the agreement gives it now, if its last
// record was written under the present version of the policy, and that it is due
// by the first of them, unless a person, a reminder or a rule has set the date
// since; that no warning or breach is recorded twice; that causes, claims and
// blobs exist; that the feed has no holes. It reads one snapshot, and reports to
// progress (may be nil) after each page of tickets. The error is the store's:
// faults are no error.
func (d *Desk) Verify(ctx context.Context, progress func(done, total int)) (*Verification, error) {
	v := &verifier{desk: d}
	err := d.store.View(ctx, func(ctx context.Context, r storage.Reader) error {
		v.reader = r
		return v.all(ctx, progress)
	})
	return &v.Verification, err
}

type verifier struct {
	Verification
	desk   *Desk
	reader storage.Reader
	marks  map[storage.Key]int // of addresses so far; the keys are those of their first
}

func (v *verifier) fault(id incident.ID, format string, args ...any) {
	v.Faults = append(v.Faults, Fault{id, fmt.Sprintf(format, args...)})
}

func (v *verifier) all(ctx context.Context, progress func(done, total int)) error {
	total, err := v.reader.Count(ctx, storage.Query{})
	if err != nil {
		return err
	}
	desk, err := v.reader.Ticket(ctx, incident.Desk)
	if err == nil {
		err = v.ticket(ctx, desk)
	}
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	q := storage.Query{Limit: verifyPage}
	for {
		page, err := v.reader.Find(ctx, q)
		if err != nil {
			return err
		}
		for _, t := range page {
			if err := v.ticket(ctx, t); err != nil {
				return err
			}
		}
		if progress != nil {
			progress(v.Tickets, total)
		}
		if len(page) < verifyPage {
			return v.feed(ctx)
		}
		q.After = storage.CursorAt(page[len(page)-1])
	}
}

// feed checks that records are numbered without holes and belong to tickets.
func (v *verifier) feed(ctx context.Context) error {
	seen := 0
	for after := uint64(0); ; {
		page, err := v.reader.History(ctx, storage.HistoryQuery{After: after, Limit: verifyPage})
		if err != nil {
			return err
		}
		for _, r := range page {
			if r.Seq != after+1 {
				v.fault(r.Ticket, "record %d has place %d in the feed, where %d was expected", r.Version, r.Seq, after+1)
			}
			after = r.Seq
			seen++
		}
		if len(page) < verifyPage {
			break
		}
	}
	if seen != v.Records {
		v.fault(incident.Desk, "the feed has %d records, the histories of all tickets have %d", seen, v.Records)
	}
	return nil
}

func (v *verifier) ticket(ctx context.Context, t incident.Ticket) error {
	if t.ID != incident.Desk {
		v.Tickets++
	}
	history, err := v.reader.History(ctx, storage.HistoryQuery{Tickets: []incident.ID{t.ID}})
	if err != nil {
		return err
	}
	v.Records += len(history)
	folded, err := incident.Verify(history)
	if err != nil {
		v.fault(t.ID, "%v", err)
	} else if err := sameTicket(folded, t); err != nil {
		v.fault(t.ID, "%v", err)
	}
	for _, r := range history {
		if err := v.record(ctx, r); err != nil {
			return err
		}
	}
	if t.ID == incident.Desk {
		return nil
	}
	// What was last written under another version of the policy may have what this
	// one does not know.
	present := len(history) > 0 && history[len(history)-1].Policy == v.desk.config.Policy.Version
	status, known := v.desk.config.Policy.Lifecycles[t.Kind].Status(t.Status)
	if present && (!known || status.Phase != t.Phase) {
		v.fault(t.ID, "phase %q does not fit status %q of %s", t.Phase, t.Status, t.Kind)
	}
	for _, id := range t.Parents {
		parent, err := v.reader.Ticket(ctx, id)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if parent.Kind != incident.KindIncident {
			v.fault(t.ID, "its parent %s does not exist or is no incident", id)
		}
	}
	if t.Kind == incident.KindIncident {
		return v.due(ctx, t)
	}
	v.alarms(history)
	return v.clocks(ctx, t, history)
}

// alarms checks that each warning and breach is there once at most.
func (v *verifier) alarms(history []incident.Record) {
	alarm := func(r incident.Record) bool {
		return r.Type == (incident.Warned{}).Type() || r.Type == (incident.Breached{}).Type()
	}
	if !slices.ContainsFunc(history, alarm) {
		return
	}
	var t incident.Ticket
	for _, r := range history {
		before := t
		t = incident.Apply(t, r)
		if !alarm(r) {
			continue
		}
		ev, _ := incident.Decode(r) // record reports what does not decode
		breach := false
		var c incident.Breached
		switch ev := ev.(type) {
		case incident.Warned:
			c = incident.Breached(ev)
		case incident.Breached:
			c, breach = ev, true
		default:
			continue
		}
		if before.Alarmed(incident.Clock{Name: c.Clock, From: incident.Moment(c.From), Due: incident.Moment(c.Due)}, breach) {
			v.fault(t.ID, "record %d says once more that clock %q was %s for %s", r.Version, c.Clock, r.Type, c.Due)
		}
	}
}

// clocks checks the clocks of a ticket against the agreement, and the due date
// against the clocks, unless something else has set it since. A ticket that was
// last written under another version of the policy waits for Recompute.
func (v *verifier) clocks(ctx context.Context, t incident.Ticket, history []incident.Record) error {
	policy := v.desk.config.Policy
	if policy.Agreement == nil || !t.Open() || len(history) == 0 || history[len(history)-1].Policy != policy.Version {
		return nil
	}
	if _, dated := lastDue(history); !dated && t.Held != nil {
		return nil // intake may have kept it without the rules, because one of them failed
	}
	promise, _, err := v.desk.promise(ctx, v.reader, t)
	if err != nil {
		return err
	}
	if want := promise.Clocks(); !workflow.SameClocks(want, t.Clocks) {
		v.fault(t.ID, "its clocks are %v, the agreement says %v: recompute after a change of the agreement", clockNames(t.Clocks), clockNames(want))
	}
	if have, want := dateOf(t.Due), dateOf(workflow.EarliestDue(t.Clocks)); t.DueByClock && have != want {
		v.fault(t.ID, "its due date is %s, the earliest of its clocks is %s", have, want)
	}
	return nil
}

func clockNames(clocks []incident.Clock) []string {
	names := []string{}
	for _, c := range clocks {
		names = append(names, fmt.Sprintf("%s of %s at %s", c.Name, c.Level, c.Due.Format(time.RFC3339)))
	}
	return names
}

func dateOf(t *time.Time) string {
	if t == nil {
		return "unset"
	}
	return t.String()
}

// sameTicket compares the JSON forms: times with their zone and empty lists do
// not matter, everything else does.
func sameTicket(folded, stored incident.Ticket) error {
	a, err := json.Marshal(folded)
	if err != nil {
		return err
	}
	b, err := json.Marshal(stored)
	if err != nil {
		return err
	}
	if !bytes.Equal(a, b) {
		return fmt.Errorf("the stored ticket is not the fold of its history: stored %s, folded %s", b, a)
	}
	return nil
}

// due checks an incident's due date without the derivation that sets it.
func (v *verifier) due(ctx context.Context, t incident.Ticket) error {
	children, err := v.reader.Find(ctx, storage.Query{Parent: t.ID})
	if err != nil {
		return err
	}
	var earliest *time.Time
	for _, child := range children {
		if child.Open() && child.Due != nil && (earliest == nil || child.Due.Before(*earliest)) {
			earliest = child.Due
		}
	}
	if have, want := dateOf(t.Due), dateOf(earliest); have != want && !t.Pinned {
		v.fault(t.ID, "its due date is %s, the earliest of its open children is %s", have, want)
	}
	return nil
}

func (v *verifier) record(ctx context.Context, r incident.Record) error {
	if c := r.Cause; c.Version > 0 {
		t, err := v.reader.Ticket(ctx, c.Ticket)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if err != nil || t.Version < c.Version {
			v.fault(r.Ticket, "record %d names record %d of ticket %s as its cause, which does not exist", r.Version, c.Version, c.Ticket)
		}
	}
	for _, digest := range r.Blobs {
		blob, err := v.desk.body(ctx, v.reader, digest)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			v.fault(r.Ticket, "blob %s of record %d is missing", digest, r.Version)
		case err != nil:
			return err
		case incident.DigestOf(blob) != digest:
			v.fault(r.Ticket, "blob %s of record %d has other contents", digest, r.Version)
		default:
			v.Blobs++
		}
	}
	ev, err := incident.Decode(r)
	if err != nil {
		v.fault(r.Ticket, "record %d: %v", r.Version, err)
		return nil
	}
	switch ev := ev.(type) {
	case incident.AddressMarked:
		return v.marking(ctx, r, claimMarked, ev.Content.Address)
	case incident.AddressCleared:
		return v.marking(ctx, r, claimCleared, ev.Content.Address)
	}
	m, ok := ev.(incident.Message)
	if !ok || m.Content.MessageID == "" {
		return nil
	}
	_, held, err := v.reader.Claimed(ctx, storage.Key{Space: claimMessageID, Value: m.Content.MessageID})
	if err == nil && !held {
		v.fault(r.Ticket, "nobody holds the Message-ID of record %d", r.Version)
	}
	return err
}

// marking checks that an address which was marked or cleared is claimed for it, each
// time anew.
func (v *verifier) marking(ctx context.Context, r incident.Record, space, address string) error {
	if address == "" { // erased
		return nil
	}
	if v.marks == nil {
		v.marks = map[storage.Key]int{}
	}
	first := markKey(space, address, 1)
	v.marks[first]++
	_, held, err := v.reader.Claimed(ctx, markKey(space, address, v.marks[first]))
	if err == nil && !held {
		v.fault(r.Ticket, "nobody holds the address of record %d", r.Version)
	}
	return err
}
